"""Where a single tensor crosses from the first part of a model to the second, and the parts."""

from __future__ import annotations

from itertools import pairwise

import onnx
import onnx.utils

POINTWISE = {"Relu", "LeakyRelu", "Clip", "Sigmoid", "BatchNormalization", "LRN", "Dropout"}


class Crossings:
    """Tensors at which a model of one input and one output can be cut in two.

    ``names[0]`` is the input (nothing before it) and ``names[-1]`` the output (nothing behind it).
    """

    def __init__(self, path: str) -> None:
        self.model = onnx.shape_inference.infer_shapes(onnx.load(path))
        self._extractor = onnx.utils.Extractor(self.model)
        graph = self.model.graph
        weights = {item.name for item in graph.initializer}
        self.input = next(item.name for item in graph.input if item.name not in weights)
        self.output = graph.output[0].name
        self.shapes = {
            item.name: tuple(size.dim_value for size in item.type.tensor_type.shape.dim)
            for item in (*graph.input, *graph.value_info, *graph.output)
        }
        self.names = [self.input, *self._inner(weights), self.output]

    def before(self, name: str) -> onnx.ModelProto:
        """The layers from the input to a tensor."""
        return self._extractor.extract_model([self.input], [name])

    def behind(self, name: str) -> onnx.ModelProto:
        """The layers from a tensor to the output."""
        return self._extractor.extract_model([name], [self.output])

    def _inner(self, weights: set[str]) -> list[str]:
        nodes = [node for node in self.model.graph.node if node.op_type != "Constant"]
        constants = {
            name
            for node in self.model.graph.node
            if node.op_type == "Constant"
            for name in node.output
        }
        readers: dict[str, int] = {}
        for node in nodes:
            for name in set(node.input) - weights - constants - {""}:
                readers[name] = readers.get(name, 0) + 1
        alive = {self.input: readers[self.input]}
        found = []
        for node, following in pairwise(nodes):
            for name in set(node.input) & set(alive):
                alive[name] -= 1
                if not alive[name]:
                    del alive[name]
            alive |= {name: readers[name] for name in node.output if name in readers}
            # A cut between a layer and its activation sends as much as one behind it.
            if len(alive) == 1 and following.op_type not in POINTWISE:
                found += alive
        return found
