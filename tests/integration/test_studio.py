"""The studio: what it answers, whom it refuses, and that it never shows a stack trace."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from fusepath.cli.main import run
from fusepath.cli.studio import plan_command
from fusepath.errors import ModelError
from fusepath.onnx_io import zoo
from fusepath.plan import Budget, load_plan
from fusepath.spelling import spelt
from fusepath.studio import Depth, Desk, Question, RecentModels
from fusepath.studio import desk as desks
from tests.studios import MODEL, QUESTION, Client, own_studio, studio

TILED = QUESTION | {"grid": "2x2", "tau": 4, "workers": 3}
LESS_THOUGHT = ("QUICK", "REFINED", "BESIDE")
QUICK = desks.QUICK


@pytest.fixture(scope="module", autouse=True)
def little_thought() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in LESS_THOUGHT:
            patch.setattr(desks, name, Budget(evaluations=2500))
        yield


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    with studio() as address:
        yield Client(address)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(RecentModels())


def question(**changes: object) -> Question:
    return msgspec.convert(QUESTION | changes, Question)


def test_a_quick_answer_finds_strips_for_a_network_of_many_layers(monkeypatch):
    """However long it takes: the time it may take is held by `make bench-studio`."""
    monkeypatch.setattr(desks, "QUICK", Budget(evaluations=QUICK.evaluations))
    asked = question(model="zoo:yolov8n", device="10GFLOPS", up="3MB/s", down="3MB/s")

    quick = Desk(RecentModels()).answer(asked, Depth.QUICK)

    assert quick.story.plan.makespan_s < quick.story.best_single_cut.makespan_s


def test_a_quick_answer_is_no_worse_than_the_best_single_cut(desk):
    quick = desk.answer(question(), Depth.QUICK)

    nfl = quick.story.best_single_cut
    assert nfl is not None
    assert quick.story.plan.makespan_s <= nfl.makespan_s
    assert {"device-only", "full-offload", "nfl"} <= {
        row.plan.algorithm for row in quick.story.compared
    }


def test_a_quick_answer_knows_what_was_found_for_the_same_model_nearby(desk):
    refined = desk.answer(question(), Depth.REFINED).story.plan

    nearby = desk.answer(question(up="1.81MB/s"), Depth.QUICK).story.plan

    assert nearby.makespan_s <= refined.makespan_s  # the link is a little quicker
    assert nearby.link.up_bytes_per_s == 1.81e6


def test_plans_are_kept_of_the_last_models_alone(desk, monkeypatch):
    monkeypatch.setattr(desks, "_MOST_MODELS_KNOWN", 1)
    for model in (MODEL, "zoo:squeezenet1_1"):
        desk.answer(question(model=model), Depth.REFINED)

    assert list(desk._known) == [
        desk.answer(question(model=model), Depth.REFINED).story.plan.model.sha256
    ]


@pytest.mark.parametrize("asked", [QUESTION, TILED], ids=["auto", "tiles"])
def test_the_command_line_does_the_same(asked, desk, tmp_path, monkeypatch):
    answer = desk.answer(msgspec.convert(asked, Question), Depth.REFINED)
    monkeypatch.chdir(tmp_path)
    fusepath, *arguments = shlex.split(plan_command(answer))

    assert fusepath == "fusepath"
    assert run(arguments) == 0

    plan = load_plan(tmp_path / "plan.json")
    assert plan.recipe == answer.story.plan.recipe
    assert plan.makespan_s == answer.story.plan.makespan_s
    assert plan.convention.edge_workers == asked.get("workers", 1)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the words are those of a shell")
@pytest.mark.parametrize("name", [b"it's.onnx", b"n\xe9t\\'s $x.onnx"], ids=repr)
def test_the_command_line_names_any_file(name, desk):
    answer = desk.answer(question(), Depth.REFINED)
    plan = answer.story.plan
    model = msgspec.structs.replace(plan.model, source=spelt(os.fsdecode(name)))
    recipe = msgspec.structs.replace(plan.recipe, model=model)
    story = replace(answer.story, plan=msgspec.structs.replace(plan, recipe=recipe))

    command = f"printf '%s|' {plan_command(replace(answer, story=story))}"
    words = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout

    assert words.split(b"|")[:4] == [b"fusepath", b"plan", name, b"--input-shape"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "10"}, "not a rate"),
        ({"edge": "/etc/passwd.json"}, "not a rate"),
        ({"up": "0MB/s"}, "above zero"),
        ({"workers": 0}, "workers 0"),
        ({"grid": "99x99"}, "more than 256 tiles"),
        ({"grid": "two"}, "grid"),
        ({"model": "x" * 65}, "longer than 64"),
    ],
)
def test_what_is_no_question_is_refused(changes, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        question(**changes)


def test_networks_of_the_zoo_and_files_that_were_given_are_at_hand():
    models = RecentModels()
    data = zoo.serialize(zoo.build("squeezenet", input_size=64))

    key = models.put(data, "C:\\models\\my net.onnx")

    assert models.of(key).source == "my net.onnx"
    assert list(models.files()) == [key]
    for wrong in ("zoo:nothing", "squeezenet", "/etc/passwd", "zoo:squeezenet?size=100000"):
        with pytest.raises(ModelError, match="give its file again"):
            models.of(wrong)


def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith(("starlette", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("app", "guard", "server", "work"):
        monkeypatch.delitem(sys.modules, f"fusepath.studio.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "starlette", None)

    assert run(["studio", MODEL, "--json"]) == 2

    assert "pip install 'fusepath[studio]'" in json.loads(capsys.readouterr().out)["error"]


def test_beyond_loopback_it_listens_only_where_that_is_said(capsys):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")

    assert run(["studio", MODEL, "--listen", "0.0.0.0:0"]) == 2

    assert "is not loopback" in capsys.readouterr().err


def test_an_answer_has_paths_times_and_a_table(client):
    status, told = client.json("POST", "/api/answers", {"question": QUESTION})

    assert status == 200
    assert told["depth"] == "quick"
    assert told["speed_up"] >= 1
    assert 'data-path="1"' in told["sections"]["What runs where"]
    assert told["sections"]["When"].count("<rect") > 4
    assert "full-offload" in told["sections"]["All algorithms"]
    base = f"/api/answers/{told['answer']}"
    status, links = client.json("GET", f"{base}/links")
    assert status == 200
    assert "<polyline" in links["sections"]["On other links"]
    status, plan = client.json("GET", f"{base}/plan.json")
    assert (status, plan["format"]) == (200, "fusepath-plan")


@pytest.mark.parametrize("name", ["paths", "times", "network"])
def test_every_drawing_is_a_file_of_its_own(name, client):
    _, told = client.json("POST", "/api/answers", {"question": QUESTION})

    status, data, headers = client.ask("GET", f"/api/answers/{told['answer']}/{name}.svg")

    assert status == 200
    assert headers["content-type"].startswith("image/svg+xml")
    root = ET.fromstring(data)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.attrib["width"]) > 100
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) > 2


def test_a_model_file_can_be_planned_for(client):
    data = zoo.serialize(zoo.build("squeezenet", input_size=64))

    status, given, _ = client.ask("POST", "/api/models?name=own.onnx", data)

    told = json.loads(given)
    assert (status, told["name"]) == (201, "own.onnx")
    asked = {"question": QUESTION | {"model": told["model"]}}
    status, answer = client.json("POST", "/api/answers", asked)
    assert (status, answer["name"]) == (200, "own")
    assert " own.onnx " in answer["command"]
    _, known = client.json("GET", "/api/models")
    assert told in known["files"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/api/models?name=bad.onnx", b"no model", 422, "not an ONNX model"),
        ("POST", "/api/models", b"", 422, "model"),
        ("POST", "/api/models", bytes(10**7 + 1), 413, "10000000 bytes"),
        ("GET", "/api/conversations/-1", None, 422, "no whole number"),
        ("GET", "/api/conversations/4294967296", None, 422, "above"),
        ("GET", "/api/conversations/1?fault=rain", None, 422, "no fault 'rain'"),
        ("GET", "/api/session", None, 422, "no session is watched"),
        ("PUT", "/api/session/server", b'{"alive": false}', 422, "no session is watched"),
        ("POST", "/api/session", b'{"answer": "none"}', 422, "ask again"),
        ("POST", "/api/answers", b"{", 422, "no question"),
        ("POST", "/api/answers", b"\xff", 422, "no question"),
        ("POST", "/api/answers", bytes(5000), 413, "4096 bytes"),
        ("POST", "/api/answers", b'{"question": {"model": "zoo:squeezenet"}}', 422, "missing"),
        ("GET", "/api/answers/none/plan.json", None, 422, "ask again"),
        ("GET", "/api/answers/none/links", None, 422, "ask again"),
        ("GET", "/etc/passwd", None, 404, "Not Found"),
        ("GET", "/../pyproject.toml", None, 404, "Not Found"),
        ("DELETE", "/api/models", None, 405, "Method Not Allowed"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(method, path, body, status, words, client):
    got, data, headers = client.ask(method, path, body)

    error = json.loads(data)["error"]
    assert got == status
    assert words in error
    assert "\n" not in error
    assert "Traceback" not in error
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_defect_is_one_line_as_well(client, monkeypatch):
    monkeypatch.setattr(Desk, "given", lambda *_: 1 / 0)

    status, data, headers = client.ask("GET", "/api/answers/none/plan.json")

    assert status == 500
    assert json.loads(data)["error"].startswith("this is a defect in fusepath: ZeroDivisionError")
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:7171"},
        {"Host": "localhost.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_sites_are_refused(headers, client):
    status, data, _ = client.ask("GET", "/api/models", **headers)

    assert status in {400, 403}
    assert b"squeezenet" not in data


@pytest.mark.parametrize("host", ["localhost:7171", "127.0.0.1", "[::1]:7171", "192.168.1.20:80"])
def test_names_that_nobody_else_can_take_are_not(host, client):
    status, _, _ = client.ask("GET", "/api/models", Host=host, Origin=f"http://{host}")

    assert status == 200


def test_the_page_loads_nothing_from_elsewhere(client):
    for path in ("/", "/studio.css", "/studio.js", "/page.css", "/page.js", "/openapi.json"):
        status, data, headers = client.ask("GET", path)

        assert status == 200
        assert not re.search(rb"https?://", data)
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_openapi_tells_of_every_route_and_of_no_other(client):
    _, document = client.json("GET", "/openapi.json")
    routes = own_studio(RecentModels()).routes()

    told = {(path, way) for path, item in document["paths"].items() for way in item}
    there = {
        (route.path, way.lower())
        for route in routes
        for way in route.methods - {"HEAD"}
        if route.path.startswith("/api/")
    }
    assert told == there
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert names == set(document["components"]["schemas"])
    fields = document["components"]["schemas"]["Question"]["properties"]
    assert set(fields) == set(Question.__struct_fields__)


def test_a_conversation_through_a_fault_is_drawn_and_can_be_played_again(client):
    _, known = client.json("GET", "/api/faults")
    status, told = client.json("GET", "/api/conversations/5?fault=kill")

    assert status == 200
    assert "kill" in known["faults"]
    assert told["drawing"].count("<line ") > 3
    assert any("fault: kill" in line for line in told["lines"])
    assert told["command"] == "fusepath faults --seed 5 --fault kill --story"
