"""Whole models by the Open Inference Protocol, and gRPC's reflection, with plain clients."""

from __future__ import annotations

import asyncio
import io
import struct
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from onnx import numpy_helper, parser, save_model
from PIL import Image

from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat
from fusepath.remote.access import Access
from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_server import EdgeServer
from fusepath.remote.model_store import ModelStore
from fusepath.remote.reflection import answer as reflection_answer
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import open_inference_pb2 as pb
from fusepath.remote.wire import reflection_pb2
from fusepath.remote.workers import Workers
from fusepath.runtime.runner import Runner

SOURCE = "zoo:squeezenet?size=64&weights=integer"
SHAPE = (1, 3, 64, 64)
BEARER = "one-that-is-long-enough"
REPLIES = {
    "ServerLive": pb.ServerLiveResponse,
    "ServerReady": pb.ServerReadyResponse,
    "ModelReady": pb.ModelReadyResponse,
    "ServerMetadata": pb.ServerMetadataResponse,
    "ModelMetadata": pb.ModelMetadataResponse,
    "ModelInfer": pb.ModelInferResponse,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    load_model(SOURCE).save(folder / "net.onnx")
    return folder


def values() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, SHAPE).astype(np.float32)


def whole(value: np.ndarray) -> np.ndarray:
    """What the model makes of it, by ONNX Runtime alone."""
    return Runner(load_model(SOURCE).original).run({"image": value})["output"]


def asked(models, *calls: tuple[str, Any], metadata=(), access=None, **options: Any) -> list[Any]:
    """What a server answers to calls, one after the other; errors as such."""

    async def go() -> list[Any]:
        service = EdgeService(ModelStore(models), **options)
        server = EdgeServer("127.0.0.1:0", service, access=access)
        address = await server.start()
        found = []
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                for name, request in calls:
                    call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
                    data = request if isinstance(request, bytes) else request.SerializeToString()
                    try:
                        answer = await call(data, timeout=30, metadata=metadata)
                        found.append(REPLIES[name].FromString(answer))
                    except grpc.aio.AioRpcError as error:
                        found.append(error)
            assert service.admission.requests == service.admission.bytes == 0
        finally:
            await server.stop(0)
        return found

    return asyncio.run(go())


def infer(data: bytes | None = None, **tensor: Any) -> pb.ModelInferRequest:
    fields = {"name": "image", "datatype": "FP32", "shape": SHAPE} | tensor
    raw = [] if "contents" in tensor else [values().tobytes() if data is None else data]
    return pb.ModelInferRequest(model_name="net", id="7", inputs=[fields], raw_input_contents=raw)


def raw_output(answer: pb.ModelInferResponse) -> np.ndarray:
    (tensor,), (data,) = answer.outputs, answer.raw_output_contents
    assert (answer.model_name, answer.id, tensor.datatype) == ("net", "7", "FP32")
    return np.frombuffer(data, dtype="<f4").reshape(tensor.shape)


def test_a_server_tells_of_itself_and_of_its_models(models):
    calls = [
        ("ServerLive", pb.ServerLiveRequest()),
        ("ServerReady", pb.ServerReadyRequest()),
        ("ServerMetadata", pb.ServerMetadataRequest()),
        *(
            ("ModelReady", pb.ModelReadyRequest(name=name, version=version))
            for name, version in [("net", ""), ("zoo:vgg16", "1"), ("net", "2"), ("../net", "")]
        ),
        ("ModelMetadata", pb.ModelMetadataRequest(name="net")),
    ]

    live, ready, about, *there, model = asked(models, *calls)

    assert live.live
    assert ready.ready
    assert about.name == "fusepath"
    assert [item.ready for item in there] == [True, True, False, False]
    assert [(t.name, t.datatype, tuple(t.shape)) for t in (*model.inputs, *model.outputs)] == [
        ("image", "FP32", SHAPE),
        ("output", "FP32", (1, 1000)),
    ]


def test_a_whole_model_runs_on_bytes_and_on_numbers(models):
    numbers = pb.InferTensorContents(fp32_contents=values().reshape(-1))
    as_bytes, as_numbers = asked(
        models, ("ModelInfer", infer()), ("ModelInfer", infer(contents=numbers))
    )

    expected = whole(values())
    assert np.array_equal(raw_output(as_bytes), expected)
    assert not as_numbers.raw_output_contents
    assert np.array_equal(as_numbers.outputs[0].contents.fp32_contents, expected.reshape(-1))


def jpeg(size: tuple[int, int] = (64, 64)) -> bytes:
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def with_length(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def said(**parameters: str) -> dict[str, Any]:
    return {name: pb.InferParameter(string_param=value) for name, value in parameters.items()}


def test_bytes_hold_a_picture(models):
    file, form = jpeg(), InputFormat(mean=(10.0, 20.0, 30.0), std=(2.0,))
    pixels = np.asarray(Image.open(io.BytesIO(file)))[None].transpose(0, 3, 1, 2)
    as_bytes = {"datatype": "BYTES", "shape": [1]}
    how = said(mean="10,20,30", std="2", fit="exact")

    plain, scaled, fitted = asked(
        models,
        ("ModelInfer", infer(with_length(file), **as_bytes)),
        ("ModelInfer", infer(with_length(file), parameters=how, **as_bytes)),
        ("ModelInfer", infer(with_length(jpeg((90, 70))), parameters=said(fit="crop"), **as_bytes)),
    )

    assert np.array_equal(raw_output(plain), whole(pixels.astype(np.float32) / 255))
    mean = np.array(form.mean, dtype=np.float32).reshape(1, 3, 1, 1)
    assert np.array_equal(raw_output(scaled), whole((pixels.astype(np.float32) - mean) / 2))
    assert raw_output(fitted).shape == (1, 1000)


def test_texts_return_as_bytes(models):
    text = """<ir_version: 8, opset_import: ["": 13]> g (float[1,3,4,4] image)
        => (float[1,1,1,1] s, string[1,1,1,1] t)
        { s = Conv(image, k) t = Cast<to = 8>(s) }"""
    proto = parser.parse_model(text)
    kernel = np.full((1, 3, 4, 4), 0.5, np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(kernel, "k"))
    save_model(proto, models / "texts.onnx")
    ones = np.ones((1, 3, 4, 4), np.float32)
    raw, typed = (
        infer(ones.tobytes(), shape=ones.shape),
        infer(shape=ones.shape, contents=pb.InferTensorContents(fp32_contents=ones.reshape(-1))),
    )
    raw.model_name = typed.model_name = "texts"

    about, as_bytes, as_contents = asked(
        models,
        ("ModelMetadata", pb.ModelMetadataRequest(name="texts")),
        ("ModelInfer", raw),
        ("ModelInfer", typed),
    )

    assert [(item.name, item.datatype) for item in about.outputs] == [("s", "FP32"), ("t", "BYTES")]
    assert as_bytes.raw_output_contents[1] == with_length(b"24")
    assert list(as_contents.outputs[1].contents.bytes_contents) == [b"24"]


FILE = {"datatype": "BYTES", "shape": [1]}
MALFORMED = {
    "no message": (b"\xff\xff", "no ModelInferRequest"),
    "another type": (infer(bytes(3 * 64 * 64), datatype="UINT8"), "takes FP32"),
    "an unknown type": (infer(datatype="FP8"), "none of BOOL"),
    "another shape": (infer(shape=[1, 3, 32, 128]), "takes FP32 of"),
    "a negative shape": (infer(shape=[-1, 3, 64, 64]), "has the shape"),
    "a huge shape": (infer(shape=[2**40]), "has the shape"),
    "another name": (infer(name="x\ny"), "the model takes"),
    "too few bytes": (infer(b"1234"), "has 4 bytes"),
    "too few numbers": (
        infer(contents=pb.InferTensorContents(fp32_contents=[1.0])),
        "holds 1 numbers",
    ),
    "no bytes": (pb.ModelInferRequest(model_name="net"), "the model takes"),
    "bytes of nothing": (
        pb.ModelInferRequest(model_name="net", raw_input_contents=[b"1"]),
        "0 inputs come with the bytes of 1",
    ),
    "a number too large": (
        infer(datatype="INT8", contents=pb.InferTensorContents(int_contents=[300] * 12288)),
        "no INT8",
    ),
    "a parameter of others": (infer(parameters=said(shared_memory_region="x")), "shared_memory"),
    "an unknown output": (
        pb.ModelInferRequest.FromString(
            infer().SerializeToString()
            + pb.ModelInferRequest(outputs=[{"name": "x"}]).SerializeToString()
        ),
        "no output 'x'",
    ),
    "no picture": (infer(with_length(b"what?"), **FILE), "the file sent"),
    "a picture of another size": (infer(with_length(jpeg((90, 70))), **FILE), "the file sent"),
    "half an element": (infer(struct.pack("<I", 99) + b"1", **FILE), "within an element"),
    "two pictures": (infer(with_length(b"1") * 2, **FILE), "holds 2 elements"),
    "an unknown fit": (infer(with_length(jpeg()), parameters=said(fit="x"), **FILE), "'x'"),
    "a mean that is none": (infer(with_length(jpeg()), parameters=said(mean="x"), **FILE), "'x'"),
}


def test_what_is_malformed_is_said_to_be_so_in_one_line(models):
    answers = asked(models, *(("ModelInfer", request) for request, _ in MALFORMED.values()))

    for answer, (what, (_, words)) in zip(answers, MALFORMED.items(), strict=True):
        assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT, (what, answer)
        assert words in answer.details(), what
        assert "\n" not in answer.details()
        assert len(answer.details()) < 600


def test_what_is_not_here_is_refused(models):
    other = pb.ModelInferRequest(model_name="zoo:squeezenet?size=100000")
    old = infer()
    old.model_version = "2"

    for answer in asked(models, ("ModelInfer", other), ("ModelInfer", old)):
        assert answer.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_model_whose_file_is_replaced_is_the_new_one_from_then_on(tmp_path):
    file = tmp_path / "net.onnx"

    def write(output: str) -> None:
        text = f"g (float[1,1,8,8] x) => (float[1,1,8,8] {output}) {{ {output} = Relu (x) }}"
        save_model(parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}'), file)

    async def go() -> list[str]:
        service, found = EdgeService(ModelStore(tmp_path)), []
        for output in ("old", "replaced"):
            write(output)
            for _ in range(2):
                model = await service.whole_model("net", "peer")
                found += [each.name for each in model.outputs]
        file.unlink()
        with pytest.raises(Refusal, match="no model 'net' here"):
            await service.whole_model("net", "peer")
        service.close()
        return found

    assert asyncio.run(go()) == ["old", "old", "replaced", "replaced"]


def test_it_counts_as_other_inferences_do(models):
    """It waits for a worker, takes memory of plans, and shows what a device shows."""
    (large,) = asked(models, ("ModelInfer", infer()), plans_bytes=1000)
    unknown = asked(
        models,
        ("ServerLive", pb.ServerLiveRequest()),
        ("ModelInfer", infer()),
        access=Access(token=BEARER),
    )
    (known,) = asked(
        models,
        ("ModelInfer", infer()),
        access=Access(token=BEARER),
        metadata=[("authorization", f"Bearer {BEARER}")],
    )

    assert large.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "give the server more memory" in large.details()
    assert unknown[0].live
    assert unknown[1].code() is grpc.StatusCode.UNAUTHENTICATED
    assert raw_output(known).shape == (1, 1000)


def test_who_would_wait_for_too_long_is_told_when_to_ask_again(models, monkeypatch):
    monkeypatch.setattr(Workers, "backlog_s", 100.0)

    (full,) = asked(models, ("ModelInfer", infer()))

    assert full.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(tuple(full.trailing_metadata()))["retry-after-ms"]) > 1000


# ---------------------------------------------------------------------------- reflection


def reflected(*requests: dict[str, Any], version: str = "v1") -> list[Any]:
    async def go() -> list[Any]:
        server = EdgeServer("127.0.0.1:0", EdgeService(ModelStore(None)))
        address = await server.start()
        name = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                call = channel.stream_stream(name)()
                answers = []
                for request in requests:
                    message = reflection_pb2.ServerReflectionRequest(**request)
                    await call.write(message.SerializeToString())
                    data = await call.read()
                    answers.append(reflection_pb2.ServerReflectionResponse.FromString(data))
                await call.done_writing()
                assert await call.read() is grpc.aio.EOF
                return answers
        finally:
            await server.stop(0)

    return asyncio.run(go())


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_tells_what_a_client_without_our_files_needs_to_call(version):
    listed, *files = reflected(
        {"list_services": "*"},
        {"file_containing_symbol": "inference.GRPCInferenceService.ModelInfer"},
        {"file_containing_symbol": "fusepath.v1.Edge"},
        version=version,
    )

    services = [item.name for item in listed.list_services_response.service]
    assert services == ["fusepath.v1.Edge", "inference.GRPCInferenceService"]
    pool = descriptor_pool.DescriptorPool()
    for answer in files:
        (data,) = answer.file_descriptor_response.file_descriptor_proto
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
    methods = pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name
    assert {*methods} == {*REPLIES}
    assert {*pool.FindServiceByName("fusepath.v1.Edge").methods_by_name} == {
        "Clock",
        "Profile",
        "Prepare",
    }


def test_reflection_says_what_there_is_not():
    answers = reflected(
        {"file_containing_symbol": "nobody.Knows"},
        {"file_by_filename": "/etc/passwd"},
        {"all_extension_numbers_of_type": "fusepath.v1.ClockRequest"},
        {},
    )

    assert [item.error_response.error_code for item in answers] == [5, 5, 5, 12]


def test_what_is_asked_of_reflection_is_not_taken_apart_however_long_it_is():
    dots = reflection_pb2.ServerReflectionRequest(file_containing_symbol="." * 2_000_000)
    assert reflection_answer(dots).error_response.error_code == 5
    inner = reflection_pb2.ServerReflectionRequest(file_containing_symbol="fusepath.v1.EdgeNot.X")
    assert reflection_answer(inner).error_response.error_code == 5
