"""Statistics of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from i2v_search.escapes import JsonReady
from i2v_search.images.fingerprints import duplicates
from i2v_search.progress import Report, silent
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.datasets.splitting import fingerprints, joined


@dataclass(frozen=True)
class DatasetFacts(JsonReady):
    """Counts of a data set.

    Attributes:
        name: name of the set.
        pictures: annotated and there.
        missing: annotated, but not there.
        unreadable: there, but no picture that can be decoded.
        copies: pictures that have the bytes or pixels of an earlier one.
        near: pictures nearly the same as an earlier one, copies among them.
        groups: that a split keeps whole, before near pictures are joined.
        tags: pictures of each tag, the frequent first.
        categories: tags of each category.
        labels: pictures of each label.
        licences: pictures of each licence; "" where it is not said.
    """

    name: str
    pictures: int
    missing: int
    unreadable: int
    copies: int
    near: int
    groups: int
    tags: dict[str, int]
    categories: dict[str, int]
    labels: dict[str, int]
    licences: dict[str, int]


def dataset_facts(dataset: Dataset, *, report: Report = silent) -> DatasetFacts:
    """Count what a data set holds; every picture is opened once.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> from i2v_search.training.datasets.dataset import read_dataset
        >>> facts = dataset_facts(read_dataset(sample_directory()))
        >>> facts.unreadable, facts.copies, facts.licences["Public domain"] > 300
        (0, 0, True)
    """
    prints = fingerprints([dataset], report=report)
    named = {(tag.category, tag.name) for picture in dataset.pictures for tag in picture.tags}
    near = joined(range(len(prints)), duplicates(prints))
    return DatasetFacts(
        name=dataset.name,
        pictures=len(dataset),
        missing=len(dataset.skipped),
        unreadable=sum(found is None for found in prints),
        copies=sum(found is not None for found in prints)
        - len({found.pixels for found in prints if found is not None}),
        near=sum(len(part) - 1 for part in near),
        groups=len({picture.group for picture in dataset.pictures}),
        tags=_counted(tag.name for picture in dataset.pictures for tag in picture.tags),
        categories=_counted(category for category, _ in sorted(named)),
        labels=_counted(picture.label for picture in dataset.pictures),
        licences=_counted(picture.licence for picture in dataset.pictures),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda entry: (-entry[1], entry[0])))
