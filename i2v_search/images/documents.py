"""Documents of drawing programs: the flattened picture that they carry for programs like this one.

=======================  ===================================================================================
OpenRaster, Krita        a zip archive with ``mergedimage.png`` (freedesktop.org, OpenRaster 0.0.6)
Clip Studio Paint        a preview in the table ``CanvasPreview`` of an SQLite database in the ``CHNKSQLi``
                         chunk; it may be smaller than the drawing
Photoshop                the image data at its end: `i2v_search.images.photoshop`
=======================  ===================================================================================
"""

import io
import re
import sqlite3
import zipfile
from contextlib import closing
from typing import BinaryIO, Final, cast

from i2v_search.errors import ImageError
from i2v_search.images.extra_formats import VECTOR_EXTENSIONS
from i2v_search.images.reading import read_bounded
from i2v_search.images.reasons import DECODE_ERRORS, damage_reason

#: Endings of documents.
DOCUMENT_EXTENSIONS: Final = frozenset({".psd", ".psb", ".kra", ".ora", ".clip"})

#: Both formats want the type as the first member, stored, so that files are known by their first bytes.
_ZIPPED: Final = re.compile(rb"PK\x03\x04.{26}mimetype(application/x-krita|image/openraster)", re.DOTALL)
_PICTURES: Final = ("mergedimage.png", "preview.png", "Thumbnails/thumbnail.png")  # the best first
#: Bytes of a zip archive's directory: a document has some thousand members at most.
_MOST_DIRECTORY: Final = 4 * 2**20
_END: Final = b"PK\x05\x06"

PHOTOSHOP: Final = b"8BPS"
_CLIP_STUDIO: Final = b"CSFCHUNK"
_DATABASE: Final = b"CHNKSQLi"
#: Steps of SQLite's machine: finding a picture takes hundreds.
_MOST_STEPS: Final = 1_000_000
_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})


def is_document(path: str) -> bool:
    """Whether a file is a document by its name: more than the picture that it shows.

    >>> is_document("sketches/Cat.PSD"), is_document("cat.svg"), is_document("cat.png")
    (True, True, False)
    """
    return path.lower().endswith(tuple(DOCUMENT_EXTENSIONS | VECTOR_EXTENSIONS))


def document_format(data: bytes) -> str | None:
    """What a document is called, whatever its flattened picture is; None for other files.

    >>> document_format(b"CSFCHUNK"), document_format(b"GIF89a")
    ('Clip Studio', None)
    """
    if (kind := _ZIPPED.match(data)) is not None:
        return "Krita" if kind[1].endswith(b"krita") else "OpenRaster"
    known = ((_CLIP_STUDIO, "Clip Studio"), (PHOTOSHOP, "Photoshop"))
    return next((name for signature, name in known if data.startswith(signature)), None)


def picture_within(data: bytes, label: str) -> bytes | None:
    """The file of the flattened picture in a document, PNG or JPEG; None for other files.

    Raises:
        ImageError: the document is damaged, or holds no flattened picture.
    """
    try:
        match document_format(data):
            case "Krita" | "OpenRaster" as program:
                return _zipped(data, label, program)
            case "Clip Studio":
                return _previewed(data, label)
    except (*DECODE_ERRORS, zipfile.BadZipFile, sqlite3.Error) as error:
        raise ImageError(label, damage_reason("document", error)) from error
    return None


def _zipped(data: bytes, label: str, program: str) -> bytes:
    end = data.rfind(_END)
    if end >= 0 and int.from_bytes(data[end + 12 : end + 16], "little") > _MOST_DIRECTORY:
        raise ImageError(label, f"damaged document: its directory is over {_MOST_DIRECTORY} bytes")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = frozenset(archive.namelist())
        name = next((name for name in _PICTURES if name in names), None)
        if name is None:
            raise ImageError(label, f"the {program} document holds no flattened picture; save it again")
        with archive.open(name) as member:
            return read_bounded(cast(BinaryIO, member), label)


def _previewed(data: bytes, label: str) -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(_chunk(data, _DATABASE))
        # A stranger's database: its text is data, never a program, and what it may run is counted.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
        )
        connection.set_progress_handler(lambda: 1, _MOST_STEPS)
        rows = connection.execute("SELECT ImageData FROM CanvasPreview LIMIT 1").fetchall()
    if not rows or not isinstance(rows[0][0], bytes):
        raise ImageError(label, "the Clip Studio document holds no preview; save it again")
    return bytes(rows[0][0])


def _chunk(data: bytes, wanted: bytes) -> bytes:
    """The content of a chunk of a Clip Studio document: a name of eight bytes, a length of eight, content."""
    position = 24  # behind the signature, the size of the file, and the place of the first chunk
    while position + 16 <= len(data):
        length = int.from_bytes(data[position + 8 : position + 16], "big")
        if data[position : position + 8] == wanted:
            if length > len(data) - position - 16:
                break
            return data[position + 16 : position + 16 + length]
        position += 16 + length
    raise EOFError("it ends before its preview")
