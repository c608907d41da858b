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
        host: address to listen on; one reachable from other machines requires a token.
        token: token that clients must send; None disables it.
        allow_origins: web origins (``https://example.org``) allowed to call the API.
        allow_hosts: additional host names of the server.
        workers: number of search threads, each with its own open collection.
        queue: maximum number of waiting requests per pool.
        max_upload_bytes: maximum size of an uploaded file.
        max_upload_pixels: maximum number of pixels of an uploaded picture.
        max_body_bytes: maximum size of any other request.
        head_seconds: time limit for the head of a request.
        body_seconds: time limit for a whole request.
        stall_seconds: time limit in which a client must read part of a response.
        idle_seconds: maximum idle time of a connection.
        decode_seconds: time limit for decoding a picture.
        request_seconds: time limit of a request.
        buffered_bytes: maximum total size of all incoming requests.
        connections: maximum number of open connections.
        rate: maximum searches, uploads and morphs per second and address, on average.
        picture_rate: maximum other requests per second and address.
        burst: seconds' worth of requests that can arrive at once.
        uploads_kept: number of uploaded pictures to keep.
        cache_bytes: maximum total size of the thumbnails and maps on disk, also of several servers.
        cache: folder of the thumbnails and maps; None uses the user's cache folder.
        device: device that encodes uploads.
        launch_token: proof that a request comes from the page that this start of the server opened: only
            with it may files be shown in the desktop. None: never; it needs an address of this machine alone.
        app_token: what programs of this computer that a person connected send, such as the browser extension;
            it stays the same from start to start. None: there are none; it needs an address of this machine
            alone.
        watch: keep the collection up to date with its folders; needs watchfiles.
        known: file of the collections that were opened before; None keeps none.
        new_collections: folder of the collections that the page makes; None: it makes none.
        open_with: command of the program that opens pictures; empty for the system's own.

    Raises:
        ServerError: a host reachable from other machines without a token, a short token, or a number out of
            range.
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
    cache_bytes: int = 512 * 2**20
    cache: Path | None = None
    device: Device = Device()
    launch_token: str | None = None
    app_token: str | None = None
    watch: bool = False
    known: Path | None = None
    new_collections: Path | None = None
    open_with: str = ""

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
        if not is_loopback(self.host):
            if self.launch_token is not None:
                raise ServerError(
                    f"{self.host} is reachable from other machines, which may not open files here"
                )
            if self.app_token is not None:
                raise ServerError(
                    f"{self.host} is reachable from other machines, which may not save files here"
                )
        for origin in self.allow_origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ServerError(f"an origin must be of the form https://example.org, not {origin!r}")
        for name in ("workers", "cache_bytes", "max_upload_bytes", "max_upload_pixels", "connections"):
            if getattr(self, name) < 1:
                raise ServerError(f"{name} must be at least 1, not {getattr(self, name)}")


def is_loopback(host: str) -> bool:
    """Whether an address is reachable only from this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
