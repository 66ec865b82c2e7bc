"""The office book: a small database of its own for what people write.

SQLite below ``data_dir`` by default, PostgreSQL by URL where several servers share it. Each kind of
entry has a module beside this one that adds its tables to ``metadata`` and a migration in
``migrations/versions``; the tables here say what the migrations lead to (a test compares them).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine

from data_access.settings import Settings

log = structlog.get_logger(__name__)

metadata = sa.MetaData(
    # Constraints have the same names on every engine, so that a migration can change them.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What the book keeps for the servers themselves, by name.
keys = sa.Table(
    "keys",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(200), nullable=False),
)

_MIGRATIONS = Path(__file__).parent / "migrations"
# Long enough for another worker's migration and for any write.
_BUSY_SECONDS = 30
# After how many seconds a file that could not be read is opened anew.
_PAUSES = (0, 0.1, 0.5)
# Any number, the same in every process: who holds it may migrate.
_MIGRATION_LOCK = 7_412_345


# A file written to less long ago may be written to again without looking any newer.
_SETTLED_SECONDS = 2.0

Answer = TypeVar("Answer")


class OfficeError(Exception):
    """The office book cannot be used; the message says in Chinese what to do."""


class Book:
    """The office book, opened at first use; may be shared by threads and forked.

    ``reading()`` and ``writing()`` are the only ways in. On SQLite ``writing()`` takes the write
    lock at once, so that what is read inside is still true when it is written.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.office_address
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._process = 0
        self._remembered: dict[str, tuple[tuple[int, ...], Any]] = {}

    @property
    def file(self) -> Path | None:
        """The SQLite file; None where the book is on a server."""
        database = sa.engine.make_url(self._url).database
        return Path(database) if self._is_file and database else None

    @property
    def _is_file(self) -> bool:
        return self._url.startswith("sqlite")

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for reading.

        Raises:
            OfficeError: the book cannot be opened, or its tables are of another version.
        """
        with _begun(self._opened()) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in one transaction, undone as a whole when anything fails.

        Raises:
            OfficeError: as for ``reading``.
        """
        with _begun(self._opened().execution_options(writes=True)) as connection:
            yield connection
            connection.commit()

    def remembered(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """Return what ``ask`` returns, asked again as soon as anybody has written to the file.

        For what every request asks: opening a transaction takes a hundred times as long as looking
        at the file. A book on a server is asked each time.
        """
        before = self._written()
        known = self._remembered.get(name)
        if before is not None and known is not None and known[0] == before:
            answer: Answer = known[1]
            return answer
        answer = ask()
        if before is not None and before == self._written():
            self._remembered[name] = before, answer
        return answer

    def _written(self) -> tuple[int, ...] | None:
        """Return what tells one state of the file from another; None while that cannot be told."""
        file = self.file
        try:
            status = file.stat() if file is not None else None
        except OSError:
            return None
        if status is None or time.time() - status.st_ctime < _SETTLED_SECONDS:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def upgrade(self) -> None:
        """Bring the tables to this version of the code; nothing to do when they are.

        Workers that start at once wait for one another.

        Raises:
            OfficeError: the book cannot be opened.
        """
        engine = self._connected()
        try:
            _upgrade(engine)
        finally:
            engine.dispose()

    def secret(self, name: str) -> str:
        """Return a random text that all servers of this book share, made at the first call."""
        statement = sa.select(keys.c.value).where(keys.c.name == name)
        with self.reading() as connection:
            kept = connection.scalar(statement)
        if kept is None:
            with contextlib.suppress(sa.exc.IntegrityError), self.writing() as connection:
                connection.execute(keys.insert().values(name=name, value=secrets.token_hex(32)))
            with self.reading() as connection:
                kept = connection.scalar(statement)
        return str(kept)

    def close(self) -> None:
        """Close every connection; the book can be used again afterwards."""
        with self._lock:
            if self._engine is not None and self._process == os.getpid():
                self._engine.dispose()
            self._engine = None

    def _opened(self) -> Engine:
        with self._lock:
            # Connections of the parent process are not ours to use or to close.
            if self._engine is None or self._process != os.getpid():
                engine = self._connected()
                if self._is_file:
                    _upgrade(engine)
                else:
                    _require_newest(engine)
                self._engine, self._process = engine, os.getpid()
            return self._engine

    def _connected(self) -> Engine:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if not self.file.exists():
                # It holds password hashes: for nobody else on this machine.
                self.file.touch(mode=0o600)
        engine = sa.create_engine(self._url, pool_pre_ping=not self._is_file)
        if self._is_file:
            _prepare_sqlite(engine)
        try:
            with self._alone(), engine.connect():
                pass
        except sa.exc.SQLAlchemyError as error:
            engine.dispose()
            raise OfficeError(f"办公库无法打开（BOARD_OFFICE_URL）：{_reason(error)}") from error
        return engine

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold a lock between processes: only one at a time makes or opens the file."""
        if self.file is None:
            yield
            return
        with self.file.with_name(self.file.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def open_book(settings: Settings) -> Book:
    """Return the office book, without opening anything yet."""
    return Book(settings)


def _reason(error: sa.exc.SQLAlchemyError) -> str:
    """Return the first line of what the database says, which names no password."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _begun(engine: Engine) -> Connection:
    """Return a connection whose transaction has begun and whose file has been read.

    A server is asked by the pool whether it is there. A file may be there and what the open
    connections know of it no longer be true: only reading tells, and helps only once all of this
    process have been closed, since they share what they know.
    """
    for pause in _PAUSES if engine.dialect.name == "sqlite" else ():
        try:
            return _first_read(engine)
        except sa.exc.DatabaseError as error:
            if not _is_unreadable(error):
                raise
            log.warning("office_opened_anew", error=_sqlite_name(error))
            engine.dispose()
            time.sleep(pause)
    return _first_read(engine)


def _first_read(engine: Engine) -> Connection:
    connection = engine.connect()
    try:
        connection.begin()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA schema_version")
    except BaseException:
        # Not back into the pool: the next one would get it.
        connection.invalidate()
        connection.close()
        raise
    return connection


def _sqlite_name(error: sa.exc.DatabaseError) -> str:
    """Return SQLite's own name of an error, which says more than its words."""
    return str(getattr(error.orig, "sqlite_errorname", ""))


def _is_unreadable(error: sa.exc.DatabaseError) -> bool:
    # The lower eight bits are the kind.
    kind = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT)


def _prepare_sqlite(engine: Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        # The driver begins transactions when it thinks fit, not around DDL: we begin them.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        # No log beside the file (WAL): whether it may be deleted hangs on locks that idle
        # connections hold, and what was written is lost with it where a disk, or somebody who
        # merely reads the file in this process, drops them. Writes here are few and short.
        with contextlib.suppress(sqlite3.OperationalError):  # an older server has it open
            cursor.execute("PRAGMA journal_mode = DELETE")
        # An entry of the audit that was answered must survive a power failure.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _alembic(connection: Connection | None = None) -> Any:
    # Takes a fifth of a second to import: only the first use of a process needs it.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(_alembic()).get_current_head()
    with engine.connect() as connection:
        if _revision(connection) == newest:
            return
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        command.upgrade(_alembic(connection), "head")


def _require_newest(engine: Engine) -> None:
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(_alembic()).get_current_head()
    with engine.connect() as connection:
        found = _revision(connection)
    if found != newest:
        engine.dispose()
        raise OfficeError(
            f"办公库的表是 {found or '空'}，程序需要 {newest}：请先运行 flask office upgrade"
        )


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()
