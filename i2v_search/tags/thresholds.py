"""Thresholds of tags: from which probability on an image has each of them.

The files come with weights from strangers: sizes and shapes are checked before anything is believed.
"""

from __future__ import annotations

import math
import os
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from i2v_search.errors import TagError
from i2v_search.files import open_regular
from i2v_search.tags.lists import PUBLISHED_COUNT
from i2v_search.tags.vocabulary import CATEGORIES, Vocabulary

# A header of NumPy's takes some 100 bytes; one that is longer than this is an attack.
_MAX_HEADER: Final = 2**16
# What damaged archives and array headers raise (tests/tags/test_tag_files.py damages them).
_NPZ_ERRORS: Final = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, SyntaxError, MemoryError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


def choose_thresholds(vocabulary: Vocabulary, stated: str | os.PathLike[str] | None) -> Vocabulary:
    """Give tags the thresholds that a model's card or file states.

    Args:
        vocabulary: the tags, which may have thresholds of their list.
        stated: an ``.npz`` file, see `read_thresholds`; or a number for all tags, or numbers for categories,
            ``general=0.3,character=0.85``, the same for the rules F0.5, F1 and F2; None keeps what there is.

    Raises:
        TagError: the file does not fit, or a number or a category is missing.

    Example:
        >>> vocabulary = Vocabulary(("hat", "miku", "safe"), ("general", "character", "rating"))
        >>> choose_thresholds(vocabulary, "general=0.5,character=0.75").thresholds[:, 1].tolist()
        [0.5, 0.75, 0.0]
    """
    if stated is None:
        return vocabulary
    if Path(stated).suffix.lower() == ".npz":
        return vocabulary.with_thresholds(read_thresholds(stated, len(vocabulary)))
    numbers = _by_category(os.fspath(stated))
    missing = {category for category in vocabulary.categories if category != "rating"} - set(numbers)
    if missing:
        raise TagError(f"--thresholds {os.fspath(stated)} says nothing of {', '.join(sorted(missing))} tags")
    return vocabulary.with_thresholds(
        np.array([numbers.get(category, 0.0) for category in vocabulary.categories], np.float32)
    )


def _by_category(text: str) -> dict[str, float]:
    """``0.3``, or ``general=0.3,character=0.85``."""
    numbers: dict[str, float] = {}
    for part in text.split(","):
        category, equals, number = part.strip().rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 <= value <= 1 or (equals and category not in CATEGORIES):
            raise TagError(
                "--thresholds takes an .npz file, a probability, or such as general=0.3,character=0.85, not "
                f"{text!r}"
            )
        numbers.update({category: value} if equals else dict.fromkeys(CATEGORIES, value))
    return numbers


def read_thresholds(path: str | os.PathLike[str], count: int = PUBLISHED_COUNT) -> NDArray[np.float32]:
    """Read each tag's thresholds for the best F0.5, F1 and F2 from an ``.npz`` with the key ``threshold``.

    Args:
        path: the file.
        count: tags of the vocabulary.

    Returns:
        (count, 3) float32.

    Raises:
        TagError: the file cannot be read, lacks the key, has another shape or holds no finite numbers.
    """
    path = Path(path)
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            if "threshold.npy" not in archive.namelist():
                raise TagError(f"{path} has no array 'threshold', only {archive.namelist()[:8]}")
            size = archive.getinfo("threshold.npy").file_size
            if size > _MAX_HEADER + count * 3 * np.dtype(np.longdouble).itemsize:
                raise TagError(f"{path}: array 'threshold' has {size} bytes, too many for {count} tags")
            with archive.open("threshold.npy") as member:
                return _read_threshold_array(member, path, count)
    except _NPZ_ERRORS as error:
        raise TagError(f"{path} is not a readable .npz file of thresholds ({error})") from error


def _read_threshold_array(member: IO[bytes], path: Path, count: int) -> NDArray[np.float32]:
    """Look at the header before anything is allocated: a stranger's file may claim any shape."""
    version = np.lib.format.read_magic(member)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    with warnings.catch_warnings():  # files written under Python 2 are read with a warning
        warnings.simplefilter("ignore")
        shape, is_fortran, dtype = read_header(member)
    if shape != (count, 3):
        raise TagError(f"{path}: array 'threshold' has shape {shape}; {count} tags need ({count}, 3)")
    if dtype.kind not in "fiu":
        raise TagError(f"{path}: array 'threshold' holds {dtype}, not numbers")
    size = count * 3 * dtype.itemsize
    content = member.read(size)
    if len(content) != size:
        raise EOFError(f"{len(content)} of {size} bytes")
    values = np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
    with np.errstate(over="ignore"):
        thresholds = np.ascontiguousarray(values, dtype=np.float32)
    if not np.isfinite(thresholds).all():
        raise TagError(f"{path}: array 'threshold' holds values that are not finite")
    return thresholds
