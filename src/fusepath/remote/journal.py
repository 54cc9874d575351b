"""What an edge server and a device tell of their work in logs, a line each, with fields."""

from __future__ import annotations

import json
import logging
import time

from fusepath.spelling import as_text

logger = logging.getLogger("fusepath.journal")


def tell(event: str, **fields: object) -> None:
    """Note that something has happened."""
    logger.info(event, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """One line for every event: ``time level event name=value …``, or a JSON object.

    Args:
        as_json: a JSON object.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        when = f"{when}.{int(record.msecs):03d}Z"
        level, event = record.levelname.lower(), as_text(record.getMessage())
        fields = getattr(record, "fields", {})
        if self._as_json:
            return json.dumps({"time": when, "level": level, "event": event, **fields}, default=str)
        # Values are quoted as JSON does it, so that none of a device's words can begin a line.
        told = (f"{name}={json.dumps(value, default=str)}" for name, value in fields.items())
        return " ".join([when, level, " ".join(event.splitlines()), *told])
