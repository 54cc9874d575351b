"""Plots of Figs. 2 to 4, ours and published in one. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from fusepath.errors import InputError
from fusepath.output_file import write_file
from fusepath.study.published import published
from fusepath.study.spec import ALGORITHMS, LABELS, LAST_TAU

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fusepath.schedule import Schedule
    from fusepath.study import Curves, Example, Fig4

# Okabe and Ito's palette, told apart with any colour vision; styles tell the curves apart in print.
STYLES: dict[str, tuple[str, str, str]] = {
    "nfl": ("#000000", "o", "-"),
    "bf-2x2": ("#0072B2", "s", "--"),
    "mw-2x2": ("#E69F00", "^", "-."),
    "mw-kxk": ("#009E73", "D", "-"),
}
"""Colour, marker and line of each algorithm."""
PATH_COLOURS = ("#56B4E9", "#E69F00", "#009E73")
TAIL_COLOUR = "#BBBBBB"
INK = "#333333"

PAGE_INCHES = 7.6
"""Width of a page's column: 730 pixels, so that 9 points of a figure are 12 on the screen."""
_ABREAST = 3
"""Pictures beside each other on a page."""


def require_matplotlib(leave_out: str = "leave figures out") -> None:
    """Raise unless figures can be drawn.

    Args:
        leave_out: what else to do.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: F401, PLC0415
    except ImportError:
        raise InputError(
            f"figures need matplotlib: pip install 'fusepath[plot]', or {leave_out}"
        ) from None


def new_figure(width: float, height: float, **options: Any) -> Any:
    """A figure of its own (inches), without the global state of pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), layout="constrained", **options)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, stem: Path) -> list[Path]:
    """Write PNG and SVG; the same figure gives the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415

    png, svg = io.BytesIO(), io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": stem.name, "svg.fonttype": "none"}):
        figure.savefig(png, format="png", dpi=144, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    files = []
    for suffix, data in ((".png", png), (".svg", svg)):
        files.append(stem.with_name(stem.name + suffix))
        write_file(files[-1], data.getvalue())
    return files


def plot_curves(figure4: Fig4, curves: Curves, ax: Any, *, legend: bool = True) -> Any:
    """Inference time over link rate: our four curves, and whatever the paper states of its own."""
    rates = figure4.rates_mb_per_s
    for name in ALGORITHMS:
        colour, marker, line = STYLES[name]
        times_ms = [value / 1e6 for value in curves.algorithms[name].makespan_ns]
        ax.plot(
            rates,
            times_ms,
            color=colour,
            linestyle=line,
            linewidth=1.6,
            label=f"{LABELS[name]}, ours",
            zorder=2,
        )
        ours_only = True
        for point in published().curve(curves.published, name):
            ax.plot(
                [point.rate_mb_per_s or mean_rate(rates)],
                [point.time_ms],
                linestyle="none",
                marker=marker if point.rate_mb_per_s else "_",
                markersize=7 if point.rate_mb_per_s else 13,
                markerfacecolor="white",
                markeredgecolor=colour,
                markeredgewidth=1.6,
                label=f"{LABELS[name]}, published" if ours_only and point.rate_mb_per_s else None,
                zorder=3,
                clip_on=False,
            )
            ours_only = ours_only and point.rate_mb_per_s is None
    if curves.convention == "perfect-division":
        ax.plot(
            rates,
            [value / 1e6 for value in curves.algorithms[LAST_TAU].makespan_ns],
            color=STYLES["mw-kxk"][0],
            linestyle=":",
            linewidth=1.6,
            label=f"{LABELS[LAST_TAU]}, ours",
            zorder=2,
        )
    ax.set_yscale("log")
    ax.set_xlim(1.0, 3.1)
    ax.set_xticks([1.1, 1.5, 2.0, 2.5, 3.0])
    ax.set_xlabel("link rate (MB/s)")
    ax.set_ylabel("inference time (ms)")
    _plain_ticks(ax)
    ax.grid(visible=True, which="major", color="#DDDDDD", linewidth=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if legend:
        ax.figure.legend(
            *_legend_entries(ax, has_means=_has_means(curves)),
            loc="outside right center",
            frameon=False,
            fontsize=8,
        )
    return ax


def curves_figure(figure4: Fig4, curves: Curves) -> Any:
    """One network under one convention."""
    figure = new_figure(7.2, 4.0)
    ax = figure.subplots()
    plot_curves(figure4, curves, ax)
    granted = ", machines scaled to the published NFL" if curves.granted else ""
    ax.set_title(f"{curves.network}, convention {curves.convention}{granted}", fontsize=10)
    return figure


def overview_figure(figure4: Fig4, several: Sequence[Curves]) -> Any:
    """One network under several conventions on one scale, as wide as a page: no text shrinks."""
    rows = -(-len(several) // _ABREAST)
    figure = new_figure(PAGE_INCHES, 2.4 * rows + 0.9)
    axes = figure.subplots(rows, _ABREAST, sharex=True, sharey=True, squeeze=False)
    for place, ax in enumerate(axes.flat):
        if place >= len(several):
            ax.set_axis_off()
            continue
        plot_curves(figure4, several[place], ax, legend=False)
        ax.set_title(several[place].convention, fontsize=10)
        ax.set_xticks([1.1, 2.0, 3.0])
        ax.tick_params(labelbottom=True)
        if place % _ABREAST:
            ax.set_ylabel("")
        if place + _ABREAST < len(several):
            ax.set_xlabel("")
    granted = ", machines scaled to the published NFL" if several[0].granted else ""
    figure.suptitle(f"{several[0].network}{granted}", fontsize=11)
    entries = _legend_entries(axes.flat[len(several) - 1], has_means=_has_means(several[0]))
    figure.legend(*entries, loc="outside lower center", ncols=_ABREAST, frameon=False, fontsize=9)
    return figure


def mean_rate(rates: Sequence[float]) -> float:
    """Where a curve ``a + b/rate`` has its mean over the rates."""
    return len(rates) / sum(1 / rate for rate in rates)


def _has_means(curves: Curves) -> bool:
    return any(
        point.rate_mb_per_s is None
        for point in published().points
        if point.network == curves.published
    )


def _legend_entries(ax: Any, *, has_means: bool) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    handles, labels = ax.get_legend_handles_labels()
    if has_means:
        handles.append(
            Line2D([], [], linestyle="none", marker="_", markersize=13, color=INK, mew=1.6)
        )
        labels.append("published mean")
    return handles, labels


def _plain_ticks(ax: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    ax.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def example_figure(example: Example) -> Any:
    """Fig. 2 or 3 on a time axis: what device, link and edge server do, layer by layer."""
    figure = new_figure(PAGE_INCHES, 2.6)
    ax = figure.subplots()
    lanes = ("device", "link", "edge server")
    end = 0.0
    for lane, start, length, label, colour in _blocks(example.schedule):
        ax.broken_barh(
            [(start, length)],
            (len(lanes) - 1 - lane - 0.38, 0.76),
            facecolor=colour,
            edgecolor="white",
            linewidth=1.5,
        )
        ax.text(
            start + length / 2,
            len(lanes) - 1 - lane,
            label,
            ha="center",
            va="center",
            fontsize=9,
            color=INK,
        )
        end = max(end, start + length)
    ax.set_yticks(range(len(lanes)), reversed(lanes))
    ax.set_xlim(0, end)
    ax.set_xticks(range(int(end) + 1))
    ax.set_xlabel("time (units of the paper)")
    ax.set_title(f"{example.title}: inference time {end:g}", fontsize=10)
    ax.grid(visible=True, axis="x", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
    figure.legend(
        handles=_path_patches(),
        loc="outside lower right",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    return figure


def _path_patches() -> list[Any]:
    from matplotlib.patches import Patch  # noqa: PLC0415

    paths = [
        Patch(facecolor=colour, label=f"path {number}")
        for number, colour in enumerate(PATH_COLOURS, start=1)
    ]
    return [*paths, Patch(facecolor=TAIL_COLOUR, label="tail")]


def _blocks(schedule: Schedule) -> Iterator[tuple[int, float, float, str, str]]:
    """(lane, start, length, label, colour) of every layer and transmission."""
    from fusepath.study.examples import DEVICE, EDGE, PATHS, TAIL, units  # noqa: PLC0415

    for item in schedule.paths:
        layers, colour = PATHS[item.path], PATH_COLOURS[item.path]
        first = 1 + len(layers) * item.path
        at = units(item.device[0])
        for index in range(item.cut - 1):
            length = layers[index][0] / DEVICE
            yield 0, at, length, f"{first + index}", colour
            at += length
        start, stop = (units(moment) for moment in item.link)
        yield 1, start, stop - start, f"to {first + item.cut - 1}", colour
        at = units(item.edge[0])
        for index in range(item.cut - 1, len(layers)):
            length = layers[index][0] / EDGE
            yield 2, at, length, f"{first + index}", colour
            at += length
    at = units(schedule.tail[0])
    for index, operations in enumerate(TAIL):
        yield 2, at, operations / EDGE, f"{10 + index}", TAIL_COLOUR
        at += operations / EDGE
