"""Report of a training run: ``report.json``."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from i2v_search.errors import TrainingError
from i2v_search.escapes import JsonReady
from i2v_search.files import read_regular
from i2v_search.images.sources import Skipped
from i2v_search.tags.vocabulary import CATEGORIES, Vocabulary
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.datasets.splitting import Split, split_of

#: Mean loss of a tag beyond any that a network has that learns: of a coin's toss it is 0.69.
DIVERGED = 2.0
REPORT, CURVES = "report.json", "curves.png"
_PACKAGES = ("i2v-search", "torch", "onnxruntime", "numpy", "pillow")


@dataclass(frozen=True)
class DatasetReport:
    """A data set that was trained on.

    Attributes:
        name: name of its folder or archive.
        pictures: how many it has.
        training: how many of them were for training.
        validation: how many were for validation.
        licences: pictures by licence; "" where none is said.
    """

    name: str
    pictures: int
    training: int
    validation: int
    licences: dict[str, int]


@dataclass(frozen=True)
class RunReport(JsonReady):
    """A finished training run.

    Attributes:
        name: name of the model.
        directory: directory of the model.
        model: the network.
        start: source of the initial weights, "" for none.
        parameters: number of weights.
        dimension: length of its vector; None for a network that only tags.
        vocabulary: number of tags by category.
        datasets: training data sets.
        epochs: JSON-ready `i2v_search.training.position.Epoch`, one per epoch.
        best_epoch: number of the epoch that was kept.
        finished: ``"epochs"``, or ``"early"`` if validation stopped improving.
        seconds: duration of all epochs, without validation.
        skipped: unreadable pictures.
        settings: JSON-ready `i2v_search.training.settings.TrainingSettings`.
        device: device of the training.
        versions: versions of Python and packages.
        left_out: numbers of what was not used: ``"missing pictures"``, which are annotated but not there, and
            ``"rare tags"``, which too few pictures have or which are not among the most frequent.
        warnings: what to look at: no validation pictures, a loss that grew.

    Example:
        >>> report = RunReport(
        ...     name="mine", directory="runs/mine", model="lite", start="", parameters=8_625_655,
        ...     dimension=4096, vocabulary={"general": 7}, datasets=(),
        ...     epochs=({"number": 1, "validation_map": 0.41},), best_epoch=1, finished="epochs",
        ...     seconds=0.9, skipped=(), settings={}, device="cpu", versions={},
        ... )  # as `train` returns it
        >>> report.best["validation_map"]
        0.41
    """

    name: str
    directory: str
    model: str
    start: str
    parameters: int
    dimension: int | None
    vocabulary: dict[str, int]
    datasets: tuple[DatasetReport, ...]
    epochs: tuple[dict[str, Any], ...]
    best_epoch: int | None
    finished: str
    seconds: float
    skipped: tuple[Skipped, ...]
    settings: dict[str, Any]
    device: str
    versions: dict[str, str]
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The report of a finished run, from its ``report.json``.

        Raises:
            TrainingError: it is not such a file.
        """
        try:
            document = json.loads(read_regular(path))
            document |= {
                "datasets": tuple(DatasetReport(**one) for one in document["datasets"]),
                "epochs": tuple(document["epochs"]),
                "skipped": tuple(Skipped(**one) for one in document["skipped"]),
                "warnings": tuple(document.get("warnings", ())),
            }
            return cls(**document)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{path} is not the report of a run ({error}); choose another --out"
            ) from error

    @property
    def best(self) -> dict[str, Any]:
        """The epoch that was kept."""
        return next(epoch for epoch in self.epochs if epoch["number"] == self.best_epoch)


def describe_datasets(datasets: Sequence[Dataset], split: Split) -> tuple[DatasetReport, ...]:
    """Count the pictures and licences of data sets."""
    described, start = [], 0
    for dataset in datasets:
        end = start + len(dataset)
        training, validation = (
            int(((rows >= start) & (rows < end)).sum()) for rows in (split.training, split.validation)
        )
        licences = Counter(picture.licence for picture in dataset.pictures)
        described.append(
            DatasetReport(dataset.name, len(dataset), training, validation, dict(sorted(licences.items())))
        )
        start = end
    return tuple(described)


def count_left_out(datasets: Sequence[Dataset], vocabulary: Vocabulary) -> dict[str, int]:
    """Annotated pictures that are not there or kept for a test, and tags that are not learned."""
    known = set(zip(vocabulary.categories, vocabulary.names, strict=True))
    named = {
        (tag.category, tag.name)
        for dataset in datasets
        for picture in dataset.pictures
        for tag in picture.tags
    }
    counts = {
        "missing pictures": sum(len(dataset.skipped) for dataset in datasets),
        "pictures kept for a test": sum(
            split_of(picture) == "test" for dataset in datasets for picture in dataset.pictures
        ),
        "rare tags": len(named - known),
    }
    return {name: count for name, count in counts.items() if count}


def warnings_of(epochs: Sequence[Mapping[str, Any]], validation: int) -> list[str]:
    """What is worth a look in the epochs of a run.

    Args:
        epochs: JSON-ready `i2v_search.training.position.Epoch`.
        validation: number of validation pictures.

    Example:
        >>> warnings_of([{"number": 1, "training_loss": 2018.0}], 5)[0].partition(";")[0]
        'the loss of epoch 1 is 2,018: training diverged'
    """
    told = []
    if not validation:
        told.append("no picture is left for validation: no thresholds, and the last epoch is kept")
    worst = max(epochs, key=lambda epoch: epoch["training_loss"], default=None)
    if worst is not None and worst["training_loss"] > DIVERGED:
        told.append(
            f"the loss of epoch {worst['number']} is {worst['training_loss']:,.0f}: training diverged; lower "
            "--learning-rate to a tenth, or warm up longer with --warmup-updates 500"
        )
    return told


def count_categories(vocabulary: Vocabulary) -> dict[str, int]:
    """Tags by category, without those that have none.

    Example:
        >>> count_categories(Vocabulary(("hat", "safe"), ("general", "rating")))
        {'general': 1, 'rating': 1}
    """
    counts = Counter(vocabulary.categories)
    return {category: counts[category] for category in CATEGORIES if counts[category]}


def describe_versions() -> dict[str, str]:
    """Versions of Python and of the packages that the result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def model_name(folder: Path) -> str:
    """A model's name after its folder's.

    Example:
        >>> model_name(Path("runs/My Tags!"))
        'my-tags'
    """
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "._") else "-" for c in folder.name.lower())
    return "-".join(filter(None, letters.split("-"))).strip("._")[:64] or "trained"
