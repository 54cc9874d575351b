"""Weights apart from the graph: whoever runs a model of it reads them where they are.

A network of 240 MB is cut into many sub-models. Weights pasted into each of them would be copied,
encoded, decoded and copied again, session by session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import StringStringEntryProto, TensorProto, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusepath.arrays import Array


LEAST_BYTES = 1024
"""Smaller constants stay in the graph: shape inference may want to look at them."""
_WHERE = "memory"
"""Stands for the file that external data would be in; there is none."""


def set_apart(
    constants: Iterable[TensorProto],
) -> tuple[list[TensorProto], dict[str, Array]]:
    """The constants as a graph holds them, and the values of those that it only names."""
    kept, apart = [], {}
    for tensor in constants:
        if tensor.data_type == TensorProto.FLOAT:
            value = numpy_helper.to_array(tensor)
            if value.nbytes >= LEAST_BYTES:
                apart[tensor.name] = np.ascontiguousarray(value)
                kept.append(_declaration(tensor))
                continue
        kept.append(tensor)
    return kept, apart


def _declaration(tensor: TensorProto) -> TensorProto:
    """Name, type and shape of a constant whose value lies elsewhere."""
    return TensorProto(
        name=tensor.name,
        data_type=tensor.data_type,
        dims=tensor.dims,
        data_location=TensorProto.EXTERNAL,
        external_data=[StringStringEntryProto(key="location", value=_WHERE)],
    )
