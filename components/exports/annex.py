"""The annex of a packet: every number of it as a workbook, with what it is and where from."""

from __future__ import annotations

import datetime as dt

from components.exports.sealed import sealed
from components.exports.sheets import Cell, Export, Head, Kind, Sheet
from components.exports.workbook import workbook
from components.formatting import PERCENT
from domain.brief import Chart, Number, Packet, Table
from domain.metrics import METRICS

_LONGEST_NAME = 31
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))


def annex(packet: Packet, moment: dt.datetime) -> bytes:
    """Return the numbers behind a packet as an xlsx file, the same bytes for the same packet.

    Args:
        packet: what is told.
        moment: when it was settled, Asia/Shanghai; the file's own times.
    """
    sheets = [_figures(packet), _texts(packet)]
    for section in packet.sections:
        sheets += [_chart(chart) for chart in section.charts]
        sheets += [_table(table) for table in section.tables]
    named = [
        Sheet(name, sheet.columns, sheet.rows, sheet.total)
        for name, sheet in zip(_names([sheet.name for sheet in sheets]), sheets, strict=True)
    ]
    about = [("时段", packet.period), *packet.about]
    return sealed(workbook(Export(f"{packet.title}附件", about, named)), moment)


def _names(wanted: list[str]) -> list[str]:
    """Return names of tabs: short enough, each once."""
    found: list[str] = []
    for name in wanted:
        plain = name.translate(_FORBIDDEN).strip()
        number, tried = 1, plain[:_LONGEST_NAME]
        while tried.lower() in {each.lower() for each in found}:
            number += 1
            tail = f" {number}"
            tried = plain[: _LONGEST_NAME - len(tail)] + tail
        found.append(tried)
    return found


def _figures(packet: Packet) -> Sheet:
    columns = (
        Head("部分"), Head("数"), Head("文中写作"), Head("数值", "amount", 4),
        Head("样本（件）", "count"), Head("指标"), Head("时段"), Head("筛选条件", wide=True),
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [
            section.heading, figure.label, figure.text, figure.value, figure.n,
            METRICS[figure.metric].name if figure.metric in METRICS else figure.metric,
            figure.period, figure.filters,
        ]
        for section in packet.sections
        for figure in section.figures
    ]  # fmt: skip
    return Sheet("文中数字", columns, rows)


def _texts(packet: Packet) -> Sheet:
    columns = (Head("部分"), Head("文字", wide=True), Head("已改"), Head("原稿", wide=True))
    rows: list[list[Cell]] = [
        [
            section.heading, each.text, "已改" if each.edited is not None else "",
            each.draft if each.edited is not None else "",
        ]
        for section in packet.sections
        for each in section.paragraphs
        if each.text or each.edited is not None
    ]  # fmt: skip
    return Sheet("文字", columns, rows)


def _chart(chart: Chart) -> Sheet:
    kind: Kind = "share" if chart.unit == PERCENT else "amount"
    unit = "" if chart.unit == PERCENT else f"（{chart.unit}）"
    columns, values = [Head("项目")], []
    for series in chart.series:
        columns.append(Head(f"{series.name}{unit}", kind, 2))
        values.append(series.values)
        if series.low:
            columns += [
                Head(f"{series.name}下限", "amount", 2),
                Head(f"{series.name}上限", "amount", 2),
            ]
            values += [series.low, series.high]
    rows = [
        [name, *(column[place] for column in values)] for place, name in enumerate(chart.categories)
    ]
    return Sheet(f"图 {chart.title}", tuple(columns), rows)


def _table(table: Table) -> Sheet:
    columns = tuple(
        Head(
            f"{column.title}（{column.note}）"
            if column.note and column.kind != "share"
            else column.title,
            column.kind,
            column.decimals,
        )
        for column in table.columns
    )

    def cells(row: tuple[object, ...]) -> list[Cell]:
        # A number in a column of text stands there as it is printed, unit and all.
        return [
            (cell.text if column.kind == "text" else cell.value)
            if isinstance(cell, Number)
            else cell
            for cell, column in zip(row, table.columns, strict=True)
        ]

    total = cells(table.total) if table.total is not None else None
    return Sheet(f"表 {table.title}", columns, [cells(row) for row in table.rows], total)
