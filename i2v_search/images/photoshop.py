"""Photoshop documents: the flattened picture behind the layers (Adobe, Photoshop File Formats, 2019).

The layers are passed over. Pillow's own reader knows 8-bit pictures only, and shows the white of a document
that was saved without its flattened picture.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

from i2v_search.errors import ImageError
from i2v_search.images.limits import check_size
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason

_BITMAP, _GREY, _INDEXED, _RGB, _CMYK, _MULTICHANNEL, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 7, 8, 9
#: Channels of colour in each mode; what follows is alpha, or masks that are not seen.
_COLOURS: Final = {
    _BITMAP: 1,
    _GREY: 1,
    _INDEXED: 1,
    _RGB: 3,
    _CMYK: 4,
    _MULTICHANNEL: 1,
    _DUOTONE: 1,
    _LAB: 3,
}
_PROFILE, _VERSION = 1039, 1057  # resources: ICC profile; whether the flattened picture is real
_MOST_CHANNELS: Final = 56


@dataclass(frozen=True)
class _Head:
    large: bool  # a PSB, whose lengths are longer
    channels: int
    height: int
    width: int
    depth: int
    mode: int


def open_photoshop(data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image:
    """Read the flattened picture of a document, PSD or PSB.

    Returns:
        A picture of mode "1", "L", "LA", "P", "RGB", "RGBA" or "CMYK", with the document's colour profile.

    Raises:
        ImageError: it is too large or damaged, or was saved without a flattened picture.
    """
    try:
        head = _head(data)
        check_size((head.width, head.height), label, max_pixels)
        return _read(data, head, label)
    except DECODE_ERRORS as error:
        raise ImageError(label, damage_reason("PSD", error)) from error


def _head(data: bytes) -> _Head:
    version, channels, height, width, depth, mode = struct.unpack_from(">H6xHIIHH", data, 4)
    if version not in {1, 2} or mode not in _COLOURS or depth not in {1, 8, 16, 32}:
        raise ValueError(f"version {version}, mode {mode} and {depth} bits are unknown")
    if not _COLOURS[mode] <= channels <= _MOST_CHANNELS or (depth == 1) != (mode == _BITMAP):
        raise ValueError(f"{channels} channels of {depth} bits do not fit mode {mode}")
    return _Head(version == 2, channels, height, width, depth, mode)


def _read(data: bytes, head: _Head, label: str) -> PIL.Image.Image:
    palette, position = _section(data, 26, 4)
    resources, position = _section(data, position, 4)
    layers, position = _section(data, position, 8 if head.large else 4)
    known = _resources(resources)
    if known.get(_VERSION, b"\0\0\0\0\1")[4:5] == b"\0":
        raise ImageError(label, "saved without a flattened picture; save it with 'Maximize Compatibility'")
    colours = _COLOURS[head.mode]
    has_alpha = head.channels > colours and _is_transparent(layers, large=head.large)
    planes = _planes(data, position, head, colours + has_alpha)
    image = _picture(head, planes[:colours], palette)
    if has_alpha and image.mode in {"L", "RGB"}:
        image = _without_white(image, planes[-1])
    if _PROFILE in known:
        image.info["icc_profile"] = known[_PROFILE]
    return image


def _section(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    """A part of the file that begins with its length, and where the next one begins."""
    length = int.from_bytes(data[position : position + size], "big")
    start = position + size
    if start + length > len(data):
        raise EOFError("truncated before its picture")
    return data[start : start + length], start + length


def _resources(data: bytes) -> dict[int, bytes]:
    """Resources by number: a signature, the number, a name and the content, both filled up to even length."""
    found: dict[int, bytes] = {}
    position = 0
    while position + 12 <= len(data):
        number = int.from_bytes(data[position + 4 : position + 6], "big")
        position += 6 + (data[position + 6] // 2 + 1) * 2
        length = int.from_bytes(data[position : position + 4], "big")
        if number in {_PROFILE, _VERSION}:
            found[number] = data[position + 4 : position + 4 + length]
        position += 4 + length + length % 2
    return found


def _is_transparent(layers: bytes, *, large: bool) -> bool:
    """Whether the first channel behind the colours is the alpha of the picture: a negative count says so."""
    at = 8 if large else 4
    return len(layers) >= at + 2 and int.from_bytes(layers[at : at + 2], "big", signed=True) < 0


def _planes(data: bytes, position: int, head: _Head, wanted: int) -> list[NDArray[np.uint8]]:
    """The first channels, (height, width) uint8 each; of a bitmap, bits packed into bytes."""
    packing = int.from_bytes(data[position : position + 2], "big")
    position += 2
    stride = -(-head.width * head.depth // 8)
    if packing == 0:
        ends = [position + stride * head.height * (n + 1) for n in range(wanted)]
    elif packing == 1:  # the packed length of every row of every channel comes first
        size, rows = (4 if head.large else 2), head.channels * head.height
        lengths = np.frombuffer(data, f">u{size}", rows, position).astype(np.int64)
        position += size * rows
        ends = (position + np.cumsum(lengths.reshape(head.channels, -1).sum(1)))[:wanted].tolist()
    else:
        raise ValueError(f"a flattened picture of compression {packing}")
    planes = []
    for end in ends:
        if end > len(data):
            raise EOFError("truncated in its picture")
        piece, position = data[position:end], end
        if packing == 1:
            unpacked = PIL.Image.frombytes("L", (stride, head.height), piece, "packbits", "L")
            samples = np.asarray(unpacked).tobytes()
        else:
            samples = piece
        planes.append(_eight_bits(samples, head, stride))
    return planes


def _eight_bits(samples: bytes, head: _Head, stride: int) -> NDArray[np.uint8]:
    if head.depth <= 8:
        return np.frombuffer(samples, np.uint8).reshape(head.height, stride)
    if head.depth == 16:
        return np.frombuffer(samples, np.uint8).reshape(head.height, head.width, 2)[..., 0].copy()
    linear = np.clip(np.nan_to_num(np.frombuffer(samples, ">f4").astype(np.float32)), 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # sRGB
    return np.round(255 * curved).astype(np.uint8).reshape(head.height, head.width)


def _picture(head: _Head, planes: list[NDArray[np.uint8]], palette: bytes) -> PIL.Image.Image:
    mode = head.mode
    if mode == _BITMAP:  # a set bit is black
        bits = np.unpackbits(planes[0], axis=1, count=head.width)
        return PIL.Image.fromarray(255 - 255 * bits)
    if mode == _INDEXED:
        image = PIL.Image.fromarray(planes[0]).convert("P")
        image.putpalette(np.frombuffer(palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T.tobytes())
        return image
    if mode == _CMYK:  # stored as light, not as ink
        return PIL.Image.merge("CMYK", [PIL.Image.fromarray(255 - plane) for plane in planes])
    if mode == _LAB:
        return _lab_to_rgb(PIL.Image.merge("LAB", [PIL.Image.fromarray(plane) for plane in planes]))
    if mode == _RGB:
        return PIL.Image.fromarray(np.dstack(planes))
    return PIL.Image.fromarray(planes[0])


def _lab_to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    to_rgb = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    return to_rgb.apply(image)


def _without_white(image: PIL.Image.Image, alpha: NDArray[np.uint8]) -> PIL.Image.Image:
    """Give a picture its alpha, and take away the white that its colours were laid over."""
    colours = np.asarray(image, np.float32)
    share = alpha.astype(np.float32)[..., None] / 255 if colours.ndim == 3 else alpha.astype(np.float32) / 255
    bare = np.where(share > 0, 255 - (255 - colours) / np.maximum(share, 1 / 255), colours)
    levels = np.clip(np.round(bare), 0, 255).astype(np.uint8)
    mode = "RGBA" if image.mode == "RGB" else "LA"
    return PIL.Image.fromarray(np.dstack([levels, alpha]), mode)
