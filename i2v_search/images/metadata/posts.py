"""Posts of booru sites, as their APIs, dumps and downloaders write them.

Tags are read in the forms of Danbooru (``tag_string_general``, ``tag_string_character`` and so on, or
``tag_string`` alone; names separated by spaces), its older dumps (``tags: [{"name": "1girl", "category":
"0"}]``), e621 (``tags: {"general": ["1girl"]}``), Gelbooru and Moebooru (``tags: "1girl solo"``) and
gallery-dl (``tags_general``, ``tags_artist``: lists, or names separated by spaces). A post's picture is found
by the last part of ``file_name``, ``file_url`` or ``image``, or as MD5 or id with any image's ending,
anywhere in the folder.

Ratings stay as they are (`i2v_search.images.metadata.ratings`).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from i2v_search.errors import SourceError, TagError
from i2v_search.images.metadata.annotations import given_tag
from i2v_search.images.metadata.documents import Unreadable, iter_documents
from i2v_search.images.metadata.facts import Fact, facts_of
from i2v_search.images.metadata.ratings import NEW_RATINGS, RATINGS, UNDECIDED, read_rating, settled
from i2v_search.tags.lists import BOORU_CATEGORIES, OTHER_CATEGORIES
from i2v_search.tags.vocabulary import CATEGORIES, MAX_TAGS, Category, Tag, normalise_tag

ENDINGS: Final = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".parquet")
_CATEGORIES: Final[dict[str, Category]] = {
    **BOORU_CATEGORIES,
    **OTHER_CATEGORIES,
    "metadata": "meta",
    **{category: category for category in CATEGORIES},
}
_TAG_STRINGS: Final[dict[str, Category]] = {
    f"tag_string_{category}": category for category in CATEGORIES if category != "rating"
}
_LISTS: Final[dict[str, Category]] = {
    f"tags_{name}": category
    for name, category in _CATEGORIES.items()
    if not name.isdigit() and category != "rating"
}
#: Keys that tell a post from any other object; one of them names its picture.
_FILE_KEYS: Final = ("md5", "hash", "file_url", "image", "file", "file_ext", "filename")


@dataclass(frozen=True)
class Post:
    """A post of a booru site.

    Attributes:
        name: what messages call it.
        files: names its picture may have, lower case, the likeliest first; some without an extension.
        tags: in every category, the rating last.
        label: its first character, else its first copyright, else "".
        group: the post it is a variant of, or itself.
        source: as given, or "".
        rating: as given, or "": ``"s"`` may be *safe* or *sensitive*, and is *safe* among `tags` so far.
        facts: its columns without the rating.
    """

    name: str
    files: tuple[str, ...]
    tags: tuple[Tag, ...]
    label: str
    group: str
    source: str
    rating: str
    facts: Mapping[str, Fact]

    def settled(self, *, is_new: bool) -> Post:
        """The same where it is known whether its file has the ratings of 2022."""
        if self.rating != UNDECIDED:
            return self
        rating = settled(self.rating, is_new=is_new)
        tags = tuple(given_tag(rating, "rating") if tag.category == "rating" else tag for tag in self.tags)
        return replace(self, rating=rating, tags=tags)

    @property
    def is_new(self) -> bool:
        """Whether its rating is one of 2022."""
        return self.rating in NEW_RATINGS


def may_hold_posts(name: str) -> bool:
    """Whether a file may be metadata, by its name: not our own ``tags.jsonl`` and ``dataset.json``.

    >>> may_hold_posts("posts.jsonl.gz"), may_hold_posts("tags.jsonl")
    (True, False)
    """
    lower = name.lower()
    return (
        lower.endswith(ENDINGS) and not lower.startswith(".") and lower not in {"tags.jsonl", "dataset.json"}
    )


def read_posts(file: BinaryIO, name: str) -> Iterator[Post]:
    """Read posts in order and in bounded memory (`i2v_search.images.metadata.documents`).

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
        (['1girl', 'long hair', 'general'], ('7',))
    """
    for document, place in iter_documents(file, name):
        yield post_of(document, place)


def post_of(document: Any, place: str) -> Post:
    """Read one post.

    Args:
        document: as `iter_documents` gives it.
        place: what errors call it.

    Raises:
        SourceError: it is no object, or its picture has no name.
        TagError: tags, categories or a rating of another form.
    """
    if isinstance(document, Unreadable):
        raise SourceError(f"{place}: expected JSON posts, one per line, or one array ({document.reason})")
    if not isinstance(document, dict):
        raise SourceError(f"{place}: expected a post, a JSON object, not {str(document)[:40]!r}")
    tags = posted_tags(document, place)
    files = picture_files(document)
    if not files:
        raise SourceError(
            f'{place}: its picture has no name: none of "file_name", "file_url", "md5" and "id"'
        )
    named = [tag.name for category in ("character", "copyright") for tag in tags if tag.category == category]
    facts = facts_of(document)
    parent = facts.get("parent_id") or facts.get("post_id")
    return Post(
        name=place,
        files=files,
        tags=tags,
        label=named[0] if named else "",
        group=f"post {parent}" if parent else files[0],
        source=str(facts.get("source", "")),
        rating=read_rating(document) or "",
        facts=facts,
    )


def is_post(document: Any) -> bool:
    """Whether a JSON document is a post: it has tags of one, and what tells which picture it is of.

    >>> is_post({"id": 1, "tag_string": "1girl"}), is_post({"id": 1, "name": "a workflow"})
    (True, False)
    """
    if not isinstance(document, dict):
        return False
    named = {"id", "file_name", *_FILE_KEYS} & document.keys()
    return bool(named) and has_posted_tags(document)


def holds_posts(document: Any) -> bool:
    """Whether a JSON document is an object that holds an array of posts, as Gelbooru and e621 answer."""
    return isinstance(document, dict) and any(
        isinstance(document.get(key), list) for key in ("post", "posts")
    )


def has_posted_tags(document: Mapping[str, Any]) -> bool:
    """Whether an object has tags in a form of `read_posts`."""
    tags = document.get("tags")
    if isinstance(tags, list) and any(isinstance(tag, dict) for tag in tags):
        return True
    known = document.keys()
    return (
        isinstance(tags, dict)
        or not _TAG_STRINGS.keys().isdisjoint(known)
        or "tag_string" in known
        or not _LISTS.keys().isdisjoint(known)
        or (isinstance(tags, str | list) and _is_of_site(document))
    )


def posted_tags(document: Mapping[str, Any], place: str) -> tuple[Tag, ...]:
    """The tags of a post, in every category, the rating last: *safe* where it may be *sensitive* too.

    Raises:
        TagError: it has none in a form that is known; `place` is what the message calls it.
    """
    pairs = _pairs(document, place)
    if len(pairs) > MAX_TAGS:
        raise TagError(f"{place}: {len(pairs)} tags for one picture, the limit is {MAX_TAGS}")
    rating = read_rating(document)
    if rating is not None:
        pairs.append((settled(rating, is_new=False), "rating"))
    elif document.get("rating") and "category" not in document:  # gallery-dl has sites of all kinds
        known = ", ".join((*(rating[0] for rating in RATINGS[:4]), *RATINGS))
        raise TagError(f"{place}: rating {str(document['rating'])[:20]!r} is unknown; available: {known}")
    tags = (_tag_of(name, category) for name, category in pairs)
    return tuple({(tag.name, tag.category): tag for tag in tags if tag.name}.values())


@lru_cache(maxsize=2**17)
def _tag_of(name: str, category: Category) -> Tag:
    """The tag of a name as a site spells it; a set has thirty a post, and few that are new."""
    return given_tag(normalise_tag(name), category)


def _pairs(document: Mapping[str, Any], place: str) -> list[tuple[str, Category]]:
    """Names and categories of the tags, in the first form that the post has."""
    tags = document.get("tags")
    for keys in (_TAG_STRINGS, _LISTS):
        if found := [key for key in keys if key in document]:
            return [(name, keys[key]) for key in found for name in _names(document[key], key, place)]
    if isinstance(tags, list) and _is_of_site(document) and all(isinstance(name, str) for name in tags):
        return [(_unicode(name, place), "general") for name in tags]
    if isinstance(tags, list):
        return [_pair(entry, place) for entry in tags]
    if isinstance(tags, dict):
        entries = [(name, key) for key, of in tags.items() for name in (of if isinstance(of, list) else [of])]
        return [_pair({"name": name, "category": key}, place) for name, key in entries]
    if "tag_string" in document:
        return [(name, "general") for name in _names(document["tag_string"], "tag_string", place)]
    if isinstance(tags, str) and _is_of_site(document):
        return [(name, "general") for name in _names(html.unescape(tags), "tags", place)]
    raise TagError(
        f'{place}: no tags: expected "tag_string_general", "tags": [{{"name": ..., "category": ...}}] or '
        f'"tags": {{"general": [...], ...}}, found '
        f" {', '.join(list(document)[:8])}"
    )


def _is_of_site(document: Mapping[str, Any]) -> bool:
    """Whether ``tags`` without categories are those of a site: names separated by spaces, or a list."""
    return "id" in document and not document.keys().isdisjoint(_FILE_KEYS)


def picture_files(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that the picture of a post may have, lower case, the likeliest first."""
    files = []
    for key in ("file_name", "file_url", "image", "filename"):
        text = _text(document, key)
        if text and (name := PurePosixPath(text.replace("\\", "/").partition("?")[0]).name):
            files += [name, PurePosixPath(name).stem]
    extension = _text(document, "file_ext").lstrip(".")
    if isinstance(stored := document.get("file"), dict):  # as e621 nests it
        document = {**document, "md5": stored.get("md5"), "file_ext": stored.get("ext")}
        extension = _text(document, "file_ext").lstrip(".")
    for key in ("md5", "hash", "id"):
        if stem := str(document.get(key) or ""):
            files += [f"{stem}.{extension}", stem] if extension else [stem]
    return tuple(dict.fromkeys(file.lower() for file in files))


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _names(value: Any, key: str, place: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return [_unicode(name, place) for name in value]
    if not isinstance(value, str):
        raise TagError(f'{place}: "{key}" must be a string, not {str(value)[:40]!r}')
    return _unicode(value, place).split()


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
    try:
        name.encode()
    except UnicodeEncodeError:
        raise TagError(f"{place}: tag {name[:40]!r} is not valid Unicode") from None
    return name
