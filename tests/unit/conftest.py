"""What unit tests share."""

from __future__ import annotations

from typing import Any

import pytest

from fusepath.remote import edge_service
from fusepath.runtime.edge_share import EdgeShare


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The recipes that an edge server builds sessions for."""
    recipes: list[Any] = []

    class Counted(EdgeShare):
        def __init__(self, model: Any, recipe: Any, **options: Any) -> None:
            recipes.append(recipe)
            super().__init__(model, recipe, **options)

    monkeypatch.setattr(edge_service, "EdgeShare", Counted)
    return recipes
