"""What a search has looked at is gone once it ends: sessions search for as long as they live."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import NoPlanError
from fusepath.offload.background import Background
from fusepath.onnx_io import load_model
from fusepath.plan import Budget, Constraints, PlanRequest, Setting, shortlist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def collected() -> Iterator[Callable[[], list[str]]]:
    """Kinds of fusepath's objects that only the collector of cycles would find."""
    gc.collect()
    gc.disable()

    def found() -> list[str]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = {type(item) for item in gc.garbage}
        return sorted(kind.__name__ for kind in kinds if kind.__module__.startswith("fusepath"))

    try:
        yield found
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.fixture(scope="module")
def setting() -> Setting:
    graph = load_model("zoo:alexnet").graph
    link = parse_link("30MB/s")
    return Setting(graph=graph, device=ComputeRate(6e10), edge=ComputeRate(1.2e11), link=link)


@pytest.mark.parametrize("evaluations", [600, 2000])
def test_a_search_that_gave_a_family_up_leaves_nothing(setting, collected, evaluations):
    assert shortlist(setting, PlanRequest(budget=Budget(evaluations=evaluations)))

    assert collected() == []


def test_a_search_without_a_plan_leaves_nothing(setting, collected):
    limits = Constraints(device_memory_bytes=1000, upload_bytes=0)
    request = PlanRequest(constraints=limits, budget=Budget(evaluations=100))

    async def search() -> None:
        background = Background()
        try:
            await background.do(shortlist, setting, request)
        except NoPlanError:
            background.close()
        else:
            pytest.fail("there is a plan")

    asyncio.run(search())

    assert collected() == []
