"""The normal form: static shapes, explicit pads, nothing computed that is constant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.onnx_io.draft import constant_type
from fusepath.onnx_io.ending import late_nodes
from fusepath.onnx_io.infer import given, infer, inferred, tensor_types
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import graphs_of, present, reads
from fusepath.onnx_io.passes.axes import count_axes_from_the_front
from fusepath.onnx_io.passes.branches import take_branches
from fusepath.onnx_io.passes.channels_last_islands import put_channels_first
from fusepath.onnx_io.passes.constant_channels import pad_constant_channels
from fusepath.onnx_io.passes.dequantise import quantised_operands
from fusepath.onnx_io.passes.explicit_pad import absorb_pads
from fusepath.onnx_io.passes.focus import rewrite_focus
from fusepath.onnx_io.passes.fold import (
    MOST_FOLDED,
    MOST_GROWTH,
    constant_bytes,
    fold,
    lift_constants,
)
from fusepath.onnx_io.passes.noop import (
    check_inference_mode,
    drop_dead,
    drop_noops,
    drop_unused_outputs,
)
from fusepath.onnx_io.passes.operand import shrink_operands
from fusepath.onnx_io.passes.padding import resolve_pads
from fusepath.onnx_io.passes.quantised_moves import quantise_moves
from fusepath.onnx_io.passes.reduced import keep_reduced_axes
from fusepath.onnx_io.passes.resampling import rewrite_resizes
from fusepath.onnx_io.passes.shuffle import rewrite_shuffles
from fusepath.onnx_io.passes.single_images import keep_batch
from fusepath.onnx_io.passes.slicing import rewrite_slices
from fusepath.onnx_io.passes.unsigned import make_unsigned
from fusepath.onnx_io.plausible import check_plausible
from fusepath.onnx_io.units import dequantise_per_reader
from fusepath.onnx_io.windows import check_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.infer import Known

MOST_VISITS = 500_000
"""Nodes that folding may look at, all its rounds together; models need two or three rounds."""
_BLOCK = 64
"""Nodes that are folded together."""

_PASSES: tuple[Callable[[Draft, Types], Draft], ...] = (
    drop_unused_outputs,
    drop_noops,
    keep_batch,
    put_channels_first,
    drop_noops,
    keep_reduced_axes,
    rewrite_shuffles,
    rewrite_focus,
    drop_noops,
    absorb_pads,
    pad_constant_channels,
    shrink_operands,
    rewrite_resizes,
    rewrite_slices,
    quantise_moves,
    make_unsigned,
    dequantise_per_reader,
)
"""Rewrites of a graph whose shapes are known, in their order."""


def normalise(draft: Draft) -> tuple[Draft, Types]:
    """The draft in normal form, and what is known of its tensors.

    It computes what the original computes. Shapes that depend on the data stay unknown.

    Raises:
        ModelError: shapes contradict each other, or an operator trains.
    """
    check_windows(draft)
    draft, types = _settle(lift_constants(drop_dead(draft)))
    if not any(graph for node in draft.nodes for graph in graphs_of(node)):
        return _rewritten(draft, types)
    late = tuple(late_nodes(draft, types))
    early, types = _rewritten(_before(draft, types, late), types)
    return _followed_by(late, early, draft), types


def _before(draft: Draft, types: Types, late: tuple[NodeProto, ...]) -> Draft:
    """A draft without its last nodes, whose outputs are what these read.

    Rewrites need not know of loops and branches then, whose graphs read what is around them.
    """
    made = {name for node in late for name in present(node.output)}
    fed = {tensor.name for tensor in draft.inputs}
    read = dict.fromkeys(name for node in late for name in reads(node))
    wanted = {
        name: element_type
        for name, element_type in zip(draft.outputs, draft.output_types, strict=True)
        if name not in made
    }
    for name in read.keys() - made - fed - draft.constants.keys():
        if name in types:  # or a graph within a node makes it for itself
            wanted.setdefault(name, helper.np_dtype_to_tensor_dtype(np.dtype(types[name].dtype)))
    return replace(
        draft,
        nodes=tuple(node for node in draft.nodes if made.isdisjoint(node.output)),
        outputs=tuple(wanted),
        output_types=tuple(wanted.values()),
        reserved=frozenset(made),
    )


def _followed_by(late: tuple[NodeProto, ...], early: Draft, draft: Draft) -> Draft:
    """What was made of the nodes before, with the last nodes of a draft and its outputs."""
    read = {name for node in late for name in reads(node)} | {*draft.outputs}
    constants = {name: tensor for name, tensor in draft.constants.items() if name in read}
    return replace(draft, nodes=(*early.nodes, *late), constants={**early.constants, **constants})


def _rewritten(draft: Draft, types: Types) -> tuple[Draft, Types]:
    """The draft after all rewrites, and what is known of its tensors."""
    check_inference_mode(draft)
    check_plausible(draft, types)
    types = infer(draft, strict=True)
    for rewrite in _PASSES:
        rewritten = drop_dead(rewrite(draft, types))
        if rewritten.nodes != draft.nodes:
            types = infer(rewritten, strict=True)
        draft = rewritten
    check_plausible(draft, types)
    return draft, types


def _settle(draft: Draft) -> tuple[Draft, Types]:
    """Resolve pads and axes, fold constants and take branches until nothing changes.

    That is done block by block: sizes of one decide what can be folded in those behind it, and a
    long chain of such steps must not take a look at the whole network each.
    """
    stored = constant_bytes(draft)
    settling = _Settling(draft, budget=max(MOST_FOLDED, MOST_GROWTH * stored))
    rest = draft.nodes
    settled: list[NodeProto] = []
    while rest:
        settled += settling.block(rest[:_BLOCK])
        rest = rest[_BLOCK:]
    return replace(draft, nodes=tuple(settled), constants=settling.constants), settling.types


class _Settling:
    """What is known behind the blocks of a draft that have been settled.

    Inference is lenient here: before pads are resolved it may find sizes that contradict others.
    """

    def __init__(self, draft: Draft, *, budget: int) -> None:
        self.constants = draft.constants
        self._draft, self._budget = draft, budget
        self._known = given(draft)
        self._kept = quantised_operands(draft)
        self._names = Names(draft.tensor_names())
        self._labels = Names(node.name for node in draft.nodes)
        self._visits = MOST_VISITS

    @property
    def types(self) -> Types:
        """Of what blocks have made, and of inputs."""
        return tensor_types(self._known)

    def block(self, nodes: tuple[NodeProto, ...]) -> tuple[NodeProto, ...]:
        """The nodes behind those of the blocks before, settled."""
        block = replace(self._draft, nodes=nodes, constants=self.constants)
        found = inferred(block, self._known, strict=False)
        while self._visits > 0:
            self._visits -= len(block.nodes)
            settled = self._round(block, self._types(block, found))
            if settled.nodes == block.nodes:
                break
            block, found = settled, inferred(settled, self._known, strict=False)
        self.constants = block.constants
        self._known |= found
        return block.nodes

    def _round(self, block: Draft, types: Types) -> Draft:
        settled = count_axes_from_the_front(resolve_pads(block, types), types)
        if settled.nodes != block.nodes:
            return settled
        folded, self._budget = fold(block, types, kept=self._kept, budget=self._budget)
        return lift_constants(take_branches(folded, self._names, self._labels))

    def _types(self, block: Draft, found: Known) -> Types:
        """Of all that the block reads and makes."""
        read = {name for node in block.nodes for name in node.input}
        known = {name: self._known[name] for name in read if name in self._known}
        constants = {name: block.constants[name] for name in read if name in block.constants}
        types = tensor_types(known | found)
        return types | {name: constant_type(tensor) for name, tensor in constants.items()}
