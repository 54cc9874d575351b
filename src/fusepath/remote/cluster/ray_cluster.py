"""Nodes of a Ray cluster: an actor on each that has processors. Needs the extra ``ray``.

Ray pickles what goes between its processes, so a cluster is one machine as far as trust goes: a
private network, and Ray's token. Devices never speak to it; what they send has been checked when it
gets there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fusepath.errors import InputError, one_line
from fusepath.remote.cluster.node import Held, NodeWorker
from fusepath.remote.cluster.pool import LostNodeError, NodePool
from fusepath.remote.journal import tell
from fusepath.remote.limits import LONGEST_REQUEST_S
from fusepath.remote.listening import is_loopback
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Preprocessing, Recipe
    from fusepath.runtime.edge_stages import Arrived
    from fusepath.runtime.execution import Execution
    from fusepath.runtime.stage import Pieces

_LOOKS_EVERY_S = 1.0
_STARTS_WITHIN_S = 60.0
_AGAIN_AFTER_S = 60.0
"""A node that did not start, or has another version, may have been mended by then."""
_BESIDE = 2
"""Calls that an actor takes beside paths: to build, and to let go."""


def connect(address: str, *, trusted: bool) -> None:
    """Join a Ray cluster, as one that has work for it; the machine must be one of its nodes.

    Args:
        address: ``HOST:PORT`` of its head, or ``auto`` for the one that this machine is in.
        trusted: the network is, so that no token is needed.

    Raises:
        InputError: Ray is not installed, there is no token, or the cluster cannot be reached.
    """
    if not (trusted or is_loopback(address) or os.environ.get("RAY_AUTH_MODE") == "token"):
        raise InputError(
            f"Ray at '{address}' would be used without a token: start its nodes and this with "
            f"RAY_AUTH_MODE=token"
        )
    try:
        import ray  # noqa: PLC0415 - in an extra
    except ImportError:
        raise InputError("a Ray cluster needs Ray: pip install 'fusepath[ray]'") from None
    try:
        ray.init(
            address=address, namespace="fusepath", log_to_driver=False, logging_level=logging.ERROR
        )
    except Exception as error:  # of many kinds
        raise InputError(f"cannot join Ray at '{address}': {one_line(error)}") from error


@dataclass(frozen=True, slots=True)
class PerNode:
    """What each node is to do."""

    workers: int
    """Paths at the same time, or as many as it has processors, where these are fewer."""
    execution: Execution
    """What it computes on."""
    plans_bytes: int
    """Memory for prepared plans."""


class RayCluster:
    """Keeps a pool of nodes as the cluster has them: those that are added join, others leave.

    Args:
        each: what nodes are to do.
    """

    def __init__(self, each: PerNode) -> None:
        self.pool = NodePool()
        self._each = each
        self._models: WeakKeyDictionary[Model, Any] = WeakKeyDictionary()
        """Each is put into the cluster once, and reaches every node once."""
        self._nodes: dict[str, RayNode] = {}
        """By Ray's name of the machine."""
        self._again_s: dict[str, float] = {}
        """When those that are not used are asked again (`time.monotonic`)."""
        self._ended = threading.Event()
        self._look()
        threading.Thread(target=self._watch, name="edge-cluster", daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOKS_EVERY_S):
            try:
                self._look()
                self.pool.tidy()
            except Exception as error:  # of Ray, whose head may be gone
                tell("cluster not seen", reason=one_line(error))

    def _look(self) -> None:
        """Have the pool be what the cluster is."""
        import ray  # noqa: PLC0415 - in an extra

        there = {
            machine["NodeID"]: machine
            for machine in ray.nodes()
            if machine["Alive"] and machine["Resources"].get("CPU", 0) >= 1
        }
        pooled = set(self.pool.nodes)
        for name, node in list(self._nodes.items()):
            if name not in there or node not in pooled:  # the machine has gone, or the process
                self.pool.leave(node)
                del self._nodes[name]
        for name, machine in there.items():
            if name not in self._nodes and time.monotonic() >= self._again_s.get(name, 0.0):
                self._add(name, machine)
        self._again_s = {name: at for name, at in self._again_s.items() if name in there}

    def _add(self, name: str, machine: Mapping[str, Any]) -> None:
        import ray  # noqa: PLC0415 - in an extra
        from ray.util.scheduling_strategies import (  # noqa: PLC0415
            NodeAffinitySchedulingStrategy,
        )

        slots = min(self._each.workers, int(machine["Resources"]["CPU"]))
        where = f"{machine['NodeManagerAddress']} {name[:8]}"
        actor = (
            ray.remote(NodeWorker)
            .options(
                num_cpus=slots,
                max_concurrency=slots + _BESIDE,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=name, soft=False),
            )
            .remote(self._each.execution, self._each.plans_bytes)
        )
        try:
            version = ray.get(actor.version.remote(), timeout=_STARTS_WITHIN_S)
            why_not = "" if version == VERSION else f"it has fusepath {version}, this is {VERSION}"
        except ray.exceptions.RayError as error:
            why_not = one_line(error)
        if why_not:
            tell("node not used", node=where, reason=why_not)
            self._again_s[name] = time.monotonic() + _AGAIN_AFTER_S
            with suppress(ray.exceptions.RayError):
                ray.kill(actor)
            return
        node = RayNode(where, slots, actor, self._models)
        self._nodes[name] = node
        self.pool.join(node)

    def close(self) -> None:
        """Leave the cluster, whose actors end with this."""
        import ray  # noqa: PLC0415 - in an extra

        self._ended.set()
        with suppress(Exception):  # the head may be gone
            ray.shutdown()


class RayNode:
    """`Node` that is an actor.

    Args:
        name: of the machine, for logs.
        slots: paths that it computes at the same time.
        actor: of `NodeWorker`.
        models: that have been put into the cluster.
    """

    def __init__(
        self, name: str, slots: int, actor: Any, models: WeakKeyDictionary[Model, Any]
    ) -> None:
        self.name, self.slots = name, slots
        self._actor = actor
        self._models = models

    def hold(self, key: str, model: Model, recipe: Recipe) -> Held:
        """Build stages, as of `NodeWorker`."""
        import ray  # noqa: PLC0415 - in an extra

        if model not in self._models:
            self._models[model] = ray.put(model)
        held: Held = _answer(self._actor.hold.remote(key, self._models[model], recipe))
        return held

    def drop(self, key: str) -> None:
        """Let go of them, at some time."""
        self._actor.drop.remote(key)

    def forward(
        self,
        key: str,
        path: int,
        arrived: Mapping[str, Arrived],
        kept: Pieces,
        chain: Preprocessing,
    ) -> tuple[Pieces, Pieces]:
        """Compute a path, as of `NodeWorker`."""
        made: tuple[Pieces, Pieces] = _answer(
            self._actor.forward.remote(key, path, arrived, kept, chain)
        )
        return made

    def tail(self, key: str, maps: Mapping[str, Array]) -> Pieces:
        """Compute the tail, as of `NodeWorker`."""
        outputs: Pieces = _answer(self._actor.tail.remote(key, maps))
        return outputs


def _answer(asked: Any) -> Any:
    """What an actor says to a call.

    Raises:
        LostNodeError: it is gone.
        Exception: whatever the call raised there.
    """
    import ray  # noqa: PLC0415 - in an extra

    try:
        return ray.get(asked, timeout=LONGEST_REQUEST_S)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise LostNodeError from error
