"""Vectors of the pictures to evaluate on and of their edited copies: decode threads -> batches -> encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.base import Encoder, Encoding, encode_batch
from i2v_search.errors import EncoderError, ImageError
from i2v_search.images.decoding import decode_image
from i2v_search.images.lookahead import map_ahead
from i2v_search.images.sources import Skipped
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.evaluation.edited_copies import EDITS, SIDE, edited_copies


@dataclass(frozen=True)
class Encoded:
    """What an encoder says of the pictures that could be read.

    Attributes:
        rows: (n,) int64, their places among all pictures, rising.
        vectors: (n, d) float32 as the encoder gave them.
        tags: (n, t) float32 probabilities, None without a tag head.
        contents: SHA-256 of each file.
        skipped: the others, each with its reason.
    """

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    tags: NDArray[np.float32] | None
    contents: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def encode_pictures(
    encoder: Encoder,
    paths: Sequence[str],
    read: Callable[[int], bytes],
    *,
    report: Report = silent,
) -> Encoded:
    """Encode every picture that can be read.

    Args:
        encoder: any encoder.
        paths: what to call each picture in messages.
        read: gives the bytes of picture i; called from several threads.
        report: told about progress.

    Raises:
        EncoderError: no picture can be read, or the encoder gives something else than vectors of numbers.
    """

    def prepare(number: int) -> tuple[int, str, Any] | Skipped:
        try:
            content = read(number)
            decoded = decode_image(content, name=paths[number], shrink_to=encoder.shrink_to)
        except ImageError as error:
            return Skipped(paths[number], error.reason)
        return number, hashlib.sha256(content).hexdigest(), encoder.prepare(decoded.pixels)

    rows: list[int] = []
    contents: list[str] = []
    skipped: list[Skipped] = []

    def inputs() -> Iterator[Any]:
        ahead = map_ahead(prepare, range(len(paths)), 2 * encoder.batch_size)
        for done, item in enumerate(ahead, start=1):
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                rows.append(item[0])
                contents.append(item[1])
                yield item[2]
            report(Progress(f"encoding with {encoder.info.id}", done, len(paths)))

    encoding = _encode_all(encoder, inputs())
    return Encoded(np.array(rows, np.int64), encoding.vectors, encoding.tags, tuple(contents), tuple(skipped))


def encode_copies(
    encoder: Encoder,
    paths: Sequence[str],
    read: Callable[[int], bytes],
    *,
    report: Report = silent,
) -> dict[str, NDArray[np.float32]]:
    """Make every edited copy of some pictures (`i2v_search.training.evaluation.edited_copies`) and encode
    them.

    Args: those of `encode_pictures`; all pictures must be readable.

    Returns:
        (n, d) float32 by the name of the edit.

    Raises:
        ImageError: a picture cannot be read.
    """

    def prepare(number: int) -> list[Any]:
        decoded = decode_image(read(number), name=paths[number], shrink_to=SIDE)
        return [encoder.prepare(copy) for copy in edited_copies(decoded.pixels).values()]

    def inputs() -> Iterator[Any]:
        ahead = map_ahead(prepare, range(len(paths)), max(2, encoder.batch_size // len(EDITS)))
        for done, copies in enumerate(ahead, start=1):
            yield from copies
            report(Progress(f"encoding copies with {encoder.info.id}", done, len(paths)))

    vectors = _encode_all(encoder, inputs()).vectors
    return {name: vectors[place :: len(EDITS)] for place, name in enumerate(EDITS)}


def _encode_all(encoder: Encoder, inputs: Iterator[Any]) -> Encoding:
    vectors, tags = [], []
    while batch := list(islice(inputs, encoder.batch_size)):
        encoding = encode_batch(encoder, batch)
        vectors.append(encoding.vectors)
        if encoding.tags is not None:
            tags.append(encoding.tags)
    if not vectors:
        raise EncoderError("none of the pictures can be read, so there is nothing to evaluate")
    return Encoding(np.concatenate(vectors), np.concatenate(tags) if tags else None)
