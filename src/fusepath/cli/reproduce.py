"""``fusepath reproduce``."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.executor_options import executor_options
from fusepath.cli.options import json_option, print_json
from fusepath.errors import FileFormatError, InputError, VerificationError
from fusepath.output_file import output_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.study import Example, Executor, Fig4, Fig4Spec
    from fusepath.study.readings import Readings

FIGURES = ("fig2", "fig3", "fig4")


@click.command("reproduce")
@click.argument("figures", nargs=-1, metavar="[fig2|fig3|fig4|nfl|readings]...")
@click.option("-o", "--output", metavar="DIR", help="Write CSV, JSON, PNG, SVG and the page here.")
@click.option("--quick", is_flag=True, help="Two rates and three networks: under a minute.")
@click.option("--spec", metavar="FILE", help="What Fig. 4 is to compute (TOML).")
@click.option("--check", metavar="DIR", help="Compare with the expected figures in this folder.")
@click.option("--layers", metavar="FILE", multiple=True, help="Layer tables for nfl (JSON).")
@executor_options
@click.option(
    "--claims",
    "of_claims",
    is_flag=True,
    help="The register of claims in place of the figures: what others published, posed here.",
)
@click.option("--no-figures", is_flag=True, help="Leave the plots out (and matplotlib).")
@json_option
def command(
    figures: tuple[str, ...],
    output: str | None,
    quick: bool,
    spec: str | None,
    check: str | None,
    layers: tuple[str, ...],
    of_claims: bool,
    no_figures: bool,
    as_json: bool,
    on: Executor | None,
) -> int:
    """Compute the paper's figures again, beside what it published.

    Interrupted, the command goes on where it stopped when it is given the same DIR. nfl plans the
    best single cut from per-layer measurements, of anybody, that --layers names. readings takes all
    that the paper leaves open either way, on Fig. 4, and ranks what comes of it.
    """
    if of_claims:
        from fusepath.cli.claims import claims

        if figures or layers or quick or spec or check or on is not None:
            raise InputError(
                "--claims is the register of claims alone, computed by this process: leave out "
                "figures, --quick, --spec, --check, --workers and --ray"
            )
        document = claims(None if output is None else output_folder(output), as_json=as_json)
        if as_json:
            print_json(document)
        return 0
    wanted = tuple(dict.fromkeys(figures or FIGURES))
    _refuse(wanted, layers=layers, quick=quick, spec=spec)
    if "fig4" not in wanted and (quick or spec or on is not None):
        raise InputError("--quick, --spec, --workers and --ray are for fig4")
    if check is not None and wanted == ("nfl",):
        raise InputError("--check knows nothing of nfl, whose numbers are other people's")
    folder = None if output is None else output_folder(output)
    plots = folder is not None and not no_figures
    if plots:
        from fusepath.report.figures import require_matplotlib

        require_matplotlib("leave them out with --no-figures")
    job = _Job(
        folder=folder,
        plots=plots,
        spec=_spec(spec, quick=quick),
        is_whole=not quick and spec is None,
        expected=None if check is None else Path(check),
        on=on,
        as_json=as_json,
    )
    document = {}
    for name in wanted:
        if name == "nfl":
            document[name] = _nfl(layers, as_json=as_json)
        elif name == "readings":
            document[name] = job.readings()
        else:
            document[name] = job.fig4() if name == "fig4" else job.example(name)
    if as_json:
        print_json(document | ({} if check is None else {"differs": job.differs}))
        return 1 if job.differs else 0
    if folder is not None:
        click.echo(f"written to {folder}")
    job.verdict()
    return 0


def _refuse(
    wanted: tuple[str, ...], *, layers: tuple[str, ...], quick: bool, spec: str | None
) -> None:
    for name in wanted:
        if name not in (*FIGURES, "nfl", "readings"):
            raise InputError(
                f"there is no figure '{name}'; known ones are fig2, fig3, fig4, nfl, readings"
            )
    if ("nfl" in wanted) != bool(layers):
        raise InputError("nfl and --layers FILE belong together")
    if quick and spec is not None:
        raise InputError("--quick has a specification of its own: leave out --spec")


@dataclass(kw_only=True)
class _Job:
    """What was asked for, and what was found to differ."""

    folder: Path | None
    plots: bool
    spec: Fig4Spec
    is_whole: bool
    expected: Path | None
    on: Executor | None
    as_json: bool
    differs: list[str] = field(default_factory=list)

    def example(self, name: str) -> dict[str, Any]:
        """Fig. 2 or 3: computed, written, shown, compared."""
        from fusepath.study import example

        figure = example(name)
        if self.folder is not None:
            from fusepath.report.study_files import write_example

            write_example(figure, self.folder, plots=self.plots)
        document = figure.document()
        if not self.as_json:
            _say_example(figure)
        if self.expected is not None:
            self.differs += _check_example(name, document, self.expected)
        return document

    def fig4(self) -> dict[str, Any]:
        """Fig. 4: computed, written, shown, compared."""
        figure = _fig4(self.spec, self.folder, self.on)
        if self.folder is not None:
            _write_fig4(figure, self.folder, plots=self.plots, on=self.on)
        if not self.as_json:
            _say_fig4(figure)
        if self.expected is not None:
            self.differs += _check_fig4(figure, self.expected, everything=self.is_whole)
        return _fig4_document(figure)

    def readings(self) -> dict[str, Any]:
        """All readings of Fig. 4: computed, written, shown, compared."""
        import msgspec

        from fusepath.study.reading_differences import reading_differences
        from fusepath.study.readings import load_readings

        expected = None
        if self.expected is not None:  # before the minutes that it takes
            expected = load_readings(self.expected / "readings.expected.json")
        readings = _readings(self.folder, as_json=self.as_json)
        if expected is not None:
            lines = reading_differences(expected, readings)
            self.differs += [f"readings: {line}" for line in lines]
        document: dict[str, Any] = msgspec.to_builtins(readings)
        return document

    def verdict(self) -> None:
        """Raise if anything differs from what was expected.

        Raises:
            VerificationError: it does; says what and by how much.
        """
        if self.expected is None:
            return
        for line in self.differs[:50]:
            click.echo(line, err=True)
        if self.differs:
            raise VerificationError(
                f"{len(self.differs)} values differ from those in {self.expected}; "
                f"the first: {self.differs[0]}"
            )
        click.echo(f"everything agrees with {self.expected}")


def _spec(path: str | None, *, quick: bool) -> Fig4Spec:
    from fusepath.study import QUICK, Fig4Spec, load_spec

    if path is not None:
        return load_spec(path)
    return QUICK if quick else Fig4Spec()


def _say_example(figure: Example) -> None:
    from fusepath.report import gantt
    from fusepath.study.examples import units

    click.echo(figure.title)
    for item in figure.statements:
        verdict = "as published" if item.holds else f"published {item.published}"
        click.echo(f"  {item.name}: {item.ours} ({verdict})")
    if not any(item.name == "inference_time" for item in figure.statements):
        time_units = units(figure.schedule.makespan_ns)
        click.echo(f"  inference_time: {time_units} (not in the text)")
    *lanes, _ = gantt(figure.schedule.timeline()).splitlines()
    click.echo("\n".join(lanes) + "\n")


def _fig4(spec: Fig4Spec, folder: Path | None, on: Executor | None) -> Fig4:
    from fusepath.study import Processes, Store, collect, compute

    on, progress = on or Processes(), _progress()
    if folder is not None:
        store = Store(folder / "results.jsonl")
        return collect(spec, compute(spec, store, on=on, progress=progress))
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch) / "results.jsonl")
        return collect(spec, compute(spec, store, on=on, progress=progress))


def _progress() -> Callable[[int, int, str], None]:
    """A line that counts on a terminal; a line every five seconds elsewhere."""
    started_s = time.monotonic()
    on_terminal = sys.stderr.isatty()
    last_s = [started_s]

    def show(done: int, todo: int, what: str) -> None:
        now_s = time.monotonic()
        text = f"fig4: {done} of {todo} points, {now_s - started_s:.0f} s: {what}"
        if on_terminal:
            click.echo(f"\r\x1b[K{text}", nl=done == todo, err=True)
        elif now_s - last_s[0] > 5 or done == todo:
            last_s[0] = now_s
            click.echo(text, err=True)

    return show


def _write_fig4(figure: Fig4, folder: Path, *, plots: bool, on: Executor | None) -> None:
    from fusepath.report.study_files import write_fig4
    from fusepath.study import Processes

    if plots:
        click.echo("fig4: drawing", err=True)
    here = on if isinstance(on, Processes) else Processes()  # only computing goes elsewhere
    write_fig4(figure, folder, plots=plots, on=here)


def _fig4_document(figure: Fig4) -> dict[str, Any]:
    """The figure in short; all points are in the files."""
    from fusepath.study import LABELS, best_match, matches, published, reaches

    paper = published()
    found = matches(figure)
    best = [
        match
        for network in paper.networks
        for algorithm in LABELS
        for granted in (False, True)
        if (match := best_match(found, network, algorithm, granted=granted)) is not None
    ]
    return {
        "published_headline": paper.headline,
        "rates_mb_per_s": figure.rates_mb_per_s,
        "speed_ups": [
            {
                "network": curves.network,
                "convention": curves.convention,
                "granted": curves.granted,
                "mean_ms": {name: curves.mean_ms(name) for name in LABELS},
                "speed_up": curves.speed_up(),
                "published_speed_up": paper.speed_up(curves.published),
            }
            for curves in figure.curves
        ],
        "best_matches": [
            {
                "published": f"{match.network} {match.algorithm}",
                "granted": match.curves.granted,
                "network": match.curves.network,
                "convention": match.curves.convention,
                "algorithm": match.ours,
                "mean_relative_error": match.error,
            }
            for match in best
        ],
        "out_of_reach_of_a_shared_link": [
            {
                "network": item.point.network,
                "algorithm": item.point.algorithm,
                "at": item.point.where,
                "published_ms": item.point.time_ms,
                "bound_ms": min(item.bound_ms, item.granted_bound_ms),
            }
            for item in reaches(figure)
            if not item.reachable
        ],
        "spec_sha256": figure.spec_sha256,
        "versions": figure.versions,
    }


def _say_fig4(figure: Fig4) -> None:
    from fusepath.report import render, speed_ups_table
    from fusepath.study import published

    click.echo("Fig. 4: mean of NFL over mean of MW (k×k); published average ", nl=False)
    click.echo(f"{published().headline}")
    click.echo(render(speed_ups_table(figure)))
    click.echo()


def _check_example(name: str, ours: dict[str, Any], folder: Path) -> list[str]:
    path = folder / f"{name}.expected.json"
    try:
        expected = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FileFormatError(f"cannot read {path}: {error}") from error
    current = json.loads(json.dumps(ours))
    lines = []
    for key in sorted(set(expected) | set(current)):
        was, now = expected.get(key), current.get(key)
        if was != now:
            both = isinstance(was, int | float) and isinstance(now, int | float)
            amount = f" by {now - was:+g}" if both else ""
            lines.append(f"{name}: {key} differs{amount}: {now}, expected {was}")
    return lines


def _check_fig4(figure: Fig4, folder: Path, *, everything: bool) -> list[str]:
    from fusepath.study import differences, load_fig4

    expected = load_fig4(folder / "fig4.expected.json")
    return [f"fig4: {line}" for line in differences(expected, figure, everything=everything)]


def _readings(folder: Path | None, *, as_json: bool) -> Readings:
    """Computed, written, shown."""
    from fusepath.output_file import write_file
    from fusepath.report.readings_page import readings_page
    from fusepath.study.readings import compute_readings, save_readings

    readings = compute_readings(progress=lambda name: click.echo(f"readings: {name}", err=True))
    page = readings_page(readings)
    if folder is not None:
        save_readings(folder / "readings.json", readings)
        write_file(folder / "readings.md", page.encode())
    if not as_json:
        click.echo(page)
    return readings


def _nfl(paths: tuple[str, ...], *, as_json: bool) -> list[dict[str, Any]]:
    from fusepath.cost import load_layer_table
    from fusepath.plan import best_single_cut, problem_of_table
    from fusepath.schedule import NS_PER_S

    found = []
    for path in paths:
        table = load_layer_table(path)
        for link in table.links:
            schedule = best_single_cut(problem_of_table(table, link))
            (cut,) = schedule.cuts
            first = table.layers[cut - 1].name if cut <= len(table.layers) else None
            found.append(
                {
                    "table": table.name,
                    "source": table.source,
                    "link": link.name,
                    "bytes_per_s": link.bytes_per_s,
                    "cut": cut,
                    "first_edge_layer": first,
                    "makespan_s": schedule.makespan_ns / NS_PER_S,
                }
            )
            if not as_json:
                where = f"from layer {cut} ({first}) on" if first else "not at all"
                click.echo(
                    f"{table.name}, {link.name}: offload {where}, "
                    f"{schedule.makespan_ns / 1e6:.3f} ms"
                )
    return found
