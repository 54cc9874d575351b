"""Which operators run together: those that can be tiled, and what stands between them.

Even stages can be tiled, each a *section* of the network; odd ones hold the operators that need
whole maps and what joins their results back in. An operator is in the earliest stage that has all
it reads. A section begins with an operator that multiplies or looks around; pointwise ones right
behind a barrier stay with it, so that what enters a section are few maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from fusepath.graph.operators import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fusepath.graph.operators import Operator, Tensor

Strides = tuple[int, int]

_Exact = tuple[Fraction, Fraction]

_FINEST = 2**24
"""Most parts of a pixel that strides are counted in, so that positions fit 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The operators of a network in stages."""

    of: Mapping[str, int]
    """By operator, from 0; in odd ones nothing can be tiled."""
    strides: Mapping[str, Strides]
    """Of every map that a tile can hold."""
    reasons: Mapping[str, str]
    """By operator, why it cannot be tiled though it is no barrier."""

    @property
    def tileable(self) -> frozenset[str]:
        """Operators that can be tiled."""
        return frozenset(name for name, stage in self.of.items() if stage % 2 == 0)


def stages_of(
    source: Tensor,
    outputs: Collection[str],
    tensors: Mapping[str, Tensor],
    operators: tuple[Operator, ...],
    ending: Collection[str],
) -> Stages:
    """The stages of a network.

    Args:
        source: its input.
        outputs: of the network.
        tensors: all activations.
        operators: in an order in which they can run.
        ending: operators that run at the very end.
    """
    walk = _Walk(tensors)
    if source.is_map:
        walk.exact[source.name] = (Fraction(1), Fraction(1))
    walk.stage_of[source.name] = 0
    of = {op.name: walk.passed(op) for op in operators}
    # Quantised maps that nothing but outputs is made of are kept to the end.
    last = max(of.values()) + 2
    last_read = dict.fromkeys(outputs, last)
    for op in operators:
        for name in op.inputs:
            reader = last if op.name in ending else of[op.name]
            last_read[name] = max(last_read.get(name, 0), reader)
    renamed, now = {}, 0
    for stage in range(last):
        alive = [n for n, made in walk.stage_of.items() if made < stage <= last_read.get(n, -1)]
        multiplies = any(op.work.macs > 0 for op in operators if of[op.name] == stage)
        enters = stage % 2 == 0 and multiplies and all(name in walk.exact for name in alive)
        if stage > 0 and enters == (now % 2 == 1):
            now += 1
        renamed[stage] = now
    rows, cols = walk.units
    return Stages(
        of={name: renamed[stage] for name, stage in of.items()},
        strides={name: (int(r * rows), int(c * cols)) for name, (r, c) in walk.exact.items()},
        reasons=walk.reasons,
    )


@dataclass(slots=True)
class _Walk:
    """From the input on, operator by operator."""

    tensors: Mapping[str, Tensor]
    exact: dict[str, _Exact] = field(default_factory=dict)
    """From one element to the next along (rows, cols), in pixels."""
    units: tuple[int, int] = (1, 1)
    """In how many parts of a pixel all of them are whole."""
    stage_of: dict[str, int] = field(default_factory=dict)
    """By tensor, the stage that makes it."""
    reasons: dict[str, str] = field(default_factory=dict)

    def passed(self, op: Operator) -> int:
        """The stage of an operator, whose outputs are known from then on."""
        at = max((self.stage_of.get(name, 0) for name in op.inputs), default=0)
        made = self._strides(op)
        opens = op.kind is Kind.WINDOW or op.work.macs > 0
        tiled = made is not None and (at % 2 == 0 or opens)
        stage = at + (at % 2 == int(tiled))
        if made is not None:
            self.exact |= dict.fromkeys(op.outputs, made)
        else:
            self.exact |= {
                name: self._like(self.tensors[name], op)
                for name in op.outputs
                if _has_space(self.tensors[name])
            }
        self.stage_of |= dict.fromkeys(op.outputs, stage)
        return stage

    def _strides(self, op: Operator) -> _Exact | None:
        """Strides of what an operator makes of tiles; None where it cannot be tiled.

        What joins maps of different strides but equal sizes (a map resized to the very size of
        another) has that of the first; no tile of it can be aligned, so that sessions compute all
        of it.
        """
        tensors = self.tensors
        if op.kind is Kind.BARRIER or not op.inputs or any(t not in self.exact for t in op.inputs):
            return None
        behind = max(self.stage_of[name] for name in op.inputs) > 0
        if not all(_has_space(tensors[t]) if behind else tensors[t].is_map for t in op.outputs):
            return None
        if len({tensors[t].shape[2:] for t in op.inputs}) != 1:
            self.reasons[op.name] = "joins maps of different sizes"
            return None
        rows, cols = (
            stride * Fraction(*footprint.step)
            for stride, footprint in zip(self.exact[op.inputs[0]], op.footprints, strict=True)
        )
        finer = (
            math.lcm(self.units[0], rows.denominator),
            math.lcm(self.units[1], cols.denominator),
        )
        if max(finer) > _FINEST:
            self.reasons[op.name] = "resamples to distances that have too fine a common measure"
            return None
        self.units = finer
        return rows, cols

    def _like(self, made: Tensor, op: Operator) -> _Exact:
        """Strides of a map that is made of whole ones: as of a map of its size, if there is any.

        They are true within a section whatever they are at its entry: only what is joined has to
        agree, or whole maps are computed.
        """
        known = [*op.inputs, *reversed(self.exact)]
        for name in known:
            if name in self.exact and self.tensors[name].shape[2:] == made.shape[2:]:
                return self.exact[name]
        return Fraction(1), Fraction(1)


def _has_space(tensor: Tensor) -> bool:
    """Whether it is a map of more than one position: a vector of channels is not worth a tile."""
    return tensor.is_map and tensor.size(0) * tensor.size(1) > 1
