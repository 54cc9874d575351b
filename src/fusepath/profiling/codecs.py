"""What codecs make of the tensors that cuts send, measured on a sample image."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fusepath.arrays import dtype_text
from fusepath.cost import LOSSY, Compression, is_lossy
from fusepath.errors import ImageError, InputError
from fusepath.onnx_io import build_submodel
from fusepath.runtime.codecs import CODECS, LOSSY_CODECS, find_codec, is_installed, suits
from fusepath.runtime.companions import blank_companions
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from fusepath.arrays import Array
    from fusepath.cost import Machine
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat, Setting
    from fusepath.runtime.codecs import Codec


_PIECES = 8
"""A map is encoded in so many bands of rows, as a plan would: small pieces have fixed costs."""
_LEAST_S = 1e-9
_LARGEST = 4
"""What is so many times as large as the image is left out: no codec makes less than the image of
it, as a rule, and large maps take long to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One codec on one tensor, on this machine."""

    tensor: str
    compression: Compression
    raw_bytes: int


def named_codecs(compress: str, lossy: str = "off") -> list[str]:
    """``auto`` means all lossless codecs that are installed, ``off`` none, anything else one.

    Args:
        compress: which lossless ones.
        lossy: which lossy ones besides, a key of `fusepath.cost.LOSSY`, or ``off``.

    Raises:
        InputError: there is no such codec, it is not installed, or it is lossy.
    """
    changing = [name for name in LOSSY_CODECS if name in LOSSY.get(lossy, ())]
    if compress == "off":
        return changing
    if compress == "auto":
        return [name for name in CODECS if is_installed(name)] + changing
    find_codec(compress)
    if is_lossy(compress):
        raise InputError(
            f"codec '{compress}' changes values, and so results: it is taken with lossy="
            f"'{compress.partition('+')[0]}' alone"
        )
    return [compress, *changing]


def crossing_tensors(model: Model, image: Array, form: InputFormat) -> Iterator[tuple[str, Array]]:
    """Every tensor that some cut sends, or that may return, once, with its value for an image.

    The input comes as it travels; the others in the order in which the layers make them, the
    outputs that no cut sends last.

    Raises:
        ImageError: the image is not the model's input.
    """
    graph = model.graph
    if tuple(image.shape) != graph.input.shape:
        raise ImageError(
            f"the sample is {list(image.shape)}, but '{graph.name}' takes "
            f"{list(graph.input.shape)} (N, C, H, W)"
        )
    value = to_model_input(image, form, graph.input.dtype)
    sent = value if form.dtype == graph.input.dtype else image
    if sent.dtype.name != form.dtype:
        raise ImageError(f"the sample is {dtype_text(sent.dtype)}, but the plan sends {form.dtype}")
    yield graph.input.name, sent
    seen = {graph.input.name}
    values: dict[str, Array] = {graph.input.name: value, **blank_companions(graph)}
    for index in range(1, graph.depth + 1):
        sub = build_submodel(model, index, index)
        runner = Runner(sub.data, weights=sub.weights, outputs=sub.outputs)
        values |= runner.run({name: values[name] for name in sub.inputs})
        values = {name: values[name] for name in (*graph.frontier(index), *graph.companions)}
        for name in graph.frontier(index):
            if name not in seen:
                seen.add(name)
                yield name, values[name]


def sample_codecs(
    name: str, value: Array, codecs: Iterable[str], *, repeats: int = 3
) -> Iterator[Sample]:
    """Encode and decode a tensor with every codec that suits it; the least of the times counts.

    Args:
        name: of the tensor.
        value: (N, C, H, W) is encoded in bands of rows, anything else whole.
        codecs: their names.
        repeats: of encoding and of decoding.

    Raises:
        InputError: a codec is unknown or not installed.
    """
    pieces = [value]
    if value.ndim == 4 and value.shape[2] >= _PIECES:
        pieces = np.array_split(value, _PIECES, axis=2)
    for codec_name in codecs:
        codec = find_codec(codec_name)
        if not suits(codec_name, value):
            continue
        encoded = [(codec.encode(piece), piece) for piece in pieces]
        pairs = [(data, piece) for data, piece in encoded if len(data) < piece.nbytes]
        whole = [(codec.encode(value), value)]
        encode_s = fixed_and_moving(
            least_s(partial(_encode, codec, [value]), repeats),
            least_s(partial(_encode, codec, pieces), repeats),
            len(pieces),
        )
        decode_s = (0.0, least_s(partial(_decode, codec, pairs), repeats))
        if len(pairs) == len(pieces):
            whole_s = least_s(partial(_decode, codec, whole), repeats)
            decode_s = fixed_and_moving(whole_s, decode_s[1], len(pieces))
        sent = sum(min(len(data), piece.nbytes) for data, piece in encoded)
        yield Sample(
            tensor=name,
            raw_bytes=value.nbytes,
            compression=Compression(
                codec=codec_name,
                ratio=max(sent, 1) / value.nbytes,
                encode_s_per_byte=encode_s[1] / value.nbytes,
                decode_s_per_byte=decode_s[1] / value.nbytes,
                encode_s_per_piece=encode_s[0],
                decode_s_per_piece=decode_s[0],
            ),
        )


def fixed_and_moving(whole_s: float, pieces_s: float, pieces: int) -> tuple[float, float]:
    """What a piece takes however small it is, and what all bytes take; together ``pieces_s``.

    Args:
        whole_s: of a tensor at once.
        pieces_s: of the same in pieces.
        pieces: how many.
    """
    if pieces == 1:
        return 0.0, pieces_s
    # A machine that is disturbed may take as long for all at once as for a piece, or less.
    fixed_s = min(max(pieces_s - whole_s, 0.0) / (pieces - 1), pieces_s / pieces)
    return fixed_s, max(pieces_s - pieces * fixed_s, 0.0)


def _encode(codec: Codec, pieces: Sequence[Array]) -> None:
    for piece in pieces:
        codec.encode(piece)


def _decode(codec: Codec, pairs: Sequence[tuple[bytes, Array]]) -> None:
    for data, piece in pairs:
        codec.decode(data, piece.dtype, piece.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedCodecs:
    """What codecs save and cost on this machine."""

    samples: tuple[Sample, ...] = ()
    network_s: float = 1.0
    """Seconds that the whole network takes here."""

    @property
    def per_second(self) -> dict[str, float]:
        """By how much machines are slower that run the network in a second."""
        return dict.fromkeys(("sender", "receiver"), 1 / self.network_s)

    def on(self, setting: Setting) -> Setting:
        """A setting that offers codecs, with what they save and cost on its machines.

        A machine that runs the network so many times slower than this one is taken to run codecs
        so many times slower as well.
        """
        device = total_s(setting, setting.device) / self.network_s
        edge = total_s(setting, setting.edge) / self.network_s
        graph = setting.graph
        sent = {name for cut in range(1, graph.depth + 1) for name in graph.sent(cut)}
        up: dict[str, list[Compression]] = {}
        back: dict[str, list[Compression]] = {}
        for item in self.samples:
            name, measured = item.tensor, item.compression
            if name in sent:
                up.setdefault(name, []).append(measured.on(sender=device, receiver=edge))
            if name != graph.input.name and not is_lossy(measured.codec):
                back.setdefault(name, []).append(measured.on(sender=edge, receiver=device))
        return replace(setting, offered=up, offered_back=back)


def mean_of(several: Sequence[TriedCodecs]) -> TriedCodecs:
    """What codecs save and cost on the mean of several samples, of those that suited all of them.

    Args:
        several: at least one, of one model.
    """
    if len(several) == 1:
        return several[0]
    known: dict[tuple[str, str], list[Sample]] = {}
    for tried in several:
        for item in tried.samples:
            relative = replace(item, compression=item.compression.on(**tried.per_second))
            known.setdefault((item.tensor, item.compression.codec), []).append(relative)
    return TriedCodecs(
        samples=tuple(_mean(items) for items in known.values() if len(items) == len(several))
    )


def _mean(items: Sequence[Sample]) -> Sample:
    means = {
        name: statistics.fmean(getattr(item.compression, name) for item in items)
        for name in Compression.__struct_fields__
        if name != "codec"
    }
    return replace(items[0], compression=Compression(codec=items[0].compression.codec, **means))


def try_codecs(
    model: Model, image: Array, form: InputFormat, *, codecs: Sequence[str]
) -> TriedCodecs:
    """Time codecs here, on what crosses the link either way and is not much larger than the image.

    Args:
        model: the network.
        image: a sample; how sparse maps are, depends on it.
        form: how the image travels.
        codecs: names; without any, nothing is measured.

    Raises:
        InputError: a codec is unknown or not installed.
        ImageError: the image is not the model's input.
    """
    if not codecs:
        return TriedCodecs()
    network_s = least_network_s(model, to_model_input(image, form, model.graph.input.dtype))
    samples: list[Sample] = []
    most_bytes = None
    for name, value in crossing_tensors(model, image, form):
        if most_bytes is None:  # the image comes first
            most_bytes = _LARGEST * value.nbytes
        if value.nbytes <= most_bytes:
            samples += sample_codecs(name, value, codecs)
    return TriedCodecs(samples=tuple(samples), network_s=network_s)


def offering_codecs(
    setting: Setting, model: Model, image: Array, form: InputFormat, *, codecs: Sequence[str]
) -> Setting:
    """A setting that offers what `try_codecs` has found, as it is on its machines."""
    return try_codecs(model, image, form, codecs=codecs).on(setting)


def least_network_s(model: Model, values: Array, repeats: int = 5) -> float:
    """Seconds of the whole network on this machine: the least of so many runs.

    Args:
        model: the network.
        values: its input, as it computes with it.
        repeats: runs that count; one before warms up.
    """
    graph = model.graph
    sub = build_submodel(model, 1, graph.depth)
    whole = Runner(sub.data, weights=sub.weights)
    feeds = {graph.input.name: values, **blank_companions(graph)}
    whole.run(feeds)
    return max(least_s(lambda: whole.run(feeds), repeats), _LEAST_S)


def total_s(setting: Setting, machine: Machine) -> float:
    """Seconds of the whole network on a machine."""
    graph = setting.graph
    return sum(
        machine.layer_s(graph, index, setting.convention) for index in range(1, graph.depth + 1)
    )


def least_s(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the quickest of so many runs."""
    best_s = float("inf")
    for _ in range(repeats):
        started_s = time.perf_counter()
        run()
        best_s = min(best_s, time.perf_counter() - started_s)
    return best_s
