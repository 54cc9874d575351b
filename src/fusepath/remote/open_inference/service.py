"""Answers to calls of the Open Inference Protocol, version 2, for whole models."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from fusepath.errors import FusepathError, ModelError, SettingError
from fusepath.plan import Fit, InputFormat, Preprocessing
from fusepath.protocol.admission import Cost
from fusepath.protocol.framing import RefusalKind
from fusepath.remote.limits import LONGEST_REQUEST_S
from fusepath.remote.open_inference.tensors import (
    DATATYPES,
    answer,
    given,
    malformed,
    parameters,
)
from fusepath.remote.transport import Refusal
from fusepath.remote.wire import open_inference_pb2 as pb
from fusepath.remote.workers import nanoseconds
from fusepath.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.protocol.admission import Admission
    from fusepath.protocol.framing import EdgeSpan
    from fusepath.remote.metrics import Metrics
    from fusepath.remote.open_inference.whole_model import Described, WholeModel
    from fusepath.remote.workers import Workers

VERSIONS = ("", "1")
"""Of every model there is one."""
_PICTURE = ("fit", "mean", "std")
"""Parameters of an input that is a picture."""


class Caller(NamedTuple):
    """Who calls, and how long it waits."""

    peer: str
    left_s: float


class Host(Protocol):
    """What the edge server does for all who call."""

    workers: Workers
    admission: Admission
    metrics: Metrics

    def holds(self, name: str) -> bool:
        """Whether there is a model of a name."""

    async def whole_model(self, name: str, peer: str) -> WholeModel:
        """A model by its name, ready to run.

        Raises:
            Refusal: there is none, or no room for it.
        """


class OpenInference:
    """Answers calls; all raise `Refusal` where the answer is no.

    Args:
        host: whose models and workers these are.
        serves: whether it takes on what is new.
    """

    def __init__(self, host: Host, serves: Callable[[], bool]) -> None:
        self._host = host
        self._serves = serves

    async def server_live(self, _: pb.ServerLiveRequest, __: Caller) -> pb.ServerLiveResponse:
        """It answers."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, __: Caller) -> pb.ServerReadyResponse:
        """Until it is told to end."""
        return pb.ServerReadyResponse(ready=self._serves())

    async def server_metadata(
        self, _: pb.ServerMetadataRequest, __: Caller
    ) -> pb.ServerMetadataResponse:
        """Name and version."""
        return pb.ServerMetadataResponse(name="fusepath", version=VERSION)

    async def model_ready(self, request: pb.ModelReadyRequest, _: Caller) -> pb.ModelReadyResponse:
        """Whether it is there; it is built when it is used."""
        there = request.version in VERSIONS and await asyncio.to_thread(
            self._host.holds, request.name
        )
        return pb.ModelReadyResponse(ready=there and self._serves())

    async def model_metadata(
        self, request: pb.ModelMetadataRequest, caller: Caller
    ) -> pb.ModelMetadataResponse:
        """Inputs and outputs, as the model's owner knows them."""
        model = await self._model(request.name, request.version, caller)
        return pb.ModelMetadataResponse(
            name=request.name,
            versions=["1"],
            platform="onnxruntime_onnx",
            inputs=map(_metadata, model.inputs),
            outputs=map(_metadata, model.outputs),
        )

    async def model_infer(
        self, request: pb.ModelInferRequest, caller: Caller
    ) -> pb.ModelInferResponse:
        """Run a whole model, when it is the caller's turn on a worker."""
        model = await self._model(request.model_name, request.model_version, caller)
        feeds = _feeds(request, model)
        wanted = _wanted(request, model)
        come_bytes = request.ByteSize()
        self._host.metrics.received_bytes += come_bytes
        cost = Cost(model.cost.work_s, model.cost.bytes + come_bytes)
        made, span = await self._computed(caller, cost, partial(_run, model, feeds))
        self._host.metrics.served([span])
        response = answer(
            {name: made[name] for name in wanted}, raw=bool(request.raw_input_contents)
        )
        response.model_name, response.model_version = request.model_name, "1"
        response.id = request.id
        self._host.metrics.sent_bytes += response.ByteSize()
        return response

    async def _model(self, name: str, version: str, caller: Caller) -> WholeModel:
        if version not in VERSIONS:
            raise Refusal(RefusalKind.UNFIT, "of every model there is version 1 here, and no other")
        return await self._host.whole_model(name, caller.peer)

    async def _computed(
        self, caller: Caller, cost: Cost, run: Callable[[], dict[str, Array]]
    ) -> tuple[dict[str, Array], EdgeSpan]:
        """Have something run on a worker, if there is room for it."""
        host, loop = self._host, asyncio.get_running_loop()
        left_s = min(caller.left_s, LONGEST_REQUEST_S)
        busy = host.admission.begin(caller.peer, cost, left_s=left_s, load=host.workers.load)
        if busy is not None:
            raise Refusal.of(busy)
        done: asyncio.Future[tuple[dict[str, Array], EdgeSpan]] = loop.create_future()

        def work() -> None:
            if done.done():  # nobody waits for it any more
                return
            try:
                settle = partial(_settle, done, host.workers.timed(run))
            except BaseException as error:
                settle = partial(_settle, done, error)
            with suppress(RuntimeError):  # the loop may be gone
                loop.call_soon_threadsafe(settle)

        work_ns = nanoseconds(cost.work_s)
        host.workers.expect(work_ns)
        host.workers.submit(caller.peer, work, cost.work_s)
        try:
            async with asyncio.timeout(left_s):
                return await done
        except TimeoutError:
            reason = "the deadline passed before it was done"
            raise Refusal(RefusalKind.SILENT, reason) from None
        except MemoryError:
            raise Refusal(RefusalKind.EXHAUSTED, "not enough memory here") from None
        except ModelError as error:
            raise Refusal(RefusalKind.UNFIT, str(error)) from error
        except FusepathError as error:
            raise malformed(str(error)) from error
        finally:
            host.workers.expect(-work_ns)
            host.admission.end(caller.peer, cost)


def _settle(
    done: asyncio.Future[tuple[dict[str, Array], EdgeSpan]],
    result: tuple[dict[str, Array], EdgeSpan] | BaseException,
) -> None:
    if done.done():
        return
    if isinstance(result, BaseException):
        done.set_exception(result)
    else:
        done.set_result(result)


def _metadata(described: Described) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=described.name, datatype=DATATYPES[described.dtype], shape=described.shape
    )


class _Pictures(NamedTuple):
    """The first input as files, and how it is made of them."""

    files: list[bytes]
    chain: Preprocessing
    form: InputFormat


def _feeds(request: pb.ModelInferRequest, model: WholeModel) -> Mapping[str, Array | _Pictures]:
    """The inputs of a request, as those of the model.

    Raises:
        Refusal: there are others.
    """
    values = given(request)
    names = [described.name for described in model.inputs]
    if values.keys() != set(names):
        raise malformed(f"inputs {sorted(values)} were sent; the model takes {sorted(names)}")
    said = {tensor.name: parameters(tensor) for tensor in request.inputs}
    feeds: dict[str, Array | _Pictures] = {}
    for described in model.inputs:
        name, value = described.name, values[described.name]
        if isinstance(value, list) and name == names[0]:
            feeds[name] = _Pictures(value, *_how(name, said[name]))
            continue
        _check_known(f"input '{name}'", said[name], ())
        if isinstance(value, list) or (value.dtype.name, value.shape) != described[1:]:
            datatype = DATATYPES[described.dtype]
            raise malformed(f"input '{name}' takes {datatype} of {list(described.shape)}")
        feeds[name] = value
    return feeds


def _how(name: str, said: Mapping[str, object]) -> tuple[Preprocessing, InputFormat]:
    """How pictures become an input, by its parameters."""
    _check_known(f"input '{name}'", said, _PICTURE)
    try:
        chain = Preprocessing(fit=Fit(str(said.get("fit", "exact"))))
        form = InputFormat()
        for key in said.keys() & {"mean", "std"}:
            numbers = tuple(map(float, str(said[key]).split(",")))
            form = msgspec.structs.replace(form, **{key: numbers})
    except (SettingError, msgspec.ValidationError, ValueError) as error:
        raise malformed(f"input '{name}': {error}") from error
    return chain, form


def _check_known(what: str, said: Mapping[str, object], known: Sequence[str]) -> None:
    if unknown := sorted(said.keys() - set(known)):
        raise malformed(f"{what} has a parameter '{unknown[0]}', which is not known here")


def _wanted(request: pb.ModelInferRequest, model: WholeModel) -> list[str]:
    """Names of the outputs that are asked for; all of them where none is."""
    names = [described.name for described in model.outputs]
    for output in request.outputs:
        _check_known(f"output '{output.name}'", parameters(output), ())
        if output.name not in names:
            raise malformed(f"there is no output '{output.name}'; there are {names}")
    return list(dict.fromkeys(output.name for output in request.outputs)) or names


def _run(model: WholeModel, feeds: Mapping[str, Array | _Pictures]) -> dict[str, Array]:
    return model.run(
        {
            name: model.from_pictures(*value) if isinstance(value, _Pictures) else value
            for name, value in feeds.items()
        }
    )
