"""Pictures that a person keeps from elsewhere: saved into a folder of the collection, then put into it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

from i2v_search.build.source_folders import source_folders
from i2v_search.collection.bundles import safe_name
from i2v_search.collection.collection import Collection
from i2v_search.escapes import visible
from i2v_search.images.formats import EXTENSIONS
from i2v_search.web.guard.failures import Failure
from i2v_search.web.jobs.builder import Builder
from i2v_search.web.jobs.decoder_pool import Decoder

#: The folder that they are saved in, in the first folder of the collection.
FOLDER: Final = "kept"
#: Formats that a browser shows, and the endings of their files.
_ENDINGS: Final = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "AVIF": ".avif",
    "SVG": ".svg",
    "BMP": ".bmp",
    "ICO": ".ico",
    "HEIC": ".heic",
    "JPEG XL": ".jxl",
}
#: Letters of a name, so that its bytes fit every file system.
_MOST_LETTERS: Final = 60
#: Files of one name.
_MOST_ALIKE: Final = 10_000
#: Side of the picture that a file is decoded to, to see that it is one.
_SIDE: Final = 64
#: Seconds between two tries to begin a build while another runs.
_EVERY: Final = 0.5


class KeptPictures:
    """Saves pictures for one collection.

    Args:
        decoder: decodes them first, in its own process.
        builder: puts them into the collection.
        max_pixels: of a picture.
    """

    def __init__(self, decoder: Decoder, builder: Builder, max_pixels: int) -> None:
        self._decoder, self._builder, self._max_pixels = decoder, builder, max_pixels
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._waiting = False

    def keep(self, collection: Collection, content: bytes, name: str) -> Path:
        """Save a picture under a name of its own, and have it put into the collection soon.

        Args:
            collection: the collection.
            content: the picture's file.
            name: what it was called; a hint from a stranger.

        Returns:
            The new file.

        Raises:
            ImageError: it is no picture.
            Failure: it is of a format that no browser shows, or the collection has no folder that is there.
        """
        ending = self._ending(content)
        folder = _folder(collection)
        try:
            file = _written(folder, file_stem(name), ending, content)
        except OSError as error:
            raise Failure("no_folder", f"the picture cannot be saved: {error.strerror}") from error
        self._add(folder)
        return file

    def close(self) -> None:
        """Begin no more builds."""
        self._closed.set()

    def _ending(self, content: bytes) -> str:
        """The ending of the picture's format, which its content alone decides."""
        self._decoder.decode(content, shrink_to=_SIDE, max_pixels=self._max_pixels)
        head, _ = self._decoder.ask({"do": "details"}, content)
        ending = _ENDINGS.get(head["format"])
        if ending is None:
            raise Failure("unsupported_type", f"pictures of format {head['format'][:50]} are not kept")
        return ending

    def _add(self, folder: Path) -> None:
        """Have the pictures of the folder put in, after a build that runs."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        threading.Thread(target=self._build, args=(folder,), name="i2v-keep", daemon=True).start()

    def _build(self, folder: Path) -> None:
        while not self._closed.is_set():
            # Whoever saves a picture from now on begins another build: this one may have looked already.
            with self._lock:
                self._waiting = False  # also if no process can be started
                with suppress(Failure):
                    self._builder.start([folder], "kept")
                    return
                self._waiting = True
            self._closed.wait(_EVERY)


def file_stem(name: str) -> str:
    r"""A name of a stranger, without its ending, as every system can write it and every person can read it.

    >>> file_stem("a/Owl (1).PNG"), file_stem("..\\.htaccess"), file_stem("a\u202egnp.exe"), file_stem("con")
    ('Owl (1)', 'htaccess', 'a_u202egnp.exe', '_con')
    """
    last = safe_name(visible(name.replace("\\", "/").rpartition("/")[2]).lstrip(". "))
    stem, dot, ending = last.rpartition(".")
    if f".{ending}".lower() not in EXTENSIONS:
        stem = f"{stem}{dot}{ending}"
    return stem[:_MOST_LETTERS].rstrip(". ")


def _folder(collection: Collection) -> Path:
    """The folder that pictures are saved in; made where it is missing."""
    above = next((one for one in source_folders(collection.store) if one.is_dir()), None)
    if above is None:
        raise Failure("no_folder", "the folder of the collection is not there; connect its disk")
    folder = above / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Failure("no_folder", f"the folder {FOLDER} cannot be made: {error.strerror}") from error
    if folder.is_symlink():
        raise Failure("no_folder", f"the folder {FOLDER} is a link; nothing is saved there")
    return folder


def _written(folder: Path, stem: str, ending: str, content: bytes) -> Path:
    """Write a new file; one that is there, or a link, is left alone."""
    for number in count(1):
        file = folder / (f"{stem}{ending}" if number == 1 else f"{stem} ({number}){ending}")
        try:
            descriptor = os.open(
                file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
            )
        except FileExistsError:
            if number == _MOST_ALIKE:
                raise
            continue
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(content)
        except OSError:
            with suppress(OSError):
                file.unlink()
            raise
        return file
    raise AssertionError
