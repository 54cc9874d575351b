"""How large the text of a figure is on a page, whose column is as wide as `PAGE_INCHES`."""

from __future__ import annotations

from typing import Any

from fusepath.report.figures import PAGE_INCHES

LEAST_POINTS = 7.5
"""Ten pixels of a screen."""


def too_small(figure: Any) -> list[str]:
    """Texts that a reader of the page would have to enlarge."""
    from matplotlib.text import Text  # noqa: PLC0415 - in an extra

    shrunk = min(1.0, PAGE_INCHES / figure.get_figwidth())
    figure.draw_without_rendering()  # which makes the numbers along the axes
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert texts
    return [text.get_text() for text in texts if text.get_fontsize() * shrunk < LEAST_POINTS - 0.01]
