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
from fusepath.graph.model import Layer, ModelGraph, build_graph
from fusepath.graph.operators import Kind, Operator, Tensor, Work, product

__all__ = [
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
    "Tensor",
    "Transposed",
    "Window",
    "Work",
    "build_graph",
    "product",
]
