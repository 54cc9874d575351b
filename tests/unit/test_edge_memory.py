"""What an edge server keeps is counted in bytes: models, plans, and what inferences need."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fusepath import jsonfile
from fusepath.errors import ModelError
from fusepath.onnx_io import load_model
from fusepath.protocol.framing import Begin, RawTensor
from fusepath.remote import edge_service, located_model
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.memory_budget import MemoryBudget
from fusepath.remote.model_store import ModelStore
from fusepath.remote.prepared import PreparedPlan
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.edge_share import EdgeShare, EdgeTimes, declared_bytes
from tests.plans import plan_of

SOURCE = "zoo:squeezenet?size=64&weights=integer"


@pytest.fixture
def built(built, monkeypatch) -> list[Any]:
    """The same on a machine that does not say what memory it has."""
    monkeypatch.setattr(edge_service, "resident_bytes", lambda: 0)
    return built


def plans() -> list[Any]:
    model = load_model(SOURCE)
    return [plan_of(model, tau=4, grid=(2, 2), cuts=cuts) for cuts in ([1] * 4, [2] * 4, [3] * 4)]


async def prepared(service: EdgeService, plan) -> pb.PrepareReply:
    return await service.prepare(pb.PrepareRequest(recipe_json=jsonfile.encode(plan.recipe)))


def test_plans_that_were_not_used_for_longest_give_way_and_are_prepared_again(built):
    every = plans()
    graph = load_model(SOURCE).graph
    sizes = [declared_bytes(plan.recipe, graph) for plan in every]

    async def ask() -> list[bool]:
        service = EdgeService(ModelStore(None), plans_bytes=sum(sizes) - 1)
        try:
            for plan in (every[0], every[1], every[0], every[2]):
                await prepared(service, plan)
            held = [service.find(plan.recipe_sha256) is not None for plan in every]
            await prepared(service, every[1])
            assert service.find(every[1].recipe_sha256) is not None
            return held
        finally:
            service.close()

    assert asyncio.run(ask()) == [True, False, True]
    assert len(built) == 4


def test_a_plan_that_never_fits_is_refused_before_anything_is_built(built):
    async def ask() -> None:
        service = EdgeService(ModelStore(None), plans_bytes=1000)
        try:
            with pytest.raises(Refusal, match=r"takes 5 MB here, .* give the server more memory"):
                await prepared(service, plans()[0])
        finally:
            service.close()

    asyncio.run(ask())
    assert built == []


def test_a_model_that_does_not_fit_is_not_read(tmp_path, monkeypatch):
    model = load_model(SOURCE)
    model.save(tmp_path / "net.onnx")
    store = ModelStore(tmp_path, budget_bytes=1000)
    monkeypatch.delattr(located_model, "load_model")

    with pytest.raises(ModelError, match="takes 5 MB, where models may have 0 MB here"):
        store.get(plans()[0].model)


def test_a_false_digest_is_not_worth_making_the_weights_for_again(monkeypatch):
    loads = []

    def counted(source, **options):
        loads.append(source)
        return load_model(source, **options)

    monkeypatch.setattr(located_model, "load_model", counted)
    store = ModelStore(None)
    right = plans()[0].model
    wrong = msgspec.structs.replace(right, sha256="0" * 64)

    for _ in range(3):
        with pytest.raises(ModelError, match="the device has 000000000000"):
            store.get(wrong)

    assert loads == [SOURCE]
    assert store.get(right).graph.sha256 == right.sha256


def test_an_inference_costs_what_it_may_keep_here_at_once():
    plan = plans()[0]
    share = EdgeShare(load_model(SOURCE), plan.recipe)
    ready = PreparedPlan(share, EdgeTimes((0.1, 0.2, 0.3, 0.4), 0.5))

    cost = ready.cost(Begin(1, 1, plan.recipe_sha256, 1, [RawTensor(bytes(7))]))

    assert cost.work_s == pytest.approx(1.5)
    pieces = 4 * 3 * 64 * 64  # four tiles of the picture, with halo
    assert cost.bytes > 2 * pieces + 7
    assert cost.bytes < 2_000_000


def test_memory_is_divided_and_nothing_of_it_twice():
    budget = MemoryBudget(1000)

    assert budget.plans_bytes + budget.models_bytes + budget.requests_bytes == 1000
    assert MemoryBudget.of_this_machine().total_bytes > 100_000_000
