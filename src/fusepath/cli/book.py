"""``fusepath book``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fusepath.cli.figure_file import check_figure, draw_figure
from fusepath.cli.numbers import Finite
from fusepath.cli.options import (
    OUTPUT_FILE,
    check_channels,
    compress_option,
    evaluations_option,
    input_shape_option,
    json_option,
    mean_option,
    open_setting,
    parse_channels,
    planning_request,
    print_json,
    slowdown_option,
    std_option,
    time_limit_option,
)
from fusepath.cli.picture_options import picture_options
from fusepath.cli.progress import now_and_then
from fusepath.cli.samples import sample_option, tried_samples
from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.plan import PlanBook, Preprocessing


@click.command("book")
@click.argument("source", metavar="MODEL|BOOK.json")
@click.option("--device", metavar="RATE|FILE", help="The end device: 10GFLOPS, or a profile file.")
@slowdown_option
@click.option("--edge", metavar="RATE|FILE", help="The edge server: 500GFLOPS, or a profile file.")
@click.option("--rates", metavar="LOW:HIGH", help="Link rates up, like 1MB/s:12MB/s.")
@click.option(
    "--like",
    metavar="FILE",
    help="A link file: its delay, and its rate down in proportion, hold at every rate. Without, "
    "there is no delay and down is as fast as up.",
)
@click.option("--convention", help="Timing convention; runtime without.")
@click.option("--algorithm", help="As for plan; auto without.")
@click.option(
    "--tolerance", type=Finite(0), help="Share by which a plan may be slower; 0.005 without."
)
@click.option(
    "--most", type=click.IntRange(min=2), help="Settings to plan for it at most; 64 without."
)
@click.option(
    "--probes", type=click.IntRange(min=0), help="Settings to plan to test it; 8 without."
)
@evaluations_option
@time_limit_option
@compress_option
@sample_option
@picture_options
@mean_option
@std_option
@input_shape_option
@click.option("--link", metavar="RATE|FILE", help="Look a link up in BOOK.")
@click.option(
    "--file-bytes",
    metavar="SIZE",
    help="Size of the file that the input comes in, like 48kB; that of the samples without.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Write the book here; with --link, the plan.",
)
@click.option(
    "-f",
    "--figure",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Draw the book (.png, .svg or .pdf).",
)
@json_option
def command(
    source: str,
    link: str | None,
    file_bytes: str | None,
    output: str | None,
    figure: str | None,
    as_json: bool,
    **making: Any,
) -> None:
    """Plan MODEL for a range of link rates, or look a plan up in BOOK.

    A book says for every rate of the range which plan is the best. Looking one up takes no search
    and no model: fusepath book BOOK.json --link 2MB/s -o plan.json
    """
    from fusepath.plan import load_book, save_book

    if figure is not None:
        check_figure(figure, "--figure")
    if not source.endswith(".json"):
        if link is not None:
            raise InputError("--link looks a link up in a book; make one first: --rates, -o")
        if file_bytes is not None:
            raise InputError("--file-bytes is for looking a plan up in a book, with --link")
        book = _make(source, **making)
        if output is not None:
            save_book(output, book)
    else:
        _refuse_making(making)
        if output is not None and link is None:
            raise InputError(f"-o {output} is for the plan of a link: say which with --link")
        book = load_book(source)
        if file_bytes is not None and link is None:
            raise InputError(f"--file-bytes {file_bytes} is for the plan of a link: --link")
    if figure is not None:
        from fusepath.report.book_figure import book_figure

        draw_figure(book_figure(book), figure)
    if link is not None:
        _look_up(book, link, file_bytes=file_bytes, output=output, as_json=as_json)
    else:
        _show(book, as_json=as_json)


def _make(
    source: str,
    *,
    rates: str | None,
    like: str | None,
    device: str | None,
    slowdown: float,
    edge: str | None,
    convention: str | None,
    input_shape: str | None,
    compress: str | None,
    samples: tuple[str, ...],
    pictures: Preprocessing,
    mean: str,
    std: str,
    algorithm: str | None,
    evaluations: int | None,
    time_limit: float | None,
    **limits: float | None,
) -> PlanBook:
    from fusepath.plan import InputFormat, Origin, PlanRequest, make_book
    from fusepath.plan.planner import check_request

    if device is None or edge is None or rates is None:
        raise InputError("a book needs --device, --edge and --rates, like 1MB/s:12MB/s")
    low, high = _parse_rates(rates)
    channels = parse_channels(mean, "--mean"), parse_channels(std, "--std", nonzero=True)
    request = planning_request(
        PlanRequest(algorithm=algorithm or "auto", codecs=compress or "auto"),
        evaluations=evaluations,
        time_limit=time_limit,
    )
    check_request(request)
    loaded, setting = open_setting(
        source,
        input_shape,
        device=device,
        edge=edge,
        link=like or f"{low}B/s",
        convention=convention or "runtime",
        slowdown=slowdown,
    )
    check_channels(loaded, mean=channels[0], std=channels[1])
    form = InputFormat(dtype=setting.input_dtype, mean=channels[0], std=channels[1])
    tried = tried_samples(loaded, samples, compress=compress, form=form, pictures=pictures)
    say = _rewrite if sys.stderr.isatty() else now_and_then()

    def progress(done: int, most: int, rate: str) -> None:
        say(f"planned {done} of at most {most} rates: {rate}")

    return make_book(
        setting if tried is None else tried.on(setting),
        (low, high),
        request,
        Origin(source=loaded.source, mean=channels[0], std=channels[1], pictures=pictures),
        progress=progress,
        **{name: value for name, value in limits.items() if value is not None},  # type: ignore[arg-type]
    )


def _rewrite(what: str) -> None:
    click.echo(f"\r\x1b[K{what}", nl=False, err=True)


def _parse_rates(text: str) -> tuple[float, float]:
    from fusepath.units import parse_bytes_per_s

    low, separator, high = text.partition(":")
    if not separator:
        raise InputError(f"--rates '{text}' is not LOW:HIGH; write it like 1MB/s:12MB/s")
    return parse_bytes_per_s(low), parse_bytes_per_s(high)


def _refuse_making(names: Iterable[str]) -> None:
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is for making a book, but a book was given: leave it out")


def _look_up(
    book: PlanBook, link: str, *, file_bytes: str | None, output: str | None, as_json: bool
) -> None:
    from fusepath.cost import parse_link
    from fusepath.plan import plan_document, save_plan
    from fusepath.report import gantt, plan_text
    from fusepath.units import parse_bytes

    size = None if file_bytes is None else parse_bytes(file_bytes)
    plan = book.plan_for(parse_link(link), file_bytes=size)
    if output is not None:
        save_plan(output, plan)
    if as_json:
        print_json(plan_document(plan))
    else:
        click.echo(plan_text(plan))
        click.echo()
        click.echo(gantt(plan.timeline))


def _show(book: PlanBook, *, as_json: bool) -> None:
    from fusepath.report import book_table, book_text, render

    if as_json:
        print_json(_book_json(book))
        return
    click.echo(book_text(book))
    click.echo()
    click.echo(render(book_table(book)))


def _book_json(book: PlanBook) -> dict[str, Any]:
    """What the table says, and how the book was made; the plans are in its file."""
    import msgspec

    from fusepath.report import ends_s, gains

    forwarding = book.forwarding
    return {
        "model": msgspec.to_builtins(book.entries[0].plan.model),
        "algorithm": book.algorithm,
        "from_bytes_per_s": book.from_bytes_per_s,
        "to_bytes_per_s": book.to_bytes_per_s,
        "tolerance": book.tolerance,
        "settled": book.settled,
        "regret": book.regret,
        "search_s": book.search_s,
        "planned": msgspec.to_builtins(book.planned),
        "forwarding": None
        if forwarding is None
        else {
            "file_bytes": forwarding.plan.source and forwarding.plan.source.file_bytes,
            "makespan_s": ends_s(book, forwarding),
        },
        "entries": [
            {
                "from_bytes_per_s": entry.from_bytes_per_s,
                "to_bytes_per_s": entry.to_bytes_per_s,
                "plan": entry.plan.family,
                "start": entry.plan.start,
                "tau": entry.plan.tau,
                "grid": str(entry.plan.grid),
                "cuts": entry.plan.cuts,
                "codecs": entry.plan.codecs,
                "makespan_s": ends_s(book, entry),
                "gain_over_nfl": gains(book, entry),
            }
            for entry in book.entries
        ],
    }
