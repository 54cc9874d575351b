"""Generate the gRPC code from fusepath.proto; with --check, fail if the committed code is stale.

PROTOC names a Python with grpcio-tools 1.71 (`make proto` provides it).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = Path("fusepath/remote/wire")
FILES = ["fusepath_pb2.py", "fusepath_pb2.pyi", "fusepath_pb2_grpc.py"]


def main() -> int:
    check = "--check" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        target = scratch if check else str(ROOT / "src")
        subprocess.run(
            [
                os.environ["PROTOC"],
                "-m",
                "grpc_tools.protoc",
                "-I",
                str(ROOT / "src"),
                f"--python_out={target}",
                f"--pyi_out={target}",
                f"--grpc_python_out={target}",
                str(ROOT / "src" / FOLDER / "fusepath.proto"),
            ],
            check=True,
        )
        stale = [
            name
            for name in FILES
            if (Path(target) / FOLDER / name).read_bytes()
            != (ROOT / "src" / FOLDER / name).read_bytes()
        ]
    if stale:
        print(f"generated code is stale: {', '.join(stale)}; run `make proto`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
