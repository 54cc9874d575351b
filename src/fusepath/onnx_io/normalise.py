"""The normal form: static shapes, explicit pads, nothing computed that is constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.onnx_io.complaint import bad_model, one_line
from fusepath.onnx_io.infer import infer
from fusepath.onnx_io.passes.axes import count_axes_from_the_front
from fusepath.onnx_io.passes.branches import check_no_branches, take_branches
from fusepath.onnx_io.passes.channels_last_islands import put_channels_first
from fusepath.onnx_io.passes.constant_channels import pad_constant_channels
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
from fusepath.onnx_io.passes.slicing import rewrite_slices
from fusepath.onnx_io.passes.unsigned import make_unsigned
from fusepath.onnx_io.plausible import check_plausible
from fusepath.onnx_io.units import dequantise_per_reader
from fusepath.onnx_io.windows import check_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io.draft import Draft, Types

MOST_VISITS = 500_000
"""Nodes that folding may look at, all its rounds together; models need two or three rounds."""

_PASSES: tuple[Callable[[Draft, Types], Draft], ...] = (
    drop_unused_outputs,
    drop_noops,
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
        ModelError: shapes contradict each other, an operator trains, a branch depends on the data,
            or an output is constant.
    """
    check_windows(draft)
    draft, types = _settle(lift_constants(drop_dead(draft)))
    check_no_branches(draft)
    check_inference_mode(draft)
    check_plausible(draft, types)
    types = infer(draft, strict=True)
    for rewrite in _PASSES:
        rewritten = drop_dead(rewrite(draft, types))
        if rewritten.nodes != draft.nodes:
            types = infer(rewritten, strict=True)
        draft = rewritten
    for name in draft.outputs:
        if name in draft.constants:
            raise bad_model(
                draft.model,
                f"output '{one_line(name)}' is constant: no input changes it; remove it",
            )
    check_plausible(draft, types)
    return draft, types


def _settle(draft: Draft) -> tuple[Draft, Types]:
    """Resolve pads and axes, fold constants and take branches until nothing changes.

    Inference is lenient here: before pads are resolved it may find sizes that contradict others.
    """
    types = infer(draft, strict=False)
    stored = constant_bytes(draft)
    for _ in range(max(1, MOST_VISITS // max(1, len(draft.nodes)))):
        settled = count_axes_from_the_front(resolve_pads(draft, types), types)
        if settled.nodes == draft.nodes:
            made = constant_bytes(draft) - stored
            most = max(MOST_FOLDED, MOST_GROWTH * stored)
            settled = lift_constants(take_branches(fold(draft, types, budget=most - made)))
            if settled.nodes == draft.nodes:
                break
        draft, types = settled, infer(settled, strict=False)
    return draft, types
