"""The front of latency, energy and bytes as a picture. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.report.book_figure import COLOURS, INK
from fusepath.report.figures import PAGE_INCHES, new_figure

if TYPE_CHECKING:
    from fusepath.plan import Front


def front_figure(front: Front) -> Any:
    """Energy over latency, and bytes over latency, of the same plans, coloured by their kind.

    Dotted lines are what no plan beats; of bytes there is no such line but none at all.
    """
    figure = new_figure(PAGE_INCHES, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    latencies = [plan.makespan_s * 1e3 for plan in front.plans]
    drawn = [(plan.energy_j or 0.0) for plan in front.plans]
    sent = [plan.up_bytes / 1e3 for plan in front.plans]
    for ax, values in ((upper, drawn), (lower, sent)):
        labelled = set()
        for plan, at_ms, value in zip(front.plans, latencies, values, strict=True):
            kind = plan.arrangement.family(plan.cuts)
            kind = "forwarded file" if plan.recipe.forwards else kind
            ax.plot(
                at_ms,
                value,
                marker="o",
                markersize=7,
                linestyle="none",
                color=COLOURS[kind],
                markeredgecolor="white",
                markeredgewidth=0.8,
                clip_on=False,
                label=None if kind in labelled else kind,
                zorder=3,
            )
            labelled.add(kind)
    style = {"color": "#777777", "ls": ":", "lw": 1.3}
    upper.axhline(front.energy_bound_j, label="lower bound", **style)
    for ax in (upper, lower):
        ax.axvline(front.latency_bound_s * 1e3, **style)
        ax.set_ylim(bottom=0)
        ax.grid(visible=True, color="#DDDDDD", linewidth=0.6)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    upper.set_xlim(left=0)
    _name_ends(upper, latencies, drawn)
    plan = front.plans[0]
    upper.set_ylabel("energy of the device (J)")
    lower.set_ylabel("sent up (kB)")
    lower.set_xlabel("latency (ms)")
    figure.suptitle(
        f"{plan.model.name}: device {plan.device.describe()}, edge {plan.edge.describe()}, link "
        f"{plan.link.describe()}",
        fontsize=10,
    )
    figure.legend(
        *upper.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8,
    )
    return figure


def _name_ends(ax: Any, latencies: list[float], drawn: list[float]) -> None:
    """The plans that are least in something, by name."""
    ends = {latencies.index(min(latencies)): "quickest"}
    at = drawn.index(min(drawn))
    ends[at] = f"{ends[at]} and least energy" if at in ends else "least energy"
    for at, text in ends.items():
        ax.annotate(
            text,
            (latencies[at], drawn[at]),
            xytext=(8, 8),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
