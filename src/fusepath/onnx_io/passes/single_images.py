"""Images that lose their batch for a while: (C, H, W) within a network of (1, C, H, W).

Detectors take the images of a batch apart, normalise each and stack them again. Operators between
that work element by element, or turn the image, do the same to a batch of one, whose axis then need
not go. So does a network that is fed an image without a batch (`fusepath.onnx_io.unbatched`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.families import BROADCASTING, ELEMENTWISE
from fusepath.onnx_io.nodes import integers, present, rewired, with_attributes
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

MOVES_NOTHING = frozenset({"Gather", "Reshape", "Squeeze", "Unsqueeze"})
"""Where they only add or take axes of one element; of a Gather, the only element of an axis."""
_RANK = 4


def keep_batch(draft: Draft, types: Types) -> Draft:
    """The draft with operators on an image without its batch working on the batch."""
    kept, _ = keep_axis(draft, types, rank=_RANK)
    return kept


def keep_axis(draft: Draft, types: Types, *, rank: int) -> tuple[Draft, bool]:
    """The draft with operators on tensors that lose a first axis of one element keeping it.

    Args:
        draft: normalised.
        types: of its tensors.
        rank: axes that a tensor has before it loses the first.

    Returns:
        The draft, and whether any tensor got its axis back.
    """
    rewriting = Rewriting(draft, types)
    regained = False
    whole: dict[str, str] = {}
    for node in draft.nodes:
        source = node.input[0] if node.input else ""
        target = node.output[0] if node.output else ""
        known, made = rewriting.shape(source), rewriting.shape(target)
        if node.op_type in MOVES_NOTHING and known and made:
            if len(known) == rank and known == (1, *made):
                whole[target] = source
            elif source in whole and _only_more_axes(known, made):
                if len(made) == rank:
                    again = rewriting.same(whole[source], node)
                else:
                    again = _reshaped(whole[source], target, made, node.name, rewriting)
                rewriting.put([again], instead_of=node)
                regained = True
        elif not whole.keys().isdisjoint(node.input) and _may_keep(node, whole, rewriting, rank):
            whole[target] = rewriting.tensor(f"{target}_batch")
            # For those who read the image, if there are any.
            alone = _reshaped(whole[target], target, made, f"{node.name}_image", rewriting)
            rewriting.put([_on_whole(node, whole), alone], instead_of=node)
    return rewriting.finished(), regained


def _only_more_axes(known: tuple[int, ...], made: tuple[int, ...]) -> bool:
    more = len(made) - len(known)
    return more > 0 and made == (1,) * more + known


def _reshaped(
    source: str, target: str, shape: tuple[int, ...], label: str, rewriting: Rewriting
) -> NodeProto:
    sizes = rewriting.constant(f"{target}_shape", np.array(shape, dtype=np.int64))
    return rewriting.node("Reshape", [source, sizes], target, label=label)


def _on_whole(node: NodeProto, whole: dict[str, str]) -> NodeProto:
    twin = rewired(node, whole)
    perm = integers(node, "perm")
    if node.op_type != "Transpose" or perm is None:
        return twin
    return with_attributes(twin, perm=[0, *(axis + 1 for axis in perm)])


def _may_keep(node: NodeProto, whole: dict[str, str], rewriting: Rewriting, rank: int) -> bool:
    """Whether a node does to a tensor with one more axis before it what it does without."""
    constants = rewriting.draft.constants
    ranks = [len(rewriting.shape(name)) for name in present(node.output)]
    if node.op_type in ELEMENTWISE or (node.op_type == "Transpose" and integers(node, "perm")):
        return ranks == [rank - 1] and node.input[0] in whole
    return (
        node.op_type in BROADCASTING
        and ranks == [rank - 1]
        and all(
            name in whole or (name in constants and len(constants[name].dims) < rank)
            for name in present(node.input)
        )
    )
