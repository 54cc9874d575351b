"""Tests that need what an extra brings are skipped without it, and say so."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from fusepath.runtime.codecs import is_installed

if TYPE_CHECKING:
    from collections.abc import Iterable

needs_plot = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs the extra 'plot'")


def codecs_as(parameter: str, names: Iterable[str]) -> pytest.MarkDecorator:
    """Runs a test with every one of some codecs."""
    missing = pytest.mark.skip(reason="needs the extra 'codec'")
    each = [pytest.param(name, marks=[] if is_installed(name) else missing) for name in names]
    return pytest.mark.parametrize(parameter, each)
