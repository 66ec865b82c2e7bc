"""Every callback answers: for a matrix of filters, for nonsense, and for data that is not there."""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from flask import Flask

from data_access.publishing import publish
from data_access.settings import Settings
from data_access.versions import staging_dir
from tests.app.board import CALLBACKS, Board, MakeServer, board_of, nodes, of_class, of_type, words
from tests.data.staging import stage

SEARCHES = (
    "",
    "?period=assess-2021-04",
    "?period=week-2021-W10&compare=year",
    "?period=month-2021-03&basis=all&indicator=composite",
    "?period=quarter-2021-Q1&compare=none&indicator=on_time",
    "?period=year-2020&indicator=volume",
    "?period=days-7&indicator=satisfaction",
    "?period=2021-04-12..2021-04-12",
    "?period=2020-01-01..2021-04-12&indicator=response",
    "?district=110105",
    "?district=110105,110108,BDA&compare=year&indicator=volume",
    "?subdistrict=110105001",
    "?district=110105&topic=2021-01&category=02&channel=phone",
    "?category=0201&unit=U001,U003&basis=all",
    "?topic=2021-02,2021-27",
    "?channel=wechat&unit=U087",
    # Nothing can be both.
    "?district=110101&subdistrict=110105001",
    # Before the first case.
    "?period=year-1999",
)


@pytest.mark.parametrize("search", SEARCHES)
def test_every_panel_answers(board: Board, search: str):
    shell = board.shell(search)
    assert shell.sound
    assert shell.props["notices"]["children"] is None
    question = shell.props["question"]["data"]
    assert board.panels
    for panel in board.panels:
        answer = board.panel(panel, question)
        assert answer.sound, (panel, answer.text)
        assert "NaN" not in answer.text, panel
        # The same again, from the cache.
        assert board.panel(panel, question).text == answer.text


def test_an_empty_answer_says_so_and_shows_no_figure(board: Board):
    question = board.shell("?district=110101&subdistrict=110105001").props["question"]["data"]
    summary = board.panel("overview-summary", question).props["overview-summary"]["children"]
    assert of_class(summary, "state-empty")
    assert not of_class(summary, "figure-card")
    assert "0.0 %" not in words(summary)


def test_the_title_of_each_view_answers_it(board: Board):
    question = board.shell("?indicator=composite").props["question"]["data"]
    summary = board.panel("overview-summary", question).props["overview-summary"]["children"]
    (title,) = of_type(summary, "H1")
    assert words(title).startswith("北京市综合成绩 ")
    facts = words(of_class(summary, "strip-facts"))
    for fact in (
        "数据截至 2021-04-12 23:59",
        "口径版本",
        "数据版本 demo.1",
        "演示数据",
        "考核口径",
    ):
        assert fact in facts


# --- The shell ----------------------------------------------------------------------------------


def test_a_link_sets_every_control(board: Board):
    search = (
        "?period=month-2021-03&compare=year&basis=all&district=110105&subdistrict=110105001"
        "&topic=2021-01&category=02&channel=phone&unit=U003&indicator=composite"
    )
    props = board.shell(search).props
    shown = {name: value["value"] for name, value in props.items() if "value" in value}
    assert shown == {
        "filter-period-kind": "month",
        "filter-period": "month-2021-03",
        "filter-range-start": "2021-03-01",
        "filter-range-end": "2021-03-31",
        "filter-days": 31,
        "filter-compare": "year",
        "filter-basis": "all",
        "filter-indicator": "composite",
        "filter-district": ["110105"],
        "filter-subdistrict": ["110105001"],
        "filter-topic": ["2021-01"],
        "filter-category": ["02"],
        "filter-channel": ["phone"],
        "filter-unit": ["U003"],
    }
    # Reading a URL never writes one, else Back would be trapped.
    assert "url" not in props
    for name, value in shown.items():
        if "options" in props[name]:
            codes = {option["value"] for option in props[name]["options"]}
            assert set(value if isinstance(value, list) else [value]) <= codes, name


def test_a_control_writes_the_url_and_keeps_the_rest(board: Board):
    shown = board.shell("?district=110105").props["question"]["data"]
    changed = board.shell(
        "?district=110105",
        changed="filter-basis.value",
        values={"filter-basis": "all", "filter-district": ["110105"]},
        shown=shown,
    )
    assert changed.props["url"]["search"] == "?basis=all&district=110105"
    asked = parse_qs(changed.props["question"]["data"].removeprefix("?"))
    assert asked["basis"] == ["all"]
    assert asked["version"] == ["demo.1"]
    assert asked["period"] == ["assess-2021-03"]


def test_another_district_drops_its_streets(board: Board):
    search = "?district=110105&subdistrict=110105001"
    shown = board.shell(search).props["question"]["data"]
    values = {"filter-district": ["110108"], "filter-subdistrict": ["110105001"]}
    changed = board.shell(search, changed="filter-district.value", values=values, shown=shown)
    assert changed.props["url"]["search"] == "?district=110108"


@pytest.mark.parametrize(
    ("kind", "period"),
    [
        ("week", "week-2021-W11"),
        ("month", "month-2021-03"),
        ("quarter", "quarter-2021-Q1"),
        ("year", "year-2021"),
        ("days", "days-30"),
        ("custom", "2021-02-19..2021-03-18"),
    ],
)
def test_another_kind_of_period_starts_from_the_one_shown(board: Board, kind: str, period: str):
    shown = board.shell("").props["question"]["data"]
    changed = board.shell(
        "", changed="filter-period-kind.value", values={"filter-period-kind": kind}, shown=shown
    )
    assert changed.props["url"]["search"] == f"?period={period}"


@pytest.mark.parametrize(
    "search",
    ["?district=119999", "?farbe=rot", "?period=month-2021-13", "?version=demo.77", "?topic=%00"],
)
def test_what_a_link_asks_in_vain_is_said(board: Board, search: str):
    shell = board.shell(search)
    assert shell.sound
    assert of_class(shell.props["notices"]["children"], "notice")


# --- Nonsense -----------------------------------------------------------------------------------


NONSENSE: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, "x", "?", "%%%", "?district=%E4%BD", "'; DROP TABLE cases; --",
    "<script>alert(1)</script>", "?district=" + "9" * 3000, "?" + "&".join(["period=x"] * 500),
    "\x00\ud83d", [], [[]], ["?district=110105"], {}, {"a": {"b": []}}, "中" * 2_000,
)  # fmt: skip


@pytest.mark.parametrize("value", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_in_the_store_or_the_url_never_fails(board: Board, value: Any):
    for panel in board.panels:
        answer = board.panel(panel, value)
        assert answer.sound or (value is None and answer.status == 204)
    assert board.shell(value, value).sound
    assert board.shell("", shown=value).sound


@pytest.mark.parametrize("value", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_in_a_control_never_fails(board: Board, value: Any):
    body = board.shell_body("?district=110105")
    shown = board.shell("?district=110105").props["question"]["data"]
    controls = [each["id"] for each in body["inputs"] if each["property"] == "value"]
    for control in controls:
        for before in (shown, None, value):
            answer = board.shell(
                "?district=110105",
                changed=f"{control}.value",
                values=dict.fromkeys(controls, value),
                shown=before,
            )
            assert answer.sound, control
            assert board.panel("overview-summary", answer.props["question"]["data"]).sound


def malformed(board: Board) -> dict[str, Any]:
    """Return name → body of a callback as no page of ours sends it."""
    sound = board.shell_body()
    panel = {
        "output": "overview-map.children",
        "outputs": {"id": "overview-map", "property": "children"},
        "inputs": [{"id": "question", "property": "data", "value": ""}],
        "changedPropIds": ["question.data"],
        "state": [],
    }
    bodies: dict[str, Any] = {
        "nothing": {},
        "null": None,
        "list": [1, 2],
        "text": "output",
        "number": 7,
        "unknown output": panel | {"output": "nobody.children"},
        "list as output": panel | {"output": ["overview-map.children"]},
        "output of another": panel | {"output": "question.data"},
        "other outputs": panel | {"outputs": {"id": "url", "property": "search"}},
        "outputs of wrong type": panel | {"outputs": 5},
        "inputs of wrong type": panel | {"inputs": "question"},
        "inputs of nothing": panel | {"inputs": [None]},
        "no inputs": panel | {"inputs": []},
        "too many inputs": panel | {"inputs": panel["inputs"] * 50},
        "other input": panel | {"inputs": [{"id": "filter-unit", "property": "value", "value": 1}]},
        "changed of wrong type": panel | {"changedPropIds": 3},
        "changed of nowhere": panel | {"changedPropIds": ["nobody.value", ""]},
        "shell without state": sound | {"state": []},
        "shell with few inputs": sound | {"inputs": sound["inputs"][:3]},
        "shell with mixed inputs": sound | {"inputs": sound["inputs"][::-1]},
        "deep": panel | {"inputs": [json.loads("[" * 400 + "]" * 400)]},
        "pattern": panel | {"output": '{"type":"x","index":0}.children'},
    }
    for key in panel:
        bodies[f"without {key}"] = {name: value for name, value in panel.items() if name != key}
        bodies[f"{key} null"] = panel | {key: None}
    return bodies


def test_malformed_callbacks_are_refused_without_a_traceback(server: Flask, board: Board):
    client = server.test_client()
    for name, body in malformed(board).items():
        response = client.post(CALLBACKS, json=body)
        assert response.status_code < 500, name
        assert "Traceback" not in response.text, name
        assert ".py" not in response.text, name
    for data, kind in (
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"{}", "text/plain"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"[" * 50_000, "application/json"),
    ):
        response = client.post(CALLBACKS, data=data, content_type=kind)
        assert 400 <= response.status_code < 500, data[:9]
        assert "Traceback" not in response.text
    # The app is none the worse for it.
    assert board.shell("").sound


def test_a_body_too_large_is_refused_before_it_is_read(server: Flask):
    response = server.test_client().post(
        CALLBACKS, data=b'{"a":"' + b"x" * 300_000 + b'"}', content_type="application/json"
    )
    assert response.status_code == 413
    assert "请求过大" in response.text


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere", "/definitions/x", "//", "/%00", "/%ff%fe", "/..%2f..%2fetc/passwd", "/.env",
        "/assets/../app.py", "/assets/nothing.js", "/assets/%2e%2e/app.py", "/var/current.json",
        "/_dash-component-suites/nothing/x.js", "/_dash-component-suites/dash/../../app.py",
        "/_dash-layout?district=%ff", "/?district=%00%ff&district=1&period=" + "9" * 5_000,
        "/definitions?__class__=1&pathname=2&self=3", "/healthz?x=%ff", "/" + "a" * 5_000,
        "/_reload-hash", "/_dash-update-component", "/_mcp",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_nonsense_addresses_never_fail(server: Flask, path: str, method: str):
    response = server.test_client().open(path, method=method)
    assert response.status_code < 500
    assert "Traceback" not in response.text
    assert "create_app" not in response.text
    response.close()


def test_health(server: Flask):
    response = server.test_client().get("/healthz")
    assert response.status_code == 200
    answer = response.get_json()
    assert answer["status"] == "ok"
    assert answer["data_version"] == "demo.1"
    assert answer["demo"] is True
    assert answer["cutoff"] == "2021-04-12T23:59:59"
    assert answer["data_age_hours"] > 24


# --- No data, bad data --------------------------------------------------------------------------


def test_before_anything_is_published(empty_settings: Settings, make_server: MakeServer):
    server = make_server(empty_settings)
    board = board_of(server)
    shell = board.shell("?district=110105")
    assert shell.status == 200
    notice = shell.props["notices"]["children"]
    assert of_class(notice, "state")
    assert "flask data demo" in words(notice)
    assert "flask data load" in words(notice)
    for panel in board.panels:
        assert board.panel(panel, "").status == 204
    health = server.test_client().get("/healthz")
    assert (health.status_code, health.get_json()) == (200, {"status": "empty"})


@pytest.fixture(params=["pointer", "version gone", "version torn"])
def unreadable(request: pytest.FixtureRequest, empty_settings: Settings) -> Settings:
    folder: Path = empty_settings.data_dir
    staging_dir(empty_settings).mkdir(parents=True)
    text = '{"line": "dem' if request.param == "pointer" else '{"line": "demo", "version": 1}'
    (folder / "current.json").write_text(text, encoding="utf-8")
    if request.param == "version torn":
        (folder / "versions" / "demo").mkdir(parents=True)
        (folder / "versions" / "demo" / "000001.duckdb").write_bytes(b"torn" * 5_000)
    return empty_settings


def test_a_store_that_cannot_be_read(unreadable: Settings, make_server: MakeServer):
    server = make_server(unreadable)
    board = board_of(server)
    shell = board.shell("")
    assert shell.status == 200
    (state,) = of_class(shell.props["notices"]["children"], "state-error")
    assert words(of_type(state, "Code"))
    for panel in board.panels:
        answer = board.panel(panel, "")
        assert answer.status == 200
        assert "state-error" in answer.text
        assert "Traceback" not in answer.text
        assert str(unreadable.data_dir) not in answer.text
    health = server.test_client().get("/healthz")
    assert (health.status_code, health.get_json()) == (503, {"status": "unreadable"})
    assert server.test_client().get("/").status_code == 200


def test_one_panel_that_fails_leaves_the_others(
    demo_settings: Settings,
    make_server: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    board = board_of(make_server(demo_settings))
    monkeypatch.setattr(
        sys.modules["pages.overview"], "tile_map", lambda *_: (_ for _ in ()).throw(OSError("高压"))
    )
    failed = board.panel("overview-map", "?period=month-2021-01")
    assert failed.status == 200
    (state,) = of_class(failed.props["overview-map"]["children"], "state-error")
    reference = words(of_type(state, "Code"))
    assert "高压" not in failed.text
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in logged if line["event"] == "panel_failed")
    assert told["reference"] == reference
    assert told["panel"] == "show_map"
    assert "高压" in told["exception"]
    for panel in set(board.panels) - {"overview-map"}:
        assert board.panel(panel, "?period=month-2021-01").sound
    monkeypatch.undo()
    # A failure is not kept.
    assert board.panel("overview-map", "?period=month-2021-01").sound


def test_names_in_the_data_are_text_never_markup(empty_settings: Settings, make_server: MakeServer):
    name = """<img src=x onerror="alert('1')">&amp;<script>1</script>"""
    change = "".join(
        f"UPDATE {table} SET name = '{name.replace(chr(39), chr(39) * 2)}' || code;"
        for table in ("districts", "subdistricts", "categories")
    )
    publish(empty_settings, stage(empty_settings, cases=500, change=change), lambda *_: None)
    board = board_of(make_server(empty_settings))
    seen = 0
    for search in ("?period=year-2020", "?period=year-2020&district=110103&category=c002"):
        for panel in board.panels:
            answer = board.panel(panel, search)
            assert answer.sound
            tree = answer.props[panel]["children"]
            seen += words(tree).count(name)
            for node in nodes(tree):
                assert node["type"] != "Script"
                assert "onerror" not in node["props"]
    assert seen > 20


# --- Log, headers, error page -------------------------------------------------------------------


def test_request_lines_are_json_and_tell_nothing_of_the_query(
    server: Flask, board: Board, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    client = server.test_client()
    secret = "Zhang-San-13800138000"
    client.get(f"/definitions?unit={secret}", headers={"Referer": f"http://x/?{secret}"})
    client.get(f"/nowhere?{secret}=1")
    board.panel("overview-map", f"?unit={secret}")
    board.shell(f"?unit={secret}&district=110105")
    out = capsys.readouterr()
    assert secret not in out.out + out.err
    lines = [json.loads(line) for line in out.out.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["path"]) for line in requests] == [
        ("GET", "/definitions"),
        ("GET", "/nowhere"),
        ("POST", CALLBACKS),
        ("POST", CALLBACKS),
    ]
    for line in requests:
        assert line["status"] == 200
        assert line["milliseconds"] >= 0
        assert {"reference", "timestamp", "level", "bytes"} <= line.keys()
    assert len({line["reference"] for line in requests}) == len(requests)


def test_security_headers(server: Flask):
    client = server.test_client()
    page = client.get("/")
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert "sha256-" in policy["script-src"]
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r'(src|href)="(https?:)?//', page.text)
    for path in ("/", "/healthz", "/_dash-layout", "/assets/nothing.css", "/nowhere"):
        response = client.get(path)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_failure_shows_a_page_with_the_reference_of_the_log(
    demo_settings: Settings,
    make_server: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    server = make_server(demo_settings)

    def broken() -> None:
        raise RuntimeError("高压")

    monkeypatch.setitem(server.view_functions, "live", broken)
    response = server.test_client().get("/healthz")
    assert response.status_code == 500
    assert 'lang="zh-CN"' in response.text
    assert "高压" not in response.text
    assert "Traceback" not in response.text
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in logged if line["event"] == "request_failed")
    assert f"<code>{told['reference']}</code>" in response.text
    assert response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/_dash-update-component"])
def test_a_database_that_is_away_is_no_fault_of_the_browser(
    demo_settings: Settings, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, path: str
):
    """The browser asks again after 503; 400 would stand on the page as a failure."""
    server = make_server(demo_settings)

    def locked(_book: object) -> bool:
        raise sa.exc.OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr("pages._accounts.has_accounts", locked)
    response = server.test_client().open(path, method="GET" if path == "/" else "POST", json={})
    assert response.status_code == 503
    assert "locked" not in response.text


def test_threads_get_the_answers_to_their_own_questions(board: Board):
    searches = ["?district=110105", "?district=110108", "?indicator=volume", "?basis=all"] * 3
    alone = {search: board.panel("overview-summary", search).text for search in searches}
    found: list[tuple[str, str]] = []

    def ask(search: str) -> None:
        found.append((search, board.panel("overview-summary", search).text))

    threads = [threading.Thread(target=ask, args=(search,)) for search in searches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(searches)
    assert all(alone[search] == text for search, text in found)
