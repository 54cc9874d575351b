"""The page of readings of the paper, made from the results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.study_tables import ms_text
from fusepath.study.published import published
from fusepath.study.readings import VERSIONS, points_of
from fusepath.study.spec import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.study.published import PublishedPoint
    from fusepath.study.readings import ReadCurve, Reading, Readings


def readings_page(readings: Readings) -> str:
    """Markdown of all that was tried."""
    return "\n".join([*_head(readings), "", *_ranked(readings), "", *_bounds(readings)]) + "\n"


def _head(readings: Readings) -> list[str]:
    versions = ", ".join(f"`{version.name}`" for version in VERSIONS)
    return [
        "# Readings of the paper, ranked",
        "",
        "<!-- Written by `fusepath reproduce readings`; edit what writes it, not this page. -->",
        "",
        "[The study](reproduction.md) takes what the paper leaves open in six ways. Here each "
        "is taken either way, all at once, on the machines of Table I as printed, nothing "
        "fitted:",
        "",
        "- operations: one or two per multiply-accumulate;",
        "- activations: one byte or four (the image: one byte);",
        "- halos: computed and sent, or not;",
        "- fully connected layers, and others that need whole maps: as they are, or free;",
        "- who waits: one device, one link and one edge worker; the same with the device not "
        "serialised, so that every path computes at once; or nobody for anybody. The last is "
        "Eq. 4 to the letter: it adds a path's times and knows of no other path. Fig. 3 does "
        "serialise the device, so the conventions `no-contention` and `no-halo` of the study do;",
        f"- the network: {versions}. The last AlexNet is torchvision's, one column without groups.",
        "",
        "NFL is the best single cut; BF (2×2) all orders and cuts, tried for one device, link and "
        "worker and where nobody waits; MW's order and cuts are those of Algorithm 1, whose clocks "
        "run as the reading has it; MW (k×k) is tried for k up to 13, with halos 6, over all τ and "
        "at the last one. Errors are means of |ours / published − 1| over a curve's published "
        "points; where there is only a mean, ours is that of 1.3, 1.8, 2.3 and 2.8 MB/s. Of "
        "readings that come to the same, one is named.",
        "",
        f"{sum(readings.tried.values())} curves were computed. **The best of so many is weak "
        "evidence**: what follows says how near one can come, not what the paper did. "
        f"{_shared(readings)}",
    ]


def _shared(readings: Readings) -> str:
    """Whether any one reading is the best of several curves."""
    best: dict[Reading, list[str]] = {}
    seen = set()
    for curve in readings.closest:
        name = f"{curve.published} {LABELS[curve.algorithm]}"
        if name not in seen:
            seen.add(name)
            best.setdefault(curve.reading, []).append(name)
    several = [" and ".join(names) for names in best.values() if len(names) > 1]
    if several:
        return f"One reading is the best of more than one curve: of {'; of '.join(several)}."
    return "No reading is the best of more than one curve."


def _ranked(readings: Readings) -> list[str]:
    lines = [
        "## The closest readings of each curve",
        "",
        "| published curve | tried | published, ours (ms) | error | reading |",
        "|---|---:|---|---:|---|",
    ]
    last = ""
    for curve in readings.closest:
        name = f"{curve.published} {curve.algorithm}"
        first = name != last
        last = name
        lines.append(
            f"| {f'{curve.published} {LABELS[curve.algorithm]}' if first else ''} | "
            f"{readings.tried[name] if first else ''} | {_times(curve)} | {curve.error:.0%} | "
            f"{_words(curve.reading)} |"
        )
    return lines


def _times(curve: ReadCurve) -> str:
    points = points_of(curve.published, curve.algorithm)
    return "; ".join(
        f"{point.where}: {point.time_ms:g}, {ms_text(ours)}"
        for point, ours in zip(points, curve.ours_ms, strict=True)
    )


def _words(reading: Reading) -> str:
    parts = [f"`{reading.version}`", str(reading.machines)]
    parts.append("2 operations per MAC" if reading.ops_per_mac == 2 else "1 per MAC")
    parts.append(f"{reading.activation_bytes}-byte activations")
    parts.append("halos" if reading.halos else "no halo")
    if reading.last_tau:
        parts.append("last τ")
    if reading.dense_free:
        parts.append("fully connected layers free")
    return ", ".join(parts)


def _bounds(readings: Readings) -> list[str]:
    lines = [
        "## Which points are impossible, by version of the network",
        "",
        "The bound of [what a shared link cannot "
        "do](reproduction.md#what-a-shared-link-cannot-do), for each network that the paper's "
        "name may stand for. It holds for Table I as printed, one link, a device that computes "
        "one thing at a time, and an image of one byte per element. A point is impossible with "
        "a version if it lies below the bound.",
        "",
        "| version | published MW (k×k) | bound | with this version |",
        "|---|---:|---:|---|",
    ]
    networks = {version.name: version.published for version in VERSIONS}
    for item in readings.bounds:
        points = published().curve(networks[item.version], "mw-kxk")
        for point, bound_ms in zip(points, item.bounds_ms, strict=True):
            verdict = "possible" if point.time_ms >= bound_ms else "**impossible**"
            lines.append(
                f"| {item.version} | {point.time_ms:g} ms, {point.where} | "
                f"{ms_text(bound_ms)} ms | {verdict} |"
            )
    lines += ["", _possible(readings)]
    return lines


def _possible(readings: Readings) -> str:
    """The points that some version leaves possible, in a sentence."""
    networks = {version.name: version.published for version in VERSIONS}
    found: list[str] = []
    for item in readings.bounds:
        points: Sequence[PublishedPoint] = published().curve(networks[item.version], "mw-kxk")
        found += [
            f"{point.time_ms:g} ms at {point.where} with {item.version} (bound "
            f"{ms_text(bound_ms)} ms)"
            for point, bound_ms in zip(points, item.bounds_ms, strict=True)
            if point.time_ms >= bound_ms
        ]
    if not found:
        return "No version makes any of them possible."
    return (
        f"Possible over one link: {'; '.join(found)}. All others are not, with any version tried."
    )
