"""Faults put into the machines: does the simulation notice? ``python -m tests.simulation.mutants``.

Each mutant changes one thing in the syntax tree of a module: a condition is negated, a statement
or an element of a list dropped, branches or cases are swapped, a number or truth value is another
one, a comparison is off by one, an operator another. It is put in the place of its module in a
process of its own, which plays, explores and simulates until something is found wrong: first what
is quick and shows most of such a module, then the rest.

With --results a file says what became of each mutant, and those that are in it are not tried again;
with --minutes it goes on until then, and another time from there.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import signal
import sys
import time
import types
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = (
    *("adapting", "conversation", "device_frame", "finishing", "gauge", "in_flight", "keeping"),
    *("requests", "watch"),
)
_ALONE = {"adapting", "gauge", "keeping"}
"""Played only by themselves, not in simulated sessions."""
SEEDS = 200
_FEW = 20
"""So many for mutants that nothing can notice, as far as is known."""
LEAST_NOTICED = 0.95
_LIMIT_S = 60
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
    "AWAY = 'away' -> pass": "of frames that have not begun the session says it",
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
        case ast.Return(value) if value is not None:
            yield "nothing returned", ast.Return(ast.Tuple([], ast.Load()))
        case ast.Raise():
            yield "not raised", ast.Pass()


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node that runs, with where it hangs; not what is for readers and type checkers."""
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list", "bases", "type_params"}:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Assign) and isinstance(tree, ast.Module):
                continue  # names of types; the one number there is a default
            yield tree, name, index, child
            if not isinstance(child, ast.match_case):
                yield from _places(child)
            else:
                for statement in [child.guard, *child.body]:
                    if isinstance(statement, ast.AST):
                        yield from _places(ast.Module([statement], []))


def mutants(module: str) -> list[tuple[str, str]]:
    """What is changed, and the text of the module then."""
    text = source(module)
    tree = ast.parse(text)
    unchanged = ast.unparse(tree)
    found = []
    for parent, name, index, node in list(_places(tree)):
        for kind, changed in _changes(node):
            line = getattr(node, "lineno", 0)
            shown = parent if isinstance(parent, ast.AnnAssign | ast.Call | ast.Subscript) else node
            before = ast.unparse(shown).splitlines()
            held = getattr(parent, name)
            _put(parent, name, index, ast.fix_missing_locations(changed))
            after = ast.unparse(parent if shown is parent else changed).splitlines()
            try:
                mutated = ast.unparse(ast.fix_missing_locations(tree))
            finally:
                if index is None:
                    setattr(parent, name, held)
                else:
                    held[index] = node
            if mutated != unchanged:
                found.append((f"{module}:{line} {kind}: {before[0]} -> {after[0]}", mutated))
    return _named_apart(found)


def _named_apart(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same, each with a name of its own."""
    met: dict[str, int] = {}
    named = []
    for what, text in found:
        met[what] = met.get(what, 0) + 1
        named.append((what if met[what] == 1 else f"{what} (no. {met[what]})", text))
    return named


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def is_noticed(module: str, text: str, seeds: int) -> bool:
    """Whether the simulation finds a mutant; a process of its own has it."""
    child = os.fork()
    if child == 0:
        # A mutant that does not end is noticed by that; one that only waits for its turn is not.
        signal.setitimer(signal.ITIMER_PROF, _LIMIT_S)
        os._exit(_judge(module, text, seeds))
    _, status = os.waitpid(child, 0)
    return status != 0


def _judge(module: str, text: str, seeds: int) -> int:
    name = f"fusepath.protocol.{module}"
    try:
        mutated = types.ModuleType(name)
        sys.modules[name] = mutated
        exec(compile(text, name, "exec"), mutated.__dict__)  # noqa: S102 - it is our own text
        _play(module, seeds)
        if module not in _ALONE:
            _simulate(seeds)
    except Exception:  # whatever it is, it was noticed
        return 1
    return 0


def _play(module: str, seeds: int) -> None:
    """What shows most of a machine, by itself."""
    # Only now, with the mutant in place.
    from fusepath.protocol.in_flight import InFlight, WhenFull  # noqa: PLC0415
    from tests.simulation.carrying import carry  # noqa: PLC0415
    from tests.simulation.choosing import choose  # noqa: PLC0415
    from tests.simulation.in_flight import explore_in_flight  # noqa: PLC0415
    from tests.simulation.keeping import Play  # noqa: PLC0415
    from tests.simulation.multiplexing import multiplex  # noqa: PLC0415
    from tests.simulation.wandering import wander  # noqa: PLC0415
    from tests.simulation.watching import watch  # noqa: PLC0415

    plays = {
        "gauge": (carry,),
        "adapting": (choose, wander),
        "watch": (watch,),
        "requests": (multiplex,),
    }
    for seed in range(seeds // 3):
        for play in plays.get(module, ()):
            play(Random(seed))  # noqa: S311 - nothing secret
    if module in {"conversation", "keeping"}:
        for seed in range(seeds // 10):
            Play(seed).run(400)
    if module == "in_flight":
        for when_full in WhenFull:
            for most, waiting in ((1, 0), (1, 1), (2, 1), (2, 2)):
                explore_in_flight(InFlight(most, waiting, when_full), 4)


def _simulate(seeds: int) -> None:
    """Sessions, and every order of events."""
    from tests.simulation.explorer import explore  # noqa: PLC0415 - with the mutant in place
    from tests.simulation.world import simulate  # noqa: PLC0415

    for seed in range(10):
        simulate(seed)
    explore(2)
    for seed in range(10, seeds):
        simulate(seed)
    if seeds > _FEW:
        explore(3)


def explained(what: str) -> str:
    """Why a mutant is not noticed, if that is known."""
    return next((why for text, why in EQUIVALENT.items() if text in what), UNKNOWN)


def _read(results: Path | None) -> dict[str, bool]:
    """Which mutants were noticed, of those that have been tried."""
    if results is None or not results.exists():
        return {}
    lines = results.read_text(encoding="utf-8").splitlines()
    return {found["mutant"]: found["noticed"] for found in map(json.loads, lines)}


@click.command()
@click.option("--seeds", type=int, default=SEEDS, help="Sessions that a mutant must get through.")
@click.option("--every", type=int, default=1, help="Of the mutants, try every so many.")
@click.option("--first", type=int, default=0, help="Number of the first one.")
@click.option("--module", "modules", multiple=True, default=MODULES, help="Only this module.")
@click.option("--results", type=click.Path(path_type=Path), help="Go on from what this file says.")
@click.option("--minutes", type=float, default=float("inf"), help="Stop after so long.")
def main(
    seeds: int,
    every: int,
    first: int,
    modules: tuple[str, ...],
    results: Path | None,
    minutes: float,
) -> None:
    """Mutants of the machines; those that the simulation does not notice are listed."""
    until_s = time.monotonic() + 60 * minutes
    tried = [(module, what, text) for module in modules for what, text in mutants(module)]
    tried = tried[first::every]
    noticed = _read(results)
    for number, (module, what, text) in enumerate(tried):
        if time.monotonic() > until_s:
            click.echo(f"{number} of {len(tried)} mutants tried")
            sys.exit(2)
        if what in noticed:
            continue
        least = seeds if explained(what) == UNKNOWN else min(seeds, _FEW)
        noticed[what] = is_noticed(module, text, least)
        if results is not None:
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"mutant": what, "noticed": noticed[what]}) + "\n")
    _show(modules, [(module, what, noticed[what]) for module, what, _ in tried])


def _show(modules: tuple[str, ...], found: list[tuple[str, str, bool]]) -> None:
    """Those that were not noticed, and how many were, by module."""
    for _, what, noticed in found:
        if not noticed:
            click.echo(f"{what} ({explained(what)})")
    for module in modules:
        ours = [noticed for name, _, noticed in found if name == module]
        if ours:
            click.echo(f"{module}: {sum(ours)} of {len(ours)} noticed")
    part = sum(noticed for _, _, noticed in found) / len(found)
    click.echo(f"{100 * part:.1f} % of {len(found)} mutants noticed")
    sys.exit(part < LEAST_NOTICED)


if __name__ == "__main__":
    main()
