from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ClockRequest(_message.Message):
    __slots__ = ("padding", "reply_bytes", "answered_alone")
    PADDING_FIELD_NUMBER: _ClassVar[int]
    REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_ALONE_FIELD_NUMBER: _ClassVar[int]
    padding: bytes
    reply_bytes: int
    answered_alone: int
    def __init__(self, padding: _Optional[bytes] = ..., reply_bytes: _Optional[int] = ..., answered_alone: _Optional[int] = ...) -> None: ...

class ClockReply(_message.Message):
    __slots__ = ("edge_ns", "padding", "backlog_ns", "slowness", "instance")
    EDGE_NS_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_NS_FIELD_NUMBER: _ClassVar[int]
    SLOWNESS_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    edge_ns: int
    padding: bytes
    backlog_ns: int
    slowness: float
    instance: int
    def __init__(self, edge_ns: _Optional[int] = ..., padding: _Optional[bytes] = ..., backlog_ns: _Optional[int] = ..., slowness: _Optional[float] = ..., instance: _Optional[int] = ...) -> None: ...

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
    idle_ns: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, recipe_json: _Optional[bytes] = ..., idle_ns: _Optional[_Iterable[int]] = ...) -> None: ...

class PrepareReply(_message.Message):
    __slots__ = ("recipe_sha256", "path_ns", "tail_ns", "providers")
    RECIPE_SHA256_FIELD_NUMBER: _ClassVar[int]
    PATH_NS_FIELD_NUMBER: _ClassVar[int]
    TAIL_NS_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    recipe_sha256: str
    path_ns: _containers.RepeatedScalarFieldContainer[int]
    tail_ns: int
    providers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, recipe_sha256: _Optional[str] = ..., path_ns: _Optional[_Iterable[int]] = ..., tail_ns: _Optional[int] = ..., providers: _Optional[_Iterable[str]] = ...) -> None: ...
