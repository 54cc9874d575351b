"""Wrong and hostile clients: each is refused with a reason, and the server serves the next one.

And the other way round: where servers die, fall silent or answer nonsense, the device answers
alone, or, where it may not, the run ends in a PeerError.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

from fusepath import jsonfile
from fusepath.cost import layer_macs
from fusepath.errors import PeerError, PeerRefusedError, PeerTimeoutError, PeerUnreachableError
from fusepath.offload import exchange as exchange_module
from fusepath.offload.order import FallbackPolicy
from fusepath.offload.verify import run_unsplit
from fusepath.onnx_io import load_model
from fusepath.plan import PlanRequest, Recipe
from fusepath.protocol.admission import Room
from fusepath.protocol.device_frame import Stage
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drill,
    Drilled,
    EdgeSpan,
    GiveUp,
    Hello,
    Message,
    Part,
    Piece,
    RawTensor,
    RefusalKind,
    Refused,
    Result,
    encode,
)
from fusepath.remote import message_costs, tensors
from fusepath.remote.client import Timeout
from fusepath.remote.limits import MAX_MESSAGE_BYTES
from fusepath.remote.wire import fusepath_pb2 as pb
from fusepath.remote.wire import fusepath_pb2_grpc as pb_grpc
from fusepath.runtime.device_share import DeviceShare
from fusepath.tiling import Segment
from tests.edges import Edge, edge_server
from tests.plans import pixels, plan_of
from tests.runs import run
from tests.talks import Answered, converse, serving_stream, talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

pytestmark = pytest.mark.system

SOURCE = "zoo:squeezenet?size=64&weights=integer"
TIMEOUT_S = 30.0
Unfit = grpc.StatusCode.FAILED_PRECONDITION
Invalid = grpc.StatusCode.INVALID_ARGUMENT
Exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED


@cache
def model() -> Model:
    return load_model(SOURCE)


@cache
def good_plan() -> Plan:
    return plan_of(model(), tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])


@cache
def expected() -> dict[str, np.ndarray]:
    return run_unsplit(model(), pixels(model()), good_plan().input)


def assert_still_serves(edge: Edge) -> None:
    report = run(model(), pixels(model()), edge=edge.address, plan=good_plan(), timeout_s=20)
    for name, value in expected().items():
        np.testing.assert_array_equal(report.median.outputs[name], value)


@pytest.fixture
def channel(edge: Edge) -> Iterator[grpc.Channel]:
    """A connection; afterwards the server must still do its work."""
    options = [("grpc.max_send_message_length", -1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(edge.address, options=options) as channel:
        yield channel
    assert_still_serves(edge)


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    """The raw calls."""
    return pb_grpc.EdgeStub(channel)


def assert_refused(call: Callable[[], Any], code: grpc.StatusCode, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    details = caught.value.details()
    assert caught.value.code() is code, details
    assert re.search(words, details), details
    assert "\n" not in details
    assert len(details) < 2000


# ---------------------------------------------------------------------------- plans


def prepare(stub: Any, recipe_json: bytes) -> Any:
    return stub.Prepare(pb.PrepareRequest(recipe_json=recipe_json), timeout=TIMEOUT_S)


def changed(**changes: Any) -> bytes:
    """The good recipe with other values; ``a__b`` means the key b within a."""
    document = json.loads(jsonfile.encode(good_plan().recipe))
    for name, value in changes.items():
        *parents, key = name.split("__")
        target = document
        for parent in parents:
            target = target[parent]
        target[key] = value
    return json.dumps(document).encode()


NOT_PLANS = {
    "nothing": b"",
    "no JSON": b"this is no plan",
    "half a recipe": jsonfile.encode(good_plan().recipe)[:200],
    "a whole plan": jsonfile.encode(good_plan()),
    "another JSON": b"[]",
    "null": b"null",
    "not UTF-8": b'{"format": "\xff\xfe"}',
    "deeply nested": b"[" * 100_000,
    "deeply nested within a plan": changed(model__name=1).replace(
        b": 1", b": " + b"[" * 100_000, 1
    ),
    "an unknown key": changed(surprise=1),
    "a wrong type": changed(arrangement__tau="four"),
    "a fraction": changed(arrangement__tau=1.5),
    "another kind of arrangement": changed(arrangement__type="hexagons"),
    "an unknown dtype": changed(input__dtype="complex64"),
    "a division by zero": changed(input__std=[0.0]),
    "no mean": changed(input__mean=[]),
    "a third axis": changed(arrangement__depths=[1, 1, 1]),
    "no rows": changed(arrangement__rows=[]),
    "an empty row": changed(arrangement__rows=[14, 0]),
    "a grid turned inside out": changed(arrangement__rows=[16, -2]),
    "no strips": changed(arrangement={"type": "strips", "tau": 4, "segments": []}),
    "a tail nowhere": changed(tail="moon"),
    "a number too long to print": changed().replace(b'"tau": 4', b'"tau": 1' + b"0" * 10_000),
}


@pytest.mark.parametrize("data", NOT_PLANS.values(), ids=NOT_PLANS)
def test_what_is_no_recipe_is_not_prepared(stub, data):
    assert_refused(lambda: prepare(stub, data), Unfit, "not a fusepath recipe file")


UNSPLIT = {"type": "whole", "layers": model().graph.depth}

IMPOSSIBLE = {
    "a huge grid": (
        {"arrangement__rows": [1] * 4096, "arrangement__cols": [1] * 4096},
        "grid 4096x4096",
    ),
    "more paths than are served": (
        {"arrangement__rows": [1] * 64, "arrangement__cols": [1] * 65},
        "do not fit",
    ),
    "endless rows": ({"arrangement__rows": [2**62, 2**62]}, "add up to"),
    "more tiles than rows": (
        {"arrangement__rows": [1] * 60, "order": list(range(1, 121)), "cuts": [1] * 120},
        "",
    ),
    "a layer beyond 64 bits": ({"arrangement__tau": 10**30}, "do not fit"),
    "a layer too deep": ({"arrangement__tau": 10**9}, "tau=1000000000"),
    "no layer": ({"arrangement__tau": 0}, "tau=0"),
    "a negative layer": ({"arrangement__tau": -1}, "tau=-1"),
    "a layer behind a barrier": ({"arrangement__tau": 30}, "GlobalAveragePool"),
    "one path whose layer lies behind a barrier": (
        {
            "arrangement": {"type": "tiles", "tau": 30, "rows": [1], "cols": [1]},
            "order": [1],
            "cuts": [1],
        },
        "GlobalAveragePool",
    ),
    "an unsplit network that ends too soon": (
        {"arrangement": {"type": "whole", "layers": 29}, "order": [1], "cuts": [1]},
        "29 layers",
    ),
    "a cut before the first layer": ({"cuts": [0, 1, 1, 1]}, "'cuts'"),
    "a cut behind the path": ({"cuts": [1, 1, 1, 6]}, "'cuts'"),
    "too few cuts": ({"cuts": [1, 1, 1]}, "'cuts'"),
    "a path twice": ({"order": [1, 2, 3, 3]}, "'order'"),
    "path 0": ({"order": [0, 1, 2, 3]}, "'order'"),
    "a long order": ({"order": list(range(1, 100_001))}, "'order'"),
    "mean of too few channels": ({"input__mean": [1.0, 2.0]}, "mean"),
    "std of too many channels": ({"input__std": [1.0] * 4}, "std"),
    "a file of the server": (
        {"model__source": "/etc/passwd", "model__sha256": "0" * 64},
        "SHA-256",
    ),
    "another model": ({"model__sha256": "0" * 64}, "SHA-256"),
    "a model that does not exist": (
        {"model__source": "zoo:hal9000", "model__sha256": "0" * 64},
        "hal9000",
    ),
    "a zoo model of absurd size": (
        {"model__source": "zoo:alexnet?size=100000", "model__sha256": "0" * 64},
        "",
    ),
    "another of absurd size": (
        {"model__source": "zoo:squeezenet?size=100000", "model__sha256": "0" * 64},
        "",
    ),
    "a zoo model with an unknown key": (
        {"model__source": "zoo:vgg16?colour=red", "model__sha256": "0" * 64},
        "colour",
    ),
    "a tail that the unsplit network does not have": (
        {"tail": "device", "arrangement": UNSPLIT, "order": [1], "cuts": [1]},
        "the unsplit network leaves no tail",
    ),
    "a codec for what a tail on the device needs no sending of": (
        {"tail": "device", "cuts": [5] * 4, "codecs": {model().graph.sent(5)[0]: "bitmask"}},
        "no cut of this plan sends",
    ),
    "another type of input": ({"input__dtype": "float64"}, "takes float32"),
    "another seed": ({"model__source": f"{SOURCE}&seed=3", "model__sha256": "1" * 64}, "SHA-256"),
    "a huge input": ({"model__input_shape": [1, 3, 10**9, 10**9]}, "too large"),
    "an endless input": ({"model__input_shape": [1, 3, 2**62, 2**62]}, "too large"),
    "a negative input": ({"model__input_shape": [1, 3, -64, -64]}, "takes an input of"),
    "an input without size": ({"model__input_shape": []}, "takes an input of"),
    "another input than the model's": ({"model__input_shape": [1, 3, 65, 65]}, "takes an input of"),
}


@pytest.mark.parametrize(("changes", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_plan_that_cannot_be_carried_out_is_not_prepared(stub, changes, words):
    assert_refused(lambda: prepare(stub, changed(**changes)), Unfit, words)


def test_a_large_model_behind_a_small_stated_input_is_not_prepared(stub):
    """The stated shape is held against the limit; the real one must be that."""
    large = load_model("zoo:squeezenet?size=2600&weights=integer")
    recipe = plan_of(large, tau=1, grid=(2, 2), cuts=[1]).recipe
    document = json.loads(jsonfile.encode(recipe))
    document["model"]["input_shape"] = [1, 3, 64, 64]

    assert_refused(lambda: prepare(stub, json.dumps(document).encode()), Unfit, "takes an input")


def test_profiles_of_unknown_models_are_refused(stub):
    request = pb.ModelRequest(name="x", sha256="0" * 64, source="x.onnx", input_shape=[1, 3, 8, 8])
    huge = pb.ModelRequest(name="x", sha256="0" * 64, source=SOURCE, input_shape=[1, 3, 10**9, 8])

    assert_refused(lambda: stub.Profile(request, timeout=TIMEOUT_S), Unfit, "SHA-256")
    assert_refused(lambda: stub.Profile(huge, timeout=TIMEOUT_S), Unfit, "too large")


@pytest.mark.parametrize(
    ("call", "name"),
    [("Clock", "ClockRequest"), ("Profile", "ModelRequest"), ("Prepare", "PrepareRequest")],
)
def test_what_is_no_message_of_a_call_is_refused(channel, call, name):
    ask = channel.unary_unary(f"/fusepath.v1.Edge/{call}")

    for noise in (b"\xff" * 20, b"\x0a\x7f"):
        assert_refused(lambda data=noise: ask(data, timeout=TIMEOUT_S), Invalid, f"no {name}")


# ---------------------------------------------------------------------------- streams

HELLO = Hello(WIRE_VERSION, "of a test")
FIRST = 1
"""The number of a request."""


@cache
def _pieces() -> dict[int, tuple[RawTensor, ...]]:
    device = DeviceShare(model(), good_plan().recipe)
    image = pixels(model())
    return {
        number: tuple(tensors.to_send(device.compute(number - 1, image)))
        for number in good_plan().order
    }


def piece(number: int, *, named: int | None = None, request: int = FIRST) -> Piece:
    """The right piece of a path, perhaps under another number."""
    return Piece(request, number if named is None else named, _pieces()[number])


def begun(message: Piece, *, left_s: float = TIMEOUT_S, digest: str | None = None) -> Begin:
    """A piece as the first one of its request."""
    recipe = good_plan().recipe_sha256 if digest is None else digest
    return Begin(message.request, message.path, recipe, round(left_s * 1e6), message.tensors)


def with_data(*data: bytes, encoded: bool = False) -> Begin:
    """The piece of path 1 with other tensors."""
    return begun(Piece(FIRST, 1, [RawTensor(item, encoded) for item in data]))


@pytest.fixture
def prepared(channel: grpc.Channel, stub: Any) -> grpc.Channel:
    """A connection to a server that has prepared the good plan."""
    prepare(stub, jsonfile.encode(good_plan().recipe))
    return channel


def test_right_messages_by_hand_are_answered_with_the_result(prepared):
    """Guards the tests below: it is not the hand-made messages that are refused."""
    (answer,) = talk(prepared, HELLO, begun(piece(1)), *map(piece, (2, 3, 4)))

    assert isinstance(answer, Result)
    assert sorted(span.path for span in answer.spans) == [0, 1, 2, 3, 4]
    for span in answer.spans:
        assert (0 < span.arrived_ns <= span.start_ns) == (span.path > 0)


def test_requests_on_one_stream_are_answered_each_by_its_number(prepared):
    """Mixed piece by piece; what comes for one that has ended is late, and nothing else."""
    mixed = [begun(piece(1)), begun(piece(1, request=2))]
    mixed += [piece(path, request=request) for path in (2, 3) for request in (1, 2)]
    mixed += [GiveUp(1), piece(4), piece(4), piece(4, request=2)]

    (answer,) = talk(prepared, HELLO, *mixed)

    assert isinstance(answer, Result)
    assert answer.request == 2


def test_lies_about_outputs_take_no_room(prepared):
    lie = replace(begun(piece(1)), left_out=1 << 40)
    for _ in range(Room().requests_of_one + 1):
        with pytest.raises(grpc.RpcError, match="does not have"):
            talk(prepared, HELLO, lie)

    (answer,) = talk(prepared, HELLO, begun(piece(1)), *map(piece, (2, 3, 4)))

    assert isinstance(answer, Result)


def test_a_plan_that_is_not_prepared_refuses_its_request_alone(prepared):
    unknown = begun(piece(1), digest="f" * 64)
    second = [begun(piece(1, request=2)), *(piece(path, request=2) for path in (2, 3, 4))]

    refused, answer = talk(prepared, HELLO, unknown, piece(2), *second, ends=2)

    assert refused.request == 1
    assert refused.kind is RefusalKind.UNFIT
    assert "has not been prepared" in refused.reason
    assert isinstance(answer, Result)


def test_a_request_whose_deadline_has_passed_is_given_up():
    """By a server of its own: work that other tests have left would count."""
    second = [begun(piece(1, request=2)), *(piece(path, request=2) for path in (2, 3, 4))]
    with edge_server() as own, grpc.insecure_channel(own.address) as channel:
        prepare(pb_grpc.EdgeStub(channel), jsonfile.encode(good_plan().recipe))
        refused, answer = talk(channel, HELLO, begun(piece(1), left_s=0.0), *second, ends=2)

    assert (refused.request, refused.kind) == (1, RefusalKind.SILENT)
    assert "deadline" in refused.reason
    assert isinstance(answer, Result)


def test_more_requests_than_one_device_may_have_are_refused(prepared):
    most = Room().requests_of_one
    many = [begun(piece(1, request=number)) for number in range(1, most + 2)]

    (refused,) = talk(prepared, HELLO, *many)

    assert (refused.request, refused.kind) == (most + 1, RefusalKind.EXHAUSTED)


def changed_byte(message: Message, at: int) -> bytes:
    data = bytearray(encode(message))
    data[at] ^= 1
    return bytes(data)


STREAMS: dict[str, tuple[Callable[[], list[Message | bytes]], str]] = {
    "no hello": (lambda: [begun(piece(1))], "must say Hello first, not Begin"),
    "a second hello": (lambda: [HELLO, HELLO], "does not send Hello"),
    "nothing": (lambda: [HELLO, b""], "0 bytes are no message"),
    "noise": (lambda: [HELLO, bytes(range(100))], "no message of fusepath"),
    "a flipped bit": (lambda: [HELLO, changed_byte(begun(piece(1)), -1)], "damaged on the way"),
    "a flipped bit in the header": (
        lambda: [HELLO, changed_byte(begun(piece(1)), 9)],
        "header of a message was damaged",
    ),
    "half a message": (lambda: [HELLO, encode(begun(piece(1)))[:-9]], "bytes in place of"),
    "what a server says": (lambda: [HELLO, Drilled(1, 5)], "does not send Drilled"),
    "a piece first": (lambda: [HELLO, piece(1)], "request 1 has not begun"),
    "to give up first": (lambda: [HELLO, GiveUp(7)], "request 7 has not begun"),
    "request 0": (lambda: [HELLO, begun(piece(1, request=0))], "request 0 was made after"),
    "a request twice": (
        lambda: [HELLO, begun(piece(1)), begun(piece(2))],
        "request 1 was made after request 1",
    ),
    "path 0": (lambda: [HELLO, begun(piece(1, named=0))], "there is no path 0"),
    "an unknown path": (
        lambda: [HELLO, begun(piece(1)), piece(1, named=5)],
        "there is no path 5",
    ),
    "a path beyond all": (lambda: [HELLO, begun(piece(1, named=2**16 - 1))], "there is no path"),
    "a path twice": (lambda: [HELLO, begun(piece(1)), piece(1)], "path 1 was sent twice"),
    "the piece of another path": (
        lambda: [HELLO, begun(piece(2, named=1))],
        r"'image' has \d+ bytes; uint8",
    ),
    "too few bytes": (lambda: [HELLO, with_data(b"123")], "has 3 bytes; uint8"),
    "no bytes": (lambda: [HELLO, with_data(b"")], "has 0 bytes; uint8"),
    "a codec where there is none": (
        lambda: [HELLO, with_data(b"123", encoded=True)],
        "comes encoded, expected plain",
    ),
    "no tensors": (lambda: [HELLO, with_data()], "holds 0 tensors, expected image"),
    "outputs left out that there are not": (
        lambda: [HELLO, replace(begun(piece(1)), left_out=1 << 40)],
        "a network of 1 does not have",
    ),
    "two tensors": (lambda: [HELLO, with_data(b"", b"")], "holds 2 tensors, expected image"),
    "a piece in a drill": (
        lambda: [HELLO, Drill(1, 5, message_costs.piece()), piece(1)],
        "request 1 is a drill",
    ),
    "a drill in an inference": (
        lambda: [HELLO, begun(piece(1)), Drill(1, 5, message_costs.piece())],
        "request 1 is no drill",
    ),
    "a large drill": (
        lambda: [HELLO, Drill(1, 1, message_costs.piece(message_costs.MOST_BYTES + 1))],
        "'piece' has 1048577 bytes",
    ),
    "an empty drill": (lambda: [HELLO, Drill(1, 1, [])], "holds 0 tensors"),
    "an endless drill": (
        lambda: [
            HELLO,
            *[Drill(1, 9, message_costs.piece(1))] * (message_costs.MOST_MESSAGES + 1),
        ],
        "goes on after its end",
    ),
}


@pytest.mark.parametrize(("messages", "words"), STREAMS.values(), ids=STREAMS)
def test_a_stream_that_is_none_is_refused(prepared, messages, words):
    assert_refused(lambda: talk(prepared, *messages(), ends=2), Invalid, words)


def test_another_version_is_refused_by_both_names(channel):
    other = Hello(WIRE_VERSION + 1, "9.9")

    assert_refused(
        lambda: talk(channel, other),
        Unfit,
        rf"the device runs fusepath 9\.9 \(wire {other.wire}\), this is .* \(wire {WIRE_VERSION}\)",
    )


def test_a_drill_says_what_a_message_costs(channel):
    count = message_costs.WARM_UP + 20
    drill = [Drill(1, left, message_costs.piece()) for left in reversed(range(count))]

    (answer,) = talk(channel, HELLO, *drill)

    assert answer.busy_ns > 0


def test_a_message_larger_than_any_map_is_refused(prepared):
    message = with_data(bytes(MAX_MESSAGE_BYTES + 1))

    assert_refused(lambda: talk(prepared, HELLO, message), Exhausted, "larger than max")


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(prepared):
    for _ in range(5):
        with converse(prepared) as (say, read):
            say(HELLO, begun(piece(1)), Drill(2, 0, message_costs.piece()))
            assert isinstance(read(), Hello)
            assert isinstance(read(), Drilled)  # so what came before has been taken


def test_devices_at_the_same_time_each_get_their_own_result(prepared):
    """Two streams of one plan, piece by piece in turn: nothing of one gets into the other."""
    images = [pixels(model(), seed=seed) for seed in (1, 2)]
    device = DeviceShare(model(), good_plan().recipe)
    sent = [
        {n: tensors.to_send(device.compute(n - 1, image)) for n in good_plan().order}
        for image in images
    ]

    with converse(prepared) as (say_one, read_one), converse(prepared) as (say_other, read_other):
        for say in (say_one, say_other):
            say(HELLO)
        for at, number in enumerate(good_plan().order):
            for say, pieces in zip((say_one, say_other), sent, strict=True):
                message = Piece(FIRST, number, pieces[number])
                say(begun(message) if at == 0 else message)
        answers = [(read(), read())[1] for read in (read_one, read_other)]

    expected = {"output": ("float32", (1, 1000))}
    results = [tensors.decode(answer.tensors, expected)["output"] for answer in answers]
    alone = [
        run(model(), image, edge=None, plan=plan_of(model(), cuts=[31])).median.outputs["output"]
        for image in images
    ]
    np.testing.assert_array_equal(results, alone)
    assert not np.array_equal(*alone)


# ---------------------------------------------------------------------------- below gRPC

NOISE = {
    "noise": bytes(np.random.default_rng(0).integers(0, 256, 4096, dtype=np.uint8)),
    "HTTP/1": b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a broken HTTP/2 frame": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
    "an endless header": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\xff\xff\xff\x01\x04\x00\x00\x00\x01" * 100,
    "zeros": bytes(100_000),
}


@pytest.mark.parametrize("data", NOISE.values(), ids=NOISE)
def test_noise_on_the_port_disturbs_nobody(edge, data):
    host, port = edge.address.split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(data)
            while connection.recv(65536):
                pass  # until the server has had enough of it
        except OSError:
            pass  # it hung up on us

    assert_still_serves(edge)


def test_silent_connections_disturb_nobody(edge):
    host, port = edge.address.split(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(20)]
    try:
        assert_still_serves(edge)
    finally:
        for connection in connections:
            connection.close()


# ---------------------------------------------------------------------------- bad servers


def doing_before_piece(
    monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]
) -> None:
    """Have something happen right before the so-many-th piece of a run is sent."""
    original, sent = tensors.to_send, iter(range(1, 1000))

    def to_send(values: Any) -> Any:
        if next(sent) == number:
            act()
        return original(values)

    monkeypatch.setattr(exchange_module.tensors, "to_send", to_send)


def assert_run_fails(
    address: str,
    kind: type[PeerError],
    words: str | None,
    timeout_s: float,
    connect_s: float = 5.0,
) -> None:
    timeout = Timeout(connect_s=connect_s, infer_s=timeout_s)
    started_s = time.monotonic()
    with pytest.raises(kind, match=words) as caught:
        run(model(), pixels(model()), edge=address, plan=good_plan(), timeout=timeout)
    assert time.monotonic() - started_s < timeout_s + 10
    assert caught.value.exit_code == 3
    assert caught.value.peer == address
    assert "\n" not in str(caught.value)


def assert_this_machine_answers(address: str, words: str, stages: set[Stage]) -> None:
    """Alone, exactly, and saying why."""
    report = run(
        model(),
        pixels(model()),
        edge=address,
        plan=good_plan(),
        fallback=FallbackPolicy.WITHIN_MEMORY,
        verify=True,
    )
    assert report.comparison.bit_equal
    fallback = report.median.fallback
    assert re.search(words, fallback.reason)
    assert fallback.stage in stages
    assert report.median.edge_macs == 0
    assert report.median.device_macs >= sum(
        layer_macs(model().graph, index) for index in range(1, model().graph.depth + 1)
    )


@pytest.mark.parametrize("number", [1, 3])
def test_a_server_killed_in_the_middle_of_a_run_leaves_the_device_to_answer(monkeypatch, number):
    with edge_server() as own:
        doing_before_piece(monkeypatch, number, own.kill)

        assert_this_machine_answers(own.address, "connection was lost", {Stage.SENDING})


def test_a_server_that_stands_still_leaves_the_device_to_answer(monkeypatch):
    with edge_server() as own:
        doing_before_piece(monkeypatch, 2, lambda: own.process.send_signal(signal.SIGSTOP))
        try:
            assert_this_machine_answers(own.address, "no answer in time", {Stage.WAITING})
        finally:
            own.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [1, 3])
def test_a_server_killed_in_the_middle_of_a_run_is_noticed_at_once(monkeypatch, number):
    with edge_server() as own:
        doing_before_piece(monkeypatch, number, own.kill)

        assert_run_fails(own.address, PeerError, None, timeout_s=20)


def test_a_server_that_stands_still_in_the_middle_of_a_run_ends_it_at_the_deadline(monkeypatch):
    """The kernel of a stopped process goes on acknowledging what is sent to it."""
    with edge_server() as own:
        doing_before_piece(monkeypatch, 2, lambda: own.process.send_signal(signal.SIGSTOP))
        try:
            assert_run_fails(own.address, PeerError, None, timeout_s=2)
        finally:
            own.process.send_signal(signal.SIGCONT)


def test_a_port_where_nobody_listens_is_unreachable(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

    begun_s = time.monotonic()
    assert_run_fails(
        address, PeerUnreachableError, "nobody listens there", timeout_s=60, connect_s=60
    )
    assert time.monotonic() - begun_s < 30  # that is said at once, and a deadline is not waited for


def test_a_listener_that_never_answers_is_unreachable(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        assert_run_fails(
            address, PeerUnreachableError, "nobody answered", timeout_s=5, connect_s=0.5
        )


def test_a_listener_that_talks_nonsense_is_unreachable(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 404 Not Candidate\r\n\r\n")

        talking = threading.Thread(target=talk)
        talking.start()
        assert_run_fails(
            address, PeerUnreachableError, "nobody answered", timeout_s=5, connect_s=0.5
        )
        talking.join()


@dataclass
class Strange(pb_grpc.EdgeServicer):
    """A server that answers as it is told."""

    answers: list[Answered] = field(default_factory=list)
    hello: Hello = HELLO
    paths: int = 0
    """Of the plan that was prepared last."""
    digest: str = ""
    profile: bytes = b""
    path_ns: tuple[int, ...] | None = None
    providers: tuple[str, ...] = ("cpu",)
    stays_open: bool = False
    hangs_up: bool = False
    hasty: bool = False
    """Answers before it has read everything."""
    released: threading.Event = field(default_factory=threading.Event)

    def Clock(self, request, context):  # noqa: N802
        return pb.ClockReply(edge_ns=time.monotonic_ns())

    def Profile(self, request, context):  # noqa: N802
        return pb.ProfileReply(profile_json=self.profile)

    def Prepare(self, request, context):  # noqa: N802
        recipe = jsonfile.decode(request.recipe_json, Recipe, where="test")
        digest, paths = self.digest or recipe.sha256, recipe.paths
        self.paths = paths
        path_ns = (0,) * paths if self.path_ns is None else self.path_ns
        return pb.PrepareReply(recipe_sha256=digest, path_ns=path_ns, providers=self.providers)

    def converse(self, messages: Iterator[Message]) -> Iterator[Message]:
        assert isinstance(next(messages), Hello)
        yield self.hello
        request = next(messages).request
        if self.hangs_up:
            return
        for _ in range(0 if self.hasty else self.paths - 1):
            next(messages)
        for answer in self.answers:
            yield replace(answer, request=request) if isinstance(answer, Message) else answer
        if self.stays_open:
            self.released.wait(TIMEOUT_S)


@contextmanager
def serving(servicer: Strange) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    pb_grpc.add_EdgeServicer_to_server(servicer, server)
    server.add_generic_rpc_handlers((serving_stream(servicer.converse),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        servicer.released.set()
        server.stop(None).wait()


def result(*paths: int, outputs: list[np.ndarray]) -> Result:
    """The outputs, and that these paths have been computed."""
    now = time.monotonic_ns()
    spans = [EdgeSpan(path, 0, now, now, now) for path in paths]
    return Result(0, 0, spans, raw(*outputs))


def raw(*values: np.ndarray) -> list[RawTensor]:
    return [RawTensor(value.tobytes()) for value in values]


def test_a_server_that_never_finishes_runs_into_the_deadline():
    with serving(Strange(stays_open=True)) as address:
        assert_run_fails(address, PeerTimeoutError, "before the deadline", timeout_s=0.5)


def test_a_server_that_prepares_another_plan_is_not_used():
    with serving(Strange(digest="0" * 64)) as address:
        assert_run_fails(address, PeerRefusedError, "prepared another plan", timeout_s=5)


@pytest.mark.parametrize("path_ns", [(), (1, 2), (1, 2, 3, -4), (1, 2, 3, 4, 5)])
def test_a_server_that_times_other_paths_than_the_plan_has_is_not_used(path_ns):
    with serving(Strange(path_ns=path_ns)) as address:
        assert_run_fails(address, PeerRefusedError, "did not time every path", timeout_s=5)


@pytest.mark.parametrize("providers", [(), ("abacus",), ("cpu",) * 9, ("x" * 1_000_000,)])
def test_a_server_that_computes_on_what_is_not_known_is_not_used(providers):
    with serving(Strange(providers=providers)) as address:
        assert_run_fails(address, PeerRefusedError, "computes on what is not known", timeout_s=5)


ZEROS = np.zeros((1, 1000), dtype=np.float32)
RIGHT = result(1, 2, 3, 4, outputs=[ZEROS])
NONSENSE: dict[str, tuple[list[Answered], str]] = {
    "nothing": ([], "ended without a result"),
    "no message": ([b"what?"], "5 bytes are no message"),
    "a flipped bit": ([changed_byte(RIGHT, -1)], "damaged on the way"),
    "half a message": ([encode(RIGHT)[:-9]], "bytes in place of"),
    "what a device says": ([GiveUp(1)], "the server sent GiveUp"),
    "the end of a drill": ([Drilled(1, 0)], "the server sent Drilled"),
    "an answer to nobody": ([encode(replace(RIGHT, request=99))], "request 99, which nobody"),
    "no outputs": ([result(1, 2, 3, 4, outputs=[])], "holds 0 tensors, expected output"),
    "another output": ([result(1, 2, 3, 4, outputs=[ZEROS] * 2)], "holds 2 tensors"),
    "an output of another shape": (
        [result(1, 2, 3, 4, outputs=[ZEROS[:, :10]])],
        r"'output' has 40 bytes; float32\[1, 1000\] has 4000",
    ),
    "an encoded output": (
        [replace(RIGHT, tensors=[RawTensor(b"1", encoded=True)])],
        "comes encoded, expected plain",
    ),
    "a result of no path": ([result(outputs=[ZEROS])], "without having had every path"),
    "a result of some paths": (
        [result(1, 2, 4, outputs=[ZEROS])],
        "without having had every path",
    ),
    "a path twice": (
        [result(1, 2, 3, 4, 4, outputs=[ZEROS])],
        "without having had every path",
    ),
    "work on an unknown path": (
        [result(1, 2, 3, 4, 9, outputs=[ZEROS])],
        "path 9, a path that the plan does not have",
    ),
    "a refusal": ([Refused(0, RefusalKind.UNFIT, "I would\nrather not")], "I would rather not"),
}


def test_a_right_result_by_hand_is_taken():
    """Guards the tests below: it is not the hand-made result that is refused."""
    with serving(Strange(answers=[RIGHT])) as address:
        report = run(model(), pixels(model()), edge=address, plan=good_plan(), timeout_s=5)

    assert not report.median.outputs["output"].any()


def test_a_server_of_another_version_is_a_peer_error():
    """Before anything else is asked of it."""
    with serving(Strange(hello=Hello(WIRE_VERSION + 1, "9.9"))) as address:
        words = rf"the edge server runs fusepath 9\.9 \(wire {WIRE_VERSION + 1}\), this is"
        assert_run_fails(address, PeerRefusedError, words, timeout_s=5)


@pytest.mark.parametrize(("answers", "words"), NONSENSE.values(), ids=NONSENSE)
def test_a_server_that_answers_nonsense_is_a_peer_error(answers, words):
    with serving(Strange(answers=answers)) as address:
        assert_run_fails(address, PeerRefusedError, words, timeout_s=5)


@pytest.mark.parametrize(("answers", "words"), NONSENSE.values(), ids=NONSENSE)
def test_a_server_that_answers_nonsense_leaves_the_device_to_answer(answers, words):
    with serving(Strange(answers=answers)) as address:
        assert_this_machine_answers(address, words, {Stage.WAITING, Stage.SENDING})


@cache
def detector() -> Model:
    return load_model("zoo:tiny-yolov2?size=64&weights=integer")


@cache
def parts_plan() -> Plan:
    """Strips 1 and 2 run on the edge server; the first makes no row of the result, 3 stays here."""
    depth = detector().graph.depth
    segments = (
        Segment(start=0, stop=1, cut=1, strips=((30, 0), (50, 1))),
        Segment(start=1, stop=2, cut=depth + 1, strips=((64, 2),)),
    )
    return plan_of(detector(), segments=segments)


ROW = np.zeros((1, 125, 1, 2), dtype=np.float32)


def part(path: int, *values: np.ndarray) -> Part:
    return Part(0, path, raw(*(values or (ROW,))))


RIGHT_PARTS = [part(2), result(1, 2, 3, outputs=[])]
WRONG_PARTS: dict[str, tuple[list[Answered], str]] = {
    "no part": ([result(1, 2, 3, outputs=[])], "without the part of path 2"),
    "a part twice": ([part(2), part(2)], "the part of path 2 twice"),
    "path 0": ([part(0)], "a part for path 0, which returns none"),
    "an unknown path": ([part(77)], "a part for path 77, which returns none"),
    "a path without rows": ([part(1)], "a part for path 1, which returns none"),
    "a path that stays": ([part(3)], "a part for path 3, which returns none"),
    "no tensors": ([Part(0, 2, [])], "holds 0 tensors, expected output"),
    "two tensors": ([part(2, ROW, ROW)], "holds 2 tensors, expected output"),
    "another shape": ([part(2, np.zeros((1, 125, 2, 2), dtype=np.float32))], "bytes; float32"),
    "another type": ([part(2, ROW.astype(np.float64))], "bytes; float32"),
    "a flipped bit": ([changed_byte(part(2), -1)], "damaged on the way"),
    "outputs as well": (
        [part(2), result(1, 2, 3, outputs=[ROW])],
        "holds 1 tensors, expected none",
    ),
}


def run_parts(address: str) -> Any:
    return run(
        detector(), pixels(detector()), edge=address, plan=parts_plan(), timeout_s=5
    ).median.outputs["output"]


def test_right_parts_by_hand_are_put_together():
    """Guards the test below: it is not the hand-made parts that are refused."""
    with serving(Strange(answers=RIGHT_PARTS)) as address:
        output = run_parts(address)

    assert not output[:, :, :1].any()
    assert output[:, :, 1:].any()  # what the device has made itself


@pytest.mark.parametrize(("answers", "words"), WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_a_server_that_returns_nonsense_in_parts_is_a_peer_error(answers, words):
    with (
        serving(Strange(answers=answers)) as address,
        pytest.raises(PeerRefusedError, match=words) as caught,
    ):
        run_parts(address)
    assert "\n" not in str(caught.value)


def test_a_part_of_a_path_that_has_not_been_sent_is_a_peer_error():
    """The device is held up before its second piece, so that the part comes first."""
    strips = Segment(start=0, stop=2, cut=1, strips=((30, 0), (50, 1), (64, 2)))
    with (
        serving(Strange(answers=[part(3)], hasty=True)) as address,
        pytest.raises(PeerRefusedError, match="without having had that path"),
    ):
        run(
            detector(),
            pixels(detector()),
            edge=address,
            plan=plan_of(detector(), segments=(strips,)),
            pace_bytes_per_s=2e3,
            timeout_s=20,
        )


def test_a_part_where_one_result_is_called_for_is_a_peer_error():
    with serving(Strange(answers=[part(1)])) as address:
        assert_run_fails(address, PeerRefusedError, "which returns none", timeout_s=5)


def test_a_server_that_hangs_up_without_reading_is_a_peer_error():
    with serving(Strange(hangs_up=True)) as address:
        assert_run_fails(address, PeerError, None, timeout_s=5)


@pytest.mark.parametrize("profile", [b"", b"{}", b"[1, 2", b'{"type": "profile"}'], ids=repr)
def test_a_server_whose_profile_is_none_is_a_peer_error(profile):
    with serving(Strange(profile=profile)) as address, pytest.raises(PeerError) as caught:
        run(
            model(),
            pixels(model()),
            request=PlanRequest(algorithm="nfl", codecs="off"),
            edge=address,
            timeout_s=5,
        )
    assert caught.value.exit_code == 3
