"""An offload plan: what is to be done, what was asked, and what was predicted. Data alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath.cost import Compression, Convention, Link, Machine, is_lossy
from fusepath.plan.change import OutputChange
from fusepath.plan.energy import EnergyUse, energy_of
from fusepath.plan.preprocessing import Preprocessing
from fusepath.plan.recipe import InputFormat, ModelReference, Recipe, TailPlace
from fusepath.plan.request import DEFAULT_REQUEST, PlanRequest
from fusepath.plan.source import PictureSource
from fusepath.schedule.result import relative_gap
from fusepath.timeline import Timeline

if TYPE_CHECKING:
    from fusepath.tiling import Arrangement, Grid

PLAN_FORMAT = "fusepath-plan"
PLAN_VERSION = 2
MAX_PATHS = 4096


class Prediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan will take on the machines that it was made for."""

    makespan_s: float
    lower_bound_s: float
    """A time that no plan beats that might have been chosen."""
    device_macs: int
    edge_macs: int
    up_bytes: int
    timeline: Timeline
    energy_bound_j: float | msgspec.UnsetType = msgspec.UNSET
    """What the device draws at least with any plan that might have been chosen, where energy was
    planned for."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a plan comes from."""

    fusepath_version: str
    algorithm: str
    plans_evaluated: int
    search_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe with the machines it was made for and the prediction it was chosen by."""

    KIND: ClassVar[str] = "plan"

    format: str = PLAN_FORMAT
    version: int = PLAN_VERSION
    recipe: Recipe
    request: PlanRequest = DEFAULT_REQUEST
    """What was asked for; the plan keeps to its constraints."""
    device: Machine
    edge: Machine
    link: Link
    convention: Convention
    compression: dict[str, Compression] = {}
    """By tensor: what its codec in the recipe was reckoned to save and to take."""
    back_compression: dict[str, Compression] = {}
    """The same of what returns."""
    source: PictureSource | msgspec.UnsetType = msgspec.UNSET
    """The encoded pictures that it was made for, if it was."""
    pictures: Preprocessing | msgspec.UnsetType = msgspec.UNSET
    """How encoded pictures become the input, where that was said and none was there to plan for."""
    prediction: Prediction
    provenance: Provenance
    changes: dict[str, OutputChange] | msgspec.UnsetType = msgspec.UNSET
    """By output: how a lossy plan changes it, where that was measured."""

    @property
    def chain(self) -> Preprocessing | None:
        """How encoded pictures become the input; None leaves it to whoever has them."""
        return self.source.chain if self.source else self.pictures or None

    @property
    def recipe_sha256(self) -> str:
        """Equal for plans that do the same."""
        return self.recipe.sha256

    @property
    def model(self) -> ModelReference:
        """Which model it is for."""
        return self.recipe.model

    @property
    def input(self) -> InputFormat:
        """How the input travels."""
        return self.recipe.input

    @property
    def arrangement(self) -> Arrangement:
        """How its paths share the network out."""
        return self.recipe.arrangement

    @property
    def start(self) -> int:
        """Layers that the device computes whole, before all paths."""
        return self.recipe.start

    @property
    def tau(self) -> int:
        """The fused layer."""
        return self.recipe.tau

    @property
    def grid(self) -> Grid:
        """Rows and columns of paths."""
        return self.recipe.grid

    @property
    def order(self) -> tuple[int, ...]:
        """Paths (1-based) as the device computes them."""
        return self.recipe.order

    @property
    def cuts(self) -> tuple[int, ...]:
        """First layer (1-based) on the edge server, by path."""
        return self.recipe.cuts

    def cut_of(self, path: int) -> int:
        """The cut of a path (1-based) of a timeline, where images of a batch are numbered on."""
        return self.cuts[(path - 1) % len(self.cuts)]

    @property
    def tail(self) -> TailPlace:
        """Where the layers behind the fused layer run."""
        return self.recipe.tail

    @property
    def codecs(self) -> dict[str, str]:
        """The codec of every tensor that is encoded."""
        return self.recipe.codecs

    @property
    def back_codecs(self) -> dict[str, str]:
        """The codec of every tensor that returns encoded."""
        return self.recipe.back_codecs

    @property
    def is_exact(self) -> bool:
        """Whether results are those of the unsplit model: nothing that is sent is changed."""
        return not any(map(is_lossy, self.codecs.values()))

    @property
    def is_plain(self) -> bool:
        """Whether any edge server can carry it out: nothing is encoded, and no file forwarded."""
        return not (self.codecs or self.back_codecs or self.recipe.forwards)

    @property
    def algorithm(self) -> str:
        """What found it."""
        return self.provenance.algorithm

    @property
    def makespan_s(self) -> float:
        """Seconds from the start of the first path to the end of the result."""
        return self.prediction.makespan_s

    @property
    def lower_bound_s(self) -> float:
        """A time that no plan beats that might have been chosen."""
        return self.prediction.lower_bound_s

    @property
    def timeline(self) -> Timeline:
        """The prediction, step by step."""
        return self.prediction.timeline

    @property
    def energy(self) -> EnergyUse | None:
        """What the device draws until the result is there; None where its power is not known."""
        power = self.device.power
        return energy_of(self.timeline, power, self.link) if power else None

    @property
    def energy_j(self) -> float | None:
        """All of that."""
        used = self.energy
        return None if used is None else used.total_j

    @property
    def energy_bound_j(self) -> float | None:
        """What no plan draws less of; None where energy was not planned for."""
        bound = self.prediction.energy_bound_j
        return None if bound is msgspec.UNSET else bound

    @property
    def device_macs(self) -> int:
        """Multiply-accumulates on the device, halos counted."""
        return self.prediction.device_macs

    @property
    def edge_macs(self) -> int:
        """Multiply-accumulates on the edge server, halos counted."""
        return self.prediction.edge_macs

    @property
    def up_bytes(self) -> int:
        """Bytes sent up."""
        return self.prediction.up_bytes

    @property
    def family(self) -> str:
        """What kind of plan it is, in words."""
        if self.recipe.forwards:
            return "forwarded file"
        family = self.arrangement.family(self.cuts)
        return f"{family}, tail on the device" if self.tail is TailPlace.DEVICE else family

    @property
    def stays_on_device(self) -> bool:
        """Whether nothing of it runs on the edge server: what does has been sent there."""
        return self.up_bytes == 0 and all(cut > self.tau for cut in self.cuts)

    @property
    def is_foreseen(self) -> bool:
        """Whether its prediction says anything: what it runs on was given or measured."""
        if self.stays_on_device:
            return not self.device.is_assumed
        return self.is_of_known_machines

    @property
    def is_of_known_machines(self) -> bool:
        """Whether both machines and the link were given or measured."""
        return not any(part.is_assumed for part in (self.device, self.edge, self.link))

    @property
    def ending(self) -> str:
        """Where what follows the fused layer runs, in words."""
        return "all on the device" if self.stays_on_device else f"tail on the {self.tail}"

    @property
    def gap(self) -> float:
        """(makespan − lower bound) / makespan."""
        return relative_gap(self.makespan_s, self.lower_bound_s)

    @property
    def status(self) -> str:
        """``optimal`` where the bound proves it for all that the algorithm may choose."""
        return "optimal" if self.lower_bound_s == self.makespan_s else "feasible"

    def predicting(
        self,
        *,
        makespan_s: float | None = None,
        lower_bound_s: float | None = None,
        timeline: Timeline | None = None,
        energy_bound_j: float | None = None,
    ) -> Plan:
        """The same plan with another prediction; what is left out stays as it is."""
        changes = {
            name: value
            for name, value in (
                ("makespan_s", makespan_s),
                ("lower_bound_s", lower_bound_s),
                ("timeline", timeline),
                ("energy_bound_j", energy_bound_j),
            )
            if value is not None
        }
        prediction = msgspec.structs.replace(self.prediction, **changes)
        return msgspec.structs.replace(self, prediction=prediction)
