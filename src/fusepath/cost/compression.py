"""What a codec saves on the link, and what it costs on both machines."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from fusepath.cost.operations import bytes_per_element
from fusepath.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusepath.cost.convention import Convention
    from fusepath.graph import ModelGraph


LOSSY = {"fp16": frozenset({"fp16", "fp16+zstd"}), "int8": frozenset({"int8", "int8+zstd"})}
"""By what may be asked for: codecs that bring values over changed. All others are lossless."""


def is_lossy(codec: str) -> bool:
    """Whether what a codec brings over is not what was sent."""
    return any(codec in several for several in LOSSY.values())


class Compression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a tensor is encoded, by a byte of it as it is and by a piece.

    The ratio is that of a sample. What another image leaves of a tensor may be more, but never more
    than the tensor as it is: a piece that does not shrink is sent plain.
    """

    codec: str
    ratio: float
    """Bytes sent per byte, in (0, 1]."""
    encode_s_per_byte: float
    """On the machine that sends: the device, or on the way back the edge server."""
    decode_s_per_byte: float
    """On the one that receives."""
    encode_s_per_piece: float = 0.0
    """What a piece of the tensor takes besides, however small it is; on the one that sends."""
    decode_s_per_piece: float = 0.0
    """The same on the one that receives."""

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 1:
            raise SettingError(f"ratio {self.ratio} of codec '{self.codec}' is not in (0, 1]")
        for seconds in (self.encode_s_per_byte, self.decode_s_per_byte):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise SettingError(f"codec '{self.codec}' cannot take {seconds} s per byte")
        for seconds in (self.encode_s_per_piece, self.decode_s_per_piece):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise SettingError(f"codec '{self.codec}' cannot take {seconds} s per piece")

    def on(self, *, sender: float, receiver: float) -> Compression:
        """The same on machines so many times slower than those where it was measured."""
        return msgspec.structs.replace(
            self,
            encode_s_per_byte=self.encode_s_per_byte * sender,
            decode_s_per_byte=self.decode_s_per_byte * receiver,
            encode_s_per_piece=self.encode_s_per_piece * sender,
            decode_s_per_piece=self.decode_s_per_piece * receiver,
        )

    def s_per_byte(self, bytes_per_s: float) -> float:
        """Seconds of encoding, sending and decoding, one after the other, per byte."""
        return self.encode_s_per_byte + self.ratio / bytes_per_s + self.decode_s_per_byte


class Codecs(NamedTuple):
    """How tensors are encoded, by name; those that are not here are sent as they are."""

    up: Mapping[str, Compression]
    """On the way to the edge server."""
    back: Mapping[str, Compression]
    """Outputs, or shares of the fused layer, as they return."""


NO_CODECS = Codecs(MappingProxyType({}), MappingProxyType({}))


class Crossing(NamedTuple):
    """What it takes to bring an element of a tensor over."""

    encode_s: float
    sent_bytes: float
    """Whole where the tensor is sent as it is."""
    decode_s: float


def crossing(
    graph: ModelGraph,
    tensor: str,
    convention: Convention,
    compression: Mapping[str, Compression],
) -> Crossing:
    """What it takes to bring an element of a tensor over: all costs of sending come from here.

    Either way: what ``compression`` says decides.
    """
    size = bytes_per_element(graph, tensor, convention)
    item = compression.get(tensor)
    if item is None:
        return Crossing(0.0, size, 0.0)
    return Crossing(size * item.encode_s_per_byte, size * item.ratio, size * item.decode_s_per_byte)


class PieceCoding(NamedTuple):
    """What encoding and decoding a piece of some tensors takes, however small it is."""

    encode_s: float
    decode_s: float


def piece_coding(names: Iterable[str], compression: Mapping[str, Compression]) -> PieceCoding:
    """The same of those that ``compression`` encodes."""
    coded = [compression[name] for name in names if name in compression]
    return PieceCoding(
        math.fsum(item.encode_s_per_piece for item in coded),
        math.fsum(item.decode_s_per_piece for item in coded),
    )


def cut_crossing(
    graph: ModelGraph,
    cut: int,
    convention: Convention,
    compression: Mapping[str, Compression],
) -> Crossing:
    """The same for all that crosses when layer ``cut`` (1-based) is the first on the edge."""
    return _crossing_of(
        graph, (*graph.sent(cut), *graph.accompanying(cut)), convention, compression
    )


def result_crossing(
    graph: ModelGraph, convention: Convention, compression: Mapping[str, Compression]
) -> Crossing:
    """The same for all outputs as they return: the edge server encodes, the device decodes."""
    return _crossing_of(graph, graph.outputs, convention, compression)


def _crossing_of(
    graph: ModelGraph,
    names: Iterable[str],
    convention: Convention,
    compression: Mapping[str, Compression],
) -> Crossing:
    """What it takes to bring some whole tensors over, in a piece each."""
    names = tuple(names)
    parts = [
        (graph.tensors[name].elements, crossing(graph, name, convention, compression))
        for name in names
    ]
    fixed = piece_coding(names, compression)
    return Crossing(
        sum(count * item.encode_s for count, item in parts) + fixed.encode_s,
        sum(count * item.sent_bytes for count, item in parts),
        sum(count * item.decode_s for count, item in parts) + fixed.decode_s,
    )


def quickest(
    candidates: Mapping[str, Iterable[Compression]], *, bytes_per_s: float
) -> dict[str, Compression]:
    """For each tensor the codec that brings it over soonest; none where plain is as soon."""
    chosen = {}
    for name, offered in candidates.items():
        best = min(offered, key=lambda item: item.s_per_byte(bytes_per_s), default=None)
        if best is not None and best.s_per_byte(bytes_per_s) < 1 / bytes_per_s:
            chosen[name] = best
    return chosen


def unbeaten_codecs(offered: Mapping[str, Sequence[Compression]]) -> dict[str, Compression]:
    """For each tensor what no choice of codecs beats: the least of each cost, at any rate.

    To send a tensor as it is takes no encoding, so neither does this.
    """
    return {
        name: Compression(
            codec="any",
            ratio=min((item.ratio for item in several), default=1.0),
            encode_s_per_byte=0.0,
            decode_s_per_byte=0.0,
        )
        for name, several in offered.items()
    }
