"""Fig. 4 as one document: all curves, what they were computed with, and how to compare two."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath import jsonfile
from fusepath.cost import DescribedConvention, described_convention
from fusepath.errors import FileFormatError
from fusepath.output_file import write_file
from fusepath.study.spec import LABELS
from fusepath.study.store import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusepath.study.spec import Fig4Spec
    from fusepath.study.store import Record

NS_PER_MS = 1e6
TOLERANCE = 1e-6
"""Relative difference that rounding on another machine may make."""


class AlgorithmCurve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One algorithm at every rate."""

    makespan_ns: tuple[int, ...]
    lower_bound_ns: tuple[int, ...]
    tau: tuple[int, ...]
    grid: tuple[str, ...]


class Curves(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One network under one convention: one of the plots."""

    network: str
    source: str
    model_sha256: str
    published: str
    primary: bool
    convention: str
    granted: bool
    """The machines were scaled so that full offload takes as long as the published NFL."""
    ops_scale: float
    ops: int
    input_bytes: int
    shared_link_bound_ns: tuple[int, ...]
    algorithms: dict[str, AlgorithmCurve]

    @property
    def name(self) -> str:
        """For file names."""
        return f"{self.network}-{self.convention}{'-granted' if self.granted else ''}"

    def mean_ms(self, algorithm: str) -> float:
        """Mean over the rates."""
        times = self.algorithms[algorithm].makespan_ns
        return sum(times) / len(times) / NS_PER_MS

    def speed_up(self, algorithm: str = "mw-kxk") -> float:
        """Mean of NFL over mean of an algorithm."""
        return self.mean_ms("nfl") / self.mean_ms(algorithm)

    def bound_mean_ms(self) -> float:
        """Mean of the shared link's bound over the rates."""
        return sum(self.shared_link_bound_ns) / len(self.shared_link_bound_ns) / NS_PER_MS


class Fig4(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All plots of a specification."""

    KIND: ClassVar[str] = "figure"

    format: str = "fusepath-fig4"
    version: int = 1
    spec_sha256: str
    device_ops_per_s: float
    edge_ops_per_s: float
    rates_mb_per_s: tuple[float, ...]
    conventions: tuple[DescribedConvention, ...]
    curves: tuple[Curves, ...]
    versions: dict[str, str]

    def one(self, network: str, convention: str, *, granted: bool = False) -> Curves | None:
        """The curves of a network under a convention."""
        for curves in self.curves:
            if (curves.network, curves.convention, curves.granted) == (
                network,
                convention,
                granted,
            ):
                return curves
        return None

    def at_ms(self, curves: Curves, algorithm: str, rate_mb_per_s: float | None) -> float | None:
        """A time at a rate, or its mean over all rates; None for a rate that was not computed."""
        if rate_mb_per_s is None:
            return curves.mean_ms(algorithm)
        at = self._at(rate_mb_per_s)
        return None if at is None else curves.algorithms[algorithm].makespan_ns[at] / NS_PER_MS

    def bound_at_ms(self, curves: Curves, rate_mb_per_s: float | None) -> float | None:
        """The shared link's bound at a rate, or its mean."""
        if rate_mb_per_s is None:
            return curves.bound_mean_ms()
        at = self._at(rate_mb_per_s)
        return None if at is None else curves.shared_link_bound_ns[at] / NS_PER_MS

    def _at(self, rate_mb_per_s: float) -> int | None:
        for at, rate in enumerate(self.rates_mb_per_s):
            if abs(rate - rate_mb_per_s) < 1e-9:
                return at
        return None


def collect(spec: Fig4Spec, records: Sequence[Record]) -> Fig4:
    """Records as curves, in the order of the specification."""
    networks = {network.name: network for network in spec.networks}
    groups: dict[tuple[str, str, bool], list[Record]] = {}
    for record in records:
        key = (record.network, record.convention.name, record.granted)
        groups.setdefault(key, []).append(record)
    order = list(networks)
    conventions = tuple(described_convention(name) for name in spec.conventions)
    rank = [item.convention.name for item in conventions]
    curves = []
    for (name, convention, granted), group in sorted(
        groups.items(),
        key=lambda item: (item[0][2], order.index(item[0][0]), rank.index(item[0][1])),
    ):
        by_rate = {record.rate_mb_per_s: record for record in group}
        chosen = [by_rate[rate] for rate in spec.rates_mb_per_s]
        first = chosen[0]
        curves.append(
            Curves(
                network=name,
                source=first.source,
                model_sha256=first.model_sha256,
                published=networks[name].published,
                primary=networks[name].primary,
                convention=convention,
                granted=granted,
                ops_scale=first.ops_scale,
                ops=first.ops,
                input_bytes=first.input_bytes,
                shared_link_bound_ns=tuple(record.shared_link_bound_ns for record in chosen),
                algorithms={name: _curve(chosen, name) for name in LABELS},
            )
        )
    return Fig4(
        spec_sha256=spec.sha256,
        device_ops_per_s=spec.device_ops_per_s,
        edge_ops_per_s=spec.edge_ops_per_s,
        rates_mb_per_s=spec.rates_mb_per_s,
        conventions=conventions,
        curves=tuple(curves),
        versions={name: text for name, text in versions().items() if name != "code"},
    )


def _curve(records: Sequence[Record], algorithm: str) -> AlgorithmCurve:
    results = [
        next(result for result in record.results if result.algorithm == algorithm)
        for record in records
    ]
    return AlgorithmCurve(
        makespan_ns=tuple(result.makespan_ns for result in results),
        lower_bound_ns=tuple(result.lower_bound_ns for result in results),
        tau=tuple(result.tau for result in results),
        grid=tuple(f"{result.grid[0]}x{result.grid[1]}" for result in results),
    )


def save_fig4(path: Path, figure: Fig4) -> None:
    """Write a figure as JSON, a line for each of its curves.

    Raises:
        OutputError: the file cannot be written.
    """
    document = msgspec.to_builtins(figure)
    curves = document.pop("curves")
    head = msgspec.json.format(msgspec.json.encode(document), indent=2).decode().removesuffix("\n}")
    lines = ",\n".join("    " + msgspec.json.encode(item).decode() for item in curves)
    write_file(path, f'{head},\n  "curves": [\n{lines}\n  ]\n}}\n'.encode())


def load_fig4(path: str | Path) -> Fig4:
    """Read the figure that an earlier reproduction wrote.

    Raises:
        FileFormatError: missing, damaged or of another version.
    """
    figure = jsonfile.load(path, Fig4)
    if (figure.format, figure.version) != ("fusepath-fig4", 1):
        raise FileFormatError(
            f"{path}: {figure.format} version {figure.version}; this reads fusepath-fig4 version 1"
        )
    return figure


def differences(expected: Fig4, ours: Fig4, *, everything: bool) -> list[str]:
    """Every time that is not the expected one, with the amount; empty when all agree.

    Args:
        expected: as it should be.
        ours: as it is; may hold fewer networks, rates and conventions.
        everything: also complain about curves that ours lacks.
    """
    found = []
    for curves in ours.curves:
        other = expected.one(curves.network, curves.convention, granted=curves.granted)
        if other is None:
            found.append(f"{curves.name}: not in the expected figure")
            continue
        for name in LABELS:
            for rate in ours.rates_mb_per_s:
                is_ms = ours.at_ms(curves, name, rate)
                was_ms = expected.at_ms(other, name, rate)
                text = f"{curves.name}, {LABELS[name]}, {rate:g} MB/s"
                if was_ms is None or is_ms is None:
                    found.append(f"{text}: not in the expected figure")
                elif abs(is_ms - was_ms) > TOLERANCE * was_ms:
                    found.append(
                        f"{text}: differs by {is_ms - was_ms:+.6g} ms "
                        f"({(is_ms - was_ms) / was_ms:+.3%}): {is_ms:.6f}, "
                        f"expected {was_ms:.6f}"
                    )
    if everything:
        found += [
            f"{curves.name}: expected, but not computed"
            for curves in expected.curves
            if ours.one(curves.network, curves.convention, granted=curves.granted) is None
        ]
    return found
