"""What inputs like those to come show of codecs and of files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fusepath.pictures.frame import PictureFrame, pixels_of
from fusepath.profiling.codecs import TriedCodecs, mean_of, try_codecs
from fusepath.profiling.pictures import TriedFiles, try_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import Frame
    from fusepath.plan import InputFormat, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What codecs save and cost on this machine, and what decoding takes where inputs are files."""

    codecs: TriedCodecs
    files: TriedFiles | None = None

    def on(self, setting: Setting) -> Setting:
        """The setting with both, as they are on its machines."""
        source = None if self.files is None else self.files.on(setting)
        return replace(self.codecs.on(setting), source=source)


def try_samples(
    model: Model, frames: Sequence[Frame], form: InputFormat, *, codecs: Sequence[str]
) -> Samples:
    """Try codecs on inputs, and time how long they take to decode where all of them are pictures.

    Args:
        model: the network.
        frames: inputs like those to come, at least one.
        form: how they travel.
        codecs: names; without any, none is tried.

    Raises:
        InputError: a codec is unknown or not installed.
        ImageError: one is not the model's input.
    """
    tried = [try_codecs(model, pixels_of(frame), form, codecs=codecs) for frame in frames]
    files = [frame for frame in frames if isinstance(frame, PictureFrame)]
    forwarded = len(files) == len(frames) and form.dtype == "uint8"
    return Samples(
        codecs=mean_of(tried), files=try_files(model, files, form) if forwarded else None
    )
