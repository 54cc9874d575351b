"""The page about a plan or a run: what is in it, and what a browser makes of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fusepath.cli.main import run
from fusepath.cost import Compression, parse_link, parse_machine
from fusepath.onnx_io import load_model
from fusepath.plan import ComparedPlan, PlanRequest, Setting, compare_plans, load_plan, make_plan
from fusepath.report.page import Story, report_page
from fusepath.tiling import Grid

MODEL = "zoo:squeezenet?size=64"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(HTMLParser):
    """What of a page can be counted; raises where an element is not closed."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [own for _, own in self.elements if name in (own.get("class") or "").split()]


def planned(algorithm: str, grid: Grid | None = None) -> Story:
    setting = Setting(
        graph=load_model(MODEL).graph,
        device=parse_machine("1GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("0.2MB/s"),
    )
    plan = make_plan(setting, PlanRequest(algorithm=algorithm, grid=grid)).best
    return Story(plan=plan, graph=setting.graph, predicted=plan.timeline)


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plans") / "plan.json"
    machines = ["--device", "1GFLOPS", "--edge", "500GFLOPS", "--link", "0.2MB/s"]
    assert run(["plan", MODEL, *machines, "--algorithm", "stream", "-o", str(file)]) == 0
    return file


@pytest.fixture(scope="module")
def page_file(plan_file: Path) -> Path:
    file = plan_file.with_name("page.html")
    sample = Path(__file__).parents[2] / "src" / "fusepath" / "assets" / "demo.png"
    given = ["--sample", str(sample), "--fit", "crop", "--evaluations", "3000"]
    assert run(["report", str(plan_file), "-o", str(file), *given]) == 0
    return file


def test_a_page_loads_nothing_and_runs_its_own_script_alone(page_file):
    html = page_file.read_text(encoding="utf-8")
    page = Page(html)

    policy = next(
        own["content"] for tag, own in page.elements if own.get("http-equiv") and tag == "meta"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:")
    for tag in ("style", "script"):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"(href|src)=\"(?!data:)", html)
    assert not any(
        "style" in own or any(n.startswith("on") for n in own) for _, own in page.elements
    )


def test_a_page_shows_every_path_where_and_when_it_runs(page_file, plan_file):
    page, plan = Page(page_file.read_text(encoding="utf-8")), load_plan(plan_file)

    bars = page.of_class("outline")
    assert len(bars) == len(plan.timeline.spans)
    assert page.of_class("filled") == []  # nothing was measured
    assert page.of_class("critical")
    paths = {own["data-path"] for _, own in page.elements if own.get("data-path")}
    assert paths == {str(path) for path in plan.order}
    assert len(page.of_class("cut")) == len(set(plan.cuts))
    for words in ("What runs where", "When", "What bounds it", "On other links", "All algorithms"):
        assert words in page.words
    assert "full-offload" in page.words
    assert any(tag == "image" for tag, _ in page.elements)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page_file.read_text())[0])
    assert len(data["paths"]) == len(plan.cuts)
    assert len(data["rates"]) == len(data["at"])


def test_the_table_tells_plans_with_codecs_from_those_without():
    setting = Setting(
        graph=load_model(MODEL).graph,
        device=parse_machine("1GFLOPS"),
        edge=parse_machine("500GFLOPS"),
        link=parse_link("0.2MB/s"),
    )
    half = Compression(codec="zstd", ratio=0.5, encode_s_per_byte=0.0, decode_s_per_byte=0.0)
    coded = replace(setting, compression={setting.graph.input.name: half})
    plan, packed = (
        make_plan(item, PlanRequest(algorithm="full-offload")).best for item in (setting, coded)
    )
    compared = compare_plans(setting, [packed, plan])
    story = Story(plan=packed, graph=setting.graph, predicted=packed.timeline, compared=compared)

    words = Page(report_page(story)).words

    assert words.count("full offload, zstd") == 1
    assert words.count("full offload") > 1


def test_a_page_of_64_tiles_is_small_and_shows_their_halos():
    html = report_page(planned("mw", Grid(8, 8)))

    page = Page(html)
    assert len(html.encode()) <= 300_000
    assert len(page.of_class("share")) == 64
    assert len(page.of_class("halo")) == 64
    labels = [own for tag, own in page.elements if tag == "input"]
    named = {own["for"] for tag, own in page.elements if tag == "label"}
    assert {own["id"] for own in labels} <= named


@pytest.mark.parametrize("algorithm", ["device-only", "full-offload", "nfl", "bf", "auto"])
def test_every_kind_of_plan_has_a_page(algorithm):
    story = planned(algorithm)

    page = Page(report_page(story))

    assert f"{story.plan.makespan_s * 1e3:.1f} ms predicted" in page.words


def test_what_is_gained_is_gained_over_the_quickest_single_cut():
    """Of which there may be several, with codecs and without; whatever their order."""
    story = planned("stream")
    cut = planned("nfl").plan
    later = msgspec.structs.replace(cut.prediction, makespan_s=3 * cut.makespan_s)
    slower = msgspec.structs.replace(cut, prediction=later)
    rows = tuple(ComparedPlan(plan=plan, lower_bound_s=0.01) for plan in (slower, story.plan, cut))

    html = report_page(replace(story, compared=rows))

    ratio = cut.makespan_s / story.plan.makespan_s
    assert f"{ratio:.2f} times as fast as the best single cut" in html
    assert f"best single cut {1e3 * cut.makespan_s:.1f} ms" in html


def test_names_of_a_model_are_words_and_nothing_else():
    story = planned("nfl")
    strange = "</script><script>alert(1)</script>\"'&"
    model = msgspec.structs.replace(story.plan.model, name=strange)
    recipe = msgspec.structs.replace(story.plan.recipe, model=model)
    plan = msgspec.structs.replace(story.plan, recipe=recipe)

    html = report_page(Story(plan=plan, graph=story.graph, predicted=story.predicted))

    assert "<script>alert" not in html
    assert strange in Page(html).words


def test_a_run_shows_what_was_measured_beside_what_was_predicted(tmp_path, capfd):
    image = tmp_path / "image.npy"
    np.save(image, np.zeros((1, 3, 64, 64), np.uint8))
    given = ["run", MODEL, str(image), "--edge", "memory:", "--no-cache", "--repeat", "3"]
    machines = ["--device", "1GFLOPS", "--edge-machine", "9GFLOPS", "--link", "9MB/s"]
    capfd.readouterr()
    assert run([*given, *machines, "--algorithm", "nfl", "--json"]) == 0
    out = capfd.readouterr().out
    (tmp_path / "run.json").write_text(out)
    assert len(json.loads(out)["latencies_s"]) == 3
    page = tmp_path / "page.html"

    assert run(["report", str(tmp_path / "run.json"), "-o", str(page), "--evaluations", "0"]) == 0

    html = Page(page.read_text(encoding="utf-8"))
    assert html.of_class("filled")
    assert html.of_class("outline")
    assert "ms were predicted" in html.words
    assert "All algorithms" not in html.words


def test_a_book_shows_its_plans_on_other_links(tmp_path, plan_file, capfd):
    book, page = tmp_path / "book.json", tmp_path / "page.html"
    machines = ["--device", "1GFLOPS", "--edge", "500GFLOPS", "--rates", "0.1MB/s:1MB/s"]
    assert run(["book", MODEL, *machines, "--algorithm", "nfl", "-o", str(book)]) == 0
    given = ["report", str(plan_file), "-o", str(page), "--book", str(book), "--evaluations", "0"]
    capfd.readouterr()

    assert run([*given, "--json"]) == 0

    assert json.loads(capfd.readouterr().out) == {
        "path": str(page),
        "bytes": page.stat().st_size,
    }
    assert "the book's plan" in page.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "plan"),
        ("nothing", "not a fusepath plan file"),
        ('{"format": "fusepath-run", "version": 9}', "version 9"),
        ('{"format": "fusepath-run", "version": 1}', "not a fusepath run file"),
    ],
)
def test_what_is_neither_a_plan_nor_a_run_is_refused(tmp_path, capfd, text, words):
    (tmp_path / "bad.json").write_text(text)

    assert run(["report", str(tmp_path / "bad.json"), "-o", str(tmp_path / "page.html")]) == 2

    assert words in capfd.readouterr().err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("option", ["--model", "--post"])
def test_another_model_than_the_plan_s_is_refused(tmp_path, plan_file, capfd, option):
    given = ["report", str(plan_file), "-o", str(tmp_path / "page.html")]

    assert run([*given, option, "zoo:alexnet?size=64" if option == "--model" else "no.onnx"]) == 2
    assert not (tmp_path / "page.html").exists()


@pytest.mark.system
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_runs_the_page_s_script_and_complains_of_nothing(page_file, tmp_path):
    called = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            f"--user-data-dir={tmp_path}",
            "--dump-dom",
            page_file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "CONSOLE" not in called.stderr
    told = re.search(r'id="told"[^>]*>([^<]*)<', called.stdout)
    assert told is not None
    assert told[1].startswith("cut ")
    assert re.search(r'id="at-rate"[^>]*>200 kB/s: this plan', called.stdout)
    assert 'class="chosen"' in called.stdout


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_words_can_be_read_on_what_they_stand_on(page_file):
    html = page_file.read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block))
        for block in re.findall(r"(?<!svg):root \{([^}]*)\}", html)
    ]

    assert len(schemes) == 2  # light and dark
    for colours in schemes:
        for ink, ground in (
            ("ink", "ground"),
            ("soft", "ground"),
            ("ink", "panel"),
            ("ink", "band"),
            ("ink", "line"),
        ):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    story = planned("stream")
    for path in range(1, len(story.plan.cuts) + 1):
        assert contrast(story.colour(path), story.ink(path)) >= 4.5
