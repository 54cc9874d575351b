"""Reductions over channels that keep the axis, where it is dropped and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.channelwise import CHANNELS, REDUCTIONS, reduced_axes
from fusepath.onnx_io.nodes import integer, with_attributes
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_RANK = 4
_RESHAPERS = frozenset({"Reshape", "Unsqueeze"})


def keep_reduced_axes(draft: Draft, types: Types) -> Draft:
    """The draft with such reductions making a map of one channel at once."""
    rewriting = Rewriting(draft, types)
    for node in draft.nodes:
        if not _drops_channels(node, rewriting):
            continue
        batch, _, *space = rewriting.shape(node.input[0])
        restored = [
            reader
            for reader in rewriting.readers(node.output[0])
            if reader.op_type in _RESHAPERS
            and rewriting.shape(reader.output[0]) == (batch, 1, *space)
        ]
        if restored:
            kept = rewriting.tensor(f"{node.output[0]}_kept")
            twin = with_attributes(node, keepdims=1)
            twin.output[0] = kept
            twin.name = rewriting.label(f"{node.name}_kept")
            rewriting.put([twin, node], instead_of=node)
            for reader in restored:
                rewriting.put([rewriting.same(kept, reader)], instead_of=reader)
    return rewriting.finished()


def _drops_channels(node: NodeProto, rewriting: Rewriting) -> bool:
    if node.op_type not in REDUCTIONS or integer(node, "keepdims", 1):
        return False
    rank = len(rewriting.shape(node.input[0]))
    return rank == _RANK and reduced_axes(node, rewriting.draft, rank) == frozenset({CHANNELS})
