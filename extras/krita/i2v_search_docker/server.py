"""The server of i2v-search on this computer, asked with Python's own library alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

USUAL = "http://127.0.0.1:8800"
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost)(:\d{1,5})?")
#: Seconds that an answer may take.
_PATIENCE = 20.0
#: Bytes of an answer.
_LARGEST = 64 * 2**20


class ServerProblem(Exception):  # noqa: N818 - what a person is told
    """What went wrong, in words for a person."""


@dataclass(frozen=True)
class Found:
    """A picture like the one that was sent.

    Attributes:
        id: its id in the collection.
        name: name of its file.
        score: how alike it is; 1 is the same.
        thumbnail: a small WebP.
    """

    id: int
    name: str
    score: float
    thumbnail: bytes


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Go nowhere else: the token is for this server alone."""


@dataclass(frozen=True)
class Server:
    """A server and what proves that a person connected Krita to it.

    Attributes:
        address: on this computer.
        token: from the menu of collections on its page.
    """

    address: str
    token: str

    @classmethod
    def read(cls, text: str) -> Server:
        """What the page of i2v-search put on the clipboard.

        Raises:
            ServerProblem: it is no such address.
        """
        address, _, token = text.strip().partition("#token=")
        address = address.rstrip("/")
        if _LOOPBACK.fullmatch(address) is None or not token:
            raise ServerProblem(
                "Open the menu beside the collection's name on the page of i2v-search, press “Connect a "
                "browser or Krita”, and paste here."
            )
        return cls(address, token)

    def find(self, picture: bytes, top: int = 24) -> list[Found]:
        """The pictures of the collection most like one.

        Args:
            picture: its file.
            top: how many.

        Raises:
            ServerProblem: the server does not answer, or refuses.
        """
        sent = json.loads(self._ask("uploads", picture, "image/png"))
        wanted = {"examples": [{"upload": sent["upload"]}], "top": top}
        answer = json.loads(self._ask("search", json.dumps(wanted).encode(), "application/json"))
        return [
            Found(hit["id"], hit["path"].rpartition("/")[2], hit["score"], self._thumbnail(hit))
            for hit in answer["hits"]
        ]

    def picture(self, number: int) -> bytes:
        """A picture of the collection: a WebP of at most 2048 pixels a side.

        Raises:
            ServerProblem: the server does not answer, or the picture's file is gone.
        """
        return self._ask(f"images/{number}/large")

    def _thumbnail(self, hit: dict[str, Any]) -> bytes:
        try:
            return self._ask(f"images/{hit['id']}/thumbnail?size=160&v={hit['version']}")
        except ServerProblem:  # its file is gone; the others are there
            return b""

    def _ask(self, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", **({"Content-Type": kind} if kind else {})}
        request = Request(f"{self.address}/api/v1/{path}", body, headers)  # noqa: S310 - loopback
        opener = build_opener(ProxyHandler({}), _NoRedirects)
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                content: bytes = answer.read(_LARGEST)
        except HTTPError as error:
            raise ServerProblem(_reason(error)) from error
        except (OSError, HTTPException) as error:
            raise ServerProblem(f"i2v-search does not answer at {self.address}. Is it running?") from error
        return content


def _reason(error: HTTPError) -> str:
    try:
        message = json.loads(error.read(10_000))["error"]["message"]
    except (OSError, ValueError, KeyError, TypeError):
        message = str(error.code)
    return f"i2v-search refused it: {message}"
