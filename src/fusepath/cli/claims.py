"""``fusepath reproduce --claims``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fusepath.study.claim_results import Finding
    from fusepath.study.claims import Case

COMMAND = "fusepath reproduce --claims"
_FILES = ("claims.md", "claims.json")


def claims(folder: Path | None, *, as_json: bool) -> dict[str, Any]:
    """Compute, write and show the register; what ``--json`` prints of it."""
    from fusepath.report import render
    from fusepath.report.claims_page import claims_page, claims_table
    from fusepath.study.claim_results import compute_claims, find, save_outcomes
    from fusepath.study.claims import register

    known = register().claims
    with tempfile.TemporaryDirectory() as scratch:
        store = (Path(scratch) if folder is None else folder) / "claims.jsonl"
        outcomes = compute_claims(known, store, _say)
    findings = find(known, outcomes)
    if folder is not None:
        from fusepath.output_file import write_file

        write_file(folder / _FILES[0], claims_page(findings, command=COMMAND).encode())
        save_outcomes(folder / _FILES[1], outcomes)
    if not as_json:
        click.echo(render(claims_table(findings)))
    return {"claims": [_document(item) for item in findings]}


def _say(done: int, todo: int, case: Case) -> None:
    click.echo(
        f"claims: {done} of {todo}: {case.algorithm} for {case.network} over {case.link}", err=True
    )


def _document(item: Finding) -> dict[str, Any]:
    from fusepath.study.claims import Posed

    posed = isinstance(item.claim.posing, Posed)
    return {
        "claim": item.claim.key,
        "work": item.claim.work,
        "says": item.claim.says,
        "measure": item.claim.measure,
        "published": list(item.claim.published),
        "ours": item.ours if posed else None,
        "bound": item.bound if posed else None,
        "settings": item.settings,
        "verdict": item.verdict.value,
    }
