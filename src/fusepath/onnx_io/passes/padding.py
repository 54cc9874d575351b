"""Resolving ``auto_pad`` and ``ceil_mode`` into explicit pads.

Where runtimes and the ONNX specification differ, the rule here is what ONNX Runtime computes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onnx import helper

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_node
from fusepath.onnx_io.nodes import input_at, integer, text, without_attributes
from fusepath.onnx_io.passes.transposed import resolved_transposed
from fusepath.onnx_io.windows import CONVOLUTIONS, POOLS, kernel_of, windows_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.graph import Window
    from fusepath.onnx_io.draft import Draft, Types


@dataclass(frozen=True, slots=True)
class _Axis:
    """One spatial axis of a node: its input size and its window before resolution."""

    size: int
    window: Window

    def padded(self, begin: int, end: int) -> _Axis:
        """The axis with other pads."""
        return replace(self, window=replace(self.window, pad_begin=begin, pad_end=end))

    def same(self, *, upper: bool) -> _Axis | None:
        """The axis with the pads of SAME: the odd element at the end for SAME_UPPER.

        None where a stride above the kernel makes the runtime crop the map's begin instead.
        """
        window = self.window
        outputs = -(-self.size // window.stride)
        total = (outputs - 1) * window.stride + window.extent - self.size
        if total < 0:
            cropped = (-total if upper else -total - 1) // 2
            return self.padded(0, 0) if cropped == 0 else None
        begin = (total if upper else total + 1) // 2
        return self.padded(begin, total - begin)

    @property
    def remainder(self) -> int:
        """Elements at the end that no window of floor mode reaches."""
        window = self.window
        slack = self.size + window.pad_begin + window.pad_end - window.extent
        return slack % window.stride

    def drops_last(self) -> bool:
        """True when ceil mode's extra window would begin behind the map: it is dropped."""
        window = self.window
        slack = self.size + window.pad_begin + window.pad_end - window.extent
        outputs = -(-slack // window.stride) + 1
        return (outputs - 1) * window.stride >= self.size + window.pad_begin


def resolve_pads(draft: Draft, types: Types) -> Draft:
    """The draft with explicit pads wherever the input's size is known.

    Stops behind a window whose ``ceil_mode`` has changed and behind a transposed convolution: the
    output may be of another size than inference has it, and all sizes behind it must be inferred
    again before they are relied on.

    Raises:
        ModelError: a window is impossible, or ``auto_pad`` has no agreed meaning there.
    """
    nodes = list(draft.nodes)
    for at, node in enumerate(nodes):
        if node.op_type == "ConvTranspose":
            nodes[at] = resolved_transposed(node, draft, types)
        else:
            nodes[at] = _resolved(node, draft, types)
        resizes = node.op_type == "ConvTranspose" or integer(node, "ceil_mode", 0)
        if nodes[at] is not node and resizes:
            break
    return replace(draft, nodes=tuple(nodes))


def _resolved(node: NodeProto, draft: Draft, types: Types) -> NodeProto:
    """The node with explicit pads; itself where it has them or its input is not known yet."""
    if node.op_type not in CONVOLUTIONS and node.op_type not in POOLS:
        return node
    kernel = kernel_of(node, types)
    source = types.get(input_at(node, 0))
    if kernel is None or source is None or source.shape is None:
        return node
    if len(source.shape) != len(kernel) + 2:
        reason = f"kernel {kernel} does not fit an input of shape {source.shape}"
        raise bad_node(draft.model, node, reason)
    axes = tuple(map(_Axis, source.shape[2:], windows_of(node, kernel, draft.model)))
    auto_pad = text(node, "auto_pad", "NOTSET")
    ceil_mode = bool(integer(node, "ceil_mode", 0))
    match auto_pad:
        case "SAME_UPPER" | "SAME_LOWER":
            same = _same(node, axes, auto_pad, draft.model)
            if same is None:  # the size is that of SAME, whatever ceil_mode says
                return without_attributes(node, ("ceil_mode",)) if ceil_mode else node
            return _with_pads(node, same, ceil_mode=False)
        case "VALID":
            axes = tuple(axis.padded(0, 0) for axis in axes)
        case "NOTSET":
            pass
        case unknown:
            raise bad_node(draft.model, node, f"unknown auto_pad '{one_line(unknown)}'")
    _check_fits(node, axes, draft.model, ceil_mode=ceil_mode)
    if ceil_mode and any(axis.drops_last() for axis in axes):
        ceil_mode = any(axis.remainder for axis in axes if not axis.drops_last())
        if ceil_mode:
            axes = tuple(_trimmed(axis, node, draft.model) for axis in axes)
    elif auto_pad == "NOTSET":
        return node
    return _with_pads(node, axes, ceil_mode=ceil_mode)


def _check_fits(node: NodeProto, axes: tuple[_Axis, ...], model: str, *, ceil_mode: bool) -> None:
    """Refuse a kernel larger than the padded map, for which shape inference finds a size.

    In ceil mode a part of the first window is enough, as of any other. Of pools it is in floor mode
    as well, since the runtime rounds towards zero.
    """
    for axis in axes:
        window = axis.window
        padded = axis.size + window.pad_begin + window.pad_end
        partly = ceil_mode or node.op_type in POOLS
        reaches = padded + window.stride - 1 if partly else padded
        if window.extent > reaches:
            raise bad_node(
                model,
                node,
                f"its kernel spans {window.extent} elements, but its padded input has {padded}; "
                "give a larger input shape",
            )


def _same(
    node: NodeProto, axes: tuple[_Axis, ...], auto_pad: str, model: str
) -> tuple[_Axis, ...] | None:
    """The axes padded by SAME; None where that would crop one."""
    if node.op_type in POOLS and any(axis.window.dilation > 1 for axis in axes):
        raise bad_node(
            model,
            node,
            f"auto_pad {auto_pad} of a dilated pool has no agreed meaning; "
            "export it with explicit pads",
        )
    padded = [axis.same(upper=auto_pad == "SAME_UPPER") for axis in axes]
    known = tuple(axis for axis in padded if axis is not None)
    return known if len(known) == len(axes) else None


def _trimmed(axis: _Axis, node: NodeProto, model: str) -> _Axis:
    """The axis with pads that make ceil mode equal to floor mode where its window is dropped."""
    if not axis.drops_last():
        return axis
    left = axis.window.pad_end - axis.remainder
    if left < 0:
        raise bad_node(
            model, node, "ceil_mode with a stride above the kernel; export it with floor mode"
        )
    return axis.padded(axis.window.pad_begin, left)


def _with_pads(node: NodeProto, axes: tuple[_Axis, ...], *, ceil_mode: bool) -> NodeProto:
    twin = without_attributes(node, ("auto_pad", "pads", "ceil_mode"))
    begins = [axis.window.pad_begin for axis in axes]
    ends = [axis.window.pad_end for axis in axes]
    twin.attribute.append(helper.make_attribute("pads", begins + ends))
    if ceil_mode:
        twin.attribute.append(helper.make_attribute("ceil_mode", 1))
    return twin
