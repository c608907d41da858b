"""Words of a text, in any script."""

from __future__ import annotations

import unicodedata

#: Thai and Lao; Tibetan and Burmese; Khmer; kana, Bopomofo, ideographs and their extensions.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x0F00, 0x109F),
    (0x1780, 0x17FF),
    (0x3005, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)


def split_words(text: str) -> list[str]:
    """Words of a text, in lower case and Unicode's form NFKC: runs of letters, marks and digits.

    Example:
        >>> split_words("A red_Dragon, Größe 7"), split_words("猫の絵")
        (['a', 'red', 'dragon', 'grösse', '7'], ['猫の絵'])
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded).split()


def is_unspaced(letter: str) -> bool:
    """Whether words of its script follow one another without spaces: Chinese, Japanese, Thai and others.

    Example:
        >>> [is_unspaced(letter) for letter in "猫ねแc고"]
        [True, True, True, False, False]
    """
    code = ord(letter)
    return any(first <= code <= last for first, last in _UNSPACED)
