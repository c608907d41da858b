"""The tags of `lite`: a logistic regression on the vector that knows when to be silent.

- Attributes of persons, such as hair, eyes or an expression, need somebody who has them: their probability is
  that of a person or a face times that of the attribute if there is one.
- Far from all that was learned from, every tag is less probable.
- Each tag has a probability of its own from which on it is shown: `Vocabulary.least`.

The vector alone decides, whatever its length. Tags have files of their own, so that learning them again does
not change the vectors, nor the identity of the encoder. `scripts.lite.tags` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.lite_head import DIMENSION, model_folder, sigmoid, unit_rows
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import TagError, WeightsError
from i2v_search.files import write_atomically
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.vocabulary import Vocabulary

TAGS, TAG_WEIGHTS = "tags.json", "tags.safetensors"
#: What an attribute needs, in ``tags.json``.
PERSON = "person"


@dataclass(frozen=True)
class LiteTags:
    """Weights of t tags and of the person or face that attributes need, which is the last row.

    Attributes:
        weight, bias: (t + 1, 4096) and (t + 1,) float32, of unit vectors.
        centres: (k, 4096) float32, of what was learned from.
        near: (1,) float32, squared distance to the nearest centre up to which a vector is familiar.
        distrust: (1,) float32, what a unit of the distance beyond takes from every logit.
        attributes: (t,) bool, the tags that need a person or a face.
        least: (t,) float32, see `Vocabulary.least`.
        thresholds: (t, 3) float32, see `Vocabulary.thresholds`.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    centres: NDArray[np.float32]
    near: NDArray[np.float32]
    distrust: NDArray[np.float32]
    attributes: NDArray[np.bool_]
    least: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    @classmethod
    def read(cls, folder: Path) -> tuple[LiteTags, Vocabulary]:
        """Read both files.

        Raises:
            WeightsError: an array is missing.
            TagError: the list does not fit.
            OSError: a file cannot be read.
        """
        arrays = map_tensors(folder / TAG_WEIGHTS)
        names = [entry.name for entry in fields(cls)]
        missing = [name for name in names if name not in arrays and name != "attributes"]
        if missing:
            raise WeightsError(f"{folder / TAG_WEIGHTS} has no {missing[0]!r}; it holds no tags of lite")
        vocabulary = read_vocabulary(folder / TAGS, count=len(arrays["least"]))
        rows = len(vocabulary) + 1
        for name, shape in (("weight", (rows, DIMENSION)), ("bias", (rows,)), ("distrust", (1,))):
            if arrays[name].shape != shape:
                raise WeightsError(
                    f"{name!r} of {folder / TAG_WEIGHTS} has shape {arrays[name].shape}, not {shape}"
                )
        needs = read_attributes(folder / TAGS)
        tags = cls(
            **{name: np.asarray(arrays[name], np.float32) for name in names if name in arrays},
            attributes=np.array([name in needs for name in vocabulary.names]),
        )
        return tags, vocabulary.with_thresholds(tags.thresholds).with_least(tags.least)

    def to_weights(self) -> dict[str, NDArray[Any]]:
        """The arrays of ``tags.safetensors``: weights in float16, few and sensitive numbers in float32."""
        halves = {"weight": self.weight, "centres": self.centres}
        singles = {name: getattr(self, name) for name in ("bias", "near", "distrust", "least", "thresholds")}
        return {name: values.astype(np.float16) for name, values in halves.items()} | singles

    def write_list(self, path: Path, vocabulary: Vocabulary) -> None:
        """Write ``tags.json``."""
        entries: list[Mapping[str, str]] = [
            {**entry, "needs": PERSON} if attribute else entry
            for entry, attribute in zip(vocabulary.to_list(), self.attributes.tolist(), strict=True)
        ]
        write_atomically(path, (json.dumps(entries, indent=1, ensure_ascii=False) + "\n").encode())

    def with_thresholds(self, thresholds: NDArray[np.float32]) -> LiteTags:
        """The same tags with other thresholds of F scores."""
        return replace(self, thresholds=thresholds)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4096) vectors -> (n, t) float32 probabilities."""
        rows = unit_rows(vectors)
        products = rows @ self.centres.T - self.half_squares
        distances = 1 - 2 * products.max(axis=1, keepdims=True)
        far = np.maximum(distances - self.near, 0)
        found = sigmoid(rows @ self.weight.T + self.bias - far * self.distrust)
        return found[:, :-1] * np.where(self.attributes, found[:, -1:], np.float32(1))

    @property
    def half_squares(self) -> NDArray[np.float32]:
        """(k,) half the squared length of each centre."""
        return np.asarray(np.square(self.centres).sum(axis=1) / 2, np.float32)


def read_attributes(path: Path) -> frozenset[str]:
    """Names of the tags of a ``tags.json`` that only a person or a face can have.

    Raises:
        TagError: it is not such a file.
        OSError: it cannot be read.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        return frozenset(entry["name"] for entry in entries if entry.get("needs") == PERSON)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise TagError(f"{path} is no list of tags of lite ({error!r})") from error


@lru_cache(maxsize=1)
def attributes() -> frozenset[str]:
    """Names of the attributes of persons that `lite` knows; other taggers spell most of them alike.

    Example:
        >>> "long hair" in attributes(), "tree" in attributes()
        (True, False)
    """
    return read_attributes(model_folder() / TAGS)
