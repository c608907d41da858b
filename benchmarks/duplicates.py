"""Which copies `duplicates` finds, and which different pictures it takes for copies, by threshold and signal.

``python -m benchmarks.duplicates [copies] [characters]``

``copies``: the bundled sample and 18 changed copies of 100 of its pictures (1,800 files). ``characters``
needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``): drawn faces of which no two are the same,
though many differ in one colour or in the mouth alone.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.timing import run_parts, table
from i2v_search import Collection, sample_directory, sample_images
from i2v_search.duplicates.fingerprints import Fingerprint, duplicates, fingerprint, relation
from i2v_search.evaluation.copies import EDITS
from i2v_search.images import load_image

PICTURES: Final = 100
THRESHOLDS: Final = (0.8, 0.85, 0.9, 0.95, 0.98)
BLOCK: Final = 1024


def scale(factor: float) -> Callable[[Image.Image], Image.Image]:
    """Resize both sides."""
    return lambda image: image.resize(
        (max(1, round(factor * image.width)), max(1, round(factor * image.height))), Image.Resampling.LANCZOS
    )


def trim(share: float) -> Callable[[Image.Image], Image.Image]:
    """Cut a share of each side off, at both ends."""

    def cut(image: Image.Image) -> Image.Image:
        left, top = round(share * image.width), round(share * image.height)
        return image.crop((left, top, image.width - left, image.height - top))

    return cut


def frame(image: Image.Image) -> Image.Image:
    """Add a white border of 5 %."""
    return ImageOps.expand(image, round(0.05 * max(image.size)), "white")


def sign(image: Image.Image) -> Image.Image:
    """Write a small grey mark into the lower right corner."""
    image = image.copy()
    place = (round(0.6 * image.width), image.height - 14)
    ImageDraw.Draw(image).text(place, "watermark.org", fill=(120, 120, 120))
    return image


def touch_up(image: Image.Image) -> Image.Image:
    """Raise contrast and sharpness."""
    return ImageEnhance.Sharpness(ImageEnhance.Contrast(image).enhance(1.1)).enhance(2)


def same(image: Image.Image) -> Image.Image:
    """The image as it is."""
    return image


#: Name, what is done, extension, options of the file.
COPIES: Final[tuple[tuple[str, Callable[[Image.Image], Image.Image], str, Mapping[str, Any]], ...]] = (
    ("PNG", same, "png", {"optimize": True}),
    ("JPEG 90", same, "jpg", {"quality": 90}),
    ("JPEG 40", same, "jpg", {"quality": 40}),
    ("WebP 50", same, "webp", {"quality": 50}),
    ("GIF, 64 colours", lambda image: image.quantize(64), "gif", {}),
    ("double size", scale(2), "jpg", {"quality": 90}),
    ("half size", scale(0.5), "png", {}),
    ("quarter size", scale(0.25), "jpg", {"quality": 80}),
    ("contrast, sharpness", touch_up, "png", {}),
    ("small mark", sign, "png", {}),
    ("cut 1 %", trim(0.01), "png", {}),
    ("cut 3 %", trim(0.03), "png", {}),
    ("cut 10 %", EDITS["crop"], "png", {}),
    ("border 5 %", frame, "png", {}),
    ("grey", lambda image: image.convert("L"), "png", {}),
    ("other colours", EDITS["colour"], "png", {}),
    ("turned", EDITS["rotation"], "png", {}),
    ("mirrored", EDITS["flip"], "png", {}),
)


def copies_part(command: str) -> str:
    """Recall by kind of copy, and pairs of different pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = random.Random(0).sample(sample_images(), PICTURES)
        for number, image in enumerate(chosen):
            picture = load_image(image.path)
            for kind, change, extension, options in COPIES:
                target = folder / "copies" / kind / f"{number:03}.{extension}"
                target.parent.mkdir(parents=True, exist_ok=True)
                change(picture).save(target, **options)
        collection = Collection.build(folder / "collection", [sample_directory(), folder / "copies"])
        paths = [collection.file_path(number).decode() for number in collection.ids]
        rows = {path: row for row, path in enumerate(paths)}
        unit = unit_rows(collection)
        prints = [fingerprint(Path(path).read_bytes()) for path in paths]
        original = [rows[str(image.path)] for image in chosen]
        lines = []
        for kind, *_ in COPIES:
            own = [row for row, path in enumerate(paths) if Path(path).parent.name == kind]
            pairs = [(row, original[int(Path(paths[row]).stem)]) for row in own]
            cosines = np.array([unit[row] @ unit[other] for row, other in pairs])
            loose, strict = (
                np.array([agree(prints[row], prints[other]) for row, other in pairs])
                for agree in (hash_and_thumbnail, lambda one, other: relation(one, other) is not None)
            )
            lines.append([kind, *(f"{np.mean(cosines >= least):.2f}" for least in THRESHOLDS)])
            lines[-1] += [f"{np.mean(loose):.2f}", f"{np.mean(strict):.2f}"]
            lines[-1] += [f"{np.mean((cosines >= least) & strict):.2f}" for least in (0.85, 0.9, 0.95)]
        family = np.arange(len(paths))
        for row, file in enumerate(map(Path, paths)):
            if row not in original and file.parent.parent.name == "copies":
                family[row] = original[int(file.stem)]
        heading = [
            "copy",
            *(f"cosine {least}" for least in THRESHOLDS),
            *("hash and thumbnail", "and colours", "all at 0.85", "all at 0.9", "all at 0.95"),
        ]
        return f"{command}\n\n{table(heading, lines)}\n\n{false_pairs(unit, prints.__getitem__, family)}"


def characters_part(command: str) -> str:
    """Pairs of faces that are taken for the same."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(os.environ.get("I2V_SEARCH_DATA", "data"))
        collection = Collection.build(Path(name) / "collection", [data / "characters"])
        unit = unit_rows(collection)
        held: dict[int, Fingerprint] = {}

        def look(row: int) -> Fingerprint:
            if row not in held:
                held[row] = fingerprint(collection.image_bytes(collection.ids[row]))
            return held[row]

        return f"{command}\n\n{false_pairs(unit, look, np.arange(len(unit)))}"


def unit_rows(collection: Collection) -> NDArray[np.float32]:
    """(n, d) float32 unit rows."""
    vectors = collection.vectors()
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def hash_and_thumbnail(one: Fingerprint, other: Fingerprint) -> bool:
    """The test that data sets are cleared with."""
    return any(duplicates([one, other]))


def false_pairs(
    unit: NDArray[np.float32], look: Callable[[int], Fingerprint], family: NDArray[np.int64]
) -> str:
    """How many pairs of different pictures pass, by threshold and signal."""
    passing = np.zeros((len(THRESHOLDS), 3), int)
    for one, other, cosine in near_pairs(unit, min(THRESHOLDS)):
        if family[one] == family[other]:
            continue
        signals = (
            True,
            hash_and_thumbnail(look(one), look(other)),
            relation(look(one), look(other)) is not None,
        )
        for number, least in enumerate(THRESHOLDS):
            passing[number] += np.array(signals) & (cosine >= least)
    lines = [
        [str(least), *(f"{count:,}" for count in counts)]
        for least, counts in zip(THRESHOLDS, passing.tolist(), strict=True)
    ]
    heading = ["threshold", "cosine", "and hash and thumbnail", "and colours"]
    return f"Pairs of different pictures that pass, of {len(unit):,} images:\n\n{table(heading, lines)}"


def near_pairs(unit: NDArray[np.float32], least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of rows with at least this cosine."""
    for start in range(0, len(unit), BLOCK):
        cosines = unit[start : start + BLOCK] @ unit.T
        for one, other in np.argwhere(cosines >= least).tolist():
            if start + one < other:
                yield start + one, other, float(cosines[one, other])


if __name__ == "__main__":
    run_parts(
        "duplicates",
        ("onnxruntime", "numpy", "pillow"),
        {"copies": copies_part, "characters": characters_part},
    )
