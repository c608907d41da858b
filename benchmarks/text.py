"""Words with the default encoder: do they find what they name, in several languages, and what do they cost?

``python -m benchmarks.text [concepts] [labels] [cost]``

``concepts`` needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``) and the names of emoji, a file
``$I2V_SEARCH_NAMES`` as ``npm pack emojibase-data`` gives it: only the emoji that neither `lite` nor its
words were learned from are searched. ``labels`` needs data sets that nothing was learned from, in
``$I2V_SEARCH_UNSEEN``, apart by ``:``, with titles or labels in their ``tags.jsonl``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import interleave, run_parts, table
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_text import LiteText
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.index.similarity import unit
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.encoding import encode_pictures
from scripts.lite.lite import LiteRecipe
from scripts.lite.phrases import read_emoji_names, read_titled

LANGUAGES = ("en", "ja", "de", "fr", "es", "it", "pt", "ru", "zh", "ko", "pl", "nl", "sv", "fi", "uk")
#: Pictures that a label must have to be a query, as often as precision at 10 looks at.
LEAST = 10
PHRASES = (
    "a red dragon",
    "eine Katze auf dem Dach",
    "ドラゴンと騎士",
    "two people dancing in the rain at night",
)
ROUNDS = 25


def concepts_part(command: str) -> str:
    """Names of held-out emoji as queries among their drawings."""
    folder = Path(os.environ.get("I2V_SEARCH_DATA", "data")) / "emoji"
    emoji = read_emoji_names(Path(os.environ["I2V_SEARCH_NAMES"]))
    pictures, recipe = read_titled(folder, emoji), LiteRecipe()
    dataset = read_dataset(folder)
    chosen = split([dataset], validation=recipe.validation, seed=recipe.seed).validation
    vectors = _centred(dataset, chosen)
    concepts = np.array([pictures[row].concept for row in chosen])
    text, rows = LiteText.load(), []
    for language in LANGUAGES:
        codes = [code for code in np.unique(concepts) if language in emoji.get(code, {})]
        wanted = text.encode_text([emoji[code][language].title for code in codes])
        found = concepts[np.argsort(-(wanted @ vectors.T), axis=1, kind="stable")[:, :10]]
        right = found == np.array(codes)[:, None]
        rows.append(
            (language, str(len(codes)), f"{right[:, 0].mean():.3f}", f"{right.any(axis=1).mean():.3f}")
        )
    return (
        f"Names of emoji that nothing was learned from, among {len(chosen)} drawings of them, several of "
        f"each; centred by their mean; {command}\n\n" + table(("language", "names", "R@1", "R@10"), rows)
    )


def labels_part(command: str) -> str:
    """Titles, and labels against pictures as queries, on sets that nothing was learned from."""
    text, rows = LiteText.load(), []
    for folder in filter(None, os.environ.get("I2V_SEARCH_UNSEEN", "").split(":")):
        dataset = read_dataset(folder)
        vectors = _centred(dataset, np.arange(len(dataset)))
        entries = map(json.loads, (Path(folder) / FILE_NAME).read_text("utf-8").splitlines())
        titles = [entry.get("title") or "" for entry in entries]
        named = [row for row, title in enumerate(titles) if title]
        at = _recall(text.encode_text([titles[row] for row in named]) @ vectors.T, np.array(named))
        labels = np.array([picture.label for picture in dataset.pictures])
        counted = [label for label in np.unique(labels) if label and (labels == label).sum() > LEAST]
        alike = vectors @ vectors.T
        np.fill_diagonal(alike, -np.inf)
        by_picture = np.mean([_precision(alike[labels == label], labels, label) for label in counted])
        by_text = np.mean(
            [_precision(text.encode_text([label]) @ vectors.T, labels, label) for label in counted]
        )
        cells = (f"{len(dataset)}", f"{at[0]:.3f}", f"{at[1]:.3f}", f"{len(counted)}")
        rows.append((dataset.name, *cells, f"{by_text:.3f}", f"{by_picture:.3f}"))
    header = ("set", "pictures", "title R@1", "R@10", "labels", "label as query, P@10", "a picture, P@10")
    return f"Sets that nothing was learned from; {command}\n\n" + table(header, rows)


def cost_part(command: str) -> str:
    """Time of a phrase, and memory of a process that knows words."""
    text = LiteText.load()
    timings = interleave({phrase: _encoding(text, phrase) for phrase in PHRASES}, ROUNDS, least=0.02)
    rows = [(phrase, timings.spread(phrase).duration) for phrase in PHRASES]
    memory = [_memory(statement) for statement in ("LiteText", "LiteText.load().encode_text(['dog'])")]
    more = (memory[1] - memory[0]) / 2**20
    return f"A phrase, and memory of a process: {more:.0f} MiB more with words; {command}\n\n" + table(
        ("phrase", "time"), rows
    )


def _encoding(text: LiteText, phrase: str) -> Callable[[], object]:
    return lambda: text.encode_text([phrase])


def _memory(statement: str) -> int:
    """Highest resident bytes of a new process that runs a statement; 0 where the system does not say."""
    code = (
        "from benchmarks.processes import memory; from i2v_search.encoders.lite_text import LiteText; "
        f"{statement}; print(memory().get('VmHWM', 0))"
    )
    return int(subprocess.check_output([sys.executable, "-c", code], text=True))


def _centred(dataset: Dataset, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit rows of some pictures, less their mean, as a collection of them compares."""
    pictures = [dataset.pictures[row] for row in chosen]
    found = encode_pictures(
        LiteEncoder(), [one.path for one in pictures], lambda n: dataset.read(pictures[n])
    )
    rows = unit(found.vectors)
    return unit(rows - rows.mean(axis=0))


def _recall(scores: NDArray[np.float32], own: NDArray[np.int64]) -> tuple[float, float]:
    better = (scores > scores[np.arange(len(own)), own][:, None]).sum(axis=1)
    return float((better < 1).mean()), float((better < 10).mean())


def _precision(scores: NDArray[np.float32], labels: NDArray[np.str_], label: str) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float((labels[best] == label).mean())


if __name__ == "__main__":
    run_parts("text", ("numpy",), {"concepts": concepts_part, "labels": labels_part, "cost": cost_part})
