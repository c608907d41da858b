"""``collection.json``: what a collection is made of; the one file whose replacement commits a change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from i2v_search.choices import IndexKind, SimilarityName
from i2v_search.errors import CollectionDamagedError, CollectionNotFoundError
from i2v_search.files import open_regular, read_regular, write_atomically

FILE_NAME = "collection.json"
#: Format 2 lets an index be older than the feature store, format 3 knows what stays out and which folders are
#: mounts; older ones are read and rewritten as 3.
FORMAT_VERSION = 3
#: A collection of 100 million rows needs some 2 MiB.
MAX_BYTES = 64 * 2**20

_FileName = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)
_Sha256 = Field(pattern=r"^[0-9a-f]{64}$")
_Count = Field(ge=0, le=2**62)


def _without_nul(text: str) -> str:
    """Refuse what no file can be called."""
    if "\0" in text or len(text) > 2**16:
        raise ValueError("it holds a zero byte or exceeds the maximum length of a path")
    return text


# Not a pattern: pydantic would refuse paths of bytes that are not UTF-8.
_Text = Annotated[str, AfterValidator(_without_nul)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EncoderRecord(_Model):
    """The encoder whose vectors the collection holds; see `i2v_search.encoders.base.EncoderInfo`."""

    id: _Text
    weights_sha256: str = _Sha256
    preprocessing: _Text
    dimension: int = Field(ge=1, le=65_536)


class PartRecord(_Model):
    """One feature file. `sha256` is None while the file is open for writing: its own row count then holds."""

    name: str = _FileName
    rows: int = _Count
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class FileRecord(_Model):
    """A derived file and the SHA-256 of its content."""

    name: str = _FileName
    sha256: str = _Sha256


class WishesRecord(_Model):
    """Options of the index, kept for its next update: `i2v_search.index.planner.IndexOptions`."""

    kind: IndexKind
    pca_dimensions: int = Field(ge=1, le=65_536)
    memory_bytes: int | None = Field(ge=0, le=2**62)
    recall_target: float = Field(ge=0, le=1)
    latency_ms: float = Field(ge=0)
    graph: bool | None
    #: Kept for versions that wrote principal components beside the index; nothing asks for it now.
    reduced: bool = False


class IndexRecord(_Model):
    """The index and what it was built from.

    Attributes:
        generation: generation of the feature store that it holds all live rows of.
        rows: rows of the feature store (live or not) at that time.
        live_rows: rows it scans.
        trained: rows that were live when it was built, before it was extended; None in format 1.
        kind: kind of the plan (`i2v_search.index.planner`), with `dimensions`, `lists` and `refined`.
        candidates: rows re-ranked for ten results, with `effort` and `shortlist` of `i2v_search.index`.
        recall_at_10: measured against exact search at build; 1.0 for exact indexes.
        query_ms: median time of a search, measured at build, with its 99th percentile in `query_p99_ms`.
        wishes: what was asked; None in format 1.
        predicted: what the plan said it would take: bytes, seconds, milliseconds.
        actual: what it took.
        files: by role.
    """

    generation: int = _Count
    rows: int = _Count
    live_rows: int = _Count
    trained: int | None = Field(default=None, ge=0, le=2**62)
    similarity: SimilarityName
    kind: Literal["exact", "pca", "codes", "ivf", "hnsw"]
    dimensions: int = Field(ge=1, le=65_536)
    lists: int = Field(default=0, ge=0, le=2**24)
    refined: bool = False
    candidates: int = _Count
    effort: int = Field(default=0, ge=0, le=2**31 - 1)
    shortlist: int = Field(default=0, ge=0, le=2**31 - 1)
    recall_at_10: float = Field(ge=0, le=1)
    query_ms: float | None = Field(default=None, ge=0)
    query_p99_ms: float | None = Field(default=None, ge=0)
    wishes: WishesRecord | None = None
    predicted: dict[str, float] = {}
    actual: dict[str, float] = {}
    files: dict[Literal["arrays", "faiss", "graph", "reduced"], FileRecord]

    @model_validator(mode="after")
    def _has_what_a_search_needs(self) -> Self:
        if missing := {"arrays", "faiss"} - self.files.keys():
            raise ValueError(f"files lack {', '.join(sorted(missing))}")
        return self


class Manifest(_Model):
    """The content of ``collection.json``.

    Attributes:
        tagger: what gave the tags, where that was not the encoder; its dimension is their number.
        generation: counts committed changes of the feature store.
        next_id: the id the next new image gets; ids are never given twice.
        next_file: number in the name of the next derived file; such names are never used twice.
        image_root: absolute path that image paths are relative to.
        mounts: stored paths of folders with images that other disks were mounted on; "" is the image root.
        removals: images that people removed, which stay out (`i2v_search.store.removals`).
    """

    format: Literal[1, 2, 3] = 3
    encoder: EncoderRecord
    tagger: EncoderRecord | None = None
    similarity: SimilarityName
    image_root: _Text
    mounts: tuple[str, ...] = ()
    generation: int = Field(default=0, ge=0, le=2**62)
    next_id: int = Field(default=0, ge=0, le=2**62)
    next_file: int = Field(default=0, ge=0, le=2**62)
    parts: tuple[PartRecord, ...] = ()
    tombstones: FileRecord | None = None
    removals: FileRecord | None = None
    index: IndexRecord | None = None

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the manifest of the collection in `directory`.

        Raises:
            CollectionNotFoundError: there is none.
            CollectionDamagedError: it is not valid, was changed by something else, or is of a newer format.
        """
        path = directory / FILE_NAME
        try:
            with open_regular(path) as file:
                content = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            require_folder(directory)
            raise CollectionNotFoundError(
                f"no collection at {directory}; build one with: "
                f"i2v-search build FOLDER --collection {directory}"
            ) from None
        except OSError as error:
            raise CollectionDamagedError(f"{path} cannot be read ({error.strerror})") from error
        if len(content) > MAX_BYTES:
            raise CollectionDamagedError(f"{path} is larger than {MAX_BYTES} bytes; refused")
        try:
            document = json.loads(content, parse_constant=_number)
            version, checksum = document.get("format"), document.pop("checksum", None)
        except (ValueError, AttributeError, RecursionError) as error:
            raise CollectionDamagedError(
                f"{path} is not a JSON object ({error}); restore it from a backup"
            ) from error
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CollectionDamagedError(
                f"{path} has format {version}, this i2v-search supports up to {FORMAT_VERSION}; upgrade "
                "i2v-search"
            )
        if checksum != _checksum(document):
            raise CollectionDamagedError(
                f"{path} does not match its checksum: it was changed outside i2v-search; "
                "restore it from a backup"
            )
        root = document.get("image_root")
        if isinstance(root, str):
            # pydantic's JSON parser refuses the surrogates that stand for bytes that are not UTF-8.
            document["image_root"] = root.encode("utf-8", "replace").decode()
        try:
            # JSON mode: tuples arrive as lists.
            return cls.model_validate_json(json.dumps(document)).updated(image_root=root)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise CollectionDamagedError(f"{path} is not valid at {place}: {first['msg']}") from error

    @classmethod
    def find(cls, directory: Path) -> Self | None:
        """`load`, or None if there is no collection."""
        try:
            return cls.load(directory)
        except CollectionNotFoundError:
            return None

    def save(self, directory: Path) -> None:
        """Replace the manifest of the collection in `directory`, atomically."""
        document = self.model_dump(mode="json") | {"format": FORMAT_VERSION}
        document["checksum"] = _checksum(document)
        write_atomically(directory / FILE_NAME, _serialised(document))

    @staticmethod
    def is_as_saved(directory: Path) -> bool:
        """Whether the file is what `save` wrote, byte for byte: the checksum does not cover blanks."""
        content = read_regular(directory / FILE_NAME)
        return content == _serialised(json.loads(content))

    def file_names(self) -> set[str]:
        """Every file the manifest refers to."""
        names = {part.name for part in self.parts}
        names.update(file.name for file in (self.tombstones, self.removals) if file)
        if self.index:
            names.update(file.name for file in self.index.files.values())
        return names

    def updated(self, **changes: Any) -> Self:
        """A copy with `changes` applied."""
        return self.model_copy(update=changes)


def _number(name: str) -> float:
    """Refuse what is no number: it differs even from itself, so that no manifest would be the same again."""
    if name == "NaN":
        raise ValueError("NaN is no number")
    return float(name)


def require_folder(directory: Path) -> None:
    """Refuse a place where no collection can be, nor be made.

    Raises:
        CollectionNotFoundError: it, or a folder that it would be in, is a file.
    """
    for place in (directory, *directory.parents):
        if place.is_file():
            raise CollectionNotFoundError(
                f"{place} is a file, not a collection folder; choose another with --collection"
            )


def repair_advice(directory: Path) -> str:
    """Advice about a damaged file of a collection."""
    return f"run i2v-search verify --repair --collection {directory}"


def _serialised(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode()


def _checksum(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
