"""The project ledger on the screen: every figure equals a loop over the rows of the version."""

from __future__ import annotations

import datetime as dt
import statistics
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask, g

from components.formatting import amount, count, share
from data_access import schema
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot
from domain.accounts import WORKSTATION
from domain.scope import CITY, Scope
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
from tests.data.staging import REFERENCE, stage

CUTOFF = dt.date(2021, 4, 12)
DUE = dt.date(2021, 12, 31)
LEDGER_PANELS = tuple(f"projects-{part}" for part in ("summary", "stages", "causes", "table"))
PROJECT_PANELS = tuple(f"project-{part}" for part in ("summary", "course", "cases", "similar"))
STAGES = (
    "摸底核查",
    "方案制定",
    "土地手续补办",
    "规划与工程核验",
    "首次登记",
    "转移登记",
    "已办结",
)
CAUSES = ("土地征收", "建设手续", "工程核验", "资金链断裂")
ZERO_WEEKS = 4
ROWS = 100
SEARCHES: dict[str, dict[str, str]] = {
    "default": {},
    "district": {"district": "110105"},
    "street": {"subdistrict": "110101013"},
    "stages": {"stage": "方案制定,首次登记"},
    "causes": {"cause": "资金链断裂,土地征收", "sort": "quiet"},
    "stuck": {"stuck": "26", "district": "110105,110106"},
    "everything": {
        "stuck": "8", "stage": "摸底核查", "cause": "工程核验", "district": "110112",
        "sort": "deadline", "period": "year-2020", "basis": "all", "channel": "web",
    },
    "finished": {"stage": "已办结", "sort": "overdue"},
    "nothing": {"district": "110101", "subdistrict": "110105001"},
}  # fmt: skip


def search_of(options: Mapping[str, str]) -> str:
    return "?" + "&".join(f"{name}={quote(value, safe=',')}" for name, value in options.items())


searches = pytest.mark.parametrize("options", SEARCHES.values(), ids=list(SEARCHES))


# --- The same by loops --------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A project as the tables have it."""

    row: Mapping[str, Any]
    causes: frozenset[str]
    log: tuple[Mapping[str, Any], ...]

    def __getattr__(self, name: str) -> Any:
        return self.row[name]

    @property
    def left(self) -> int:
        return max(self.units - self.done, 0)

    @property
    def quiet(self) -> int:
        """Whole weeks since stage or done changed."""
        moves = [e["on_date"] for e in self.log if e["stage"] is not None or e["done"] is not None]
        return ((CUTOFF) - (max(moves) if moves else self.stage_since)).days // 7

    def is_quiet(self, weeks: int) -> bool:
        return self.left > 0 and self.quiet >= weeks


def rows_of(snapshot: Snapshot, table: sa.Table) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture(scope="module")
def ledger(snapshot: Snapshot) -> list[Row]:
    """Return the ledger in order of code."""
    names = {
        name: {row["id"]: row for row in rows_of(snapshot, table)}
        for name, table in (("district", schema.districts), ("subdistrict", schema.subdistricts))
    }
    causes, log = (rows_of(snapshot, t) for t in (schema.project_causes, schema.project_log))
    result = []
    for row in rows_of(snapshot, schema.projects):
        for name, known in names.items():
            row[name] = known[row[f"{name}_id"]]["code"]
        row["district_name"] = names["district"][row["district_id"]]["short_name"]
        result.append(
            Row(
                row,
                frozenset(each["cause"] for each in causes if each["project_id"] == row["id"]),
                tuple(
                    each
                    for each in log
                    if each["project_id"] == row["id"] and each["on_date"] <= CUTOFF
                ),
            )
        )
    return sorted(result, key=lambda each: each.code)


def asked_for(ledger: list[Row], options: Mapping[str, str], *without: str) -> list[Row]:
    """Return the projects of some options, of all but some of them."""
    given = {name: value.split(",") for name, value in options.items() if name not in without}
    weeks = int(given.get("stuck", ["0"])[0])
    return [
        each
        for each in ledger
        if each.district in given.get("district", [each.district])
        and each.subdistrict in given.get("subdistrict", [each.subdistrict])
        and each.stage in given.get("stage", [each.stage])
        and ("cause" not in given or each.causes & set(given["cause"]))
        and (not weeks or each.is_quiet(weeks))
    ]


def left(projects: list[Row]) -> int:
    return sum(each.left for each in projects)


def homes(number: float) -> str:
    return amount(number, "套", number)


# --- What the pages say -------------------------------------------------------------------------


def asked(board: Board, search: str, path: str = "/projects") -> str:
    shell = board.shell(search, path)
    assert shell.sound
    return str(shell.props["question"]["data"])


def drawn(board: Board, panel: str, question: str) -> Any:
    return tree_of(board.panel(panel, question), panel)


def of_project(board: Board, panel: str, question: str, code: object) -> Any:
    """Return a panel of the page of one project."""
    body = {
        "output": f"{panel}.children",
        "outputs": {"id": panel, "property": "children"},
        "inputs": [
            {"id": "question", "property": "data", "value": question},
            {"id": "project-code", "property": "data", "value": code},
        ],
        "changedPropIds": ["question.data"],
        "state": [],
    }
    return tree_of(board.post(body), panel)


def tree_of(answer: Answer, panel: str) -> Any:
    assert answer.sound, (panel, answer.text)
    tree = answer.props[panel]["children"]
    for text in ("NaN", "nan", "None", "Infinity"):
        assert text not in words(tree), panel
    return tree


def title(tree: Any) -> str:
    return words(of_type(tree, "H1"))


def cards(tree: Any) -> dict[str, Any]:
    return {words(of_class(each, "figure-name")): each for each in of_class(tree, "figure-card")}


def number(tree: Any) -> str:
    return words(of_class(tree, "figure-number"))


def boards(tree: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Return the rows of a board by their heads, and its last row."""
    rows = table_rows(of_type(tree, "Tbody"))
    return {row[0]: row[1:] for row in rows[:-1]}, rows[-1]


def pages_of(board: Board, options: Mapping[str, str]) -> list[Any]:
    """Return the table of every page, following the pager."""
    trees, search = [], search_of(options)
    while True:
        trees.append(drawn(board, "projects-table", asked(board, search)))
        following = [
            each["props"]["href"] for each in of_type(trees[-1], "Link") if words(each) == "下一页"
        ]
        if not following:
            return trees
        assert len(set(following)) == 1
        path, _, query = following[0].partition("?")
        assert path == "/projects"
        search = f"?{query}"


def codes_of(tree: Any) -> list[str]:
    """Return the codes of the projects listed, in order."""
    found = []
    for row in of_type(of_type(tree, "Tbody"), "Tr"):
        (link,) = of_type(row, "Link")
        found.append(urlsplit(link["props"]["href"]).path.rpartition("/")[2])
    return found


# --- The ledger ---------------------------------------------------------------------------------


def test_the_demo_holds_what_the_tests_are_about(ledger: list[Row]):
    assert len(ledger) == 911
    assert sum(each.units for each in ledger) == 570_000
    assert {each.stage for each in ledger} == set(STAGES)
    assert set().union(*(each.causes for each in ledger)) == set(CAUSES)
    assert len({each.target_id for each in ledger}) == 1
    for weeks in (ZERO_WEEKS, 8, 26):
        assert 0 < sum(each.is_quiet(weeks) for each in ledger) < 852
    assert any(each.quiet == ZERO_WEEKS for each in ledger)
    assert any(each.quiet == ZERO_WEEKS - 1 for each in ledger)


@searches
def test_every_panel_answers_soundly(board: Board, options: dict[str, str]):
    assert set(LEDGER_PANELS) <= set(board.panels)
    question = asked(board, search_of(options))
    ids = [
        node["props"]["id"]
        for panel in LEDGER_PANELS
        for node in nodes(drawn(board, panel, question))
        if "id" in node["props"]
    ]
    assert len(ids) == len(set(ids))


def test_the_page_is_there_and_not_in_the_navigation(board: Board):
    assert board.ask("GET", "/projects?stage=x", None)[0] == 200
    assert board.ask("GET", "/projects/P0001?district=110105", None)[0] == 200
    shell = board.shell("?stage=方案制定&page=2&sort=quiet&district=110105", "/projects")
    links = [each["props"]["href"] for each in of_type(shell.props["nav"]["children"], "Link")]
    assert not any(link.startswith("/projects") for link in links)
    # Other pages take over the place, not the options of this one.
    assert all(link.endswith("?district=110105") for link in links)


def test_the_title_and_the_cards_equal_a_loop(board: Board, ledger: list[Row]):
    for options in SEARCHES.values():
        projects = asked_for(ledger, options)
        tree = drawn(board, "projects-summary", asked(board, search_of(options)))
        found = cards(tree)
        if not projects:
            assert title(tree) == "没有符合条件的项目"
            continue
        unfinished = [each for each in projects if each.left]
        zero = [each for each in projects if each.is_quiet(ZERO_WEEKS)]
        assert f"{len(projects)}个项目" in title(tree)
        if options.get("stuck"):
            told = f"近{options['stuck']}周没有进展，剩余{homes(left(projects))}"
        elif unfinished:
            told = (
                f"剩余{homes(left(projects))}：{len(zero)}个近4周没有进展，涉及{homes(left(zero))}"
            )
        else:
            told = "已全部办结"
        assert title(tree).endswith(told)
        assert number(found["项目"]) == str(len(projects))
        assert f"未办结{len(unfinished)}个已办结{len(projects) - len(unfinished)}个" in words(
            found["项目"]
        )
        whole, done = (sum(each.row[name] for each in projects) for name in ("units", "done"))
        assert words(of_class(found["剩余"], "figure-value")).replace(" ", "") == homes(
            left(projects)
        )
        assert f"共{homes(whole)}已办{homes(done)}，占{share(done / whole)}" in words(found["剩余"])
        assert number(found["零：近4周没有进展"]) == str(len(zero))
        if zero:
            part = share(left(zero) / left(projects))
            assert f"剩余{homes(left(zero))}占剩余的{part}" in words(found["零：近4周没有进展"])
        late = [each for each in unfinished if each.deadline and each.deadline < CUTOFF]
        assert number(found["逾期"]) == str(len(late))
    tree = drawn(board, "projects-summary", asked(board, ""))
    assert title(tree).startswith("911个项目剩余54.2万套：")
    facts = words(of_class(tree, "strip-facts"))
    for fact in ("台账不分时段", "数据截至 2021-04-12", "口径版本", "演示数据"):
        assert fact in facts


def test_what_usually_takes_too_long_equals_a_loop(
    board: Board, ledger: list[Row], snapshot: Snapshot
):
    stages = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.project_stages)}
    more = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.causes)}
    slow = []
    for each in ledger:
        weeks = stages[each.stage]
        if not each.done:
            weeks += max(more[cause] for cause in each.causes)
        if each.left and CUTOFF + dt.timedelta(weeks=weeks) > DUE:
            slow.append(each)
    assert 0 < len(slow) < 852
    card = cards(drawn(board, "projects-summary", asked(board, "")))[
        "按通常用时，2021-12-31前办不完"
    ]
    assert number(card) == str(len(slow))
    assert f"剩余{homes(left(slow))}，占{share(left(slow) / left(ledger))}" in words(card)


@searches
def test_the_board_of_stages_equals_a_loop(
    board: Board, ledger: list[Row], options: dict[str, str]
):
    projects = asked_for(ledger, options, "stage")
    rows, total = boards(drawn(board, "projects-stages", asked(board, search_of(options))))
    assert list(rows) == list(STAGES)
    for stage_name, cells in rows.items():
        own = [each for each in projects if each.stage == stage_name]
        stood = [(CUTOFF - each.stage_since).days // 7 for each in own if each.left]
        assert cells[:2] == [count(len(own)), count(left(own))]
        assert cells[2] == (share(left(own) / left(projects)) if left(projects) else "—")
        assert cells[3] == (f"{statistics.median(stood):g}" if stood else "—")
    assert total[:3] == ["合计", count(len(projects)), count(left(projects))]
    assert sum(int(cells[0]) for cells in rows.values()) == len(projects)


@searches
def test_the_board_of_causes_counts_once_in_each_and_once_in_all(
    board: Board, ledger: list[Row], options: dict[str, str]
):
    projects = asked_for(ledger, options, "cause")
    tree = drawn(board, "projects-causes", asked(board, search_of(options)))
    rows, total = boards(tree)
    assert set(rows) == set(CAUSES)
    for cause, cells in rows.items():
        own = [each for each in projects if cause in each.causes]
        zero = sum(each.is_quiet(ZERO_WEEKS) for each in own)
        assert cells[:3] == [count(len(own)), count(zero), count(left(own))]
    zero = sum(each.is_quiet(ZERO_WEEKS) for each in projects)
    assert total[:4] == ["合计", count(len(projects)), count(zero), count(left(projects))]
    several = [each for each in projects if len(each.causes) > 1]
    assert words(of_class(tree, "panel-sentence")).startswith(f"{len(several)}个项目有几个成因")
    if several:
        # The note is there because the rows do add up to more.
        assert sum(int(cells[0]) for cells in rows.values()) > len(projects)
        assert "合计中只计一次" in words(of_class(tree, "panel-note"))


def expected_order(projects: list[Row], sort: str) -> list[str]:
    far = dt.date.max

    def key(each: Row) -> tuple[Any, ...]:
        if sort == "remaining" or not each.left:
            return (not each.left,)
        if sort == "quiet":
            moves = [e["on_date"] for e in each.log if e["stage"] or e["done"] is not None]
            return (False, max(moves) if moves else each.stage_since)
        # Nothing is past its deadline in the demo; tests/unit/test_projects.py has what is.
        assert each.deadline is None or each.deadline >= CUTOFF
        return (False, each.deadline or far)

    return [
        each.code for each in sorted(projects, key=lambda each: (*key(each), -each.left, each.code))
    ]


@searches
def test_every_project_is_on_one_of_the_pages(
    board: Board, ledger: list[Row], options: dict[str, str]
):
    projects = asked_for(ledger, options)
    trees = pages_of(board, options)
    if not projects:
        assert of_class(trees[0], "state-empty")
        return
    found = [codes_of(tree) for tree in trees]
    assert all(len(codes) == ROWS for codes in found[:-1])
    assert 0 < len(found[-1]) <= ROWS
    listed = [code for codes in found for code in codes]
    assert listed == expected_order(projects, options.get("sort", "remaining"))
    if len(trees) > 1:
        for place, tree in enumerate(trees):
            first = place * ROWS + 1
            told = f"第{first}–{first + len(found[place]) - 1}个，共{len(projects)}个"
            assert told in words(of_class(tree, "pager"))


def test_a_row_says_what_the_ledger_says(board: Board, ledger: list[Row]):
    of_code = {each.code: each for each in ledger}
    seen = Counter[str]()
    for options in ({"sort": "quiet"}, {"stage": "已办结"}, {"stage": "转移登记"}):
        tree = drawn(board, "projects-table", asked(board, search_of(options)))
        for code, cells in zip(codes_of(tree), table_rows(of_type(tree, "Tbody")), strict=True):
            each = of_code[code]
            assert cells[0] == f"{each.name}{code}"
            assert cells[1].startswith(each.district_name)
            assert cells[2:5] == [count(each.units), count(each.done), count(each.left)]
            assert cells[5] == f"{each.stage}自{each.stage_since}"
            assert set(cells[6].split("、")) == each.causes
            if not each.left:
                assert cells[7] == "已办结"
            elif each.quiet >= ZERO_WEEKS:
                assert cells[7] == f"零 {each.quiet}"
            else:
                assert cells[7] == str(each.quiet)
            assert cells[8] == (each.blocker or "—")
            assert cells[9] == (each.next_step or "—") + each.owner
            assert cells[10] == (str(each.deadline) if each.deadline else "—")
            seen[cells[7][:1]] += 1
    assert {"已", "零", "0"} <= set(seen)


# --- Links --------------------------------------------------------------------------------------


def options_of(href: str) -> dict[str, list[str]]:
    """Return the options of a link to the ledger; every link of a panel names its period."""
    assert urlsplit(href).path == "/projects"
    found = parse_qs(urlsplit(href).query)
    assert found.pop("period") == ["assess-2021-03"]
    return {name: each[0].split(",") for name, each in found.items()}


def facets(tree: Any) -> dict[str, dict[str, Any]]:
    """Return facet → words of a choice → its item."""
    return {
        words(of_class(each, "facet-name")): {
            words(item).removeprefix("✓ ").rstrip("0123456789,"): item
            for item in of_type(each, "Li")
        }
        for each in of_class(tree, "facet")
        if of_class(each, "facet-name")
    }


def test_choices_add_take_away_and_keep_the_rest(board: Board, ledger: list[Row]):
    options = {"district": "110105", "stage": "方案制定", "sort": "quiet", "page": "2"}
    found = facets(drawn(board, "projects-summary", asked(board, search_of(options))))
    assert list(found) == ["阶段", "成因", "无进展"]

    def led_to(name: str, choice: str) -> dict[str, list[str]]:
        (link,) = of_type(found[name][choice], "Link")
        return options_of(link["props"]["href"])

    kept = {"district": ["110105"], "sort": ["quiet"]}
    assert led_to("阶段", "首次登记") == kept | {"stage": ["方案制定", "首次登记"]}
    assert led_to("阶段", "方案制定") == kept
    assert led_to("成因", "工程核验") == kept | {"stage": ["方案制定"], "cause": ["工程核验"]}
    assert led_to("无进展", "近8周") == kept | {"stage": ["方案制定"], "stuck": ["8"]}
    chosen = [
        choice
        for choices in found.values()
        for choice, item in choices.items()
        if item["props"].get("aria-current") == "true"
    ]
    assert chosen == ["方案制定", "不限"]
    for name, key in (("阶段", "stage"), ("成因", "cause")):
        for choice, item in found[name].items():
            own = asked_for(ledger, options | {key: choice})
            assert words(of_type(item, "Small")) == str(len(own))
    for weeks in (4, 8, 13, 26):
        own = asked_for(ledger, options | {"stuck": str(weeks)})
        assert words(of_type(found["无进展"][f"近{weeks}周"], "Small")) == str(len(own))


def test_a_board_leads_to_its_projects(board: Board):
    tree = drawn(board, "projects-causes", asked(board, "?stuck=8&page=3"))
    links = {words(each): options_of(each["props"]["href"]) for each in of_type(tree, "Link")}
    assert links == {cause: {"stuck": ["8"], "cause": [cause]} for cause in CAUSES}


def test_another_order_begins_on_its_first_page(board: Board):
    tree = drawn(board, "projects-table", asked(board, "?page=4"))
    orders = of_class(tree, "orders")
    links = {words(each): options_of(each["props"]["href"]) for each in of_type(orders, "Link")}
    assert links == {
        "最久无进展": {"sort": ["quiet"]},
        "期限最近": {"sort": ["deadline"]},
        "逾期最久": {"sort": ["overdue"]},
    }
    assert words(of_class(orders, "order-now")) == "剩余最多"


def test_a_page_that_does_not_exist_shows_the_last(board: Board):
    last = drawn(board, "projects-table", asked(board, "?page=10"))
    beyond = drawn(board, "projects-table", asked(board, "?page=11"))
    assert codes_of(beyond) == codes_of(last)
    assert len(codes_of(last)) == 11
    assert "没有第11页" in words(of_class(beyond, "notice"))
    assert of_class(last, "notice") == []
    # What is no page at all is said by the shell.
    for page in ("0", "-1", "x", "9999999"):
        said = board.shell(f"?page={page}", "/projects").props["notices"]["children"]
        assert "页码" in words(said)


def test_another_place_begins_on_its_first_page(board: Board):
    search = "?page=4&stage=方案制定"
    shown = asked(board, search)
    changed = board.shell(
        search, "/projects", changed="filter-district.value",
        values={"filter-district": ["110105"]}, shown=shown,
    )  # fmt: skip
    assert parse_qs(changed.props["url"]["search"].removeprefix("?")) == {
        "district": ["110105"], "stage": ["方案制定"],
    }  # fmt: skip
    chips = board.shell("?page=4&district=110105", "/projects").props["filter-chips"]["children"]
    hrefs = {each["props"]["href"] for each in of_type(chips, "Link")}
    assert hrefs == {"/projects"}, "neither the place nor the page"


# --- What the data does not know ----------------------------------------------------------------


def test_unknown_values_are_named_and_lose_nothing(board: Board, ledger: list[Row]):
    search = "?stage=没有的,方案制定&cause=也没有&district=999999"
    shell = board.shell(search, "/projects")
    assert "999999" in words(shell.props["notices"]["children"])
    question = shell.props["question"]["data"]
    summary = drawn(board, "projects-summary", question)
    notice = words(of_class(summary, "notice"))
    assert "阶段“没有的”" in notice
    assert "成因“也没有”" in notice
    projects = asked_for(ledger, {"stage": "方案制定"})
    assert number(cards(summary)["项目"]) == str(len(projects))
    listed = [
        code for tree in pages_of(board, {"stage": "没有的,方案制定"}) for code in codes_of(tree)
    ]
    assert sorted(listed) == sorted(each.code for each in projects)
    # Nothing that is known: as if nothing had been asked.
    nothing = asked(board, "?stage=没有的&cause=也没有")
    assert number(cards(drawn(board, "projects-summary", nothing))["项目"]) == "911"


def test_filters_that_the_ledger_has_not_are_said(board: Board):
    summary = drawn(board, "projects-summary", asked(board, "?channel=web&topic=2021-02"))
    notice = words(of_class(summary, "notice"))
    assert "渠道" in notice
    assert "每月一题" in notice
    assert number(cards(summary)["项目"]) == "911"
    assert of_class(drawn(board, "projects-summary", asked(board, "?basis=all")), "notice") == []


def test_an_unknown_target_is_said(board: Board):
    summary = drawn(board, "projects-summary", asked(board, "?target=2021-99-9"))
    assert "目标“2021-99-9”没有项目台账" in words(of_class(summary, "notice"))
    assert number(cards(summary)["项目"]) == "911"


# --- Export -------------------------------------------------------------------------------------


def question_of(server: Flask, search: str) -> Question:
    return ask(server.extensions["board_store"], CITY, search)


@searches
def test_the_sheet_has_every_project_of_the_view(
    server: Flask, board: Board, ledger: list[Row], options: dict[str, str]
):
    projects = asked_for(ledger, options)
    of_code = {each.code: each for each in projects}
    with server.test_request_context():
        g.reader = WORKSTATION
        sheet = sys.modules["pages.projects"].ledger_sheet(
            question_of(server, search_of(options | {"page": "2"}))
        )
    titles = [column.title for column in sheet.columns]
    assert [row[0] for row in sheet.rows] == expected_order(
        projects, options.get("sort", "remaining")
    )
    for cells in sheet.rows:
        row, each = dict(zip(titles, cells, strict=True)), of_code[cells[0]]
        assert (row["总数（套）"], row["已办（套）"], row["剩余（套）"]) == (
            each.units, each.done, each.left,
        )  # fmt: skip
        assert row["零（近4周）"] == ("零" if each.is_quiet(ZERO_WEEKS) else "")
        assert row["无进展（周）"] == (each.quiet if each.left else None)
        assert (row["期限"], row["进入阶段"]) == (each.deadline, each.stage_since)
        assert set(row["成因"].split("、")) == each.causes
    total = dict(zip(titles, sheet.total, strict=True))
    assert total["剩余（套）"] == left(projects)
    assert total["总数（套）"] == sum(each.units for each in projects)


# --- One project --------------------------------------------------------------------------------


def some_projects(ledger: list[Row]) -> dict[str, Row]:
    """Return projects of every kind."""
    open_ones = [each for each in ledger if each.left]
    return {
        "largest": max(ledger, key=lambda each: each.left),
        "begun": max((each for each in open_ones if each.done), key=lambda each: each.done),
        "finished": next(each for each in ledger if not each.left),
        "zero": max(open_ones, key=lambda each: each.quiet),
        "three causes": next(each for each in ledger if len(each.causes) == 3),
    }


KINDS = ("largest", "begun", "finished", "zero", "three causes")


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_says_what_the_ledger_says(board: Board, ledger: list[Row], kind: str):
    each = some_projects(ledger)[kind]
    trees = {
        panel: of_project(board, panel, asked(board, "", f"/projects/{each.code}"), each.code)
        for panel in PROJECT_PANELS
    }
    summary = trees["project-summary"]
    if each.left:
        still = f"已{each.quiet}周没有进展" if each.quiet else "近1周内有进展"
        assert title(summary) == f"{each.name}：{homes(each.left)}未办，{still}"
    else:
        assert title(summary) == f"{each.name}：{homes(each.units)}已全部办结"
    facts = dict(
        zip(map(words, of_type(summary, "Dt")), map(words, of_type(summary, "Dd")), strict=True)
    )
    assert facts["区"] == each.district_name
    assert facts["社区"] == each.community
    assert facts["开发单位"] == each.developer
    assert facts["卡点"] == (each.blocker or "未写明")
    assert set(facts["成因"].split("、")) == each.causes
    stood = (CUTOFF - each.stage_since).days // 7
    assert facts["阶段"].startswith(f"{each.stage} 自{each.stage_since}，已{stood}周")
    found = cards(summary)
    assert number(found["剩余"]) == count(each.left)
    if each.left:
        unfinished = [other for other in ledger if other.left]
        here = [other for other in unfinished if other.district == each.district]
        places = [
            1 + sum(other.left > each.left for other in group) for group in (unfinished, here)
        ]
        said = words(found["剩余量的名次"])
        assert number(found["剩余量的名次"]) == f"第{places[0]}"
        assert f"{each.district_name}第{places[1]} / {len(here)}，" in said
        assert f"占其剩余的{share(each.left / left(here))}" in said
        assert number(found["没有进展"]) == str(each.quiet)
        assert bool(of_class(found["没有进展"], "nothing-mark")) == (each.quiet >= ZERO_WEEKS)

    log = table_rows(of_type(trees["project-course"], "Tbody"))
    assert [row[0] for row in log] == [
        str(entry["on_date"])
        for entry in sorted(each.log, key=lambda entry: entry["on_date"], reverse=True)
    ]
    added = [int(row[2].replace(",", "")) for row in log if row[2]]
    assert sum(added) == each.done
    others = [
        other for other in ledger if other.developer == each.developer and other.code != each.code
    ]
    similar = trees["project-similar"]
    if others:
        assert codes_of(similar) == expected_order(others, "remaining")
        zero = sum(other.is_quiet(ZERO_WEEKS) for other in others)
        told = f"另有{len(others)}个项目，剩余{homes(left(others))}，其中{zero}个近4周没有进展"
        assert told in words(of_class(similar, "panel-sentence"))


def test_the_course_draws_the_log_and_the_usual_time(
    board: Board, ledger: list[Row], snapshot: Snapshot
):
    usual = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.project_stages)}
    more = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.causes)}
    for each in some_projects(ledger).values():
        tree = of_project(board, "project-course", asked(board, ""), each.code)
        (graph,) = of_type(tree, "Graph")
        traces = {trace["name"]: trace for trace in graph["props"]["figure"]["data"]}
        entered = [(e["stage"], e["on_date"]) for e in each.log if e["stage"] is not None]
        drawn_stages = traces["停留"]
        assert list(drawn_stages["y"]) == [name for name, _ in entered]
        assert [day[:10] for day in drawn_stages["base"]] == [str(on) for _, on in entered]
        ends = [*(on for _, on in entered[1:]), CUTOFF]
        assert list(drawn_stages["text"]) == [
            f"{(end - on).days // 7}周" for (_, on), end in zip(entered, ends, strict=True)
        ]
        done = [(e["on_date"], e["done"]) for e in each.log if e["done"] is not None]
        assert ("累计已办" in traces) == bool(done)
        if done:
            steps = traces["累计已办"]
            assert list(steps["y"])[1:-1] == [number for _, number in done]
            assert [day[:10] for day in steps["x"]][1:-1] == [str(on) for on, _ in done]
        assert ("通常还需" in traces) == bool(each.left)
        if each.left:
            weeks = usual[each.stage]
            weeks += 0 if each.done else max(more[cause] for cause in each.causes)
            last = traces["通常还需"]
            spent = sum(last["x"]) / (7 * 24 * 3600 * 1000)
            assert spent == pytest.approx(weeks, abs=0.5)
            assert last["base"][0][:10] == str(CUTOFF)


def test_complaints_of_the_community_equal_a_loop(
    board: Board, ledger: list[Row], snapshot: Snapshot
):
    topics = {row["id"]: row["code"] for row in rows_of(snapshot, schema.topics)}
    places: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for case in rows_of(snapshot, schema.cases):
        if topics.get(case["topic_id"]) == "2021-01" and case["assessed"]:
            places.setdefault((case["subdistrict_id"], case["community"]), []).append(case)
    by_cases = sorted(
        ledger,
        key=lambda each: len(places.get((each.subdistrict_id, each.community), [])),
        reverse=True,
    )
    assert len(places[by_cases[0].subdistrict_id, by_cases[0].community]) > 8
    for search in ("", "?basis=all&district=110101&period=year-2020"):
        for each in (*by_cases[:5], by_cases[-1]):
            own = [
                case
                for case in places.get((each.subdistrict_id, each.community), [])
                if search or not case["excluded"]
            ]
            tree = of_project(board, "project-cases", asked(board, search), each.code)
            if not own:
                assert "没有诉求" in words(tree)
                continue
            still = sum(not case["closed"] for case in own)
            assert words(of_class(tree, "panel-sentence")).startswith(
                f"共{len(own)}件，未办结{still}件；"
            )
            (graph,) = of_type(tree, "Graph")
            bars = {trace["name"]: trace for trace in graph["props"]["figure"]["data"]}
            months = Counter(f"{case['created_on']:%Y-%m}" for case in own)
            shown = dict(
                zip((day[:7] for day in bars["诉求"]["x"]), bars["诉求"]["y"], strict=True)
            )
            assert {month: cases for month, cases in shown.items() if cases} == dict(months)
            assert sum(bars["未办结"]["y"]) == still
            newest = sorted(own, key=lambda case: case["case_id"])
            newest.sort(key=lambda case: case["created_at"], reverse=True)
            listed = table_rows(of_type(of_class(tree, "topic-cases"), "Tbody"))
            assert [row[0] for row in listed] == [case["case_id"] for case in newest[:8]]


def test_filters_do_not_touch_a_project(board: Board, ledger: list[Row]):
    each = some_projects(ledger)["largest"]
    plain = of_project(board, "project-summary", asked(board, ""), each.code)
    search = "?district=110101&stage=方案制定&stuck=8&page=3"
    narrowed = of_project(board, "project-summary", asked(board, search), each.code)
    assert title(narrowed) == title(plain)
    assert "区" in words(of_class(narrowed, "notice"))
    assert of_class(plain, "notice") == []
    # The way back leads to the list that was left.
    (back,) = (link for link in of_type(narrowed, "Link") if words(link) == "全部项目")
    assert options_of(back["props"]["href"]) == {
        "district": ["110101"], "stage": ["方案制定"], "stuck": ["8"], "page": ["3"],
    }  # fmt: skip


@pytest.mark.parametrize("code", ["P9999", "", "<b>", "%E4%B8%8D", "'; DROP", None, 7])
def test_an_unknown_project_says_so_and_leads_back(board: Board, code: object):
    question = asked(board, "?district=110105")
    summary = of_project(board, "project-summary", question, code)
    assert title(summary) == "没有这个项目"
    links = [each["props"]["href"] for each in of_type(summary, "Link")]
    assert all(options_of(link) == {"district": ["110105"]} for link in links)
    assert len(links) == 2
    for panel in PROJECT_PANELS[1:]:
        assert words(of_project(board, panel, question, code)) == ""


# --- Who may see what ---------------------------------------------------------------------------


def test_a_district_sees_its_own_projects_only(
    demo_settings: Settings,
    make_server: MakeServer,
    ledger: list[Row],
    monkeypatch: pytest.MonkeyPatch,
):
    board = board_of(make_server(demo_settings))
    scope = Scope(frozenset({"110105"}))
    for name in ("_answers", "_programme", "_projects", "_shell", "project"):
        monkeypatch.setattr(sys.modules[f"pages.{name}"], "reader", lambda: scope)
    own = [each for each in ledger if each.district == "110105"]
    elsewhere = next(each for each in ledger if each.district == "110106")
    for search in ("", "?district=110106", "?district=110105,110106"):
        question = asked(board, search)
        for panel in LEDGER_PANELS:
            said = words(drawn(board, panel, question))
            assert not any(each.code in said for each in ledger if each.district != "110105")
    question = asked(board, "")
    summary = drawn(board, "projects-summary", question)
    assert number(cards(summary)["项目"]) == str(len(own))
    _, total = boards(drawn(board, "projects-stages", question))
    assert total[1:3] == [count(len(own)), count(left(own))]
    hidden = of_project(board, "project-summary", question, elsewhere.code)
    assert title(hidden) == "没有这个项目"
    assert elsewhere.name not in words(hidden)
    for panel in PROJECT_PANELS[1:]:
        assert words(of_project(board, panel, question, elsewhere.code)) == ""
    # The place among all would tell of the others.
    each = max(own, key=lambda each: each.left)
    card = cards(of_project(board, "project-summary", question, each.code))["剩余量的名次"]
    assert number(card) == "1"
    assert "北京" not in words(card)
    similar = of_project(board, "project-similar", question, each.code)
    others = [other for other in own if other.developer == each.developer and other is not each]
    if others:
        assert codes_of(similar) == expected_order(others, "remaining")
    else:
        assert "只有这一个项目" in words(similar)


# --- Other data ---------------------------------------------------------------------------------


def test_a_city_without_a_ledger(empty_settings: Settings, make_server: MakeServer):
    publish(empty_settings, stage(empty_settings, cases=300), lambda *_: None)
    board = board_of(make_server(empty_settings))
    question = asked(board, "?stage=方案制定&stuck=8")
    summary = drawn(board, "projects-summary", question)
    assert title(summary) == "没有项目台账"
    assert of_class(summary, "state-empty")
    for panel in LEDGER_PANELS[1:]:
        assert words(drawn(board, panel, question)) == ""
    assert title(of_project(board, "project-summary", question, "P1")) == "没有这个项目"


TWO_LEDGERS = """
INSERT INTO targets VALUES
    (1, 't1', 1, '办证', '套', 100, 500, DATE '2021-01-01', DATE '2021-03-01', 'up', true),
    (2, 't2', 2, '加装', '部', 50, 90, DATE '2021-01-01', DATE '2021-12-31', 'up', true);
INSERT INTO projects VALUES
    (1, 'A/1', '甲', 1, 2, 1, NULL, 300, 0, '摸底', DATE '2021-01-04', NULL, NULL, NULL, NULL,
     DATE '2021-03-30'),
    (2, 'A2', '乙', 1, NULL, NULL, '社区1', 200, 0, '无此阶段', NULL, '企业', NULL, NULL, NULL,
     NULL),
    (3, 'B1', '丙', 2, 3, 2, '社区1', 90, 90, '办结', NULL, '企业', NULL, NULL, NULL,
     DATE '2021-01-01');
INSERT INTO project_stages VALUES ('摸底', 1, 10), ('办结', 2, 0);
"""


def test_ledgers_of_several_targets_are_never_added_up(
    empty_settings: Settings, make_server: MakeServer
):
    tables = frozenset(REFERENCE) | {"targets", "projects", "project_stages"}
    staged = stage(
        empty_settings, cases=300, change=TWO_LEDGERS, tables=tables,
        cutoff=dt.datetime(2021, 4, 6, 9),
    )  # fmt: skip
    publish(empty_settings, staged, lambda *_: None)
    board = board_of(make_server(empty_settings))
    first, second = asked(board, ""), asked(board, "?target=t2")
    summary = drawn(board, "projects-summary", first)
    assert title(summary) == "2个项目剩余500套：1个近4周没有进展，涉及300套"
    found = cards(summary)
    # Nobody knows since when the second stands, nor how long it takes, nor until when it may.
    assert "另有1个进展不详" in words(found["零：近4周没有进展"])
    assert (number(found["逾期"]), "1个没有期限" in words(found["逾期"])) == ("1", True)
    slow = found["按通常用时，2021-03-01前办不完"]
    assert (number(slow), "1个没有通常用时" in words(slow)) == ("1", True)
    assert title(drawn(board, "projects-summary", second)) == "1个项目已全部办结"
    (link,) = of_type(facets(summary)["目标"]["加装"], "Link")
    assert options_of(link["props"]["href"]) == {"target": ["t2"]}
    rows, total = boards(drawn(board, "projects-causes", first))
    assert (list(rows), total[:2]) == (["未写明"], ["合计", "2"])
    table = drawn(board, "projects-table", asked(board, "?sort=overdue"))
    assert codes_of(table) == ["A%2F1", "A2"]
    texts = table_rows(of_type(table, "Tbody"))
    assert texts[0][10] == "2021-03-30逾期7天"
    assert (texts[1][1], texts[1][5], texts[1][7]) == ("未定位", "无此阶段起始不详", "—（不详）")
    for code in ("A/1", "A%2F1", "A2", "B1"):
        for panel in PROJECT_PANELS:
            of_project(board, panel, first, code)
    said = title(of_project(board, "project-summary", first, "A%2F1"))
    assert said == "甲：300套未办，已13周没有进展，逾期7天"
    assert "不能与诉求对应" in words(of_project(board, "project-cases", first, "A/1"))
    assert title(of_project(board, "project-summary", first, "B1")) == "丙：90部已全部办结"
    assert title(of_project(board, "project-summary", first, "A2")).endswith("最近一次进展不详")
    assert "没有步骤" in words(of_project(board, "project-course", first, "A2"))
    # The same developer in another ledger is another matter.
    assert "只有这一个项目" in words(of_project(board, "project-similar", first, "A2"))
