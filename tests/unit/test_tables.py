"""Tables and texts as wide as the window."""

from __future__ import annotations

import os

import pytest

from fusepath.report import empty_table, render, wrapped
from fusepath.report.fitting import window_width


def wide_table():
    table = empty_table("plan", "name", "codec", "time", flexible=("name",), optional=("codec",))
    table.add_row("auto", "a very long name of a node", "bitmask+shuffle+zstd", "12.5 ms")
    return table


def test_a_table_that_fits_is_shown_as_it_is():
    header, row = render(wide_table(), width=80).splitlines()

    assert header.split() == ["plan", "name", "codec", "time"]
    assert row.split("  ")[0] == "auto"
    assert "a very long name of a node" in row
    assert "bitmask+shuffle+zstd" in row


@pytest.mark.parametrize(
    ("width", "columns"), [(50, ["plan", "name", "codec", "time"]), (30, ["plan", "name", "time"])]
)
def test_a_narrow_window_wraps_one_column_and_leaves_others_out(width, columns):
    *lines, note = (render(wide_table(), width=width) + "\n").split("\n")
    if len(columns) == 3:
        *lines, note = lines
        assert note == "(a wider window also shows: codec)"

    assert lines[0].split() == columns
    assert [line for line in lines if len(line) > width] == []
    words = {word for line in lines[1:] for word in line.split()}
    assert {"very", "name", "node", "12.5"} <= words  # nothing is cut off


def test_several_columns_are_wrapped_where_no_single_one_has_enough_to_give():
    table = empty_table("model", "device", "time", flexible=("model", "device"))
    table.add_row("m" * 30, "d" * 40, "12.5 ms")

    lines = render(table, width=40).splitlines()

    assert max(map(len, lines)) == 40
    assert lines[0].split() == ["model", "device", "time"]
    shown = "".join(lines)
    assert (shown.count("m"), shown.count("d")) == (30 + 1 + 1 + 1, 40 + 1 + 1)  # and headers, ms


def test_no_header_is_cut_however_wide_the_others_are():
    table = empty_table("plan", *(f"column {number}" for number in range(12)))
    table.add_row("auto", *(f"bitmask+shuffle+zstd {number}" for number in range(12)))

    header, row = render(table).splitlines()

    assert [f"column {number}" in header for number in range(12)] == [True] * 12
    assert row.endswith("bitmask+shuffle+zstd 11")
    assert header == header.rstrip()


def test_texts_are_broken_between_words():
    assert wrapped(["key   one two three", "b"], indent=6, width=13) == (
        "key   one two\n      three\nb"
    )
    assert wrapped(["x" * 40], width=20) == "x" * 40


def test_the_window_is_80_wide_where_nothing_else_is_said(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert window_width() == 80
    monkeypatch.setenv("COLUMNS", "123")
    assert window_width() == 123


def test_the_table_of_the_demo_fits_a_window_of_80():
    table = empty_table(
        *("plan", "tau", "grid", "cuts", "codecs", "predicted", "measured", "spread"),
        *("vs NFL", "error"),
        flexible=("cuts",),
        optional=("grid", "tau"),
    )
    numbers = ("99.2", "102.0", "101.7–102.1", "1.00x", "0")
    table.add_row("full offload", "29", "6x1", "1, 14 (4x), 1", "delta+zstd", *numbers)

    assert [line for line in render(table, width=80).splitlines() if len(line) > 80] == []
