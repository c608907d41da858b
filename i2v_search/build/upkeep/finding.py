"""Finds the feature files of a damaged collection, under any name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from i2v_search.build.upkeep.damaged_files import NO_FILE
from i2v_search.build.upkeep.salvaging import SalvagedPart
from i2v_search.errors import CollectionDamagedError
from i2v_search.files import open_regular
from i2v_search.store.arrays import USER_BLOCK, read_user_block
from i2v_search.store.manifest import FILE_NAME, Manifest, PartRecord

_BLOCK = 2**20


@dataclass(frozen=True)
class FoundPart:
    """Location of a feature file.

    Attributes:
        path: path of it; under the name that the manifest has, where no other is known.
        intact: whether its content, up to what was put behind it, is what the manifest's checksum is of.
    """

    path: Path
    intact: bool


def find_parts(directory: Path, manifest: Manifest) -> list[FoundPart]:
    """Find the feature files of a manifest, in its order.

    A file under another name is taken for one that is missing or damaged where it has its checksum. Failing
    that, files with as many rows, of which one at least is good, are taken for those that are missing where
    there are as many of them.

    Raises:
        OSError: a file is there and cannot be read now.
    """
    found = {
        record.name: FoundPart(directory / record.name, _holds(directory / record.name, record))
        for record in manifest.parts
    }
    wanted = [record for record in manifest.parts if record.sha256 and not found[record.name].intact]
    wanted += [record for record in manifest.parts if not found[record.name].path.is_file()]
    claimed = {part.path for part in found.values() if part.intact}
    strays = [path for path in files_in(directory) if path not in claimed] if wanted else []
    for record in wanted:
        for path in strays:
            if path not in claimed and _holds(path, record):
                found[record.name] = FoundPart(path, intact=True)
                claimed.add(path)
    left = [path for path in strays if path not in claimed | {directory / name for name in found}]
    missing = [record for record in manifest.parts if not found[record.name].path.is_file()]
    for rows in dict.fromkeys((record.rows, record.sha256 is None) for record in missing):
        group = [record for record in missing if (record.rows, record.sha256 is None) == rows]
        alike = [(newest, path) for path in left if (newest := _newest(path, manifest, group[0])) >= 0]
        if len(alike) == len(group):
            # Ids are given in turn: what holds the lowest comes first.
            for record, (_, path) in zip(group, sorted(alike), strict=True):
                found[record.name] = FoundPart(path, intact=False)
    return [found[record.name] for record in manifest.parts]


def files_in(directory: Path) -> Iterator[Path]:
    """The files of a collection directory, but for its manifest, in the order of their names."""
    for path in sorted(directory.iterdir()):
        if path.name != FILE_NAME and path.is_file():
            yield path


def _holds(path: Path, record: PartRecord) -> bool:
    """Whether a file begins with what the checksum of a feature file is of."""
    try:
        with open_regular(path) as file:
            size = read_user_block(file.read(USER_BLOCK))[1]
            file.seek(0)
            digest = hashlib.sha256()
            while size > 0 and (block := file.read(min(_BLOCK, size))):
                digest.update(block)
                size -= len(block)
    except ValueError:
        return False
    except OSError as error:
        if error.errno in NO_FILE:
            return False
        raise
    return digest.hexdigest() == record.sha256


def _newest(path: Path, manifest: Manifest, record: PartRecord) -> int:
    """The highest id in a file that may be a feature file, damaged and without its name; -1 where none is."""
    try:
        part = SalvagedPart(path, manifest.encoder.dimension, record)
    except CollectionDamagedError:
        return -1
    newest = int(part["id"][part.good].max(initial=-1))
    if record.sha256 is None:
        return newest if part.rows >= record.rows else -1
    return newest if part.rows == record.rows and newest < manifest.next_id else -1
