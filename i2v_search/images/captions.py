"""Captions: text files with tags beside images, as trainers of image models and Hydrus use them.

``pic.png`` has its caption in ``pic.txt`` or ``pic.caption`` (kohya's trainers), or in ``pic.png.txt``
(Hydrus, gallery-dl). The tags are separated by commas, or stand on one per line. ``creator:name`` says the
category, for the namespaces of Hydrus and of booru sites; any other namespace is part of the tag. Sentences
are no tags and are left out.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from i2v_search.choices import ExistingCaption
from i2v_search.errors import TagError
from i2v_search.files import open_regular, write_atomically
from i2v_search.images.archives import ARCHIVE_SEPARATOR, has_image_name
from i2v_search.images.remote import is_url
from i2v_search.images.sources import Skipped
from i2v_search.tags.lists import OTHER_CATEGORIES
from i2v_search.tags.vocabulary import (
    CATEGORIES,
    MAX_TAGS,
    Category,
    ImageTags,
    Tag,
    caption,
    caption_names,
    normalise_tag,
)

#: Endings of caption files; the first is the one that is written.
ENDINGS: Final = (".txt", ".caption")
#: A caption is shorter; a text file with more bytes is something else.
MAX_BYTES: Final = 2**16
#: A longer text between commas, or one of this many words that ends in a full stop, is a sentence.
_MOST_WORDS: Final = 10
_SENTENCE_WORDS: Final = 4
_NAMESPACES: Final[dict[str, Category]] = {**{name: name for name in CATEGORIES}, **OTHER_CATEGORIES}


class CaptionNames:
    """File names of the captions of the images in one folder.

    A caption is called after an image without its ending, unless another image has the same name but for the
    ending; then the ending is part of the caption's name, and of each of the images so.

    Args:
        names: names of everything in the folder.

    Example:
        >>> names = CaptionNames(["pic.png", "pic.jpg", "cat.png", "cat.txt", "pic.txt", "pic.jpg.txt"])
        >>> names.of("cat.png"), names.of("pic.jpg"), names.of("pic.png")
        (['cat.txt'], ['pic.txt', 'pic.jpg.txt'], ['pic.txt'])
        >>> names.own("cat.png"), names.own("pic.png")
        ('cat.txt', 'pic.png.txt')
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._texts: dict[str, list[str]] = {}
        images = []
        for name in names:
            stem, ending = os.path.splitext(name)  # noqa: PTH122 - names, not paths
            if ending.lower() in ENDINGS:
                self._texts.setdefault(stem, []).append(name)
            elif has_image_name(name):
                images.append(name.casefold())
        self._images = frozenset(images)
        self._stems = Counter(_stem(name) for name in images)

    def __bool__(self) -> bool:
        """Whether there is any caption."""
        return bool(self._texts)

    def of(self, image: str) -> list[str]:
        """The names of an image's captions."""
        stem = _stem(image)
        # `a.png.txt` is the caption of `a.png`, not of `a.png.jpg` beside it.
        shared = [] if stem.casefold() in self._images else self._texts.get(stem, [])
        return sorted({*shared, *self._texts.get(image, [])}, key=len)

    def shares(self, image: str) -> bool:
        """Whether another image has the same name but for its ending."""
        stem = _stem(image).casefold()
        others = self._stems[stem] - (image.casefold() in self._images)
        return others > 0 or stem in self._images - {image.casefold()}

    def own(self, image: str) -> str:
        """The name of the caption that belongs to this image and no other."""
        return (image if self.shares(image) else _stem(image)) + ENDINGS[0]


class CaptionWriter:
    """Writes captions beside images, and over nothing that is there unless it is told to.

    Args:
        root: that paths are relative to.
        existing: what to do where a caption is there: ``"keep"`` it, ``"append"`` the tags that it lacks, or
            ``"overwrite"`` it.

    Attributes:
        shared: stored paths of images whose captions bear the image's ending, since another image has the
            same name without it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "cat.txt").write_text("my cat")
        >>> tags = ImageTags(general=(Tag("cat"), Tag("my cat")))
        >>> CaptionWriter(folder).write("cat.png", tags).reason
        'cat.txt exists and is kept; use --append to add to it, --overwrite to replace it'
        >>> CaptionWriter(folder, "append").write("cat.png", tags)
        >>> (folder / "cat.txt").read_text()
        'my cat, cat\\n'
    """

    def __init__(self, root: Path, existing: ExistingCaption = "keep") -> None:
        self._root, self._existing = root, existing
        # Of a folder as it is before the first caption is written there.
        self._names_in = lru_cache(maxsize=64)(_names_in)
        self._written: set[Path] = set()
        self.shared: list[str] = []

    def write(self, path: str, tags: ImageTags) -> Skipped | None:
        """Write the caption of an image.

        Returns:
            Why it was not written, None if it was.

        Raises:
            OSError: the folder cannot be written to, or the disk is full.
        """
        if ARCHIVE_SEPARATOR in path or is_url(path):
            return Skipped(path, "cannot write a caption beside an image in an archive or at a URL")
        image = self._root / path
        names = self._names_in(image.parent)
        file = image.with_name(names.own(image.name))
        if file in self._written:
            file = image.with_name(image.name + ENDINGS[0])
        if file.name == image.name + ENDINGS[0]:
            self.shared.append(path)
        text = caption(tags)
        if os.path.lexists(file):
            if self._existing == "keep":
                return Skipped(
                    path,
                    f"{file.name} exists and is kept; use --append to add to it, --overwrite to replace it",
                )
            if self._existing == "append":
                try:
                    text = _appended(read_caption_text(file), tags)
                except TagError as error:
                    return Skipped(path, f"{file.name} is not changed: {error}")
        write_atomically(file, f"{text}\n".encode())
        self._written.add(file)
        return None


def read_caption(path: Path) -> tuple[Tag, ...]:
    """Read the tags of a caption file, probability 1; none where it holds no tags.

    Raises:
        TagError: it is not text, or too long for a caption.
    """
    return parse_caption(read_caption_text(path))


def parse_caption(text: str) -> tuple[Tag, ...]:
    r"""The tags of a caption.

    >>> [tag.name for tag in parse_caption("1girl, Long_Hair, saber \\(fate\\)")]
    ['1girl', 'long hair', 'saber (fate)']
    >>> [(tag.name, tag.category) for tag in parse_caption("smile\ncreator:some one\npage:3")]
    [('smile', 'general'), ('some one', 'artist'), ('page:3', 'general')]
    >>> parse_caption("A cat sleeps on the sofa.")
    ()
    """
    tags: dict[tuple[str, Category], Tag] = {}
    for name in _split(text)[:MAX_TAGS]:
        plain = re.sub(r"\\([()])", r"\1", name)
        namespace, colon, rest = plain.partition(":")
        category = _NAMESPACES.get(namespace.strip().lower()) if colon else None
        if category is None and _is_sentence(plain):
            continue
        spelled = normalise_tag(rest if category else plain)
        if spelled:
            tags[spelled, category or "general"] = Tag(spelled, 1.0, category or "general")
    return tuple(tags.values())


def read_caption_text(path: Path) -> str:
    """Read all that a caption file says.

    Raises:
        TagError: it is not text, or too long for a caption.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TagError(f"it cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise TagError(f"it has more than {MAX_BYTES} bytes, too large for a caption")
    try:
        return content.decode("utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TagError(f"it is not UTF-8 text ({error.reason} at byte {error.start})") from error


def _split(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    # A tag a line: a comma in one is part of it. A comma in most: each line is a list.
    a_tag_each = len(lines) > 1 and 2 * sum("," in line for line in lines) < len(lines)
    return lines if a_tag_each else re.split(r",|\|\|\||\n", text)


def _is_sentence(text: str) -> bool:
    words = len(text.split())
    return words > _MOST_WORDS or (words >= _SENTENCE_WORDS and text.rstrip().endswith((".", "!", "?")))


def _appended(text: str, tags: ImageTags) -> str:
    """The text of a caption, unchanged, with the missing tags in its own syntax."""
    known = {tag.name for tag in parse_caption(text)}
    lacking = [name for name in caption_names(tags) if name not in known]
    kept = text.rstrip()
    between = "\n" if "\n" in kept and "," not in kept else ", "
    return between.join([kept.removesuffix(",") if between == ", " else kept, *lacking] if kept else lacking)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 - a name, not a path


def _names_in(folder: Path) -> CaptionNames:
    return CaptionNames(os.listdir(folder))  # noqa: PTH208
