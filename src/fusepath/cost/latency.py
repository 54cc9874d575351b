"""What planning asks of a machine: how long any part of a network takes on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fusepath.cost.convention import Convention
    from fusepath.graph import ModelGraph


@dataclass(frozen=True, slots=True)
class Charge:
    """Amount per position of one map: what a layer costs wherever a tile computes that map."""

    layer: int
    tensor: str
    amount: float
    """Seconds of a machine; MACs where these are counted."""


class Charging(Protocol):
    """What is charged for pieces of layers: seconds of a machine, or MACs."""

    @property
    def strip_factor(self) -> float:
        """By what a row costs more in a strip than in a whole map, where none is made ahead."""

    @property
    def strip_ahead_factor(self) -> float:
        """The same where rows are made as soon as they can be (`StripRows.made`)."""

    def charges(self, graph: ModelGraph, convention: Convention) -> tuple[Charge, ...]:
        """Costs per position of the maps of the tileable prefix."""

    def piece_s(self, first: int, last: int) -> float:
        """Seconds that a piece of some layers takes however small it is; 0 for no layers."""


class LatencyModel(Charging, Protocol):
    """Seconds of layers, whole and in pieces; layers are 1-based, ranges include both ends.

    A piece of a range takes its `Charge` for every position it computes, and `piece_s` on top. A
    strip takes `strip_factor` or `strip_ahead_factor` times the charges, and `strip_s` on top.
    """

    @property
    def call_overhead_s(self) -> float:
        """Seconds every call of a session takes, whatever it computes."""

    def layer_s(self, graph: ModelGraph, index: int, convention: Convention) -> float:
        """Seconds of a whole layer."""

    def strip_s(self, first: int, last: int) -> float:
        """Seconds that a strip of some layers takes however thin it is; 0 for no layers."""

    def describe(self) -> str:
        """For people."""
