"""Whether the edge server serves, as gRPC's health protocol asks for it (grpc.health.v1)."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

SERVICE = "grpc.health.v1.Health"
CHECK = f"/{SERVICE}/Check"
_SERVED = {b"", b"fusepath.v1.Edge", b"fusepath.v1.Stream", b"inference.GRPCInferenceService"}
SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""HealthCheckResponse, whose one field is the status."""
_NAME = 0x0A
"""Of HealthCheckRequest, whose one field is the name of a service."""


class Health:
    """Says that the server serves, until it is told to stop."""

    def __init__(self) -> None:
        self._stops = asyncio.Event()

    def stop(self) -> None:
        """It serves no new devices."""
        self._stops.set()

    def handler(self) -> Any:
        """For a server of gRPC; messages are bytes to it."""
        handlers = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    @property
    def serves(self) -> bool:
        """Whether it serves new devices."""
        return not self._stops.is_set()

    @property
    def _status(self) -> bytes:
        return SERVING if self.serves else _NOT_SERVING

    async def _check(self, data: bytes, context: Any) -> bytes:
        if _service(data) not in _SERVED:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service here")
        return self._status

    async def _watch(self, data: bytes, context: Any) -> None:
        await context.write(self._status if _service(data) in _SERVED else b"\x08\x03")
        await self._stops.wait()
        await context.write(self._status)


def _service(data: bytes) -> bytes | None:
    """The name of the service that is asked for; None where it is none."""
    if not data:
        return b""
    named = len(data) >= 2 and data[0] == _NAME and data[1] == len(data) - 2
    return data[2:] if named else None
