"""The files of a published model on this machine: downloaded or found, and compared with the catalogue.

``.downloads/NAME`` in the directory of the imported models holds what was downloaded, until it is imported.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from i2v_search.encoders.downloading import Expected, Patience, download
from i2v_search.encoders.known_models import KnownFile, KnownModel
from i2v_search.encoders.model_folder import models_directory
from i2v_search.errors import DownloadError
from i2v_search.files import file_sha256, open_regular, read_regular, write_atomically
from i2v_search.progress import Report, silent

MIRROR, HUB = "I2V_SEARCH_MIRROR", "HF_ENDPOINT"
ORIGIN: Final = "origin.json"
_DOWNLOADS: Final = ".downloads"
_GZIP_MAGIC: Final = b"\x1f\x8b"
#: A download and what is imported from it lie on the disk together.
_COPIES: Final = 2


@dataclass(frozen=True)
class Where:
    """Where the files of models come from.

    Attributes:
        folder: a folder that has them already, in itself or in a folder of the model's name; None downloads.
        mirror: address of such a folder of folders on a server.
        hub: address of a server in place of Hugging Face's.
        accept_hash: accept what is found where nobody recorded a SHA-256, or only one source did.
        patience: when a download is given up.
    """

    folder: Path | None = None
    mirror: str | None = None
    hub: str | None = None
    accept_hash: bool = False
    patience: Patience = Patience()

    @classmethod
    def of_environment(cls, folder: Path | None = None, *, accept_hash: bool = False) -> Self:
        """With the mirror of ``I2V_SEARCH_MIRROR``, or the server of ``HF_ENDPOINT``."""
        return cls(folder, os.environ.get(MIRROR) or None, os.environ.get(HUB) or None, accept_hash)


class _DamagedError(DownloadError):
    """A packed file cannot be unpacked."""


@dataclass
class ModelFiles:
    """Files of a model, each compared with the catalogue.

    Attributes:
        known: the model.
        paths: where each lies.
        seen: the SHA-256 of each; of the unpacked content of what is packed.
        notes: what is to be known of them, one line each.
    """

    known: KnownModel
    paths: dict[KnownFile, Path] = field(default_factory=dict)
    seen: dict[KnownFile, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, file: KnownFile, path: Path, found: str, *, accept_hash: bool) -> None:
        """Add a file with the SHA-256 `found`.

        Raises:
            DownloadError: another one was recorded.
        """
        if file.sha256 is None:
            self.notes.append(f"{file.name}: accepted SHA-256 {found}; nobody recorded one")
        elif not _is_recorded(file, found):
            if not _may_accept(file, accept_hash):
                remedy = "; one source alone records it, --accept-hash accepts the file as it is"
                raise DownloadError(
                    f"{path} has SHA-256 {found}, expected {file.sha256}{remedy if file.sources == 1 else ''}"
                )
            self.notes.append(f"{file.name}: accepted SHA-256 {found}; one source records {file.sha256}")
        elif file.sources == 1:
            self.notes.append(f"{file.name}: has the recorded SHA-256, which one source alone records")
        self.paths[file], self.seen[file] = path, found

    def origin(self) -> Origin:
        """What these files are and where they come from."""
        facts = self.known.model_dump(include={"name", "title", "licence", "page"})
        files = tuple(
            OriginFile(url=self.known.url(file), sha256=found, recorded=file.sha256)
            for file, found in self.seen.items()
        )
        return Origin(**facts, files=files)


class OriginFile(BaseModel):
    """A file that a model was made of: its address, the SHA-256 that was found, and the one recorded."""

    model_config = ConfigDict(frozen=True)

    url: str
    sha256: str
    recorded: str | None


class Origin(BaseModel):
    """What a model was made of: ``origin.json`` beside it; the first attributes are those of `KnownModel`."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    licence: str
    page: str
    files: tuple[OriginFile, ...]


def keep_origin(folder: Path, origin: Origin) -> None:
    """Write down what the model in a folder was made of."""
    write_atomically(folder / ORIGIN, origin.model_dump_json(indent=1).encode())


def read_origin(folder: Path) -> Origin | None:
    """What the model in a folder was made of; None if it was not made by ``models get``."""
    try:
        return Origin.model_validate_json(read_regular(folder / ORIGIN))
    except (OSError, ValueError):
        return None


@contextmanager
def obtain(
    known: KnownModel, wanted: Sequence[KnownFile], where: Where, *, report: Report = silent
) -> Iterator[ModelFiles]:
    """Find or download files of a model; what was downloaded is deleted at the end, unless there is an error.

    Raises:
        DownloadError: a file is missing, cannot be downloaded or is another one than was recorded, there is
            not enough space, or another process downloads this model.
    """
    unrecorded = [file.name for file in wanted if file.sha256 is None]
    if unrecorded and not where.accept_hash:
        raise DownloadError(
            f"{known.name}: nobody recorded the SHA-256 of {' and '.join(unrecorded)}; look at {known.page}, "
            "and repeat with --accept-hash to accept what is found and to keep its SHA-256"
        )
    files = ModelFiles(known)
    if where.folder is not None:
        for file in wanted:
            path = _find(known, file, where.folder)
            files.add(file, path, _content_sha256(path), accept_hash=where.accept_hash)
        yield files
        return
    folder = models_directory() / _DOWNLOADS / known.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(folder, known):
            _check_space(folder, wanted)
            for file in wanted:
                _fetch(files, file, folder, where, report)
            yield files
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _remove_empty(folder)
        with suppress(OSError):  # other models may be on their way
            folder.parent.rmdir()


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, but for what holds files."""
    with suppress(OSError):
        for below in filter(Path.is_dir, folder.iterdir()):
            _remove_empty(below)
        folder.rmdir()


def _find(known: KnownModel, file: KnownFile, folder: Path) -> Path:
    """A file in a folder of the user's."""
    name = file.path.rpartition("/")[2]
    places = [folder / known.name / file.path, folder / file.path, folder / known.name / name, folder / name]
    places += [place.with_name(file.name) for place in places[2:]]
    for place in places:
        if place.is_file():
            if file.size not in {None, place.stat().st_size}:
                raise DownloadError(f"{place} has {place.stat().st_size:,} bytes; expected {file.size:,}")
            return place
    raise DownloadError(f"{folder} has neither {file.path} of {known.name} nor {known.name}/{file.path}")


@contextmanager
def _alone(folder: Path, known: KnownModel) -> Iterator[None]:
    path = folder.with_name(f"{folder.name}.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DownloadError(f"another process downloads {known.name}; wait for it") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no open file
            path.unlink()
        lock.release()


def _check_space(folder: Path, wanted: Sequence[KnownFile]) -> None:
    there = sum(path.stat().st_size for path in folder.rglob("*.*") if path.is_file())
    needed = max(_COPIES * sum(file.expected for file in wanted) - there, 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{folder.parent.parent} has {free / 1e6:,.0f} MB free; the download and the import need "
            f"{needed / 1e6:,.0f} MB. Free space, or set I2V_SEARCH_MODELS to another disk"
        )


def _fetch(files: ModelFiles, file: KnownFile, folder: Path, where: Where, report: Report) -> None:
    """Download a file, unless an earlier call did."""
    known, target = files.known, folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    packed = file.path.endswith(".gz")
    try:
        found = _content_sha256(target) if target.exists() else None
        if found is None or not (_is_recorded(file, found) or _may_accept(file, where.accept_hash)):
            # What one source alone records may be accepted as it is; of a packed file the content is known.
            certain = file.sources > 1 and not packed
            found = download(
                known.url(file, mirror=where.mirror, hub=where.hub),
                target,
                Expected(file.size, file.limit, file.sha256 if certain else None),
                plain=where.mirror is not None or (where.hub is not None and known.base is None),
                report=report,
                stage=f"{known.name}: {file.name}",
                patience=where.patience,
            )
            found = _content_sha256(target) if packed else found
    except _DamagedError:
        target.unlink()
        raise
    files.add(file, target, found, accept_hash=where.accept_hash)


def _is_recorded(file: KnownFile, found: str) -> bool:
    return file.sha256 is not None and found.startswith(file.sha256)


def _may_accept(file: KnownFile, accept_hash: bool) -> bool:
    return accept_hash and (file.sha256 is None or file.sources == 1)


def _content_sha256(path: Path) -> str:
    """SHA-256 of a file, or of what is packed in it."""
    with open_regular(path) as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    if not packed:
        return file_sha256(path)
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as content:
            while block := content.read(2**20):
                digest.update(block)
    except (EOFError, OSError, zlib.error) as error:
        raise _DamagedError(f"{path} is damaged ({error})") from error
    return digest.hexdigest()
