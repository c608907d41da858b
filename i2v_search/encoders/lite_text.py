"""Text for `lite`: words and their parts are summed, and a small network turns the sum into its vector space.

A text is cut into words, each word into what the table knows: itself, or the longest parts of it, as in
Chinese, Japanese and Thai, where nothing separates words. Each entry is a vector that stands for its meaning
in about 28 languages; a frequent word weighs little. The network was learned from titles and tags of
drawings. Nothing but NumPy runs: `scripts.lite.text` makes the table and the network, and docs/model-card.md
says from what, and how good they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_arrays import require_shapes, take_arrays
from i2v_search.encoders.lite_head import DIMENSION, model_folder, unit_rows
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, WeightsError
from i2v_search.tags.words import is_unspaced, split_words

TEXT = "text.safetensors"
#: Characters of a text that are read.
LONGEST_TEXT = 2000
#: Letters of a whole word that may be a part of a longer one: `dragon` of `dragonfruit`.
SMALLEST_PART = 4
#: Marks an entry that only stands inside words.
INNER = "\x02"


@dataclass(frozen=True)
class LiteTextWeights:
    """The table of words and the network behind it; k is the size of an entry, h of the hidden layer, r of
    the output before it is written in the 4,096 units.

    Attributes:
        strings: (b,) uint8, the entries in UTF-8 with a line feed after each; `INNER` marks parts of words.
        rows: (n, k) int8, the entries.
        scales: (n,) float16, what a row is multiplied by; the weight of the word is in it.
        linear: (r, k) float16, and `bias` (r,) float16.
        hidden: (h, k) float16, and `hidden_bias` (h,) float16.
        output: (r, h) float16.
        basis: (r, 4096) int8, orthogonal directions of the vector space, and `basis_scales` (r,) float16.
        encoder: (32,) uint8, SHA-256 of the weights of the image encoder that the network was learned for.
    """

    strings: NDArray[np.uint8]
    rows: NDArray[np.int8]
    scales: NDArray[np.float16]
    linear: NDArray[np.float16]
    bias: NDArray[np.float16]
    hidden: NDArray[np.float16]
    hidden_bias: NDArray[np.float16]
    output: NDArray[np.float16]
    basis: NDArray[np.int8]
    basis_scales: NDArray[np.float16]
    encoder: NDArray[np.uint8]

    @classmethod
    def from_weights(cls, weights: Mapping[str, NDArray[Any]]) -> LiteTextWeights:
        """Take the arrays, ``text.NAME``, from a file of weights.

        Raises:
            WeightsError: one is missing, or they do not belong together.
        """
        found = take_arrays(cls, "text", weights, "texts")
        (n, k), (r, h) = found.rows.shape, found.output.shape
        shapes = {
            "scales": (n,), "linear": (r, k), "bias": (r,), "hidden": (h, k), "hidden_bias": (h,),
            "basis": (r, DIMENSION), "basis_scales": (r,), "encoder": (32,),
        }  # fmt: skip
        require_shapes(found, "text", shapes)
        return found

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """The arrays as `from_weights` takes them."""
        return {f"text.{entry.name}": getattr(self, entry.name) for entry in fields(self)}


class LiteText:
    """Encodes texts for `lite`; satisfies `i2v_search.encoders.base.TextEncoder`.

    Args:
        weights: from `load`.

    Attributes:
        text_mean: (4096,) zeros: a vector says in which direction from the mean of a collection its images
            lie.
        encoder_sha256: SHA-256 of the weights of the image encoder, lower-case hex.

    Example:
        >>> text = LiteText.load()
        >>> dog, puppy, chair = text.meanings(["dog", "puppy", "chair"])
        >>> bool(dog @ puppy > dog @ chair), text.encode_text(["a red dragon"]).shape
        (True, (1, 4096))
    """

    def __init__(self, weights: LiteTextWeights) -> None:
        self._weights = weights
        self.text_mean = np.zeros(DIMENSION, np.float32)
        self.encoder_sha256 = bytes(weights.encoder).hex()

    @classmethod
    @cache
    def load(cls, folder: Path | None = None) -> LiteText:
        """Load what `scripts.lite.text` wrote into a folder; None takes the one in the package.

        Loaded once in a process: searches, tag suggestions and all collections share it.

        Raises:
            EncoderError: the file is missing or damaged.
        """
        try:
            return cls(LiteTextWeights.from_weights(map_tensors((folder or model_folder()) / TEXT)))
        except (OSError, WeightsError) as error:
            raise EncoderError(f"texts of 'lite' cannot be loaded: {error}; reinstall i2v-search") from error

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 4096) float32 unit rows, directions from the mean; a text without a known word is all zeros."""
        meanings, network = self.meanings(texts), self._network
        scaled = meanings * np.sqrt(np.float32(meanings.shape[1]))
        hidden = _gelu(scaled @ network["hidden"].T + network["hidden_bias"])
        output = scaled @ network["linear"].T + network["bias"] + hidden @ network["output"].T
        vectors = (output * network["basis_scales"]) @ network["basis"]
        return unit_rows(vectors * meanings.any(axis=1, keepdims=True))

    def meanings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, k) float32 unit rows, alike where texts mean the same; zeros without a known word or part."""
        sums = np.zeros((len(texts), self._weights.rows.shape[1]), np.float32)
        for place, text in enumerate(texts):
            entries = list(self._entries.of(text))
            if not self._entries.tell(entries):
                continue
            scales = _floats(self._weights.scales[entries])
            sums[place] = scales @ _floats(self._weights.rows[entries])
        return unit_rows(sums)

    @property
    def basis(self) -> NDArray[np.int8]:
        """(r, 4096): the directions that texts are written in, orthogonal up to rounding."""
        return self._weights.basis

    @cached_property
    def _network(self) -> dict[str, NDArray[np.float32]]:
        """The small arrays in float32, about 12 MB."""
        names = ("linear", "bias", "hidden", "hidden_bias", "output", "basis", "basis_scales")
        return {name: _floats(getattr(self._weights, name)) for name in names}

    @cached_property
    def _entries(self) -> TextEntries:
        return TextEntries(bytes(self._weights.strings).decode().split("\n")[: len(self._weights.rows)])


class TextEntries:
    """Cuts texts into the entries of a table.

    Args:
        entries: each once; those that begin with `INNER` stand only within words.

    Example:
        >>> table = TextEntries(["dragon", "fruit", INNER + "s", "i"])
        >>> list(table.of("Dragonfruits I like"))
        [0, 1, 2, 3]
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._numbers = {entry: number for number, entry in enumerate(entries)}
        self._longest = max(map(len, self._numbers), default=0)
        self._telling = {
            number for number, entry in enumerate(entries) if entry[:1] != INNER or len(entry) > SMALLEST_PART
        }

    def of(self, text: str) -> Iterator[int]:
        """Numbers of the entries that a text is the sum of, in order."""
        for word in split_words(text[:LONGEST_TEXT]):
            number = self._numbers.get(word)
            if number is None:
                yield from self.parts_of(word)
            else:
                yield number

    def tell(self, numbers: Iterable[int]) -> bool:
        """Whether entries mean anything: short parts alone are no more than letters."""
        return any(number in self._telling for number in numbers)

    def parts_of(self, word: str) -> Iterator[int]:
        """Numbers of the longest entries one after the other; a letter that begins none is passed over."""
        place = 0
        while place < len(word):
            for end in range(min(len(word), place + self._longest), place, -1):
                number = self._part(word[place:end], whole=place == 0 and end == len(word))
                if number is not None:
                    yield number
                    place = end
                    break
            else:
                place += 1

    def _part(self, part: str, *, whole: bool) -> int | None:
        number = self._numbers.get(INNER + part)
        if number is None and not whole and (len(part) >= SMALLEST_PART or is_unspaced(part[0])):
            number = self._numbers.get(part)
        return number


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _gelu(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tanh form of Hendrycks and Gimpel (2016)."""
    inner = np.float32(0.7978845608) * (values + np.float32(0.044715) * values**3)
    return np.asarray(np.float32(0.5) * values * (1 + np.tanh(inner)), np.float32)
