"""Handlers: convert requests to calls of the library, and its results to response models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from i2v_search.choices import SearchOrder
from i2v_search.collection.collection import Collection
from i2v_search.errors import ImageError
from i2v_search.escapes import printable
from i2v_search.images.tag_sources import tag_sources
from i2v_search.morph.stops import Morph, Stop
from i2v_search.search.examples import Example, QueryImage
from i2v_search.search.filters import Filter
from i2v_search.search.results import Hit, SearchResult
from i2v_search.search.tag_query import MAX_TAG
from i2v_search.search.text import Text
from i2v_search.store.feature_file import ImageRecord
from i2v_search.tags.telling import telling_order
from i2v_search.tags.vocabulary import TAG_THRESHOLD, Tag
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.tag_statistics import attributes_among
from i2v_search.web.jobs.upload_memory import Upload
from i2v_search.web.schema import (
    ById,
    ByText,
    ByUpload,
    ConditionFields,
    DetailsModel,
    ExampleById,
    ExampleByText,
    ExampleByUpload,
    FileStatement,
    FilterFields,
    HitModel,
    ImageModel,
    ImageRef,
    MatchesModel,
    MorphRequest,
    MorphResponse,
    QualityModel,
    SearchRequest,
    SearchResponse,
    StopModel,
    TagCount,
    TagFile,
    TagModel,
    version_of,
)
from i2v_search.web.server_settings import LARGE_SIDE
from i2v_search.web.service import Service

#: Hits whose tags are counted.
COUNTED_HITS = 200
#: Tags told of an upload.
UPLOAD_TAGS = 40


class _Page(TypedDict, total=False):
    """What is wanted of the results, as `Collection.search` takes it."""

    top: int
    offset: int
    order: SearchOrder
    seed: int
    by: str


def search(service: Service, asked: SearchRequest) -> SearchResponse:
    """Run a search.

    Raises:
        I2VSearchError: as `Collection.search` does.
        Failure: an image does not exist.
    """
    collection = service.current.collection()
    ranked = _is_ranked(asked)
    order = asked.order or ("likeness" if ranked or asked.board else "varied")
    page = _Page(top=asked.top, offset=asked.offset, order=order, seed=asked.seed, by=asked.by)
    result = _result(service, collection, asked, **page)
    hits = [hit_model(collection, hit, ranked=ranked) for hit in result.hits]
    return SearchResponse(
        hits=hits,
        more=result.more,
        total=result.total,
        seconds=result.seconds,
        query=printable(result.query),
        looks_like_sketch=result.looks_like_sketch,
    )


def tag_counts(service: Service, asked: FilterFields) -> list[TagCount]:
    """Count the tags of the best hits, or of varied ones where nothing ranks them, whatever the order; those
    that say most about them first."""
    collection = service.current.collection()
    spread: SearchOrder = "likeness" if _is_ranked(asked) else "varied"
    result = _result(service, collection, asked, top=COUNTED_HITS, order=spread)
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for hit in result.hits:
        likely = {
            (t.name, t.category): t.probability for t in _record(collection, hit.id).tags if _plausible(t)
        }
        for key, probability in likely.items():
            found[key].append(probability)
    keys = sorted(found)
    counts = np.array([len(found[key]) for key in keys], np.int64)
    confidence = np.array([np.mean(found[key]) for key in keys])
    behind = attributes_among([name for name, _ in keys])
    order = telling_order(counts, confidence, behind, len(result.hits)).tolist()
    return [TagCount(name=keys[n][0], category=keys[n][1], count=int(counts[n])) for n in order]


def matches(service: Service, asked: ConditionFields) -> MatchesModel:
    """The images that match the conditions.

    Raises:
        QueryError: no image has one of the tags, or the rating.
    """
    store = service.current.collection().store
    rows = filter_of(asked).rows(store)
    return MatchesModel(ids=store.ids[rows].tolist())


def image(collection: Collection, number: int) -> ImageModel:
    """Details of an image.

    Raises:
        Failure: it does not exist.
    """
    record = _record(collection, number)
    ratings = [tag for tag in record.tags if tag.category == "rating"]
    return ImageModel(
        id=number,
        path=printable(record.path),
        width=record.width,
        height=record.height,
        bytes=record.size,
        modified=datetime.fromtimestamp(record.mtime_ns // 10**9, UTC),
        tags=tag_models(record.tags),
        rating=max(ratings, key=lambda tag: tag.probability).name if ratings else None,
        columns=dict(collection[number].columns),
        version=version_of(record.sha256),
    )


def details(service: Service, number: int) -> DetailsModel:
    """What the file of an image says of itself, and what the files beside it say.

    Raises:
        Failure: it does not exist, or its file cannot be read.
    """
    collection = service.current.collection()
    record, manifest = _record(collection, number), collection.store.manifest
    try:
        found = service.originals.details(collection, number)
    except ImageError as error:
        raise Failure("picture_gone", f"the image's file cannot be read: {error.reason}") from error
    sources = tag_sources(Path(manifest.image_root), record.path)
    return DetailsModel(
        format=found.format,
        frames=found.frames,
        shown=found.shown,
        times=list(found.times),
        statements=[FileStatement(kind=kind, text=printable(text)) for kind, text in found.statements],
        tag_files=[
            TagFile(name=printable(source.name), tags=list(source.tags), text=printable(source.text))
            for source in sources
        ],
        tagger=(manifest.tagger or manifest.encoder).id,
    )


def stored_pictures(collection: Collection, ids: Sequence[int]) -> list[ImageRecord]:
    """What the collection knows of images.

    Raises:
        Failure: one does not exist.
    """
    return [_record(collection, number) for number in ids]


def morph(service: Service, asked: MorphRequest) -> tuple[Collection, Morph, list[Upload | None]]:
    """Find a morph; also returns the uploads among its stops, None for an image of the collection.

    Raises:
        I2VSearchError: as `Collection.morph` does.
        Failure: an image does not exist.
    """
    collection = service.current.collection()
    known = [number for number in asked.exclude if collection.store.position_of_id(number) is not None]
    found = collection.morph(
        _query(service, collection, asked.a),
        _query(service, collection, asked.b),
        via=[_query(service, collection, reference) for reference in asked.via],
        steps=asked.steps,
        method=asked.method,
        exclude=known,
        where=filter_of(asked),
    )
    outside = iter(
        service.uploads.get(reference.upload)
        for reference in (asked.a, *asked.via, asked.b)
        if isinstance(reference, ByUpload) and service.current.image_with(reference.upload) is None
    )
    uploads = [next(outside) if stop.id is None else None for stop in found.stops]
    return collection, found, uploads


def morph_response(collection: Collection, found: Morph, uploads: Sequence[Upload | None]) -> MorphResponse:
    """A morph as a response model."""
    quality = found.quality
    return MorphResponse(
        stops=[_stop(collection, *pair) for pair in zip(found.stops, uploads, strict=True)],
        quality=QualityModel(
            hops=list(quality.hops),
            largest_hop=quality.largest_hop,
            mean_hop=quality.mean_hop,
            bottleneck=quality.bottleneck,
            regret=quality.regret,
            monotonicity=quality.monotonicity,
            near_duplicates=quality.near_duplicates,
        ),
        gaps=found.gaps,
        seconds=found.seconds,
        method=found.method,
    )


def tag_models(tags: Sequence[Tag]) -> list[TagModel]:
    """Tags, most probable first."""
    ordered = sorted(tags, key=lambda tag: (-tag.probability, tag.name))
    return [
        TagModel(name=tag.name, probability=round(tag.probability, 4), category=tag.category)
        for tag in ordered
    ]


def upload_tags(upload: Upload) -> list[TagModel]:
    """Tags of an upload for the page, most probable first."""
    return tag_models([tag for tag in upload.encoded.tags if tag.probability >= TAG_THRESHOLD])[:UPLOAD_TAGS]


def filter_of(asked: ConditionFields) -> Filter:
    """The filter of a request: its fields have the names of the attributes."""
    return Filter(**asked.model_dump(include=set(ConditionFields.model_fields)))


def _is_ranked(asked: FilterFields) -> bool:
    """Whether anything gives hits a score."""
    return bool(asked.examples) or bool(Filter(asked.tags).wanted)


def _result(
    service: Service, collection: Collection, asked: FilterFields, **page: Unpack[_Page]
) -> SearchResult:
    where = filter_of(asked)
    examples = [example_of(service, collection, one) for one in asked.examples]
    return collection.search(
        examples or None,
        **page,
        min_score=-1.0 if asked.min_score is None else asked.min_score,
        tag_weight=asked.tag_weight,
        where=where,
        diverse=asked.diverse,
        copies=asked.copies,
    )


def example_of(
    service: Service, collection: Collection, asked: ExampleById | ExampleByUpload | ExampleByText
) -> Example:
    """An example of a request, as a search of the collection takes it.

    Raises:
        Failure: its image does not exist, or its file cannot be read.
    """
    image = _query(service, collection, asked)
    if isinstance(asked, ExampleByText):
        return Example(image, asked.weight)
    crop = None if asked.crop is None else (asked.crop[0], asked.crop[1], asked.crop[2], asked.crop[3])
    example = Example(image, asked.weight, asked.kind, crop, asked.subject, asked.style)
    if isinstance(image, int) and not example.is_whole_picture:
        try:
            picture = service.thumbnails.get(collection, image, LARGE_SIDE).content
        except ImageError as error:
            raise Failure("picture_gone", f"the image's file cannot be read: {error.reason}") from error
        return replace(example, image=replace(collection.encode(image), picture=picture))
    return example


def _query(service: Service, collection: Collection, reference: ImageRef) -> QueryImage:
    """The library's query for a reference: an id, a text, or what `Collection.encode` gave; never a path."""
    if isinstance(reference, ByText):
        return Text(reference.text)
    if isinstance(reference, ById):
        if collection.store.position_of_id(reference.id) is None:
            raise Failure("not_found", f"no image in the collection has id {reference.id}")
        return reference.id
    number = service.current.image_with(reference.upload)
    if number is not None:
        return number
    upload = service.uploads.get(reference.upload)
    if not service.reader.made(upload):
        raise Failure("upload_gone", "the encoder of the collection has changed; upload the image again")
    return upload.encoded


def _record(collection: Collection, number: int) -> ImageRecord:
    position = collection.store.position_of_id(number)
    if position is None:
        raise Failure("not_found", f"no image in the collection has id {number}")
    return collection.store.record(position)


def hit_model(collection: Collection, hit: Hit, *, ranked: bool) -> HitModel:
    """A hit as a response model; without a ranking it has no score."""
    record = _record(collection, hit.id)
    return HitModel(
        rank=hit.rank,
        id=hit.id,
        path=printable(hit.path),
        score=hit.score if ranked else None,
        tags=list(hit.tags),
        copies=hit.copies,
        why=list(hit.why),
        box=None if hit.box is None else list(hit.box),
        width=record.width,
        height=record.height,
        version=version_of(record.sha256),
    )


def _stop(collection: Collection, stop: Stop, upload: Upload | None) -> StopModel:
    if upload is None:
        assert stop.id is not None  # noqa: S101 - without an upload it is of the collection
        record = _record(collection, stop.id)
        width, height, sha256 = record.width, record.height, record.sha256
    else:
        width, height, sha256 = upload.width, upload.height, upload.key
    return StopModel(
        id=stop.id,
        upload=None if upload is None else upload.key,
        path=printable(stop.path),
        hop=stop.hop,
        progress=stop.progress,
        tags=list(stop.tags),
        waypoint=stop.waypoint,
        text=printable(stop.text),
        width=width,
        height=height,
        version=version_of(sha256),
    )


def _plausible(tag: Tag) -> bool:
    return tag.category != "rating" and tag.probability >= TAG_THRESHOLD and len(tag.name) <= MAX_TAG
