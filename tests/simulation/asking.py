"""Which outputs are to return, said in a number and understood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.faults.clock import Violation, require
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.wanted import left_out, returning

if TYPE_CHECKING:
    from random import Random

TOLD = 64
"""Outputs that can be left out; those behind always return."""


def ask(random: Random) -> None:
    """A network of some outputs, of which some are wanted.

    Raises:
        Violation: others return, or what cannot be meant is understood.
    """
    outputs = [f"output {at}" for at in range(random.choice((1, 3, TOLD - 1, TOLD, TOLD + 1, 70)))]
    wanted = {name for name in outputs if random.random() < 0.5}
    left = left_out(outputs, wanted)
    expected = tuple(name for name in outputs if name in wanted or name in outputs[TOLD:])
    require(returning(outputs, left) == expected, "{}, not {}", returning(outputs, left), expected)
    every = (1 << min(len(outputs), TOLD)) - 1
    require(left_out(outputs, ()) == every, "something cannot be left out")
    require(left_out(outputs, outputs) == 0, "something is left out")
    try:
        returning(outputs, 1 << len(outputs))
    except ProtocolError as error:
        require(f"a network of {len(outputs)} " in str(error), "{} is said", error)
        return
    raise Violation("outputs are left out that there are not")
