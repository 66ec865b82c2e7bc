"""Words, pictures and tables of the ranking, by what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from dash.development.base_component import Component
from hypothesis import given
from hypothesis import strategies as st

from components.place import Look, Unit
from components.ranking import (
    Course,
    Honest,
    Line,
    Member,
    RateRow,
    Tried,
    courses,
    integrity_table,
    jump_words,
    list_panel,
    list_rules,
    own_answer,
    own_sentence,
    periods_text,
    rank_columns,
    rank_picture,
    rank_row,
    rank_table,
    ranking_answer,
    ranking_sentence,
    rate_columns,
    rates_table,
    signed_points,
    trial_sentence,
    trial_table,
)
from domain.integrity import INTEGRITY
from domain.metrics import METRICS, Change
from domain.ranking import Listed, RankChange, Ranking, Tier
from domain.rules import Rules

NAN = float("nan")
COMPOSITE, RESOLUTION = METRICS["composite"], METRICS["resolution"]
NAMES = {letter: f"{letter}区" for letter in "abcdefgh"}


def walk(node: Any) -> Iterator[Component]:
    if isinstance(node, Component):
        yield node
        yield from walk(getattr(node, "children", None))
    elif isinstance(node, list | tuple):
        for each in node:
            yield from walk(each)


def words(node: Any) -> str:
    if isinstance(node, Component):
        return words(getattr(node, "children", None))
    if isinstance(node, list | tuple):
        return "".join(map(words, node))
    return "" if node is None else str(node)


def label(image: Any) -> str | None:
    return ElementTree.fromstring(image.html).get("aria-label")


def cells(node: Any) -> list[list[str]]:
    return [
        [words(cell) for cell in walk(row) if cell._type in ("Td", "Th")]
        for row in walk(node)
        if row._type == "Tr"
    ]


def ranked(*tiers: Tier, small: int = 0, reason: str = "small", metric: Any = COMPOSITE) -> Ranking:
    """Return a ranking of units a, b, … with these tiers, values falling from 95."""
    rows = pd.DataFrame(
        {
            "value": [95.0 - place for place in range(len(tiers))],
            "n": 100.0, "low": 90.0, "high": 99.0,
            "rank": range(1, len(tiers) + 1), "band_low": 1, "band_high": len(tiers),
            "tier": pd.array(list(tiers), dtype="object"),
        },
        index=list("abcdefgh"[: len(tiers)]),
    )  # fmt: skip
    unranked = pd.DataFrame(
        {"value": NAN, "n": 5.0, "low": NAN, "high": NAN, "reason": reason},
        index=[f"x{place}" for place in range(small)],
    )
    return Ranking(metric, 90.0, rows, unranked)


# --- Words --------------------------------------------------------------------------------------


def answer(result: Ranking) -> str:
    return ranking_answer("3月", "个区", result, NAMES)


def test_the_title_names_the_first_only_where_it_is_above_for_sure() -> None:
    assert answer(ranked("above", "level", "below")) == (
        "3月3个区综合成绩：1个明显高于其余，1个明显低于，1个持平；a区列首位，95.0 分（第1–3名）"
    )
    assert answer(ranked("level", "level", "below")) == "3月3个区综合成绩：1个明显低于，2个持平"
    own_dates = ranking_answer("2018.1.1–12.1", "个区", ranked("level", "below"), NAMES)
    assert own_dates.startswith("2018.1.1–12.1，2个区")
    assert answer(ranked("level", "level")) == (
        "3月2个区综合成绩：彼此持平（多重检验后未见明显差别）"
    )


def test_who_stands_first_is_called_first_only_with_the_best_value() -> None:
    """The order is one of evidence: the best proved need not have the best value."""
    result = ranked("above", "above", "level", "below")
    result.ranked["rank"] = [4, 1, 2, 3]
    assert answer(result) == "3月4个区综合成绩：a区等2个明显高于其余，1个明显低于，1个持平"
    marked = ranking_answer("3月", "个区", result, NAMES, {"a": ()})
    assert marked == (
        "3月4个区综合成绩：a区※等2个明显高于其余，1个明显低于，1个持平，"
        "但a区分母异常收缩（※），须先核查"
    )
    alone = ranked("above", "level")
    alone.ranked["rank"] = [2, 1]
    assert answer(alone) == "3月2个区综合成绩：仅a区1个明显高于其余，1个持平"


def test_of_several_leagues_nobody_is_the_first() -> None:
    result = ranked("above", "above", "level", "below")
    said = ranking_answer("3月", "个区", result, NAMES, {"a": ()}, "同类之间")
    assert said == "3月4个区综合成绩：同类之间，2个明显高于其余，1个明显低于，1个持平"
    level = ranking_answer("3月", "个区", ranked("level", "level"), NAMES, within="同类之间")
    assert level == "3月2个区综合成绩：同类之间，彼此持平（多重检验后未见明显差别）"


def test_nobody_is_praised_whose_denominator_shrank_without_the_mark() -> None:
    result = ranked("above", "level", "below")
    marked = ranking_answer("3月", "个区", result, NAMES, {"a": (), "c": ()})
    assert marked.startswith("3月3个区综合成绩：1个明显高于其余")
    assert "；a区※列首位，95.0 分（第1–3名）" in marked
    assert marked.endswith("，但其分母异常收缩（※），须先核查")
    # Who is not named as first needs none, and who is last is not praised.
    assert ranking_answer("3月", "个区", result, NAMES, {"b": (), "c": ()}) == answer(result)
    said = ranking_sentence(result, NAMES, "个区", {"a": (), "c": ()})
    assert said.startswith("a区※1个区明显高于其余；c区1个区明显低于其余")
    member = Member("甲", "/x", "95.0 分", "", "新进", "有效回访率下降9.0个百分点")
    listed = list_panel("先进", "", [member])
    (mark,) = [each for each in walk(listed) if getattr(each, "className", "") == "flag"]
    assert words(mark) == "※"
    assert mark.title == "分母异常收缩：有效回访率下降9.0个百分点"
    cells_of = rank_row(line("甲", shrunk="剔除率上升5.0个百分点"), LOOK).cells
    assert words(cells_of["name"]) == "甲※"
    assert words(rank_row(line("甲"), LOOK).cells["name"]) == "甲"


def test_a_reader_of_a_part_is_told_of_no_other() -> None:
    result = ranked("above", "level", "below", small=1)
    told = own_sentence(result, {"b": "乙区"}, "个区", "某市")
    assert told == "乙区94.0 分，在某市3个区中第1–3名，持平。"
    assert own_sentence(result, {"a": "甲区"}, "个区", "某市").endswith("，明显高于其余。")
    assert own_sentence(result, {"x0": "丁区"}, "个区", "某市") == "丁区样本不足，不参与排名。"
    several = own_sentence(result, {"a": "甲", "c": "丙", "x0": "丁"}, "个区", "某市")
    assert several == "2个区在某市3个区中，1个明显高于其余、1个明显低于其余；1个不参与排名。"
    title = own_answer("3月", "个区", result, {"b": "乙区"}, "某市")
    assert title == "3月综合成绩：乙区94.0 分，在某市3个区中第1–3名，持平"
    assert own_answer("3月", "个区", ranked(small=3), {}, "某市").startswith("3月没有区够得上")


def test_the_title_says_why_nobody_is_ranked() -> None:
    assert answer(ranked(small=3)) == "3月没有区够得上最小样本，综合成绩不排名"
    assert answer(ranked(small=3, reason="immature")) == "3月诉求尚未成熟，综合成绩暂不排名"


def test_one_alone_is_compared_with_nobody() -> None:
    assert answer(ranked("level")) == "3月只有1个区参与排名，没有可比的"
    assert ranking_sentence(ranked("level"), NAMES, "个区") == "只有a区参与排名，没有可比的。"


def test_the_sentence_names_those_who_differ_the_worst_first() -> None:
    said = ranking_sentence(
        ranked("above", "above", "level", "below", "below", small=2), NAMES, "个区"
    )
    assert said == (
        "a区、b区2个区明显高于其余；e区、d区2个区明显低于其余；"
        "1个持平（多重检验后未见明显差别，名次不代表高低）；2个不参与排名。"
    )
    many: list[Tier] = ["above"] * 6
    assert "a区、b区、c区、d区等6个区" in ranking_sentence(ranked(*many, "level"), NAMES, "个区")
    assert ranking_sentence(ranked("level", "level"), NAMES, "个区") == (
        "2个区彼此持平（多重检验后未见明显差别），名次不代表高低。"
    )
    assert ranking_sentence(ranked(small=4), NAMES, "个区") == "4个不参与排名。"


def test_lists_say_their_rule_with_the_number_of_the_rule_set() -> None:
    assert all("7" in text for text in list_rules(Rules(list_size=7)).values())


@pytest.mark.parametrize(
    ("periods", "most", "text"),
    [(1, 6, "新进"), (3, 6, "连续3期"), (6, 6, "至少连续6期"), (1, 1, "至少连续1期")],
)
def test_for_how_long(periods: int, most: int, text: str) -> None:
    assert periods_text(Listed("a", periods), most, "期") == text


@given(st.floats(-60, 60))
def test_signed_points_have_their_sign_unless_they_are_nothing(amount: float) -> None:
    text = signed_points(amount)
    number = float(text.replace("−", "-"))
    assert number == pytest.approx(amount, abs=0.00501)
    assert (text[0] in "+−") == (number != 0)
    assert signed_points(NAN) == "—"


def test_jumps_say_what_moved_the_flattering_way() -> None:
    assert jump_words("shrinking", 16.2) == "有效回访率下降16.2个百分点"
    assert jump_words("excluding", 10.5) == "剔除率上升10.5个百分点"


# --- Pictures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["above", "level", "below", None])
def test_a_picture_stays_within_its_axis_and_says_its_figures(tier: Tier | None) -> None:
    image = rank_picture(RESOLUTION, 0.875, (0.5, 1.0), tier, 0.8, (0.6, 1.0))
    assert label(image) == "解决率87.5 %，区间50.0–100.0 %，汇总80.0 %"
    svg = image.html
    assert ("circle" in svg) == (tier in ("level", None))
    # The interval begins at the edge, not beyond it.
    assert "M5.0 9H295.0" in svg


def test_tiers_differ_in_shape_and_level_ones_stay_grey() -> None:
    pictures = {
        tier: rank_picture(COMPOSITE, 90, (88, 92), tier, 85, (60, 100)).html
        for tier in ("above", "level", "below", None)
    }
    assert len(set(pictures.values())) == 4
    assert "#0a5c56" in pictures["above"]
    assert "#93400a" in pictures["below"]
    assert not {"#0a5c56", "#93400a"} & {each for each in ("#0a5c56", "#93400a")
                                         if each in pictures["level"]}  # fmt: skip


def test_a_picture_of_nothing_says_so() -> None:
    image = rank_picture(COMPOSITE, NAN, (NAN, NAN), None, NAN, (60, 100))
    assert label(image) == "综合成绩：无数据"
    assert "nan" not in image.html


def test_the_course_of_ranks_has_gaps_where_there_was_no_rank() -> None:
    course = Course(
        "甲区", "/districts/a", ((3, 1, 5), None, (17, 12, 17)), (90.0, NAN, 80.0), "below", 1
    )
    tree = courses([course], [17, 17, 17], ["1月", "2月", "3月"], "期", COMPOSITE)
    (image,) = (node for node in walk(tree) if node._type == "Html")
    assert label(image) == "甲区：1月第3（第1–5名），2月无名次，3月第17（第12–17名）"
    svg = image.html
    assert svg.count("<circle") == 2
    # Two pens: nobody stood between.
    assert svg.split('fill="none"')[0].count("M14.0") == 1
    assert "L" not in svg.split('<path d="M14.0')[1].split('"')[0]
    assert "80.0 分，第12–17名" in words(tree)
    assert "本期新入后三" in words(tree)


# --- Tables -------------------------------------------------------------------------------------

LOOK = Look(COMPOSITE, 1, 89.0, (60.0, 100.0))


def line(name: str, band: tuple[int, int, int] | None = (1, 3, 2), **more: Any) -> Line:
    changes = more.pop("changes", {"环比": Change(-2.34, "down"), "同比": Change(0.1, "flat")})
    given: dict[str, Any] = {
        "code": name, "name": name, "href": f"/districts/{name}", "value": 91.0, "n": 1234.0,
        "low": 90.0, "high": 92.0, "band": band, "tier": "above" if band else None, "cases": 9.0,
    } | more  # fmt: skip
    return Line(Unit(**given), changes)


def test_a_row_has_rank_band_tier_changes() -> None:
    moved = RankChange(-4, "down")
    table = rank_table(
        [line("甲", moved=moved)], {"样本不足，不参与排名": [line("乙", None, n=12.0, changes={})]},
        line("汇总", None, href="", changes={}), LOOK,
        rank_columns(LOOK, "区", ["环比", "同比"], "环比", 13), "排名：说明",
    )  # fmt: skip
    head, first, reason, apart, whole = cells(table)
    assert head[:5] == ["区", "名次按数值", "名次区间", "与其余相比", "综合成绩分"]
    assert [first[0], *first[1:4], *first[6:]] == [
        "甲", "2", "第1–3名", "▲ 高于", "1,234", "下降2.3分", "持平", "下降4位", "",
    ]  # fmt: skip
    assert first[4] == "91.0"
    assert reason == ["样本不足，不参与排名"]
    assert apart[1:4] == ["", "", ""]
    assert whole[:4] == ["汇总", "", "", ""]
    bad = [node for node in walk(table) if "is-bad" in (getattr(node, "className", "") or "")]
    assert [words(node) for node in bad] == ["下降2.3分", "下降4位"]
    assert table.role == "region"
    assert table.tabIndex == 0


def test_without_a_comparison_there_is_no_column_for_it() -> None:
    assert [column.key for column in rank_columns(LOOK, "区", [], "", 13)] == [
        "name", "rank", "band", "tier", "value", "picture", "n", "spark",
    ]  # fmt: skip


def test_nobody_ranked_is_said() -> None:
    table = rank_table([], {}, line("汇总", None, href=""), LOOK,
                       rank_columns(LOOK, "区", [], "", 13), "排名")  # fmt: skip
    assert "没有参与排名的" in words(table)


def test_an_empty_list_says_so() -> None:
    assert "本期没有" in words(list_panel("先进", "规则", []))
    full = list_panel("先进", "规则", [Member("甲", "/x", "9 件", "n 9", "新进")])
    assert words(full) == "先进1个规则甲9 件n 9新进"


def test_partly_resolved_has_a_column_only_where_it_counts() -> None:
    plain, credited = (rate_columns(Rules(partly_resolved_credit=each)) for each in (0.0, 0.5))
    assert "部分解决" not in dict(plain).values()
    assert [title for _, title in credited] == [
        "受理量", "有效回访", "联系数", "解决数", "部分解决", "满意数", "基本满意",
    ]  # fmt: skip


def test_the_statutory_table_prints_two_decimals_and_no_zero_for_nothing() -> None:
    counts = {key: 0 for key, _ in rate_columns(Rules())} | {"cases": 1234}
    rates = {"response": 0.95, "resolution": NAN, "satisfaction": 0.89, "composite": 90.1}
    row = RateRow("1", "甲区", counts, rates, "备注")
    table = rates_table([row], row._replace(number="", name="汇总"), "区", Rules(), "三率")
    assert cells(table)[1] == [
        "1", "甲区", "1,234", "0", "0", "0", "0", "0", "95.00", "—", "89.00", "90.10", "备注",
    ]  # fmt: skip


def tried(name: str, now: int, then: int, tiers: tuple[Tier, Tier] = ("level", "level")) -> Tried:
    return Tried(name, "/x", (1, 9, now, 90.0), (2, 8, then, 91.5), tiers)


def test_a_trial_tells_the_largest_move_and_whose_tier_changes() -> None:
    lines = [tried("甲", 1, 2), tried("乙", 9, 4, ("below", "level")), tried("丙", 3, 3)]
    assert trial_sentence(lines, "30-35-35", "个区") == (
        "按30-35-35，3个区中2个名次变动，最大的是乙（上升5位）；"
        "乙1个的档次（明显高于、持平、明显低于）随之改变。"
    )
    assert trial_sentence(lines[2:], "30-35-35", "个区") == "按30-35-35，1个区名次都不变。"
    assert trial_sentence(lines[:1], "0-0-100", "个区").endswith(
        "没有一个的档次（明显高于、持平、明显低于）改变。"
    )
    rows = cells(trial_table(lines, "区", COMPOSITE, "试算"))[1:]
    assert [row[7] for row in rows] == ["↓1", "↑5", "—"]
    assert rows[1][1:7] == ["9", "第1–9名", "90.00", "4", "第2–8名", "91.50"]


def test_integrity_says_jumps_in_words_and_nothing_for_nothing() -> None:
    values = {each.key: (0.25, 400.0) for each in INTEGRITY}
    none = {each.key: (NAN, 0.0) for each in INTEGRITY}
    lines = [
        Honest("甲", "/districts/a", values, -0.3, ("剔除率上升5.0个百分点",)),
        Honest("乙", "/districts/b", none, NAN),
    ]
    table = integrity_table(
        lines, Honest("汇总", "", values, 0.0), INTEGRITY, "区", "口径差", "分", "环比", "可靠"
    )
    head, first, second, whole = cells(table)
    assert head[-1] == "异常（环比）"
    assert first == ["甲", *["25.0 %n 400"] * 4, "−0.30", "※ 剔除率上升5.0个百分点"]
    assert second == ["乙", *["—"] * 4, "—", ""]
    assert whole[5] == "0.00"
    without = integrity_table(lines, lines[0], INTEGRITY, "区", "口径差", "分", "", "可靠")
    assert len(cells(without)[0]) == 6
    assert not math.isnan(values["revisit_rate"][0])
