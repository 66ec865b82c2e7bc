"""承诺台账: what is entered is judged as the pages show it; nothing wrong is entered."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from data_access.office.audit import AuditFilter, all_lines
from data_access.office.book import Book
from data_access.office.commitments import commitments_of
from data_access.settings import Settings
from domain.accounts import WORKSTATION
from domain.scope import CITY
from tests.app.board import Answer, Board, MakeServer, board_of, words

ENTERED = ("by", "words", "made", "due", "district", "topic", "measure", "goal", "project")
CHANGPING = "110114"
PLAIN: dict[str, Any] = {
    "by": "昌平区",
    "words": "三月底前拿出方案",
    "made": "2021-03-01",
    "due": "2021-03-31",
    "district": CHANGPING,
    "topic": "-",
    "measure": "-",
    "goal": None,
    "project": "",
}


@pytest.fixture
def own(demo_settings: Settings, make_server: MakeServer, tmp_path: Path) -> Flask:
    """Give a server with an empty office book of its own."""
    url = f"sqlite:///{tmp_path / 'office.sqlite'}"
    return make_server(demo_settings.model_copy(update={"office_url": url}))


@pytest.fixture
def own_board(own: Flask) -> Board:
    return board_of(own)


def callback(board: Board, containing: str) -> dict[str, Any]:
    listed = json.loads(board.ask("GET", "/_dash-dependencies", None)[1])
    return next(each for each in listed if containing in each["output"])


def post(board: Board, containing: str, changed: str, values: dict[str, Any]) -> Answer:
    found = callback(board, containing)

    def given(listed: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [each | {"value": values.get(each["id"])} for each in listed]

    output = found["output"]
    outputs = [
        dict(zip(("id", "property"), name.rsplit(".", 1), strict=True))
        for name in output.strip(".").split("...")
    ]
    return board.post(
        {
            "output": output,
            "outputs": outputs if output.startswith("..") else outputs[0],
            "inputs": given(found["inputs"]),
            "state": given(found["state"]),
            "changedPropIds": [changed],
        }
    )


def enter(board: Board, **fields: Any) -> str:
    """Press 登记 and return what is said."""
    values = {f"commitment-{name}": (PLAIN | fields)[name] for name in ENTERED}
    values |= {"question": "", "commitment-enter": 1, "remark-enter": 0}
    answer = post(board, "commitments-stamp.data", "commitment-enter.n_clicks", values)
    assert answer.status == 200
    return str(answer.props["commitment-said"]["children"])


def say(board: Board, number: object, kind: object, note: object) -> str:
    """Press 认定 and return what is said."""
    values = {
        "question": "", "commitment-enter": 0, "remark-enter": 1,
        "remark-number": number, "remark-kind": kind, "remark-note": note,
    }  # fmt: skip
    answer = post(board, "commitments-stamp.data", "remark-enter.n_clicks", values)
    assert answer.status == 200
    return str(answer.props["remark-said"]["children"])


def shown(board: Board, panel: str, search: str = "") -> str:
    answer = post(
        board, f"{panel}.children", "commitments-stamp.data",
        {"commitments-stamp": "9.9", "question": search},
    )  # fmt: skip
    assert answer.sound, answer.text
    return words(answer.props[panel]["children"])


def test_an_empty_ledger_says_so(own_board: Board) -> None:
    assert "没有登记的承诺" in shown(own_board, "commitments-summary")
    assert "没有登记的承诺" in shown(own_board, "commitments-table")


def test_progress_is_judged_as_the_published_figures_say(own_board: Board) -> None:
    """2.4万套 on 2021-03-31 is published."""
    year = {"district": "-", "made": "2021-01-04", "measure": "2021-01-1"}
    assert enter(own_board, **year, goal=24_000) == "已登记，编号1"
    assert enter(own_board, **year, goal=24_001) == "已登记，编号2"
    assert enter(own_board, **year | {"due": "2021-06-30"}, goal=50_000) == "已登记，编号3"
    title = shown(own_board, "commitments-summary")
    assert "承诺3条：1条逾期兑现，1条未到期，1条已兑现" in title
    table = shown(own_board, "commitments-table")
    assert table.index("逾期兑现") < table.index("未到期") < table.index("已兑现")
    assert "2.4万套（2021-03-31）" in table


def test_a_rate_is_judged_by_the_complaints_of_its_days(
    own_board: Board, own: Flask, board: Board
) -> None:
    assert "编号1" in enter(own_board, measure="resolution", goal=1, made="2021-01-04",
                          due="2021-02-28")  # fmt: skip
    assert "编号2" in enter(own_board, measure="resolution", goal=100, made="2021-01-04",
                          due="2021-02-28")  # fmt: skip
    table = shown(own_board, "commitments-table")
    assert "解决率达到1.0 %" in table
    assert "已兑现" in table
    assert "未兑现" in table
    # The same rate as 总览 tells of the same days and place.
    answer = board.panel("overview-summary", f"?period=2021-01-04..2021-02-28&district={CHANGPING}")
    value = words(answer.props["overview-summary"]["children"])
    told = re.search(r"-02-28([\d.]+) %（n=", table)
    assert told
    assert f"昌平区解决率 {told[1]} %" in value


def test_words_wait_for_a_person(own_board: Board, own: Flask) -> None:
    enter(own_board)
    assert "到期待认定" in shown(own_board, "commitments-week")
    assert say(own_board, "1", "kept", "方案已印发") == "承诺1已认定为已兑现"
    assert "方案已印发（本机认定）" in shown(own_board, "commitments-table")
    book: Book = own.extensions["board_office"]
    lines = [(line.action, line.account, line.what) for line in all_lines(book, AuditFilter())]
    assert lines == [
        ("commitment", "本机", "登记承诺1：三月底前拿出方案"),
        ("commitment", "本机", "承诺1认定为已兑现：方案已印发"),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"by": ""}, "承诺单位"),
        ({"by": None}, "承诺单位"),
        ({"words": ["列表"]}, "承诺事项"),
        ({"due": "明天"}, "兑现日须填写"),
        ({"made": None}, "承诺日须填写"),
        ({"due": "2021-03-01"}, "晚于"),
        ({"district": "999999"}, "不在名录"),
        ({"topic": "2021-99"}, "不在名录"),
        ({"measure": "drop table"}, "判定依据不认识"),
        ({"measure": "resolution", "goal": 101}, "满分"),
        ({"measure": "resolution", "goal": "九成"}, "须填写目标值"),
        ({"measure": "project"}, "写明项目"),
        ({"project": "P9999999"}, "没有编号为"),
        ({"goal": True, "measure": "resolution"}, "须填写目标值"),
    ],
)
def test_what_is_wrong_is_said_and_not_entered(
    own_board: Board, own: Flask, fields: dict[str, Any], told: str
) -> None:
    said = enter(own_board, **fields)
    assert said.startswith("没有写入：")
    assert told in said
    assert commitments_of(own.extensions["board_office"], CITY) == ()


@pytest.mark.parametrize(
    ("number", "kind", "note", "told"),
    [
        ("2", "kept", "理由", "没有这条"),
        (None, "kept", "理由", "没有这条"),
        ("1e9", "kept", "理由", "没有这条"),
        ("9" * 40, "kept", "理由", "没有这条"),
        ("1", "deleted", "理由", "不认识"),
        ("1", "kept", "", "理由"),
        ("1", "kept", {"a": 1}, "理由"),
    ],
)
def test_nonsense_is_no_verdict(
    own_board: Board, number: object, kind: object, note: object, told: str
) -> None:
    enter(own_board)
    said = say(own_board, number, kind, note)
    assert said.startswith("没有写入：")
    assert told in said


def test_texts_are_texts(own_board: Board) -> None:
    enter(own_board, words="<img src=x onerror=alert(1)>", by="=HYPERLINK(1)")
    answer = post(
        own_board, "commitments-table.children", "commitments-stamp.data",
        {"commitments-stamp": "1", "question": ""},
    )  # fmt: skip
    assert "<img" not in answer.text
    status, file = own_board.ask("GET", "/export/commitments.csv", None)
    assert status == 200
    assert "'=HYPERLINK(1)" in file.decode("utf-8-sig")


def test_what_is_overdue_is_an_exception_at_once(own_board: Board) -> None:
    def exceptions(search: str = "") -> str:
        return shown(own_board, "overview-summary", search)

    assert "承诺" not in exceptions()
    enter(own_board, due="2021-04-01")
    assert "1项承诺已到期，待认定或待数据" in exceptions(f"?district={CHANGPING}")
    # Of another district, a street or another topic nothing is said.
    for search in ("?district=110105", "?subdistrict=110114001", "?topic=2021-02"):
        assert "承诺" not in exceptions(search)
    assert "已认定" in say(own_board, "1", "broken", "没有方案")
    assert "1项承诺未兑现：昌平区2021-04-01到期" in exceptions()
    enter(own_board, by="丰台区", district="110106", due="2021-04-02")
    assert "已认定" in say(own_board, "2", "broken", "没有方案")
    assert "2项承诺未兑现：最近一项为丰台区，2021-04-02到期" in exceptions()
    for number in ("1", "2"):
        say(own_board, number, "withdrawn", "误录")
    assert "承诺" not in exceptions()


def test_the_filters_narrow_the_ledger(own_board: Board) -> None:
    enter(own_board)
    enter(own_board, district="110108", by="海淀区")
    assert "承诺1条" in shown(own_board, "commitments-summary", "?district=110108")
    assert "海淀区" in shown(own_board, "commitments-table", "?district=110108")
    assert "承诺2条" in shown(own_board, "commitments-summary")


def test_who_may_not_enter_cannot(
    own: Flask, own_board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = sys.modules["pages.commitments"]
    leader = dataclasses.replace(WORKSTATION, permissions=frozenset({"figures"}))
    monkeypatch.setattr(page, "who", lambda: leader)
    assert "无权" in enter(own_board)
    assert commitments_of(own.extensions["board_office"], CITY) == ()
    forms = post(
        own_board, "commitments-forms.hidden", "commitments-stamp.data",
        {"commitments-stamp": "0.0", "question": ""},
    )  # fmt: skip
    assert forms.props["commitments-forms"]["hidden"] is True


def test_the_forms_offer_what_the_data_have(own_board: Board) -> None:
    forms = post(
        own_board, "commitments-forms.hidden", "commitments-stamp.data",
        {"commitments-stamp": "0.0", "question": ""},
    )  # fmt: skip
    assert forms.props["commitments-forms"]["hidden"] is False
    offered = forms.props["commitment-district"]["options"]
    assert {"value": CHANGPING, "label": "昌平区"} in offered
    assert len(offered) == 18
    assert forms.props["commitment-made"]["value"] == dt.date(2021, 4, 12).isoformat()
