"""`fusepath.run` with the values that tests change given one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.offload.emulation import Emulation
from fusepath.offload.frames import FrameFormat
from fusepath.offload.machines import Machines
from fusepath.offload.order import FallbackPolicy, SessionOptions
from fusepath.offload.run import run as run_with
from fusepath.plan import PlanRequest
from fusepath.remote.client import Timeout

if TYPE_CHECKING:
    import numpy as np

    from fusepath.offload.run import Report
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan


def run(
    model: Model,
    image: np.ndarray,
    *,
    edge: str | None,
    plan: Plan | None = None,
    given: Machines = Machines(),
    repeats: int = 1,
    verify: bool = False,
    timeout: Timeout = Timeout(),
    timeout_s: float | None = None,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (255.0,),
    request: PlanRequest = PlanRequest(codecs="off"),
    say: Any = lambda _: None,
    fallback: FallbackPolicy = FallbackPolicy.OFF,
    **emulated: Any,
) -> Report:
    """Run a plan, or plan for a request; ``emulated`` is an `Emulation`, nothing is remembered.

    What the edge server does is looked at, so no fall-back hides it if not asked for.
    """
    return run_with(
        model,
        image,
        edge,
        repeats=repeats,
        verify=verify,
        plan=plan or request,
        machines=given,
        frames=FrameFormat(layout="chw", mean=mean, std=std),
        timeout=timeout if timeout_s is None else Timeout(infer_s=timeout_s),
        options=SessionOptions(remember=False, emulation=Emulation(**emulated), fallback=fallback),
        say=say,
    )
