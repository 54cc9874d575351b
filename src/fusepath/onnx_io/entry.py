"""The inputs of a network: which of them is cut, and the shapes that they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.errors import one_line
from fusepath.graph import INPUT_DTYPES, Tensor, product
from fusepath.onnx_io.complaint import bad_model
from fusepath.onnx_io.draft import TEXT, dtype_name
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import GraphProto, ValueInfoProto

    from fusepath.errors import ModelError

_CHANNELS = frozenset({1, 3, 4})
"""Of pictures."""
_CHANNELS_FIRST = (1, 3, 224, 224)
_CHANNELS_LAST = (1, 224, 224, 3)
_USUAL = 64
"""For an axis of which nothing is known."""

Dims = tuple[int | str, ...]
"""Static dimensions as numbers, dynamic ones by name (empty when they have none)."""


def entry_values(graph: GraphProto, *, name: str) -> list[ValueInfoProto]:
    """The declarations of all inputs that are no initialisers, the one that is cut first.

    That is the largest of four dimensions, or else the largest, as far as sizes are stated; of
    several as large as each other, the first.

    Raises:
        ModelError: there is none.
    """
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if not inputs:
        raise bad_model(name, "has no input; a network with one image input is needed")
    return sorted(inputs, key=_prominence, reverse=True)


def _prominence(value: ValueInfoProto) -> tuple[bool, int]:
    dims = entry_dims(value) or ()
    return len(dims) == 4, product([dim if isinstance(dim, int) else _USUAL for dim in dims[1:]])


def entry_dims(value: ValueInfoProto) -> Dims | None:
    """The declared dimensions; None when not even their number is stated.

    Some exporters write -1 or 0 for a dimension that is open: it is dynamic without a name.
    """
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else dim.dim_param
        for dim in tensor.shape.dim
    )


def companion_tensor(value: ValueInfoProto, beside: Mapping[str, int], *, name: str) -> Tensor:
    """An input besides the one that is cut, with a static shape; an open batch is 1.

    Args:
        value: its declaration.
        beside: sizes of the dimensions that have a name in the input that is cut.
        name: what messages call the model.

    Raises:
        ModelError: it is no tensor of numbers, or another dimension is dynamic.
    """
    label = f"input '{one_line(value.name)}'"
    dtype = _dtype(value, name=name, label=label)
    declared = entry_dims(value)
    if declared is None:
        raise bad_model(name, f"{label} has no shape; export it with one")
    shape = []
    for axis, dim in enumerate(declared):
        size = dim if isinstance(dim, int) else beside.get(dim, 1 if axis == 0 else 0)
        if size == 0:
            called = f" ('{one_line(dim)}')" if dim else ""
            raise bad_model(
                name, f"dimension {axis} of {label} is dynamic{called}; export it with a fixed one"
            )
        shape.append(size)
    return Tensor(name=value.name, shape=tuple(shape), dtype=dtype)


def named_dims(value: ValueInfoProto, shape: tuple[int, ...]) -> dict[str, int]:
    """Sizes of the dimensions of an input that have a name."""
    both = zip(entry_dims(value) or (), shape, strict=False)
    return {dim: size for dim, size in both if dim and isinstance(dim, str)}


def _dtype(value: ValueInfoProto, *, name: str, label: str) -> str:
    if not value.type.HasField("tensor_type"):
        raise bad_model(name, f"{label} is not a tensor")
    dtype = dtype_name(value.type.tensor_type.elem_type)
    if dtype not in INPUT_DTYPES:
        if dtype == TEXT:
            raise bad_model(name, f"{label} takes text; export what comes behind it, of numbers")
        given = dtype or "of an unknown type"
        raise bad_model(
            name, f"{label} is {given}; export the model with an input of float32 or uint8"
        )
    return dtype


def entry_tensor(
    value: ValueInfoProto, *, name: str, input_shape: tuple[int, ...] | None
) -> Tensor:
    """The input that is cut, as the file declares it, with a static shape; an open batch is 1.

    Raises:
        ModelError: it is no tensor of numbers, another dimension is dynamic and ``input_shape``
            does not say it, or the two disagree.
    """
    label = f"input '{one_line(value.name)}'"
    dtype = _dtype(value, name=name, label=label)
    declared = entry_dims(value)
    if declared is None:
        if input_shape is None:
            raise bad_model(name, f"{label} has no shape; give input_shape 1,3,224,224")
        declared = ("",) * len(input_shape)
    if not declared:
        raise bad_model(name, f"{label} is a single number; a network with an image is needed")
    if input_shape is not None:
        _check_given(input_shape, declared, name=name, label=label)
        shape = input_shape
    else:
        shape = _static(declared, name=name, label=label)
    return Tensor(name=value.name, shape=shape, dtype=dtype)


def _static(declared: Dims, *, name: str, label: str) -> tuple[int, ...]:
    shape = []
    for axis, dim in enumerate(declared):
        if isinstance(dim, int):
            shape.append(dim)
        elif axis == 0:
            shape.append(1)
        else:
            raise _dynamic(declared, axis, name=name, label=label)
    return tuple(shape)


def _dynamic(declared: Dims, axis: int, *, name: str, label: str) -> ModelError:
    sizes = ",".join(map(str, _example(declared)))
    symbol = one_line(declared[axis])
    called = f" ('{symbol}')" if symbol else ""
    return bad_model(
        name, f"dimension {axis} of {label} is dynamic{called}; give input_shape {sizes}"
    )


def _example(declared: Dims) -> tuple[int, ...]:
    """A shape that could be meant, with the sizes that are declared."""
    usual: tuple[int, ...] = (1,) + (_USUAL,) * (len(declared) - 1)
    if len(declared) == 4:
        channels_last = declared[3] in _CHANNELS and declared[1] not in _CHANNELS
        usual = _CHANNELS_LAST if channels_last else _CHANNELS_FIRST
    both = zip(declared, usual, strict=True)
    return tuple(dim if isinstance(dim, int) else size for dim, size in both)


def _check_given(given: tuple[int, ...], declared: Dims, *, name: str, label: str) -> None:
    like = ",".join(map(str, _example(declared)))
    if len(given) != len(declared):
        raise bad_model(
            name,
            f"{label} has {number_of(len(declared), 'dimension')}, but input_shape {given} was "
            f"given; give input_shape {like}",
        )
    if min(given) < 1:
        raise bad_model(name, f"{label} cannot have the shape {given}; give input_shape {like}")
    for axis, (want, have) in enumerate(zip(given, declared, strict=True)):
        if isinstance(have, int) and have != want:
            raise bad_model(
                name,
                f"dimension {axis} of {label} is {have} in the file, but {want} was given; "
                f"give input_shape {like}",
            )
