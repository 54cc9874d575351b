"""What a page shows of a plan or a run: sections as markup, and what its script tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.report.energy import energy_words
from fusepath.report.exactness import change_words, exactness
from fusepath.report.page.axis import time_axis
from fusepath.report.page.bounds import bounds
from fusepath.report.page.markup import element, scrolled, text
from fusepath.report.page.network import network
from fusepath.report.page.picture import legend, picture
from fusepath.report.page.rates import positions, rates_drawing
from fusepath.report.tables import milliseconds
from fusepath.timeline import Lane
from fusepath.units import format_bytes, format_bytes_per_s, format_count

if TYPE_CHECKING:
    from fusepath.plan import Plan
    from fusepath.report.page.rates import RateCurves
    from fusepath.report.page.story import Story
    from fusepath.timeline import Timeline


def sections(story: Story) -> dict[str, str]:
    """What is inside every section, by its title and in their order."""
    found = {
        "What runs where": _where(story),
        "When": _when(story),
        "What bounds it": bounds(story),
        "The network": scrolled(network(story), name="the layers of the network"),
    }
    if story.curves is not None:
        found["On other links"] = _rates(story.curves, story)
    if story.compared:
        found["All algorithms"] = _algorithms(story)
    return found | {"The plan": _facts(story)}


def drawings(story: Story) -> dict[str, str]:
    """What can be a figure of its own, by a short name."""
    return {"paths": picture(story), "times": time_axis(story), "network": network(story)}


def headline(story: Story) -> str:
    """A plan or run in one line."""
    plan = story.plan
    verb = "predicted" if story.measured is None else "measured"
    words = f"{milliseconds(story.latency_s)} {verb}, {plan.family}"
    ratio = story.speed_up(plan)
    if ratio is not None:
        words += f"; planned to be {ratio:.2f} times as fast as the best single cut"
    if story.measured is not None:
        words += f"; {milliseconds(story.predicted.end_s)} were predicted"
    return words


def _where(story: Story) -> str:
    paths = len(story.plan.cuts)
    control = element(
        "p",
        element("label", text("Path "), for_="path"),
        element(
            "input", id="path", type="range", min=1, max=paths, value=1, aria_describedby="told"
        ),
        element("output", text("1"), id="which", for_="path"),
        class_="control",
    )
    return element(
        "div",
        element("div", picture(story), class_="frame"),
        element(
            "div",
            element("p", text("Colour: where a path is cut. Dashed: its halo, computed twice.")),
            legend(story),
            control,
            element("p", id="told", class_="told", aria_live="polite"),
        ),
        class_="beside",
    )


def _when(story: Story) -> str:
    key = "Numbers are paths, H the layers before them, T those behind, R the result."
    if story.measured is not None:
        key += " Outlines were predicted, filled bars measured."
    key += " Thick borders: the critical path, which everything waited for."
    return scrolled(time_axis(story), name="the time axis") + element("p", text(key), class_="key")


def _rates(curves: RateCurves, story: Story) -> str:
    own = story.plan.link.up_bytes_per_s
    nearest = min(range(len(curves.rates)), key=lambda place: abs(curves.rates[place] - own))
    key = [
        element(
            "li",
            element(
                "svg",
                element("polyline", points="0,7 24,7", class_=f"curve curve-{place}"),
                viewBox="0 0 24 14",
                class_="swatch",
                aria_hidden="true",
            ),
            text(name),
        )
        for place, name in enumerate(curves.times_s)
    ]
    control = element(
        "p",
        element("label", text("Link rate "), for_="rate"),
        element(
            "input",
            id="rate",
            type="range",
            min=0,
            max=len(curves.rates) - 1,
            value=nearest,
            aria_describedby="at-rate",
        ),
        element("output", id="at-rate", for_="rate", aria_live="polite"),
        class_="control",
    )
    drawn = scrolled(rates_drawing(curves, own), name="latency by link rate")
    return drawn + element("ul", *key, class_="legend") + control


def _algorithms(story: Story) -> str:
    head = element(
        "tr",
        *(
            element("th", text(name), scope="col")
            for name in (
                *("algorithm", "plan", "makespan", "as a bar", "speed-up", "gap"),
                *("device MAC", "edge MAC", "sent"),
            )
        ),
    )
    slowest_s = max(row.plan.makespan_s for row in story.compared) or 1.0
    rows = []
    for row in sorted(story.compared, key=lambda item: item.plan.makespan_s):
        plan = row.plan
        ratio = story.speed_up(plan)
        bar = element(
            "svg",
            element(
                "rect", width=f"{100 * plan.makespan_s / slowest_s:.1f}", height=10, class_="work"
            ),
            viewBox="0 0 100 10",
            class_="bar",
            aria_hidden="true",
        )
        cells = [
            text(_kind(plan)),
            text(milliseconds(plan.makespan_s)),
            bar,
            text("" if ratio is None else f"{ratio:.2f}x"),
            text(f"{row.gap:.1%}"),
            text(format_count(plan.device_macs)),
            text(format_count(plan.edge_macs)),
            text(format_bytes(plan.up_bytes)),
        ]
        own = plan.recipe_sha256 == story.plan.recipe_sha256
        rows.append(
            element(
                "tr",
                element("th", text(plan.algorithm), scope="row"),
                *(element("td", cell) for cell in cells),
                class_="own" if own else None,
            )
        )
    table = element("table", element("thead", head), element("tbody", *rows))
    return scrolled(table, name="all algorithms") + element(
        "p",
        text(
            f"Speed-up: over the best single cut. Gap: to {milliseconds(story.bound_s)}, which no "
            f"plan{story.coded} beats."
        ),
        class_="key",
    )


def _kind(plan: Plan) -> str:
    """What an algorithm found: with codecs and without, it is two rows of the same words."""
    codecs = sorted({*plan.codecs.values(), *plan.back_codecs.values()})
    return f"{plan.family}, {' and '.join(codecs)}" if codecs else plan.family


def _facts(story: Story) -> str:
    plan = story.plan
    facts = {
        "model": f"{plan.model.name} ({plan.model.sha256[:12]})",
        "algorithm": f"{plan.algorithm}, convention {plan.convention.name}",
        "device": plan.device.describe(),
        "edge server": plan.edge.describe(),
        "link": plan.link.describe(),
        "paths": f"{len(plan.cuts)}, grid {plan.grid}, fused layer {plan.tau}, {plan.ending}",
        "codecs": ", ".join(f"{name}: {codec}" for name, codec in plan.codecs.items()) or "none",
        "work": f"{format_count(plan.device_macs)} MAC on the device, "
        f"{format_count(plan.edge_macs)} MAC on the edge server, {format_bytes(plan.up_bytes)} up",
        "results": exactness(plan),
        **{f"'{name}' changes": change_words(item) for name, item in (plan.changes or {}).items()},
        **({"energy": energy} if (energy := energy_words(plan)) else {}),
        "recipe": plan.recipe_sha256[:12],
        "fusepath": plan.provenance.fusepath_version,
    }
    return element(
        "dl",
        *(element("dt", text(name)) + element("dd", text(value)) for name, value in facts.items()),
    )


def told(story: Story) -> dict[str, Any]:
    """What the script tells of each path and rate."""
    plan = story.plan
    document: dict[str, Any] = {
        "paths": [
            f"cut {cut}: {story.where(cut)}{_times(story, path)}"
            for path, cut in enumerate(plan.cuts, 1)
        ]
    }
    if story.curves is not None:
        curves = story.curves
        document["rates"] = [
            f"{format_bytes_per_s(rate)}: "
            + "; ".join(
                f"{name} {milliseconds(several[place])}" for name, several in curves.times_s.items()
            )
            + f" ({curves.plans[place]})"
            for place, rate in enumerate(curves.rates)
        ]
        document["at"] = positions(curves)
    return document


def _times(story: Story, path: int) -> str:
    def told(timeline: Timeline) -> str:
        parts = [
            f"{span.lane} {span.duration_s * 1e3:.2f}"
            for lane in Lane
            for span in timeline.on(lane)
            if span.path == path
        ]
        return ", ".join(parts) + " ms" if parts else "nothing"

    words = f". Predicted: {told(story.predicted)}"
    if story.measured is not None:
        words += f". Measured: {told(story.measured)}"
    return words
