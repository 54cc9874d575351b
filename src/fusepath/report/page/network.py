"""The network as a strip of layers: work, bytes, sections and cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.cost import cut_bytes, layer_macs
from fusepath.report.page.markup import drawing, element, label, rectangle, text
from fusepath.units import format_bytes, format_count, number_of

if TYPE_CHECKING:
    from fusepath.report.page.story import Story

_WIDTH, _LEFT = 900, 72
_WORK, _BYTES, _GAP = 90, 70, 34
_TOP = 30


def network(story: Story) -> str:
    """Every layer with its MACs (above) and what a cut before it would send (below)."""
    graph, plan = story.graph, story.plan
    macs = [layer_macs(graph, layer.index) for layer in graph.layers]
    sent = [cut_bytes(graph, layer.index, plan.convention) for layer in graph.layers]
    step = (_WIDTH - _LEFT) / len(macs)
    base, floor = _TOP + _WORK, _TOP + _WORK + _GAP + _BYTES
    inside = [
        rectangle(
            _LEFT + section.start * step,
            _TOP - 6,
            (section.end - section.start) * step,
            floor - _TOP + 12,
            element("title", text(f"layers {section.start + 1} to {section.end} can be tiled")),
            class_="section",
        )
        for section in graph.sections
    ]
    for place, layer in enumerate(graph.layers):
        left, wide = _LEFT + place * step, max(step - 1.0, 0.8)
        high, low = _WORK * macs[place] / max(*macs, 1), _BYTES * sent[place] / max(*sent, 1)
        told = (
            f"layer {layer.index}, {layer.name} ({layer.op_type}): "
            f"{format_count(macs[place])} MAC; {format_bytes(sent[place])} sent if cut before it"
        )
        inside.append(
            element(
                "g",
                element("title", text(told)),
                rectangle(left, _TOP, step, floor - _TOP, fill="transparent"),
                rectangle(left, base - high, wide, high, class_="work"),
                rectangle(left, floor - low, wide, low, class_="bytes"),
            )
        )
    inside += [
        label(0, _TOP + 12, format_count(max(macs))),
        label(0, base, "MAC"),
        label(0, base + _GAP + 12, format_bytes(max(sent))),
        label(0, floor, "if sent"),
    ]
    inside += _marks(story, step, floor)
    step_shown = max(1, round(len(macs) / 12))
    inside += [
        label(_LEFT + (place + 0.5) * step, base + 18, place + 1, text_anchor="middle")
        for place in range(0, len(macs), step_shown)
    ]
    return drawing(
        _WIDTH,
        floor + 34,
        *inside,
        name=f"{number_of(len(macs), 'layer')}; cuts before layers "
        f"{', '.join(map(str, story.colours))}",
        class_="wide",
    )


def _marks(story: Story, step: float, floor: float) -> list[str]:
    """A line where each cut is, and where the fused layer ends."""
    marks = []
    for cut, colour in story.colours.items():
        at = _LEFT + (cut - 1) * step
        marks.append(
            rectangle(at - 1.5, _TOP - 10, 3.0, floor - _TOP + 20, fill=colour, class_="cut")
        )
        anchor = "end" if at > _WIDTH - 60 else "start"
        marks.append(
            label(at + (-4 if anchor == "end" else 4), 14, f"cut {cut}", text_anchor=anchor)
        )
    if story.plan.arrangement.label:
        at = _LEFT + story.plan.tau * step
        marks.append(rectangle(at - 0.75, _TOP, 1.5, floor - _TOP + 10, class_="tau"))
        anchor = "end" if at > _WIDTH - 160 else "start"
        marks.append(
            label(at, floor + 28, f"fused layer {story.plan.tau} ends", text_anchor=anchor)
        )
    return marks
