"""Lines of logs: one for every event, whatever a device says."""

from __future__ import annotations

import json
import logging

from fusepath.protocol.framing import EdgeSpan
from fusepath.remote.journal import LineFormatter
from fusepath.remote.metrics import Metrics


def record(**fields) -> logging.LogRecord:
    made = logging.LogRecord("fusepath", logging.INFO, "", 0, "refused", None, None)
    made.created, made.msecs, made.fields = 0.0, 5.0, fields
    return made


def test_an_event_is_one_line_whatever_is_in_it():
    evil = record(request="0a1b-1", reason='no "room"\n1970 info\x1b[2J')

    text = LineFormatter().format(evil)
    document = json.loads(LineFormatter(as_json=True).format(evil))

    assert text.startswith('1970-01-01T00:00:00.005Z info refused request="0a1b-1" reason="no ')
    assert "\n" not in text
    assert "\x1b" not in text
    assert document["reason"] == evil.fields["reason"]
    assert (document["event"], document["level"]) == ("refused", "info")


def test_times_are_counted_up_to_their_bounds():
    metrics = Metrics()
    metrics.served([EdgeSpan(1, 0, 2_000_000, 5_000_000, 1_500_000), EdgeSpan(0, 0, 0, 20_000_000)])

    lines = metrics.text({"plans": 2}).splitlines()

    for line in (
        "fusepath_inferences_total 1",
        "fusepath_plans 2",
        'fusepath_stage_seconds_bucket{stage="wait",le="0.0005"} 1',
        'fusepath_stage_seconds_bucket{stage="path",le="0.0025"} 0',
        'fusepath_stage_seconds_bucket{stage="path",le="0.005"} 1',
        'fusepath_stage_seconds_bucket{stage="tail",le="+Inf"} 1',
        'fusepath_stage_seconds_sum{stage="tail"} 0.020000',
    ):
        assert line in lines
