"""What gRPC raises, as errors of this package."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from fusepath.errors import PeerBusyError
from fusepath.remote.grpc_channel import translated
from fusepath.remote.limits import RETRY_AFTER


def failed(code: grpc.StatusCode, details: str, *trailing: tuple[str, str]) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(*trailing), details)


def test_no_refusal_can_command_a_terminal():
    error = translated("edge:1", failed(grpc.StatusCode.NOT_FOUND, "evil\x1b[31m\x07\x9b2J\nmore"))

    assert str(error) == "edge edge:1: refused: evil [31m 2J"


def test_a_refusal_without_a_word_is_told_by_its_code():
    error = translated("edge:1", failed(grpc.StatusCode.NOT_FOUND, "\x1b"))

    assert str(error) == "edge edge:1: refused: NOT_FOUND"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("1500", 1.5), ("0", 0.0), ("999999999999", 60.0), ("-5", 0.0), ("soon", 0.0), ("", 0.0)],
)
def test_a_server_without_room_says_when_to_come_back_and_not_for_ever(said, seconds):
    full = failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room", (RETRY_AFTER, said))

    error = translated("edge:1", full)

    assert isinstance(error, PeerBusyError)
    assert error.retry_after_s == seconds
