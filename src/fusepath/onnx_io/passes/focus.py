"""Space-to-depth written as strided slices that are concatenated, as detectors begin.

Every slice takes one row and column out of each block, and the channels of all of them follow each
other in some order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.onnx_io.nodes import integer
from fusepath.onnx_io.passes.shuffle import Shuffle
from fusepath.onnx_io.rewriting import Rewriting
from fusepath.onnx_io.slices import slices_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_CHANNELS = 1
_RANK = 4
_LONGEST_CHAIN = 8
"""Slices one behind the other; one for rows and one for columns is what exporters write."""


@dataclass(frozen=True, slots=True)
class _Comb:
    """Every ``step``-th row and column of a map from ``start`` on, as (rows, cols)."""

    source: str
    start: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)


def rewrite_focus(draft: Draft, types: Types) -> Draft:
    """The draft with such slices turned into SpaceToDepth and Gather on the channel axis."""
    rewriting = Rewriting(draft, types)
    for node in draft.nodes:
        if node.op_type != "Concat" or integer(node, "axis", 0) not in {_CHANNELS, -3}:
            continue
        combs = [_comb(name, rewriting) for name in node.input]
        shuffle = _shuffle(node, combs, rewriting)
        if shuffle is not None:
            made = shuffle.nodes(rewriting, combs[0].source, node.output[0], label=node.name)
            rewriting.put(made, instead_of=node)
    return rewriting.finished()


def _comb(name: str, rewriting: Rewriting) -> _Comb:
    """A tensor as a comb of another: of itself where it is no slice of rows and columns."""
    links: list[tuple[dict[int, slice], tuple[int, ...]]] = []
    source = name
    while len(links) < _LONGEST_CHAIN:
        maker = rewriting.maker(source)
        if maker is None or maker.op_type != "Slice" or len(rewriting.shape(source)) != _RANK:
            break
        parts = slices_of(maker, rewriting.draft.array, _RANK)
        if parts is None or not parts.keys() <= {2, 3}:
            break
        if any(part.step < 1 for part in parts.values()):
            break
        source = maker.input[0]
        links.append((parts, rewriting.shape(source)))
    comb = _Comb(source)
    for parts, shape in reversed(links):
        starts, steps = list(comb.start), list(comb.step)
        for axis, part in parts.items():
            first, _, step = part.indices(shape[axis])
            starts[axis - 2] += first * steps[axis - 2]
            steps[axis - 2] *= step
        comb = _Comb(source, (starts[0], starts[1]), (steps[0], steps[1]))
    return comb


def _shuffle(node: NodeProto, combs: list[_Comb], rewriting: Rewriting) -> Shuffle | None:
    """What a Concat of combs does to the map that they are of; None where it is no such thing."""
    source, block = combs[0].source, combs[0].step[0]
    known = rewriting.types.get(source)
    if block < 2 or known is None or not known.is_map or known.dtype != "float32":
        return None
    shape = known.shape or ()
    if shape[2] % block or shape[3] % block:
        return None
    size = (shape[2] // block, shape[3] // block)
    order: list[int] = []
    for name, comb in zip(node.input, combs, strict=True):
        whole = rewriting.shape(name)[2:] == size and max(comb.start) < block
        if comb.source != source or comb.step != (block, block) or not whole:
            return None
        place = (comb.start[0] * block + comb.start[1]) * shape[_CHANNELS]
        order.extend(range(place, place + shape[_CHANNELS]))
    return Shuffle(block, tuple(order))
