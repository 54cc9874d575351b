"""Lossy crossings: only where asked for, close, safe against hostile bytes, and said so."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from fusepath.cost import LOSSY, Compression, ComputeRate, is_lossy, parse_link
from fusepath.errors import FileFormatError, InputError
from fusepath.offload.lossy import with_changes
from fusepath.onnx_io import load_model
from fusepath.plan import Constraints, InputFormat, PlanRequest, Setting, check_plan, make_plan
from fusepath.profiling.codecs import named_codecs, sample_codecs, try_codecs
from fusepath.runtime.change import changes_of, together
from fusepath.runtime.codecs import CODECS, LOSSY_CODECS, find_codec
from fusepath.runtime.coders import DamagedError
from fusepath.runtime.packing import EncodedTensor, pack
from tests.plans import pixels, with_recipe

RATE = ComputeRate(1e10)
F4 = np.dtype(np.float32)
every_lossy = pytest.mark.parametrize("name", LOSSY_CODECS)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def over(name: str, value: np.ndarray) -> np.ndarray:
    """What arrives of a tensor."""
    sent = pack({"x": value}, {"x": name})["x"]
    return sent.value() if isinstance(sent, EncodedTensor) else sent


def test_every_lossy_codec_can_be_asked_for_and_none_is_lossless():
    assert set().union(*LOSSY.values()) == set(LOSSY_CODECS)
    assert not set(LOSSY_CODECS) & set(CODECS)
    assert not any(map(is_lossy, CODECS))
    assert all(map(is_lossy, LOSSY_CODECS))


@every_lossy
@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (2, 5), (7,), (1, 1, 1, 16)])
def test_what_arrives_is_close(name, shape):
    value = noise(*shape) * 10
    value[0] *= 0.01

    arrived = over(name, value)

    axes = tuple(axis for axis in range(value.ndim) if axis != 1) if value.ndim > 1 else None
    span = value.max(axis=axes, keepdims=True) - value.min(axis=axes, keepdims=True)
    allowed = span / 255 / 2 * 1.001 if "int8" in name else np.abs(value) * 2**-11 + 2**-25
    assert arrived.dtype == F4
    assert arrived.shape == value.shape
    assert (np.abs(arrived - value) <= allowed + 1e-7).all()


@every_lossy
@pytest.mark.parametrize("fill", [0.0, -3.5, 1e-30, 1000.0])
def test_channels_of_one_value_arrive_as_they_are(name, fill):
    value = np.full((1, 4, 6, 6), fill, dtype=np.float32)
    value[:, 1] = noise(6, 6)

    arrived = over(name, value)

    wanted = value if "int8" in name else value.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(arrived[:, 0], wanted[:, 0])


@every_lossy
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_travels_as_it_is(name, odd):
    value = noise(1, 3, 8, 8)
    value[0, 1, 2, 3] = odd

    np.testing.assert_array_equal(over(name, value), value)
    list(sample_codecs("x", value, [name], repeats=1))  # which decodes only what was encoded


def test_values_beyond_float16_travel_as_they_are_and_the_largest_floats_arrive():
    value = noise(1, 3, 8, 8)
    value[0, 0, 0, 0] = 65_520.0
    np.testing.assert_array_equal(over("fp16", value), value)
    largest = float(np.finfo(np.float32).max)
    value[0, 0, 0, :2] = largest, -largest
    np.testing.assert_array_equal(over("int8", value), value)  # a range that float32 has not
    value[0, 0, 0, :2] = largest / 2, -largest / 2
    assert np.abs(over("int8", value) - value).max() < largest / 400


def scales(least: float, step: float, count: int = 16) -> bytes:
    return np.array([least, step], dtype="<f4").tobytes() + bytes(count)


HOSTILE = {
    "a scale of NaN": ("int8", scales(math.nan, 1.0)),
    "a step of infinity": ("int8", scales(0.0, math.inf)),
    "a step below zero": ("int8", scales(0.0, -1.0)),
    "a range beyond float32": ("int8", scales(3e38, 1e36)),
    "too short for scales": ("int8", b"1234567"),
    "too few numbers": ("int8", scales(0.0, 1.0, 15)),
    "too many numbers": ("int8", scales(0.0, 1.0, 17)),
    "no zstd": ("int8+zstd", scales(0.0, 1.0)),
    "halves that are not finite": ("fp16", b"\x00\x7c" * 16),
    "too few halves": ("fp16", bytes(30)),
    "no zstd of halves": ("fp16+zstd", bytes(32)),
    "nothing": ("fp16", b""),
}


@pytest.mark.parametrize(("name", "data"), HOSTILE.values(), ids=HOSTILE)
def test_bytes_that_no_encoder_wrote_are_refused(name, data):
    with pytest.raises(DamagedError):
        find_codec(name).decode(data, F4, (1, 1, 4, 4))


@every_lossy
def test_nothing_else_than_float32_is_decoded(name):
    with pytest.raises(DamagedError, match="only float32"):
        find_codec(name).decode(find_codec(name).encode(noise(1, 1, 4, 4)), np.dtype("u1"), (16,))


# ---------------------------------------------------------------------------- plans


@pytest.fixture(scope="module")
def model():
    return load_model("zoo:squeezenet?size=64")


@pytest.fixture(scope="module")
def offered(model):
    """What is offered by mistake, or was asked for: int8 for all that crosses, either way."""
    graph = model.graph
    int8 = Compression(codec="int8", ratio=0.26, encode_s_per_byte=1e-9, decode_s_per_byte=1e-9)
    names = {name for cut in range(1, graph.depth + 1) for name in graph.sent(cut)}
    return Setting(
        graph=graph,
        device=ComputeRate(5e8),
        edge=ComputeRate(5e10),
        link=parse_link("1MB/s"),
        offered={name: [int8] for name in names - {graph.input.name}},
    )


def asked(**fields) -> PlanRequest:
    """What sends maps, of which lossy codecs make less."""
    return PlanRequest(algorithm="nfl", constraints=Constraints(keep_on_device=4), **fields)


def test_names_of_lossy_codecs_are_given_only_where_asked_for():
    assert not any(map(is_lossy, named_codecs("auto")))
    assert named_codecs("auto", "fp16") == [*named_codecs("auto"), "fp16", "fp16+zstd"]
    assert named_codecs("off", "int8") == ["int8", "int8+zstd"]
    with pytest.raises(InputError, match="changes values, and so results: it is taken with lossy"):
        named_codecs("int8")


def test_what_returns_is_offered_lossless_codecs_alone(model):
    tried = try_codecs(model, pixels(model), InputFormat(), codecs=named_codecs("off", "int8"))

    setting = tried.on(Setting(graph=model.graph, device=RATE, edge=RATE, link=parse_link("1MB/s")))

    assert {item.codec for several in setting.offered.values() for item in several} == {
        "int8",
        "int8+zstd",
    }
    assert setting.offered_back == {}


def test_lossy_is_never_chosen_unless_asked_for_whatever_is_offered(offered):
    assert make_plan(offered, asked()).best.is_exact
    assert make_plan(offered, asked(lossy="fp16")).best.is_exact
    best = make_plan(offered, asked(lossy="int8")).best
    assert not best.is_exact
    assert best.back_codecs == {}
    assert best.makespan_s < make_plan(offered, asked()).best.makespan_s


def test_a_lossy_plan_is_refused_unless_its_request_asks_for_it(model, offered):
    plan = make_plan(offered, asked(lossy="int8")).best

    check_plan(plan, model.graph)
    with pytest.raises(FileFormatError, match="'request' does not ask for that"):
        check_plan(msgspec.structs.replace(plan, request=PlanRequest()), model.graph)
    output = model.graph.outputs[0]
    back = Compression(codec="int8", ratio=0.5, encode_s_per_byte=0, decode_s_per_byte=0)
    returns = with_recipe(plan, back_codecs={output: "int8"})
    with pytest.raises(FileFormatError, match="results return as they are"):
        check_plan(msgspec.structs.replace(returns, back_compression={output: back}), model.graph)


def test_what_a_plan_changes_is_measured_and_written_into_it(model, offered):
    plan = make_plan(offered, asked(lossy="int8")).best
    exact = make_plan(offered, asked()).best

    measured = with_changes(model, plan, [pixels(model, seed=3), pixels(model, seed=4)])
    (change,) = measured.changes.values()
    assert change.samples == 2
    assert 0 < change.mean < change.largest < 0.1 * change.scale
    assert change.of == "scores"
    check_plan(measured, model.graph)
    assert with_changes(model, exact, [pixels(model)]) is exact
    lied = msgspec.structs.replace(exact, changes=measured.changes)
    with pytest.raises(FileFormatError, match="'changes' of a plan that changes nothing"):
        check_plan(lied, model.graph)


def test_changes_by_hand():
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1]], dtype=np.float32)
    swapped = np.array([[0.1, 0.7, 0.2], [0.4, 0.5, 0.1]], dtype=np.float32)
    corners = np.array([[[0, 0, 2, 2], [0, 0, 4, 4]]], dtype=np.float32)
    moved = np.array([[[0, 0, 2, 2], [3, 0, 7, 4]]], dtype=np.float32)
    centres = np.array([[[9, 9, 2, 2], [9, 9, 4, 4]]], dtype=np.float32)
    wide = np.array([[[9, 9, 2, 2], [9, 9, 4, 9]]], dtype=np.float32)
    maps = np.zeros((1, 3, 4, 5), dtype=np.float32)
    broken = np.where(maps == 0, np.nan, 0).astype(np.float32)

    found = changes_of(
        [{"s": scores, "b": corners, "c": centres, "m": maps}],
        [{"s": swapped, "b": moved, "c": wide, "m": broken}],
    )

    assert (found["s"].agreement, found["s"].of) == (0.5, "scores")
    assert found["s"].largest == pytest.approx(0.1)
    assert found["s"].mean == pytest.approx(0.2 / 6)
    assert (found["b"].agreement, found["b"].of) == (0.5, "boxes")
    assert (found["c"].agreement, found["c"].of) == (0.5, "boxes")
    assert found["m"].largest is None
    assert found["m"].of is msgspec.UNSET


def test_sizes_that_depend_on_the_data_may_change_too_and_may_be_nothing():
    few, more, none = (np.ones((many, 7), np.float32) for many in (2, 3, 0))

    (other,) = changes_of([{"y": few}, {"y": few}], [{"y": more}, {"y": few}]).values()
    (empty,) = changes_of([{"y": none}], [{"y": none}]).values()
    (some,) = changes_of([{"y": none}, {"y": few}], [{"y": none}, {"y": few}]).values()

    assert (other.samples, other.largest, other.mean, other.scale) == (2, None, None, 1.0)
    assert other.agreement is msgspec.UNSET
    assert (empty.largest, empty.agreement) == (0.0, msgspec.UNSET)
    assert (some.samples, some.agreement) == (2, 1.0)


def test_what_changes_over_all_samples_is_what_one_look_at_all_says():
    rng = np.random.default_rng(1)
    wanted = [{"s": rng.normal(size=(2, 5)).astype(np.float32)} for _ in range(5)]
    found = [
        {"s": (one["s"] + rng.normal(scale=0.3, size=(2, 5))).astype(np.float32)} for one in wanted
    ]
    (at_once,) = changes_of(wanted, found).values()
    apart = [changes_of([one], [other])["s"] for one, other in zip(wanted, found, strict=True)]

    merged = together(apart)
    assert (merged.samples, merged.of) == (5, "scores")
    assert merged.largest == pytest.approx(at_once.largest)
    assert merged.mean == pytest.approx(at_once.mean)
    assert merged.agreement == pytest.approx(at_once.agreement)
    assert merged.scale == at_once.scale
    unknown = msgspec.structs.replace(apart[0], largest=None, mean=None)
    assert together([apart[1], unknown]).largest is None
    assert together([apart[1], unknown]).mean is None
