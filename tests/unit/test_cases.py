"""The ledger's rules without a database: places in an order, ladders, ages, columns, words."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cases import case_href, cases_href, elapsed, marked
from domain.cases import (
    COLUMNS,
    Ladder,
    Mark,
    in_words,
    ladder_of,
    listing,
    meaning,
    parse_mark,
    shown_columns,
    sorts_of,
    step_of,
    usual_columns,
    within_age,
)
from domain.filters import (
    AGE_DAYS,
    CASE_SORT_LABELS,
    PRESET_LABELS,
    Filters,
    from_search,
    to_search,
)
from domain.metrics import INDICATORS
from domain.periods import Window
from domain.rules import Rules

CUTOFF = dt.date(2021, 4, 12)
RULES = Rules()
moments = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2200, 1, 1))
numbers = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(st.integers(1, 10**6), moments, numbers, st.sampled_from([*CASE_SORT_LABELS]))
def test_a_place_survives_the_url(repeats, moment, number, sort):
    mark = Mark(repeats if sort == "repeats" else 0, moment, number)
    search = to_search(Filters(after=mark.text))
    parsed = from_search(search, INDICATORS)
    assert parsed.problems == ()
    assert parse_mark(parsed.filters.after, sort) == mark


@given(st.text(max_size=60), st.sampled_from([*CASE_SORT_LABELS]))
def test_any_text_is_a_place_or_none(text, sort):
    mark = parse_mark(text, sort)
    assert mark is None or isinstance(mark, Mark)


@pytest.mark.parametrize(
    "text",
    ["", "~", "1~2~3~4", "20210230000000~a", "20210412~a", "2021041223595~a", "20210412235960~a",
     "٢٠٢١٠٤١٢٢٣٥٩٥٩~a", "20210412235959~%00", "20210412235959~%0A", "3~20210412235959~a"],
)  # fmt: skip
def test_nonsense_is_no_place(text):
    assert parse_mark(text, "newest") is None


def test_a_place_in_one_order_is_none_in_another():
    text = Mark(3, dt.datetime(2021, 4, 12, 1, 2, 3), "A~1").text
    assert parse_mark(text, "repeats") == Mark(3, dt.datetime(2021, 4, 12, 1, 2, 3), "A~1")
    assert parse_mark(text, "newest") is None


steps = st.dictionaries(
    st.tuples(st.integers(0, 3), st.dates(dt.date(2021, 1, 1), dt.date(2021, 2, 1))),
    st.integers(0, 4),
    max_size=12,
)


@given(steps, st.sampled_from([*CASE_SORT_LABELS]), st.integers(-5, 60), st.integers(0, 20))
def test_a_ladder_is_the_list_of_its_cases(counts, sort, first, more):
    rising = sort in ("oldest", "overdue")
    cases = sorted(
        (step for step, number in counts.items() for _ in range(number)), reverse=not rising
    )
    ladder = ladder_of([*counts.items()], sort)
    assert ladder.total == len(cases)
    last = first + more
    inside = cases[max(first, 0) : last + 1] if last >= 0 else []
    assert ladder.reach(first, last) == ((inside[0], inside[-1]) if inside else None)
    for step in [*counts, (9, dt.date(2020, 1, 1)), (0, dt.date(2022, 1, 1))]:
        before = sum(each < step if rising else each > step for each in cases)
        assert ladder.around(step, rising) == (before, before + cases.count(step))


def test_an_empty_ladder_leads_nowhere():
    assert Ladder((), ()).total == 0
    assert Ladder((), ()).reach(0, 10) is None
    assert step_of(Mark(2, dt.datetime(2021, 4, 12, 23), "A")) == (2, CUTOFF)


def test_ages_part_the_days_without_a_gap():
    window = Window(dt.date(2019, 1, 1), CUTOFF)
    found = [within_age(window, age, CUTOFF) for age in AGE_DAYS]
    assert sum(each.days for each in found) == window.days
    assert within_age(window, "", CUTOFF) == window
    assert found[0] == Window(dt.date(2021, 3, 13), CUTOFF)
    assert found[1].end == dt.date(2021, 3, 12)


def test_long_open_begins_behind_the_limit():
    window = Window(dt.date(2020, 1, 1), CUTOFF)
    asked = listing(Filters(preset="long_open"), window, CUTOFF, RULES)
    assert (CUTOFF - asked.window.end).days == RULES.long_open_days + 1
    assert asked.asked == window


def test_what_only_arranges_does_not_make_another_listing():
    window = Window(dt.date(2020, 1, 1), CUTOFF)
    one = listing(Filters(preset="open", district=("1",)), window, CUTOFF, RULES)
    two = listing(
        Filters(
            preset="open", district=("1",), case_sort="newest", columns=("unit",), page="7",
            indicator="response", compare="year", version="demo.1",
        ),
        window, CUTOFF, RULES,
    )  # fmt: skip
    assert one == two
    assert hash(one) == hash(two)


@pytest.mark.parametrize("preset", PRESET_LABELS)
def test_every_preset_has_a_meaning_an_order_and_columns(preset):
    assert meaning(preset, RULES)
    assert set(sorts_of(preset)) <= set(CASE_SORT_LABELS)
    assert "summary" in usual_columns(preset)
    assert set(usual_columns(preset)) <= set(COLUMNS)


def test_meanings_name_the_rules():
    rules = Rules(long_open_days=77, return_days=33, group_cases=44)
    assert "77天" in meaning("long_open", rules)
    assert "33天" in meaning("returned", rules)
    assert "44件" in meaning("group", rules)


def test_chosen_columns_keep_their_order_and_unknown_ones_are_named():
    shown, unknown = shown_columns(Filters(columns=("summary", "created", "phone")))
    assert shown == ("created", "summary")
    assert unknown == ("phone",)
    assert shown_columns(Filters(columns=("phone",)))[0] == usual_columns("")


def test_words_name_every_option():
    words = in_words(Filters(preset="overdue", age="90", q="停电 电梯", community=("甲",)), RULES)
    for word in ("逾期", "31–90天", "“停电”", "“电梯”", "甲"):
        assert word in words
    assert in_words(Filters(), RULES) == ""


def test_links_to_the_ledger_keep_the_shared_filters_alone():
    asked = Filters(district=("110101",), by="project", page="3", q="停电")
    assert cases_href(asked, "overdue") == "/cases?district=110101&preset=overdue"
    window = Window(dt.date(2020, 1, 1), CUTOFF)
    assert cases_href(asked, "shelved", window, age="90") == (
        "/cases?period=2020-01-01..2021-04-12&district=110101&preset=shelved&age=90"
    )
    assert case_href("A/1?", asked) == "/cases/A%2F1%3F?district=110101"


def test_words_are_marked_as_they_stand():
    parts = marked("停电,停电了", ("停电了", "停"))
    assert [getattr(part, "children", part) for part in parts] == ["停", "电,", "停电了"]
    assert marked("a.c", ("...",)) == ["a.c"]
    assert marked("a.c", ()) == ["a.c"]


def test_times_between_two_moments():
    start = dt.datetime(2021, 4, 12, 8)
    for minutes, words in (
        (0, "0分钟"), (59, "59分钟"), (60, "1小时"), (61, "1小时1分钟"), (1440, "1天"),
        (1441, "1天"), (1501, "1天1小时"), (-1, ""),
    ):  # fmt: skip
        assert elapsed(start, start + dt.timedelta(minutes=minutes)) == words
