"""Figures on the pages equal a loop over the cases, and each other wherever they stand."""

from __future__ import annotations

import datetime as dt
import math
import sys
from typing import Any

import pandas as pd
import pytest
from flask import Flask

from components.formatting import count, count_in_words, share, value_text
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot
from domain.metrics import HEADLINE, METRICS, Metric
from domain.periods import Window, weeks_before
from domain.scope import CITY
from tests import oracle
from tests.app.board import (
    Board,
    MakeServer,
    board_of,
    nodes,
    of_class,
    of_type,
    table_rows,
    words,
)

SPARK_WEEKS, TREND_WEEKS = 13, 26
# 110105 is 朝阳区; the period of the last is not over; the third has no valid revisit at all.
SEARCHES = {
    "default": "",
    "district": "?district=110105&indicator=composite",
    "everything of a year": "?period=year-2020&basis=all&compare=none&indicator=volume",
    "several filters": "?period=2020-03-01..2021-02-28&district=110105,110108&channel=web"
    "&indicator=satisfaction",
    "topic and unit": "?period=days-365&topic=2021-01&unit=U001,U002,U003&indicator=on_time",
    "streets": "?period=year-2020&subdistrict=110105001,110105002&compare=year",
    "running period": "?period=assess-2021-04&indicator=response",
}


@pytest.fixture(scope="module")
def cases(snapshot: Snapshot) -> list[oracle.Case]:
    return oracle.read_cases(snapshot)


@pytest.fixture(scope="module", params=SEARCHES.values(), ids=list(SEARCHES))
def question(request: pytest.FixtureRequest, server: Flask) -> Question:
    question = ask(server.extensions["board_store"], CITY, request.param)
    assert question.problems == ()
    return question


@pytest.fixture(scope="module")
def chosen(cases: list[oracle.Case], question: Question) -> list[oracle.Case]:
    return oracle.chosen(cases, question.filters)


@pytest.fixture(scope="module")
def now(chosen: list[oracle.Case], question: Question) -> list[oracle.Case]:
    found = oracle.created_in(chosen, question.period.window)
    assert found
    return found


def expected(key: str, cases: list[oracle.Case], question: Question) -> tuple[float, int]:
    return oracle.indicator(key, cases, question.snapshot.cutoff, question.rules)


def drawn(board: Board, panel: str, question: Question) -> Any:
    answer = board.panel(panel, question.canonical)
    assert answer.sound, answer.text
    return answer.props[panel]["children"]


def weeks_of(question: Question, number: int) -> list[Window]:
    """Return the weeks drawn: up to the cut-off, or four weeks past an older period."""
    cutoff = question.snapshot.cutoff.date()
    after = question.period.window.end + dt.timedelta(weeks=4)
    return weeks_before(cutoff, min(cutoff, after), number)


def printings(metric: Metric, value: float) -> set[str]:
    """Return the ways in which a table may print a value, with and without unit."""
    if metric.kind == "count":
        return {count(value)}
    texts = {value_text(metric, value, decimals=decimals) for decimals in (1, 2)}
    return texts | {text.split(" ")[0] for text in texts} | ({"—"} if math.isnan(value) else set())


def group_of(question: Question) -> str:
    by_street = question.filters.district or question.filters.subdistrict
    return "subdistrict" if by_street else "district"


# --- Before formatting --------------------------------------------------------------------------


def test_what_is_drawn_equals_the_cases_to_the_last_digit(
    demo_settings: Settings,
    make_server: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
    question: Question,
    chosen: list[oracle.Case],
    now: list[oracle.Case],
):
    board = board_of(make_server(demo_settings))
    overview = sys.modules["pages.overview"]
    cards: dict[str, Any] = {}
    tiles: list[pd.DataFrame] = []
    card, tile_map = overview.headline_card, overview.tile_map
    monkeypatch.setattr(
        overview,
        "headline_card",
        lambda measured, weekly, **rest: (
            cards.update({measured.metric.key: (measured, weekly)})
            or card(measured, weekly, **rest)
        ),
    )
    monkeypatch.setattr(
        overview, "tile_map", lambda rows, *rest: tiles.append(rows) or tile_map(rows, *rest)
    )
    drawn(board, "overview-summary", question)
    drawn(board, "overview-map", question)

    weeks = weeks_of(question, SPARK_WEEKS)
    assert list(cards) == list(HEADLINE)
    for key, (measured, weekly) in cards.items():
        assert (measured.value, measured.n) == pytest.approx(
            expected(key, now, question), abs=1e-9, nan_ok=True
        )
        assert_weeks(weekly, weeks, key, chosen, question)
        for name, word in (("previous", "环比"), ("year", "同比")):
            window = dict(question.windows)[name]
            before = oracle.created_in(chosen, window)
            assert_change(measured, word, (now, before), question, window)

    (rows,) = tiles
    key, group = question.filters.indicator, group_of(question)
    for row in rows.to_dict("records"):
        members = [case for case in now if getattr(case, group) == row["code"]]
        assert (row["value"], row["n"]) == pytest.approx(
            expected(key, members, question), abs=1e-9, nan_ok=True
        )
        for each in METRICS:
            assert (row[f"{each}_value"], row[f"{each}_n"]) == pytest.approx(
                expected(each, members, question), abs=1e-9, nan_ok=True
            )


def assert_weeks(
    weekly: pd.DataFrame,
    weeks: list[Window],
    key: str,
    chosen: list[oracle.Case],
    question: Question,
) -> None:
    points = zip(weekly["value"], weekly["n"], weekly["mature"], weeks, strict=True)
    for value, n, mature, week in points:
        members = oracle.created_in(chosen, week)
        assert (value, n) == pytest.approx(expected(key, members, question), abs=1e-9, nan_ok=True)
        counts = oracle.tally(members, question.snapshot.cutoff, question.rules)
        ripe = counts["cases"] > 0 and counts["mature"] / counts["cases"] >= 0.9
        waits = METRICS[key].needs_maturity
        assert mature == (week.days == 7 and (ripe or not waits))


def assert_change(
    measured: Any,
    word: str,
    compared: tuple[list[oracle.Case], list[oracle.Case]],
    question: Question,
    window: Window,
) -> None:
    change, key = measured.changes[word], measured.metric.key
    value, n = expected(key, compared[0], question)
    base, base_n = expected(key, compared[1], question)
    if key == "volume":
        if not base:
            assert change.direction == "withheld"
            return
        ratio = (value / question.period.window.days) / (base / window.days)
        assert change.amount == pytest.approx(100 * (ratio - 1), abs=1e-9)
        return
    counts = oracle.tally(compared[0], question.snapshot.cutoff, question.rules)
    ripe = counts["mature"] >= 0.9 * counts["cases"] or not measured.metric.needs_maturity
    if min(n, base_n) < question.rules.minimum_revisits or not ripe:
        assert change.direction == "withheld"
        assert math.isnan(change.amount)
    else:
        assert change.amount == pytest.approx(100 * (value - base), abs=1e-9)


def test_the_trend_draws_the_mature_weeks(
    board: Board, question: Question, chosen: list[oracle.Case]
):
    tree = drawn(board, "overview-trend", question)
    weeks = weeks_of(question, TREND_WEEKS)
    graphs = of_type(tree, "Graph")
    if not graphs:
        assert of_class(tree, "state-empty")
        reach = Window(weeks[0].start, weeks[-1].end)
        assert not oracle.created_in(chosen, reach)
        return
    traces = graphs[0]["props"]["figure"]["data"]
    by_name = {metric.name: metric.key for metric in METRICS.values()}
    lines = [trace for trace in traces if trace.get("name") in by_name]
    assert {by_name[line["name"]] for line in lines} in (
        {"response", "resolution", "satisfaction"}, {"on_time"},
    )  # fmt: skip
    middle = {f"{week.start + dt.timedelta(days=3)}T12:00:00": week for week in weeks}
    for line in lines:
        for moment, value in zip(line["x"], line["y"], strict=True):
            members = oracle.created_in(chosen, middle[moment])
            wanted, _ = expected(by_name[line["name"]], members, question)
            assert (math.nan if value is None else value) == pytest.approx(
                wanted, abs=1e-9, nan_ok=True
            )


# --- As printed ---------------------------------------------------------------------------------


def test_card_title_and_total_say_the_same(
    board: Board, question: Question, now: list[oracle.Case], chosen: list[oracle.Case]
):
    summary = drawn(board, "overview-summary", question)
    places = drawn(board, "overview-places", question)
    categories = drawn(board, "overview-categories", question)
    title = words(of_type(summary, "H1")[0])
    chosen_metric = METRICS[question.filters.indicator]
    value, _ = expected(chosen_metric.key, now, question)
    if math.isnan(value):
        assert "不可算" in title
    else:
        assert f"{chosen_metric.name} {value_text(chosen_metric, value)}" in title

    cards = {
        words(of_class(card, "figure-name")): card for card in of_class(summary, "figure-card")
    }
    # One more: the target with the largest stock.
    assert len(cards) == len(HEADLINE) + 1
    total = dict(zip(header(places), of_total(places), strict=True))
    of_categories = dict(zip(header(categories), of_total(categories), strict=True))
    for key in HEADLINE:
        metric = METRICS[key]
        (card,) = (card for name, card in cards.items() if name.startswith(metric.name))
        value, n = expected(key, now, question)
        number = words(of_class(card, "figure-value"))
        if math.isnan(value):
            assert number == f"—（无{metric.n_words}）"
        else:
            assert number == value_text(metric, value)
        for table in (total, of_categories):
            if metric.name in table:
                cell, _, small = table[metric.name].partition("n ")
                assert cell in printings(metric, value), key
                assert small in ("", count(n)), key
    closed = oracle.closed_in(chosen, question.period.window, question.snapshot.cutoff)
    assert f"同期办结 {count_in_words(closed, '件')}" in words(summary)


def header(tree: Any) -> list[str]:
    """Return the titles of the columns, small print left out."""
    titles = []
    for cell in of_type(of_type(tree, "Thead")[0], "Th"):
        children = cell["props"]["children"]
        titles.append(children[0] if isinstance(children, list) else children)
    return titles


def of_total(tree: Any) -> list[str]:
    (row,) = table_rows(of_class(tree, "table-total"))
    return row


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_parts_on_the_screen_add_up(board: Board, question: Question, now: list[oracle.Case]):
    places = drawn(board, "overview-places", question)
    column = header(places).index("诉求量")
    rows = table_rows(of_type(places, "Tbody"))
    assert sum(number(row[column]) for row in rows[:-1]) == number(rows[-1][column]) == len(now)
    listed = question.snapshot.reference.districts["name"]
    if group_of(question) == "district":
        assert set(listed) <= {row[0] for row in rows}

    categories = drawn(board, "overview-categories", question)
    column = header(categories).index("诉求量")
    rows = table_rows(of_type(categories, "Tbody"))
    assert sum(number(row[column]) for row in rows[:-1]) == number(rows[-1][column]) == len(now)
    shares = header(categories).index("占比")
    assert rows[-1][shares] == share(1.0)


def test_every_tile_says_its_figure(board: Board, question: Question, now: list[oracle.Case]):
    tree = drawn(board, "overview-map", question)
    metric, group = METRICS[question.filters.indicator], group_of(question)
    reference = question.snapshot.reference
    frame = reference.districts if group == "district" else reference.subdistricts
    # Districts by their short names.
    names = frame["short_name"] if "short_name" in frame else frame["name"]
    name_of = dict(zip(frame["code"], names, strict=True))
    tiles = of_class(tree, "tile-link")
    assert tiles
    for tile in tiles:
        code = tile["props"]["href"].split(f"{group}=")[1].split("&")[0]
        assert words(of_class(tile, "tile-name")) == name_of[code]
        value, n = expected(
            metric.key, [case for case in now if getattr(case, group) == code], question
        )
        text = words(of_class(tile, "tile-value"))
        if math.isnan(value):
            assert text == f"— 无{metric.n_words}"
        else:
            assert text in {value_text(metric, value, decimals=d) for d in (0, 1, 2)}
            assert words(of_class(tile, "tile-n")) in ("", f"n {count(n)}")
        courses = of_type(tile, "Svg")
        assert len(courses) == (n >= question.rules.minimum_revisits or metric.kind == "count")
        assert all(metric.name in course["props"]["aria-label"] for course in courses)


def test_the_change_in_the_title_is_that_of_the_card(board: Board, server: Flask):
    question = ask(server.extensions["board_store"], CITY, "?indicator=resolution")
    summary = drawn(board, "overview-summary", question)
    title = words(of_type(summary, "H1")[0])
    (card,) = (
        each for each in of_class(summary, "figure-card") if words(each).startswith("解决率")
    )
    lines = dict(zip(map(words, of_type(card, "Dt")), map(words, of_type(card, "Dd")), strict=True))
    assert list(lines) == ["环比", "同比"]
    assert title.removesuffix("（正常波动）").endswith("环比" + lines["环比"].lstrip("↑↓"))


def test_no_two_components_share_an_id(board: Board, question: Question):
    ids = [
        node["props"]["id"]
        for panel in board.panels
        for node in nodes(drawn(board, panel, question))
        if "id" in node["props"]
    ]
    assert len(ids) == len(set(ids))
