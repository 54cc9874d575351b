"""How Sphinx builds the documentation: `make docs`.

The folder of sources is the whole repository, so that README, change log and security policy are
pages too and every link leads to the same place here as in a browser of the repository.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "fusepath"
author = "The fusepath authors"
copyright = "The fusepath authors, Apache-2.0"  # noqa: A001 - the name Sphinx reads
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "reproduction/README.md",
    "benchmarks/system/peers/README.md",
    "benchmarks/two_machines.md",
]
exclude_patterns = ["**/.ipynb_checkpoints"]

html_theme = "furo"
html_title = f"fusepath {release}"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
add_module_names = False
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
default_role = "code"
