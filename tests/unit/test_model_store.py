"""Which models an edge server finds, and which it does not hand out."""

from __future__ import annotations

import pytest

from fusepath.errors import ModelError
from fusepath.onnx_io import load_model
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
