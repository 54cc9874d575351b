"""What a machine computes on: named, found, tried in order, and part of what a profile is."""

from __future__ import annotations

import json
import sys

import msgspec
import numpy as np
import onnxruntime as ort
import pytest

import fusepath
from fusepath.cost import ComputeRate, LayerTime, MachineProfile
from fusepath.errors import InputError, ModelError
from fusepath.offload.machines import check_provider
from fusepath.offload.verify import measured_reference
from fusepath.onnx_io import TRIAL_INPUT, TRIAL_SHAPE, load_model, trial_model
from fusepath.plan import InputFormat
from fusepath.profiling import ProfileCache, ProfileReport, Settings
from fusepath.profiling.layers import WholeNetwork
from fusepath.runtime import runner as runner_module
from fusepath.runtime.execution import ON_CPU, PROVIDERS, Execution, parse_providers
from fusepath.runtime.runner import Runner, usable
from tests.plans import pixels, plan_of
from tests.runs import run

CPU, CUDA, TENSORRT = (PROVIDERS[name] for name in ("cpu", "cuda", "tensorrt"))
ON_CARD = Execution(providers=("cuda", "cpu"))
SESSION = ort.InferenceSession


class Cards:
    """Plays providers that ONNX Runtime has not got here; all of them compute on the processor.

    Args:
        broken: providers whose libraries are missing.
        refusing: providers that raise for a model.
        off: what is added to every output of a card.
    """

    def __init__(self, *, broken=(), refusing=(), off: float = 0.0) -> None:
        self.broken, self.refusing, self.off = broken, refusing, off
        self.asked: list[tuple[list[str], list[dict[str, str]]]] = []

    def __call__(self, data, *, sess_options, providers, provider_options, enable_fallback):
        assert not enable_fallback
        self.asked.append((providers, provider_options))
        if providers[0] in self.refusing:
            raise RuntimeError("Non-zero status code\nand more")
        session = SESSION(data, sess_options=sess_options, providers=[CPU])
        started = [name for name in providers if name not in self.broken]
        return Played(session, started, self.off if started[:1] not in ([], [CPU]) else 0.0)


class Played:
    def __init__(self, session, providers: list[str], off: float) -> None:
        self._session, self._providers, self._off = session, providers, off

    def get_providers(self) -> list[str]:
        return self._providers

    def get_outputs(self):
        return self._session.get_outputs()

    def run(self, names, feeds):
        return [value + np.float32(self._off) for value in self._session.run(names, feeds)]


@pytest.fixture
def play(monkeypatch):
    """Has ONNX Runtime have cuda and tensorrt; what they are like is said."""

    def begin(**how) -> Cards:
        cards = Cards(**how)
        monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
        monkeypatch.setattr(ort, "InferenceSession", cards)
        return cards

    runner_module._say_once.cache_clear()
    return begin


def run_trial(execution: Execution) -> Runner:
    runner = Runner(trial_model(), execution=execution)
    (value,) = runner.run({TRIAL_INPUT: np.ones(TRIAL_SHAPE, np.float32)}).values()
    np.testing.assert_array_equal(value, np.full((1, 1, 2, 2), 9, np.float32))
    return runner


def test_providers_are_named_as_on_the_command_line():
    assert parse_providers(" CUDA,cpu ") == ("cuda", "cpu")
    assert Execution(providers=("tensorrt", "cpu")).named() == [TENSORRT, CPU]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cudda", r"provider 'cudda' is not known \(did you mean 'cuda'\?\); known are cpu, cuda"),
        ("cpu,cpu", "'cpu' is named twice"),
        (" , ", "no provider is named; known are cpu"),
    ],
)
def test_providers_that_cannot_be_meant_are_refused(text, words):
    with pytest.raises(InputError, match=words):
        parse_providers(text)


def test_the_processor_alone_is_not_tried_out(monkeypatch):
    monkeypatch.setattr(ort, "get_available_providers", list)

    assert usable(ON_CPU) is ON_CPU
    assert run_trial(ON_CPU).provider == "cpu"


def test_a_provider_that_is_there_computes_first(play):
    cards = play()

    assert usable(ON_CARD) == ON_CARD
    assert run_trial(ON_CARD).provider == "cuda"
    providers, options = cards.asked[-1]
    assert providers == [CUDA, CPU]  # which takes single operators that the card has not got
    assert options[0]["use_tf32"] == "0"  # results are those of float32


def test_libraries_of_a_card_are_loaded_once_and_nothing_is_printed(play, monkeypatch, capsys):
    play()
    loaded: list[str] = []

    def preload() -> None:
        loaded.append("cuda")
        sys.stdout.write("what a library says")

    monkeypatch.setattr(ort, "preload_dlls", preload, raising=False)
    runner_module._load_libraries.cache_clear()

    for execution in (ON_CARD, ON_CARD, ON_CPU):
        run_trial(execution)

    assert loaded == ["cuda"]
    assert capsys.readouterr().out == ""


def test_what_this_onnx_runtime_is_built_without_is_told_and_left_out(play, caplog):
    play()

    wanted = Execution(providers=("openvino", "cuda", "cpu"), threads=3)
    found = [usable(wanted) for _ in range(2)]

    assert found == [Execution(providers=("cuda", "cpu"), threads=3)] * 2
    (told,) = caplog.messages  # once
    assert "openvino is left out" in told
    assert "built without OpenVINOExecutionProvider" in told
    assert "\n" not in told


def test_a_provider_whose_libraries_are_missing_is_told_and_left_out(play, caplog):
    play(broken=[CUDA])  # ONNX Runtime goes on without it, and says nothing

    assert usable(ON_CARD).providers == ("cpu",)
    assert "cuda is left out: ONNX Runtime cannot start CUDAExecutionProvider" in caplog.text
    play(broken=[CUDA, TENSORRT])
    with pytest.raises(InputError, match=r"no provider computes .*cuda: .*tensorrt: .*add cpu"):
        usable(Execution(providers=("cuda", "tensorrt")))


def test_a_model_that_a_provider_refuses_goes_to_the_next(play, caplog):
    play(refusing=[TENSORRT])

    runner = run_trial(Execution(providers=("tensorrt", "cuda", "cpu")))

    assert runner.provider == "cuda"
    (told,) = caplog.messages
    assert told.startswith("tensorrt refuses a model, cuda is tried: ")
    assert "\n" not in told
    with pytest.raises(ModelError, match=r"Non-zero status code$"):
        run_trial(Execution(providers=("tensorrt",)))


@pytest.fixture(scope="module")
def model():
    return load_model("zoo:squeezenet?size=64")


def profile_of(model, provider: str) -> MachineProfile:
    layers = tuple(LayerTime(name=layer.name, seconds=1e-3) for layer in model.graph.layers)
    return MachineProfile(model_sha256=model.graph.sha256, layers=layers, provider=provider)


def test_a_profile_of_one_provider_is_not_remembered_for_another(model, tmp_path):
    cache = ProfileCache(tmp_path)
    settings = Settings(execution=ON_CARD)
    report = ProfileReport(
        settings=settings,
        profile=profile_of(model, CUDA),
        layers=(),
        layer_error=None,
        tile_error=None,
        strip_error=None,
        predictions=(),
        drift=0.0,
        attempts=1,
    )
    cache.keep(model, report)

    assert cache.load(model, settings) == report
    for others in (("cpu",), ("cuda",), ("cpu", "cuda")):
        other = msgspec.structs.replace(ON_CARD, providers=others)
        assert cache.load(model, Settings(execution=other)) is None


def test_a_session_takes_no_profile_of_another_provider(model):
    check_provider(profile_of(model, CUDA), ON_CARD)
    check_provider(profile_of(model, ""), ON_CPU)  # who knows
    check_provider(ComputeRate(1e9), ON_CPU)
    with pytest.raises(InputError, match="was measured on CUDAExecutionProvider, and this machine"):
        fusepath.Session(
            model, "memory:", machines=fusepath.Machines(device=profile_of(model, CUDA))
        )


def test_sessions_are_told_what_to_compute_on():
    options = fusepath.SessionOptions(threads=2, providers=("cuda", "cpu"))

    assert options.execution == Execution(providers=("cuda", "cpu"), threads=2)
    with pytest.raises(InputError, match="did you mean 'cuda'"):
        fusepath.SessionOptions(providers=("cuda1",))


def test_the_rounding_of_a_provider_is_measured_and_becomes_the_tolerance(play, model):
    play(off=0.01)
    whole = WholeNetwork(model, ON_CARD)
    form = InputFormat(dtype="float32")
    image = np.random.default_rng(1).random(model.graph.input.shape, dtype=np.float32)

    assert whole.provider == "cuda"
    assert whole.rounding() > 1e-4
    assert WholeNetwork(model, ON_CPU).rounding() == 0.0
    usual, here, there = (
        measured_reference(model, image, form, execution=execution, rounding=rounding)
        for execution, rounding in ((ON_CPU, 0.0), (ON_CARD, 0.0), (ON_CPU, 0.25))
    )
    (name,) = usual.outputs
    largest = float(np.abs(usual.outputs[name]).max())
    np.testing.assert_array_equal(here.outputs[name], usual.outputs[name])  # the processor's
    assert here.tolerances[name] == pytest.approx(0.02, rel=1e-3)
    assert there.tolerances[name] == pytest.approx(0.5 * largest)
    assert usual.tolerances[name] < 1e-3 * largest


@pytest.mark.parametrize(("claimed", "believed"), [(1e-5, 1e-5), (1e6, 2**-10)])
def test_a_server_is_not_believed_to_round_by_as_much_as_it_likes(
    model, monkeypatch, claimed, believed
):
    asked = []

    def reference(*given, rounding, **others):
        asked.append(rounding)
        return measured_reference(*given, rounding=rounding, **others)

    monkeypatch.setattr("fusepath.offload.run.measured_reference", reference)
    edge = msgspec.structs.replace(profile_of(model, CUDA), rounding=claimed)
    plan = msgspec.structs.replace(plan_of(model, cuts=[1]), edge=edge)

    assert run(model, pixels(model), edge="memory:", plan=plan, verify=True).comparison.passed
    assert asked == [believed]


def test_settings_say_what_was_computed_on():
    assert json.loads(msgspec.json.encode(Settings(execution=ON_CARD)))["execution"] == {
        "providers": ["cuda", "cpu"],
        "threads": 1,
    }
