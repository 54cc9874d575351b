"""How fast the link is, in both directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, overload

import msgspec
import numpy as np

from fusepath import jsonfile
from fusepath.errors import FileFormatError, SettingError, check_number
from fusepath.units import format_bytes_per_s, parse_bytes_per_s

if TYPE_CHECKING:
    from fusepath.arrays import FloatArray, IntArray


NOT_MEASURED = "not measured"
"""How a machine or a link is described that was neither given nor measured."""


class MessageTimes(NamedTuple):
    """Seconds that messages take, each on its own."""

    device_s: FloatArray
    link_s: FloatArray
    edge_s: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCosts:
    """What a message costs beside what is computed, in seconds."""

    device_s: float
    edge_s: float
    """That of a few kB."""
    edge_s_per_byte: float
    delay_s: float
    """From handing a message over on one machine to its being taken up on the other."""
    message_bytes: int
    """What a message takes on the wire beside its tensors."""

    def on(self, link: Link) -> Link:
        """The link with these costs, and with what a message takes up on a wire."""
        return msgspec.structs.replace(
            link,
            delay_s=self.delay_s,
            message_bytes=self.message_bytes,
            message_device_s=self.device_s,
            message_edge_s=self.edge_s,
            receive_s_per_byte=self.edge_s_per_byte,
        )


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Goodput up (device to edge) and down; n bytes take ``n / rate`` seconds.

    ``delay_s`` is the one-way delay, through the software at both ends. It is paid once, by the
    message that ends a phase, not by every message of a stream. Whatever is sent in a message of
    its own costs ``message_…`` besides.
    """

    KIND: ClassVar[str] = "link"

    version: int = 1
    up_bytes_per_s: float
    down_bytes_per_s: float
    delay_s: float = 0.0
    message_bytes: int = 0
    """What a message takes up beside its tensors: names, shapes, frames, packets not full."""
    message_device_s: float = 0.0
    """Seconds that the device has to do with a message, beside computing what is in it."""
    message_edge_s: float = 0.0
    """Seconds that the edge server has to do with a message, be it a piece or a part that it
    returns."""
    receive_s_per_byte: float = 0.0
    """Seconds that it has to do with every byte that arrives while it computes: each path is
    charged for its own bytes, and a single path, for which the edge server waits, for none."""
    up_spread: float = 0.0
    """By what part of itself the time of large messages differed when it was measured."""
    down_spread: float = 0.0
    assumed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the rates stand for a link that was neither given nor measured."""

    def __post_init__(self) -> None:
        rates = self.up_bytes_per_s, self.down_bytes_per_s
        others = (
            *(self.delay_s, self.up_spread, self.down_spread),
            *(self.message_bytes, self.message_device_s, self.message_edge_s),
            self.receive_s_per_byte,
        )
        for given in (*rates, *others):
            check_number("a rate or time of a link,", given)
        if not (
            all(rate > 0 for rate in rates)
            and all(math.isfinite(value) and value >= 0 for value in others)
        ):
            raise SettingError("link rates must be above zero, all else of a link not below it")

    def messages(
        self,
        sent_bytes: FloatArray | IntArray,
        returned_bytes: FloatArray | IntArray | float = 0.0,
        *,
        paths: int = 1,
    ) -> MessageTimes:
        """What it takes to send so much in a message each, computing aside; nothing for nothing.

        Args:
            sent_bytes: by path.
            returned_bytes: what the edge server returns for each path in a message of its own.
            paths: how many paths there are: with more than one, the edge server computes while it
                receives.
        """
        sends = np.asarray(sent_bytes) > 0
        messages = sends.astype(np.int64) + (np.asarray(returned_bytes) > 0)
        receive_s_per_byte = self.receive_s_per_byte if paths > 1 else 0.0
        return MessageTimes(
            device_s=np.where(sends, self.message_device_s, 0.0),
            link_s=self.up_s(self.on_wire(sent_bytes)),
            edge_s=messages * self.message_edge_s + sent_bytes * receive_s_per_byte,
        )

    def on_wire(self, sent_bytes: FloatArray | IntArray) -> FloatArray:
        """Bytes of messages with what each takes up beside its tensors; nothing for nothing."""
        sent = np.asarray(sent_bytes, dtype=np.float64)
        return sent + np.where(sent > 0, self.message_bytes, 0)

    @overload
    def up_s(self, sent_bytes: float) -> float: ...
    @overload
    def up_s(self, sent_bytes: FloatArray | IntArray) -> FloatArray: ...
    def up_s(self, sent_bytes: FloatArray | IntArray | float) -> FloatArray | float:
        """Seconds that bytes are on their way up, delay and messages aside."""
        return sent_bytes / self.up_bytes_per_s

    @overload
    def down_s(self, sent_bytes: float) -> float: ...
    @overload
    def down_s(self, sent_bytes: FloatArray | IntArray) -> FloatArray: ...
    def down_s(self, sent_bytes: FloatArray | IntArray | float) -> FloatArray | float:
        """Seconds that bytes are on their way down, delay aside."""
        return sent_bytes / self.down_bytes_per_s

    def at(self, up_bytes_per_s: float) -> Link:
        """The link at another rate up; its rate down goes with it, all else stays."""
        scale = up_bytes_per_s / self.up_bytes_per_s
        return msgspec.structs.replace(
            self,
            up_bytes_per_s=up_bytes_per_s,
            down_bytes_per_s=self.down_bytes_per_s * scale,
        )

    def describe(self) -> str:
        """For people."""
        if self.is_assumed:
            return NOT_MEASURED
        return f"{format_bytes_per_s(self.up_bytes_per_s)} up"

    @property
    def is_assumed(self) -> bool:
        """Whether nobody knows how quick it is."""
        return bool(self.assumed)


def parse_link(text: str) -> Link:
    """Read a rate (``1.8MB/s``, ``14.4Mbit/s``, ``shannon:…``) or the name of a link file.

    Two rates are those up and down (``1.8MB/s,4MB/s``).

    Raises:
        InputError: it is neither.
    """
    if text.endswith(".json"):
        link = jsonfile.load(text, Link)
        if link.version != 1:
            raise FileFormatError(f"{text}: link version {link.version}; this reads 1")
        return link
    up, comma, down = (text, "", "") if text.startswith("shannon:") else text.partition(",")
    rate = parse_bytes_per_s(up)
    return Link(up_bytes_per_s=rate, down_bytes_per_s=parse_bytes_per_s(down) if comma else rate)
