"""Reading quantities that people write, and writing them back.

Rates are decimal: 1 MB/s = 10**6 byte/s, 1 Mbit/s = 10**6 bit/s. Nothing here is ever 2**20.
"""

from __future__ import annotations

import math
import re

from fusepath.errors import InputError

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_QUANTITY = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([kKMGT]?)([A-Za-z/]+)\s*")
_COUNT = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([kKMGT]?)\s*")
_JOULES = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*(m?)J\s*")
_COMPUTE_UNITS = {"flops", "flop/s"}
_BYTE_UNITS = {"B/s", "Bps"}
_BIT_UNITS = {"bit/s", "bps", "b/s"}


def parse_flop_per_s(text: str) -> float:
    """Floating-point operations per second from ``2.23e8FLOPS`` or ``10 GFLOP/s``.

    Raises:
        InputError: the text is not such a quantity, or not above zero.
    """
    value, unit = _split(text, example="10GFLOPS")
    if unit.lower() not in _COMPUTE_UNITS:
        raise InputError(f"compute rate '{text}': unknown unit '{unit}'; write it like 10GFLOPS")
    return _positive(value, text, "compute rate")


def parse_bytes_per_s(text: str) -> float:
    """Bytes per second from ``1.8MB/s``, ``14.4Mbit/s`` or ``shannon:B=5e6,Q=0.1,G=1e-6,N=1e-9``.

    The Shannon form is the paper's Eq. 2, ``R = B·log2(1 + Q·G/ε²)`` bit/s, with ``N`` for ε².

    Raises:
        InputError: the text is not such a quantity, or not above zero.
    """
    if text.startswith("shannon:"):
        return _shannon_bytes_per_s(text)
    value, unit = _split(text, example="1.8MB/s or 14.4Mbit/s")
    if unit in _BYTE_UNITS:
        return _positive(value, text, "link rate")
    if unit in _BIT_UNITS:
        return _positive(value / 8, text, "link rate")
    raise InputError(
        f"link rate '{text}': unknown unit '{unit}'; write it like 1.8MB/s or 14.4Mbit/s"
    )


def parse_bytes(text: str) -> int:
    """Whole bytes from ``300kB`` or ``200 MB``.

    Raises:
        InputError: the text is not such a quantity, or below zero.
    """
    value, unit = _split(text, example="300kB", what="size")
    if unit != "B":
        raise InputError(f"size '{text}': unknown unit '{unit}'; write it like 300kB")
    return _whole(value, text)


def parse_count(text: str) -> int:
    """A whole number from ``0.5G`` or ``500000000``.

    Raises:
        InputError: the text is not such a number, or below zero.
    """
    match = _COUNT.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is not a number; write it like 0.5G or 500000000")
    return _whole(_number(match[1], text) * _PREFIX[match[2]], text)


def parse_joules(text: str) -> float:
    """Joules from ``0.8J`` or ``250mJ``.

    Raises:
        InputError: the text is not such a quantity, or not above zero.
    """
    match = _JOULES.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is not an energy; write it like 0.8J or 250mJ")
    return _positive(_number(match[1], text) * (1e-3 if match[2] else 1.0), text, "energy")


def format_bytes_per_s(rate: float) -> str:
    """The rate with three digits and a decimal prefix, for people."""
    return f"{_scaled(rate)}B/s"


def format_flop_per_s(rate: float) -> str:
    """The rate with three digits and a decimal prefix, for people."""
    return f"{_scaled(rate)}FLOP/s"


def format_ops_per_s(rate: float) -> str:
    """The same of operations, which a convention counts."""
    return f"{_scaled(rate)}op/s"


def format_bytes(count: float) -> str:
    """The size with three digits and a decimal prefix, for people."""
    return f"{_scaled(count)}B"


def format_count(count: float) -> str:
    """A count with three digits and a decimal prefix, for people."""
    return _scaled(count).strip()


def number_of(number: int, noun: str) -> str:
    """So many of what has a regular plural: ``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _scaled(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "


def _split(text: str, *, example: str, what: str = "rate") -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InputError(f"'{text}' is not a {what} with a unit; write it like {example}")
    number, prefix, unit = match.groups()
    return _number(number, text) * _PREFIX[prefix], unit


def _number(number: str, text: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise InputError(f"'{number}' in '{text}' is not a number") from None


def _whole(value: float, text: str) -> int:
    if not math.isfinite(value):
        raise InputError(f"'{text}' is not finite")
    return round(value)


def _positive(value: float, text: str, what: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{what} '{text}' must be above zero")
    return value


def _shannon_bytes_per_s(text: str) -> float:
    fields: dict[str, float] = {}
    for part in text.removeprefix("shannon:").split(","):
        key, _, value = part.partition("=")
        try:
            fields[key.strip()] = float(value)
        except ValueError:
            raise InputError(f"'{part}' in '{text}' is not KEY=NUMBER") from None
    if set(fields) != {"B", "Q", "G", "N"}:
        raise InputError(f"'{text}' needs B, Q, G and N: shannon:B=5e6,Q=0.1,G=1e-6,N=1e-9")
    if min(fields.values()) <= 0:
        raise InputError(f"every value in '{text}' must be above zero")
    bit_per_s = fields["B"] * math.log2(1 + fields["Q"] * fields["G"] / fields["N"])
    return _positive(bit_per_s / 8, text, "link rate")
