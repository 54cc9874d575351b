"""The page of the documentation that says how Fig. 4 compares, made from the results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.study_tables import (
    HEADLINE_NETWORKS,
    bound_table,
    error_tables,
    headline_speed_ups,
    implied_lines,
    match_table,
    mean_of,
    ms_text,
    names_of,
    parameter_tables,
    speed_up_tables,
)
from fusepath.study import (
    LABELS,
    best_match,
    has_all_rates,
    matches,
    published,
    reaches,
)
from fusepath.units import format_count

if TYPE_CHECKING:
    from fusepath.study import Curves, Fig4


def study_page(figure: Fig4, *, figures: str = "figures") -> str:
    """Markdown of the whole study.

    Args:
        figure: the results.
        figures: folder of the plots, relative to the page.
    """
    sections = [
        _head(figure),
        _short(figure),
        _examples(figures),
        _setup(figure),
        _plots(figure, figures),
        speed_up_tables(figure),
        match_table(figure),
        error_tables(figure),
        bound_table(figure),
        implied_lines(figure),
        parameter_tables(figure),
        _unexplained(figure),
        _sentences(),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def overviews(figure: Fig4) -> list[tuple[str, list[Curves]]]:
    """(file stem, curves) of the plots that the page shows."""
    found = []
    for granted in (False, True):
        shown = (c.network for c in figure.curves if c.granted == granted)
        for network in dict.fromkeys(shown):
            several = [c for c in figure.curves if (c.network, c.granted) == (network, granted)]
            if granted or several[0].primary:
                found.append((f"overview-{network}{'-granted' if granted else ''}", several))
    return found


def _head(figure: Fig4) -> list[str]:
    paper = published()
    lines = [
        "# The paper's figures, computed anew",
        "",
        "<!-- Written by `fusepath reproduce`; edit what writes it, not this page. -->",
        "",
        f"{paper.authors}, *{paper.title}*, reports inference times of AlexNet, SqueezeNet and "
        "YOLOv2 split between a weak device and an edge server. This page puts every number of its "
        "Figs. 2 to 4 beside ours. `fusepath reproduce -o DIR` computes all of it again.",
    ]
    if not has_all_rates(figure):
        rates = ", ".join(f"{rate:g}" for rate in figure.rates_mb_per_s)
        lines += [
            "",
            f"**A quick look:** rates {rates} MB/s only, so published means are left out.",
        ]
    return lines


def _short(figure: Fig4) -> list[str]:
    paper = published()
    lines = ["## In short", ""]
    by_text = [s for network in paper.networks if (s := paper.speed_up(network)) is not None]
    lines.append(
        f"- Published: {paper.headline} times faster than NFL on average. The text's own means give "
        f"{mean_of(by_text):.2f} ({', '.join(f'{value:.1f}' for value in by_text)}), so the headline "
        "follows from the published curves."
    )
    for name in ("table1", "parallel-edge", "no-contention"):
        ups = headline_speed_ups(figure, name)
        if ups:
            lines.append(
                f"- Ours under `{name}`: {mean_of(ups):.2f} ({', '.join(f'{u:.2f}' for u in ups)} for "
                f"{names_of(HEADLINE_NETWORKS)}). {_TITLES[name]}"
            )
    reached = reaches(figure)
    beyond = [r for r in reached if not r.reachable]
    mw = [r for r in reached if r.point.algorithm == "mw-kxk"]
    beyond_mw = [r for r in mw if not r.reachable]
    others = len(beyond) - len(beyond_mw)
    lines.append(
        f"- {len(beyond_mw)} of the {len(mw)} published MW (k×k) points, and {others or 'none'} of "
        f"the other {len(reached) - len(mw)}, are faster than any plan over one shared link can be, "
        "with a device that computes one thing at a time and whatever is assumed about tiles, halos, overlap, cuts, bytes per activation and the edge "
        "server (proved below). That is of the networks below: with SqueezeNet 1.1, whose bound at "
        "3 MB/s is 38.3 ms, the published 42 is possible ([by version](readings.md#which-points-are-"
        "impossible-by-version-of-the-network))."
    )
    ends = [p for p in paper.curve("AlexNet", "nfl") if p.rate_mb_per_s is not None]
    fast = [p for p in paper.curve("AlexNet", "mw-kxk") if p.rate_mb_per_s is not None]
    ratios = [slow.time_ms / quick.time_ms for slow, quick in zip(ends, fast, strict=True)]
    lines.append(
        f"- AlexNet's published NFL over MW (k×k) is {ratios[0]:.1f} and {ratios[1]:.1f}: 6×6, the "
        "size of its last pooling. That is perfect division: no halo, no waiting, fully connected "
        "layers free, and every path with a link and an edge server of its own."
    )
    match = best_match(matches(figure), "AlexNet", "mw-kxk", granted=True)
    if match is not None and match.error < 0.1:
        times = " and ".join(
            f"{ms_text(item.ours_ms)} ms for {item.point.time_ms:g}"
            for item in match.comparisons
            if item.point.rate_mb_per_s is not None
        )
        lines.append(
            f"  `{match.curves.convention}`, granted the published NFL and with τ at the last "
            f"pooling, yields that curve: {times}. No machine can have it."
        )
    return lines


_TITLES = {
    "table1": "This is what machines as in Table I can do.",
    "parallel-edge": "The edge server computes all paths at once; the link is still one link.",
    "no-contention": "Every path has its own link and edge server: no real pair of machines.",
}


def _examples(figures: str) -> list[str]:
    return [
        "## Figs. 2 and 3",
        "",
        "The couples (d, c) in the figures survive in the text only in part. The instance used here "
        "is a reconstruction that satisfies every number the text states: Fig. 2 takes 18 with cuts "
        "(3, 2, 2); in Fig. 3 MW finds cuts (1, 3, 2), layer 10 is done at 11 and layer 11 at 13, "
        "which brute force confirms as the optimum. The text does not state the 13.",
        "",
        f"![Fig. 2: the order 1, 2, 3 with cuts 3, 2, 2 takes 18]({figures}/fig2.svg)",
        "",
        f"![Fig. 3: Minimizing Waiting takes 13]({figures}/fig3.svg)",
    ]


def _setup(figure: Fig4) -> list[str]:
    rates = figure.rates_mb_per_s
    lines = [
        "## What was computed",
        "",
        f"Device {figure.device_ops_per_s:.3g} and edge server {figure.edge_ops_per_s:.3g} "
        f"operations per second (Table I), {len(rates)} link rates from {rates[0]:g} to "
        f"{rates[-1]:g} MB/s. NFL is the best single cut. BF (2×2) is the best of all orders, cuts "
        "and τ. MW is Algorithm 1 word for word, its ties included. Every plan was evaluated by the "
        "same evaluator, held against the rules by a checker that shares no code with it, and "
        "satisfies lower bound ≤ BF ≤ MW.",
        "",
        f"| network | beside | operations (`{figure.conventions[0].convention.name}`) | image |",
        "|---|---|---:|---:|",
    ]
    for name in dict.fromkeys(c.network for c in figure.curves):
        one = next(c for c in figure.curves if c.network == name)
        lines.append(
            f"| {name} | {one.published} | {format_count(one.ops)} | "
            f"{one.input_bytes / 1e3:.1f} kB |"
        )
    lines += [
        "",
        "A convention is what the paper leaves open. Each is a file in "
        "`src/fusepath/cost/conventions/`; a TOML file of your own serves as well.",
        "",
        "| convention | meaning | ops per MAC | bytes: image, activations | edge workers | link | "
        "halos |",
        "|---|---|---:|---|---|---|---|",
    ]
    for item in figure.conventions:
        c = item.convention
        lines.append(
            f"| `{c.name}` | {item.title} | {c.ops_per_mac} | {c.input_bytes_per_element}, "
            f"{c.activation_bytes_per_element} | {c.edge_workers or '∞'} | "
            f"{'shared' if c.shared_link else 'one per path'} | "
            f"{'no' if c.regions == 'share' else 'yes'} |"
        )
    if any(c.granted for c in figure.curves):
        lines += [
            "",
            "*Granted* means: the operations are multiplied by one number per network, so that full "
            "offload takes as long as the published NFL. This fits one parameter per network to one "
            "published curve, to see whether the others follow. NFL then agrees by construction.",
        ]
    return lines


def _plots(figure: Fig4, folder: str) -> list[str]:
    lines = [
        "## Fig. 4, ours and published",
        "",
        "Lines are ours, hollow markers are published end points, short bars are published means, "
        "drawn at the rate at which a curve a + b/R has its mean.",
    ]
    for stem, several in overviews(figure):
        granted = ", granted the published NFL" if several[0].granted else ""
        lines += ["", f"![{several[0].network}{granted}]({folder}/{stem}.svg)"]
    return lines


def _unexplained(figure: Fig4) -> list[str]:
    found = matches(figure)
    lines = [
        "## What remains unexplained",
        "",
        "- **NFL's computing time.** The slopes fit, the constants do not: see the operations per "
        "MAC above. Table I, the layers of the networks and the published NFL cannot all hold.",
    ]
    for network, algorithm in (("AlexNet", "bf-2x2"), ("YOLOv2", "bf-2x2")):
        match = best_match(found, network, algorithm, granted=False)
        if match is not None:
            lines.append(
                f"- **{network}'s {LABELS[algorithm]}** is closest to `{match.curves.convention}` "
                f"on the machines as printed (mean error {match.error:.0%}), where NFL is "
                f"{_nfl_range(figure, match.curves)} instead of the published one. One plot, two "
                "sets of machines."
            )
    lines += [
        "- **BF below a quarter of NFL.** AlexNet's published BF (2×2) is 5.7 to 8.7 times faster "
        "than NFL, with four paths. On machines that have the published NFL, four paths with a link "
        "and an edge server each gain a factor of four by division; a device twenty times slower "
        "than the edge server adds little to that.",
        "- **Why AlexNet stops at 6×6.** MW (k×k) searches τ. Before its last pooling AlexNet has "
        "12×12 or 13×13, and under perfect division more paths are better: our MW (k×k) then gains "
        "far more than 36. Only with τ fixed at the last pooling does it gain the published 36.",
        "- **SqueezeNet's and YOLOv2's k.** Their ratios (12.9 on average; 12.4 and 7.8) are no "
        "square numbers, and no convention tried yields them.",
        "- **YOLOv2's mean.** MW (k×k) runs from 28 to 22 ms in one sentence and has a mean of "
        "40 ms in another. The headline uses the 40.",
        '- **"Five neural networks"** are announced, three are shown.',
    ]
    return lines


def _nfl_range(figure: Fig4, curves: Curves) -> str:
    rates = figure.rates_mb_per_s
    slow = figure.at_ms(curves, "nfl", rates[0])
    fast = figure.at_ms(curves, "nfl", rates[-1])
    assert slow is not None  # rates of the figure itself
    assert fast is not None
    return f"{ms_text(slow)} to {ms_text(fast)} ms"


def _sentences() -> list[str]:
    paper = published()
    lines = [
        "## The published numbers",
        "",
        "Every number above comes from one of these sentences.",
    ]
    for name, sentence in paper.sentences.items():
        lines += ["", f"> {sentence}", ""]
        points = [point for point in paper.points if point.sentence == name]
        parts = []
        for point in points:
            extra = f" (= {point.derived})" if point.derived else ""
            extra += f" ({point.note})" if point.note else ""
            parts.append(
                f"{point.network} {LABELS[point.algorithm]} {point.where} {point.time_ms:g} ms{extra}"
            )
        lines.append("; ".join(parts) + ".")
    lines += ["", f"> {paper.headline_sentence}"]
    return lines
