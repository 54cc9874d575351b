"""Quantities as people write them."""

import pytest

from fusepath.cost import parse_link
from fusepath.errors import InputError
from fusepath.units import (
    format_bytes,
    format_bytes_per_s,
    format_count,
    number_of,
    parse_bytes,
    parse_bytes_per_s,
    parse_count,
    parse_flop_per_s,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.8MB/s", 1.8e6),
        ("1.8 MB/s", 1.8e6),
        (" 1.8MB/s ", 1.8e6),
        ("250kB/s", 250e3),
        ("250KB/s", 250e3),
        ("1e3B/s", 1e3),
        ("1.5e+6B/s", 1.5e6),
        ("1GB/s", 1e9),
        ("14.4Mbit/s", 1.8e6),
        ("8bps", 1.0),
        ("8Kb/s", 1e3),
        ("1Gbit/s", 125e6),
        (".5MB/s", 5e5),
    ],
)
def test_link_rates_are_decimal_and_eight_bits_are_a_byte(text, expected):
    assert parse_bytes_per_s(text) == pytest.approx(expected, rel=1e-12)


def test_the_table_of_the_paper_gives_its_rate():
    """R = B·log2(1 + Q·G/ε²): 33.29 Mbit/s, 4.16 MB/s."""
    rate = parse_bytes_per_s("shannon:B=5e6,Q=0.1,G=1e-6,N=1e-9")

    assert rate * 8 == pytest.approx(33.29e6, rel=1e-3)
    assert rate == pytest.approx(4.16e6, rel=1e-3)


def test_the_order_of_a_shannon_link_does_not_matter():
    texts = ("shannon:B=5e6,Q=0.1,G=1e-6,N=1e-9", "shannon: N=1e-9 ,G=1e-6,Q=0.1, B=5e6")

    assert len({parse_bytes_per_s(text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.23e8FLOPS", 2.23e8),
        ("10GFLOPS", 1e10),
        ("10 GFLOP/s", 1e10),
        ("10gflops", None),
        ("1TFLOPS", 1e12),
        ("500flops", 500.0),
    ],
)
def test_compute_rates_are_operations_per_second(text, expected):
    if expected is None:
        with pytest.raises(InputError, match="write it like 10GFLOPS"):
            parse_flop_per_s(text)
    else:
        assert parse_flop_per_s(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0MB/s",
        "-1MB/s",
        "1",
        "MB/s",
        "fast",
        "1.2.3MB/s",
        "...MB/s",
        "1e999MB/s",
        "nanMB/s",
        "infMB/s",
        "1MiB/s",
        "1MB",
        "1MB/s1",
        "1 MB / s",
        "1GFLOPS",
        "shannon:",
        "shannon:B=1",
        "shannon:B=1,Q=1,G=1,N=1,X=1",
        "shannon:B=1,Q=1,G=1,N=0",
        "shannon:B=-1,Q=1,G=1,N=1",
        "shannon:B=nan,Q=1,G=1,N=1",
        "shannon:B=1,Q=1,G=1,N=nan",
        "shannon:B=inf,Q=1,G=1,N=1",
        "shannon:B,Q,G,N",
    ],
)
def test_what_is_no_link_rate_is_refused_on_one_line(text):
    with pytest.raises(InputError) as caught:
        parse_bytes_per_s(text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "0FLOPS", "1MB/s", "GFLOPS", "1e999GFLOPS", "-1GFLOPS"])
def test_what_is_no_compute_rate_is_refused(text):
    with pytest.raises(InputError):
        parse_flop_per_s(text)


def test_sizes_and_rates_are_written_with_three_digits_and_a_prefix():
    assert format_bytes_per_s(1.8e6) == "1.8 MB/s"
    assert format_bytes_per_s(999) == "999 B/s"
    assert format_bytes(150_528) == "151 kB"
    assert format_bytes(0) == "0 B"
    assert format_count(3.48e9) == "3.48 G"
    assert format_count(12) == "12"
    assert format_count(2.5e12) == "2.5 T"


def test_what_is_written_can_be_read_again():
    assert parse_bytes_per_s(format_bytes_per_s(1.8e6)) == 1.8e6


@pytest.mark.parametrize(
    ("text", "expected"), [("300kB", 300_000), ("0.2 GB", 200_000_000), ("1e3B", 1000), ("0B", 0)]
)
def test_sizes_are_decimal_and_whole(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("0.5G", 500_000_000), ("12", 12), ("1.5e6", 1_500_000), (" 2 k ", 2000)]
)
def test_counts_take_a_prefix(text, expected):
    assert parse_count(text) == expected


@pytest.mark.parametrize("text", ["", "300", "300kb", "300kbit", "-1B", "1..2B", "1e999B", "MB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["", "5GMAC", "-1", "1..2", "G", "1e999", "nan"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(InputError):
        parse_count(text)


def test_a_link_of_two_rates_is_up_and_down():
    link = parse_link("1.8MB/s,32Mbit/s")

    assert (link.up_bytes_per_s, link.down_bytes_per_s) == (1.8e6, 4e6)
    same = parse_link("shannon:B=5e6,Q=0.1,G=1e-6,N=1e-9")
    assert same.up_bytes_per_s == same.down_bytes_per_s


@pytest.mark.parametrize("text", ["1MB/s,", ",1MB/s", "1MB/s,0MB/s", "1MB/s,2MB/s,3MB/s"])
def test_what_are_no_two_rates_is_refused(text):
    with pytest.raises(InputError, match="rate"):
        parse_link(text)


def test_what_is_counted_is_in_the_singular_where_there_is_one():
    assert [number_of(count, "file") for count in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
