"""One search in several collections of the same encoder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Unpack

from i2v_search.collection.answers import Answers
from i2v_search.errors import EncoderMismatchError, QueryError
from i2v_search.index.pooled_index import PooledIndex
from i2v_search.index.similarity import Similarity
from i2v_search.search.examples import Example, Query, examples_of
from i2v_search.search.filters import Filter
from i2v_search.search.request import RankingOptions, Request
from i2v_search.search.resolved import EncodedImage
from i2v_search.search.results import Hit, HitAcross, SearchResult

#: Hits of a search across collections: the best of each compete for them.
MOST_ACROSS: Final = 200


@dataclass(frozen=True)
class ResultAcross(SearchResult):
    """Result of a search in several collections.

    Attributes:
        hits: best first, each with its collection.

    Example:
        >>> from i2v_search import Collection, search_across
        >>> result = search_across([Collection.open("index/art")], "fruit/lemon.webp", top=2)
        >>> [(hit.rank, hit.collection) for hit in result.hits], result.more
        ([(1, 'index/art'), (2, 'index/art')], True)
    """

    hits: tuple[HitAcross, ...]


def search_across(
    collections: Sequence[Answers],
    query: Query | None = None,
    *,
    top: int = 10,
    offset: int = 0,
    where: Filter | None = None,
    **ranking: Unpack[RankingOptions],
) -> ResultAcross:
    """Search several collections as if they were one.

    Scores of two collections say different things, as each is compared by a mean and deviations of its own.
    Here those are pooled (`i2v_search.index.similarity.Similarity.pooled`), so that scores compare, and
    the best of all come first.

    Args:
        collections: open ones of the same encoder and similarity. Ids and stored paths in the query are of
            the first.
        query: as in `Collection.search`.
        top: how many hits.
        offset: how many better ones to skip; after `MOST_ACROSS` there are no more.
        where: what every hit meets, exactly.
        **ranking: as in `Collection.search`, without ``order`` and ``diverse``.

    Returns:
        The best hits of all. Files of the same content, in whichever collections, are one hit, unless copies
        are wanted.

    Raises:
        EncoderMismatchError: their vectors are not of the same encoder.
        QueryError: there is no collection, they are compared in different ways, or as `Collection.search`
            says; what one collection has, such as a tag, the others may lack.
        ImageError: an image cannot be read.
        IndexStaleError: a collection has no index.

    Example:
        >>> from i2v_search import Collection, sample_directory, search_across
        >>> import tempfile
        >>> birds = Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"])
        >>> both = search_across([Collection.open("index/art"), birds], "a red bird", top=3)
        >>> len(both.hits), {hit.collection for hit in both.hits} == {"index/art", str(birds.directory)}
        (3, True)
    """
    started = time.perf_counter()
    _require_alike(collections)
    request = Request.of(where, top=top, offset=offset, **ranking)
    if request.order != "likeness" or request.diverse is not None:
        raise QueryError(
            "a search across collections comes in the order of likeness; leave out order and diverse"
        )
    asked = None if query is None else [_for_all(collections[0], one) for one in examples_of(query)]
    results = _each(collections, asked, replace(request, top=MOST_ACROSS, offset=0))
    hits = _merged(collections, results, copies=request.copies)[:MOST_ACROSS]
    last = request.offset + request.top
    return ResultAcross(
        tuple(hits[request.offset : last]),
        time.perf_counter() - started,
        next(result.query for result in results if result is not None),
        request.offset,
        len(hits) > last,
        any(result.looks_like_sketch for result in results if result is not None),
        len(hits),
    )


def _require_alike(collections: Sequence[Answers]) -> None:
    if not collections:
        raise QueryError("there is no collection to search")
    first = collections[0].store.manifest
    for other in collections[1:]:
        manifest = other.store.manifest
        if manifest.encoder != first.encoder:
            raise EncoderMismatchError(
                f"{other.directory} has vectors of encoder {manifest.encoder.id!r} "
                f"({manifest.encoder.weights_sha256[:12]}), {collections[0].directory} of "
                f"{first.encoder.id!r} ({first.encoder.weights_sha256[:12]}): their distances cannot be "
                "compared; search them one after the other"
            )
        if manifest.similarity != first.similarity:
            raise QueryError(
                f"{other.directory} compares by {manifest.similarity}, {collections[0].directory} by "
                f"{first.similarity}; run: i2v-search index --similarity {first.similarity} --collection "
                f"{other.directory}"
            )


def _for_all(first: Answers, example: Example) -> Example:
    """An example as every collection understands it; those of the first collection are seen from outside."""
    found = first._state.resolver.resolve(example.image)
    if found.text is not None:
        return replace(example, image=found.text)
    given = isinstance(example.image, EncodedImage) and example.image.picture is not None
    if not example.is_whole_picture and (given or found.position is None):
        return example  # each looks at the pixels itself
    if found.vector is not None:
        seen = EncodedImage(
            found.vector, found.tags, found.sha256, found.label, looks_like_sketch=found.looks_like_sketch
        )
        return replace(example, image=seen)
    number = int(first.store.ids[found.position])
    seen = first.encode(number)
    return replace(
        example, image=seen if example.is_whole_picture else replace(seen, picture=first.image_bytes(number))
    )


def _each(
    collections: Sequence[Answers], asked: list[Example] | None, request: Request
) -> list[SearchResult | None]:
    """The result of each collection, by scores that can be compared; None of one that lacks what is asked."""
    results: list[SearchResult | None] = []
    problems: list[QueryError] = []
    pooled = None
    if asked is not None:
        own = [one._state.index.similarity for one in collections]
        pooled = Similarity.pooled(own, [len(one) for one in collections])
    for one in collections:
        try:
            if pooled is None or asked is None:
                results.append(one._state.searcher.by_tags(request, None))
            else:
                index = PooledIndex(one._state.index, pooled)
                results += one._state.searcher.by_examples([asked], request, index)
        except QueryError as problem:
            results.append(None)
            problems.append(problem)
    if len(problems) == len(collections):
        raise problems[0]
    return results


def _merged(
    collections: Sequence[Answers], results: Iterable[SearchResult | None], *, copies: bool
) -> list[HitAcross]:
    """All hits, best first; of those with the same content the first, unless copies are wanted."""
    found = [
        (hit, number)
        for number, result in enumerate(results)
        for hit in (() if result is None else result.hits)
    ]
    found.sort(key=lambda pair: (-pair[0].score, pair[1], pair[0].rank))
    merged: dict[object, HitAcross] = {}
    for place, (hit, number) in enumerate(found):
        key: object = place if copies else _content(collections[number], hit)
        if key in merged:
            known = merged[key]
            merged[key] = replace(known, copies=known.copies + 1 + hit.copies)
        else:
            named = os.fspath(collections[number].directory)
            merged[key] = HitAcross(**{**vars(hit), "collection": named})
    return [replace(hit, rank=rank) for rank, hit in enumerate(merged.values(), 1)]


def _content(collection: Answers, hit: Hit) -> str:
    position = collection.store.position_of_id(hit.id)
    assert position is not None  # noqa: S101 - it was just found
    return collection.store.sha256(position)
