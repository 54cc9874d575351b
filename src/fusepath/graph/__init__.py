"""What the network is: operators, layers and the tensors between them. Pure."""

from fusepath.graph.footprint import (
    POINT,
    Border,
    Crop,
    Footprint,
    Padding,
    Sampling,
    Transposed,
    Window,
)
from fusepath.graph.model import FEWEST_FUSED, Layer, ModelGraph, Section, build_graph
from fusepath.graph.operators import INPUT_DTYPES, Kind, Operator, Tensor, Work, product

__all__ = [
    "FEWEST_FUSED",
    "INPUT_DTYPES",
    "POINT",
    "Border",
    "Crop",
    "Footprint",
    "Kind",
    "Layer",
    "ModelGraph",
    "Operator",
    "Padding",
    "Sampling",
    "Section",
    "Tensor",
    "Transposed",
    "Window",
    "Work",
    "build_graph",
    "product",
]
