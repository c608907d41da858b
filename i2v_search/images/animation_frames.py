"""Single frames of an animation, or pages of a document, opened once and gone through in order."""

from __future__ import annotations

from typing import Final

import PIL.Image

from i2v_search.errors import ImageError
from i2v_search.images.decoding import open_image
from i2v_search.images.frame_times import MOST_FRAMES, frame_times
from i2v_search.images.limits import check_size
from i2v_search.images.quiet import quiet_pillow
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason
from i2v_search.images.rgb import as_rgb, exif_turn

#: Pixels of all frames that are shown together: to show one, those before it are decoded too.
MOST_PIXELS: Final = 400_000_000


class AnimationFrames:
    """The frames of a file; the next costs one frame, one before it begins anew.

    Args:
        data: the file.
        name: what errors call it.

    Attributes:
        count: how many there are, 1 for a single picture; at most `MOST_FRAMES`.
        shown: how many of them can be shown: together they have at most `MOST_PIXELS`.
        times: milliseconds of each that can be shown; none where the file says nothing, as of pages.

    Raises:
        ImageError: its header cannot be read.

    Example:
        >>> import io
        >>> file, frames = io.BytesIO(), [PIL.Image.new("L", (2, 2), grey) for grey in (0, 90, 200)]
        >>> frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)
        >>> opened = AnimationFrames(file.getvalue())
        >>> opened.times, opened.picture(1).getpixel((0, 0))
        ((50, 50, 50), (90, 90, 90))
    """

    def __init__(self, data: bytes, name: str = "<bytes>") -> None:
        self._data, self._name = data, name
        times = frame_times(data)
        self._image = self._opened()
        with quiet_pillow():
            try:
                number = getattr(self._image, "n_frames", 1)
            except DECODE_ERRORS:
                number = 1
        known = number if isinstance(number, int) and number > 0 else 1
        self.count = min(known, MOST_FRAMES)
        self.shown = max(1, min(self.count, MOST_PIXELS // (self._image.width * self._image.height)))
        self.times = times[: self.shown] if len(times) >= self.shown else ()

    def picture(self, number: int) -> PIL.Image.Image:
        """A frame as it is seen, mode "RGB", turned as its EXIF says.

        Raises:
            ImageError: there is no such frame, or it cannot be decoded.
        """
        if not 0 <= number < self.shown:
            raise ImageError(self._name, f"it has no frame {number}; it has {self.shown}")
        if number < self._image.tell():
            self._image = self._opened()  # a PNG of Pillow does not always find its way back
        try:
            with quiet_pillow():
                self._image.seek(number)
                check_size(self._image.size, self._name, None)
                self._image.load()
                pixels = as_rgb(self._image, None)
                turn = exif_turn(self._image)
        except DECODE_ERRORS as error:
            raise ImageError(self._name, damage_reason(self._image.format or "image", error)) from error
        if turn is not None:
            return pixels.transpose(turn)
        return pixels.copy() if pixels is self._image else pixels

    def _opened(self) -> PIL.Image.Image:
        with quiet_pillow():
            return open_image(self._data, self._name, None)
