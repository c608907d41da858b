"""Makes the weights of `lite`, the default encoder, from data sets; `make lite` does it with our own.

The trunk stays as ImageNet left it. What is learned are the 2,048 units of the code
(`scripts.lite.code`) and the tags. A fifth of the pictures, by group, is never learned from:
thresholds come from it, and the numbers of the model card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from i2v_search.choices import Device
from i2v_search.encoders.lite import WEIGHTS
from i2v_search.encoders.lite_head import GEOMETRY, LiteHead
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.tensors import write_tensors
from i2v_search.files import write_atomically
from i2v_search.index.similarity import unit
from i2v_search.progress import Report, silent
from i2v_search.training.augment import Augmentation
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.report import REPORT, describe_datasets
from scripts.lite.code import CodeSettings, learn_code, relate
from scripts.lite.statistics import StatisticsCache
from scripts.lite.tag_files import make_tags
from scripts.lite.tags import TagRecipe

BLOCK = 1024


@dataclass(frozen=True)
class LiteRecipe:
    """All that decides about the weights, beside the data sets.

    Attributes:
        validation: share of the pictures that nothing is learned from.
        versions: of each picture: one as it is, the others changed.
        directions: principal directions of the statistics that the code sees.
        damping: of their whitening: a direction of variance v, in units of the mean, is divided by
            sqrt(v + damping).
        code_share: length of the code beside the geometry's 1, over the training pictures. More finds more of
            the same subject in flat drawings, less tells painted pictures apart better.
        code, tags: how both are learned, the tags by `scripts.lite.tag_files`.
        augmentation: how pictures are changed.
        seed: of all chance.
    """

    validation: float = 0.2
    versions: int = 4
    directions: int = 768
    damping: float = 1.0
    code_share: float = 0.75
    code: CodeSettings = field(default_factory=CodeSettings)
    tags: TagRecipe = field(default_factory=TagRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


@dataclass(frozen=True)
class Material:
    """What a head is learned from.

    Attributes:
        datasets: of the pictures.
        statistics: for each data set its versions, the pictures as they are first, (n, s) float16 each.
        rows: for each data set the pictures to learn from.
    """

    datasets: Sequence[Dataset]
    statistics: Sequence[Sequence[NDArray[np.float16]]]
    rows: Sequence[NDArray[np.int64]]

    def blocks(self, version: int = 0) -> Iterator[NDArray[np.float32]]:
        """The rows of every data set in turn, (m, s), a bounded number at a time."""
        for versions, rows in zip(self.statistics, self.rows, strict=True):
            yield from _blocks(versions[version], rows)

    def vectors(self, head: LiteHead, version: int = 0) -> NDArray[np.float32]:
        """(n, 4096), the rows of every data set in turn."""
        return np.vstack([head.vectors(block) for block in self.blocks(version)])


def train_lite(
    datasets: Sequence[Dataset],
    directory: Path,
    recipe: LiteRecipe = LiteRecipe(),
    *,
    extra: Sequence[Dataset] = (),
    cache: Path,
    device: Device = Device(),
    report: Report = silent,
) -> dict[str, Any]:
    """Learn from data sets and write the weights.

    Memory: about 20 kB for each picture and version.

    Args:
        datasets: at least one; see `scripts.lite.code` for what their groups, labels and tags do.
        directory: gets ``weights.safetensors`` (float16) and ``report.json``, and the files of the tags.
        recipe: see there.
        extra: more data sets for the tags: see `scripts.lite.tag_material.tag_material`.
        cache: folder of the statistics, about 8 kB for each picture and version.
        device: where the trunk runs.
        report: see `i2v_search.progress`.

    Returns:
        What ``report.json`` says.

    Raises:
        EncoderError: the package with the ImageNet weights is missing.
        TagError: no tag is frequent enough.
        TrainingError: a picture cannot be read.
    """
    trunk = imagenet_trunk()
    store = StatisticsCache(cache, trunk, recipe.augmentation, seed=recipe.seed, device=device)
    statistics = [
        [store.read(dataset, version, report) for version in range(recipe.versions)] for dataset in datasets
    ]
    parts = split(datasets, validation=recipe.validation, seed=recipe.seed, report=report)
    material = Material(datasets, statistics, rows_by_set(datasets, parts.training))
    head = learn_code_head(material, recipe, report)
    rows = [store.read(dataset, 0, report) for dataset in (*datasets, *extra)]
    everything = Material((*datasets, *extra), [[one] for one in rows], [np.arange(len(one)) for one in rows])
    make_tags(
        datasets, extra, unit(everything.vectors(head)), parts.validation, directory, recipe.tags, report
    )
    document = {
        "datasets": [asdict(described) for described in describe_datasets(datasets, parts)],
        "recipe": asdict(recipe),
    }
    directory.mkdir(parents=True, exist_ok=True)
    arrays = {**trunk, **head.to_weights()}
    write_tensors(
        directory / WEIGHTS,
        {name: values.astype(np.float16) for name, values in arrays.items()},
        {"model": "lite", "licence": "MIT; trunk Apache-2.0, see docs/model-card.md"},
    )
    write_atomically(directory / REPORT, _json(document))
    return document


def learn_code_head(material: Material, recipe: LiteRecipe, report: Report = silent) -> LiteHead:
    """Learn all of a head but its tags: it has none yet.

    Args:
        material: what to learn from.
        recipe: see there.
        report: see `i2v_search.progress`.

    Returns:
        A head that gives vectors, of float16 values.
    """
    head = _with_basis(material, recipe)
    related = [
        relate(
            dataset, rows, [np.vstack([head.whitened(block) for block in _blocks(one, rows)]) for one in sets]
        )
        for dataset, sets, rows in zip(material.datasets, material.statistics, material.rows, strict=True)
    ]
    weight, bias = learn_code(related, replace(recipe.code, seed=recipe.seed), report)
    head = _rounded(replace(head, code_weight=weight, code_bias=bias, code_mean=np.zeros_like(bias)))
    vectors = material.vectors(head)
    code_mean = vectors[:, GEOMETRY:].mean(axis=0)
    return _rounded(
        replace(
            head,
            code_mean=code_mean,
            geometry_scale=_scale_of(vectors[:, :GEOMETRY]),
            code_scale=recipe.code_share * _scale_of(vectors[:, GEOMETRY:] - code_mean),
        )
    )


def imagenet_trunk() -> dict[str, NDArray[np.float32]]:
    """The trunk's weights as ImageNet left them, and as they are read again from float16.

    Raises:
        EncoderError: the package that has them is not installed.
    """
    return _halved(efficientnet.read_weights(efficientnet.weights_path()))


def rows_by_set(datasets: Sequence[Dataset], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows counted over all data sets -> for each data set its own, ascending."""
    ends = np.cumsum([len(dataset) for dataset in datasets])
    parts = np.split(np.sort(rows), np.searchsorted(np.sort(rows), ends[:-1]))
    return [part - end + len(dataset) for part, end, dataset in zip(parts, ends, datasets, strict=True)]


def _with_basis(material: Material, recipe: LiteRecipe) -> LiteHead:
    """Mean and whitened principal directions of the statistics of the pictures as they are."""
    size = material.statistics[0][0].shape[1]
    count, total, products = 0, np.zeros(size), np.zeros((size, size))
    for block in material.blocks():
        count += len(block)
        total += block.sum(axis=0, dtype=np.float64)
        products += block.T @ block
    mean = total / count
    kept = min(recipe.directions, count - 1, size)
    variances, directions = eigh(
        products / count - np.outer(mean, mean), subset_by_index=(size - kept, size - 1)
    )
    scale = 1 / np.sqrt(variances + recipe.damping * variances.mean())
    none = np.zeros((1, 0), np.float32)
    return _rounded(
        LiteHead(
            mean=mean.astype(np.float32),
            basis=(directions * scale).T.astype(np.float32),
            code_weight=none,
            code_bias=none[0],
            code_mean=none[0],
            geometry_scale=np.ones(1, np.float32),
            code_scale=np.ones(1, np.float32),
        )
    )


def _scale_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What gives both halves of a vector the same spread: a mean squared length of 1."""
    return np.array([1 / np.sqrt(np.square(vectors).sum(axis=1).mean())], np.float32)


def _blocks(statistics: NDArray[np.float16], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), BLOCK):
        yield statistics[rows[start : start + BLOCK]].astype(np.float32)


def _halved(weights: Weights) -> dict[str, NDArray[np.float32]]:
    """As they will be read again from float16."""
    return {name: values.astype(np.float16).astype(np.float32) for name, values in weights.items()}


def _rounded(head: LiteHead) -> LiteHead:
    return LiteHead.from_weights(_halved(head.to_weights()))


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
