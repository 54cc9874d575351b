"""How much it takes: operations, bytes and seconds under a stated convention. Pure."""

from fusepath.cost.convention import (
    CONVENTIONS,
    RUNTIME,
    TABLE1,
    Convention,
    Regions,
    named_convention,
)
from fusepath.cost.link import Link, parse_link
from fusepath.cost.machine import (
    ComputeRate,
    LayerTime,
    Machine,
    MachineProfile,
    overhead_s,
    parse_machine,
)
from fusepath.cost.paths import PathCosts, path_costs
from fusepath.cost.work import (
    bytes_per_element,
    cut_bytes,
    layer_macs,
    layer_ops,
    ops_per_position,
    positions,
    result_bytes,
    tensor_bytes,
)

__all__ = [
    "CONVENTIONS",
    "RUNTIME",
    "TABLE1",
    "ComputeRate",
    "Convention",
    "LayerTime",
    "Link",
    "Machine",
    "MachineProfile",
    "PathCosts",
    "Regions",
    "bytes_per_element",
    "cut_bytes",
    "layer_macs",
    "layer_ops",
    "named_convention",
    "ops_per_position",
    "overhead_s",
    "parse_link",
    "parse_machine",
    "path_costs",
    "positions",
    "result_bytes",
    "tensor_bytes",
]
