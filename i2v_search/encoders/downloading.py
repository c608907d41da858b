"""Files fetched over HTTP: resumed where they broke off, and checked before anything else reads them.

Only `getting` uses it. A file is written as ``NAME.part``, with ``NAME.part.json`` beside it that says where
it came from, and is called ``NAME`` once it is whole and has the right size and SHA-256. What was received is
kept for the next try where it is a beginning of the file (RFC 9110: ``Range``, ``If-Range``), and is deleted
where it is not.
"""

from __future__ import annotations

import errno
import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from i2v_search.errors import DownloadError
from i2v_search.files import file_sha256, naming, sync, write_atomically
from i2v_search.progress import Progress, Report, silent

PART, NOTES = ".part", ".part.json"
_BLOCK: Final = 2**18
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: Answers after which the same request may succeed.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSALS: Final = {
    401: "an account is required",
    403: "an account or the acceptance of a licence may be required",
    404: "there is no such file any more",
    407: "the proxy requires a password",
    410: "there is no such file any more",
}


@dataclass(frozen=True)
class Expected:
    """What a file must be.

    Attributes:
        size: its bytes; None where nobody recorded them.
        limit: most bytes that are accepted.
        sha256: its SHA-256 or the beginning of it, lower-case hex; None where nobody recorded it.
    """

    size: int | None
    limit: int
    sha256: str | None


@dataclass(frozen=True)
class Patience:
    """When a download is given up.

    Attributes:
        seconds: that may pass without an answer, or at less than `slowest`.
        slowest: bytes a second.
        attempts: tries in a row that bring next to nothing.
        pause: seconds before such a try, doubled with each.
    """

    seconds: float = 30.0
    slowest: float = 1000.0
    attempts: int = 4
    pause: float = 1.0

    @property
    def least(self) -> float:
        """Bytes that a try must bring."""
        return self.slowest * self.seconds


class _BrokenOffError(Exception):
    """A transfer ended before the file did; another try may continue it."""


class _NotABeginningError(Exception):
    """What is kept is not a beginning of the file that the server has now."""


def download(
    url: str,
    target: Path,
    expected: Expected,
    *,
    plain: bool = False,
    report: Report = silent,
    stage: str = "",
    patience: Patience = Patience(),
) -> str:
    """Download a file; a call after one that failed continues where that one stopped.

    Args:
        url: its address, https.
        target: the file to write; its folder exists.
        expected: what it must be.
        plain: allow http, which a mirror in one's own network may speak; loopback may always.
        report: called with bytes.
        stage: what the progress is called; the name of `target` if empty.
        patience: when to give up.

    Returns:
        Its SHA-256.

    Raises:
        DownloadError: the file cannot be fetched or is not as expected. The message says what to do.
    """
    _check_address(url, plain=plain)
    transfer = _Transfer(url, target, expected, report, stage or target.name, patience)
    transfer.run()
    found = file_sha256(transfer.part)
    if expected.sha256 is not None and not found.startswith(expected.sha256):
        transfer.discard()
        raise DownloadError(
            f"{url} has SHA-256 {found}, expected {expected.sha256}; it is another file, or was changed"
        )
    with naming(target):
        with transfer.part.open("rb+") as file:
            sync(file.fileno())
        transfer.part.replace(target)
    transfer.notes.unlink(missing_ok=True)
    return found


@dataclass
class _Transfer:
    url: str
    target: Path
    expected: Expected
    report: Report
    stage: str
    patience: Patience

    def __post_init__(self) -> None:
        self.part = self.target.with_name(self.target.name + PART)
        self.notes = self.target.with_name(self.target.name + NOTES)
        self.total = self.expected.size
        address = urlsplit(self.url)
        handler = _Redirects(address.hostname if address.scheme == "http" else None)
        self._open = build_opener(handler).open

    def run(self) -> None:
        """Fetch until the part is whole."""
        fruitless = 0
        while True:
            before = self.received()
            try:
                self._fetch(before)
            except _NotABeginningError:
                self.discard()
                reason = "the server's file is another one than before"
            except _BrokenOffError as broken:
                reason = str(broken)
            else:
                return
            fruitless = fruitless + 1 if self.received() - before < self.patience.least else 0
            if fruitless >= self.patience.attempts:
                raise DownloadError(f"{self.url}: {reason}; {self._kept()}")
            if fruitless:
                time.sleep(self.patience.pause * 2 ** (fruitless - 1))

    def received(self) -> int:
        """Bytes that are kept, from this address or, where the SHA-256 will tell, from another."""
        try:
            size = self.part.stat().st_size
        except FileNotFoundError:
            return 0
        address = self._noted("url")
        if address == self.url or (address and self.expected.sha256):
            return size
        self.discard()
        return 0

    def discard(self) -> None:
        """Delete what was received."""
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def _noted(self, name: str) -> str | None:
        try:
            value = json.loads(self.notes.read_bytes())[name]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return value if isinstance(value, str) else None

    def _fetch(self, done: int) -> None:
        if done and done == self.expected.size:
            return
        with self._space(), self._ask(done) as response:
            start = done if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            self._check_head(response, start)
            block = self._read(response)
            if not start:
                if _is_page(block):
                    raise self._page()
                self.part.unlink(missing_ok=True)
                notes = {"url": self.url, "validator": _validator(response)}
                write_atomically(self.notes, json.dumps(notes).encode())
            self._receive(response, start, block)

    def _ask(self, done: int) -> Any:
        """The answer to a request for what is missing."""
        headers = {"User-Agent": f"i2v-search/{version('i2v-search')}", "Accept-Encoding": "identity"}
        validator = self._noted("validator") if self._noted("url") == self.url else None
        if done and (validator or self.expected.sha256):
            headers["Range"] = f"bytes={done}-"
            if validator:
                headers["If-Range"] = validator
        request = Request(self.url, headers=headers)  # noqa: S310 - _check_address
        try:
            return self._open(request, timeout=self.patience.seconds)
        except HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
                raise _NotABeginningError from None
            if error.code in _PASSING:
                raise _BrokenOffError(f"the server answers {_status(error)}") from None
            why = _REFUSALS.get(error.code, "the server does not send it")
            raise DownloadError(
                f"{self.url} answers {_status(error)}: {why}; fetch it with a browser, then use --from FOLDER"
            ) from None
        except URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise DownloadError(
                    f"{_host(self.url)} cannot prove who it is ({error.reason.verify_message}); a proxy may "
                    "stand in between"
                ) from None
            raise _BrokenOffError(
                f"no connection to {_host(self.url)} ({_reason(error.reason)}); offline, use --from FOLDER"
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None

    def _read(self, response: Any) -> bytes:
        try:
            return bytes(response.read1(_BLOCK))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> _BrokenOffError:
        if isinstance(error, TimeoutError):
            return _BrokenOffError(f"no data for {self.patience.seconds:g} s")
        return _BrokenOffError(f"the connection broke off ({_reason(error)})")

    def _check_head(self, response: Any, start: int) -> None:
        """Refuse what cannot be the file by its headers."""
        length = response.headers.get("Content-Length", "")
        size = start + int(length) if length.isdecimal() and len(length) < 16 else None
        if start:
            unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
            whole = rest.rpartition("/")[2]
            if unit != "bytes" or not rest.startswith(f"{start}-"):
                raise _NotABeginningError
            size = int(whole) if whole.isdecimal() and len(whole) < 16 else size
        if response.headers.get_content_type() == "text/html":
            raise self._page()
        if size is not None and size != (self.expected.size or size):
            raise DownloadError(f"{self.url} has {size:,} bytes; expected {self.expected.size:,}")
        self._check_size(size or 0)
        self.total = self.expected.size or size

    def _receive(self, response: Any, start: int, block: bytes) -> None:
        """Append the body, of which `block` was read, to the part."""
        done, watch = start, _Watch(self.patience)
        with self.part.open("ab", buffering=0) as file:
            while block:
                if done + len(block) > self.expected.limit:
                    self.discard()
                self._check_size(done + len(block))
                _write(file, block)
                done += len(block)
                self.report(Progress(self.stage, done, self.total, unit="bytes"))
                if watch.is_slow(len(block)):
                    raise _BrokenOffError(f"less than {self.patience.slowest:,.0f} bytes a second")
                block = self._read(response)
        if self.total is not None and done < self.total:
            raise _BrokenOffError(f"the connection broke off after {done:,} of {self.total:,} bytes")

    @contextmanager
    def _space(self) -> Iterator[None]:
        """A full disk as our error."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            missing = "" if self.total is None else f" {self.total - self.received():,} bytes"
            raise DownloadError(
                f"no space for {self.target.name} in {self.target.parent} ({error.strerror}); free{missing}, "
                f"then {self._kept()}"
            ) from None

    def _check_size(self, size: int) -> None:
        if size > self.expected.limit:
            raise DownloadError(
                f"{self.url} sends more than the expected {self.expected.limit:,} bytes; it is another file"
            )

    def _page(self) -> DownloadError:
        return DownloadError(
            f"{self.url} answers with a web page instead of the file: a proxy or a login stands in between; "
            "open the address in a browser, or use --from FOLDER"
        )

    def _kept(self) -> str:
        kept = self.received()
        of = "" if self.total is None else f" of {self.total:,}"
        again = "run the same command again"
        return f"{again} to continue after {kept:,}{of} bytes" if kept else again


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to https, and to http only on the host where the user began with it."""

    def __init__(self, plain_host: str | None) -> None:
        self._plain_host = plain_host

    def redirect_request(  # noqa: PLR0917 - urllib's
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """The next request."""
        to = urlsplit(newurl)
        if to.scheme != "https" and not (to.scheme == "http" and to.hostname == self._plain_host):
            fp.close()
            raise DownloadError(
                f"{_host(req.full_url)} redirects to {to.scheme}://{to.hostname}, without encryption (TLS); "
                "refused"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Watch:
    """Tells a transfer that only trickles."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since, self._bytes = time.monotonic(), 0

    def is_slow(self, count: int) -> bool:
        """Count bytes; whether the last `Patience.seconds` brought too few."""
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds < self._patience.seconds:
            return False
        slow = self._bytes < self._patience.slowest * seconds
        self._since, self._bytes = time.monotonic(), 0
        return slow


def _check_address(url: str, *, plain: bool) -> None:
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        scheme, host = "", None
    if not host or not (scheme == "https" or (scheme == "http" and (plain or _is_loopback(host)))):
        raise DownloadError(f"{url} is no https address; models are downloaded over https only")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _validator(response: Any) -> str | None:
    """What `If-Range` can compare: a strong entity tag."""
    tag = response.headers.get("ETag")
    return tag if isinstance(tag, str) and tag.startswith('"') else None


def _is_page(block: bytes) -> bool:
    return block.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))


def _status(error: HTTPError) -> str:
    return f"{error.code} {http.client.responses.get(error.code, '')}".rstrip()


def _write(file: Any, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _reason(error: Any) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
