"""A collection as a notebook shows it: a few of its images in one piece of HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html import escape
from typing import Final

from PIL import Image

from i2v_search.collection.info import ImageInfo
from i2v_search.errors import ImageError
from i2v_search.escapes import visible
from i2v_search.images.decoding import load_image

#: Images shown, and pixels of their longer side: some 60 kB in all.
SHOWN: Final = 12
SIDE: Final = 128
#: A larger picture takes a second to decode.
_MAX_PIXELS: Final = 30_000_000
_CELL = "display:inline-block;width:{side}px;margin:4px;vertical-align:top;overflow-wrap:anywhere"


def contact_sheet(title: str, images: list[ImageInfo], read: Callable[[int], bytes]) -> str:
    """A few images, small, with their ids and paths; nothing in their names is markup.

    Args:
        title: said above them.
        images: at most `SHOWN`.
        read: gives the file of an image; an `ImageError` leaves only its name.
    """
    cells = "".join(_cell(image, read) for image in images[:SHOWN])
    return f"<div><p>{escape(visible(title))}</p>{cells}</div>"


def _cell(image: ImageInfo, read: Callable[[int], bytes]) -> str:
    name = escape(visible(image.path))
    try:
        picture = load_image(read(image.id), shrink_to=SIDE, max_pixels=_MAX_PIXELS)
    except ImageError as error:
        shown = f"<i>{escape(visible(error.reason))}</i>"
    else:
        shown = f'<img src="{_data(picture)}" alt="{name}" title="{name}">'
    return f'<div style="{_CELL.format(side=SIDE)}">{shown}<br><small>{image.id} {name}</small></div>'


def _data(picture: Image.Image) -> str:
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=75)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
