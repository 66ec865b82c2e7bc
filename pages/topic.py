"""One topic of 每月一题: will it make it, does it show in fewer complaints, where is it stuck?"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dash
import numpy as np
import pandas as pd
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component
from dash.exceptions import MissingCallbackContextException

from components.cards import headline_card
from components.figures.progress import (
    MOST_COURSES,
    MOST_EVENTS,
    Course,
    Event,
    figure_height,
    progress_figure,
    time_axis,
)
from components.figures.template import graph
from components.formatting import (
    NO_VALUE,
    RANGE_WORDS,
    amount,
    count,
    moment,
    share,
    short_day,
)
from components.page_strip import strip
from components.panel import panel
from components.plain import plain
from components.progress import (
    against_schedule,
    amount_of,
    gap_text,
    outlook_sentence,
    progress_sentence,
    status_mark,
)
from components.states import empty_state, loading, notice
from components.tables import (
    Apart,
    Column,
    Content,
    Row,
    data_table,
    judged_cell,
    link_cell,
    table_twin,
    weekly_table,
)
from components.tile_map import standing_mark
from components.topic import (
    DistrictProgress,
    case_list,
    effect_card,
    effect_words,
    event_list,
    event_text,
    milestone_list,
    nothing_mark,
    plain_amount,
    progress_tiles,
    recent_text,
    status_line,
    tasks_words,
    topic_answer,
    topic_card,
    volume_card,
    volume_words,
)
from data_access.case_counts import UNPLACED, counts_by_week, counts_by_window
from data_access.programme import (
    cases_of_topic,
    invented_dates,
    milestones_of_year,
    progress_by_district,
    progress_by_target,
    stock_by_district,
    topic_of_code,
    weekly_cases_by_district,
)
from data_access.projects import parts_by_district
from data_access.question import Question, names
from domain.comparison import Weeks, aligned, measured, of_window, weekly_estimates
from domain.effect import Effect, effect_of_launch, expected_weekly
from domain.filters import BASIS_LABELS, DIMENSION_LABELS, Filters, in_words, to_search
from domain.metrics import METRICS, columns_of, estimate, estimated, standings, total
from domain.periods import Window, weeks_before
from domain.programme import Tasks, Topic, tasks, volumes
from domain.rules import Rules
from domain.schedule import (
    GOOD,
    STAGE_WORDS,
    STATUS_WORDS,
    Figures,
    Forecast,
    Standing,
    forecast,
    known_at,
    own_target,
    stage,
    standing,
)
from pages._answers import answers, reader
from pages._programme import SPARK_WEEKS, Line, day_of, recent_weeks, rules_of

PATH = "/topics"
dash.register_page(
    __name__, path_template="/topics/<code>", title="每月一题 · 接诉即办督办看板", name="一题"
)

# A year before the first week of the figure, and the weeks before a launch.
COUNTED_WEEKS = 119
# Nothing done for so long is 零.
QUIET_WEEKS = 4
SHOWN_CASES = 8
CASE_LISTS = {"newest": "最新", "oldest_open": "最久未办结", "repeated": "近一年重复最多"}
LISTS = ("任务清单", "政策清单", "责任清单")
# What narrows the cases of this page; everything else is said to be left out.
IGNORED = ("topic", "category", "channel", "unit")
_RESOLUTION, _SATISFACTION, _VOLUME = (
    METRICS[key] for key in ("resolution", "satisfaction", "volume")
)


def layout(code: str | None = None, **_query: str) -> html.Div:
    """Return the empty page of a topic; its panels fill themselves."""
    return html.Div(
        [
            dcc.Store(id="topic-code", data=_of_path(code)),
            loading(html.Div(id="topic-summary"), "18rem"),
            loading(html.Div(id="topic-progress"), "44rem"),
            loading(html.Div(id="topic-effect"), "14rem"),
            loading(html.Div(id="topic-districts"), "34rem"),
            loading(html.Div(id="topic-tasks"), "24rem"),
            loading(html.Div(id="topic-units"), "12rem"),
            loading(html.Div(id="topic-cases"), "30rem"),
        ],
        className="page page-topic",
    )


def _of_path(code: str | None) -> str | None:
    """Return the code in the path; Dash lets a key ``code`` of the query take its place."""
    try:
        path = dash.ctx.inputs.get("_pages_location.pathname")
    except (MissingCallbackContextException, LookupError):
        return code  # Dash looks at the layout at its start, outside of any callback
    return dash.strip_relative_path(path).removeprefix("topics/") if path else code


# --- What the panels are about ------------------------------------------------------------------


class _Subject(NamedTuple):
    """The topic of the page and the day at which it is told."""

    question: Question
    topic: Topic
    as_of: dt.date
    rules: Rules

    @property
    def cases(self) -> Filters:
        """The filters of its cases: period, place and 口径."""
        return self.question.filters.narrowed(
            topic=(self.topic.code,), category=(), channel=(), unit=()
        )

    @property
    def everywhere(self) -> Filters:
        """The same of the whole city."""
        return self.cases.narrowed(district=(), subdistrict=())

    @property
    def words(self) -> str:
        """What the cases are, in words; the topic stands in the title."""
        return _in_words(self.question)

    def href(self, **changes: str | tuple[str, ...]) -> str:
        """Return the link to this page with other filters."""
        return f"{PATH}/{self.topic.code}{to_search(self.question.asked.narrowed(**changes))}"


def _in_words(question: Question) -> str:
    asked = question.filters.narrowed(topic=(), category=(), channel=(), unit=())
    return in_words(asked, question.period.label, names(question.snapshot), question.snapshot.city)


def _subject(question: Question, code: str) -> _Subject | None:
    topic = topic_of_code(question.snapshot, code)
    if topic is None:
        return None
    return _Subject(question, topic, day_of(question, topic.year), rules_of(question, topic.year))


def _states(subject: _Subject) -> tuple[tuple[Standing, ...], tuple[Forecast, ...]]:
    """Return where the targets stand and lead; they depend on nothing that is filtered."""
    topic, as_of, rules = subject.topic, subject.as_of, subject.rules
    figures = progress_by_target(subject.question.snapshot, topic.year)

    def compute() -> tuple[tuple[Standing, ...], tuple[Forecast, ...]]:
        known = [figures.get(target.code, ()) for target in topic.targets]
        return (
            tuple(
                standing(target, each, as_of, rules, bool(topic.leads))
                for target, each in zip(topic.targets, known, strict=True)
            ),
            tuple(
                forecast(target, each, as_of, rules)
                for target, each in zip(topic.targets, known, strict=True)
            ),
        )

    return subject.question.snapshot.cached(("topic states", topic.code), compute)


def _weeks(subject: _Subject) -> tuple[Window, ...]:
    """Return the weeks that are counted, the newest cut at the day."""
    return tuple(weeks_before(subject.as_of, subject.as_of, COUNTED_WEEKS))


def _weekly(subject: _Subject, filters: Filters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the weekly cases of the topic and of no topic by district."""
    return weekly_cases_by_district(
        subject.question.snapshot, reader(), filters, _weeks(subject), subject.topic.code
    )


def _line(subject: _Subject) -> Line:
    """Return the topic as /topics lists it, without the other topics of its year."""
    question, topic = subject.question, subject.topic
    filters = question.filters
    key = ("topic line", reader(), topic.code, filters.basis, filters.district, filters.subdistrict)

    def compute() -> Line:
        weeks = [week for week in _weeks(subject) if week.days == 7]
        own, others = (_by_week(frame, weeks) for frame in _weekly(subject, filters))
        (volume,) = volumes(own[np.newaxis], others, subject.rules)
        now, ahead = _states(subject)
        lifecycle = stage(
            topic.launched_on,
            topic.closed_on,
            [each.status for each in now],
            volume.rising,
            subject.as_of,
            subject.rules,
        )
        return Line(topic, now, ahead, volume, tuple(own[-SPARK_WEEKS:]), lifecycle)

    return question.snapshot.cached(key, compute)


def _by_week(frame: pd.DataFrame, weeks: Sequence[Window]) -> np.ndarray:
    place = {week.start: position for position, week in enumerate(weeks)}
    counted = np.zeros(len(weeks))
    for start, cases in zip(frame["week_start"], frame["cases"], strict=True):
        if start in place:
            counted[place[start]] += cases
    return counted


def _counts_by_week(subject: _Subject) -> pd.DataFrame:
    """Return the weekly counts of the figure and of the sparklines, which may reach further."""
    topic, weeks = subject.topic, _weeks(subject)
    first, _ = time_axis(topic.targets, topic.year, subject.as_of)
    shown = max(SPARK_WEEKS, sum(week.start >= first for week in weeks))
    return counts_by_week(
        subject.question.snapshot, reader(), subject.cases, weeks[-shown:], "district"
    )


def _figures(subject: _Subject, code: str) -> Figures:
    """Return the city's figures of a target that were known on the day."""
    figures = progress_by_target(subject.question.snapshot, subject.topic.year)
    return known_at(figures.get(code, ()), subject.as_of)


def _invented(subject: _Subject, code: str) -> frozenset[dt.date]:
    """Return the days of figures nobody published; only the demo has such."""
    return invented_dates(subject.question.snapshot, code)


def _is_invented(subject: _Subject, now: Standing) -> bool:
    return now.on_date is not None and now.on_date in _invented(subject, now.target.code)


def _urgent_first(line: Line) -> list[int]:
    """Return the places of the targets, the one that needs attention most first."""
    others = (place for place in range(len(line.standings)) if place != line.first)
    return [line.first, *others] if line.standings else []


# --- Summary ------------------------------------------------------------------------------------


@callback(
    Output("topic-summary", "children"), Input("question", "data"), Input("topic-code", "data")
)
@answers
def show_summary(question: Question, code: str) -> html.Div:
    """Return the answer sentence, who answers for it, and a card for each target."""
    subject = _subject(question, code)
    if subject is None:
        return _no_such_topic(question, code)
    line = _line(subject)
    now, ahead = line.standing, line.forecast
    outlook = outlook_sentence(now, ahead) if now and ahead else ""
    cards = [
        topic_card(
            line.standings[place],
            line.forecasts[place],
            subject.as_of,
            _is_invented(subject, line.standings[place]),
        )
        for place in _urgent_first(line)
    ]
    return html.Div(
        [
            strip(
                topic_answer(subject.topic.name, now, subject.as_of, line.volume),
                f"进度截至 {subject.as_of} · {subject.words}",
                question.snapshot.cutoff,
                question.rules.version,
                question.snapshot.key,
                question.snapshot.is_demo,
                link=f"{PATH}/{subject.topic.code}{question.canonical}",
                extra_actions=[
                    dcc.Link(
                        "全部题目",
                        href=PATH + to_search(question.asked),
                        className="action",
                    )
                ],
            ),
            notice(_ignored(question), "本页只随时段、区、街道乡镇与口径变化，下列筛选未采用"),
            *([html.P(f"{outlook}。", className="topic-outlook")] if outlook else []),
            _facts(subject, line),
            html.Section(
                [html.H2("目标", className="visually-hidden"), *cards],
                className=f"topic-cards topic-cards-{min(len(cards), 3)}",
            )
            if cards
            else empty_state("这一题没有可以计量的目标", title="没有目标"),
        ]
    )


def _no_such_topic(question: Question, code: str) -> html.Div:
    named = "".join(letter for letter in code if letter.isprintable())[:30]
    return html.Div(
        [
            strip(
                "没有这一题",
                _in_words(question),
                question.snapshot.cutoff,
                question.rules.version,
                question.snapshot.key,
                question.snapshot.is_demo,
                link=PATH + question.canonical,
            ),
            empty_state(
                f"本数据版本没有编号为“{named}”的每月一题" if named else "链接里没有题目的编号",
                title="请从全部题目中选一题",
            ),
            html.P(
                dcc.Link("返回每月一题", href=PATH + to_search(question.asked)),
                className="topic-back",
            ),
        ]
    )


def _ignored(question: Question) -> list[str]:
    return [DIMENSION_LABELS[name] for name in IGNORED if getattr(question.filters, name)]


def _facts(subject: _Subject, line: Line) -> html.Ul:
    """Return who answers for the topic, where it is in its life, how fresh its figures are."""
    topic, now = subject.topic, line.standing
    status = status_line(now, subject.as_of) if now else [status_mark(line.status)]
    facts: list[list[Any]] = [
        status,
        [f"主责：{line.lead_names}"],
        [f"阶段：{STAGE_WORDS[line.stage]}"],
        [f"{topic.month}月重点 · {topic.theme}"],
    ]
    if topic.launched_on is not None:
        coming = topic.launched_on > subject.as_of
        facts.append([f"{'定于' if coming else ''}{topic.launched_on}启动"])
    if topic.closed_on is not None and topic.closed_on <= subject.as_of:
        facts.append([f"{topic.closed_on}销号"])
    if now is not None and now.on_date is not None:
        invented = "（虚构）" if _is_invented(subject, now) else ""
        facts.append([f"最新进度：{now.on_date}{invented}"])
    if subject.cases != subject.everywhere:
        facts.append([f"进度为全市，诉求为{subject.question.place}"])
    if topic.is_example:
        facts.append([html.Strong("示例题", className="demo-mark", title="不是公布的题目")])
    if line.status in GOOD and line.volume.rising:
        facts.append([html.Strong("◆ 进度绿、诉求升", className="topic-alert")])
    return html.Ul([html.Li(fact) for fact in facts], className="topic-facts")


# --- The main picture ---------------------------------------------------------------------------


@callback(
    Output("topic-progress", "children"), Input("question", "data"), Input("topic-code", "data")
)
@answers
def show_progress(question: Question, code: str) -> html.Section | html.Div:
    """Return targets, events, complaints and rates on one time axis."""
    subject = _subject(question, code)
    if subject is None:
        return html.Div()
    line = _line(subject)
    courses = [
        Course(
            line.standings[place],
            line.forecasts[place],
            _figures(subject, line.standings[place].target.code),
            _invented(subject, line.standings[place].target.code),
        )
        for place in _urgent_first(line)
    ]
    axis = time_axis(subject.topic.targets, subject.topic.year, subject.as_of)
    events, more = _events(subject, axis)
    weeks = [week for week in _weeks(subject) if week.start >= axis[0]]
    volume = expected_weekly(*_weekly(subject, question.filters), weeks, subject.rules)
    rows = _counts_by_week(subject)
    rates = {
        metric.key: weekly_estimates(rows, weeks, metric, question.rules)
        for metric in (_RESOLUTION, _SATISFACTION)
    }
    ripe = rates["resolution"].loc[rates["resolution"]["mature"], "n"]
    answered = float(ripe.median()) if len(ripe) else 0.0
    least = question.rules.minimum_revisits
    drawn = [course for course in courses if course.drawable][:MOST_COURSES]
    shown = rates if answered >= least else {}
    figure = progress_figure(
        drawn, events, volume if volume["cases"].sum() else None, shown, axis, subject.as_of
    )
    panels = (1 + len(shown)) * bool(volume["cases"].sum())
    sentence = _progress_sentence(line, courses, volume, answered, least)
    title = f"{subject.topic.year}年进度与诉求"
    told = "；".join(event_text(each, subject.as_of) for each in events)
    return panel(
        title,
        html.Div(
            [
                graph(
                    figure,
                    f"{title}：{sentence}{told}",
                    "topic-progress-graph",
                    figure_height(len(drawn), events, axis, panels),
                ),
                event_list(events, more, subject.as_of),
            ]
        ),
        sentence=sentence,
        note=_progress_note(subject, drawn),
        twin=table_twin(title, _week_table(weeks, courses, volume, rates)),
        wide=True,
    )


def _progress_sentence(
    line: Line, courses: Sequence[Course], volume: pd.DataFrame, answered: float, least: int
) -> str:
    parts = [progress_sentence(course.standing) for course in courses] or ["没有目标"]
    if len(courses) > MOST_COURSES:
        parts.append(f"图中为最需要关注的{MOST_COURSES}项，其余见数据表")
    if not volume["cases"].sum():
        parts.append("图中各周没有诉求")
    else:
        parts.append(volume_words(line.volume))
        if answered < least:
            parts.append(
                f"每周有效回访（中位数）{count(answered)}件，少于最小样本{least}件，"
                "不按周画解决率、满意率"
            )
    return "；".join(parts) + "。"


def _progress_note(subject: _Subject, drawn: Sequence[Course]) -> str:
    marks = []
    if any(course.target.scheduled for course in drawn):
        marks.append("阶梯为完成，虚线为序时，横线为目标")
    if any(course.ahead.chance != "withheld" for course in drawn):
        marks.append(f"浅色为预测（{RANGE_WORDS}）")
    shown = [(on, course.invented) for course in drawn for on, _ in course.figures]
    if any(on in invented for on, invented in shown):
        published = any(on not in invented for on, invented in shown)
        marks.append("圆点为公布的进度，其余进度为虚构" if published else "进度为虚构（演示）")
    basis = BASIS_LABELS[subject.question.filters.basis]
    told = f"进度为全市，截至{subject.as_of}；诉求：{subject.question.place}，按创建周，{basis}"
    return "，".join(marks) + ("。" if marks else "") + told


def _events(subject: _Subject, axis: tuple[dt.date, dt.date]) -> tuple[list[Event], int]:
    """Return the events of the figure by day, and how many more there were.

    The launch, milestones that are overdue, policies, then the newest tasks.
    """
    topic, as_of = subject.topic, subject.as_of
    events: list[Event] = []
    if topic.launched_on is not None and axis[0] <= topic.launched_on <= as_of:
        events.append(Event(topic.launched_on, "启动"))
    candidates: list[tuple[int, int, Event]] = []
    for row in _milestones(subject).itertuples(index=False):
        if row.list == "责任清单":
            continue
        words = f"{row.name}（{'，'.join(part for part in (row.list, row.unit) if part)}）"
        if row.done_on is not None and axis[0] <= row.done_on <= as_of:
            urgent = 1 if row.list == "政策清单" else 2
            candidates.append((urgent, -row.done_on.toordinal(), Event(row.done_on, words)))
        elif (row.done_on is None or row.done_on > as_of) and axis[0] <= row.due_on < as_of:
            candidates.append((0, row.due_on.toordinal(), Event(row.due_on, words, done=False)))
    candidates.sort(key=lambda each: each[:2])
    room = MOST_EVENTS - len(events)
    events += [event for _, _, event in candidates[:room]]
    return sorted(events, key=lambda event: event.on), max(len(candidates) - room, 0)


def _week_table(
    weeks: Sequence[Window],
    courses: Sequence[Course],
    volume: pd.DataFrame,
    rates: dict[str, pd.DataFrame],
) -> pd.DataFrame:
    """Return the weeks of the figure as texts, the newest last."""
    table = weekly_table({METRICS[key]: frame for key, frame in rates.items()})
    columns: dict[str, list[str]] = {}
    for course in courses:
        target = course.target
        done = [known_at(course.figures, week.end) for week in weeks]
        columns[f"{target.name}（{target.unit}）"] = [
            amount(known[-1][1], target.unit, target.value) if known else NO_VALUE for known in done
        ]
        if target.scheduled:
            columns[f"{target.name}序时"] = [
                share(target.planned(week.end) / target.value, 2) for week in weeks
            ]
    columns["诉求量"] = [count(cases) for cases in volume["cases"]]
    columns["预期"] = [count(expected) for expected in volume["expected"]]
    for place, (name, texts) in enumerate(columns.items()):
        table.insert(place + 1, name, texts)
    return table


# --- Effect -------------------------------------------------------------------------------------


@callback(
    Output("topic-effect", "children"), Input("question", "data"), Input("topic-code", "data")
)
@answers
def show_effect(question: Question, code: str) -> html.Section | html.Div:
    """Return whether citizens feel it: change since the launch, recent complaints, 解决率."""
    subject = _subject(question, code)
    if subject is None:
        return html.Div()
    line, effect = _line(subject), _effect(subject)
    # Whoever may not see the whole city compares within what he may see.
    everywhere = "全市" if reader().is_whole else question.snapshot.city
    whose = "" if subject.cases == subject.everywhere else everywhere
    parts: list[Component] = []
    if line.status in GOOD and line.volume.rising:
        parts.append(
            html.P(
                f"◆ 进度绿、诉求升：进度{STATUS_WORDS[line.status]}，"
                f"而{volume_words(line.volume)}，实效须查。",
                className="topic-alert",
            )
        )
    parts.append(
        html.Div(
            [
                effect_card(effect),
                volume_card(line.volume, _spark_weeks(subject, line)),
                _resolution_card(subject),
            ],
            className="topic-effect",
        )
    )
    return panel(
        "进度之外，看实效",
        html.Div(parts),
        sentence=f"{whose}{effect_words(effect)}；{volume_words(line.volume)}。",
        note=f"诉求：{subject.words}；与对照比较的为{everywhere}",
        wide=True,
    )


def _effect(subject: _Subject) -> Effect:
    """Return the effect of the launch, of the whole city; it costs a model, hence kept."""
    question, topic = subject.question, subject.topic

    def compute() -> Effect:
        if topic.launched_on is None:
            nan = math.nan
            return Effect(nan, nan, nan, nan, 0, 0, 0, False, "启动日期不明")
        return effect_of_launch(
            *_weekly(subject, subject.everywhere), topic.launched_on, subject.as_of
        )

    key = ("topic effect", reader(), topic.code, question.filters.basis)
    return question.snapshot.cached(key, compute)


def _spark_weeks(subject: _Subject, line: Line) -> Weeks:
    whole = [week for week in _weeks(subject) if week.days == 7][-len(line.weekly) :]
    return recent_weeks(line, whole)


def _resolution_card(subject: _Subject) -> html.Article:
    question = subject.question
    windows = dict(question.windows)
    rows = counts_by_window(
        question.snapshot, reader(), subject.cases, question.windows, "district"
    )
    before = {
        label: (total(of_window(rows, name)), windows[name].days)
        for name, label in (("previous", "环比"), ("year", "同比"))
    }
    (now,) = measured(
        _RESOLUTION, total(of_window(rows, "now")), before, question.rules, windows["now"].days
    )
    weeks = _weeks(subject)[-SPARK_WEEKS:]
    return headline_card(
        now,
        weekly_estimates(_counts_by_week(subject), weeks, _RESOLUTION, question.rules),
        definition_href=f"/definitions{to_search(question.asked)}#resolution",
        extra=question.period.label
        + (
            f"；□ 样本不足，少于{question.rules.minimum_revisits}件，不作判断"
            if 0 < now.n < question.rules.minimum_revisits
            else ""
        ),
    )


# --- Districts ----------------------------------------------------------------------------------


@callback(
    Output("topic-districts", "children"), Input("question", "data"), Input("topic-code", "data")
)
@answers
def show_districts(question: Question, code: str) -> html.Section | html.Div:
    """Return where it is stuck: progress, complaints and 解决率 of every district."""
    subject = _subject(question, code)
    if subject is None:
        return html.Div()
    districts = question.snapshot.reference.districts
    title = "各区进展"
    reported = _reported(subject)
    counts = of_window(
        counts_by_window(
            question.snapshot, reader(), subject.everywhere, question.windows, "district"
        ),
        "now",
    )
    if reported is None and not counts["cases"].sum():
        return panel(title, empty_state("各区没有上报进度，时段内也没有诉求"), wide=True)
    rows = _district_rows(subject, reported) if reported else []
    table = _district_table(subject, reported, rows, districts, counts)
    if reported is None:
        return panel(
            title,
            table,
            sentence="没有分区上报的进度，只列诉求。",
            note=f"诉求：{_city_words(subject)}",
            wide=True,
        )
    target, at = reported.now.target, reported.at
    span = (dt.date(target.start_on.year, 1, 1), max(subject.as_of, target.start_on))
    return panel(
        f"{title}：{target.name}",
        html.Div(
            [progress_tiles(rows, target, reported.weeks, span), table],
            className="topic-split topic-split-goals" if reported.own else "topic-split",
        ),
        sentence=_district_sentence(rows, reported),
        note=f"进度截至{at}；诉求与解决率：{_city_words(subject)}",
        wide=True,
    )


class _Reported(NamedTuple):
    """A target that districts report on: their figures and stock by code, the newest day.

    ``own``: where those with a goal of their own stand against it.
    """

    now: Standing
    figures: dict[str, Figures]
    stock: dict[str, float]
    at: dt.date
    city: float
    own: dict[str, Standing]

    @property
    def weeks(self) -> str:
        """The weeks in which districts are said to have added something, in words.

        They end with the newest figure; when that is old they are not the last ones.
        """
        if (self.now.as_of - self.at).days < 7:
            return f"近{QUIET_WEEKS}周"
        return f"截至{short_day(self.at)}的{QUIET_WEEKS}周"


def _reported(subject: _Subject) -> _Reported | None:
    """Return the most urgent target with figures of districts; None for none."""
    snapshot, now = subject.question.snapshot, _states(subject)[0]
    for place in _urgent_first(_line(subject)):
        target = now[place].target
        figures: dict[str, Figures] = {
            code: known
            for code, each in progress_by_district(snapshot, reader(), target.code).items()
            if (known := known_at(each, subject.as_of))
        }
        if figures and target.cumulative:
            at = max(each[-1][0] for each in figures.values())
            city = known_at(_figures(subject, target.code), at)
            return _Reported(
                now[place],
                figures,
                stock_by_district(snapshot, reader(), target.code),
                at,
                city[-1][1] if city else math.nan,
                _own_standings(subject, now[place], figures),
            )
    return None


def _own_standings(
    subject: _Subject, now: Standing, figures: dict[str, Figures]
) -> dict[str, Standing]:
    """Return district code → where it stands against its own goal, as its own page tells it."""
    if not now.target.scheduled:
        return {}
    target, snapshot = now.target, subject.question.snapshot

    def compute() -> dict[str, Standing]:
        parts = parts_by_district(snapshot, reader(), target.code)
        return {
            code: standing(
                own_target(target, part.goal),
                figures.get(code, ()),
                subject.as_of,
                subject.rules,
                bool(subject.topic.leads),
            )
            for code, part in parts.items()
            if part.goal > 0
        }

    return snapshot.cached(("own standings", reader(), target.code), compute)


def _district_rows(subject: _Subject, reported: _Reported) -> list[DistrictProgress]:
    question, rows = subject.question, []
    for row in question.snapshot.reference.districts.itertuples(index=False):
        code = str(row.code)
        figures = reported.figures.get(code, ())
        value = figures[-1][1] if figures else math.nan
        stock = reported.stock.get(code, math.nan)
        recent = _added(figures, reported)
        left = reported.now.by_figures != "done" and not stock - value <= 0
        placed = not (pd.isna(row.tile_row) or pd.isna(row.tile_column))
        rows.append(
            DistrictProgress(
                code,
                str(row.short_name),
                figures,
                value,
                recent,
                recent <= 0 and left,
                value / stock if stock > 0 else math.nan,
                value / reported.city if reported.city > 0 else math.nan,
                subject.href(district=(code,), subdistrict=()),
                (int(row.tile_row), int(row.tile_column)) if placed else None,
                code in question.filters.district,
            )
        )
    return rows


def _added(figures: Figures, reported: _Reported) -> float:
    """Return what was added in the last weeks; NaN when it was not yet reported then."""
    if not figures:
        return math.nan
    then = reported.at - dt.timedelta(weeks=QUIET_WEEKS)
    known = known_at(figures, then)
    if known:
        return figures[-1][1] - known[-1][1]
    return figures[-1][1] if then < reported.now.target.start_on else math.nan


def _city_words(subject: _Subject) -> str:
    question = subject.question
    basis = BASIS_LABELS[question.filters.basis]
    return f"{question.period.label} · {question.snapshot.city} · {basis}"


def _district_sentence(rows: Sequence[DistrictProgress], reported: _Reported) -> str:
    known = [row for row in rows if row.figures]
    idle = [row.name for row in rows if row.idle]
    parts = []
    chosen = [row for row in rows if row.chosen and row.figures]
    for row in chosen[:3]:
        added = "" if math.isnan(row.recent) else f"，{reported.weeks}{_plus(row, reported)}"
        parts.append(
            f"{row.name}累计{amount(row.value, reported.now.target.unit, row.value)}，"
            f"占全市的{share(row.of_city)}{_against_own(reported, row.code)}{added}"
        )
    if idle:
        listed = "、".join(idle[:5]) + ("等" if len(idle) > 5 else "")
        listed += f"{len(idle)}个区" if len(idle) > 1 else ""
        parts.append(f"{listed}{reported.weeks}没有进展")
    elif reported.now.by_figures == "done":
        parts.append("全市目标已完成")
    elif all(row.recent > 0 for row in known):
        parts.append(f"{len(known)}个区{reported.weeks}均有进展")
    most = sorted(known, key=lambda row: -row.value)[:3]
    part = sum(row.of_city for row in most)
    if len(known) > 3 and not math.isnan(part):
        parts.append(f"{'、'.join(row.name for row in most)}占全市已完成的{share(part)}")
    return "；".join(parts or [f"{len(known)}个区有进度"]) + "。"


def _against_own(reported: _Reported, code: str) -> str:
    """Return a district's own goal as part of a sentence; "" without one."""
    own = reported.own.get(code)
    if own is None or own.on_date is None:
        return ""
    goal = amount_of(own, own.target.value)
    return f"，完成本区任务{goal}的{share(own.completion)}，{against_schedule(own)}"


def _number(reported: _Reported, value: float) -> str:
    """Return an amount without its unit, which stands in the head of the column, to the last."""
    largest = max((figures[-1][1] for figures in reported.figures.values()), default=0.0)
    return plain_amount(value, largest)


def _added_text(reported: _Reported, value: float) -> str:
    return f"{'+' if value > 0 else ''}{_number(reported, value)}"


def _plus(row: DistrictProgress, reported: _Reported) -> str:
    return recent_text(reported.now.target, row.recent)


def _district_table(
    subject: _Subject,
    reported: _Reported | None,
    rows: Sequence[DistrictProgress],
    districts: pd.DataFrame,
    counts: pd.DataFrame,
) -> html.Div:
    rules = subject.question.rules
    of_district = aligned(counts, districts)
    rates = estimated(columns_of(of_district), _RESOLUTION, rules)
    marks = standings(of_district, _RESOLUTION, rules)
    progress = {row.code: row for row in rows}
    stock = bool(reported and reported.stock)
    lines = []
    figures = zip(
        *(each.tolist() for each in (of_district["cases"], rates["value"], rates["n"])),
        strict=True,
    )
    for place, (code, name, (cases, value, n)) in enumerate(
        zip(districts["code"], districts["name"], figures, strict=True)
    ):
        own = progress.get(str(code))
        cells: dict[str, Content] = {
            "name": link_cell(str(name), subject.href(district=(str(code),), subdistrict=())),
            "cases": count(cases),
            "resolution": judged_cell(_RESOLUTION, value, n, rules.minimum_revisits),
            "standing": standing_mark(_RESOLUTION, marks[place]),
        }
        if own is not None and reported is not None:
            cells |= _progress_cells(own, reported)
            if reported.own:
                cells |= _own_cells(reported, own.code)
        order = own.of_stock if own and stock else -own.value if own else 0.0
        chosen = str(code) in subject.question.filters.district
        lines.append((math.isnan(order), order, place, Row(cells, marked=chosen)))
    lines.sort(key=lambda each: each[:3])
    columns = [
        Column("name", "区"),
        *(
            [
                Column("value", "累计", "end", reported.now.target.unit),
                Column("of_city", "占全市", "end", phone=False),
                *([Column("of_stock", "占存量", "end", "本区")] if stock else []),
                *(
                    [
                        Column("goal", "本区任务", "end", reported.now.target.unit, phone=False),
                        Column("completion", "完成率", "end", "本区任务"),
                        Column("gap", "与序时", "end", "百分点", phone=False),
                    ]
                    if reported.own
                    else []
                ),
                Column("recent", reported.weeks, "end", "新增"),
            ]
            if reported
            else []
        ),
        Column("cases", "诉求量", "end", "件"),
        Column("resolution", "解决率", "end", "n 有效回访"),
        Column("standing", "解决率与其余", phone=False),
    ]
    caption = f"各区进展与诉求，{_city_words(subject)}"
    return data_table(
        columns,
        [line[3] for line in lines],
        caption,
        total=_city_row(subject, reported, rows, counts),
        apart=_unplaced(subject, reported, rows, counts),
        caption_hidden=True,
    )


def _progress_cells(own: DistrictProgress, reported: _Reported) -> dict[str, Content]:
    if not own.figures:
        return {"value": f"{NO_VALUE}（没有进度）"}
    recent: Content = f"{NO_VALUE}（不足{QUIET_WEEKS}周）"
    if own.idle:
        recent = nothing_mark(reported.weeks)
    elif not math.isnan(own.recent):
        recent = _added_text(reported, own.recent)
    return {
        "value": _number(reported, own.value),
        "of_city": share(own.of_city),
        "of_stock": share(own.of_stock),
        "recent": recent,
    }


def _own_cells(reported: _Reported, code: str) -> dict[str, Content]:
    """Return a district's own goal, how much of it is done, and the gap to the timetable."""
    own = reported.own.get(code)
    if own is None:
        return {"goal": f"{NO_VALUE}（未分解）"}
    cells: dict[str, Content] = {"goal": _number(reported, own.target.value)}
    if own.on_date is not None:
        cells |= {
            "completion": share(own.completion),
            "gap": _short_gap(own),
        }
    return cells


def _short_gap(now: Standing) -> str:
    """Return the gap without its unit, which stands in the head of the column: "慢7.9"."""
    return gap_text(now).removesuffix("个百分点")


def _city_row(
    subject: _Subject,
    reported: _Reported | None,
    rows: Sequence[DistrictProgress],
    counts: pd.DataFrame,
) -> Row:
    whole = total(counts)
    rate = estimate(whole, _RESOLUTION, subject.question.rules).iloc[0]
    least = subject.question.rules.minimum_revisits
    if not reader().is_whole:
        # Progress of the city beside cases of a part would be one row of two things.
        return Row({"name": "全市", "value": _number(reported, reported.city)} if reported else {})
    cells: dict[str, Content] = {
        "name": subject.question.snapshot.city,
        "cases": count(float(whole["cases"].iloc[0])),
        "resolution": judged_cell(_RESOLUTION, rate["value"], rate["n"], least),
    }
    if reported is not None:
        known = sum(reported.stock.values())
        city = _added(known_at(_figures(subject, reported.now.target.code), reported.at), reported)
        cells |= {
            "value": _number(reported, reported.city),
            "of_city": share(1.0) if reported.city > 0 else NO_VALUE,
            "of_stock": share(reported.city / known) if known > 0 else NO_VALUE,
            "recent": NO_VALUE if math.isnan(city) else _added_text(reported, city),
        }
        if reported.own:
            # Of the same day as the districts'.
            known_then = known_at(_figures(subject, reported.now.target.code), reported.at)
            now = standing(reported.now.target, known_then, subject.as_of, subject.rules)
            cells |= {
                "goal": _number(reported, now.target.value),
                "completion": share(now.completion),
                "gap": _short_gap(now),
            }
    return Row(cells)


def _unplaced(
    subject: _Subject,
    reported: _Reported | None,
    rows: Sequence[DistrictProgress],
    counts: pd.DataFrame,
) -> list[Apart]:
    """Return what belongs to no district: cases not placed, progress not reported by one."""
    if reader().districts is not None:
        return []  # what is left of the city is the other districts'
    outside = counts[counts["code"] == UNPLACED]
    cells: dict[str, Content] = {}
    if not outside.empty:
        rate = estimate(total(outside), _RESOLUTION, subject.question.rules).iloc[0]
        least = subject.question.rules.minimum_revisits
        cells |= {
            "cases": count(float(outside["cases"].sum())),
            "resolution": judged_cell(_RESOLUTION, rate["value"], rate["n"], least),
        }
    if reported is not None and not math.isnan(reported.city):
        rest = reported.city - sum(row.value for row in rows if row.figures)
        if abs(rest) >= 0.5:
            cells |= {
                "value": _number(reported, rest),
                "of_city": share(rest / reported.city) if reported.city > 0 else NO_VALUE,
            }
    if not cells:
        return []
    return [Apart("不属于任何一个区，只计入全市", [Row({"name": "未定位到区", **cells})])]


# --- Tasks --------------------------------------------------------------------------------------


def _milestones(subject: _Subject) -> pd.DataFrame:
    rows = milestones_of_year(subject.question.snapshot, subject.topic.year)
    return rows[(rows["topic"] == subject.topic.code).to_numpy()]


def _of_list(subject: _Subject, rows: pd.DataFrame, name: str) -> tuple[pd.DataFrame, Tasks]:
    """Return the milestones of one list and their account."""
    own = rows[(rows["list"] == name).to_numpy()]
    return own, tasks(_dates(own), subject.as_of)


def _dates(rows: pd.DataFrame) -> list[tuple[dt.date, dt.date | None]]:
    return list(zip(rows["due_on"], rows["done_on"], strict=True))


@callback(Output("topic-tasks", "children"), Input("question", "data"), Input("topic-code", "data"))
@answers
def show_tasks(question: Question, code: str) -> html.Section | html.Div:
    """Return the three lists of milestones with what became of each."""
    subject = _subject(question, code)
    return html.Div() if subject is None else _unfiltered(subject, _tasks_panel)


def _unfiltered(subject: _Subject, draw: Callable[[_Subject], Component]) -> Component:
    """Return a panel in which nothing is filtered: it is drawn once."""
    key = (draw.__name__, reader(), subject.topic.code, subject.as_of)
    drawn: Component = subject.question.snapshot.cached(key, lambda: plain(draw(subject)))
    return drawn


def _tasks_panel(subject: _Subject) -> html.Section:
    rows = _milestones(subject)
    title = "任务、政策、责任清单"
    if rows.empty:
        return panel(
            title,
            empty_state("导入里程碑后在此列出", title="没有清单"),
            wide=True,
        )
    lists = {name: _of_list(subject, rows, name) for name in LISTS if (rows["list"] == name).any()}
    done = tasks(_dates(rows), subject.as_of)
    return panel(
        title,
        html.Div(
            [milestone_list(name, *each, subject.as_of) for name, each in lists.items()],
            className="topic-lists",
        ),
        sentence=f"{tasks_words(done, subject.rules)}。",
        note=f"截至{subject.as_of}，按期限排列",
        wide=True,
    )


# --- Units --------------------------------------------------------------------------------------


@callback(Output("topic-units", "children"), Input("question", "data"), Input("topic-code", "data"))
@answers
def show_units(question: Question, code: str) -> html.Section | html.Div:
    """Return who leads and who supports, with their part of the milestones."""
    subject = _subject(question, code)
    return html.Div() if subject is None else _unfiltered(subject, _units_panel)


def _units_panel(subject: _Subject) -> html.Section:
    topic, rows = subject.topic, _milestones(subject)
    title = "主责、配合单位"
    roles = {unit.code: (unit.name, "主责") for unit in topic.leads}
    for unit in topic.supports:
        roles.setdefault(unit.code, (unit.name, "配合"))
    for unit_code, name in zip(rows["unit_code"], rows["unit"], strict=True):
        if unit_code:
            roles.setdefault(str(unit_code), (str(name), "承担任务"))
    if not roles:
        return panel(title, empty_state("这一题没有主责与配合单位", title="无主责"), wide=True)
    busy, idle = [], []
    for unit_code, (name, role) in roles.items():
        own = rows[(rows["unit_code"] == unit_code).to_numpy()]
        if own.empty and role == "配合":
            idle.append(name)
        else:
            busy.append(Row(_unit_cells(subject, name, role, own, len(rows))))
    columns = [
        Column("name", "单位"),
        Column("role", "角色"),
        Column("tasks", "清单任务", "end", "项"),
        Column("part", "占比", "end", phone=False),
        Column("due", "到期", "end", "项"),
        Column("on_time", "按时", "end", "项"),
        Column("late", "迟完成", "end", "项"),
        Column("overdue", "逾期未完", "end", "项"),
        Column("rate", "按时完成率", "end"),
    ]
    lead = "、".join(unit.name for unit in topic.leads)
    sentence = f"{lead}主责" if lead else "没有主责单位"
    sentence += f"，{len(topic.supports)}个单位配合" if topic.supports else "，没有配合单位"
    parts: list[Component] = [
        data_table(
            columns,
            busy,
            f"{topic.name}{title}，截至{subject.as_of}",
            caption_hidden=True,
            tall=True,
        )
    ]
    if idle:
        parts.append(html.P(f"没有清单任务的配合单位：{'、'.join(idle)}。", className="panel-note"))
    return panel(
        title,
        html.Div(parts),
        sentence=f"{sentence}。",
        note=f"三张清单合计，截至{subject.as_of}；到期不足{subject.rules.minimum_tasks}项的不算率",
        wide=True,
    )


def _unit_cells(
    subject: _Subject, name: str, role: str, own: pd.DataFrame, everything: int
) -> dict[str, Content]:
    done = tasks(_dates(own), subject.as_of)
    least = subject.rules.minimum_tasks
    return {
        "name": name,
        "role": html.Strong(role) if role == "主责" else role,
        "tasks": count(done.total),
        "part": share(done.total / everything) if everything else NO_VALUE,
        "due": count(done.due),
        "on_time": count(done.on_time),
        "late": count(done.late),
        "overdue": count(done.overdue),
        "rate": share(done.on_time_rate) if done.due >= least else f"{NO_VALUE}（不足{least}项）",
    }


# --- Cases --------------------------------------------------------------------------------------


@callback(Output("topic-cases", "children"), Input("question", "data"), Input("topic-code", "data"))
@answers
def show_cases(question: Question, code: str) -> html.Section | html.Div:
    """Return the newest cases, the oldest open ones, and those that most others repeat."""
    subject = _subject(question, code)
    if subject is None:
        return html.Div()
    title = "具体诉求"
    found = cases_of_topic(question.snapshot, reader(), question.filters, code, SHOWN_CASES)
    lists = [
        case_list(name, kind, found[kind], question.snapshot.cutoff)
        for kind, name in CASE_LISTS.items()
    ]
    basis = BASIS_LABELS[question.filters.basis]
    return panel(
        title,
        html.Div(lists, className="topic-cases"),
        note=f"最新、最久未办结不限时段，截至{moment(question.snapshot.cutoff)} · "
        f"{question.place} · {basis} · 每表最多{SHOWN_CASES}件 · 不含来电人信息",
        wide=True,
    )
