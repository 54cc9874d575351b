"""What decoding costs on both machines, where the input comes as encoded pictures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fusepath.pictures.known import decoder_sha256
from fusepath.plan import FORWARDED_FORMATS, PictureSource
from fusepath.profiling.codecs import least_network_s, least_s, total_s
from fusepath.runtime.pixels import to_model_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import PictureFrame
    from fusepath.plan import InputFormat, Setting

_REPEATS = 5


@dataclass(frozen=True, slots=True)
class TriedFiles:
    """Files like those to come, and what decoding them takes.

    Args:
        typical: one that stands for all; its times are those of a machine that runs the network in
            a second.
    """

    typical: PictureSource

    def on(self, setting: Setting) -> PictureSource:
        """The same on the machines of a setting.

        A machine that runs the network so many times slower than this one is taken to decode so
        many times slower as well.
        """
        return msgspec.structs.replace(
            self.typical,
            device_decode_s=self.typical.device_decode_s * total_s(setting, setting.device),
            edge_decode_s=self.typical.edge_decode_s * total_s(setting, setting.edge),
        )


def try_files(model: Model, frames: Sequence[PictureFrame], form: InputFormat) -> TriedFiles:
    """Time the decoding of pictures here: the mean of them stands for all.

    Args:
        model: the network.
        frames: pictures like those to come, at least one, of one chain.
        form: how their pixels become values.

    Raises:
        ImageError: one cannot be decoded.
    """
    first = frames[0]
    values = to_model_input(first.pixels(), form, model.graph.input.dtype)
    decode_s = statistics.fmean(least_s(frame.pixels, _REPEATS) for frame in frames)
    relative = decode_s / least_network_s(model, values)
    formats = [frame.file.format for frame in frames]
    refused = [name for name in formats if name not in FORWARDED_FORMATS]
    width, height = (
        round(statistics.fmean(sides)) for sides in zip(*(f.file.size for f in frames), strict=True)
    )
    return TriedFiles(
        PictureSource(
            chain=first.chain,
            width=width,
            height=height,
            file_bytes=round(statistics.fmean(len(frame.file.data) for frame in frames)),
            format=(refused or formats)[0],  # where some are not forwarded, none is planned to be
            decoder_sha256=decoder_sha256(),
            device_decode_s=relative,
            edge_decode_s=relative,
        )
    )


def measured_source(
    model: Model, frame: PictureFrame, form: InputFormat, setting: Setting
) -> PictureSource:
    """`try_files` of one picture, as it is on the machines of a setting.

    Raises:
        ImageError: it cannot be decoded.
    """
    return try_files(model, [frame], form).on(setting)
