"""Files that leave the product: numbers stay numbers, texts stay texts, nothing runs."""

import csv
import datetime as dt
import io
import math
import zipfile

import pytest
from python_calamine import CalamineWorkbook

from components.exports.csv_file import csv_file
from components.exports.sheets import Export, Head, Sheet, export_links
from components.exports.workbook import workbook

NASTY = [
    '=HYPERLINK("http://x.example","点我")', "+1", "-2+3", "@SUM(A1)", "\t=1", "＝1+1",
    "http://x.example", "007", "1e5",
]  # fmt: skip
EXPORT = Export(
    "各区台账 & 说明",
    (("范围", "2021年3月 · 北京市"), ("备注", "=1+1")),
    (
        Sheet(
            "甲/乙[1]",
            (
                Head("区"), Head("件", "count"), Head("率", "share", 2), Head("日期", "date"),
                Head("摘要", wide=True), Head("万元", "amount", 2),
            ),
            [
                ("朝阳区", 12345, 0.87654, dt.date(2021, 4, 12), text, 1.25) for text in NASTY
            ]
            + [("海淀区", 0, math.nan, None, "", None)],
            total=("全市", 12345, 0.5, None, "", 3),
        ),
        Sheet("另表", (Head("名称"),), []),
    ),
)  # fmt: skip


def csv_rows(export):
    return list(csv.reader(io.StringIO(csv_file(export).decode("utf-8-sig"), newline="")))


def test_csv_begins_with_a_mark_and_says_what_it_rests_on():
    content = csv_file(EXPORT)
    assert content.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in content
    rows = csv_rows(EXPORT)
    assert rows[:4] == [["各区台账 & 说明"], ["范围", "2021年3月 · 北京市"], ["备注", "'=1+1"], []]
    assert rows[4] == ["区", "件", "率（百分数）", "日期", "摘要", "万元"]
    assert rows[5][:4] == ["朝阳区", "12345", "87.654", "2021-04-12"]
    assert rows[-2] == ["海淀区", "0", "", "", "", ""]
    assert rows[-1][0] == "全市"


def test_no_cell_of_a_csv_begins_like_a_formula():
    for row in csv_rows(EXPORT):
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")), (
                cell
            )
    summaries = [row[4] for row in csv_rows(EXPORT)[5:-2]]
    assert [text.removeprefix("'") for text in summaries] == NASTY


def test_a_workbook_keeps_numbers_and_texts():
    book = CalamineWorkbook.from_filelike(io.BytesIO(workbook(EXPORT)))
    assert book.sheet_names == ["说明", "甲 乙 1 ", "另表"]
    about = book.get_sheet_by_index(0).to_python()
    assert about[0][0] == "各区台账 & 说明"
    assert ["备注", "=1+1"] in about
    rows = book.get_sheet_by_index(1).to_python()
    assert rows[0] == ["区", "件", "率", "日期", "摘要", "万元"]
    assert rows[1][:4] == ["朝阳区", 12345, 0.87654, dt.date(2021, 4, 12)]
    assert [row[4] for row in rows[1:-2]] == NASTY
    assert rows[-2] == ["海淀区", 0, "", "", "", ""]
    assert rows[-1][:3] == ["全市", 12345, 0.5]


def test_a_workbook_has_neither_formulas_nor_links():
    with zipfile.ZipFile(io.BytesIO(workbook(EXPORT))) as parts:
        sheets = [
            parts.read(n).decode() for n in parts.namelist() if n.startswith("xl/worksheets/")
        ]
    assert len(sheets) == 3
    for sheet in sheets:
        assert "<f>" not in sheet
        assert "<hyperlink" not in sheet


def test_links_carry_the_query_and_are_fetched_by_the_browser():
    links = export_links("projects", "?district=110105", "项目台账")
    assert [link.href for link in links] == [
        "/export/projects.xlsx?district=110105", "/export/projects.csv?district=110105",
    ]  # fmt: skip
    assert all(link.download == "" for link in links)


def test_a_row_that_does_not_fit_its_columns_is_a_defect():
    columns = (Head("一"), Head("二"))
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Sheet("甲", columns, [("只有一格",)])
    with pytest.raises(ValueError, match="3 cells"):
        Sheet("甲", columns, [], total=(1, 2, 3))
