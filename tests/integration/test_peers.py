"""The benchmark's peers compute what the unsplit model computes, on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from benchmarks.models.measure import load
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame
from fusepath.plan import Fit, InputFormat, Preprocessing
from fusepath.runtime.compare import compare
from tests.plans import pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

PEERS = Path(__file__).parents[2] / "benchmarks" / "system" / "peers"
SLOW, FAST = {"slowdown": 3.0, "rate_bytes_per_s": 1e9}, {"slowdown": 1.0, "rate_bytes_per_s": 1e3}


@contextmanager
def program(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(PEERS / f"{name}.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def ask(process: subprocess.Popen[str], command: dict[str, object]) -> dict[str, object]:
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def written(file: Path, reference: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs that a peer has written, by the names of the model's."""
    with np.load(file) as arrays:
        return dict(zip(reference, arrays.values(), strict=True))


@pytest.mark.parametrize("name", ["plain_offload", "neurosurgeon", "deepthings"])
@pytest.mark.parametrize(
    "network",
    [
        "squeezenet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "tiny-yolov2")),
    ],
)
def test_a_peer_gives_the_result_of_the_unsplit_model(network, name, tmp_path):
    model = load_model(f"zoo:{network}?size=96")
    file, picture, output = (tmp_path / part for part in ("m.onnx", "image.npy", "out.npz"))
    file.write_bytes(model.original)
    image = pixels(model)
    np.save(picture, image)
    reference = run_unsplit(model, image, InputFormat())

    with program(name, "edge", str(file), "--listen", "127.0.0.1:0") as edge:
        address = json.loads(edge.stdout.readline())["listen"]
        with program(name, "device", str(file), str(picture), "--edge", address) as device:
            assert json.loads(device.stdout.readline()) == {"ready": True}
            for conditions in (SLOW, FAST):  # the two ends, for a peer that chooses
                ask(device, {"do": "prepare", **conditions})
                for _ in range(2):
                    output.unlink(missing_ok=True)
                    answer = ask(device, {"do": "run", "output": str(output)})
                    comparison = compare(written(output, reference), reference)
                    assert comparison.passed, comparison
                    assert answer["latency_s"] > 0


@pytest.mark.parametrize("file", sorted(PEERS.glob("*.py")), ids=lambda file: file.name)
def test_no_peer_imports_fusepath(file):
    assert "import fusepath" not in file.read_text()
    assert "from fusepath" not in file.read_text()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("forward_file", ".jpg"), ("lossless_webp", ".jpg"), ("lossless_webp", ".npy")],
)
@pytest.mark.parametrize("network", ["zoo:squeezenet?size=64", "ultraface"])
def test_a_peer_that_sends_pictures_gives_the_results_of_the_decoded_picture(
    network, name, suffix, tmp_path
):
    model = load(network)
    file, picture, output = (tmp_path / part for part in ("m.onnx", f"image{suffix}", "out.npz"))
    file.write_bytes(model.original)
    if suffix == ".jpg":
        noise = np.random.default_rng(0).integers(0, 256, (90, 131, 3), dtype=np.uint8)
        Image.fromarray(noise).save(picture, quality=80)
        chain = Preprocessing(fit=Fit.CROP)
        image = PictureFrame.of(PictureFile.read(str(picture)), chain, model.graph.input).pixels()
    else:
        image = pixels(model)
        np.save(picture, image)
    reference = run_unsplit(model, image, InputFormat())

    with program(name, "edge", str(file), "--listen", "127.0.0.1:0") as edge:
        address = json.loads(edge.stdout.readline())["listen"]
        with program(name, "device", str(file), str(picture), "--edge", address) as device:
            assert json.loads(device.stdout.readline()) == {"ready": True}
            ask(device, {"do": "prepare", **SLOW})
            told = ask(device, {"do": "run", "output": str(output)})

    assert told["up_bytes"] > 0
    assert compare(written(output, reference), reference).passed
