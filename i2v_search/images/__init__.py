"""The one safe loader: every picture the library looks at comes through `decode_image`.

Pictures come from strangers, so a file may be cut short, lie about its size or be no picture at all. Whatever
is wrong, the answer is one `ImageError(path, reason)`; nothing else escapes, nothing hangs on a pipe, and the
pixel limit is checked against the header before anything is decoded. What comes back is always plain 8-bit
sRGB as a viewer would show it:

- the EXIF orientation is applied (an unreadable EXIF block counts as upright);
- transparency is laid over white; the first frame of an animation, the first page of a document;
- an embedded ICC profile that is not sRGB is converted to sRGB (RGB, grey and CMYK; a broken profile is
  ignored);
- CMYK is read as Adobe writes it (inverted) when the JPEG has an Adobe marker, as plain CMYK when it has
  none;
- 16-bit samples keep their high byte; mode "I" counts as 16-bit (0..65535) unless its values leave that
  range, mode "F" as 0..1 or as 0..255, whichever holds all its finite values; anything else is stretched from
  its own minimum to maximum.

All functions may be called from several threads at once.
"""

from i2v_search.images.decoding import DecodedImage, ImageSource, decode_image, load_image
from i2v_search.images.formats import EXTENSIONS, FORMATS, SIGNATURE_BYTES, begins_like_image
from i2v_search.images.limits import MAX_PIXELS
from i2v_search.images.reading import (
    MAX_BYTES,
    describe_special,
    open_regular_file,
    read_bounded,
    read_regular_file,
)

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SIGNATURE_BYTES",
    "DecodedImage",
    "ImageSource",
    "begins_like_image",
    "decode_image",
    "describe_special",
    "load_image",
    "open_regular_file",
    "read_bounded",
    "read_regular_file",
]
