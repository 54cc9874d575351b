"""The picture with its paths over it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from fusepath.report.page.markup import drawing, element, label, rectangle, text
from fusepath.units import number_of

if TYPE_CHECKING:
    from fusepath.report.page.story import Region, Story

_SIDE = 480
"""Of the longer one."""


def picture(story: Story) -> str:
    """The input with the share of every path, coloured by its cut, and its halo dashed."""
    tensor = story.graph.input
    rows, cols = (tensor.size(0), tensor.size(1)) if len(tensor.shape) == 4 else (1, 1)
    scale = _SIDE / max(rows, cols)
    height, width = rows * scale, cols * scale
    inside = [rectangle(0, 0, width, height, class_="ground")]
    if story.picture is not None:
        data = base64.b64encode(story.picture).decode()
        inside.append(
            element("image", href=f"data:image/jpeg;base64,{data}", width=width, height=height)
        )
    inside += [_share(story, region, height, width) for region in story.regions]
    inside += [
        _halo(region, height, width) for region in story.regions if region.own != region.held
    ]
    return drawing(
        width,
        height,
        *inside,
        name=f"The input in {number_of(len(story.regions), 'path')}, "
        f"coloured by where they are cut",
        class_="picture",
    )


def _share(story: Story, region: Region, height: float, width: float) -> str:
    top, left, bottom, right = region.own
    box = left * width, top * height, (right - left) * width, (bottom - top) * height
    size = min(22.0, max(9.0, box[3] * 0.7), max(9.0, box[2] * 0.4))
    number = ""
    if box[3] >= 9 and box[2] >= 12:
        centre = box[0] + box[2] / 2, box[1] + box[3] / 2
        number = element(
            "g",
            rectangle(
                centre[0] - size * 0.75,
                centre[1] - size * 0.6,
                size * 1.5,
                size * 1.2,
                rx=3,
                fill=story.colour(region.path),
            ),
            label(
                centre[0],
                centre[1] + size * 0.35,
                region.path,
                font_size=size,
                text_anchor="middle",
                fill=story.ink(region.path),
            ),
        )
    return element(
        "g",
        rectangle(*box, fill=story.colour(region.path), class_="share"),
        number,
        data_path=region.path,
    )


def _halo(region: Region, height: float, width: float) -> str:
    top, left, bottom, right = region.held
    return rectangle(
        left * width,
        top * height,
        (right - left) * width,
        (bottom - top) * height,
        class_="halo",
        data_halo=region.path,
    )


def legend(story: Story) -> str:
    """What the colours mean."""
    plan = story.plan
    items = []
    for cut, colour in story.colours.items():
        paths = [place for place, own in enumerate(plan.cuts, 1) if own == cut]
        count = f"{len(paths)} path{'s' if len(paths) > 1 else ''}"
        swatch = element(
            "svg",
            rectangle(0, 0, 14, 14, fill=colour),
            viewBox="0 0 14 14",
            class_="swatch",
            aria_hidden="true",
        )
        items.append(element("li", swatch, text(f"cut {cut}: {count} {story.where(cut)}")))
    return element("ul", *items, class_="legend")
