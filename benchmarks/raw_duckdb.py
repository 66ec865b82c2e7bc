"""Our queries beside the same questions in hand-written SQL on the best table for each."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from flask import Flask

from benchmarks.conversation import Page, Reader, to_client
from benchmarks.report import Figure, median
from benchmarks.server_time import ForgetfulStore
from data_access.case_counts import (
    closings_by_window,
    counts_by_week,
    counts_by_window,
    days_with_cases,
)
from data_access.question import Question, ask
from data_access.store import ResultCache, Snapshot
from domain.outcomes import COUNT_COLUMNS
from domain.periods import weeks_before
from domain.scope import CITY

_WEEKS = 26
_SUMS = ", ".join(f"sum({name})" for name in COUNT_COLUMNS)


@dataclass(frozen=True)
class Pair:
    """One question, asked by us of a snapshot and in SQL."""

    name: str
    ours: Callable[[Snapshot], object]
    sql: str
    values: list[Any]


def measure(server: Flask, pages: list[Page], changes: dict[str, str], repeat: int) -> list[Figure]:
    """Return each pair with its ratio, then the statements of each page beside all the SQL."""
    store = server.extensions["board_store"]
    question = ask(store, CITY, "")
    street = (
        ask(store, CITY, changes["category × street"]) if "category × street" in changes else None
    )
    figures, raw_ms = [], {}
    for pair in _pairs(question, street):
        ours, statements, raw = [], [], []
        for _ in range(max(repeat, 5)):
            # The engine of this process: threads and memory are the same for both.
            fresh = dataclasses.replace(question.snapshot, cache=ResultCache(8))
            with _recorded(fresh.engine) as recorded:
                ours.append(_seconds(partial(pair.ours, fresh)))
            statements.append(sum(recorded))
            raw.append(_seconds(partial(_fetched, question.snapshot, pair)))
        raw_ms[pair.name] = 1000 * median(raw)
        figures.append(
            Figure(
                f"{pair.name}: our statement ÷ raw DuckDB",
                median(statements) / median(raw),
                "×",
                "ratio",
                f"{1000 * median(statements):.1f} ms ÷ {raw_ms[pair.name]:.1f} ms; "
                f"with frame and labels {1000 * median(ours):.1f} ms",
            )
        )
    basic = [ms for name, ms in raw_ms.items() if "×" not in name]
    forgetful = ForgetfulStore(store)
    server.extensions["board_store"] = forgetful
    try:
        for page in pages:
            figures += _of_page(server, forgetful, page, question.snapshot, basic, repeat)
    finally:
        server.extensions["board_store"] = store
    return figures


def _pairs(question: Question, street: Question | None) -> list[Pair]:
    snapshot, filters, windows = question.snapshot, question.filters, question.windows
    spans = [day for _, window in windows for day in (window.start, window.end)]
    now = dict(windows)["now"]
    cutoff = snapshot.cutoff.date()
    weeks = tuple(weeks_before(cutoff, now.end, _WEEKS))
    week_span = [weeks[0].start, weeks[-1].end]
    next_day = now.end + dt.timedelta(days=1)
    by_window = """
        SELECT CASE WHEN created_on >= ? THEN 0 WHEN created_on >= ? THEN 1 ELSE 2 END AS part,
               {group}, {sums}
        FROM {table} WHERE NOT excluded AND (created_on BETWEEN ? AND ?
            OR created_on BETWEEN ? AND ? OR created_on BETWEEN ? AND ?)
        GROUP BY ALL"""
    starts = [now.start, dict(windows)["previous"].start]
    pairs = [
        Pair(
            "districts in three windows",
            lambda fresh: counts_by_window(fresh, CITY, filters, windows, "district"),
            by_window.format(group="district_id", table="daily_district", sums=_SUMS),
            starts + spans,
        ),
        Pair(
            f"districts in {_WEEKS} weeks",
            lambda fresh: counts_by_week(fresh, CITY, filters, weeks, "district"),
            f"""SELECT date_trunc('week', created_on), district_id, {_SUMS}
            FROM daily_district WHERE NOT excluded AND created_on BETWEEN ? AND ? GROUP BY ALL""",
            week_span,
        ),
        Pair(
            "categories in three windows",
            lambda fresh: counts_by_window(fresh, CITY, filters, windows, "category"),
            by_window.format(group="category_id", table="daily_category", sums=_SUMS),
            starts + spans,
        ),
        Pair(
            "closed in the period",
            lambda fresh: closings_by_window(fresh, CITY, filters, (("now", now),)),
            """SELECT count(*) FROM cases WHERE assessed AND NOT excluded
            AND closed_at >= ? AND closed_at < ?""",
            [now.start, next_day],
        ),
        Pair(
            "days with cases",
            lambda fresh: days_with_cases(fresh, CITY, filters, now),
            """SELECT count(DISTINCT created_on) FROM daily_district
            WHERE NOT excluded AND created_on BETWEEN ? AND ?""",
            [now.start, now.end],
        ),
    ]
    if street is not None:
        chosen = street.filters
        streets, categories = snapshot.reference.subdistricts, snapshot.reference.categories
        street_id = streets.loc[streets["code"].isin(list(chosen.subdistrict)), "id"].iloc[0]
        category_id = categories.loc[categories["code"].isin(list(chosen.category)), "id"].iloc[0]
        pairs.append(
            Pair(
                "category × street, rows of the cases",
                lambda fresh: counts_by_window(fresh, CITY, chosen, windows, "category"),
                """SELECT category_id, state, count(*) FROM cases
                WHERE assessed AND NOT excluded AND subdistrict_id = ? AND category_id IN
                    (SELECT id FROM categories WHERE level1_id = ?)
                AND (created_on BETWEEN ? AND ? OR created_on BETWEEN ? AND ?
                    OR created_on BETWEEN ? AND ?) GROUP BY ALL""",
                [int(street_id), int(category_id), *spans],
            )
        )
    return pairs


def _of_page(
    server: Flask,
    store: ForgetfulStore,
    page: Page,
    snapshot: Snapshot,
    raw_ms: list[float],
    repeat: int,
) -> list[Figure]:
    reader = Reader(to_client(server.test_client()))
    slowest, together = [], []
    statements = 0
    for _ in range(max(repeat, 3)):
        store.forget()
        with _recorded(snapshot.engine) as recorded:
            reader.opens(page)
        statements = len(recorded)
        slowest.append(1000 * max(recorded, default=0.0))
        together.append(1000 * sum(recorded))
    note = f"{statements} statements; all the raw SQL of 总览 {sum(raw_ms):.1f} ms"
    return [
        Figure(f"{page.name}: slowest statement ÷ slowest raw", median(slowest) / max(raw_ms), "×",
               "ratio", f"{median(slowest):.1f} ms ÷ {max(raw_ms):.1f} ms"),
        Figure(f"{page.name}: all statements ÷ all raw", median(together) / sum(raw_ms), "×", "",
               f"{median(together):.1f} ms in {note}"),
    ]  # fmt: skip


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _fetched(snapshot: Snapshot, pair: Pair) -> list[Any]:
    connection = snapshot.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(pair.sql, pair.values)
        return list(cursor.fetchall())
    finally:
        connection.close()


@contextmanager
def _recorded(engine: sa.Engine) -> Iterator[list[float]]:
    """Give the seconds of every statement that the engine executes meanwhile."""
    recorded: list[float] = []
    started: dict[int, float] = {}

    def before(_connection: Any, cursor: Any, *_rest: Any) -> None:
        started[id(cursor)] = time.perf_counter()

    def after(_connection: Any, cursor: Any, *_rest: Any) -> None:
        recorded.append(time.perf_counter() - started.pop(id(cursor)))

    sa.event.listen(engine, "before_cursor_execute", before)
    sa.event.listen(engine, "after_cursor_execute", after)
    try:
        yield recorded
    finally:
        sa.event.remove(engine, "before_cursor_execute", before)
        sa.event.remove(engine, "after_cursor_execute", after)
