"""The page of the documentation that says how Fig. 4 compares, made from the results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.study import (
    ALGORITHMS,
    LABELS,
    LAST_TAU,
    best_match,
    has_all_rates,
    line_through,
    matches,
    published,
    reaches,
)
from fusepath.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusepath.study import Curves, Fig4, Match

HEADLINE_NETWORKS = ("alexnet-224", "squeezenet-224", "yolov2-320")
"""One variant of each network of the paper, of the size that its NFL curve implies."""


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
        _speed_ups(figure),
        _which(figure),
        _errors(figure),
        _bounds(figure),
        _lines(figure),
        _parameters(figure),
        _unexplained(figure),
        _sentences(),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def overviews(figure: Fig4) -> list[tuple[str, list[Curves]]]:
    """(file stem, curves) of the plots that the page shows."""
    found = []
    for granted in (False, True):
        for network in dict.fromkeys(c.network for c in figure.curves if c.primary):
            several = [c for c in figure.curves if (c.network, c.granted) == (network, granted)]
            if several:
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
        f"{_mean(by_text):.2f} ({', '.join(f'{value:.1f}' for value in by_text)}), so the headline "
        "follows from the published curves."
    )
    for name in ("table1", "parallel-edge", "no-contention"):
        ups = _headline_ups(figure, name)
        if ups:
            lines.append(
                f"- Ours under `{name}`: {_mean(ups):.2f} ({', '.join(f'{u:.2f}' for u in ups)} for "
                f"{_names(HEADLINE_NETWORKS)}). {_TITLES[name]}"
            )
    reached = reaches(figure)
    beyond = [r for r in reached if not r.reachable]
    mw = [r for r in reached if r.point.algorithm == "mw-kxk"]
    beyond_mw = [r for r in mw if not r.reachable]
    lines.append(
        f"- {len(beyond_mw)} of the {len(mw)} published MW (k×k) points, and {len(beyond)} of all "
        f"{len(reached)}, are faster than any plan over one shared link can be, whatever is "
        "assumed about halos, bytes, operations and the edge server (proved below)."
    )
    ends = [p for p in paper.curve("AlexNet", "nfl") if p.rate_mb_per_s is not None]
    fast = [p for p in paper.curve("AlexNet", "mw-kxk") if p.rate_mb_per_s is not None]
    ratios = [slow.time_ms / quick.time_ms for slow, quick in zip(ends, fast, strict=True)]
    lines.append(
        f"- AlexNet's published NFL over MW (k×k) is {ratios[0]:.1f} and {ratios[1]:.1f}: 6×6, the "
        "size of its last pooling. That is perfect division: no halo, no waiting, fully connected "
        "layers free, and every path with a link and an edge server of its own."
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
        "| network | beside | multiply-accumulates | image, one byte per element |",
        "|---|---|---:|---:|",
    ]
    for name in dict.fromkeys(c.network for c in figure.curves):
        one = next(
            c for c in figure.curves if c.network == name and not c.granted and _counts_all(c)
        )
        lines.append(
            f"| {name} | {one.published} | {format_count(one.ops)} | "
            f"{one.input_bytes / 1e3:.1f} kB |"
        )
    lines += [
        "",
        "A convention is what the paper leaves open. Each is a file in "
        "`src/fusepath/cost/conventions/`; `--convention FILE.toml` takes your own.",
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


def _counts_all(curves: Curves) -> bool:
    return curves.convention == "table1"


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


def _speed_ups(figure: Fig4) -> list[str]:
    paper = published()
    networks = list(dict.fromkeys(c.network for c in figure.curves))
    lines = [
        "## Speed-up over NFL",
        "",
        "Mean of NFL over mean of MW (k×k), over all rates. The average is over "
        f"{_names(HEADLINE_NETWORKS)}, one for each network of the paper.",
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
                ups = _headline_ups(figure, item.convention.name, granted=granted)
                mean = f"**{_mean(ups):.2f}**" if len(ups) == len(HEADLINE_NETWORKS) else ""
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


def _which(figure: Fig4) -> list[str]:
    found = matches(figure)
    lines = [
        "## Which convention yields which curve",
        "",
        "For every published curve the closest of ours, over all sizes and variants of the network. "
        "Errors are (ours − published) / published, point by point; curves are ranked by the mean "
        f"of their absolute values. {LABELS[LAST_TAU]} is MW (k×k) with the fused layer fixed at "
        "the last one that can be tiled; the paper searches τ.",
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
        f"{item.point.where}: {item.point.time_ms:g}, {_ms(item.ours_ms)}"
        for item in match.comparisons
    )
    errors = ", ".join(f"{item.error:+.0%}" for item in match.comparisons)
    curve = f"{match.network} {LABELS[match.algorithm]}"
    ours = f"{LABELS[match.ours]} of {match.curves.network}, `{match.curves.convention}`"
    granted = "yes" if match.curves.granted else "no"
    return f"| {curve} | {granted} | {ours} | {times} | {errors} | {match.error:.0%} |"


def _errors(figure: Fig4) -> list[str]:
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


def _bounds(figure: Fig4) -> list[str]:
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
        "published NFL. A point below both is out of reach of every convention with one link.",
        "",
        "| published point | time | the link carries | the device does | bound | bound, granted | "
        "shared link |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for item in reaches(figure):
        point = item.point
        if point.algorithm == "nfl":
            continue
        rates = figure.rates_mb_per_s
        rate = point.rate_mb_per_s or sum(rates) / len(rates)
        carried_kb = rate * point.time_ms
        done = figure.device_ops_per_s * point.time_ms / 1e3
        lines.append(
            f"| {point.network} {LABELS[point.algorithm]}, {point.where} | {point.time_ms:g} ms | "
            f"{carried_kb:.0f} kB | {format_count(done)} op | {_ms(item.bound_ms)} ms | "
            f"{_ms(item.granted_bound_ms)} ms | "
            f"{'possible' if item.reachable else '**impossible**'} |"
        )
    lines += [
        "",
        "Read the first impossible row so: the image has 150.5 kB, the link carries less than a "
        "third of it in that time, and the device is too slow to turn the rest into something "
        "smaller.",
    ]
    return lines


def _lines(figure: Fig4) -> list[str]:
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


def _parameters(figure: Fig4) -> list[str]:
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
    return f"{_ms(slow)} to {_ms(fast)} ms"


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


def _headline_ups(figure: Fig4, convention: str, *, granted: bool = False) -> list[float]:
    found = (figure.one(name, convention, granted=granted) for name in HEADLINE_NETWORKS)
    return [curves.speed_up() for curves in found if curves is not None]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _names(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
