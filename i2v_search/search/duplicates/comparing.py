"""Images of a collection that are the same picture, and which of them to keep.

========  ============================  ====================================================================
kind      the same are                  how it is found
========  ============================  ====================================================================
exact     the bytes of the files        by the SHA-256 in the feature store; no file is opened
pixels    all frames, pixel by pixel    near vectors, then the decoded pixels are compared
near      the picture: re-encoded,      near vectors, then the pictures are laid over each other
          resized, cut, touched up      (`i2v_search.search.duplicates.registering`)
variants  the forms: another mouth,     near vectors, then difference hash and thumbnail must agree
          word or colour                (`i2v_search.images.fingerprints`)
========  ============================  ====================================================================

Images are gone through from the best to the worst: most pixels, largest file, oldest id. Each takes from
those after it the ones that are the same picture, and these are gone. So groups never overlap, and every
image of a group has been compared with its best itself: A like B and B like C does not make C a copy of A.
Two that people say are not copies are never in one group, unless their files are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import DuplicateKind
from i2v_search.errors import QueryError
from i2v_search.index.protocol import SearchIndex
from i2v_search.index.similarity import BLOCK_BYTES
from i2v_search.progress import Progress, Report, silent
from i2v_search.search.duplicates.groups import Duplicate, DuplicateGroup, Duplicates
from i2v_search.search.duplicates.looks import Look, relation
from i2v_search.search.duplicates.stored_pictures import StoredPictures
from i2v_search.search.kept_apart import KeptApart
from i2v_search.search.proven_copies import write_proven
from i2v_search.store.feature_store import FeatureStore

#: Least cosine of two near copies; docs/decisions/0010-duplicates.md says how it was chosen.
THRESHOLD: Final = 0.9
#: Neighbours looked at, and where nearly all of them are copies.
NEIGHBOURS: Final = 32
MANY_NEIGHBOURS: Final = 1024
#: After so many near images that are other pictures, nobody looks further for copies.
OTHERS: Final = 16
KINDS: Final[tuple[DuplicateKind, ...]] = get_args(DuplicateKind)


def find_duplicates(
    store: FeatureStore,
    root: Path,
    index: Callable[[], SearchIndex],
    *,
    kind: DuplicateKind = "near",
    threshold: float = THRESHOLD,
    report: Report = silent,
) -> Duplicates:
    """Find the images that are the same picture.

    Memory is about 150 bytes an image and 200 MB besides; no pairs are kept. Time is that of one search for
    every image, of decoding those that have a near neighbour, in the first run, and of laying near ones over
    each other, 20 ms a pair.

    Args:
        store: the feature store.
        root: the folder that stored paths are relative to.
        index: opens the index; not called for ``"exact"``.
        kind: the loosest way of being the same that counts; the stricter ones count too.
        threshold: least cosine of the vectors of two images whose pixels are compared, in (0, 1].
        report: called with the progress.

    Raises:
        QueryError: the kind or the threshold does not exist.
        IndexStaleError: the index is missing or older than the feature store.
    """
    if kind not in KINDS:
        raise QueryError(f"unknown kind of duplicates {kind!r}; available: {', '.join(KINDS)}")
    if not 0 < threshold <= 1:
        raise QueryError(f"threshold must be above 0 and at most 1, not {threshold}")
    started = time.perf_counter()
    pictures = StoredPictures(store, root)
    search = _Search(store, pictures, kind, threshold)
    if kind != "exact":
        try:
            search.compare(index(), report)
        finally:  # whoever stops here goes on from there
            pictures.save_looks()
        if kind != "pixels":
            write_proven(store.directory, search.proven())
    groups = sorted(search.groups(), key=lambda group: (-group.freed_bytes, group.best.id))
    return Duplicates(tuple(groups), pictures.problems, time.perf_counter() - started)


@dataclass(frozen=True)
class _Taken:
    """A content that belongs to a better one."""

    content: int
    kind: DuplicateKind
    score: float


@dataclass(frozen=True)
class _Near:
    """Neighbours of a content: other contents with their cosines, and the number of examined rows."""

    content: int
    cosines: dict[int, float]
    searched: int
    is_full: bool


class _Search:
    """One search for duplicates. A content is known by the position of the best row that has it."""

    def __init__(
        self, store: FeatureStore, pictures: StoredPictures, kind: DuplicateKind, threshold: float
    ) -> None:
        self._store = store
        self._pictures = pictures
        self._kind = kind
        self._threshold = np.float32(threshold)
        #: (rows,) int64: the content of every live row, and its width and height in one number.
        self._content_of = np.full(store.rows, -1, np.int64)
        self._sides = np.zeros(store.rows, np.int64)
        #: The rows whose files stand, best first, of each content that has several rows.
        self._rows: dict[int, list[int]] = {}
        #: Contents, best first.
        self._contents = self._by_content()
        #: (rows,) bool: the contents that are still to be gone through, and those that were.
        self._waiting = np.zeros(store.rows, bool)
        self._waiting[self._contents] = True
        self._passed = np.zeros(store.rows, bool)
        #: What each content has taken.
        self._taken: dict[int, list[_Taken]] = {}
        self._apart = KeptApart(store.directory)

    def _by_content(self) -> NDArray[np.int64]:
        live = self._store.live
        width, height = (self._store.column(name, live).astype(np.int64) for name in ("width", "height"))
        self._sides[live] = width << 32 | height
        order = np.lexsort((self._store.ids[live], -self._store.column("size", live), -width * height))
        ranked = live[order]
        digests = np.ascontiguousarray(self._store.column("sha256", ranked)).view(np.uint64).reshape(-1, 4)
        # Equal contents come beside each other, the best first: the sort is stable.
        grouped = np.lexsort(digests.T)
        is_first = np.ones(len(grouped), bool)
        is_first[1:] = np.any(digests[grouped[1:]] != digests[grouped[:-1]], axis=1)
        starts = np.flatnonzero(is_first)
        counts = np.diff(starts, append=len(grouped))
        self._content_of[ranked[grouped]] = np.repeat(ranked[grouped[starts]], counts)
        exists = np.zeros(len(ranked), bool)
        exists[grouped[starts]] = True
        several = counts > 1
        for start, count in zip(starts[several].tolist(), counts[several].tolist(), strict=True):
            rows = ranked[grouped[start : start + count]].tolist()
            self._rows[rows[0]] = self._pictures.standing(rows)
            exists[grouped[start]] = bool(self._rows[rows[0]])
        return ranked[exists]

    def _copies(self, content: int) -> list[int]:
        """The usable rows of a content, best first."""
        return [row for row in self._rows.get(content, [content]) if self._pictures.usable(row)]

    def compare(self, index: SearchIndex, report: Report) -> None:
        """Let every content take those after it that are the same picture."""
        size = max(1, BLOCK_BYTES // (4 * self._store.dimension * NEIGHBOURS))
        total = len(self._contents)
        for start in range(0, total, size):
            block = self._contents[start : start + size]
            block = block[self._waiting[block]]
            if len(block):
                self._compare_block(index, block)
            report(Progress("comparing candidates", min(start + size, total), total))

    def _compare_block(self, index: SearchIndex, block: NDArray[np.int64]) -> None:
        queries = index.similarity.embed_rows(self._store, block)
        found = index.search(queries, NEIGHBOURS)[1]
        lists = [self._near(content, rows) for content, rows in zip(block.tolist(), found, strict=True)]
        comparable = {near.content: self._comparable(near.content, near.cosines) for near in lists}
        # All at once, so that they are decoded side by side.
        self._look({content for content, others in comparable.items() if others}.union(*comparable.values()))
        for near, query in zip(lists, queries, strict=True):
            if self._waiting[near.content]:
                self._waiting[near.content], self._passed[near.content] = False, True
                self._take_all(index, query, near)

    def _take_all(self, index: SearchIndex, query: NDArray[np.float32], near: _Near) -> None:
        """Let a content take its copies, looking further as long as nearly all that is near are copies."""
        taken, others = self._take(near)
        is_full = near.is_full and near.searched == NEIGHBOURS
        while is_full and others < OTHERS:
            near = self._near(near.content, index.search(query[None], MANY_NEIGHBOURS, self._waiting)[1][0])
            taken, others = self._take(near)
            is_full = near.is_full and near.searched == MANY_NEIGHBOURS and taken > 0

    def _near(self, content: int, rows: NDArray[np.int64]) -> _Near:
        """Contents of some rows, nearest first, with a vector near that of a content."""
        vector = self._store.take(np.array([content], np.int64))[0]
        cosines = np.minimum(self._store.take(rows) @ vector, np.float32(1))
        near = cosines >= self._threshold
        found: dict[int, float] = {}
        for other, cosine in zip(self._content_of[rows[near]].tolist(), cosines[near].tolist(), strict=True):
            if other != content:
                found.setdefault(other, cosine)
        return _Near(content, found, len(rows), bool(near.all()))

    def _comparable(self, content: int, others: Iterable[int]) -> list[int]:
        """Those of some contents that wait, and whose pixels may decide."""
        return [
            other
            for other in others
            if self._waiting[other] and (self._kind != "pixels" or self._sides[other] == self._sides[content])
        ]

    def _look(self, contents: Collection[int]) -> dict[int, Look]:
        """Looks of contents; one that cannot be read waits no longer."""
        found = self._pictures.looks({content: self._copies(content) for content in contents})
        for content in contents:
            if content not in found:
                self._waiting[content] = False
        return found

    def _take(self, near: _Near) -> tuple[int, int]:
        """Take what is the same picture as a content, nearest first, until `OTHERS` were not.

        Returns:
            How many were taken, and how many near ones are other pictures.
        """
        taken = others = 0
        contents = list(near.cosines)
        for start in range(0, len(contents), NEIGHBOURS):
            some = contents[start : start + NEIGHBOURS]
            comparable = self._comparable(near.content, some)
            looks = self._look([near.content, *comparable]) if comparable else {}
            if comparable and near.content not in looks:
                return taken, OTHERS
            for other in comparable:
                kind = self._relation(near.content, other, looks)
                if kind is not None:
                    self._taken.setdefault(near.content, []).append(_Taken(other, kind, near.cosines[other]))
                    self._waiting[other] = False
                    taken += 1
            others += int(np.count_nonzero(self._waiting[some] | self._passed[some]))
            if others >= OTHERS:
                break
        return taken, others

    def _relation(self, content: int, other: int, looks: Mapping[int, Look]) -> DuplicateKind | None:
        """In what way another content is the same picture; None if it is not."""
        if other not in looks:
            return None
        if self._apart.others:
            group = [content, *(taken.content for taken in self._taken.get(content, ()))]
            if not self._apart.joins(self._digest(other), map(self._digest, group)):
                return None
        return relation(looks[content], looks[other], self._kind)

    def proven(self) -> dict[bytes, bytes]:
        """The content that is kept for each that shows the same, by SHA-256; variants do not."""
        return {
            self._digest(taken.content): self._digest(content)
            for content, several in self._taken.items()
            for taken in several
            if taken.kind != "variants"
        }

    def _digest(self, content: int) -> bytes:
        return bytes(self._store.column("sha256", np.array([content], np.int64))[0])

    def groups(self) -> Iterator[DuplicateGroup]:
        """The found groups, in any order."""
        inside = {taken.content for several in self._taken.values() for taken in several}
        for content in (self._rows.keys() | self._taken.keys()) - inside:
            rows = self._copies(content)
            copies = [self._member(row, "exact", 1.0) for row in rows[1:]]
            for taken in self._taken.get(content, ()):
                copies += [self._member(row, taken.kind, taken.score) for row in self._copies(taken.content)]
            if copies:
                copies.sort(key=lambda copy: (KINDS.index(copy.kind or "exact"), -copy.score, copy.id))
                loosest = copies[-1].kind or "exact"
                yield DuplicateGroup(loosest, (self._member(rows[0], None, 1.0), *copies))

    def _member(self, row: int, kind: DuplicateKind | None, score: float) -> Duplicate:
        record = self._store.record(row)
        return Duplicate(
            id=int(self._store.ids[row]),
            path=record.path,
            kind=kind,
            score=score,
            width=record.width,
            height=record.height,
            bytes=record.size,
            in_archive=self._pictures.in_archive(row),
        )
