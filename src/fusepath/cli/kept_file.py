"""A file that keeps what a long command has done, until all of it is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def kept_until_done(file: Path | None) -> Iterator[None]:
    """Say where what is done is kept when it is interrupted; remove it when it is done."""
    try:
        yield
    except KeyboardInterrupt:
        if file is not None and file.exists():
            click.echo(f"what is done is kept in {file}; the same command goes on …", err=True)
        raise
    if file is not None:
        file.unlink(missing_ok=True)
