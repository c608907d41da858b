"""Which files beside an image say something of it: its captions, and the ``tags.jsonl`` above it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from i2v_search.errors import SourceError, TagError
from i2v_search.files import open_regular
from i2v_search.images.archives import ARCHIVE_SEPARATOR
from i2v_search.images.captions import CaptionNames, parse_caption, read_caption_text
from i2v_search.images.metadata.annotations import FILE_NAME, tags_of_one
from i2v_search.images.remote import is_url

#: Bytes of a tags file that are searched for the line of an image.
MOST_BYTES: Final = 64 * 2**20
#: Letters of a caption that are kept.
MOST_LETTERS: Final = 4000


@dataclass(frozen=True)
class TagSource:
    """A file that says something of an image.

    Attributes:
        name: path below the image root, with ``/``.
        tags: names of the tags that it gives now, which a collection built before may lack.
        text: of a caption, all that it says, at most `MOST_LETTERS`; else "".
    """

    name: str
    tags: tuple[str, ...]
    text: str = ""


def tag_sources(root: Path, path: str) -> tuple[TagSource, ...]:
    """The files that say something of an image, as they are now; what cannot be read is passed over.

    Links are not followed: a caption that leads elsewhere could show any file of the computer.

    Args:
        root: image root.
        path: stored path of the image.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "tags.jsonl").write_text('{"path": "a.png", "tags": ["hat"]}')
        >>> _ = (folder / "a.txt").write_text("smile, hat")
        >>> for source in tag_sources(folder, "a.png"):
        ...     print(source)
        TagSource(name='tags.jsonl', tags=('hat',), text='')
        TagSource(name='a.txt', tags=('smile', 'hat'), text='smile, hat')
    """
    if is_url(path) or ARCHIVE_SEPARATOR in path:
        return ()
    return tuple(source for source in (_tags_file(root, path), *_captions(root, path)) if source is not None)


def _tags_file(root: Path, path: str) -> TagSource | None:
    """The nearest ``tags.jsonl`` with a line about the image."""
    folder, inner = (root / path).parent, Path(path).name
    while True:
        file = folder / FILE_NAME
        if file.is_file() and not file.is_symlink():
            try:
                with open_regular(file) as opened:
                    found = tags_of_one(opened, inner, MOST_BYTES)
            except (OSError, SourceError):
                found = None
            if found is not None:
                return TagSource(_name(root, file), tuple(tag.name for tag in found))
        if folder == root or not folder.is_relative_to(root) or ".." in Path(path).parts:
            return None
        folder, inner = folder.parent, f"{folder.name}/{inner}"


def _captions(root: Path, path: str) -> Iterator[TagSource]:
    image = root / path
    try:
        names = CaptionNames(os.listdir(image.parent)).of(image.name)  # noqa: PTH208
    except OSError:
        return
    for name in names:
        file = image.with_name(name)
        if file.is_symlink():
            continue
        try:
            text = read_caption_text(file)
        except TagError:
            continue
        tags = tuple(tag.name for tag in parse_caption(text))
        yield TagSource(_name(root, file), tags, text.strip()[:MOST_LETTERS])


def _name(root: Path, file: Path) -> str:
    return os.path.relpath(file, root).replace(os.sep, "/")
