"""The only home of ONNX: reading models, cutting them into sub-models, and the zoo."""

from fusepath.onnx_io.boundary import Boundary
from fusepath.onnx_io.ending import Ending, LastOutput
from fusepath.onnx_io.files import ModelFiles, joined_sha256
from fusepath.onnx_io.float32 import in_float32
from fusepath.onnx_io.load import file_sha256, load_model
from fusepath.onnx_io.model import Model
from fusepath.onnx_io.opset import with_opset
from fusepath.onnx_io.port import Port
from fusepath.onnx_io.pytorch import from_torch, is_module
from fusepath.onnx_io.quantised import quantised_node
from fusepath.onnx_io.read import read_model
from fusepath.onnx_io.strip_model import (
    StripModel,
    build_strip_model,
    cached_name,
    kept_name,
    new_name,
    sent_name,
    strip_signature,
)
from fusepath.onnx_io.submodel import SubModel, build_submodel, original_with_shape
from fusepath.onnx_io.summands import summands, whole_exposing
from fusepath.onnx_io.trial import TRIAL_INPUT, TRIAL_SHAPE, trial_model

__all__ = [
    "TRIAL_INPUT",
    "TRIAL_SHAPE",
    "Boundary",
    "Ending",
    "LastOutput",
    "Model",
    "ModelFiles",
    "Port",
    "StripModel",
    "SubModel",
    "build_strip_model",
    "build_submodel",
    "cached_name",
    "file_sha256",
    "from_torch",
    "in_float32",
    "is_module",
    "joined_sha256",
    "kept_name",
    "load_model",
    "new_name",
    "original_with_shape",
    "quantised_node",
    "read_model",
    "sent_name",
    "strip_signature",
    "summands",
    "trial_model",
    "whole_exposing",
    "with_opset",
]
