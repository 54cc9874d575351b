"""An `Adapting` where things are just equal: what is no better, no worse or not yet due."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusepath.faults.clock import require
from fusepath.protocol.adapting import (
    Adapting,
    Answered,
    Known,
    Prepare,
    Probe,
    Probed,
    ProbeFailed,
    Ready,
    Use,
)
from fusepath.protocol.finishing import Remainder
from fusepath.protocol.gauge import Taken
from tests.simulation.deciding import (
    EVERY_S,
    MOST,
    PROBE_S,
    TRIAL,
    WORSE,
    WORTH,
    WORTH_IN_NOISE,
)
from tests.simulation.deciding import CheckedAdapting as Checked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from fusepath.protocol.adapting import Conditions

NOTHING = Taken(0.0, 0.0, 0.001)
RATE = 1e6


def balance() -> None:
    """Plans that are predicted to take just as long, frames that do, and pauses just over.

    Raises:
        Violation: what is no better is used or looked for, or what is no worse is given up.
    """
    for chance, worth in ((0.0, WORTH), (0.1, 0.98), (0.17, WORTH_IN_NOISE)):
        _no_better(chance, worth)
    _no_worse(before_s=0.53, frame_s=WORSE * 0.5)
    _no_worse(before_s=1.0, frame_s=1.0)
    _probes()
    _kept()


def _kept() -> None:
    """What is kept is ready from the beginning, and used as soon as it is better."""
    takes_s = {"alone": 0.5, "other": 1.0}
    adapting = Adapting(lambda plan, _: takes_s[plan], "other", 1, RATE, 0.0, frozenset({"alone"}))
    (use,) = Checked(adapting).handle(Known(()))
    require(isinstance(use, Use) and use.plan == "alone", "{}, though it is ready", use)


def _machine(here_s: Mapping[str, float], quick_s: Mapping[str, float]) -> Checked:
    """Plans that take so long, and so long on a link that takes next to no time."""

    def predicted_s(plan: str, at: Conditions) -> float:
        return (quick_s if at.up < 0.01 else here_s)[plan]

    return Checked(Adapting(predicted_s, "alone", 3, RATE, 0.0))


def _frame(checked: Checked, latency_s: float) -> tuple[type, ...]:
    event = Answered(
        checked.current, latency_s, NOTHING, NOTHING, NOTHING, NOTHING, math.inf, beside=False
    )
    return tuple(map(type, checked.handle(event)))


def _no_better(chance: float, worth: float) -> None:
    """After frames that differ by chance."""
    for part in (WORTH, 0.989, 0.981, 0.979, 0.971, 0.969):
        here_s = {"alone": 1.0, "other": part}
        checked = _machine(here_s, here_s)
        for number in range(100):
            up = Taken(math.exp(chance * (-1) ** number), 1.0, 0.0)
            said = checked.handle(
                Answered("alone", 1.0, up, NOTHING, NOTHING, NOTHING, math.inf, beside=False)
            )
            require(said == (), "{} after frames that say nothing", said)
        for event, kind, where in (
            (Known(("other",)), Prepare, part < WORTH),
            (Ready("other"), Use, part < worth),
        ):
            kinds = tuple(map(type, checked.handle(event)))
            expected = (kind,) if where else ()
            require(kinds == expected, "{} for what takes {} of the time", kinds, part)


def _no_worse(before_s: float, frame_s: float) -> None:
    here_s = {"alone": before_s, "other": 0.5}
    checked = _machine(here_s, here_s)
    checked.handle(Known(("other",)))
    said = checked.handle(Ready("other"))
    require(isinstance(said[0], Use), "a plan that is better is not used")
    for _ in range(TRIAL):
        _frame(checked, frame_s)
    require(checked.current == "other", "a plan that is no worse is given up")


def _probes() -> None:
    for up_s, down_s in ((PROBE_S, PROBE_S / 2), (PROBE_S / 2, PROBE_S)):
        quick_s = {"alone": 1.0, "other": WORTH}
        checked = _machine({"alone": 1.0, "other": 2.0}, quick_s)
        checked.handle(Known(("other",)))
        require(_frame(checked, 1.0) == (), "it is probed for nothing")
        quick_s["other"] = 0.5
        require(_frame(checked, 1.0) == (Probe,), "it is not probed")
        up, down = (Taken(taken_s, 10 * PROBE_S, 0.0) for taken_s in (up_s, down_s))
        size_bytes = MOST // 64
        again = checked.handle(Probed(size_bytes, up, down, 0.0))
        require(again == (Probe(size_bytes),), "{} after a probe of {} bytes", again, size_bytes)
        checked.handle(ProbeFailed())
        require(_frame(checked, EVERY_S) == (Probe,), "it is not probed once that is due")


def finish(random: Random) -> None:
    """What is left of some paths, and whether it is worth while.

    Raises:
        Violation: another path is taken on, or in another order, or at a loss.
    """
    paths = random.randint(1, 6)
    order = random.sample(range(paths), paths)
    before = {path: path - 1 for path in range(1, paths) if random.random() < 0.7}
    quarters = [random.randint(0, 4) for _ in range(2 * paths + 1)]
    *each, tail = (quarter / 4 for quarter in quarters)
    to_cut_s, from_cut_s = each[:paths], each[paths:]
    wanted = {path for path in order if random.random() < 0.5}
    needed = set(wanted)
    for path in reversed(range(paths)):
        if path in needed and path in before:
            needed.add(before[path])
    expected: list[int] = []
    for path in order:  # what it goes on from goes before it
        first = path
        while first in before:
            first -= 1
        chain = range(first, path + 1) if path in wanted else ()
        expected += [at for at in chain if at not in expected]
    to_compute = [path for path in order if random.random() < 0.5]
    own_s = sum(to_cut_s[path] for path in to_compute) + sum(from_cut_s[path] for path in needed)
    own_s += tail
    for more_s, pays in ((0.0, False), (0.25, True), (-0.25, False)):
        remainder = Remainder(
            to_cut_s=to_cut_s,
            from_cut_s=from_cut_s,
            tail_s=tail,
            whole_s=own_s + more_s,
            predecessors=before,
        )
        missing = remainder.missing(order, wanted)
        require(missing == expected, "{} are taken on, not {}", missing, expected)
        finish_s = remainder.finish_s(to_compute, missing)
        require(finish_s == own_s, "finishing takes {} s, not {}", finish_s, own_s)
        require(remainder.pays(to_compute, missing) is pays, "it pays: not {}", pays)
        require(remainder.all_s == sum(from_cut_s) + tail, "{} s for all", remainder.all_s)
