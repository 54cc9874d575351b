"""The rows as a CSV file, which grows with every run, and as a page of the documentation."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmarks.models.families import FAMILIES
from benchmarks.models.measure import ENOUGH_GAIN, Row

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ENOUGH_SHARE = 0.9
ENOUGH_FAMILIES = 26
MOBILENETV2_GAIN = 1.55
COLUMNS = (
    ("family", "---"),
    ("written by", "---"),
    ("nodes", "---:"),
    ("layers", "---:"),
    ("MACs in tiles", "---:"),
    ("what ends tiling", "---"),
    ("device, GFLOP/s", "---:"),
    ("NFL/auto", "---:"),
    ("NFL/bound", "---:"),
    ("NFL/row bound", "---:"),
    ("best plan", "---"),
    ("verified error", "---:"),
)


def merged(path: Path, rows: Iterable[Row]) -> list[Row]:
    """What the file holds of networks that there still are, with `rows` in place of older ones."""
    known = {}
    if path.exists():
        with path.open(newline="") as stream:
            known = {(r["family"], r["spelling"]): Row.from_text(r) for r in csv.DictReader(stream)}
    known |= {(row.family, row.spelling): row for row in rows}
    wanted = [(name, spelling) for name, item in FAMILIES.items() for spelling in item.spellings]
    return [known[key] for key in wanted if key in known]


def is_complete(rows: list[Row]) -> bool:
    return len(rows) == sum(len(item.spellings) for item in FAMILIES.values())


def write_csv(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def table(rows: list[Row]) -> list[str]:
    lines = [
        f"| {' | '.join(title for title, _ in COLUMNS)} |",
        f"|{'|'.join(rule for _, rule in COLUMNS)}|",
    ]
    return lines + [f"| {' | '.join(_cells(row))} |" for row in rows]


def _cells(row: Row) -> list[str]:
    known = [row.family, row.spelling, str(row.nodes)]
    if not row.layers:
        return [*known, "", "", f"cannot be read: {row.failed}", *[""] * 6]
    known += [str(row.layers), f"{row.tileable_share:.3f}", f"{row.stops or 'nothing'}"]
    error = "" if row.rel_error is None else f"{row.rel_error:.1e}"
    if row.rel_error is not None and not row.verified:
        error += " differs"
    if row.failed:
        error = f"fails: {row.failed}"
    return [
        *known,
        f"{row.device_gflop_per_s:.1f}",
        f"{row.gain:.2f}",
        f"{row.most:.2f}",
        f"{row.most_by_rows:.2f}" if row.row_bound_ms else "",
        row.winner,
        error,
    ]


def summary(rows: list[Row]) -> list[str]:
    """Each bar and whether it is met; a family is as good as the worst of its spellings."""
    shares = defaultdict(list)
    for row in rows:
        shares[FAMILIES[row.family].member_of or row.family].append(row.tileable_share)
    short = [name for name, values in shares.items() if min(values) < ENOUGH_SHARE]
    enough = len(shares) - len(short)
    lines = [
        f"- {enough} of {len(shares)} families have at least {ENOUGH_SHARE} of their MACs in layers"
        f" that tiles run, in every spelling (wanted: {ENOUGH_FAMILIES})"
        + (f"; less have {', '.join(short)}." if short else ".")
    ]
    if gains := [row.gain for row in rows if row.gain]:
        flat = [row for row in rows if row.gain and row.gain < ENOUGH_GAIN]
        proven = sum(row.most < ENOUGH_GAIN for row in flat)
        lines.append(
            f"- NFL/auto is at least {min(gains):.3f} (wanted: 1.00); it is below {ENOUGH_GAIN} in"
            f" {len(flat)} of {len(gains)} rows. In {proven} of these NFL/bound is as well: no plan"
            f" gains more. In the others NFL/row bound says what plans of whole rows could gain"
            f" at most."
        )
    if mobile := [row.gain for row in rows if row.family == "mobilenetv2"]:
        lines.append(
            f"- MobileNetV2 gains {min(mobile):.2f} to {max(mobile):.2f}, whoever wrote it"
            f" (wanted: {MOBILENETV2_GAIN})."
        )
    differ = sum(row.rel_error is not None and not row.verified for row in rows)
    lines.append(
        f"- {sum(row.verified for row in rows)} of {len(rows)} rows gave the outputs of the unsplit"
        f" model, split; {differ} differed, {sum(bool(row.failed) for row in rows)} failed."
    )
    return lines


def page(rows: list[Row]) -> str:
    return "\n".join([PREFACE, *summary(rows), "", *table(rows), ""])


PREFACE = """# The models that people have

Families of networks, built by code with random weights in the spellings of the exporters that
people use (`benchmarks/models`), and what fusepath makes of them. `make bench-models` writes this
page.

- *written by*: PyTorch's exporter of today (`dynamo`: opset 20, means for global pooling) and the
  older one (`torchscript`: opset 14, constants as nodes, layer normalisation in its parts);
  tf2onnx (NHWC input, a Transpose at the entry, zero Pads before strides, swish by its parts);
  Paddle2ONNX (BatchNormalization kept, biases as Add, sizes computed from shapes). Detectors have
  the tails that decode their boxes.
- *nodes* are those of the file, *layers* what a plan can cut between.
- *MACs in tiles*: the share of the MACs in the layers of all sections up to the deepest at which
  tiles were carried out and verified; sections of fewer than two layers do not count.
- *what ends tiling*: the first operator that needs whole maps; plans can begin behind it.
- *device*: at this rate the device alone takes as long as sending the image to an edge server of
  500 GFLOP/s over 1.8 MB/s each way: the crossover, where planning has most to choose from. The
  image is sent as uint8, everything else as float32 without codecs, and the way back is counted.
- *NFL/auto*: the time of the best single cut over that of the best plan; *NFL/bound*: over what
  no plan can beat; *NFL/row bound*: over what no plan of whole rows can, single cuts and strips
  ([bounds](bounds.md)), where the gain is below 1.05 and NFL/bound is not.
- *verified error*: of the deepest tiles of every section and of the best plan, whichever is
  largest, all carried out by a device and an edge server in one process; relative to the largest
  value of each output.
"""
