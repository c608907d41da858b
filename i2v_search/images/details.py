"""What a picture's file says of itself: format, frames, and what camera, program and author wrote into it.

Where the picture was taken is never read: who shares a collection does not mean to share that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import PIL.Image

from i2v_search.images.animation_frames import AnimationFrames
from i2v_search.images.decoding import open_image
from i2v_search.images.documents import document_format
from i2v_search.images.extra_formats import extra_format
from i2v_search.images.quiet import quiet_pillow
from i2v_search.images.reasons import DECODE_ERRORS

#: Kinds of statements, in the order of `FileDetails.statements`.
Kind: TypeAlias = Literal["description", "artist", "copyright", "software", "camera", "lens", "date"]
#: Letters of a statement that are kept.
MOST_LETTERS: Final = 500

_EXIF_FOLDER: Final = 0x8769
_MAKE, _MODEL = 0x010F, 0x0110
#: EXIF tags that say a thing, the better first.
_TAGS: Final[dict[Kind, tuple[int, ...]]] = {
    "description": (0x010E,),
    "artist": (0x013B,),
    "copyright": (0x8298,),
    "software": (0x0131,),
    "lens": (0xA434,),
    "date": (0x9003, 0x9004, 0x0132),
}


@dataclass(frozen=True)
class FileDetails:
    """What a file says of itself.

    Attributes:
        format: as Pillow calls it, "PNG", or what a document is called, "Krita".
        frames: number of frames or pages.
        shown: number of frames that can be shown.
        times: milliseconds of each frame that can be shown; empty without an animation.
        statements: kind and text, hostile like the file: at most `MOST_LETTERS` each.
    """

    format: str
    frames: int
    shown: int
    times: tuple[int, ...]
    statements: tuple[tuple[Kind, str], ...]


def read_details(data: bytes, name: str = "<bytes>") -> FileDetails:
    """Read the details of a file; no pixel is decoded, unless its format needs it.

    Args:
        data: the file.
        name: what errors call it.

    Raises:
        ImageError: it is no picture.

    Example:
        >>> import io
        >>> file, exif = io.BytesIO(), PIL.Image.Exif()
        >>> exif[0x013B] = "A. Painter"
        >>> PIL.Image.new("RGB", (2, 2)).save(file, "PNG", exif=exif)
        >>> read_details(file.getvalue())
        FileDetails(format='PNG', frames=1, shown=1, times=(), statements=(('artist', 'A. Painter'),))
    """
    frames = AnimationFrames(data, name)
    with quiet_pillow(), open_image(data, name, None) as image:
        statements = tuple(_statements(_exif(image)))
        extra = extra_format(data)
        name_of_format = document_format(data) or (extra.name if extra else image.format) or ""
    return FileDetails(name_of_format, frames.count, frames.shown, frames.times, statements)


def _exif(image: PIL.Image.Image) -> Mapping[int, Any]:
    try:
        exif = image.getexif()
        return {**exif.get_ifd(_EXIF_FOLDER), **exif}
    except DECODE_ERRORS:
        return {}


def _statements(exif: Mapping[int, Any]) -> Iterator[tuple[Kind, str]]:
    for kind, tags in _TAGS.items():
        text = next((text for tag in tags if (text := _text(exif.get(tag)))), "")
        if kind == "lens" and (camera := _camera(exif)):
            yield "camera", camera
        if text:
            yield kind, text


def _camera(exif: Mapping[int, Any]) -> str:
    """Make and model; many models begin with the make."""
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def _text(value: object) -> str:
    """A text of EXIF in one line: bytes are UTF-8 as most programs write it, else Latin-1."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str) and not value.isascii():
        with suppress(UnicodeError):  # Pillow reads Latin-1
            value = value.encode("latin-1").decode()
    if not isinstance(value, str):
        return ""
    return " ".join(value.replace("\0", " ").split())[:MOST_LETTERS]
