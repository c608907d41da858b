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
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from i2v_search.choices import Device
from i2v_search.encoders.lite import TAGS, WEIGHTS
from i2v_search.encoders.lite_head import GEOMETRY, LiteHead
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.tensors import write_tensors
from i2v_search.files import write_atomically
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.augment import Augmentation
from i2v_search.training.datasets.dataset import Dataset, Targets, choose_vocabulary, targets
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.metrics import tag_precision
from i2v_search.training.report import REPORT, describe_datasets
from i2v_search.training.thresholds import best_thresholds
from scripts.lite.code import CodeSettings, learn_code, relate
from scripts.lite.statistics import StatisticsCache

BLOCK = 1024


@dataclass(frozen=True)
class TagSettings:
    """How the tags are learned.

    Attributes:
        minimum: pictures that must have a tag.
        steps: updates, the learning rate falling to nothing.
        batch: pictures of an update.
        learning_rate: AdamW's at the start.
        weight_decay: AdamW's.
        unused: what the absence of a tag weighs where the whole data set never uses it. Nobody looked for
            hair colours in clip art, but on a fruit there is none: without this, such tags would be given to
            everything that no picture of people was compared with.
    """

    minimum: int = 30
    steps: int = 1000
    batch: int = 512
    learning_rate: float = 5e-3
    weight_decay: float = 0.03
    unused: float = 0.1


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
        code, tags: how both are learned.
        augmentation: how pictures are changed.
        seed: of all chance.
    """

    validation: float = 0.2
    versions: int = 4
    directions: int = 768
    damping: float = 1.0
    code_share: float = 0.75
    code: CodeSettings = field(default_factory=CodeSettings)
    tags: TagSettings = field(default_factory=TagSettings)
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
    cache: Path,
    device: Device = Device(),
    report: Report = silent,
) -> dict[str, Any]:
    """Learn from data sets and write the weights.

    Memory: about 20 kB for each picture and version.

    Args:
        datasets: at least one; see `scripts.lite.code` for what their groups, labels and tags do.
        directory: gets ``weights.safetensors`` (float16), ``tags.json`` and ``report.json``.
        recipe: see there.
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
    held_out = Material(datasets, statistics, rows_by_set(datasets, parts.validation))
    vocabulary = choose_vocabulary(datasets, minimum=recipe.tags.minimum)
    wanted = targets(datasets, vocabulary)
    head = learn_code_head(material, recipe, report)
    weights = _loss_weights(datasets, wanted, recipe.tags.unused)
    head = _with_tags(head, material, (wanted.positive, weights), recipe, report)

    truth, probabilities = _of(wanted, parts.validation), head.tags(held_out.vectors(head))
    head = replace(head, tag_thresholds=best_thresholds(truth.positive, probabilities, truth.known))
    precision = tag_precision(truth.positive, probabilities, truth.known)
    document = {
        "datasets": [asdict(described) for described in describe_datasets(datasets, parts)],
        "tags": len(vocabulary),
        "held_out_tag_map": round(precision.mean(), 4),
        "held_out_tags_above_0.4": int(np.sum(precision.average_precision[precision.counted] > 0.4)),
        "recipe": asdict(recipe),
    }
    directory.mkdir(parents=True, exist_ok=True)
    arrays = {**trunk, **head.to_weights()}
    write_tensors(
        directory / WEIGHTS,
        {name: values.astype(np.float16) for name, values in arrays.items()},
        {"model": "lite", "licence": "MIT; trunk Apache-2.0, see docs/model-card.md"},
    )
    write_atomically(directory / TAGS, _json(vocabulary.to_list()))
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
            tag_weight=none,
            tag_bias=none[0],
            tag_thresholds=none,
        )
    )


def _loss_weights(datasets: Sequence[Dataset], wanted: Targets, unused: float) -> NDArray[np.float32]:
    """(n, t): 1 where it is known whether a picture has a tag, `unused` where its data set never uses it."""
    weights = wanted.known.astype(np.float32)
    start = 0
    for dataset in datasets:
        rows = slice(start, start + len(dataset))
        weights[rows, ~wanted.positive[rows].any(axis=0)] = unused
        start += len(dataset)
    return weights


def _with_tags(
    head: LiteHead,
    material: Material,
    wanted: tuple[NDArray[np.bool_], NDArray[np.float32]],
    recipe: LiteRecipe,
    report: Report,
) -> LiteHead:
    """Weighted logistic regression on the vectors of all versions.

    Args:
        head: without tags.
        material: what to learn from.
        wanted: (n, t) for all pictures of all data sets: which have a tag, and what that weighs in the loss.
        recipe: see there.
        report: see `i2v_search.progress`.
    """
    settings = recipe.tags
    rows = np.concatenate(_rows_over_all(material))
    vectors = [torch.from_numpy(material.vectors(head, version)) for version in range(recipe.versions)]
    positive, weights = (torch.from_numpy(values[rows].astype(np.float32)) for values in wanted)
    share = ((positive * weights).sum(0) / weights.sum(0).clamp(min=1)).clamp(1e-4, 0.5)
    layer = torch.nn.Linear(vectors[0].shape[1], positive.shape[1])
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.logit(share))
    optimizer = torch.optim.AdamW(
        layer.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    random = np.random.default_rng(recipe.seed)
    size = min(settings.batch, len(positive))
    for step in range(settings.steps):
        seen = vectors[int(random.integers(len(vectors)))]
        batch = torch.from_numpy(random.choice(len(positive), size, replace=False))
        losses = F.binary_cross_entropy_with_logits(
            layer(seen[batch]), positive[batch], weights[batch], reduction="sum"
        )
        loss = losses / size
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        falling.step()
        report(Progress("learning the tags", step + 1, settings.steps, f"loss {float(loss.detach()):.3f}"))
    return _rounded(
        replace(head, tag_weight=layer.weight.detach().numpy(), tag_bias=layer.bias.detach().numpy())
    )


def _rows_over_all(material: Material) -> list[NDArray[np.int64]]:
    starts = np.cumsum([0, *(len(dataset) for dataset in material.datasets)])
    return [rows + start for rows, start in zip(material.rows, starts, strict=False)]


def _scale_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What gives both halves of a vector the same spread: a mean squared length of 1."""
    return np.array([1 / np.sqrt(np.square(vectors).sum(axis=1).mean())], np.float32)


def _blocks(statistics: NDArray[np.float16], rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(rows), BLOCK):
        yield statistics[rows[start : start + BLOCK]].astype(np.float32)


def _of(wanted: Targets, rows: NDArray[np.int64]) -> Targets:
    rows = np.sort(rows)
    return Targets(wanted.positive[rows], wanted.known[rows])


def _halved(weights: Weights) -> dict[str, NDArray[np.float32]]:
    """As they will be read again from float16."""
    return {name: values.astype(np.float16).astype(np.float32) for name, values in weights.items()}


def _rounded(head: LiteHead) -> LiteHead:
    return LiteHead.from_weights(_halved(head.to_weights()))


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
