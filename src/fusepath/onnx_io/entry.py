"""The one input of a network, and the shape it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import GraphProto, TensorProto, ValueInfoProto

from fusepath.graph import Tensor
from fusepath.onnx_io.complaint import bad_model, one_line
from fusepath.onnx_io.draft import dtype_name

if TYPE_CHECKING:
    from fusepath.errors import ModelError

AXES = ("batch", "channels", "height", "width")
_USUAL = (1, 3, 224, 224)

Dims = tuple[int | str, ...]
"""Static dimensions as numbers, dynamic ones by name (empty when they have none)."""


def entry_value(graph: GraphProto, *, name: str) -> ValueInfoProto:
    """The declaration of the only input that is no initialiser.

    Raises:
        ModelError: there is none, or more than one.
    """
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if not inputs:
        raise bad_model(name, "has no input; a network with one image input is needed")
    if len(inputs) > 1:
        names = one_line(", ".join(f"'{value.name}'" for value in inputs))
        raise bad_model(name, f"has {len(inputs)} inputs ({names}); only one is supported")
    return inputs[0]


def entry_dims(value: ValueInfoProto) -> Dims | None:
    """The declared dimensions; None when not even their number is stated."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in tensor.shape.dim
    )


def entry_tensor(
    value: ValueInfoProto, *, name: str, input_shape: tuple[int, ...] | None
) -> Tensor:
    """The input with a static shape (1, C, H, W).

    Raises:
        ModelError: it is no float32 batch-1 image, a dimension is dynamic and ``input_shape``
            does not say it, or the two disagree.
    """
    label = f"input '{one_line(value.name)}'"
    if not value.type.HasField("tensor_type"):
        raise bad_model(name, f"{label} is not a tensor")
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        given = dtype_name(value.type.tensor_type.elem_type) or "of an unknown type"
        raise bad_model(name, f"{label} is {given}; export the model with a float32 input")
    declared = entry_dims(value)
    if declared is None:
        declared = ("",) * 4
        if input_shape is None:
            raise bad_model(name, f"{label} has no shape; give input_shape 1,3,224,224")
    if len(declared) != 4:
        raise bad_model(
            name, f"{label} has {len(declared)} dimensions; four are needed (1, C, H, W)"
        )
    if input_shape is not None:
        _check_given(input_shape, declared, name=name, label=label)
        shape = input_shape
    else:
        shape = _static(declared, name=name, label=label)
    if any(size < 1 for size in shape):
        raise bad_model(name, f"{label} has shape {shape}; every dimension must be at least 1")
    if shape[0] != 1:
        raise bad_model(name, f"{label} has batch {shape[0]}; export the model with batch 1")
    return Tensor(name=value.name, shape=shape)


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
    both = zip(declared[1:], _USUAL[1:], strict=True)
    sizes = (dim if isinstance(dim, int) else usual for dim, usual in both)
    example = ",".join(str(size) for size in (1, *sizes))
    symbol = one_line(declared[axis])
    called = f", '{symbol}'" if symbol else ""
    return bad_model(
        name,
        f"{label} has a dynamic {AXES[axis]} (dimension {axis}{called}); "
        f"give input_shape {example}",
    )


def _check_given(given: tuple[int, ...], declared: Dims, *, name: str, label: str) -> None:
    if len(given) != 4:
        raise bad_model(name, f"input shape {given} must have four numbers, like 1,3,224,224")
    for axis, (want, have) in enumerate(zip(given, declared, strict=True)):
        if isinstance(have, int) and have != want:
            raise bad_model(
                name,
                f"{label} has {AXES[axis]} {have} in the file, but {want} was given; "
                "give the file's size or none",
            )
