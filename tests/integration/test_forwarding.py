"""Files that are sent as they are: planned, carried out, exact, and chosen by the bytes at hand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import fusepath
from fusepath.cost import ComputeRate, Link
from fusepath.errors import FusepathError, ImageError, InputError
from fusepath.offload.machines import Machines
from fusepath.offload.order import FallbackPolicy, SessionOptions
from fusepath.offload.run import run
from fusepath.offload.verify import run_unsplit
from fusepath.pictures import known
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame
from fusepath.plan import (
    AS_THEY_COME,
    Budget,
    Constraints,
    Fit,
    InputFormat,
    Origin,
    PictureSource,
    PlanRequest,
    Preprocessing,
    Setting,
    check_plan,
    compare_plans,
    make_plan,
    shortlist,
    simulate,
)
from fusepath.profiling.pictures import measured_source
from fusepath.runtime import edge_share
from tests.written_models import net

SLOW = Machines(
    device=ComputeRate(2e9),
    edge=ComputeRate(500e9),
    link=Link(up_bytes_per_s=5e5, down_bytes_per_s=5e5),
)
CHAIN = Preprocessing(fit=Fit.CROP)
FRAMES = fusepath.FrameFormat(pictures=CHAIN)
BUDGET = Budget(evaluations=2_000)
SOON = PlanRequest(codecs="off", budget=BUDGET)
OPTIONS = SessionOptions(remember=False, fallback=FallbackPolicy.OFF)


@pytest.fixture(scope="module")
def model():
    return fusepath.load_model("zoo:squeezenet?size=64")


def jpeg(width=160, height=120, *, noise=6, **options) -> bytes:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height)), dtype=int)
    pixels = np.clip(smooth + rng.integers(-noise, noise + 1, smooth.shape), 0, 255)
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", **{"quality": 80, **options})
    return stream.getvalue()


def decoded(model, data: bytes) -> np.ndarray:
    return PictureFrame.of(PictureFile(data), CHAIN, model.graph.input).pixels()


def assert_exact(model, inference, data: bytes) -> None:
    expected = run_unsplit(model, decoded(model, data), InputFormat())
    for name, value in expected.items():
        np.testing.assert_array_equal(inference.outputs[name], value)


def setting_of(model, **source) -> Setting:
    about = {
        "chain": CHAIN,
        "width": 160,
        "height": 120,
        "file_bytes": 5_000,
        "decoder_sha256": "0" * 64,
        "device_decode_s": 0.004,
        "edge_decode_s": 0.001,
    }
    return Setting(
        graph=model.graph,
        device=SLOW.device,
        edge=SLOW.edge,
        link=SLOW.link,
        source=PictureSource(**{**about, **source}),
    )


# ---------------------------------------------------------------------------- plans


def test_a_file_is_forwarded_where_that_is_quicker_and_predicted_as_it_is_played(model):
    for size_bytes, forwards in ((2_000, True), (200_000, False)):
        setting = setting_of(model, file_bytes=size_bytes)

        best = make_plan(setting, SOON).best

        assert best.recipe.forwards == forwards
        assert best.family == "forwarded file" or not forwards
        check_plan(best, model.graph)
        assert simulate(best, setting).end_s == pytest.approx(best.makespan_s, abs=1e-8)
        assert best.lower_bound_s <= best.makespan_s
        (compared,) = compare_plans(setting, [best])
        assert compared.lower_bound_s <= best.makespan_s


def test_what_forwarding_takes_is_the_file_its_decoding_and_the_network(model):
    setting = setting_of(model)
    plain = make_plan(setting, PlanRequest(algorithm="full-offload", codecs="off")).best
    forwarded = make_plan(setting, PlanRequest(algorithm="forward")).best

    raw_bytes = model.graph.input.elements
    saved_s = (raw_bytes - 5_000) / 5e5 + 0.004 - 0.001
    assert plain.makespan_s - forwarded.makespan_s == pytest.approx(saved_s, abs=1e-6)
    assert forwarded.up_bytes == 5_000
    assert plain.timeline.spans[0].duration_s == pytest.approx(0.004)


def test_all_but_forwarding_waits_for_the_device_to_decode(model):
    free = setting_of(model, device_decode_s=0.0)
    slow = setting_of(model, device_decode_s=0.1)
    for algorithm in ("device-only", "nfl", "mw", "stream"):
        request = PlanRequest(algorithm=algorithm, codecs="off", budget=Budget(evaluations=20_000))
        quick, late = (make_plan(setting, request).best for setting in (free, slow))
        assert late.makespan_s - quick.makespan_s == pytest.approx(0.1, abs=1e-6)
        assert late.lower_bound_s <= late.makespan_s
        assert simulate(late, slow).end_s == pytest.approx(late.makespan_s, abs=1e-8)


@pytest.mark.parametrize(
    "limits",
    [Constraints(keep_on_device=1), Constraints(upload_bytes=4_999)],
    ids=["the input stays", "the file is too large"],
)
def test_what_may_not_be_sent_is_not_forwarded(model, limits):
    setting = setting_of(model)

    assert not make_plan(
        setting, PlanRequest(constraints=limits, budget=BUDGET)
    ).best.recipe.forwards
    assert not make_plan(setting, PlanRequest(algorithm="forward", constraints=limits)).plans
    assert not any(
        plan.recipe.forwards
        for plan in shortlist(setting, PlanRequest(constraints=limits, budget=BUDGET))
    )


def test_a_format_that_no_edge_server_decodes_is_not_planned_to_be_forwarded(model):
    pictures = {name: io.BytesIO() for name in ("GIF", "PNG")}
    for name, stream in pictures.items():
        Image.new("RGB", (80, 80)).save(stream, name)
        frame = PictureFrame.of(PictureFile(stream.getvalue()), CHAIN, model.graph.input)
        setting = setting_of(model)
        source = measured_source(model, frame, InputFormat(), setting)

        plans = make_plan(replace(setting, source=source), PlanRequest(algorithm="forward")).plans

        assert bool(plans) == frame.file.may_be_forwarded == (name == "PNG")


def test_a_file_may_be_small_enough_where_pixels_are_not(model):
    limits = Constraints(upload_bytes=5_000)

    best = make_plan(setting_of(model), PlanRequest(constraints=limits, budget=BUDGET)).best

    assert best.recipe.forwards
    check_plan(best, model.graph)


def test_a_plan_has_a_chain_and_another_beside_it_is_refused(model):
    plan = make_plan(setting_of(model), SOON).best

    for chain in (AS_THEY_COME, CHAIN):
        assert fusepath.FrameFormat(pictures=chain).for_plan(plan).pictures == CHAIN
    with pytest.raises(InputError, match="another chain"):
        fusepath.FrameFormat(pictures=Preprocessing(fit=Fit.STRETCH)).for_plan(plan)


def test_a_plan_has_mean_and_std_and_others_beside_it_are_refused(model):
    form = InputFormat(mean=(4.0, 5.0, 6.0), std=(2.0,))
    origin = Origin(mean=form.mean, std=form.std)
    plan = make_plan(replace(setting_of(model), source=None), SOON, origin=origin).best

    for same in (fusepath.FrameFormat(), fusepath.FrameFormat(mean=(4, 5, 6), std=(2, 2, 2))):
        taken = same.for_plan(plan)
        assert (taken.mean, taken.std) == (form.mean, form.std)
    with pytest.raises(InputError, match=r"std \(3.0,\), but the plan .* std \(2.0,\); leave"):
        session_of(model, plan=plan, frames=fusepath.FrameFormat(mean=(4, 5, 6), std=(3,)))


def test_both_kinds_of_plans_are_worth_preparing(model):
    for size_bytes in (1_000, 1_000_000):
        plans = shortlist(setting_of(model, file_bytes=size_bytes), SOON)
        assert {plan.recipe.forwards for plan in plans} == {True, False}


# ---------------------------------------------------------------------------- carried out


def session_of(model, **more) -> fusepath.Session:
    options = {"plan": SOON, "machines": SLOW, "frames": FRAMES, "options": OPTIONS, **more}
    return fusepath.Session(model, edge="memory:", **options)


def test_every_picture_is_sent_as_is_quicker_for_it(model):
    small, large = jpeg(), jpeg(640, 480, noise=90, quality=95)
    with session_of(model) as session:
        session.infer(small)
        session.wait_ready(60)
        forwarded, other = session.infer(small), session.infer(large)
        pixels = session.infer(decoded(model, small))

    assert forwarded.plan.recipe.forwards
    assert forwarded.up_bytes == len(small)
    assert not other.plan.recipe.forwards
    assert 0 <= other.up_bytes < len(large)
    assert not pixels.plan.recipe.forwards
    assert_exact(model, forwarded, small)
    assert_exact(model, other, large)
    assert_exact(model, pixels, small)


def test_a_picture_for_which_the_plan_has_another_chain_is_decoded_here(model):
    """The edge server knows but the chain of its recipe."""
    data = jpeg()
    stretched = PictureFrame.of(
        PictureFile(data), Preprocessing(fit=Fit.STRETCH), model.graph.input
    )
    with session_of(model, plan=PlanRequest(algorithm="forward")) as session:
        session.infer(data)
        session.wait_ready(60)
        inference = session.infer(stretched)

    assert inference.up_bytes == stretched.pixels().nbytes
    expected = run_unsplit(model, stretched.pixels(), InputFormat())
    for name, value in expected.items():
        np.testing.assert_array_equal(inference.outputs[name], value)


@pytest.mark.parametrize(
    "options",
    [{"subsampling": 0}, {"progressive": True}, {"quality": 95}],
    ids=["4:4:4", "progressive", "quality 95"],
)
def test_forwarded_files_are_exact_in_a_run(model, tmp_path, options):
    (tmp_path / "picture.jpg").write_bytes(jpeg(151, 117, **options))

    report = run(
        model,
        tmp_path / "picture.jpg",
        "memory:",
        verify=True,
        plan=PlanRequest(algorithm="forward"),
        machines=SLOW,
        frames=FRAMES,
        options=OPTIONS,
    )

    assert report.plan.recipe.forwards
    assert report.comparison.bit_equal
    assert report.predicted.end_s > 0


def animation() -> bytes:
    pictures = [Image.open(io.BytesIO(jpeg(noise=noise))) for noise in (6, 90)]
    stream = io.BytesIO()
    pictures[0].save(stream, "WEBP", save_all=True, append_images=pictures[1:])
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(64, 48, exif=exif)


@pytest.mark.parametrize(
    ("make", "chain"),
    [
        (animation, Preprocessing(fit=Fit.CROP, frame=1)),
        (turned, Preprocessing(fit=Fit.EXACT)),
    ],
    ids=["the second of two", "turned, of the very size"],
)
def test_any_chain_is_forwarded_though_the_edge_server_rehearses_with_another_file(make, chain):
    network = net("(float[] y) { y = Conv(x, w) }", shape="1,3,64,48", w=(4, 3, 1, 1))
    with session_of(
        network, plan=PlanRequest(algorithm="forward"), frames=fusepath.FrameFormat(pictures=chain)
    ) as session:
        session.infer(make())
        session.wait_ready(60)
        inference = session.infer(make())

    assert inference.plan.recipe.forwards
    assert inference.up_bytes == len(make())


def test_where_decoders_differ_the_device_decodes(model, monkeypatch):
    monkeypatch.setattr(edge_share, "decoder_sha256", lambda: "f" * 64)
    with session_of(model) as session:
        session.infer(jpeg())
        session.wait_ready(60)
        inference = session.infer(jpeg())

    assert not inference.plan.recipe.forwards
    assert_exact(model, inference, jpeg())


def test_a_file_that_is_no_picture_is_refused_before_anything_is_sent(model):
    with session_of(model) as session, pytest.raises(ImageError, match="not a picture"):
        session.infer(b"no picture")


def test_a_file_that_breaks_off_fails_on_the_edge_server_and_nothing_else_does(model):
    whole = jpeg()
    with session_of(model, plan=PlanRequest(algorithm="forward")) as session:
        session.infer(whole)
        session.wait_ready(60)
        with pytest.raises(FusepathError, match="not a picture"):
            session.infer(whole[: len(whole) // 2])
        assert_exact(model, session.infer(whole), whole)


@pytest.mark.parametrize("edge", [None, "memory:"])
def test_a_file_that_breaks_off_fails_alone_where_plans_would_be_tried_on_it(model, edge):
    whole = jpeg()
    half = whole[: len(whole) // 2]
    with fusepath.Session(model, edge, machines=SLOW, frames=FRAMES, plan=SOON) as session:
        for _ in range(2):
            with pytest.raises(ImageError, match="not a picture"):
                session.infer(half)
        session.infer(decoded(model, whole))
        session.wait_ready(60)
        with pytest.raises(ImageError, match="not a picture"):
            session.submit(half).result(60)
        assert session.plan is not None
        assert_exact(model, session.infer(decoded(model, whole)), whole)
        assert_exact(model, session.infer(whole), whole)


def test_a_file_that_breaks_off_is_no_sample(model):
    whole = jpeg()
    options = SessionOptions(remember=False, sample=whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="not a picture"):
        session_of(model, options=options)


# ---------------------------------------------------------------------------- decoders


def test_known_pictures_are_of_every_kind_that_decoders_differ_in():
    files = {file.name: Image.open(io.BytesIO(file.data)) for file in known.known_files()}

    assert {"progressive" in picture.info for picture in files.values()} == {True, False}
    assert {picture.layer[0][1] for picture in files.values() if picture.format == "JPEG"} == {1, 2}
    assert any(picture.getexif() for picture in files.values())
    assert any(picture.width % 2 and picture.height % 2 for picture in files.values())


def test_a_decoder_that_does_anything_else_has_another_digest(monkeypatch):
    own = known.decoder_sha256()
    real = known.preprocess

    def other(file, chain, **size):
        pixels = real(file, chain, **size)
        if file.name == "half_progressive.jpg":
            pixels[0, 0, 0, 0] ^= 1
        return pixels

    monkeypatch.setattr(known, "preprocess", other)
    assert known.decoder_sha256.__wrapped__() != own
