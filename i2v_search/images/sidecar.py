"""``tags.jsonl``: tags that people gave, beside the images of a folder.

One JSON object a line: ``path`` relative to the file's own folder, ``tags`` a list of names, optionally
``categories`` from tag to category. A data set for training (`i2v_search.training.datasets.dataset`) may say
more: ``unknown``, a list of tags that nobody looked for in this image, and the strings ``label``, ``group``,
``source`` and ``licence``. Other keys (title, author) are the owner's business. A path is found too where it
is written with backslashes, with ``./``, or with accents composed in another way than in the file's name.
"""

from __future__ import annotations

import json
import os
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from i2v_search.errors import SourceError, TagError
from i2v_search.files import open_regular
from i2v_search.images.captions import CaptionNames, read_caption
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.remote import is_url
from i2v_search.images.unread import Tally
from i2v_search.tags.vocabulary import CATEGORIES, MAX_TAGS, Tag, normalise_tag

FILE_NAME = "tags.jsonl"
MAX_LINE = 2**20
_TEXTS = ("label", "group", "source", "licence")


@dataclass(frozen=True)
class Annotation:
    """A line of a data set's ``tags.jsonl``.

    Attributes:
        path: relative to the file's own folder.
        tags: what the image shows.
        unknown: names of tags that nobody looked for; none of them is in `tags`.
        label: what counts as relevant to it, None if the line does not say.
        group: what it must not be separated from, None if the line does not say.
        source: where it comes from, or "".
        licence: as the source states it, or "".
    """

    path: str
    tags: tuple[Tag, ...]
    unknown: frozenset[str] = frozenset()
    label: str | None = None
    group: str | None = None
    source: str = ""
    licence: str = ""


def read_annotations(file: BinaryIO, name: str) -> Iterator[Annotation]:
    """Read a ``tags.jsonl`` line by line, in order.

    Args:
        file: opened for reading bytes.
        name: what errors call it.

    Raises:
        SourceError: a line is not valid; the message names file and line.

    Example:
        >>> import io
        >>> lines = io.BytesIO(b'{"path": "a.png", "tags": ["Hat"], "unknown": ["smile"], "label": "people"}')
        >>> annotation = next(read_annotations(lines, "tags.jsonl"))
        >>> annotation.tags[0].name, sorted(annotation.unknown), annotation.label
        ('hat', ['smile'], 'people')
    """
    for line, place in _lines(file, name):
        yield annotation_of(_load(line, place), place)


def annotation_of(document: Mapping[str, Any], place: str) -> Annotation:
    """Read what a line of a ``tags.jsonl`` says, parsed.

    Args:
        document: with ``path``.
        place: what errors call it.

    Raises:
        SourceError: a value is of another kind.
    """
    path, tags = _parse(document, place)
    unknown = _tag_names(document.get("unknown", []), place)
    for tag in tags:
        if tag.name in unknown:
            raise SourceError(f"{place}: tag {tag.name!r} is in both 'tags' and 'unknown'")
    texts = {key: document[key] for key in _TEXTS if key in document}
    for key, text in texts.items():
        if not isinstance(text, str) or not _is_unicode(text):
            raise SourceError(f'{place}: "{key}" must be a string, not {str(text)[:40]!r}')
    return Annotation(path, tags, unknown, **texts)


def tags_of_one(file: BinaryIO, path: str, most_bytes: int) -> tuple[Tag, ...] | None:
    """The tags that a ``tags.jsonl`` gives one image, read line by line, of which none is held.

    Args:
        file: opened for reading bytes.
        path: of the image, below the file's folder.
        most_bytes: that are read.

    Returns:
        None if no line is about it.

    Raises:
        SourceError: a line that may be about it is not valid.
    """
    wanted, name = _plain(path), path.rpartition("/")[2]
    spelled = [name.encode()] if name.isascii() and name.isprintable() and not set(name) & set('"\\') else []
    found: tuple[Tag, ...] | None = None
    for line, place in _lines(file, FILE_NAME):
        most_bytes -= len(line)
        if most_bytes < 0:
            break
        if spelled and not any(form in line for form in (*spelled, b"\\u")):
            continue  # nine of ten lines are never parsed
        written, tags = _parse(_load(line, place), place)
        if _plain(written) == wanted:
            found = tags
    return found


class Sidecars:
    """Tags that people wrote beside images, looked up image by image, from any thread.

    Of every ``tags.jsonl`` in an image's folder and those above it, up to the folder that was named, the
    nearest that has a line about the image counts. The tags of its captions (`i2v_search.images.captions`)
    come on top. Tags files are held in memory: about 1 kB for an image with ten tags.

    Args:
        root: image root that stored paths are relative to.
        folders: absolute paths of the folders that were named.
        exclude: patterns of files that are left out (`i2v_search.images.exclusion`), captions too.
        tally: told of lines and captions that cannot be used.

    Raises:
        SourceError: a line of a tags file in `root` or `folders` is not valid; the message names both.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "tags.jsonl").write_text('{"path": "a.png", "tags": ["hat"]}')
        >>> _ = (folder / "a.txt").write_text("smile, hat")
        >>> [tag.name for tag in Sidecars(folder, [folder]).of("a.png")]
        ['hat', 'smile']
    """

    def __init__(
        self, root: Path, folders: Iterable[Path], exclude: Sequence[str] = (), tally: Tally | None = None
    ) -> None:
        self._root, self._named = str(root), tuple(map(str, folders))
        self._exclude, self._tally = tuple(exclude), tally or Tally()
        self._files: dict[str, _TagsFile | None] = {}
        self._lock = threading.Lock()
        self._around = lru_cache(maxsize=64)(self._look_around)
        for folder in (self._root, *self._named):
            self._file_in(folder)

    def of(self, path: str) -> tuple[Tag, ...]:
        """The tags of an image, by its stored path.

        Raises:
            SourceError: a line of a tags file is not valid.
        """
        if is_url(path):
            return ()
        folder, name = self._split(path)
        files, captions = self._around(folder)
        tags: dict[str, Tag] = {}
        for above, file in files:
            inner = f"{folder}/{name}".removeprefix(above).lstrip("/")
            if (found := file.find(inner)) is not None:
                tags = {tag.name: tag for tag in found}
                break
        for caption in captions.of(name) if captions else ():
            for tag in self._read(Path(folder, caption)):
                tags.setdefault(tag.name, tag)
        return tuple(tags.values())

    def may_have(self, path: str) -> bool:
        """Whether something stands beside an image that `of` would read."""
        if is_url(path):
            return False
        folder, name = self._split(path)
        files, captions = self._around(folder)
        return bool(files) or bool(captions and captions.of(name))

    def _split(self, path: str) -> tuple[str, str]:
        return os.path.split(os.path.join(self._root, path))  # noqa: PTH118 - as it is, unresolved

    def count_unmatched(self, wanted: Callable[[str], bool]) -> None:
        """Count the lines of tags files that are about no file: of the wanted ones, once all were met."""
        names_of = lru_cache(maxsize=64)(_composed_names)
        for folder, file in self._files.items():
            missing = (
                []
                if file is None
                else [
                    path
                    for path in sorted(file.unmet)
                    if wanted(_stored(folder, path, self._root)) and not _exists(folder, path, names_of)
                ]
            )
            if missing:
                place = _stored(folder, FILE_NAME, self._root)
                self._tally.add(f"lines of {place}", len(missing), f"file {missing[0]!r} does not exist")

    def _look_around(self, folder: str) -> tuple[list[tuple[str, _TagsFile]], CaptionNames]:
        """The tags files that may be about the images of a folder, the nearest first, and its captions."""
        files, above = [], folder
        while True:
            if (file := self._file_in(above)) is not None:
                files.append((above, file))
            if not any(above.startswith(_with_separator(top)) for top in (self._root, *self._named)):
                break
            above = os.path.dirname(above)  # noqa: PTH120
        return files, CaptionNames(self._names_in(folder))

    def _names_in(self, folder: str) -> list[str]:
        try:
            names = os.listdir(folder)  # noqa: PTH208
        except OSError:  # an archive, for one
            return []
        tops = (top for top in self._named if folder == top or folder.startswith(_with_separator(top)))
        top = max(tops, key=len, default=folder)
        rules, path = Exclusion(top, self._exclude).within(top), top
        for part in Path(folder).relative_to(top).parts:
            path = os.path.join(path, part)  # noqa: PTH118
            rules = rules.within(path)
        return [name for name in names if not rules.excludes(f"{folder}/{name}")] if rules else names

    def _file_in(self, folder: str) -> _TagsFile | None:
        with self._lock:
            if folder not in self._files:
                self._files[folder] = _TagsFile.read(Path(folder, FILE_NAME))
            return self._files[folder]

    def _read(self, caption: Path) -> tuple[Tag, ...]:
        try:
            tags = read_caption(caption)
        except TagError:
            self._tally.add("captions", help="not UTF-8 text, or too long for a caption")
            return ()
        if not tags and caption.stat().st_size:
            self._tally.add("captions", help="sentences, not tags")
        return tags


@dataclass
class _TagsFile:
    """Content of a ``tags.jsonl``, by path as written there.

    Attributes:
        tags: of every path.
        forms: paths by `_plain`, where that differs or another spelling is possible.
        unmet: paths that no image was called so far.
    """

    tags: dict[str, tuple[Tag, ...]]
    forms: dict[str, str]
    unmet: set[str]

    @classmethod
    def read(cls, file: Path) -> _TagsFile | None:
        """Read a file, None if there is none."""
        if not file.is_file():
            return None
        tags: dict[str, tuple[Tag, ...]] = {}
        try:
            with open_regular(file) as opened:
                for line, place in _lines(opened, str(file)):
                    path, given = _parse(_load(line, place), place)
                    tags[path] = given
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror})") from error
        forms = {_plain(path): path for path in tags if not path.isascii() or _plain(path) != path}
        return cls(tags, forms, set(tags))

    def find(self, path: str) -> tuple[Tag, ...] | None:
        """The tags of an image by its path below the file's folder; None if no line is about it."""
        written = path if path in self.tags else self.forms.get(_plain(path)) if self.forms else None
        if written is None:
            return None
        self.unmet.discard(written)
        return self.tags[written]


def _plain(path: str) -> str:
    r"""One spelling of a path: ``/`` between its parts, no ``./``, letters composed as Unicode's NFC does.

    >>> _plain(".\\sub\\a.png"), len(_plain("e\u0301.png"))
    ('sub/a.png', 5)
    """
    parts = path.replace("\\", "/").split("/")
    return unicodedata.normalize("NFC", "/".join(part for part in parts if part not in {"", "."}))


def _stored(folder: str, path: str, root: str) -> str:
    return f"{folder}/{path}".removeprefix(_with_separator(root))


def _exists(folder: str, path: str, names_of: Callable[[str], Mapping[str, str]]) -> bool:
    """Whether a line is about a file that is there, if not read; of a member, about its archive.

    Args:
        folder: folder of the tags file.
        path: as the line spells it.
        names_of: the names in a folder by their composed spelling.
    """
    with suppress(ValueError, OSError):
        if os.path.lexists(os.path.join(folder, path.partition("!/")[0])):  # noqa: PTH118
            return True
        for part in _plain(path).partition("!/")[0].split("/"):
            name = part if part == ".." else names_of(folder).get(part)
            if name is None:
                return False
            folder = os.path.join(folder, name)  # noqa: PTH118
        return True
    return False


def _composed_names(folder: str) -> Mapping[str, str]:
    return {unicodedata.normalize("NFC", name): name for name in os.listdir(folder)}  # noqa: PTH208


def _with_separator(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[bytes, str]]:
    """Lines that are not empty, each with what errors call it."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if line.strip():
            yield line, f"{name}, line {number}"


def _load(line: bytes, place: str) -> dict[str, Any]:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f'{place}: expected a JSON object with "path" and "tags" ({error!r})') from error
    if not isinstance(document, dict) or "path" not in document:
        raise SourceError(f'{place}: expected a JSON object with "path" and "tags"')
    return document


def _tag_names(names: Any, place: str) -> frozenset[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_unicode(name) for name in names):
        raise SourceError(f'{place}: "unknown" must be a list of tags')
    if len(names) > MAX_TAGS:
        raise SourceError(f"{place}: {len(names)} unknown tags for one image, the limit is {MAX_TAGS}")
    return frozenset(map(normalise_tag, names)) - {""}


def _parse(document: Mapping[str, Any], place: str) -> tuple[str, tuple[Tag, ...]]:
    path, names, categories = document["path"], document.get("tags", []), document.get("categories", {})
    if not isinstance(path, str) or not isinstance(names, list) or not isinstance(categories, dict):
        raise SourceError(f'{place}: "path" must be a string, "tags" a list, "categories" an object')
    if len(names) > MAX_TAGS:
        raise SourceError(f"{place}: {len(names)} tags for one image, the limit is {MAX_TAGS}")
    tags: dict[str, Tag] = {}
    for name in names:
        category = categories.get(name, "general") if isinstance(name, str) else None
        if isinstance(name, str) and not _is_unicode(name):
            raise SourceError(f"{place}: tag {name!r} is not valid Unicode")
        if category not in CATEGORIES:
            raise SourceError(
                f"{place}: tag {name!r} has category {category!r}; one of {', '.join(CATEGORIES)}"
            )
        spelled = normalise_tag(name)
        if spelled:
            tags[spelled] = Tag(spelled, 1.0, category)
    return path, tuple(tags.values())


def _is_unicode(name: str) -> bool:
    """JSON can spell half a surrogate pair, which no text holds."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)
