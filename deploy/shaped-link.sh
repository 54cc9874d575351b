#!/bin/sh
# Makes what leaves this container slow, and late if that is asked for; then runs a command as the
# ordinary user.
#
#   shaped-link COMMAND ARGUMENT …      needs NET_ADMIN; LINK_RATE and LINK_DELAY as tc writes them
set -eu
link="${LINK_DEVICE:-eth0}"
tc qdisc replace dev "$link" root handle 1: tbf \
    rate "${LINK_RATE:-14400kbit}" burst 16kb latency 1s
if [ -n "${LINK_DELAY:-}" ]; then
    tc qdisc replace dev "$link" parent 1: netem delay "$LINK_DELAY"
fi
exec setpriv --reuid=fusepath --regid=fusepath --clear-groups \
    --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
