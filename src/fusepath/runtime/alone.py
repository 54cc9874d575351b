"""A plan carried out in one process: what crosses is encoded and decoded as on the wire."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.runtime.packing import EncodedTensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Recipe


class BothShares:
    """Both machines' shares of a recipe, one after the other.

    Args:
        model: the network.
        recipe: has been checked against it.
    """

    def __init__(self, model: Model, recipe: Recipe) -> None:
        self._input, self._order = model.graph.input.name, recipe.order
        self._device, self._edge = DeviceShare(model, recipe), EdgeShare(model, recipe)

    def run(
        self, image: Array, companions: Mapping[str, Array] = MappingProxyType({})
    ) -> dict[str, Array]:
        """The outputs of the network, as the plan makes them.

        Args:
            image: the input as it travels, (1, C, H, W).
            companions: the other inputs.
        """
        device, edge = self._device, self._edge
        device.compute_head(image)
        fused = edge.new_fused()
        kept, parts = {}, {}
        for number in self._order:
            path = number - 1
            pieces = device.compute(path, image, companions)
            kept[path] = device.kept(path, pieces)
            edge.compute(path, _arrived(device.pack(path, pieces)), fused)
            if path in (edge.returning or ()):
                parts[path] = edge.part(path, fused)
        returned = {} if edge.returning is not None else edge.compute_tail(fused)
        inputs = {self._input: image, **companions}
        return device.put_together(returned, [*kept.items(), *parts.items()], inputs)


def _arrived(packed: Mapping[str, Array | EncodedTensor]) -> dict[str, Array]:
    return {
        name: value.value() if isinstance(value, EncodedTensor) else value
        for name, value in packed.items()
    }
