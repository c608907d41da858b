"""Queries: examples by image, file, id, vector or text, found in the collection or encoded.

==========================  =========================================================================
a string                    is
==========================  =========================================================================
``17``                      the image with that id
``birds/owl.png``           the image stored under that path, or else the file: an image, or a vector
                            as ``.npy``
``owl.png``                 the image whose stored path ends so, from a ``/`` on
``an owl at night``         a text, where nothing of the above is there and it does not look like a
                            path (`i2v_search.search.text.looks_like_path`); `Text` always is one
==========================  =========================================================================
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.arguments import read_whole, shown, whole
from i2v_search.encoders.base import Encoder, encode_batch, tags_of
from i2v_search.encoders.stream import run_batches
from i2v_search.encoders.weights.npy import NPY_MAGIC, npy_array
from i2v_search.errors import ImageError, NoSuchImageError, QueryError, WeightsError
from i2v_search.images.crops import cut
from i2v_search.images.decoding import decode_image
from i2v_search.images.lines import looks_like_lines, without_paper
from i2v_search.images.reading import read_regular_file
from i2v_search.images.sources import open_stored
from i2v_search.search.examples import Example, QueryImage
from i2v_search.search.looks import Look, RecentLooks, Seen
from i2v_search.search.resolved import EncodedImage, QueryVectors, Resolved
from i2v_search.search.text import MAX_TEXT, Text, looks_like_path
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.given_arrays import looks_like_vector, plain_array
from i2v_search.store.path_patterns import find_named


class Resolver:
    """Turns query images and texts into rows or vectors. The encoder is loaded only for what the collection
    does not hold.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
        root: image root of the collection.
        encoder: called when an image has to be encoded.
        text_vectors: called with texts that have to be encoded.
        sketch_vectors: called with vectors (n, d) of drawings, which are compared in their own way.
        looks: drawings and parts of pictures that were encoded last.
    """

    def __init__(
        self,
        store: FeatureStore,
        catalogue: Catalogue,
        root: Path,
        *,
        encoder: Callable[[], Encoder],
        text_vectors: Callable[[Sequence[str]], QueryVectors],
        sketch_vectors: Callable[[NDArray[np.floating]], QueryVectors],
        looks: RecentLooks,
    ) -> None:
        self._store, self._catalogue, self._root, self._encoder = store, catalogue, root, encoder
        self._text_vectors, self._sketch_vectors, self._looks = text_vectors, sketch_vectors, looks

    def resolve(self, image: QueryImage | Example) -> Resolved:
        """Find an image, or read a text; see the module for what a string is.

        Raises:
            QueryError: there is no such id, path or file, several paths end so, the vector has another
                dimension, or what has no pixels should be a sketch or cropped.
            EncoderError: the encoder cannot be loaded.
            ImageError: the file cannot be read as an image.
        """
        return self.resolve_all([image])[0]

    def resolve_all(self, images: Sequence[QueryImage | Example]) -> list[Resolved]:
        """Find several images and texts, in batches where they have to be encoded. Errors of `resolve`."""
        asked = [image if isinstance(image, Example) else Example(image) for image in images]
        found: list[Resolved] = []
        self._encode_images(self._find_all(asked, found), found)
        texts = {place: item.text.text for place, item in enumerate(found) if item.text is not None}
        if texts:
            _put(found, list(texts), self._text_vectors(list(texts.values())))
        sketches = {
            place: item.vector
            for place, item in enumerate(found)
            if item.vector is not None and asked[place].kind == "sketch"
        }
        if sketches:
            _put(found, list(sketches), self._sketch_vectors(np.stack(list(sketches.values()))))
        return found

    def _encode_images(self, unknown: Iterator[_Unknown], found: list[Resolved]) -> None:
        first = next(unknown, None)
        if first is None:
            return
        encoder = self._encoder()

        def prepare(item: _Unknown) -> tuple[tuple[_Unknown, bool], Any]:
            image = item.pixels(encoder.shrink_to)
            looks_like_sketch = item.example.kind == "picture" and looks_like_lines(image)
            # What is asked for is needed later, its pixels are not.
            return (replace(item, image=b""), looks_like_sketch), encoder.prepare(image)

        encode = partial(encode_batch, encoder)
        for batch in run_batches(chain([first], unknown), prepare, encode, encoder.batch_size):
            if batch.output is not None:
                rows = zip(batch.items, batch.output.vectors, tags_of(encoder, batch.output), strict=True)
                for (item, looks_like_sketch), vector, tags in rows:
                    # A view would keep the whole batch in memory.
                    seen = Seen(vector.copy(), tags, looks_like_sketch)
                    found[item.place] = replace(found[item.place], **seen._asdict())
                    if look := self._look_of(item):
                        self._looks.put(look, seen)

    def _find_all(self, asked: Sequence[Example], found: list[Resolved]) -> Iterator[_Unknown]:
        """Fill `found`, and give the images among it that have to be encoded as they come."""
        for place, example in enumerate(asked):
            item = self._find(example)
            if not example.is_whole_picture:
                item = self._with_pixels(item, example)
            if isinstance(item, Resolved):
                found.append(item)
            else:
                found.append(Resolved(example.label_of(item.label), sha256=item.sha256))
                look = self._look_of(item)
                seen = None if look is None else self._looks.get(look)
                if seen is None:
                    yield replace(item, place=place)
                else:
                    found[place] = replace(found[place], **seen._asdict())

    def _look_of(self, item: _Unknown) -> Look | None:
        """A drawing or a part of a picture, if it can be told from others."""
        if item.sha256 is None or item.example.is_whole_picture:
            return None
        records = (self._store.manifest.encoder, self._store.manifest.tagger)
        makers = tuple(record.weights_sha256 for record in records if record is not None)
        return Look(makers, item.sha256, item.example.kind, item.example.crop)

    def _with_pixels(self, item: Resolved | _Unknown, example: Example) -> _Unknown:
        """What can be cropped, or taken off its paper, of an example that was found."""
        if isinstance(item, _Unknown):
            return item
        if isinstance(example.image, EncodedImage) and example.image.picture is not None:
            return _Unknown(item.label, example, example.image.picture, item.sha256)
        if item.position is not None:
            try:
                content = open_stored(self._root, self._store.path(item.position), allow_outside=True)
            except ImageError as error:
                advice = "a crop or a sketch needs the file; connect its disk, or i2v-search relocate OLD NEW"
                raise ImageError(error.path, f"{error.reason}; {advice}") from error
            return _Unknown(item.label, example, content, item.sha256)
        what = "text" if item.text is not None else "vector"
        raise QueryError(f"{item.label} is a {what} and has no pixels to look at; give the image itself")

    def encode(self, image: QueryImage) -> EncodedImage:
        """The vector and the tags of an image; those of the collection are read, others encoded.

        Errors of `resolve`.
        """
        found = self.resolve(image)
        if found.text is not None:
            raise QueryError(f"{found.label} is a text, and not an image to look at; search for it")
        if found.position is None:
            assert found.vector is not None  # noqa: S101 - one of the two is always there
            return EncodedImage(
                found.vector,
                found.tags,
                found.sha256,
                found.label,
                looks_like_sketch=found.looks_like_sketch,
            )
        place = np.array([found.position])
        self._store.check(place)
        vector = self._store.take(place)[0] * self._store.norms(place)[0]
        return EncodedImage(vector, self._store.record(found.position).tags, found.sha256, found.label)

    def size_of(self, image: QueryImage) -> tuple[int, int]:
        """Width and height of an image in pixels, as it is displayed. Errors of `resolve`."""
        example = Example(image, crop=(0, 0, 1, 1))
        item = self._with_pixels(self._find(example), example)
        decoded = decode_image(item.image, name=item.label)
        return decoded.width, decoded.height

    def _find(self, example: Example) -> Resolved | _Unknown:
        image = example.image
        if isinstance(image, Text):
            return Resolved(str(image), text=image)
        if isinstance(image, EncodedImage) or looks_like_vector(image):
            return self._given_vector(image)
        if isinstance(image, Image.Image):
            # Here, not in the threads that decode files: one image may be given twice, and loads but once.
            item = _Unknown("image", example, image)
            return replace(item, image=item.decoded(self._encoder().shrink_to))
        if isinstance(image, bytes):
            return self._content(image, "image", example)
        if isinstance(image, str | os.PathLike):
            text = os.fspath(image)
            spelled = read_whole(text) if isinstance(image, str) else None
            return self._path(text, example) if spelled is None else self._id(spelled)
        try:
            number = whole("an id", cast(SupportsIndex, image))
        except QueryError:
            raise QueryError(
                f"{shown(image)} is not an image; give an id, a path, an image, its bytes, or a vector of "
                "floats"
            ) from None
        return self._id(number)

    def _id(self, image_id: int) -> Resolved:
        position = self._store.position_of_id(image_id)
        if position is None:
            raise NoSuchImageError(
                f"no image of the collection has id {image_id}; to search for the number as a text: "
                f"--text {image_id}, or Text"
            )
        return self._row(position)

    def _row(self, position: int) -> Resolved:
        return Resolved(self._store.path(position), position, sha256=self._store.sha256(position))

    def _path(self, text: str, example: Example) -> Resolved | _Unknown:
        missing = f"{shown(text)} is not an id, a path in the collection or a file"
        try:
            forms = dict.fromkeys((text, self._stored_form(text)))
        except ValueError:  # a NUL, or a character that no file name can have
            raise NoSuchImageError(missing) from None
        for stored in forms:
            position = self._catalogue.find_path(stored)
            if position is not None and not self._differs(position, text):
                return self._row(position)
        if os.path.exists(text):  # noqa: PTH110 - Path.exists raises where a name is too long
            return self._content(read_regular_file(text), text, example)
        position = find_named(self._store, text)
        if position is not None:
            return self._row(position)
        is_text = isinstance(example.image, str) and example.is_whole_picture
        if not is_text or looks_like_path(text) or len(text) > MAX_TEXT:
            raise NoSuchImageError(missing)
        words = Text(text)
        return Resolved(str(words), text=words)

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

    def _content(self, content: bytes, label: str, example: Example) -> Resolved | _Unknown:
        if content.startswith(NPY_MAGIC):
            return self._vector(_parse_npy(content, label), label)
        sha256 = hashlib.sha256(content).hexdigest()
        same = self._catalogue.find_content(sha256)
        if same and example.is_whole_picture:
            return self._row(same[0])
        return _Unknown(label, example, content, sha256)

    def _given_vector(self, image: Any) -> Resolved:
        if not isinstance(image, EncodedImage):
            return self._vector(image if isinstance(image, np.ndarray) else plain_array(image), "vector")
        same = self._catalogue.find_content(image.sha256) if image.sha256 else ()
        if same:
            return self._row(same[0])
        checked = self._vector(image.vector, image.label)
        return replace(
            checked,
            vector=image.vector,
            sha256=image.sha256,
            tags=image.tags,
            looks_like_sketch=image.looks_like_sketch,
        )

    def _vector(self, vector: NDArray[Any], label: str) -> Resolved:
        place = "" if label == "vector" else f"{label}: "
        with np.errstate(over="ignore"):
            values = vector.astype(np.float64) if vector.dtype.kind in "fiu" else np.full(1, np.nan)
        if values.shape != (self._store.dimension,) or not np.all(np.isfinite(values)):
            wrong = values.size - np.count_nonzero(np.isfinite(values))
            infinite = f", {wrong} of them NaN or infinite" if vector.dtype.kind == "f" and wrong else ""
            several = vector.ndim == 2 and vector.shape[1] == self._store.dimension
            hint = "; to search for each of its rows: search_each, or search --each" if several else ""
            raise QueryError(
                f"{place}a query vector must be ({self._store.dimension},) finite numbers, "
                f"got {vector.shape} {vector.dtype}{infinite}{hint}"
            )
        return Resolved(label, vector=values)


@dataclass(frozen=True)
class _Unknown:
    """An image that has to be encoded: a file's content, or its pixels; and its place among all."""

    label: str
    example: Example
    image: Image.Image | bytes
    sha256: str | None = None
    place: int = 0

    def pixels(self, shrink_to: int | None) -> Image.Image:
        """What the encoder is to see."""
        image = self.decoded(shrink_to) if isinstance(self.image, bytes) else self.image
        if self.example.crop is not None:
            image = cut(image, self.example.crop)
        return without_paper(image) if self.example.kind == "sketch" else image

    def decoded(self, shrink_to: int | None) -> Image.Image:
        """The whole picture, as large as the part that is looked at needs."""
        if self.example.crop is not None and shrink_to is not None:
            shrink_to = math.ceil(shrink_to / min(self.example.crop[2:]))
        return decode_image(self.image, name=self.label, shrink_to=shrink_to).pixels


def _put(found: list[Resolved], places: Sequence[int], vectors: QueryVectors) -> None:
    """Give what was found its row: a direction, or a vector like those of the collection."""
    for place, row in zip(places, vectors.rows, strict=True):
        kept = {"direction": row} if vectors.directions else {"vector": row}
        found[place] = replace(found[place], **kept)


def read_vectors(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read the array of floats of a ``.npy`` file: one vector (d,), or several (m, d).

    Raises:
        QueryError: it is not such a file.
        ImageError: it cannot be read, or is larger than an image may be.
    """
    return _parse_npy(read_regular_file(path), os.fspath(path))


def _parse_npy(content: bytes, label: str) -> NDArray[Any]:
    try:
        return npy_array(content, Path(label))
    except WeightsError as error:
        raise QueryError(str(error)) from error
