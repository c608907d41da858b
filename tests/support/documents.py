"""Writes documents of drawing programs: PSD and PSB, Krita and OpenRaster, Clip Studio."""

import io
import sqlite3
import struct
import zipfile
from contextlib import closing
from typing import Any

import numpy as np
from PIL import Image

#: Where Clip Studio keeps its preview.
TABLE = "CREATE TABLE CanvasPreview (ImageType INTEGER, ImageData BLOB)"


def packed(row: bytes) -> bytes:
    """A row in PackBits, runs of three and more as runs."""
    out, at = bytearray(), 0
    while at < len(row):
        run = 1
        while at + run < len(row) and run < 128 and row[at + run] == row[at]:
            run += 1
        if run >= 3:
            out += bytes([257 - run, row[at]])
            at += run
            continue
        end = at + 1
        while end < len(row) and end - at < 128 and row[end : end + 3] != row[end : end + 1] * 3:
            end += 1
        out += bytes([end - at - 1]) + row[at:end]
        at = end
    return bytes(out)


def psd(
    planes: list[list[bytes]],
    mode: int,
    *,
    size: tuple[int, int],
    depth: int = 8,
    pack: bool = False,
    large: bool = False,
    palette: bytes = b"",
    resources: bytes = b"",
    layers: int | None = None,
) -> bytes:
    """A document of these rows of each channel; `layers` is the count that its layer section gives."""
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if large else 1, len(planes), size[1], size[0], depth, mode)
    wide = ">Q" if large else ">I"
    section = b"" if layers is None else struct.pack(wide, 2) + struct.pack(">h", layers)
    body = head + struct.pack(">I", len(palette)) + palette + struct.pack(">I", len(resources)) + resources
    body += struct.pack(wide, len(section)) + section
    rows = [packed(row) if pack else row for plane in planes for row in plane]
    if not pack:
        return body + struct.pack(">H", 0) + b"".join(rows)
    lengths = b"".join(struct.pack(">I" if large else ">H", len(row)) for row in rows)
    return body + struct.pack(">H", 1) + lengths + b"".join(rows)


def resource(number: int, content: bytes) -> bytes:
    filled = content + b"\0" * (len(content) % 2)
    return struct.pack(">4sH2sI", b"8BIM", number, b"\0\0", len(content)) + filled


def rows(plane: "np.ndarray[Any, Any]") -> list[bytes]:
    return [row.tobytes() for row in plane]


def zipped(mimetype: str, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), mimetype)
        for name, content in members.items():
            member = zipfile.ZipInfo(
                name.replace("__", "/").replace("_png", ".png")
            )  # of the same date always
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def clip(*statements: str, picture: bytes = b"") -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement, (picture,) if "?" in statement else ())
        connection.commit()
        database = connection.serialize()
    chunks = b"".join(
        name + struct.pack(">Q", len(content)) + content
        for name, content in ((b"CHNKHead", bytes(40)), (b"CHNKExta", b"layer"), (b"CHNKSQLi", database))
    )
    return b"CSFCHUNK" + struct.pack(">QQ", 24 + len(chunks), 24) + chunks


def flattened(image: Image.Image, ending: str) -> bytes:
    """A document that shows a picture."""
    if ending in {".kra", ".ora"}:
        kind = {".kra": "application/x-krita", ".ora": "image/openraster"}[ending]
        return zipped(kind, mergedimage_png=png(image))
    if ending == ".clip":
        return clip(TABLE, "INSERT INTO CanvasPreview VALUES (1, ?)", picture=png(image))
    planes = [rows(np.asarray(band)) for band in image.convert("RGB").split()]
    return psd(planes, 3, size=image.size, pack=True, large=ending == ".psb")
