"""Output of commands: two streams, in which untrusted names cannot control the terminal.

All text passes `i2v_search.escapes.visible` here, including warnings, logs and tracebacks. Only `as_json` and
`paths`, which are for programs, are raw.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

from rich.console import Console as RichConsole
from rich.console import ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from i2v_search.escapes import visible, visible_lines

#: Of what is no terminal: lines are as long as they are, for grep and for logs.
_NO_WIDTH = 100_000


class Console(RichConsole):
    """A console that escapes control characters before layout.

    One string is one line: a line feed in it comes from a name, and is escaped too. Emoji codes are disabled.

    Args:
        stderr: write to the error stream.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False)
        self._width = None  # rich keeps COLUMNS as it was here; `size` asks for it each time

    @property
    def file(self) -> IO[str]:
        """The stream behind all that stands in for it: while bars are shown, rich puts a second one there."""
        file = super().file
        while (behind := getattr(file, "rich_proxied_file", None)) is not None:
            file = behind
        return file

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    @property
    def interactive(self) -> bool:
        """Whether the stream is a terminal, even if FORCE_COLOR makes rich treat a pipe as one."""
        return self.file.isatty()

    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        """Columns and lines of the terminal, or COLUMNS; otherwise nothing is folded or cut."""
        known = super().size
        if self.interactive or os.environ.get("COLUMNS", "").isdigit():
            return known
        return ConsoleDimensions(_NO_WIDTH, known.height)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as text: every printed string passes here, also in the cells of tables."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render segments; texts that were never a string, as those of bars, are escaped here."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print; a line of text is never folded, because it may hold a path to copy; a table is laid out."""
        if soft_wrap is None:
            soft_wrap = all(isinstance(told, str) for told in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)
        if not self.interactive:
            self.file.flush()  # who follows a log sees each line when it is said

    def section(self, text: str) -> None:
        """A line that parts what follows from what was before, ruled if there is a screen to rule."""
        if self.interactive:
            self.rule(text)
        else:
            self.print(f"== {text} ==")


out = Console()
err = Console(stderr=True)


def as_json(document: Any) -> None:
    """Print one JSON document: always ASCII, never coloured."""
    json_line(document, indent=2)


def json_line(document: Any, *, indent: int | None = None) -> None:
    """Print a document as a line of ASCII."""
    # JSON leaves DEL as it is; of all ASCII it is the only control character that it leaves.
    sys.stdout.write(json.dumps(document, indent=indent).replace("\x7f", "\\u007f") + "\n")


def paths(names: Iterable[bytes], *, null: bool = False) -> None:
    """Print file paths byte for byte; on a terminal escaped, as GNU find does.

    Args:
        names: names of the files.
        null: end each path with NUL instead of a line feed.
    """
    for name in names:
        if null:
            sys.stdout.buffer.write(name + b"\0")
        elif sys.stdout.isatty():
            sys.stdout.write(visible(os.fsdecode(name)) + "\n")
        else:
            sys.stdout.buffer.write(name + b"\n")


@contextmanager
def csv_stream() -> Iterator[TextIO]:
    """Standard output for a CSV table: always UTF-8, with the line ends of CSV files."""
    sys.stdout.flush()
    stream = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "surrogateescape", newline="", write_through=True)
    try:
        yield stream
    finally:
        stream.detach()  # or it would close standard output


class _Escaping:
    """A text stream that escapes control characters; rich uses the underlying stream for colours."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write a text; its line feeds are kept."""
        return self.rich_proxied_file.write(visible_lines(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def guard_streams() -> None:
    """Replace standard output and standard error by streams that never fail to encode and escape control
    characters.

    A closed stream (``>&-``) is replaced by the null device: otherwise the next opened file, e.g. of the
    collection, would get its number and what libraries write there. Characters missing from another encoding
    than UTF-8 are escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdout = _guarded(sys.stdout, 1)
    sys.stderr = _guarded(sys.stderr, 2)


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        stream = open(number, "w", closefd=False, encoding="utf-8")  # noqa: SIM115 - for the whole process
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return cast(TextIO, _Escaping(stream))


def flush_streams() -> None:
    """Flush the streams at the end of a command.

    Raises:
        BrokenPipeError: the reader is gone.
        OSError: the disk is full. In both cases the rest is discarded, or the interpreter would try again.
    """
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            raise
