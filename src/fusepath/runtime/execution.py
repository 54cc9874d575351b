"""On what a machine computes: ONNX Runtime's execution providers, and threads."""

from __future__ import annotations

import json

import msgspec

from fusepath.errors import InputError
from fusepath.nearest import did_you_mean

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
}
"""What ONNX Runtime calls them, by what they are called here."""


class Execution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ONNX Runtime computes on.

    Raises:
        InputError: no provider, one that is not known, or one twice.
    """

    providers: tuple[str, ...] = ("cpu",)
    """Keys of `PROVIDERS`. A model goes to the first that takes it, and single operators that this
    one lacks to those behind it; operators that none has run on the processor."""
    threads: int = 1
    """Threads of one operator, where the processor computes."""

    def __post_init__(self) -> None:
        if not self.providers:
            raise InputError(f"no provider is named; known are {', '.join(PROVIDERS)}")
        for name in self.providers:
            if name not in PROVIDERS:
                raise InputError(
                    f"provider '{name}' is not known{did_you_mean(name, PROVIDERS)}; known are "
                    f"{', '.join(PROVIDERS)}"
                )
            if self.providers.count(name) > 1:
                raise InputError(f"provider '{name}' is named twice")

    @property
    def on_caller(self) -> bool:
        """Whether the thread that calls does all the computing, so that its clock tells of it."""
        return self.providers == ("cpu",) and self.threads == 1

    @property
    def on_card(self) -> bool:
        """Whether libraries of CUDA are needed."""
        return bool({"cuda", "tensorrt"} & set(self.providers))

    def named(self) -> list[str]:
        """The providers as ONNX Runtime calls them."""
        return [PROVIDERS[name] for name in self.providers]

    def options_of(self, provider: str) -> dict[str, str]:
        """What a provider is told: to compute in the model's own types, on so many threads."""
        match provider:
            case "cuda":
                # TF32 would round factors to eleven bits. Searching exhaustively for the quickest
                # convolution would begin anew for every shape of tile.
                return {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
            case "openvino":
                hints = {
                    "INFERENCE_PRECISION_HINT": "f32",
                    "INFERENCE_NUM_THREADS": str(self.threads),
                    "NUM_STREAMS": "1",
                }
                return {"device_type": "CPU", "load_config": json.dumps({"CPU": hints})}
            case "xnnpack":
                return {"intra_op_num_threads": str(self.threads)}
        return {}


ON_CPU = Execution()
"""One thread of the processor."""


def parse_providers(text: str) -> tuple[str, ...]:
    """Providers as they are named on a command line: ``cuda,cpu``.

    Raises:
        InputError: as of `Execution`.
    """
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    return Execution(providers=names).providers


def provider_text(execution: Execution) -> str:
    """For people."""
    return ", ".join(execution.providers)
