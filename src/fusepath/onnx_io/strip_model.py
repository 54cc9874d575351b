"""The stateful sub-model of a strip: cached rows go in, and come out for the next strip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from fusepath.graph import Kind, Window
from fusepath.onnx_io.declare import declare_tensor
from fusepath.onnx_io.nodes import copied, integers, present, with_attributes
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.slicing import ENDLESS, SLICE_TAKES_INPUTS, slice_bounds
from fusepath.onnx_io.submodel import encode_model, resamples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fusepath.arrays import Array
    from fusepath.onnx_io.model import Model
    from fusepath.tiling import MapRows, StripOperation, StripStep

_RANK = 4
_PAD_TAKES_INPUTS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class StripModel:
    """An encoded ONNX model of one strip of some layers.

    Its inputs are ``new_name(t)`` for maps in ``new_inputs`` and ``cached_name(t)`` for maps in
    ``cached_inputs``; its outputs ``new_name(t)``, ``sent_name(t)`` and ``kept_name(t)`` likewise.
    """

    data: bytes = field(repr=False)
    weights: Mapping[str, NDArray[Any]] = field(repr=False)
    """Values of the constants that ``data`` only names; the network's own, no copies."""
    new_inputs: tuple[str, ...]
    cached_inputs: tuple[str, ...]
    cached_rows: tuple[slice, ...]
    """Which rows of each are taken; more may have been kept."""
    new_outputs: tuple[str, ...]
    sent_outputs: tuple[str, ...]
    """Maps of which other rows come out than are new."""
    kept_outputs: tuple[str, ...]


def new_name(tensor: str) -> str:
    """Name, in a strip's model, of the rows of a map that the strip adds."""
    return f"{tensor}:new"


def cached_name(tensor: str) -> str:
    """Name of the rows that the strip before has kept."""
    return f"{tensor}:cached"


def made_name(tensor: str) -> str:
    """Name of what an operator makes where that is more than the strip adds."""
    return f"{tensor}:made"


def sent_name(tensor: str) -> str:
    """Name of the rows that come out of a map where these are others than the new ones."""
    return f"{tensor}:sent"


def kept_name(tensor: str) -> str:
    """Name of the rows kept for the strip after."""
    return f"{tensor}:kept"


def strip_signature(step: StripStep, wanted: Sequence[str]) -> tuple[object, ...]:
    """What a strip's model depends on: strips of equal signature share one session."""
    return *step.likeness, tuple(wanted)


def build_strip_model(model: Model, step: StripStep, wanted: Sequence[str]) -> StripModel:
    """The model that does one strip of a layer range, and every strip of the same signature.

    Rows are static, columns are the whole width. Every window operator gets the padding that is
    left at this strip; where two branches have come down to different rows, each reads its own
    part of what is cached and new. Strips that go upwards have what is new above what is cached.

    Args:
        model: the network.
        step: rows of every map and operator (`StripTiling.step`).
        wanted: maps made in the range whose new rows are to come out.
    """
    builder = _Builder(model, step)
    for item in step.operations:
        builder.operation(item)
    made = {out for item in step.operations for out in item.operator.outputs}
    new_outputs = tuple(name for name in wanted if name in made and name not in step.sent)
    sent_outputs = tuple(name for name, rows in step.sent.items() if builder.send(name, *rows))
    kept_outputs = tuple(name for name in step.maps if builder.keep(name))
    return builder.finish(new_outputs, sent_outputs, kept_outputs)


class _Builder:
    """Collects nodes over maps whose rows arrive in two pieces, cached and new."""

    def __init__(self, model: Model, step: StripStep) -> None:
        self._model = model
        self._step = step
        self._opset = max(
            (
                entry.version
                for entry in model.proto.opset_import
                if entry.domain in ("", "ai.onnx")
            ),
            default=1,
        )
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._slices: dict[tuple[str, int, int], str] = {}
        self._buffers: dict[str, str] = {}
        self._weights: set[str] = set()
        self._made: set[str] = set()
        self._used: set[str] = set()
        self._resampled = resamples(item.operator for item in step.operations)

    def operation(self, item: StripOperation) -> None:
        """The operator, reading its own rows and padded as is left to it."""
        op = item.operator
        readings = {r.tensor: self._rows(r.tensor, r.start, r.stop) for r in item.readings}
        cropped = item.crop_begin > 0 or item.crop_end > 0
        made = {name: made_name(name) if cropped else new_name(name) for name in op.outputs}
        inner: set[str] = set()
        for original in self._model.nodes[op.name]:
            node = copied(original)
            if node.name == op.name:
                node = self._fitted(item, node)
            self._weights.update(
                name
                for name in present(node.input)
                if name not in readings and name not in self._constants and name not in inner
            )
            inner.update(node.output)
            inputs = [readings.get(name, name) for name in node.input]
            outputs = [made.get(name, name) for name in node.output]
            node.ClearField("input")
            node.ClearField("output")
            node.input.extend(inputs)
            node.output.extend(outputs)
            self._nodes.append(node)
        if cropped:
            before = item.crop_end if self._step.upward else item.crop_begin
            rows, name = item.rows[1] - item.rows[0], op.outputs[0]
            self._nodes.append(self._slice(made[name], new_name(name), before, before + rows))
        self._made.update(op.outputs)

    def _fitted(self, item: StripOperation, node: NodeProto) -> NodeProto:
        """The node with what is left to it of padding and slicing along the rows."""
        op = item.operator
        rows = (item.pad_begin, item.pad_end)
        if self._step.upward:
            rows = (item.pad_end, item.pad_begin)
        match op.op_type:
            case "Conv" | "QLinearConv" | "MaxPool" | "AveragePool":
                assert isinstance(op.cols, Window)
                pads = [rows[0], op.cols.pad_begin, rows[1], op.cols.pad_end]
                return with_attributes(node, pads=pads)
            case "ConvTranspose":
                _, left, _, right = integers(node, "pads") or (0, 0, 0, 0)
                _, added = integers(node, "output_padding") or (0, 0)
                node = with_attributes(node, pads=[0, left, 0, right])
                return with_attributes(node, output_padding=[rows[1], added])
            case "Pad" if op.kind is Kind.WINDOW:
                return self._pad(node, rows)
            case "Slice" if op.kind is Kind.WINDOW:
                return self._stepping(node)
        return node

    def _pad(self, node: NodeProto, rows: tuple[int, int]) -> NodeProto:
        """A Pad with so much added to the rows."""
        padding = padding_of(node, self._array, _RANK)
        assert padding is not None  # or no tile could pass it
        pads = [*padding.begins, *padding.ends]
        pads[2], pads[6] = rows
        if self._opset < _PAD_TAKES_INPUTS:
            return with_attributes(node, pads=pads)
        inputs = [node.input[0], self._integers(pads), *node.input[2:3]]
        node.ClearField("input")
        node.input.extend(inputs)
        return node

    def _stepping(self, node: NodeProto) -> NodeProto:
        """A Slice that is fed from its first row to its last, and leaves out those between."""
        bounds = slice_bounds(node, self._array) or []
        starts, ends, axes, steps = (
            [0 if axis == 2 else start for axis, start, _, _ in bounds],
            [ENDLESS if axis == 2 else end for axis, _, end, _ in bounds],
            [axis for axis, *_ in bounds],
            [step for *_, step in bounds],
        )
        if self._opset < SLICE_TAKES_INPUTS:
            return with_attributes(node, starts=starts, ends=ends)
        inputs = [node.input[0], *map(self._integers, (starts, ends, axes, steps))]
        node.ClearField("input")
        node.input.extend(inputs)
        return node

    def _array(self, name: str) -> Array | None:
        for tensor in self._model.proto.graph.initializer:
            if tensor.name == name:
                value: Array = numpy_helper.to_array(tensor)
                return value
        return None

    def keep(self, tensor: str) -> bool:
        """Put out what the next strip needs of a map; False if it needs nothing."""
        rows = self._step.maps[tensor]
        if rows.kept >= rows.reached:
            return False
        source = self._rows(tensor, rows.kept, rows.reached)
        self._nodes.append(
            helper.make_node("Identity", [source], [kept_name(tensor)], name=kept_name(tensor))
        )
        return True

    def send(self, tensor: str, start: int, stop: int) -> bool:
        """Put out absolute rows of a map; False if there are none."""
        if start == stop:
            return False
        source, name = self._rows(tensor, start, stop), sent_name(tensor)
        self._nodes.append(helper.make_node("Identity", [source], [name], name=name))
        return True

    def finish(
        self,
        new_outputs: tuple[str, ...],
        sent_outputs: tuple[str, ...],
        kept_outputs: tuple[str, ...],
    ) -> StripModel:
        """Everything as one encoded model."""
        maps = self._step.maps
        new_inputs = tuple(
            name
            for name, rows in maps.items()
            if name in self._used and name not in self._made and rows.known < rows.reached
        )
        cached_inputs = tuple(
            name for name, rows in maps.items() if name in self._used and rows.cached < rows.known
        )
        graph = GraphProto(name=f"{self._model.graph.name}_strip")
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._constants.values())
        graph.input.extend(self._declare(new_name(n), n, *_new(maps[n])) for n in new_inputs)
        graph.input.extend(
            self._declare(cached_name(n), n, maps[n].cached, maps[n].known) for n in cached_inputs
        )
        graph.output.extend(self._declare(new_name(n), n, *_new(maps[n])) for n in new_outputs)
        graph.output.extend(
            self._declare(sent_name(n), n, *self._step.sent[n]) for n in sent_outputs
        )
        graph.output.extend(
            self._declare(kept_name(n), n, maps[n].kept, maps[n].reached) for n in kept_outputs
        )
        data, weights = encode_model(self._model, graph, self._weights)
        return StripModel(
            data=data,
            weights=weights,
            new_inputs=new_inputs,
            cached_inputs=cached_inputs,
            cached_rows=tuple(map(self._taken, cached_inputs)),
            new_outputs=new_outputs,
            sent_outputs=sent_outputs,
            kept_outputs=kept_outputs,
        )

    def _rows(self, tensor: str, start: int, stop: int) -> str:
        """Name of absolute rows ``[start, stop)`` of a map, cut out of cached and new rows."""
        rows = self._step.maps[tensor]
        whole = self._buffer(tensor)
        if (start, stop) == (rows.cached, rows.reached):
            return whole
        key = (tensor, start, stop)
        if key not in self._slices:
            begin, end = start - rows.cached, stop - rows.cached
            if self._step.upward:
                begin, end = rows.reached - stop, rows.reached - start
            name = f"{tensor}:{begin}:{end}"
            self._nodes.append(self._slice(whole, name, begin, end))
            self._slices[key] = name
        return self._slices[key]

    def _taken(self, tensor: str) -> slice:
        """Of rows that were kept, those beside what is new."""
        rows = self._step.maps[tensor]
        count = rows.known - rows.cached
        return slice(-count, None) if self._step.upward else slice(count)

    def _buffer(self, tensor: str) -> str:
        if tensor not in self._buffers:
            self._used.add(tensor)
            rows = self._step.maps[tensor]
            pieces = []
            if rows.cached < rows.known:
                pieces.append(cached_name(tensor))
            if rows.known < rows.reached:
                pieces.append(new_name(tensor))
            name = pieces[0]
            if len(pieces) == 2:
                name = f"{tensor}:rows"
                if self._step.upward:
                    pieces.reverse()
                self._nodes.append(helper.make_node("Concat", pieces, [name], name=name, axis=2))
            self._buffers[tensor] = name
        return self._buffers[tensor]

    def _slice(self, whole: str, name: str, start: int, stop: int) -> NodeProto:
        """Rows ``[start, stop)``; bounds were attributes before opset 10 and are inputs since."""
        if self._opset < SLICE_TAKES_INPUTS:
            return helper.make_node(
                "Slice", [whole], [name], name=name, starts=[start], ends=[stop], axes=[2]
            )
        bounds = [self._integers([value]) for value in (start, stop, 2)]
        return helper.make_node("Slice", [whole, *bounds], [name], name=name)

    def _integers(self, values: Sequence[int]) -> str:
        name = f"fusepath:{','.join(map(str, values))}"
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def _declare(self, name: str, tensor: str, start: int, stop: int) -> ValueInfoProto:
        about = self._model.graph.tensors[tensor]
        shape = (1, about.channels, stop - start, about.size(1))
        return declare_tensor(replace(about, name=name, shape=shape), symbolic=self._resampled)


def _new(rows: MapRows) -> tuple[int, int]:
    return rows.known, rows.reached
