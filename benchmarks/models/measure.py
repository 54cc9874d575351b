"""One row of the table: a network in a spelling, planned at its crossover, split and verified."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.models.families import FAMILIES, Family
from benchmarks.models.spellings import SPELLINGS
from fusepath.cli.inspect import describe
from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import FusepathError
from fusepath.graph import FEWEST_FUSED
from fusepath.offload.order import FallbackPolicy, SessionOptions
from fusepath.offload.run import run
from fusepath.onnx_io.load import load_model
from fusepath.onnx_io.read import read_model
from fusepath.plan import PlanRequest, Setting, make_plan, row_bound_s
from fusepath.tiling import Grid

if TYPE_CHECKING:
    import onnx

    from fusepath.graph import ModelGraph, Section
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.schedule.budget import Budget

EDGE_FLOP_PER_S = 500e9
LINK = "1.8MB/s"
ENOUGH_GAIN = 1.05
"""A family that gains less has a bound beside it that explains why."""
GRIDS = (Grid(2, 2), Grid(2, 1), Grid(1, 2))
_AS_PLANNED = SessionOptions(fallback=FallbackPolicy.OFF)
"""A result of the device alone would verify, whatever the plan."""


@dataclass(kw_only=True)
class Row:
    """What is known of a network in a spelling; what could not be found out is empty."""

    family: str
    spelling: str
    nodes: int = 0
    layers: int = 0
    tileable_layers: int = 0
    tileable_share: float = 0.0
    """Of the MACs: in layers that the split plans below run."""
    stops: str = ""
    """The node that ends tiling, and why."""
    device_gflop_per_s: float = 0.0
    """With which the device alone takes as long as sending the image."""
    nfl_ms: float = 0.0
    auto_ms: float = 0.0
    bound_ms: float = 0.0
    row_bound_ms: float = 0.0
    """What no plan of whole rows undercuts; 0 where it is not needed to explain the row."""
    winner: str = ""
    split: str = ""
    """The deepest tiles of every section, all carried out and compared, as was the best plan."""
    rel_error: float | None = None
    """Of the outputs, over the largest value, the worse of both; None where nothing is split."""
    verified: bool = False
    failed: str = ""
    """Why the network cannot be read, planned or run."""

    @property
    def gain(self) -> float:
        """Of `auto` over the best single cut."""
        return self.nfl_ms / self.auto_ms if self.auto_ms else 0.0

    @property
    def most(self) -> float:
        """That no plan gains more than."""
        return self.nfl_ms / self.bound_ms if self.bound_ms else 0.0

    @property
    def most_by_rows(self) -> float:
        """That no plan of whole rows gains more than; 0 where that is not known."""
        return self.nfl_ms / self.row_bound_ms if self.row_bound_ms else 0.0

    @staticmethod
    def from_text(values: dict[str, str]) -> Row:
        """From a line of a CSV file."""
        kinds = {"int": int, "float": float, "str": str, "bool": "True".__eq__}
        kinds["float | None"] = lambda text: float(text) if text else None
        return Row(**{item.name: kinds[item.type](values[item.name]) for item in fields(Row)})


def build(name: str, family: Family, spelling: str) -> onnx.ModelProto:
    """The network as that exporter writes it."""
    graph = SPELLINGS[spelling](name, size=family.size, channels=family.channels)
    heads = family.layers(graph)
    return graph.finish(*(heads if isinstance(heads, tuple) else (heads,)))


def load(name: str) -> Model:
    """A family, as the older one of PyTorch's exporters writes it; or a file or zoo network."""
    if name not in FAMILIES:
        return load_model(name)
    data = build(name, FAMILIES[name], "torchscript").SerializeToString()
    return read_model(data, name=name, source=name)


def measure(name: str, spelling: str, *, budget: Budget | None = None) -> Row:
    """Read, plan, split and compare; what fails is said in the row."""
    written = build(name, FAMILIES[name], spelling)
    row = Row(family=name, spelling=spelling, nodes=len(written.graph.node))
    data = written.SerializeToString()
    try:
        model = read_model(data, name=name, source=f"{name}.onnx")
        _inspect(row, model)
        setting = _crossover(row, model.graph)
        best = _plan(row, setting, budget)
        _split(row, model, setting, best)
    except FusepathError as error:
        row.failed = str(error)
    return row


def _inspect(row: Row, model: Model) -> None:
    graph, said = model.graph, describe(model)
    row.layers, row.tileable_layers = graph.depth, said["tileable_layers"]
    if said["barrier"]:
        row.stops = "{node} ({op_type}): {reason}".format(**said["barrier"])


def _crossover(row: Row, graph: ModelGraph) -> Setting:
    """The device that takes as long for the network as the image takes to the edge and back."""

    def setting(device: float) -> Setting:
        return Setting(
            graph=graph,
            device=ComputeRate(device),
            edge=ComputeRate(EDGE_FLOP_PER_S),
            link=parse_link(LINK),
        )

    alone, sent = (
        make_plan(setting(1e9), PlanRequest(algorithm=a, codecs="off")).best.makespan_s
        for a in ("device-only", "full-offload")
    )
    row.device_gflop_per_s = alone / sent
    return setting(1e9 * alone / sent)


def _plan(row: Row, setting: Setting, budget: Budget | None) -> Plan:
    nfl = make_plan(setting, PlanRequest(algorithm="nfl", codecs="off")).best
    auto = make_plan(setting, PlanRequest(codecs="off", budget=budget)).best
    row.nfl_ms, row.auto_ms = 1e3 * nfl.makespan_s, 1e3 * auto.makespan_s
    row.bound_ms = 1e3 * auto.lower_bound_s
    row.winner = auto.family
    if row.gain < ENOUGH_GAIN <= row.most:
        row.row_bound_ms = 1e3 * row_bound_s(setting)
    return auto


def _split(row: Row, model: Model, setting: Setting, best: Plan) -> None:
    """Carry out the deepest tiles of every section and the best plan.

    A share that no plan runs is none.
    """
    tiles = [plan for section in setting.graph.sections if (plan := _deepest(setting, section))]
    if not tiles:
        return
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, model.graph.input.shape, dtype=np.uint8)
    compared = [
        run(model, picture, "memory:", plan=plan, verify=True, options=_AS_PLANNED).comparison
        for plan in (*tiles, best)
    ]
    row.split = ", ".join(f"{plan.grid} at layer {plan.tau}" for plan in tiles)
    row.rel_error = max(item.max_rel_error for item in compared)
    row.verified = all(item.passed for item in compared)
    if row.verified:
        macs = [layer["macs"] for layer in describe(model)["layers"]]
        fused = sum(sum(macs[plan.start : plan.tau]) for plan in tiles)
        row.tileable_share = fused / sum(macs)


def _deepest(setting: Setting, section: Section) -> Plan | None:
    """Tiles at a section's last layer whose maps can be cut; None where fewer than two can."""
    graph, start = setting.graph, section.start
    for tau in range(section.end, start + FEWEST_FUSED - 1, -1):
        for grid in GRIDS:
            if grid.rows <= graph.fused_size(tau, 0) and grid.cols <= graph.fused_size(tau, 1):
                request = PlanRequest(algorithm="mw", start=start, tau=tau, grid=grid, codecs="off")
                return make_plan(setting, request).best
    return None
