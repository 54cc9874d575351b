"""The device's share of a plan, made ready: sessions are built and warm before the first image."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fusepath.runtime.layout import Paths
from fusepath.runtime.packing import EncodedTensor, pack
from fusepath.runtime.pixels import check_form
from fusepath.runtime.stage import make_stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan
    from fusepath.runtime.stage import Memory, Pieces, Stage


from fusepath.runtime.stages import prepare_stages, stages_macs, usable_codecs


class DeviceShare:
    """The device's share of a plan: layers before each path's cut.

    It serves one inference at a time, in the plan's order.
    """

    def __init__(self, model: Model, plan: Plan, *, threads: int = 1) -> None:
        check_form(plan.input, model)
        self._model = model
        self._plan = plan
        self._codecs = usable_codecs(plan)
        self._paths = Paths.of(model, plan)
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, self._paths, plan.input, 1, cut - 1, threads=threads)
            for cut in sorted(set(plan.cuts))
            if cut > 1
        }
        prepare_stages(self._stages, plan)
        self._memory: Memory = {}
        self._sent_bytes = [0] * len(plan.cuts)

    def compute(self, path: int, image: Array) -> Pieces:
        """What path (0-based) sends: its part of the image, taken as far as its cut.

        Args:
            path: 0-based.
            image: the whole input, (1, C, H, W), of the plan's input dtype.
        """
        name = self._model.graph.input.name
        pieces = {name: image}
        if self._paths.tiling is not None:
            box = self._paths.box(path, name)
            pieces = {}
            if box is not None:
                pieces = {name: image[:, :, box.rows.slice(), box.cols.slice()]}
        stage = self._stages.get(self._plan.cuts[path])
        return stage.run(path, pieces, self._memory) if stage is not None else pieces

    def pack(self, path: int, pieces: Pieces) -> dict[str, Array | EncodedTensor]:
        """The pieces of a path as they are sent: encoded, where the plan says so."""
        return {} if self.keeps(path) else pack(pieces, self._codecs)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the device."""
        return stages_macs(self._stages, self._plan)

    def keeps(self, path: int) -> bool:
        """Whether the device takes a path to the very end, so that nothing of it is sent."""
        return self._plan.cuts[path] == self._model.graph.depth + 1

    def sent_bytes(self, path: int) -> int:
        """Bytes of what a path (0-based) has sent of the image of the rehearsal."""
        return self._sent_bytes[path]

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) of which the edge server returns a part; None for one whole result."""
        return self._paths.returning(self._plan)

    def expected_part(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) by output of the part that comes back for a path (0-based)."""
        return self._paths.part_shapes(self._model, path)

    def put_together(self, outputs: Pieces, parts: Mapping[int, Pieces]) -> Pieces:
        """The outputs from what has come back as a whole, and from parts (by path, 0-based).

        Parts are those that the device has kept, and those that have come back one by one.
        """
        whole = dict(outputs)
        for path, pieces in parts.items():
            if self._paths.tiling is None:
                whole.update(pieces)
                continue
            for name, share in pieces.items():
                box = self._paths.box(path, name)
                assert box is not None  # a share is never empty
                if name not in whole:
                    tensor = self._model.graph.tensors[name]
                    whole[name] = np.empty(tensor.shape, dtype=tensor.dtype)
                elif not whole[name].flags.writeable:
                    whole[name] = whole[name].copy()
                whole[name][:, :, box.rows.slice(), box.cols.slice()] = share
        return {name: whole[name] for name in self._model.graph.outputs}

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        return sum(stage.sessions for stage in self._stages.values())

    def computes(self, path: int) -> bool:
        """Whether the device does anything for a path but cut it out of the image."""
        cut = self._plan.cuts[path]
        return cut in self._stages or any(
            name in self._codecs for name in self._model.graph.sent(cut)
        )

    def rehearse(self, image: Array, *, repeats: int) -> list[list[float]]:
        """Warm every session up; seconds of each path (0-based), ``repeats`` times."""
        times: list[list[float]] = [[] for _ in self._plan.cuts]
        for turn in range(repeats + 1):
            for number in self._plan.order:
                started_s = time.perf_counter()
                to_send = self.pack(number - 1, self.compute(number - 1, image))
                self._sent_bytes[number - 1] = sum(item.nbytes for item in to_send.values())
                if turn > 0:  # the first one warms up
                    times[number - 1].append(time.perf_counter() - started_s)
        return times
