"""By how much results differ that are not meant to be the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.plan import OutputChange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array

    Pairs = Sequence[tuple[Array, Array]]
    """What was wanted, and what came, of one output, sample by sample."""

_OVERLAP = 0.5


def changes_of(
    wanted: Sequence[Mapping[str, Array]], found: Sequence[Mapping[str, Array]]
) -> dict[str, OutputChange]:
    """How outputs differ over samples.

    Rows of two and more values, as (N, classes) or (N, boxes, classes), are taken for scores, and
    (N, boxes, 4) for boxes, as corners or as centre and size; of all else only values are compared.
    Of an output whose size depends on the data, and differs, not even those are.

    Args:
        wanted: of the unsplit model, by sample.
        found: of the plan, in the same order.
    """
    return {
        name: _change([(one[name], other[name]) for one, other in zip(wanted, found, strict=True)])
        for name in wanted[0]
    }


def together(changes: Sequence[OutputChange]) -> OutputChange:
    """How one output differs over all samples of which some changes are, one or more."""
    largest = [change.largest for change in changes if change.largest is not None]
    means = [(change.mean, change.samples) for change in changes if change.mean is not None]
    agreements = [
        (change.agreement, change.samples)
        for change in changes
        if not isinstance(change.agreement, msgspec.UnsetType)
    ]
    return msgspec.structs.replace(
        next((change for change in changes if change.of), changes[0]),
        samples=sum(change.samples for change in changes),
        largest=max(largest) if len(largest) == len(changes) else None,
        mean=_weighed(means) if len(means) == len(changes) else None,
        scale=max(change.scale for change in changes),
        agreement=_weighed(agreements) if agreements else msgspec.UNSET,
    )


def _weighed(values: Sequence[tuple[float, int]]) -> float:
    return sum(value * weight for value, weight in values) / sum(weight for _, weight in values)


def _change(pairs: Pairs) -> OutputChange:
    one = np.concatenate([wanted.reshape(-1) for wanted, _ in pairs]).astype(np.float64)
    scale = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    if any(wanted.shape != found.shape for wanted, found in pairs):
        return OutputChange(samples=len(pairs), largest=None, mean=None, scale=scale)
    other = np.concatenate([found.reshape(-1) for _, found in pairs]).astype(np.float64)
    differs = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    errors = np.zeros(len(one))
    with np.errstate(invalid="ignore"):
        errors[differs] = np.abs(other[differs] - one[differs])
    finite = bool(np.isfinite(errors).all())
    change = OutputChange(
        samples=len(pairs),
        largest=float(errors.max(initial=0.0)) if finite else None,
        mean=float(errors.mean()) if finite and errors.size else (0.0 if finite else None),
        scale=scale,
    )
    rated = [pair for pair in pairs if pair[0].size]  # of no boxes there is nothing to agree on
    shape = rated[0][0].shape if rated else ()
    if len(shape) == 3 and shape[2] == 4:
        agree, of = np.concatenate([_boxes_agree(*pair) for pair in rated]), "boxes"
    elif len(_rows(shape)) in {2, 3} and _rows(shape)[-1] > 1:
        agree, of = np.concatenate([_scores_agree(*pair) for pair in rated]), "scores"
    else:
        return change
    return msgspec.structs.replace(change, agreement=float(agree.mean()), of=of)


def _rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without last axes of one element, as of (N, classes, 1, 1)."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _scores_agree(wanted: Array, found: Array) -> Array:
    shape = _rows(wanted.shape)
    best = wanted.reshape(shape).argmax(axis=-1) == found.reshape(shape).argmax(axis=-1)
    return np.asarray(best).reshape(-1)


def _boxes_agree(wanted: Array, found: Array) -> Array:
    one, other = wanted.reshape(-1, 4).astype(np.float64), found.reshape(-1, 4).astype(np.float64)
    if not (one[:, 2:] >= one[:, :2]).all():  # centre and size
        one, other = (
            np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], axis=1)
            for box in (one, other)
        )
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = sum(np.clip(box[:, 2:] - box[:, :2], 0, None).prod(axis=1) for box in (one, other))
    together = areas - shared
    same = (one == other).all(axis=1)
    return np.asarray(same | (shared >= _OVERLAP * np.where(together > 0, together, np.inf)))
