"""Targets on the screen: status, bullet, and what they say in words."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable

from dash import dcc, html

from components.formatting import NO_VALUE, RANGE_WORDS, amount, day, points, share, short_day
from components.plain import Html
from components.sparkline import svg_image
from domain.schedule import (
    CHANCE_WORDS,
    DAYS_IN_MONTH,
    STATUS_WORDS,
    Forecast,
    Standing,
    Status,
)

# Shape first, then the word; colour comes last and only for what is late.
SHAPES: dict[Status, str] = {
    "no_lead": "◇",
    "no_target": "◇",
    "stale": "◇",
    "overdue": "◆",
    "behind": "■",
    "missed": "■",
    "no_data": "□",
    "recovering": "◐",
    "pending": "○",
    "on_schedule": "●",
    "ahead": "▲",
    "met": "●",
    "done": "✓",
}
_TONES: dict[Status, str] = {
    "no_lead": "alert",
    "no_target": "alert",
    "stale": "alert",
    "overdue": "bad",
    "behind": "bad",
    "missed": "bad",
    "recovering": "watch",
    "ahead": "good",
    "done": "good",
}


def status_mark(status: Status) -> html.Span:
    """Return shape and word of a status."""
    tone = _TONES.get(status)
    return html.Span(
        [
            html.Span(SHAPES[status], className="shape", **{"aria-hidden": "true"}),
            f" {STATUS_WORDS[status]}",
        ],
        className=f"standing status-{status}" + (f" is-{tone}" if tone else ""),
    )


def gap_text(standing: Standing) -> str:
    """Return the gap to the timetable: "慢0.7个百分点", "快8.6个百分点", "与序时持平".

    What was reached after its due day is no longer behind, but was late: "迟60天完成".
    """
    if math.isnan(standing.gap):
        return NO_VALUE
    if standing.days_late:
        return done_late(standing)
    gap = 100 * standing.gap
    if abs(gap) < 0.05:
        return "与序时持平"
    return f"{'快' if gap > 0 else '慢'}{points(abs(gap))}"


def done_late(standing: Standing) -> str:
    """Return by how much a target was reached after its due day: "迟60天完成"; "" if not."""
    return f"迟{standing.days_late}天完成" if standing.days_late else ""


def gap_amount(standing: Standing) -> str:
    """Return the gap in the target's unit with its sign: "−657套"; "—" for NaN."""
    if math.isnan(standing.gap_units):
        return NO_VALUE
    size = amount(abs(standing.gap_units), standing.target.unit, standing.target.value)
    if size.startswith("0") and not size.startswith("0."):  # nothing, or nothing that is seen
        return size
    return ("+" if standing.gap_units > 0 else "−") + size


def amount_of(standing: Standing, value: float) -> str:
    """Return an amount in the unit and on the scale of a target."""
    return amount(value, standing.target.unit, standing.target.value)


def per_month(standing: Standing, pace: float) -> str:
    """Return a pace per day as an amount per month: "0.84万套/月"."""
    if math.isnan(pace):
        return NO_VALUE
    return f"{amount_of(standing, pace * DAYS_IN_MONTH)}/月"


def speed_text(standing: Standing) -> str:
    """Return what the pace has to do: "须提速3.6 %", "现有速度够用", "已完成".

    With plan points the plan says how fast it has to be, not the pace so far.
    """
    if standing.by_figures == "done":
        return "已完成"
    if standing.is_old and standing.required_pace > 0:
        return "现速不明"
    if standing.plan_pace > 0:
        more = standing.required_pace / standing.plan_pace - 1
        return f"须比计划快{share(more)}" if more > 1e-9 else "按计划速度即可"
    if math.isnan(standing.speed_up):
        return NO_VALUE
    if standing.speed_up > 0:
        return f"须提速{share(standing.speed_up)}"
    return "现有速度够用"


def completion_text(standing: Standing) -> str:
    """Return how much of what is done: "24.0 %" of it; of a level its value."""
    if not standing.target.cumulative:
        return amount_of(standing, standing.actual)
    return share(standing.completion)


def progress_sentence(standing: Standing) -> str:
    """Return how a target stands as a sentence without its full stop.

    It says what is done, of what, and how far from the timetable.
    """
    target, words = standing.target, STATUS_WORDS[standing.status]
    if standing.on_date is None:
        return f"{target.name}{words}，没有进度"
    done = f"{target.name}{amount_of(standing, standing.actual)}"
    if math.isnan(target.value):
        return f"{done}，没有目标值"
    goal = amount_of(standing, target.value)
    if not target.scheduled:
        bound = "不高于" if target.direction == "down" else "不低于"
        return f"{done}，目标{bound}{goal}，{STATUS_WORDS[standing.by_figures]}"
    part = f"{done}，完成{goal}的{share(standing.completion)}"
    if standing.by_figures == "done":
        return "，".join([part, *([done_late(standing)] if standing.days_late else [])])
    return f"{part}，{against_schedule(standing)}（序时{share(standing.scheduled, 2)}）"


def against_schedule(standing: Standing) -> str:
    """Return the gap as part of a sentence: "慢于序时0.7个百分点"."""
    text = gap_text(standing)
    if text.startswith(("快", "慢")):
        return f"{text[0]}于序时{text[1:]}"
    return text


def outlook_sentence(standing: Standing, ahead: Forecast) -> str:
    """Return where it leads as a sentence without its full stop; "" when that is not open."""
    target = standing.target
    if not target.scheduled or standing.by_figures in ("done", "pending") or not standing.days_left:
        return ""
    end = "年底" if (target.due_on.month, target.due_on.day) == (12, 31) else "到期"
    needed, so_far = (
        amount_of(standing, pace * DAYS_IN_MONTH)
        for pace in (standing.required_pace, standing.pace)
    )
    if standing.is_old and standing.on_date is not None:
        left = amount_of(standing, standing.remaining)
        parts = [
            f"{(standing.as_of - standing.on_date).days}天没有更新，不比较速度",
            f"以{short_day(standing.on_date)}的数字计，其后{standing.days_left}天还差{left}",
        ]
    else:
        parts = [
            f"{speed_text(standing)}（其后每月{needed}，迄今每月{so_far}）",
            f"按现有速度{end}{amount_of(standing, standing.straight_line)}",
        ]
    if standing.shortfall > 0:
        parts.append(f"缺口{amount_of(standing, standing.shortfall)}")
        if standing.is_accelerating and ahead.chance == "withheld":
            parts[-1] += f"（{UNPLANNED}）"
    if ahead.chance == "withheld":
        parts.append(f"不作预测（{ahead.reason}）")
    else:
        parts.append(
            f"预测{amount_of(standing, ahead.low)}–{amount_of(standing, ahead.high)}"
            f"（{RANGE_WORDS}），按期完成{chance_text(standing, ahead)}"
        )
    return "，".join(parts)


def chance_text(standing: Standing, ahead: Forecast) -> str:
    """Return whether it will make it: "可能", "难"; what the plan still speeds up is not in it."""
    word = CHANCE_WORDS[ahead.chance]
    if ahead.chance == "withheld" or not standing.is_accelerating:
        return word
    return f"{word}（{UNPLANNED}）"


def reached_text(ahead: Forecast) -> str:
    """Return when the target is reached: "2021-11-28（2021-10-31至2022-01-09）"; "—"."""
    if ahead.chance == "withheld":
        return f"{NO_VALUE}（{ahead.reason}）"
    if ahead.reached_median is None:
        return "三年内难以达到"
    last = ahead.reached_late
    until = day(last) if last else "三年以后"
    first = day(ahead.reached_early) if ahead.reached_early else until
    return f"{day(ahead.reached_median)}（{first}至{until}）"


def target_card(standing: Standing, ahead: Forecast, href: str) -> html.Article:
    """Return the card of a target: name, share, amounts, bullet, the gap, where it leads."""
    target = standing.target
    stock = f"占存量{amount_of(standing, target.stock)}的{share(standing.of_stock)}"
    on = f"，{short_day(standing.on_date)}" if standing.on_date else ""
    number, _, unit = share(standing.completion).rpartition(" ")
    if not number:  # nothing to show a share of
        number, unit = NO_VALUE, ""
    return html.Article(
        [
            html.H3(dcc.Link(target.name, href=href), className="figure-name"),
            html.P(
                [
                    html.Span(number, className="figure-number"),
                    html.Span(f" {unit}", className="figure-unit"),
                    html.Span([" ", status_mark(standing.status)], className="figure-status"),
                ],
                className="figure-value",
            ),
            html.P(
                f"{amount_of(standing, standing.actual)} / {amount_of(standing, target.value)}{on}",
                className="figure-sample",
            ),
            bullet(standing, ahead, width=216, height=30),
            html.Dl(
                [
                    html.Div([html.Dt("序时"), html.Dd(gap_text(standing))]),
                    html.Div([html.Dt("预测"), html.Dd(_chance_text(standing, ahead))]),
                ],
                className="figure-changes",
            ),
            *([html.P(stock, className="figure-extra")] if standing.of_stock > 0 else []),
        ],
        className="figure-card",
    )


def _chance_text(standing: Standing, ahead: Forecast) -> str:
    if ahead.chance == "withheld":
        return ahead.reason
    return (
        f"{amount_of(standing, ahead.low)}–{amount_of(standing, ahead.high)}，"
        f"{chance_text(standing, ahead)}"
    )


def topic_row(
    name: str,
    href: str,
    status: Status,
    standing: Standing | None,
    ahead: Forecast | None,
    rising: bool,
) -> html.Li:
    """Return a topic on one line: shape, name, bullet, share, gap; 诉求升 when it is so."""
    cells = [
        html.Span(
            [
                html.Span(SHAPES[status], **{"aria-hidden": "true"}),
                html.Span(STATUS_WORDS[status], className="visually-hidden"),
            ],
            className=f"shape status-{status}",
            title=STATUS_WORDS[status],
        ),
        dcc.Link(name, href=href, className="topic-row-name", title=name),
    ]
    if standing is None or ahead is None:
        return html.Li([*cells, html.Span(STATUS_WORDS[status])], className="topic-row")
    said = gap_text(standing) if standing.target.scheduled else STATUS_WORDS[standing.by_figures]
    if standing.by_figures == "done":
        said = STATUS_WORDS["done"]
    return html.Li(
        [
            *cells,
            bullet(standing, ahead, width=112, height=18),
            html.Span(completion_text(standing), className="topic-row-number"),
            html.Span("诉求升" if rising else said, className="is-bad" if rising else "topic-gap"),
        ],
        className="topic-row",
    )


# A forecast goes on from the recent weeks; of what is planned for later it knows nothing.
UNPLANNED = "未计计划后期加速"
_BULLET_TO = 1.25  # of the target; what is beyond is drawn to the edge, with a mark
_INK, _PALE, _RULE, _LATE = "#1d2733", "#8d98a5", "#d3d9e0", "#9a4a12"


def bullet(standing: Standing, ahead: Forecast, width: int = 168, height: int = 20) -> Html:
    """Return a bullet row: what is done, the 序时 tick, the target line, the forecast whisker.

    One axis for every row, in shares of the target; more than five quarters ends in an arrow. A
    level has an axis of its own from zero: the side to keep to, the line of the goal, its value.
    """
    target = standing.target
    alt = progress_sentence(standing)
    if not target.cumulative or target.direction == "down":
        return _level(standing, width, height, alt)
    middle, top, thick = height / 2, height / 2 - 4, 8.0
    if not target.scheduled or math.isnan(standing.completion):
        return svg_image([_nothing(width, middle)], width, height, alt, "bullet")
    edge = 2.0

    def x(part: float) -> float:
        return edge + min(max(part, 0.0), _BULLET_TO) / _BULLET_TO * (width - 2 * edge)

    parts = [
        f'<path d="M{x(0):.1f} {middle}H{x(1):.1f}" stroke="{_RULE}" stroke-width="{thick}"/>',
        f'<path d="M{x(1):.1f} {top - 3}v{thick + 6}" stroke="{_INK}" stroke-width="1.6"/>',
    ]
    colour = _LATE if standing.by_figures in ("behind", "overdue") else "#17457f"
    parts.append(
        f'<path d="M{x(0):.1f} {middle}H{x(standing.completion):.1f}" stroke="{colour}" '
        f'stroke-width="{thick}"/>'
    )
    if standing.completion > _BULLET_TO:
        parts.append(_arrow(x(_BULLET_TO), top, thick, "#ffffff"))
    if ahead.chance != "withheld":
        parts += _whisker(ahead.low / target.value, ahead.high / target.value, x, middle)
    if standing.by_figures != "done":
        tick = x(standing.scheduled)
        parts.append(
            f'<path d="M{tick:.1f} {top - 4}v{thick + 8}" stroke="{_PALE}" stroke-width="2.4"/>'
        )
    return svg_image(parts, width, height, alt, "bullet")


def _nothing(width: int, middle: float) -> str:
    """Return the dashed line that stands where nothing can be drawn."""
    return f'<path d="M0 {middle}H{width}" stroke="{_RULE}" stroke-dasharray="2 3"/>'


def _arrow(tip: float, top: float, thick: float, colour: str) -> str:
    """Return the mark of what goes on beyond the edge."""
    return (
        f'<path d="M{tip - 9:.1f} {top}l5 {thick / 2}l-5 {thick / 2}" stroke="{colour}" '
        'stroke-width="1.8" fill="none"/>'
    )


def _whisker(low: float, high: float, x: Callable[[float], float], middle: float) -> list[str]:
    """Return the range of a forecast, in shares; an arrow stands for an end beyond the edge."""
    look = f'stroke="{_INK}" stroke-width="1.4" fill="none"/>'
    start, end = x(low), x(high)
    if low > _BULLET_TO:  # all of it is beyond
        return [f'<path d="M{end - 9:.1f} {middle - 3.5}l7 3.5l-7 3.5" {look}']
    ends = f"M{start:.1f} {middle - 3.5}v7"
    if high <= _BULLET_TO:
        ends += f"M{end:.1f} {middle - 3.5}v7"
    else:
        ends += f"M{end - 4:.1f} {middle - 3.5}l4 3.5l-4 3.5"
    return [f'<path d="M{start:.1f} {middle}H{end:.1f}{ends}" {look}']


def _level(standing: Standing, width: int, height: int, alt: str) -> Html:
    """Return a level: the line of its goal, the side to keep to, its value as a dot."""
    target, middle, edge = standing.target, height / 2, 6.0
    rule = _nothing(width, middle)
    if math.isnan(target.value):
        return svg_image([rule], width, height, alt, "bullet")
    known = not math.isnan(standing.actual)
    most = max(target.value, standing.actual if known else 0.0, 0.0) * 1.25 or 1.0
    least = min(target.value, standing.actual if known else 0.0, 0.0)

    def x(value: float) -> float:
        return edge + (value - least) / (most - least) * (width - 2 * edge)

    goal = x(target.value)
    kept = (edge, goal) if target.direction == "down" else (goal, width - edge)
    parts = [
        rule,
        f'<path d="M{kept[0]:.1f} {middle}H{kept[1]:.1f}" stroke="{_RULE}" stroke-width="8"/>',
        f'<path d="M{goal:.1f} {middle - 7}v14" stroke="{_INK}" stroke-width="1.6"/>',
    ]
    if known:
        colour = _LATE if standing.by_figures in ("missed", "overdue") else "#17457f"
        parts.append(
            f'<path d="M{x(standing.actual) - 4:.1f} {middle}l4 -4l4 4l-4 4" fill="{colour}"/>'
        )
    return svg_image(parts, width, height, alt, "bullet")


def late_text(standing: Standing, as_of: dt.date) -> str:
    """Return since when a target is late: "滞后第6周", of a level "未达标第6周"; "" if not.

    Of one that was reached after its due day: "迟60天完成".
    """
    if standing.by_figures == "done":
        return done_late(standing)
    if standing.late_since is None:
        return ""
    word = STATUS_WORDS["behind" if standing.target.scheduled else "missed"]
    return f"{word}第{(as_of - standing.late_since).days // 7 + 1}周"
