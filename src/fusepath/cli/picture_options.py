"""How a command line says what becomes of a picture."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from fusepath.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

FITS = ("exact", "stretch", "crop", "letterbox")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
"""Of `fusepath.plan`, which is not imported only to print the help."""


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a picture becomes the input; the command gets it as ``pictures``."""

    @functools.wraps(command)
    def with_pictures(
        *args: Any,
        fit: str,
        filter_name: str,
        bars: str,
        background: str | None,
        levels: str | None,
        frame: int | None,
        bgr: bool,
        **others: Any,
    ) -> Any:
        from fusepath.plan import Filter, Fit, Preprocessing

        try:
            pictures = Preprocessing(
                fit=Fit(fit),
                filter=Filter(filter_name),
                bars=_numbers(bars, "--bars", int, 3),
                background=_numbers(background, "--background", int, 3) if background else None,
                levels=_numbers(levels, "--levels", float, 2) if levels else None,
                frame=frame,
                bgr=bgr,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        return command(*args, pictures=pictures, **others)

    wrapped: Callable[..., Any] = with_pictures
    for option in reversed(
        [
            click.option(
                "--fit",
                type=click.Choice(FITS),
                default=FITS[0],
                show_default=True,
                help="How a picture of another size is brought to the model's: not at all, both "
                "sides by themselves, the middle of it, or all of it between bars.",
            ),
            click.option(
                "--filter",
                "filter_name",
                type=click.Choice(FILTERS),
                default="bilinear",
                show_default=True,
                help="How it is scaled.",
            ),
            click.option(
                "--bars", default="0,0,0", metavar="R,G,B", help="Colour of a letterbox's bars."
            ),
            click.option(
                "--background",
                metavar="R,G,B",
                help="Colour that transparent pixels are laid on; refused without.",
            ),
            click.option(
                "--levels",
                metavar="LOW,HIGH",
                help="Black and white of a picture with more than 8 bits a channel.",
            ),
            click.option(
                "--frame",
                type=click.IntRange(min=0),
                metavar="N",
                help="Which picture of a file that holds several, from 0.",
            ),
            click.option("--bgr", is_flag=True, help="The model takes blue first."),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped


def _numbers(text: str, option: str, kind: Callable[[str], Any], count: int) -> tuple[Any, ...]:
    """So many numbers, with commas between them."""
    parts = text.split(",")
    try:
        numbers = tuple(map(kind, parts))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InputError(f"{option} '{text}' is not {count} numbers with commas between them")
    return numbers
