"""The vectors that `lite` gives to the pictures of data sets, kept in files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite import LiteEncoder
from i2v_search.errors import RecipeError
from i2v_search.files import replacing
from i2v_search.index.similarity import unit
from i2v_search.progress import Report, silent
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.evaluation.encoding import encode_pictures


def read_vectors(
    encoder: LiteEncoder, dataset: Dataset, cache: Path, report: Report = silent
) -> NDArray[np.float32]:
    """(n, 4096) float32 unit rows of a data set's pictures, kept in a file for another run.

    Raises:
        RecipeError: a picture cannot be read.
    """
    pictures = dataset.pictures
    named = "\n".join((encoder.info.weights_sha256, *(picture.path for picture in pictures)))
    file = cache / f"{dataset.name}-{hashlib.sha256(named.encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        paths = [picture.path for picture in pictures]
        found = encode_pictures(encoder, paths, lambda n: dataset.read(pictures[n]), report=report)
        if found.skipped:
            raise RecipeError(f"{dataset.name}: {found.skipped[0].path}: {found.skipped[0].reason}")
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary, temporary.open("wb") as opened:
            np.save(opened, unit(found.vectors).astype(np.float16))
    return unit(np.load(file).astype(np.float32))
