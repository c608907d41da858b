"""Fingerprint of a picture, and the kind of duplicate that two of them are.

========  ========================================================================================
kind      the same are
========  ========================================================================================
exact     the bytes
pixels    size, pixels and alpha of every frame or page
near      all that is seen, up to what encoding, resizing, cutting sides and touching up leave
variants  the forms at large, while some thing differs: another mouth, word or colour
========  ========================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from i2v_search.choices import DuplicateKind
from i2v_search.images.fingerprints import Fingerprint, fingerprint_of, has_same_forms
from i2v_search.images.frames import decode_whole
from i2v_search.search.duplicates.registering import LEAST_SIDE, Levels, compared_side, detail, difference

MOST_LARGEST: Final = 2.0
MOST_LOCAL: Final = 1.25
"""The most that `registering.Difference` may say of near copies: docs/decisions/0010-duplicates.md."""
FULL_SIDE: Final = 120
"""Compared at a shorter side, less is left of a small difference, and less may differ."""
LEAST_ALIKE: Final = 0.5
"""Correlation of two thumbnails below which nobody lays the pictures over each other."""


@dataclass(frozen=True)
class Look:
    """Values that pictures are compared by.

    Attributes:
        fingerprint: its bytes, pixels and forms.
        frames: how many frames or pages its file has.
        side: pixels a side at which it can be compared.
        detail: (128, 128, 4) uint8, the first frame small, stretched to a square.
    """

    fingerprint: Fingerprint
    frames: int
    side: int
    detail: Levels


def look(data: bytes, name: str = "<bytes>") -> Look:
    """Look at a picture.

    Args:
        data: the file.
        name: what errors call it.

    Raises:
        ImageError: it cannot be decoded.
    """
    whole = decode_whole(data, name)
    return Look(
        fingerprint_of(whole, data),
        whole.frames,
        compared_side(*whole.pixels.size),
        detail(whole.pixels, whole.alpha),
    )


def relation(best: Look, other: Look, loosest: DuplicateKind = "variants") -> DuplicateKind | None:
    """In what way a picture is the same as another, None if it is not, or only in a looser way.

    Pictures of one grey are told by their pixels alone: there is nothing in them to compare. So are those of
    several frames or pages.

    Args:
        best: the one to keep; it may show more at its sides.
        other: the one that would go.
        loosest: the kinds after it are not tried.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> looks = []
        >>> for kind in ("PNG", "BMP"):
        ...     file = io.BytesIO()
        ...     Image.linear_gradient("L").save(file, kind)
        ...     looks.append(look(file.getvalue()))
        >>> relation(*looks)
        'pixels'
    """
    one, two = best.fingerprint, other.fingerprint
    if one.content == two.content:
        return "exact"
    if one.pixels == two.pixels:
        return "pixels" if loosest != "exact" else None
    if loosest not in {"near", "variants"}:
        return None
    if _is_near(best, other):
        return "near"
    return "variants" if loosest == "variants" and has_same_forms(one, two) else None


def _is_near(best: Look, other: Look) -> bool:
    one, two = best.fingerprint.thumb, other.fingerprint.thumb
    side = min(best.side, other.side)
    if not best.frames == other.frames == 1 or side < LEAST_SIDE or one @ two < LEAST_ALIKE:
        return False
    apart = difference(best.detail, other.detail, side)
    most = MOST_LOCAL * min(1.0, side / FULL_SIDE) ** 4
    return apart is not None and apart.largest <= MOST_LARGEST and apart.local <= most
