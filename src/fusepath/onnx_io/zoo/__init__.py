"""Well-known CNNs as ONNX graphs: built by code, seeded weights, nothing to download.

Layers, shapes, MACs and parameter counts are those of the publications; the weights are random.
What takes time and what crosses the link is therefore real, what the network sees is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fusepath.errors import ModelError
from fusepath.nearest import did_you_mean
from fusepath.onnx_io.zoo.alexnet import alexnet
from fusepath.onnx_io.zoo.builder import GraphBuilder
from fusepath.onnx_io.zoo.convnext import convnext_tiny
from fusepath.onnx_io.zoo.densenet import densenet121
from fusepath.onnx_io.zoo.efficientnet import efficientnet_b0
from fusepath.onnx_io.zoo.googlenet import googlenet
from fusepath.onnx_io.zoo.mobilenet import mobilenetv2
from fusepath.onnx_io.zoo.mobilenetv3 import mobilenetv3_large
from fusepath.onnx_io.zoo.nanodet import nanodet
from fusepath.onnx_io.zoo.resnet import resnet18, resnet50, resnet101
from fusepath.onnx_io.zoo.shufflenet import shufflenetv2
from fusepath.onnx_io.zoo.squeezenet import squeezenet1_0, squeezenet1_1
from fusepath.onnx_io.zoo.ssd import ssd_mobilenet
from fusepath.onnx_io.zoo.unet import unet
from fusepath.onnx_io.zoo.vgg import vgg16, vgg19
from fusepath.onnx_io.zoo.weights import WEIGHTS
from fusepath.onnx_io.zoo.yolo import tiny_yolov2, yolov2
from fusepath.onnx_io.zoo.yolo_necks import yolov5n, yolov8n

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx

    from fusepath.onnx_io.zoo.graph import Value
    from fusepath.onnx_io.zoo.weights import Weights

__all__ = ["DEFAULT_SIZES", "NAMES", "build", "serialize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Network:
    layers: Callable[[GraphBuilder], Value | tuple[Value, ...]]
    default_size: int
    smallest_size: int
    multiple: int = 1


_NETWORKS: Mapping[str, _Network] = {
    "alexnet": _Network(layers=alexnet, default_size=227, smallest_size=67),
    "squeezenet": _Network(layers=squeezenet1_0, default_size=224, smallest_size=21),
    "squeezenet1_1": _Network(layers=squeezenet1_1, default_size=224, smallest_size=17),
    "yolov2": _Network(layers=yolov2, default_size=416, smallest_size=32, multiple=32),
    "tiny-yolov2": _Network(layers=tiny_yolov2, default_size=416, smallest_size=32, multiple=32),
    "vgg16": _Network(layers=vgg16, default_size=224, smallest_size=32),
    "resnet18": _Network(layers=resnet18, default_size=224, smallest_size=32),
    "resnet50": _Network(layers=resnet50, default_size=224, smallest_size=32),
    "mobilenetv2": _Network(layers=mobilenetv2, default_size=224, smallest_size=32),
    "vgg19": _Network(layers=vgg19, default_size=224, smallest_size=32),
    "resnet101": _Network(layers=resnet101, default_size=224, smallest_size=32),
    "googlenet": _Network(layers=googlenet, default_size=224, smallest_size=32),
    "densenet121": _Network(layers=densenet121, default_size=224, smallest_size=32),
    "mobilenetv3-large": _Network(layers=mobilenetv3_large, default_size=224, smallest_size=32),
    "efficientnet-b0": _Network(layers=efficientnet_b0, default_size=224, smallest_size=32),
    "shufflenetv2": _Network(layers=shufflenetv2, default_size=224, smallest_size=32),
    "convnext-tiny": _Network(layers=convnext_tiny, default_size=224, smallest_size=32),
    "unet": _Network(layers=unet, default_size=256, smallest_size=32, multiple=16),
    "yolov5n": _Network(layers=yolov5n, default_size=640, smallest_size=32, multiple=32),
    "yolov8n": _Network(layers=yolov8n, default_size=640, smallest_size=32, multiple=32),
    "nanodet": _Network(layers=nanodet, default_size=320, smallest_size=32, multiple=32),
    "ssd-mobilenet": _Network(layers=ssd_mobilenet, default_size=300, smallest_size=32),
}

NAMES: tuple[str, ...] = tuple(_NETWORKS)
DEFAULT_SIZES: Mapping[str, int] = {name: n.default_size for name, n in _NETWORKS.items()}


def build(
    name: str, *, input_size: int | None = None, seed: int = 0, weights: Weights = "he"
) -> onnx.ModelProto:
    """The network `name` as an ONNX model, opset 17, static shapes, batch 1.

    Input ``image`` is float32 of shape (1, 3, S, S), RGB or not: the weights know no colours.
    Output ``output`` is (1, 1000) for a classifier, (1, 125, S/32, S/32) for a YOLOv2 and
    (1, 1, S, S) for the U-Net; other detectors have an output for each of their heads, ``output1``
    at the finest scale and so on.

    Args:
        name: One of `NAMES`.
        input_size: S in pixels; the published size (`DEFAULT_SIZES`) if not given.
        seed: Seed of all weights, 0 or more.
        weights: ``"he"`` for random normals, ``"integer"`` for weights with which maps hold
            integers that float32 sums exactly in any order, given an image of integers 0..255; how
            far that reaches says `fusepath.onnx_io.zoo.weights`.

    Raises:
        ModelError: The name is not known, or the network cannot have this input size.
    """
    network = _NETWORKS.get(name)
    if network is None:
        raise ModelError(
            f"zoo: unknown network '{name}'{did_you_mean(name, NAMES)}; known networks are "
            f"{', '.join(NAMES)}"
        )
    if weights not in WEIGHTS:
        raise ModelError(f"zoo:{name}: unknown weights '{weights}'; use {' or '.join(WEIGHTS)}")
    if seed < 0:
        raise ModelError(f"zoo:{name}: seed {seed} is negative; use 0 or more")
    size = network.default_size if input_size is None else input_size
    if size < network.smallest_size:
        raise ModelError(
            f"zoo:{name}: input size {size} is too small; use {network.smallest_size} or more"
        )
    if size % network.multiple:
        below = size - size % network.multiple
        raise ModelError(
            f"zoo:{name}: input size {size} is not a multiple of {network.multiple}; "
            f"use {below} or {below + network.multiple}"
        )
    graph = GraphBuilder(name, input_size=size, seed=seed, weights=weights)
    heads = network.layers(graph)
    return graph.finish(*(heads if isinstance(heads, tuple) else (heads,)))


def serialize(model: onnx.ModelProto) -> bytes:
    """The model as the bytes of an ``.onnx`` file: equal models give equal bytes."""
    return cast("bytes", model.SerializeToString(deterministic=True))
