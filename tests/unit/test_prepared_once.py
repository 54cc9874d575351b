"""An edge server prepares what two plans do once, whoever asks, and however often."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import msgspec

from fusepath import jsonfile
from fusepath.cancellation import Cancelled, check_cancelled
from fusepath.onnx_io import load_model
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.model_store import ModelStore
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.edge_share import EdgeShare
from tests.plans import plan_of, with_recipe

SOURCE = "zoo:squeezenet?size=64&weights=integer"


def request(plan) -> pb.PrepareRequest:
    return pb.PrepareRequest(recipe_json=jsonfile.encode(plan.recipe))


def asked(*requests: pb.PrepareRequest) -> list[Any]:
    """What a service answers to requests that are made at once."""

    async def ask() -> list[Any]:
        service = EdgeService(ModelStore(None))
        try:
            calls = (service.prepare(item) for item in requests)
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            service.close()

    return asyncio.run(ask())


def plans() -> tuple[Any, Any]:
    """Two that do the same, made by other searches on devices that keep the model elsewhere."""
    one = plan_of(load_model(SOURCE), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])
    provenance = msgspec.structs.replace(one.provenance, search_s=9.0, algorithm="auto")
    model = msgspec.structs.replace(one.model, name="mine")
    other = msgspec.structs.replace(with_recipe(one, model=model), provenance=provenance)
    return one, other


def test_calls_at_the_same_time_share_one_preparation(built):
    one, other = plans()

    replies = asked(request(one), request(other), request(one))

    assert len(built) == 1
    assert {reply.recipe_sha256 for reply in replies} == {one.recipe_sha256}
    assert len({tuple(reply.path_ns) for reply in replies}) == 1


def test_a_second_device_finds_what_the_first_had_prepared(built):
    one, other = plans()

    async def ask() -> list[Any]:
        service = EdgeService(ModelStore(None))
        try:
            return [await service.prepare(request(plan)) for plan in (one, other)]
        finally:
            service.close()

    first, second = asyncio.run(ask())

    assert first == second
    assert len(built) == 1


def test_other_recipes_are_prepared_apart(built):
    one, _ = plans()

    asked(request(one), request(with_recipe(one, order=(4, 3, 2, 1))))

    assert len(built) == 2


def test_a_device_that_gives_up_does_not_stop_the_others(built):
    one, other = plans()

    async def ask() -> Any:
        service = EdgeService(ModelStore(None))
        try:
            impatient = asyncio.create_task(service.prepare(request(one)))
            await asyncio.sleep(0)
            patient = asyncio.create_task(service.prepare(request(other)))
            await asyncio.sleep(0)
            impatient.cancel()
            return await patient
        finally:
            service.close()

    assert asyncio.run(ask()).recipe_sha256 == one.recipe_sha256
    assert len(built) == 1


def test_what_nobody_waits_for_any_more_is_given_up_and_may_be_asked_for_again(built, monkeypatch):
    """A preparation and a profile, as when their deadlines have passed; others are served then."""
    one, other = plans()
    begun, given_up = threading.Event(), []

    def endless(*_: Any, **__: Any) -> Any:
        begun.set()
        try:
            while True:
                check_cancelled()
                time.sleep(0.001)
        except Cancelled:
            given_up.append("given up")
            raise

    async def abandon(call: Any) -> None:
        asked = asyncio.ensure_future(call)
        while not begun.is_set():
            await asyncio.sleep(0.001)
        begun.clear()
        asked.cancel()
        await asyncio.wait([asked])

    async def ask() -> Any:
        service = EdgeService(ModelStore(None), profiler=endless)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(EdgeShare, "rehearse", endless)
                await abandon(service.prepare(request(one)))
            model = one.model
            await abandon(
                service.profile(
                    pb.ModelRequest(
                        sha256=model.sha256, source=model.source, input_shape=model.input_shape
                    )
                )
            )
            return await asyncio.wait_for(service.prepare(request(other)), 30)
        finally:
            service.close()

    assert asyncio.run(ask()).recipe_sha256 == one.recipe_sha256
    assert given_up == ["given up"] * 2
    assert len(built) == 2


def test_what_cannot_be_carried_out_is_refused_to_all_and_may_be_asked_for_again(built):
    one, _ = plans()
    wrong = request(with_recipe(one, cuts=(0, 1, 1, 1)))

    for answers in (asked(wrong, wrong), asked(wrong)):
        for answer in answers:
            assert isinstance(answer, Refusal)
            assert "'cuts'" in str(answer)
    assert built == []
