"""Feature files as tests damage them."""

from pathlib import Path

from stores import random_vectors

from i2v_search.store.feature_file import ImageRecord
from i2v_search.store.float16 import unit_float16
from i2v_search.store.manifest import Manifest
from i2v_search.store.writer import StoreWriter

DIMENSION = 8


def supersede(directory: Path, image_id: int) -> None:
    writer = StoreWriter(directory, Manifest.load(directory))
    record = ImageRecord(f"{image_id:04d}.png", "cd" * 32, 5, 6, 7, 8)
    writer.append([record], *unit_float16(random_vectors(1, DIMENSION, seed=9)), [image_id])
    writer.finish()


def part_path(directory: Path, number: int) -> Path:
    return directory / Manifest.load(directory).parts[number].name


def flip(path: Path, at: int, mask: int = 0xFF) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= mask
    path.write_bytes(content)
