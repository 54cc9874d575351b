"""What computes paths on one machine for an edge server on another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from fusepath.protocol.shelf import Shelf
from fusepath.runtime.allocator import release_free_memory, resident_bytes
from fusepath.runtime.edge_stages import EdgeStages
from fusepath.runtime.strip_stage import StripState
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing, Recipe
    from fusepath.runtime.edge_stages import Arrived
    from fusepath.runtime.execution import Execution
    from fusepath.runtime.stage import Pieces


class NotHeldError(Exception):
    """A machine does not have what it is to compute with, or not any more."""


class Held(NamedTuple):
    """What is known of stages that a machine has built, as of `PathStages`."""

    path_macs: tuple[int, ...]
    tail_macs: int
    sessions: int
    bytes: int


class NodeWorker:
    """Stages of plans on this machine, for calls from another one.

    All calls may come at the same time.

    Args:
        execution: what to compute on.
        plans_bytes: memory that they may take together; those not used for longest go first.
    """

    def __init__(self, execution: Execution, plans_bytes: int) -> None:
        self._execution = execution
        self._lock, self._building = threading.Lock(), threading.Lock()
        self._stages: Shelf[str, tuple[EdgeStages, Held]] = Shelf(plans_bytes)

    def version(self) -> str:
        """Of fusepath."""
        return VERSION

    def hold(self, key: str, model: Model, recipe: Recipe) -> Held:
        """Build stages, as `EdgeStages` are made, unless they are there.

        Raises:
            FusepathError: that cannot be done.
            MemoryError: they do not fit.
        """
        with self._building:
            with self._lock:
                if (kept := self._stages.get(key)) is not None:
                    return kept[1]
            release_free_memory()
            before_bytes = resident_bytes()
            stages = EdgeStages(model, recipe, execution=self._execution)
            size_bytes = max(resident_bytes() - before_bytes, 0)
            held = Held(stages.path_macs, stages.tail_macs, stages.sessions, size_bytes)
            with self._lock:
                if not self._stages.put(key, (stages, held), size_bytes):
                    raise MemoryError
            return held

    def drop(self, key: str) -> None:
        """Nobody will ask for these stages."""
        with self._lock:
            self._stages.drop(key)

    def forward(
        self,
        key: str,
        path: int,
        arrived: Mapping[str, Arrived],
        kept: Pieces,
        chain: Preprocessing,
    ) -> tuple[Pieces, Pieces]:
        """A path's share, and what its strip keeps for the next, as of `PathStages.forward`.

        Raises:
            NotHeldError: the stages are not there.
        """
        state = StripState(kept)
        shares = self._held(key).forward(path, arrived, state, chain)
        return shares, state.kept

    def tail(self, key: str, maps: Mapping[str, Array]) -> Pieces:
        """The outputs, as of `PathStages.tail`.

        Raises:
            NotHeldError: the stages are not there.
        """
        return self._held(key).tail(maps)

    def _held(self, key: str) -> EdgeStages:
        with self._lock:
            kept = self._stages.get(key)
        if kept is None:
            raise NotHeldError
        return kept[0]
