"""Ranks as a table with a picture in every row, the course of ranks, the lists, the trial."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from dash import html
from dash.development.base_component import Component

from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    axis_text,
    axis_ticks,
    count,
    interval_text,
    points,
    value_parts,
    value_text,
)
from components.place import (
    Look,
    Unit,
    band_text,
    change_cell,
    rank_change_text,
    tier_mark,
)
from components.plain import Html
from components.sparkline import sparkline, svg_image
from components.tables import Apart, Column, Content, Row, data_table, link_cell
from components.tile_map import standing_tone
from domain.metrics import METRICS, Change, Metric
from domain.ranking import (
    LEVEL_WORDS,
    TIER_WORDS,
    Listed,
    ListName,
    RankChange,
    Ranking,
    Tier,
    unranked_words,
)
from domain.rules import Rules

_INK, _PALE, _RULE = "#42505f", "#8d98a5", "#d3d9e0"
_GOOD, _BAD = "#0a5c56", "#93400a"
_PAD = 5.0


def trial_mark() -> html.Strong:
    """Return the mark of figures under weights that are only tried out."""
    return html.Strong("试算", className="trial-mark")


# --- Words ----------------------------------------------------------------------------------------


# Behind the name of who is praised although fewer cases may be what made the rate better.
SHRUNK_MARK = "※"


def shrunk_mark(words: str) -> html.Span:
    """Return the mark of who made the denominator smaller; ``words`` say how."""
    told = f"分母异常收缩：{words}"
    return html.Span(SHRUNK_MARK, className="flag", title=told, role="img", **{"aria-label": told})


def _no_ranking(period: str, counted: str, ranked: Ranking) -> str:
    """Return why there is nothing to rank; "" where there is."""
    metric, rows = ranked.metric, ranked.ranked
    if rows.empty:
        reasons = set(ranked.unranked["reason"])
        if "immature" in reasons:
            return f"{period}诉求尚未成熟，{metric.name}暂不排名"
        return f"{period}没有{counted.removeprefix('个')}够得上最小样本，{metric.name}不排名"
    if len(rows) == 1:
        return f"{period}只有1{counted}参与排名，没有可比的"
    return ""


def own_answer(
    period: str, counted: str, ranked: Ranking, names: Mapping[str, str], city: str
) -> str:
    """Return the title for a reader who sees some of the units: where these stand among all.

    Args:
        period: its name.
        counted: what a unit is after a number, as in 个区.
        ranked: the ranking of all.
        names: code → name of the units that may be told of.
        city: what all of them belong to.
    """
    nothing = _no_ranking(period, counted, ranked)
    if nothing:
        return nothing
    told = own_sentence(ranked, names, counted, city)
    return f"{period}{ranked.metric.name}：{told.removesuffix('。')}"


def own_sentence(ranked: Ranking, names: Mapping[str, str], counted: str, city: str) -> str:
    """Return where some units stand among all, of whom nothing else is told.

    A single unit with its value and band, several by their number on either side.
    """
    metric, rows = ranked.metric, ranked.ranked
    own, apart = (
        frame.loc[[code for code in frame.index if str(code) in names]]
        for frame in (rows, ranked.unranked)
    )
    among = f"{city}{len(rows)}{counted}"
    if len(own) + len(apart) == 1:
        if own.empty:
            (code,) = apart.index
            words = unranked_words(apart.at[code, "reason"], metric)
            return f"{names[str(code)]}{words}，不参与排名。"
        (code,) = own.index
        row = own.iloc[0]
        parts = [
            f"{names[str(code)]}{value_text(metric, float(row['value']))}",
            f"在{among}中{band_text(int(row['band_low']), int(row['band_high']))}",
            f"{TIER_WORDS[row['tier']]}{'' if row['tier'] == 'level' else '其余'}"
            if row["tier"]
            else "",
        ]
        return "，".join(part for part in parts if part) + "。"
    tiers = own["tier"].tolist()
    parts = [
        f"{tiers.count(tier)}个{TIER_WORDS[tier]}{'' if tier == 'level' else '其余'}"
        for tier in ("above", "level", "below")
        if tiers.count(tier)
    ]
    told = f"{len(own)}{counted}在{among}中"
    told += f"，{'、'.join(parts)}" if parts else "排名"
    if len(apart):
        told += f"；{len(apart)}个不参与排名"
    return told + "。"


def ranking_answer(
    period: str,
    counted: str,
    ranked: Ranking,
    names: Mapping[str, str],
    shrunk: Container[str] = frozenset(),
    within: str = "",
) -> str:
    """Return the title of the page: how many differ from the rest, and who is listed first.

    The order is one of evidence: who stands first in it is called 首位 only with the best value.

    Args:
        period: its name.
        counted: what a unit is after a number, as in 个区.
        ranked: the ranking, or several together.
        names: code → name.
        shrunk: codes of those whose denominator shrank: never first without a word on it.
        within: of several rankings together, what each is within: nobody is the first of all.
    """
    metric, rows = ranked.metric, ranked.ranked
    nothing = _no_ranking(period, counted, ranked)
    if nothing:
        return nothing
    tiers = rows["tier"].tolist()
    number = {tier: tiers.count(tier) for tier in TIER_WORDS}
    # Not the largest value: of many units that is a small one, by chance.
    named = not within and ("above" in tiers or metric.kind == "count")
    first, code = rows.iloc[0], str(rows.index[0])
    called = f"{names[code]}{SHRUNK_MARK if code in shrunk else ''}" if named else ""
    best = named and int(first["rank"]) == 1
    parts = [
        f"{number[tier]}个{TIER_WORDS[tier]}" + ("其余" if tier == "above" else "")
        for tier in ("above", "below")
        if number[tier]
    ]
    if named and not best:
        alone = number["above"] == 1
        parts[0] = f"仅{called}{parts[0]}" if alone else f"{called}等{parts[0]}"
    if not parts:
        told = f"彼此持平（{LEVEL_WORDS}）"
    else:
        told = "，".join(parts) + (f"，{number['level']}个持平" if number["level"] else "")
    # Dates of one's own end in a digit, and a number follows.
    pause = "，" if period[-1:].isdigit() else ""
    answer = f"{period}{pause}{len(rows)}{counted}{metric.name}：{within and f'{within}，'}{told}"
    if best:
        band = band_text(int(first["band_low"]), int(first["band_high"]))
        answer += f"；{called}列首位，{value_text(metric, float(first['value']))}（{band}）"
    if named and code in shrunk:
        whose = "其" if best else names[code]
        answer += f"，但{whose}分母异常收缩（{SHRUNK_MARK}），须先核查"
    return answer


def ranking_sentence(
    ranked: Ranking,
    names: Mapping[str, str],
    counted: str,
    shrunk: Container[str] = frozenset(),
) -> str:
    """Return who is clearly above and below the rest, and how many are level or not ranked."""
    rows = ranked.ranked
    parts = []
    for tier in ("above", "below"):
        own = [
            f"{names[str(code)]}{SHRUNK_MARK if tier == 'above' and str(code) in shrunk else ''}"
            for code in rows.index[(rows["tier"] == tier).to_numpy()]
        ]
        if tier == "below":
            own.reverse()
        if own:
            listed = "、".join(own[:4]) + ("等" if len(own) > 4 else "")
            parts.append(f"{listed}{len(own)}{counted}{TIER_WORDS[tier]}其余")
    level = int((rows["tier"] == "level").sum())
    if len(rows) == 1:
        parts.append(f"只有{names[str(rows.index[0])]}参与排名，没有可比的")
    elif level:
        parts.append(
            f"{level}个持平（{LEVEL_WORDS}，名次不代表高低）" if parts
            else f"{level}{counted}彼此持平（{LEVEL_WORDS}），名次不代表高低"
        )  # fmt: skip
    if len(ranked.unranked):
        parts.append(f"{len(ranked.unranked)}个不参与排名")
    return "；".join(parts) + "。"


# --- The picture in a row -------------------------------------------------------------------------


def rank_picture(
    metric: Metric,
    value: float,
    bounds: tuple[float, float],
    tier: Tier | None,
    whole: float,
    axis: tuple[float, float],
    width: int = 300,
    height: int = 18,
) -> Html:
    """Return a value with its interval on the axis of the table, the whole as a dashed line.

    The shape is that of the tier: ▲ above, ● level, ▼ below; level ones stay grey. NaN draws the
    axis alone.

    Args:
        metric: the indicator.
        value: the estimate.
        bounds: of its interval.
        tier: None for who is not ranked: a ring.
        whole: value of all together; NaN draws no line.
        axis: bounds of the axis, the same in every row.
        width: in pixels.
        height: in pixels.
    """
    left, right = axis

    def x(point: float) -> float:
        part = (min(max(point, left), right) - left) / (right - left)
        return _PAD + part * (width - 2 * _PAD)

    middle = height / 2
    parts = [
        f'<path d="M{x(tick):.1f} 0V{height}" stroke="{_RULE}"/>'
        for tick in axis_ticks(metric, axis)[0]
    ]
    if not math.isnan(whole):
        parts.append(
            f'<path d="M{x(whole):.1f} 0V{height}" stroke="{_INK}" stroke-width="1.3" '
            'stroke-dasharray="3 2"/>'
        )
    if math.isnan(value):
        return svg_image(parts, width, height, f"{metric.name}：无数据", "spark rank-picture")
    colour = _INK
    if tier is not None:
        colour = {"good": _GOOD, "bad": _BAD, "": _INK}[standing_tone(metric, tier)]
    low, high = bounds
    if not (math.isnan(low) or math.isnan(high)):
        parts.append(
            f'<path d="M{x(low):.1f} {middle:g}H{x(high):.1f}" stroke="{colour}" '
            f'stroke-width="{1.8 if tier else 1.2}"/>'
        )
    parts.append(_shape(x(value), middle, tier, colour))
    alt = f"{metric.name}{value_text(metric, value)}，区间{interval_text(metric, low, high)}"
    if not math.isnan(whole):
        alt += f"，汇总{value_text(metric, whole)}"
    return svg_image(parts, width, height, alt, "spark rank-picture")


def _shape(x: float, y: float, tier: Tier | None, colour: str) -> str:
    if tier is None:
        return (
            f'<circle cx="{x:.1f}" cy="{y:g}" r="3" fill="#ffffff" stroke="{_PALE}" '
            'stroke-width="1.4"/>'
        )
    if tier == "level":
        return f'<circle cx="{x:.1f}" cy="{y:g}" r="3.3" fill="{colour}"/>'
    # The point of ▲ up, of ▼ down.
    up = -1 if tier == "above" else 1
    return f'<path d="M{x:.1f} {y + up * 5:g}l4.8 {-up * 8.5:g}h-9.6Z" fill="{colour}"/>'


# --- Table ----------------------------------------------------------------------------------------


class Line(NamedTuple):
    """A unit of the table; ``changes``: name of a comparison → change of the indicator."""

    unit: Unit
    changes: Mapping[str, Change]


def rank_columns(
    look: Look, word: str, compared: Sequence[str], moved: str, weeks: int
) -> list[Column]:
    """Return the columns of a ranking.

    Args:
        look: how the indicator is printed.
        word: what a unit is.
        compared: names of the comparisons shown.
        moved: what the change of rank compares with; "" leaves it out.
        weeks: of the sparkline.
    """
    metric = look.metric
    return [
        Column("name", word),
        Column("rank", "名次", "end", "按数值", phone=False),
        Column("band", "名次区间"),
        Column("tier", "与其余相比"),
        Column("value", metric.name, "end", metric.unit),
        Column(
            "picture", INTERVAL_WORDS, "center",
            f"{axis_text(metric, look.axis)}，虚线为汇总", phone=False,
        ),
        Column("n", metric.n_words, "end", "件"),
        *(Column(name, name, phone=False) for name in compared),
        *([Column("moved", "名次变化", note=moved, phone=False)] if moved else []),
        Column("spark", f"近{weeks}周", "center", phone=False),
    ]  # fmt: skip


def rank_row(line: Line, look: Look) -> Row:
    """Return a unit as a row; who has no rank has none."""
    unit, metric = line.unit, look.metric
    cells: dict[str, Content] = {
        "name": name_cell(unit.name, unit.href, unit.shrunk),
        "value": value_parts(metric, unit.value, look.decimals)[0],
        "picture": rank_picture(
            metric, unit.value, (unit.low, unit.high), unit.tier, look.whole, look.axis
        ),
        "n": count(unit.n),
        **{name: change_cell(metric, change) for name, change in line.changes.items()},
    }
    if unit.band:
        low, high, rank = unit.band
        cells |= {
            "rank": str(rank),
            "band": band_text(low, high),
            "tier": tier_mark(metric, unit.tier),
            "moved": _moved_cell(unit.moved),
        }
    if unit.weekly is not None:
        cells["spark"] = sparkline(unit.weekly, metric)
    return Row(cells, marked=unit.own)


def name_cell(name: str, href: str, shrunk: str = "") -> Content:
    """Return the name of a unit as a link, with the mark of who made the denominator smaller."""
    named: Content = link_cell(name, href) if href else name
    return [named, shrunk_mark(shrunk)] if shrunk else named


def _moved_cell(moved: RankChange | None) -> Content:
    if moved is None:
        return None
    text = rank_change_text(moved)
    if moved.direction == "withheld":
        return html.Span(text, title=moved.reason)
    if moved.direction == "flat":
        return html.Span(text, className="rank-flat", title="名次变动在波动之内")
    tone = "good" if moved.direction == "up" else "bad"
    return html.Span(text, className=f"change is-{tone}")


def rank_table(
    ranked: Sequence[Line],
    apart: Mapping[str, Sequence[Line]],
    whole: Line,
    look: Look,
    columns: Sequence[Column],
    caption: str,
) -> html.Div:
    """Return the units in their order, those without a rank apart by reason, and 汇总."""
    return data_table(
        columns,
        [rank_row(line, look) for line in ranked],
        caption,
        total=rank_row(whole, look),
        apart=[
            Apart(reason, [rank_row(line, look) for line in lines])
            for reason, lines in apart.items()
        ],
        caption_hidden=True,
        empty="没有参与排名的",
    )


# --- Course of ranks ------------------------------------------------------------------------------


class Course(NamedTuple):
    """The rank of a unit period by period, oldest first: rank, first and last of the band, n.

    None where it had no rank. ``last_for``: how many periods in a row it was among the last; 0:
    it is not.
    """

    name: str
    href: str
    points: tuple[tuple[int, int, int] | None, ...]
    values: tuple[float, ...]
    tier: Tier | None
    last_for: int


def course_picture(course: Course, sizes: Sequence[int], periods: Sequence[str]) -> Html:
    """Return ranks as dots with their bands, 1 at the top; ``sizes``: how many were ranked."""
    width, height, most = 300, 96, max([*sizes, 2])
    step = (width - 2 * 14) / max(len(course.points) - 1, 1)

    def y(rank: int) -> float:
        return 8 + (rank - 1) / (most - 1) * (height - 16)

    parts = [f'<path d="M0 {y(1):.1f}H{width}M0 {y(most):.1f}H{width}" stroke="{_RULE}"/>']
    path, told = "", []
    for place, point in enumerate(course.points):
        if point is None:
            told.append(f"{periods[place]}无名次")
            continue
        rank, low, high = point
        x = 14 + step * place
        parts.append(
            f'<rect x="{x - 7:.1f}" y="{y(low) - 3:.1f}" width="14" '
            f'height="{y(high) - y(low) + 6:.1f}" rx="2" fill="{_PALE}" opacity=".38"/>'
        )
        known = place and course.points[place - 1] is not None
        path += f"{'L' if known else 'M'}{x:.1f} {y(rank):.1f}"
        parts.append(f'<circle cx="{x:.1f}" cy="{y(rank):.1f}" r="3.4" fill="{_INK}"/>')
        told.append(f"{periods[place]}第{rank}（{band_text(low, high)}）")
    parts.insert(1, f'<path d="{path}" fill="none" stroke="{_INK}" stroke-width="1.2"/>')
    return svg_image(parts, width, height, f"{course.name}：{'，'.join(told)}", "spark course")


def courses(
    found: Sequence[Course], sizes: Sequence[int], periods: Sequence[str], word: str, metric: Metric
) -> html.Ul:
    """Return one small picture per unit, all on one scale, with what it says beside it."""
    items: list[Component] = []
    for course in found:
        last = course.points[-1]
        band = band_text(last[1], last[2]) if last else "无名次"
        items.append(
            html.Li(
                [
                    html.P(
                        [
                            link_cell(course.name, course.href),
                            html.Span(f"{value_text(metric, course.values[-1])}，{band}"),
                            tier_mark(metric, course.tier),
                            html.Small(_last_words(course.last_for, word)),
                        ],
                        className="course-head",
                    ),
                    html.Div(
                        [
                            html.Span(["1", html.Span(str(max([*sizes, 2])))],
                                      className="course-scale", **{"aria-hidden": "true"}),
                            course_picture(course, sizes, periods),
                        ],
                        className="course-body",
                    ),
                    html.P(
                        [html.Span(periods[0]), html.Span(periods[-1])],
                        className="course-periods", **{"aria-hidden": "true"},
                    ),
                ]
            )
        )  # fmt: skip
    return html.Ul(items, className="courses")


def _last_words(periods: int, word: str) -> str:
    if not periods:
        return ""
    return f"连续{periods}{word}后三" if periods > 1 else "本期新入后三"


# --- The four lists -------------------------------------------------------------------------------


class Member(NamedTuple):
    """A unit on a list: what it is on it for, and for how many periods in a row.

    ``shrunk``: how its denominator shrank, in words; "" where it did not.
    """

    name: str
    href: str
    figure: str
    note: str
    weeks: str
    shrunk: str = ""


def list_rules(rules: Rules) -> dict[ListName, str]:
    """Return who is on each list, in words, with the numbers of the rule set."""
    size = rules.list_size
    return {
        "advanced": f"综合成绩明显高于其余的，按区间下限取前{size}",
        "improved": f"名次上升且超出波动的，升幅最大的{size}个（比上期）",
        "rectify": f"综合成绩明显低于其余的，按区间上限取末{size}",
        "govern": f"诉求量最大的{size}个",
    }


def periods_text(listed: Listed, most: int, word: str) -> str:
    """Return how long a unit has been listed: "连续3期", "至少连续6期" where the history ends."""
    if listed.periods == 1 < most:
        return "新进"
    least = "至少" if listed.periods >= most else ""
    return f"{least}连续{listed.periods}{word}"


def list_panel(title: str, rule: str, members: Sequence[Member]) -> html.Div:
    """Return one list with its rule; an empty one says so."""
    body: Component = html.P("本期没有", className="list-none")
    if members:
        body = html.Ol(
            [
                html.Li(
                    [
                        html.Span(
                            name_cell(each.name, each.href, each.shrunk), className="list-name"
                        ),
                        html.Span([each.figure, html.Small(each.note)], className="list-figure"),
                        html.Small(each.weeks, className="list-weeks"),
                    ]
                )
                for each in members
            ]
        )
    return html.Div(
        [
            html.H3([title, html.Small(f"{len(members)}个")]),
            html.P(rule, className="list-rule"),
            body,
        ],
        className="rank-list",
    )  # fmt: skip


# --- The statutory table --------------------------------------------------------------------------

RATE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("cases", "受理量"),
    ("revisits", "有效回访"),
    ("contacted", "联系数"),
    ("resolved", "解决数"),
    ("partly_resolved", "部分解决"),
    ("satisfied", "满意数"),
    ("basically_satisfied", "基本满意"),
)
RATES = ("response", "resolution", "satisfaction", "composite")


class RateRow(NamedTuple):
    """A row of the statutory table: number, unit, counts by column, value by rate, remark.

    ``code``: of the unit; "" for a sum.
    """

    number: str
    name: str
    counts: Mapping[str, int]
    values: Mapping[str, float]
    remark: str = ""
    code: str = ""


def rate_columns(rules: Rules) -> list[tuple[str, str]]:
    """Return the columns of counts; 部分解决 only where the rules give it credit."""
    return [
        (key, title)
        for key, title in RATE_COLUMNS
        if key != "partly_resolved" or rules.partly_resolved_credit
    ]


def rates_table(
    rows: Sequence[RateRow], whole: RateRow, word: str, rules: Rules, caption: str
) -> html.Div:
    """Return the table 三率统计表 with 汇总 last."""
    columns = [
        Column("number", "序号", "end"),
        Column("name", word),
        *(Column(key, title, "end", "件") for key, title in rate_columns(rules)),
        *(Column(key, METRICS[key].name, "end", METRICS[key].unit) for key in RATES),
        Column("remark", "备注"),
    ]

    def row(each: RateRow) -> Row:
        cells: dict[str, Content] = {
            "name": each.name, "number": each.number, "remark": each.remark,
        }  # fmt: skip
        cells |= {key: count(number) for key, number in each.counts.items()}
        cells |= {key: value_parts(METRICS[key], value, 2)[0] for key, value in each.values.items()}
        return Row(cells)

    return data_table(
        columns, [row(each) for each in rows], caption, total=row(whole), caption_hidden=True
    )


# --- Trial ----------------------------------------------------------------------------------------


class Tried(NamedTuple):
    """A unit under the weights in force and under those tried out: band, rank, value of each."""

    name: str
    href: str
    now: tuple[int, int, int, float]
    tried: tuple[int, int, int, float]
    tiers: tuple[Tier | None, Tier | None]

    @property
    def places(self) -> int:
        """How far it moved; nearer to the first place is positive."""
        return self.now[2] - self.tried[2]


def trial_sentence(lines: Sequence[Tried], weights: str, counted: str) -> str:
    """Return what other weights change: ranks, and who is clearly above or below."""
    moved = [line for line in lines if line.places]
    if not moved:
        return f"按{weights}，{len(lines)}{counted}名次都不变。"
    largest = max(moved, key=lambda line: abs(line.places))
    other = [line for line in lines if line.tiers[0] != line.tiers[1]]
    told = (
        f"按{weights}，{len(lines)}{counted}中{len(moved)}个名次变动，最大的是{largest.name}"
        f"（{'上升' if largest.places > 0 else '下降'}{abs(largest.places)}位）"
    )
    if other:
        listed = "、".join(line.name for line in other[:3]) + ("等" if len(other) > 3 else "")
        return f"{told}；{listed}{len(other)}个的档次（明显高于、持平、明显低于）随之改变。"
    return f"{told}；没有一个的档次（明显高于、持平、明显低于）改变。"


def trial_table(lines: Sequence[Tried], word: str, metric: Metric, caption: str) -> html.Div:
    """Return ranks under the weights in force beside those tried out."""
    columns = [
        Column("name", word),
        Column("now", "现行名次", "end"),
        Column("now_band", "名次区间", phone=False),
        Column("now_value", metric.name, "end", metric.unit),
        Column("tried", "试算名次", "end"),
        Column("tried_band", "名次区间", phone=False),
        Column("tried_value", f"试算{metric.name}", "end", metric.unit),
        Column("places", "变动", "end", "位"),
        Column("tier", "试算档次"),
    ]
    rows = []
    for line in lines:
        moved = line.places
        cells: dict[str, Content] = {
            "name": link_cell(line.name, line.href),
            "places": f"{'↑' if moved > 0 else '↓'}{abs(moved)}" if moved else NO_VALUE,
            "tier": tier_mark(metric, line.tiers[1]),
        }
        for key, (low, high, rank, value) in (("now", line.now), ("tried", line.tried)):
            cells |= {
                key: str(rank),
                f"{key}_band": band_text(low, high),
                f"{key}_value": value_parts(metric, value, 2)[0],
            }
        rows.append(Row(cells))
    return data_table(columns, rows, caption, caption_hidden=True)


# --- Integrity ------------------------------------------------------------------------------------


class Honest(NamedTuple):
    """How honest the denominator of a unit is.

    ``values``: key of ``domain.integrity`` → share and n; ``gap``: 考核口径 − 全口径 of the
    indicator that ranks, in points of it (NaN: not known); ``flags``: what jumped, in words.
    """

    name: str
    href: str
    values: Mapping[str, tuple[float, float]]
    gap: float
    flags: tuple[str, ...] = ()
    own: bool = False


def integrity_table(
    lines: Sequence[Honest],
    whole: Honest,
    metrics: Sequence[Metric],
    word: str,
    gap_title: str,
    gap_unit: str,
    compare: str,
    caption: str,
) -> html.Div:
    """Return the shares that the denominators hang on, one row per unit, jumps said in words."""
    columns = [
        Column("name", word),
        *(Column(each.key, each.name, "end", f"n {each.n_words}") for each in metrics),
        Column("gap", gap_title, "end", gap_unit),
        *([Column("flags", f"异常（{compare}）")] if compare else []),
    ]

    def row(line: Honest) -> Row:
        cells: dict[str, Content] = {
            "name": link_cell(line.name, line.href) if line.href else line.name,
            "gap": signed_points(line.gap),
            "flags": html.Span(f"※ {'，'.join(line.flags)}", className="flag")
            if line.flags
            else None,
        }
        for each in metrics:
            value, n = line.values[each.key]
            cells[each.key] = (
                NO_VALUE
                if math.isnan(value)
                else [value_text(each, value), html.Small(f"n {count(n)}")]
            )
        return Row(cells, marked=line.own)

    return data_table(
        columns, [row(line) for line in lines], caption, total=row(whole), caption_hidden=True,
        tall=len(lines) > 20,
    )  # fmt: skip


def signed_points(amount: float) -> str:
    """Return a difference in points with its sign: "+0.12", "−0.30", "0.00"; "—" for NaN."""
    if math.isnan(amount):
        return NO_VALUE
    text = f"{abs(amount):.2f}"
    if float(text) == 0:
        return text
    return f"{'+' if amount > 0 else '−'}{text}"


def jump_words(kind: str, amount: float) -> str:
    """Return a jump in words: what moved the way that flatters a rate, and by how much."""
    if kind == "shrinking":
        return f"有效回访率下降{points(amount)}"
    return f"剔除率上升{points(amount)}"
