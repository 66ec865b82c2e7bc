"""Writes the whole demo into a staging file: cases month by month, then the small tables."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from duckdb_sqlalchemy import Dialect
from sqlalchemy.schema import CreateTable

from data_access import schema
from data_access.demo.cases import CaseMaker
from data_access.demo.catalogue import CHANNELS, KINDS, Catalogue, category_rows, read_catalogue
from data_access.demo.places import make_places
from data_access.demo.planted import make_planted_cases, planted_communities
from data_access.demo.programme import make_programme
from data_access.demo.rhythm import FIRST_DAY, HISTORY_END, LAST_DAY, make_rhythm
from data_access.demo.wording import make_wording
from data_access.publishing import SHANGHAI, SMALL_TABLES, Staged
from domain.rules import Rules

DEFAULT_CUTOFF = HISTORY_END
DEFAULT_SEED = 2021
_EARLIEST_CUTOFF = dt.date(2020, 2, 1)
_SOURCE = "演示数据"
_RULES_FROM = dt.date(2019, 1, 1)


def generate(
    staging_path: Path,
    *,
    cases: int | None = None,
    seed: int = DEFAULT_SEED,
    cutoff: dt.date = DEFAULT_CUTOFF,
    progress: Callable[[str, float], None] = lambda _, __: None,
) -> Staged:
    """Return a staging file with the demo: the same arguments always give the same rows.

    ``cases`` is the number of rows up to 2021-04-12 (None: true scale, 3.04 million cases of 2020
    and 咨询 answered on the spot on top); above 6 million the history is extended backwards
    instead. A later ``cutoff`` (the last day, up to 2021-12-31) adds rows and moves none. An
    existing file is replaced.

    Raises:
        ValueError: too few cases, or a cut-off outside of 2020-02-01 … 2021-12-31.
    """
    if not _EARLIEST_CUTOFF <= cutoff <= LAST_DAY:
        raise ValueError(f"演示数据的截至日期须在 {_EARLIEST_CUTOFF} 与 {LAST_DAY} 之间")
    if seed < 0:
        raise ValueError("演示数据的随机种子不能为负数")
    catalogue = read_catalogue()
    places = make_places(catalogue, seed, planted_communities(catalogue))
    groups = make_planted_cases(catalogue, places.communities, places.community_first, seed)
    rhythm = make_rhythm(
        catalogue,
        seed,
        cases,
        groups.count(FIRST_DAY, HISTORY_END),
        groups.count(FIRST_DAY, dt.date(2020, 12, 31)),
    )
    maker = CaseMaker(
        catalogue,
        places,
        rhythm,
        groups,
        make_wording(catalogue, places),
        seed=seed,
        cutoff=cutoff,
    )
    programme = make_programme(catalogue, places, seed, cutoff)
    rows_by_table = {**_reference_rows(catalogue), **vars(programme), "rules": _rules_rows()}

    staging_path.unlink(missing_ok=True)
    with duckdb.connect(str(staging_path)) as connection:
        connection.execute("SET memory_limit = '600MB'")
        connection.execute("SET enable_progress_bar = false")  # ``progress`` is told instead
        _create(connection, "incoming", schema.SOURCE_COLUMNS)
        rows = _insert_cases(connection, maker, progress)
        progress("生成参考表与每月一题", 0.97)
        for table in SMALL_TABLES:
            _create(connection, table.name, table.columns)
            _insert(connection, table, rows_by_table[table.name])
        _create(connection, "loads", schema.loads.columns)
        _insert(connection, schema.loads, [_load_row(cases, seed, cutoff, rows)])
    progress("演示数据已生成", 1.0)
    return Staged(
        path=staging_path,
        line="demo",
        new_line=False,
        cutoff=dt.datetime.combine(cutoff, dt.time(23, 59, 59)),
        city="北京市",
        tables=frozenset(table.name for table in SMALL_TABLES),
        has_cases=True,
    )


def _insert_cases(
    connection: duckdb.DuckDBPyConnection,
    maker: CaseMaker,
    progress: Callable[[str, float], None],
) -> int:
    """Return the number of rows; one month is written while the next is made."""
    rows = 0
    with ThreadPoolExecutor(max_workers=1) as writer:
        writing: Future[None] | None = None
        for position, month in enumerate(maker):
            if writing is not None:
                writing.result()
            rows += month.num_rows
            progress(f"生成诉求 {rows:,} 件", 0.97 * position / len(maker))
            writing = writer.submit(_append, connection, month)
        if writing is not None:
            writing.result()
    return rows


def _append(connection: duckdb.DuckDBPyConnection, month: pa.Table) -> None:
    connection.register("month", month)
    connection.execute("INSERT INTO incoming BY NAME SELECT * FROM month")
    connection.unregister("month")


def _create(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Iterable[sa.Column[Any]]
) -> None:
    table = sa.Table(
        name,
        sa.MetaData(),
        *(sa.Column(column.name, column.type, nullable=column.nullable) for column in columns),
    )
    connection.execute(str(CreateTable(table).compile(dialect=Dialect())))


def _insert(
    connection: duckdb.DuckDBPyConnection, table: sa.Table, rows: list[dict[str, Any]]
) -> None:
    names = [column.name for column in table.columns]
    arrow = pa.table({name: [row[name] for row in rows] for name in names})
    connection.register("rows", arrow)
    connection.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM rows")
    connection.unregister("rows")


def _reference_rows(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the reference tables, by table."""
    district_ids = {place.code: number for number, place in enumerate(catalogue.districts, 1)}
    return {
        "districts": [
            {
                "id": number,
                "code": place.code,
                "name": place.name,
                "short_name": place.row["short_name"],
                "population": _number(place.row["population"]),
                "zone": place.row["zone"] or None,
                "counted_in": place.row["counted_in"] or None,
                "tile_row": _number(place.row["tile_row"]),
                "tile_column": _number(place.row["tile_column"]),
            }
            for number, place in enumerate(catalogue.districts, 1)
        ],
        "subdistricts": [
            {
                "id": number,
                "code": place.code,
                "name": place.name,
                "district_id": district_ids[place.district],
                "kind": place.row["kind"],
            }
            for number, place in enumerate(catalogue.subdistricts, 1)
        ],
        "categories": [dict(row) for row in category_rows(catalogue.categories)],
        "units": [
            {"id": number, "code": f"U{number:03d}", "name": row["name"], "kind": row["kind"]}
            for number, row in enumerate(catalogue.units, 1)
        ],
        "channels": [
            {"id": number, "code": code, "name": name}
            for number, (code, name, _) in enumerate(CHANNELS, 1)
        ],
        "kinds": [
            {"id": number, "code": code, "name": name}
            for number, (code, name) in enumerate(KINDS, 1)
        ],
    }


def _rules_rows() -> list[dict[str, Any]]:
    rules = Rules()
    return [
        {
            "version": rules.version,
            "effective_on": _RULES_FROM,
            "name": name,
            "value": json.dumps(value),
        }
        for name, value in rules.values().items()
    ]


def _load_row(cases: int | None, seed: int, cutoff: dt.date, rows: int) -> dict[str, Any]:
    """Return the account of this load; the checksum names the arguments, which decide the rows."""
    arguments: Mapping[str, Any] = {"cases": cases, "seed": seed, "cutoff": cutoff.isoformat()}
    text = json.dumps(arguments, sort_keys=True)
    return {
        "version": 0,  # publishing says which
        "table_name": "cases",
        "source": f"{_SOURCE} seed={seed}",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "loaded_at": dt.datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0),
        "rows_read": rows,
        "rows_kept": rows,
        "rows_merged": 0,
        "rows_rejected": 0,
        "account": json.dumps({"invented": True, **arguments}, ensure_ascii=False),
    }


def _number(text: str) -> int | None:
    return int(text) if text else None
