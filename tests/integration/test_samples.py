"""What ``--sample`` shows is planned with, by every command that plans; slower devices as well."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from fusepath.cli.main import run
from fusepath.plan import load_book

MODEL = "zoo:squeezenet?size=32"
MACHINES = ["--device", "2GFLOPS", "--edge", "500GFLOPS"]
QUICK = ["--evaluations", "300"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two pictures of the model's size, the second of which takes more bytes."""
    made = tmp_path_factory.mktemp("photos")
    rows, columns = np.mgrid[:32, :32]
    smooth = np.stack([rows * 2, columns * 2, rows + columns], axis=2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 30, smooth.shape, dtype=np.uint8)
    for name, pixels in (("a", smooth), ("b", smooth + noise)):
        Image.fromarray(pixels).save(made / f"{name}.jpg", quality=90)
    return made


@pytest.fixture(scope="module")
def book_file(folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("book") / "book.json"
    making = ["--rates", "0.1MB/s:8MB/s", "--most", "3", "--probes", "2", *QUICK]
    assert run(["book", MODEL, *MACHINES, *making, "--sample", str(folder), "-o", str(file)]) == 0
    return file


@pytest.fixture
def told(capsys):
    def called(*arguments: object) -> dict:
        assert run([*map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return called


def test_a_book_forwards_files_that_are_small_and_no_others(book_file, told):
    look = ["book", book_file, "--link", "2MB/s"]

    plans = [told(*look, "--file-bytes", size) for size in ("1kB", "30MB")]

    assert [plan["family"] for plan in plans] == ["forwarded file", plans[1]["family"]]
    assert plans[1]["family"] != "forwarded file"
    assert plans[0]["makespan_s"] < plans[1]["makespan_s"]


def test_a_books_forwarding_takes_as_much_longer_as_the_file_is_larger(book_file):
    book = load_book(book_file)
    link = book.link_at(1e6)

    small, large = (book.plan_for(link, file_bytes=size) for size in (1000, 1500))

    assert small.recipe.forwards
    assert large.recipe.forwards
    assert large.makespan_s - small.makespan_s == pytest.approx(500 / 1e6, abs=1e-8)
    assert large.up_bytes - small.up_bytes == 500
    assert large.source.file_bytes == 1500


def test_a_book_of_files_is_as_good_as_fresh_plans_at_its_probes(book_file):
    book = load_book(book_file)

    assert book.regret <= 0.05
    assert not any(entry.plan.recipe.forwards for entry in book.entries)
    for rate, bound_s in book.bounds:
        assert bound_s <= book.makespan_s(rate) + 1e-9


def test_file_bytes_are_for_looking_up(book_file, capsys):
    assert run(["book", str(book_file), "--file-bytes", "1kB"]) == 2
    assert run(["book", MODEL, *MACHINES, "--rates", "1MB/s:2MB/s", "--file-bytes", "1kB"]) == 2
    assert "--link" in capsys.readouterr().err


def test_the_ratio_is_the_mean_of_the_samples(folder, told):
    plan = ["plan", MODEL, *MACHINES, "--link", "20kB/s", "--algorithm", "full-offload"]

    one, other, both = (
        told(*plan, "--compress", "picture", "--sample", folder / name)["up_bytes"]
        for name in ("a.jpg", "b.jpg", "")
    )

    assert one < other
    assert both == pytest.approx((one + other) / 2, abs=1)


def test_compare_plans_with_codecs_and_files(folder, told):
    rows = told(
        "compare", MODEL, *MACHINES, "--link", "20kB/s", "--grid", "1x2", *QUICK,
        "--compress", "picture", "--sample", folder,
    )["plans"]  # fmt: skip

    found = {row["algorithm"]: row for row in rows}
    assert list(found["full-offload"]["recipe"]["codecs"].values()) == ["picture"]
    assert "forward" in found


def test_a_map_knows_files(folder, told):
    spans = ["--devices", "1GFLOPS:5GFLOPS", "--links", "1MB/s:8MB/s", "--points", "2"]

    told_map = told(
        "map", MODEL, "--edge", "500GFLOPS", *spans, *QUICK, "--workers", "1", "--sample", folder
    )

    assert "forward" in {cell["winner"] for cell in told_map["cells"]}


@pytest.mark.parametrize("command", ["plan", "book"])
def test_a_slowdown_is_a_slower_device(command, told):
    ask = [command, MODEL, "--edge", "500GFLOPS", "--algorithm", "device-only"]
    rates = ["--rates", "1MB/s:2MB/s", "--most", "2", "--probes", "0"]
    ask += rates if command == "book" else ["--link", "1MB/s"]

    slowed, slow = (
        told(*ask, *machine)
        for machine in (
            ["--device", "4GFLOPS", "--slowdown", "4"],
            ["--device", "1GFLOPS"],
        )
    )

    def makespans(document):
        return [row["makespan_s"] for row in document.get("entries", [document])]

    assert makespans(slowed) == makespans(slow)


def test_a_slowdown_plays_a_plan_on_a_slower_device(tmp_path, told):
    file = tmp_path / "plan.json"
    alone = told(
        "plan", MODEL, *MACHINES, "--link", "1MB/s", "--algorithm", "device-only", "-o", file
    )

    slowed = told("simulate", file, "--slowdown", 3)

    assert slowed["makespan_s"] == pytest.approx(3 * alone["makespan_s"], rel=1e-6)
