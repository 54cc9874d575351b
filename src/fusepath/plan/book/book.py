"""A plan book: for every link rate of a range, the plan to use. Looked up, not planned."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import Link
from fusepath.errors import InputError, SettingError
from fusepath.plan.book.steps import Steps
from fusepath.plan.plan import Plan
from fusepath.plan.verify import check_plan
from fusepath.schedule.problem import NS_PER_S
from fusepath.timeline import Timeline
from fusepath.units import format_bytes_per_s

if TYPE_CHECKING:
    from pathlib import Path

    from fusepath.graph import ModelGraph
    from fusepath.schedule.schedule import Schedule

BOOK_VERSION = 3


class BookEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan, and the link rates up at which it is the one to use: half open.

    The plan's link is the slowest of them; its timeline is left out, for `PlanBook.plan_for` works
    it out from the steps.
    """

    from_bytes_per_s: float
    to_bytes_per_s: float
    plan: Plan
    steps: Steps

    def __post_init__(self) -> None:
        if not 0 < self.from_bytes_per_s < self.to_bytes_per_s:
            raise SettingError("an entry needs a rate above zero, and a larger one to go up to")
        if sorted(self.plan.order) != list(range(1, len(self.steps.device_ns) + 1)):
            raise SettingError("an entry needs steps for every path in the order of its plan")

    def schedule(self, link: Link) -> Schedule:
        """When everything starts and ends on a link, whatever its rate."""
        return self.steps.schedule(self.plan.order, link, self.plan.convention)

    def makespan_s(self, link: Link) -> float:
        """What the plan takes on a link, whatever its rate."""
        return self.schedule(link).makespan_ns / NS_PER_S


class PlannedRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A setting that was planned while the book was made."""

    up_bytes_per_s: float
    makespan_s: float
    probe: bool
    """Planned only to see what the book misses; the plan is not in the book."""


class PlanBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lower envelope of the makespans of plans over a range of link rates.

    At every rate the link is ``link`` with both rates scaled and the same delay.
    """

    KIND: ClassVar[str] = "book"

    format: str = "fusepath-book"
    version: int = BOOK_VERSION
    fusepath_version: str
    algorithm: str
    tolerance: float
    """Above the best plan known, relative; half for what was not looked for, half for plans that
    were left out because others are nearly as good."""
    settled: bool
    """Whether looking for more plans stopped because it yielded none that matter."""
    search_s: float
    link: Link
    """At the lowest rate of the range."""
    planned: tuple[PlannedRate, ...]
    nfl: tuple[tuple[float, float], ...]
    """(seconds, bytes): the best single cut takes the least of ``seconds + bytes / rate``."""
    bounds: tuple[tuple[float, float], ...]
    """(rate up, seconds that no plan beats there), ascending."""
    entries: tuple[BookEntry, ...]
    """Plans that send tensors, by rising rate."""
    forwarding: BookEntry | None = None
    """Where the input comes as files: to forward them, which takes as long as the file at hand is
    large."""

    def __post_init__(self) -> None:
        if self.format != "fusepath-book" or self.version != BOOK_VERSION:
            raise SettingError(
                f"{self.format} version {self.version}; this fusepath reads {BOOK_VERSION}"
            )
        if not (self.entries and self.nfl and self.bounds):
            raise SettingError("a book needs entries, nfl and bounds")
        for below, above in pairwise(self.entries):
            if below.to_bytes_per_s != above.from_bytes_per_s:
                raise SettingError(
                    f"entries leave a gap at {format_bytes_per_s(below.to_bytes_per_s)}"
                )
        if self.link.up_bytes_per_s != self.from_bytes_per_s:
            raise SettingError("the link is not that of the lowest rate")
        if self.forwarding is not None and not self.forwarding.plan.recipe.forwards:
            raise SettingError("the plan of 'forwarding' does not forward the file")
        first = self.entries[0].plan
        for entry in self._all_entries:
            for name in ("model", "convention", "device", "edge", "input"):
                if getattr(entry.plan, name) != getattr(first, name):
                    raise SettingError(f"plans of one book must have the same {name}")

    @property
    def from_bytes_per_s(self) -> float:
        """Lower end of the range."""
        return self.entries[0].from_bytes_per_s

    @property
    def to_bytes_per_s(self) -> float:
        """Upper end of the range."""
        return self.entries[-1].to_bytes_per_s

    @property
    def _all_entries(self) -> tuple[BookEntry, ...]:
        return (*self.entries, *([self.forwarding] if self.forwarding else ()))

    def link_at(self, rate: float) -> Link:
        """The link of the book at a rate up, bytes per second."""
        return self.link.at(rate)

    def at(self, rate: float) -> BookEntry:
        """The entry of a link rate (bytes per second, up), the upper end included; O(log n).

        Raises:
            InputError: the rate is outside the range.
        """
        if not self.from_bytes_per_s <= rate <= self.to_bytes_per_s:
            raise InputError(
                f"the book is for {format_bytes_per_s(self.from_bytes_per_s)} to "
                f"{format_bytes_per_s(self.to_bytes_per_s)}, not for {format_bytes_per_s(rate)}; "
                f"make one for a range that holds it"
            )
        number = bisect_right(self.entries, rate, key=lambda entry: entry.from_bytes_per_s)
        return self.entries[number - 1]

    def forwards(self, link: Link, file_bytes: int | None = None) -> BookEntry | None:
        """The entry that forwards a file where that is quicker than what the book says else.

        Args:
            link: any, whose rate up is in the range.
            file_bytes: size of the file; that of those the book was made for without.

        Raises:
            InputError: the rate up is outside the range.
        """
        own, entry = self.at(link.up_bytes_per_s), self.forwarding
        if entry is None:
            return None
        if file_bytes is not None:
            entry = _of_size(entry, file_bytes)
        limit = entry.plan.request.constraints.upload_bytes
        if limit is not None and entry.plan.up_bytes > limit:
            return None
        return entry if entry.makespan_s(link) < own.makespan_s(link) else None

    def plan_for(self, link: Link, *, file_bytes: int | None = None) -> Plan:
        """The plan of a link, with the prediction for just this link.

        Its delay and its rate down need not be those of the book: the prediction is as good, but
        for another link another plan may be better. What messages cost, the book knows.

        Args:
            link: the link.
            file_bytes: size of the file that the input comes in, which is forwarded where that is
                quicker; that of those the book was made for without.

        Raises:
            InputError: the rate up is outside the range.
        """
        entry = self.at(link.up_bytes_per_s)
        link = msgspec.structs.replace(
            link,
            message_bytes=self.link.message_bytes,
            message_device_s=self.link.message_device_s,
            message_edge_s=self.link.message_edge_s,
            receive_s_per_byte=self.link.receive_s_per_byte,
        )
        entry = self.forwards(link, file_bytes) or entry
        schedule = entry.schedule(link)
        makespan_s = schedule.makespan_ns / NS_PER_S
        return msgspec.structs.replace(entry.plan, link=link).predicting(
            makespan_s=makespan_s,
            lower_bound_s=min(self._bound_for(link), makespan_s),
            timeline=schedule.timeline(),
        )

    def makespan_s(self, rate: float) -> float:
        """What the book's plan takes at a link rate.

        Raises:
            InputError: the rate is outside the range.
        """
        link = self.link_at(rate)
        return (self.forwards(link) or self.at(rate)).makespan_s(link)

    def nfl_s(self, rate: float) -> float:
        """What the best single cut takes at a link rate."""
        return min(seconds + sent / rate for seconds, sent in self.nfl)

    def bound_s(self, rate: float) -> float:
        """A time that no plan beats at a link rate, but for forwarding a smaller file.

        From the bounds at other rates: a faster link is never worse, and a link ``x`` times slower
        makes no plan more than ``x`` times slower.
        """
        return max(seconds * min(known / rate, 1.0) for known, seconds in self.bounds)

    def _bound_for(self, link: Link) -> float:
        """A time that no plan beats: the bound of a link of the book that is at least as good."""
        scale = link.down_bytes_per_s / self.link.down_bytes_per_s
        rate = max(link.up_bytes_per_s, self.link.up_bytes_per_s * scale)
        saved_s = max(self.link.delay_s - link.delay_s, 0.0)  # once there, once back
        return max(self.bound_s(rate) - 2 * saved_s, 0.0)

    @property
    def regret(self) -> float:
        """How much slower than a fresh plan the book's was at the worst probe, relative."""
        return max(
            (
                self.makespan_s(item.up_bytes_per_s) / item.makespan_s - 1
                for item in self.planned
                if item.probe
            ),
            default=0.0,
        )

    def check(self, graph: ModelGraph) -> None:
        """Raise unless every plan can be carried out on a model.

        Raises:
            FileFormatError: the book is for another model, or a plan does not fit it.
        """
        for entry in self._all_entries:
            check_plan(entry.plan, graph)


def _of_size(entry: BookEntry, file_bytes: int) -> BookEntry:
    """An entry that forwards a file, for a file of another size."""
    plan, source = entry.plan, entry.plan.source
    assert source  # a plan that forwards a file knows one
    more_bytes = file_bytes - source.file_bytes
    (sent_bytes,) = entry.steps.sent_bytes
    return msgspec.structs.replace(
        entry,
        plan=msgspec.structs.replace(
            plan,
            source=msgspec.structs.replace(source, file_bytes=file_bytes),
            prediction=msgspec.structs.replace(
                plan.prediction, up_bytes=plan.up_bytes + more_bytes
            ),
        ),
        steps=msgspec.structs.replace(entry.steps, sent_bytes=(sent_bytes + more_bytes,)),
    )


def without_timeline(plan: Plan) -> Plan:
    """A plan as a book keeps it."""
    return plan.predicting(timeline=Timeline(spans=()))


def load_book(path: str | Path) -> PlanBook:
    """Read a book file.

    Raises:
        FileFormatError: it is missing, damaged or no book.
    """
    return jsonfile.load(path, PlanBook)


def save_book(path: str | Path, book: PlanBook) -> None:
    """Write a book file.

    Raises:
        FileFormatError: the file cannot be written.
    """
    jsonfile.save(path, book)
