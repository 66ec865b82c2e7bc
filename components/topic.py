"""The parts of a topic's page: what it says in words, its cards, tiles by district, lists."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from components.figures.progress import CIRCLED, Event
from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    RANGE_WORDS,
    amount,
    count,
    day,
    share,
    short_day,
)
from components.plain import Html
from components.progress import (
    UNPLANNED,
    against_schedule,
    amount_of,
    bullet,
    chance_text,
    completion_text,
    done_late,
    gap_amount,
    gap_text,
    late_text,
    per_month,
    reached_text,
    speed_text,
    status_mark,
)
from components.sparkline import sparkline, svg_image
from components.tables import Column, Content, Row, data_table
from components.tile_map import in_frame
from domain.comparison import Weeks
from domain.effect import Effect
from domain.metrics import METRICS
from domain.programme import Tasks, Volume
from domain.rules import Rules
from domain.schedule import (
    GOOD,
    STATUS_WORDS,
    Figures,
    Forecast,
    Standing,
    Target,
)

NOTHING_WORDS = "零"
_INK, _ACCENT, _PALE, _RULE = "#42505f", "#17457f", "#8d98a5", "#d3d9e0"
# The axis of an effect is the first of these that holds its interval.
_EFFECT_AXES = (0.25, 0.5, 1.0, 2.0)


# --- Words --------------------------------------------------------------------------------------


def topic_answer(name: str, now: Standing | None, as_of: dt.date, volume: Volume) -> str:
    """Return the title of a topic's page: how its most urgent target stands, and if it is felt.

    As in 房产证办理难：办理不动产权证书24.0 %，慢于序时0.7个百分点，须提速3.6 %.
    """
    said = _how_it_stands(name, now, as_of)
    if now is not None and now.status in GOOD and volume.rising:
        return f"{said}，但近{volume.weeks}周诉求比预期{more_or_less(volume.change)}"
    return said


def _how_it_stands(name: str, now: Standing | None, as_of: dt.date) -> str:
    if now is None:
        return f"{name}：没有目标"
    target = now.target
    said = f"{name}：{target.name}{completion_text(now)}"
    if now.on_date is None:
        parts = [f"{name}：{target.name}还没有进度"]
    elif math.isnan(target.value):
        parts = [f"{name}：{target.name}{amount_of(now, now.actual)}", "没有目标值"]
    elif not target.scheduled:
        parts = [said, bound_text(now), STATUS_WORDS[now.by_figures]]
    elif now.by_figures == "done":
        parts = [said, done_late(now) or "已完成"]
    elif now.by_figures == "overdue":
        late = (as_of - target.due_on).days
        parts = [said, f"逾期{late}天", f"还差{amount_of(now, now.remaining)}"]
    elif now.by_figures == "pending":
        parts = [said, "尚未启动"]
    elif now.is_old:
        parts = [said, against_schedule(now)]
    else:
        parts = [said, against_schedule(now), speed_text(now)]
    if now.status == "stale" and now.on_date is not None:
        parts.append(f"{(as_of - now.on_date).days}天没有更新")
    if now.status == "no_lead":
        parts.append("没有主责单位")
    return "，".join(part for part in parts if part != NO_VALUE)


def bound_text(now: Standing) -> str:
    """Return what a level must keep to: "目标不高于15天"."""
    word = "不高于" if now.target.direction == "down" else "不低于"
    return f"目标{word}{amount_of(now, now.target.value)}"


def more_or_less(change: float) -> str:
    """Return a relative change of a count: "多12 %", "少8 %"."""
    return f"{'多' if change >= 0 else '少'}{share(abs(change), 0)}"


def volume_words(volume: Volume) -> str:
    """Return the complaints of the last weeks against expectation, without a full stop."""
    said = f"近{volume.weeks}周诉求{count(volume.cases)}件"
    if math.isnan(volume.change):
        return f"{said}，{_no_expectation(volume)}"
    word = "明显高于预期" if volume.rising else "在波动之内"
    return f"{said}，比预期{more_or_less(volume.change)}（{word}）"


def _no_expectation(volume: Volume) -> str:
    """Return why there is no expectation: nothing to compare with then, or no complaint."""
    return f"上年同期无{'诉求' if volume.expected == 0 else '可比数据'}，没有预期"


def effect_words(effect: Effect) -> str:
    """Return the effect of a launch as a sentence without its full stop."""
    if effect.withheld:
        return f"启动后诉求量与对照的比较不作估计：{effect.reason}"
    seasonal = "，按上年同期作季节调整" if effect.seasonal else "，无上年可比数据，未作季节调整"
    rests = f"启动前{effect.weeks_before}周、后{effect.weeks_after}周{seasonal}"
    if effect.direction == "flat":
        return f"启动后诉求量与对照无明显差别（{_interval(effect)}），{rests}"
    return f"启动后诉求量比对照{more_or_less(effect.change)}（{_interval(effect)}），{rests}"


def _interval(effect: Effect) -> str:
    return f"{INTERVAL_WORDS} {more_or_less(effect.low)}–{more_or_less(effect.high)}"


def tasks_words(done: Tasks, rules: Rules) -> str:
    """Return the account of milestones in words, without a full stop."""
    said = f"共{done.total}项，到期{done.due}项"
    early = done.done - done.on_time - done.late
    if done.due:
        said += f"：按时{done.on_time}项，迟完成{done.late}项，逾期未完{done.overdue}项"
    if early > 0:
        said += f"；另有{early}项提前完成"
    if done.due >= rules.minimum_tasks:
        said += f"；按时完成率{share(done.on_time_rate)}（n={done.due}）"
    elif done.due:
        said += f"；到期不足{rules.minimum_tasks}项，不算按时完成率"
    return said


# --- Targets ------------------------------------------------------------------------------------


def topic_card(now: Standing, ahead: Forecast, as_of: dt.date, invented: bool) -> html.Article:
    """Return a target with everything needed to judge it.

    Args:
        now: where it stands.
        ahead: where it leads.
        as_of: the day it is told.
        invented: whether nobody published its newest figure (demo).
    """
    text = completion_text(now)
    number, _, unit = text.partition(" ")
    return html.Article(
        [
            html.Div(
                [
                    html.H3(now.target.name, className="figure-name"),
                    html.P(
                        [
                            html.Span(number, className="figure-number"),
                            html.Span([f" {unit} " if unit else " "], className="figure-unit"),
                            html.Span(status_line(now, as_of), className="topic-card-status"),
                        ],
                        className="figure-value",
                    ),
                    html.P(_amounts(now, invented), className="figure-sample"),
                    bullet(now, ahead, width=260, height=30),
                ],
                className="topic-card-main",
            ),
            html.Dl(
                [
                    html.Div([html.Dt(term), html.Dd(words)])
                    for term, words in _card_lines(now, ahead, as_of)
                ],
                className="topic-card-lines",
            ),
        ],
        className="figure-card topic-card",
    )


def status_line(now: Standing, as_of: dt.date) -> list[Component | str]:
    """Return the status with what else is to be known of it: for how long, or by its figures."""
    late = late_text(now, as_of).removeprefix(STATUS_WORDS[now.status])
    if now.status == "recovering":
        late = "近期曾滞后"
    elif not late and now.status != now.by_figures:
        # Nobody answers for it, or not lately; its figures say something all the same.
        late = f"按数字{STATUS_WORDS[now.by_figures]}"
    return [status_mark(now.status), *([f" {late}"] if late else [])]


def _amounts(now: Standing, invented: bool) -> str:
    """Return how much of what, and when: "2.4万套 / 10万套，占存量57万套的4.2 %，03-31"."""
    target = now.target
    if now.on_date is None:
        return "还没有进度"
    parts = [amount_of(now, now.actual)]
    if target.scheduled:
        parts = [f"{amount_of(now, now.actual)} / {amount_of(now, target.value)}"]
    if now.of_stock > 0:
        parts.append(f"占存量{amount_of(now, target.stock)}的{share(now.of_stock)}")
    parts.append(f"{short_day(now.on_date)}{'（虚构）' if invented else ''}")
    return "，".join(parts)


def _card_lines(now: Standing, ahead: Forecast, as_of: dt.date) -> list[tuple[str, str]]:
    """Return the lines of a target's card: term and words."""
    target = now.target
    left = (target.due_on - as_of).days
    when = f"还有{left}天" if left > 0 else f"已过{-left}天" if left else "当日到期"
    due = ("期限", f"{target.due_on}，{when}")
    if math.isnan(target.value):
        return [("目标", "没有目标值"), due]
    if not target.scheduled:
        known = f"{amount_of(now, now.actual)}，" if now.on_date else ""
        return [("目标", bound_text(now)[2:]), ("现状", known + STATUS_WORDS[now.by_figures]), due]
    if now.on_date is None:
        return [("目标", amount_of(now, target.value)), due]
    scheduled = ("序时", f"{share(now.scheduled, 2)}，{gap_text(now)}（{gap_amount(now)}）")
    if now.days_late:
        scheduled = ("完成", f"{now.reached_on}，{done_late(now)}")
    if now.by_figures == "done":
        return [("目标", amount_of(now, target.value)), scheduled, due]
    lines = [scheduled]
    if now.days_left and now.is_old and now.on_date is not None:
        old, lacking = (as_of - now.on_date).days, amount_of(now, now.remaining)
        lines += [
            ("还差", f"{lacking}（{short_day(now.on_date)}的数字，{old}天没有更新）"),
            ("须达速度", f"{per_month(now, now.required_pace)}，自{short_day(as_of)}计，现速不明"),
        ]
    elif now.days_left:
        required, so_far = (per_month(now, pace) for pace in (now.required_pace, now.pace))
        short = f"缺口{amount_of(now, now.shortfall)}" if now.shortfall > 0 else "无缺口"
        straight = f"到期{amount_of(now, now.straight_line)}，{short}"
        straight += f"（{UNPLANNED}）" if now.is_accelerating else ""
        lines += [
            ("须达速度", f"{required}，迄今{so_far}，{speed_text(now)}"),
            ("按现有速度", straight),
        ]
    else:
        lines.append(("还差", amount_of(now, now.remaining)))
    if ahead.chance == "withheld":
        lines.append(("预测", f"不作预测（{ahead.reason}）"))
    else:
        low, high = amount_of(now, ahead.low), amount_of(now, ahead.high)
        chance = f"按期完成{chance_text(now, ahead)}"
        lines += [
            ("预测", f"{low}–{high}（{RANGE_WORDS}），{chance}"),
            ("达到目标", reached_text(ahead)),
        ]
    return [*lines, due]


# --- Events -------------------------------------------------------------------------------------


def event_text(event: Event, as_of: dt.date) -> str:
    """Return an event with its day; of one that is overdue for how long."""
    if event.done:
        return f"{short_day(event.on)} {event.words}"
    return f"{short_day(event.on)}应完成 {event.words}，逾期{(as_of - event.on).days}天"


def event_list(events: Sequence[Event], more: int, as_of: dt.date) -> html.Div:
    """Return the events numbered as in the figure, and how many it does not show."""
    if not events:
        return html.Div(html.P("截至该日没有启动、政策或任务事件。"), className="topic-events")
    items = [
        html.Li(
            [
                html.Span(CIRCLED[place], className="event-number"),
                html.Span(event_text(event, as_of), className=None if event.done else "event-late"),
            ]
        )
        for place, event in enumerate(events)
    ]
    if more:
        items.append(html.Li(f"另有{more}项见下面的清单"))
    return html.Div(html.Ol(items), className="topic-events")


# --- Effect -------------------------------------------------------------------------------------


def effect_card(effect: Effect) -> html.Article:
    """Return the effect of a launch on the complaints, with its interval; or why there is none."""
    if effect.withheld:
        number, unit, rests = NO_VALUE, f"（{effect.reason}）", "对照为同区同周不属每月一题的诉求"
    else:
        number, unit = "无明显差别", ""
        if effect.direction != "flat":
            number, _, unit = more_or_less(effect.change).partition(" ")
        rests = f"{_interval(effect)}，启动后n={count(effect.cases)}件"
    parts: list[Component] = [
        html.H3("启动以来的诉求量，与对照相比", className="figure-name"),
        html.P(
            [
                html.Span(number, className="figure-number"),
                html.Span(unit, className="figure-reason" if effect.withheld else "figure-unit"),
            ],
            className="figure-value",
        ),
        html.P(rests, className="figure-sample"),
    ]
    if not effect.withheld:
        weeks = f"前{effect.weeks_before}周、后{effect.weeks_after}周"
        seasonal = "，按上年同期作季节调整" if effect.seasonal else ""
        parts += [
            effect_bar(effect.change, effect.low, effect.high, effect_words(effect)),
            html.P(
                f"虚线为没有差别。{weeks}，对照为同区同周不属每月一题的诉求{seasonal}",
                className="figure-extra",
            ),
        ]
    return html.Article(parts, className="figure-card")


def volume_card(volume: Volume, weekly: Weeks) -> html.Article:
    """Return the complaints of the last weeks against expectation.

    Args:
        volume: what they are.
        weekly: whole weeks as ``sparkline`` takes them, at least one.
    """
    known = not math.isnan(volume.change)
    against = f"预期{count(volume.expected)}件，{more_or_less(volume.change)}"
    word = "▲ 明显高于预期" if volume.rising else "● 在波动之内"
    tone = "topic-card-status standing" + (" is-bad" if volume.rising else "")
    return html.Article(
        [
            html.H3(f"近{volume.weeks}周诉求量", className="figure-name"),
            html.P(
                [
                    html.Span(count(volume.cases), className="figure-number"),
                    html.Span(" 件 ", className="figure-unit"),
                    *([html.Span(word, className=tone)] if known else []),
                ],
                className="figure-value",
            ),
            html.P(against if known else _no_expectation(volume), className="figure-sample"),
            sparkline(weekly, METRICS["volume"], width=216, height=30),
            html.P(
                f"整周，至{weekly['week_end'][-1]}；预期为上年同周乘以全部诉求的变化",
                className="figure-extra",
            ),
        ],
        className="figure-card",
    )


def effect_bar(
    change: float, low: float, high: float, words: str, width: int = 216, height: int = 30
) -> Html:
    """Return an effect as a dot with its 95 % interval beside the line of no effect.

    Args:
        change: relative: −0.12 is 12 % fewer.
        low: lower bound.
        high: upper bound.
        words: what it says.
        width: in pixels.
        height: in pixels.
    """
    far = max(abs(low), abs(high))
    axis = next((each for each in _EFFECT_AXES if each >= far), _EFFECT_AXES[-1])

    def x(value: float) -> float:
        return 4 + (min(max(value, -axis), axis) + axis) / (2 * axis) * (width - 8)

    middle = height / 2
    parts = [
        f'<path d="M0 {middle}H{width}" stroke="{_RULE}"/>',
        f'<path d="M{x(0):.1f} 2V{height - 2}" stroke="{_PALE}" stroke-width="1.6" '
        'stroke-dasharray="3 2"/>',
        f'<path d="M{x(low):.1f} {middle}H{x(high):.1f}M{x(low):.1f} {middle - 5}v10'
        f'M{x(high):.1f} {middle - 5}v10" stroke="{_INK}" stroke-width="1.8" fill="none"/>',
        f'<circle cx="{x(change):.1f}" cy="{middle}" r="4" fill="{_ACCENT}"/>',
    ]
    return svg_image(parts, width, height, words, "spark")


# --- Districts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DistrictProgress:
    """How far a target has come in a district; amounts in its unit, NaN for not known.

    ``recent``: added in the last weeks; ``idle``: nothing was, though there is something left.
    ``of_stock``: share of what there is to do in the district itself; ``of_city``: of what the
    city has done. ``place``: row and column on the tile map; None below the others.
    """

    code: str
    name: str
    figures: Figures
    value: float
    recent: float
    idle: bool
    of_stock: float
    of_city: float
    href: str
    place: tuple[int, int] | None = None
    chosen: bool = False


def nothing_mark(weeks: str) -> html.Span:
    """Return the mark of a district that added nothing: a boxed word, no colour needed."""
    return html.Span(NOTHING_WORDS, className="nothing-mark", title=f"{weeks}没有进展")


def recent_text(target: Target, recent: float) -> str:
    """Return what was added: "+123套", "0套"."""
    text = amount(recent, target.unit, recent)
    return f"+{text}" if recent > 0 else text


def plain_amount(value: float, scale: float) -> str:
    """Return an amount to the last whole thing, without 万 and unit: rows that are added up."""
    return amount(value, "", min(abs(scale), 9_999.0))


def progress_tiles(
    rows: Sequence[DistrictProgress],
    target: Target,
    weeks: str,
    span: tuple[dt.date, dt.date],
) -> html.Div:
    """Return the districts as equal tiles in their places: done, share, the last weeks, steps.

    Args:
        rows: the districts.
        target: what is to be reached.
        weeks: the weeks that ``recent`` counts, in words: "近4周".
        span: first and last day of the steps.
    """
    places = in_frame([row.place for row in rows])
    columns = max((place[1] for place in places if place), default=0)
    idle = sum(row.idle for row in rows)
    stock = any(not math.isnan(row.of_stock) for row in rows)
    legend: list[html.Span] = [
        html.Span(f"大字为累计，其下为占{'本区存量' if stock else '全市已完成'}的比例"),
        html.Span(f"阶梯为逐期累计，右为{weeks}新增"),
    ]
    if idle:
        legend.append(html.Span([nothing_mark(weeks), f" {weeks}没有进展，{idle}个区"]))
    return html.Div(
        [
            html.P(legend, className="progress-legend"),
            html.Ul(
                [
                    _tile(row, place, target, weeks, span)
                    for row, place in zip(rows, places, strict=True)
                ],
                className="tiles" if columns else "tiles tiles-flow",
                style={"--tile-columns": str(columns)} if columns else None,
            ),
        ],
        className="tile-map",
    )


def _tile(
    row: DistrictProgress,
    place: tuple[int, int] | None,
    target: Target,
    weeks: str,
    span: tuple[dt.date, dt.date],
) -> html.Li:
    part: list[Any] = [html.Span("占全市"), share(row.of_city)]
    if not math.isnan(row.of_stock):
        part = [html.Span("占存量"), share(row.of_stock)]
    known = bool(row.figures)
    value = amount(row.value, target.unit, row.value) if known else "—"
    recent = "" if math.isnan(row.recent) else recent_text(target, row.recent)
    names = ["tile", *(["tile-idle"] if row.idle else []), *(["is-chosen"] if row.chosen else [])]
    return html.Li(
        dcc.Link(
            [
                html.Span(
                    [
                        html.Span(row.name, className="tile-name"),
                        *([nothing_mark(weeks)] if row.idle else []),
                    ],
                    className="tile-head",
                ),
                html.Span(value, className="tile-value"),
                html.Span(part if known else "没有进度", className="tile-share"),
                html.Span(
                    [
                        *([step_spark(row.figures, row.name, span)] if known else []),
                        html.Span(recent, className="tile-n"),
                    ],
                    className="tile-foot",
                ),
            ],
            href=row.href,
            className="tile-link",
        ),
        className=" ".join(names),
        style={"gridRow": str(place[0]), "gridColumn": str(place[1])} if place else None,
    )


def step_spark(
    figures: Figures, name: str, span: tuple[dt.date, dt.date], width: int = 52, height: int = 16
) -> Html:
    """Return cumulative figures as steps on a scale of their own; the number stands beside."""
    first, last = (each.toordinal() for each in span)
    most = max((value for _, value in figures), default=0.0) or 1.0

    def x(on: dt.date) -> float:
        return 1 + (min(max(on.toordinal(), first), last) - first) / max(last - first, 1) * (
            width - 2
        )

    path = f"M1 {height - 1.5:.1f}"
    for on, value in figures:
        path += f"H{x(on):.1f}V{height - 1.5 - max(value, 0.0) / most * (height - 4):.1f}"
    parts = [
        f'<path d="M0 {height - 0.5}H{width}" stroke="{_RULE}"/>',
        f'<path d="{path}" fill="none" stroke="{_ACCENT}" stroke-width="1.4"/>',
    ]
    return svg_image(parts, width, height, f"{name}逐期累计", "spark", fit="xMinYMax")


# --- Lists --------------------------------------------------------------------------------------


def milestone_list(name: str, rows: pd.DataFrame, done: Tasks, as_of: dt.date) -> html.Div:
    """Return one list of milestones: unit, due, done, what became of each.

    Args:
        name: of the list.
        rows: ``name``, ``unit`` (str), ``due_on`` (date), ``done_on`` (date or None), in order.
        done: their account.
        as_of: the day.
    """
    early = done.done - done.on_time - done.late
    account = f"到期{done.due}，按时{done.on_time}，迟{done.late}，逾期未完{done.overdue}"
    account += f"，提前{early}" if early else ""
    lines = [
        Row(
            {
                "name": [row.name, html.Small(row.unit or "未写单位")],
                "due": day(row.due_on),
                "done": day(row.done_on) if _is_done(row.done_on, as_of) else NO_VALUE,
                "state": _milestone_state(row.due_on, row.done_on, as_of),
            }
        )
        for row in rows.itertuples(index=False)
    ]
    columns = [
        Column("name", "事项"),
        Column("due", "期限"),
        Column("done", "完成"),
        Column("state", "状态"),
    ]
    return html.Div(
        [
            html.H3([name, html.Small(f"{done.total}项，{account}")]),
            data_table(columns, lines, f"{name}，截至{as_of}", caption_hidden=True, tall=True),
        ]
    )


def _is_done(done: dt.date | None, as_of: dt.date) -> bool:
    return done is not None and done <= as_of


def _milestone_state(due: dt.date, done: dt.date | None, as_of: dt.date) -> html.Span:
    if done is not None and done <= as_of:
        if done <= due:
            # Not among those that were due: the account tells them apart.
            return html.Span("✓ 提前" if due > as_of else "✓ 按时")
        return html.Span(f"■ 迟{(done - due).days}天", className="standing is-watch")
    if due <= as_of:
        # The day of the figures is over.
        late = f"逾期{(as_of - due).days}天" if due < as_of else "当日到期未完"
        return html.Span(f"◆ {late}", className="standing is-bad")
    return html.Span("○ 未到期", className="standing")


def case_list(title: str, kind: str, rows: pd.DataFrame, cutoff: dt.datetime) -> html.Div:
    """Return some cases of a topic, one line each.

    Args:
        title: what they are.
        kind: as ``data_access.programme.cases_of_topic`` has it.
        rows: what it returns.
        cutoff: data cut-off, from which age and delay are counted.
    """
    columns = [
        Column("id", "工单"),
        Column("created", "创建", phone=False),
        Column("place", "地点"),
        Column("category", "分类", phone=False),
        Column("summary", "摘要"),
        *([Column("repeats", "重复", "end", "件")] if kind == "repeated" else []),
        *([Column("age", "已过", "end", "天")] if kind == "oldest_open" else []),
        Column("due", "办理期限"),
    ]
    lines = [Row(_case_cells(row, cutoff)) for row in rows.to_dict("records")]
    table = data_table(
        columns, lines, f"{title}的诉求", empty=f"没有{title}的诉求", caption_hidden=True
    )
    return html.Div([html.H3(f"{title}的诉求"), table])


def _case_cells(row: Mapping[Hashable, Any], cutoff: dt.datetime) -> dict[str, Content]:
    summary: Content = f"{NO_VALUE}（无摘要）"
    if row["summary"]:
        summary = html.Span(row["summary"], className="clip", title=row["summary"])
    return {
        "id": row["case_id"],
        "created": day(row["created_at"]),
        "place": row["place"] or "未定位",
        "category": row["category"] or "未归类",
        "summary": summary,
        "repeats": count(row["repeats"]),
        "age": count((cutoff - row["created_at"]).days),
        "due": _due_cell(bool(row["closed"]), row["due_at"], cutoff),
    }


def _due_cell(closed: bool, due: Any, cutoff: dt.datetime) -> Content:
    if closed:
        return "已办结"
    if pd.isna(due):
        return f"{NO_VALUE}（未给期限）"
    if due < cutoff:
        # Not 逾期: a shelved case (挂账) is past its day too, and is not counted as overdue.
        days = (cutoff - due).days
        return f"已过{days}天" if days else "已过不足1天"
    return f"至{day(due)}"
