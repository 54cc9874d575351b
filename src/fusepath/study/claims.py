"""What others have claimed, as data: how each claim can be posed here, or why it cannot."""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import product
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Counted = Literal["latency", "energy", "throughput"]


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan to be made, in the words of the command line."""

    network: str
    device: str
    edge: str
    link: str
    algorithm: str
    convention: str = "runtime"
    counted: Counted = "latency"
    """What the plan is to be good at and what is counted of it: seconds of a frame, joules of a
    frame, or seconds from frame to frame."""
    planned_at: str = ""
    """The link that it is planned for, where that is another than the one it runs over."""
    in_flight: int = 1


class Posed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="posed"):
    """Two plans beside each other in every setting of a grid."""

    networks: tuple[str, ...]
    devices: tuple[str, ...]
    edge: str
    links: tuple[str, ...]
    baseline: str
    """An algorithm."""
    ours: str
    convention: str = "runtime"
    counted: Counted = "latency"
    nominal: str = ""
    """The link that the baseline is planned for, once and for all."""
    in_flight: int = 1
    taken: Literal["mean", "most", "sums"] = "mean"
    """Of the settings the mean, the most, or, of each network and device, all links together."""
    of_cases: str = ""
    """What networks, machines and links are those of the claim, and which were chosen here."""

    def pairs(self) -> Iterator[tuple[Case, Case]]:
        """Baseline and ours in every setting."""
        for network, device, link in product(self.networks, self.devices, self.links):
            ours = Case(
                network=network,
                device=device,
                edge=self.edge,
                link=link,
                algorithm=self.ours,
                convention=self.convention,
                counted=self.counted,
                in_flight=self.in_flight,
            )
            # A baseline is chosen for latency whatever is counted of it, as published ones are.
            yield (
                msgspec.structs.replace(
                    ours, algorithm=self.baseline, planned_at=self.nominal or link
                ),
                ours,
            )

    @property
    def groups(self) -> int:
        """How many settings in a row are taken together, with ``sums``."""
        return len(self.links) if self.taken == "sums" else 1


class NotPosed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="not"):
    """Why a claim cannot be posed here."""

    why: str


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published number, and how it is posed."""

    key: str
    work: str
    says: str
    """In our words."""
    measure: Literal["times", "less", "over"]
    """Baseline by ours; the part by which ours is less; the part by which it is over."""
    published: tuple[float, ...]
    """The number, or both ends of a range; nothing where there is none."""
    posing: Posed | NotPosed
    link: str = ""
    """To the publication, where it has a lasting one."""
    remark: str = ""


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    claims: tuple[Claim, ...]


@cache
def register() -> Register:
    """The claims that are kept."""
    data = (resources.files("fusepath.study") / "claims.toml").read_bytes()
    return msgspec.toml.decode(data, type=Register)
