"""The ledger of cases on the screen and in its files: figures equal loops over the rows."""

from __future__ import annotations

import csv
import datetime as dt
import io
import sys
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from python_calamine import CalamineWorkbook

from components.formatting import count
from data_access import schema
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot
from domain.filters import PRESET_LABELS
from domain.rules import Rules
from domain.scope import Scope
from tests.app.board import (
    Answer,
    Board,
    MakeServer,
    board_of,
    nodes,
    of_class,
    of_type,
    table_rows,
    words,
)
from tests.data.staging import stage

WHOLE = "period=2020-01-01..2021-04-12"
PANELS = tuple(f"cases-{part}" for part in (
    "summary", "choices", "matched", "search", "groups", "pager", "table"
))  # fmt: skip
CASE_PANELS = tuple(f"case-{part}" for part in ("summary", "course", "facts", "matter"))
NASTY = '=HYPERLINK("http://x.example","点我")'
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@pytest.fixture(scope="module")
def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(schema.cases)).mappings()]


def counted(rows: list[dict[str, Any]], cutoff: dt.datetime, preset: str) -> int:
    """Return how many assessed cases of the whole period a preset has, from the rows."""
    number = 0
    for row in rows:
        if not row["assessed"] or row["excluded"]:
            continue
        closed = row["closed"] and (row["closed_at"] is None or row["closed_at"] <= cutoff)
        shelved = not closed and row["shelved_until"] and row["shelved_until"] >= cutoff.date()
        late = not closed and not shelved and row["due_at"] and row["due_at"] < cutoff
        age = (cutoff.date() - row["created_on"]).days
        number += {
            "": True,
            "open": not closed,
            "overdue": bool(late),
            "long_open": not closed and age > Rules().long_open_days,
            "repeat": row["repeat_of"] is not None,
            "shelved": bool(shelved),
            "unplaced": row["district_id"] is None,
        }[preset]
    return number


def tree(board: Board, panel: str, search: str) -> Any:
    answer = board.panel(panel, search)
    assert answer.sound, (panel, search, answer.text)
    found = answer.props[panel]["children"]
    for text in ("NaN", "nan", "None", "Infinity"):
        assert text not in words(found), (panel, search)
    return found


def case_panel(board: Board, panel: str, number: object, search: str = "") -> Answer:
    output = f"{panel}.children"
    return board.post(
        {
            "output": output,
            "outputs": {"id": panel, "property": "children"},
            "inputs": [
                {"id": "question", "property": "data", "value": search},
                {"id": "case-number", "property": "data", "value": number},
            ],
            "changedPropIds": ["question.data"],
            "state": [],
        }
    )


def listed(board: Board, search: str) -> list[str]:
    """Return the numbers of the cases on a page."""
    return [row[0] for row in table_rows(tree(board, "cases-table", search))[1:]]


def links(found: Any) -> dict[str, str]:
    """Return the words of every link → where it leads; the first of equal words."""
    result: dict[str, str] = {}
    for node in nodes(found):
        if node["type"] in ("Link", "A"):
            result.setdefault(words(node), node["props"]["href"])
    return result


def search_of(href: str) -> str:
    assert href.startswith("/cases")
    return "?" + urlsplit(href).query


# --- The list -----------------------------------------------------------------------------------


def test_counts_of_presets_are_those_of_the_rows(
    board: Board, snapshot: Snapshot, rows: list[dict[str, Any]]
):
    found = of_class(tree(board, "cases-choices", f"?{WHOLE}"), "facet")[0]
    shown = {words(item["props"]["children"]) for item in of_class(found, "facet-link")}
    for preset, label in PRESET_LABELS.items():
        if preset in ("returned", "group"):
            continue
        number = counted(rows, snapshot.cutoff, preset)
        assert any(text.endswith(f"{label}{count(number)}") for text in shown), (label, shown)


@pytest.mark.parametrize("preset", PRESET_LABELS)
def test_the_title_the_pager_and_the_rows_agree(board: Board, preset: str):
    search = f"?{WHOLE}&preset={preset}"
    title = words(of_type(tree(board, "cases-summary", search), "H1"))
    pager = words(tree(board, "cases-pager", search))
    cases = listed(board, search)
    if not cases:
        assert "没有" in title
        assert not pager
        return
    total = pager.split("共")[1].split("件")[0]
    assert f"{total}件" in title
    assert len(cases) == min(int(total.replace(",", "")), 50)


def test_next_and_back_lead_through_the_list(board: Board):
    search = f"?{WHOLE}&preset=open"
    first = listed(board, search)
    found = links(tree(board, "cases-table", search))
    second_search = search_of(found["下一页"])
    second = listed(board, second_search)
    assert not set(first) & set(second)
    assert listed(board, f"{search}&page=2") == second
    back = links(tree(board, "cases-table", second_search))["上一页"]
    assert listed(board, search_of(back)) == first
    assert "第51–100件" in words(tree(board, "cases-pager", second_search))
    assert "第1–50件" in words(tree(board, "cases-pager", search_of(back)))
    assert "上一页" not in found


def test_the_last_page_ends_the_list(board: Board):
    search = f"?{WHOLE}&preset=overdue"
    last = links(tree(board, "cases-pager", search))["末页"]
    found = tree(board, "cases-table", search_of(last))
    assert "下一页" not in links(found)
    total = words(tree(board, "cases-pager", search)).split("共")[1].split("件")[0]
    pager = words(tree(board, "cases-pager", search_of(last)))
    assert f"–{total}件，共{total}件" in pager
    beyond = tree(board, "cases-table", f"{search}&page=99999")
    assert "没有第99,999页" in words(beyond)
    assert table_rows(beyond)[1:] == table_rows(found)[1:]


def test_a_choice_keeps_the_other_filters_and_begins_anew(board: Board):
    search = f"?{WHOLE}&preset=open&district=110105&q=市民&page=2&columns=unit,summary"
    for panel in ("cases-choices", "cases-matched", "cases-table"):
        for href in links(tree(board, panel, search)).values():
            query = parse_qs(urlsplit(href).query)
            assert query["district"] == ["110105"]
            if urlsplit(href).path == "/cases":
                assert query["q"] == ["市民"]
                assert "page" not in query


def test_forms_carry_the_question_and_not_the_place(board: Board):
    search = f"?{WHOLE}&preset=open&district=110105&q=市民&page=2&columns=unit,summary"
    forms = of_type(tree(board, "cases-search", search), "Form")
    assert len(forms) == 2
    for form, own in zip(forms, ("q", "columns"), strict=True):
        assert form["props"]["action"] == "/cases"
        hidden = {
            node["props"]["name"]: node["props"]["value"]
            for node in of_type(form["props"]["children"], "Input")
            if node["props"]["type"] == "hidden"
        }
        assert hidden["district"] == "110105"
        assert hidden["preset"] == "open"
        assert not {own, "page", "after", "before"} & hidden.keys()
    boxes = [
        node["props"] for node in of_type(forms[1], "Input") if node["props"]["type"] == "checkbox"
    ]
    assert {box["value"] for box in boxes if box["checked"]} == {"unit", "summary"}


def test_a_change_of_a_control_begins_at_the_first_page(board: Board):
    after = "20210301000000~A"
    shown = board.panel("cases-pager", f"?preset=open&after={after}")
    assert shown.sound
    answer = board.shell(
        f"?preset=open&q=市民&after={after}", "/cases", changed="filter-basis.value",
        values={"filter-basis": "all"}, shown=f"?preset=open&q=市民&after={after}",
    )  # fmt: skip
    assert answer.sound
    search = answer.props["url"]["search"]
    assert "preset=open" in search
    assert "q=" in search
    assert "after" not in search


def test_chosen_columns_are_shown_and_unknown_ones_named(board: Board):
    search = f"?{WHOLE}&columns=channel,summary,phone"
    assert table_rows(tree(board, "cases-table", search))[0] == ["工单", "渠道", "摘要"]
    assert "没有名为“phone”的列" in words(tree(board, "cases-summary", search))


def test_an_order_that_does_not_fit_is_said(board: Board):
    found = words(tree(board, "cases-summary", "?preset=unplaced&case_sort=overdue"))
    assert "“未定位”不能按“逾期最久”排列" in found


def test_what_takes_long_is_counted_only_when_it_is_listed(
    demo_settings: Settings, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
):
    board = board_of(make_server(demo_settings))
    search = f"?{WHOLE}"
    assert "选中才计数" not in words(tree(board, "cases-matched", search))
    assert "选中才计数" in words(tree(board, "cases-matched", f"{search}&q=市民"))
    monkeypatch.setattr(sys.modules["pages.cases"], "MOST_MATCHED", 100)
    for more in ("&basis=all", "&preset=repeat&basis=all"):
        found = tree(board, "cases-matched", search + more)
        assert "选中才计数" in words(found)
        for label, preset in (("办结后又诉", "returned"), ("群诉", "group")):
            assert f"preset={preset}" in links(found)[label]
    title = words(of_type(tree(board, "cases-summary", f"{search}&preset=repeat&basis=all"), "H1"))
    assert "占诉求的" in title
    assert "办结后" not in title


def test_search_marks_the_words_and_counts_them(board: Board, rows: list[dict[str, Any]]):
    search = f"?{WHOLE}&q={quote('丽影轩 会员')}"
    found = tree(board, "cases-table", search)
    number = sum(
        row["assessed"] and not row["excluded"] and "丽影轩" in (row["summary"] or "")
        and "会员" in row["summary"]
        for row in rows
    )  # fmt: skip
    assert number > 10
    assert f"{count(number)}件" in words(of_type(tree(board, "cases-summary", search), "H1"))
    assert {words(mark) for mark in of_type(found, "Mark")} == {"丽影轩", "会员"}


def test_the_number_of_a_case_leads_to_it(board: Board, rows: list[dict[str, Any]]):
    number = next(row["case_id"] for row in rows if row["assessed"])
    found = tree(board, "cases-table", f"?q={number}")
    assert links(found)[f"工单 {number}"].startswith(f"/cases/{number}")


def test_an_empty_period_offers_the_whole_one(board: Board):
    found = tree(board, "cases-table", "?period=2020-01-01..2020-01-01&preset=overdue")
    href = links(found)["不限受理时段"]
    assert listed(board, search_of(href))


def test_a_group_leads_to_its_own_cases(
    make_server: MakeServer, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    board = _made(make_server, tmp_path, "group_cases", 3)
    search = "?period=2020-01-01..2021-04-12&preset=group"
    found = table_rows(tree(board, "cases-groups", search))
    assert len(found) > 3
    hrefs = list(links(tree(board, "cases-groups", search)).values())
    for row, href in zip(found[1:4], hrefs, strict=False):
        asked = search_of(href)
        assert f"共{row[3]}件" in words(tree(board, "cases-pager", asked))


NONSENSE = [
    "?preset=everything", "?after=1", "?after=99999999999999~x", "?before=20210101000000~%2525",
    "?after=20210101000000~x&before=20210101000000~y&page=3", "?page=0", "?page=1000000",
    "?page=99999999999", "?q=%25%5F%5C%27%22;--", "?q=%00", "?columns=<script>", "?age=-1",
    "?case_sort=repeats", "?preset=repeat&case_sort=repeats&after=5~20210101000000~x",
    "?community=%27%20OR%201=1", "?q=" + "%E5%AD%97" * 41, "?after=20210101000000~%25ED%25A0%2580",
    "?period=1999-01-01..1999-01-02", "?preset=group&period=2021-04-12..2021-04-12",
]  # fmt: skip


@pytest.mark.parametrize("search", NONSENSE)
def test_nonsense_in_the_url_is_never_a_failure(board: Board, search: str):
    for panel in PANELS:
        tree(board, panel, search)


@pytest.mark.parametrize("question", [17, [], {"a": 1}, "x" * 9_000])
def test_a_question_that_is_none_is_never_a_failure(board: Board, question: object):
    for panel in PANELS:
        assert board.panel(panel, question).sound


# --- One case -----------------------------------------------------------------------------------


def test_a_repeat_shows_its_matter(board: Board, rows: list[dict[str, Any]]):
    by_number = {row["case_id"]: row for row in rows if row["assessed"]}
    row = next(
        row for row in by_number.values() if row["repeat_of"] in by_number and not row["excluded"]
    )
    panels = {panel: case_panel(board, panel, row["case_id"]) for panel in CASE_PANELS}
    for panel, answer in panels.items():
        assert answer.sound, panel
        assert "None" not in words(answer.props[panel]["children"]), panel
    course = panels["case-course"].props["case-course"]["children"]
    assert f"{row['created_at']:%Y-%m-%d %H:%M}" in words(course)
    assert "首次反映" in words(course)
    numbers = {
        each[0] for each in table_rows(panels["case-matter"].props["case-matter"]["children"])
    }
    wanted = {row["repeat_of"]} | {
        each["case_id"] for each in by_number.values() if each["repeat_of"] == row["repeat_of"]
    }
    assert wanted <= numbers
    summary = panels["case-summary"].props["case-summary"]["children"]
    assert row["summary"] in words(summary)


@pytest.mark.parametrize(
    "number", ["", "nobody", "%00", "\x00", "../..", "<script>", "'--", 17, None]
)
def test_a_case_that_is_not_there_is_said(board: Board, number: object):
    for panel in CASE_PANELS:
        assert case_panel(board, panel, number).sound, panel
    answer = case_panel(board, "case-summary", number)
    assert "找不到这件诉求" in words(answer.props["case-summary"]["children"])
    assert "没有这件诉求" in words(answer.props["case-summary"]["children"])


def test_every_state_of_a_case_is_drawn(board: Board, rows: list[dict[str, Any]], snapshot):
    seen: dict[tuple[Any, ...], str] = {}
    for row in rows:
        if row["assessed"]:
            key = (
                row["closed"], row["on_time"], row["valid_revisit"],
                *(row[name] is None for name in (
                    "shelved_until", "district_id", "category_id", "topic_id", "due_at",
                )),
            )  # fmt: skip
            seen.setdefault(key, row["case_id"])
    assert len(seen) > 10
    for number in seen.values():
        for panel in CASE_PANELS:
            answer = case_panel(board, panel, number)
            assert answer.sound, (panel, number)
            assert "None" not in words(answer.props[panel]["children"]), (panel, number)


def test_a_scope_shows_its_own_cases_alone(
    demo_settings: Settings,
    make_server: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, Any]],
    snapshot: Snapshot,
):
    # A server of its own: its pages are the modules that are patched.
    board = board_of(make_server(demo_settings))
    scope = Scope(frozenset({"110105"}))
    for name in ("cases", "case", "_answers"):
        monkeypatch.setattr(sys.modules[f"pages.{name}"], "reader", lambda: scope)
    districts = snapshot.reference.districts
    own = int(districts.loc[districts["code"] == "110105", "id"].iloc[0])
    outside = next(row for row in rows if row["assessed"] and row["district_id"] not in (own, None))
    for search in (f"?{WHOLE}", f"?{WHOLE}&district=110106", f"?{WHOLE}&q={outside['case_id']}"):
        found = tree(board, "cases-table", f"{search}&columns=place")
        places = [row[1] for row in table_rows(found)[1:]]
        assert {place[:3] for place in places} <= {"朝阳区"}
        assert outside["case_id"] not in words(found)
    answer = case_panel(board, "case-summary", outside["case_id"])
    assert "找不到这件诉求" in words(answer.props["case-summary"]["children"])
    assert (outside["summary"] or "无摘要") not in answer.text


# --- Files --------------------------------------------------------------------------------------


def _made(make_server: MakeServer, tmp_path: Any, rule: str, value: int, change: str = "") -> Board:
    """Return the board of a server on invented cases, with another value of a rule."""
    settings = Settings(_env_file=None, data_dir=tmp_path / "var")
    staged = stage(
        settings, cases=3_000, cutoff=dt.datetime(2021, 4, 12, 23),
        tables=frozenset({"districts", "subdistricts", "categories", "units", "channels", "kinds",
                          "topics", "topic_categories", "rules"}),
        change=f"""
        UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 3, district_id = 5,
            community = '社区' || hash(case_id) % 2, category_id = 21 + category_id % 3;
        INSERT INTO rules VALUES ('试', DATE '2000-01-01', '{rule}', '{value}');
        {change}
        """,
    )  # fmt: skip
    publish(settings, staged, lambda *_: None)
    return board_of(make_server(settings))


def download(board: Board, path: str) -> bytes:
    status, content = board.ask("GET", path, None)
    assert status == 200, path
    return content


def test_files_hold_the_listed_cases_in_order(board: Board):
    search = f"?{WHOLE}&preset=overdue&case_sort=oldest"
    pages = [*listed(board, search)]
    raw = download(board, f"/export/cases.csv{search}")
    assert raw.startswith(b"\xef\xbb\xbf")
    lines = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    head = next(place for place, line in enumerate(lines) if line[:1] == ["工单编号"])
    told = dict(line for line in lines[:head] if len(line) == 2)
    assert "逾期（未办结，已过办理期限" in told["内容"]
    assert "演示数据" in told["注意"]
    numbers = [line[0] for line in lines[head + 1 :]]
    assert numbers[: len(pages)] == pages
    assert told["件数"] == f"共{count(len(numbers))}件，全部列出"
    book = CalamineWorkbook.from_filelike(
        io.BytesIO(download(board, f"/export/cases.xlsx{search}&page=2"))
    )
    assert book.sheet_names == ["说明", "诉求"]
    sheet = book.get_sheet_by_index(1).to_python()
    assert [row[0] for row in sheet[1:]] == numbers
    assert isinstance(sheet[1][sheet[0].index("受理时间")], dt.datetime)


def test_files_have_the_chosen_columns(board: Board):
    raw = download(board, f"/export/cases.csv?{WHOLE}&preset=overdue&columns=unit,summary")
    assert "工单编号,承办单位,摘要\r\n".encode() in raw


def test_a_formula_in_a_summary_stays_text(make_server: MakeServer, tmp_path):
    board = _made(
        make_server, tmp_path, "group_cases", 50,
        f"UPDATE incoming SET summary = '{NASTY} 13912345678' WHERE assessed;",
    )  # fmt: skip
    search = "?period=2020-01-01..2021-04-12"
    lines = list(csv.reader(io.StringIO(
        download(board, f"/export/cases.csv{search}").decode("utf-8-sig"), newline=""
    )))  # fmt: skip
    assert len(lines) > 1_000
    assert not [cell for line in lines for cell in line if cell.startswith(FORMULAS)]
    assert lines[-1][-1] == f"'{NASTY} ***"
    # Twelve digits would lose their zeros in a spreadsheet.
    assert lines[-1][0].startswith("'0")
    content = download(board, f"/export/cases.xlsx{search}")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(1).to_python()
    assert {row[-1] for row in rows[1:]} == {f"{NASTY} ***"}
    assert len(rows) - 1 == len(lines) - next(
        place + 1 for place, line in enumerate(lines) if line[:1] == ["工单编号"]
    )


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_file_is_bounded_and_says_so(make_server: MakeServer, tmp_path, suffix: str):
    board = _made(make_server, tmp_path, "export_rows", 120)
    content = download(board, f"/export/cases.{suffix}?period=2020-01-01..2021-04-12")
    if suffix == "csv":
        text = content.decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline="")))
        head = next(place for place, line in enumerate(lines) if line[:1] == ["工单编号"])
        told, number = dict(line for line in lines[:head] if len(line) == 2), len(lines) - head - 1
    else:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        told = {
            str(row[0]): str(row[1]) for row in book.get_sheet_by_index(0).to_python() if row[0]
        }
        number = len(book.get_sheet_by_index(1).to_python()) - 1
    assert number == 120
    assert "本文件只有按次序的前120件" in told["件数"]


def test_a_file_comes_in_pieces_and_loses_none(
    demo_settings: Settings, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
):
    server = make_server(demo_settings)
    # The file says when it was taken.
    monkeypatch.setattr("pages._answers.present", lambda: dt.datetime(2021, 4, 13, 9))
    search = f"?{WHOLE}&columns=created"
    whole = server.test_client().get(f"/export/cases.csv{search}").data
    monkeypatch.setattr("data_access.cases._BATCH", 100)
    response = server.test_client().get(f"/export/cases.csv{search}", buffered=False)
    assert response.status_code == 200
    assert response.is_streamed
    pieces: list[Any] = list(response.response)
    response.close()
    assert len(pieces) > 20
    assert max(map(len, pieces)) < 20_000
    assert b"".join(pieces) == whole
    text = whole.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    head = next(place for place, line in enumerate(lines) if line[:1] == ["工单编号"])
    told = dict(line for line in lines[:head] if len(line) == 2)
    numbers = [line[0] for line in lines[head + 1 :]]
    assert told["件数"] == f"共{count(len(numbers))}件，全部列出"
    assert len(set(numbers)) == len(numbers)


def test_a_file_names_what_it_left_out(board: Board):
    raw = download(board, "/export/cases.csv?preset=unplaced&case_sort=overdue&columns=phone&x=1")
    text = raw.decode("utf-8-sig")
    assert "不能按“逾期最久”排列" in text
    assert "没有名为“phone”的列" in text
    assert "x=1" in text


def test_a_failing_query_is_an_error_page_and_no_short_file(
    server: Flask, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> Any:
        raise RuntimeError("lost")

    monkeypatch.setattr(sys.modules["pages.cases"], "batches_of_cases", broken)
    for suffix in ("csv", "xlsx"):
        assert server.test_client().get(f"/export/cases.{suffix}").status_code == 500
