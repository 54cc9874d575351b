"""Operators that ONNX Runtime adds of its own, spelt in ONNX's.

Its optimiser and its quantiser write them into files (domain ``com.microsoft``). ONNX Runtime makes
the same ones of what stands here, where it finds them worth it: parts compute as the whole does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import copied, input_at, integer, number, text, without_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from onnx import GraphProto, ModelProto

DOMAIN = "com.microsoft"
_BOUNDS_OPSET = 11
"""From here on the bounds of Clip are inputs."""
_NORMALISES = 17
"""ONNX has LayerNormalization from this opset on."""


def expanded(model: ModelProto, opset: int) -> ModelProto:
    """The model with operators of ONNX in place of those that are known; the others stay."""
    graph = model.graph
    wanted = [node for node in graph.node if _rule(node, opset) is not None]
    if not wanted:
        return model
    expansion = _Expansion(graph, opset)
    nodes: list[NodeProto] = []
    for node in graph.node:
        rule = _rule(node, opset)
        made = None if rule is None else rule(expansion.of(node))
        nodes += [node] if made is None else made
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(expansion.constants)
    return model


def _rule(node: NodeProto, opset: int) -> Callable[[_Expansion], list[NodeProto] | None] | None:
    if node.domain == DOMAIN:
        return _RULES.get(node.op_type)
    layer_norm = node.op_type == "LayerNormalization" and opset < _NORMALISES
    return _layer_normalisation if layer_norm and not node.domain else None


class _Expansion:
    """One node on its way to several."""

    def __init__(self, graph: GraphProto, opset: int) -> None:
        taken = {name for node in graph.node for name in (*node.input, *node.output)}
        self._names = Names({*taken, *(tensor.name for tensor in graph.initializer)})
        self.opset = opset
        self.constants: list[Any] = []
        self.node = NodeProto()
        self.made: list[NodeProto] = []

    def of(self, node: NodeProto) -> _Expansion:
        """Begin with a node."""
        self.node, self.made = node, []
        return self

    def at(self, index: int) -> str:
        """An input of the node; empty where it is left out."""
        return input_at(self.node, index)

    def add(self, op_type: str, *inputs: str, **attributes: object) -> str:
        """One more node, by what it makes."""
        output = self._names.fresh(f"{self.node.output[0]}_{op_type.lower()}")
        name = self.node.name and f"{self.node.name}_{op_type.lower()}"
        self.made.append(helper.make_node(op_type, inputs, [output], name, **attributes))
        return output

    def like(self, op_type: str, *inputs: str, less: Iterable[str] = ()) -> str:
        """One more node, with the attributes of the one that is expanded."""
        output = self.add(op_type, *inputs)
        kept = without_attributes(self.node, less).attribute
        self.made[-1].attribute.extend(kept)
        return output

    def constant(self, value: float) -> str:
        """A number of float32."""
        name = self._names.fresh(f"{self.node.output[0]}_number")
        self.constants.append(numpy_helper.from_array(np.float32(value), name))
        return name

    def finished(self) -> list[NodeProto]:
        """The nodes, of which the last makes what the one has made."""
        self.made[-1].output[0] = self.node.output[0]
        self.made[-1].name = self.node.name
        return self.made


def _standard(site: _Expansion) -> list[NodeProto]:
    """One that ONNX has as well."""
    twin = copied(site.node)
    twin.domain = ""
    return [twin]


def _activated(site: _Expansion, value: str, parameters: tuple[float, ...]) -> bool:
    """Add the activation that the node states; False for one that is not known."""
    kind = text(site.node, "activation", "")
    names = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta")}.get(kind, ())
    if kind == "Clip" and len(parameters) == 2:
        low, high = parameters
        if site.opset < _BOUNDS_OPSET:
            site.add("Clip", value, min=low, max=high)
        else:
            site.add("Clip", value, site.constant(low), site.constant(high))
    elif kind in {"Relu", "Sigmoid", "Tanh"} or (names and len(parameters) >= len(names)):
        site.add(kind, value, **dict(zip(names, parameters, strict=False)))
    else:
        return not kind
    return True


def _convolution(site: _Expansion) -> list[NodeProto] | None:
    inputs = [site.at(index) for index in range(3)]
    value = site.like(
        "Conv", *(inputs if inputs[2] else inputs[:2]), less=["activation", "activation_params"]
    )
    if site.at(3):
        value = site.add("Add", value, site.at(3))
    stated = [a.floats for a in site.node.attribute if a.name == "activation_params"]
    known = _activated(site, value, tuple(stated[0]) if stated else ())
    return site.finished() if known else None


def _gemm(site: _Expansion) -> list[NodeProto] | None:
    parts = [f"activation_{part}" for part in ("alpha", "beta", "gamma")]
    value = site.like("Gemm", *site.node.input, less=["activation", *parts])
    given = {attribute.name for attribute in site.node.attribute}
    parameters = tuple(number(site.node, part, 0.0) for part in parts if part in given)
    return site.finished() if _activated(site, value, parameters) else None


def _matmul(site: _Expansion) -> list[NodeProto] | None:
    if integer(site.node, "transBatchA", 0) or integer(site.node, "transBatchB", 0):
        return None
    sides = [
        site.add("Einsum", site.at(index), equation="...ij->...ji")
        if integer(site.node, attribute, 0)
        else site.at(index)
        for index, attribute in enumerate(("transA", "transB"))
    ]
    value = site.add("MatMul", *sides)
    alpha = number(site.node, "alpha", 1.0)
    if alpha != 1.0:
        site.add("Mul", value, site.constant(alpha))
    return site.finished()


def _gelu(site: _Expansion) -> list[NodeProto]:
    value = site.at(0)
    if site.at(1):
        value = site.add("Add", value, site.at(1))
    erf = site.add("Erf", site.add("Div", value, site.constant(np.sqrt(2))))
    shifted = site.add("Add", erf, site.constant(1))
    site.add("Mul", site.add("Mul", value, shifted), site.constant(0.5))
    return site.finished()


def _fast_gelu(site: _Expansion) -> list[NodeProto]:
    value = site.at(0)
    if site.at(1):
        value = site.add("Add", value, site.at(1))
    cube = site.add("Mul", site.add("Mul", value, value), value)
    inner = site.add("Add", value, site.add("Mul", cube, site.constant(0.044715)))
    tanh = site.add("Tanh", site.add("Mul", inner, site.constant(np.sqrt(2 / np.pi))))
    half = site.add("Mul", value, site.constant(0.5))
    site.add("Mul", half, site.add("Add", tanh, site.constant(1)))
    return site.finished()


def _quick_gelu(site: _Expansion) -> list[NodeProto]:
    scaled = site.add("Mul", site.at(0), site.constant(number(site.node, "alpha", 1.702)))
    site.add("Mul", site.at(0), site.add("Sigmoid", scaled))
    return site.finished()


def _layer_normalisation(site: _Expansion) -> list[NodeProto] | None:
    """Over the last axis, which is how it comes to be in models of older opsets."""
    if integer(site.node, "axis", -1) != -1 or len(site.node.output) > 1:
        return None
    mean = site.add("ReduceMean", site.at(0), axes=[-1])
    centred = site.add("Sub", site.at(0), mean)
    square = site.add("Mul", centred, centred)
    variance = site.add("ReduceMean", square, axes=[-1])
    epsilon = site.constant(number(site.node, "epsilon", 1e-5))
    deviation = site.add("Sqrt", site.add("Add", variance, epsilon))
    value = site.add("Mul", site.add("Div", centred, deviation), site.at(1))
    if site.at(2):
        site.add("Add", value, site.at(2))
    return site.finished()


def _pool_of_channels_last(site: _Expansion) -> list[NodeProto]:
    return _turned(site, lambda source: site.like("MaxPool", source))


def _turned(site: _Expansion, make: Callable[[str], str]) -> list[NodeProto]:
    """A node on (N, H, W, C) made of one on (N, C, H, W)."""
    made = make(site.add("Transpose", site.at(0), perm=[0, 3, 1, 2]))
    site.add("Transpose", made, perm=[0, 2, 3, 1])
    return site.finished()


def _quantised_convolution(site: _Expansion) -> list[NodeProto]:
    def conv(source: str) -> str:
        return site.like("QLinearConv", source, *site.node.input[1:], less=["channels_last"])

    if integer(site.node, "channels_last", 0):
        return _turned(site, conv)
    conv(site.at(0))
    return site.finished()


def _dequantised(site: _Expansion, index: int) -> str:
    """What an input stands for, behind which are its scale and its zero point."""
    zero = [name] if (name := site.at(index + 2)) else []
    return site.add("DequantizeLinear", site.at(index), site.at(index + 1), *zero)


def _quantising(site: _Expansion, value: str, index: int) -> list[NodeProto]:
    """The nodes with what they make quantised by the inputs from ``index`` on."""
    site.add("QuantizeLinear", value, *(name for name in map(site.at, (index, index + 1)) if name))
    return site.finished()


def _quantised(op_type: str, sources: int = 1) -> Callable[[_Expansion], list[NodeProto] | None]:
    """For an operator between DequantizeLinear and QuantizeLinear."""

    def rule(site: _Expansion) -> list[NodeProto] | None:
        own = ["channels_last", "opset"]
        stated = integer(site.node, "opset", site.opset)
        # What a Softmax means has changed with opset 13.
        if (stated < 13) != (site.opset < 13):
            return None

        if integer(site.node, "channels_last", 0):
            zero = [name] if (name := site.at(2)) else []
            value = site.add("Transpose", site.at(0), perm=[0, 3, 1, 2])
            value = site.add("DequantizeLinear", value, site.at(1), *zero)
            value = site.like(op_type, value, less=own)
            scales = [name for name in map(site.at, (3, 4)) if name]
            value = site.add("QuantizeLinear", value, *scales)
            site.add("Transpose", value, perm=[0, 2, 3, 1])
            return site.finished()
        values = [_dequantised(site, 3 * index) for index in range(sources)]
        return _quantising(site, site.like(op_type, *values, less=own), 3 * sources)

    return rule


def _quantised_concatenation(site: _Expansion) -> list[NodeProto]:
    values = [_dequantised(site, index) for index in range(2, len(site.node.input), 3)]
    return _quantising(site, site.like("Concat", *values), 0)


def _quantised_choice(site: _Expansion) -> list[NodeProto]:
    values = [_dequantised(site, index) for index in (1, 4)]
    return _quantising(site, site.add("Where", site.at(0), *values), 7)


def _quantised_gemm(site: _Expansion) -> list[NodeProto]:
    left = _dequantised(site, 0)
    right = _dequantised(site, 3)
    attributes = {} if integer(site.node, "transB", 0) == 0 else {"axis": 0}
    site.made[-1].attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    inputs = [left, right]
    if site.at(6):
        scale = site.add("Mul", site.at(1), site.at(4))
        alpha = number(site.node, "alpha", 1.0)
        if alpha != 1.0:
            scale = site.add("Mul", scale, site.constant(alpha))
        inputs.append(site.add("DequantizeLinear", site.at(6), scale, axis=0))
    value = site.like("Gemm", *inputs)
    return _quantising(site, value, 7) if site.at(7) else site.finished()


_RULES: Mapping[str, Callable[[_Expansion], list[NodeProto] | None]] = {
    "BiasGelu": _gelu,
    "DequantizeLinear": _standard,
    "FastGelu": _fast_gelu,
    "FusedConv": _convolution,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "Gelu": _gelu,
    "NhwcMaxPool": _pool_of_channels_last,
    "QGemm": _quantised_gemm,
    "QLinearAdd": _quantised("Add", 2),
    "QLinearAveragePool": _quantised("AveragePool"),
    "QLinearConcat": _quantised_concatenation,
    "QLinearConv": _quantised_convolution,
    "QLinearGlobalAveragePool": _quantised("GlobalAveragePool"),
    "QLinearLeakyRelu": _quantised("LeakyRelu"),
    "QLinearMul": _quantised("Mul", 2),
    "QLinearSigmoid": _quantised("Sigmoid"),
    "QLinearSoftmax": _quantised("Softmax"),
    "QLinearWhere": _quantised_choice,
    "QuantizeLinear": _standard,
    "QuickGelu": _quick_gelu,
    "TransposeMatMul": _matmul,
}
