"""Installs a wheel into a clean environment and uses it there, far from the sources.

    python tools/try_wheel.py dist/fusepath-0.1.0-py3-none-any.whl [python3.12 ...]

For every Python named, or this one: `import`, `--help`, a plan, and a run against an edge server
within the process whose result is compared with the unsplit model's. Then sizes and licences of
what was installed. Exits 1 where something fails or the core is larger than it may be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MOST_BYTES = 280_000_000
MODEL = "zoo:squeezenet?size=64"
MACHINES = ["--device", "1GFLOPS", "--edge", "50GFLOPS", "--link", "0.2MB/s"]
TOLD = """
import importlib.metadata as metadata, json, pathlib, sys
import fusepath
import numpy

assert pathlib.Path(fusepath.__file__).is_relative_to(sys.prefix), fusepath.__file__
numpy.save("x.npy", numpy.ones((1, 3, 64, 64), numpy.float32))
told = []
for item in metadata.distributions():
    name, about = item.metadata["Name"], item.metadata
    if name in {"pip", "setuptools"}:
        continue
    files = [pathlib.Path(item.locate_file(file)) for file in item.files or ()]
    words = (about.get("License") or "").strip().splitlines()[:1]
    classes = [text for text in about.get_all("Classifier", []) if text.startswith("License")]
    licence = about.get("License-Expression") or ", ".join(
        text.split(" :: ")[-1] for text in classes
    )
    size = sum(file.stat().st_size for file in files if file.is_file())
    told.append((name, item.version, size, licence or " ".join(words)))
print(json.dumps(told))
"""


def tried(wheel: Path, python: str, folder: Path) -> int:
    """Bytes of the installed core."""
    away = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    away |= {"XDG_CACHE_HOME": str(folder / "cache")}

    def call(*words: str | Path) -> str:
        return subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=away,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    call(python, "-m", "venv", "env")
    own, fusepath = folder / "env/bin/python", folder / "env/bin/fusepath"
    call(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    parts = json.loads(call(own, "-c", TOLD))
    assert "Commands:" in call(fusepath, "--help")
    call(
        fusepath,
        "plan",
        MODEL,
        *MACHINES,
        "--algorithm",
        "nfl",
        "--input-type",
        "values",
        "-o",
        "plan.json",
    )
    ran = call(
        fusepath,
        "run",
        MODEL,
        "x.npy",
        "--edge",
        "memory:",
        "--plan",
        "plan.json",
        "--verify",
        "--json",
    )
    assert json.loads(ran)["verified"] is True
    total = sum(size for _, _, size, _ in parts)
    print(f"{call(own, '--version').strip()}: {total / 1e6:.0f} MB in {len(parts)} packages")
    for name, version, size, licence in sorted(parts, key=lambda part: -part[2]):
        print(f"  {name:<20}{version:<12}{size / 1e6:7.1f} MB  {licence}")
    return total


def main() -> int:
    wheel, *pythons = sys.argv[1:]
    sizes = []
    for python in pythons or [sys.executable]:
        with tempfile.TemporaryDirectory() as folder:
            sizes.append(tried(Path(wheel).resolve(), python, Path(folder)))
    return 1 if max(sizes) > MOST_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
