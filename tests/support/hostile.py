"""A folder of hostile and odd pictures, each with what must come of it.

Everything is made here, byte by byte where no encoder would write it, so the tests need no files and say what
they mean.
"""

import io
import os
import socket
import stat
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import extra_files
import numpy as np
import PIL.Image
from PIL import ImageCms

Colour = tuple[int, int, int]

RED: Colour = (200, 40, 60)
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Expected:
    """What must come of a file.

    "colour": it decodes, and the pixel at `at` (fractions of width and height) is `colour` within
    `tolerance`. "reported": it is an `ImageError` or a `Skipped` whose reason contains `reason`. "either": it
    depends on the machine or the decoder (`why`), but it is one of the two. "ignored": a walk over the folder
    never mentions it.
    """

    kind: Literal["colour", "reported", "either", "ignored"]
    colour: Colour = RED
    tolerance: int = 3
    reason: str = ""
    size: tuple[int, int] | None = None
    at: tuple[float, float] = (0.5, 0.5)
    why: str = ""


def encode(image: PIL.Image.Image, format_name: str, **options: Any) -> bytes:
    """Return the picture as a file of that format."""
    file = io.BytesIO()
    image.save(file, format_name, **options)
    return file.getvalue()


def plain(mode: str = "RGB", colour: Any = RED, size: tuple[int, int] = (64, 48)) -> PIL.Image.Image:
    """Return a picture of one colour."""
    return PIL.Image.new(mode, size, colour)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk with a right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour_type: int = 2) -> bytes:
    """Return a PNG of the given chunks, which may not fit its header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def after_header(file: bytes, *chunks: bytes) -> bytes:
    """Put chunks after the IHDR of a PNG."""
    return file[:33] + b"".join(chunks) + file[33:]


def exif(orientation: int) -> bytes:
    """Return an EXIF block that holds only an orientation."""
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def oriented(orientation: int) -> PIL.Image.Image:
    """Return 48 x 64 stored so that, once turned, it is 64 x 48 (5..8: the reverse) with a red top left
    quarter.
    """
    shown = plain("RGB", WHITE, (64, 48))
    shown.paste(RED, (0, 0, 32, 24))
    undo = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }
    return shown.transpose(undo[orientation]) if orientation in undo else shown


def without_adobe_marker(file: bytes) -> bytes:
    """Cut the APP14 segment out of a JPEG."""
    start = file.index(b"\xff\xee")
    return file[:start] + file[start + 2 + int.from_bytes(file[start + 2 : start + 4], "big") :]


def scan_bomb(scans: int) -> bytes:
    """Return a progressive JPEG with that many scans, all but the true ones repeats of a few bytes."""
    file = encode(plain(), "JPEG", progressive=True)
    end = file.rindex(b"\xff\xd9")
    last = file[file.rindex(b"\xff\xda") : end]
    return file[:end] + last * scans + b"\xff\xd9"


def exif_bomb(blocks: int) -> bytes:
    """Return a JPEG whose EXIF data is continued in that many segments of 64 KB."""
    file = encode(plain(), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", 65_002) + b"Exif\0\0" + bytes(64_994)
    return file[:2] + segment * blocks + file[2:]


def half(file: bytes) -> bytes:
    """Cut a file in the middle."""
    return file[: len(file) // 2]


def noisy(seed: int = 0) -> PIL.Image.Image:
    """Return 64 x 48 pixels of noise: no encoder makes that short enough to survive being cut."""
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def wide_gamut_profile() -> bytes:
    """Return a valid RGB profile that is not sRGB: sRGB's own with its red and blue primaries exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {}
    for number in range(int.from_bytes(profile[128:132], "big")):
        start = 132 + 12 * number
        entries[bytes(profile[start : start + 4])] = start
    red, blue = entries[b"rXYZ"], entries[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    text = bytes(profile)
    return text.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def grey16(value: int = 0x8000) -> PIL.Image.Image:
    """Return a 16-bit grey picture of one value."""
    return PIL.Image.fromarray(np.full((48, 64), value, np.uint16))


def rgb16_png(colour: tuple[int, int, int], transparent: bytes = b"") -> bytes:
    """Return a PNG with 16 bits a channel, which Pillow reads but cannot write."""
    rows = (b"\0" + struct.pack(">3H", *colour) * 64) * 48
    extra = (chunk(b"tRNS", transparent),) if transparent else ()
    return png(64, 48, *extra, chunk(b"IDAT", zlib.compress(rows)), depth=16)


def rgb16_tiff(colour: tuple[int, int, int]) -> bytes:
    """Return an uncompressed little-endian TIFF with 16 bits a channel."""
    pixels = struct.pack("<3H", *colour) * 64 * 48
    tags = [(256, 3, 1, 64), (257, 3, 1, 48), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 14)]
    tags += [(277, 3, 1, 3), (278, 3, 1, 48), (279, 4, 1, len(pixels)), (284, 3, 1, 1)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I3H", 14 + len(pixels), 16, 16, 16) + pixels + directory


def animation(format_name: str) -> bytes:
    """Return red, then green, then blue."""
    rest = [plain("RGB", (0, 200, 0)), plain("RGB", (0, 0, 200))]
    return encode(plain(), format_name, save_all=True, append_images=rest, duration=50)


def text_bomb() -> bytes:
    """Return a good PNG with a zTXt chunk that unpacks to 100 MB."""
    text = b"Comment\0\0" + zlib.compress(bytes(10**8), 9)
    return after_header(encode(plain(), "PNG"), chunk(b"zTXt", text))


def profile_bomb() -> bytes:
    """Return a good PNG with an iCCP chunk that unpacks to 100 MB."""
    return after_header(encode(plain(), "PNG"), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(10**8), 9)))


def gif_bomb() -> bytes:
    """Return a GIF whose screen claims 60,000 x 60,000 pixels."""
    file = bytearray(encode(plain("P", 1), "GIF"))
    file[6:10] = struct.pack("<HH", 60_000, 60_000)
    return bytes(file)


def icon_bomb() -> bytes:
    """Return an icon that says 16 x 16 and holds a PNG of 20,000 x 20,000."""
    inner = png(20_000, 20_000, chunk(b"IDAT", zlib.compress(bytes(1000))))
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


def big_png() -> bytes:
    """Return a real PNG of 20,000 x 20,000 pixels in 50 KB."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(2500)
    packed = b"".join(packer.compress(row * 1000) for _ in range(20)) + packer.flush()
    return png(20_000, 20_000, chunk(b"IDAT", packed), depth=1, colour_type=0)


def odd_bmp() -> bytes:
    """Return a BMP whose header claims a size of 2**31 - 1 by -2**31."""
    file = bytearray(encode(plain(), "BMP"))
    file[18:26] = struct.pack("<ii", 2**31 - 1, -(2**31))
    return bytes(file)


def bad_crc() -> bytes:
    """Return a PNG whose header chunk has a wrong checksum."""
    file = bytearray(encode(plain(), "PNG"))
    file[29] ^= 0xFF
    return bytes(file)


def _reported(reason: str = "") -> Expected:
    return Expected("reported", reason=reason)


def _colour(colour: Colour = RED, tolerance: int = 3, **more: Any) -> Expected:
    return Expected("colour", colour, tolerance, **more)


_SQUARE = '<rect width="64" height="48" fill="rgb(200,40,60)"/>'
_FILES: dict[str, tuple[Callable[[], bytes], Expected]] = {
    # good pictures of every format
    "good.jpg": (lambda: encode(plain(), "JPEG"), _colour(size=(64, 48))),
    "good progressive.jpg": (lambda: encode(plain(), "JPEG", progressive=True), _colour()),
    "good.png": (lambda: encode(plain(), "PNG"), _colour(size=(64, 48))),
    "good.webp": (lambda: encode(plain(), "WEBP", lossless=True), _colour()),
    "good.gif": (lambda: encode(plain(), "GIF"), _colour()),
    "good.bmp": (lambda: encode(plain(), "BMP"), _colour()),
    "good.dib": (lambda: encode(plain(), "DIB"), _colour()),
    "good.tif": (lambda: encode(plain(), "TIFF"), _colour()),
    "good lzw.tiff": (lambda: encode(plain(), "TIFF", compression="tiff_lzw"), _colour()),
    "good.ppm": (lambda: encode(plain(), "PPM"), _colour()),
    "good text.pgm": (lambda: b"P2 # a comment\n2 2\n255\n40 40 40 40\n", _colour((40, 40, 40), 0)),
    "good.tga": (lambda: encode(plain(), "TGA"), _colour()),
    "good.ico": (lambda: encode(plain(size=(32, 32)), "ICO"), _colour(size=(32, 32))),
    "good.pcx": (lambda: encode(plain(), "PCX"), _colour()),
    "good.jp2": (lambda: encode(plain(), "JPEG2000"), _colour()),
    "good.avif": (lambda: encode(plain(), "AVIF"), _colour(tolerance=6)),
    "good.heic": (lambda: extra_files.heic(plain()), _colour(size=(64, 48))),
    "good.jxl": (lambda: extra_files.jpeg_xl(plain()), _colour(size=(64, 48))),
    "good.svg": (lambda: extra_files.svg(_SQUARE), _colour(size=(1024, 768))),
    "good.pdf": (lambda: extra_files.pdf(plain()), _colour(size=(2048, 1536))),
    "good.mpo": (
        lambda: encode(plain(), "MPO", save_all=True, append_images=[plain("RGB", WHITE)]),
        _colour(),
    ),
    # modes
    "cmyk adobe.jpg": (lambda: encode(plain("CMYK", (0, 200, 180, 20)), "JPEG"), _colour((235, 51, 69), 4)),
    "cmyk plain.jpg": (
        # Stored upside down and without the marker that would say so: ink as it is.
        lambda: without_adobe_marker(encode(plain("CMYK", (255, 55, 75, 235)), "JPEG")),
        _colour((235, 51, 69), 4),
    ),
    "cmyk broken profile.jpg": (
        lambda: encode(plain("CMYK", (0, 200, 180, 20)), "JPEG", icc_profile=b"no profile at all" * 20),
        _colour((235, 51, 69), 4),
    ),
    "cmyk.tif": (lambda: encode(plain("CMYK", (0, 200, 180, 20)), "TIFF"), _colour((235, 51, 69))),
    "swapped profile.png": (
        lambda: encode(plain(), "PNG", icc_profile=wide_gamut_profile()),
        _colour((60, 40, 200), 3),
    ),
    "broken profile.png": (lambda: encode(plain(), "PNG", icc_profile=b"\xff" * 500), _colour()),
    "grey.jpg": (lambda: encode(plain("L", 90), "JPEG"), _colour((90, 90, 90))),
    "grey 16.png": (lambda: encode(grey16(), "PNG"), _colour((128, 128, 128), 1)),
    "grey 16.tif": (lambda: encode(grey16(), "TIFF"), _colour((128, 128, 128), 1)),
    "grey 16.pgm": (lambda: b"P5 2 2 65535\n" + b"\x80\x00" * 4, _colour((128, 128, 128), 1)),
    "grey 16 transparent.png": (
        lambda: after_header(encode(grey16(7), "PNG"), chunk(b"tRNS", b"\0\x07")),
        _colour(WHITE, 0),
    ),
    "rgb 16.png": (lambda: rgb16_png((200 * 257, 40 * 257, 60 * 257)), _colour(tolerance=1)),
    "rgb 16 transparent.png": (
        lambda: rgb16_png((0xC801, 0, 0), struct.pack(">3H", 0xC801, 0, 0)),
        _colour(WHITE, 0),
    ),
    "rgb 16.tif": (lambda: rgb16_tiff((200 * 257, 40 * 257, 60 * 257)), _colour(tolerance=1)),
    "float.tif": (
        lambda: encode(PIL.Image.fromarray(np.full((48, 64), 0.5, np.float32)), "TIFF"),
        _colour((128, 128, 128), 1),
    ),
    "float 255.tif": (
        lambda: encode(PIL.Image.fromarray(np.full((48, 64), 90, np.float32)), "TIFF"),
        _colour((90, 90, 90), 1),
    ),
    "float not finite.tif": (
        lambda: encode(PIL.Image.fromarray(np.full((48, 64), np.nan, np.float32)), "TIFF"),
        _colour((0, 0, 0), 0),
    ),
    "int 32.tif": (
        lambda: encode(PIL.Image.fromarray(np.full((48, 64), 0x8000, np.int32)), "TIFF"),
        _colour((128, 128, 128), 1),
    ),
    "lab.tif": (lambda: encode(plain("LAB", (137, 192, 162)), "TIFF"), _colour((224, 66, 79), 40)),
    "one bit.png": (lambda: encode(plain("1", 1), "PNG"), _colour(WHITE, 0)),
    "grey alpha.png": (lambda: encode(plain("LA", (0, 128)), "PNG"), _colour((127, 127, 127), 1)),
    "clear.png": (lambda: encode(plain("RGBA", (200, 40, 60, 0)), "PNG"), _colour(WHITE, 0)),
    "half clear.webp": (
        lambda: encode(plain("RGBA", (255, 0, 0, 128)), "WEBP", lossless=True),
        _colour((255, 127, 127), 2),
    ),
    "palette.png": (lambda: encode(plain().quantize(4), "PNG"), _colour()),
    "palette clear.png": (lambda: encode(plain().quantize(4), "PNG", transparency=0), _colour(WHITE, 0)),
    "palette half clear.png": (
        lambda: encode(plain("RGB", (255, 0, 0)).quantize(4), "PNG", transparency=b"\x80"),
        _colour((255, 127, 127), 2),
    ),
    "rgb one colour clear.png": (lambda: encode(plain(), "PNG", transparency=RED), _colour(WHITE, 0)),
    "one bit clear.png": (lambda: encode(plain("1", 0), "PNG", transparency=0), _colour(WHITE, 0)),
    "clear.gif": (lambda: encode(plain().quantize(4), "GIF", transparency=0), _colour(WHITE, 0)),
    "animated.gif": (lambda: animation("GIF"), _colour()),
    "animated.webp": (lambda: animation("WEBP"), _colour(tolerance=6)),
    "animated.png": (lambda: animation("PNG"), _colour()),
    "pages.tif": (lambda: animation("TIFF"), _colour()),
    # odd sizes
    "wide.png": (lambda: encode(plain(size=(30_000, 1)), "PNG"), _colour(size=(30_000, 1))),
    "tall.png": (lambda: encode(plain(size=(1, 30_000)), "PNG"), _colour(size=(1, 30_000))),
    "one pixel.png": (lambda: encode(plain(size=(1, 1)), "PNG"), _colour(size=(1, 1))),
    "too wide.png": (
        lambda: encode(plain(size=(70_000, 1)), "PNG"),
        _reported("70000 x 1 px has a side over"),
    ),
    "no pixels.png": (lambda: png(0, 0, chunk(b"IDAT", zlib.compress(b""))), _reported()),
    # bombs
    "bomb header.png": (
        lambda: png(60_000, 60_000, chunk(b"IDAT", zlib.compress(bytes(1000)))),
        _reported("60000 x 60000 px is over the limit of 100000000 pixels"),
    ),
    "bomb real.png": (big_png, _reported("20000 x 20000 px is over the limit")),
    "bomb.jxl": (
        lambda: extra_files.jpeg_xl_head(60_000, 60_000),
        _reported("60000 x 60000 px is over the limit"),
    ),
    "bomb.svg": (lambda: extra_files.use_bomb(30), _reported("SVG cannot be drawn")),
    "bomb.gif": (gif_bomb, _reported("60000 x 60000 px is over the limit")),
    "bomb.ico": (icon_bomb, _reported("20000 x 20000 px is over the limit")),
    "bomb.ppm": (lambda: b"P6 99999 99999 255\n\0\0\0", _reported("over the limit")),
    "bomb text.png": (text_bomb, _colour()),
    "bomb profile.png": (profile_bomb, _colour()),
    "bomb scans.jpg": (lambda: scan_bomb(5000), _reported("more than 200 scans")),
    "bomb exif.jpg": (lambda: exif_bomb(1000), _reported("more than 200 EXIF blocks")),
    # EXIF
    "bad exif.jpg": (lambda: encode(plain(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), _colour()),
    "bad exif text.jpg": (lambda: encode(plain(), "JPEG", exif=b"Exif\0\0" + b"rubbish" * 40), _colour()),
    "bad exif.png": (lambda: after_header(encode(plain(), "PNG"), chunk(b"eXIf", b"MM\0*")), _colour()),
    "bad exif.webp": (
        lambda: encode(plain(), "WEBP", lossless=True, exif=b"II*\0\x08\0\0\0\xff\xff"),
        _colour(),
    ),
    "orientation 0.jpg": (lambda: encode(plain(), "JPEG", exif=exif(0)), _colour(size=(64, 48))),
    "orientation 99.jpg": (lambda: encode(plain(), "JPEG", exif=exif(99)), _colour(size=(64, 48))),
    # damage
    "empty.png": (lambda: b"", _reported("empty file")),
    "cut.jpg": (lambda: half(encode(noisy(), "JPEG")), _reported("truncated")),
    "cut.png": (lambda: half(encode(noisy(), "PNG")), _reported("truncated")),
    "cut.webp": (lambda: half(encode(noisy(), "WEBP")), _reported()),
    "cut.gif": (lambda: half(encode(noisy(), "GIF")), _reported("truncated")),
    "cut.bmp": (lambda: half(encode(noisy(), "BMP")), _reported("truncated")),
    "cut.tif": (lambda: half(encode(noisy(), "TIFF")), _reported()),
    "cut.avif": (lambda: half(encode(noisy(), "AVIF")), _reported()),
    "cut.heic": (lambda: half(extra_files.heic(noisy())), _reported("end of file")),
    "cut.jxl": (lambda: half(extra_files.jpeg_xl(noisy())), _reported("JPEG XL cannot be drawn")),
    "locked.pdf": (extra_files.locked_pdf, _reported("password")),
    "cut to the signature.png": (lambda: encode(plain(), "PNG")[:8], _reported()),
    "cut to the signature.jpg": (lambda: b"\xff\xd8\xff", _reported()),
    "bad crc.png": (bad_crc, _reported("damaged PNG")),
    "odd header.bmp": (odd_bmp, _reported()),
    "trailing.jpg": (lambda: encode(plain(), "JPEG") + os.urandom(100_000), _colour()),
    "trailing scans.jpg": (lambda: encode(plain(), "JPEG") + b"\0\2" + b"\xff\xda\0\2" * 500, _colour()),
    "trailing.png": (lambda: encode(plain(), "PNG") + b"PK\x03\x04" * 1000, _colour()),
    # names that lie
    "jpeg inside.png": (lambda: encode(plain(), "JPEG"), _colour()),
    "png inside.jpg": (lambda: encode(plain(), "PNG"), _colour()),
    "webp inside.gif": (lambda: encode(plain(), "WEBP", lossless=True), _colour()),
    "text.png": (lambda: b"this is not a picture\n" * 100, _reported("not an image Pillow can identify")),
    "page.jpg": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", _reported("looks like a web page")),
    "photoshop.png": (lambda: b"8BPS\0\x01" + bytes(500), _reported("damaged PSD")),
    "postscript.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", _reported("PostScript")),
    "zeros.png": (lambda: bytes(10_000), _reported("not an image Pillow can identify")),
    "zeros.tga": (lambda: bytes(10_000), _reported()),
    "notes.txt": (lambda: b"a text among the pictures", Expected("ignored")),
    ".hidden.png": (lambda: encode(plain(), "PNG"), Expected("ignored")),
    "._good.png": (lambda: b"\0\x05\x16\x07" + bytes(200), Expected("ignored")),
    # names that are hard to carry
    "イラスト 絵.png": (lambda: encode(plain(), "PNG"), _colour()),
    "-rf.png": (lambda: encode(plain(), "PNG"), _colour()),
    " two  spaces .png": (lambda: encode(plain(), "PNG"), _colour()),
    "new\nline.png": (lambda: encode(plain(), "PNG"), _colour()),
    "quote'\"`$(id);&.png": (lambda: encode(plain(), "PNG"), _colour()),
    "back\\slash.png": (lambda: encode(plain(), "PNG"), _colour()),
    "a.zip!.png": (lambda: encode(plain(), "PNG"), _colour()),
    "[glob]*?.png": (lambda: encode(plain(), "PNG"), _colour()),
    "n" * 251 + ".png": (lambda: encode(plain(), "PNG"), _colour()),
    os.fsdecode(b"not utf-8 \xff\xfe.png"): (lambda: encode(plain(), "PNG"), _colour()),
    "SHOUTED.PNG": (lambda: encode(plain(), "PNG"), _colour()),
}


def make_hostile_folder(folder: Path) -> dict[str, Expected]:
    """Write every file into `folder`; return what must come of each, by its path relative to the folder."""
    expected: dict[str, Expected] = {}
    for name, (make, outcome) in _FILES.items():
        (folder / name).write_bytes(make())
        expected[name] = outcome
    for orientation in range(1, 9):
        turned = oriented(orientation)
        corner = _colour(at=(0.2, 0.2), size=(64, 48))
        formats: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("jpg", "JPEG", {"quality": 95}),
            ("png", "PNG", {}),
            ("webp", "WEBP", {"lossless": True}),
            ("tif", "TIFF", {}),
        )
        for extension, format_name, options in formats:
            name = f"orientation {orientation}.{extension}"
            (folder / name).write_bytes(encode(turned, format_name, exif=exif(orientation), **options))
            expected[name] = corner
    expected.update(_make_special_files(folder))
    return expected


def _make_special_files(folder: Path) -> dict[str, Expected]:
    good = encode(plain(), "PNG")
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "inside.png").write_bytes(good)
    (folder / "below").mkdir()
    (folder / "below" / "up").symlink_to("..")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "broken link.png").symlink_to("nowhere.png")
    (folder / "link.png").symlink_to("good.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        try:
            os.chdir(folder)  # a socket's path may not be longer than about a hundred bytes
            server.bind("socket.png")
        finally:
            os.chdir(here)
    (folder / "unreadable.png").write_bytes(good)
    (folder / "unreadable.png").chmod(0)
    (folder / "locked").mkdir()
    (folder / "locked" / "inside.png").write_bytes(good)
    (folder / "locked").chmod(0)
    as_root = Expected("either", why="root may read what nobody may")
    return {
        "folder.png/inside.png": _colour(),
        "below/up": _reported("a symbolic link to a folder above it"),
        "itself.png": _reported("symbolic link"),
        "broken link.png": _reported("a broken symbolic link"),
        "link.png": _colour(),
        "pipe.png": _reported("a named pipe"),
        "socket.png": _reported("a socket"),
        "unreadable.png": as_root if os.geteuid() == 0 else _reported("permission denied"),
        ("locked/inside.png" if os.geteuid() == 0 else "locked"): (
            as_root if os.geteuid() == 0 else _reported("permission denied")
        ),
    }


def make_removable(folder: Path) -> None:
    """Give the locked folder its permissions back, so that the folder can be deleted."""
    (folder / "locked").chmod(stat.S_IRWXU)
