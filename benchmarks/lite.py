"""The default encoder against its baseline: retrieval on what it never saw, and the time of an image.

``python -m benchmarks.lite [sources] [tags] [speed]``

``sources`` needs ``make datasets`` (folder ``data``, or ``$I2V_SEARCH_DATA``): the head is learned again
without each data set in turn and tried on that set. Further data sets to try are named in
``$I2V_SEARCH_UNSEEN``, apart by ``:``, such as portraits with a ``tags.jsonl`` of path and label. ``tags``
counts the tags shown on these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import interleave, run_parts, table
from i2v_search import load_encoder, sample_directory
from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder
from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_head import LiteHead
from i2v_search.images.decoding import decode_image
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.evaluation.encoding import Encoded, encode_pictures
from i2v_search.training.evaluation.intervals import relative_gain
from i2v_search.training.evaluation.retrieval import Retrieval, retrieval
from scripts.lite.lite import LiteRecipe, Material, imagenet_trunk, learn_code_head, rows_by_set
from scripts.lite.statistics import StatisticsCache

SETS = ("openclipart", "emoji", "characters")
HEADER = ("pictures", "learned from", "lite0 P@10 / mAP", "lite P@10 / mAP", "mAP, gain", "P@10, gain")
IMAGES, ROUNDS = 64, 25


def sources_part(command: str) -> str:
    """Every source left out, and held-out pictures of every source, against the ImageNet baseline."""
    data = Path(os.environ.get("I2V_SEARCH_DATA", "data"))
    recipe = LiteRecipe()
    datasets = [read_dataset(data / name) for name in SETS]
    unseen = _unseen()
    cache = StatisticsCache(data / "statistics", imagenet_trunk(), recipe.augmentation, seed=recipe.seed)
    statistics = {
        dataset.name: [cache.read(dataset, version) for version in range(recipe.versions)]
        for dataset in datasets
    }
    plain = {dataset.name: [cache.read(dataset, 0)] for dataset in unseen}
    baseline = {dataset.name: _baseline(dataset) for dataset in (*datasets, *unseen)}
    rows: list[Sequence[str]] = []

    def try_on(dataset: Dataset, chosen: NDArray[np.int64], head: LiteHead, source: str) -> None:
        own = (statistics | plain)[dataset.name]
        ours = Material([dataset], [own], [chosen]).vectors(head)
        rows.append(_row(dataset, chosen, source, baseline[dataset.name], ours))

    parts = split(datasets, validation=recipe.validation, seed=recipe.seed)
    training = rows_by_set(datasets, parts.training)
    head = learn_code_head(Material(datasets, list(statistics.values()), training), recipe)
    for dataset, chosen in zip(datasets, rows_by_set(datasets, parts.validation), strict=True):
        try_on(dataset, chosen, head, "all three")
    for dataset in unseen:
        try_on(dataset, np.arange(len(dataset)), head, "all three")
    for left_out in datasets:
        others = [dataset for dataset in datasets if dataset is not left_out]
        material = Material(
            others,
            [statistics[dataset.name] for dataset in others],
            [np.arange(len(dataset)) for dataset in others],
        )
        source = " and ".join(dataset.name for dataset in others)
        head = learn_code_head(material, recipe)
        for dataset in (left_out, *unseen):
            try_on(dataset, np.arange(len(dataset)), head, source)
    return (
        "Retrieval by label, centred by each set's own mean, self and exact duplicates excluded; "
        f"{command}. Learned from all three, a set's own row is of pictures held out by group (characters: "
        "by whole style); other rows are of sources nothing was learned from. Gains with 95 % intervals over "
        "the queries.\n\n" + table(HEADER, rows)
    )


def tags_part(command: str) -> str:
    """Tags shown on sets that nothing was learned from: how many, and how often attributes of persons."""
    encoder = LiteEncoder(Device(name="cpu"))
    least = encoder.vocabulary.least
    assert least is not None
    rows: list[Sequence[str]] = []
    for dataset in _unseen():
        pictures = dataset.pictures
        encoded = encode_pictures(encoder, [picture.path for picture in pictures], partial(_content, dataset))
        found = encoder.tags.probabilities(encoded.vectors)
        shown = found >= least
        frequent = np.argsort(-shown.sum(axis=0), kind="stable")[:6]
        shares = (shown[:, encoder.tags.attributes].any(axis=1), ~shown.any(axis=1))
        rows.append(
            (
                f"{dataset.name}, {len(shown)} pictures",
                *(f"{share.mean():.1%}" for share in shares),
                f"{shown.sum(axis=1).mean():.2f}",
                ", ".join(f"{encoder.vocabulary.names[n]} {shown[:, n].sum()}" for n in frequent),
            )
        )
    header = ("", "with an attribute of a person", "untagged", "tags a picture", "most frequent")
    return f"Tags at the thresholds that ship, on sets nothing was learned from; {command}\n\n" + table(
        header, rows
    )


def _unseen() -> list[Dataset]:
    return [read_dataset(path) for path in filter(None, os.environ.get("I2V_SEARCH_UNSEEN", "").split(":"))]


def _content(dataset: Dataset, row: int) -> bytes:
    return dataset.read(dataset.pictures[row])


def speed_part(command: str) -> str:
    """Prepare and encode 64 pictures of the sample, both encoders in turn."""
    paths = sorted(sample_directory().rglob("*.webp"))
    paths = paths[:: len(paths) // IMAGES][:IMAGES]
    contents = [path.read_bytes() for path in paths]
    encoders = {name: load_encoder(name, Device(name="cpu")) for name in ("lite0", "lite")}
    whole = interleave({name: _whole(encoder, contents) for name, encoder in encoders.items()}, ROUNDS)
    alone = interleave({name: _forward(encoder, contents) for name, encoder in encoders.items()}, ROUNDS)
    rows = [
        (
            title,
            timings.rate("lite0", len(contents)).show(),
            timings.rate("lite", len(contents)).show(),
            timings.ratio("lite", "lite0").show(),
        )
        for title, timings in (("decode, prepare, encode", whole), ("encode only", alone))
    ]
    return f"{len(contents)} pictures of the sample; {command}\n\n" + table(
        ("", "lite0, images/s", "lite, images/s", "time of lite / lite0"), rows
    )


def _baseline(dataset: Dataset) -> Encoded:
    encoder = load_encoder("lite0")
    encoded = encode_pictures(
        encoder,
        [picture.path for picture in dataset.pictures],
        lambda row: dataset.read(dataset.pictures[row]),
    )
    assert len(encoded.rows) == len(dataset)
    return encoded


def _row(
    dataset: Dataset,
    chosen: NDArray[np.int64],
    source: str,
    baseline: Encoded,
    ours: NDArray[np.float32],
) -> Sequence[str]:
    labels = [dataset.pictures[row].label for row in chosen]
    contents = [baseline.contents[row] for row in chosen]
    first, second = (
        retrieval(vectors, labels, contents=contents) for vectors in (baseline.vectors[chosen], ours)
    )
    gains = [relative_gain(second.per_query[:, column], first.per_query[:, column]) for column in (2, 1)]
    shown = [f"{gain.value:+.1%} ({gain.low:+.1%}..{gain.high:+.1%})" for gain in gains]
    return (f"{dataset.name}, {len(first.queries)} queries", source, _scores(first), _scores(second), *shown)


def _scores(found: Retrieval) -> str:
    return f"{found.precision_at_10.value:.3f} / {found.mean_average_precision.value:.3f}"


def _whole(encoder: Encoder, contents: Sequence[bytes]) -> Callable[[], object]:
    def run() -> None:
        inputs = [
            encoder.prepare(decode_image(content, shrink_to=encoder.shrink_to).pixels) for content in contents
        ]
        for start in range(0, len(inputs), encoder.batch_size):
            encoder.encode(inputs[start : start + encoder.batch_size])

    return run


def _forward(encoder: Encoder, contents: Sequence[bytes]) -> Callable[[], object]:
    inputs = [encoder.prepare(decode_image(content).pixels) for content in contents]

    def run() -> None:
        for start in range(0, len(inputs), encoder.batch_size):
            encoder.encode(inputs[start : start + encoder.batch_size])

    return run


if __name__ == "__main__":
    run_parts(
        "lite",
        ("torch", "onnxruntime", "numpy", "pillow"),
        {"sources": sources_part, "tags": tags_part, "speed": speed_part},
    )
