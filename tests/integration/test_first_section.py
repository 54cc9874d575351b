"""Networks that begin with an operator that needs whole maps: where their plans begin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fusepath.cli.main import run
from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import InfeasibleError, InputError, UnsupportedOperatorError
from fusepath.onnx_io import Model, load_model, read_model
from fusepath.plan import ALGORITHMS, Budget, Constraints, Setting, check_plan
from fusepath.plan.planner import WHOLE
from fusepath.profiling import Settings, profile_machine
from fusepath.runtime.compare import compare
from fusepath.tiling import Grid
from tests.edges import edge_server
from tests.planning import planned
from tests.plans import carry_out, with_recipe
from tests.written_models import AS_VALUES, net_bytes, run_original

CONVOLUTIONS = """
    c1 = Conv <pads=[1,1,1,1]> ({}, w1)
    r1 = Relu(c1)
    c2 = Conv <pads=[1,1,1,1]> (r1, w2)
    r2 = Relu(c2)
    c3 = Conv <pads=[1,1,1,1]> (r2, w2)
"""
FIRST = {
    "InstanceNormalization": "a = InstanceNormalization(x, ones, zeros)",
    "GroupNormalization": """
        flat = Reshape(x, groups)
        normal = InstanceNormalization(flat, one, zero)
        a = Reshape(normal, back)
    """,
    "squeeze and excite": """
        mean = GlobalAveragePool(x)
        mixed = Conv(mean, gate)
        share = Sigmoid(mixed)
        a = Mul(x, share)
    """,
    "Transpose": "a = Transpose <perm=[0, 1, 3, 2]> (x)",
}
TILING = [name for name in ALGORITHMS if name not in WHOLE]
SIZE = 16


def network(first: str, behind: str = "y = Relu(c3)") -> bytes:
    """An operator that needs whole maps, three convolutions, and what comes behind them."""
    return net_bytes(
        f"(float[N,C,H,W] y) {{ {first} {CONVOLUTIONS.format('a')} {behind} }}",
        shape=f"1,4,{SIZE},{SIZE}",
        w1=(6, 4, 3, 3),
        w2=(6, 6, 3, 3),
        gate=(4, 4, 1, 1),
        ones=np.ones(4, np.float32),
        zeros=np.zeros(4, np.float32),
        six=np.ones(6, np.float32),
        one=np.ones(1, np.float32),
        zero=np.zeros(1, np.float32),
        groups=np.array([1, 1, -1]),
        back=np.array([1, 4, SIZE, SIZE]),
    )


def setting_of(model: Model) -> Setting:
    return Setting(
        graph=model.graph,
        device=ComputeRate(1e7),
        edge=ComputeRate(1e10),
        link=parse_link("1MB/s"),
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers 2 to 4 and 6 to 7 can be tiled."""
    file = tmp_path_factory.mktemp("models") / "net.onnx"
    behind = """
        n = InstanceNormalization(c3, six, six)
        d1 = Conv <pads=[1,1,1,1]> (n, w2)
        d2 = Relu(d1)
        y = Conv <pads=[1,1,1,1]> (d2, w2)
    """
    file.write_bytes(network(FIRST["InstanceNormalization"], behind))
    return file


@pytest.fixture(scope="module")
def two_sections(file: Path) -> Model:
    return load_model(file)


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_tiles_begin_behind_what_comes_first(first):
    model = read_model(network(first), name="net", source="net.onnx")
    graph = model.graph

    plan = planned(setting_of(model), "mw", grid=Grid(2, 2), tau=graph.depth)

    (section,) = graph.sections
    assert (graph.tileable_layers, plan.start, plan.tau) == (0, section.start, graph.depth)
    assert plan.arrangement.paths == 4
    image = np.random.default_rng(0).standard_normal(graph.input.shape, dtype=np.float32)
    carried = carry_out(model, with_recipe(plan, input=AS_VALUES), image)
    for name, want in run_original(model, image).items():
        assert compare({name: carried.outputs[name]}, {name: want}).passed


@pytest.mark.parametrize("algorithm", TILING)
def test_every_algorithm_that_tiles_begins_there(two_sections, algorithm):
    plan = planned(setting_of(two_sections), algorithm, budget=Budget(evaluations=30_000))

    assert plan.start in {0, 1, 5} if algorithm == "auto" else plan.start == 1
    check_plan(plan, two_sections.graph)


def test_a_fused_layer_says_in_which_section_a_plan_begins(two_sections):
    setting = setting_of(two_sections)

    for tau, start in ((2, 1), (4, 1), (6, 5), (7, 5)):
        plan = planned(setting, "mw", tau=tau, grid=Grid(2, 2))
        assert (plan.tau, plan.start) == (tau, start)
        assert planned(setting, "mw", tau=tau, grid=Grid(2, 2), start=start).cuts == plan.cuts


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"tau": 1}, UnsupportedOperatorError, "_a' .*whole.* from 2 to 4 or from 6 to 7$"),
        ({"tau": 5}, UnsupportedOperatorError, "_n' .*whole.* from 2 to 4 or from 6 to 7$"),
        ({"tau": 0}, InputError, "layers 1 to 7$"),
        ({"tau": 8}, InputError, "layers 1 to 7$"),
        ({"start": 5, "tau": 3}, InputError, "tau may be from 6 to 7$"),
        ({"start": 1, "tau": 6}, InputError, "tau may be from 2 to 4$"),
        ({"start": 0}, InputError, "begin behind layers 1, 5$"),
        ({"start": 2}, InputError, "begin behind layers 1, 5$"),
    ],
    ids=str,
)
def test_what_cannot_be_a_fused_layer_is_told_beside_what_can(two_sections, asked, error, words):
    with pytest.raises(error, match=words):
        planned(setting_of(two_sections), "mw", grid=Grid(2, 2), **asked)


def test_a_profile_measures_tiles_and_strips_of_the_first_section(two_sections):
    report = profile_machine(two_sections, Settings(repeats=1, attempts=1))

    ranges = {(item.first, item.last) for item in report.predictions}
    assert ranges == {(2, 2), (2, 4), (3, 4)}
    assert report.tile_error.shapes > 0
    assert report.strip_error.shapes > 0
    assert all(item.predicted_s > 0 for item in report.predictions)


MACHINES = ["--device", "10MFLOPS", "--edge", "10GFLOPS", "--link", "1MB/s"]


@pytest.mark.parametrize(
    ("algorithm", "asked", "words"),
    [
        ("mw", {"keep_on_device": 6}, "layers 1 to 6 must stay .*: layers 2 to 4 can be tiled$"),
        ("mw", {"upload_bytes": 10}, r"^behind layers 1 to 1, .* the closest \(tau [234], grid"),
        (
            "stream",
            {"device_macs": 2000, "upload_bytes": 4000},
            "^behind layers 1 to 1, computed whole: no strips were found",
        ),
    ],
)
def test_layers_are_counted_from_the_input_where_nothing_fits(
    two_sections, algorithm, asked, words
):
    budget = Budget(evaluations=30_000)
    with pytest.raises(InfeasibleError, match=words):
        planned(
            setting_of(two_sections), algorithm, constraints=Constraints(**asked), budget=budget
        )


def test_inspect_says_what_comes_before_the_sections(file, capfd):
    assert run(["inspect", str(file)]) == 0

    told = " ".join(capfd.readouterr().out.split())
    assert "layer 1 is computed whole before all tiles; 'InstanceNormalization_a'" in told
    assert "layers 2 to 4, 57.1%" in told
    assert "layers 6 to 7, 42.9%" in told
    assert "unsplit" not in told


def test_compare_leaves_no_algorithm_out(file, capfd):
    assert run(["compare", str(file), *MACHINES, "--evaluations", "30000", "--json"]) == 0

    told = json.loads(capfd.readouterr().out)["plans"]
    assert {row["algorithm"] for row in told} == {*ALGORITHMS} - {"forward"}


def test_a_run_of_tiles_behind_what_comes_first_is_verified(file, capfd):
    image = file.with_name("image.npy")
    np.save(image, np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE), dtype=np.uint8))
    tiles = ["--grid", "2x2", "--tau", "7", "--no-cache"]

    with edge_server("--models", str(file.parent)) as edge:
        asked = ["run", str(file), str(image), "--edge", edge.address, *tiles, "--verify", "--json"]
        code = run(asked)

    told = capfd.readouterr()
    assert (code, "runs unsplit" in told.err) == (0, False)
    assert json.loads(told.out)["verified"]
