"""What bounds a plan, and how much of what is left is proven out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.page.markup import drawing, element, label, rectangle, scrolled, text
from fusepath.report.tables import milliseconds
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from fusepath.report.page.story import Story

_WIDTH, _BAR = 900, 34
_NAMES = {
    Lane.DEVICE: "the device",
    Lane.UPLINK: "the link up",
    Lane.EDGE: "the edge server",
    Lane.DOWNLINK: "the way back",
}


def bounds(story: Story) -> str:
    """The critical path by lanes, and the time axis cut at the bound, the plan and the best cut."""
    end_s = story.latency_s
    parts = story.critical_s
    waiting_s = max(end_s - sum(parts.values()), 0.0)
    words = []
    if parts:
        lane, most_s = max(parts.items(), key=lambda item: item[1])
        words.append(
            f"{_NAMES[lane].capitalize()} bounds it: {milliseconds(most_s)} of the "
            f"{milliseconds(end_s)} that everything waited for."
        )
    if waiting_s > 0.001 * end_s:
        words.append(f"{milliseconds(waiting_s)} are delays of the link and gaps between steps.")
    busy = [
        f"{_NAMES[lane]} {story.shown.busy_s(lane) / end_s:.0%}"
        for lane in Lane
        if end_s > 0 and story.shown.busy_s(lane) > 0
    ]
    words.append(f"At work: {', '.join(busy)} of the time.")
    if not story.plan.is_foreseen:
        return element("p", text(" ".join(words)))
    reach = scrolled(_reach(story), name="what is out of reach")
    return element("p", text(" ".join(words))) + reach


def _reach(story: Story) -> str:
    """One bar: proven out of reach, open, and what is gained over the best single cut."""
    plan_s, bound_s = story.plan.makespan_s, min(story.bound_s, story.plan.makespan_s)
    nfl = story.best_single_cut
    nfl_s = max(plan_s, nfl.makespan_s) if nfl is not None else plan_s
    edges = [
        (0.0, bound_s, f"no plan{story.coded} is as quick", "never"),
        (bound_s, plan_s, "open", "open"),
        (plan_s, nfl_s, "gained", "gained"),
    ]
    scale = (_WIDTH - 2) / nfl_s if nfl_s > 0 else 0.0
    inside = []
    for start_s, end_s, name, kind in edges:
        wide = (end_s - start_s) * scale
        if wide <= 0:
            continue
        told = f"{name}: {milliseconds(end_s - start_s)}"
        inside.append(
            rectangle(1 + start_s * scale, 0, wide, _BAR, element("title", text(told)), class_=kind)
        )
        if wide > 7.5 * len(told):
            inside.append(
                label(
                    1 + (start_s + (end_s - start_s) / 2) * scale,
                    22,
                    told,
                    text_anchor="middle",
                    class_="on-band",
                )
            )
    marks = {bound_s: f"bound {milliseconds(bound_s)}", plan_s: f"plan {milliseconds(plan_s)}"}
    if nfl is not None and nfl_s > plan_s:
        marks[nfl_s] = f"best single cut {milliseconds(nfl_s)}"
    for place, (at_s, told) in enumerate(marks.items()):
        at = 1 + at_s * scale
        anchor = "start" if at < 120 else "end" if at > _WIDTH - 120 else "middle"
        inside.append(label(at, _BAR + 18 + 18 * place, told, text_anchor=anchor))
        inside.append(rectangle(at - 0.5, 0, 1.0, _BAR + 6 + 18 * place, class_="tau"))
    return drawing(
        _WIDTH,
        _BAR + 24 + 18 * len(marks),
        *inside,
        name=", ".join(marks.values()),
        class_="wide",
    )
