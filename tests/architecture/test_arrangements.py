"""Which kind an arrangement is, hardly anybody asks; it is `fusepath.tiling` that knows."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import fusepath

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(fusepath.__file__).parent
KINDS = {"Whole", "Tiles", "Strips", "WholeLayout", "TileLayout", "StripLayout"}
KINDS |= {"Tiling", "StripTiling"}
SHAPES = {"segments", "sizes", "is_whole", "is_split", "tiling"}
"""Attributes that only some arrangements have, or that tell one kind from another."""
MOST = 8
EXEMPT = ("tiling/", "plan/timing", "schedule/")
"""A scheduling problem knows no arrangements; its one path is any one path."""


def questions(tree: ast.AST) -> Iterator[int]:
    """Lines that make what is done depend on the kind of an arrangement."""
    for node in ast.walk(tree):
        for test in _tests(node):
            if _asks(test):
                yield test.lineno
        if isinstance(node, ast.Compare) and _counts_paths(node):
            yield node.lineno
        if isinstance(node, ast.MatchClass) and _name(node.cls) in KINDS:
            yield node.lineno
        asked = []
        if isinstance(node, ast.Call) and _name(node.func) in {"isinstance", "issubclass"}:
            asked = [_name(part) for part in ast.walk(node.args[1])]
        if isinstance(node, ast.Dict):
            asked = [_name(key) for key in node.keys]
        if KINDS & set(asked):
            yield node.lineno


def _tests(node: ast.AST) -> list[ast.expr]:
    """Expressions whose truth decides."""
    match node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            return _operands(test)
        case ast.Assert(test=test):
            return _operands(test)
        case ast.comprehension(ifs=ifs):
            return [operand for test in ifs for operand in _operands(test)]
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return _operands(node)
        case ast.Compare(comparators=[ast.Constant(value=None)]):
            return [node.left]
    return []


def _operands(test: ast.expr) -> list[ast.expr]:
    """The values whose truth or absence is asked for."""
    match test:
        case ast.BoolOp(values=values):
            return [operand for value in values for operand in _operands(value)]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _operands(operand)
        case ast.Compare(left=left, comparators=[ast.Constant(value=None)]):
            return [left]
        case ast.Attribute() | ast.Name():
            return [test]
    return []


def _asks(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and _name(node) in SHAPES


def _counts_paths(node: ast.Compare) -> bool:
    one = any(isinstance(side, ast.Constant) and side.value == 1 for side in node.comparators)
    return one and _name(node.left) == "paths"


def _name(node: ast.AST | None) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def found() -> set[str]:
    """Where it is asked, as ``file:line``."""
    places = set()
    for path in sorted(SOURCES.rglob("*.py")):
        where = path.relative_to(SOURCES).as_posix()
        if where.startswith(EXEMPT):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        places |= {f"{where}:{line}" for line in questions(tree)}
    return places


def test_which_kind_an_arrangement_is_is_asked_in_few_places():
    assert len(found()) <= MOST, sorted(found())


def test_the_counting_finds_every_way_to_ask():
    asked = """
if plan.segments: pass
x = 1 if plan.sizes is not None else 2
while not plan.is_whole: pass
y = [row for row in rows if row.plan.arrangement.is_split]
z = grid.paths == 1
if paths > 1: pass
if self.tiling is None: pass
isinstance(a, Strips)
isinstance(a, (Whole, Tiles))
w = {Whole: 1, Tiles: 2}[type(a)]
v = plan.segments or cuts
match a:
    case Whole(): pass
    case tiling.Tiles(tau=tau): pass
"""
    lines = set(questions(ast.parse(asked)))

    assert lines == {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15}
    assert (
        set(questions(ast.parse("for item in plan.segments: pass\nf(plan.sizes, tiling)"))) == set()
    )
