"""What ``fusepath run --json`` prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from fusepath.offload.stable import median_error
from fusepath.offload.statistics import percentiles
from fusepath.plan import TailPlace
from fusepath.plan.run_file import Run, run_document
from fusepath.timeline import steps

if TYPE_CHECKING:
    from fusepath.offload.inference import Inference
    from fusepath.offload.run import Report


def run_json(report: Report) -> dict[str, Any]:
    """Everything about a run; what a run file holds is part of it."""
    plan, median, comparison = report.plan, report.median, report.comparison
    latencies = sorted(run.latency_s for run in report.runs)
    p50_s, p90_s, p99_s = percentiles(latencies)
    document: dict[str, Any] = {
        **run_document(
            Run(plan=report.plan_as_run, predicted=report.predicted, measured=median.timeline)
        ),
        "model": plan.model.name,
        "algorithm": plan.algorithm,
        "start": plan.start,
        "tau": plan.tau,
        "grid": str(plan.grid),
        "order": plan.order,
        "cuts": plan.cuts,
        "tail": TailPlace.DEVICE if plan.stays_on_device else plan.tail,
        "family": plan.family,
        "codecs": plan.codecs,
        "back_codecs": plan.back_codecs,
        "makespan_s": plan.makespan_s if plan.is_foreseen else None,
        "predicted_s": report.predicted.end_s,
        "lower_bound_s": plan.lower_bound_s if plan.is_foreseen else None,
        "latency_s": median.latency_s,
        "latency_min_s": latencies[0],
        "latency_max_s": latencies[-1],
        "latency_p50_s": p50_s,
        "latency_p90_s": p90_s,
        "latency_p99_s": p99_s,
        "median_error": median_error(latencies),
        "latencies_s": [run.latency_s for run in report.runs],
        "frames_per_s": report.frames_per_s,
        "in_turn": _in_turn(report),
        "runs": len(latencies),
        "fallbacks": sum(run.fallback is not None for run in report.runs),
        "fallback": _fallback(median),
        "up_bytes": median.up_bytes,
        "device_macs": median.device_macs,
        "edge_macs": median.edge_macs,
        "planned_up_bytes": plan.up_bytes,
        "planned_device_macs": plan.device_macs,
        "planned_edge_macs": plan.edge_macs,
        "max_abs_error": None,
        "max_rel_error": None,
        "error": None,
        "tolerance": None,
        "bit_equal": None,
        "verified": None,
        "exact": all(run.is_exact for run in report.runs),
        "changes": None if report.changes is None else to_builtins(report.changes),
        "outputs": {name: list(value.shape) for name, value in median.outputs.items()},
        "steps": [
            {
                "lane": step.lane,
                "path": step.path,
                "predicted_s": step.predicted.duration_s,
                "measured_s": step.measured.duration_s,
                "late_s": step.late_s,
            }
            for step in steps(report.predicted, median.timeline)
        ],
    }
    if comparison is not None:
        finite = math.isfinite(comparison.max_abs_error)
        document |= {
            "max_abs_error": comparison.max_abs_error if finite else None,
            "max_rel_error": comparison.max_rel_error if finite else None,
            "error": comparison.error if finite else None,
            "tolerance": comparison.tolerance,
            "bit_equal": comparison.bit_equal,
            "verified": comparison.passed,
        }
    return document


def _in_turn(report: Report) -> dict[str, Any] | None:
    """Turns are places in the list of plans, from 0."""
    shown = report.in_turn
    if shown is None:
        return None
    return {
        "turns": list(shown.turns),
        "in_flight": shown.in_flight,
        "predicted_frames_per_s": shown.frames_per_s,
        "plans": [
            {"algorithm": plan.algorithm, "order": plan.order, "cuts": plan.cuts, "tau": plan.tau}
            for plan in shown.plans
        ],
    }


def _fallback(inference: Inference) -> dict[str, str] | None:
    if inference.fallback is None:
        return None
    return {"reason": inference.fallback.reason, "stage": inference.fallback.stage.value}
