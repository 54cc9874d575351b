"""Draw docs/figures/run.svg: the paths of one run on its picture, above what happened when.

    fusepath run zoo:squeezenet PHOTO.npy --edge HOST:PORT --algorithm stream --compress off \\
        --pace 1.8MB/s --slowdown 5 --repeat 25 --json > run.json
    python tools/draw_run.py run.json PHOTO.npy
"""

from __future__ import annotations

import sys
from pathlib import Path

from fusepath import load_model
from fusepath.jsonfile import load_object
from fusepath.pictures.inputs import load_input
from fusepath.pictures.preview import preview
from fusepath.plan import AS_THEY_COME, Plan
from fusepath.plan.run_file import run_of_document
from fusepath.report.page import Story, figure
from fusepath.report.page.axis import time_axis
from fusepath.report.page.markup import drawing, label, rectangle
from fusepath.report.page.picture import picture

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "run.svg"
WIDTH, SIDE, TOP = 900, 300, 330


def placed(drawn: str, left: float, top: float, width: float, height: float) -> str:
    """A drawing at a place of another."""
    place = f'<svg x="{left}" y="{top}" width="{width}" height="{height}"'
    return drawn.replace("<svg", place, 1)


def words(story: Story) -> list[str]:
    """What stands beside the picture."""
    plan, left = story.plan, SIDE + 30
    runs = f"{story.latency_s * 1e3:.0f} ms, {len(plan.cuts)} paths; predicted in outline"
    inside = [label(left, 24, f"{plan.model.name}, one run: {runs}", class_="headline")]
    for line, (cut, colour) in enumerate(story.colours.items()):
        paths = [path for path, own in enumerate(plan.cuts, 1) if own == cut]
        top = 56 + 28 * line
        inside.append(rectangle(left, top - 12, 14, 14, fill=colour))
        inside.append(label(left + 24, top, f"paths {paths[0]} to {paths[-1]}: {story.where(cut)}"))
    told = (
        "On the picture: the rows that each path adds; below: when it is where.",
        "Outlined: predicted. Filled: measured; what nothing waits for has no dark rim.",
    )
    inside += [label(left, 180 + 24 * line, text) for line, text in enumerate(told)]
    return inside


def main(source: str, photo: str) -> None:
    run = run_of_document(load_object(source, Plan), where=source)
    model = load_model(run.plan.model.source)
    pixels = load_input(photo, model.graph.input, pictures=AS_THEY_COME)
    story = Story(
        plan=run.plan,
        graph=model.graph,
        predicted=run.predicted,
        measured=run.measured,
        picture=preview(pixels),
    )
    axis = time_axis(story)
    height = float(axis.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()[1])
    whole = drawing(
        WIDTH,
        TOP + height,
        placed(picture(story), 0, 0, SIDE, SIDE),
        *words(story),
        placed(axis, 0, TOP, WIDTH, height),
        name="One run: where each path of the picture runs, and what happened when",
    )
    TARGET.write_text(figure(whole), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
