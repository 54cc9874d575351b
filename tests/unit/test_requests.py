"""Requests on one stream are told apart by their numbers."""

from __future__ import annotations

import pytest

from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.requests import DeviceRequests, EdgeRequests


def test_a_device_waits_for_what_it_has_asked_until_that_has_ended():
    requests = DeviceRequests()
    first, second = requests.begin(), requests.begin()

    assert (first, second) == (1, 2)
    assert requests.waits(first)
    requests.end(first)
    assert not requests.waits(first)  # late
    assert requests.waits(second)


@pytest.mark.parametrize("number", [0, -1, 2, 2**64 - 1])
def test_an_answer_to_what_nobody_has_asked_is_a_lie(number):
    requests = DeviceRequests()
    requests.begin()

    with pytest.raises(ProtocolError, match=f"request {number}, which nobody has made"):
        requests.waits(number)


def test_an_edge_server_serves_so_many_at_a_time():
    requests = EdgeRequests(most=2)

    assert requests.begin(1)
    assert requests.begin(5)
    assert not requests.begin(6)
    assert not requests.serves(6)
    requests.end(1)
    assert not requests.serves(1)
    assert requests.begin(7)
    assert requests.serves(5)


@pytest.mark.parametrize("number", [0, 3, 4])
def test_numbers_of_requests_only_grow(number):
    requests = EdgeRequests(most=9)
    requests.begin(4)
    requests.end(4)

    assert not requests.is_new(number)
    with pytest.raises(ProtocolError, match=f"request {number} was made after request 4"):
        requests.begin(number)


def test_a_message_of_a_request_that_has_not_begun_is_refused():
    requests = EdgeRequests(most=1)

    with pytest.raises(ProtocolError, match="request 1 has not begun"):
        requests.serves(1)
