"""Makes a version from the previous one and a staging file, and publishes it in one step.

The statements that merge, judge and count cases are written once and run on DuckDB and on
PostgreSQL. They join on ``case_id`` only, so that a database that distributes cases by it
(Citus) can run each on the machine that has the cases.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import Connection

from data_access import citus, schema
from data_access.settings import Settings
from data_access.versions import (
    DEMO_LINE,
    STAGING_SCHEMA,
    FileVersions,
    LayoutError,
    SchemaVersions,
    StoreError,
    VersionKey,
    Versions,
    check_layout,
    loader_lock,
    open_versions,
    staging_dir,
)
from data_access.words import index_words
from domain import outcomes
from domain.rules import Rules, least_group, rules_from_rows, rules_in_force

Progress = Callable[[str, float], None]

# Beijing time has had no summer time since 1991; naive times everywhere mean this zone.
SHANGHAI = dt.timezone(dt.timedelta(hours=8))

# Tables that a load delivers whole or that are carried over.
SMALL_TABLES: tuple[sa.Table, ...] = (
    schema.districts,
    schema.subdistricts,
    schema.categories,
    schema.units,
    schema.channels,
    schema.kinds,
    schema.topics,
    schema.topic_units,
    schema.topic_categories,
    schema.targets,
    schema.target_plan,
    schema.district_targets,
    schema.progress,
    schema.milestones,
    schema.projects,
    schema.project_causes,
    schema.project_log,
    schema.project_stages,
    schema.causes,
    schema.rules,
)


def _indexes() -> list[sa.Index]:
    """Return the indexes on PostgreSQL: pages of the ledger by time, ranges of days, one case, and
    the few cases that a preset lists wherever they are.

    DuckDB needs none: it skips row groups by their least and greatest value, because cases are in
    order of time.
    """
    # Copies: an index belongs to its table, and the tables of the schema serve DuckDB as well.
    copied = sa.MetaData()
    tables = {table.name: table.to_metadata(copied) for table in schema.metadata.sorted_tables}
    cases, words, repeats = tables["cases"].c, tables["word_index"].c, tables["matter_repeats"].c
    # All that cases are counted by: the index alone answers, where the rows would take five times
    # as long.
    counted = [
        "state",
        "assessed",
        "excluded",
        "district_id",
        "subdistrict_id",
        "category_id",
        "topic_id",
        "channel_id",
        "lead_unit_id",
    ]
    found = [
        sa.Index("cases_by_number", cases.case_id, unique=True),
        sa.Index("cases_by_position", cases.position),
        sa.Index("cases_by_time", cases.created_at, cases.case_id),
        # And what a search has found, by position.
        sa.Index("cases_by_day", cases.created_on, postgresql_include=["position", *counted]),
        sa.Index("cases_by_unit", cases.lead_unit_id, cases.created_on,
                 postgresql_include=[each for each in counted if each != "lead_unit_id"]),
        *(
            sa.Index(f"cases_by_{name}", cases[f"{name}_id"], cases.created_at)
            for name in ("district", "category", "topic")
        ),
        sa.Index("cases_by_subdistrict", cases.subdistrict_id, cases.created_at,
                 postgresql_include=["created_on",
                                     *(each for each in counted if each != "subdistrict_id")]),
        # Nobody looks for what is not there, and few cases are as these.
        sa.Index("cases_by_closing", cases.closed_at, postgresql_include=counted,
                 postgresql_where=cases.closed_at.is_not(None)),
        sa.Index("cases_by_first", cases.repeat_of,
                 postgresql_where=cases.repeat_of.is_not(None)),
        sa.Index("cases_by_group", cases.group_cases,
                 postgresql_where=cases.group_cases.is_not(None)),
        # With all that repeats are counted by: the cases themselves lie far apart.
        sa.Index("cases_by_repeats", cases.matter_repeats, cases.created_at, cases.case_id,
                 postgresql_where=cases.matter_repeats.is_not(None),
                 postgresql_include=["created_on", "assessed", "excluded", "state",
                                     "first_closed_at", "position", "district_id"]),
        sa.Index("cases_open", cases.created_at, cases.case_id,
                 postgresql_where=schema.is_open(cases.state)),
        sa.Index("cases_overdue", cases.due_at, cases.case_id,
                 postgresql_where=schema.is_overdue(cases.state)),
        sa.Index("words_by_letter", words.letter, words.stretch, unique=True),
        sa.Index("repeats_by_first", repeats.repeat_of),
    ]  # fmt: skip
    for name, keys in (
        ("daily_district", ["created_on"]),
        ("daily_place", ["created_on"]),
        ("daily_place", ["subdistrict_id", "created_on"]),
        ("daily_category", ["created_on"]),
        ("daily_category", ["topic_id", "created_on"]),
    ):
        found.append(sa.Index(f"{name}_by_{keys[0]}", *(tables[name].c[key] for key in keys)))
    return found


_CASE_COLUMNS = tuple(column.name for column in schema.SOURCE_COLUMNS)
_incoming = sa.Table(
    "incoming",
    sa.MetaData(),
    *(sa.Column(name, schema.cases.c[name].type) for name in _CASE_COLUMNS),
    schema="staging",
    # Lost in a crash of the server, as the load is.
    prefixes=["UNLOGGED"],
)
_staged_metadata = sa.MetaData()
_previous_metadata = sa.MetaData()
_STAGED = {
    table.name: table.to_metadata(_staged_metadata, schema="staging")
    for table in (*SMALL_TABLES, schema.loads)
}
_PREVIOUS = {
    table.name: table.to_metadata(_previous_metadata, schema="previous")
    for table in schema.metadata.sorted_tables
}
_previous_cases = _PREVIOUS["cases"]


class PublishError(StoreError):
    """The version could not be published; the one before it stays. The message is in Chinese."""


@dataclass(frozen=True)
class Staged:
    """A staging DuckDB file and what publishing has to know about it.

    The file has ``loads`` with a row per file that was read, ``incoming`` if ``has_cases`` (the
    columns of ``cases`` but ``state``; one row per ``case_id``), and each table of ``tables`` with
    its complete new content. Whoever wrote it has closed it. ``cutoff`` None: the newest time in
    the data; ``city`` None: as before.
    """

    path: Path
    line: Literal["demo", "real"]
    new_line: bool = False
    cutoff: dt.datetime | None = None
    city: str | None = None
    tables: frozenset[str] = frozenset()
    has_cases: bool = True


@dataclass(frozen=True)
class PublishedVersion:
    """One version on the list of kept ones.

    ``changed`` is False when a load brought nothing new: then no version was made, and this is
    the one that was current before. Times are naive, Asia/Shanghai.
    """

    key: str
    line: str
    version: int
    city: str
    cutoff: dt.datetime
    first_day: dt.date | None
    published_at: dt.datetime
    cases: int
    is_current: bool
    changed: bool = True


def publish(settings: Settings, staged: Staged, progress: Progress) -> PublishedVersion:
    """Return the version made from the current one of the line and the staged data, now current.

    Cases are merged by ``case_id``, small tables replaced; a demo replaces everything. ``progress``
    is told what is being done (Chinese) and how much of all is behind (0–1). Takes the loader's
    lock unless the caller holds it.

    Raises:
        PublishError: bad staged data, a full disk, a lost database; nothing has changed then.
        LockedError: another load is running.
    """
    with loader_lock(settings, keep=staged.path):
        versions = open_versions(settings)
        try:
            return _publish(settings, versions, staged, progress)
        except (OSError, sa.exc.SQLAlchemyError, duckdb.Error, psycopg.Error) as error:
            raise PublishError(f"发布失败，现有版本不受影响：{error}") from error
        finally:
            versions.close()


def rollback(settings: Settings, to_version: str | None = None) -> PublishedVersion:
    """Return the version that is current now: the one named, else the one before the current one.

    ``to_version`` is a key, as in ``real-1.4``, or the number of a version of the current line.
    The version left behind is kept until the next load.

    Raises:
        StoreError: no such version is kept.
        LockedError: a load is running.
    """
    with loader_lock(settings):
        versions = open_versions(settings)
        try:
            current, kept = versions.current(), versions.kept()
            if current is None:
                raise StoreError("还没有发布过任何版本")
            if to_version is None:
                target = max((key for key in kept if _older(key, current)), default=None)
            else:
                named = f"{current.line}.{to_version}" if to_version.isdecimal() else to_version
                target = VersionKey.parse(named)
            if target is None or target not in kept:
                others = "、".join(str(key) for key in kept if key != current) or "无"
                raise StoreError(f"没有可以回退到的版本；现有其他版本：{others}")
            check_layout(versions, target)
            versions.switch(target)
            return _describe(versions, target, is_current=True)
        finally:
            versions.close()


def versions(settings: Settings) -> list[PublishedVersion]:
    """Return the kept versions, the newest first; an empty list when nothing was published."""
    kept_versions = open_versions(settings)
    try:
        current = kept_versions.current()
        described = [
            _describe(kept_versions, key, is_current=key == current) for key in kept_versions.kept()
        ]
    finally:
        kept_versions.close()
    return sorted(described, key=lambda version: version.published_at, reverse=True)


def state_of_case(columns: Any, cutoff: dt.datetime, rules: Rules) -> sa.ColumnElement[int]:
    """Return the SQL expression for ``domain.outcomes.state_of`` of a case at the cut-off.

    ``columns`` are those of ``cases``. A case that was closed after the cut-off counts as open.
    """
    closed: sa.ColumnElement[bool] = sa.and_(
        columns.closed, sa.or_(columns.closed_at.is_(None), columns.closed_at <= cutoff)
    )
    shelved = sa.and_(
        sa.not_(closed), sa.func.coalesce(columns.shelved_until >= cutoff.date(), sa.false())
    )
    timeliness = sa.case(
        (sa.and_(closed, columns.on_time), outcomes.ON_TIME),
        (sa.and_(closed, sa.not_(columns.on_time)), outcomes.LATE),
        (closed, outcomes.TIMELINESS_OPEN),
        (sa.and_(columns.due_at < cutoff, sa.not_(shelved)), outcomes.OVERDUE),
        else_=outcomes.TIMELINESS_OPEN,
    )
    resolved = sa.case(
        (columns.resolved == outcomes.RESOLVED_YES, outcomes.RESOLVED_YES),
        (columns.resolved == outcomes.RESOLVED_PARTLY, outcomes.RESOLVED_PARTLY),
        else_=outcomes.RESOLVED_NO,
    )
    satisfaction = sa.case(
        (columns.satisfaction == outcomes.SATISFIED, outcomes.SATISFIED),
        (columns.satisfaction == outcomes.BASICALLY_SATISFIED, outcomes.BASICALLY_SATISFIED),
        else_=outcomes.SATISFACTION_OTHER,
    )
    # The packing is arithmetic: the same function serves numbers and SQL expressions.
    outcome_of: Callable[..., Any] = outcomes.outcome_of
    state_of: Callable[..., Any] = outcomes.state_of
    outcome = sa.case(
        (columns.valid_revisit.is_(None), outcomes.NOT_REVISITED),
        (sa.not_(columns.valid_revisit), outcomes.REVISIT_FAILED),
        else_=outcome_of(_flag(columns.contacted), resolved, satisfaction),
    )
    window = dt.timedelta(days=rules.revisit_window_days)
    limit = dt.timedelta(days=rules.default_limit_days)
    mature = sa.or_(
        columns.valid_revisit.is_not(None),
        columns.due_at <= cutoff - window,
        sa.and_(columns.due_at.is_(None), columns.created_at <= cutoff - window - limit),
    )
    state = state_of(
        outcome,
        timeliness,
        _flag(closed),
        _flag(mature),
        _flag(shelved),
        _flag(columns.repeat_of.is_not(None)),
    )
    return sa.cast(state, sa.SmallInteger)


def _flag(condition: sa.ColumnElement[bool]) -> Any:
    return sa.case((condition, 1), else_=0)


def _older(key: VersionKey, current: VersionKey) -> bool:
    return key.line == current.line and key.version < current.version


def _describe(versions: Versions, key: VersionKey, *, is_current: bool) -> PublishedVersion:
    engine = versions.reader(key)
    try:
        with engine.connect() as connection:
            # Only columns that every layout has: an older version is listed as well.
            columns = ("city", "cutoff", "first_day", "published_at")
            info = connection.execute(
                sa.select(*(schema.version_info.c[name] for name in columns))
            ).one()
            cases = connection.execute(sa.select(sa.func.count()).select_from(schema.cases))
            return PublishedVersion(
                key=str(key),
                line=key.line,
                version=key.version,
                city=info.city,
                cutoff=info.cutoff,
                first_day=info.first_day,
                published_at=info.published_at,
                cases=cases.scalar_one(),
                is_current=is_current,
            )
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"版本 {key} 无法读取：{error}") from error
    finally:
        engine.dispose()


def _publish(
    settings: Settings, versions: Versions, staged: Staged, progress: Progress
) -> PublishedVersion:
    unknown = staged.tables - {table.name for table in SMALL_TABLES}
    if unknown:
        raise PublishError(f"不能导入的表：{'、'.join(sorted(unknown))}")
    now = dt.datetime.now(SHANGHAI).replace(tzinfo=None)
    current, kept = versions.current(), versions.kept()
    line = _line_of(staged, current, kept)
    previous = current if current is not None and current.line == line else None
    if previous is not None:
        try:
            check_layout(versions, previous)
        except LayoutError as error:
            if line != DEMO_LINE:
                raise PublishError(f"{error}，或用 --new-line 另起一条数据线重新导入") from None
            previous = None  # a demo is made anew as a whole
    last = max((key.version for key in kept if key.line == line), default=0)
    key = VersionKey(line, last + 1)

    progress("读取暂存数据", 0.0)
    with _building(settings, versions, staged, key, previous) as connection:
        progress("与现有版本比较", 0.15)
        replaced, changed = _compare(connection, staged, previous is not None)
        if not changed:
            assert previous is not None
            unchanged = _describe(versions, previous, is_current=True)
            return PublishedVersion(**{**vars(unchanged), "changed": False})
        # A demo is made anew as a whole; nothing of an earlier one may shine through.
        merged = previous is not None and line != DEMO_LINE
        _fill(
            connection, staged, key, now, merged=merged, replaced=replaced,
            threads=settings.loader_threads, progress=progress,
        )  # fmt: skip
        progress("写入磁盘", 0.8)
        if isinstance(versions, FileVersions):
            connection.exec_driver_sql("CHECKPOINT")
        else:
            _analyze(connection, schema.metadata.sorted_tables, "VACUUM ANALYZE")
    versions.publish(key)
    try:
        published = _describe(versions, key, is_current=True)  # readers can open it
        progress("切换版本", 0.98)
    except BaseException:
        versions.remove(key)
        raise
    versions.switch(key)
    for superseded in _superseded(settings, versions.kept(), key, previous):
        versions.remove(superseded)
    progress("完成", 1.0)
    return published


def _line_of(staged: Staged, current: VersionKey | None, kept: Sequence[VersionKey]) -> str:
    if staged.line == "demo":
        return DEMO_LINE
    if current is not None and current.line != DEMO_LINE and not staged.new_line:
        return current.line
    numbers = [int(key.line.removeprefix("real-")) for key in kept if key.line != DEMO_LINE]
    return f"real-{max(numbers, default=0) + 1}"


def _superseded(
    settings: Settings, kept: Sequence[VersionKey], key: VersionKey, previous: VersionKey | None
) -> list[VersionKey]:
    """Return the versions to remove now that ``key`` is current.

    Of its line the newest stay, without those that a rollback had taken out of use; of every other
    line the newest stays, which also keeps a line's numbers from being used twice.
    """
    newest = {other.line: other for other in kept}
    rolled_back = {
        other
        for other in kept
        if previous is not None
        and other.line == key.line
        and previous.version < other.version < key.version
    }
    own = [other for other in kept if other.line == key.line and other not in rolled_back]
    stay = {*own[-settings.keep_versions :], *(newest[line] for line in newest), key}
    return [other for other in kept if other not in stay]


def _building(
    settings: Settings,
    versions: Versions,
    staged: Staged,
    key: VersionKey,
    previous: VersionKey | None,
) -> AbstractContextManager[Connection]:
    """Give a connection to where a version is built, with empty tables.

    ``staging`` and ``previous`` are schemas there; what is left of it after a failure is removed
    with the lock.
    """
    if isinstance(versions, FileVersions):
        return _building_file(settings, versions, staged, key, previous)
    return _building_schema(versions, staged, key, previous, settings.citus)


@contextmanager
def _building_file(
    settings: Settings,
    versions: FileVersions,
    staged: Staged,
    key: VersionKey,
    previous: VersionKey | None,
) -> Iterator[Connection]:
    path = versions.building_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        sa.URL.create("duckdb", database=str(path)),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "config": {
                "threads": settings.loader_threads,
                "memory_limit": settings.loader_memory_limit,
                "temp_directory": str(staging_dir(settings) / "spill"),
                # Better compression than what older DuckDB could read.
                "storage_compatibility_version": "latest",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        },
    )
    attached = {"staging": staged.path}
    if previous is not None:
        attached["previous"] = versions.path(previous)
    with engine.connect() as connection:
        for name, file in attached.items():
            quoted = str(file).replace("'", "''")
            connection.exec_driver_sql(f"ATTACH '{quoted}' AS {name} (READ_ONLY)")
        schema.metadata.create_all(connection, checkfirst=False)
        yield connection


@contextmanager
def _building_schema(
    versions: SchemaVersions,
    staged: Staged,
    key: VersionKey,
    previous: VersionKey | None,
    on_citus: bool,
) -> Iterator[Connection]:
    names = {None: versions.schema_name(key), "staging": STAGING_SCHEMA}
    if previous is not None:
        names["previous"] = versions.schema_name(previous)
    staged_tables = [_STAGED["loads"], *(_STAGED[name] for name in sorted(staged.tables))]
    if staged.has_cases:
        staged_tables.append(_incoming)
    engine = versions.loader().execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect().execution_options(schema_translate_map=names) as connection:
        connection.execute(sa.schema.CreateSchema(names[None]))
        connection.execute(sa.schema.CreateSchema(STAGING_SCHEMA))
        schema.metadata.create_all(connection, checkfirst=False)
        if on_citus:
            citus.spread(connection, schema.metadata.sorted_tables)
        with duckdb.connect(str(staged.path), read_only=True) as staging:
            for table in staged_tables:
                table.create(connection)
                if on_citus:
                    citus.spread(connection, [table])
                _copy(staging, connection, table)
        yield connection


def _copy(staging: duckdb.DuckDBPyConnection, connection: Connection, table: sa.Table) -> None:
    """Stream a table of the staging file into PostgreSQL's table of the same name."""
    columns = _names(table)
    batches = staging.table(table.name).project(*columns).to_arrow_reader(100_000)
    target = sql.SQL("COPY {}.{} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(STAGING_SCHEMA),
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
    driver = cast(psycopg.Connection, connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(target) as copy:
        for batch in batches:
            text = io.BytesIO()
            pa.csv.write_csv(batch, text, options)
            # PostgreSQL has no place for the character NUL.
            copy.write(text.getvalue().replace(b"\0", b""))
    _analyze(connection, [table])


def _compare(connection: Connection, staged: Staged, has_previous: bool) -> tuple[int, bool]:
    """Return how many incoming cases the previous version has, and whether anything is new.

    Raises:
        PublishError: a ``case_id`` is twice in ``incoming``.
    """
    replaced, changed = 0, not has_previous
    if staged.has_cases:
        counts = sa.select(sa.func.count(), sa.func.count(_incoming.c.case_id.distinct()))
        rows, ids = connection.execute(counts.select_from(_incoming)).one()
        if rows != ids:
            raise PublishError(f"暂存数据有重复的工单编号：{rows} 行，{ids} 个编号")
        if has_previous:
            differs = sa.or_(
                *(
                    _incoming.c[name].is_distinct_from(_previous_cases.c[name])
                    for name in _CASE_COLUMNS
                )
            )
            known = sa.join(
                _incoming, _previous_cases, _incoming.c.case_id == _previous_cases.c.case_id
            )
            replaced, differing = connection.execute(
                sa.select(sa.func.count(), sa.func.count().filter(differs)).select_from(known)
            ).one()
            changed = replaced < rows or differing > 0
            if staged.line == DEMO_LINE:
                changed = changed or rows < _count(connection, _previous_cases)
    if changed:
        return replaced, True
    info = connection.execute(sa.select(_PREVIOUS["version_info"])).one()
    return replaced, (
        (staged.cutoff is not None and staged.cutoff != info.cutoff)
        or (staged.city is not None and staged.city != info.city)
        or any(_differ(connection, _STAGED[name], _PREVIOUS[name]) for name in staged.tables)
    )


def _differ(connection: Connection, first: sa.Table, second: sa.Table) -> bool:
    return any(
        _count(connection, sa.except_all(sa.select(one), sa.select(other)).subquery())
        for one, other in ((first, second), (second, first))
    )


def _count(connection: Connection, source: sa.FromClause) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(source)).scalar_one()


def _fill(
    connection: Connection,
    staged: Staged,
    key: VersionKey,
    now: dt.datetime,
    *,
    merged: bool,
    replaced: int,
    threads: int,
    progress: Progress,
) -> None:
    """Fill every table of the new version."""
    progress("写入基础数据", 0.2)
    for table in (*SMALL_TABLES, schema.loads):
        is_staged = table.name in staged.tables
        if is_staged or merged:
            source = (_STAGED if is_staged else _PREVIOUS)[table.name]
            connection.execute(_copied(table, source))
    _fill_loads(connection, key, replaced if merged else 0)
    connection.execute(
        schema.states.insert(),
        outcomes.states().to_dict("records"),
        # DuckDB takes so many rows in one go, not one by one.
        execution_options={"duckdb_copy_threshold": 1000},
    )
    info = connection.execute(sa.select(_PREVIOUS["version_info"])).one() if merged else None
    cutoff = staged.cutoff or _newest_time(connection, staged, info, now)
    if cutoff > now:
        raise PublishError(f"数据截至时间 {cutoff:%Y-%m-%d %H:%M} 在将来")
    rule_rows = connection.execute(sa.select(schema.rules)).mappings()
    rule_sets = rules_from_rows([dict(row) for row in rule_rows])
    rules = rules_in_force(rule_sets, cutoff.date())

    progress("合并诉求", 0.25)
    sources: list[sa.FromClause] = []
    if merged:
        sources.append(_previous_cases)
    if staged.has_cases:
        sources.append(_incoming)
    expected = sum(_count(connection, source) for source in sources) - (replaced if merged else 0)
    if sources:
        for table, chosen in _counted_together(sources, rule_sets).items():
            connection.execute(table.insert().from_select(_names(table), chosen))
            _analyze(connection, [table])
        by_window = connection.dialect.name != "duckdb"
        connection.execute(_merged_cases(sources, cutoff, rules, by_window=by_window))
        if not by_window:
            # The number of a row is its place; a window would take one thread, and twice as long.
            position = sa.literal_column("rowid", sa.Integer)
            connection.execute(schema.cases.update().values(position=position))
    progress("汇总", 0.6)
    for aggregate in schema.AGGREGATES:
        connection.execute(_daily(aggregate))
    _verify(connection, expected)
    progress("建立索引", 0.65)
    if connection.dialect.name == "postgresql":
        for index in _indexes():
            connection.execute(sa.schema.CreateIndex(index))
    before = (_previous_cases, _PREVIOUS["word_index"]) if merged else None
    index_words(connection, expected, threads, before)

    first_day = connection.execute(sa.select(sa.func.min(schema.cases.c.created_on))).scalar_one()
    city = staged.city if staged.city is not None else (info.city if info else "")
    connection.execute(
        schema.version_info.insert().values(
            line=key.line,
            version=key.version,
            layout=schema.LAYOUT,
            is_demo=key.line == DEMO_LINE,
            city=city,
            cutoff=cutoff,
            first_day=first_day,
            published_at=now,
        )
    )


def _names(table: sa.Table) -> list[str]:
    return [column.name for column in table.columns]


def _copied(table: sa.Table, source: sa.Table) -> sa.Insert:
    names = _names(table)
    return table.insert().from_select(names, sa.select(*(source.c[name] for name in names)))


def _fill_loads(connection: Connection, key: VersionKey, replaced: int) -> None:
    """Write the account of this load: read = kept + merged + rejected.

    A case that the previous version has already counts as merged. Which file it came from is not
    known any more, so the first files that have room for it get it; the sum is exact.
    """
    for row in connection.execute(sa.select(_STAGED["loads"])).mappings().all():
        load = {**row, "version": key.version}
        if load["table_name"] == schema.cases.name:
            unmerged = load["rows_read"] - load["rows_rejected"] - load["rows_merged"]
            merged = min(replaced, unmerged)
            replaced -= merged
            load["rows_merged"] += merged
            load["rows_kept"] = unmerged - merged
        connection.execute(schema.loads.insert().values(load))


def _newest_time(
    connection: Connection, staged: Staged, info: sa.Row[Any] | None, now: dt.datetime
) -> dt.datetime:
    """Return the newest time in the data that is not after now.

    Not before the previous version's cut-off, if that has cases: a correction of old cases does
    not make the data older. Without any case there is no such time, and it is now.
    """
    times = [info.cutoff] if info is not None and info.first_day is not None else []
    sources = [_incoming] if staged.has_cases else []
    if info is not None:
        sources.append(_previous_cases)
    for cases in sources:
        columns = (cases.c.created_at, cases.c.dispatched_at, cases.c.responded_at)
        newest = connection.execute(
            sa.select(
                *(
                    sa.func.max(sa.case((column <= now, column)))
                    for column in (*columns, cases.c.closed_at)
                )
            )
        ).one()
        times += [time for time in newest if time is not None]
    return max(times, default=now)


def _merged(sources: Sequence[sa.FromClause], names: Sequence[str]) -> sa.Subquery:
    """Return some columns of all cases, incoming before previous."""
    selects = []
    for cases in sources:
        chosen = sa.select(*(cases.c[name] for name in names))
        if cases is _previous_cases and _incoming in sources:
            same = sa.select(1).where(_incoming.c.case_id == cases.c.case_id)
            chosen = chosen.where(~same.exists())
        selects.append(chosen)
    return sa.union_all(*selects).subquery("merged")


def _counted_together(
    sources: Sequence[sa.FromClause], rule_sets: Sequence[Rules]
) -> dict[sa.Table, sa.Select]:
    """Return the rows of the tables with what cases say together, in the order to fill them."""
    alike = _merged(
        sources, ["subdistrict_id", "category_id", "community", "created_on", "assessed"]
    ).c
    keys = [
        alike.subdistrict_id,
        alike.category_id,
        alike.community,
        schema.month_number(alike.created_on),
    ]
    groups = (
        sa.select(*keys, sa.func.count())
        .where(alike.assessed, *(key.is_not(None) for key in keys[:3]))
        .group_by(*keys)
        .having(sa.func.count() >= least_group(rule_sets))
    )
    again = _merged(sources, ["repeat_of", "district_id", "lead_unit_id", "assessed"]).c
    owners = [again.repeat_of, again.district_id, again.lead_unit_id]
    repeats = (
        sa.select(*owners, sa.func.count())
        .where(again.assessed, again.repeat_of.is_not(None))
        .group_by(*owners)
        .order_by(*owners)
    )
    counted = schema.matter_repeats.c
    firsts = _merged(sources, ["case_id", "closed_at"])
    matters = (
        sa.select(counted.repeat_of, sa.func.sum(counted.repeats), sa.func.min(firsts.c.closed_at))
        .select_from(schema.matter_repeats.outerjoin(firsts, firsts.c.case_id == counted.repeat_of))
        .group_by(counted.repeat_of)
    )
    return {schema.case_groups: groups, schema.matter_repeats: repeats, schema.matters: matters}


def _merged_cases(
    sources: Sequence[sa.FromClause], cutoff: dt.datetime, rules: Rules, *, by_window: bool
) -> sa.Insert:
    """Return the statement that writes all cases in order of time; not ``by_window``: without
    their positions.
    """
    merged = _merged(sources, _CASE_COLUMNS)
    group, matter = schema.case_groups.c, schema.matters.c
    alike = sa.and_(
        *(merged.c[name] == group[name] for name in ("subdistrict_id", "category_id", "community")),
        schema.month_number(merged.c.created_on) == group.month,
    )
    made = [
        state_of_case(merged.c, cutoff, rules).label("state"),
        # Not a condition of the join, which then compares every case with every group on DuckDB.
        sa.case((merged.c.assessed, group.cases)).label("group_cases"),
        matter.repeats.label("matter_repeats"),
        matter.closed_at.label("first_closed_at"),
    ]
    ordered = (
        sa.select(*merged.c, *made)
        .select_from(
            merged.outerjoin(schema.case_groups, alike).outerjoin(
                schema.matters, matter.case_id == merged.c.repeat_of
            )
        )
        .order_by(merged.c.created_at, merged.c.case_id)
        .subquery("ordered")
    )
    # Numbered as they come, which is in order.
    number = sa.func.row_number().over() - 1 if by_window else sa.literal(0)
    position = sa.cast(number, sa.Integer)
    names = ordered.columns.keys()
    return schema.cases.insert().from_select(
        [*names, "position"], sa.select(*(ordered.c[name] for name in names), position)
    )


def _daily(aggregate: sa.Table) -> sa.Insert:
    """Return the statement that fills an aggregate from the assessed cases."""
    names = [name for name in _names(aggregate) if name not in outcomes.COUNT_COLUMNS]
    cases = schema.cases.c
    grouped = (
        sa.select(*(cases[name] for name in names), cases.state, sa.func.count().label("cases"))
        .where(cases.assessed)
        .group_by(*(cases[name] for name in names), cases.state)
        .subquery()
    )
    keys = [grouped.c[name] for name in names]
    counted = (
        sa.select(*keys, *schema.counts_of_states(grouped.c.cases))
        .join_from(grouped, schema.states, schema.states.c.state == grouped.c.state)
        .group_by(*keys)
        .order_by(*keys)
    )
    return aggregate.insert().from_select([*names, *outcomes.COUNT_COLUMNS], counted)


def _verify(connection: Connection, expected: int) -> None:
    """Refuse a version in which rows and aggregates disagree, or positions and rows."""
    assessed = sa.func.count().filter(schema.cases.c.assessed)
    positions = (sa.func.min(schema.cases.c.position), sa.func.max(schema.cases.c.position))
    rows, counted, first, last = connection.execute(
        sa.select(sa.func.count(), assessed, *positions)
    ).one()
    if rows and (first, last) != (0, rows - 1):
        raise PublishError(f"核对不符：{rows} 件诉求的次序为 {first} 至 {last}")
    sums = [
        connection.execute(sa.select(sa.func.coalesce(sa.func.sum(table.c.cases), 0))).scalar_one()
        for table in schema.AGGREGATES
    ]
    if rows != expected or any(total != counted for total in sums):
        raise PublishError(
            f"核对不符：应有 {expected} 件，实有 {rows} 件；计入考核 {counted} 件，汇总 {sums} 件"
        )


def _analyze(connection: Connection, tables: Sequence[sa.Table], command: str = "ANALYZE") -> None:
    """Let PostgreSQL look at tables: without, it plans for empty ones. DuckDB needs no telling.

    With a VACUUM, which a table that is never changed needs once, an index alone can answer.
    """
    if connection.dialect.name != "postgresql":
        return
    names = connection.get_execution_options()["schema_translate_map"]
    for table in tables:
        # The name is made of a line and a number.
        connection.execute(sa.text(f"{command} {names[table.schema]}.{table.name}"))
