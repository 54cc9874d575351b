"""``fusepath run`` of many inputs: a line for each as it is answered, and what they come to."""

from __future__ import annotations

import io
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from msgspec import to_builtins

from fusepath.cli.options import SO_FAR, print_json
from fusepath.cli.streams import close_standard_output
from fusepath.errors import FusepathError
from fusepath.offload.statistics import percentiles
from fusepath.output_file import write_file
from fusepath.report import changes_text, milliseconds
from fusepath.runtime.change import together
from fusepath.spelling import spelt
from fusepath.units import format_bytes, format_count, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusepath.arrays import Array
    from fusepath.offload.inference import Inference
    from fusepath.offload.run_frames import FrameAnswer
    from fusepath.plan import OutputChange

_NAME, _PLAN = 34, 23
_HEAD = f"{'input':<{_NAME}} {'latency':>10} {'sent':>8}  answered by"


@dataclass
class _Done:
    """What all inputs have come to so far; of outputs only what is to be written."""

    keeps_outputs: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, Array] = field(default_factory=dict)
    """As they are written: ``NUMBER/NAME``, numbers from 0."""
    changes: dict[str, list[OutputChange]] = field(default_factory=dict)
    begun_s: float | None = None
    taken_s: float = 0.0
    """From the first to be asked for to the last result, comparing included."""

    def add(self, answer: FrameAnswer) -> None:
        inference, compared = answer.inference, answer.comparison
        number, now_s = len(self.rows), time.perf_counter()
        if self.begun_s is None:
            self.begun_s = now_s - inference.latency_s
        self.taken_s = now_s - self.begun_s
        finite = compared is not None and math.isfinite(compared.max_abs_error)
        self.rows.append(
            {
                "input": spelt(answer.name),
                "latency_s": inference.latency_s,
                "up_bytes": inference.up_bytes,
                "down_bytes": inference.down_bytes,
                "device_macs": inference.device_macs,
                "edge_macs": inference.edge_macs,
                "reused_paths": inference.reused.paths,
                "saved_up_bytes": inference.reused.up_bytes,
                "saved_macs": inference.reused.macs,
                "plan": inference.plan.recipe_sha256,
                "family": inference.plan.family,
                "fallback": inference.fallback and inference.fallback.reason,
                "exact": inference.is_exact,
                "verified": compared and compared.passed,
                "bit_equal": compared and compared.bit_equal,
                "max_abs_error": compared.max_abs_error if compared and finite else None,
            }
        )
        for name, change in (answer.changes or {}).items():
            self.changes.setdefault(name, []).append(change)
        if self.keeps_outputs:
            self.outputs |= {f"{number}/{name}": value for name, value in inference.outputs.items()}

    @property
    def failed(self) -> int:
        return sum(row["verified"] is False for row in self.rows)

    @property
    def all_changes(self) -> dict[str, OutputChange] | None:
        """Over all inputs; None where everything was exact."""
        return {name: together(found) for name, found in self.changes.items()} or None


def run_and_tell(answers: Iterator[FrameAnswer], *, output: str | None, as_json: bool) -> int:
    """Take all answers, and say what came of them; the exit code.

    Whatever ends them early, what there is by then is said and written.
    """
    done = _Done(keeps_outputs=output is not None)
    try:
        for answer in answers:
            if not done.rows and not as_json:
                _say(_HEAD, done)
            done.add(answer)
            if not as_json:
                _say(_row(answer), done)
    except (FusepathError, KeyboardInterrupt):
        if done.rows:
            _write(done, output)
            if as_json:
                click.get_current_context().obj[SO_FAR] = _document(done)
            else:
                _print(done)
        raise
    _write(done, output)
    if as_json:
        print_json(_document(done))
    else:
        _print(done)
    say_alone([row["fallback"] for row in done.rows if row["fallback"]], of=len(done.rows))
    if done.failed:
        click.echo(
            f"fusepath: {number_of(done.failed, 'result')} of {len(done.rows)} differ from the "
            f"unsplit model's",
            err=True,
        )
    return 1 if done.failed else 0


def _say(line: str, done: _Done) -> None:
    """Whoever reads this may stop: then nobody waits for more, unless it is to be written."""
    try:
        click.echo(line)
    except BrokenPipeError:
        if not done.keeps_outputs:
            raise
        close_standard_output()


def say_alone(reasons: Sequence[str], *, of: int) -> None:
    """Say how many of some inferences this machine has answered alone, and why it did the last."""
    if reasons:
        click.echo(
            f"fusepath: this machine answered {len(reasons)} of {of} alone: {reasons[-1]}", err=True
        )


def _row(answer: FrameAnswer) -> str:
    inference = answer.inference
    name = "".join(sign if sign.isprintable() else " " for sign in spelt(answer.name))
    name = name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
    return (
        f"{name:<{_NAME}} {milliseconds(inference.latency_s):>10} "
        f"{format_bytes(inference.up_bytes):>8}  {_by(inference, answer)}"
    )


def _by(inference: Inference, answer: FrameAnswer) -> str:
    by = "this machine alone" if inference.fallback else inference.plan.family
    by = "nothing new" if inference.reused.everything else by
    if answer.comparison is None:
        return by[:_PLAN]
    mark = "equal" if answer.comparison.bit_equal else "matches"
    mark = mark if answer.comparison.passed else "DIFFERS"
    return f"{by[: _PLAN - len(mark) - 2]}, {mark}"


def _print(done: _Done) -> None:
    latencies_s = [row["latency_s"] for row in done.rows]
    p50_s, p90_s, p99_s = percentiles(latencies_s)
    plans = Counter(row["family"] for row in done.rows)
    compared = [row for row in done.rows if row["verified"] is not None]
    rate = "" if compared else f", {len(done.rows) / done.taken_s:.1f} a second"
    click.echo(f"\ninputs       {len(done.rows)} in {done.taken_s:.1f} s{rate}")
    click.echo(
        f"latency      {milliseconds(p50_s)} (median, {milliseconds(min(latencies_s))} to "
        f"{milliseconds(max(latencies_s))})"
    )
    click.echo(f"percentiles  p90 {milliseconds(p90_s)}, p99 {milliseconds(p99_s)}")
    sent = sum(row["up_bytes"] for row in done.rows)
    click.echo(f"sent         {format_bytes(sent)}, {format_bytes(sent / len(done.rows))} each")
    saved = sum(row["saved_up_bytes"] for row in done.rows)
    if any(row["saved_macs"] for row in done.rows):
        macs = sum(row["saved_macs"] for row in done.rows)
        click.echo(
            f"reused       {format_bytes(saved)} not sent, {format_count(macs)} MAC not computed"
        )
    for name, count in plans.most_common():
        click.echo(f"plan         {name}: {number_of(count, 'input')}")
    if done.all_changes is not None:
        click.echo(changes_text(done.all_changes, "in these runs"))
    if compared:
        equal = sum(row["bit_equal"] for row in compared)
        click.echo(
            f"result       {len(compared) - done.failed} of {len(compared)} match the unsplit "
            f"model, {equal} of them bit for bit"
        )


def _document(done: _Done) -> dict[str, Any]:
    latencies_s = [row["latency_s"] for row in done.rows]
    p50_s, p90_s, p99_s = percentiles(latencies_s)
    verified = [row["verified"] for row in done.rows if row["verified"] is not None]
    changes = done.all_changes
    return {
        "inputs": done.rows,
        "count": len(done.rows),
        "taken_s": done.taken_s,
        "latency_p50_s": p50_s,
        "latency_p90_s": p90_s,
        "latency_p99_s": p99_s,
        "up_bytes": sum(row["up_bytes"] for row in done.rows),
        "fallbacks": sum(row["fallback"] is not None for row in done.rows),
        "verified": all(verified) if verified else None,
        "exact": all(row["exact"] for row in done.rows),
        "changes": None if changes is None else to_builtins(changes),
    }


def _write(done: _Done, output: str | None) -> None:
    """Outputs by number and name, and which input each number is of."""
    if output is None:
        return
    data = io.BytesIO()
    names = np.array([row["input"] for row in done.rows])
    np.savez(data, inputs=names, **done.outputs)  # type: ignore[arg-type]
    write_file(output, data.getvalue())
