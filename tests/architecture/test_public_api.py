"""Whoever calls a public function finds the types it takes and returns among the public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

import fusepath

PLAIN = {"Cuts", "Sizes", "Mark", "Band", "Strides"}
"""Names for tuples of numbers."""
BETWEEN_MODULES = {
    "Charge",  # what planning asks of machines and links
    "Demand",
    "LayerTime",
    "MessageTimes",
    "Meter",
    "Layer",  # what planning asks of a graph
    "Operator",
    "Schedule",
    "Steps",
    "Exceeded",  # what a Shortfall is to an error
    "SessionArguments",  # the fields are those of Session
}
"""In the signatures of public classes, on members that no application calls."""


@lru_cache
def parsed(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def where_from(tree: ast.Module, module: str) -> dict[str, str]:
    """Which module every name of a file comes from, for names of this package."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusepath"):
            found |= {item.asname or item.name: str(node.module) for item in node.names}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = module
        elif isinstance(node, ast.Assign):
            found |= {t.id: module for t in node.targets if isinstance(t, ast.Name)}
    return found


def annotations_of(node: ast.AST) -> list[ast.expr]:
    """What a function takes and returns; what a class's public members do, and its fields."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given += [item for item in (node.args.vararg, node.args.kwarg) if item is not None]
        return [e for e in (*(item.annotation for item in given), node.returns) if e is not None]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [] if node.target.id.startswith("_") else [node.annotation]
    if isinstance(node, ast.ClassDef):
        members = [
            item
            for item in node.body
            if not getattr(item, "name", "").startswith("_")
            or getattr(item, "name", "") in ("__init__", "__call__", "__enter__")
        ]
        return [found for item in members for found in annotations_of(item)]
    return []


def types_in(annotation: ast.expr) -> set[str]:
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                names |= types_in(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                continue
    return names


@pytest.mark.parametrize("name", fusepath.__all__)
def test_types_that_public_functions_take_and_return_are_public(name):
    public = getattr(fusepath, name)
    if not (inspect.isclass(public) or inspect.isfunction(public)):
        pytest.skip("no function and no class")
    module = importlib.import_module(public.__module__)
    tree = parsed(str(module.__file__))
    homes = where_from(tree, module.__name__)
    (node,) = [item for item in tree.body if getattr(item, "name", "") == public.__name__]

    used = {found for item in annotations_of(node) for found in types_in(item)}

    for_callers = used - PLAIN - BETWEEN_MODULES
    assert {
        f"{homes[item]}.{item}"
        for item in for_callers
        if homes.get(item, "fusepath.arrays") != "fusepath.arrays"
        and item not in fusepath.__all__
        and not item.startswith("_")
    } == set()


def test_every_public_name_has_a_type(tmp_path):
    """A type checker knows all of them, though they are imported when first used."""
    uses = "".join(f"reveal_type(fusepath.{name})\n" for name in fusepath.__all__)
    script = tmp_path / "uses.py"
    script.write_text(f"import fusepath\n{uses}", encoding="utf-8")

    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(script)]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)

    lines = [line for line in told.stdout.splitlines() if "Revealed type is" in line]
    assert told.returncode == 0, told.stdout + told.stderr
    assert len(lines) == len(fusepath.__all__)
    assert not [line for line in lines if '"Any"' in line]
