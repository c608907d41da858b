"""The size that a JPEG XL claims, read before anything is decoded (ISO/IEC 18181-1, D.3; 18181-2, 9)."""

from collections.abc import Iterator
from typing import Final

_BARE: Final = b"\xff\x0a"
#: Bytes of the codestream that hold its size: the signature and at most 68 bits.
_HEAD: Final = 11
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_LENGTHS: Final = (9, 13, 18, 30)


def claimed_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, before the picture is turned.

    Args:
        data: the file: a bare codestream, or one in boxes.

    Raises:
        EOFError: it ends before its size.

    Example:
        >>> claimed_size(bytes.fromhex("ff0ae83010090800"))
        (40, 30)
    """
    codestream = data[:_HEAD] if data.startswith(_BARE) else _boxed(data)
    if len(codestream) < 5:
        raise EOFError("it ends before its size")
    bits = _Bits(codestream[2:])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _side(bits: "_Bits", small: int) -> int:
    return 8 * (bits.take(5) + 1) if small else 1 + bits.take(_LENGTHS[bits.take(2)])


class _Bits:
    """Takes bits from bytes, the lowest first; zeros behind their end."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value


def _boxed(data: bytes) -> bytes:
    """The first bytes of a codestream that lies in one box or in several."""
    found = b""
    for kind, content in _boxes(data):
        if kind == b"jxlc":
            return content[:_HEAD]
        if kind == b"jxlp":
            found += content[4 : 4 + _HEAD]  # behind the number of the part
            if len(found) >= _HEAD:
                break
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind of each box, and its first bytes."""
    position = 0
    while position + 8 <= len(data):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        start = position + 8
        if length == 1:  # a long one
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = position + length if length else len(data)
        yield kind, data[start : min(end, start + 4 + _HEAD)]
        position = max(end, start)
