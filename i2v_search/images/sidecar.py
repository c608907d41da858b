"""What people and programs wrote of images, beside them: tags, and facts such as score, rating and date.

==========================  ==========================================================================
``tags.jsonl``              a line an image (`i2v_search.images.metadata.annotations`)
``metadata.jsonl|csv``      the table of an image folder, as Hugging Face's (`...metadata.beside`)
``pic.json``                of one image, as gallery-dl and WebDataset have it (`...metadata.beside`)
``metadata.json``           of the picture of an item of Eagle (`...metadata.eagle`)
``*.json|jsonl|parquet``    posts of a booru site, also ``.gz`` (`...metadata.posts`); in the folder of the
                            images, one above it, or a folder ``metadata`` beside them
``pic.txt``                 captions (`i2v_search.images.captions`)
==========================  ==========================================================================

Members of an archive have theirs beside them in the archive.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from i2v_search.errors import SourceError, TagError
from i2v_search.files import open_regular
from i2v_search.images.archives import ARCHIVE_SEPARATOR, archive_extension, has_image_name
from i2v_search.images.captions import CaptionNames, read_caption
from i2v_search.images.exclusion import Exclusion
from i2v_search.images.metadata.annotations import (
    FILE_NAME,
    annotation_lines,
    line_facts,
    parse_annotation,
    path_and_tags,
    plain_path,
)
from i2v_search.images.metadata.beside import MAX_BYTES, TABLES, annotate, parse_json
from i2v_search.images.metadata.eagle import FILE_NAME as ITEM_FILE
from i2v_search.images.metadata.eagle import annotate_item, is_item_folder
from i2v_search.images.metadata.packed import index_archive, known_member
from i2v_search.images.metadata.post_index import Known, PostIndex, picture_names
from i2v_search.images.metadata.posts import may_hold_posts
from i2v_search.images.remote import is_url
from i2v_search.images.unread import Tally
from i2v_search.progress import Progress, Report, silent
from i2v_search.tags.vocabulary import Tag

#: Folders beside or among images whose files are about those images.
_METADATA_FOLDERS = frozenset(("metadata", "meta", "json", "posts"))


class Sidecars:
    """What people and programs wrote beside images, looked up image by image, from any thread.

    Of every ``tags.jsonl`` in an image's folder and those above it, up to the folder that was named, the
    nearest that has a line about the image counts; so does the nearest table, and the nearest folder with a
    post of it. What is nearer to the image comes on top: a post or a table, a JSON file of its own, its
    captions. Lines of ``tags.jsonl`` are held in memory, posts and tables on disk
    (`i2v_search.images.metadata.post_index`).

    Args:
        root: image root that stored paths are relative to.
        folders: absolute paths of the folders that were named.
        exclude: patterns of files that are left out (`i2v_search.images.exclusion`), captions too.
        tally: told of lines and captions that cannot be used.
        strict: raise at a line that cannot be used instead of counting it.
        report: told how many posts were read.

    Attributes:
        tally: as given.

    Raises:
        SourceError: with `strict`, a line of a file in `root` or `folders` is not valid; the message names
            both.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "tags.jsonl").write_text('{"path": "a.png", "tags": ["hat"], "score": 7}')
        >>> _ = (folder / "a.txt").write_text("smile, hat")
        >>> known = Sidecars(folder, [folder]).known("a.png")
        >>> [tag.name for tag in known.tags], known.facts
        (['hat', 'smile'], {'score': 7})
    """

    def __init__(
        self,
        root: Path,
        folders: Iterable[Path],
        exclude: Sequence[str] = (),
        tally: Tally | None = None,
        *,
        strict: bool = False,
        report: Report = silent,
    ) -> None:
        self._root, self._named = str(root), tuple(map(str, folders))
        self._exclude, self.tally, self._strict = tuple(exclude), tally or Tally(), strict
        self._files: dict[str, _TagsFile | None] = {}
        self._says: dict[str, bool] = {}
        self._bad: Counter[str] = Counter()
        self._first_bad: dict[str, str] = {}
        self._lock = threading.RLock()
        self._posts = PostIndex(self._on_bad, lambda done: report(Progress("reading metadata", done, None)))
        self._around = lru_cache(maxsize=64)(self._look_around)
        for folder in (self._root, *self._named):
            self._file_in(folder)
        for folder in self._named:
            self._has_posts(folder)

    def of(self, path: str) -> tuple[Tag, ...]:
        """The tags of an image, by its stored path; errors of `known`."""
        return self.known(path).tags

    def known(self, path: str) -> Known:
        """What is said of an image, by its stored path.

        Raises:
            SourceError: with `strict`, a line of a file is not valid.
        """
        if is_url(path):
            return Known()
        archive, packed, member = path.partition(ARCHIVE_SEPARATOR)
        folder, name = self._split(path)
        around = self._around(self._split(archive)[0] if packed else folder)
        known = Known()
        for above, file in around.files:
            inner = f"{folder}/{name}".removeprefix(above).lstrip("/")
            if (found := file.find(inner)) is not None:
                known = found
                break
        if packed:
            known = known.with_more(self._member(os.path.join(self._root, archive), member))  # noqa: PTH118
        for above in around.scopes:
            inner = f"{folder}/{name}".removeprefix(above).lstrip("/")
            found = self._posts.by_path(above, inner) or self._posts.by_name(above, name)
            if found is not None:
                known = known.with_more(found)
                break
        if packed:
            return known
        for document in around.documents_of(name):
            known = known.with_more(self._document(Path(folder, document)))
        for caption in around.captions.of(name) if around.captions else ():
            known = known.with_more(Known(self._read(Path(folder, caption))))
        return known

    def may_have(self, path: str) -> bool:
        """Whether something stands beside an image that `of` would read."""
        if is_url(path):
            return False
        archive, packed, _ = path.partition(ARCHIVE_SEPARATOR)
        folder, name = self._split(archive if packed else path)
        around = self._around(folder)
        if around.files or around.scopes:
            return True
        if packed:
            return self._archive_says(os.path.join(self._root, archive))  # noqa: PTH118
        return bool((around.captions and around.captions.of(name)) or around.documents_of(name))

    def close(self) -> None:
        """Give back the space of posts."""
        self._posts.close()

    def _split(self, path: str) -> tuple[str, str]:
        return os.path.split(os.path.join(self._root, path))  # noqa: PTH118 - as it is, unresolved

    def _on_bad(self, file: str, message: str) -> None:
        """Count a line that cannot be used, or refuse it."""
        if self._strict:
            raise SourceError(message)
        with self._lock:
            self._bad[file] += 1
            self._first_bad.setdefault(file, message)

    def count_unmatched(self, wanted: Callable[[str], bool]) -> None:
        """Count the lines that cannot be used, and those of tags files that are about no file: of the wanted
        ones, once all were met."""
        for path, count in self._bad.items():
            reason = self._first_bad[path].removeprefix(path).lstrip(",: ")
            self.tally.add(f"lines of {_below(path, self._root)}", count, f"not valid: {reason[:120]}")
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
                self.tally.add(f"lines of {place}", len(missing), f"file {missing[0]!r} does not exist")

    def _look_around(self, folder: str) -> _Around:
        """What may be about the images of a folder, the nearest first."""
        files, scopes, above = [], [], folder
        while True:
            if (file := self._file_in(above)) is not None:
                files.append((above, file))
            if self._has_posts(above):
                scopes.append(above)
            if not any(above.startswith(_with_separator(top)) for top in (self._root, *self._named)):
                break
            above = os.path.dirname(above)  # noqa: PTH120
        names = self._names_in(folder)
        documents = frozenset(name for name in names if name.lower().endswith(".json"))
        return _Around(files, scopes, CaptionNames(names), documents, is_item_folder(folder))

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
                self._files[folder] = _TagsFile.read(Path(folder, FILE_NAME), self._on_bad)
            return self._files[folder]

    def _has_posts(self, folder: str) -> bool:
        """Whether metadata files of a folder say something of the images in it; they are read once."""
        with self._lock:
            if folder not in self._says:
                self._says[folder] = False
                names = _metadata_in(folder, self._names_in(folder))
                for below in sorted(_METADATA_FOLDERS & {name.lower() for name in names.folders}):
                    inner = next(name for name in names.folders if name.lower() == below)
                    held = _metadata_in(f"{folder}/{inner}", self._names_in(f"{folder}/{inner}"))
                    names.files.extend(f"{inner}/{name}" for name in held.files if not held.has_images)
                if names.files:
                    wanted = _names_below(folder)
                    said = [self._add_file(folder, name, wanted) for name in names.files]
                    self._says[folder] = any(said)
            return self._says[folder]

    def _add_file(self, folder: str, name: str, wanted: frozenset[str] | None) -> bool:
        path = f"{folder}/{name}"
        try:
            with open_regular(path) as file:
                if name in TABLES and self._posts.add_table(folder, "", file, path):
                    return True
                file.seek(0)
                return not name.lower().endswith(".csv") and self._posts.add_posts(folder, file, path, wanted)
        except (OSError, ValueError):  # a pipe, or gone
            return False
        except SourceError as error:
            self._on_bad(path, str(error))
            return False

    def _archive_says(self, archive: str) -> bool:
        with self._lock:
            if archive not in self._says:
                self._says[archive] = archive_extension(archive) is not None and index_archive(
                    self._posts, archive, self._on_bad
                )
            return self._says[archive]

    def _member(self, archive: str, member: str) -> Known:
        return known_member(self._posts, archive, member) if self._archive_says(archive) else Known()

    def _document(self, file: Path) -> Known:
        """What a JSON file of one image says."""
        try:
            with open_regular(file) as opened:
                document = parse_json(opened.read(MAX_BYTES), str(file))
            if not isinstance(document, dict):
                return Known()
            of_eagle = file.name == ITEM_FILE and is_item_folder(str(file.parent))
            read = (annotate_item if of_eagle else annotate)(file.name, document, str(file))
        except OSError:
            return Known()
        except (SourceError, TagError) as error:
            self._on_bad(str(file.with_name("*.json")), str(error))
            return Known()
        return Known(read.tags, read.facts)

    def _read(self, caption: Path) -> tuple[Tag, ...]:
        try:
            tags = read_caption(caption)
        except TagError:
            self.tally.add("captions", help="not UTF-8 text, or too long for a caption")
            return ()
        if not tags and caption.stat().st_size:
            self.tally.add("captions", help="sentences, not tags")
        return tags


@dataclass(frozen=True)
class _Around:
    """What may be about the images of a folder.

    Attributes:
        files: tags files and their folders.
        scopes: folders with posts or a table.
        captions: of the images.
        documents: names of JSON files.
        is_item: whether the folder is that of an item of Eagle.
    """

    files: list[tuple[str, _TagsFile]]
    scopes: list[str]
    captions: CaptionNames
    documents: frozenset[str]
    is_item: bool

    def documents_of(self, name: str) -> list[str]:
        """The JSON files of one image: ``pic.json``, ``pic.png.json``; of an item of Eagle, its own."""
        if not self.documents:
            return []
        stem = os.path.splitext(name)[0]  # noqa: PTH122 - a name
        named = [f"{name}.json", f"{stem}.json", *([ITEM_FILE] if self.is_item else [])]
        return [one for one in named if one in self.documents]


@dataclass
class _TagsFile:
    """Content of a ``tags.jsonl``, by path as written there.

    Attributes:
        known: of every path.
        forms: paths by `plain_path`, where that differs or another spelling is possible.
        unmet: paths that no image was called so far.
    """

    known: dict[str, Known]
    forms: dict[str, str]
    unmet: set[str]

    @classmethod
    def read(cls, file: Path, on_bad: Callable[[str, str], None]) -> _TagsFile | None:
        """Read a file, None if there is none."""
        if not file.is_file():
            return None
        known: dict[str, Known] = {}
        try:
            with open_regular(file) as opened:
                for line, place in annotation_lines(opened, str(file)):
                    try:
                        document = parse_annotation(line, place)
                        path, given = path_and_tags(document, place)
                    except SourceError as error:
                        on_bad(str(file), str(error))
                        continue
                    known[path] = Known(given, line_facts(document, given))
        except OSError as error:
            raise SourceError(f"{file} cannot be read ({error.strerror})") from error
        forms = {plain_path(path): path for path in known if not path.isascii() or plain_path(path) != path}
        return cls(known, forms, set(known))

    def find(self, path: str) -> Known | None:
        """What is said of an image by its path below the file's folder; None if no line is about it."""
        written = path if path in self.known else self.forms.get(plain_path(path)) if self.forms else None
        if written is None:
            return None
        self.unmet.discard(written)
        return self.known[written]


@dataclass(frozen=True)
class _MetadataNames:
    """Files of a folder that may be metadata, and its folders whose files may be."""

    files: list[str]
    folders: list[str]
    has_images: bool


def _metadata_in(folder: str, names: Sequence[str]) -> _MetadataNames:
    images = {name for name in names if has_image_name(name)}
    taken = {os.path.splitext(name)[0] for name in images} | images  # noqa: PTH122 - names
    files = [
        name
        for name in sorted(names)
        if (may_hold_posts(name) or name in TABLES) and os.path.splitext(name)[0] not in taken  # noqa: PTH122
    ]
    folders = [name for name in names if name.lower() in _METADATA_FOLDERS]
    return _MetadataNames(files, folders, bool(images))


def _names_below(folder: str) -> frozenset[str] | None:
    """What posts may call the images below a folder; None where some are in archives, or there are links."""
    found: set[str] = set()
    for place, folders, names in os.walk(folder):
        if any(os.path.islink(f"{place}/{name}") for name in folders):  # noqa: PTH114
            return None
        for name in names:
            if archive_extension(name) is not None:
                return None
            if has_image_name(name):
                found.update(picture_names(name))
    return frozenset(found)


def _below(path: str, root: str) -> str:
    return path.removeprefix(_with_separator(root))


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
        for part in plain_path(path).partition("!/")[0].split("/"):
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
