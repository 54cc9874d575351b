"""Images that lose their batch for a while: (C, H, W) within a network of (1, C, H, W).

Detectors take the images of a batch apart, normalise each and stack them again. Operators between
that work element by element do the same to a batch of one, whose axis then need not go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.families import BROADCASTING, ELEMENTWISE
from fusepath.onnx_io.nodes import present, rewired
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_MOVES_NOTHING = frozenset({"Gather", "Reshape", "Squeeze", "Unsqueeze"})
"""Where they only add or take axes of one element; of a Gather, the only element of an axis."""
_RANK = 4


def keep_batch(draft: Draft, types: Types) -> Draft:
    """The draft with operators on an image without its batch working on the batch."""
    rewriting = Rewriting(draft, types)
    batch_of: dict[str, str] = {}
    for node in draft.nodes:
        source = node.input[0] if node.input else ""
        target = node.output[0] if node.output else ""
        known, made = rewriting.shape(source), rewriting.shape(target)
        if node.op_type in _MOVES_NOTHING and known and made:
            if len(known) == _RANK and known == (1, *made):
                batch_of[target] = source
            elif source in batch_of and made == (1, *known):
                rewriting.put([rewriting.same(batch_of[source], node)], instead_of=node)
        elif not batch_of.keys().isdisjoint(node.input) and _may_keep(node, batch_of, rewriting):
            batch_of[target] = rewriting.tensor(f"{target}_batch")
            on_batch = rewired(node, batch_of)
            shape = rewriting.constant(f"{target}_shape", np.array(made, dtype=np.int64))
            back = [batch_of[target], shape]  # for those who read the image, if there are any
            alone = rewriting.node("Reshape", back, target, label=f"{node.name}_image")
            rewriting.put([on_batch, alone], instead_of=node)
    return rewriting.finished()


def _may_keep(node: NodeProto, batch_of: dict[str, str], rewriting: Rewriting) -> bool:
    """Whether a node does element by element what it does, to images and to constants."""
    constants = rewriting.draft.constants
    ranks = [len(rewriting.shape(name)) for name in present(node.output)]
    if node.op_type in ELEMENTWISE:
        return ranks == [_RANK - 1] and node.input[0] in batch_of
    return (
        node.op_type in BROADCASTING
        and ranks == [_RANK - 1]
        and all(
            name in batch_of or (name in constants and len(constants[name].dims) < _RANK)
            for name in present(node.input)
        )
    )
