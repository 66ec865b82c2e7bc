"""The small tables of a version as rows: read from the current one, changed, written to staging."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from duckdb_sqlalchemy import Dialect

from data_access import schema
from data_access.publishing import SMALL_TABLES
from data_access.store import Snapshot

Row = dict[str, Any]

TABLE_NAMES = tuple(table.name for table in SMALL_TABLES)


class SmallTables:
    """Rows by table name, read when asked for; empty for the first version of a line."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot
        self._rows: dict[str, list[Row]] = {}
        self.changed: set[str] = set()

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a table in the order of their first column; do not change the list."""
        if name not in self._rows:
            self._rows[name] = []
            if self._snapshot is not None:
                table = schema.metadata.tables[name]
                statement = sa.select(table).order_by(*table.columns)
                with self._snapshot.engine.connect() as connection:
                    self._rows[name] = [
                        dict(row) for row in connection.execute(statement).mappings()
                    ]
        return self._rows[name]

    def add(self, name: str, row: Row) -> None:
        """Append a row."""
        self.rows(name).append(row)
        self.changed.add(name)

    def replace(self, name: str, rows: list[Row]) -> None:
        """Give a table new content; that it may be the same is for publishing to see."""
        self._rows[name] = rows
        self.changed.add(name)

    def next_id(self, name: str) -> int:
        """Return the id for the next row; ids are never used again."""
        return max((row["id"] for row in self.rows(name)), default=0) + 1

    def write(self, connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
        """Write every changed table to the staging file and return their names."""
        for name in sorted(self.changed):
            create_table(connection, schema.metadata.tables[name])
            insert_rows(connection, schema.metadata.tables[name], self._rows[name])
        return frozenset(self.changed)


def column_type(column: sa.Column[Any]) -> str:
    """Return the DuckDB type of a column of the schema."""
    return column.type.compile(dialect=Dialect())


def create_table(connection: duckdb.DuckDBPyConnection, table: sa.Table) -> None:
    """Create a table of the schema in the staging file."""
    columns = ", ".join(f'"{column.name}" {column_type(column)}' for column in table.columns)
    connection.execute(f"CREATE TABLE {table.name} ({columns})")


def insert_rows(connection: duckdb.DuckDBPyConnection, table: sa.Table, rows: list[Row]) -> None:
    """Insert rows whose keys are the columns of the table."""
    if not rows:
        return
    names = [column.name for column in table.columns]
    arriving = pa.table({name: pa.array([row[name] for row in rows]) for name in names})
    connection.register("arriving", arriving)
    casts = ", ".join(f'CAST("{c.name}" AS {column_type(c)})' for c in table.columns)
    connection.execute(f"INSERT INTO {table.name} SELECT {casts} FROM arriving")
    connection.unregister("arriving")
