"""Running an ONNX model: the only place that knows ONNX Runtime."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnxruntime as ort

from fusepath.cancellation import check_cancelled
from fusepath.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array


PROVIDER = "CPUExecutionProvider"

Level = Literal["all", "extended", "basic", "off"]
LEVELS: tuple[Level, ...] = ("all", "extended", "basic", "off")
"""Of optimisation, as ONNX Runtime knows them; the first is its default."""
_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

_NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory")
"""By which ONNX Runtime says that there was not enough."""


class Runner:
    """One ONNX Runtime session on the CPU.

    Args:
        data: a serialised ONNX model.
        weights: values of the constants that it declares as external data; they are not copied.
        outputs: names to return, in this order; None returns all.
        threads: threads for one operator; 1 keeps a shared machine predictable.
        level: how far ONNX Runtime may rewrite the model before it runs.

    Raises:
        ModelError: ONNX Runtime cannot load the model.
        MemoryError: there is not enough for it.
    """

    def __init__(
        self,
        data: bytes,
        *,
        weights: Mapping[str, Array] = MappingProxyType({}),
        outputs: Sequence[str] | None = None,
        threads: int = 1,
        level: Level = "all",
    ) -> None:
        check_cancelled()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = _LEVELS[level]
        options.log_severity_level = 4  # errors come back as exceptions
        # Spinning threads would steal the core from whoever shares it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The session points into these, and ONNX Runtime does not keep them alive.
        self._weights = [ort.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
        options.add_external_initializers(list(weights), self._weights)
        try:
            self._session = ort.InferenceSession(data, sess_options=options, providers=[PROVIDER])
        except Exception as error:
            raise _failed("load", error) from error
        self.outputs = (
            tuple(outputs)
            if outputs is not None
            else tuple(item.name for item in self._session.get_outputs())
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name.

        Raises:
            ModelError: ONNX Runtime cannot run the model on these inputs.
            MemoryError: there is not enough for it.
        """
        check_cancelled()
        try:
            values = self._session.run(list(self.outputs), dict(inputs))
        except Exception as error:
            raise _failed("run", error) from error
        return {name: np.asarray(value) for name, value in zip(self.outputs, values, strict=True)}


def runtime_version() -> str:
    """Name and version of the engine."""
    return f"onnxruntime {ort.__version__}"


def available_providers() -> list[str]:
    """What this build of ONNX Runtime can run on, the preferred first."""
    found: list[str] = ort.get_available_providers()
    return found


def _failed(doing: str, error: Exception) -> Exception:
    reason = _first_line(error)
    if any(sign in reason for sign in _NO_MEMORY):
        return MemoryError(reason)
    return ModelError(f"ONNX Runtime cannot {doing} the model: {reason}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
