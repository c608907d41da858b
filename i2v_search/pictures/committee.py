"""A committee that judges morphs: what no method has looked at, by pictures, tags and other encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.collection.collection import Collection
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.registry import encoder_names, load_encoder
from i2v_search.errors import QueryError
from i2v_search.images.structure import structure_distances
from i2v_search.morph.describe import tag_matrix
from i2v_search.morph.stops import Morph
from i2v_search.morph.verdict import Verdict
from i2v_search.pictures.colours import colour_histogram
from i2v_search.pictures.thumbnails import OnMissing, stop_pictures, unmentioned

#: Judges that are no encoders.
COLOUR, STRUCTURE, TAGS = "colour", "structure", "tags"
#: Pixels that an encoder needs.
_SIDE: Final = 256


def committee_of(collection: Collection) -> tuple[str, ...]:
    """The judges of a collection by default: colour, structure, tags, and an encoder that is not its own.

    Example:
        >>> from i2v_search import Collection
        >>> committee_of(Collection.open("index/art"))
        ('colour', 'structure', 'tags', 'lite0')
    """
    return COLOUR, STRUCTURE, TAGS, "lite" if collection.info().encoder == "lite0" else "lite0"


def judge_morph(
    collection: Collection,
    morph: Morph,
    judges: Sequence[str] = (),
    *,
    on_missing: OnMissing = unmentioned,
) -> Verdict:
    """Let judges that found no path say how gradual a morph is. Reads every picture.

    Args:
        collection: collection of the morph.
        morph: result of `Collection.morph`.
        judges: ``"colour"`` (histograms in CIELAB), ``"structure"`` (directions of edges, and what is where
            at 32 x 32 pixels), ``"tags"``, or names of encoders; by default the first three and ``"lite0"``,
            or ``"lite"`` where the collection is of that. Each says 0 of the same picture.
        on_missing: called with each image that is no longer readable, and the reason; it counts as grey.

    Raises:
        QueryError: there is no such judge.
        EncoderError: an encoder cannot be loaded.

    Example:
        >>> from i2v_search import Collection
        >>> art = Collection.open("index/art")
        >>> morph = art.morph("birds/owl.webp", "fruit/apple.webp", steps=3)
        >>> verdict = judge_morph(art, morph, ["colour", "structure"])
        >>> sorted(verdict.opinions), len(verdict.opinions["colour"].steps)
        (['colour', 'structure'], 4)
    """
    names = tuple(judges) or committee_of(collection)
    known = [COLOUR, STRUCTURE, TAGS, *encoder_names()]
    for name in names:
        if name not in known:
            raise QueryError(f"there is no judge {name!r}; available: {', '.join(known)}")
    pictures = stop_pictures(collection, morph.stops, _SIDE, None, on_missing)
    return Verdict.of({name: _distances(collection, morph, pictures, name) for name in names})


def _distances(
    collection: Collection, morph: Morph, pictures: Sequence[Image.Image], judge: str
) -> NDArray[np.float64]:
    """(m + 1, m + 1) float64 distances between the pictures of a morph, to a judge."""
    if judge == COLOUR:
        return colour_distances(pictures)
    if judge == STRUCTURE:
        return structure_distances(pictures)
    if judge == TAGS:
        tags = [
            collection[stop.id].tags if stop.id is not None else collection.encode(stop.path).tags
            for stop in morph.stops
        ]
        matrix = tag_matrix(tags)
        return _apart(np.zeros((len(tags), 1)) if matrix is None else matrix.astype(np.float64))
    return encoder_distances(judge, pictures)


def colour_distances(pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
    """(n, n): the share of the pixels of each two pictures that have no counterpart of the same colour."""
    shares = np.stack([colour_histogram(picture) for picture in pictures])
    return np.asarray(1 - np.minimum(shares[:, None], shares).sum(axis=2))


def encoder_distances(name: str, pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
    """(n, n): angles in radians between the vectors of an encoder."""
    vectors = encode_images(load_encoder(name), pictures).vectors.astype(np.float64)
    return np.asarray(np.arccos(1 - _apart(vectors)))


def _apart(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, n): one less the cosine of each two rows; of an empty row and another, 1."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    apart = 1 - np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(apart, 0)
    return np.asarray(apart)
