"""The benchmark for machines of one's own writes one file that says all there is to say."""

from __future__ import annotations

import json
from functools import partial

import pytest
from click.testing import CliRunner

import fusepath
from benchmarks import two_machines


@pytest.mark.slow
def test_one_file_holds_plans_times_and_machines_and_no_address(tmp_path, monkeypatch):
    known = fusepath.Machines(
        device=fusepath.parse_machine("1GFLOPS"),
        edge=fusepath.parse_machine("50GFLOPS"),
        link=fusepath.parse_link("10MB/s"),
    )
    monkeypatch.setattr(two_machines, "measured", partial(two_machines.measured, known=known))
    target = tmp_path / "found.json"
    asked = ["memory:", "-o", str(target), "--networks", "squeezenet?size=32", "--repeats", "2"]

    called = CliRunner().invoke(two_machines.main, [*asked, "--note", "a test"])

    assert called.exit_code == 0, called.output
    found = json.loads(target.read_text())
    assert (found["format"], found["version"], found["note"]) == (
        "fusepath-two-machines",
        1,
        "a test",
    )
    (network,) = found["networks"]
    assert {row["plan"] for row in network["plans"]} == {
        two_machines.AUTO,
        *two_machines.ALGORITHMS,
    }
    for row in network["plans"]:
        assert row["verified"]
        assert len(row["latencies_s"]) == 2
        assert row["quartiles_s"][0] <= row["median_s"] <= row["quartiles_s"][1]
        assert row["predicted_s"] > 0
    assert network["lower_bound_s"] > 0
    assert network["machines"]["device"]["ops_per_s"] == 1e9
    assert "memory:" not in target.read_text()


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    called = CliRunner().invoke(
        two_machines.main, ["memory:", "-o", str(tmp_path / "none" / "found.json")]
    )

    assert called.exit_code == 1
    assert "none" in called.output
