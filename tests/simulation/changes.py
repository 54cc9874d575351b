"""Changes of a module, one at a time: what stands in the place of a node of its syntax tree.

A condition is negated, a statement or an element of a list dropped, branches or cases are swapped,
a number or truth value is another one, a comparison is off by one, an operator another.
"""

from __future__ import annotations

import ast
import importlib.util
import types
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


def source(module: str) -> str:
    """The text of a module of the protocol, without importing it."""
    found = importlib.util.find_spec("fusepath")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "protocol" / f"{module}.py").read_text(encoding="utf-8")


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What may stand in the place of a node."""
    yield from _changed_expressions(node)
    yield from _changed_statements(node)


def _changed_expressions(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Compare(left, [operator], rest):
            if type(operator) in _COMPARISONS:
                yield "comparison", ast.Compare(left, [_COMPARISONS[type(operator)]()], rest)
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield "operator", ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "and, or", ast.BoolOp(other, values)
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield "operand dropped", rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield "not dropped", operand
        case ast.IfExp(test, body, orelse):
            yield "branches swapped", ast.IfExp(test, orelse, body)
        case ast.Constant(bool() as value):
            yield "truth value", ast.Constant(value=not value)
        case ast.Constant(int() | float() as value):
            yield "number", ast.Constant(value=value + 1)
            yield "number", ast.Constant(value=value - 1)
        case ast.List(elements) | ast.Tuple(elements):
            for index in range(len(elements)):
                rest = elements[:index] + elements[index + 1 :]
                yield "element dropped", type(node)(rest, node.ctx)


def _changed_statements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.If(test, body, orelse):
            yield "condition negated", ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
            yield "never", ast.If(ast.Constant(value=False), body, orelse)
        case ast.While(test, body, orelse):
            yield "never", ast.While(ast.Constant(value=False), body, orelse)
        case ast.Match(subject, cases):
            for index in range(len(cases)):
                yield "case dropped", ast.Match(subject, cases[:index] + cases[index + 1 :])
                if index:
                    swapped = list(cases)
                    one, two = swapped[index - 1 : index + 1]
                    swapped[index - 1] = ast.match_case(one.pattern, one.guard, two.body)
                    swapped[index] = ast.match_case(two.pattern, two.guard, one.body)
                    yield "cases swapped", ast.Match(subject, swapped)
        case ast.Expr(ast.Call()) | ast.Assign() | ast.AugAssign():
            yield "statement dropped", ast.Pass()
        case ast.Return(value) if value is not None and not _is_nothing(value):
            yield "nothing returned", ast.Return(ast.Tuple([], ast.Load()))
        case ast.Raise():
            yield "not raised", ast.Pass()


def _is_nothing(value: ast.expr) -> bool:
    """Whether it is false, or a sequence without elements."""
    match value:
        case ast.Constant(constant):
            return not constant
        case ast.List(elements) | ast.Tuple(elements):
            return not elements
    return False


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node that runs, with where it hangs; not what is for readers and type checkers."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list", "bases", "type_params", "pattern"}:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Assign) and isinstance(tree, ast.Module):
                continue  # names of types; the one number there is a default
            yield tree, name, index, child
            yield from _places(child)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module."""

    module: str
    what: str
    """Is changed, and into what."""
    tree: ast.Module
    """Of the module as it is."""
    place: tuple[ast.AST, str, int | None]
    changed: ast.AST

    def code(self) -> types.CodeType:
        """The module with the change in it; it stays in the tree."""
        _put(*self.place, self.changed)
        return compile(ast.fix_missing_locations(self.tree), self.module, "exec")


def mutants(module: str) -> list[Mutant]:
    """All of a module."""
    tree = ast.parse(source(module))
    found = []
    met: Counter[str] = Counter()
    for *place, node in list(_places(tree)):
        parent, name, index = place
        for kind, changed in _changes(node):
            shown = parent if isinstance(parent, ast.AnnAssign | ast.Call | ast.Subscript) else node
            before = ast.unparse(shown)
            _put(parent, name, index, changed)
            after = ast.unparse(shown if shown is parent else changed)
            _put(parent, name, index, node)
            if before == after:
                continue
            what = f"{kind}: {before.splitlines()[0]} -> {after.splitlines()[0]}"
            what = f"{module}:{getattr(node, 'lineno', 0)} {what}"
            met[what] += 1
            what = what if met[what] == 1 else f"{what} (no. {met[what]})"
            found.append(Mutant(module, what, tree, (parent, name, index), changed))
    return found


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node
