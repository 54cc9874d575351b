"""Output that people compare, as tables."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fusepath.cost import RUNTIME, cut_bytes, layer_macs
from fusepath.timeline import HEAD, Lane, parting, steps
from fusepath.units import format_bytes, format_bytes_per_s, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.cost import Convention
    from fusepath.graph import ModelGraph
    from fusepath.plan import BookEntry, ComparedPlan, Plan, PlanBook, Rotation
    from fusepath.study import Fig4
    from fusepath.timeline import Step, Timeline


_MOST_RUNS = 6
_MOST_PATHS = 12
_WIDEST = 1000
"""Of a table, in characters; none comes near it."""


def layers_table(graph: ModelGraph, convention: Convention = RUNTIME) -> Table:
    """Every layer with its MACs, output, and what a cut before it would send."""
    table = empty_table("layer", "name", "type", "output", "MACs", "sent if cut here", "tiles")
    for layer in graph.layers:
        shapes = ", ".join(
            "x".join(str(size) for size in graph.tensors[name].shape[1:])
            for name in layer.operators[-1].outputs
        )
        table.add_row(
            str(layer.index),
            layer.name,
            layer.op_type,
            shapes,
            format_count(layer_macs(graph, layer.index)),
            format_bytes(cut_bytes(graph, layer.index, convention)),
            "yes" if layer.tileable else "no",
        )
    return table


def plans_table(rows: Sequence[ComparedPlan]) -> Table:
    """Plans of several algorithms side by side.

    ``gap`` is to the bound of all plans, ``family gap`` to that of what the algorithm may choose.
    """
    table = empty_table(
        *("algorithm", "tau", "grid", "makespan", "bound", "gap", "family gap"),
        *("device", "edge", "sent", "search"),
    )
    for row in rows:
        plan = row.plan
        table.add_row(
            plan.algorithm,
            fused_layers(plan),
            str(plan.grid),
            milliseconds(plan.makespan_s),
            milliseconds(row.lower_bound_s),
            f"{row.gap:.1%}",
            f"{plan.gap:.1%}",
            f"{format_count(plan.device_macs)} MAC",
            f"{format_count(plan.edge_macs)} MAC",
            format_bytes(plan.up_bytes),
            milliseconds(plan.provenance.search_s),
        )
    return table


def fused_layers(plan: Plan) -> str:
    """The fused layer, or, where paths begin behind others, which layers are fused: ``27–31``."""
    return f"{plan.start + 1}–{plan.tau}" if plan.start else str(plan.tau)


def top_table(plans: Sequence[Plan]) -> Table:
    """Plans of one algorithm, best first."""
    table = empty_table("plan", "tau", "grid", "makespan", "vs best", "device", "sent", "cuts")
    for rank, plan in enumerate(plans, start=1):
        best_s = plans[0].makespan_s
        table.add_row(
            str(rank),
            fused_layers(plan),
            str(plan.arrangement),
            milliseconds(plan.makespan_s),
            f"{plan.makespan_s / best_s - 1:+.1%}" if best_s else "",
            f"{format_count(plan.device_macs)} MAC",
            format_bytes(plan.up_bytes),
            _cuts(plan),
        )
    return table


def rotation_table(rotation: Rotation) -> Table:
    """The plans that the frames of a stream take in turn, numbered from 1."""
    table = empty_table("plan", "frames", "tau", "grid", "alone", "device", "sent", "cuts")
    for place, plan in enumerate(rotation.plans):
        table.add_row(
            str(place + 1),
            f"{rotation.turns.count(place)} of {len(rotation.turns)}",
            fused_layers(plan),
            str(plan.arrangement),
            milliseconds(plan.makespan_s),
            f"{format_count(plan.device_macs)} MAC",
            format_bytes(plan.up_bytes),
            _cuts(plan),
        )
    return table


def _cuts(plan: Plan) -> str:
    """Cuts in the order of paths, runs of equal ones as one: ``1 (4x), 14``."""
    runs = [(cut, len(list(run))) for cut, run in itertools.groupby(plan.cuts)]
    shown = [str(cut) if length == 1 else f"{cut} ({length}x)" for cut, length in runs]
    return ", ".join(shown[:_MOST_RUNS]) + (", …" if len(shown) > _MOST_RUNS else "")


def lanes_table(predicted: Timeline, measured: Timeline) -> Table:
    """Busy time per lane, predicted beside measured."""
    table = empty_table("lane", "predicted", "measured", "difference")
    for lane in Lane:
        expected_s, actual_s = predicted.busy_s(lane), measured.busy_s(lane)
        if expected_s or actual_s:
            table.add_row(
                str(lane),
                milliseconds(expected_s),
                milliseconds(actual_s),
                f"{(actual_s - expected_s) * 1e3:+.1f} ms",
            )
    table.add_row(
        "in all",
        milliseconds(predicted.end_s),
        milliseconds(measured.end_s),
        f"{(measured.end_s - predicted.end_s) * 1e3:+.1f} ms",
    )
    return table


def paths_table(predicted: Timeline, measured: Timeline) -> Table:
    """How long each path took on every lane, and when it ended: predicted and measured.

    Of many paths, those that took most longer (or shorter) than predicted, in order.
    """
    table = empty_table("path", *(lane.value for lane in Lane), "late")
    found = steps(predicted, measured)
    by_path: dict[int | None, list[Step]] = {}
    for step in found:
        by_path.setdefault(step.path, []).append(step)
    worst = sorted(by_path, key=lambda path: -sum(abs(step.longer_s) for step in by_path[path]))
    shown = set(worst[:_MOST_PATHS])
    for path, own in by_path.items():
        if path not in shown:
            continue
        cells = {step.lane: step for step in own}
        table.add_row(
            "tail, result" if path is None else str(path),
            *(_both(cells.get(lane)) for lane in Lane),
            f"{own[-1].late_s * 1e3:+.1f} ms",
        )
    return table


def _both(step: Step | None) -> str:
    if step is None:
        return ""
    return f"{step.predicted.duration_s * 1e3:.1f} / {step.measured.duration_s * 1e3:.1f}"


def parting_text(predicted: Timeline, measured: Timeline) -> str:
    """Where prediction and measurement part, in one line."""
    step = parting(predicted, steps(predicted, measured))
    if step is None:
        return "prediction and measurement do not part: the end came when it was predicted"
    what = "the layers behind the paths" if step.path is None else f"path {step.path}"
    if step.path == HEAD:
        what = "the layers before the paths"
    if step.path is None and step.lane is Lane.DOWNLINK:
        what = "the result"
    longer = f"took {step.longer_s * 1e3:+.1f} ms" if step.longer_s else "began late"
    return (
        f"they part on the {step.lane.value} at {what}, which {longer} and ended "
        f"{step.late_s * 1e3:+.1f} ms against the prediction"
    )


def plan_text(plan: Plan) -> str:
    """A plan in a few lines, for people."""
    cuts = ", ".join(str(cut) for cut in plan.cuts[:32]) + (", …" if len(plan.cuts) > 32 else "")
    order = ", ".join(str(path) for path in plan.order[:32])
    order += ", …" if len(plan.order) > 32 else ""
    codecs = ", ".join(f"{name} {codec}" for name, codec in plan.codecs.items())
    limits = plan.request.constraints
    return "\n".join(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"algorithm    {plan.algorithm}, convention {plan.convention.name}, "
            f"{plan.provenance.plans_evaluated} plans in {milliseconds(plan.provenance.search_s)}",
            f"device       {plan.device.describe()}",
            f"edge         {plan.edge.describe()}",
            f"link         {plan.link.describe()} up",
            *([f"head         layers 1 to {plan.start}"] if plan.start else []),
            f"fused layer  {plan.tau}, grid {plan.arrangement}, tail on the {plan.tail}",
            f"order        {order}",
            f"cuts         {cuts}",
            *([f"codecs       {codecs}"] if codecs else []),
            *(["input        is forwarded as its file"] if plan.recipe.forwards else []),
            f"makespan     {milliseconds(plan.makespan_s)} "
            f"(lower bound {milliseconds(plan.lower_bound_s)}, gap {plan.gap:.1%})",
            f"work         {format_count(plan.device_macs)} MAC on the device, "
            f"{format_count(plan.edge_macs)} MAC on the edge, {format_bytes(plan.up_bytes)} sent",
            *([f"keeps to     {limits.describe()}"] if limits else []),
        ]
    )


def rotation_text(rotation: Rotation) -> str:
    """What plans that are taken in turn come to, in a few lines, for people."""
    plan = rotation.plans[0]
    limits = plan.request.constraints
    return "\n".join(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"algorithm    {plan.request.algorithm}, convention {plan.convention.name}",
            f"device       {plan.device.describe()}",
            f"edge         {plan.edge.describe()}",
            f"link         {plan.link.describe()} up",
            f"in flight    {rotation.in_flight}",
            f"plans        {', '.join(str(place + 1) for place in rotation.turns)}, in turn",
            f"period       {milliseconds(rotation.period_s)}, {rotation.frames_per_s:.4g} frames/s "
            f"(lower bound {milliseconds(rotation.lower_bound_s)}, gap {rotation.gap:.1%})",
            f"latency      {milliseconds(rotation.latency_s)} of a frame alone",
            *([f"keeps to     {limits.describe()}"] if limits else []),
        ]
    )


def ends_s(book: PlanBook, entry: BookEntry) -> tuple[float, float]:
    """What the plan of an entry takes at the slow and at the fast end."""
    return (
        entry.makespan_s(book.link_at(entry.from_bytes_per_s)),
        entry.makespan_s(book.link_at(entry.to_bytes_per_s)),
    )


def gains(book: PlanBook, entry: BookEntry) -> tuple[float, float]:
    """NFL's time over that of the plan, at the slow and at the fast end."""
    slow_s, fast_s = ends_s(book, entry)
    return (
        book.nfl_s(entry.from_bytes_per_s) / slow_s,
        book.nfl_s(entry.to_bytes_per_s) / fast_s,
    )


def book_table(book: PlanBook) -> Table:
    """Every entry with its plan, and its makespan and gain at both ends."""
    table = empty_table("link up", "plan", "tau", "grid", "cuts", "makespan", "vs NFL")
    for entry in book.entries:
        plan = entry.plan
        cuts = plan.arrangement.spelt_cuts(plan.cuts)
        slow_s, fast_s = ends_s(book, entry)
        slow, fast = gains(book, entry)
        table.add_row(
            f"{format_bytes_per_s(entry.from_bytes_per_s)} … "
            f"{format_bytes_per_s(entry.to_bytes_per_s)}",
            plan.family,
            fused_layers(plan),
            str(plan.grid),
            ", ".join(str(cut) for cut in cuts),
            f"{milliseconds(slow_s)} … {milliseconds(fast_s)}",
            f"{slow:.2f}x … {fast:.2f}x",
        )
    return table


def _forwarding_text(book: PlanBook) -> str:
    """What forwarding files takes, where a book does."""
    entry = book.forwarding
    if entry is None:
        return "no files"
    slow_s, fast_s = ends_s(book, entry)
    return (
        f"{format_bytes(entry.plan.up_bytes)} in {milliseconds(slow_s)} … {milliseconds(fast_s)}; "
        f"where that is quicker depends on the file"
    )


def book_text(book: PlanBook) -> str:
    """A book in a few lines, for people."""
    plan = book.entries[0].plan
    probes = sum(item.probe for item in book.planned)
    searched = len(book.planned) - probes
    state = "settled" if book.settled else "not settled: more rates may find better plans"
    regret = f"at most {max(book.regret, 0):.2%} slower than a fresh plan at {probes} other rates"
    return "\n".join(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"algorithm    {book.algorithm}, convention {plan.convention.name}",
            f"device       {plan.device.describe()}",
            f"edge         {plan.edge.describe()}",
            f"link         {format_bytes_per_s(book.from_bytes_per_s)} to "
            f"{format_bytes_per_s(book.to_bytes_per_s)} up, "
            f"{book.link.down_bytes_per_s / book.link.up_bytes_per_s:.3g} times that down, "
            f"delay {milliseconds(book.link.delay_s)}",
            f"forwarding   {_forwarding_text(book)}",
            f"planned      {searched} rates, {book.search_s:.1f} s; {state}",
            f"regret       {regret if probes else 'not probed'}",
        ]
    )


def speed_ups_table(figure: Fig4) -> Table:
    """Fig. 4 in short: how much faster than NFL, by network and convention."""
    networks = list(dict.fromkeys(curves.network for curves in figure.curves))
    table = empty_table("convention", *networks)
    for granted in (False, True):
        for item in figure.conventions:
            name = item.convention.name
            found = [figure.one(network, name, granted=granted) for network in networks]
            if any(curves is not None for curves in found):
                table.add_row(
                    f"{name}{', granted' if granted else ''}",
                    *("" if curves is None else f"{curves.speed_up():.2f}" for curves in found),
                )
    return table


def milliseconds(seconds: float) -> str:
    """A time for people."""
    return f"{seconds * 1e3:.1f} ms"


def render(table: Table) -> str:
    """A table as plain text, as wide as what is in it: nothing is cut off."""
    console = Console(width=_WIDEST, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def empty_table(*columns: str) -> Table:
    """A table without rows: its first column is text, the others are numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    return table
