"""A network and the machines it runs on: data alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fusepath.cost import RUNTIME, Compression, Convention, Link, Machine, unbeaten_codecs
from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.graph import ModelGraph
    from fusepath.plan.plan import Plan
    from fusepath.plan.source import PictureSource


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that a plan depends on besides the planner's own choices."""

    graph: ModelGraph
    device: Machine
    edge: Machine
    link: Link
    convention: Convention = RUNTIME
    compression: Mapping[str, Compression] = field(default_factory=dict)
    """By tensor: how the device encodes it before it is sent; all others are sent as they are."""
    offered: Mapping[str, Sequence[Compression]] = field(default_factory=dict)
    """By tensor: codecs that may be chosen for it."""
    back_compression: Mapping[str, Compression] = field(default_factory=dict)
    """By tensor: how the edge server encodes it before it returns."""
    offered_back: Mapping[str, Sequence[Compression]] = field(default_factory=dict)
    """By tensor: codecs that may be chosen for that."""
    source: PictureSource | None = None
    """Where the input comes as encoded pictures; it comes as pixels or values without."""

    @property
    def decode_s(self) -> float:
        """What the device takes before all else, unless it forwards the file."""
        return 0.0 if self.source is None else self.source.device_decode_s

    @property
    def input_dtype(self) -> str:
        """Element type of the input as it travels: the model's, or uint8 for pixels."""
        source = self.graph.input
        pixels = source.is_float and self.convention.input_bytes_per_element == 1
        return "uint8" if pixels else source.dtype

    @classmethod
    def of_plan(cls, plan: Plan, graph: ModelGraph) -> Setting:
        """What a plan for a network was made for, with its codecs."""
        setting = cls(
            graph=graph,
            device=plan.device,
            edge=plan.edge,
            link=plan.link,
            convention=plan.convention,
            source=plan.source or None,
        )
        return setting.coded_as(plan)

    def coded_as(self, plan: Plan) -> Setting:
        """The same with the codecs of a plan."""
        return replace(self, compression=plan.compression, back_compression=plan.back_compression)

    @property
    def unbeaten(self) -> Setting:
        """The same with codecs that no choice beats, where none have been chosen."""
        if self.compression or self.back_compression:
            return self
        return replace(
            self,
            compression=unbeaten_codecs(self.offered),
            back_compression=unbeaten_codecs(self.offered_back),
        )

    def behind(self, start: int) -> Setting:
        """The rest of the network on the same machines, once layers ``1 … start`` have run."""
        return replace(
            self,
            graph=self.graph.behind(start),
            device=self.device.behind(start),
            edge=self.edge.behind(start),
        )

    def front(self, last: int) -> Setting:
        """The same for layers ``1 … last`` alone, as `ModelGraph.front`."""
        graph, machines = self.graph.front(last), (self.device, self.edge)
        device, edge = (machine.first(last) for machine in machines)
        return replace(self, graph=graph, device=device, edge=edge)

    def at(self, link: Link) -> Setting:
        """The same machines joined by another link."""
        return replace(self, link=link)

    def check_takes_time(self, least_s: float) -> None:
        """Refuse to compare plans of a network of which the best takes no time.

        Raises:
            InputError: it takes none.
        """
        if least_s == 0:
            raise InputError(
                f"'{self.graph.name}' takes no time at all under convention "
                f"'{self.convention.name}': there is nothing to gain"
            )
