"""The command line from outside: JSON, exit codes, and one line for everything that is wrong."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from fusepath.cli.main import run as run_command_line
from fusepath.cost import parse_link, parse_machine
from fusepath.offload import run as run_module
from fusepath.offload.verify import Reference
from fusepath.onnx_io import load_model, zoo
from fusepath.plan import (
    Latency,
    PlanRequest,
    Setting,
    Throughput,
    comparison,
    load_plan,
    make_rotation,
)
from fusepath.runtime.stage import WholeStage
from fusepath.timeline import Timeline, violations
from tests.commands import COMMANDS
from tests.edges import edge_server
from tests.small_detector import small_detector_bytes

if TYPE_CHECKING:
    from collections.abc import Callable


MODEL = "zoo:squeezenet?size=32"
SIZE = 32
MACHINES = ["--device", "10GFLOPS", "--edge", "500GFLOPS", "--link", "1.1MB/s"]


@dataclass(frozen=True)
class Called:
    """What a command left behind."""

    code: int
    out: str
    complaints: list[str]
    """Lines of standard error that do not merely tell what is going on."""

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, which must be one JSON object and nothing else."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


@pytest.fixture
def fusepath(capfd: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Runs a command line in this process; sees what C code prints, too."""

    def call(*arguments: object) -> Called:
        capfd.readouterr()
        code = run_command_line([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        complaints = [line for line in err.splitlines() if not line.endswith(" …")]
        return Called(code, out, complaints)

    return call


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad files of every kind that a command reads."""
    folder = tmp_path_factory.mktemp("files")
    data = zoo.serialize(zoo.build("squeezenet", input_size=SIZE))
    (folder / "good.onnx").write_bytes(data)
    (folder / "small.onnx").write_bytes(small_detector_bytes(SIZE))
    own = zoo.build("squeezenet", input_size=SIZE, seed=77)
    (folder / "own.onnx").write_bytes(zoo.serialize(own))
    (folder / "half.onnx").write_bytes(data[: len(data) // 2])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "text.onnx").write_text("this is no model\n")
    (folder / "folder.onnx").mkdir()
    _write_strange_models(folder, data)

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "good.png")
    Image.fromarray(pixels[:20]).save(folder / "low.png")
    Image.fromarray(pixels).save(folder / "good.jpg")
    (folder / "half.png").write_bytes((folder / "good.png").read_bytes()[:500])
    (folder / "text.png").write_text("this is no picture\n")
    (folder / "empty.png").write_bytes(b"")
    np.save(folder / "good.npy", pixels.transpose(2, 0, 1)[None])
    np.save(folder / "floats.npy", pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    np.save(folder / "doubles.npy", pixels.astype(np.float64))
    np.save(folder / "flat.npy", pixels.reshape(-1))
    np.save(folder / "scalar.npy", np.uint8(7))
    np.save(folder / "nothing.npy", np.zeros((0, 3, 2), np.uint8))
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "half.npy").write_bytes((folder / "good.npy").read_bytes()[:200])
    (folder / "text.npy").write_text("this is no array\n")
    (folder / "empty.npy").write_bytes(b"")
    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': "
    huge = header + b"(99999999999999, 3), }"
    (folder / "huge.npy").write_bytes(huge + b" " * (127 - len(huge)) + b"\n" + bytes(64))
    with (folder / "archive.npy").open("wb") as stream:
        np.savez(stream, image=pixels, other=pixels)
    return folder


def _write_strange_models(folder: Path, data: bytes) -> None:
    model = onnx.ModelProto.FromString(data)
    model.graph.node[3].op_type, model.graph.node[3].domain = "Magic", "my.domain"
    model.opset_import.append(helper.make_opsetid("my.domain", 1))
    (folder / "custom.onnx").write_bytes(model.SerializeToString())
    model = onnx.ModelProto.FromString(data)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    (folder / "dynamic.onnx").write_bytes(model.SerializeToString())
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, SIZE, SIZE))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, 3, 1, 1))
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"], "average"),
        helper.make_node("Relu", ["mean"], ["output"], "relu"),
    ]
    graph = helper.make_graph(nodes, "untileable", [image], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "untileable.onnx").write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def plans(files: Path) -> Path:
    """Good and bad plan files, beside the others."""
    arguments = [*MACHINES, "--grid", "2x2", "--tau", "4"]
    good = files / "good.json"
    assert run_command_line(["plan", MODEL, *arguments, "-o", str(good)]) == 0
    other = files / "other.json"
    assert run_command_line(["plan", f"{MODEL}&seed=1", *arguments, "-o", str(other)]) == 0
    document = json.loads(good.read_text())
    strange = {
        "past": {"format": "fusepath-plan", "version": 1, "tau": 4, "grid": [2, 2]},
        "future": document | {"version": 3},
        "further": document | {"version": 3, "novelty": [1]},
        "unknown": document | {"surprise": 1},
        "absurd": document | {"cuts": [99] * 4},
        "typed": document | {"tau": "four"},
        "short": {key: value for key, value in document.items() if key != "recipe"},
        "listed": [document],
    }
    for name, value in strange.items():
        (files / f"{name}.json").write_text(json.dumps(value))
    (files / "half.json").write_bytes(good.read_bytes()[:300])
    (files / "empty.json").write_bytes(b"")
    (files / "binary.json").write_bytes(bytes(range(256)))
    link = {"version": 1, "up_bytes_per_s": 1e6, "down_bytes_per_s": 1e6}
    (files / "link.json").write_text(json.dumps(link))
    (files / "dead-link.json").write_text(json.dumps(link | {"up_bytes_per_s": 0}))
    (files / "next-link.json").write_text(json.dumps(link | {"version": 2}))
    return files


def in_a_process(*arguments: object, script: str = "", wait_s: float = 60) -> Called:
    """Runs a command line as a user would, or a script around it."""
    program = ["-c", script] if script else ["-m", "fusepath"]
    done = subprocess.run(
        [sys.executable, *program, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        timeout=wait_s,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if not line.endswith(" …")]
    return Called(done.returncode, done.stdout, complaints)


def assert_complains(called: Called, code: int, words: str) -> None:
    assert called.complaints, called
    if called.out:  # under --json
        assert called.json == {
            "error": called.complaints[0].removeprefix("fusepath: "),
            "exit_code": code,
        }
    assert len(called.complaints) == 1, called.complaints
    assert called.complaints[0].startswith("fusepath: ")
    assert re.search(words, called.complaints[0]), called.complaints[0]
    assert called.code == code


# ---------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(fusepath, command):
    called = fusepath(command, "--help")

    assert called.code == 0
    assert called.out.startswith(f"Usage: fusepath {command}")
    assert "--json" in called.out
    assert called.complaints == []


def test_help_lists_every_command(fusepath):
    called = fusepath("--help")

    assert called.code == 0
    assert set(COMMANDS) <= set(called.out.split())
    assert called.complaints == []


def test_no_command_at_all_shows_the_help(fusepath):
    assert fusepath().out == fusepath("--help").out


def test_the_version_is_told(fusepath):
    assert re.fullmatch(r"fusepath \d+\.\d+\S*\n", fusepath("--version").out)


def test_inspect_tells_layers_and_how_far_they_can_be_tiled(fusepath):
    document = fusepath("inspect", MODEL, "--json").json

    assert document["name"] == "squeezenet"
    assert document["input_shape"] == [1, 3, SIZE, SIZE]
    assert document["tileable_layers"] == len(document["layers"]) - 1
    assert document["barrier"]["op_type"] == "GlobalAveragePool"
    assert document["macs"] == sum(layer["macs"] for layer in document["layers"])
    assert document["tileable_share"] == 1.0  # the pool behind the prefix multiplies nothing
    for index, layer in enumerate(document["layers"], start=1):
        assert layer["index"] == index
        assert layer.keys() >= {"name", "op_type", "macs", "input_bytes", "output_shape"}
    first = document["layers"][0]
    assert first["input_bytes"] == 3 * SIZE * SIZE
    assert first["macs"] == 7 * 7 * 3 * np.prod(first["output_shape"])


def test_inspect_shows_the_same_to_people(fusepath):
    called = fusepath("inspect", MODEL)

    assert called.code == 0
    assert "GlobalAveragePool" in called.out
    assert "layers 1 to 29 can be tiled" in called.out
    assert "100.0% of the MACs are in layers that can be tiled together" in called.out


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            [("Transpose", "x", "y")],
            "no layer can be tiled, it runs unsplit; 'Transpose_y' (Transpose) ends",
        ),
        (
            [("Relu", "x", "a"), ("Transpose", "a", "y")],
            "layer 1 can be tiled; 'Transpose_y' (Transpose) ends",
        ),
    ],
    ids=["none", "one"],
)
def test_inspect_counts_layers_that_can_be_tiled_as_one_would_say_it(
    fusepath, tmp_path, nodes, said
):
    image, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, 3, 8, 8)), ("y", None))
    )
    made = [helper.make_node(op, [source], [target]) for op, source, target in nodes]
    graph = helper.make_graph(made, "few", [image], [output])
    file = tmp_path / "few.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)

    assert said in fusepath("inspect", file).out
    planned = fusepath(
        "plan", file, *MACHINES, "--algorithm", "mw", "--tau", 2 if "1" in said else 1
    )
    assert planned.code == 2
    assert ("no layer can be tiled" in planned.complaints[0]) == ("no layer" in said)


def test_inspect_takes_a_shape_that_the_file_leaves_open(fusepath, files):
    called = fusepath("inspect", files / "dynamic.onnx", "--input-shape", "1,3,48,40", "--json")

    assert called.json["input_shape"] == [1, 3, 48, 40]


PLAN_KEYS = {
    "makespan_s",
    "lower_bound_s",
    "gap",
    "tau",
    "grid",
    "order",
    "cuts",
    "plans",
    "algorithm",
    "up_bytes",
    "device_macs",
    "edge_macs",
}


@pytest.mark.parametrize(
    "options",
    [
        ["--algorithm", "device-only"],
        ["--algorithm", "full-offload"],
        ["--algorithm", "nfl"],
        ["--algorithm", "mw"],
        ["--algorithm", "mw", "--grid", "2x2"],
        ["--algorithm", "mw", "--grid", "1x3", "--tau", "3"],
        ["--algorithm", "bf", "--grid", "1x2", "--tau", "3"],
        ["--algorithm", "stream"],
        ["--algorithm", "auto"],
    ],
    ids=" ".join,
)
def test_plan_tells_order_cuts_makespan_and_bound(fusepath, options):
    called = fusepath("plan", MODEL, *MACHINES, *options, "--json")

    document = called.json
    assert called.code == 0
    assert called.complaints == []
    assert document.keys() >= PLAN_KEYS
    rows, cols = map(int, document["grid"].split("x"))
    assert sorted(document["order"]) == list(range(1, rows * cols + 1))
    assert len(document["cuts"]) == rows * cols
    assert 0 <= document["lower_bound_s"] <= document["makespan_s"]
    assert 0 <= document["gap"] <= 1
    assert document["plans"] >= 1


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 3, 16, 16), "uint8"), ((1, 2, 16, 16), "float32")]
)
def test_plan_takes_a_model_that_takes_no_pictures_to_be_fed_values(
    fusepath, tmp_path, shape, dtype
):
    """As `run` is then, which refuses pictures for it."""
    weights = np.ones((4, shape[1], 3, 3), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 14, 14))],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "net.onnx")
    machines = ["--device", "1GFLOPS", "--edge", "9GFLOPS", "--link", "1MB/s"]

    plan = tmp_path / "plan.json"
    assert fusepath("plan", tmp_path / "net.onnx", *machines, "-o", plan).code == 0

    assert load_plan(plan).input.dtype == dtype


def test_plan_shows_the_same_to_people(fusepath):
    called = fusepath("plan", MODEL, *MACHINES, "--grid", "2x2", "--tau", "4")

    assert called.code == 0
    assert "fused layer  4, grid 2x2" in called.out
    assert "uplink" in called.out


def test_the_plan_in_the_file_is_the_plan_that_is_shown(fusepath, files, tmp_path):
    called = fusepath(
        "plan", files / "small.onnx", *MACHINES, "--json", "-o", tmp_path / "plan.json"
    )

    assert called.json == json.loads((tmp_path / "plan.json").read_text())


def test_what_plan_prints_is_a_plan_file(fusepath, tmp_path):
    printed = tmp_path / "printed.json"
    called = fusepath("plan", MODEL, *MACHINES, "--grid", "2x2", "--json")
    printed.write_text(called.out)

    simulated = fusepath("simulate", printed, "--json")

    assert simulated.code == 0
    assert simulated.json["makespan_s"] == pytest.approx(called.json["makespan_s"])


def test_plan_keeps_to_what_it_is_told(fusepath):
    limits = ["--upload", "2.5kB", "--device-macs", "20M", "--keep-on-device", 2]
    called = fusepath("plan", MODEL, *MACHINES, *limits, "--max-paths", 9, "--json")

    assert called.code == 0
    plan = called.json
    assert plan["request"]["constraints"] == {
        "device_macs": 20_000_000,
        "upload_bytes": 2500,
        "keep_on_device": 2,
        "max_paths": 9,
    }
    assert plan["up_bytes"] <= 2500
    assert plan["device_macs"] <= 20_000_000
    assert min(plan["cuts"]) > 2
    assert len(plan["cuts"]) <= 9


def test_plan_lists_the_best_ones(fusepath):
    called = fusepath("plan", MODEL, *MACHINES, "--top", 4, "--algorithm", "nfl", "--json")

    plans = called.json["plans"]
    assert len(plans) == 4
    assert [plan["makespan_s"] for plan in plans] == sorted(plan["makespan_s"] for plan in plans)

    shown = fusepath("plan", MODEL, *MACHINES, "--top", 4, "--algorithm", "nfl")
    assert shown.code == 0
    assert len(shown.out.splitlines()) == 5


STREAM = [MODEL, "--device", "10GFLOPS", "--edge", "200GFLOPS", "--link", "3MB/s"]
ROTATION_KEYS = {
    *("period_s", "frames_per_s", "lower_bound_s", "gap", "latency_s"),
    *("in_flight", "turns", "plans"),
}


@pytest.mark.parametrize("good_at", ["latency", "throughput"])
def test_plan_tells_what_make_rotation_finds(fusepath, good_at):
    asked = ["--objective", good_at, "--in-flight", 4, "--algorithm", "nfl"]
    document = fusepath("plan", *STREAM, *asked, "--json").json

    objective = {"latency": Latency, "throughput": Throughput}[good_at](in_flight=4)
    setting = Setting(
        graph=load_model(MODEL).graph,
        device=parse_machine("10GFLOPS"),
        edge=parse_machine("200GFLOPS"),
        link=parse_link("3MB/s"),
    )
    found = make_rotation(setting, PlanRequest(algorithm="nfl", objective=objective))
    assert document.keys() == ROTATION_KEYS
    assert document["turns"] == list(found.turns)
    assert len(document["plans"]) == len(found.plans) == (1 if good_at == "latency" else 2)
    for plan, same in zip(document["plans"], found.plans, strict=True):
        assert plan.keys() >= PLAN_KEYS
        assert plan["cuts"] == list(same.cuts)
    for key in ROTATION_KEYS - {"turns", "plans"}:
        assert document[key] == pytest.approx(getattr(found, key)), key


DRAWING = ["zoo:squeezenet?size=64", "--edge", "200GFLOPS", "--link", "0.8MB/s"]
DRAWING += ["--device", "10GFLOPS:wait=2.7,compute=20,send=3.4,receive=3.2", "--algorithm", "nfl"]


def test_plan_chooses_by_energy(fusepath):
    quick = fusepath("plan", *DRAWING, "--json").json
    thrifty = fusepath("plan", *DRAWING, "--objective", "energy", "--json").json
    weighted = ["--objective", "weighted", "--seconds-per-joule", "0.3"]
    between = fusepath("plan", *DRAWING, *weighted, "--json").json

    assert thrifty["energy_j"] < quick["energy_j"]
    assert thrifty["makespan_s"] > quick["makespan_s"]
    costs = [plan["makespan_s"] + 0.3 * plan["energy_j"] for plan in (between, quick, thrifty)]
    assert costs[0] == min(costs)
    limited = fusepath("plan", *DRAWING, "--max-energy", f"{quick['energy_j'] * 999}mJ", "--json")
    assert limited.json["energy_j"] < quick["energy_j"]
    assert "energy       " in fusepath("plan", *DRAWING, *weighted).out
    assert_complains(fusepath("plan", *DRAWING, "--max-energy", "1mJ"), 4, "but --max-energy")


def test_front_lists_and_draws_what_costs_what(fusepath, tmp_path):
    pytest.importorskip("matplotlib")
    document = fusepath("front", *DRAWING, "--json").json
    shown = fusepath("front", *DRAWING, "-o", tmp_path / "front.svg")

    assert document["plans"][0]["makespan_s"] == min(
        plan["makespan_s"] for plan in document["plans"]
    )
    assert document["energy_bound_j"] <= min(plan["energy_j"] for plan in document["plans"])
    assert f"{len(document['plans'])} of {document['considered']} plans" in shown.out
    assert "least energy" in (tmp_path / "front.svg").read_text()
    assert_complains(fusepath("front", *DRAWING, "-o", "front.gif"), 2, "must end in .png")


def test_plan_keeps_to_a_rate_of_frames(fusepath):
    asked = ["plan", *STREAM, "--algorithm", "nfl", "--json"]
    quick = fusepath(*asked, "--in-flight", 2)
    steady = fusepath(*asked, "--in-flight", 2, "--min-fps", 800)

    assert quick.json["in_flight"] == steady.json["in_flight"] == 2
    assert quick.json["frames_per_s"] < 800 <= steady.json["frames_per_s"]
    assert quick.json["latency_s"] < steady.json["latency_s"]
    assert_complains(fusepath(*asked, "--min-fps", 1e6), 4, "the most that was found is")


def test_plan_shows_the_turns_to_people_and_writes_the_plan_of_most_frames(fusepath, tmp_path):
    asked = ["plan", *STREAM, "--objective", "throughput", "--algorithm", "nfl"]
    shown = fusepath(*asked, "-o", tmp_path / "plan.json")
    document = fusepath(*asked, "--json").json

    turns = ", ".join(str(place + 1) for place in document["turns"])
    assert f"plans        {turns}, in turn" in shown.out
    assert f"{document['frames_per_s']:.4g} frames/s" in shown.out
    assert f"gap {document['gap']:.1%}" in shown.out
    written = tmp_path / "plan.json"
    assert json.loads(written.read_text())["recipe_sha256"] == document["plans"][0]["recipe_sha256"]
    assert fusepath("simulate", written).code == 0
    assert document["turns"].count(0) > len(document["turns"]) / 2


@pytest.mark.parametrize("command", ["plan", "compare"])
def test_constraints_that_nothing_keeps_to_are_exit_code_4(fusepath, files, command):
    asked = ("--keep-on-device", 3, "--device-macs", 0, "--evaluations", 500)
    called = fusepath(command, files / "small.onnx", *MACHINES, *asked)

    assert called.code == 4
    assert called.out == ""
    assert "keep" in called.complaints[-1] or "must stay" in called.complaints[-1]


def test_run_refuses_a_plan_file_that_breaks_the_constraints(fusepath, files, plans):
    called = fusepath(
        "run", MODEL, files / "good.npy", "--plan", plans / "good.json", "--upload", "1B"
    )

    assert_complains(called, 4, "bytes sent up, but at most 1 are allowed")


def test_the_same_question_gets_the_same_plan(fusepath, files):
    asked = ["plan", files / "small.onnx", *MACHINES, "--json"]
    documents = [fusepath(*asked).json for _ in range(2)]

    for document in documents:
        del document["search_s"], document["provenance"]["search_s"]
    assert documents[0] == documents[1]


def test_compare_tells_every_algorithm(fusepath, files):
    called = fusepath("compare", files / "small.onnx", *MACHINES, "--grid", "1x2", "--json")

    plans = called.json["plans"]
    assert {plan["algorithm"] for plan in plans} >= {
        "device-only",
        "full-offload",
        "nfl",
        "mw",
        "bf",
    }
    for plan in plans:
        assert plan.keys() >= PLAN_KEYS


def test_pictures_may_be_forwarded_where_a_sample_is_given(fusepath, files):
    slow = ["--link", "100kB/s", "--sample", files / "good.jpg", "--json"]
    compared = fusepath("compare", files / "small.onnx", *MACHINES, *slow, "--grid", "1x2").json[
        "plans"
    ]
    planned = fusepath("plan", MODEL, *MACHINES, *slow, "--algorithm", "forward").json
    without = fusepath("plan", MODEL, *MACHINES, "--algorithm", "forward")

    assert [plan["family"] for plan in compared if plan["algorithm"] == "forward"] == [
        "forwarded file"
    ]
    assert planned["up_bytes"] == (files / "good.jpg").stat().st_size
    assert planned["recipe"]["forwarding"]["width"] == SIZE
    assert_complains(without, 2, "no file to forward")


def test_compare_holds_every_plan_against_the_best_bound_of_the_problem(fusepath, files):
    """The only plan of a family is the best of it, and may be far from the best of all."""
    slow = ["--device", "10MFLOPS", "--link", "100MB/s"]
    plans = fusepath("compare", files / "small.onnx", *MACHINES, *slow, "--json").json["plans"]

    best_s = min(plan["makespan_s"] for plan in plans)
    (bound_s,) = {plan["lower_bound_s"] for plan in plans}
    assert 0 < bound_s <= best_s
    for plan in plans:
        makespan_s = plan["makespan_s"]
        assert plan["gap"] == pytest.approx((makespan_s - bound_s) / makespan_s)
        assert plan["status"] == ("optimal" if makespan_s == bound_s else "feasible")
        assert plan["family_lower_bound_s"] <= makespan_s
    (alone,) = (plan for plan in plans if plan["algorithm"] == "device-only")
    assert (alone["family_status"], alone["family_gap"]) == ("optimal", 0.0)
    assert alone["makespan_s"] > best_s
    assert alone["status"] == "feasible"
    assert alone["gap"] > 0


def test_compare_says_what_of_the_gap_no_plan_of_whole_rows_can_close(fusepath, monkeypatch):
    monkeypatch.setattr(
        comparison, "row_bound_s", lambda setting: 0.9 * setting.link.up_s(3 * 32**2)
    )
    asked = ["compare", MODEL, *MACHINES, "--grid", "1x2", "--evaluations", "3000"]

    told = fusepath(*asked, "--bound", "rows").out
    plans = fusepath(*asked, "--bound", "rows", "--json").json["plans"]

    assert "out of reach is what of the gap" in told
    by_name = {plan["algorithm"]: plan for plan in plans}
    assert 0 < by_name["full-offload"]["out_of_reach"] < 1
    assert by_name["mw"]["out_of_reach"] is None


def test_compare_shows_one_line_for_each(fusepath, files):
    called = fusepath("compare", files / "small.onnx", *MACHINES, "--grid", "1x2")

    for algorithm in ("device-only", "full-offload", "nfl", "mw", "bf"):
        assert re.search(rf"^{algorithm} ", called.out, re.MULTILINE)


def test_compare_leaves_out_what_has_no_plan_and_says_so(fusepath, files):
    called = fusepath("compare", files / "small.onnx", *MACHINES, "--grid", "99x99", "--json")

    assert called.code == 0
    algorithms = {plan["algorithm"] for plan in called.json["plans"]}
    assert {"device-only", "full-offload", "nfl"} <= algorithms
    assert algorithms.isdisjoint({"mw", "bf"})


def test_simulate_predicts_what_the_plan_predicts(fusepath, plans):
    called = fusepath("simulate", plans / "good.json", "--json")

    planned = json.loads((plans / "good.json").read_text())
    assert called.json["makespan_s"] == pytest.approx(planned["makespan_s"])
    assert called.json["timeline"]["spans"]


def test_simulate_predicts_more_on_a_slower_link(fusepath, plans):
    called = fusepath("simulate", plans / "good.json", "--link", "0.1MB/s", "--json")

    planned = json.loads((plans / "good.json").read_text())
    assert called.json["makespan_s"] > planned["makespan_s"]


def test_simulate_draws_a_chart_for_people(fusepath, plans):
    called = fusepath("simulate", plans / "good.json")

    assert called.code == 0
    assert "simulated" in called.out


def test_zoo_lists_its_networks(fusepath):
    assert fusepath("zoo", "--json").json["names"] == list(zoo.NAMES)
    for name in zoo.NAMES:
        assert name in fusepath("zoo").out


def test_zoo_writes_a_network_that_can_be_inspected(fusepath, tmp_path):
    path = tmp_path / "net.onnx"
    called = fusepath("zoo", "squeezenet", path, "--input-size", SIZE, "--seed", 3, "--json")

    assert called.json["bytes"] == path.stat().st_size
    assert fusepath("inspect", path, "--json").json["input_shape"] == [1, 3, SIZE, SIZE]


RUN_KEYS = {
    "latency_s",
    "makespan_s",
    "max_abs_error",
    "max_rel_error",
    "bit_equal",
    "verified",
    "tau",
    "grid",
    "order",
    "cuts",
    "runs",
    "up_bytes",
    "device_macs",
    "edge_macs",
    "outputs",
    "timeline",
}
GIVEN = ["--device", "10GFLOPS", "--edge-machine", "500GFLOPS", "--link", "1.1MB/s"]


@pytest.mark.system
@pytest.mark.parametrize("image", ["good.png", "good.jpg", "good.npy", "floats.npy"])
def test_run_tells_latency_and_error_of_a_verified_run(fusepath, files, edge, image):
    options = ["--edge", edge.address, *GIVEN, "--grid", "2x2", "--verify"]
    # What codecs save on a frame is only foreseen nearly; all else is foreseen to the byte.
    options += ["--compress", "off", "--repeat", 3, "--json"]
    called = fusepath("run", MODEL, files / image, *options)

    document = called.json
    assert called.code == 0
    assert called.complaints == []
    assert document.keys() >= RUN_KEYS
    assert document["verified"] is True
    assert document["max_abs_error"] <= 1e-5
    assert document["runs"] == 3
    assert 0 < document["latency_min_s"] <= document["latency_s"] <= document["latency_max_s"]
    assert document["up_bytes"] == document["planned_up_bytes"]
    assert document["device_macs"] == document["planned_device_macs"]
    assert document["edge_macs"] == document["planned_edge_macs"]
    assert document["outputs"] == {"output": [1, 1000]}
    timeline = msgspec.convert(document["timeline"], Timeline)
    assert violations(timeline, tolerance_s=0.005) == []


@pytest.mark.system
def test_run_carries_out_a_plan_file_and_writes_the_outputs(fusepath, plans, edge, tmp_path):
    options = ["--edge", edge.address, "--plan", plans / "good.json", "--verify"]
    called = fusepath("run", MODEL, plans / "good.png", *options, "-o", tmp_path / "out.npz")

    assert called.code == 0
    assert called.complaints == []
    assert "fused layer  4, grid 2x2" in called.out
    assert re.search(r"result +(bit-equal to|matches) the unsplit model", called.out)
    assert "measured" in called.out
    with np.load(tmp_path / "out.npz") as outputs:
        assert outputs["output"].shape == (1, 1000)


@pytest.mark.system
def test_a_dark_picture_is_planned_and_sent_in_fewer_bytes(fusepath, edge, tmp_path):
    pixels = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    pixels[10:12, 10:12] = 200
    picture, plan = tmp_path / "dark.png", tmp_path / "plan.json"
    Image.fromarray(pixels).save(picture)
    slow = ["--link", "20kB/s", "--algorithm", "full-offload", "--compress", "bitmask"]

    planned = fusepath("plan", MODEL, *MACHINES, *slow, "--sample", picture, "-o", plan)
    simulated = fusepath("simulate", plan, "--json")
    ran = fusepath("run", MODEL, picture, *GIVEN, *slow, "--edge", edge.address, "--json")

    assert planned.code == simulated.code == ran.code == 0
    assert "codecs       image bitmask" in planned.out
    document = json.loads(plan.read_text())
    assert document["compression"]["image"]["codec"] == "bitmask"
    assert simulated.json["makespan_s"] == pytest.approx(document["makespan_s"])
    assert ran.json["codecs"] == {"image": "bitmask"}
    assert ran.json["up_bytes"] == SIZE * SIZE * 3 // 8 + 12
    assert ran.json["planned_up_bytes"] == pytest.approx(ran.json["up_bytes"], rel=0.05)


def test_plans_are_not_compressed_when_told_not_to_or_without_a_sample(fusepath, files):
    slow = ["--link", "20kB/s", "--algorithm", "full-offload", "--json"]
    dark = files / "dark.npy"
    np.save(dark, np.zeros((1, 3, SIZE, SIZE), np.uint8))
    sample = ["--sample", dark]
    sampled = fusepath("plan", MODEL, *MACHINES, *slow, *sample)
    off = fusepath("plan", MODEL, *MACHINES, *slow, *sample, "--compress", "off")
    plain = fusepath("plan", MODEL, *MACHINES, *slow)

    assert sampled.json["compression"].keys() == {"image"}
    assert off.json["compression"] == plain.json["compression"] == {}


def test_a_lossy_plan_is_made_on_demand_and_says_what_it_changes(
    fusepath, files, tmp_path, monkeypatch
):
    # How long codecs take here shall not decide.
    monkeypatch.setattr("fusepath.profiling.codecs.total_s", lambda *_: 0.0)
    limits = ["--algorithm", "nfl", "--keep-on-device", "4", "--sample", files / "good.png"]
    asked = ["plan", "zoo:squeezenet?size=64", "--device", "5GFLOPS", "--edge", "100TFLOPS"]
    asked += ["--link", "1MB/s", "--fit", "stretch"]
    exact = fusepath(*asked, *limits, "--compress", "off", "--json").json
    lossy = [*asked, *limits, "--compress", "off", "--lossy", "int8"]
    shown = fusepath(*lossy, "-o", tmp_path / "plan.json")
    document = json.loads((tmp_path / "plan.json").read_text())

    assert exact["exact"] is True
    assert "changes" not in exact
    assert document["exact"] is False
    (change,) = document["changes"].values()
    assert 0 < change["mean"] <= change["largest"] < change["scale"]
    assert change["of"] == "scores"
    assert "results      LOSSY: results change, on 1 sample as follows" in shown.out
    assert "results      exact" in fusepath(*asked, "--algorithm", "nfl").out
    fusepath("report", tmp_path / "plan.json", "-o", tmp_path / "plan.html", "--evaluations", "100")
    assert "LOSSY: results change, on 1 sample as follows" in (tmp_path / "plan.html").read_text()
    turns = fusepath(*lossy, "--objective", "throughput")
    assert "LOSSY: results change, on 1 sample as follows, of plan 1" in turns.out
    assert f"'{next(iter(document['changes']))}' of plan 1: by " in turns.out


BAD_CODECS = {
    "an unknown one": (["--compress", "zip", "--sample", "good.png"], "no codec 'zip'"),
    "no sample": (["--compress", "auto"], "--compress auto needs --sample FILE"),
    "no such sample": (["--compress", "auto", "--sample", "none.png"], "does not exist"),
    "a lossy one without a sample": (["--lossy", "int8"], "--lossy int8 needs --sample FILE"),
    "a lossy one as if it were none": (
        ["--compress", "int8", "--sample", "good.png"],
        "it is taken with --lossy int8 alone",
    ),
    "a lossy one that is none": (["--lossy", "jpeg"], "'fp16', 'int8'"),
    "a sample of floats": (["--compress", "auto", "--sample", "floats.npy"], "sends uint8"),
}


@pytest.mark.parametrize(("options", "words"), BAD_CODECS.values(), ids=BAD_CODECS)
def test_a_codec_that_cannot_be_tried_is_one_line_and_exit_code_2(
    fusepath, files, options, words, monkeypatch
):
    monkeypatch.chdir(files)

    assert_complains(fusepath("plan", MODEL, *MACHINES, *options), 2, words)


def test_run_needs_no_server_for_a_plan_that_stays_here(fusepath, files):
    options = ["--algorithm", "device-only", "--verify", "--json"]
    called = fusepath("run", MODEL, files / "good.png", *options)

    assert called.code == 0
    assert called.json["bit_equal"] is True
    assert called.json["up_bytes"] == 0


def test_run_scales_a_picture_when_told_to(fusepath, files):
    called = fusepath(
        "run", MODEL, files / "low.png", "--fit", "stretch", "--algorithm", "device-only", "--json"
    )

    assert called.code == 0
    assert called.json["max_abs_error"] is None  # not asked for


def test_a_plan_says_how_pictures_become_the_input_also_without_one(fusepath, files, tmp_path):
    plan = tmp_path / "plan.json"
    local = ["--algorithm", "device-only"]
    planned = fusepath("plan", MODEL, *MACHINES, *local, "--fit", "crop", "-o", plan, "--json")
    unsaid = fusepath("plan", MODEL, *MACHINES, *local, "--json")

    assert planned.json["pictures"]["fit"] == "crop"
    assert "pictures" not in unsaid.json
    called = fusepath("run", MODEL, files / "low.png", "--plan", plan, "--json")
    assert called.code == 0
    other = fusepath("run", MODEL, files / "low.png", "--plan", plan, "--fit", "stretch")
    assert other.code == 2
    assert "another chain" in other.complaints[0]


@pytest.mark.system
def test_demo_runs_every_plan_and_compares_them(fusepath, tmp_path):
    page = tmp_path / "demo.html"
    options = ["--device-time", 100, "--pace", "20MB/s", "--repeat", 1, "--report", page]
    called = fusepath("demo", "--model", "zoo:squeezenet?size=64", *options, "--json")

    rows = {row["name"]: row for row in called.json["rows"]}
    assert called.code == 0
    assert called.complaints == []
    names = [
        "device only",
        "full offload",
        "NFL",
        "MW 2x2",
        "MW k x k",
        "streamed cut",
        "stream",
        "auto",
    ]
    assert list(rows) == names
    for row in rows.values():
        assert row["max_abs_error"] <= 1e-5
        assert row["latency_s"] > 0
    # What a call costs is stretched as well, and on top; what waking up takes is not stretched.
    assert 0.08 < rows["device only"]["makespan_s"] < 0.2
    assert 0.05 < rows["device only"]["latency_s"] < 0.4
    html = page.read_text(encoding="utf-8")
    assert 'class="filled' in html
    assert "<image " in html


@pytest.mark.system
def test_serve_tells_its_address_and_ends_when_told(files):
    options = ["--listen", "127.0.0.1:0", "--models", str(files), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "fusepath", "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        while lines[-1:] != ["}\n"]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it was ready"
        document = json.loads("".join(lines))
        process.terminate()
        out, err = process.communicate(timeout=30)

    assert document["listen"].startswith("127.0.0.1:")
    assert document["models"] == len([p for p in files.glob("*.onnx") if p.is_file()])
    assert (process.returncode, out, err) == (0, "", "")


# ---------------------------------------------------------------------------- what is wrong

BAD_MODELS = {
    "missing": ("missing.onnx", "does not exist"),
    "a folder": ("folder.onnx", "is a directory"),
    "no ONNX": ("text.onnx", "not an ONNX model"),
    "half a file": ("half.onnx", "damaged or truncated"),
    "an empty file": ("empty.onnx", "is empty"),
    "a picture": ("good.png", "not an ONNX model"),
    "a custom operator": ("custom.onnx", r"'fire2/?.*|custom operator of domain 'my.domain'"),
    "a dynamic shape": ("dynamic.onnx", "--input-shape 1,3,224,224"),
    "not in the zoo": ("zoo:nonsense", "unknown network 'nonsense'; known networks are alexnet"),
    "too small for the zoo": ("zoo:squeezenet?size=1", "too small"),
    "too large for the zoo": ("zoo:squeezenet?size=100000", "larger than 2 GiB"),
    "an absurd size": ("zoo:squeezenet?size=1e9", "no whole number"),
    "a zoo option that is none": ("zoo:squeezenet?colour=red", "unknown key 'colour'"),
}


@pytest.mark.parametrize(("model", "words"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_model_that_cannot_be_used_is_one_line_and_exit_code_2(fusepath, files, model, words):
    source = model if model.startswith("zoo:") else files / model

    assert_complains(fusepath("inspect", source, "--json"), 2, words)
    assert_complains(fusepath("plan", source, *MACHINES, "--json"), 2, words)
    assert_complains(fusepath("run", source, files / "good.png", "--edge", "127.0.0.1:1"), 2, words)


BAD_SHAPES = {
    "no numbers": ("large", "is no list of sizes"),
    "three numbers": ("3,32,32", "has 4 dimensions"),
    "a negative number": ("1,3,-32,32", "cannot have the shape"),
    "another size": ("1,3,64,64", "is 32 in the file"),
    "a batch": ("2,3,32,32", "is 1 in the file"),
}


@pytest.mark.parametrize(("shape", "words"), BAD_SHAPES.values(), ids=BAD_SHAPES)
def test_an_input_shape_that_does_not_fit_is_exit_code_2(fusepath, files, shape, words):
    called = fusepath("inspect", files / "good.onnx", "--input-shape", shape)

    assert_complains(called, 2, words)


BAD_QUESTIONS = {
    "no link": (["--link", "0"], "not a rate with a unit"),
    "a link of zero": (["--link", "0MB/s"], "above zero"),
    "a negative link": (["--link", "-1MB/s"], "not a rate"),
    "a link of nonsense": (["--link", "nonsense"], "write it like 1.8MB/s"),
    "a link without unit": (["--link", "1.8"], "not a rate with a unit"),
    "a link in other units": (["--link", "1.8parsec"], "unknown unit 'parsec'"),
    "an endless link": (["--link", "1e999MB/s"], "above zero"),
    "a Shannon link of nothing": (["--link", "shannon:B=0,Q=1,G=1,N=1"], "above zero"),
    "half a Shannon link": (["--link", "shannon:B=1"], "needs B, Q, G and N"),
    "a Shannon link of words": (["--link", "shannon:B=wide"], "not KEY=NUMBER"),
    "a Shannon link of NaN": (["--link", "shannon:B=nan,Q=1,G=1,N=1"], "above zero"),
    "a link file that is missing": (["--link", "missing.json"], "cannot read missing.json"),
    "a device of zero": (["--device", "0GFLOPS"], "above zero"),
    "a device of nonsense": (["--device", "fast"], "write it like 10GFLOPS"),
    "a device file that is missing": (["--device", "missing.json"], "cannot read missing.json"),
    "an edge of nonsense": (["--edge", "1.8MB/s"], "write it like 10GFLOPS"),
    "a device that takes for ever": (["--device", "1e-6FLOPS"], "."),
    "a link that takes for ever": (["--link", "1e-9B/s"], "."),
    "an unknown convention": (["--convention", "mine"], "there is no convention 'mine'"),
    "an unknown algorithm": (["--algorithm", "magic"], "known ones are device-only"),
    "no rows": (["--grid", "0x9"], "at least 1"),
    "a grid of nonsense": (["--grid", "many"], "not ROWSxCOLUMNS"),
    "a negative grid": (["--grid", "-2x2"], "not ROWSxCOLUMNS"),
    "a grid for what does not tile": (["--algorithm", "nfl", "--grid", "2x2"], "does not tile"),
    "a layer for what does not tile": (["--algorithm", "nfl", "--tau", "3"], "does not tile"),
    "layer 0": (["--tau", "0"], "layers 1 to 30"),
    "a layer too deep": (["--tau", "99"], "layers 1 to 30"),
    "a layer behind a barrier": (["--tau", "30"], r"GlobalAveragePool.*tau may be from 1 to 29"),
    "a layer that is no number": (["--tau", "four"], "four"),
    "a mean that is no number": (["--mean", "grey"], "--mean 'grey'"),
    "a mean of NaN": (["--mean", "nan"], "--mean 'nan'"),
    "a mean of two channels": (["--mean", "1,2"], "mean"),
    "a standard deviation of zero": (["--std", "0"], "must not hold zero"),
    "a standard deviation that is endless": (["--std", "inf"], "--std 'inf'"),
    "an unknown objective": (["--objective", "fame"], "'latency', 'throughput'"),
    "no frame in flight": (["--in-flight", "0"], "--in-flight 0 is not from 1 to 64"),
    "a rate below zero": (["--min-fps", "-1"], "--min-fps -1 is no rate"),
    "a rate of NaN": (["--min-fps", "nan"], "nan is not a finite number"),
    "a rate beside the most": (
        ["--min-fps", "5", "--objective", "throughput"],
        "--min-fps 5 is for --objective latency",
    ),
    "a weight without its objective": (
        ["--seconds-per-joule", "1"],
        "--objective weighted needs to know",
    ),
    "no weight": (["--objective", "weighted"], "--objective weighted needs to know"),
    "energy of a stream": (
        ["--objective", "energy", "--in-flight", "2"],
        "energy is that of a frame alone",
    ),
    "energy of nobody knows what": (["--objective", "energy"], "what the device draws is not"),
    "an energy without a unit": (["--max-energy", "3"], "write it like 0.8J or 250mJ"),
    "a list of plans for a stream": (
        ["--top", "3", "--in-flight", "2"],
        "--top 3 lists plans for one frame",
    ),
    "an unknown option": (["--colour"], "--colour"),
    "an argument too many": (["surplus"], "surplus"),
}


@pytest.mark.parametrize(("options", "words"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS)
def test_a_question_that_makes_no_sense_is_one_line_and_exit_code_2(fusepath, options, words):
    assert_complains(fusepath("plan", MODEL, *MACHINES, *options, "--json"), 2, words)


def test_a_link_file_that_makes_no_sense_is_exit_code_2(fusepath, plans):
    rest = [*MACHINES[:4], "--link"]
    for name, words in (
        ("dead-link.json", "above zero"),
        ("next-link.json", "link version 2"),
        ("good.json", "not a fusepath link file"),
        ("empty.json", "not a fusepath link file"),
    ):
        assert_complains(fusepath("plan", MODEL, *rest, plans / name), 2, words)
    assert fusepath("plan", MODEL, *rest, plans / "link.json").code == 0


@pytest.mark.parametrize("missing", ["--device", "--edge", "--link"])
def test_a_required_option_that_is_missing_is_named(fusepath, missing):
    at = MACHINES.index(missing)

    assert_complains(fusepath("plan", MODEL, *MACHINES[:at], *MACHINES[at + 2 :]), 2, missing)


def test_an_option_without_its_value_is_named(fusepath):
    assert_complains(fusepath("plan", MODEL, *MACHINES, "--grid"), 2, "--grid")


def test_an_unknown_command_is_named(fusepath):
    assert_complains(fusepath("paln", MODEL), 2, "'paln'")


def test_a_network_that_cannot_be_tiled_at_all_says_why(fusepath, files):
    model = files / "untileable.onnx"

    assert_complains(
        fusepath("plan", model, *MACHINES, "--algorithm", "mw"),
        2,
        r"'average' \(GlobalAveragePool\)",
    )
    assert fusepath("plan", model, *MACHINES, "--algorithm", "nfl").code == 0
    assert fusepath("compare", model, *MACHINES, "--json").code == 0


def test_a_grid_that_no_layer_can_have_has_no_plan(fusepath):
    assert_complains(fusepath("plan", MODEL, *MACHINES, "--grid", "99x99"), 4, "smaller grid")
    assert_complains(
        fusepath("plan", MODEL, *MACHINES, "--grid", "9x9", "--tau", "29"), 4, "smaller grid"
    )


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_plan_that_the_machines_would_refuse_is_not_made(fusepath, options):
    """More paths than a plan may have."""
    called = fusepath(
        "plan", "zoo:squeezenet?size=176", *MACHINES, "--grid", "80x80", "--tau", "1", *options
    )

    assert called.code in {2, 4}
    assert len(called.complaints) == 1


BAD_IMAGES = {
    "missing": ("missing.png", "does not exist"),
    "a folder": ("folder.onnx", "is a folder"),
    "of another size": ("low.png", r"32x20 pixels.*32x32.*--fit stretch, crop or letterbox"),
    "no picture": ("text.png", "not a picture"),
    "half a picture": ("half.png", "not a picture"),
    "an empty picture": ("empty.png", "not a picture"),
    "a model": ("good.onnx", "not a picture"),
    "no array": ("text.npy", "not a .npy array"),
    "half an array": ("half.npy", "not a .npy array"),
    "an empty array file": ("empty.npy", "not a .npy array"),
    "a huge array": ("huge.npy", "not a .npy array"),
    "an archive of arrays": ("archive.npy", "holds image, other; save one array by itself"),
    "an array of objects": ("objects.npy", "not a .npy array"),
    "an array of doubles": ("doubles.npy", "float64; give uint8 pixels or float32"),
    "a flat array": ("flat.npy", "the model takes 1x3x32x32"),
    "a number": ("scalar.npy", "the model takes 1x3x32x32"),
    "an array without elements": ("nothing.npy", "the model takes 1x3x32x32"),
}


@pytest.mark.parametrize(("image", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_an_input_that_does_not_fit_is_one_line_and_exit_code_2(fusepath, files, image, words):
    called = fusepath("run", MODEL, files / image, "--algorithm", "device-only", "--json")

    assert_complains(called, 2, words)


BAD_RUNS = {
    "no server named": ([], "--edge HOST:PORT"),
    "an address without port": (["--edge", "localhost"], "is not HOST:PORT"),
    "an address with a wrong port": (["--edge", "localhost:99999"], "is not HOST:PORT"),
    "an address with a port of no digits": (["--edge", "localhost:²"], "is not HOST:PORT"),
    "a pace of zero": (["--pace", "0MB/s"], "above zero"),
    "a slowdown below 1": (["--slowdown", "0.5"], "--slowdown"),
    "no repeats": (["--repeat", "0"], "--repeat"),
    "no time": (["--timeout", "0"], "--timeout"),
    "an unknown algorithm": (["--algorithm", "magic", "--edge", "127.0.0.1:1"], "magic"),
    "an unknown codec": (["--compress", "zip", "--edge", "127.0.0.1:1"], "no codec 'zip'"),
    "a grid of nonsense": (["--grid", "many", "--edge", "127.0.0.1:1"], "not ROWSxCOLUMNS"),
}


@pytest.mark.parametrize(("options", "words"), BAD_RUNS.values(), ids=BAD_RUNS)
def test_a_run_that_makes_no_sense_is_one_line_and_exit_code_2(
    fusepath, files, options, words, monkeypatch
):

    assert_complains(fusepath("run", MODEL, files / "good.png", *GIVEN, *options), 2, words)


BAD_PLANS = {
    "missing": ("missing.json", "cannot read .*missing.json: No such file"),
    "a folder": ("folder.onnx", "cannot read .*folder.onnx"),
    "half a file": ("half.json", "not a fusepath plan file"),
    "an empty file": ("empty.json", "not a fusepath plan file"),
    "bytes": ("binary.json", "not a fusepath plan file"),
    "a list": ("listed.json", "not a fusepath plan file"),
    "a link": ("link.json", "not a fusepath plan file"),
    "an unknown key": ("unknown.json", "surprise"),
    "a wrong type": ("typed.json", "tau"),
    "without a recipe": ("short.json", "recipe"),
    "an earlier version": ("past.json", "plan version 1, but this fusepath reads 2; make it anew"),
    "a future version": ("future.json", "version 3; this fusepath reads 2"),
    "a future version with new keys": ("further.json", "version 3|novelty"),
    "absurd cuts": ("absurd.json", "'cuts'"),
}


@pytest.mark.parametrize(("plan", "words"), BAD_PLANS.values(), ids=BAD_PLANS)
def test_a_plan_file_that_is_none_is_one_line_and_exit_code_2(fusepath, plans, plan, words):
    run = fusepath(
        "run", MODEL, plans / "good.png", "--plan", plans / plan, "--edge", "127.0.0.1:1"
    )

    assert_complains(run, 2, words)
    assert_complains(fusepath("simulate", plans / plan), 2, words)


def test_a_plan_of_another_model_is_one_line_and_exit_code_2(fusepath, plans):
    image, plan = plans / "good.png", plans / "other.json"

    run = fusepath("run", MODEL, image, "--plan", plan, "--edge", "127.0.0.1:1")
    assert_complains(run, 2, "the plan is for model 'squeezenet'")
    simulated = fusepath("simulate", plan, "--model", MODEL)
    assert_complains(simulated, 2, "the plan is for model 'squeezenet'")


def test_a_plan_for_pixels_does_not_take_floats(fusepath, plans):
    options = ["--plan", plans / "good.json", "--edge", "127.0.0.1:1"]

    assert_complains(fusepath("run", MODEL, plans / "floats.npy", *options), 2, "plan again")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--algorithm", "nfl"), ("--grid", "2x2"), ("--tau", "3"), ("--start", "1")),
        *(("--tiles", "auto"), ("--evaluations", "9"), ("--time-limit", "1")),
        *(("--compress", "off"), ("--lossy", "fp16"), ("--device", "1GFLOPS")),
        *(("--edge-machine", "9GFLOPS"), ("--link", "1MB/s")),
    ],
)
def test_what_a_plan_was_made_with_is_not_said_beside_it(fusepath, plans, option, value):
    options = ["--plan", plans / "good.json", "--edge", "127.0.0.1:1", option, value]

    called = fusepath("run", MODEL, plans / "good.png", *options)
    assert_complains(called, 2, f"--plan is a plan made before: leave out {option}")


@pytest.mark.parametrize("where", ["missing/out", "folder.onnx"])
def test_an_output_that_cannot_be_written_is_one_line_and_exit_code_2(fusepath, files, where):
    path = files / where
    before = sorted(files.iterdir())

    planned = fusepath("plan", MODEL, *MACHINES, "-o", path)
    assert_complains(planned, 2, f"cannot write {path}")
    assert_complains(fusepath("zoo", "squeezenet", path), 2, f"cannot write {path}")
    ran = fusepath("run", MODEL, files / "good.png", "--algorithm", "device-only", "-o", path)
    assert_complains(ran, 2, f"cannot write {path}")
    assert sorted(files.iterdir()) == before  # nothing half-written stays behind


def test_a_network_of_the_zoo_needs_a_place_to_be_written_to(fusepath):
    assert_complains(fusepath("zoo", "squeezenet"), 2, "OUT.onnx")
    assert_complains(fusepath("zoo", "nonsense", "out.onnx"), 2, "known networks are")
    assert_complains(fusepath("zoo", "squeezenet?size=64", "out.onnx"), 2, "--input-size SIZE")


BAD_SERVERS = {
    "an address without port": (["--listen", "localhost"], "is not HOST:PORT"),
    "an address with a wrong port": (["--listen", "127.0.0.1:99999"], "is not HOST:PORT"),
    "a port of no digits": (["--listen", "127.0.0.1:²"], "is not HOST:PORT"),
    "a models folder that is missing": (["--models", "/nonexistent"], "is not a folder"),
    "no workers": (["--workers", "0"], "--workers"),
    "metrics without port": (["--metrics", "localhost"], "is not HOST:PORT"),
    "metrics where none can be": (
        ["--metrics", "192.0.2.1:1", "--insecure"],
        "cannot listen on 192.0.2.1:1",
    ),
    "metrics beyond loopback": (["--metrics", "192.0.2.1:1"], "'192.0.2.1:1' is not loopback"),
    "an unknown way to log": (["--log", "xml"], "--log"),
    "a grace before now": (["--grace", "-1"], "--grace"),
    "no streams": (["--streams", "0"], "--streams"),
    "no requests": (["--requests", "0"], "--requests"),
    "beyond loopback without encryption": (["--listen", "0.0.0.0:0"], "is not loopback"),
    "a certificate without key": (["--tls-cert", "a.pem"], "both of them"),
    "a certificate that is missing": (
        ["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent", "--listen", "127.0.0.1:0"],
        "cannot read '/nonexistent'",
    ),
    "authorities without certificate": (["--tls-client-ca", "a.pem"], "both of them"),
    "a token that is missing": (["--token-file", "/nonexistent"], "cannot read the token"),
    "peers that are missing": (["--peers", "/nonexistent"], "cannot read the peers"),
    "memory of no size": (["--memory", "much"], "write it like 300kB"),
    "memory for nothing": (["--memory", "1MB"], "no model fits in less than 64 MB"),
    "a wait before now": (["--wait", "-1"], "--wait"),
    "a provider misspelt": (["--provider", "cpu,tensort"], "(did you mean 'tensorrt'?)"),
    "no provider that is there": (["--provider", "openvino"], "openvino: this ONNX Runtime"),
    "a cluster without a token": (["--ray", "10.0.0.1:6379"], "RAY_AUTH_MODE=token"),
}


@pytest.mark.parametrize(("options", "words"), BAD_SERVERS.values(), ids=BAD_SERVERS)
def test_a_server_that_cannot_be_is_one_line_and_exit_code_2(fusepath, options, words):
    assert_complains(fusepath("serve", *options, "--json"), 2, words)


@pytest.mark.system
def test_a_server_where_it_cannot_listen_is_one_line_and_exit_code_2(edge):
    """In a process of its own, so that nothing gRPC may print goes unseen."""
    for address in (edge.address, "192.0.2.1:7070"):
        done = in_a_process("serve", "--listen", address, "--insecure")

        assert_complains(done, 2, f"cannot listen on {address}")


# ---------------------------------------------------------------------------- the other side


def test_a_server_that_is_not_there_is_one_line_and_exit_code_3(fusepath, files, monkeypatch):
    command = ["run", MODEL, files / "good.png", "--edge", "127.0.0.1:9", *GIVEN]
    called = fusepath(*command, "--no-fallback")

    assert_complains(called, 3, "edge 127.0.0.1:9: nobody listens there; start one with")


def test_a_server_that_says_nothing_is_waited_for_no_longer_than_asked(fusepath, files):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = ["run", MODEL, files / "good.png", "--edge", address, *GIVEN]
        called = fusepath(*command, "--no-fallback", "--timeout", "0.3")

    assert_complains(called, 3, f"edge {address}: nobody answered within 0.3 s")


def test_where_no_server_is_this_machine_answers_alone_and_says_so(fusepath, files):
    command = ["run", MODEL, files / "good.png", "--edge", "127.0.0.1:9", *GIVEN]
    called = fusepath(*command, "--repeat", "2", "--verify", "--json")

    assert called.code == 0
    document = called.json
    assert document["fallbacks"] == 2
    assert document["fallback"]["stage"] == "away"
    assert document["bit_equal"]
    (complaint,) = called.complaints
    assert "this machine answered 2 of 2 alone: edge 127.0.0.1:9: nobody listens" in complaint


@pytest.mark.system
def test_inferences_may_overlap_and_their_rate_is_told(fusepath, files, edge):
    command = ["run", MODEL, files / "good.png", "--edge", edge.address, *GIVEN]
    command += ["--algorithm", "full-offload"]
    called = fusepath(*command, "--repeat", "6", "--in-flight", "3", "--verify", "--json")

    assert called.code == 0
    document = called.json
    assert document["runs"] == 6
    assert document["bit_equal"]
    assert document["frames_per_s"] > 0
    assert document["latency_min_s"] <= document["latency_p50_s"] <= document["latency_p90_s"]
    assert document["latency_p90_s"] <= document["latency_p99_s"] <= document["latency_max_s"]

    told = fusepath(*command, "--repeat", "2", "--in-flight", "2")
    assert "frames/s" in told.out
    assert "predicted is a frame by itself; measured had up to 1 beside it" in told.out


@pytest.mark.system
@pytest.mark.parametrize("asked", [["--objective", "throughput"], ["--min-fps", "0.1"]])
def test_inferences_that_overlap_take_the_plans_of_a_stream(fusepath, files, edge, asked):
    command = ["run", MODEL, files / "good.png", "--edge", edge.address, *GIVEN]
    command += ["--algorithm", "nfl", "--repeat", "4", "--in-flight", "2", *asked]
    called = fusepath(*command, "--verify", "--json")

    assert called.code == 0
    document = called.json
    in_turn = document["in_turn"]
    assert document["bit_equal"]
    assert document["cuts"] == in_turn["plans"][0]["cuts"]
    assert set(in_turn["turns"]) == set(range(len(in_turn["plans"])))
    assert in_turn["in_flight"] == 2
    assert in_turn["predicted_frames_per_s"] > 0

    told = fusepath(*command)
    assert "predicted, of plans 1" in told.out


def test_plans_of_a_stream_are_for_inferences_that_overlap(fusepath, files, plans):
    command = ["run", MODEL, files / "good.png", "--edge", "127.0.0.1:9"]
    alone = fusepath(*command, *GIVEN, "--objective", "throughput")
    assert_complains(alone, 2, "say how many do, like --in-flight 3")

    asked = ["--in-flight", "3", "--min-fps", "1"]
    given = fusepath(*command, "--plan", plans / "good.json", *asked)
    assert_complains(given, 2, "--plan is one plan for all")


@pytest.mark.system
def test_a_server_that_has_another_model_is_one_line_and_exit_code_3(fusepath, files, edge):
    options = ["--edge", edge.address, "--algorithm", "full-offload"]

    options.append("--no-fallback")
    given = fusepath("run", files / "own.onnx", files / "good.png", *options, *GIVEN)
    assert_complains(given, 3, "start the server with a folder of models")
    measured = fusepath("run", files / "own.onnx", files / "good.png", *options)
    assert_complains(measured, 3, "start the server with a folder of models")


@pytest.mark.system
def test_a_server_killed_in_the_middle_leaves_one_line_and_exit_code_3(files):
    """In a process of its own, so that nothing gRPC may print goes unseen."""
    script = """
import os, signal, sys
from fusepath.cli.main import run
from fusepath.offload import exchange
original = exchange.tensors.to_send
def to_send(values):
    os.kill(int(sys.argv[1]), signal.SIGKILL)
    return original(values)
exchange.tensors.to_send = to_send
sys.exit(run(sys.argv[2:]))
"""
    with edge_server() as own:
        options = ["--edge", own.address, *GIVEN, "--algorithm", "full-offload", "--no-fallback"]
        command = ["run", MODEL, files / "good.png", *options]
        done = in_a_process(own.process.pid, *command, script=script)
        own.process.wait(timeout=30)

    assert_complains(done, 3, f"edge {own.address}: ")


# ---------------------------------------------------------------------------- a wrong result


@pytest.mark.system
@pytest.mark.parametrize("json_option", [[], ["--json"]], ids=["text", "json"])
def test_verify_exits_1_when_the_result_differs(fusepath, files, edge, monkeypatch, json_option):
    """The reference is changed by a little more than the tolerance."""
    original = run_module.measured_reference

    def changed(*arguments: Any, **named: Any) -> Reference:
        found = original(*arguments, **named)
        outputs = {name: value * 1.00003 for name, value in found.outputs.items()}
        return replace(found, outputs=outputs)

    monkeypatch.setattr(run_module, "measured_reference", changed)
    options = ["--edge", edge.address, *GIVEN, "--grid", "2x2", "--verify", *json_option]
    called = fusepath("run", MODEL, files / "good.png", *options)

    assert called.code == 1
    assert called.complaints == ["fusepath: the split result differs from the unsplit one"]
    if json_option:
        assert called.json["verified"] is False
        assert called.json["max_rel_error"] == pytest.approx(3e-5, rel=0.1)
        assert called.json["bit_equal"] is False
    else:
        assert "DIFFERS from the unsplit model" in called.out


@pytest.mark.parametrize("json_option", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e6])
def test_verify_exits_1_when_a_stage_computes_nonsense(
    fusepath, files, monkeypatch, wrong, json_option
):
    original = WholeStage.forward

    def corrupted(self: WholeStage, *arguments: Any) -> dict[str, np.ndarray]:
        results = {name: value.copy() for name, value in original(self, *arguments).items()}
        for value in results.values():
            value.flat[0] = wrong
        return results

    options = [*GIVEN, "--algorithm", "device-only", "--verify", *json_option]
    monkeypatch.setattr(WholeStage, "forward", corrupted)
    called = fusepath("run", MODEL, files / "good.png", *options)

    assert called.code == 1
    assert called.complaints == ["fusepath: the split result differs from the unsplit one"]
    if json_option:
        assert called.json["verified"] is False


def test_inspect_shows_every_section_and_why_it_ends(fusepath):
    name = "zoo:mobilenetv3-large?size=96"
    sections = fusepath("inspect", name, "--json").json["sections"]

    assert len(sections) > 5
    assert sections[0]["start"] == 0
    for section in sections:
        assert section["start"] < section["end"]
        assert section["ends_at"]["op_type"] == "GlobalAveragePool"
        assert section["ends_at"]["reason"] == "needs the whole feature map"
    shown = fusepath("inspect", name).out
    assert f"layers {sections[1]['start'] + 1} to {sections[1]['end']}, " in shown


def test_a_plan_may_begin_in_a_section(fusepath, tmp_path):
    machines = ("--device", "5GFLOPS", "--edge", "500GFLOPS", "--link", "1.8MB/s")
    file = tmp_path / "plan.json"
    name = "zoo:mobilenetv3-large?size=96"
    asked = ("--algorithm", "mw", "--start", "26", "-o", str(file), "--json")
    document = fusepath("plan", name, *machines, *asked).json

    assert document["start"] == document["recipe"]["start"] == 26
    assert document["tau"] > 26
    played = fusepath("simulate", str(file), "--json").json
    assert played["makespan_s"] == document["makespan_s"]
    refused = fusepath("plan", name, *machines, "--algorithm", "mw", "--start", "25")
    assert refused.code == 2
    assert any("start=25: no section" in line for line in refused.complaints)


def test_what_was_not_measured_is_not_told_as_if_it_were(fusepath, files, tmp_path):
    """Nobody is at the port: this machine answers alone, and has measured nothing."""
    run = ("run", MODEL, files / "good.png", "--no-cache", "--timeout", "0.2")
    dead = ("--edge", "127.0.0.1:1")

    told = fusepath(*run, *dead)
    document = fusepath(*run, *dead, "--json").json
    given = fusepath(*run, *dead, "--device", "3GFLOPS")

    assert told.code == 0
    for key in ("device", "edge", "link"):
        assert re.search(rf"^{key} +not measured$", told.out, re.MULTILINE)
        assert document["plan"][key]["assumed"]
    assert "makespan     not foreseen" in told.out
    for key in ("makespan_s", "lower_bound_s", "gap", "status"):
        assert document["plan"][key] is None
    assert document["makespan_s"] is document["lower_bound_s"] is None
    assert document["latency_s"] > 0
    assert re.search(r"^device +3 Gop/s$", given.out, re.MULTILINE)
    assert "makespan     not" not in given.out

    ran, plan = tmp_path / "run.json", tmp_path / "plan.json"
    ran.write_text(json.dumps(document))
    plan.write_text(json.dumps(document["plan"]))
    page = fusepath("report", ran, "-o", tmp_path / "run.html")
    refused = fusepath("simulate", plan)

    assert page.code == 0
    assert "On other links" not in (tmp_path / "run.html").read_text()
    assert_complains(refused, 2, "not measured; give --device")
    assert fusepath("simulate", plan, "--device", "1GFLOPS").code == 0


def test_a_run_on_the_device_alone_knows_of_no_edge_server(fusepath, files):
    run = ("run", MODEL, files / "good.png", "--no-cache", "--algorithm", "device-only")
    document = fusepath(*run, "--json").json

    assert document["tail"] == "device"
    assert document["makespan_s"] > 0
    assert "assumed" not in document["plan"]["device"]
    assert document["plan"]["edge"]["assumed"]
    assert document["plan"]["link"]["assumed"]


@pytest.mark.parametrize("option", [("--grid", "99x99"), ("--tau", "3"), ("--start", "2")], ids=str)
def test_a_run_on_the_device_alone_takes_nothing_of_a_tiling(fusepath, files, option):
    ran = fusepath("run", MODEL, files / "good.png", "--algorithm", "device-only", *option)

    assert ran.code == 2
    assert "does not tile: leave out" in ran.complaints[0]
