"""``fusepath inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.options import input_shape_option, json_option, model_argument, open_model
from fusepath.cli.options import print_json as _print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusepath.graph import Operator
    from fusepath.onnx_io import Model


@click.command("inspect")
@model_argument
@input_shape_option
@json_option
def command(model: str, input_shape: str | None, as_json: bool) -> None:
    """Show the layers of MODEL, their MACs and bytes, and how far it can be tiled.

    MODEL is an ONNX file or zoo:NAME.
    """
    from fusepath.report import layers_table, render, wrapped

    opened = open_model(model, input_shape)
    if as_json:
        _print_json(describe(opened))
        return
    click.echo(render(layers_table(opened.graph)))
    click.echo()
    click.echo(wrapped(_summary(opened), indent=2))


def _summary(model: Model) -> list[str]:
    from fusepath.units import format_count, number_of

    graph, described = model.graph, describe(model)
    shape = "x".join(str(size) for size in graph.fed_shape)
    lines = [
        f"{graph.name}: input {shape}, {number_of(graph.depth, 'layer')}, "
        f"{format_count(described['macs'])} MAC",
        f"SHA-256 {graph.sha256}",
    ]
    barrier = described["barrier"]
    if barrier is None:
        lines.append("every layer can be tiled")
    elif graph.begin > 0:
        head = "layer 1 is" if graph.begin == 1 else f"layers 1 to {graph.begin} are"
        lines.append(
            f"{head} computed whole before all tiles; '{barrier['node']}' "
            f"({barrier['op_type']}) cannot be tiled: {barrier['reason']}"
        )
    else:
        lines.append(
            f"{_tileable(graph.tileable_layers)}; '{barrier['node']}' "
            f"({barrier['op_type']}) ends the prefix: {barrier['reason']}"
        )
    if graph.begin > 0 or len(described["sections"]) > 1:
        lines.append("sections between operators that need whole maps, in which plans may begin:")
        for section in described["sections"]:
            ends = section["ends_at"]
            why = f"up to '{ends['node']}' ({ends['op_type']}): {ends['reason']}" if ends else ""
            lines.append(
                f"  layers {section['start'] + 1} to {section['end']}, "
                f"{section['share']:.1%} of the MACs{', ' if why else ''}{why}"
            )
    share = f"{described['tileable_share']:.1%} of the MACs"
    lines.append(f"{share} are in layers that can be tiled together with others")
    ending = described["ending"]
    if ending is not None:
        node = f"'{ending['node']}' ({ending['op_type']})"
        if ending["operators"] == 1:
            lines.append(
                f"the last operator, {node}, does what depends on the data: the device runs it "
                f"behind these layers, unsplit"
            )
        else:
            lines.append(
                f"the last {ending['operators']} operators, from {node} on, do what depends on the "
                f"data: the device runs them behind these layers, unsplit"
            )
    return lines


def _tileable(layers: int) -> str:
    match layers:
        case 0:
            return "no layer can be tiled, it runs unsplit"
        case 1:
            return "layer 1 can be tiled"
    return f"layers 1 to {layers} can be tiled"


def describe(model: Model) -> dict[str, Any]:
    """The JSON form of a network."""
    from fusepath.cost import RUNTIME, cut_bytes, layer_macs, section_share, tileable_share

    graph, ending = model.graph, model.ending
    layers = []
    for layer in graph.layers:
        last = layer.operators[-1].outputs[0]
        layers.append(
            {
                "index": layer.index,
                "name": layer.name,
                "op_type": layer.op_type,
                "macs": layer_macs(graph, layer.index),
                "input_bytes": cut_bytes(graph, layer.index, RUNTIME),
                "output_shape": list(graph.tensors[last].shape),
                "tileable": layer.tileable,
            }
        )
    return {
        "name": graph.name,
        "sha256": graph.sha256,
        "input_shape": list(graph.fed_shape),
        "outputs": {name: list(graph.tensors[name].shape) for name in graph.outputs},
        "macs": sum(layer["macs"] for layer in layers),
        "tileable_layers": graph.tileable_layers,
        "tileable_share": tileable_share(graph),
        "barrier": _border(graph.barrier),
        "sections": [
            {
                "start": section.start,
                "end": section.end,
                "share": section_share(graph, section),
                "ends_at": _border(graph.barrier_at(section)),
            }
            for section in graph.sections
        ],
        "layers": layers,
        "ending": _begun(ending.nodes) if ending is not None and ending.nodes else None,
    }


def _begun(nodes: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Of nodes, how many they are and which comes first."""
    name, op_type = nodes[0]
    return {"operators": len(nodes), "node": name, "op_type": op_type}


def _border(operator: Operator | None) -> dict[str, str] | None:
    """The operator that ends a section, and why."""
    if operator is None:
        return None
    reason = operator.barrier_reason or "stands behind an operator that needs whole maps"
    return {"node": operator.name, "op_type": operator.op_type, "reason": reason}
