"""简报: the draft, settled packets and their files have the numbers of loops over the cases."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from flask import Flask, g
from flask.testing import FlaskClient
from pptx import Presentation
from python_calamine import CalamineWorkbook

from app import create_app
from components.brief_canvas import FORMS
from components.exports.browser import Browser, BrowserError, BusyError, one_at_a_time
from data_access.office.commitments import add_commitment
from data_access.office.packets import keep_packet, packet_of_id, packets, packets_kept
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot, Store
from domain.accounts import WORKSTATION, reader_of
from domain.brief import LONGEST_EDIT, SECTIONS, STYLES, Figure, Packet, PacketError
from domain.commitments import Commitment
from domain.filters import Filters, from_search
from domain.metrics import INDICATORS, METRICS
from domain.periods import parse_period
from domain.rules import Rules
from domain.scope import CITY, Scope
from pages import _brief, _brief_cli
from tests import oracle
from tests.app.board import Board, board_of, of_class, of_type, table_rows, words
from tests.data.staging import stage

WEEK = "?period=week-2021-W14"
# A week that is mature, one district, one topic, the year before, nothing at all.
QUESTIONS = (
    WEEK,
    "?period=week-2021-W10&district=110105",
    "?period=assess-2021-03&topic=2021-01",
    "?period=assess-2021-03&compare=year&basis=all",
)
ODD = (
    "", "?period=year-1999", "?period=week-2021-W15", "?period=days-3&compare=none",
    "?district=110101,110105", "?subdistrict=110105001", "?category=02&channel=phone",
    "?district=110101&subdistrict=110105001", "?unit=U003", "?topic=2021-01&district=110112",
    "?period=quarter-2020-Q2", "?period=month-2020-01",
)  # fmt: skip
NASTY = '=HYPERLINK("http://x.example","点我")<script>alert(1)</script>'


@pytest.fixture(scope="module")
def server(demo_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Give a server of this module with an office book of its own."""
    book = tmp_path_factory.mktemp("office") / "office.sqlite"
    made = server_of(demo_settings.model_copy(update={"office_url": f"sqlite:///{book}"}))
    yield made
    store: Store = made.extensions["board_store"]
    store.close()


def server_of(settings: Settings) -> Flask:
    made = create_app(settings)
    if "brief_files" not in made.blueprints:
        _brief_cli.register(made)
    made.test_client().get("/")
    return made


@pytest.fixture(scope="module")
def board(server: Flask) -> Board:
    return board_of(server)


@pytest.fixture
def client(server: Flask) -> FlaskClient:
    return server.test_client()


@pytest.fixture
def asked(server: Flask) -> Iterator[Any]:
    """Give a function that asks a question as whoever sits at the workstation."""
    with server.test_request_context("/brief"):
        g.reader = WORKSTATION
        g.reference = "test"
        yield lambda search: ask(server.extensions["board_store"], CITY, search)


@pytest.fixture(scope="module")
def cases(snapshot: Snapshot) -> list[oracle.Case]:
    return oracle.read_cases(snapshot)


def whole(question: Question) -> Packet:
    return _brief.packet_of(question, tuple(SECTIONS))


# --- Numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", QUESTIONS)
def test_every_indicator_of_a_packet_equals_a_loop_over_the_cases(asked, cases, snapshot, search):
    packet = whole(asked(search))
    checked = 0
    for section in packet.sections:
        for figure in section.figures:
            if figure.metric in METRICS:
                value, n = looped(figure, cases, snapshot)
                assert figure.value == pytest.approx(value, nan_ok=True), figure
                assert figure.n in (None, n), figure
                checked += 1
    assert checked >= 6


def looped(figure: Figure, cases: list[oracle.Case], snapshot: Snapshot) -> tuple[float, int]:
    filters = from_search(figure.filters, INDICATORS).filters
    window = parse_period(filters.period, snapshot.cutoff.date(), Rules().period_first_day).window
    chosen = oracle.created_in(oracle.chosen(cases, filters), window)
    return oracle.indicator(figure.metric, chosen, snapshot.cutoff, Rules())


def test_counts_of_the_text_equal_loops(asked, cases, snapshot):
    packet = whole(asked(WEEK))
    told = {figure.label: figure for section in packet.sections for figure in section.figures}
    week = parse_period("week-2021-W14", snapshot.cutoff.date(), 19).window
    everything = oracle.chosen(cases, Filters())
    created = oracle.tally(oracle.created_in(everything, week), snapshot.cutoff, Rules())
    assert told["北京市有效回访"].value == created["revisits"]
    assert told["北京市逾期未办"].value == created["overdue"]
    assert told["北京市办结量"].value == oracle.closed_in(everything, week, snapshot.cutoff)
    until = [case for case in everything if case.day <= week.end]
    tally = oracle.tally(until, snapshot.cutoff, Rules())
    assert told["北京市在办"].value == tally["cases"] - tally["closed"]
    assert told["北京市逾期"].value == tally["overdue"]
    assert told["北京市挂账"].value == tally["shelved"]
    last = snapshot.cutoff.date() - dt.timedelta(days=Rules().long_open_days)
    old = oracle.tally([case for case in until if case.day < last], snapshot.cutoff, Rules())
    assert told["北京市久拖不决"].value == old["cases"] - old["closed"]


def test_the_table_of_districts_equals_loops_and_adds_up(asked, cases, snapshot):
    question = asked("?period=assess-2021-03")
    (table,) = _brief.section_of(question, "rates_districts").tables
    name_of = dict(snapshot.reference.districts[["name", "code"]].to_numpy())
    for row in [*table.rows, table.total]:
        district = {"district": name_of.get(row[1], "")}
        chosen = oracle.created_in(
            [case for case in oracle.chosen(cases, Filters())
             if row is table.total or case.district == district["district"]],
            question.period.window,
        )  # fmt: skip
        tally = oracle.tally(chosen, snapshot.cutoff, Rules())
        columns = ("cases", "revisits", "contacted", "resolved", "satisfied", "basically_satisfied")
        assert [cell.value for cell in row[2:8]] == [tally[name] for name in columns], row[1]
        for cell, key in zip(
            row[8:], ("response", "resolution", "satisfaction", "composite"), strict=True
        ):
            value, _ = oracle.indicator(key, chosen, snapshot.cutoff, Rules())
            assert cell.value == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("search", QUESTIONS[:2])
def test_a_packet_and_the_screen_print_the_same(asked, board, search):
    question = board.shell(search).props["question"]["data"]
    packet = whole(asked(search))
    summary = board.panel("overview-summary", question).props["overview-summary"]["children"]
    shown = [words(each) for each in of_class(summary, "exception-words")]
    told = [
        figure.text for each in packet.sections if each.key == "exceptions"
        for figure in each.figures
    ]  # fmt: skip
    assert told == shown
    cards = {words(of_class(each, "figure-name"))[:3]: words(each)
             for each in of_class(summary, "figure-card")}  # fmt: skip
    place = packet.place
    for figure in packet.sections[1].figures:
        if figure.label in (f"{place}响应率", f"{place}解决率", f"{place}满意率", f"{place}诉求量"):
            assert figure.text in cards[figure.label.removeprefix(place)]


def test_ranks_are_those_of_the_ranking_page(asked, board):
    search = "?period=assess-2021-03"
    question = board.shell(search).props["question"]["data"]
    shown = board.panel("ranking-table", question).props["ranking-table"]["children"]
    rows = {row[0]: row for row in table_rows(shown)[1:]}
    (table,) = _brief.section_of(asked(search), "ranking").tables
    assert len(table.rows) >= 5
    for row in table.rows:
        assert row[3] in rows[row[1]][2], row
        assert any(row[2].text == cell[: len(row[2].text)] for cell in rows[row[1]]), row


@pytest.mark.parametrize("search", ODD)
def test_any_question_gives_a_sound_packet(asked, search):
    question = asked(search)
    packet = whole(question)
    assert [section.key for section in packet.sections] == list(SECTIONS)
    assert packet.sections[0].paragraphs
    for section in packet.sections:
        text = "".join(each.text for each in section.paragraphs)
        assert "nan" not in text
        assert "None" not in text
        assert "%%" not in text


def test_numbers_that_are_not_mature_are_not_ranked(asked):
    words_of = {each.key: each for each in whole(asked(WEEK)).sections}
    text = words_of["ranking"].paragraphs[0].text
    assert text.startswith("本期诉求尚未成熟，不排名")
    assert "2021年3月考核期" in text
    assert "不作比较" in words_of["overall"].paragraphs[1].text


def test_commitments_that_were_due_are_looked_back_at(server, asked):
    question = asked("?period=week-2021-W12")
    before = _brief.section_of(question, "promises").paragraphs[0].text
    assert before == "承诺台账没有到期或未了的承诺。"
    made = {
        name: Commitment(0, dt.date(2021, 2, 1), due, "朝阳区", name)
        for name, due in (
            ("上周到期", dt.date(2021, 3, 16)), ("早已到期未了", dt.date(2021, 2, 20)),
            ("以后到期", dt.date(2021, 5, 1)),
        )
    }  # fmt: skip
    for commitment in made.values():
        add_commitment(
            server.extensions["board_office"], commitment, "writer", dt.datetime(2021, 2, 1)
        )
    section = _brief.section_of(question, "promises")
    assert section.paragraphs[0].text == "承诺台账到期或未了的承诺2条：到期待认定2条。"
    assert {row[1] for row in section.tables[0].rows} == {"上周到期", "早已到期未了"}
    assert {row[4] for row in section.tables[0].rows} == {"到期待认定"}


# --- Refusal ------------------------------------------------------------------------------------


def test_a_section_that_fails_refuses_the_packet_and_is_named(asked, monkeypatch):
    def fail(question: Question) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(_brief._MAKERS, "topics", fail)
    question = asked("?period=week-2021-W09")
    with pytest.raises(PacketError) as caught:
        whole(question)
    assert [each.section for each in caught.value.problems] == ["每月一题进展"]
    # Without it the packet can be written.
    assert _brief.packet_of(question, STYLES["meeting"])


def test_sums_that_disagree_refuse_the_packet_and_name_the_section(asked, monkeypatch):
    real = _brief.counts_by_window

    def one_more(snapshot, scope, filters, windows, group):
        rows = real(snapshot, scope, filters, windows, group)
        if group != "category":
            return rows
        return rows.assign(cases=rows["cases"] + (rows.index == 0))

    monkeypatch.setattr(_brief, "counts_by_window", one_more)
    with pytest.raises(PacketError) as caught:
        whole(asked("?period=week-2021-W08"))
    assert {each.section for each in caught.value.problems} == {"诉求热点"}
    assert "同一批诉求" in caught.value.problems[0].words


def test_a_question_that_cannot_be_met_is_no_packet(asked):
    with pytest.raises(PacketError, match="筛选条件"):
        whole(asked("?period=week-2021-W14&district=999"))


# --- The page -----------------------------------------------------------------------------------


class Draft:
    """What a browser sends and gets on the page of the draft."""

    def __init__(self, board: Board) -> None:
        self.board = board
        listed = json.loads(board.ask("GET", "/_dash-dependencies", None)[1])
        self.callbacks = {each["output"]: each for each in listed}

    def _output(self, part: str) -> str:
        return next(output for output in self.callbacks if part in output)

    def part(self, key: str, question: str):
        output = self._output("brief-part")
        ids = {kind: {"type": f"brief-{kind}", "key": key} for kind in ("part", "state")}
        return self.board.post(
            {
                "output": output,
                "outputs": [
                    {"id": ids["part"], "property": "children"},
                    {"id": ids["state"], "property": "data"},
                ],
                "inputs": [
                    {"id": "question", "property": "data", "value": question},
                    {"id": ids["part"], "property": "id", "value": ids["part"]},
                ],
                "changedPropIds": ["question.data"],
                "state": [],
            }
        )

    def settle(self, question: object, order: object, edits: dict[str, str], issuer: object = ""):
        keys = list(edits)
        ids = [{"type": "brief-edit", "key": key} for key in keys]

        def fields(prop: str, values: list[Any]) -> list[dict[str, Any]]:
            return [
                {"id": each, "property": prop, "value": value}
                for each, value in zip(ids, values, strict=True)
            ]

        return self.board.post(
            {
                "output": self._output("brief-settled"),
                "outputs": [
                    {"id": "brief-result", "property": "children"},
                    {"id": "brief-settled", "property": "data"},
                ],
                "inputs": [{"id": "brief-settle", "property": "n_clicks", "value": 1}],
                "changedPropIds": ["brief-settle.n_clicks"],
                "state": [
                    {"id": "question", "property": "data", "value": question},
                    {"id": "brief-order", "property": "data", "value": order},
                    {"id": "brief-issuer", "property": "value", "value": issuer},
                    fields("value", [edits[key] for key in keys]) if keys else [],
                    fields("id", ids) if keys else [],
                ],
            }
        )


@pytest.fixture
def draft(board: Board) -> Draft:
    return Draft(board)


def test_the_draft_has_every_section_with_sources_and_fields(draft, board):
    question = board.shell(WEEK).props["question"]["data"]
    for key in SECTIONS:
        answer = draft.part(key, question)
        assert answer.sound, (key, answer.text)
        state = {"key": key, "type": "brief-state"}
        props = answer.props[json.dumps(state, separators=(",", ":"))]
        assert props["data"] == "ok"
    shown = draft.part("overall", question)
    tree = next(iter(shown.props.values()))["children"]
    links = of_type(tree, "Link")
    assert len(links) >= 10
    assert all("2021" in each["props"]["title"] for each in links)
    assert all(each["props"]["href"].startswith("/") for each in links)
    assert len(of_type(tree, "Textarea")) == 5


def told(answer) -> str:
    """Return the text of everything that a callback answered."""
    return "".join(words(props.get("children")) for props in answer.props.values())


def settled_id(answer) -> str:
    assert answer.sound, answer.text
    return answer.props["brief-settled"]["data"]


def test_a_settled_packet_has_the_edits_marked_and_safe(draft, board, client):
    question = board.shell(WEEK).props["question"]["data"]
    edits = {
        "overall.1": NASTY,
        "ranking.1": "没有选的部分",
        "decisions.more": "请各区 周五前\n报送。",
    }
    answer = draft.settle(question, "decisions,overall,-ranking", edits, "市政府督查室")
    identity = settled_id(answer)
    shown = board.post(packet_body(board, "packet-view", question, identity))
    assert shown.sound
    tree = shown.props["packet-view"]["children"]
    assert [words(each) for each in of_type(tree, "H2")] == [
        "一、需领导决定的事项", "二、总体情况",
    ]  # fmt: skip
    assert len(of_class(tree, "is-shown")) == 2
    shown = words(tree)
    assert NASTY in shown
    assert "请各区 周五前 报送。" in shown
    assert "没有选的部分" not in shown
    assert "script" not in {node["type"].lower() for node in of_class(tree, "brief-paragraph")}
    paper = Document(io.BytesIO(client.get(f"/brief-files/{identity}.docx").data))
    texts = [each.text for each in paper.paragraphs]
    assert "市政府督查室" in texts
    assert f"{NASTY}〔已改〕" in texts
    book = CalamineWorkbook.from_filelike(
        io.BytesIO(client.get(f"/brief-files/{identity}.xlsx").data)
    )
    rows = book.get_sheet_by_name("文字").to_python()
    assert ["总体情况", NASTY, "已改"] in [row[:3] for row in rows]


def packet_body(board: Board, panel: str, question: object, identity: object) -> dict[str, Any]:
    return {
        "output": f"{panel}.children",
        "outputs": {"id": panel, "property": "children"},
        "inputs": [
            {"id": "question", "property": "data", "value": question},
            {"id": "packet-id", "property": "data", "value": identity},
        ],
        "changedPropIds": ["question.data"],
        "state": [],
    }


def test_files_have_the_numbers_of_the_packet(server, draft, board, client):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "", {}))
    packet = packet_of_id(server.extensions["board_office"], CITY, identity).packet
    files = {}
    for suffix in ("docx", "pptx", "xlsx"):
        response = client.get(f"/brief-files/{identity}.{suffix}")
        assert response.status_code == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        files[suffix] = response.data
        assert client.get(f"/brief-files/{identity}.{suffix}").data == response.data
    paper = Document(io.BytesIO(files["docx"]))
    text = "\n".join(each.text for each in paper.paragraphs).replace("\u00a0", " ")
    pack = Presentation(io.BytesIO(files["pptx"]))
    shown = "\n".join(
        shape.text_frame.text for slide in pack.slides for shape in slide.shapes
        if shape.has_text_frame
    )  # fmt: skip
    sheets = CalamineWorkbook.from_filelike(io.BytesIO(files["xlsx"]))
    rows = sheets.get_sheet_by_name("文中数字").to_python()[1:]
    figures = [figure for section in packet.sections for figure in section.figures]
    assert [row[1] for row in rows] == [figure.label for figure in figures]
    for row, figure in zip(rows, figures, strict=True):
        assert figure.text in text
        assert figure.text in shown
        assert row[3] == ("" if math.isnan(figure.value) else pytest.approx(figure.value))
    tables = [table for section in packet.sections for table in section.tables]
    for made, table in zip(paper.tables, tables, strict=True):
        cells = made._tbl.findall(".//{*}t")
        printed = [(each.text or "").replace("\u00a0", " ") for each in cells]
        wanted = [
            cell if isinstance(cell, str) else cell.text
            for row in [*table.rows, *([table.total] if table.total else [])]
            for cell in row
        ]
        assert printed[len(table.columns) :] == wanted
    drawn = [shape.chart for slide in pack.slides for shape in slide.shapes if shape.has_chart]
    charts = [chart for section in packet.sections for chart in section.charts]
    for one, chart in zip(drawn, charts, strict=True):
        for series, told in zip(one.plots[0].series, chart.series, strict=True):
            known = [None if math.isnan(value) else pytest.approx(value) for value in told.values]
            assert list(series.values) == known
    with zipfile.ZipFile(io.BytesIO(files["docx"])) as file:
        assert sum(n.startswith("word/charts/chart") for n in file.namelist()) == len(charts)


def test_nothing_a_browser_sends_breaks_settling(draft, board):
    question = board.shell(WEEK).props["question"]["data"]
    long = draft.settle(question, "overall", {"overall.1": "长" * (LONGEST_EDIT + 1)})
    assert str(LONGEST_EDIT) in words(long.props["brief-result"]["children"])
    assert "brief-settled" not in long.props
    nothing = draft.settle(question, "-overall", {})
    assert "没有选" in words(nothing.props["brief-result"]["children"])
    for order, edits, issuer in (
        (7, {}, None), (["overall"], {}, {"a": 1}), ("x,overall", {"nobody.1": "字"}, "发" * 500),
    ):  # fmt: skip
        answer = draft.settle(question, order, edits, issuer)
        assert answer.status == 200
        assert "Traceback" not in answer.text
    assert draft.part("nothing", question).status in (200, 204)


def test_an_unknown_packet_or_format_is_not_found(board, client):
    question = board.shell("").props["question"]["data"]
    for identity in ("", "0", "../x", None, {"a": 1}):
        answer = board.post(packet_body(board, "packet-view", question, identity))
        assert "没有这份简报" in told(answer), identity
    assert client.get("/brief-files/0.docx").status_code == 404
    assert client.get("/brief-files/0.exe").status_code == 404


def test_who_may_not_write_packets_neither_sees_nor_fetches_them(server, draft, board, client,
                                                                 monkeypatch):  # fmt: skip
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall", {}))
    # As the workstation first: what is kept for it must not reach anybody else.
    assert "受理诉求" in told(board.post(packet_body(board, "packet-view", question, identity)))
    leader = reader_of("leader", "leader", frozenset())
    for module in ("_brief", "brief", "_brief_files"):
        # Pages are loaded by Dash, which sets no attribute of the package.
        monkeypatch.setattr(sys.modules[f"pages.{module}"], "who", lambda: leader)
    assert client.get(f"/brief-files/{identity}.docx").status_code == 403
    refused = board.post(packet_body(board, "packet-view", question, identity))
    assert "受理诉求" not in told(refused)
    assert "brief-settled" not in draft.settle(question, "overall", {}).props
    assert "受理诉求" not in told(draft.part("overall", question))


def test_a_packet_of_another_scope_is_not_found(server, draft, board, client, monkeypatch):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall", {}))
    own = reader_of("east", "district", frozenset({"110101"}))
    monkeypatch.setattr("pages._brief_files.reader", lambda: own.scope)
    assert client.get(f"/brief-files/{identity}.docx").status_code == 404


# --- Frozen -------------------------------------------------------------------------------------


def test_a_packet_stays_as_it_was_when_new_data_are_published(tmp_path: Path):
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", keep_versions=4)
    first, later = dt.datetime(2021, 3, 21, 23, 59), dt.datetime(2021, 4, 12, 23, 59)
    publish(settings, stage(settings, cases=6_000, cutoff=first), lambda *_: None)
    server = server_of(settings)
    board, client = board_of(server), server.test_client()
    weeks = {}
    for week in ("W09", "W10"):
        question = board.shell(f"?period=week-2021-{week}").props["question"]["data"]
        answer = Draft(board).settle(question, "overall,rates_districts", {"overall.1": "改过。"})
        weeks[week] = settled_id(answer)
    identity = weeks["W10"]
    before = {s: client.get(f"/brief-files/{identity}.{s}").data for s in ("docx", "pptx", "xlsx")}
    text = board.post(packet_body(board, "packet-view", question, identity)).text
    publish(settings, stage(settings, cases=6_000, cutoff=later), lambda *_: None)
    question = board.shell("").props["question"]["data"]
    for suffix, content in before.items():
        assert client.get(f"/brief-files/{identity}.{suffix}").data == content
    assert board.post(packet_body(board, "packet-view", question, identity)).text == text
    since = board.post(packet_body(board, "packet-since", question, identity))
    assert since.sound
    tree = since.props["packet-since"]["children"]
    assert [words(each) for each in of_type(tree, "H2")] == [
        "与上期相比", "上期各数中后来改写的", "本期各数中后来改写的",
    ]  # fmt: skip
    rows = {row[0]: row for row in table_rows(of_class(tree, "panel")[2])}
    # Cases that were closed, or became overdue, after the first cut-off.
    then, now = rows["按时办结率"][2:4]
    assert then != now
    assert "n=" in then
    kept = packet_of_id(server.extensions["board_office"], CITY, identity)
    assert kept is not None
    on_time = next(f for f in kept.packet.sections[0].figures if f.metric == "on_time")
    assert then == f"{on_time.text}（n={on_time.n}）"
    store: Store = server.extensions["board_store"]
    store.close()


# --- The command line ---------------------------------------------------------------------------


def run(server: Flask, *arguments: str):
    return server.test_cli_runner().invoke(args=["brief", "make", *arguments])


def test_make_writes_a_packet_for_the_city_and_each_district(server, tmp_path, snapshot):
    made = run(server, "--week", "2021-W14", "--each", "district", "--out", str(tmp_path),
               "--format", "xlsx", "--sections", "overall,rates_districts")  # fmt: skip
    assert made.exit_code == 0, made.output
    districts = len(snapshot.reference.districts)
    assert f"共{districts + 1}份，写成{districts + 1}份，未成0份" in made.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == districts + 1
    assert "北京市接诉即办周报_week-2021-W14_演示数据.xlsx" in names
    book = server.extensions["board_office"]
    assert len(packets_kept(book, CITY, 1_000)) >= districts + 1


def test_make_says_what_it_refused_and_writes_the_rest(server, tmp_path, monkeypatch):
    real = _brief._MAKERS["overall"]

    def fail_there(question: Question):
        if question.filters.district == ("110105",):
            raise ZeroDivisionError
        return real(question)

    monkeypatch.setitem(_brief._MAKERS, "overall", fail_there)
    made = run(server, "--week", "2021-W07", "--each", "district", "--out", str(tmp_path),
               "--district", "110101", "--district", "110105", "--format", "xlsx",
               "--sections", "overall", "--no-keep")  # fmt: skip
    assert made.exit_code == 3
    assert "× 朝阳区：拒绝：“总体情况”没有算出来" in made.output
    assert sorted(path.name[:3] for path in tmp_path.iterdir()) == ["东城区", "北京市"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--week", "2021-W99"), 2), (("--week", "2021-W16"), 2), ((), 2),
        (("--week", "2021-W14", "--assess", "2021-03"), 2),
        (("--week", "2021-W14", "--format", "odt"), 2),
        (("--week", "2021-W14", "--sections", "nothing"), 2),
        (("--week", "2021-W14", "--district", "999"), 1),
    ],
)  # fmt: skip
def test_make_ends_with_a_code_that_cron_can_read(server, tmp_path, arguments, code):
    made = run(server, *arguments, "--out", str(tmp_path / "out"))
    assert made.exit_code == code, made.output
    assert not list(tmp_path.glob("out/*"))


def test_make_without_data_says_so(empty_settings, tmp_path):
    made = run(server_of(empty_settings), "--week", "2021-W14", "--out", str(tmp_path / "out"))
    assert made.exit_code == 1
    assert "还没有发布数据" in made.output


def test_without_browser_and_libreoffice_the_rest_is_made(
    server, tmp_path, monkeypatch, draft, client
):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    common = ("--week", "2021-W14", "--out", str(tmp_path), "--sections", "overall", "--no-keep")
    made = run(server, *common, "--format", "pdf,xlsx", "--png")
    assert made.exit_code == 0
    assert [path.suffix for path in tmp_path.iterdir()] == [".xlsx"]
    assert made.output.count("没有找到 Chromium") == 2
    # Where that is all that was asked for, there is nothing to make.
    assert run(server, *common, "--format", "pdf").exit_code == 1
    question = draft.board.shell(WEEK).props["question"]["data"]
    answer = draft.settle(question, "overall", {})
    assert "用浏览器打印" in words(answer.props["brief-result"]["children"])
    identity = settled_id(answer)
    assert client.get(f"/brief-files/{identity}.pdf").status_code == 501
    assert client.get(f"/brief-files/{identity}.docx").status_code == 200


# --- Canvases, and a browser on the server ------------------------------------------------------


def test_canvases_tell_of_the_packet_and_of_a_draft(draft, board, client):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall,rates_districts", {}))
    for form in FORMS:
        for key in ("cover", "overall", "rates_districts"):
            kept = client.get(f"/brief/{identity}/canvas/{form}/{key}")
            drafted = client.get(f"/brief/draft/canvas/{form}/{key}{WEEK}")
            assert kept.status_code == drafted.status_code == 200
            assert "定稿 " in kept.text
            assert "草稿" in drafted.text
            if key != "cover":
                # The same numbers in the same places.
                body = [each.text.partition("<h1")[2].partition("<p class=\"canvas-foot")[0]
                        for each in (kept, drafted)]  # fmt: skip
                assert body[0] == body[1]
            assert kept.headers["Cache-Control"] == "no-store"
            assert "frame-ancestors 'none'" in kept.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "nobody/canvas/slide/overall", "{}/canvas/a5/overall", "{}/canvas/slide/nothing",
        "{}/canvas/slide/topics", "draft/canvas/slide/nothing", "{}/canvas/slide/%3Cscript%3E",
        "{}/canvas/slide", "%00/canvas/slide/cover", "draft/canvas/%F0%9F%98%80/cover",
    ],
)  # fmt: skip
def test_a_canvas_that_there_is_not_is_not_found(draft, board, client, path):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall", {}))
    response = client.get("/brief/" + path.format(identity))
    # An address of no canvas at all is one of the app, which says so itself.
    assert response.status_code == (200 if path.endswith("canvas/slide") else 404)
    assert "<script>" not in response.text or path.endswith("canvas/slide")


def test_a_draft_that_refuses_has_no_canvas_and_says_why(client, monkeypatch):
    refused = client.get("/brief/draft/canvas/slide/overall?period=week-1900-W99")
    assert refused.status_code == 409
    assert "week-1900-W99" in refused.text
    assert "data-ready" not in refused.text

    def fail(question: Question) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(_brief._MAKERS, "promises", fail)
    failed = client.get("/brief/draft/canvas/slide/promises?period=week-2021-W05")
    assert failed.status_code == 409
    assert "没有算出来" in failed.text


def test_a_packet_of_another_program_is_told_and_no_failure(server, draft, board, client):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall", {}))
    with server.extensions["board_office"].writing() as connection:
        connection.execute(
            packets.update().where(packets.c.id == identity).values(content='{"layout":0}')
        )
    for path in (f"/brief/{identity}/canvas/slide/cover", f"/brief-files/{identity}.docx"):
        response = client.get(path)
        assert response.status_code == 409
        assert "由其他版本的程序保存" in response.text
    with server.extensions["board_office"].writing() as connection:
        connection.execute(packets.delete().where(packets.c.id == identity))


def test_nobody_else_sees_a_canvas(server, draft, board, client, monkeypatch):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall", {}))
    path = f"/brief/{identity}/canvas/slide/overall"
    own = reader_of("east", "supervisor", frozenset())
    monkeypatch.setattr("pages._brief_files.reader", lambda: Scope(districts=frozenset({"110101"})))
    monkeypatch.setattr("pages._brief_files.who", lambda: own)
    assert client.get(path).status_code == 404
    # A role that writes no packets sees none, its own district's neither.
    monkeypatch.setattr(
        "pages._brief_files.who", lambda: reader_of("east", "district", frozenset({"110101"}))
    )
    assert client.get(path).status_code == 403
    assert client.get("/brief/draft/canvas/slide/overall").status_code == 403


class Printer:
    """Stands for a browser: keeps the page and returns something like a PDF."""

    def __init__(self, pages: list[str]) -> None:
        self.pages = pages

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def pdf(self, page: str) -> bytes:
        self.pages.append(page)
        return b"%PDF-"


def test_the_server_starts_a_browser_only_where_one_is_set(
    server, draft, board, client, monkeypatch
):
    question = board.shell(WEEK).props["question"]["data"]
    identity = settled_id(draft.settle(question, "overall,rates_streets", {}))
    pages = []
    monkeypatch.setattr("pages._brief_files.Browser", lambda program: Printer(pages))
    monkeypatch.setattr("pages._brief_files.converter", lambda: None)
    # One that happens to be there is not started.
    monkeypatch.setenv("CHROMIUM", sys.executable)
    assert client.get(f"/brief-files/{identity}.pdf").status_code == 501
    settings = server.extensions["board_settings"]
    monkeypatch.setitem(
        server.extensions, "board_settings",
        settings.model_copy(update={"chromium": sys.executable}),
    )  # fmt: skip
    made = client.get(f"/brief-files/{identity}.pdf")
    assert (made.status_code, made.data) == (200, b"%PDF-")
    (page,) = pages
    packet = packet_of_id(server.extensions["board_office"], CITY, identity).packet
    # All of it, and nothing of the screen around it.
    for figure in (figure for section in packet.sections for figure in section.figures):
        assert figure.text in page
    assert page.count("<tr") > len(packet.sections[1].tables[0].rows)
    assert "<script" not in page
    with one_at_a_time():
        busy = client.get(f"/brief-files/{identity}.pdf")
    assert busy.status_code == 503
    assert busy.headers["Retry-After"]


def test_who_can_wait_gets_a_turn():
    taken, left = threading.Event(), threading.Event()

    def first() -> None:
        with one_at_a_time():
            taken.set()
            left.wait(20)

    holder = threading.Thread(target=first)
    holder.start()
    assert taken.wait(20)
    with pytest.raises(BusyError), one_at_a_time(0.3):
        pass
    threading.Timer(0.3, left.set).start()
    with one_at_a_time(20):
        assert left.is_set()
    holder.join()


def test_a_browser_that_does_not_work_is_said(monkeypatch, tmp_path):
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)
    for program in (str(silent), str(tmp_path / "none")):
        with pytest.raises(BrowserError, match="没有启动"):
            Browser(program)
    stuck = tmp_path / "stuck"
    stuck.write_text("#!/bin/sh\nsleep 60\n")
    stuck.chmod(0o755)
    monkeypatch.setattr("components.exports.browser._SECONDS_PER_PAGE", 0.2)
    with pytest.raises(BrowserError, match="时间"):
        Browser(str(stuck))


def test_the_id_of_a_packet_cannot_be_guessed(server, asked):
    book = server.extensions["board_office"]
    packet = _brief.packet_of(asked(WEEK), ("overall",))
    made = {
        keep_packet(book, CITY, packet, dt.date(2021, 4, 5), dt.datetime(2021, 4, 13))
        for _ in range(3)
    }
    assert len(made) == 3
    assert all(len(each) >= 16 for each in made)
