"""What a frame will take, told from the last ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fusepath.offload.forecast import FEW, FRAMES, Forecast
from fusepath.timeline import Lane, Span, Timeline


def timeline(end_s: float) -> Timeline:
    return Timeline(spans=(Span(lane=Lane.DEVICE, start_s=0, end_s=end_s, path=1),))


def prepared(name: str = "plan") -> Any:
    return SimpleNamespace(recipe_sha256=name, predicted=timeline(1.0))


def forecast_of(*latencies_s: float) -> Forecast:
    made = Forecast()
    for latency_s in latencies_s:
        frame: Any = SimpleNamespace(timeline=timeline(latency_s))
        made.see(frame, prepared())
    return made


def test_the_rehearsal_tells_until_there_are_a_few_frames():
    for frames in range(FEW):
        forecast = forecast_of(*[5.0] * frames)
        assert forecast.timeline(prepared()) == timeline(1.0)
        assert forecast.latency_s(prepared()) == 1.0
    forecast = forecast_of(*[5.0] * FEW)
    assert forecast.timeline(prepared()) == timeline(5.0)
    assert forecast.latency_s(prepared()) == 5.0


def test_it_is_the_middle_of_the_last_frames():
    forecast = forecast_of(*[90.0] * 20, *[2.0, 8.0, 3.0] * (FRAMES // 3))
    assert forecast.timeline(prepared()) == timeline(3.0)
    assert forecast.latency_s(prepared()) == 3.0


def test_frames_of_one_plan_tell_nothing_of_another():
    forecast = forecast_of(*[5.0] * FEW)
    assert forecast.latency_s(prepared("another")) == 1.0
    frame: Any = SimpleNamespace(timeline=timeline(7.0))
    forecast.see(frame, prepared("another"))
    assert forecast.latency_s(prepared("another")) == 1.0
    assert forecast.latency_s(prepared()) == 1.0
