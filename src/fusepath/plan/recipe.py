"""What both machines carry out: who computes what, in which order, and how it is sent."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath.errors import SettingError
from fusepath.graph import INPUT_DTYPES
from fusepath.plan.source import Forwarding
from fusepath.tiling import Arrangement, Grid

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph


class TailPlace(StrEnum):
    """Where the layers behind the fused layer run.

    On the edge server once all paths have come together there, and the outputs return; or on the
    device, which keeps its share of the fused layer while that of the edge server returns.
    """

    EDGE = "edge"
    DEVICE = "device"


class ModelReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model a plan is for; ``source`` is where the planner found it."""

    name: str
    sha256: str
    source: str
    input_shape: tuple[int, ...]
    """Of the input as the model file has it; matters for models that leave it open."""


class InputFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the input travels, and how pixels become the model's values.

    ``dtype`` is the element type of the model's input, or uint8 for pixels of a model of floats.
    Both machines compute ``(pixel − mean) / std`` per channel in float32, the device before its own
    layers, the edge server for tiles that were sent raw. One value serves all channels.
    """

    dtype: str = "uint8"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)

    def __post_init__(self) -> None:
        if self.dtype not in INPUT_DTYPES:
            known = ", ".join(sorted(INPUT_DTYPES))
            raise SettingError(f"input dtype '{self.dtype[:20]}' is none of {known}")
        if not self.mean or not self.std or 0.0 in self.std:
            raise SettingError("mean and std need at least one value, and std none of zero")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a plan that an edge server is sent, and prepares.

    ``order`` lists paths (1-based, row by row in a grid) as the device computes them; ``cuts``
    gives, by path, the first layer (1-based) that runs on the edge server; ``tau + 1`` keeps the
    whole path on the device.
    """

    KIND: ClassVar[str] = "recipe"

    model: ModelReference
    input: InputFormat
    arrangement: Arrangement
    start: int = 0
    """Layers that the device computes whole before all paths, which begin behind them: 0, or where
    a later section begins."""
    order: tuple[int, ...]
    cuts: tuple[int, ...]
    tail: TailPlace = TailPlace.EDGE
    codecs: dict[str, str] = {}
    """By tensor: the codec that it is encoded with. Tensors that are not here are sent as is."""
    back_codecs: dict[str, str] = {}
    """The same of what returns: outputs or, for a tail on the device, what that reads."""
    forwarding: Forwarding | msgspec.UnsetType = msgspec.UNSET
    """How the input is made of the file that is sent in its place; of plans that forward none,
    nothing. The whole network runs on the edge server then."""

    @property
    def forwards(self) -> bool:
        """Whether the input is sent as the file that it comes in."""
        return self.forwarding is not msgspec.UNSET

    @property
    def tau(self) -> int:
        """The fused layer."""
        return self.arrangement.tau

    @property
    def grid(self) -> Grid:
        """Rows and columns of paths."""
        return self.arrangement.grid

    @property
    def paths(self) -> int:
        """Number of paths."""
        return self.arrangement.paths

    def divided(self, graph: ModelGraph) -> ModelGraph:
        """What paths share out: the network, or the part of it before a tail on the device."""
        return graph.front(self.tau) if self.tail is TailPlace.DEVICE else graph

    @property
    def rest(self) -> Recipe:
        """What is done behind layer ``start``, as a recipe of the network that is left there.

        Its layers are counted anew (`ModelGraph.behind`).
        """
        return msgspec.structs.replace(
            self,
            start=0,
            arrangement=self.arrangement.moved(-self.start),
            cuts=tuple(cut - self.start for cut in self.cuts),
        )

    @property
    def sha256(self) -> str:
        """Equal for recipes that do the same, wherever the model lies and whatever it is called."""
        # Once to JSON and back: an int that stands for a float must not count.
        same = msgspec.json.decode(msgspec.json.encode(self), type=Recipe)
        model = msgspec.structs.replace(same.model, name="", source="")
        same = msgspec.structs.replace(same, model=model)
        return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()
