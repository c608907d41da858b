"""Drawings as queries of the default encoder: do they find pictures in colour, and is one noticed?

``python -m benchmarks.sketches [drawings] [notice]``

``drawings`` needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``): line emoji of two vendors,
and scribbles and photos of scribbles made from the pictures, are searched among 600 coloured emoji of another
vendor. All concepts that are searched for were held out when `lite` was trained. ``notice`` needs folders of
pictures in ``$I2V_SEARCH_FOLDERS``, apart by ``:``, each of one kind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import run_parts, table
from i2v_search.encoders.base import encode_batch
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_sketches import LiteSketches
from i2v_search.encoders.stream import run_batches
from i2v_search.errors import ImageError
from i2v_search.images.decoding import load_image
from i2v_search.images.lines import looks_like_lines, without_paper
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.index.similarity import unit
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.intervals import estimate_mean
from scripts.lite.drawings import photographed, scribbled
from scripts.lite.lite import LiteRecipe

VENDORS = ("noto", "twemoji")
#: Line emoji, with the vendors of coloured ones whose names they share.
LINE_SETS = {
    "fluent-emoji-high-contrast": ("fluent-emoji", "fluent-emoji-flat"),
    "emojione-monotone": ("emojione",),
}
#: The same concepts in colour, by yet another vendor: what drawings could reach.
IN_COLOUR = "emojione"
PICTURES = 600
FILES = 400


class _Emoji(NamedTuple):
    """All emoji in colour, and for each its vendor, concept, label and name in its package."""

    dataset: Dataset
    vendors: NDArray[np.str_]
    concepts: NDArray[np.str_]
    labels: NDArray[np.str_]
    names: list[str]
    held_out: frozenset[str]


def drawings_part(command: str) -> str:
    """Line emoji, scribbles and photos of held-out concepts, by three ways of comparing them."""
    folder, encoder = Path(os.environ.get("I2V_SEARCH_DATA", "data")), LiteEncoder()
    emoji, sketches = _emoji(folder / "emoji"), LiteSketches.load()
    ways: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]] = {
        "as a picture": lambda rows, mean: rows - mean,
        "less the mean of drawings": lambda rows, _: rows - sketches.mean,
        "as a sketch": lambda rows, _: sketches.directions(rows),
    }
    lines = _line_emoji(folder / "icons", emoji)
    line_rows = _encode(encoder, [partial(_off_paper, file) for file, _ in lines])
    line_concepts = np.array([concept for _, concept in lines])
    found = []
    for vendor in VENDORS:
        random = np.random.default_rng(0)
        mine = np.flatnonzero(emoji.vendors == vendor)
        held_out = mine[np.isin(emoji.concepts[mine], list(emoji.held_out))]
        others = random.choice(np.setdiff1d(mine, held_out), PICTURES - len(held_out), replace=False)
        chosen = np.concatenate([held_out, others])
        gallery = _encode(encoder, [_reading(emoji.dataset, row) for row in chosen.tolist()])
        mean = gallery.mean(axis=0)
        coloured = np.flatnonzero(
            (emoji.vendors == IN_COLOUR) & np.isin(emoji.concepts, emoji.concepts[held_out])
        )
        queries = {
            "in colour": (
                _encode(encoder, [_reading(emoji.dataset, row) for row in coloured.tolist()]),
                emoji.concepts[coloured],
            ),
            "line emoji": (line_rows, line_concepts),
        }
        for name, draw in (("scribbles", scribbled), ("photos of scribbles", _photo)):
            makers = [_drawing(emoji.dataset, row, draw) for row in held_out.tolist()]
            queries[name] = _encode(encoder, makers), emoji.concepts[held_out]
        labels = dict(zip(emoji.concepts.tolist(), emoji.labels.tolist(), strict=True))
        for name, (rows, concepts) in queries.items():
            there = np.isin(concepts, emoji.concepts[chosen])
            for way in ("as a picture",) if name == "in colour" else ways:
                scores = unit(ways[way](rows[there], mean)) @ unit(gallery - mean).T
                best = chosen[np.argsort(-scores, axis=1, kind="stable")[:, :10]]
                right = emoji.concepts[best] == concepts[there][:, None]
                alike = emoji.labels[best] == np.array([labels[one] for one in concepts[there]])[:, None]
                measures = (right[:, 0], right.any(axis=1), alike.mean(axis=1))
                cells = (f"{estimate_mean(values.astype(float))}" for values in measures)
                found.append((vendor, name, way, str(there.sum()), *cells))
    header = ("among", "queries", "compared", "count", "R@1", "R@10", "P@10 of the label")
    return (
        f"Emoji of held-out concepts as queries among {PICTURES} of another vendor, line emoji real, "
        f"scribbles made from the picture that is to be found; [95 %]; {command}\n\n" + table(header, found)
    )


def notice_part(command: str) -> str:
    """Share of the pictures of folders that are taken for drawings of lines."""
    rows = []
    for folder in filter(None, os.environ.get("I2V_SEARCH_FOLDERS", "").split(":")):
        seen = list(_noticed(sorted(Path(folder).rglob("*"))))
        rows.append((Path(folder).name, str(len(seen)), f"{estimate_mean(np.array(seen, float))}"))
    return f"Taken for a drawing of lines, [95 %]; {command}\n\n" + table(
        ("folder", "pictures", "share"), rows
    )


def _noticed(files: Sequence[Path]) -> Iterator[bool]:
    pictures = [file for file in files if file.suffix.lower() in {".png", ".webp", ".jpg"}]
    for place in np.random.default_rng(0).permutation(len(pictures))[:FILES]:
        try:
            yield looks_like_lines(load_image(pictures[place], shrink_to=LiteEncoder.shrink_to))
        except ImageError:
            continue


def _emoji(folder: Path) -> _Emoji:
    dataset, recipe = read_dataset(folder), LiteRecipe()
    entries = map(json.loads, (folder / FILE_NAME).read_text("utf-8").splitlines())
    known = {entry["path"]: entry for entry in entries}
    mine = [known[picture.path] for picture in dataset.pictures]
    concepts = np.array([entry["group"] for entry in mine])
    validation = split([dataset], validation=recipe.validation, seed=recipe.seed).validation
    return _Emoji(
        dataset,
        np.array([entry["path"].partition("/")[0] for entry in mine]),
        concepts,
        np.array([entry["label"] for entry in mine]),
        [entry["source"].rpartition(", ")[2] for entry in mine],
        frozenset(concepts[validation].tolist()),
    )


def _line_emoji(folder: Path, emoji: _Emoji) -> list[tuple[Path, str]]:
    """Files of line emoji of held-out concepts, with the concept."""
    pairs = zip(emoji.vendors.tolist(), emoji.names, strict=True)
    concepts = dict(zip(pairs, emoji.concepts.tolist(), strict=True))
    found = []
    for name, vendors in LINE_SETS.items():
        for file in sorted((folder / name).iterdir()):
            known = [concepts[vendor, file.stem] for vendor in vendors if (vendor, file.stem) in concepts]
            if known and known[0] in emoji.held_out:
                found.append((file, known[0]))
    return found


def _reading(dataset: Dataset, row: int) -> Callable[[], Image.Image]:
    return lambda: load_image(dataset.read(dataset.pictures[row]), shrink_to=LiteEncoder.shrink_to)


def _drawing(
    dataset: Dataset, row: int, draw: Callable[[Image.Image, np.random.Generator], Image.Image]
) -> Callable[[], Image.Image]:
    return lambda: without_paper(draw(_reading(dataset, row)(), np.random.default_rng(row)))


def _off_paper(file: Path) -> Image.Image:
    return without_paper(load_image(file))


def _photo(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    return photographed(scribbled(picture, random), random)


def _encode(encoder: LiteEncoder, makers: Sequence[Callable[[], Image.Image]]) -> NDArray[np.float32]:
    """(n, 4096) float32 unit rows."""
    batches = run_batches(
        makers,
        lambda make: (None, encoder.prepare(make())),
        lambda inputs: encode_batch(encoder, inputs).vectors,
        encoder.batch_size,
    )
    return unit(np.concatenate([batch.output for batch in batches if batch.output is not None]))


if __name__ == "__main__":
    run_parts("sketches", ("numpy",), {"drawings": drawings_part, "notice": notice_part})
