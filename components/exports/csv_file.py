"""A sheet as CSV that Excel opens without garbling and without running anything in it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math

from components.exports.sheets import Cell, Export, Head
from components.formatting import day, moment

# What spreadsheets take for a formula, and the same in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_file(export: Export) -> bytes:
    """Return the first sheet as UTF-8 with BOM, CRLF; shares are percentages, empty is unknown."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_guarded(export.title)])
    writer.writerows([_guarded(term), _guarded(words)] for term, words in export.about)
    writer.writerow([])
    sheet = export.sheets[0]
    writer.writerow([_guarded(_title(column)) for column in sheet.columns])
    for row in [*sheet.rows, *([sheet.total] if sheet.total else [])]:
        writer.writerow(
            [_text(cell, column) for cell, column in zip(row, sheet.columns, strict=True)]
        )
    return text.getvalue().encode("utf-8-sig")


def _title(column: Head) -> str:
    # A column of bare numbers must say what they are of a hundred of.
    return f"{column.title}（百分数）" if column.kind == "share" else column.title


def _text(cell: Cell, column: Head) -> str:
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        return moment(cell)
    if isinstance(cell, dt.date):
        return day(cell)
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, int | float):
        if math.isnan(cell):
            return ""
        if column.kind == "share":
            return f"{100 * cell:.10g}"
        return str(int(cell)) if float(cell).is_integer() else f"{cell:.10g}"
    return _guarded(str(cell))


def _guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
