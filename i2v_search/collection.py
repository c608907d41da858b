"""`Collection`: a searchable set of illustrations, the object users hold."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from i2v_search.building import (
    GRAPH_ROWS,
    build_index,
    extract_features,
    find_image,
    remove_rows,
    resolve_encoder,
)
from i2v_search.catalogue import Catalogue
from i2v_search.choices import Engine, IndexKind, MorphMethod, SimilarityName
from i2v_search.encoders import Encoder, TaggedEncoder
from i2v_search.errors import CollectionDamagedError, MorphError, QueryError
from i2v_search.extract import Extraction
from i2v_search.index import VectorIndex, current_index, is_current, verify_index
from i2v_search.manifest import Manifest
from i2v_search.morph import METHODS, MorphSpace, Network, measure
from i2v_search.planner import PCA_DIMENSIONS, IndexPlan
from i2v_search.progress import Report, silent
from i2v_search.query import Example, Filter, Query, QueryImage, Resolved, Resolver, examples_of
from i2v_search.recipe import Recipe
from i2v_search.results import CollectionInfo, Hit, Morph, SearchResult, Stop
from i2v_search.rows import UnitRows, load_network
from i2v_search.sources import Source, open_stored
from i2v_search.store import Damage, FeatureStore


class Collection:
    """A directory with the features of a set of images and everything derived from them.

    Open one with `Collection.open`, make one with `Collection.build`. An open collection keeps answering from
    the state it was opened in, whatever another process writes; `add`, `remove` and `index` of the object
    itself refresh it.

    Example:
        >>> import tempfile
        >>> from i2v_search.sample import sample_directory
        >>> directory = tempfile.mkdtemp()
        >>> birds = Collection.build(directory, [sample_directory() / "birds"])
        >>> hits = birds.search(birds.ids[0], top=3).hits
        >>> [hit.rank for hit in hits], hits[0].score <= 1
        ([1, 2, 3], True)
    """

    def __init__(self, directory: Path, *, engine: Engine = Engine()) -> None:
        self.directory = directory
        self.changes: Extraction | None = None
        self._engine = engine
        self._encoder: Encoder | None = None
        self._load()

    @classmethod
    def open(cls, directory: str | os.PathLike[str], *, engine: Engine = Engine()) -> Self:
        """Open a collection for searching.

        Args:
            directory: where it was built.
            engine: where query images are encoded; the encoder is loaded when first needed.

        Raises:
            CollectionNotFoundError: there is none.
            CollectionDamagedError: a file is missing or not what it claims to be.
        """
        return cls(Path(directory), engine=engine)

    @classmethod
    def build(
        cls,
        directory: str | os.PathLike[str],
        images: Sequence[Source],
        *,
        encoder: str | Encoder | None = None,
        similarity: SimilarityName | None = None,
        kind: IndexKind = "auto",
        recall_target: float = 0.99,
        strict: bool = False,
        tagger: str | None = None,
        engine: Engine = Engine(),
        report: Report = silent,
    ) -> Self:
        """Make a collection, or bring one up to date: extract, then index.

        A second run encodes only what is new, keeps the vectors of images that moved, and removes those that
        are gone from the given folders. After a kill, the next run goes on where the last one stopped.

        Args:
            directory: of the collection; made if missing.
            images: folders, files, glob patterns, zip and tar archives.
            encoder: name or object; None takes the collection's own, or ``"lite"`` for a new one.
            similarity: how vectors are compared; None keeps the collection's own, or ``"centred"`` for a new
                one.
            kind: of index; ``"auto"`` chooses by size.
            recall_target: recall@10 that an approximate index must reach.
            strict: raise on the first image that cannot be read.
            tagger: name of an imported tagger whose tags are stored; None takes the collection's own, if any.
            engine: where and how they run.
            report: told about progress.

        Returns:
            The collection, ready to search; its `changes` say what was done.

        Raises:
            SourceError: a source does not exist or holds no image.
            ImageError: an image cannot be read, with `strict`.
            EncoderMismatchError: the collection was made by another encoder.
            CollectionLockedError: another process is writing.
        """
        collection = cls.extract(
            directory,
            images,
            encoder=encoder,
            similarity=similarity,
            strict=strict,
            tagger=tagger,
            engine=engine,
            report=report,
        )
        collection.index(similarity=similarity, kind=kind, recall_target=recall_target, report=report)
        return collection

    @classmethod
    def from_recipe(cls, recipe: Recipe | str | os.PathLike[str], *, report: Report = silent) -> Self:
        """Build a collection as a recipe says.

        Args:
            recipe: the recipe or its file.
            report: told about progress.

        Raises:
            RecipeError: the file is not a valid recipe.
        """
        loaded = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
        collection = cls.extract(
            loaded.collection,
            loaded.images.sources,
            encoder=loaded.encoder.name,
            similarity=loaded.similarity.name,
            strict=loaded.images.strict,
            tagger=loaded.encoder.tagger,
            engine=loaded.encoder.engine(),
            report=report,
        )
        collection.index(
            similarity=loaded.similarity.name,
            kind=loaded.index.kind,
            pca_dimensions=loaded.pca.dimensions,
            recall_target=loaded.index.recall,
            graph=loaded.index.graph,
            report=report,
        )
        return collection

    @classmethod
    def extract(
        cls,
        directory: str | os.PathLike[str],
        images: Sequence[Source],
        *,
        encoder: str | Encoder | None = None,
        similarity: SimilarityName | None = None,
        sync: bool = True,
        strict: bool = False,
        tagger: str | None = None,
        engine: Engine = Engine(),
        report: Report = silent,
    ) -> Self:
        """The first half of `build`: bring the feature store up to date, and leave the index as it is.

        Args and errors are those of `build`; without `sync` nothing is removed.
        """
        loaded, changes = extract_features(
            Path(directory),
            images,
            encoder=encoder,
            similarity=similarity,
            sync=sync,
            strict=strict,
            tagger=tagger,
            engine=engine,
            report=report,
        )
        collection = cls(Path(directory), engine=engine)
        collection._encoder = loaded.encoder if isinstance(loaded, TaggedEncoder) else loaded
        collection.changes = changes
        return collection

    def add(self, images: Sequence[Source], *, strict: bool = False, report: Report = silent) -> Extraction:
        """Add images; nothing is removed. Args and errors are those of `build`."""
        updated = type(self).extract(
            self.directory,
            images,
            encoder=self.encoder,
            sync=False,
            strict=strict,
            engine=self._engine,
            report=report,
        )
        assert updated.changes is not None  # noqa: S101 - extract always says what it did
        self._reindex(report)
        self.changes = updated.changes
        return updated.changes

    def remove(self, images: Sequence[int | str], *, report: Report = silent) -> int:
        """Remove images by id or stored path; the image files themselves are left alone.

        Returns:
            How many were removed.

        Raises:
            QueryError: the collection holds no such image; nothing is removed then.
        """
        positions = remove_rows(self.directory, images)
        self._reindex(report)
        return len(positions)

    def index(
        self,
        *,
        similarity: SimilarityName | None = None,
        kind: IndexKind = "auto",
        pca_dimensions: int = PCA_DIMENSIONS,
        recall_target: float = 0.99,
        graph: bool | None = None,
        report: Report = silent,
    ) -> IndexPlan:
        """Build the index, and the graph that morphs walk on; nothing happens where both are current.

        Args:
            similarity: how vectors are compared from now on; None keeps the collection's own.
            kind: of index; ``"auto"`` chooses by size.
            pca_dimensions: how many principal components an approximate index scans.
            recall_target: recall@10 that an approximate index must reach, measured against exact search.
            graph: whether to build the graph; None builds it up to `i2v_search.building.GRAPH_ROWS` images.
            report: told about progress.

        Returns:
            The plan that was followed.

        Raises:
            CollectionLockedError: another process is writing.
        """
        plan = build_index(
            self.directory,
            similarity=similarity,
            kind=kind,
            pca_dimensions=pca_dimensions,
            recall_target=recall_target,
            graph=graph,
            report=report,
        )
        self._load()
        return plan

    def search(
        self,
        query: Query,
        *,
        top: int = 10,
        min_score: float = -1.0,
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
        exclude_query: bool = True,
    ) -> SearchResult:
        """Find the images most like the query.

        Args:
            query: an id, a path in the collection, an image file, an image, its bytes, a (d,) vector, or
                several of those, each perhaps an `Example` with a weight (negative: unlike it).
            top: how many hits.
            min_score: leave out hits below it.
            tags: every hit has these, ``"smile, -glasses"``; exact.
            paths: glob patterns, one of which every hit's path matches; exact.
            rating: every hit's most probable rating, ``"safe"`` for instance.
            max_explicit: the most that the rating ``explicit`` of a hit may have.
            exclude_query: leave out the examples themselves and files with the same content.

        Returns:
            At most `top` hits, best first; fewer only where the collection has no more that qualify.

        Raises:
            QueryError: an example, tag or option does not exist.
            ImageError: an image cannot be read.
            IndexStaleError: the index is missing or older than the feature store.
        """
        if top < 1:
            raise QueryError(f"top must be at least 1, not {top}")
        index, started = self._vector_index, time.perf_counter()
        examples = examples_of(query)
        found = [self._resolver.resolve(example.image) for example in examples]
        vectors = np.stack([item.embed(self.store, index.similarity) for item in found])
        weights = np.array([example.weight for example in examples], np.float32)
        allowed = Filter.parse(tags, paths, rating, max_explicit).allowed(self.store)
        own = self._same_content(found) if exclude_query else set()
        scores, rows = index.search(index.similarity.combine(vectors, weights), top + len(own), allowed)
        shared = self._tags_of(found, examples)
        hits: list[Hit] = []
        for score, row in zip(scores[0].tolist(), rows[0].tolist(), strict=True):
            position = int(self.store.live[row])
            if position not in own and score >= min_score and len(hits) < top:
                hits.append(self._hit(len(hits) + 1, position, score, shared))
        return SearchResult(tuple(hits), time.perf_counter() - started)

    def morph(
        self,
        a: QueryImage,
        b: QueryImage,
        *,
        steps: int | None = 4,
        method: MorphMethod = "geodesic",
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
    ) -> Morph:
        """Walk from A to B over real images that gradually connect them.

        Args:
            a: one end, in the collection or not.
            b: the other.
            steps: number of intermediates; None lets the geodesic choose.
            method: ``"geodesic"`` walks the graph of neighbours, ``"line"`` takes what is nearest to the
                straight way.
            tags: every intermediate has these; see `search`.
            paths: every intermediate's path matches one of these.
            rating: see `search`.
            max_explicit: see `search`.

        Returns:
            The path with its quality.

        Raises:
            MorphError: the ends are the same image, or the collection has too few images.
            QueryError: an end, tag or option does not exist.
            IndexStaleError: the index or the graph is missing or older than the feature store.
        """
        if method not in METHODS:
            raise QueryError(f"no morph method is called {method!r}; known: {', '.join(METHODS)}")
        if steps is None and method == "line":
            raise QueryError("method 'line' needs a number of steps")
        index, started = self._vector_index, time.perf_counter()
        ends = [self._resolver.resolve(image) for image in (a, b)]
        vectors = [UnitRows.unit(end.embed(self.store, index.similarity)[None])[0] for end in ends]
        targets = [
            vector if end.position is None else int(np.searchsorted(self.store.live, end.position))
            for end, vector in zip(ends, vectors, strict=True)
        ]
        space = MorphSpace(
            self._unit_rows,
            self._network if method == "geodesic" else None,
            None if index.similarity.euclidean else self._unit_rows.search,
        )
        allowed = Filter.parse(tags, paths, rating, max_explicit).allowed(self.store)
        path = METHODS[method](space, targets[0], targets[1], steps, allowed=allowed)  # type: ignore[arg-type]
        rows = np.array(path.rows, np.int64)
        between = self._unit_rows.take(rows) if len(rows) else np.empty((0, self.store.dimension), np.float32)
        stops = (
            self._end(ends[0]),
            *(self._stop(int(self.store.live[row])) for row in rows),
            self._end(ends[1]),
        )
        quality = measure(np.vstack([vectors[0][None], between, vectors[1][None]]))
        return Morph(stops, method, quality, len(path.bridges), time.perf_counter() - started)

    def info(self) -> CollectionInfo:
        """Facts about the collection; loads neither encoder nor index."""
        record = self._manifest.index
        return CollectionInfo(
            directory=str(self.directory),
            image_root=self._manifest.image_root,
            images=len(self.store),
            dead_rows=self.store.rows - len(self.store),
            dimension=self.store.dimension,
            encoder=self._manifest.encoder.id,
            similarity=self._manifest.similarity,
            index=record.model_dump(mode="json", exclude={"files"}) if record and self.is_current else None,
            bytes={
                name: (self.directory / name).stat().st_size
                for name in sorted(self._manifest.file_names())
                if (self.directory / name).exists()
            },
            tags=len(self.store.tag_counts()),
        )

    def verify(self) -> tuple[Damage, ...]:
        """Compare every file with its checksum.

        Returns:
            What is damaged; nothing if all is well.
        """
        return (*self.store.verify(), *verify_index(self.store))

    def image_bytes(self, image: int | str) -> bytes:
        """The file of an image of the collection, by id or stored path.

        Raises:
            QueryError: the collection holds no such image.
            ImageError: its file is gone or cannot be read.
        """
        return open_stored(Path(self._manifest.image_root), self.stored_path(image), allow_outside=True)

    def stored_path(self, image: int | str) -> str:
        """Path of an image relative to the image root.

        Raises:
            QueryError: the collection holds no such image.
        """
        return self.store.path(self._position(image))

    def file_path(self, image: int | str) -> bytes:
        """Absolute path of an image's file in the file system's own bytes."""
        return os.fsencode(Path(self._manifest.image_root) / self.stored_path(image))

    def vectors(self, images: Sequence[int | str] | None = None) -> NDArray[np.float32]:
        """Feature vectors as the encoder gave them, up to float16 rounding.

        Args:
            images: ids or stored paths; None takes all in the order of `ids`.

        Returns:
            (n, d) float32.
        """
        positions = self.store.live
        if images is not None:
            positions = np.array([self._position(image) for image in images], np.int64)
        return self.store.take(positions) * self.store.norms(positions)[:, None]

    @property
    def ids(self) -> list[int]:
        """Ids of all images."""
        return [int(number) for number in self.store.ids[self.store.live]]

    @property
    def is_current(self) -> bool:
        """Whether the index describes the feature store as it is."""
        return is_current(self.store)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.store)

    @property
    def encoder(self) -> Encoder:
        """The collection's encoder, loaded when first asked for.

        Raises:
            EncoderMismatchError: the installed encoder is not the one that made the vectors.
        """
        if self._encoder is None:
            self._encoder = resolve_encoder(None, self._manifest, self._engine)
        return self._encoder

    def _load(self) -> None:
        self.store = FeatureStore(self.directory)
        self._manifest = self.store.manifest
        self._catalogue = Catalogue(self.store)
        root = Path(self._manifest.image_root)
        self._resolver = Resolver(self.store, self._catalogue, root, lambda: self.encoder)
        for name in ("_vector_index", "_network", "_unit_rows"):
            self.__dict__.pop(name, None)

    @cached_property
    def _vector_index(self) -> VectorIndex:
        try:
            return VectorIndex.load(self.store)
        except CollectionDamagedError:
            # Another process may have replaced the index since this one opened the collection.
            if Manifest.load(self.directory) == self._manifest:
                raise
            self._load()
            return VectorIndex.load(self.store)

    @cached_property
    def _unit_rows(self) -> UnitRows:
        return UnitRows(self._vector_index)

    @cached_property
    def _network(self) -> Network:
        if len(self.store) < 2:
            raise MorphError(
                f"a geodesic walks over the images of the collection, which has {len(self.store)}; "
                "add more, or use method 'line'"
            )
        file = current_index(self.store).files.get("graph")
        if file is None:
            raise MorphError(
                f"the graph of {len(self.store)} images has not been built; run: "
                f"i2v-search index --graph --collection {self.directory}"
            )
        return load_network(self._unit_rows, self.directory, file)

    def _reindex(self, report: Report) -> None:
        record = self._manifest.index
        self._load()
        kind: IndexKind = record.kind if record and record.kind == "pca" else "auto"
        self.index(
            kind=kind,
            pca_dimensions=record.dimensions if record and record.kind == "pca" else PCA_DIMENSIONS,
            graph="graph" in record.files if record and len(self.store) > GRAPH_ROWS else None,
            report=report,
        )

    def _position(self, image: int | str) -> int:
        return find_image(self.store, self._catalogue, image)

    def _same_content(self, found: Sequence[Resolved]) -> set[int]:
        hashes = {item.sha256 for item in found if item.sha256 is not None}
        return {position for sha256 in hashes for position in self._catalogue.find_content(sha256)}

    def _tags_of(self, found: Sequence[Resolved], examples: Sequence[Example]) -> set[str]:
        liked = (item.position for item, example in zip(found, examples, strict=True) if example.weight > 0)
        return {tag.name for at in liked if at is not None for tag in self.store.record(at).tags}

    def _hit(self, rank: int, position: int, score: float, shared: set[str]) -> Hit:
        tags = self.store.record(position).tags if shared else ()
        common = tuple(tag.name for tag in tags if tag.name in shared)
        return Hit(rank, int(self.store.ids[position]), self.store.path(position), score, common)

    def _stop(self, position: int) -> Stop:
        return Stop(int(self.store.ids[position]), self.store.path(position))

    def _end(self, end: Resolved) -> Stop:
        return Stop(None, end.label) if end.position is None else self._stop(end.position)
