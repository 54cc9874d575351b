"""A range of layers strip by strip, keeping rows from one strip for the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusepath.onnx_io import (
    StripModel,
    build_strip_model,
    cached_name,
    kept_name,
    new_name,
    sent_name,
    strip_signature,
)
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.pixels import model_value
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat
    from fusepath.tiling import StripTiling

    Pieces = dict[str, Array]


@dataclass(frozen=True, slots=True)
class _Session:
    model: StripModel
    runner: Runner


@dataclass(slots=True)
class StripState:
    """What strips keep for the strips after them, during one inference on one machine."""

    kept: Pieces = field(default_factory=dict)
    """By tensor: the rows that the next strip needs again, shape (1, C, rows, W)."""


class StripStage:
    """Layers ``first … last`` as stateful sub-models; strips that do alike share a session.

    Strips must come in their order. A machine has one such stage for every cut of a plan; they hand
    on to each other what they keep, in the inference's state.
    """

    def __init__(
        self,
        model: Model,
        tiling: StripTiling,
        form: InputFormat,
        first: int,
        last: int,
        *,
        execution: Execution = ON_CPU,
    ) -> None:
        self._model, self._tiling, self._form = model, tiling, form
        self._first, self._last = first, last
        self._execution = execution
        self._shared: dict[object, _Session] = {}
        self._of_strip: dict[int, _Session | None] = {}

    def prepare(self, strip: int) -> None:
        """Build the session of a strip, or find the one it shares."""
        step = self._tiling.step(strip, self._first, self._last)
        wanted = self._model.graph.frontier(self._last)
        signature = strip_signature(step, wanted)
        if signature not in self._shared:
            sub = build_strip_model(self._model, step, wanted)
            if not (sub.new_outputs or sub.sent_outputs or sub.kept_outputs):
                self._of_strip[strip] = None  # a strip too thin to reach these layers
                return
            runner = Runner(sub.data, weights=sub.weights, execution=self._execution)
            self._shared[signature] = _Session(sub, runner)
        self._of_strip[strip] = self._shared[signature]

    @property
    def sessions(self) -> int:
        """Number of different sessions."""
        return len(self._shared)

    def forward(self, path: int, pieces: Mapping[str, Array], state: StripState) -> Pieces:
        """Compute a strip; what it keeps goes into ``state`` for the next strip of the segment."""
        cached = state.kept
        session = self._of_strip[path]
        results: Pieces = {}
        kept: Pieces = {}
        if session is not None:
            sub = session.model
            feeds = {
                new_name(name): model_value(self._model, self._form, name, pieces)
                for name in sub.new_inputs
            }
            feeds |= {
                cached_name(name): cached[name][:, :, rows]
                for name, rows in zip(sub.cached_inputs, sub.cached_rows, strict=True)
            }
            outputs = session.runner.run(feeds)
            results = {name: outputs[new_name(name)] for name in sub.new_outputs}
            results |= {name: outputs[sent_name(name)] for name in sub.sent_outputs}
            kept = {name: outputs[kept_name(name)] for name in sub.kept_outputs}
        state.kept = kept
        return {
            name: results[name] if name in results else pieces[name]
            for name in self._model.graph.frontier(self._last)
            if name in results or name in pieces
        }

    def macs(self, path: int) -> int:
        """Multiply-accumulates of a strip, over the whole width."""
        graph = self._model.graph
        macs = 0
        for op in graph.operators(self._first, self._last):
            rows = self._tiling.counted_rows(path, op)
            macs += op.work.macs * rows * graph.tensors[op.counted].size(1)
        return macs
