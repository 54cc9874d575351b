"""The end device's half of one plan: its sessions, and how long they take."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import TYPE_CHECKING

from fusepath.errors import ImageError
from fusepath.offload.emulation import NO_EMULATION, Emulation, wait_until
from fusepath.offload.inference import Inference
from fusepath.pictures.frame import PictureFrame
from fusepath.runtime.device_share import DeviceShare, DeviceTimes
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.timeline import HEAD, Lane, Span, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from fusepath.arrays import Array
    from fusepath.offload.device_thread import DeviceThread
    from fusepath.offload.inference import Asked
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import Plan
    from fusepath.runtime.packing import EncodedTensor

_REHEARSALS = 5
_REHEARSALS_SLOWED, _IN_A_ROW = 5, 3
"""Of a slower machine that is played, so many times so many in a row: the least of them is
stretched, with what disturbed it, as caches do that frames between them have filled."""


@dataclass(frozen=True, slots=True)
class PathAtCut:
    """A path at its cut; times are those of `time.perf_counter`."""

    pieces: dict[str, Array]
    to_send: dict[str, Array | EncodedTensor]
    """The pieces as they are sent; none where the device keeps the path."""
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels that the device has decoded; times are those of `time.perf_counter`."""

    pixels: Array
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The outputs, and when the device was at work on them, as of `Computed`."""

    outputs: dict[str, Array]
    start_s: float
    end_s: float


@dataclass(kw_only=True)
class Device:
    """This machine as the end device of one plan.

    Args:
        model: the network.
        plan: a plan that has been checked against the model.
        thread: computes; one thread, since a device takes one path at a time.
        emulation: how weak it shall seem. The target of a slowdown is the factor times the path's
            own quickest time, fixed when the device is made ready, so a stretched device is steady.
        execution: what to compute on.
    """

    model: Model
    plan: Plan
    thread: DeviceThread
    emulation: Emulation = NO_EMULATION
    execution: Execution = ON_CPU
    head_s: float = field(init=False, default=0.0)
    """How long what comes before all paths will take, known once the device is ready."""
    expected_s: list[float] = field(init=False)
    """How long each path will take, known once the device is ready."""
    expected_tail_s: float = field(init=False, default=0.0)
    """The same of putting the outputs together and the tail, where it runs here."""
    sample: PictureFrame | None = field(init=False, default=None)
    """The picture that it was made ready with, where it was one."""
    _decode_s_per_pixel: float = field(init=False, default=0.0)
    _head_target_s: float = field(init=False, default=0.0)
    _targets_s: list[float] = field(init=False)
    _tail_target_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.share = DeviceShare(self.model, self.plan.recipe, execution=self.execution)
        self.expected_s = [0.0] * len(self.plan.cuts)
        self._targets_s = [0.0] * len(self.plan.cuts)

    def make_ready(self, image: Frame) -> None:
        """Warm all sessions up, and find out how long each path takes. Blocks.

        Raises:
            ImageError: the image is not the plan's input.
        """
        if isinstance(image, PictureFrame):
            image = self._rehearse_decoding(image)
        check_image(image, self.model, self.plan)
        slowed = self.emulation.slowdown > 1
        rehearsal = self._rehearsed_in_rows(image) if slowed else self._rehearsed(image)
        # A fixed target: as steady as the machine itself is not.
        if self.share.has_head:
            self.head_s = self._usual_s(rehearsal.head_s)
            self._head_target_s = self.head_s if slowed else 0.0
        for path, times_s in enumerate(rehearsal.paths_s):
            time_s = self._usual_s(times_s) if self.share.computes(path) else 0.0
            self.expected_s[path] = time_s
            self._targets_s[path] = time_s if slowed else 0.0
        if self.share.has_tail:
            self.expected_tail_s = self._usual_s(rehearsal.tail_s)
            self._tail_target_s = self.expected_tail_s if slowed else 0.0

    def _rehearsed(self, image: Array) -> DeviceTimes:
        """Part by part, for on a machine that is slow a frame cannot wait for more."""
        return self.share.rehearse(image, repeats=_REHEARSALS, on=self._in_turn)

    def _rehearsed_in_rows(self, image: Array) -> DeviceTimes:
        """Several at a time, which take little where slowness is only played."""
        rehearse = partial(self.share.rehearse, image, repeats=_IN_A_ROW)
        rows: list[DeviceTimes] = [
            self.thread.submit(rehearse).result() for _ in range(_REHEARSALS_SLOWED)
        ]
        return reduce(DeviceTimes.and_of, rows)

    def _in_turn(self, run: Callable[[], None]) -> None:
        """Have something run on the thread that computes, behind what frames have asked for."""
        self.thread.submit(run).result()

    def _rehearse_decoding(self, frame: PictureFrame) -> Array:
        """Find out how long a pixel takes to decode, and keep it in mind; the pixels."""
        times_s = []
        for _ in range(_REHEARSALS):
            started_s = time.perf_counter()
            pixels: Array = self.thread.submit(frame.pixels).result()
            times_s.append(time.perf_counter() - started_s)
        self._decode_s_per_pixel = self._usual_s(times_s) / frame.file.pixels
        self.sample = frame
        return pixels

    def decode_s(self, frame: PictureFrame) -> float:
        """How long a picture will take to decode, known once the device is ready."""
        return self._decode_s_per_pixel * frame.file.pixels

    def decode(self, frame: PictureFrame) -> Decoded:
        """The pixels of a picture, on the thread that calls.

        Raises:
            ImageError: it cannot be decoded.
        """
        start_s = time.perf_counter()
        pixels = frame.pixels()
        if self.emulation.slowdown > 1:
            wait_until(start_s + self.decode_s(frame))
        return Decoded(pixels, start_s, time.perf_counter())

    def start_decoding(self, frame: PictureFrame, begun_s: float) -> asyncio.Future[Decoded]:
        """`decode` on the thread that computes, for a frame that began then."""
        return asyncio.wrap_future(self.thread.submit_for(begun_s, self.decode, frame))

    def _usual_s(self, times_s: list[float]) -> float:
        if self.emulation.slowdown > 1:
            return min(times_s) * self.emulation.slowdown
        return statistics.median(times_s)

    @property
    def alone_s(self) -> float:
        """How long a plan that keeps everything here will take."""
        return self.head_s + self.expected_s[0]

    def compute_head(self, image: Array, companions: Mapping[str, Array]) -> tuple[float, float]:
        """Compute what comes before all paths; when it began and ended."""
        start_s = time.perf_counter()
        self.share.compute_head(image, companions)
        if self._head_target_s > 0:
            wait_until(start_s + self._head_target_s)
        return start_s, time.perf_counter()

    def start_head(
        self, image: Array, companions: Mapping[str, Array], begun_s: float
    ) -> asyncio.Future[tuple[float, float]]:
        """`compute_head` on the thread that computes, for a frame that began then."""
        job = self.thread.submit_for(begun_s, self.compute_head, image, companions)
        return asyncio.wrap_future(job)

    def compute(self, path: int, image: Frame, companions: Mapping[str, Array]) -> PathAtCut:
        """Take a path (0-based) to its cut and make it ready to be sent."""
        start_s = time.perf_counter()
        if isinstance(image, PictureFrame):
            if self.plan.recipe.forwards:
                return PathAtCut({}, self.share.forward(image, companions), start_s, start_s)
            image = self.decode(image).pixels
        pieces = self.share.compute(path, image, companions)
        to_send = self.share.pack(path, pieces)
        if self._targets_s[path] > 0:
            wait_until(start_s + self._targets_s[path])
        return PathAtCut(pieces, to_send, start_s, time.perf_counter())

    def finish(
        self,
        outputs: dict[str, Array],
        parts: Sequence[tuple[int, dict[str, Array]]],
        inputs: Mapping[str, Array],
    ) -> Finished:
        """Put the outputs together, as `DeviceShare.put_together`, and time the tail."""
        start_s = time.perf_counter()
        made = self.share.put_together(outputs, parts, inputs)
        if self._tail_target_s > 0:
            wait_until(start_s + self._tail_target_s)
        return Finished(made, start_s, time.perf_counter())

    async def start_finishing(
        self,
        outputs: dict[str, Array],
        parts: Sequence[tuple[int, dict[str, Array]]],
        inputs: Mapping[str, Array],
        begun_s: float,
    ) -> Finished:
        """The same on the thread that computes, where there is a tail to compute.

        Paths of later frames that have not begun wait for it.
        """
        if not self.share.has_tail:
            return self.finish(outputs, parts, inputs)
        job = self.thread.submit_for(begun_s, self.finish, outputs, parts, inputs)
        return await asyncio.wrap_future(job)

    def start_computing(
        self, path: int, image: Frame, companions: Mapping[str, Array], begun_s: float
    ) -> Future[PathAtCut]:
        """Compute a path (0-based) of a frame that began then.

        Once all that was started for that frame, and for earlier ones, is done.
        """
        return self.thread.submit_for(begun_s, self.compute, path, image, companions)

    async def run_alone(
        self,
        image: Array,
        asked: Asked,
        *,
        begun_s: float,
        handed_in: Callable[[], None],
    ) -> Inference:
        """Run a plan that keeps everything on the device.

        Args:
            image: the plan's input.
            asked: what else is fed, and what is wanted.
            begun_s: when the inference began, by `time.perf_counter`.
            handed_in: told once the thread knows all that it has to do.
        """
        times = {}
        companions = asked.companions
        heads = [self.start_head(image, companions, begun_s)] if self.share.has_head else []
        computing = asyncio.wrap_future(self.start_computing(0, image, companions, begun_s))
        handed_in()
        try:
            for head in heads:
                times[HEAD] = await head
            done = await computing
        finally:
            computing.cancel()  # nobody needs it without the head
        times[1] = (done.start_s, done.end_s)
        spans = (
            Span(lane=Lane.DEVICE, start_s=start - begun_s, end_s=end - begun_s, path=path)
            for path, (start, end) in times.items()
        )
        return Inference(
            plan=self.plan,
            outputs={n: made for n, made in self.outputs(done).items() if n in asked.outputs},
            timeline=Timeline(spans=tuple(spans), measured=True),
            up_bytes=0,
            down_bytes=0,
            device_macs=self.share.macs,
            edge_macs=0,
        )

    def outputs(self, done: PathAtCut) -> dict[str, Array]:
        """The outputs of the model, of a plan that keeps everything on the device."""
        return {name: done.pieces[name] for name in self.model.graph.outputs}


def stays_local(plan: Plan, model: Model) -> bool:
    """Whether the plan needs no edge server."""
    return plan.cuts == (model.graph.depth + 1,)


def _input_type(image: Frame, model: Model) -> str:
    """What plans call inputs such as this one."""
    return "values" if image.dtype.name == model.graph.input.dtype else "pixels"


def check_image(image: Frame, model: Model, plan: Plan) -> None:
    """Raise unless an image is the input that a plan was made for.

    Raises:
        ImageError: another shape or element type.
    """
    shape = model.graph.input.shape
    if tuple(image.shape) != shape:
        raise ImageError(
            f"the input is {list(image.shape)}, but '{model.graph.name}' takes {list(shape)} "
            f"(N, C, H, W); resize it"
        )
    if image.dtype.name != plan.input.dtype:
        raise ImageError(
            f"the input is {image.dtype.name}, but the plan sends {plan.input.dtype}; "
            f"plan again, with input_type {_input_type(image, model)}"
        )
