"""Observability of a server: request ids, a JSON log line per request, metrics for Prometheus."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from i2v_search.web.guard.bodies import ClientGone
from i2v_search.web.guard.failures import Failure, failure_response
from i2v_search.web.guard.safety import SECURITY_HEADERS
from i2v_search.web.service import Service

#: Lines of JSON, one a request.
ACCESS = logging.getLogger("i2v_search.web.access")
#: Faults of the server.
FAULTS = logging.getLogger("i2v_search.web")

#: What a log and metrics say of a client that left before the answer.
CLIENT_GONE = 499
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and gauges of one server.

    Args:
        service: gives the current service, with the pools and caches.
    """

    def __init__(self, service: Callable[[], Service]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "i2v_search_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "i2v_search_request_seconds",
            "Time to answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_State(service))
        ProcessCollector(registry=self.registry)


class _State(Collector):
    """Values read from the service on each request of the metrics."""

    def __init__(self, service: Callable[[], Service]) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        service = self._service()
        pending = GaugeMetricFamily("i2v_search_pending", "Calls running or waiting.", labels=["pool"])
        refused = CounterMetricFamily(
            "i2v_search_refused", "Calls refused because the server is busy.", labels=["pool"]
        )
        for pool in service.pools:
            pending.add_metric([pool.name], pool.pending)
            refused.add_metric([pool.name], pool.refused)
        yield pending
        yield refused
        yield GaugeMetricFamily("i2v_search_uploads", "Uploads kept in memory.", len(service.uploads))
        thumbnails = service.thumbnails
        yield GaugeMetricFamily(
            "i2v_search_thumbnail_bytes", "Thumbnails and maps on disk.", thumbnails.files.bytes
        )
        yield CounterMetricFamily("i2v_search_thumbnail_hits", "Thumbnails read from disk.", thumbnails.hits)
        yield CounterMetricFamily("i2v_search_thumbnails_made", "Thumbnails made.", thumbnails.made)


class Observer:
    """Adds ids to requests and headers to responses, handles internal errors, and logs every request.

    Args:
        app: the wrapped application.
        metrics: the counters.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        state["request_id"] = _request_id(scope)
        sent = {"status": 0, "bytes": 0}

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = state["request_id"]
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "private, no-cache")
            elif message["type"] == "http.response.body":
                sent["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientGone:
            sent["status"] = sent["status"] or CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            state["fault"] = f"{type(error).__name__}: {error}"
            FAULTS.error("request %s failed", state["request_id"], exc_info=error)
            if not sent["status"]:
                failure = error if isinstance(error, Failure) else Failure("internal")
                await failure_response(failure, scope)(scope, receive, observed)
        finally:
            self._tell(scope, sent, time.perf_counter() - started)

    def _tell(self, scope: Scope, sent: dict[str, int], seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None)
        if route is None:
            route = "/static" if scope["path"].startswith("/static/") else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(sent["status"] or CLIENT_GONE)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if not ACCESS.isEnabledFor(logging.INFO):
            return
        client = scope.get("client")
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": scope["state"]["request_id"],
            "client": client[0] if client else None,
            "method": method,
            "path": scope["path"][:300],  # without the query, which may hold the token
            "route": route,
            "status": sent["status"] or CLIENT_GONE,
            "bytes": sent["bytes"],
            "ms": round(seconds * 1000, 1),
        }
        if "fault" in scope["state"]:
            line["fault"] = scope["state"]["fault"]
        ACCESS.info("%s", json.dumps(line))


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


def _request_id(scope: Scope) -> str:
    """The client's X-Request-ID if it is a plain word, otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _REQUEST_ID.fullmatch(text) else uuid4().hex[:16]
    return uuid4().hex[:16]
