"""Fuzz every decoder in a process of its own, so that a crash is seen and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.fuzzing.decoders import DECODERS
from tests.fuzzing.hunt import hunt


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="For each decoder.")
@click.option("--seconds", default=3600.0, show_default=True, help="For each decoder, at most.")
@click.option("--only", multiple=True, type=click.Choice(list(DECODERS)), help="These decoders.")
@click.option("--seed", default=0, show_default=True, help="Of the changes.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for inputs that fail.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--here", hidden=True, type=click.Path(path_type=Path))
def main(
    inputs: int,
    seconds: float,
    only: tuple[str, ...],
    seed: int,
    keep: Path | None,
    as_json: bool,
    here: Path | None,
) -> None:
    """Change good inputs at random, and see whether anything but taking or refusing happens."""
    if here is not None:
        _hunt_here(only[0], inputs, seconds, seed, here)
        return
    if not as_json:
        click.echo(
            f"{'decoder':15} {'inputs':>8} {'taken':>7} {'failed':>6} {'slowest':>9} {'grown':>8}"
        )
    every = []
    for name in only or DECODERS:
        found = _hunt_apart(name, inputs, seconds, seed)
        every.append(found)
        if not as_json:
            click.echo(
                f"{name:15} {found['inputs']:8} {found['taken']:7} {found['failures']:6} "
                f"{found['slowest_s'] * 1e3:6.0f} ms {found['grown_bytes'] / 1e6:5.0f} MB",
            )
            for _, how in found["kept"]:
                click.echo(how)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for place, (data, _) in enumerate(found["kept"]):
                (keep / f"{name}-{place}").write_bytes(bytes.fromhex(data))
    if as_json:
        click.echo(json.dumps({"decoders": every}))
    sys.exit(any(found["failures"] for found in every))


def _hunt_here(name: str, inputs: int, seconds: float, seed: int, last: Path) -> None:
    file = os.open(last, os.O_WRONLY)

    def begin(data: bytes) -> None:
        os.pwrite(file, len(data).to_bytes(4, "little") + data, 0)

    until_s = time.monotonic() + seconds
    found = hunt(DECODERS[name], inputs, seed=seed, until_s=until_s, begin=begin)
    kept = [(data.hex(), how) for data, how in found.kept]
    click.echo(json.dumps(vars(found) | {"kept": kept}))


def _hunt_apart(name: str, inputs: int, seconds: float, seed: int) -> dict:
    with tempfile.NamedTemporaryFile() as last:
        options = ["--only", name, "--inputs", inputs, "--seconds", seconds, "--seed", seed]
        command = [sys.executable, "-m", "tests.fuzzing", *map(str, options), "--here", last.name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)
        size, data = int.from_bytes(last.read(4), "little"), last.read()
    how = f"the process ended with {done.returncode}"
    unknown = dict.fromkeys(("inputs", "taken", "refused", "slowest_s", "grown_bytes"), 0)
    return {"decoder": name, **unknown, "failures": 1, "kept": [(data[:size].hex(), how)]}


if __name__ == "__main__":
    main()
