"""What an edge server and the process that measures for it say to each other, over pipes.

One job goes there and one answer comes back, each JSON with its size before it. Nothing is pickled:
a model may have taken the process over.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import MachineProfile
from fusepath.remote.located_model import LocatedModel
from fusepath.runtime.execution import Execution

if TYPE_CHECKING:
    from io import RawIOBase

SIZE = struct.Struct("<I")
MOST_BYTES = 64 * 2**20
"""Of a job or an answer."""


class MeasureJob(msgspec.Struct, frozen=True, kw_only=True):
    """Measure this machine for a model."""

    model: LocatedModel
    execution: Execution
    """What to compute on."""
    remembers: bool
    """Whether what the user's cache holds will do, and what is measured is kept there."""
    memory_bytes: int
    """That the process may take."""


class Measured(msgspec.Struct, frozen=True, tag=True):
    """The profile."""

    profile: MachineProfile


class AnotherModel(msgspec.Struct, frozen=True, tag=True):
    """What was to be measured turned out to be another model."""

    sha256: str


class NotMeasured(msgspec.Struct, frozen=True, tag=True):
    """It cannot be done; the reason in one line."""

    reason: str


class TooLarge(msgspec.Struct, frozen=True, tag=True):
    """It takes more memory than it may have."""


Answer = Measured | AnotherModel | NotMeasured | TooLarge


def framed(message: MeasureJob | Answer) -> bytes:
    """A message as it goes through a pipe."""
    data = msgspec.json.encode(message)
    return SIZE.pack(len(data)) + data


def read_job(pipe: RawIOBase) -> MeasureJob:
    """The job that a pipe brings.

    Raises:
        EOFError: it ends before.
    """
    (size_bytes,) = SIZE.unpack(_exactly(pipe, SIZE.size))
    return msgspec.json.decode(_exactly(pipe, size_bytes), type=MeasureJob)


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
