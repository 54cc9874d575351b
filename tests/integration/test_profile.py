"""Profiles: what they are made from, what they are held against, and how they are remembered."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from itertools import count

import msgspec
import pytest

from fusepath import jsonfile
from fusepath.cost import parse_machine
from fusepath.offload.remembered import SessionMemory
from fusepath.onnx_io import Model, load_model
from fusepath.profiling import (
    ProfileCache,
    ProfileReport,
    Settings,
    machine_identity,
    profile_machine,
    remembered_profile,
)
from fusepath.profiling import cache as cache_module
from fusepath.profiling import layers as measure_module
from fusepath.profiling import profile as profile_module
from fusepath.profiling.layers import FITTED_GRIDS, each_layer
from fusepath.profiling.profile import HELD_OUT_GRIDS, HELD_OUT_STRIPS
from fusepath.profiling.strips import FITTED_STRIPS
from fusepath.profiling.timing import Timing, time_call
from fusepath.runtime.execution import ON_CPU
from tests.small_detector import small_detector, small_detector_bytes

SETTINGS = Settings(repeats=2, attempts=1)


@pytest.fixture(scope="module")
def model() -> Model:
    return small_detector()


@pytest.fixture(scope="module")
def report(model: Model) -> ProfileReport:
    return profile_machine(model, SETTINGS)


@pytest.fixture
def quiet(report: ProfileReport) -> ProfileReport:
    """As measured on a machine with nothing else to do, which tests cannot count on."""
    profile = msgspec.structs.replace(report.profile, disturbed=False)
    return msgspec.structs.replace(report, profile=profile)


def test_a_profile_says_what_it_was_measured_with(model, report):
    profile = report.profile

    profile.check(model.graph)
    assert profile.threads == 1
    assert profile.provider == "CPUExecutionProvider"
    assert profile.software.startswith("onnxruntime ")
    assert all(layer.seconds > 0 for layer in profile.layers)
    assert all(0 <= layer.fixed_s <= layer.seconds for layer in profile.layers)
    assert all(layer.spread >= 0 for layer in profile.layers)


def test_errors_are_those_of_shapes_that_were_not_fitted(model, report):
    assert set(HELD_OUT_GRIDS).isdisjoint(FITTED_GRIDS)
    assert set(HELD_OUT_STRIPS).isdisjoint(FITTED_STRIPS)
    held_out = {str(grid) for grid in HELD_OUT_GRIDS}
    held_out |= {f"{n} strips{where}" for n in HELD_OUT_STRIPS for where in ("", " ahead")}

    singles = [item for layer in report.layers for item in layer.predictions]

    assert {item.what for item in (*singles, *report.predictions)} <= held_out
    assert report.layer_error.shapes == len(singles) > 0
    assert report.tile_error.shapes + report.strip_error.shapes == len(report.predictions)
    assert report.profile.held_out.shapes == len(report.predictions)
    assert len({(item.first, item.last) for item in report.predictions}) > 2


def test_a_prediction_is_the_profiles_own(model, report):
    """A layer's fixed part and its positions' share, nothing that was measured on that tile."""
    layer = next(layer for layer in report.layers if layer.predictions)

    for item in layer.predictions:
        assert layer.fixed_s <= item.predicted_s <= layer.fixed_s + layer.moving_s


def test_layers_are_timed_on_tiles_that_are_smaller_than_the_layer(model):
    for item in each_layer(model, FITTED_GRIDS, ON_CPU, 2):
        assert item.whole.seconds > 0
        assert all(0 < piece.share <= 0.8 for piece in item.pieces)


def test_a_machine_that_is_not_quiet_is_measured_again_and_marked(model, monkeypatch):
    slower = iter([1.0, 1.5, 1.0, 1.5, 1.0, 1.5])

    def drifting(*_, **__) -> Timing:
        return Timing(seconds=next(slower), spread=0.0)

    monkeypatch.setattr(profile_module.WholeNetwork, "time", drifting)

    report = profile_machine(model, msgspec.structs.replace(SETTINGS, attempts=3))

    assert report.attempts == 3
    assert report.profile.disturbed
    assert report.drift >= 0.5 - 1e-9


def test_while_something_else_has_the_processor_no_time_counts(monkeypatch):
    wall, own = count(), count(step=0.1)
    monkeypatch.setattr("fusepath.profiling.timing.time.perf_counter", lambda: next(wall))
    monkeypatch.setattr("fusepath.profiling.timing.time.thread_time", lambda: next(own))

    alone = time_call(lambda: None, 5)
    several = time_call(lambda: None, 5, on_caller=False)  # whose clocks nobody can read

    assert alone.seconds == pytest.approx(0.1)
    assert several.seconds == pytest.approx(1.0)


def test_a_profile_file_is_a_machine(report, tmp_path):
    file = tmp_path / "device.json"
    jsonfile.save(file, report.profile)

    assert parse_machine(str(file)) == report.profile


def test_what_was_measured_is_remembered(model, quiet, tmp_path):
    cache = ProfileCache(tmp_path / "new" / "folder")
    assert cache.load(model, SETTINGS) is None

    cache.keep(model, quiet)

    assert cache.load(model, SETTINGS) == quiet


def test_other_settings_machines_and_models_are_others(model, quiet, tmp_path, monkeypatch):
    cache = ProfileCache(tmp_path)
    cache.keep(model, quiet)

    assert cache.load(model, Settings(repeats=3, attempts=1)) is None
    assert cache.load(load_model("zoo:squeezenet?size=32"), SETTINGS) is None
    other = machine_identity() | {"cpu": "another"}
    monkeypatch.setattr(cache_module, "machine_identity", lambda: other)
    assert cache.load(model, SETTINGS) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"version": 1}', bytes(range(256))])
def test_a_damaged_entry_is_ignored_and_written_anew(model, quiet, tmp_path, damage):
    cache = ProfileCache(tmp_path)
    cache.keep(model, quiet)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(damage)

    assert cache.load(model, SETTINGS) is None
    cache.keep(model, quiet)
    assert cache.load(model, SETTINGS) == quiet


def test_a_disturbed_profile_is_not_kept(model, quiet, tmp_path):
    disturbed = msgspec.structs.replace(quiet.profile, disturbed=True)

    ProfileCache(tmp_path).keep(model, msgspec.structs.replace(quiet, profile=disturbed))

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(model, quiet, tmp_path):
    (tmp_path / "file").write_text("in the way")

    ProfileCache(tmp_path / "file").keep(model, quiet)

    assert (tmp_path / "file").read_text() == "in the way"


WEIRD_HOMES = {
    "relative": {"XDG_CACHE_HOME": "somewhere", "HOME": "elsewhere"},
    "empty": {"XDG_CACHE_HOME": "", "HOME": "/dev/null"},
    "a device": {"XDG_CACHE_HOME": "/dev/null"},
    "not to be written": {"XDG_CACHE_HOME": "/proc"},
    "too long": {"XDG_CACHE_HOME": "/" + 5000 * "x"},
    "no text": {"XDG_CACHE_HOME": "/proc/\udcff"},
}


@pytest.mark.parametrize("variables", WEIRD_HOMES.values(), ids=WEIRD_HOMES)
def test_where_nothing_can_be_kept_everything_is_measured(
    model, quiet, tmp_path, monkeypatch, variables
):
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setitem(os.environ, name, value)
    cache = ProfileCache.of_user()

    cache.keep(model, quiet)

    assert cache.load(model, SETTINGS) is None
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def homeless(monkeypatch):
    """A user of whom the system knows nothing, as in a container that is run with any number."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_measures_every_time(model, quiet, monkeypatch):
    measured = []

    def measure(_, settings: Settings) -> ProfileReport:
        measured.append(settings)
        return quiet

    monkeypatch.setattr(cache_module, "profile_machine", measure)

    assert SessionMemory.of_user(model.graph, "memory:").file is None
    assert [remembered_profile(model) for _ in range(2)] == [quiet.profile] * 2
    assert measured == [Settings.brief()] * 2


def test_commands_work_without_a_home(tmp_path, tmp_path_factory):
    """In a process of its own, so that nothing has looked for a home before."""
    model = tmp_path_factory.mktemp("model") / "net.onnx"
    model.write_bytes(small_detector_bytes())
    script = """
import pwd, sys
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = pwd.getpwnam = unknown
from fusepath.cli.main import run
assert run(["profile", sys.argv[1], "--fast", "--json"]) == 0
assert run(["plan", sys.argv[1], "--device", "1GFLOPS", "--edge", "9GFLOPS",
            "--link", "1MB/s"]) == 0
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"HOME", "USER", "LOGNAME"} and not name.startswith("XDG_")
    }

    done = subprocess.run(
        [sys.executable, "-c", script, str(model)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_remembered_profile_is_not_measured_again(model, quiet, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    measured = []

    def measure(_, settings: Settings) -> ProfileReport:
        measured.append(settings)
        return msgspec.structs.replace(quiet, settings=settings)

    monkeypatch.setattr(cache_module, "profile_machine", measure)

    first, second = (remembered_profile(model) for _ in range(2))

    assert first == second == quiet.profile
    assert measured == [Settings.brief()]


def test_the_longer_measurement_is_preferred(model, quiet, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    longer = msgspec.structs.replace(quiet, settings=Settings())
    slowed = msgspec.structs.replace(quiet.profile, call_overhead_s=1.0)
    quick = msgspec.structs.replace(quiet, settings=Settings.quick(), profile=slowed)
    for item in (quick, longer):
        ProfileCache.of_user().keep(model, item)

    assert remembered_profile(model) == quiet.profile


def test_a_program_that_waits_gets_the_profile_alone(model):
    report = profile_machine(model, Settings.brief())

    report.profile.check(model.graph)
    assert report.profile.total_s > 0
    assert [layer.name for layer in report.layers] == [layer.name for layer in model.graph.layers]
    assert (report.attempts, report.predictions, report.profile.held_out) == (1, (), None)


@pytest.mark.parametrize(
    ("whole_s", "repeats"), [(0.001, 3), (0.1, 3), (0.2, 2), (0.5, 1), (60.0, 1)]
)
def test_a_slow_machine_repeats_less_often_where_a_program_waits(whole_s, repeats):
    assert Settings.brief().repeats_of(whole_s) == repeats
    assert Settings().repeats_of(whole_s) == 9


def test_the_cost_of_a_call_is_what_a_wait_adds(model, monkeypatch):
    """Timings are played: a call takes a millisecond more after a wait."""

    def played(run, repeats, *, wait_s=0.0, on_caller=True) -> Timing:
        run()
        return Timing(seconds=0.002 + (0.001 if wait_s else 0.0), spread=0.0)

    monkeypatch.setattr(measure_module, "time_call", played)

    profile = measure_module.measure_layers(model, repeats=2)

    # All pieces took as long as the whole, so that all of a layer is fixed and a call costs it all.
    scale = profile.layers[0].seconds / 0.002
    assert profile.call_overhead_s == pytest.approx(0.001 + 0.002 * scale)
    assert profile.waking_s == pytest.approx(0.001)
    assert profile.slowed(10).call_overhead_s == pytest.approx(0.001 + 10 * 0.002 * scale)
