"""Unpacks a source distribution and looks whether what the README shows can be done there.

    python tools/try_sdist.py dist/fusepath-0.1.0.tar.gz

Every file that README, guide and Makefile name must be in it, and `make -n` of every target of the
README must know what to do. Exits 1 where something is missing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/index.md", "docs/start.md")


def missing(root: Path) -> Iterator[str]:
    """What is named and is not there."""
    for page in PAGES:
        text = (root / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            if not (root / page).parent.joinpath(target).exists():
                yield f"{page}: {target}"
        for target in sorted(set(re.findall(r"(?:^|`)make ([a-z][\w-]+)", text, re.M))):
            asked = ["make", "-n", target, "REPOSITORY=https://example.org"]
            if subprocess.run(asked, cwd=root, check=False, capture_output=True).returncode:
                yield f"{page}: make {target}"
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"\b(?:tools|benchmarks)/[\w/]+\.(?:py|sh)|constraints\.txt", makefile):
        if not (root / name).exists():
            yield f"Makefile: {name}"
    for name in re.findall(r"-m ((?:benchmarks|tests)[\w.]*)", makefile):
        module = root / name.replace(".", "/")
        if not (module.with_suffix(".py").exists() or (module / "__main__.py").exists()):
            yield f"Makefile: -m {name}"


def main() -> int:
    (archive,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (root,) = Path(folder).iterdir()
        found = list(missing(root))
    for line in found:
        print(f"missing in {archive}: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
