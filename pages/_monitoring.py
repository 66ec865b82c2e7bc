"""What machines ask: is the board alive, can it serve, how much does it do, how old is its data?"""

from __future__ import annotations

import datetime as dt
import hmac
import os
import time
from collections.abc import Iterator

import structlog
from flask import Flask, Response, abort, g, jsonify, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from data_access.store import Snapshot, Store
from data_access.versions import StoreError
from domain.periods import present

LIVE, READY, METRICS = "/healthz", "/readyz", "/metrics"
PATHS = frozenset({LIVE, READY, METRICS})

log = structlog.get_logger("board")

# The library decides when it is loaded whether it counts into files that workers share.
_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ
# Made once per process: create_app() may run several times in one.
_requests = Counter("board_requests", "Requests answered", ["kind", "status"])
# The budgets of a page lie at 0.15 s and 0.5 s.
_seconds = Histogram(
    "board_request_seconds",
    "Time from request to answer",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0),
)
_panels = Counter("board_panel_failures", "Panels that said that they could not be drawn")


def panel_failed() -> None:
    """Count a panel that shows an error in place of its figure."""
    _panels.inc()


def register(server: Flask, callback_path: str, token: str) -> None:
    """Add ``/healthz``, ``/readyz`` and ``/metrics``, and count every request from now on.

    Args:
        server: the app's.
        callback_path: where Dash answers.
        token: what a scraper must send as ``Authorization: Bearer …``; with "" only the machine
            itself may read the metrics.
    """
    store: Store = server.extensions["board_store"]

    @server.before_request
    def start_clock() -> None:
        g.asked_at = time.perf_counter()

    @server.after_request
    def count_request(response: Response) -> Response:
        kind = _kind(request.path, callback_path)
        _requests.labels(kind, f"{response.status_code // 100}xx").inc()
        if "asked_at" in g:
            _seconds.labels(kind).observe(time.perf_counter() - g.asked_at)
        return response

    @server.get(LIVE)
    def live() -> tuple[Response, int]:
        """Whether the data can be read, which version is served, and how old it is."""
        return _health(store)

    @server.get(READY)
    def ready() -> tuple[Response, int]:
        """The same, and 503 while there is nothing to serve: for a load balancer."""
        answer, status = _health(store)
        return answer, 503 if answer.get_json()["status"] == "empty" else status

    @server.get(METRICS)
    def metrics() -> Response:
        """The figures of all workers together, and the age of the data."""
        if not _may_read(token):
            abort(403)
        registry = CollectorRegistry()
        if _SHARED:
            multiprocess.MultiProcessCollector(registry)
        else:
            for each in (_requests, _seconds, _panels):
                registry.register(each)
        registry.register(_Data(store))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(token: str) -> bool:
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token:
        return hmac.compare_digest(sent.encode(), token.encode())
    # What a proxy passes on comes from elsewhere, whoever hands it over.
    passed_on = {"X-Forwarded-For", "Forwarded", "X-Real-Ip"} & set(request.headers.keys())
    return request.remote_addr in ("127.0.0.1", "::1") and not passed_on


def _kind(path: str, callback_path: str) -> str:
    if path in PATHS:
        return "monitoring"
    if path == callback_path:
        return "callback"
    if path.startswith("/export/"):
        return "export"
    if path.startswith(("/assets/", "/_dash", "/_favicon")):
        return "asset"
    return "page"


def _health(store: Store) -> tuple[Response, int]:
    try:
        snapshot = store.current()
    except StoreError:
        log.error("health", exc_info=True)
        return jsonify(status="unreadable"), 503
    if snapshot is None:
        return jsonify(status="empty"), 200
    return jsonify(
        status="ok",
        data_version=snapshot.key,
        demo=snapshot.is_demo,
        cutoff=snapshot.cutoff.isoformat(),
        data_age_hours=round(_age(snapshot) / dt.timedelta(hours=1), 1),
        published_at=snapshot.published_at.isoformat(),
    ), 200


def _age(snapshot: Snapshot) -> dt.timedelta:
    return present() - snapshot.cutoff


class _Data:
    """What the published data says of itself, asked at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        readable = GaugeMetricFamily("board_data_readable", "1 when the data can be read")
        try:
            snapshot = self._store.current()
        except StoreError:
            readable.add_metric([], 0)
            yield readable
            return
        readable.add_metric([], 1)
        yield readable
        if snapshot is None:
            return
        age = GaugeMetricFamily("board_data_age_seconds", "Time since the data cut-off")
        age.add_metric([], _age(snapshot).total_seconds())
        yield age
        version = GaugeMetricFamily(
            "board_data_version", "The version that is served", labels=["version", "demo"]
        )
        version.add_metric([snapshot.key, str(snapshot.is_demo).lower()], 1)
        yield version
