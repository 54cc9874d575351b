"""Models in another version of ONNX's operators."""

from __future__ import annotations

from onnx import ModelProto, version_converter

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_model
from fusepath.onnx_io.parse import standard_opset


def with_opset(data: bytes, least: int, *, name: str) -> bytes:
    """The model in a version of operators that is no older.

    Args:
        data: an ONNX file.
        least: version of ONNX's own operators.
        name: what messages call the model.

    Raises:
        ModelError: it cannot be converted.
    """
    proto = ModelProto.FromString(data)
    own = standard_opset(proto)
    if own >= least:
        return data
    try:
        converted: bytes = version_converter.convert_version(proto, least).SerializeToString()
    except Exception as error:  # whatever the converter raises
        raise bad_model(
            name, f"is of opset {own}, not {least}: {one_line(error)}; export it for that"
        ) from error
    return converted
