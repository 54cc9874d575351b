"""What a frame will take, told from the last ones."""

from __future__ import annotations

import pytest

from fusepath.offload.forecast import FEW, FRAMES, Forecast
from fusepath.timeline import Lane, Span, Timeline


def timeline(end_s: float) -> Timeline:
    return Timeline(spans=(Span(lane=Lane.DEVICE, start_s=0, end_s=end_s, path=1),))


REHEARSED = timeline(1.0)


def forecast_of(*latencies_s: float) -> Forecast:
    made = Forecast()
    for latency_s in latencies_s:
        made.see("plan", timeline(latency_s))
    return made


@pytest.mark.parametrize("frames", range(FEW))
def test_the_rehearsal_tells_until_there_are_a_few_frames(frames):
    forecast = forecast_of(*[5.0] * frames)
    assert forecast.timeline("plan", REHEARSED) == REHEARSED
    assert forecast.latency_s("plan", REHEARSED) == 1.0


def test_it_is_the_middle_of_the_last_frames():
    for latencies_s in ([3.0] * FEW, [90.0] * 20 + [2.0, 8.0, 3.0] * (FRAMES // 3)):
        forecast = forecast_of(*latencies_s)
        assert forecast.timeline("plan", REHEARSED) == timeline(3.0)
        assert forecast.latency_s("plan", REHEARSED) == 3.0


def test_frames_of_one_plan_tell_nothing_of_another():
    forecast = forecast_of(*[5.0] * FEW)
    assert forecast.latency_s("another", REHEARSED) == 1.0
    forecast.see("another", timeline(7.0))
    assert forecast.latency_s("another", REHEARSED) == 1.0
    assert forecast.latency_s("plan", REHEARSED) == 1.0
