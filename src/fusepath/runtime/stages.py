"""What the stages of a recipe on one machine have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.runtime.codecs import find_codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.plan import Recipe
    from fusepath.runtime.stage import Stage


def usable_codecs(recipe: Recipe) -> dict[str, str]:
    """Names of the codecs by tensor.

    Raises:
        InputError: one of them is unknown or not installed on this machine.
    """
    for codec in recipe.codecs.values():
        find_codec(codec)
    return dict(recipe.codecs)


def prepare_stages(stages: Mapping[int, Stage], recipe: Recipe) -> None:
    """Build all sessions that paths need, before the first of them runs."""
    for path, cut in enumerate(recipe.cuts):
        if cut in stages:
            stages[cut].prepare(path)


def stages_macs(stages: Mapping[int, Stage], recipe: Recipe) -> int:
    """Multiply-accumulates of all paths on this machine."""
    return sum(stages[cut].macs(path) for path, cut in enumerate(recipe.cuts) if cut in stages)
