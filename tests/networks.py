"""Random networks of windows, pointwise operators and branches, as pure graphs."""

from __future__ import annotations

from hypothesis import strategies as st

from fusepath.graph import (
    Crop,
    Kind,
    ModelGraph,
    Operator,
    Tensor,
    Transposed,
    Window,
    Work,
    build_graph,
)
from tests.footprints import resamplings

BLOCKS = ("window", "window", "move", "move", "neck", "pointwise", "branch", "skip")


def window_output(size: int, window: Window, *, ceil_mode: bool) -> int:
    """Output size as ONNX defines it."""
    room = size + window.pad_begin + window.pad_end - window.extent
    if room < 0:
        return 0
    if not ceil_mode:
        return room // window.stride + 1
    out = -(-room // window.stride) + 1
    if (out - 1) * window.stride >= size + window.pad_begin:
        out -= 1  # the last window would start in the padding at the end
    return out


@st.composite
def windows(draw, *, size: int, same: bool = False) -> Window:
    """A window that fits a map of this size; ``same`` keeps the size."""
    if same:
        kernel = draw(st.sampled_from([1, 3, 5]))
        dilation = draw(st.sampled_from([1, 2]))
        pad = (kernel - 1) * dilation
        begin = draw(st.integers(0, pad))
        return Window(kernel=kernel, dilation=dilation, pad_begin=begin, pad_end=pad - begin)
    kernel = draw(st.integers(1, 5))
    dilation = draw(st.sampled_from([1, 1, 2]))
    extent = (kernel - 1) * dilation + 1
    return Window(
        kernel=kernel,
        stride=draw(st.integers(1, 3)),
        dilation=dilation,
        pad_begin=draw(st.integers(0, max(extent - 1, 1))),
        pad_end=draw(st.integers(0, max(extent - 1, 1))),
    )


@st.composite
def networks(draw, max_blocks: int = 5, kinds: tuple[str, ...] = BLOCKS) -> ModelGraph:
    """A chain of blocks.

    A block is a window, another footprint, a pointwise operator, branches that meet, or a neck: a
    map that is made smaller and larger again meets what it was made of.
    """
    height, width = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    tensors = {"image": Tensor(name="image", shape=(1, 3, height, width))}
    operators: list[Operator] = []
    current = "image"

    def add(kind: Kind, inputs: tuple[str, ...], size: tuple[int, int], **fields: object) -> str:
        name = f"t{len(operators)}"
        tensors[name] = Tensor(name=name, shape=(1, 3, *size))
        operators.append(
            Operator(
                name=f"op{len(operators)}",
                op_type="Test",
                kind=kind,
                inputs=inputs,
                outputs=(name,),
                work=Work(
                    macs=draw(st.integers(1, 50)) if kind is Kind.WINDOW else 0,
                    per_input=isinstance(fields.get("rows"), Transposed),
                ),
                weight_bytes=100 + len(operators) if kind is Kind.WINDOW else 0,
                **fields,  # type: ignore[arg-type]
            )
        )
        return name

    def move(source: str) -> str | None:
        size = tensors[source].shape[2:]
        (rows, height), (cols, width) = (draw(resamplings(size=side)) for side in size)
        if not (0 < height <= 60 and 0 < width <= 60):
            return None
        return add(Kind.WINDOW, (source,), (height, width), rows=rows, cols=cols)

    def neck(source: str) -> str | None:
        factor = draw(st.integers(2, 3))
        size = tensors[source].shape[2:]
        pad = draw(st.integers(0, 1))
        window = Window(kernel=factor + pad, stride=factor, pad_begin=pad, pad_end=factor)
        less = [window_output(side, window, ceil_mode=False) for side in size]
        small = add(Kind.WINDOW, (source,), (less[0], less[1]), rows=window, cols=window)
        spread = Transposed(kernel=factor, stride=factor)
        large = (less[0] * factor, less[1] * factor)
        grown = add(Kind.WINDOW, (same(small),), large, rows=spread, cols=spread)
        both = (size[0], size[1])
        crop = Crop(begin=0)
        grown = add(Kind.WINDOW, (grown,), both, rows=crop, cols=crop)
        return point(grown, source)

    def slide(source: str, *, same: bool = False) -> str | None:
        size = tuple(tensors[source].shape[2:])
        rows, cols = (draw(windows(size=side, same=same)) for side in size)
        ceil_mode = draw(st.booleans()) if not same else False
        out = tuple(
            window_output(side, window, ceil_mode=ceil_mode)
            for side, window in zip(size, (rows, cols), strict=True)
        )
        if min(out) < 1:
            return None
        return add(Kind.WINDOW, (source,), out, rows=rows, cols=cols)  # type: ignore[arg-type]

    def point(*sources: str) -> str:
        size = tensors[sources[0]].shape[2:]
        return add(Kind.POINTWISE, sources, (size[0], size[1]))

    def same(source: str) -> str:
        made = slide(source, same=True)
        assert made is not None
        return made

    blocks = {
        "window": slide,
        "move": move,
        "neck": neck,
        "pointwise": point,
        "branch": lambda source: point(same(source), same(source)),
        "skip": lambda source: point(same(same(source)), source),
    }
    for _ in range(draw(st.integers(1, max_blocks))):
        block = draw(st.sampled_from(kinds))
        if operators or block not in {"neck", "pointwise", "skip"}:
            current = blocks[block](current) or current
    if not operators:
        current = slide("image", same=True) or current
    return build_graph(
        name="random",
        sha256="0" * 64,
        input=tensors["image"],
        outputs=(current,),
        tensors=tensors,
        operators=operators,
    )


def untileable() -> ModelGraph:
    """One operator that needs the whole map: nothing can be tiled."""
    tensors = {
        "image": Tensor(name="image", shape=(1, 3, 8, 8)),
        "y": Tensor(name="y", shape=(1, 10)),
    }
    flatten = Operator(
        name="dense",
        op_type="Gemm",
        kind=Kind.BARRIER,
        inputs=("image",),
        outputs=("y",),
        work=Work(macs=1920),
        barrier_reason="needs the whole feature map",
    )
    return build_graph(
        name="untileable",
        sha256="1" * 64,
        input=tensors["image"],
        outputs=("y",),
        tensors=tensors,
        operators=[flatten],
    )


def deep(blocks: tuple[int, ...] = (3, 8, 36, 3)) -> ModelGraph:
    """A residual network: bottlenecks of three convolutions, 150 of them as it is."""
    tensors = {"image": Tensor(name="image", shape=(1, 3, 224, 224))}
    operators: list[Operator] = []

    def convolve(source: str, channels: int, *, kernel: int = 1, stride: int = 1) -> str:
        before = tensors[source]
        pad = kernel // 2
        window = Window(kernel=kernel, stride=stride, pad_begin=pad, pad_end=pad)
        sizes = [window_output(before.size(axis), window, ceil_mode=False) for axis in (0, 1)]
        name = f"conv{len(operators)}"
        tensors[name] = Tensor(name=name, shape=(1, channels, *sizes))
        macs = before.channels * channels * kernel**2  # of one position
        operators.append(
            Operator(
                name=name,
                op_type="Conv",
                kind=Kind.WINDOW,
                inputs=(source,),
                outputs=(name,),
                rows=window,
                cols=window,
                work=Work(macs=macs),
                weight_bytes=4 * macs,
            )
        )
        return name

    def add(one: str, other: str) -> str:
        name = f"add{len(operators)}"
        tensors[name] = Tensor(name=name, shape=tensors[one].shape)
        operators.append(
            Operator(
                name=name,
                op_type="Add",
                kind=Kind.POINTWISE,
                inputs=(one, other),
                outputs=(name,),
                work=Work(),
            )
        )
        return name

    here = convolve("image", 64, kernel=7, stride=2)
    for stage, count in enumerate(blocks):
        for block in range(count):
            width, stride = 64 << stage, 2 if block == 0 else 1
            inner = convolve(here, width)
            inner = convolve(inner, width, kernel=3, stride=stride)
            outer = convolve(inner, 4 * width)
            here = outer if block == 0 else add(outer, here)
    return build_graph(
        name="deep",
        sha256="3" * 64,
        input=tensors["image"],
        outputs=(here,),
        tensors=tensors,
        operators=operators,
    )


def skipped_input() -> ModelGraph:
    """The sum of the input and two 1x1 convolutions of it: a branch leads past layer 1."""
    names = ["image", "y1", "y2", "sum"]
    reads = {"y1": ("image",), "y2": ("y1",), "sum": ("y2", "image")}
    return build_graph(
        name="skipped",
        sha256="2" * 64,
        input=Tensor(name="image", shape=(1, 3, 8, 8)),
        outputs=("sum",),
        tensors={name: Tensor(name=name, shape=(1, 3, 8, 8)) for name in names},
        operators=[
            Operator(
                name=f"make {name}",
                op_type="Add" if name == "sum" else "Conv",
                kind=Kind.POINTWISE if name == "sum" else Kind.WINDOW,
                inputs=reads[name],
                outputs=(name,),
                work=Work(macs=0 if name == "sum" else 9),
            )
            for name in names[1:]
        ],
    )
