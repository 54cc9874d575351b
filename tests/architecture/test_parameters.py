"""Values are objects: long parameter lists are for the command line alone."""

from __future__ import annotations

import ast
from pathlib import Path

MOST = 8
SOURCES = Path(__file__).parents[2] / "src" / "fusepath"
LONGER = {"cli"}
"""A command's options are its parameters."""


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(item.arg not in {"self", "cls"} for item in given)


def test_no_function_takes_more_parameters_than_one_can_keep_in_mind():
    long = [
        f"{path.relative_to(SOURCES)}:{node.lineno} {node.name} ({parameters(node)})"
        for path in SOURCES.rglob("*.py")
        if path.relative_to(SOURCES).parts[0] not in LONGER and "wire/" not in str(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and parameters(node) > MOST
    ]

    assert long == []
