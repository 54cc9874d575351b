"""What gRPC raises, as errors of this package."""

from __future__ import annotations

import grpc
from grpc.aio import AioRpcError, Metadata

from fusepath.remote.grpc_channel import translated


def failed(code: grpc.StatusCode, details: str) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


def test_no_refusal_can_command_a_terminal():
    error = translated("edge:1", failed(grpc.StatusCode.NOT_FOUND, "evil\x1b[31m\x07\x9b2J\nmore"))

    assert str(error) == "edge edge:1: refused: evil [31m 2J"


def test_a_refusal_without_a_word_is_told_by_its_code():
    error = translated("edge:1", failed(grpc.StatusCode.NOT_FOUND, "\x1b"))

    assert str(error) == "edge edge:1: refused: NOT_FOUND"
