"""Random networks of windows, pointwise operators and branches, as pure graphs."""

from __future__ import annotations

from hypothesis import strategies as st

from fusepath.graph import Kind, ModelGraph, Operator, Tensor, Window, Work, build_graph


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
def networks(draw, max_blocks: int = 5) -> ModelGraph:
    """A chain of blocks; a block is a window, a pointwise operator, or branches that meet."""
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
                work=Work(macs=draw(st.integers(1, 50))) if kind is Kind.WINDOW else Work(),
                weight_bytes=100 + len(operators) if kind is Kind.WINDOW else 0,
                **fields,  # type: ignore[arg-type]
            )
        )
        return name

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

    for _ in range(draw(st.integers(1, max_blocks))):
        block = draw(st.sampled_from(["window", "window", "pointwise", "branch", "skip"]))
        size = tuple(tensors[current].shape[2:])
        if block == "window":
            current = slide(current) or current
        elif block == "pointwise" and operators:
            current = add(Kind.POINTWISE, (current,), size)  # type: ignore[arg-type]
        elif block == "branch":
            left = slide(current, same=True)
            right = slide(current, same=True)
            assert left is not None
            assert right is not None
            current = add(Kind.POINTWISE, (left, right), size)  # type: ignore[arg-type]
        elif block == "skip" and operators:
            deep = slide(current, same=True)
            assert deep is not None
            deep = slide(deep, same=True)
            assert deep is not None
            current = add(Kind.POINTWISE, (deep, current), size)  # type: ignore[arg-type]
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
