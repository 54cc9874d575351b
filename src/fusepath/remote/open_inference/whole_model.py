"""A model as it was given, in one session: what clients of other servers ask for."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fusepath.errors import ImageError
from fusepath.onnx_io import original_with_shape
from fusepath.pictures.decoding import FORWARDED, PictureFile
from fusepath.pictures.frame import PictureFrame, decode_within
from fusepath.pictures.inputs import check_takes_pictures
from fusepath.protocol.admission import Cost
from fusepath.runtime.pixels import check_form, to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat, Preprocessing
    from fusepath.runtime.execution import Execution

_ROUNDS = 3


class Described(NamedTuple):
    """An input or output as the model's owner knows it."""

    name: str
    dtype: str
    """A numpy type name."""
    shape: tuple[int, ...]
    """−1 where it depends on the data."""


class WholeModel:
    """A session of the unsplit model.

    Args:
        model: as it was read.
        execution: what to compute on.

    Raises:
        ModelError: its file has gone, or ONNX Runtime cannot load it.
    """

    def __init__(self, model: Model, *, execution: Execution) -> None:
        self._model = model
        original = original_with_shape(model)
        self._runner = Runner(original, outputs=model.output_names, execution=execution)
        ports = (model.boundary.input, *model.boundary.companions)
        self.inputs = tuple(Described(port.name, port.dtype, port.shape) for port in ports)
        self.outputs = _outputs(model)
        self.time_s = 0.0
        """Of a run; known once it is rehearsed."""

    @property
    def cost(self) -> Cost:
        """Of an inference, beside the bytes of what comes."""
        described = (*self.inputs, *self.outputs)
        kept = sum(np.dtype(dtype).itemsize * abs(int(np.prod(s))) for _, dtype, s in described)
        return Cost(self.time_s, 2 * kept)

    def rehearse(self, on: Callable[[Callable[[], None]], None]) -> None:
        """Run it a few times, to warm up and to know how long it takes.

        Args:
            on: has it run where it will run.
        """
        blank = {
            name: np.full(shape, dtype.startswith("float"), dtype=dtype)
            for name, dtype, shape in self.inputs
        }
        taken_s: list[float] = []

        def timed() -> None:
            started_s = time.perf_counter()
            self._runner.run(blank)
            taken_s.append(time.perf_counter() - started_s)

        for _ in range(_ROUNDS):
            on(timed)
        self.time_s = statistics.median(taken_s)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, as the owner knows both.

        Raises:
            ModelError: ONNX Runtime cannot run it on these.
        """
        return self._runner.run(inputs)

    def from_pictures(
        self, files: Sequence[bytes], chain: Preprocessing, form: InputFormat
    ) -> Array:
        """The first input, made of encoded pictures: one for every image that the model takes.

        Raises:
            ImageError: it takes no pictures or another number of them, or one cannot be decoded.
        """
        target, port = self._model.graph.input, self._model.boundary.input
        check_takes_pictures(target)
        check_form(form, self._model)
        batch = self._model.boundary.batch
        if len(files) != batch:
            raise ImageError(f"{len(files)} pictures were sent; the model takes {batch} at a time")
        pixels = np.concatenate(
            [
                decode_within(
                    FORWARDED, PictureFrame(PictureFile(file, "the file sent"), chain, target.shape)
                )
                for file in files
            ]
        )
        return port.to_owner([to_model_input(pixels, form, port.dtype)])


def _outputs(model: Model) -> tuple[Described, ...]:
    ports, ending = model.boundary.outputs, model.ending
    if ending is None:
        return tuple(Described(port.name, port.dtype, port.shape) for port in ports)
    return tuple(
        Described(output.name, output.dtype, (-1,) if output.shape is None else output.shape)
        for output in ending.outputs
    )
