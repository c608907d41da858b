"""The note that every picture drawn here carries in its metadata, so that a build does not take it for art.

A sheet of search results is often written into the folder that was searched. By its name nobody could tell.
"""

from __future__ import annotations

import os
from typing import Any, Final

from PIL import Image, PngImagePlugin

#: Written as the software that made the picture, whatever the format.
SIGNATURE: Final = "i2v-search, drawn from a collection"
_SOFTWARE: Final = 0x0131  # the tag of TIFF and EXIF
#: PNG, JPEG and GIF say it at the beginning, WebP at the end.
_LOOKED_AT: Final = 4096


class SignedPicture(Image.Image):
    """A picture that signs every file it is saved to.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> signed(Image.new("RGB", (8, 8))).save(file, "PNG")
        >>> is_signed(file.getvalue())
        True
    """

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002
        """As Pillow's, with the signature in the file."""
        ending = os.path.splitext(os.fspath(fp))[1].lower() if isinstance(fp, str | os.PathLike) else ""  # noqa: PTH122
        kind = format or Image.registered_extensions().get(ending, "")
        super().save(fp, format, **{**signing(kind), **params})


def signed(picture: Image.Image) -> SignedPicture:
    """The same picture, which signs the files it is saved to; its pixels are shared."""
    made = SignedPicture()
    made.__dict__.update(picture.__dict__)
    return made


def signing(format: str) -> dict[str, Any]:  # noqa: A002
    """The options of Pillow's `save` that write the signature; none where the format holds no text."""
    match format.upper():
        case "PNG":
            text = PngImagePlugin.PngInfo()
            text.add_text("Software", SIGNATURE)
            return {"pnginfo": text}
        case "GIF":
            return {"comment": SIGNATURE.encode()}
        case "JPEG" | "WEBP" | "AVIF" | "TIFF":
            exif = Image.Exif()
            exif[_SOFTWARE] = SIGNATURE
            return {"exif": exif}
        case _:
            return {}


def is_signed(content: bytes) -> bool:
    """Whether the content of a file is a picture drawn here."""
    note = SIGNATURE.encode()
    return note in content[:_LOOKED_AT] or note in content[-_LOOKED_AT:]
