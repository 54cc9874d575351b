"""Edge servers as processes of their own, ready when they say so."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Edge(NamedTuple):
    """A listening edge server."""

    address: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it at once, without a word to anybody."""
        self.process.kill()
        self.process.wait(timeout=30)


@contextmanager
def edge_server(*options: str, listen: str = "127.0.0.1:0") -> Iterator[Edge]:
    """A server on a free port of loopback, for the time of a ``with`` block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fusepath", "serve", "--listen", listen, *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on 127.0.0.1:"), line
            yield Edge(line.split()[2].rstrip(","), process)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=30)
