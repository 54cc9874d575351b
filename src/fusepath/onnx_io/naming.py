"""Every node gets a name of its own: plans, errors and reports refer to nodes by name."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fusepath.onnx_io.nodes import copied, present

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onnx import NodeProto


class Names:
    """Hands out names, none of them twice."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, count[int]] = {}

    def fresh(self, base: str) -> str:
        """``base``, or ``base_2``, ``base_3``, … where that is taken; it is taken from now on."""
        name = base
        while name in self._taken:
            name = f"{base}_{next(self._numbers.setdefault(base, count(2)))}"
        self._taken.add(name)
        return name


def named(nodes: Iterable[NodeProto]) -> tuple[NodeProto, ...]:
    """Copies of the nodes, with unique non-empty names.

    The first node of a name keeps it, a later one gets a number behind it. A nameless node is
    called after its type and its first output.
    """
    result = tuple(copied(node) for node in nodes)
    names = Names(node.name for node in result)
    kept: set[str] = set()
    for node in result:
        if node.name and node.name not in kept:
            kept.add(node.name)
        else:
            node.name = names.fresh(
                node.name or "_".join((node.op_type, *present(node.output)[:1]))
            )
    return result
