"""Edited copies: is the original the first thing found when a changed copy of it is the query?

======== ==================================================================================================
edit     what it does to a picture of at most `SIDE` pixels a side
======== ==================================================================================================
crop     keeps the middle 80 % of each side (64 % of the area)
flip     mirrors left and right
colour   turns the hue by 20 degrees, saturation times 0.8, brightness times 0.9
jpeg     saves and reads again as JPEG of quality 40 (4:2:0)
rotation turns by 7.5 degrees counter-clockwise, bicubic, size kept, corners white
all      rotation, then crop, flip, colour and jpeg: an extra, not part of the mean
======== ==================================================================================================
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import SimilarityName
from i2v_search.training.evaluation.intervals import Estimate, estimate_mean
from i2v_search.training.evaluation.retrieval import BLOCK_BYTES, fit_similarity

#: Copies are made of a picture reduced to at most this many pixels a side, as copies on the web are.
SIDE: Final = 640
CROP: Final = 0.8
HUE: Final = 20.0
SATURATION: Final = 0.8
BRIGHTNESS: Final = 0.9
JPEG_QUALITY: Final = 40
ROTATION: Final = 7.5
#: An original counts as first when nothing scores better than it by more than float32 rounding.
TOLERANCE: Final = 1e-6


def crop(image: Image.Image) -> Image.Image:
    """The middle of an RGB image, 80 % of each side."""
    width, height = (max(1, round(CROP * side)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def flip(image: Image.Image) -> Image.Image:
    """An RGB image mirrored left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def shift_colour(image: Image.Image) -> Image.Image:
    """An RGB image with its hue turned, its colours paler and everything a little darker."""
    hue, saturation, value = image.convert("HSV").split()
    turn = round(HUE / 360 * 256)
    changed = (
        hue.point([(level + turn) % 256 for level in range(256)]),
        saturation.point([round(level * SATURATION) for level in range(256)]),
        value.point([round(level * BRIGHTNESS) for level in range(256)]),
    )
    return Image.merge("HSV", changed).convert("RGB")


def save_jpeg(image: Image.Image) -> Image.Image:
    """An RGB image as it comes back from a small JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    buffer.seek(0)
    with Image.open(buffer, formats=["JPEG"]) as saved:
        return saved.convert("RGB")


def rotate(image: Image.Image) -> Image.Image:
    """An RGB image turned a little, its corners white."""
    return image.rotate(ROTATION, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))


def edit_all(image: Image.Image) -> Image.Image:
    """An RGB image after every edit, one on the other."""
    for edit in (rotate, crop, flip, shift_colour, save_jpeg):
        image = edit(image)
    return image


EDITS: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "crop": crop,
    "flip": flip,
    "colour": shift_colour,
    "jpeg": save_jpeg,
    "rotation": rotate,
    "all": edit_all,
}
#: The edits one at a time: what the mean is taken over.
SINGLE_EDITS: Final = tuple(name for name in EDITS if name != "all")


def edited_copies(image: Image.Image) -> dict[str, Image.Image]:
    """Every edited copy of an RGB image, by the name of the edit; the image itself stays as it is.

    Example:
        >>> copies = edited_copies(Image.new("RGB", (1280, 100), "teal"))
        >>> copies["crop"].size, copies["flip"].size
        ((512, 40), (640, 50))
    """
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return {name: edit(small) for name, edit in EDITS.items()}


@dataclass(frozen=True)
class CopyRecall:
    """Share of edited copies with the original as first hit.

    Attributes:
        edits: recall@1 by edit.
        mean: over the single edits, an interval over queries.
        pictures: that were searched.
        found: 1 where the original came first, (q,) float64 by edit.
    """

    edits: Mapping[str, Estimate]
    mean: Estimate
    pictures: int
    found: Mapping[str, NDArray[np.float64]]

    @property
    def per_query(self) -> NDArray[np.float64]:
        """(q,) float64: the share of the single edits under which each original was found."""
        return np.asarray(np.mean([self.found[name] for name in _single(self.found)], axis=0))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the values of single queries."""
        return {
            "recall_at_1": {name: estimate.to_dict() for name, estimate in self.edits.items()},
            "mean": self.mean.to_dict(),
            "pictures": self.pictures,
        }


def copy_recall(
    vectors: NDArray[np.float32],
    copies: Mapping[str, NDArray[np.float32]],
    originals: NDArray[np.int64] | None = None,
    *,
    similarity: SimilarityName = "centred",
    seed: int = 0,
) -> CopyRecall:
    """Look for the originals of edited copies among all pictures.

    Where other pictures score exactly as the original does, such as exact duplicates of it, it counts as
    found.

    Args:
        vectors: (n, d) float32 of the pictures to search; the similarity is centred by their mean.
        copies: (q, d) float32 vectors of the copies, by edit; those called ``"all"`` are left out of the
            mean.
        originals: (q,) int64, the row of `vectors` each copy was made from; None: n copies in order.
        similarity: how vectors are compared.
        seed: seed of the intervals' resamples.

    Raises:
        ValueError: there are no copies, or their number is not that of the originals.

    Example:
        >>> vectors = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
        >>> copy_recall(vectors, {"flip": vectors * 2}, similarity="cosine").mean.value
        1.0
    """
    originals = np.arange(len(vectors)) if originals is None else originals
    if not copies or any(len(rows) != len(originals) for rows in copies.values()):
        sizes = {name: len(rows) for name, rows in copies.items()}
        raise ValueError(f"{len(originals)} originals need as many copies of each edit, not {sizes}")
    fitted = fit_similarity(similarity, vectors)
    rows = fitted.embed(vectors)
    size = max(1, BLOCK_BYTES // (4 * len(rows)))
    found = {}
    for name, changed in copies.items():
        queries, first = fitted.embed(changed), np.empty(len(originals))
        for start in range(0, len(originals), size):
            block = slice(start, start + size)
            scores = fitted.scores(queries[block], rows)
            own = scores[np.arange(len(scores)), originals[block]]
            first[block] = own >= scores.max(axis=1) - TOLERANCE
        found[name] = first
    per_query = np.mean([found[name] for name in _single(found)], axis=0)
    edits = {name: estimate_mean(values, seed=seed) for name, values in found.items()}
    return CopyRecall(edits, estimate_mean(per_query, seed=seed), len(rows), found)


def _single(found: Mapping[str, Any]) -> list[str]:
    return [name for name in found if name != "all"] or list(found)
