"""The model of a plan, and the machines that it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.cli.options import open_model

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan, Setting


def open_planned(plan: Plan, model: str | None, post: str | None) -> tuple[Model, Setting]:
    """What a plan was made for.

    Args:
        plan: holds its machines and link.
        model: where the model is, if not where the planner found it.
        post: a graph behind the model.

    Raises:
        ModelError: it cannot be read.
    """
    from fusepath.onnx_io.source import PREFIX as ZOO
    from fusepath.plan import Setting
    from fusepath.spelling import path_of

    shape = ",".join(str(size) for size in plan.model.input_shape)
    source = model or path_of(plan.model.source)
    loaded = open_model(source, None if source.startswith(ZOO) else shape, post)
    return loaded, Setting.of_plan(plan, loaded.graph)
