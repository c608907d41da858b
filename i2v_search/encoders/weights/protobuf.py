"""The protobuf wire format over a memory map, for files from strangers.

A message is a row of fields; a field is a varint tag ``number << 3 | wire type`` and a payload (Protocol
Buffers documentation, "Encoding"). Nothing is copied but what is requested. Numbers become arrays over the
map, also where a writer did not pack them and every number carries its own tag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap
from i2v_search.errors import WeightsError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIRE_NAMES = {VARINT: "varint", FIXED64: "64-bit", LENGTH: "length-delimited", FIXED32: "32-bit"}
WIDTHS = {FIXED64: 8, FIXED32: 4}
MAX_FIELDS = 200_000
MAX_TEXT = 4096
MAX_INTEGERS = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or a run of fixed-width fields of one number.

    Attributes:
        number: which field of its message.
        wire: the wire type.
        offset: byte offset of the tag.
        start: byte offset of the payload.
        end: byte offset behind the payload.
        value: the value of a varint.
        count: how many values a run has.
        stride: bytes from one value of a run to the next.
    """

    number: int
    wire: int
    offset: int
    start: int
    end: int
    value: int = 0
    count: int = 1
    stride: int = 0


class WireReader:
    """Walks the messages of one file; refuses a file that asks for more work than weights can need."""

    def __init__(self, data: FileMap, path: Path, *, most_fields: int = MAX_FIELDS) -> None:
        self.data = data
        self.path = path
        self._most_fields = self._fields_left = most_fields

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """The fields between two byte offsets.

        Raises:
            WeightsError: the bytes are no message; the text names the offset and what was expected there.
        """
        position, end = start, len(self.data) if end is None else end
        while position < end:
            self._fields_left -= 1
            if self._fields_left < 0:
                raise self.error(position, f"at most {self._most_fields} fields", "more")
            field = self._field(position, end)
            yield field
            position = field.end

    def inside(self, field: Field, what: str) -> Iterator[Field]:
        """The fields of a nested message."""
        self.require(field, LENGTH, what)
        return self.fields(field.start, field.end)

    def text(self, field: Field, what: str) -> str:
        """A string."""
        self.require(field, LENGTH, what)
        if field.end - field.start > MAX_TEXT:
            raise self.error(field.start, f"{what} of at most {MAX_TEXT} bytes", f"{field.end - field.start}")
        try:
            return self.data[field.start : field.end].decode()
        except UnicodeDecodeError as error:
            raise self.error(field.start, f"{what} in UTF-8", "other bytes") from error

    def integer(self, field: Field, what: str) -> int:
        """A non-negative integer (a negative one reads as a number above 2**63)."""
        self.require(field, VARINT, what)
        return field.value

    def integers(self, field: Field, what: str) -> list[int]:
        """Integers, packed or a single one."""
        if field.wire == VARINT:
            return [field.value]
        self.require(field, LENGTH, what)
        values: list[int] = []
        position = field.start
        while position < field.end:
            if len(values) == MAX_INTEGERS:
                raise self.error(position, f"at most {MAX_INTEGERS} {what}", "more")
            value, position = self._varint(position, field.end, what)
            values.append(value)
        return values

    def floats(self, field: Field, dtype: np.dtype[Any], what: str) -> NDArray[Any]:
        """Numbers of a fixed width, packed or not, as a one-dimensional view of the file."""
        if field.wire != LENGTH:
            self.require(field, FIXED64 if dtype.itemsize == 8 else FIXED32, what)
            return np.ndarray((field.count,), dtype, self.data, field.start, (field.stride,))
        length = field.end - field.start
        if length % dtype.itemsize:
            raise self.error(field.start, f"{what} in multiples of {dtype.itemsize} bytes", f"{length} bytes")
        return np.ndarray((length // dtype.itemsize,), dtype, self.data, field.start)

    def require(self, field: Field, wire: int, what: str) -> None:
        """Check the wire type of a field."""
        if field.wire != wire:
            raise self.error(
                field.offset, f"{what} ({WIRE_NAMES[wire]})", f"a {WIRE_NAMES[field.wire]} field"
            )

    def error(self, offset: int, expected: str, found: str) -> WeightsError:
        """The error for a place in the file."""
        return WeightsError(
            f"{self.path}: damaged at byte {offset} of {len(self.data)}: expected {expected}, found {found}"
        )

    def _field(self, offset: int, end: int) -> Field:
        tag, start = self._varint(offset, end, "a field")
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise self.error(offset, "a field number from 1 to 536870911", str(number))
        if wire == VARINT:
            value, after = self._varint(start, end, f"the value of field {number}")
            return Field(number, wire, offset, start, after, value)
        if wire == LENGTH:
            length, start = self._varint(start, end, f"the length of field {number}")
            if length > end - start:
                raise self.error(
                    offset, f"{length} bytes in field {number}", f"{end - start} to the end of the message"
                )
            return Field(number, wire, offset, start, start + length)
        if wire in WIDTHS:
            return self._run(number, wire, offset, start, end)
        raise self.error(offset, "a wire type of 0, 1, 2 or 5 (groups are not read)", str(wire))

    def _run(self, number: int, wire: int, offset: int, start: int, end: int) -> Field:
        """Join the fields that follow with the very same tag, as writers that do not pack leave them."""
        stride = start - offset + WIDTHS[wire]
        most = (end - offset) // stride
        if not most:
            raise self.error(offset, f"{WIDTHS[wire]} bytes in field {number}", f"{end - start}")
        tag = np.frombuffer(self.data[offset:start], np.uint8)
        tags = np.ndarray((most, len(tag)), np.uint8, self.data, offset, (stride, 1))
        count, step = 1, 16
        while count < most:
            differs = (tags[count : count + step] != tag).any(axis=1)
            if differs.any():
                count += int(differs.argmax())
                break
            if step >= 2**16:
                self.data.release(offset + count * stride, offset + (count + step) * stride)
            count += len(differs)
            step = min(step * 2, 2**20)
        return Field(number, wire, offset, start, offset + count * stride, count=count, stride=stride)

    def _varint(self, position: int, end: int, what: str) -> tuple[int, int]:
        value = shift = 0
        for index in range(position, min(position + 10, end)):
            byte = self.data[index]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), index + 1
            shift += 7
        if end - position >= 10:
            raise self.error(position, f"{what} as a varint of at most 10 bytes", "a longer one")
        raise self.error(position, what, "the end of the message")
