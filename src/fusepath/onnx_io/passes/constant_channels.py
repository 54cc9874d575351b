"""Constant channels joined to a map, as padding of its channels.

A Concat reads them as a map of one height and width, which no tile has. A Pad adds them to a map of
any size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io.channelwise import CHANNELS
from fusepath.onnx_io.nodes import copied, integer
from fusepath.onnx_io.passes.operand import alike_everywhere
from fusepath.onnx_io.rewriting import Rewriting

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_RANK = 4
_PAD_TAKES_INPUTS = 11


@dataclass(slots=True)
class _Joined:
    """A map and the values of the channels put before and behind it."""

    source: str
    before: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)


def pad_constant_channels(draft: Draft, types: Types) -> Draft:
    """The draft with Pad nodes for constants that a Concat joins to the channels of maps."""
    rewriting = Rewriting(draft, types)
    for node in draft.nodes:
        if node.op_type == "Concat" and integer(node, "axis", 0) in {CHANNELS, CHANNELS - _RANK}:
            joined = _joined(node, rewriting)
            if joined is not None:
                rewriting.put(_padded(node, joined, rewriting), instead_of=node)
    return rewriting.finished()


def _joined(node: NodeProto, rewriting: Rewriting) -> list[_Joined] | None:
    """The maps of a Concat, with its constants at their sides; None where it stays as it is."""
    known = rewriting.types.get(node.output[0])
    if known is None or not known.is_map or known.dtype != "float32":
        return None
    joined: list[_Joined] = []
    before: list[float] = []
    constants = rewriting.draft.constants
    if constants.keys().isdisjoint(node.input) or constants.keys() >= {*node.input}:
        return None
    for name in node.input:
        if name not in constants:
            joined.append(_Joined(name, before))
            before = []
            continue
        values = alike_everywhere(constants[name])
        if values is None:
            return None
        side = joined[-1].behind if joined else before
        side.extend(float(value) for value in np.ravel(values))
    return joined


def _padded(node: NodeProto, joined: list[_Joined], rewriting: Rewriting) -> list[NodeProto]:
    """The nodes that pad the maps, and a Concat where there are several."""
    alone = len(joined) == 1
    made: list[NodeProto] = []
    names = []
    for each in joined:
        if not each.before and not each.behind:
            names.append(each.source)
            continue
        name = node.output[0] if alone else rewriting.tensor(f"{each.source}_padded")
        made.extend(_with_channels(each, name, node.name, rewriting))
        names.append(name)
    if not alone:
        twin = copied(node)
        del twin.input[:]
        twin.input.extend(names)
        made.append(twin)
    return made


def _with_channels(
    joined: _Joined, target: str, label: str, rewriting: Rewriting
) -> list[NodeProto]:
    """A Pad of the channels; where their values differ, an Add of these behind it."""
    values = {*joined.before, *joined.behind}
    alike = len(values) == 1
    value = values.pop() if alike else 0.0
    padded = target if alike else rewriting.tensor(f"{target}_room")
    pads = [0, len(joined.before), 0, 0, 0, len(joined.behind), 0, 0]
    pad_label = f"{label}_pad"
    if rewriting.draft.opset < _PAD_TAKES_INPUTS:
        pad = rewriting.node(
            "Pad", [joined.source], padded, label=pad_label, pads=pads, value=value
        )
    else:
        inputs = [
            joined.source,
            rewriting.constant(f"{padded}_pads", np.array(pads, np.int64)),
            rewriting.constant(f"{padded}_value", np.array(value, np.float32)),
        ]
        pad = rewriting.node("Pad", inputs, padded, label=pad_label)
    if alike:
        return [pad]
    channels = rewriting.shape(joined.source)[CHANNELS]
    added = np.array([*joined.before, *([0.0] * channels), *joined.behind], np.float32)
    operand = rewriting.constant(f"{target}_values", added[:, None, None])
    return [pad, rewriting.node("Add", [padded, operand], target, label=f"{label}_values")]
