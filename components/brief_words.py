"""The sections of a packet, drafted by rule: values of the domain in, text, tables, charts out.

Every number in a draft is a ``Figure`` that carries its indicator and its filters; texts are
printed by ``components.formatting``, so that a packet and the screen print a number alike.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from components.exceptions import MOST, signal_sentence
from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    PERCENT,
    amount,
    change_text,
    count,
    day,
    interval_text,
    joint_decimals,
    share,
    value_parts,
    value_text,
    week_text,
)
from components.place import band_text
from components.progress import (
    amount_of,
    completion_text,
    gap_text,
    outlook_sentence,
    progress_sentence,
)
from components.ranking import RATES, ranking_sentence, rate_columns
from components.targeting import KIND_WORDS, answer, kind_of, left_words, questions, why
from domain.brief import (
    Cell,
    Chart,
    ColumnKind,
    Figure,
    Number,
    Paragraph,
    Part,
    Section,
    SectionKey,
    Series,
    Table,
    TableColumn,
)
from domain.commitments import ATTENTION as PROMISE_ATTENTION
from domain.commitments import STANDING_WORDS
from domain.commitments import Standing as Kept
from domain.comparison import Measured
from domain.metrics import METRICS, Change, Metric
from domain.programme import Tasks, Volume
from domain.ranking import LEVEL_WORDS, TIER_WORDS, Ranking, unranked_words
from domain.rules import Rules
from domain.schedule import (
    ATTENTION,
    CHANCE_WORDS,
    GOOD,
    STATUS_WORDS,
    Forecast,
    Standing,
    Status,
)
from domain.signals import Checked, Signal
from domain.targeting import Holding, Targeting

NAN = float("nan")
# Of a list in the text, and of the table beside it.
FEW, TOP = 3, 5
MOST_URGENT, MOST_IN_CHART = 5, 10
TREND = ("response", "resolution", "satisfaction")


class Source(NamedTuple):
    """Where the numbers of a draft come from: days in words, canonical query string."""

    period: str
    filters: str


class Place(NamedTuple):
    """What a packet is about: its name, and what the whole is called (全市)."""

    name: str
    city: str


class Topic(NamedTuple):
    """A topic of 每月一题 as a packet tells it, with its most urgent target (None: no target)."""

    code: str
    name: str
    leads: str
    status: Status
    standing: Standing | None
    forecast: Forecast | None
    volume: Volume


# --- Parts ----------------------------------------------------------------------------------------


def _room(key: SectionKey) -> Paragraph:
    """Return the room for what a person wants to add to a section."""
    return Paragraph(f"{key}.more")


def _section(
    key: SectionKey,
    heading: str,
    paragraphs: Sequence[Sequence[Part]],
    charts: Sequence[Chart] = (),
    tables: Sequence[Table] = (),
) -> Section:
    numbered = [
        Paragraph(f"{key}.{place}", tuple(part for part in parts if part != ""))
        for place, parts in enumerate(paragraphs, 1)
    ]
    return Section(key, heading, (*numbered, _room(key)), tuple(charts), tuple(tables))


def _listed(items: Sequence[Sequence[Part]]) -> list[list[Part]]:
    return [[f"{place}. ", *item] for place, item in enumerate(items, 1)]


def _measure(place: str, each: Measured, source: Source, prefix: str = "") -> Figure:
    metric = each.metric
    return Figure(
        f"{prefix}{place}{metric.name}",
        metric.key,
        each.value,
        value_text(metric, each.value),
        None if metric.kind == "count" else each.n,
        source.period,
        source.filters,
    )


def _number(
    label: str, metric: str, value: float, text: str, source: Source, n: int | None = None
) -> Figure:
    return Figure(label, metric, float(value), text, n, source.period, source.filters)


def _change(place: str, each: Measured, word: str, than: str, source: Source) -> list[Part]:
    """Return ``，较上周上升x``; nothing without a comparison."""
    change = each.changes.get(word)
    if change is None or not than:
        return []
    label = f"{place}{each.metric.name}{word}"
    key = f"{each.metric.key}.change"
    if change.direction == "withheld":
        return [f"（{than}不作比较：{change.reason}）"]
    text = change_text(each.metric, change)
    if change.direction == "flat":
        text += "（正常波动）"
    return [f"，{than}", _number(label, key, change.amount, text, source, each.n)]


def _value(metric: Metric, value: float, decimals: int = 1) -> Number:
    return Number(value, value_parts(metric, value, decimals)[0])


def _count(number: float) -> Number:
    return Number(float(number), count(number))


def _kind(metric: Metric) -> ColumnKind:
    kinds: dict[str, ColumnKind] = {"rate": "share", "count": "count"}
    return kinds.get(metric.kind, "amount")


def _metric_column(metric: Metric, decimals: int = 1, weight: float = 1.0) -> TableColumn:
    kind = _kind(metric)
    return TableColumn(metric.name, kind, metric.unit, decimals, weight)


# --- 总体情况, 常设指标 ---------------------------------------------------------------------------


class Overall(NamedTuple):
    """What 总体情况 tells.

    ``measured``: indicator → value with changes; ``closed``: 办结量 of the days, 0 where it is not
    known; ``word`` and ``than``: 环比 and 较上周 ("" without comparison); ``so_far``: the same
    indicators for the 考核期 up to the end of the period, where that is another stretch of days;
    ``weekly``: indicator → one row per week.
    """

    measured: Mapping[str, Measured]
    source: Source
    closed: int
    overdue: int
    word: str
    than: str
    basis: str
    so_far: tuple[Mapping[str, Measured], Source, str] | None
    weekly: Mapping[str, pd.DataFrame]
    weekly_source: Source


def overall(heading: str, place: Place, told: Overall) -> Section:
    """Return 总体情况: volume, the three rates, what is on time, the 考核期 so far; two charts."""
    name, source = place.name, told.source
    each = told.measured
    first: list[Part] = [
        f"{source.period}，{name}受理诉求", _measure(name, each["volume"], source),
        *_change(name, each["volume"], told.word, told.than, source),
    ]  # fmt: skip
    if told.closed:
        figure = _number(f"{name}办结量", "closed", told.closed, f"{count(told.closed)} 件", source)
        first += ["；同期办结", figure, "（按办结时间）"]
    paragraphs: list[list[Part]] = [[*first, "。"]]
    paragraphs.append(_rates(name, each, told, source))
    on_time = each["on_time"]
    third: list[Part] = ["按时办结率", _measure(name, on_time, source)]
    third += _change(name, on_time, told.word, told.than, source)
    third += [
        "；逾期未办", _number(f"{name}逾期未办", "overdue", told.overdue,
                              f"{count(told.overdue)} 件", source), "。",
    ]  # fmt: skip
    paragraphs.append(third)
    if told.so_far is not None:
        measured, own, label = told.so_far
        parts: list[Part] = [f"{label}累计（{own.period}）：受理"]
        parts.append(_measure(name, measured["volume"], own, "考核期累计"))
        parts += _three(name, measured, own, "考核期累计", "，")
        paragraphs.append([*parts, "。"])
    return _section("overall", heading, paragraphs, _weekly_charts(name, told))


def _three(
    name: str, each: Mapping[str, Measured], source: Source, prefix: str, begin: str
) -> list[Part]:
    """Return the three rates and 综合成绩 with their n."""
    n = each["resolution"].n
    if not n:
        return [f"{begin}无有效回访，三率不可算"]
    parts: list[Part] = [begin]
    for place, key in enumerate(("response", "resolution", "satisfaction", "composite")):
        parts += ["、" if place else "", each[key].metric.name, " "]
        parts.append(_measure(name, each[key], source, prefix))
    figure = _number(f"{prefix}{name}有效回访", "revisits", n, f"{count(n)} 件", source)
    return [*parts, "（有效回访", figure, "）"]


def _rates(name: str, each: Mapping[str, Measured], told: Overall, source: Source) -> list[Part]:
    parts = _three(name, each, source, "", f"按{told.basis}，")
    resolution = each["resolution"]
    change = resolution.changes.get(told.word)
    if resolution.n and told.than and change is not None:
        reasons = {
            each[key].changes[told.word].reason
            for key in TREND
            if each[key].changes[told.word].direction == "withheld"
        }
        if len(reasons) == 1 and change.direction == "withheld":
            return [*parts, f"。{change.reason}，{told.than}不作比较，各率以后还会变动。"]
        parts.append("。")
        for place, key in enumerate(TREND):
            moved = _change(name, each[key], told.word, told.than, source)
            if moved:
                begin = "；" if place else ""
                head = f"{begin}{each[key].metric.name}"
                parts += [
                    head,
                    *[part if part != f"，{told.than}" else told.than for part in moved],
                ]
    return [*parts, "。"]


def _weekly_charts(name: str, told: Overall) -> list[Chart]:
    volume, source = told.weekly["volume"], told.weekly_source
    weeks = tuple(
        week_text(start, end)
        for start, end in zip(volume["week_start"], volume["week_end"], strict=True)
    )
    charts = [
        Chart(
            "overall.volume", f"近{len(weeks)}周诉求量", "columns", weeks,
            (Series("诉求量", tuple(map(float, volume["value"]))),), "件", None,
            f"{name}，按创建时间，周一至周日" + _last_week_words(volume), source.period,
            source.filters,
        )
    ]  # fmt: skip
    lines = tuple(Series(METRICS[key].name, tuple(_ripe(told.weekly[key]))) for key in TREND)
    if any(not math.isnan(value) for line in lines for value in line.values):
        ripe = told.weekly["resolution"]["mature"]
        left = len(ripe) - int(ripe.to_numpy().nonzero()[0].max(initial=-1)) - 1
        note = f"{name}，{told.basis}，按诉求创建周"
        note += f"；最近{left}周尚未成熟，不画" if left else ""
        charts.append(
            Chart(
                "overall.rates", f"近{len(weeks)}周三率", "lines", weeks, lines, PERCENT,
                _axis_of([value for line in lines for value in line.values]), note,
                source.period, source.filters,
            )
        )  # fmt: skip
    return charts


def _last_week_words(weekly: pd.DataFrame) -> str:
    last = weekly.iloc[-1]
    days = (last["week_end"] - last["week_start"]).days + 1
    return f"；最后一周只有{days}天" if days < 7 else ""


def _ripe(weekly: pd.DataFrame) -> list[float]:
    return [
        float(value) if mature else NAN
        for value, mature in zip(weekly["value"], weekly["mature"], strict=True)
    ]


def _axis_of(values: Sequence[float]) -> tuple[float, float]:
    """Return bounds of rates in whole tenths, up to 1."""
    known = [value for value in values if not math.isnan(value)]
    return (math.floor(10 * min(known) - 1e-9) / 10, 1.0) if known else (0.0, 1.0)


def indicators(
    heading: str, place: Place, measured: Sequence[Measured], basis: str, source: Source
) -> Section:
    """Return 常设指标: a table of indicators with n, interval, 环比 and 同比."""
    words = list(dict.fromkeys(name for each in measured for name in each.changes))
    columns = [
        TableColumn("指标", weight=1.1), TableColumn("数值", weight=1.0),
        TableColumn("样本", weight=1.8), TableColumn(INTERVAL_WORDS, weight=1.3),
        *(TableColumn(word, weight=1.7) for word in words),
    ]  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for each in measured:
        metric = each.metric
        unit = f" {metric.unit}" if not math.isnan(each.value) else ""
        rows.append(
            (
                metric.name,
                Number(each.value, value_parts(metric, each.value)[0] + unit),
                NO_VALUE if metric.kind == "count" else f"{count(each.n)} 件{metric.n_words}",
                interval_text(metric, each.low, each.high),
                *(_change_words(metric, each.changes.get(word)) for word in words),
            )
        )
    note = f"{basis}；{INTERVAL_WORDS}之内的差别不作升降；诉求量按日均比较"
    table = Table(
        "indicators", f"{place.name}常设指标", tuple(columns), tuple(rows), None, note,
        source.period, source.filters,
    )  # fmt: skip
    rose = _moved(measured, words[:1], "up")
    fell = _moved(measured, words[:1], "down")
    parts: list[Part] = []
    if words:
        told = [
            f"{'、'.join(names)}{word}" for names, word in ((rose, "上升"), (fell, "下降")) if names
        ]
        parts = [f"{words[0]}：{'，'.join(told)}，其余持平或不作比较。" if told
                 else f"{words[0]}：各项持平或不作比较。"]  # fmt: skip
    return _section("indicators", heading, [parts] if parts else [], tables=[table])


def _moved(measured: Sequence[Measured], words: Sequence[str], direction: str) -> list[str]:
    return [
        each.metric.name
        for each in measured
        for word in words
        if (change := each.changes.get(word)) is not None and change.direction == direction
    ]


def _change_words(metric: Metric, change: Change | None) -> str:
    return NO_VALUE if change is None else change_text(metric, change)


# --- 例外 -----------------------------------------------------------------------------------------


def exceptions(
    heading: str, place: Place, checked: Checked, hrefs: Sequence[str], source: Source
) -> Section:
    """Return the exceptions as the screen lists them: at most five, the others counted.

    ``hrefs``: of each signal the query string that narrows to it.
    """
    items: list[list[Part]] = []
    for signal, filters in list(zip(checked.signals, hrefs, strict=True))[:MOST]:
        own = source._replace(filters=filters)
        items.append([_signal(signal, place.city, own), "。"])
    paragraphs = _listed(items)
    rest = f"其余{count(checked.normal)}项正常。"
    if len(checked.signals) > MOST:
        rest = f"另有{len(checked.signals) - MOST}项例外未列出，{rest}"
    if not items:
        rest = f"没有例外，{count(checked.normal)}项检查均正常。"
    return _section("exceptions", heading, [*paragraphs, [rest]])


def _signal(signal: Signal, city: str, source: Source) -> Figure:
    known = [
        each for each in (signal.value, signal.amount, float(signal.count)) if not math.isnan(each)
    ]
    return Figure(
        f"例外：{signal.place or city}",
        f"signal.{signal.kind}",
        known[0],
        signal_sentence(signal, city),
        signal.n or None,
        source.period,
        source.filters,
    )


# --- 考核排名 -------------------------------------------------------------------------------------


class Ranked(NamedTuple):
    """A ranking as a packet tells it; ``names`` and ``short`` by code.

    ``counted``: 个区; ``word``: 区; ``own``: code and name of the place the packet is about, None
    for the whole; ``why_other``: why the days are others than the packet's ("": they are not).
    """

    ranking: Ranking
    names: Mapping[str, str]
    short: Mapping[str, str]  # for a picture
    counted: str
    word: str
    source: Source
    filters: Mapping[str, str]  # code → the query string of that unit alone
    own: tuple[str, str] | None
    why_other: str


def ranking(heading: str, tables: Sequence[Ranked]) -> Section:
    """Return 考核排名: first and last three with their bands, who differs, a picture, a table."""
    paragraphs: list[list[Part]] = []
    charts, listed = [], []
    for place, each in enumerate(tables, 1):
        metric, rows = each.ranking.metric, each.ranking.ranked
        paragraphs += _ranked_words(each)
        if rows.empty:
            continue
        key = f"ranking.{place}"
        whole = each.ranking
        if len(rows) <= 20:
            charts.append(
                Chart(
                    key, f"{each.word}{metric.name}", "dots",
                    tuple(each.short[str(code)] for code in rows.index),
                    (
                        Series(
                            metric.name,
                            tuple(map(float, rows["value"])),
                            tuple(map(float, rows["low"])),
                            tuple(map(float, rows["high"])),
                        ),
                        Series("合计", (whole.whole,) * len(rows)),
                    ),
                    metric.unit, _dots_axis(rows),
                    f"竖线为{INTERVAL_WORDS}，横线为各{each.word}合计",
                    each.source.period, each.source.filters,
                )
            )  # fmt: skip
        listed.append(_ranked_table(key, each))
    return _section("ranking", heading, paragraphs, charts, listed)


def _dots_axis(rows: pd.DataFrame) -> tuple[float, float]:
    low, high = float(rows["low"].min()), float(rows["high"].max())
    step = 5.0 if high > 2 else 0.05
    return math.floor(low / step) * step, min(math.ceil(high / step) * step, 100.0)


def _rank_figure(each: Ranked, code: str, decimals: int) -> list[Part]:
    metric, row = each.ranking.metric, each.ranking.ranked.loc[code]
    name = each.names[code]
    value = float(row["value"])
    figure = _number(
        f"{name}{metric.name}（排名）", metric.key, value,
        value_text(metric, value, decimals=decimals),
        each.source._replace(filters=each.filters[code]), int(row["n"]),
    )  # fmt: skip
    band = band_text(int(row["band_low"]), int(row["band_high"]))
    return [name, " ", figure, f"（{band}）"]


def _ranked_words(each: Ranked) -> list[list[Part]]:
    ranked = each.ranking
    metric, rows = ranked.metric, ranked.ranked
    if rows.empty:
        reasons = set(ranked.unranked["reason"])
        why_not = "诉求尚未成熟" if "immature" in reasons else "没有够得上最小样本的"
        return [[f"{each.source.period}各{each.word}{why_not}，{metric.name}不排名。"]]
    decimals = joint_decimals(metric, list(rows["value"]))
    paragraphs: list[list[Part]] = []
    head = f"{each.why_other}{each.source.period}，"
    if each.own is not None and each.own[0] in each.names:
        code, name = each.own
        if code in rows.index:
            tier = rows.at[code, "tier"]
            told = f"与其余持平（{LEVEL_WORDS}）" if tier == "level" else f"{TIER_WORDS[tier]}其余"
            own = [head, *_rank_figure(each, code, decimals)]
            paragraphs.append([*own, f"，共{len(rows)}{each.counted}，{told}。"])
            head = ""
        elif code in ranked.unranked.index:
            reason = unranked_words(ranked.unranked.at[code, "reason"], metric)
            paragraphs.append([f"{head}{name}{reason}，不参与排名。"])
            head = ""
    head += f"{len(rows)}{each.counted}按{metric.name}："
    number = min(FEW, len(rows) // 2)
    if number < FEW:
        parts: list[Part] = [head]
        parts += _joined(_rank_figure(each, str(code), decimals) for code in rows.index)
    else:
        first, last = list(rows.index[:number]), list(rows.index[-number:])[::-1]
        parts = [f"{head}前{_han(number)}为"]
        parts += _joined(_rank_figure(each, str(code), decimals) for code in first)
        parts.append(f"；后{_han(number)}为")
        parts += _joined(_rank_figure(each, str(code), decimals) for code in last)
    paragraphs.append([*parts, "。括号内为名次区间，区间以外的名次数据不支持。"])
    paragraphs.append([ranking_sentence(ranked, each.names, each.counted)])
    return paragraphs


def _han(number: int) -> str:
    return "零一二三四五六七八九十"[number]


def _joined(items: Iterable[Sequence[Part]]) -> list[Part]:
    parts: list[Part] = []
    for item in items:
        parts += ["、" if parts else "", *item]
    return parts


# More rows than a page holds go to the table 三率统计表.
MOST_RANKED = 20


def _ranked_table(key: str, each: Ranked) -> Table:
    metric, rows = each.ranking.metric, each.ranking.ranked
    decimals = joint_decimals(metric, list(rows["value"]))
    records = list(zip(rows.index, rows.to_dict("records"), strict=True))
    note = f"按“明显高于、持平、明显低于”排列；{metric.n_words}不足最小样本的不参与"
    if len(records) > MOST_RANKED:
        half = MOST_RANKED // 4
        records = [*records[:half], *records[-half:]]
        note += f"；只列首尾各{half}个，共{len(rows)}{each.counted}"
    table_rows = [
        (
            str(int(row["position"])), each.names[str(code)],
            _value(metric, float(row["value"]), decimals),
            band_text(int(row["band_low"]), int(row["band_high"])),
            TIER_WORDS[row["tier"]],
            interval_text(metric, float(row["low"]), float(row["high"])),
            _count(row["n"]),
        )
        for code, row in records
    ]  # fmt: skip
    columns = (
        TableColumn("序号", weight=0.6), TableColumn(each.word, weight=1.6),
        _metric_column(metric, decimals), TableColumn("名次区间", weight=1.2),
        TableColumn("与其余相比", weight=1.1), TableColumn(INTERVAL_WORDS, weight=1.3),
        TableColumn(metric.n_words, "count", "件"),
    )  # fmt: skip
    return Table(
        key, f"{each.word}{metric.name}排名", columns, tuple(table_rows), None, note,
        each.source.period, each.source.filters,
    )  # fmt: skip


# --- 诉求热点 -------------------------------------------------------------------------------------


class Hotspot(NamedTuple):
    """A category: its cases, and their change against the period compared with."""

    code: str
    name: str
    cases: int
    change: Change | None


def hotspots(
    heading: str, place: Place, found: Sequence[Hotspot], whole: int, than: str, source: Source
) -> Section:
    """Return 诉求热点: the five largest categories with their share, in text, chart and table."""
    if not whole:
        return _section("hotspots", heading, [["本期没有诉求。"]])
    volume = METRICS["volume"]
    top = sorted(found, key=lambda each: -each.cases)[:TOP]
    parts: list[Part] = [f"{place.name}诉求最集中的{_han(len(top))}类为"]
    if len(found) == 1:
        parts = [f"{place.name}诉求都属"]
    for number, each in enumerate(top):
        cases = _number(
            f"{place.name}{each.name}诉求量", "cases", each.cases, f"{count(each.cases)} 件", source
        )
        part = _number(
            f"{place.name}{each.name}占比", "cases.share", each.cases / whole,
            share(each.cases / whole), source, whole,
        )  # fmt: skip
        parts += ["、" if number else "", each.name, " ", cases, "（", part, "）"]
    together = sum(each.cases for each in top)
    if len(found) > 1:
        parts += [
        "，合计占", _number(f"{place.name}前{len(top)}类占比", "cases.share", together / whole,
                            share(together / whole), source, whole),
    ]  # fmt: skip
    paragraphs = [[*parts, "。"]]
    if than:
        rose = [each for each in top if each.change and each.change.direction == "up"]
        fell = [each for each in top if each.change and each.change.direction == "down"]
        moved: list[Part] = []
        for each in [*rose, *fell]:
            assert each.change is not None
            text = change_text(volume, each.change)
            label = f"{place.name}{each.name}变化"
            figure = _number(label, "volume.change", each.change.amount, text, source)
            moved += ["、" if moved else f"{than}：", each.name, figure]
        paragraphs.append(
            [*moved, "，其余持平。"] if moved else [f"{than}，各类持平（正常波动）。"]
        )
    columns = [
        TableColumn("序号", weight=0.5), TableColumn("类型", weight=2.2),
        TableColumn("数量", "count", "件"), TableColumn("占比", "share"),
        *([TableColumn(than, weight=1.8)] if than else []),
    ]  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (
            str(number), each.name, _count(each.cases),
            Number(each.cases / whole, share(each.cases / whole)),
            *([_change_words(volume, each.change)] if than else []),
        )
        for number, each in enumerate(top, 1)
    ]  # fmt: skip
    rest = whole - together
    blank: tuple[Cell, ...] = ("",) if than else ()
    rows.append(("", "其他", _count(rest), Number(rest / whole, share(rest / whole)), *blank))
    total = ("", "汇总", _count(whole), Number(1.0, share(1.0)), *blank)
    columns[2] = TableColumn("数量", "count", "件", summed=True)
    table = Table(
        "hotspots", f"诉求热点（前{_han(len(top))}）", tuple(columns), tuple(rows), total,
        "按诉求分类，占比为占全部受理；升降按日均", source.period, source.filters,
    )  # fmt: skip
    chart = Chart(
        "hotspots", f"诉求最集中的{_han(len(top))}类", "bars",
        tuple(each.name for each in top),
        (Series("诉求量", tuple(float(each.cases) for each in top)),), "件", None,
        place.name, source.period, source.filters,
    )  # fmt: skip
    return _section("hotspots", heading, paragraphs, [chart], [table])


# --- 每月一题 -------------------------------------------------------------------------------------


class Lists(NamedTuple):
    """抓零 and 抓大户 of the target with the largest stock, and which of them are told."""

    result: Targeting
    rules: Rules
    own: tuple[str, ...]  # codes of the districts the packet is about; empty: all
    source: Source


def topics(
    heading: str, year: int, found: Sequence[Topic], as_of: dt.date, lists: Lists | None,
    source: Source,
) -> Section:  # fmt: skip
    """Return 每月一题进展: how many stand how, the most urgent in words, all of them in a table."""
    if not found:
        return _section("topics", heading, [[f"{year}年没有所选的每月一题。"]])
    statuses = Counter(each.status for each in found)
    parts: list[Part] = [f"{year}年每月一题"]
    parts.append(
        _number("每月一题题数", "topics", len(found), f"{len(found)}题", source, len(found))
    )
    parts.append(f"（进度截至{day(as_of)}，为全市累计）：")
    for place, status in enumerate(sorted(statuses, key=ATTENTION.__getitem__)):
        number, word = statuses[status], STATUS_WORDS[status]
        parts += ["、" if place else "", word]
        parts.append(
            _number(
                f"每月一题{word}", f"topics.{status}", number, f"{number}题", source, len(found)
            )
        )
    paragraphs: list[list[Part]] = [[*parts, "。"]]
    urgent = [each for each in found if each.status not in GOOD and each.standing is not None]
    if len(found) == 1:
        urgent = [each for each in found if each.standing is not None]
    told = [_topic_words(each, source) for each in urgent[:MOST_URGENT]]
    if told:
        if len(urgent) > MOST_URGENT:
            paragraphs.append([f"最需要关注的{_han(MOST_URGENT)}题："])
        paragraphs += _listed(told) if len(told) > 1 else told
    rising = [each for each in found if each.status in GOOD and each.volume.rising]
    if rising:
        names = "、".join(each.name for each in rising)
        paragraphs.append([f"进度达到序时而诉求量高于预期的{len(rising)}题：{names}。"])
    tables = [_topics_table(found, as_of, source)]
    if lists is not None:
        said, table = _lists_words(lists)
        paragraphs += said
        tables += table
    return _section("topics", heading, paragraphs, _topics_chart(found, source), tables)


def _topic_words(each: Topic, source: Source) -> list[Part]:
    assert each.standing is not None
    now = each.standing
    text = progress_sentence(now)
    ahead = outlook_sentence(now, each.forecast) if each.forecast is not None else ""
    figure = _number(f"{each.name}完成率", "completion", now.completion, text, source)
    tail = f"；{ahead}" if ahead else ""
    return [f"{each.name}（{each.leads}，{STATUS_WORDS[each.status]}）：", figure, f"{tail}。"]


def _topics_table(found: Sequence[Topic], as_of: dt.date, source: Source) -> Table:
    columns = (
        TableColumn("题目", weight=1.7), TableColumn("主责单位", weight=2.0),
        TableColumn("完成 / 目标", weight=2.0), TableColumn("完成率", "text", weight=0.9),
        TableColumn("与序时", weight=1.3), TableColumn("状态", weight=0.9),
        TableColumn("按期完成", weight=0.8),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        now, ahead = each.standing, each.forecast
        if now is None:
            words = (NO_VALUE,) * 3
            rows.append((each.name, each.leads, *words, STATUS_WORDS[each.status], NO_VALUE))
            continue
        goal = "" if math.isnan(now.target.value) else f" / {amount_of(now, now.target.value)}"
        rows.append(
            (
                each.name, each.leads, f"{amount_of(now, now.actual)}{goal}",
                Number(now.completion, completion_text(now)) if now.target.cumulative
                else completion_text(now),
                gap_text(now), STATUS_WORDS[each.status],
                CHANCE_WORDS[ahead.chance] if ahead is not None else NO_VALUE,
            )
        )  # fmt: skip
    note = f"全市累计，进度截至{day(as_of)}；一题有几个目标的，列最需要关注的一个"
    return Table(
        "topics", f"每月一题进展（{len(found)}题）", columns, tuple(rows), None, note,
        f"进度截至{day(as_of)}", source.filters,
    )  # fmt: skip


def _topics_chart(found: Sequence[Topic], source: Source) -> list[Chart]:
    told = [
        (each, each.standing)
        for each in found
        if each.standing is not None and not math.isnan(each.standing.gap)
    ]
    if not told:
        return []
    told = sorted(told, key=lambda pair: pair[1].gap)[:MOST_IN_CHART]
    some = f"，与序时相比最慢的{len(told)}题" if len(told) < len(found) else ""
    return [
        Chart(
            "topics", f"完成率与序时{some}", "bars", tuple(each.name for each, _ in told),
            (
                Series("完成率", tuple(now.completion for _, now in told)),
                Series("序时", tuple(now.scheduled for _, now in told)),
            ),
            PERCENT, None, "全市累计；序时为进度日期应完成的比例", source.period, source.filters,
        )
    ]  # fmt: skip


def _lists_words(lists: Lists) -> tuple[list[list[Part]], list[Table]]:
    result, target = lists.result, lists.result.target
    listed = [each for each in result.holdings if each.zero or each.large]
    if lists.own:
        listed = [each for each in listed if each.holder.code in lists.own]
    head = answer(result, target, "个区")
    source = lists.source
    figure = _number(
        f"{target.name}剩余", "remaining", result.remaining,
        amount(result.remaining, target.unit, result.remaining), source,
    )  # fmt: skip
    held = result.large_share_held
    parts: list[Part] = [f"{head}。剩余", figure]
    if result.large:
        parts += [
            f"，其中抓大户{len(result.large)}个区占",
            _number(f"{target.name}抓大户占比", "remaining.share", held, share(held), source),
        ]
    paragraphs: list[list[Part]] = [[*parts, "。"]]
    if not listed:
        return paragraphs, []
    rows = tuple(
        (
            each.holder.name,
            KIND_WORDS[kind_of(each)],
            Number(each.remaining, left_words(each, target)),
            Number(each.share, share(each.share)),
            Number(each.completion, share(each.completion)),
            f"{max(each.zero_weeks_on, each.large_weeks_on)}周",
            why(each, lists.rules, target),
        )
        for each in listed
    )
    columns = (
        TableColumn("区", weight=0.9), TableColumn("名单", weight=0.8),
        TableColumn("剩余", "amount", target.unit, 0, 0.9), TableColumn("占剩余", "share"),
        TableColumn("完成率", "share"), TableColumn("连续", weight=0.7),
        TableColumn("列入原因", weight=3.4),
    )  # fmt: skip
    table = Table(
        "topics.lists", f"{target.name}：抓零、抓大户", columns, rows, None,
        f"定向指导抓零，重点帮扶抓大户；进度截至{day(result.as_of)}", source.period, source.filters,
    )  # fmt: skip
    return paragraphs, [table]


# --- 重点督办 -------------------------------------------------------------------------------------


class Stock(NamedTuple):
    """How many cases of a kind are open, and what the kind is: 挂账 and its meaning."""

    name: str
    meaning: str
    cases: int
    source: Source


class Group(NamedTuple):
    """A group complaint (群诉)."""

    street: str
    community: str
    category: str
    month: str
    cases: int
    open: int


class Old(NamedTuple):
    """A case that has been open for long."""

    case_id: str
    created: str
    days: int
    place: str
    category: str
    unit: str
    status: str


def supervision(
    heading: str, place: Place, stocks: Sequence[Stock], groups: Sequence[Group],
    groups_source: Source, old: Sequence[Old], old_source: Source, cutoff: str,
) -> Section:  # fmt: skip
    """Return 重点督办: 挂账, 久拖不决, 逾期, 重复, 群诉 with the largest and the oldest of them."""
    parts: list[Part] = [f"{cutoff}，{place.name}"]
    for number, each in enumerate(stocks):
        figure = _number(
            f"{place.name}{each.name}", f"stock.{each.name}", each.cases, f"{count(each.cases)} 件",
            each.source,
        )  # fmt: skip
        parts += ["，" if number else "", each.name, figure]
    paragraphs: list[list[Part]] = [[*parts, "。"]]
    paragraphs.append(["；".join(f"{each.name}指{each.meaning}" for each in stocks) + "。"])
    tables = []
    if groups:
        largest = groups[0]
        figure = _number(
            f"{place.name}群诉", "groups", len(groups), f"{len(groups)}起", groups_source
        )
        cases = _number(
            f"{place.name}群诉最大一起", "groups.largest", largest.cases,
            f"{count(largest.cases)} 件", groups_source,
        )  # fmt: skip
        where = f"{largest.street}{largest.community}"
        paragraphs.append(
            ["本期群诉", figure, f"，最大一起为{where}{largest.category}", cases,
             f"（未办结{count(largest.open)}件）。"]
        )  # fmt: skip
        tables.append(
            Table(
                "supervision.groups", f"群诉（前{min(len(groups), TOP)}起，共{len(groups)}起）",
                (
                    TableColumn("街道乡镇", weight=1.4), TableColumn("社区", weight=1.5),
                    TableColumn("类型", weight=1.6), TableColumn("月份"),
                    TableColumn("件数", "count", "件"), TableColumn("未办结", "count", "件"),
                ),
                tuple(
                    (each.street, each.community, each.category, each.month,
                     _count(each.cases), _count(each.open))
                    for each in groups[:TOP]
                ),
                None, "同一社区、同一分类、同一自然月", groups_source.period, groups_source.filters,
            )
        )  # fmt: skip
    else:
        paragraphs.append(["本期没有达到件数的群诉。"])
    if old:
        tables.append(
            Table(
                "supervision.old", f"受理最久仍未办结的{len(old)}件",
                (
                    TableColumn("工单号", weight=2.1), TableColumn("受理日期", weight=1.5),
                    TableColumn("天数", "count", weight=0.7), TableColumn("地点", weight=1.9),
                    TableColumn("类型", weight=1.4), TableColumn("承办单位", weight=1.9),
                    TableColumn("状态", weight=0.9),
                ),
                tuple(
                    (each.case_id, each.created, _count(each.days), each.place or NO_VALUE,
                     each.category or NO_VALUE, each.unit or NO_VALUE, each.status)
                    for each in old
                ),
                None, f"{cutoff}；不含诉求人信息", old_source.period, old_source.filters,
            )
        )  # fmt: skip
    return _section("supervision", heading, paragraphs, tables=tables)


# --- 后三街镇 -------------------------------------------------------------------------------------


class Course(NamedTuple):
    """A street period by period, oldest first: rank (None: not ranked), band, value."""

    name: str
    ranks: tuple[int | None, ...]
    bands: tuple[str, ...]
    values: tuple[float, ...]
    below: bool
    n: int
    filters: str  # of this street alone


def streets(
    heading: str, metric: Metric, courses: Sequence[Course], periods: Sequence[str],
    sizes: Sequence[int], source: Source, why_other: str,
) -> Section:  # fmt: skip
    """Return 后三街镇排名走势: ranks of the last three over the last periods."""
    if not courses:
        return _section(
            "streets", heading, [[f"{source.period}参与排名的街道乡镇不足两个，没有后三。"]]
        )
    names = "、".join(each.name for each in courses)
    below = [each.name for each in courses if each.below]
    told = (
        f"都{TIER_WORDS['below']}其余" if len(below) == len(courses)
        else f"其中{'、'.join(below)}{TIER_WORDS['below']}其余" if below
        else f"但与其余相比{LEVEL_WORDS}，名次不代表高低"
    )  # fmt: skip
    paragraphs: list[list[Part]] = [
        [
            f"{why_other}{source.period}，{names}列{metric.name}后{_han(len(courses))}，{told}。"
            "后三取差得确凿的，按区间而不按数值，样本小的不因波动垫底。"
        ]
    ]
    for each in courses:
        rank = each.ranks[-1]
        figure = _number(
            f"{each.name}名次", "rank", NAN if rank is None else rank,
            f"第{rank}名（{each.bands[-1]}）", source, sizes[-1],
        )  # fmt: skip
        value = _number(
            f"{each.name}{metric.name}（排名）", metric.key, each.values[-1],
            value_text(metric, each.values[-1]), source._replace(filters=each.filters), each.n,
        )  # fmt: skip
        earlier = zip(periods[:-1], each.ranks[:-1], strict=True)
        before = [f"{period}第{old}名" for period, old in earlier if old is not None][-2:]
        tail = f"，此前{'、'.join(before)}" if before else ""
        paragraphs.append([f"{each.name}：{metric.name} ", value, "，", figure, f"{tail}。"])
    chart = Chart(
        "streets", f"后{_han(len(courses))}街道乡镇名次", "ranks",
        tuple(period.removesuffix("考核期") for period in periods),
        tuple(
            Series(each.name, tuple(NAN if rank is None else float(rank) for rank in each.ranks))
            for each in courses
        ),
        "名", (1.0, float(max(sizes))), "按数值的名次，上端为第1名", source.period, source.filters,
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            period, _count(size),
            *(
                f"第{each.ranks[place]}（{each.bands[place]}）" if each.ranks[place] is not None
                else "不参与"
                for each in courses
            ),
        )
        for place, (period, size) in enumerate(zip(periods, sizes, strict=True))
    )  # fmt: skip
    table = Table(
        "streets", "名次与名次区间",
        (
            TableColumn("时段", weight=1.4), TableColumn("参与排名", "count", "个"),
            *(TableColumn(each.name, weight=1.5) for each in courses),
        ),
        rows, None, "括号内为名次区间，区间以外的名次数据不支持", source.period, source.filters,
    )  # fmt: skip
    return _section("streets", heading, paragraphs, [chart], [table])


# --- Meeting --------------------------------------------------------------------------------------


class Due(NamedTuple):
    """A task (任务清单) that was due: its topic, its unit, its day, when it was done."""

    topic: str
    name: str
    unit: str
    due_on: dt.date
    done_on: dt.date | None


class Promise(NamedTuple):
    """A commitment (承诺) of the ledger: who, what, until when, what became of it and why."""

    by: str
    words: str
    goal: str
    due_on: dt.date
    standing: Kept
    reading: str


def promises(
    heading: str, before: Source, promised: Sequence[Promise], due: Sequence[Due], tally: Tasks,
    as_of: dt.date,
) -> Section:  # fmt: skip
    """Return what was promised: commitments that were due or are not settled, tasks that were due.

    ``promised`` in the order of attention; ``due``: tasks of the programme due in the period
    before.
    """
    kept, table = _promised(promised, before)
    tasks, left = _tasks(before, due, tally, as_of)
    return _section("promises", heading, [kept, tasks], tables=[*table, *left])


def _promised(promised: Sequence[Promise], before: Source) -> tuple[list[Part], list[Table]]:
    if not promised:
        return ["承诺台账没有到期或未了的承诺。"], []
    tally = Counter(each.standing for each in promised)
    parts: list[Part] = ["承诺台账到期或未了的承诺"]
    parts.append(
        _number("到期承诺", "promises", len(promised), f"{len(promised)}条", before, len(promised))
    )
    for place, standing in enumerate(sorted(tally, key=PROMISE_ATTENTION.__getitem__)):
        word, number = STANDING_WORDS[standing], tally[standing]
        parts += ["，" if place else "：", word]
        parts.append(
            _number(f"承诺{word}", f"promises.{standing}", number, f"{number}条", before,
                    len(promised))
        )  # fmt: skip
    table = Table(
        "promises.kept", f"承诺（{len(promised)}条）",
        (
            TableColumn("承诺人", weight=1.3), TableColumn("承诺", weight=2.8),
            TableColumn("目标", weight=1.5), TableColumn("期限", weight=1.2),
            TableColumn("结果", weight=1.0), TableColumn("依据", weight=1.9),
        ),
        tuple(
            (each.by, each.words, each.goal or NO_VALUE, day(each.due_on),
             STANDING_WORDS[each.standing], each.reading or NO_VALUE)
            for each in promised
        ),
        None, "承诺台账，按指标判定的不能人工改", "", before.filters,
    )  # fmt: skip
    return [*parts, "。"], [table]


def _tasks(
    before: Source, due: Sequence[Due], tally: Tasks, as_of: dt.date
) -> tuple[list[Part], list[Table]]:
    if not due:
        return [f"任务清单在上一时段（{before.period}）没有到期的任务。"], []
    parts: list[Part] = [f"任务清单在上一时段（{before.period}）到期"]
    late = sum(1 for each in due if each.done_on and each.due_on < each.done_on <= as_of)
    for number, (word, value) in enumerate(
        (
            ("", tally.due),
            ("按时完成", tally.on_time),
            ("超期完成", late),
            ("未完成", tally.overdue),
        )
    ):
        label = f"上期到期任务{word}"
        parts += ["，" if number else "", word]
        parts.append(_number(label, f"tasks.{number}", value, f"{value}项", before, tally.due))
    left = [each for each in due if each.done_on is None or each.done_on > as_of]
    tables = []
    if left:
        tables.append(
            Table(
                "promises", f"到期未完成的任务（{len(left)}项）",
                (
                    TableColumn("题目", weight=1.4), TableColumn("任务", weight=2.6),
                    TableColumn("责任单位", weight=2.0), TableColumn("应完成", weight=1.3),
                    TableColumn("超期天数", "count", weight=0.9),
                ),
                tuple(
                    (each.topic, each.name, each.unit or "无责任单位", day(each.due_on),
                     _count((as_of - each.due_on).days))
                    for each in left
                ),
                None, "一方案三清单，全市", before.period, before.filters,
            )
        )  # fmt: skip
    return [*parts, f"（截至{day(as_of)}）。"], tables


def news(
    heading: str, place: Place, categories: Sequence[Hotspot], rising: Sequence[Topic],
    newly: Sequence[tuple[Holding, Targeting]], groups: Sequence[Group], than: str,
    source: Source, groups_source: Source,
) -> Section:  # fmt: skip
    """Return 新情况: what was not there before: surges, topics that rise, new on 抓零, groups."""
    volume = METRICS["volume"]
    items: list[list[Part]] = []
    for each in categories:
        if each.change is None or each.change.direction != "up":
            continue
        figure = _number(
            f"{place.name}{each.name}变化", "volume.change", each.change.amount,
            change_text(volume, each.change), source,
        )  # fmt: skip
        cases = _number(
            f"{place.name}{each.name}诉求量", "cases", each.cases, f"{count(each.cases)} 件", source
        )
        items.append([f"{each.name}诉求{than}", figure, "，共", cases, "。"])
    for topic in rising:
        text = f"{count(topic.volume.cases)} 件，比预期多{share(topic.volume.change)}"
        figure = _number(
            f"{topic.name}近期诉求", "volume.expected", topic.volume.cases, text, source
        )
        items.append([f"{topic.name}：近{topic.volume.weeks}周诉求", figure, "。"])
    for holding, result in newly:
        items.append([f"{holding.holder.name}新列入{result.target.name}抓零名单，"
                      f"剩余{left_words(holding, result.target)}。"])  # fmt: skip
    for group in groups[:FEW]:
        figure = _number(
            f"{group.street}{group.community}{group.category}{group.month}", "groups.cases",
            group.cases, f"{count(group.cases)} 件", groups_source,
        )  # fmt: skip
        items.append([f"{group.street}{group.community}{group.category}群诉", figure, "。"])
    paragraphs = (
        _listed(items) if items else [["各类诉求、各题、各区均在正常波动之内，没有新情况。"]]
    )
    return _section("news", heading, paragraphs)


def follow_ups(
    heading: str, place: Place, signals: Sequence[Signal], leads: Mapping[str, str],
    lists: Lists | None,
) -> Section:  # fmt: skip
    """Return 建议追问: what to ask whom, from the exceptions and from the two lists.

    ``leads``: code of a topic → who answers for it.
    """
    items: list[list[Part]] = []
    for signal in signals[:MOST]:
        asked = _question(signal)
        if asked:
            who = signal.place or place.city
            if signal.kind.startswith("topic_"):
                who = f"{leads.get(signal.code, '')}（{who}）"
            items.append([f"问{who}：{asked}？"])
    if lists is not None:
        together: dict[str, list[str]] = {}
        for each in lists.result.holdings:
            wanted = not lists.own or each.holder.code in lists.own
            if wanted and (each.zero or each.large):
                together.setdefault(questions(each), []).append(each.holder.name)
        target = lists.result.target.name
        items += [[f"问{'、'.join(who)}（{target}）：{asked}"] for asked, who in together.items()]
    paragraphs = _listed(items) if items else [["没有例外，不建议追问。"]]
    return _section("questions", heading, paragraphs)


def _question(signal: Signal) -> str:
    return {
        "rate_fall": "下降出在哪几个街道、哪几类诉求，下周先改哪一件",
        "overdue": "逾期的是哪几家承办单位，何时清零",
        "shrinking": "有效回访为何减少，未接通的是否补访",
        "excluding": "新增剔除的依据是什么，谁批准",
        "topic_rising": "进度达标而诉求上升，群众不满意的是什么",
        "topic_overdue": "为何到期未完成，新的完成日期是哪天",
        "topic_behind": "差在哪个环节，要市里解决什么",
        "topic_unanswered": "谁牵头、目标多少、何时报进度",
        "promise_broken": "承诺为何没有兑现，新的日期是哪天",
        "promise_due": "承诺已到期，结果如何",
        "stale": "数据为何没有更新",
        "gap": "没有诉求的几天是否漏报",
        "unplaced": "未定位的诉求何时补全地点",
    }.get(signal.kind, "")


def decisions(
    heading: str, found: Sequence[Topic], lists: Lists | None, groups: Sequence[Group],
    source: Source,
) -> Section:  # fmt: skip
    """Return 需领导决定的事项: what no unit can settle by itself, each by its rule."""
    items: list[list[Part]] = []
    for each in found:
        if each.status == "no_lead":
            items.append([f"{each.name}没有主责单位：明确由谁牵头。"])
        elif each.status == "no_target":
            items.append([f"{each.name}没有目标：确定目标和完成日期。"])
        elif each.status == "overdue":
            items.append([f"{each.name}（{each.leads}）到期未完成：提级督办，或另定日期。"])
    hard = [
        (each, each.standing)
        for each in found
        if each.status == "behind" and each.forecast and each.forecast.chance == "hard"
        and each.standing is not None
    ]  # fmt: skip
    if hard:
        parts: list[Part] = [
            f"慢于序时且预测难以按期完成的{len(hard)}题，是否增派力量、调整政策或目标："
        ]
        for place, (each, standing) in enumerate(hard):
            figure = _number(
                f"{each.name}与序时之差", "gap", standing.gap, gap_text(standing), source
            )
            parts += ["、" if place else "", f"{each.name}（{each.leads}，", figure, "）"]
        items.append([*parts, "。"])
    if lists is not None:
        both = [
            each for each in lists.result.both if not lists.own or each.holder.code in lists.own
        ]
        if both:
            names = "、".join(each.holder.name for each in both)
            items.append([f"{names}双抓（{lists.result.target.name}）：市级部门是否驻点。"])
    if groups:
        where = "、".join(f"{each.street}{each.community}{each.category}" for each in groups[:FEW])
        items.append([f"群诉{where}：是否挂牌督办。"])
    paragraphs = _listed(items) if items else [["按规则没有需领导决定的事项。"]]
    return _section("decisions", heading, paragraphs)


# --- 三率统计表 -----------------------------------------------------------------------------------


class RateLine(NamedTuple):
    """A row of the statutory table: counts by column, value by rate, why it has no number."""

    number: str
    name: str
    counts: Mapping[str, int]
    values: Mapping[str, float]


def rates(
    key: SectionKey, heading: str, word: str, lines: Sequence[RateLine], whole: RateLine,
    rules: Rules, source: Source, note: str,
) -> Section:  # fmt: skip
    """Return 三率统计表: 序号, 单位, counts, rates, with 汇总 last."""
    counted = rate_columns(rules)
    columns = (
        TableColumn("序号", weight=0.7), TableColumn("单位", weight=1.9),
        *(TableColumn(title, "count", "件", summed=True) for _, title in counted),
        *(_metric_column(METRICS[each], 2) for each in RATES),
    )  # fmt: skip

    def row(each: RateLine) -> tuple[Cell, ...]:
        return (
            each.number, each.name,
            *(_count(each.counts[name]) for name, _ in counted),
            *(_value(METRICS[name], each.values[name], 2) for name in RATES),
        )  # fmt: skip

    table = Table(
        key, f"{word}“三率”统计表", columns, tuple(row(each) for each in lines), row(whole),
        note, source.period, source.filters,
    )  # fmt: skip
    return _section(key, heading, [], tables=[table])
