"""What a user does not let a plan do: limits on the device, on the link and on what may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from fusepath.errors import InputError, SettingError, check_number
from fusepath.units import format_bytes, format_count, number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.graph import ModelGraph


MACS, UPLOAD, MEMORY = "device_macs", "upload_bytes", "device_memory_bytes"
KEPT, PATHS = "keep_on_device", "max_paths"
ENERGY = "device_energy_j"
"""Limits by the parameters of `Constraints` that set them."""


class Demand(Protocol):
    """What an arrangement takes; `limits.demand` works it out, and only what is asked."""

    @property
    def device_macs(self) -> int:
        """Multiply-accumulates on the device, halos counted."""

    @property
    def up_bytes(self) -> int:
        """Bytes sent up per inference."""

    @property
    def memory_bytes(self) -> int:
        """Peak memory on the device."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A limit that is exceeded, and by how much."""

    limit: str
    """The parameter of `Constraints` that sets it."""
    needs: float
    allows: float

    @property
    def excess(self) -> float:
        """Relative to the limit."""
        return (self.needs - self.allows) / (self.allows or 1)

    def __str__(self) -> str:
        where, quantity = _WORDS[self.limit]
        return (
            f"{quantity(self.needs)} {where}, but {self.limit} allows {quantity(self.allows)}: "
            f"{quantity(self.needs - self.allows)} short"
        )


def _macs(count: float) -> str:
    return f"{format_count(count)} MAC"


_WORDS: dict[str, tuple[str, Callable[[float], str]]] = {
    MACS: ("on the device", _macs),
    UPLOAD: ("sent up", format_bytes),
    MEMORY: ("of memory on the device", format_bytes),
    PATHS: ("paths", lambda count: f"{count:.0f}"),
    ENERGY: ("of the device's energy", lambda joules: f"{joules:.4g} J"),
}


class Constraints(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Limits that a plan keeps to; None (0 for ``keep_on_device``) limits nothing.

    Device memory is counted as the runtime holds it: the weights of every sub-model (one for each
    cut behind which the device computes anything; for strips one for each that differs), and the
    largest set of maps that are alive at once while one path is computed, in the model's element
    type, with the rows that strips keep for the next. Not counted are the image itself, what waits
    for the link, and the runtime.
    """

    device_memory_bytes: int | None = None
    device_macs: int | None = None
    """Multiply-accumulates on the device per inference, halos counted."""
    upload_bytes: int | None = None
    """Bytes sent up per inference."""
    keep_on_device: int = 0
    """Layers ``1 … keep_on_device`` run on the device, and the input does not leave it."""
    max_paths: int | None = None
    device_energy_j: float | None = None
    """Joules that the device draws until the result of a frame is there; its power must be known.
    What a plan draws shows only in its timeline, so of what a search finds those are left out that
    take more, and plans for which the device computes or sends less are searched as well."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            given = getattr(self, name)
            if given is not None:
                check_number(name, given)
        limits = (
            self.device_memory_bytes,
            self.device_macs,
            self.upload_bytes,
            self.device_energy_j,
        )
        if not all(limit is None or limit >= 0 for limit in (*limits, self.keep_on_device)):
            raise SettingError("limits of a plan must not be below zero")  # as NaN is not either
        if self.max_paths is not None and self.max_paths < 1:
            raise SettingError("a plan has at least one path")

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return self != Constraints()

    @property
    def limits_choices(self) -> bool:
        """Whether cuts are limited: by anything but the number of paths, or what a plan draws."""
        return self != Constraints(max_paths=self.max_paths, device_energy_j=self.device_energy_j)

    def describe(self) -> str:
        """For people, by the parameters that set them."""
        parts = []
        if self.device_memory_bytes is not None:
            parts.append(f"{MEMORY} {format_bytes(self.device_memory_bytes)}")
        if self.device_macs is not None:
            parts.append(f"{MACS} {format_count(self.device_macs)}")
        if self.upload_bytes is not None:
            parts.append(f"{UPLOAD} {format_bytes(self.upload_bytes)}")
        if self.keep_on_device:
            parts.append(f"{KEPT} {self.keep_on_device}")
        if self.max_paths is not None:
            parts.append(f"{PATHS} {self.max_paths}")
        if self.device_energy_j is not None:
            parts.append(f"{ENERGY} {self.device_energy_j:.4g} J")
        return ", ".join(parts)

    def check(self, graph: ModelGraph) -> None:
        """Raise if the constraints make no sense for a network.

        Raises:
            InputError: more layers are to be kept than there are.
        """
        if self.keep_on_device > graph.depth:
            raise InputError(
                f"{KEPT} {self.keep_on_device}: '{graph.name}' has "
                f"{number_of(graph.depth, 'layer')}"
            )

    def left(self, *, device_macs: int, memory_bytes: int) -> Constraints | None:
        """What is left to paths where the device needs so much besides; None if too little is."""
        macs, memory = self.device_macs, self.device_memory_bytes
        macs = None if macs is None else macs - device_macs
        memory = None if memory is None else memory - memory_bytes
        if min(macs or 0, memory or 0) < 0:
            return None
        return msgspec.structs.replace(self, device_macs=macs, device_memory_bytes=memory)

    def allows_cut(self, graph: ModelGraph, cut: int) -> bool:
        """Whether a path may be cut before layer ``cut`` (1-based) as far as privacy goes.

        On a branch that leads past the kept layers, a later cut can send the input all the same.
        """
        if self.keep_on_device == 0:
            return True
        return cut > self.keep_on_device and graph.input.name not in graph.sent(cut)

    def allows_paths(self, paths: int) -> bool:
        """Whether a plan may have so many paths."""
        return self.max_paths is None or paths <= self.max_paths

    def shortfalls(self, demand: Demand) -> tuple[Shortfall, ...]:
        """The limits that a demand exceeds."""
        found = []
        if self.device_macs is not None and demand.device_macs > self.device_macs:
            found.append(Shortfall(MACS, demand.device_macs, self.device_macs))
        if self.upload_bytes is not None and demand.up_bytes > self.upload_bytes:
            found.append(Shortfall(UPLOAD, demand.up_bytes, self.upload_bytes))
        limit = self.device_memory_bytes
        if limit is not None and demand.memory_bytes > limit:
            found.append(Shortfall(MEMORY, demand.memory_bytes, limit))
        return tuple(found)


NO_CONSTRAINTS = Constraints()
