"""What all tests share."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from fusepath.plan import Budget, built_in
from tests.effort import THOROUGH

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before tests import ONNX Runtime themselves

settings.register_profile("repeatable", derandomize=True)
if not THOROUGH:
    settings.load_profile("repeatable")

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles that tests measure are none of the user's; servers they start inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def short_searches() -> Iterator[None]:
    """Where a test says nothing of a budget, its searches take a fifteenth of what they usually do.

    They go the same ways, and seldom find worse.
    """
    with pytest.MonkeyPatch.context() as patch:
        if not THOROUGH:
            for name in ("STREAM", "AUTO"):
                usual = getattr(built_in, name)
                patch.setattr(built_in, name, replace(usual, budget=Budget(evaluations=20_000)))
        yield
