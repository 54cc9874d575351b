"""PyTorch modules: exported to ONNX and read, by either of PyTorch's exporters."""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fusepath.errors import InputError, one_line
from fusepath.onnx_io.complaint import bad_model
from fusepath.onnx_io.files import read_files
from fusepath.onnx_io.read import read_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from fusepath.onnx_io.model import Model


_COLOURS = re.compile(r"\x1b\[[\d;]*m")
"""In which PyTorch writes what it has to say."""


def is_module(value: object) -> bool:
    """Whether this is a PyTorch module; PyTorch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def from_torch(
    module: Any, example: Any, *, exporter: Literal["dynamo", "torchscript"] = "dynamo"
) -> Model:
    """The network of a PyTorch module, for inference.

    An edge server needs the same model: write it down with `Model.save`.

    Args:
        module: a ``torch.nn.Module``; its mode and its weights are left alone.
        example: an input, as tensor or numpy array, or a tuple of all inputs in their order; the
            network is made for their shapes.
        exporter: the current exporter of PyTorch, or the one before it.

    Raises:
        InputError: PyTorch is not installed, this is no module, or that no example.
        ModelError: PyTorch cannot export it, or what it exports cannot be read.
    """
    torch = _imported()
    if not is_module(module):
        raise InputError(f"{type(module).__name__} is no torch.nn.Module; give a module")
    name = type(module).__name__
    given = tuple(example) if isinstance(example, tuple | list) else (example,)
    values = tuple(_tensor(torch, item) for item in given)
    # The current exporter takes names from the module; the one before would make them up.
    names = None if exporter == "dynamo" else _input_names(module, len(values))
    with tempfile.TemporaryDirectory(prefix="fusepath-") as folder, _for_inference(module):
        file = Path(folder, "model.onnx")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    module,
                    values,
                    file,
                    input_names=names,
                    dynamo=exporter == "dynamo",
                    verbose=False,
                )
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        except Exception as error:
            other = "torchscript" if exporter == "dynamo" else "dynamo"
            reason = one_line(_COLOURS.sub("", str(error)))
            raise bad_model(
                name, f"PyTorch cannot export it: {reason}; try exporter='{other}'"
            ) from error
        data = read_files(file).as_one_file(name=name)
    return read_model(data, name=name, source=f"{name}.onnx")


def _tensor(torch: ModuleType, value: Any) -> Any:
    """One input as a tensor.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, torch.Tensor):
        return value
    try:
        return torch.from_numpy(np.array(value))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a module needs an example of its input, not {type(value).__name__}; give a tensor or "
            f"an array, or a tuple of them for several inputs"
        ) from error


def _input_names(module: Any, count: int) -> list[str] | None:
    """What the module calls its first inputs; None where it does not say."""
    parameters = list(inspect.signature(module.forward).parameters.values())[:count]
    named = all(
        item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD} for item in parameters
    )
    return [item.name for item in parameters] if named and len(parameters) == count else None


def _imported() -> ModuleType:
    try:
        import torch  # noqa: PLC0415 - large, and needed here alone
    except ImportError as error:
        raise _missing(error) from error
    found: ModuleType = torch
    return found


def _missing(error: ImportError) -> InputError:
    return InputError(
        f"a PyTorch module needs '{error.name or 'torch'}', which is not installed: "
        f"pip install 'fusepath[torch]'"
    )


@contextmanager
def _for_inference(module: Any) -> Iterator[None]:
    """The module in evaluation mode; afterwards each part is in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.train(False)
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
