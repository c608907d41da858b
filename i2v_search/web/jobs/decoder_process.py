"""The process that decodes pictures: ``python -P -m i2v_search.web.jobs.decoder_process [NICENESS]``.

A decoder that hangs or crashes affects only this process. A message has two parts, each an 8-byte length and
that many bytes: JSON and the file's content in a request, JSON and the pixels in a response. Orders: see
`opened_picture`.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import IO, Any

#: What the process may map: the largest pictures need a few hundred megabytes.
MOST_MEMORY = 4 * 2**30
_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], head: dict[str, Any], content: bytes = b"") -> None:
    """Write a message."""
    line = json.dumps(head).encode()
    for piece in (line, content):
        stream.write(_LENGTH.pack(len(piece)))
        stream.write(piece)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Read a message.

    Raises:
        EOFError: the other side has closed the pipe.
    """
    head = json.loads(_piece(stream))
    return head, _piece(stream)


def _piece(stream: IO[bytes]) -> bytes:
    length = _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


def main() -> None:
    """Decode pictures from standard input until it ends."""
    from i2v_search.errors import ImageError
    from i2v_search.web.jobs.opened_picture import Opener

    if hasattr(os, "nice"):  # not on Windows
        os.nice(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    _limit_memory()
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    send(answers, {"ready": True})
    opener = Opener()
    while True:
        try:
            order, content = receive(asked)
        except EOFError:
            return
        try:
            head, pixels = opener.answer(order, content)
        except ImageError as error:
            head, pixels = {"error": error.reason}, b""
        send(answers, head, pixels)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    main()
