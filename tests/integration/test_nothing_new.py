"""Nothing new: what is the same is not computed or sent again, and results are what they were."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fusepath import FallbackPolicy, Session, SessionOptions
from fusepath.offload.differences import same_bits, same_boxes
from fusepath.offload.verify import run_unsplit
from fusepath.plan import TailPlace
from fusepath.protocol.framing import Begin, RefusalKind, Reused
from fusepath.remote import edge_conversation
from fusepath.remote.transport import Refusal
from fusepath.tiling.interval import Box, Interval
from tests.plans import AS_THEY_ARE, pixels, plan_of, stream_plan
from tests.written_models import net

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.plan import Plan

SHAPE = "1,3,48,48"


@cache
def model():
    body = """(float[n,c,h,w] y, float[n,c] score) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k)
        b = Relu(a)
        c = Conv<pads = [1, 1, 1, 1]>(b, l)
        d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c)
        y = Conv<pads = [1, 1, 1, 1]>(d, l)
        e = GlobalMaxPool(y)
        score = Flatten(e)
    }"""
    return net(body, shape=SHAPE, k=(8, 3, 3, 3), l=(8, 8, 3, 3), integer=True)


TILES = {"tau": 3, "grid": (4, 4), "cuts": [1, 3, 4, 2]}
PLANS: dict[str, Callable[[], Plan]] = {
    "tiles": lambda: plan_of(model(), **TILES),
    "tiles, tail here": lambda: plan_of(model(), **TILES, tail=TailPlace.DEVICE),
    "one cut": lambda: plan_of(model(), cuts=[2]),
    "strips": lambda: stream_plan(model(), 3, [(0, 12, 2, 3), (12, 24, 4, 2)]),
    "all here": lambda: plan_of(model(), cuts=[model().graph.depth + 1]),
}
BY_PATHS = {"tiles", "tiles, tail here"}


def session(plan: Plan, **options: Any) -> Session:
    # However long a busy machine takes, nothing is to be answered by the device alone.
    options = {"remember": False, "reuse": True, "fallback": FallbackPolicy.OFF} | options
    held = Session(model(), "memory:", plan=plan, options=SessionOptions(**options))
    held.wait_ready()
    return held


def frames(count: int, *, seed: int = 0) -> Iterator[np.ndarray]:
    """A patch moves over a picture, which now and then stands still, or changes as a whole."""
    rng = np.random.default_rng(seed)
    picture = pixels(model(), seed=seed)
    frame = picture
    for _ in range(count):
        what = rng.integers(8)
        if what == 0:
            frame = picture = pixels(model(), seed=int(rng.integers(1000)))
        elif what == 1:
            frame = picture
        elif what > 3:
            frame = picture.copy()
            top, left = rng.integers(44, size=2)
            frame[:, :, top : top + 4, left : left + 4] = rng.integers(256, size=(1, 3, 4, 4))
        yield frame


def check(result, frame) -> None:
    for name, value in run_unsplit(model(), frame, AS_THEY_ARE).items():
        np.testing.assert_array_equal(result.outputs[name], value)


@pytest.mark.parametrize("name", PLANS)
def test_every_frame_is_exact_and_what_is_the_same_is_not_done_again(name):
    with session(PLANS[name]()) as held:
        first, patched = pixels(model()), pixels(model())
        patched[:, :, 2:4, 2:4] += 1
        whole = held.infer(first)
        assert not whole.reused.paths
        again = held.infer(first.copy())
        check(again, first)
        assert again.reused.everything
        assert (again.up_bytes, again.device_macs, again.edge_macs) == (0, 0, 0)
        assert again.reused.macs == whole.device_macs + whole.edge_macs
        assert again.reused.up_bytes == whole.up_bytes
        again.outputs["y"][:] = 0  # whose are the application's
        part = held.infer(patched)
        check(part, patched)
        assert part.fallback is None
        if name in BY_PATHS:
            assert part.reused.paths == 15
            assert part.up_bytes + part.reused.up_bytes == whole.up_bytes
            done = part.device_macs + part.edge_macs
            assert done + part.reused.macs == whole.device_macs + whole.edge_macs
            assert part.up_bytes < whole.up_bytes / 4
        else:
            assert not part.reused.paths
        check(held.infer(first), first)
        statistics = held.statistics
        assert statistics.reused_frames == 1
        assert statistics.saved_macs >= whole.device_macs
        for frame in frames(40):
            result = held.infer(frame)
            check(result, frame)
            assert result.fallback is None


@pytest.mark.parametrize("name", ["tiles", "tiles, tail here"])
def test_frames_that_overlap_are_exact(name):
    made = list(frames(60, seed=3))
    with session(PLANS[name]()) as held:
        results = list(held.stream(made, in_flight=4))
        for frame, result in zip(made, results, strict=True):
            check(result, frame)
            assert result.fallback is None
        assert held.statistics.reused_paths > 100


def test_without_asking_for_it_all_is_done_every_time():
    with session(PLANS["tiles"](), reuse=False) as held:
        first, second = (held.infer(pixels(model())) for _ in range(2))
        assert first.up_bytes == second.up_bytes > 0
        assert not second.reused.paths


def test_what_the_edge_server_has_lost_is_sent_again():
    """It has no room for what it kept, or starts anew: nothing falls back, and all is exact."""
    with session(PLANS["tiles"]()) as held:
        made = list(frames(30, seed=5))
        for number, frame in enumerate(made):
            if number % 5 == 4:
                held._engine.loop.submit(_lose(held, everything=number % 2 == 0)).result()
            result = held.infer(frame)
            check(result, frame)
            assert result.fallback is None
        assert held.statistics.reused_paths


async def _lose(held: Session, *, everything: bool) -> None:
    kept = held._engine._connection._channel._service.kept
    for place in list(kept._kept._kept)[:: 1 if everything else 3]:
        kept._kept._kept.drop(place)
    await asyncio.sleep(0)


def test_another_stream_has_nothing_kept():
    with session(PLANS["tiles"]()) as held:
        first = pixels(model())
        whole = held.infer(first)
        patched = first.copy()
        patched[:, :, 2:4, 2:4] += 1
        held._engine.loop.call(_renewed(held))
        result = held.infer(patched)
        check(result, patched)
        assert result.up_bytes == whole.up_bytes
        assert held._engine._connection._channel._service.kept.held_bytes > 0


async def _renewed(held: Session) -> None:
    held._engine._pairing.client._conversation.renew()


def test_bits_are_compared_and_not_values():
    zeros = np.zeros((1, 2, 300, 40), dtype=np.float32)
    assert same_bits(zeros, zeros.copy())
    assert not same_bits(zeros, -zeros)
    nan = zeros + np.nan
    assert same_bits(nan, nan.copy())
    for at in ((0, 0, 0, 0), (0, 1, 299, 39), (0, 1, 150, 7)):
        other = zeros.copy()
        other[at] = 1
        assert not same_bits(zeros, other)
        assert not same_bits(other[:, :, 1:, 1:], zeros)
    assert not same_bits(zeros, zeros.astype(np.float64))
    assert same_bits(zeros[:, :, 3:9, 2:7], zeros[:, :, :6, :5].copy())
    assert not same_bits(np.arange(3), np.arange(1, 4))


def test_boxes_that_are_the_same_are_those_whose_bits_are():
    rng = np.random.default_rng(2)
    for dtype in ("uint8", "float32"):
        for _ in range(60):
            before = rng.integers(0, 2, (1, 3, 20, 24)).astype(dtype)
            now = before.copy()
            for _ in range(rng.integers(0, 4)):
                at = tuple(rng.integers(0, now.shape))
                now[at] = -now[at] if dtype == "float32" else now[at] ^ 1
            boxes = [None, *(drawn_box(rng) for _ in range(9))]

            found = same_boxes(before, now, boxes)

            assert found == [
                number
                for number, box in enumerate(boxes)
                if box is None or piece(before, box) == piece(now, box)
            ]
    assert same_boxes(before, before[:, :, 1:], boxes) == []
    assert same_boxes(before, before.astype(np.float64), boxes) == []
    turned = np.ascontiguousarray(before.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert same_boxes(before, turned, boxes) == [*range(10)]


def piece(image: np.ndarray, box: Box) -> bytes:
    return image[..., box.rows.slice(), box.cols.slice()].tobytes()


def drawn_box(rng: np.random.Generator) -> Box:
    ends = (sorted(rng.choice(size + 1, 2, replace=False)) for size in (20, 24))
    return Box(*(Interval(int(start), int(stop)) for start, stop in ends))


@pytest.mark.parametrize("name", PLANS)
def test_where_all_is_new_for_long_nothing_is_kept_until_something_is_the_same(name):
    with session(PLANS[name]()) as held:
        for seed in range(6):
            frame = pixels(model(), seed=seed)
            check(held.infer(frame), frame)
        assert not held._engine._pairing._unchanged._known._sent
        check(held.infer(frame), frame)
        again = held.infer(frame)
        check(again, frame)
        assert again.reused.everything


def test_a_lie_about_what_is_kept_is_never_believed(monkeypatch):
    """A request that names what was never kept, or what another plan or stream has, is refused."""
    lies = iter([[Reused(2, 0)], [Reused(2, 1), Reused(2, 1)], [Reused(99, 1)], [Reused(0, 1)]])
    original = edge_conversation.EdgeConversation._begin

    def begin(self, message: Begin) -> None:
        if message.reused:
            message = Begin(
                message.request,
                message.path,
                message.recipe_sha256,
                message.left_us,
                message.tensors,
                message.left_out,
                message.keeps,
                next(lies, message.reused),
            )
        original(self, message)

    with session(PLANS["tiles"](), fallback=FallbackPolicy.ALWAYS) as held:
        monkeypatch.setattr(edge_conversation.EdgeConversation, "_begin", begin)
        for frame in frames(40, seed=9):
            check(held.infer(frame), frame)


def test_a_server_that_says_it_has_lost_what_was_sent_is_done_without(monkeypatch):
    """Nothing was to be reused, so nothing can have been lost."""

    def begin(self, message: Begin) -> None:
        self._requests.begin(message.request)
        self._refuse(message.request, Refusal(RefusalKind.FORGOTTEN, "all is lost"))

    with session(PLANS["tiles"](), fallback=FallbackPolicy.ALWAYS) as held:
        *some, last = frames(6, seed=11)
        for frame in some:
            check(held.infer(frame), frame)
        monkeypatch.setattr(edge_conversation.EdgeConversation, "_begin", begin)
        result = held.infer(last)
        check(result, last)
        assert result.fallback is not None
        assert "all is lost" in result.fallback.reason
