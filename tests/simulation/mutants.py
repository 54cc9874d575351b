"""Faults put into the machines: does the simulation notice? ``python -m tests.simulation.mutants``.

Each mutant changes one thing of a module (`changes`). It is put in the place of its module in a
process of its own, which plays, explores and simulates until something is found wrong: first what
is quick and shows most of such a module, then the rest.

With --results a file says what became of each mutant. Those that are in it are not tried again as
long as the module is what it was, but with --again those are that were not noticed. With --minutes
it goes on until then, and another time from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import time
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.simulation.changes import Mutant, mutants, source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MODULES = (
    *("adapting", "admission", "appointments", "conversation", "covering", "device_frame"),
    *("distance", "fair_queue", "finishing", "gauge", "given_up", "in_flight", "keeping"),
    *("requests", "shelf", "waits", "wanted", "watch"),
)
_ALONE = {
    *("adapting", "admission", "appointments", "covering", "distance", "fair_queue", "gauge"),
    *("given_up", "keeping", "shelf", "waits", "wanted"),
}
"""Played only by themselves, not in simulated sessions."""
SEEDS = 240
_FEW = 20
"""So many for mutants that nothing can notice, as far as is known."""
_USUAL = 10
"""So many show how long each takes."""
LEAST_NOTICED = 0.95
"""Of those that anything can notice."""
_LEAST_LIMIT_S, _TIMES = 2.0, 5.0
"""A step does not end if it takes longer than this, and so many times what it usually does."""
EQUIVALENT = {
    "adapting number: _frames: int = 0 -> _frames: int = 1": "only how many come since then counts",
    "adapting number: _frames: int = 0 -> _frames: int = -1": "likewise",
    "adapting number: _waits: int = 0 -> _waits: int = 1": "twice that is less than the least",
    "adapting number: _waits: int = 0 -> _waits: int = -1": "likewise",
    "adapting number: _waits_until: int = 0 -> _waits_until: int = -1": "frames come after both",
    "adapting number: _in_a_row: int = 0 -> _in_a_row: int = 1": "the first probe begins to count",
    "adapting number: _in_a_row: int = 0 -> _in_a_row: int = -1": "likewise",
    "adapting number: lacking[0] -> lacking[-1]": "it is the only one",
    "adapting truth value: _shown: bool = False -> _shown: bool = True": (
        "nothing is probed before the first frame or the link was down, which both say it"
    ),
    "adapting comparison: self.predicted_s(plan, here) < enough_s -> "
    "self.predicted_s(plan, here) <= enough_s": "never just so",
    "adapting number: _probe_took_s: float = 0.0 -> _probe_took_s: float = -1.0": (
        "a pause has a least length, which both are below"
    ),
    "adapting comparison: taken.measured_s < _LONG_S -> taken.measured_s <= _LONG_S": (
        "a time that was measured, never just so; neither would be wrong if it were"
    ),
    "admission number: 0.0 -> -1.0": "what waits already is less than half of what may",
    "conversation operand dropped: path is not None and self._may_start(path) -> "
    "self._may_start(path)": "a path that is none has not arrived; the type checker asks for it",
    "distance comparison: further_s < self.further_s -> further_s <= self.further_s": (
        "the same distance is no other"
    ),
    "distance comparison: abs(further_s - self.further_s) <= _UNCLEAR_S + JITTER * longest_s -> "
    "abs(further_s - self.further_s) < _UNCLEAR_S + JITTER * longest_s": (
        "what was measured, never just so; neither would be wrong if it were"
    ),
    "covering truth value: True -> False": "all plans are given as many links",
    "covering comparison: takes < at.lost -> takes <= at.lost": (
        "what is as near as the nearest gains nothing, and is as near as the next"
    ),
    "covering comparison: takes < at.otherwise -> takes <= at.otherwise": (
        "what is as near as the next gains nothing"
    ),
    "covering number: 2 -> 3": "the third is not looked at",
    "covering number: others[0] -> others[-1]": "there is one other at most",
    "covering never: if self._of == list(known): -> if False:": (
        "what plans lose is worked out anew each time, and is the same"
    ),
    "covering statement dropped: self._of = list(known) -> pass": (
        "what plans lose is worked out anew each time, and is the same"
    ),
    "fair_queue number: work_s: float = 0.0 -> work_s: float = 1.0": "the same for all",
    "fair_queue number: work_s: float = 0.0 -> work_s: float = -1.0": "the same for all",
    "gauge number: _usual: int = 0 -> _usual: int = 1": "before the first burst none is forgotten",
    "gauge number: _usual: int = 0 -> _usual: int = -1": "before the first burst none is forgotten",
    "gauge number: _hidden: int = 0 -> _hidden: int = 1": "it begins when slow is shown",
    "gauge number: _hidden: int = 0 -> _hidden: int = -1": "it begins when slow is shown",
    "gauge comparison: deviation > 0 -> deviation >= 0": (
        "what is just as expected is not unusual, to whichever side"
    ),
    "gauge comparison: deviation > unusual -> deviation >= unusual": (
        "two logarithms of what was measured, never equal; neither would be wrong if they were"
    ),
    "gauge comparison: self._run[0] > self.slowness -> self._run[0] >= self.slowness": (
        "what is unusual differs from what is believed"
    ),
    "gauge number: self._run[0] -> self._run[-1]": "frames in a row are all to one side",
    "gauge comparison: off > self.noise -> off >= self.noise": (
        "what differs as much as usual teaches nothing, however much that counts"
    ),
    "gauge comparison: off >= CONVINCING * self.noise -> off > CONVINCING * self.noise": (
        "a sum of logarithms and what was learnt of others, never equal; neither would be wrong"
    ),
    "keeping comparison: self._kept[place].request > request -> "
    "self._kept[place].request >= request": "a request makes each path once",
    "waits number: _at_s: float = 0.0 -> _at_s: float = 1.0": "there is nothing yet that ages",
    "waits number: _at_s: float = 0.0 -> _at_s: float = -1.0": "there is nothing yet that ages",
    "watch number: _served: int = 0 -> _served: int = 1": "there is no failure yet to be forgiven",
    "watch number: _served: int = 0 -> _served: int = -1": "there is no failure yet to be forgiven",
    "watch number: min(self._failures - 2, 20) -> min(self._failures - 2, 21)": (
        "pauses are the longest long before"
    ),
    "watch number: min(self._failures - 2, 20) -> min(self._failures - 2, 19)": (
        "pauses are the longest long before"
    ),
}
"""Mutants that nothing can notice, without their lines, and why."""


UNKNOWN = "nobody knows why"


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
    return EQUIVALENT.get(re.sub(r":\d+", "", what, count=1), UNKNOWN)


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
        elif explained(what) != UNKNOWN:
            click.echo(f"{what} is noticed, so this is wrong: {explained(what)}")
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
    sys.exit(seen < LEAST_NOTICED * (of - alike))


if __name__ == "__main__":
    main()
