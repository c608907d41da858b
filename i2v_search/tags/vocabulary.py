"""Tags: what an image shows, in words, each with a probability and a category.

A `Vocabulary` names the outputs of a tag head (`i2v_search.tags.lists` reads one from a file).
`plausible_tags`, `top_tags` and `specific_tags` choose among the probabilities of one image, with the meaning
they had in the Illustration2Vec library (Saito & Matsui, SIGGRAPH Asia 2015 Technical Briefs): a tag is
plausible *above* its threshold, never at it, and an image always has all of its ratings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from i2v_search.choices import Rule
from i2v_search.errors import TagError, TagRuleError, UnknownTagError

# Stores on disk hold a category as its place here: append, never reorder.
Category: TypeAlias = Literal["general", "character", "copyright", "rating", "artist", "meta"]

CATEGORIES: tuple[Category, ...] = get_args(Category)
RULES: tuple[Rule, ...] = get_args(Rule)

#: An image has a tag, for filters, from this probability on: the default threshold of the original library.
TAG_THRESHOLD = 0.25
#: Tags below this probability are not kept in a collection.
TAG_FLOOR = 0.1
#: Faces with letters or digits in them, and those that begin with ``-``. Their underscores are part of them.
FACES = frozenset(
    (
        *("-_-", "-_o", "-o-", "-3-", "-w-", "-0-", "0_0", "0_o", "o_0", "o_o", "3_3", "6_9", "^_o", ">_o"),
        *(
            "@_o",
            "u_o",
            "o_@",
            "u_u",
            "x_x",
            "t_t",
            "n_n",
            "v_v",
            "d_d",
            "q_q",
            "y_y",
            "<o>_<o>",
            "(o)_(o)",
            "(x)_(x)",
        ),
    )
)
_FACE = re.compile(r"[^\w\s]+(?: [^\w\s]+)+")  # nothing but signs: ^_^ >_< |_| ._. ;_;
#: A sign on one side at least, or the same on both: =_o w_w 9_9
_EYES = re.compile(r"[^\w\s]_[^\s_]|[^\s_]_[^\w\s]|([^\s_])_\1")
#: Tags that people gave one image; a file that has more for one is no list of tags.
MAX_TAGS = 4096


@dataclass(frozen=True)
class Tag:
    """A tag of one image.

    Attributes:
        name: name in lower case, words separated by spaces.
        probability: probability in [0, 1]; 1 for a tag given by a person.
        category: one of `CATEGORIES`.

    Example:
        >>> Tag("smile", 0.9)
        Tag(name='smile', probability=0.9, category='general')
    """

    name: str
    probability: float = 1.0
    category: Category = "general"


@dataclass(frozen=True)
class Vocabulary:
    """The tags a head can give, in the order of its outputs.

    Attributes:
        names: as `normalise_tag` spells them.
        categories: one for each name.
        thresholds: (len(names), 3) float32, each tag's thresholds for the best F0.5, F1 and F2, or None.
        least: (len(names),) float32, probability from which each tag is shown and stored where no threshold
            is named, or None: `TAG_THRESHOLD` and `TAG_FLOOR` then.

    Raises:
        TagError: the lengths differ, a category is unknown, or a category names a tag twice.

    Example:
        >>> vocabulary = Vocabulary(("1girl", "miku", "safe"), ("general", "character", "rating"))
        >>> vocabulary.positions("character").tolist()
        [1]
    """

    names: tuple[str, ...]
    categories: tuple[Category, ...]
    thresholds: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    least: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.categories):
            raise TagError(f"{len(self.names)} tag names, but {len(self.categories)} categories")
        for category in self.categories:
            if category not in CATEGORIES:
                raise TagError(f"category {category!r} is unknown; available: {', '.join(CATEGORIES)}")
        twice = [tag for tag, n in Counter(zip(self.categories, self.names, strict=True)).items() if n > 1]
        if twice:
            category, name = twice[0]
            raise TagError(f"tag {name!r} occurs more than once in category {category}; each must be unique")
        if self.thresholds is not None and self.thresholds.shape != (len(self.names), 3):
            raise TagError(
                f"the thresholds have shape {self.thresholds.shape}; {len(self.names)} tags need "
                f"({len(self.names)}, 3)"
            )
        if self.least is not None and self.least.shape != (len(self.names),):
            raise TagError(f"{len(self.least)} least probabilities, but {len(self.names)} tags")

    def __len__(self) -> int:
        """The number of tags."""
        return len(self.names)

    def positions(self, category: Category) -> NDArray[np.intp]:
        """The outputs that belong to a category, ascending."""
        return self._positions[category]

    def with_thresholds(self, thresholds: NDArray[np.float32]) -> Vocabulary:
        """The same tags with thresholds: (len(names), 3) float32, or (len(names),) for all three rules.

        Raises:
            TagError: the shape does not fit.
        """
        if thresholds.ndim == 1:
            thresholds = np.repeat(thresholds[:, None], 3, axis=1)
        return replace(self, thresholds=thresholds)

    def with_least(self, least: NDArray[np.float32]) -> Vocabulary:
        """The same tags, each shown from a probability of its own on: (len(names),) float32.

        Raises:
            TagError: the length does not fit.
        """
        return replace(self, least=least)

    def to_list(self) -> list[dict[str, str]]:
        """JSON-ready: one object a tag, in order; `i2v_search.tags.lists` reads a file of it."""
        return [
            {"name": name, "category": category}
            for name, category in zip(self.names, self.categories, strict=True)
        ]

    @cached_property
    def _positions(self) -> dict[Category, NDArray[np.intp]]:
        categories = np.array(self.categories, dtype=object)
        return {category: np.flatnonzero(categories == category) for category in CATEGORIES}

    @cached_property
    def _places(self) -> dict[str, int]:
        """Position by name; a name that two categories share means the later one, as in the original."""
        return {name: place for place, name in enumerate(self.names)}


@dataclass(frozen=True)
class ImageTags:
    """Tags of one image by category, each by descending probability.

    Example:
        >>> tags = ImageTags(general=(Tag("smile", 0.9), Tag("hat", 0.4)))
        >>> tags.to_dict()["general"]
        [('smile', 0.9), ('hat', 0.4)]
    """

    general: tuple[Tag, ...] = ()
    character: tuple[Tag, ...] = ()
    copyright: tuple[Tag, ...] = ()
    rating: tuple[Tag, ...] = ()
    artist: tuple[Tag, ...] = ()
    meta: tuple[Tag, ...] = ()

    def to_dict(self) -> dict[str, list[tuple[str, float]]]:
        """The original library's shape: ``{"general": [("1girl", 0.98), ...], "character": ...}``.

        Its four categories are always present; artist and meta only if they have tags.
        """
        named = {category.name: getattr(self, category.name) for category in fields(self)}
        return {
            category: [(tag.name, tag.probability) for tag in tags]
            for category, tags in named.items()
            if tags or category not in {"artist", "meta"}
        }


def normalise_tag(name: str) -> str:
    """One spelling for a tag: lower case, spaces for underscores, single spaces; faces keep ``_``.

    >>> normalise_tag(" Long_Hair "), normalise_tag("^_^"), normalise_tag("O_o")
    ('long hair', '^_^', 'o_o')
    """
    spaced = " ".join(name.replace("_", " ").lower().split())
    joined = spaced.replace(" ", "_")
    is_face = joined in FACES or _FACE.fullmatch(spaced) or _EYES.fullmatch(name.strip())
    return joined if is_face else spaced


def tag_spellings(name: str) -> frozenset[str]:
    """Possible stored spellings of a tag: earlier versions put spaces into faces.

    >>> sorted(tag_spellings("^_^")), sorted(tag_spellings("smile"))
    (['^ ^', '^_^'], ['smile'])
    """
    return frozenset((name, name.replace("_", " ")))


def plausible_tags(
    probabilities: ArrayLike,
    vocabulary: Vocabulary,
    *,
    threshold: float | None = None,
    rule: Rule = "constant",
) -> ImageTags:
    """The tags of one image whose probability is above a threshold, and all its ratings.

    Args:
        probabilities: (len(vocabulary),) in [0, 1]; axes of length 1 behind it are ignored.
        vocabulary: what they are probabilities of.
        threshold: for rule ``"constant"``; the other rules ignore it. None takes `Vocabulary.least`, or
            `TAG_THRESHOLD` where there is none.
        rule: ``"constant"``, or ``"f0.5"``, ``"f1"``, ``"f2"`` for each tag's own threshold.

    Raises:
        TagError: another number of probabilities.
        TagRuleError: an unknown rule, or no thresholds for it.

    Example:
        >>> vocabulary = Vocabulary(("hat", "smile", "safe"), ("general", "general", "rating"))
        >>> plausible_tags([0.25, 0.5, 0.1], vocabulary).to_dict()["general"]
        [('smile', 0.5)]
    """
    values = _one_image(probabilities, vocabulary)
    plausible = values > _thresholds(vocabulary, threshold, rule)
    chosen = {}
    for category in CATEGORIES:
        places = vocabulary.positions(category)
        chosen[category] = places if category == "rating" else places[plausible[places]]
    return ImageTags(**{c: _ranked(values, vocabulary, places) for c, places in chosen.items()})


def top_tags(probabilities: ArrayLike, vocabulary: Vocabulary, *, count: int = 10) -> ImageTags:
    """The most probable tags of one image: at most `count` of each category, and all its ratings.

    Args:
        probabilities: as for `plausible_tags`.
        vocabulary: what they are probabilities of.
        count: tags of one category, at least 0.

    Raises:
        TagError: another number of probabilities, or a negative count.

    Example:
        >>> vocabulary = Vocabulary(("hat", "smile", "safe"), ("general", "general", "rating"))
        >>> top_tags([0.2, 0.1, 0.9], vocabulary, count=1).to_dict()["general"]
        [('hat', 0.2)]
    """
    if count < 0:
        raise TagError(f"cannot list {count} tags of each category; the count must be at least 0")
    values = _one_image(probabilities, vocabulary)
    ranked = {}
    for category in CATEGORIES:
        limit = None if category == "rating" else count
        ranked[category] = _ranked(values, vocabulary, vocabulary.positions(category), limit)
    return ImageTags(**ranked)


def specific_tags(probabilities: ArrayLike, vocabulary: Vocabulary, names: Iterable[str]) -> tuple[Tag, ...]:
    """The named tags of one image, in the order requested, however improbable.

    Args:
        probabilities: as for `plausible_tags`.
        vocabulary: what they are probabilities of.
        names: in any spelling that `normalise_tag` brings to the vocabulary's.

    Raises:
        TagError: another number of probabilities.
        UnknownTagError: the vocabulary lacks a name.

    Example:
        >>> vocabulary = Vocabulary(("blue eyes", "safe"), ("general", "rating"))
        >>> specific_tags([0.5, 0.75], vocabulary, ["safe", "Blue_Eyes"])[1].probability
        0.5
    """
    values = _one_image(probabilities, vocabulary)
    return tuple(_tag(values, vocabulary, _place(vocabulary, name)) for name in names)


def caption(tags: ImageTags) -> str:
    """The text of a sidecar .txt as trainers of image models read it: tags separated by commas.

    General, character and copyright tags in this order, each in descending probability.

    Example:
        >>> caption(ImageTags(general=(Tag("1girl"), Tag("smile")), copyright=(Tag("vocaloid"),)))
        '1girl, smile, vocaloid'
    """
    return ", ".join(caption_names(tags))


def caption_names(tags: ImageTags) -> list[str]:
    """The names that `caption` writes."""
    return [tag.name for tag in (*tags.general, *tags.character, *tags.copyright)]


def _one_image(probabilities: ArrayLike, vocabulary: Vocabulary) -> NDArray[np.float64]:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.size != len(vocabulary) or values.shape[:1] != (len(vocabulary),):
        raise TagError(
            f"{len(vocabulary)} tags need probabilities of shape ({len(vocabulary)},) for one image, not "
            f"{values.shape}"
        )
    return values.reshape(-1)


def _thresholds(vocabulary: Vocabulary, threshold: float | None, rule: str) -> NDArray[np.float64]:
    """Thresholds of the probabilities, one for all tags or one each."""
    if rule not in RULES:
        raise TagRuleError(f"rule {rule!r} is unknown; available: {', '.join(RULES)}")
    if rule == "constant" and threshold is None and vocabulary.least is not None:
        # A tag is plausible above its threshold, and shown from its least probability on.
        return np.nextafter(vocabulary.least, np.float32(0)).astype(np.float64)
    if rule == "constant":
        return np.full(len(vocabulary), TAG_THRESHOLD if threshold is None else threshold, np.float64)
    if vocabulary.thresholds is None:
        raise TagRuleError(f"rule {rule!r} needs a threshold for each tag; give the .npz file of thresholds")
    return vocabulary.thresholds[:, RULES.index(cast(Rule, rule)) - 1].astype(np.float64)


def _ranked(
    values: NDArray[np.float64], vocabulary: Vocabulary, places: NDArray[np.intp], limit: int | None = None
) -> tuple[Tag, ...]:
    """The best of the tags at `places` in descending probability, equal ones in the order of the
    vocabulary."""
    order = np.argsort(-values[places], kind="stable")[:limit]
    return tuple(_tag(values, vocabulary, place) for place in places[order].tolist())


def _tag(values: NDArray[np.float64], vocabulary: Vocabulary, place: int) -> Tag:
    return Tag(vocabulary.names[place], float(values[place]), vocabulary.categories[place])


def _place(vocabulary: Vocabulary, name: str) -> int:
    spelled = normalise_tag(name)
    if spelled not in vocabulary._places:
        near = get_close_matches(spelled, vocabulary.names, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise UnknownTagError(f"none of the {len(vocabulary)} tags is {name!r}{hint}")
    return vocabulary._places[spelled]
