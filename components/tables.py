"""Tables that prove a figure: plain HTML, readable by everyone, printable."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import count, day, moment, sample_text, value_text, week_text
from domain.metrics import Metric

Content: TypeAlias = str | int | float | Component | Sequence[Any] | None


@dataclass(frozen=True)
class Column:
    """One column: where its cells come from and how they stand."""

    key: str
    title: str
    align: Literal["start", "end", "center"] = "start"
    note: str = ""  # small print below the title: unit, denominator
    phone: bool = True  # False: left out on phones


@dataclass(frozen=True)
class Row:
    """One row: the content of its cells by column key; a missing key is an empty cell."""

    cells: Mapping[str, Content]
    marked: bool = False  # the place the page is about


@dataclass(frozen=True)
class Apart:
    """Rows that stand apart below the others, with the reason: not ranked, not placed."""

    reason: str
    rows: Sequence[Row] = field(default_factory=tuple)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row as name → value, as Python's own; ``to_dict`` takes ten times as long."""
    names = [str(name) for name in rows.columns]
    columns = [rows[name].tolist() for name in rows.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def link_cell(text: str, href: str) -> dcc.Link:
    """Return a cell that leads to a page of this product."""
    return dcc.Link(text, href=href)


def value_cell(
    metric: Metric, value: float, n: float, decimals: int = 1, reason: str = ""
) -> Component:
    """Return a value with its n in small print; the reason where there is no value."""
    text = value_text(metric, value, reason, decimals)
    if metric.kind == "count" or math.isnan(value):
        return html.Span(text)
    return html.Span([text, html.Small(f"n {count(n)}", title=sample_text(metric, n))])


def judged_cell(metric: Metric, value: float, n: float, least: int) -> Content:
    """Return a value with its n; of fewer than ``least`` that they are too few to tell."""
    if 0 < n < least:
        return ["样本不足", html.Small(f"n {count(n)}")]
    return value_cell(metric, value, n)


def data_table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    caption: str,
    total: Row | None = None,
    apart: Sequence[Apart] = (),
    empty: str = "没有符合条件的数据",
    caption_hidden: bool = False,
    tall: bool = False,
) -> html.Div:
    """Return an accessible table that scrolls sideways with its first column in place.

    Args:
        columns: from left to right; the first is the head of each row.
        rows: in the order to show.
        caption: what the table holds, with its period and 口径.
        total: the row 汇总, shown last.
        apart: rows that are not part of the order, each group with its reason.
        empty: said instead of rows when there are none.
        caption_hidden: the caption repeats a heading and is for screen readers only.
        tall: the table scrolls within itself, its head in place.
    """
    span = len(columns)
    styled = [(column.key, _class_of(column)) for column in columns]
    bodies: list[Component] = [html.Tbody([_row(styled, row) for row in rows])]
    if not rows and not any(group.rows for group in apart):
        bodies = [html.Tbody(html.Tr(html.Td(empty, colSpan=span, className="table-empty")))]
    for group in apart:
        if group.rows:
            head = html.Tr(html.Th(group.reason, colSpan=span, scope="rowgroup"))
            bodies.append(
                html.Tbody(
                    [head, *(_row(styled, row) for row in group.rows)], className="table-apart"
                )
            )
    if total is not None:
        bodies.append(html.Tbody(_row(styled, total), className="table-total"))
    return html.Div(
        html.Table(
            [
                html.Caption(caption, className="visually-hidden" if caption_hidden else None),
                html.Thead(html.Tr([_head(column) for column in columns])),
                *bodies,
            ],
            className="data-table",
        ),
        className="table-scroll table-tall" if tall else "table-scroll",
        tabIndex=0,
        role="region",
        **{"aria-label": caption},
    )


def _class_of(column: Column) -> str | None:
    names = [] if column.align == "start" else [f"cell-{column.align}"]
    names += [] if column.phone else ["not-on-phone"]
    return " ".join(names) or None


def _head(column: Column) -> html.Th:
    content = [column.title, html.Small(column.note)] if column.note else column.title
    return html.Th(content, scope="col", className=_class_of(column))


def _row(columns: Sequence[tuple[str, str | None]], row: Row) -> html.Tr:
    """Return a row; the columns as key and class."""
    (first, its_class), *others = columns
    cells = [
        _cell(html.Th, row.cells.get(first), its_class, scope="row"),
        *(_cell(html.Td, _content(row.cells.get(key)), name) for key, name in others),
    ]
    return _cell(html.Tr, cells, "row-marked" if row.marked else None)


def _cell(kind: Any, content: Any, name: str | None, **more: str) -> Any:
    given = {**more, "className": name} if name else more
    return kind(content, **given)


def _content(content: Content) -> Any:
    if isinstance(content, bool) or not isinstance(content, int | float):
        return content
    return count(content) if math.isnan(content) or content == int(content) else f"{content:,}"


def table_twin(title: str, frame: pd.DataFrame) -> html.Details:
    """Return the numbers behind a figure as a table that opens on demand.

    Args:
        title: what the figure shows.
        frame: one row per line of the table, column names as headings, cells as text; whole
            numbers get separators, dates the ISO form.
    """
    values = {str(name): frame[name].tolist() for name in frame.columns}
    columns = [
        Column(name, name, "end" if place and all(map(_is_number, cells)) else "start")
        for place, (name, cells) in enumerate(values.items())
    ]
    rows = [
        Row(dict(zip(values, map(_plain, line), strict=True)))
        for line in zip(*values.values(), strict=True)
    ]
    return html.Details(
        [
            html.Summary(["数据表", html.Span(f"：{title}", className="visually-hidden")]),
            data_table(columns, rows, title, caption_hidden=True, tall=True),
        ],
        className="table-twin",
    )


def _is_number(cell: Any) -> bool:
    return cell[:1].isdigit() if isinstance(cell, str) else isinstance(cell, int | float)


def _plain(value: Any) -> Content:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return "—"
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, dt.date):
        return day(value)
    return str(value) if isinstance(value, bool) else value


def weekly_table(weekly: Mapping[Metric, pd.DataFrame]) -> pd.DataFrame:
    """Return weeks as texts for ``table_twin``: one row per week, value and n per indicator.

    Args:
        weekly: indicator → one row per week (``week_start``, ``week_end``, ``value``, ``n``,
            ``mature``); every frame has the same weeks.
    """
    frames = list(weekly.values())
    if not frames:
        return pd.DataFrame()
    weeks = frames[0]
    table = pd.DataFrame(
        {
            "周": [
                week_text(start, end)
                for start, end in zip(weeks["week_start"], weeks["week_end"], strict=True)
            ]
        }
    )
    for metric, frame in weekly.items():
        table[metric.name] = [value_text(metric, float(value)) for value in frame["value"]]
        if metric.kind != "count":
            table[f"{metric.name} n"] = [count(float(n)) for n in frame["n"]]
    ripe = pd.concat([frame["mature"].reset_index(drop=True) for frame in frames], axis=1)
    table["成熟度"] = ["成熟" if each else "未成熟" for each in ripe.all(axis=1)]
    return table
