"""Measuring in a process of its own, one model after the other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import ModelError
from fusepath.onnx_io.complaint import one_line
from fusepath.protocol.framing import RefusalKind
from fusepath.remote.located_model import AnotherModelError
from fusepath.remote.measuring.job import (
    MOST_BYTES,
    SIZE,
    AnotherModel,
    Measured,
    MeasureJob,
    NotMeasured,
    TooLarge,
    decode_answer,
    framed,
)
from fusepath.remote.transport import Refusal

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from fusepath.cost import MachineProfile
    from fusepath.plan import ModelReference
    from fusepath.remote.located_model import LocatedModel
    from fusepath.remote.measuring.job import Answer
    from fusepath.remote.model_store import ModelStore
    from fusepath.runtime.execution import Execution

_PACKAGES = Path(__file__).parents[3]
"""The folder that this package is in."""
_CHILD = "fusepath.remote.measuring.child"


class MeasuringApart:
    """Measures in a process that is started for each model, and ended when nobody waits for it.

    Args:
        store: the models.
        execution: what to compute on.
        remembers: takes what the user's cache holds, and keeps there what is measured.
        memory_bytes: that the process may take.
    """

    def __init__(
        self, store: ModelStore, *, execution: Execution, remembers: bool, memory_bytes: int
    ) -> None:
        self._store = store
        self._execution = execution
        self._remembers = remembers
        self._memory_bytes = memory_bytes
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def measure(self, reference: ModelReference) -> MachineProfile:
        """The profile of this machine for a model; whoever is cancelled ends the process.

        Raises:
            FusepathError: there is no such model, or it cannot be run.
            Refusal: the process took too much memory, or did not come to an end by itself.
        """
        async with self._turn:
            try:
                return await self._measured(await asyncio.to_thread(self._store.locate, reference))
            except AnotherModelError as another:
                again = await asyncio.to_thread(self._store.locate, reference, another)
                return await self._measured(again)

    async def _measured(self, model: LocatedModel) -> MachineProfile:
        job = MeasureJob(
            model=model,
            execution=self._execution,
            remembers=self._remembers,
            memory_bytes=self._memory_bytes,
        )
        match await self._answer(job):
            case Measured(profile):
                return profile
            case AnotherModel(sha256):
                raise AnotherModelError(model.reference, sha256)
            case NotMeasured(reason):
                raise ModelError(reason)
            case TooLarge():
                raise self._too_large(model.reference.name)

    async def _answer(self, job: MeasureJob) -> Answer:
        async with self._started() as process:
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
            with suppress(ProcessLookupError):
                process.terminate()
            raise self._broken_off(job.model.reference.name, await process.wait())

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[Process]:
        """The process, which does not outlive this."""
        # It finds this very package, and nothing in the folder that the server was started in.
        paths = [str(_PACKAGES), os.environ.get("PYTHONPATH", "")]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            _CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._process = process
        try:
            yield process
        finally:
            self.close()
            await process.wait()

    def _too_large(self, name: str) -> Refusal:
        return Refusal(
            RefusalKind.EXHAUSTED,
            f"measuring '{one_line(name)}' takes more than the {self._memory_bytes / 1e6:.0f} MB "
            f"that it may have here; give the server more memory",
        )

    def _broken_off(self, name: str, status: int) -> Refusal:
        """The process has ended without an answer."""
        if status == -signal.SIGKILL:  # by whom memory was wanted back
            return self._too_large(name)
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        return Refusal(
            RefusalKind.UNFIT,
            f"measuring '{one_line(name)}' ended in a crash ({how}); this model does not run "
            f"here, or not in {self._memory_bytes / 1e6:.0f} MB",
        )

    def close(self) -> None:
        """End what is being measured."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
