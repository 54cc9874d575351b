"""Nodes that compute paths for one edge server; what one loses another one does.

Nothing about a path is kept on a node from one call to the next: strips take along what they need
of the strips before them. So every call can be made again elsewhere.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

from fusepath.protocol.framing import RefusalKind
from fusepath.remote.cluster.node import NotHeldError
from fusepath.remote.journal import tell
from fusepath.remote.transport import Refusal
from fusepath.remote.workers import Workers
from fusepath.runtime.packing import EncodedTensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing, Recipe
    from fusepath.remote.cluster.node import Held
    from fusepath.runtime.edge_stages import Arrived
    from fusepath.runtime.execution import Execution
    from fusepath.runtime.stage import Pieces
    from fusepath.runtime.strip_stage import StripState

T = TypeVar("T")

_MOST_LOST = 2
"""Nodes that one call may take along: what it was given may be the reason."""
_MOST_SLOTS = 256
"""Of all nodes together that are used at the same time."""
_NODE_WITHIN_S = 30.0
"""How long a call waits for a node to come back or to be added."""


class LostNodeError(Exception):
    """A node has gone, or the process on it that computes."""


class Node(Protocol):
    """A machine that computes, as of `NodeWorker`.

    All calls raise `LostNodeError` where nothing comes back.
    """

    name: str
    slots: int
    """Paths that it computes at the same time."""

    def hold(self, key: str, model: Model, recipe: Recipe) -> Held:
        """Build stages, unless they are there."""

    def drop(self, key: str) -> None:
        """Nobody will ask for them; need not wait."""

    def forward(
        self,
        key: str,
        path: int,
        arrived: Mapping[str, Arrived],
        kept: Pieces,
        chain: Preprocessing,
    ) -> tuple[Pieces, Pieces]:
        """Compute a path."""

    def tail(self, key: str, maps: Mapping[str, Array]) -> Pieces:
        """Compute what is behind all paths."""


class NodePool:
    """The nodes that there are at the moment, and workers for an edge server: one for each slot."""

    def __init__(self) -> None:
        self.workers = Workers(0, most=_MOST_SLOTS, stages=self.stages)
        self._changed = threading.Condition()
        self._busy: dict[Node, int] = {}
        """How many calls each node is at."""
        self._made: weakref.WeakSet[PooledStages] = weakref.WeakSet()
        self._keys = map(str, itertools.count(1))
        self.unused: SimpleQueue[str] = SimpleQueue()
        """Keys of stages; memory may be collected anywhere, so nothing is called then."""

    def stages(self, model: Model, recipe: Recipe, *, execution: Execution) -> PooledStages:  # noqa: ARG002 - nodes have been told
        """Stages on every node, as of `MakeStages`: first on one, then on all others at once.

        Raises:
            FusepathError: they cannot be built.
            Refusal: it ended the process of the first, or there is no node.
        """
        stages = PooledStages(self, next(self._keys), model, recipe)
        with self._changed:
            self._made.add(stages)
            others = [node for node in self._busy if node is not stages.first]
        self._on_all(others, stages.prepare)
        return stages

    def _on_all(self, nodes: Sequence[Node], run: Callable[[Node], object]) -> None:
        def on(node: Node) -> None:
            try:
                run(node)
            except LostNodeError:
                self.leave(node)

        if nodes:
            with ThreadPoolExecutor(len(nodes), thread_name_prefix="edge-nodes") as threads:
                list(threads.map(on, nodes))

    def join(self, node: Node) -> None:
        """A node has been added; it has work once it holds what all others do."""
        with self._changed:
            made = list(self._made)
        try:
            for stages in made:
                stages.prepare(node)
        except LostNodeError:
            return
        with self._changed:
            self._busy[node] = 0
            self._count()
        tell("node joined", node=node.name, slots=node.slots)

    def leave(self, node: Node) -> None:
        """A node has gone."""
        with self._changed:
            if self._busy.pop(node, None) is None:
                return
            self._count()
        tell("node lost", node=node.name, slots=node.slots)

    def _count(self) -> None:
        self.workers.resize(sum(node.slots for node in self._busy))
        self._changed.notify_all()

    @property
    def nodes(self) -> list[Node]:
        """Those that there are."""
        with self._changed:
            return list(self._busy)

    def call(self, run: Callable[[Node], T], *, most_lost: int = _MOST_LOST) -> T:
        """Have something run on the node that is least busy, and elsewhere where that is lost.

        Raises:
            Refusal: it was lost too often, or there is no node.
        """
        for _ in range(most_lost):
            node = self._take()
            try:
                return run(node)
            except LostNodeError:
                self.leave(node)
            finally:
                self._give_back(node)
        raise Refusal(
            RefusalKind.UNFIT,
            f"the process that computed it ended, {most_lost} times; this model may not run here",
        )

    def _take(self) -> Node:
        with self._changed:
            if not self._changed.wait_for(lambda: self._busy, _NODE_WITHIN_S):
                raise Refusal(RefusalKind.EXHAUSTED, "no node is there to compute", _NODE_WITHIN_S)
            node = min(self._busy, key=lambda node: self._busy[node] / node.slots)
            self._busy[node] += 1
            return node

    def _give_back(self, node: Node) -> None:
        with self._changed:
            if node in self._busy:
                self._busy[node] -= 1

    def tidy(self) -> None:
        """Have nodes let go of stages that are not used any more."""
        while not self.unused.empty():
            key = self.unused.get()
            for node in self.nodes:
                with suppress(LostNodeError):
                    node.drop(key)


class PooledStages:
    """`PathStages` on the nodes of a pool.

    Args:
        pool: of nodes; one of them builds the stages now.
        key: by which nodes know them.
        model: as of `EdgeStages`.
        recipe: as of `EdgeStages`.
    """

    def __init__(self, pool: NodePool, key: str, model: Model, recipe: Recipe) -> None:
        self._pool, self._key = pool, key
        self._model, self._recipe = model, recipe
        # What ends the process of one node would end those of all others.
        self.first, held = pool.call(lambda node: (node, self.prepare(node)), most_lost=1)
        self.path_macs, self.tail_macs = held.path_macs, held.tail_macs
        self.sessions, self.elsewhere_bytes = held.sessions, held.bytes
        weakref.finalize(self, pool.unused.put, key).atexit = False

    def prepare(self, node: Node) -> Held:
        """Have them on a node.

        Raises:
            LostNodeError: it is lost.
        """
        return node.hold(self._key, self._model, self._recipe)

    def forward(
        self, path: int, arrived: Mapping[str, Arrived], state: StripState, chain: Preprocessing
    ) -> Pieces:
        """Compute a path somewhere, as of `PathStages`."""
        sent = {name: _owned(item) for name, item in arrived.items()}

        def run(node: Node) -> tuple[Pieces, Pieces]:
            return node.forward(self._key, path, sent, state.kept, chain)

        shares, state.kept = self._pool.call(partial(self._held, run))
        return shares

    def tail(self, maps: Mapping[str, Array]) -> Pieces:
        """Compute the tail somewhere, as of `PathStages`."""
        return self._pool.call(partial(self._held, lambda node: node.tail(self._key, maps)))

    def _held(self, run: Callable[[Node], T], node: Node) -> T:
        """Run on a node, which may have had to let go of these stages."""
        try:
            return run(node)
        except NotHeldError:
            self.prepare(node)
            return run(node)


def _owned(item: Arrived) -> Arrived:
    """Bytes of its own, which can go to another process."""
    if isinstance(item, EncodedTensor) and not isinstance(item.data, bytes):
        return replace(item, data=bytes(item.data))
    return item
