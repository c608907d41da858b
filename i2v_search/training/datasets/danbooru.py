"""Danbooru's metadata: JSON, or JSON lines, of posts as its API, its dumps and its downloaders write them.

Three forms are read: ``tag_string_general``, ``tag_string_character`` and so on (names separated by spaces),
the older ``tags: [{"name": "1girl", "category": "0"}]``, and e621's ``tags: {"general": ["1girl"]}``. A
post's picture is found by the last part of ``file_name`` or ``file_url``, or as MD5 or id with any image's
ending, anywhere in the folder.

Ratings become Illustration2Vec's three: ``g`` (general) and ``s`` are *safe*, ``q`` *questionable*, ``e``
*explicit*. Until 2022 ``s`` was called safe; then the most harmless part of it became ``g`` and the rest was
renamed sensitive, so both were safe in the three that Illustration2Vec learned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError, TagError
from i2v_search.tags.lists import BOORU_CATEGORIES, OTHER_CATEGORIES
from i2v_search.tags.vocabulary import CATEGORIES, MAX_TAGS, Category, Tag, normalise_tag

ENDINGS: Final = (".json", ".jsonl")
MAX_ARRAY_BYTES: Final = 512 * 2**20
MAX_LINE: Final = 2**20
_RATINGS: Final = {
    **dict.fromkeys(("g", "general", "s", "safe", "sensitive"), "safe"),
    **dict.fromkeys(("q", "questionable"), "questionable"),
    **dict.fromkeys(("e", "explicit"), "explicit"),
}
_CATEGORIES: Final[dict[str, Category]] = {
    **BOORU_CATEGORIES,
    **OTHER_CATEGORIES,
    **{category: category for category in CATEGORIES},
}
_TAG_STRINGS: Final[dict[str, Category]] = {
    f"tag_string_{category}": category for category in CATEGORIES if category != "rating"
}


@dataclass(frozen=True)
class Post:
    """A post of Danbooru's.

    Attributes:
        name: what messages call it.
        files: names its picture may have, lower case, the likeliest first; some without an extension.
        tags: in every category, the rating last.
        label: its first character, else its first copyright, else "".
        group: the post it is a variant of, or itself.
        source: as given, or "".
    """

    name: str
    files: tuple[str, ...]
    tags: tuple[Tag, ...]
    label: str
    group: str
    source: str


def may_hold_posts(name: str) -> bool:
    """Whether a file may be metadata, by its name: not our own ``tags.jsonl`` and ``dataset.json``."""
    lower = name.lower()
    return (
        lower.endswith(ENDINGS) and not lower.startswith(".") and lower not in {"tags.jsonl", "dataset.json"}
    )


def read_posts(file: BinaryIO, name: str) -> Iterator[Post]:
    """Read posts in order; JSON lines are streamed, a JSON array is held in memory.

    Args:
        file: opened for reading bytes.
        name: what errors call it.

    Raises:
        SourceError: not JSON, or a post without a file's name, MD5 or id; names file and line.
        TagError: tags, categories or a rating of another form; names file and line.

    Example:
        >>> import io
        >>> lines = io.BytesIO(b'{"id": 7, "tag_string_general": "1girl long_hair", "rating": "g"}')
        >>> post = next(read_posts(lines, "posts.json"))
        >>> [tag.name for tag in post.tags], post.files
        (['1girl', 'long hair', 'safe'], ('7',))
    """
    for document, place in _documents(file, name):
        if not isinstance(document, dict):
            raise SourceError(f"{place}: expected a post, a JSON object, not {str(document)[:40]!r}")
        yield _post(document, place)


def _documents(file: BinaryIO, name: str) -> Iterator[tuple[Any, str]]:
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if not line.strip():
            continue
        if line.lstrip().removeprefix(b"\xef\xbb\xbf").startswith(b"["):
            rest = file.read(MAX_ARRAY_BYTES)
            if file.read(1):
                raise SourceError(
                    f"{name} is an array of more than {MAX_ARRAY_BYTES} bytes; write one post per line"
                )
            posts = _json(line + rest, name)
            yield from ((post, f"{name}, post {count}") for count, post in enumerate(posts, 1))
            return
        place = f"{name}, line {number}"
        yield _json(line, place), place


def _json(text: bytes, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{place}: expected JSON posts, one per line, or one array ({error!r})") from error


def _post(document: Mapping[str, Any], place: str) -> Post:
    tags = posted_tags(document, place)
    files = _files(document)
    if not files:
        raise SourceError(
            f'{place}: its picture has no name: none of "file_name", "file_url", "md5" and "id"'
        )
    named = [tag.name for category in ("character", "copyright") for tag in tags if tag.category == category]
    parent = document.get("parent_id") or document.get("id")
    return Post(
        name=place,
        files=files,
        tags=tags,
        label=named[0] if named else "",
        group=f"post {parent}" if parent else files[0],
        source=_text(document, "source"),
    )


def _files(document: Mapping[str, Any]) -> tuple[str, ...]:
    files = []
    for key in ("file_name", "file_url"):
        if name := PurePosixPath(_text(document, key).replace("\\", "/").partition("?")[0]).name:
            files += [name, PurePosixPath(name).stem]
    extension = _text(document, "file_ext").lstrip(".")
    if isinstance(stored := document.get("file"), dict):  # as e621 nests it
        document = {**document, "md5": stored.get("md5"), "file_ext": stored.get("ext")}
        extension = _text(document, "file_ext").lstrip(".")
    for key in ("md5", "id"):
        if stem := str(document.get(key) or ""):
            files += [f"{stem}.{extension}", stem] if extension else [stem]
    return tuple(dict.fromkeys(file.lower() for file in files))


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def has_posted_tags(document: Mapping[str, Any]) -> bool:
    """Whether an object has tags in a form of `read_posts`."""
    tags = document.get("tags")
    listed = isinstance(tags, list) and any(isinstance(tag, dict) for tag in tags)
    return listed or isinstance(tags, dict) or not _TAG_STRINGS.keys().isdisjoint(document)


def posted_tags(document: Mapping[str, Any], place: str) -> tuple[Tag, ...]:
    """The tags of a post, in every category, the rating last.

    Raises:
        TagError: it has none in a form that is known; `place` is what the message calls it.
    """
    strings = [key for key in _TAG_STRINGS if key in document]
    if strings:
        pairs = [(name, _TAG_STRINGS[key]) for key in strings for name in _split(document[key], key, place)]
    elif isinstance(document.get("tags"), list):
        pairs = [_pair(entry, place) for entry in document["tags"]]
    elif isinstance(document.get("tags"), dict):
        lists = document["tags"].items()
        entries = [(name, key) for key, of in lists for name in (of if isinstance(of, list) else [of])]
        pairs = [_pair({"name": name, "category": key}, place) for name, key in entries]
    else:
        raise TagError(
            f'{place}: no tags: expected "tag_string_general", "tags": [{{"name": ..., "category": ...}}] or '
            f'"tags": {{"general": [...], ...}}, found '
            f" {', '.join(list(document)[:8])}"
        )
    if len(pairs) > MAX_TAGS:
        raise TagError(f"{place}: {len(pairs)} tags for one picture, the limit is {MAX_TAGS}")
    if (rating := document.get("rating")) is not None:
        if not isinstance(rating, str) or rating.lower() not in _RATINGS:
            raise TagError(
                f"{place}: rating {str(rating)[:20]!r} is unknown; available: {', '.join(_RATINGS)}"
            )
        pairs.append((_RATINGS[rating.lower()], "rating"))
    spelled = dict.fromkeys((normalise_tag(name), category) for name, category in pairs)
    return tuple(Tag(name, 1.0, category) for name, category in spelled if name)


def _split(value: Any, key: str, place: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, str):
        raise TagError(f'{place}: "{key}" must be a string, not {str(value)[:40]!r}')
    return [_unicode(name, place) for name in value.split()]


def _pair(entry: Any, place: str) -> tuple[str, Category]:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise TagError(f'{place}: a tag must be {{"name": ..., "category": ...}}, not {str(entry)[:60]!r}')
    given = str(entry.get("category", "0"))
    category = _CATEGORIES.get(given)
    if category is None:
        known = ", ".join((*BOORU_CATEGORIES, *CATEGORIES))
        raise TagError(f"{place}: tag {name[:40]!r} has category {given[:20]!r}; one of {known}")
    return _unicode(name, place), category


def _unicode(name: str, place: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise TagError(f"{place}: tag {name[:40]!r} is not valid Unicode")
    return name
