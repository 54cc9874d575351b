"""An `Adapting` alone: anything, at any moment; what it must say is told beside (`deciding`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.protocol.adapting import Back, Crowded, Forgotten, Known, ProbeFailed
from tests.simulation.choosing import Play, drawn

if TYPE_CHECKING:
    from random import Random


def wander(random: Random, steps: int = 120) -> None:
    """Things drift and jump, frames of several plans overlap, and answers come late or never.

    Raises:
        Violation: the machine says anything else than it must.
    """
    play = Play(random, drawn(random))
    noises = random.choice(((0.01, 0.03), (0.01, 0.03), (0.03, 0.2), (0.4,)))
    if random.random() < 0.2:  # what is kept may be given up, too
        play.liars["alone"] = 2.0
    if random.random() < 0.7:  # or none is known at first, or it is before the first frame
        _learn(play, *play.plans)
    for _ in range(steps):
        what = random.random()
        if what < 0.7:
            others = sorted(play.ready)
            late = random.choice(others) if random.random() < 0.1 else None
            play.frame(late, random.choice(noises))
        elif what < 0.76:
            _drift(play)
        elif what < 0.86 and play.probing is not None:
            if random.random() < 0.6:
                play.probed(0.03)
            else:
                nothing = random.choice((ProbeFailed(), Crowded(play.probing)))
                play.probing = None
                play.tell(nothing)
        elif what < 0.93 and play.preparing is not None:
            _prepare(play)
        elif what < 0.97 and play.searching:
            play.searching = False
            _learn(play, *(name for name in _more(play) if random.random() < 0.7))
        elif 0.97 < what < 0.98 and play.preparing is None and play.has_room:
            play.offered(random.choice(sorted(play.plans)))
        elif what > 0.99:
            news = [event for event in (Back(), Forgotten()) if random.random() < 0.7]
            for event in random.sample(news, len(news)):
                play.tell(event)


def _prepare(play: Play) -> None:
    """A plan is ready, cannot be, or not yet."""
    how = play.random.random()
    if how < 0.1 and len(play.known) > 2:
        play.unfit()
    elif how < 0.4:
        play.put_off()
    else:
        _rehearse(play)
        play.prepared()


def _rehearse(play: Play) -> None:
    """What a plan takes on machines turns out as it is made ready."""
    assert play.preparing is not None
    plan = play.plans[play.preparing]
    device_s, edge_s = (play.random.uniform(0.8, 1.25) * s for s in (plan.device_s, plan.edge_s))
    play.plans[play.preparing] = replace(plan, device_s=device_s, edge_s=edge_s)


def _learn(play: Play, *names: str) -> None:
    play.known |= set(names)
    play.tell(Known(names))


def _more(play: Play) -> list[str]:
    """Other plans; some keep nothing of what they promise."""
    plans = {f"{name} of {len(play.plans)}": plan for name, plan in drawn(play.random).items()}
    play.plans |= plans
    for name in plans:
        if play.random.random() < 0.3:
            play.liars[name] = play.random.choice((1.2, 2.0, 4.0))
    return list(plans)


def _drift(play: Play) -> None:
    """One thing or both ways are others."""
    factor = play.random.choice((0.1, 0.4, 0.8, 0.93, 1.07, 1.25, 2.5, 10.0))
    if play.random.random() < 0.15:
        further_s = play.random.choice((-0.0018, 0.0, 0.0, 0.003, 0.05, 0.2))
        play.here = replace(play.here, further_s=further_s)
        return
    names = play.random.choice((("up",), ("down",), ("up", "down"), ("device",), ("edge",)))
    most, least = (50.0, 0.01) if set(names) <= {"up", "down"} else (4.0, 0.3)
    now = {name: min(max(getattr(play.here, name) * factor, least), most) for name in names}
    play.here = replace(play.here, **now)
