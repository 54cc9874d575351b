"""Where a network begins and ends: from what its owner feeds to one map, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.onnx_io.batch import one_image
from fusepath.onnx_io.infer import infer, static_tensors
from fusepath.onnx_io.normalise import normalise
from fusepath.onnx_io.port import CHANNELS_LAST, Port
from fusepath.onnx_io.port_layout import channels_first_input, channels_first_outputs
from fusepath.onnx_io.signals import signals_as_maps
from fusepath.onnx_io.unbatched import batched, maps_as_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.onnx_io.draft import Draft, Types


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """The inputs and outputs of a network, as its owner knows them."""

    input: Port
    """The one that is cut."""
    companions: tuple[Port, ...]
    """The others, which are the same in both forms."""
    outputs: tuple[Port, ...]
    batch: int
    """Images that the owner feeds at once and that the normal form takes one by one."""


def narrowed(draft: Draft, types: Types, *, fed_as: Sequence[str]) -> tuple[Draft, Types, Boundary]:
    """A normalised draft that begins and ends at maps (1, C, H, W), where its owner's does not.

    An image without a batch gets one, where the network gives it one; a batch becomes one image,
    unless the network mixes images; (N, H, W, C) becomes (N, C, H, W), unless it is used as such;
    and a signal (1, C, L) becomes a map of one column.

    Args:
        draft: normalised.
        types: of its tensors.
        fed_as: what the model file calls the inputs.

    Raises:
        ModelError: the shape of a tensor depends on the data.
    """
    owned = static_tensors(draft, types)
    turned: set[str] = set()
    image = batched(draft)
    if image is not None:
        draft, types = normalise(image)
    single = one_image(draft, types)
    if single is not None:
        draft, types = normalise(single)
    signals = signals_as_maps(draft, types)
    if signals is not None:
        draft, types = normalise(signals)
    first = channels_first_input(draft, types)
    if first is not None:
        turned.add(first.input.name)
        draft, types = first, infer(first, strict=True)
    mapped = maps_as_outputs(draft, types)
    if mapped is not draft:
        draft, types = mapped, infer(mapped, strict=True)
    last, ends = channels_first_outputs(draft, types)
    if ends:
        turned |= ends
        draft, types = last, infer(last, strict=True)
    tensors = static_tensors(draft, types)
    source, *others = (
        Port(
            name=name,
            shape=owned[name].shape,
            dtype=owned[name].dtype,
            axes=_axes(owned[name].shape, name in turned, column=signals is not None),
            normal_shape=tensors[name].shape,
        )
        for name in (*(tensor.name for tensor in draft.inputs), *draft.outputs)
    )
    names = iter(fed_as)
    source = replace(source, name=next(names))
    beside = len(draft.companions)
    batch = 1 if single is None else source.shape[0]
    return (
        draft,
        types,
        Boundary(
            input=source,
            companions=tuple(
                replace(port, name=name) for port, name in zip(others[:beside], names, strict=True)
            ),
            outputs=tuple(others[beside:]),
            batch=batch,
        ),
    )


def _axes(shape: tuple[int, ...], turned: bool, *, column: bool) -> tuple[int, ...]:
    """The owner's axes in the order of the normal form.

    That may have more axes before them or, of signals, one for the only column.
    """
    if not turned:
        return tuple(range(len(shape)))
    missing = len(CHANNELS_LAST) - len(shape)
    if column and missing == 1:
        return (0, 2, 1)
    return tuple(axis - missing for axis in CHANNELS_LAST if axis >= missing)
