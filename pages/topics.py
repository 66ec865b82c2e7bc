"""每月一题: which of the year's problems is behind, will it make it, do citizens feel it?"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import dash
import numpy as np
import pandas as pd
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.exceptions import exception_list
from components.formatting import (
    INTERVAL_WORDS,
    NO_VALUE,
    RANGE_WORDS,
    count,
    interval_text,
    share,
    short_day,
)
from components.page_strip import strip
from components.panel import panel
from components.progress import (
    SHAPES,
    UNPLANNED,
    amount_of,
    bullet,
    completion_text,
    gap_amount,
    gap_text,
    late_text,
    per_month,
    speed_text,
    status_mark,
)
from components.sparkline import interval_bar, sparkline
from components.states import empty_state, loading, notice
from components.tables import (
    Apart,
    Column,
    Content,
    Row,
    data_table,
    judged_cell,
    link_cell,
    value_cell,
)
from components.tile_map import MARKS, standing_tone
from data_access.case_counts import counts_by_window
from data_access.programme import counts_by_topic_and_district, milestones_of_year
from data_access.question import Question
from domain.comparison import of_window
from domain.filters import BASIS_LABELS, DIMENSION_LABELS, ORDER_LABELS, to_search
from domain.metrics import METRICS, columns_of, estimated
from domain.metrics import Standing as Mark
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window, weeks_before
from domain.programme import Tasks, Topic, tasks
from domain.ranking import standings_together
from domain.rules import Rules
from domain.schedule import (
    ATTENTION,
    CHANCE_WORDS,
    GOOD,
    LATE,
    STAGE_WORDS,
    STATUS_WORDS,
    Standing,
    Status,
)
from domain.signals import topic_exceptions
from pages._answers import answers, reader
from pages._programme import SPARK_WEEKS, Line, day_of, lines, recent_weeks, rules_of, year_of

PATH = "/topics"
dash.register_page(
    __name__, path=PATH, title="每月一题 · 接诉即办督办看板", name="每月一题", order=1
)

_RESOLUTION, _VOLUME = METRICS["resolution"], METRICS["volume"]
_UNANSWERED: tuple[Status, ...] = ("no_lead", "no_target", "stale")


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="topics-summary"), "12rem"),
            loading(html.Div(id="topics-table"), "40rem"),
            loading(html.Div(id="topics-rug"), "30rem"),
            loading(html.Div(id="topics-units"), "20rem"),
        ],
        className="page page-topics",
    )


def _unnarrowed(question: Question) -> Question:
    """Return the question without a topic: this page tells of all of them."""
    if not question.filters.topic:
        return question
    return dataclasses.replace(question, filters=question.filters.narrowed(topic=()))


def _unused(question: Question, year: int) -> list[str]:
    """Return what of the question this page does not follow, in words."""
    parts = []
    if question.filters.topic:
        parts.append(f"{DIMENSION_LABELS['topic']}：本页列出全部题目")
    wanted = question.period.window.end.year
    if wanted != year:
        parts.append(f"所选时段在{wanted}年，该年没有每月一题，题目与进度为{year}年的")
    return parts


def _topic_href(question: Question, code: str, **changes: str | tuple[str, ...]) -> str:
    """Return the link to a topic's page, other filters kept."""
    return f"{PATH}/{code}{to_search(question.asked.narrowed(**changes))}"


# --- Summary ------------------------------------------------------------------------------------


@callback(Output("topics-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer sentence, the exceptions and the year as months."""
    year = year_of(question)
    unused = _unused(question, year)
    question = _unnarrowed(question)
    found = lines(question, year)
    head = strip(
        _answer(year, found),
        f"进度截至 {day_of(question, year)} · {question.words}",
        question.snapshot.cutoff,
        question.rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=PATH + question.canonical,
    )
    if not found:
        return html.Div([head, empty_state()])
    said = notice(unused, "链接中有条件未采用")
    checked = topic_exceptions([line.state for line in found])
    signals = sorted(checked.signals, key=lambda signal: (signal.tone != "alert", -signal.weight))
    return html.Div(
        [
            head,
            *([said] if said else []),
            exception_list(
                signals,
                [_topic_href(question, signal.code) for signal in signals],
                checked.normal,
                question.place,
                _others(found, {signal.code for signal in signals}),
            ),
            _months(question, year, found),
        ]
    )


def _answer(year: int, found: Sequence[Line]) -> str:
    """Return the title: how many problems stand how, the worst first."""
    if not found:
        return f"{year}年没有每月一题"
    statuses = Counter(line.status for line in found)
    parts = [
        f"{statuses[status]}题{STATUS_WORDS[status]}"
        for status in sorted(statuses, key=ATTENTION.__getitem__)
        if status not in GOOD
    ]
    good = sum(statuses[status] for status in GOOD)
    if good:
        parts.append(f"{good}题达序时或更好")
    return f"{year}年每月一题{len(found)}题：{'、'.join(parts)}"


def _others(found: Sequence[Line], listed: set[str]) -> str:
    """Return the topics that are no exception by how they stand; "" when there are none."""
    rest = Counter(line.status for line in found if line.topic.code not in listed)
    if not rest:
        return ""
    good = sum(rest[status] for status in GOOD)
    parts = [f"{good}题达序时或更好"] if good else []
    for status in sorted((s for s in rest if s not in GOOD), key=ATTENTION.__getitem__):
        unlisted = "" if status == "pending" else "（未列为例外）"
        parts.append(f"{rest[status]}题{STATUS_WORDS[status]}{unlisted}")
    return f"其余{rest.total()}题：{'、'.join(parts)}"


def _months(question: Question, year: int, found: Sequence[Line]) -> html.Section:
    """Return the year as twelve months, each with its theme and problems."""
    as_of = day_of(question, year)
    cells: list[Component] = []
    for month in range(1, 13):
        own = [line for line in found if line.topic.month == month]
        themes = list(dict.fromkeys(line.topic.theme for line in own))
        focus = (as_of.year, as_of.month) == (year, month)
        cells.append(
            html.Li(
                [
                    html.P(
                        [
                            html.Span(f"{month}月", className="month-number"),
                            f" {'、'.join(themes)}",
                            *([html.Span("本月重点", className="month-now")] if focus else []),
                        ],
                        className="month-head",
                    ),
                    html.Ul(
                        [
                            html.Li(
                                dcc.Link(
                                    [
                                        html.Span(
                                            SHAPES[line.status],
                                            className=f"shape status-{line.status}",
                                            **{"aria-hidden": "true"},
                                        ),
                                        html.Span(line.topic.name, className="month-topic"),
                                        html.Small(
                                            f"{STATUS_WORDS[line.status]} · "
                                            f"{STAGE_WORDS[line.stage]}"
                                        ),
                                    ],
                                    href=_topic_href(question, line.topic.code),
                                )
                            )
                            for line in own
                        ]
                    ),
                ],
                className="month is-focus" if focus else "month",
            )
        )
    return html.Section(
        [html.H2("全年各月", className="visually-hidden"), html.Ol(cells, className="months")],
        className="year",
    )


# --- Table --------------------------------------------------------------------------------------


@callback(Output("topics-table", "children"), Input("question", "data"))
@answers
def show_table(question: Question) -> html.Section:
    """Return the topics with bullet, gap, pace, forecast, complaints and 解决率."""
    year = year_of(question)
    question = _unnarrowed(question)
    found = lines(question, year)
    title = f"{len(found)}题进展"
    if not found:
        return panel(title, empty_state(), wide=True)
    as_of, rules = day_of(question, year), rules_of(question, year)
    counts = of_window(
        counts_by_window(
            question.snapshot, reader(), question.filters, question.windows[:1], "topic"
        ),
        "now",
    )
    rates = estimated(columns_of(counts), _RESOLUTION, question.rules)
    parts = (rates[name].tolist() for name in ("value", "n", "low", "high"))
    of_topic = dict(zip(counts["code"], zip(*parts, strict=True), strict=True))
    weeks = [w for w in weeks_before(as_of, as_of, SPARK_WEEKS + 1) if w.days == 7][-SPARK_WEEKS:]
    rows = []
    for line in _ordered(found, question.asked.order):
        shared = _topic_cells(question, line, of_topic.get(line.topic.code), weeks)
        rows.append(Row(shared | _target_cells(line, line.first, as_of)))
        rows += [
            # Another target of the same topic: its complaints stand in the row above.
            Row(
                {
                    "name": html.Span(
                        f"└ {line.standings[place].target.name}", className="same-topic"
                    )
                }
                | _target_cells(line, place, as_of)
            )
            for place in range(len(line.standings))
            if place != line.first
        ]
    columns = [
        Column("name", "每月一题"),
        Column("status", "状态"),
        Column("bullet", "完成情况", "center", "粗线完成 灰刻度序时 黑线目标"),
        Column("completion", "完成率", "end", "进度日期"),
        Column("gap", "与序时", "start", "百分点 · 数量"),
        Column("pace", "须达速度", "start", phone=False),
        Column("chance", "按期完成", "start", RANGE_WORDS, phone=False),
        Column("volume", f"近{rules.rise_weeks}周诉求", "end", "件 · 比预期", phone=False),
        Column("spark", f"近{SPARK_WEEKS}周", "center", phone=False),
        Column("resolution", "解决率", "end", INTERVAL_WORDS, phone=False),
        Column("lead", "主责", "start", phone=False),
    ]
    return panel(
        title,
        data_table(
            columns,
            rows,
            f"{year}年每月一题进展，进度截至{as_of}，{question.words}",
            caption_hidden=True,
        ),
        sentence=_table_sentence(found),
        note=f"进度为全市累计，截至{as_of}；近期诉求按所选地点和口径；解决率：{question.words}",
        actions=[_order_links(question)],
        wide=True,
    )


def _table_sentence(found: Sequence[Line]) -> str:
    hard = sum(line.hard for line in found)
    rising = [line.topic.name for line in found if line.volume.rising]
    parts = [f"预测按期完成难的{hard}题" if hard else "没有预测按期完成难的"]
    if rising:
        parts.append(f"诉求量明显高于预期的{len(rising)}题（{'、'.join(rising[:5])}）")
    else:
        parts.append("没有诉求量明显高于预期的")
    return "；".join(parts) + "。"


def _ordered(found: Sequence[Line], order: str) -> list[Line]:
    def gap(line: Line) -> float:
        now = line.standing
        return now.gap if now is not None and not math.isnan(now.gap) else math.inf

    keys: dict[str, Callable[[Line], Any]] = {
        "attention": lambda line: (ATTENTION[line.status], not line.volume.rising, gap(line)),
        "gap": gap,
        "month": lambda line: (line.topic.month, line.topic.code),
        "lead": lambda line: (line.lead_names, line.topic.month),
    }
    return sorted(found, key=keys[order])


def _order_links(question: Question) -> html.Span:
    links: list[Component | str] = ["排列："]
    for order, label in ORDER_LABELS.items():
        chosen = question.asked.order == order
        links.append(
            html.Span(label, className="order-now", **{"aria-current": "true"})
            if chosen
            else dcc.Link(label, href=PATH + to_search(question.asked.narrowed(order=order)))
        )
    return html.Span(links, className="orders")


def _topic_cells(
    question: Question,
    line: Line,
    rate: tuple[float, float, float, float] | None,
    weeks: Sequence[Window],
) -> dict[str, Content]:
    """Return what a row says of the topic, whatever its targets."""
    topic, several = line.topic, len(line.topic.targets)
    name: list[Content] = [
        link_cell(topic.name, _topic_href(question, topic.code)),
        html.Small(
            f"{topic.month}月 · {topic.theme}" + (f" · 共{several}项目标" if several > 1 else "")
        ),
    ]
    return {
        "name": name,
        "lead": line.lead_names,
        "volume": _volume_cell(line),
        "spark": sparkline(recent_weeks(line, weeks), _VOLUME),
        "resolution": _rate_cell(question.rules, *rate) if rate else f"{NO_VALUE}（无诉求）",
    }


def _rate_cell(rules: Rules, value: float, n: float, low: float, high: float) -> list[Content]:
    cell = [judged_cell(_RESOLUTION, value, n, rules.minimum_revisits)]
    if n >= rules.minimum_revisits:
        cell.append(html.Small(interval_text(_RESOLUTION, low, high)))
    return cell


def _target_cells(line: Line, place: int, as_of: dt.date) -> dict[str, Content]:
    """Return what a row says of one target; ``place`` −1: the topic has none."""
    if place < 0:
        return {"status": status_mark(line.status)}
    now, ahead = line.standings[place], line.forecasts[place]
    outlook = (
        ahead.reason
        if ahead.chance == "withheld"
        else f"{amount_of(now, ahead.low)}–{amount_of(now, ahead.high)}"
    )
    pace: list[Content] = [speed_text(now)]
    chance: list[Content] = [CHANCE_WORDS[ahead.chance], html.Small(outlook)]
    if now.required_pace > 0:
        pace.append(html.Small(_needed(now)))
        # Said once: of the forecast, or of the pace where there is none.
        if now.is_accelerating and ahead.chance == "withheld":
            pace.append(html.Small("计划后期加速"))
        elif now.is_accelerating:
            chance.append(html.Small(UNPLANNED))
    return {
        "status": _status_cell(line, now, as_of),
        "bullet": [bullet(now, ahead), html.Small(_goal(now))],
        "completion": [
            completion_text(now),
            html.Small(short_day(now.on_date) if now.on_date else "无进度"),
        ],
        "gap": _gap_cell(now),
        "pace": pace,
        "chance": chance,
    }


def _gap_cell(now: Standing) -> Content:
    if not math.isnan(now.gap):
        # Late and reached: there is no gap left to give an amount of.
        return gap_text(now) if now.days_late else [gap_text(now), html.Small(gap_amount(now))]
    if math.isnan(now.target.value):
        return f"{NO_VALUE}（无目标值）"
    return f"{NO_VALUE}（{'无进度' if now.target.scheduled else '不按序时'}）"


def _needed(now: Standing) -> str:
    """Return the pace that is needed, of an old figure from the day of the look."""
    needed = per_month(now, now.required_pace)
    return f"今起{needed}" if now.is_old else needed


def _goal(now: Standing) -> str:
    done = f"{now.target.name} {amount_of(now, now.actual)}"
    if math.isnan(now.target.value):
        return f"{done}（无目标值）"
    goal = amount_of(now, now.target.value)
    if not now.target.scheduled:
        return f"{done}，目标{'不高于' if now.target.direction == 'down' else '不低于'}{goal}"
    return f"{done} / {goal}"


def _status_cell(line: Line, now: Standing, as_of: dt.date) -> list[Content]:
    words = late_text(now, as_of)
    if now.status == "recovering":
        words = "近期曾滞后"
    if now.status in GOOD and line.volume.rising:
        words = "进度绿、诉求升"
    if now.status in _UNANSWERED and now.by_figures != now.status:
        # Nobody answers for it, but its figures say something all the same.
        words = words or STATUS_WORDS[now.by_figures]
    return [status_mark(now.status), *([html.Small(words)] if words else [])]


def _volume_cell(line: Line) -> list[Content]:
    change = line.volume.change
    if math.isnan(change):
        known = not math.isnan(line.volume.expected)
        return [
            count(line.volume.cases),
            html.Small("上年同期无诉求" if known else "无上年数据"),
        ]
    words = f"{'多' if change >= 0 else '少'}{share(abs(change))}"
    return [
        count(line.volume.cases),
        html.Small(f"▲ {words}" if line.volume.rising else words,
                   className="is-bad" if line.volume.rising else None),
    ]  # fmt: skip


# --- Rug ----------------------------------------------------------------------------------------


@callback(Output("topics-rug", "children"), Input("question", "data"))
@answers
def show_rug(question: Question) -> html.Section:
    """Return topics × districts: 解决率 against the rest as a shape, volume as a shade."""
    year = year_of(question)
    question = _unnarrowed(question)
    found = lines(question, year)
    districts = question.snapshot.reference.districts
    title = "各题在各区的解决率"
    if not found or len(districts) < 2:
        return panel(title, empty_state(), wide=True)
    counts = counts_by_topic_and_district(
        question.snapshot, reader(), question.filters, question.period.window
    )
    # Unplaced cases are outside: they stand for no district.
    of_topics = np.array([own[:-1] for own in counts.values()], dtype="float64")
    of_topics = of_topics.reshape(len(counts), len(districts), len(COUNT_COLUMNS))
    numbers = dict(zip(COUNT_COLUMNS, np.moveaxis(of_topics, 2, 0), strict=True))
    rates = estimated(numbers, _RESOLUTION, question.rules)
    marks = standings_together(numbers, _RESOLUTION, question.rules)
    figures = zip(marks, rates["value"].tolist(), numbers["cases"].tolist(), strict=True)
    cells_of = dict(zip(counts, figures, strict=True))
    below = 0
    rows = []
    places = [
        (code, name, to_search(question.asked.narrowed(district=(code,))))
        for code, name in zip(districts["code"].tolist(), districts["name"].tolist(), strict=True)
    ]
    for line in found:
        topic = line.topic
        cells: dict[str, Content] = {
            "name": link_cell(topic.name, _topic_href(question, topic.code))
        }
        if topic.code in cells_of:
            of_topic = list(zip(*cells_of[topic.code], strict=True))
            most = max(*(number for _, _, number in of_topic), 1)
            below += sum(mark == "below" for mark, _, _ in of_topic)
            for (code, district, search), (mark, rate, number) in zip(
                places, of_topic, strict=True
            ):
                cells[code] = _rug_cell(
                    mark,
                    rate,
                    int(number),
                    number / most,
                    f"{district}{topic.name}",
                    f"{PATH}/{topic.code}{search}",
                )
        rows.append(Row(cells))
    columns = [
        Column("name", "每月一题"),
        *(
            Column(str(code), str(short), "center")
            for code, short in zip(districts["code"], districts["short_name"], strict=True)
        ),
    ]
    return panel(
        title,
        html.Div(
            data_table(columns, rows, f"{title}，{question.words}", caption_hidden=True),
            className="rug",
        ),
        sentence=(
            f"{len(found)}题×{len(districts)}区中，"
            f"{below or '没有一'}处解决率明显低于同题其余各区。"
            "▲ 高于 ● 持平 ▼ 低于 □ 样本不足 ○ 未成熟；底色越深，该题在该区的诉求越多。"
        ),
        note=(
            f"{question.period.label} · {BASIS_LABELS[question.filters.basis]} · "
            f"高于、低于：各格合并检验，错误发现率{share(question.rules.false_discovery_rate)}"
        ),
        wide=True,
    )


def _rug_cell(mark: Mark, rate: float, cases: int, shade: float, name: str, href: str) -> dcc.Link:
    """Return one cell as one element: there are hundreds, and each costs."""
    shape, word = MARKS[mark]
    # Many revisits, but not all of them: not the same as too few.
    shape = "○" if mark == "immature" else shape
    tone = standing_tone(_RESOLUTION, mark)
    return dcc.Link(
        f"{shape} {f'{cases:,}件' if mark == 'insufficient' else share(rate)}",
        href=href,
        className=f"rug-cell shade-{min(int(4 * shade), 3)}" + (f" is-{tone}" if tone else ""),
        title=f"{name}{cases:,}件，解决率{word}",
    )


# --- Units --------------------------------------------------------------------------------------


@callback(Output("topics-units", "children"), Input("question", "data"))
@answers
def show_units(question: Question) -> html.Section:
    """Return the units with 主责 topics and tasks: tasks on time, topics, volume, 解决率."""
    year = year_of(question)
    question = _unnarrowed(question)
    found = lines(question, year)
    title = "主责、配合单位"
    if not found:
        return panel(title, empty_state(), wide=True)
    as_of = day_of(question, year)
    dates = _tasks_by_unit(question, year, as_of)
    counts = of_window(
        counts_by_window(
            question.snapshot, reader(), question.filters, question.windows[:1], "topic"
        ),
        "now",
    )
    leads: dict[str, list[Line]] = {}
    names: dict[str, str] = {}
    supports: Counter[str] = Counter()
    for line in found:
        for unit in line.topic.leads:
            leads.setdefault(unit.code, []).append(line)
            names[unit.code] = unit.name
        for unit in line.topic.supports:
            supports[unit.code] += 1
            names[unit.code] = unit.name
    # Tasks may lie with a unit that has no role in a topic, or with none.
    milestones = milestones_of_year(question.snapshot, year)
    for code, name in zip(milestones["unit_code"], milestones["unit"], strict=True):
        names.setdefault(code, name or "未写明单位")
    leading = sorted(
        leads, key=lambda code: (-sum(each.status in LATE for each in leads[code]), names[code])
    )
    least = question.rules.minimum_tasks
    rates = _resolution_of_units(question, {code: leads[code] for code in leading}, counts)
    rows = [
        Row(_unit_cells(question, names[code], leads[code], supports[code], dates.get(code),
                        rates.get(code), least))
        for code in leading
    ]  # fmt: skip
    helping = sorted(
        (code for code in dates if code not in leads and code in names),
        key=lambda code: (-dates[code].overdue, names[code]),
    )
    others = [
        Row(_unit_cells(question, names[code], [], supports[code], dates[code], None, least))
        for code in helping
    ]
    columns = [
        Column("name", "单位"),
        Column("topics", "主责题目"),
        Column("supports", "配合", "end", "题"),
        Column("due", "到期任务", "end", "项"),
        Column("on_time", "按时完成率", "end"),
        Column("overdue", "逾期未完", "end", "项"),
        Column("volume", "主责题诉求量", "end", "件", phone=False),
        Column("resolution", "主责题解决率", "end", phone=False),
        Column("interval", INTERVAL_WORDS, "center", phone=False),
    ]
    late = sum(each.overdue for each in dates.values())
    return panel(
        title,
        data_table(
            columns,
            rows,
            f"{title}，任务截至{as_of}，诉求{question.words}",
            apart=[Apart("不主责、只配合或承担任务的单位", others)],
            caption_hidden=True,
            tall=True,
        ),
        sentence=f"{len(leading)}个主责单位；到期任务中逾期未完{late}项。",
        note=f"任务截至{as_of}，到期任务少于{least}项的不算按时完成率；诉求：{question.words}",
        wide=True,
    )


def _tasks_by_unit(question: Question, year: int, as_of: dt.date) -> dict[str, Tasks]:
    milestones = milestones_of_year(question.snapshot, year)
    dates: dict[str, list[tuple[dt.date, dt.date | None]]] = {}
    for code, due, done in zip(
        *(milestones[name].tolist() for name in ("unit_code", "due_on", "done_on")), strict=True
    ):
        dates.setdefault(code, []).append((due, done))
    return {code: tasks(own, as_of) for code, own in sorted(dates.items())}


def _resolution_of_units(
    question: Question, leads: dict[str, list[Line]], counts: pd.DataFrame
) -> dict[str, dict[str, float]]:
    """Return unit → ``cases`` of its topics and the columns of ``estimate``; units with cases."""
    numbers = columns_of(counts)
    place = {code: row for row, code in enumerate(counts["code"])}
    rows = {
        code: [place[line.topic.code] for line in own if line.topic.code in place]
        for code, own in leads.items()
    }
    rows = {code: own for code, own in rows.items() if own}
    summed = {
        name: np.array([each[own].sum() for own in rows.values()]) for name, each in numbers.items()
    }
    found = estimated(summed, _RESOLUTION, question.rules) | {"cases": summed["cases"]}
    by_unit = zip(*(each.tolist() for each in found.values()), strict=True)
    return {
        code: dict(zip(found, figures, strict=True))
        for code, figures in zip(rows, by_unit, strict=True)
    }


def _unit_cells(
    question: Question,
    name: str,
    own: Sequence[Line],
    supported: int,
    done: Tasks | None,
    rate: dict[str, float] | None,
    least: int,
) -> dict[str, Content]:
    cells: dict[str, Content] = {
        "name": name,
        "topics": [_topic_mark(question, line.topic, line.status) for line in own] or "—",
        "supports": count(supported),
    }
    if done is not None:
        cells |= {
            "due": f"{count(done.due)} / {count(done.total)}",
            "on_time": share(done.on_time_rate)
            if done.due >= least
            else f"{NO_VALUE}（不足{least}项）",
            "overdue": count(done.overdue),
        }
    if rate is not None:
        cells |= {
            "volume": count(rate["cases"]),
            "resolution": value_cell(_RESOLUTION, rate["value"], rate["n"]),
            "interval": interval_bar(_RESOLUTION, rate["value"], rate["low"], rate["high"])
            if rate["n"] >= question.rules.minimum_revisits
            else "样本不足",
        }
    return cells


def _topic_mark(question: Question, topic: Topic, status: Status) -> html.Span:
    return html.Span(
        [
            dcc.Link(
                [
                    html.Span(SHAPES[status], className=f"shape status-{status}",
                              **{"aria-hidden": "true"}),
                    f" {topic.name}",
                    html.Span(f"（{STATUS_WORDS[status]}）", className="visually-hidden"),
                ],
                href=_topic_href(question, topic.code),
            ),
        ],
        className="topic-mark",
    )  # fmt: skip
