"""A fast encoder and small pictures, for tests that are not about either."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2v_search.encoders.base import EncoderInfo, Encoding
from i2v_search.tags.vocabulary import Vocabulary

SIDE = 4
DIMENSION = SIDE * SIDE * 3


class GridEncoder:
    """The mean colours of a 4 x 4 grid: exact integers, so a vector cannot depend on its batch.

    Attributes:
        encoded: how many images went through it.
    """

    info = EncoderInfo(id="grid", weights_sha256="0" * 64, preprocessing="grid-4", dimension=DIMENSION)
    shrink_to: int | None = None
    batch_size = 8

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary
        self.encoded = 0

    def prepare(self, image: Image.Image) -> NDArray[Any]:
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))

    def encode(self, inputs: Sequence[NDArray[Any]]) -> Encoding:
        """Tag i has the probability that channel i has on average."""
        batch = np.stack(inputs)
        self.encoded += len(batch)
        tags = None
        if self.vocabulary is not None:
            means = batch.reshape(len(batch), -1, 3).mean(axis=1) / 255
            tags = means[:, : len(self.vocabulary.names)].astype(np.float32)
        return Encoding(batch.reshape(len(batch), -1).astype(np.float32) + 1, tags)


def draw(path: Path, seed: int, *, size: tuple[int, int] = (12, 8)) -> Path:
    """Write a PNG of noise that depends on the seed only; makes the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def draw_folder(folder: Path, count: int, *, first: int = 0) -> Path:
    """Write `count` different pictures, ``0000.png`` and on."""
    for number in range(first, first + count):
        draw(folder / f"{number:04d}.png", number)
    return folder


def touch(path: Path, seconds: int = 1) -> None:
    """Move a file's time on; its content stays."""
    time = path.stat().st_mtime_ns + seconds * 10**9
    os.utime(path, ns=(time, time))
