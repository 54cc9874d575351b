"""What a session is asked for that makes no sense is refused where it is made."""

from __future__ import annotations

import msgspec
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


@pytest.mark.parametrize(
    "arguments",
    [
        {"machines": "1GFLOPS"},
        {"frames": None},
        {"timeout": 5},
        {"options": None},
    ],
)
def test_arguments_of_other_types_are_refused_at_once(arguments):
    ((name, given),) = arguments.items()
    with pytest.raises(InputError, match=f"{name} {given!r} is no"):
        fusepath.Session("zoo:squeezenet?size=64", **arguments)


@pytest.mark.parametrize("arguments", [{"link": 5e6}, {"device": "1GFLOPS"}, {"edge": 1e9}])
def test_machines_of_other_types_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=f"{name} .* is n"):
        fusepath.Machines(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"fallback": "off"}, {"flow": 3}, {"emulation": None}, {"threads": "2"}]
)
def test_options_of_other_types_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=f"{name} .* is no"):
        fusepath.SessionOptions(**arguments)


def test_a_feed_that_is_not_by_name_is_refused():
    values = np.zeros((1, 3, 64, 64), np.float32)
    with (
        fusepath.Session("zoo:squeezenet?size=64") as session,
        pytest.raises(InputError, match="the feed is of type ndarray"),
    ):
        session.run(None, values)


@pytest.mark.parametrize(
    "arguments",
    [{"connect_s": -1}, {"infer_s": float("nan")}, {"prepare_s": 0}, {"connect_s": "5"}],
)
def test_times_that_are_none_are_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=name):
        fusepath.Timeout(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"fit": "nope"},
        {"filter": "x"},
        {"frame": -1},
        {"frame": "1"},
        {"levels": (3,)},
        {"levels": (1, 0)},
        {"background": "red"},
        {"bars": None},
        {"bars": (0, 0, 256)},
        {"bars": (0, 0)},
    ],
)
def test_preprocessing_that_there_is_not_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(InputError, match=name):
        fusepath.Preprocessing(**arguments)


def test_preprocessing_in_a_file_is_refused_with_its_place():
    with pytest.raises(msgspec.ValidationError, match="frame -1 is no number"):
        msgspec.json.decode(b'{"frame": -1}', type=fusepath.Preprocessing)
