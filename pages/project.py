"""One project of the ledger: how far it is, since when it stands, who acts next, who complains."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any
from urllib.parse import quote, unquote

import dash
from dash import Input, Output, callback, dcc, html

from components.figures.project import (
    Ahead,
    Axis,
    Mark,
    course_figure,
    course_height,
    months_figure,
    months_height,
)
from components.figures.template import graph
from components.formatting import NO_VALUE, count, day, share, short_day
from components.page_strip import strip
from components.panel import panel
from components.projects import (
    UNKNOWN,
    deadline_text,
    fact_list,
    number_card,
    project_cells,
    quiet_text,
    units_text,
    weeks_text,
)
from components.states import empty_state, loading, notice
from components.tables import Column, Content, Row, data_table, table_twin
from components.topic import case_list, nothing_mark
from data_access.projects import (
    cases_around_by_month,
    newest_cases_around,
    project_of_code,
)
from data_access.question import Question
from domain.filters import BASIS_LABELS, DIMENSION_LABELS, to_search
from domain.projects import Project, ordered, place_by_remaining
from domain.rules import Rules
from pages._answers import answers, reader
from pages._projects import IGNORED, PATH, Ledger, ledger_of

dash.register_page(
    __name__, path_template="/projects/<code>", title="项目台账 · 接诉即办督办看板", name="一个项目"
)

SHOWN_CASES = 8
# A figure reaches no further ahead, however long a project usually takes.
_MOST_AHEAD = dt.timedelta(days=730)


def layout(code: str | None = None, **_query: str) -> html.Div:
    """Return the empty page of a project; its panels fill themselves."""
    return html.Div(
        [
            dcc.Store(id="project-code", data=code),
            loading(html.Div(id="project-summary"), "20rem"),
            loading(html.Div(id="project-course"), "24rem"),
            loading(html.Div(id="project-cases"), "30rem"),
            loading(html.Div(id="project-similar"), "14rem"),
        ],
        className="page page-project",
    )


def _found(question: Question, code: str) -> tuple[Ledger, Project] | None:
    """Return the project that a text from the URL names, with its ledger; None for none."""
    for name in (code, unquote(code)):
        project = project_of_code(question.snapshot, reader(), name)
        if project is not None:
            ledger = ledger_of(question, project.target)
            return None if ledger is None else (ledger, project)
    return None


def _back(question: Question) -> str:
    return PATH + to_search(question.asked)


# --- Summary ------------------------------------------------------------------------------------


@callback(
    Output("project-summary", "children"), Input("question", "data"), Input("project-code", "data")
)
@answers
def show_summary(question: Question, code: str) -> html.Div:
    """Return the answer sentence, the facts, and the project's place among all."""
    found = _found(question, code)
    if found is None:
        return _no_such_project(question, code)
    ledger, project = found
    ignored = [
        DIMENSION_LABELS[name]
        for name in ("district", "subdistrict", *IGNORED)
        if getattr(question.filters, name)
    ]
    return html.Div(
        [
            _strip(
                question,
                _answer(ledger, project),
                f"{ledger.target.name} · {project.code} · "
                f"{project.district_name or '未定位'} {project.subdistrict_name} · 台账不分时段",
                f"{PATH}/{quote(project.code, safe='')}",
                ledger.rules,
            ),
            notice(ignored, "本页只讲一个项目，下列筛选未采用"),
            _cards(ledger, project),
            fact_list(_facts(ledger, project)),
        ]
    )


def _strip(question: Question, title: str, scope: str, path: str, rules: Rules) -> html.Header:
    return strip(
        title,
        scope,
        question.snapshot.cutoff,
        rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=path + question.canonical,
        extra_actions=[dcc.Link("全部项目", href=_back(question), className="action")],
    )


def _no_such_project(question: Question, code: str) -> html.Div:
    named = "".join(letter for letter in unquote(code) if letter.isprintable())[:30]
    return html.Div(
        [
            _strip(question, "没有这个项目", question.place, PATH, question.rules),
            empty_state(
                f"本数据版本的台账没有编号为“{named}”的项目" if named else "链接里没有项目的编号",
                title="请从全部项目中选一个",
            ),
            html.P(dcc.Link("返回项目台账", href=_back(question)), className="topic-back"),
        ]
    )


def _answer(ledger: Ledger, project: Project) -> str:
    """Return the title: what is left, and for how long nothing has moved.

    As in 云汐家园：2,412套未办，已33周没有进展.
    """
    unit = ledger.target.unit
    if project.finished:
        return f"{project.name}：{units_text(project.units, unit)}已全部办结"
    words = [
        f"{project.name}：{units_text(project.remaining, unit)}未办",
        quiet_text(project, ledger.as_of),
    ]
    late = project.overdue_days(ledger.as_of)
    if late:
        words.append(f"逾期{count(late)}天")
    return "，".join(words)


def _cards(ledger: Ledger, project: Project) -> html.Section:
    unit, as_of = ledger.target.unit, ledger.as_of
    done = project.done / project.units if project.units else math.nan
    cards = [
        number_card(
            "剩余",
            count(project.remaining),
            unit,
            [f"共{units_text(project.units, unit)}", f"已办{count(project.done)}，占{share(done)}"],
        ),
        _quiet_card(ledger, project),
        _place_card(ledger, project),
        _needed_card(ledger, project),
        _deadline_card(project, as_of),
    ]
    return html.Section(
        [html.H2("概况", className="visually-hidden"), html.Div(cards, className="figure-cards")]
    )


def _quiet_card(ledger: Ledger, project: Project) -> html.Article:
    weeks, moved = project.quiet_weeks(ledger.as_of), project.moved_on
    if project.finished:
        return number_card("没有进展", NO_VALUE, "", ["已办结"])
    if weeks is None or moved is None:
        return number_card("没有进展", NO_VALUE, "", ["最近一次进展不详"])
    zero = ledger.rules.zero_weeks
    last: list[Any] = [f"最近一次进展{day(moved)}"]
    if ledger.is_zero(project):
        last.append([nothing_mark(f"近{zero}周"), f" 满{zero}周"])
    return number_card(
        "没有进展", count(weeks), "周", last, "bad" if ledger.is_zero(project) else ""
    )


def _place_card(ledger: Ledger, project: Project) -> html.Article:
    """Return the place of a project by what is left: in its district, and in the city."""
    name = "剩余量的名次"
    if project.finished:
        return number_card(name, NO_VALUE, "", ["已办结"])
    lines = []
    everywhere = [each for each in ledger.projects if not each.finished]
    here = [each for each in everywhere if each.district == project.district]
    left = sum(each.remaining for each in here)
    # Whoever sees some districts only is not told of a place among all.
    whole = reader().districts is None
    if project.district:
        lines.append(
            f"{project.district_name}第{place_by_remaining(project, here)} / {count(len(here))}，"
            f"占其剩余的{share(project.remaining / left)}"
        )
    if not whole:
        return number_card(name, str(place_by_remaining(project, here)), "", lines)
    return number_card(
        name,
        f"第{place_by_remaining(project, everywhere)}",
        f"/ {count(len(everywhere))}",
        [f"{ledger.question.snapshot.city}未办结项目，剩余最多者第1", *lines],
    )


def _needed_card(ledger: Ledger, project: Project) -> html.Article:
    """Return the usual weeks that are needed against those that the target leaves."""
    name, due = "通常还需", ledger.target.due_on
    needed = 0.0 if project.finished else ledger.usual.weeks_needed(project)
    left = ledger.days_left / 7
    allowed = (
        f"到{due}目标期限还有{weeks_text(math.floor(left))}"
        if left >= 0
        else f"目标期限{due}已过{-ledger.days_left}天"
    )
    if project.finished:
        return number_card(name, NO_VALUE, "", ["已办结"])
    if math.isnan(needed):
        return number_card(name, NO_VALUE, "", ["本阶段没有通常用时", allowed])
    verdict = (
        f"按通常用时来不及，差{weeks_text(math.ceil(needed - left))}"
        if ledger.too_long(project)
        else f"按通常用时来得及，余{weeks_text(math.floor(left - needed))}"
    )
    return number_card(
        name,
        f"{needed:g}",
        "周",
        [allowed, html.Strong(verdict) if ledger.too_long(project) else verdict],
        "bad" if ledger.too_long(project) else "",
    )


def _deadline_card(project: Project, as_of: dt.date) -> html.Article:
    due = project.deadline
    if due is None:
        return number_card("期限", NO_VALUE, "", ["没有写期限"])
    late = project.overdue_days(as_of)
    if project.finished:
        return number_card("期限", short_day(due), f"{due.year}年", ["已办结"])
    words = f"逾期{count(late)}天" if late else deadline_text(due, as_of)
    return number_card(
        "期限",
        short_day(due),
        f"{due.year}年",
        [html.Strong(words) if late else words, project.next_step],
        "bad" if late else "",
    )


def _facts(ledger: Ledger, project: Project) -> list[tuple[str, Content]]:
    """Return what the ledger knows of a project: term and words."""
    stood = project.weeks_in_stage(ledger.as_of)
    since = (
        f"自{day(project.stage_since)}，已{count(stood)}周"
        if project.stage_since is not None and stood is not None
        else "起始不详"
    )
    ordinary = ledger.usual.weeks_of_stage(project.stage)
    if not math.isnan(ordinary):
        since += f"（本阶段通常{weeks_text(ordinary)}）"
    return [
        ("区", project.district_name or UNKNOWN),
        ("街道乡镇", project.subdistrict_name or UNKNOWN),
        ("社区", project.community or UNKNOWN),
        ("阶段", [html.Strong(project.stage), f" {since}"]),
        ("成因", "、".join(project.causes) or UNKNOWN),
        ("卡点", project.blocker or UNKNOWN),
        ("下一步", project.next_step or UNKNOWN),
        ("责任单位", project.owner or UNKNOWN),
        ("开发单位", project.developer or UNKNOWN),
    ]


# --- Course -------------------------------------------------------------------------------------


def _ahead(ledger: Ledger, project: Project) -> list[Ahead]:
    """Return the stages to come, each at its usual length; none where a length is not known.

    What the causes add stands in the present stage, whose time so far is not taken off.
    """
    usual, order = ledger.usual, ledger.usual.order
    needed = usual.weeks_needed(project)
    if project.finished or math.isnan(needed) or project.stage not in order:
        return []
    result = []
    first = ledger.as_of
    for stage in order[order.index(project.stage) : -1]:
        weeks = usual.weeks_of_stage(stage)
        if math.isnan(weeks):
            return []
        if stage == project.stage:
            weeks += needed - usual.stages[stage]
        last = first + dt.timedelta(days=round(7 * weeks))
        result.append(Ahead(stage, first, last))
        first = last
    return result


def _axis(ledger: Ledger, project: Project) -> Axis:
    """Return the time axis of the course: from the first entry to the last day that matters.

    There is room before it for the first number, on a phone too.
    """
    first = min([ledger.as_of, *(span.entered_on for span in project.stages)])
    ends = [ledger.as_of, ledger.target.due_on, *(each.last for each in _ahead(ledger, project))]
    if project.deadline is not None:
        ends.append(project.deadline)
    last = max(ledger.as_of, min(max(ends), ledger.as_of + _MOST_AHEAD))
    return first - (last - first) / 7, last + (last - first) / 40


@callback(
    Output("project-course", "children"), Input("question", "data"), Input("project-code", "data")
)
@answers
def show_course(question: Question, code: str) -> html.Section | html.Div:
    """Return the stages and what is done on a time axis, beside the log of the project."""
    found = _found(question, code)
    if found is None:
        return html.Div()
    ledger, project = found
    title = "步骤与进展"
    if not project.stages:
        return panel(title, empty_state("台账没有写各阶段的日期", title="没有步骤"), wide=True)
    unit, axis, ahead = ledger.target.unit, _axis(ledger, project), _ahead(ledger, project)
    known = [span.stage for span in project.stages]
    order = list(dict.fromkeys([*(ledger.usual.order or known), *known]))
    marks = [Mark(ledger.as_of, f"截至{short_day(ledger.as_of)}")]
    if project.deadline is not None and project.deadline <= axis[1]:
        marks.append(Mark(project.deadline, f"项目期限{day(project.deadline)}"))
    if ledger.target.due_on <= axis[1]:
        marks.append(Mark(ledger.target.due_on, f"目标期限{day(ledger.target.due_on)}"))
    figure = course_figure(
        project.stages, ahead, order, project.figures, project.units, unit, marks, axis,
        ledger.as_of,
    )  # fmt: skip
    sentence = _course_sentence(ledger, project, ahead)
    return panel(
        title,
        html.Div(
            [
                graph(
                    figure,
                    f"{title}：{sentence}",
                    "project-course-graph",
                    course_height(len(order), bool(project.figures)),
                ),
                _log_table(project, unit),
            ],
            className="project-split",
        ),
        sentence=sentence,
        note="实条为已停留，数字为周"
        + ("，斜纹为按通常用时推算，不是承诺" if ahead else "")
        + f"；截至{ledger.as_of}",
        wide=True,
    )


def _course_sentence(ledger: Ledger, project: Project, ahead: list[Ahead]) -> str:
    present = project.stages[-1]
    if project.finished:
        return f"{day(present.entered_on)}进入“{present.stage}”，已全部办结。"
    parts = [f"{day(present.entered_on)}进入“{present.stage}”，{quiet_text(project, ledger.as_of)}"]
    if ahead:
        parts.append(
            f"按通常用时约{ahead[-1].last.year}年{ahead[-1].last.month}月办结，"
            + ("晚于" if ledger.too_long(project) else "不晚于")
            + "目标期限"
        )
    return "；".join(parts) + "。"


def _log_table(project: Project, unit: str) -> html.Div:
    """Return what happened to the project, the newest first."""
    rows, before = [], 0
    for entry in project.log:
        happened = [f"进入“{entry.stage}”"] if entry.stage is not None else []
        added: Content = ""
        if entry.done is not None:
            happened.append(f"累计已办{count(entry.done)}{unit}")
            added = f"{'+' if entry.done > before else ''}{count(entry.done - before)}"
            before = entry.done
        if entry.note:
            happened.append(entry.note)
        rows.append(
            Row({"on": day(entry.on_date), "what": "，".join(happened) or NO_VALUE, "added": added})
        )
    columns = [
        Column("on", "日期"),
        Column("what", "进展"),
        Column("added", "新增", "end", unit),
    ]
    caption = f"{project.name}的进展记录，最新在前"
    return data_table(
        columns,
        rows[::-1],
        caption,
        empty="没有进展记录",
        caption_hidden=True,
        tall=True,
    )


# --- Complaints ---------------------------------------------------------------------------------


@callback(
    Output("project-cases", "children"), Input("question", "data"), Input("project-code", "data")
)
@answers
def show_cases(question: Question, code: str) -> html.Section | html.Div:
    """Return the complaints of the topic in the project's community: by month, and the newest."""
    found = _found(question, code)
    if found is None:
        return html.Div()
    ledger, project = found
    title = f"同社区“{ledger.topic.name}”诉求"
    if not project.community:
        return panel(
            title, empty_state("台账没有写社区，不能与诉求对应", title="没有社区"), wide=True
        )
    basis = question.filters.basis
    about = (question.snapshot, reader(), basis, ledger.topic.code, project)
    monthly = cases_around_by_month(*about)
    total, still = int(monthly["cases"].sum()), int(monthly["open"].sum())
    place = f"{project.subdistrict_name or project.district_name}{project.community}"
    since = question.snapshot.first_day or ledger.as_of
    note = f"{day(since)}至{ledger.as_of}，{place}，{BASIS_LABELS[basis]}"
    note += "；同一社区的诉求未必都指本项目"
    if not total:
        state = empty_state("该社区没有这一题的诉求", title="没有诉求")
        return panel(title, state, note=note, wide=True)
    recent = int(monthly["cases"].iloc[-13:-1].sum())
    sentence = f"共{count(total)}件，未办结{count(still)}件；最近12个整月{count(recent)}件。"
    if len(monthly) < 13:
        sentence = f"共{count(total)}件，未办结{count(still)}件。"
    twin = monthly.rename(columns={"cases": "诉求", "open": "其中未办结"})
    twin.insert(0, "月份", [f"{month:%Y-%m}" for month in twin.pop("month")])
    figure = months_figure(monthly, ledger.as_of, since)
    newest = newest_cases_around(*about, SHOWN_CASES)
    return panel(
        title,
        html.Div(
            [
                html.Div(
                    [
                        html.H3("每月诉求"),
                        graph(
                            figure, f"{title}：{sentence}", "project-cases-graph", months_height()
                        ),
                        table_twin(f"{title}，按月", twin),
                    ]
                ),
                html.Div(
                    case_list("最新", "newest", newest, question.snapshot.cutoff),
                    className="topic-cases",
                ),
            ],
            className="project-split project-split-cases",
        ),
        sentence=sentence,
        note=f"{note}；按月，件，深色为未办结，斜纹为不足一个月",
        wide=True,
    )


# --- Similar ------------------------------------------------------------------------------------


@callback(
    Output("project-similar", "children"), Input("question", "data"), Input("project-code", "data")
)
@answers
def show_similar(question: Question, code: str) -> html.Section | html.Div:
    """Return the other projects of the same developer."""
    found = _found(question, code)
    if found is None:
        return html.Div()
    ledger, project = found
    title = "同一开发单位的其他项目"
    if not project.developer:
        return panel(title, empty_state("台账没有写开发单位", title="没有开发单位"), wide=True)
    others = [
        each
        for each in ledger.projects
        if each.developer == project.developer and each.code != project.code
    ]
    if not others:
        state = empty_state(f"{project.developer}在台账中只有这一个项目", title="没有其他项目")
        return panel(title, state, wide=True)
    unit, weeks = ledger.target.unit, ledger.rules.zero_weeks
    columns = [
        Column("name", "项目", note="编号"),
        Column("place", "地点"),
        Column("units", "总数", "end", unit, phone=False),
        Column("remaining", "剩余", "end", unit),
        Column("stage", "阶段", phone=False),
        Column("causes", "成因", phone=False),
        Column("quiet", "无进展", "end", f"周，零：满{weeks}周"),
        Column("deadline", "期限", phone=False),
    ]
    rows = [
        Row(project_cells(each, ledger.href(each), ledger.as_of, weeks))
        for each in ordered(others, "remaining", ledger.as_of)
    ]
    left = sum(each.remaining for each in others)
    zero = sum(ledger.is_zero(each) for each in others)
    return panel(
        title,
        data_table(columns, rows, f"{project.developer}的其他项目", caption_hidden=True, tall=True),
        sentence=f"{project.developer}另有{count(len(others))}个项目，剩余"
        f"{units_text(left, unit)}，其中{count(zero)}个近{weeks}周没有进展。",
        note=f"截至{ledger.as_of}，剩余最多的在前",
        wide=True,
    )
