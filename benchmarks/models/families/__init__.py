"""The families: what is built, of which size, and in which spellings people have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.models.families import classifiers, dense, detectors, text
from fusepath.onnx_io.zoo.alexnet import alexnet
from fusepath.onnx_io.zoo.convnext import convnext_tiny
from fusepath.onnx_io.zoo.densenet import densenet121
from fusepath.onnx_io.zoo.efficientnet import efficientnet_b0
from fusepath.onnx_io.zoo.googlenet import googlenet
from fusepath.onnx_io.zoo.mobilenet import mobilenetv2
from fusepath.onnx_io.zoo.mobilenetv3 import mobilenetv3_large
from fusepath.onnx_io.zoo.resnet import resnet18, resnet50
from fusepath.onnx_io.zoo.shufflenet import shufflenetv2
from fusepath.onnx_io.zoo.squeezenet import squeezenet1_1
from fusepath.onnx_io.zoo.unet import unet
from fusepath.onnx_io.zoo.vgg import vgg16

if TYPE_CHECKING:
    from collections.abc import Callable

TORCH = ("torchscript", "dynamo")
ALL = (*TORCH, "tf2onnx", "paddle")


@dataclass(frozen=True, kw_only=True)
class Family:
    """A network and how it is found."""

    layers: Callable
    size: tuple[int, int] = (224, 224)
    """Rows and columns of the input."""
    channels: int = 3
    spellings: tuple[str, ...] = TORCH
    member_of: str = ""
    """The family it is a form of, where that is not its own name."""


FAMILIES = {
    "resnet18": Family(layers=resnet18),
    "resnet50": Family(layers=resnet50, spellings=("dynamo", "tf2onnx")),
    "regnet-y": Family(layers=classifiers.regnet_y),
    "mobilenetv1": Family(layers=classifiers.mobilenetv1, spellings=("tf2onnx", "paddle")),
    "mobilenetv2": Family(layers=mobilenetv2, spellings=ALL),
    "mobilenetv3-large": Family(layers=mobilenetv3_large, spellings=ALL),
    "efficientnet-b0": Family(layers=efficientnet_b0, spellings=(*TORCH, "tf2onnx")),
    "shufflenetv2": Family(layers=shufflenetv2),
    "densenet121": Family(layers=densenet121),
    "googlenet": Family(layers=googlenet),
    "convnext-tiny": Family(layers=convnext_tiny),
    "vgg16": Family(layers=vgg16, spellings=("torchscript",)),
    "squeezenet": Family(layers=squeezenet1_1),
    "alexnet": Family(layers=alexnet, size=(227, 227), spellings=("torchscript",)),
    "unet-nearest": Family(layers=dense.unet_nearest, size=(256, 256), member_of="unet"),
    "unet-bilinear": Family(layers=dense.unet_bilinear, size=(256, 256), member_of="unet"),
    "unet-transposed": Family(layers=unet, size=(256, 256), member_of="unet"),
    "fsrcnn": Family(layers=dense.fsrcnn, size=(180, 320), channels=1),
    "espcn": Family(layers=dense.espcn, size=(120, 160), channels=1),
    "deeplab": Family(layers=dense.deeplab, size=(256, 256), spellings=("dynamo", "tf2onnx")),
    "fpn": Family(layers=dense.fpn, size=(256, 256)),
    "yolov5n": Family(layers=detectors.yolov5n, size=(320, 320)),
    "yolov8n": Family(layers=detectors.yolov8n, size=(320, 320)),
    "nanodet": Family(layers=detectors.nanodet, size=(320, 320)),
    "ssd-mobilenet": Family(
        layers=detectors.ssd_mobilenet, size=(300, 300), spellings=("torchscript", "tf2onnx")
    ),
    "yunet": Family(layers=detectors.yunet, size=(320, 320)),
    "ultraface": Family(layers=detectors.ultraface, size=(240, 320)),
    "ppocr-det": Family(layers=text.ppocr_det, size=(320, 320), spellings=("paddle",)),
    "ppocr-rec": Family(layers=text.ppocr_rec, size=(48, 320), spellings=("paddle",)),
    "blazeface": Family(layers=detectors.blazeface, size=(128, 128), spellings=("tf2onnx",)),
    "hand-landmarks": Family(layers=detectors.hand_landmarks, spellings=("tf2onnx",)),
    "style-transfer": Family(layers=dense.style_transfer),
}
