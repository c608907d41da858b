"""Learns the tags of `lite` from its vectors: `i2v_search.encoders.lite_tags` computes them.

A ridge regression in the principal directions of the vectors gives each tag a score. Attributes of persons
(hair, eyes, an expression) are learned only from pictures that show a person or a face, and one score more
tells which do. What a score is worth is measured on *sources* that nothing was learned from, a publisher's
emoji, a style of characters, a set of icons, because pictures of the same source flatter: there the
probabilities are fitted, and the least probability at which a tag is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from i2v_search.encoders.lite_tags import LiteTags
from i2v_search.progress import Progress, Report, silent
from i2v_search.tags.vocabulary import TAG_THRESHOLD

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Of a picture and a tag, from which probabilities are fitted.
PAIRS = 1_000_000


@dataclass(frozen=True)
class TagRecipe:
    """All that decides about the tags, beside the data sets.

    Attributes:
        minimum: pictures that must have a tag.
        directions: principal directions of the vectors that scores are computed in.
        sample: pictures that the directions are found from.
        ridge: added to the variance of every direction, in units of the mean squared length.
        unused: what the absence of a tag weighs where the whole source never uses it: nobody looked for a hat
            in icons, but most show none.
        centres: of the training pictures, which tell how far a picture is from all of them.
        familiar: share of the left-out pictures that are no further; beyond, nothing was measured.
        distrust: taken off every logit for each unit of squared distance beyond.
        folds: into which the sources are divided; each is left out once.
        precision: of the pictures of left-out sources with a tag at its threshold, the share that must have
            it.
        support: pictures of left-out sources that must be right before a tag is shown at all.
        seed: of all chance.
    """

    minimum: int = 30
    directions: int = 384
    sample: int = 2000
    ridge: float = 4e-4
    unused: float = 0.1
    centres: int = 64
    familiar: float = 0.95
    distrust: float = 20.0
    folds: int = 3
    precision: float = 0.8
    support: int = 5
    seed: int = 0


@dataclass(frozen=True)
class TagMaterial:
    """What tags are learned from: n pictures, t tags; the person is one more, the last.

    Attributes:
        vectors: (n, 4096) float32 unit rows.
        positive: (n, t + 1) bool.
        weights: (n, t + 1) float32, what a tag of a picture weighs; 0 where nobody knows.
        attributes: (t,) bool, tags that only a person or a face can have.
        sources: (n,) str.
    """

    vectors: Floats
    positive: Bools
    weights: Floats
    attributes: Bools
    sources: NDArray[np.str_]

    def of(self, rows: NDArray[np.int64]) -> TagMaterial:
        """Some of the pictures."""
        return TagMaterial(
            self.vectors[rows], self.positive[rows], self.weights[rows], self.attributes, self.sources[rows]
        )


@dataclass(frozen=True)
class LeftOut:
    """What heads say of pictures of sources that they never learned from, calibrated.

    Attributes:
        probabilities: (n, t) float32.
        folds: (n,) int64, which head spoke.
        weights: (n, t) float32, as for learning, but an attribute is absent where nobody is.
    """

    probabilities: Floats
    folds: NDArray[np.int64]
    weights: Floats


def learn_tags(
    material: TagMaterial, recipe: TagRecipe = TagRecipe(), report: Report = silent
) -> tuple[LiteTags, LeftOut]:
    """Learn the tags, and on left-out sources what their scores are worth.

    Returns:
        The tags, their F-score thresholds still `TAG_THRESHOLD`, and what was said of left-out sources.
    """
    space = _Space.of(material.vectors, recipe)
    places, lengths = space.places(material.vectors)
    conditional = material.weights.copy()
    nobody = ~(material.positive[:, -1] & (material.weights[:, -1] > 0))
    conditional[np.ix_(nobody, np.flatnonzero(material.attributes))] = 0
    folds = fold_of(material.sources, recipe.folds)
    sums = _Sums.of(places, material.positive, conditional, folds, recipe)
    scores = np.empty(material.positive.shape, np.float32)
    distances = np.empty(len(places), np.float32)
    for fold in range(recipe.folds):
        report(Progress("learning the tags", fold, recipe.folds + 1))
        left, learned = folds == fold, folds != fold
        scores[left] = _with_one(places[left]) @ sums.solve(fold).T
        centres = _centres(places[learned], recipe)
        distances[left] = _distances(places[left], lengths[left], centres)
    report(Progress("learning the tags", recipe.folds, recipe.folds + 1))
    weights, centres = sums.solve(None), _centres(places, recipe)
    report(Progress("learning the tags", recipe.folds + 1, recipe.folds + 1))
    near = float(np.quantile(distances, recipe.familiar))
    far = recipe.distrust * np.maximum(distances - near, 0)
    groups = np.append(np.where(material.attributes, 1, 0), 2)
    calibrations = [
        _calibrate(scores[:, own], material.positive[:, own], conditional[:, own], sums.shares[own])
        for own in (np.flatnonzero(groups == group) for group in range(3))
    ]
    scale, shift, prior = np.array(calibrations)[groups].T
    bias = shift + prior * sums.shares
    logits = scores * scale + bias - far[:, None]
    found = _sigmoid(logits)
    found[:, :-1][:, material.attributes] *= found[:, -1:]
    known = material.weights[:, :-1].copy()
    absent = nobody & (material.weights[:, -1] > 0)
    known[np.ix_(absent, np.flatnonzero(material.attributes))] = 1
    left_out = LeftOut(found[:, :-1].astype(np.float32), folds, known)
    least = precise_thresholds(
        left_out.probabilities, material.positive[:, :-1], left_out.weights, recipe.precision, recipe.support
    )
    rows = weights[:, :-1] * scale[:, None]
    return (
        LiteTags(
            weight=(rows @ space.directions).astype(np.float32),
            bias=(weights[:, -1] * scale + bias - rows @ (space.directions @ space.mean)).astype(np.float32),
            centres=(centres @ space.directions + space.mean).astype(np.float32),
            near=np.array([near], np.float32),
            distrust=np.array([recipe.distrust], np.float32),
            attributes=material.attributes,
            least=least,
            thresholds=np.full((len(least), 3), TAG_THRESHOLD, np.float32),
        ),
        left_out,
    )


def fold_of(sources: NDArray[np.str_], folds: int) -> NDArray[np.int64]:
    """The fold of each picture: sources in order of their names, one after the other; single pictures, where
    there are fewer sources than folds.

    Example:
        >>> fold_of(np.array(["emoji/b", "emoji/a", "emoji/b", "icons/a"]), 2).tolist()
        [1, 0, 1, 0]
    """
    names, numbers = np.unique(sources, return_inverse=True)
    return np.asarray((numbers if len(names) >= folds else np.arange(len(sources))) % folds, np.int64)


def precise_thresholds(
    probabilities: Floats, positive: Bools, weights: Floats, precision: float, support: int
) -> Floats:
    """The least probability of each tag from which on enough of the pictures have it; at least
    `TAG_THRESHOLD`, and 1, which no picture reaches, where there is none.

    Args:
        probabilities: (n, t).
        positive: (n, t).
        weights: (n, t), 0 where nobody knows.
        precision: share that must have the tag.
        support: how many pictures at least must have it.

    Returns:
        (t,) float32.

    Example:
        >>> found = np.array([[0.9], [0.8], [0.4], [0.3]], np.float32)
        >>> has = np.array([[True], [True], [False], [True]])
        >>> precise_thresholds(found, has, np.ones((4, 1), np.float32), 0.9, 2).tolist()
        [0.800000011920929]
    """
    least = np.ones(probabilities.shape[1], np.float32)
    for tag in range(len(least)):
        rows = np.flatnonzero((weights[:, tag] > 0) & (probabilities[:, tag] >= TAG_THRESHOLD))
        rows = rows[np.argsort(-probabilities[rows, tag], kind="stable")]
        right = positive[rows, tag]
        found = np.cumsum(right)
        taken = np.cumsum(np.where(right, 1, weights[rows, tag]))
        good = np.flatnonzero((found >= precision * taken) & (found >= support) & right)
        if len(good):
            least[tag] = probabilities[rows[good[-1]], tag]
    return least


@dataclass(frozen=True)
class _Space:
    """The principal directions (d, 4096) of vectors about their mean (4096,)."""

    mean: Floats
    directions: Floats

    @classmethod
    def of(cls, vectors: Floats, recipe: TagRecipe) -> _Space:
        random = np.random.default_rng(recipe.seed)
        mean = vectors.mean(axis=0)
        rows = random.choice(len(vectors), min(recipe.sample, len(vectors)), replace=False)
        centred = vectors[np.sort(rows)] - mean
        values, inner = np.linalg.eigh(centred @ centred.T)
        kept = min(recipe.directions, int((values > 1e-4 * values[-1]).sum()))
        directions = (centred.T @ inner[:, -kept:] / np.sqrt(values[-kept:])).T
        return cls(mean, np.ascontiguousarray(directions, np.float32))

    def places(self, vectors: Floats) -> tuple[Floats, Floats]:
        """(n, 4096) -> (n, d) in the directions, and (n,) the squared lengths of what is not in them."""
        places = vectors @ self.directions.T - self.directions @ self.mean
        whole = np.square(vectors - self.mean).sum(axis=1)
        return places, np.maximum(whole - np.square(places).sum(axis=1), 0)


@dataclass(frozen=True)
class _Sums:
    """Sums of squares over the pictures of the same weights and fold: a fold is left out by not adding its.

    Attributes:
        squares: (u, d + 1, d + 1).
        totals: (u, d + 1).
        weights: (u, t).
        folds: (u,).
        shares: (t,), the logit of how many of the pictures have each tag.
    """

    squares: Floats
    totals: Floats
    weights: Floats
    folds: NDArray[np.int64]
    counts: NDArray[np.int64]
    positives: Sequence[tuple[Floats, Floats, NDArray[np.int64]]]
    ridge: float
    shares: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        places: Floats,
        positive: Bools,
        weights: Floats,
        folds: NDArray[np.int64],
        recipe: TagRecipe,
    ) -> _Sums:
        rows = _with_one(places)
        lottery = np.random.default_rng(recipe.seed).random(weights.shape[1])
        kinds, kind_of = np.unique(weights @ lottery + 1e6 * folds, return_inverse=True)
        order = np.argsort(kind_of, kind="stable")
        parts = np.split(order, np.searchsorted(kind_of[order], np.arange(1, len(kinds))))
        has = [np.flatnonzero(positive[:, tag] & (weights[:, tag] > 0)) for tag in range(positive.shape[1])]
        share = np.clip((positive * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1), 1e-4, 0.5)
        return cls(
            squares=np.stack([rows[part].T @ rows[part] for part in parts]),
            totals=np.stack([rows[part].sum(axis=0) for part in parts]),
            weights=np.stack([weights[part[0]] for part in parts]),
            folds=np.array([folds[part[0]] for part in parts]),
            counts=np.array([len(part) for part in parts]),
            positives=[(rows[own], weights[own, tag], folds[own]) for tag, own in enumerate(has)],
            ridge=recipe.ridge * float(np.square(places).sum(axis=1).mean()),
            shares=np.log(share / (1 - share)),
        )

    def solve(self, left_out: int | None) -> Floats:
        """(t, d + 1): for each tag the ridge regression to 1 and -1 from all folds but one.

        Pictures that have a tag weigh more, by the square root of how rare they are.
        """
        used = self.folds != left_out
        size = self.squares.shape[1]
        alike, kinds = np.unique(self.weights[used], axis=1, return_inverse=True)
        squared = alike.T @ self.squares[used].reshape(-1, size * size)
        inner = np.arange(size - 1)
        found = np.zeros((self.weights.shape[1], size), np.float32)
        for tag, (rows, own, folds) in enumerate(self.positives):
            kept = folds != left_out
            weights = self.weights[used, tag]
            total, having = float(weights @ self.counts[used]), float(own[kept].sum())
            if not having or having >= total:
                continue
            more = np.sqrt(total / having - 1)
            weighted = rows[kept] * own[kept, None]
            squares = squared[kinds[tag]].reshape(size, size) + more * (weighted.T @ rows[kept])
            sums = (2 + more) * weighted.sum(axis=0) - weights @ self.totals[used]
            squares[inner, inner] += self.ridge * (total + more * having)
            found[tag] = solve(squares, sums, assume_a="pos", check_finite=False)
        return found


def _with_one(places: Floats) -> Floats:
    return np.hstack([places, np.ones((len(places), 1), np.float32)])


def _centres(places: Floats, recipe: TagRecipe) -> Floats:
    """Centres of the pictures by Lloyd's algorithm from a random start, (k, d)."""
    random = np.random.default_rng(recipe.seed)
    count = min(recipe.centres, len(places))
    places = places[random.choice(len(places), min(8000, len(places)), replace=False)]
    centres = places[random.choice(len(places), min(count, len(places)), replace=False)]
    for _ in range(10):
        nearest = np.argmax(places @ centres.T - np.square(centres).sum(axis=1) / 2, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, places)
        held = np.bincount(nearest, minlength=len(centres))
        centres = np.where(held[:, None] > 0, sums / np.maximum(held, 1)[:, None], centres)
    return np.asarray(centres, np.float32)


def _distances(places: Floats, lengths: Floats, centres: Floats) -> Floats:
    """(n,) squared distances of vectors to the nearest centre."""
    products = places @ centres.T - np.square(centres).sum(axis=1) / 2
    return np.asarray(lengths + np.square(places).sum(axis=1) - 2 * products.max(axis=1), np.float32)


def _calibrate(
    scores: Floats, positive: Bools, weights: Floats, shares: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Logistic regression of a group of tags on left-out sources, by Newton's method.

    Returns:
        What a score, 1, and the logit of a tag's share are multiplied by.
    """
    rows, tags = np.nonzero(weights)
    apart = max(1, len(rows) // PAIRS)
    rows, tags = rows[::apart], tags[::apart]
    inputs = np.stack([scores[rows, tags], np.ones(len(rows)), shares[tags]], axis=1).astype(np.float64)
    wanted, weight = positive[rows, tags].astype(np.float64), weights[rows, tags].astype(np.float64)
    factors = np.zeros(3)
    for _ in range(12):
        probability = _sigmoid(inputs @ factors)
        curve = weight * probability * (1 - probability)
        hessian = (inputs * curve[:, None]).T @ inputs + 1e-3 * np.eye(3)
        factors += np.linalg.solve(hessian, inputs.T @ (weight * (wanted - probability)) - 1e-3 * factors)
    return float(factors[0]), float(factors[1]), float(factors[2])


def _sigmoid(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))
