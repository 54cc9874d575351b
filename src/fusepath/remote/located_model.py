"""Where a model is that an edge server may run, and which one it must turn out to be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from fusepath.errors import ModelError, one_line
from fusepath.onnx_io import load_model
from fusepath.onnx_io.source import PREFIX as ZOO
from fusepath.plan import ModelReference

if TYPE_CHECKING:
    from fusepath.onnx_io import Model


class AnotherModelError(ModelError):
    """A model has another digest than it was asked for by."""

    def __init__(self, reference: ModelReference, sha256: str) -> None:
        self.sha256 = sha256
        super().__init__(
            f"'{one_line(reference.source)}' has SHA-256 {sha256[:12]} here, the device has "
            f"{reference.sha256[:12]}; use the same file and the same fusepath on both sides"
        )


class LocatedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that has been found, and not yet read."""

    reference: ModelReference
    """By which it was asked for."""
    source: bytes
    """Path of its file, as the system has it, or ``zoo:…``."""
    post: bytes | None = None
    """Path of the graph that comes behind it."""

    def load(self) -> Model:
        """Read it.

        Raises:
            ModelError: it cannot be read, or takes another input.
            AnotherModelError: it is another one.
        """
        reference = self.reference
        model = load_model(
            os.fsdecode(self.source),
            input_shape=None if self.built_in else reference.input_shape,
            post=None if self.post is None else os.fsdecode(self.post),
        )
        if model.graph.sha256 != reference.sha256:
            raise AnotherModelError(reference, model.graph.sha256)
        if model.graph.fed_shape != reference.input_shape:
            # What was held against the limit is not what would be run.
            raise ModelError(
                f"'{model.graph.name}' takes an input of {list(model.graph.fed_shape)}, but the "
                f"plan says {list(reference.input_shape)[:8]}; plan this model"
            )
        return model

    @property
    def built_in(self) -> bool:
        """Whether it is of the zoo."""
        return self.source.startswith(ZOO.encode())
