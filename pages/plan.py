"""达标方案: the fewest projects that reach the year's target, and what happens without some."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.choices import choice_group
from components.exports.sheets import Export, Head, Sheet, export_links
from components.formatting import NO_VALUE, amount, count, day, share
from components.page_strip import strip
from components.panel import panel
from components.states import empty_state, loading, notice
from components.tables import Column, Content, Row, data_table, link_cell
from data_access.programme import progress_by_target
from data_access.projects import durations
from data_access.question import Question
from domain.filters import Filters, to_search
from domain.plan import REASON_WORDS, Candidate, Choice, Limits, Plan, plan
from domain.projects import Project
from domain.schedule import Standing, fastest_pace, standing
from pages._answers import answers, reader
from pages._exports import about, exported
from pages._targeting import Subject, holders, projects_of_target, subject_of

PATH = "/plan"
dash.register_page(__name__, path=PATH, title="达标方案 · 接诉即办督办看板", name="达标方案")

_STRETCHES = (100, 125, 150, 200, 300)
# The fewest are found at once; the rest of the time looks for the quickest among them.
_SECONDS = 2.0
_DAYS_IN_WEEK = 7


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="plan-summary"), "12rem"),
            loading(html.Div(id="plan-projects"), "40rem"),
            loading(html.Div(id="plan-districts"), "24rem"),
        ],
        className="page page-plan",
    )


def _href(question: Question, **changes: str | tuple[str, ...]) -> str:
    return PATH + to_search(question.asked.narrowed(**changes))


class _Planned(NamedTuple):
    """The plan with what it was made from; ``unknown``: codes the URL names and nobody knows."""

    now: Standing
    projects: Mapping[str, Project]
    weeks: Mapping[str, float]
    capacity: Mapping[str, float]
    weeks_left: float
    plan: Plan
    unknown: tuple[str, ...]
    twice: tuple[str, ...]


def _planned(subject: Subject) -> _Planned:
    filters = subject.question.filters
    key = ("plan", reader(), subject.target.code, subject.rules, filters.fix, filters.bar)
    return subject.question.snapshot.cached(key, lambda: _make(subject, filters))


def _make(subject: Subject, filters: Filters) -> _Planned:
    question, target, rules = subject.question, subject.target, subject.rules
    figures = progress_by_target(question.snapshot, subject.topic.year).get(target.code, ())
    now = standing(target, figures, subject.as_of, rules)
    open_projects = {
        project.code: project
        for project in projects_of_target(question, target)
        if not project.finished
    }
    usual = durations(question.snapshot)
    weeks = {code: usual.weeks_needed(project) for code, project in open_projects.items()}
    weeks_left = max((target.due_on - subject.as_of).days, 0) / _DAYS_IN_WEEK
    capacity = {}
    for holder in holders(subject, "district"):
        pace = fastest_pace(holder.figures, rules.zero_weeks)
        if not math.isnan(pace):
            capacity[holder.code] = rules.plan_stretch * pace * weeks_left
    asked = {*filters.fix, *filters.bar}
    twice = tuple(sorted({*filters.fix} & {*filters.bar}))
    made = plan(
        [
            Candidate(
                project.code,
                project.district,
                float(project.remaining),
                weeks[project.code],
                project.deadline,
            )
            for project in open_projects.values()
        ],
        Limits(
            missing=now.remaining if not math.isnan(now.remaining) else target.value,
            weeks_left=weeks_left,
            capacity=capacity,
            # Who is in both is left out: the more careful of the two wishes.
            fixed=frozenset(filters.fix) - frozenset(twice),
            barred=frozenset(filters.bar),
            due_on=target.due_on,
        ),
        _SECONDS,
    )
    return _Planned(
        now, open_projects, weeks, capacity, weeks_left, made,
        tuple(sorted(asked - set(open_projects))), twice,
    )  # fmt: skip


def _answer(subject: Subject, made: _Planned) -> str:
    """Return the title: how many projects are enough, or what is missing all the same."""
    target, found = subject.target, made.plan
    goal = amount(target.value, target.unit, target.value)
    if found.missing <= 0:
        return f"{target.name}：{goal}的目标已经达到"
    lacking = amount(found.missing, target.unit, found.missing)
    if not found.reachable:
        most = amount(found.units, target.unit, found.units)
        short = amount(found.short, target.unit, found.short)
        return f"{target.name}：还差{lacking}，现有项目按能力最多再办{most}，仍缺{short}"
    proven = "已证最少" if found.optimal else f"至多可再省{found.gap}个"
    return f"{target.name}：还差{lacking}达到{goal}，办结{found.count}个项目即可（{proven}）"


@callback(Output("plan-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer, what limits the plan, and the choices."""
    subject = subject_of(question)
    if subject is None or not projects_of_target(question, subject.target):
        return html.Div(
            [
                strip(
                    "没有可以排方案的项目台账",
                    question.words,
                    question.snapshot.cutoff,
                    question.rules.version,
                    question.snapshot.key,
                    question.snapshot.is_demo,
                    link=PATH + question.canonical,
                ),
                empty_state("导入项目台账（projects）后，在此排出达标方案", title="没有项目台账"),
            ]
        )
    made = _planned(subject)
    filters, rules = question.filters, subject.rules
    actions: list[Component] = [
        dcc.Link(
            "抓零抓大户", href=f"/targeting{to_search(question.asked.shared)}", className="action"
        ),
        *export_links("plan", question.canonical, "方案"),
    ]
    stretches = sorted({*_STRETCHES, round(100 * rules.plan_stretch)})
    reset = []
    if filters.fix or filters.bar or filters.stretch:
        reset = [
            dcc.Link(
                "恢复原方案", href=_href(question, fix=(), bar=(), stretch=""), className="action"
            )
        ]
    trial = " · 试算" if subject.trial or filters.fix or filters.bar else ""
    return html.Div(
        [
            strip(
                _answer(subject, made),
                f"{subject.topic.name} · {question.snapshot.city} · 进度截至{subject.as_of}"
                f" · 到{subject.target.due_on}还有{made.weeks_left:.0f}周{trial}",
                question.snapshot.cutoff,
                subject.rules.version,
                question.snapshot.key,
                question.snapshot.is_demo,
                link=PATH + question.canonical,
                extra_actions=actions,
            ),
            notice(
                [f"项目“{code}”" for code in made.unknown], "未办结的台账里没有下列项目，未采用"
            ),
            notice([f"项目“{code}”" for code in made.twice], "下列项目既必选又排除，按排除处理"),
            html.Div(
                [
                    choice_group(
                        "区办理能力：历史最快周速的",
                        [
                            (
                                f"{part / 100:g}倍",
                                _href(question, stretch=str(part)),
                                math.isclose(part / 100, rules.plan_stretch),
                            )
                            for part in stretches
                        ],
                    ),
                    *reset,
                ],
                className="choices",
            ),
            html.P(_explanation(subject, made), className="panel-sentence"),
        ]
    )


def _explanation(subject: Subject, made: _Planned) -> str:
    """Return how the plan was chosen, in sentences."""
    found, unit = made.plan, subject.target.unit
    parts = []
    if found.chosen:
        parts.append(
            f"{found.count}个项目剩余合计{amount(found.units, unit, found.units)}，"
            f"全部办结即达到所差的{amount(found.missing, unit, found.missing)}"
            if found.reachable
            else f"{found.count}个项目全部办结，共{amount(found.units, unit, found.units)}"
        )
    if found.optimal and found.reachable:
        equal = "，且在个数相同的方案中总周数最少" if found.quickest else ""
        parts.append(f"再少一个项目就达不到（精确求解{equal}）")
    elif found.reachable:
        parts.append(f"限时内未证明最少，下限为{found.bound}个")
    reasons = Counter(found.excluded.values())
    if reasons:
        listed = "、".join(f"{REASON_WORDS[key]}{n}个" for key, n in reasons.most_common())
        parts.append(f"不能选的：{listed}")
    if found.binding:
        names = _district_names(subject)
        full = "、".join(names.get(load.district, "未写区") for load in found.binding[:6])
        parts.append(f"能力用足的区：{full}")
    if found.conflicts:
        broken = "、".join(made.projects[code].name for code in sorted(found.conflicts)[:5])
        parts.append(f"必选而超出限制的：{broken}")
    return "；".join(parts) + ("。" if parts else "")


def _district_names(subject: Subject) -> dict[str, str]:
    districts = subject.question.snapshot.reference.districts
    return dict(zip(districts["code"], districts["short_name"], strict=True))


@callback(Output("plan-projects", "children"), Input("question", "data"))
@answers
def show_projects(question: Question) -> html.Section | html.Div:
    """Return the projects of the plan, why each is in it, and links that fix or bar it."""
    subject = subject_of(question)
    if subject is None or not projects_of_target(question, subject.target):
        return html.Div()
    made = _planned(subject)
    title = "方案里的项目"
    if not made.plan.chosen:
        return panel(
            title, empty_state("目标已经达到，或没有可选的项目", title="不需要"), wide=True
        )
    columns = [
        Column("name", "项目"),
        Column("district", "区"),
        Column("remaining", "剩余", "end", subject.target.unit),
        Column("stage", "阶段"),
        Column("causes", "成因", phone=False),
        Column("weeks", "通常还需", "end", "周"),
        Column("why", "为什么选它", phone=False),
        Column("change", "改方案"),
    ]
    rows = [Row(_cells(subject, made, choice), choice.fixed) for choice in made.plan.choices]
    total = Row({"name": "合计", "remaining": count(made.plan.units)})
    barred = [code for code in question.filters.bar if code in made.projects]
    parts: list[Component] = [
        data_table(columns, rows, f"{title}，截至{subject.as_of}", total=total, caption_hidden=True)
    ]
    if barred:
        parts.append(
            html.P(
                [
                    "已排除：",
                    *(
                        html.Span(
                            [
                                f"{made.projects[code].name} ",
                                dcc.Link("取消", href=_href(question, bar=_without(barred, code))),
                                "　",
                            ]
                        )
                        for code in barred
                    ),
                ],
                className="panel-note",
            )
        )
    return panel(
        title,
        html.Div(parts),
        sentence="必选或排除一个项目，方案随即重排；链接可以发给别人。",
        note="“通常还需”按所处阶段与成因的常规周数，办过一部分的不再加成因的周数",
        wide=True,
    )


def _without(codes: list[str] | tuple[str, ...], code: str) -> tuple[str, ...]:
    return tuple(each for each in codes if each != code)


def _cells(subject: Subject, made: _Planned, choice: Choice) -> dict[str, Content]:
    question, project = subject.question, made.projects[choice.code]
    filters = question.filters
    shared = to_search(question.asked.shared)
    fix = (
        dcc.Link("取消必选", href=_href(question, fix=_without(filters.fix, choice.code)))
        if choice.fixed
        else dcc.Link("必选", href=_href(question, fix=(*filters.fix, choice.code)))
    )
    bar = dcc.Link(
        "排除",
        href=_href(
            question,
            bar=(*filters.bar, choice.code),
            fix=_without(filters.fix, choice.code),
        ),
    )
    return {
        "name": link_cell(project.name, f"/projects/{project.code}{shared}"),
        "district": project.district_name or NO_VALUE,
        "remaining": count(choice.remaining),
        "stage": project.stage,
        "causes": "、".join(project.causes) or NO_VALUE,
        "weeks": NO_VALUE if math.isnan(choice.weeks) else count(choice.weeks),
        "why": _why(choice, made),
        "change": [fix, " · ", bar],
    }


def _why(choice: Choice, made: _Planned) -> str:
    """Return why a project is in the plan."""
    if choice.fixed:
        broken = made.plan.conflicts.get(choice.code, ())
        words = "、".join(REASON_WORDS[reason] for reason in broken)
        return f"必选（{words}）" if words else "必选"
    said = f"本区剩余第{choice.place}多"
    if choice.passed_over:
        said += f"，比它大的{choice.passed_over}个可选项目更慢或放不下"
    return said


@callback(Output("plan-districts", "children"), Input("question", "data"))
@answers
def show_districts(question: Question) -> html.Section | html.Div:
    """Return what the plan asks of every district against its capacity."""
    subject = subject_of(question)
    if subject is None or not projects_of_target(question, subject.target):
        return html.Div()
    made = _planned(subject)
    rows = []
    for code, name in _district_names(subject).items():
        own = [made.projects[each] for each in made.plan.chosen
               if made.projects[each].district == code]  # fmt: skip
        units = sum(project.remaining for project in own)
        capacity = made.capacity.get(code, math.nan)
        rows.append(
            (
                -units,
                Row(
                    {
                        "name": name,
                        "projects": count(len(own)),
                        "units": count(units),
                        "capacity": "不限" if math.isnan(capacity) else count(capacity),
                        "used": share(units / capacity) if capacity > 0 else NO_VALUE,
                    }
                ),
            )
        )
    rows.sort(key=lambda each: each[0])
    unit = subject.target.unit
    return panel(
        "各区的任务与能力",
        data_table(
            [
                Column("name", "区"),
                Column("projects", "项目", "end", "个"),
                Column("units", "方案要办", "end", unit),
                Column("capacity", "到期能力", "end", unit),
                Column("used", "用去能力", "end"),
            ],
            [row for _, row in rows],
            f"各区的任务与能力，截至{subject.as_of}",
            caption_hidden=True,
        ),
        sentence=(
            f"能力＝历史最快的连续{subject.rules.zero_weeks}周的周速"
            f" × {subject.rules.plan_stretch:g} × 还有的{made.weeks_left:.1f}周；"
            "没有分区进度的区不设上限。"
        ),
        note="方案以外的项目照旧办理，所得不计入",
        wide=True,
    )


@exported("plan")
def export_plan(question: Question) -> Export:
    """Return the plan, the districts' part of it, and what could not be chosen and why."""
    subject = subject_of(question)
    if subject is None:
        return Export("达标方案", about(question), (Sheet("方案", (Head("项目"),), []),))
    made, unit = _planned(subject), subject.target.unit
    chosen = [
        (
            choice.code, project.name, project.district_name, project.subdistrict_name,
            choice.remaining, project.units, project.done, project.stage,
            "、".join(project.causes), choice.weeks, project.deadline, project.owner,
            project.next_step, _why(choice, made),
        )
        for choice in made.plan.choices
        for project in [made.projects[choice.code]]
    ]  # fmt: skip
    columns = (
        Head("代码"), Head("项目"), Head("区"), Head("街道乡镇"), Head(f"剩余（{unit}）", "count"),
        Head(f"总量（{unit}）", "count"), Head(f"完成（{unit}）", "count"), Head("阶段"),
        Head("成因"), Head("通常还需（周）", "amount", 0), Head("期限", "date"),
        Head("责任主体", wide=True), Head("下一步", wide=True), Head("为什么选它", wide=True),
    )  # fmt: skip
    left_out = [
        (code, made.projects[code].name, made.projects[code].district_name,
         made.projects[code].remaining, REASON_WORDS[reason])
        for code, reason in sorted(made.plan.excluded.items())
    ]  # fmt: skip
    told = about(
        question,
        目标=f"{subject.target.name}（{subject.topic.name}）",
        方案=f"{_answer(subject, made)}。{_explanation(subject, made)}",
        进度截至=day(subject.as_of),
    )
    return Export(
        f"达标方案_{subject.target.name}",
        told,
        (
            Sheet("方案", columns, chosen),
            Sheet(
                "不能选的",
                (Head("代码"), Head("项目"), Head("区"), Head(f"剩余（{unit}）", "count"),
                 Head("原因")),
                left_out,
            ),
        ),
    )  # fmt: skip
