"""One CNN inference as fast as a weak device, a slow link and an edge server together allow.

The names below are the Python API; they mean what the commands of the same name do. They are
imported when first used, so that ``import fusepath`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusepath.cost import Convention as Convention
    from fusepath.cost import Link as Link
    from fusepath.cost import parse_link as parse_link
    from fusepath.cost import parse_machine as parse_machine
    from fusepath.errors import FusepathError as FusepathError
    from fusepath.offload.run import run as run
    from fusepath.onnx_io import Model as Model
    from fusepath.onnx_io import load_model as load_model
    from fusepath.plan import Plan as Plan
    from fusepath.plan import PlanBook as PlanBook
    from fusepath.plan import Setting as Setting
    from fusepath.plan import load_book as load_book
    from fusepath.plan import load_plan as load_plan
    from fusepath.plan import make_book as make_book
    from fusepath.plan import make_plan as make_plan
    from fusepath.plan import save_book as save_book
    from fusepath.plan import save_plan as save_plan
    from fusepath.plan import simulate as simulate
    from fusepath.profiling.layers import measure_layers as measure_layers
    from fusepath.report.gantt import gantt as gantt
    from fusepath.runtime.image import load_input as load_input
    from fusepath.tiling import Grid as Grid
    from fusepath.timeline import Timeline as Timeline

_HOMES = {
    "Convention": "fusepath.cost",
    "FusepathError": "fusepath.errors",
    "Grid": "fusepath.tiling",
    "Link": "fusepath.cost",
    "Model": "fusepath.onnx_io",
    "Plan": "fusepath.plan",
    "PlanBook": "fusepath.plan",
    "Setting": "fusepath.plan",
    "Timeline": "fusepath.timeline",
    "gantt": "fusepath.report",
    "load_book": "fusepath.plan",
    "load_input": "fusepath.runtime.image",
    "load_model": "fusepath.onnx_io",
    "load_plan": "fusepath.plan",
    "make_book": "fusepath.plan",
    "make_plan": "fusepath.plan",
    "measure_layers": "fusepath.profiling.layers",
    "parse_link": "fusepath.cost",
    "parse_machine": "fusepath.cost",
    "run": "fusepath.offload.run",
    "save_book": "fusepath.plan",
    "save_plan": "fusepath.plan",
    "simulate": "fusepath.plan",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of names, kept in one place


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fusepath' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(_HOMES)
