"""What a device that is left alone has yet to do, and whether what it has is worth anything.

Paths that have come to their cuts, and what has returned of the fused layer, need not be computed
again. Tiles overlap, though, so finishing them may be more work than the whole network anew.

No clock, socket or thread is in here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Continued:
    """The device has taken a path (0-based) from its cut to the fused layer."""

    path: int


@dataclass(frozen=True, slots=True)
class Continue:
    """Take a path (0-based) from its cut to the fused layer here."""

    path: int


@dataclass(frozen=True, slots=True)
class Assemble:
    """Put the fused layer together here, of what was continued, kept and returned; and go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """How long a device would take to finish a plan by itself; paths are 0-based.

    Args:
        to_cut_s: of each path, to its cut.
        from_cut_s: of each path, from its cut to the fused layer.
        tail_s: of all that is behind the fused layer.
        whole_s: of the whole network, computed anew.
        predecessors: paths that go on behind their cut where another one has ended, and that other.
    """

    to_cut_s: Sequence[float]
    from_cut_s: Sequence[float]
    tail_s: float
    whole_s: float
    predecessors: Mapping[int, int] = field(default_factory=dict)

    def missing(self, order: Sequence[int], wanted: Collection[int]) -> list[int]:
        """Paths to be taken on from their cuts, one after the other.

        Those whose shares of the fused layer are wanted, each after whatever it goes on from.
        """
        found: dict[int, None] = {}  # in order
        for path in order:
            chain: list[int] = []
            at = path if path in wanted else None
            while at is not None:
                chain.append(at)
                at = self.predecessors.get(at)
            found.update(dict.fromkeys(reversed(chain)))
        return list(found)

    def finish_s(self, to_compute: Collection[int], missing: Collection[int]) -> float:
        """How long finishing takes.

        Args:
            to_compute: paths that are to be taken to their cuts first.
            missing: paths that are not at the fused layer.
        """
        to_cut_s = sum(self.to_cut_s[path] for path in to_compute)
        return to_cut_s + sum(self.from_cut_s[path] for path in missing) + self.tail_s

    @property
    def all_s(self) -> float:
        """How long it takes once all paths are at their cuts, if nothing has returned."""
        return self.finish_s((), range(len(self.from_cut_s)))

    def pays(self, to_compute: Collection[int], missing: Collection[int]) -> bool:
        """Whether finishing is quicker than the whole network anew."""
        return self.finish_s(to_compute, missing) < self.whole_s
