"""总览: is it getting better, where not, and is the difference real?"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import dash
import pandas as pd
from dash import Input, Output, callback, dcc, html

from components.axes import stable_axis
from components.cards import card_row, change_tone, headline_card
from components.exceptions import exception_list
from components.figures.template import graph
from components.figures.trend import rates_trend_figure
from components.formatting import (
    INTERVAL_WORDS,
    RANGE_WORDS,
    axis_text,
    change_text,
    count,
    count_in_words,
    joint_decimals,
    share,
    value_parts,
)
from components.page_strip import strip
from components.panel import panel, panel_grid
from components.progress import target_card, topic_row
from components.sentences import answer_sentence, places_sentence, trend_sentence
from components.sparkline import interval_bar, sparkline
from components.states import empty_state, loading
from components.tables import (
    Apart,
    Column,
    Content,
    Row,
    data_table,
    link_cell,
    records,
    table_twin,
    value_cell,
    weekly_table,
)
from components.tile_map import standing_mark, tile_map
from data_access.case_counts import (
    UNPLACED,
    closings_by_window,
    counts_by_week,
    counts_by_window,
)
from data_access.question import Question, names
from domain.comparison import (
    Measured,
    aligned,
    group_rows,
    measured,
    of_window,
    per_ten_thousand,
    summed_row,
    weekly_estimates,
    weeks_by_group,
    weeks_of_all,
)
from domain.filters import BASIS_LABELS, COMPARE_LABELS, to_search
from domain.metrics import HEADLINE, METRICS, Change, Metric, broken_identities, total
from domain.periods import Window, present, weeks_before
from domain.schedule import ATTENTION, GOOD, STATUS_WORDS
from domain.signals import Signal
from pages._answers import answers, answers_with_commitments, reader
from pages._exceptions import exceptions_of, group_of, places_of
from pages._programme import day_of, lines, year_of

PATH = "/"
dash.register_page(__name__, path=PATH, title="总览 · 接诉即办督办看板", name="总览", order=0)

# Weeks of the trend, and of a sparkline.
TREND_WEEKS = 26
SPARK_WEEKS = 13
# More tiles than these stand above the trend, not beside it.
MOST_TILES_BESIDE = 24
# Those that share the denominator 有效回访.
REVISIT_INDICATORS = ("response", "resolution", "satisfaction", "composite")
TREND_RATES = ("response", "resolution", "satisfaction")
SHOWN_CATEGORIES = 20


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="overview-summary"), "20rem"),
            loading(html.Div(id="overview-topics"), "16rem"),
            panel_grid(
                [
                    loading(html.Div(id="overview-map"), "26rem"),
                    loading(html.Div(id="overview-trend"), "26rem"),
                ]
            ),
            loading(html.Div(id="overview-places"), "20rem"),
            loading(html.Div(id="overview-categories"), "20rem"),
        ],
        className="page page-overview",
    )


# --- What the panels are about ------------------------------------------------------------------


def _group_word(question: Question) -> str:
    return "街道乡镇" if group_of(question) == "subdistrict" else "区"


def _many(question: Question) -> bool:
    """Return whether the tiles need the whole width of the page."""
    return len(places_of(question)) > MOST_TILES_BESIDE


def _counts(question: Question) -> pd.DataFrame:
    """Return the counts of the page: one row per window and place."""
    return counts_by_window(
        question.snapshot, reader(), question.filters, question.windows, group_of(question)
    )


def _weeks(question: Question) -> tuple[Window, ...]:
    """Return the weeks of the trend: up to the cut-off, or four weeks past an older period."""
    cutoff = question.snapshot.cutoff.date()
    last = min(cutoff, question.period.window.end + dt.timedelta(weeks=4))
    return tuple(weeks_before(cutoff, last, TREND_WEEKS))


def _in_weeks(question: Question) -> pd.DataFrame:
    """Return the counts of each place in the weeks of the trend."""
    return counts_by_week(
        question.snapshot, reader(), question.filters, _weeks(question), group_of(question)
    )


def _narrowed(question: Question, **changes: str | tuple[str, ...]) -> str:
    """Return the link to the same view, narrowed, other filters kept."""
    return PATH + to_search(question.asked.narrowed(**changes))


def _narrowed_to(question: Question, code: str) -> str:
    if group_of(question) == "district":
        return _narrowed(question, district=(code,))
    return _narrowed(question, subdistrict=(code,))


def _definition(question: Question, metric: Metric) -> str:
    return f"/definitions{to_search(question.asked)}#{metric.key}"


# --- Summary ------------------------------------------------------------------------------------


@callback(Output("overview-summary", "children"), Input("question", "data"))
@answers_with_commitments
def show_summary(question: Question) -> html.Div:
    """Return the answer sentence, the exceptions and the headline figures."""
    rows = _counts(question)
    now = total(of_window(rows, "now"))
    wholes = _wholes(question, rows)
    head = strip(
        answer_sentence(
            question.place,
            wholes[question.filters.indicator],
            question.compare_word,
        ),
        question.words,
        question.snapshot.cutoff,
        question.rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=PATH + question.canonical,
        extra_actions=_to_place(question),
    )
    if not now["cases"].iloc[0]:
        return html.Div([head, empty_state()])
    broken = broken_identities({str(name): int(n) for name, n in now.iloc[0].items()})
    if broken:
        raise ValueError("、".join(broken))
    checked = exceptions_of(question)
    return html.Div(
        [
            head,
            exception_list(
                checked.signals,
                [_signal_href(question, signal) for signal in checked.signals],
                checked.normal,
                question.place,
            ),
            card_row([*_cards(question, wholes), *_target_card(question)]),
        ]
    )


def _to_place(question: Question) -> list[dcc.Link]:
    """Return the link to the page of the one street or the one district that is chosen."""
    asked = question.asked
    chosen = asked.subdistrict or asked.district
    if len(chosen) != 1:
        return []
    path = "subdistricts" if asked.subdistrict else "districts"
    search = to_search(asked.narrowed(district=(), subdistrict=()))
    name = names(question.snapshot)[path.removesuffix("s")][chosen[0]]
    return [dcc.Link(f"查看{name}", href=f"/{path}/{chosen[0]}{search}", className="action")]


def _wholes(question: Question, rows: pd.DataFrame) -> dict[str, Measured]:
    """Return the headline and chosen indicators of all places together, with 环比 and 同比."""
    windows = dict(question.windows)
    now = total(of_window(rows, "now"))
    before = {
        COMPARE_LABELS[name]: (total(of_window(rows, name)), windows[name].days)
        for name in ("previous", "year")
    }
    return {
        key: measured(METRICS[key], now, before, question.rules, windows["now"].days)[0]
        for key in {*HEADLINE, question.filters.indicator}
    }


def _cards(question: Question, wholes: dict[str, Measured]) -> list[html.Article]:
    windows = dict(question.windows)
    weeks = _weeks(question)[-SPARK_WEEKS:]
    weekly = _in_weeks(question)
    closed = closings_by_window(
        question.snapshot, reader(), question.filters, (("now", windows["now"]),)
    )["now"]
    cards = []
    for key in HEADLINE:
        metric = METRICS[key]
        cards.append(
            headline_card(
                wholes[key],
                weeks_of_all(weekly, weeks, metric, question.rules),
                href=_narrowed(question, indicator=key),
                definition_href=_definition(question, metric),
                # 0 may only mean that the source gives no times of closing.
                extra=f"同期办结 {count_in_words(closed, '件')}（按办结时间）"
                if key == "volume" and closed
                else "",
            )
        )
    return cards


def _signal_href(question: Question, signal: Signal) -> str | None:
    if signal.kind.startswith("topic_"):
        return _topic_href(question, signal.code)
    if signal.kind.startswith("promise_"):
        return f"/commitments{to_search(question.asked)}"
    if signal.kind.startswith("target_"):
        return f"/targeting{to_search(question.asked.narrowed(district=(signal.code,)))}"
    return _narrowed_to(question, signal.code) if signal.code else None


# --- Topics -------------------------------------------------------------------------------------


def _topic_href(question: Question, code: str) -> str:
    return f"/topics/{code}{to_search(question.asked)}"


def _target_card(question: Question) -> list[html.Article]:
    """Return the card of the target with the largest stock, such as 10万套 of 57万套."""
    found = lines(question, year_of(question))
    standings = [
        (each, ahead, line)
        for line in found
        for each, ahead in zip(line.standings, line.forecasts, strict=True)
        if each.target.scheduled and each.target.stock > 0
    ]
    if not standings:
        return []
    now, ahead, line = max(standings, key=lambda each: each[0].target.stock)
    return [target_card(now, ahead, _topic_href(question, line.topic.code))]


@callback(Output("overview-topics", "children"), Input("question", "data"))
@answers
def show_topics(question: Question) -> html.Section | html.Div:
    """Return the topics of the year as bullet rows, those that need attention first."""
    year = year_of(question)
    found = sorted(
        lines(question, year),
        key=lambda line: (ATTENTION[line.status], line.topic.month, line.topic.code),
    )
    if not found:
        return html.Div()  # a city without such a programme has no panel for it
    statuses = Counter(line.status for line in found)
    told = "、".join(
        f"{STATUS_WORDS[status]}{statuses[status]}题"
        for status in sorted(statuses, key=ATTENTION.__getitem__)
    )
    rows = [
        topic_row(
            line.topic.name,
            _topic_href(question, line.topic.code),
            line.status,
            line.standing,
            line.forecast,
            line.status in GOOD and line.volume.rising,
        )
        for line in found
    ]
    return panel(
        f"每月一题进展（{year}年{len(found)}题）",
        html.Ol(rows, className="topic-rows", style={"--rows": str(-(-len(rows) // 3))}),
        sentence=f"{told}。粗线为完成，灰刻度为序时，黑线为目标，细线为预测（{RANGE_WORDS}）。",
        note=f"全市累计，进度截至{day_of(question, year)}",
        actions=[dcc.Link("全部题目", href=f"/topics{to_search(question.asked)}")],
        wide=True,
    )


# --- Places -------------------------------------------------------------------------------------


def _place_rows(question: Question) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the places with every indicator, and the counts they come from (same order).

    The map and the table show the same rows; the key holds the hour as exceptions do.
    """
    key = (
        "overview places",
        reader(),
        question.canonical,
        to_search(question.asked),
        f"{present():%Y-%m-%d %H}",
    )
    return question.snapshot.cached(key, lambda: _compared_places(question))


def _compared_places(question: Question) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, places = _counts(question), places_of(question)
    now = aligned(of_window(rows, "now"), places)
    before, days = None, (1, 1)
    if question.compared:
        name, window = question.compared
        before = aligned(of_window(rows, name), places)
        days = (question.period.window.days, window.days)
    table = group_rows(places, now, before, question.filters.indicator, question.rules, days)
    metric = METRICS[question.filters.indicator]
    table["spark"] = pd.Series(
        weeks_by_group(
            _in_weeks(question),
            list(table["code"]),
            _weeks(question)[-SPARK_WEEKS:],
            metric,
            question.rules,
        ),
        dtype="object",
    )
    table["href"] = [_narrowed_to(question, code) for code in table["code"]]
    # A rate that stands on a shrunken denominator must not pass for a good one.
    shrunken = {
        signal.code
        for signal in exceptions_of(question).signals
        if signal.kind in ("shrinking", "excluding")
    }
    table["flag"] = ["※分母收缩" if code in shrunken else "" for code in table["code"]]
    return table, now


@callback(Output("overview-map", "children"), Input("question", "data"))
@answers
def show_map(question: Question) -> html.Section:
    """Return the tile map of the chosen indicator with its sentence and table."""
    table, _ = _place_rows(question)
    metric, word = METRICS[question.filters.indicator], _group_word(question)
    title = f"各{word}{metric.name}"
    if not table["volume_value"].sum():
        return panel(title, empty_state())
    return panel(
        title,
        tile_map(
            table.assign(name=table["short_name"]) if "short_name" in table else table,
            metric,
            f"与其余各{word}合并相比",
        ),
        sentence=places_sentence(metric, table, word),
        note=f"{question.period.label} · {_basis(question)}",
        wide=_many(question),
    )


def _basis(question: Question) -> str:
    return BASIS_LABELS[question.filters.basis]


@callback(Output("overview-places", "children"), Input("question", "data"))
@answers
def show_places(question: Question) -> html.Section:
    """Return the table of districts, or of the streets of the chosen districts."""
    table, now = _place_rows(question)
    metric, word = METRICS[question.filters.indicator], _group_word(question)
    rows = _counts(question)
    present_rows = of_window(rows, "now")
    if group_of(question) == "district":
        table = table.assign(per_ten_thousand=per_ten_thousand(table, now).to_numpy())
    ordered = table.sort_values(
        ["value", "volume_value"], ascending=[metric.better == "lower", False], kind="stable"
    )
    whole = _summed_row(question, present_rows, "汇总")
    look = _Look(
        metric,
        joint_decimals(metric, list(table["value"])),
        float(whole["value"]),
        stable_axis(metric, [*table["low"], *table["high"]]),
    )
    enough = (ordered["n"] >= question.rules.minimum_revisits) | (metric.kind == "count")
    ranked = [Row(_place_cells(row, look)) for row in records(ordered[enough])]
    short = [Row(_place_cells(row, look)) for row in records(ordered[~enough])]
    least = question.rules.minimum_revisits
    apart = [Apart(f"{metric.n_words}不足{least}件，样本不足，不参与高低比较", short)]
    unplaced = present_rows[present_rows["code"] == UNPLACED]
    if not unplaced.empty:
        outside = _summed_row(question, unplaced, f"未定位到{word}")
        row = Row(_place_cells(outside, look))
        apart.append(Apart(f"地点不在{word}名录，只计入汇总", [row]))
    title = f"{word}对比表"
    return panel(
        title,
        data_table(
            _place_columns(question, look),
            ranked,
            f"{title}：{question.words}",
            total=Row(_place_cells(whole, look)),
            apart=apart,
            caption_hidden=True,
        ),
        note=f"{question.words}，按{metric.name}排列",
        wide=True,
    )


class _Look(NamedTuple):
    """How the chosen indicator is printed in every row of a table."""

    metric: Metric
    decimals: int
    city: float
    axis: tuple[float, float]


def _summed_row(question: Question, counts: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return rows of counts taken together as a row of a table, without comparison."""
    return summed_row(name, counts, question.filters.indicator, question.rules)


def _place_columns(question: Question, look: _Look) -> list[Column]:
    metric = look.metric
    comparison = [Column("change", f"{metric.name}{question.compare_word}")]
    ratio = [Column("ratio", "万人诉求比", "end", "件/万人", phone=False)]
    return [
        Column("name", _group_word(question)),
        Column("standing", "与其余相比"),
        Column(
            "interval",
            f"{metric.name}{INTERVAL_WORDS}",
            "center",
            f"{axis_text(metric, look.axis)}，虚线为汇总",
            phone=False,
        )
        if metric.kind != "count"
        else Column("share", "占比", "end"),
        *(comparison if question.compared else []),
        Column("volume", "诉求量", "end", "件"),
        *(ratio if group_of(question) == "district" else []),
        Column("revisits", "有效回访", "end", "件"),
        *(Column(key, METRICS[key].name, "end", METRICS[key].unit) for key in REVISIT_INDICATORS),
        Column("on_time", METRICS["on_time"].name, "end"),
        Column("overdue_rate", "逾期未办率", "end", METRICS["overdue_rate"].unit, phone=False),
        Column("spark", f"近{SPARK_WEEKS}周", "center", phone=False),
    ]


def _place_cells(row: Mapping[str, Any], look: _Look) -> dict[str, Content]:
    metric, on_time = look.metric, METRICS["on_time"]
    name, href = str(row["name"]), row.get("href")
    cells: dict[str, Content] = {
        "name": link_cell(name, href) if href else name,
        "volume": count(row["volume_value"]),
        "revisits": count(row["response_n"]),
        "on_time": value_cell(on_time, row["on_time_value"], row["on_time_n"]),
    }
    for key in (*REVISIT_INDICATORS, "overdue_rate"):
        decimals = look.decimals if key == metric.key else 1
        cells[key] = value_parts(METRICS[key], row[f"{key}_value"], decimals)[0]
    if metric.kind == "count":
        cells["share"] = share(row["value"] / look.city) if look.city else "—"
    else:
        cells["interval"] = interval_bar(
            metric, row["value"], row["low"], row["high"], look.city, look.axis
        )
    if href:
        mark: list[Content] = [standing_mark(metric, row["standing"])]
        if row["flag"]:
            mark.append(html.Small(f" {row['flag']}", className="flag"))
        cells["standing"] = mark
        cells["spark"] = sparkline(row["spark"], metric)
        cells["change"] = _change_cell(metric, row["change"])
    ratio = row.get("per_ten_thousand")
    if ratio is not None:
        cells["ratio"] = f"{ratio:,.1f}" if pd.notna(ratio) else "—"
    return cells


def _change_cell(metric: Metric, change: Change | None) -> Content:
    if change is None:
        return None
    tone = change_tone(metric, change)
    words = change_text(metric, change)
    return html.Span(words, className=f"change is-{tone}" if tone else "change")


# --- Trend --------------------------------------------------------------------------------------


@callback(Output("overview-trend", "children"), Input("question", "data"))
@answers
def show_trend(question: Question) -> html.Section:
    """Return the three rates by week, the unfinished tail marked, the city behind a district."""
    weeks, rows = _weeks(question), _in_weeks(question)
    own = {key: weekly_estimates(rows, weeks, METRICS[key], question.rules) for key in TREND_RATES}
    title, note = "三率走势", f"近{TREND_WEEKS}周，按诉求创建周 · {_basis(question)}"
    if not any(frame["n"].sum() for frame in own.values()):
        own = {"on_time": weekly_estimates(rows, weeks, METRICS["on_time"], question.rules)}
        title, note = "按时办结率走势", f"{note}；无有效回访，三率不可算"
        if not own["on_time"]["n"].sum():
            return panel(title, empty_state(), note=note)
    city = None
    if question.filters.district or question.filters.subdistrict:
        everywhere = counts_by_week(
            question.snapshot,
            reader(),
            question.filters.narrowed(district=(), subdistrict=()),
            weeks,
            "district",
        )
        city = {
            key: weekly_estimates(everywhere, weeks, METRICS[key], question.rules) for key in own
        }
    sentence = trend_sentence(own)
    return panel(
        title,
        graph(
            rates_trend_figure(own, city, question.snapshot.city),
            f"{title}：{sentence}",
            "overview-trend-graph",
            "27rem",
        ),
        sentence=sentence,
        note=note,
        twin=table_twin(title, weekly_table({METRICS[key]: own[key] for key in own})),
        wide=_many(question),
    )


# --- Categories ---------------------------------------------------------------------------------


@callback(Output("overview-categories", "children"), Input("question", "data"))
@answers
def show_categories(question: Question) -> html.Section:
    """Return the table of categories by volume, one level below those filtered by."""
    rows = counts_by_window(
        question.snapshot, reader(), question.filters, question.windows, "category"
    )
    now = of_window(rows, "now").sort_values("cases", ascending=False, ignore_index=True)
    title, note = "诉求分类", f"{question.words}，按诉求量排列"
    if now.empty:
        return panel(title, empty_state(), note=note, wide=True)
    groups = now[["code", "name"]]
    before, days = None, (1, 1)
    if question.compared:
        name, window = question.compared
        before = aligned(of_window(rows, name), groups)
        days = (question.period.window.days, window.days)
    table = group_rows(groups, now, before, "volume", question.rules, days)
    cases = float(table["volume_value"].sum())
    levels = question.snapshot.reference.categories.set_index("code")["level"].to_dict()
    links = {
        code: _narrowed(question, category=(code,))
        for code in table["code"]
        if levels.get(code, 3) < 3 and code not in question.filters.category
    }
    known = table[table["code"] != UNPLACED]
    shown = [Row(_category_cells(row, cases, links)) for row in records(known)]
    unknown = table[table["code"] == UNPLACED].assign(name="未归类")
    columns = [
        Column("name", "分类"),
        Column("volume", "诉求量", "end", "件"),
        Column("share", "占比", "end"),
        *([Column("change", f"诉求量{question.compare_word}")] if question.compared else []),
        *(
            Column(key, METRICS[key].name, "end", METRICS[key].unit)
            for key in ("response", "resolution", "satisfaction", "on_time")
        ),
    ]
    whole = summed_row("汇总", now, "volume", question.rules)
    outside = [Row(_category_cells(row, cases, {})) for row in records(unknown)]
    return panel(
        title,
        data_table(
            columns,
            shown,
            f"{title}：{question.words}",
            total=Row(_category_cells(whole, cases, {})),
            apart=[Apart("分类不在名录，只计入汇总", outside)],
            caption_hidden=True,
            tall=len(shown) > SHOWN_CATEGORIES,
        ),
        note=note,
        actions=[dcc.Link("各项指标的口径", href=f"/definitions{to_search(question.asked)}")],
        wide=True,
    )


def _category_cells(
    row: Mapping[str, Any], cases: float, links: dict[str, str]
) -> dict[str, Content]:
    name, href = str(row["name"]), links.get(str(row["code"]))
    cells: dict[str, Content] = {
        "name": link_cell(name, href) if href else name,
        "volume": count(row["volume_value"]),
        "share": share(row["volume_value"] / cases),
    }
    cells["change"] = _change_cell(METRICS["volume"], row["change"])
    for key in ("response", "resolution", "satisfaction", "on_time"):
        cells[key] = value_cell(METRICS[key], row[f"{key}_value"], row[f"{key}_n"])
    return cells
