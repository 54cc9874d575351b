"""One edge server for all tests that leave it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.edges import Edge, edge_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def edge() -> Iterator[Edge]:
    """A server that knows the zoo alone."""
    with edge_server() as running:
        yield running
    assert running.process.returncode == 0  # it ended as told, not by itself
