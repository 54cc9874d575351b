"""`fusepath run` of several inputs, folders, patterns and videos: each in its turn, and exact."""

from __future__ import annotations

import json
import os
from functools import cache

import numpy as np
import pytest
from PIL import Image

from fusepath.cli.main import run
from fusepath.errors import ImageError
from fusepath.offload import run_frames as frames_module
from fusepath.offload.frames import FrameFormat
from fusepath.offload.order import SessionOptions
from fusepath.offload.run_frames import run_frames
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.pictures.frame import pixels_of
from fusepath.pictures.sources import named_frames
from fusepath.plan import InputFormat
from fusepath.spelling import path_of
from tests.plans import plan_of
from tests.written_models import net

SOURCE = "zoo:squeezenet?size=64&weights=integer"
QUICKLY = ["--edge", "memory:", "--no-cache", "--evaluations", "500", "--compress", "off"]
MACHINES = ["--device", "1GFLOPS", "--edge-machine", "9GFLOPS", "--link", "1MB/s"]


@cache
def model():
    return load_model(SOURCE)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 80 * (number + 1), (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    np.save(tmp_path / "3.npy", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def expected(source) -> list[np.ndarray]:
    frames = [frame for _, frame in named_frames(source, target=model().graph.input)]
    return [run_unsplit(model(), pixels_of(frame), InputFormat())["output"] for frame in frames]


def asked(*words: object) -> int:
    return run(["run", SOURCE, *map(str, words), *QUICKLY, *MACHINES])


@pytest.mark.parametrize("in_flight", ["1", "3"])
def test_every_frame_of_a_folder_is_answered_in_its_turn(
    photos, tmp_path_factory, capfd, in_flight
):
    written = tmp_path_factory.mktemp("written") / "out.npz"
    assert asked(photos, "--in-flight", in_flight, "--verify", "-o", written, "--json") == 0

    document = json.loads(capfd.readouterr().out)
    names = [str(photos / name) for name in ("0.png", "1.png", "2.png", "3.npy")]
    assert [row["input"] for row in document["inputs"]] == names
    assert document["count"] == 4
    assert document["verified"] is document["exact"] is True
    assert all(row["bit_equal"] and row["latency_s"] > 0 for row in document["inputs"])
    assert document["up_bytes"] == sum(row["up_bytes"] for row in document["inputs"])
    with np.load(written) as arrays:
        assert list(arrays["inputs"]) == names
        for number, wanted in enumerate(expected(photos)):
            np.testing.assert_array_equal(arrays[f"{number}/output"], wanted)


def test_rows_fit_a_terminal_and_say_what_they_come_to(photos, capfd):
    assert asked(photos / "[01].png", photos / "2.png", "--verify") == 0

    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["input", "latency", "sent", "answered", "by"]
    assert [line.split()[0][-5:] for line in lines[1:4]] == ["0.png", "1.png", "2.png"]
    assert all(line.endswith(", equal") for line in lines[1:4])
    assert lines[5].startswith("inputs       3 in ")
    assert lines[-1].endswith("3 of 3 match the unsplit model, 3 of them bit for bit")


def test_names_of_any_bytes_have_a_line_each(photos, capfd):
    (photos / os.fsdecode(b"l\xe9.png")).write_bytes((photos / "0.png").read_bytes())
    (photos / "new\nline.png").write_bytes((photos / "0.png").read_bytes())
    named = photos / "[ln]*.png"

    assert asked(named) == 0
    first, second = capfd.readouterr().out.splitlines()[1:3]
    assert r"l\xe9.png  " in first
    assert "new line.png  " in second
    assert asked(named, "--json") == 0
    rows = json.loads(capfd.readouterr().out)["inputs"]
    assert [path_of(row["input"]) for row in rows] == [
        str(photos / os.fsdecode(b"l\xe9.png")),
        str(photos / "new\nline.png"),
    ]


def test_arrays_for_a_batch_hold_all_of_its_images(tmp_path, capfd):
    body = """(float[n,c,h,w] y) {
        y = Conv<pads = [1, 1, 1, 1]>(x, k)
    }"""
    made = net(body, shape="2,3,16,16", k=(4, 3, 3, 3), integer=True)
    made.save(tmp_path / "two.onnx")
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.full((2, 3, 16, 16), number, np.float32))
    words = ["run", str(tmp_path / "two.onnx"), str(tmp_path / "*.npy"), "--verify", *QUICKLY]
    assert run([*words, *MACHINES]) == 0
    assert "2 of 2 match the unsplit model, 2 of them" in capfd.readouterr().out


def test_no_more_frames_are_read_than_are_asked_for(photos, capfd):
    first, *others = (Image.new("RGB", (64, 64), (value, 0, 0)) for value in range(4))
    film = photos / "film.webp"
    first.save(film, save_all=True, append_images=others, lossless=True)
    (photos / "z.png").write_bytes(b"no picture")

    assert asked(film, photos / "z.png", "--frames", 3, "--json") == 0
    rows = json.loads(capfd.readouterr().out)["inputs"]
    assert [row["input"] for row in rows] == [f"{film} {number}" for number in range(3)]


def test_what_was_answered_before_a_damaged_picture_is_said_and_written(photos, capfd):
    (photos / "z.png").write_bytes(b"no picture")
    written = photos / "out.npz"

    assert asked(photos, "-o", written) == 2
    out, err = capfd.readouterr()
    assert "inputs       4 in" in out
    assert "z.png" in err.splitlines()[-1]
    with np.load(written) as arrays:
        assert len(arrays["inputs"]) == 4

    written.unlink()
    assert asked(photos, "--json") == 2
    document = json.loads(capfd.readouterr().out)
    assert document["count"] == len(document["inputs"]) == 4
    assert "z.png" in document["error"]
    assert document["exit_code"] == 2


def test_a_result_that_differs_is_named_and_ends_with_1(photos, capfd, monkeypatch):
    judged, only = [], frames_module.measured_reference

    def sometimes(*given, **more):
        reference = only(*given, **more)
        judged.append(reference)
        if len(judged) == 2:
            wrong = {name: value + 1 for name, value in reference.outputs.items()}
            return frames_module.replace(reference, outputs=wrong)
        return reference

    monkeypatch.setattr(frames_module, "measured_reference", sometimes)
    assert asked(photos, "--verify") == 1
    out, err = capfd.readouterr()
    rows = out.splitlines()[1:5]
    assert [row.endswith("DIFFERS") for row in rows] == [False, True, False, False]
    assert "1 result of 4 differ" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--repeat", 2], "--repeat"),
        (["--until-stable", 2], "--until-stable"),
        (["--trace", "t"], "--trace"),
    ],
)
def test_what_is_of_one_input_is_refused_for_many(photos, capfd, words, said):
    assert asked(photos, *words) == 2
    assert f"{said} is for one input" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["--frames", 2], ["--reuse"]])
def test_what_is_of_many_inputs_is_refused_for_one(photos, capfd, words):
    assert asked(photos / "0.png", *words) == 2
    assert f"{words[0]} is for several" in capfd.readouterr().err


def test_what_is_as_before_is_not_done_again(photos, capfd):
    same = [photos / "1.png"] * 3
    assert asked(*same, photos / "2.png", "--reuse", "--verify") == 0
    lines = capfd.readouterr().out.splitlines()
    assert ["nothing new" in line for line in lines[1:5]] == [False, True, True, False]
    assert any(line.startswith("reused       ") for line in lines)
    assert lines[-1].endswith("4 of 4 match the unsplit model, 4 of them bit for bit")

    assert asked(*same, "--reuse", "--json") == 0
    rows = json.loads(capfd.readouterr().out)["inputs"]
    assert [row["up_bytes"] > 0 for row in rows] == [True, False, False]
    assert rows[1]["saved_up_bytes"] == rows[0]["up_bytes"]


def test_a_folder_without_pictures_is_refused(tmp_path, capfd):
    assert asked(tmp_path) == 2
    assert "is a folder without pictures" in capfd.readouterr().err


def test_a_plan_that_is_given_brings_its_chain_and_stays(photos):
    plan = plan_of(model(), tau=3, grid=(2, 2), cuts=[1, 2, 3, 4])
    inputs = named_frames(photos, target=model().graph.input)
    options = SessionOptions(remember=False)
    answers = run_frames(
        model(), inputs, "memory:", plan=plan, options=options, frames=FrameFormat(std=(1.0,))
    )
    found = list(answers)

    assert {answer.inference.plan.recipe_sha256 for answer in found} == {plan.recipe_sha256}
    assert all(answer.comparison is None and answer.changes is None for answer in found)


def test_of_nothing_there_is_no_answer():
    with pytest.raises(ImageError, match="nothing to run on"):
        next(run_frames(model(), [], "memory:"))


def test_what_a_lossy_plan_changes_is_said_over_all_inputs(photos, capfd):
    words = ["--lossy", "fp16", "--keep-on-device", "1", "--algorithm", "nfl", "--no-cache"]
    machines = ["--device", "0.1GFLOPS", "--edge-machine", "900GFLOPS", "--link", "100kB/s"]
    asked = ["run", SOURCE, str(photos), "--edge", "memory:", *words, *machines, "--json"]
    assert run(asked) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["exact"] is False
    (change,) = document["changes"].values()
    assert change["samples"] == sum(not row["exact"] for row in document["inputs"])
