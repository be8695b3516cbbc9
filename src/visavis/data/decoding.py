"""Encoded bytes become an upright RGB picture, as a viewer would show it, or a short reason why they cannot.

The one idea: the bytes decide, never the file's name, and nothing is decoded before its size is known. Only formats
that need no other program are tried (no EPS: Pillow hands that to Ghostscript). Colour profiles are not applied: the
networks were trained on plain values.
"""

from __future__ import annotations

import functools
import io
import re
import threading
import warnings
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from visavis.errors import VisavisError

MAX_PIXELS = 89_000_000  # 1/3 GiB once decoded; just below the count from which Pillow suspects a bomb
FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
    "PPM",
    "AVIF",
)  # phones' multi-picture MPO opens as JPEG

_PICTURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"RIFF": "WebP",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_OTHERS = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"8BPS": "a Photoshop file",
    b"PK\x03\x04": "a ZIP archive",
    b"\0\0\1\0": "an icon file",
}
_TURNS = {  # EXIF orientation -> what brings the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # the EXIF and TIFF tag
_PHOTOMETRIC = 262  # the TIFF tag; 0 means that small values are bright


class UnreadableImage(VisavisError):  # noqa: N818 (read aloud: raise unreadable image)
    """The bytes are no picture that can be shown; the message is a short reason for the report."""


def decode_image(data: bytes, at_least: int | None = None) -> Image.Image:
    """The picture as a viewer would show it.

    Applied: EXIF orientation, palettes, transparency over white, CMYK, and 16-bit, integer and floating-point grey
    brought to 8 bits. Of a TIFF with several pages and of a phone's multi-picture JPEG the first picture is taken.

    Args:
        data: The encoded image.
        at_least: A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, which is several times faster, as long as both
            its sides keep this many pixels. None: full size.

    Returns:
        Mode RGB.

    Raises:
        UnreadableImage: Empty, not an image, truncated, damaged, animated, or above MAX_PIXELS.
    """
    if not data:
        raise UnreadableImage("empty: 0 bytes")
    with _QUIET_PILLOW:
        try:
            image = Image.open(io.BytesIO(data), formats=_formats())
            _refuse(image)
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            raw_mode = _raw_mode(image)
            image.load()
            return _upright(_to_rgb(image, raw_mode), _orientation(image))
        except UnreadableImage:
            raise
        except Exception as error:  # damaged bytes make Pillow's plugins raise nearly any exception there is
            raise UnreadableImage(_reason(error, data)) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that the installed Pillow knows: it has AVIF from 11.3 on."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refuse(image: Image.Image) -> None:
    """What must not be decoded, known from the header alone."""
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise UnreadableImage(
            f"too large: {image.width} x {image.height} pixels, the limit is {MAX_PIXELS // 10**6} million"
        )
    if image.format in ("GIF", "PNG", "WEBP", "AVIF") and getattr(image, "is_animated", False):
        raise UnreadableImage("animated: more than one frame")


def _raw_mode(image: Image.Image) -> str:
    """How the samples are stored, which `mode` no longer tells: "L;2" is grey of two bits. Empty if unknown."""
    args = image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else None
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _to_rgb(image: Image.Image, raw_mode: str) -> Image.Image:
    key = image.info.get("transparency")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _deep_grey(image, raw_mode)
    elif isinstance(key, (int, tuple)) and image.mode in ("L", "RGB"):
        image.info["transparency"] = _eight_bits(key, raw_mode)
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":  # premultiplied; Pillow has no direct way from it to RGBA
        image = image.convert("LA")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _deep_grey(image: Image.Image, raw_mode: str) -> Image.Image:
    """Grey of more than 8 bits to 8: mode L, or LA where one value means transparent."""
    samples = np.asarray(image)  # [height, width]
    if raw_mode == "I;32N":  # TIFF's unsigned 32 bits, which Pillow holds in a signed array
        samples = samples.view(np.uint32)
    if raw_mode == "I;12":
        low, high = 0.0, 4095.0
    elif image.mode.startswith("I;16") or (image.mode == "I" and image.format != "TIFF"):
        low, high = 0.0, 65535.0
    else:
        low, high = _value_range(samples)
    if samples.dtype.itemsize == 2:  # through a table: large scans would take 16 bytes a pixel in floating point
        grey = _scaled(np.arange(2**16), low, high)[samples]
    else:
        grey = _scaled(np.nan_to_num(samples, nan=low, posinf=high, neginf=low), low, high)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:
        grey = 255 - grey
    result = Image.fromarray(grey)
    key = image.info.get("transparency")
    if isinstance(key, int):
        result.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
    return result


def _scaled(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    """uint8 of the same shape: `low` and below to 0, `high` and above to 255."""
    return np.rint(np.interp(samples, (low, high), (0, 255))).astype(np.uint8)


def _value_range(samples: np.ndarray) -> tuple[float, float]:
    """Which values of 32-bit integer or floating-point grey mean black and white; such files do not say.

    The smallest usual range from 0 (to 1, 255 or 65535) that holds all of them, else their own range.
    """
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    usual = (1.0, 255.0, 65535.0) if samples.dtype.kind == "f" else (255.0, 65535.0)
    if low >= 0:
        for white in usual:
            if high <= white:
                return 0.0, white
    return (low, high) if high > low else (low, low + 1)


def _eight_bits(key: int | tuple[int, ...], raw_mode: str) -> int | tuple[int, ...]:
    """PNG names its transparent colour at the file's own depth; Pillow compares it with samples of 8 bits."""
    if isinstance(key, tuple):
        return tuple(value >> 8 for value in key) if raw_mode.endswith("16B") else key
    return key * {"L;2": 85, "L;4": 17}.get(raw_mode, 1)


def _orientation(image: Image.Image) -> int:
    """1 to 8, read once the pixels are there (Pillow turns a TIFF itself). Damaged metadata hides no picture: 1."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # as above: Pillow's parsers raise nearly anything
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _reason(error: Exception, data: bytes) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too large: the limit is {MAX_PIXELS // 10**6} million pixels"
    if isinstance(error, UnidentifiedImageError):
        return _what_it_is(data)
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    text = " ".join(str(error).split())
    cut_webp = data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data)
    if isinstance(error, EOFError) or cut_webp or re.search("truncated|EOF|not enough", text, re.IGNORECASE):
        return "truncated: the file ends before the picture does"
    return f"damaged: {text[:100] or type(error).__name__}"


def _what_it_is(data: bytes) -> str:
    """Words for bytes that no plugin accepts."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    names = [name for prefix, name in _PICTURES.items() if data.startswith(prefix)] + ["AVIF"] * (brand == b"avif")
    if names:
        return f"truncated, damaged, or a kind of {names[0]} that cannot be read"
    found = next((words for prefix, words in _OTHERS.items() if data.startswith(prefix)), None)
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if brand:
        heic = brand in (b"heic", b"heix", b"heif", b"mif1", b"msf1")
        found = "a HEIC photograph, to be converted to JPEG first" if heic else "a video"
    elif start.startswith(b"<"):
        found = "an SVG drawing" if b"<svg" in start else "a web page or other markup"
    elif found is None and start.isascii() and b"\0" not in start:
        found = "text"
    return f"not an image: {found or 'of no format that can be read (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, AVIF)'}"


class _QuietPillow:
    """Silences Pillow's remarks on odd metadata. `warnings.catch_warnings` alone must not overlap between threads:
    left in another order than entered, it leaves its filters behind. So only the outermost entry uses it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._catch: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered == 1:
                self._catch = warnings.catch_warnings()
                self._catch.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0:
                self._catch.__exit__(kind, error, trace)


_QUIET_PILLOW = _QuietPillow()
