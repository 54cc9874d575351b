"""Modules of PyTorch, through both exporters. Skipped where PyTorch is not installed."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from fusepath import (
    InputError,
    ModelError,
    PlanRequest,
    Session,
    SessionOptions,
    from_torch,
    load_model,
    run,
)
from fusepath.offload.verify import measured_reference
from fusepath.plan import InputFormat
from fusepath.remote.memory import ADDRESS as MEMORY
from fusepath.remote.model_store import ModelStore
from fusepath.tiling import Grid


def test_without_pytorch_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(InputError, match=r"pip install 'fusepath\[torch\]'") as caught:
        from_torch(object(), np.zeros((1, 3, 8, 8), np.float32))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch")


@pytest.fixture
def module(torch):
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def example() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, 32, 24), dtype=np.float32)


def answer(torch, module) -> np.ndarray:
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(example())).numpy()


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_module_is_tiled_and_answers_as_pytorch_does(torch, module, exporter):
    model = from_torch(module, torch.from_numpy(example()), exporter=exporter)

    assert module.training  # as it was
    assert model.graph.tileable_layers >= 2
    request = PlanRequest(algorithm="mw", grid=Grid(2, 2))
    with Session(model, MEMORY, plan=request) as session:
        session.infer(example())
        session.wait_ready(60)
        outputs = session.infer(example()).outputs
    reference = measured_reference(model, example(), InputFormat(dtype="float32"))
    assert reference.judge(outputs).passed
    (value,) = outputs.values()
    np.testing.assert_allclose(value, answer(torch, module), rtol=1e-4, atol=1e-5)


@pytest.fixture
def conditioned(torch):
    """A module of two inputs: a picture, and what scales its channels."""
    nn = torch.nn

    class Conditioned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)
            self.scale = nn.Linear(4, 8)

        def forward(self, image, condition):
            image = torch.relu(self.second(torch.relu(self.first(image))))
            return image * self.scale(condition)[:, :, None, None]

    torch.manual_seed(0)
    return Conditioned()


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_a_module_of_several_inputs(torch, conditioned, exporter):
    condition = np.arange(4, dtype=np.float32)[None]
    model = from_torch(conditioned, (example(), torch.from_numpy(condition)), exporter=exporter)

    assert model.graph.tileable_layers >= 2
    feed = {"image": example(), "condition": condition}
    report = run(
        model, feed, MEMORY, plan=PlanRequest(algorithm="mw", grid=Grid(2, 2)), verify=True
    )
    assert report.comparison.passed
    assert report.plan.arrangement.paths == 4
    (value,) = report.runs[0].outputs.values()
    with torch.no_grad():
        expected = conditioned(torch.from_numpy(example()), torch.from_numpy(condition)).numpy()
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)

    with pytest.raises(InputError, match=r"from_torch\(module, \(x, y\)\)"):
        Session(conditioned, options=SessionOptions(sample=(example(), condition)))


def test_a_session_of_a_module(torch, module):
    with Session(module, options=SessionOptions(sample=example())) as session:
        (value,) = session.infer(example()).outputs.values()
    np.testing.assert_allclose(value, answer(torch, module), rtol=1e-4, atol=1e-5)

    with pytest.raises(InputError, match="needs an example of its input"):
        Session(module)


def test_what_was_saved_is_the_model_that_an_edge_server_looks_for(module, tmp_path):
    model = from_torch(module, example())
    model.save(tmp_path / "net.onnx")

    assert len(ModelStore(tmp_path)) == 1
    assert load_model(tmp_path / "net.onnx").sha256 == model.sha256


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_what_export_writes_by_default_is_read(torch, module, tmp_path, exporter):
    file = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (torch.from_numpy(example()),), file, dynamo=exporter == "dynamo"
        )

    assert load_model(file).graph.tileable_layers >= 2


def test_what_is_no_module_is_refused(torch):
    with pytest.raises(InputError, match=r"int is no torch\.nn\.Module"):
        from_torch(3, example())


def test_what_an_exporter_cannot_do_is_said_in_plain_letters(torch):
    class Undecided(torch.nn.Module):
        def forward(self, image):
            return image if image.sum() > 0 else -image

    with pytest.raises(ModelError, match=r"; try exporter='torchscript'$") as caught:
        from_torch(Undecided(), example())
    assert "[9" not in str(caught.value)


@pytest.mark.parametrize("given", [None, "photo.jpg", ["a", set()], {"x": 1}], ids=str)
def test_what_is_no_example_is_refused(module, given):
    with pytest.raises(InputError, match="needs an example of its input, not"):
        from_torch(module, given)
