"""One tree of errors, each with the exit code that the documentation names."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import fusepath
from fusepath import errors

DOCUMENTED = {
    "FusepathError": 2,
    "VerificationError": 1,
    "InputError": 2,
    "ModelError": 2,
    "UnsupportedOperatorError": 2,
    "SettingError": 2,
    "GeometryError": 2,
    "ImageError": 2,
    "FileFormatError": 2,
    "OutputError": 2,
    "AlgorithmError": 2,
    "PeerError": 3,
    "PeerUnreachableError": 3,
    "PeerBusyError": 3,
    "PeerForgotError": 3,
    "PeerFailedError": 3,
    "PeerRefusedError": 3,
    "PeerTimeoutError": 3,
    "ClosedError": 2,
    "DroppedError": 2,
    "NoPlanError": 4,
    "InfeasibleError": 4,
    "UndecidedError": 4,
}


def all_errors() -> dict[str, type[errors.FusepathError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }


def test_every_error_has_its_documented_exit_code():
    assert {name: kind.exit_code for name, kind in all_errors().items()} == DOCUMENTED


def test_every_error_is_drawn_in_the_tree():
    assert errors.__doc__ is not None
    for name in all_errors():
        assert name in errors.__doc__


def test_an_unsupported_operator_says_which_why_and_what_to_do():
    error = errors.UnsupportedOperatorError(
        node="gap_1", op_type="GlobalAveragePool", reason="needs it all", hint="end before it"
    )

    assert str(error) == (
        "cannot tile node 'gap_1' (GlobalAveragePool): needs it all; end before it"
    )
    assert (error.node, error.op_type) == ("gap_1", "GlobalAveragePool")


@pytest.mark.parametrize("kind", [errors.PeerRefusedError, errors.PeerTimeoutError])
def test_a_peer_error_names_the_peer(kind):
    error = kind("10.0.0.2:7070", "refused")

    assert str(error) == "edge 10.0.0.2:7070: refused"
    assert error.peer == "10.0.0.2:7070"


ARGUMENTS = {
    "a device that is sped up": (fusepath.Emulation, {"slowdown": 0.5}, "slowdown 0.5"),
    "a slowdown in words": (fusepath.Emulation, {"slowdown": "20x"}, "slowdown '20x'"),
    "a link that stands still": (fusepath.Emulation, {"pace_bytes_per_s": 0}, "pace_bytes_per_s 0"),
    "a pace in words": (fusepath.Emulation, {"pace_bytes_per_s": "1MB/s"}, "'1MB/s'"),
    "a link of no rate": (
        fusepath.Link,
        {"up_bytes_per_s": 0.0, "down_bytes_per_s": 1.0},
        "link rates must be above zero",
    ),
    "a rate back that is no number": (
        fusepath.Link,
        {"up_bytes_per_s": 1.0, "down_bytes_per_s": math.nan},
        "link rates must be above zero",
    ),
    "a delay without end": (
        fusepath.Link,
        {"up_bytes_per_s": 1.0, "down_bytes_per_s": 1.0, "delay_s": math.inf},
        "all else of a link",
    ),
    "a rate in words": (
        fusepath.Link,
        {"up_bytes_per_s": "1MB/s", "down_bytes_per_s": 1.0},
        "'1MB/s' is no number",
    ),
    "a budget below zero": (fusepath.Budget, {"evaluations": -1}, "-1 evaluations"),
    "a budget that is no number": (fusepath.Budget, {"seconds": math.nan}, "nan seconds"),
    "a budget in words": (fusepath.Budget, {"seconds": "3 s"}, "seconds '3 s'"),
    "a limit below zero": (fusepath.Constraints, {"upload_bytes": -1}, "below zero"),
    "a limit in words": (fusepath.Constraints, {"device_macs": "1G"}, "device_macs '1G'"),
    "no path": (fusepath.Constraints, {"max_paths": 0}, "at least one path"),
    "a machine that stands still": (fusepath.ComputeRate, {"ops_per_s": 0}, "ops_per_s 0"),
    "a machine in words": (fusepath.ComputeRate, {"ops_per_s": "1GFLOPS"}, "'1GFLOPS'"),
    "no plan": (fusepath.PlanRequest, {"top": 0}, "top 0"),
    "plans in words": (fusepath.PlanRequest, {"top": "all"}, "top 'all'"),
    "no frame under way": (fusepath.Throughput, {"in_flight": 0}, "in_flight 0"),
    "frames in words": (fusepath.Latency, {"min_frames_per_s": "20"}, "'20'"),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_arguments_that_make_no_sense_are_errors_of_one_kind(what):
    kind, arguments, words = ARGUMENTS[what]
    with pytest.raises(errors.SettingError, match=re.escape(words)):
        kind(**arguments)


def test_nothing_raises_a_bare_value_error():
    for file in Path(fusepath.__file__).parent.rglob("*.py"):
        assert "raise ValueError" not in file.read_text(encoding="utf-8"), file
