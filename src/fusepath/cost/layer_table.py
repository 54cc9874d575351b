"""A network known by its numbers alone: time per layer on both machines, and sizes between them.

No model file is needed, so that measurements published by others can be planned with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost.operations import cut_bytes, result_bytes
from fusepath.errors import FileFormatError, SettingError

if TYPE_CHECKING:
    from pathlib import Path

    from fusepath.cost.convention import Convention
    from fusepath.cost.latency import LatencyModel
    from fusepath.graph import ModelGraph

FORMAT = "fusepath-layers"


class TableLayer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer; ``sent_bytes`` crosses the link if it is the first on the edge server."""

    name: str
    device_s: float
    edge_s: float
    sent_bytes: float


class TableLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link rate to plan for; ``delay_s`` is paid once each way."""

    name: str
    bytes_per_s: float
    delay_s: float = 0.0


class LayerTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Layers in running order, and the links between the two machines."""

    KIND: ClassVar[str] = "layer table"

    format: str = FORMAT
    version: int = 1
    name: str
    source: str = ""
    """Where the numbers come from."""
    layers: tuple[TableLayer, ...]
    result_bytes: float = 0.0
    """Sent back when anything runs on the edge server."""
    links: tuple[TableLink, ...]

    def __post_init__(self) -> None:
        if not self.layers or not self.links:
            raise SettingError("a layer table needs at least one layer and one link")
        times = [value for layer in self.layers for value in (layer.device_s, layer.edge_s)]
        sizes = [self.result_bytes, *(layer.sent_bytes for layer in self.layers)]
        delays = [link.delay_s for link in self.links]
        if not all(math.isfinite(value) and value >= 0 for value in (*times, *sizes, *delays)):
            raise SettingError("times and sizes must be finite and not below zero")
        if not all(math.isfinite(link.bytes_per_s) and link.bytes_per_s > 0 for link in self.links):
            raise SettingError("link rates must be above zero")


def load_layer_table(path: str | Path) -> LayerTable:
    """Read a layer table.

    Raises:
        FileFormatError: it is missing, damaged or none.
    """
    table = jsonfile.load(path, LayerTable)
    if table.format != FORMAT or table.version != 1:
        raise FileFormatError(
            f"{path}: {table.format} version {table.version}; this reads {FORMAT} version 1"
        )
    return table


def layer_table(
    graph: ModelGraph,
    *,
    device: LatencyModel,
    edge: LatencyModel,
    convention: Convention,
    links: tuple[TableLink, ...],
) -> LayerTable:
    """The numbers of a network on two machines, as a table."""
    layers = tuple(
        TableLayer(
            name=layer.name,
            device_s=device.layer_s(graph, layer.index, convention),
            edge_s=edge.layer_s(graph, layer.index, convention),
            sent_bytes=cut_bytes(graph, layer.index, convention),
        )
        for layer in graph.layers
    )
    return LayerTable(
        name=graph.name,
        source=f"{graph.name} under convention {convention.name}: "
        f"device {device.describe()}, edge {edge.describe()}",
        layers=layers,
        result_bytes=result_bytes(graph, convention) if convention.counts_result else 0.0,
        links=links,
    )
