"""The published data as a serving process sees it: the current version and the kept ones."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import pandas as pd
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine

from data_access import schema
from data_access.settings import Settings
from data_access.versions import (
    DEMO_LINE,
    LayoutError,
    StoreError,
    VersionKey,
    Versions,
    open_versions,
    require_layout,
)
from domain.rules import Rules, rules_from_rows

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

# Searches in summaries that are kept per version: each may be as large as half a bit per case.
_SEARCHES = 24
# Versions a process keeps open: the current one and two that pinned pages or links still use.
_OPEN_VERSIONS = 3


class ResultCache:
    """Results by question; thread-safe, forgets the one not used for longest when it is full."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._results: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def result(self, question: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the kept result, or compute and keep it.

        Threads with the same question at the same time wait for one computation. An exception
        reaches all of them and is not kept.
        """
        with self._lock:
            future = self._results.get(question)
            asked_first = future is None
            if future is None:
                future = self._results[question] = Future()
                if len(self._results) > self._entries:
                    self._results.popitem(last=False)
            self._results.move_to_end(question)
        if asked_first:
            try:
                future.set_result(compute())
            except BaseException as error:
                with self._lock:
                    self._results.pop(question, None)
                future.set_exception(error)
                raise
        result: Result = future.result()
        return result

    def __len__(self) -> int:
        return len(self._results)


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference tables of a version as frames with the columns of ``schema``, by id."""

    districts: pd.DataFrame
    subdistricts: pd.DataFrame
    categories: pd.DataFrame
    units: pd.DataFrame
    channels: pd.DataFrame
    kinds: pd.DataFrame
    topics: pd.DataFrame
    topic_categories: pd.DataFrame
    _known: dict[tuple[str, str, str], dict[Any, Any]] = field(
        default_factory=dict, init=False, repr=False
    )

    def lookup(self, table: str, by: str, column: str) -> Mapping[Any, Any]:
        """Return one column → another of a table, in its order; made once: frames are slow to ask.

        Args:
            table: name of an attribute.
            by: a column whose values name one row each, ``id`` (int) or ``code`` (str).
            column: any other.
        """
        key = (table, by, column)
        if key not in self._known:
            frame = getattr(self, table)
            self._known[key] = dict(zip(frame[by].tolist(), frame[column].tolist(), strict=True))
        return self._known[key]

    def rank(self, table: str) -> Mapping[int, int]:
        """Return id → number of its row."""
        key = (table, "id", "")
        if key not in self._known:
            self._known[key] = {id_: row for row, id_ in enumerate(getattr(self, table)["id"])}
        return self._known[key]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One published version, which never changes.

    ``engine`` can only read, and plain table names of ``data_access.schema`` mean the tables of
    this version. Times are naive, Asia/Shanghai; ``first_day`` is the day of the oldest case, None
    when there is none.
    """

    key: str
    line: str
    version: int
    engine: Engine
    is_demo: bool
    city: str
    cutoff: dt.datetime
    first_day: dt.date | None
    published_at: dt.datetime
    rule_sets: tuple[Rules, ...]
    reference: Reference
    cache: ResultCache
    searches: ResultCache  # which cases have some words, see data_access.words

    def cached(self, question: Hashable, compute: Callable[[], Result]) -> Result:
        """Return what ``compute`` returns, kept for the next time this version is asked.

        The result is shared between threads and pages: nobody may change it.
        """
        return self.cache.result(question, compute)


class Store:
    """The published versions, opened when asked for; may be shared by threads and forked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._versions: Versions = open_versions(self._settings)
        self._snapshots: OrderedDict[VersionKey, Snapshot] = OrderedDict()
        self._served: VersionKey | None = None

    def current(self) -> Snapshot | None:
        """Return the current version; None when nothing was published yet.

        When a newly published version cannot be opened, the one served before stays and the
        reason is logged.

        Raises:
            StoreError: the version pointer or, at the first call, the version cannot be read.
        """
        with self._lock:
            self._after_fork()
            key = self._versions.current()
            if key is None:
                return None
            try:
                snapshot = self._open(key)
            except (StoreError, sa.exc.SQLAlchemyError) as error:
                served = self._snapshots.get(self._served) if self._served else None
                if served is None:
                    raise StoreError(f"版本 {key} 无法打开：{error}") from error
                log.exception("version_unreadable", version=str(key), serving=served.key)
                return served
            if key != self._served:
                # What older versions hold in memory goes; one that is still used reconnects.
                for other in self._snapshots.values():
                    if other is not snapshot:
                        other.engine.dispose()
                self._served = key
            return snapshot

    def get(self, key: str) -> Snapshot | None:
        """Return the version that a key names, as in ``real-1.4``; None when it is not kept
        or was made by code with other tables.
        """
        wanted = VersionKey.parse(key)
        if wanted is None:
            return None
        with self._lock:
            self._after_fork()
            if wanted in self._versions.kept():
                try:
                    return self._open(wanted)
                except LayoutError:
                    return None
            gone = self._snapshots.pop(wanted, None)
            if gone is not None:
                gone.engine.dispose()
            return None

    def close(self) -> None:
        """Close every connection; the store can be used again afterwards."""
        with self._lock:
            if self._process == os.getpid():
                for snapshot in self._snapshots.values():
                    snapshot.engine.dispose()
                self._versions.close()
            self._forget()

    def _after_fork(self) -> None:
        # Connections of the parent process are not ours to use or to close.
        if self._process != os.getpid():
            self._forget()

    def _open(self, key: VersionKey) -> Snapshot:
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            snapshot = _read_snapshot(self._settings, key, self._versions.reader(key))
            self._snapshots[key] = snapshot
        self._snapshots.move_to_end(key)
        self._close_superseded()
        return snapshot

    def _close_superseded(self) -> None:
        for key in list(self._snapshots)[:-_OPEN_VERSIONS]:
            if key != self._served:
                # Idle connections close now, busy ones when they are given back.
                self._snapshots.pop(key).engine.dispose()


def open_store(settings: Settings) -> Store:
    """Return the store, without opening anything yet."""
    return Store(settings)


def _read_snapshot(settings: Settings, key: VersionKey, engine: Engine) -> Snapshot:
    require_layout(engine, key)
    with engine.connect() as connection:
        info = connection.execute(sa.select(schema.version_info)).one()
        rules = connection.execute(sa.select(schema.rules)).mappings().all()
        reference = Reference(
            **{
                each.name: _reference_table(connection, schema.metadata.tables[each.name])
                for each in fields(Reference)
                if each.init
            }
        )
    return Snapshot(
        key=str(key),
        line=key.line,
        version=key.version,
        engine=engine,
        is_demo=key.line == DEMO_LINE,
        city=info.city,
        cutoff=info.cutoff,
        first_day=info.first_day,
        published_at=info.published_at,
        rule_sets=rules_from_rows([dict(row) for row in rules]),
        reference=reference,
        cache=ResultCache(settings.cache_entries),
        searches=ResultCache(_SEARCHES),
    )


def _reference_table(connection: sa.Connection, table: sa.Table) -> pd.DataFrame:
    return pd.read_sql(sa.select(table).order_by(*list(table.columns)[:2]), connection)
