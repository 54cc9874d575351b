"""How fast a machine computes: a rate, or the measured time of every layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost.fit import FitError
from fusepath.cost.latency import Charge
from fusepath.cost.link import NOT_MEASURED
from fusepath.cost.operations import layer_ops, ops_per_position, positions
from fusepath.cost.power import Power, parse_power
from fusepath.errors import FileFormatError, SettingError, check_number, one_line
from fusepath.units import format_ops_per_s, parse_flop_per_s

if TYPE_CHECKING:
    from fusepath.cost.convention import Convention
    from fusepath.graph import ModelGraph


class ComputeRate(msgspec.Struct, frozen=True, tag="rate", forbid_unknown_fields=True):
    """A machine known by its operations per second alone (paper Eq. 1 and 3).

    Raises:
        SettingError: no number of them above zero.
    """

    ops_per_s: float
    power: Power | msgspec.UnsetType = msgspec.UNSET
    """What it draws, where that is known."""
    assumed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the rate stands for a machine that was neither given nor measured."""

    def __post_init__(self) -> None:
        check_number("ops_per_s", self.ops_per_s)
        if not self.ops_per_s > 0:
            raise SettingError(f"ops_per_s {self.ops_per_s:g} must be above zero")

    def charges(self, graph: ModelGraph, convention: Convention) -> tuple[Charge, ...]:
        """Costs per position of the maps of the tileable prefix."""
        return tuple(
            Charge(layer.index, op.counted, ops / self.ops_per_s)
            for layer in graph.layers[: graph.tileable_layers]
            for op in layer.operators
            if (ops := ops_per_position(op, convention)) > 0
        )

    def behind(self, start: int) -> ComputeRate:  # noqa: ARG002 - a rate is the same anywhere
        """The same machine for the rest of a network."""
        return self

    def layer_s(self, graph: ModelGraph, index: int, convention: Convention) -> float:
        """Seconds of a whole layer (1-based)."""
        return layer_ops(graph, index, convention) / self.ops_per_s

    def first(self, layers: int) -> ComputeRate:  # noqa: ARG002 - the rate of any layers
        """The machine for a network of the first so many layers."""
        return self

    def slowed(self, factor: float) -> ComputeRate:
        """A machine ``factor`` times slower."""
        return msgspec.structs.replace(self, ops_per_s=self.ops_per_s / factor)

    @property
    def call_overhead_s(self) -> float:
        """A rate knows of no calls."""
        return 0.0

    @property
    def strip_factor(self) -> float:
        """A rate knows of no strips."""
        return 1.0

    @property
    def strip_ahead_factor(self) -> float:
        """Nor of rows that are made ahead."""
        return 1.0

    def piece_s(self, first: int, last: int) -> float:  # noqa: ARG002 - a rate has no fixed part
        """A piece costs its operations alone."""
        return 0.0

    def strip_s(self, first: int, last: int) -> float:  # noqa: ARG002 - a rate has no fixed part
        """A strip costs its operations alone."""
        return 0.0

    def describe(self) -> str:
        """For people."""
        return NOT_MEASURED if self.is_assumed else format_ops_per_s(self.ops_per_s)

    @property
    def is_assumed(self) -> bool:
        """Whether nobody knows how quick it is."""
        return bool(self.assumed)


def _check(item: msgspec.Struct, *names: str) -> None:
    """Raise unless these fields are finite and not below zero."""
    for name in names:
        given = getattr(item, name)
        check_number(name, given)
        if not 0 <= given < math.inf:
            raise SettingError(f"{name} {given:g} is not finite, or below zero")


class LayerTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Measured seconds of one whole layer within the network.

    Raises:
        SettingError: a time is below zero, or not finite.
    """

    name: str
    seconds: float
    fixed_s: float = 0.0
    """The part of ``seconds`` that is paid for every piece of the layer, however small."""
    spread: float = 0.0
    """By what part of itself the time differed between repeats (20th to 80th percentile)."""

    def __post_init__(self) -> None:
        _check(self, "seconds", "fixed_s", "spread")


class MachineProfile(
    msgspec.Struct, frozen=True, kw_only=True, tag="profile", forbid_unknown_fields=True
):
    """A machine known by the measured time of each layer of one model.

    A tile of a layer is charged its fixed part, and the rest by the positions it computes.

    Raises:
        SettingError: a number is below zero, or not finite.
    """

    KIND: ClassVar[str] = "machine profile"

    version: int = 2
    model_sha256: str
    layers: tuple[LayerTime, ...]
    threads: int = 1
    call_overhead_s: float = 0.0
    """Seconds every call of a session takes, whatever it computes, after a wait as in a run."""
    waking_s: float = 0.0
    """The part of it that comes of the wait: as long on a slower machine."""
    strip_factor: float = 1.0
    """By what a row costs more in a strip than in a whole map: caching breaks up what the engine
    would fuse."""
    strip_ahead_factor: float = 1.0
    """The same behind a cut: rows that are made as soon as they can be are kept and joined more."""
    strip_layer_s: float = 0.0
    """Seconds that a strip costs in every layer beyond a piece: keeping, cutting and joining rows,
    and the poorer use of the machine by few rows."""
    machine: str = ""
    software: str = ""
    provider: str = ""
    """Execution provider that computed."""
    rounding: float = 0.0
    """By how much outputs were off what the processor makes of the same input, relative to the
    largest value of each: the worst of them. 0 where the processor computed."""
    disturbed: bool = False
    """Whether something else was at work while measuring, so that times may be too long."""
    held_out: FitError | None = None
    """How well the profile predicts tiles and strips that it was not made from."""
    power: Power | msgspec.UnsetType = msgspec.UNSET
    """What it draws, where that is known."""

    def __post_init__(self) -> None:
        factors = ("strip_factor", "strip_ahead_factor")
        times = ("call_overhead_s", "waking_s", "strip_layer_s")
        _check(self, "threads", *times, *factors, "rounding")
        if self.waking_s > self.call_overhead_s:
            raise SettingError(
                f"waking_s {self.waking_s:g} is above call_overhead_s {self.call_overhead_s:g}, "
                f"of which it is a part"
            )

    def charges(self, graph: ModelGraph, convention: Convention) -> tuple[Charge, ...]:
        """Costs per position of the maps of the tileable prefix."""
        self.check(graph)
        charges = []
        for layer in graph.layers[: graph.tileable_layers]:
            main = max(layer.operators, key=lambda op: ops_per_position(op, convention))
            time = self.layers[layer.index - 1]
            per_position_s = (time.seconds - time.fixed_s) / positions(graph, main)
            charges.append(Charge(layer.index, main.counted, per_position_s))
        return tuple(charges)

    def layer_s(self, graph: ModelGraph, index: int, convention: Convention) -> float:
        """Seconds of a whole layer (1-based)."""
        self.check(graph)
        if index > graph.tileable_layers and not convention.counts_untileable:
            return 0.0
        return self.layers[index - 1].seconds

    def piece_s(self, first: int, last: int) -> float:
        """Seconds that a piece of layers ``first … last`` takes however small it is; 0 for none."""
        if first > last:
            return 0.0
        fixed_s = sum(item.fixed_s for item in self.layers[first - 1 : last])
        return self.call_overhead_s + fixed_s

    def strip_s(self, first: int, last: int) -> float:
        """Seconds that a strip of layers ``first … last`` takes however thin it is; 0 for none."""
        if first > last:
            return 0.0
        return self.piece_s(first, last) + self.strip_layer_s * (last - first + 1)

    def check(self, graph: ModelGraph) -> None:
        """Raise if this profile is of another model.

        Raises:
            FileFormatError: digest or number of layers differ.
        """
        if self.model_sha256 != graph.sha256 or len(self.layers) != graph.depth:
            raise FileFormatError(
                f"the profile was measured on model {one_line(self.model_sha256, 12)}, "
                f"not on '{graph.name}' ({graph.sha256[:12]}); profile this model"
            )

    def behind(self, start: int) -> MachineProfile:
        """The same machine for the rest of the network behind layer ``start``."""
        return msgspec.structs.replace(self, layers=self.layers[start:])

    def first(self, layers: int) -> MachineProfile:
        """The machine for a network of the first so many layers."""
        return msgspec.structs.replace(self, layers=self.layers[:layers])

    def slowed(self, factor: float) -> MachineProfile:
        """The profile of a machine that computes ``factor`` times more slowly."""
        return msgspec.structs.replace(
            self,
            layers=tuple(
                msgspec.structs.replace(
                    item, seconds=item.seconds * factor, fixed_s=item.fixed_s * factor
                )
                for item in self.layers
            ),
            call_overhead_s=(self.call_overhead_s - self.waking_s) * factor + self.waking_s,
            strip_layer_s=self.strip_layer_s * factor,
        )

    @property
    def total_s(self) -> float:
        """Seconds of the whole network."""
        return sum(item.seconds for item in self.layers)

    @property
    def is_assumed(self) -> bool:
        """It was measured."""
        return False

    def describe(self) -> str:
        """For people."""
        return f"profile, {self.total_s * 1e3:.3g} ms for the whole network"


Machine = ComputeRate | MachineProfile
"""The latency models that plan files hold."""


def parse_machine(text: str) -> Machine:
    """Read a rate (``10GFLOPS``) or the name of a file of a machine, a profile or a rate.

    What it draws may stand behind a colon, and then counts instead of what the file says:
    ``10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2``.

    Raises:
        InputError: it is neither.
    """
    name, colon, drawn = text.rpartition(":")
    if colon and "=" in drawn:
        return msgspec.structs.replace(parse_machine(name), power=parse_power(drawn))
    if text.endswith(".json"):
        keys = jsonfile.load_object(text, MachineProfile)
        if keys.get("type") == "rate":
            return jsonfile.convert(keys, ComputeRate, where=text)
        profile = jsonfile.convert(keys, MachineProfile, where=text)
        if profile.version != 2:
            raise FileFormatError(f"{text}: profile version {profile.version}; this reads 2")
        return profile
    return ComputeRate(parse_flop_per_s(text))
