"""The file of a form that was sent as ``multipart/form-data`` (RFC 7578).

The form is parsed in memory: Starlette's parser would write a large file to the disk.
"""

from __future__ import annotations

from email.message import Message

from i2v_search.web.guard.failures import Failure

FIELD = "file"


def file_of_form(body: bytes, content_type: str) -> bytes:
    """The content of the field `file` of a form.

    Args:
        body: the body of the request.
        content_type: its Content-Type, which has the boundary of the parts.

    Raises:
        Failure: the form has no such field, or is none.

    Example:
        >>> body = (b'--x\\r\\nContent-Disposition: form-data; name="file"; filename="a.png"\\r\\n\\r\\n'
        ...         b'pixels\\r\\n--x--\\r\\n')
        >>> file_of_form(body, "multipart/form-data; boundary=x")
        b'pixels'
    """
    boundary = _parameter(content_type, "boundary")
    if not boundary or not boundary.isascii():
        raise Failure("unsupported_type", "the form's Content-Type has no boundary")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii"))
    if not parts or not parts.pop().startswith(b"--"):
        raise Failure("unsupported_type", "the form has no end: it was cut off, or its boundary is another")
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-disposition" and _parameter(value, "name") == FIELD:
                return content
    raise Failure("unsupported_type", f"the form has no field {FIELD!r} with a picture")


def _parameter(header: str, name: str) -> str:
    """A parameter of a header such as ``form-data; name="file"``; empty if it has none."""
    message = Message()
    message["Content-Type"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name)
    return found if isinstance(found, str) else ""
