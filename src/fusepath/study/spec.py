"""What a reproduction of Fig. 4 computes: a frozen specification, from a TOML file or built in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import msgspec

from fusepath.errors import FileFormatError, SettingError
from fusepath.study.published import published

ALGORITHMS = ("nfl", "bf-2x2", "mw-2x2", "mw-kxk")
"""The curves of Fig. 4, in the order of its legend."""

LAST_TAU = "mw-kxk-last"
"""MW(k×k) with the fused layer fixed at the last one that can be tiled; not in the paper."""

LABELS = {
    "nfl": "NFL",
    "bf-2x2": "BF (2×2)",
    "mw-2x2": "MW (2×2)",
    "mw-kxk": "MW (k×k)",
    LAST_TAU: "MW (k×k), last τ",
}

_MAX_BYTES = 2**16


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network to plan for, and which of the paper's curves it stands beside."""

    name: str
    """Short name for files and tables."""
    source: str
    """A model file or ``zoo:…``."""
    published: str
    """The paper's name of the network."""
    primary: bool = False
    """Its input has the size that the published NFL curve implies."""
    granted: bool = False
    """Whether it is also computed on machines scaled to the published NFL curve."""


NETWORKS = (
    Network(
        name="alexnet-224",
        source="zoo:alexnet?size=224",
        published="AlexNet",
        primary=True,
        granted=True,
    ),
    Network(name="alexnet-227", source="zoo:alexnet?size=227", published="AlexNet", granted=True),
    Network(
        name="squeezenet-224",
        source="zoo:squeezenet?size=224",
        published="SqueezeNet",
        primary=True,
        granted=True,
    ),
    Network(name="squeezenet-227", source="zoo:squeezenet?size=227", published="SqueezeNet"),
    Network(
        name="yolov2-320",
        source="zoo:yolov2?size=320",
        published="YOLOv2",
        primary=True,
        granted=True,
    ),
    Network(name="yolov2-416", source="zoo:yolov2?size=416", published="YOLOv2"),
    Network(
        name="tiny-yolov2-320",
        source="zoo:tiny-yolov2?size=320",
        published="YOLOv2",
        primary=True,
        granted=True,
    ),
    Network(name="tiny-yolov2-416", source="zoo:tiny-yolov2?size=416", published="YOLOv2"),
)
RATES_MB_PER_S = tuple(tenths / 10 for tenths in range(11, 31))
CONVENTIONS = (
    "table1",
    "table1-flop",
    "parallel-edge",
    "no-contention",
    "no-halo",
    "perfect-division",
)
GRANTED = ("table1", "parallel-edge", "no-contention", "no-halo", "perfect-division")


class Fig4Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Networks × rates × conventions, on the machines of Table I."""

    KIND: ClassVar[str] = "figure specification"

    figure: str = "fig4"
    device_ops_per_s: float = 2.23e8
    """Table I, f_end."""
    edge_ops_per_s: float = 4.32e9
    """Table I, f_ES."""
    rates_mb_per_s: tuple[float, ...] = RATES_MB_PER_S
    networks: tuple[Network, ...] = NETWORKS
    conventions: tuple[str, ...] = CONVENTIONS
    """Names, or files that end in ``.toml``."""
    granted_conventions: tuple[str, ...] = GRANTED
    """Those of the conventions that are computed once more for the networks marked so, with the
    machines scaled so that full offload takes what the published NFL curve says. This is fitted,
    and says so."""

    def __post_init__(self) -> None:
        if self.figure != "fig4":
            raise SettingError(f"figure '{self.figure}' is not fig4, the one that has a grid")
        rates = (self.device_ops_per_s, self.edge_ops_per_s, *self.rates_mb_per_s)
        if not (self.rates_mb_per_s and self.networks and self.conventions) or min(rates) <= 0:
            raise SettingError(
                "a figure needs networks, conventions and rates, and rates must be above zero"
            )
        if len({network.name for network in self.networks}) < len(self.networks):
            raise SettingError("two networks have the same name")
        for network in self.networks:
            if network.granted and not published().curve(network.published, "nfl"):
                raise SettingError(
                    f"network '{network.name}': the paper has no NFL curve of "
                    f"'{network.published}' that could be granted"
                )

    @property
    def sha256(self) -> str:
        """Digest of everything in the specification."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


QUICK = Fig4Spec(
    rates_mb_per_s=(1.1, 3.0),
    networks=tuple(
        msgspec.structs.replace(network, granted=network.name == "alexnet-224")
        for network in NETWORKS
        if network.name in {"alexnet-224", "squeezenet-224", "yolov2-320"}
    ),
    granted_conventions=("table1", "perfect-division"),
)
"""A look at everything in less than a minute."""


def load_spec(path: str | Path) -> Fig4Spec:
    """Read a specification; what it leaves out is as in the built-in one.

    Raises:
        FileFormatError: missing, damaged, or with a key that means nothing.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{file}: larger than {_MAX_BYTES} bytes, not a specification")
        return msgspec.toml.decode(file.read_bytes(), type=Fig4Spec)
    except OSError as error:
        raise FileFormatError(f"cannot read {file}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        known = ", ".join(Fig4Spec.__struct_fields__)
        raise FileFormatError(
            f"{file}: not a figure specification: {error}; known keys are {known}"
        ) from error
