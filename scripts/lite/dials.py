"""Makes what tells subject from style in vectors of `lite`: `i2v_search.encoders.lite_dials`.

In closed form, from drawings of the same things by several vendors. What varies within a thing, over the
vendors, is style: a search by subject damps it. What varies within a vendor, over the things, is subject: a
search by style damps it. Both are within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.index.similarity import Similarity, unit


@dataclass(frozen=True)
class DialsRecipe:
    """All that decides about the dials, beside the data sets.

    Attributes:
        components: principal directions that are looked at; what lies beside them stays as it is.
        directions: to keep, of each kind.
        style_ridge: added to the variance of style along each direction before it divides, as a share of the
            largest.
        subject_ridge: the same of the variance of subject.
        pictures: of a vendor of the further data sets, at most.
    """

    components: int = 768
    directions: int = 256
    style_ridge: float = 0.3
    subject_ridge: float = 0.003
    pictures: int = 200


def standardised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) unit rows as a collection of them compares them."""
    fitted = Similarity.of_rows("standardised", [rows], len(rows), rows.shape[1])
    return fitted.embed(rows)


def learn_dials(
    rows: NDArray[np.float32],
    vendors: NDArray[np.str_],
    things: NDArray[np.str_],
    recipe: DialsRecipe = DialsRecipe(),
    *,
    encoder_sha256: str,
) -> LiteDials:
    """Find what tells subject from style.

    Args:
        rows: (n, 4096) float32, compared standardised.
        vendors: (n,) who drew each.
        things: (n,) what each shows; the same for several vendors.
        recipe: settings.
        encoder_sha256: of the weights of the image encoder.
    """
    centred = rows - rows.mean(axis=0)
    components = _components(centred, min(recipe.components, len(rows) - 1))
    seen = (centred @ components.T).astype(np.float64)
    style_basis, style_scales, style_damping = _damped(
        _covariance(apart_within(seen, things, alike=False)),
        components,
        recipe.directions,
        recipe.style_ridge,
    )
    subject_basis, subject_scales, subject_damping = _damped(
        _covariance(apart_within(seen, vendors, alike=True)),
        components,
        recipe.directions,
        recipe.subject_ridge,
    )
    return LiteDials(
        style_basis=style_basis,
        style_scales=style_scales,
        style_damping=style_damping,
        subject_basis=subject_basis,
        subject_scales=subject_scales,
        subject_damping=subject_damping,
        encoder=np.frombuffer(bytes.fromhex(encoder_sha256), np.uint8),
    )


def apart_within(rows: NDArray[np.float64], names: NDArray[np.str_], *, alike: bool) -> NDArray[np.float64]:
    """Rows less the mean of those of their name, without those that are alone.

    Args:
        rows: (n, r).
        names: (n,).
        alike: names weigh alike, however many rows they have; else rows do, and few of a name are corrected
            for the mean being theirs.
    """
    _, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, numbers, rows)
    apart = rows - (sums / counts[:, None])[numbers]
    weights = len(rows) / len(counts) / counts if alike else counts / np.maximum(counts - 1, 1)
    return np.asarray((apart * np.sqrt(weights)[numbers, None])[counts[numbers] > 1])


def _components(centred: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(count, d) float32: the principal directions of rows, by the smaller of both matrices of products."""
    few = len(centred) < centred.shape[1]
    products = centred @ centred.T if few else centred.T @ centred
    last = len(products) - 1
    _, found = eigh(products, subset_by_index=(last - count + 1, last))
    directions = found[:, ::-1].T
    return unit(directions @ centred) if few else np.ascontiguousarray(directions)


def _damped(
    covariance: NDArray[np.floating], components: NDArray[np.float32], count: int, ridge: float
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """The directions of the largest variances, in 8 bits with scales, and what is taken away of each."""
    values, vectors = np.linalg.eigh(covariance)
    variances = np.maximum(values[::-1][:count], 0)
    added = max(ridge * variances[0], 1e-12)
    # What is not among them varies about as little as the least of them: the rest is relative to that.
    damping = 1 - (variances[-1] + added) / (variances + added)
    basis = unit((vectors[:, ::-1][:, :count].T @ components).astype(np.float32))
    basis *= np.sign(basis[np.arange(len(basis)), np.abs(basis).argmax(axis=1)])[:, None]
    levels = np.rint(basis / (np.abs(basis).max(axis=1) / 127)[:, None]).astype(np.int8)
    lengths = np.linalg.norm(levels.astype(np.float32), axis=1)
    return levels, (1 / lengths).astype(np.float32), damping.astype(np.float32)


def _covariance(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(rows.T @ rows / max(1, len(rows)))
