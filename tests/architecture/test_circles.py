"""No module imports itself, however long the way round; not even for type checkers."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import fusepath

SOURCES = Path(fusepath.__file__).parent


def module_of(path: Path) -> str:
    parts = ("fusepath", *path.relative_to(SOURCES).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES.rglob("*.py")}


def imported(name: str) -> set[str]:
    """Modules of the package that a module's text names in imports, wherever they stand."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                found.add(
                    deeper
                    if deeper in MODULES and not _is_name(node.module, alias.name)
                    else node.module
                )
    return {item for item in found if item in MODULES} - {name}


def _is_name(package: str, name: str) -> bool:
    """Whether a package binds a name that one of its modules has as well."""
    tree = ast.parse(MODULES[package].read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.ImportFrom)
        and name in {alias.asname or alias.name for alias in node.names}
        for node in ast.walk(tree)
    )


def test_no_module_imports_itself_on_any_way_round():
    graph = {name: imported(name) for name in MODULES}

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
