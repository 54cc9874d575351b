"""Options that several commands share, and what they mean as values."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import click

from fusepath.cli.numbers import Finite
from fusepath.errors import InputError
from fusepath.spelling import as_text
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

    from fusepath.onnx_io import Model
    from fusepath.plan import Constraints, PlanRequest, Setting


if TYPE_CHECKING:
    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType  # takes no parameters before click 8.4


class _OutputFile(_TextType):
    """A file to write; one that cannot be written is refused before the work.

    ``-`` is standard output, where one thing is written alone that is read by programs.
    """

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from fusepath.output_file import STANDARD_OUTPUT, check_output, is_standard_output

        file = STANDARD_OUTPUT if value == "-" else str(value)
        if is_standard_output(file) and param is not None and ctx is not None:
            name = param.opts[0] if isinstance(param, click.Option) else param.human_readable_name
            before = "--json" if ctx.params.get("as_json") else ctx.meta.get(_ON_STANDARD_OUTPUT)
            if before is not None:
                raise InputError(
                    f"{before} is for standard output already: name a file for {name}, or leave "
                    f"one of them out"
                )
            ctx.meta[_ON_STANDARD_OUTPUT] = name
        check_output(file)
        return file


OUTPUT_FILE = _OutputFile()
_ON_STANDARD_OUTPUT = f"{__name__}.standard_output"
"""Where the command line keeps which option has it."""

_MOST_OF_A_PIXEL = 3.4e38

JSON_ASKED = "json"
"""Where the command line keeps whether JSON was asked for, by whatever means,"""
SO_FAR = "so far"
"""and a document of what there was before an error ended it."""


def _providers(text: str) -> tuple[str, ...]:
    from fusepath.runtime.execution import parse_providers

    return parse_providers(text)


def _ask_for_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value and context.obj is not None:
        context.obj[JSON_ASKED] = True
    return value


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,
    callback=_ask_for_json,
    help="Print one JSON object and nothing else.",
)


def _models(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What completes MODEL: files, and the networks of the zoo once one of these is begun."""
    from click.shell_completion import CompletionItem

    if not incomplete.startswith("zoo:"):
        return [CompletionItem(incomplete, type="file")]
    from fusepath.onnx_io import zoo

    names = [f"zoo:{name}" for name in zoo.NAMES]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _algorithms(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from fusepath.plan import ALGORITHMS

    return [name for name in ALGORITHMS if name.startswith(incomplete)]


model_argument = click.argument("model", shell_complete=_models)
input_shape_option = click.option(
    "--input-shape",
    metavar="N,C,H,W",
    help="Shape of the input, for models that leave it open.",
)
post_option = click.option(
    "--post",
    metavar="FILE.onnx",
    help="A graph of one's own behind the model; what it makes of the outputs returns in their "
    "place.",
)
no_cache_option = click.option(
    "--no-cache",
    is_flag=True,
    envvar="FUSEPATH_NO_CACHE",
    help="Measure this machine anew and do not remember it.",
)
algorithm_option = click.option(
    "--algorithm",
    shell_complete=_algorithms,
    help="auto, stream, exact, mw, psomw, jps, bf, nfl, device-only, full-offload or forward; auto "
    "without, mw with --grid, --tau or --tiles auto.",
)
provider_option = click.option(
    "--provider",
    "providers",
    default="cpu",
    show_default=True,
    metavar="NAME,NAME",
    callback=lambda _context, _parameter, text: _providers(text),
    help="What to compute on, in the order in which it is tried: cpu, cuda, tensorrt, openvino, "
    "xnnpack, as far as the ONNX Runtime that is installed has them.",
)
grid_option = click.option(
    "--grid", metavar="RxC", default="auto", help="Tiles in rows x columns; auto searches k x k."
)
tau_option = click.option(
    "--tau",
    type=int,
    help="Fused layer, 1-based, in any section (see inspect); all of one are searched without.",
)
start_option = click.option(
    "--start",
    type=click.IntRange(min=0),
    help="Layers that the device computes whole before all tiles, where a section begins (see "
    "inspect); without, auto searches all sections, others take that of --tau, or the first.",
)
tiles_option = click.option(
    "--tiles",
    type=click.Choice(["equal", "auto"]),
    default="equal",
    show_default=True,
    help="Sizes of tiles: as equal as can be, or chosen by the algorithm.",
)
time_limit_option = click.option(
    "--time-limit",
    type=Finite(0.0, 3600),
    metavar="SECONDS",
    help="Plan no longer than this. What is found then depends on how busy this machine is.",
)
evaluations_option = click.option(
    "--evaluations",
    type=click.IntRange(0, 10**15),
    metavar="N",
    help="What the search may look at; the same N finds the same plan on any machine. Without, "
    "auto and stream take about a second for a small network, other algorithms what they need.",
)
compress_option = click.option(
    "--compress",
    metavar="auto|off|CODEC",
    help="Encode what is sent, losslessly, where that is quicker: with any codec, or this one. "
    "Auto without; plan needs --sample to know what codecs save.",
)
lossy_option = click.option(
    "--lossy",
    type=click.Choice(["off", "fp16", "int8"]),
    default="off",
    show_default=True,
    help="Also send values in half precision, or in a byte each with a scale for every channel, "
    "where that is quicker. Results change; by how much is measured and said.",
)
mean_option = click.option(
    "--mean", default="0", metavar="M[,M,M]", help="Subtracted from the pixels of an image."
)
std_option = click.option(
    "--std", default="255", metavar="S[,S,S]", help="Divides the pixels after that."
)


slowdown_option = click.option(
    "--slowdown",
    type=Finite(1, 10_000),
    default=1.0,
    metavar="FACTOR",
    help="The device is slower than said by this factor.",
)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--device``, ``--slowdown``, ``--edge``, ``--link``, ``--workers`` and ``--convention``."""
    for option in reversed(
        [
            click.option(
                "--device",
                required=True,
                metavar="RATE|FILE",
                help="The end device: 10GFLOPS, or a profile file; what it draws in watts may "
                "follow, like 10GFLOPS:wait=2.7,compute=6.4,send=3.4,receive=3.2.",
            ),
            slowdown_option,
            click.option(
                "--edge",
                required=True,
                metavar="RATE|FILE",
                help="The edge server: 500GFLOPS, or a profile file.",
            ),
            click.option(
                "--link",
                required=True,
                metavar="RATE|FILE",
                help="1.8MB/s, 14.4Mbit/s, 1MB/s,4MB/s (up,down), shannon:B=,Q=,G=,N= or a file.",
            ),
            click.option(
                "--workers",
                type=click.IntRange(1, 64),
                metavar="N",
                help="Paths that the edge server computes at the same time; as --convention says "
                "without.",
            ),
            click.option(
                "--convention", default="runtime", show_default=True, help="Timing convention."
            ),
        ]
    ):
        command = option(command)
    return command


input_type_option = click.option(
    "--input-type",
    type=click.Choice(["pixels", "values"]),
    show_default="pixels, if the model takes pictures",
    help="What is fed: uint8 pixels, or values of the model's own type.",
)


def constraint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a plan must keep to; the command gets it as ``constraints``."""

    @functools.wraps(command)
    def with_constraints(
        *args: Any,
        device_memory: str | None,
        device_macs: str | None,
        upload: str | None,
        keep_on_device: int,
        max_paths: int | None,
        max_energy: str | None,
        **others: Any,
    ) -> Any:
        from fusepath.plan import Constraints
        from fusepath.units import parse_bytes, parse_count, parse_joules

        constraints = Constraints(
            device_memory_bytes=parse_bytes(device_memory) if device_memory else None,
            device_macs=parse_count(device_macs) if device_macs else None,
            upload_bytes=parse_bytes(upload) if upload else None,
            keep_on_device=keep_on_device,
            max_paths=max_paths,
            device_energy_j=parse_joules(max_energy) if max_energy else None,
        )
        return command(*args, constraints=constraints, **others)

    wrapped: Callable[..., Any] = with_constraints
    for option in reversed(
        [
            click.option(
                "--device-memory", metavar="SIZE", help="Most memory on the device, like 200MB."
            ),
            click.option(
                "--device-macs",
                metavar="COUNT",
                help="Most multiply-accumulates on the device per inference, like 0.5G.",
            ),
            click.option(
                "--upload", metavar="SIZE", help="Most bytes sent up per inference, like 300kB."
            ),
            click.option(
                "--keep-on-device",
                type=click.IntRange(min=0),
                default=0,
                metavar="N",
                help="Layers 1 to N run on the device, and the input does not leave it.",
            ),
            click.option(
                "--max-paths",
                type=click.IntRange(min=1),
                metavar="K",
                help="Most tiles or strips of a plan.",
            ),
            click.option(
                "--max-energy",
                metavar="JOULES",
                help="Most energy of the device for a frame, like 0.8J or 250mJ; what it draws "
                "stands behind --device.",
            ),
        ]
    ):
        wrapped = option(wrapped)
    return wrapped


def open_model(source: str, input_shape: str | None, post: str | None = None) -> Model:
    """Load MODEL of a command line."""
    from fusepath.cli.progress import telling
    from fusepath.onnx_io import load_model

    shape = sizes_of(input_shape)
    with telling(f"reading {source}"):
        return load_model(source, input_shape=shape, post=post)


def sizes_of(input_shape: str | None) -> tuple[int, ...] | None:
    """The sizes that ``--input-shape`` gives; None where it is not given."""
    if input_shape is None:
        return None
    try:
        return tuple(int(part) for part in input_shape.split(","))
    except ValueError:
        raise InputError(
            f"--input-shape '{input_shape}' is no list of sizes; write it like 1,3,224,224"
        ) from None


def open_setting(
    model: str,
    input_shape: str | None,
    *,
    device: str,
    edge: str,
    link: str,
    convention: str,
    workers: int | None = None,
    slowdown: float = 1.0,
    input_type: str | None = None,
    post: str | None = None,
) -> tuple[Model, Setting]:
    """MODEL and the machines of `machine_options`; what is quick to refuse is refused first."""
    import msgspec
    import numpy as np

    from fusepath.cost import named_convention, parse_link, parse_machine
    from fusepath.pictures.inputs import takes_pictures
    from fusepath.plan import Setting

    machines = parse_machine(device).slowed(slowdown), parse_machine(edge)
    joined, rules = parse_link(link), named_convention(convention)
    loaded = open_model(model, input_shape, post)
    if workers is not None:
        rules = msgspec.structs.replace(rules, edge_workers=workers)
    if input_type is None:
        input_type = "pixels" if takes_pictures(loaded.graph.input) else "values"
    if input_type == "values":
        size = np.dtype(loaded.graph.input.dtype).itemsize
        rules = msgspec.structs.replace(rules, input_bytes_per_element=size)
    setting = Setting(
        graph=loaded.graph, device=machines[0], edge=machines[1], link=joined, convention=rules
    )
    return loaded, setting


def planning_request(
    request: PlanRequest, *, evaluations: int | None, time_limit: float | None
) -> PlanRequest:
    """The request with a budget, as ``--evaluations`` and ``--time-limit`` give it."""
    import msgspec

    from fusepath.plan import Budget
    from fusepath.plan.planner import check_request, usual_budget

    if evaluations is None and time_limit is None:
        return request
    check_request(request)
    if evaluations is None:
        evaluations = usual_budget(request).evaluations
    budget = Budget(evaluations=evaluations, seconds=time_limit)
    return msgspec.structs.replace(request, budget=budget)


def tiling_request(
    algorithm: str | None,
    *,
    grid: str,
    tau: int | None,
    start: int | None,
    tiles: str,
    constraints: Constraints,
    codecs: str | None,
    lossy: str = "off",
    top: int = 1,
) -> PlanRequest:
    """What ``--algorithm``, ``--compress`` and the options of a tiling ask for."""
    from fusepath.plan import PlanRequest
    from fusepath.plan.planner import WHOLE
    from fusepath.tiling import Grid

    if algorithm in WHOLE and (grid != "auto" or tau is not None or start):
        raise InputError(
            f"--algorithm {algorithm} does not tile: leave out --grid, --tau and --start"
        )
    return PlanRequest(
        algorithm=_algorithm(algorithm, grid=grid, tau=tau, tiles=tiles),
        grid=None if grid == "auto" else Grid.parse(grid),
        tau=tau,
        start=start,
        unequal=tiles == "auto",
        constraints=constraints,
        codecs=codecs or "auto",
        lossy=lossy,  # type: ignore[arg-type]
        top=top,
    )


def _algorithm(named: str | None, *, grid: str, tau: int | None, tiles: str = "equal") -> str:
    """What plans where nobody says: auto, which chooses all of a tiling itself, or MW."""
    if named is not None:
        return named
    return "auto" if grid == "auto" and tau is None and tiles == "equal" else "mw"


def parse_channels(text: str, option: str, *, nonzero: bool = False) -> tuple[float, ...]:
    """One number for all channels, or one per channel."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} '{text}' is not a number or a list like 1,2,3") from None
    if not all(abs(value) <= _MOST_OF_A_PIXEL for value in values):
        raise InputError(f"{option} '{text}' must hold finite numbers, which float32 has")
    if nonzero and 0.0 in values:
        raise InputError(f"{option} '{text}' must not hold zero")
    return values


def check_channels(model: Model, **options: tuple[float, ...]) -> None:
    """Hold the values of ``--mean`` and ``--std`` against the model's channels."""
    source = model.graph.input
    channels = source.channels if len(source.shape) == 4 else 1
    for name, values in options.items():
        if len(values) not in {1, channels}:
            raise InputError(
                f"--{name} has {number_of(len(values), 'value')}, but '{model.graph.name}' takes "
                f"{number_of(channels, 'channel')}; give one value, or one per channel"
            )


_OPTIONS = {
    "device_macs": "--device-macs",
    "upload_bytes": "--upload",
    "device_memory_bytes": "--device-memory",
    "keep_on_device": "--keep-on-device",
    "max_paths": "--max-paths",
    "lossy='fp16'": "--lossy fp16",
    "lossy='int8'": "--lossy int8",
    "device_energy_j": "--max-energy",
    "seconds_per_joule": "--seconds-per-joule",
    "in_flight": "--in-flight",
    "min_frames_per_s": "--min-fps",
    "input_shape": "--input-shape",
    "input_type": "--input-type",
    "fit='stretch', 'crop' or 'letterbox'": "--fit stretch, crop or letterbox",
    "background=(255, 255, 255)": "--background 255,255,255",
    "levels=(0, 1)": "--levels 0,1",
    "frame=0": "--frame 0",
}
"""The options by which parameters are given that messages of the library name."""


def as_options(message: str) -> str:
    """A message of the library in the words of the command line."""
    words = "|".join(map(re.escape, _OPTIONS))
    return re.sub(rf"(?<!\w)({words})(?!\w)", lambda found: _OPTIONS[found[1]], message)


def print_json(document: dict[str, Any]) -> None:
    """The one object of ``--json``."""
    import json

    click.echo(json.dumps(_told(document), indent=2, allow_nan=False, default=str))


def _told(value: Any) -> Any:
    """The same with text alone: what has names of files that are none is spelt."""
    match value:
        case str():
            return as_text(value)
        case dict():
            return {_told(key): _told(each) for key, each in value.items()}
        case list() | tuple():
            return [_told(each) for each in value]
    return value
