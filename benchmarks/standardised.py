"""How the vectors of the default encoder are best compared: standardised, and what else was tried.

``python -m benchmarks.standardised [sources] [levers] [small]``

Needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``): pictures held out when `lite` was trained,
and the icons of every publisher, from which it never learned. Further data sets that nothing was learned from
are named in ``$I2V_SEARCH_UNSEEN``, apart by ``:``. Vectors are encoded once, into ``data/vectors``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import run_parts, table
from i2v_search.choices import SimilarityName
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.index.similarity import LEAST_DEVIATION, unit
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.intervals import relative_gain
from i2v_search.training.evaluation.metrics import ranked_average_precision, ranked_precision
from i2v_search.training.evaluation.retrieval import first_of_each, fit_similarity
from scripts.lite.lite import LiteRecipe
from scripts.lite.vectors import read_vectors

LEARNED = ("openclipart", "emoji", "characters")
#: Icon sets with fewer pictures say little, and so do words that more than a share of a set's titles have.
LEAST_ICONS, COMMON = 300, 0.05
STOP_WORDS = frozenset({"px", "alt", "the", "and", "of", "with", "in", "on", "an", "to", "for", "from"})
BOTH: tuple[SimilarityName, ...] = ("centred", "standardised")
QUERIES = 500
#: Components of more rows take too long.
FEW = 2000
SMALL, DRAWS = (25, 50, 100), 4

_Rows = NDArray[np.float32]


class _Source(NamedTuple):
    """Pictures as a collection of their own.

    Attributes:
        name: of the data set.
        rows: (n, 4096) float32 unit rows.
        marks: (n, m) bool; pictures that share one are relevant to one another.
        queries: rows that are queries.
    """

    name: str
    rows: _Rows
    marks: NDArray[np.bool_]
    queries: NDArray[np.int64]


def sources_part(command: str) -> str:
    """Every source by itself, centred and standardised."""
    lines, gains = [], []
    for source in _sources():
        before, after = (_judge(source, _embedded(name)) for name in BOTH)
        gain = [relative_gain(after[:, column], before[:, column]) for column in (1, 0)]
        gains.append([one.value for one in gain])
        cells = [f"{one[:, 0].mean():.3f} / {one[:, 1].mean():.3f}" for one in (before, after)]
        shown = [f"{one.value:+.1%} ({one.low:+.1%}..{one.high:+.1%})" for one in gain]
        lines.append((f"{source.name}, {len(source.rows)}", str(len(source.queries)), *cells, *shown))
    of_map, of_ten = np.array(gains).T
    header = ("pictures", "queries", "centred P@10 / mAP", "standardised", "mAP, gain", "P@10, gain")
    return (
        f"Mean of the gains: mAP {of_map.mean():+.1%} (least {of_map.min():+.1%}), P@10 {of_ten.mean():+.1%} "
        f"(least {of_ten.min():+.1%}). Of {', '.join(LEARNED)} only pictures that were held out; of the rest "
        "nothing was learned. Relevant: the same label; of icons a word of the title; of all icons together "
        f"the same title. Gains with 95 % intervals over the queries; {command}\n\n" + table(header, lines)
    )


def levers_part(command: str) -> str:
    """What was tried, each alone: the mean and the least of its gains over the sources."""
    tried: dict[str, Callable[[_Source], _Rows]] = {
        "standardised": _embedded("standardised"),
        **{
            f"deviations to the power of {power}, at least {least}": _scaled(power, least)
            for power in (1.0, 1.25, 1.5)
            for least in (0.05, LEAST_DEVIATION, 0.2)
        },
        "the code weighs 1.5 as much": lambda source: unit(_less_mean(source) * _halves(1, 1.5)),
        "signed square root": lambda source: _rooted(_less_mean(source)),
        "without the first component": _without_first,
        "whitened, power 0.5, ridge 1 % of the variance": _whitened(0.5, 0.01),
        "whitened, power 1, ridge 1 % of the variance": _whitened(1, 0.01),
    }
    hubs = {f"less {share} of a row's similarity to its nearest 40": share for share in (0.25, 0.5, 1.0)}
    sources = [source for source in _sources() if len(source.rows) < FEW]
    base = [_judge(source, _embedded("centred"))[:, 1].mean() for source in sources]
    lines = []
    for name, embed in tried.items():
        lines.append((name, *_summary([_judge(source, embed)[:, 1].mean() for source in sources], base)))
    for name, share in hubs.items():
        for start in BOTH:
            found = [_judge(source, _embedded(start), share)[:, 1].mean() for source in sources]
            lines.append((f"{start}, {name}", *_summary(found, base)))
    header = ("compared", "mAP, mean gain over centred", "least", "sources that lose")
    return f"{len(sources)} sources, each a collection of its own; {command}\n\n" + table(header, lines)


def small_part(command: str) -> str:
    """Few pictures of a source as a collection."""
    random, lines = np.random.default_rng(0), []
    for count in SMALL:
        gains = []
        for source in _sources():
            # Of the most frequent marks, so that some pictures are relevant to others.
            frequent = np.argsort(-source.marks.sum(axis=0), kind="stable")[:12]
            pool = np.flatnonzero(source.marks[:, frequent].any(axis=1))
            if len(pool) < count:
                continue
            found = np.zeros(2)
            for _ in range(DRAWS):
                chosen = random.choice(pool, count, replace=False)
                marks = source.marks[chosen]
                shared = (marks.astype(int) @ marks.T.astype(int)).sum(axis=1) > marks.sum(axis=1)
                part = _Source(source.name, source.rows[chosen], marks, np.flatnonzero(shared))
                found += [_judge(part, _embedded(name))[:, 1].mean() for name in BOTH]
            gains.append(found[1] / found[0] - 1)
        lines.append((str(count), *_summary(np.array(gains) + 1, np.ones(len(gains)))))
    header = ("pictures", "mAP, mean gain", "least", "sources that lose")
    return f"{DRAWS} draws of each source; {command}\n\n" + table(header, lines)


def _summary(
    found: Sequence[float] | NDArray[np.float64], base: Sequence[float] | NDArray[np.float64]
) -> tuple[str, ...]:
    gains = np.array(found) / np.array(base) - 1
    return f"{gains.mean():+.1%}", f"{gains.min():+.1%}", f"{np.sum(gains < 0)} of {len(gains)}"


def _judge(source: _Source, embed: Callable[[_Source], _Rows], hubs: float = 0) -> NDArray[np.float64]:
    """(q, 2): precision at 10 and average precision of each query."""
    rows, found = embed(source), np.empty((len(source.queries), 2))
    less = np.float32(hubs) * _nearness(rows) if hubs else np.float32(0)
    scores = rows[source.queries] @ rows.T - less
    for place, query in enumerate(source.queries.tolist()):
        relevant = np.asarray(source.marks[:, source.marks[query]].any(axis=1))
        others = np.sort(np.delete(scores[place], query))
        relevant[query] = False
        wanted = np.sort(scores[place][relevant])
        found[place] = ranked_precision(others, wanted, 10), ranked_average_precision(others, wanted)
    return found


def _nearness(rows: _Rows, k: int = 40) -> _Rows:
    """(n,) the mean similarity of each row to the k nearest others."""
    scores = rows @ rows.T
    np.fill_diagonal(scores, -np.inf)
    k = min(k, len(rows) - 1)
    return np.asarray(np.partition(scores, len(rows) - k, axis=1)[:, -k:].mean(axis=1))


def _embedded(name: SimilarityName) -> Callable[[_Source], _Rows]:
    return lambda source: fit_similarity(name, source.rows).embed(source.rows)


def _less_mean(source: _Source) -> _Rows:
    return np.asarray(source.rows - source.rows.mean(axis=0))


def _scaled(power: float, least: float) -> Callable[[_Source], _Rows]:
    def embed(source: _Source) -> _Rows:
        rows = _less_mean(source)
        deviations = rows.std(axis=0)
        return unit(rows / np.maximum(deviations, least * np.sqrt(np.mean(deviations**2))) ** power)

    return embed


def _halves(geometry: float, code: float) -> _Rows:
    return np.repeat(np.array([geometry, code], np.float32), 2048)


def _rooted(rows: _Rows) -> _Rows:
    return unit(np.sign(rows) * np.sqrt(np.abs(rows)))


def _without_first(source: _Source) -> _Rows:
    rows = _less_mean(source)
    _, sides = np.linalg.eigh(rows @ rows.T)
    return unit(rows - np.outer(sides[:, -1], sides[:, -1] @ rows))


def _whitened(power: float, ridge: float) -> Callable[[_Source], _Rows]:
    """Components divided by a power of their variance, a share of the whole added to it."""

    def embed(source: _Source) -> _Rows:
        rows = _less_mean(source)
        variances, sides = np.linalg.eigh(rows @ rows.T)
        variances = np.maximum(variances, 0)
        damped = variances + ridge * variances.sum()
        return unit((sides * np.sqrt(variances / damped**power)).astype(np.float32))

    return embed


@cache
def _sources() -> tuple[_Source, ...]:
    return tuple(_all_sources())


def _all_sources() -> Iterator[_Source]:
    data, encoder = Path(os.environ.get("I2V_SEARCH_DATA", "data")), LiteEncoder()
    recipe = LiteRecipe()
    for folder in filter(None, os.environ.get("I2V_SEARCH_UNSEEN", "").split(":")):
        dataset = read_dataset(folder)
        labels = [{picture.label} - {""} for picture in dataset.pictures]
        rows = read_vectors(encoder, dataset, data / "vectors")
        yield _source(dataset.name, dataset, np.arange(len(dataset)), rows, labels)
    icons = read_dataset(data / "icons")
    rows, titles = read_vectors(encoder, icons, data / "vectors"), _titles(icons)
    makers = np.array([picture.path.split("/")[0] for picture in icons.pictures])
    for maker in np.unique(makers):
        chosen = np.flatnonzero(makers == maker)
        if len(chosen) >= LEAST_ICONS:
            words = dict(zip(chosen.tolist(), _words([titles[row] for row in chosen]), strict=True))
            yield _source(f"icons of {maker}", icons, chosen, rows, words)
    yield _source("all icons", icons, np.arange(len(icons)), rows, [{title} for title in titles])
    learned = [read_dataset(data / name) for name in LEARNED]
    held_out, first = split(learned, validation=recipe.validation, seed=recipe.seed).validation, 0
    for dataset in learned:
        chosen = held_out[(held_out >= first) & (held_out < first + len(dataset))] - first
        labels = [{picture.label} - {""} for picture in dataset.pictures]
        rows = read_vectors(encoder, dataset, data / "vectors")
        yield _source(dataset.name, dataset, chosen, rows, labels)
        first += len(dataset)


def _source(
    name: str,
    dataset: Dataset,
    chosen: NDArray[np.int64],
    rows: _Rows,
    marks: Sequence[set[str]] | Mapping[int, set[str]],
) -> _Source:
    """Some pictures of a data set, the first of each content, and at most `QUERIES` of them as queries."""
    contents = [hashlib.sha256(dataset.read(dataset.pictures[row])).hexdigest() for row in chosen]
    kept = chosen[first_of_each(contents)]
    counts = Counter(mark for row in kept.tolist() for mark in marks[row])
    numbers = {
        mark: number for number, mark in enumerate(sorted(m for m, count in counts.items() if count > 1))
    }
    shared = np.zeros((len(kept), len(numbers)), bool)
    for place, row in enumerate(kept.tolist()):
        shared[place, [numbers[mark] for mark in marks[row] if mark in numbers]] = True
    queries = np.flatnonzero(shared.any(axis=1))
    if len(queries) > QUERIES:
        queries = np.sort(np.random.default_rng(0).choice(queries, QUERIES, replace=False))
    return _Source(name, rows[kept], shared, queries)


def _titles(dataset: Dataset) -> list[str]:
    lines = (dataset.root / FILE_NAME).read_text("utf-8").splitlines()
    known = {entry["path"]: entry["title"] for entry in map(json.loads, lines)}
    return [known[picture.path] for picture in dataset.pictures]


def _words(titles: Sequence[str]) -> list[set[str]]:
    """Words of titles, without those that say little."""
    found = [
        {word for word in re.findall("[a-z]{2,}", title.lower()) if word not in STOP_WORDS}
        for title in titles
    ]
    counts = Counter(word for words in found for word in words)
    return [{word for word in words if counts[word] <= COMMON * len(titles)} for words in found]


if __name__ == "__main__":
    run_parts(
        "standardised",
        ("numpy",),
        {"sources": sources_part, "levers": levers_part, "small": small_part},
    )
