"""Outputs that nobody asked for stay where they are made; the others are what they were."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fusepath import FallbackPolicy, Session, SessionOptions
from fusepath.cli.main import run as run_command_line
from fusepath.errors import InputError
from fusepath.offload.verify import run_unsplit
from fusepath.plan import TailPlace
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.wanted import left_out, returning
from tests.plans import AS_THEY_ARE, pixels, plan_of, stream_plan
from tests.written_models import net

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

BODY = """(float[n,c,h,w] early, float[n,c,h,w] y, float[n,c] score) {{
    early = Conv<pads = [1, 1, 1, 1]>(x, k)
    b = Relu(early)
    c = Conv<pads = [1, 1, 1, 1]>(b, l)
    d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c)
    y = Conv<pads = [1, 1, 1, 1]>(d, l)
    {behind}
}}"""
SCORE = """e = GlobalMaxPool(y)
    score = Flatten(e)"""
MAPS = BODY.replace(", float[n,c] score", "").format(behind="")
PARTS = {"shape": "1,3,24,20", "k": (8, 3, 3, 3), "l": (8, 8, 3, 3), "integer": True}


@cache
def model_of(name: str) -> Model:
    return net(BODY.format(behind=SCORE) if name == "scores" else MAPS, **PARTS)


PLANS: dict[str, Callable[[], tuple[str, Plan]]] = {
    "one cut": lambda: ("scores", plan_of(model_of("scores"), cuts=[2])),
    "tiles": lambda: ("scores", plan_of(model_of("scores"), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])),
    "tiles, tail here": lambda: (
        "scores",
        plan_of(model_of("scores"), tau=3, grid=(2, 2), cuts=[1, 3, 4, 2], tail=TailPlace.DEVICE),
    ),
    "strips": lambda: ("maps", stream_plan(model_of("maps"), 4, [(0, 6, 2, 3), (6, 12, 4, 2)])),
    "all here": lambda: ("scores", plan_of(model_of("scores"), cuts=[6])),
}


def session(model: Model, plan: Plan) -> Session:
    # However long a busy machine takes, nothing is to be answered by the device alone.
    options = SessionOptions(remember=False, fallback=FallbackPolicy.OFF)
    return Session(model, "memory:", plan=plan, options=options)


@pytest.mark.parametrize("name", PLANS)
def test_every_choice_of_outputs_is_exact_and_no_other_returns(name):
    network, plan = PLANS[name]()
    model = model_of(network)
    image = pixels(model)
    expected = run_unsplit(model, image, AS_THEY_ARE)
    with session(model, plan) as held:
        held.wait_ready()
        everything = held.infer(image)
        sizes = dict.fromkeys(expected, 0)
        for count in range(1, len(expected) + 1):
            for wanted in combinations(expected, count):
                result = held.infer(image, outputs=wanted)
                assert result.fallback is None
                assert list(result.outputs) == [name for name in expected if name in wanted]
                for output, value in result.outputs.items():
                    np.testing.assert_array_equal(value, expected[output])
                if count == 1:
                    sizes[wanted[0]] = result.down_bytes
                elif plan.tail is TailPlace.EDGE:
                    assert result.down_bytes == sum(sizes[output] for output in wanted)
        assert everything.down_bytes == result.down_bytes  # the last choice is all of them
        fed = {model.boundary.input.name: image}
        (alone,) = held.run(["y"], fed)
        np.testing.assert_array_equal(alone, expected["y"])
        (streamed,) = held.stream([image], outputs=["y"])
        assert list(streamed.outputs) == ["y"]
        assert list(held.submit(image, outputs=["early"]).result().outputs) == ["early"]
        with pytest.raises(InputError, match="the model has no output 'nothing'"):
            held.infer(image, outputs=["nothing"])


def test_less_returns():
    network, plan = PLANS["one cut"]()
    image = pixels(model_of(network))
    with session(model_of(network), plan) as held:
        held.wait_ready()
        few = held.infer(image, outputs=["score"])
        assert few.down_bytes == few.outputs["score"].nbytes < held.infer(image).down_bytes / 100


def test_run_returns_and_verifies_what_was_named(tmp_path, capfd):
    (tmp_path / "net.onnx").write_bytes(model_of("scores").original)
    np.save(tmp_path / "x.npy", pixels(model_of("scores")))
    base = ["run", str(tmp_path / "net.onnx"), str(tmp_path / "x.npy"), "--algorithm"]
    base += ["device-only", "--device", "1GFLOPS", "--no-cache", "--verify", "--json", "--outputs"]
    for wanted in ("score", "early,score"):
        assert run_command_line([*base, wanted]) == 0
        document = json.loads(capfd.readouterr().out)
        assert list(document["outputs"]) == wanted.split(",")
        assert document["bit_equal"]
    assert run_command_line([*base, "nothing"]) == 2
    assert "no output 'nothing'" in json.loads(capfd.readouterr().out)["error"]


def test_a_number_says_which_outputs_return():
    outputs = [f"output{number}" for number in range(70)]
    wanted = {"output0", "output3", "output65"}
    kept = returning(outputs, left_out(outputs, wanted))
    assert kept == ("output0", "output3", *outputs[64:])
    assert left_out(outputs, set(outputs)) == 0
    with pytest.raises(ProtocolError, match="a network of 2 does not have"):
        returning(outputs[:2], 4)
