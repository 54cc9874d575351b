"""A process that works for an edge server and may come to any end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import one_line
from fusepath.protocol.framing import RefusalKind
from fusepath.remote.measuring.job import MOST_BYTES, SIZE, decode_answer, framed
from fusepath.remote.transport import Refusal
from fusepath.runtime.allocator import resident_bytes

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable

    from fusepath.remote.measuring.job import Answer, Job

_PACKAGES = Path(__file__).parents[3]
"""The folder that this package is in."""
_ENDS_WITHIN_S = 2.0
_LOOKS_EVERY_S = 0.2
_CHILD = "fusepath.remote.measuring.child"


class Child:
    """Does one job after the other in a process, which is started when there is one.

    Args:
        doing: what its jobs are, for people.
        memory_bytes: that the process may take.
        keeps_s: how long it waits for another job.
        lend: is told what memory the process takes, now and then.
    """

    def __init__(
        self, doing: str, *, memory_bytes: int, keeps_s: float, lend: Callable[[int], None]
    ) -> None:
        self._doing = doing
        self._memory_bytes = memory_bytes
        self._keeps_s = keeps_s
        self._lend = lend
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._leaves: asyncio.TimerHandle | None = None

    async def answer(self, job: Job) -> Answer:
        """What comes of a job, once those before it are done; who is cancelled ends the process.

        Raises:
            Refusal: the process took too much memory, or ended by itself.
        """
        async with self._turn:
            if self._leaves is not None:
                self._leaves.cancel()
            process = self._process or await self._start()
            try:
                answer = await self._asked(process, job)
            except BaseException:
                self.close()
                await process.wait()
                raise
            self._leaves = asyncio.get_running_loop().call_later(self._keeps_s, self.close)
            return answer

    async def _start(self) -> Process:
        # It finds this very package, and nothing in the folder that the server was started in.
        paths = [str(_PACKAGES), os.environ.get("PYTHONPATH", "")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._watching = asyncio.create_task(self._watch(self._process))
        return self._process

    async def _watch(self, process: Process) -> None:
        """Count what it takes, as long as it is there, which is no longer than the event loop."""
        try:
            while process.returncode is None:
                self._lend(resident_bytes(process.pid))
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _LOOKS_EVERY_S)
        finally:
            _kill(process)
            await process.wait()
            self._lend(0)

    async def _asked(self, process: Process, job: Job) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # it has ended; how, shows below
            process.stdin.write(framed(job))
            await process.stdin.drain()
        try:
            (size_bytes,) = SIZE.unpack(await process.stdout.readexactly(SIZE.size))
            if size_bytes <= MOST_BYTES:
                return decode_answer(await process.stdout.readexactly(size_bytes))
        except (asyncio.IncompleteReadError, msgspec.MsgspecError):
            pass
        with suppress(TimeoutError):  # its pipe closes before it has ended
            await asyncio.wait_for(process.wait(), _ENDS_WITHIN_S)
        with suppress(ProcessLookupError):
            process.terminate()
        raise self._broken_off(job.model.reference.name, await process.wait())

    def too_large(self, name: str) -> Refusal:
        """A job about a model of this name took more memory than it may have."""
        return Refusal(
            RefusalKind.EXHAUSTED,
            f"{self._doing} '{one_line(name)}' takes more than the "
            f"{self._memory_bytes / 1e6:.0f} MB that it may have here; give the server more memory",
        )

    def _broken_off(self, name: str, status: int) -> Refusal:
        """The process has ended without an answer."""
        if status == -signal.SIGKILL:  # by whom memory was wanted back
            return self.too_large(name)
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        return Refusal(
            RefusalKind.UNFIT,
            f"{self._doing} '{one_line(name)}' ended in a crash ({how}); this model does not run "
            f"here, or not in {self._memory_bytes / 1e6:.0f} MB",
        )

    def close(self) -> None:
        """End what is being done, and the process."""
        if self._leaves is not None:
            self._leaves.cancel()
        if self._process is not None:
            _kill(self._process)
        self._process = None


def _kill(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
