"""What the paper reports, as data: every point with the sentence it is taken from."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class PublishedPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One inference time of Fig. 4; without a rate it is the mean over all rates."""

    network: str
    algorithm: str
    time_ms: float
    sentence: str
    """Key of `Published.sentences`."""
    rate_mb_per_s: float | None = None
    derived: str = ""
    """The sum that gives the number, where the sentence states it only indirectly."""
    note: str = ""

    @property
    def where(self) -> str:
        """``1.1 MB/s`` or ``mean``."""
        return "mean" if self.rate_mb_per_s is None else f"{self.rate_mb_per_s:g} MB/s"


class Published(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All numbers of Fig. 4 that the paper's text holds."""

    title: str
    authors: str
    headline: float
    headline_sentence: str
    sentences: dict[str, str]
    points: tuple[PublishedPoint, ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks in the order of the figure."""
        return tuple(dict.fromkeys(point.network for point in self.points))

    def curve(self, network: str, algorithm: str) -> tuple[PublishedPoint, ...]:
        """Points of one curve: rates ascending, the mean last."""
        points = [p for p in self.points if (p.network, p.algorithm) == (network, algorithm)]
        return tuple(sorted(points, key=lambda p: p.rate_mb_per_s or float("inf")))

    def mean_ms(self, network: str, algorithm: str) -> float | None:
        """The published mean over all rates, if there is one."""
        means = [p.time_ms for p in self.curve(network, algorithm) if p.rate_mb_per_s is None]
        return means[0] if means else None

    def speed_up(self, network: str) -> float | None:
        """Mean of NFL over mean of MW(k×k), as the text gives them."""
        slow, fast = self.mean_ms(network, "nfl"), self.mean_ms(network, "mw-kxk")
        return None if slow is None or fast is None else slow / fast


@cache
def published() -> Published:
    """The paper's numbers."""
    data = (resources.files("fusepath.study") / "published.toml").read_bytes()
    return msgspec.toml.decode(data, type=Published)


def line_through(points: Sequence[PublishedPoint]) -> tuple[float, float] | None:
    """Milliseconds and bytes of the curve ``time = constant + bytes / rate`` through two points.

    A plan that does not change with the rate and whose transmissions are never hidden has such a
    curve; the bytes are what its critical path sends.
    """
    ends = [p for p in points if p.rate_mb_per_s is not None]
    if len(ends) < 2:
        return None
    slow, fast = ends[0], ends[-1]
    assert slow.rate_mb_per_s is not None  # chosen above
    assert fast.rate_mb_per_s is not None
    inverse = 1 / slow.rate_mb_per_s - 1 / fast.rate_mb_per_s  # µs per byte
    sent_kb = (slow.time_ms - fast.time_ms) / inverse
    return slow.time_ms - sent_kb / slow.rate_mb_per_s, sent_kb * 1e3
