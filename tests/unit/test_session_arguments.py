"""What a session is asked for that makes no sense is refused where it is made."""

from __future__ import annotations

import pytest

import fusepath
from fusepath.errors import InputError


@pytest.mark.parametrize(
    "arguments",
    [
        {"when_full": "latest"},
        {"in_flight": 2.5},
        {"in_flight": True},
        {"in_flight": "3"},
        {"waiting": None},
    ],
)
def test_a_flow_of_other_types_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=name):
        fusepath.Flow(**arguments)
