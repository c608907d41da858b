"""Answers queries: what is asked becomes a ranking of rows, a page is cut from it, and its rows become hits.

==========================  =========================================================================
requested                   rows are ranked by
==========================  =========================================================================
examples                    similarity to the weighted sum of those to be like, less the weighted similarity
                            to the one of those to be unlike that is nearest, `ranking.lower`
texts                       the same, and by how much of their words names and tags have
                            (`i2v_search.search.text`), where any has: ``(1 - w) * similarity + w * words``
sketches, crops             the same, and by their similarity to views of the pictures, where the collection
                            has any (`i2v_search.search.views`)
tags alone                  mean probability of the wanted ones
examples and a tag weight   both: ``(1 - w) * similarity + w * mean probability``, `ranking.mix`
dials                       with subject or style below 1, the pictures of the query as they are turned by
                            `i2v_search.search.dials`, and no views
an order                    the order alone, `i2v_search.search.orders`: all rows that qualify, or with
                            examples the best `SORTED_HITS`
==========================  =========================================================================

Filters hold in every case and are exact. Of copies (`searching.copies`) the first that qualifies is shown.
Pages are stable (`ranking.lay_out`), diverse ones too (`ranking.diversify`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_dials import LiteDials
from i2v_search.errors import MorphError, QueryError
from i2v_search.images.crops import Box
from i2v_search.index.protocol import Conditions, SearchIndex
from i2v_search.search.copies import CopyGroups
from i2v_search.search.dials import Dials, turn
from i2v_search.search.examples import Example, Query, examples_of
from i2v_search.search.filters import Filter
from i2v_search.search.orders import CollectionOrders
from i2v_search.search.query import Resolver
from i2v_search.search.ranking import Rank, Ranking, best, diversify, lay_out, lower, mix
from i2v_search.search.request import MAX_DIVERSE, SORTED_HITS, Request
from i2v_search.search.resolved import Resolved
from i2v_search.search.results import REASONS, Hit, Reason, SearchResult
from i2v_search.search.tag_table import TagTable
from i2v_search.search.text import WordSearch
from i2v_search.search.views import CollectionViews
from i2v_search.store.catalogue import Catalogue
from i2v_search.store.feature_store import FeatureStore
from i2v_search.tags.vocabulary import TAG_THRESHOLD

#: Queries answered at a time: what is held for each is bounded by that.
BATCH = 256
#: For each page of diverse results, so many times its rows come into the choice.
DIVERSE_POOL = 4
#: No score is below it, whatever results should be unlike; and a heavier weight changes nothing.
_LEAST = np.float32(-1)
_WEIGHTIEST = 1e6
#: Weight of words in names and tags beside the similarity to a text: at a half, a row that has all of them
#: comes before every row that has none, unless its picture says the opposite.
WORD_WEIGHT = 0.5

#: Scores of rows with something: (m,) int64 -> (m,) float32.
_Compare: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.float32]]


class _Asked(NamedTuple):
    """A query whose images are found."""

    label: str
    examples: list[Example]
    found: list[Resolved]


class _Wording(NamedTuple):
    """What names and tags say of the texts of a query.

    Attributes:
        scores: (rows,) float32 in [0, 1].
        named, tagged: (rows,) bool.
        weight: of the scores beside the similarity.
    """

    scores: NDArray[np.float32]
    named: NDArray[np.bool_]
    tagged: NDArray[np.bool_]
    weight: float


class _Page(NamedTuple):
    ranking: Ranking
    more: bool
    #: For each row how many others it stands for.
    copies: list[int]
    #: For each row why a text found it; empty where no text was searched for.
    why: Sequence[tuple[Reason, ...]] = ()
    #: For each row the part of it that was looked for; empty where none was.
    boxes: Sequence[Box | None] = ()
    #: How many rows all pages have; None where that is not known.
    total: int | None = None


class Searcher:
    """Answers the queries of one collection.

    Args:
        store: the feature store.
        catalogue: catalogue of the same store.
        resolver: finds query images.
        orders: orders of the same collection.
        dials: gives what the encoder of the collection knows of subject and style.
    """

    def __init__(
        self,
        store: FeatureStore,
        catalogue: Catalogue,
        resolver: Resolver,
        orders: CollectionOrders,
        *,
        dials: Callable[[], LiteDials],
    ) -> None:
        self._known_dials = dials
        self._orders = orders
        self._store, self._catalogue, self._resolver = store, catalogue, resolver
        self._table = TagTable(store, catalogue)
        self._words = WordSearch(store, self._table)
        #: Which rows are copies of one another.
        self.groups = CopyGroups(store, catalogue)
        self._views = CollectionViews(store, catalogue)

    def by_tags(self, request: Request, index: SearchIndex | None) -> SearchResult:
        """Rank by the wanted tags alone; only diverse results need an index.

        Raises:
            QueryError: there are none, or an option does not exist.
        """
        started = time.perf_counter()
        request.require_ranking(has_query=False)
        scores = request.filter.tag_scores(self._table)
        allowed = request.filter.allowed(self._store, self._table)
        rows = self._live(allowed)
        page = self._cut(_by_score(Ranking(scores[rows], rows)), len(rows), request, index, allowed=allowed)
        self._store.check(page.ranking.positions)
        asked = _Asked(", ".join(request.filter.tags), [], [])
        return self._results([asked], [page], request, started)[0]

    def in_order(self, request: Request) -> SearchResult:
        """All rows that meet the filter, in the order that is requested.

        Raises:
            QueryError: an option does not exist.
        """
        started = time.perf_counter()
        request.require_ranking(has_query=False)
        where = request.filter
        allowed = where.allowed(self._store, self._table)
        rows = self._live(allowed)
        scores = where.tag_scores(self._table) if where.wanted else np.zeros(self._store.rows, np.float32)
        if where.wanted:
            rows = rows[scores[rows] >= request.min_score]
        rows = self._arranged(rows, request)
        # Whoever put two copies on a board wants to see both.
        copies_too = request.copies or where.board is not None
        rows = rows if copies_too else self.groups.firsts(rows)
        last = request.offset + request.top
        shown = rows[request.offset : last]
        self._store.check(shown)
        copies = [0] * len(shown) if copies_too else self.groups.count(shown, allowed)
        page = _Page(Ranking(scores[shown], shown), len(rows) > last, copies, total=len(rows))
        return self._results([_Asked(", ".join(where.tags), [], [])], [page], request, started)[0]

    def by_examples(
        self, queries: Sequence[Query], request: Request, index: SearchIndex
    ) -> tuple[SearchResult, ...]:
        """Answer several queries, `BATCH` at a time with one search of the index.

        Raises:
            QueryError: an example, tag or option does not exist.
            ImageError: an image cannot be read.
        """
        request.require_ranking(has_query=True)
        results: list[SearchResult] = []
        for start in range(0, len(queries), BATCH):
            started = time.perf_counter()
            asked = self._ask(queries[start : start + BATCH])
            allowed = request.filter.allowed(self._store, self._table)
            if request.order == "likeness":
                pages = list(self._pages(asked, allowed, request, index))
            else:
                best_hits = replace(request, order="likeness", top=SORTED_HITS, offset=0)
                pages = [
                    self._sorted(page, request) for page in self._pages(asked, allowed, best_hits, index)
                ]
            results += self._results(asked, pages, request, started)
        return tuple(results)

    def best_of_texts(
        self,
        ends: Sequence[Resolved],
        where: Filter,
        index: SearchIndex,
        allowed: NDArray[np.bool_] | None,
    ) -> list[Resolved]:
        """For each text its best result that is none of the others.

        Args:
            ends: found images and texts.
            where: conditions of the results.
            index: the index.
            allowed: (rows,) bool, the rows that meet them and may be taken; None for all.

        Raises:
            MorphError: a text has no result.
        """
        chosen = list(ends)
        for place, end in enumerate(ends):
            if end.text is None:
                continue
            taken = np.array([one.position for one in chosen if one.position is not None], np.int64)
            asked = _Asked(end.label, [Example(end.text)], [end])
            mask = np.ones(self._store.rows, bool) if allowed is None else allowed.copy()
            mask[taken] = False
            page = next(self._pages([asked], mask, Request(where, top=1), index))
            if not len(page.ranking.positions):
                raise MorphError(f"no image qualifies for the text {end.label}; use fewer filters")
            position = int(page.ranking.positions[0])
            chosen[place] = Resolved(self._store.path(position), position, text=end.text)
        return chosen

    def _ask(self, queries: Sequence[Query]) -> list[_Asked]:
        examples = [examples_of(query) for query in queries]
        found = iter(self._resolver.resolve_all([one for several in examples for one in several]))
        return [_asked(several, [next(found) for _ in several]) for several in examples]

    def _pages(
        self,
        asked: Sequence[_Asked],
        allowed: NDArray[np.bool_] | None,
        request: Request,
        index: SearchIndex,
    ) -> Iterator[_Page]:
        vectors, away = self._embed(asked, index, request.dials)
        own = self._own(asked, allowed) if request.exclude_query else [[] for _ in asked]
        batch = _Batch(index, vectors, allowed, max(map(len, own)), self._conditions(request.filter))
        total = len(self._store) if allowed is None else np.count_nonzero(allowed[self._store.live])
        scores = request.filter.tag_scores(self._table) if request.tag_weight else None

        def beside(scores: NDArray[np.float32], mine: Sequence[int]) -> Ranking:
            """Scores of the rows that are ranked."""
            rows = self._live(allowed)
            rows = rows[~np.isin(rows, mine)] if mine else rows
            return Ranking(scores[rows], rows)

        for line, mine in enumerate(own):
            rank, ranked = batch.rank(line, np.array(mine, np.int64)), int(total) - len(mine)
            compare = _comparing(index, vectors[line])
            similar, wording = compare, self._wording(asked[line])
            if wording is not None:
                rank = mix(rank, compare, beside(wording.scores, mine), wording.weight)
                compare = _mixed(compare, wording.scores, wording.weight)
            plain = all(one.neutral for one in _dials_of(asked[line], request.dials))
            views = None
            if plain and not index.similarity.euclidean:
                views = self._views.scores(*asked[line][1:])
            if views is not None:
                rank = mix(rank, compare, beside(views.scores, mine), views.weight)
                compare = _mixed(compare, views.scores, views.weight)
            if line in away:
                rank = lower(rank, away[line].penalties, ranked, least=_LEAST)
                compare = away[line].lowered(compare)
            if scores is not None:
                rank = mix(rank, compare, beside(scores, mine), request.tag_weight)
            page = self._cut(rank, ranked, request, index, allowed=allowed, own=mine)
            if any(item.text is not None for item in asked[line].found):
                page = page._replace(why=_reasons(page.ranking.positions, similar, wording))
            yield page if views is None else page._replace(boxes=views.boxes(page.ranking.positions))

    def _conditions(self, where: Filter) -> Conditions:
        """What a backend can filter by: it does not know the tags that people gave themselves."""
        conditions, own = where.conditions, self._table.own.tags
        tags = tuple(name for name in conditions.tags if name not in own)
        return replace(conditions, tags=tags)

    def _sorted(self, page: _Page, request: Request) -> _Page:
        """A page of the same hits in the order that is requested."""
        found = page.ranking.positions
        by_position = np.argsort(found)
        rows = self._arranged(found[by_position], request)
        places = by_position[np.searchsorted(found, rows, sorter=by_position)]
        last = request.offset + request.top
        chosen = places[request.offset : last].tolist()
        return _Page(
            Ranking(page.ranking.scores[chosen], found[chosen]),
            len(found) > last,
            [page.copies[place] for place in chosen],
            [page.why[place] for place in chosen] if page.why else (),
            [page.boxes[place] for place in chosen] if page.boxes else (),
            total=len(found),
        )

    def _arranged(self, rows: NDArray[np.int64], request: Request) -> NDArray[np.int64]:
        """Rows, which come ascending, in the order that is requested."""
        if request.order == "board":
            placed = self._table.own.board(str(request.filter.board))
            return placed[np.isin(placed, rows)]
        colour = request.filter.colour
        return self._orders.arrange(
            self._store, rows, request.order, seed=request.seed, colour=colour, by=request.by
        )

    def _wording(self, query: _Asked) -> _Wording | None:
        """What names and tags say of the texts that are wanted; None if they say nothing.

        Raises:
            QueryError: the encoder does not know a word of a text either, and nothing else is wanted.
        """
        wanted = [
            (example.weight, item)
            for example, item in zip(query.examples, query.found, strict=True)
            if example.weight > 0
        ]
        texts = [(weight, item) for weight, item in wanted if item.text is not None]
        if not texts:
            return None
        found = [(weight, self._words.matches(item.text)) for weight, item in texts if item.text is not None]
        said = [(weight, matches) for weight, matches in found if matches is not None]
        if not said:
            if all(item.direction is not None and not item.direction.any() for _, item in wanted):
                raise QueryError(
                    f"{query.label} finds nothing: no name or tag has these words, and encoder "
                    f"{self._store.manifest.encoder.id!r} does not know them; try other words, or an image"
                )
            return None
        total = sum(weight for weight, _ in said)
        scores = sum(np.float32(weight / total) * matches.scores for weight, matches in said)
        share = total / sum(weight for weight, _ in wanted)
        return _Wording(
            np.asarray(scores),
            np.logical_or.reduce([matches.named for _, matches in said]),
            np.logical_or.reduce([matches.tagged for _, matches in said]),
            WORD_WEIGHT * share,
        )

    def _cut(
        self,
        rank: Rank,
        total: int,
        request: Request,
        index: SearchIndex | None,
        *,
        allowed: NDArray[np.bool_] | None,
        own: Sequence[int] = (),
    ) -> _Page:
        """The page that is requested."""
        group_of = None if request.copies else self.groups.group_of
        # Only one more row tells whether anything but copies comes behind.
        ahead = int(group_of is not None)
        first, last, count = request.offset, request.offset + request.top, total
        if group_of is not None:
            ranked = self._live(allowed)
            count = self.groups.distinct(ranked[~np.isin(ranked, own)] if own else ranked)
        least = request.min_score if request.min_score > -1 else -math.inf
        if request.diverse is None or index is None:
            layout = lay_out(
                rank, total, size=request.top, count=last + ahead, min_score=least, group_of=group_of
            )
            found = Ranking(layout.scores, layout.positions)
        else:
            pool = DIVERSE_POOL * request.top
            pages = -(-last // request.top)
            layout = lay_out(
                rank, total, size=pool, count=pool * pages + ahead, min_score=least, group_of=group_of
            )
            similarity = index.similarity
            self._store.check(layout.positions)
            rows = similarity.embed_rows(self._store, layout.positions)
            found = diversify(
                layout,
                lambda places, count: similarity.scores(rows[places], rows[:count]),
                request.diverse,
                size=request.top,
                pool=pool,
                count=last,
            )
            count = min(count, MAX_DIVERSE)
        page = Ranking(found.scores[first:last], found.positions[first:last])
        copies = [0] * len(page.positions)
        if group_of is not None:
            copies = self.groups.count(page.positions, allowed, own)
        more = len(layout.positions) > last or not layout.complete
        known = count if least == -math.inf else len(layout.positions) if layout.complete else None
        return _Page(page, more, copies, total=known)

    def _embed(
        self, asked: Sequence[_Asked], index: SearchIndex, dials: Dials
    ) -> tuple[NDArray[np.float32], dict[int, _Away]]:
        """(m, d) float32: what each query wants, in the search space; and what some of them do not."""
        found = [item for query in asked for item in query.found]
        embedded = np.empty((len(found), self._store.dimension), np.float32)
        inside = [line for line, item in enumerate(found) if item.position is not None]
        outside = [(line, item.vector) for line, item in enumerate(found) if item.vector is not None]
        if inside:
            positions = np.array([found[line].position for line in inside], np.int64)
            self._store.check(positions)
            embedded[inside] = index.similarity.embed_rows(self._store, positions)
        if outside:
            vectors = np.stack([vector for _, vector in outside])
            embedded[[line for line, _ in outside]] = index.similarity.embed(vectors)
        for line, item in enumerate(found):
            if item.direction is not None:
                embedded[line] = item.embed(self._store, index.similarity)
        turned = [one for query in asked for one in _dials_of(query, dials)]
        turn(embedded, turned, index.similarity, self._known_dials)
        if len(found) == len(asked) and all(query.examples[0].weight > 0 for query in asked):
            return embedded, {}
        wanted, away, end = np.empty((len(asked), self._store.dimension), np.float32), {}, 0
        for line, query in enumerate(asked):
            start, end = end, end + len(query.found)
            rows, weights = embedded[start:end], np.array([one.weight for one in query.examples], np.float64)
            liked, unlike = weights > 0, weights < 0
            if liked.any() and unlike.any():
                with np.errstate(over="ignore"):
                    shares = -weights[unlike] / weights[liked].max()
                away[line] = _Away(index, rows[unlike], shares)
            # Without an example to be like, results are those least like the others.
            rows, weights = (rows[liked], weights[liked]) if liked.any() else (rows, weights)
            alone = len(rows) == 1 and liked.any()
            wanted[line] = rows[0] if alone else index.similarity.combine(rows, weights)
        return wanted, away

    def _own(self, asked: Sequence[_Asked], allowed: NDArray[np.bool_] | None) -> list[list[int]]:
        """For each query the rows with the content of an example, as far as they qualify."""
        known = {item.sha256: None for query in asked for item in query.found if item.sha256 is not None}
        if not known:
            return [[] for _ in asked]
        digests = np.frombuffer(bytes.fromhex("".join(known)), np.uint8).reshape(-1, 32)
        same = dict(zip(known, self._catalogue.find_contents(digests), strict=True))
        return [
            sorted(
                {
                    row
                    for item in query.found
                    if item.sha256 is not None
                    for row in same[item.sha256]
                    if allowed is None or allowed[row]
                }
            )
            for query in asked
        ]

    def _live(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Positions of the live rows that qualify, ascending."""
        live = self._store.live
        return live if allowed is None else live[allowed[live]]

    def _results(
        self, asked: Sequence[_Asked], pages: Sequence[_Page], request: Request, started: float
    ) -> list[SearchResult]:
        positions = np.concatenate([page.ranking.positions for page in pages])
        lengths = [len(page.ranking.positions) for page in pages]
        lines = np.repeat(np.arange(len(pages)), lengths)
        wanted = self._table.numbers_of(request.filter.wanted)
        tags = self._table.shared(positions, lines, [self._liked(query, wanted) for query in asked])
        made = map(
            Hit,
            [rank for length in lengths for rank in range(request.offset + 1, request.offset + 1 + length)],
            self._store.ids[positions].tolist(),
            self._store.paths_at(positions),
            np.concatenate([page.ranking.scores for page in pages]).tolist(),
            tags,
            [count for page in pages for count in page.copies],
            [why for page in pages for why in page.why or [()] * len(page.copies)],
            [box for page in pages for box in page.boxes or [None] * len(page.copies)],
        )
        hits, seconds = list(made), (time.perf_counter() - started) / len(asked)
        ends = np.cumsum(lengths).tolist()
        return [
            SearchResult(
                tuple(hits[end - length : end]),
                seconds,
                query.label,
                request.offset,
                page.more,
                any(item.looks_like_sketch for item in query.found),
                page.total,
            )
            for query, page, end, length in zip(asked, pages, ends, lengths, strict=True)
        ]

    def _liked(self, query: _Asked, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the tags that are requested, and of those of what is liked."""
        liked = [wanted]
        for example, item in zip(query.examples, query.found, strict=True):
            if example.weight > 0:
                inside = item.position is not None
                liked.append(
                    self._table.numbers_at(item.position)  # type: ignore[arg-type]
                    if inside
                    else self._table.numbers_of(
                        [tag.name for tag in item.tags if tag.probability >= TAG_THRESHOLD]
                    )
                )
        return np.concatenate(liked)


class _Away:
    """Negative examples: ``max_i(w_i * max(0, similarity to i))`` is subtracted from the score.

    A row that is unlike such an example gains nothing by that, and of several examples only the one it is
    most like counts (docs/decisions/0017-negative-examples.md).

    Args:
        index: says how rows are compared.
        examples: (n, d) float32 in the search space.
        weights: (n,) above 0, as shares of the largest weight of what results should be like.
    """

    def __init__(
        self, index: SearchIndex, examples: NDArray[np.float32], weights: NDArray[np.float64]
    ) -> None:
        self._compare = [_comparing(index, example) for example in examples]
        self._weights = np.minimum(weights, _WEIGHTIEST).astype(np.float32)[:, None]

    def penalties(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """(m,) float32, none below 0."""
        alike = np.stack([compare(positions) for compare in self._compare])
        return np.asarray((self._weights * np.maximum(alike, 0)).max(axis=0))

    def lowered(self, compare: _Compare) -> _Compare:
        """Scores as they are after the penalties."""
        return lambda positions: np.maximum(compare(positions) - self.penalties(positions), _LEAST)


class _Batch:
    """Several queries that the index answers together, to any depth.

    Args:
        index: the index.
        vectors: (m, d) float32 in the search space.
        allowed: (rows,) bool, or None.
        beside: how many rows are skipped for a query, at most.
        where: what `allowed` was made from.
    """

    def __init__(
        self,
        index: SearchIndex,
        vectors: NDArray[np.float32],
        allowed: NDArray[np.bool_] | None,
        beside: int,
        where: Conditions,
    ) -> None:
        self._index, self._vectors, self._allowed, self._beside = index, vectors, allowed, beside
        self._where = where
        self._found: dict[int, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}

    def rank(self, line: int, own: NDArray[np.int64]) -> Rank:
        """The ranking of one query, without rows of its own."""

        def rank(k: int) -> Ranking:
            if k not in self._found:
                self._found[k] = self._index.search(
                    self._vectors, k + self._beside, self._allowed, where=self._where
                )
            scores, positions = (values[line] for values in self._found[k])
            if len(own):
                others = ~(positions[:, None] == own).any(axis=1)
                scores, positions = scores[others], positions[others]
            return Ranking(scores[:k], positions[:k])

        return rank


def _asked(examples: list[Example], found: list[Resolved]) -> _Asked:
    labels = (
        f"{'' if example.weight > 0 else 'not '}{example.dials.label_of(item.label)}"
        for example, item in zip(examples, found, strict=True)
    )
    return _Asked(", ".join(labels), examples, found)


def _dials_of(query: _Asked, dials: Dials) -> list[Dials]:
    """For each example how much of it counts; a text has neither subject nor style apart.

    Raises:
        QueryError: dials are for texts alone, or for a drawing of lines.
    """
    if dials.neutral and all(example.dials.neutral for example in query.examples):
        return [Dials()] * len(query.examples)
    found = []
    for example, item in zip(query.examples, query.found, strict=True):
        if item.text is not None and not example.dials.neutral:
            raise QueryError(f"subject and style are dials of pictures, and {item.label} is a text")
        if example.kind == "sketch":
            raise QueryError("a drawing of lines is compared by what it shows; leave subject and style at 1")
        found.append(Dials() if item.text is not None else example.dials.times(dials))
    if all(one.neutral for one in found):
        raise QueryError(f"subject and style are dials of pictures, and {query.label} is a text")
    for one in found:
        one.check()
    return found


def _mixed(compare: _Compare, scores: NDArray[np.float32], weight: float) -> _Compare:
    """Scores as they are with other scores, (rows,), beside them."""
    shares = np.float32(1 - weight), np.float32(weight)
    return lambda positions: shares[0] * compare(positions) + shares[1] * scores[positions]


def _reasons(
    positions: NDArray[np.int64], similar: _Compare, wording: _Wording | None
) -> list[tuple[Reason, ...]]:
    """Why texts found rows: by words of a name, of a tag, or by their meaning if that says as much."""
    if wording is None:
        return [("meaning",)] * len(positions)
    words = wording.weight * wording.scores[positions]
    meant = (1 - wording.weight) * similar(positions) >= words
    columns = (wording.named[positions], wording.tagged[positions], meant)
    return [
        tuple(reason for reason, holds in zip(REASONS, row, strict=True) if holds)
        for row in zip(*columns, strict=True)
    ]


def _by_score(ranking: Ranking) -> Rank:
    return lambda k: best(ranking.scores, ranking.positions, k)


def _comparing(index: SearchIndex, vector: NDArray[np.float32]) -> _Compare:
    """Scores of rows with one query (d,)."""

    def scores(positions: NDArray[np.int64]) -> NDArray[np.float32]:
        index.store.check(positions)
        return index.stored.of(vector, positions)

    return scores
