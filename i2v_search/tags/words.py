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

#: Names of older symbols begin with "black" or "white", which says nothing of their colour.
_FIRST_EMOJI = "\U0001f300"


def split_words(text: str) -> list[str]:
    """Words of a text, in lower case and Unicode's form NFKC: runs of letters, marks and digits.

    An emoji stands for its English name.

    Example:
        >>> split_words("A red_Dragon, Größe 7"), split_words("猫の絵"), split_words("🐉x")
        (['a', 'red', 'dragon', 'grösse', '7'], ['猫の絵'], ['dragon', 'x'])
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(map(_within_word, folded)).split()


def _within_word(letter: str) -> str:
    """The letter itself, or a space where it ends a word; of an emoji its name."""
    category = unicodedata.category(letter)
    if category == "So" and letter >= _FIRST_EMOJI:
        return f" {unicodedata.name(letter, '').casefold().replace('-', ' ')} "
    return letter if category[0] in "LMN" else " "


def is_unspaced(letter: str) -> bool:
    """Whether words of its script follow one another without spaces: Chinese, Japanese, Thai and others.

    Example:
        >>> [is_unspaced(letter) for letter in "猫ねแc고"]
        [True, True, True, False, False]
    """
    code = ord(letter)
    return any(first <= code <= last for first, last in _UNSPACED)
