"""Between two machines: the only home of gRPC."""

import os

# Before gRPC is imported: of a fork, say, it would tell whoever reads standard error.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
