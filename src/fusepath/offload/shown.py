"""The machines as a plan that is made ready shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.plan import recalibrated, simulate

if TYPE_CHECKING:
    from fusepath.offload.pairing import Prepared
    from fusepath.plan import Setting


def as_shown(setting: Setting, prepared: Prepared) -> Setting:
    """A setting with machines as quick as a plan's own times say; the very same if they are so.

    A device that encodes what it sends shows how quick it encodes as well, and nobody can tell the
    two apart: it stays as it is.
    """
    plan = prepared.plan
    planned = simulate(plan, setting.coded_as(plan))
    shown = recalibrated(setting, planned, prepared.predicted)
    if shown is not None and (plan.codecs or plan.back_codecs):
        shown = None if shown.edge is setting.edge else replace(shown, device=setting.device)
    return shown or setting
