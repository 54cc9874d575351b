"""What a session is asked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusepath.errors import InputError
from fusepath.offload.emulation import NO_EMULATION, Emulation
from fusepath.offload.line import USUAL_FLOW, Flow
from fusepath.plan import LATENCY, Origin, Plan, PlanRequest
from fusepath.runtime.execution import ON_CPU, Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.offload.frames import FrameFormat
    from fusepath.offload.machines import Machines
    from fusepath.onnx_io import Model
    from fusepath.plan import StreamObjective
    from fusepath.remote.client import Timeout


class FallbackPolicy(enum.Enum):
    """Whether this machine answers a frame alone that the edge server fails.

    Limits of plans are for ordinary times. Which of them hold for a fall-back as well, this says.
    """

    OFF = "off"
    """It does not: the frame fails."""
    WITHIN_LIMITS = "within-limits"
    """It does if no limit forbids it."""
    WITHIN_MEMORY = "within-memory"
    """It does if the limit on this machine's memory, where there is one, allows it."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What most sessions leave as it is.

    Raises:
        InputError: one is of another type than it says, or a provider is not known.
    """

    threads: int = 1
    """Of one operator on this machine."""
    providers: tuple[str, ...] = ON_CPU.providers
    """What this machine computes on, in the order in which it is tried (`Execution`)."""
    remember: bool = True
    """Use what was measured and planned last time, and keep it for the next."""
    emulation: Emulation = NO_EMULATION
    """How weak this machine and how slow its link shall seem."""
    fallback: FallbackPolicy = FallbackPolicy.WITHIN_MEMORY
    """Whether this machine answers alone where the edge server does not."""
    flow: Flow = USUAL_FLOW
    """How many frames of `Session.submit` are under way at a time."""
    reuse: bool = False
    """Compute and send of a frame only what is new in it: for cameras that stand still. Results are
    the same; where everything changes it costs a comparison."""
    sample: Any = None
    """A frame, as `Session.infer` takes them, on which codecs are measured and plans are tried; the
    first one without."""

    def __post_init__(self) -> None:
        for name, given, kind in (
            ("threads", self.threads, int),
            ("providers", self.providers, tuple),
            ("reuse", self.reuse, bool),
            ("emulation", self.emulation, Emulation),
            ("fallback", self.fallback, FallbackPolicy),
            ("flow", self.flow, Flow),
        ):
            if not isinstance(given, kind):
                raise InputError(f"{name} {given!r} is no {kind.__name__}")
        self.execution  # noqa: B018 - whose names are checked

    @property
    def execution(self) -> Execution:
        """What this machine computes on.

        Raises:
            InputError: a provider is not known.
        """
        return Execution(providers=self.providers, threads=self.threads)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a session is asked for."""

    model: Model
    edges: tuple[str, ...]
    """Addresses of edge servers, the preferred first; none for this machine alone."""
    plan: Plan | PlanRequest
    machines: Machines
    frames: FrameFormat
    timeout: Timeout
    options: SessionOptions
    say: Callable[[str], None]
    objective: StreamObjective = LATENCY
    """What plans for the frames of a stream are to be good at; `plan` is for a single frame."""

    @property
    def plans_turns(self) -> bool:
        """Whether frames of a stream may take other plans than a single one."""
        return (
            self.objective != LATENCY
            and bool(self.edges)
            and isinstance(self.plan, PlanRequest)
            and self.plan.algorithm != "device-only"
        )

    @property
    def origin(self) -> Origin:
        """What is written into plans besides."""
        form = self.plan.input if isinstance(self.plan, Plan) else self.frames
        return Origin(
            source=self.model.source,
            mean=form.mean,
            std=form.std,
            pictures=self.frames.pictures,
        )

    @property
    def follows_link(self) -> bool:
        """Whether plans may change with the link; one that is given or emulated does not."""
        fixed = self.machines.link is not None or self.options.emulation.pace_bytes_per_s
        return bool(self.edges) and isinstance(self.plan, PlanRequest) and not fixed
