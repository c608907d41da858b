"""Access to the server: the Host header, the token, the origin of pages, and the rate limit."""

from __future__ import annotations

import hashlib
import hmac
import socket
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from i2v_search.web.guard.failures import Failure, failure_response
from i2v_search.web.guard.rates import RateLimit
from i2v_search.web.server_settings import ServerSettings, is_loopback

_COOKIE_DAYS = 30
#: In a request's state: it has passed the gate.
LET_IN = "let_in"
#: In a request's state: it comes from a program with the app token.
FROM_APP = "from_app"
#: Origins of browser extensions, which send them with every request; each browser makes up its own.
_EXTENSIONS = ("chrome-extension://", "moz-extension://")
#: Requests with these methods and paths make the server work; all others read what is there.
_WORK = (
    *("/api/v1/search", "/api/v1/uploads", "/api/v1/morph", "/api/v1/tags", "/api/v1/selections"),
    *("/api/v1/boards", "/api/v1/notes", "/api/v1/saved-searches"),
    *("/api/v1/kept", "/api/v1/collections/search"),
)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_LOCKED_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>i2v-search</title>
<h1>A token is required</h1>
<p>Open the address printed by <code>i2v-search serve</code>, which ends in <code>/?token=...</code></p>
"""


class Gate:
    """Forwards a request, or refuses it: wrong host, foreign origin, no token, too many requests.

    Args:
        app: the wrapped application.
        settings: settings of the server.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings
        self._hosts = allowed_hosts(settings)
        self._any_address = not is_loopback(settings.host)
        self._work = RateLimit(settings.rate, settings.rate * settings.burst)
        self._other = RateLimit(settings.picture_rate, settings.picture_rate * settings.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """The response to a request that is refused."""
        try:
            self._check_host(headers)
            from_app = self._is_from_app(headers)
            self._check_origin(headers, from_app=from_app)
            if scope["path"] == "/" and self._settings.token is not None:
                entered = self._enter(scope, headers)
                if entered is not None:
                    return entered
            if not from_app:
                self._check_token(scope, headers)
            self._check_rate(scope)
            scope.setdefault("state", {}).update({LET_IN: True, FROM_APP: from_app})
        except Failure as failure:
            return failure_response(failure, scope)
        return None

    def _check_host(self, headers: Headers) -> None:
        """Refuse unknown hosts: a foreign page can resolve its own name to this machine (DNS rebinding)."""
        values = headers.getlist("host")
        name = host_name(values[0]) if len(values) == 1 else ""
        if name in self._hosts or (self._any_address and _is_address(name)):
            return
        raise Failure("wrong_host", f"host {name[:100]!r} is not allowed; add it with --allow-host")

    def _check_origin(self, headers: Headers, *, from_app: bool) -> None:
        origin = headers.get("origin")
        if origin is None or origin in self._settings.allow_origins:
            return
        if from_app and origin.startswith(_EXTENSIONS):
            return
        try:
            own = urlsplit(origin).netloc == headers.get("host", "")
        except ValueError:
            own = False
        if not own:
            raise Failure(
                "forbidden_origin", f"origin {origin[:100]!r} is not allowed; add it with --allow-origin"
            )

    def _enter(self, scope: Scope, headers: Headers) -> Response | None:
        """Accept the token in the page's address once, and set a cookie instead."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any(name == "token" and self._is_token(value) for name, value in query):
            # Relative, and the cookie's path is left to the browser: behind a proxy the page may lie deeper.
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            response = RedirectResponse(f"./?{rest}" if rest else "./", 303, {"Cache-Control": "no-store"})
            response.set_cookie(
                _cookie_name(scope),
                self._session(),
                max_age=_COOKIE_DAYS * 86400,
                path=None,
                httponly=True,
                samesite="strict",
            )
            return response
        if self._is_let_in(scope, headers):
            return None
        self._slow_down(scope)
        return HTMLResponse(_LOCKED_PAGE, 401, {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if not self._is_let_in(scope, headers):
            self._slow_down(scope)
            raise Failure("unauthorized", "send the header Authorization: Bearer TOKEN")

    def _slow_down(self, scope: Scope) -> None:
        """Limit the rate of wrong tokens to that of searches."""
        wait = self._work.wait(_address(scope))
        if wait:
            raise Failure("too_many_requests", retry_after=wait)

    def _is_let_in(self, scope: Scope, headers: Headers) -> bool:
        if self._settings.token is None:
            return True
        if self._is_token(_bearer(headers)):
            return True
        # Other programs of this host set cookies too: malformed ones, or of this name for another path.
        cookies = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return any(name == _cookie_name(scope) and _same(held, self._session()) for name, _, held in cookies)

    def _is_from_app(self, headers: Headers) -> bool:
        expected = self._settings.app_token
        return expected is not None and _same(_bearer(headers), expected)

    def _is_token(self, given: str) -> bool:
        return self._settings.token is not None and _same(given, self._settings.token)

    def _session(self) -> str:
        """Value of the cookie: derived from the token, but not the token."""
        token = (self._settings.token or "").encode()
        return hmac.new(token, b"i2v-search cookie", hashlib.sha256).hexdigest()

    def _check_rate(self, scope: Scope) -> None:
        work = scope["path"].startswith(_WORK) and not scope["path"].endswith("/thumbnail")
        wait = (self._work if work else self._other).wait(_address(scope))
        if wait:
            raise Failure("too_many_requests", retry_after=wait)


def allowed_hosts(settings: ServerSettings) -> frozenset[str]:
    """Host names of the server, in lower case."""
    if is_loopback(settings.host):
        own = {"localhost", "127.0.0.1", "::1", settings.host}
    else:
        own = {settings.host, socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower() for name in (*own, *settings.allow_hosts))


def host_name(header: str) -> str:
    """The name in a Host header, in lower case, without its port.

    >>> host_name("LOCALHOST:8800"), host_name("[::1]:8800"), host_name("evil.example")
    ('localhost', '::1', 'evil.example')
    """
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _bearer(headers: Headers) -> str:
    """The token of the header Authorization; empty for none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _cookie_name(scope: Scope) -> str:
    """Name of the cookie with the port, because cookies do not distinguish the ports of a host."""
    return f"i2v_search_{scope['server'][1]}"


def _same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
