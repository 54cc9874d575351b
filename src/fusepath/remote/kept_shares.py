"""Shares of fused layers that an edge server keeps, so that unchanged paths need not come again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import RefusalKind
from fusepath.protocol.keeping import EdgeKept, Place
from fusepath.remote.transport import Refusal

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from fusepath.protocol.framing import Begin
    from fusepath.runtime.edge_share import EdgeShare
    from fusepath.runtime.stage import Pieces

MOST_BYTES = 256 << 20
"""Of all devices together."""
_LOST = "what frames before have made is not kept any more; send all paths"


class KeptShares:
    """`EdgeKept` for workers and the event loop.

    Args:
        most_bytes: of all shares together.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._kept: EdgeKept[Pieces] = EdgeKept(most_bytes)

    def reuse(self, stream: Hashable, begin: Begin, share: EdgeShare) -> Reuse:
        """What a request goes on from.

        Raises:
            ProtocolError: the plan does not allow it.
            Refusal: it is not kept any more.
        """
        if begin.reused and not share.may_reuse:
            raise ProtocolError("paths are reused, which the plan does not allow")
        wanted = {item.path - 1: item.request for item in begin.reused}
        if len(wanted) < len(begin.reused):
            raise ProtocolError("a path is reused twice")
        shares: Mapping[int, Pieces] | None = {}
        if share.returning is None:  # or the device has what returned of them
            places = {
                Place(stream, begin.recipe_sha256, path): request
                for path, request in wanted.items()
            }
            with self._lock:
                shares = self._kept.find(places)
        if shares is None:
            raise Refusal(RefusalKind.FORGOTTEN, _LOST)
        may_keep = share.may_reuse and share.returning is None
        keeps = frozenset(path - 1 for path in begin.keeps if may_keep)
        return Reuse(self, stream, begin, frozenset(wanted), shares, keeps)

    def keep(self, place: Place, request: int, made: Pieces) -> None:
        """Keep what a request has made of a path."""
        copied = {name: np.array(value) for name, value in made.items()}
        size_bytes = sum(value.nbytes for value in copied.values())
        with self._lock:
            self._kept.keep(place, request, copied, size_bytes)

    def end(self, stream: Hashable) -> None:
        """A stream has ended."""
        with self._lock:
            self._kept.end(stream)

    @property
    def held_bytes(self) -> int:
        """Of all shares."""
        return self._kept.held_bytes


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a request goes on from, and what is kept of it."""

    kept: KeptShares
    stream: Hashable
    begin: Begin
    paths: frozenset[int]
    """0-based; they do not come."""
    shares: Mapping[int, Pieces]
    """Of the fused layer, by path; none where the device has what returned of them."""
    keeps: frozenset[int]
    """Paths that later requests may refer to."""

    def keep(self, path: int, made: Pieces) -> None:
        """Keep what was made of a path (0-based), if somebody will refer to it."""
        if path in self.keeps:
            place = Place(self.stream, self.begin.recipe_sha256, path)
            self.kept.keep(place, self.begin.request, made)
