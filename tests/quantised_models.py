"""Networks as ONNX Runtime's static quantisation writes them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, values: list[np.ndarray]) -> None:
        self._feeds = iter([{name: value} for value in values])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def quantised(
    data: bytes,
    folder: Path,
    samples: list[np.ndarray],
    *,
    activations: str = "u8",
    per_channel: bool = True,
    operators: list[str] | None = None,
    qdq: bool = True,
) -> bytes:
    """The model with QuantizeLinear and DequantizeLinear around its operators.

    Weights are int8 of seven bits, so that no instruction set saturates in between.
    """
    whole = ModelProto.FromString(data)
    (folder / "float.onnx").write_bytes(data)
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            folder / "float.onnx",
            folder / "quantised.onnx",
            _Samples(whole.graph.input[0].name, samples),
            quant_format=QuantFormat.QDQ if qdq else QuantFormat.QOperator,
            op_types_to_quantize=operators,
            per_channel=per_channel,
            reduce_range=True,
            activation_type=TYPES[activations],
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    return (folder / "quantised.onnx").read_bytes()
