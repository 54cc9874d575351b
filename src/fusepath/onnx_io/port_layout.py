"""Networks that are fed (N, H, W, C), or answer so, and compute on (N, C, H, W) inside.

Converters from TensorFlow put a Transpose behind the input and before the outputs. The normal form
begins and ends at the maps inside; what the owner feeds is turned round before it is cut.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import numpy_helper

from fusepath.onnx_io.families import BROADCASTING
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import copied, integers, present, rewired
from fusepath.onnx_io.port import CHANNELS_LAST

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_TO_CHANNELS_LAST = (0, 2, 3, 1)
_ONE_BY_ONE = frozenset(
    [
        "Abs",
        "Cast",
        "Ceil",
        "Clip",
        "DequantizeLinear",
        "Elu",
        "Exp",
        "Floor",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Neg",
        "QuantizeLinear",
        "Relu",
        "Round",
        "Sigmoid",
        "Softplus",
        "Sqrt",
        "Tanh",
    ]
)
"""Operators that do the same to every element, if their further inputs are single numbers."""


def channels_first_input(draft: Draft, types: Types) -> Draft | None:
    """The draft with an input of (N, C, H, W) in place of (N, H, W, C).

    Between the input and the Transposes behind it there may be operators that work element by
    element, such as a scaling of the pixels.

    Returns:
        None where the input is not (N, H, W, C), or is used as such.
    """
    _, *size = draft.input.shape
    if len(size) != 3:
        return None
    rewriting = _Rewriting(draft, types)
    turned = {draft.input.name}
    stands_for: dict[str, str] = {}
    nodes = []
    for node in draft.nodes:
        if not turned.intersection(node.input):
            nodes.append(rewired(node, stands_for))
        elif _permutes(node, CHANNELS_LAST) and node.output[0] not in draft.outputs:
            stands_for[node.output[0]] = node.input[0]
        else:
            twin = rewriting.channels_first(node, turned)
            if twin is None:
                return None
            nodes.append(twin)
            turned.update(present(node.output))
    if not stands_for or turned.intersection(draft.outputs):
        return None
    height, width, channels = size
    return replace(
        draft,
        input=replace(draft.input, shape=(draft.input.shape[0], channels, height, width)),
        nodes=tuple(nodes),
        constants=rewriting.constants,
    )


def channels_first_outputs(draft: Draft, types: Types) -> tuple[Draft, frozenset[str]]:
    """The draft with (N, C, H, W) in place of outputs that a Transpose makes (N, H, W, C).

    Between the Transpose and the output there may be operators that work element by element.

    Returns:
        The draft, and the names of the outputs that have changed.
    """
    changed = []
    for name in draft.outputs:
        ended = _channels_first_output(draft, types, name)
        if ended is not None:
            draft = ended
            changed.append(name)
    return draft, frozenset(changed)


def _channels_first_output(draft: Draft, types: Types, output: str) -> Draft | None:
    makers = {name: node for node in draft.nodes for name in present(node.output)}
    uses = draft.uses()
    chain: list[NodeProto] = []
    name = output
    while uses[name] == 1 and name in makers:
        node = makers[name]
        if _permutes(node, _TO_CHANNELS_LAST):
            break
        sources = draft.activations(node)
        if len(sources) != 1 or len(present(node.output)) != 1:
            return None
        chain.append(node)
        name = sources[0]
    else:
        return None
    source = node.input[0]
    # The map inside takes the name of what the Transpose made of it, so that nothing else changes.
    if source not in makers or source in draft.outputs:
        return None
    rewriting = _Rewriting(draft, types)
    turned = {name}
    twins = {}
    for each in reversed(chain):
        twin = rewriting.channels_first(each, turned)
        if twin is None:
            return None
        twins[each.name] = twin
        turned.update(present(each.output))
    nodes = [
        rewired(twins.get(each.name, each), {source: name})
        for each in draft.nodes
        if each is not node
    ]
    return replace(draft, nodes=tuple(nodes), constants=rewriting.constants)


class _Rewriting:
    """Nodes on (N, H, W, C) made nodes on (N, C, H, W), with the constants that they need."""

    def __init__(self, draft: Draft, types: Types) -> None:
        self.constants = dict(draft.constants)
        self._draft, self._types = draft, types
        self._names = Names(draft.tensor_names())

    def channels_first(self, node: NodeProto, turned: set[str]) -> NodeProto | None:
        """The node where all its activations are turned; None where that is not enough."""
        if not turned.issuperset(self._draft.activations(node)):
            return None
        if node.op_type in _ONE_BY_ONE:
            numbers = [self._draft.array(name) for name in present(node.input[1:])]
            alike = all(number is not None and number.size == 1 for number in numbers)
            return node if alike else None
        if node.op_type not in BROADCASTING:
            return None
        target = self._types.get(node.output[0])
        sources = [self._types.get(name) for name in self._draft.activations(node)]
        if target is None or any(
            source is None or source.shape != target.shape for source in sources
        ):
            return None
        twin = copied(node)
        for index, name in enumerate(node.input):
            value = self._draft.array(name)
            if value is not None and value.size > 1:
                twin.input[index] = self._turned(name, value)
        return twin

    def _turned(self, name: str, value: np.ndarray) -> str:
        """The constant with its axes turned, under a name of its own."""
        twin = self._names.fresh(f"{name}_channels_first")
        full = value.reshape((1,) * (4 - value.ndim) + value.shape).transpose(CHANNELS_LAST)
        self.constants[twin] = numpy_helper.from_array(np.ascontiguousarray(full), twin)
        return twin


def _permutes(node: NodeProto, axes: tuple[int, ...]) -> bool:
    return node.op_type == "Transpose" and integers(node, "perm") == axes
