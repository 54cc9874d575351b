"""What frames are streamed through: networks, machines and codecs that are made up."""

from __future__ import annotations

from fusepath.cost import Compression, ComputeRate, Link
from fusepath.offload.machines import runtime_convention
from fusepath.onnx_io import load_model
from fusepath.plan import Setting

NETWORKS = ("squeezenet", "tiny-yolov2")
EDGE_OPS_PER_S = 1e11
SLOWDOWN = 5
"""So many times slower is the device."""
_CODECS = {
    "uint8": ("delta+zstd", 0.52, 6.6e-9, 2.4e-9),
    "float32": ("bitmask+shuffle+zstd", 0.6, 1e-8, 2.4e-9),
}
"""By element type of a tensor as it travels: ratio, seconds per byte of encoding and decoding."""


def cell(network: str, link: Link | None = None) -> Setting:
    """One network, both machines, and the link that plans are made for at first."""
    graph = load_model(f"zoo:{network}").graph
    setting = Setting(
        graph=graph,
        device=ComputeRate(EDGE_OPS_PER_S / SLOWDOWN),
        edge=ComputeRate(EDGE_OPS_PER_S),
        link=link
        or Link(
            up_bytes_per_s=12e6,
            down_bytes_per_s=12e6,
            delay_s=0.001,
            message_bytes=100,
            message_device_s=2e-4,
            message_edge_s=2e-4,
        ),
        convention=runtime_convention("uint8"),
    )
    sent = {name for cut in range(1, graph.depth + 1) for name in graph.sent(cut)}
    offered = {}
    for name in sorted(sent):
        codec, ratio, encode_s, decode_s = _CODECS[
            "uint8" if name == graph.input.name else "float32"
        ]
        offered[name] = [
            Compression(
                codec=codec,
                ratio=ratio,
                encode_s_per_byte=encode_s * SLOWDOWN,
                decode_s_per_byte=decode_s,
            )
        ]
    return Setting(**{**setting.__dict__, "offered": offered})
