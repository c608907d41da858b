"""Make the projection of rendered lines again: `make lite` runs this after the words of `lite`.

Takes about four minutes on two idle cores, nearly all of it to encode the pictures of emoji, as they are and
drawn in lines. The same data set, packages and processor give the same bytes.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import eigh

from i2v_search.cli.bars import progress
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import model_folder
from i2v_search.encoders.lite_text import LiteText
from i2v_search.encoders.lite_views import SIZE, VIEWS, unit_directions
from i2v_search.encoders.tensors import write_tensors
from i2v_search.errors import RecipeError
from i2v_search.images.lines import render_lines
from i2v_search.index.similarity import unit
from i2v_search.progress import Report
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.encoding import encode_pictures
from scripts.lite.lite import LiteRecipe

#: What is added to the variance within, of each direction, as a share of their mean.
DAMPING = 0.1


class LinesEncoder(LiteEncoder):
    """`lite`, which sees the rendered lines of a picture in its place."""

    shrink_to = 2 * (LiteEncoder.shrink_to or 0)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Draw a picture in lines, and prepare that."""
        return super().prepare(render_lines(image))


def main() -> None:
    """Parse the command line, learn, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", type=Path, metavar="SET", help="folder of a data set")
    parser.add_argument("--out", type=Path, default=model_folder(), help="where the projection goes")
    arguments = parser.parse_args()
    dataset, recipe = read_dataset(arguments.set), LiteRecipe()
    chosen = split([dataset], validation=recipe.validation, seed=recipe.seed).training
    with progress() as report:
        pictures, lines = (
            _vectors(encoder, dataset, chosen, report)
            for encoder in (LiteEncoder(folder=arguments.out), LinesEncoder(folder=arguments.out))
        )
    groups = np.array([dataset.pictures[row].group for row in chosen.tolist()])
    write_projection(arguments.out, pictures, lines, groups)


def write_projection(
    folder: Path, pictures: NDArray[np.float32], lines: NDArray[np.float32], groups: NDArray[np.str_]
) -> None:
    """Write ``views.safetensors``.

    Args:
        folder: with the words of `lite`.
        pictures: (n, 4096) unit rows.
        lines: (n, 4096) unit rows of the same pictures, drawn in lines.
        groups: (n,) the same for several drawings of one thing.
    """
    directions = unit_directions(LiteText.load(folder))
    whitening = whiten(pictures @ directions.T, lines @ directions.T, groups)
    write_tensors(folder / VIEWS, {"views.lines": whitening.astype(np.float16)}, {"model": "lite views"})


def whiten(
    pictures: NDArray[np.float32], lines: NDArray[np.float32], groups: NDArray[np.str_]
) -> NDArray[np.float32]:
    """Directions in which lines differ most, beside how much they do for one picture or one thing.

    Of the generalised eigenvectors of both covariances those with the largest ratio (linear discriminants,
    Fisher 1936; within-class covariance normalisation, Hatch, Kajarekar and Stolcke 2006).

    Args:
        pictures: (n, r).
        lines: (n, r) of the same pictures, drawn in lines.
        groups: (n,) the same for several drawings of one thing.

    Returns:
        (`SIZE`, r) float32; the largest entry of each row is positive.
    """
    seen, drawn = (rows.astype(np.float64) - rows.mean(axis=0) for rows in (pictures, lines))
    numbers = np.unique(groups, return_inverse=True)[1]
    counts = np.bincount(numbers)
    sums = np.zeros((len(counts), drawn.shape[1]))
    np.add.at(sums, numbers, drawn)
    apart = (drawn - sums[numbers] / counts[numbers, None])[counts[numbers] > 1]
    within = _covariance(seen - drawn) / 2 + _covariance(apart)
    within += np.eye(len(within)) * DAMPING * np.trace(within) / len(within)
    _, vectors = eigh(_covariance(drawn), within, subset_by_index=(len(within) - SIZE, len(within) - 1))
    found = vectors[:, ::-1].T
    signs = np.sign(found[np.arange(SIZE), np.abs(found).argmax(axis=1)])
    return np.asarray(found * signs[:, None] / np.abs(found).max(), np.float32)


def _covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows.T @ rows / max(1, len(rows))


def _vectors(
    encoder: LiteEncoder, dataset: Dataset, chosen: NDArray[np.int64], report: Report
) -> NDArray[np.float32]:
    pictures = [dataset.pictures[row] for row in chosen.tolist()]
    found = encode_pictures(
        encoder, [one.path for one in pictures], lambda n: dataset.read(pictures[n]), report=report
    )
    if found.skipped:
        raise RecipeError(f"{dataset.name}: {found.skipped[0].path}: {found.skipped[0].reason}")
    return unit(found.vectors)


if __name__ == "__main__":
    main()
