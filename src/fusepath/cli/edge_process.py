"""An edge server in a process of its own on this machine, for demonstrations."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from fusepath.errors import PeerUnreachableError
from fusepath.onnx_io.source import PREFIX as ZOO

if TYPE_CHECKING:
    from types import TracebackType

_END_WITHIN_S = 15.0


class EdgeProcess:
    """An edge server for one model on loopback, killed and begun again from any thread.

    Args:
        source: ``zoo:NAME`` or the name of a file, of which its folder is served.

    Raises:
        PeerUnreachableError: it does not start.
    """

    def __init__(self, source: str) -> None:
        self._options = ["--log", "off"]
        if not source.startswith(ZOO):
            self._options += ["--models", str(Path(source).resolve().parent)]
        self.address = "127.0.0.1:0"
        """``HOST:PORT``, the same for all its lives."""
        self._lock = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        process = self._process
        return process is not None and process.poll() is None

    def start(self) -> None:
        """Begin it, where it does not run and is not closed, and wait until it listens.

        Raises:
            PeerUnreachableError: it does not start.
        """
        with self._lock:
            if not (self.is_alive or self._closed):
                self._begin()

    def _begin(self) -> None:
        self._end()
        command = [sys.executable, "-m", "fusepath", "serve", "--listen", self.address, "--json"]
        self._process = subprocess.Popen(  # noqa: S603 - this program, with a folder of models
            [*command, *self._options], stdout=subprocess.PIPE, text=True
        )
        try:
            self.address = json.loads(self._told(self._process))["listen"]
        except BaseException:  # an interruption as well
            self._end()
            raise

    def _told(self, process: subprocess.Popen[str]) -> str:
        """What it says of itself once it listens."""
        assert process.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise PeerUnreachableError(self.address, "the edge server did not start")
            told += line
        return told

    def kill(self) -> None:
        """End it at once, without a word to anybody."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
            self._end()

    def close(self) -> None:
        """End it for good, in its own time if that is short."""
        with self._lock:
            self._closed = True
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> EdgeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
