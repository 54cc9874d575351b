"""Every exception fusepath raises, and the exit code each one ends the command line with.

::

    FusepathError
    ├── VerificationError          1   a check failed: the split result differs
    ├── InputError                 2   what the user gave cannot be used
    │   ├── ModelError                 an ONNX file that is missing, broken or dynamic
    │   │   └── UnsupportedOperatorError   names the node, the reason and what to do
    │   ├── SettingError               a field of a public structure; a ValueError as well
    │   ├── GeometryError              a grid or a range that does not fit the map
    │   ├── ImageError                 an input that does not fit the model
    │   ├── FileFormatError            a plan, profile or link file that is not one
    │   ├── OutputError                a file that cannot be written
    │   └── AlgorithmError             of another package, which cannot be loaded
    ├── PeerError                  3   the other side
    │   ├── PeerUnreachableError       nobody answers there
    │   ├── PeerRefusedError           it answered no
    │   │   ├── PeerBusyError              it has no room now
    │   │   ├── PeerForgotError            it has lost what it kept of frames before
    │   │   └── PeerFailedError            it could not compute this frame
    │   └── PeerTimeoutError           it did not answer in time
    ├── ClosedError                2   a session that is closed was used
    ├── DroppedError               2   a frame gave way to a later one
    └── NoPlanError                4   there is no plan to give
        ├── InfeasibleError            none satisfies the constraints
        └── UndecidedError             the budget ended before one was found

A message is one line: what, where, the value, what to do.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Protocol, TypeGuard

from fusepath.spelling import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence


LARGEST = 2**63 - 1
"""Of whole numbers in files; larger ones are nobody's, and no floats."""
LONGEST_QUOTE = 200
"""Characters of a foreign text that a message repeats at most."""


def one_line(text: object, most: int = LONGEST_QUOTE) -> str:
    """The text on one line, with unprintable characters masked, cut at so many characters."""
    line = " ".join(as_text(str(text)).split())
    line = "".join(char if char.isprintable() else "?" for char in line[: most + 1])
    return line if len(line) <= most else line[:most] + "…"


class FusepathError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 2

    def __str__(self) -> str:
        """The message, with names of files as they are spelt."""
        return as_text(super().__str__())


class VerificationError(FusepathError):
    """The split result differs from the unsplit one by more than the tolerance."""

    exit_code = 1


class InputError(FusepathError):
    """Something the user gave cannot be used."""

    exit_code = 2


class ModelError(InputError):
    """An ONNX model is missing, damaged, dynamic or outside what fusepath can run."""


class UnsupportedOperatorError(ModelError):
    """An operator stands where only tileable operators may stand."""

    def __init__(self, *, node: str, op_type: str, reason: str, hint: str) -> None:
        self.node = node
        self.op_type = op_type
        self.reason = reason
        self.hint = hint
        super().__init__(f"cannot tile node '{node}' ({op_type}): {reason}; {hint}")


class SettingError(InputError, ValueError):
    """A field holds what makes no sense; a `ValueError` too, for which decoders say where it is."""


def check_number(name: str, given: object) -> None:
    """Raise unless what is given for a field is a number; which ones make sense is asked elsewhere.

    Raises:
        SettingError: it is none.
    """
    if isinstance(given, bool) or not isinstance(given, float | int | Real):
        raise SettingError(f"{name} {given!r} is no number")
    if isinstance(given, int) and abs(given) > LARGEST:
        raise SettingError(f"{name} is beyond what numbers of files may be, {LARGEST}")


class GeometryError(InputError):
    """A grid, a tile or a layer range does not fit the network."""


class ImageError(InputError):
    """An input image or array does not fit the model's input."""


class FileFormatError(InputError):
    """A plan, profile or link file is damaged, of another version or of another model."""


class OutputError(InputError):
    """A file cannot be written; what was there before still is."""


class AlgorithmError(InputError):
    """An algorithm that another package announces cannot be loaded, or is none."""


class PeerError(FusepathError):
    """The edge server could not be used."""

    exit_code = 3

    def __init__(self, peer: str, message: str) -> None:
        self.peer = peer
        super().__init__(f"edge {peer}: {message}")

    def add(self, more: str) -> None:
        """Say something besides; again is no harm."""
        if not str(self).endswith(more):
            self.args = (f"{self}; {more}",)


class PeerUnreachableError(PeerError):
    """Nobody answers at the address."""


class PeerRefusedError(PeerError):
    """The edge server answered, and said no."""


class PeerBusyError(PeerRefusedError):
    """The edge server has no room for it now; later it may.

    ``retry_after_s`` is how many seconds it asks to be left alone, 0 where it does not say.
    """

    def __init__(self, peer: str, message: str, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(peer, message)


class PeerTimeoutError(PeerError):
    """The edge server did not answer before the deadline."""


class PeerForgotError(PeerRefusedError):
    """The edge server has lost what it kept of frames before; with all of a frame it can go on."""


class PeerFailedError(PeerRefusedError):
    """The edge server could not compute this frame, of what it holds; the next one it may."""


def is_final(error: BaseException | None) -> TypeGuard[PeerRefusedError]:
    """Whether who has said this would say the same again."""
    return isinstance(error, PeerRefusedError) and not isinstance(error, PeerBusyError)


def retry_after_s(error: BaseException) -> float:
    """How long an edge server has asked to be left alone with an error; 0 where it has not."""
    return error.retry_after_s if isinstance(error, PeerBusyError) else 0.0


class ClosedError(FusepathError):
    """A session was used after it was closed, or in a process that did not make it."""


class DroppedError(FusepathError):
    """A frame has no result: a later one took its place while it waited."""


class NoPlanError(FusepathError):
    """A planner has no plan to give."""

    exit_code = 4


class Exceeded(Protocol):
    """A limit, what the closest plan needs of it, and what it allows."""

    @property
    def limit(self) -> str:
        """The parameter of `Constraints` that sets it."""

    @property
    def needs(self) -> float:
        """In the limit's unit."""

    @property
    def allows(self) -> float:
        """In the limit's unit."""


class InfeasibleError(NoPlanError):
    """No plan satisfies what was asked for.

    ``shortfalls`` are the limits that the closest plan exceeds, where that is known.
    """

    def __init__(self, message: str, shortfalls: Sequence[Exceeded] = ()) -> None:
        self.shortfalls = tuple(shortfalls)
        super().__init__(message)


class UndecidedError(NoPlanError):
    """The search ended before it found anything: whether there is a plan is not known."""
