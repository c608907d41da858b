"""Dials of subject and style of the default encoder: vendors and concepts that nothing was learned from.

``python -m benchmarks.dials [emoji] [sample]``

``emoji`` needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``; vectors are kept in its folder
``vectors``). Dials are learned five times, each time without the emoji of one family of vendors, without a
fifth of the vendors of icons, and without the held-out concepts; queries are the held-out concepts of that
family, among the held-out concepts of all vendors. ``sample`` searches the bundled sample with the dials that
ship: what counts as the same subject are its folders, as the same style its authors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import run_parts, table
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.images.sample import sample_directory
from i2v_search.index.similarity import unit
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.intervals import estimate_mean
from scripts.lite.dials import DialsRecipe, learn_dials, standardised
from scripts.lite.lite import LiteRecipe
from scripts.lite.train_dials import first_pictures, vendor_of
from scripts.lite.vectors import read_vectors

#: Vendors whose drawings are versions of one another are held out together.
FAMILIES: Final = (
    ("noto", "noto-v1"),
    ("fluent-emoji", "fluent-emoji-flat", "fluent-emoji-high-contrast"),
    ("twemoji",),
    ("fxemoji",),
    ("emojione", "emojione-monotone"),
)
DIALS: Final = tuple(
    (subject, style) for subject, style in product((1.0, 0.5, 0.0), repeat=2) if subject + style
)
QUERIES: Final = 250
BEST: Final = 10


def emoji_part(command: str) -> str:
    """Same concept by other vendors, same vendor with other concepts, and both from two pictures."""
    folder = Path(os.environ.get("I2V_SEARCH_DATA", "data"))
    encoder, recipe, settings = LiteEncoder(), DialsRecipe(), LiteRecipe()
    emoji = read_dataset(folder / "emoji")
    icons = read_dataset(folder / "icons")
    icons = Dataset(icons.root, tuple(first_pictures(icons, recipe.pictures)), icons.name)
    rows = [read_vectors(encoder, one, folder / "vectors") for one in (emoji, icons)]
    vendors, things = (_vendors(one) for one in (emoji, icons)), (_things(one) for one in (emoji, icons))
    (emoji_vendors, icon_vendors), (emoji_things, icon_things) = vendors, things
    held_out = np.zeros(len(emoji), bool)
    held_out[split([emoji], validation=settings.validation, seed=settings.seed).validation] = True
    others = sorted(set(icon_vendors.tolist()))
    measures: dict[tuple[float, float], list[list[NDArray[np.float64]]]] = {one: [] for one in DIALS}
    targets: dict[str, list[NDArray[np.int64]]] = {"as they are": [], "by dials": []}
    gallery = standardised(rows[0][held_out])
    for number, family in enumerate(FAMILIES):
        known, taken = (
            ~held_out & ~np.isin(emoji_vendors, family),
            ~np.isin(icon_vendors, [*family, *others[number :: len(FAMILIES)]]),
        )
        dials = learn_dials(
            standardised(np.vstack([rows[0][known], rows[1][taken]])),
            np.concatenate([emoji_vendors[known], icon_vendors[taken]]),
            np.concatenate([emoji_things[known], icon_things[taken]]),
            recipe,
            encoder_sha256=encoder.info.weights_sha256,
        )
        mine = np.flatnonzero(np.isin(emoji_vendors[held_out], family))
        queries = np.sort(np.random.default_rng(0).permutation(mine)[:QUERIES])
        names = emoji_things[held_out], emoji_vendors[held_out]
        for (subject, style), found in measures.items():
            turned = dials.turned(gallery[queries], subject=subject, style=style)
            found.append(_measures(turned @ gallery.T, queries, *names))
        for way, ranks in _two_pictures(dials, gallery, queries, *names).items():
            targets[way].append(ranks)
    return (
        f"Emoji of held-out concepts and vendors, mean of {len(FAMILIES)} families of vendors (least gain "
        f"over 1, 1 of any); {command}\n\n"
        + _grid(measures, ("same concept, other vendors", "same vendor, other concepts", "same vendor"))
        + "\n\nThe subject of one picture drawn as another is, found first, or among ten:\n\n"
        + table(
            ("queries", "count", "R@1", "R@10"),
            [
                (
                    way,
                    str(len(all_ranks)),
                    *(f"{estimate_mean((all_ranks < k).astype(float))}" for k in (1, BEST)),
                )
                for way, all_ranks in ((way, np.concatenate(ranks)) for way, ranks in targets.items())
            ],
        )
    )


def sample_part(command: str) -> str:
    """Folders and authors of the bundled sample."""
    folder = sample_directory()
    dataset, encoder = read_dataset(folder), LiteEncoder()
    cache = Path(os.environ.get("I2V_SEARCH_DATA", "data")) / "vectors"
    rows = standardised(read_vectors(encoder, dataset, cache))
    lines = map(json.loads, (folder / FILE_NAME).read_text("utf-8").splitlines())
    authors = {line["path"]: line["author"] for line in lines}
    names = _vendors(dataset), np.array([authors[picture.path] for picture in dataset.pictures])
    queries, dials = np.arange(len(rows)), LiteDials.load()
    measures = {
        (subject, style): [
            _measures(dials.turned(rows, subject=subject, style=style) @ rows.T, queries, *names)
        ]
        for subject, style in DIALS
    }
    return f"The bundled sample, {len(rows)} pictures; {command}\n\n" + _grid(
        measures, ("same folder, other authors", "same author, other folders", "same author")
    )


def _vendors(dataset: Dataset) -> NDArray[np.str_]:
    return np.array([vendor_of(picture) for picture in dataset.pictures])


def _things(dataset: Dataset) -> NDArray[np.str_]:
    return np.array([f"{dataset.name}/{picture.group}" for picture in dataset.pictures])


def _measures(
    scores: NDArray[np.float32],
    queries: NDArray[np.int64],
    things: NDArray[np.str_],
    vendors: NDArray[np.str_],
) -> list[NDArray[np.float64]]:
    """For each query the share of the right among its ten best, of as many as there are."""
    thing, vendor = (names[queries][:, None] == names for names in (things, vendors))
    others = queries[:, None] != np.arange(len(things))
    return [
        _precision(scores, thing, ~vendor),
        _precision(scores, vendor, ~thing),
        _precision(scores, vendor, others),
    ]


def _precision(
    scores: NDArray[np.float32], right: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    best = np.argsort(-np.where(allowed, scores, -np.inf), axis=1, kind="stable")[:, :BEST]
    counts = np.minimum((right & allowed).sum(axis=1), BEST)
    found = np.take_along_axis(right & allowed, best, axis=1).sum(axis=1)
    return np.asarray(found[counts > 0] / counts[counts > 0])


def _two_pictures(
    dials: LiteDials,
    gallery: NDArray[np.float32],
    queries: NDArray[np.int64],
    things: NDArray[np.str_],
    vendors: NDArray[np.str_],
) -> Mapping[str, NDArray[np.int64]]:
    """Ranks of the picture that shows what one of another vendor shows, and is drawn like a query."""
    random = np.random.default_rng(1)
    ranks: dict[str, list[int]] = {"as they are": [], "by dials": []}
    for target in queries.tolist():
        same = np.flatnonzero((things == things[target]) & (vendors != vendors[target]))
        drawn = np.flatnonzero((vendors == vendors[target]) & (things != things[target]))
        if not len(same):
            continue
        subject, style = gallery[[random.choice(same)]], gallery[[random.choice(drawn)]]
        sums = {
            "as they are": subject + style,
            "by dials": unit(dials.turned(subject, subject=1, style=0))
            + unit(dials.turned(style, subject=0, style=1)),
        }
        left = np.ones(len(gallery), bool)
        for one in (subject, style):
            left[(gallery == one).all(axis=1)] = False
        for way, query in sums.items():
            scores = (query @ gallery.T)[0]
            ranks[way].append(int((scores[left] > scores[target]).sum()))
    return {way: np.array(found) for way, found in ranks.items()}


def _grid(
    measures: Mapping[tuple[float, float], list[list[NDArray[np.float64]]]], names: tuple[str, ...]
) -> str:
    means = {
        dials: np.array([[values.mean() for values in fold] for fold in found])
        for dials, found in measures.items()
    }
    plain = means[1.0, 1.0]
    lines = [
        (
            f"{subject:g}",
            f"{style:g}",
            *(
                f"{mean:.3f} ({least:+.3f})"
                for mean, least in zip(found.mean(0), (found - plain).min(0), strict=True)
            ),
        )
        for (subject, style), found in means.items()
    ]
    return table(("subject", "style", *(f"P@10, {name}" for name in names)), lines)


if __name__ == "__main__":
    run_parts("dials", ("numpy",), {"emoji": emoji_part, "sample": sample_part})
