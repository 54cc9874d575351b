"""Were frames played as they should be? Written from the rules, sharing no code with the player."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fusepath.schedule.stream import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusepath.arrays import IntArray
    from fusepath.schedule.stream import Job, Played, Work

_LANES = {
    "device": {Kind.HEAD, Kind.PATH, Kind.FINISH},
    "link": {Kind.SENT},
    "edge server": {Kind.SERVED, Kind.TAIL},
    "way back": {Kind.PART, Kind.RESULT},
}


def stream_violations(jobs: Sequence[Job], played: Played, *, in_flight: int) -> list[str]:
    """Everything wrong with frames that were played; empty when all is as the rules say.

    The rules: a frame begins as soon as fewer than ``in_flight`` are under way, and results are
    handed over in the order of the frames, each as soon as it can be. Everything a frame needs is
    done once and takes as long as its problem says, when what it waits for is done (`_ready_ns`).
    A machine does as many things at a time as it has workers, never rests while something waits
    for it, and takes the earliest frame first on the device, elsewhere what came first.
    """
    frames = [_Frame(job) for job in jobs]
    for work in played.works:
        frames[work.frame].add(work)
    found: list[str] = []
    ready_ns: dict[Work, int] = {}
    done_ns: list[int] = []
    for number, frame in enumerate(frames):
        begun_ns = done_ns[number - in_flight] if number >= in_flight else 0
        if played.begun_ns[number] != begun_ns:
            found.append(f"frame {number} begins at {played.begun_ns[number]}, not {begun_ns}")
        if wrong := list(frame.wrong()):
            return [*found, *(f"frame {number}: {what}" for what in wrong)]
        ready_ns |= frame.ready_ns(begun_ns)
        done_ns.append(max([frame.end_ns(begun_ns), *done_ns[-1:]]))
        if played.done_ns[number] != done_ns[number]:
            found.append(f"frame {number} ends at {played.done_ns[number]}, not {done_ns[number]}")
    problem = jobs[0].problem
    way = 1 if problem.shared_link else None
    workers = {"device": 1, "link": way, "way back": way}
    workers["edge server"] = problem.edge_workers or None
    for lane, kinds in _LANES.items():
        works = [work for work in played.works if work.kind in kinds]
        found += _lane(lane, works, ready_ns, workers[lane])
    return found


class _Frame:
    """What was done for one frame."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._works: dict[tuple[Kind, int | None], list[Work]] = defaultdict(list)

    def add(self, work: Work) -> None:
        self._works[work.kind, work.path].append(work)

    def _of(self, kind: Kind, path: int | None = None) -> Work:
        (work,) = self._works[kind, path]
        return work

    def _expected(self) -> Mapping[tuple[Kind, int | None], int]:
        """How long everything takes that has to be done."""
        problem, job = self._job.problem, self._job

        def table(times: IntArray | None, path: int) -> int:
            if times is None:
                return 0
            return int(times[problem.class_of[path], job.cuts[path] - 1])

        expected: dict[tuple[Kind, int | None], int] = {}
        if problem.head_ns:
            expected[Kind.HEAD, None] = problem.head_ns
        asks = bool(problem.head_ns)
        for path in job.order:
            device_ns = table(problem.device_ns, path)
            asks |= device_ns > 0
            if asks:  # what comes before anything to compute needs no device
                expected[Kind.PATH, path] = device_ns
        away = {
            kind: [table(times, path) for path in job.order]
            for kind, times in (
                (Kind.SENT, problem.link_ns),
                (Kind.SERVED, problem.edge_ns),
                (Kind.PART, problem.back_ns),
            )
        }
        if problem.tail_ns or any(map(any, away.values())):
            for kind, durations in away.items():
                expected |= {
                    (kind, path): duration
                    for path, duration in zip(job.order, durations, strict=True)
                }
            expected[Kind.TAIL, None] = problem.tail_ns
            delay_ns = min(problem.delay_ns, problem.down_ns)
            expected[Kind.RESULT, None] = problem.down_ns - delay_ns
        if problem.finish_ns:
            expected[Kind.FINISH, None] = problem.finish_ns
        return expected

    def wrong(self) -> Iterator[str]:
        """What was not done once, or took another time."""
        expected = self._expected()
        for what in sorted(self._works.keys() | expected.keys(), key=str):
            taken = [work.end_ns - work.start_ns for work in self._works.get(what, ())]
            if taken != ([expected[what]] if what in expected else []):
                yield f"{what} takes {taken}, not {expected.get(what)}"

    def ready_ns(self, begun_ns: int) -> dict[Work, int]:
        """When all that each work waits for is done."""
        problem, order = self._job.problem, self._job.order
        ready: dict[Work, int] = {}
        if self._works[Kind.HEAD, None]:
            ready[self._of(Kind.HEAD)] = begun_ns
        before_ns = begun_ns
        computed_ns = {}
        for path in order:
            computed_ns[path] = begun_ns
            for work in self._works[Kind.PATH, path]:
                ready[work] = begun_ns
                computed_ns[path] = work.end_ns
        if self._works[Kind.TAIL, None]:
            for path in order:
                sent, served = self._of(Kind.SENT, path), self._of(Kind.SERVED, path)
                ready[sent] = computed_ns[path]
                ready[served] = sent.end_ns + problem.delay_ns
                if problem.chained:
                    ready[served] = max(ready[served], before_ns)
                    before_ns = served.end_ns
                ready[self._of(Kind.PART, path)] = served.end_ns
            tail, result = self._of(Kind.TAIL), self._of(Kind.RESULT)
            ready[tail] = max(self._of(Kind.SERVED, path).end_ns for path in order)
            ready[result] = max(tail.end_ns, *(self._of(Kind.PART, path).end_ns for path in order))
        for work in self._works[Kind.FINISH, None]:
            ready[work] = self._all_there_ns(begun_ns)
        return ready

    def _all_there_ns(self, begun_ns: int) -> int:
        """When what returns last has come, or all paths are computed."""
        if self._works[Kind.RESULT, None]:
            problem = self._job.problem
            return self._of(Kind.RESULT).end_ns + min(problem.delay_ns, problem.down_ns)
        paths = [work for path in self._job.order for work in self._works[Kind.PATH, path]]
        return max((work.end_ns for work in paths), default=begun_ns)

    def end_ns(self, begun_ns: int) -> int:
        """When its result is there."""
        finish = self._works[Kind.FINISH, None]
        return finish[0].end_ns if finish else self._all_there_ns(begun_ns)


def _lane(
    lane: str, works: Sequence[Work], ready_ns: Mapping[Work, int], workers: int | None
) -> Iterator[str]:
    """Work that began too soon, too late, or out of turn."""
    for work in works:
        ready = ready_ns[work]
        where = f"frame {work.frame}: {work.kind.value} of path {work.path} on the {lane}"
        if work.start_ns < ready:
            yield f"{where} begins at {work.start_ns}, before {ready}"
        if workers is None:
            if work.start_ns > ready:
                yield f"{where} waits for nobody until {work.start_ns}"
            continue
        others = [item for item in works if item is not work]
        running = sum(item.start_ns < work.start_ns < item.end_ns for item in others)
        beside = (
            sum(item.start_ns == work.start_ns < item.end_ns for item in others)
            if work.end_ns > work.start_ns
            else 0
        )
        if running + beside >= workers:
            yield f"{where}: more than {workers} at a time at {work.start_ns}"
        if work.start_ns == ready:
            continue
        # For as long as it waits all are at work: looked at when it begins to, and at every end.
        for moment in {ready, *(item.end_ns for item in others)}:
            if ready <= moment < work.start_ns:
                busy = sum(item.start_ns <= moment < item.end_ns for item in others)
                if busy < workers:
                    yield f"{where} waits at {moment}, when {busy} of {workers} are at work"
        for item in others:
            if not ready < item.start_ns < work.start_ns:
                continue
            first = item.frame > work.frame if lane == "device" else ready_ns[item] > ready
            if first:
                yield f"{where} waits for frame {item.frame}, which comes after it"
