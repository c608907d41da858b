"""`evaluate`: everything that can be measured of an encoder on data sets, alone or beside another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from i2v_search.arguments import renamed, several
from i2v_search.choices import Device, DeviceName, SimilarityName, SplitName
from i2v_search.encoders.base import Encoder
from i2v_search.encoders.registry import load_encoder
from i2v_search.errors import ImageError, QueryError
from i2v_search.escapes import printable
from i2v_search.images.decoding import load_image
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.datasets.dataset import Dataset, targets
from i2v_search.training.datasets.splitting import split as divide
from i2v_search.training.datasets.splitting import split_of
from i2v_search.training.evaluation.edited_copies import CopyRecall, copy_recall
from i2v_search.training.evaluation.encoding import Encoded, encode_copies, encode_pictures
from i2v_search.training.evaluation.measures import Difference, Measures, differences
from i2v_search.training.evaluation.recall import IndexRecall, index_recall
from i2v_search.training.evaluation.retrieval import Retrieval, nearest, retrieval
from i2v_search.training.evaluation.retrieval_sheet import TILE, comparison_sheet
from i2v_search.training.evaluation.shared_tags import SharedTags, shared_tags
from i2v_search.training.evaluation.tags import Tagging, tagging

#: What can be measured.
EvaluationPart: TypeAlias = Literal["retrieval", "shared", "tags", "copies", "recall"]
PARTS: tuple[EvaluationPart, ...] = get_args(EvaluationPart)
#: Pictures of a set whose edited copies are looked for.
COPIES = 500
#: Neighbours that recall is measured on.
NEIGHBOURS = 10
SHEET_QUERIES = 20
SHEET_HITS = 8


@dataclass(frozen=True)
class SetEvaluation:
    """The measures on one data set.

    Attributes:
        dataset: what was evaluated on; only the held-out pictures where that was asked.
        measures: measures of the encoder, then of the one it was compared with, if any.
        differences: the first minus the second.
    """

    dataset: Dataset
    measures: tuple[Measures, ...]
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        skipped = [*self.dataset.skipped, *self.measures[0].encoded.skipped]
        return {
            "name": self.dataset.name,
            "pictures": len(self.measures[0].encoded.rows),
            "skipped": [{"path": printable(item.path), "reason": item.reason} for item in skipped],
            "measures": [measures.to_dict() for measures in self.measures],
            "differences": [difference.to_dict() for difference in self.differences],
        }


@dataclass(frozen=True)
class Evaluation:
    """Result of `evaluate`, by data set.

    Attributes:
        sets: results in the order of the data sets.
        similarity: similarity of the vectors.
        seed: random seed.
        held_out: fraction of each data set that was evaluated; None for all of it.
        split: part of each data set that was evaluated, as the set is divided; None for all of it.

    Example:
        >>> from i2v_search import read_dataset
        >>> found = evaluate([read_dataset("art")], "lite", parts=["retrieval"])
        >>> measures = found.to_dict()["sets"][0]["measures"][0]
        >>> round(measures["retrieval"]["precision_at_1"]["value"], 2)
        0.93
    """

    sets: tuple[SetEvaluation, ...]
    similarity: SimilarityName
    seed: int
    held_out: float | None
    split: SplitName | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "similarity": self.similarity,
            "seed": self.seed,
            "held_out": self.held_out,
            "split": self.split,
            "sets": [found.to_dict() for found in self.sets],
        }

    def sheet(self, *, queries: int = SHEET_QUERIES, hits: int = SHEET_HITS) -> Image.Image:
        """Draw random queries with the hits of each encoder; hits with the query's label are framed.

        Args:
            queries: number of queries, rounded up to the same number from each set.
            hits: number of hits of each encoder.

        Returns:
            An RGB image.
        """
        share = -(-queries // len(self.sets))
        panels = [_sheet(found, self.similarity, share, hits, self.seed) for found in self.sets]
        size = max(panel.width for panel in panels), sum(panel.height for panel in panels)
        page, top = Image.new("RGB", size, "white"), 0
        for panel in panels:
            page.paste(panel, (0, top))
            top += panel.height
        return page


@renamed(engine="device")
def evaluate(
    datasets: Sequence[Dataset],
    encoder: str | Encoder = "lite",
    *,
    against: str | Encoder | None = None,
    parts: Sequence[EvaluationPart] = PARTS,
    similarity: SimilarityName = "centred",
    held_out: float | None = None,
    split: SplitName | None = None,
    seed: int = 0,
    device: Device | DeviceName = Device(),
    report: Report = silent,
) -> Evaluation:
    """Measure an encoder on data sets, each apart.

    What can be measured: retrieval by label and by shared tags, tags, edited copies, index recall.
    A part that does not apply (tags without a tag head, labels that are all the same) is left out, and the
    result says why.

    Args:
        datasets: at least one, from `i2v_search.training.datasets.dataset.read_dataset`.
        encoder: its name, a trained model's folder, or the encoder itself.
        against: another, measured on the same pictures with the same copies, for the paired differences.
        parts: what to measure.
        similarity: how vectors are compared; centred by the mean of each set.
        held_out: evaluate only on the pictures that training on these same sets, with this validation share
            and this seed, leaves out.
        split: evaluate only on the pictures that the sets themselves put into this part.
        seed: chooses the copies' originals, the queries of recall and the resamples.
        device: where and how encoders that are named run.
        report: called with the progress.

    Raises:
        EncoderError: there is no such encoder, or no picture can be read.
        QueryError: a part is unknown, there is no data set, or an encoder is compared with itself.

    Example:
        >>> from i2v_search.images.sample import sample_directory
        >>> from i2v_search.training.datasets.dataset import read_dataset
        >>> sample = read_dataset(sample_directory())
        >>> few = replace(sample, pictures=sample.pictures[:24])
        >>> evaluate([few], "lite", parts=["retrieval"]).sets[0].measures[0].retrieval.pictures
        24
    """
    datasets, parts = several(datasets), several(parts)
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not datasets:
        raise QueryError(
            f"cannot evaluate {unknown or 'without a data set'}; available parts: {', '.join(PARTS)}"
        )
    if held_out is not None and not 0 < held_out <= 1:
        raise QueryError(f"held_out must be above 0 and at most 1, not {held_out}")
    if held_out is not None and split is not None:
        raise QueryError("choose pictures by held_out or by split, not by both")
    names = [_name(one) for one in (encoder, against) if one is not None]
    if len(set(names)) < len(names):
        raise QueryError(f"encoder {names[0]!r} cannot be compared with itself")
    loaded = [
        load_encoder(one, Device.of(device)) if isinstance(one, str) else one
        for one in (encoder, against)
        if one is not None
    ]
    chosen = datasets if held_out is None else _held_out(datasets, held_out, seed, report)
    if split is not None:
        chosen = _in_split(datasets, split)
    found = []
    for dataset in chosen:
        job = _Job(dataset, frozenset(parts), similarity, seed, report)
        measures = tuple(job.measure(name, one) for name, one in zip(names, loaded, strict=True))
        found.append(SetEvaluation(dataset, measures, differences(measures, seed=seed)))
    return Evaluation(tuple(found), similarity, seed, held_out, split)


def _name(encoder: str | Encoder) -> str:
    return encoder if isinstance(encoder, str) else encoder.info.id


def _in_split(datasets: Sequence[Dataset], name: SplitName) -> list[Dataset]:
    """The pictures that belong to a part of each set that has any."""
    kept = [
        replace(dataset, pictures=pictures)
        for dataset in datasets
        if (pictures := tuple(picture for picture in dataset.pictures if split_of(picture) == name))
    ]
    if not kept:
        raise QueryError(
            f'no picture of these data sets says "split": "{name}"; write it into their annotations, or hold '
            "out a share"
        )
    return kept


def _held_out(datasets: Sequence[Dataset], share: float, seed: int, report: Report) -> list[Dataset]:
    """The validation pictures of each set that has any."""
    validation = divide(datasets, validation=share, seed=seed, report=report).validation
    kept, start = [], 0
    for dataset in datasets:
        rows = validation[(validation >= start) & (validation < start + len(dataset))] - start
        if len(rows):
            kept.append(replace(dataset, pictures=tuple(dataset.pictures[row] for row in rows.tolist())))
        start += len(dataset)
    if not kept:
        raise QueryError(f"a share of {share} of these data sets holds out no picture; use a larger one")
    return kept


class _NothingToMeasureError(Exception):
    """A part has nothing to measure; the message says why."""


@dataclass(frozen=True)
class _Job:
    """Measurements of one data set."""

    dataset: Dataset
    parts: frozenset[str]
    similarity: SimilarityName
    seed: int
    report: Report

    def measure(self, name: str, encoder: Encoder) -> Measures:
        """Encode the set once, then measure every part that was requested."""
        pictures = self.dataset.pictures
        encoded = encode_pictures(
            encoder,
            [picture.path for picture in pictures],
            lambda number: self.dataset.read(pictures[number]),
            report=self._report,
        )
        measures = Measures(name, None, None, None, (), {}, encoded)
        for part in PARTS:
            if part in self.parts:
                try:
                    measures = replace(measures, **{part: getattr(self, f"_{part}")(encoder, encoded)})
                except _NothingToMeasureError as reason:
                    measures = replace(measures, left_out={**measures.left_out, part: str(reason)})
        return measures

    def _retrieval(self, _: Encoder, encoded: Encoded) -> Retrieval:
        labels = [self.dataset.pictures[row].label for row in encoded.rows.tolist()]
        shared = {label for label, count in Counter(labels).items() if label and count > 1}
        if len(shared) < 1 or len(set(labels)) < 2:
            raise _NothingToMeasureError("its pictures have fewer than two labels")
        return retrieval(
            encoded.vectors,
            labels,
            similarity=self.similarity,
            contents=encoded.contents,
            seed=self.seed,
        )

    def _shared(self, _: Encoder, encoded: Encoded) -> SharedTags:
        found = shared_tags(
            encoded.vectors,
            [
                [tag.name for tag in self.dataset.pictures[row].tags if tag.category != "rating"]
                for row in encoded.rows.tolist()
            ],
            similarity=self.similarity,
            contents=encoded.contents,
            seed=self.seed,
        )
        if found is None:
            raise _NothingToMeasureError("no two of its pictures share a tag")
        return found

    def _tags(self, encoder: Encoder, encoded: Encoded) -> Tagging:
        if encoder.vocabulary is None or encoded.tags is None:
            raise _NothingToMeasureError("the encoder has no tag head")
        wanted = targets([self.dataset], encoder.vocabulary)
        names, categories = encoder.vocabulary.names, encoder.vocabulary.categories
        found = tagging(
            wanted.positive[encoded.rows],
            encoded.tags,
            names,
            categories,
            known=wanted.known[encoded.rows],
            seed=self.seed,
        )
        if not found.tags:
            raise _NothingToMeasureError(f"its pictures have none of the encoder's {len(names)} tags")
        return found

    def _copies(self, encoder: Encoder, encoded: Encoded) -> CopyRecall:
        generator = np.random.default_rng(self.seed)
        count = len(encoded.rows)
        originals = np.sort(generator.choice(count, min(COPIES, count), replace=False))
        pictures = [self.dataset.pictures[row] for row in encoded.rows[originals].tolist()]
        copies = encode_copies(
            encoder,
            [picture.path for picture in pictures],
            lambda number: self.dataset.read(pictures[number]),
            report=self._report,
        )
        return copy_recall(encoded.vectors, copies, originals, similarity=self.similarity, seed=self.seed)

    def _recall(self, _: Encoder, encoded: Encoded) -> tuple[IndexRecall, ...]:
        if len(encoded.rows) <= NEIGHBOURS:
            raise _NothingToMeasureError(f"recall@{NEIGHBOURS} needs more than {NEIGHBOURS} pictures")
        return index_recall(
            encoded.vectors, similarity=self.similarity, k=NEIGHBOURS, seed=self.seed, report=self._report
        )

    def _report(self, progress: Progress) -> None:
        self.report(replace(progress, stage=f"{self.dataset.name}: {progress.stage}"))


def _sheet(found: SetEvaluation, similarity: SimilarityName, count: int, hits: int, seed: int) -> Image.Image:
    """One set's part of a sheet; its queries have a label where any picture has."""
    pictures, rows = found.dataset.pictures, found.measures[0].encoded.rows
    labelled = [place for place, row in enumerate(rows) if pictures[row].label] or range(len(rows))
    chosen = np.random.default_rng(seed).choice(labelled, min(count, len(labelled)), replace=False)

    def picture(row: int) -> Image.Image:
        try:
            return load_image(found.dataset.read(pictures[row]), shrink_to=TILE)
        except ImageError:
            return Image.new("RGB", (TILE, TILE), "lightgrey")

    nearby = {}
    for measures in found.measures:
        places = np.searchsorted(measures.encoded.rows, rows[chosen])
        neighbours, _ = nearest(measures.encoded.vectors, places, hits, similarity=similarity)
        nearby[measures.encoder] = measures.encoded.rows[neighbours]
    return comparison_sheet(picture, [one.label for one in pictures], rows[chosen].tolist(), nearby)
