"""Tags: what an image shows, in words, each with a probability and a category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Category: TypeAlias = Literal["general", "character", "copyright", "rating"]

CATEGORIES: tuple[Category, ...] = get_args(Category)

#: An image has a tag, for filters, from this probability on: the default threshold of the original library.
TAG_THRESHOLD = 0.25
#: Tags below this probability are not kept in a collection.
TAG_FLOOR = 0.1


@dataclass(frozen=True)
class Tag:
    """A tag of one image.

    Attributes:
        name: lower case, words separated by spaces.
        probability: in [0, 1]; 1 where a person gave the tag.
        category: one of `CATEGORIES`.
    """

    name: str
    probability: float = 1.0
    category: Category = "general"


@dataclass(frozen=True)
class Vocabulary:
    """The tags a head can give, in the order of its outputs."""

    names: tuple[str, ...]
    categories: tuple[Category, ...]


def normalise_tag(name: str) -> str:
    """One spelling for a tag: lower case, spaces for underscores, single spaces.

    >>> normalise_tag(" Long_Hair ")
    'long hair'
    """
    return " ".join(name.replace("_", " ").lower().split())
