"""What device and edge server say to each other on their stream."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Buffer = bytes | memoryview


class RawTensor(NamedTuple):
    """The bytes of a tensor; name, type and shape follow from the plan."""

    data: Buffer
    encoded: bool = False
    """Whether with the codec that the plan names, or else row-major little-endian elements."""


class RefusalKind(enum.Enum):
    """Why an edge server says no."""

    MALFORMED = 1
    """The message is none that could be asked for, or comes out of order."""
    UNFIT = 2
    """It cannot be done here: another model, a plan that does not fit, a codec that is missing."""
    EXHAUSTED = 3
    """There is no room for it now."""
    SILENT = 4
    """It took too long."""
    FORGOTTEN = 5
    """What it was to reuse is not kept any more."""
    FAILED = 6
    """It does not compute of what has come: a file that is no picture, an index out of range."""


@dataclass(frozen=True, slots=True)
class EdgeSpan:
    """When and where the edge server computed something, by its clock."""

    path: int
    """1-based; 0 is the tail."""
    worker: int
    start_ns: int
    end_ns: int
    arrived_ns: int = 0
    """When the path's piece had arrived; 0 for the tail."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks; the first message either way."""

    wire: int
    """Version of what crosses the stream."""
    software: str
    """Version of fusepath."""


class Reused(NamedTuple):
    """A path that is not sent: the edge server has its share of the fused layer."""

    path: int
    """1-based."""
    request: int
    """For which it was computed; 0 where the device has what returned of it."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The first piece of a request, and what it is a request for."""

    request: int
    path: int
    """1-based."""
    recipe_sha256: str
    """By which the edge server knows the plan, hexadecimal."""
    left_us: int
    """Microseconds after which nobody waits for the answer any more."""
    tensors: Sequence[RawTensor]
    left_out: int = 0
    """Outputs that are not to return: a bit for each in the order of the network, from the lowest;
    those behind the 64th always return."""
    keeps: Sequence[int] = ()
    """Paths (1-based) that later requests may refer to."""
    reused: Sequence[Reused] = ()
    """Paths for which nothing comes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A further piece of a request."""

    request: int
    path: int
    """1-based."""
    tensors: Sequence[RawTensor]


@dataclass(frozen=True, slots=True)
class Part:
    """What a path has made of the outputs."""

    request: int
    path: int
    """1-based."""
    tensors: Sequence[RawTensor]


@dataclass(frozen=True, slots=True)
class Result:
    """The outputs, none where they have come in parts; ends a request."""

    request: int
    macs: int
    """Computed by the edge server for this request."""
    spans: Sequence[EdgeSpan]
    """One for every path, and the tail's where there is one."""
    tensors: Sequence[RawTensor]


@dataclass(frozen=True, slots=True)
class Refused:
    """The edge server's no; ends a request, and no other."""

    request: int
    kind: RefusalKind
    reason: str
    retry_after_ms: int = 0
    """How long to leave the edge server alone, in milliseconds, where it is short of room."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The device waits for this request no more."""

    request: int


@dataclass(frozen=True, slots=True)
class Drill:
    """A piece for which nothing is computed; the first one begins a request."""

    request: int
    left: int
    """How many more will come."""
    tensors: Sequence[RawTensor]


@dataclass(frozen=True, slots=True)
class Drilled:
    """What a drill has taken the edge server; ends a request."""

    request: int
    busy_ns: int
    """Processor time per message, over the processors that it may use."""


Message = Hello | Begin | Piece | Part | Result | Refused | GiveUp | Drill | Drilled
