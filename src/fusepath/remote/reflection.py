"""What services there are, as gRPC's reflection asks for it (grpc.reflection.v1 and v1alpha)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from fusepath.remote.wire import fusepath_pb2, open_inference_pb2
from fusepath.remote.wire import reflection_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_FILES = {file.name: file for file in (fusepath_pb2.DESCRIPTOR, open_inference_pb2.DESCRIPTOR)}
_SYMBOLS = {
    symbol.full_name: file
    for file in _FILES.values()
    for symbol in (*file.services_by_name.values(), *file.message_types_by_name.values())
}
_SERVICES = sorted(
    service.full_name for file in _FILES.values() for service in file.services_by_name.values()
)
_NOT_FOUND, _UNIMPLEMENTED = (
    code.value[0] for code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED)
)


def reflection_handlers() -> list[Any]:
    """For a server of gRPC: the same messages go under the names of two versions."""
    method = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(_answers)}
    return [
        grpc.method_handlers_generic_handler(f"grpc.reflection.{version}.ServerReflection", method)
        for version in ("v1", "v1alpha")
    ]


async def _answers(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for data in messages:
        try:
            request = pb.ServerReflectionRequest.FromString(data)
        except DecodeError:
            reason = "what came is no ServerReflectionRequest"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
        yield answer(request).SerializeToString()


def answer(request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
    """What there is of what is asked for."""
    response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
    match request.WhichOneof("message_request"):
        case "list_services":
            for name in _SERVICES:
                response.list_services_response.service.add(name=name)
        case "file_by_filename":
            _describe(response, _FILES.get(request.file_by_filename))
        case "file_containing_symbol":
            _describe(response, _file_of(request.file_containing_symbol))
        case "file_containing_extension" | "all_extension_numbers_of_type":
            _refuse(response, _NOT_FOUND, "there are no extensions here")
        case _:
            _refuse(response, _UNIMPLEMENTED, "this is not known here")
    return response


def _file_of(symbol: str) -> Any:
    """The file of a message or service, or of what lies within one."""
    # To take the symbol apart takes as long as whoever asks likes: it may be megabytes of dots.
    within = (file for name, file in _SYMBOLS.items() if f"{symbol}.".startswith(f"{name}."))
    return next(within, None)


def _describe(response: pb.ServerReflectionResponse, file: Any) -> None:
    if file is None:
        _refuse(response, _NOT_FOUND, "there is no such thing here")
    else:
        response.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)


def _refuse(response: pb.ServerReflectionResponse, code: int, reason: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = reason
