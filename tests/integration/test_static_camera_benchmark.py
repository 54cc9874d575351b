"""The benchmark of cameras that stand still, with few frames of a small network."""

from __future__ import annotations

import pytest

from benchmarks.static_camera import KINDS, SMALL, compared, photograph, tiles
from fusepath.onnx_io import load_model

FRAMES = 6


@pytest.mark.parametrize("kind", ["a patch moves", "with noise, H.264"])
def test_what_is_saved_is_exact(kind):
    pytest.importorskip("skimage")  # photographs
    if "H.264" in kind:
        pytest.importorskip("av")
    model = load_model(SMALL)
    found = compared(model, tiles(model, 4), KINDS[kind](photograph(model), FRAMES))
    assert found["frames"] == FRAMES
    assert found["differing"] == 0
    if kind == "a patch moves":
        assert found["fewer_bytes"] > 1.5
        assert found["fewer_macs"] > 1
