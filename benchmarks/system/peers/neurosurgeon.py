"""One cut for the whole network, chosen from measured times: Neurosurgeon's split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import plain
from crossing import Crossings


def edge(model: str, listen: str) -> None:
    crossings = Crossings(model)
    random = np.random.default_rng(0)
    times: dict[str, float] = {}
    for name in crossings.names[:-1]:
        session = plain.session(crossings.behind(name).SerializeToString())
        value = random.random(crossings.shapes[name], dtype=np.float32)
        times[name] = plain.quiet_s(lambda s=session, v=value: plain.run(s, v))
    times[crossings.output] = 0.0
    ready: dict[str, object] = {}

    def prepare(data: bytes) -> bytes:
        ready["session"] = plain.session(crossings.behind(data.decode()).SerializeToString())
        return b""

    def infer(data: bytes) -> bytes:
        value = plain.from_bytes(data)
        if value.dtype == np.uint8:
            value = plain.to_input(value)
        return plain.to_bytes(plain.run(ready["session"], value))

    plain.serve(
        listen,
        {"Times": lambda _: json.dumps(times).encode(), "Prepare": prepare, "Infer": infer},
    )


def device(model: str, image: str, address: str) -> None:
    crossings = Crossings(model)
    pixels = np.load(image)
    channel = plain.connect(address)
    edge_s = json.loads(plain.method(channel, "Times")(b""))
    infer, prepare_edge = plain.method(channel, "Infer"), plain.method(channel, "Prepare")
    device_s = {crossings.input: 0.0}
    for name in crossings.names[1:]:
        session = plain.session(crossings.before(name).SerializeToString())
        device_s[name] = plain.quiet_s(lambda s=session: plain.run(s, plain.to_input(pixels)))
    result_bytes = _bytes(crossings.shapes[crossings.output])
    chosen: dict[str, object] = {}

    def prepare(slowdown: float, rate_bytes_per_s: float) -> dict:
        def latency_s(name: str) -> float:
            if name == crossings.output:
                return slowdown * device_s[name]
            up_bytes = pixels.nbytes if name == crossings.input else _bytes(crossings.shapes[name])
            link_s = (up_bytes + result_bytes) / rate_bytes_per_s
            return slowdown * device_s[name] + link_s + edge_s[name]

        cut = min(crossings.names, key=latency_s)
        chosen["cut"] = cut
        chosen["session"] = None
        if cut != crossings.input:
            chosen["session"] = plain.session(crossings.before(cut).SerializeToString())
            quiet_s = plain.quiet_s(lambda: plain.run(chosen["session"], plain.to_input(pixels)))
            chosen["target_s"] = slowdown * quiet_s
        if cut != crossings.output:
            prepare_edge(cut.encode())
            run()
        return {"choice": f"cut at {cut}", "predicted_s": latency_s(cut)}

    def run() -> tuple[list[np.ndarray], int]:
        value = pixels
        if chosen["session"] is not None:
            value = plain.stretched(
                lambda: plain.run(chosen["session"], plain.to_input(pixels)), chosen["target_s"]
            )
        if chosen["cut"] == crossings.output:
            return [value], 0
        return [plain.from_bytes(infer(plain.to_bytes(value)))], value.nbytes

    plain.obey(prepare, run)


def _bytes(shape: tuple[int, ...]) -> int:
    return 4 * int(np.prod(shape))


if __name__ == "__main__":
    given = plain.arguments(__doc__)
    if given.role == "edge":
        edge(str(Path(given.model)), given.listen)
    else:
        device(given.model, given.image, given.edge)
