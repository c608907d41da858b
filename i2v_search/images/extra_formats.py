"""Formats that the extras ``formats`` and ``jxl`` bring: how to tell their files, and what reads each.

The packages are looked for when such a file is met, never before. Without its package a file is an
`ImageError` that names the extra.
"""

import re
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from i2v_search.errors import ImageError


@dataclass(frozen=True)
class ExtraFormat:
    """A format that a package of the extra reads.

    Attributes:
        name: what people call it.
        package: the package that reads it, as it is imported.
        extra: the extra that brings it.
    """

    name: str
    package: str
    extra: str = "formats"


HEIF: Final = ExtraFormat("HEIC", "pillow_heif")
#: Its plug-in is under the GPL, so that it comes only to whoever asks for it by name.
JPEG_XL: Final = ExtraFormat("JPEG XL", "pillow_jxl", "jxl")
SVG: Final = ExtraFormat("SVG", "resvg_py")
PDF: Final = ExtraFormat("PDF", "pypdfium2")

#: Endings of drawings without pixels of their own. Illustrator writes a PDF into its files.
VECTOR_EXTENSIONS: Final = frozenset({".svg", ".svgz", ".pdf", ".ai"})
EXTRA_EXTENSIONS: Final = VECTOR_EXTENSIONS | {".heic", ".heif", ".hif", ".jxl"}

_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_MOST_BRANDS: Final = 64
_JPEG_XL: Final = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")
_PDF: Final = re.compile(rb"\s*%PDF-\d")
#: What may come before the first element; each part is taken whole, so that nothing is tried twice.
_SVG: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)*+<(?:\w+:)?svg[\s/>]",
    re.DOTALL | re.IGNORECASE,
)
_GZIP: Final = b"\x1f\x8b"
#: Bytes in which a drawing must begin: programs write licences and entities before it.
_LOOKED_AT: Final = 2**16


def extra_format(data: bytes) -> ExtraFormat | None:
    """The format of a file that the extra reads, by its content; None for other files.

    >>> extra_format(b"<?xml version='1.0'?><svg/>").name, extra_format(b"GIF89a")
    ('SVG', None)
    """
    if data[4:8] == b"ftyp":
        return HEIF if _is_heif(data) else None
    if _JPEG_XL.match(data) is not None:
        return JPEG_XL
    if _PDF.match(data) is not None:
        return PDF
    if _SVG.match(_beginning(data)) is not None:
        return SVG
    return None


def check_installed(wanted: ExtraFormat, label: str) -> None:
    """Raise `ImageError`, with the command that helps, where the package of a format is not installed."""
    if find_spec(wanted.package) is None:
        article = "an" if wanted is SVG else "a"
        install = f"pip install 'i2v-search[{wanted.extra}]'"
        raise ImageError(label, f"{article} {wanted.name} file, which needs an extra: {install}")


def _is_heif(data: bytes) -> bool:
    """Whether the brands of a file are those of HEIF; an AVIF may have some of them too."""
    end = min(int.from_bytes(data[:4], "big"), 8 + 4 * _MOST_BRANDS)
    brands = {data[8:12], *(data[place : place + 4] for place in range(16, end - 3, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & _AVIF_BRANDS


def _beginning(data: bytes) -> bytes:
    """The first bytes of a file, unpacked if they are packed as those of an SVGZ."""
    if not data.startswith(_GZIP):
        return data[:_LOOKED_AT]
    try:
        return zlib.decompressobj(31).decompress(data[:_LOOKED_AT], _LOOKED_AT)
    except zlib.error:
        return b""
