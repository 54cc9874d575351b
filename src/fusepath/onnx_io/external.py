"""Weights that a model keeps in other files: which ones, and putting them back into the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from fusepath.errors import one_line
from fusepath.graph import product
from fusepath.onnx_io.complaint import bad_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from onnx import ModelProto, NodeProto

MOST_BYTES = 2**31 - 1
"""Protobuf cannot hold more in one message, so a model cannot with all that it keeps elsewhere."""
_MARK = b"\x0a\x08location"
"""The key that every tensor kept elsewhere has, as it is encoded."""
_MOST_DIGITS = 12


def may_be_elsewhere(data: bytes) -> bool:
    """Whether the bytes of a model may name other files; False is certain."""
    return _MARK in data


def locations(model: ModelProto) -> tuple[str, ...]:
    """The files that tensors are kept in, as the model writes them, sorted."""
    return tuple(sorted({_entries(tensor).get("location", "") for tensor in _elsewhere(model)}))


def embed(model: ModelProto, external: Mapping[str, bytes], *, name: str) -> None:
    """Put what lies in other files into the model's tensors, in place.

    Args:
        model: as parsed.
        external: whole files by location.
        name: what messages call the model.

    Raises:
        ModelError: a file is not among them, or does not hold what a tensor says.
    """
    room = MOST_BYTES
    for tensor in _elsewhere(model):
        value = _bytes_of(tensor, external, name)
        room -= len(value)
        if room < 0:
            raise bad_model(name, "its tensors have more than 2 GiB; use a smaller model")
        tensor.raw_data = value
        del tensor.external_data[:]
        tensor.ClearField("data_location")


def _bytes_of(tensor: TensorProto, external: Mapping[str, bytes], name: str) -> bytes:
    label = f"tensor '{one_line(tensor.name)}'"
    entries = _entries(tensor)
    location = entries.get("location", "")
    if location not in external:
        raise bad_model(
            name,
            f"{label} is kept in another file (external data), '{one_line(location)}'; "
            "load the model by its path, or save it as one file",
        )
    stored = external[location]
    offset = _number(entries.get("offset", "0"), label, name)
    stated = _stated_bytes(tensor, label, name)
    given = entries.get("length")
    length = stated if given is None else _number(given, label, name)
    if length is None or (stated is not None and stated != length):
        raise bad_model(
            name,
            f"{label} of shape {tuple(tensor.dims)} should hold {stated} bytes, but says that "
            f"'{one_line(location)}' has {length}; export the model again",
        )
    if offset + length > len(stored):
        raise bad_model(
            name,
            f"{label} is bytes {offset} to {offset + length} of '{one_line(location)}', which has "
            f"{len(stored)}; it is truncated, or of another model: copy it again",
        )
    return stored[offset : offset + length]


def _stated_bytes(tensor: TensorProto, label: str, name: str) -> int | None:
    """Bytes that the shape stands for; None for types with several elements in a byte."""
    dims = tuple(tensor.dims)
    if tensor.data_type == TensorProto.STRING or any(dim < 0 for dim in dims):
        raise bad_model(name, f"{label} of shape {dims} cannot be kept in another file")
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        raise bad_model(name, f"{label} has unknown element type {tensor.data_type}") from None
    packed = dtype.name in PACKED_TYPES
    return None if packed else product(dims) * int(dtype.itemsize)


def _number(text: str, label: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise bad_model(
            name,
            f"{label}: offset or length '{one_line(text)}' in its external data is no size of a "
            "file; export the model again",
        )
    return int(text)


PACKED_TYPES = frozenset(
    {"int4", "uint4", "int2", "uint2", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"}
)
"""Several elements share a byte."""


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {str(entry.key): _text(entry.value) for entry in tensor.external_data}


def _text(value: str | bytes) -> str:
    """What protobuf hands out as bytes is not UTF-8, as names of files need not be."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def _elsewhere(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor of the graph and of local functions that is kept in another file."""
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            yield tensor


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    yield from _attribute_tensors(model.graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)


def _attribute_tensors(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
