"""Print the dev dependency group, one requirement a line, for a pip that knows no groups."""

import tomllib
from pathlib import Path

document = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
print("\n".join(document["dependency-groups"]["dev"]))
