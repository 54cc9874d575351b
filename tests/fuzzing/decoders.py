"""What decodes something from outside, with good inputs for it, and how it may refuse."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from fusepath import jsonfile
from fusepath.cost import ComputeRate, LayerTime, Link, MachineProfile, parse_link
from fusepath.errors import FusepathError
from fusepath.graph import ModelGraph
from fusepath.onnx_io import load_model, read_model
from fusepath.pictures.decoding import FORWARDED, PictureFile
from fusepath.pictures.frame import PictureFrame, decode_within
from fusepath.plan import (
    Fit,
    Plan,
    PlanBook,
    PlanRequest,
    Preprocessing,
    Recipe,
    Setting,
    check_plan,
    check_recipe,
    make_book,
)
from fusepath.plan.plan_file import plan_document, plan_of_document
from fusepath.protocol.conversation import ProtocolError
from fusepath.protocol.framing import (
    WIRE_VERSION,
    Begin,
    Drill,
    Drilled,
    EdgeSpan,
    GiveUp,
    Hello,
    Part,
    Piece,
    RawTensor,
    RefusalKind,
    Refused,
    Result,
    Reused,
    decode,
    encode,
)
from fusepath.protocol.framing.header import HEADER_BYTES
from fusepath.remote.open_inference.tensors import answer, given
from fusepath.remote.reflection import answer as reflected
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import fusepath_pb2, open_inference_pb2, reflection_pb2
from fusepath.runtime.codecs import CODECS
from fusepath.runtime.coders import DamagedError
from tests.fuzzing.mutations import Mutation, changed_bytes, changed_json
from tests.plans import plan_of, stream_plan

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that were found, by decoder: each is tried as well, and changed further."""


@dataclass(frozen=True)
class Decoder:
    """Takes bytes in, or refuses them."""

    name: str
    made: Callable[[], list[bytes]]
    """Good inputs."""
    decode: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    """How it says no: in one line."""
    mutation: Mutation

    @property
    def seeds(self) -> list[bytes]:
        """Good inputs, and those that were found."""
        folder = CORPUS / self.name
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [*self.made(), *(file.read_bytes() for file in found)]


@cache
def graph() -> ModelGraph:
    return load_model("zoo:squeezenet?size=32&weights=integer").graph


# ---------------------------------------------------------------------------- the stream


def messages() -> list[bytes]:
    tensors = [RawTensor(bytes(range(50))), RawTensor(b"", True)]
    spans = [EdgeSpan(1, 0, 1, 2, 3), EdgeSpan(0, 0, 4, 5, 6)]
    return [
        encode(message)
        for message in (
            Hello(WIRE_VERSION, "1.2.3"),
            Begin(1, 2, "ab" * 32, 10**6, tensors, 1, [1, 2], [Reused(3, 1)]),
            Piece(1, 3, tensors),
            Part(1, 3, tensors),
            Result(1, 10**9, spans, tensors),
            Refused(1, RefusalKind.EXHAUSTED, "no room", 50),
            GiveUp(1),
            Drill(2, 3, tensors),
            Drilled(2, 10**6),
        )
    ]


def changed_message(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Changed bytes, mostly under checksums and a size that are right."""
    data = changed_bytes(rng, seeds)
    if len(data) < HEADER_BYTES or rng.randrange(8) == 0:
        return data
    body = data[HEADER_BYTES:]
    head = data[:16] + struct.pack("<II", len(body), zlib.crc32(body))
    return head + struct.pack("<I", zlib.crc32(head)) + body


def encoded_tensors() -> list[bytes]:
    rng = np.random.default_rng(0)
    return [
        bytes([place]) + codec.encode(value)
        for place, codec in enumerate(CODECS.values())
        for value in (_tensor(rng, name=list(CODECS)[place]),)
    ]


def _tensor(rng: np.random.Generator, name: str) -> np.ndarray:
    pixels = rng.integers(0, 9, _SHAPE, dtype=np.uint8)
    return pixels if name == "picture" else pixels.astype(np.float32) / np.float32(255)


_SHAPE = (1, 3, 8, 9)


def decode_tensor(data: bytes) -> object:
    """The first byte says with which codec."""
    name = list(CODECS)[data[0] % len(CODECS)] if data else "zstd"
    dtype = np.dtype(np.uint8 if name == "picture" else np.float32)
    return CODECS[name].decode(data[1:], dtype, _SHAPE)


# ---------------------------------------------------------------------------- files


def plans() -> list[Plan]:
    model = load_model("zoo:squeezenet?size=32&weights=integer")
    return [
        plan_of(model, tau=4, grid=(2, 2), cuts=[1, 3, 5, 2]),
        stream_plan(model, 4, [(0, 6, 1, 3)]),
        plan_of(model),
    ]


def plan_files() -> list[bytes]:
    return [jsonfile.encode(plan_document(plan)) for plan in plans()]


def decode_plan(data: bytes) -> object:
    document = jsonfile.decode_object(data, Plan, where="a file")
    plan = plan_of_document(document, where="a file")
    check_plan(plan, graph())
    return plan


def recipes() -> list[bytes]:
    return [jsonfile.encode(plan.recipe) for plan in plans()]


def decode_recipe(data: bytes) -> object:
    recipe = jsonfile.decode(data, Recipe, where="the recipe sent")
    digest = recipe.sha256
    check_recipe(recipe, graph())
    return digest


def profiles() -> list[bytes]:
    layers = tuple(
        LayerTime(name=layer.name, seconds=0.001, fixed_s=0.0001) for layer in graph().layers
    )
    return [jsonfile.encode(MachineProfile(model_sha256=graph().sha256, layers=layers))]


def decode_profile(data: bytes) -> object:
    profile = jsonfile.decode(data, MachineProfile, where="a file")
    profile.check(graph())
    return profile


def links() -> list[bytes]:
    full = Link(
        up_bytes_per_s=1e6,
        down_bytes_per_s=4e6,
        delay_s=0.002,
        message_bytes=90,
        message_device_s=1e-4,
        message_edge_s=2e-4,
    )
    return [jsonfile.encode(full), jsonfile.encode(parse_link("1.8MB/s"))]


def books() -> list[bytes]:
    setting = Setting(
        graph=graph(), device=ComputeRate(1e9), edge=ComputeRate(1e11), link=parse_link("1MB/s")
    )
    request = PlanRequest(algorithm="nfl")
    return [jsonfile.encode(make_book(setting, (1e6, 1.2e6), request, most=2, probes=0))]


def decode_book(data: bytes) -> object:
    book = jsonfile.decode(data, PlanBook, where="a file")
    for entry in book.entries:
        check_plan(entry.plan, graph())
    return book


def onnx_files() -> list[bytes]:
    weights = np.ones((2, 3, 3, 3), dtype=np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["p"], ["s"]),
        helper.make_node("Reshape", ["p", "s"], ["q"]),
        helper.make_node("Concat", ["p", "q"], ["output"], axis=1),
    ]
    net = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4, 4, 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(net, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return [model.SerializeToString(deterministic=True)]


def decode_onnx(data: bytes) -> object:
    return read_model(data, name="net", source="net.onnx")


def picture_files() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    files = []
    for form in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, form)
        files.append(file.getvalue())
    return files


def decode_picture(data: bytes) -> object:
    chain = Preprocessing(fit=Fit.STRETCH)
    return decode_within(
        FORWARDED, PictureFrame(PictureFile(data, "the file"), chain, (1, 3, 8, 8))
    )


# ---------------------------------------------------------------------------- calls


def open_inference_requests() -> list[bytes]:
    pb = open_inference_pb2
    numbers = pb.InferTensorContents(fp32_contents=[0.5] * 12)
    image = {"name": "image", "datatype": "FP32", "shape": [1, 3, 2, 2]}
    said = {"fit": pb.InferParameter(string_param="crop")}
    files = {"name": "image", "datatype": "BYTES", "shape": [2], "parameters": said}
    return [
        pb.ModelInferRequest(
            model_name="net",
            inputs=[image],
            raw_input_contents=[bytes(48)],
            outputs=[{"name": "y"}],
        ).SerializeToString(),
        pb.ModelInferRequest(
            model_name="net", inputs=[image | {"contents": numbers}]
        ).SerializeToString(),
        pb.ModelInferRequest(
            model_name="net", inputs=[files], raw_input_contents=[b"\1\0\0\0a\2\0\0\0bc"]
        ).SerializeToString(),
    ]


def decode_open_inference(data: bytes) -> object:
    request = open_inference_pb2.ModelInferRequest.FromString(data)
    values = {name: v for name, v in given(request).items() if not isinstance(v, list)}
    return answer(values, raw=bool(request.raw_input_contents))


def reflection_requests() -> list[bytes]:
    kind = reflection_pb2.ServerReflectionRequest
    return [
        kind(list_services="*").SerializeToString(),
        kind(file_containing_symbol="fusepath.v1.Edge.Clock").SerializeToString(),
        kind(file_by_filename="fusepath/remote/wire/fusepath.proto").SerializeToString(),
    ]


def calls() -> list[bytes]:
    pb = fusepath_pb2
    return [
        pb.ClockRequest(padding=b"x" * 9, reply_bytes=7).SerializeToString(),
        pb.ModelRequest(
            name="net", sha256="0" * 64, source="zoo:vgg16", input_shape=[1, 3, 4, 4]
        ).SerializeToString(),
        pb.PrepareRequest(recipe_json=b"{}", idle_ns=[5]).SerializeToString(),
    ]


def decode_calls(data: bytes) -> object:
    pb = fusepath_pb2
    for kind in (pb.ClockRequest, pb.ModelRequest, pb.PrepareRequest):
        kind.FromString(data)
    return None


_FILE = (FusepathError,)

DECODERS = {
    decoder.name: decoder
    for decoder in (
        Decoder("wire", messages, decode, (ProtocolError,), changed_message),
        Decoder("codecs", encoded_tensors, decode_tensor, (DamagedError,), changed_bytes),
        Decoder("recipe", recipes, decode_recipe, _FILE, changed_json),
        Decoder("plan", plan_files, decode_plan, _FILE, changed_json),
        Decoder("profile", profiles, decode_profile, _FILE, changed_json),
        Decoder(
            "link",
            links,
            partial(jsonfile.decode, kind=Link, where="a file"),
            _FILE,
            changed_json,
        ),
        Decoder("book", books, decode_book, _FILE, changed_json),
        Decoder("onnx", onnx_files, decode_onnx, _FILE, changed_bytes),
        Decoder("picture", picture_files, decode_picture, _FILE, changed_bytes),
        Decoder(
            "open-inference",
            open_inference_requests,
            decode_open_inference,
            (DecodeError, Refusal),
            changed_bytes,
        ),
        Decoder("calls", calls, decode_calls, (DecodeError,), changed_bytes),
        Decoder(
            "reflection",
            reflection_requests,
            lambda data: reflected(reflection_pb2.ServerReflectionRequest.FromString(data)),
            (DecodeError,),
            changed_bytes,
        ),
    )
}
