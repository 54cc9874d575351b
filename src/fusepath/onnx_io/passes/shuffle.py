"""Channel shuffles and space-to-depth written as Reshape and Transpose.

Exporters have no single operator for them, and the Reshape targets hold the map's height and
width, so no tile could run them. What a chain of such nodes does is found by running it on the
numbers of the elements; every order of channels is then covered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper, numpy_helper

from fusepath.graph import product
from fusepath.onnx_io.naming import Names
from fusepath.onnx_io.nodes import input_at, integers, present

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from fusepath.onnx_io.draft import Draft, Types

LARGEST_MAP = 2**22
"""Elements; a larger map is not looked at and its Reshape nodes stay."""
LONGEST_CHAIN = 16
"""Nodes; YOLOv2's reorganisation, the longest known, has seven."""

_RESHAPERS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_REARRANGERS = _RESHAPERS | {"Transpose"}


@dataclass(frozen=True, slots=True)
class _Shuffle:
    """A space-to-depth by ``block`` (1: none) and an order of the channels after it."""

    block: int
    channels: tuple[int, ...]

    @property
    def reorders(self) -> bool:
        return self.channels != tuple(range(len(self.channels)))


def rewrite_shuffles(draft: Draft, types: Types) -> Draft:
    """The draft with such chains turned into SpaceToDepth and Gather on the channel axis."""
    uses = draft.uses()
    readers = {name: node for node in draft.nodes for name in present(node.input)}
    nodes: list[NodeProto] = []
    constants = dict(draft.constants)
    tensors = Names(draft.tensor_names())
    labels = Names(node.name for node in draft.nodes)
    replaced: set[str] = set()
    rearranged: set[str] = set()
    for node in draft.nodes:
        if node.name in replaced:
            continue
        starts = node.op_type in _REARRANGERS and input_at(node, 0) not in rearranged
        chain = _chain(node, uses, readers, draft.outputs) if starts else []
        rearranged.update(link.output[0] for link in chain)
        found = _longest_shuffle(chain, types)
        if found is None:
            nodes.append(node)
            continue
        length, shuffle = found
        replaced.update(link.name for link in chain[:length])
        made, weights = _as_operators(chain[:length], shuffle, tensors, labels)
        rearranged.discard(chain[length - 1].output[0])
        nodes.extend(made)
        constants.update(weights)
    return replace(draft, nodes=tuple(nodes), constants=constants)


def _chain(
    first: NodeProto, uses: dict[str, int], readers: dict[str, NodeProto], outputs: tuple[str, ...]
) -> list[NodeProto]:
    """The rearranging nodes from ``first`` on, each of which alone reads the one before."""
    chain: list[NodeProto] = []
    node: NodeProto | None = first
    while node is not None and node.op_type in _REARRANGERS and len(chain) < LONGEST_CHAIN:
        if chain and input_at(node, 0) != chain[-1].output[0]:
            break
        chain.append(node)
        result = node.output[0]
        node = readers.get(result) if uses.get(result) == 1 and result not in outputs else None
    return chain


def _longest_shuffle(chain: list[NodeProto], types: Types) -> tuple[int, _Shuffle] | None:
    """How many nodes of the chain make a shuffle, and which; the longest such prefix."""
    if not any(node.op_type == "Transpose" for node in chain):
        return None
    source = types.get(chain[0].input[0])
    if source is None or not source.is_map or source.dtype != "float32" or source.shape is None:
        return None
    if not 0 < product(source.shape) <= LARGEST_MAP:
        return None
    numbers = np.arange(product(source.shape), dtype=np.int32).reshape(source.shape)
    moved = numbers
    found = None
    for length, node in enumerate(chain, start=1):
        target = types.get(node.output[0])
        if target is None or target.shape is None:
            break
        if node.op_type == "Transpose":
            perm = integers(node, "perm") or tuple(reversed(range(moved.ndim)))
            if sorted(perm) != list(range(moved.ndim)):
                break
            moved = moved.transpose(perm)
        elif product(target.shape) != moved.size:
            break
        else:
            moved = moved.reshape(target.shape)
        shuffle = _recognised(numbers, moved) if target.is_map else None
        if shuffle is not None and any(link.op_type == "Transpose" for link in chain[:length]):
            found = (length, shuffle)
    return found


def _recognised(numbers: np.ndarray, moved: np.ndarray) -> _Shuffle | None:
    """The shuffle that turns ``numbers`` into ``moved``; None when there is none."""
    _, channels, rows, cols = numbers.shape
    block = rows // moved.shape[2]
    if block < 1 or rows % block or cols % block:
        return None
    if moved.shape != (1, channels * block**2, rows // block, cols // block):
        return None
    deep = _space_to_depth(numbers, block)
    place = {int(number): index for index, number in enumerate(deep[0, :, 0, 0])}
    order = [place.get(int(number), -1) for number in moved[0, :, 0, 0]]
    if -1 in order or not np.array_equal(deep[:, order], moved):
        return None
    return _Shuffle(block, tuple(order))


def _space_to_depth(values: np.ndarray, block: int) -> np.ndarray:
    """ONNX's SpaceToDepth: output channel (dy·block + dx)·C + c."""
    _, channels, rows, cols = values.shape
    blocks = values.reshape(channels, rows // block, block, cols // block, block)
    deep: np.ndarray = blocks.transpose(2, 4, 0, 1, 3).reshape(
        1, channels * block**2, rows // block, cols // block
    )
    return deep


def _as_operators(
    chain: list[NodeProto], shuffle: _Shuffle, tensors: Names, labels: Names
) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    """Nodes that do what the chain did, and the constants they read."""
    source, target, label = chain[0].input[0], chain[-1].output[0], chain[-1].name
    nodes = []
    constants: dict[str, TensorProto] = {}
    if shuffle.block > 1:
        deep = tensors.fresh(f"{target}_deep") if shuffle.reorders else target
        nodes.append(
            helper.make_node(
                "SpaceToDepth",
                [source],
                [deep],
                name=labels.fresh(f"{label}_space_to_depth"),
                blocksize=shuffle.block,
            )
        )
        source = deep
    if shuffle.reorders:
        order = tensors.fresh(f"{target}_channels")
        constants[order] = numpy_helper.from_array(np.asarray(shuffle.channels, np.int64), order)
        nodes.append(
            helper.make_node(
                "Gather", [source, order], [target], name=labels.fresh(f"{label}_channels"), axis=1
            )
        )
    if not nodes:
        nodes.append(
            helper.make_node("Identity", [source], [target], name=labels.fresh(f"{label}_same"))
        )
    return nodes, constants
