"""Draws the demo picture: a mountain lake at dusk, so that no photograph has to be licensed.

A landscape of fractal noise is seen through a pinhole camera, lit by a low sun, dimmed by haze
and mirrored in rippled water; conifers stand in the foreground. Lengths are in kilometres: x to
the right, y up from the lake's surface, z away from the camera. Twice the final size is drawn.

    python tools/draw_demo_picture.py [OUT.png]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Array: TypeAlias = npt.NDArray[Any]

DEFAULT_OUT = Path(__file__).parent.parent / "src" / "fusepath" / "assets" / "demo.png"
SEED = 20
FINAL = 640
SIZE = 2 * FINAL
HORIZON = 0.585 * SIZE  # row
FOCAL = 1.18 * SIZE  # pixels
EYE = 0.012  # camera above the water
SUN = np.array([-0.80, 0.20, 0.42], np.float32)
SUN /= np.linalg.norm(SUN)
SUNLIGHT = np.array([1.75, 0.98, 0.55], np.float32)
SKYLIGHT = np.array([0.30, 0.36, 0.52], np.float32)


# ------------------------------------------------------------------ noise


class Noise:
    """Gradient noise on a seeded, periodic lattice (Perlin 1985), and sums of its octaves."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        angle = random.uniform(0, 2 * np.pi, (256, 256)).astype(np.float32)
        self._gx, self._gy = np.cos(angle), np.sin(angle)

    def __call__(self, x: Array, y: Array) -> Array:
        """Noise of about -0.7..0.7 with features one unit wide."""
        x0, y0 = np.floor(x), np.floor(y)
        fx, fy = x - x0, y - y0
        i, j = x0.astype(np.int32) & 255, y0.astype(np.int32) & 255
        i1, j1 = (i + 1) & 255, (j + 1) & 255
        u, v = fx * fx * fx * (fx * (fx * 6 - 15) + 10), fy * fy * fy * (fy * (fy * 6 - 15) + 10)
        a = self._gx[i, j] * fx + self._gy[i, j] * fy
        b = self._gx[i1, j] * (fx - 1) + self._gy[i1, j] * fy
        c = self._gx[i, j1] * fx + self._gy[i, j1] * (fy - 1)
        d = self._gx[i1, j1] * (fx - 1) + self._gy[i1, j1] * (fy - 1)
        low: Array = a + u * (b - a)
        high: Array = c + u * (d - c)
        return low + v * (high - low)

    def fractal(self, x: Array, y: Array, octaves: int, *, gain: float = 0.5) -> Array:
        """Octaves of halving width and amplitude, about -1..1."""
        total, amplitude = np.zeros(np.broadcast(x, y).shape, np.float32), 1.0
        for _ in range(octaves):
            total += amplitude * self(x, y)
            x, y, amplitude = 2.03 * x + 17.3, 2.03 * y - 9.1, amplitude * gain
        return total

    def ridged(self, x: Array, y: Array, octaves: int) -> Array:
        """Sharp crests with rough flanks and smooth valleys, about 0..1 (Musgrave 1994)."""
        total, amplitude = np.zeros(np.broadcast(x, y).shape, np.float32), 0.5
        weight: Array | float = 1.0
        for _ in range(octaves):
            crest = (1 - np.abs(1.55 * self(x, y))) ** 2
            total += amplitude * weight * crest
            weight = np.clip(1.6 * crest, 0, 1)
            # Octaves are turned so that the lattice does not show.
            x, y = 1.6 * x + 1.2 * y + 5.7, -1.2 * x + 1.6 * y + 3.1
            amplitude *= 0.5
        return total


def smoothstep(low: Array | float, high: Array | float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth in between."""
    t: Array = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, share: Array) -> Array:
    """From `a` to `b` by `share`, per pixel."""
    return a + (b - a) * share[..., None]


def colour(r: float, g: float, b: float) -> Array:
    """Linear light from the 0..255 values a colour picker shows."""
    return (np.array([r, g, b], np.float32) / 255) ** 2.2


# ------------------------------------------------------------------ land


def height(noise: Noise, x: Array, z: Array, *, octaves: int = 11) -> Array:
    """Height of the ground, below 0 where the lake is."""
    bend = 0.35 * noise.fractal(0.5 * x, 0.5 * z + 40, 4)
    shore = np.hypot((x - 0.1) / 2.3, (z - 0.2) / 3.3) + bend - 1
    peaks = noise.ridged(0.155 * x + 0.37, 0.155 * z + 4.75, octaves)
    hills = noise.fractal(0.6 * x + 80, 0.6 * z, max(octaves - 3, 3))
    # A valley leads away from the lake, to the right of the middle.
    valley = np.exp(-(((x - 0.22 * z) / (0.9 + 0.05 * z)) ** 2))
    rise = smoothstep(0.05, 3.4, shore) * (1 - 0.62 * valley)
    foot = 0.16 * np.clip(shore, 0, 1.5) * (1 + 0.9 * hills)
    return np.where(shore > 0, foot + 3.1 * rise * peaks, 0.2 * shore).astype(np.float32)


def forest(noise: Noise, x: Array, z: Array, y: Array) -> Array:
    """0..1: how densely trees stand."""
    edge = 0.62 + 0.35 * noise.fractal(1.7 * x, 1.7 * z, 5)
    return smoothstep(0.0, 0.015, y) * (1 - smoothstep(edge - 0.12, edge + 0.12, y))


def canopy(noise: Noise, x: Array, z: Array) -> Array:
    """Tree tops, 0..1."""
    return np.clip(0.45 + 1.1 * noise(70 * x, 45 * z) + 0.5 * noise(150 * x, 90 * z), 0, 1)


def surface(noise: Noise, x: Array, z: Array) -> tuple[Array, Array]:
    """Height with the trees on it, and how densely they stand."""
    y = height(noise, x, z)
    trees = forest(noise, x, z, y)
    return y + 0.028 * trees * canopy(noise, x, z), trees


def shadow(noise: Noise, x: Array, y: Array, z: Array) -> Array:
    """0..1: how much of the sun's disc shows over the ground between it and each point."""
    step, extent = 0.04, 34.0
    n = int(extent / step)
    gx, gz = np.meshgrid(
        np.arange(n, dtype=np.float32) * step - extent / 2,
        np.arange(n, dtype=np.float32) * step,
        indexing="ij",
    )
    ground = height(noise, gx, gz, octaves=8)
    lit = np.ones_like(x)
    for distance in np.geomspace(0.08, 9, 44):
        px, py, pz = x + SUN[0] * distance, y + SUN[1] * distance, z + SUN[2] * distance
        i = np.clip(((px + extent / 2) / step), 0, n - 1).astype(np.int32)
        k = np.clip(pz / step, 0, n - 1).astype(np.int32)
        clearance = (py - ground[i, k]) / (0.03 * distance + 0.02)
        lit = np.minimum(lit, np.clip(clearance + 0.6, 0, 1))
    return lit


def draw_land(noise: Noise, sky: Array) -> Array:
    """The rows above the horizon: the land in front of `sky`."""
    steps = np.geomspace(0.6, 26, 2600).astype(np.float32)
    rows = int(HORIZON)
    slope = ((np.arange(SIZE, dtype=np.float32) + 0.5 - SIZE / 2) / FOCAL)[None, :]
    z = steps[:, None]
    y, _ = surface(noise, z * slope, np.broadcast_to(z, (z.size, SIZE)))
    screen = HORIZON - FOCAL * (y - EYE) / z
    screen[y <= 0] = HORIZON
    # Nearer ground hides farther ground: the first step that reaches a row is what is seen there.
    skyline = np.minimum.accumulate(screen, axis=0)
    hit = np.empty((rows, SIZE), np.int32)
    for column in range(SIZE):
        reach = -skyline[:, column]
        hit[:, column] = np.searchsorted(reach, -(np.arange(rows) + 0.5))
    land = hit < steps.size
    z = steps[np.minimum(hit, steps.size - 1)]
    picture = sky[:rows].copy()
    x = z * slope
    x, z = x[land], z[land]
    picture[land] = shade(noise, x, z, sky[:rows][land])
    return picture


def shade(noise: Noise, x: Array, z: Array, sky: Array) -> Array:
    """Colours of points on the ground, as seen through the air."""
    y, trees = surface(noise, x, z)
    bare = height(noise, x, z)
    e = 0.0025 + 0.0006 * z
    rough = 0.5 + 0.5 * trees
    dx = (surface(noise, x + e, z)[0] - y) / e * rough
    dz = (surface(noise, x, z + e)[0] - y) / e * rough
    normal = np.stack([-dx, np.ones_like(dx), -dz], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)

    grain = noise.fractal(14 * x, 14 * z + 31 * y, 5)
    strata = noise.fractal(1.5 * x, 22 * y + 2 * z, 4)
    rock = mix(colour(98, 92, 92), colour(150, 138, 128), np.clip(0.5 + grain + 0.5 * strata, 0, 1))
    meadow = mix(colour(70, 78, 42), colour(112, 104, 62), np.clip(0.5 + 1.2 * grain, 0, 1))
    flat = smoothstep(0.62, 0.82, normal[..., 1] + 0.10 * grain)
    ground = mix(rock, meadow, flat * (1 - smoothstep(0.8, 1.3, bare)))
    line = 1.18 + 0.35 * grain
    snow = smoothstep(0.0, 0.30, bare - line) * smoothstep(
        0.46, 0.66, normal[..., 1] + 0.25 * grain
    )
    ground = mix(ground, np.broadcast_to(colour(236, 238, 245), ground.shape), snow)
    needles = mix(colour(18, 28, 20), colour(48, 60, 34), canopy(noise, x, z))
    ground = mix(ground, needles, np.clip(1.2 * trees, 0, 1))

    direct = np.clip(normal @ SUN, 0, None) * shadow(noise, x, y + 0.01, z)
    ambient = 0.45 + 0.55 * normal[..., 1]
    light = direct[..., None] * SUNLIGHT * 1.5 + ambient[..., None] * SKYLIGHT
    seen = ground * light

    # Haze thickens with distance and towards the lake, and is brighter towards the sun.
    depth = z * np.exp(-np.clip(y, 0, None) / 1.1)
    haze = 1 - np.exp(-0.055 * depth - 0.018 * z)
    towards = smoothstep(0.35, -0.6, x / z)
    air = mix(colour(128, 136, 166), colour(232, 178, 142), 0.75 * towards)
    return mix(seen, 0.8 * air + 0.12 * sky, haze)


# ------------------------------------------------------------------ sky and water


def draw_sky(noise: Noise) -> Array:
    """The whole frame filled with evening sky, clouds included."""
    row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32) + 0.5
    up = np.clip((HORIZON - row) / HORIZON, 0, 1)
    side = (column - SIZE / 2) / SIZE
    knots = [0.0, 0.16, 0.38, 0.68, 1.0]
    stops = np.stack(
        [
            colour(252, 196, 138),
            colour(238, 178, 150),
            colour(172, 158, 182),
            colour(98, 122, 172),
            colour(54, 80, 136),
        ]
    )
    sky = np.stack([np.interp(up, knots, stops[:, c]) for c in range(3)], -1).astype(np.float32)
    glow = np.exp(-(((side + 0.52) / 0.42) ** 2) - ((up - 0.16) / 0.34) ** 2)
    sky += glow[..., None] * np.array([0.62, 0.32, 0.10], np.float32)

    # Clouds lie in a layer overhead, so they flatten and shrink towards the horizon.
    far = 1 / (up + 0.17)
    x, z = side * far * 2.3, far * 2.0
    warp = noise.fractal(0.7 * x, 0.7 * z, 3)
    x, z = x + 0.5 * warp, z + 0.35 * warp
    cover = noise.fractal(0.8 * x + 3, 1.0 * z + 11, 8, gain=0.55)
    towards_sun = noise.fractal(0.8 * (x - 0.10) + 3, 1.0 * (z + 0.06) + 11, 8, gain=0.55)
    dense = smoothstep(0.02, 0.62, cover + 0.02) * smoothstep(0.02, 0.2, up)
    lit = np.clip(0.52 + 1.5 * (cover - towards_sun) - 0.35 * dense, 0, 1)
    warm = mix(colour(255, 214, 178), colour(255, 176, 128), np.clip(1.3 - 2 * up, 0, 1))
    shade_colour = mix(colour(122, 122, 152), colour(164, 132, 146), np.clip(1.2 - 2 * up, 0, 1))
    clouds = mix(shade_colour, warm, lit)
    return mix(sky, clouds, 0.85 * dense)


def draw_water(noise: Noise, above: Array) -> Array:
    """The rows below the horizon: `above` mirrored in a surface that is not quite still."""
    rows = SIZE - int(HORIZON)
    row, column = np.mgrid[:rows, :SIZE].astype(np.float32) + 0.5
    z = EYE * FOCAL / row
    x = z * (column - SIZE / 2) / FOCAL
    calm = smoothstep(-0.25, 0.35, noise.fractal(1.1 * x + 9 + 2 * z, 2.6 * np.log(z) + 2, 5))
    ripple = np.zeros_like(x)
    for width, strength in ((0.02, 0.9), (0.0075, 0.8), (0.003, 0.55), (0.0012, 0.3)):
        footprint = z * z / (EYE * FOCAL)  # of a pixel, along the line of sight
        ripple += strength * noise(x / width, 0.45 * z / width) / (1 + (footprint / width) ** 2)
    near = row / rows
    vertical = (2 + 44 * near) * ripple * (1.25 - 0.85 * calm)
    sideways = (1 + 6 * near) * noise(x / 0.005 + 50, z / 0.008)
    blurred = [above, blur(above, 3), blur(above, 8)]
    source_row = np.clip(int(HORIZON) - 1 - row - vertical, 0, int(HORIZON) - 1).astype(np.int32)
    source_column = np.clip(column + sideways, 0, SIZE - 1).astype(np.int32)
    mirrored = [layer[source_row, source_column] for layer in blurred]
    soft = np.clip(0.12 + 0.6 * (1 - calm) + 0.15 * near, 0, 1)
    image = mix(mix(mirrored[0], mirrored[1], np.clip(2 * soft, 0, 1)), mirrored[2], soft * 0.5)
    steep = np.clip(near * 0.85 + 0.25 * ripple * near, 0, 1)
    water = mix(0.92 * image, 0.42 * image + 0.7 * colour(18, 34, 46), steep)
    # Where wind roughens the far water it shows the sky overhead instead of the shore.
    breeze = (1 - calm) * np.exp(-(((near - 0.09) / 0.09) ** 2)) * 0.28
    return mix(water, np.broadcast_to(colour(150, 150, 176), water.shape), breeze)


def blur(picture: Array, radius: float) -> Array:
    """Gaussian blur of linear light, vertically three times as wide as horizontally."""
    h, w, _ = picture.shape
    channels = []
    for c in range(3):
        squeezed = Image.fromarray(picture[..., c]).resize((w, h // 3), Image.Resampling.BOX)
        padded = np.asarray(squeezed)
        channels.append(smooth_rows(padded, radius))
    small = np.stack(channels, -1)
    return np.stack(
        [
            np.asarray(Image.fromarray(small[..., c]).resize((w, h), Image.Resampling.BICUBIC))
            for c in range(3)
        ],
        -1,
    )


def smooth_rows(plane: Array, radius: float) -> Array:
    """Separable Gaussian, edges repeated."""
    reach = int(3 * radius)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(plane, pad, mode="edge")
        n = plane.shape[axis]
        slices = [
            padded[k : k + n] if axis == 0 else padded[:, k : k + n] for k in range(taps.size)
        ]
        plane = sum(t * s for t, s in zip(taps, slices, strict=True)).astype(np.float32)
    return plane


# ------------------------------------------------------------------ foreground


def draw_conifer(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, x: float, foot: float, tall: float
) -> None:
    """One tree as a silhouette: a trunk and many boughs that droop and split into twigs."""
    lean = random.uniform(-0.02, 0.02) * tall
    draw.polygon(
        [(x - 0.012 * tall, foot), (x + lean, foot - tall), (x + 0.012 * tall, foot)], fill=255
    )
    wide = random.uniform(0.15, 0.19) * tall
    level = 0.02
    while level < 0.94:
        y = foot - tall * (1 - level)
        centre = x + lean * (1 - level)
        for sign in (-1, 1):
            reach = wide * (0.06 + level**0.85) * random.uniform(0.55, 1.1)
            droop = reach * random.uniform(0.10, 0.45)
            for t in np.linspace(0.0, 1.0, max(4, int(reach / 2.2))):
                bx, by = centre + sign * reach * t, y + droop * t**1.4 - 0.12 * reach * t**3
                length = (0.15 * reach + 0.010 * tall) * (1.25 - 0.9 * t) * random.uniform(0.6, 1.5)
                for _ in range(2):
                    out = sign * random.uniform(-0.2, 0.8) * length
                    draw.line([(bx, by), (bx + out, by + length)], fill=255, width=2)
            # Near the trunk the boughs are too dense to see through.
            inner = 0.38 * reach
            draw.polygon(
                [
                    (centre, y - 0.012 * tall),
                    (centre + sign * inner, y + 0.5 * droop),
                    (centre + sign * 0.7 * inner, y + 0.5 * droop + 0.018 * tall),
                    (centre, y + 0.025 * tall),
                ],
                fill=255,
            )
            draw.line(
                [(centre, y - 0.01 * tall), (centre + sign * reach, y + 0.88 * droop)],
                fill=255,
                width=max(2, int(0.005 * tall)),
            )
        level += random.uniform(0.010, 0.024) * (0.6 + level)


def draw_foreground(noise: Noise, picture: Array) -> Array:
    """A dark bank with conifers on both sides and grass along its edge."""
    random = np.random.default_rng(SEED + 5)
    column = np.arange(SIZE, dtype=np.float32)
    u = column / SIZE
    dip = 0.135 * np.exp(-(((u + 0.04) / 0.24) ** 2)) + 0.17 * np.exp(-(((u - 1.05) / 0.22) ** 2))
    rough = noise.fractal(u * 9, np.zeros_like(u) + 0.5, 6)
    edge = SIZE * (0.985 - dip - 0.010 * rough)

    def bank(x: float) -> float:
        return float(edge[int(np.clip(x, 0, SIZE - 1))])

    layers = []
    for trees in (
        [(0.175, 0.20), (0.235, 0.13), (0.80, 0.17), (0.745, 0.10), (0.855, 0.25), (0.285, 0.075)],
        [(0.015, 0.60), (0.10, 0.43), (0.965, 0.66), (0.895, 0.40), (1.03, 0.5), (-0.03, 0.4)],
    ):
        mask = Image.new("L", (SIZE, SIZE))
        draw = ImageDraw.Draw(mask)
        for place, tall in trees:
            x = place * SIZE
            draw_conifer(draw, random, x, bank(x) + 0.01 * SIZE, tall * SIZE)
        layers.append(np.asarray(mask.filter(ImageFilter.GaussianBlur(0.6)), np.float32) / 255)

    # Blades of grass, those at the back of the bank first, each row a little darker.
    mask = Image.new("L", (SIZE, SIZE))
    blades = Image.new("L", (SIZE, SIZE))
    draw, tint = ImageDraw.Draw(mask), ImageDraw.Draw(blades)
    draw.polygon([(0, SIZE), *zip(column.tolist(), edge.tolist(), strict=True), (SIZE, SIZE)], 255)
    for depth in np.sort(random.uniform(0, 0.33, 42000) ** 1.3):
        x = random.uniform(-20, SIZE + 20)
        y = bank(x) + depth * SIZE
        long = random.gamma(3.0, 0.0036) * SIZE * (1 + 4 * depth)
        tip = x + random.normal(0.12, 0.35) * long
        blade = [(x, y), (0.6 * x + 0.4 * tip, y - 0.6 * long), (tip, y - long)]
        draw.line(blade, fill=255, width=1)
        tint.line(blade, fill=int(random.beta(1.3, 2.6) * 255), width=1 + int(depth > 0.03))
    layers.append(np.asarray(mask.filter(ImageFilter.GaussianBlur(0.5)), np.float32) / 255)
    straw = np.asarray(blades.filter(ImageFilter.GaussianBlur(0.5)), np.float32) / 255

    row, col = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    needles = np.clip(0.5 + 0.9 * noise.fractal(col / 12, row / 7, 4), 0, 1)
    tufts = np.clip(0.6 + 0.8 * noise.fractal(col / 90, row / 40, 4), 0, 1)
    warm_side = np.clip(1.2 - col / SIZE, 0.25, 1)
    for mask_array, texture, low, high in zip(
        layers,
        (needles, needles, straw * tufts),
        (colour(24, 30, 32), colour(9, 13, 13), colour(12, 14, 11)),
        (colour(44, 48, 44), colour(29, 33, 26), colour(104, 88, 54)),
        strict=True,
    ):
        # Edges that face the sun catch some of it.
        rim = np.clip(mask_array - np.roll(mask_array, 3, axis=1), 0, 1) * warm_side
        tone = mix(low, high, texture) + rim[..., None] * colour(120, 78, 44)
        picture = mix(picture, tone, mask_array)
    return picture


# ------------------------------------------------------------------ the camera


def develop(picture: Array) -> Image.Image:
    """Tone curve, glow, vignette, half the size and a little grain."""
    bright = np.clip(picture - 0.55, 0, None)
    glow = np.stack([smooth_rows(np.ascontiguousarray(bright[..., c]), 14) for c in range(3)], -1)
    picture = picture + 0.35 * glow
    row, column = (np.mgrid[:SIZE, :SIZE].astype(np.float32) + 0.5) / SIZE - 0.5
    picture = picture * (1 - 0.55 * (row**2 + column**2))[..., None]
    picture = 1.12 * picture
    # Filmic shoulder: highlights roll off instead of clipping.
    picture = picture * (1 + picture / 3.2) / (1 + 0.72 * picture)
    small = picture.reshape(FINAL, 2, FINAL, 2, 3).mean(axis=(1, 3))
    display = np.clip(small, 0, 1) ** (1 / 2.2)
    display = display + 0.10 * (display - 0.5) * (1 - np.abs(2 * display - 1))
    random = np.random.default_rng(SEED + 9)
    display = display + random.normal(0, 0.0045, (FINAL, FINAL, 1))
    return Image.fromarray(np.round(np.clip(display, 0, 1) * 255).astype(np.uint8))


def draw() -> Image.Image:
    """The picture, 640 × 640 pixels."""
    noise = Noise(SEED)
    sky = draw_sky(noise)
    above = draw_land(noise, sky)
    picture = np.concatenate([above, draw_water(noise, above)])
    return develop(draw_foreground(noise, picture))


def main() -> None:
    """Write the picture to the path given, or into the package."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    draw().save(out, optimize=True)


if __name__ == "__main__":
    main()
