"""Branches that are known when a model is read: an If whose condition is constant.

PyTorch writes one for every squeeze of an axis whose size it does not know; with a static input the
size is known. The branch that is taken becomes part of the graph, the other one is gone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onnx import NodeProto, TensorProto, helper

from fusepath.onnx_io.nodes import call_otherwise, copied, present

if TYPE_CHECKING:
    from onnx import GraphProto

    from fusepath.onnx_io.draft import Draft
    from fusepath.onnx_io.naming import Names


def take_branches(draft: Draft, names: Names, labels: Names) -> Draft:
    """The draft with the branch of every If whose condition is constant by now.

    Args:
        draft: The graph, or a part of one.
        names: Of the whole graph's tensors; they grow by those of branches.
        labels: Of its nodes.
    """
    known = {
        node.name: _taken(node, bool(condition.reshape(-1)[0]))
        for node in draft.nodes
        if node.op_type == "If"
        and (condition := draft.array(node.input[0])) is not None
        and condition.size == 1
    }
    if not known:
        return draft
    constants = dict(draft.constants)
    nodes: list[NodeProto] = []
    for node in draft.nodes:
        if node.name in known:
            made, weights = _opened(node, known[node.name], names, labels)
            nodes.extend(made)
            constants.update(weights)
        else:
            nodes.append(node)
    return replace(draft, nodes=tuple(nodes), constants=constants)


def _taken(node: NodeProto, condition: bool) -> GraphProto:
    wanted = "then_branch" if condition else "else_branch"
    return next(attribute.g for attribute in node.attribute if attribute.name == wanted)


def _opened(
    node: NodeProto, branch: GraphProto, names: Names, labels: Names
) -> tuple[list[NodeProto], dict[str, TensorProto]]:
    """What a branch does, as nodes and constants of the graph around it."""
    made_inside = {name for inner in branch.node for name in present(inner.output)}
    renamed: dict[str, str] = {}
    passed: list[tuple[str, str]] = []
    for target, output in zip(node.output, branch.output, strict=False):
        if output.name in made_inside and output.name not in renamed:
            renamed[output.name] = target
        else:
            passed.append((output.name, target))
    stored = {tensor.name for tensor in branch.initializer}
    for name in sorted((made_inside | stored) - renamed.keys()):
        renamed[name] = names.fresh(f"{node.name}_{name}")
    nodes = []
    for inner in branch.node:
        twin = copied(inner)
        call_otherwise((twin,), renamed)
        twin.domain = ""
        twin.name = labels.fresh(f"{node.name}_{inner.name or inner.op_type}")
        nodes.append(twin)
    for source, target in passed:
        label = labels.fresh(f"{node.name}_{target}")
        nodes.append(helper.make_node("Identity", [renamed.get(source, source)], [target], label))
    constants = {}
    for tensor in branch.initializer:
        value = TensorProto()
        value.CopyFrom(tensor)
        value.name = renamed[tensor.name]
        constants[value.name] = value
    return nodes, constants
