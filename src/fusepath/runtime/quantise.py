"""Static quantisation by ONNX Runtime, and what it changes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from fusepath.errors import ModelError
from fusepath.onnx_io import original_with_shape
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat

Activations = Literal["uint8", "int8"]
_TYPES = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How an output of the quantised model differs, over all samples.

    Both are fractions of the largest value that the output has on them.
    """

    largest: float
    root_mean_square: float


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """A quantised model, as an ONNX file, and what that changed of each output."""

    data: bytes = field(repr=False)
    changes: dict[str, Change]


def quantise(
    model: Model,
    samples: Sequence[Array],
    form: InputFormat,
    *,
    activations: Activations = "uint8",
) -> Quantised:
    """The model with weights in int8, one scale per output channel, and maps in bytes.

    Args:
        model: a network of float32.
        samples: inputs like those to come, in normal form: ranges of maps are taken from them.
        form: how pixels become values.
        activations: element type of the maps.

    Raises:
        ModelError: ONNX Runtime cannot quantise the model.
    """
    source = model.boundary.input
    if model.boundary.companions:
        raise ModelError(
            f"model '{model.graph.name}' has several inputs, of which samples give one; "
            "quantise it with ONNX Runtime's quantize_static"
        )
    feeds = [
        {source.name: source.to_owner([to_model_input(sample, form, source.dtype)])}
        for sample in samples
    ]
    original = original_with_shape(model)
    with tempfile.TemporaryDirectory() as folder:
        given, ready, made = (Path(folder) / f"{name}.onnx" for name in ("given", "ready", "made"))
        given.write_bytes(original)
        try:
            # Folds constants and BatchNormalization, which would be quantised by themselves.
            quant_pre_process(given, ready, skip_symbolic_shape=True)
            quantize_static(
                ready,
                made,
                _Feeds(feeds),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=_TYPES[activations],
                weight_type=QuantType.QInt8,
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise ModelError(f"ONNX Runtime cannot quantise the model: {reason}") from error
        data = made.read_bytes()
    return Quantised(data=data, changes=_changes(original, data, feeds))


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Samples one by one, as ONNX Runtime asks for them."""

    def __init__(self, feeds: Sequence[dict[str, Array]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


def _changes(
    original: bytes, quantised: bytes, feeds: Sequence[dict[str, Array]]
) -> dict[str, Change]:
    before, after = Runner(original), Runner(quantised)
    pairs = [(before.run(feed), after.run(feed)) for feed in feeds]
    return {
        name: _change([(one[name], other[name]) for one, other in pairs]) for name in before.outputs
    }


def _change(values: Sequence[tuple[Array, Array]]) -> Change:
    wanted = np.concatenate([one.reshape(-1) for one, _ in values]).astype(np.float64)
    found = np.concatenate([other.reshape(-1) for _, other in values]).astype(np.float64)
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    error = np.abs(found - wanted)
    return Change(
        largest=float(error.max(initial=0.0)) / scale,
        root_mean_square=float(np.sqrt(np.mean(error**2))) / scale if error.size else 0.0,
    )
