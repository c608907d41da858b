"""Protobuf's text format, as far as configurations use it: ``name: value`` and ``name { ... }``.

Source: "Text Format Language Specification" (Protocol Buffers documentation). Without a schema every value is
kept as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from i2v_search.errors import WeightsError

MAX_DEPTH = 32
_TOKEN = re.compile(
    r"""(?>(?:\s+|\#[^\n]*)*)
    (?:(?P<name>[A-Za-z_][\w.]*)
      |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)f?)
      |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      |(?P<mark>[{}<>\[\]:;,])
      |(?P<end>\Z))""",
    re.VERBOSE,
)

Value: TypeAlias = "str | Message"


@dataclass(frozen=True)
class Message:
    """A message of the text format: its fields in order. Numbers and words are kept as they are written."""

    fields: tuple[tuple[str, Value], ...]

    def texts(self, name: str) -> list[str]:
        """Every scalar of a field."""
        return [value for key, value in self.fields if key == name and isinstance(value, str)]

    def messages(self, name: str) -> list[Message]:
        """Every nested message of a field."""
        return [value for key, value in self.fields if key == name and isinstance(value, Message)]


def parse_text(text: str, path: Path) -> Message:
    """Parse a whole file.

    Args:
        text: its content.
        path: named in messages.

    Raises:
        WeightsError: it is not valid; the message names the line.

    Example:
        >>> parse_text("dim: 1 dim: 3 # comment", Path("net.prototxt")).texts("dim")
        ['1', '3']
    """
    return _Parser(text, path).message("")


class _Parser:
    def __init__(self, text: str, path: Path) -> None:
        self._text, self._path, self._position = text, path, 0
        self._kind = self._token = ""
        self._advance()

    def message(self, closing: str, depth: int = 0) -> Message:
        """The fields up to a closing mark; the end of the file is ``""``."""
        if depth > MAX_DEPTH:
            raise self._error(f"at most {MAX_DEPTH} messages inside one another")
        fields: list[tuple[str, Value]] = []
        while not (self._kind in {"end", "mark"} and self._token == closing):
            if self._kind != "name":
                raise self._error(f"a field's name or {closing or 'the end of the file'!r}")
            name = self._take()
            colon = self._skip(":")
            if self._kind == "mark" and self._token in {"{", "<"}:
                fields.append((name, self.message("}" if self._take() == "{" else ">", depth + 1)))
                self._advance()
            elif not colon:
                raise self._error("':' or '{'")
            elif self._skip("["):
                while not self._skip("]"):
                    fields.append((name, self._value()))
                    self._skip(",")
            else:
                fields.append((name, self._value()))
            self._skip(";")
            self._skip(",")
        return Message(tuple(fields))

    def _value(self) -> str:
        if self._kind == "text":
            parts = []
            while self._kind == "text":
                parts.append(re.sub(r"\\(.)", r"\1", self._take()[1:-1]))
            return "".join(parts)
        if self._kind not in {"name", "number"}:
            raise self._error("a value")
        return self._take()

    def _take(self) -> str:
        token = self._token
        self._advance()
        return token

    def _skip(self, mark: str) -> bool:
        found = self._kind == "mark" and self._token == mark
        if found:
            self._advance()
        return found

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            raise self._error("a name, a number, quoted text or a bracket")
        self._kind = match.lastgroup or ""
        self._token = match[self._kind]
        self._position = match.end()

    def _error(self, expected: str) -> WeightsError:
        line = self._text.count("\n", 0, self._position) + 1
        found = self._token or "the end of the file"
        return WeightsError(f"{self._path}, line {line}: expected {expected}, found {found[:40]!r}")
