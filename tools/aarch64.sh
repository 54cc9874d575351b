#!/bin/sh
# fusepath on an emulated 64-bit ARM, functionally: plans, and a small network split and verified.
#
#   tools/aarch64.sh [FOLDER]
#
# Needs Debian's or Ubuntu's apt-get with its sources, dpkg-deb, qemu-aarch64 (package qemu-user; without
# it one is unpacked into FOLDER), and pip. Nothing is installed outside FOLDER: Python and the C library
# come from Debian's arm64 packages, unpacked there, and the wheels are those that a Raspberry Pi
# would get, but for ONNX Runtime: of 1.32.0 the import crashes under qemu 7.2 (Debian 12), of 1.20.1,
# older than what fusepath asks for, it does not; ONNXRUNTIME=VERSION takes another. Says nothing of speed: emulation is tens of times slower.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mkdir -p "${1:-/tmp/fusepath-aarch64}" && cd "${1:-/tmp/fusepath-aarch64}" && pwd)
apt="$folder/apt"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder/debs" "$folder/arm" "$folder/site"
: > "$apt/status"
options="-oDir::State::Lists=$apt/lists -oDir::Cache=$apt/cache -oDir::State::status=$apt/status"
arm="$options -oAPT::Architecture=arm64 -oAPT::Architectures=arm64"

unpack() { # options, target, packages
    chosen=$1 target=$2
    shift 2
    (cd "$folder/debs" && apt-get -qq $chosen download "$@")
    for package in "$@"; do
        dpkg-deb -x "$(ls "$folder/debs/${package}"_*.deb | head -n 1)" "$target"
    done
}

if [ ! -e "$folder/arm/ready" ]; then
    apt-get -qq $arm update
    unpack "$arm" "$folder/arm" libc6 libgcc-s1 libstdc++6 python3.11-minimal \
        libpython3.11-minimal libpython3.11-stdlib zlib1g libexpat1 libssl3 libffi8 liblzma5 \
        libbz2-1.0 libuuid1 libsqlite3-0 libreadline8 libtinfo6
    touch "$folder/arm/ready"
fi
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
if [ -z "$qemu" ]; then
    host="$options -oAPT::Architecture=$(dpkg --print-architecture)"
    [ -e "$folder/qemu/usr/bin/qemu-aarch64-static" ] || {
        apt-get -qq $host update
        unpack "$host" "$folder/qemu" qemu-user-static
    }
    qemu="$folder/qemu/usr/bin/qemu-aarch64-static"
fi
if [ ! -e "$folder/site/ready" ]; then
    python3 -m pip install --quiet --target "$folder/site" --only-binary=:all: \
        --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 \
        click grpcio msgspec numpy onnx "onnxruntime==${ONNXRUNTIME:-1.20.1}" pillow protobuf rich zstandard
    python3 -m pip install --quiet --target "$folder/site" --no-deps "$root"
    touch "$folder/site/ready"
fi

python() {
    PYTHONPATH="$root/src:$folder/site" PYTHONHOME="$folder/arm/usr" PYTHONDONTWRITEBYTECODE=1 \
        "$qemu" -L "$folder/arm" "$folder/arm/usr/bin/python3.11" "$@"
}

python - <<'PROGRAM'
import platform

import numpy as np

import fusepath
from fusepath.offload.verify import run_unsplit

print("machine", platform.machine(), "python", platform.python_version(), "numpy", np.__version__)
assert platform.machine() == "aarch64"
model = fusepath.load_model("zoo:squeezenet?size=64&weights=integer")
setting = fusepath.Setting(
    graph=model.graph,
    device=fusepath.parse_machine("1GFLOPS"),
    edge=fusepath.parse_machine("50GFLOPS"),
    link=fusepath.parse_link("200kB/s"),
)
pixels = np.random.default_rng(0).integers(0, 256, model.graph.input.shape, dtype=np.uint8)
frames = fusepath.FrameFormat(layout="chw")
for algorithm, keep in (("nfl", 4), ("stream", 0), ("mw", 0)):
    limits = fusepath.Constraints(keep_on_device=keep, max_paths=9)
    request = fusepath.PlanRequest(algorithm=algorithm, constraints=limits)
    plan = fusepath.make_plan(setting, request).best
    with fusepath.Session(model, "memory:", plan=plan, frames=frames) as session:
        found = session.infer(pixels).outputs
    wanted = run_unsplit(model, pixels, plan.input)
    equal = all(np.array_equal(found[name], wanted[name]) for name in wanted)
    print(f"{algorithm}: {plan.family}, {plan.arrangement}: {'bit-equal' if equal else 'DIFFERS'}")
    assert equal
print("everything holds on", platform.machine())
PROGRAM
