"""What to look for: examples by image, file, id or vector, and filters by tag and path."""

from __future__ import annotations

import fnmatch
import hashlib
import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.catalogue import Catalogue
from i2v_search.encoders.base import Encoder, encode_images
from i2v_search.errors import QueryError
from i2v_search.images import decode_image, read_regular_file
from i2v_search.similarity import Similarity
from i2v_search.store import FeatureStore
from i2v_search.tags import TAG_THRESHOLD, normalise_tag

#: An id in the collection, a path in it or of a file, an image, its bytes, or a (d,) vector of the encoder.
QueryImage: TypeAlias = int | str | os.PathLike[str] | bytes | Image.Image | NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """One image of a query.

    Attributes:
        image: see `QueryImage`.
        weight: how much the results should be like it; negative to be unlike it.
    """

    image: QueryImage
    weight: float = 1.0


#: Weight of an image that results should be unlike: Rocchio feedback weighs negatives less.
UNLIKE_WEIGHT = -0.5

Query: TypeAlias = QueryImage | Example | Sequence[QueryImage | Example]


@dataclass(frozen=True)
class Filter:
    """Conditions that every hit meets.

    Attributes:
        tags: names an image must have (probability at least `TAG_THRESHOLD`); a leading ``-`` means it must
            not.
        paths: glob patterns (``birds/*``), one of which its stored path must match; ``*`` also matches ``/``.
        rating: its most probable rating, ``"safe"`` for instance.
        max_explicit: the most that its rating ``explicit`` may have. With either of the two, an image without
            ratings does not qualify.
    """

    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    rating: str | None = None
    max_explicit: float | None = None

    @classmethod
    def parse(
        cls,
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
    ) -> Filter:
        """Read filters as people write them: tags separated by commas, one or several patterns.

        >>> Filter.parse("Long_Hair, -glasses", "birds/*")
        Filter(tags=('long hair', '-glasses'), paths=('birds/*',), rating=None, max_explicit=None)
        """
        names = tags.split(",") if isinstance(tags, str) else tags
        spelled = (
            "-" * name.strip().startswith("-") + normalise_tag(name.strip().removeprefix("-"))
            for name in names
        )
        patterns = tuple(filter(None, (paths,) if isinstance(paths, str) else paths))
        return cls(tuple(name for name in spelled if name.strip("-")), patterns, rating, max_explicit)

    def allowed(self, store: FeatureStore) -> NDArray[np.bool_] | None:
        """(n,) bool over the live rows, True where a row meets every condition; None if there are none.

        Raises:
            QueryError: no image of the collection has one of the tags.
        """
        if self == Filter():
            return None
        allowed = np.ones(store.rows, bool)
        for name in self.tags:
            rows = store.rows_with_tag(name.removeprefix("-"), TAG_THRESHOLD)
            marked = np.zeros(store.rows, bool)
            marked[rows] = True
            if not name.startswith("-") and not marked[store.live].any():
                raise QueryError(_unknown_tag(name, store))
            allowed &= ~marked if name.startswith("-") else marked
        if self.paths:
            pattern = re.compile("|".join(fnmatch.translate(path) for path in self.paths))
            allowed &= np.fromiter(
                (pattern.match(path) is not None for path in store.paths()), bool, store.rows
            )
        if self.rating is not None or self.max_explicit is not None:
            allowed &= self._rated(store)
        return allowed[store.live]

    def _rated(self, store: FeatureStore) -> NDArray[np.bool_]:
        """(rows,) bool: where the ratings are as asked."""
        ratings = store.ratings()
        allowed = np.ones(store.rows, bool)
        for name in (self.rating, None if self.max_explicit is None else "explicit"):
            if name is not None and name not in ratings:
                known = f"its ratings are {', '.join(sorted(ratings))}" if ratings else "it has no ratings"
                raise QueryError(f"no image of the collection has rating {name!r}: {known}")
        if self.rating is not None:
            best = np.fmax.reduce(list(ratings.values()))
            allowed &= ratings[self.rating] == best
        if self.max_explicit is not None:
            allowed &= ratings["explicit"] <= self.max_explicit
        return allowed


@dataclass(frozen=True)
class Resolved:
    """An example found: where it is, or what it is.

    Attributes:
        label: for people.
        position: of its row in the feature store, None for an image from outside.
        vector: (d,) float32 of the encoder, None for a row.
        sha256: of its file's content, None where there is no file.
    """

    label: str
    position: int | None = None
    vector: NDArray[np.float32] | None = None
    sha256: str | None = None

    def embed(self, store: FeatureStore, similarity: Similarity) -> NDArray[np.float32]:
        """(d,) float32 in the search space."""
        if self.position is not None:
            return np.asarray(similarity.embed_rows(store, np.array([self.position]))[0])
        assert self.vector is not None  # noqa: S101 - one of the two is always there
        return np.asarray(similarity.embed(self.vector[None])[0])


class Resolver:
    """Turns query images into rows or vectors. The encoder is loaded only for an image that the collection
    does not hold.

    Args:
        store: the feature store.
        catalogue: of the same store.
        root: image root of the collection.
        encoder: called when an image has to be encoded.
    """

    def __init__(
        self, store: FeatureStore, catalogue: Catalogue, root: Path, encoder: Callable[[], Encoder]
    ) -> None:
        self._store, self._catalogue, self._root, self._encoder = store, catalogue, root, encoder

    def resolve(self, image: QueryImage) -> Resolved:
        """Find an image.

        A string is an id if it is a number, else a path in the collection, else a file.

        Raises:
            QueryError: there is no such id, path or file, or the vector has another dimension.
            ImageError: the file cannot be read as an image.
        """
        if isinstance(image, np.ndarray):
            return self._vector(image)
        if isinstance(image, Image.Image):
            pixels = decode_image(image, shrink_to=self._encoder().shrink_to).pixels
            return Resolved("image", vector=self._encode(pixels))
        if isinstance(image, bytes):
            return self._content(image, "image")
        if isinstance(image, bool):
            raise QueryError(f"{image!r} is not an image")
        if isinstance(image, int | np.integer):
            return self._id(int(image))
        text = os.fspath(image)
        if isinstance(image, str) and text.isascii() and text.isdigit():
            return self._id(int(text))
        return self._path(text)

    def _id(self, image_id: int) -> Resolved:
        position = self._store.position_of_id(image_id)
        if position is None:
            raise QueryError(f"no image of the collection has id {image_id}")
        return self._row(position)

    def _row(self, position: int) -> Resolved:
        record = self._store.record(position)
        return Resolved(record.path, position, sha256=record.sha256)

    def _path(self, text: str) -> Resolved:
        missing = f"{text!r} is neither an id nor a path in the collection nor a file"
        try:
            forms = dict.fromkeys((text, self._stored_form(text)))
        except ValueError:  # a NUL, or a character that no file name can have
            raise QueryError(missing) from None
        for stored in forms:
            position = self._catalogue.find_path(stored)
            if position is not None and not self._differs(position, text):
                return self._row(position)
        if not os.path.exists(text):  # noqa: PTH110 - Path.exists raises where a name is too long
            raise QueryError(missing)
        return self._content(read_regular_file(text), text)

    def _stored_form(self, text: str) -> str:
        path = Path(os.path.realpath(text))  # Path.resolve raises at a loop of links
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.as_posix()

    def _differs(self, position: int, text: str) -> bool:
        """Whether a file was changed since the collection read it: its stored vector is out of date."""
        record = self._store.record(position)
        file = Path(text)
        if self._stored_form(text) != record.path or not file.is_file():
            return False
        status = file.stat()
        return (status.st_size, status.st_mtime_ns) != (record.size, record.mtime_ns)

    def _content(self, content: bytes, label: str) -> Resolved:
        sha256 = hashlib.sha256(content).hexdigest()
        same = self._catalogue.find_content(sha256)
        if same:
            return self._row(same[0])
        pixels = decode_image(content, name=label, shrink_to=self._encoder().shrink_to).pixels
        return Resolved(label, vector=self._encode(pixels), sha256=sha256)

    def _encode(self, pixels: Image.Image) -> NDArray[np.float32]:
        return np.asarray(encode_images(self._encoder(), [pixels]).vectors[0])

    def _vector(self, vector: NDArray[np.float32]) -> Resolved:
        with np.errstate(over="ignore"):
            values = vector.astype(np.float32) if vector.dtype.kind in "fiu" else np.full(1, np.nan)
        if values.shape != (self._store.dimension,) or not np.all(np.isfinite(values)):
            raise QueryError(
                f"a query vector must be ({self._store.dimension},) finite numbers, "
                f"got {vector.shape} {vector.dtype}"
            )
        return Resolved("vector", vector=np.asarray(values, np.float32))


def examples_of(query: Query) -> list[Example]:
    """Write a query as examples with weights.

    Raises:
        QueryError: there is none, every weight is 0, or one is not a finite number.
    """
    if isinstance(query, str | os.PathLike | bytes | int | np.integer | Image.Image | np.ndarray | Example):
        items: Sequence[QueryImage | Example] = [query]
    else:
        items = query
    examples = [item if isinstance(item, Example) else Example(item) for item in items]
    for example in examples:
        if not math.isfinite(example.weight):
            raise QueryError(f"the weight of an example must be a finite number, not {example.weight}")
    if not any(example.weight for example in examples):
        raise QueryError("a query needs at least one example with a weight other than 0")
    return examples


def _unknown_tag(name: str, store: FeatureStore) -> str:
    from difflib import get_close_matches

    known = store.tag_counts()
    if not known:
        return (
            f"no image has tag {name!r}: this collection has no tags; give them in tags.jsonl beside the "
            "images, or build a collection with --tagger"
        )
    if name in known:
        return f"no image of the collection has tag {name!r} with a probability of {TAG_THRESHOLD} or more"
    close = get_close_matches(name, known, 3)
    hint = f"; did you mean {', '.join(map(repr, close))}?" if close else ""
    return f"no image of the collection has tag {name!r}{hint}"
