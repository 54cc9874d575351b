"""From encoded pictures to pixels: every step of the chain, and what it refuses."""

from __future__ import annotations

import io
import struct
import zlib

import msgspec
import numpy as np
import pytest
from PIL import Image

from fusepath.errors import ImageError
from fusepath.pictures.decoding import FORWARDED, PictureFile, preprocess
from fusepath.plan import AS_THEY_COME, Filter, Fit, Preprocessing

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
EXIF_ORIENTATION = 0x0112


def encoded(picture: Image.Image, form: str = "PNG", **options) -> PictureFile:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return PictureFile(stream.getvalue())


def pixels_of(file: PictureFile, chain=AS_THEY_COME, channels=3, size=(4, 6)) -> np.ndarray:
    """(H, W, C)."""
    found = preprocess(file, chain, channels=channels, size=size)
    assert found.dtype == np.uint8
    assert found.shape == (1, channels, *size)
    assert found.flags.c_contiguous
    return found[0].transpose(1, 2, 0)


# ---------------------------------------------------------------------------- more than 8 bits

RAMP = np.linspace(0, 65535, 24).reshape(4, 6)


def test_a_picture_of_16_bits_keeps_its_levels():
    found = pixels_of(encoded(Image.fromarray(RAMP.astype(np.uint16))), channels=1)

    np.testing.assert_array_equal(found[..., 0], np.rint(RAMP.astype(np.uint16) / 257))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_a_picture_that_does_not_say_what_white_is_is_refused_until_somebody_does(kind):
    file = encoded(Image.fromarray(RAMP.astype(kind)), "TIFF")

    with pytest.raises(ImageError, match=r"say what is black and white: levels=\(0, 1\)"):
        pixels_of(file, channels=1)
    found = pixels_of(file, Preprocessing(levels=(0, 65535)), channels=1)
    assert len(np.unique(found)) == 24


def test_levels_are_clipped_and_what_is_no_number_is_refused():
    values = np.array([[-1, 0], [0.5, 2]], np.float32)
    chain = Preprocessing(levels=(0, 1))

    found = pixels_of(encoded(Image.fromarray(values), "TIFF"), chain, channels=1, size=(2, 2))

    assert found[..., 0].tolist() == [[0, 0], [128, 255]]
    values[0, 0] = np.nan
    with pytest.raises(ImageError, match="no numbers"):
        pixels_of(encoded(Image.fromarray(values), "TIFF"), chain, channels=1, size=(2, 2))


# ---------------------------------------------------------------------------- which way is up


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_pictures_are_turned_as_their_camera_was_held(form, orientation):
    """Whatever the orientation, what is shown is the same."""
    shown = np.zeros((16, 32, 3), np.uint8)
    shown[:8, :16] = 255
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    picture = Image.fromarray(shown)
    if orientation > 1:
        picture = picture.transpose(inverse[orientation])
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}

    found = pixels_of(encoded(picture, form, exif=exif, **options), size=(16, 32))

    assert np.abs(found.astype(int) - shown).max() <= 2


# ---------------------------------------------------------------------------- transparency


def transparent(mode: str) -> Image.Image:
    """White on the left, and on the right red that nothing shows."""
    picture = Image.new("RGBA", (6, 4), (255, 255, 255, 255))
    picture.paste((255, 0, 0, 0), (3, 0, 6, 4))
    return picture.quantize() if mode == "P" else picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_under_transparency_never_shows(mode):
    file = encoded(transparent(mode))

    with pytest.raises(ImageError, match=r"transparent pixels.*background=\(255, 255, 255\)"):
        pixels_of(file)
    found = pixels_of(file, Preprocessing(background=(0, 0, 255)))
    assert found[:, :3].min() == 255
    assert (found[:, 3:] == (0, 0, 255)).all()


def test_a_transparent_colour_is_transparency_as_well():
    file = encoded(Image.fromarray(PIXELS), transparency=tuple(PIXELS[0, 0].tolist()))

    with pytest.raises(ImageError, match="transparent pixels"):
        pixels_of(file)


def test_an_opaque_picture_needs_no_background_and_four_channels_keep_theirs():
    opaque = Image.fromarray(PIXELS).convert("RGBA")

    np.testing.assert_array_equal(pixels_of(encoded(opaque)), PIXELS)
    found = pixels_of(encoded(transparent("RGBA")), channels=4)
    assert found[..., 3].tolist() == [[255] * 3 + [0] * 3] * 4


# ---------------------------------------------------------------------------- several pictures


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_pictures_somebody_says_which(form):
    greys = [Image.new("L", (6, 4), value) for value in (0, 100, 200)]
    options = {"lossless": True} if form == "WEBP" else {}
    file = encoded(greys[0], form, save_all=True, append_images=greys[1:], **options)

    assert file.frames == 3
    with pytest.raises(ImageError, match="holds 3 pictures; say which one, as frame=0"):
        pixels_of(file)
    values = [pixels_of(file, Preprocessing(frame=frame)).max() for frame in range(3)]
    assert values == [0, 100, 200]
    with pytest.raises(ImageError, match="no frame 3; it holds 3"):
        pixels_of(file, Preprocessing(frame=3))


def test_what_a_camera_adds_to_its_picture_is_no_other_picture():
    grey = Image.new("RGB", (6, 4), (100, 100, 100))
    file = encoded(grey, "MPO", save_all=True, append_images=[Image.new("RGB", (6, 4))])

    assert pixels_of(file).min() == 100


# ---------------------------------------------------------------------------- sizes

WIDE = np.zeros((10, 40, 3), np.uint8)
WIDE[:, 15:25] = 255


def test_a_picture_is_only_scaled_as_it_is_said():
    file = encoded(Image.fromarray(WIDE))

    with pytest.raises(ImageError, match=r"40x10 pixels.*takes 20x20.*'crop' or 'letterbox'"):
        pixels_of(file, size=(20, 20))

    near = {fit: Preprocessing(fit=fit, filter=Filter.NEAREST) for fit in Fit}
    stretched = pixels_of(file, near[Fit.STRETCH], size=(20, 20))[..., 0]
    cropped = pixels_of(file, near[Fit.CROP], size=(20, 20))[..., 0]
    boxed = pixels_of(file, near[Fit.LETTERBOX], size=(20, 20))[..., 0]
    assert (stretched == 255).sum() == 5 * 20
    assert (cropped == 255).all()
    assert (boxed == 255).sum() == 5 * 5
    assert boxed[:7].max() == boxed[12:].max() == 0
    assert boxed[7:12, 8:12].min() == 255


def test_bars_have_their_colour_and_the_odd_row_is_at_the_end():
    chain = Preprocessing(fit=Fit.LETTERBOX, bars=(114, 115, 116))

    found = pixels_of(encoded(Image.new("RGB", (4, 2), (1, 1, 1))), chain, size=(5, 4))

    assert (found[[0, 3, 4]] == (114, 115, 116)).all()
    assert (found[1:3] == 1).all()


def test_tall_pictures_are_cropped_and_boxed_as_wide_ones():
    tall = encoded(Image.fromarray(np.ascontiguousarray(WIDE.transpose(1, 0, 2))))
    wide = encoded(Image.fromarray(WIDE))
    for fit in (Fit.CROP, Fit.LETTERBOX):
        chain = Preprocessing(fit=fit)

        found = pixels_of(tall, chain, size=(30, 20))

        np.testing.assert_array_equal(
            found, pixels_of(wide, chain, size=(20, 30)).transpose(1, 0, 2)
        )


@pytest.mark.parametrize("name", list(Filter))
def test_every_filter_is_the_one_of_its_name(name):
    picture = Image.fromarray(WIDE)
    chain = Preprocessing(fit=Fit.STRETCH, filter=name)

    expected = picture.resize((16, 8), Image.Resampling[name.name])

    np.testing.assert_array_equal(pixels_of(encoded(picture), chain, size=(8, 16)), expected)


# ---------------------------------------------------------------------------- the rest


def test_blue_comes_first_where_the_network_takes_it_so():
    file = encoded(Image.fromarray(PIXELS))

    np.testing.assert_array_equal(pixels_of(file, Preprocessing(bgr=True)), PIXELS[..., ::-1])
    with pytest.raises(ImageError, match="blue first"):
        pixels_of(file, Preprocessing(bgr=True), channels=1)


def test_only_formats_that_are_asked_for_are_decoded():
    with pytest.raises(ImageError, match="not a picture that can be read"):
        preprocess(
            encoded(Image.fromarray(PIXELS), "BMP"),
            AS_THEY_COME,
            channels=3,
            size=(4, 6),
            limits=FORWARDED,
        )


@pytest.mark.parametrize(
    "chain",
    [
        {"bars": [0, 0, 256]},
        {"background": [-1, 0, 0]},
        {"levels": [1, 1]},
        {"levels": [0, float("inf")]},
        {"frame": -1},
        {"fit": "squash"},
        {"filter": "cubic"},
        {"resize": True},
    ],
    ids=str,
)
def test_a_chain_that_makes_no_sense_is_refused(chain):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(chain, Preprocessing)


def png_of_16_bits(colour_type: int, channels: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 6, 4, 16, colour_type, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(6 * 2 * channels)) * 4)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_are_refused_and_not_cut_off(colour_type, channels):
    chain = Preprocessing(levels=(0, 1000), background=(0, 0, 0))
    file = PictureFile(png_of_16_bits(colour_type, channels))

    with pytest.raises(ImageError, match="convert it to 8 bits"):
        preprocess(file, chain, channels=3, size=(4, 6))


def test_16_bits_of_grey_are_scaled():
    grey = PictureFile(png_of_16_bits(0, 1))

    assert not preprocess(grey, Preprocessing(), channels=3, size=(4, 6)).any()
