"""Searches in summaries against loops over the texts, on both engines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from data_access import cases as ledger
from data_access import schema, words
from data_access.publishing import publish, rollback
from data_access.settings import Settings
from data_access.store import Snapshot, Store, open_store
from data_access.words import is_indexed, likely_positions, positions_of
from domain.cases import listing
from domain.filters import Filters
from domain.periods import Window
from domain.rules import Rules
from domain.scope import CITY, Scope
from tests.data.staging import stage

# Small, so that a small store has many stretches, the last of them not full.
STRETCH = 64
ODD = (
    "App登录APP后无法下单",
    "ａｐｐ是全角字母",
    "100%_a\\b'c\"d",
    "50％折扣_未兑现",
    "门口垃圾😀😀堆放👨‍👩‍👧没人管",
    "供",
    "供暖",
    "",
    "   ",
    "甲\x1f乙供暖",
    "换行\n第二行\t制表",
    "İstanbul ẞ ﬁ K",
    "𠮷野家门前停车",
    "aaaaaaaa",
    "供暖供暖供暖",
    "暖供不供暖",
)
TERMS = (
    "供", "暖", "供暖", "暖供", "供暖不热", "市民反映小区供暖不热", "App", "app", "APP", "aPp登",
    "ａｐｐ", "%", "_", "%_", "100%_a\\b'c\"d", "\\", "'", '"', "😀", "😀😀", "👨‍👩‍👧", "\u200d",
    "𠮷", "𠮷野", "İ", "i", "I", "İstanbul", "ẞ", "ß", "ﬁ", "fi", "k", "K", "aa", "aaa",
    "aaaaaaaaa", "没有这样的词", "无", "鑫", "乙供暖", "甲乙", "第二行", "号楼,希望尽快处理并答复",
    "答复", "复", "x" * 300, "供暖" * 40, "\ufffd", "0",
)  # fmt: skip


def quiet(_label: str, _share: float) -> None:
    """Ignore progress."""


def odd_texts() -> str:
    """Return SQL that gives some cases odd summaries, none, or those of nobody's concern."""
    updates = ["UPDATE incoming SET summary = NULL WHERE hash(case_id) % 41 = 0"]
    for number, text in enumerate(ODD):
        quoted = text.replace("'", "''")
        updates.append(
            f"UPDATE incoming SET summary = '{quoted}' WHERE hash(case_id) % 53 = {number}"
        )
    return ";".join(updates)


def folded(text: str) -> str:
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(schema.cases)).mappings()]


def expected(rows: list[dict[str, Any]], *terms: str) -> list[int]:
    return sorted(
        row["position"]
        for row in rows
        if row["assessed"]
        and all(folded(term) in folded(row["summary"] or "") for term in terms)
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def short_stretches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "STRETCH", STRETCH)
        patch.setattr(ledger, "STRETCH", STRETCH)
        yield


@pytest.fixture(scope="module")
def store(shared_settings: Settings) -> Iterator[Store]:
    publish(shared_settings, stage(shared_settings, cases=1_500, change=odd_texts()), quiet)
    store = open_store(shared_settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def snapshot(store: Store) -> Snapshot:
    current = store.current()
    assert current is not None
    return current


@pytest.fixture(scope="module")
def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    return rows_of(snapshot)


def test_positions_are_the_order_of_creation(rows: list[dict[str, Any]]) -> None:
    ordered = sorted(rows, key=lambda row: (row["created_at"], row["case_id"]))
    assert [row["position"] for row in ordered] == list(range(1_500))
    assert any(not row["assessed"] for row in rows)


@pytest.mark.parametrize("term", TERMS)
def test_a_word_is_found_where_it_is(
    snapshot: Snapshot, rows: list[dict[str, Any]], term: str
) -> None:
    found = positions_of(snapshot, (term,))
    assert found.dtype == np.uint32
    assert found.tolist() == expected(rows, term)
    likely = likely_positions(snapshot, (term,), range(100))
    assert set(found.tolist()) <= set(likely.tolist())
    if is_indexed(term):
        assert likely.tolist() == found.tolist()


@pytest.mark.parametrize(("name", "most"), [("_LETTERS", 5), ("_PAIR", 3)])
def test_more_letters_than_one_integer_can_tell_apart(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    texts = "\x1f".join(row["summary"] or "" for row in rows)
    made = words._rows_of(texts)
    monkeypatch.setattr(words, name, most)
    assert words._rows_of(texts) == made
    assert len(made) > 50


def test_the_terms_are_no_empty_exercise(rows: list[dict[str, Any]]) -> None:
    found = [term for term in TERMS if expected(rows, term)]
    assert len(found) > 30
    assert set(TERMS) - set(found) >= {"没有这样的词", "ß", "fi", "甲乙", "鑫"}


def test_every_part_of_every_text(snapshot: Snapshot, rows: list[dict[str, Any]]) -> None:
    chance = random.Random(7)
    texts = [row["summary"] for row in rows if row["summary"]]
    for _ in range(150):
        text = chance.choice(texts)
        start = chance.randrange(len(text))
        term = text[start : start + chance.randint(1, 7)]
        if term.split() == [term]:  # as a search has it
            assert positions_of(snapshot, (term,)).tolist() == expected(rows, term), term


def test_several_words_must_all_be_there(snapshot: Snapshot, rows: list[dict[str, Any]]) -> None:
    for terms in (("市民", "供暖"), ("供暖不热", "尽快"), ("APP", "登录"), ("供", "停", "车")):
        assert positions_of(snapshot, terms).tolist() == expected(rows, *terms)
    assert expected(rows, "供暖不热", "尽快")


@pytest.mark.parametrize(
    ("few", "parts", "dense", "listed"),
    [(1, 10_000, 10_000, 1), (7, 2, 10_000, 10), (50, 1, 10_000, 1), (1, 1, 1, 1)],
)
def test_every_way_of_reading_gives_the_same(
    snapshot: Snapshot,
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    parts: int,
    dense: int,
    listed: int,
) -> None:
    monkeypatch.setattr(words, "_FEW", few)
    monkeypatch.setattr(words, "_PARTS", parts)
    monkeypatch.setattr(words, "_DENSE", dense)
    monkeypatch.setattr(words, "_LISTED", {"duckdb": listed, "postgresql": listed})
    monkeypatch.setattr(words, "_BITS_PER_NUMBER", {"duckdb": 10**9, "postgresql": 10**9})
    monkeypatch.setattr(words, "_GRAMS", 2)
    snapshot.searches._results.clear()
    for term in ("供暖不热", "停车混乱", "供", "供暖", "登录app", "甲乙丙", "答复"):
        found = positions_of(snapshot, (term,))
        assert found.tolist() == expected(rows, term)
        for each in (words.near(snapshot, found), [words.among(snapshot, found)]):
            asked = [sa.select(schema.cases.c.position).where(one) for one in each]
            with snapshot.engine.connect() as connection:
                read = [row[0] for one in asked for row in connection.execute(one)]
            assert sorted(read) == found.tolist()
    snapshot.searches._results.clear()


@pytest.mark.parametrize("tried", [(1, 1), (2, 20), (8, 1)])
@pytest.mark.parametrize("sort", ["newest", "oldest"])
@pytest.mark.parametrize("scope", [CITY, Scope(frozenset({"110104"})), Scope(frozenset())])
def test_the_first_page_is_that_of_the_whole(
    snapshot: Snapshot,
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tried: tuple[int, int],
    sort: Any,
    scope: Scope,
) -> None:
    monkeypatch.setattr(ledger, "_TRIED_STRETCHES", tried[0])
    monkeypatch.setattr(ledger, "_TRIED", tried[1])
    cutoff = snapshot.cutoff.date()
    assert snapshot.first_day is not None
    windows = [
        Window(snapshot.first_day, cutoff),
        Window(snapshot.first_day.replace(month=6), cutoff.replace(month=2)),
        Window(cutoff.replace(year=2030), cutoff.replace(year=2031)),
        Window(cutoff.replace(year=2010), cutoff.replace(year=2011)),
    ]
    district = dict(zip(snapshot.reference.districts["id"], snapshot.reference.districts["code"],
                        strict=True))  # fmt: skip
    for q in ("供暖", "供暖不热", "答复", "希望尽快处理并答复", "App", "鑫", "供暖不热 编号"):
        filters = Filters(q=q)
        for window in windows:
            asked = listing(filters, window, cutoff, Rules())
            among = set(expected(rows, *filters.terms))
            wanted = [
                (row["created_at"], row["case_id"])
                for row in rows
                if row["position"] in among
                and window.start <= row["created_on"] <= window.end
                and not row["excluded"]
                and (scope.districts is None or district.get(row["district_id"]) in scope.districts)
            ]
            wanted.sort(reverse=sort == "newest")
            page = ledger.page_of_cases(snapshot, scope, asked, sort, 7)
            assert [case.case_id for case in page.cases] == [case for _, case in wanted[:7]]
            assert page.has_after == (len(wanted) > 7)
            for skip in (1, 7, 20):
                later = ledger.page_of_cases(snapshot, scope, asked, sort, 7, skip=skip).cases
                assert [case.case_id for case in later] == [
                    case for _, case in wanted[skip : skip + 7]
                ]
            assert ledger.ladder(snapshot, scope, asked, sort).total == len(wanted)


def test_only_what_changed_is_indexed_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    genuine = words._texts

    def noted(connection: Any, stretch: int) -> str:
        read.append(stretch)
        return genuine(connection, stretch)

    monkeypatch.setattr(words, "_texts", noted)
    # By number and by time in the same order, four stretches and a part of one.
    in_order = """UPDATE incoming SET
        created_at = TIMESTAMP '2020-01-01 00:00:00' + to_minutes(case_id::BIGINT),
        case_id = printf('%012d', case_id::BIGINT);
        UPDATE incoming SET created_on = created_at::DATE, assessed = true"""
    numbered = """UPDATE incoming SET case_id = n::VARCHAR FROM (
        SELECT case_id AS id, row_number() OVER (ORDER BY case_id) + {first} AS n FROM incoming
    ) WHERE id = case_id;"""

    def load(first: int, cases: int, change: str = "") -> list[int]:
        read.clear()
        sql = numbered.format(first=first) + in_order + change
        publish(settings, stage(settings, cases=cases, shift=first, change=sql), quiet)
        store = open_store(settings)
        current = store.current()
        assert current is not None
        rows = rows_of(current)
        for term in ("供", "供暖", "供暖不热", "路灯", "停车"):
            assert positions_of(current, (term,)).tolist() == expected(rows, term)
        store.close()
        return list(read)

    assert load(0, 300) == [0, 1, 2, 3, 4]
    # The same cases with other answers, and newer ones.
    assert load(300, 30) == [4, 5]
    assert load(0, 300, "; UPDATE incoming SET resolved = 0") == []
    one = "; UPDATE incoming SET summary = '路灯' WHERE case_id = printf('%012d', 131)"
    assert load(0, 300, one) == [2]
    uncounted = "; UPDATE incoming SET assessed = false WHERE case_id = printf('%012d', 1)"
    assert load(0, 3, uncounted) == [0]
    # An older case that comes late moves those behind it.
    late = """; UPDATE incoming SET created_at = TIMESTAMP '2020-01-01 02:30:30',
        case_id = 'late'"""
    assert load(900, 1, late) == [2, 3, 4, 5]


def test_a_later_load_changes_what_is_found_and_a_rollback_what_was(settings: Settings) -> None:
    def found(term: str) -> tuple[str, list[str]]:
        store = open_store(settings)
        current = store.current()
        assert current is not None
        if current.engine.dialect.name == "duckdb":
            with current.engine.connect() as connection:
                moved = "SELECT count(*) FROM cases WHERE rowid <> position"
                assert connection.exec_driver_sql(moved).scalar_one() == 0
        rows = {row["position"]: row["case_id"] for row in rows_of(current)}
        numbers = sorted(rows[each] for each in positions_of(current, (term,)).tolist())
        store.close()
        return current.key, numbers

    every = "UPDATE incoming SET assessed = true;"
    publish(settings, stage(settings, cases=100, change=every), quiet)
    _, before = found("供暖不热")
    assert before
    assert found("路灯不亮") == ("real-1.1", [])
    changed = every + "UPDATE incoming SET summary = '路灯不亮' WHERE summary LIKE '%供暖不热%'"
    publish(settings, stage(settings, cases=50, change=changed), quiet)
    key, lamps = found("路灯不亮")
    assert key == "real-1.2"
    _, heating = found("供暖不热")
    # Half of the cases came again with other words; the others stayed.
    assert lamps
    assert heating
    assert sorted([*lamps, *heating]) == before
    older = every + "UPDATE incoming SET created_at = TIMESTAMP '2019-01-01 08:00:00',"
    older += " created_on = DATE '2019-01-01', summary = '供暖不热'"
    publish(settings, stage(settings, cases=10, shift=700, change=older), quiet)
    # Everything has moved behind the new oldest cases.
    assert len(found("供暖不热")[1]) == len(heating) + 10
    assert found("路灯不亮") == ("real-1.3", lamps)
    rollback(settings)
    assert found("供暖不热") == ("real-1.2", heating)
    rollback(settings, "1")
    assert found("供暖不热") == ("real-1.1", before)


@pytest.mark.parametrize("change", [
    "", "UPDATE incoming SET summary = NULL", "UPDATE incoming SET assessed = false",
])  # fmt: skip
def test_nothing_to_search_in(settings: Settings, change: str) -> None:
    publish(settings, stage(settings, cases=100 if change else 0, change=change), quiet)
    store = open_store(settings)
    snapshot = store.current()
    assert snapshot is not None
    for term in ("供", "供暖", "供暖不热", "%"):
        assert positions_of(snapshot, (term,)).tolist() == []
        window = Window(snapshot.cutoff.date().replace(year=2019), snapshot.cutoff.date())
        asked = listing(Filters(q=term), window, window.end, Rules())
        assert ledger.page_of_cases(snapshot, CITY, asked, "newest", 5).cases == ()
        assert ledger.ladder(snapshot, CITY, asked, "newest").total == 0
    store.close()


def test_searches_are_kept_and_the_oldest_forgotten(snapshot: Snapshot) -> None:
    first = positions_of(snapshot, ("供暖", "App"))
    assert positions_of(snapshot, ("app", "供暖")) is first
    for number in range(40):
        positions_of(snapshot, (f"{number}",))
    assert len(snapshot.searches) < 40
