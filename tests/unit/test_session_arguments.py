"""What a session is asked for that makes no sense is refused where it is made."""

from __future__ import annotations

import numpy as np
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


@pytest.mark.parametrize(
    "arguments",
    [
        {"order": "BGR"},
        {"order": ["bgr"]},
        {"layout": "HWC"},
        {"pictures": "letterbox"},
        {"std": (0,)},
        {"std": 255.0},
        {"std": "255"},
        {"std": (float("nan"),)},
        {"mean": ()},
        {"mean": (None,)},
    ],
)
def test_a_frame_format_that_there_is_not_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=name):
        fusepath.FrameFormat(**arguments)


def test_mean_and_std_become_tuples_of_numbers_as_plans_have_them():
    form = fusepath.FrameFormat(mean=[0, np.float32(0.5)], std=np.array([1, 2]))

    assert (form.mean, form.std) == ((0.0, 0.5), (1.0, 2.0))
    assert all(type(value) is float for value in form.mean + form.std)
