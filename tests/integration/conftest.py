"""One edge server for all tests that leave it whole, and sessions that wait for no frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fusepath.offload import plan_search
from tests.edges import Edge, edge_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def edge() -> Iterator[Edge]:
    """A server that knows the zoo alone."""
    with edge_server() as running:
        yield running
    assert running.process.returncode == 0  # it ended as told, not by itself


@pytest.fixture
def no_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are asked for nothing before they are ready do not wait a second for it."""
    monkeypatch.setattr(plan_search, "_FIRST_FRAME_S", 0.0)
