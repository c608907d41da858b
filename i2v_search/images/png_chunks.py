"""Chunks of a PNG besides its picture, removed before decoding.

A PNG carries text, times and previews in ancillary chunks, and Pillow refuses the whole file for a damaged
one, or for a text of more than 1 MB: generators of pictures write their workflows there. Nothing of that
decides what is seen. What does is kept: transparency, frames, orientation, and the colour profile.
"""

import struct
import zlib
from typing import Final

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = frozenset({b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP"})
#: Text that may hold the orientation, by how it begins; Pillow reads it as EXIF or XMP.
_ORIENTING: Final = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
#: What Pillow unpacks of a chunk.
_MOST_UNPACKED: Final = 2**20


def without_ancillary(data: bytes) -> bytes:
    """A PNG file without the chunks that do not change what is seen, and those that cannot be unpacked.

    Args:
        data: the file. Where its chunks cannot be followed any further, the rest stays as it is.
    """
    pieces, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if end > len(data):
            break
        if _is_kept(kind, data, position + 8, length):
            pieces.append(data[position:end])
        position = end
        if kind == b"IEND":
            return b"".join(pieces)
    return b"".join([*pieces, data[position:]])


def _is_kept(kind: bytes, data: bytes, start: int, length: int) -> bool:
    if not kind[:1].islower():
        return True
    if kind in {b"zTXt", b"tEXt", b"iTXt"}:
        head = data[start : start + 32]
        return head.startswith(_ORIENTING) and _unpacks(kind, data[start : start + length])
    return kind in _KEPT and (kind != b"iCCP" or _unpacks(kind, data[start : start + length]))


def _unpacks(kind: bytes, content: bytes) -> bool:
    """Whether the packed part of a chunk is no more than Pillow takes."""
    if kind == b"tEXt" or (kind == b"iTXt" and content[content.find(b"\0") + 1 :][:1] != b"\1"):
        return len(content) <= _MOST_UNPACKED
    packed = content[content.find(b"\0") + 2 :]
    if kind == b"iTXt":
        packed = content.split(b"\0", 1)[1][2:].split(b"\0", 2)[-1]
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, _MOST_UNPACKED)
    except zlib.error:
        return False
    return unpacker.eof
