"""The gain map as a picture. Needs the extra ``plot`` (matplotlib)."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.output_file import write_file
from fusepath.report.figures import INK, PAGE_INCHES, new_figure
from fusepath.report.map_table import FAMILY_NAMES, GAIN_COLOURS, axis_scale
from fusepath.study import WORTHWHILE_GAIN, Family
from fusepath.units import format_flop_per_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from fusepath.arrays import FloatArray
    from fusepath.study import Cell, GainMap


LEVELS = (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0)
FORMATS = (".png", ".svg")
_BAR_TICKS = (1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0)
_DOTS_PER_INCH = 165
_FINE = 401
"""Points a side that a picture is interpolated to."""
_SHADES = 96
"""Few enough for small files, too many to see a step."""
_SMOOTH_CELLS = 0.5
"""Standard deviation, in cells, by which lines are rounded; colours are not."""
_LEAST_TOP = 1.2
"""Where the colours end at the earliest, so that next to nothing does not look like much."""
_COVERS = "covers"
"""Label of texts that lie above all others."""
_LEAST_SHARE = 0.012
"""Of the picture: a smaller region is outlined, but there is no room for its name."""


def map_figure(gain_map: GainMap) -> Any:
    """What planning gains over devices and links, beside what the lower bound leaves possible."""
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import LinearSegmentedColormap, LogNorm  # noqa: PLC0415
    from matplotlib.ticker import NullLocator  # noqa: PLC0415

    figure = new_figure(PAGE_INCHES, 4.2)
    top = max(_LEAST_TOP, gain_map.largest_limit.limit)
    colours = ScalarMappable(
        norm=LogNorm(1.0, top),
        cmap=LinearSegmentedColormap.from_list("gain", GAIN_COLOURS, N=_SHADES),
    )
    left, right = figure.subplots(1, 2, sharey=True)
    plot_gain(gain_map, left, colours)
    plot_limit(gain_map, right, colours)
    bar = figure.colorbar(colours, ax=[left, right], pad=0.015, aspect=28)
    bar.set_label("times faster than NFL")
    bar.outline.set_visible(False)
    shown = [level for level in _BAR_TICKS if level <= top]
    bar.set_ticks(shown, labels=[f"{level:g}" for level in shown])
    bar.ax.yaxis.set_minor_locator(NullLocator())
    size = "×".join(str(side) for side in gain_map.model.input_shape[2:])
    figure.suptitle(
        f"{gain_map.model.name} {size}, edge server {_edge_name(gain_map)}", fontsize=11, color=INK
    )
    _break_overhanging(figure)
    _hide_covered(figure)
    return figure


def save_map_figure(gain_map: GainMap, path: Path) -> None:
    """Write the picture; the name's ending says in which of `FORMATS`.

    The same map gives the same bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    import matplotlib as mpl  # noqa: PLC0415

    figure = map_figure(gain_map)
    data = io.BytesIO()
    if path.suffix == ".svg":
        with mpl.rc_context({"svg.hashsalt": gain_map.model.sha256, "svg.fonttype": "none"}):
            figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None})
    else:
        figure.savefig(data, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
        data = _with_a_palette(data)
    write_file(path, data.getvalue())


def _with_a_palette(png: io.BytesIO) -> io.BytesIO:
    """The same picture in a third of the bytes: a map has few colours."""
    from PIL import Image  # noqa: PLC0415

    small = io.BytesIO()
    with Image.open(png) as picture:
        few = picture.convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True)
    return small


def plot_gain(gain_map: GainMap, ax: Any, colours: Any) -> Any:
    """The gain of the best plan, with the regions of its families and its largest value."""
    fine = _plot_values(gain_map, lambda cell: cell.gain, ax, colours)
    regions = _choices(gain_map, fine)
    _plot_regions(gain_map, regions, ax, linewidths=2.0)
    for family, weight in regions.items():
        style = {"fontsize": 9.5, "fontweight": "bold"}
        _name(gain_map, ax, weight, FAMILY_NAMES[family], (fine, colours), style)
    _mark(gain_map, gain_map.largest, gain_map.largest.gain, ax)
    ax.set_ylabel(f"device ({axis_scale(gain_map.device_ops_per_s)[1]}FLOP/s)")
    ax.set_title("Gain of the best plan, and what it is", fontsize=9.5, loc="left", color=INK)
    return ax


def plot_limit(gain_map: GainMap, ax: Any, colours: Any) -> Any:
    """The gain of a plan that would be as fast as the lower bound, and what NFL does."""
    fine = _plot_values(gain_map, lambda cell: cell.limit, ax, colours)
    regions = _baselines(gain_map)
    _plot_regions(gain_map, regions, ax, linewidths=1.4, linestyles=[(0, (4, 2.5))])
    for family, weight in regions.items():
        name = f"NFL: {FAMILY_NAMES[family].removeprefix('NFL ')}"
        _name(gain_map, ax, weight, name, (fine, colours), {"fontsize": 9})
    _mark(gain_map, gain_map.largest_limit, gain_map.largest_limit.limit, ax)
    ax.set_title("Most that the lower bound allows", fontsize=9.5, loc="left", color=INK)
    return ax


def _plot_values(
    gain_map: GainMap, value: Callable[[Cell], float], ax: Any, colours: Any
) -> FloatArray:
    """Colours and contour lines of one value; it, interpolated."""
    fine = _fine_values(gain_map, value)
    links, devices = _axes_values(gain_map)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.pcolormesh(
        links,
        devices,
        fine,
        cmap=colours.cmap,
        norm=colours.norm,
        shading="nearest",
        rasterized=True,
    )
    ax.set_xlim(links[0], links[-1])
    ax.set_ylim(devices[0], devices[-1])
    smooth = _smoothed(fine, gain_map)
    levels = [level for level in LEVELS if smooth.min() < level < smooth.max()]
    lines = ax.contour(
        links,
        devices,
        smooth,
        levels=levels,
        colors=[_ink(colours, level) for level in levels],
        linewidths=0.7,
        alpha=0.7,
    )
    ax.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=7.5, inline_spacing=2)
    ax.set_xlabel(f"link ({axis_scale(gain_map.link_bytes_per_s)[1]}B/s)")
    for axis, rates in (
        (ax.xaxis, gain_map.link_bytes_per_s),
        (ax.yaxis, gain_map.device_ops_per_s),
    ):
        _rate_ticks(axis, rates)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return fine


def _axes_values(gain_map: GainMap) -> tuple[FloatArray, FloatArray]:
    links, devices = gain_map.link_bytes_per_s, gain_map.device_ops_per_s
    return (
        np.geomspace(links[0], links[-1], _FINE),
        np.geomspace(devices[0], devices[-1], _FINE),
    )


def _fine_values(gain_map: GainMap, value: Callable[[Cell], float]) -> FloatArray:
    """NFL's time over another, everywhere: times are interpolated, then divided.

    NFL bends sharply where another of its ends takes over, but the times of its ends do not: each
    is interpolated for itself, and the less one counts. Where a cut inside is best that is not
    known, and NFL itself is interpolated.
    """
    device, offload, inside = _nfl_parts(gain_map)
    nfl = _fine(gain_map, lambda cell: math.log(cell.nfl_s))
    nfl = (1 - inside) * np.minimum(device, offload) + inside * nfl
    other = _fine(gain_map, lambda cell: math.log(cell.nfl_s / value(cell)))
    return np.maximum(np.exp(nfl - other), 1.0)


def _nfl_parts(gain_map: GainMap) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logarithms of the times of both ends, and the share of the surroundings split by NFL."""
    return (
        _fine(gain_map, lambda cell: math.log(cell.device_only_s)),
        _fine(gain_map, lambda cell: math.log(cell.full_offload_s)),
        _fine(gain_map, lambda cell: cell.baseline is Family.SPLIT),
    )


def _fine(gain_map: GainMap, value: Callable[[Cell], float]) -> FloatArray:
    return _interpolated(np.array([[value(cell) for cell in row] for row in gain_map.rows()]))


def _interpolated(coarse: NDArray[Any]) -> FloatArray:
    """Linear between the points computed, which are evenly spaced: ``(rows, cols)`` to fine."""
    fine = coarse.astype(np.float64)
    for axis in (0, 1):
        size = fine.shape[axis]
        at = np.linspace(0, size - 1, _FINE)
        low = np.minimum(at.astype(np.int64), size - 2)
        part = np.expand_dims(at - low, 1 - axis)
        fine = fine.take(low, axis) * (1 - part) + fine.take(low + 1, axis) * part
    return fine


def _rate_ticks(axis: Any, rates: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    factor, _ = axis_scale(rates)
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate / factor:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(which="both", length=3, color=INK)


def _ink(colours: Any, value: float) -> str:
    """Black or white, whichever shows on the colour of a value."""
    red, green, blue, _ = colours.to_rgba(value)
    return "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "#ffffff"


def _smoothed(fine: FloatArray, gain_map: GainMap) -> FloatArray:
    """Rounded by a Gaussian."""
    cells = max(len(gain_map.device_ops_per_s), len(gain_map.link_bytes_per_s)) - 1
    deviation = _SMOOTH_CELLS * (_FINE - 1) / cells
    reach = int(3 * deviation)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    for _ in range(2):  # along the rows, then along the columns
        padded = np.pad(fine, ((0, 0), (reach, reach)), mode="edge")
        fine = np.array([np.convolve(row, kernel, mode="valid") for row in padded]).T
    return fine


_BESIDE_NFL = (Family.TILES, Family.STREAMED_CUT, Family.STREAM, Family.FORWARD)


def _baselines(gain_map: GainMap) -> dict[Family, FloatArray]:
    """For each family of NFL a field that is above zero where NFL is of it."""
    device, offload, inside = _nfl_parts(gain_map)
    split = _smoothed(inside, gain_map) - 0.5
    return _occurring(
        {
            Family.DEVICE_ONLY: np.minimum(offload - device, -split),
            Family.FULL_OFFLOAD: np.minimum(device - offload, -split),
            Family.SPLIT: split,
        }
    )


def _choices(gain_map: GainMap, gain: FloatArray) -> dict[Family, FloatArray]:
    """For each family a field that is above zero where it is the choice.

    That is the winner where the gain is worthwhile, and what NFL does elsewhere.
    """
    worth = _smoothed(gain, gain_map) - WORTHWHILE_GAIN
    won = {family: _won_by(family, gain_map) for family in _BESIDE_NFL}
    fields = {family: np.minimum(field, -worth) for family, field in _baselines(gain_map).items()}
    for family, field in won.items():
        others = np.max([other for name, other in won.items() if name is not family], axis=0)
        fields[family] = np.minimum(field - others, worth)
    return _occurring(fields)


def _won_by(family: Family, gain_map: GainMap) -> FloatArray:
    return _smoothed(_fine(gain_map, lambda cell: cell.winner is family), gain_map)


def _occurring(fields: dict[Family, FloatArray]) -> dict[Family, FloatArray]:
    return {family: field for family, field in fields.items() if field.max() > 0}


def _plot_regions(
    gain_map: GainMap, regions: dict[Family, FloatArray], ax: Any, **style: Any
) -> None:
    """A line around every region but the largest, whose outline is that of the others."""
    from matplotlib.patheffects import Normal, Stroke  # noqa: PLC0415

    ranked = sorted(regions.values(), key=lambda weight: int((weight > 0).sum()))
    for weight in ranked[:-1]:
        lines = ax.contour(*_axes_values(gain_map), weight, levels=[0.0], colors=INK, **style)
        halo = Stroke(linewidth=style["linewidths"] + 1.4, foreground="#ffffffb0")
        lines.set_path_effects([halo, Normal()])


def _name(
    gain_map: GainMap,
    ax: Any,
    weight: FloatArray,
    text: str,
    background: tuple[FloatArray, Any],
    style: dict[str, Any],
) -> None:
    """A name where its region has most room, unless it has next to none."""
    from matplotlib.patheffects import Normal, Stroke  # noqa: PLC0415

    inside = weight > 0
    if inside.mean() < _LEAST_SHARE:
        return
    row, col = _deepest(inside)
    values, colours = background
    value = float(values[row, col])
    links, devices = _axes_values(gain_map)
    side = "left" if col < 0.08 * _FINE else "right" if col > 0.92 * _FINE else "center"
    name = ax.text(
        links[col], devices[row], text, ha=side, va="center", color=_ink(colours, value), **style
    )
    name.set_label(_COVERS)
    name.set_path_effects([Stroke(linewidth=4, foreground=colours.to_rgba(value)), Normal()])


def _deepest(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """The place of a region with most room around it, for a name that is wider than high."""
    step = 10
    coarse = np.pad(inside[::step, ::step], 1)
    rows, cols = np.nonzero(coarse)
    outside = np.argwhere(~coarse)
    if not len(rows):  # a region so thin that it lies between the places looked at
        row, col = np.argwhere(inside)[inside.sum() // 2]
        return int(row), int(col)
    away = np.hypot(
        2 * (rows[:, None] - outside[None, :, 0]), cols[:, None] - outside[None, :, 1]
    ).min(axis=1)
    best = np.flatnonzero(away >= 0.95 * away.max())
    middle = best[np.argmin(np.hypot(*(item[best] - item[best].mean() for item in (rows, cols))))]
    return int(rows[middle] - 1) * step, int(cols[middle] - 1) * step


def _break_overhanging(figure: Any) -> None:
    """Put the words of a name below each other where it would stand over its panel's edge."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        edges = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            if text.get_label() == _COVERS and not edges.x0 <= box.x0 <= box.x1 <= edges.x1:
                text.set_text(text.get_text().replace(" ", "\n"))


def _hide_covered(figure: Any) -> None:
    """Leave out the numbers of contour lines that a name or a mark lies on."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        covering = [text for text in ax.texts if text.get_label() == _COVERS]
        boxes = [text.get_window_extent() for text in covering]
        for text in ax.texts:
            if text not in covering and text.get_window_extent().count_overlaps(boxes):
                text.set_visible(False)


def _mark(gain_map: GainMap, cell: Cell, value: float, ax: Any) -> None:
    """A ring and a value at one cell, the text on the side with more room."""
    links, devices = gain_map.link_bytes_per_s, gain_map.device_ops_per_s
    is_right = cell.link_bytes_per_s > (links[0] * links[-1]) ** 0.5
    is_high = cell.device_ops_per_s > (devices[0] * devices[-1]) ** 0.5
    ax.plot(
        cell.link_bytes_per_s,
        cell.device_ops_per_s,
        marker="o",
        markersize=8,
        markerfacecolor="white",
        markeredgecolor="black",
        markeredgewidth=1.6,
        clip_on=False,
        zorder=5,
    )
    ax.annotate(
        f"{value:.2f}×",
        label=_COVERS,
        xy=(cell.link_bytes_per_s, cell.device_ops_per_s),
        xytext=(-10 if is_right else 10, -10 if is_high else 10),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top" if is_high else "bottom",
        fontsize=10,
        fontweight="bold",
        color="black",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "none"},
        zorder=5,
    )


def _edge_name(gain_map: GainMap) -> str:
    rate = getattr(gain_map.edge, "ops_per_s", None)
    return format_flop_per_s(rate) if rate is not None else gain_map.edge.describe()
