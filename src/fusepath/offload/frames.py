"""Frames as applications hold them, and the input that the model takes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from fusepath.arrays import dtype_text
from fusepath.errors import ImageError, InputError
from fusepath.pictures.arrays import as_map, native, taken_dtypes
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame
from fusepath.plan import AS_THEY_COME, Plan, Preprocessing
from fusepath.units import number_of

if TYPE_CHECKING:
    from fusepath.arrays import Array
    from fusepath.graph import Tensor
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import PlanRequest


class FrameFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How frames lie in memory, and how pixels become the model's values.

    uint8 pixels become ``(pixel − mean) / std`` per channel in float32, on whichever machine; one
    value serves all channels. Frames of the model's own element type are its values already.

    Raises:
        InputError: a layout, order or numbers that there are not.
    """

    layout: Literal["auto", "chw", "hwc"] = "auto"
    """Channels first or last; ``auto`` tells by the shape."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Of the channels as they come; ``bgr``, as OpenCV has them, are turned round for the model."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (255.0,)
    pictures: Preprocessing = AS_THEY_COME
    """How encoded pictures become pixels, on whichever machine."""

    def __post_init__(self) -> None:
        for name, given, known in (
            ("layout", self.layout, ("auto", "chw", "hwc")),
            ("order", self.order, ("rgb", "bgr")),
        ):
            if given not in known:
                raise InputError(f"{name} {given!r} is none of {', '.join(known)}")
        if not isinstance(self.pictures, Preprocessing):
            raise InputError(f"pictures {self.pictures!r} is no Preprocessing")
        for name in ("mean", "std"):
            values = _numbers(name, getattr(self, name))
            msgspec.structs.force_setattr(self, name, values)
        if 0.0 in self.std:
            raise InputError(f"std {self.std} must not hold zero, which pixels are divided by")

    def for_plan(self, plan: Plan | PlanRequest | None) -> FrameFormat:
        """The same, with pictures, mean and std as a plan that is given has them.

        Raises:
            InputError: this format has them otherwise; what it leaves at the default is the plan's.
        """
        if not isinstance(plan, Plan):
            return self
        pictures, form = plan.chain or self.pictures, plan.recipe.input
        if self.pictures not in {AS_THEY_COME, pictures}:
            raise InputError(
                "the plan was made for pictures that become the input by another chain; leave "
                "out how they do (fit, frame and the like), or plan anew with it"
            )
        if form.dtype != "uint8":
            return msgspec.structs.replace(self, pictures=pictures)
        values = _least(self.mean), _least(self.std)
        if values not in {((0.0,), (255.0,)), (_least(form.mean), _least(form.std))}:
            raise InputError(
                f"frames have mean {self.mean} and std {self.std}, but the plan was made for "
                f"pixels with mean {form.mean} and std {form.std}; leave them "
                f"out, or plan anew with them"
            )
        return msgspec.structs.replace(self, pictures=pictures, mean=form.mean, std=form.std)

    def to_inputs(self, frame: Any, model: Model) -> list[Frame]:
        """The model's inputs: one, or one for every image of a batch.

        Args:
            frame: as of `to_input`; for a model that takes a batch, one behind the other along the
                first axis. Or an encoded picture, as bytes or the name of a file, which serves all
                images of a batch.
            model: the network.

        Raises:
            ImageError: another type or shape than the model takes.
        """
        target, batch = model.graph.input, model.boundary.batch
        if isinstance(frame, bytes | bytearray | memoryview | str | os.PathLike | PictureFile):
            frame = PictureFrame.of(_picture_file(frame), self.pictures, target)
        if isinstance(frame, PictureFrame):
            _check_shape(frame, target)
            return [frame] if batch == 1 else [frame.pixels()] * batch
        if batch == 1:
            return [self.to_input(frame, target)]
        frame = _checked(frame, target)
        if frame.ndim < 3 or len(frame) != batch:
            raise ImageError(
                f"the frame is {list(frame.shape)}, but the model takes {batch} images at once; "
                f"give them along the first axis"
            )
        return [self.to_input(image, target) for image in frame]

    def to_input(self, frame: Any, target: Tensor) -> Array:
        """The model's input, contiguous; of the frame's element type.

        Views and arrays of any memory order are taken; what needs no change is not copied.

        Args:
            frame: (H, W, C), (C, H, W), either with a 1 before it, or (H, W) for one channel; of
                the very shape of the input, where that is no map; (C, L) or (1, C, L) for a signal.
            target: the model's input.

        Raises:
            ImageError: another type or shape than the model takes.
        """
        frame = _checked(frame, target)
        if not target.is_map:
            if frame.shape != target.shape:
                raise ImageError(
                    f"the frame is {list(frame.shape)}, but the model takes {list(target.shape)}"
                )
            return np.ascontiguousarray(frame)
        _, channels, height, width = target.shape
        value = as_map(frame, target)
        value = value[0] if value.ndim == 4 and len(value) == 1 else value
        if value.ndim == 2 and channels == 1:
            value = value[None]
        elif self.layout != "chw" and value.shape == (height, width, channels):
            if self.layout == "hwc" or value.shape != (channels, height, width):
                value = value.transpose(2, 0, 1)
        elif self.layout == "hwc":
            value = value[:0]  # channels first, which this format says they are not
        if value.shape != (channels, height, width):
            wanted = {"chw": "(C, H, W)", "hwc": "(H, W, C)"}.get(
                self.layout, "(C, H, W) or (H, W, C)"
            )
            raise ImageError(
                f"the frame is {list(frame.shape)}, but the model takes "
                f"{number_of(channels, 'channel')} of {height}x{width}, as {wanted}; resize it"
            )
        if self.order == "bgr":
            if channels != 3:
                raise ImageError(f"order 'bgr' has three channels, but the model takes {channels}")
            value = value[::-1]
        return np.ascontiguousarray(value)[None]


def _least(values: tuple[float, ...]) -> tuple[float, ...]:
    """One value for all channels where they are equal."""
    return values[:1] if len(set(values)) == 1 else values


def _numbers(name: str, given: Any) -> tuple[float, ...]:
    """What is given as a sequence of finite numbers, as plans have it."""
    try:
        values = () if isinstance(given, str | bytes) else tuple(float(value) for value in given)
    except (TypeError, ValueError):
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise InputError(
            f"{name} {given!r} is no tuple of finite numbers; give one for all channels, like "
            f"(127.5,), or one for each"
        )
    return values


def _check_shape(frame: PictureFrame, target: Tensor) -> None:
    if frame.shape != target.shape:
        raise ImageError(
            f"the picture becomes {list(frame.shape)}, but the model takes {list(target.shape)}"
        )


def _picture_file(frame: Any) -> PictureFile:
    match frame:
        case PictureFile():
            return frame
        case str() | os.PathLike():
            return PictureFile.read(os.fspath(frame))
        case _:
            return PictureFile(bytes(frame))


def by_name(frame: Any, model: Model) -> Mapping[str, Any]:
    """The inputs of a model by name: as they are given, or the one that there is."""
    return frame if isinstance(frame, Mapping) else {model.boundary.input.name: frame}


def parted(feed: Mapping[str, Any], model: Model) -> tuple[Any, dict[str, Array]]:
    """The input that is cut, as it is given, and its companions by their names in the graph.

    Args:
        feed: all inputs of the model, by name.
        model: the network.

    Raises:
        InputError: one is missing, the model does not have it, or they are not given by name.
        ImageError: a companion of another type or shape than the model takes.
    """
    if not isinstance(feed, Mapping):
        raise InputError(
            f"the feed is of type {type(feed).__name__}, but inputs are given by name, as a "
            f"dictionary like {{{model.boundary.input.name!r}: values}}"
        )
    boundary = model.boundary
    wanted = [boundary.input.name, *(port.name for port in boundary.companions)]
    if set(feed) != set(wanted):
        given = ", ".join(map(repr, feed)) or "nothing"
        names = ", ".join(map(repr, wanted))
        many = f"{len(wanted)} inputs" if len(wanted) > 1 else "one input"
        raise InputError(f"the model takes {many}, {names}; the feed has {given}")
    companions = {}
    for inner, port in zip(model.graph.companions, boundary.companions, strict=True):
        value = native(np.asarray(feed[port.name]))
        if value.dtype.name != port.dtype or value.shape != port.shape:
            raise ImageError(
                f"input '{port.name}' is {list(value.shape)} {dtype_text(value.dtype)}, but "
                f"the model takes {list(port.shape)} {port.dtype}"
            )
        companions[inner] = np.ascontiguousarray(value).reshape(port.shape)
    return feed[boundary.input.name], companions


def fed_inputs(value: Array, model: Model) -> list[Array]:
    """The model's inputs out of what its owner feeds: one, or one for every image of a batch.

    Args:
        value: of the shape that the model file declares, of its element type or of pixels.
        model: the network.

    Raises:
        ImageError: another type or shape.
    """
    port = model.boundary.input
    value = _checked(value, model.graph.input)
    if value.shape != port.shape:
        raise ImageError(
            f"the input is {list(value.shape)}, but the model takes {list(port.shape)}"
        )
    return [np.ascontiguousarray(image) for image in port.to_normal(value)]


def _checked(frame: Any, target: Tensor) -> Array:
    """An array of a type that the model takes, in the byte order of this machine."""
    if not isinstance(frame, np.ndarray):
        raise ImageError(
            f"a frame is a numpy array of pixels or values, or an encoded picture, not "
            f"{type(frame).__name__}"
        )
    value: Array = native(frame)
    if value.dtype not in taken_dtypes(target):
        pixels = "uint8 pixels or " if target.is_float else ""
        raise ImageError(
            f"the frame is {dtype_text(value.dtype)}; give {pixels}{target.dtype} values "
            f"(frame.astype(numpy.{target.dtype}))"
        )
    return value


def made_up_frame(shape: tuple[int, ...], dtype: str) -> Array:
    """Something like a picture: slow changes, and a little noise; integers but pixels are 0."""
    rng = np.random.default_rng(0)
    if len(shape) != 4 or shape[0] != 1:
        return rng.random(shape, dtype=np.float32).astype(dtype)
    _, channels, height, width = shape
    coarse = rng.random((channels, 8, 8), dtype=np.float32)
    rows = np.linspace(0, 7, height).astype(int)
    cols = np.linspace(0, 7, width).astype(int)
    smooth = coarse[:, rows][:, :, cols] + 0.02 * rng.random((channels, height, width))
    values = np.clip(smooth, 0, 1)[None]
    return (values * 255 if dtype == "uint8" else values).astype(dtype)
