"""The normal form: static shapes, explicit pads, nothing computed that is constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.complaint import bad_model, one_line
from fusepath.onnx_io.fold import fold, lift_constants
from fusepath.onnx_io.infer import infer
from fusepath.onnx_io.noop import check_inference_mode, drop_dead, drop_noops
from fusepath.onnx_io.operand import shrink_operands
from fusepath.onnx_io.padding import resolve_pads
from fusepath.onnx_io.shuffle import rewrite_shuffles

if TYPE_CHECKING:
    from fusepath.onnx_io.draft import Draft, Types

MOST_ROUNDS = 64
"""Each round of folding may make more shapes known; models need two or three."""


def normalise(draft: Draft) -> tuple[Draft, Types]:
    """The draft in normal form, and what is known of its tensors.

    It computes what the original computes. Shapes that depend on the data stay unknown.

    Raises:
        ModelError: shapes contradict each other, an operator trains, or an output is constant.
    """
    draft, types = _settle(lift_constants(draft))
    check_inference_mode(draft)
    draft = drop_noops(draft, types)
    draft = drop_noops(rewrite_shuffles(draft, types), types)
    draft = drop_dead(shrink_operands(draft, types))
    for name in draft.outputs:
        if name in draft.constants:
            raise bad_model(
                draft.model,
                f"output '{one_line(name)}' is constant: no input changes it; remove it",
            )
    return draft, infer(draft)


def _settle(draft: Draft) -> tuple[Draft, Types]:
    """Resolve pads and fold constants until nothing changes."""
    types = infer(draft)
    for _ in range(MOST_ROUNDS):
        padded = resolve_pads(draft, types)
        if padded.nodes != draft.nodes:
            draft, types = padded, infer(padded)
            continue
        folded = fold(draft, types)
        if len(folded.nodes) == len(draft.nodes):
            break
        draft, types = folded, infer(folded)
    return draft, types
