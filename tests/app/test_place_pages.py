"""Pages of one district and of one street: every figure equals a loop over the cases."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from components.formatting import change_text, count, day, share, value_text
from components.place import band_text
from data_access import schema
from data_access.publishing import publish
from data_access.question import Question, ask
from data_access.settings import Settings
from data_access.store import Snapshot, Store, open_store
from domain.metrics import METRICS, Change
from domain.periods import Window
from domain.rules import Rules
from domain.scope import CITY
from tests import oracle
from tests.app import test_ranking_page as ranks
from tests.app.board import Board, board_of, nodes, of_class, of_type, table_rows, words
from tests.data.staging import REFERENCE, stage

PARTS = {
    "district": ("summary", "why", "streets", "topics", "categories", "tags", "points",
                 "integrity", "open"),
    "subdistrict": ("summary", "why", "peers", "topics", "categories", "tags", "points",
                    "integrity", "open"),
}  # fmt: skip
CUTOFF = ranks.CUTOFF
RULES = Rules()
# Communities, tags, topics and shelved cases on the planted city of the ranking; 经开区-like: the
# people of district 4 are counted in district 5, of district 16 nothing is known.
MORE = """
UPDATE incoming SET community = CASE WHEN hash(case_id || 'k') % 9 > 0
    THEN '社区' || (hash(case_id || 'k') % 5) END;
UPDATE incoming SET category_id = CASE WHEN hash(case_id || 'q') % 40 > 0
    THEN 21 + hash(case_id || 'q') % 100 END;
UPDATE incoming SET topic_id = CASE WHEN category_id BETWEEN 22 AND 30 THEN category_id - 21 END;
UPDATE districts SET counted_in = '110105', population = NULL WHERE id = 4;
UPDATE districts SET population = NULL WHERE id = 16;
"""
SEARCHES = {
    "default": "",
    "everything": "?basis=all",
    "year before": "?compare=year",
    "no comparison": "?compare=none",
    "a channel": "?channel=phone",
    "a category": "?category=c002",
    "all periods": f"?{ranks.WHOLE}",
    "nothing": "?period=year-1999",
    "before the cases": "?period=2020-11-01..2020-11-10",
    "what is not looked at": "?indicator=on_time&district=110103&subdistrict=110100001",
}
PLACES = {
    "a good district": ("district", "110109"),
    "a bad one": ("district", "110106"),
    "one that shrinks": ("district", "110112"),
    "an ordinary one": ("district", "110103"),
    "a large street": ("subdistrict", "110100008"),
    "a bad street": ("subdistrict", "110100005"),
    "a perfect street": ("subdistrict", "110100050"),
    "a tiny street": ("subdistrict", "110100300"),
}


@dataclass
class City(ranks.City):
    """The planted city with all columns of its cases, by number."""

    rows: list[dict[str, Any]]
    kept: dict[Any, dict[str, list[oracle.Case]]] = field(default_factory=dict)

    def place(self, name: str, kind: str, code: object, search: object = "") -> Any:
        panel = f"{kind}-{name}"
        answer = self.board.post(
            {
                "output": f"{panel}.children",
                "outputs": {"id": panel, "property": "children"},
                "inputs": [
                    {"id": "question", "property": "data", "value": search},
                    {"id": f"{kind}-code", "property": "data", "value": code},
                ],
                "changedPropIds": ["question.data"],
                "state": [],
            }
        )
        assert answer.sound, (panel, code, search, answer.text[:600])
        return answer.props[panel]["children"]

    def own(self, kind: str, code: str, search: str = "", window: Window | None = None,
            basis: str = "") -> list[oracle.Case]:  # fmt: skip
        """Return the cases of a place in the period, other places in the URL left out."""
        key = (kind, search, window, basis)
        if key not in self.kept:
            question = self.ask(search)
            filters = question.filters.narrowed(district=(), subdistrict=())
            filters = filters.narrowed(basis=basis or filters.basis)
            found: dict[str, list[oracle.Case]] = {"": []}
            for case in oracle.created_in(
                oracle.chosen(self.cases, filters), window or question.period.window
            ):
                found.setdefault(getattr(case, kind) if kind else "", []).append(case)
            self.kept[key] = found
        return self.kept[key].get(code, [])


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    from app import create_app

    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("places") / "var")
    staged = stage(
        settings, cases=20_000, first=ranks.FIRST, days=ranks.DAYS, cutoff=CUTOFF,
        change=ranks.PLANTED.replace("WHEN level = 1 THEN '便利性'", "WHEN id % 3 > 0 THEN "
                                     "['便利性', '宜居性'][1 + id % 2]") + MORE,
        tables=frozenset(REFERENCE), city="某市",
    )  # fmt: skip
    publish(settings, staged, lambda *_: None)
    server = create_app(settings)
    store = open_store(settings)
    snapshot = store.current()
    assert snapshot is not None
    with snapshot.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(schema.cases)).mappings()]
    yield City(server, board_of(server), snapshot, oracle.read_cases(snapshot), rows)
    store.close()
    own: Store = server.extensions["board_store"]
    own.close()


def title(tree: Any) -> str:
    return words(of_type(tree, "H1"))


def sentence(tree: Any) -> str:
    return words(of_class(tree, "panel-sentence"))


def hundredth(text: str) -> int:
    """Return a printed number with its sign in hundredths."""
    return round(100 * float(text.replace("−", "-").replace("+", "").replace(",", "")))


# --- Every panel answers ------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
@pytest.mark.parametrize(("kind", "code"), [*PLACES.values()][2::2], ids=[*PLACES][2::2])
def test_every_panel_answers(city: City, kind: str, code: str, search: str):
    for name in PARTS[kind]:
        tree = city.place(name, kind, code, search)
        for text in ("NaN", "nan", "None", "Infinity"):
            assert text not in words(tree), name
        assert "NaN" not in json.dumps(tree), name


NO_PLACES: dict[str, object] = {
    "unknown": "999999",
    "empty": "",
    "not a text": None,
    "a list": ["110105"],
    "a number": 110105,
    "markup": "<script>alert(1)</script>",
    "a query": "' OR 1=1 --",
    "control": "\x00\x07",
    "long": "1" * 5000,
}


@pytest.mark.parametrize("code", [*NO_PLACES.values(), "110100001"], ids=[*NO_PLACES, "a street"])
def test_no_such_district(city: City, code: object):
    tree = city.place("summary", "district", code)
    assert title(tree) == "没有这个区"
    assert "请从总览中选一个区" in words(tree)
    if isinstance(code, str) and code.isalnum():
        assert f"“{code[:30]}”" in words(tree)
    for name in PARTS["district"][1:]:
        assert words(city.place(name, "district", code)) == ""


@pytest.mark.parametrize("code", [*NO_PLACES.values(), "110105"], ids=[*NO_PLACES, "a district"])
def test_no_such_street(city: City, code: object):
    tree = city.place("summary", "subdistrict", code)
    assert title(tree) == "没有这个街道乡镇"
    for name in PARTS["subdistrict"][1:]:
        assert words(city.place(name, "subdistrict", code)) == ""


@pytest.mark.parametrize(
    "path",
    [
        "/districts/110105",
        "/subdistricts/110100005",
        "/districts/no",
        "/districts/110105?code=110106",
        "/subdistricts/%00",
        "/districts/%E6%9C%9D%E9%98%B3",
        "/districts/110105?period=x",
    ],
)
def test_the_page_itself_answers(city: City, path: str):
    assert city.server.test_client().get(path).status_code == 200


@pytest.mark.parametrize("search", ["?code=110106", "?code=%3Cb%3E", "?code=&code=1"])
@pytest.mark.parametrize(("kind", "code"), [("district", "110109"), ("subdistrict", "110100008")])
def test_a_code_in_the_query_does_not_take_the_place(city: City, kind: str, code: str, search: str):
    """Dash hands a key ``code`` of the query to the layout in place of the one in the path."""
    path = f"/{kind}s/{code}"
    listed = json.loads(city.server.test_client().get("/_dash-dependencies").data)
    pages = next(each for each in listed if "_pages_content.children" in each["output"])
    given = {"_pages_location.pathname": path, "_pages_location.search": search}
    inputs = [
        each | {"value": given.get(f"{each['id']}.{each['property']}")} for each in pages["inputs"]
    ]
    outputs = [
        dict(zip(("id", "property"), each.rsplit(".", 1), strict=True))
        for each in pages["output"].strip(".").split("...")
    ]
    answer = city.board.post(
        {
            "output": pages["output"], "outputs": outputs, "inputs": inputs,
            "changedPropIds": ["_pages_location.pathname"], "state": [],
        }
    )  # fmt: skip
    assert answer.status == 200
    stores = of_type(answer.props["_pages_content"]["children"], "Store")
    assert [
        store["props"]["data"] for store in stores if store["props"]["id"] == f"{kind}-code"
    ] == [code]


@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_a_period_without_a_case(city: City, kind: str, code: str):
    tree = city.place("summary", kind, code, "?period=year-1999")
    assert title(tree).endswith("本期没有符合条件的诉求")
    assert "没有符合条件的诉求" in words(of_class(tree, "state"))
    for name in PARTS[kind][1:-1]:
        assert words(city.place(name, kind, code, "?period=year-1999")) == "", name


def test_what_the_page_does_not_look_at_is_said(city: City):
    tree = city.place("summary", "district", "110109", SEARCHES["what is not looked at"])
    said = words(of_class(tree, "notice"))
    for word in ("区", "街道乡镇", "指标：按时办结率"):
        assert word in said
    assert title(tree).startswith("第9区综合成绩")
    plain = city.place("summary", "district", "110109")
    assert not of_class(plain, "notice")


# --- Summary ------------------------------------------------------------------------------------

HEADLINE = ("volume", "response", "resolution", "satisfaction", "composite", "on_time")


@pytest.mark.parametrize("search", ["", "?basis=all", "?channel=phone", f"?{ranks.WHOLE}"])
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_the_cards_equal_loops(city: City, kind: str, code: str, search: str):
    own = city.own(kind, code, search)
    whole = city.own("", "", search)
    tree = city.place("summary", kind, code, search)
    if not own:
        assert kind == "subdistrict"
        return
    cards = of_class(tree, "figure-card")
    assert len(cards) == len(HEADLINE)
    for card, key in zip(cards, HEADLINE, strict=True):
        metric = METRICS[key]
        value, n = oracle.indicator(key, own, CUTOFF, RULES)
        assert words(of_class(card, "figure-value")).strip() == value_text(metric, value)
        extra = words(of_class(card, "figure-extra")).replace("\u00a0", " ")
        if key == "volume":
            assert f"占某市{share(len(own) / len(whole))}" in extra
            continue
        assert f"n={count(n)} 件" in words(of_class(card, "figure-sample"))
        city_value, _ = oracle.indicator(key, whole, CUTOFF, RULES)
        assert f"某市 {value_text(metric, city_value)}" in extra
        if kind == "subdistrict":
            district = next(case.district for case in own)
            of_district = city.own("district", district, search)
            near, _ = oracle.indicator(key, of_district, CUTOFF, RULES)
            assert f"本区 {value_text(metric, near)}" in extra


@pytest.mark.parametrize("search", ["", "?basis=all"])
@pytest.mark.parametrize("code", [f"1101{n:02d}" for n in range(1, 18)])
def test_a_district_is_named_with_its_band_and_gap(city: City, code: str, search: str):
    placed, reasons = ranks.ranked("composite", city.groups(search), CUTOFF, RULES)
    own = next(each for each in placed if each.code == code)
    value, _ = oracle.indicator("composite", city.own("", "", search), CUTOFF, RULES)
    said = title(city.place("summary", "district", code, search))
    metric = METRICS["composite"]
    begin = f"{city.units('district')[code]}综合成绩 {value_text(metric, own.own.mean)}"
    told = f"{band_text(*own.band)}（{len(placed)}个区）"
    if own.band == (1, len(placed)):
        told = f"在{len(placed)}个区中分不出名次"
    gap = own.own.mean - value
    way = f"{'高' if gap > 0 else '低'}于某市{abs(gap):.1f}分"
    assert said.startswith(f"{begin}，{told}，")
    if f"{abs(gap):.1f}" != "0.0":
        assert way in said
    assert ("多重检验后未见明显差别" in said) == (own.tier == "level")
    assert ("主要因" in said) == (own.tier != "level")
    assert not reasons


@pytest.mark.parametrize("search", ["", "?basis=all", "?channel=phone"])
@pytest.mark.parametrize("number", [1, 4, 5, 16])
def test_cases_per_residents(city: City, number: int, search: str):
    code = f"1101{number:02d}"
    said = words(of_class(city.place("summary", "district", code, search), "place-facts"))
    if number == 4:
        assert "万人诉求比：人口计入第5区，不单列" in said
        return
    if number == 16:
        assert "万人诉求比：无人口数" in said
        return
    own = len(city.own("district", code, search))
    if number == 5:  # the people of district 4 are counted here, so are its cases
        own += len(city.own("district", "110104", search))
    people = {n: 500_000 + n for n in range(1, 18) if n not in (4, 16)}
    known = [case for case in city.own("", "", search)
             if case.district not in ("", "110116")]  # fmt: skip
    everyone = 10_000 * len(known) / sum(people.values())
    assert f"万人诉求比：{10_000 * own / people[number]:,.1f}件/万人（某市{everyone:,.1f}）" in said


def test_who_its_like_are(city: City):
    said = words(of_class(city.place("summary", "district", "110109"), "place-facts"))
    assert "同类：城市副中心、平原新城，5个区" in said
    said = words(of_class(city.place("summary", "subdistrict", "110100008"), "place-facts"))
    assert "同档：某市按诉求量分3档，本处在第1档" in said
    # Alone in no zone: nobody is its like.
    assert "同类" not in words(of_class(city.place("summary", "district", "110117"), "place-facts"))


# --- Why ----------------------------------------------------------------------------------------


def why_rows(tree: Any) -> tuple[list[list[str]], list[str]]:
    rows = table_rows(of_class(tree, "data-table"))
    return rows[1:-1], rows[-1]


@pytest.mark.parametrize("search", ["", "?basis=all", f"?{ranks.WHOLE}", "?category=c002"])
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_the_parts_add_up_to_the_gap_as_printed(city: City, kind: str, code: str, search: str):
    own, whole = city.own(kind, code, search), city.own("", "", search)
    value, n = oracle.indicator("composite", own, CUTOFF, RULES)
    everywhere, _ = oracle.indicator("composite", whole, CUTOFF, RULES)
    tree = city.place("why", kind, code, search)
    if n < RULES.minimum_revisits:
        assert not of_type(tree, "Graph")
        assert not own or of_class(tree, "state")
        return
    rows, last = why_rows(tree)
    gap = round(100 * (value - everywhere))
    assert abs(hundredth(last[-1]) - gap) <= 1
    for place in (-3, -2, -1):
        assert sum(hundredth(row[place]) for row in rows) == hundredth(last[place])
    for row in [*rows, last]:
        assert hundredth(row[-3]) + hundredth(row[-2]) == hundredth(row[-1])
    assert last[2] == value_text(METRICS["composite"], value, decimals=2)
    assert last[3] == value_text(METRICS["composite"], everywhere, decimals=2)
    ends = [round(100 * float(text.split()[0])) for text in last[2:4]]
    assert hundredth(last[-1]) == ends[0] - ends[1]
    # The bars are the rows, from the city's value to the own one.
    (graph,) = of_type(tree, "Graph")
    bars = next(t for t in graph["props"]["figure"]["data"] if t["type"] == "bar")
    assert len(bars["x"]) == len(rows)
    assert bars["base"][0] == pytest.approx(everywhere)
    assert bars["base"][-1] + bars["x"][-1] == pytest.approx(value)
    for amount, row in zip(bars["x"], rows, strict=True):
        assert 100 * amount == pytest.approx(hundredth(row[-1]), abs=2)
    assert [text.strip() for t in graph["props"]["figure"]["data"] if t.get("mode") == "text"
            for text in t["text"]] == [row[-1] for row in rows]  # fmt: skip
    # The sentence tells the same sums.
    told = re.search(r"其中办理效果(.+?)，诉求构成(.+?)（分）", sentence(tree))
    assert told
    assert list(told.groups()) == [last[-3], last[-2]]


def test_a_part_equals_a_loop(city: City):
    """Performance and mix of every category with a bar of its own, by hand."""
    search = f"?{ranks.WHOLE}"
    own, whole = city.own("district", "110106", search), city.own("", "", search)
    rows, _ = why_rows(city.place("why", "district", "110106", search))
    reference = city.snapshot.reference.categories
    names = dict(zip(reference["name"], reference["code"], strict=True))
    keys = {METRICS[key].name: (key, weight) for key, weight in
            (("response", 10), ("resolution", 50), ("satisfaction", 40))}  # fmt: skip

    def of(cases: Sequence[oracle.Case], code: str) -> list[oracle.Case]:
        return [case for case in cases if case.category[:1] == (code,)]

    checked = 0
    for row in rows:
        component, category = row[0].split(" · ")
        if category not in names:
            continue
        key, weight = keys[component]
        mine, theirs = of(own, names[category]), of(whole, names[category])
        (rate, n), (city_rate, city_n) = (
            oracle.indicator(key, each, CUTOFF, RULES) for each in (mine, theirs)
        )
        mean, city_all = oracle.indicator(key, whole, CUTOFF, RULES)
        _, all_ = oracle.indicator(key, own, CUTOFF, RULES)
        performance = weight * n / all_ * (rate - city_rate)
        mix = weight * (n / all_ - city_n / city_all) * (city_rate - mean)
        assert row[1] == count(n)
        assert row[2] == value_text(METRICS[key], rate)
        assert row[3] == value_text(METRICS[key], city_rate)
        assert hundredth(row[4]) == pytest.approx(100 * performance, abs=1.01)
        assert hundredth(row[5]) == pytest.approx(100 * mix, abs=1.01)
        checked += 1
    assert checked >= 5


# --- Streets, peers -----------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["", "?basis=all", "?compare=none", "?channel=phone"])
@pytest.mark.parametrize("code", ["110109", "110106", "110103"])
def test_the_streets_of_a_district_equal_loops(city: City, code: str, search: str):
    groups: dict[str, ranks.Group] = {}
    names = city.units("subdistrict")
    own = city.own("district", code, search)
    for street in names:
        if f"1101{1 + int(street[-5:]) % 17:02d}" == code:
            groups[street] = ranks.Group(street, [c for c in own if c.subdistrict == street])
    placed, reasons = ranks.ranked("composite", list(groups.values()), CUTOFF, RULES)
    tree = city.place("streets", "district", code, search)
    rows = ranks.table_of(tree)
    listed = [row[0] for row in table_rows(of_type(of_class(tree, "data-table"), "Tbody")[0])]
    assert listed == [names[each.code] for each in placed]
    metric = METRICS["composite"]
    for each in placed:
        row = rows[names[each.code]]
        assert row["名次区间"].startswith(band_text(*each.band))
        if each.band[0] < each.band[1]:
            assert row["名次区间"].endswith(f"按数值第{each.rank}")
        shown = [value_text(metric, each.own.mean, decimals=d).split(" ")[0] for d in (1, 2)]
        assert row["综合成绩分"] in shown
        assert row["有效回访件"] == count(each.own.n)
    for street, group in groups.items():
        row = rows[names[street]]
        assert row["诉求量件"] == count(len(group.cases))
        for key in ("response", "resolution", "satisfaction", "on_time"):
            value, _ = oracle.indicator(key, group.cases, CUTOFF, RULES)
            printed = "—" if math.isnan(value) else value_text(METRICS[key], value).split(" ")[0]
            assert row[f"{METRICS[key].name}%"] == printed
    assert len(placed) + len(reasons) == len(groups)
    apart = words(of_class(tree, "table-apart"))
    for street, reason in reasons.items():
        assert reason in ("small", "none")
        assert names[street] in apart
        assert "不参与排名" in apart
    whole = rows["汇总"]
    value, n = oracle.indicator("composite", own, CUTOFF, RULES)
    assert whole["有效回访件"] == count(n)
    assert whole["诉求量件"] == count(len(own))
    assert whole["综合成绩分"] in [
        value_text(metric, value, decimals=d).split(" ")[0] for d in (1, 2)
    ]


@pytest.mark.parametrize("code", ["110100008", "110100005", "110100050", "110100300"])
def test_a_street_among_its_peers(city: City, code: str):
    tree = city.place("peers", "subdistrict", code)
    own = city.own("subdistrict", code)
    if not own:
        assert words(tree) == ""
        return
    names = city.units("subdistrict")
    district = f"1101{1 + int(code[-5:]) % 17:02d}"
    everyone = {group.code: group for group in city.groups("?by=subdistrict")}
    near = [group for street, group in everyone.items()
            if f"1101{1 + int(street[-5:]) % 17:02d}" == district]  # fmt: skip
    placed, reasons = ranks.ranked("composite", near, CUTOFF, RULES)
    said = sentence(tree)
    name = city.units("district")[district]
    if code in reasons:
        why = {"small": "样本不足", "none": "无有效回访"}[reasons[code]]
        assert f"在{name}的街道乡镇中{why}，不参与排名" in said
        assert not of_class(tree, "row-marked")
        return
    mine = next(each for each in placed if each.code == code)
    where = band_text(*mine.band)
    assert f"在{name}的街道乡镇中{where}（参与排名{len(placed)}个）" in said
    first, second = of_type(tree, "Table")
    for table in (first, second):
        assert [words(of_type(row, "Th")) for row in of_class(table, "row-marked")] == [names[code]]
    shown = [row[0] for row in table_rows(first)[1:] if not row[0].startswith("……")]
    order = [names[each.code] for each in placed]
    assert [each for each in order if each in shown] == shown


# --- Topics, categories, 七有五性 -----------------------------------------------------------------


def resolution_cell(cases: Sequence[oracle.Case]) -> str:
    value, n = oracle.indicator("resolution", cases, CUTOFF, RULES)
    if 0 < n < RULES.minimum_revisits:
        return f"样本不足n {count(n)}"
    return value_text(METRICS["resolution"], value) + (f"n {count(n)}" if n else "")


def volume_change(now: int, then: int, days: tuple[int, int]) -> str:
    if not then:
        return "—"
    ratio = (now / days[0]) / (then / days[1])
    error = math.sqrt(RULES.volume_dispersion * (1 / max(now, 1) + 1 / then))
    z = math.log(max(ratio, 1e-9)) / error
    direction: Any = "flat" if abs(z) < ranks.Z else "up" if z > 0 else "down"
    return change_text(METRICS["volume"], Change(100 * (ratio - 1), direction))


def compared(question: Question) -> tuple[Window, tuple[int, int]]:
    assert question.compared is not None
    window = question.compared[1]
    return window, (question.period.window.days, window.days)


@pytest.mark.parametrize("search", ["", "?basis=all", "?compare=year", "?channel=phone"])
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize("name", ["categories", "tags", "topics"])
def test_the_tables_of_kinds_equal_loops(city: City, name: str, kind: str, code: str, search: str):
    own, whole = city.own(kind, code, search), city.own("", "", search)
    window, days = compared(city.ask(search))
    before = city.own(kind, code, search, window)
    reference = city.snapshot.reference
    category_of = dict(zip(reference.categories["code"], reference.categories["name"], strict=True))
    tags = dict(zip(reference.categories["code"], reference.categories["tag"], strict=True))
    topics = dict(zip(reference.topics["code"], reference.topics["name"], strict=True))

    def group(case: oracle.Case) -> str:
        if name == "topics":
            return topics.get(case.topic, "")
        if not case.category:
            return "未归类" if name == "categories" else "未列入"
        if name == "categories":
            return str(category_of[case.category[0]])
        tag = tags[case.category[-1]]
        return tag if isinstance(tag, str) else "未列入"

    tree = city.place(name, kind, code, search)
    if not own:
        assert words(tree) == ""
        return
    rows = ranks.table_of(tree)
    sizes = Counter(map(group, own))
    sizes.pop("", None)
    assert {row for row in rows if row != "汇总" and rows[row]["诉求量件"] != "0"} == {*sizes}
    for each, size in sizes.items():
        row, cases = rows[each], [case for case in own if group(case) == each]
        theirs = [case for case in whole if group(case) == each]
        assert row["诉求量件"] == count(size)
        assert row["解决率n 有效回访"] == resolution_cell(cases)
        word = city.ask(search).compare_word
        then = sum(group(case) == each for case in before)
        assert row[f"诉求量{word}"] == volume_change(size, then, days)
        value, _ = oracle.indicator("resolution", theirs, CUTOFF, RULES)
        shown = value_text(METRICS["resolution"], value).split(" ")[0]
        if name == "topics":
            assert row["某市解决率%"] == shown
            continue
        assert row["某市%"] == shown
        assert row["占比"] == share(size / len(own))
        assert row["某市占比"] == share(len(theirs) / len(whole))
    if name != "topics":
        assert rows["汇总"]["诉求量件"] == count(len(own))
        assert sum(sizes.values()) == len(own)
        placed = [row for row in rows if row not in ("汇总", "未归类", "未列入")]
        assert placed == sorted(placed, key=lambda each: -sizes[each])
        first = placed[0]
        assert sentence(tree).startswith(f"{first}最多，{count(sizes[first])}件") or (
            list(sizes.values()).count(sizes[first]) > 1
        )


def test_categories_lead_one_level_down(city: City):
    tree = city.place("categories", "district", "110109", "?channel=phone")
    hrefs = {words(link): link["props"]["href"] for link in of_type(tree, "Link")}
    assert hrefs
    for href in hrefs.values():
        assert re.fullmatch(r"/districts/110109\?category=c\d+&channel=phone", href), href
    name, href = next(iter(hrefs.items()))
    below = city.place("categories", "district", "110109", href.partition("?")[2])
    whole = ranks.table_of(below)["汇总"]["诉求量件"]
    assert whole == ranks.table_of(tree)[name]["诉求量件"]


# --- Points, oldest open ------------------------------------------------------------------------


def raw(city: City, kind: str, code: str, search: str) -> list[dict[str, Any]]:
    """Return the rows of the case table of a place that count, of every period."""
    question = city.ask(search)
    frame = getattr(city.snapshot.reference, f"{kind}s")
    (identity,) = frame.loc[frame["code"] == code, "id"]
    channels = city.snapshot.reference.channels
    chosen = set(channels.loc[channels["code"].isin(list(question.filters.channel)), "id"])
    return [
        row for row in city.rows
        if row["assessed"] and row[f"{kind}_id"] == identity
        and (question.filters.basis == "all" or not row["excluded"])
        and (not chosen or row["channel_id"] in chosen)
    ]  # fmt: skip


@pytest.mark.parametrize("search", ["", "?basis=all", "?compare=year", "?channel=phone"])
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_the_communities_equal_loops(city: City, kind: str, code: str, search: str):
    question = city.ask(search)
    now, (before, days) = question.period.window, compared(question)
    rows = raw(city, kind, code, search)
    inside = [row for row in rows if now.start <= row["created_on"] <= now.end]
    tree = city.place("points", kind, code, search)
    if not inside:
        assert words(tree) == ""
        return
    streets = city.snapshot.reference.subdistricts
    street_of = dict(zip(streets["id"], streets["name"], strict=True))
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in inside:
        if row["community"] is not None:
            found.setdefault((row["subdistrict_id"], row["community"]), []).append(row)
    order = sorted(
        found, key=lambda each: (-len(found[each]), min(row["created_at"] for row in found[each]))
    )[:10]
    shown = table_rows(tree)[1:]
    assert len(shown) == len(order)
    for cells, key in zip(shown, order, strict=True):
        own = found[key]
        wanted = [key[1], *([street_of[key[0]]] if kind == "district" else [])]
        then = [row for row in rows if before.start <= row["created_on"] <= before.end
                and (row["subdistrict_id"], row["community"]) == key]  # fmt: skip
        answered = [row for row in own if row["valid_revisit"]]
        yes = sum(row["resolved"] == 1 for row in answered)
        n = len(answered)
        rate = f"{value_text(METRICS['resolution'], yes / n)}n {n}" if n >= 30 else (
            f"样本不足n {n}" if n else "—（无有效回访）"
        )  # fmt: skip
        wanted += [count(len(own)), share(len(own) / len(inside)),
                   volume_change(len(own), len(then), days), rate]  # fmt: skip
        assert cells == wanted
    together = sum(len(found[key]) for key in order)
    assert f"合计{count(together)}件，占受理的{share(together / len(inside))}" in sentence(tree)


@pytest.mark.parametrize("search", ["", "?basis=all", "?channel=phone", "?period=year-1999"])
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_the_oldest_open_cases_equal_loops(city: City, kind: str, code: str, search: str):
    rows = [
        row for row in raw(city, kind, code, search)
        if not (row["closed"] and (row["closed_at"] is None or row["closed_at"] <= CUTOFF))
        and row["created_at"] <= CUTOFF
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["created_at"], row["case_id"]))
    shown = table_rows(city.place("open", kind, code, search))[1:]
    assert len(shown) == min(len(rows), 10)
    for cells, row in zip(shown, rows[:10], strict=True):
        assert cells[0] == row["case_id"]
        assert cells[1] == day(row["created_at"])
        assert cells[2] == count((CUTOFF - row["created_at"]).days)
        if row["shelved_until"] is not None and row["shelved_until"] >= CUTOFF.date():
            wanted = f"挂账至{day(row['shelved_until'])}"
        elif row["due_at"] is None:
            wanted = "—（未给期限）"
        elif row["due_at"] < CUTOFF:
            wanted = f"◆ 逾期{count((CUTOFF - row['due_at']).days)}天".replace("期0天", "期不足1天")
        else:
            wanted = f"至{day(row['due_at'])}"
        assert cells[3] == wanted
        assert cells[6] == (row["summary"] or "—（无摘要）")


# --- Integrity, exceptions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "search", ["", "?basis=all", "?compare=none", f"?period={ranks.PERIODS[2]}"]
)
@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_the_integrity_of_a_place_equals_loops(city: City, kind: str, code: str, search: str):
    own = {basis: city.own(kind, code, search, basis=basis) for basis in ("assessed", "all")}
    whole = {basis: city.own("", "", search, basis=basis) for basis in ("assessed", "all")}
    basis = city.ask(search).filters.basis
    tree = city.place("integrity", kind, code, search)
    if not own[basis]:
        assert words(tree) == ""
        return
    rows = ranks.table_of(tree)
    name = city.units(kind)[code]
    for word, (yes, n) in ranks.integrity(own[basis], own["all"]).items():
        row = next(row for key, row in rows.items() if key.startswith(word))
        cell = next(text for head, text in row.items() if head.startswith(name))
        assert cell.startswith(f"{value_text(METRICS['revisit_rate'], yes / n)}n {count(n)}")
        all_yes, all_n = ranks.integrity(whole[basis], whole["all"])[word]
        assert row["某市"] == value_text(METRICS["revisit_rate"], all_yes / all_n)


@pytest.mark.parametrize("period", ranks.PERIODS)
@pytest.mark.parametrize("basis", ["assessed", "all"])
@pytest.mark.parametrize("kind", ["district", "subdistrict"])
def test_flags_of_a_place_are_those_of_the_ranking(city: City, kind: str, period: str, basis: str):
    search = f"?period={period}&basis={basis}&by={kind}"
    flagged: dict[str, str] = {}
    pages = 1 if kind == "district" else 7
    for page in range(1, pages + 1):
        rows = ranks.table_of(city.panel("ranking-integrity", f"{search}&page={page}"))
        flagged |= {name: row["异常（环比）"] for name, row in rows.items()}
    names = city.units(kind)
    places = [*names] if kind == "district" else [
        code for code in names if int(code[-5:]) <= 50
    ]  # fmt: skip
    flags = 0
    for code in places:
        tree = city.place("integrity", kind, code, search)
        if not words(tree):
            continue
        told = flagged[names[code]]
        rows = ranks.table_of(tree)
        own = {key: "※ 异常" in row.get("环比", "") for key, row in rows.items()}
        for word in ("有效回访率", "剔除率"):
            (hit,) = (value for key, value in own.items() if key.startswith(word))
            assert hit == (word in told), (names[code], word)
            flags += hit
        assert ("变动异常" in sentence(tree)) == bool(told)
    if kind == "district":
        assert bool(flags) == (period == ranks.PERIODS[-1])


def test_what_is_exceptional_about_a_place_is_said(city: City):
    said = words(of_class(city.place("summary", "district", "110112"), "exceptions"))
    assert "有效回访率" in said
    assert "剔除率" in said
    said = words(of_class(city.place("summary", "district", "110106"), "exceptions"))
    now, before = (
        city.own("district", "110106", f"?period={period}") for period in ranks.PERIODS[:1:-1]
    )
    falls = [
        100 * (oracle.indicator(key, before, CUTOFF, RULES)[0]
               - oracle.indicator(key, now, CUTOFF, RULES)[0])
        for key in ("resolution", "satisfaction")
    ]  # fmt: skip
    assert min(falls) > 10
    assert f"{max(falls):.1f}个百分点" in said
    calm = city.place("summary", "district", "110103")
    assert "没有例外" in words(calm) or "例外" in words(of_class(calm, "exceptions"))
    # What the page says of itself does not lead to itself.
    for link in of_type(
        of_class(city.place("summary", "district", "110106"), "exceptions"), "Link"
    ):
        assert not link["props"]["href"].startswith("/districts/110106")


def test_without_a_comparison_nothing_is_said_to_have_changed(city: City):
    tree = city.place("integrity", "district", "110112", "?compare=none")
    assert sentence(tree) == "没有对比期，不判断变动。"
    assert "异常" not in words(of_type(tree, "Table"))


# --- Links, keyboard ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "code"), PLACES.values(), ids=list(PLACES))
def test_links_are_ours_and_tables_can_be_reached(city: City, kind: str, code: str):
    for name in PARTS[kind]:
        tree = city.place(name, kind, code, "?channel=phone")
        for node in nodes(tree):
            href = node["props"].get("href")
            assert href is None or (href.startswith("/") and "channel=phone" in href), href
        for region in of_class(tree, "table-scroll"):
            props = region["props"]
            assert str(props.get("tabIndex", props.get("tabindex"))) == "0"
            assert props["role"] == "region"
            assert props["aria-label"] == words(of_type(region, "Caption"))


def test_every_place_of_the_demo_answers(board: Board, snapshot: Snapshot, server: Flask):
    city = City(server, board, snapshot, [], [])
    for code in snapshot.reference.districts["code"]:
        for name in PARTS["district"]:
            city.place(name, "district", str(code))
    for code in snapshot.reference.subdistricts["code"][::23]:
        for name in PARTS["subdistrict"]:
            city.place(name, "subdistrict", str(code))


def test_days_of_the_planted_city(city: City):
    store: Store = city.server.extensions["board_store"]
    question = ask(store, CITY, "")
    assert question.period.window == Window(dt.date(2021, 2, 19), dt.date(2021, 3, 18))
    assert question.rules == RULES
