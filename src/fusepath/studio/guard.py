"""Who may ask: pages of this very server, under a name that no other site can take."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAME = {"same-origin", "none"}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Of every response."""


class Guard:
    """Refuses what comes from other sites, and has browsers load nothing from elsewhere.

    A site whose name leads here (*DNS rebinding*) asks under that name, so a server is only to be
    asked under ``localhost`` or a number. What changes something must not come from other origins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = Headers(scope=scope)
        refused = _refusal(headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    added[name] = value
            await send(message)

        if refused:
            answer: Any = JSONResponse({"error": refused}, status_code=403)
            await answer(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _refusal(headers: Headers) -> str:
    """Why a request is refused; empty where it is not."""
    host = headers.get("host", "")
    if not _is_number_or_localhost(host):
        return f"this server is asked as localhost or by its number, not as '{host[:100]}'"
    origin = headers.get("origin", f"http://{host}")
    if origin != f"http://{host}" or headers.get("sec-fetch-site", "none") not in _SAME:
        return "only pages of this server may ask it"
    return ""


def _is_number_or_localhost(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        name = host
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
