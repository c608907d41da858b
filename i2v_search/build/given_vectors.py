"""Collections from vectors: made, and added to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from i2v_search.build.given_rows import GivenReport, GivenRows, first_block, write_rows
from i2v_search.choices import SimilarityName
from i2v_search.encoders.base import Encoder, usual_similarity
from i2v_search.encoders.given import GivenVectors, given_info
from i2v_search.encoders.registry import load_encoder
from i2v_search.errors import CollectionError, QueryError
from i2v_search.progress import Report
from i2v_search.store.manifest import EncoderRecord, Manifest
from i2v_search.store.writer import LOCK_NAME, WriterLock, is_own_file


def create_from_vectors(
    directory: Path,
    rows: GivenRows,
    *,
    encoder: str | Encoder | None,
    space: str,
    similarity: SimilarityName | None,
    root: Path | None,
    report: Report,
) -> GivenReport:
    """Make the feature store of `Collection.from_vectors`; see there.

    Where it fails, the folder is as it was.
    """
    if Manifest.find(directory) is not None:
        raise CollectionError(
            f"there is a collection at {directory}; add to it with add_vectors or i2v-search import, or "
            "choose another directory"
        )
    dimension, blocks = first_block(rows.vectors)
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    loaded = loaded or GivenVectors(given_info(dimension, space))
    if loaded.info.dimension != dimension:
        raise QueryError(
            f"the vectors have {dimension} dimensions, those of encoder {loaded.info.id!r} "
            f"{loaded.info.dimension}"
        )
    if root is not None and not root.is_dir():
        raise QueryError(f"the folder of the pictures, {root}, does not exist")
    existed = directory.exists()
    try:
        with WriterLock(directory), _nothing_left(directory):
            manifest = Manifest(
                encoder=EncoderRecord(**loaded.info.to_dict()),
                similarity=similarity or usual_similarity(loaded),
                image_root=str((root or directory).resolve()),
            )
            manifest.save(directory)
            rows = replace(rows, vectors=blocks)
            return write_rows(directory, manifest, rows, read_files=root is not None, report=report)
    finally:
        if not existed and Manifest.find(directory) is None:
            (directory / LOCK_NAME).unlink(missing_ok=True)
            with suppress(OSError):  # somebody else began to use it
                directory.rmdir()


def add_to_vectors(directory: Path, rows: GivenRows, *, read_files: bool, report: Report) -> GivenReport:
    """Add rows to the feature store of a collection, or replace rows of it: `Collection.add_vectors`."""
    with WriterLock(directory):
        return write_rows(directory, Manifest.load(directory), rows, read_files=read_files, report=report)


@contextmanager
def _nothing_left(directory: Path) -> Iterator[None]:
    """Remove the files of a collection again, where it cannot be made."""
    try:
        yield
    except BaseException:
        for path in directory.iterdir():
            if is_own_file(path.name) and path.name != LOCK_NAME:
                path.unlink(missing_ok=True)
        raise
