"""Declaring tensors: the typed inputs and outputs of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import ValueInfoProto, helper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.graph import Tensor


def declare(name: str, element_type: int, dims: Iterable[int | str] | None) -> ValueInfoProto:
    """A tensor of an ONNX element type; a string as dimension is a symbol, None any shape."""
    shape = None if dims is None else list(dims)
    return helper.make_tensor_value_info(name, element_type, shape)


def declare_tensor(tensor: Tensor, *, symbolic: bool = False) -> ValueInfoProto:
    """An activation; ``symbolic`` gives a map's height and width names of their own."""
    dims: tuple[int | str, ...] = tensor.shape
    if symbolic:
        dims = (*tensor.shape[:2], f"{tensor.name}_height", f"{tensor.name}_width")
    return declare(tensor.name, helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), dims)
