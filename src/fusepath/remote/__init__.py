"""Between two machines: the only home of gRPC."""

import os

# Before gRPC is imported. What it would print comes back as an exception as well; and of a fork,
# say, it would tell whoever reads standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

# The handlers that gRPC else puts around a fork make the child crash now and then when a call is
# under way. They serve its blocking interface alone; here a forked child has no use for gRPC.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
