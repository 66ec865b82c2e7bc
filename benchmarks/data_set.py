"""Demo data of a size, made once by the real generator and used again.

It is in DuckDB files, or in a database of its own on a PostgreSQL server.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.processes import flask, on_citus, run, served
from benchmarks.report import Figure
from data_access import schema

# Sixteen times the budget, and more for sizes without one.
_LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class DataSet:
    """Published demo data; the seconds are those of the day on which it was made."""

    directory: Path
    database_url: str
    cases: int
    generate_seconds: float
    start_seconds: float
    peak_rss: int

    def figures(self) -> list[Figure]:
        """Return how long it took from nothing to the first answer of a server."""
        total = self.generate_seconds + self.start_seconds
        return [
            Figure(
                "demo from nothing to served", total, "s", "demo", f"{self.cases:,} cases generated"
            ),
            Figure("of these: until the server answers", self.start_seconds, "s"),
            Figure("memory of the generator, at most", self.peak_rss / 1e6, "MB"),
        ]


def demo_data(root: Path, cases: int, server_url: str = "") -> DataSet:
    """Return the demo data of this size below ``root``, or on the PostgreSQL server at an address.

    It is generated if it is not there yet, or was made for other tables than today's.
    """
    directory = root / f"demo-{cases}{'-postgresql' if server_url else ''}"
    database = f"board_benchmark_{cases}"
    url = _url(server_url, database)
    account = directory / "made.json"
    tables = _tables()
    if account.exists():
        made = json.loads(account.read_text("utf-8"))
        if made.pop("tables") == tables and _exists(server_url, database):
            return DataSet(directory, url, cases, **made)
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if server_url:
        _empty(server_url, database)
    command = flask("data", "demo", "--cases", str(cases))
    generated = run(command, directory, _LONGEST_SECONDS, url)
    with served(directory, url) as server:
        start_seconds = server.seconds_to_start
    made = {
        "generate_seconds": generated.seconds,
        "start_seconds": start_seconds,
        "peak_rss": generated.peak_rss,
    }
    account.write_text(json.dumps({"tables": tables, **made}), encoding="utf-8")
    return DataSet(directory, url, cases, **made)


def _url(server_url: str, database: str) -> str:
    if not server_url:
        return ""
    return sa.make_url(server_url).set(database=database).render_as_string(hide_password=False)


def _exists(server_url: str, database: str) -> bool:
    """Say whether the data is still where it was made: a server for tests does not last."""
    if not server_url:
        return True
    known = sa.text("SELECT 1 FROM pg_database WHERE datname = :name")
    with _server(server_url).connect() as connection:
        return connection.execute(known, {"name": database}).first() is not None


def _empty(server_url: str, database: str) -> None:
    with _server(server_url).connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
        connection.execute(sa.text(f"CREATE DATABASE {database} TEMPLATE template0"))
    if on_citus():
        with _server(_url(server_url, database)).connect() as connection:
            connection.execute(sa.text("CREATE EXTENSION citus"))


def _server(url: str) -> sa.Engine:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def _tables() -> dict[str, list[str]]:
    return {table.name: list(table.columns.keys()) for table in schema.metadata.sorted_tables}
