"""Telling pictures that are the same, or nearly: by their bytes, by their pixels, by a perceptual hash.

Nearly the same means the same forms at the same place: both the difference hash (16 x 16 bits, N. Krawetz
2013, here of rows and of columns) and the grey values of a 32 x 32 thumbnail must agree. The hash alone takes
many clip-art drawings, which are mostly white, for each other. That much serves data sets, where a variant
must not stand on both sides of a split. To call one a copy of the other takes more: `looks` beside this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.images.close_pairs import close_pairs
from i2v_search.images.frames import WholePicture, decode_whole

THUMB = 32
SIDE = 4096
NEAR: Final = ((0.985, 0.15), (0.998, 0.35))
"""Pairs of the least correlation of two thumbnails and, of the bits set in either hash, the share that may
differ. Resizing lowers the first, strong compression the second, for it stirs the bits of even areas."""


@dataclass(frozen=True)
class Fingerprint:
    """Values that pictures are compared by.

    Attributes:
        content: SHA-256 of the file.
        pixels: SHA-256 of all that is seen: size, pixels and alpha of every frame or page.
        bits: (8,) uint64, the two difference hashes.
        thumb: (1024,) float32 grey values without their mean, length 1; zeros for a picture of one grey.
    """

    content: bytes
    pixels: bytes
    bits: NDArray[np.uint64]
    thumb: NDArray[np.float32]


def fingerprint(data: bytes, name: str = "<bytes>") -> Fingerprint:
    """Look at a picture.

    Args:
        data: the file.
        name: what errors call it.

    Raises:
        ImageError: it cannot be decoded.
    """
    return fingerprint_of(decode_whole(data, name), data)


def fingerprint_of(whole: WholePicture, data: bytes) -> Fingerprint:
    """The fingerprint of a file that is decoded already."""
    picture = whole.pixels.copy()
    # A strip of 65,535 pixels would make a square of 13 GB.
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    side = max(picture.size)
    framed = Image.new("RGB", (side, side), "white")
    framed.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    square = framed.convert("L")
    rows = np.asarray(square.resize((17, 16), Image.Resampling.BOX), np.int16)
    columns = np.asarray(square.resize((16, 17), Image.Resampling.BOX), np.int16)
    # A step of one level is noise of the encoding, not drawing.
    bits = np.concatenate([(np.diff(rows, axis=1) > 2).ravel(), (np.diff(columns, axis=0) > 2).ravel()])
    thumb = np.asarray(square.resize((THUMB, THUMB), Image.Resampling.BOX), np.float32).ravel()
    thumb -= thumb.mean()
    length = float(np.linalg.norm(thumb))
    return Fingerprint(
        content=hashlib.sha256(data).digest(),
        pixels=whole.digest,
        bits=np.packbits(bits).view(np.uint64),
        thumb=thumb / length if length else thumb,
    )


def has_same_forms(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two pictures show the same forms at the same place; never for a picture of one grey."""
    if not (one.thumb.any() and other.thumb.any()):
        return False
    return bool(_near(one.thumb @ other.thumb, one.bits, other.bits))


def _near(
    correlation: NDArray[np.float32], bits: NDArray[np.uint64], others: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Whether pairs show the same drawing, by (...) correlations of thumbnails and (..., 8) hashes."""
    differing = np.bitwise_count(bits ^ others).sum(axis=-1)
    drawn = np.bitwise_count(bits | others).sum(axis=-1)
    agreeing = [(correlation >= least) & (differing <= most * drawn) for least, most in NEAR]
    return np.asarray(np.any(agreeing, axis=0))


def duplicates(fingerprints: Sequence[Fingerprint | None]) -> Iterator[tuple[int, int]]:
    """Pairs of rows that show the same picture, enough of them to join all that belong together.

    Memory is 6 kB a picture and some blocks; each is compared only with those that may be near it
    (`i2v_search.images.close_pairs`), so that time grows much slower than with the square.

    Args:
        fingerprints: None for what could not be read; it equals nothing.
    """
    for kind in ("content", "pixels"):
        first: dict[bytes, int] = {}
        for row, one in enumerate(fingerprints):
            if one is not None:
                earlier = first.setdefault(getattr(one, kind), row)
                if earlier != row:
                    yield earlier, row
    rows = np.array(
        [row for row, one in enumerate(fingerprints) if one is not None and one.thumb.any()], np.intp
    )
    if not rows.size:
        return
    held = [one for one in fingerprints if one is not None and one.thumb.any()]
    thumbs = np.stack([one.thumb for one in held])
    bits = np.stack([one.bits for one in held])
    for left, right, correlation in close_pairs(thumbs, NEAR[0][0]):
        near = _near(correlation, bits[left], bits[right])
        yield from zip(rows[left[near]].tolist(), rows[right[near]].tolist(), strict=True)
