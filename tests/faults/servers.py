"""Edge servers as processes, of which one is always ready to take the place of a killed one."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", "127.0.0.1:0"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()


class Servers:
    """One that serves, and one that waits for its end."""

    def __init__(self) -> None:
        self.process, self._next = _start(), _start()
        self.address = _address_of(self.process)

    def kill(self) -> None:
        """End the one that serves at once; nobody takes its place yet."""
        self.process.kill()

    def replace(self) -> None:
        """Another one serves, at another address."""
        _end(self.process)
        self.process, self._next = self._next, _start()
        self.address = _address_of(self.process)

    def close(self) -> None:
        """End all of them."""
        _end(self.process)
        _end(self._next)


def _address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on "), line
    return line.split()[2].rstrip(",")


@contextmanager
def servers() -> Iterator[Servers]:
    """For the time of a ``with`` block."""
    pair = Servers()
    try:
        yield pair
    finally:
        pair.close()
