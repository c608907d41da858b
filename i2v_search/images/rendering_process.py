"""The process that draws one file: ``python -P -m i2v_search.images.rendering_process NAME SECONDS``.

A drawing is a program: a few lines can ask for hours of work, or for all memory. PDFium and resvg can neither
be interrupted nor bounded from inside, so that this process is ended after so many seconds of computing. It
reads the file from standard input, and writes a line of JSON and the picture. Only the standard library and
the package that draws are imported.
"""

import faulthandler
import json
import sys
from collections.abc import Callable
from typing import Any, Final

from i2v_search.images.svg import standing_alone

#: A process may wait for a processor: it is ended after this many times the seconds that it may compute.
WAITING: Final = 4
#: What the process may map.
MOST_MEMORY: Final = 4 * 2**30
#: Pixels of the longer side. The time that resvg takes grows with the area.
SVG_SIDE: Final = 1024
PDF_SIDE: Final = 2048

#: What is known of the picture, and its file or its pixels.
_Drawn = tuple[dict[str, Any], bytes]


def draw_svg(data: bytes) -> _Drawn:
    """A PNG of a drawing; no font of the system is looked at unless it has text."""
    import resvg_py

    drawing = standing_alone(data)
    fonts = not drawing.has_text
    picture = resvg_py.svg_to_bytes(
        svg_string=drawing.text, width=SVG_SIDE, height=SVG_SIDE, skip_system_fonts=fonts
    )
    return {}, bytes(picture)


def draw_pdf(data: bytes) -> _Drawn:
    """Pixels of the first page."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise ValueError("it is protected by a password") from error
        raise
    page = document[0]
    bitmap = page.render(scale=PDF_SIDE / max(page.get_size()), rev_byteorder=True)
    size = (bitmap.width, bitmap.height)
    head = {"mode": "RGB", "size": size, "stride": bitmap.stride, "pages": len(document)}
    return head, bytes(bitmap.buffer)


def decode_jpeg_xl(data: bytes) -> _Drawn:
    """Pixels, turned as the file says, or the JPEG that was packed into it."""
    import pillow_jxl

    try:
        is_jpeg, info, content, profile, boxes = pillow_jxl.Decoder(num_threads=1)(data)
    except RuntimeError as error:  # which tells how to build libjxl
        raise ValueError("it is damaged") from error
    if is_jpeg:
        return {}, bytes(content)
    exif = next((bytes(box.data) for box in boxes if box.box_type == b"Exif"), b"")
    mode = "F" if info.mode == "F;16" else info.mode  # the plug-in widens it
    size = (info.width, info.height)
    return {"mode": mode, "size": size, "profile": bytes(profile).hex(), "exif": exif.hex()}, bytes(content)


_RENDERERS: Final[dict[str, Callable[[bytes], _Drawn]]] = {
    "SVG": draw_svg,
    "PDF": draw_pdf,
    "JPEG XL": decode_jpeg_xl,
}


def main() -> None:
    """Draw the file in standard input."""
    _, name, seconds = sys.argv
    _limit(int(seconds))
    try:
        head, content = _RENDERERS[name](sys.stdin.buffer.read())
    except BaseException as error:  # noqa: BLE001 - a panic in Rust is no Exception
        head, content = {"error": str(error) or type(error).__name__}, b""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + content)


def _limit(seconds: int) -> None:
    faulthandler.dump_traceback_later(WAITING * seconds, exit=True)
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
