"""An empty store for a test or a module of tests, on DuckDB and on PostgreSQL."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from data_access.settings import Settings

_numbers = itertools.count(1)


ENGINES = ("duckdb", "postgresql")


@pytest.fixture(params=ENGINES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Give settings of an empty store, once on each engine."""
    with empty_store(request.param, tmp_path) as empty:
        yield empty


@pytest.fixture(scope="module", params=ENGINES)
def shared_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Give settings of a store that all tests of a module share, once on each engine."""
    with empty_store(request.param, tmp_path_factory.mktemp("store")) as empty:
        yield empty


@contextmanager
def empty_store(engine_name: str, path: Path, *, may_spread: bool = True) -> Iterator[Settings]:
    """Give settings of an empty store below a folder.

    PostgreSQL is the server at ``TEST_DATABASE_URL``; each store has a database of its own there.
    Without that variable the test is skipped, or fails if ``REQUIRE_ALL`` is 1. With ``TEST_CITUS``
    set to 1 the server is a Citus coordinator, and tables are spread where ``may_spread``.
    """
    if engine_name == "duckdb":
        yield store_settings(path)
        return
    server = os.environ.get("TEST_DATABASE_URL", "")
    if not server:
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail("TEST_DATABASE_URL is not set")
        pytest.skip("TEST_DATABASE_URL is not set")
    name = f"board_test_{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    url = sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    spread = may_spread and os.environ.get("TEST_CITUS") == "1"
    try:
        if spread:
            own = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            with own.connect() as connection:
                connection.execute(sa.text("CREATE EXTENSION citus"))
        yield store_settings(path, url, citus=spread)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def store_settings(tmp_path: Path, database_url: str = "", *, citus: bool = False) -> Settings:
    """Return settings of a store below ``tmp_path``, whatever the environment says."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path / "var",
        database_url=database_url,
        citus=citus,
        loader_memory_limit="1GB",
    )
