"""What is shown of repeated runs is of the plan that is shown beside it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fusepath.offload.run import Report


@pytest.mark.parametrize(
    ("others_s", "shown_s"),
    [([0.1, 0.1, 0.1], 0.3), ([], 0.3)],
)
def test_the_median_is_of_the_plan_that_is_shown(others_s, shown_s):
    plan, other = object(), object()
    runs = [
        *(SimpleNamespace(plan=other, latency_s=seconds) for seconds in others_s),
        *(SimpleNamespace(plan=plan, latency_s=seconds) for seconds in (0.2, 0.3, 0.4)),
    ]
    report = Report(
        plan=plan, predicted=None, in_turn=None, runs=runs, taken_s=1.0, comparison=None
    )

    assert report.median.plan is plan
    assert report.median.latency_s == shown_s


def test_where_no_run_has_taken_it_another_is_shown():
    run = SimpleNamespace(plan=object(), latency_s=0.1)
    report = Report(
        plan=object(), predicted=None, in_turn=None, runs=[run], taken_s=1.0, comparison=None
    )

    assert report.median is run
