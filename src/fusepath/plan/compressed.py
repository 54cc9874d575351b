"""With codecs or without: settings of both kinds, which are planned in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.cost import LOSSY, is_lossy, quickest
from fusepath.plan.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.cost import Compression
    from fusepath.plan.request import PlanRequest

AUTO = "auto"


def variants(timing: Timing, request: PlanRequest) -> list[Timing]:
    """A setting without any codec, and, where codecs help, one with them.

    For each tensor, either way, the codec is taken that brings it over soonest on this link. That
    is no proof that the machine which encodes has the time, so plans should be made for both.

    A setting for which codecs have been chosen already is planned as it is.

    Args:
        timing: of network, machines and link, and the codecs that may be chosen.
        request: whose ``codecs`` and ``lossy`` say which of them may be chosen.
    """
    setting = timing.setting
    if setting.compression or setting.back_compression:
        return [timing]
    link = setting.link
    up = quickest(_allowed(setting.offered, request), bytes_per_s=link.up_bytes_per_s)
    back = quickest(_allowed(setting.offered_back, request), bytes_per_s=link.down_bytes_per_s)
    if not (up or back):
        return [timing]
    return [timing, Timing(replace(setting, compression=up, back_compression=back))]


def _allowed(
    offered: Mapping[str, Sequence[Compression]], request: PlanRequest
) -> dict[str, list[Compression]]:
    """Of the codecs that are offered, those that may be chosen."""

    def allows(codec: str) -> bool:
        if is_lossy(codec):
            return codec in LOSSY.get(request.lossy, ())
        return request.codecs in (AUTO, codec)

    return {
        tensor: [item for item in several if allows(item.codec)]
        for tensor, several in offered.items()
    }
