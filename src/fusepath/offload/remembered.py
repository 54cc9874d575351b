"""What a session has found out, kept for the next one that is like it."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import Compression, Link, Machine
from fusepath.errors import FileFormatError, OutputError
from fusepath.plan import Plan, check_plan
from fusepath.profiling import machine_identity
from fusepath.profiling.cache import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from fusepath.graph import ModelGraph

logger = logging.getLogger(__name__)

_VERSION = 5


class LastTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The edge server, the link and the codecs as they were measured, and the plan in use."""

    KIND: ClassVar[str] = "session memory"

    version: int = _VERSION
    edge: Machine
    providers: tuple[str, ...]
    """What the edge server computed on."""
    link: Link
    offered: dict[str, list[Compression]]
    """By tensor: what codecs made of it on the frame they were tried on."""
    offered_back: dict[str, list[Compression]]
    """The same on the way back."""
    plan: Plan
    beside: Plan | None = None
    """For frames for which it is quicker, where they come as files."""
    predicted_s: float
    """By the times of the plan's very paths, as they are found out again when it is resumed."""


@dataclass(frozen=True, slots=True)
class SessionMemory:
    """Where one kind of session is remembered.

    A damaged file counts as none, and a folder that cannot be written to costs nothing but the
    measuring.
    """

    file: Path | None

    @classmethod
    def of_user(cls, graph: ModelGraph, edge: str, **asked: object) -> SessionMemory:
        """In the user's cache folder, if there is one.

        Args:
            graph: the model's.
            edge: address of the edge server.
            asked: what else has to be the same next time.
        """
        folder = cache_folder()
        if folder is None:
            return cls(None)
        key = {
            "model": graph.sha256,
            "input_shape": graph.fed_shape,
            "edge": edge,
            "machine": machine_identity(),
            "version": _VERSION,
            **asked,
        }
        data = msgspec.json.encode(key, order="deterministic")
        return cls(folder / "sessions" / f"{hashlib.sha256(data).hexdigest()}.json")

    def load(self, graph: ModelGraph) -> LastTime | None:
        """What was found out last time; None if nothing was, or it fits no more."""
        if self.file is None:
            return None
        try:
            last = jsonfile.load(self.file, LastTime)
            check_plan(last.plan, graph)
        except FileFormatError:
            return None
        return last

    def keep(self, last: LastTime) -> None:
        """Remember it."""
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            jsonfile.save(self.file, last)
        except (OSError, OutputError) as error:
            logger.info("the session was not remembered: %s", error)
