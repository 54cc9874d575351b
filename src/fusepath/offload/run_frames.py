"""One model, many inputs: a session that answers one after the other, or some at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Unpack

import numpy as np

from fusepath.errors import ImageError
from fusepath.offload.device import check_image
from fusepath.offload.frames import FrameFormat, parted
from fusepath.offload.held import wanted_outputs
from fusepath.offload.order import SessionOptions
from fusepath.offload.run import SessionArguments, rounding_of, wait_until_it_answers
from fusepath.offload.session import Session
from fusepath.offload.verify import measured_reference, run_unsplit
from fusepath.pictures.frame import pixels_of
from fusepath.plan import Plan
from fusepath.runtime.change import changes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import OutputChange
    from fusepath.runtime.compare import Comparison


@dataclass(frozen=True, kw_only=True)
class FrameAnswer:
    """What became of one input."""

    name: str
    inference: Inference
    comparison: Comparison | None
    """With the unsplit model, where that was asked for and nothing lossy came in between."""
    changes: dict[str, OutputChange] | None
    """By output: how a lossy plan has changed it; None of an exact one."""


def run_frames(
    model: Model,
    inputs: Iterable[tuple[str, Frame]],
    edge: str | None = None,
    *,
    companions: Mapping[str, Array] = MappingProxyType({}),
    in_flight: int = 1,
    verify: bool = False,
    outputs: Sequence[str] | None = None,
    **session: Unpack[SessionArguments],
) -> Iterator[FrameAnswer]:
    """Run a model on inputs in their order, split between this machine and an edge server.

    A `Session` that is waited for until it is ready, and follows link and machines from then on.
    Nothing is kept of inputs that are answered. Who leaves the loop ends it.

    Args:
        model: the network.
        inputs: names and inputs, as `named_frames` yields them; plans are tried on the first.
        edge: as of `run`.
        companions: the other inputs of the network, by the names in its file; alike for all.
        in_flight: inputs under way at a time.
        verify: compare each with the unsplit model on this machine, before the next is answered
            where one is under way at a time. How much a lossy plan changes is always said.
        outputs: names of those that are wanted, all without; others do not return.
        session: further arguments of `Session`.

    Raises:
        ImageError: there are no inputs, or one does not fit.
        PeerError: the edge server cannot be used, and this machine may not answer alone.
        InfeasibleError: no plan keeps to the constraints.
        InputError: as of `run`.
    """
    form = session.get("frames", FrameFormat()).for_plan(session.get("plan"))
    wanted = wanted_outputs(model, outputs)
    of_image = model.boundary.input.name
    remaining = iter(inputs)
    first = next(remaining, None)
    if first is None:
        raise ImageError("there is nothing to run on: the sources hold no pictures")
    if isinstance(given := session.get("plan"), Plan):
        check_image(form.to_inputs(first[1], model)[0], model, given)
    options = replace(session.get("options", SessionOptions()), sample=first[1])
    session["options"] = options

    def fed(frame: Frame) -> dict[str, Frame]:
        return {of_image: frame, **companions}

    def answer(name: str, frame: Frame, inference: Inference) -> FrameAnswer:
        comparison = changes = None
        if verify or not inference.is_exact:
            values = np.concatenate([pixels_of(image) for image in form.to_inputs(frame, model)])
            plan, others = inference.plan, parted(fed(frame), model)[1]
        if not inference.is_exact:
            unsplit = run_unsplit(model, values, plan.input, companions=others)
            changes = changes_of([{n: unsplit[n] for n in wanted}], [inference.outputs])
        elif verify:
            reference = measured_reference(
                model,
                values,
                plan.input,
                others,
                execution=options.execution,
                rounding=rounding_of(plan.edge),
            )
            comparison = reference.only(wanted).judge(inference.outputs)
        return FrameAnswer(name=name, inference=inference, comparison=comparison, changes=changes)

    with Session(model, edge, **session) as running:
        wait_until_it_answers(running, fed(first[1]), options.fallback)
        if "say" in session:
            session["say"]("running")
        everything = chain([first], remaining)
        if in_flight == 1:
            for name, frame in everything:
                yield answer(name, frame, running.infer(fed(frame), outputs=wanted))
            return
        under_way: deque[tuple[str, Frame]] = deque()

        def begun() -> Iterator[dict[str, Frame]]:
            for item in everything:
                under_way.append(item)
                yield fed(item[1])

        for inference in running.stream(begun(), in_flight=in_flight, outputs=wanted):
            yield answer(*under_way.popleft(), inference)
