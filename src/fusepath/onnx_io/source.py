"""``zoo:NAME?size=320&seed=1&weights=integer``: which zoo network, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import ModelError, one_line

if TYPE_CHECKING:
    from fusepath.onnx_io.zoo.weights import Weights

PREFIX = "zoo:"
"""A source that starts so is built by code, not read from a file."""
KEYS = ("seed", "size", "weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooSource:
    """A network of the zoo and what it is built with."""

    name: str
    size: int | None = None
    """Input height and width in pixels; None for the published size."""
    seed: int = 0
    weights: Weights = "he"


def zoo_source(source: str) -> ZooSource:
    """The parts of a ``zoo:`` source. Whether the network exists is for the zoo to say.

    Raises:
        ModelError: an unknown, repeated or malformed key.
    """
    label = one_line(source)
    name, question, query = source.removeprefix(PREFIX).partition("?")
    given: dict[str, str] = {}
    for part in query.split("&") if question else ():
        key, _, value = part.partition("=")
        if key not in KEYS:
            known = ", ".join(KEYS)
            raise ModelError(f"{label}: unknown key '{one_line(key)}'; known keys are {known}")
        if not value:
            raise ModelError(f"{label}: '{key}' has no value; write {key}=…")
        if key in given:
            raise ModelError(f"{label}: '{key}' is given twice; give it once")
        given[key] = value
    return ZooSource(
        name=name,
        size=_whole(given["size"], "size", label) if "size" in given else None,
        seed=_whole(given.get("seed", "0"), "seed", label),
        weights=_weights(given.get("weights", "he"), label),
    )


def _whole(value: str, key: str, label: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise ModelError(f"{label}: {key} '{one_line(value)}' is no whole number below 10^9")
    return int(value)


def _weights(value: str, label: str) -> Weights:
    match value:
        case "he" | "integer":
            return value
        case _:
            raise ModelError(f"{label}: unknown weights '{one_line(value)}'; use he or integer")
