"""Channel shuffles, repetition, space-to-depth and back written as Reshape, Transpose and Expand.

Exporters have no single operator for them, and the Reshape targets hold the map's height and
width, so no tile could run them. What a chain of such nodes does is found by running it on the
numbers of the elements; every order of channels is then covered, and parts of them as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusepath.graph import product
from fusepath.onnx_io.nodes import input_at, integer, integers, present
from fusepath.onnx_io.resize import MODES_OPSET
from fusepath.onnx_io.rewriting import Rewriting
from fusepath.onnx_io.slices import slices_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.arrays import Array
    from fusepath.onnx_io.draft import Draft, Types

LARGEST_MAP = 2**22
"""Elements; a larger map is not looked at and its Reshape nodes stay."""
MOST_MOVED = 2**26
"""Elements of all tensors that are looked at."""

_OPTIONAL_ROI_OPSET = 13
"""From here on a Resize need not state a region."""

_RESHAPERS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_PICKERS = frozenset({"Gather", "Slice", "Split"})
"""What takes a part of an axis; from map to map they stay as they are, since tiles can run them."""
_REPEATERS = frozenset({"Expand", "Tile"})
_REARRANGERS = _RESHAPERS | _PICKERS | _REPEATERS | {"Transpose"}


@dataclass(frozen=True, slots=True)
class Shuffle:
    """A space-to-depth by ``block`` (1: none), and which of its channels come in which order."""

    block: int
    channels: tuple[int, ...]

    def nodes(
        self, rewriting: Rewriting, source: str, target: str, *, label: str
    ) -> list[NodeProto]:
        """Nodes that make ``target`` of ``source``."""
        made = []
        depth = rewriting.shape(source)[1] * self.block**2
        reorders = self.channels != tuple(range(depth))
        if self.block > 1:
            deep = rewriting.tensor(f"{target}_deep") if reorders else target
            name = f"{label}_space_to_depth"
            made.append(
                rewriting.node("SpaceToDepth", [source], deep, label=name, blocksize=self.block)
            )
            source = deep
        if reorders:
            order = rewriting.constant(f"{target}_channels", np.array(self.channels, np.int64))
            name = f"{label}_channels"
            made.append(rewriting.node("Gather", [source, order], target, label=name, axis=1))
        if not made:
            made.append(rewriting.node("Identity", [source], target, label=f"{label}_same"))
        return made


@dataclass(frozen=True, slots=True)
class Spread:
    """Channels in some order, spread over rows and columns: a depth-to-space by ``block``."""

    block: int
    channels: tuple[int, ...]

    def nodes(
        self, rewriting: Rewriting, source: str, target: str, *, label: str
    ) -> list[NodeProto]:
        """Nodes that make ``target`` of ``source``."""
        depth = rewriting.shape(source)[1]
        repeats = self.channels == tuple(range(depth)) * self.block**2
        if repeats and rewriting.draft.opset >= MODES_OPSET:
            scales = np.array([1, 1, self.block, self.block], np.float32)
            inputs = [source, "", rewriting.constant(f"{target}_scales", scales)]
            if rewriting.draft.opset < _OPTIONAL_ROI_OPSET:
                inputs[1] = rewriting.constant(f"{target}_roi", np.zeros(0, np.float32))
            attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            name = f"{label}_repeated"
            return [rewriting.node("Resize", inputs, target, label=name, **attributes)]
        made = Shuffle(1, self.channels).nodes(
            rewriting, source, rewriting.tensor(f"{target}_deep"), label=label
        )
        name = f"{label}_depth_to_space"
        deep = made[-1].output[0]
        spread = rewriting.node("DepthToSpace", [deep], target, label=name, blocksize=self.block)
        return [*made, spread]


@dataclass(frozen=True, slots=True)
class _Moved:
    """A tensor as numbers of the elements of a map."""

    source: str
    numbers: Array
    rearranged: bool = False
    """Whether more than its shape has changed."""


def rewrite_shuffles(draft: Draft, types: Types) -> Draft:
    """The draft with such chains turned into operators that tiles can run."""
    rewriting = Rewriting(draft, types)
    moved: dict[str, _Moved] = {}
    readers_left: dict[str, int] = {}
    budget = MOST_MOVED
    for node in draft.nodes:
        source = input_at(node, 0)
        before = moved.get(source)
        if before is None and node.op_type in _REARRANGERS:
            before = _start(source, types)
        made = _carried(node, before, rewriting) if before is not None and budget > 0 else {}
        for name, after in made.items():
            moved[name] = after
            readers_left[name] = len(rewriting.readers(name))
            budget -= after.numbers.size
        _replace(node, made, rewriting)
        for name in dict.fromkeys(present(node.input)):
            if name in readers_left:
                readers_left[name] -= 1
                if not readers_left[name]:
                    del moved[name], readers_left[name]
    return rewriting.finished()


def _start(name: str, types: Types) -> _Moved | None:
    """The elements of a map, numbered; None for what is no map, or too large."""
    known = types.get(name)
    if known is None or not known.is_map or known.shape is None:
        return None
    if known.dtype != "float32" or not 0 < product(known.shape) <= LARGEST_MAP:
        return None
    numbers = np.arange(product(known.shape), dtype=np.int32).reshape(known.shape)
    return _Moved(name, numbers)


def _carried(node: NodeProto, before: _Moved, rewriting: Rewriting) -> dict[str, _Moved]:
    """Where a node puts the elements, by output; empty where it does more than moving them."""
    numbers = before.numbers
    names = present(node.output)
    shapes = [rewriting.shape(name) for name in names]
    moves = True
    match node.op_type:
        case op if op in _RESHAPERS:
            moves = False
            if product(shapes[0]) != numbers.size:
                return {}
            made = [numbers.reshape(shapes[0])]
        case "Transpose":
            perm = integers(node, "perm") or tuple(reversed(range(numbers.ndim)))
            if sorted(perm) != list(range(numbers.ndim)):
                return {}
            made = [numbers.transpose(perm)]
        case op if op in _REPEATERS:
            made = _repeated(node, numbers, shapes[0], rewriting.draft)
        case op if op in _PICKERS and not all(map(_is_map, (numbers.shape, *shapes))):
            made = _picked(node, numbers, shapes, rewriting.draft)
        case _:
            return {}
    if [value.shape for value in made] != shapes:
        return {}
    return {
        name: _Moved(before.source, value, before.rearranged or moves)
        for name, value in zip(names, made, strict=True)
    }


def _repeated(node: NodeProto, numbers: Array, shape: tuple[int, ...], draft: Draft) -> list[Array]:
    """What an Expand or Tile makes; nothing where that is not constant, or too large."""
    if not shape or product(shape) > LARGEST_MAP:
        return []
    repeats = draft.array(input_at(node, 1))
    if node.op_type == "Tile":
        return [] if repeats is None else [np.tile(numbers, repeats.astype(np.int64).tolist())]
    # ONNX stretches both ways, numpy one.
    fits = len(shape) >= numbers.ndim and all(
        size in {1, made}
        for size, made in zip(reversed(numbers.shape), reversed(shape), strict=False)
    )
    return [np.broadcast_to(numbers, shape)] if fits else []


def _picked(
    node: NodeProto, numbers: Array, shapes: list[tuple[int, ...]], draft: Draft
) -> list[Array]:
    """What a Gather, Slice or Split takes; nothing where that is not constant."""
    axis = integer(node, "axis", 0)
    if not -numbers.ndim <= axis < numbers.ndim:
        return []
    match node.op_type:
        case "Gather":
            indices = draft.array(input_at(node, 1))
            size = numbers.shape[axis]
            if indices is None or not np.all((-size <= indices) & (indices < size)):
                return []
            return [numbers.take(indices.astype(np.int64), axis)]
        case "Split":
            sizes = [shape[axis] for shape in shapes if len(shape) == numbers.ndim]
            return np.split(numbers, np.cumsum(sizes[:-1]), axis)
    parts = slices_of(node, draft.array, numbers.ndim)
    if parts is None or any(part.step < 0 for part in parts.values()):
        return []
    return [numbers[tuple(parts.get(axis, slice(None)) for axis in range(numbers.ndim))]]


def _replace(node: NodeProto, made: dict[str, _Moved], rewriting: Rewriting) -> None:
    """Let a shuffle of the source stand for a node, if all that it makes is one."""
    nodes = []
    for name, after in made.items():
        start = _start(after.source, rewriting.types)
        shuffle = None
        if start is not None and (after.rearranged or _is_back(node, after, start)):
            shuffle = _recognised(start.numbers, after.numbers)
        if shuffle is None:
            return
        nodes.extend(shuffle.nodes(rewriting, after.source, name, label=node.name))
    if nodes:
        rewriting.put(nodes, instead_of=node)


def _is_back(node: NodeProto, after: _Moved, start: _Moved) -> bool:
    """Whether a node makes a map again of what was a map of the same shape before."""
    return after.numbers.shape == start.numbers.shape and node.input[0] != after.source


def _recognised(numbers: Array, moved: Array) -> Shuffle | Spread | None:
    """What turns ``numbers`` into ``moved``; None when nothing known does."""
    rows, cols = numbers.shape[2:]
    if not _is_map(moved.shape):
        return None
    if moved.shape[2] > rows:
        return _spread(numbers, moved)
    block = rows // moved.shape[2]
    if block < 1 or (moved.shape[2] * block, moved.shape[3] * block) != (rows, cols):
        return None
    order = _order(_space_to_depth(numbers, block), moved)
    return None if order is None else Shuffle(block, order)


def _spread(numbers: Array, moved: Array) -> Spread | None:
    rows, cols = numbers.shape[2:]
    block = moved.shape[2] // rows
    if moved.shape[2:] != (rows * block, cols * block):
        return None
    deep = _space_to_depth(moved, block)
    order = _order(numbers, deep)
    return None if order is None else Spread(block, order)


def _order(numbers: Array, moved: Array) -> tuple[int, ...] | None:
    """Which channel of ``numbers`` each of ``moved`` is; None where one is none of them."""
    place = {int(number): index for index, number in enumerate(numbers[0, :, 0, 0])}
    order = [place.get(int(number), -1) for number in moved[0, :, 0, 0]]
    return None if -1 in order or not np.array_equal(numbers[:, order], moved) else tuple(order)


def _is_map(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] == 1


def _space_to_depth(values: Array, block: int) -> Array:
    """ONNX's SpaceToDepth: output channel (dy·block + dx)·C + c."""
    _, channels, rows, cols = values.shape
    blocks = values.reshape(channels, rows // block, block, cols // block, block)
    deep: Array = blocks.transpose(2, 4, 0, 1, 3).reshape(
        1, channels * block**2, rows // block, cols // block
    )
    return deep
