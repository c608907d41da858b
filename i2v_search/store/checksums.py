"""Whether the files of a feature store are what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v_search.errors import CollectionDamagedError
from i2v_search.files import file_sha256
from i2v_search.manifest import PartRecord
from i2v_search.parts import Part


@dataclass(frozen=True)
class Damage:
    """Something `verify` found wrong: the file, what is wrong, and the rows that are lost if it can say."""

    file: str
    problem: str
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {"file": self.file, "problem": self.problem, "rows": list(self.rows)}


def part_damage(part: Part, record: PartRecord) -> Damage | None:
    """What is wrong with a feature file: by its checksum and, where that fails or is not yet set, by row."""
    differs = difference(part.path, record.sha256)
    if record.sha256 is not None and not differs:
        return None
    rows = tuple(part.damaged_rows())
    counted = f"{len(rows)} rows are damaged" if rows or differs else ""
    problem = "; ".join(filter(None, [differs, counted]))
    return Damage(record.name, problem, rows) if problem else None


def damaged(directory: Path, damage: Damage) -> CollectionDamagedError:
    """The error to raise for what is wrong with a file."""
    return CollectionDamagedError(
        f"{directory / damage.file}: {damage.problem}; "
        f"run i2v-search verify --repair --collection {directory}"
    )


def difference(path: Path, sha256: str | None) -> str:
    """How a file differs from its checksum, in words; empty where it does not, or is still being written."""
    if sha256 is None:
        return ""
    try:
        return "" if file_sha256(path) == sha256 else "the content differs from its checksum"
    except OSError as error:
        return f"the file cannot be read ({error.strerror})"
