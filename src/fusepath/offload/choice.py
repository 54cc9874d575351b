"""Which plans a request leaves to choose from, for machines as they are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fusepath.plan import make_plan, shortlist, worth_trying

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.cost import Compression
    from fusepath.plan import InputFormat, Plan, PlanOptions, PlanRequest, Setting


def plans_to_try(
    setting: Setting,
    *,
    request: PlanRequest,
    offered: Mapping[str, Sequence[Compression]],
    source: str,
    form: InputFormat,
) -> list[Plan]:
    """Plans to prepare and try, most promising first; only ``auto`` leaves a choice.

    Raises:
        InfeasibleError: no plan keeps to the constraints.
    """
    return worth_trying(setting, offered, partial(_plans, request, source, form))


def _plans(request: PlanRequest, source: str, form: InputFormat, setting: Setting) -> list[Plan]:
    options: PlanOptions = {
        "constraints": request.constraints,
        "time_limit_s": request.time_limit_s,
        "source": source,
        "mean": form.mean,
        "std": form.std,
    }
    if request.algorithm == "auto" and request.grid is None and request.tau is None:
        return shortlist(setting, **options)
    options["grid"], options["tau"] = request.grid, request.tau
    options["unequal"] = request.unequal
    return [make_plan(setting, request.algorithm, **options)]
