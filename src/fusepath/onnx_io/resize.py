"""Resize and Upsample: which elements of a map each output reads.

Nearest neighbours are found in float32, as ONNX Runtime finds them, for every output of the whole
map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from fusepath.graph import POINT, Sampling, Transposed
from fusepath.onnx_io.nodes import input_at, integer, integers, text
from fusepath.onnx_io.work import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto

    from fusepath.arrays import FloatArray, IntArray
    from fusepath.graph import Footprint
    from fusepath.onnx_io.draft import Draft, Types

RESAMPLING = frozenset({"Resize", "Upsample"})
SCALES_OPSET = 9
"""From here on scales are an input; before, they are an attribute."""
MODES_OPSET = 11
"""From here on a Resize states its coordinates; before, they are asymmetric."""
_COORDINATES = frozenset(
    [
        "align_corners",
        "asymmetric",
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "tf_crop_and_resize",
        "tf_half_pixel_for_nn",
    ]
)
_ROUNDINGS = frozenset({"ceil", "floor", "round_prefer_ceil", "round_prefer_floor", "simple"})
_SIZES_AT = 3
_LARGEST_PERIOD = 512
"""Most outputs after which a pattern repeats that a scale is recognised by."""


@dataclass(frozen=True, slots=True)
class ResizedAxis:
    """One axis of a map that is resampled."""

    size: int
    made: int
    scale: np.float32
    """Outputs per input, as ONNX Runtime reckons with them."""

    @property
    def written(self) -> np.float32:
        """The scale with which the runtime, which is not told a size, finds that of every piece."""
        found = self._finds_sizes(self.scale)
        return self.scale if found else np.nextafter(self.scale, np.float32(np.inf))

    @property
    def ratio(self) -> Fraction | None:
        """The scale as a fraction of small numbers, but for rounding; None where it is none."""
        simple = Fraction(float(self.scale)).limit_denominator(_LARGEST_PERIOD)
        off = abs(np.float32(float(simple)) - self.scale)
        small = 0 < simple.numerator <= _LARGEST_PERIOD
        return simple if small and off <= np.spacing(self.scale) else None

    @property
    def is_exact(self) -> bool:
        """Whether positions are computed without rounding that matters."""
        return self.ratio is not None and Fraction(float(self.written)) == self.ratio

    @property
    def irregularity(self) -> str:
        """Why its pieces are not resampled as the whole is; empty where they are."""
        factor = f"its factor {float(self.scale):.6g}"
        if self.ratio is None:
            return f"{factor} is no ratio of small whole numbers"
        found = self._finds_sizes(self.written)
        return "" if found else f"{factor}, rounded, makes other sizes of parts than of the whole"

    def _finds_sizes(self, scale: np.float32) -> bool:
        """Whether the runtime, which rounds down a product in float32, comes to the ratio's."""
        if self.ratio is None:
            return False
        sizes = np.arange(1, self.size + 1)
        made = sizes * self.ratio.numerator // self.ratio.denominator
        found = (sizes.astype(np.float32) * scale).astype(np.int64)
        return bool((found == made).all()) and made[-1] == self.made


@dataclass(frozen=True, slots=True)
class StatedResize:
    """A node as its attributes and constants state it, rows and columns apart."""

    linear: bool
    coordinates: str
    rounding: str
    axes: tuple[ResizedAxis, ResizedAxis]

    def nearest(self, axis: ResizedAxis, scale: np.float32) -> IntArray:
        """The input element of every output along an axis, as ONNX Runtime computes it."""
        at = self._positions(axis, scale)
        match self.rounding:
            case "floor":
                index = np.floor(at)
            case "ceil":
                index = np.ceil(at)
            case "round_prefer_ceil":
                index = np.floor(at + 0.5)
            case "simple":  # before opset 11
                index = np.ceil(at) if scale < 1 else np.trunc(at)
            case _:
                index = np.ceil(at - 0.5)
        return np.clip(index.astype(np.int64), 0, axis.size - 1)

    def _positions(self, axis: ResizedAxis, scale: np.float32) -> FloatArray:
        outputs = np.arange(axis.made, dtype=np.float32)
        half = np.float32(0.5)
        match self.coordinates:
            case "asymmetric":
                at = outputs / scale
            case "align_corners" if axis.made > 1:
                at = outputs * np.float32(axis.size - 1) / np.float32(axis.made - 1)
            case "align_corners":
                at = np.zeros_like(outputs)
            case "pytorch_half_pixel" if axis.made == 1:
                at = np.zeros_like(outputs)
            case "tf_half_pixel_for_nn":
                at = (outputs + half) / scale
            case _:
                at = (outputs + half) / scale - half
        return at.astype(np.float64)

    def repeats(self, axis: ResizedAxis) -> int:
        """How often elements are repeated along an axis, but for what is cut off; 0 if not so."""
        factor = -(-axis.made // axis.size)
        repeated = np.arange(axis.made) // factor
        return 0 if self.linear or (self.nearest(axis, axis.scale) != repeated).any() else factor

    def whole(self, axis: ResizedAxis) -> int:
        """By what whole number an axis is repeated, with nothing cut off; 0 if not so."""
        factor = self.repeats(axis)
        return factor if factor * axis.size == axis.made else 0

    def footprint(self, axis: ResizedAxis) -> Footprint | str:
        """How outputs read their input along an axis, or why tiles cannot share that."""
        whole = self.whole(axis)
        return _repetition(whole) if whole else self.sampling(axis)

    def sampling(self, axis: ResizedAxis) -> Footprint | str:
        """`footprint` where elements are not only repeated."""
        ratio = axis.ratio
        if self.coordinates == "align_corners":
            return (
                f"align_corners puts outputs {axis.size - 1}/{axis.made - 1} of an element apart, "
                "a pattern that does not repeat within the map"
            )
        if ratio is None or axis.irregularity:
            return axis.irregularity
        if ratio == 1:
            return POINT
        inputs, outputs = ratio.denominator, ratio.numerator
        offset = {"asymmetric": 0, "tf_half_pixel_for_nn": inputs}.get(
            self.coordinates, inputs - outputs
        )
        if self.linear:
            # Where rounding may put a position on either side of an element, both may be read.
            slack = 0 if axis.is_exact else 1
            last = offset + 2 * outputs - 1
            low, high = offset - slack, last + slack
            return Sampling(inputs=inputs, outputs=outputs, low=low, high=high, size=axis.size)
        tap = offset + {
            "floor": 0,
            "ceil": 2 * outputs - 1,
            "round_prefer_ceil": outputs,
            "simple": 2 * outputs - 1 if ratio < 1 else 0,
        }.get(self.rounding, outputs - 1)
        exact = np.clip(
            (2 * np.arange(axis.made) * inputs + tap) // (2 * outputs), 0, axis.size - 1
        )
        if any((exact != self.nearest(axis, by)).any() for by in (axis.scale, axis.written)):
            return "rounding makes its nearest neighbours irregular"
        return Sampling(inputs=inputs, outputs=outputs, low=tap, high=tap, size=axis.size)


def resize_footprints(
    node: NodeProto, draft: Draft, types: Types
) -> tuple[Footprint, Footprint] | str:
    """How a Resize or Upsample in its own form reads a map along (rows, cols), or why not."""
    resize = stated_resize(node, draft, types)
    if isinstance(resize, str):
        return resize
    rows, cols = map(resize.footprint, resize.axes)
    if isinstance(rows, str) or isinstance(cols, str):
        return rows if isinstance(rows, str) else str(cols)
    return _never_copying(rows, cols)


def _never_copying(rows: Footprint, cols: Footprint) -> tuple[Footprint, Footprint]:
    """The footprints with pieces large enough that ONNX Runtime resamples them.

    It copies what comes out as large as it went in, whatever the factors: with 5 elements for 4,
    a piece of up to 3 by 3. A piece that changes along one axis is enough.
    """
    least = [_changing(footprint) for footprint in (rows, cols)]
    if 1 in least:
        return rows, cols
    if least[1] and isinstance(cols, Sampling):
        return rows, replace(cols, least=least[1])
    if least[0] and isinstance(rows, Sampling):
        return replace(rows, least=least[0]), cols
    return rows, cols


def _changing(footprint: Footprint) -> int:
    """Fewest elements of which another number is made; 0 where not even the map has as many."""
    inputs, outputs = footprint.step
    if outputs <= inputs:
        return int(outputs < inputs)
    least = -(-inputs // (outputs - inputs))
    return least if not isinstance(footprint, Sampling) or least <= footprint.size else 0


def _repetition(factor: int) -> Footprint:
    return Transposed(kernel=factor, stride=factor) if factor > 1 else POINT


def stated_resize(node: NodeProto, draft: Draft, types: Types) -> StatedResize | str:
    """What a node does, or why it cannot be done in tiles."""
    source, target = (shape_of(name, types) for name in (input_at(node, 0), node.output[0]))
    if len(source) != 4 or len(target) != 4:
        return "does not resize a map"
    scales = _scales(node, draft, source, target)
    if scales is None:
        return "its factors are not constant"
    rows, cols = (ResizedAxis(source[at], target[at], scales[at]) for at in (2, 3))
    resize = StatedResize(
        linear=text(node, "mode", "nearest") == "linear",
        coordinates=text(node, "coordinate_transformation_mode", "half_pixel"),
        rounding=text(node, "nearest_mode", "round_prefer_floor"),
        axes=(rows, cols),
    )
    if draft.opset < MODES_OPSET:
        resize = replace(resize, coordinates="asymmetric", rounding="simple")
    if source[:2] != target[:2]:
        return "resizes the channels"
    return next(_objections(node, resize), resize)


def size_by_factors(
    node: NodeProto, draft: Draft, source: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The shape that ONNX Runtime gives what is resized by constant factors; None where by others.

    It multiplies in float32. ONNX's own inference does not, and finds 51 for 40 elements by 1.3.
    """
    by_size = draft.opset >= MODES_OPSET and input_at(node, _SIZES_AT)
    scales = None if by_size else _scales(node, draft, source, source)
    if scales is None:
        return None
    return tuple(int(np.float32(n) * scale) for n, scale in zip(source, scales, strict=True))


def _objections(node: NodeProto, resize: StatedResize) -> Iterator[str]:
    mode = text(node, "mode", "nearest")
    if mode not in {"nearest", "linear"}:
        yield f"mode {mode} is not supported in tiles yet"
    if resize.coordinates not in _COORDINATES or resize.rounding not in _ROUNDINGS:
        yield "its coordinates or their rounding are of an unknown kind"
    if integer(node, "antialias", 0) and resize.linear:
        yield "antialiasing is not supported in tiles yet"
    if integer(node, "exclude_outside", 0) or resize.coordinates == "tf_crop_and_resize":
        yield "reads outside the map in a way of its own"
    if text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        yield "keeps the aspect ratio, which ties rows to columns"
    for axis in resize.axes:
        uneven = Fraction(axis.made, axis.size) != axis.ratio
        if resize.coordinates == "half_pixel_symmetric" and uneven:
            yield "its outputs are centred on the whole map"
        single = axis.made == 1 < axis.size
        if resize.coordinates == "pytorch_half_pixel" and single and resize.linear:
            yield "shrinks an axis to a single element"


def _scales(
    node: NodeProto, draft: Draft, source: tuple[int, ...], target: tuple[int, ...]
) -> list[np.float32] | None:
    """Outputs per input along all axes; None where they are not constant."""
    if draft.opset >= MODES_OPSET and input_at(node, _SIZES_AT):
        return [np.float32(made) / np.float32(n) for n, made in zip(source, target, strict=True)]
    at = 2 if draft.opset >= MODES_OPSET else 1
    name = input_at(node, at)
    values = draft.array(name)
    stated = values.tolist() if values is not None else _attribute(node)
    axes = integers(node, "axes") or tuple(range(len(source)))
    if stated is None or len(stated) != len(axes):
        return None
    scales = [np.float32(1)] * len(source)
    for axis, value in zip(axes, stated, strict=True):
        scales[axis] = np.float32(value)
    return scales


def _attribute(node: NodeProto) -> list[float] | None:
    """Scales before opset 9."""
    for attribute in node.attribute:
        if attribute.name == "scales":
            return list(helper.get_attribute_value(attribute))
    return None
