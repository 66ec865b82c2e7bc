"""The parts of a district's or a street's page: what it says in words, its tables."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd
from dash import html
from dash.development.base_component import Component

from components.cards import change_tone
from components.figures.waterfall import Step, hundredths, signed
from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    axis_text,
    change_text,
    count,
    day,
    interval_text,
    moment,
    points,
    share,
    value_parts,
    value_text,
)
from components.progress import amount_of, completion_text, gap_text, late_text, status_mark
from components.sparkline import interval_bar, sparkline
from components.tables import (
    Apart,
    Column,
    Content,
    Row,
    data_table,
    link_cell,
    value_cell,
)
from components.tile_map import standing_mark
from domain.comparison import Weeks
from domain.decomposition import OTHER
from domain.integrity import Reading
from domain.metrics import METRICS, Change, Metric
from domain.ranking import LEVEL_WORDS, RankChange, Tier, Unranked, unranked_words
from domain.schedule import STATUS_WORDS, Standing

# Rows shown around the marked one in a long order, and at either end.
_AROUND, _ENDS = 4, 3


# --- Words ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rank:
    """Where a unit stands among others: its band, or why it has none.

    ``of``: how many are ranked; ``among``: what they are, as in 个区.
    """

    low: int
    high: int
    of: int
    among: str
    tier: Tier | None = None
    unranked: Unranked | None = None

    def words(self, metric: Metric) -> str:
        """Return the band: "第5–9名（17个区）"; why there is none; "" without anyone else."""
        if self.unranked:
            return f"{unranked_words(self.unranked, metric)}，不参与排名"
        if self.of < 2:
            return ""
        if (self.low, self.high) == (1, self.of):
            return f"在{self.of}{self.among}中分不出名次"
        return f"{band_text(self.low, self.high)}（{self.of}{self.among}）"


def band_text(low: int, high: int) -> str:
    """Return a rank band: "第3–7名", "第1名"."""
    return f"第{low}名" if low == high else f"第{low}–{high}名"


def gap_size(metric: Metric, gap: float) -> str:
    """Return the size of a difference of two values: "0.8分", "0.7个百分点"."""
    if metric.kind == "rate":
        return points(100 * gap)
    return f"{value_parts(metric, abs(gap))[0]}{metric.unit}"


def place_answer(
    name: str, metric: Metric, value: float, rank: Rank, gap: float, city: str, cause: str
) -> str:
    """Return the title of a place: value, rank band, difference from the city and its main cause.

    Args:
        name: the place.
        metric: the indicator it is ranked by.
        value: NaN: it has none.
        rank: its place among its like.
        gap: its value − the city's.
        city: what the whole is called.
        cause: the largest part of the gap, "" where none is told.
    """
    if math.isnan(value):
        return f"{name}{unranked_words('none', metric)}，{metric.name}不可算"
    parts = [f"{name}{metric.name} {value_text(metric, value)}", rank.words(metric)]
    if rank.tier in ("above", "below"):
        parts.append(f"{'高' if gap > 0 else '低'}于{city}{gap_size(metric, gap)}")
        parts.append(f"主要因{cause}" if cause else "")
    elif rank.tier == "level" and rank.of > 1:
        size = f"{'高' if gap > 0 else '低'}于{city}{gap_size(metric, gap)}" if gap else ""
        parts.append(f"{size}（{LEVEL_WORDS}）" if size else f"与{city}相同")
    return "，".join(part for part in parts if part)


# --- Why ------------------------------------------------------------------------------------------

MIX_WORDS, PERFORMANCE_WORDS = "诉求构成", "办理效果"
# Codes of what is several categories together: too small here, or too small a part.
SMALL = "small"
REST = frozenset({SMALL, OTHER})


def part_label(part: Mapping[Hashable, Any], names: Mapping[str, str]) -> str:
    """Return what a part of a gap is called: indicator and category."""
    return f"{METRICS[str(part['component'])].name} · {names[str(part['code'])]}"


def part_words(part: Mapping[Hashable, Any], names: Mapping[str, str]) -> str:
    """Return a part in a sentence: "解决率（供暖）", "解决率（供暖的占比）" where mix is more."""
    component, code = METRICS[str(part["component"])].name, str(part["code"])
    if code in REST:
        return component
    of_mix = abs(part["mix"]) > abs(part["performance"])
    return f"{component}（{names[code]}{'的占比' if of_mix else ''}）"


def main_cause(parts: pd.DataFrame, gap: float, names: Mapping[str, str]) -> str:
    """Return what most of a gap comes from: "解决率（供暖最多）", "诉求构成（供暖最多）".

    What the cases are about, where that is more than how they are dealt with; else the rate with
    the largest part. A category is the largest within it, seldom most of it. "" without a gap.

    Args:
        parts: as ``domain.decomposition.decomposed`` gives them.
        gap: their sum; only parts in its direction count.
        names: code of a category → its name.
    """
    if parts.empty or not gap:
        return ""
    way = math.copysign(1.0, gap)
    if way * parts["mix"].sum() > way * parts["performance"].sum():
        word, by_code = MIX_WORDS, way * parts.groupby("code")["mix"].sum()
    else:
        component = (way * parts.groupby("component")["total"].sum()).idxmax()
        own = parts[(parts["component"] == component).to_numpy()]
        word, by_code = METRICS[str(component)].name, way * own.groupby("code")["total"].sum()
    by_code = by_code[[code not in REST for code in by_code.index]]
    if by_code.empty or by_code.max() <= 0:
        return word
    return f"{word}（{names[str(by_code.idxmax())]}最多）"


class Shown(NamedTuple):
    """A gap and its parts in hundredths of the unit shown, which add up as they stand."""

    mix: list[int]
    performance: list[int]

    @property
    def totals(self) -> list[int]:
        """Mix and performance of each part together."""
        return [sum(pair) for pair in zip(self.mix, self.performance, strict=True)]

    @property
    def gap(self) -> int:
        """The whole gap."""
        return sum(self.totals)


def printed_gap(metric: Metric, value: float, city: float) -> int:
    """Return the difference of two values as they are printed with two decimals, in hundredths."""
    own, whole = (
        round(100 * float(value_parts(metric, each, 2)[0].lstrip("<"))) for each in (value, city)
    )
    return own - whole


def shown_parts(parts: pd.DataFrame, metric: Metric, gap: int | None = None) -> Shown:
    """Return the parts as they are printed: points of a score, percentage points of a rate.

    ``gap``: what they have to add up to, in hundredths; None: their own sum, rounded.
    """
    scale = 100.0 if metric.kind == "rate" else 1.0
    cells = hundredths([*(scale * parts["mix"]), *(scale * parts["performance"])], gap)
    return Shown(cells[: len(parts)], cells[len(parts) :])


def unit_of_gap(metric: Metric) -> str:
    """Return the unit of a difference of two values."""
    return "个百分点" if metric.kind == "rate" else metric.unit


def waterfall_steps(
    parts: pd.DataFrame, shown: Shown, metric: Metric, names: Mapping[str, str]
) -> list[Step]:
    """Return one step per part, largest first, in the unit of the indicator."""
    unit = unit_of_gap(metric)
    return [
        Step(
            part_label(part, names),
            float(part["total"]),
            signed(total),
            f"{PERFORMANCE_WORDS} {signed(performance)}，{MIX_WORDS} {signed(mix)}（{unit}）",
            rest=part["code"] in REST,
        )
        for part, total, mix, performance in zip(
            parts.to_dict("records"), shown.totals, shown.mix, shown.performance, strict=True
        )
    ]


def why_sentence(
    name: str,
    city: str,
    parts: pd.DataFrame,
    shown: Shown,
    metric: Metric,
    names: Mapping[str, str],
    rank: Rank,
) -> str:
    """Return the gap with its two or three largest parts either way, and mix against performance.

    Args:
        name: the place.
        city: what the whole is called.
        parts: as ``domain.decomposition.folded`` gives them.
        shown: the same as printed.
        metric: the indicator.
        names: code of a category → its name.
        rank: whether the gap is beyond chance.
    """
    unit, gap = unit_of_gap(metric), shown.gap
    size = f"{abs(gap) / 100:.2f}{unit}"
    told = f"与{city}相同" if gap == 0 else f"{'高' if gap > 0 else '低'}于{city}{size}"
    sentences = [f"{name}{metric.name}{told}{_by_component(parts, shown)}"]
    records = list(zip(parts.to_dict("records"), shown.totals, strict=True))
    ways = [("拉低", -1, 3), ("拉高", 1, 2)] if gap <= 0 else [("拉高", 1, 3), ("拉低", -1, 2)]
    for word, sign, most in ways:
        own = [
            f"{part_words(part, names)}{signed(total)}"
            for part, total in records
            if part["code"] not in REST and sign * total > 0
        ][:most]
        if own:
            sentences.append(f"{word}最多的是{'、'.join(own)}")
    performance, mix = signed(sum(shown.performance)), signed(sum(shown.mix))
    sentences.append(f"其中{PERFORMANCE_WORDS}{performance}，{MIX_WORDS}{mix}（{unit}）")
    if rank.tier == "level":
        sentences.append(f"总差{LEVEL_WORDS}，各部分只作参考")
    return "；".join(sentences) + "。"


def _by_component(parts: pd.DataFrame, shown: Shown) -> str:
    """Return what each rate adds to the gap, as printed; "" when there is but one."""
    sums: dict[str, int] = {}
    for component, total in zip(parts["component"], shown.totals, strict=True):
        sums[component] = sums.get(component, 0) + total
    if len(sums) < 2:
        return ""
    told = "、".join(f"{METRICS[key].name}{signed(total)}" for key, total in sums.items())
    return f"：{told}"


def why_table(
    start: str,
    city_value: float,
    end: str,
    value: float,
    parts: pd.DataFrame,
    shown: Shown,
    metric: Metric,
    names: Mapping[str, str],
    hrefs: Mapping[str, str],
) -> html.Div:
    """Return the parts of a gap as a table whose printed cells add up to the printed gap.

    Args:
        start: what the whole is called.
        city_value: its value.
        end: the place.
        value: its value.
        parts: as ``domain.decomposition.folded`` gives them.
        shown: the same as printed.
        metric: the indicator.
        names: code of a category → its name.
        hrefs: code of a category → where it is looked into.
    """
    unit = unit_of_gap(metric)
    columns = [
        Column("part", "部分"),
        Column("n", "有效回访" if metric.key == "composite" else metric.n_words, "end", "件"),
        Column("value", end, "end"),
        Column("city", start, "end", phone=False),
        Column("performance", PERFORMANCE_WORDS, "end", unit),
        Column("mix", MIX_WORDS, "end", unit),
        Column("total", "合计", "end", unit),
    ]
    rows = []
    for place, part in enumerate(parts.to_dict("records")):
        label, code = part_label(part, names), str(part["code"])
        cells: dict[str, Content] = {
            "part": link_cell(label, hrefs[code]) if code in hrefs else label,
            "performance": signed(shown.performance[place]),
            "mix": signed(shown.mix[place]),
            "total": signed(shown.totals[place]),
        }
        if code != OTHER:
            component = METRICS[str(part["component"])]
            cells |= {
                "n": count(part["n"]),
                "value": value_text(component, part["value"]),
                "city": value_text(component, part["city_value"]),
            }
        rows.append(Row(cells))
    whole = Row(
        {
            "part": f"{metric.name}之差",
            "value": value_text(metric, value, decimals=2),
            "city": value_text(metric, city_value, decimals=2),
            "performance": signed(sum(shown.performance)),
            "mix": signed(sum(shown.mix)),
            "total": signed(shown.gap),
        }
    )
    caption = f"{end}与{start}{metric.name}之差的各部分"
    return data_table(columns, rows, caption, total=whole, caption_hidden=True)


# --- Ranked units ---------------------------------------------------------------------------------


def tier_mark(metric: Metric, tier: Tier | None) -> html.Span:
    """Return shape and word of a tier."""
    return standing_mark(metric, tier or "neutral")


def change_cell(metric: Metric, change: Change | None) -> Content:
    """Return a change as a cell, coloured where it is good or bad beyond noise."""
    if change is None:
        return None
    if change.direction == "withheld":
        return html.Span(NO_VALUE, title=change.reason)
    tone = change_tone(metric, change)
    return html.Span(
        change_text(metric, change), className=f"change is-{tone}" if tone else "change"
    )


def rank_change_text(change: RankChange | None) -> str:
    """Return how a rank moved: "上升3位", "持平", "—"."""
    if change is None or change.direction == "withheld":
        return NO_VALUE
    if change.direction == "flat":
        return "持平"
    return f"{'上升' if change.places > 0 else '下降'}{abs(change.places)}位"


def band_cell(low: int, high: int, rank: int) -> Content:
    """Return a rank band with the rank by the value alone in small print."""
    parts: list[Any] = [band_text(low, high)]
    if low < high:
        parts.append(html.Small(f"按数值第{rank}"))
    return html.Span(parts, className="place-band")


class Unit(NamedTuple):
    """A ranked or unranked unit as a row: its value with interval, and what else is known of it.

    ``band``: lowest, highest rank and rank by value; None: not ranked. ``values``: value and n of
    further indicators by key. ``weekly``: course of the indicator; None: not shown. ``shrunk``:
    how its denominator shrank, in words.
    """

    code: str
    name: str
    href: str
    value: float
    n: float
    low: float
    high: float
    band: tuple[int, int, int] | None
    tier: Tier | None
    cases: float
    change: Change | None = None
    moved: RankChange | None = None
    values: Mapping[str, tuple[float, float]] = {}
    weekly: Weeks | None = None
    own: bool = False
    shrunk: str = ""


class Look(NamedTuple):
    """How an indicator is printed in every row: decimals, the value of the whole, the axis."""

    metric: Metric
    decimals: int
    whole: float
    axis: tuple[float, float]


# Beside the indicator that ranks.
BESIDE = ("response", "resolution", "satisfaction", "on_time")


def unit_columns(
    look: Look, word: str, compare: str, weeks: int, whole_word: str = "汇总"
) -> list[Column]:
    """Return the columns of ranked units; ``weeks`` 0 and ``compare`` "" leave those out."""
    metric = look.metric
    beside = [key for key in BESIDE if key != metric.key] if weeks else []
    return [
        Column("name", word),
        Column("band", "名次区间"),
        Column("tier", "与其余相比"),
        Column("value", metric.name, "end", metric.unit),
        Column(
            "interval", INTERVAL_WORDS, "center",
            f"{axis_text(metric, look.axis)}，虚线为{whole_word}", phone=False,
        ),
        Column("n", metric.n_words, "end", "件"),
        *(
            [Column("change", f"{metric.name}{compare}"), Column("moved", f"名次{compare}")]
            if compare
            else []
        ),
        *(
            [
                Column("volume", "诉求量", "end", "件"),
                *(Column(key, METRICS[key].name, "end", METRICS[key].unit) for key in beside),
                Column("spark", f"近{weeks}周", "center", phone=False),
            ]
            if weeks
            else []
        ),
    ]  # fmt: skip


def unit_row(unit: Unit, look: Look) -> Row:
    """Return a unit as a row; the place the page is about is marked."""
    metric = look.metric
    cells: dict[str, Content] = {
        "name": link_cell(unit.name, unit.href) if unit.href and not unit.own else unit.name,
        "band": band_cell(*unit.band) if unit.band else NO_VALUE,
        "tier": tier_mark(metric, unit.tier) if unit.band else None,
        "value": value_parts(metric, unit.value, look.decimals)[0],
        "interval": interval_bar(metric, unit.value, unit.low, unit.high, look.whole, look.axis),
        "n": count(unit.n),
        "change": change_cell(metric, unit.change),
        "moved": html.Span(rank_change_text(unit.moved), className="change") if unit.band else None,
        "volume": count(unit.cases),
    }
    for key, (value, _) in unit.values.items():
        cells[key] = value_parts(METRICS[key], value)[0]
    if unit.weekly is not None:
        cells["spark"] = sparkline(unit.weekly, metric)
    return Row(cells, marked=unit.own)


def excerpt(units: Sequence[Unit]) -> list[Unit | int]:
    """Return the first, the last and those around the own one; a number says how many lie between.

    A hundred rows prove nothing that a dozen do not; the whole order is on another page.
    """
    own = next((place for place, unit in enumerate(units) if unit.own), None)
    kept = {*range(_ENDS), *range(len(units) - _ENDS, len(units))}
    if own is not None:
        kept |= set(range(own - _AROUND, own + _AROUND + 1))
    result: list[Unit | int] = []
    last = -1
    for place in sorted(kept & set(range(len(units)))):
        # A gap of one is no shorter than the row.
        if place - last == 2:
            result.append(units[place - 1])
        elif place - last > 2:
            result.append(place - last - 1)
        result.append(units[place])
        last = place
    return result


def peers_table(units: Sequence[Unit], look: Look, word: str, whole: str, caption: str) -> html.Div:
    """Return some of the units around the own one, as dots with intervals."""
    rows = [
        Row({"name": f"……其间{count(each)}个"}) if isinstance(each, int) else unit_row(each, look)
        for each in excerpt(units)
    ]
    return data_table(unit_columns(look, word, "", 0, whole), rows, caption, caption_hidden=True)


def units_table(
    ranked: Sequence[Unit],
    unranked: Mapping[str, Sequence[Unit]],
    look: Look,
    word: str,
    compare: str,
    weeks: int,
    caption: str,
    whole: Unit,
    outside: Sequence[Unit] = (),
) -> html.Div:
    """Return the units in their order, those without a rank apart, and the whole.

    Args:
        ranked: in the order to show.
        unranked: reason in words → units.
        look: how the indicator is printed.
        word: what a unit is.
        compare: 环比, 同比 or "".
        weeks: of the sparkline.
        caption: of the table.
        whole: all together.
        outside: cases that belong to no unit.
    """
    apart = [Apart(reason, [unit_row(unit, look) for unit in own])
             for reason, own in unranked.items()]  # fmt: skip
    apart.append(
        Apart(f"地点不在{word}名录，只计入汇总", [unit_row(unit, look) for unit in outside])
    )
    return data_table(
        unit_columns(look, word, compare, weeks),
        [unit_row(unit, look) for unit in ranked],
        caption,
        total=unit_row(whole, look),
        apart=apart,
        caption_hidden=True,
        tall=len(ranked) > 20,
    )


# --- Topics ---------------------------------------------------------------------------------------


class TopicLine(NamedTuple):
    """A target of a topic at a place, and the topic's complaints there.

    ``standing``: against the district's own goal; None: no target is told here. ``counted``:
    value and n of 解决率, cases and their change; None: told with another target of the topic.
    """

    name: str
    href: str
    standing: Standing | None
    unsplit: bool
    late: bool
    cases: float | None
    change: Change | None
    resolution: tuple[float, float]
    city: float


def topics_table(
    lines: Sequence[TopicLine],
    compare: str,
    with_targets: bool,
    as_of: dt.date,
    least: int,
    city: str,
    caption: str,
) -> html.Div:
    """Return the topics at a place: own goal, done, gap to the timetable; complaints, 解决率."""
    resolution = METRICS["resolution"]
    rows = []
    for line in lines:
        cells: dict[str, Content] = {"name": link_cell(line.name, line.href)}
        now = line.standing
        if now is not None:
            cells |= _target_cells(now, line.unsplit, as_of)
        elif with_targets:
            cells["target"] = f"{NO_VALUE}（本区没有进度）"
        if line.cases is not None:
            cells |= {
                "cases": count(line.cases),
                "change": change_cell(METRICS["volume"], line.change),
                "resolution": sampled_cell(resolution, *line.resolution, least),
                "city": value_parts(resolution, line.city)[0],
            }
        rows.append(Row(cells, marked=False))
    columns = [
        Column("name", "题目"),
        *(
            [
                Column("status", "状态"),
                Column("target", "目标"),
                Column("goal", "本区任务", "end", phone=False),
                Column("done", "本区累计", "end"),
                Column("completion", "完成率", "end"),
                Column("gap", "与序时"),
            ]
            if with_targets
            else []
        ),
        Column("cases", "诉求量", "end", "件"),
        *([Column("change", f"诉求量{compare}")] if compare else []),
        Column("resolution", "解决率", "end", "n 有效回访"),
        Column("city", f"{city}解决率", "end", resolution.unit, phone=False),
    ]
    return data_table(columns, rows, caption, caption_hidden=True, tall=len(rows) > 16)


def _target_cells(now: Standing, unsplit: bool, as_of: dt.date) -> dict[str, Content]:
    cells: dict[str, Content] = {
        "target": now.target.name,
        "done": amount_of(now, now.actual) if now.on_date else NO_VALUE,
    }
    if unsplit:
        return cells | {"goal": "未分到区"}
    late = late_text(now, as_of).removeprefix(STATUS_WORDS[now.status])
    return cells | {
        "status": [status_mark(now.status), *([html.Small(late)] if late else [])],
        "goal": amount_of(now, now.target.value),
        "completion": completion_text(now) if now.target.scheduled else NO_VALUE,
        "gap": gap_text(now) if now.target.scheduled else NO_VALUE,
    }


# --- Categories -----------------------------------------------------------------------------------


class CategoryLine(NamedTuple):
    """A category or tag at a place beside the city; ``against``: 解决率 with the rest of it."""

    name: str
    href: str
    cases: float
    part: float
    city_part: float
    change: Change | None
    resolution: tuple[float, float]
    city: float
    against: Change | None


def categories_table(
    lines: Sequence[CategoryLine],
    total: CategoryLine,
    outside: Sequence[CategoryLine],
    word: str,
    compare: str,
    caption: str,
    reason: str,
    least: int,
    city: str,
) -> html.Div:
    """Return categories by volume: share beside the city's, change, 解决率 beside the city's.

    Args:
        lines: the categories, most cases first.
        total: all together.
        outside: cases of no known category or tag.
        word: what a line is.
        compare: 环比, 同比 or "".
        caption: of the table.
        reason: why some are told apart.
        least: answers below which no rate is told.
        city: what the whole is called.
    """
    columns = [
        Column("name", word),
        Column("cases", "诉求量", "end", "件"),
        Column("part", "占比", "end"),
        Column("city_part", f"{city}占比", "end", phone=False),
        *([Column("change", f"诉求量{compare}", phone=False)] if compare else []),
        Column("resolution", "解决率", "end", "n 有效回访"),
        Column("city", city, "end", METRICS["resolution"].unit, phone=False),
        Column("against", "与其余相比"),
    ]
    return data_table(
        columns,
        [Row(_category_cells(line, least)) for line in lines],
        caption,
        total=Row(_category_cells(total, least)),
        apart=[Apart(reason, [Row(_category_cells(line, least)) for line in outside])],
        caption_hidden=True,
        tall=len(lines) > 20,
    )


def _category_cells(line: CategoryLine, least: int) -> dict[str, Content]:
    metric = METRICS["resolution"]
    return {
        "name": link_cell(line.name, line.href) if line.href else line.name,
        "cases": count(line.cases),
        "part": share(line.part),
        "city_part": share(line.city_part),
        "change": change_cell(METRICS["volume"], line.change),
        "resolution": sampled_cell(metric, *line.resolution, least),
        "city": value_parts(metric, line.city)[0],
        "against": against_mark(metric, line.against),
    }


def against_mark(metric: Metric, against: Change | None) -> Content:
    """Return shape and word of a difference from all others; the reason where there is none."""
    if against is None:
        return None
    if against.direction == "withheld":
        if "未成熟" in against.reason:
            return standing_mark(metric, "immature")
        return standing_mark(metric, "insufficient" if "不足" in against.reason else "neutral")
    words: dict[str, Literal["above", "below", "level"]] = {
        "up": "above",
        "down": "below",
        "flat": "level",
    }
    return standing_mark(metric, words[against.direction])


# --- Points ---------------------------------------------------------------------------------------


class Point(NamedTuple):
    """A community with most cases; ``resolution``: value and n."""

    community: str
    street: str
    href: str
    cases: float
    part: float
    change: Change | None
    resolution: tuple[float, float]


def points_table(
    lines: Sequence[Point], compare: str, with_street: bool, least: int, caption: str
) -> html.Div:
    """Return communities by number of cases."""
    metric = METRICS["resolution"]
    columns = [
        Column("community", "社区（村）"),
        *([Column("street", "街道乡镇")] if with_street else []),
        Column("cases", "诉求量", "end", "件"),
        Column("part", "占比", "end", phone=False),
        *([Column("change", f"诉求量{compare}")] if compare else []),
        Column("resolution", "解决率", "end", "n 有效回访"),
    ]
    rows = [
        Row(
            {
                "community": line.community,
                "street": link_cell(line.street, line.href) if line.href else "未定位",
                "cases": count(line.cases),
                "part": share(line.part),
                "change": change_cell(METRICS["volume"], line.change),
                "resolution": sampled_cell(metric, *line.resolution, least),
            }
        )
        for line in lines
    ]
    return data_table(columns, rows, caption, empty="诉求没有写明社区", caption_hidden=True)


def sampled_cell(metric: Metric, value: float, n: float, least: int) -> Content:
    """Return a value with its n; 样本不足 where there are too few answers to tell one."""
    if 0 < n < least:
        return ["样本不足", html.Small(f"n {count(n)}")]
    return value_cell(metric, value, n)


def open_cases_table(rows: pd.DataFrame, cutoff: dt.datetime, caption: str) -> html.Div:
    """Return the cases that have been open for longest.

    Args:
        rows: as ``data_access.places.oldest_open_cases`` gives them.
        cutoff: data cut-off, from which ages are counted.
        caption: of the table.
    """
    columns = [
        Column("id", "工单"),
        Column("created", "创建", phone=False),
        Column("age", "已过", "end", "天"),
        Column("due", "办理期限"),
        Column("place", "地点", phone=False),
        Column("category", "分类", phone=False),
        Column("summary", "摘要"),
    ]
    lines = []
    for row in rows.to_dict("records"):
        summary: Content = f"{NO_VALUE}（无摘要）"
        if row["summary"]:
            summary = html.Span(row["summary"], className="clip", title=row["summary"])
        place = "".join(part for part in (row["street"], row["community"]) if part)
        lines.append(
            Row(
                {
                    "id": row["case_id"],
                    "created": day(row["created_at"]),
                    "age": count((cutoff - row["created_at"]).days),
                    "due": due_cell(row["due_at"], row["shelved_until"], cutoff),
                    "place": place or "未定位",
                    "category": row["category"] or "未归类",
                    "summary": summary,
                }
            )
        )
    return data_table(columns, lines, caption, empty="没有未办结的诉求", caption_hidden=True)


def due_cell(due: Any, shelved_until: Any, cutoff: dt.datetime) -> Content:
    """Return where an open case stands against its limit: 挂账 first, then for how long overdue."""
    if shelved_until is not None and not pd.isna(shelved_until) and shelved_until >= cutoff.date():
        return f"挂账至{day(shelved_until)}"
    if due is None or pd.isna(due):
        return f"{NO_VALUE}（未给期限）"
    if due < cutoff:
        days = (cutoff - due).days
        return html.Span(f"◆ 逾期{count(days) if days else '不足1'}天", className="standing is-bad")
    return f"至{day(due)}"


# --- Integrity ------------------------------------------------------------------------------------


class Beside(NamedTuple):
    """One figure of the integrity panel at the place, its like and the city, as printed."""

    name: str
    definition: str
    own: Content
    change: Content
    fellows: str
    city: str
    against: Content


def integrity_line(
    own: Reading,
    fellows: Reading | None,
    city: Reading,
    against: Change | None,
    *,
    jump: bool = False,
) -> Beside:
    """Return a share of the integrity panel as a line; a jump is said in a word."""
    metric = own.metric
    changed: list[Any] = [change_cell(metric, own.change)]
    if jump:
        changed.append(html.Span(" ※ 异常", className="flag"))
    return Beside(
        metric.name,
        f"{metric.numerator} ÷ {metric.denominator}",
        [
            value_text(metric, own.value),
            html.Small(f"n {count(own.n)}"),
            html.Small(interval_text(metric, own.low, own.high)),
        ],
        changed,
        value_text(metric, fellows.value) if fellows else NO_VALUE,
        value_text(metric, city.value),
        against_mark(metric, against),
    )


def integrity_table(
    lines: Sequence[Beside], place: str, fellows: str, city: str, compare: str, caption: str
) -> html.Div:
    """Return the shares that a denominator hangs on, beside those of others."""
    columns = [
        Column("name", "指标"),
        Column("own", place, "end", f"n、{INTERVAL_WORDS}"),
        *([Column("change", compare)] if compare else []),
        Column("fellows", fellows, "end", phone=False),
        Column("city", city, "end"),
        Column("against", "与其余相比", phone=False),
    ]
    rows = [
        Row(
            {
                "name": [line.name, html.Small(line.definition)],
                "own": line.own,
                "change": line.change,
                "fellows": line.fellows,
                "city": line.city,
                "against": line.against,
            }
        )
        for line in lines
    ]
    return data_table(columns, rows, caption, caption_hidden=True)


def open_note(cutoff: dt.datetime) -> str:
    """Return what the list of open cases covers."""
    return f"不限时段，截至{moment(cutoff)}，不含来电人信息"


def facts_list(facts: Sequence[Content]) -> html.Ul:
    """Return short facts side by side."""
    items: list[Component] = [html.Li(fact) for fact in facts if fact]
    return html.Ul(items, className="place-facts")
