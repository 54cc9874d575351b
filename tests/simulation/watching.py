"""A `Watch` alone, through more failures and good frames than a session has time for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.faults.clock import require
from fusepath.faults.driver import FIRST_PAUSE_S, FORGIVEN_AFTER, LATE, LONGEST_PAUSE_S, MOST_LATE
from fusepath.protocol.watch import (
    Dial,
    Due,
    Failed,
    MakeReady,
    Pause,
    Reached,
    Ready,
    Served,
    ServedLate,
    UseAlone,
    UseTogether,
    Watch,
)

if TYPE_CHECKING:
    from random import Random

_NEXT = {Dial(): Reached(), MakeReady(): Ready()}
_ALL = (Due(), Reached(), Ready(), Served(), ServedLate())


def watch(random: Random, rounds: int = 8) -> None:
    """Frames go well for a while and then fail; tries go well or do not; late news comes between.

    Raises:
        Violation: the watch does not do what it says it does.
    """
    part = 0.0

    def draw() -> float:
        nonlocal part
        part = random.random()
        return part

    machine = Watch(draw)
    failures = 0

    def tried(commands: tuple[Any, ...], retry_s: float) -> Any:
        """The one command of a try that failed; what is waited for then."""
        seconds = min(FIRST_PAUSE_S * 2 ** max(failures - 2, 0), LONGEST_PAUSE_S)
        seconds *= 1 - part / 2 if failures > 1 else 0
        seconds = max(seconds, retry_s * (1 + part / 2))
        expected: Any = Pause(seconds) if seconds else Dial()
        require(
            commands == (expected,), "{} after {} failures, not {}", commands, failures, expected
        )
        return expected

    for _ in range(rounds):
        served = random.choice((0, 1, FORGIVEN_AFTER - 1, FORGIVEN_AFTER, FORGIVEN_AFTER + 1))
        for _ in range(served):
            require(machine.handle(Served()) == (), "a good frame leads to something")
        failures = 1 if served >= FORGIVEN_AFTER else failures + 1
        late = random.choice((0, 1, MOST_LATE))
        for _ in range(late):
            require(machine.handle(ServedLate()) == (), "a late frame leads to something")
        retry_s = random.choice((0.0, 0.0, 0.2, 30.0))
        why, event = random.choice((("why", Failed("why", retry_s)), (LATE, ServedLate())))
        if isinstance(event, ServedLate):
            for _ in range(MOST_LATE - late):
                require(machine.handle(event) == (), "a late frame leads to something")
        elif late and random.random() < 0.5:
            require(machine.handle(Served()) == (), "a good frame leads to something")
            require(machine.handle(ServedLate()) == (), "what was late is not forgotten")
            failures = 1 if served + 1 >= FORGIVEN_AFTER else failures
        first, *rest = machine.handle(event)
        require(first == UseAlone(why), "{} for a failure", first)
        waits = tried(tuple(rest), retry_s if isinstance(event, Failed) else 0.0)
        while waits != UseTogether():
            right = _NEXT.get(waits, Due())
            late = random.choice([event for event in _ALL if event != right])
            require(machine.handle(late) == (), "{} leads to something", late)
            if isinstance(waits, Pause):
                require(machine.handle(Failed("late")) == (), "a pause is broken off")
            elif random.random() < 0.4:
                failures += 1
                retry_s = random.choice((0.0, 1.0))
                waits = tried(tuple(machine.handle(Failed("again", retry_s))), retry_s)
                continue
            (waits,) = machine.handle(right)
