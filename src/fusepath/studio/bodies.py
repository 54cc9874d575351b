"""What is sent with a request: read up to a size and a time, and checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import msgspec

from fusepath.errors import FusepathError, InputError

if TYPE_CHECKING:
    from starlette.requests import Request

_Asked = TypeVar("_Asked")
_MOST_QUESTION_BYTES = 4096
_READ_WITHIN_S = 60.0


class TooLargeError(FusepathError):
    """More was sent than is read."""


async def asked(request: Request, kind: type[_Asked]) -> _Asked:
    """What was sent, as a value.

    Raises:
        TooLargeError: it is more than any question takes.
        InputError: it is no such thing.
    """
    data = await body(request, _MOST_QUESTION_BYTES)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"no question: {error}") from error


async def body(request: Request, most_bytes: int) -> bytes:
    """All that was sent.

    Raises:
        TooLargeError: it is more than that.
        InputError: it does not come in time.
    """
    too_large = TooLargeError(f"more than {most_bytes} bytes were sent, which are not read")
    if int(request.headers.get("content-length", "0")) > most_bytes:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            async for part in request.stream():
                data += part
                if len(data) > most_bytes:
                    raise too_large
    except TimeoutError:
        raise InputError(f"nothing whole was sent within {_READ_WITHIN_S:.0f} s") from None
    return bytes(data)
