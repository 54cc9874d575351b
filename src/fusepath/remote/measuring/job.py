"""What an edge server and a process that works for it say to each other, over pipes.

A job goes there and an answer comes back, each JSON with its size before it. Nothing is pickled: a
model may have taken the process over.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import MachineProfile
from fusepath.plan import Recipe
from fusepath.remote.located_model import LocatedModel
from fusepath.runtime.execution import Execution

if TYPE_CHECKING:
    from io import RawIOBase

SIZE = struct.Struct("<I")
MOST_BYTES = 64 * 2**20
"""Of a job or an answer."""


class _Job(msgspec.Struct, frozen=True, kw_only=True):
    model: LocatedModel
    execution: Execution
    """What to compute on."""
    memory_bytes: int
    """That the process may take."""


class MeasureJob(_Job, frozen=True, kw_only=True, tag=True):
    """Measure this machine for a model."""

    remembers: bool
    """Whether what the user's cache holds will do, and what is measured is kept there."""


class VetPlan(_Job, frozen=True, kw_only=True, tag=True):
    """Prepare the edge server's share of a plan, and run it once."""

    recipe: Recipe


class VetWhole(_Job, frozen=True, kw_only=True, tag=True):
    """Build a model as it is, and run it."""


Job = MeasureJob | VetPlan | VetWhole


class Measured(msgspec.Struct, frozen=True, tag=True):
    """The profile."""

    profile: MachineProfile


class Vetted(msgspec.Struct, frozen=True, tag=True):
    """It ran."""


class AnotherModel(msgspec.Struct, frozen=True, tag=True):
    """The model turned out to be another one."""

    sha256: str


class NotDone(msgspec.Struct, frozen=True, tag=True):
    """It cannot be done; the reason in one line."""

    reason: str


class TooLarge(msgspec.Struct, frozen=True, tag=True):
    """It takes more memory than it may have."""


Answer = Measured | Vetted | AnotherModel | NotDone | TooLarge


def framed(message: Job | Answer) -> bytes:
    """A message as it goes through a pipe."""
    data = msgspec.json.encode(message)
    return SIZE.pack(len(data)) + data


def read_job(pipe: RawIOBase) -> Job:
    """The next job that a pipe brings.

    Raises:
        EOFError: it ends before.
    """
    (size_bytes,) = SIZE.unpack(_exactly(pipe, SIZE.size))
    job: Job = msgspec.json.decode(_exactly(pipe, size_bytes), type=Job)
    return job


def _exactly(pipe: RawIOBase, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        more = pipe.read(size_bytes - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def decode_answer(data: bytes) -> Answer:
    """An answer, without its size.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    answer: Answer = msgspec.json.decode(data, type=Answer)
    return answer
