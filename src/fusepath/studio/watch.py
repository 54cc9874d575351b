"""A plan that is carried out and watched: where the last frame ran, and how long it took."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from fusepath.errors import FusepathError, InputError
from fusepath.offload.emulation import Emulation
from fusepath.offload.frames import made_up_frame
from fusepath.offload.order import SessionOptions
from fusepath.offload.session import Session
from fusepath.plan import PlanRequest, Setting, make_plan
from fusepath.report.page import Story
from fusepath.runtime.device_share import DeviceShare

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.studio.recent_models import HeldModel

_LAST_S = 20.0
"""For what is under way when it is to end."""
_PAUSE_S = 0.25
"""Between two frames, so that one can see what becomes of each."""
_REHEARSALS = 5
_MOST_FRAMES = 60


class OwnEdge(Protocol):
    """An edge server that can be killed and begun again, from any thread, at the same address."""

    @property
    def address(self) -> str:
        """``HOST:PORT``."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Begin it, where it does not run and is not closed, and wait until it listens."""

    def kill(self) -> None:
        """End it at once, without a word to anybody."""

    def close(self) -> None:
        """End it for good."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One frame of those before."""

    latency_s: float
    alone: bool
    """Whether the device answered without the edge server."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a session has come to."""

    doing: str
    """What goes on before the first frame."""
    frames: int = 0
    last: Inference | None = None
    seen: tuple[Seen, ...] = ()
    """The last frames, in their order."""
    complaint: str = ""
    """Why it has ended; nothing while it goes on."""


class Watch:
    """Has a session answer made-up frames until it is closed.

    The device is as slow and the link up as the plan takes them to be; a machine that is slower
    than that is itself. The edge server is as quick as it is.

    Args:
        held: what is run.
        plan: how it is run.
        edge: ``HOST:PORT`` of an edge server, or begins one.
    """

    def __init__(self, held: HeldModel, plan: Plan, edge: str | Callable[[], OwnEdge]) -> None:
        self._held, self._plan, self._edge = held, plan, edge
        self._own: OwnEdge | None = None
        self._stop = threading.Event()
        self._watched = Watched(doing="reading the model")
        self._thread = threading.Thread(target=self._run, name="studio-watch", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> Watched:
        """As it is now."""
        return self._watched

    @property
    def server_is_alive(self) -> bool | None:
        """Of the edge server that was begun for this; None where there is none."""
        own = self._own
        return None if own is None else own.is_alive

    def story(self, inference: Inference) -> Story:
        """What was predicted of the plan, and what happened."""
        return Story(
            plan=self._plan,
            graph=self._held.graph,
            predicted=self._plan.timeline,
            measured=inference.timeline,
        )

    def kill_server(self) -> None:
        """End the edge server at once.

        Raises:
            InputError: it is not of this studio.
        """
        self._own_server().kill()

    def start_server(self) -> None:
        """Begin it again.

        Raises:
            InputError: it is not of this studio.
            PeerUnreachableError: it does not start.
        """
        self._own_server().start()

    def _own_server(self) -> OwnEdge:
        if self._own is None or self._stop.is_set():
            raise InputError("the edge server is not of this studio, which leaves it as it is")
        return self._own

    def close(self) -> None:
        """End the session, and the edge server if it is of this."""
        self._stop.set()
        self._thread.join(_LAST_S)

    def _run(self) -> None:
        try:
            with ExitStack() as ending:
                self._carry_out(ending)
        except FusepathError as error:
            self._watched = replace(self._watched, complaint=" ".join(str(error).split()))

    def _carry_out(self, ending: ExitStack) -> None:
        model = self._held.load()
        frame = made_up_frame(model.graph.input.shape, self._plan.input.dtype)
        if isinstance(self._edge, str):
            address = self._edge
        else:
            self._now("starting an edge server")
            self._own = ending.enter_context(closing(self._edge()))
            address = self._own.address
        self._now("measuring this machine")
        options = SessionOptions(emulation=_emulation(self._plan, model, frame))
        self._now("preparing the plan")
        session = ending.enter_context(Session(model, address, plan=self._plan, options=options))
        session.wait_ready()
        while not self._stop.is_set():
            inference = session.infer(frame)
            seen = Seen(latency_s=inference.latency_s, alone=inference.fallback is not None)
            self._watched = Watched(
                doing="",
                frames=self._watched.frames + 1,
                last=inference,
                seen=(*self._watched.seen, seen)[-_MOST_FRAMES:],
            )
            self._stop.wait(_PAUSE_S)

    def _now(self, doing: str) -> None:
        self._watched = Watched(doing=doing)


def _emulation(plan: Plan, model: Model, frame: Array) -> Emulation:
    """The device and the link of a plan, played by this machine."""
    setting = Setting(
        graph=model.graph,
        device=plan.device,
        edge=plan.edge,
        link=plan.link,
        convention=plan.convention,
    )
    alone = make_plan(setting, PlanRequest(algorithm="device-only")).best
    share = DeviceShare(model, alone.recipe)
    own_s = min(share.rehearse(frame, repeats=_REHEARSALS).paths_s[0])
    return Emulation(
        pace_bytes_per_s=plan.link.up_bytes_per_s, slowdown=max(alone.makespan_s / own_s, 1.0)
    )
