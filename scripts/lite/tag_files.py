"""Makes the files of `lite`'s tags: learns them, and says how good they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_tags import TAG_WEIGHTS, TAGS
from i2v_search.encoders.tensors import write_tensors
from i2v_search.files import write_atomically
from i2v_search.progress import Report, silent
from i2v_search.tags.words import split_words
from i2v_search.training.datasets.dataset import Dataset, choose_vocabulary
from i2v_search.training.evaluation.metrics import tag_precision
from i2v_search.training.thresholds import best_thresholds
from scripts.lite.tag_material import read_titles, tag_material
from scripts.lite.tags import LeftOut, TagMaterial, TagRecipe, learn_tags, precise_thresholds

TAG_REPORT = "tags-report.json"


def make_tags(
    datasets: Sequence[Dataset],
    extra: Sequence[Dataset],
    vectors: NDArray[np.float32],
    held_out: NDArray[np.int64],
    directory: Path,
    recipe: TagRecipe,
    report: Report = silent,
) -> dict[str, Any]:
    """Learn tags and write ``tags.safetensors``, ``tags.json`` and ``tags-report.json``.

    Args:
        datasets: with tags.
        extra: see `scripts.lite.tag_material.tag_material`.
        vectors: (n, 4096) float32 unit rows of all pictures.
        held_out: rows that nothing is learned from; pictures of `extra` with the title of one are left out.
        directory: gets the files.
        recipe: see there.
        report: see `i2v_search.progress`.

    Returns:
        What ``tags-report.json`` says.

    Raises:
        TagError: no tag is frequent enough.
    """
    vocabulary = choose_vocabulary(datasets, minimum=recipe.minimum)
    material = tag_material(datasets, extra, vectors, vocabulary, recipe.unused)
    learned = material.of(_learned(datasets, extra, held_out))
    tags, left_out = learn_tags(learned, recipe, report)
    judged = material.of(np.sort(held_out))
    probabilities = tags.probabilities(judged.vectors)
    truth, known = judged.positive[:, :-1], judged.weights[:, :-1] == 1
    tags = tags.with_thresholds(best_thresholds(truth, probabilities, known))
    precision = tag_precision(truth, probabilities, known)
    document = {
        "tags": len(vocabulary),
        "attributes": int(tags.attributes.sum()),
        "shown": int((tags.least < 1).sum()),
        "pictures": {dataset.name: len(dataset) for dataset in (*datasets, *extra)},
        "learned_from": len(learned.vectors),
        "held_out_tag_map": round(precision.mean(), 4),
        "held_out_tags_above_0.4": int(np.sum(precision.average_precision[precision.counted] > 0.4)),
        "left_out_sources": judge_left_out(left_out, learned, recipe),
        "recipe": asdict(recipe),
    }
    directory.mkdir(parents=True, exist_ok=True)
    licence = "MIT; see docs/model-card.md"
    write_tensors(directory / TAG_WEIGHTS, tags.to_weights(), {"model": "lite tags", "licence": licence})
    tags.write_list(directory / TAGS, vocabulary)
    write_atomically(directory / TAG_REPORT, (json.dumps(document, indent=1) + "\n").encode())
    return document


def judge_left_out(
    left_out: LeftOut, material: TagMaterial, recipe: TagRecipe
) -> dict[str, dict[str, float]]:
    """Precision of the tags shown on sources that were left out, at thresholds from the other sources."""
    positive, found = material.positive[:, :-1], left_out.probabilities
    shown = np.zeros(found.shape, bool)
    for fold in range(recipe.folds):
        inside, outside = left_out.folds == fold, left_out.folds != fold
        least = precise_thresholds(
            found[outside], positive[outside], left_out.weights[outside], recipe.precision, recipe.support
        )
        shown[inside] = found[inside] >= least
    judged = shown & (left_out.weights == 1)
    sets = np.array([source.partition("/")[0] for source in material.sources])
    somebody = material.positive[:, -1] | (material.weights[:, -1] == 0)
    rows = {"all": np.ones(len(sets), bool)} | {name: sets == name for name in np.unique(sets).tolist()}
    return {
        name: {
            "precision": round(float((judged & positive)[own].sum() / max(judged[own].sum(), 1)), 4),
            "tags_shown": int(judged[own].sum()),
            "pictures_tagged": round(float(shown[own].any(axis=1).mean()), 4),
            "attributes_of_nobody": round(
                float(shown[own & ~somebody][:, material.attributes].any(axis=1).mean())
                if (own & ~somebody).any()
                else 0.0,
                4,
            ),
        }
        for name, own in rows.items()
    }


def _learned(
    datasets: Sequence[Dataset], extra: Sequence[Dataset], held_out: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Rows of all pictures but the held-out ones and those of the same title."""
    titles = [title for dataset in datasets for title in read_titles(dataset)]
    kept = np.ones(len(titles), bool)
    kept[held_out] = False
    seen = {frozenset(split_words(titles[row])) for row in held_out.tolist()} - {frozenset()}
    more = [frozenset(split_words(title)) not in seen for dataset in extra for title in read_titles(dataset)]
    return np.flatnonzero(np.append(kept, np.array(more, bool)))
