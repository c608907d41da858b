"""The learned half of `lite`: sigmoid units in which pictures that belong together are near one another.

Two pictures belong together, more or less, when one is a variant of the other (flipped, cropped, recoloured,
...), when both are of one group (the same emoji drawn in several styles, a series), have one label, or share
tags. The loss is the cross-entropy between those degrees, normalised over a batch, and the softmax of the
cosines: supervised contrastive learning (Khosla et al., NeurIPS 2020) with graded positives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from i2v_search.progress import Progress, Report, silent
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.optimizers import schedule

#: Of one group at most so many pictures are in a batch.
OF_A_GROUP = 3
#: A tag that fewer pictures of a set have, or more than this share, says little about which belong together.
RAREST, COMMONEST = 5, 0.5
INITIAL_SPREAD = 1.5
MASKED = -1e4


@dataclass(frozen=True)
class CodeSettings:
    """How the code is learned.

    Attributes:
        units: of the code.
        steps: updates of the weights.
        batch: pictures of an update, half of them a second version of the other half; all of one data set.
        temperature: cosines are divided by it.
        learning_rate: the highest; it rises over the first tenth and falls with the cosine.
        weight_decay: AdamW's.
        same_picture, same_group, same_label, shared_tags: how much of belonging together each is worth.
        seed: of the first weights and of the batches.
    """

    units: int = 2048
    steps: int = 500
    batch: int = 512
    temperature: float = 0.1
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    same_picture: float = 1.0
    same_group: float = 1.0
    same_label: float = 0.3
    shared_tags: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Related:
    """A data set's pictures and what relates them.

    Attributes:
        versions: two or more of (n, r) float32, the same pictures unchanged or changed.
        groups: (n,) int64, number of the group.
        labels: (n,) int64, number of the label, -1 without one.
        tags: (n, t) float32, unit rows: tags weighted by their rarity, log(n / pictures that have it).
    """

    versions: Sequence[NDArray[np.float32]]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]
    tags: NDArray[np.float32]


def relate(dataset: Dataset, rows: NDArray[np.int64], versions: Sequence[NDArray[np.float32]]) -> Related:
    """Describe some pictures of a data set for `learn_code`.

    Args:
        dataset: of the pictures.
        rows: (n,), which of them.
        versions: of those, (n, r) each.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> from i2v_search.training.datasets.dataset import read_dataset
        >>> dataset = read_dataset(sample_directory())
        >>> related = relate(dataset, np.arange(40), [np.zeros((40, 8), np.float32)] * 2)
        >>> related.groups.shape, len(set(related.labels.tolist()))
        ((40,), 3)
    """
    pictures = [dataset.pictures[row] for row in rows]
    labels = _numbers([picture.label for picture in pictures])
    return Related(
        versions,
        _numbers([picture.group for picture in pictures]),
        np.where([picture.label != "" for picture in pictures], labels, -1),
        _weighted_tags([{tag.name for tag in picture.tags} for picture in pictures]),
    )


def learn_code(
    sets: Sequence[Related], settings: CodeSettings = CodeSettings(), report: Report = silent
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Learn weights and biases of sigmoid units.

    Args:
        sets: a set is chosen for each batch with a chance that grows with the root of its size.
        settings: see there.
        report: called after every update, with the loss.

    Returns:
        (units, r) and (units,) float32.
    """
    random = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    layer = _initial_layer(sets, settings)
    optimizer = torch.optim.AdamW(
        layer.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    shares = np.sqrt([len(related.groups) for related in sets])
    shares /= shares.sum()
    members = [_members(related.groups) for related in sets]
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * schedule(step, settings.steps, 0.1)
        chosen = int(random.choice(len(sets), p=shares))
        related = sets[chosen]
        rows = _batch(members[chosen], settings.batch // 2, random)
        first, second = random.choice(len(related.versions), 2, replace=False)
        values = np.concatenate([related.versions[first][rows], related.versions[second][rows]])
        code = torch.sigmoid(layer(torch.from_numpy(values))) - 0.5
        loss = _loss(code, belonging(related, np.concatenate([rows, rows]), settings), settings.temperature)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        report(Progress("learning the code", step + 1, settings.steps, f"loss {float(loss.detach()):.3f}"))
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def belonging(related: Related, rows: NDArray[np.int64], settings: CodeSettings) -> NDArray[np.float32]:
    """How far the pictures of a batch belong together.

    Args:
        related: the set they are of.
        rows: (m,), a row twice for two versions of a picture.
        settings: what counts how much.

    Returns:
        (m, m) float32; rows sum to 1, or to 0 where a picture belongs to no other; the diagonal is 0.
    """
    groups, labels, tags = related.groups[rows], related.labels[rows], related.tags[rows]
    degree = settings.shared_tags * np.square(tags @ tags.T)
    degree += settings.same_picture * (rows[:, None] == rows)
    degree += settings.same_group * (groups[:, None] == groups)
    degree += settings.same_label * ((labels[:, None] == labels) & (labels >= 0))
    np.fill_diagonal(degree, 0)
    total = degree.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(degree, total, out=np.zeros_like(degree), where=total > 0), np.float32)


def _loss(code: Tensor, wanted: NDArray[np.float32], temperature: float) -> Tensor:
    units = F.normalize(code, dim=1)
    cosines = units @ units.T / temperature
    cosines = cosines.masked_fill(torch.eye(len(units), dtype=torch.bool), MASKED)
    return -(torch.from_numpy(wanted) * torch.log_softmax(cosines, dim=1)).sum(dim=1).mean()


def _initial_layer(sets: Sequence[Related], settings: CodeSettings) -> torch.nn.Linear:
    """Directions at right angles where there are enough, as long as gives their values a spread of 1.5."""
    width = sets[0].versions[0].shape[1]
    layer = torch.nn.Linear(width, settings.units)
    drawn = torch.randn(settings.units, width)
    if settings.units <= width:
        drawn = torch.linalg.qr(drawn.T)[0].T.contiguous()
    else:
        drawn = F.normalize(drawn, dim=1)
    seen = torch.from_numpy(np.concatenate([related.versions[0] for related in sets]))
    with torch.no_grad():
        layer.weight.copy_(drawn * (INITIAL_SPREAD / (seen @ drawn.T).std()))
        layer.bias.zero_()
    return layer


def _batch(members: Sequence[NDArray[np.int64]], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Whole groups at random, a few pictures of each."""
    rows: list[int] = []
    for group in random.permutation(len(members)):
        rows.extend(random.permutation(members[group])[:OF_A_GROUP])
        if len(rows) >= size:
            break
    return np.array(rows[:size], np.int64)


def _members(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups))[:-1])


def _numbers(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)


def _weighted_tags(pictures: Sequence[set[str]]) -> NDArray[np.float32]:
    counts: dict[str, int] = {}
    for names in pictures:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    telling = sorted(name for name, n in counts.items() if RAREST <= n <= COMMONEST * len(pictures))
    places = {name: place for place, name in enumerate(telling)}
    weights = np.zeros((len(pictures), max(1, len(telling))), np.float32)
    for row, names in enumerate(pictures):
        for name in names & places.keys():
            weights[row, places[name]] = math.log(len(pictures) / counts[name])
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    weights /= np.maximum(lengths, np.float32(1e-12))
    return weights
