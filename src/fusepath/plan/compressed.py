"""With a lossless codec or without: settings of both kinds, which are planned in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.cost import quickest
from fusepath.plan.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.cost import Compression

AUTO, OFF = "auto", "off"


def variants(timing: Timing, codecs: str) -> list[Timing]:
    """A setting without any codec, and, where codecs help, one with them.

    For each tensor, either way, the codec is taken that brings it over soonest on this link. That
    is no proof that the machine which encodes has the time, so plans should be made for both.

    A setting for which codecs have been chosen already is planned as it is.

    Args:
        timing: of network, machines and link, and the codecs that may be chosen.
        codecs: ``auto`` for all of them, ``off`` for none, or the name of one.
    """
    setting = timing.setting
    if setting.compression or setting.back_compression:
        return [timing]
    link = setting.link
    up = quickest(_allowed(setting.offered, codecs), bytes_per_s=link.up_bytes_per_s)
    back = quickest(_allowed(setting.offered_back, codecs), bytes_per_s=link.down_bytes_per_s)
    if not (up or back):
        return [timing]
    return [timing, Timing(replace(setting, compression=up, back_compression=back))]


def _allowed(
    offered: Mapping[str, Sequence[Compression]], codecs: str
) -> dict[str, list[Compression]]:
    """Of the codecs that are offered, those that may be chosen."""
    if codecs == OFF:
        return {}
    return {
        tensor: [item for item in several if codecs in (AUTO, item.codec)]
        for tensor, several in offered.items()
    }
