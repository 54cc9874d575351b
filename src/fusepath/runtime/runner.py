"""Running an ONNX model: the only place that knows ONNX Runtime."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager, redirect_stdout
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import onnxruntime as ort

from fusepath.cancellation import check_cancelled
from fusepath.errors import InputError, ModelError
from fusepath.runtime.execution import ON_CPU, PROVIDERS, Execution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fusepath.arrays import Array

logger = logging.getLogger(__name__)

Level = Literal["all", "extended", "basic", "off"]
LEVELS: tuple[Level, ...] = ("all", "extended", "basic", "off")
"""Of optimisation, as ONNX Runtime knows them; the first is its default."""
_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_SILENT, _USUAL = 4, 2
"""What ONNX Runtime writes to standard error: what is fatal, or warnings as well."""

_NO_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate memory")
"""By which ONNX Runtime says that there was not enough."""


class Runner:
    """One ONNX Runtime session, on the first provider that takes the model.

    Args:
        data: a serialised ONNX model.
        weights: values of the constants that it declares as external data; they are not copied.
        outputs: names to return, in this order; None returns all.
        execution: what to compute on; one thread keeps a shared machine predictable.
        level: how far ONNX Runtime may rewrite the model before it runs.

    Raises:
        ModelError: ONNX Runtime cannot load the model.
        MemoryError: there is not enough for it.
    """

    def __init__(
        self,
        data: bytes,
        *,
        weights: Mapping[str, Array] = MappingProxyType({}),
        outputs: Sequence[str] | None = None,
        execution: Execution = ON_CPU,
        level: Level = "all",
    ) -> None:
        check_cancelled()
        # The session points into these, and ONNX Runtime does not keep them alive.
        self._weights = {
            name: ort.OrtValue.ortvalue_from_numpy(value) for name, value in weights.items()
        }
        self._session, self.provider = self._first_session(data, execution, level)
        self.outputs = (
            tuple(outputs)
            if outputs is not None
            else tuple(item.name for item in self._session.get_outputs())
        )

    def _first_session(
        self, data: bytes, execution: Execution, level: Level
    ) -> tuple[ort.InferenceSession, str]:
        """A session, and the provider (a key of `PROVIDERS`) that took the model."""
        left = execution
        while True:
            provider, *others = left.providers
            try:
                return self._session_on(data, left, level), provider
            except ModelError as error:
                if not others:
                    raise
                left = msgspec.structs.replace(left, providers=tuple(others))
                _say_once(f"{provider} refuses a model, {others[0]} is tried: {error}")

    def _session_on(self, data: bytes, execution: Execution, level: Level) -> ort.InferenceSession:
        if execution.on_card:
            _load_libraries()
        _register_allocator()
        options = ort.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.intra_op_num_threads = execution.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = _LEVELS[level]
        options.log_severity_level = _SILENT  # errors come back as exceptions
        # Spinning threads would steal the core from whoever shares it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        try:
            session = ort.InferenceSession(
                data,
                sess_options=options,
                providers=execution.named(),
                provider_options=[execution.options_of(name) for name in execution.providers],
                enable_fallback=0,  # which would print, and forget the options
            )
        except Exception as error:
            raise _failed("load", error) from error
        # Providers whose libraries are missing are left out in silence.
        if execution.named()[0] not in session.get_providers():
            raise ModelError(f"ONNX Runtime cannot start {execution.named()[0]} on this machine")
        return session

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name.

        Raises:
            ModelError: ONNX Runtime cannot run the model on these inputs.
            MemoryError: there is not enough for it.
        """
        check_cancelled()
        try:
            values = self._session.run(list(self.outputs), dict(inputs))
        except Exception as error:
            raise _failed("run", error) from error
        return {name: np.asarray(value) for name, value in zip(self.outputs, values, strict=True)}


def usable(execution: Execution) -> Execution:
    """The same on those of its providers that compute here; of the others a line each tells why.

    Raises:
        InputError: there is none.
    """
    if execution.providers == ON_CPU.providers:
        return execution
    with _silence():
        why_not = {name: _why_not(name) for name in execution.providers}
    names = [name for name, reason in why_not.items() if reason is None]
    if not names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in why_not.items())
        raise InputError(f"no provider computes here ({reasons}); add cpu, which does")
    for name, reason in why_not.items():
        if reason is not None:
            _say_once(f"{name} is left out: {reason}")
    return msgspec.structs.replace(execution, providers=tuple(names))


def _why_not(provider: str) -> str | None:
    """Why a provider does not compute on this machine; None where it does."""
    from fusepath.onnx_io import TRIAL_INPUT, TRIAL_SHAPE, trial_model  # noqa: PLC0415 - rarely

    if PROVIDERS[provider] not in available_providers():
        return f"this ONNX Runtime ({ort.__version__}) is built without {PROVIDERS[provider]}"
    try:
        runner = Runner(trial_model(), execution=Execution(providers=(provider,)))
        runner.run({TRIAL_INPUT: np.ones(TRIAL_SHAPE, np.float32)})
    except ModelError as error:
        return str(error)
    return None


@contextmanager
def _silence() -> Iterator[None]:
    """Libraries that are missing are told of by an exception, and not besides."""
    ort.set_default_logger_severity(_SILENT)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_USUAL)


@cache
def _load_libraries() -> None:
    """Those of CUDA that are installed as Python packages; ONNX Runtime finds others by itself."""
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None:
        with redirect_stdout(io.StringIO()):  # what is missing shows when a session is made
            preload()


@cache
def _register_allocator() -> None:
    """One arena for all sessions of this process.

    A plan has a session for every path and segment, and as many plans are ready as links may need;
    each would keep room of its own for the maps of a network, of which few are in use at a time.
    """
    on_processor = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    ort.create_and_register_allocator(on_processor, None)


@cache
def _say_once(text: str) -> None:
    logger.warning("%s", text)


def runtime_version() -> str:
    """Name and version of the engine."""
    return f"onnxruntime {ort.__version__}"


def available_providers() -> list[str]:
    """What this build of ONNX Runtime can run on, the preferred first."""
    found: list[str] = ort.get_available_providers()
    return found


def _failed(doing: str, error: Exception) -> Exception:
    reason = _first_line(error)
    if any(sign in reason for sign in _NO_MEMORY):
        return MemoryError(reason)
    return ModelError(f"ONNX Runtime cannot {doing} the model: {reason}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
