"""A server of files on loopback that does what it is told, right or wrong, and remembers what was asked."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

#: Answers one request; the second argument is the content that belongs to the address.
Behaviour: TypeAlias = "Callable[[Handler, bytes], None]"


@dataclass
class FileServer:
    """Files by their path, and behaviours of the next requests; later ones are served as they should be."""

    files: dict[str, bytes] = field(default_factory=dict)
    behaviours: list[Behaviour] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: FileServer

    def do_GET(self) -> None:
        served, path = self.served, self.path.partition("?")[0].lstrip("/")
        served.asked.append((path, dict(self.headers)))
        self.close_connection = True
        behave = served.behaviours.pop(0) if served.behaviours else proper
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            behave(self, served.files.get(path, b""))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    served = FileServer()
    handler = type("Bound", (Handler,), {"served": served})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.over.set()
            server.shutdown()
            thread.join(120)


def tag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def proper(handler: Handler, content: bytes) -> None:
    """Serve the file, or the part of it that was asked for."""
    if not content:
        handler.head(404, Content_Length=0)
        return
    start = start_of(handler, content)
    if start >= len(content):
        handler.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
        return
    rest = content[start:]
    headers = {
        "ETag": tag_of(content),
        "Content_Length": len(rest),
        "Content_Type": "application/octet-stream",
    }
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.head(206 if start else 200, **headers)
    handler.body(rest)


def start_of(handler: Handler, content: bytes) -> int:
    """Where what was asked for begins; 0 where the file is another one by now."""
    asked = handler.headers.get("Range", "bytes=0-")
    if handler.headers.get("If-Range", tag_of(content)) != tag_of(content):
        return 0
    return int(asked.removeprefix("bytes=").removesuffix("-"))


def cut(count: int) -> Behaviour:
    """Close the connection after so many bytes of the body."""

    def behave(handler: Handler, content: bytes) -> None:
        start = start_of(handler, content)
        rest = content[start:]
        headers = {"ETag": tag_of(content), "Content_Length": len(rest)}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if start else 200, **headers)
        handler.body(rest[:count])

    return behave


def cut_chunked(count: int) -> Behaviour:
    """Close the connection inside a body without a length."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.head(200, Transfer_Encoding="chunked")
        handler.body(b"%x\r\n" % len(content) + content[:count])

    return behave


def chunked(handler: Handler, content: bytes) -> None:
    """Serve the file without saying how long it is."""
    handler.head(200, Transfer_Encoding="chunked")
    handler.body(b"%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n")


def whole(handler: Handler, content: bytes) -> None:
    """Serve the whole file, whatever part was asked for, with nothing to recognise it by."""
    handler.head(200, Content_Length=len(content))
    handler.body(content)


def other(content: bytes) -> Behaviour:
    """Serve another content."""
    return lambda handler, _: whole(handler, content)


def status(code: int, **headers: object) -> Behaviour:
    """Answer with a status alone."""
    return lambda handler, _: handler.head(code, Content_Length=0, **headers)


def page(kind: str) -> Behaviour:
    """Answer with a web page, declared as `kind`."""
    content = b"<!DOCTYPE html>\n<title>Log in to the hotel's network</title>"

    def behave(handler: Handler, _: bytes) -> None:
        handler.head(200, Content_Length=len(content), Content_Type=kind)
        handler.body(content)

    return behave


def hang(count: int) -> Behaviour:
    """Send so many bytes of the file, then nothing until the test is over."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.head(200, ETag=tag_of(content), Content_Length=len(content))
        handler.body(content[:count])
        handler.served.over.wait(120)

    return behave


def trickle(handler: Handler, content: bytes) -> None:
    """Send a byte every few milliseconds."""
    handler.head(200, Content_Length=len(content))
    for byte in content:
        if handler.served.over.wait(0.005):
            return
        handler.body(bytes([byte]))
