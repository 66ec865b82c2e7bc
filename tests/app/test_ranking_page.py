"""三率与排名 on the screen and in its files: figures, ranks, bands and tiers equal plain loops."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from python_calamine import CalamineWorkbook

from components.formatting import change_text, count, value_text
from components.place import band_text, rank_change_text
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot, Store, open_store
from domain.metrics import METRICS, Change, Metric
from domain.periods import Window
from domain.ranking import RankChange
from domain.rules import Rules
from domain.scope import CITY
from pages._ranking import street_names
from tests import oracle
from tests.app.board import Board, board_of, nodes, of_class, of_type, table_rows, words
from tests.data.staging import REFERENCE, stage

PANELS = tuple(
    f"ranking-{part}" for part in ("summary", "table", "funnel", "course", "integrity", "rates")
)
KEYS = ("composite", "response", "resolution", "satisfaction", "on_time")
Z = statistics.NormalDist().inv_cdf(0.975)
# Four finished 考核期 of cases; everybody has been asked by the cut-off.
FIRST, DAYS, CUTOFF = dt.date(2020, 11, 19), 120, dt.datetime(2021, 4, 30, 12)
PERIODS = tuple(f"assess-{month}" for month in ("2020-12", "2021-01", "2021-02", "2021-03"))
WHOLE = "period=2020-11-19..2021-03-18"
FORMULA = '=HYPERLINK("http://x.example","点我")'
# District 9 always does well, its street 8 is the largest; in the last period 6 does badly, 12
# loses revisits and leaves out cases. Street 20 does badly until then, street 50 has a handful
# of cases, all perfect. Some places and units are not known.
PLANTED = f"""
UPDATE incoming SET subdistrict_id = (1 + hash(case_id || 'p') % 40)::SMALLINT
    WHERE subdistrict_id IS NOT NULL AND hash(case_id) % 20 > 0 OR subdistrict_id = 50;
UPDATE incoming SET subdistrict_id = 8
    WHERE subdistrict_id IS NOT NULL AND hash(case_id || 'l') % 12 = 0;
UPDATE incoming SET district_id = 1 + subdistrict_id % 17 WHERE subdistrict_id IS NOT NULL;
UPDATE incoming SET lead_unit_id = NULL WHERE hash(case_id || 'u') % 60 = 0;
UPDATE incoming SET contacted = hash(case_id || 'c') % 100 < 98,
    resolved = (CASE WHEN hash(case_id || 'r') % 100 < 94 THEN 1
        WHEN hash(case_id || 'r') % 100 < 97 THEN 2 ELSE 0 END)::SMALLINT,
    satisfaction = (CASE WHEN hash(case_id || 's') % 100 < 87 THEN 1
        WHEN hash(case_id || 's') % 100 < 93 THEN 2
        WHEN hash(case_id || 's') % 100 < 96 THEN 0 ELSE 3 END)::SMALLINT
    WHERE valid_revisit;
UPDATE incoming SET contacted = true, resolved = 1, satisfaction = 1
    WHERE valid_revisit AND district_id = 9 AND hash(case_id || 'g') % 50 > 0;
UPDATE incoming SET resolved = 0, satisfaction = 0 WHERE valid_revisit AND district_id = 6
    AND created_on >= DATE '2021-02-19' AND hash(case_id || 'b') % 100 < 30;
UPDATE incoming SET resolved = 0 WHERE valid_revisit AND subdistrict_id = 20
    AND created_on < DATE '2021-02-19' AND hash(case_id || 'i') % 100 < 80;
UPDATE incoming SET on_time = false WHERE closed AND district_id = 6
    AND hash(case_id || 'o') % 100 < 30;
UPDATE incoming SET excluded = true WHERE district_id = 12 AND created_on >= DATE '2021-02-19'
    AND hash(case_id || 'e') % 100 < 20;
UPDATE incoming SET valid_revisit = false, contacted = NULL, resolved = NULL, satisfaction = NULL
    WHERE valid_revisit AND district_id = 12 AND created_on >= DATE '2021-02-19'
    AND hash(case_id || 'v') % 100 < 45;
UPDATE incoming SET subdistrict_id = 50, district_id = 17, valid_revisit = true, contacted = true,
    resolved = 1, satisfaction = 1, excluded = false, assessed = true
    WHERE case_id IN (SELECT case_id FROM incoming WHERE created_on >= DATE '2021-02-19'
        AND hash(case_id || 'e') % 5 > 0 ORDER BY hash(case_id || 't') LIMIT 33);
UPDATE districts SET zone = CASE WHEN id <= 2 THEN '核心区' WHEN id <= 6 THEN '中心城区'
    WHEN id <= 8 THEN '城市副中心' WHEN id <= 11 THEN '平原新城'
    WHEN id <= 15 THEN '生态涵养区' END;
UPDATE units SET name = '{FORMULA}' WHERE id = 3;
UPDATE categories SET tag = CASE WHEN level = 1 THEN '便利性' END;
"""
SEARCHES = {
    "districts": "",
    "streets": "?by=subdistrict",
    "units": f"?by=unit&{WHOLE}",
    "resolution": "?rank_by=resolution",
    "response of streets": "?by=subdistrict&indicator=response",
    "satisfaction": "?indicator=satisfaction&compare=year",
    "on time, everything": "?by=subdistrict&indicator=on_time&basis=all",
    "on time of units": f"?by=unit&indicator=on_time&{WHOLE}",
    "a channel, no comparison": "?channel=phone&compare=none",
    "other weights": "?weights=30-35-35",
    "other weights of streets": "?by=subdistrict&weights=0-0-100",
}
NONSENSE = {
    "a page too far": "?by=subdistrict&page=9999",
    "a page of letters": "?by=subdistrict&page=abc",
    "weights of letters": "?weights=abc",
    "weights of too much": "?weights=50-50-50",
    "no such unit": "?by=xyz",
    "a unit of another page": "?by=project",
    "a league of its own": "?league=xyz",
    "an indicator that is no merit": "?indicator=volume",
    "no case at all": "?period=year-1999",
    "nobody there": "?district=110101&channel=nothing",
    "weights where they do not count": "?indicator=response&weights=30-35-35",
    "a street of another district": "?by=unit&district=110101&subdistrict=110100001",
    "everything at once": "?by=subdistrict&league=own&weights=20-40-40&page=3&basis=all",
}


# --- The same by loops --------------------------------------------------------------------------


@dataclass
class Group:
    """A unit with its cases of a window."""

    code: str
    cases: list[oracle.Case]


@dataclass
class Scored:
    """The scores of a unit's cases: how many, Σ, Σ of squares; what of them is final."""

    n: int
    total: float
    squares: float
    ripe: bool

    @property
    def mean(self) -> float:
        # Sums of floats in another order may differ in the last digit, and 100 is not 99.99.
        return round(self.total / self.n, 9) if self.n else math.nan

    @property
    def variance(self) -> float:
        return max(self.squares / self.n - self.mean**2, 0.0) if self.n else 0.0

    def __add__(self, other: Scored) -> Scored:
        return Scored(self.n + other.n, self.total + other.total, self.squares + other.squares,
                      True)  # fmt: skip


def scores(
    key: str, cases: Sequence[oracle.Case], cutoff: dt.datetime, rules: Rules
) -> list[float]:
    """Return the score of every case that counts: 0–1, of 综合成绩 0–100."""
    if key == "on_time":
        counts = oracle.tally(cases, cutoff, rules)
        return [1.0] * counts["on_time"] + [0.0] * (counts["late"] + counts["overdue"])
    found = []
    for case in cases:
        if not case.valid_revisit:
            continue
        each = {
            "response": 1.0 if case.contacted else 0.0,
            "resolution": {1: 1.0, 2: rules.partly_resolved_credit}.get(case.resolved or 0, 0.0),
            "satisfaction": {1: 1.0, 2: rules.basic_satisfied_credit}.get(
                case.satisfaction or 0, 0.0
            ),
        }
        each["composite"] = 100 * (
            rules.weight_response * each["response"]
            + rules.weight_resolution * each["resolution"]
            + rules.weight_satisfaction * each["satisfaction"]
        )
        found.append(each[key])
    return found


def scored(key: str, group: Group, cutoff: dt.datetime, rules: Rules) -> Scored:
    listed = scores(key, group.cases, cutoff, rules)
    ripe = True
    if key != "on_time" and group.cases:
        mature = oracle.tally(group.cases, cutoff, rules)["mature"]
        ripe = mature >= rules.mature_share * len(group.cases)
    return Scored(len(listed), math.fsum(listed), math.fsum(each**2 for each in listed), ripe)


def bounds(key: str, own: Scored) -> tuple[float, float]:
    """Return the 95 % interval: Wilson's with the variance of the scores; where some lie between
    yes and no, at either end what reaches farther of it and the error of the mean.
    """
    n, scale = own.n, 100.0 if key == "composite" else 1.0
    part, variance = own.mean / scale, own.variance / scale**2
    centre = (part + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(variance / n + Z**2 / (4 * n**2))
    ends = [centre - half, centre + half]
    # Of scores that are yes or no alone, the squares are the scores.
    if key == "composite" or abs(own.squares - own.total) > 1e-5 * own.total:
        error = Z * math.sqrt(variance / n)
        ends += [part - error, part + error]
    return max(min(ends), 0.0) * scale, min(max(ends), 1.0) * scale


def errors_apart(one: Scored, other: Scored) -> float:
    """Return the difference in standard errors, the larger of the pooled and the own error."""
    difference = one.mean - other.mean
    both = one + other
    squared = max(
        both.variance * (1 / one.n + 1 / other.n),
        one.variance / one.n + other.variance / other.n,
    )
    return 0.0 if abs(difference) < 1e-9 or not squared else difference / math.sqrt(squared)


def beyond_chance(z_values: Sequence[float], rate: float) -> list[bool]:
    """Return which tests hold under Benjamini and Hochberg's false discovery rate."""
    p_values = [math.erfc(abs(z) / math.sqrt(2)) for z in z_values]
    limit = 0.0
    for place, p_value in enumerate(sorted(p_values), 1):
        if p_value <= rate * place / len(p_values):
            limit = p_value
    return [p_value <= limit and limit > 0 for p_value in p_values]


def band(own: int, units: Sequence[Scored], error: float) -> tuple[int, int]:
    tests = sorted(
        (math.erfc(abs(z) / math.sqrt(2)), z)
        for place, other in enumerate(units)
        if place != own
        for z in [errors_apart(units[own], other)]
    )
    better = worse = 0
    for done, (p_value, z) in enumerate(tests):
        if p_value > error / (len(tests) - done):
            break
        better, worse = better + (z < 0), worse + (z > 0)
    return 1 + better, len(units) - worse


@dataclass
class Placed:
    """A ranked unit."""

    code: str
    own: Scored
    rank: int
    band: tuple[int, int]
    tier: str
    low: float
    high: float
    z: float


def others(own: Scored, everyone: Sequence[Scored]) -> Scored:
    result = Scored(0, 0.0, 0.0, True)
    for each in everyone:
        if each is not own:
            result = result + each
    return result


def ranked(
    key: str, groups: Sequence[Group], cutoff: dt.datetime, rules: Rules
) -> tuple[list[Placed], dict[str, str]]:
    """Return the ranked units in the order to show, and code → reason of the others."""
    listed = [scored(key, group, cutoff, rules) for group in groups]
    reasons, chosen = {}, []
    for group, each in zip(groups, listed, strict=True):
        if not each.n:
            reasons[group.code] = "none"
        elif each.n < rules.minimum_revisits:
            reasons[group.code] = "small"
        elif not each.ripe:
            reasons[group.code] = "immature"
        else:
            chosen.append((group.code, each))
    units = [each for _, each in chosen]
    z_values = [errors_apart(each, others(each, listed)) for each in units]
    hit = beyond_chance(z_values, rules.false_discovery_rate)
    found = []
    for place, (code, own) in enumerate(chosen):
        low, high = bounds(key, own)
        tier = "level" if not hit[place] else "above" if z_values[place] > 0 else "below"
        rank = 1 + sum(other.mean > own.mean + 1e-9 for other in units)
        found.append(
            Placed(code, own, rank, band(place, units, rules.rank_error), tier, low, high,
                   z_values[place])
        )  # fmt: skip
    block = {"above": 0, "level": 1, "below": 2}

    def order(each: Placed) -> tuple[float, ...]:
        within = {"above": each.low, "below": each.high, "level": each.z}[each.tier]
        return (block[each.tier], -within, -each.own.mean, -each.own.n)

    return sorted(found, key=order), reasons


def changed(key: str, now: Scored, then: Scored, rules: Rules) -> Change:
    """Return the change of an indicator, against the noise of both intervals."""
    if min(now.n, then.n) < rules.minimum_revisits or not now.ripe:
        return Change(math.nan, "withheld")
    difference = now.mean - then.mean
    (low, high), (old_low, old_high) = bounds(key, now), bounds(key, then)
    half = (
        math.hypot(now.mean - low, old_high - then.mean)
        if difference >= 0
        else math.hypot(high - now.mean, then.mean - old_low)
    )
    direction: Any = "flat"
    if half and abs(difference) / half >= 1:
        direction = "up" if difference > 0 else "down"
    return Change(difference * (1 if key == "composite" else 100), direction)


def moves(
    key: str, now: Sequence[Group], then: Sequence[Group], cutoff: dt.datetime, rules: Rules
) -> dict[str, RankChange]:
    """Return code → how its rank moved; only who changed against all others beyond chance."""
    new, old = ([scored(key, group, cutoff, rules) for group in each] for each in (now, then))
    ranks = [
        {each.code: each.rank for each in ranked(key, groups, cutoff, rules)[0]}
        for groups in (now, then)
    ]
    fair = [
        place for place, group in enumerate(now)
        if group.code in ranks[0] and group.code in ranks[1]
    ]  # fmt: skip
    z_values = []
    for place in fair:
        sides = [(each[place], others(each[place], each)) for each in (new, old)]
        gain = (sides[0][0].mean - sides[1][0].mean) - (sides[0][1].mean - sides[1][1].mean)
        squared = 0.0
        for one, other in ((sides[0][0], sides[1][0]), (sides[0][1], sides[1][1])):
            squared += max(
                (one + other).variance * (1 / one.n + 1 / other.n),
                one.variance / one.n + other.variance / other.n,
            )
        z_values.append(gain / math.sqrt(squared) if squared else 0.0)
    hit = beyond_chance(z_values, rules.false_discovery_rate)
    result = {group.code: RankChange(0, "withheld") for group in now}
    for place, z, told in zip(fair, z_values, hit, strict=True):
        code = now[place].code
        rise = ranks[1][code] - ranks[0][code]
        if told and rise * z > 0:
            result[code] = RankChange(rise, "up" if rise > 0 else "down")
        else:
            result[code] = RankChange(0, "flat")
    return result


# The panel of the trial, and where its handles stand.
TRIAL = "..ranking-trial.children...ranking-weights.value.."
TRIAL_TARGETS = [
    {"id": "ranking-trial", "property": "children"},
    {"id": "ranking-weights", "property": "value"},
]


# --- Asking -------------------------------------------------------------------------------------


@dataclass
class City:
    """The planted city: its board and its cases."""

    server: Flask
    board: Board
    snapshot: Snapshot
    cases: list[oracle.Case]

    def ask(self, search: str) -> Question:
        store: Store = self.server.extensions["board_store"]
        return ask(store, CITY, search)

    def panel(self, name: str, search: str) -> Any:
        answer = self.board.panel(name, search)
        assert answer.sound, (name, search, answer.text[:600])
        return answer.props[name]["children"]

    def by(self, search: str) -> str:
        return self.ask(search).filters.by or "district"

    def units(self, by: str) -> dict[str, str]:
        """Return code → name of all units of a kind."""
        frames = {
            "district": self.snapshot.reference.districts,
            "subdistrict": self.snapshot.reference.subdistricts,
            "unit": self.snapshot.reference.units,
        }
        return dict(zip(frames[by]["code"], frames[by]["name"], strict=True))

    def within(self, search: str, window: Window) -> list[oracle.Case]:
        """Return the cases of a window that pass the filters."""
        return oracle.created_in(oracle.chosen(self.cases, self.ask(search).filters), window)

    def groups(self, search: str, window: Window | None = None) -> list[Group]:
        """Return every unit with its cases of a window, the period's without one."""
        by, question = self.by(search), self.ask(search)
        groups = {code: Group(code, []) for code in self.units(by)}
        for case in self.within(search, window or question.period.window):
            code = getattr(case, by)
            if code in groups:
                groups[code].cases.append(case)
        return list(groups.values())

    def key(self, search: str) -> str:
        """Return the indicator that ranks."""
        asked = self.ask(search).asked
        if asked.indicator != "resolution":
            return asked.indicator
        return asked.rank_by or "composite"

    def rules(self, search: str) -> Rules:
        question = self.ask(search)
        if not question.asked.weights:
            return question.rules
        return weighted(*(int(each) / 100 for each in question.asked.weights.split("-")))


def weighted(response: float, resolution: float, satisfaction: float) -> Rules:
    return Rules(
        weight_response=response, weight_resolution=resolution, weight_satisfaction=satisfaction
    )


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    from app import create_app

    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("ranked") / "var")
    tables = frozenset(REFERENCE) - {"topics", "topic_categories"}
    staged = stage(
        settings, cases=20_000, first=FIRST, days=DAYS, change=PLANTED, cutoff=CUTOFF,
        tables=tables, city="某市",
    )  # fmt: skip
    publish(settings, staged, lambda *_: None)
    server = create_app(settings)
    store = open_store(settings)
    snapshot = store.current()
    assert snapshot is not None
    yield City(server, board_of(server), snapshot, oracle.read_cases(snapshot))
    store.close()
    own: Store = server.extensions["board_store"]
    own.close()


def title(tree: Any) -> str:
    return words(of_type(tree, "H1"))


def sentence(tree: Any) -> str:
    return words(of_class(tree, "panel-sentence"))


def body(tree: Any) -> list[list[Any]]:
    """Return the rows of the main part of the first table, as cells."""
    table = of_type(tree, "Table")[0]
    return [
        [cell for cell in nodes(row) if cell["type"] in ("Td", "Th")]
        for row in of_type(of_type(table, "Tbody")[0], "Tr")
    ]


def bare(name: str) -> str:
    """Return a name without the mark of who made the denominator smaller."""
    return name.removesuffix("※")


def table_of(tree: Any) -> dict[str, dict[str, str]]:
    """Return first cell → heading (the first of a name) → text, of the rows of a table."""
    head = [words(cell) for cell in of_type(of_type(tree, "Thead")[0], "Th")]
    return {
        bare(row[0]): dict(zip(head, row, strict=True))
        for row in table_rows(of_type(tree, "Table")[0])[1:]
    }


def alt(cell: Any) -> str:
    text: str = of_type(cell, "Svg")[0]["props"]["aria-label"]
    return text


def per(metric: Metric) -> float:
    return 100.0 if metric.kind == "rate" else 1.0


def interval_of(text: str) -> list[float]:
    """Return the bounds of an interval as printed."""
    found = re.search(r"区间<?([0-9.]+)–<?([0-9.]+) ", text)
    assert found, text
    return [float(each) for each in found.groups()]


def all_rows(city: City, search: str) -> list[list[Any]]:
    """Return the ranked rows of every page of the table."""
    rows, number = [], 1
    while True:
        tree = city.panel("ranking-table", f"{search or '?'}&page={number}")
        rows += body(tree)
        pages = of_class(tree, "rank-pages")
        if not pages or number == len(of_class(pages, "choice")):
            return [row for row in rows if len(row) > 1]
        number += 1


# --- Every panel answers ------------------------------------------------------------------------


@pytest.mark.parametrize("search", [*SEARCHES.values(), *NONSENSE.values()],
                         ids=[*SEARCHES, *NONSENSE])  # fmt: skip
@pytest.mark.parametrize("name", PANELS)
def test_every_panel_answers(city: City, name: str, search: str):
    tree = city.panel(name, search)
    for text in ("NaN", "nan", "None", "Infinity"):
        assert text not in words(tree)
    assert "NaN" not in json.dumps(tree)


@pytest.mark.parametrize("search", ["", "?by=subdistrict", "?by=unit", "?weights=30-35-35"])
@pytest.mark.parametrize("name", PANELS)
def test_every_panel_answers_on_the_demo(board: Board, name: str, search: str):
    # Half of the districts and all the streets are below the minimum sample there.
    answer = board.panel(name, search)
    assert answer.sound, answer.text[:600]
    assert "nan" not in words(answer.props[name]["children"])


def test_the_data_holds_what_the_tests_are_about(city: City):
    question = city.ask("")
    assert question.problems == ()
    assert question.period.key == PERIODS[-1]
    tiers = {each.code: each.tier for each in
             ranked("composite", city.groups(""), CUTOFF, question.rules)[0]}  # fmt: skip
    assert (tiers["110109"], tiers["110106"]) == ("above", "below")
    assert "level" in tiers.values()
    placed, reasons = ranked("composite", city.groups("?by=subdistrict"), CUTOFF, question.rules)
    assert len(placed) > 20
    assert {*reasons.values()} == {"none", "small"}
    tiny = next(each for each in placed if each.code == "110100050")
    assert (tiny.rank, tiny.tier, tiny.own.mean) == (1, "level", 100)
    assert any(not case.district for case in city.within("", question.period.window))
    assert any(not case.unit for case in city.within("", question.period.window))


# --- Title and table ----------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_the_table_equals_loops(city: City, search: str):
    question, key, rules = city.ask(search), city.key(search), city.rules(search)
    metric, names, groups = METRICS[key], city.units(city.by(search)), city.groups(search)
    placed, reasons = ranked(key, groups, CUTOFF, rules)
    rows = all_rows(city, search)
    assert len(placed) > 10
    assert [bare(words(row[0])) for row in rows] == [names[each.code] for each in placed]
    for row, each in zip(rows, placed, strict=True):
        cells = [words(cell) for cell in row]
        assert cells[1] == str(each.rank)
        assert cells[2] == band_text(*each.band)
        assert cells[3][2:] == {"above": "高于", "level": "持平", "below": "低于"}[each.tier]
        shown = {value_text(metric, each.own.mean, decimals=d).split(" ")[0] for d in (1, 2)}
        assert cells[4] in shown
        told = alt(row[5])
        assert told.startswith(f"{metric.name}{value_text(metric, each.own.mean)}，区间")
        assert interval_of(told) == pytest.approx(
            [each.low * per(metric), each.high * per(metric)], abs=0.0501
        )
        assert cells[6] == count(each.own.n)
    assert len(placed) + len(reasons) == len(names)
    # Changes: the same indicator before, 环比 and 同比.
    if question.compared is None:
        assert len(rows[0]) == 8
        return
    windows = dict(question.windows)
    now = {group.code: scored(key, group, CUTOFF, rules) for group in groups}
    before = {name: city.groups(search, windows[name]) for name in ("previous", "year")}
    for place, name in ((7, "previous"), (8, "year")):
        then = {group.code: scored(key, group, CUTOFF, rules) for group in before[name]}
        for row, each in zip(rows, placed, strict=True):
            change = changed(key, now[each.code], then[each.code], rules)
            wanted = "—" if change.direction == "withheld" else change_text(metric, change)
            assert words(row[place]) == wanted, names[each.code]
    told_moves = moves(key, groups, before[question.compared[0]], CUTOFF, rules)
    assert [words(row[9]) for row in rows] == [
        rank_change_text(told_moves[each.code]) for each in placed
    ]


def test_a_change_is_told_and_coloured(city: City):
    rows = {bare(words(row[0])): row for row in all_rows(city, "")}
    fallen = rows["第6区"]
    assert words(fallen[7]).startswith("下降")
    assert of_class(fallen[7], "is-bad")
    assert re.fullmatch(r"下降\d+位", words(fallen[9]))
    assert of_class(fallen[9], "is-bad")


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_the_whole_is_the_sum_of_all_and_no_mean(city: City, search: str):
    question, key, rules = city.ask(search), city.key(search), city.rules(search)
    metric, by = METRICS[key], city.by(search)
    cases = city.within(search, question.period.window)
    whole = scored(key, Group("", cases), CUTOFF, rules)
    outside = scored(key, Group("", [c for c in cases if not getattr(c, by)]), CUTOFF, rules)
    last = table_of(city.panel("ranking-table", f"{search or '?'}&page=1000"))
    head = f"{metric.name}{metric.unit}"
    n_head = f"{metric.n_words}件"
    shown = last["汇总"]
    assert shown[n_head] == count(whole.n)
    assert shown[head] in {value_text(metric, whole.mean, decimals=d).split(" ")[0] for d in (1, 2)}
    # Whoever took the mean of the rows would print something else.
    units = [scored(key, group, CUTOFF, rules) for group in city.groups(search)]
    mean = statistics.fmean(each.mean for each in units if each.n)
    assert value_text(metric, mean, decimals=2) != value_text(metric, whole.mean, decimals=2)
    name = {"district": "区", "subdistrict": "街道乡镇", "unit": "承办单位"}[by]
    assert last[f"未定位到{name}"][n_head] == count(outside.n)
    assert sum(each.n for each in units) + outside.n == whole.n
    assert all(shown[title] == "" for title in ("名次", "名次区间") if title in shown)


@pytest.mark.parametrize("search", ["?by=subdistrict", f"?by=unit&{WHOLE}&channel=web"])
def test_who_is_not_ranked_stands_apart_with_the_reason(city: City, search: str):
    key, rules, names = city.key(search), city.rules(search), city.units(city.by(search))
    _, reasons = ranked(key, city.groups(search), CUTOFF, rules)
    assert set(reasons.values()) > {"small"} or "unit" in search
    told: dict[str, list[str]] = {}
    pages = len(of_class(of_class(city.panel("ranking-table", search), "rank-pages"), "choice"))
    for page in range(1, pages + 1):
        for group in of_class(city.panel("ranking-table", f"{search}&page={page}"), "table-apart"):
            head, *rows = of_type(group, "Tr")
            told.setdefault(words(head), []).extend(bare(words(of_type(row, "Th"))) for row in rows)
    least = f"有效回访不足{rules.minimum_revisits}件，样本不足，不参与排名"
    wanted = {"small": least, "none": "无有效回访，不参与排名"}
    for reason, text in wanted.items():
        own = [names[code] for code, each in reasons.items() if each == reason]
        assert sorted(told.get(text, [])) == sorted(own)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_the_title_counts_and_names_nobody_for_a_lucky_value(city: City, search: str):
    question, key = city.ask(search), city.key(search)
    names, rules = city.units(city.by(search)), city.rules(search)
    placed, _ = ranked(key, city.groups(search), CUTOFF, rules)
    counted = {"district": "个区", "subdistrict": "个街道乡镇", "unit": "个承办单位"}
    said = title(city.panel("ranking-summary", search))
    trial = "试算：" if question.asked.weights else ""
    # A number must not run on from the last digit of a date.
    pause = "，" if question.period.kind == "custom" else ""
    begin = f"{trial}{question.period.name}{pause}{len(placed)}{counted[city.by(search)]}"
    assert said.startswith(f"{begin}{METRICS[key].name}：")
    tiers = [each.tier for each in placed]
    for tier, word in (("above", "明显高于其余"), ("below", "明显低于")):
        assert (f"{tiers.count(tier)}个{word}" in said) == bool(tiers.count(tier))
    first = placed[0]
    if first.tier == "above" and first.rank > 1:
        number = tiers.count("above")
        name = names[first.code]
        who = f"{name}等{number}个" if number > 1 else f"仅{name}1个"
        assert f"：{who}明显高于其余" in said
        assert "首位" not in said
    elif first.tier == "above":
        value = value_text(METRICS[key], first.own.mean)
        assert said.endswith(f"；{names[first.code]}列首位，{value}（{band_text(*first.band)}）")
    else:
        assert "首位" not in said
        assert not any(name in said for name in names.values())
    # Street 50: 33 of 33 perfect is the best value, and nobody's title.
    assert "第50街道" not in said


def test_no_title_names_the_first_of_equals(board: Board):
    # The streets of the demo differ by chance alone in a year.
    search = "?by=subdistrict&period=year-2020"
    tree = board.panel("ranking-summary", search).props["ranking-summary"]["children"]
    assert title(tree) == "2020年79个街道乡镇综合成绩：彼此持平（多重检验后未见明显差别）"


@pytest.mark.parametrize("period", PERIODS)
def test_small_streets_do_not_fill_the_ends_of_the_page(city: City, period: str):
    """The share of the smallest quarter among the first and last five as shown."""
    search = f"?by=subdistrict&period={period}"
    placed, _ = ranked("composite", city.groups(search), CUTOFF, city.rules(search))
    level = [each for each in placed if each.tier == "level"]
    sizes = sorted(each.own.n for each in level)
    small = {each.code for each in level if each.own.n <= sizes[len(sizes) // 4]}
    shown = [bare(words(row[0])) for row in all_rows(city, search)]
    assert shown == [city.units("subdistrict")[each.code] for each in placed]
    ends = [*level[:5], *level[-5:]]
    assert sum(each.code in small for each in ends) <= 6
    told = sum(each.tier != "level" for each in placed)
    # Planted: at most the streets of two districts and street 20; one in a hundred may be false.
    planted = {"110109", "110106"}
    district = {code: f"1101{1 + int(code[-5:]) % 17:02d}" for code in city.units("subdistrict")}
    false = [each for each in placed
             if each.tier != "level" and each.code != "110100020"
             and district[each.code] not in planted]  # fmt: skip
    assert len(false) <= 0.01 * told + 1


def test_a_running_period_is_not_ranked_before_it_is_ripe(board: Board, snapshot: Snapshot):
    search = "?period=assess-2021-04"
    city = City(board=board, server=None, snapshot=snapshot, cases=[])  # type: ignore[arg-type]
    tree = city.panel("ranking-summary", search)
    assert title(tree) == "2021年4月考核期诉求尚未成熟，综合成绩暂不排名"
    apart = words(of_class(city.panel("ranking-table", search), "table-apart"))
    assert "诉求尚未成熟，不参与排名" in apart
    assert not [row for row in body(city.panel("ranking-table", search)) if len(row) > 1]


@pytest.mark.parametrize("search", ["", "?by=subdistrict&indicator=resolution&rank_by=resolution"])
def test_the_sparklines_equal_loops(city: City, search: str):
    key, rules = city.key(search), city.rules(search)
    last = city.ask(search).period.window.end + dt.timedelta(weeks=4)
    monday = last - dt.timedelta(days=last.weekday())
    weeks = [monday - dt.timedelta(weeks=back) for back in range(12, -1, -1)]
    by_unit = {
        group.code: group.cases
        for group in city.groups(search, Window(weeks[0], weeks[-1] + dt.timedelta(days=6)))
    }
    codes = {name: code for code, name in city.units(city.by(search)).items()}
    told = 0
    for row in all_rows(city, search):
        ripe, unripe = [], 0
        for start in weeks:
            end = start + dt.timedelta(days=6)
            own = oracle.created_in(by_unit[codes[bare(words(row[0]))]], Window(start, end))
            mature = oracle.tally(own, CUTOFF, rules)["mature"]
            if not own or mature < rules.mature_share * len(own):
                unripe += 1
                continue
            value, n = oracle.indicator(key, own, CUTOFF, rules)
            if n:
                ripe.append((start, end, value))
        text = alt(row[-1])
        assert text.startswith(f"{METRICS[key].name}近13周：")
        assert text.endswith(f"；另有{unripe}周未成熟") == bool(unripe)
        if not ripe:
            assert "尚无成熟的数据" in text
            continue
        told += 1
        (start, end, value), (*_, newest) = ripe[0], ripe[-1]
        first = f"{start.month}.{start.day}–{end.month}.{end.day}为"
        assert first + value_text(METRICS[key], round(value, 9)) in text
        assert f"为{value_text(METRICS[key], round(newest, 9))}；最低" in text
        values = [round(each[2], 9) for each in ripe]
        assert f"最低{value_text(METRICS[key], min(values))}" in text
        assert f"最高{value_text(METRICS[key], max(values))}" in text
    assert told > 10


# --- Leagues, pages, choices --------------------------------------------------------------------


def test_leagues_of_districts_are_ranked_within_themselves(city: City):
    tree = city.panel("ranking-table", "?league=own")
    zones = {
        "核心区、中心城区": range(1, 7), "城市副中心、平原新城": range(7, 12),
        "生态涵养区": range(12, 16),
    }  # fmt: skip
    heads = [words(each["props"]["children"][0]) for each in of_class(tree, "rank-league")]
    assert heads == list(zones)
    groups = {group.code: group for group in city.groups("")}
    for table, numbers in zip(of_type(tree, "Table"), zones.values(), strict=True):
        own = [groups[f"1101{n:02d}"] for n in numbers]
        placed, _ = ranked("composite", own, CUTOFF, Rules())
        rows = table_rows(of_type(table, "Tbody")[0])
        assert [[bare(row[0]), *row[1:3]] for row in rows] == [
            [city.units("district")[each.code], str(each.rank), band_text(*each.band)]
            for each in placed
        ]
        whole = scored("composite", Group("", [c for g in own for c in g.cases]), CUTOFF, Rules())
        assert table_rows(table)[-1][6] == count(whole.n)
    # Two districts have no zone: said, not lost.
    assert sentence(tree) == "第16区、第17区没有区域分组，不在表中。"
    labels = [each["props"]["aria-label"] for each in of_class(tree, "table-scroll")]
    assert len(set(labels)) == len(zones)
    assert labels[0].startswith("核心区、中心城区各区综合成绩排名：")
    # The title counts what the tables show.
    tiers = [
        each.tier
        for numbers in zones.values()
        for each in ranked("composite", [groups[f"1101{n:02d}"] for n in numbers], CUTOFF,
                           Rules())[0]
    ]  # fmt: skip
    said = title(city.panel("ranking-summary", "?league=own"))
    assert said.startswith(f"2021年3月考核期{len(tiers)}个区综合成绩：同类之间，")
    for tier, word in (("above", "明显高于其余"), ("below", "明显低于"), ("level", "持平")):
        assert (f"{tiers.count(tier)}个{word}" in said) == bool(tiers.count(tier))
    assert "首位" not in said


def sheet_of(city: City, search: str, number: int) -> list[list[Any]]:
    content = city.server.test_client().get(f"/export/rates.xlsx{search}").data
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return book.get_sheet_by_index(number).to_python()


@pytest.mark.parametrize("search", ["?league=own", "?by=subdistrict&league=own"])
def test_the_file_ranks_within_leagues_too(city: City, search: str):
    head, *rows = sheet_of(city, search, 2)
    at = head.index("同类分组")
    shown: list[tuple[str, str, str]] = []
    for page in range(1, 8 if "subdistrict" in search else 2):
        tree = city.panel("ranking-table", f"{search}&page={page}")
        blocks = zip(of_class(tree, "rank-league"), of_type(tree, "Table"), strict=True)
        for block, table in blocks:
            league = block["props"]["children"][0]
            shown += [
                (league, bare(row[0]), row[1] or "—")
                for row in table_rows(table)[1:]
                if len(row) > 1 and row[0] not in ("汇总", "未定位到街道乡镇", "未定位到区")
            ]
    found = [(row[at], row[at - 1], str(row[at + 1]).removesuffix(".0")) for row in rows]
    # Those without a rank are sorted by reason on the screen.
    assert sorted(found) == sorted(shown)
    assert [each for each in found if each[2] != "—"] == [e for e in shown if e[2] != "—"]
    for suffix in ("csv", "xlsx"):
        file = exported_rows(city, search, suffix)
        told = dict(row[:2] for row in file.about if len(row) > 1)
        assert "都在本组之内" in told["同类分组"]
        assert all(league in told["同类分组"] for league, *_ in shown)
        leagues = {row[file.head.index("同类分组")] for row in file.rows} - {""}
        assert leagues == {league for league, *_ in shown}
    if "subdistrict" not in search:
        assert "第16区、第17区没有分组" in told["同类分组"]


def test_leagues_of_streets_are_bands_of_volume(city: City):
    rows: dict[str, list[str]] = {}
    for page in range(1, 8):
        tree = city.panel("ranking-table", f"?by=subdistrict&league=own&page={page}")
        blocks = zip(of_class(tree, "rank-league"), of_type(tree, "Table"), strict=True)
        for head, table in blocks:
            name = head["props"]["children"][0]
            listed = [bare(row[0]) for row in table_rows(table)[1:] if row[0] != "汇总"]
            rows.setdefault(name, []).extend(listed)
    assert list(rows) == ["诉求量第1档", "诉求量第2档", "诉求量第3档"]
    sizes = {group.code: len(group.cases) for group in city.groups("?by=subdistrict")}
    names = city.units("subdistrict")
    assert sum(map(len, rows.values())) == len(names)
    of_name = {names[code]: size for code, size in sizes.items()}
    most = [max(of_name[name] for name in listed) for listed in rows.values()]
    least = [min(of_name[name] for name in listed) for listed in rows.values()]
    assert least[0] >= most[1]
    assert least[1] >= most[2]


def test_pages_hold_every_unit_once(city: City):
    names, seen = city.units("subdistrict"), []
    for page in range(1, 8):
        tree = city.panel("ranking-table", f"?by=subdistrict&page={page}")
        nav = of_class(tree, "rank-pages")
        here = words([each for each in nodes(nav) if each["props"].get("aria-current")])
        first = 50 * (page - 1) + 1
        assert here == f"{first}–{min(first + 49, len(names))}"
        assert f"共{len(names)}个街道乡镇，每页50" in words(nav)
        listed = [bare(row[0]) for row in table_rows(tree)[1:-1]]
        listed = [name for name in listed if not name.startswith("未定位")]
        assert len(listed) == min(50, len(names) - 50 * (page - 1))
        seen += listed
    assert sorted(seen) == sorted(names.values())
    assert not of_class(tree, "notice")
    beyond = city.panel("ranking-table", "?by=subdistrict&page=9999")
    assert table_rows(beyond) == table_rows(tree)
    assert "没有第9999页，共7页，列最后一页" in words(of_class(beyond, "notice"))


def test_only_the_chosen_are_listed_with_their_rank_among_all(city: City):
    whole = {words(row[0]): [words(cell) for cell in row[:7]]
             for row in all_rows(city, "?by=subdistrict")}  # fmt: skip
    tree = city.panel("ranking-table", "?by=subdistrict&district=110109")
    rows = [[words(cell) for cell in row[:7]] for row in body(tree)]
    assert rows
    assert all(whole[row[0]] == row for row in rows)
    assert sentence(tree).startswith(f"只列所选的，名次在全部{len(whole)}个街道乡镇之间。")


def test_every_choice_leads_to_what_it_says(city: City):
    tree = city.panel("ranking-summary", "?by=subdistrict&indicator=on_time")
    groups = of_class(tree, "choice-group")
    assert [words(of_class(group, "is-chosen")) for group in groups] == [
        "街道乡镇", "按时办结率", "全部同列",
    ]  # fmt: skip
    links = {words(link): link["props"]["href"] for link in of_type(groups, "Link")}
    for name, key in (("综合成绩", "composite"), ("响应率", "response"), ("解决率", "resolution"),
                      ("满意率", "satisfaction")):  # fmt: skip
        said = title(city.panel("ranking-summary", links[name].removeprefix("/ranking")))
        assert f"个街道乡镇{METRICS[key].name}：" in said
    for name, counted in (("区", "个区"), ("承办单位", "个承办单位")):
        said = city.panel("ranking-table", links[name].removeprefix("/ranking"))
        assert counted in sentence(said)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("?indicator=volume", "诉求量多少不作高低，改按综合成绩排名"),
        ("?by=project", "不能按项目排名，改为区"),
        ("?indicator=response&weights=30-35-35", "权重30-35-35只用于综合成绩，未采用"),
    ],
)
def test_what_cannot_be_met_is_said(city: City, search: str, said: str):
    assert said in words(of_class(city.panel("ranking-summary", search), "notice"))


@pytest.mark.parametrize("search", ["?weights=abc", "?weights=50-50-50", "?by=xyz", "?page=abc"])
def test_what_is_no_option_leaves_the_page_as_it_is(city: City, search: str):
    question = city.ask(search)
    assert len(question.problems) == 1
    wanted, found = (city.panel("ranking-table", each) for each in ("", search))
    assert table_rows(found) == table_rows(wanted)


def test_a_period_without_a_case(city: City):
    tree = city.panel("ranking-summary", "?period=year-2000")
    assert title(tree) == "2000年没有可以排名的诉求"
    assert "没有符合条件的诉求" in words(tree)
    for name in PANELS[1:]:
        assert words(city.panel(name, "?period=year-2000")) == ""
    assert city.server.test_client().get("/export/rates.csv?period=year-2000").status_code == 200


# --- Trial --------------------------------------------------------------------------------------


def test_other_weights_are_marked_wherever_they_count(city: City):
    search = "?by=subdistrict&weights=30-35-35"
    marked = {name: bool(of_class(city.panel(name, search), "trial-mark")) for name in PANELS}
    assert marked == dict.fromkeys(PANELS, True) | {
        # Titles say it themselves: neither has a figure of the composite but in words.
        "ranking-funnel": True, "ranking-integrity": True,
    }  # fmt: skip
    assert title(city.panel("ranking-summary", search)).startswith("试算：")
    for suffix in ("csv", "xlsx"):
        response = city.server.test_client().get(f"/export/rates.{suffix}{search}")
        assert (
            "试算" in response.headers["Content-Disposition"]
            or "%E8%AF%95%E7%AE%97" in (response.headers["Content-Disposition"])
        )
        rows = exported_rows(city, search, suffix)
        assert any("30-35-35" in str(cell) and "不是正式成绩" in str(cell)
                   for row in rows.about for cell in row)  # fmt: skip


@pytest.mark.parametrize("search", ["?weights=10-50-40", "?indicator=response&weights=30-35-35"])
def test_weights_in_force_or_without_effect_are_no_trial(city: City, search: str):
    for name in PANELS:
        assert not of_class(city.panel(name, search), "trial-mark")
    plain = search.split("&")[0].replace("weights=10-50-40", "")
    wanted, found = (exported_rows(city, each, "csv") for each in (plain, search))
    assert found.rows == wanted.rows


@pytest.mark.parametrize("by", ["district", "subdistrict"])
def test_the_slider_tries_out_weights(city: City, by: str):
    search = f"?by={by}"
    answer = city.board.post(
        {
            "output": TRIAL,
            "outputs": TRIAL_TARGETS,
            "inputs": [
                {"id": "question", "property": "data", "value": search},
                {"id": "ranking-weights", "property": "value", "value": [30, 65]},
            ],
            "changedPropIds": ["ranking-weights.value"],
            "state": [],
        }
    )
    assert answer.sound, answer.text[:400]
    tree = answer.props["ranking-trial"]["children"]
    names, groups = city.units(by), city.groups(search)
    now, then = (
        {each.code: each for each in ranked("composite", groups, CUTOFF, rules)[0]}
        for rules in (Rules(), weighted(0.3, 0.35, 0.35))
    )
    rows = table_of(tree)
    assert rows
    for code, each in then.items():
        row = rows.get(names[code])
        if row is None:
            assert by == "subdistrict"
            continue
        move = now[code].rank - each.rank
        assert row["现行名次"] == str(now[code].rank)
        assert row["试算名次"] == str(each.rank)
        assert row["变动位"] == (f"{'↑' if move > 0 else '↓'}{abs(move)}" if move else "—")
        value = value_text(METRICS["composite"], each.own.mean, decimals=2)
        assert f"{row['试算综合成绩分']} 分" == value
        assert row["试算档次"][2:] == {"above": "高于", "level": "持平", "below": "低于"}[each.tier]
    moved = sum(now[code].rank != then[code].rank for code in then)
    assert f"{moved}个名次变动" in sentence(tree)
    assert of_class(tree, "trial-mark")


@pytest.mark.parametrize("handles", [None, [], [1], ["a", "b"], [70, 20], [-5, 200], [True, 90],
                                     {"a": 1}, [1, 2, 3], "10-50-40"])  # fmt: skip
def test_handles_that_no_slider_sends(city: City, handles: object):
    answer = city.board.post(
        {
            "output": TRIAL,
            "outputs": TRIAL_TARGETS,
            "inputs": [
                {"id": "question", "property": "data", "value": ""},
                {"id": "ranking-weights", "property": "value", "value": handles},
            ],
            "changedPropIds": ["question.data"],
            "state": [],
        }
    )
    assert answer.sound, answer.text[:400]
    assert "现行权重10-50-40" in words(answer.props["ranking-trial"]["children"])


# --- Funnel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["?by=subdistrict", f"?by=unit&{WHOLE}",
                                    "?by=subdistrict&indicator=response"])  # fmt: skip
def test_the_funnel_shows_every_ranked_unit(city: City, search: str):
    key, rules = city.key(search), city.rules(search)
    placed, _ = ranked(key, city.groups(search), CUTOFF, rules)
    tree = city.panel("ranking-funnel", search)
    (graph,) = of_type(tree, "Graph")
    shown = []
    for trace in graph["props"]["figure"]["data"]:
        if trace["mode"] == "markers":
            assert trace["type"] == "scatter"
            shown += list(zip(trace["x"], trace["y"], trace["hovertext"], strict=True))
    low, high = METRICS[key].axis
    assert sorted((x, round(y, 9)) for x, y, _ in shown) == sorted(
        (float(each.own.n), round(min(max(each.own.mean, low), high), 9)) for each in placed
    )
    names = city.units(city.by(search))
    by_name = {text.split("<br>")[0]: text for _, _, text in shown}
    for each in placed:
        told = f"{value_text(METRICS[key], each.own.mean)}，n={count(each.own.n)}"
        assert by_name[names[each.code]].split("<br>")[1] == told


def test_the_limits_of_the_funnel_are_those_of_chance(city: City):
    search = "?by=subdistrict"
    placed, _ = ranked("composite", city.groups(search), CUTOFF, Rules())
    units = [each.own for each in placed]
    whole = others(Scored(0, 0.0, 0.0, True), units)
    # Σ z² over the units, its outer tenths moved in, in multiples of what chance gives.
    z_values = sorted(
        (each.mean - whole.mean) / math.sqrt(whole.variance / each.n) for each in units
    )

    def quantile(part: float) -> float:
        place = part * (len(z_values) - 1)
        left = int(place)
        right = min(left + 1, len(z_values) - 1)
        return z_values[left] + (place - left) * (z_values[right] - z_values[left])

    edges = quantile(0.1), quantile(0.9)
    normal = statistics.NormalDist()
    edge = normal.inv_cdf(0.9)
    chance = 0.8 - 2 * edge * normal.pdf(edge) + 0.2 * edge**2
    spread = statistics.fmean(min(max(z, edges[0]), edges[1]) ** 2 for z in z_values) / chance
    width = math.sqrt(max(spread, 1.0))
    inside = {"95": 0, "998": 0}
    for each in units:
        z = (each.mean - whole.mean) / (math.sqrt(whole.variance / each.n) * width)
        ceiling = 100 - whole.mean
        for name, tail in (("95", 0.025), ("998", 0.001)):
            limit = normal.inv_cdf(1 - tail) * math.sqrt(whole.variance / each.n) * width
            above = each.mean - whole.mean > min(limit, ceiling)
            inside[name] += not (above or z < -normal.inv_cdf(1 - tail))
    said = sentence(city.panel("ranking-funnel", search))
    assert f"控制限以外共{len(units) - inside['95']}个" in said
    found = [int(each) for each in re.findall(r"以[上下](\d+)个", said)]
    assert sum(found) == len(units) - inside["998"]
    assert len(units) - inside["998"] > 0


def test_districts_are_too_few_for_a_funnel(city: City):
    assert words(city.panel("ranking-funnel", "")) == ""


# --- The four lists, the course of the last -----------------------------------------------------


def history(city: City, search: str) -> list[list[Group]]:
    return [city.groups(search, city.ask(f"?period={period}").period.window) for period in PERIODS]


@pytest.mark.parametrize("weights", ["", "&weights=0-0-100"])
def test_the_four_lists_with_their_periods(city: City, weights: str):
    search = f"?by=subdistrict{weights}"
    rules, names = city.rules(search), city.units("subdistrict")
    periods = history(city, search)
    size = rules.list_size
    listed: dict[str, list[list[str]]] = {name: [] for name in ("先进", "进步", "整改", "治理")}
    for place, groups in enumerate(periods):
        placed, _ = ranked("composite", groups, CUTOFF, rules)
        most = min(size, len(placed) // 2)
        above = [each.code for each in placed if each.tier == "above"]
        below = [each.code for each in placed if each.tier == "below"]
        listed["先进"].append(above[:most])
        listed["整改"].append(below[::-1][:most])
        volume = sorted(
            (group for group in groups
             if len(scores("composite", group.cases, CUTOFF, rules)) >= rules.minimum_revisits),
            key=lambda group: (-len(group.cases),
                               -len(scores("composite", group.cases, CUTOFF, rules))),
        )  # fmt: skip
        listed["治理"].append([group.code for group in volume[:size]])
        risen: list[tuple[int, int, str]] = []
        if place:
            sizes = {each.code: each.own.n for each in placed}
            told = moves("composite", groups, periods[place - 1], CUTOFF, rules)
            risen = [(-each.places, -sizes[code], code) for code, each in told.items()
                     if each.direction == "up"]  # fmt: skip
        listed["进步"].append([code for *_, code in sorted(risen)[:size]])
    assert listed["先进"][-1]
    assert listed["整改"][-1]
    assert weights or listed["进步"][-1] == ["110100020"]
    tree = city.panel("ranking-course", search)
    blocks = of_class(tree, "rank-list")
    for block, (name, courses) in zip(blocks, listed.items(), strict=True):
        assert words(of_type(block, "H3")) == f"{name}{len(courses[-1])}个"
        assert str(size) in words(of_class(block, "list-rule"))
        lines = of_type(block, "Li")
        assert [words(of_type(line, "Link")) for line in lines] == [
            names[code] for code in courses[-1]
        ]
        for line, code in zip(lines, courses[-1], strict=True):
            run = 0
            for members in reversed(courses):
                if code not in members:
                    break
                run += 1
            ever = len(PERIODS) - (name == "进步")
            wanted = "新进" if run == 1 else f"{'至少' if run == ever else ''}连续{run}期"
            assert words(of_class(line, "list-weeks")) == wanted
        if not courses[-1]:
            assert "本期没有" in words(block)


def test_the_length_of_the_lists_is_a_rule(city: City):
    tree = city.panel("ranking-course", "?by=subdistrict")
    rule = {words(of_type(each, "H3"))[:2]: words(of_class(each, "list-rule"))
            for each in of_class(tree, "rank-list")}  # fmt: skip
    assert rule == {
        "先进": "综合成绩明显高于其余的，按区间下限取前10",
        "进步": "名次上升且超出波动的，升幅最大的10个（比上期）",
        "整改": "综合成绩明显低于其余的，按区间上限取末10",
        "治理": "诉求量最大的10个",
    }


@pytest.mark.parametrize("search", ["", f"?by=unit&period={PERIODS[-1]}&indicator=on_time"])
def test_the_course_of_the_last_three(city: City, search: str):
    key, rules, names = city.key(search), city.rules(search), city.units(city.by(search))
    periods = [ranked(key, groups, CUTOFF, rules)[0] for groups in history(city, search)]
    assert all(len(placed) > 6 for placed in periods)
    last = []
    by_value = city.by(search) == "district"
    for placed in periods:
        if not by_value:
            # Of many small units chance would fill the last places: the end of the table.
            last.append([each.code for each in placed[:-4:-1]])
            continue
        # Worst value first, of equals who is shown last.
        worst = placed[::-1]
        worst.sort(key=lambda each: -each.rank)
        tied = sum(each.rank >= worst[2].rank for each in worst)
        last.append([each.code for each in worst[: tied if tied <= 6 else 3]])
    wanted = last[-1]
    tree = city.panel("ranking-course", search)
    items = of_type(of_class(tree, "courses"), "Li")
    assert [words(of_type(item, "Link")) for item in items] == [names[code] for code in wanted]
    metric = METRICS[key]
    for item, code in zip(items, wanted, strict=True):
        run = 0
        for members in reversed(last):
            if code not in members:
                break
            run += 1
        assert (f"连续{run}期后三" if run > 1 else "本期新入后三") in words(item)
        told = []
        for period, placed in zip(PERIODS, periods, strict=True):
            name = f"{period[7:11]}年{int(period[12:])}月考核期"
            own = next((each for each in placed if each.code == code), None)
            told.append(f"{name}第{own.rank}（{band_text(*own.band)}）" if own else f"{name}无名次")
        assert alt(item) == f"{names[code]}：{'，'.join(told)}"
        # The words and the dots say the same: the newest rank is one of the last three.
        rank = {each.code: each.rank for each in periods[-1]}
        assert not by_value or sum(each > rank[code] for each in rank.values()) < 3
    how = "按数值列后三" if by_value else "按区间而不按数值列后三"
    assert how in sentence(tree)
    (twin,) = of_class(tree, "table-twin")
    rows = table_rows(twin)
    assert [row[1] for row in rows[1:]] == [count(len(placed)) for placed in periods]
    own = next(each for each in periods[-1] if each.code == wanted[0])
    assert rows[-1][2] == (
        f"第{own.rank}（{band_text(*own.band)}），{value_text(metric, own.own.mean)}"
    )


# --- Integrity ----------------------------------------------------------------------------------


def integrity(
    cases: list[oracle.Case], everything: list[oracle.Case]
) -> dict[str, tuple[int, int]]:
    """Return heading → numerator and denominator, from the cases of both 口径."""
    counts = oracle.tally(cases, CUTOFF, Rules())
    return {
        "有效回访率": (counts["revisits"], len(cases)),
        "剔除率": (sum(case.excluded for case in everything), len(everything)),
        "挂账率": (counts["shelved"], len(cases)),
        "重复诉求率": (counts["repeats"], len(cases)),
    }


@pytest.mark.parametrize("search", ["", "?by=subdistrict", f"?by=unit&{WHOLE}", "?basis=all"])
def test_the_integrity_panel_equals_loops(city: City, search: str):
    names, question = city.units(city.by(search)), city.ask(search)
    other = search.replace("basis=all", "") or "?"
    bases = {
        basis: {group.code: group.cases for group in city.groups(f"{other}&basis={basis}")}
        for basis in ("assessed", "all")
    }
    chosen = bases[question.filters.basis]
    tree = city.panel("ranking-integrity", search)
    head = [words(cell) for cell in of_type(of_type(tree, "Thead")[0], "Th")]
    rows = {row[0]: row for row in table_rows(tree)[1:]}
    codes = {name: code for code, name in names.items()}
    assert len(rows) >= 17
    whole = {
        basis: city.within(f"{other}&basis={basis}", question.period.window)
        for basis in ("assessed", "all")
    }
    for name, row in rows.items():
        own = chosen[codes[name]] if name != "汇总" else whole[question.filters.basis]
        both = [bases[b][codes[name]] if name != "汇总" else whole[b] for b in ("assessed", "all")]
        for place, (word, (yes, n)) in enumerate(integrity(own, both[1]).items(), 1):
            assert head[place].startswith(word)
            shown = f"{value_text(METRICS['revisit_rate'], yes / n)}n {count(n)}" if n else "—"
            assert row[place] == shown, (name, word)
        gap = [oracle.indicator("composite", each, CUTOFF, Rules())[0] for each in both]
        if math.isnan(gap[0]) or math.isnan(gap[1]):
            assert row[5] == "—"
        else:
            printed = row[5].replace("−", "-")
            assert float(printed) == pytest.approx(gap[0] - gap[1], abs=0.00501)


def test_a_denominator_made_smaller_comes_first_and_in_words(city: City):
    tree = city.panel("ranking-integrity", "")
    shares = {}
    for period in PERIODS[-2:]:
        window = city.ask(f"?period={period}").period.window
        both = [
            [case for case in city.within(f"?basis={basis}", window) if case.district == "110112"]
            for basis in ("assessed", "all")
        ]
        found = integrity(both[0], both[1])
        shares[period] = {word: 100 * yes / n for word, (yes, n) in found.items()}
    (before, now) = shares.values()
    first = table_rows(tree)[1]
    assert first[0] == "第12区"
    assert first[6] == (
        f"※ 有效回访率下降{before['有效回访率'] - now['有效回访率']:.1f}个百分点，"
        f"剔除率上升{now['剔除率'] - before['剔除率']:.1f}个百分点"
    )
    assert sentence(tree) == "第12区1个区的分母异常收缩（环比），须核查。"
    assert not of_class(city.panel("ranking-integrity", "?compare=none"), "flag")
    earlier = f"?period={PERIODS[1]}"
    assert "没有发现分母异常收缩" in sentence(city.panel("ranking-integrity", earlier))


def test_who_shrinks_is_marked_wherever_the_page_praises(city: City):
    marked = {bare(words(row[0])): words(row[0]).endswith("※") for row in all_rows(city, "")}
    assert [name for name, mark in marked.items() if mark] == ["第12区"]
    assert "※分母异常收缩" in words(of_class(city.panel("ranking-table", ""), "panel-note"))
    assert not any(words(row[0]).endswith("※") for row in all_rows(city, "?compare=none"))


def test_the_handles_stand_where_the_page_is(city: City):
    def handles(search: str, changed: str) -> Any:
        answer = city.board.post(
            {
                "output": TRIAL,
                "outputs": TRIAL_TARGETS,
                "inputs": [
                    {"id": "question", "property": "data", "value": search},
                    {"id": "ranking-weights", "property": "value", "value": [5, 95]},
                ],
                "changedPropIds": [changed],
                "state": [],
            }
        )
        assert answer.sound, answer.text[:400]
        return answer.props.get("ranking-weights", {}).get("value")

    assert handles("", "question.data") == [10, 60]
    assert handles("?weights=30-35-35", "question.data") == [30, 65]
    # Who has just moved them keeps them.
    assert handles("", "ranking-weights.value") is None


# --- The statutory table ------------------------------------------------------------------------


@dataclass
class Exported:
    """A file as read: what it says of itself, heads and rows of its first table."""

    about: list[list[Any]]
    head: list[str]
    rows: list[list[Any]]


def exported_rows(city: City, search: str, suffix: str) -> Exported:
    response = city.server.test_client().get(f"/export/rates.{suffix}{search}")
    assert response.status_code == 200
    if suffix == "xlsx":
        book = CalamineWorkbook.from_filelike(io.BytesIO(response.data))
        rows = book.get_sheet_by_index(1).to_python()
        return Exported(book.get_sheet_by_index(0).to_python(), [*map(str, rows[0])], rows[1:])
    assert response.data.startswith(b"\xef\xbb\xbf")
    assert b"\r\n" in response.data
    lines = list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))
    gap = lines.index([])
    return Exported(lines[:gap], lines[gap + 1], lines[gap + 2 :])


COUNTS = ("cases", "revisits", "contacted", "resolved", "satisfied", "basically_satisfied")


def statutory(city: City, search: str) -> list[list[Any]]:
    """Return the rows of the table by loops: number, unit, counts, rates 0–1, composite."""
    by, key, rules = city.by(search), city.key(search), city.rules(search)
    names, groups = city.units(by), city.groups(search)
    placed, reasons = ranked(key, groups, CUTOFF, rules)
    of_code = {group.code: group.cases for group in groups}
    cases = city.within(search, city.ask(search).period.window)
    units: list[tuple[int | None, str, list[oracle.Case]]] = [
        (place, names[each.code], of_code[each.code]) for place, each in enumerate(placed, 1)
    ]
    units += [(None, names[code], of_code[code]) for code in of_code if code in reasons]
    word = {"district": "区", "subdistrict": "街道乡镇", "unit": "承办单位"}[by]
    units.append((None, f"未定位到{word}", [case for case in cases if not getattr(case, by)]))
    units.append((None, "汇总", cases))
    rows = []
    for number, name, own in units:
        counts = oracle.tally(own, CUTOFF, rules)
        rates = [oracle.indicator(each, own, CUTOFF, rules)[0] for each in
                 ("response", "resolution", "satisfaction", "composite")]  # fmt: skip
        rows.append([number, name, *(counts[each] for each in COUNTS), *rates])
    return rows


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_the_statutory_table_as_a_file_equals_loops(city: City, search: str, suffix: str):
    found = exported_rows(city, search, suffix)
    word = {"district": "区", "subdistrict": "街道乡镇", "unit": "承办单位"}[city.by(search)]
    percent = "（百分数）" if suffix == "csv" else ""
    assert found.head == [
        "序号", *(["区"] if word == "街道乡镇" else []), word,
        "受理量（件）", "有效回访（件）", "联系数（件）", "解决数（件）",
        "满意数（件）", "基本满意（件）", f"响应率{percent}", f"解决率{percent}",
        f"满意率{percent}", "综合成绩（分）", "备注",
    ]  # fmt: skip
    wanted = statutory(city, search)
    assert len(found.rows) == len(wanted)
    districts = city.units("district")
    for full, own in zip(found.rows, wanted, strict=True):
        row = full
        if word == "街道乡镇":
            code = next((code for code, name in city.units("subdistrict").items()
                         if name == own[1]), None)  # fmt: skip
            assert full[1] == (districts[f"1101{1 + int(code[-5:]) % 17:02d}"] if code else "")
            row = [full[0], *full[2:]]
        name = own[1] if suffix == "xlsx" or not own[1].startswith("=") else f"'{own[1]}"
        assert row[1] == name
        assert str(row[0]).removesuffix(".0") == ("—" if own[0] is None else str(own[0]))
        assert [int(cell) for cell in row[2:8]] == own[2:8]
        for cell, value, scale in zip(row[8:12], own[8:], (100, 100, 100, 1), strict=True):
            if math.isnan(value):
                assert cell == ""
            else:
                printed = float(cell) / (scale if suffix == "csv" else 1)
                assert printed == pytest.approx(value, rel=1e-8), own[1]
    # What the parts do not hold is in no total.
    for place in range(found.head.index("受理量（件）"), found.head.index("基本满意（件）") + 1):
        assert sum(int(row[place]) for row in found.rows[:-1]) == int(found.rows[-1][place])
    told = dict(row[:2] for row in found.about if len(row) > 1)
    assert city.ask(search).words == told["范围"]
    assert "先列明显高于其余的" in told["次序"]
    assert "不是按数值的名次" in told["次序"]
    assert "demo" not in str(told["数据版本"])
    assert str(told["数据截至"]).startswith("2021-04-30")


@pytest.mark.parametrize("search", ["", "?by=subdistrict", f"?by=unit&{WHOLE}"])
def test_the_file_is_what_the_screen_shows(city: City, search: str):
    pages = of_class(city.panel("ranking-table", search), "rank-pages")
    number = len(of_class(pages, "choice")) if pages else 1
    shown: list[list[str]] = []
    for page in range(1, number + 1):
        tree = city.panel("ranking-rates", f"{search or '?'}&page={page}")
        shown += table_rows(tree)[1 : None if page == number else -1]
    found = exported_rows(city, search, "csv").rows
    assert len(shown) == len(found)
    for cells, full in zip(shown, found, strict=True):
        place, name, *rest = cells
        row = [full[0], *full[2:]] if "subdistrict" in search else full
        assert name == row[1].removeprefix("'")
        assert place == row[0]
        assert [each.replace(",", "") for each in rest[:6]] == row[2:8]
        for text, value in zip(rest[6:10], row[8:12], strict=True):
            assert text.replace("—", "") == (f"{float(value):.2f}" if value else "")
        assert rest[10] == row[12]


def test_a_unit_named_like_a_formula_runs_nowhere(city: City):
    search = f"?by=unit&{WHOLE}"
    tree = city.panel("ranking-rates", search)
    assert FORMULA in words(tree) or FORMULA in words(
        city.panel("ranking-rates", f"{search}&page=2")
    )
    raw = city.server.test_client().get(f"/export/rates.csv{search}").data.decode("utf-8-sig")
    assert "'=HYPERLINK" in raw
    assert not re.search(r'(^|,)"?=HYPERLINK', raw, re.MULTILINE)
    names = [row[1] for row in exported_rows(city, search, "xlsx").rows]
    assert FORMULA in names


def test_the_ranks_beside_the_table_equal_loops(city: City):
    for search in ("", "?by=subdistrict&indicator=on_time"):
        key, rules = city.key(search), city.rules(search)
        placed, reasons = ranked(key, city.groups(search), CUTOFF, rules)
        content = city.server.test_client().get(f"/export/rates.xlsx{search}").data
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(2)
        rows = sheet.to_python()[1:]
        if city.by(search) == "subdistrict":
            districts = city.units("district").values()
            assert {row.pop(0) for row in rows} <= {*districts}
        names = city.units(city.by(search))
        tiers = {"above": "明显高于", "level": "持平", "below": "明显低于"}
        for row, each in zip(rows, placed, strict=False):
            assert row[:4] == [
                names[each.code], each.rank, band_text(*each.band), tiers[each.tier],
            ]  # fmt: skip
            assert row[4:7] == pytest.approx([each.own.mean, each.low, each.high])
            assert row[7] == each.own.n
        assert len(rows) == len(placed) + len(reasons)
        assert {row[8] for row in rows[len(placed) :]} <= {
            "样本不足，不参与排名", "无有效回访，不参与排名", "无到期应办，不参与排名",
        }  # fmt: skip


# --- Keyboard, screen readers -------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?by=subdistrict", "?by=unit"])
def test_tables_can_be_reached_and_say_how_they_are_ordered(city: City, search: str):
    for name in ("ranking-table", "ranking-integrity", "ranking-rates"):
        tree = city.panel(name, search)
        for region in of_class(tree, "table-scroll"):
            props = region["props"]
            assert (str(props.get("tabIndex", props.get("tabindex"))), props["role"]) == (
                "0", "region",
            )  # fmt: skip
            assert props["aria-label"]
            assert words(of_type(region, "Caption")) == props["aria-label"]
    tree = city.panel("ranking-table", search)
    (caption,) = map(words, of_type(tree, "Caption"))
    assert "先列明显高于其余的" in caption
    rows = body(tree)
    assert all(of_type(row[0], "Link") for row in rows if len(row) > 1)
    assert {cell["props"]["scope"] for cell in of_type(of_type(tree, "Thead"), "Th")} == {"col"}
    assert all(of_type(row[5], "Svg")[0]["props"]["aria-label"] for row in rows if len(row) > 5)


@pytest.mark.parametrize("search", ["", "?by=subdistrict&page=2", "?by=unit"])
def test_links_are_ours_and_keep_the_question(city: City, search: str):
    for name in PANELS:
        for node in nodes(city.panel(name, search + ("&" if search else "?") + "channel=phone")):
            href = node["props"].get("href")
            assert href is None or (href.startswith("/") and "channel=phone" in href)


def test_the_page_itself_answers_anything(city: City):
    for search in [*SEARCHES.values(), *NONSENSE.values(), "?weights=³-50-47", "?nonsense"]:
        assert city.server.test_client().get(f"/ranking{search}").status_code == 200


# --- Data of another city -----------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
PINGSHAN = ROOT.parent / "shared" / "real" / "pingshan2018"


@pytest.fixture(scope="module")
def pingshan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, Mapping[str, Any]]]:
    from app import create_app
    from data_access.loading.load import LoadRequest, load
    from tests.data.test_loading import Silent

    settings = Settings(
        _env_file=None, data_dir=tmp_path_factory.mktemp("pingshan") / "var",
        loader_memory_limit="1GB",
    )  # fmt: skip
    mapping = ROOT / "data_access" / "mappings" / "pingshan2018.toml"
    request = LoadRequest((PINGSHAN / "pingshan_10000_utf8.csv",), mapping=mapping, learn=True)
    load(settings, request, Silent())
    server = create_app(settings)
    yield board_of(server), json.loads((PINGSHAN / "expected.json").read_text("utf-8"))
    store: Store = server.extensions["board_store"]
    store.close()


@pytest.mark.skipif(not PINGSHAN.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize("search", ["", "&indicator=on_time", "&by=subdistrict&rank_by=resolution"])
def test_streets_of_pingshan_by_what_is_known_of_them(
    pingshan: tuple[Board, Mapping[str, Any]], search: str
):
    board, expected = pingshan
    wanted = dict(expected["on_time_rate_by_所属街道_ranked"])
    unplaced = wanted.pop("-")
    asked = f"?period=year-2018{search}"
    tree = board.panel("ranking-table", asked).props["ranking-table"]["children"]
    rows = body(tree)
    metric = METRICS["on_time"]
    assert [bare(words(row[0])) for row in rows] == list(wanted)
    for place, (row, figures) in enumerate(zip(rows, wanted.values(), strict=True), 1):
        cells = [words(cell) for cell in row]
        assert cells[1] == str(place)
        assert cells[4] == value_text(metric, figures["rate"]).split(" ")[0]
        assert cells[6] == count(figures["n"])
        assert figures["on_time"] / figures["n"] == pytest.approx(figures["rate"], abs=5e-7)
    apart = table_rows(of_class(tree, "table-apart"))
    assert [(row[0], row[1], row[4], row[6]) for row in apart] == [
        ("未定位到街道乡镇", "", value_text(metric, unplaced["rate"]).split(" ")[0],
         count(unplaced["n"])),
    ]  # fmt: skip
    whole = table_rows(tree)[-1]
    assert whole[4] == value_text(metric, expected["on_time_rate_overall"]).split(" ")[0]
    assert whole[6] == count(expected["rows"])
    # Nobody was called back: the three rates are not known, and not 0.
    rates = board.panel("ranking-rates", asked).props["ranking-rates"]["children"]
    for row in table_rows(rates)[1:]:
        assert row[8:12] == ["—"] * 4
        assert "无有效回访" in row[12]
    honest = board.panel("ranking-integrity", asked).props["ranking-integrity"]["children"]
    assert "本期无有效回访" in sentence(honest)


@pytest.mark.skipif(not PINGSHAN.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize("search", ["?league=own&by=district", "?by=district", "?by=unit",
                                    "?league=own", "?weights=30-35-35"])  # fmt: skip
@pytest.mark.parametrize("name", PANELS)
def test_a_city_of_one_district_without_revisits(
    pingshan: tuple[Board, Mapping[str, Any]], name: str, search: str
):
    answer = pingshan[0].panel(name, search)
    assert answer.sound, answer.text[:600]
    said = words(answer.props[name]["children"])
    assert "nan" not in said
    if name == "ranking-summary" and "by=district" in search:
        assert "只有1个区参与排名，没有可比的" in title(answer.props[name]["children"])


# --- The filter bar -----------------------------------------------------------------------------


def bar_and_page(city: City, search: str) -> tuple[str, str]:
    """Return the name of the indicator in the bar and of that among the choices of the page."""
    shell = city.board.shell(search, "/ranking")
    assert shell.sound, shell.text[:400]
    shown = shell.props["filter-indicator"]["value"]
    tree = city.panel("ranking-summary", shell.props["question"]["data"])
    chosen = words(of_class(of_class(tree, "choice-group")[1], "is-chosen"))
    assert f"{chosen}：" in title(tree)
    return METRICS[shown].name, chosen


@pytest.mark.parametrize(
    ("search", "name"),
    [
        ("", "综合成绩"), ("?indicator=resolution", "解决率"), ("?rank_by=resolution", "解决率"),
        ("?indicator=satisfaction", "满意率"), ("?indicator=composite", "综合成绩"),
        ("?indicator=on_time&rank_by=resolution", "按时办结率"), ("?indicator=volume", "综合成绩"),
    ],
)  # fmt: skip
def test_the_bar_and_the_page_name_the_same_indicator(city: City, search: str, name: str):
    assert bar_and_page(city, search) == (name, name)


def test_choosing_in_the_bar_ranks_by_what_was_chosen(city: City):
    search = ""
    for key in ("satisfaction", "resolution", "composite", "resolution", "response"):
        shown = city.board.shell(search, "/ranking").props["question"]["data"]
        answer = city.board.shell(
            search, "/ranking", "filter-indicator.value", {"filter-indicator": key}, shown
        )
        assert answer.sound, answer.text[:400]
        search = answer.props["url"]["search"]
        assert bar_and_page(city, search) == (METRICS[key].name, METRICS[key].name)


@pytest.mark.parametrize("search", ["", "?rank_by=resolution", "?indicator=satisfaction"])
def test_another_control_leaves_the_indicator_as_it_is(city: City, search: str):
    shell = city.board.shell(search, "/ranking").props
    answer = city.board.shell(
        search, "/ranking", "filter-basis.value",
        {"filter-basis": "all", "filter-indicator": shell["filter-indicator"]["value"]},
        shell["question"]["data"],
    )  # fmt: skip
    found = city.ask(answer.props["url"]["search"]).asked
    wanted = city.ask(search).asked.narrowed(basis="all")
    assert found == wanted
    # Elsewhere the bar shows what is asked for there.
    assert city.board.shell(search, "/").props["filter-indicator"]["value"] == wanted.indicator


# --- Streets of the same name -------------------------------------------------------------------


def test_streets_of_one_name_are_told_apart(board: Board, snapshot: Snapshot):
    """北京 has a 八里庄街道 in 朝阳 and one in 海淀."""
    streets = snapshot.reference.subdistricts
    number = streets["name"].value_counts()
    twice = set(number.index[number > 1])
    assert "八里庄街道" in twice
    called = street_names(snapshot)
    assert len(set(called.values())) == len(streets)
    for code, name in zip(streets["code"], streets["name"], strict=True):
        assert called[code].startswith(name)
        assert (called[code] == name) == (name not in twice)
    listed: list[str] = []
    for page in range(1, 8):
        search = f"?by=subdistrict&period=year-2020&page={page}"
        tree = board.panel("ranking-table", search).props["ranking-table"]["children"]
        listed += [bare(row[0]) for row in table_rows(tree)[1:]]
    assert {"八里庄街道（朝阳）", "八里庄街道（海淀）"} <= set(listed)
    assert "八里庄街道" not in listed
    # A file has the district in a column of its own.
    file = board.ask("GET", "/export/rates.csv?by=subdistrict&period=year-2020", None)[1]
    rows = [row for row in csv.reader(io.StringIO(file.decode("utf-8-sig"))) if len(row) > 5]
    found = [row[1] for row in rows if row[2] == "八里庄街道"]
    assert sorted(found) == ["朝阳区", "海淀区"]
