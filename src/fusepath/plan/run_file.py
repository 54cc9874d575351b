"""What a run leaves behind: its plan, and what happened when beside what was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.errors import SettingError
from fusepath.plan.plan_file import plan_document, plan_of_document
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from fusepath.plan.plan import Plan

RUN_FORMAT = "fusepath-run"
RUN_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Run:
    """One inference: the median of several."""

    plan: Plan
    predicted: Timeline
    """From the times of the plan's very paths."""
    measured: Timeline


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What of a run's JSON is promised; there may be more."""

    KIND: ClassVar[str] = "run"

    format: str = RUN_FORMAT
    version: int = RUN_VERSION
    plan: dict[str, Any]
    predicted_timeline: Timeline
    timeline: Timeline

    def __post_init__(self) -> None:
        if (self.format, self.version) != (RUN_FORMAT, RUN_VERSION):
            raise SettingError(
                f"{self.format} version {self.version}; this fusepath reads {RUN_VERSION}"
            )


def run_document(run: Run) -> dict[str, Any]:
    """A run as JSON; others may add what they want to say."""
    return {
        "format": RUN_FORMAT,
        "version": RUN_VERSION,
        "plan": plan_document(run.plan),
        "timeline": msgspec.to_builtins(run.measured),
        "predicted_timeline": msgspec.to_builtins(run.predicted),
    }


def run_of_document(document: dict[str, Any], *, where: str) -> Run:
    """The run of a document, which may say more.

    Raises:
        FileFormatError: it is no run.
    """
    read = jsonfile.convert(document, RunDocument, where=where)
    return Run(
        plan=plan_of_document(read.plan, where=f"{where}: plan"),
        predicted=read.predicted_timeline,
        measured=read.timeline,
    )
