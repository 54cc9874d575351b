"""How soon the studio answers: quick and refined, over HTTP, while a control is dragged.

    python -m benchmarks.studio

One server process; every question differs from the one before in the device or the link, as while
dragging, and is asked quick and then refined. Prints p50, p95 and the longest, and by how much the
quick plan is slower than the refined one. Reading a network is told by itself: it happens once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import subprocess
import sys
import time
from typing import Any

MODELS = ("zoo:squeezenet", "zoo:tiny-yolov2", "zoo:yolov8n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=20, help="of every model")
    parser.add_argument("--models", nargs="+", default=MODELS)
    given = parser.parse_args()
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
            )
            for model in given.models:
                measure(address, model, given.questions)
        finally:
            server.terminate()


def measure(address: str, model: str, count: int) -> None:
    ask(address, question(model, 0), "quick")  # reads the network
    taken: dict[str, list[float]] = {"quick": [], "refined": []}
    over = []
    for number in range(1, count + 1):
        makespan_s = {}
        for depth, times_s in taken.items():
            begun_s = time.perf_counter()
            told = ask(address, question(model, number), depth)
            times_s.append(time.perf_counter() - begun_s)
            makespan_s[depth] = told["makespan_s"]
        over.append(makespan_s["quick"] / makespan_s["refined"] - 1)
    for depth, times_s in taken.items():
        times_s.sort()
        p50_s, p95_s = (times_s[math.ceil(share * count) - 1] for share in (0.5, 0.95))
        beyond = f"{sorted(over)[count // 2]:>13.1%}" if depth == "quick" else ""
        print(
            f"{model:<18}{depth:<9}{p50_s * 1e3:>5.0f} ms{p95_s * 1e3:>5.0f} ms"
            f"{times_s[-1] * 1e3:>6.0f} ms{beyond:>14}"
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
