"""Ask an edge server what Triton's client and gRPC's reflection client can; see docs/protocol.md.

    python tools/check_triton.py 127.0.0.1:7070

Needs tritonclient[grpc], grpcio-reflection and pillow, and nothing of fusepath.
"""

import io
import sys

import grpc
import numpy as np
import tritonclient.grpc as triton
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from PIL import Image
from tritonclient.utils import InferenceServerException

MODEL = "zoo:squeezenet"


def main() -> int:
    """Raise where something is not as it should be."""
    address = sys.argv[1]
    client = triton.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata().name == "fusepath"
    (about,) = client.get_model_metadata(MODEL).inputs
    pixels = np.random.default_rng(0).integers(0, 256, (*about.shape[2:], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")

    values = triton.InferInput(about.name, about.shape, about.datatype)
    scaled = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
    values.set_data_from_numpy(scaled)
    picture = triton.InferInput(about.name, [1], "BYTES")
    picture.set_data_from_numpy(np.array([file.getvalue()], dtype=object))
    outputs = [client.infer(MODEL, [given]).as_numpy("output") for given in (values, picture)]
    assert outputs[0].shape == (1, 1000)
    assert np.array_equal(*outputs)

    doubled = io.BytesIO()
    Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(doubled, "PNG")
    photo = triton.InferInput(about.name, [1], "BYTES")
    photo.set_data_from_numpy(np.array([doubled.getvalue()], dtype=object))
    assert refusal(client, photo) == "StatusCode.INVALID_ARGUMENT"
    photo._get_tensor().parameters["fit"].string_param = "crop"  # noqa: SLF001 # it has no other way
    assert client.infer(MODEL, [photo]).as_numpy("output").shape == (1, 1000)

    wrong = triton.InferInput(about.name, [1, 1], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 1), dtype=np.float32))
    assert refusal(client, wrong) == "StatusCode.INVALID_ARGUMENT"

    with grpc.insecure_channel(address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        services = found.get_services()
        assert {"fusepath.v1.Edge", "inference.GRPCInferenceService"} <= {*services}, services
        assert found.FindFileContainingSymbol("fusepath.v1.Edge").package == "fusepath.v1"
    print(f"as it should be: {', '.join(sorted(services))}")
    return 0


def refusal(client: triton.InferenceServerClient, given: triton.InferInput) -> str:
    """The status of what is refused."""
    try:
        client.infer(MODEL, [given])
    except InferenceServerException as error:
        return error.status()
    return "taken"


if __name__ == "__main__":
    sys.exit(main())
