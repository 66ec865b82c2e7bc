"""Every statement that pages, exports and queries run is one that a Citus coordinator passes on.

The statements are collected on DuckDB while the app is asked for everything; what they are made of
is the same on every engine but for the reading of far positions (``data_access.words.near``).
``docs/citus.md`` lists their shapes, and the list is checked here. No coordinator takes part.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import Join

from data_access import schema, words
from data_access.citus import SPREAD
from data_access.store import Snapshot
from domain.cases import sorts_of
from domain.filters import PRESET_LABELS
from domain.scope import CITY, Scope
from pages._exports import export_names
from tests.app import test_scope as scoped

app_server, client_of, named = scoped.app_server, scoped.client_of, scoped.named

DOCS = Path(__file__).resolve().parents[2] / "docs" / "citus.md"
# What each machine does on its own, and what a sum of the machines' answers finishes.
PLAIN = {"coalesce", "date_trunc", "floor", "strpos", "translate", "length", "now"}
SUMMED = {"count", "sum", "min", "max", "array_agg"}

LEDGER = [
    f"?period=2020-01-01..2021-04-12&preset={preset}&case_sort={sort}"
    for preset in PRESET_LABELS
    for sort in sorts_of(preset)
]
SEARCHES = (
    *scoped.SEARCHES,
    *LEDGER,
    *(f"{LEDGER[0]}&q={word}" for word in ("供暖", "暖", "小区供暖", "App 下单", "没有这样的词")),
    f"{LEDGER[0]}&q=小区&page=3",
    f"{LEDGER[0]}&q=小区供暖&district=110105&channel=phone",
    f"{LEDGER[0]}&page=200",
    f"{LEDGER[0]}&age=90&community=石榴园社区",
    "?preset=repeat&columns=repeats,summary&period=year-2020",
    "?channel=phone&by=subdistrict&category=101",
    "?topic=2021-01&by=category&compare=year",
)


def is_spread(table: sa.FromClause) -> bool:
    return isinstance(table, sa.Table) and table.name in SPREAD


def sources(source: Any) -> Iterator[Any]:
    """Yield what a FROM names: tables and subqueries, through joins and aliases."""
    if isinstance(source, Join):
        yield from sources(source.left)
        yield from sources(source.right)
    elif isinstance(source, sa.Subquery):
        yield source
    elif isinstance(source, sa.sql.expression.Alias):
        yield from sources(source.element)
    else:
        yield source


def spread_in(node: Any) -> list[str]:
    """Return the names of the spread tables that a part of a statement reads."""
    found = []
    for each in visitors.iterate(node):
        if isinstance(each, sa.Select):
            for source in itertools.chain.from_iterable(map(sources, each.get_final_froms())):
                if is_spread(source):
                    found.append(source.name)
    return found


def own_parts(select: sa.Select[Any]) -> list[Any]:
    """Return columns, conditions, groups and order of a select, without what it selects from."""
    where = [] if select.whereclause is None else [select.whereclause]
    return [
        *select.selected_columns, *where, *select._group_by_clauses, *select._having_criteria,
        *select._order_by_clauses,
    ]  # fmt: skip


def faults_of(statement: Any, most_skipped: int) -> Iterator[str]:
    """Yield what of a statement a coordinator would do itself, or refuse."""
    for select in visitors.iterate(statement):
        if isinstance(select, sa.Select):
            yield from _faults(select, most_skipped)


def _faults(select: sa.Select[Any], most_skipped: int) -> Iterator[str]:
    named = list(itertools.chain.from_iterable(map(sources, select.get_final_froms())))
    spread = [each for each in named if is_spread(each)]
    inner = [each for each in named if isinstance(each, sa.Subquery) and spread_in(each.element)]
    if len(spread) + len(inner) > 1:
        yield "joins cases with cases"
    parts = own_parts(select)
    for part in parts:
        for each in visitors.iterate(part):
            if isinstance(each, sa.Select) and spread_in(each):
                yield "asks about other cases in a condition"
    if not spread:
        return
    # Distinct ids of a reference are groups by another name.
    ids = all(getattr(each, "name", "").endswith("_id") and each.name != "case_id"
              for each in select.selected_columns)  # fmt: skip
    if select._distinct and not ids:
        yield "DISTINCT"
    aggregated = bool(select._group_by_clauses) or (select._distinct and ids)
    for part in parts:
        for each in visitors.iterate(part):
            if isinstance(each, sa.sql.elements.Over | sa.sql.elements.WithinGroup):
                yield "a window or a percentile"
            elif isinstance(each, Function):
                name = each.name.lower()
                aggregated |= name in SUMMED
                if name not in PLAIN | SUMMED:
                    yield f"{name}()"
    skipped = select._offset_clause
    if skipped is not None and skipped.value > most_skipped:
        yield f"OFFSET {skipped.value}"
    if select._limit_clause is None and not aggregated and not _names_rows(select):
        yield "rows without end"


def _names_rows(select: sa.Select[Any]) -> bool:
    """Return whether a select asks for rows by their numbers, positions or letter."""
    if select.whereclause is None:
        return False
    for each in visitors.iterate(select.whereclause):
        if isinstance(each, words._AtRows | words._OneOf | words._BitSet):
            return True
        if (
            isinstance(each, sa.BinaryExpression)
            and each.operator.__name__ in ("eq", "in_op")
            and getattr(each.left, "name", "") in ("case_id", "letter", "position")
        ):
            return True
    return False


def shapes_of(statement: Any) -> Iterator[str]:
    """Yield, for each select of a statement that reads a spread table, what it is made of."""
    for select in visitors.iterate(statement):
        if not isinstance(select, sa.Select):
            continue
        named = list(itertools.chain.from_iterable(map(sources, select.get_final_froms())))
        spread = [each.name for each in named if is_spread(each)]
        if not spread:
            continue
        joined = set()
        for each in named:
            if isinstance(each, sa.Subquery):
                joined |= {table.name for table in visitors.iterate(each.element)
                           if isinstance(table, sa.Table)}  # fmt: skip
            elif not is_spread(each):
                joined.add(each.name)
        summed = {
            each.name.lower()
            for part in own_parts(select)
            for each in visitors.iterate(part)
            if isinstance(each, Function) and each.name.lower() in SUMMED
        }
        said = [" with ".join(["`cases`" if spread == ["cases"] else f"`{spread[0]}`",
                                 *(f"`{each}`" for each in sorted(joined))])]  # fmt: skip
        if summed:
            said.append(", ".join(sorted(summed)))
        if select._group_by_clauses or select._distinct:
            said.append("by groups")
        elif not summed:
            if select._order_by_clauses and select._limit_clause is not None:
                said.append("the first in an order")
                if select._offset_clause is not None:
                    said.append("some skipped")
            else:
                said.append("rows that are named")
        yield " · ".join(said)


@pytest.fixture(scope="module")
def statements(
    app_server: Flask, client_of: Callable[[str], FlaskClient], named: dict[str, list[str]]
) -> dict[str, Any]:
    """Give every statement that was run: its text → how it was built."""
    snapshot: Snapshot = app_server.extensions["board_store"].current()
    found: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, text: str, _values: Any, context: Any, _many: bool):
        # Anew each time an offset differs: the largest one counts.
        statement = context.compiled.statement
        skipped = [
            each._offset_clause.value
            for each in visitors.iterate(statement)
            if isinstance(each, sa.Select) and each._offset_clause is not None
        ]
        found[f"{text} {skipped}"] = statement

    sa.event.listen(snapshot.engine, "before_cursor_execute", note)
    try:
        for role in ("supervisor", "district", "unit"):
            client = client_of(role)
            listed = scoped.callbacks(client)
            for search in SEARCHES:
                for callback in listed:
                    # The ledger's own options change nothing on other pages.
                    if search not in scoped.SEARCHES and "cases-" not in callback["output"]:
                        continue
                    for body in scoped.bodies(callback, search, named):
                        scoped.answer(client, body)
                for name in export_names():
                    if search in scoped.SEARCHES or name == "cases":
                        client.get(f"/export/{name}.csv{search}")
        for scope in (CITY, Scope(frozenset({scoped.OWN})), Scope(units=frozenset({"U023"}))):
            snapshot.cache._results.clear()
            for ask in scoped.calls(snapshot, scope).values():
                ask()
    finally:
        sa.event.remove(snapshot.engine, "before_cursor_execute", note)
    return found


def test_every_statement_is_one_that_citus_passes_on(
    statements: dict[str, Any], snapshot: Snapshot
):
    assert len(statements) > 150
    with snapshot.engine.connect() as connection:
        per_day = sa.select(sa.func.count(schema.cases.c.case_id).label("n")).group_by(
            schema.cases.c.created_on
        )
        most = connection.scalar(sa.select(sa.func.max(per_day.subquery().c.n)))
    faults = defaultdict(list)
    for text, statement in statements.items():
        for fault in faults_of(statement, 2 * most):
            faults[fault].append(text[:400])
    assert not {fault: texts[:2] for fault, texts in faults.items()}


def test_the_document_lists_every_shape(statements: dict[str, Any]):
    found = {shape for statement in statements.values() for shape in shapes_of(statement)}
    _, _, listed = DOCS.read_text("utf-8").partition("| asks of |")
    told = re.findall(r"^\| (`[a-z_]+`.*?) \|", listed, re.MULTILINE)
    assert sorted(told) == sorted(found)


# --- The check finds what it looks for ------------------------------------------------------------

_cases, _again = schema.cases, schema.cases.alias("again")


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (sa.select(sa.func.count()).select_from(
            _cases.join(_again, _again.c.case_id == _cases.c.repeat_of)), "joins"),
        (sa.select(sa.func.count()).where(
            _cases.c.repeat_of.in_(sa.select(_again.c.case_id))), "other cases"),
        (sa.select(sa.func.count()).where(
            sa.select(1).where(_again.c.case_id == _cases.c.repeat_of).exists()), "other cases"),
        (sa.select(_cases.c.case_id).where(
            _cases.c.community == sa.select(sa.func.min(_again.c.community)).scalar_subquery()
        ).limit(1), "other cases"),
        (sa.select(_cases.c.case_id).order_by(_cases.c.created_at).limit(5).offset(99_999),
         "OFFSET"),
        (sa.select(_cases.c.case_id), "without end"),
        (sa.select(_cases.c.case_id, sa.func.row_number().over()).limit(5), "window"),
        (sa.select(sa.func.percentile_cont(0.5).within_group(_cases.c.created_at)), "percentile"),
        (sa.select(sa.func.median(_cases.c.state)), "median"),
        (sa.select(sa.func.count()).select_from(_cases.join(
            sa.select(_again.c.repeat_of).group_by(_again.c.repeat_of).subquery(), sa.true())),
         "joins"),
        (sa.select(_cases.c.community).distinct(), "DISTINCT"),
    ],
)  # fmt: skip
def test_what_citus_would_not_pass_on_is_found(statement: Any, fault: str):
    assert any(fault in each for each in faults_of(statement, 1_000))


def test_reference_tables_may_be_joined():
    units, repeats = schema.units, schema.matter_repeats
    numbers = sa.select(repeats.c.repeat_of).group_by(repeats.c.repeat_of).subquery()
    joined = _cases.join(units, units.c.id == _cases.c.lead_unit_id).join(
        numbers, numbers.c.repeat_of == _cases.c.repeat_of
    )
    statement = sa.select(sa.func.count()).select_from(joined).where(
        _cases.c.topic_id.in_(sa.select(schema.topics.c.id))
    )  # fmt: skip
    assert list(faults_of(statement, 0)) == []
