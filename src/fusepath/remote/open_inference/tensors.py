"""Tensors of the Open Inference Protocol: as their own bytes, or as numbers of a message."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.errors import one_line
from fusepath.protocol.framing import RefusalKind
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import open_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array

BYTES = "BYTES"
DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""Names of numpy for those of the protocol."""
TEXT = "object"
"""What numpy calls the type of texts, which only outputs have."""
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()} | {TEXT: BYTES}
_CONTENTS = {
    "bool": "bool_contents",
    **dict.fromkeys(("int8", "int16", "int32"), "int_contents"),
    "int64": "int64_contents",
    **dict.fromkeys(("uint8", "uint16", "uint32"), "uint_contents"),
    "uint64": "uint64_contents",
    "float32": "fp32_contents",
    "float64": "fp64_contents",
    TEXT: "bytes_contents",
}
"""Where the numbers of a type are; a float16 comes as bytes alone."""
_LENGTH = struct.Struct("<I")

Given = dict[str, "Array | list[bytes]"]
"""Inputs by name: values, or files."""


def malformed(reason: str) -> Refusal:
    """What came is none that there is."""
    return Refusal(RefusalKind.MALFORMED, one_line(reason))


def given(request: pb.ModelInferRequest) -> Given:
    """The inputs of a request; arrays are views of what came, where it came as bytes.

    Raises:
        Refusal: a tensor is there twice, of an unknown type, or not of the size that it says.
    """
    raw: Sequence[bytes | None] = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise malformed(f"{len(request.inputs)} inputs come with the bytes of {len(raw)}")
    found: Given = {}
    for tensor, data in zip(request.inputs, raw or [None] * len(request.inputs), strict=True):
        if tensor.name in found:
            raise malformed(f"input '{tensor.name}' comes twice")
        if raw and tensor.HasField("contents"):
            raise malformed(f"input '{tensor.name}' comes as bytes and as contents")
        found[tensor.name] = _value(tensor, data)
    return found


def _value(
    tensor: pb.ModelInferRequest.InferInputTensor, data: bytes | None
) -> Array | list[bytes]:
    what, shape = f"input '{tensor.name}'", tuple(tensor.shape)
    if not all(0 < size <= 2**31 for size in shape) or len(shape) > 32:
        raise malformed(f"{what} has the shape {list(shape)[:32]}")
    count = math.prod(shape)
    if tensor.datatype == BYTES:
        files = list(tensor.contents.bytes_contents) if data is None else _elements(data, what)
        if len(files) != count:
            raise malformed(f"{what} holds {len(files)} elements, and its shape {count}")
        return files
    if tensor.datatype not in DTYPES:
        known = ", ".join((*DTYPES, BYTES))
        raise malformed(f"{what} has the type '{tensor.datatype[:20]}', which is none of {known}")
    dtype = np.dtype(DTYPES[tensor.datatype])
    if data is not None:
        if len(data) != count * dtype.itemsize:
            raise malformed(f"{what} has {len(data)} bytes; {dtype}{list(shape)} has others")
        return np.frombuffer(data, dtype=dtype.newbyteorder("<")).reshape(shape)
    if dtype.name not in _CONTENTS:
        raise malformed(f"{what} is {tensor.datatype}, which comes in raw_input_contents alone")
    numbers = getattr(tensor.contents, _CONTENTS[dtype.name])
    if len(numbers) != count:
        raise malformed(f"{what} holds {len(numbers)} numbers, and its shape {count}")
    wide = np.array(numbers)
    value = wide.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(value, wide):
        raise malformed(f"{what} holds a number that is no {tensor.datatype}")
    return value.reshape(shape)


def _elements(data: bytes, what: str) -> list[bytes]:
    """Each with its size before it."""
    found, at = [], 0
    while at < len(data):
        body = at + _LENGTH.size
        end = body + _LENGTH.unpack_from(data, at)[0] if body <= len(data) else body
        if end > len(data):
            raise malformed(f"{what} ends within an element")
        found.append(data[body:end])
        at = end
    return found


def answer(outputs: Mapping[str, Array], *, raw: bool) -> pb.ModelInferResponse:
    """The outputs as a message.

    Args:
        outputs: by name, in order.
        raw: as bytes; otherwise as numbers, where all of them have such.
    """
    response = pb.ModelInferResponse()
    raw = raw or any(value.dtype.name not in _CONTENTS for value in outputs.values())
    for name, value in outputs.items():
        tensor = response.outputs.add(
            name=name, datatype=DATATYPES[value.dtype.name], shape=value.shape
        )
        elements = value.reshape(-1).tolist() if value.dtype.name == TEXT or not raw else []
        if value.dtype.name == TEXT:
            elements = [str(element).encode() for element in elements]
        if not raw:
            getattr(tensor.contents, _CONTENTS[value.dtype.name]).extend(elements)
        elif value.dtype.name == TEXT:
            response.raw_output_contents.append(_with_lengths(elements))
        else:
            response.raw_output_contents.append(_little(value).tobytes())
    return response


def _with_lengths(elements: Sequence[bytes]) -> bytes:
    """Each with its size before it."""
    return b"".join(_LENGTH.pack(len(element)) + element for element in elements)


def _little(value: Array) -> Array:
    return value.astype(value.dtype.newbyteorder("<"), copy=False)


def parameters(tensor: Any) -> dict[str, Any]:
    """Parameters of an input or output."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "string_param")
        for name, value in tensor.parameters.items()
    }
