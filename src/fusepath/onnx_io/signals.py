"""Networks on signals, (1, C, L): inside, a signal is a map (1, C, L, 1) of one column.

So rows of it can be cut. Windows get a second axis on which they are points. A signal that is
transposed, (1, L, C), is a map of channels last, (1, L, 1, C), as far as operators leave it one:
what stands between two Transposes then is what it is in networks on pictures. A signal that the
network itself makes a map of one row, (1, C, 1, L), stays the map of one column, and windows along
its row become windows along the column.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.onnx_io.channelwise import BY_AXIS, REDUCTIONS, reduced_axes
from fusepath.onnx_io.families import BROADCASTING, ELEMENTWISE
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import (
    copied,
    input_at,
    integer,
    integers,
    present,
    whole_numbers,
    with_attributes,
)
from fusepath.onnx_io.windows import POOLS
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_RANK = 3
_PER_AXIS = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0}
"""Attributes of windows, and what they are along the axis that is new."""
_SQUEEZE_OPSET = 13
"""From here on the axes of a Squeeze are an input."""


def signals_as_maps(draft: Draft, types: Types) -> Draft | None:
    """The draft with maps of one column in place of signals, as far as operators allow.

    What has no such form gets its signal back.

    Returns:
        None where no window reads a signal.
    """
    shape = draft.input.shape
    if len(shape) != _RANK or shape[0] != 1:
        return None
    return _as_maps(draft, types, turned=False) or _as_maps(draft, types, turned=True)


def _as_maps(draft: Draft, types: Types, *, turned: bool) -> Draft | None:
    """The draft fed a map of one column, of channels first or, ``turned``, last."""
    lifting = _Lifting(draft, types)
    _, first, second = draft.input.shape
    fed = (1, first, 1, second) if turned else (1, first, second, 1)
    (lifting.turned if turned else lifting.maps).add(draft.input.name)
    nodes: list[NodeProto] = []
    windows = 0
    for node in draft.nodes:
        twin = lifting.lifted(node)
        if twin is None:
            nodes += [*lifting.back(node.input), lifting.reading_signals(node)]
            continue
        nodes.append(twin)
        windows += node.op_type in _WINDOWS
    if not windows:
        return None
    return replace(
        draft,
        input=replace(draft.input, shape=fed),
        nodes=tuple(nodes),
        constants=lifting.constants,
    )


class _Lifting:
    """Which signals are maps, and what is made for them."""

    def __init__(self, draft: Draft, types: Types) -> None:
        self.draft, self.types = draft, types
        self.constants = dict(draft.constants)
        self.maps: set[str] = set()
        self.turned: set[str] = set()
        """Signals (1, L, C) that are (1, L, 1, C)."""
        self.lying: set[str] = set()
        """Maps of one row (1, C, 1, L) that are (1, C, L, 1)."""
        self._names = Names(draft.tensor_names())
        self._labels = Names(node.name for node in draft.nodes)
        self._signals: dict[str, str] = {}

    def lifted(self, node: NodeProto) -> NodeProto | None:
        """The node on maps; None where it has no such form, or reads no map."""
        read = self.draft.activations(node)
        made = [shape_of(name, self.types) for name in present(node.output)]
        if not read:
            return None
        for known, rules, moves in (
            (self.maps, _RULES, {"Transpose": self.turned, "Unsqueeze": self.lying}),
            (self.turned, _TURNED_RULES, {"Transpose": self.maps}),
            (self.lying, _LYING_RULES, {"Squeeze": self.maps}),
        ):
            rule = rules.get(node.op_type)
            into = moves.get(node.op_type, known)
            rank = _RANK + (into is self.lying)
            if rule is None or not known.issuperset(read) or any(len(of) != rank for of in made):
                continue
            if into is self.lying and set(node.output) & set(self.draft.outputs):
                continue  # its owner wants a row
            twin = rule(node, self)
            if twin is not None:
                into.update(present(node.output))
                return twin
        return None

    def back(self, names: Iterable[str]) -> list[NodeProto]:
        """Nodes that make signals of maps, for whoever needs them so."""
        made = []
        for name in dict.fromkeys(names):
            if name not in self.maps | self.turned | self.lying or name in self._signals:
                continue
            self._signals[name] = self._names.fresh(f"{name}_signal")
            if name in self.lying:
                made.append(self._laid(name, self._signals[name]))
            else:
                axis = _RANK if name in self.maps else _RANK - 1
                made.append(self._squeeze(name, self._signals[name], axis))
        return made

    def reading_signals(self, node: NodeProto) -> NodeProto:
        """The node as it was, on the signals that have been made again."""
        twin = copied(node)
        for index, name in enumerate(node.input):
            twin.input[index] = self._signals.get(name, name)
        return twin

    def _squeeze(self, source: str, target: str, axis: int) -> NodeProto:
        label = self._labels.fresh(target)
        if self.draft.opset < _SQUEEZE_OPSET:
            return helper.make_node("Squeeze", [source], [target], label, axes=[axis])
        axes = self.constant(f"{target}_axes", np.array([axis], dtype=np.int64))
        return helper.make_node("Squeeze", [source, axes], [target], label)

    def _laid(self, source: str, target: str) -> NodeProto:
        label = self._labels.fresh(target)
        return helper.make_node("Transpose", [source], [target], label, perm=[0, 1, 3, 2])

    def constant(self, label: str, value: np.ndarray) -> str:
        """A new constant, by its name."""
        name = self._names.fresh(label)
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def with_column(self, name: str) -> str | None:
        """A constant with one more axis at its end; None for what is none."""
        value = self.draft.array(name)
        return None if value is None else self.constant(f"{name}_map", value[..., None])


def _alike(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    """What else it reads are numbers, or by channel."""
    return (
        node if all(name in lifting.draft.constants for name in present(node.input[1:])) else None
    )


def _broadcast(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    twin = copied(node)
    for index, name in enumerate(node.input):
        value = lifting.draft.array(name)
        if value is not None and value.ndim > 0:
            twin.input[index] = lifting.with_column(name) or ""
    return twin


def _window(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    changed: dict[str, int | list[int]] = {}
    for name, point in _PER_AXIS.items():
        stated = integers(node, name)
        if stated is not None:
            changed[name] = [*stated, point]
    pads = integers(node, "pads")
    if pads is not None:
        changed["pads"] = [pads[0], 0, pads[1], 0]
    if integers(node, "output_shape") is not None:
        return None
    twin = with_attributes(node, **changed)
    if node.op_type not in POOLS:
        weights = lifting.with_column(input_at(node, 1))
        if weights is None:
            return None
        twin.input[1] = weights
    return twin


def _concatenation(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    twin = _broadcast(node, lifting)
    return None if twin is None else with_attributes(twin, axis=integer(node, "axis", 1) % _RANK)


def _split(node: NodeProto, lifting: _Lifting) -> NodeProto | None:  # noqa: ARG001
    return with_attributes(node, axis=integer(node, "axis", 0) % _RANK)


def _padding(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    stated = integers(node, "pads")
    if stated is not None:
        return with_attributes(node, pads=[*stated[:_RANK], 0, *stated[_RANK:], 0])
    value = lifting.draft.array(input_at(node, 1))
    if value is None or input_at(node, 3):
        return None
    whole = np.concatenate([value[:_RANK], [0], value[_RANK:], [0]]).astype(np.int64)
    twin = copied(node)
    twin.input[1] = lifting.constant(f"{node.input[1]}_map", whole)
    return twin


def _reducing(
    moved: Mapping[int, Sequence[int]],
) -> Callable[[NodeProto, _Lifting], NodeProto | None]:
    """A reduction that keeps its axes: which of a map are those of a signal."""

    def rule(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
        axes = reduced_axes(node, lifting.draft, _RANK)
        if not axes or 0 in axes:
            return None
        of_map = sorted(axis for each in axes for axis in moved[each])
        if not input_at(node, 1):
            return with_attributes(node, axes=of_map)
        twin = copied(node)
        twin.input[1] = lifting.constant(f"{node.input[1]}_map", np.array(of_map, np.int64))
        return twin

    return rule


def _normalising(axis: int) -> Callable[[NodeProto, _Lifting], NodeProto | None]:
    """A Softmax or the like over channels, which are another axis of a map."""

    def rule(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
        own = min(axis, _RANK - 1)
        alone = lifting.draft.opset >= BY_AXIS and integer(node, "axis", -1) % _RANK == own
        return with_attributes(node, axis=axis) if alone else None

    return rule


def _row(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    """An Unsqueeze that lays a signal down as a row, or a Squeeze that takes it up again."""
    axes = integers(node, "axes") or whole_numbers(lifting.draft.array(input_at(node, 1)))
    if axes is None or [axis % (_RANK + 1) for axis in axes] != [2]:
        return None
    return helper.make_node("Identity", node.input[:1], node.output[:1], node.name)


def _lying_window(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    if integers(node, "output_shape") is not None:
        return None
    changed = {
        name: list(reversed(stated))
        for name in _PER_AXIS
        if (stated := integers(node, name)) is not None
    }
    pads = integers(node, "pads")
    if pads is not None:
        changed["pads"] = [pads[1], pads[0], pads[3], pads[2]]
    twin = with_attributes(node, **changed)
    if node.op_type not in POOLS:
        weights = lifting.draft.array(input_at(node, 1))
        if weights is None:
            return None
        upright = np.ascontiguousarray(weights.swapaxes(2, 3))
        twin.input[1] = lifting.constant(f"{node.input[1]}_map", upright)
    return twin


def _broadcasting(
    form: Callable[[np.ndarray], np.ndarray],
) -> Callable[[NodeProto, _Lifting], NodeProto | None]:
    """An operator whose constants have another form beside maps."""

    def rule(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
        twin = copied(node)
        for index, name in enumerate(node.input):
            value = lifting.draft.array(name)
            if value is None or value.ndim == 0:
                continue
            formed = form(value)
            if formed is not value:
                twin.input[index] = lifting.constant(f"{name}_map", formed)
        return twin

    return rule


def _upright(value: np.ndarray) -> np.ndarray:
    """Of a row, a column."""
    return np.ascontiguousarray(
        value.reshape(*(1,) * (2 - value.ndim), *value.shape).swapaxes(-1, -2)
    )


def _channels_last(value: np.ndarray) -> np.ndarray:
    """Of (L, C), what lies beside (L, 1, C); channels alone stay as they are."""
    return value if value.ndim == 1 else value[..., None, :]


def _lying_concatenation(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    joins_channels = integer(node, "axis", 1) % (_RANK + 1) == 1
    return _broadcasting(_upright)(node, lifting) if joins_channels else None


def _turning(*perm: int) -> Callable[[NodeProto, _Lifting], NodeProto | None]:
    """A Transpose that puts channels last, or first again."""

    def rule(node: NodeProto, lifting: _Lifting) -> NodeProto | None:  # noqa: ARG001
        stated = integers(node, "perm")
        return with_attributes(node, perm=list(perm)) if stated == (0, 2, 1) else None

    return rule


def _matrix_product(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    factor = lifting.draft.array(node.input[1])
    return node if factor is not None and factor.ndim == 2 else None


def _over_channels(node: NodeProto, lifting: _Lifting) -> NodeProto | None:
    last = integer(node, "axis", -1) % _RANK == _RANK - 1
    return with_attributes(node, axis=-1) if last and _alike(node, lifting) is not None else None


_WINDOWS = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool"})
_RULES: Mapping[str, Callable[[NodeProto, _Lifting], NodeProto | None]] = {
    **dict.fromkeys(ELEMENTWISE, _alike),
    **dict.fromkeys(BROADCASTING, _broadcast),
    **dict.fromkeys(["BatchNormalization", "DequantizeLinear", "QuantizeLinear"], _alike),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization"], _alike),
    **dict.fromkeys(_WINDOWS, _window),
    **dict.fromkeys(REDUCTIONS, _reducing({1: (1,), 2: (2, 3)})),
    **dict.fromkeys(["Softmax", "LogSoftmax"], _normalising(1)),
    "Concat": _concatenation,
    "Split": _split,
    "Pad": _padding,
    "Transpose": _turning(0, 2, 3, 1),
    "Unsqueeze": _row,
}
_TURNED_RULES: Mapping[str, Callable[[NodeProto, _Lifting], NodeProto | None]] = {
    **dict.fromkeys(ELEMENTWISE, _alike),
    **dict.fromkeys(BROADCASTING, _broadcasting(_channels_last)),
    **dict.fromkeys(REDUCTIONS, _reducing({1: (1, 2), 2: (3,)})),
    **dict.fromkeys(["Softmax", "LogSoftmax"], _normalising(_RANK)),
    "MatMul": _matrix_product,
    "LayerNormalization": _over_channels,
    "Transpose": _turning(0, 3, 1, 2),
}
_LYING_RULES: Mapping[str, Callable[[NodeProto, _Lifting], NodeProto | None]] = {
    **dict.fromkeys(ELEMENTWISE, _alike),
    **dict.fromkeys(BROADCASTING, _broadcasting(_upright)),
    **dict.fromkeys(["BatchNormalization", "DequantizeLinear", "QuantizeLinear"], _alike),
    **dict.fromkeys(["GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization"], _alike),
    **dict.fromkeys(_WINDOWS, _lying_window),
    "Concat": _lying_concatenation,
    "Squeeze": _row,
}
