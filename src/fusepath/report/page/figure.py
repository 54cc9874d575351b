"""A drawing of the page as a file of its own."""

from __future__ import annotations

import re

from fusepath.report.page.page import asset


def figure(drawing: str) -> str:
    """A drawing as an SVG file: with its name space, its size and the page's style.

    Args:
        drawing: as `axis.time_axis`, `picture.picture` and `network.network` make it.
    """
    found = re.match(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)
    assert found is not None  # every drawing begins so
    width, height = found.groups()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    style = f"<style>{asset('page.css')}</style>"
    begun, end, rest = drawing.partition("</title>")
    return f"{begun.replace('<svg', head, 1)}{end}{style}{rest}\n"
