"""The one safe loader: every picture the library looks at comes through `decode_image`.

Pictures come from strangers, so a file may be cut short, lie about its size or be no picture at all. Whatever
is wrong, the answer is one `ImageError(path, reason)`; nothing else escapes, nothing hangs on a pipe, and the
pixel limit is checked against the header before anything is decoded. What comes back is always plain 8-bit
sRGB as a viewer would show it:

- the EXIF orientation is applied (an unreadable EXIF block counts as upright);
- transparency is laid over white; the first frame of an animation, the first page of a document;
- an embedded ICC profile that is not sRGB is converted to sRGB (RGB, grey and CMYK; a broken profile is
  ignored);
- CMYK is read as Adobe writes it (inverted) when the JPEG has an Adobe marker, as plain CMYK when it has
  none;
- 16-bit samples keep their high byte; mode "I" counts as 16-bit (0..65535) unless its values leave that
  range, mode "F" as 0..1 or as 0..255, whichever holds all its finite values; anything else is stretched from
  its own minimum to maximum.

All functions may be called from several threads at once.
"""

import io
import os
import re
import stat
import struct
import threading
import types
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import PIL.Image
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    ImageCms,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PcxImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from i2v_search.errors import ImageError

MAX_PIXELS: Final = 100_000_000
MAX_BYTES: Final = 256 * 2**20
MAX_SIDE: Final = 65_535
"""No side may be longer: it is JPEG's own limit, and a picture thinner than that is not an illustration."""
MAX_SCANS: Final = 200
"""A progressive JPEG has about ten scans; each costs a pass over the whole picture, however few its bytes."""

MAX_EXIF_BLOCKS: Final = 200
"""A JPEG has one; a camera that writes more than 64 KB of it continues in a few more."""

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image

# Every format is named here, in the order tried. Left out on purpose: EPS, PDF and WMF (they run an
# interpreter or ask the system to draw), PSD (a history of memory errors, and its flattened picture is
# optional), FITS, HDF5, GRIB and BUFR (containers handed to other software), QOI, DDS, SGI, XPM and other
# decoders written in Python or rarely tested. MPO, the stereo JPEG of cameras, is read as the JPEG that it
# begins with. JPEG 2000 stays for scanned books.
_OPENERS: Final[dict[str, Callable[[BinaryIO, str], ImageFile.ImageFile]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "ICO": IcoImagePlugin.IcoImageFile,
    "PCX": PcxImagePlugin.PcxImageFile,
    "DIB": BmpImagePlugin.DibImageFile,
    "TGA": TgaImagePlugin.TgaImageFile,
}
FORMATS: Final[tuple[str, ...]] = tuple(_OPENERS)

_TGA_EXTENSIONS: Final = frozenset({".tga", ".icb", ".vda", ".vst"})
EXTENSIONS: Final[frozenset[str]] = _TGA_EXTENSIONS | {
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".avif",
        ".avifs",
        ".bmp",
        ".dib",
    ),
    *(
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".pfm",
        ".jp2",
        ".j2k",
        ".jpf",
        ".jpx",
        ".ico",
        ".pcx",
    ),
}

# What bad data makes Pillow raise; found by damaging files of every format (tests/test_images.py goes on
# looking).
_DECODE_ERRORS: Final = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, SyntaxError, RuntimeError),
    *(MemoryError, AttributeError, AssertionError, BufferError, Warning, struct.error, zlib.error),
    *(PIL.Image.DecompressionBombError, ImageCms.PyCMSError),
)

# First bytes of what people put into picture folders and no decoder here takes: name it, so that they know
# what to do.
_KNOWN_STRANGERS: Final = (
    (re.compile(rb"8BPS"), "a Photoshop document; export it as PNG"),
    (re.compile(rb"CSFCHUNK"), "a Clip Studio document; export it as PNG"),
    (re.compile(rb"gimp xcf"), "a GIMP document; export it as PNG"),
    (re.compile(rb"%PDF|%!PS"), "a PDF or PostScript document"),
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL), "a HEIC picture; convert it to JPEG"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL picture; convert it to PNG"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg", re.IGNORECASE | re.DOTALL), "an SVG drawing"),
    (re.compile(rb"\s*<(!doctype html|html|head|body)", re.IGNORECASE), "a web page"),
    (re.compile(rb"PK\x03\x04|Rar!|7z\xbc\xaf"), "an archive"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer; run git lfs pull"),
)


@dataclass(frozen=True)
class DecodedImage:
    """An RGB picture, and how large the original is when displayed.

    `pixels` has mode "RGB" and no metadata; it may be smaller than `width` x `height` when `shrink_to` was
    given.
    """

    pixels: PIL.Image.Image
    width: int
    height: int


def decode_image(
    source: ImageSource,
    *,
    name: str | None = None,
    shrink_to: int | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> DecodedImage:
    """Decode a path, bytes, a binary stream or a Pillow image into 8-bit sRGB.

    `name` is what errors call the source (by default its path). With `shrink_to`, a picture whose shorter
    side is at least twice that may come back smaller, by a whole factor, its shorter side in [shrink_to, 2 *
    shrink_to) for most formats and always at least `shrink_to`: decoding a JPEG costs a third then. A stream
    is read from where it stands.

    Raises `ImageError` for whatever is wrong with the picture, and `ValueError` for a `shrink_to` below 1.

    >>> import io, PIL.Image
    >>> file = io.BytesIO()
    >>> PIL.Image.new("RGBA", (400, 300), (255, 0, 0, 0)).save(file, "PNG")
    >>> picture = decode_image(file.getvalue(), shrink_to=100)
    >>> picture.width, picture.height, picture.pixels.size, picture.pixels.getpixel((0, 0))
    (400, 300, (134, 100), (255, 255, 255))
    """
    if shrink_to is not None and shrink_to < 1:
        raise ValueError(f"shrink_to is {shrink_to}; it must be at least 1")
    if not isinstance(source, str | os.PathLike | bytes | PIL.Image.Image) and not hasattr(source, "read"):
        raise TypeError(
            f"cannot read an image from {type(source).__name__}: give a path, bytes, stream or Image"
        )
    label = name if name is not None else _label(source)
    with _quiet_pillow():
        if isinstance(source, PIL.Image.Image):
            return _finish(source, label, shrink_to, max_pixels)
        with _open(_read(source, label, max_bytes), label, max_pixels) as image:
            return _finish(image, label, shrink_to, max_pixels)


def load_image(
    source: ImageSource,
    *,
    name: str | None = None,
    shrink_to: int | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> PIL.Image.Image:
    """Return `decode_image(...).pixels`: the picture alone, mode "RGB".

    >>> import PIL.Image
    >>> load_image(PIL.Image.new("L", (2, 2), 7)).getpixel((1, 1))
    (7, 7, 7)
    """
    decoded = decode_image(source, name=name, shrink_to=shrink_to, max_pixels=max_pixels, max_bytes=max_bytes)
    return decoded.pixels


def open_regular_file(path: str | os.PathLike[str], name: str | None = None) -> BinaryIO:
    """Open a regular file for reading, unbuffered; never wait on a pipe, never touch a device.

    The kind is looked at before opening, because opening can already act on a device, and again afterwards,
    because the name may by then mean something else. Raises `ImageError`.
    """
    label = name if name is not None else os.fsdecode(path)
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    )
    try:
        _refuse_special(os.stat(path).st_mode, label)  # noqa: PTH116 - works for bytes too
        descriptor = os.open(path, flags)
        try:
            _refuse_special(os.fstat(descriptor).st_mode, label)
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb", buffering=0)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(label, _reason(error)) from error


def read_regular_file(
    path: str | os.PathLike[str], name: str | None = None, max_bytes: int = MAX_BYTES
) -> bytes:
    """Read a whole regular file of at most `max_bytes`; the size is looked at before anything is read.

    Raises `ImageError`.
    """
    label = name if name is not None else os.fsdecode(path)
    with open_regular_file(path, label) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ImageError(label, f"{size} bytes is over the limit of {max_bytes} bytes")
        return read_bounded(file, label, max_bytes)


def read_bounded(stream: BinaryIO, name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a stream to its end, whatever its header promised; `ImageError` above `max_bytes`."""
    blocks: list[bytes] = []
    total = 0
    try:
        while block := stream.read(2**20):
            total += len(block)
            if total > max_bytes:
                raise ImageError(name, f"more than the limit of {max_bytes} bytes")
            blocks.append(block)
        return b"".join(blocks)
    except (OSError, ValueError, TypeError, MemoryError) as error:  # it broke, is closed, or gives text
        raise ImageError(name, f"cannot be read: {_reason(error)}") from error


def _refuse_special(mode: int, label: str) -> None:
    if not stat.S_ISREG(mode):
        raise ImageError(label, f"{describe_special(mode)}, not a file")


def describe_special(mode: int) -> str:
    """Name the kind of a directory entry from its `st_mode`: "a named pipe", "a folder" and so on."""
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISREG, "a file"),
    )
    return next((kind for test, kind in kinds if test(mode)), "a device")


def _label(source: ImageSource) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, PIL.Image.Image):
        return "<image>"
    stream_name = getattr(source, "name", None)
    return stream_name if isinstance(stream_name, str) else "<stream>"


def _read(source: str | os.PathLike[str] | bytes | BinaryIO, label: str, max_bytes: int) -> bytes:
    if isinstance(source, str | os.PathLike):
        data = read_regular_file(source, label, max_bytes)
    elif isinstance(source, bytes):
        if len(source) > max_bytes:
            raise ImageError(label, f"{len(source)} bytes is over the limit of {max_bytes} bytes")
        data = source
    else:
        data = read_bounded(source, label, max_bytes)
    if not data:
        raise ImageError(label, "empty file")
    return data


def _open(data: bytes, label: str, max_pixels: int) -> ImageFile.ImageFile:
    """Parse the header only. Pillow gets the bytes, never the file: a mapped file that shrinks would kill the
    process.
    """
    prefix = data[:16].ljust(16, b"\0")  # some of Pillow's tests read all 16 bytes
    damage: tuple[str, Exception] | None = None
    for format_name, opener in _OPENERS.items():
        if format_name == "TGA":
            # TGA has no signature: nearly anything could be one, so the name must say so.
            if os.path.splitext(label)[1].lower() not in _TGA_EXTENSIONS:  # noqa: PTH122 - not a path
                continue
        elif (accept := PIL.Image.OPEN[format_name][1]) is None or accept(prefix) is not True:
            continue
        if format_name == "ICO":
            _check_icon(data, label, max_pixels)
        if format_name == "JPEG":
            _check_repeats(data, label)
        try:
            # Not Image.open: it tries formats by its own list and warns, or stops, at its own pixel limit.
            image = opener(io.BytesIO(data), "")
        except SyntaxError as error:
            damage = damage or (format_name, error)
            continue
        except _DECODE_ERRORS as error:
            raise ImageError(label, _damage(format_name, error)) from error
        _check_size(image.size, label, max_pixels)
        return image
    if damage is not None:
        raise ImageError(label, _damage(*damage)) from damage[1]
    for pattern, kind in _KNOWN_STRANGERS:
        if pattern.match(data, 0, 4096):
            raise ImageError(label, f"not an image Pillow can identify: it looks like {kind}")
    raise ImageError(label, "not an image Pillow can identify")


def _check_size(size: tuple[int, int], label: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(label, f"{width} x {height} px is over the limit of {max_pixels} pixels")
    if max(size) > MAX_SIDE:
        raise ImageError(label, f"{width} x {height} px has a side over the limit of {MAX_SIDE} px")
    if min(size) < 1:
        raise ImageError(label, f"{width} x {height} px has no pixels")


def _check_icon(data: bytes, label: str, max_pixels: int) -> None:
    """Look at every picture inside an icon: Pillow decodes one as it opens the file, and the directory's
    sizes can lie.
    """
    for number in range(int.from_bytes(data[4:6], "little")):
        offset = int.from_bytes(data[6 + 16 * number + 12 : 6 + 16 * number + 16], "little")
        head = data[offset : offset + 24]
        if head.startswith(b"\x89PNG"):
            size = (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
        else:
            size = (
                int.from_bytes(head[4:8], "little"),
                abs(int.from_bytes(head[8:12], "little", signed=True)),
            )
        if head and min(size) > 0:
            _check_size(size, label, max_pixels)


_JPEG_MARKER: Final = re.compile(rb"\xff+([^\x00\x01\xd0-\xd7\xff])")


def _check_repeats(data: bytes, label: str) -> None:
    """Refuse a JPEG that repeats what costs more with every repeat.

    A scan takes a few bytes and visits all of the picture; an EXIF block makes Pillow copy all those before
    it (50 MB of them: 20 s).
    """
    if data.count(b"Exif\0\0") > MAX_EXIF_BLOCKS:
        raise ImageError(label, f"a JPEG with more than {MAX_EXIF_BLOCKS} EXIF blocks")
    if data.count(b"\xff\xda") <= MAX_SCANS:
        return
    position, scans = 2, 0
    while scans <= MAX_SCANS:
        marker = _JPEG_MARKER.search(data, position)
        if marker is None or marker[1] == b"\xd9":  # the end; whatever follows is not this picture
            return
        scans += marker[1] == b"\xda"
        position = marker.end() + max(int.from_bytes(data[marker.end() : marker.end() + 2], "big"), 2)
    raise ImageError(label, f"a JPEG with more than {MAX_SCANS} scans")


def _finish(image: PIL.Image.Image, label: str, shrink_to: int | None, max_pixels: int) -> DecodedImage:
    _check_size(image.size, label, max_pixels)
    try:
        return _decode(image, shrink_to)
    except _DECODE_ERRORS as error:
        raise ImageError(label, _damage(image.format or "image", error)) from error


def _decode(image: PIL.Image.Image, shrink_to: int | None) -> DecodedImage:
    full_size = None
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.tile and shrink_to is not None:
        full_size = image.size
        image.draft(None, (shrink_to, shrink_to))
    image.load()
    width, height = full_size or image.size  # an oriented TIFF swaps its sides as it loads
    pixels = _as_rgb(image, shrink_to)
    turn = _turn(image)
    if turn is not None:
        pixels = pixels.transpose(turn)
        if turn in _SWAPPING_TURNS:
            width, height = height, width
    if pixels is image:
        pixels = image.copy()
    pixels.info.clear()  # its orientation and profile have been applied and must not be applied again
    return DecodedImage(pixels, width, height)


def _as_rgb(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    elif image.has_transparency_data:
        image = _over_white(image)
    if (
        image.mode == "CMYK"
        and isinstance(image, JpegImagePlugin.JpegImageFile)
        and "adobe" not in image.info
    ):
        # Pillow inverts every CMYK JPEG as Adobe's are; one without the marker holds ink as it is.
        image = image.point(_INVERTED)
    if image.mode not in _PROFILE_SPACES:
        image = image.convert("RGB")
    image = _reduced(image, shrink_to)
    if isinstance(profile, bytes) and profile:
        image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


_INVERTED: Final = [255 - value for value in range(256)] * 4


def _reduced(image: PIL.Image.Image, shrink_to: int | None) -> PIL.Image.Image:
    """Average blocks of pixels; in steps, because Pillow divides a large block's sum by a rounded number."""
    while shrink_to is not None and (factor := min(min(image.size) // shrink_to, _MAX_REDUCTION)) > 1:
        image = image.reduce(factor)
    return image


_MAX_REDUCTION: Final = 64


def _to_eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to mode "L"; the one value that means transparent becomes
    white.
    """
    values = np.asarray(image)
    if image.mode == "F":
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(finite.min()), float(finite.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low >= 0 and high <= 255:
            low, high = 0.0, 255.0
        grey = _stretched(finite, low, high)
    elif image.mode == "I" and (values.min() < 0 or values.max() > 65_535):
        grey = _stretched(values, float(values.min()), float(values.max()))
    else:
        grey = (values >> 8).astype(np.uint8)
    if (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.mode == "I;16"
        and image.tag_v2.get(262) == 0
    ):
        grey = (
            255 - grey
        )  # PhotometricInterpretation 0: white is zero, and Pillow leaves 16-bit samples as stored
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return PIL.Image.fromarray(grey)


def _stretched(values: "np.ndarray[Any, Any]", low: float, high: float) -> "np.ndarray[Any, Any]":
    span = high - low
    if span <= 0:
        return np.zeros(values.shape, np.uint8)
    return np.round((values.astype(np.float64) - low) * (255.0 / span)).astype(np.uint8)


def _over_white(image: PIL.Image.Image) -> PIL.Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)  # Pillow kept the high bytes
    try:
        layered = image.convert("RGBA")
    except (ValueError, TypeError, OverflowError):  # a transparency entry that fits no pixel of this mode
        layered = image.copy()
        layered.info.pop("transparency", None)
        return layered.convert("RGB")
    canvas = PIL.Image.new("RGB", image.size, "white")
    canvas.paste(layered, mask=layered.getchannel("A"))
    return canvas


_PROFILE_SPACES: Final = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def _to_srgb(image: PIL.Image.Image, profile: bytes) -> PIL.Image.Image:
    """Convert through the embedded profile; a profile that is broken or of another colour space is as good as
    none.
    """
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if embedded.profile.xcolor_space.strip() != _PROFILE_SPACES[image.mode]:
            return image
        if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(embedded):
            return image
        transform = ImageCms.buildTransform(
            embedded,
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return transform.apply(image)
    except _DECODE_ERRORS:
        return image


_TURNS: Final = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_SWAPPING_TURNS: Final = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
_ORIENTATION_TAG: Final = 0x0112


def _turn(image: PIL.Image.Image) -> PIL.Image.Transpose | None:
    """Return what the EXIF orientation asks for; Pillow turns a TIFF itself and then drops the tag."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except _DECODE_ERRORS:
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


_REASONS: Final = (
    (PermissionError, "permission denied"),
    (FileNotFoundError, "no such file"),
    (MemoryError, "not enough memory to decode it"),
)


def _reason(error: BaseException) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split())[:200] or type(error).__name__


def _damage(format_name: str, error: BaseException) -> str:
    reason = _reason(error)
    if isinstance(error, MemoryError):
        return reason
    if "unpack" in reason:  # Pillow ran out of bytes in the middle of a number
        return f"truncated: the {format_name} ends inside its header"
    kind = "truncated" if isinstance(error, EOFError) or "truncated" in reason.lower() else "damaged"
    return f"{kind} {format_name}: {reason}"


class _Decoding(threading.local):
    depth = 0


_decoding = _Decoding()


class _QuietWarnings(types.ModuleType):
    """Stands in for `warnings` inside Pillow's modules: silent on a thread that is in `decode_image`, the
    real one elsewhere.

    Pillow warns about harmless oddities (a bad EXIF block), and a caller who turns warnings into errors would
    lose a good picture. `warnings.catch_warnings` cannot help: before Python 3.14 it swaps state that all
    threads share.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(warnings, name)

    def warn(
        self, message: Any, category: Any = None, stacklevel: int = 1, *args: Any, **options: Any
    ) -> None:
        if not _decoding.depth:
            warnings.warn(message, category, stacklevel + 1, *args, **options)


class _quiet_pillow:  # noqa: N801 - reads as a statement, like contextlib's own
    def __enter__(self) -> None:
        _decoding.depth += 1

    def __exit__(self, *_: object) -> None:
        _decoding.depth -= 1


def _install_quiet_warnings() -> None:
    quiet = _QuietWarnings("warnings")
    for module in (
        PIL.Image,
        IcoImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TgaImagePlugin,
        TiffImagePlugin,
    ):
        if module.__dict__.get("warnings") is warnings:
            module.__dict__["warnings"] = quiet


_install_quiet_warnings()
