"""Several images at once: a network that never mixes them is one for a single image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.channelwise import REDUCTIONS
from fusepath.onnx_io.families import BROADCASTING
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import copied, input_at, integer, integers, present, whole_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_IMAGE = 0
"""The axis of images."""


def one_image(draft: Draft, types: Types) -> Draft | None:
    """The draft for one image of a batch.

    It computes of every image what the draft computes of it in a batch: a rule for each operator
    says that an output at one place of the batch reads that place alone.

    Returns:
        None where there is no batch, or an operator mixes images or is not known not to.
    """
    batch = draft.input.shape[_IMAGE] if len(draft.input.shape) > 1 else 1
    if draft.companions:  # what of them belongs to which image, nothing says
        return None
    if batch == 1 or not all(_Site(node, draft, types).by_image(batch) for node in draft.nodes):
        return None
    constants, names = dict(draft.constants), Names(draft.tensor_names())
    nodes = []
    for node in draft.nodes:
        place, site = _TARGET_SHAPE.get(node.op_type), _Site(node, draft, types)
        # Left to itself it would drop the axis of images as well, now that there is one.
        drops_ones = node.op_type == "Squeeze" and site.numbers("axes", 1) is None
        states_images = place is not None and input_at(node, place) in constants
        if node.op_type == "Resize" and _IMAGE not in (integers(node, "axes") or (_IMAGE,)):
            states_images = False
        if not drops_ones and not states_images:
            nodes.append(node)
            continue
        name = names.fresh(f"{node.output[0]}_one_image")
        shape = (1, *site.shape(node.output[0])[1:])
        constants[name] = numpy_helper.from_array(np.array(shape, dtype=np.int64), name)
        if place is None:
            inputs = [node.input[0], name]
            nodes.append(helper.make_node("Reshape", inputs, node.output, node.name))
        else:
            twin = copied(node)
            twin.input[place] = name
            nodes.append(twin)
    source = replace(draft.input, shape=(1, *draft.input.shape[1:]))
    return replace(draft, input=source, nodes=tuple(nodes), constants=constants)


_TARGET_SHAPE = {"Reshape": 1, "Expand": 1, "Resize": 3}
"""Which input of an operator states its output's shape."""


class _Site:
    """A node with what its rule needs to know."""

    def __init__(self, node: NodeProto, draft: Draft, types: Types) -> None:
        self.node, self.draft, self._types = node, draft, types
        self.sources = draft.activations(node)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor; () while unknown, which fits no rule."""
        known = self._types.get(name)
        return () if known is None or known.shape is None else known.shape

    def by_image(self, batch: int) -> bool:
        """Whether outputs at one place of the batch read that place alone."""
        rule = _RULES.get(self.node.op_type)
        tensors = (*self.sources, *present(self.node.output))
        return (
            rule is not None
            and bool(self.sources)
            and all(self.shape(name)[:1] == (batch,) for name in tensors)
            and rule(self)
        )

    @property
    def only_first(self) -> bool:
        """Whether all inputs but the first are constants."""
        return self.sources == (self.node.input[0],)

    @property
    def rank(self) -> int:
        """Of the output."""
        return len(self.shape(self.node.output[0]))

    def numbers(self, attribute: str, place: int) -> tuple[int, ...] | None:
        """A list that is an attribute or a constant input; None for neither."""
        stated = integers(self.node, attribute)
        if stated is not None:
            return stated
        return whole_numbers(self.draft.array(input_at(self.node, place)))


def _alone(site: _Site) -> bool:
    return site.only_first


def _broadcast(site: _Site) -> bool:
    """Images stand against images, and constants are the same for all of them."""
    for name in present(site.node.input):
        shape = site.shape(name)
        if name in site.draft.constants:
            if len(shape) == site.rank and shape[_IMAGE] != 1:
                return False
        elif len(shape) != site.rank:
            return False
    return True


def _along(default: int) -> Callable[[_Site], bool]:
    """For operators that work along the axis that an attribute states."""

    def rule(site: _Site) -> bool:
        return integer(site.node, "axis", default) % len(site.shape(site.node.input[0])) != _IMAGE

    return rule


def _gather(site: _Site) -> bool:
    return site.only_first and _along(0)(site)


def _concatenation(site: _Site) -> bool:
    return _along(0)(site) and len(site.sources) == len(site.node.input)


def _scaled(site: _Site) -> bool:
    """(De)quantisation: one scale for all, or one per channel."""
    one = all(np.prod(site.shape(name)) == 1 for name in present(site.node.input[1:]))
    return site.only_first and (one or _along(1)(site))


def _reduction(site: _Site) -> bool:
    axes = site.numbers("axes", 1)
    rank = len(site.shape(site.node.input[0]))
    return site.only_first and bool(axes) and all(axis % rank != _IMAGE for axis in axes or ())


def _transposition(site: _Site) -> bool:
    return (integers(site.node, "perm") or (None,))[0] == _IMAGE


def _slice(site: _Site) -> bool:
    axes = site.numbers("axes", 3)
    return site.only_first and axes is not None and all(axis % site.rank != _IMAGE for axis in axes)


def _padding(site: _Site) -> bool:
    pads = site.numbers("pads", 1)
    named = input_at(site.node, 3)
    if pads is None or named or not site.only_first:
        return False
    return pads[_IMAGE] == 0 == pads[site.rank]


def _gemm(site: _Site) -> bool:
    bias = site.shape(input_at(site.node, 2))
    return (
        site.only_first
        and integer(site.node, "transA", 0) == 0
        and (len(bias) < 2 or bias[_IMAGE] == 1)
    )


def _product(site: _Site) -> bool:
    left, right = (site.shape(name) for name in site.node.input)
    if site.only_first:
        return len(right) == 2 <= len(left)
    return len(site.sources) == 2 and len(left) == len(right) >= 3


def _expansion(site: _Site) -> bool:
    return site.only_first and len(site.shape(site.node.input[0])) == site.rank


_RULES: Mapping[str, Callable[[_Site], bool]] = {
    **dict.fromkeys(
        [
            *("Abs", "Ceil", "Celu", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu"),
            *("HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Not"),
            *("Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus"),
            *("Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu", "Cast"),
            *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool"),
            *("GlobalLpPool", "GlobalMaxPool", "BatchNormalization", "InstanceNormalization"),
            *("GroupNormalization", "LRN", "DepthToSpace", "SpaceToDepth", "Resize", "QLinearConv"),
            *("Reshape", "Squeeze", "Unsqueeze", "Upsample"),
        ],
        _alone,
    ),
    **dict.fromkeys(BROADCASTING, _broadcast),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(["Softmax", "LogSoftmax", "LayerNormalization", "TopK"], _along(-1)),
    **dict.fromkeys(["ArgMax", "ArgMin", "Split"], _along(0)),
    **dict.fromkeys(["DequantizeLinear", "QuantizeLinear"], _scaled),
    "Concat": _concatenation,
    "Expand": _expansion,
    "Flatten": _along(1),
    "Gather": _gather,
    "Gemm": _gemm,
    "MatMul": _product,
    "Pad": _padding,
    "Slice": _slice,
    "Transpose": _transposition,
}
"""Operators that keep images apart, and under which condition."""
