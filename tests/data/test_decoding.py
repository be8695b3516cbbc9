"""Each kind of file against pixels worked out by hand, then bytes that nobody should send."""

from __future__ import annotations

import io
import resource
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visavis.data.decoding import MAX_PIXELS, UnreadableImage, decode_image

GREY, RGB, GREY_ALPHA = 0, 2, 4  # PNG's colour types


def encode(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(size: tuple[int, int], bits: int, colour: int, rows: bytes, *, before: bytes = b"") -> bytes:
    """A PNG written by hand; `rows` holds the samples with each row's filter byte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + before + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def pixels(data: bytes) -> list[list[tuple[int, int, int]]]:
    """[height][width] of (red, green, blue)."""
    image = decode_image(data)
    assert image.mode == "RGB"
    return [[image.getpixel((x, y)) for x in range(image.width)] for y in range(image.height)]


def grey(*values: int) -> list[list[tuple[int, int, int]]]:
    return [[(value, value, value) for value in values]]


def noise(bands: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, bands), dtype=np.uint8)


NOISE = Image.fromarray(noise(3))
FILES = {
    "jpeg": encode(NOISE, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "progressive jpeg": encode(NOISE, "JPEG", progressive=True),
    "cmyk jpeg": encode(NOISE.convert("CMYK"), "JPEG"),
    "png": encode(Image.fromarray(noise(4)), "PNG"),
    "palette png": encode(NOISE.quantize(16), "PNG", transparency=bytes([0, 9])),
    "16-bit png": encode(Image.fromarray(noise(1)[..., 0].astype(np.uint16) * 200), "PNG"),
    "webp": encode(Image.fromarray(noise(4)), "WEBP"),
    "lossless webp": encode(NOISE, "WEBP", lossless=True),
    "gif": encode(NOISE, "GIF"),
    "bmp": encode(NOISE, "BMP"),
    "tiff": encode(NOISE, "TIFF"),
    "lzw tiff": encode(NOISE, "TIFF", compression="tiff_lzw"),
    "float tiff": encode(Image.fromarray(noise(1)[..., 0].astype(np.float32)), "TIFF"),
    "ppm": encode(NOISE, "PPM"),
}


class TestTransparency:
    def test_alpha_is_blended_with_white(self):
        # red at 128/255 over white: green and blue are 255 * (1 - 128/255) = 127
        assert pixels(encode(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), "PNG")) == [[(255, 127, 127)]]
        assert pixels(encode(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), "WEBP", lossless=True)) == [[(255, 127, 127)]]

    def test_grey_with_alpha(self):
        # black at 51/255 = 1/5 over white: 255 * 4/5 = 204
        assert pixels(encode(Image.new("LA", (1, 1), (0, 51)), "PNG")) == grey(204)

    def test_grey_with_alpha_of_16_bits(self):
        rows = b"\0" + struct.pack(">HHHH", 0, 0xFFFF, 0, 0)  # black opaque, black transparent
        assert pixels(png((2, 1), 16, GREY_ALPHA, rows)) == grey(0, 255)

    def test_grey_multiplied_with_its_alpha(self):
        # 64 is what 128/255 of the grey left; white adds 255 - 128 = 127
        tags = {"tag258": (3, 2, 8 | 8 << 16), "tag277": (4, 1, 2), "tag338": (3, 1, 1)}
        assert pixels(tiff_of_grey(bytes([64, 128]), bits=8, width=1, **tags)) == grey(pytest.approx(191, abs=1))

    def test_palette_entries_with_alpha(self):
        image = Image.new("P", (3, 1))
        image.putpalette([200, 100, 0, 10, 20, 30, 0, 0, 255])
        image.putdata([0, 1, 2])
        # entry 0 is transparent, entry 1 opaque, entry 2 blue at 102/255 = 2/5: red and green 255 * 3/5 = 153
        data = encode(image, "PNG", transparency=bytes([0, 255, 102]))
        assert pixels(data) == [[(255, 255, 255), (10, 20, 30), (153, 153, 255)]]

    def test_transparent_entry_of_a_gif(self):
        image = Image.new("P", (2, 1))
        image.putpalette([200, 100, 0, 10, 20, 30])
        image.putdata([0, 1])
        assert pixels(encode(image, "GIF", transparency=0)) == [[(255, 255, 255), (10, 20, 30)]]

    @pytest.mark.parametrize(("bits", "row"), [(1, 0b0100_0000), (2, 0b0001_1011), (4, 0x01)])
    def test_transparent_grey_value_at_the_files_own_depth(self, bits, row):
        # sample 1 of each file is the value 1, named transparent; sample 0 is black
        data = png((2, 1), bits, GREY, bytes([0, row]), before=chunk(b"tRNS", struct.pack(">H", 1)))
        assert pixels(data) == grey(0, 255)

    def test_transparent_value_of_16_bit_grey(self):
        rows = b"\0" + struct.pack(">HH", 1000, 1001)  # 1001 / 257 = 3.9
        data = png((2, 1), 16, GREY, rows, before=chunk(b"tRNS", struct.pack(">H", 1000)))
        assert pixels(data) == grey(255, 4)

    def test_transparent_colour(self):
        rows = bytes([0, 1, 2, 3, 4, 5, 6])
        data = png((2, 1), 8, RGB, rows, before=chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
        assert pixels(data) == [[(255, 255, 255), (4, 5, 6)]]

    def test_transparent_colour_of_16_bits(self):
        rows = b"\0" + struct.pack(">HHHHHH", 256, 512, 768, 0xFFFF, 0, 0)
        data = png((2, 1), 16, RGB, rows, before=chunk(b"tRNS", struct.pack(">HHH", 256, 512, 768)))
        assert pixels(data) == [[(255, 255, 255), (255, 0, 0)]]


class TestDepth:
    def test_one_bit(self):
        assert pixels(encode(Image.new("1", (1, 1), 1), "PNG")) == grey(255)
        assert pixels(encode(Image.new("1", (1, 1), 0), "TIFF", compression="group4")) == grey(0)

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_16_bit_grey_is_scaled_not_clipped(self, format):
        # 65535 / 257 = 255; 32768 / 257 = 127.5..., 127.502 rounds to 128; 1000 / 257 = 3.9
        image = Image.fromarray(np.array([[0, 1000, 32768, 65535]], np.uint16))
        assert pixels(encode(image, format)) == grey(0, 4, 128, 255)

    def test_16_bit_pgm_and_its_own_maximum(self):
        assert pixels(b"P5 2 1 65535\n" + struct.pack(">HH", 1000, 65535)) == grey(4, 255)
        assert pixels(b"P5 2 1 1023\n" + struct.pack(">HH", 0, 1023)) == grey(0, 255)

    def test_16_bit_colour(self):
        rows = b"\0" + struct.pack(">HHH", 0xFFFF, 0x8000, 0)
        assert pixels(png((1, 1), 16, RGB, rows)) == [[(255, 128, 0)]]

    def test_12_bit_tiff(self):
        # two samples of 12 bits: 0x000 and 0xFFF, the largest
        assert pixels(tiff_of_grey(bytes([0x00, 0x0F, 0xFF]), bits=12, width=2)) == grey(0, 255)

    def test_16_bit_tiff_where_white_is_zero(self):
        assert pixels(tiff_of_grey(struct.pack("<HH", 0, 65535), bits=16, width=2, tag262=(4, 1, 0))) == grey(255, 0)

    def test_unsigned_32_bit_tiff(self):
        # above 2^31, which a signed number cannot hold; its own range becomes black to white: 3/4 of 255 = 191.25
        samples = struct.pack("<III", 0, 3 * 2**30, 2**32 - 1)
        assert pixels(tiff_of_grey(samples, bits=32, width=3)) == grey(0, 191, 255)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0, 51, 255], [0, 51, 255]),  # fits 8 bits
            ([0, 257, 65535], [0, 1, 255]),  # fits 16 bits
            ([-100, 0, 155], [0, 100, 255]),  # neither: from its smallest to its largest
            ([-5, -5, -5], [0, 0, 0]),  # nothing to stretch
        ],
    )
    def test_32_bit_integers(self, values, expected):
        assert pixels(encode(Image.fromarray(np.array([values], np.int32)), "TIFF")) == grey(*expected)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([0.0, 0.2, 1.0], [0, 51, 255]),
            ([0.0, 51.0, 255.0], [0, 51, 255]),
            ([0.0, 257.0, 65535.0], [0, 1, 255]),
            ([-1.0, 0.6, 1.0], [0, 204, 255]),  # 1.6 / 2 * 255 = 204
            ([np.nan, np.inf, -np.inf], [0, 255, 0]),
            ([np.nan, 0.2, np.inf], [0, 51, 255]),
            ([-3.0e38, 1.0e38, 3.0e38], [0, 170, 255]),  # the range itself overflows 32 bits
        ],
    )
    def test_floating_point(self, values, expected):
        assert pixels(encode(Image.fromarray(np.array([values], np.float32)), "TIFF")) == grey(*expected)


def tiff_of_grey(samples: bytes, *, bits: int, width: int, **changed: tuple[int, int, int]) -> bytes:
    """A little-endian TIFF of one row without compression, written by hand. Tags are (type, count, value)."""
    plain = {256: width, 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(samples)}
    tags = {tag: (4, 1, value) for tag, value in plain.items()}
    tags |= {int(name.removeprefix("tag")): content for name, content in changed.items()}
    padded = samples + b"\0" * (len(samples) % 2)
    entries = b"".join(struct.pack("<HHII", tag, *content) for tag, content in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(padded)) + padded + struct.pack("<H", len(tags)) + entries + bytes(4)


class TestColourSpaces:
    @pytest.mark.parametrize("format", ["JPEG", "TIFF"])
    def test_cmyk(self, format):
        # ink 255 of cyan takes all red; Pillow writes JPEG with Adobe's inverted values, as Photoshop does
        [[(red, green, blue)]] = pixels(encode(Image.new("CMYK", (1, 1), (255, 0, 0, 0)), format))
        assert (red, green, blue) == pytest.approx((0, 255, 255), abs=2)

    def test_cmyk_white_paper_is_white(self):
        assert pixels(encode(Image.new("CMYK", (1, 1), (0, 0, 0, 0)), "JPEG")) == grey(255)

    def test_lab(self):
        # L = 128/255 of 100 = 50.2; a = b = 0, which Pillow holds as 128. Luminance ((50.2 + 16) / 116)^3 = 0.186,
        # in sRGB 1.055 * 0.186^(1/2.4) - 0.055 = 0.469, and 0.469 * 255 = 119.5
        assert pixels(encode(Image.new("LAB", (1, 1), (128, 128, 128)), "TIFF")) == grey(pytest.approx(119.5, abs=1))

    def test_bmp_and_ppm(self):
        for format in ("BMP", "PPM"):
            assert pixels(encode(Image.new("RGB", (1, 1), (1, 2, 3)), format)) == [[(1, 2, 3)]]


UPRIGHT = [[10, 20, 30], [40, 50, 60]]
STORED = {  # TIFF 6.0, section 8, Orientation: where the stored row 0 and column 0 belong
    1: [[10, 20, 30], [40, 50, 60]],  # row 0 top, column 0 left
    2: [[30, 20, 10], [60, 50, 40]],  # top, right
    3: [[60, 50, 40], [30, 20, 10]],  # bottom, right
    4: [[40, 50, 60], [10, 20, 30]],  # bottom, left
    5: [[10, 40], [20, 50], [30, 60]],  # row 0 left, column 0 top
    6: [[30, 60], [20, 50], [10, 40]],  # right, top
    7: [[60, 30], [50, 20], [40, 10]],  # right, bottom
    8: [[40, 10], [50, 20], [60, 30]],  # left, bottom
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
    def test_all_eight(self, orientation, format, options):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.array(STORED[orientation], np.uint8)).convert("RGB")
        assert np.asarray(decode_image(encode(stored, format, exif=exif, **options)))[..., 0].tolist() == UPRIGHT

    @pytest.mark.parametrize("at_least", [None, 1])
    @pytest.mark.parametrize("orientation", STORED)
    def test_photographs(self, orientation, at_least):
        exif = Image.Exif()
        exif[0x0112] = orientation
        blocks = np.kron(np.array(STORED[orientation], np.uint8), np.ones((16, 16), np.uint8))
        image = decode_image(encode(Image.fromarray(blocks), "JPEG", exif=exif, quality=100), at_least)
        assert np.asarray(image.resize((3, 2), Image.Resampling.BOX))[..., 0] == pytest.approx(np.array(UPRIGHT), abs=2)

    @pytest.mark.parametrize("format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense"])
    def test_damaged_metadata_hides_no_picture(self, exif, format):
        assert decode_image(encode(Image.new("RGB", (16, 16)), format, exif=exif)).size == (16, 16)


class TestSeveralPictures:
    @pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
    def test_animation_is_refused(self, format):
        if format == "AVIF" and "AVIF" not in Image.SAVE_ALL:
            pytest.skip("this Pillow has no AVIF")
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
        data = encode(frames[0], format, save_all=True, append_images=frames[1:])
        with pytest.raises(UnreadableImage, match="animated: more than one frame"):
            decode_image(data)

    def test_a_gif_of_one_frame_is_a_picture(self):
        assert pixels(encode(Image.new("RGB", (1, 1), (255, 0, 0)), "GIF")) == [[(255, 0, 0)]]

    @pytest.mark.parametrize("format", ["MPO", "TIFF"])
    def test_first_picture_of_phone_photographs_and_scans(self, format):
        second = Image.new("RGB", (8, 8), "black")
        data = encode(Image.new("RGB", (16, 16), "white"), format, save_all=True, append_images=[second])
        assert decode_image(data).getpixel((0, 0)) == (255, 255, 255)
        assert decode_image(data).size == (16, 16)


class TestReducedDecoding:
    def test_jpeg_keeps_at_least_the_asked_side(self):
        data = encode(Image.new("RGB", (800, 600)), "JPEG")
        assert decode_image(data, at_least=250).size == (400, 300)  # a quarter would leave 150
        assert decode_image(data, at_least=1).size == (100, 75)  # libjpeg stops at an eighth
        assert decode_image(data, at_least=700).size == (800, 600)

    def test_other_formats_keep_their_size(self):
        assert decode_image(encode(Image.new("RGB", (64, 64)), "PNG"), at_least=1).size == (64, 64)


class TestTooLarge:
    def test_a_png_of_30000_by_30000_is_never_decoded(self):
        rows = zlib.compress(bytes(30_000 * (1 + 30_000 // 8)), 1)  # one bit a pixel: 113 MB of zeros
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 1, GREY, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UnreadableImage, match="too large: the limit is 89 million pixels"):
            decode_image(data)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # KiB; decoded it takes 900 MB

    def test_just_above_the_limit_the_size_is_said(self, monkeypatch):
        data = png((10_000, MAX_PIXELS // 10_000 + 1), 1, GREY, b"")
        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda self: pytest.fail("was decoded"))
        with pytest.raises(UnreadableImage, match="too large: 10000 x 8901 pixels, the limit is 89 million"):
            decode_image(data)

    def test_webp_that_claims_a_huge_canvas(self):
        data = bytearray(encode(Image.new("RGB", (16, 16), "red"), "WEBP", lossless=True))
        at = data.index(b"VP8L") + 9  # after the chunk's size and the signature byte: width - 1 and height - 1, 14 bits
        sizes = int.from_bytes(data[at : at + 4], "little")
        data[at : at + 4] = (sizes | 0x0FFF_FFFF).to_bytes(4, "little")  # 16384 x 16384
        with pytest.raises(UnreadableImage, match="too large"):
            decode_image(bytes(data))


class TestNotAnImage:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "empty: 0 bytes"),
            (b"Dear diary, this is no picture.\n", "not an image: text"),
            (b"<!DOCTYPE html><html></html>", "not an image: a web page or other markup"),
            (b'\xef\xbb\xbf <?xml version="1.0"?><svg xmlns="x"/>', "not an image: an SVG drawing"),
            (b"%PDF-1.7\n\xff\xff", "not an image: a PDF document"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image: a PostScript document"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "not an image: a HEIC photograph, to be converted to JPEG first"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "not an image: a video"),
            (b"PK\x03\x04rest", "not an image: a ZIP archive"),
            (b"\x89PNG\r\n\x1a\n", "truncated, damaged, or a kind of PNG that cannot be read"),
            (b"\0" * 64, "not an image: of no format"),
        ],
    )
    def test_says_what_it_is(self, data, reason):
        with pytest.raises(UnreadableImage) as caught:
            decode_image(data)
        assert str(caught.value).startswith(reason)

    def test_postscript_never_reaches_ghostscript(self, monkeypatch):
        monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("ran Ghostscript"))
        eps = encode(Image.new("RGB", (8, 8)), "EPS")
        with pytest.raises(UnreadableImage, match="a PostScript document"):
            decode_image(eps)


def reason_against(data: bytes, at_least: int | None = None) -> str | None:
    """None for an RGB picture; any other exception than the one for unreadable bytes fails the test."""
    try:
        image = decode_image(data, at_least)
    except UnreadableImage as error:
        return str(error)
    assert image.mode == "RGB"
    return None


class TestDamage:
    @pytest.mark.parametrize("tenths", range(1, 10))
    @pytest.mark.parametrize("kind", FILES)
    def test_cut_at_every_tenth(self, kind, tenths):
        data = FILES[kind]
        with pytest.raises(UnreadableImage, match="truncated"):
            decode_image(data[: len(data) * tenths // 10])

    @settings(max_examples=400, deadline=None)
    @given(
        kind=st.sampled_from(sorted(FILES)),
        changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
        length=st.none() | st.integers(0, 9000),
    )
    def test_any_bytes_give_a_picture_or_a_reason(self, kind, changes, length):
        data = bytearray(FILES[kind])
        for position, value in changes:
            data[position % len(data)] = value
        reason = reason_against(bytes(data[:length]))
        assert reason is None or (5 < len(reason) < 130 and "0x" not in reason)  # 0x: an address, new in each run
        # what the check at an eighth of the size accepts must decode in full, and the reverse
        assert (reason_against(bytes(data[:length]), at_least=1) is None) == (reason is None)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200), st.sampled_from([data[:12] for data in FILES.values()]))
    def test_random_bytes_after_any_signature(self, rest, signature):
        assert reason_against(rest) != ""
        assert reason_against(signature + rest) != ""


def test_pillows_remarks_stay_quiet_and_leave_no_filter_behind():
    # an animation of 0 frames: Pillow warns and takes the picture; warnings are errors in this suite
    data = png((1, 1), 8, GREY, b"\0\x07", before=chunk(b"acTL", struct.pack(">II", 0, 0)))
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert all(image.getpixel((0, 0)) == (7, 7, 7) for image in pool.map(decode_image, [data] * 200))
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(data))
