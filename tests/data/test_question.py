"""A query string resolved against the data: periods, versions, and nonsense of every kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data_access.publishing import publish
from data_access.question import NothingPublishedError, ask
from data_access.settings import Settings
from data_access.store import Store, open_store
from domain.filters import Filters, to_search
from domain.periods import Window
from domain.scope import CITY
from tests.data.staging import stage

CUTOFF = dt.datetime(2021, 4, 25, 18, 0)
CHANGE = """
UPDATE incoming SET due_at = created_at + INTERVAL 7 DAY;
UPDATE incoming SET valid_revisit = NULL WHERE created_on >= DATE '2021-04-10';
UPDATE incoming SET valid_revisit = false WHERE created_on >= DATE '2021-04-19';
INSERT INTO rules VALUES ('旧', DATE '2019-01-01', 'minimum_revisits', '20'),
    ('新', DATE '2021-04-01', 'minimum_revisits', '40');
"""


def published(settings: Settings, cases: int, name: str) -> None:
    staged = stage(
        settings,
        name=name,
        cases=cases,
        first=dt.date(2020, 12, 1),
        days=140,
        cutoff=CUTOFF,
        city="某市",
        change=CHANGE,
        tables=frozenset(
            {"districts", "subdistricts", "categories", "units", "channels", "topics", "rules"}
        ),
    )
    publish(settings, staged, lambda *_: None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Give a store with the versions real-1.1 and real-1.2 (current)."""
    folder = tmp_path_factory.mktemp("store")
    settings = Settings(_env_file=None, data_dir=folder / "var", keep_versions=2)
    published(settings, 400, "one")
    published(settings, 600, "two")
    opened = open_store(settings)
    yield opened
    opened.close()


def test_the_default_is_the_newest_finished_and_mature_period(store: Store):
    question = ask(store, CITY, None)
    # May's began on the 19th, mature as it is; April's ended a week ago and is not mature yet.
    assert question.period.key == "assess-2021-03"
    assert question.period.finished
    assert question.asked == Filters()
    assert question.filters == Filters(period="assess-2021-03", version="real-1.2")
    assert question.problems == ()
    assert dict(question.windows) == {
        "now": Window(dt.date(2021, 2, 19), dt.date(2021, 3, 18)),
        "previous": Window(dt.date(2021, 1, 19), dt.date(2021, 2, 18)),
        "year": Window(dt.date(2020, 2, 19), dt.date(2020, 3, 18)),
    }
    assert question.place == "某市"
    assert question.words == "2021年3月考核期（2021.2.19–3.18） · 某市 · 考核口径"


def test_asking_again_with_the_canonical_string_is_the_same_question(store: Store):
    for search in ("", "?district=110103,110105&compare=year", "?period=days-30&version=real-1.1"):
        question = ask(store, CITY, search)
        again = ask(store, CITY, question.canonical)
        assert again.filters == question.filters
        assert again.canonical == question.canonical
        assert again.windows == question.windows
        assert again.snapshot is question.snapshot


def test_a_version_is_pinned_while_it_is_kept(store: Store):
    older = ask(store, CITY, "?version=real-1.1")
    assert older.snapshot.key == "real-1.1"
    assert older.asked.version == "real-1.1"
    # The current version needs no pin: the link must not hold on to it tomorrow.
    current = ask(store, CITY, "?version=real-1.2")
    assert current.asked.version == ""
    assert current.filters.version == "real-1.2"
    gone = ask(store, CITY, "?version=real-1.9")
    assert gone.snapshot.key == "real-1.2"
    assert gone.problems == ("链接所指的数据版本 real-1.9 已不在，现按 real-1.2 显示",)


def test_the_rules_are_those_of_the_periods_end(store: Store):
    assert ask(store, CITY, "?period=month-2021-03").rules.version == "旧"
    assert ask(store, CITY, "?period=month-2021-03").rules.minimum_revisits == 20
    assert ask(store, CITY, "?period=month-2021-04").rules.version == "新"


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("?period=month-2021-13", "month-2021-13"),
        ("?period=month-2021-05", "晚于数据截至日 2021-04-25"),
        ("?period=2021-03-02..2021-03-01", "无法识别"),
        ("?district=110103,110199", "110199"),
        ("?colour=red", "colour=red"),
        ("?compare=never", "compare=never"),
        (7, "不是文字"),
        ({"a": [1]}, "不是文字"),
        (["?district=110103"], "不是文字"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_is_answered(
    store: Store, search: object, words: str
):
    question = ask(store, CITY, search)
    (problem,) = question.problems
    assert words in problem
    assert question.period.key == "assess-2021-03"
    known = ("110103",) if search == "?district=110103,110199" else ()
    assert question.filters.district == known


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.one_of(
        st.text(max_size=60).map(lambda text: f"?{text}"),
        st.builds(
            "?{}={}".format,
            st.sampled_from(["period", "version", "district", "compare", "topic", "indicator"]),
            st.one_of(
                st.text(max_size=20),
                st.from_regex(r"\A(days|year|assess|month|week)-\d{1,5}(-W?\d{1,3})?\Z"),
                st.from_regex(r"\A\d{4}-\d{2}-\d{2}\.\.\d{4}-\d{2}-\d{2}\Z"),
            ),
        ),
        st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4),
    )
)
def test_nothing_at_all_makes_it_fail(store: Store, search: object):
    question = ask(store, CITY, search)
    assert dict(question.windows)["now"].days >= 1
    assert ask(store, CITY, question.canonical).filters == question.filters
    assert to_search(question.asked) == "" or to_search(question.asked).startswith("?")


def test_nothing_published(tmp_path: Path):
    empty = open_store(Settings(_env_file=None, data_dir=tmp_path))
    for search in (None, "", "?version=demo.1", 5):
        with pytest.raises(NothingPublishedError):
            ask(empty, CITY, search)
    empty.close()
