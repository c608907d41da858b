"""The encoder of a collection, loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.build.features import load_makers
from i2v_search.build.options import BuildOptions
from i2v_search.choices import Device
from i2v_search.encoders.base import (
    Encoder,
    encode_texts,
    sketch_directions,
    text_encoder_of,
    text_mean_of,
)
from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.encoders.lite_text import LiteText
from i2v_search.errors import QueryError
from i2v_search.index.similarity import unit
from i2v_search.search.looks import RecentLooks
from i2v_search.search.resolved import QueryVectors
from i2v_search.store.manifest import EncoderRecord, Manifest

_Makers: TypeAlias = tuple[EncoderRecord, EncoderRecord | None]


class LoadedEncoder:
    """Loads an encoder with its tagger once, and again where the collection has another one now.

    Several open collections, each of a thread, may share it.

    Args:
        device: where the model runs.

    Attributes:
        looks: drawings and parts of pictures that were encoded last.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.looks = RecentLooks()
        self._loaded: tuple[_Makers, Encoder] | None = None
        self._lock = threading.Lock()

    def of(self, manifest: Manifest) -> Encoder:
        """The encoder that made the vectors and tags of a collection.

        Raises:
            EncoderMismatchError: the installed one is not the one that made them.
        """
        makers = (manifest.encoder, manifest.tagger)
        with self._lock:
            if self._loaded is None or self._loaded[0] != makers:
                self._loaded = makers, load_makers(BuildOptions(device=self.device), manifest)
            return self._loaded[1]

    def text_vectors(self, texts: Sequence[str], manifest: Manifest) -> QueryVectors:
        """Texts in the space of a collection's vectors; of zeros where its encoder knows no words at all.

        Raises:
            EncoderMismatchError: the installed encoder is not the one that made the collection.
        """
        made_by = manifest.encoder
        if made_by.id == "lite" and (words := LiteText.load()).encoder_sha256 == made_by.weights_sha256:
            # Its words need no network for images.
            return QueryVectors(words.encode_text(texts), directions=True)
        encoder = self.of(manifest)
        if text_encoder_of(encoder) is None:
            return QueryVectors(np.zeros((len(texts), encoder.info.dimension), np.float32), directions=True)
        vectors, mean = encode_texts(encoder, texts), text_mean_of(encoder)
        if mean is None:
            return QueryVectors(vectors, directions=False)
        # Two towers trained together are compared by the plain cosine, if no mean is subtracted at all.
        centre = 0 if manifest.similarity == "cosine" else mean
        return QueryVectors(unit(vectors) - centre, directions=True)

    def sketch_vectors(self, vectors: NDArray[np.floating], manifest: Manifest) -> QueryVectors:
        """Drawings of lines, as the encoder sees them, in the space of a collection's vectors.

        As they are, where the encoder does not say what drawings have in common, or distances are compared.
        """
        directions = sketch_directions(self.of(manifest), vectors)
        if directions is None or manifest.similarity == "l2":
            return QueryVectors(vectors.astype(np.float32), directions=False)
        return QueryVectors(directions, directions=True)

    def dials(self, manifest: Manifest) -> LiteDials:
        """What the encoder of a collection knows of subject and style; the encoder itself is not loaded.

        Raises:
            QueryError: it knows nothing of them.
            EncoderError: they cannot be read.
        """
        made_by = manifest.encoder
        if made_by.id != "lite":
            raise QueryError(
                f"encoder {made_by.id!r} does not tell subject from style; leave both at 1, or build the "
                "collection with encoder 'lite'"
            )
        if (found := LiteDials.load()).encoder_sha256 != made_by.weights_sha256:
            raise QueryError(
                "the collection is of another version of encoder 'lite', whose subject and style are not "
                "known; leave both at 1, or build it again"
            )
        return found

    def keep(self, encoder: Encoder, manifest: Manifest) -> None:
        """Take an encoder that is loaded already, with its tagger, for that of a collection."""
        self._loaded = (manifest.encoder, manifest.tagger), encoder
