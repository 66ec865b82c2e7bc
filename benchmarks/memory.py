"""Memory of each worker before and after a few hundred mixed requests."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.conversation import Page, Reader, to_port
from benchmarks.data_set import DataSet
from benchmarks.processes import served
from benchmarks.report import Figure

_REQUESTS = 400
_LONGEST_SECONDS = 180


def measure(made: DataSet, pages: list[Page], changes: dict[str, str]) -> list[Figure]:
    """Return the resident memory of the largest worker after its warm-up and after use."""
    order = random.Random(1)
    with served(made.directory, made.database_url) as server, ThreadPoolExecutor(4) as parallel:
        before = max(server.worker_rss())
        reader, asked, failed = Reader(to_port(server.port), parallel), 0, 0
        until = time.monotonic() + _LONGEST_SECONDS
        searches = list(changes.values())
        while asked < _REQUESTS and time.monotonic() < until:
            exchange = reader.changes(order.choice(pages), _mixed(order, searches))
            asked += len(exchange.parts)
            failed += len(exchange.failed)
        after = max(server.worker_rss())
    note = f"after {asked} requests, {failed} failed; the largest worker"
    return [
        Figure("worker after its start", before / 1e6, "MB", "worker"),
        Figure("worker after use", after / 1e6, "MB", "worker", note),
    ]


def _mixed(order: random.Random, searches: list[str]) -> str:
    """Return a filter change, often with own dates, so that few questions are asked twice."""
    search = order.choice(searches)
    if "period=" in search:
        return search
    day, month = order.randint(1, 28), order.randint(1, 9)
    dates = f"period=2020-{month:02d}-{day:02d}..2020-{month + 3:02d}-{day:02d}"
    return f"{search}&{dates}" if search else f"?{dates}"
