"""What a plan file can say, what it cannot, and which plans are the same."""

from __future__ import annotations

import json
from functools import cache

import msgspec
import pytest

from fusepath.cost import Compression
from fusepath.errors import FileFormatError
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat, check_plan, load_plan, plan_document, save_plan
from fusepath.tiling import Segment, Tiles, Whole
from tests.plans import plan_of, with_recipe

SOURCE = "zoo:squeezenet?size=64&weights=integer"
HALF = Compression(codec="bitmask", ratio=0.5, encode_s_per_byte=0, decode_s_per_byte=0)
STRIPS = (
    Segment(start=0, stop=6, cut=2, strips=((16, 0), (24, 6))),
    Segment(start=6, stop=14, cut=5, strips=((63, 14),)),
)
SHAPES = {
    "whole": {"cuts": [4]},
    "tiles": {"tau": 4, "grid": (2, 2), "cuts": [1, 3, 5, 2], "order": [2, 1, 4, 3]},
    "strips": {"tau": 4, "segments": STRIPS},
}


@cache
def model():
    return load_model(SOURCE)


def plan():
    return plan_of(model(), **SHAPES["tiles"], compression={"image": HALF})


def with_model(plan, **changes):
    return with_recipe(plan, model=msgspec.structs.replace(plan.model, **changes))


def other_provenance(plan, **changes):
    provenance = msgspec.structs.replace(plan.provenance, **changes)
    return msgspec.structs.replace(plan, provenance=provenance)


SAME = {
    "another search time": lambda p: other_provenance(p, search_s=3.0),
    "another algorithm": lambda p: other_provenance(p, algorithm="auto", plans_evaluated=9),
    "another place of the model": lambda p: with_model(p, source="/elsewhere.onnx", name="copy"),
    "another compression ratio": lambda p: msgspec.structs.replace(
        p, compression={"image": msgspec.structs.replace(HALF, ratio=0.4)}
    ),
    "another prediction": lambda p: p.predicting(makespan_s=1.0, lower_bound_s=0.5),
    "whole numbers for means": lambda p: with_recipe(p, input=InputFormat(mean=(0,), std=(1,))),
}
OTHER = {
    "another order": lambda p: with_recipe(p, order=(1, 2, 3, 4)),
    "other cuts": lambda p: with_recipe(p, cuts=(1, 3, 5, 3)),
    "other tiles": lambda p: with_recipe(p, arrangement=Tiles(tau=4, rows=(6, 8), cols=(7, 7))),
    "no tiles": lambda p: with_recipe(p, arrangement=Whole(layers=30)),
    "another codec": lambda p: with_recipe(p, codecs={"image": "bitmask+zstd"}),
    "no codec": lambda p: with_recipe(p, codecs={}),
    "another input": lambda p: with_recipe(p, input=InputFormat(dtype="float32")),
    "another mean": lambda p: with_recipe(p, input=InputFormat(mean=(1.0,), std=(1.0,))),
    "another model": lambda p: with_model(p, sha256="0" * 64),
    "another input size": lambda p: with_model(p, input_shape=(1, 3, 65, 65)),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_plans_that_do_the_same_have_one_digest(change):
    assert change(plan()) != plan() or change is SAME["whole numbers for means"]
    assert change(plan()).recipe_sha256 == plan().recipe_sha256


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_plans_that_do_something_else_have_another_digest(change):
    assert change(plan()).recipe_sha256 != plan().recipe_sha256


def test_the_digest_does_not_depend_on_the_order_of_codecs():
    codecs = {"image": "bitmask", "conv1": "bitmask"}
    turned = dict(reversed(codecs.items()))

    assert (
        with_recipe(plan(), codecs=codecs).recipe_sha256
        == with_recipe(plan(), codecs=turned).recipe_sha256
    )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_plan_comes_back_from_its_file(shape, tmp_path):
    made = plan_of(model(), **shape).predicting(makespan_s=0.3, lower_bound_s=0.1)
    check_plan(made, model().graph)

    save_plan(tmp_path / "plan.json", made)

    assert load_plan(tmp_path / "plan.json") == made


def test_the_top_of_a_plan_file_tells_what_one_looks_for_first(tmp_path):
    save_plan(tmp_path / "plan.json", plan().predicting(makespan_s=0.5, lower_bound_s=0.25))

    document = json.loads((tmp_path / "plan.json").read_text())

    told = {"tau": 4, "grid": "2x2", "cuts": [1, 3, 5, 2], "order": [2, 1, 4, 3]}
    told |= {"makespan_s": 0.5, "lower_bound_s": 0.25, "gap": 0.5, "status": "feasible"}
    assert told.items() <= document.items()
    assert list(document)[:2] == ["format", "version"]


def refused(document, tmp_path, words):
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=words) as caught:
        load_plan(tmp_path / "plan.json")
    assert "\n" not in str(caught.value)


def test_a_file_may_leave_out_what_is_derived(tmp_path):
    document = plan_document(plan())
    needed = set(type(plan()).__struct_fields__)
    short = {name: value for name, value in document.items() if name in needed}
    (tmp_path / "plan.json").write_text(json.dumps(short))

    assert load_plan(tmp_path / "plan.json") == plan()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cuts", [1, 1, 1, 1]),
        ("order", [1, 2, 3, 4]),
        ("tau", 5),
        ("grid", "4x1"),
        ("makespan_s", 1.0),
        ("gap", 0.9),
        ("status", "feasible"),
        ("recipe_sha256", "0" * 64),
        ("plans", None),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(name, value, tmp_path):
    refused(plan_document(plan()) | {name: value}, tmp_path, f"'{name}' is not what the rest")


def test_a_file_with_an_unknown_key_or_of_another_version_is_refused(tmp_path):
    document = plan_document(plan())

    refused(document | {"surprise": 1}, tmp_path, "unknown key 'surprise'")
    old = {"format": "fusepath-plan", "tau": 4}
    refused(old | {"version": 1}, tmp_path, "plan version 1, but this fusepath reads 2")
    refused(old | {"version": 3}, tmp_path, "plan version 3, but this fusepath reads 2")


def test_a_file_of_another_kind_is_not_a_plan_of_another_version(tmp_path):
    refused({"version": 1, "up_bytes_per_s": 1e6}, tmp_path, "not a fusepath plan file")
    refused({"format": "fusepath-book", "version": 1}, tmp_path, "not a fusepath plan file")


def test_a_later_version_with_the_same_keys_is_refused_when_it_is_checked():
    later = msgspec.structs.replace(plan(), version=3)

    with pytest.raises(FileFormatError, match="version 3; this fusepath reads 2"):
        check_plan(later, model().graph)


UNFIT = {
    "one path that ends behind a barrier": (
        {"type": "tiles", "tau": 30, "rows": [1], "cols": [1]},
        "GlobalAveragePool",
    ),
    "an unsplit network of fewer layers": ({"type": "whole", "layers": 29}, "29 layers"),
    "an unsplit network of more layers": ({"type": "whole", "layers": 31}, "do not fit"),
    "tiles that leave rows out": ({"type": "tiles", "tau": 4, "rows": [13], "cols": [14]}, "add"),
    "strips that leave rows out": (
        {
            "type": "strips",
            "tau": 4,
            "segments": [{"start": 0, "stop": 6, "cut": 1, "strips": [[24, 6]]}],
        },
        "do not cover",
    ),
}


@pytest.mark.parametrize(("arrangement", "words"), UNFIT.values(), ids=UNFIT)
def test_an_arrangement_that_does_not_fit_the_network_is_refused(arrangement, words, tmp_path):
    document = msgspec.to_builtins(plan_of(model(), cuts=[1]))
    document["recipe"]["arrangement"] = arrangement
    (tmp_path / "plan.json").write_text(json.dumps(document))

    with pytest.raises(FileFormatError, match=words):
        check_plan(load_plan(tmp_path / "plan.json"), model().graph)


def test_what_codecs_were_reckoned_to_save_must_be_said_of_the_recipes_codecs():
    silent = msgspec.structs.replace(plan(), compression={})

    with pytest.raises(FileFormatError, match="'compression' is not that of the recipe's"):
        check_plan(silent, model().graph)
