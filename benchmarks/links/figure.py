"""Latency of every frame over a link that changes, beside that of the best plan of each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusepath.report.figures import INK, PAGE_INCHES, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.links.simulated import Stream

FRAME, BEST, FIXED, LINK = "#0072B2", "#009E73", "#D55E00", "#777777"


def draw(streams: Mapping[str, Stream], fixed: Mapping[str, Stream], file: Path) -> None:
    """Write the picture as PNG."""
    links_figure(streams, fixed).savefig(file, dpi=144, metadata={"Software": None})


def links_figure(streams: Mapping[str, Stream], fixed: Mapping[str, Stream]) -> Any:
    """One panel a network, and the link's rate above them."""
    figure = new_figure(PAGE_INCHES, 1.3 + 2.1 * len(streams))
    axes = figure.subplots(
        1 + len(streams), 1, sharex=True, height_ratios=(1, *([2.4] * len(streams)))
    )
    _rates(axes[0], next(iter(streams.values())))
    for ax, (network, stream) in zip(axes[1:], streams.items(), strict=True):
        _panel(ax, network, stream, fixed.get(network))
    axes[-1].set_xlabel("time (s)")
    for ax in axes:
        ax.grid(visible=True, axis="y", color="#DDDDDD", linewidth=0.6)
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    figure.legend(
        *axes[1].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
        markerscale=5,
    )
    return figure


def _rates(ax: Any, stream: Stream) -> None:
    for (start_s, end_s), phase in zip(stream.link.spans, stream.link.phases, strict=True):
        if phase.carries:
            ax.plot([start_s, end_s], [phase.up_bytes_per_s / 1e6] * 2, color=LINK, linewidth=2)
        else:
            ax.axvspan(start_s, end_s, color=FIXED, alpha=0.25, linewidth=0)
    ax.set_yscale("log")
    ax.set_ylabel("link (MB/s)", fontsize=9)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda _value, _place: "")


def _panel(ax: Any, network: str, stream: Stream, fixed: Stream | None) -> None:
    if fixed is not None:
        ax.plot(
            [frame.start_s for frame in fixed.frames],
            [frame.latency_s * 1e3 for frame in fixed.frames],
            ".",
            markersize=1,
            color=FIXED,
            label="best plan that stays",
            zorder=1,
        )
    ax.plot(
        [frame.start_s for frame in stream.frames],
        [frame.latency_s * 1e3 for frame in stream.frames],
        ".",
        markersize=2,
        color=FRAME,
        label="session, every frame",
        zorder=3,
    )
    plans, label = stream.plans, "best plan of the phase, predicted"
    for (start_s, end_s), phase in zip(stream.link.spans, stream.link.phases, strict=True):
        if phase.carries:
            here = plans.conditions(phase)
            best_ms = plans.map.predicted_s(plans.auto(here), here) * 1e3
            ax.plot([start_s, end_s], [best_ms] * 2, color=BEST, linewidth=1, label=label, zorder=4)
            label = None
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_minor_formatter(lambda _value, _place: "")
    low, high = ax.get_ylim()
    ticks = [tick for tick in (10, 20, 30, 50, 100, 200, 300, 500, 1000) if low <= tick <= high]
    ax.set_yticks(ticks)
    ax.set_ylabel(f"{network} (ms)", fontsize=9, color=INK)
