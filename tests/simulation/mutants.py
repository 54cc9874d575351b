"""Faults put into the machines: does the simulation notice? ``python -m tests.simulation.mutants``.

Each mutant changes one thing in the syntax tree of a module: a condition is negated, a statement
or an element of a list dropped, branches or cases are swapped, a number or truth value is another
one, a comparison is off by one, an operator another. It is put in the place of its module in a
process of its own, which plays, explores and simulates until something is found wrong: first what
is quick and shows most of such a module, then the rest.

With --results a file says what became of each mutant. Those that are in it are not tried again as
long as the module is what it was, but with --again those are that were not noticed. With --minutes
it goes on until then, and another time from there.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import signal
import sys
import time
import types
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MODULES = (
    *("adapting", "conversation", "device_frame", "finishing", "gauge", "in_flight", "keeping"),
    *("requests", "watch"),
)
_ALONE = {"adapting", "gauge", "keeping"}
"""Played only by themselves, not in simulated sessions."""
SEEDS = 240
_FEW = 20
"""So many for mutants that nothing can notice, as far as is known."""
_USUAL = 10
"""So many show how long each takes."""
LEAST_NOTICED = 0.95
_LEAST_LIMIT_S, _TIMES = 2.0, 5.0
"""A step does not end if it takes longer than this, and so many times what it usually does."""
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


EQUIVALENT = {
    "path is not None and self._may_start(path) -> self._may_start(path)": "None has not arrived",
    "return [] -> return ()": "nobody tells one from the other",
    "return commands -> return ()": "there are none",
    "min(self._failures - 2, 20) -> min(self._failures - 2, ": "pauses are the longest before",
    "at is not None and at not in found -> at is not None": "what is found again changes nothing",
    "missing) < self.whole_s -> ": "no two times are ever equal",
    "_usual: int = 0": "before the first doubt there is none to forget",
    "deviation > 0 -> deviation >= 0": "what is just as expected is not unusual either way",
    "comparison: deviation": "no two times are ever equal",
    "comparison: off >=": "no two times are ever equal",
    "comparison: self._run[0]": "no two times are ever equal",
    "self._run[0] -> self._run[-1]": "frames in a row are all to one side",
    "_served: int = 0": "before the first failure there is nothing to forgive",
    "request > request -> ": "a request makes each path once",
    "return False -> return ()": "nobody tells one from the other",
    "_probe_took_s: float = 0.0 -> _probe_took_s: float = -1.0": "a pause is at least as long",
    "_frames: int = 0 -> _frames: int = 1": "only how many there have been since counts",
    "self._barred.get(plan, 0) -> self._barred.get(plan, -1)": "frames are not counted down",
    "comparison: self._unprobed_s": "no two times are ever equal",
    "comparison: event.up.measured_s": "no two times are ever equal",
    "comparison: event.down.measured_s": "no two times are ever equal",
    "comparison: taken_s > ": "no two times are ever equal",
    "comparison: self.predicted_s(best, ": "no two times are ever equal",
    "comparison: self._best(self._known, quicker)": "no two times are ever equal",
}
"""Mutants that nothing can notice, and why."""


UNKNOWN = "nobody knows why"


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


Step = Callable[[int], object]
"""Plays something from a seed."""


def is_noticed(mutant: Mutant, usual_s: dict[str, float], seeds: int) -> bool:
    """Whether the simulation finds a mutant; a process of its own has it.

    Args:
        mutant: the only change.
        usual_s: what steps take without it, by name; one that takes several times as long does not
            end, which is noticed, too.
        seeds: most that it must get through.
    """
    child = os.fork()
    if child == 0:
        os._exit(_judge(mutant, usual_s, seeds))
    _, status = os.waitpid(child, 0)
    return status != 0


def _judge(mutant: Mutant, usual_s: dict[str, float], seeds: int) -> int:
    name = f"fusepath.protocol.{mutant.module}"
    try:
        mutated = types.ModuleType(name)
        sys.modules[name] = mutated
        signal.setitimer(signal.ITIMER_PROF, _LEAST_LIMIT_S)
        exec(mutant.code(), mutated.__dict__)  # noqa: S102 - it is our own text
        for step, seeds_of in _steps(mutant.module, seeds):
            # Of its own time: one that only waits for its turn is not noticed.
            limit_s = _LEAST_LIMIT_S + _TIMES * usual_s[step.__name__] * len(seeds_of)
            signal.setitimer(signal.ITIMER_PROF, limit_s)
            for seed in seeds_of:
                step(seed)
    except Exception:  # whatever it is, it was noticed
        return 1
    return 0


def usual_s(modules: Iterable[str]) -> dict[str, float]:
    """What steps take for each seed where nothing is changed, by name.

    Raises:
        RuntimeError: something is found wrong although nothing is, and nothing would be shown.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        taken_s: dict[str, float] = {}
        try:
            for step, seeds in (each for module in modules for each in _steps(module, _FEW)):
                if step.__name__ not in taken_s:
                    begun_s = time.process_time()
                    for seed in seeds[:_USUAL]:
                        step(seed)
                    taken_s[step.__name__] = (time.process_time() - begun_s) / len(seeds[:_USUAL])
        finally:
            os.write(writing, json.dumps(taken_s).encode())
            os._exit(sys.exc_info()[0] is not None)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError("the simulation finds the machines wrong as they are; run make simulate")
    return dict(json.loads(text))


def _steps(module: str, seeds: int) -> Iterator[tuple[Step, Sequence[int]]]:
    """What shows most of a machine, by itself; then sessions, and every order of events.

    What is quick comes first.
    """
    # Only now, with the mutant in place.
    from tests.simulation import plays  # noqa: PLC0415

    for play, part in plays.ALONE.get(module, ()):
        most = max(seeds // part, 1)
        yield play, range(most)
    if module in _ALONE:
        return
    yield plays.session, range(5)
    yield plays.every_order, (1, 2)
    yield plays.session, range(5, seeds)
    if seeds > _FEW:
        yield plays.every_order, (3,)


def explained(what: str) -> str:
    """Why a mutant is not noticed, if that is known."""
    return next((why for text, why in EQUIVALENT.items() if text in what), UNKNOWN)


def _read(results: Path | None) -> dict[str, bool]:
    """Which mutants were noticed, of those that have been tried on modules as they are."""
    if results is None or not results.exists():
        return {}
    found = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {one["mutant"]: one["noticed"] for one in found if one["of"] == _digest(one["mutant"])}


@cache
def _sha256(module: str) -> str:
    return hashlib.sha256(source(module).encode()).hexdigest()[:16]


def _digest(what: str) -> str:
    """Of the module that a mutant is one of."""
    return _sha256(what.partition(":")[0])


@click.command()
@click.option("--seeds", type=int, default=SEEDS, help="Sessions that a mutant must get through.")
@click.option("--every", type=int, default=1, help="Of the mutants, try every so many.")
@click.option("--first", type=int, default=0, help="Number of the first one.")
@click.option("--module", "modules", multiple=True, default=MODULES, help="Only this module.")
@click.option("--results", type=click.Path(path_type=Path), help="Go on from what this file says.")
@click.option("--again", is_flag=True, help="Try those again that were not noticed.")
@click.option("--minutes", type=float, default=float("inf"), help="Stop after so long.")
def main(
    seeds: int,
    every: int,
    first: int,
    modules: tuple[str, ...],
    results: Path | None,
    again: bool,
    minutes: float,
) -> None:
    """Mutants of the machines; those that the simulation does not notice are listed."""
    until_s = time.monotonic() + 60 * minutes
    tried = [mutant for module in modules for mutant in mutants(module)][first::every]
    noticed = _read(results)
    if again:
        noticed = {what: True for what, was in noticed.items() if was}
    usual = usual_s(modules)
    for number, mutant in enumerate(tried):
        what = mutant.what
        if what in noticed:
            continue
        if time.monotonic() > until_s:
            click.echo(f"{number} of {len(tried)} mutants tried")
            sys.exit(2)
        least = seeds if explained(what) == UNKNOWN else min(seeds, _FEW)
        noticed[what] = is_noticed(mutant, usual, least)
        if results is not None:
            row = {"mutant": what, "noticed": noticed[what], "of": _digest(what)}
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
    _show(modules, [(mutant.module, mutant.what, noticed[mutant.what]) for mutant in tried])


def _show(modules: tuple[str, ...], found: list[tuple[str, str, bool]]) -> None:
    """Those that were not noticed, and how many were, by module."""
    for _, what, noticed in found:
        if not noticed:
            click.echo(f"{what} ({explained(what)})")
    for module in modules:
        ours = [noticed for name, _, noticed in found if name == module]
        if ours:
            click.echo(f"{module}: {sum(ours)} of {len(ours)} noticed")
    unseen = [what for _, what, noticed in found if not noticed]
    alike = sum(explained(what) != UNKNOWN for what in unseen)
    of = len(found)
    seen = of - len(unseen)
    click.echo(f"{seen} of {of} mutants noticed, {100 * seen / of:.1f} %")
    click.echo(f"{100 * seen / (of - alike):.1f} % without the {alike} that nothing can notice")
    sys.exit(seen < LEAST_NOTICED * of)


if __name__ == "__main__":
    main()
