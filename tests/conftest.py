"""What all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before tests import ONNX Runtime themselves

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles that tests measure are none of the user's; servers they start inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
