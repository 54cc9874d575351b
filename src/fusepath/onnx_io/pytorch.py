"""PyTorch modules: exported to ONNX and read, by either of PyTorch's exporters."""

from __future__ import annotations

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
        module: a ``torch.nn.Module`` with one input; its mode and its weights are left alone.
        example: an input, as tensor or numpy array; the network is made for its shape.
        exporter: the current exporter of PyTorch, or the one before it.

    Raises:
        InputError: PyTorch is not installed, or this is no module.
        ModelError: PyTorch cannot export it, or what it exports cannot be read.
    """
    torch = _imported()
    if not is_module(module):
        raise InputError(f"{type(module).__name__} is no torch.nn.Module; give a module")
    name = type(module).__name__
    value = example if isinstance(example, torch.Tensor) else torch.from_numpy(np.array(example))
    with tempfile.TemporaryDirectory(prefix="fusepath-") as folder, _for_inference(module):
        file = Path(folder, "model.onnx")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    module, (value,), file, dynamo=exporter == "dynamo", verbose=False
                )
        except ModuleNotFoundError as error:
            raise _missing(error) from error
        except Exception as error:
            other = "torchscript" if exporter == "dynamo" else "dynamo"
            raise bad_model(
                name,
                f"PyTorch cannot export it: {one_line(error)}; try exporter='{other}'",
            ) from error
        data = read_files(file).as_one_file(name=name)
    return read_model(data, name=name, source=f"{name}.onnx")


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
