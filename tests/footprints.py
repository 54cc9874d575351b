"""Footprints by brute force: which input elements an output depends on, one tap at a time."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import strategies as st

from fusepath.graph import Border, Crop, Footprint, Padding, Sampling, Transposed, Window


def taps(footprint: Footprint, j: int, size: int) -> set[int]:
    """Elements of a map of this size that output ``j`` depends on; none for padding alone."""
    match footprint:
        case Window(kernel=kernel, stride=stride, dilation=dilation, pad_begin=begin):
            found = [j * stride + tap * dilation - begin for tap in range(kernel)]
        case Transposed(kernel=kernel, stride=stride, dilation=dilation, pad_begin=begin):
            wanted = [j + begin - tap * dilation for tap in range(kernel)]
            found = [at // stride for at in wanted if at % stride == 0]
        case Sampling(inputs=inputs, outputs=outputs, low=low, high=high):
            ends = [Fraction(2 * j * inputs + shift, 2 * outputs) for shift in (low, high)]
            first, last = (min(max(math.floor(end), 0), size - 1) for end in ends)
            found = list(range(first, last + 1))
        case Crop(begin=begin, stride=stride):
            found = [begin + j * stride]
        case Padding(begin=begin, border=border):
            line = list(range(size))
            found = [_around(line, j - begin, border)]
    return {at for at in found if 0 <= at < size}


def _around(line: list[int], at: int, border: Border) -> int:
    if 0 <= at < len(line) or border is Border.CONSTANT:
        return at
    if border is Border.EDGE:
        return line[0] if at < 0 else line[-1]
    return -at if at < 0 else 2 * (len(line) - 1) - at


def session_size(footprint: Footprint, sizes: tuple[int, int], length: int) -> int:
    """What a session makes of so many elements by attributes that fit a map of these sizes.

    Args:
        footprint: of the operator.
        sizes: of the whole input and output.
        length: of the piece.
    """
    size, made = sizes
    match footprint:
        case Window(stride=stride, pad_begin=begin, pad_end=end, extent=extent):
            padded = begin + end - extent
            extra = made - ((size + padded) // stride + 1)  # 0, or 1 with ceil_mode
            assert (length + padded) % stride == (size + padded) % stride  # rounds alike
            return (length + padded) // stride + 1 + extra
        case Transposed(stride=stride):
            return length * stride + made - size * stride
        case Sampling(inputs=inputs, outputs=outputs):
            return length * outputs // inputs
        case Crop(begin=begin, stride=stride):
            left = size - (begin + (made - 1) * stride + 1)
            return -(-(length - begin - left) // stride)
        case Padding(begin=begin, end=end):
            return length + begin + end


@st.composite
def resamplings(draw, size: int) -> tuple[Footprint, int]:
    """Any footprint but a window on a map of this size, and the size of what it makes."""
    kind = draw(st.sampled_from(["repeat", "transposed", "sample", "crop", "pad"]))
    match kind:
        case "repeat":
            factor = draw(st.integers(2, 3))
            return Transposed(kernel=factor, stride=factor), size * factor
        case "transposed":
            kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
            dilation = draw(st.sampled_from([1, 1, 2]))
            extent = (kernel - 1) * dilation + 1
            begin, end = (draw(st.integers(0, extent - 1)) for _ in range(2))
            added = draw(st.integers(0, max(stride, dilation) - 1))
            made = (size - 1) * stride + extent - begin - end + added
            footprint = Transposed(kernel=kernel, stride=stride, dilation=dilation, pad_begin=begin)
            return footprint, made
        case "sample":
            ratio = Fraction(draw(st.integers(1, 5)), draw(st.integers(1, 4)))
            inputs, outputs = ratio.denominator, ratio.numerator
            low = draw(st.sampled_from([0, inputs - outputs]))
            high = low + draw(st.sampled_from([0, 2 * outputs - 1, 2 * outputs]))
            footprint = Sampling(inputs=inputs, outputs=outputs, low=low, high=high)
            return footprint, size * outputs // inputs
        case "crop":
            begin = draw(st.integers(0, size - 1))
            end = draw(st.integers(begin + 1, size))
            stride = draw(st.integers(1, 3))
            return Crop(begin=begin, stride=stride), -(-(end - begin) // stride)
    border = draw(st.sampled_from(list(Border)))
    most = min(4, size - 1)
    begin, end = draw(st.integers(0, most)), draw(st.integers(0, most))
    return Padding(begin=begin, end=end, size=size, border=border), size + begin + end
