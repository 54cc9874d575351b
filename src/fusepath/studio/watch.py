"""A plan that is carried out and watched: where the last frame ran, and how long it took."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.errors import FusepathError
from fusepath.offload.frames import made_up_frame
from fusepath.offload.session import Session
from fusepath.report.page import Story

if TYPE_CHECKING:
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

_LAST_S = 10.0
"""For the frame that is under way."""
_PAUSE_S = 0.25
"""Between two frames, so that one can see what becomes of each."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a session has come to."""

    frames: int = 0
    last: Inference | None = None
    complaint: str = ""
    """Why it has ended; nothing while it goes on."""


class Watch:
    """Has a session answer made-up frames until it is closed.

    Args:
        model: what is run.
        plan: how it is run.
        edge: ``HOST:PORT`` of an edge server; ``memory:`` for one within this process.
    """

    def __init__(self, model: Model, plan: Plan, edge: str) -> None:
        self._model, self._plan, self._edge = model, plan, edge
        self._stop = threading.Event()
        self._watched = Watched()
        self._thread = threading.Thread(target=self._run, name="studio-watch", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> Watched:
        """As it is now."""
        return self._watched

    def story(self, inference: Inference) -> Story:
        """What was predicted of the plan, and what happened."""
        return Story(
            plan=self._plan,
            graph=self._model.graph,
            predicted=self._plan.timeline,
            measured=inference.timeline,
        )

    def close(self) -> None:
        """End the session."""
        self._stop.set()
        self._thread.join(_LAST_S)

    def _run(self) -> None:
        try:
            source = self._model.graph.input
            frame = made_up_frame(source.shape, "uint8" if source.is_float else source.dtype)
            with Session(self._model, self._edge, plan=self._plan) as session:
                while not self._stop.is_set():
                    inference = session.infer(frame)
                    frames = self._watched.frames + 1
                    self._watched = Watched(frames=frames, last=inference)
                    self._stop.wait(_PAUSE_S)
        except FusepathError as error:
            self._watched = replace(self._watched, complaint=" ".join(str(error).split()))
