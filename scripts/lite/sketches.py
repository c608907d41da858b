"""Makes what `lite` takes out of the vectors of drawings: `i2v_search.encoders.lite_sketches`.

In closed form: the mean of drawings, and the directions of the largest differences between a picture and a
drawing of it, each less the mean of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_sketches import LiteSketches
from i2v_search.index.similarity import unit


@dataclass(frozen=True)
class SketchRecipe:
    """All that decides about drawings, beside the data sets.

    Attributes:
        pictures: to draw of each data set, at most.
        directions: to keep.
        ridge: added to the variance along each direction before it divides.
        seed: of all chance.
    """

    pictures: int = 1200
    directions: int = 256
    ridge: float = 3e-4
    seed: int = 0


def learn_sketches(
    pictures: NDArray[np.float32],
    drawings: NDArray[np.float32],
    recipe: SketchRecipe = SketchRecipe(),
    *,
    encoder_sha256: str,
) -> LiteSketches:
    """Find what drawings have in common, and in what they differ from their pictures.

    Args:
        pictures: (n, 4096) float32, unit rows less the mean of their source.
        drawings: (n, 4096) float32, unit rows; of the same pictures.
        recipe: settings.
        encoder_sha256: of the weights of the image encoder.
    """
    mean = drawings.mean(axis=0)
    differences = unit(pictures) - unit(drawings - mean)
    # Of a few thousand rows the smaller of the two matrices of products is theirs.
    values, lines = np.linalg.eigh(differences @ differences.T)
    order = np.argsort(-values)[: recipe.directions]
    basis = unit((differences.T @ lines[:, order]).T)
    variances = np.maximum(values[order], 0) / len(differences)
    # What is not among them varies about as little as the least of them: the rest is relative to that.
    damping = 1 - (variances[-1] + recipe.ridge) / (variances + recipe.ridge)
    scales = np.abs(basis).max(axis=1) / 127
    levels = np.rint(basis / scales[:, None]).astype(np.int8)
    lengths = np.linalg.norm(levels.astype(np.float32), axis=1)
    return LiteSketches(
        mean=mean,
        basis=levels,
        basis_scales=(1 / lengths).astype(np.float32),
        damping=damping.astype(np.float32),
        encoder=np.frombuffer(bytes.fromhex(encoder_sha256), np.uint8),
    )
