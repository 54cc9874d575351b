"""Readings of the paper beside those that are expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.study.fig4 import TOLERANCE

if TYPE_CHECKING:
    from fusepath.study.readings import Readings


def reading_differences(expected: Readings, ours: Readings) -> list[str]:
    """Every number that is not the expected one, in a line each; empty when all agree.

    Args:
        expected: as it should be.
        ours: as it is.
    """
    tried = expected.tried, ours.tried
    found = [
        f"{name}: {is_tried} readings were tried, expected {was_tried}"
        for name in sorted(set().union(*tried))
        if (was_tried := tried[0].get(name, 0)) != (is_tried := tried[1].get(name, 0))
    ]
    ranked, wanted = _numbers(ours), _numbers(expected)
    for name in sorted(wanted.keys() | ranked.keys()):
        was_ms, is_ms = wanted.get(name), ranked.get(name)
        if was_ms is None or is_ms is None:
            found.append(f"{name}: {'expected, but not found' if was_ms else 'not expected'}")
        elif any(abs(now - was) > TOLERANCE * was for now, was in zip(is_ms, was_ms, strict=True)):
            found.append(f"{name}: {list(is_ms)} ms, expected {list(was_ms)}")
    return found


def _numbers(readings: Readings) -> dict[str, tuple[float, ...]]:
    """Milliseconds by what they are of."""
    numbers = {f"bound of {item.version}": item.bounds_ms for item in readings.bounds}
    for curve in readings.closest:
        numbers[f"{curve.published} {curve.algorithm} by {curve.reading}"] = curve.ours_ms
    return numbers
