"""Where the numbers in the zoo's networks come from: two sources of seeded weights.

`HeWeights` are normals of variance ``2 / fan_in`` (He et al., arXiv:1502.01852, Sec. 2.2), with
small biases and batch normalisation whose moments scatter around 0 and 1. Activations keep their
size through the depth, for an image of 0..1 as for one of 0..255.

`IntegerWeights` make every map up to the last average, the first softmax or the first layer
normalisation hold integers (behind k averages over 2×2: multiples of 4**-k), small enough that any
float32 sum of them is exact in any order. Two ways to compute the same thing must then agree bit
for bit, so a wrong pixel cannot hide behind a rounding error. The means that a squeeze-and-excite
weighs are no integers; the gates that it makes of them are 0 or 1.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Weights = Literal["he", "integer"]
WEIGHTS: tuple[str, ...] = get_args(Weights)

# Images come as 0..1 or as 0..255. The first convolution divides by the geometric mean of the two
# ranges, so that neither saturates a Clip or a softmax nor drowns in the biases.
STEM_GAIN = 1 / 16
# A linear layer has no rectifier behind it that would halve the second moment.
LINEAR_GAIN = math.sqrt(0.5)
# Keeps the logits of a deep net in the range where a softmax still tells them apart.
CLASSIFIER_GAIN = 1 / 4
# The last BatchNorm of a residual branch: trained nets have it small, and sixteen additions of
# full size would multiply the activations by 2**8.
RESIDUAL_SCALE = 0.3
# The same for stages of more than twenty blocks.
DEEP_RESIDUAL_SCALE = 0.1


class Moments(NamedTuple):
    """The four vectors of a batch normalisation, in the order of the operator's inputs."""

    scale: Floats
    bias: Floats
    mean: Floats
    var: Floats


class WeightSource(Protocol):
    """Draws weights in the order in which they are asked for."""

    epsilon: float
    leaky_slope: float
    lrn_alpha: float
    clip_limit: float
    step: tuple[float, float] | None
    """Slope and offset of the line that stands for a sigmoid; None for the sigmoid itself."""

    def kernel(self, shape: tuple[int, ...], *, gain: float) -> Floats:
        """Filters of `shape` ``(outputs, inputs per group, ...)``."""
        ...

    def bias(self, size: int) -> Floats:
        """One bias per output."""
        ...

    def moments(self, size: int, *, scale: float) -> Moments:
        """Batch normalisation of `size` channels around `scale`."""
        ...


def weight_source(weights: Weights, *, seed: int) -> WeightSource:
    """The source named `weights`."""
    random = np.random.Generator(np.random.PCG64(seed))
    return IntegerWeights(random) if weights == "integer" else HeWeights(random)


class HeWeights:
    """Random normals, as a network has them before training."""

    epsilon = 1e-5
    leaky_slope = 0.1
    lrn_alpha = 1e-4
    clip_limit = 6.0
    step: tuple[float, float] | None = None

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def kernel(self, shape: tuple[int, ...], *, gain: float) -> Floats:
        """Normals of standard deviation ``gain * sqrt(2 / fan_in)``."""
        return self._normal(shape, gain * math.sqrt(2 / math.prod(shape[1:])))

    def bias(self, size: int) -> Floats:
        """Small normals."""
        return self._normal((size,), 0.05)

    def moments(self, size: int, *, scale: float) -> Moments:
        """Scale and variance within a fourth of their centre, bias and mean near 0."""
        return Moments(
            scale=self._uniform(size, 0.8 * scale, 1.2 * scale),
            bias=self._normal((size,), 0.1),
            mean=self._normal((size,), 0.1),
            var=self._uniform(size, 0.75, 1.25),
        )

    def _normal(self, shape: tuple[int, ...], deviation: float) -> Floats:
        array = self._random.standard_normal(shape, dtype=np.float32)
        array *= np.float32(deviation)
        return array

    def _uniform(self, size: int, low: float, high: float) -> Floats:
        return self._random.uniform(low, high, size).astype(np.float32)


class IntegerWeights:
    """A few taps of +1 and -1 per filter, and the constants that keep integers integers."""

    # Divides by sqrt(1 + 0), exactly one, before and after a runtime folds it into a convolution.
    epsilon = 0.0
    # A tenth of an integer is none. Slope -1, the absolute value, keeps integers, lets both signs
    # of the input show in the output and differs from Relu and from doing nothing.
    leaky_slope = -1.0
    # LRN divides by (1 + alpha / size * sum of squares) ** beta, a root: no integer comes out
    # unless the power is of exactly 1. ONNX Runtime wants alpha above 0; 1e-30 is lost beside the
    # 1 for all values below 2**24, and LRN becomes the identity.
    lrn_alpha = 1e-30
    # At 6, nearly every pixel of a 0..255 image would become 0 or 6.
    clip_limit = 100.0
    # A gate of 0 or 1 keeps integers. It opens at 2**-12: above what rounding makes of a 0 among
    # the means that a squeeze-and-excite weighs.
    step: tuple[float, float] | None = (2.0**20, -(2.0**8))

    BIASES = np.array([-1, 0, 1, 2], dtype=np.float32)
    # One +1 and one -1 alone thin the activations out with depth, two +1 and one -1 alone make
    # them grow: this share of the filters has the second +1.
    SECOND_TAP_SHARE = 0.125

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def kernel(self, shape: tuple[int, ...], *, gain: float) -> Floats:
        """Two or three taps per filter; `gain` has no meaning here.

        Positions in the window are dealt out like cards, so that all of them are in use as soon
        as there are as many taps as positions; so are the input channels.
        """
        del gain
        outputs, inputs, area = shape[0], shape[1], math.prod(shape[2:])
        filters = np.arange(outputs)
        second = filters[self._random.random(outputs) < self.SECOND_TAP_SHARE]
        rows = np.concatenate([filters, filters, second])
        signs = np.repeat([1, -1, 1], [outputs, outputs, second.size])
        channels = self._deal(inputs, rows.size)
        positions = self._deal(area, rows.size)
        taps = np.zeros((outputs, inputs, area), np.float32)
        # Backwards: where two taps of a filter meet, the first, +1, stays.
        taps[rows[::-1], channels[::-1], positions[::-1]] = signs[::-1]
        return taps.reshape(shape)

    def bias(self, size: int) -> Floats:
        """Small integers."""
        return self._random.choice(self.BIASES, size)

    def moments(self, size: int, *, scale: float) -> Moments:
        """Shifts by small integers; a `scale` below `RESIDUAL_SCALE` silences channels instead."""
        scales = np.ones(size, np.float32)
        if scale < RESIDUAL_SCALE:
            scales[self._random.random(size) > scale / RESIDUAL_SCALE] = 0
        return Moments(
            scale=scales,
            bias=self._random.choice(self.BIASES, size),
            mean=self._random.integers(-1, 2, size).astype(np.float32),
            var=np.ones(size, np.float32),
        )

    def _deal(self, cards: int, count: int) -> npt.NDArray[np.int64]:
        """`count` numbers below `cards`, each drawn again only after all others were."""
        rounds = -(-count // cards)
        deck = np.tile(np.arange(cards), (rounds, 1))
        return self._random.permuted(deck, axis=1).reshape(-1)[:count]
