"""One decoder, and as many changed inputs as are wanted."""

from __future__ import annotations

import random
import resource
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fuzzing.decoders import Decoder

LONGEST_S = 10.0
"""After which a decoder hangs."""
LONGEST_REFUSAL = 300
"""Characters."""
_MOST_KEPT = 5


class HangsError(BaseException):
    """It has taken too long; nothing that handles errors keeps it."""


@dataclass
class Found:
    """What became of the inputs of one decoder."""

    decoder: str
    inputs: int = 0
    taken: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    grown_bytes: int = 0
    """By which the process has become larger, at most."""
    failures: int = 0
    kept: list[tuple[bytes, str]] = field(default_factory=list)
    """The first that failed, and how."""

    def fail(self, data: bytes, how: str) -> None:
        """Something else than to be taken or refused has happened to an input."""
        self.failures += 1
        if len(self.kept) < _MOST_KEPT:
            self.kept.append((data, how))


def hunt(
    decoder: Decoder,
    inputs: int,
    *,
    seed: int = 0,
    until_s: float = float("inf"),
    begin: Callable[[bytes], object] = lambda _: None,
) -> Found:
    """Decode good inputs, which must be taken, and changed ones.

    Args:
        decoder: under test.
        inputs: how many.
        seed: of the changes.
        until_s: by `time.monotonic`, ends earlier.
        begin: told of every input before it is decoded.
    """
    rng = random.Random(f"{decoder.name} {seed}")  # noqa: S311 - which is quick, and repeats itself
    found = Found(decoder.name)
    seeds = decoder.seeds
    for data in decoder.made():
        decoder.decode(data)
    before = _peak_bytes()
    with _alarm():
        while found.inputs < inputs and time.monotonic() < until_s:
            data = decoder.mutation(rng, seeds)
            begin(data)
            _try(decoder, data, found)
    found.grown_bytes = _peak_bytes() - before
    return found


def _try(decoder: Decoder, data: bytes, found: Found) -> None:
    found.inputs += 1
    started_s = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        decoder.decode(data)
        found.taken += 1
    except decoder.refuses as no:
        found.refused += 1
        said = str(no)
        if len(said) > LONGEST_REFUSAL or not said.isprintable():
            found.fail(data, f"refused with {len(said)} characters: {said[:400]!r}")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        found.fail(data, "".join(traceback.format_exception(error)[-4:]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    found.slowest_s = max(found.slowest_s, time.perf_counter() - started_s)


@contextmanager
def _alarm():
    def rings(*_):
        raise HangsError

    before = signal.signal(signal.SIGALRM, rings)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
