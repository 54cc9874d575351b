"""torchvision's AlexNet by its sizes alone: what planning needs to know, and no weights.

It is "One weird trick" (Krizhevsky, arXiv:1404.5997): one column, so no groups, fewer channels in
the first layers, and a first convolution that is padded. The zoo has the network of 2012.
"""

from __future__ import annotations

import hashlib

from fusepath.graph import Kind, ModelGraph, Operator, Tensor, Window, Work, build_graph

_LAYERS = (
    # channels (None: pooling), kernel, stride, pad
    (64, 11, 4, 2),
    (None, 3, 2, 0),
    (192, 5, 1, 2),
    (None, 3, 2, 0),
    (384, 3, 1, 1),
    (256, 3, 1, 1),
    (256, 3, 1, 1),
    (None, 3, 2, 0),
)
_DENSE = (4096, 4096, 1000)


def torchvision_alexnet(size: int = 224) -> ModelGraph:
    """The network for images of a size; its adaptive pooling does nothing at 224.

    Args:
        size: rows and columns of the image.
    """
    tensors = {"image": Tensor(name="image", shape=(1, 3, size, size))}
    operators: list[Operator] = []

    def add(op_type: str, kind: Kind, shape: tuple[int, ...], work: Work, window: Window) -> None:
        source = operators[-1].outputs[0] if operators else "image"
        name = f"{op_type.lower()}{len(operators) + 1}"
        tensors[name] = Tensor(name=name, shape=shape)
        operators.append(
            Operator(
                name=name,
                op_type=op_type,
                kind=kind,
                inputs=(source,),
                outputs=(name,),
                work=work,
                rows=window,
                cols=window,
                barrier_reason="needs whole maps" if kind is Kind.BARRIER else "",
            )
        )

    read = 3
    for channels, kernel, stride, pad in _LAYERS:
        size = (size + 2 * pad - kernel) // stride + 1
        window = Window(kernel=kernel, stride=stride, pad_begin=pad, pad_end=pad)
        made = channels or read
        work = Work(macs=made * read * kernel**2) if channels else Work(pool_taps=made * kernel**2)
        add("Conv" if channels else "MaxPool", Kind.WINDOW, (1, made, size, size), work, window)
        read = made
    read *= size * size
    for wide in _DENSE:
        add("Gemm", Kind.BARRIER, (1, wide), Work(macs=read * wide), Window(kernel=1, stride=1))
        read = wide
    return build_graph(
        name="alexnet-torchvision",
        sha256=hashlib.sha256(repr((_LAYERS, _DENSE)).encode()).hexdigest(),
        input=tensors["image"],
        outputs=(operators[-1].outputs[0],),
        tensors=tensors,
        operators=operators,
    )
