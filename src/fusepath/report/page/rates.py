"""What plans take over a range of link rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.plan import PlanRequest, make_plan, simulate
from fusepath.plan.fluid import fluid_bound_s
from fusepath.report.page.markup import drawing, element, label, rectangle
from fusepath.units import format_bytes_per_s

if TYPE_CHECKING:
    from fusepath.plan import Plan, PlanBook, Setting

_POINTS = 25
_TIMES = 8.0
"""How much slower and faster than its link a plan is looked at."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 320, 60, 40


@dataclass(frozen=True, kw_only=True)
class RateCurves:
    """Seconds by link rate, one list for every name."""

    rates: tuple[float, ...]
    """Bytes per second up, rising."""
    times_s: dict[str, tuple[float, ...]]
    plans: tuple[str, ...]
    """What the first curve does at each rate, in words."""


def curves_of_book(book: PlanBook) -> RateCurves:
    """The plans of a book, beside its best single cut and its bound."""
    rates = _spread(book.from_bytes_per_s, book.to_bytes_per_s)
    entries = [book.at(rate) for rate in rates]
    return RateCurves(
        rates=rates,
        times_s={
            "the book's plan": tuple(book.makespan_s(rate) for rate in rates),
            "best single cut": tuple(book.nfl_s(rate) for rate in rates),
            "lower bound": tuple(book.bound_s(rate) for rate in rates),
        },
        plans=tuple(
            f"{entry.plan.family}, cuts {', '.join(map(str, _cuts(entry.plan)))}"
            for entry in entries
        ),
    )


def curves_of_plan(plan: Plan, setting: Setting) -> RateCurves | None:
    """A plan as it is on other links, beside the best single cut and the bound there.

    None where no plan takes any time.
    """
    own = setting.link.up_bytes_per_s
    rates = _spread(own / _TIMES, own * _TIMES)
    settings = [setting.at(setting.link.at(rate)) for rate in rates]
    nfl = PlanRequest(algorithm="nfl")
    times_s = {
        "this plan": tuple(simulate(plan, item).end_s for item in settings),
        "best single cut": tuple(make_plan(item, nfl).best.makespan_s for item in settings),
        "lower bound": tuple(fluid_bound_s(item) + item.decode_s for item in settings),
    }
    if not any(map(any, times_s.values())):
        return None
    return RateCurves(
        rates=rates,
        times_s=times_s,
        plans=(f"{plan.family}, cuts {', '.join(map(str, _cuts(plan)))}",) * len(rates),
    )


def _cuts(plan: Plan) -> tuple[int, ...]:
    return plan.arrangement.spelt_cuts(plan.cuts)


def _spread(low: float, high: float) -> tuple[float, ...]:
    inner = (low * (high / low) ** (place / (_POINTS - 1)) for place in range(1, _POINTS - 1))
    # At the upper end itself a book has no entry: its rates are half open.
    return (low, *inner, math.nextafter(high, 0.0))


def rates_drawing(curves: RateCurves, own_bytes_per_s: float) -> str:
    """All curves on two logarithmic axes, and a line that a slider moves."""
    every = [seconds for several in curves.times_s.values() for seconds in several if seconds > 0]
    low, high = math.log(min(every) / 1.1), math.log(max(every) * 1.1)

    def down(seconds: float) -> float:
        return 10 + (high - math.log(seconds)) / (high - low) * (_HEIGHT - _BOTTOM - 10)

    inside = []
    for seconds in _round_values(math.exp(low), math.exp(high)):
        inside.append(rectangle(_LEFT, down(seconds), _WIDTH - _LEFT - 20, 0.5, class_="tick"))
        inside.append(label(_LEFT - 6, down(seconds) + 5, f"{seconds * 1e3:g}", text_anchor="end"))
    inside += [
        label(
            _across(curves, rate),
            _HEIGHT - _BOTTOM + 22,
            format_bytes_per_s(rate),
            text_anchor="middle",
        )
        for rate in _round_values(curves.rates[0], curves.rates[-1])
    ]
    inside.append(label(0, 14, "ms"))
    for place, several in enumerate(curves.times_s.values()):
        points = " ".join(
            f"{_across(curves, rate):.1f},{down(max(seconds, 1e-9)):.1f}"
            for rate, seconds in zip(curves.rates, several, strict=True)
            if seconds > 0
        )
        inside.append(element("polyline", points=points, class_=f"curve curve-{place}"))
    at = min(max(own_bytes_per_s, curves.rates[0]), curves.rates[-1])
    inside.append(
        rectangle(
            _across(curves, at) - 1, 6, 2.0, _HEIGHT - _BOTTOM - 6, class_="cursor", id="cursor"
        )
    )
    names = ", ".join(curves.times_s)
    return drawing(_WIDTH, _HEIGHT, *inside, name=f"Latency by link rate: {names}", class_="wide")


def positions(curves: RateCurves) -> list[float]:
    """Where the line stands at each rate, in units of the drawing."""
    return [round(_across(curves, rate) - 1, 1) for rate in curves.rates]


def _across(curves: RateCurves, rate: float) -> float:
    """Where a rate is on the axis of rates."""
    first, last = math.log(curves.rates[0]), math.log(curves.rates[-1])
    return _LEFT + (math.log(rate) - first) / (last - first) * (_WIDTH - _LEFT - 20)


def _round_values(low: float, high: float) -> list[float]:
    """Values of 1, 2 and 5 times a power of ten between two others."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    return [value for value in values if low <= value <= high]
