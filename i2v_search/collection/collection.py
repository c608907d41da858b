"""`Collection`: a searchable set of illustrations, the object users hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property, partial
from glob import has_magic
from pathlib import Path
from typing import Any, Self, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import StoredImage, StoredImages, number, renamed, several, whole
from i2v_search.build.extract import Extraction
from i2v_search.build.features import extract_features, remove_rows
from i2v_search.build.indexing import build_index, has_index, plan_for
from i2v_search.build.recipe import Recipe
from i2v_search.build.upkeep.exporting import Export, export_store
from i2v_search.build.upkeep.merging import Merge, merge_collections
from i2v_search.build.upkeep.relocating import Relocation, relocate_collection
from i2v_search.build.upkeep.repairing import Repair, repair_collection
from i2v_search.build.upkeep.rewriting import Compaction, compact_collection
from i2v_search.choices import (
    Backend,
    Device,
    DeviceName,
    DuplicateKind,
    MapMethod,
    MorphMethod,
    SimilarityName,
)
from i2v_search.collection.info import CollectionInfo
from i2v_search.collection.loaded_encoder import LoadedEncoder
from i2v_search.encoders.base import Encoder
from i2v_search.errors import CollectionDamagedError, IndexStaleError, MorphError, QueryError
from i2v_search.images.sources import Sources, Wanted, everything, open_stored
from i2v_search.index.index_files import current_index, is_current, load_index, unindexed, verify_index
from i2v_search.index.map_cache import MapCache
from i2v_search.index.mapping import MAP_IMAGES, CollectionMap, map_rows
from i2v_search.index.planner import IndexPlan, IndexWishes
from i2v_search.index.protocol import SearchIndex
from i2v_search.morph.collection_rows import UnitRows
from i2v_search.morph.find import find_morph, needs_graph, require_method
from i2v_search.morph.graph.network import Network
from i2v_search.morph.graph_file import load_network
from i2v_search.morph.plane import MORPH_NEIGHBOURS, MorphMap, map_morph
from i2v_search.morph.stops import Morph
from i2v_search.progress import Report, silent
from i2v_search.search.duplicates.comparing import THRESHOLD, find_duplicates
from i2v_search.search.duplicates.groups import Duplicates
from i2v_search.search.filters import Filter
from i2v_search.search.query import Query, QueryImage, Resolver, several_images
from i2v_search.search.request import Request, SearchOptions
from i2v_search.search.resolved import EncodedImage
from i2v_search.search.results import SearchResult
from i2v_search.search.searcher import Searcher
from i2v_search.store.catalogue import Catalogue, find_image
from i2v_search.store.checksums import Damage, settled
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest
from i2v_search.store.path_patterns import match_paths
from i2v_search.tags.vocabulary import TAG_THRESHOLD


class Collection:
    """A directory with the features of a set of images and everything derived from them.

    Open one with `Collection.open`, make one with `Collection.build`. An open collection keeps answering from
    the state it was opened in, whatever another process writes; `add`, `remove` and `index` of the object
    itself refresh it.

    Example:
        >>> import tempfile
        >>> from i2v_search.images.sample import sample_directory
        >>> directory = tempfile.mkdtemp()
        >>> birds = Collection.build(directory, [sample_directory() / "birds"])
        >>> hits = birds.search(birds.ids[0], top=3).hits
        >>> [hit.rank for hit in hits], hits[0].score <= 1
        ([1, 2, 3], True)
    """

    def __init__(
        self,
        directory: Path,
        *,
        device: Device | DeviceName = Device(),
        backend: Backend = "faiss",
        milvus_uri: str | None = None,
        encoder: LoadedEncoder | None = None,
    ) -> None:
        if backend not in get_args(Backend):
            raise QueryError(f"unknown search backend {backend!r}; available: {', '.join(get_args(Backend))}")
        self.directory = directory
        #: What proposes neighbours, and where it is.
        self.backend, self.milvus_uri = backend, milvus_uri
        self.changes: Extraction | None = None
        self.merged: Merge | None = None
        self._encoder = encoder or LoadedEncoder(Device.of(device))
        self._load()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as a place and how it was opened, never as data: it opens it again."""
        opened = partial(
            type(self), device=self._encoder.device, backend=self.backend, milvus_uri=self.milvus_uri
        )
        return opened, (self.directory.absolute(),)

    @classmethod
    @renamed(engine="device", search_engine="backend")
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        device: Device | DeviceName = Device(),
        backend: Backend = "faiss",
        milvus_uri: str | None = None,
    ) -> Self:
        """Open a collection for searching.

        Args:
            directory: where it was built.
            device: where query images are encoded; the encoder is loaded when first needed.
            backend: what proposes neighbours: ``"faiss"``, the collection's own index, or ``"milvus"``,
                a server that `push_to_milvus` sent it to. Answers are the same; it is connected to when first
                needed.
            milvus_uri: where that is, ``http://host:19530`` or a file such as ``pictures.db``, optionally
                with ``#name``; None takes the environment variable ``I2V_SEARCH_MILVUS_URI``.

        Raises:
            CollectionNotFoundError: there is none.
            CollectionDamagedError: a file is missing or not what it claims to be.
            QueryError: there is no such backend.
        """
        return cls(Path(directory), device=device, backend=backend, milvus_uri=milvus_uri)

    @classmethod
    @renamed(engine="device")
    def build(
        cls,
        directory: str | os.PathLike[str],
        images: Sources,
        *,
        encoder: str | Encoder | None = None,
        similarity: SimilarityName | None = None,
        wishes: IndexWishes | None = None,
        strict: bool = False,
        tagger: str | None = None,
        device: Device | DeviceName = Device(),
        exclude: Sequence[str] = (),
        forget_removals: bool = False,
        report: Report = silent,
    ) -> Self:
        """Make a collection, or bring one up to date: extract, then index.

        A second run encodes only what is new, keeps the vectors of images that moved, and removes those that
        are gone from the given folders. Images that `remove` removed stay out, wherever they are moved, until
        their file is among `images` by name. After a kill, the next run continues where the last one stopped.

        Args:
            directory: directory of the collection; created if missing.
            images: folders, files, glob patterns, zip and tar archives.
            encoder: name or object; None takes the collection's own, or ``"lite"`` for a new one.
            similarity: how vectors are compared; None keeps the collection's own, or ``"centred"`` for a new
                one.
            wishes: what is asked of the index; None keeps what was asked before, or asks for nothing special.
            strict: raise on the first image that cannot be read.
            tagger: name of an imported tagger whose tags are stored; None takes the collection's own, if any.
            device: where and how they run.
            exclude: patterns to exclude of folders and archives, as in a ``.gitignore``; an image of
                the collection that they match leaves it. ``.i2vignore`` files in folders say the same.
            forget_removals: let every image in that was removed before.
            report: called with the progress.

        Returns:
            The collection, ready to search; its `changes` say what was done.

        Raises:
            SourceError: a source does not exist or holds no image, or the image folder of the collection is
                not there: connect its disk, or `relocate`.
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
            device=device,
            exclude=exclude,
            forget_removals=forget_removals,
            report=report,
        )
        collection.index(similarity=similarity, wishes=wishes, report=report)
        return collection

    @classmethod
    def from_recipe(
        cls,
        recipe: Recipe | str | os.PathLike[str],
        *,
        forget_removals: bool = False,
        report: Report = silent,
    ) -> Self:
        """Build a collection as a recipe says.

        Args:
            recipe: the recipe or its file.
            forget_removals: see `build`.
            report: called with the progress.

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
            exclude=loaded.images.exclude,
            tagger=loaded.encoder.tagger,
            device=loaded.encoder.where(),
            forget_removals=forget_removals,
            report=report,
        )
        collection.index(
            similarity=loaded.similarity.name,
            wishes=loaded.wishes(),
            report=report,
        )
        return collection

    @classmethod
    @renamed(engine="device")
    def extract(
        cls,
        directory: str | os.PathLike[str],
        images: Sources,
        *,
        encoder: str | Encoder | None = None,
        similarity: SimilarityName | None = None,
        sync: bool = True,
        strict: bool = False,
        tagger: str | None = None,
        device: Device | DeviceName = Device(),
        exclude: Sequence[str] = (),
        wanted: Wanted = everything,
        forget_removals: bool = False,
        report: Report = silent,
    ) -> Self:
        """The first half of `build`: bring the feature store up to date, and leave the index as it is.

        Args and errors are those of `build`; without `sync` nothing is removed. `wanted` tells by its stored
        path which images this is about, such as `i2v_search.build.sharding.Shard.holds`; the others are
        left alone.
        """
        loaded, changes = extract_features(
            Path(directory),
            images,
            encoder=encoder,
            similarity=similarity,
            sync=sync,
            strict=strict,
            tagger=tagger,
            device=Device.of(device),
            exclude=exclude,
            wanted=wanted,
            forget_removals=forget_removals,
            report=report,
        )
        collection = cls(Path(directory), device=device)
        collection._encoder.keep(loaded, collection._manifest)
        collection.changes = changes
        return collection

    def add(
        self,
        images: Sources,
        *,
        strict: bool = False,
        exclude: Sequence[str] = (),
        forget_removals: bool = False,
        report: Report = silent,
    ) -> Extraction:
        """Add images; nothing is removed. Args and errors are those of `build`."""
        self.changes = extract_features(
            self.directory,
            images,
            encoder=self.encoder,
            similarity=None,
            sync=False,
            strict=strict,
            tagger=None,
            device=self._encoder.device,
            exclude=exclude,
            forget_removals=forget_removals,
            report=report,
        )[1]
        self._reindex(report)
        return self.changes

    def remove(self, images: StoredImages, *, report: Report = silent) -> int:
        """Remove images by id, stored path or glob of stored paths; the files themselves are left alone.

        What is removed stays out of later builds, wherever it is moved, until it is added by name.

        Returns:
            How many were removed.

        Raises:
            QueryError: the collection holds no such image, or none that a pattern matches; nothing is removed
                then.
        """
        chosen = [one for image in several(images) for one in self._matches(image)]
        positions = remove_rows(self.directory, chosen)
        self._reindex(report)
        return len(positions)

    @classmethod
    @renamed(engine="device")
    def merge(
        cls,
        directory: str | os.PathLike[str],
        others: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        device: Device | DeviceName = Device(),
        report: Report = silent,
    ) -> Self:
        """Take the images of collections built elsewhere into one, then index; the others are only read.

        An image is the same where its file is at the same place: the newer one stays, with the id it has
        here. The same content at two places is two images. Merging again, or after a kill, ends the same.

        Args:
            directory: directory of the collection; created if missing, like the first of the others.
            others: directories of collections with the same encoder and tagger.
            device: see `open`.
            report: called with the progress.

        Returns:
            The collection, ready to search; its `merged` says what was done and gives every image's new id.

        Raises:
            QueryError: there is nothing to merge, or the collection is among the others.
            CollectionNotFoundError: one of the others does not exist.
            EncoderMismatchError: one was made with another encoder or tagger.
            CollectionDamagedError: a file of one differs from its checksum; nothing was merged.
            CollectionLockedError: another process is writing.
            OSError: the disk is full; the next merge continues from what was committed.
        """
        merged = merge_collections(Path(directory), [Path(other) for other in several(others)], report=report)
        collection = cls(Path(directory), device=device)
        collection._reindex(report)
        collection.merged = merged
        return collection

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        images: StoredImages | None = None,
        pca: int | None = None,
        unit: bool = False,
        virtual: bool = False,
        name_rows: bool = True,
        raw: bool = False,
        report: Report = silent,
    ) -> Export:
        """Write vectors, paths and tags for other programs, by the ending: ``.npy``, ``.h5`` or ``.csv``.

        Args:
            path: path of the file; replaced if it exists.
            images: ids or stored paths; None takes all in the order of `ids`.
            pca: reduce the vectors to so many principal components.
            unit: ``.npy`` gets unit rows in place of vectors as the encoder gave them.
            virtual: ``.h5`` points to the vectors in the collection's files instead of copying them.
            name_rows: write ``NAME.ids.csv`` with id and path of every row beside ``.npy``.
            raw: write paths and tags in CSV as they are, for programs; else nothing in them is a formula.
            report: called with the progress.

        Returns:
            What was written; `i2v_search.build.upkeep.exporting` and `hdf5_export` beside it describe the
            files.

        Raises:
            QueryError: the ending is unknown, an option does not fit it, or an image is not there.
            CollectionDamagedError: a row differs from its checksum.
            OSError: the disk is full; nothing is left behind.
        """
        chosen = None if images is None else [self._position(image) for image in several(images)]
        return export_store(
            self.store,
            Path(path),
            None if chosen is None else np.array(chosen, np.int64),
            pca=None if pca is None else whole("pca", pca),
            unit=unit,
            virtual=virtual,
            name_rows=name_rows,
            raw=raw,
            report=report,
        )

    def compact(self, *, report: Report = silent) -> Compaction:
        """Give back the space of removed and superseded rows; ids stay, and so does every answer.

        Args:
            report: called with the progress.

        Returns:
            What was done; nothing if there is no such row.

        Raises:
            CollectionLockedError: another process is writing.
            CollectionDamagedError: a file to be copied is damaged; `repair` comes first.
            OSError: the disk, which holds old and new for a moment, is full; nothing is changed.
        """
        done = compact_collection(self.directory, report=report)
        self._follow(report)
        return done

    def relocate(
        self,
        old: str | os.PathLike[str],
        new: str | os.PathLike[str],
        *,
        force: bool = False,
        report: Report = silent,
    ) -> Relocation:
        """Tell the collection that its images were moved; they are not read, ids and vectors stay.

        Args:
            old: where they were: a folder, an archive or a file, which need not exist any more.
            new: where they are.
            force: continue though no image is at the new place.
            report: called with the progress.

        Returns:
            How many images moved, and how many of them are at the new place.

        Raises:
            QueryError: no image was under `old`, or none is under `new`; nothing is changed.
            CollectionLockedError: another process is writing.
            CollectionDamagedError: a file to be copied is damaged; `repair` comes first.
            OSError: the disk is full; nothing is changed.
        """
        done = relocate_collection(self.directory, old, new, force=force, report=report)
        self._follow(report)
        return done

    @staticmethod
    def repair(directory: str | os.PathLike[str], *, report: Report = silent) -> Repair:
        """Drop what is damaged in a collection, which need not open, and build again what is derived.

        Args:
            directory: the collection.
            report: called with the progress.

        Returns:
            What was damaged, and what was lost. Nothing changes where nothing is damaged.

        Raises:
            CollectionLockedError: another process is writing.
            CollectionDamagedError: ``collection.json`` is damaged beyond repair.
            OSError: the disk is full; nothing is changed.
        """
        location = Path(directory)
        record = Manifest.load(location).index
        done = repair_collection(location, report=report)
        if done.index_dropped:
            build_index(location, IndexWishes.of(record), report=report)
        return done

    def index(
        self,
        *,
        similarity: SimilarityName | None = None,
        wishes: IndexWishes | None = None,
        report: Report = silent,
    ) -> IndexPlan:
        """Build the index, and the graph that morphs walk on; nothing happens where both are current.

        Args:
            similarity: how vectors are compared from now on; None keeps the collection's own.
            wishes: what is asked of the index: kind, memory, recall, time of a search; None keeps what was
                asked before.
            report: called with the progress.

        Returns:
            The plan that was followed; `info` tells what the index takes and finds in truth.

        Raises:
            CollectionDamagedError: a feature file differs from its checksum.
            CollectionLockedError: another process is writing.
        """
        plan = build_index(self.directory, wishes or self.wishes, similarity=similarity, report=report)
        self._load()
        return plan

    def plan(
        self, *, similarity: SimilarityName | None = None, wishes: IndexWishes | None = None
    ) -> IndexPlan:
        """Say which index `index` would build, and what it will take; nothing is changed."""
        name = similarity or self._manifest.similarity
        return plan_for(wishes or self.wishes, len(self.store), self.store.dimension, name)

    def is_indexed(
        self, *, similarity: SimilarityName | None = None, wishes: IndexWishes | None = None
    ) -> bool:
        """Whether `index` would find everything built; the files of the index are not read."""
        return has_index(self.directory, wishes or self.wishes, similarity)

    @property
    def wishes(self) -> IndexWishes:
        """What was asked of the index when it was built; nothing special if there is none."""
        return IndexWishes.of(self._manifest.index)

    def encode(self, image: QueryImage) -> EncodedImage:
        """Look at an image once, to use what is found in several queries.

        Args:
            image: whatever a query takes. An image of the collection is not encoded again.

        Returns:
            Its vector and tags, which every query takes in place of the image, with the same answer.

        Raises:
            QueryError: there is no such image.
            ImageError: it cannot be read.
            EncoderError: the encoder cannot be loaded.

        Example:
            >>> import tempfile
            >>> from i2v_search.images.sample import sample_directory
            >>> birds = Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"])
            >>> birds.encode(birds.ids[0]).label == birds.stored_path(birds.ids[0])
            True
        """
        return self._resolver.encode(image)

    def search(
        self,
        query: Query | None = None,
        *,
        top: int = 10,
        offset: int = 0,
        min_score: float = -1.0,
        tags: str | Sequence[str] = (),
        tag_threshold: float = TAG_THRESHOLD,
        tag_weight: float = 0.0,
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
        exclude_query: bool = True,
        diverse: float | None = None,
        copies: bool = False,
    ) -> SearchResult:
        """Find the images most like the query, or without one those that have the wanted tags most probably.

        Args:
            query: an id, a path in the collection or the end of one, an image file, an image, its bytes, a
                (d,) vector or a ``.npy`` file of one, an `EncodedImage`, or several of those, each perhaps an
                `Example` with a weight (negative: unlike it). None ranks by `tags`.
            top: how many hits.
            offset: how many better ones to skip. Pages of the same `top` never repeat an image or skip
                one.
            min_score: leave out hits below it.
            tags: every hit has these, ``"smile, -glasses"``; exact.
            tag_threshold: an image has a tag from this probability on; with 0 the tags only rank.
            tag_weight: w in [0, 1]: rank by (1 - w) * similarity + w * mean probability of the wanted tags.
            paths: folders, files or globs, one of which every hit's path matches; exact:
                `i2v_search.store.path_patterns`.
            rating: every hit's most probable rating, ``"safe"`` for instance.
            max_explicit: the most that the rating ``explicit`` of a hit may have.
            exclude_query: leave out the examples themselves and files with the same content.
            diverse: from 1, the plain order, to 0, as different from one another as can be: each hit is
                chosen for its score, and for being unlike the hits before it. 0.7 is a good start.
            copies: show copies too. Else the first of them that qualifies stands for all: files with the same
                content, and those that `duplicates` has found to be near copies.

        Returns:
            At most `top` hits, best first; fewer only where the collection has no more that qualify.

        Raises:
            QueryError: an example, tag or option does not exist, or options contradict each other.
            ImageError: an image cannot be read.
            IndexStaleError: there is no index; tags alone need none.
            SearchServerError: the Milvus server does not respond, with that backend.

        Example:
            >>> import tempfile
            >>> from i2v_search.images.sample import sample_directory
            >>> birds = Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"])
            >>> first, second = (birds.search(birds.ids[0], top=3, offset=start) for start in (0, 3))
            >>> [hit.rank for hit in first.hits + second.hits], second.more
            ([1, 2, 3, 4, 5, 6], True)
        """
        request = Request.of(
            top=top,
            offset=offset,
            min_score=min_score,
            tags=tags,
            tag_threshold=tag_threshold,
            tag_weight=tag_weight,
            paths=paths,
            rating=rating,
            max_explicit=max_explicit,
            exclude_query=exclude_query,
            diverse=diverse,
            copies=copies,
        )
        # First of all: to load the index may open the store again.
        index = None if query is None and diverse is None else self._vector_index
        if query is None or index is None:
            return self._searcher.by_tags(request, index)
        return self._searcher.by_examples([query], request, index)[0]

    def search_each(
        self, queries: Query | Sequence[Query] | NDArray[np.float32], **options: Unpack[SearchOptions]
    ) -> tuple[SearchResult, ...]:
        """Search for several queries at once, much faster than one after the other.

        Args:
            queries: each as in `search`; or vectors, (m, d). A query alone is one.
            **options: those of `search`, for all of them.

        Returns:
            A result for each query, in order. Errors are those of `search`.
        """
        asked, request, index = several_images(queries), Request.of(**options), self._vector_index
        return self._searcher.by_examples(asked, request, index)

    def morph(
        self,
        a: QueryImage,
        b: QueryImage,
        *,
        via: QueryImage | Sequence[QueryImage] = (),
        steps: int | None = 4,
        method: MorphMethod = "gradual",
        exclude: StoredImages = (),
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
    ) -> Morph:
        """Walk from A to B over real images that gradually connect them.

        Args:
            a: one end, in the collection or not.
            b: the other.
            via: waypoints, in order; the path goes through each of them.
            steps: number of images between A and B, the waypoints among them; None lets the method choose.
            method: ``"gradual"`` makes the largest hop as small as it can be with so many images, always
                nearer to B; ``"geodesic"`` walks the shortest way over the graph of neighbours;
                ``"minimax"`` the way over the graph with the smallest largest hop; ``"line"`` takes what is
                nearest to the straight way.
            exclude: ids or stored paths of images to go around.
            tags: every intermediate has these; see `search`.
            paths: every intermediate's path matches one of these.
            rating: see `search`.
            max_explicit: see `search`.

        Returns:
            The path with its quality. From B to A it is the reverse.

        Raises:
            MorphError: two ends that follow one another are the same image, or the collection has too few
                images.
            QueryError: an end, tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        require_method(method)
        count = None if steps is None else whole("steps", steps)
        # First of all: to load the graph or the index may open the store again.
        network = self._network if needs_graph(method) or self._has_graph else None
        index, rows = self._vector_index, self._unit_rows
        ends = self._resolver.resolve_all([a, *several_images(via), b])
        allowed = Filter.parse(tags, paths, rating, max_explicit).allowed(self.store)
        allowed = self._without(exclude, allowed)
        return find_morph(index, rows, network, ends, steps=count, method=method, allowed=allowed)

    def morph_map(
        self,
        morph: Morph,
        *,
        neighbours: int = MORPH_NEIGHBOURS,
        exclude: StoredImages = (),
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
    ) -> MorphMap:
        """Lay a morph out in two dimensions among the images most like those on it.

        Args:
            morph: from `morph`.
            neighbours: images to find for each of its stops.
            exclude: ids or stored paths of images not to show.
            tags: every neighbour has these; see `search`.
            paths: every neighbour's path matches one of these.
            rating: see `search`.
            max_explicit: see `search`.

        Returns:
            The stops and their neighbours with coordinates; `i2v_search.morph_map_picture` draws them.

        Raises:
            QueryError: an image of the morph is gone, or a tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        index = self._vector_index
        ends = [stop.path if stop.id is None else stop.id for stop in morph.stops]
        allowed = Filter.parse(tags, paths, rating, max_explicit).allowed(self.store)
        return map_morph(
            self.store,
            index,
            morph.stops,
            self._resolver.resolve_all(ends),
            neighbours=whole("neighbours", neighbours),
            allowed=self._without(exclude, allowed),
        )

    def map(
        self,
        *,
        method: MapMethod = "auto",
        images: int = MAP_IMAGES,
        tags: str | Sequence[str] = (),
        paths: str | Sequence[str] = (),
        rating: str | None = None,
        max_explicit: float | None = None,
        seed: int = 0,
        cache: MapCache | None = None,
        report: Report = silent,
    ) -> CollectionMap:
        """Lay the collection out in two dimensions, similar images close together.

        Args:
            method: ``"tsne"`` parts groups best and needs openTSNE; ``"pca"`` needs nothing; ``"auto"`` takes
                the better one that is installed.
            images: the most to draw; of more an even sample is taken.
            tags: every image has these; see `search`.
            paths: every image's path matches one of these.
            rating: see `search`.
            max_explicit: see `search`.
            seed: seed of t-SNE; the same seed gives the same map.
            cache: where the same map is looked for first, and kept: `i2v_search.index.map_cache`.
            report: called with the progress.

        Returns:
            Where each image lies; `map_picture` and `map_page` draw it.

        Raises:
            QueryError: the method is not installed, or a tag or option does not exist.
            IndexStaleError: the index is missing or older than the feature store.
        """
        allowed = Filter.parse(tags, paths, rating, max_explicit).allowed(self.store)
        live = self.store.live
        chosen = live if allowed is None else live[allowed[live]]
        similarity = self._vector_index.similarity
        return map_rows(
            self.store,
            similarity,
            chosen,
            method=method,
            images=images,
            seed=seed,
            cache=cache,
            report=report,
        )

    def duplicates(
        self, *, kind: DuplicateKind = "near", threshold: float = THRESHOLD, report: Report = silent
    ) -> Duplicates:
        """Find the images that are the same picture; nothing is changed.

        Args:
            kind: the loosest way of being the same that counts: ``"exact"``, the same file; ``"pixels"``, a
                file that shows the same, pixel by pixel, in all its frames; ``"near"``, the same picture
                re-encoded, resized, a little cut, or touched up; ``"variants"``, pictures that differ in one
                thing, such as a mouth or a word, which are never removable.
            threshold: least cosine of the vectors of two images whose pixels are compared, in (0, 1].
            report: called with the progress.

        Returns:
            Groups of images, in each the one to keep first. What is mirrored, turned or recoloured is not
            found. What was looked at and found is kept in the collection's files ``duplicates.cache`` and
            ``copies.cache``, which may be deleted; searches leave out what is known to be a copy.

        Raises:
            QueryError: the kind or the threshold does not exist.
            IndexStaleError: the index is missing or older than the feature store; ``"exact"`` needs none.
        """
        root = Path(self._manifest.image_root)
        found = find_duplicates(
            self.store,
            root,
            lambda: self._vector_index,
            kind=kind,
            threshold=number("threshold", threshold),
            report=report,
        )
        # Searches from now on know what was found.
        self._searcher = Searcher(self.store, self._catalogue, self._resolver)
        return found

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
            index=record.model_dump(mode="json", exclude={"files"}) if record else None,
            unindexed=unindexed(self.store),
            bytes={
                name: (self.directory / name).stat().st_size
                for name in sorted(self._manifest.file_names())
                if (self.directory / name).exists()
            },
            tags=len(self.store.tag_counts()),
        )

    def verify(self) -> tuple[Damage, ...]:
        """Compare every file with its checksum; another process may write meanwhile.

        Returns:
            What is damaged; nothing if all is well.
        """
        derived = settled(self.directory, lambda now: verify_index(self.directory, now.index))
        return (*self.store.verify(), *derived)

    def image_bytes(self, image: StoredImage) -> bytes:
        """The file of an image of the collection, by id or stored path.

        Raises:
            QueryError: the collection holds no such image.
            ImageError: its file is gone or cannot be read.
        """
        return open_stored(Path(self._manifest.image_root), self.stored_path(image), allow_outside=True)

    def stored_path(self, image: StoredImage) -> str:
        """Path of an image relative to the image root.

        Raises:
            QueryError: the collection holds no such image.
        """
        return self.store.path(self._position(image))

    def file_path(self, image: StoredImage) -> bytes:
        """Absolute path of an image's file in the file system's own bytes."""
        return os.fsencode(Path(self._manifest.image_root) / self.stored_path(image))

    def vectors(self, images: StoredImages | None = None) -> NDArray[np.float32]:
        """Feature vectors as the encoder gave them, up to float16 rounding.

        Args:
            images: ids or stored paths; None takes all in the order of `ids`.

        Returns:
            (n, d) float32.
        """
        positions = self.store.live
        if images is not None:
            positions = np.array([self._position(image) for image in several(images)], np.int64)
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
        """The collection's encoder, with its tagger if it has one; loaded when first requested.

        Raises:
            EncoderMismatchError: the installed encoder is not the one that made the vectors.
        """
        return self._encoder.of(self._manifest)

    def _load(self) -> None:
        self.store = FeatureStore(self.directory)
        self._manifest = self.store.manifest
        self._catalogue = Catalogue(self.store)
        root = Path(self._manifest.image_root)
        self._resolver = Resolver(self.store, self._catalogue, root, lambda: self.encoder)
        self._searcher = Searcher(self.store, self._catalogue, self._resolver)
        for name in ("_vector_index", "_network", "_unit_rows"):
            self.__dict__.pop(name, None)

    @cached_property
    def _vector_index(self) -> SearchIndex:
        try:
            return self._open_index()
        except (CollectionDamagedError, IndexStaleError):
            # Another process may have replaced the index since this one opened the collection.
            if Manifest.load(self.directory) == self._manifest:
                raise
            self._load()
            return self._open_index()

    def _open_index(self) -> SearchIndex:
        if self.backend == "faiss":
            return load_index(self.store)
        # pymilvus takes a second to load, and only this backend needs it.
        from i2v_search.index.milvus.index import MilvusIndex

        return MilvusIndex.open(self.store, self.milvus_uri)

    @cached_property
    def _unit_rows(self) -> UnitRows:
        return UnitRows(self._vector_index)

    @property
    def _has_graph(self) -> bool:
        if self.backend == "milvus" and self._manifest.index is None:
            return False
        return len(self.store) > 1 and "graph" in current_index(self.store).files

    @cached_property
    def _network(self) -> Network:
        if len(self.store) < 2:
            raise MorphError(
                f"the neighbour graph needs at least two images, the collection has {len(self.store)}; "
                "add more, or use method 'gradual' or 'line'"
            )
        try:
            return self._load_network()
        except CollectionDamagedError:
            # As with the index.
            if Manifest.load(self.directory) == self._manifest:
                raise
            self._load()
            return self._load_network()

    def _load_network(self) -> Network:
        rows = self._unit_rows
        file = current_index(self.store).files.get("graph")
        if file is None:
            raise MorphError(
                f"the graph of {len(self.store)} images has not been built; run: i2v-search index --graph "
                f"--collection {self.directory}"
            )
        return load_network(rows, self.directory, file)

    def _follow(self, report: Report) -> None:
        """Continue with a store that was rewritten, and with an index if there was one."""
        if self._manifest.index is None:
            self._load()
        else:
            self._reindex(report)

    def _reindex(self, report: Report) -> None:
        """Bring the index up to date after a change, as it was wished for when it was built."""
        record = Manifest.load(self.directory).index or self._manifest.index
        build_index(self.directory, IndexWishes.of(record), upkeep=True, report=report)
        self._load()

    def _without(self, images: StoredImages, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """A mask over the positions of the store, None for all, without these images."""
        positions = [self._position(image) for image in several(images)]
        if not positions:
            return allowed
        left = np.ones(self.store.rows, bool) if allowed is None else allowed.copy()
        left[positions] = False
        return left

    def _matches(self, image: StoredImage) -> list[StoredImage]:
        """An image as it was given, or the ids of those that a glob of stored paths matches."""
        if not isinstance(image, str) or not has_magic(image) or self._catalogue.find_path(image) is not None:
            return [image]
        ids = self.store.ids[self.store.live[match_paths(self.store, [image])[self.store.live]]]
        if not len(ids):
            raise QueryError(f"no image of the collection {self.directory} matches {image!r}")
        return [*ids.tolist()]

    def _position(self, image: StoredImage) -> int:
        return find_image(self.store, self._catalogue, image)
