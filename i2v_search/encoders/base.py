"""Protocols of encoders and taggers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import SimilarityName
from i2v_search.errors import EncoderError
from i2v_search.escapes import JsonReady
from i2v_search.tags.vocabulary import TAG_FLOOR, Tag, Vocabulary


@dataclass(frozen=True)
class EncoderInfo(JsonReady):
    """Identity of an encoder: vectors are comparable only if it is equal, so a collection refuses any other.

    Attributes:
        id: name in the registry.
        weights_sha256: SHA-256 of the weight file, lower-case hex.
        preprocessing: id of the exact preprocessing of images.
        dimension: length of a vector.

    Example:
        >>> from i2v_search import load_encoder
        >>> info = load_encoder("lite").info
        >>> info.id, info.dimension
        ('lite', 4096)
    """

    id: str
    weights_sha256: str
    preprocessing: str
    dimension: int


@dataclass(frozen=True)
class Encoding:
    """Output of an encoder for a batch.

    Attributes:
        vectors: (n, dimension) float32, of any length: the feature store normalises.
        tags: (n, len(vocabulary)) float32 probabilities, or None without a tag head.

    Example:
        >>> encoding = Encoding(np.ones((2, 4096), np.float32))
        >>> encoding.vectors.shape, encoding.tags
        ((2, 4096), None)
    """

    vectors: NDArray[np.float32]
    tags: NDArray[np.float32] | None = None


@runtime_checkable
class Encoder(Protocol):
    """Turns images into vectors, and into tags if it has a tag head.

    The work is split so that extraction can overlap it: `prepare` runs in decode threads, `encode` on whole
    batches. A vector must not depend on the other images of its batch.

    Example:
        >>> import numpy as np
        >>> class Thumbnails:
        ...     info = EncoderInfo("thumbnails", "0" * 64, "rgb-8", 192)
        ...     shrink_to, batch_size, vocabulary = 8, 64, None
        ...
        ...     def prepare(self, image):
        ...         return np.asarray(image.resize((8, 8)), np.float32).ravel()
        ...
        ...     def encode(self, inputs):
        ...         return Encoding(np.stack(inputs))
        >>> isinstance(Thumbnails(), Encoder)
        True
    """

    @property
    def info(self) -> EncoderInfo:
        """The encoder's identity."""
        ...

    @property
    def shrink_to(self) -> int | None:
        """The decoder can shrink an image to this shorter side; None disables shrinking."""
        ...

    @property
    def batch_size(self) -> int:
        """The fastest batch size."""
        ...

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The tags of the head, in the order of `Encoding.tags`; None without one."""
        ...

    def prepare(self, image: Image.Image) -> Any:
        """Turn an RGB image into one input of `encode`; thread-safe."""
        ...

    def encode(self, inputs: Sequence[Any]) -> Encoding:
        """Encode prepared images: one row for each, in order."""
        ...


@runtime_checkable
class Tagger(Protocol):
    """Predicts the tags of an image; split like an `Encoder`.

    Example:
        >>> from i2v_search import load_tagger
        >>> tagger = load_tagger("lite")
        >>> isinstance(tagger, Tagger), "dog" in tagger.vocabulary.names
        (True, True)
    """

    @property
    def info(self) -> EncoderInfo:
        """The tagger's identity."""
        ...

    @property
    def shrink_to(self) -> int | None:
        """See `Encoder.shrink_to`."""
        ...

    @property
    def batch_size(self) -> int:
        """The fastest batch size."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """The tags, in the order of `tag`."""
        ...

    def prepare(self, image: Image.Image) -> Any:
        """Turn an RGB image into one input of `tag`; thread-safe."""
        ...

    def tag(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Probabilities of every tag, (n, len(vocabulary)) float32."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Turns text into vectors in the space of an encoder's image vectors, so that a phrase finds images.

    An encoder that has the method answers text queries; see `text_encoder_of` and `encode_texts`. It may also
    have an attribute ``text_mean``; see `text_mean_of`.

    Example:
        >>> import numpy as np
        >>> class Colours:
        ...     def encode_text(self, texts):
        ...         known = {"red": (1, 0, 0), "green": (0, 1, 0)}
        ...         return np.array([known.get(text, (0, 0, 1)) for text in texts], np.float32)
        >>> isinstance(Colours(), TextEncoder), Colours().encode_text(["green", "red"]).shape
        (True, (2, 3))
    """

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode n texts: (n, dimension) float32, a row of any length for each, in order."""
        ...


class TaggedEncoder:
    """An encoder whose tags come from a tagger; satisfies `Encoder`.

    Args:
        encoder: gives the vectors.
        tagger: gives the tags.
    """

    def __init__(self, encoder: Encoder, tagger: Tagger) -> None:
        self.info = encoder.info
        self.tagger = tagger
        self.batch_size = encoder.batch_size
        self.vocabulary: Vocabulary | None = tagger.vocabulary
        limits = (encoder.shrink_to, tagger.shrink_to)
        self.shrink_to: int | None = None if None in limits else max(size for size in limits if size)
        self.encoder = encoder
        self._same_input = encoder.info.preprocessing == tagger.info.preprocessing

    def prepare(self, image: Image.Image) -> tuple[Any, Any]:
        """The input of the encoder and that of the tagger; the same object where they agree."""
        prepared = self.encoder.prepare(image)
        return prepared, prepared if self._same_input else self.tagger.prepare(image)

    def encode(self, inputs: Sequence[tuple[Any, Any]]) -> Encoding:
        """See `Encoder.encode`."""
        vectors = self.encoder.encode([first for first, _ in inputs]).vectors
        return Encoding(vectors, self.tagger.tag([second for _, second in inputs]))


def encode_batch(encoder: Encoder, inputs: Sequence[Any]) -> Encoding:
    """Encode prepared images and check what an encoder, which anybody may write, gives for them.

    Args:
        encoder: any encoder.
        inputs: from its `prepare`; at least one.

    Raises:
        EncoderError: it does not give a row of the right length for each image, or a value is not finite.
    """
    encoding = encoder.encode(inputs)
    name = f"encoder {encoder.info.id!r}"
    _check_rows(name, "vectors", encoding.vectors, (len(inputs), encoder.info.dimension))
    if encoder.vocabulary is not None and encoding.tags is not None:
        _check_rows(name, "tags", encoding.tags, (len(inputs), len(encoder.vocabulary.names)))
    return encoding


def tags_of(encoder: Encoder, encoding: Encoding) -> list[tuple[Tag, ...]]:
    """The tags of each encoded image that are worth keeping: all ratings, and whatever reaches
    `Vocabulary.least`, or `TAG_FLOOR` where the vocabulary states none.

    Probabilities are rounded to float16, as a feature store keeps them.
    """
    vocabulary, probabilities = encoder.vocabulary, encoding.tags
    if vocabulary is None or probabilities is None:
        return [()] * len(encoding.vectors)
    ratings = np.array([category == "rating" for category in vocabulary.categories])
    least = TAG_FLOOR if vocabulary.least is None else np.maximum(vocabulary.least, TAG_FLOOR)
    names, categories, rounded = vocabulary.names, vocabulary.categories, probabilities.astype(np.float16)
    return [
        tuple(Tag(names[n], float(rounded[row, n]), categories[n]) for n in np.flatnonzero(kept))
        for row, kept in enumerate((probabilities >= least) | ratings)
    ]


def tag_batch(tagger: Tagger, inputs: Sequence[Any]) -> NDArray[np.float32]:
    """Tag prepared images and check what comes back, as `encode_batch` does.

    Raises:
        EncoderError: it does not give a probability of each tag for each image, or one is not finite.
    """
    tags = tagger.tag(inputs)
    _check_rows(f"tagger {tagger.info.id!r}", "tags", tags, (len(inputs), len(tagger.vocabulary.names)))
    return tags


def text_encoder_of(encoder: Encoder) -> TextEncoder | None:
    """What encodes text for the space of an encoder, also beneath a `TaggedEncoder`; None if nothing does."""
    inner = encoder.encoder if isinstance(encoder, TaggedEncoder) else encoder
    return inner if isinstance(inner, TextEncoder) else None


def text_mean_of(encoder: Encoder) -> NDArray[np.float32] | None:
    """Mean of the unit vectors of neutral texts, (dimension,) float32; None if the encoder states none.

    Two towers trained together place all texts apart from all images. Where similarity is the cosine after
    subtracting the mean of the images, a text's vector is compared after subtracting this mean instead.
    An encoder without an attribute ``text_mean`` places texts among the images.
    """
    mean = getattr(text_encoder_of(encoder), "text_mean", None)
    return None if mean is None else np.asarray(mean, np.float32)


def usual_similarity(encoder: Encoder) -> SimilarityName:
    """How the vectors of a new collection are compared if nobody says: the encoder's ``similarity``.

    ``"centred"`` where it has no such attribute.
    """
    inner = encoder.encoder if isinstance(encoder, TaggedEncoder) else encoder
    chosen: SimilarityName = getattr(inner, "similarity", "centred")
    return chosen


def sketch_directions(encoder: Encoder, vectors: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Directions from the mean of a collection in which what drawings of lines show lies.

    Drawings of lines are like one another before all else. An encoder may have a method
    ``sketch_directions(vectors)`` that takes out of the vectors of drawings what they share.

    Args:
        encoder: any encoder.
        vectors: (n, dimension), of drawings of dark lines on white.

    Returns:
        (n, dimension) float32, of any length; None if the encoder does not know.

    Raises:
        EncoderError: it gives rows of another length, or a value is not finite.
    """
    inner = encoder.encoder if isinstance(encoder, TaggedEncoder) else encoder
    find = getattr(inner, "sketch_directions", None)
    found = None if find is None else find(vectors)
    if found is None:
        return None
    _check_rows(f"encoder {encoder.info.id!r}", "directions of drawings", found, vectors.shape)
    return np.asarray(found, np.float32)


def encode_texts(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode texts and check what comes back, as `encode_batch` does.

    Args:
        encoder: any encoder.
        texts: at least one.

    Returns:
        (n, dimension) float32, of any length.

    Raises:
        EncoderError: the encoder encodes no text, does not give a row of the right length for each text, or a
            value is not finite.
    """
    words = text_encoder_of(encoder)
    if words is None:
        raise EncoderError(f"encoder {encoder.info.id!r} encodes no text; search with an image")
    vectors = words.encode_text(texts)
    _check_rows(f"encoder {encoder.info.id!r}", "text vectors", vectors, (len(texts), encoder.info.dimension))
    return vectors


def _check_rows(name: str, what: str, values: NDArray[Any], shape: tuple[int, int]) -> None:
    if values.shape != shape:
        raise EncoderError(f"{name} gave {what} of shape {values.shape}; expected {shape}")
    if not np.isfinite(values).all():
        raise EncoderError(f"{name} gave {what} that are not finite numbers; its weights may be damaged")


def encode_images(encoder: Encoder, images: Iterable[Image.Image]) -> Encoding:
    """Prepare and encode a handful of RGB images in one batch.

    Args:
        encoder: any encoder.
        images: RGB images; at least one.

    Returns:
        Their encoding, one row per image in order.

    Raises:
        EncoderError: see `encode_batch`.
    """
    return encode_batch(encoder, [encoder.prepare(image) for image in images])
