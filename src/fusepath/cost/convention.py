"""What a timing model leaves open, stated: a convention is part of every result.

Named conventions are files: the package ships some in ``conventions/``, users add their own.
"""

from __future__ import annotations

import enum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from fusepath.errors import FileFormatError, InputError, SettingError
from fusepath.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_BYTES = 2**16
_SUFFIX = ".toml"
_MOST = 4096
"""Of any count in a convention: nobody has more workers, and no element takes more."""


class Regions(enum.StrEnum):
    """Which rows and columns of a map a tile is charged for."""

    NEEDED = "needed"
    """Only what the tile's outputs depend on: a sub-model of its own for every tile."""
    ALIGNED = "aligned"
    """What one dynamic-shape session per layer range computes; the runtime does this."""
    SHARE = "share"
    """Its share of the map and no halo: less than any machine can do with."""


class Convention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How MACs become operations, elements become bytes, and machines are shared."""

    KIND: ClassVar[str] = "convention"

    name: str
    ops_per_mac: int = 2
    """2 counts a multiplication and an addition (FLOP); 1 counts MACs."""
    ops_per_pool_tap: int = 0
    ops_per_element: int = 0
    """Operations of pointwise operators, per element."""
    input_bytes_per_element: int = 1
    """1 sends a camera image as it is (uint8); 4 sends float32."""
    activation_bytes_per_element: int = 4
    edge_workers: int = 1
    """Paths the edge server computes at the same time; 0 means as many as there are."""
    shared_link: bool = True
    """False gives every path a link of its own."""
    regions: Regions = Regions.ALIGNED
    counts_result: bool = True
    """Whether sending the result back to the device is part of the time."""
    counts_untileable: bool = True
    """False makes the layers behind the last one that can be tiled free, on both machines."""

    def __post_init__(self) -> None:
        counts = (self.ops_per_mac, self.ops_per_pool_tap, self.ops_per_element)
        sizes = (self.input_bytes_per_element, self.activation_bytes_per_element)
        if min(*counts, self.edge_workers) < 0 or min(sizes) < 1 or not self.name:
            raise SettingError(
                "a convention needs a name, counts of at least 0 and sizes of at least 1 byte"
            )
        if max(*counts, *sizes, self.edge_workers) > _MOST:
            raise SettingError(f"counts, sizes and workers of a convention are at most {_MOST}")


class DescribedConvention(msgspec.Struct, frozen=True, kw_only=True):
    """A convention, and which of its values the paper states."""

    title: str
    convention: Convention
    based_on: str | None = None
    stated: dict[str, str]
    """By field: the sentence of the paper that it follows."""
    assumed: dict[str, str]
    """By field: what the paper does not say, and what is taken instead."""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A convention file as written: only what differs from ``based_on``."""

    title: str
    convention: dict[str, Any]
    based_on: str | None = None
    stated: dict[str, str] = {}
    assumed: dict[str, str] = {}


def described_convention(name: str) -> DescribedConvention:
    """Look a convention up by name, or read it from a file that ends in ``.toml``.

    Raises:
        InputError: there is none of that name.
        FileFormatError: the file is missing or no convention.
    """
    if name.endswith(_SUFFIX):
        return _resolve(_read(Path(name)), where=name)
    return _shipped(name)


def named_convention(name: str) -> Convention:
    """The convention of that name, or in the file of that name.

    Raises:
        InputError: there is none of that name.
        FileFormatError: the file is missing or no convention.
    """
    return described_convention(name).convention


@cache
def _shipped(name: str) -> DescribedConvention:
    if name not in _shipped_names():
        known = _shipped_names()
        raise InputError(
            f"there is no convention '{name}'{did_you_mean(name, known)}; known ones are "
            f"{', '.join(known)}, or name a file that ends in {_SUFFIX}"
        )
    data = (resources.files("fusepath.cost") / "conventions" / (name + _SUFFIX)).read_bytes()
    return _resolve(data, where=f"convention '{name}'")


@cache
def _shipped_names() -> tuple[str, ...]:
    folder = resources.files("fusepath.cost") / "conventions"
    return tuple(sorted(item.name.removesuffix(_SUFFIX) for item in folder.iterdir()))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{path}: larger than {_MAX_BYTES} bytes, not a convention file")
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error


def _resolve(data: bytes, *, where: str) -> DescribedConvention:
    try:
        file = msgspec.toml.decode(data, type=_File)
        base = None if file.based_on is None else _shipped(file.based_on)
        values = {} if base is None else msgspec.to_builtins(base.convention)
        convention = msgspec.convert(values | file.convention, Convention)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise FileFormatError(f"{where}: not a fusepath convention file: {error}") from error
    changed = set(file.stated) | set(file.assumed)
    if unknown := changed - set(Convention.__struct_fields__):
        raise FileFormatError(
            f"{where}: explains '{min(unknown)}', which is no field of a convention; "
            f"fields are {', '.join(Convention.__struct_fields__)}"
        )
    return DescribedConvention(
        title=file.title,
        convention=convention,
        based_on=file.based_on,
        stated=_inherit(file.stated, None if base is None else base.stated, changed),
        assumed=_inherit(file.assumed, None if base is None else base.assumed, changed),
    )


def _inherit(
    own: Mapping[str, str], base: Mapping[str, str] | None, changed: set[str]
) -> dict[str, str]:
    """A field that a file explains is no longer explained by the file it builds on."""
    kept = {field: text for field, text in (base or {}).items() if field not in changed}
    return kept | dict(own)


RUNTIME = named_convention("runtime")
"""What `fusepath run` does: FLOP, uint8 image, float32 activations, one edge worker."""

TABLE1 = named_convention("table1")
"""The paper's Table I on machines that can exist: one shared link, one edge worker."""

CONVENTIONS = {name: named_convention(name) for name in _shipped_names()}
