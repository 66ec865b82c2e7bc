"""Sheets as a workbook: the first says what the figures rest on, texts stay texts."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import math
import re
from collections.abc import Sequence
from typing import IO, Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from components.exports.sheets import Cell, Export, Head, LongSheet, Sheet, rows_of
from components.formatting import PERCENT

_FONT = "宋体"
_FORBIDDEN = re.compile(r"[\[\]:*?/\\']")
_LONGEST_CELL = 32_767
_NARROWEST, _WIDEST = 8, 44


def workbook(export: Export) -> bytes:
    """Return an xlsx file: 说明 first, then every sheet with its head frozen and filterable."""
    file = io.BytesIO()
    write_workbook(export, file)
    return file.getvalue()


def write_workbook(export: Export, file: IO[bytes]) -> None:
    """Write the same to a file; of a long sheet one row is in memory at a time."""
    book = xlsxwriter.Workbook(
        file,
        # What people wrote stays text, whatever it begins with; a link is not made of it either.
        {"in_memory": not export.is_long, "constant_memory": export.is_long,
         "strings_to_formulas": False, "strings_to_urls": False},
    )  # fmt: skip
    base = {"font_name": _FONT, "font_size": 11, "valign": "top"}
    formats: dict[str, Format] = {
        "text": book.add_format(base),
        "wide": book.add_format(base | {"text_wrap": True}),
        "count": book.add_format(base | {"num_format": "#,##0"}),
        "date": book.add_format(base | {"num_format": "yyyy-mm-dd", "align": "left"}),
        "moment": book.add_format(base | {"num_format": "yyyy-mm-dd hh:mm", "align": "left"}),
        "title": book.add_format(base | {"bold": True, "font_size": 14}),
        "head": book.add_format(base | {"bold": True, "bottom": 1, "text_wrap": True}),
        "bold": book.add_format(base | {"bold": True, "top": 1}),
    }
    for decimals in range(5):
        zeros = "." + "0" * decimals if decimals else ""
        formats[f"share{decimals}"] = book.add_format(base | {"num_format": f"0{zeros}{PERCENT}"})
        shown = f"#,##0{'.' + '#' * decimals if decimals else ''}"
        formats[f"amount{decimals}"] = book.add_format(base | {"num_format": shown})
    try:
        _about(book, export, formats)
        for sheet in export.sheets:
            _sheet(book, export, sheet, formats)
    finally:
        # After a failure too: rows that were written lie in files of its own.
        book.close()


def _about(book: Workbook, export: Export, formats: dict[str, Format]) -> None:
    page = book.add_worksheet("说明")
    page.write_string(0, 0, export.title, formats["title"])
    for place, (term, words) in enumerate(export.about, 2):
        page.write_string(place, 0, term, formats["text"])
        page.write_string(place, 1, words, formats["wide"])
    page.set_column(0, 0, 14)
    page.set_column(1, 1, 80)


def _sheet(
    book: Workbook, export: Export, sheet: Sheet | LongSheet, formats: dict[str, Format]
) -> None:
    page = book.add_worksheet(_FORBIDDEN.sub(" ", sheet.name)[:31])
    batches = iter(rows_of(sheet))
    # Widths are known before the first row is written: in constant memory there is no way back.
    first = next(batches, [])
    for place, column in enumerate(sheet.columns):
        page.set_column(place, place, _width(first, place, column))
    for place, column in enumerate(sheet.columns):
        page.write_string(0, place, column.title, formats["head"])
    last = 0
    for row in itertools.chain(first, itertools.chain.from_iterable(batches)):
        last += 1
        for place, (cell, column) in enumerate(zip(row, sheet.columns, strict=True)):
            _write(page, last, place, cell, column, formats)
    if isinstance(sheet, Sheet) and sheet.total is not None:
        for place, (cell, column) in enumerate(zip(sheet.total, sheet.columns, strict=True)):
            _write(page, last + 1, place, cell, column, formats)
    page.freeze_panes(1, 1)
    page.autofilter(0, 0, max(last, 1), len(sheet.columns) - 1)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    # In a header "&" begins a code.
    page.set_header(f"&L{export.title.replace('&', '&&')}&R{sheet.name.replace('&', '&&')}")
    page.set_footer("&C第 &P 页，共 &N 页")


def _width(rows: Sequence[Sequence[Cell]], place: int, column: Head) -> float:
    if column.wide:
        return _WIDEST
    texts = [column.title, *(str(row[place] or "") for row in rows[:200])]
    # A Chinese character takes two columns of Latin ones.
    longest = max(sum(2 if ord(letter) > 0x2E80 else 1 for letter in text) for text in texts)
    return min(max(longest + 2, _NARROWEST), _WIDEST)


def _write(
    page: Worksheet, number: int, place: int, cell: Cell, column: Head, formats: dict[str, Format]
) -> None:
    style: Any = formats["text"]
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        page.write_blank(number, place, None, style)
    elif isinstance(cell, bool):
        page.write_string(number, place, "是" if cell else "否", style)
    elif isinstance(cell, dt.datetime):
        page.write_datetime(number, place, cell, formats["moment"])
    elif isinstance(cell, dt.date):
        page.write_datetime(number, place, dt.datetime.combine(cell, dt.time()), formats["date"])
    elif isinstance(cell, int | float):
        if column.kind in ("share", "amount"):
            style = formats[f"{column.kind}{column.decimals}"]
        elif column.kind == "count":
            style = formats["count"]
        page.write_number(number, place, cell, style)
    else:
        text = str(cell)[:_LONGEST_CELL]
        page.write_string(number, place, text, formats["wide"] if column.wide else style)
