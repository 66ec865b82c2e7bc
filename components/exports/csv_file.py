"""A sheet as CSV that Excel opens without garbling and without running anything in it."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import math
from collections.abc import Iterator

from components.exports.sheets import Cell, Export, Head, Sheet, rows_of
from components.formatting import day, moment

# What spreadsheets take for a formula, and the same in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


# From so many digits on Excel rounds or shortens what looks like a number.
_MOST_DIGITS = 11


def csv_file(export: Export) -> bytes:
    """Return the first sheet as UTF-8 with BOM, CRLF; shares are percentages, empty is unknown."""
    return b"".join(csv_parts(export))


def csv_parts(export: Export) -> Iterator[bytes]:
    """Yield the same piece by piece, as the rows of a long sheet come."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_guarded(export.title)])
    writer.writerows([_guarded(term), _guarded(words)] for term, words in export.about)
    writer.writerow([])
    sheet = export.sheets[0]
    writer.writerow([_guarded(_title(column)) for column in sheet.columns])
    yield text.getvalue().encode("utf-8-sig")
    totals = [[sheet.total]] if isinstance(sheet, Sheet) and sheet.total else []
    for rows in itertools.chain(rows_of(sheet), totals):
        text = io.StringIO()
        csv.writer(text).writerows(
            [_text(cell, column) for cell, column in zip(row, sheet.columns, strict=True)]
            for row in rows
        )
        yield text.getvalue().encode()


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
    """Return a text that no spreadsheet takes for a formula, or for a number that it shortens."""
    is_code = text.isdecimal() and len(text) > _MOST_DIGITS
    return f"'{text}" if is_code or text.startswith(_FORMULA) else text
