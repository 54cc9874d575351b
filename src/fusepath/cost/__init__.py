"""How much it takes: operations, bytes and seconds under a stated convention. Pure."""

from fusepath.cost.compression import Compression, Crossing, crossing, cut_crossing, quickest
from fusepath.cost.convention import (
    CONVENTIONS,
    RUNTIME,
    TABLE1,
    Convention,
    DescribedConvention,
    Regions,
    described_convention,
    named_convention,
)
from fusepath.cost.counts import MACS, Counts
from fusepath.cost.fit import FitError, fit_error, fixed_part_s
from fusepath.cost.latency import Charge, Charging, LatencyModel
from fusepath.cost.layer_table import (
    LayerTable,
    TableLayer,
    TableLink,
    layer_table,
    load_layer_table,
)
from fusepath.cost.link import Link, MessageCosts, MessageTimes, parse_link
from fusepath.cost.machine import (
    ComputeRate,
    LayerTime,
    Machine,
    MachineProfile,
    parse_machine,
)
from fusepath.cost.operations import (
    bytes_per_element,
    cut_bytes,
    layer_macs,
    layer_ops,
    ops_per_position,
    positions,
    range_macs,
    result_bytes,
    section_share,
    tensor_bytes,
    tileable_share,
)
from fusepath.cost.paths import PathCosts, TileCosts, path_costs
from fusepath.cost.strips import AlikeMaps, StripCosts, StripPrices, strip_costs, strip_prices

__all__ = [
    "CONVENTIONS",
    "MACS",
    "RUNTIME",
    "TABLE1",
    "AlikeMaps",
    "Charge",
    "Charging",
    "Compression",
    "ComputeRate",
    "Convention",
    "Counts",
    "Crossing",
    "DescribedConvention",
    "FitError",
    "LatencyModel",
    "LayerTable",
    "LayerTime",
    "Link",
    "Machine",
    "MachineProfile",
    "MessageCosts",
    "MessageTimes",
    "PathCosts",
    "Regions",
    "StripCosts",
    "StripPrices",
    "TableLayer",
    "TableLink",
    "TileCosts",
    "bytes_per_element",
    "crossing",
    "cut_bytes",
    "cut_crossing",
    "described_convention",
    "fit_error",
    "fixed_part_s",
    "layer_macs",
    "layer_ops",
    "layer_table",
    "load_layer_table",
    "named_convention",
    "ops_per_position",
    "parse_link",
    "parse_machine",
    "path_costs",
    "positions",
    "quickest",
    "range_macs",
    "result_bytes",
    "section_share",
    "strip_costs",
    "strip_prices",
    "tensor_bytes",
    "tileable_share",
]
