"""What the stages of a plan on one machine have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.runtime.codecs import find_codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.plan import Plan
    from fusepath.runtime.stage import Stage


def usable_codecs(plan: Plan) -> dict[str, str]:
    """Names of the plan's codecs by tensor.

    Raises:
        InputError: one of them is unknown or not installed on this machine.
    """
    for item in plan.compression.values():
        find_codec(item.codec)
    return {name: item.codec for name, item in plan.compression.items()}


def prepare_stages(stages: Mapping[int, Stage], plan: Plan) -> None:
    """Build all sessions that paths need, before the first of them runs."""
    for path, cut in enumerate(plan.cuts):
        if cut in stages:
            stages[cut].prepare(path)


def stages_macs(stages: Mapping[int, Stage], plan: Plan) -> int:
    """Multiply-accumulates of all paths on this machine."""
    return sum(stages[cut].macs(path) for path, cut in enumerate(plan.cuts) if cut in stages)
