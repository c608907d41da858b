"""Which copies `duplicates` finds, and which different pictures it takes for copies.

``python -m benchmarks.duplicates [copies] [variants] [characters]``

``copies``: the bundled sample and 18 changed copies of 100 of its pictures (1,800 files). ``variants`` needs
the packages of ``i2v-search[lite]``: drawings that DiceBear composes, each beside one that differs in one
part, as it is and as smaller JPEGs. ``characters`` needs ``make datasets`` (folder ``data``, or
``$I2V_SEARCH_DATA``): drawn faces of which no two are the same, though many differ in the mouth alone.
"""

from __future__ import annotations

import io
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.timing import run_parts, table
from i2v_search import Collection, sample_directory, sample_images
from i2v_search.images.decoding import load_image
from i2v_search.search.duplicates.comparing import THRESHOLD
from i2v_search.search.duplicates.looks import Look, look, relation
from i2v_search.training.evaluation.edited_copies import EDITS

PICTURES: Final = 100
THRESHOLDS: Final = (0.8, 0.85, 0.9, 0.95, 0.98)
#: Of each style of drawing.
VARIANTS: Final = 20
#: Pixels a side of a composed drawing, and of its smaller JPEGs with their qualities.
DRAWN: Final = 512
SMALLER: Final = ((300, 70), (210, 85), (160, 85), (140, 90))
#: Two drawings differ where more than this share of the pixels is apart by more than 32 levels.
LEAST_APART: Final = 0.0003
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
        looks = [look(Path(path).read_bytes()) for path in paths]
        original = [rows[str(image.path)] for image in chosen]
        lines = []
        for kind, *_ in COPIES:
            own = [row for row, path in enumerate(paths) if Path(path).parent.name == kind]
            pairs = [(row, original[int(Path(paths[row]).stem)]) for row in own]
            cosines = np.array([unit[row] @ unit[other] for row, other in pairs])
            kinds = [in_order(looks[row], looks[other]) for row, other in pairs]
            near = np.array([kind in {"pixels", "near"} for kind in kinds])
            lines.append([kind, *(f"{np.mean(cosines >= least):.2f}" for least in THRESHOLDS)])
            lines[-1] += [f"{np.mean([kind is not None for kind in kinds]):.2f}", f"{near.mean():.2f}"]
            lines[-1] += [f"{np.mean(near & (cosines >= THRESHOLD)):.2f}"]
        family = np.arange(len(paths))
        for row, file in enumerate(map(Path, paths)):
            if row not in original and file.parent.parent.name == "copies":
                family[row] = original[int(file.stem)]
        heading = [
            "copy",
            *(f"cosine {least}" for least in THRESHOLDS),
            *("variant or nearer", "near", f"near, cosine {THRESHOLD}"),
        ]
        return f"{command}\n\n{table(heading, lines)}\n\n{false_pairs(unit, looks.__getitem__, family)}"


def characters_part(command: str) -> str:
    """Pairs of faces that are taken for the same."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(os.environ.get("I2V_SEARCH_DATA", "data"))
        collection = Collection.build(Path(name) / "collection", [data / "characters"])
        unit = unit_rows(collection)
        held: dict[int, Look] = {}

        def seen(row: int) -> Look:
            if row not in held:
                held[row] = look(collection.image_bytes(collection.ids[row]))
            return held[row]

        return f"{command}\n\n{false_pairs(unit, seen, np.arange(len(unit)))}"


def variants_part(command: str) -> str:
    """Drawings that differ in one part: how many of them are taken for copies."""
    names = ["PNG", *(f"{side} px, JPEG {quality}" for side, quality in SMALLER)]
    counts = {name: [0, 0, 0] for name in names}
    for one, other in variants():
        whole = look(encoded(one))
        changed = [encoded(other)] + [
            encoded(other.resize((side, side), Image.Resampling.LANCZOS), "JPEG", quality=quality)
            for side, quality in SMALLER
        ]
        for name, side, file in zip(names, (DRAWN, *dict(SMALLER)), changed, strict=True):
            if is_seen(one, other, side):
                kind = relation(whole, look(file))
                counts[name][0] += 1
                counts[name][1] += kind in {"exact", "pixels", "near"}
                counts[name][2] += kind == "variants"
    lines = [
        [name, str(pairs), str(near), f"{1000 * near / pairs:.1f}", str(loose)]
        for name, (pairs, near, loose) in counts.items()
    ]
    heading = ["variant as", "pairs", "called copies", "of 1,000", "called variants"]
    return f"{command}\n\n{table(heading, lines)}"


def variants() -> Iterator[tuple[Image.Image, Image.Image]]:
    """Pairs of drawings that differ in one part, as far as one sees it."""
    import resvg_py
    from dicebear import Avatar, Style

    def draw(avatar: Mapping[str, Any]) -> Image.Image:
        file = resvg_py.svg_to_bytes(
            svg_string=avatar["svg"],
            width=DRAWN,
            height=DRAWN,
            dpi=96,
            background="white",
            skip_system_fonts=True,
        )
        return load_image(bytes(file))

    choice = random.Random(0)
    for place in sorted(files("dicebear_styles").iterdir(), key=lambda place: place.name):
        if not place.name.endswith(".json"):
            continue
        definition = json.loads(place.read_text("utf-8"))
        style, made = Style(definition), 0
        for number in range(1, 3 * VARIANTS):
            seed = f"{place.name.removesuffix('.json')}-{number}"
            avatar = Avatar(style, {"seed": seed}).to_json()
            parts = {
                f"{part}Variant": sorted(component.get("variants", ()))
                for part, component in definition["components"].items()
                if part != "animation" and avatar["options"].get(f"{part}Variant")
            }
            parts = {name: known for name, known in parts.items() if len(known) > 1}
            if not parts or made == VARIANTS:
                break
            name = choice.choice(sorted(parts))
            others = [variant for variant in parts[name] if variant != avatar["options"][name]]
            changed = Avatar(style, {"seed": seed, name: [choice.choice(others)]}).to_json()
            one, other = draw(avatar), draw(changed)
            if is_seen(one, other, DRAWN):
                made += 1
                yield one, other


def is_seen(one: Image.Image, other: Image.Image, side: int) -> bool:
    """Whether two drawings differ at a size."""
    levels = [
        np.asarray(image.resize((side, side), Image.Resampling.LANCZOS), np.int16) for image in (one, other)
    ]
    return bool((np.abs(levels[0] - levels[1]).max(axis=2) > 32).mean() >= LEAST_APART)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def in_order(one: Look, other: Look) -> str | None:
    """In what way two pictures are the same, the larger one being kept."""
    best, copy = (one, other) if one.side > other.side else (other, one)
    return relation(best, copy) if one.side != other.side else relation(one, other) or relation(other, one)


def unit_rows(collection: Collection) -> NDArray[np.float32]:
    """(n, d) float32 unit rows."""
    vectors = collection.vectors()
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def false_pairs(unit: NDArray[np.float32], seen: Callable[[int], Look], family: NDArray[np.int64]) -> str:
    """How many pairs of different pictures pass, by threshold and signal."""
    passing = np.zeros((len(THRESHOLDS), 3), int)
    for one, other, cosine in near_pairs(unit, min(THRESHOLDS)):
        if family[one] == family[other]:
            continue
        kind = in_order(seen(one), seen(other))
        signals = (True, kind is not None, kind is not None and kind != "variants")
        for number, least in enumerate(THRESHOLDS):
            passing[number] += np.array(signals) & (cosine >= least)
    lines = [
        [str(least), *(f"{count:,}" for count in counts)]
        for least, counts in zip(THRESHOLDS, passing.tolist(), strict=True)
    ]
    heading = ["threshold", "cosine", "variant or nearer", "near"]
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
        {"copies": copies_part, "variants": variants_part, "characters": characters_part},
    )
