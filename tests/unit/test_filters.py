"""The filter codec: one meaning, one string; nothing is dropped in silence."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import (
    AGE_DAYS,
    BY_LABELS,
    CASE_SORT_LABELS,
    DIMENSIONS,
    LEAGUE_LABELS,
    LIST_OPTIONS,
    LONGEST_QUERY,
    MOST_VALUES,
    NUMBER_OPTIONS,
    ORDER_LABELS,
    POSITIONS,
    PRESET_LABELS,
    RANK_BY,
    SORT_LABELS,
    Filters,
    from_search,
    in_words,
    known_codes,
    to_search,
)
from domain.metrics import INDICATORS

codes = st.lists(
    st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=",;&=#<>\"'\\"),
        min_size=1,
        max_size=12,
    ),
    max_size=4,
).map(tuple)
all_filters = st.builds(
    Filters,
    period=st.sampled_from(["", "assess-2021-03", "week-2021-W14", "2021-01-01..2021-02-01"]),
    compare=st.sampled_from(["previous", "year", "none"]),
    basis=st.sampled_from(["assessed", "all"]),
    indicator=st.sampled_from(INDICATORS),
    version=st.sampled_from(["", "demo.1", "real-2.14"]),
    order=st.sampled_from([*ORDER_LABELS]),
    by=st.sampled_from(["", *BY_LABELS]),
    sort=st.sampled_from([*SORT_LABELS]),
    target=st.sampled_from(["", "2021-01-1"]),
    weights=st.sampled_from(["", "30-35-35"]),
    league=st.sampled_from([*LEAGUE_LABELS]),
    rank_by=st.sampled_from(["", *RANK_BY]),
    preset=st.sampled_from([*PRESET_LABELS]),
    age=st.sampled_from(["", *AGE_DAYS]),
    case_sort=st.sampled_from(["", *CASE_SORT_LABELS]),
    q=st.sampled_from(["", "停电", "100% _停电_ '\"\\", "a&b=c #,;", "一 二 三 四 五"]),
    after=st.sampled_from(["", "20210412235959~A-1", "3~20210412235959123456~%E4%B8%80"]),
    before=st.sampled_from(["", "20210412235959~A"]),
    **dict.fromkeys((*DIMENSIONS, *LIST_OPTIONS), codes),
    **{
        name: st.one_of(st.just(""), st.integers(low, high).map(str))
        for name, (_, low, high) in NUMBER_OPTIONS.items()
    },
)


@given(all_filters)
def test_round_trip(filters):
    parsed = from_search(to_search(filters), INDICATORS)
    assert parsed.filters == filters
    assert parsed.problems == ()


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing(text):
    parsed = from_search("?" + text, INDICATORS)
    again = from_search(to_search(parsed.filters), INDICATORS)
    assert again.filters == parsed.filters
    assert again.problems == ()


def test_order_and_repetition_do_not_make_another_question():
    one = from_search("?district=110102,110101,110102", INDICATORS).filters
    two = from_search("?district=110101,110102", INDICATORS).filters
    assert one == two
    assert hash(one) == hash(two)


def test_what_cannot_be_used_is_said():
    parsed = from_search(
        "?compare=rank&distrct=110101&district=<script>&district=110101&indicator=no", INDICATORS
    )
    assert parsed.filters == Filters(district=("110101",))
    assert len(parsed.problems) == 4
    assert any("distrct" in problem for problem in parsed.problems)


def test_too_much_is_refused_whole():
    many = ",".join(f"{number:06d}" for number in range(MOST_VALUES + 1))
    assert from_search(f"?district={many}", INDICATORS).filters == Filters()
    assert from_search("?district=" + "1" * 5_000, INDICATORS).problems


def test_both_of_two_filters_survive():
    parsed = from_search("?district=110101&category=0301&unit=U0002", INDICATORS)
    assert parsed.filters.district == ("110101",)
    assert parsed.filters.category == ("0301",)
    assert parsed.filters.unit == ("U0002",)


def test_defaults_stay_out_of_the_string():
    assert to_search(Filters()) == ""
    assert from_search(None, INDICATORS).filters == Filters()
    for field in dataclasses.fields(Filters):
        assert f"{field.name}=" not in to_search(Filters())


def test_codes_the_data_does_not_have_are_named():
    known = {name: frozenset({"a"}) for name in DIMENSIONS}
    filters, problems = known_codes(Filters(district=("a", "b"), unit=("c",)), known)
    assert filters == Filters(district=("a",))
    assert len(problems) == 2


def test_words_name_every_filter():
    names = {
        "district": {"1": "西城区"},
        "subdistrict": {},
        "topic": {},
        "category": {"2": "住房"},
        "channel": {"3": "电话"},
        "unit": {"4": "某局"},
    }
    filters = Filters(district=("1",), category=("2",), channel=("3",), unit=("4",), basis="all")
    words = in_words(filters, "2021年3月", names, "全市")
    for word in ("2021年3月", "西城区", "住房", "电话", "某局", "全口径"):
        assert word in words
    assert "全市" in in_words(Filters(), "2021年3月", names, "全市")


@pytest.mark.parametrize(
    "search",
    ["quiet=0", "quiet=27", "quiet=4.5", "quiet=-1", "quiet=٤", "large=9", "floor=123456789",
     "preset=all", "age=31", "case_sort=random", "q=%20", "q=" + "x" * 41, "q=%00", "q=1+2+3+4+5+6",
     "after=1", "after=20210412~A", "before=20210412235959~A'B", "before=20210412235959",
     "by=planet", "weights=30-30-30", "weights=10-50", "target=%00"],
)  # fmt: skip
def test_an_option_out_of_bounds_is_said_and_not_used(search):
    parsed = from_search(f"?{search}", INDICATORS)
    assert parsed.filters == Filters()
    assert len(parsed.problems) == 1


def test_other_pages_do_not_take_over_the_options_of_one():
    filters = from_search(
        "?district=110105&by=project&quiet=06&fix=P2,P1&weights=30-35-35", INDICATORS
    ).filters
    assert (filters.number("quiet"), filters.number("floor"), filters.fix) == (
        6,
        None,
        ("P1", "P2"),
    )
    assert filters.shared == Filters(district=("110105",))


def test_blanks_between_words_do_not_make_another_search():
    parsed = from_search("?q=%20停电+++电梯%0A停电", INDICATORS)
    assert parsed.filters.q == "停电 电梯 停电"
    assert parsed.filters.terms == ("停电", "电梯")
    assert from_search("?q=" + "字" * LONGEST_QUERY, INDICATORS).problems == ()


def test_another_place_in_a_list_ends_the_one_before():
    filters = Filters(after="20210412235959~A", preset="open")
    assert filters.narrowed(page="3") == Filters(page="3", preset="open")
    assert filters.narrowed(page="") == Filters(preset="open")
    assert filters.narrowed(before="20210412235959~B").after == ""
    assert filters.narrowed(version="demo.1").after == "20210412235959~A"
    for name in POSITIONS:
        assert getattr(filters.shared, name) == ""


def test_a_default_asked_for_by_name_is_not_forgotten():
    named = from_search("?indicator=resolution", INDICATORS).filters
    assert named == Filters(rank_by="resolution")
    assert named.shared == Filters()
    assert from_search("?indicator=composite", INDICATORS).filters.rank_by == ""
