"""The one safe loader: every picture the library looks at comes through `decode_image`.

Pictures come from strangers, so a file may be cut short, lie about its size or be no picture at all. Whatever
is wrong, the answer is one `ImageError(path, reason)`; nothing else escapes, nothing hangs on a pipe, and the
pixel limit is checked against the header before anything is decoded. What comes back is always plain 8-bit
sRGB as a viewer would show it:

- the EXIF orientation is applied (an unreadable EXIF block counts as upright);
- transparency is laid over white, or over dark grey where white leaves nothing of the picture (white lines on
  nothing); the first frame of an animation, the first page of a document;
- an embedded ICC profile whose curves and matrix are not those of sRGB is converted to sRGB (RGB, grey and
  CMYK; a broken profile is ignored);
- CMYK is read as Adobe writes it (inverted) when the JPEG has an Adobe marker, as plain CMYK when it has
  none;
- 16-bit samples keep their high byte; mode "I" counts as 16-bit (0..65535) unless its values leave that
  range, floating-point samples, grey or colour, as 0..1 or as 0..255, whichever holds all that are finite;
  anything else is stretched from its own minimum to maximum.

What stands beside the pixels of a PNG (text, times, profiles too large to unpack) is set aside.

All functions may be called from several threads at once.
"""
