"""A network and the machines it runs on: data alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fusepath.cost import RUNTIME, Compression, Convention, Link, Machine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.graph import ModelGraph


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that a plan depends on besides the planner's own choices."""

    graph: ModelGraph
    device: Machine
    edge: Machine
    link: Link
    convention: Convention = RUNTIME
    compression: Mapping[str, Compression] = field(default_factory=dict)
    """By tensor: how the device encodes it before it is sent; all others are sent as they are."""
    offered: Mapping[str, Sequence[Compression]] = field(default_factory=dict)
    """By tensor: codecs that may be chosen for it."""

    def at(self, link: Link) -> Setting:
        """The same machines joined by another link."""
        return replace(self, link=link)
