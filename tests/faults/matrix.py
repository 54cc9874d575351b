"""Faults at every stage of a frame, done to real processes, and what becomes of the frame."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fusepath
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import TailPlace
from fusepath.protocol.device_frame import DeviceFrame
from tests.faults.relay import DOWN, UP, Harm, Relay, relay_to
from tests.faults.servers import Servers, servers
from tests.plans import AS_THEY_ARE, pixels, plan_of, stream_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick link and device are."""

    link_bytes_per_s: float
    slowdown: float


STEADY = Pace(2e6, 10.0)
"""What the device does takes longer than what else goes on on this machine."""
QUICK = Pace(2e7, 1.0)
"""Many faults take no longer than they must."""
_HANGS_AFTER_S = 45.0
"""A frame that has no result by then never will; its deadline is 60 s."""
_BACK_WITHIN_S = 30.0
_IDLE_WITHIN_S = 2.5
_FORGIVEN_AFTER = 20
_LEAST_S = 0.25
_SLACK_S = 0.01
"""For threads that wake up late."""

IDLE = "between frames"
STAGES: dict[str, tuple[int, float]] = {
    IDLE: (UP, 0.0),
    "begun": (UP, 0.0),
    "a quarter sent": (UP, 0.25),
    "most sent": (UP, 0.75),
    "all sent": (UP, 1.0),
    "answer begun": (DOWN, 0.0),
    "half answered": (DOWN, 0.5),
    "nearly answered": (DOWN, 0.95),
}
"""Which way, and what part of what a frame sends there has passed."""
FAULTS = ("kill", "stop", "garble", "stall")
MODELS = {
    "squeezenet": "zoo:squeezenet?size=96&weights=integer",
    "shufflenetv2": "zoo:shufflenetv2?size=96&weights=integer",
}
PLANS = ("tiles", "strips", "full offload")
FUSED = {"squeezenet": 14, "shufflenetv2": 20}
"""The fused layer: deep enough for what the device has done to be worth something."""


def plan_for(model: Model, kind: str, tau: int) -> Plan:
    """A plan of a kind."""
    match kind:
        case "tiles":
            return plan_of(model, tau=tau, grid=(2, 1), cuts=[tau - 1, tau + 1])
        case "strips":
            height = model.graph.fused_size(tau, 0)
            half = height // 2
            segments = [(0, half, tau - 1, 3), (half, height, tau, 2)]
            return stream_plan(model, tau, segments, tail=TailPlace.DEVICE)
    return plan_of(model, cuts=[1])


@dataclass(frozen=True, slots=True)
class Noticed:
    """A frame has begun to answer alone."""

    at_s: float
    begun_s: float
    """What the path takes that the device is at."""
    own_s: float | None
    """What finishing is predicted to take after that; None where all is computed anew."""


@contextmanager
def notices() -> Iterator[list[Noticed]]:
    """When frames begin to answer alone, by `time.perf_counter`."""
    seen: list[Noticed] = []
    begin = DeviceFrame._begin

    def noted(frame: DeviceFrame) -> list[object]:
        at_s = time.perf_counter()
        commands = begin(frame)
        own_s = None
        left, remainder = frame.order[frame._computed :], frame.remainder
        begun_s = sum(remainder.to_cut_s[path] for path in left[:1]) if remainder else 0.0
        if frame._finishing and remainder is not None:
            own_s = remainder.finish_s(left[1:], frame._missing)
        seen.append(Noticed(at_s, begun_s, own_s))
        return commands

    DeviceFrame._begin = noted  # type: ignore[method-assign,assignment]
    try:
        yield seen
    finally:
        DeviceFrame._begin = begin  # type: ignore[method-assign]


@dataclass(slots=True)
class Outcome:
    """What became of one fault; times in seconds."""

    stage: str
    fault: str
    latency_s: float
    detected_s: float | None
    """From the fault to the beginning of the own answer; None where an answer came all the same."""
    allowed_s: float
    own_s: float = 0.0
    promised_s: float = 0.0
    finished: bool = False
    """Whether it was finished from what there was."""
    back_s: float = 0.0

    @property
    def complaints(self) -> list[str]:
        """What took longer than it may."""
        found = []
        if self.detected_s is not None and self.detected_s > self.allowed_s + _SLACK_S:
            found.append(f"noticed after {1e3 * self.detected_s:.0f} ms")
        if self.own_s > 1.1 * self.promised_s + _SLACK_S:
            found.append(
                f"answered alone in {1e3 * self.own_s:.0f}, not {1e3 * self.promised_s:.0f} ms"
            )
        return [f"{self.stage}, {self.fault}: {what}" for what in found]


@dataclass(slots=True)
class Counts:
    """Of frames."""

    frames: int = 0
    faulted: int = 0
    fell_back: int = 0
    finished: int = 0
    wrong: int = 0
    hangs: int = 0
    threads: int = 0
    """More than before."""
    descriptors: int = 0


@dataclass
class Rig:
    """A session through a relay, and what is done to it."""

    model: Model
    plan: Plan
    held: fusepath.Session
    relay: Relay
    servers: Servers
    seen: list[Noticed]
    counts: Counts = field(default_factory=Counts)

    @cached_property
    def expected(self) -> dict[str, np.ndarray]:
        """What must come out of every frame."""
        return run_unsplit(self.model, self.image, AS_THEY_ARE)

    @cached_property
    def image(self) -> np.ndarray:
        """The frame, (1, C, H, W)."""
        return pixels(self.model)

    def answer(self) -> Inference:
        """One frame, which must be right."""
        found: list[Inference] = []
        thread = threading.Thread(target=lambda: found.append(self.held.infer(self.image)))
        thread.start()
        thread.join(_HANGS_AFTER_S)
        self.counts.frames += 1
        if not found:
            self.counts.hangs += 1
            raise RuntimeError("a frame has no result\n" + "\n".join(self.held.story(2)))
        (result,) = found
        if any(not np.array_equal(result.outputs[k], v) for k, v in self.expected.items()):
            self.counts.wrong += 1
        return result

    def answer_until_served(self) -> float:
        """Frames until the server has a part in one again; how long that takes."""
        begun_s = time.perf_counter()
        while True:
            result = self.answer()
            if result.fallback is None and result.up_bytes > 0:
                return time.perf_counter() - begun_s
            if time.perf_counter() - begun_s > _BACK_WITHIN_S:
                self.counts.hangs += 1
                raise RuntimeError("the server is not used again\n" + "\n".join(self.held.story(2)))
            time.sleep(0.02)

    @cached_property
    def usual_bytes(self) -> tuple[int, int]:
        """Payload that a frame sends up, and gets back."""
        passed = []
        for _ in range(5):
            self.relay.count()
            self.answer_until_served()
            passed.append(self.relay.count())
        return min(up for up, _ in passed), min(down for _, down in passed)

    # ------------------------------------------------------------------ faults

    def _do(self, fault: str, way: int) -> None:
        match fault:
            case "kill":
                self.servers.kill()
                self.relay.harm(DOWN, Harm.CUT)  # what it had still to write
            case "stop":
                self.servers.process.send_signal(signal.SIGSTOP)
                self.relay.harm(DOWN, Harm.STALL)
            case "garble":
                self.relay.harm(way, Harm.GARBLE)
            case "stall":
                self.relay.harm(way, Harm.STALL)

    def _undo(self, fault: str) -> None:
        if fault == "kill":
            self.servers.replace()
            self.relay.target = self.servers.address
        if fault == "stop":
            self.servers.process.send_signal(signal.SIGCONT)
        self.relay.heal()

    def suffer(self, stage: str, fault: str) -> Outcome:
        """One fault at one stage, and the way back."""
        self.counts.faulted += 1
        outcome = self._idle(fault) if stage == IDLE else self._busy(stage, fault)
        self._undo(fault)
        outcome.back_s = self.answer_until_served()
        for _ in range(_FORGIVEN_AFTER):  # or pauses get longer with every fault
            self.answer()
        return outcome

    def _idle(self, fault: str) -> Outcome:
        begun_s = time.perf_counter()
        self._do(fault, UP)
        detected_s = None
        while time.perf_counter() < begun_s + 2 * _IDLE_WITHIN_S:
            if self.held._engine._away is not None:
                detected_s = time.perf_counter() - begun_s
                break
            if fault == "garble" and time.perf_counter() > begun_s + _IDLE_WITHIN_S:
                break  # what was garbled made no difference
            time.sleep(0.005)
        else:
            detected_s = 2 * _IDLE_WITHIN_S
        result = self.answer()
        return Outcome(IDLE, fault, result.latency_s, detected_s, _IDLE_WITHIN_S)

    def _busy(self, stage: str, fault: str) -> Outcome:
        way, part = STAGES[stage]
        harmed = UP if way == UP and part < 1 else DOWN
        struck: list[float] = []

        def act() -> None:
            struck.append(time.perf_counter())
            self._do(fault, harmed)

        predicted = self.held.predicted
        assert predicted is not None
        allowed_s = max(3 * predicted.end_s, _LEAST_S)
        self.relay.set_trap(way, round(part * self.usual_bytes[way]), act)
        self.seen.clear()
        result = self.answer()
        ended_s = time.perf_counter()
        outcome = Outcome(stage, fault, result.latency_s, None, allowed_s)
        if result.fallback is not None and self.seen and struck:
            noticed = self.seen[-1]
            reserve = self.held._engine._pairing.reserve
            assert reserve is not None
            self.counts.fell_back += 1
            self.counts.finished += noticed.own_s is not None
            outcome.detected_s = noticed.at_s - struck[0]
            outcome.own_s = ended_s - noticed.at_s
            outcome.finished = noticed.own_s is not None
            whole_s = reserve.device.alone_s
            outcome.promised_s = noticed.begun_s
            outcome.promised_s += whole_s if noticed.own_s is None else noticed.own_s
        return outcome


def _open() -> tuple[int, int]:
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def _is_settled(held: fusepath.Session) -> bool:
    """Whether nothing is made ready any more."""
    engine = held._engine
    pairing, finishing = engine._pairing, engine._finishing
    ready = pairing.reserve is not None and pairing._to_finish is not None
    return ready and finishing is not None and finishing.done()


@contextmanager
def rig_for(name: str, kind: str, pace: Pace) -> Iterator[Rig]:
    """A session with one plan, ready to answer and to finish."""
    model = load_model(MODELS[name])
    plan = plan_for(model, kind, FUSED[name])
    options = fusepath.SessionOptions(
        remember=False, emulation=fusepath.Emulation(slowdown=pace.slowdown)
    )
    frames = fusepath.FrameFormat(layout="chw", std=(1.0,))
    with (
        notices() as seen,
        servers() as pair,
        relay_to(pair.address, bytes_per_s=pace.link_bytes_per_s) as relay,
        fusepath.Session(model, relay.address, plan=plan, frames=frames, options=options) as held,
    ):
        rig = Rig(model, plan, held, relay, pair, seen)
        rig.answer_until_served()
        while not _is_settled(held):
            time.sleep(0.01)
        assert rig.usual_bytes
        before = _open()
        yield rig
        time.sleep(1.0)
        after = _open()
        rig.counts.threads = after[0] - before[0]
        rig.counts.descriptors = after[1] - before[1]
