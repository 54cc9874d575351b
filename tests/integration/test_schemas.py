"""Files are what their published schemas say, and the schemas say something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fusepath.cli.main import run
from fusepath.cli.schema import FORMATS
from tests.schemas import violations

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "zoo:squeezenet?size=64"
MACHINES = ["--device", "1GFLOPS", "--edge", "500GFLOPS"]


def schema_of(name: str, folder: Path) -> Any:
    file = folder / f"{name}.schema.json"
    assert run(["schema", name, "-o", str(file)]) == 0
    return json.loads(file.read_bytes())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_schema(name, capfd, tmp_path):
    assert run(["schema", name]) == 0
    printed = json.loads(capfd.readouterr().out)

    assert printed == schema_of(name, tmp_path)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert violations([], printed, printed) != []


@pytest.mark.parametrize(
    "options",
    [
        ["--algorithm", "nfl"],
        ["--algorithm", "bf"],
        ["--algorithm", "stream", "--evaluations", "2000"],
        ["--algorithm", "nfl", "--device-macs", "1G", "--input-type", "values"],
    ],
    ids=lambda options: options[1],
)
def test_plans_are_what_their_schema_says(tmp_path, options):
    file = tmp_path / "plan.json"
    assert run(["plan", MODEL, *MACHINES, "--link", "0.2MB/s", *options, "-o", str(file)]) == 0
    schema, plan = schema_of("plan", tmp_path), json.loads(file.read_bytes())

    assert violations(plan, schema, schema) == []
    for wrong in (
        plan | {"version": "2"},
        plan | {"unheard_of": 1},
        plan | {"cuts": ["a"]},
        {key: value for key, value in plan.items() if key != "recipe"},
        plan | {"recipe": plan["recipe"] | {"arrangement": {"type": "spirals"}}},
    ):
        assert violations(wrong, schema, schema) != []


def test_books_links_and_profiles_are_what_their_schemas_say(tmp_path):
    book = tmp_path / "book.json"
    given = ["--rates", "0.1MB/s:1MB/s", "--algorithm", "nfl", "-o", str(book)]
    assert run(["book", MODEL, *MACHINES, *given]) == 0
    profile = tmp_path / "profile.json"
    given = ["--fast", "--repeats", "2", "--no-cache", "-o", str(profile)]
    assert run(["profile", "zoo:squeezenet?size=32", *given]) == 0

    for name, file in (("book", book), ("profile", profile)):
        schema = schema_of(name, tmp_path)
        assert violations(json.loads(file.read_bytes()), schema, schema) == [], name
    schema = schema_of("link", tmp_path)
    link = json.loads(book.read_bytes())["link"]
    assert violations(link, schema, schema) == []
    assert violations(link | {"up_bytes_per_s": "fast"}, schema, schema) != []


def test_runs_are_what_their_schema_says(tmp_path, capfd):
    image = tmp_path / "image.png"
    Image.new("RGB", (64, 64)).save(image)
    capfd.readouterr()
    alone = ["--algorithm", "device-only", "--no-cache", "--device", "1GFLOPS"]
    assert run(["run", MODEL, str(image), *alone, "--json"]) == 0

    document, schema = json.loads(capfd.readouterr().out), schema_of("run", tmp_path)
    assert violations(document, schema, schema) == []
    plan = schema_of("plan", tmp_path)
    assert violations(document["plan"], plan, plan) == []
