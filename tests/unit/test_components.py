"""Components by what they say: texts, links, alternatives, marks; never by pixels."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import plotly.graph_objects as go
import pytest
from dash.development.base_component import Component

from components import filter_bar, shell
from components.axes import spark_window, stable_axis
from components.cards import card_row, headline_card
from components.definitions import account_list, definition_card, load_table, rule_table
from components.exceptions import exception_list, signal_sentence
from components.figures.template import CONFIG, graph, new_figure
from components.figures.trend import rates_trend_figure
from components.page_strip import strip
from components.panel import panel, panel_grid
from components.sparkline import interval_bar, sparkline
from components.states import (
    empty_state,
    error_state,
    first_start_state,
    insufficient_state,
    loading,
    loading_skeleton,
    notice,
)
from components.tables import (
    Apart,
    Column,
    Row,
    data_table,
    link_cell,
    table_twin,
    value_cell,
    weekly_table,
)
from components.tile_map import standing_mark, tile_map
from domain.comparison import Measured
from domain.metrics import METRICS, Change
from domain.rules import RULES, Rules
from domain.signals import Signal

NAN = float("nan")
RATE, VOLUME = METRICS["resolution"], METRICS["volume"]
CUTOFF = dt.datetime(2025, 6, 12, 23, 59)
ASSETS = Path(__file__).parents[2] / "assets"


def walk(node: Any) -> Iterator[Component]:
    """Yield a component and everything in it, in order."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from walk(each)
    elif isinstance(node, Component):
        yield node
        yield from walk(getattr(node, "children", None))


def words(node: Any) -> str:
    """Return the text of a component, parts joined without a space."""
    if isinstance(node, list | tuple):
        return "".join(words(each) for each in node)
    if isinstance(node, Component):
        return words(getattr(node, "children", None))
    return "" if node is None else str(node)


def of_type(node: Any, name: str) -> list[Any]:
    return [each for each in walk(node) if type(each).__name__ == name]


def of_class(node: Any, name: str) -> list[Any]:
    return [each for each in walk(node) if name in (getattr(each, "className", None) or "").split()]


def hrefs(node: Any) -> list[str]:
    return [each.href for each in of_type(node, "Link")]


def weeks(values: list[float], unripe: int = 2) -> pd.DataFrame:
    first = dt.date(2025, 3, 17)
    return pd.DataFrame(
        {
            "week_start": [first + dt.timedelta(weeks=place) for place in range(len(values))],
            "week_end": [first + dt.timedelta(days=7 * place + 6) for place in range(len(values))],
            "value": values,
            "n": [100.0] * len(values),
            "low": [value - 0.02 for value in values],
            "high": [value + 0.02 for value in values],
            "mature": [place < len(values) - unripe for place in range(len(values))],
        }
    )


def svg(image: Any) -> str:
    assert ElementTree.fromstring(image.html).tag == "svg"
    return str(image.html)


def label(image: Any) -> str | None:
    return ElementTree.fromstring(image.html).get("aria-label")


# --- Sparklines and axes ------------------------------------------------------------------------


def test_a_sparkline_tells_its_course_and_hatches_the_tail() -> None:
    image = sparkline(weeks([0.8, 0.82, 0.85, 0.84, 0.7]), RATE)
    assert label(image) == (
        "解决率近5周：3.17–3.23为80.0 %，至3.31–4.6为85.0 %；最低80.0 %，最高85.0 %；另有2周未成熟"
    )
    picture = svg(image)
    assert "hatch" in picture
    assert "stroke-dasharray" in picture
    assert picture.count("<circle") == 1


def test_a_finished_course_is_not_hatched() -> None:
    image = sparkline(weeks([0.8, 0.82], unripe=0), RATE)
    assert "hatch" not in svg(image)
    assert "未成熟" not in (label(image) or "未成熟")


def test_a_gap_breaks_the_line_and_nothing_draws_nothing() -> None:
    assert svg(sparkline(weeks([0.8, 0.8, NAN, 0.8], unripe=0), RATE)).count("M") >= 3
    nothing = sparkline(weeks([NAN, NAN], unripe=2), RATE)
    assert "nan" not in svg(nothing)
    assert label(nothing) == "解决率近2周：尚无成熟的数据；另有2周未成熟"
    assert "nan" not in svg(sparkline(weeks([]), RATE))


def test_counts_are_bars_from_zero() -> None:
    picture = svg(sparkline(weeks([10.0, 20.0, 30.0]), VOLUME))
    assert picture.count("z") == 3  # one bar per week
    assert "hatch" in picture
    assert "nan" not in picture


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ([0.87, 0.99], (0.8, 1.0)),
        ([0.95], (0.9, 1.0)),
        ([0.62, 0.98], (0.6, 1.0)),
        ([0.62, 0.68], (0.6, 0.7)),
        ([0.3, 0.99], (0.6, 1.0)),
        ([NAN], (0.6, 1.0)),
    ],
)
def test_an_axis_is_one_of_a_few(values: list[float], axis: tuple[float, float]) -> None:
    assert stable_axis(RATE, values) == pytest.approx(axis)


def test_equal_slopes_are_equal_changes() -> None:
    spans = [high - low for low, high in (spark_window(RATE, [v, v + 0.02]) for v in (0.7, 0.9))]
    assert spans == pytest.approx([0.1, 0.1])
    low, high = spark_window(RATE, [0.2, 0.98])
    assert low <= 0.2
    assert high >= 0.98


def test_an_interval_bar_says_value_interval_and_city() -> None:
    image = interval_bar(RATE, 0.85, 0.83, 0.87, city=0.873)
    assert label(image) == "解决率85.0 %，区间83.0–87.0 %，汇总87.3 %"
    assert label(interval_bar(RATE, NAN, NAN, NAN)) == "解决率：无数据"


# --- Cards --------------------------------------------------------------------------------------


def card(value: float = 0.873, n: int = 1234, **changes: Change) -> Component:
    measured = Measured(RATE, value, n, value - 0.004, value + 0.004, changes)
    return headline_card(measured, weeks([0.86, 0.87, 0.8]), href="/x", definition_href="/d#r")


def test_a_card_never_shows_a_lone_percent() -> None:
    shown = card(环比=Change(-0.9, "down"), 同比=Change(NAN, "withheld", "样本不足30件"))
    text = words(shown)
    for part in ("解决率", "87.3 %", "n=1,234 件有效回访", "86.9–87.7 %", "下降0.9个百分点"):
        assert part in text
    assert "不作比较：样本不足30件" in text
    assert hrefs(shown) == ["/x", "/d#r"]
    assert of_class(shown, "is-bad")
    assert label(of_type(shown, "Html")[0])


def test_a_card_without_value_gives_the_reason_instead() -> None:
    text = words(card(NAN, 0))
    assert "—（无有效回访）" in text
    assert "nan" not in text
    assert "0.0 %" not in text


def test_noise_and_neutral_indicators_are_not_coloured() -> None:
    volume = Measured(VOLUME, 10.0, 10, 10.0, 10.0, {"环比": Change(30.0, "up")})
    for shown in (card(环比=Change(0.1, "flat")), headline_card(volume, weeks([10.0]))):
        assert not of_class(shown, "is-good")
        assert not of_class(shown, "is-bad")


def test_a_rise_of_what_should_fall_is_bad() -> None:
    overdue = METRICS["overdue_rate"]
    rising = Measured(overdue, 0.03, 99, 0.02, 0.04, {"环比": Change(1.0, "up")})
    assert of_class(headline_card(rising, weeks([0.03])), "is-bad")


def test_cards_have_a_heading_for_screen_readers() -> None:
    assert of_type(card_row([card()]), "H2")


# --- Tile map -----------------------------------------------------------------------------------


def districts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": ["延庆区", "怀柔区", "门头沟区", "海淀区", "西城区", "平谷区", "经开区"],
            "value": [0.9, 0.85, 0.87, 0.871, 0.8704, NAN, 0.86],
            "n": [100.0, 200.0, 300.0, 400.0, 500.0, 0.0, 50.0],
            "standing": ["above", "below", "level", "level", "level", "insufficient", "level"],
            "href": [f"/?district={place}" for place in range(7)],
            "tile_row": [0, 0, 2, 2, 2, 1, None],
            "tile_column": [1, 2, 0, 1, 2, 1, None],
        }
    )


def test_a_tile_says_place_value_n_and_standing_in_words_and_shape() -> None:
    shown = tile_map(districts(), RATE)
    tiles = of_class(shown, "tile")
    assert [words(tile) for tile in tiles[:2]] == [
        "延庆区▲ 高于90.00 %n 100",
        "怀柔区▼ 低于85.00 %n 200",
    ]
    assert words(tiles[5]) == "平谷区□ 样本不足— 无有效回访"
    assert hrefs(shown) == list(districts()["href"])


def test_only_differences_are_coloured() -> None:
    shown = tile_map(districts(), RATE)
    coloured = {words(tile)[:3] for tile in of_class(shown, "tile") if "is-" in tile.className}
    assert coloured == {"延庆区", "怀柔区"}


def test_tiles_stand_in_their_places_and_one_without_goes_below() -> None:
    shown = tile_map(districts(), RATE)
    places = [(tile.style["gridRow"], tile.style["gridColumn"]) for tile in of_class(shown, "tile")]
    assert places[:3] == [("1", "2"), ("1", "3"), ("3", "1")]
    assert places[-1] == ("4", "1")
    assert len(set(places)) == len(places)


def test_the_legend_counts_every_standing_and_takes_a_free_corner() -> None:
    (legend,) = of_class(tile_map(districts(), RATE), "tile-legend")
    assert words(legend) == "与其余各区合并相比（95 %区间）▲ 高于1个● 持平4个▼ 低于1个□ 样本不足1个"
    assert legend.style["gridColumn"] == "1"


def test_a_city_without_places_gets_an_ordinary_grid() -> None:
    rows = districts().drop(columns=["tile_row", "tile_column"])
    for frame in (rows, districts().assign(tile_row=pd.NA, tile_column=pd.NA)):
        shown = tile_map(frame, RATE)
        assert of_class(shown, "tiles-flow")
        assert all(getattr(tile, "style", None) is None for tile in of_class(shown, "tile"))


def test_counts_are_not_judged() -> None:
    rows = districts().assign(standing="neutral", value=range(7))
    text = words(tile_map(rows, VOLUME))
    assert "▲" not in text
    assert "不作高低判断" in text


def test_low_is_good_where_less_is_better() -> None:
    assert "is-good" in standing_mark(METRICS["overdue_rate"], "below").className
    assert "is-bad" in standing_mark(METRICS["overdue_rate"], "above").className


# --- Tables -------------------------------------------------------------------------------------


def table() -> Component:
    columns = [
        Column("name", "区"),
        Column("rate", "解决率", "end", note="有效回访"),
        Column("n", "诉求量", "end", phone=False),
    ]
    return data_table(
        columns,
        [Row({"name": link_cell("东城区", "/a"), "rate": value_cell(RATE, 0.9, 50.0), "n": 12345})],
        "各区三率",
        total=Row({"name": "汇总", "n": 20000.0}),
        apart=[Apart("样本不足30件，不参与排名", [Row({"name": "平谷区"})]), Apart("空组", [])],
    )


def test_a_table_has_caption_scopes_total_and_rows_apart() -> None:
    shown = table()
    assert words(of_type(shown, "Caption")[0]) == "各区三率"
    assert [head.scope for head in of_type(shown, "Th")] == [
        "col", "col", "col", "row", "rowgroup", "row", "row",
    ]  # fmt: skip
    text = words(shown)
    assert text.index("东城区") < text.index("样本不足30件") < text.index("平谷区")
    assert text.index("平谷区") < text.index("汇总")
    assert "12,345" in text
    assert "20,000" in text
    assert "空组" not in text
    assert "90.0 %n 50" in text
    assert hrefs(shown) == ["/a"]
    assert shown.tabIndex == 0
    assert shown.to_plotly_json()["props"]["aria-label"] == "各区三率"


def test_an_empty_table_says_so() -> None:
    assert "没有符合条件的数据" in words(data_table([Column("a", "甲")], [], "空表"))


def test_a_twin_opens_on_demand_and_keeps_the_numbers() -> None:
    frame = weekly_table({RATE: weeks([0.8, NAN, 0.9]), VOLUME: weeks([1000.0, 2000.0, 3.0])})
    assert list(frame.columns) == ["周", "解决率", "解决率 n", "诉求量", "成熟度"]
    assert list(frame["解决率"]) == ["80.0 %", "—（无有效回访）", "90.0 %"]
    assert list(frame["成熟度"]) == ["成熟", "未成熟", "未成熟"]
    twin = table_twin("三率走势", frame)
    assert type(twin).__name__ == "Details"
    assert "数据表：三率走势" in words(twin)
    assert "1,000 件" in words(twin)
    assert "—" in words(table_twin("空", pd.DataFrame({"a": [None], "b": [NAN]})))
    assert weekly_table({}).empty


# --- Strip, exceptions, states ------------------------------------------------------------------


def test_a_strip_says_what_the_figures_rest_on() -> None:
    shown = strip(
        "解决率上升", "全市 · 考核口径", CUTOFF, "默认-2025", "demo.1", True, link="/?a=b"
    )
    assert words(of_type(shown, "H1")) == "解决率上升"
    for part in ("全市 · 考核口径", "2025-06-12 23:59", "口径版本 默认-2025", "demo.1", "演示数据"):
        assert part in words(shown)
    copy, print_page = of_type(shown, "Button")
    assert copy.to_plotly_json()["props"]["data-copy-link"] == "/?a=b"
    assert print_page.to_plotly_json()["props"]["data-print"] == "page"
    real = strip("甲", "乙", CUTOFF, "默认-2025", "real-1.1", False)
    assert "演示数据" not in words(real)


@pytest.mark.parametrize(
    ("signal", "sentence"),
    [
        (
            Signal("rate_fall", "alert", "1", "房山区", "resolution", 0.842, -2.3, n=6210),
            "房山区解决率下降2.3个百分点，现为84.2 %（n=6,210）",
        ),
        (
            Signal("overdue", "alert", "1", "通州区", "overdue_rate", 0.031, count=423),
            "通州区逾期未办423件，占受理的3.1 %，明显高于其余",
        ),
        (
            Signal("shrinking", "watch", "1", "平谷区", "revisit_rate", 0.41, -7.0),
            "平谷区有效回访率下降7.0个百分点至41.0 %，分母收缩会抬高三率",
        ),
        (
            Signal("excluding", "watch", "1", "平谷区", "", 0.12, 6.0, count=88),
            "平谷区剔除率上升6.0个百分点至12.0 %（剔除88件）",
        ),
        (Signal("stale", "alert", count=3), "数据已3天未更新，以下各数只到数据截至时为止"),
        (Signal("gap", "watch", count=2), "本期有2天没有一件诉求，疑有漏报"),
        (
            Signal("unplaced", "watch", value=0.061, count=11433),
            "11,433件诉求未定位到区，占6.1 %，只计入某市",
        ),
    ],
)
def test_every_kind_of_exception_is_a_sentence(signal: Signal, sentence: str) -> None:
    assert signal_sentence(signal, "某市") == sentence


def test_at_most_five_exceptions_the_rest_is_counted() -> None:
    signals = [Signal("gap", "watch", count=day) for day in range(1, 8)]
    shown = exception_list(signals, ["/a", *[None] * 6], 40, "某市")
    assert len(of_class(shown, "exception-watch")) == 5
    assert "另有2项例外未列出，其余40项正常" in words(shown)
    assert hrefs(shown) == ["/a"]
    assert "没有例外，40项检查均正常" in words(exception_list([], [], 40, "某市"))
    # Of nothing nothing is said to be normal.
    assert words(of_class(exception_list([], [], 0, "某市"), "exception-normal")) == "● 没有例外"
    assert not of_class(exception_list(signals[:1], [None], 0, "某市"), "exception-normal")


def test_states_differ_and_say_what_to_do() -> None:
    states = [
        empty_state(clear_href="/"),
        error_state("a1b2"),
        insufficient_state(RATE, 12, 30),
        loading_skeleton(),
        first_start_state(),
    ]
    assert len({state.className for state in states}) == len(states)
    assert hrefs(states[0]) == ["/"]
    assert "a1b2" in words(states[1])
    assert states[1].role == "alert"
    assert "有效回访12件，少于最小样本30件" in words(states[2])
    assert "flask data demo" in words(states[4])
    assert "flask data load" in words(states[4])
    assert loading("甲").delay_show >= 300
    assert notice([]) is None
    assert "“x=1”" in words(notice(["不认识的筛选条件“x=1”"]))


# --- Filter bar and shell -----------------------------------------------------------------------


def test_every_control_has_a_label() -> None:
    bar = filter_bar.filter_bar({}, {}, dt.date(2021, 1, 1), dt.date(2025, 6, 12))
    labelled = {label.htmlFor for label in of_type(bar, "Label")}
    controls = {
        each.id
        for kind in ("Select", "Dropdown", "Input")
        for each in of_type(bar, kind)
    }  # fmt: skip
    assert controls == labelled
    assert set(filter_bar.CONTROLS.values()) < controls


def test_ids_of_the_bar_are_unique() -> None:
    bar = filter_bar.filter_bar({}, {})
    ids = [each.id for each in walk(bar) if getattr(each, "id", None)]
    assert len(ids) == len(set(ids))


def test_no_dropdown_speaks_english() -> None:
    bar = filter_bar.filter_bar({}, {})
    for dropdown in of_type(bar, "Dropdown"):
        assert dropdown.placeholder.startswith("全部")
        assert set(dropdown.labels) == {
            "select_all", "deselect_all", "selected_count", "search", "clear_search",
            "clear_selection", "no_options_found",
        }  # fmt: skip
        assert not re.search(r"[A-Za-z]", re.sub(r"\{\w+\}", "", "".join(dropdown.labels.values())))


@pytest.mark.parametrize(
    ("kind", "hidden"),
    [
        ("assess", (False, True, True)),
        ("custom", (True, False, True)),
        ("days", (True, True, False)),
    ],
)
def test_the_kind_of_period_decides_which_control_is_seen(kind, hidden) -> None:
    assert filter_bar.hidden_boxes(kind) == hidden
    bar = filter_bar.filter_bar({}, {"period_kind": kind})
    boxes = {each.id: each for each in walk(bar) if getattr(each, "id", None)}
    seen = tuple(
        boxes[name].hidden
        for name in (filter_bar.PERIOD_BOX, filter_bar.RANGE_BOX, filter_bar.DAYS_BOX)
    )
    assert seen == hidden


def test_chips_are_links_that_remove() -> None:
    chips = filter_bar.filter_chips([filter_bar.Chip("区：东城区", "/?a")], "/")
    assert hrefs(chips) == ["/?a", "/"]
    assert "去掉“区：东城区”" in words(chips)
    assert filter_bar.filter_chips([], "/") == []


def test_the_shell_has_landmarks_a_skip_link_and_the_demo_mark() -> None:
    head = shell.header([shell.NavLink("总览", "/", True), shell.NavLink("口径与数据", "/d")])
    foot = shell.footer(CUTOFF, "demo.1", "默认-2025", "考核口径", True)
    page = shell.shell(head, filter_bar.filter_bar({}, {}), "正文", foot, True)
    skip = of_type(page, "A")[0]
    assert (words(skip), skip.href) == ("跳到正文", "#main")
    (main,) = of_type(page, "Main")
    assert (main.id, main.tabIndex) == ("main", -1)
    current = [
        item for item in of_type(head, "Li") if "aria-current" in item.to_plotly_json()["props"]
    ]
    assert [words(item) for item in current] == ["总览"]
    assert of_class(page, "watermark")
    for part in ("2025-06-12", "demo.1", "默认-2025", "考核口径", "演示数据"):
        assert part in words(foot)
    assert shell.watermark(False) is None
    assert "演示数据" not in words(shell.footer(CUTOFF, "real-1.1", "默认-2025", "考核口径", False))


def test_panels_have_headings() -> None:
    shown = panel_grid(
        [panel("走势", "图", sentence="持平", note="近26周", actions=[graph_stub()])]
    )
    assert words(of_type(shown, "H2")) == "走势"
    assert "持平" in words(shown)


def graph_stub() -> Component:
    return link_cell("导出", "/export")


# --- Definitions --------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_definition_is_complete(metric) -> None:
    shown = definition_card(metric, Rules())
    assert shown.id == metric.key
    for part in (metric.name, metric.numerator, metric.note, metric.unit, "考核口径"):
        assert part in words(shown)


def test_formulas_carry_the_weights_in_force() -> None:
    text = words(definition_card(METRICS["composite"], Rules()))
    assert "0.1 × 响应率 + 0.5 × 解决率 + 0.4 × 满意率" in text
    assert "0.9 × 基本满意" in words(definition_card(METRICS["satisfaction"], Rules()))


def test_the_rule_table_shows_every_rule_and_marks_what_changed() -> None:
    newer = Rules(version="修订-2026", effective_on=dt.date(2026, 1, 1), minimum_revisits=50)
    shown = rule_table([Rules(), newer], Rules())
    text = words(shown)
    assert all(rule.label in text for rule in RULES)
    assert "默认-2025 · 现行" in text
    assert [words(mark) for mark in of_type(shown, "Strong")] == ["50 件"]


def test_the_account_of_a_load_is_told_in_words() -> None:
    account = {
        "拒收": {"没有编号": 3},
        "发现": {"区未定位": 1200},
        "示例": {"区未定位": ["第 2 行：某区"]},
        "空行": 1,
        "未读取的个人信息列": ["电话", "证件号"],
        "未导入的列": [],
        "说明": ["已按逗号分列"],
    }
    shown = account_list(json.dumps(account))
    assert [words(line) for line in of_type(shown, "Li")] == [
        "拒收：没有编号，3行",
        "发现：区未定位，1,200行",
        "示例：区未定位第 2 行：某区",
        "空行，1行",
        "未读取的个人信息列：电话、证件号",
        "说明：已按逗号分列",
    ]
    assert account_list('{"invented": true, "seed": 7}') == "演示数据，全部虚构（种子7）"
    assert account_list("{}") == "—"
    assert account_list("not json") == "not json"
    loads = pd.DataFrame(
        [
            {
                "version": 2, "table_name": "cases", "source": "六月.csv", "sha256": "ab" * 32,
                "loaded_at": dt.datetime(2025, 6, 13, 1, 2), "rows_read": 12345,
                "rows_kept": 12000, "rows_merged": 300, "rows_rejected": 45, "account": "{}",
            }
        ]
    )  # fmt: skip
    text = words(load_table(loads, {"cases": "诉求工单"}))
    for part in ("2025-06-13 01:02", "诉求工单", "六月.csv", "12,345", "45", "abababababab"):
        assert part in text
    assert "没有导入记录" in words(load_table(loads.iloc[:0], {}))


# --- Figures ------------------------------------------------------------------------------------


def trend() -> Any:
    rates = {key: weeks([0.97, 0.98, NAN, 0.96, 0.9]) for key in ("response", "resolution")}
    return go.Figure(rates_trend_figure(rates, rates))


def test_a_trend_uses_only_traces_of_the_vendored_bundle() -> None:
    assert {trace.type for trace in trend().data} <= {"scatter", "bar"}


def test_a_trend_marks_the_unfinished_tail_and_labels_directly() -> None:
    figure = trend()
    texts = [each.text for each in figure.layout.annotations]
    assert texts.count("未成熟") == 2
    # The last mature week with a value, not the last week.
    assert texts.count("<b>98.0 %</b>") == 2
    assert any("灰线为全市" in text for text in texts)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert all(bar.marker.pattern.shape == "/" and len(bar.x) == 2 for bar in bars)
    dotted = [t for t in figure.data if t.type == "scatter" and t.line.dash == "dot"]
    assert dotted
    assert figure.layout.template.layout.showlegend is False


def test_a_trend_draws_all_finite_weeks_and_no_line_over_a_gap() -> None:
    figure = go.Figure(rates_trend_figure({"resolution": weeks([0.8, NAN, 0.9], unripe=0)}))
    line = next(trace for trace in figure.data if trace.mode == "lines+markers")
    assert line.connectgaps is False
    assert list(line.y)[0::2] == [0.8, 0.9]
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(bands) == 2
    assert "未成熟" not in [each.text for each in figure.layout.annotations]


def test_a_trend_without_weeks_is_drawn_empty() -> None:
    figure = go.Figure(rates_trend_figure({"resolution": weeks([])}))
    assert figure.layout.yaxis.range == (0.6, 1.0)


def test_axes_do_not_follow_the_unfinished_tail() -> None:
    figure = go.Figure(rates_trend_figure({"resolution": weeks([0.92, 0.94, 0.93, 0.2, 0.1])}))
    assert figure.layout.yaxis.range == pytest.approx((0.9, 1.0))


def test_no_figure_offers_the_cloud() -> None:
    assert CONFIG["showSendToCloud"] is False
    assert CONFIG["plotlyServerURL"] == ""
    assert CONFIG["displaylogo"] is False
    assert CONFIG["displayModeBar"] is False
    assert CONFIG["locale"] == "zh-CN"
    shown = graph(new_figure(), "三率走势", "trend")
    assert shown.to_plotly_json()["props"]["aria-label"] == "三率走势"
    assert of_type(shown, "Graph")[0].config == CONFIG


def test_the_template_is_small_and_fits_chinese() -> None:
    text = go.Figure(new_figure()).to_json()
    assert len(text) < 2500
    assert "Noto Sans SC" in text


# --- Style sheets and script --------------------------------------------------------------------


def tokens(selector: str) -> dict[str, str]:
    text = (ASSETS / "10-base.css").read_text(encoding="utf-8")
    block = text[text.index(selector) :].split("}")[0]
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("selector", [":root:root {", ':root[data-theme="wall"]'])
def test_text_is_readable_on_its_ground(selector: str) -> None:
    colour = tokens(selector)
    pairs = [
        *((text, ground) for text in ("ink", "soft") for ground in ("paper", "ground", "neutral")),
        *((text, "paper") for text in ("accent", "good", "bad", "alert", "watch")),
        ("good", "good-pale"),
        ("bad", "bad-pale"),
        ("soft", "good-pale"),
        ("soft", "bad-pale"),
        ("accent", "accent-pale"),
        ("on-accent", "accent"),
    ]
    for text, ground in pairs:
        light, dark = sorted((luminance(colour[text]), luminance(colour[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_our_files_fetch_nothing_and_need_no_loose_policy() -> None:
    for path in (*ASSETS.glob("[1-9]*.css"), *ASSETS.glob("[1-9]*.js")):
        text = path.read_text(encoding="utf-8")
        assert "http" not in text.replace("plain http", ""), path.name
        assert "eval(" not in text
        assert "innerHTML" not in text
        assert "@import" not in text


def test_the_script_answers_every_attribute_that_components_use() -> None:
    script = (ASSETS / "30-actions.js").read_text(encoding="utf-8")
    for name in ("data-copy-link", "data-print", "data-theme-switch", "data-toggle"):
        assert f"[{name}]" in script
