"""A detector of seven layers that can be tiled to its end.

Where a test is about plans and not about a network, this one is planned in a tenth of the time
that networks of the zoo take, and single cuts, tiles and strips all are the best somewhere.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from fusepath.onnx_io import read_model
from tests.written_models import net_bytes

if TYPE_CHECKING:
    from fusepath.onnx_io import Model

_BODY = """(float[] y) {
    a = Conv<pads = [1, 1, 1, 1]>(x, wa)  b = Relu(a)
    c = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(b)
    d = Conv<pads = [1, 1, 1, 1]>(c, wd)  e = Relu(d)
    f = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(e)
    g = Conv<pads = [1, 1, 1, 1]>(f, wg)  h = Relu(g)
    i = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(h)
    y = Conv(i, wy)
}"""
_WEIGHTS = {"wa": (16, 3, 3, 3), "wd": (32, 16, 3, 3), "wg": (64, 32, 3, 3), "wy": (30, 64, 1, 1)}


def small_detector_bytes(size: int = 64, *, integer: bool = False) -> bytes:
    """The model file; it takes pictures of ``size`` rows and columns, a multiple of 8."""
    return net_bytes(_BODY, shape=f"1,3,{size},{size}", integer=integer, **_WEIGHTS)


@cache
def small_detector(size: int = 64, *, integer: bool = False) -> Model:
    """The same, read."""
    data = small_detector_bytes(size, integer=integer)
    return read_model(data, name="small-detector", source="small-detector.onnx")
