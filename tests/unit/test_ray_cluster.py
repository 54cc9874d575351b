"""Which nodes of a Ray cluster compute, and when those that do not are asked again."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from fusepath.remote.cluster import ray_cluster
from fusepath.remote.cluster.ray_cluster import PerNode, RayCluster
from fusepath.runtime.execution import ON_CPU
from fusepath.version import VERSION


class RayError(Exception):
    pass


class PlayedRay:
    """A cluster of machines, each with the version of fusepath that it has; None does not start."""

    def __init__(self, **versions: str | None) -> None:
        self.versions = versions
        self.asked: list[str] = []
        self.killed: list[str] = []
        self.exceptions = SimpleNamespace(RayError=RayError)

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "NodeManagerAddress": name, "Alive": True, "Resources": {"CPU": 2.0}}
            for name in self.versions
        ]

    def remote(self, _kind: type) -> Any:
        def begun(**options: Any) -> Any:
            name = options["scheduling_strategy"]
            version = SimpleNamespace(remote=lambda: name)
            return SimpleNamespace(remote=lambda *_: SimpleNamespace(name=name, version=version))

        return SimpleNamespace(options=begun)

    def get(self, name: str, timeout: float) -> str | None:
        assert timeout > 0
        self.asked.append(name)
        if self.versions[name] is None:
            raise RayError("it did not start")
        return self.versions[name]

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.name)


@pytest.fixture
def cluster(monkeypatch):
    """Makes a cluster that looks only when it is told to."""
    clusters = []

    def made(played: PlayedRay) -> RayCluster:
        strategy = SimpleNamespace(
            NodeAffinitySchedulingStrategy=lambda node_id, soft: node_id or soft
        )
        monkeypatch.setitem(sys.modules, "ray", played)
        monkeypatch.setitem(sys.modules, "ray.util", SimpleNamespace())
        monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategy)
        monkeypatch.setattr(ray_cluster, "_LOOKS_EVERY_S", 3600.0)
        clusters.append(RayCluster(PerNode(workers=4, execution=ON_CPU, plans_bytes=1 << 20)))
        return clusters[-1]

    yield made
    for each in clusters:
        each.close()


def names(cluster: RayCluster) -> list[str]:
    return sorted(node.name.split()[0] for node in cluster.pool.nodes)


@pytest.mark.parametrize("version", ["0.0.1", None], ids=["another version", "does not start"])
def test_a_node_of_no_use_is_not_asked_every_second(version, cluster, monkeypatch):
    played = PlayedRay(good=VERSION, bad=version)
    made = cluster(played)
    made._look()
    made._look()

    assert names(made) == ["good"]
    assert played.asked == ["good", "bad"]
    assert played.killed == ["bad"]

    played.versions["bad"] = VERSION  # mended
    now_s = ray_cluster.time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(ray_cluster.time, "monotonic", lambda: now_s + 61.0)
        made._look()

    assert names(made) == ["bad", "good"]


def test_a_node_that_comes_back_is_asked_at_once(cluster):
    played = PlayedRay(bad=None)
    made = cluster(played)
    del played.versions["bad"]
    made._look()
    played.versions["bad"] = VERSION
    made._look()

    assert names(made) == ["bad"]
