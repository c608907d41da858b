"""Files of the formats that the extra brings, and hostile ones."""

import io
from itertools import pairwise
from typing import Any

import PIL.Image
import pillow_heif
import pillow_jxl

SVG_SPACE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def heic(image: PIL.Image.Image, **options: Any) -> bytes:
    """A HEIC without loss, unless the options say otherwise."""
    encoded = pillow_heif.from_pillow(image)
    file = io.BytesIO()
    encoded.save(file, **{"quality": -1, "chroma": 444, **options})
    return file.getvalue()


def jpeg_xl(image: PIL.Image.Image, **options: Any) -> bytes:
    """A JPEG XL without loss."""
    assert pillow_jxl.Decoder is not None  # its import has registered the format with Pillow
    file = io.BytesIO()
    image.save(file, "JXL", **{"lossless": True, "effort": 1, **options})
    return file.getvalue()


def svg(body: str, size: str = 'width="64" height="48"', before: str = "") -> bytes:
    return f"{before}<svg {SVG_SPACE} {size}>{body}</svg>".encode()


def pdf(*pages: PIL.Image.Image) -> bytes:
    """A document by Pillow's own writer, a picture a page."""
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:])
    return file.getvalue()


def bare_pdf(box: str, trailer: str = "", content: str = "") -> bytes:
    """A document of one empty page; PDFium finds its objects without a table of them."""
    return (
        f"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        f"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        f"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R>>endobj\n"
        f"4 0 obj<</Length {len(content)}>>stream\n{content}\nendstream endobj\n"
        f"trailer<</Root 1 0 R/Size 5{trailer}>>\n%%EOF\n"
    ).encode()


def locked_pdf() -> bytes:
    """A document that wants a password."""
    key = "41" * 32
    encrypted = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{key}>/U<{key}>/P -4>>/ID[<{'00' * 16}><{'00' * 16}>]"
    return bare_pdf("0 0 64 48", encrypted)


def use_bomb(levels: int) -> bytes:
    """A drawing of a few lines that stands for two to the power of `levels` squares."""
    doubled = "".join(
        f'<g id="a{n}"><use href="#a{n - 1}"/><use href="#a{n - 1}"/></g>' for n in range(1, levels + 1)
    )
    square = '<rect id="a0" width="1" height="1"/>'
    return svg(f'<defs>{square}{doubled}</defs><use href="#a{levels}"/>')


def entity_bomb() -> bytes:
    """A drawing whose entities fill in to a thousand million letters."""
    names = "abcdefghij"
    entities = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names))
    return svg("<text>&j;</text>", before=f'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">{entities}]>')


def jpeg_xl_head(width: int, height: int) -> bytes:
    """The beginning of a JPEG XL that claims a size."""
    bits, place = 0, 1  # the first bit: it is not small
    for side, before in ((height, 0), (width, 3)):
        place += before  # the ratio: none
        bits |= 3 << place
        bits |= (side - 1) << (place + 2)
        place += 32
    return b"\xff\x0a" + bits.to_bytes(20, "little")
