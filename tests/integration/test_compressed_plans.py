"""Plans that compress what they send: the same result from fewer bytes, and nothing is believed."""

from __future__ import annotations

import asyncio
import json
from functools import cache

import numpy as np
import pytest

from fusepath import jsonfile
from fusepath.cost import Compression, parse_link, parse_machine
from fusepath.errors import FileFormatError, InputError, PeerBusyError, PeerRefusedError
from fusepath.offload.frames import made_up_frame
from fusepath.offload.machines import Machines
from fusepath.offload.pairing import Pairing
from fusepath.offload.session import Session
from fusepath.offload.trials import Trials, is_of_plan
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat, Plan, PlanRequest, check_plan, load_plan, save_plan
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import RawTensor
from fusepath.remote import tensors
from fusepath.remote.client import EdgeClient, connect
from fusepath.runtime.codecs import CODECS, FOR_PICTURES, find_codec
from fusepath.runtime.device_share import DeviceShare
from fusepath.runtime.edge_share import EdgeShare
from fusepath.runtime.packing import pack
from fusepath.tiling import Segment
from tests.extras import codecs_as
from tests.plans import carry_out, pixels, plan_of, with_recipe
from tests.runs import run

SOURCE = "zoo:squeezenet?size=64&weights=integer"
STRIPS = (
    Segment(start=0, stop=6, cut=2, strips=((16, 0), (24, 0), (24, 6))),
    Segment(start=6, stop=14, cut=5, strips=((40, 0), (63, 14))),
)
SHAPES = {
    "whole": {"cuts": [4]},
    "tiles": {"tau": 4, "grid": (2, 2), "cuts": [1, 3, 5, 2]},
    "strips": {
        "tau": 4,
        "cuts": [2, 2, 2, 5, 5],
        "segments": STRIPS,
    },
}
every_shape = pytest.mark.parametrize("shape", SHAPES)


@cache
def model():
    return load_model(SOURCE)


def plan_with(shape: str, codec_name: str | None, **changes) -> Plan:
    """A plan that compresses every tensor that it sends."""
    fields = SHAPES[shape]
    compression = {}
    if codec_name is not None:
        names = {name for cut in fields["cuts"] for name in model().graph.sent(cut)}
        compression = dict.fromkeys(
            sorted(names),
            Compression(codec=codec_name, ratio=0.5, encode_s_per_byte=0, decode_s_per_byte=0),
        )
    return plan_of(model(), **(fields | {"compression": compression} | changes))


@every_shape
@codecs_as("name", CODECS)
def test_the_result_is_bit_equal_and_fewer_bytes_are_sent(shape, name):
    image = pixels(model())
    plain, packed = (carry_out(model(), plan_with(shape, c), image) for c in (None, name))

    for output, expected in run_unsplit(model(), image, plan_with(shape, None).input).items():
        np.testing.assert_array_equal(packed.outputs[output], expected)
        assert packed.outputs[output].tobytes() == plain.outputs[output].tobytes()
    if name not in FOR_PICTURES:
        assert packed.up_bytes < 0.8 * plain.up_bytes


PIXELS_SENT = {
    "whole": {"cuts": [1]},
    "tiles": {"tau": 4, "grid": (2, 2), "cuts": [1, 1, 1, 1]},
    "strips": {
        "tau": 4,
        "cuts": [1, 1, 1],
        "segments": (Segment(start=0, stop=14, cut=1, strips=((16, 0), (24, 0), (64, 14))),),
    },
}


@pytest.mark.parametrize("shape", PIXELS_SENT)
@pytest.mark.parametrize("codec", sorted(FOR_PICTURES))
def test_pictures_travel_in_tiles_and_in_strips(shape, codec):
    form = InputFormat(dtype="uint8" if codec == "picture" else "float32", std=(1.0,))
    image = made_up_frame(model().graph.input.shape, "uint8").astype(form.dtype)
    saved = Compression(codec=codec, ratio=0.5, encode_s_per_byte=0, decode_s_per_byte=0)
    plain, packed = (
        carry_out(
            model(), plan_of(model(), form=form, **PIXELS_SENT[shape], compression=codecs), image
        )
        for codecs in ({}, {model().graph.input.name: saved})
    )

    for output, expected in run_unsplit(model(), image, form).items():
        np.testing.assert_array_equal(packed.outputs[output], expected)
    assert packed.up_bytes < 0.7 * plain.up_bytes


def test_a_session_that_is_fed_values_sends_the_pixels_that_they_are():
    machines = Machines(
        device=parse_machine("1TFLOPS"), edge=parse_machine("1TFLOPS"), link=parse_link("50kB/s")
    )
    pixels_fed = made_up_frame(model().graph.input.shape, "uint8")
    values = pixels_fed.astype(np.float32)
    request = PlanRequest(algorithm="full-offload")
    with Session(model(), "memory:", plan=request, machines=machines) as session:
        session.infer(values)
        session.wait_ready(60)
        inference = session.infer(values)
        odd = session.infer(values + np.float32(0.001) * np.arange(64, dtype=np.float32))

    assert set(inference.plan.codecs.values()) == {"pixels+picture"}
    assert inference.up_bytes < 0.6 * pixels_fed.nbytes
    expected = run_unsplit(model(), values, inference.plan.input)
    for output, value in expected.items():
        np.testing.assert_array_equal(inference.outputs[output], value)
    assert odd.up_bytes == values.nbytes  # no pixels, so it travels as it is


def test_what_does_not_shrink_is_sent_plain():
    """Random pixels have no zeros to leave out."""
    plan = with_recipe(plan_with("whole", None, cuts=[1]), codecs={"image": "bitmask"})
    image = np.maximum(pixels(model()), 1)
    device = DeviceShare(model(), plan.recipe)

    (sent,) = tensors.to_send(device.pack(0, device.compute(0, image)))

    assert not sent.encoded
    assert sent.data == image.tobytes()


@pytest.mark.system
@every_shape
def test_a_real_edge_server_decodes(edge, shape):
    image = pixels(model())
    plain, packed = (
        run(
            model(),
            image,
            edge=edge.address,
            plan=plan_with(shape, codec_name),
            slowdown=1.5,
            verify=True,
        )
        for codec_name in (None, "bitmask")
    )

    assert packed.comparison.bit_equal
    assert packed.median.up_bytes < plain.median.up_bytes


@pytest.mark.system
def test_an_edge_server_refuses_a_codec_that_it_does_not_have(edge, monkeypatch):
    """A device of a later version may know more codecs."""
    monkeypatch.setitem(CODECS, "bitmask+magic", find_codec("bitmask"))
    image = pixels(model())

    with pytest.raises(PeerRefusedError, match=r"no codec 'bitmask\+magic'; known ones are"):
        run(model(), image, edge=edge.address, plan=plan_with("tiles", "bitmask+magic"))

    report = run(model(), image, edge=edge.address, plan=plan_with("tiles", "bitmask"), verify=True)
    assert report.comparison.bit_equal


def test_a_device_refuses_a_codec_that_it_does_not_have():
    with pytest.raises(InputError, match="no codec 'rot13'"):
        DeviceShare(model(), plan_with("tiles", "rot13"))


def test_plan_files_keep_the_codecs_and_may_have_none(tmp_path):
    path = tmp_path / "plan.json"
    plan = plan_with("tiles", "bitmask")
    save_plan(path, plan)
    document = json.loads(path.read_text())

    assert load_plan(path) == plan
    del document["compression"]
    del document["recipe"]["codecs"], document["recipe_sha256"]
    path.write_text(json.dumps(document))
    assert load_plan(path) == plan_with("tiles", None)


WRONG = {
    "a tensor that is not sent": ({"fire2/concat": {}}, "no cut of this plan sends"),
    "no such tensor": ({"x\n" * 100: {}}, "no cut of this plan sends"),
    "a ratio above one": ({"image": {"ratio": 1.5}}, "ratio"),
    "no ratio": ({"image": {"ratio": 0}}, "ratio"),
    "negative seconds": ({"image": {"encode_s_per_byte": -1}}, "per byte"),
    "an unknown key": ({"image": {"surprise": 1}}, "surprise"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_a_plan_with_wrong_codecs_is_refused(changes, words):
    document = json.loads(jsonfile.encode(plan_with("tiles", None)))
    usual = {"codec": "bitmask", "ratio": 0.5, "encode_s_per_byte": 0, "decode_s_per_byte": 0}
    document["compression"] = {name: usual | item for name, item in changes.items()}
    document["recipe"]["codecs"] = dict.fromkeys(changes, "bitmask")

    with pytest.raises(FileFormatError, match=words) as caught:
        check_plan(
            jsonfile.decode(json.dumps(document).encode(), Plan, where="test"), model().graph
        )
    assert "\n" not in str(caught.value)


def received(change=lambda data: RawTensor(data, encoded=True)):
    """The image's piece of path 1, encoded and then changed."""
    plan = plan_with("tiles", "bitmask+zstd")
    device, edge = DeviceShare(model(), plan.recipe), EdgeShare(model(), plan.recipe)
    image = pixels(model())
    image[:, :, ::2] = 0
    (sent,) = tensors.to_send(device.pack(0, device.compute(0, image)))
    assert sent.encoded
    return tensors.decode([change(sent.data)], edge.expected(0), edge.codecs)


REFUSED = {
    "no codec": (RawTensor, "bytes; uint8"),
    "a byte less": (lambda data: RawTensor(data[:-1], encoded=True), "does not decode as bitmask"),
    "a byte more": (
        lambda data: RawTensor(data + b"\0", encoded=True),
        "does not decode as bitmask",
    ),
    "nothing": (lambda _: RawTensor(b"", encoded=True), "does not decode as bitmask"),
    "noise": (
        lambda data: RawTensor(bytes(len(data)), encoded=True),
        "does not decode as bitmask",
    ),
    "more than plain": (lambda _: RawTensor(bytes(10**6), encoded=True), "has 1000000 bytes"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_encoder_wrote_is_rejected_with_a_reason(change, words):
    assert received()["image"].shape[:2] == (1, 3)

    with pytest.raises(ProtocolError, match=words) as caught:
        received(change)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_codec_is_refused_where_the_plan_has_none():
    value = np.zeros((4,), dtype=np.float32)
    sent = tensors.to_send(pack({"x": value}, {"x": "bitmask"}))

    with pytest.raises(ProtocolError, match="'x' comes encoded, expected plain"):
        tensors.decode(sent, {"x": ("float32", (4,))})


def test_what_a_server_refuses_may_be_a_codec_of_either_way_but_not_where_it_has_no_room():
    refused, busy = PeerRefusedError("edge", "no"), PeerBusyError("edge", "no room")
    plain = plan_with("whole", None)
    back = with_recipe(plain, back_codecs={model().graph.outputs[0]: "bitmask"})

    assert not is_of_plan(refused, plain)
    for coded in (plan_with("whole", "bitmask"), back):
        assert is_of_plan(refused, coded)
        assert not is_of_plan(busy, coded)


def test_an_edge_server_without_the_codec_gets_the_plain_plan(edge, monkeypatch):
    """Rehearsing passes over what the server refuses, as long as a plain plan is left."""
    coded = plan_with("whole", "bitmask")
    plain = plan_with("whole", None)
    prepare = EdgeClient.prepare

    async def refuses_codecs(client, plan):
        if plan.codecs:
            raise PeerRefusedError(client.address, "codec 'bitmask' is not installed here")
        return await prepare(client, plan)

    monkeypatch.setattr(EdgeClient, "prepare", refuses_codecs)
    said: list[str] = []

    async def prepared(plans):
        async with connect(edge.address) as client:
            pairing = Pairing(model=model(), client=client)
            trials = Trials(pairing=pairing, sample=pixels(model()), say=said.append)
            ready = await trials.prepare(plans)
            return [item.plan for item in ready]

    assert asyncio.run(prepared([coded, plain])) == [plain]
    assert any("codec 'bitmask' is not installed here" in line for line in said)
    with pytest.raises(PeerRefusedError, match="not installed"):
        asyncio.run(prepared([coded]))

    async def has_no_room(client, plan):
        if plan.codecs:
            raise PeerBusyError(client.address, "8 preparations are open here")
        return await prepare(client, plan)

    monkeypatch.setattr(EdgeClient, "prepare", has_no_room)
    with pytest.raises(PeerBusyError):  # which is no reason to do without codecs
        asyncio.run(prepared([coded, plain]))
