"""Pad nodes taken into the window behind them.

Some exporters write the padding of a Conv or pool as a node of its own. Where the window's own pads
mean the same, they say it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.nodes import copied, integer, with_attributes
from fusepath.onnx_io.nonnegative import nonnegative
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.rewriting import Rewriting
from fusepath.onnx_io.windows import crops_its_input, kernel_of, windows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto

    from fusepath.graph import Window
    from fusepath.onnx_io.draft import Draft, Types
    from fusepath.onnx_io.pads import Padding

_WINDOWS = frozenset({"Conv", "MaxPool", "AveragePool"})
_LOWEST = float(np.finfo(np.float32).min)
"""A MaxPool that starts here sees no difference between this and its own padding."""


def absorb_pads(draft: Draft, types: Types) -> Draft:
    """The draft with windows that pad by themselves what Pad nodes have padded for them.

    A Conv pads with zeros, an AveragePool with zeros that count. A MaxPool pads with what is never
    the largest, so that its input must be known to hold nothing below what the Pad adds.
    """
    if not any(node.op_type == "Pad" for node in draft.nodes):
        return draft
    rewriting = Rewriting(draft, types)
    above_zero = nonnegative(draft, types)
    for node in draft.nodes:
        if node.op_type not in _WINDOWS:
            continue
        grown = _Grown(node, node.input[0])
        while (pad := rewriting.maker(grown.source)) is not None and pad.op_type == "Pad":
            more = _grown(grown, pad, rewriting, above_zero)
            if more is None:
                break
            grown = more
        if grown.source != node.input[0]:
            twin = copied(grown.node)
            twin.input[0] = grown.source
            rewriting.put([twin], instead_of=node)
    return rewriting.finished()


@dataclass(frozen=True, slots=True)
class _Grown:
    """A window with the pads that it has so far, and what they are put around."""

    node: NodeProto
    source: str


def _grown(
    grown: _Grown, pad: NodeProto, rewriting: Rewriting, above_zero: frozenset[str]
) -> _Grown | None:
    """The window with another Pad's pads as well; None where that is not the same."""
    node, source = grown.node, pad.input[0]
    size = rewriting.shape(source)
    padding = padding_of(pad, rewriting.draft.array, len(size)) if len(size) > 2 else None
    kernel = kernel_of(node, rewriting.types)
    if padding is None or kernel is None or crops_its_input(node) or not _is_a_border(padding):
        return None
    before = windows_of(node, kernel, rewriting.draft.model)
    begins = [w.pad_begin + more for w, more in zip(before, padding.begins[2:], strict=True)]
    ends = [w.pad_end + more for w, more in zip(before, padding.ends[2:], strict=True)]
    twin = with_attributes(node, pads=begins + ends)
    if node.op_type == "Conv":
        return _Grown(twin, source) if padding.value == 0 else None
    after = windows_of(twin, kernel, rewriting.draft.model)
    outputs = rewriting.shape(node.output[0])[2:]
    if not all(map(_each_reads_the_map, after, size[2:], outputs)):
        return None
    if node.op_type == "MaxPool":
        never_largest = padding.value <= _LOWEST or (padding.value <= 0 and source in above_zero)
        return _Grown(twin, source) if never_largest else None
    if padding.value != 0 or not _counts_all(node, before):
        return None
    return _Grown(with_attributes(twin, count_include_pad=1), source)


def _is_a_border(padding: Padding) -> bool:
    """True for a value put around rows and columns, and nothing cropped."""
    changes_space = not padding.axes & {0, 1} and min(*padding.begins, *padding.ends) >= 0
    return padding.mode == "constant" and changes_space


def _counts_all(node: NodeProto, windows: Sequence[Window]) -> bool:
    """True for an AveragePool that divides by the size of its kernel wherever it stands."""
    if integer(node, "ceil_mode", 0):
        return False
    has_pads = any(window.pad_begin or window.pad_end for window in windows)
    return bool(integer(node, "count_include_pad", 0)) or not has_pads


def _each_reads_the_map(window: Window, size: int, outputs: int) -> bool:
    """True when no output looks at padding alone, and pads are as small as pools may have them."""
    if max(window.pad_begin, window.pad_end) >= window.kernel:
        return False
    first = np.arange(outputs)[:, None] * window.stride - window.pad_begin
    taps = first + np.arange(window.kernel) * window.dilation
    return bool(((taps >= 0) & (taps < size)).any(axis=1).all())
