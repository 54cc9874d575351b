"""With a lossless codec or without: settings of both kinds, which are planned in turn."""

from __future__ import annotations

from dataclasses import replace

from fusepath.cost import quickest
from fusepath.plan.timing import Timing

AUTO, OFF = "auto", "off"


def variants(timing: Timing, codecs: str) -> list[Timing]:
    """A setting without any codec, and, where codecs help, one with them.

    For each tensor the codec is taken that brings it over soonest on this link. That is no proof
    that the machine which encodes has the time, so plans should be made for both.

    A setting for which codecs have been chosen already is planned as it is.

    Args:
        timing: of network, machines and link, and the codecs that may be chosen.
        codecs: ``auto`` for all of them, ``off`` for none, or the name of one.
    """
    setting = timing.setting
    if setting.compression:
        return [timing]
    offered = {
        tensor: [item for item in several if codecs in (AUTO, item.codec)]
        for tensor, several in setting.offered.items()
        if codecs != OFF
    }
    chosen = quickest(offered, up_bytes_per_s=setting.link.up_bytes_per_s)
    if not chosen:
        return [timing]
    return [timing, Timing(replace(setting, compression=chosen))]
