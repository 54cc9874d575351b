"""A model that an application holds, answered by this machine and an edge server together."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.offload.held import Held, waited_in_vain
from fusepath.offload.line import Flow, check_frames, streamed
from fusepath.protocol.in_flight import WhenFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from fusepath.arrays import Array
    from fusepath.offload.held import Fed
    from fusepath.offload.inference import Inference


class Session(Held):
    """A model, answered by this machine and an edge server together; like an ONNX Runtime session.

    ::

        session = fusepath.Session("net.onnx", edge="192.168.1.20:7070")
        outputs = session.run(None, {"input": values})     # as onnxruntime.InferenceSession
        result = session.infer(frame)                       # latency, timeline and plan besides

    The first answers come from this machine alone, or from the plan of last time. Meanwhile
    machines and link are measured, and a better plan takes over as soon as it is prepared
    (`wait_ready`). Results are those of the unsplit model whatever the plan.

    It may be used from any thread, also where an event loop runs (notebooks). Inferences are
    carried out one at a time, in the order of the calls. A session belongs to the process that
    made it; close it, or use it as a context manager.

    Args:
        model: an ONNX file, ``zoo:NAME``, a model that is loaded already, or a PyTorch module, of
            which ``options.sample`` is an input.
        edge: ``HOST:PORT`` of the edge server, or of several, separated by commas: the first that
            answers is used until it is lost, and then the next; ``memory:`` for one within this
            process; None for this machine alone.
        plan: how to plan, or a plan made before, which is then the only one.
        machines: what is known of device, edge server and link; the rest is measured. If any is
            given, plans are chosen by prediction, and not by how they turn out here and now.
        frames: how frames lie in memory, and how pixels become values.
        timeout: how long to wait for the edge server.
        options: threads, whether to remember, emulation, a frame to try plans on.
        say: told what is going on, from a thread of the session's.

    Raises:
        ModelError: the model cannot be read.
        FileFormatError: the plan is of another model, or cannot be carried out on it.
        InputError: an address, a request or a format that makes no sense.
    """

    def infer(self, frame: Any, *, outputs: Sequence[str] | None = None) -> Inference:
        """One inference.

        Args:
            frame: pixels (uint8) or values (float32), in the declared `FrameFormat`; numpy views
                and arrays of any memory order are taken. Or an encoded picture: its bytes, or the
                name of its file; where that is quicker, it is sent as it is. For a model of several
                inputs a dictionary of all of them, by name.
            outputs: names of those that are wanted, all without. What nobody wants does not
                return.

        Raises:
            ImageError: the frame is of another type or shape.
            InputError: an input is missing, or the model has no such input or output.
            PeerError: the edge server refused, vanished or took too long.
            ClosedError: the session is closed.
        """
        begun_s = time.perf_counter()
        return self._answer(self._inputs(frame, outputs), begun_s)

    def stream(
        self,
        frames: Iterable[Any],
        *,
        in_flight: int = 3,
        when_full: WhenFull = WhenFull.WAIT,
        waiting: int = 1,
        outputs: Sequence[str] | None = None,
    ) -> Iterator[Inference]:
        """Inferences of frame after frame, which overlap; in the order of the frames.

        ::

            for result in session.stream(camera, when_full=fusepath.WhenFull.LATEST):
                show(result.outputs)

        While the link carries a frame, the device computes the next. Frames are fetched on a
        thread of their own, so a camera is read while results are looked at. Who leaves the loop
        ends the stream.

        Args:
            frames: each as of `infer`; its memory may be used for the next one at once.
            in_flight: frames that are under way, or whose results have not been taken; 1 or more.
            when_full: what becomes of a frame that comes while ``waiting`` others wait.
            waiting: frames that may wait besides.
            outputs: names of those that are wanted, as of `infer`.

        Raises:
            InputError: no iterable, fewer than one in flight, or no place for the latest to wait.
            ClosedError: the session is closed.
            FusepathError: as of `infer`, for the frame whose turn it is; the stream ends with it.
        """
        self._engine.loop.check_may_wait()
        check_frames(frames)
        line = self._line(Flow(in_flight=in_flight, waiting=waiting, when_full=when_full))
        return streamed(line, frames, partial(self._work, outputs=outputs))

    def submit(self, frame: Any, *, outputs: Sequence[str] | None = None) -> Future[Inference]:
        """Begin an inference that overlaps with others, and do not wait for its result.

        Results are there in the order of the calls. ``options.flow`` says how many frames are under
        way and what becomes of more: the call waits, or the oldest that waits ends with a
        `DroppedError`. What is to be done with a result (`Future.add_done_callback`) is done on a
        thread of the session's, which cannot wait for the session: `infer` and the like raise an
        `InputError` there.

        Args:
            frame: as of `infer`; its memory may be used for the next one at once.
            outputs: names of those that are wanted, as of `infer`.

        Raises:
            ImageError: the frame is of another type or shape.
            InputError: an input is missing, or the model does not have it.
            ClosedError: the session is closed.
        """
        work = self._work(frame, outputs)
        while (result := self._submitted.offer(work)) is None:
            self._engine.loop.check_may_wait()
            self._submitted.room().result()
        result.add_done_callback(self._submitted.taken)
        return result

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        run_options: object = None,  # noqa: ARG002 - for calls written for ONNX Runtime
    ) -> list[Array]:
        """Outputs in the order of their names, all without names; others do not return.

        Called like `onnxruntime.InferenceSession.run`, with the input as the model takes it,
        (1, C, H, W) or (1, H, W, C); uint8 pixels are taken as well.

        Raises:
            InputError: an input or output that the model does not have.
            ImageError: another type or shape than the model takes.
            PeerError: the edge server refused, vanished or took too long.
            ClosedError: the session is closed.
        """
        begun_s = time.perf_counter()
        fed = self._fed(input_feed, output_names)
        outputs = self._answer(fed, begun_s).outputs
        return [outputs[name] for name in fed.outputs]

    def _answer(self, fed: Fed, begun_s: float) -> Inference:
        inference: Inference = self._engine.loop.call(self._infer(fed, begun_s))
        return inference

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until the best plan that can be found is in use.

        Where no frame comes within a second, plans are tried on a made-up one.

        Raises:
            PeerError: the edge server cannot be used; frames are answered by this machine alone.
            InfeasibleError: no plan keeps to the constraints.
            TimeoutError: it takes longer than that.
            ClosedError: the session is closed.
        """
        self._check_open()
        if not self._engine.ready.done():
            self._engine.loop.check_may_wait()
        try:
            self._engine.ready.result(timeout_s)
        except TimeoutError:
            if self._engine.ready.done():
                raise  # it was the search that ran out of time
            raise waited_in_vain(timeout_s) from None

    def close(self) -> None:
        """End everything that the session has begun; again is no harm."""
        self._finalizer()

    def __enter__(self) -> Session:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
