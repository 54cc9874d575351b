"""When the median of latencies is known: beside the exact binomial distribution."""

from __future__ import annotations

import json
import math
import random
import statistics

import numpy as np
import pytest

from fusepath.cli.main import run
from fusepath.cost import ComputeRate, parse_link
from fusepath.errors import SettingError
from fusepath.offload.machines import Machines
from fusepath.offload.order import SessionOptions
from fusepath.offload.run import run as run_model
from fusepath.offload.stable import UntilStable, median_error
from fusepath.onnx_io import load_model
from fusepath.plan import PlanRequest


def rank_of(count: int) -> int:
    """The rank from either end that is taken for 1, 2, … 2 · count: from the error it says."""
    values = [float(value) for value in range(1001, 1001 + count)]
    error = median_error(values)
    assert error is not None
    return round(1 + (count - 1) / 2 - error * statistics.median(values))


@pytest.mark.parametrize("count", [8, 9, 10, 26, 50, 101, 398])
def test_the_median_is_within_with_95_percent_whatever_the_distribution(count):
    rank = rank_of(count)
    outside = 2 * sum(math.comb(count, below) for below in range(rank)) / 2**count

    assert outside <= 0.05
    assert 2 * sum(math.comb(count, below) for below in range(rank + 2)) / 2**count > 0.05


def test_a_handful_says_nothing():
    assert median_error([1.0] * 7) is None
    assert median_error([1.0] * 8) == 0
    assert not UntilStable(within=1, most=9).met_by([1.0] * 7)


def test_what_scatters_more_takes_longer_and_the_maximum_ends_it():
    def needed(spread: float) -> int:
        chance = random.Random(1)  # noqa: S311 - no secret
        asked, values = UntilStable(within=0.02, most=500), [1.0]
        while len(values) < asked.most and not asked.met_by(values):
            values.append(chance.uniform(1, 1 + spread))
        return len(values)

    assert needed(0.0) == 8
    assert 8 < needed(0.1) < needed(0.3) < 500 == needed(5.0)


@pytest.mark.parametrize(
    ("asked", "runs", "words"),
    [
        (["--until-stable", "100", "--repeat", "40", "--in-flight", "2"], range(8, 41), []),
        (["--until-stable", "0.1", "--repeat", "3"], range(3, 4), ["is known to nothing"]),
    ],
)
def test_run_repeats_until_its_median_is_known(capfd, tmp_path, asked, runs, words):
    np.save(tmp_path / "x.npy", np.ones((1, 3, 32, 32), np.float32))
    command = ["run", "zoo:squeezenet?size=32", str(tmp_path / "x.npy"), "--no-cache", "--json"]
    command += ["--device", "1GFLOPS", "--algorithm", "device-only"]

    code = run([*command, *asked])
    out, err = capfd.readouterr()

    document = json.loads(out)
    assert code == 0
    assert document["runs"] == len(document["latencies_s"]) in runs
    assert document["median_error"] == median_error(document["latencies_s"])
    assert "running until the median is known to" in err
    assert all(word in err for word in words)


def test_what_was_measured_is_told_with_its_percentiles(capfd, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 3, 32, 32), np.float32))
    command = ["run", "zoo:squeezenet?size=32", str(tmp_path / "x.npy"), "--no-cache"]

    code = run([*command, "--device", "1GFLOPS", "--algorithm", "device-only", "--repeat", "8"])
    out, err = capfd.readouterr()

    assert (code, err) == (0, "preparing the sessions …\nrunning 8 times …\n")
    assert "(median of 8, " in out
    assert "\npercentiles  p90 " in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("wrong", [{"within": 0.0}, {"within": math.nan}, {"within": 1, "most": 0}])
def test_what_can_never_be_met_is_refused(wrong):
    with pytest.raises(SettingError, match="must be"):
        UntilStable(**wrong)


@pytest.mark.parametrize("in_flight", [1, 3])
def test_there_are_no_more_inferences_than_there_may_be_however_many_overlap(in_flight):
    model = load_model("zoo:squeezenet?size=32")
    known = Machines(device=ComputeRate(1e9), edge=ComputeRate(1e9), link=parse_link("1MB/s"))

    report = run_model(
        model,
        np.ones((1, 3, 32, 32), np.float32),
        repeats=UntilStable(within=1e-9, most=9),
        in_flight=in_flight,
        plan=PlanRequest(algorithm="device-only"),
        machines=known,
        options=SessionOptions(remember=False),
    )

    assert len(report.runs) == 9
