"""Generate the code of our .proto files; with --check, fail if the committed code is stale.

PROTOC names a Python with grpcio-tools 1.71 (`make proto` provides it).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src"
MESSAGES = {
    Path("fusepath/remote/wire/fusepath.proto"): ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py"),
    Path("fusepath/remote/wire/open_inference.proto"): ("_pb2.py", "_pb2.pyi"),
    Path("fusepath/remote/wire/reflection.proto"): ("_pb2.py", "_pb2.pyi"),
    Path("fusepath/report/trace/trace_event.proto"): ("_pb2.py", "_pb2.pyi"),
}
"""Every file of messages, and the ends of what is made of it."""


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) if check else SOURCES
        for source, ends in MESSAGES.items():
            generate(source, target, services="_pb2_grpc.py" in ends)
            stale += [
                str(made)
                for end in ends
                if (target / (made := source.with_name(source.stem + end))).read_bytes()
                != (SOURCES / made).read_bytes()
            ]
    if stale:
        print(f"generated code is stale: {', '.join(stale)}; run `make proto`", file=sys.stderr)
    return 1 if stale else 0


def generate(source: Path, target: Path, *, services: bool) -> None:
    """Write the code of one file below a folder."""
    outputs = ["python", "pyi", *(["grpc_python"] if services else [])]
    subprocess.run(
        [
            os.environ["PROTOC"],
            "-m",
            "grpc_tools.protoc",
            "-I",
            str(SOURCES),
            *(f"--{output}_out={target}" for output in outputs),
            str(SOURCES / source),
        ],
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
