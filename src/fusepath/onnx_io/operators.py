"""From ONNX nodes to operators over space: which can be tiled, and why the others cannot.

A node is tiled only if a rule here says so. Everything else is a barrier, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.graph import POINT, Kind, Operator, Transposed, Window, Work, product
from fusepath.onnx_io.barriers import BARRIERS
from fusepath.onnx_io.border import pad_footprints
from fusepath.onnx_io.channelwise import CHANNELS, OVER_AXES, mixes_positions
from fusepath.onnx_io.draft import TEXT
from fusepath.onnx_io.families import BROADCASTING, ELEMENTWISE
from fusepath.onnx_io.nodes import input_at, integer, present
from fusepath.onnx_io.resize import resize_footprints
from fusepath.onnx_io.slicing import crops_of, slice_bounds
from fusepath.onnx_io.transposed import transposed_of
from fusepath.onnx_io.units import DEQUANTISE, QUANTISE
from fusepath.onnx_io.windows import WEIGHTS_AT, crops_its_input, kernel_of, windows_of
from fusepath.onnx_io.work import barrier_work, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from onnx import NodeProto

    from fusepath.graph import Footprint
    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.units import Unit

_RANK = 4
_TYPES = frozenset({"float32", "float16", "bool", "uint8"})
"""Element types of maps that are tiled; a Cast may read and write any."""
_TILED = "floats, uint8 and bool"
_MOST_BESIDE = 4096
"""Bytes of companions beside which maps are tiled; what it takes to send them is not planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiled:
    """How a tileable node acts on space."""

    kind: Kind
    work: Work
    rows: Footprint = POINT
    cols: Footprint = POINT


@dataclass(frozen=True, slots=True)
class _Site:
    """A node with what its rule needs to know."""

    node: NodeProto
    draft: Draft
    types: Types
    weights: frozenset[str] = frozenset()
    """What is dequantised of constants for it."""

    @property
    def source(self) -> str:
        return input_at(self.node, 0)

    def shape(self, name: str) -> tuple[int, ...]:
        return shape_of(name, self.types)

    def is_constant(self, index: int) -> bool:
        """True when an input is a constant or left out."""
        name = input_at(self.node, index)
        return not name or self.is_known(name)

    def is_known(self, name: str) -> bool:
        """True for a constant, quantised or not."""
        return name in self.draft.constants or name in self.weights

    @property
    def activations(self) -> tuple[str, ...]:
        return tuple(n for n in self.draft.activations(self.node) if n not in self.weights)

    def output_channels(self) -> int:
        return sum(self.shape(name)[CHANNELS] for name in present(self.node.output))

    def axis(self, default: int) -> int:
        """The attribute ``axis``, counted from the front."""
        value = integer(self.node, "axis", default)
        return value + _RANK if value < 0 else value


_Verdict = _Tiled | str
"""How a node is tiled, or the reason why it is not."""


def operators(found: Sequence[Unit], draft: Draft, types: Types) -> tuple[Operator, ...]:
    """One operator per unit of a normalised draft, in the same order, called as its main node."""
    return tuple(_operator(unit, draft, types) for unit in found)


def _operator(unit: Unit, draft: Draft, types: Types) -> Operator:
    site = _Site(unit.main, draft, types, unit.weights(draft))
    verdict = _verdict(site)
    for node in (*unit.before, *unit.after):
        if draft.activations(node):
            own = _verdict(_Site(node, draft, types))
            verdict = own if isinstance(own, str) else verdict
    if isinstance(verdict, str):
        tiled = _Tiled(kind=Kind.BARRIER, work=barrier_work(unit.main, types))
        reason = verdict
    else:
        tiled, reason = verdict, ""
    return Operator(
        name=unit.main.name,
        op_type=unit.main.op_type,
        kind=tiled.kind,
        inputs=unit.inputs(draft),
        outputs=unit.outputs,
        work=tiled.work,
        rows=tiled.rows,
        cols=tiled.cols,
        weight_bytes=_weight_bytes(unit, draft),
        barrier_reason=reason,
    )


def _weight_bytes(unit: Unit, draft: Draft) -> int:
    read = {name for node in unit.nodes for name in node.input}
    weights = [draft.constants[name] for name in read if name in draft.constants]
    return sum(
        product(weight.dims) * helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize
        for weight in weights
    )


def _verdict(site: _Site) -> _Verdict:
    if site.node.op_type in BARRIERS:
        return BARRIERS[site.node.op_type]
    rule = _RULES.get(site.node.op_type)
    if rule is None:
        return "there is no rule for computing it tile by tile"
    if reason := _beside(site):
        return reason
    activations = site.activations
    if not activations:
        return "reads constants only, which are not folded"
    outputs = present(site.node.output)
    reason = _not_maps(activations[:1], site)
    if not reason and site.node.op_type in OVER_AXES:
        reason = mixes_positions(site.node, site.draft, site.types)
    reason = reason or _not_maps(outputs[:1], site)
    verdict = reason or rule(site)
    if isinstance(verdict, str):
        return verdict
    return _not_maps((*activations, *outputs), site) or verdict


def _beside(site: _Site) -> str:
    """Why inputs besides the one that is cut are in the way; empty when they are not."""
    companions = {tensor.name: tensor for tensor in site.draft.companions}
    sizes = {n: t.elements * np.dtype(t.dtype).itemsize for n, t in companions.items()}
    if sum(sizes.values()) > _MOST_BESIDE:
        name = max(sizes, key=lambda name: sizes[name])
        return f"stands beside the input '{name}' of {sizes[name]} bytes, which is not cut"
    read = [name for name in site.activations if name in companions]
    return f"reads the input '{read[0]}', which is not cut" if read else ""


def _not_maps(names: tuple[str, ...], site: _Site) -> str:
    """Why these tensors are not maps that can be cut; empty when they are."""
    for name in names:
        known = site.types[name]
        if known.dtype == "int8":
            return (
                "works on int8, where parts may round otherwise than the whole; quantise to uint8"
            )
        if known.dtype not in _TYPES and site.node.op_type != "Cast":
            given = "text" if known.dtype == TEXT else known.dtype
            return f"works on {given}; only maps of {_TILED} are tiled"
        if not known.is_map:
            return f"'{name}' of shape {known.shape} is not a batch-1 map (1, C, H, W)"
    return ""


def _per_position(site: _Site) -> _Tiled:
    return _Tiled(kind=Kind.POINTWISE, work=Work(elements=site.output_channels()))


def _convolution(site: _Site) -> _Verdict:
    if site.source in site.draft.constants:
        return "its input is constant"
    if not site.is_constant(1):
        return "its weights are not constant"
    if not site.is_constant(2):
        return "its bias is not constant"
    return _convolving(site)


def _quantised_convolution(site: _Site) -> _Verdict:
    if site.source in site.draft.constants:
        return "its input is constant"
    if not all(site.is_constant(index) for index in range(1, len(site.node.input))):
        return "its weights, bias or scales are not constant"
    return _convolving(site)


def _convolving(site: _Site) -> _Verdict:
    if crops_its_input(site.node):
        return _CROPS
    kernel = kernel_of(site.node, site.types) or ()
    rows, cols = windows_of(site.node, kernel, site.draft.model)
    macs = product(site.shape(input_at(site.node, WEIGHTS_AT[site.node.op_type])))
    return _Tiled(kind=Kind.WINDOW, work=Work(macs=macs), rows=rows, cols=cols)


def _pool(site: _Site) -> _Verdict:
    if len(present(site.node.output)) > 1:
        return "its indices count positions of the whole map"
    if crops_its_input(site.node):
        return _CROPS
    kernel = kernel_of(site.node, site.types) or ()
    rows, cols = windows_of(site.node, kernel, site.draft.model)
    taps = site.output_channels() * product(kernel)
    return _Tiled(kind=Kind.WINDOW, work=Work(pool_taps=taps), rows=rows, cols=cols)


def _space_to_depth(site: _Site) -> _Verdict:
    block = integer(site.node, "blocksize", 1)
    window = Window(kernel=block, stride=block)
    return _Tiled(kind=Kind.WINDOW, work=Work(), rows=window, cols=window)


def _elementwise(site: _Site) -> _Verdict:
    """One map in; every further input a constant scalar (the bounds of Clip)."""
    for index in range(1, len(site.node.input)):
        name = input_at(site.node, index)
        if not site.is_constant(index):
            return f"its parameter '{name}' is not constant"
        if product(site.shape(name)) != 1:
            return f"its parameter '{name}' is not a single number"
    return _per_position(site)


def _broadcast(site: _Site) -> _Verdict:
    """Maps of one height and width, and constants without any."""
    _, _, *target = site.shape(site.node.output[0])
    for name in present(site.node.input):
        shape = site.shape(name)
        if site.is_known(name):
            if any(size != 1 for size in shape[-2:]):
                return f"its constant operand '{name}' varies over rows or columns"
        elif list(shape[2:]) != target:
            return f"its operand '{name}' of shape {shape} is stretched over rows or columns"
    return _per_position(site)


def _scaling(site: _Site) -> _Verdict:
    """Quantising and dequantising: one scale for all, or one per channel."""
    if not (site.is_constant(1) and site.is_constant(2)):
        return "its scale is not constant"
    if product(site.shape(input_at(site.node, 1))) != 1 and (
        site.axis(CHANNELS) != CHANNELS or integer(site.node, "block_size", 0)
    ):
        return "its scale varies over rows or columns, or from block to block"
    return _per_position(site)


def _normalisation(site: _Site) -> _Verdict:
    if not all(site.is_constant(index) for index in range(1, 5)):
        return "its statistics are not constant"
    if integer(site.node, "spatial", 1) != 1:
        return "its statistics vary over rows or columns"
    return _per_position(site)


def _concatenation(site: _Site) -> _Verdict:
    if site.axis(CHANNELS) != CHANNELS:
        return "joins maps along rows or columns"
    for name in present(site.node.input):
        if site.is_known(name):
            return f"its constant operand '{name}' covers the whole map"
    return _per_position(site)


def _over_axes(site: _Site) -> _Verdict:
    """Over channels: anything else has been sorted out before."""
    channels = site.shape(site.source)[CHANNELS]
    return _Tiled(kind=Kind.POINTWISE, work=Work(elements=channels))


def _gather(site: _Site) -> _Verdict:
    if site.axis(0) != CHANNELS:
        return "picks rows or columns"
    if not site.is_constant(1):
        return "its indices are not constant"
    return _per_position(site)


def _split(site: _Site) -> _Verdict:
    if site.axis(0) != CHANNELS:
        return "splits rows or columns"
    if not site.is_constant(1):
        return "the sizes of its parts are not constant"
    return _per_position(site)


def _slice(site: _Site) -> _Verdict:
    bounds = slice_bounds(site.node, site.draft.array)
    if bounds is None:
        return "its bounds are not constant"
    return _moving(site, crops_of(bounds))


def _pad(site: _Site) -> _Verdict:
    return _moving(site, pad_footprints(site.node, site.draft, site.types))


def _resize(site: _Site) -> _Verdict:
    return _moving(site, resize_footprints(site.node, site.draft, site.types))


def _moving(site: _Site, footprints: tuple[Footprint, Footprint] | str) -> _Verdict:
    """An operator that moves elements, or mixes neighbours channel by channel."""
    if isinstance(footprints, str):
        return footprints
    rows, cols = footprints
    if rows == cols == POINT:
        return _per_position(site)
    return _Tiled(
        kind=Kind.WINDOW, work=Work(elements=site.output_channels()), rows=rows, cols=cols
    )


def _transposed_convolution(site: _Site) -> _Verdict:
    if site.source in site.draft.constants:
        return "its input is constant"
    if not (site.is_constant(1) and site.is_constant(2)):
        return "its weights are not constant"
    rows, cols = transposed_of(site.node, site.draft, site.types)
    macs = product(site.shape(input_at(site.node, 1)))
    return _Tiled(kind=Kind.WINDOW, work=Work(macs=macs, per_input=True), rows=rows, cols=cols)


def _depth_to_space(site: _Site) -> _Verdict:
    block = integer(site.node, "blocksize", 1)
    if block == 1:
        return _per_position(site)
    spread = Transposed(kernel=block, stride=block)
    return _Tiled(kind=Kind.WINDOW, work=Work(), rows=spread, cols=spread)


_RULES: Mapping[str, Callable[[_Site], _Verdict]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(BROADCASTING, _broadcast),
    "Conv": _convolution,
    "QLinearConv": _quantised_convolution,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "SpaceToDepth": _space_to_depth,
    "BatchNormalization": _normalisation,
    "LRN": _per_position,
    **dict.fromkeys([QUANTISE, DEQUANTISE], _scaling),
    "Concat": _concatenation,
    **dict.fromkeys(OVER_AXES, _over_axes),
    "Gather": _gather,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "ConvTranspose": _transposed_convolution,
    "DepthToSpace": _depth_to_space,
}

_CROPS = "its auto_pad crops the map, as its stride is above its kernel"
