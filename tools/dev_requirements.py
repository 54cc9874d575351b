"""Print a dependency group, `dev` if none is named, for a pip that knows no groups."""

import sys
import tomllib
from pathlib import Path

document = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
group = sys.argv[1] if len(sys.argv) > 1 else "dev"
print("\n".join(document["dependency-groups"][group]))
