"""Text towers of foreign models, alone and beside their image towers: CLIP, SigLIP and their kin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.model_card import TextDescription
from i2v_search.encoders.networks.runtime import onnx_session, run_session
from i2v_search.encoders.onnx import OnnxModel, as_rows
from i2v_search.encoders.tokenizing import Tokenizer
from i2v_search.errors import EncoderError

_INTEGERS: Final[dict[str, Any]] = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}


class TextTower:
    """Encodes text by an ONNX model; satisfies `TextEncoder`.

    Args:
        model: its file.
        tokenizer: a ``tokenizer.json``.
        description: its inputs and output.
        threads: how many work; None takes every core.

    Raises:
        EncoderError: ONNX Runtime does not run it, an input is not described, or the tokenizer cannot be
            loaded.
    """

    def __init__(
        self, model: Path, tokenizer: Path, description: TextDescription, *, threads: int | None = None
    ) -> None:
        self._description = description
        self._tokenizer = Tokenizer(tokenizer, description)
        self._session = onnx_session(model, threads=threads)
        self._types = {entry.name: _integer_type(entry) for entry in self._session.get_inputs()}
        if unknown := set(self._types) - set(description.inputs.values()):
            raise EncoderError(
                f"its input {' and '.join(sorted(unknown))} is not described; see --text-inputs"
            )

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode n texts, one after the other: (n, d) float32.

        Raises:
            EncoderError: the model fails, or its output is not one vector.
        """
        return np.concatenate([self._encode(text) for text in texts])

    def _encode(self, text: str) -> NDArray[np.float32]:
        described = self._description
        ids, mask = self._tokenizer.encode(text)
        values = {"ids": ids, "mask": mask, "positions": np.arange(len(ids)), "types": np.zeros_like(ids)}
        given = {name: values[role] for role, name in described.inputs.items()}
        feed = {name: given[name].astype(dtype)[None] for name, dtype in self._types.items()}
        (found,) = run_session(self._session, [described.output], feed)
        return as_rows(described.output, found, 1, described.pooling, mask[None])


class OnnxTowers(OnnxModel):
    """A foreign model with an image tower and a text tower; satisfies `Encoder` and `TextEncoder`.

    Args:
        image: arguments of `OnnxModel`.
        open_text: opens the text tower; called when the first text comes, so that a build does not load it.
        text_mean: see `text_mean_of`.
    """

    def __init__(
        self, *image: Any, open_text: Callable[[], TextTower], text_mean: NDArray[np.float32] | None
    ) -> None:
        super().__init__(*image)
        self.text_mean = text_mean
        self._open_text = open_text
        self._text: TextTower | None = None
        self._opening = threading.Lock()

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode n texts: (n, d) float32.

        Raises:
            EncoderError: the text tower cannot be opened, or fails.
        """
        with self._opening:
            tower = self._text = self._text or self._open_text()
        return tower.encode_text(texts)


def _integer_type(entry: Any) -> Any:
    if entry.type not in _INTEGERS:
        raise EncoderError(f"its input {entry.name!r} is a {entry.type}; expected int32 or int64 token ids")
    return _INTEGERS[entry.type]


def mean_of_texts(tower: TextTower, texts: Sequence[str]) -> NDArray[np.float32]:
    """Mean of the unit vectors of texts, (d,) float32."""
    vectors = tower.encode_text(texts)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray((vectors / np.maximum(lengths, 1e-12)).mean(axis=0), np.float32)
