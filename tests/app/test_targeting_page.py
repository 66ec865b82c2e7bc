"""抓零抓大户 and the plan on the screen: every figure equals a loop over the rows."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import statistics
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from components.formatting import amount, count, share
from data_access import schema
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot
from tests.app.board import Board, MakeServer, board_of, nodes, of_class, of_type, table_rows, words
from tests.data.staging import REFERENCE, stage

PANELS = tuple(f"targeting-{part}" for part in ("summary", "pictures", "map", "leverage", "table"))
PLAN_PANELS = tuple(f"plan-{part}" for part in ("summary", "projects", "districts"))
CUTOFF, DUE, START = dt.date(2021, 4, 12), dt.date(2021, 12, 31), dt.date(2021, 1, 1)
WEEKS = 4
SEARCHES = {
    "default": "",
    "other weeks": "?quiet=8&large=80&floor=500",
    "a district": "?district=110113",
    "a street": "?subdistrict=110112121",
    "streets": "?by=subdistrict&district=110112",
    "projects": "?by=project&quiet=8",
    "developers": "?by=developer",
    "causes": "?by=cause&faster=30",
    "another target": "?target=2021-08-1",
    "its topic": "?topic=2021-08",
    "no such target": "?target=nonsense&by=project",
    "filters that do not count here": "?channel=web&unit=U003&period=week-2021-W10&basis=all",
}


# --- The same by loops --------------------------------------------------------------------------


@dataclass
class District:
    """A district as the tables have it; figures of the certificates up to the cut-off."""

    code: str
    name: str
    goal: float
    stock: float
    figures: list[tuple[dt.date, float]] = field(default_factory=list)

    def done(self, day: dt.date) -> float:
        known = [value for on, value in self.figures if on <= day]
        return known[-1] if known else 0.0

    @property
    def left(self) -> float:
        return self.stock - self.done(CUTOFF)

    @property
    def recent(self) -> float:
        return self.done(CUTOFF) - self.done(CUTOFF - dt.timedelta(weeks=WEEKS))

    @property
    def completion(self) -> float:
        return self.done(CUTOFF) / self.goal


def rows_of(snapshot: Snapshot, table: sa.Table) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture(scope="module")
def districts(snapshot: Snapshot) -> list[District]:
    found: dict[int, District] = {}
    names = {row["id"]: row for row in rows_of(snapshot, schema.districts)}
    for row in rows_of(snapshot, schema.district_targets):
        if row["target_id"] == 1:
            place = names[row["district_id"]]
            found[place["id"]] = District(
                place["code"], place["short_name"], row["value"], row["stock"]
            )
    for row in sorted(rows_of(snapshot, schema.progress), key=lambda each: each["on_date"]):
        if row["target_id"] == 1 and row["district_id"] and row["on_date"] <= CUTOFF:
            found[row["district_id"]].figures.append((row["on_date"], row["value"]))
    return list(found.values())


def newest(districts: list[District]) -> dt.date:
    return max(each.figures[-1][0] for each in districts)


def scheduled(day: dt.date) -> float:
    return ((day - START).days + 1) / 365


def zero_of(districts: list[District], weeks: int = WEEKS) -> set[str]:
    """Return the names on 抓零: nothing done in the weeks, or less than half of what was due."""
    day = newest(districts)
    floor = 0.05 * statistics.mean(each.stock for each in districts)
    found = set()
    for each in districts:
        quiet = each.done(day) <= each.done(day - dt.timedelta(weeks=weeks))
        slow = each.completion < 0.5 * scheduled(day)
        if (quiet or slow) and each.left >= floor and each.completion < 1:
            found.add(each.name)
    return found


def large_of(districts: list[District], part: float = 0.6) -> list[str]:
    """Return the names of the fewest that hold the share, the most left first."""
    whole, held, found = sum(each.left for each in districts), 0.0, []
    for each in sorted(districts, key=lambda each: -each.left):
        if held >= part * whole:
            break
        held += each.left
        found.append(each.name)
    return found


def panel(board: Board, name: str, search: str = "") -> Any:
    answer = board.panel(name, search)
    assert answer.sound, (name, search, answer.text[:400])
    return answer.props[name]["children"]


def title(tree: Any) -> str:
    return words(of_type(tree, "H1")[0])


# --- The page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
@pytest.mark.parametrize("name", [*PANELS, *PLAN_PANELS])
def test_every_panel_answers(board: Board, name: str, search: str):
    tree = panel(board, name, search)
    assert "nan" not in words(tree).lower()
    # Only the certificates have a ledger; only districts have places on a map.
    if not name.startswith(("targeting-map", "plan-")) or not search:
        assert words(tree)


def test_the_two_lists(board: Board, districts: list[District]):
    tree = panel(board, "targeting-summary")
    zero, large = zero_of(districts), large_of(districts)
    both = zero & set(large)
    assert zero  # the planted one, at least
    assert title(tree) == (
        f"办理不动产权证书：{len(zero)}区列入抓零，{len(large)}区列入抓大户，"
        + (f"双抓{len(both)}区" if both else "没有双抓")
    )
    lists = [
        [words(of_type(line, "Link")[0]) for line in of_class(section, "target-line")]
        for section in of_class(tree, "target-panel")
    ]
    assert set(lists[0]) == zero
    assert lists[1] == large[:6]


def test_why_and_for_how_long(board: Board, districts: list[District]):
    """The planted district: nothing for weeks; on the list since four weeks were full."""
    tree = panel(board, "targeting-summary")
    (line,) = [
        each
        for each in of_class(of_class(tree, "target-panel")[0], "target-line")
        if "顺义" in words(each)
    ]
    (own,) = [each for each in districts if each.name == "顺义"]
    day = newest(districts)
    moved = max(
        on for (_, before), (on, now) in zip(own.figures, own.figures[1:], strict=False)
        if now > before
    )  # fmt: skip
    assert f"{(day - moved).days // 7}周没有进展" in words(line)
    on_list, at = 0, CUTOFF
    while own.name in listed_at(districts, at):
        on_list, at = on_list + 1, at - dt.timedelta(weeks=1)
    assert f"连续第{on_list}周" in words(line)
    assert amount(own.left, "套", own.left) in words(line)


def listed_at(districts: list[District], at: dt.date) -> set[str]:
    """Return 抓零 as it was at a day, with the figures known then."""
    if (at - START).days + 1 < 7 * WEEKS:
        return set()
    then = [
        District(each.code, each.name, each.goal, each.stock,
                 [figure for figure in each.figures if figure[0] <= at])
        for each in districts
    ]  # fmt: skip
    day = newest(then)
    if (day - START).days + 1 < 7 * WEEKS:
        return set()
    floor = 0.05 * statistics.mean(each.stock for each in then)
    found = set()
    for each in then:
        done = each.done(day)
        quiet = done <= each.done(day - dt.timedelta(weeks=WEEKS))
        slow = done / each.goal < 0.5 * scheduled(day)
        if (quiet or slow) and each.stock - done >= floor and done < each.goal:
            found.add(each.name)
    return found


def test_the_table_has_every_district(board: Board, districts: list[District]):
    tree = panel(board, "targeting-table")
    rows = {row[0]: row for row in table_rows(tree)}
    whole = sum(each.left for each in districts)
    day = newest(districts)
    for each in districts:
        row = rows[each.name]
        assert row[3] == count(each.left)
        assert row[4] == share(each.left / whole)
        assert row[5] == share(each.completion)
        gap = 100 * (each.completion - scheduled(day))
        assert float(row[6].replace("−", "-")) == pytest.approx(gap, abs=0.0501)
        if each.recent > 0:
            assert row[7] == f"+{count(each.recent)}"
        else:
            assert row[7] == "没有进展"
    order = [row[0] for row in table_rows(tree)[1:-1]]
    assert order == [each.name for each in sorted(districts, key=lambda each: -each.left)]
    assert rows["北京市合计"][3] == count(whole)


def test_the_pictures_show_the_same(board: Board, districts: list[District]):
    tree = panel(board, "targeting-pictures")
    quadrant, pareto = (graph["props"]["figure"] for graph in of_type(tree, "Graph"))
    at = {}
    for trace in quadrant["data"]:
        for x, y, name in zip(trace["x"], trace["y"], trace["hovertext"], strict=True):
            at[name.split("：")[0]] = (x, y)
    day = newest(districts)
    for each in districts:
        x, y = at[each.name]
        assert x == pytest.approx(each.left)
        assert y == pytest.approx(100 * (each.completion - scheduled(day)))
    ordered = sorted(districts, key=lambda each: -each.left)
    assert pareto["data"][0]["x"] == pytest.approx([each.left for each in ordered])
    assert pareto["layout"]["yaxis"]["ticktext"] == [each.name for each in ordered]
    dark = [
        place for place, colour in enumerate(pareto["data"][0]["marker"]["color"])
        if colour == "#17457f"
    ]  # fmt: skip
    assert dark == list(range(len(large_of(districts))))
    assert {trace["type"] for trace in [*quadrant["data"], *pareto["data"]]} == {"scatter", "bar"}
    held = sum(each.left for each in ordered[: len(dark)]) / sum(each.left for each in ordered)
    assert f"的{share(held)}。" in words(tree)


@pytest.mark.parametrize("faster", [10, 30])
def test_what_attention_brings(board: Board, districts: list[District], faster: int):
    tree = panel(board, "targeting-leverage", f"?faster={faster}")
    day = newest(districts)
    weeks = (DUE - day).days / 7
    paces = {each.name: each.recent / WEEKS for each in districts}
    median = statistics.median(paces[each.name] / each.goal for each in districts if each.left > 0)
    to_median, by_speed = {}, {}
    for each in districts:
        pace = paces[each.name]
        expected = min(pace * weeks, each.left)
        to_median[each.name] = max(min(median * each.goal * weeks, each.left) - expected, 0)
        by_speed[each.name] = min(pace * (1 + faster / 100) * weeks, each.left) - expected
    rows = {row[0]: row for row in table_rows(tree)}
    for name, row in rows.items():
        if name in to_median:
            assert float(row[2].replace(",", "")) == pytest.approx(to_median[name], abs=0.51)
            assert float(row[3].replace(",", "")) == pytest.approx(by_speed[name], abs=0.51)
    zero, large = zero_of(districts), large_of(districts)
    gained = sum(to_median[name] for name in zero)
    more = sum(by_speed[name] for name in large)
    assert f"+{amount(gained, '套', gained)}" in words(tree)
    assert f"+{amount(more, '套', more)}" in words(tree)
    most = max(to_median, key=lambda name: max(to_median[name], by_speed[name]))
    assert table_rows(tree)[1][0] == most


@pytest.mark.parametrize(
    ("search", "weeks", "part"), [("?quiet=8", 8, 0.6), ("?large=80", 4, 0.8), ("?quiet=2", 2, 0.6)]
)
def test_other_thresholds_are_a_trial(
    board: Board, districts: list[District], search: str, weeks: int, part: float
):
    tree = panel(board, "targeting-summary", search)
    zero, large = zero_of(districts, weeks), large_of(districts, part)
    said = title(tree)
    assert (f"{len(zero)}区列入抓零" if zero else "没有区列入抓零") in said
    assert f"{len(large)}区列入抓大户" in said
    assert "试算" in words(of_class(tree, "page-strip"))
    assert [words(each) for each in of_type(tree, "Link")].count("恢复规则") == 1


def test_a_chosen_district_is_marked_everywhere(board: Board):
    search = "?district=110113"
    lines = of_class(panel(board, "targeting-summary", search), "is-chosen")
    assert any("顺义" in words(each) for each in lines)
    assert "顺义" in words(of_class(panel(board, "targeting-map", search), "is-chosen"))
    assert "顺义" in words(of_class(panel(board, "targeting-table", search), "row-marked"))
    figures = [
        graph["props"]["figure"]
        for graph in of_type(panel(board, "targeting-pictures", search), "Graph")
    ]
    assert "<b>顺义</b>" in figures[1]["layout"]["yaxis"]["ticktext"]


def test_projects_are_counted_once_whatever_the_grouping(board: Board, snapshot: Snapshot):
    left = sum(row["units"] - row["done"] for row in rows_of(snapshot, schema.projects))
    for by in ("subdistrict", "project", "developer", "cause"):
        tree = panel(board, "targeting-table", f"?by={by}")
        rows = {row[0]: row for row in table_rows(tree)}
        assert rows["北京市合计"][3] == count(left), by


def test_a_project_is_on_the_list_only_when_neither_units_nor_stage_moved(
    board: Board, snapshot: Snapshot, districts: list[District]
):
    day = newest(districts)
    since = day - dt.timedelta(weeks=WEEKS)
    moved = {
        row["project_id"]
        for row in rows_of(snapshot, schema.project_log)
        if since < row["on_date"] <= CUTOFF
    }
    projects = rows_of(snapshot, schema.projects)
    floor = 0.05 * sum(row["units"] for row in projects) / len(projects)
    stuck = [
        row for row in projects
        if row["id"] not in moved and row["done"] < row["units"]
        and row["units"] - row["done"] >= floor
    ]  # fmt: skip
    assert f"：{len(stuck)}个项目列入抓零" in title(
        panel(board, "targeting-summary", "?by=project")
    )


def test_the_export_has_the_numbers_of_the_screen(
    server: Flask, board: Board, districts: list[District]
):
    response = server.test_client().get("/export/targeting.csv")
    assert response.status_code == 200
    rows = list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"))))
    assert rows[0][0] == "抓零抓大户_办理不动产权证书_按区"
    head = next(place for place, row in enumerate(rows) if row and row[0] == "代码")
    told = dict(row for row in rows[1:head] if row)
    assert told["注意"].startswith("演示数据")
    assert told["进度截至"] == str(CUTOFF)
    body = {row[1]: dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]}
    assert set(body) == {each.name for each in districts}
    for each in districts:
        assert float(body[each.name]["剩余（套）"]) == each.left
        assert float(body[each.name]["完成率（百分数）"]) == pytest.approx(100 * each.completion)
    zero = {name for name, row in body.items() if row["名单"] in ("抓零", "双抓")}
    assert zero == zero_of(districts)
    book = server.test_client().get("/export/targeting.xlsx")
    assert (book.status_code, book.data[:2]) == (200, b"PK")
    assert "no-store" in book.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/export/nothing.xlsx", "/export/targeting.pdf"])
def test_an_export_that_is_not_there(server: Flask, path: str):
    assert server.test_client().get(path).status_code == 404


def test_an_export_says_what_it_could_not_use(server: Flask):
    response = server.test_client().get("/export/targeting.csv?district=nowhere&quiet=99")
    assert response.status_code == 200
    said = response.data.decode("utf-8-sig")
    assert "未采用的筛选" in said
    assert "nowhere" in said


def test_who_reaches_the_page_from_the_overview(board: Board, districts: list[District]):
    tree = panel(board, "overview-summary")
    hrefs = [link["props"]["href"] for link in of_type(of_class(tree, "exceptions"), "Link")]
    text = words(of_class(tree, "exceptions"))
    if "双抓" in text or "抓零（" in text:
        assert any(href.startswith("/targeting?") for href in hrefs)
    own = panel(board, "overview-summary", "?district=110113")
    assert "抓零（办理不动产权证书）" in words(of_class(own, "exceptions"))
    other = panel(board, "overview-summary", "?district=110101")
    assert "抓零" not in words(of_class(other, "exceptions"))


# --- Without stock ------------------------------------------------------------------------------


@pytest.fixture
def bare(empty_settings: Settings, make_server: MakeServer) -> Board:
    """Give a board whose data has neither targets nor projects."""
    staged = stage(
        empty_settings, cases=400, first=dt.date(2021, 1, 1), days=90,
        cutoff=dt.datetime(2021, 4, 2), tables=frozenset(REFERENCE),
    )  # fmt: skip
    publish(empty_settings, staged, lambda *_: None)
    return board_of(make_server(empty_settings))


def test_without_stock_the_pages_say_what_to_load(bare: Board):
    assert "district_targets" in words(panel(bare, "targeting-summary"))
    assert "projects" in words(panel(bare, "plan-summary"))
    for name in [*PANELS[1:], *PLAN_PANELS[1:]]:
        assert not words(panel(bare, name))
    status, body = bare.ask("GET", "/export/plan.csv", None)
    assert status == 200
    assert "达标方案" in body.decode("utf-8-sig")


# --- The plan -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """The plan as the export has it."""

    chosen: list[dict[str, str]]
    told: dict[str, str]


def planned(server: Flask, search: str = "") -> Planned:
    response = server.test_client().get(f"/export/plan.csv{search}")
    assert response.status_code == 200
    rows = list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"))))
    head = next(place for place, row in enumerate(rows) if row and row[0] == "代码")
    return Planned(
        [dict(zip(rows[head], row, strict=True)) for row in rows[head + 1 :]],
        dict(row for row in rows[1:head] if row),
    )


def missing_of(snapshot: Snapshot) -> float:
    city = [
        row for row in rows_of(snapshot, schema.progress)
        if row["target_id"] == 1 and row["district_id"] is None and row["on_date"] <= CUTOFF
    ]  # fmt: skip
    return 100_000 - max(city, key=lambda row: row["on_date"])["value"]


def capacity_of(each: District, stretch: float = 1.5) -> float:
    """Return what a district can clear: its fastest four weeks, stretched, until the due day."""
    best = 0.0
    for on, value in each.figures:
        then = max(on - dt.timedelta(weeks=WEEKS), each.figures[0][0])
        best = max(best, value - value_at(each, then))
    return stretch * best / WEEKS * (DUE - CUTOFF).days / 7


def value_at(each: District, day: dt.date) -> float:
    """Return the figure of a day, evenly spread between two reports."""
    before = [figure for figure in each.figures if figure[0] <= day][-1]
    after = next(figure for figure in each.figures if figure[0] >= day)
    if before[0] == after[0]:
        return before[1]
    part = (day - before[0]).days / (after[0] - before[0]).days
    return before[1] + part * (after[1] - before[1])


def weeks_of(snapshot: Snapshot) -> dict[str, float]:
    """Return code → usual weeks until a project is finished."""
    stages = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.project_stages)}
    causes = {row["name"]: row["weeks"] for row in rows_of(snapshot, schema.causes)}
    of_project: dict[int, list[str]] = {}
    for row in rows_of(snapshot, schema.project_causes):
        of_project.setdefault(row["project_id"], []).append(row["cause"])
    return {
        row["code"]: stages[row["stage"]]
        + (0 if row["done"] else max(causes[cause] for cause in of_project[row["id"]]))
        for row in rows_of(snapshot, schema.projects)
    }


def test_the_plan_reaches_the_target_within_its_limits(
    server: Flask, board: Board, snapshot: Snapshot, districts: list[District]
):
    found = planned(server)
    missing = missing_of(snapshot)
    units = [float(row["剩余（套）"]) for row in found.chosen]
    assert sum(units) >= missing
    # None is too many: without its smallest the plan would not do.
    assert sum(units) - min(units) < missing
    weeks = weeks_of(snapshot)
    left = (DUE - CUTOFF).days / 7
    assert all(weeks[row["代码"]] <= left for row in found.chosen)
    room = {each.name: capacity_of(each) for each in districts}
    used: dict[str, float] = {}
    for row in found.chosen:
        used[row["区"]] = used.get(row["区"], 0) + float(row["剩余（套）"])
    assert all(used[name] <= room[name] + 1e-6 for name in used)
    # No plan of fewer projects: not even the largest of all that can be chosen reach so far.
    open_ = sorted(
        (
            row["units"] - row["done"]
            for row in rows_of(snapshot, schema.projects)
            if row["done"] < row["units"] and weeks[row["code"]] <= left
        ),
        reverse=True,
    )
    assert sum(open_[: len(units) - 1]) < missing or "已证最少" in found.told["方案"]
    assert f"办结{len(units)}个项目即可（已证最少）" in title(panel(board, "plan-summary"))
    assert f"还差{amount(missing, '套', missing)}达到10万套" in title(panel(board, "plan-summary"))
    shown = table_rows(panel(board, "plan-projects"))
    assert [row[0] for row in shown[1:-1]] == [row["项目"] for row in found.chosen]
    assert shown[-1][2] == count(sum(units))


def test_capacity_of_the_districts_on_the_screen(board: Board, districts: list[District]):
    rows = {row[0]: row for row in table_rows(panel(board, "plan-districts", "?stretch=200"))}
    for each in districts:
        shown = float(rows[each.name][3].replace(",", ""))
        assert shown == pytest.approx(capacity_of(each, 2.0), abs=0.51), each.name


def test_a_barred_project_is_replaced_and_a_fixed_one_stays(server: Flask, board: Board):
    first = planned(server)
    codes = [row["代码"] for row in first.chosen]
    barred = planned(server, f"?bar={codes[0]}")
    assert codes[0] not in [row["代码"] for row in barred.chosen]
    assert len(barred.chosen) >= len(codes)
    estate = planned(server, "?fix=P0001&bar=" + codes[1])
    again = [row["代码"] for row in estate.chosen]
    assert codes[1] not in again
    tree = panel(board, "plan-projects", f"?bar={codes[0]}")
    assert "已排除：" in words(tree)
    # The links re-plan: fixing adds the code, barring takes it out of the fixed.
    hrefs = [link["props"]["href"] for link in of_type(panel(board, "plan-projects"), "Link")]
    assert any(f"bar={codes[0]}" in href for href in hrefs)
    assert any(f"fix={codes[0]}" in href for href in hrefs)


def test_what_the_url_names_in_vain_is_said(board: Board):
    tree = panel(board, "plan-summary", "?fix=P9999,nobody&bar=P9999")
    said = words(tree)
    assert "P9999" in said
    assert "nobody" in said
    assert "既必选又排除" in said


def test_a_target_out_of_reach_says_what_is_missing(board: Board, server: Flask):
    tree = panel(board, "plan-summary", "?stretch=10")
    said = title(tree)
    found = re.search(r"最多再办(.+)，仍缺(.+)", said)
    assert found, said
    units = sum(float(row["剩余（套）"]) for row in planned(server, "?stretch=10").chosen)
    assert found.group(1) == amount(units, "套", units)


def test_no_number_is_lost_between_districts_and_projects(
    snapshot: Snapshot, districts: list[District]
):
    """What the page by project says is what the districts reported."""
    done: dict[int, int] = {}
    for row in rows_of(snapshot, schema.projects):
        done[row["district_id"]] = done.get(row["district_id"], 0) + row["done"]
    names = {row["id"]: row["short_name"] for row in rows_of(snapshot, schema.districts)}
    by_name = {names[key]: value for key, value in done.items()}
    assert by_name == {each.name: each.done(CUTOFF) for each in districts}
    assert math.isclose(sum(done.values()), 100_000 - missing_of(snapshot))


def test_ids_of_the_panels_are_there(server: Flask):
    for path in ("/targeting", "/plan", "/projects"):
        assert server.test_client().get(path).status_code == 200


def test_links_of_the_page_are_ours(board: Board):
    for name in (*PANELS, *PLAN_PANELS):
        for node in nodes(panel(board, name)):
            href = node["props"].get("href")
            assert href is None or href.startswith("/")
