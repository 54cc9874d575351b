"""Write docs/licences.md: what the core installs, and under which licence each part is.

    python tools/licences.py            writes the page, from what is installed beside fusepath
    python tools/licences.py --check    says whether it is what would be written

Versions and sizes change with every installation; `tools/try_wheel.py` prints them for a wheel.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
TITLE = """\
# Licences of what is installed

fusepath is under Apache-2.0. The core installs these packages, and nothing else; all are under
permissive licences, as their own metadata say. Written by `python tools/licences.py`;
[sizes](install.md#sizes) are measured with the wheel.

| package | licence | because of |
|---|---|---|
"""


def requirements(package: str) -> list[str]:
    """What a package needs on this platform, without extras."""
    if package == "fusepath":
        document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        needed = document["project"]["dependencies"]
    else:
        needed = metadata.requires(package) or []
    found = map(Requirement, needed)
    here = (item for item in found if not item.marker or item.marker.evaluate({"extra": ""}))
    return [canonicalize_name(item.name) for item in here]


def licence(package: str) -> str:
    about = metadata.metadata(package)
    classes = [text for text in about.get_all("Classifier", []) if text.startswith("License")]
    own = (about.get("License") or "").strip().splitlines()
    return (
        about.get("License-Expression")
        or ", ".join(text.rpartition(" :: ")[2] for text in classes)
        or own[0]
    )


def page() -> str:
    because: dict[str, list[str]] = {}
    waiting = ["fusepath"]
    while waiting:
        package = waiting.pop(0)
        for needed in requirements(package):
            if needed not in because:
                waiting.append(needed)
            because.setdefault(needed, []).append(package)
    return TITLE + "".join(
        f"| {package} | {licence(package)} | {', '.join(by)} |\n"
        for package, by in sorted(because.items())
    )


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
