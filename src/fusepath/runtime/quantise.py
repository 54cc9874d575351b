"""Static quantisation by ONNX Runtime, and what it changes."""

from __future__ import annotations

import logging
import tempfile
import warnings
from contextlib import contextmanager
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
from fusepath.onnx_io import in_float32, original_with_shape, quantised_node, with_opset
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat

_LEAST_OPSET = 13
"""Of models whose weights have a scale for every channel."""
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
        model: a network of float32, or of float16, which is fed and answers as before.
        samples: inputs like those to come, in normal form: ranges of maps are taken from them.
        form: how pixels become values.
        activations: element type of the maps.

    Raises:
        ModelError: ONNX Runtime cannot quantise the model, or nobody can: it is quantised already,
            or makes NaN of a sample.
    """
    if (node := quantised_node(model)) is not None:
        name, op_type = node
        raise ModelError(
            f"model '{model.graph.name}' is quantised already, at node '{name}' ({op_type}); give "
            f"the model of float32 that it was made of"
        )
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
    # Or each constant of float16 would be cast.
    plain = in_float32(with_opset(original, _LEAST_OPSET, name=model.graph.name))
    wanted = _answers(original, feeds, "as it is given")
    with tempfile.TemporaryDirectory() as folder:
        given, ready, made = (Path(folder) / f"{name}.onnx" for name in ("given", "ready", "made"))
        given.write_bytes(plain)
        try:
            with _unheard():
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
    found = _answers(data, feeds, "quantised")
    changes = {
        name: _change([(one[name], other[name]) for one, other in zip(wanted, found, strict=True)])
        for name in wanted[0]
    }
    return Quantised(data=data, changes=changes)


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Samples one by one, as ONNX Runtime asks for them."""

    def __init__(self, feeds: Sequence[dict[str, Array]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


def _answers(data: bytes, feeds: Sequence[dict[str, Array]], which: str) -> list[dict[str, Array]]:
    """What a model makes of all samples.

    Raises:
        ModelError: NaN or infinity, of which no range of bytes can be told.
    """
    runner = Runner(data)
    answers = [runner.run(feed) for feed in feeds]
    for number, outputs in enumerate(answers, 1):
        for name, value in outputs.items():
            if not np.isfinite(value).all():
                raise ModelError(
                    f"the model {which} makes NaN or infinity of sample {number}, in output "
                    f"'{name}'; leave this sample out, or the model as it is"
                )
    return answers


@contextmanager
def _unheard() -> Iterator[None]:
    """What ONNX Runtime's quantisation says besides goes to those who have asked for a log."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)  # or `logging.warning` would make one that prints
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(handler)


def _change(values: Sequence[tuple[Array, Array]]) -> Change:
    wanted = np.concatenate([one.reshape(-1) for one, _ in values]).astype(np.float64)
    found = np.concatenate([other.reshape(-1) for _, other in values]).astype(np.float64)
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    error = np.abs(found - wanted)
    return Change(
        largest=float(error.max(initial=0.0)) / scale,
        root_mean_square=float(np.sqrt(np.mean(error**2))) / scale if error.size else 0.0,
    )
