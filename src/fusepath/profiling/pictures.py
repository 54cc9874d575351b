"""What decoding costs on both machines, where the input comes as encoded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.pictures.known import decoder_sha256
from fusepath.plan import PictureSource
from fusepath.profiling.codecs import least_network_s, least_s, total_s
from fusepath.runtime.pixels import to_model_input

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import PictureFrame
    from fusepath.plan import InputFormat, Setting

_REPEATS = 5


def measured_source(
    model: Model, frame: PictureFrame, form: InputFormat, setting: Setting
) -> PictureSource:
    """Time the decoding of a picture here, as it is on the machines of a setting.

    A machine that runs the network so many times slower than this one is taken to decode so many
    times slower as well.

    Args:
        model: the network.
        frame: a picture like those to come.
        form: how its pixels become values.
        setting: the machines.

    Raises:
        ImageError: it cannot be decoded.
    """
    values = to_model_input(frame.pixels(), form, model.graph.input.dtype)
    decode_s = least_s(frame.pixels, _REPEATS) / least_network_s(model, values)
    width, height = frame.file.size
    return PictureSource(
        chain=frame.chain,
        width=width,
        height=height,
        file_bytes=len(frame.file.data),
        format=frame.file.format,
        decoder_sha256=decoder_sha256(),
        device_decode_s=decode_s * total_s(setting, setting.device),
        edge_decode_s=decode_s * total_s(setting, setting.edge),
    )
