"""Text -> token ids, as the text tower of a foreign model takes them, by a ``tokenizer.json``."""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.model_card import TextCase, TextDescription
from i2v_search.errors import EncoderError
from i2v_search.files import read_regular

_WITHOUT_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


class Tokenizer:
    """A tokenizer of the ``tokenizers`` library.

    Args:
        file: a ``tokenizer.json``.
        description: case, length and padding.

    Raises:
        EncoderError: the library is not installed, or the file is not valid.
    """

    def __init__(self, file: Path, description: TextDescription) -> None:
        self._case = description.case
        self._tokenizer = load_tokenizer(file)
        self._tokenizer.enable_truncation(description.length)
        self._tokenizer.enable_padding(length=description.length, pad_id=description.pad)

    def encode(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Token ids of a text, and which of them are not padding: both (length,) int64.

        Raises:
            EncoderError: the tokenizer fails, such as for an unknown word where it has no token for such.
        """
        with _explained("the tokenizer cannot encode this text"):
            found = self._tokenizer.encode(clean_text(text, self._case))
        return np.array(found.ids, np.int64), np.array(found.attention_mask, np.int64)


def clean_text(text: str, case: TextCase) -> str:
    """Bring a text to the form that a tokenizer expects.

    >>> clean_text(" A red\\nDragon!", "keep"), clean_text(" A red\\nDragon!", "canonical")
    ('A red Dragon!', 'a red dragon')
    """
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    if case == "canonical":
        text = " ".join(text.replace("_", " ").translate(_WITHOUT_PUNCTUATION).split())
    return text if case == "keep" else text.lower()


def load_tokenizer(file: Path) -> Any:
    """Load a ``tokenizer.json``.

    Returns:
        A `tokenizers.Tokenizer`.

    Raises:
        EncoderError: the library is not installed, or the file is not valid.
    """
    tokenizers = import_tokenizers()
    try:
        content = read_regular(file)
    except OSError as error:
        raise EncoderError(f"{file} cannot be read: {error.strerror}") from error
    with _explained(f"{file} is not a tokenizer.json of this model"):
        return tokenizers.Tokenizer.from_str(content.decode("utf-8"))


@contextmanager
def _explained(problem: str) -> Iterator[None]:
    """The library raises plain exceptions; a panic of its Rust code is not even one of those."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__module__ == "pyo3_runtime":
            raise EncoderError(f"{problem} ({error})") from error
        raise


def import_tokenizers() -> Any:
    """Import ``tokenizers``.

    Raises:
        EncoderError: it is not installed; the message says how to install it.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise EncoderError("text needs tokenizers: pip install 'i2v-search[text]'") from error
    return tokenizers
