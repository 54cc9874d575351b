"""What a session costs an application, beside plain gRPC around plain ONNX Runtime.

    make bench-session          or: python -m benchmarks.session [--quick] [SECTION …]

Loopback, SqueezeNet unless stated, one thread of ONNX Runtime on each side. Everything is measured
in turn (A B A B), medians with quartiles. Writes benchmarks/results/session.csv. Sections are
latencies, starts, frames and memory; all without any.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

import fusepath
from benchmarks.session.child import AS_PLANNED, MARKS, NETWORK, frame, plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PEERS = Path(__file__).parents[1] / "system" / "peers"
RESULTS = Path(__file__).parents[1] / "results" / "session.csv"
REPEATS = 15
WARM_UP = 4
"""Turns that do not count; what is predicted follows frames from the third one on."""
STARTS = 3
MEMORY = ("zoo:squeezenet", "zoo:resnet18", "zoo:vgg16")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure beside its bar."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    note: str = ""

    @property
    def holds(self) -> str:
        return "" if self.bar is None else "yes" if self.value <= self.bar else "no"


def main() -> None:
    quick = "--quick" in sys.argv
    sections: dict[str, Callable[[str, str], Iterable[Row]]] = {
        "latencies": _latencies,
        "starts": partial(_starts, count=1 if quick else STARTS),
        "frames": partial(_frames, count=100 if quick else 1000),
        "memory": partial(_memory, names=MEMORY[:1] if quick else MEMORY),
    }
    wanted = [word for word in sys.argv[1:] if word != "--quick"] or list(sections)
    if unknown := [word for word in wanted if word not in sections]:
        raise SystemExit(f"there is no section '{unknown[0]}'; there are {', '.join(sections)}")
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder, _edge_server(folder) as address:
            for name in wanted:
                rows.extend(sections[name](address, folder))
    finally:  # what was measured before something failed is worth having
        print(file=sys.stderr)
        _write(rows)
        _show(rows)


def _write(rows: list[Row]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["what", "value", "unit", "bar", "note"])
        writer.writerows([row.what, row.value, row.unit, row.bar, row.note] for row in rows)


def _show(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("what", "value", "bar", "holds", "note"):
        table.add_column(column, justify="left" if column in ("what", "note") else "right")
    for row in rows:
        bar = "" if row.bar is None else f"{row.bar:.3g} {row.unit}"
        table.add_row(row.what, f"{row.value:.3g} {row.unit}", bar, row.holds, row.note)
    Console(width=110).print(table)


# ---------------------------------------------------------------------------- latency


def _latencies(address: str, folder: str) -> list[Row]:
    """Wall time of a call, over what was predicted just before and over plain gRPC."""
    model = fusepath.load_model(NETWORK)
    pixels = frame(model, 0)
    sessions = {
        name: fusepath.Session(model, address, plan=plan, options=AS_PLANNED)
        for name, plan in plans(model, address).items()
    }
    calls: dict[str, Callable[[], object]] = {}
    rehearsed_s = {}
    for name, session in sessions.items():
        session.wait_ready(120)
        rehearsed_s[name] = _predicted_s(session)  # which is of no frame yet
        calls[name] = lambda session=session: session.infer(pixels)
    file = Path(folder) / "net.onnx"
    file.write_bytes(model.original)
    with _plain_server(file) as plain_address:
        calls["plain gRPC"] = _plain_call(plain_address, pixels)
        predicted_s: dict[str, list[float]] = {name: [] for name in sessions}
        taken_s = _in_turn(calls, REPEATS, before=partial(_predict, sessions, predicted_s))
    rows = []
    for name in sessions:
        pairs = zip(taken_s[name], predicted_s[name][-REPEATS:], strict=True)
        q1, over_s, q3 = _quartiles([wall_s - 1.05 * before_s for wall_s, before_s in pairs])
        median_s, first_s = statistics.median(taken_s[name]), rehearsed_s[name]
        rows.append(
            Row(
                what=f"{name}: wall over 1.05 x predicted",
                value=over_s * 1e3,
                unit="ms",
                bar=3.0,
                note=f"({q1 * 1e3:.1f} to {q3 * 1e3:.1f}); wall {median_s * 1e3:.1f}, "
                f"predicted {statistics.median(predicted_s[name][-REPEATS:]) * 1e3:.1f}",
            )
        )
        rows.append(
            Row(
                what=f"{name}: wall over 1.05 x rehearsed",
                value=(median_s - 1.05 * first_s) * 1e3,
                unit="ms",
                note=f"rehearsed {first_s * 1e3:.1f}, before all frames",
            )
        )
    pairs = zip(taken_s["full offload"], taken_s["plain gRPC"], strict=True)
    q1, over_s, q3 = _quartiles([ours - theirs for ours, theirs in pairs])
    rows.append(
        Row(
            what="full offload: wall over plain gRPC, pair by pair",
            value=over_s * 1e3,
            unit="ms",
            bar=1.5,
            note=f"({q1 * 1e3:.1f} to {q3 * 1e3:.1f}); plain "
            f"{statistics.median(taken_s['plain gRPC']) * 1e3:.1f}",
        )
    )
    for session in sessions.values():
        session.close()
    return rows


def _predict(
    sessions: dict[str, fusepath.Session], predicted_s: dict[str, list[float]], name: str
) -> None:
    """Write down what a session predicts, before the frame that it is compared with."""
    if name in sessions:
        predicted_s[name].append(_predicted_s(sessions[name]))


def _predicted_s(session: fusepath.Session) -> float:
    assert session.predicted is not None
    return session.predicted.end_s


@contextmanager
def _plain_server(model: Path) -> Iterator[str]:
    script = PEERS / "plain_offload.py"
    command = [sys.executable, str(script), "edge", str(model), "--listen", "127.0.0.1:0"]
    with _program(command) as line:
        yield json.loads(line)["listen"]


def _plain_call(address: str, pixels) -> Callable[[], object]:
    sys.path.insert(0, str(PEERS))
    import plain  # noqa: PLC0415 - written without fusepath, and a script of its own

    infer = plain.method(plain.connect(address), "Infer")
    image = pixels.transpose(2, 0, 1)[None]
    return lambda: plain.from_bytes(infer(plain.to_bytes(image)))


def _in_turn(
    calls: dict[str, Callable[[], object]], repeats: int, *, before: Callable[[str], None]
) -> dict[str, list[float]]:
    taken_s: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + WARM_UP):
        for name, call in calls.items():
            before(name)
            started_s = time.perf_counter()
            call()
            if turn >= WARM_UP:
                taken_s[name].append(time.perf_counter() - started_s)
            time.sleep(0.01)
    return taken_s


# ---------------------------------------------------------------------------- starts, memory


def _starts(address: str, folder: str, *, count: int) -> list[Row]:
    rows = []
    for what, slowdown, pace in (("this machine", 1, 0), ("20 x slower, 1.8 MB/s", 20, 1.8e6)):
        cold, warm = [], []
        for turn in range(count):
            cache = f"{folder}/cache-{slowdown}-{turn}"
            cold.append(_child(cache, "start", address, str(slowdown), str(pace)))
            warm.append(_child(cache, "start", address, str(slowdown), str(pace)))
        exact = all(item["exact"] for item in cold + warm)
        for kind, answers, bar in (("cold", cold, 2.0), ("warm", warm, 1.0)):
            first = _quartiles([item["first_s"] for item in answers])
            near = _quartiles([item["near_s"] for item in answers])
            ready_s = statistics.median(item["ready_s"] for item in answers)
            found = ", ".join(f"{item['plan']} of {item['paths']}" for item in answers)
            rows.append(
                Row(
                    what=f"{kind} start, {what}: first answer",
                    value=first[1],
                    unit="s",
                    bar=bar if slowdown == 1 else None,
                    note=f"{first[0]:.2f}-{first[2]:.2f}; {'exact' if exact else 'WRONG'}",
                )
            )
            rows.append(
                Row(
                    what=f"{kind} start, {what}: plan within 3 %",
                    value=near[1],
                    unit="s",
                    bar=10.0 if slowdown > 1 else None,
                    note=f"{near[0]:.1f}-{near[2]:.1f}; ready {ready_s:.1f} s; {found}",
                )
            )
    return rows


def _frames(address: str, folder: str, *, count: int) -> Iterator[Row]:
    for kind in ("auto", "tiles 2x2", "strips"):
        answer = _child(f"{folder}/cache-frames", "frames", address, str(count), kind)
        held_bytes, descriptors = zip(*answer["marks"], strict=True)
        fifth = MARKS // 5
        early = statistics.median(held_bytes[fifth : 2 * fifth])
        late = statistics.median(held_bytes[-fifth:])
        what = f"{count} frames, {kind}"
        yield Row(
            what=f"{what}: results that are not exact",
            value=count - answer["exact"],
            unit="",
            bar=0,
            note=f"{answer['paths']} paths",
        )
        yield Row(
            what=f"{what}: memory gained, last fifth over second",
            value=(late - early) / 2**20,
            unit="MiB",
            bar=1.0,
            note=f"{early / 2**20:.1f} to {late / 2**20:.1f}; after the first fifth "
            f"{min(held_bytes[fifth:]) / 2**20:.1f} to {max(held_bytes[fifth:]) / 2**20:.1f}",
        )
        gained = max(descriptors[fifth:]) - descriptors[fifth - 1]
        yield Row(what=f"{what}: descriptors gained", value=gained, unit="", bar=0)


def _memory(address: str, folder: str, *, names: Sequence[str]) -> Iterator[Row]:
    for name in names:
        plain = _child(f"{folder}/cache-memory", "memory", name, "plain", address)["bytes"]
        ours = _child(f"{folder}/cache-memory", "memory", name, "session", address)["bytes"]
        yield Row(
            what=f"memory of a session over plain ONNX Runtime, {name}",
            value=ours / plain,
            unit="x",
            bar=2.5,
            note=f"{ours / 2**20:.0f} MiB, plain {plain / 2**20:.0f}",
        )


# ---------------------------------------------------------------------------- processes


def _child(cache: str, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.session.child", *arguments],
        env={**os.environ, "XDG_CACHE_HOME": cache},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")
    print(".", end="", file=sys.stderr, flush=True)
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _edge_server(folder: str) -> Iterator[str]:
    command = [sys.executable, "-m", "fusepath", "serve", "--listen", "127.0.0.1:0"]
    with _program(command, cache=f"{folder}/cache-edge") as line:
        yield line.split()[2].rstrip(",")


@contextmanager
def _program(command: list[str], cache: str | None = None) -> Iterator[str]:
    environment = os.environ if cache is None else {**os.environ, "XDG_CACHE_HOME": cache}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
        finally:
            process.terminate()


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3


if __name__ == "__main__":
    main()
