"""The commands there are: imported when they run, with examples, and with their environment."""

from __future__ import annotations

import importlib

import click

from fusepath.nearest import did_you_mean

COMMANDS = {
    "book": "Plans for a range of link rates, and the one for a rate.",
    "cache": "What is remembered of this machine: list it, clear it.",
    "compare": "Every algorithm in one table, with the lower bound and the gap.",
    "completion": "Completion of commands and options for a shell.",
    "demo": "All of it on this machine: no network, no root.",
    "doctor": "Is this machine fit to plan, serve and run?",
    "faults": "Play a session through faults in simulated time.",
    "front": "What latency, energy of the device and bytes cost each other.",
    "inspect": "Layers, MACs, bytes, and how far a model can be tiled.",
    "map": "What planning gains over a range of devices and links, as a picture.",
    "ping": "Ask an edge server whether it serves.",
    "plan": "Find a plan and write it to a file.",
    "probe": "Measure the link to an edge server.",
    "profile": "Measure this machine for a model.",
    "quantize": "Quantise a model to bytes, and say what that changes.",
    "report": "A plan or a run as one page for a browser.",
    "reproduce": "The paper's figures, computed again beside what it published.",
    "run": "Run a model split between this machine and an edge server.",
    "schema": "The JSON schema of a file format.",
    "serve": "Be an edge server.",
    "simulate": "Predict a plan's timeline, also on other machines or links.",
    "studio": "Plan in a browser: drag machines and link, see what runs where.",
    "sweep": "Plan many models on many machines and links, as a table.",
    "zoo": "List the built-in networks, or write one to an ONNX file.",
}

_MACHINES = "--device 10GFLOPS --edge 500GFLOPS"
EXAMPLES = {
    "book": (
        f"book net.onnx {_MACHINES} --rates 1MB/s:12MB/s -o book.json",
        "book book.json --link 2MB/s -o plan.json",
    ),
    "cache": ("cache ls", "cache clear"),
    "compare": (f"compare zoo:squeezenet {_MACHINES} --link 1.8MB/s",),
    "completion": ("completion bash > ~/.local/share/bash-completion/completions/fusepath",),
    "demo": ("demo", "demo --image photo.jpg --pace 8Mbit/s"),
    "doctor": ("doctor", "doctor --listen 0.0.0.0:7070 --json"),
    "faults": ("faults --seed 5 --story", "faults --seed 5 --fault kill", "faults --list"),
    "front": (
        "front net.onnx --device 10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2 "
        "--edge 500GFLOPS --link 1.8MB/s -o front.png",
    ),
    "inspect": ("inspect net.onnx", "inspect zoo:mobilenetv2 --json"),
    "map": ("map zoo:squeezenet --edge 500GFLOPS -o map.png -o map.json",),
    "ping": ("ping 192.168.1.20:7070", "ping grpcs://edge.example:7070 --timeout 1"),
    "plan": (
        f"plan net.onnx {_MACHINES} --link 1.8MB/s -o plan.json",
        "plan net.onnx --device device.json --edge edge.json --link link.json --top 5",
    ),
    "probe": ("probe 192.168.1.20:7070 -o link.json",),
    "profile": ("profile net.onnx -o device.json",),
    "quantize": ("quantize net.onnx --samples photos -o bytes.onnx",),
    "report": (
        "report plan.json -o report.html --sample photo.jpg --fit crop",
        "report run.json -o report.html --book book.json",
    ),
    "reproduce": (
        "reproduce fig2 fig3 -o figures",
        "reproduce --quick --no-figures",
        "reproduce --claims -o claims",
    ),
    "run": (
        "run net.onnx photo.jpg --fit crop --edge 192.168.1.20:7070 --verify",
        "run net.onnx photo.jpg --fit crop --edge 192.168.1.20:7070 --repeat 100 --json",
        "run net.onnx photos 'more/*.png' film.mp4 --fit crop --edge 192.168.1.20:7070",
    ),
    "schema": ("schema plan", "schema book -o book.schema.json"),
    "serve": ("serve --listen 0.0.0.0:7070 --models models",),
    "simulate": ("simulate plan.json --link 4MB/s",),
    "studio": ("studio zoo:squeezenet", "studio net.onnx --listen 127.0.0.1:8080"),
    "sweep": (
        f"sweep zoo:squeezenet net.onnx {_MACHINES} --link 1MB/s --link 4MB/s -o sweep.csv",
        "sweep net.onnx --device device.json --edge edge.json --link 2MB/s --algorithm auto "
        "--algorithm nfl -o sweep.parquet --ray auto",
    ),
    "zoo": ("zoo", "zoo squeezenet squeezenet.onnx"),
}
"""What one may type after ``fusepath``, by command."""


class LazyGroup(click.Group):
    """Imports a command only when it runs, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All of them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """One of them, with its examples, and variables for its options."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"fusepath.cli.{name}").command
        lines = "\n".join(f"  fusepath {example}" for example in EXAMPLES[name])
        command.epilog = f"\b\nExamples:\n{lines}"
        for item in command.params:
            if isinstance(item, click.Option) and item.envvar is None:
                item.envvar = variable_of(name, item)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named; one that is not there is answered with the nearest."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            guess = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f"there is no command '{args[0]}'{guess}; see fusepath --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """All of them with a line each, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def option_name(option: click.Parameter) -> str:
    """How an option is spelt out, without its hyphens at the front."""
    return max(option.opts, key=len).lstrip("-")


def variable_of(command: str, option: click.Option) -> str:
    """The environment variable that gives an option: ``FUSEPATH_RUN_EDGE``."""
    return f"FUSEPATH_{command}_{option_name(option)}".upper().replace("-", "_")
