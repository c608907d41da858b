"""Text as a query, and what of a collection's names and tags says the same words.

A phrase is searched for by its meaning, where the encoder knows words. Words that stand in names of files and
folders, or in tags, say more than any model: a row's *word score* is made of the share of them that it has.

====================  ====================================================================================
a word is found in    if
====================  ====================================================================================
a stored path         it stands alone there: between letters of other kinds, as in ``red-dragon2.png``, or
                      ``RedDragon.png``; also in the plural with ``s``
a tag                 all words of the tag are in the text; it counts `TAG_SHARE` of the tag's probability
====================  ====================================================================================

Words that no name and no tag has, and a few frequent ones (`STOP_WORDS`), do not count; of the others the
score is the third power of the share found: "red" alone says little of a red dragon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2v_search.arguments import shown
from i2v_search.errors import QueryError
from i2v_search.search.tag_table import TagTable
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.path_patterns import name_blocks
from i2v_search.tags.vocabulary import TAG_THRESHOLD
from i2v_search.tags.words import is_unspaced, split_words

#: Characters of a text.
MAX_TEXT = 500
#: What the tag of a model says beside a name that a person wrote.
TAG_SHARE = 0.6
#: Words whose rows are remembered: for the next page.
_RECENT_WORDS = 32
#: Letters of words that are left as they are.
_SHORT = 3
#: Words of a text that are looked for in names and tags.
_MAX_WORDS = 16
#: Frequent words of some languages, which say nothing in a name.
STOP_WORDS = frozenset(
    """
    a an the of in on at to by for and or with without from as is it its this that
    der die das den dem des ein eine einen einem einer und oder mit ohne von im am zu auf
    le la les l un une du d et ou avec sans en au aux dans sur
    el los las una unos unas y o con sin del al por para
    il lo gli i uno e di da nel nella su
    """.split()  # noqa: SIM905 - a list of words is read more easily so
)
#: Ends each path where many are read as one string: no name has it.
_END = "\0"


@dataclass(frozen=True)
class Text:
    """Words as a query, in place of an image.

    Attributes:
        text: at most 500 characters, in any language that the encoder knows.

    Raises:
        QueryError: it is empty, too long, or not a text.

    Example:
        >>> from i2v_search import Collection, Example
        >>> art = Collection.open("index/art")
        >>> art.search(Text("yellow fruit"), top=1).hits[0].path[:6]
        'fruit/'
        >>> art.search(["fruit/lemon.webp", Example(Text("night"), -0.5)], top=1).query
        'fruit/lemon.webp, not "night"'
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise QueryError(f"a text must be a string, not {shown(self.text)}")
        text = " ".join(self.text.split())
        if not text:
            raise QueryError("the text of a query is empty")
        if len(text) > MAX_TEXT:
            raise QueryError(f"a text of {len(text)} characters; at most {MAX_TEXT} are searched for")
        object.__setattr__(self, "text", text)

    def __str__(self) -> str:
        """The text in quotation marks."""
        return f'"{self.text}"'


def looks_like_path(text: str) -> bool:
    """Whether somebody who wrote it meant a file: a separator, a home folder, a glob, or an extension.

    Example:
        >>> [looks_like_path(text) for text in ("birds/owl", "owl.png", "~", "C:\\\\art", "an owl. At night")]
        [True, True, True, True, False]
    """
    return (
        not text.strip()
        or any(sign in text for sign in "/\\*\0")
        or text.startswith(("~", "."))
        or re.search(r"\.[0-9A-Za-z]{1,5}$", text) is not None
    )


def singular(word: str) -> str:
    """A word without a plural ``s``: only a way to find both forms with either.

    Example:
        >>> singular("dragons"), singular("glass"), singular("gas"), singular("glasses")
        ('dragon', 'glass', 'gas', 'glasse')
    """
    return word[:-1] if len(word) > _SHORT and word[-1] == "s" and word[-2] not in "su" else word


class WordMatches(NamedTuple):
    """What names and tags say of a text.

    Attributes:
        scores: (rows,) float32 in [0, 1].
        named: (rows,) bool, a word is in the path.
        tagged: (rows,) bool, a word is in a tag.
    """

    scores: NDArray[np.float32]
    named: NDArray[np.bool_]
    tagged: NDArray[np.bool_]


class WordSearch:
    """Finds words of texts in the paths and tags of a feature store.

    All paths are read for new words, a block at a time: half a second for a million. Beside a block of paths,
    memory is 10 bytes for each row.

    Args:
        store: the feature store.
        table: its tags.
    """

    def __init__(self, store: FeatureStore, table: TagTable) -> None:
        self._store, self._table = store, table
        self._recent: dict[str, NDArray[np.int64]] = {}

    def matches(self, text: Text) -> WordMatches | None:
        """The rows that have words of a text in their path or tags; None if no row has."""
        words = list(dict.fromkeys(_telling(text.text)))[:_MAX_WORDS]
        tags, names = self._tags_of(words), self.rows_named(words)
        rows, live = self._store.rows, self._store.live
        found = WordMatches(np.zeros(rows, np.float32), np.zeros(rows, bool), np.zeros(rows, bool))
        total = 0
        for word in words:
            values = np.zeros(rows, np.float32)
            for name in tags.get(word, ()):
                probabilities = self._table.probabilities(name)
                values = np.maximum(values, np.where(probabilities >= TAG_THRESHOLD, probabilities, 0))
            found.tagged[values > 0] = True
            values *= np.float32(TAG_SHARE)
            values[names[word]] = 1
            found.named[names[word]] = True
            if values[live].any():
                found.scores[:] += values
                total += 1
        if not total:
            return None
        np.power(found.scores / np.float32(total), 3, out=found.scores)
        return found

    def rows_named(self, words: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """For each word of `split_words` the rows, dead ones included, in whose path it stands alone."""
        missing = [word for word in words if word not in self._recent]
        found: dict[str, list[NDArray[np.int64]]] = {word: [] for word in missing}
        for first, heap, starts, ends in name_blocks(self._store) if missing else ():
            content = heap.tobytes()
            bounds = zip(starts.tolist(), ends.tolist(), strict=True)
            paths = [os.fsdecode(content[start:end]) for start, end in bounds]
            for word in missing:
                found[word].append(first + _places_of(word, paths))
        self._recent |= {word: np.concatenate(parts) for word, parts in found.items() if parts}
        rows = {word: self._recent.get(word, np.empty(0, np.int64)) for word in words}
        while len(self._recent) > _RECENT_WORDS:
            del self._recent[next(iter(self._recent))]
        return rows

    def _tags_of(self, words: list[str]) -> dict[str, list[str]]:
        """For each word the names of the tags that it belongs to, and all of whose words are given."""
        found: dict[str, list[str]] = {}
        own = _by_first_word(self._table.own.tags)
        for first in words:
            for parts, name in (*self._tag_words.get(first, ()), *own.get(first, ())):
                if set(words).issuperset(parts):
                    for word in parts:
                        found.setdefault(word, []).append(name)
        return found

    @cached_property
    def _tag_words(self) -> dict[str, list[tuple[list[str], str]]]:
        return _by_first_word(self._table.names)


def _by_first_word(names: Iterable[str]) -> dict[str, list[tuple[list[str], str]]]:
    """Tags by their first word, each with all of them."""
    found: dict[str, list[tuple[list[str], str]]] = {}
    for name in names:
        if words := _telling(name):
            found.setdefault(words[0], []).append((words, name))
    return found


def _telling(text: str) -> list[str]:
    """Words of a text but the frequent ones, in the singular."""
    return [singular(word) for word in split_words(text) if word not in STOP_WORDS]


def _places_of(word: str, paths: Sequence[str]) -> NDArray[np.int64]:
    """Numbers of the paths in which a word stands alone, ascending."""
    text = _END.join([*paths, ""])
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter that becomes two
        lowered = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)
    alone, found = _standing_alone(word), []
    place = lowered.find(word)
    while place >= 0:
        if alone.match(text, place):
            found.append(place)
            place = text.index(_END, place)
        place = lowered.find(word, place + 1)
    ends = np.cumsum([len(path) + 1 for path in paths])
    return np.searchsorted(ends, np.array(found, np.int64), "right")


def _standing_alone(word: str) -> re.Pattern[str]:
    """A word, or its plural, between other kinds of characters, or where capitals begin another word."""
    plain = re.escape(word)
    if is_unspaced(word[0]):
        return re.compile(plain, re.IGNORECASE)
    kind = r"\d" if word.isdigit() else r"[^\W\d_]"
    capital = "(?<=[a-z])(?=[A-Z])"
    plural = "s?" if word[-1].isalpha() else ""
    return re.compile(f"(?:(?<!{kind})|{capital})(?i:{plain}{plural})(?:(?!{kind})|{capital})")
