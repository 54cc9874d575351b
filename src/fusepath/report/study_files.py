"""The files of a reproduction: CSV, JSON, plots and the page."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from fusepath.output_file import output_folder, write_file
from fusepath.report.figures import (
    curves_figure,
    example_figure,
    overview_figure,
    require_matplotlib,
    save_figure,
)
from fusepath.report.study_page import overviews, study_page
from fusepath.study import LABELS, Processes, example, matches, save_fig4, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from fusepath.study import Curves, Example, Fig4

FIGURES = "figures"


def write_example(figure: Example, folder: Path, *, plots: bool) -> list[Path]:
    """JSON, CSV (one line per span) and the plot of Fig. 2 or 3."""
    files = [
        _write(folder / f"{figure.name}.json", _json(figure.document() | {"versions": versions()})),
        _write(
            folder / f"{figure.name}.csv",
            _csv(
                ("lane", "path", "start", "end"),
                (
                    (str(span.lane), span.path or "", span.start_s, span.end_s)
                    for span in figure.schedule.timeline().spans
                ),
            ),
        ),
    ]
    if plots:
        require_matplotlib()
        files += save_figure(example_figure(figure), output_folder(folder / FIGURES) / figure.name)
    return files


def write_fig4(
    figure: Fig4, folder: Path, *, plots: bool, on: Processes = Processes(1)
) -> list[Path]:
    """JSON, CSV, all plots, drawn in processes, and the page of Fig. 4."""
    save_fig4(folder / "fig4.json", figure)
    files = [
        folder / "fig4.json",
        _write(folder / "fig4.csv", _csv(_POINT_COLUMNS, _points(figure))),
        _write(folder / "fig4-speedups.csv", _csv(_SPEED_COLUMNS, _speed_ups(figure))),
        _write(folder / "fig4-published.csv", _csv(_PUBLISHED_COLUMNS, _published(figure))),
        _write(folder / "reproduction.md", study_page(figure, figures=FIGURES)),
    ]
    if plots:
        require_matplotlib()
        target = output_folder(folder / FIGURES)
        for name in ("fig2", "fig3"):
            files += save_figure(example_figure(example(name)), target / name)
        files += _plots(figure, target, on)
    return files


def _plots(figure: Fig4, folder: Path, on: Processes) -> list[Path]:
    jobs: list[tuple[str, Sequence[Curves]]] = [(c.name, (c,)) for c in figure.curves]
    jobs += overviews(figure)
    drawn = on.each(partial(_draw, figure, folder), jobs)
    return sorted(file for _, files in drawn for file in files)


def _draw(figure: Fig4, folder: Path, job: tuple[str, Sequence[Curves]]) -> list[Path]:
    stem, several = job
    is_overview = stem.startswith("overview-")
    drawn = overview_figure(figure, several) if is_overview else curves_figure(figure, several[0])
    return save_figure(drawn, folder / (stem if is_overview else f"fig4-{stem}"))


_POINT_COLUMNS = (
    "network",
    "convention",
    "granted",
    "ops_scale",
    "algorithm",
    "rate_mb_per_s",
    "makespan_ms",
    "lower_bound_ms",
    "shared_link_bound_ms",
    "tau",
    "grid",
)


def _points(figure: Fig4) -> Iterator[tuple[object, ...]]:
    for curves in figure.curves:
        for name, curve in curves.algorithms.items():
            for at, rate in enumerate(figure.rates_mb_per_s):
                yield (
                    curves.network,
                    curves.convention,
                    curves.granted,
                    curves.ops_scale,
                    name,
                    rate,
                    curve.makespan_ns[at] / 1e6,
                    curve.lower_bound_ns[at] / 1e6,
                    curves.shared_link_bound_ns[at] / 1e6,
                    curve.tau[at],
                    curve.grid[at],
                )


_SPEED_COLUMNS = ("network", "convention", "granted", "algorithm", "mean_ms", "speed_up_over_nfl")


def _speed_ups(figure: Fig4) -> Iterator[tuple[object, ...]]:
    for curves in figure.curves:
        for name in LABELS:
            yield (
                curves.network,
                curves.convention,
                curves.granted,
                name,
                curves.mean_ms(name),
                curves.speed_up(name),
            )


_PUBLISHED_COLUMNS = (
    "published_network",
    "algorithm",
    "at",
    "published_ms",
    "network",
    "convention",
    "granted",
    "our_algorithm",
    "ours_ms",
    "relative_error",
)


def _published(figure: Fig4) -> Iterator[tuple[object, ...]]:
    for match in matches(figure):
        for item in match.comparisons:
            yield (
                match.network,
                match.algorithm,
                item.point.where,
                item.point.time_ms,
                match.curves.network,
                match.curves.convention,
                match.curves.granted,
                match.ours,
                item.ours_ms,
                item.error,
            )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([f"{value:.9g}" if isinstance(value, float) else value for value in row])
    return text.getvalue()


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> Path:
    write_file(path, text.encode())
    return path
