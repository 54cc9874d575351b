"""One model, one input, some inferences: a session for as long as that takes."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import msgspec
import numpy as np

from fusepath.cost import MachineProfile
from fusepath.errors import PeerError
from fusepath.offload.device import check_image
from fusepath.offload.frames import FrameFormat, by_name, parted
from fusepath.offload.held import wanted_outputs
from fusepath.offload.inference import Inference, in_a_row, median_of
from fusepath.offload.order import FallbackPolicy, SessionOptions
from fusepath.offload.session import Session
from fusepath.offload.verify import measured_reference, run_unsplit
from fusepath.pictures.frame import pixels_of
from fusepath.plan import Plan
from fusepath.runtime.change import changes_of
from fusepath.runtime.compare import HALF_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fusepath.arrays import Array
    from fusepath.cost import Machine
    from fusepath.offload.machines import Machines
    from fusepath.offload.rotating import PlansInTurn
    from fusepath.offload.stable import UntilStable
    from fusepath.onnx_io import Model
    from fusepath.plan import OutputChange, PlanRequest
    from fusepath.remote.client import Timeout
    from fusepath.runtime.compare import Comparison
    from fusepath.timeline import Timeline


_MOST_ROUNDING = HALF_TOLERANCE
"""More is no rounding, and whatever a server answered would be right."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A plan and what it did."""

    plan: Plan
    """Of several that were taken in turn the one that most runs took."""
    predicted: Timeline
    """From the times of the plan's very paths, measured when it was prepared."""
    in_turn: PlansInTurn | None
    """The plans that runs took in turn, where an objective asked for that."""
    runs: list[Inference]
    taken_s: float
    """From the beginning of the first run to the end of the last."""
    comparison: Comparison | None
    in_flight: int = 1
    """Runs under way at a time."""
    changes: dict[str, OutputChange] | None = None
    """By output: how a lossy plan has changed it in these runs; None of an exact one."""

    @property
    def median(self) -> Inference:
        """The run of median latency, of those with `plan`: runs may take others, too.

        In turn, if asked for, or since the file of a picture is sent where that is quicker.
        """
        return median_of([run for run in self.runs if run.plan is self.plan] or self.runs)

    @property
    def plan_as_run(self) -> Plan:
        """The plan, with what it has changed in these runs where that was not known before."""
        if self.changes is None or self.plan.changes:
            return self.plan
        return msgspec.structs.replace(self.plan, changes=self.changes)

    @property
    def frames_per_s(self) -> float:
        """Runs per second."""
        return len(self.runs) / self.taken_s


class SessionArguments(TypedDict, total=False):
    """What a `Session` takes beside model and edge server; see there."""

    plan: Plan | PlanRequest
    machines: Machines
    frames: FrameFormat
    timeout: Timeout
    options: SessionOptions
    say: Callable[[str], None]


def run(
    model: Model,
    image: Array | bytes | str | Path | Mapping[str, Any],
    edge: str | None = None,
    *,
    repeats: int | UntilStable = 1,
    in_flight: int = 1,
    verify: bool = False,
    outputs: Sequence[str] | None = None,
    **session: Unpack[SessionArguments],
) -> Report:
    """Run a model split between this machine and an edge server, with the best plan.

    A `Session` that is waited for until it is ready, and then infers. Where the edge server cannot
    be used, this machine answers alone, and the inferences say why (`Inference.fallback`), unless
    the options forbid it.

    Args:
        model: the network.
        image: its input or inputs, as of `Session.infer`; plans are tried on it.
        edge: ``HOST:PORT`` of the edge server, or several as of `Session`; None for a plan that
            keeps everything here.
        repeats: inferences, or how well their median is to be known.
        in_flight: of them under way at a time; of 2 or more, the objective of a request says what
            they are planned for.
        verify: compare with the unsplit model on this machine; of a lossy plan is said how much it
            changes, verified or not.
        outputs: names of those that are wanted, all without; others do not return.
        session: further arguments of `Session`.

    Raises:
        ImageError: the image does not fit.
        PeerError: the edge server cannot be used, and this machine may not answer alone.
        InfeasibleError: no plan keeps to the constraints.
        InputError: an edge server is needed and not given, the plan does not fit, or the model has
            no such output.
    """
    frames = session.get("frames", FrameFormat()).for_plan(session.get("plan"))
    outputs = wanted_outputs(model, outputs)
    frame, companions = parted(by_name(image, model), model)
    inputs = frames.to_inputs(frame, model)
    given = session.get("plan")
    if isinstance(given, Plan):
        check_image(inputs[0], model, given)
    session["options"] = replace(session.get("options", SessionOptions()), sample=frame)
    with Session(model, edge, **session) as running:
        wait_until_it_answers(running, image, session["options"].fallback)
        plan, predicted, in_turn = running.plan, running.predicted, None
        if in_flight > 1 and (in_turn := running.plans_in_turn) is not None:
            plan, predicted = in_turn.plans[0], in_turn.predicted[0]
        runs: list[Inference] = []
        images = _repeated(image, repeats, runs)
        if repeats != 1:
            _say(f"running {_times(repeats)}", session)
        begun_s = time.perf_counter()
        if in_flight == 1:
            for again in images:
                runs.append(running.infer(again, outputs=outputs))  # noqa: PERF401 - it is looked at
        else:
            for inference in running.stream(images, in_flight=in_flight, outputs=outputs):
                runs.append(inference)  # noqa: PERF402 - it is looked at
        taken_s = time.perf_counter() - begun_s
    assert plan is not None  # it has answered
    assert predicted is not None
    comparison = changes = None
    values = np.concatenate([pixels_of(image) for image in inputs])
    lossy = [item for item in runs if not item.is_exact]
    if lossy:
        unsplit = run_unsplit(model, values, plan.input, companions=companions)
        wanted = {name: unsplit[name] for name in lossy[0].outputs}
        changes = changes_of([wanted] * len(lossy), [item.outputs for item in lossy])
    if verify:
        _say("comparing with the unsplit model", session)
        reference = measured_reference(
            model,
            values,
            plan.input,
            companions,
            execution=session["options"].execution,
            rounding=rounding_of(plan.edge),
        ).only(outputs)
        comparisons = [reference.judge(item.outputs) for item in runs if item.is_exact]
        comparison = max(
            comparisons, key=lambda item: (not item.bit_equal, item.used), default=None
        )
    predicted = in_a_row([predicted] * len(inputs)) if len(inputs) > 1 else predicted
    return Report(
        plan=plan,
        predicted=predicted,
        in_turn=in_turn,
        runs=runs,
        taken_s=taken_s,
        comparison=comparison,
        in_flight=in_flight,
        changes=changes,
    )


def wait_until_it_answers(session: Session, image: Any, fallback: FallbackPolicy) -> None:
    """Wait for the best plan, or for this machine where the edge server cannot be used.

    Raises:
        PeerError: it cannot, and this machine may not answer alone.
        InfeasibleError: no plan keeps to the constraints.
    """
    try:
        session.wait_ready()
    except PeerError:
        if fallback is FallbackPolicy.OFF:
            raise
        session.infer(image)  # which waits until this machine is ready to answer alone


def rounding_of(edge: Machine) -> float:
    """How far the edge server says that it is off, as far as it is believed."""
    return min(edge.rounding, _MOST_ROUNDING) if isinstance(edge, MachineProfile) else 0.0


def _say(what: str, session: SessionArguments) -> None:
    if "say" in session:
        session["say"](what)


def _repeated(image: Any, repeats: int | UntilStable, runs: list[Inference]) -> Iterator[Any]:
    """The image, as often as is asked; ``runs`` grows meanwhile."""
    if isinstance(repeats, int):
        yield from itertools.repeat(image, repeats)
        return
    for _ in range(repeats.most):  # those in flight have no latency yet, and count all the same
        if repeats.met_by([run.latency_s for run in runs]):
            return
        yield image


def _times(repeats: int | UntilStable) -> str:
    if isinstance(repeats, int):
        return f"{repeats} times"
    return f"until the median is known to {repeats.within:.1%}, at most {repeats.most} times"
