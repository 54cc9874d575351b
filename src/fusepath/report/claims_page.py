"""The register of claims as a page of the documentation, and as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.fitting import empty_table
from fusepath.study.claims import NotPosed, Posed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from fusepath.study.claim_results import Finding
    from fusepath.study.claims import Claim

_KINDS = {
    "latency": "the time of a frame",
    "energy": "the device's energy for a frame",
    "throughput": "the time from frame to frame",
}


def claims_table(findings: Iterable[Finding]) -> Table:
    """Claims beside ours, one row each."""
    table = empty_table(
        *("claim", "published", "ours", "at most", "verdict"),
        flexible=("claim",),
        optional=("at most",),
    )
    for item in findings:
        posed = isinstance(item.claim.posing, Posed)
        table.add_row(
            item.claim.key,
            _published(item.claim),
            _number(item.claim, item.ours) if posed else "",
            _bound(item),
            item.verdict.value,
        )
    return table


def claims_page(findings: Sequence[Finding], *, command: str) -> str:
    """Markdown of the whole register.

    Args:
        findings: by claim.
        command: that writes the page.
    """
    lines = [
        "# Claims, posed here",
        "",
        f"<!-- Written by `{command}`; edit what writes it, not this page. -->",
        "",
        "What others have published of splitting a network between a device and a server, "
        "posed here: planned, not measured, with costs in operations, without codecs, results "
        "exact. A verdict is about the settings of its row, not about the publication: of "
        "most works only the abstract was at hand, so machines, links and often networks are "
        "ours, and each row says which. *Confirmed*: in these settings ours is at least what "
        "was published, or at least the nearer end of a range. *At most* is what the lower "
        "bound of all plans leaves; where even that is less, the number is out of reach in "
        "these settings.",
        "",
        f"`{command} -o DIR` computes all of it again, and goes on where it was "
        "interrupted. The claims are data, in `src/fusepath/study/claims.toml`.",
        "",
        "| work | claim | published | ours | at most | verdict |",
        "|---|---|---:|---:|---:|---|",
    ]
    for item in findings:
        claim = item.claim
        posed = isinstance(claim.posing, Posed)
        lines.append(
            f"| {_work(claim)} | {claim.says} | {_published(claim)} | "
            f"{_number(claim, item.ours) if posed else '–'} | {_bound(item) or '–'} | "
            f"{item.verdict.value} |"
        )
    lines += ["", "## How each is posed", ""]
    for item in findings:
        lines += [f"**{item.claim.key}**: {_posed_text(item)}", ""]
    return "\n".join(lines)


def _posed_text(item: Finding) -> str:
    claim, posed = item.claim, item.claim.posing
    remark = f" {claim.remark}" if claim.remark else ""
    if isinstance(posed, NotPosed):
        return f"not. {posed.why}{remark}"
    once = f", planned once for {posed.nominal}," if posed.nominal else ""
    taken = {"mean": "mean", "most": "most", "sums": "mean over networks, all links together,"}
    flight = f" with {posed.in_flight} under way" if posed.in_flight > 1 else ""
    return (
        f"{_KINDS[posed.counted]}{flight}, `{posed.ours}` beside `{posed.baseline}`{once} on "
        f"{', '.join(name.removeprefix('zoo:') for name in posed.networks)}; device "
        f"{' and '.join(posed.devices)}, edge {posed.edge}, link {', '.join(posed.links)}, "
        f"convention `{posed.convention}`; {taken[posed.taken]} of {item.settings} settings. "
        f"{posed.of_cases}{remark}"
    )


def _work(claim: Claim) -> str:
    return f"[{claim.work}]({claim.link})" if claim.link else claim.work


def _published(claim: Claim) -> str:
    return " to ".join(_number(claim, value) for value in claim.published) or "–"


def _bound(item: Finding) -> str:
    """What no plan goes beyond; nothing is said of what brute force bounds."""
    if not isinstance(item.claim.posing, Posed) or item.claim.measure == "over":
        return ""
    return _number(item.claim, item.bound)


def _number(claim: Claim, value: float) -> str:
    match claim.measure:
        case "times":
            return f"{value:.2f}×"
        case "less":
            return f"−{value:.1%}" if value >= 0 else f"+{-value:.1%}"
        case "over":
            return f"{value:+.2%}"
