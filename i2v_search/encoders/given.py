"""Vectors that a program of somebody else computed: what stands in for the encoder of their collection."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NoReturn

from PIL import Image

from i2v_search.choices import SimilarityName
from i2v_search.encoders.base import Encoder, EncoderInfo, Encoding, TaggedEncoder
from i2v_search.errors import NoEncoderError
from i2v_search.tags.vocabulary import Vocabulary

#: What the manifest of such a collection says in place of a preprocessing.
GIVEN = "none: vectors were given"
#: The name of vectors of which nobody says what made them.
NAME = "vectors"


class GivenVectors:
    """Satisfies `Encoder`, and encodes nothing: only vectors were given, and no model.

    Args:
        info: of the vectors, from `given_info`.

    Example:
        >>> GivenVectors(given_info(512)).info.id
        'vectors'
    """

    similarity: SimilarityName = "cosine"
    shrink_to: int | None = None
    batch_size = 1
    vocabulary: Vocabulary | None = None

    def __init__(self, info: EncoderInfo) -> None:
        self.info = info

    def prepare(self, image: Image.Image) -> NoReturn:
        """Refuse: see `encode`."""
        self._refuse()

    def encode(self, inputs: Sequence[Any]) -> Encoding:
        """Refuse.

        Raises:
            NoEncoderError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NoEncoderError(
            f"this collection was made from vectors ({self.info.id!r}, {self.info.dimension} dimensions), "
            "and no encoder is known for it: search with an id, a stored path or a vector, and add rows with "
            "add_vectors or i2v-search import"
        )


def given_info(dimension: int, name: str = NAME) -> EncoderInfo:
    """Identity of vectors that were given: those of another name are not comparable.

    >>> given_info(512, "clip").id, given_info(512, "clip") == given_info(512, "dino")
    ('clip', False)
    """
    return EncoderInfo(name, hashlib.sha256(name.encode()).hexdigest(), GIVEN, dimension)


def is_given(encoder: Encoder) -> bool:
    """Whether an encoder only stands in for one."""
    inner = encoder.encoder if isinstance(encoder, TaggedEncoder) else encoder
    return isinstance(inner, GivenVectors)
