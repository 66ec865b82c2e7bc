"""Server time of whole pages in one process: all callbacks of a filter change, one by one.

Who changes a filter has the page open. So "cold" is: the page has been opened on this version,
nobody has asked this question of it. Opening it as the first of all, when nothing is kept that
depends on the version alone either, is measured beside it.
"""

from __future__ import annotations

import dataclasses
import gc

from flask import Flask

from benchmarks.conversation import Exchange, Page, Reader, to_client
from benchmarks.report import Figure, median, p95
from data_access.store import ResultCache, Snapshot, Store


class ForgetfulStore:
    """The published data with a cache of results that can be emptied; the database stays warm."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fresh: dict[str, Snapshot] = {}

    def current(self) -> Snapshot | None:
        """As ``Store.current``."""
        return self._with_own_cache(self._store.current())

    def get(self, key: str) -> Snapshot | None:
        """As ``Store.get``."""
        return self._with_own_cache(self._store.get(key))

    def forget(self) -> None:
        """Go on without any result."""
        self._fresh.clear()

    def _with_own_cache(self, snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        if snapshot.key not in self._fresh:
            self._fresh[snapshot.key] = dataclasses.replace(
                snapshot, cache=ResultCache(512), searches=ResultCache(8)
            )
        return self._fresh[snapshot.key]


def measure(server: Flask, pages: list[Page], changes: dict[str, str], repeat: int) -> list[Figure]:
    """Return the time of every page over all filter changes, then of each change."""
    kept = server.extensions["board_store"]
    store = server.extensions["board_store"] = ForgetfulStore(kept)
    figures, by_change = [], {name: dict[str, list[Exchange]]() for name in changes}
    # As each worker does: what the start has made is not searched for garbage.
    gc.collect()
    gc.freeze()
    try:
        for page in pages:
            reader = Reader(to_client(server.test_client()))
            for search in ("", next(iter(changes.values()))):
                reader.changes(page, search)  # whatever is done once per process
            opened, cached = [], []
            for _ in range(repeat):
                store.forget()
                opened.append(_checked(reader.opens(page)).seconds)
            for name, search in changes.items():
                cold = by_change[name][page.name] = []
                for _ in range(repeat):
                    store.forget()
                    _checked(reader.opens(page))
                    cold.append(_checked(reader.changes(page, search)))
                    cached.append(_checked(reader.changes(page, search)).seconds)
            every = [one.seconds for times in by_change.values() for one in times[page.name]]
            figures += _of_page(page.name, every, cached, opened)
    finally:
        gc.unfreeze()
        server.extensions["board_store"] = kept
    return figures + [_of_change(name, by_page) for name, by_page in by_change.items()]


def _of_page(
    name: str, cold: list[float], cached: list[float], opened: list[float]
) -> list[Figure]:
    return [
        Figure(f"{name}: cold, p50", 1000 * median(cold), "ms", "", f"{len(cold)} changes"),
        Figure(f"{name}: cold, p95", 1000 * p95(cold), "ms", "cold"),
        Figure(f"{name}: cached, p50", 1000 * median(cached), "ms"),
        Figure(f"{name}: cached, p95", 1000 * p95(cached), "ms", "cached"),
        Figure(f"{name}: opened on a new version", 1000 * median(opened), "ms"),
    ]


def _of_change(name: str, by_page: dict[str, list[Exchange]]) -> Figure:
    """Return the median of a change on the page where it takes longest."""
    medians = {page: 1000 * median([one.seconds for one in by_page[page]]) for page in by_page}
    page = max(medians, key=lambda each: medians[each])
    parts = by_page[page][-1].parts
    callbacks = sorted(parts.items(), key=lambda part: -part[1])[:2]
    note = "、".join(f"{part} {1000 * seconds:.0f} ms" for part, seconds in callbacks)
    return Figure(f"cold, {name}", medians[page], "ms", "cold", f"{page}: {note}")


def _checked(exchange: Exchange) -> Exchange:
    if exchange.failed:
        raise RuntimeError(f"these callbacks failed: {', '.join(exchange.failed)}")
    return exchange
