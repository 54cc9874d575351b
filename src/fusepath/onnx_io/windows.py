"""The windows of Conv and pooling nodes, as their attributes state them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.graph import Window
from fusepath.onnx_io.complaint import bad_node
from fusepath.onnx_io.nodes import input_at, integers, text

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

CONVOLUTIONS = frozenset({"Conv", "QLinearConv"})
WEIGHTS_AT = {"Conv": 1, "ConvTranspose": 1, "QLinearConv": 3}
"""Operators whose kernel may be known from their weights alone, and which input these are."""
POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def windows_of(node: NodeProto, kernel: tuple[int, ...], model: str) -> tuple[Window, ...]:
    """The window of a Conv or pooling node along each spatial axis, as its attributes state it.

    Args:
        node: The node; its ``auto_pad`` is not looked at.
        kernel: Sizes of its kernel.
        model: The model's name, for messages.

    Raises:
        ModelError: an attribute has the wrong length, or a value no window can have.
    """
    rank = len(kernel)
    strides = integers(node, "strides") or (1,) * rank
    dilations = integers(node, "dilations") or (1,) * rank
    pads = integers(node, "pads") or (0,) * (2 * rank)
    if not len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise bad_node(
            model, node, f"kernel {kernel}, strides {strides}, pads {pads} disagree in length"
        )
    if min((*kernel, *strides, *dilations), default=1) < 1 or min(pads, default=0) < 0:
        raise bad_node(
            model,
            node,
            f"kernel {kernel}, strides {strides}, dilations {dilations}, pads {pads}: kernels, "
            "strides and dilations must be at least 1 and pads at least 0",
        )
    return tuple(
        Window(
            kernel=kernel[axis],
            stride=strides[axis],
            dilation=dilations[axis],
            pad_begin=pads[axis],
            pad_end=pads[rank + axis],
        )
        for axis in range(rank)
    )


def kernel_of(node: NodeProto, types: Types) -> tuple[int, ...] | None:
    """The kernel sizes of a Conv or pooling node; None while the weights' shape is unknown."""
    stated = integers(node, "kernel_shape")
    if stated is not None or node.op_type not in WEIGHTS_AT:
        return stated
    weights = types.get(input_at(node, WEIGHTS_AT[node.op_type]))
    return weights.shape[2:] if weights is not None and weights.shape is not None else None


def check_windows(draft: Draft) -> None:
    """Refuse windows that are impossible whatever their input.

    Raises:
        ModelError: an attribute of a Conv or pooling node has a value no window can have.
    """
    for node in draft.nodes:
        stated = integers(node, "kernel_shape")
        weights = input_at(node, WEIGHTS_AT.get(node.op_type, len(node.input)))
        if weights in draft.constants:
            stated = tuple(draft.constants[weights].dims)[2:]
        if stated is not None and (node.op_type in WEIGHTS_AT or node.op_type in POOLS):
            windows_of(node, stated, draft.model)


def crops_its_input(node: NodeProto) -> bool:
    """True for a node whose ``auto_pad`` could not be written as pads of at least 0."""
    return text(node, "auto_pad", "NOTSET") != "NOTSET"
