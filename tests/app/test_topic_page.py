"""One topic on the screen: every panel's figures equal a loop over the rows of the version."""

from __future__ import annotations

import datetime as dt
import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from components.formatting import amount, count, share, value_text
from data_access import schema
from data_access.demo import generate
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot
from data_access.versions import staging_dir
from domain.metrics import METRICS
from domain.periods import Window
from domain.scope import CITY
from tests import oracle
from tests.app import test_topics_page as year
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

PANELS = tuple(
    f"topic-{part}"
    for part in ("summary", "progress", "effect", "districts", "tasks", "units", "cases")
)
CODE = "2021-01"
CUTOFF = year.CUTOFF
WEEK, DAY = dt.timedelta(weeks=1), dt.timedelta(days=1)
# The first week of 2021 that the figure shows.
FIRST_WEEK = dt.date(2020, 12, 28)
# 110112 is where the demo's own group of callers about this topic lives.
SEARCHES = {
    "default": "",
    "district": "?district=110112",
    "street": "?subdistrict=110105001",
    "everything": "?basis=all&period=year-2020",
    "other dimensions": "?channel=web&unit=U003&category=02&topic=2021-05&compare=year",
    "nothing": "?district=110101&subdistrict=110105001",
    "before all data": "?period=year-1999",
}

# The fixtures of the page of all topics.
problems = year.problems
cases = year.cases


# --- Asking -------------------------------------------------------------------------------------


def answered(board: Board, panel: str, question: object, code: object = CODE) -> Any:
    """Return the tree of a panel about a topic; it must be an answer."""
    body = {
        "output": f"{panel}.children",
        "outputs": {"id": panel, "property": "children"},
        "inputs": [
            {"id": "question", "property": "data", "value": question},
            {"id": "topic-code", "property": "data", "value": code},
        ],
        "changedPropIds": ["question.data"],
        "state": [],
    }
    answer = board.post(body)
    assert answer.sound, (panel, answer.text)
    return answer.props[panel]["children"]


def everything(board: Board, question: object, code: object = CODE) -> dict[str, Any]:
    """Return every panel; none may print a number that is none."""
    trees = {panel: answered(board, panel, question, code) for panel in PANELS}
    for panel, tree in trees.items():
        for text in ("NaN", "nan", "None", "Infinity"):
            assert text not in words(tree), panel
        assert "NaN" not in json.dumps(tree), panel
        assert not words(of_class(tree, "panel-sentence")).startswith("。"), panel
    return trees


def title(tree: Any) -> str:
    return words(of_type(tree, "H1"))


def sentence(tree: Any) -> str:
    return words(of_class(tree, "panel-sentence"))


def figure(tree: Any) -> dict[str, Any]:
    (graph,) = of_type(tree, "Graph")
    result: dict[str, Any] = graph["props"]["figure"]
    return result


def trace(tree: Any, name: str) -> dict[str, Any]:
    (found,) = (each for each in figure(tree)["data"] if each.get("name") == name)
    return dict(found)


def days(values: list[str]) -> list[dt.date]:
    return [dt.datetime.fromisoformat(value).date() for value in values]


def terms(tree: Any) -> dict[str, str]:
    return dict(zip(map(words, of_type(tree, "Dt")), map(words, of_type(tree, "Dd")), strict=True))


def asked_of(server: Flask, search: str) -> Question:
    return ask(server.extensions["board_store"], CITY, search)


def own_cases(cases: list[oracle.Case], question: Question, code: str = CODE) -> list[oracle.Case]:
    """Return the cases of a topic at the place and in the 口径 asked for."""
    return [case for case in year.of_place(cases, question) if case.topic == code]


def in_city(cases: list[oracle.Case], question: Question) -> list[oracle.Case]:
    """Return the cases of the topic in the whole city in the period."""
    shown = question.filters.basis
    own = [
        case for case in cases
        if case.topic == CODE and case.assessed and (shown == "all" or not case.excluded)
    ]  # fmt: skip
    return oracle.created_in(own, question.period.window)


def monday(day: dt.date) -> dt.date:
    return day - DAY * day.weekday()


@pytest.fixture(scope="module")
def goal(problems: dict[str, year.Problem]) -> year.Goal:
    """Return the target of the topic: one, with a figure of the day before the cut-off."""
    (only,) = problems[CODE].goals
    assert only.figures[-1][0] == CUTOFF - DAY
    return only


# --- Every panel answers ------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_every_panel_answers_soundly(board: Board, search: str):
    question = year.asked(board, search)
    trees = everything(board, question)
    assert title(trees["topic-summary"]).startswith("房产证办理难：办理不动产权证书28.0 %")
    assert {panel: answered(board, panel, question) for panel in PANELS} == trees


def test_every_topic_answers(board: Board, problems: dict[str, year.Problem]):
    question = year.asked(board, "?district=110105")
    for code, problem in problems.items():
        trees = everything(board, question, code)
        name = problem.row["name"]
        assert title(trees["topic-summary"]).startswith(f"{name}：{problem.first.row['name']}")
        cards = of_class(trees["topic-summary"], "topic-card")
        assert len(cards) == len(problem.goals)
        (mark, *_) = of_class(of_class(trees["topic-summary"], "topic-facts"), "standing")
        assert words(mark).split(" ")[1] == problem.status


# --- Summary ------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?district=110112&basis=all", "?period=year-2020"])
def test_the_summary_tells_where_the_target_stands(
    board: Board,
    server: Flask,
    goal: year.Goal,
    problems: dict[str, year.Problem],
    cases: list[oracle.Case],
    search: str,
):
    question = asked_of(server, search)
    tree = answered(board, "topic-summary", question.canonical)
    on, actual = goal.figures[-1]
    value, due_on = goal.row["value"], goal.row["due_on"]
    elapsed, left = (on - goal.row["start_on"]).days + 1, (due_on - on).days
    pace, needed = actual / elapsed, (value - actual) / left
    assert needed < pace
    volume = year.recent(year.of_place(cases, question), CODE)
    said = f"房产证办理难：办理不动产权证书{share(actual / value)}，"
    said += f"快于序时{goal.gap():.1f}个百分点，现有速度够用"
    if volume.rising:
        said += f"，但近4周诉求比预期多{share(volume.cases / volume.expected - 1, 0)}"
    assert title(tree) == said
    facts = words(of_class(tree, "topic-facts"))
    assert f"主责：{'、'.join(problems[CODE].leads)}" in facts
    assert "2021-01-01启动" in facts
    assert f"最新进度：{on}（虚构）" in facts
    assert ("◆ 进度绿、诉求升" in facts) == volume.rising
    assert ("诉求为通州区" in facts) == ("district" in search)
    assert words(of_class(of_class(tree, "topic-facts"), "standing")) == "◐ 已追平"
    (card,) = of_class(tree, "topic-card")
    told = terms(card)
    month = 365 / 12

    def flats(number: float) -> str:
        if number < 1_000:
            return f"{number:.0f}套"
        return f"{number / 10_000:.2f}".rstrip("0").rstrip(".") + "万套"

    assert told["序时"] == (
        f"{goal.due(on) / value * 100:.2f} %，快{goal.gap():.1f}个百分点"
        f"（+{flats(actual - goal.due(on))}）"
    )
    assert told["须达速度"].startswith(f"{flats(needed * month)}/月，迄今{flats(pace * month)}/月")
    assert told["按现有速度"] == f"到期{flats(actual + pace * left)}，无缺口"
    assert told["期限"] == f"{due_on}，还有{(due_on - CUTOFF).days}天"
    stock = goal.row["stock"]
    assert f"{flats(actual)} / 10万套，占存量57万套的{share(actual / stock)}" in words(card)


# --- The main picture ---------------------------------------------------------------------------


def test_the_steps_are_the_published_and_invented_figures(
    board: Board, snapshot: Snapshot, goal: year.Goal
):
    tree = answered(board, "topic-progress", year.asked(board, ""))
    known = [(day, value) for day, value in goal.figures if day <= CUTOFF]
    steps = trace(tree, "办理不动产权证书")
    shown = list(zip(days(steps["x"]), steps["y"], strict=True))
    assert shown[-len(known) :] == known
    # What is before the first figure is nothing.
    assert [value for _, value in shown[: -len(known)]] in ([], [0])
    published = [
        (row["on_date"], row["value"])
        for row in year.rows_of(snapshot, schema.progress)
        if row["target_id"] == goal.row["id"] and row["district_id"] is None
        and not row["invented"] and goal.row["start_on"] <= row["on_date"] <= CUTOFF
    ]  # fmt: skip
    dots = trace(tree, "公布的进度")
    assert list(zip(days(dots["x"]), dots["y"], strict=True)) == published
    assert (dt.date(2021, 3, 31), 24_000) in published
    line = trace(tree, "序时")
    for day, value in zip(days(line["x"]), line["y"], strict=True):
        assert value == pytest.approx(goal.due(day))


def weekly_numbers(
    cases: list[oracle.Case], question: Question
) -> tuple[Counter[dt.date], Counter[dt.date]]:
    """Return cases by Monday of the topic and of no topic."""
    placed = year.of_place(cases, question)
    return tuple(  # type: ignore[return-value]
        Counter(monday(case.day) for case in placed if case.topic == topic) for topic in (CODE, "")
    )


@pytest.mark.parametrize("search", ["", "?district=110112", "?basis=all&period=days-7"])
def test_weekly_complaints_and_their_expectation(
    board: Board, server: Flask, cases: list[oracle.Case], search: str
):
    question = asked_of(server, search)
    tree = answered(board, "topic-progress", question.canonical)
    own, others = weekly_numbers(cases, question)
    weeks = [FIRST_WEEK + WEEK * place for place in range(16)]
    assert weeks[-1] == CUTOFF  # a Monday: its week has one day
    whole, rest = trace(tree, "诉求量"), trace(tree, "诉求量（本周未结束）")
    assert [monday(day) for day in days([*whole["x"], *rest["x"]])] == weeks
    assert whole["y"] == [own[week] for week in weeks[:-1]]
    assert rest["y"] == [own[weeks[-1]]]
    wanted: list[float | None] = []
    for week in weeks[:-1]:
        then = week - 52 * WEEK
        if then < min(others) or not others[then]:
            wanted.append(None)
        else:
            wanted.append(own[then] * others[week] / others[then])
    line = trace(tree, "预期")["y"]
    assert line == [None if value is None else pytest.approx(value) for value in [*wanted, None]]
    assert sum(value is not None for value in wanted) >= 12
    bands = [each for each in figure(tree)["data"] if each.get("name") == "预期范围"]
    drawn = [y for band in bands for y in band["y"][: len(band["y"]) // 2]]
    high = [
        value + 1.959964 * math.sqrt(10 * value * (1 + others[week] / others[week - 52 * WEEK]))
        for week, value in zip(weeks, wanted, strict=False)
        if value is not None
    ]
    assert drawn == pytest.approx(high)


def test_the_table_of_the_figure_has_every_week(
    board: Board, server: Flask, goal: year.Goal, cases: list[oracle.Case]
):
    question = asked_of(server, "?basis=all")
    cutoff = question.snapshot.cutoff
    own = own_cases(cases, question)
    tree = answered(board, "topic-progress", question.canonical)
    head, *rows = table_rows(tree)
    ripe = []
    for place, cells in enumerate(rows):
        row = dict(zip(head, cells, strict=True))
        start = FIRST_WEEK + WEEK * place
        end = min(start + 6 * DAY, CUTOFF)
        assert row["周"] == f"{start.month}.{start.day}–{end.month}.{end.day}"
        done = [value for day, value in goal.figures if day <= end]
        assert row["办理不动产权证书（套）"] == amount(done[-1], "套", 100_000)
        assert row["办理不动产权证书序时"] == share(goal.due(end) / 100_000, 2)
        of_week = oracle.created_in(own, Window(start, end))
        assert row["诉求量"] == count(len(of_week))
        for key, name in (("resolution", "解决率"), ("satisfaction", "满意率")):
            value, n = oracle.indicator(key, of_week, cutoff, question.rules)
            assert row[name] == value_text(METRICS[key], value)
            assert row[f"{name} n"] == count(n)
        counts = oracle.tally(of_week, cutoff, question.rules)
        mature = end - start == 6 * DAY and counts["mature"] >= 0.9 * counts["cases"] > 0
        assert row["成熟度"] == ("成熟" if mature else "未成熟")
        if mature:
            ripe.append(counts["revisits"])
    assert len(rows) == 16
    # Too few for a rate a week: said, not drawn.
    median = statistics.median(ripe)
    assert median < 30
    assert f"每周有效回访（中位数）{median:.0f}件，少于最小样本30件" in sentence(tree)
    assert "解决率" not in {each.get("name") for each in figure(tree)["data"]}


def milestones_of(snapshot: Snapshot, code: str) -> list[Mapping[str, Any]]:
    """Return the milestones of a topic with the names of their units, by due day and name."""
    (topic,) = (row["id"] for row in year.rows_of(snapshot, schema.topics) if row["code"] == code)
    units = {row["id"]: row["name"] for row in year.rows_of(snapshot, schema.units)}
    rows = [
        {**row, "unit": units.get(row["unit_id"], "")}
        for row in year.rows_of(snapshot, schema.milestones)
        if row["topic_id"] == topic
    ]
    return sorted(rows, key=lambda row: (row["due_on"], row["name"]))


def test_events_are_launch_tasks_and_policies(
    board: Board, snapshot: Snapshot, problems: dict[str, year.Problem]
):
    question = year.asked(board, "")
    overdue = 0
    for code, problem in problems.items():
        launch = problem.row["launched_on"]
        wanted: list[tuple[dt.date, str, bool]] = []
        for row in milestones_of(snapshot, code):
            if row["list"] == "责任清单":
                continue
            named = f"{row['name']}（{row['list']}，{row['unit']}）"
            if row["done_on"] is not None and row["done_on"] <= CUTOFF:
                wanted.append((row["done_on"], named, True))
            elif row["due_on"] < CUTOFF:
                late = f"，逾期{(CUTOFF - row['due_on']).days}天"
                wanted.append((row["due_on"], named + late, False))
                overdue += 1
        if launch is not None and launch <= CUTOFF:
            wanted.append((launch, "启动", True))
        told = {f"{day:%m-%d}{'' if done else '应完成'} {text}" for day, text, done in wanted}
        tree = answered(board, "topic-progress", question, code)
        items = [words(each) for each in of_type(of_class(tree, "topic-events"), "Li")]
        numbered = [item for item in items if not item.startswith("另有")]
        assert {item[1:] for item in numbered} <= told
        # What is overdue is never among those left out.
        assert {text for text in told if "应完成" in text} <= {item[1:] for item in numbered}
        assert len(numbered) == min(len(wanted), 9)
        rest = len(wanted) - len(numbered)
        assert items[len(numbered) :] == ([f"另有{rest}项见下面的清单"] if rest else [])
        dots = trace(tree, "事件")
        assert dots["text"] == [str(place + 1) for place in range(len(numbered))]
        assert [f"{day:%m-%d}" for day in days(dots["x"])] == [item[1:6] for item in numbered]
        assert days(dots["x"]) == sorted(days(dots["x"]))
        assert all(day <= CUTOFF for day in days(dots["x"]))
    assert overdue > 0


# --- Effect -------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?district=110112&period=days-90", "?basis=all"])
def test_what_citizens_feel(board: Board, server: Flask, cases: list[oracle.Case], search: str):
    question = asked_of(server, search)
    tree = answered(board, "topic-effect", question.canonical)
    effect, volume, resolution = of_class(tree, "figure-card")
    felt = year.recent(year.of_place(cases, question), CODE)
    assert words(of_class(volume, "figure-number")) == count(felt.cases)
    change = felt.cases / felt.expected - 1
    more = f"{'多' if change >= 0 else '少'}{share(abs(change), 0)}"
    assert words(of_class(volume, "figure-sample")) == f"预期{count(felt.expected)}件，{more}"
    assert bool(of_class(volume, "is-bad")) == felt.rising
    assert bool(of_class(tree, "topic-alert")) == felt.rising
    # Cases of the whole city in whole weeks after the launch, where the district is known.
    shown = question.filters.basis == "all"
    after = [
        case for case in cases
        if case.topic == CODE and case.assessed and (shown or not case.excluded)
        and case.district and dt.date(2021, 1, 4) <= case.day < CUTOFF
    ]  # fmt: skip
    assert f"启动后n={count(len(after))}件" in words(effect)
    assert ("全市启动后" in sentence(tree)) == ("district" in search)
    chosen = oracle.created_in(own_cases(cases, question), question.period.window)
    value, n = oracle.indicator("resolution", chosen, question.snapshot.cutoff, question.rules)
    assert n > 0
    assert words(of_class(resolution, "figure-value")).strip() == value_text(
        METRICS["resolution"], value
    )
    assert words(of_class(resolution, "figure-sample")).startswith(f"n={count(n)} 件有效回访")


def test_the_effect_of_the_launch_is_the_citys_whoever_asks_first(
    demo_settings: Settings, make_server: MakeServer
):
    told = []
    for first in ("?district=110112", ""):
        # Of its own: the answer is kept.
        board = board_of(make_server(demo_settings))
        tree = answered(board, "topic-effect", year.asked(board, first))
        told.append(words(of_class(tree, "figure-card")[0]))
    assert told[0] == told[1]


# --- Districts ----------------------------------------------------------------------------------


def of_districts(snapshot: Snapshot, table: sa.Table, target: int) -> dict[str, list[Any]]:
    """Return district code → the rows of a target there."""
    codes = {row["id"]: row["code"] for row in year.rows_of(snapshot, schema.districts)}
    found: dict[str, list[Any]] = {}
    for row in year.rows_of(snapshot, table):
        if row["target_id"] == target and row["district_id"] is not None:
            found.setdefault(codes[row["district_id"]], []).append(row)
    return found


def added(figures: list[tuple[dt.date, float]], at: dt.date) -> float:
    """Return what was added in the four weeks up to a day."""
    before = [value for day, value in figures if day <= at - 4 * WEEK]
    return figures[-1][1] - before[-1]


@pytest.mark.parametrize("search", ["", "?district=110112&basis=all&period=year-2020"])
def test_every_district_with_progress_and_complaints(
    board: Board,
    server: Flask,
    snapshot: Snapshot,
    goal: year.Goal,
    cases: list[oracle.Case],
    search: str,
):
    question = asked_of(server, search)
    tree = answered(board, "topic-districts", question.canonical)
    reported = {
        code: sorted((row["on_date"], row["value"]) for row in rows if row["on_date"] <= CUTOFF)
        for code, rows in of_districts(snapshot, schema.progress, goal.row["id"]).items()
    }
    stock = {
        code: sum(row["units"] for row in rows)
        for code, rows in of_districts(snapshot, schema.projects, goal.row["id"]).items()
    }
    own_goals = {
        code: rows[0]["value"]
        for code, rows in of_districts(snapshot, schema.district_targets, goal.row["id"]).items()
        if rows[0]["value"]
    }
    assert own_goals
    at = max(figures[-1][0] for figures in reported.values())
    city = [value for day, value in goal.figures if day <= at][-1]
    names = {row["code"]: row for row in year.rows_of(snapshot, schema.districts)}
    chosen = in_city(cases, question)
    head = year.titles(tree)
    rows: dict[str, dict[str, str]] = {}
    hrefs: dict[str, str] = {}
    for line in of_type(of_type(tree, "Tbody"), "Tr"):
        listed = [node for node in nodes(line) if node["type"] in ("Td", "Th")]
        if len(listed) == len(head):
            rows[words(listed[0])] = dict(zip(head, map(words, listed), strict=True))
            for link in of_type(listed[0], "Link"):
                hrefs[words(link)] = link["props"]["href"]
    shown_tiles = {words(of_class(each, "tile-name")): each for each in of_class(tree, "tile")}
    idle = set()
    for code, row in names.items():
        cells = rows[row["name"]]
        figures = reported[code]
        value, recent = figures[-1][1], added(figures, at)
        of_stock = value / stock[code]
        assert cells["累计"] == count(value)
        assert cells["占全市"] == share(value / city)
        assert cells["占存量"] == share(of_stock)
        if code in own_goals:
            mine = own_goals[code]
            assert cells["本区任务"] == count(mine)
            assert cells["完成率"] == share(value / mine)
            due = goal.due(figures[-1][0]) / goal.row["value"]
            said = year.gap_in_words(100 * (value / mine - due))
            assert cells["与序时"] == said.removesuffix("个百分点")
        else:
            assert cells["本区任务"] == "—（未分解）"
        if recent <= 0:
            idle.add(row["short_name"])
        assert cells["近4周"] == ("零" if recent <= 0 else f"+{count(recent)}")
        tile = shown_tiles[row["short_name"]]
        assert words(of_class(tile, "tile-value")) == amount(value, "套", value)
        assert words(of_class(tile, "tile-share")) == f"占存量{share(of_stock)}"
        assert bool(of_class(tile, "nothing-mark")) == (recent <= 0)
        assert ("is-chosen" in tile["props"]["className"]) == (code in search)
        own = [case for case in chosen if case.district == code]
        assert cells["诉求量"] == count(len(own))
        rate, n = oracle.indicator("resolution", own, snapshot.cutoff, question.rules)
        if n >= 30:
            assert cells["解决率"] == value_text(METRICS["resolution"], rate) + f"n {count(n)}"
        else:
            assert cells["解决率"] == (f"样本不足n {n}" if n else "—（无有效回访）")
            assert cells["解决率与其余"] == "□ 样本不足"
        given = parse_qs(urlsplit(hrefs[row["name"]]).query)
        assert given["district"] == [code]
        assert given.get("basis", ["assessed"]) == [question.filters.basis]
    assert len(idle) == 1
    assert f"{idle.pop()}近4周没有进展" in sentence(tree)
    by_name = {row["name"]: code for code, row in names.items()}
    order = [by_name[name] for name in rows if name in hrefs]
    shares = [reported[code][-1][1] / stock[code] for code in order]
    assert len(shares) == len(names)
    assert shares == sorted(shares)
    whole = rows["北京市"]
    assert whole["累计"] == count(city)
    assert whole["占存量"] == share(city / sum(stock.values()))
    assert whole["完成率"] == share(city / goal.row["value"])
    if "district" in search:
        mine = own_goals["110112"]
        done = reported["110112"][-1][1] / mine
        assert f"，完成本区任务{amount(mine, '套', mine)}的{share(done)}，" in sentence(tree)
    assert whole["近4周"] == f"+{count(added(goal.figures, at))}"
    assert whole["诉求量"] == count(len(chosen))
    # Districts and what has none add up to the city.
    outside = [case for case in chosen if not case.district]
    assert (rows.get("未定位到区", {}).get("诉求量") or "0") == count(len(outside))
    parts = [int(rows[row["name"]]["诉求量"].replace(",", "")) for row in names.values()]
    assert sum(parts) + len(outside) == len(chosen)
    most = sorted(names, key=lambda code: -reported[code][-1][1])[:3]
    part = sum(reported[code][-1][1] for code in most) / city
    named = "、".join(names[code]["short_name"] for code in most)
    assert f"{named}占全市已完成的{share(part)}" in sentence(tree)


def test_old_figures_are_not_told_as_the_last_weeks(board: Board):
    tree = answered(board, "topic-districts", year.asked(board, ""), "2021-09")
    assert "近4周" not in words(tree)
    assert "17个区截至02-28的4周均有进展" in sentence(tree)
    assert "截至02-28的4周" in year.titles(tree)


# --- Lists and units ----------------------------------------------------------------------------


def account(rows: list[Mapping[str, Any]]) -> dict[str, int]:
    found: Counter[str] = Counter(total=len(rows))
    for row in rows:
        done = row["done_on"] if row["done_on"] and row["done_on"] <= CUTOFF else None
        if row["due_on"] > CUTOFF:
            found["early"] += done is not None
            continue
        found["due"] += 1
        found["overdue"] += done is None
        found["on_time"] += done is not None and done <= row["due_on"]
        found["late"] += done is not None and done > row["due_on"]
    return found


def state(row: Mapping[str, Any]) -> str:
    due, done = row["due_on"], row["done_on"]
    if done and done <= CUTOFF:
        if done > due:
            return f"■ 迟{(done - due).days}天"
        return "✓ 提前" if due > CUTOFF else "✓ 按时"
    if due < CUTOFF:
        return f"◆ 逾期{(CUTOFF - due).days}天"
    return "◆ 当日到期未完" if due == CUTOFF else "○ 未到期"


@pytest.mark.parametrize("code", [CODE, "2021-09"])
def test_the_three_lists(board: Board, snapshot: Snapshot, code: str):
    rows = milestones_of(snapshot, code)
    tree = answered(board, "topic-tasks", year.asked(board, "?district=110105"), code)
    (grid,) = of_class(tree, "topic-lists")
    seen = []
    for part, name in zip(
        grid["props"]["children"], ("任务清单", "政策清单", "责任清单"), strict=True
    ):
        own = [row for row in rows if row["list"] == name]
        seen += own
        of = account(own)
        head = words(of_type(part, "H3"))
        assert head.startswith(
            f"{name}{of['total']}项，到期{of['due']}，按时{of['on_time']}，迟{of['late']}，"
            f"逾期未完{of['overdue']}"
        )
        assert ("提前" in head) == (of["early"] > 0)
        assert table_rows(part)[1:] == [
            [
                f"{row['name']}{row['unit']}",
                f"{row['due_on']}",
                f"{row['done_on']}" if row["done_on"] and row["done_on"] <= CUTOFF else "—",
                state(row),
            ]
            for row in own
        ]
    assert len(seen) == len(rows) > 10
    of = account(rows)
    assert sentence(tree).startswith(
        f"共{of['total']}项，到期{of['due']}项：按时{of['on_time']}项，迟完成{of['late']}项，"
        f"逾期未完{of['overdue']}项"
    )
    assert sentence(tree).endswith(
        f"按时完成率{share(of['on_time'] / of['due'])}（n={of['due']}）。"
    )


@pytest.mark.parametrize("code", [CODE, "2021-09"])
def test_units_with_their_part(
    board: Board, snapshot: Snapshot, problems: dict[str, year.Problem], code: str
):
    rows, problem = milestones_of(snapshot, code), problems[code]
    tree = answered(board, "topic-units", year.asked(board, ""), code)
    shown = table_rows(tree)[1:]
    assert len({cells[0] for cells in shown}) == len(shown)
    for name, role, *numbers in shown:
        own = [row for row in rows if row["unit"] == name]
        of = account(own)
        assert role == ("主责" if name in problem.leads else
                        "配合" if name in problem.supports else "承担任务")  # fmt: skip
        rate = share(of["on_time"] / of["due"]) if of["due"] >= 5 else "—（不足5项）"
        assert numbers == [
            str(of["total"]), share(of["total"] / len(rows)), str(of["due"]), str(of["on_time"]),
            str(of["late"]), str(of["overdue"]), rate,
        ]  # fmt: skip
    assert sum(int(cells[2]) for cells in shown) == len(rows)
    busy = {row["unit"] for row in rows} | set(problem.leads)
    assert {cells[0] for cells in shown} == busy
    idle = [name for name in problem.supports if name not in busy]
    assert all(name in words(of_class(tree, "panel-note")) for name in idle)
    assert sentence(tree) == f"{'、'.join(problem.leads)}主责，{len(problem.supports)}个单位配合。"


# --- Cases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?basis=all&district=110112&period=year-1999"])
def test_the_cases_of_the_topic(board: Board, snapshot: Snapshot, search: str):
    (topic,) = (row["id"] for row in year.rows_of(snapshot, schema.topics) if row["code"] == CODE)
    districts = {row["id"]: row["code"] for row in year.rows_of(snapshot, schema.districts)}
    rows = [
        row for row in year.rows_of(snapshot, schema.cases)
        if row["topic_id"] == topic and row["assessed"]
        and ("basis=all" in search or not row["excluded"])
        and ("district" not in search or districts.get(row["district_id"]) == "110112")
    ]  # fmt: skip
    is_open = [
        row for row in rows
        if not row["closed"] or (row["closed_at"] and row["closed_at"] > snapshot.cutoff)
    ]  # fmt: skip
    since = snapshot.cutoff.date() - dt.timedelta(days=365)
    repeats = [row for row in rows if row["repeat_of"]]
    recent = [row for row in repeats if row["created_at"].date() > since]
    assert search or 0 < len(recent) < len(repeats)
    again = Counter(row["repeat_of"] for row in recent)
    known = {row["case_id"]: row for row in rows}
    wanted = {
        "最新": sorted(rows, key=lambda row: (-row["created_at"].timestamp(), row["case_id"])),
        "最久未办结": sorted(is_open, key=lambda row: (row["created_at"], row["case_id"])),
        "近一年重复最多": sorted(
            (known[each] for each in again if each in known),
            key=lambda row: (-again[row["case_id"]], row["case_id"]),
        ),
    }
    tree = answered(board, "topic-cases", year.asked(board, search))
    (lists,) = of_class(tree, "topic-cases")
    for part, (name, ordered) in zip(lists["props"]["children"], wanted.items(), strict=True):
        head, *shown = table_rows(part)
        assert words(of_type(part, "H3")) == f"{name}的诉求"
        assert [cells[0] for cells in shown] == [row["case_id"] for row in ordered[:8]]
        for cells, row in zip(shown, ordered, strict=False):
            told = dict(zip(head, cells, strict=True))
            assert told["创建"] == f"{row['created_at']:%Y-%m-%d}"
            assert told["摘要"] == (row["summary"] or "—（无摘要）")
            assert (told["办理期限"] == "已办结") == (row not in is_open)
            if name == "最久未办结":
                assert told["已过天"] == str((snapshot.cutoff - row["created_at"]).days)
            if name == "近一年重复最多":
                assert told["重复件"] == str(again[row["case_id"]])
    assert len(wanted["最新"]) > 8
    # Nobody who called is on the screen.
    assert "逾期" not in words(tree)


# --- Links that lead nowhere --------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["2021-99", "", "x" * 5_000, "<script>alert(1)</script>", "2021-01' OR 1=1 --", "\x00\n\t",
     "../2021-01", "２０２１-01", None, 7, ["2021-01"], {"code": "2021-01"}, True],
)  # fmt: skip
def test_a_code_that_names_no_topic_says_so(board: Board, code: object):
    question = year.asked(board, "?district=110105")
    trees = everything(board, question, code)
    summary = trees.pop("topic-summary")
    assert title(summary) == "没有这一题"
    assert of_class(summary, "state-empty")
    assert len(words(summary)) < 400
    (back,) = of_class(summary, "topic-back")
    (link,) = of_type(back, "Link")
    url = urlsplit(link["props"]["href"])
    assert url.path == "/topics"
    assert parse_qs(url.query)["district"] == ["110105"]
    assert {words(tree) for tree in trees.values()} == {""}


def page_of(board: Board, path: str, search: str) -> Any:
    """Return the layout that Dash's own routing makes of an address."""
    listed = json.loads(board.ask("GET", "/_dash-dependencies", None)[1])
    (routing,) = (each for each in listed if "_pages_content.children" in each["output"])
    given = {"pathname": path, "search": search}
    body = {
        "output": routing["output"],
        "outputs": [
            {"id": "_pages_content", "property": "children"},
            {"id": "_pages_store", "property": "data"},
        ],
        "inputs": [{**each, "value": given[each["property"]]} for each in routing["inputs"]],
        "changedPropIds": ["_pages_location.pathname"],
        "state": [],
    }
    return board.post(body).props["_pages_content"]["children"]


@pytest.mark.parametrize(
    ("path", "search", "code"),
    [
        ("/topics/2021-01", "", "2021-01"),
        ("/topics/2021-01", "?district=110105&whatever=1", "2021-01"),
        # A key of the query must not show another topic than the address says.
        ("/topics/2021-01", "?code=x", "2021-01"),
        ("/topics/2021-01", "?code=2021-03&code=2021-04", "2021-01"),
        ("/topics/2021-01/", "", "2021-01"),
        ("/topics/2021-99", "?code=2021-01", "2021-99"),
        ("/topics/x/2021-01", "", "x/2021-01"),
    ],
)
def test_the_address_names_the_topic(board: Board, path: str, search: str, code: str):
    assert board.ask("GET", path + search, None)[0] == 200
    page = page_of(board, path, search)
    (about,) = (node for node in of_type(page, "Store") if node["props"]["id"] == "topic-code")
    assert about["props"]["data"] == code
    shown = {node["props"].get("id") for node in nodes(page)}
    assert set(PANELS) <= shown


def test_an_unknown_key_is_said(board: Board):
    shell = board.shell("?code=x", f"/topics/{CODE}")
    assert shell.sound
    assert "code=x" in words(shell.props["notices"]["children"])
    assert board.ask("GET", f"/topics/{quote('没有这一题')}", None)[0] == 200


def test_filters_that_do_not_apply_are_said(board: Board):
    notice = words(
        of_class(
            answered(board, "topic-summary", "?channel=web&unit=U003&category=02&topic=2021-05"),
            "notice",
        )
    )
    for label in ("每月一题", "分类", "渠道", "单位"):
        assert label in notice
    assert not of_class(answered(board, "topic-summary", "?district=110105"), "notice")


# --- Topics that lack something -----------------------------------------------------------------

TARGET = "'个', {value}, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true"


def test_topics_without_target_lead_figure_and_news(
    empty_settings: Settings, make_server: MakeServer
):
    board = year.board_with(
        empty_settings,
        make_server,
        # 1 has no value to reach, 2 nobody, 3 no figure, 4 an old one, 5 no target at all.
        "INSERT INTO topic_units VALUES (1, 3, '主责'), (3, 3, '主责'), (4, 3, '主责'),"
        " (5, 3, '主责');"
        f"INSERT INTO targets VALUES (1, 't1', 1, '目标一', {TARGET.format(value='NULL')}),"
        f" (2, 't2', 2, '目标二', {TARGET.format(value='365')}),"
        f" (3, 't3', 3, '目标三', {TARGET.format(value='365')}),"
        f" (4, 't4', 4, '目标四', {TARGET.format(value='365')});"
        "INSERT INTO progress VALUES (1, NULL, DATE '2021-03-30', 7, false),"
        " (2, NULL, DATE '2021-03-31', 90, false), (4, NULL, DATE '2021-02-14', 10, false),"
        " (4, 1, DATE '2021-02-14', 4, false);",
        cutoff=dt.datetime(2021, 3, 31, 18),
    )
    question = year.asked(board, "")
    said = {
        "2021-01": ("问题1：目标一7个，没有目标值", "◇ 无目标"),
        "2021-02": ("问题2：目标二24.7 %，与序时持平，现有速度够用，没有主责单位",
                    "◇ 无主责 按数字达序时"),
        "2021-03": ("问题3：目标三还没有进度", "□ 数据不足"),
        # 10 of 365 on day 45: 45 were due.
        "2021-04": ("问题4：目标四2.7 %，慢于序时9.6个百分点，45天没有更新",
                    "◇ 久未更新 滞后第7周"),
        "2021-05": ("问题5：没有目标", "◇ 无目标"),
    }  # fmt: skip
    for code, (text, status) in said.items():
        trees = everything(board, question, code)
        assert title(trees["topic-summary"]) == text, code
        facts = of_class(trees["topic-summary"], "topic-facts")
        assert words(of_type(facts, "Li")[0]) == status, code
        assert "清单" in words(of_class(trees["topic-tasks"], "state-empty")), code
    assert "主责：无主责" in words(answered(board, "topic-summary", question, "2021-02"))
    assert of_class(answered(board, "topic-units", question, "2021-02"), "state-empty")
    assert "没有配合单位" in sentence(answered(board, "topic-units", question, "2021-01"))
    assert of_class(answered(board, "topic-summary", question, "2021-05"), "state-empty")
    (card,) = of_class(answered(board, "topic-summary", question, "2021-04"), "topic-card")
    assert terms(card)["预测"] == "不作预测（久未更新）"
    assert terms(card)["须达速度"].endswith("，自03-31计，现速不明")
    # What nobody reported is not drawn as nothing done.
    names = {e.get("name") for e in figure(answered(board, "topic-progress", question, "2021-03"))[
        "data"]}  # fmt: skip
    assert "目标三" not in names
    assert "目标" in names
    old = answered(board, "topic-districts", question, "2021-04")
    assert sentence(old) == "1个区有进度。"
    # The city has 10, one district 4: the rest is nobody's.
    rest = {cells[0]: cells[1] for cells in table_rows(old)}
    assert rest["未定位到区"] == "6"
    assert "没有分区上报的进度，只列诉求。" in words(
        answered(board, "topic-districts", question, "2021-01")
    )


def test_a_street_without_cases(board: Board, cases: list[oracle.Case], snapshot: Snapshot):
    with_cases = {case.subdistrict for case in cases if case.topic == CODE}
    street = next(
        row["code"] for row in year.rows_of(snapshot, schema.subdistricts)
        if row["code"] not in with_cases
    )  # fmt: skip
    trees = everything(board, year.asked(board, f"?subdistrict={street}&basis=all"))
    assert "图中各周没有诉求" in sentence(trees["topic-progress"])
    names = {each.get("name") for each in figure(trees["topic-progress"])["data"]}
    assert "办理不动产权证书" in names
    assert names.isdisjoint({"诉求量", "预期", "解决率"})
    assert "0.0 %" not in words(of_class(trees["topic-effect"], "figure-value"))
    assert "近4周诉求0件，上年同期无" in sentence(trees["topic-effect"])
    assert words(trees["topic-cases"]).count("没有") == 3
    # The districts are the city's, whatever street is chosen.
    assert sentence(trees["topic-districts"]) == sentence(
        answered(board, "topic-districts", year.asked(board, "?basis=all"))
    )


# --- The published figures ----------------------------------------------------------------------


def scheduled(day: dt.date) -> float:
    """Return what is due of a year's target at a day of 2021."""
    return (day - dt.date(2020, 12, 31)).days / 365


def demo_board(path: Path, make_server: MakeServer, cutoff: dt.date) -> Board:
    settings = Settings(_env_file=None, data_dir=path / "var")
    folder = staging_dir(settings)
    folder.mkdir(parents=True)
    publish(settings, generate(folder / "demo.duckdb", cases=2_000, cutoff=cutoff), lambda *_: None)
    return board_of(make_server(settings))


@pytest.mark.parametrize(
    ("day", "value", "said", "told"),
    [
        (
            dt.date(2021, 3, 31), 24_000, "24.0 %，慢于序时0.7个百分点，须提速3.6 %",
            ["24.0 % ■ 滞后", "24.66 %，慢0.7个百分点（−658套）", "0.84万套/月，迄今0.81万套/月",
             "到期9.73万套，缺口0.27万套", "2.4万套 / 10万套，占存量57万套的4.2 %，03-31",
             "还有275天"],
        ),
        (
            dt.date(2021, 6, 30), 69_800, "69.8 %，快于序时20.2个百分点，现有速度够用",
            ["69.8 % ▲ 超前", "49.59 %，快20.2个百分点（+2.02万套）", "6.98万套 / 10万套"],
        ),
        (
            dt.date(2021, 11, 30), 168_000, "168.0 %，已完成",
            ["168.0 % ✓ 已完成", "91.51 %，快76.5个百分点（+7.65万套）", "16.8万套 / 10万套",
             "目标10万套"],
        ),
    ],
    ids=["March", "June", "November"],
)  # fmt: skip
def test_the_published_figures(
    tmp_path: Path,
    make_server: MakeServer,
    day: dt.date,
    value: float,
    said: str,
    told: list[str],
):
    board = demo_board(tmp_path, make_server, day)
    question = year.asked(board, "")
    trees = everything(board, question)
    summary = trees["topic-summary"]
    assert title(summary).startswith(f"房产证办理难：办理不动产权证书{said}")
    (card,) = of_class(summary, "topic-card")
    for text in told:
        assert text in words(card)
    assert f"{100 * scheduled(day):.2f} %" in terms(card)["序时"]
    assert f"{abs(value / 1_000 - 100 * scheduled(day)):.1f}个百分点" in terms(card)["序时"]
    # The figures of these days are published ones.
    assert f"最新进度：{day}" in words(of_class(summary, "topic-facts"))
    assert "虚构" not in words(card)
    progress = trees["topic-progress"]
    dots = trace(progress, "公布的进度")
    assert (days(dots["x"])[-1], dots["y"][-1]) == (day, value)
    steps = trace(progress, "办理不动产权证书")
    assert (days(steps["x"])[-1], steps["y"][-1]) == (day, value)
    low, high = figure(progress)["layout"]["yaxis"]["range"]
    assert low == 0
    assert high > max(value, 100_000)
    assert trace(progress, "目标")["y"] == [100_000, 100_000]
    assert ("预测（80 %区间）" in {e.get("name") for e in figure(progress)["data"]}) == (
        value < 100_000
    )
    assert f"{value / 10_000:g}万套，完成10万套的{share(value / 100_000)}" in sentence(progress)
    # Districts add up to the city's figure.
    rows = {cells[0]: cells[1] for cells in table_rows(trees["topic-districts"])[1:]}
    assert rows.pop("北京市") == count(value)
    assert sum(int(number.replace(",", "")) for number in rows.values()) == value
    if value >= 100_000:
        # Who has done what there was to do is not called idle.
        assert not of_class(trees["topic-districts"], "nothing-mark")
        assert "全市目标已完成" in sentence(trees["topic-districts"])
