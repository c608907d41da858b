"""The formats that are decoded, their extensions, and how those that are not give themselves away."""

import re
from collections.abc import Callable
from typing import BinaryIO, Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
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

from i2v_search.images.documents import DOCUMENT_EXTENSIONS
from i2v_search.images.extra_formats import EXTRA_EXTENSIONS

# Every format is named here, in the order tried; those that an extra brings are in
# `i2v_search.images.extra_formats`. Left out on purpose: EPS and WMF (they run an interpreter or ask the
# system to draw), PSD (`i2v_search.images.photoshop` reads more of them), FITS, HDF5,
# GRIB and BUFR (containers handed to other software), QOI, DDS, SGI, XPM and other decoders written in Python
# or rarely tested. MPO, the stereo JPEG of cameras, is read as the JPEG that it begins with. JPEG 2000 stays
# for scanned books.
OPENERS: Final[dict[str, Callable[[BinaryIO, str], ImageFile.ImageFile]]] = {
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
FORMATS: Final[tuple[str, ...]] = tuple(OPENERS)

TGA_EXTENSIONS: Final = frozenset({".tga", ".icb", ".vda", ".vst"})
EXTENSIONS: Final[frozenset[str]] = (
    TGA_EXTENSIONS
    | DOCUMENT_EXTENSIONS
    | EXTRA_EXTENSIONS
    | {
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
)

#: Bytes that `begins_like_image` looks at.
SIGNATURE_BYTES: Final = 16
# Formats that two or three bytes would stand for are left out: a text may begin with them.
_SIGNATURES: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|....ftypavi[fs]|BM....\0\0\0\0|II\*\0|MM\0\*"
    rb"|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51|8BPS\0[\1\2]\0{6}|CSFCHUNK"
    rb"|....ftyp(he[iv][cxms]|mif1|msf1)|\0\0\0\x0cJXL \r\n\x87\n|%PDF-[12]\.|<svg[\s>]",
    re.DOTALL,
)


def begins_like_image(prefix: bytes) -> bool:
    """Whether a file is an image by its first `SIGNATURE_BYTES` bytes, whatever its name says.

    >>> begins_like_image(b"\\x89PNG\\r\\n\\x1a\\n"), begins_like_image(b"BM is short for bitmap")
    (True, False)
    """
    return _SIGNATURES.match(prefix) is not None


# First bytes of what people put into picture folders and no decoder here takes: name it, so that they know
# what to do.
KNOWN_STRANGERS: Final = (
    (re.compile(rb"gimp xcf"), "a GIMP document; export it as PNG"),
    (re.compile(rb"%!PS"), "a PostScript document; export it as PDF"),
    (re.compile(rb"\s*<(!doctype html|html|head|body)", re.IGNORECASE), "a web page"),
    (re.compile(rb"PK\x03\x04|Rar!|7z\xbc\xaf"), "an archive"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer; run git lfs pull"),
)
