"""Pictures that commands draw into a file: what they are called decides their format."""

from __future__ import annotations

import io
from typing import Any

from fusepath.errors import InputError

_FORMATS = (".png", ".svg", ".pdf")


def check_figure(file: str, option: str = "-o") -> None:
    """Refuse a picture that could not be drawn, before the work.

    Raises:
        InputError: it is in no format that is drawn, or what draws is not installed.
    """
    from fusepath.report.figures import require_matplotlib

    if not file.lower().endswith(_FORMATS):
        raise InputError(f"{option} '{file}' must end in {', '.join(_FORMATS)}")
    require_matplotlib(f"leave out {option}")


def draw_figure(figure: Any, file: str) -> None:
    """Write a figure; the same one gives the same bytes.

    Raises:
        OutputError: the file cannot be written.
    """
    import matplotlib as mpl

    from fusepath.output_file import write_file

    data, kind = io.BytesIO(), file.lower().rpartition(".")[2]
    about = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with mpl.rc_context({"svg.hashsalt": "fusepath", "svg.fonttype": "none"}):
        figure.savefig(data, format=kind, dpi=144, metadata=about.get(kind, {"CreationDate": None}))
    write_file(file, data.getvalue())
