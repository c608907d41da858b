"""Text of pictures: one line that always fits, in a font that has its letters."""

import unicodedata
from functools import lru_cache

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

from i2v_search.errors import I2VSearchError
from i2v_search.escapes import visible

# The built-in face knows little beyond ASCII. Others are looked up by file name where the system keeps fonts.
_OTHER_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "YuGothM.ttc",
    "msgothic.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
)


def fit_text(text: str, size: int, room: int) -> tuple[str, FreeTypeFont]:
    """One printable line of at most `room` pixels, and the font that can draw it."""
    # Names from macOS hold letters and accents apart; the built-in face draws such accents as boxes.
    text = unicodedata.normalize("NFC", " ".join(visible(text).split()))
    font = _font_for(text, size)
    if font.getlength(text) <= room:
        return text, font
    shortest, longest = 0, len(text)
    while shortest < longest:
        length = (shortest + longest + 1) // 2
        if font.getlength(_cut(text, length)) <= room:
            shortest = length
        else:
            longest = length - 1
    return _cut(text, shortest), font


def _cut(text: str, length: int) -> str:
    """At most the first `length` characters and an ellipsis; a letter is never parted from its accents."""
    while 0 < length < len(text) and (
        unicodedata.combining(text[length]) or "\u200d" in text[length - 1 : length + 1]
    ):
        length -= 1
    return text[:length].rstrip(" ._-") + "…"


@lru_cache(maxsize=32)
def built_in(size: int) -> FreeTypeFont:
    """The font that Pillow brings along."""
    font = ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise I2VSearchError("this build of Pillow has no FreeType support; install Pillow from PyPI")
    return font


@lru_cache(maxsize=64)
def _installed(name: str, size: int) -> FreeTypeFont | None:
    """A font of this system by file name, None if it has none."""
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _font_for(text: str, size: int) -> FreeTypeFont:
    """The built-in font, or the installed one that has a glyph for more of the characters."""
    characters = frozenset(text)
    best, most = built_in(size), _covered(None, characters)
    for name in _OTHER_FONTS:
        if most == len(characters):
            break
        font, found = _installed(name, size), _covered(name, characters)
        if font is not None and found > most:
            best, most = font, found
    return best


def _covered(name: str | None, characters: frozenset[str]) -> int:
    return sum(_has_glyph(name, character) for character in characters)


@lru_cache(maxsize=4096)
def _has_glyph(name: str | None, character: str) -> bool:
    if character.isspace() or unicodedata.category(character) in {"Mn", "Cf"}:
        return True
    font = built_in(16) if name is None else _installed(name, 16)
    if font is None:
        return False
    glyph, missing = font.getmask(character), font.getmask("\U0010ffff")
    return (glyph.size, bytes(glyph)) != (missing.size, bytes(missing))
