"""Looks whether all that the core needs has wheels for 64-bit ARM: no compiler on a Raspberry Pi.

    python tools/aarch64_wheels.py [3.11 ...]

pip resolves the core for glibc 2.28 and every Python named, or 3.11, without building anything.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

GLIBC = ("2_17", "2_27", "2_28")
PLATFORMS = ["manylinux2014_aarch64", *(f"manylinux_{version}_aarch64" for version in GLIBC)]


def main() -> int:
    document = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    for python in sys.argv[1:] or ["3.11"]:
        asked = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        asked += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
        asked += [word for platform in PLATFORMS for word in ("--platform", platform)]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [*asked, "-d", folder, *document["project"]["dependencies"]], check=False
            )
            wheels = sorted(Path(folder).iterdir())
            size = sum(wheel.stat().st_size for wheel in wheels)
        if done.returncode:
            return done.returncode
        print(f"{python}: {len(wheels)} wheels for aarch64, {size / 1e6:.0f} MB to fetch")
    return 0


if __name__ == "__main__":
    sys.exit(main())
