"""Settings of a server: address, access, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from i2v_search.choices import Device
from i2v_search.errors import ServerError

#: A token shorter than this could be guessed.
SHORTEST_TOKEN = 16
#: Pixels of the longer side that a large picture has at most.
LARGE_SIDE = 2048


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        host: that it binds to; one that is not of this machine alone needs a token.
        token: that clients must show; None lets everybody in who reaches it.
        allow_origins: web origins (``https://example.org``) whose pages may call the API.
        allow_hosts: names, besides its own, under which it answers.
        workers: threads that search, each with the collection open for itself.
        queue: requests that may wait for each of the pools before one is refused.
        max_upload_bytes: of an uploaded file.
        max_upload_pixels: of an uploaded picture.
        max_body_bytes: of any other request.
        head_seconds: in which the head of a request must have arrived.
        body_seconds: in which a request must have arrived as a whole.
        stall_seconds: in which a client must take something of its answer.
        idle_seconds: for which a connection without a request is kept.
        decode_seconds: in which a picture must be decoded.
        request_seconds: after which a request is given up.
        buffered_bytes: of all requests that are arriving, together.
        connections: open at once.
        rate: searches, uploads and morphs that one address may ask for in a second, in the long run.
        picture_rate: all other requests of one address in a second.
        burst: seconds' worth of requests that may come at once.
        uploads_kept: uploaded pictures that are remembered.
        thumbnail_bytes: of all thumbnails on disk.
        cache: folder of the thumbnails; None takes the user's cache folder.
        device: where uploads are encoded.

    Raises:
        ServerError: a host that others reach without a token, a short token, or a number that makes no sense.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    workers: int = 2
    queue: int = 32
    max_upload_bytes: int = 20 * 2**20
    max_upload_pixels: int = 50_000_000
    max_body_bytes: int = 64 * 2**10
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    stall_seconds: float = 20.0
    idle_seconds: int = 15
    decode_seconds: float = 10.0
    request_seconds: float = 120.0
    buffered_bytes: int = 128 * 2**20
    connections: int = 256
    rate: float = 50.0
    picture_rate: float = 400.0
    burst: float = 4.0
    uploads_kept: int = 256
    thumbnail_bytes: int = 512 * 2**20
    cache: Path | None = None
    device: Device = Device()

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise ServerError(
                f"{self.host} is reachable from other machines and requires a token; set one with --token "
                "or I2V_SEARCH_TOKEN, or listen on 127.0.0.1"
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise ServerError(
                f"the token must have at least {SHORTEST_TOKEN} ASCII characters, not {len(self.token)}; "
                'make one: python3 -c "import secrets; print(secrets.token_urlsafe())"'
            )
        for origin in self.allow_origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ServerError(f"an origin must be of the form https://example.org, not {origin!r}")
        least = {"workers": 1, "max_upload_bytes": 1, "max_upload_pixels": 1, "connections": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ServerError(f"{name} must be at least {bound}, not {getattr(self, name)}")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
