"""The connection to a Milvus server, or to a file that Milvus Lite keeps: addresses, errors, patience."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from i2v_search.errors import SearchServerError

#: Where the server is, when no option says so; and the token for it, which belongs on no command line.
URI_VARIABLE: Final = "I2V_SEARCH_MILVUS_URI"
TOKEN_VARIABLE: Final = "I2V_SEARCH_MILVUS_TOKEN"  # noqa: S105 - the name of a variable
#: Milvus answers a search, and a query, with no more rows.
MAX_ROWS: Final = 16_384
#: Seconds for which a call to a server that has gone away is repeated, and for which one may take.
PATIENCE: Final = 60.0
CALL_SECONDS: Final = 120.0

#: Milvus Lite may load an index that it is still writing, and says then that the file is empty.
_LOAD_PAUSES: Final = (0.1, 0.3, 1.0)

#: pymilvus asks every 10 s whether an idle server lives, for which Milvus Lite closes the connection.
_CONNECTION: Final = {"grpc.keepalive_time_ms": 60_000, "grpc.keepalive_permit_without_calls": False}

# Codes of `pymilvus.MilvusException`.
_NOT_CONNECTED: Final = 2
_NOT_FOUND: Final = 100
_NOT_LOADED: Final = 101
_RPC_GONE: Final = ("UNAVAILABLE", "CANCELLED")


@dataclass(frozen=True)
class MilvusAddress:
    """Address of a collection on a server.

    Attributes:
        uri: ``http://host:port``, or a file ending in ``.db`` that Milvus Lite keeps.
        name: name of the collection there.
    """

    uri: str
    name: str

    @classmethod
    def parse(cls, uri: str | None, default_name: str) -> MilvusAddress:
        """Read an address, ``http://host:19530`` or ``pictures.db``, optionally with ``#name`` at its end.

        Args:
            uri: None takes the environment variable ``I2V_SEARCH_MILVUS_URI``.
            default_name: the name where the address has none; other characters than letters, digits and
                ``_`` are replaced.

        Raises:
            SearchServerError: there is no address, or it is not one.

        Example:
            >>> MilvusAddress.parse("http://127.0.0.1:19530#art", "default")
            MilvusAddress(uri='http://127.0.0.1:19530', name='art')
            >>> MilvusAddress.parse("art.db", "my-pictures").name
            'my_pictures'
        """
        given = uri or os.environ.get(URI_VARIABLE, "")
        place, _, name = given.partition("#")
        if not place:
            raise SearchServerError(
                "no Milvus server given; use --milvus-uri http://127.0.0.1:19530, or a file such as "
                f"pictures.db, or set {URI_VARIABLE}"
            )
        if not re.match(r"(https?|tcp|unix)://.", place) and not place.endswith(".db"):
            raise SearchServerError(
                f"{place!r} is not a Milvus address; use http://host:port, or a file name that ends in .db"
            )
        wanted = name or re.sub(r"\W", "_", default_name, flags=re.ASCII)
        if not name and not re.match(r"[A-Za-z_]", wanted):
            wanted = f"_{wanted}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,199}", wanted) or re.search(r"__\d+(_of)?$", wanted):
            raise SearchServerError(
                f"{wanted!r} is not a valid name of a Milvus collection: letters, digits and _ only, no "
                f"leading digit, and no __ with a number at the end; use another: --milvus-uri {place}#NAME"
            )
        return cls(place, wanted)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: a file, a socket, or a loopback address.

        >>> [MilvusAddress(uri, "art").is_local for uri in ("art.db", "http://[::1]:19530", "http://a.example")]
        [True, True, False]
        """
        if self.uri.endswith(".db") or self.uri.startswith("unix:"):
            return True
        host = urlsplit(self.uri).hostname or ""
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def text(self) -> str:
        """The address as it is given, without a password."""
        return re.sub(r"//[^/@]*@", "//", self.uri) + f"#{self.name}"


class MilvusServer:
    """An open connection; every call goes through `call`.

    Args:
        address: where.
        patience: seconds for which a call is repeated while the server is away.

    Raises:
        SearchServerError: the client is not installed, or nothing answers there.
    """

    def __init__(self, address: MilvusAddress, *, patience: float = 0.0) -> None:
        self.address, self.patience = address, patience
        #: How often the server was away during a call.
        self.interruptions = 0
        try:
            import pymilvus
        except ImportError as error:
            raise SearchServerError(
                f"the Milvus client is not installed ({error}); run: pip install 'i2v-search[milvus]'"
            ) from error
        # It writes every failure, with its traceback, to the error stream; they come as exceptions besides.
        for name in ("pymilvus", "milvus_lite"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.pymilvus = pymilvus
        self.client: Any = self._patiently(self._connect)
        version = self.client.get_server_version()
        #: Whether it is Milvus Lite, which lacks several kinds of index.
        self.lite = "lite" in str(version).lower()

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of `pymilvus.MilvusClient`, the name of a Milvus collection being its first argument.

        While the server is away the call is repeated, for as long as `patience` says; all our calls may be.
        A collection that a restarted server has not loaded is loaded.

        Raises:
            SearchServerError: the server cannot be reached, or refuses.
        """
        return self._patiently(lambda: self._once(method, *arguments, **options))

    def load(self, name: str) -> None:
        """Have the server hold a collection ready for searches."""
        for pause in _LOAD_PAUSES:
            try:
                return self._load(name)
            except SearchServerError:
                if not self.lite:
                    raise
                time.sleep(pause)
        return self._load_anew(name)

    def _load_anew(self, name: str) -> None:
        """Load a collection whose index Milvus Lite was killed while writing.

        The index is made of the rows again, with Milvus's own parameters: Lite does not tell those it had.
        """
        known = self.call("describe_index", name, "vector")
        self.call("drop_index", name, "vector")
        parameters = self.client.prepare_index_params()
        parameters.add_index("vector", index_type=known["index_type"], metric_type=known["metric_type"])
        self.call("create_index", name, parameters)
        self._load(name)

    def _load(self, name: str) -> None:
        self.call("load_collection", name)

    def exists(self, name: str) -> bool:
        """Whether the server has a collection."""
        return bool(self.call("has_collection", name))

    def drop(self, name: str) -> None:
        """Remove a collection, if it is there."""
        if self.exists(name):
            self.call("drop_collection", name)

    def count(self, name: str, expression: str = "") -> int:
        """Number of rows of a collection that match an expression now."""
        found = self.call(
            "query", name, filter=expression, output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(found[0]["count(*)"])

    def _once(self, method: str, *arguments: Any, **options: Any) -> Any:
        options.setdefault("timeout", CALL_SECONDS)
        try:
            return getattr(self.client, method)(*arguments, **options)
        except self.pymilvus.MilvusException as error:
            if error.code != _NOT_LOADED:
                raise
        self.client.load_collection(arguments[0], timeout=CALL_SECONDS)
        return getattr(self.client, method)(*arguments, **options)

    def _patiently(self, attempt: Callable[[], Any]) -> Any:
        started, pause = time.monotonic(), 0.05
        while True:
            try:
                return attempt()
            except Exception as error:  # grpc raises its own
                if not _is_of_server(error):
                    raise
                away = _is_away(error)
                if not away or time.monotonic() - started > self.patience:
                    raise self._explained(error, away=away) from error
            self.interruptions += 1
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _connect(self) -> Any:
        token = os.environ.get(TOKEN_VARIABLE, "")
        options = dict(_CONNECTION)
        if self.address.is_local:
            options["grpc.enable_http_proxy"] = (
                False  # no proxy of the environment leads back to this machine
            )
        return self.pymilvus.MilvusClient(self.address.uri, token=token, timeout=10, grpc_options=options)

    def _explained(self, error: Exception, *, away: bool) -> SearchServerError:
        reason = str(getattr(error, "message", "") or error).strip().split("\n")[0]
        local = self.address.uri.endswith(".db")
        if local and "Open local milvus failed" in reason:
            return SearchServerError(
                f"{self.address.uri} cannot be opened as a Milvus Lite file ({reason}): another process may "
                "have it open, its folder may be missing, or milvus-lite is not installed; for several "
                "processes run: milvus-lite server --data-dir DIRECTORY --host 127.0.0.1"
            )
        if away:
            return SearchServerError(
                f"no Milvus server responds at {self.address.text} ({reason or 'no connection'}); start "
                "it, for example with: milvus-lite server --data-dir DIRECTORY --host 127.0.0.1, and run the "
                "command again"
            )
        if getattr(error, "code", None) == _NOT_FOUND:
            return SearchServerError(
                f"{self.address.text} was replaced or removed meanwhile; open the collection again, or "
                "run: i2v-search push"
            )
        return SearchServerError(f"the Milvus server at {self.address.text} refuses: {reason}")


def _is_of_server(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"pymilvus", "grpc"}


def _is_away(error: Exception) -> bool:
    text = str(error)
    return getattr(error, "code", None) == _NOT_CONNECTED or any(word in text for word in _RPC_GONE)
