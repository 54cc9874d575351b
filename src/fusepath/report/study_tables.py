"""The tables of the study's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.figures import mean_rate
from fusepath.study import (
    ALGORITHMS,
    LABELS,
    LAST_TAU,
    best_match,
    line_through,
    matches,
    published,
    reaches,
)
from fusepath.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusepath.study import Fig4, Match

HEADLINE_NETWORKS = ("alexnet-224", "squeezenet-224", "yolov2-320")
"""One variant of each network of the paper, of the size that its NFL curve implies."""


def speed_up_tables(figure: Fig4) -> list[str]:
    """How much faster than NFL, ours and published."""
    paper = published()
    networks = list(dict.fromkeys(c.network for c in figure.curves))
    lines = [
        "## Speed-up over NFL",
        "",
        "Mean of NFL over mean of MW (k×k), over all rates. The average is over "
        f"{names_of(HEADLINE_NETWORKS)}, one for each network of the paper.",
        "",
        "| | " + " | ".join(networks) + " | average |",
        "|---|" + "---:|" * (len(networks) + 1),
    ]
    cells = []
    for name in networks:
        beside = next(c.published for c in figure.curves if c.network == name)
        value = paper.speed_up(beside)
        cells.append("" if value is None else f"{value:.1f}")
    lines.append(f"| published | {' | '.join(cells)} | **{paper.headline}** |")
    for granted in (False, True):
        for item in figure.conventions:
            row: list[str] = []
            for name in networks:
                one = figure.one(name, item.convention.name, granted=granted)
                row.append("" if one is None else f"{one.speed_up():.2f}")
            if any(row):
                ups = headline_speed_ups(figure, item.convention.name, granted=granted)
                mean = f"**{mean_of(ups):.2f}**" if len(ups) == len(HEADLINE_NETWORKS) else ""
                text = f"`{item.convention.name}`{', granted' if granted else ''}"
                lines.append(f"| {text} | {' | '.join(row)} | {mean} |")
    lines += [
        "",
        "BF (2×2), the optimum for four tiles, over the same NFL:",
        "",
        "| | " + " | ".join(networks) + " |",
        "|---|" + "---:|" * len(networks),
    ]
    for item in figure.conventions:
        row = []
        for name in networks:
            one = figure.one(name, item.convention.name)
            row.append("" if one is None else f"{one.speed_up('bf-2x2'):.2f}")
        lines.append(f"| `{item.convention.name}` | {' | '.join(row)} |")
    return lines


def match_table(figure: Fig4) -> list[str]:
    """The closest of ours to every published curve."""
    found = matches(figure)
    lines = [
        "## Which convention yields which curve",
        "",
        "For every published curve the closest of ours, over all sizes and variants of the network. "
        "Errors are (ours − published) / published, point by point; curves are ranked by the mean "
        f"of their absolute values. {LABELS[LAST_TAU]} is MW (k×k) with the fused layer fixed at "
        "the last one that can be tiled; the paper searches τ. These are six conventions; "
        "[readings](readings.md) takes all that is open either way, and single curves have closer "
        "ones there.",
        "",
        "| published curve | granted | closest of ours | published, ours (ms) | errors | mean |",
        "|---|---|---|---|---|---:|",
    ]
    for network in published().networks:
        for algorithm in ALGORITHMS:
            for granted in (False, True):
                match = best_match(found, network, algorithm, granted=granted)
                if match is not None:
                    lines.append(_match_row(match))
    return lines


def _match_row(match: Match) -> str:
    times = "; ".join(
        f"{item.point.where}: {item.point.time_ms:g}, {ms_text(item.ours_ms)}"
        for item in match.comparisons
    )
    errors = ", ".join(f"{item.error:+.0%}" for item in match.comparisons)
    curve = f"{match.network} {LABELS[match.algorithm]}"
    ours = f"{LABELS[match.ours]} of {match.curves.network}, `{match.curves.convention}`"
    granted = "yes" if match.curves.granted else "no"
    return f"| {curve} | {granted} | {ours} | {times} | {errors} | {match.error:.0%} |"


def error_tables(figure: Fig4) -> list[str]:
    """Relative error of every point under every convention."""
    found = matches(figure)
    lines = [
        "## Every published point under every convention",
        "",
        "Relative error of ours, on the machines of Table I as printed.",
    ]
    for network in dict.fromkeys(c.network for c in figure.curves if c.primary):
        rows = [m for m in found if m.curves.network == network and not m.curves.granted]
        names = list(dict.fromkeys(m.curves.convention for m in rows))
        points = {
            (m.algorithm, item.point.where): item.point
            for m in rows
            if m.ours == m.algorithm
            for item in m.comparisons
        }
        if not points:
            continue
        lines += [
            "",
            f"**{network}**",
            "",
            "| curve | at | published | " + " | ".join(f"`{name}`" for name in names) + " |",
            "|---|---|---:|" + "---:|" * len(names),
        ]
        for (algorithm, where), point in points.items():
            cells = []
            for name in names:
                errors = [
                    item.error
                    for m in rows
                    if m.curves.convention == name and m.algorithm == m.ours == algorithm
                    for item in m.comparisons
                    if item.point.where == where
                ]
                cells.append(f"{errors[0]:+.0%}" if errors else "")
            mark = "*" if point.derived else ""
            lines.append(
                f"| {LABELS[algorithm]} | {where} | {point.time_ms:g} ms{mark} | "
                f"{' | '.join(cells)} |"
            )
    if any(point.derived for point in published().points):
        lines += ["", "\\* derived from a sentence by a sum, see the end of the page."]
    return lines


def bound_table(figure: Fig4) -> list[str]:
    """Published points beside the least time that one link allows."""
    lines = [
        "## What a shared link cannot do",
        "",
        "The bound grants everything: tiles as small as one likes, no halo, any cut in the whole "
        "network, one operation per multiply-accumulate, one byte per element, an infinitely fast "
        "edge server, and perfect overlap. What is left: the device computes one thing at a time, "
        "and the link sends one byte at a time. If a fraction x_o of the network is cut at layer o, "
        "the time is at least Σ x_o · ops(1 … o − 1) / f_end and at least Σ x_o · bytes(o) / R. The "
        "least maximum of the two over all x is a linear program, solved exactly. It is taken over "
        "all sizes and variants of the network; *granted* repeats it on machines scaled to the "
        "published NFL. A point below both is out of reach of every convention with one link and a "
        "raw image of one byte per element. For a mean, the two middle columns take the rate at "
        "which a + b/R has its mean.",
        "",
        "| published point | time | the link carries | the device does | bound | bound, granted | "
        "shared link |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for item in reaches(figure):
        point = item.point
        if point.algorithm == "nfl":
            continue
        rate = point.rate_mb_per_s or mean_rate(figure.rates_mb_per_s)
        carried = f"{rate * point.time_ms:.0f} kB"
        done = format_count(figure.device_ops_per_s * point.time_ms / 1e3) + " op"
        lines.append(
            f"| {point.network} {LABELS[point.algorithm]}, {point.where} | {point.time_ms:g} ms | "
            f"{carried} | {done} | {ms_text(item.bound_ms)} ms | "
            f"{ms_text(item.granted_bound_ms)} ms | "
            f"{'possible' if item.reachable else '**impossible**'} |"
        )
    lines += [
        "",
        "Read AlexNet's MW (k×k) at 1.1 MB/s so: of the 150.5 kB of the image the link carries less "
        "than a third in 40 ms, and the 8.9 million operations that the device does meanwhile are "
        "too few to turn the rest into something smaller: its first convolution alone takes 102 "
        "million.",
    ]
    return lines


def implied_lines(figure: Fig4) -> list[str]:
    """Bytes and operations that the published curves imply."""
    lines = [
        "## What the published curves imply",
        "",
        "A plan that does not change with the rate, and whose transmissions nothing hides, takes "
        "a + b/R. Through the two published end points of a curve:",
        "",
        "| curve | b: bytes on the critical path | a: everything else | a on the edge server of "
        "Table I |",
        "|---|---:|---:|---:|",
    ]
    paper = published()
    for network in paper.networks:
        for algorithm in ALGORITHMS:
            line = line_through(paper.curve(network, algorithm))
            if line is not None:
                constant_ms, sent = line
                ops = constant_ms / 1e3 * figure.edge_ops_per_s
                lines.append(
                    f"| {network} {LABELS[algorithm]} | {sent / 1e3:.1f} kB | {constant_ms:.0f} ms "
                    f"| {format_count(ops)} op |"
                )
    lines += [
        "",
        "NFL's b is a whole image at one byte per element: 224·224·3 = 150.5 kB for AlexNet (a 227 "
        "input would be 154.6 kB and miss by more than rounding allows) and 320·320·3 = 307.2 kB "
        "for YOLOv2. So NFL offloads everything. Its a is another matter:",
        "",
        "| network | MACs | operations that published NFL implies | per MAC |",
        "|---|---:|---:|---:|",
    ]
    for curves in figure.curves:
        if curves.granted and curves.convention == "table1":
            lines.append(
                f"| {curves.network} | {format_count(curves.ops)} | "
                f"{format_count(curves.ops * curves.ops_scale)} | {curves.ops_scale:.3g} |"
            )
    lines += [
        "",
        "No single number of operations per multiply-accumulate explains the three networks.",
    ]
    return lines


def parameter_tables(figure: Fig4) -> list[str]:
    """Everything chosen or fitted that the paper does not state."""
    lines = [
        "## What is not in the paper",
        "",
        "Everything that had to be chosen. Nothing else was, and nothing was fitted but the last "
        "table.",
        "",
        "| convention | parameter | chosen because |",
        "|---|---|---|",
    ]
    shown: set[tuple[str, str]] = set()
    for item in figure.conventions:
        for field, reason in item.assumed.items():
            if (field, reason) not in shown:
                shown.add((field, reason))
                value = getattr(item.convention, field)
                text = str(value).lower() if isinstance(value, bool) else str(value)
                lines.append(
                    f"| `{item.convention.name}` and what builds on it | `{field} = {text}` | "
                    f"{reason} |"
                )
    lines += [
        "| all | input sizes | AlexNet and SqueezeNet 224 and YOLOv2 320 fit the slopes of NFL; "
        "227 and 416 are the published sizes of the networks |",
        "| all | YOLOv2 | the paper cites a lightweight variant with binary weights; Darknet's "
        "full and tiny networks stand in |",
        "| all | rates | 1.1 to 3 MB/s in steps of 0.1; the paper gives the range only |",
    ]
    granted = [c for c in figure.curves if c.granted]
    if granted:
        lines += [
            "",
            "Fitted, and used only where it says *granted*: operations counted for each operation "
            "of the convention.",
            "",
            "| network | convention | factor |",
            "|---|---|---:|",
            *(
                f"| {c.network} | `{c.convention}` | {c.ops_scale:.4g} |"
                for c in granted
                if c.convention in {"table1", "perfect-division"}
            ),
        ]
    return lines


def headline_speed_ups(figure: Fig4, convention: str, *, granted: bool = False) -> list[float]:
    """Speed-ups of `HEADLINE_NETWORKS` under a convention."""
    found = (figure.one(name, convention, granted=granted) for name in HEADLINE_NETWORKS)
    return [curves.speed_up() for curves in found if curves is not None]


def mean_of(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def names_of(names: Iterable[str]) -> str:
    """A list for a sentence."""
    *most, last = names
    return f"{', '.join(most)} and {last}"


def ms_text(value: float) -> str:
    """Milliseconds with as many digits as a table needs."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
