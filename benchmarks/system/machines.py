"""Profiles of both machines, and what a planner sees of a cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import RUNTIME, Link, MachineProfile
from fusepath.offload.machines import measured_link
from fusepath.plan import InputFormat, Setting
from fusepath.profiling.codecs import named_codecs, offering_codecs
from fusepath.profiling.layers import measure_layers

if TYPE_CHECKING:
    from benchmarks.system.cells import Cell
    from fusepath.arrays import Array
    from fusepath.cost import Compression
    from fusepath.onnx_io import Model
    from fusepath.remote.client import EdgeClient


RATE = 1e6
"""Bytes per second both ways, until a cell sets another."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What one network takes on the device, not slowed, and on the edge server; the way there."""

    device: MachineProfile
    edge: MachineProfile
    link: Link
    """At any rate: what messages cost over it."""
    offered: dict[str, list[Compression]]
    """What codecs save and cost, by tensor, on machines that are not slowed."""
    offered_back: dict[str, list[Compression]]
    """The same on the way back."""

    def with_codecs_for(self, model: Model, image: Array) -> Machines:
        """The same machines with what codecs save on the maps of a picture, measured anew."""
        setting = Setting(graph=model.graph, device=self.device, edge=self.edge, link=self.link)
        found = offering_codecs(setting, model, image, InputFormat(), codecs=named_codecs("auto"))
        return replace(self, offered=found.offered, offered_back=found.offered_back)

    def codecs(self, cell: Cell) -> dict[str, dict[str, list[Compression]]]:
        """The same for the device of a cell, as a `Setting` has it."""
        up, back = (cell.slowdown, 1.0), (1.0, cell.slowdown)
        return {
            way: {
                name: [item.on(sender=sender, receiver=receiver) for item in items]
                for name, items in offered.items()
            }
            for way, offered, (sender, receiver) in (
                ("offered", self.offered, up),
                ("offered_back", self.offered_back, back),
            )
        }

    def setting(self, model: Model, cell: Cell, *, input_bytes_per_element: int) -> Setting:
        """A cell as the planner sees it, for a picture of so many bytes per element."""
        return Setting(
            graph=model.graph,
            device=self.device.slowed(cell.slowdown),
            edge=self.edge,
            link=self.link.at(cell.rate_bytes_per_s),
            convention=msgspec.structs.replace(
                RUNTIME, input_bytes_per_element=input_bytes_per_element
            ),
        )


async def profile(model: Model, image: Array, client: EdgeClient) -> Machines:
    """Measure both machines, one after the other, and codecs on the maps of a picture."""
    return (await profile_without_codecs(model, client)).with_codecs_for(model, image)


async def profile_without_codecs(model: Model, client: EdgeClient) -> Machines:
    """Measure both machines, one after the other."""
    device, edge = measure_layers(model), await client.profile(model)
    link = msgspec.structs.replace(
        await measured_link(client), up_bytes_per_s=RATE, down_bytes_per_s=RATE
    )
    return Machines(device=device, edge=edge, link=link, offered={}, offered_back={})
