"""Words and tables of one place's page, by what they say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.place import (
    CategoryLine,
    Look,
    Point,
    Rank,
    Unit,
    against_mark,
    categories_table,
    due_cell,
    excerpt,
    facts_list,
    integrity_line,
    integrity_table,
    main_cause,
    open_cases_table,
    place_answer,
    points_table,
    printed_gap,
    rank_change_text,
    sampled_cell,
    shown_parts,
    units_table,
    waterfall_steps,
    why_sentence,
    why_table,
)
from domain.decomposition import OTHER
from domain.integrity import INTEGRITY, Reading
from domain.metrics import METRICS, Change
from domain.ranking import RankChange
from tests.unit.test_ranking_components import cells, walk, words

NAN = float("nan")
COMPOSITE, RESOLUTION = METRICS["composite"], METRICS["resolution"]
NAMES = {"01": "供暖", "02": "停车", "small": "不足30件的各类", OTHER: "其余各类"}


def parts_of(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Return parts: component, category, mix, performance."""
    frame = pd.DataFrame(rows, columns=["component", "code", "mix", "performance"])
    return frame.assign(
        n=120.0, value=0.8, city_value=0.9, total=frame["mix"] + frame["performance"]
    )


# --- Words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "gap", "said"),
    [
        (Rank(5, 9, 17, "个区", "below"), -0.76, "第5–9名（17个区），低于某市0.8分，主要因供暖"),
        (Rank(1, 1, 17, "个区", "above"), 1.2, "第1名（17个区），高于某市1.2分，主要因供暖"),
        (
            Rank(4, 9, 17, "个区", "level"),
            -0.3,
            "第4–9名（17个区），低于某市0.3分（多重检验后未见明显差别）",
        ),
        (Rank(1, 17, 17, "个区", "level"), 0.0, "在17个区中分不出名次，与某市相同"),
        (Rank(0, 0, 16, "个区", None, "small"), -5.0, "样本不足，不参与排名"),
        (Rank(1, 1, 1, "个区", "level"), 0.0, ""),
    ],
)
def test_the_title_of_a_place(rank: Rank, gap: float, said: str) -> None:
    title = place_answer("甲区", COMPOSITE, 90.1, rank, gap, "某市", "供暖")
    assert title == "，".join(part for part in ("甲区综合成绩 90.1 分", said) if part)


def test_a_place_without_answers_has_no_value() -> None:
    said = place_answer(
        "甲区", COMPOSITE, NAN, Rank(0, 0, 3, "个区", None, "none"), NAN, "某市", ""
    )
    assert said == "甲区无有效回访，综合成绩不可算"


def test_the_gap_of_a_rate_is_told_in_points() -> None:
    rank = Rank(2, 3, 6, "个街道乡镇", "below")
    said = place_answer("甲街道", RESOLUTION, 0.8, rank, -0.0345, "某市", "")
    assert said == "甲街道解决率 80.0 %，第2–3名（6个街道乡镇），低于某市3.5个百分点" or (
        said.endswith("低于某市3.4个百分点")
    )


def test_the_main_cause_is_in_the_direction_of_the_gap() -> None:
    parts = parts_of(
        ("resolution", "01", 0.0, -1.0), ("satisfaction", "02", 0.0, 0.6),
        ("resolution", "small", 0.0, -2.0), ("response", "02", -0.1, 0.0),
    )  # fmt: skip
    assert main_cause(parts, -2.5, NAMES) == "解决率（供暖最多）"
    assert main_cause(parts_of(("resolution", "01", -2.0, 0.5)), -1.5, NAMES) == (
        "诉求构成（供暖最多）"
    )
    assert main_cause(parts_of(("resolution", "small", 0.0, -2.0)), -2.0, NAMES) == "解决率"
    assert main_cause(parts, 0.0, NAMES) == ""
    assert main_cause(parts.iloc[:0], -1.0, NAMES) == ""


sizes = st.floats(-5, 5, allow_nan=False)
drawn_parts = st.lists(
    st.tuples(
        st.sampled_from(["response", "resolution", "satisfaction"]),
        st.sampled_from(["01", "02", "small", OTHER]),
        sizes,
        sizes,
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: parts_of(*rows))


def hundredth(text: str) -> int:
    return round(100 * float(text.replace("−", "-").replace("+", "")))


@given(drawn_parts)
def test_a_table_of_parts_adds_up_as_printed(parts: pd.DataFrame) -> None:
    shown = shown_parts(parts, COMPOSITE)
    table = why_table("某市", 90.0, "甲区", 89.0, parts, shown, COMPOSITE, NAMES, {"01": "/x"})
    _, *rows, whole = cells(table)
    for place in (4, 5, 6):
        assert sum(hundredth(row[place]) for row in rows) == hundredth(whole[place])
    assert all(hundredth(r[4]) + hundredth(r[5]) == hundredth(r[6]) for r in [*rows, whole])
    exact = 100 * (parts["mix"].sum() + parts["performance"].sum())
    assert abs(hundredth(whole[6]) - exact) <= 0.5 + 1e-6
    steps = waterfall_steps(parts, shown, COMPOSITE, NAMES)
    assert [step.text for step in steps] == [row[6] for row in rows]
    assert sum(step.amount for step in steps) == pytest.approx(parts["total"].sum())
    assert [step.rest for step in steps] == [code in ("small", OTHER) for code in parts["code"]]


@given(drawn_parts, st.floats(60, 99.5))
def test_the_printed_gap_is_that_of_the_printed_ends(parts: pd.DataFrame, city: float) -> None:
    """90.77 − 87.46 is 3.31 as printed, whatever the digits behind say."""
    value = city + float(parts["total"].sum())
    if not 1 < value < 99.9:
        return
    gap = printed_gap(COMPOSITE, value, city)
    shown = shown_parts(parts, COMPOSITE, gap)
    table = why_table("某市", city, "甲区", value, parts, shown, COMPOSITE, NAMES, {})
    _, *rows, whole = cells(table)
    ends = [round(100 * float(text.split()[0])) for text in whole[2:4]]
    assert hundredth(whole[6]) == gap == ends[0] - ends[1]
    for place in (4, 5, 6):
        assert sum(hundredth(row[place]) for row in rows) == hundredth(whole[place])
    for part, row in zip(parts.to_dict("records"), rows, strict=True):
        assert abs(hundredth(row[4]) - 100 * part["performance"]) < 2
        assert abs(hundredth(row[5]) - 100 * part["mix"]) < 2


def test_a_gap_whose_digits_would_not_agree() -> None:
    # 90.7749 − 87.4551 = 3.3198, printed 90.77, 87.46 and 3.32.
    parts = parts_of(("resolution", "01", 0.0, 2.0), ("satisfaction", "02", 0.0, 1.3198))
    assert printed_gap(COMPOSITE, 90.7749, 87.4551) == 331
    assert shown_parts(parts, COMPOSITE).gap == 332
    assert shown_parts(parts, COMPOSITE, 331).totals == [200, 131]
    assert printed_gap(COMPOSITE, 99.999, 0.001) == 9998
    assert printed_gap(RESOLUTION, 0.9, 0.85) == 500


def test_parts_of_a_rate_are_points() -> None:
    parts = parts_of(("resolution", "01", 0.001, -0.0234))
    assert shown_parts(parts, RESOLUTION).totals == [-224]
    assert shown_parts(parts, COMPOSITE).totals == [-2]


def test_the_sentence_tells_both_ways_and_both_kinds() -> None:
    parts = parts_of(
        ("resolution", "01", -0.2, -1.0), ("satisfaction", "02", 0.0, 0.5),
        ("resolution", OTHER, 0.0, -0.1),
    )  # fmt: skip
    shown = shown_parts(parts, COMPOSITE)
    below = Rank(5, 9, 17, "个区", "below")
    assert why_sentence("甲区", "某市", parts, shown, COMPOSITE, NAMES, below) == (
        "甲区综合成绩低于某市0.80分：解决率−1.30、满意率+0.50；拉低最多的是解决率（供暖）−1.20；"
        "拉高最多的是满意率（停车）+0.50；其中办理效果−0.60，诉求构成−0.20（分）。"
    )
    level = Rank(5, 9, 17, "个区", "level")
    assert why_sentence("甲区", "某市", parts, shown, COMPOSITE, NAMES, level).endswith(
        "总差多重检验后未见明显差别，各部分只作参考。"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (None, "—"),
        (RankChange(0, "withheld", "上期样本不足"), "—"),
        (RankChange(0, "flat"), "持平"),
        (RankChange(3, "up"), "上升3位"),
        (RankChange(-12, "down"), "下降12位"),
    ],
)
def test_how_a_rank_moved(change: RankChange | None, text: str) -> None:
    assert rank_change_text(change) == text


# --- Ranked units -------------------------------------------------------------------------------


def unit(name: str, own: bool = False, band: tuple[int, int, int] | None = (1, 5, 2)) -> Unit:
    return Unit(
        name, name, f"/subdistricts/{name}", 91.0, 100.0, 90.0, 92.0, band,
        "level" if band else None, 180.0, values={"response": (0.99, 100.0)}, own=own,
    )  # fmt: skip


@given(st.integers(1, 80), st.integers(0, 79))
def test_an_excerpt_holds_the_ends_the_own_one_and_says_what_is_left_out(
    number: int, own: int
) -> None:
    units = [unit(str(place), place == own) for place in range(number)]
    found = excerpt(units)
    shown = [int(each.code) for each in found if isinstance(each, Unit)]
    assert shown == sorted(set(shown))
    assert {0, number - 1} <= set(shown)
    assert own >= number or own in shown
    assert len(shown) + sum(each for each in found if isinstance(each, int)) == number
    assert all(each > 1 for each in found if isinstance(each, int))
    assert len(shown) <= 17


def test_who_has_no_rank_stands_apart_with_the_reason() -> None:
    look = Look(COMPOSITE, 1, 90.0, (60.0, 100.0))
    table = units_table(
        [unit("甲"), unit("乙", own=True)], {"样本不足": [unit("丙", band=None)]}, look, "街道乡镇",
        "环比", 13, "说明", unit("汇总", band=None), [unit("未定位", band=None)],
    )  # fmt: skip
    rows = {row[0]: row for row in cells(table)}
    assert rows["甲"][1] == "第1–5名按数值第2"
    assert rows["丙"][1:3] == ["—", ""]
    assert "地点不在街道乡镇名录，只计入汇总" in rows
    order = [row[0] for row in cells(table)]
    assert order[-1] == "汇总"
    assert order.index("样本不足") < order.index("丙") < order.index("未定位")
    # The own row is marked and leads nowhere.
    links = [words(node) for node in walk(table) if node._type == "Link"]
    assert "乙" not in links
    assert "甲" in links


# --- Categories, points, open cases -------------------------------------------------------------


def test_too_few_answers_are_no_rate() -> None:
    assert words(sampled_cell(RESOLUTION, 1.0, 29, 30)) == "样本不足n 29"
    assert words(sampled_cell(RESOLUTION, 0.875, 30, 30)) == "87.5 %n 30"
    assert words(sampled_cell(RESOLUTION, NAN, 0, 30)) == "—（无有效回访）"


@pytest.mark.parametrize(
    ("against", "said"),
    [
        (Change(1.0, "up"), "▲ 高于"), (Change(-1.0, "down"), "▼ 低于"),
        (Change(0.1, "flat"), "● 持平"), (Change(NAN, "withheld", "样本不足30件"), "□ 样本不足"),
        (Change(NAN, "withheld", "本期诉求尚未成熟"), "□ 未成熟"),
        (Change(NAN, "withheld", "本期无有效回访"), ""), (None, ""),
    ],
)  # fmt: skip
def test_against_the_rest(against: Change | None, said: str) -> None:
    assert words(against_mark(RESOLUTION, against)) == said


def test_categories_stand_beside_the_city() -> None:
    line = CategoryLine("供暖", "/x", 1234.0, 0.25, 0.2, Change(12.0, "up"), (0.9, 400.0), 0.85,
                        Change(5.0, "up"))  # fmt: skip
    table = categories_table([line], line._replace(name="汇总", href=""), [line._replace(
        name="未归类", href="")], "分类", "环比", "说明", "不在名录", 30, "某市")  # fmt: skip
    head, first, reason, outside, whole = cells(table)
    assert first == [
        "供暖", "1,234", "25.0 %", "20.0 %", "上升12.0 %（日均）", "90.0 %n 400", "85.0", "▲ 高于",
    ]  # fmt: skip
    assert (reason, outside[0], whole[0]) == (["不在名录"], "未归类", "汇总")
    assert head[4] == "诉求量环比"


def test_points_without_a_street_say_so() -> None:
    point = Point("甲社区", "", "", 12.0, 0.1, None, (NAN, 0.0))
    assert cells(points_table([point], "", True, 30, "说明"))[1][:2] == ["甲社区", "未定位"]
    assert "没有写明社区" in words(points_table([], "", True, 30, "说明"))


CUTOFF = dt.datetime(2021, 4, 12, 23, 59)


@pytest.mark.parametrize(
    ("due", "shelved", "said"),
    [
        (dt.datetime(2021, 4, 1), None, "◆ 逾期11天"),
        (dt.datetime(2021, 4, 12, 12), None, "◆ 逾期不足1天"),
        (dt.datetime(2021, 4, 20), None, "至2021-04-20"),
        (None, None, "—（未给期限）"),
        (pd.NaT, pd.NaT, "—（未给期限）"),
        (dt.datetime(2021, 4, 1), dt.date(2021, 4, 12), "挂账至2021-04-12"),
        (dt.datetime(2021, 4, 1), dt.date(2021, 4, 11), "◆ 逾期11天"),
    ],
)
def test_where_an_open_case_stands(due: Any, shelved: Any, said: str) -> None:
    assert words(due_cell(due, shelved, CUTOFF)) == said


def test_open_cases_say_what_is_not_known() -> None:
    row = {
        "case_id": "Y1", "created_at": dt.datetime(2021, 3, 1, 8), "due_at": None,
        "shelved_until": None, "street": "", "community": "", "category": "", "summary": "",
    }  # fmt: skip
    table = open_cases_table(pd.DataFrame([row]), CUTOFF, "说明")
    assert cells(table)[1] == [
        "Y1", "2021-03-01", "42", "—（未给期限）", "未定位", "未归类", "—（无摘要）",
    ]  # fmt: skip
    nothing = open_cases_table(pd.DataFrame([row]).iloc[:0], CUTOFF, "说明")
    assert "没有未办结的诉求" in words(nothing)


# --- Integrity ----------------------------------------------------------------------------------


def test_integrity_of_a_place_with_its_jump() -> None:
    metric = INTEGRITY[0]
    own = Reading(metric, 0.402, 9981, 0.39, 0.41, Change(-16.2, "down"))
    city = Reading(metric, 0.55, 236_736, 0.54, 0.56)
    jumped = integrity_line(own, None, city, Change(-15.0, "down"), jump=True)
    table = integrity_table([jumped], "甲区", "同类", "某市", "环比", "说明")
    head, row = cells(table)
    assert head == ["指标", "甲区n、95 %区间", "环比", "同类", "某市", "与其余相比"]
    assert row == [
        "有效回访率有效回访 ÷ 受理的诉求", "40.2 %n 9,98139.0–41.0 %",
        "下降16.2个百分点 ※ 异常", "—", "55.0 %", "▼ 低于",
    ]  # fmt: skip
    # Neither good nor bad by itself: no colour but the mark.
    assert not [node for node in walk(table) if "is-" in (getattr(node, "className", "") or "")]
    calm = integrity_line(own, city, city, None)
    assert "异常" not in words(integrity_table([calm], "甲区", "同类", "某市", "环比", "说明"))


def test_facts_that_are_not_known_are_left_out() -> None:
    assert words(facts_list(["", "同类：6个区", None])) == "同类：6个区"
