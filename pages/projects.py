"""项目台账: which project holds most, which does not move, what is in its way, who acts?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.exports.sheets import Export, Head, Sheet, export_links
from components.formatting import NO_VALUE, count, day, share
from components.page_strip import strip
from components.panel import panel
from components.projects import (
    UNKNOWN,
    Choice,
    deadline_text,
    facet,
    number_card,
    pager,
    part_cell,
    project_cells,
    units_text,
    weeks_text,
)
from components.states import empty_state, loading, notice
from components.tables import Column, Content, Row, data_table, link_cell
from data_access.question import Question
from domain.filters import DIMENSION_LABELS, SORT_LABELS, Filters, to_search
from domain.projects import AND, Project, by_cause, chosen, ordered
from domain.rules import Rules
from pages._answers import answers
from pages._exports import about, exported
from pages._projects import IGNORED, PATH, Ledger, ledger_of, ledgers_of

dash.register_page(__name__, path=PATH, title="项目台账 · 接诉即办督办看板", name="项目台账")

ROWS_PER_PAGE = 100
STUCK_WEEKS = (4, 8, 13, 26)


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="projects-summary"), "16rem"),
            html.Div(
                [
                    loading(html.Div(id="projects-stages"), "16rem"),
                    loading(html.Div(id="projects-causes"), "16rem"),
                ],
                className="panel-grid",
            ),
            loading(html.Div(id="projects-table"), "40rem"),
        ],
        className="page page-projects",
    )


# --- What is listed -----------------------------------------------------------------------------


class _View(NamedTuple):
    """The ledger with the filters that it knows, and those it had to leave out."""

    ledger: Ledger
    filters: Filters
    problems: tuple[str, ...]

    @property
    def question(self) -> Question:
        return self.ledger.question

    @property
    def unit(self) -> str:
        return self.ledger.target.unit

    def projects(self, **changes: str | tuple[str, ...]) -> tuple[Project, ...]:
        """Return the projects asked for, with some of the filters replaced."""
        ledger = self.ledger
        return chosen(ledger.projects, self.filters.narrowed(**changes), ledger.as_of)

    def href(self, **changes: str | tuple[str, ...]) -> str:
        """Return the link to this page with other options, from its first page on."""
        known = self.question.asked.narrowed(stage=self.filters.stage, cause=self.filters.cause)
        return PATH + to_search(known.narrowed(**{"page": "", **changes}))

    def toggled(self, name: str, value: str) -> str:
        """Return the link that chooses a stage or cause, or takes it away again."""
        had: tuple[str, ...] = getattr(self.filters, name)
        now = tuple(each for each in had if each != value) if value in had else (*had, value)
        return self.href(**{name: now})

    @property
    def stages(self) -> list[str]:
        """The stages in their order; those that the reference does not know come last."""
        known = dict.fromkeys(self.ledger.usual.order)
        return list(known | dict.fromkeys(each.stage for each in self.ledger.projects))

    @property
    def causes(self) -> list[str]:
        """The causes, the most frequent first."""
        found = by_cause(self.ledger.projects)
        known = {each for each in (*self.ledger.usual.causes, *found) if each}
        return sorted(known, key=lambda each: (-len(found.get(each, ())), each))

    @property
    def narrowed(self) -> bool:
        """Whether anything but the place narrows the list."""
        return bool(self.filters.stage or self.filters.cause or self.filters.number("stuck"))


def _view(question: Question) -> _View | None:
    """Return what the page lists; None without any project.

    What the ledger does not know narrows nothing: it is named, and the rest applies.
    """
    ledger = ledger_of(question, question.filters.target)
    if ledger is None:
        return None
    everything = _View(ledger, Filters(), ())
    changes: dict[str, tuple[str, ...]] = {}
    problems = []
    for name, label, known in (
        ("stage", "阶段", set(everything.stages)),
        ("cause", "成因", set(everything.causes)),
    ):
        asked: tuple[str, ...] = getattr(question.filters, name)
        changes[name] = tuple(each for each in asked if each in known)
        problems += [f"台账中没有{label}“{each}”" for each in asked if each not in known]
    target = question.filters.target
    if target and target != ledger.target.code:
        problems.append(f"目标“{target}”没有项目台账，现按“{ledger.target.name}”显示")
    return _View(ledger, question.filters.narrowed(**changes), tuple(problems))


def _left(projects: Sequence[Project]) -> int:
    return sum(project.remaining for project in projects)


def _part(some: float, whole: float) -> float:
    return some / whole if whole else math.nan


# --- Summary ------------------------------------------------------------------------------------


@callback(Output("projects-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer sentence, the headline figures, and what can be chosen."""
    view = _view(question)
    if view is None:
        return html.Div(
            [
                _strip(question, "没有项目台账", question.place, question.rules),
                empty_state("导入项目台账后在此列出", title="没有项目"),
            ]
        )
    projects = view.projects()
    ignored = [DIMENSION_LABELS[name] for name in IGNORED if getattr(question.filters, name)]
    return html.Div(
        [
            _strip(question, _answer(view, projects), _words(view), view.ledger.rules),
            notice(view.problems),
            notice(ignored, "台账只随区、街道乡镇与本页条件变化，下列筛选未采用"),
            _targets(view),
            _cards(view, projects),
            _facets(view),
        ]
    )


def _strip(question: Question, title: str, scope: str, rules: Rules) -> html.Header:
    return strip(
        title,
        scope,
        question.snapshot.cutoff,
        rules.version,
        question.snapshot.key,
        question.snapshot.is_demo,
        link=PATH + question.canonical,
        extra_actions=[
            dcc.Link(
                "抓零抓大户",
                href=f"/targeting{to_search(question.asked.shared)}",
                className="action",
            ),
            *export_links("projects", question.canonical, "项目台账"),
        ],
    )


def _words(view: _View) -> str:
    """Return what is listed, in words."""
    filters = view.filters
    words = [view.ledger.target.name, view.question.place]
    if filters.stage:
        words.append("阶段：" + "、".join(each for each in view.stages if each in filters.stage))
    if filters.cause:
        words.append("成因：" + "、".join(each for each in view.causes if each in filters.cause))
    if filters.number("stuck"):
        words.append(f"近{filters.number('stuck')}周没有进展")
    return " · ".join([*words, "台账不分时段"])


def _answer(view: _View, projects: Sequence[Project]) -> str:
    """Return the title: how much is left in how many projects, how many of them do not move."""
    if not projects:
        return "没有符合条件的项目"
    ledger, filters = view.ledger, view.filters
    place = view.question.place if filters.district or filters.subdistrict else ""
    which = "符合条件的" if filters.stage or filters.cause else ""
    left = units_text(_left(projects), view.unit)
    stuck = filters.number("stuck")
    if stuck:
        return f"{place}{which}{count(len(projects))}个项目近{stuck}周没有进展，剩余{left}"
    head = f"{place}{which}{count(len(projects))}个项目"
    if all(project.finished for project in projects):
        return f"{head}已全部办结"
    weeks = ledger.rules.zero_weeks
    zero = [project for project in projects if ledger.is_zero(project)]
    if not zero:
        return f"{head}剩余{left}：近{weeks}周都有进展"
    return (
        f"{head}剩余{left}：{count(len(zero))}个近{weeks}周没有进展，"
        f"涉及{units_text(_left(zero), view.unit)}"
    )


def _targets(view: _View) -> Component | None:
    """Return the other targets that have a ledger; None when there is but one."""
    found = ledgers_of(view.question)
    if len(found) < 2:
        return None
    every = [
        Choice(
            ledger.target.name,
            len(ledger.projects),
            view.href(target=ledger.target.code),
            ledger.target.code == view.ledger.target.code,
        )
        for ledger in found
    ]
    return html.Div([facet("目标", every, several=False)], className="facets")


def _cards(view: _View, projects: Sequence[Project]) -> html.Section:
    ledger, unit = view.ledger, view.unit
    open_ones = [project for project in projects if not project.finished]
    left, units = _left(projects), sum(project.units for project in projects)
    done = sum(project.done for project in projects)
    weeks = ledger.rules.zero_weeks
    zero = [project for project in open_ones if ledger.is_zero(project)]
    unknown = sum(project.quiet_weeks(ledger.as_of) is None for project in open_ones)
    late = [project for project in open_ones if project.overdue_days(ledger.as_of)]
    coming = [
        project.deadline
        for project in open_ones
        if project.deadline is not None and project.deadline >= ledger.as_of
    ]
    undated = sum(project.deadline is None for project in open_ones)
    slow = [project for project in open_ones if ledger.too_long(project)]
    unsaid = sum(math.isnan(ledger.usual.weeks_needed(project)) for project in open_ones)
    due = ledger.target.due_on
    cards = [
        number_card(
            "项目",
            count(len(projects)),
            "个",
            [
                f"未办结{count(len(open_ones))}个",
                f"已办结{count(len(projects) - len(open_ones))}个",
            ],
        ),
        number_card(
            "剩余",
            *_number_and_unit(left, unit),
            [
                f"共{units_text(units, unit)}",
                f"已办{units_text(done, unit)}，占{share(_part(done, units))}",
            ],
        ),
        number_card(
            f"零：近{weeks}周没有进展",
            count(len(zero)),
            "个",
            [
                f"剩余{units_text(_left(zero), unit)}",
                f"占剩余的{share(_part(_left(zero), left))}",
                f"另有{count(unknown)}个进展不详" if unknown else "",
            ],
            "bad" if zero else "",
        ),
        number_card(
            "逾期",
            count(len(late)),
            "个",
            [
                f"剩余{units_text(_left(late), unit)}" if late else "没有项目超过期限",
                f"最近的期限{day(min(coming))}，{deadline_text(min(coming), ledger.as_of)}"
                if coming
                else "",
                f"{count(undated)}个没有期限" if undated else "",
            ],
            "bad" if late else "",
        ),
        number_card(
            f"按通常用时，{due}前办不完",
            count(len(slow)),
            "个",
            [
                f"剩余{units_text(_left(slow), unit)}，占{share(_part(_left(slow), left))}",
                f"目标期限{deadline_text(due, ledger.as_of)}",
                f"{count(unsaid)}个没有通常用时" if unsaid else "",
            ],
        ),
    ]
    return html.Section(
        [html.H2("概况", className="visually-hidden"), html.Div(cards, className="figure-cards")]
    )


def _number_and_unit(units: float, unit: str) -> tuple[str, str]:
    """Return a number of units and its unit apart, for large type."""
    text = units_text(units, "")
    number = text.removesuffix("万")
    return number, ("万" if number != text else "") + unit


def _facets(view: _View) -> html.Section:
    """Return stages, causes and weeks without movement as links."""
    facets = [
        facet(
            label,
            [
                Choice(
                    value,
                    len(view.projects(**{name: (value,)})),
                    view.toggled(name, value),
                    value in getattr(view.filters, name),
                )
                for value in values
            ],
            several=True,
        )
        for name, label, values in (
            ("stage", "阶段", view.stages),
            ("cause", "成因", view.causes),
        )
        if values
    ]
    now = view.filters.number("stuck") or 0
    offered = sorted({0, *STUCK_WEEKS, now})
    facets.append(
        facet(
            "无进展",
            [
                Choice(
                    f"近{weeks}周" if weeks else "不限",
                    len(view.projects(stuck=str(weeks))),
                    view.href(stuck=str(weeks) if weeks else ""),
                    weeks == now,
                )
                for weeks in offered
            ],
            several=False,
        )
    )
    if view.narrowed:
        facets.append(
            html.P(
                dcc.Link(
                    "清除阶段、成因、无进展条件",
                    href=view.href(stage=(), cause=(), stuck=""),
                ),
                className="facet",
            )
        )
    heading = html.H2("筛选项目", className="visually-hidden")
    return html.Section([heading, *facets], className="facets")


# --- Boards -------------------------------------------------------------------------------------


@callback(Output("projects-stages", "children"), Input("question", "data"))
@answers
def show_stages(question: Question) -> html.Section | html.Div:
    """Return projects and what is left by stage, with the weeks they stand there and still need."""
    view = _view(question)
    if view is None:
        return html.Div()
    projects = view.projects(stage=())
    left = _left(projects)
    usual, as_of = view.ledger.usual, view.ledger.as_of
    rows, slowest = [], (0.0, "")
    for stage in view.stages:
        own = [project for project in projects if project.stage == stage]
        open_ones = [project for project in own if not project.finished]
        stood = [each.weeks_in_stage(as_of) for each in open_ones]
        known = [each for each in stood if each is not None]
        needed = [usual.weeks_needed(each) for each in open_ones]
        needed = [each for each in needed if not math.isnan(each)]
        ordinary = usual.weeks_of_stage(stage)
        if known and statistics.median(known) > ordinary:
            over = statistics.median(known) / ordinary if ordinary else math.inf
            slowest = max(
                slowest,
                (over, f"{stage}已停留{weeks_text(statistics.median(known))}（中位数），"
                 f"通常{weeks_text(ordinary)}"),
            )  # fmt: skip
        part = _part(_left(own), left)
        rows.append(
            Row(
                {
                    "name": link_cell(stage, view.toggled("stage", stage)),
                    "projects": count(len(own)),
                    "left": count(_left(own)),
                    "part": part_cell(part, f"{stage}占剩余的{share(part)}"),
                    "stood": _weeks_cell(known),
                    "ordinary": NO_VALUE if math.isnan(ordinary) else f"{ordinary:g}",
                    "needed": _weeks_cell(needed),
                },
                marked=stage in view.filters.stage,
            )
        )
    columns = [
        Column("name", "阶段"),
        Column("projects", "项目", "end", "个"),
        Column("left", "剩余", "end", view.unit),
        Column("part", "占剩余", "end", phone=False),
        Column("stood", "已停留", "end", "周，中位数"),
        Column("ordinary", "本阶段通常", "end", "周", phone=False),
        Column("needed", "到办结通常还需", "end", "周，中位数"),
    ]
    total = Row({"name": "合计", "projects": count(len(projects)), "left": count(left),
                 "part": share(_part(left, left))})  # fmt: skip
    most = max(
        view.stages, key=lambda stage: _left([each for each in projects if each.stage == stage])
    )
    largest = _left([each for each in projects if each.stage == most])
    sentence = "没有符合条件的项目。"
    if left:
        sentence = f"{most}剩余最多，{units_text(largest, view.unit)}，占{share(largest / left)}"
        sentence += f"；{slowest[1]}。" if slowest[1] else "。"
    return panel(
        "按阶段",
        data_table(columns, rows, f"按阶段，{_words(view)}", total=total, caption_hidden=True),
        sentence=sentence,
        note=_board_note(bool(view.filters.stage), "阶段")
        + "；停留与还需只算未办结的，还需自截至日算起，不扣已停留",
    )


def _weeks_cell(weeks: Sequence[float]) -> str:
    return f"{statistics.median(weeks):g}" if weeks else NO_VALUE


def _board_note(narrowed: bool, name: str) -> str:
    return f"含未选中的{name}，其余条件同上" if narrowed else "点选一行即筛选"


@callback(Output("projects-causes", "children"), Input("question", "data"))
@answers
def show_causes(question: Question) -> html.Section | html.Div:
    """Return projects and what is left by cause, a project with several in each of them."""
    view = _view(question)
    if view is None:
        return html.Div()
    projects = view.projects(cause=())
    left = _left(projects)
    groups = by_cause(projects)
    rows = []
    for cause in [*view.causes, *([""] if "" in groups else [])]:
        own = groups.get(cause, [])
        part = _part(_left(own), left)
        weeks = view.ledger.usual.causes.get(cause, math.nan)
        rows.append(
            Row(
                _cause_cells(view, own)
                | {
                    "name": link_cell(cause, view.toggled("cause", cause)) if cause else UNKNOWN,
                    "part": part_cell(part, f"{cause or UNKNOWN}占剩余的{share(part)}"),
                    "weeks": NO_VALUE if math.isnan(weeks) else f"{weeks:g}",
                },
                marked=cause in view.filters.cause,
            )
        )
    columns = [
        Column("name", "成因"),
        Column("projects", "项目", "end", "个"),
        Column("zero", "零", "end", f"个，近{view.ledger.rules.zero_weeks}周"),
        Column("left", "剩余", "end", view.unit),
        Column("part", "占剩余", "end", phone=False),
        Column("weeks", "通常多用", "end", "周"),
    ]
    total = Row(_cause_cells(view, projects) | {"name": "合计", "part": share(_part(left, left))})
    several = [project for project in projects if len(project.causes) > 1]
    sentence = f"{count(len(several))}个项目有几个成因，剩余{units_text(_left(several), view.unit)}"
    together = _largest_together(several)
    if together:
        sentence += f"，最多的是{together[0]}{count(together[1])}个"
    return panel(
        "按成因",
        data_table(columns, rows, f"按成因，{_words(view)}", total=total, caption_hidden=True),
        sentence=f"{sentence}。",
        note="有几个成因的项目在各成因中都计，合计中只计一次；"
        + _board_note(bool(view.filters.cause), "成因"),
    )


def _cause_cells(view: _View, projects: Sequence[Project]) -> dict[str, Content]:
    return {
        "projects": count(len(projects)),
        "zero": count(sum(view.ledger.is_zero(project) for project in projects)),
        "left": count(_left(projects)),
    }


def _largest_together(projects: Sequence[Project]) -> tuple[str, int] | None:
    """Return the causes that most often come together, and how often."""
    found: dict[str, int] = {}
    for project in projects:
        together = AND.join(project.causes)
        found[together] = found.get(together, 0) + 1
    return max(found.items(), key=lambda each: (each[1], each[0]), default=None)


# --- Projects -----------------------------------------------------------------------------------


def listed(question: Question) -> tuple[Project, ...]:
    """Return the projects that the page lists, all of them, in their order."""
    view = _view(question)
    if view is None:
        return ()
    return ordered(view.projects(), question.filters.sort, view.ledger.as_of)


@callback(Output("projects-table", "children"), Input("question", "data"))
@answers
def show_table(question: Question) -> html.Section | html.Div:
    """Return the projects, at most a hundred on a page."""
    view = _view(question)
    if view is None:
        return html.Div()
    projects = listed(question)
    title = f"{count(len(projects))}个项目"
    if not projects:
        state = empty_state(
            "请放宽区、街道乡镇、阶段、成因或无进展周数",
            PATH if view.narrowed or question.filters.district else None,
            title="没有符合条件的项目",
        )
        return panel(title, state, wide=True)
    pages = -(-len(projects) // ROWS_PER_PAGE)
    wanted = question.filters.number("page") or 1
    page = min(wanted, pages)
    first = (page - 1) * ROWS_PER_PAGE
    shown = projects[first : first + ROWS_PER_PAGE]
    words = f"第{count(first + 1)}–{count(first + len(shown))}个，共{count(len(projects))}个"
    hrefs = [view.href(page=str(each) if each > 1 else "") for each in range(1, pages + 1)]
    weeks = view.ledger.rules.zero_weeks
    rows = [
        Row(project_cells(project, view.ledger.href(project), view.ledger.as_of, weeks))
        for project in shown
    ]
    columns = [
        Column("name", "项目", note="编号"),
        Column("place", "地点", phone=False),
        Column("units", "总数", "end", view.unit, phone=False),
        Column("done", "已办", "end", view.unit, phone=False),
        Column("remaining", "剩余", "end", view.unit),
        Column("stage", "阶段"),
        Column("causes", "成因", phone=False),
        Column("quiet", "无进展", "end", f"周，零：满{weeks}周"),
        Column("blocker", "卡点", phone=False),
        Column("next", "下一步", note="责任单位", phone=False),
        Column("deadline", "期限", phone=False),
    ]
    return panel(
        title,
        html.Div(
            [
                notice(
                    [f"共{pages}页，没有第{wanted}页，现显示第{page}页"] if wanted > pages else [],
                    "页码超出",
                ),
                *([pager(page, pages, hrefs, words)] if pages > 1 else []),
                data_table(columns, rows, f"项目台账，{_words(view)}", caption_hidden=True),
                *([pager(page, pages, hrefs, f"{words}（续）")] if pages > 1 else []),
            ]
        ),
        sentence=_table_sentence(view, projects),
        note=f"截至{view.ledger.as_of}",
        actions=[_sort_links(view)],
        wide=True,
    )


def _table_sentence(view: _View, projects: Sequence[Project]) -> str:
    """Return how much of what is left the largest projects hold."""
    left = _left(projects)
    largest = sorted((project.remaining for project in projects), reverse=True)
    if len(largest) <= 10 or not left:
        return ""
    tenth = -(-len(largest) // 10)
    held = sum(largest[:tenth])
    return (
        f"剩余最多的{count(tenth)}个（十分之一）剩余{units_text(held, view.unit)}，"
        f"占{share(held / left)}。"
    )


def _sort_links(view: _View) -> html.Span:
    links: list[Component | str] = ["排列："]
    for sort, label in SORT_LABELS.items():
        links.append(
            html.Span(label, className="order-now", **{"aria-current": "true"})
            if view.filters.sort == sort
            else dcc.Link(label, href=view.href(sort=sort))
        )
    return html.Span(links, className="orders")


# --- Export -------------------------------------------------------------------------------------


def ledger_sheet(question: Question) -> Sheet | None:
    """Return the projects of the present filters as a sheet, all of them; None without a ledger.

    One row per project, in the order of the page. What is not known is an empty cell.
    """
    view = _view(question)
    if view is None:
        return None
    ledger, unit = view.ledger, view.unit
    projects = listed(question)
    columns = (
        Head("编号"), Head("项目", wide=True), Head("区"), Head("街道乡镇"), Head("社区"),
        Head(f"总数（{unit}）", "count"), Head(f"已办（{unit}）", "count"),
        Head(f"剩余（{unit}）", "count"), Head("阶段"), Head("进入阶段", "date"),
        Head("成因", wide=True), Head("最近进展", "date"), Head("无进展（周）", "count"),
        Head(f"零（近{ledger.rules.zero_weeks}周）"), Head("卡点", wide=True),
        Head("下一步", wide=True), Head("期限", "date"), Head("逾期（天）", "count"),
        Head("通常还需（周）", "amount"), Head("开发单位", wide=True), Head("责任单位", wide=True),
    )  # fmt: skip
    rows = [
        (
            project.code, project.name, project.district_name, project.subdistrict_name,
            project.community, project.units, project.done, project.remaining, project.stage,
            project.stage_since, "、".join(project.causes), project.moved_on,
            None if project.finished else project.quiet_weeks(ledger.as_of),
            "零" if ledger.is_zero(project) else "", project.blocker, project.next_step,
            project.deadline, project.overdue_days(ledger.as_of) or None,
            0.0 if project.finished else ledger.usual.weeks_needed(project),
            project.developer, project.owner,
        )
        for project in projects
    ]  # fmt: skip
    whole: list[object] = [None] * len(columns)
    whole[0] = "合计"
    whole[5:8] = [
        sum(project.units for project in projects),
        sum(project.done for project in projects),
        _left(projects),
    ]
    return Sheet("项目台账", columns, rows, whole)


@exported("projects")
def export_projects(question: Question) -> Export:
    """Return the projects of the present filters, whatever page of them is shown."""
    view, sheet = _view(question), ledger_sheet(question)
    if view is None or sheet is None:
        return Export("项目台账", about(question), (Sheet("项目台账", (Head("编号"),), []),))
    return Export("项目台账", about(question, 台账=_words(view)), (sheet,))
