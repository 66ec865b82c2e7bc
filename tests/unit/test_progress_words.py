"""Targets in words and pictures: amounts, gaps, sentences, bullets, cards, rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from dash.development.base_component import Component
from hypothesis import example, given
from hypothesis import strategies as st

from components.formatting import amount
from components.progress import (
    SHAPES,
    against_schedule,
    amount_of,
    bullet,
    completion_text,
    gap_amount,
    gap_text,
    late_text,
    outlook_sentence,
    per_month,
    progress_sentence,
    reached_text,
    speed_text,
    status_mark,
    target_card,
    topic_row,
)
from domain.rules import Rules
from domain.schedule import (
    ATTENTION,
    LATE,
    STATUS_WORDS,
    Figures,
    Forecast,
    Standing,
    Status,
    Target,
    forecast,
    standing,
)

RULES = Rules()
NAN = float("nan")
START, END = dt.date(2021, 1, 1), dt.date(2021, 12, 31)
CERTIFICATES = Target(
    "2021-01-1", "2021-01", "办理不动产权证书", "套", 100_000, 570_000, START, END
)
LIFTS = Target("2021-11-1", "2021-11", "老楼加装电梯完工", "部", 400, NAN, START, END)
APPROVAL = Target(
    "2021-13-1", "2021-13", "维修资金审批时限", "天", 15, NAN, START, END, "down", False
)
SIGNED = Target("2021-28-1", "2021-28", "线上签约率", "%", 95, NAN, START, END, "up", False)
MARCH = dt.date(2021, 3, 31)
WITHHELD = Forecast("withheld", reason="进度不足8期")
RANGE = Forecast(
    "possible", 88_000.0, 97_000.0, 106_000.0, 0.44,
    dt.date(2021, 11, 14), dt.date(2022, 1, 9), dt.date(2022, 4, 3),
)  # fmt: skip


def at(value: float, day: dt.date = MARCH, target: Target = CERTIFICATES, **more: Any) -> Standing:
    """Return where a target stands with one figure, on its day or on ``as_of``."""
    return standing(target, [(day, value)], more.pop("as_of", day), RULES, **more)


PUBLISHED = at(24_000)
DONE = at(168_000, dt.date(2021, 11, 30))
EMPTY = standing(CERTIFICATES, [], MARCH, RULES)
LEVEL = at(27, target=APPROVAL)
AIMLESS = at(24_000, target=dataclasses.replace(CERTIFICATES, value=NAN))


def walk(node: Any) -> Iterator[Component]:
    if isinstance(node, list | tuple):
        for each in node:
            yield from walk(each)
    elif isinstance(node, Component):
        yield node
        yield from walk(getattr(node, "children", None))


def words(node: Any) -> str:
    if isinstance(node, list | tuple):
        return "".join(words(each) for each in node)
    if isinstance(node, Component):
        return words(getattr(node, "children", None))
    return "" if node is None else str(node)


def of_type(node: Any, name: str) -> list[Any]:
    return [each for each in walk(node) if type(each).__name__ == name]


def of_class(node: Any, name: str) -> list[Any]:
    return [each for each in walk(node) if name in (getattr(each, "className", None) or "").split()]


# --- Amounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "scale", "text"),
    [
        # Read together, told on one scale: that of the target.
        (24_000, "套", 100_000, "2.4万套"),
        (2_658, "套", 100_000, "0.27万套"),
        (100_000, "套", 100_000, "10万套"),
        (168_000, "套", 100_000, "16.8万套"),
        (1_234_567, "套", 100_000, "123.46万套"),
        (24_000_000, "人", 100_000, "2,400万人"),
        (5_000, "家", 10_000, "0.5万家"),
        (10_000, "家", 10_000, "1万家"),
        # Whole flats where 万 would hide them.
        (33, "套", 100_000, "33套"),
        (400, "户", 18_000, "400户"),
        (657, "套", 100_000, "657套"),
        (999.4, "套", 100_000, "999套"),
        (1_000, "套", 100_000, "0.1万套"),
        # Nothing but nothing reads 0.
        (0.4, "项", 62, "0.4项"),
        (0.04, "项", 62, "0.04项"),
        (0.004, "项", 62, "0项"),
        # 万元 counts on in 亿元.
        (21_400, "万元", 20_000, "2.14亿元"),
        (10_400, "万元", 20_000, "1.04亿元"),
        (800, "万元", 20_000, "800万元"),
        (1_900, "万元", 9_000, "1,900万元"),
        (58_500, "万平方米", 20_000, "5.85亿平方米"),
        # Below 10,000: as counted.
        (558, "个", 550, "558个"),
        (9_300, "家", 9_999, "9,300家"),
        (12_345, "家", 9_999, "12,345家"),
        (0, "个", 550, "0个"),
        # Ratios, minutes and shares keep the digits that matter.
        (0.914, "", 1, "0.914"),
        (1.5, "", 1, "1.5"),
        (8.25, "分钟", 12, "8.25分钟"),
        (15, "天", 15, "15天"),
        (27, "天", 15, "27天"),
        (97.35, "%", 90, "97.3%"),
        (90, "%", 90, "90%"),
        # No target: the value decides.
        (12_345, "件", NAN, "1.23万件"),
        (999, "件", NAN, "999件"),
        (NAN, "套", 100_000, "—"),
        (NAN, "套", NAN, "—"),
    ],
)
def test_amounts(value: float, unit: str, scale: float, text: str) -> None:
    assert amount(value, unit, scale) == text


@pytest.mark.parametrize(
    ("value", "unit", "scale", "text"),
    [
        (-657, "套", 1_000, "−657套"),
        (-6_570, "套", 100_000, "−0.66万套"),
        (-128, "个", 20_000, "−128个"),
        (-2.5, "%", 3, "−2.5%"),
    ],
)
def test_a_negative_amount_has_the_sign_of_every_other_number(
    value: float, unit: str, scale: float, text: str
) -> None:
    assert amount(value, unit, scale) == text


def test_nothing_has_no_sign() -> None:
    assert amount(-0.002, "套", 100_000) == "0套"
    assert amount(-0.2, "套", 100_000) == "−0.2套"
    # 90.0004 of 365 on day 90 is not ahead by "+0".
    assert gap_amount(at(90.0004, target=dataclasses.replace(LIFTS, value=365))) == "0部"
    assert gap_amount(at(90.4, target=dataclasses.replace(LIFTS, value=365))) == "+0.4部"


@given(value=st.floats(1_000, 1e9), scale=st.floats(10_000, 1e9))
@example(value=9951.0, scale=10000.0)
def test_one_scale_whatever_the_size(value: float, scale: float) -> None:
    text = amount(value, "套", scale)
    assert text.endswith("万套")
    number = text.removesuffix("万套").replace(",", "")
    assert abs(float(number) * 10_000 - value) <= 50.001
    # More digits only where two would read as if the whole were reached.
    reached = value < scale and round(value / 10_000, 2) == round(scale / 10_000, 2)
    assert len(number.partition(".")[2]) <= (6 if reached else 2)
    assert not number.endswith((".", ".0"))


# --- The published example ----------------------------------------------------------------------


def test_the_published_example_in_words() -> None:
    assert progress_sentence(PUBLISHED) == (
        "办理不动产权证书2.4万套，完成10万套的24.0 %，慢于序时0.7个百分点（序时24.66 %）"
    )
    assert outlook_sentence(PUBLISHED, WITHHELD) == (
        "须提速3.6 %（其后每月0.84万套，迄今每月0.81万套），按现有速度年底9.73万套，"
        "缺口0.27万套，不作预测（进度不足8期）"
    )
    assert gap_text(PUBLISHED) == "慢0.7个百分点"
    assert gap_amount(PUBLISHED) == "−658套"
    assert speed_text(PUBLISHED) == "须提速3.6 %"
    assert completion_text(PUBLISHED) == "24.0 %"
    assert amount_of(PUBLISHED, PUBLISHED.shortfall) == "0.27万套"
    assert per_month(PUBLISHED, PUBLISHED.required_pace) == "0.84万套/月"
    assert per_month(PUBLISHED, PUBLISHED.pace) == "0.81万套/月"
    assert per_month(EMPTY, EMPTY.required_pace) == "—"


def test_the_same_question_when_it_is_done() -> None:
    assert progress_sentence(DONE) == "办理不动产权证书16.8万套，完成10万套的168.0 %"
    assert outlook_sentence(DONE, Forecast("withheld", reason="目标已完成")) == ""
    assert (speed_text(DONE), completion_text(DONE)) == ("已完成", "168.0 %")
    assert gap_text(DONE) == "快76.5个百分点"  # 168 − 91.51


def test_done_is_done_whoever_answers_for_it() -> None:
    now = at(168_000, dt.date(2021, 11, 30), has_lead=False)
    assert now.status == "no_lead"
    assert speed_text(now) == "已完成"
    assert outlook_sentence(now, Forecast("withheld", reason="目标已完成")) == ""


def test_of_an_old_figure_no_pace_is_told_as_if_it_were_now() -> None:
    old = at(87_300, dt.date(2021, 2, 28), as_of=dt.date(2021, 11, 30))
    assert speed_text(old) == "现速不明"
    told = outlook_sentence(old, Forecast("withheld", reason="久未更新"))
    assert told == (
        "275天没有更新，不比较速度，以02-28的数字计，其后31天还差1.27万套，不作预测（久未更新）"
    )


def test_what_was_reached_late_says_so() -> None:
    short = dataclasses.replace(CERTIFICATES, due_on=MARCH)
    late = at(100_000, dt.date(2021, 5, 30), short)
    assert gap_text(late) == late_text(late, late.as_of) == "迟60天完成"
    assert progress_sentence(late) == "办理不动产权证书10万套，完成10万套的100.0 %，迟60天完成"
    assert gap_text(at(100_000, target=short)) == "与序时持平"


def test_a_plan_that_speeds_up_is_no_alarm() -> None:
    plan = ((dt.date(2021, 6, 30), 20_000.0), (END, 100_000.0))
    planned = dataclasses.replace(CERTIFICATES, plan=plan)
    june = dt.date(2021, 6, 30)
    now = at(20_000, june, planned)
    assert speed_text(now) == "按计划速度即可"
    assert speed_text(at(12_000, june, planned)) == "须比计划快10.0 %"
    assert outlook_sentence(now, dataclasses.replace(RANGE, chance="hard")).endswith(
        "按期完成难（未计计划后期加速）"
    )
    assert "（未计计划后期加速），不作预测" in outlook_sentence(now, WITHHELD)
    assert "计划" not in outlook_sentence(PUBLISHED, RANGE)


# --- Gaps, pace ---------------------------------------------------------------------------------


def off(points: float, target: Target = LIFTS, day: dt.date = MARCH) -> Standing:
    """Return a target so many points from its timetable."""
    due = (day - START).days + 1
    return at(target.value * (due / 365 + points / 100), day, target)


@pytest.mark.parametrize(
    ("points", "text", "part"),
    [
        (-4.5, "慢4.5个百分点", "慢于序时4.5个百分点"),
        (8.62, "快8.6个百分点", "快于序时8.6个百分点"),
        (-0.06, "慢0.1个百分点", "慢于序时0.1个百分点"),
        (-0.04, "与序时持平", "与序时持平"),
        (0.04, "与序时持平", "与序时持平"),
        (0.06, "快0.1个百分点", "快于序时0.1个百分点"),
    ],
)
def test_gaps_in_words(points: float, text: str, part: str) -> None:
    now = off(points)
    assert gap_text(now) == text
    assert against_schedule(now) == part
    assert f"，{part}（序时24.66 %）" in progress_sentence(now)


@pytest.mark.parametrize("now", [EMPTY, LEVEL, AIMLESS], ids=["empty", "level", "aimless"])
def test_without_a_timetable_there_is_no_gap(now: Standing) -> None:
    assert (gap_text(now), gap_amount(now), speed_text(now)) == ("—", "—", "—")


@pytest.mark.parametrize(
    ("points", "target", "text"),
    [
        (-10, LIFTS, "−40部"),
        (10, LIFTS, "+40部"),
        (-3.2, CERTIFICATES, "−0.32万套"),
        (12.5, CERTIFICATES, "+1.25万套"),
        (-0.03, CERTIFICATES, "−30套"),
    ],
)
def test_gaps_in_the_targets_unit(points: float, target: Target, text: str) -> None:
    assert gap_amount(off(points, target)) == text


def test_no_gap_has_no_sign() -> None:
    whole = dataclasses.replace(LIFTS, value=365)
    now = at(90, target=whole)
    assert now.gap_units == 0
    assert gap_amount(now) == "0部"
    assert gap_text(now) == "与序时持平"


def test_pace_in_words() -> None:
    # Day 90 of 365, a fifth done instead of a quarter: (0.8 / 275) ÷ (0.2 / 90) = 1.309.
    assert speed_text(at(80, target=LIFTS)) == "须提速30.9 %"
    assert speed_text(at(120, target=LIFTS)) == "现有速度够用"
    assert speed_text(at(400, target=LIFTS)) == "已完成"
    # Nothing done: no pace that could grow by a share.
    assert speed_text(at(0, target=LIFTS)) == "—"


# --- Sentences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (EMPTY, "办理不动产权证书数据不足，没有进度"),
        (standing(LIFTS, [], dt.date(2020, 12, 1), RULES), "老楼加装电梯完工未启动，没有进度"),
        (AIMLESS, "办理不动产权证书2.4万套，没有目标值"),
        (LEVEL, "维修资金审批时限27天，目标不高于15天，未达标"),
        (at(15, target=APPROVAL), "维修资金审批时限15天，目标不高于15天，达标"),
        (at(96.5, target=SIGNED), "线上签约率96.5%，目标不低于95%，达标"),
        (off(0), "老楼加装电梯完工99部，完成400部的24.7 %，与序时持平（序时24.66 %）"),
        (
            at(24_000, has_lead=False),
            "办理不动产权证书2.4万套，完成10万套的24.0 %，慢于序时0.7个百分点（序时24.66 %）",
        ),
    ],
)
def test_how_it_stands(now: Standing, sentence: str) -> None:
    assert progress_sentence(now) == sentence


def test_where_it_leads() -> None:
    assert outlook_sentence(PUBLISHED, RANGE).endswith(
        "，缺口0.27万套，预测8.8万套–10.6万套（80 %区间），按期完成可能"
    )
    fast = at(40_000)
    told = outlook_sentence(fast, dataclasses.replace(RANGE, chance="safe"))
    assert told.startswith(
        "现有速度够用（其后每月0.66万套，迄今每月1.35万套），按现有速度年底16.22万套"
    )
    assert "缺口" not in told
    assert told.endswith("按期完成稳")
    hard = outlook_sentence(at(5_000), dataclasses.replace(RANGE, chance="hard"))
    assert hard.endswith("按期完成难")
    heating = dataclasses.replace(LIFTS, due_on=dt.date(2021, 11, 15))
    assert "，按现有速度到期" in outlook_sentence(at(80, target=heating), WITHHELD)
    assert "年底" not in outlook_sentence(at(80, target=heating), WITHHELD)


def test_where_it_leads_is_not_asked_when_it_is_over_or_not_begun() -> None:
    before = standing(LIFTS, [(dt.date(2020, 12, 1), 0.0)], dt.date(2020, 12, 2), RULES)
    assert before.status == "pending"
    late = dataclasses.replace(CERTIFICATES, due_on=MARCH)
    for now in (DONE, LEVEL, AIMLESS, before, at(24_000, target=late)):
        assert outlook_sentence(now, RANGE) == "", now.status


@pytest.mark.parametrize(
    ("days", "text"), [(0, "第1周"), (6, "第1周"), (7, "第2周"), (35, "第6周")]
)
def test_for_how_long_it_has_been_late(days: int, text: str) -> None:
    as_of = MARCH + dt.timedelta(days=days)
    assert late_text(at(20_000, as_of=as_of), as_of) == f"滞后{text}"
    assert late_text(at(27, target=APPROVAL, as_of=as_of), as_of) == f"未达标{text}"
    for now in (off(1), EMPTY, AIMLESS, DONE, at(14, target=APPROVAL)):
        assert late_text(now, as_of) == ""


def test_when_it_is_reached() -> None:
    assert reached_text(RANGE) == "2022-01-09（2021-11-14至2022-04-03）"
    assert reached_text(WITHHELD) == "—（进度不足8期）"
    slow = dataclasses.replace(RANGE, reached_late=None)
    assert reached_text(slow) == "2022-01-09（2021-11-14至三年以后）"
    assert reached_text(dataclasses.replace(slow, reached_median=None)) == "三年内难以达到"


def evenly(target: Target, per_week: float, weeks: int = 13) -> Figures:
    return [(START + dt.timedelta(weeks=week), per_week * week) for week in range(1, weeks + 1)]


def test_what_is_reached_within_three_years_has_its_day() -> None:
    # 1,000 a week: 87 weeks after the 13th, by the end of 2022.
    figures = evenly(CERTIFICATES, 1_000)
    ahead = forecast(CERTIFICATES, figures, figures[-1][0], RULES)
    day = figures[-1][0] + dt.timedelta(weeks=87)
    assert reached_text(ahead) == f"{day}（{day}至{day}）"
    # 700 a week: 130 weeks, two and a half years.
    figures = evenly(CERTIFICATES, 700)
    ahead = forecast(CERTIFICATES, figures, figures[-1][0], RULES)
    day = figures[-1][0] + dt.timedelta(weeks=130)
    assert reached_text(ahead) == f"{day}（{day}至{day}）"


def test_a_target_of_several_years_has_an_outlook() -> None:
    # Due at the end of 2025, 247 weeks after the newest figure.
    target = dataclasses.replace(CERTIFICATES, due_on=dt.date(2025, 12, 31))
    figures = evenly(target, 500)
    now = standing(target, figures, figures[-1][0], RULES)
    ahead = forecast(target, figures, figures[-1][0], RULES)
    assert "按期完成稳" in outlook_sentence(now, ahead)


# --- Marks --------------------------------------------------------------------------------------


def test_every_status_has_its_own_words_and_look() -> None:
    seen: dict[tuple[str, str], Status] = {}
    classes = set()
    for status, word in STATUS_WORDS.items():
        mark = status_mark(status)
        shape, said = words(mark).split(" ")
        assert said == word
        assert (shape, said) not in seen
        seen[shape, said] = status
        classes.add(mark.className)
        (hidden,) = of_class(mark, "shape")
        assert hidden.to_plotly_json()["props"]["aria-hidden"] == "true"
        assert words(hidden) == shape == SHAPES[status]
    assert len(seen) == len(classes) == len({word for _, word in seen}) == len(ATTENTION)


def test_a_shape_never_stands_for_both_good_and_late() -> None:
    groups: dict[str, set[str]] = {}
    for status in STATUS_WORDS:
        group = "late" if status in LATE else "well"
        if status in ("no_lead", "no_target", "stale"):
            group = "unanswered"
        elif status in ("no_data", "pending", "recovering"):
            group = status
        groups.setdefault(SHAPES[status], set()).add(group)
    assert all(len(group) == 1 for group in groups.values()), groups


def tone(status: Status) -> str:
    found = re.search(r"is-(\w+)", status_mark(status).className)
    return found[1] if found else ""


def test_colour_is_for_what_is_late_or_unanswered() -> None:
    assert {tone(status) for status in LATE} == {"bad"}
    assert {tone(status) for status in ("no_lead", "no_target", "stale")} == {"alert"}
    assert {tone(status) for status in ("on_schedule", "met", "pending", "no_data")} == {""}


# --- Bullets ------------------------------------------------------------------------------------


def label(image: Any) -> str | None:
    return ElementTree.fromstring(image.html).get("aria-label")


def drawn(image: Any) -> tuple[list[dict[str, str]], int, int]:
    """Return the attributes of the paths of a picture, and its size."""
    root = ElementTree.fromstring(image.html)
    assert root.tag == "svg"
    width, height = int(root.get("width", 0)), int(root.get("height", 0))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    paths = [dict(child.attrib) for child in root]
    assert all(child.tag == "path" for child in root)
    return paths, width, height


def points_of(path: dict[str, str]) -> list[tuple[float, float]]:
    """Return the corners of a path made of M, H, v and l."""
    x = y = 0.0
    corners = []
    for command, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", path["d"]):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", text)]
        if command == "M":
            x, y = numbers
        elif command == "H":
            (x,) = numbers
        elif command == "v":
            y += numbers[0]
        elif command == "l":
            x, y = x + numbers[0], y + numbers[1]
        else:
            raise AssertionError(command)
        corners.append((x, y))
    return corners


@dataclasses.dataclass
class Bullet:
    """What a bullet shows, in shares of the target; None for what is not drawn."""

    done: float
    colour: str
    tick: float | None
    whisker: tuple[float, float] | None
    arrow: bool


def read(image: Any) -> Bullet:
    """Read a bullet back from its picture: axis, bar, target line, tick, whisker, arrow."""
    paths, width, height = drawn(image)
    for path in paths:
        half = float(path.get("stroke-width", 1)) / 2
        corners = points_of(path)
        flat = len({y for _, y in corners}) == 1
        for x, y in corners:
            assert 0 <= x <= width
            assert 0 <= y - (half if flat else 0) <= y + (half if flat else 0) <= height
    axis, line, bar = paths[:3]
    (left, _), (right, _) = points_of(axis)
    assert {x for x, _ in points_of(line)} == {right}, "the target line ends the axis"
    assert right < width * 0.9, "more than the target has its room"

    def share(x: float) -> float:
        return (x - left) / (right - left)

    assert points_of(bar)[0][0] == left
    result = Bullet(share(points_of(bar)[1][0]), bar["stroke"], None, None, False)
    for path in paths[3:]:
        xs = [x for x, _ in points_of(path)]
        if path.get("stroke") == "#ffffff":
            result.arrow = True
            assert max(xs) <= points_of(bar)[1][0]
        elif len(set(xs)) == 1:
            assert result.tick is None
            result.tick = share(xs[0])
        else:
            assert result.whisker is None
            result.whisker = share(min(xs)), share(max(xs))
    return result


# A tenth of a pixel.
FINE = 0.1 / 100


@pytest.mark.parametrize(("width", "height"), [(168, 20), (112, 18), (216, 30)])
@pytest.mark.parametrize("value", [0, 5_000, 24_000, 60_000, 99_000, 100_000, 120_000, 124_900])
def test_the_bar_is_as_long_as_what_is_done(value: float, width: int, height: int) -> None:
    shown = read(bullet(at(value), WITHHELD, width, height))
    assert shown.done == pytest.approx(value / 100_000, abs=2 * FINE)
    assert not shown.arrow
    if value < 100_000:
        assert shown.tick == pytest.approx(90 / 365, abs=2 * FINE)
    else:
        assert shown.tick is None
    assert shown.whisker is None


@pytest.mark.parametrize("value", [125_100, 168_000, 1_000_000])
def test_more_than_there_is_room_for_ends_in_an_arrow(value: float) -> None:
    shown = read(bullet(at(value, dt.date(2021, 11, 30)), WITHHELD))
    assert shown.arrow
    assert shown.done == pytest.approx(1.25, abs=2 * FINE)


def test_the_timetable_has_its_tick_and_the_forecast_its_whisker() -> None:
    shown = read(bullet(PUBLISHED, RANGE))
    assert shown.tick == pytest.approx(90 / 365, abs=2 * FINE)
    assert shown.whisker == pytest.approx((0.88, 1.06), abs=2 * FINE)
    far = read(bullet(PUBLISHED, dataclasses.replace(RANGE, high=900_000.0)))
    assert far.whisker == pytest.approx((0.88, 1.25), abs=2 * FINE)
    beyond = bullet(PUBLISHED, dataclasses.replace(RANGE, low=130_000.0, high=900_000.0))
    # No end in sight is an arrow to the right, within the picture, not a lone tick.
    arrows = [points_of(path) for path in drawn(beyond)[0] if path.get("d", "").count("l") == 2]
    ((first, tip, last),) = arrows
    assert first[0] == last[0] < tip[0] <= drawn(beyond)[1]
    open_end = bullet(PUBLISHED, dataclasses.replace(RANGE, high=900_000.0))
    assert sum("l4 3.5l-4 3.5" in path["d"] for path in drawn(open_end)[0]) == 1
    closed = bullet(PUBLISHED, RANGE)
    assert not any("l4 3.5" in path["d"] for path in drawn(closed)[0])
    planned = dataclasses.replace(LIFTS, plan=((MARCH, 40.0), (END, 400.0)))
    assert read(bullet(at(38, target=planned), WITHHELD)).tick == pytest.approx(0.1, abs=2 * FINE)


def test_late_is_another_colour_and_the_words_are_the_sentence() -> None:
    late, well = bullet(PUBLISHED, WITHHELD), bullet(at(30_000), WITHHELD)
    assert read(late).colour != read(well).colour
    overdue = dataclasses.replace(CERTIFICATES, due_on=MARCH)
    again = at(24_000, target=overdue, as_of=MARCH + dt.timedelta(days=1))
    assert again.status == "overdue"
    assert read(bullet(again, WITHHELD)).colour == read(late).colour
    assert label(late) == progress_sentence(PUBLISHED)
    assert ElementTree.fromstring(late.html).get("class") == "bullet"


@pytest.mark.parametrize(
    ("now", "right", "late"),
    [
        (LEVEL, True, True),
        (at(14, target=APPROVAL), False, False),
        (at(96, target=SIGNED), True, False),
        (at(90, target=SIGNED), False, True),
    ],
    ids=["too high", "low enough", "high enough", "too low"],
)
def test_a_level_shows_its_value_and_its_goal(now: Standing, right: bool, late: bool) -> None:
    image = bullet(now, WITHHELD)
    (_, kept, goal, dot), width, _ = drawn(image)
    line = points_of(goal)[0][0]
    value = points_of(dot)[1][0]
    assert 0 < line < width
    assert 0 < value < width
    assert (value > line) == right
    # The side to keep to ends at the goal.
    edges = {x for x, _ in points_of(kept)}
    assert line in edges
    assert (min(edges) < line) == (now.target.direction == "down")
    assert (dot["fill"] == read(bullet(PUBLISHED, WITHHELD)).colour) == late
    assert label(image) == progress_sentence(now)


def test_a_level_without_a_figure_shows_its_goal_only() -> None:
    paths, _, _ = drawn(bullet(standing(APPROVAL, [], MARCH, RULES), WITHHELD))
    assert len(paths) == 3


@pytest.mark.parametrize("now", [EMPTY, AIMLESS], ids=["no figure", "no target"])
def test_what_has_no_timetable_or_figure_draws_no_bar(now: Standing) -> None:
    image = bullet(now, RANGE)
    paths, width, _ = drawn(image)
    (rule,) = paths
    assert "stroke-dasharray" in rule
    assert [x for x, _ in points_of(rule)] == [0, width]
    assert label(image) == progress_sentence(now)


# --- Cards and rows -----------------------------------------------------------------------------


def test_the_card_of_a_target() -> None:
    card = target_card(PUBLISHED, RANGE, "/topics/2021-01?basis=all")
    assert words(of_class(card, "figure-name")) == "办理不动产权证书"
    (link,) = of_type(card, "Link")
    assert link.href == "/topics/2021-01?basis=all"
    assert words(of_class(card, "figure-value")) == "24.0 % ■ 滞后"
    assert words(of_class(card, "figure-sample")) == "2.4万套 / 10万套，03-31"
    told = dict(zip(map(words, of_type(card, "Dt")), map(words, of_type(card, "Dd")), strict=True))
    assert told == {"序时": "慢0.7个百分点", "预测": "8.8万套–10.6万套，可能"}
    assert words(of_class(card, "figure-extra")) == "占存量57万套的4.2 %"
    assert read(of_type(card, "Html")[0]).done == pytest.approx(0.24, abs=2 * FINE)
    withheld = target_card(PUBLISHED, WITHHELD, "/")
    assert "预测进度不足8期" in words(withheld)


def test_a_card_without_a_stock_or_a_figure() -> None:
    card = target_card(at(80, target=LIFTS), WITHHELD, "/")
    assert "存量" not in words(card)
    assert words(of_class(card, "figure-sample")) == "80部 / 400部，03-31"
    empty = target_card(EMPTY, Forecast("withheld", reason="进度不足8期"), "/")
    assert words(of_class(empty, "figure-number")) == "—"
    assert words(of_class(empty, "figure-sample")) == "— / 10万套"
    assert "存量" not in words(empty)


def test_a_card_of_a_target_without_a_value() -> None:
    card = target_card(AIMLESS, WITHHELD, "/")
    assert words(of_class(card, "figure-number")) == "—"
    assert "nan" not in words(card)


def row(now: Standing | None, rising: bool = False, status: Status | None = None) -> Any:
    chosen = status or (now.status if now else "no_target")
    ahead = WITHHELD if now else None
    return topic_row("房产证办理难", "/topics/2021-01?basis=all", chosen, now, ahead, rising)


def test_a_topic_on_one_line() -> None:
    line = row(PUBLISHED)
    (link,) = of_type(line, "Link")
    assert (link.href, words(link)) == ("/topics/2021-01?basis=all", "房产证办理难")
    # The word for those who do not see the shape.
    assert words(of_class(line, "shape")) == "■滞后"
    assert words(of_class(line, "visually-hidden")) == "滞后"
    assert words(of_class(line, "topic-row-number")) == "24.0 %"
    assert words(of_class(line, "topic-gap")) == "慢0.7个百分点"
    assert read(of_type(line, "Html")[0]).done == pytest.approx(0.24, abs=2 * FINE)


@pytest.mark.parametrize(
    ("now", "rising", "number", "said"),
    [
        (at(30_000), True, "30.0 %", "诉求升"),
        (at(30_000), False, "30.0 %", "快5.3个百分点"),
        (DONE, False, "168.0 %", "已完成"),
        (LEVEL, False, "27天", "未达标"),
        (at(14, target=APPROVAL, as_of=dt.date(2021, 6, 1)), False, "14天", "达标"),
        (at(24_000, has_lead=False), False, "24.0 %", "慢0.7个百分点"),
        (EMPTY, False, "—", "—"),
    ],
)
def test_what_the_line_says_last(now: Standing, rising: bool, number: str, said: str) -> None:
    line = row(now, rising)
    assert words(of_class(line, "topic-row-number")) == number
    assert words(of_class(line, "is-bad" if rising else "topic-gap")) == said
    assert bool(of_class(line, "is-bad")) == rising


def test_a_topic_without_a_target_has_no_bullet() -> None:
    line = row(None)
    assert of_type(line, "Html") == []
    assert words(line) == "◇无目标房产证办理难无目标"
