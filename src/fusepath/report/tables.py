"""Output that people compare, as tables."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fusepath.cost import RUNTIME, cut_bytes, layer_macs
from fusepath.report.energy import energy_lines
from fusepath.report.exactness import changes_text, exactness
from fusepath.report.fitting import empty_table, wrapped
from fusepath.timeline import HEAD, Lane, parting, steps
from fusepath.units import format_bytes, format_bytes_per_s, format_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from fusepath.cost import Convention
    from fusepath.graph import ModelGraph
    from fusepath.plan import BookEntry, ComparedPlan, Plan, PlanBook, Rotation
    from fusepath.study import Fig4
    from fusepath.timeline import Step, Timeline


_MOST_RUNS = 6
_MOST_PATHS = 12
_KEY = 13
"""Characters before what a line of a text says."""


def layers_table(graph: ModelGraph, convention: Convention = RUNTIME) -> Table:
    """Every layer with its MACs, output, and what a cut before it would send."""
    table = empty_table(
        *("layer", "name", "type", "output", "MACs", "sent if cut here", "tiles"),
        flexible=("name",),
        optional=("type", "output"),
    )
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

    ``gap`` is to the bound of all plans, ``in family`` to that of what the algorithm may choose;
    ``device`` and ``edge`` are MACs. Where the row bound was asked for, so are it and what of the
    gap it shows to be out of reach, for plans that it is about.
    """
    in_rows = any(row.row_bound_s is not None for row in rows)
    table = empty_table(
        *("algorithm", "tau", "grid", "makespan", "gap"),
        *(("row bound", "out of reach") if in_rows else ()),
        *("in family", "device", "edge", "sent", "search"),
        optional=("search", "in family"),
    )
    for row in rows:
        plan = row.plan
        table.add_row(
            plan.algorithm,
            fused_layers(plan),
            str(plan.grid),
            milliseconds(plan.makespan_s),
            f"{row.gap:.1%}",
            *(_row_bound(row) if in_rows else ()),
            f"{plan.gap:.1%}",
            format_count(plan.device_macs),
            format_count(plan.edge_macs),
            format_bytes(plan.up_bytes),
            milliseconds(plan.provenance.search_s),
        )
    return table


def _row_bound(row: ComparedPlan) -> tuple[str, str]:
    if row.row_bound_s is None or row.out_of_reach is None:
        return "–", "–"
    return milliseconds(row.row_bound_s), f"{row.out_of_reach:.0%}"


def fused_layers(plan: Plan) -> str:
    """The fused layer, or, where paths begin behind others, which layers are fused: ``27–31``."""
    return f"{plan.start + 1}–{plan.tau}" if plan.start else str(plan.tau)


def top_table(plans: Sequence[Plan]) -> Table:
    """Plans of one algorithm, best first."""
    table = empty_table(
        *("plan", "tau", "grid", "makespan", "vs best", "device", "sent", "cuts"),
        flexible=("cuts",),
        optional=("device", "tau"),
    )
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
            cuts_text(plan),
        )
    return table


def rotation_table(rotation: Rotation) -> Table:
    """The plans that the frames of a stream take in turn, numbered from 1."""
    table = empty_table(
        *("plan", "frames", "tau", "grid", "alone", "device", "sent", "cuts"),
        flexible=("cuts",),
        optional=("device", "tau"),
    )
    for place, plan in enumerate(rotation.plans):
        table.add_row(
            str(place + 1),
            f"{rotation.turns.count(place)} of {len(rotation.turns)}",
            fused_layers(plan),
            str(plan.arrangement),
            milliseconds(plan.makespan_s),
            f"{format_count(plan.device_macs)} MAC",
            format_bytes(plan.up_bytes),
            cuts_text(plan),
        )
    return table


def cuts_text(plan: Plan) -> str:
    """Cuts in the order of paths, runs of equal ones as one: ``1 (4x), 14``."""
    runs = [(cut, len(list(run))) for cut, run in itertools.groupby(plan.cuts)]
    return _shortened([str(cut) if length == 1 else f"{cut} ({length}x)" for cut, length in runs])


def _order(plan: Plan) -> str:
    """The order of paths, runs that count up as one: ``2, 1, 3–6``."""
    groups = itertools.groupby(enumerate(plan.order), key=lambda item: item[1] - item[0])
    runs = [[path for _, path in group] for _, group in groups]
    return _shortened([f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs])


def _shortened(runs: list[str]) -> str:
    return ", ".join(runs[:_MOST_RUNS]) + (", …" if len(runs) > _MOST_RUNS else "")


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
    table = empty_table("path", *(lane.value for lane in Lane), "late", optional=("late",))
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
    return wrapped(
        [
            f"they part on the {step.lane.value} at {what}, which {longer} and ended "
            f"{step.late_s * 1e3:+.1f} ms against the prediction"
        ]
    )


def _codecs(codecs: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {codec}" for name, codec in codecs.items())


def plan_text(plan: Plan) -> str:
    """A plan in a few lines, for people."""
    codecs = _codecs(plan.codecs)
    back = _codecs(plan.back_codecs)
    limits = plan.request.constraints
    return wrapped(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"algorithm    {plan.algorithm}, convention {plan.convention.name}, "
            f"{plan.provenance.plans_evaluated} plans in {milliseconds(plan.provenance.search_s)}",
            f"device       {plan.device.describe()}",
            f"edge         {plan.edge.describe()}",
            f"link         {plan.link.describe()}",
            *([f"head         layers 1 to {plan.start}"] if plan.start else []),
            f"fused layer  {plan.tau}, grid {plan.arrangement}, {plan.ending}",
            f"order        {_order(plan)}",
            f"cuts         {cuts_text(plan)}",
            *([f"codecs       {codecs}"] if codecs else []),
            *([f"way back     {back}"] if back else []),
            *(["input        is forwarded as its file"] if plan.recipe.forwards else []),
            f"makespan     {_makespan(plan)}",
            f"work         {format_count(plan.device_macs)} MAC on the device, "
            f"{format_count(plan.edge_macs)} MAC on the edge, {format_bytes(plan.up_bytes)} sent",
            *energy_lines(plan),
            f"results      {exactness(plan)}",
            *([f"keeps to     {limits.describe()}"] if limits else []),
        ],
        indent=_KEY,
    ) + (f"\n{changes_text(plan.changes, 'on samples')}" if plan.changes else "")


def _makespan(plan: Plan) -> str:
    if not plan.is_foreseen:
        return "not foreseen: what it runs on was not measured"
    return (
        f"{milliseconds(plan.makespan_s)} "
        f"(lower bound {milliseconds(plan.lower_bound_s)}, gap {plan.gap:.1%})"
    )


def rotation_text(rotation: Rotation) -> str:
    """What plans that are taken in turn come to, in a few lines, for people."""
    plan = rotation.plans[0]
    limits = plan.request.constraints
    return wrapped(
        [
            f"model        {plan.model.name} ({plan.model.sha256[:12]})",
            f"algorithm    {plan.request.algorithm}, convention {plan.convention.name}",
            f"device       {plan.device.describe()}",
            f"edge         {plan.edge.describe()}",
            f"link         {plan.link.describe()}",
            f"in flight    {rotation.in_flight}",
            f"plans        {', '.join(str(place + 1) for place in rotation.turns)}, in turn",
            f"period       {milliseconds(rotation.period_s)}, {rotation.frames_per_s:.4g} frames/s "
            f"(lower bound {milliseconds(rotation.lower_bound_s)}, gap {rotation.gap:.1%})",
            f"latency      {milliseconds(rotation.latency_s)} of a frame alone",
            *(
                f"results      {exactness(item)}, of plan {place}"
                for place, item in enumerate(rotation.plans, 1)
            ),
            *([f"keeps to     {limits.describe()}"] if limits else []),
        ],
        indent=_KEY,
    ) + "".join(
        f"\n{changes_text(item.changes, f'of plan {place}')}"
        for place, item in enumerate(rotation.plans, 1)
        if item.changes
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
    table = empty_table(
        *("link up", "plan", "tau", "grid", "cuts", "makespan", "vs NFL"),
        flexible=("cuts",),
        optional=("grid", "tau"),
    )
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
    return wrapped(
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
        ],
        indent=_KEY,
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
