from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClockRequest(_message.Message):
    __slots__ = ("padding", "reply_bytes")
    PADDING_FIELD_NUMBER: _ClassVar[int]
    REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    padding: bytes
    reply_bytes: int
    def __init__(self, padding: _Optional[bytes] = ..., reply_bytes: _Optional[int] = ...) -> None: ...

class ClockReply(_message.Message):
    __slots__ = ("edge_ns", "padding")
    EDGE_NS_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    edge_ns: int
    padding: bytes
    def __init__(self, edge_ns: _Optional[int] = ..., padding: _Optional[bytes] = ...) -> None: ...

class DrillReply(_message.Message):
    __slots__ = ("busy_ns",)
    BUSY_NS_FIELD_NUMBER: _ClassVar[int]
    busy_ns: int
    def __init__(self, busy_ns: _Optional[int] = ...) -> None: ...

class ModelRequest(_message.Message):
    __slots__ = ("name", "sha256", "source", "input_shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    source: str
    input_shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ..., source: _Optional[str] = ..., input_shape: _Optional[_Iterable[int]] = ...) -> None: ...

class ProfileReply(_message.Message):
    __slots__ = ("profile_json",)
    PROFILE_JSON_FIELD_NUMBER: _ClassVar[int]
    profile_json: bytes
    def __init__(self, profile_json: _Optional[bytes] = ...) -> None: ...

class PrepareRequest(_message.Message):
    __slots__ = ("recipe_json", "idle_ns")
    RECIPE_JSON_FIELD_NUMBER: _ClassVar[int]
    IDLE_NS_FIELD_NUMBER: _ClassVar[int]
    recipe_json: bytes
    idle_ns: int
    def __init__(self, recipe_json: _Optional[bytes] = ..., idle_ns: _Optional[int] = ...) -> None: ...

class PrepareReply(_message.Message):
    __slots__ = ("recipe_sha256", "fusepath_version", "path_ns", "tail_ns")
    RECIPE_SHA256_FIELD_NUMBER: _ClassVar[int]
    FUSEPATH_VERSION_FIELD_NUMBER: _ClassVar[int]
    PATH_NS_FIELD_NUMBER: _ClassVar[int]
    TAIL_NS_FIELD_NUMBER: _ClassVar[int]
    recipe_sha256: str
    fusepath_version: str
    path_ns: _containers.RepeatedScalarFieldContainer[int]
    tail_ns: int
    def __init__(self, recipe_sha256: _Optional[str] = ..., fusepath_version: _Optional[str] = ..., path_ns: _Optional[_Iterable[int]] = ..., tail_ns: _Optional[int] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("name", "dtype", "shape", "data", "crc32", "codec")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    crc32: int
    codec: str
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ..., crc32: _Optional[int] = ..., codec: _Optional[str] = ...) -> None: ...

class Start(_message.Message):
    __slots__ = ("recipe_sha256",)
    RECIPE_SHA256_FIELD_NUMBER: _ClassVar[int]
    recipe_sha256: str
    def __init__(self, recipe_sha256: _Optional[str] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("path", "tensors")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    path: int
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, path: _Optional[int] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class Upload(_message.Message):
    __slots__ = ("start", "piece")
    START_FIELD_NUMBER: _ClassVar[int]
    PIECE_FIELD_NUMBER: _ClassVar[int]
    start: Start
    piece: Piece
    def __init__(self, start: _Optional[_Union[Start, _Mapping]] = ..., piece: _Optional[_Union[Piece, _Mapping]] = ...) -> None: ...

class EdgeSpan(_message.Message):
    __slots__ = ("path", "worker", "start_ns", "end_ns", "arrived_ns")
    PATH_FIELD_NUMBER: _ClassVar[int]
    WORKER_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    ARRIVED_NS_FIELD_NUMBER: _ClassVar[int]
    path: int
    worker: int
    start_ns: int
    end_ns: int
    arrived_ns: int
    def __init__(self, path: _Optional[int] = ..., worker: _Optional[int] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., arrived_ns: _Optional[int] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("path", "tensors")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    path: int
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, path: _Optional[int] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("tensors", "spans", "macs")
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    spans: _containers.RepeatedCompositeFieldContainer[EdgeSpan]
    macs: int
    def __init__(self, tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., spans: _Optional[_Iterable[_Union[EdgeSpan, _Mapping]]] = ..., macs: _Optional[int] = ...) -> None: ...

class Download(_message.Message):
    __slots__ = ("result", "part")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    result: Result
    part: Part
    def __init__(self, result: _Optional[_Union[Result, _Mapping]] = ..., part: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...
