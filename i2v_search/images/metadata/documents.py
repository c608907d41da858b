"""JSON documents of a file one by one, in bounded memory: lines, arrays, objects, gzip and Parquet.

A file is JSON lines, an array of objects, objects one after another, or an object that holds the array as
``post`` (Gelbooru) or ``posts`` (e621). A file whose name ends in ``.gz`` is unpacked as it is read;
``.parquet`` is read row group by row group and requires pyarrow. A line that is not JSON is given as
`Unreadable`, and what follows it is read; of an array nothing can be read behind such a place.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Final, TypeAlias, cast

from i2v_search.errors import SourceError

#: Bytes of one document at most.
MAX_DOCUMENT: Final = 2**24
_CHUNK: Final = 2**20
_ROWS: Final = 2048
_WRAPPED: Final = re.compile(r'\s*\{\s*(?:"@attributes"\s*:\s*\{[^{}]*\}\s*,\s*)?"posts?"\s*:\s*\[')
_SPACES: Final = re.compile(r"[\s,]*")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True)
class Unreadable:
    """A part of a file that is no JSON.

    Attributes:
        reason: why.
    """

    reason: str


Entry: TypeAlias = tuple[Any, str]
"""A parsed document or an `Unreadable`, and what messages call its place."""


def iter_documents(file: BinaryIO, name: str) -> Iterator[Entry]:
    """Read the documents of a file in order.

    Args:
        file: opened for reading bytes.
        name: what messages call it; its ending says how it is packed.

    Raises:
        SourceError: pyarrow is missing for a Parquet file.

    Example:
        >>> import io
        >>> list(iter_documents(io.BytesIO(b'{"post": [{"id": 1}, {"id": 2}]}'), "gelbooru.json"))
        [({'id': 1}, 'gelbooru.json, post 1'), ({'id': 2}, 'gelbooru.json, post 2')]
        >>> [document for document, _ in iter_documents(io.BytesIO(b'{"id": 1}\\n{"id"\\n{"id": 3}'), "x")]
        [{'id': 1}, Unreadable(reason="expecting ':' in column 6"), {'id': 3}]
    """
    lower = name.lower()
    try:
        if lower.endswith(".parquet"):
            yield from _rows(file, name)
        elif lower.endswith(".gz"):
            yield from _parse(cast(BinaryIO, gzip.GzipFile(fileobj=file)), name)
        else:
            yield from _parse(file, name)
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        yield Unreadable(f"damaged or truncated ({error})"), name


def _parse(file: BinaryIO, name: str) -> Iterator[Entry]:
    start = file.read(_CHUNK)
    text = start.decode("utf-8-sig", "replace")
    wrapped = _WRAPPED.match(text)
    if wrapped or text.lstrip().startswith("["):
        skip = wrapped.end() if wrapped else text.index("[") + 1
        yield from _several(_texts(start, file), name, skip=skip)
    elif _is_line(start):
        yield from _lines(start, file, name)
    else:
        yield from _several(_texts(start, file), name)


def _is_line(start: bytes) -> bool:
    """Whether a file has a document a line: the first says so, or the one after it."""
    lines = [line for line in start.splitlines()[:3] if line.strip()]
    if len(lines) == 1 and len(start) == _CHUNK:  # a line longer than what was read
        return True
    for line in lines[:2]:
        with suppress(ValueError, RecursionError):
            json.loads(line.removeprefix(codecs.BOM_UTF8))
            return True
    return len(lines) == 1


def _lines(start: bytes, file: BinaryIO, name: str) -> Iterator[Entry]:
    number, rest = 0, start.removeprefix(codecs.BOM_UTF8)
    for chunk in chain(iter(lambda: file.read(_CHUNK), b""), [b""]):
        *lines, rest = rest.split(b"\n") if chunk else [*rest.split(b"\n"), b""]
        for line in lines:
            number += 1
            if line.strip():
                yield _document(line), f"{name}, line {number}"
        rest += chunk
        if len(rest) > MAX_DOCUMENT and b"\n" not in rest:
            rest = rest[:MAX_DOCUMENT]  # which is no JSON, and is said once its end comes


def _document(line: bytes) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return Unreadable(_said(error))
    except (ValueError, RecursionError) as error:
        return Unreadable(f"not valid JSON ({type(error).__name__})")


def _said(error: json.JSONDecodeError) -> str:
    message = error.msg[:1].lower() + error.msg[1:].replace(" delimiter", "")
    return f"{message} in column {error.colno}"


def _texts(start: bytes, file: BinaryIO) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    yield decoder.decode(start)
    while chunk := file.read(_CHUNK):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _several(texts: Iterator[str], name: str, *, skip: int = 0) -> Iterator[Entry]:
    """Documents that follow one another, from a place on; an array ends them."""
    text, place, number = next(texts), skip, 0
    while True:
        spaces = _SPACES.match(text, place)
        place = spaces.end() if spaces else place
        if place < len(text) and text[place] == "]":
            return
        try:
            document, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            more = next(texts, None) if len(text) - place <= MAX_DOCUMENT else None
            if more is not None:
                text, place = text[place:] + more, 0
                continue
            if place < len(text):
                said = _said(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
                yield Unreadable(f"{said}; nothing behind it was read"), f"{name}, post {number + 1}"
            elif skip:
                yield Unreadable("the array does not end"), f"{name}, post {number + 1}"
            return
        if end == len(text) and (more := next(texts, None)) is not None:
            text, place = text[place:] + more, 0  # a number may go on
            continue
        number += 1
        yield document, f"{name}, post {number}"
        place = end


def _rows(file: BinaryIO, name: str) -> Iterator[Entry]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise SourceError(
            f"{name}: Parquet requires pyarrow; run: pip install 'i2v-search[parquet]'"
        ) from None
    number = 0
    try:
        for batch in ParquetFile(file).iter_batches(_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield row, f"{name}, row {number}"
    except (ArrowException, ValueError) as error:
        yield Unreadable(f"not valid Parquet ({' '.join(str(error).split())[:100]})"), name
