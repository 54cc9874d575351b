"""What the network is: operators, layers and the tensors between them. Pure."""

from fusepath.graph.model import Layer, ModelGraph, build_graph
from fusepath.graph.operators import INPUT_DTYPES, Kind, Operator, Tensor, Window, Work, product

__all__ = [
    "INPUT_DTYPES",
    "Kind",
    "Layer",
    "ModelGraph",
    "Operator",
    "Tensor",
    "Window",
    "Work",
    "build_graph",
    "product",
]
