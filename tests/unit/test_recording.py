"""What is believed of an edge server's clock."""

from __future__ import annotations

import pytest

from fusepath.offload.emulation import NO_EMULATION
from fusepath.offload.recording import Recording
from fusepath.offload.shared_link import SharedLink
from fusepath.protocol.framing import EdgeSpan
from fusepath.remote.client import ClockOffset
from fusepath.timeline import Lane

AGES_NS = 2**63 - 1


def recorded(*spans: EdgeSpan) -> Recording:
    """A request of 50 ms, begun at second 100."""
    recording = Recording(SharedLink(NO_EMULATION), ClockOffset(0.0, 1e-4), 100.0)
    recording.written(0, 100.01)
    recording.answered(spans, 100.05, 100.05)
    return recording


def test_what_it_says_is_taken_where_it_may_be():
    span = EdgeSpan(1, 0, 100_020_000_000, 100_040_000_000, 100_019_000_000)
    (edge,) = recorded(span).timeline().on(Lane.EDGE)

    assert (edge.start_s, edge.end_s) == pytest.approx((0.02, 0.04))


@pytest.mark.parametrize("start_ns", [-AGES_NS, 100_020_000_000, AGES_NS])
@pytest.mark.parametrize("end_ns", [-AGES_NS, AGES_NS])
@pytest.mark.parametrize("arrived_ns", [-AGES_NS, 100_015_000_000, AGES_NS])
def test_no_more_than_a_request_took_is_believed_on_either_side_of_it(start_ns, end_ns, arrived_ns):
    timeline = recorded(EdgeSpan(1, 0, start_ns, end_ns, arrived_ns)).timeline()

    assert min(span.start_s for span in timeline.spans) > -0.051
    assert timeline.end_s < 0.101
    assert min(span.duration_s for span in timeline.on(Lane.EDGE)) >= 0.0
