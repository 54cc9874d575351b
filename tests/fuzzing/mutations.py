"""Inputs made of good ones: bytes changed, or, of JSON, values."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Mutation = Callable[[random.Random, Sequence[bytes]], bytes]
"""Makes an input of some good ones."""

_BYTES = (0, 1, 0x7F, 0x80, 0xFF)
_NUMBERS = (
    *(0, 1, -1, 2, 3, 255, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30),
    *(0.5, -0.0, 1e-320, 1e308, 1e400),
)
_VALUES = (*_NUMBERS, None, True, "", "x", "\u0000\n", "é" * 1000, [], {}, [[]], {"": 0})
_MOST_CHANGES = 6
_LARGEST = 1 << 20


def changed_bytes(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Some bytes set, removed, repeated, put in or taken from another input."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        at = rng.randrange(len(data) + 1)
        size = min(int(rng.paretovariate(0.7)), len(data) + 1)
        match rng.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.choice(_BYTES)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[at : at + size]
            case 4:
                data[at:at] = rng.randbytes(min(size, 64))
            case 5:
                other = rng.choice(seeds)
                begin = rng.randrange(len(other) + 1)
                data[at : at + size] = other[begin : begin + size]
            case _:
                del data[at:]
    return bytes(data[:_LARGEST])


def changed_json(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Values of a document replaced, removed, repeated or swapped; sometimes bytes changed."""
    if rng.randrange(4) == 0:
        return changed_bytes(rng, seeds)
    document = json.loads(rng.choice(seeds))
    if not isinstance(document, dict | list):
        return changed_bytes(rng, seeds)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        _change(rng, document)
    return json.dumps(document).replace("Infinity", "1e400").encode()


def _change(rng: random.Random, document: Any) -> None:
    places = list(_places(document))
    if not places:
        return
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1:
            other, there = rng.choice(places)
            # A copy, or a value would come to hold itself.
            holder[key] = json.loads(
                json.dumps(other.get(there) if isinstance(other, dict) else other[there])
            )
        case 2 if isinstance(holder, list):
            holder.extend(holder[:100])
        case 3 if isinstance(holder[key], int | float):
            holder[key] = holder[key] * rng.choice((-1, 0, 2, 0.5, 10**9)) + rng.choice((0, 1, -1))
        case _:
            holder[key] = copy.deepcopy(rng.choice(_VALUES))


def _places(value: Any) -> Any:
    """All that is held by something, as (holder, key)."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, held in items:
        yield value, key
        if isinstance(held, dict | list):
            yield from _places(held)
