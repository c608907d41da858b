"""`Collection`: a searchable set of illustrations, the object users hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, SupportsIndex, TypeVar, Unpack
from warnings import warn

from i2v_search.arguments import StoredImages, renamed, several
from i2v_search.build.extract import Extraction
from i2v_search.build.features import extract_features, remove_rows
from i2v_search.build.given_rows import GivenReport, GivenRows, RowTags
from i2v_search.build.given_vectors import add_to_vectors, create_from_vectors
from i2v_search.build.indexing import build_index, has_index, plan_for, reindex
from i2v_search.build.options import BuildOptions, BuildReport, BuildShortcuts
from i2v_search.build.recipe import Recipe
from i2v_search.build.upkeep import maintenance
from i2v_search.build.upkeep.exporting import Export
from i2v_search.build.upkeep.merging import Merge
from i2v_search.build.upkeep.relocating import Relocation
from i2v_search.build.upkeep.repairing import Repair
from i2v_search.build.upkeep.rewriting import Compaction
from i2v_search.build.vector_files import read_vector_file
from i2v_search.choices import (
    Device,
    DeviceName,
    SimilarityName,
)
from i2v_search.collection.answers import Answers
from i2v_search.encoders.base import Encoder
from i2v_search.errors import QueryError
from i2v_search.images.sources import Sources, Wanted, everything
from i2v_search.index.planner import IndexOptions, IndexPlan
from i2v_search.progress import Report, silent

_T = TypeVar("_T")


class Collection(Answers):
    """A directory with the features of a set of images and everything derived from them.

    Open one with `Collection.open`, make one with `Collection.build`. An open collection keeps answering from
    the state it was opened in, whatever another process writes; `add`, `remove` and `index` of the object
    itself refresh it. ``collection[image]`` is an `ImageInfo`, by id or stored path, and iterating gives one
    of every image in the order of `ids`; ``in`` and ``len`` work as for a dictionary.

    Attributes:
        directory: where it is.
        backend: what proposes neighbours.
        milvus_uri: where that is.
        report: what was last done to it through this object.

    Example:
        >>> import tempfile
        >>> from i2v_search.images.sample import sample_directory
        >>> with Collection.build(tempfile.mkdtemp(), [sample_directory() / "birds"]) as birds:
        ...     hits = birds.search(birds.ids[0], top=3).hits
        ...     [hit.rank for hit in hits], birds[hits[0].id].path == hits[0].path, len(birds) > 3
        ([1, 2, 3], True, True)
    """

    @classmethod
    @renamed(engine="device", wishes="index")
    def build(
        cls,
        directory: str | os.PathLike[str],
        images: Sources,
        options: BuildOptions | None = None,
        *,
        report: Report = silent,
        **shortcuts: Unpack[BuildShortcuts],
    ) -> Self:
        """Make a collection, or bring one up to date: extract, then index.

        A second run encodes only what is new, keeps the vectors of images that moved, and removes those that
        are gone from the given folders. Images that `remove` removed stay out, wherever they are moved, until
        their file is among `images` by name. After a kill, the next run continues where the last one stopped.

        Args:
            directory: directory of the collection; created if missing.
            images: folders, files, glob patterns, zip and tar archives.
            options: how it is built.
            report: called with the progress.
            **shortcuts: attributes of `options` to change: ``encoder="lite0", strict=True``.

        Returns:
            The collection, ready to search; its `report` says what was done.

        Raises:
            SourceError: a source does not exist or holds no image, or the image folder of the collection is
                not there: connect its disk, or `relocate`.
            ImageError: an image cannot be read, with `strict`.
            EncoderMismatchError: the collection was made by another encoder.
            CollectionLockedError: another process is writing.
        """
        chosen = BuildOptions.of(options, shortcuts)
        collection = cls.extract(directory, images, chosen, report=report)
        collection.index(similarity=chosen.similarity, options=chosen.index, report=report)
        return collection

    @classmethod
    def from_recipe(
        cls,
        recipe: Recipe | str | os.PathLike[str],
        *,
        forget_removals: bool = False,
        report: Report = silent,
    ) -> Self:
        """Build a collection as a recipe, or the file of one, says; see `build`.

        Raises:
            RecipeError: the file is not a valid recipe.
        """
        loaded = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
        options = loaded.options(forget_removals=forget_removals)
        return cls.build(loaded.collection, loaded.images.sources, options, report=report)

    @classmethod
    @renamed(engine="device")
    def extract(
        cls,
        directory: str | os.PathLike[str],
        images: Sources,
        options: BuildOptions | None = None,
        *,
        sync: bool = True,
        wanted: Wanted = everything,
        report: Report = silent,
        **shortcuts: Unpack[BuildShortcuts],
    ) -> Self:
        """The first half of `build`: bring the feature store up to date, and leave the index as it is.

        Args and errors are those of `build`; without `sync` nothing is removed. `wanted` tells by its stored
        path which images this is about, such as `i2v_search.build.sharding.Shard.holds`; the others are
        left alone.
        """
        chosen = BuildOptions.of(options, shortcuts)
        loaded, done = extract_features(
            Path(directory), images, chosen, sync=sync, wanted=wanted, report=report
        )
        collection = cls(Path(directory), device=chosen.device)
        collection._encoder.keep(loaded, collection.store.manifest)
        collection.report = BuildReport(extraction=done)
        return collection

    @classmethod
    def from_vectors(
        cls,
        directory: str | os.PathLike[str],
        vectors: Any,
        *,
        ids: Iterable[SupportsIndex] | None = None,
        paths: Iterable[str | os.PathLike[str]] | None = None,
        tags: Iterable[RowTags] | None = None,
        column: str | None = None,
        encoder: str | Encoder | None = None,
        space: str = "vectors",
        root: str | os.PathLike[str] | None = None,
        similarity: SimilarityName | None = None,
        index: IndexOptions | None = None,
        report: Report = silent,
    ) -> Self:
        """Make a collection from vectors that are there already, with or without pictures, and index it.

        Search, morphs, the map, export, Milvus and the page work as for pictures; pictures cannot be encoded
        unless `encoder` is given. Where it fails, nothing is left behind.

        Args:
            directory: directory of the collection; there must be none yet.
            vectors: (n, d) of any floating or integer type: an array, a memory map, a data set of HDF5, a
                tensor; an iterable of such blocks, or of single vectors; or a file: ``.npy``, ``.h5``,
                ``.parquet`` (`i2v_search.build.vector_files`), whose own ids, paths and tags are taken where
                none are given. No more than a block of it is held in memory.
            ids: n whole numbers from 0 on; None counts from 0.
            paths: n texts, each once; None takes the ids. Those of pictures are relative to `root`.
            tags: for each row a list of names or `Tag`s, or a dictionary from name to probability.
            column: name of the data set or column of the file with the vectors; None takes the only one.
            encoder: what made them, if it is an encoder of this program: it encodes queries.
            space: a name for what made them otherwise. Collections of different names are never merged.
            root: folder of the pictures; those that are there are read for their size and content. None for
                vectors without pictures.
            similarity: None takes the encoder's, or the cosine.
            index: options of the index.
            report: called with the progress.

        Raises:
            CollectionError: there is a collection already.
            QueryError: an array of another shape, values that are not finite, ids or paths that occur twice
                or are not as many as the vectors; a file that cannot be read.

        Example:
            >>> import numpy as np, tempfile
            >>> rows = np.random.default_rng(0).normal(size=(50, 8))
            >>> names = [f"post {number}" for number in range(50)]
            >>> mine = Collection.from_vectors(tempfile.mkdtemp(), rows, paths=names)
            >>> mine.search(rows[7], top=1).hits[0].path, mine.add_vectors(rows[:1], paths=["again"]).added
            ('post 7', 1)
        """
        given = _given_rows(vectors, ids=ids, paths=paths, tags=tags, column=column)
        pictures = None if root is None else Path(root)
        create_from_vectors(
            Path(directory),
            given,
            encoder=encoder,
            space=space,
            similarity=similarity,
            root=pictures,
            report=report,
        )
        collection = cls(Path(directory))
        collection.index(options=index, report=report)
        return collection

    def add_vectors(
        self,
        vectors: Any,
        *,
        ids: Iterable[SupportsIndex] | None = None,
        paths: Iterable[str | os.PathLike[str]] | None = None,
        tags: Iterable[RowTags] | None = None,
        column: str | None = None,
        read_files: bool = False,
        report: Report = silent,
    ) -> GivenReport:
        """Add rows of vectors, then index; a row whose id or path is there is replaced.

        Args and errors are those of `from_vectors`. New rows get the next ids. `read_files` reads the
        pictures of the rows, where they are there, for their size and content. Where a block is refused, the
        blocks before it stay.

        Returns:
            How many rows are new, and how many took the place of another.
        """
        given = _given_rows(vectors, ids=ids, paths=paths, tags=tags, column=column)
        done = add_to_vectors(self.directory, given, read_files=read_files, report=report)
        self.report = BuildReport(plan=self._reindex(report))
        return done

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
        options = BuildOptions(self.encoder, strict=strict, exclude=exclude, forget_removals=forget_removals)
        done = extract_features(self.directory, images, options, sync=False, report=report)[1]
        self.report = BuildReport(extraction=done, plan=self._reindex(report))
        return done

    def remove(self, images: StoredImages, *, report: Report = silent) -> int:
        """Remove images by id, stored path or glob of stored paths; the files themselves are left alone.

        What is removed stays out of later builds, wherever it is moved, until it is added by name.

        Returns:
            How many were removed.

        Raises:
            QueryError: the collection holds no such image, or none that a pattern matches; nothing is removed
                then.
        """
        positions = remove_rows(self.directory, [*self._state.named(several(images))])
        self._reindex(report)
        return len(positions)

    @renamed(wishes="options")
    def index(
        self,
        *,
        similarity: SimilarityName | None = None,
        options: IndexOptions | None = None,
        report: Report = silent,
    ) -> IndexPlan:
        """Build the index, and the graph that morphs walk on; nothing happens where both are current.

        Args:
            similarity: how vectors are compared from now on; None keeps the collection's own.
            options: of the index: kind, memory, recall, time of a search; None keeps what was asked before.
            report: called with the progress.

        Returns:
            The plan that was followed; `info` tells what the index takes and finds in truth.

        Raises:
            CollectionDamagedError: a feature file differs from its checksum.
            CollectionLockedError: another process is writing.
        """
        asked = options or self.index_options
        plan = build_index(self.directory, asked, similarity=similarity, report=report)
        self.report = replace(self.report, plan=plan)
        self._state.load()
        return plan

    @renamed(wishes="options")
    def plan(
        self, *, similarity: SimilarityName | None = None, options: IndexOptions | None = None
    ) -> IndexPlan:
        """Say which index `index` would build, and what it will take; nothing is changed."""
        name = similarity or self.store.manifest.similarity
        return plan_for(options or self.index_options, len(self.store), self.store.dimension, name)

    @renamed(wishes="options")
    def is_indexed(
        self, *, similarity: SimilarityName | None = None, options: IndexOptions | None = None
    ) -> bool:
        """Whether `index` would find everything built; the files of the index are not read."""
        return has_index(self.directory, options or self.index_options, similarity)

    @property
    def index_options(self) -> IndexOptions:
        """Options of the last build of the index; the defaults if there is none."""
        return IndexOptions.of(self.store.manifest.index)

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
        """`i2v_search.maintenance.merge`, and open the collection; its `report` says what was done."""
        merged = maintenance.merge(directory, others, report=report)
        collection = cls(Path(directory), device=device)
        collection.report = BuildReport(merge=merged)
        return collection

    @staticmethod
    def repair(directory: str | os.PathLike[str], *, report: Report = silent) -> Repair:
        """`i2v_search.maintenance.repair`."""
        return maintenance.repair(directory, report=report)

    def compact(self, *, report: Report = silent) -> Compaction:
        """`i2v_search.maintenance.compact`, and continue with the result."""
        done = maintenance.compact(self.directory, report=report)
        self._state.load()
        return done

    def relocate(
        self,
        old: str | os.PathLike[str],
        new: str | os.PathLike[str],
        *,
        force: bool = False,
        report: Report = silent,
    ) -> Relocation:
        """`i2v_search.maintenance.relocate`, and continue with the result."""
        done = maintenance.relocate(self.directory, old, new, force=force, report=report)
        self._state.load()
        return done

    def export(self, path: str | os.PathLike[str], **options: Unpack[maintenance.ExportOptions]) -> Export:
        """`i2v_search.maintenance.export`."""
        return maintenance.export(self.directory, path, **options)

    @property
    def wishes(self) -> IndexOptions:
        """The old name of `index_options`."""
        return self._old("wishes", "index_options", self.index_options)

    @property
    def changes(self) -> Extraction | None:
        """The old name of ``report.extraction``."""
        return self._old("changes", "report.extraction", self.report.extraction)

    @property
    def merged(self) -> Merge | None:
        """The old name of ``report.merge``."""
        return self._old("merged", "report.merge", self.report.merge)

    def _reindex(self, report: Report) -> IndexPlan:
        plan = reindex(self.directory, self.store.manifest.index, report)
        self._state.load()
        return plan

    @staticmethod
    def _old(name: str, now: str, value: _T) -> _T:
        warn(f"Collection.{name} is now {now}", DeprecationWarning, stacklevel=3)
        return value


def _given_rows(vectors: Any, *, column: str | None, **columns: Iterable[Any] | None) -> GivenRows:
    """Vectors and their columns; of a file also those that it has itself."""
    named: dict[str, Any] = {name: values for name, values in columns.items() if values is not None}
    if isinstance(vectors, str | os.PathLike):
        return replace(read_vector_file(Path(vectors), column), **named)
    if column is not None:
        raise QueryError("column is for a file of vectors, not for an array")
    shape = getattr(vectors, "shape", None)
    return GivenRows(vectors, **named, total=int(shape[0]) if shape else None)
