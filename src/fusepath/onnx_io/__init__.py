"""The only home of ONNX: reading models, cutting them into sub-models, and the zoo."""

from fusepath.onnx_io.load import load_model
from fusepath.onnx_io.model import Model
from fusepath.onnx_io.read import read_model
from fusepath.onnx_io.submodel import SubModel, build_submodel, original_with_shape

__all__ = [
    "Model",
    "SubModel",
    "build_submodel",
    "load_model",
    "original_with_shape",
    "read_model",
]
