"""How soon the studio answers: quick and refined, over HTTP, while a control is dragged.

    python -m benchmarks.studio

One server process; every question differs from the one before in the device or the link, as while
dragging, and is asked quick and then refined. Prints p50, p95 and the longest, and by how much the
quick plan is slower than the refined one (median). Reading a network is told by itself: it happens
once. Writes benchmarks/results/studio.csv.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import append_rows

RESULTS = Path(__file__).parent / "results" / "studio.csv"
MODELS = ("zoo:squeezenet", "zoo:tiny-yolov2", "zoo:yolov8n")
DEPTHS = ("quick", "refined")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question, answered twice."""

    model: str
    number: int
    quick_s: float
    refined_s: float
    quick_makespan_s: float
    refined_makespan_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=20, help="of every model")
    parser.add_argument("--models", nargs="+", default=MODELS)
    given = parser.parse_args()
    RESULTS.unlink(missing_ok=True)
    command = [sys.executable, "-m", "fusepath", "studio", given.models[0]]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(3)]
            address = json.loads("".join(lines))["address"].removeprefix("http://").rstrip("/")
            print(
                f"{'model':<18}{'depth':<9}{'p50':>8}{'p95':>8}{'longest':>9}{'over refined':>14}"
                f"{'reading':>9}"
            )
            for model in given.models:
                begun_s = time.perf_counter()
                ask(address, question(model, 0), "quick")
                reading_s = time.perf_counter() - begun_s
                rows = [measure(address, model, number + 1) for number in range(given.questions)]
                append_rows(RESULTS, Row, rows)
                tell(rows, reading_s)
        finally:
            server.terminate()


def measure(address: str, model: str, number: int) -> Row:
    times_s, makespans_s = [], []
    for depth in DEPTHS:
        begun_s = time.perf_counter()
        told = ask(address, question(model, number), depth)
        times_s.append(time.perf_counter() - begun_s)
        makespans_s.append(told["makespan_s"])
    return Row(
        model=model,
        number=number,
        quick_s=times_s[0],
        refined_s=times_s[1],
        quick_makespan_s=makespans_s[0],
        refined_makespan_s=makespans_s[1],
    )


def tell(rows: list[Row], reading_s: float) -> None:
    count = len(rows)
    over = sorted(row.quick_makespan_s / row.refined_makespan_s - 1 for row in rows)[count // 2]
    beside = {"quick": f"{over:>14.1%}{reading_s:>7.1f} s", "refined": ""}
    for depth in DEPTHS:
        times_s = sorted(getattr(row, f"{depth}_s") for row in rows)
        p50_s, p95_s = (times_s[math.ceil(share * count) - 1] for share in (0.5, 0.95))
        print(
            f"{rows[0].model:<18}{depth:<9}{p50_s * 1e3:>5.0f} ms{p95_s * 1e3:>5.0f} ms"
            f"{times_s[-1] * 1e3:>6.0f} ms{beside[depth]}",
            flush=True,
        )


def question(model: str, number: int) -> dict[str, Any]:
    """Dragged: the device from 3 to 60 GFLOPS, the link from 8 to 0.5 MB/s."""
    share = number % 20 / 20
    rate = f"{8 * (0.5 / 8) ** share:.3g}MB/s"
    return {
        "model": model,
        "device": f"{3 * 20**share:.3g}GFLOPS",
        "edge": "500GFLOPS",
        "up": rate,
        "down": rate,
    }


def ask(address: str, asked: dict[str, Any], depth: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(address, timeout=60)
    body = json.dumps({"question": asked, "depth": depth})
    connection.request("POST", "/api/answers", body)
    response = connection.getresponse()
    told: dict[str, Any] = json.loads(response.read())
    assert response.status == 200, told
    connection.close()
    return told


if __name__ == "__main__":
    main()
