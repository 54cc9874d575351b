"""Profiles are measured in a process of their own, which nobody has to fear and none outlives."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from fusepath import jsonfile
from fusepath.onnx_io import load_model
from fusepath.protocol.framing import RefusalKind
from fusepath.protocol.shelf import Shelf
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.measuring import process
from fusepath.remote.measuring.apart import MeasuringApart
from fusepath.remote.measuring.job import AnotherModel, NotDone, TooLarge, framed
from fusepath.remote.model_store import ModelStore
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.runtime.execution import ON_CPU
from tests.plans import plan_of

SOURCE = "zoo:squeezenet?size=64&weights=integer"
SLEEPS = "import time; time.sleep(600)"
CRASHES = {
    "import os; os.abort()": (RefusalKind.UNFIT, "crash .SIGABRT."),
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": (
        RefusalKind.EXHAUSTED,
        "takes more than the 500 MB",
    ),
    "raise SystemExit(3)": (RefusalKind.UNFIT, "crash .exit code 3."),
    "": (RefusalKind.UNFIT, "crash .exit code 0."),
}


def saying(data: bytes) -> str:
    return f"import sys; sys.stdout.buffer.write({data!r})"


def request(**other: Any) -> pb.ModelRequest:
    model = load_model(SOURCE)
    fields = {
        "name": "net\n",
        "sha256": model.graph.sha256,
        "source": SOURCE,
        "input_shape": model.graph.fed_shape,
    }
    return pb.ModelRequest(**fields | other)


@pytest.fixture
def started(monkeypatch):
    """Processes, as they are started, each of which runs the next of these scripts."""

    class Started(list):
        scripts: tuple[str, ...] = ()

    processes, start = Started(), asyncio.create_subprocess_exec

    async def instead(program, *_, **options):
        script = processes.scripts[len(processes)]
        processes.append(await start(program, "-S", "-c", script, **options))
        return processes[-1]

    monkeypatch.setattr(process.asyncio, "create_subprocess_exec", instead)
    return processes


def asked(ask: Any, memory_bytes: int = 500_000_000) -> Any:
    async def go() -> Any:
        store = ModelStore(None)
        measuring = MeasuringApart(
            store, execution=ON_CPU, remembers=False, memory_bytes=memory_bytes
        )
        service = EdgeService(store, profiler=measuring)
        try:
            return await asyncio.wait_for(ask(service), 60)
        finally:
            service.close()

    return asyncio.run(go())


async def refusal(service: EdgeService, **other: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await service.profile(request(**other))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return caught.value


@pytest.mark.parametrize("script", CRASHES)
def test_a_process_that_breaks_off_is_one_refusal_and_the_next_is_started(started, script):
    started.scripts = script, script
    kind, words = CRASHES[script]

    async def ask(service: EdgeService) -> None:
        for _ in range(2):
            no = await refusal(service)
            assert no.kind is kind
            assert pytest.raises(Refusal, match=words).matches(no)

    asked(ask)
    assert len(started) == 2


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff{", b"\x02\x00\x00\x00{}", b"\x09\x00\x00\x00{", b"\x01"]
)
def test_an_answer_that_is_none_is_a_refusal(started, data):
    """A model may have taken the process over."""
    started.scripts = (saying(data),)

    assert asked(refusal).kind is RefusalKind.UNFIT


def test_what_cannot_be_measured_says_why(started):
    started.scripts = saying(framed(NotDone("no"))), saying(framed(TooLarge()))

    async def ask(service: EdgeService) -> list[Refusal]:
        return [await refusal(service), await refusal(service)]

    first, second = asked(ask)

    assert (first.kind, str(first)) == (RefusalKind.UNFIT, "no")
    assert second.kind is RefusalKind.EXHAUSTED


def test_a_false_digest_costs_one_process_and_then_nothing(started):
    right = load_model(SOURCE).graph.sha256
    started.scripts = (saying(framed(AnotherModel(right))),)

    async def ask(service: EdgeService) -> None:
        for _ in range(3):
            assert "the device has 000000000000" in str(await refusal(service, sha256="0" * 64))

    asked(ask)
    assert len(started) == 1


async def begun(started: list[Any], count: int) -> None:
    while len(started) < count:
        await asyncio.sleep(0.001)


def test_a_caller_that_leaves_ends_the_process_and_the_next_one_has_its_turn(started):
    started.scripts = SLEEPS, saying(framed(NotDone("its turn")))

    async def ask(service: EdgeService) -> Refusal:
        leaves = asyncio.create_task(service.profile(request()))
        await begun(started, 1)
        waits = asyncio.create_task(refusal(service, sha256="1" * 64))
        leaves.cancel()
        return await waits

    assert str(asked(ask)) == "its turn"
    assert started[0].returncode == -9


def test_two_that_ask_for_the_same_share_a_process_which_one_of_them_may_leave(started, tmp_path):
    go_on = tmp_path / "go on"
    os.mkfifo(go_on)
    started.scripts = (f"open({str(go_on)!r}).read(); {saying(framed(NotDone('both')))}",)

    async def ask(service: EdgeService) -> Refusal:
        leaves = asyncio.create_task(service.profile(request()))
        stays = asyncio.create_task(refusal(service))
        await begun(started, 1)
        leaves.cancel()
        await asyncio.wait([leaves])
        await asyncio.to_thread(go_on.write_text, "now")
        return await stays

    assert str(asked(ask)) == "both"
    assert len(started) == 1


def test_a_server_that_closes_ends_the_process(started):
    started.scripts = (SLEEPS,)

    async def ask(service: EdgeService) -> Refusal:
        waits = asyncio.create_task(refusal(service))
        await begun(started, 1)
        service.close()
        return await waits

    assert asked(ask).kind is RefusalKind.EXHAUSTED
    assert started[0].returncode == -9


def test_a_real_process_has_no_more_memory_than_it_may():
    no = asked(refusal, memory_bytes=60_000_000)

    assert no.kind in {RefusalKind.EXHAUSTED, RefusalKind.UNFIT}


# --- plans -------------------------------------------------------------------------------------

CRASHES_WHEN_BUILT = """
import onnxruntime, os
onnxruntime.InferenceSession = lambda *_, **__: os.abort()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Any:
    path = tmp_path_factory.mktemp("models")
    load_model(SOURCE).save(path / "net.onnx")
    return path


def recipes(folder, *cuts: int) -> list[pb.PrepareRequest]:
    model = load_model(folder / "net.onnx")
    plans = [plan_of(model, tau=4, grid=(1, 2), cuts=[cut]) for cut in cuts]
    return [pb.PrepareRequest(recipe_json=jsonfile.encode(plan.recipe)) for plan in plans]


def serving(folder, ask: Any, **others: Any) -> Any:
    async def go() -> Any:
        store = ModelStore(folder)
        measuring = MeasuringApart(
            store, execution=ON_CPU, remembers=False, memory_bytes=2_000_000_000
        )
        service = EdgeService(store, profiler=measuring, **others)
        try:
            return await asyncio.wait_for(ask(service), 60)
        finally:
            service.close()

    return asyncio.run(go())


def test_a_model_that_crashes_when_it_is_built_ends_no_server(folder, tmp_path, monkeypatch):
    """As ONNX Runtime does with some models; here in every process but this one."""
    (tmp_path / "sitecustomize.py").write_text(CRASHES_WHEN_BUILT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (plan,) = recipes(folder, 2)

    async def ask(service: EdgeService) -> Refusal:
        with pytest.raises(Refusal, match=r"preparing 'net' ended in a crash .SIGABRT.") as no:
            await service.prepare(plan)
        await service.clock(pb.ClockRequest())
        return no.value

    assert serving(folder, ask).kind is RefusalKind.UNFIT


def test_a_whole_model_is_vetted_as_well(folder, started):
    started.scripts = ("import os; os.abort()",)

    async def ask(service: EdgeService) -> None:
        with pytest.raises(Refusal, match=r"preparing 'net' ended in a crash .SIGABRT."):
            await service.whole_model("net", "peer")

    serving(folder, ask)


def test_plans_that_are_prepared_soon_after_each_other_are_vetted_in_one_process(
    folder, monkeypatch
):
    processes, start = [], asyncio.create_subprocess_exec

    async def counted(*arguments, **options):
        processes.append(await start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(process.asyncio, "create_subprocess_exec", counted)

    async def ask(service: EdgeService) -> None:
        for plan in recipes(folder, 1, 2, 3):
            await service.prepare(plan)
        assert processes[0].returncode is None

    serving(folder, ask)

    assert len(processes) == 1
    assert processes[0].returncode == -9  # it does not outlive the server


def test_networks_of_the_zoo_are_not_vetted(started):
    plan = plan_of(load_model(SOURCE), tau=4, grid=(1, 2), cuts=[2])

    async def ask(service: EdgeService) -> Any:
        return await service.prepare(pb.PrepareRequest(recipe_json=jsonfile.encode(plan.recipe)))

    assert asked(ask).recipe_sha256 == plan.recipe_sha256
    assert started == []


def test_what_a_process_takes_is_counted_with_the_plans(folder, started, monkeypatch):
    monkeypatch.setattr(process, "resident_bytes", lambda _: 900_000_000)
    started.scripts = (SLEEPS,)
    (plan,) = recipes(folder, 2)

    async def ask(service: EdgeService) -> Refusal:
        measuring = asyncio.create_task(service.profile(request()))
        await begun(started, 1)
        await asyncio.sleep(0)  # it is looked at
        with pytest.raises(Refusal, match="while a model is measured") as no:
            await service.prepare(plan)
        measuring.cancel()
        await asyncio.wait([measuring])
        return no.value

    no = serving(folder, ask, plans_bytes=900_000_000)

    assert no.kind is RefusalKind.EXHAUSTED
    assert no.retry_after_s > 0


def test_what_is_lent_pushes_out_what_was_not_used_for_longest():
    shelf: Shelf[str, str] = Shelf(10)
    for name in "abc":
        shelf.put(name, name, 3)

    shelf.lend(3)
    assert list(shelf) == ["b", "c"]
    assert not shelf.put("d", "d", 8)

    shelf.lend(0)
    assert shelf.put("d", "d", 8)
    assert list(shelf) == ["d"]
