"""Which outputs of a network are to return: a device says which are not, in a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.protocol.conversation import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MOST_TOLD = 64
"""Outputs that there is a bit for; those behind always return."""


def left_out(outputs: Sequence[str], wanted: Collection[str]) -> int:
    """A bit for every output that nobody wants, from the lowest, in the order of the outputs."""
    return sum(1 << at for at, name in enumerate(outputs[:MOST_TOLD]) if name not in wanted)


def returning(outputs: Sequence[str], left: int) -> tuple[str, ...]:
    """The outputs that are to return.

    Args:
        outputs: of the network.
        left: `left_out` of them.

    Raises:
        ProtocolError: more are left out than there are.
    """
    if left >> len(outputs):
        raise ProtocolError(f"outputs are left out that a network of {len(outputs)} does not have")
    return tuple(name for at, name in enumerate(outputs) if not left >> at & 1)
