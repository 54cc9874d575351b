"""``fusepath doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.options import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXTRAS = {
    "codec": "lz4",
    "exact": "highspy",
    "parquet": "pyarrow",
    "plot": "matplotlib",
    "ray": "ray",
    "studio": "starlette",
    "torch": "torch",
    "video": "av",
}
_NEEDED = ("numpy", "onnx", "onnxruntime", "grpcio", "protobuf", "msgspec", "pillow", "zstandard")
_QUIET_SPREAD = 0.25
"""Part by which the slower tenth of equal pieces of work may take longer than their median."""
_COARSE_S = 1e-5
"""A clock that steps like this is too coarse for layers that take tens of microseconds."""


@click.command("doctor")
@click.option(
    "--listen",
    default="127.0.0.1:7070",
    show_default=True,
    metavar="HOST:PORT",
    help="Where an edge server would listen.",
)
@json_option
def command(listen: str, as_json: bool) -> int:
    """Look at what planning, serving and running depend on, and say what is wrong.

    Versions and extras, cores, the clock, providers of ONNX Runtime, the port of an edge server,
    the folder of what is remembered, and whether something else is at work on this machine. Exit
    code 1 if something must be mended.
    """
    from fusepath.report import wrapped

    findings = list(_findings(listen))
    failed = any(finding["state"] == "failed" for finding in findings)
    if as_json:
        print_json({"healthy": not failed, "findings": findings})
    else:
        for finding in findings:
            sign = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}[finding["state"]]
            line = f"{sign} {finding['name']:<10} {finding['says']}"
            click.echo(wrapped([line], indent=19))
    return 1 if failed else 0


def _finding(name: str, says: str, state: str = "ok", **values: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "says": says, **values}


def _findings(listen: str) -> Iterator[dict[str, Any]]:
    yield _versions()
    yield _extras()
    yield _algorithms()
    yield _cores()
    yield _clock()
    yield _providers()
    yield _port(listen)
    yield _cache()
    yield _disturbed()


def _versions() -> dict[str, Any]:
    import platform
    from importlib import metadata

    from fusepath.version import VERSION

    found = {name: metadata.version(name) for name in _NEEDED}
    words = ", ".join(f"{name} {version}" for name, version in found.items())
    return _finding(
        "versions",
        f"fusepath {VERSION}, Python {platform.python_version()}, {words}",
        fusepath=VERSION,
        python=platform.python_version(),
        packages=found,
    )


def _extras() -> dict[str, Any]:
    from importlib.util import find_spec

    there = {name: find_spec(module) is not None for name, module in _EXTRAS.items()}
    missing = [name for name, installed in there.items() if not installed]
    says = f"{', '.join(name for name in there if there[name]) or 'none'} installed"
    if missing:
        says += f"; others: pip install 'fusepath[{','.join(missing)}]'"
    return _finding("extras", says, installed=there)


def _algorithms() -> dict[str, Any]:
    from fusepath.errors import AlgorithmError
    from fusepath.plan import ALGORITHMS
    from fusepath.plan.algorithms import BUILT_IN

    added = [name for name in ALGORITHMS if name not in BUILT_IN]
    for name in added:
        try:
            ALGORITHMS[name]
        except AlgorithmError as error:
            return _finding("algorithms", str(error), "warning", added=added)
    others = f", added: {', '.join(added)}" if added else ", none added"
    return _finding("algorithms", f"{len(BUILT_IN)} of fusepath{others}", added=added)


def _cores() -> dict[str, Any]:
    import os

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return _finding("cores", f"{usable} of {os.cpu_count()} usable", usable=usable)


def _clock() -> dict[str, Any]:
    import itertools
    import time

    moments = sorted({time.perf_counter() for _ in range(2000)})
    step_s = min(after - before for before, after in itertools.pairwise(moments))
    words = f"steps of {step_s * 1e9:.0f} ns"
    if step_s > _COARSE_S:
        return _finding("clock", f"{words}: too coarse to time layers", "warning", step_s=step_s)
    return _finding("clock", words, step_s=step_s)


def _providers() -> dict[str, Any]:
    from fusepath.runtime.execution import PROVIDERS
    from fusepath.runtime.runner import available_providers

    there = available_providers()
    if PROVIDERS["cpu"] not in there:
        return _finding(
            "providers", f"{PROVIDERS['cpu']} is missing: reinstall onnxruntime", "failed"
        )
    names = [name for name, known in PROVIDERS.items() if known in there]
    says = f"--provider may be {' or '.join(names)}; this ONNX Runtime has {', '.join(there)}"
    return _finding("providers", says, available=there)


def _port(listen: str) -> dict[str, Any]:
    import socket

    from fusepath.remote.listening import parse_listen

    host, port = parse_listen(listen)
    try:
        family, kind, *_, where = socket.getaddrinfo(host.strip("[]"), port)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where)
    except OSError as error:
        says = f"an edge server cannot listen on {listen}: {error.strerror or error}"
        return _finding("port", says, "warning")
    return _finding("port", f"an edge server can listen on {listen}")


def _cache() -> dict[str, Any]:
    from fusepath.errors import OutputError
    from fusepath.output_file import output_folder
    from fusepath.profiling.cache import cache_folder, remembered_files
    from fusepath.units import format_bytes, number_of

    folder = cache_folder()
    if folder is None:
        return _finding("cache", "nothing is remembered: this user has no home folder", "warning")
    try:
        output_folder(folder)
    except OutputError as error:
        return _finding("cache", f"nothing is remembered: {error}", "warning", folder=str(folder))
    files = remembered_files()
    size = sum(file.stat().st_size for file in files)
    says = f"{number_of(len(files), 'file')}, {format_bytes(size)}, in {folder}"
    return _finding("cache", says, folder=str(folder), files=len(files), bytes=size)


def _disturbed() -> dict[str, Any]:
    """Equal pieces of work: where some take much longer, others have the core in between."""
    import statistics
    import time

    taken_s = []
    for _ in range(300):
        begun_s = time.perf_counter()
        sum(range(20_000))
        taken_s.append(time.perf_counter() - begun_s)
    spread = statistics.quantiles(taken_s, n=10)[-1] / statistics.median(taken_s) - 1
    words = f"one in ten of equal pieces of work takes {spread:.0%} longer than the median"
    if spread > _QUIET_SPREAD:
        says = f"{words}: something else is at work, and measurements will be off"
        return _finding("disturbed", says, "warning", spread=spread)
    return _finding("disturbed", words, spread=spread)
