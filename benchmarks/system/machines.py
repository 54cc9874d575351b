"""Profiles of both machines, and what a planner sees of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import RUNTIME, Link, MachineProfile
from fusepath.execute.measure import measure_layers
from fusepath.plan import Setting

if TYPE_CHECKING:
    from benchmarks.system.cells import Cell
    from fusepath.execute.client import EdgeClient
    from fusepath.onnx_io import Model


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What one network takes on the device, not slowed, and on the edge server."""

    device: MachineProfile
    edge: MachineProfile

    def setting(self, model: Model, cell: Cell, *, input_bytes_per_element: int) -> Setting:
        """A cell as the planner sees it, for a picture of so many bytes per element."""
        rate = cell.rate_bytes_per_s
        return Setting(
            graph=model.graph,
            device=self.device.slowed(cell.slowdown),
            edge=self.edge,
            link=Link(up_bytes_per_s=rate, down_bytes_per_s=rate),
            convention=msgspec.structs.replace(
                RUNTIME, input_bytes_per_element=input_bytes_per_element
            ),
        )


async def profile(model: Model, client: EdgeClient) -> Machines:
    """Measure both machines, one after the other."""
    return Machines(device=measure_layers(model), edge=await client.profile(model))
