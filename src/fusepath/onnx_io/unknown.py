"""Operators that nobody here knows: why that is, and what to do."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from onnx import defs

from fusepath.errors import one_line
from fusepath.onnx_io.complaint import bad_node
from fusepath.onnx_io.contributed import DOMAIN as CONTRIBUTED
from fusepath.onnx_io.nodes import graphs_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from fusepath.errors import ModelError

_EXPERIMENTAL = frozenset(
    [
        "ATen",
        "Affine",
        "ConstantFill",
        "Crop",
        "DynamicSlice",
        "GRUUnit",
        "GivenTensorFill",
        "ImageScaler",
        "ParametricSoftplus",
        "Scale",
        "ScaledTanh",
    ]
)
"""Were operators of ONNX on trial; its checker lets them pass, and ONNX Runtime runs some."""
_INSTEAD = (
    "export it as operators of ONNX, or with a function in the model that says what it computes"
)


def check_known(model: str, node: NodeProto, opset: int) -> None:
    """Raise where ONNX has no such operator in an opset; of all in its branches as well.

    Raises:
        ModelError: it has none; the message says in which it has, or what else to do.
    """
    versions, ended = _history(node.op_type)
    if not versions and node.op_type not in _EXPERIMENTAL:
        reason = (
            f"ONNX has no such operator up to opset {defs.onnx_opset_version()}; if it is newer, "
            f"upgrade onnx, or {_INSTEAD}"
        )
    elif versions and opset < versions[0]:
        reason = (
            f"ONNX has it from opset {versions[0]} on, and the model states {opset}; export it "
            f"with opset {versions[0]} or newer"
        )
    elif ended is not None and opset >= ended:
        reason = (
            f"ONNX has it no more from opset {ended} on, and the model states {opset}; export it "
            f"anew, with a current exporter or with an opset below {ended}"
        )
    else:
        for branch in graphs_of(node):
            for inner in branch.node:
                check_known(model, inner, opset)
        return
    raise bad_node(model, node, reason)


def of_foreign_domain(model: str, node: NodeProto) -> ModelError:
    """The error for an operator that is of no domain of ONNX."""
    reason = (
        f"custom operator of domain '{one_line(node.domain)}': what it computes is known to its "
        f"library alone, and none is loaded"
    )
    if node.domain.startswith(CONTRIBUTED):
        remedy = "give the model as it was before ONNX Runtime optimised it"
    else:
        remedy = _INSTEAD
    return bad_node(model, node, f"{reason}; {remedy}")


@cache
def _history(op_type: str) -> tuple[tuple[int, ...], int | None]:
    """Opsets that brought a version of an operator, the oldest first, and the one that ended it."""
    of_it = [
        schema
        for schema in defs.get_all_schemas_with_history()
        if schema.name == op_type and not schema.domain
    ]
    of_it.sort(key=lambda schema: schema.since_version)
    brought = tuple(schema.since_version for schema in of_it if not schema.deprecated)
    last = of_it[-1] if of_it else None
    return brought, last.since_version if last is not None and last.deprecated else None
