"""One figure per network: every plan in every cell, measured beside predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.system import summary
from benchmarks.system.cells import AUTO, DEVICE_ONLY, FLOATS, NFL, ORDER, PEER_LABELS, RAW, SERIAL
from fusepath.report.figures import INK, PAGE_INCHES, new_figure, save_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.system.cells import Cell
    from benchmarks.system.results import Row

# Okabe and Ito's palette, as in the figures of the study.
BASELINE, TILED, BEST, PEER, UNOVERLAPPED = "#000000", "#0072B2", "#009E73", "#CC79A7", "#E69F00"
BASELINES = {DEVICE_ONLY, FLOATS, RAW, NFL}
KINDS = {
    "no tiles": BASELINE,
    "tiles or strips": TILED,
    "auto (its line: measured)": BEST,
    "best tiles without overlap": UNOVERLAPPED,
    "peers": PEER,
}


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw one network: device speeds across, link rates down."""
    network = rows[0].network
    cells = summary.by_cell(rows)
    slowdowns = sorted({cell.slowdown for cell in cells})
    rates = sorted({cell.rate_mb_per_s for cell in cells})
    names = [name for name in ORDER if any(name in plans for plans in cells.values())][::-1]
    figure = new_figure(PAGE_INCHES, 1.1 + (0.6 + 0.17 * len(names)) * len(rates))
    axes = figure.subplots(
        len(rates), len(slowdowns), sharey=True, squeeze=False, gridspec_kw={"wspace": 0.04}
    )
    for cell, plans in cells.items():
        ax = axes[rates.index(cell.rate_mb_per_s)][slowdowns.index(cell.slowdown)]
        _panel(ax, cell, plans, names)
    for ax in axes[-1]:
        ax.set_xlabel("ms", fontsize=9)
    figure.suptitle(
        f"{network}: latency of every plan, measured and predicted",
        fontsize=11,
        color=INK,
        x=0.01,
        ha="left",
    )
    _legend(figure, {_colour(name) for name in names})
    return save_figure(figure, folder / f"system-{network}")


def _panel(ax: Any, cell: Cell, plans: Mapping[str, Row], names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        row = plans.get(name)
        if row is None:
            continue
        colour = _colour(name)
        measured, q1, q3 = (value * 1e3 for value in (row.measured_s, row.q1_s, row.q3_s))
        faded = 0.35 if row.same_as and name != AUTO else 1.0
        ax.plot([q1, q3], [at, at], color=colour, linewidth=1.4, alpha=faded, zorder=3)
        ax.plot(measured, at, "o", color=colour, markersize=5, alpha=faded, zorder=4)
        if row.predicted_s is not None:
            ax.plot(
                row.predicted_s * 1e3, at, "|", color=colour, markersize=10, markeredgewidth=1.5,
                alpha=faded, zorder=2,
            )  # fmt: skip
        if not row.verified:
            ax.plot(measured, at, "x", color="red", markersize=9, zorder=5)
    bound_ms = next(iter(plans.values())).lower_bound_s * 1e3
    ax.axvline(bound_ms, color=INK, linewidth=0.9, linestyle=":", zorder=1)
    if AUTO in plans:
        ax.axvline(plans[AUTO].measured_s * 1e3, color=BEST, linewidth=0.7, alpha=0.6, zorder=1)
    ax.set_xscale("log")
    _ticks(ax)
    ax.set_yticks(range(len(names)), names, fontsize=9)
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.tick_params(axis="y", length=0)
    ax.set_title(
        f"device {cell.slowdown:g}x slower, {cell.rate_mb_per_s:g} MB/s",
        fontsize=9,
        color=INK,
        loc="left",
    )
    ax.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)


def _ticks(ax: Any) -> None:
    """Plain numbers at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="x", labelsize=9)


def _legend(figure: Any, colours: set[str]) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    marks = [
        Line2D([], [], color=colour, marker="o", linestyle="", markersize=5, label=label)
        for label, colour in KINDS.items()
        if colour in colours
    ]
    marks += [
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=9, markeredgewidth=1.5,
               label="predicted"),
        Line2D([], [], color=INK, marker="o", linestyle="", markersize=5, alpha=0.35,
               label="same plan as another"),
        Line2D([], [], color=INK, linewidth=0.9, linestyle=":", label="lower bound without codecs"),
    ]  # fmt: skip
    figure.legend(
        handles=marks, loc="outside lower left", ncols=3, fontsize=9, frameon=False,
        handletextpad=0.4, columnspacing=1.2,
    )  # fmt: skip


def _colour(name: str) -> str:
    if name in PEER_LABELS.values():
        return PEER
    if name in BASELINES:
        return BASELINE
    return {AUTO: BEST, SERIAL: UNOVERLAPPED}.get(name, TILED)
