"""What the tags of `lite` are learned from: who is in a picture, which tags are attributes of somebody, and
what pictures without tags still say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i2v_search.images.metadata.annotations import FILE_NAME
from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.tags.words import split_words
from i2v_search.training.datasets.dataset import Dataset, Picture, targets
from scripts.lite.recipes.characters import read_rules
from scripts.lite.recipes.scenes import TAG as NO_HUMANS
from scripts.lite.tags import TagMaterial

#: The set of which every picture is of somebody.
CHARACTERS = "characters"
#: Tags, and words of titles, that say of a picture that somebody is in it, or a face.
PERSONS = frozenset(
    {"person", "people", "man", "men", "woman", "women", "girl", "boy", "baby", "child", "face"}
)
#: Words of a label under which such a tag may be of clothes or a hand alone.
ALONE = frozenset({"clothing", "bodypart", "body"})
#: Of the pictures that have a tag, the share with somebody from which on it is an attribute: of one that is
#: drawn of characters, and of any other.
DRAWN_SHARE, OTHER_SHARE = 0.7, 0.85
#: Pictures with a tag that must be there before its share says something.
ENOUGH = 10
#: A word stands for persons where so many of the pictures with it show somebody.
WORD_SHARE = 0.6


def tag_material(
    datasets: Sequence[Dataset],
    extra: Sequence[Dataset],
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    unused: float,
) -> TagMaterial:
    """Put together what is known of all pictures.

    Args:
        datasets: with tags.
        extra: without tags of things: named icons, of which a word of a title is a tag, and scenes without
            anybody.
        vectors: (n, 4096) float32 unit rows, of all pictures in order.
        vocabulary: the tags.
        unused: weight of the absence of a tag that a set never uses.
    """
    both = (*datasets, *extra)
    titles = {dataset.name: read_titles(dataset) for dataset in both}
    found = targets(both, vocabulary)
    weights = found.known.astype(np.float32)
    persons = np.zeros((len(vectors), 2), bool)  # is there somebody, and is it known
    start = 0
    for dataset in datasets:
        rows = slice(start, start + len(dataset))
        weights[rows, ~found.positive[rows].any(axis=0)] = unused
        persons[rows] = [somebody(dataset, picture) for picture in dataset.pictures]
        start += len(dataset)
    words = words_of_persons(datasets, titles, persons)
    places = {name: place for place, name in enumerate(vocabulary.names)}
    for dataset in extra:
        for row, (picture, title) in enumerate(
            zip(dataset.pictures, titles[dataset.name], strict=True), start
        ):
            said = set(split_words(title))
            empty = any(tag.name == NO_HUMANS for tag in picture.tags)
            named = not empty and bool(said & PERSONS)
            persons[row] = named, empty or named or not said & words
            if not empty:
                found.positive[row, [places[name] for name in {*said, title} if name in places]] = True
        rows = slice(start, start + len(dataset))
        weights[rows] = np.where(found.positive[rows], 1, unused)
        start += len(dataset)
    elsewhere = np.array([dataset.name != CHARACTERS for dataset in datasets for _ in dataset.pictures])
    others = np.flatnonzero(elsewhere)
    attributes = attributes_of(vocabulary, found.positive[others], persons[others])
    sources = [
        f"{dataset.name}/{picture.path.partition('/')[0] if dataset.name != 'openclipart' else ''}"
        for dataset in both
        for picture in dataset.pictures
    ]
    return TagMaterial(
        vectors=vectors,
        positive=np.hstack([found.positive, persons[:, :1]]),
        weights=np.hstack([weights, persons[:, 1:].astype(np.float32)]),
        attributes=attributes,
        sources=np.array(sources),
    )


def read_titles(dataset: Dataset) -> list[str]:
    """The title of each picture, "" where it has none."""
    file = dataset.root / FILE_NAME
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    named = {entry["path"]: entry.get("title") or "" for entry in map(json.loads, lines)}
    return [named.get(picture.path, "") for picture in dataset.pictures]


def somebody(dataset: Dataset, picture: Picture) -> tuple[bool, bool]:
    """Whether a person or a face is in a picture with tags, and whether that is known."""
    if dataset.name == CHARACTERS:
        return True, True
    named = any(tag.name in PERSONS for tag in picture.tags)
    return named, not (named and ALONE & set(picture.label.replace("/", " ").split()))


def words_of_persons(
    datasets: Sequence[Dataset], titles: dict[str, list[str]], persons: NDArray[np.bool_]
) -> frozenset[str]:
    """Words of titles and tags that are mostly of pictures with somebody: officer, yoga, grinning."""
    all_of, with_somebody = Counter[str](), Counter[str]()
    row = 0
    for dataset in datasets:
        for picture, title in zip(dataset.pictures, titles[dataset.name], strict=True):
            there, known = persons[row]
            row += 1
            if known and dataset.name != CHARACTERS:
                texts = (title, *(tag.name for tag in picture.tags))
                said = {word for text in texts for word in split_words(text)}
                all_of.update(said)
                with_somebody.update(said if there else ())
    return PERSONS | {word for word, n in all_of.items() if n > 1 and with_somebody[word] >= WORD_SHARE * n}


def attributes_of(
    vocabulary: Vocabulary, positive: NDArray[np.bool_], persons: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(t,) the tags that need somebody: nearly all pictures with them show a person or a face, or characters
    alone have them.

    Args:
        vocabulary: the tags.
        positive: (n, t), pictures other than of characters.
        persons: (n, 2), whether somebody is there, and whether that is known.
    """
    rules = read_rules().values()
    always = {tag for one in rules for tag in one.always}
    drawn = {tag for one in rules if NO_HUMANS not in one.always for tag in one.expressed} - always
    there, known = persons.T
    found = []
    for name, has in zip(vocabulary.names, positive.T, strict=True):
        count = int((has & known).sum())
        share = (has & there & known).sum() / max(count, 1)
        if count < ENOUGH:
            found.append(name in drawn)
        else:
            least = DRAWN_SHARE if name in drawn else OTHER_SHARE
            found.append(name not in PERSONS | always and bool(share >= least))
    return np.array(found, bool)
