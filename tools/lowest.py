"""Print the lowest versions that the package says it runs with, one requirement a line."""

import re
import tomllib
from pathlib import Path

document = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
for requirement in document["project"]["dependencies"]:
    print(re.sub(r">=([\d.]+).*", r"==\1", requirement))
