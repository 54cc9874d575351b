"""A plan book as a picture. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fusepath.plan import PlanBook

# Okabe and Ito's palette, told apart with any colour vision.
COLOURS = {
    "device only": "#D55E00",
    "full offload": "#56B4E9",
    "one cut": "#CC79A7",
    "tiles": "#E69F00",
    "streamed cut": "#009E73",
    "stream, 2 segments": "#0072B2",
    "stream, 3 segments": "#8A63B8",
    "forwarded file": "#8C510A",
}
"""By family; a book need not hold them all."""
INK = "#333333"
_POINTS = 24
"""Rates at which a plan's curve is drawn."""
_ROOM_FOR_LABEL = 0.035
"""Share of the axis that a number needs."""

_NARROW = 5.0
"""Up to this ratio of its ends, an axis has evenly spaced ticks."""


def book_figure(book: PlanBook) -> Any:
    """Makespan and gain over the link rate, coloured by the kind of plan.

    Beside the book: NFL, and what no plan beats; rings are rates that were planned only to see what
    the book misses.
    """
    from fusepath.report.figures import PAGE_INCHES, new_figure  # noqa: PLC0415

    figure = new_figure(PAGE_INCHES, 5.1)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.6))
    _draw_plans(book, upper, lower)
    _draw_references(book, upper, lower)
    upper.set_yscale("log")
    low, high = upper.get_ylim()
    upper.set_ylim(low, high * (high / low) ** 0.06)  # room for the numbers on top
    upper.set_ylabel("makespan (ms)")
    lower.set_ylabel("faster than NFL (x)")
    lower.set_xlabel("link rate up (MB/s)")
    plan = book.entries[0].plan
    upper.set_title(
        f"{plan.model.name}: device {plan.device.describe()}, edge {plan.edge.describe()}",
        fontsize=10,
    )
    for ax in (upper, lower):
        ax.set_xscale("log")
        ax.set_xlim(book.from_bytes_per_s / 1e6, book.to_bytes_per_s / 1e6)
        ax.grid(visible=True, which="major", color="#DDDDDD", linewidth=0.6)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for axis in (ax.xaxis, *([ax.yaxis] if ax is upper else [])):
            _plain_ticks(axis)
    figure.legend(
        *upper.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8,
    )
    return figure


def _draw_plans(book: PlanBook, upper: Any, lower: Any) -> None:
    width = np.log(book.to_bytes_per_s / book.from_bytes_per_s)
    labelled = set()
    for number, entry in enumerate(book.entries):
        kind = entry.plan.family
        colour = COLOURS[entry.plan.arrangement.family(entry.plan.cuts)]
        rates = np.geomspace(entry.from_bytes_per_s, entry.to_bytes_per_s, _POINTS)
        times_s = np.array([entry.makespan_s(book.link_at(rate)) for rate in rates])
        nfl_s = np.array([book.nfl_s(rate) for rate in rates])
        style = {"color": colour, "linewidth": 2.4, "solid_capstyle": "butt", "zorder": 3}
        label = None if kind in labelled else kind
        labelled.add(kind)
        upper.plot(rates / 1e6, times_s * 1e3, label=label, **style)
        lower.plot(rates / 1e6, nfl_s / times_s, **style)
        for ax in (upper, lower):
            ax.axvspan(
                rates[0] / 1e6,
                rates[-1] / 1e6,
                color=colour,
                alpha=0.16 if number % 2 else 0.07,
                linewidth=0,
                zorder=0,
            )
        wide = np.log(rates[-1] / rates[0]) / width > _ROOM_FOR_LABEL
        if wide:
            upper.text(
                np.sqrt(rates[0] * rates[-1]) / 1e6,
                0.985,
                entry.plan.arrangement.label,
                transform=upper.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=7.5,
                color=INK,
            )


def _draw_references(book: PlanBook, upper: Any, lower: Any) -> None:
    rates = np.geomspace(book.from_bytes_per_s, book.to_bytes_per_s, 8 * _POINTS)
    nfl_s = np.array([book.nfl_s(rate) for rate in rates])
    upper.plot(rates / 1e6, nfl_s * 1e3, color="#000000", ls="--", lw=1.3, label="NFL", zorder=2)
    lower.axhline(1.0, color="#000000", ls="--", lw=1.3, zorder=2)
    known, bounds_s = np.array(book.bounds).T
    ceiling = np.array([book.nfl_s(rate) for rate in known]) / bounds_s
    upper.plot(known / 1e6, bounds_s * 1e3, color="#777777", ls=":", lw=1.3, label="lower bound")
    lower.plot(known / 1e6, ceiling, color="#777777", ls=":", lw=1.3)
    if book.forwarding is not None:
        sent_s = np.array([book.forwarding.makespan_s(book.link_at(rate)) for rate in rates])
        style = {"color": COLOURS["forwarded file"], "lw": 1.6, "zorder": 3}
        upper.plot(rates / 1e6, sent_s * 1e3, label="forwarded file", **style)
        lower.plot(rates / 1e6, nfl_s / sent_s, **style)
    probes = [item for item in book.planned if item.probe]
    upper.plot(
        [item.up_bytes_per_s / 1e6 for item in probes],
        [item.makespan_s * 1e3 for item in probes],
        linestyle="none",
        marker="o",
        markersize=6,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.0,
        label="planned afresh" if probes else None,
        zorder=4,
    )


def _plain_ticks(axis: Any) -> None:
    from matplotlib.ticker import (  # noqa: PLC0415
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        NullLocator,
    )

    low, high = axis.get_view_interval()
    if high / low < _NARROW:
        axis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(LogLocator(base=10, subs=(1, 1.5, 2, 3, 5, 7)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
