"""Measured machines and links, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusepath.report.fitting import empty_table, render, wrapped
from fusepath.report.tables import milliseconds
from fusepath.units import format_bytes, format_bytes_per_s, number_of

if TYPE_CHECKING:
    from rich.table import Table

    from fusepath.cost import FitError
    from fusepath.profiling import Direction, LinkReport, ProfileReport


def profile_text(report: ProfileReport) -> str:
    """A profile in a few lines, with how well it predicts."""
    profile = report.profile
    state = (
        "DISTURBED: something else was at work; stop it and measure again"
        if profile.disturbed
        else f"quiet (two measurements differ by {report.drift:.1%})"
    )
    errors = empty_table("held out", "shapes", "median", "90 %", "worst", "bias")
    for name, error in (
        ("layers", report.layer_error),
        ("tiles", report.tile_error),
        ("strips", report.strip_error),
    ):
        if error is not None:
            errors.add_row(name, *_error_cells(error))
    off = f", off the processor's results by {profile.rounding:.2g}" if profile.rounding else ""
    head = wrapped(
        [
            f"machine      {profile.machine}, {number_of(profile.threads, 'thread')}",
            f"software     {profile.software}, {profile.provider}{off}",
            f"network      {milliseconds(profile.total_s)} in "
            f"{number_of(len(profile.layers), 'layer')}",
            f"a call       {profile.call_overhead_s * 1e6:.0f} us, after a wait",
            f"strips       rows cost {profile.strip_factor:.2f} times as much, "
            f"{profile.strip_ahead_factor:.2f} times behind a cut, "
            f"and {profile.strip_layer_s * 1e6:.1f} us a layer",
            f"machine was  {state}",
        ],
        indent=13,
    )
    return f"{head}\n\n{render(errors)}"


def layer_costs_table(report: ProfileReport) -> Table:
    """Cost and held-out error of every layer by itself."""
    table = empty_table(
        *("layer", "name", "whole", "fixed", "spread", "shapes", "median", "90 %", "worst", "bias"),
        flexible=("name",),
        optional=("shapes", "90 %", "fixed"),
    )
    for index, layer in enumerate(report.layers, 1):
        table.add_row(
            str(index),
            layer.name,
            f"{(layer.fixed_s + layer.moving_s) * 1e3:.3f} ms",
            f"{layer.fixed_s * 1e6:.0f} us",
            f"{layer.spread:.0%}",
            *(_error_cells(layer.error) if layer.error is not None else [""] * 5),
        )
    return table


def link_text(report: LinkReport) -> str:
    """A measured link: both rates, and every size beside the line through all."""
    link = report.link
    lines = [
        f"up           {format_bytes_per_s(link.up_bytes_per_s)}, spread {link.up_spread:.0%}",
        f"down         {format_bytes_per_s(link.down_bytes_per_s)}, "
        f"spread {link.down_spread:.0%}, {report.asymmetry:.2f} times up",
        f"delay        {link.delay_s * 1e3:.2f} ms one way",
        f"a message    {link.message_device_s * 1e6:.0f} us on the device, "
        f"{link.message_edge_s * 1e6:.0f} us on the edge server, {link.message_bytes} B",
    ]
    sizes = render(_sizes_table(("up", report.up), ("down", report.down)))
    return f"{wrapped(lines, indent=13)}\n\n{sizes}"


def _sizes_table(*directions: tuple[str, Direction]) -> Table:
    table = empty_table("direction", "size", "count", "median", "20 % – 80 %", "fitted", "error")
    for name, direction in directions:
        for item in direction.sizes:
            table.add_row(
                name,
                format_bytes(item.size_bytes),
                str(item.count),
                f"{item.median_s * 1e3:.2f} ms",
                f"{item.low_s * 1e3:.2f} – {item.high_s * 1e3:.2f} ms",
                f"{item.fitted_s * 1e3:.2f} ms",
                f"{item.error:+.1%}",
            )
    return table


def _error_cells(error: FitError) -> list[str]:
    sizes = (f"{value:.1%}" for value in (error.median, error.p90, error.worst))
    return [str(error.shapes), *sizes, f"{error.bias:+.1%}"]
