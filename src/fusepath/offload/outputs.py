"""Outputs as the owner of a model knows them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model


class OwnerOutputs:
    """Makes a model's outputs of what the network has made of its images.

    Where the model has an ending, that is carried out here, on this machine.

    Raises:
        ModelError: ONNX Runtime cannot load the ending.
    """

    def __init__(self, model: Model) -> None:
        self._ports = model.boundary.outputs
        self._ending = ending = model.ending
        self._runner = None
        if ending is not None and ending.data:
            self._runner = Runner(ending.data, outputs=ending.computed)
        unchanged = all(port.is_unchanged for port in self._ports)
        self.are_those_of_the_network = ending is None and unchanged and model.boundary.batch == 1

    def of_network(self, wanted: Collection[str]) -> frozenset[str]:
        """Outputs of the network that some of the owner's are made of."""
        ending = self._ending
        computes = ending is not None and not set(ending.computed).isdisjoint(wanted)
        read = {*wanted, *ending.inputs} if ending is not None and computes else set(wanted)
        return frozenset(port.name for port in self._ports if port.name in read)

    async def of(
        self, images: Sequence[Mapping[str, Array]], wanted: Collection[str]
    ) -> dict[str, Array]:
        """The outputs.

        Args:
            images: outputs of the network in normal form, by name, for every image of a batch:
                those that some of the wanted ones are made of.
            wanted: those of the owner that are asked for.

        Raises:
            ModelError: ONNX Runtime cannot run the ending on them.
        """
        made = {
            port.name: port.to_owner([image[port.name] for image in images])
            for port in self._ports
            if port.name in images[0]
        }
        ending = self._ending
        if ending is None:
            return made
        made |= {name: value.copy() for name, value in ending.constants.items()}
        if self._runner is not None and not set(ending.computed).isdisjoint(wanted):
            feeds = {name: made[name] for name in ending.inputs}
            made |= await asyncio.to_thread(self._runner.run, feeds)
        return {
            output.name: made[output.name] for output in ending.outputs if output.name in wanted
        }
