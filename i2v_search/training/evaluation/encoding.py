"""Vectors of the pictures to evaluate on and of their edited copies: decode threads -> batches -> encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.base import Encoder, Encoding, encode_batch
from i2v_search.encoders.stream import run_batches, skipping
from i2v_search.errors import EncoderError
from i2v_search.images.decoding import decode_image
from i2v_search.images.sources import Skipped
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.evaluation.edited_copies import EDITS, SIDE, edited_copies


@dataclass(frozen=True)
class Encoded:
    """Output of an encoder for the readable pictures.

    Attributes:
        rows: (n,) int64, their places among all pictures, ascending.
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
        report: called with the progress.

    Raises:
        EncoderError: no picture can be read, or the encoder gives something else than vectors of numbers.
    """

    def prepare(number: int) -> tuple[str, Any]:
        content = read(number)
        decoded = decode_image(content, name=paths[number], shrink_to=encoder.shrink_to)
        return hashlib.sha256(content).hexdigest(), encoder.prepare(decoded.pixels)

    items: list[str | Skipped] = []
    found: list[Encoding] = []
    for batch in run_batches(
        range(len(paths)), skipping(prepare), partial(encode_batch, encoder), encoder.batch_size
    ):
        items += batch.items
        found += [batch.output] if batch.output else []
        report(Progress(f"encoding with {encoder.info.id}", len(items), len(paths)))
    if not found:
        raise EncoderError("none of the pictures can be read")
    tags = [encoding.tags for encoding in found if encoding.tags is not None]
    return Encoded(
        np.array([row for row, item in enumerate(items) if isinstance(item, str)], np.int64),
        np.concatenate([encoding.vectors for encoding in found]),
        np.concatenate(tags) if tags else None,
        tuple(item for item in items if isinstance(item, str)),
        tuple(item for item in items if isinstance(item, Skipped)),
    )


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

    def prepare(number: int) -> tuple[int, list[Any]]:
        decoded = decode_image(read(number), name=paths[number], shrink_to=SIDE)
        return number, [encoder.prepare(copy) for copy in edited_copies(decoded.pixels).values()]

    def run(copies: list[list[Any]]) -> NDArray[np.float32]:
        return encode_batch(encoder, list(chain.from_iterable(copies))).vectors

    found = []
    for batch in run_batches(range(len(paths)), prepare, run, max(1, encoder.batch_size // len(EDITS))):
        found += [] if batch.output is None else [batch.output]
        report(Progress(f"encoding copies with {encoder.info.id}", batch.items[-1] + 1, len(paths)))
    vectors = np.concatenate(found)
    return {name: vectors[place :: len(EDITS)] for place, name in enumerate(EDITS)}
