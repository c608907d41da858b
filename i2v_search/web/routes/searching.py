"""Search, and the tags of its results."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from i2v_search.encoders.lite_text import LiteText
from i2v_search.errors import AnnotationsError
from i2v_search.search.tag_query import MAX_TAG
from i2v_search.tags.vocabulary import normalise_tag
from i2v_search.web import handlers as answers
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.tag_statistics import CountedTag
from i2v_search.web.responses import errors
from i2v_search.web.schema import FilterFields, SearchRequest, SearchResponse, SimilarTag, TagCount
from i2v_search.web.service import Service, Serving

router = APIRouter(prefix="/api/v1", tags=["search"])

#: Tags suggested by meaning.
_BY_MEANING = 8

Limit = Annotated[int, Query(ge=1, le=1000, description="maximum number of tags")]


@router.post("/search", responses=errors(404, 409))
async def search(service: Serving, asked: SearchRequest) -> SearchResponse:
    """Search for images similar to the examples, or with the tags; without both, all images."""
    return await service.searching.run(answers.search, service, asked)


@router.get("/tags", responses=errors())
async def tags(
    service: Serving,
    prefix: Annotated[str, Query(max_length=100, description="prefix of a word of the tag name")] = "",
    limit: Limit = 50,
) -> list[TagCount]:
    """The tags of the collection, those that say most first; with a prefix the most frequent first, then some
    alike in meaning."""
    return await service.searching.run(_suggested, service, normalise_tag(prefix), limit)


@router.get("/tags/{name}/similar", responses=errors(404))
async def similar_tags(
    service: Serving, name: Annotated[str, Path(max_length=MAX_TAG)], limit: Limit = 20
) -> list[SimilarTag]:
    """Tags that occur together with a tag."""
    return await service.searching.run(_similar, service, normalise_tag(name), limit)


@router.post("/tags/counts", responses=errors(404, 409))
async def tag_counts(service: Serving, asked: FilterFields) -> list[TagCount]:
    """Number of the first 200 results with each tag, those that say most first."""
    return await service.searching.run(answers.tag_counts, service, asked)


def _suggested(service: Service, prefix: str, limit: int) -> list[TagCount]:
    statistics = service.tag_statistics(service.current.collection())
    found = statistics.starting(prefix, limit)
    if prefix and len(found) < limit:
        names = {tag.name for tag in found}
        alike = statistics.meaning(prefix, LiteText.load(), min(limit - len(found), _BY_MEANING))
        found += [tag for tag in alike if tag.name not in names]
    own = _own_tags(service, prefix)
    known = {tag.name for tag in own}
    suggested = [TagCount(name=tag.name, category=tag.category, count=tag.count) for tag in found]
    return [*own, *(tag for tag in suggested if tag.name not in known)][:limit]


def _own_tags(service: Service, prefix: str) -> list[TagCount]:
    """Tags of people's own with a word that begins so; none where their file cannot be read."""
    if not prefix:
        return []
    try:
        tagged = service.current.collection().annotations.pictures.tagged()
    except AnnotationsError:
        return []
    return [
        TagCount(name=name, category="general", count=len(pictures))
        for name, pictures in tagged.items()
        if f" {prefix}" in f" {name}"
    ]


def _similar(service: Service, name: str, limit: int) -> list[SimilarTag]:
    found = service.tag_statistics(service.current.collection()).similar(name, limit)
    if found is None:
        raise Failure("not_found", f"no image has tag {name[:100]!r}")
    return [_similar_tag(tag) for tag in found]


def _similar_tag(tag: CountedTag) -> SimilarTag:
    return SimilarTag(name=tag.name, category=tag.category, count=tag.count, score=round(tag.score, 4))
