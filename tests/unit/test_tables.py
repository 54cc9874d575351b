"""Tables as text."""

from __future__ import annotations

from fusepath.report import render
from fusepath.report.tables import empty_table


def test_no_column_is_cut_however_wide_the_others_are():
    table = empty_table("plan", *(f"column {number}" for number in range(12)))
    table.add_row("auto", *(f"bitmask+shuffle+zstd {number}" for number in range(12)))

    header, row = render(table).splitlines()

    assert [f"column {number}" in header for number in range(12)] == [True] * 12
    assert row.endswith("bitmask+shuffle+zstd 11")
    assert header == header.rstrip()
