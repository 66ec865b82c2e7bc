"""Where published versions are and which one is current, on DuckDB files and on PostgreSQL.

DuckDB: ``data_dir/versions/<line>/<version>.duckdb``, read-only files, and ``current.json``, which
names the current one and is replaced in one rename. PostgreSQL: one schema per version, and
``public.board_publication``, whose current row moves in one transaction.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from data_access.schema import LAYOUT, version_info
from data_access.settings import Settings

DEMO_LINE = "demo"

# A version is looked up again at most this often on PostgreSQL, where it costs a query.
_LOOK_AGAIN_SECONDS = 1.0
# "board12345" in ASCII: the advisory lock of the loaders of one PostgreSQL database.
_ADVISORY_LOCK = 0x626F6172643132
_KEY = re.compile(r"(demo|real-[1-9][0-9]{0,5})\.([1-9][0-9]{0,5})")
# SQLSTATE of PostgreSQL.
_UNDEFINED_TABLE, _LOCK_NOT_AVAILABLE = "42P01", "55P03"


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message says why, in Chinese."""


class LockedError(StoreError):
    """Another load is running."""


class LayoutError(StoreError):
    """A version has tables that this code does not read."""


@dataclass(frozen=True, order=True)
class VersionKey:
    """Names one published version, as in ``real-1.4``; never used twice."""

    line: str
    version: int

    def __str__(self) -> str:
        return f"{self.line}.{self.version}"

    @classmethod
    def parse(cls, text: str) -> VersionKey | None:
        """Return the key that a text means; None when it cannot be one (a text may come by URL)."""
        match = _KEY.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


class FileVersions:
    """Versions that are DuckDB files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = settings.data_dir / "versions"
        self._pointer = settings.data_dir / "current.json"
        self._seen: tuple[tuple[int, int], VersionKey] | None = None

    def path(self, key: VersionKey) -> Path:
        """Return the file of a version."""
        return self._root / key.line / f"{key.version:06d}.duckdb"

    def building_path(self, key: VersionKey) -> Path:
        """Return the file in which a version is built; the loader removes what a kill left."""
        return self.path(key).with_suffix(".building")

    def current(self) -> VersionKey | None:
        """Return the version that ``current.json`` names; a ``stat`` unless it was replaced."""
        try:
            status = self._pointer.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            seen = self._seen
            if seen is None or seen[0] != stamp:
                named = json.loads(self._pointer.read_text("utf-8"))
                key = VersionKey.parse(f"{named['line']}.{named['version']}")
                if key is None:
                    raise ValueError("no such version")
                self._seen = seen = (stamp, key)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"版本指针 {self._pointer.name} 无法读取：{error}") from error
        return seen[1]

    def kept(self) -> list[VersionKey]:
        """Return every complete version on disk, by line and version."""
        keys = (
            VersionKey.parse(f"{path.parent.name}.{int(path.stem)}")
            for path in self._root.glob("*/*.duckdb")
            if path.stem.isdecimal()
        )
        return sorted(key for key in keys if key is not None)

    def reader(self, key: VersionKey) -> Engine:
        """Return a new engine that can only read this file and nothing else on the machine."""
        path = self.path(key)
        if not path.is_file():
            raise StoreError(f"版本 {key} 的数据文件不存在")
        settings = self._settings
        engine = sa.create_engine(
            sa.URL.create("duckdb", database=str(path)),
            # Readers leave nothing to roll back, and asking takes a millisecond each time.
            pool_reset_on_return=None,
            connect_args={
                "read_only": True,
                "config": {
                    "threads": settings.duckdb_threads,
                    "memory_limit": settings.duckdb_memory_limit,
                    # Nothing is spilled: several processes would do it to the same files.
                    "max_temp_directory_size": "0KB",
                    "enable_external_access": "false",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "python_enable_replacements": "false",
                    "lock_configuration": "true",
                },
            },
            pool_size=settings.pool_size,
            max_overflow=settings.pool_size,
        )
        _interrupt_after(engine, settings.query_timeout_seconds)
        return engine

    def publish(self, key: VersionKey) -> None:
        """Turn the file in which a version was built into a version, not yet the current one."""
        building = self.building_path(key)
        building.chmod(0o444)
        _sync(building)
        # A version's name is never used twice, so the rename cannot replace a served file.
        building.rename(self.path(key))
        _sync(building.parent)
        _sync(self._root)

    def switch(self, key: VersionKey) -> None:
        """Replace ``current.json`` by one that names this version."""
        replacement = self._pointer.with_suffix(".json.building")
        with replacement.open("w", encoding="utf-8") as file:
            json.dump({"line": key.line, "version": key.version}, file)
            file.flush()
            os.fsync(file.fileno())
        replacement.replace(self._pointer)
        _sync(self._pointer.parent)

    def remove(self, key: VersionKey) -> None:
        """Remove a version's file; a process that has it open keeps what it sees."""
        self.path(key).unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove what a killed load left half built. Only for the holder of the loader's lock."""
        for pattern in ("*.building", "versions/*/*.building", "versions/*/*.building.wal"):
            for path in self._settings.data_dir.glob(pattern):
                path.unlink()

    def close(self) -> None:
        """Do nothing: no connection is held."""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Deadlines:
    """Interrupts statements that take too long; one thread watches those of the whole process.

    DuckDB has no statement timeout of its own, and a timer for each statement is a thread for each.
    """

    # How often it looks: a statement may run so much longer than it should.
    _TICK_SECONDS = 0.1

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None
        self._numbers = itertools.count()
        # Number → when to interrupt it, and how.
        self._running: dict[int, tuple[float, Callable[[], None]]] = {}

    def begun(self, seconds: float, interrupt: Callable[[], None]) -> int:
        """Take note of a statement; return the number to end it with."""
        with self._lock:
            if self._watcher is None or not self._watcher.is_alive():  # as in a forked process
                self._watcher = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._watcher.start()
            number = next(self._numbers)
            self._running[number] = (time.monotonic() + seconds, interrupt)
        return number

    def ended(self, number: int) -> None:
        """Forget a statement: from here on it is not interrupted any more."""
        with self._lock:
            self._running.pop(number, None)

    def _watch(self) -> None:
        while True:
            time.sleep(self._TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                for until, interrupt in self._running.values():
                    if now > until:
                        interrupt()


_deadlines = _Deadlines()


def _interrupt_after(engine: Engine, seconds: float) -> None:
    def start(
        connection: Connection, cursor: Any, _sql: str, _values: Any, context: Any, _many: bool
    ) -> None:
        connection.info["deadline"] = _deadlines.begun(seconds, cursor.connection.interrupt)

    def stop(connection: Connection, *_rest: Any) -> None:
        _deadlines.ended(connection.info.pop("deadline"))

    def stop_failed(context: Any) -> None:
        number = context.connection.info.pop("deadline", None) if context.connection else None
        if number is not None:
            _deadlines.ended(number)

    event.listen(engine, "before_cursor_execute", start)
    event.listen(engine, "after_cursor_execute", stop)
    event.listen(engine, "handle_error", stop_failed)


publication = sa.Table(
    "board_publication",
    sa.MetaData(),
    sa.Column("line", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("schema_name", sa.String, nullable=False),
    sa.Column("published_at", sa.DateTime, nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    schema="public",
)

STAGING_SCHEMA = "board_staging"


class SchemaVersions:
    """Versions that are schemas of one PostgreSQL database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reading: Engine | None = None
        self._loading: Engine | None = None
        self._seen: tuple[float, VersionKey | None] | None = None

    @staticmethod
    def schema_name(key: VersionKey) -> str:
        """Return the schema of a version, as in ``board_real_1_4``."""
        return f"board_{key.line.replace('-', '_')}_{key.version}"

    def loader(self) -> Engine:
        """Return the engine that may write, for the loader."""
        if self._loading is None:
            self._loading = sa.create_engine(
                self._settings.database_url,
                # The server notices the death of a loader that waits for a long statement.
                connect_args={
                    "options": "-c client_connection_check_interval=1000 -c work_mem=256MB"
                    " -c maintenance_work_mem=512MB -c client_min_messages=warning"
                },
            )
        return self._loading

    def _reader(self) -> Engine:
        if self._reading is None:
            milliseconds = round(self._settings.query_timeout_seconds * 1000)
            self._reading = sa.create_engine(
                self._settings.database_url,
                pool_size=self._settings.pool_size,
                max_overflow=self._settings.pool_size,
                pool_pre_ping=True,
                connect_args={
                    "options": "-c default_transaction_read_only=on"
                    f" -c statement_timeout={milliseconds}"
                    # Compiling a plan takes longer than most of them run; sorts and groups of a
                    # few hundred thousand rows stay in memory; and a plan is made for the days
                    # that are asked for, not for any days.
                    " -c jit=off -c work_mem=64MB -c plan_cache_mode=force_custom_plan"
                },
            )
        return self._reading

    def current(self) -> VersionKey | None:
        """Return the version whose row is current; at most one query a second."""
        now = time.monotonic()
        seen = self._seen
        if seen is None or now - seen[0] > _LOOK_AGAIN_SECONDS:
            rows = self._rows(publication.c.is_current)
            self._seen = seen = (now, rows[0] if rows else None)
        return seen[1]

    def kept(self) -> list[VersionKey]:
        """Return every version that has a row, by line and version."""
        return sorted(self._rows(sa.true()))

    def _rows(self, condition: sa.ColumnElement[bool]) -> list[VersionKey]:
        statement = sa.select(publication.c.line, publication.c.version).where(condition)
        try:
            with self._reader().connect() as connection:
                rows = connection.execute(statement).all()
        except sa.exc.ProgrammingError as error:
            if _state(error) == _UNDEFINED_TABLE:
                return []  # nothing was ever published
            raise
        return [VersionKey(line, version) for line, version in rows]

    def reader(self, key: VersionKey) -> Engine:
        """Return an engine whose plain table names mean the tables of this version."""
        if key not in self.kept():
            raise StoreError(f"版本 {key} 不存在")
        return self._reader().execution_options(schema_translate_map={None: self.schema_name(key)})

    def publish(self, key: VersionKey) -> None:
        """Write the row that makes a built schema a version, not yet the current one."""
        publication.create(self.loader(), checkfirst=True)
        name = self.schema_name(key)
        info = version_info.to_metadata(sa.MetaData(), schema=name)
        values = (info.c.line, info.c.version, sa.literal(name), info.c.published_at, sa.false())
        row = publication.insert().from_select(publication.columns.keys(), sa.select(*values))
        with self.loader().begin() as connection:
            connection.execute(row)

    def switch(self, key: VersionKey) -> None:
        """Move the current row in one transaction."""
        is_key = sa.and_(publication.c.line == key.line, publication.c.version == key.version)
        with self.loader().begin() as connection:
            connection.execute(publication.update().values(is_current=is_key))
        self._seen = None

    def remove(self, key: VersionKey) -> None:
        """Remove a version's row and its schema; one that is being read goes next time."""
        with self.loader().begin() as connection:
            connection.execute(
                publication.delete().where(
                    publication.c.line == key.line, publication.c.version == key.version
                )
            )
        self._drop(self.schema_name(key))

    def remove_leftovers(self) -> None:
        """Drop the schemas that no row names. Only for the holder of the loader's lock."""
        named = {self.schema_name(key) for key in self.kept()}
        with self.loader().connect() as connection:
            existing = sa.inspect(connection).get_schema_names()
        for name in existing:
            ours = name == STAGING_SCHEMA or re.fullmatch(r"board_(demo|real_\d+)_\d+", name)
            if ours and name not in named:
                self._drop(name)

    def _drop(self, name: str) -> None:
        try:
            with self.loader().begin() as connection:
                # Readers of other versions must not queue behind a drop that waits for one.
                connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
                connection.execute(sa.schema.DropSchema(name, cascade=True, if_exists=True))
        except sa.exc.OperationalError as error:
            # Still read by someone: without a row it is a leftover for the next load.
            if _state(error) != _LOCK_NOT_AVAILABLE:
                raise

    def close(self) -> None:
        """Close every connection."""
        for engine in (self._reading, self._loading):
            if engine is not None:
                engine.dispose()


Versions = FileVersions | SchemaVersions


def _state(error: sa.exc.DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def open_versions(settings: Settings) -> Versions:
    """Return the versions of the engine that the settings name."""
    return SchemaVersions(settings) if settings.database_url else FileVersions(settings)


def check_layout(versions: Versions, key: VersionKey) -> None:
    """Open a version for a moment and do as ``require_layout``."""
    engine = versions.reader(key)
    try:
        require_layout(engine, key)
    finally:
        engine.dispose()


def require_layout(engine: Engine, key: VersionKey) -> None:
    """Raise when a version was made by code with other tables.

    Raises:
        LayoutError: says what to do.
        sqlalchemy.exc.SQLAlchemyError: the version cannot be read at all.
    """
    with engine.connect() as connection:
        # Every column there is: the oldest layout has none that says so.
        everything = sa.select(sa.text("*")).select_from(version_info)
        row = connection.execute(everything).mappings().one()
    if row.get("layout") != LAYOUT:
        raise LayoutError(
            f"版本 {key} 由另一版程序生成，本程序不能读取：演示数据请运行 flask data demo，"
            "真实数据请重新导入"
        )


# Lock files held by this process, with how many times they were taken.
_held: dict[Path, int] = {}


@contextmanager
def loader_lock(settings: Settings, keep: Path | None = None) -> Iterator[None]:
    """Hold the lock of the one loader; may be taken again by the process that holds it.

    Whoever takes it first finds ``data_dir/staging`` empty but for ``keep``, and no half built
    version: those are leftovers of killed loads. The directory is emptied at the end as well. The
    lock ends with the process.

    Raises:
        LockedError: another process is loading; at once, without waiting.
    """
    path = settings.data_dir.resolve() / "load.lock"
    if path in _held:
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError("另一个导入正在进行，请等它结束后再试") from None
        with _advisory_lock(settings):
            _held[path] = 1
            try:
                _remove_leftovers(settings, keep)
                yield
            finally:
                del _held[path]
                _remove_leftovers(settings, None)


def staging_dir(settings: Settings) -> Path:
    """Return the directory for the loader's staging files; exists while the lock is held."""
    return settings.data_dir / "staging"


def _remove_leftovers(settings: Settings, keep: Path | None) -> None:
    FileVersions(settings).remove_leftovers()
    if settings.database_url:
        versions = SchemaVersions(settings)
        try:
            versions.remove_leftovers()
        finally:
            versions.close()
    staging = staging_dir(settings)
    staging.mkdir(exist_ok=True)
    for path in staging.iterdir():
        if keep is not None and path.resolve() == keep.resolve():
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _advisory_lock(settings: Settings) -> Iterator[None]:
    # Loaders on several machines share the PostgreSQL database, not the lock file.
    if not settings.database_url:
        yield
        return
    engine = sa.create_engine(
        settings.database_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_ADVISORY_LOCK))):
            raise LockedError("另一台机器上的导入正在进行，请等它结束后再试")
        yield
