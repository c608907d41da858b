"""Whether the files of a feature store are what was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2v_search.errors import CollectionDamagedError
from i2v_search.escapes import JsonReady
from i2v_search.files import file_sha256
from i2v_search.store.feature_file import FeatureFile
from i2v_search.store.manifest import FILE_NAME, Manifest, PartRecord, repair_advice

_DIFFERS = "the content differs from its checksum"


@dataclass(frozen=True)
class Damage(JsonReady):
    """Damage found by `verify`: the file, the problem, and the affected rows if known.

    Example:
        >>> from i2v_search import Collection
        >>> with open("index/art/search-00001.faiss", "ab") as file:
        ...     file.write(b"noise")
        5
        >>> [damage.file for damage in Collection.open("index/art").verify()]
        ['search-00001.faiss']
    """

    file: str
    problem: str
    rows: tuple[int, ...] = ()


def part_damage(part: FeatureFile, record: PartRecord) -> Damage | None:
    """Damage of a feature file: by its checksum and, if that fails or is not yet set, by row.

    The file as it was opened is looked at: a writer may have put another in its place since.
    """
    try:
        differs = "" if record.sha256 in {None, part.sha256()} else _DIFFERS
    except OSError as error:
        return Damage(record.name, f"the file was changed while it was open ({error.strerror})")
    if record.sha256 is not None and not differs:
        counts = f"the file holds {part.committed} rows, {FILE_NAME} says {record.rows}"
        return None if part.committed == record.rows else Damage(record.name, counts)
    rows = tuple(part.damaged_rows())
    counted = f"{len(rows)} rows are damaged" if rows or differs else ""
    problem = "; ".join(filter(None, [differs, counted]))
    return Damage(record.name, problem, rows) if problem else None


def damaged(directory: Path, damage: Damage) -> CollectionDamagedError:
    """The error to raise for what is wrong with a file."""
    return CollectionDamagedError(f"{directory / damage.file}: {damage.problem}; {repair_advice(directory)}")


def difference(path: Path, sha256: str) -> str:
    """Difference of a file from its checksum, in words; empty if there is none."""
    try:
        return "" if file_sha256(path) == sha256 else _DIFFERS
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"


def settled(directory: Path, check: Callable[[Manifest], list[Damage]]) -> list[Damage]:
    """Result of a check of a collection, even while another process writes to it.

    Files that a manifest names are removed when another takes its place: what was found wrong by a manifest
    that is no longer there means nothing, and the check is made again.

    Args:
        directory: the collection.
        check: looks at the files that a manifest names.

    Raises:
        CollectionError: the manifest is gone or damaged.
    """
    manifest = Manifest.load(directory)
    while damages := check(manifest):
        newer = Manifest.load(directory)
        if newer == manifest:
            break
        manifest = newer
    return damages
