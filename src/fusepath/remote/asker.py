"""Who has asked the edge server for something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fusepath.protocol.framing import Drilled, Part, Result


class Asker(Protocol):
    """Is told what comes of requests; on the event loop."""

    def say(self, answer: Part) -> None:
        """Send a part of the answer."""

    def finish(self, answer: Result | Drilled) -> None:
        """Send the end of the answer."""

    def fail(self, number: int, error: BaseException) -> None:
        """A request cannot be done; whose fault that is, the error says."""
