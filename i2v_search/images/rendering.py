"""Files that are drawn by a program, each in a process of its own: SVG, PDF, and JPEG XL.

JPEG XL is here because its decoder opens a file only by decoding all of it.
"""

import json
import signal
import subprocess
import sys
import time
from typing import Any, Final

import PIL.Image

from i2v_search.errors import ImageError
from i2v_search.images.extra_formats import JPEG_XL, ExtraFormat
from i2v_search.images.jpeg_xl import claimed_size
from i2v_search.images.limits import check_size
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason
from i2v_search.images.rendering_process import WAITING

#: Seconds of computing that a picture may take: less than the page waits for one.
MOST_SECONDS = 8
_ORIENTATION: Final = 0x0112


def render(wanted: ExtraFormat, data: bytes, label: str, max_pixels: int | None) -> PIL.Image.Image | bytes:
    """Draw a file.

    Args:
        wanted: its format, whose package is installed.
        data: the file.
        label: what errors call it.
        max_pixels: as of `decode_image`.

    Returns:
        The picture, or a PNG or JPEG file of it.

    Raises:
        ImageError: it is too large or damaged, or takes too long.
    """
    if wanted is JPEG_XL:
        try:
            size = claimed_size(data)
        except EOFError as error:
            raise ImageError(label, damage_reason(wanted.name, error)) from error
        check_size(size, label, max_pixels)
    head, content = _drawn(wanted.name, data, label)
    if "mode" not in head:
        return content
    check_size(tuple(head["size"]), label, max_pixels)
    try:
        return _picture(head, content)
    except DECODE_ERRORS as error:
        raise ImageError(label, damage_reason(wanted.name, error)) from error


def _drawn(name: str, data: bytes, label: str) -> tuple[dict[str, Any], bytes]:
    started = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "i2v_search.images.rendering_process", name, f"{MOST_SECONDS}"],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2 * WAITING * MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(label, f"{name} cannot be drawn: the process that draws it fails") from error
    if done.returncode != 0:
        stopped = done.returncode == -getattr(signal, "SIGXCPU", 0)
        late = stopped or time.monotonic() - started >= WAITING * MOST_SECONDS
        reason = f"it takes longer than {MOST_SECONDS} s" if late else "the program that draws it gave up"
        raise ImageError(label, f"{name} cannot be drawn: {reason}")
    line, _, content = done.stdout.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    if "error" in head:
        reason = " ".join(head["error"].split())[:200]
        raise ImageError(label, f"{name} cannot be drawn: {reason}")
    return head, content


def _picture(head: dict[str, Any], content: bytes) -> PIL.Image.Image:
    """Pixels as a picture, with what stood beside them; its orientation is applied already."""
    mode = head["mode"]
    image = PIL.Image.frombytes(mode, tuple(head["size"]), content, "raw", mode, head.get("stride", 0))
    if head.get("profile"):
        image.info["icc_profile"] = bytes.fromhex(head["profile"])
    if head.get("exif"):
        exif = PIL.Image.Exif()
        exif.load(bytes.fromhex(head["exif"]).removeprefix(b"\0\0\0\0"))
        exif.pop(_ORIENTATION, None)
        image.info["exif"] = exif.tobytes()
    image.info["pages"] = head.get("pages", 1)
    return image
