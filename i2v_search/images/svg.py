"""SVG drawings of strangers: unpacked within a bound, and without what leads out of the file.

resvg runs no script and opens no connection, but it reads a file of this computer that an ``<image>`` names.
So every ``href`` goes that points neither into the drawing nor to data within it.
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

#: Bytes of a drawing, unpacked.
MOST_BYTES: Final = 64 * 2**20
_GZIP: Final = b"\x1f\x8b"
_WITHIN: Final = re.compile(r"\s*(#|data:image/)", re.IGNORECASE)
_NAMESPACES: Final = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}


@dataclass(frozen=True)
class Drawing:
    """A drawing that stands by itself.

    Attributes:
        text: the SVG.
        has_text: whether fonts are needed.
    """

    text: str
    has_text: bool


def standing_alone(data: bytes) -> Drawing:
    """The drawing of a file, SVG or SVGZ, without references to anything outside of it.

    Entities that the file defines are filled in; others, and files that it names, are not looked for.

    Raises:
        ValueError: it is larger than `MOST_BYTES`.
        SyntaxError: it is no XML.
        zlib.error: it is damaged.

    Example:
        >>> image = '<image xmlns="http://www.w3.org/2000/svg" href="/home/me/letter.png" width="9"/>'
        >>> standing_alone(image.encode()).text
        '<image xmlns="http://www.w3.org/2000/svg" width="9" />'
    """
    root = ElementTree.fromstring(_unpacked(data))  # noqa: S314 - in a process of bounded time and memory
    has_text = False
    for element in root.iter():
        has_text = has_text or element.tag.rpartition("}")[2] == "text"
        outside = [
            name
            for name, value in element.attrib.items()
            if name.rpartition("}")[2] == "href" and _WITHIN.match(value) is None
        ]
        for name in outside:
            del element.attrib[name]
    for prefix, space in _NAMESPACES.items():
        ElementTree.register_namespace(prefix, space)
    return Drawing(ElementTree.tostring(root, "unicode"), has_text)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_GZIP):
        data = zlib.decompressobj(31).decompress(data, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return data
