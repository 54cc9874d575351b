"""Between two machines: the only home of gRPC."""

import os

# Before gRPC is imported. What it would print comes back as an exception as well; and of a fork,
# say, it would tell whoever reads standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
