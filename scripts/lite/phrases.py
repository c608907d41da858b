"""What people call pictures: names of emoji in some 28 languages, titles and tags of drawings."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from i2v_search.errors import RecipeError
from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.tags.words import split_words
from scripts.lite.recipes.emoji import plain_code

ENGLISH = "en"


@dataclass(frozen=True)
class Names:
    """What a picture is called in one language.

    Attributes:
        title: its name; "" if it has none.
        tags: keywords.
    """

    title: str
    tags: tuple[str, ...]


#: By language.
Spoken: TypeAlias = Mapping[str, Names]


@dataclass(frozen=True)
class Titled:
    """A picture of a data set with its names.

    Attributes:
        path: in the data set.
        concept: equal for all drawings of the same thing.
        names: in each language.
    """

    path: str
    concept: str
    names: Spoken


def read_emoji_names(package: Path) -> dict[str, dict[str, Names]]:
    """Names of every emoji by its code, and by language, from the ``.tgz`` of emojibase-data.

    Raises:
        RecipeError: it is damaged, or another package.
    """
    found: dict[str, dict[str, Names]] = {}
    try:
        with tarfile.open(package) as archive:
            for member in archive:
                _, _, place = member.name.partition("package/")
                language, _, file = place.partition("/")
                content = archive.extractfile(member) if file == "data.json" else None
                for emoji in json.load(content) if content else ():
                    names = Names(emoji["label"], tuple(emoji.get("tags", ())))
                    found.setdefault(plain_code(emoji["hexcode"]), {})[language] = names
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        raise RecipeError(f"{package} is not emojibase-data as it was ({error!r})") from error
    return found


def read_titled(folder: Path, emoji: Mapping[str, Spoken]) -> list[Titled]:
    """The pictures of a data set, in the order of its annotations.

    An emoji, and a drawing whose title is the English name of one, has the names of all languages.

    Args:
        folder: of the set.
        emoji: names by code.
    """
    codes = {
        _same(names[ENGLISH].title): code for code, names in reversed(list(emoji.items())) if ENGLISH in names
    }
    titled = []
    for line in (folder / FILE_NAME).read_text("utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        path, title = entry["path"], entry.get("title") or ""
        code = plain_code(Path(path).stem)
        code = code if code in emoji else codes.get(_same(title), "")
        known = emoji.get(code, {})
        tags = (*known[ENGLISH].tags, *entry["tags"]) if ENGLISH in known else tuple(entry["tags"])
        label = entry["label"] if code or tags else ""
        english = Names(title, tuple(dict.fromkeys((*tags, label) if label else tags)))
        concept = code or f"{folder.name}/{path}"
        titled.append(Titled(path, concept, {**known, ENGLISH: english}))
    return titled


def _same(title: str) -> frozenset[str]:
    return frozenset(split_words(title))
