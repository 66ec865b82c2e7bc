"""每月一题 on the screen: every panel answers, and its figures equal a loop over the tables."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask

from components.formatting import count, share, value_text
from data_access import schema
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot
from domain.filters import Filters
from domain.metrics import METRICS
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
from tests.data.staging import REFERENCE, stage

PANELS = ("topics-summary", "topics-table", "topics-rug", "topics-units", "overview-topics")
SEARCHES = {
    "default": "",
    "district": "?district=110105",
    "street": "?subdistrict=110105001",
    "everything": "?basis=all",
    "other dimensions": "?channel=web&unit=U003&category=02&topic=2021-01&indicator=volume",
    "by gap": "?order=gap&compare=year",
    "by month": "?order=month&period=week-2021-W10",
    "by lead": "?order=lead&period=days-30&district=110108",
    "a year without topics": "?period=year-2020",
    "nothing": "?district=110101&subdistrict=110105001",
    "before all data": "?period=year-1999",
}
# 2021-04-12 is a Monday: its week is not over.
CUTOFF = dt.date(2021, 4, 12)
LAST_WEEKS = [dt.date(2021, 4, 5) - dt.timedelta(weeks=back) for back in range(3, -1, -1)]
# In order of attention (docs/definitions.md).
WORDS = ("无主责", "无目标", "久未更新", "逾期", "滞后", "未达标", "数据不足", "已追平", "未启动",
         "达序时", "超前", "达标", "已完成")  # fmt: skip
GOOD = {"已追平", "达序时", "超前", "达标", "已完成"}
ORDERS = {"attention": "最需要关注", "gap": "与序时的差距", "month": "月份", "lead": "主责单位"}


# --- The same by loops --------------------------------------------------------------------------


@dataclass
class Goal:
    """A target with its city figures, as the tables have them."""

    row: Mapping[str, Any]
    plan: list[tuple[dt.date, float]]
    figures: list[tuple[dt.date, float]]

    @property
    def scheduled(self) -> bool:
        return bool(self.row["cumulative"]) and self.row["direction"] == "up"

    def due(self, day: dt.date) -> float:
        """Return what is planned for a day: straight between the points."""
        points = [(self.row["start_on"] - dt.timedelta(days=1), 0.0), *self.plan]
        if points[-1][0] < self.row["due_on"]:
            points.append((self.row["due_on"], self.row["value"]))
        for (left, low), (right, high) in pairwise(points):
            if day <= right:
                return low + (high - low) * max((day - left).days, 0) / (right - left).days
        return points[-1][1]

    def gap(self, place: int = -1) -> float:
        """Return completion less 序时 in percentage points; NaN without a timetable."""
        if not self.scheduled or not self.figures:
            return math.nan
        day, actual = self.figures[place]
        return 100 * (actual - self.due(day)) / self.row["value"]

    def _late_at(self, place: int) -> bool:
        day, actual = self.figures[place]
        open_still = actual < self.row["value"] and day >= self.row["start_on"]
        return open_still and (day > self.row["due_on"] or self.gap(place) < -0.5)

    def status(self, has_lead: bool, as_of: dt.date = CUTOFF) -> str:
        if not has_lead:
            return "无主责"
        if not self.figures:
            return "数据不足" if as_of >= self.row["start_on"] else "未启动"
        day, actual = self.figures[-1]
        value = self.row["value"]
        if self.scheduled and actual >= value:
            return "已完成"
        if (as_of - day).days > 35:
            return "久未更新"
        if not self.scheduled:
            met = actual <= value if self.row["direction"] == "down" else actual >= value
            return "达标" if met else "逾期" if as_of > self.row["due_on"] else "未达标"
        if as_of > self.row["due_on"]:
            return "逾期"
        if self.gap() < -0.5:
            return "滞后"
        recent = [i for i, (d, _) in enumerate(self.figures) if (as_of - d).days < 28]
        if any(self._late_at(place) for place in recent):
            return "已追平"
        return "超前" if self.gap() >= 5 else "达序时"


@dataclass
class Problem:
    """A topic as the tables have it."""

    row: Mapping[str, Any]
    goals: list[Goal] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    supports: list[str] = field(default_factory=list)

    @property
    def first(self) -> Goal:
        """The target that needs attention most."""
        return min(self.goals, key=lambda goal: (rank(self.status_of(goal)), known(goal.gap(), 0)))

    def status_of(self, goal: Goal) -> str:
        return goal.status(bool(self.leads))

    @property
    def status(self) -> str:
        return self.status_of(self.first)


def rank(word: str) -> int:
    return WORDS.index(word)


def known(number: float, otherwise: float) -> float:
    return otherwise if math.isnan(number) else number


def rows_of(snapshot: Snapshot, table: sa.Table) -> list[Mapping[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture(scope="module")
def problems(snapshot: Snapshot) -> dict[str, Problem]:
    """Return topic code → topic, as known at the cut-off."""
    topics = {row["id"]: Problem(row) for row in rows_of(snapshot, schema.topics)}
    units = {row["id"]: row["name"] for row in rows_of(snapshot, schema.units)}
    for row in rows_of(snapshot, schema.topic_units):
        topic = topics[row["topic_id"]]
        (topic.leads if row["role"] == "主责" else topic.supports).append(units[row["unit_id"]])
    plans, progress = rows_of(snapshot, schema.target_plan), rows_of(snapshot, schema.progress)
    for target in rows_of(snapshot, schema.targets):
        of_target = [
            sorted(
                (row["on_date"], row["value"])
                for row in table
                if row["target_id"] == target["id"] and row.get("district_id") is None
            )
            for table in (plans, progress)
        ]
        topics[target["topic_id"]].goals.append(Goal(target, *of_target))
    assert all(topic.goals for topic in topics.values())
    return {topic.row["code"]: topic for topic in topics.values()}


@pytest.fixture(scope="module")
def cases(snapshot: Snapshot) -> list[oracle.Case]:
    return oracle.read_cases(snapshot)


@dataclass(frozen=True)
class Recent:
    """Complaints of a topic in the last four whole weeks against expectation."""

    cases: int
    expected: float
    rising: bool


def recent(chosen: list[oracle.Case], topic: str) -> Recent:
    """Return the complaints of a topic at a place (``chosen``: filtered by place and 口径)."""
    weeks = Counter(
        (case.topic, case.day - dt.timedelta(days=case.day.weekday())) for case in chosen
    )
    now = before = 0
    expected = 0.0
    for monday in LAST_WEEKS:
        then = monday - dt.timedelta(weeks=52)
        now += weeks[topic, monday]
        before += weeks[topic, then]
        rest = weeks["", then]
        expected += weeks[topic, then] * weeks["", monday] / rest if rest else math.nan
    rising = False
    if expected > 0:
        # Variance of ten times Poisson's in both years.
        variance = 10 * (expected + before * (expected / before) ** 2)
        noise = expected + 1.645 * math.sqrt(variance)
        rising = now > noise and now >= 1.2 * expected
    return Recent(now, expected, rising)


def of_place(cases: list[oracle.Case], question: Question) -> list[oracle.Case]:
    """Return the cases of the place and 口径 asked for, whatever else is."""
    filters = question.filters
    return oracle.chosen(
        cases, Filters(filters.period, basis=filters.basis, district=filters.district,
                       subdistrict=filters.subdistrict)
    )  # fmt: skip


# --- What the pages say -------------------------------------------------------------------------


def drawn(board: Board, panel: str, question: str) -> Any:
    answer = board.panel(panel, question)
    assert answer.sound, (panel, answer.text)
    return answer.props[panel]["children"]


def asked(board: Board, search: str) -> str:
    """Return the question that the shell makes of a link."""
    return str(board.shell(search, "/topics").props["question"]["data"])


def link_to_topic(tree: Any) -> str:
    """Return the code of the topic that the first link leads to; "" without one."""
    for link in of_type(tree, "Link"):
        path = urlsplit(link["props"]["href"]).path
        if path.startswith("/topics/"):
            return path.removeprefix("/topics/")
    return ""


@dataclass
class Shown:
    """A row of the table of topics: cells by title, and the topic it belongs to."""

    code: str
    own: bool  # whether the row is the topic's first
    cells: dict[str, Any]

    def text(self, title: str) -> str:
        return words(self.cells[title])

    def parts(self, title: str) -> tuple[str, str]:
        """Return a cell without and with its small print."""
        small = words(of_type(self.cells[title], "Small"))
        return self.text(title).removesuffix(small), small

    @property
    def target(self) -> str:
        """The bullet's small print: name and amounts of the target."""
        return words(of_type(self.cells["完成情况"], "Small"))


def titles(table: Any) -> list[str]:
    heads = of_type(of_type(table, "Thead")[0], "Th")
    found = []
    for head in heads:
        children = head["props"]["children"]
        found.append(children[0] if isinstance(children, list) else children)
    return found


def shown_rows(tree: Any) -> list[Shown]:
    names = titles(tree)
    result: list[Shown] = []
    for row in of_type(of_type(tree, "Tbody"), "Tr"):
        cells = [node for node in nodes(row) if node["type"] in ("Td", "Th")]
        head = cells[0]
        code = link_to_topic(head)
        own = bool(code)
        code = code or result[-1].code
        result.append(Shown(code, own, dict(zip(names, cells, strict=True))))
    return result


def goal_of(row: Shown, problem: Problem) -> Goal:
    """Return the target that a row is about."""
    (goal,) = (each for each in problem.goals if row.target.startswith(each.row["name"] + " "))
    return goal


# --- Every panel answers ------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_every_panel_answers_soundly(board: Board, search: str):
    assert set(PANELS) <= set(board.panels)
    question = asked(board, search)
    for panel in PANELS:
        answer = board.panel(panel, question)
        assert answer.sound, (panel, answer.text)
        for text in ("NaN", "nan", "None", "Infinity"):
            assert text not in words(answer.props[panel]["children"]), panel
        for row in table_rows(answer.props[panel]["children"]):
            assert row[0], panel
        assert board.panel(panel, question).text == answer.text


def test_the_page_and_its_place_in_the_navigation(board: Board):
    shell = board.shell("?district=110105", "/topics")
    links = {words(link): link["props"] for link in of_type(shell.props["nav"]["children"], "Link")}
    assert links["每月一题"]["href"] == "/topics?district=110105"
    assert shell.sound
    assert board.ask("GET", "/topics?district=110105", None)[0] == 200


# --- Status -------------------------------------------------------------------------------------


def test_the_demo_holds_what_the_tests_are_about(problems: dict[str, Problem]):
    found = Counter(problem.status for problem in problems.values())
    assert len(problems) == 27
    assert {"久未更新", "逾期", "滞后", "未达标", "已追平", "达序时", "超前", "已完成"} == set(
        found
    )
    assert any(len(problem.goals) > 1 for problem in problems.values())


def test_the_title_counts_the_statuses(board: Board, problems: dict[str, Problem]):
    found = Counter(problem.status for problem in problems.values())
    bad = sorted((word for word in found if word not in GOOD), key=rank)
    good = sum(found[word] for word in GOOD)
    parts = [f"{found[word]}题{word}" for word in bad] + [f"{good}题达序时或更好"]
    for search in ("", "?district=110105", "?basis=all", "?period=year-2020"):
        summary = drawn(board, "topics-summary", asked(board, search))
        (title,) = of_type(summary, "H1")
        # Progress is the city's, whatever is filtered.
        assert words(title) == f"2021年每月一题27题：{'、'.join(parts)}"
        assert "进度截至 2021-04-12" in words(of_class(summary, "strip-facts"))
    overview = drawn(board, "overview-topics", asked(board, ""))
    told = [f"{word}{found[word]}题" for word in sorted(found, key=rank)]
    sentence = words(of_class(overview, "panel-sentence"))
    assert sentence.split("。")[0] == "、".join(told)
    assert words(of_type(overview, "H2")) == "每月一题进展（2021年27题）"


def test_every_month_has_its_topics(board: Board, problems: dict[str, Problem]):
    months = of_class(drawn(board, "topics-summary", asked(board, "")), "month")
    assert len(months) == 12
    for number, month in enumerate(months, 1):
        assert words(of_class(month, "month-number")) == f"{number}月"
        own = [problem for problem in problems.values() if problem.row["month"] == number]
        own.sort(key=lambda problem: problem.row["code"])
        assert [words(each) for each in of_class(month, "month-topic")] == [
            problem.row["name"] for problem in own
        ]
        small = [words(each).split(" · ")[0] for each in of_type(month, "Small")]
        assert small == [problem.status for problem in own]
        assert words(of_class(month, "month-now")) == ("本月重点" if number == 4 else "")


# --- Rows ---------------------------------------------------------------------------------------


def gap_in_words(points: float) -> str:
    if abs(points) < 0.05:
        return "与序时持平"
    return f"{'快' if points > 0 else '慢'}{abs(points):.1f}个百分点"


@pytest.mark.parametrize("search", ["", "?district=110105&basis=all&order=gap"])
def test_every_target_has_its_row_with_its_figures(
    board: Board, problems: dict[str, Problem], search: str
):
    rows = shown_rows(drawn(board, "topics-table", asked(board, search)))
    assert Counter(row.code for row in rows) == {
        code: len(problem.goals) for code, problem in problems.items()
    }
    assert [row.code for row in rows if row.own] == list(dict.fromkeys(row.code for row in rows))
    seen = set()
    for row in rows:
        problem = problems[row.code]
        goal = goal_of(row, problem)
        seen.add(goal.row["code"])
        status = problem.status_of(goal)
        assert words(of_class(row.cells["状态"], "standing")).split(" ")[1] == status
        if row.own:
            assert goal is problem.first
            assert row.text("主责") == "、".join(problem.leads)
        assert row.text("每月一题").startswith(
            problem.row["name"] if row.own else f"└ {goal.row['name']}"
        )
        day, actual = goal.figures[-1]
        completion, date = row.parts("完成率")
        assert date == f"{day:%m-%d}"
        gap, units = row.parts("与序时")
        if not goal.scheduled:
            assert (completion, gap) == (
                f"{actual:.0f}{goal.row['unit']}", "—（不按序时）",
            )  # fmt: skip
            continue
        assert completion == share(actual / goal.row["value"])
        assert gap == gap_in_words(goal.gap())
        assert units[0] == ("+" if actual > goal.due(day) else "−")
    assert len(seen) == 29


def test_the_published_figures_of_march_in_the_row(make_server: MakeServer, tmp_path: Any):
    """2.4万 of 10万套 on 2021-03-31: 序时 24.66 %."""
    settings = Settings(_env_file=None, data_dir=tmp_path / "var")
    change = """
    UPDATE incoming SET topic_id = NULL WHERE topic_id > 1;
    DELETE FROM topics WHERE id > 1;
    INSERT INTO topic_units VALUES (1, 3, '主责');
    INSERT INTO targets VALUES (1, 't1', 1, '办理不动产权证书', '套', 100000, 570000,
        DATE '2021-01-01', DATE '2021-12-31', 'up', true);
    INSERT INTO progress VALUES (1, NULL, DATE '2021-03-31', 24000, false),
        (1, 2, DATE '2021-03-31', 1, false);
    """
    board = board_with(settings, make_server, change, cutoff=dt.datetime(2021, 3, 31, 18))
    question = asked(board, "")
    (row,) = shown_rows(drawn(board, "topics-table", question))
    assert words(of_class(row.cells["状态"], "standing")) == "■ 滞后"
    assert row.parts("完成率") == ("24.0 %", "03-31")
    assert row.parts("与序时") == ("慢0.7个百分点", "−658套")
    assert row.parts("须达速度") == ("须提速3.6 %", "0.84万套/月")
    assert row.text("按期完成") == "不作预测进度不足8期"
    title = words(of_type(drawn(board, "topics-summary", question), "H1"))
    assert title == "2021年每月一题1题：1题滞后"
    summary = drawn(board, "overview-summary", question)
    (card,) = (c for c in of_class(summary, "figure-card") if "不动产权" in words(c))
    for text in ("24.0 %", "滞后", "2.4万套 / 10万套", "慢0.7个百分点", "占存量57万套的4.2 %"):
        assert text in words(card)


@pytest.mark.parametrize(
    "search", ["", "?basis=all", "?district=110105", "?subdistrict=110105001,110105002"]
)
def test_complaints_of_the_last_weeks_against_expectation(
    board: Board,
    server: Flask,
    problems: dict[str, Problem],
    cases: list[oracle.Case],
    search: str,
):
    question = ask(server.extensions["board_store"], CITY, search)
    chosen = of_place(cases, question)
    tree = drawn(board, "topics-table", question.canonical)
    rising = []
    for row in shown_rows(tree):
        cell = row.cells["近4周诉求"]
        if not row.own:
            assert words(cell) == ""
            continue
        volume = recent(chosen, row.code)
        number, words_of_change = row.parts("近4周诉求")
        assert number == count(volume.cases), row.code
        assert bool(of_class(cell, "is-bad")) == volume.rising
        if not volume.expected > 0:
            assert words_of_change == "上年同期无诉求"
            continue
        change = volume.cases / volume.expected - 1
        told = f"{'多' if change >= 0 else '少'}{share(abs(change))}"
        assert words_of_change == ("▲ " if volume.rising else "") + told
        if volume.rising:
            rising.append(problems[row.code].row["name"])
            if problems[row.code].status in GOOD:
                assert row.text("状态").endswith("进度绿、诉求升")
    sentence = words(of_class(tree, "panel-sentence"))
    if rising:
        named = sentence.partition("（")[2].removesuffix("）。").split("、")
        assert set(named) == set(rising)
        assert f"诉求量明显高于预期的{len(rising)}题" in sentence
    else:
        assert "没有诉求量明显高于预期的" in sentence
    if not search:
        assert "房产证办理难" in rising


def wilson(rate: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of yes among n, in percent."""
    z = 1.959964
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return 100 * (middle - half), 100 * (middle + half)


@pytest.mark.parametrize(
    "search",
    ["", "?period=year-2020&basis=all", "?district=110105&period=days-365", "?channel=web"],
)
def test_resolution_of_every_topic(
    board: Board, server: Flask, cases: list[oracle.Case], search: str
):
    question = ask(server.extensions["board_store"], CITY, search)
    chosen = oracle.created_in(oracle.chosen(cases, question.filters), question.period.window)
    told = 0
    for row in shown_rows(drawn(board, "topics-table", question.canonical)):
        if not row.own:
            continue
        own = [case for case in chosen if case.topic == row.code]
        value, n = oracle.indicator("resolution", own, question.snapshot.cutoff, question.rules)
        if not own:
            assert row.text("解决率") == "—（无诉求）"
            continue
        if not n:
            assert row.text("解决率") == "—（无有效回访）"
            continue
        if n < question.rules.minimum_revisits:
            assert row.text("解决率") == f"样本不足n {n}"
            told += 1
            continue
        told += 1
        sample, interval = map(words, of_type(row.cells["解决率"], "Small"))
        rate = value_text(METRICS["resolution"], value)
        assert row.text("解决率") == rate + sample + interval
        assert sample == f"n {count(n)}"
        low, high = (float(bound) for bound in interval.removesuffix(" %").split("–"))
        assert (low, high) == pytest.approx(wilson(value, n), abs=0.051)
    assert told > 3


def notice_of(board: Board, search: str) -> str:
    return words(of_class(drawn(board, "topics-summary", asked(board, search)), "notice"))


def test_a_chosen_topic_does_not_empty_the_others(board: Board):
    search = "?topic=2021-01&basis=all"
    assert "每月一题：本页列出全部题目" in notice_of(board, search)
    one, every = (
        [row.text("解决率") for row in shown_rows(drawn(board, "topics-table", asked(board, each)))]
        for each in (search, "?basis=all")
    )
    assert one == every
    caption = words(of_type(drawn(board, "topics-table", asked(board, search)), "Caption"))
    assert "每月一题：" not in caption


def test_the_programme_of_another_year_is_said(board: Board):
    said = "所选时段在2020年，该年没有每月一题，题目与进度为2021年的"
    assert said in notice_of(board, "?period=year-2020")
    assert notice_of(board, "") == ""


@pytest.mark.parametrize("search", ["", "?district=110112", "?basis=all&order=month"])
def test_the_topics_on_the_overview(
    board: Board,
    server: Flask,
    problems: dict[str, Problem],
    cases: list[oracle.Case],
    search: str,
):
    question = ask(server.extensions["board_store"], CITY, search)
    chosen = of_place(cases, question)
    tree = drawn(board, "overview-topics", question.canonical)
    rows = {link_to_topic(row): row for row in of_class(tree, "topic-row")}
    assert list(rows) == sorted(
        problems, key=lambda c: (rank(problems[c].status), problems[c].row["month"], c)
    )
    rising = 0
    for code, row in rows.items():
        problem, goal = problems[code], problems[code].first
        assert words(of_class(row, "visually-hidden")) == problem.status
        assert words(of_class(row, "topic-row-name")) == problem.row["name"]
        number = words(of_class(row, "topic-row-number"))
        said = words(of_class(row, "topic-gap") or of_class(row, "is-bad"))
        actual = goal.figures[-1][1]
        if goal.scheduled:
            assert number == share(actual / goal.row["value"])
        else:
            assert number == f"{actual:.0f}{goal.row['unit']}"
        if problem.status in GOOD and recent(chosen, code).rising:
            rising += 1
            assert said == "诉求升"
        elif problem.status == "已完成":
            assert said == "已完成"
        else:
            assert said == (gap_in_words(goal.gap()) if goal.scheduled else problem.status)
        (image,) = of_type(row, "Svg")
        assert problem.first.row["name"] in image["props"]["aria-label"]
    assert rising > 0


# --- Rug and units ------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?basis=all&period=year-2020", "?district=110105"])
def test_the_rug_counts_every_district(
    board: Board,
    server: Flask,
    problems: dict[str, Problem],
    cases: list[oracle.Case],
    search: str,
):
    question = ask(server.extensions["board_store"], CITY, search)
    # Every district, whatever place is chosen.
    everywhere = oracle.chosen(cases, Filters(basis=question.filters.basis))
    chosen = oracle.created_in(everywhere, question.period.window)
    numbers = Counter((case.topic, case.district) for case in chosen)
    rates: dict[tuple[str, str], list[oracle.Case]] = {}
    for case in chosen:
        rates.setdefault((case.topic, case.district), []).append(case)
    names = {row["code"]: row["name"] for row in rows_of(question.snapshot, schema.districts)}
    tree = drawn(board, "topics-rug", question.canonical)
    seen, told = set(), 0
    for cell in of_class(tree, "rug-cell"):
        url = urlsplit(cell["props"]["href"])
        code = url.path.removeprefix("/topics/")
        (district,) = parse_qs(url.query)["district"]
        seen.add((code, district))
        name, number, _ = re.fullmatch(
            r"(\D+?)([\d,]+)件，解决率(.+)", cell["props"]["title"]
        ).groups()  # type: ignore[union-attr]
        assert name == names[district] + problems[code].row["name"]
        assert number == count(numbers[code, district])
        mark, shown = words(cell).split(" ", 1)
        value, n = oracle.indicator(
            "resolution", rates.get((code, district), []), question.snapshot.cutoff, question.rules
        )
        if n < question.rules.minimum_revisits:
            assert (mark, shown) == ("□", f"{number}件")
        else:
            told += 1
            assert shown == share(value)
            word = cell["props"]["title"].rpartition("解决率")[2]
            assert mark == {"高于": "▲", "持平": "●", "低于": "▼", "未成熟": "○"}[word]
    with_cases = {code for code, _ in numbers if code}
    assert seen == {(code, district) for code in with_cases for district in names}
    assert (
        len(of_type(of_type(drawn(board, "topics-rug", question.canonical), "Tbody"), "Tr")) == 27
    )
    if "2020" in search:
        assert told > 0


@pytest.mark.parametrize("search", ["", "?period=year-2020&basis=all"])
def test_units_with_their_topics_and_tasks(
    board: Board,
    server: Flask,
    problems: dict[str, Problem],
    cases: list[oracle.Case],
    search: str,
):
    question = ask(server.extensions["board_store"], CITY, search)
    chosen = oracle.created_in(oracle.chosen(cases, question.filters), question.period.window)
    tree = drawn(board, "topics-units", question.canonical)
    snapshot = question.snapshot
    unit_names = {row["id"]: row["name"] for row in rows_of(snapshot, schema.units)}
    own_tasks: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows_of(snapshot, schema.milestones):
        own_tasks.setdefault(unit_names[row["unit_id"]], []).append(row)
    head = titles(tree)
    leading: list[str] = []
    seen: set[str] = set()
    overdue_of_all = 0
    for tr in of_type(of_type(tree, "Tbody"), "Tr"):
        listed = [node for node in nodes(tr) if node["type"] in ("Td", "Th")]
        if len(listed) < len(head):
            continue
        cells = dict(zip(head, listed, strict=True))
        name = words(cells["单位"])
        assert name not in seen
        seen.add(name)
        mine = [code for code, problem in problems.items() if name in problem.leads]
        linked = [link["props"]["href"] for link in of_type(cells["主责题目"], "Link")]
        assert {urlsplit(href).path for href in linked} == {f"/topics/{code}" for code in mine}
        if mine:
            leading.append(name)
        helped = sum(name in problem.supports for problem in problems.values())
        assert words(cells["配合"]) == str(helped)
        tasks = own_tasks.get(name, [])
        due = [row for row in tasks if row["due_on"] <= CUTOFF]
        in_time = [row for row in due if row["done_on"] and row["done_on"] <= row["due_on"]]
        missing = [row for row in due if row["done_on"] is None]
        overdue_of_all += len(missing)
        if tasks:
            assert words(cells["到期任务"]) == f"{len(due)} / {len(tasks)}"
            assert words(cells["逾期未完"]) == str(len(missing))
            rate = share(len(in_time) / len(due)) if len(due) >= 5 else "—（不足5项）"
            assert words(cells["按时完成率"]) == rate
        of_unit = [case for case in chosen if case.topic in mine]
        if of_unit:
            value, n = oracle.indicator("resolution", of_unit, snapshot.cutoff, question.rules)
            assert words(cells["主责题诉求量"]) == count(len(of_unit))
            if n:
                told = value_text(METRICS["resolution"], value) + f"n {count(n)}"
                assert words(cells["主责题解决率"]) == told
    assert set(leading) == {name for problem in problems.values() for name in problem.leads}
    assert set(own_tasks) <= seen
    late = [
        sum(p.status in ("逾期", "滞后", "未达标") for p in problems.values() if name in p.leads)
        for name in leading
    ]
    assert late == sorted(late, reverse=True)
    sentence = words(of_class(tree, "panel-sentence"))
    assert sentence == f"{len(leading)}个主责单位；到期任务中逾期未完{overdue_of_all}项。"


# --- Order --------------------------------------------------------------------------------------


def test_the_order_links_reorder_the_rows_and_keep_the_filters(
    board: Board, problems: dict[str, Problem], cases: list[oracle.Case], server: Flask
):
    search = "?district=110105&basis=all"
    chosen = of_place(cases, ask(server.extensions["board_store"], CITY, search))
    keys: dict[str, Any] = {
        "attention": lambda p: (
            rank(p.status),
            not recent(chosen, p.row["code"]).rising,
            round(known(p.first.gap(), math.inf), 9),
        ),
        "gap": lambda p: round(known(p.first.gap(), math.inf), 9),
        "month": lambda p: (p.row["month"], p.row["code"]),
        "lead": lambda p: ("、".join(p.leads) or "无主责", p.row["month"]),
    }
    sequences = set()
    for order, label in ORDERS.items():
        tree = drawn(board, "topics-table", asked(board, f"{search}&order={order}"))
        (links,) = of_class(tree, "orders")
        (now,) = of_class(links, "order-now")
        assert words(now) == label
        others = {words(link): link["props"]["href"] for link in of_type(links, "Link")}
        assert set(others) == set(ORDERS.values()) - {label}
        for other, href in others.items():
            url = urlsplit(href)
            given = parse_qs(url.query)
            assert url.path == "/topics"
            assert (given["district"], given["basis"]) == (["110105"], ["all"])
            (wanted,) = (name for name, text in ORDERS.items() if text == other)
            assert given.get("order", ["attention"]) == [wanted]
            shell = board.shell(f"?{url.query}", "/topics")
            assert shell.props["notices"]["children"] is None
            again = drawn(board, "topics-table", shell.props["question"]["data"])
            assert words(of_class(again, "order-now")) == other
        codes = [row.code for row in shown_rows(tree) if row.own]
        assert sorted(codes) == sorted(problems)
        found = [keys[order](problems[code]) for code in codes]
        assert found == sorted(found), order
        sequences.add(tuple(codes))
    assert len(sequences) == len(ORDERS)


@pytest.mark.parametrize("search", ["?order=x", "?order=", "?order=gap,month", "?order=GAP"])
def test_an_order_that_does_not_exist_is_said(board: Board, search: str):
    shell = board.shell(search, "/topics")
    assert shell.sound
    notice = shell.props["notices"]["children"]
    if search == "?order=":
        assert notice is None
    else:
        assert search.removeprefix("?") in words(of_class(notice, "notice"))
    tree = drawn(board, "topics-table", shell.props["question"]["data"])
    assert words(of_class(tree, "order-now")) == ORDERS["attention"]
    # And when it comes past the shell.
    assert words(drawn(board, "topics-table", search)) == words(drawn(board, "topics-table", ""))


# --- Links, exceptions --------------------------------------------------------------------------


def topic_links(board: Board, question: str) -> Iterator[tuple[str, str, str]]:
    """Yield panel, class and address of everything that leads to the programme."""
    for panel in PANELS:
        for node in of_type(drawn(board, panel, question), "Link"):
            href = node["props"]["href"]
            if href.startswith("/topics"):
                yield panel, node["props"].get("className") or "", href


def test_links_keep_the_filters(board: Board, problems: dict[str, Problem]):
    given = {
        "district": ["110105"], "basis": ["all"], "compare": ["year"], "channel": ["web"],
        "order": ["month"], "period": ["month-2021-03"], "indicator": ["composite"],
    }  # fmt: skip
    search = "?" + "&".join(f"{name}={values[0]}" for name, values in given.items())
    seen: dict[str, set[str]] = {}
    for panel, look, href in topic_links(board, asked(board, search)):
        url = urlsplit(href)
        found = parse_qs(url.query)
        # The version is pinned by who copies the link, not by who follows it.
        assert "version" not in found
        changed = {name for name in given if found.get(name) != given[name]}
        if "rug-cell" in look:
            assert changed <= {"district"}, href
        elif panel == "topics-table" and url.path == "/topics":
            assert changed == {"order"}, href
        else:
            assert changed == set(), href
        seen.setdefault(panel, set()).add(url.path)
    everywhere = {f"/topics/{code}" for code in problems}
    for panel in ("topics-summary", "topics-table", "topics-rug", "overview-topics"):
        assert seen[panel] - {"/topics"} == everywhere, panel
    assert "/topics" in seen["overview-topics"]


def exceptions_of(tree: Any) -> dict[str, str]:
    """Return the sentences of the exceptions of topics by topic."""
    found: dict[str, str] = {}
    for line in of_class(tree, "exception"):
        code = link_to_topic(line)
        if code:
            assert code not in found, "one exception per topic"
            found[code] = words(of_class(line, "exception-words"))
    return found


@pytest.fixture
def long_lists(
    demo_settings: Settings, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> Board:
    """Give a board that lists every exception, not only the first five."""
    monkeypatch.setattr("components.exceptions.MOST", 999)
    return board_of(make_server(demo_settings))


def test_every_exception_of_a_topic_leads_to_it(
    long_lists: Board, problems: dict[str, Problem], cases: list[oracle.Case], server: Flask
):
    question = ask(server.extensions["board_store"], CITY, "")
    chosen = of_place(cases, question)
    table = shown_rows(drawn(long_lists, "topics-table", question.canonical))
    hard = {row.code for row in table if row.own and row.text("按期完成").startswith("难")}
    wanted: dict[str, str] = {}
    for code, problem in problems.items():
        goal = problem.first
        volume = recent(chosen, code)
        if problem.status in GOOD:
            if volume.rising:
                more = share(volume.cases / volume.expected - 1)
                wanted[code] = f"进度绿、诉求升：近期诉求{volume.cases}件，比预期多{more}"
        elif problem.status == "久未更新":
            wanted[code] = f"进度{(CUTOFF - goal.figures[-1][0]).days}天未更新"
        elif problem.status == "逾期":
            wanted[code] = f"到期未完成，已逾期{(CUTOFF - goal.row['due_on']).days}天"
        elif problem.status == "滞后" and goal.row["due_on"] <= CUTOFF:
            behind = f"慢于序时{-goal.gap():.1f}个百分点"
            wanted[code] = f"当日到期，尚未完成，{behind}"
        elif problem.status == "未达标":
            wanted[code] = "未达到目标值"
        elif problem.status == "滞后" and code in hard:
            wanted[code] = f"慢于序时{-goal.gap():.1f}个百分点，按期完成难"
    assert len({text[:4] for text in wanted.values()}) >= 4
    wanted = {code: problems[code].row["name"] + text for code, text in wanted.items()}
    summary = drawn(long_lists, "topics-summary", question.canonical)
    assert exceptions_of(summary) == wanted
    lines = of_class(summary, "exception")
    assert len(lines) == len(wanted) + 1
    rest = Counter(p.status for code, p in problems.items() if code not in wanted)
    good = sum(number for word, number in rest.items() if word in GOOD)
    told = [f"{good}题达序时或更好"] + [
        f"{rest[word]}题{word}" + ("" if word == "未启动" else "（未列为例外）")
        for word in WORDS
        if word in rest and word not in GOOD
    ]
    assert words(lines[-1]) == f"● 其余{27 - len(wanted)}题：{'、'.join(told)}"
    tones = ["须处理" in words(line) for line in lines[:-1]]
    assert tones == sorted(tones, reverse=True)
    # 总览 hears of the same; a district hears of its own matters only.
    overview = drawn(long_lists, "overview-summary", question.canonical)
    assert exceptions_of(overview) == wanted
    district = drawn(long_lists, "overview-summary", asked(long_lists, "?district=110105"))
    assert exceptions_of(district) == {}


# --- Other data ---------------------------------------------------------------------------------


def board_with(
    settings: Settings,
    make_server: MakeServer,
    change: str,
    cutoff: dt.datetime | None = None,
) -> Board:
    """Return a board on invented cases, with the tables of the programme as SQL makes them."""
    tables = frozenset(REFERENCE) | {
        "topic_units", "targets", "target_plan", "progress", "milestones",
    }  # fmt: skip
    staged = stage(settings, cases=800, change=change, tables=tables, cutoff=cutoff)
    publish(settings, staged, lambda *_: None)
    return board_of(make_server(settings))


def test_a_city_without_a_programme(empty_settings: Settings, make_server: MakeServer):
    board = board_with(
        empty_settings,
        make_server,
        "UPDATE incoming SET topic_id = NULL; DELETE FROM topics; DELETE FROM topic_categories;",
    )
    for search in ("", "?period=year-2020", "?district=110103&order=lead"):
        question = asked(board, search)
        for panel in board.panels:
            assert board.panel(panel, question).sound, panel
        for panel in PANELS[:4]:
            tree = drawn(board, panel, question)
            assert of_class(tree, "state-empty"), panel
            assert table_rows(tree) == []
        overview = drawn(board, "overview-topics", question)
        assert words(overview) == ""
        assert of_type(overview, "Section") == []
        # Only the indicators have cards.
        summary = drawn(board, "overview-summary", question)
        assert len(of_class(summary, "figure-card")) == 5
        assert exceptions_of(summary) == {}
    title = words(of_type(drawn(board, "topics-summary", asked(board, "")), "H1"))
    assert title == "2021年没有每月一题"


def test_rising_complaints_are_news_only_where_progress_is_sound(
    empty_settings: Settings, make_server: MakeServer
):
    # Topics 1 and 3 are on their timetable, 2 is far behind; complaints of 1 and 2 rise tenfold.
    board = board_with(
        empty_settings,
        make_server,
        "DELETE FROM topics WHERE id > 3;"
        "INSERT INTO topic_units SELECT id, 3, '主责' FROM topics;"
        "INSERT INTO targets SELECT id, 't' || id, id, '目标' || id, '个', 365, NULL,"
        " DATE '2021-01-01', DATE '2021-12-31', 'up', true FROM topics;"
        "INSERT INTO progress SELECT id, NULL, DATE '2021-03-31', [90, 9, 90][id], false"
        " FROM topics;"
        "UPDATE incoming SET excluded = false, assessed = true, topic_id = NULL;"
        "CREATE TEMP TABLE numbered AS"
        " SELECT case_id, row_number() OVER (ORDER BY case_id) AS n FROM incoming;"
        # Cases of the four weeks up to 2021-03-28 and of the same a year before: of no topic 20
        # each, of every topic 20 then; now 200 of the first and second, 20 of the third.
        "UPDATE incoming SET topic_id = chosen.topic, created_on = chosen.day,"
        " created_at = chosen.day + INTERVAL 9 HOUR, closed = false, closed_at = NULL,"
        " due_at = NULL, on_time = NULL"
        " FROM (SELECT case_id, CASE WHEN n <= 120 THEN CASE WHEN n <= 40 THEN NULL"
        "   ELSE (n - 41)::INT % 4 END WHEN n <= 140 THEN 3 ELSE 1 + n % 2 END AS topic,"
        "  CASE WHEN n <= 20 OR n BETWEEN 41 AND 120 THEN DATE '2020-03-02' ELSE"
        "   DATE '2021-03-01' END + (7 * (n % 4))::INT AS day"
        "  FROM numbered WHERE n <= 540) AS chosen WHERE incoming.case_id = chosen.case_id;"
        "UPDATE incoming SET topic_id = NULL WHERE topic_id = 0;",
        cutoff=dt.datetime(2021, 3, 31, 18),
    )
    question = asked(board, "")
    rows = {row.code: row for row in shown_rows(drawn(board, "topics-table", question))}
    marks = {code: bool(of_class(row.cells["近4周诉求"], "is-bad")) for code, row in rows.items()}
    assert marks == {"2021-01": True, "2021-02": True, "2021-03": False}
    assert rows["2021-01"].text("状态") == "● 达序时进度绿、诉求升"
    assert rows["2021-02"].text("状态") == "■ 滞后滞后第1周"
    assert rows["2021-03"].text("状态") == "● 达序时"
    lines = of_class(drawn(board, "overview-topics", question), "topic-row")
    said = {link_to_topic(line): words(of_class(line, "is-bad")) for line in lines}
    assert said == {"2021-01": "诉求升", "2021-02": "", "2021-03": ""}
    found = exceptions_of(drawn(board, "topics-summary", question))
    assert list(found) == ["2021-01"]
    assert found["2021-01"].startswith("问题1进度绿、诉求升：近期诉求200件")


def test_topics_that_nobody_answers_for_and_without_targets(
    empty_settings: Settings, make_server: MakeServer
):
    board = board_with(
        empty_settings,
        make_server,
        "INSERT INTO topic_units VALUES (1, 3, '主责'), (1, 5, '主责'), (2, 4, '配合');"
        "INSERT INTO targets VALUES (1, 't1', 3, '目标一', '个', 10, NULL,"
        " DATE '2021-01-01', DATE '2021-12-31', 'up', true), (2, 't2', 1, '目标二', '个', NULL,"
        " NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true);"
        "INSERT INTO progress VALUES (2, NULL, DATE '2021-03-30', 7, false);",
    )
    question = asked(board, "")
    title = words(of_type(drawn(board, "topics-summary", question), "H1"))
    assert title == "2021年每月一题27题：26题无主责、1题无目标"
    rows = {row.code: row for row in shown_rows(drawn(board, "topics-table", question))}
    assert len(rows) == 27
    assert words(of_class(rows["2021-01"].cells["状态"], "standing")) == "◇ 无目标"
    assert rows["2021-01"].text("主责") == "单位3、单位5"
    assert rows["2021-01"].target == "目标二 7个（无目标值）"
    assert rows["2021-02"].text("主责") == "无主责"
    assert rows["2021-03"].parts("完成率")[1] == "无进度"
    for panel in board.panels:
        answer = board.panel(panel, question)
        assert answer.sound, panel
        assert "nan" not in words(answer.props[panel]["children"]), panel
    lines = of_class(drawn(board, "topics-summary", question), "exception")
    assert len(lines) == 6
    assert words(lines[-1]) == "● 另有22项例外未列出"


def test_a_year_that_is_over_is_told_at_its_end(empty_settings: Settings, make_server: MakeServer):
    board = board_with(
        empty_settings,
        make_server,
        "UPDATE topics SET year = 2019, code = '2019-' || code[6:] WHERE id <= 2;"
        "INSERT INTO topic_units SELECT id, 3, '主责' FROM topics;"
        "INSERT INTO targets VALUES"
        " (1, 'old', 1, '旧目标', '个', 100, NULL, DATE '2019-01-01', DATE '2019-12-31', 'up',"
        "  true),"
        " (2, 'new', 3, '新目标', '个', 365, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up',"
        "  true);"
        "INSERT INTO progress VALUES (1, NULL, DATE '2019-12-29', 99, false),"
        " (1, NULL, DATE '2020-01-05', 100, false), (2, NULL, DATE '2021-03-31', 90, false);",
    )
    old = asked(board, "?period=year-2019")
    summary = drawn(board, "topics-summary", old)
    assert words(of_type(summary, "H1")).startswith("2019年每月一题2题：")
    assert "进度截至 2019-12-31" in words(of_class(summary, "strip-facts"))
    (row,) = (r for r in shown_rows(drawn(board, "topics-table", old)) if r.code == "2019-01")
    # What came in January was not known by then.
    assert row.parts("完成率") == ("99.0 %", "12-29")
    # A year without topics of its own shows the nearest.
    for search, year in (
        ("", 2021), ("?period=month-2021-01", 2021), ("?period=2018-01-01..2018-12-31", 2019),
    ):  # fmt: skip
        title = words(of_type(drawn(board, "topics-summary", asked(board, search)), "H1"))
        assert title.startswith(f"{year}年每月一题"), search
    rows = shown_rows(drawn(board, "topics-table", asked(board, "")))
    assert len(rows) == 25
    (new,) = (row for row in rows if row.code == "2021-03")
    assert new.parts("与序时") == ("与序时持平", "0个")
