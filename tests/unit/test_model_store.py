"""Which models an edge server finds, and which it does not hand out."""

from __future__ import annotations

import time

import pytest

from fusepath.errors import ModelError
from fusepath.onnx_io import load_model
from fusepath.plan import ModelReference
from fusepath.remote.located_model import LocatedModel
from fusepath.remote.model_store import ModelStore
from tests.plans import plan_of

SOURCE = "zoo:squeezenet?size=64&weights=integer"


def reference():
    """Of a model that the device has as a file, so that the zoo is no help."""
    model = plan_of(load_model(SOURCE), tau=4, grid=(1, 1), cuts=[1]).model
    return model.__class__(
        name="net", sha256=model.sha256, source="net.onnx", input_shape=model.input_shape
    )


def test_a_model_that_is_added_while_it_serves_is_found_when_it_is_asked_for(tmp_path):
    store = ModelStore(tmp_path)
    with pytest.raises(ModelError, match="holds this very file"):
        store.get(reference())

    (tmp_path / "net.onnx").write_bytes(b"not yet a model")
    with pytest.raises(ModelError, match="holds this very file"):
        store.get(reference())
    load_model(SOURCE).save(tmp_path / "net.onnx")

    assert store.get(reference()).graph.sha256 == reference().sha256
    assert len(store) == 1


def test_a_model_under_two_names_has_both_and_stays_when_one_becomes_another(tmp_path):
    for name in ("first", "second"):
        load_model(SOURCE).save(tmp_path / f"{name}.onnx")
    store = ModelStore(tmp_path)

    assert store.holds("first")
    assert store.holds("second")
    assert store.named("first").graph.sha256 == store.named("second").graph.sha256
    assert not store.holds("third")
    load_model("zoo:squeezenet?size=96&weights=integer").save(tmp_path / "second.onnx")
    assert store.named("second").graph.input.shape == (1, 3, 96, 96)
    assert store.get(reference()).graph.sha256 == reference().sha256


def test_links_lead_nowhere_but_within_the_folder(tmp_path, caplog):
    outside, folder = tmp_path / "outside.onnx", tmp_path / "models"
    folder.mkdir()
    load_model(SOURCE).save(outside)
    (folder / "net.onnx").symlink_to(outside)
    (folder / "nothing.onnx").symlink_to(folder / "missing")
    (folder / "itself.onnx").symlink_to(folder / "itself.onnx")

    store = ModelStore(folder)

    assert len(store) == 0
    assert "is a link out of the folder" in caplog.text
    with pytest.raises(ModelError, match="holds this very file"):
        store.get(reference())
    outside.replace(folder / "v1")
    (folder / "net.onnx").unlink()
    (folder / "net.onnx").symlink_to(folder / "v1")
    assert store.get(reference()).graph.sha256 == reference().sha256


def asked_for(seed: int, sha256: str) -> ModelReference:
    source = f"zoo:squeezenet?size=32&seed={seed}"
    return ModelReference(name="net", sha256=sha256, source=source, input_shape=(1, 3, 32, 32))


def test_false_digests_have_no_more_than_a_few_networks_made(monkeypatch):
    made = []
    load = LocatedModel.load
    monkeypatch.setattr(LocatedModel, "load", lambda model: made.append(model) or load(model))
    honest = load_model(asked_for(1000, "").source).graph.sha256
    store, now_s = ModelStore(None), 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)

    for seed in range(20):
        with pytest.raises(ModelError, match="SHA-256"):
            store.get(asked_for(seed, "0" * 64))

    assert len(made) == 4
    with pytest.raises(ModelError, match="none is for 600 s"):
        store.get(asked_for(1000, honest))
    published = load_model("zoo:squeezenet")
    usual = ModelReference(
        name="net",
        sha256=published.graph.sha256,
        source="zoo:squeezenet",
        input_shape=(1, 3, 224, 224),
    )
    assert store.get(usual).graph.sha256 == published.graph.sha256
    now_s += 601
    assert store.get(asked_for(1000, honest)).graph.sha256 == honest
