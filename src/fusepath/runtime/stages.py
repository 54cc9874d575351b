"""What the stages of a recipe on one machine have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.plan import TailPlace
from fusepath.protocol.wanted import returning
from fusepath.runtime.codecs import find_codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.graph import ModelGraph
    from fusepath.plan import Recipe
    from fusepath.runtime.stage import Stage
    from fusepath.tiling.layout import Layout


def usable_codecs(codecs: Mapping[str, str]) -> dict[str, str]:
    """Names of the codecs of a recipe by tensor, one way.

    Raises:
        InputError: one of them is unknown or not installed on this machine.
    """
    for codec in codecs.values():
        find_codec(codec)
    return dict(codecs)


def may_reuse(graph: ModelGraph, paths: Layout) -> bool:
    """Whether what a path makes depends on its own piece of the input and on nothing else.

    Args:
        graph: the part of the network that paths share out.
        paths: which part of every map they hold.
    """
    return not (paths.predecessors() or paths.goes_on_from() or graph.companions)


def returned_names(graph: ModelGraph, recipe: Recipe, left_out: int) -> frozenset[str]:
    """What returns of outputs or, for a tail on the device, of what that reads.

    Args:
        graph: the network behind all that the device computes before the paths.
        recipe: of that network.
        left_out: outputs that are not to return, as of `fusepath.protocol.wanted`.

    Raises:
        ProtocolError: outputs are left out that there are not.
    """
    wanted = returning(graph.outputs, left_out)
    if recipe.tail is TailPlace.DEVICE and recipe.tau < graph.depth:
        return frozenset(recipe.divided(graph).outputs)
    return frozenset(wanted)


def prepare_stages(stages: Mapping[int, Stage], recipe: Recipe) -> None:
    """Build all sessions that paths need, before the first of them runs."""
    for path, cut in enumerate(recipe.cuts):
        if cut in stages:
            stages[cut].prepare(path)


def stages_macs(stages: Mapping[int, Stage], recipe: Recipe) -> int:
    """Multiply-accumulates of all paths on this machine."""
    return sum(stages[cut].macs(path) for path, cut in enumerate(recipe.cuts) if cut in stages)
