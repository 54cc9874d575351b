"""What one inference has yielded."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import msgspec

from fusepath.timeline import HEAD, Lane, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.plan import Plan
    from fusepath.protocol.device_frame import Fallback
    from fusepath.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Asked:
    """What an inference is made of beside the image, and what is wanted of it."""

    companions: Mapping[str, Array]
    """The other inputs of the network."""
    outputs: Collection[str]
    """Those of the network that are wanted."""
    reuses: bool = False
    """Whether what is the same as in the frame before need not be computed again."""


@dataclass(frozen=True, slots=True)
class Reused:
    """What was not computed or sent for a frame, since it is the same as in one before."""

    paths: int = 0
    up_bytes: int = 0
    macs: int = 0
    """On both machines, those of the tail included where that did not run either."""
    everything: bool = False
    """Whether nothing was new, so that the outputs are those of the frame before."""

    def and_of(self, other: Reused) -> Reused:
        """Of both together."""
        return Reused(
            self.paths + other.paths,
            self.up_bytes + other.up_bytes,
            self.macs + other.macs,
            self.everything and other.everything,
        )


NOTHING_REUSED = Reused()


@dataclass(frozen=True, kw_only=True)
class Inference:
    """One measured inference."""

    plan: Plan
    """That was carried out."""
    outputs: dict[str, Array]
    """By name, in the order of the model's outputs; those that were asked for."""
    timeline: Timeline
    up_bytes: int
    """Of tensors that were sent, as they travelled."""
    down_bytes: int
    """Of outputs that came back."""
    device_macs: int
    edge_macs: int
    fallback: Fallback | None = None
    """Why this machine has answered alone although the plan says otherwise."""
    reused: Reused = NOTHING_REUSED
    late: bool = False
    """Whether this machine had begun to answer alone, whoever was first in the end."""
    under_way_s: float | None = None
    """What the message took that took least, of both ways the middle; None if none went both."""

    def begun_with(self, start_s: float, end_s: float) -> Inference:
        """The same, where the device has done something else before, seconds after the beginning.

        It counts to what comes before all paths.
        """
        spans = list(self.timeline.spans)
        heads = [span for span in spans if span.path == HEAD]
        for head in heads:
            spans.remove(head)
        ends_s = [end_s, *(head.end_s for head in heads)]
        before = Span(lane=Lane.DEVICE, start_s=start_s, end_s=max(ends_s), path=HEAD)
        timeline = msgspec.structs.replace(self.timeline, spans=(before, *spans))
        return replace(self, timeline=timeline)

    @property
    def is_exact(self) -> bool:
        """Whether the outputs are those of the unsplit model: nothing lossy came in between."""
        # What returned before the edge server failed is part of what was finished here, and was
        # made of what had been sent.
        return self.plan.is_exact or (self.fallback is not None and not self.down_bytes)

    @property
    def latency_s(self) -> float:
        """From the image to the result on the device."""
        return self.timeline.end_s


def one_after_the_other(done: Sequence[Inference]) -> Inference:
    """The inferences of a batch as one; plan and outputs are those of the first."""
    return replace(
        done[0],
        timeline=in_a_row([inference.timeline for inference in done]),
        up_bytes=sum(inference.up_bytes for inference in done),
        down_bytes=sum(inference.down_bytes for inference in done),
        device_macs=sum(inference.device_macs for inference in done),
        edge_macs=sum(inference.edge_macs for inference in done),
        fallback=next((item.fallback for item in done if item.fallback is not None), None),
        reused=reduce(Reused.and_of, (inference.reused for inference in done)),
        late=any(inference.late for inference in done),
    )


def in_a_row(timelines: Sequence[Timeline]) -> Timeline:
    """Timelines that begin when the one before them ends, paths numbered on."""
    spans: list[Span] = []
    begun_s, paths = 0.0, 0
    for timeline in timelines:
        spans += (
            msgspec.structs.replace(
                span,
                start_s=span.start_s + begun_s,
                end_s=span.end_s + begun_s,
                path=span.path + paths if span.path else span.path,  # head and tail have no number
            )
            for span in timeline.spans
        )
        begun_s += timeline.end_s
        paths += max((span.path or 0 for span in timeline.spans), default=0)
    return msgspec.structs.replace(
        timelines[0],
        spans=tuple(spans),
        settled_s=begun_s,
        clock_error_s=max(timeline.clock_error_s for timeline in timelines),
    )


def median_of(runs: Sequence[Inference]) -> Inference:
    """The run of median latency (the lower of two in the middle)."""
    middle = statistics.median_low(run.latency_s for run in runs)
    return next(run for run in runs if run.latency_s == middle)
