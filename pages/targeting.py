"""抓零抓大户: who gets guidance, who gets help, and what it would bring."""

from __future__ import annotations

import math
from collections.abc import Sequence

import dash
import pandas as pd
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.choices import choice_group
from components.exports.sheets import Export, Head, Sheet, export_links
from components.figures.targeting import (
    Spot,
    pareto_figure,
    pareto_height,
    quadrant_figure,
)
from components.figures.template import graph
from components.formatting import NO_VALUE, amount, count, count_in_words, day, share
from components.page_strip import strip
from components.panel import panel
from components.states import empty_state, loading
from components.tables import Apart, Column, Content, Row, data_table, link_cell, table_twin
from components.targeting import (
    KIND_WORDS,
    MARKS,
    answer,
    gap_number,
    kind_of,
    leverage_row,
    leverage_words,
    questions,
    recent_words,
    spot_of,
    target_lists,
    target_tiles,
    why,
)
from data_access.question import Question
from domain.filters import BY_LABELS, By, to_search
from domain.targeting import Holding, Targeting, gains, leverage
from pages._answers import answers, reader, who
from pages._exports import about, exported
from pages._targeting import (
    Subject,
    levels,
    projects_of_target,
    subject_of,
    targeting_of,
    targets_with_stock,
)

PATH = "/targeting"
dash.register_page(
    __name__, path=PATH, title="抓零抓大户 · 接诉即办督办看板", name="抓零抓大户", order=2
)

# Bars of the Pareto picture, rows of the tables.
_MOST_BARS = 17
_MOST_ROWS = 60
_QUIET = (2, 4, 6, 8)
_LARGE = (50, 60, 70, 80)
_FASTER = (5, 10, 20, 30)
_NOUN: dict[By, str] = {
    "district": "区",
    "subdistrict": "个街道乡镇",
    "project": "个项目",
    "developer": "个开发单位",
    "cause": "类成因",
}


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="targeting-summary"), "16rem"),
            loading(html.Div(id="targeting-pictures"), "26rem"),
            html.Div(
                [
                    loading(html.Div(id="targeting-map"), "22rem"),
                    loading(html.Div(id="targeting-leverage"), "22rem"),
                ],
                className="target-second",
            ),
            loading(html.Div(id="targeting-table"), "30rem"),
        ],
        className="page page-targeting",
    )


def _href(question: Question, **changes: str | tuple[str, ...]) -> str:
    return PATH + to_search(question.asked.narrowed(**changes))


def _scope(subject: Subject) -> str:
    trial = " · 试算" if subject.trial else ""
    return (
        f"{subject.topic.name} · {subject.question.snapshot.city} · 按{BY_LABELS[subject.by]}"
        f" · 进度截至{subject.as_of}{trial}"
    )


def _chosen(subject: Subject) -> frozenset[str]:
    """Return the codes of the holders that the filters point at."""
    filters = subject.question.filters
    if subject.by == "district":
        return frozenset(filters.district)
    if subject.by == "subdistrict" and filters.subdistrict:
        return frozenset(filters.subdistrict)
    if not (filters.district or filters.subdistrict):
        return frozenset()
    inside = [
        project
        for project in projects_of_target(subject.question, subject.target)
        if (not filters.district or project.district in filters.district)
        and (not filters.subdistrict or project.subdistrict in filters.subdistrict)
    ]
    if subject.by == "subdistrict":
        return frozenset(project.subdistrict for project in inside)
    if subject.by == "project":
        return frozenset(project.code for project in inside)
    return frozenset()


def _holder_href(subject: Subject, code: str) -> str:
    """Return where a holder leads: a project to its page, others to the view that marks them."""
    question = subject.question
    if subject.by == "project":
        return f"/projects/{code}{to_search(question.asked.shared)}"
    if subject.by == "district":
        return _href(question, district=(code,), subdistrict=())
    if subject.by == "subdistrict" and code != "-":
        return _href(question, subdistrict=(code,), district=())
    if subject.by == "cause" and code != "-":
        causes = tuple(code.split("＋"))
        return f"/projects{to_search(question.asked.shared.narrowed(cause=causes))}"
    return f"/projects{to_search(question.asked.shared)}"


def _of_a_district() -> bool:
    """Return whether the reader sees a district's own holders only: no picture of all of them."""
    return reader().districts is not None


# --- Summary ------------------------------------------------------------------------------------


@callback(Output("targeting-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer, the rules that may be tried out, and the two lists."""
    subject = subject_of(question)
    if subject is None:
        return html.Div(
            [
                strip(
                    "没有分区存量的目标",
                    question.words,
                    question.snapshot.cutoff,
                    question.rules.version,
                    question.snapshot.key,
                    question.snapshot.is_demo,
                    link=PATH + question.canonical,
                ),
                empty_state(
                    "导入分区目标（district_targets）或项目台账（projects）后，在此列出抓零、抓大户",
                    title="没有可以分到区或项目的存量",
                ),
            ]
        )
    result = targeting_of(subject)
    shared = to_search(question.asked.shared)
    actions: list[Component] = [
        dcc.Link("项目台账", href=f"/projects{shared}", className="action"),
        *(
            [dcc.Link("达标方案", href=f"/plan{shared}", className="action")]
            if who().may("plan")
            else []
        ),
        *(export_links("targeting", question.canonical, "两张名单") if who().may("export") else []),
    ]
    hrefs = {each.holder.code: _holder_href(subject, each.holder.code) for each in result.holdings}
    return html.Div(
        [
            strip(
                answer(result, subject.target, _NOUN[subject.by]),
                _scope(subject),
                question.snapshot.cutoff,
                subject.rules.version + ("（试算）" if subject.trial else ""),
                question.snapshot.key,
                question.snapshot.is_demo,
                link=PATH + question.canonical,
                extra_actions=actions,
            ),
            _choices(subject, result),
            target_lists(result, subject.target, subject.rules, hrefs, _chosen(subject)),
        ]
    )


def _choices(subject: Subject, result: Targeting) -> html.Div:
    """Return the target, the unit of analysis and the thresholds as links."""
    question, rules = subject.question, subject.rules
    has_projects = bool(projects_of_target(question, subject.target))
    listed = [by for by in levels() if by == "district" or has_projects]
    targets = targets_with_stock(question)
    floor = count_in_words(result.floor, subject.target.unit)
    groups = [
        choice_group("目标", [
            (target.name, _href(question, target=target.code, by="", floor=""),
             target.code == subject.target.code)
            for _, target in targets
        ]) if len(targets) > 1 else None,
        choice_group("按", [
            (BY_LABELS[by], _href(question, by="" if by == "district" else by, floor=""),
             by == subject.by)
            for by in listed
        ]),
        choice_group("抓零：近几周无进展", [
            (f"{weeks}周", _href(question, quiet=str(weeks)), weeks == rules.zero_weeks)
            for weeks in sorted({*_QUIET, rules.zero_weeks})
        ]),
        choice_group("且剩余不少于", [
            (text, _href(question, floor=value), value == question.filters.floor)
            for text, value in (
                (floor if not question.filters.floor else "按规则", ""),
                ("不限", "0"), *([(floor, question.filters.floor)]
                                if question.filters.floor not in ("", "0") else []),
            )
        ]),
        choice_group("抓大户：占剩余", [
            (share(part / 100, 0), _href(question, large=str(part)),
             math.isclose(part / 100, rules.large_share))
            for part in sorted({*_LARGE, round(100 * rules.large_share)})
        ]),
    ]  # fmt: skip
    reset = []
    if subject.trial:
        reset = [
            dcc.Link(
                "恢复规则",
                href=_href(question, quiet="", floor="", large="", faster=""),
                className="action",
            )
        ]
    return html.Div([*(group for group in groups if group), *reset], className="choices")


# --- Pictures -----------------------------------------------------------------------------------


@callback(Output("targeting-pictures", "children"), Input("question", "data"))
@answers
def show_pictures(question: Question) -> html.Div:
    """Return quadrant, Pareto and, for districts, the tile map."""
    subject = subject_of(question)
    if subject is None or _of_a_district():
        return html.Div()
    result = targeting_of(subject)
    target, rules = subject.target, subject.rules
    chosen = _chosen(subject)
    spots = [
        spot_of(each, target, rules.zero_weeks, each.holder.code in chosen)
        for each in result.holdings
    ]
    cut = min((each.remaining for each in result.large), default=math.nan)
    note = (
        f"单位：{target.unit}，进度截至{subject.as_of}，n={count(len(spots))}{_unit_word(subject)}"
    )
    title = "剩余多少，慢多少"
    sentence = _quadrant_sentence(subject, result)
    return html.Div(
        [
            panel(
                title,
                graph(
                    quadrant_figure(spots, target.unit, result.floor, cut),
                    f"{title}：{sentence}",
                    "targeting-quadrant",
                    pareto_height(_MOST_BARS + 1),
                ),
                sentence=sentence,
                note=f"{note}；圆面积为近{rules.zero_weeks}周完成",
                twin=table_twin(title, _spot_table(subject, result)),
            ),
            _pareto(subject, result, spots, note),
        ],
        className="target-pictures",
    )


@callback(Output("targeting-map", "children"), Input("question", "data"))
@answers
def show_map(question: Question) -> html.Section | html.Div:
    """Return the districts in their places; nothing for other units of analysis."""
    subject = subject_of(question)
    if subject is None or subject.by != "district" or _of_a_district():
        return html.Div()
    result = targeting_of(subject)
    places = {
        str(row.code): (int(row.tile_row), int(row.tile_column))
        for row in question.snapshot.reference.districts.itertuples(index=False)
        if not (pd.isna(row.tile_row) or pd.isna(row.tile_column))
    }
    codes = [each.holder.code for each in result.holdings]
    hrefs = {code: _holder_href(subject, code) for code in codes}
    return panel(
        "分区图",
        target_tiles(result, subject.target, places, hrefs, _chosen(subject)),
        sentence=f"大字为剩余；其下为占全部剩余的比例、距序时的百分点、"
        f"近{subject.rules.zero_weeks}周的进展。",
        note=f"单位：{subject.target.unit}，进度截至{subject.as_of}",
    )


def _unit_word(subject: Subject) -> str:
    return "个" + _NOUN[subject.by].removeprefix("个").removeprefix("类")


def _quadrant_sentence(subject: Subject, result: Targeting) -> str:
    both = [each.holder.name for each in result.both]
    parts = []
    if both:
        listed = "、".join(both[:4]) + ("等" if len(both) > 4 else "")
        parts.append(f"{listed}又大又慢")
    slow = [each for each in result.holdings if each.gap < 0 and each.remaining > 0]
    parts.append(f"{len(slow)}{_unit_word(subject)}慢于序时")
    return "；".join(parts) + "。"


def _pareto(subject: Subject, result: Targeting, spots: Sequence[Spot], note: str) -> html.Section:
    title = "谁占着剩余存量"
    shown = [spot for spot in spots if spot.remaining > 0][:_MOST_BARS]
    rest = sum(spot.remaining > 0 for spot in spots) - len(shown)
    rest_share = max(1 - shown[-1].cumulative, 0.0) if shown and rest else 0.0
    left = result.remaining
    if not shown:
        return panel(title, empty_state("没有剩余", title="全部完成"))
    sentence = (
        f"前{len(result.large)}{_unit_word(subject)}占剩余{amount(left, subject.target.unit, left)}"
        f"的{share(result.large_share_held)}。"
    )
    bars = len(shown) + (1 if rest else 0)
    return panel(
        title,
        graph(
            pareto_figure(shown, subject.target.unit, rest, rest_share),
            f"{title}：{sentence}",
            "targeting-pareto",
            pareto_height(bars),
        ),
        sentence=sentence,
        note=f"{note}；深色为抓大户",
    )


def _spot_table(subject: Subject, result: Targeting) -> pd.DataFrame:
    unit = subject.target.unit
    return pd.DataFrame(
        [
            {
                BY_LABELS[subject.by]: each.holder.name,
                f"剩余（{unit}）": count(each.remaining),
                "距序时（百分点）": gap_number(each),
                f"近{subject.rules.zero_weeks}周": recent_words(each, subject.target),
                "名单": KIND_WORDS[kind_of(each)],
            }
            for each in result.holdings
        ]
    )


# --- Table --------------------------------------------------------------------------------------


@callback(Output("targeting-table", "children"), Input("question", "data"))
@answers
def show_table(question: Question) -> html.Section | html.Div:
    """Return every holder with what is left, how late, for how long on a list, and what to ask."""
    subject = subject_of(question)
    if subject is None:
        return html.Div()
    result = targeting_of(subject)
    target, rules, chosen = subject.target, subject.rules, _chosen(subject)
    unit = target.unit
    listed = [each for each in result.holdings if each.zero or each.large]
    others = [each for each in result.holdings if not (each.zero or each.large)]
    room = max(_MOST_ROWS - len(listed), 0)
    shown = sorted([*listed[:_MOST_ROWS], *others[:room]], key=lambda each: each.cumulative)
    columns = [
        Column("name", BY_LABELS[subject.by]),
        Column("kind", "名单"),
        Column("weeks", "连续", "end", "周", phone=False),
        Column("remaining", "剩余", "end", unit),
        Column("share", "占剩余", "end"),
        Column("completion", "完成率", "end", "占自身任务", phone=False),
        Column("gap", "距序时", "end", "百分点"),
        Column("recent", f"近{rules.zero_weeks}周", "end", unit),
        Column("quiet", "无进展", "end", "周", phone=False),
        Column("why", "为什么，问什么", phone=False),
    ]
    rows = [Row(_cells(subject, result, each), each.holder.code in chosen) for each in shown]
    whole = result.holdings
    total = None if _of_a_district() else Row(
        {
            "name": f"{question.snapshot.city}合计",
            "remaining": count(result.remaining),
            "share": share(1.0),
            "recent": _sum_recent(whole),
        }
    )  # fmt: skip
    apart = []
    if result.unknown:
        apart.append(
            Apart(
                "存量不明，不列入名单",
                [Row({"name": each.name}) for each in result.unknown],
            )
        )
    hidden = len(whole) - len(shown)
    said = f"共{len(whole)}{_unit_word(subject)}"
    said += f"，列出{len(shown)}个，其余{hidden}个见下载的表" if hidden else ""
    return panel(
        "逐个看",
        data_table(
            columns,
            rows,
            f"抓零、抓大户，{_scope(subject)}",
            total=total,
            apart=apart,
            caption_hidden=True,
        ),
        sentence=f"{said}；{_rule_sentence(subject, result)}。",
        note=_goal_note(subject, result),
        wide=True,
    )


def _sum_recent(whole: Sequence[Holding]) -> str:
    known = [each.recent for each in whole if not math.isnan(each.recent)]
    return f"+{count(math.fsum(known))}" if known else NO_VALUE


def _rule_sentence(subject: Subject, result: Targeting) -> str:
    rules = subject.rules
    floor = amount(result.floor, subject.target.unit, result.floor)
    return (
        f"抓零：近{rules.zero_weeks}周没有进展，或完成率不到序时的"
        f"{share(rules.zero_schedule_share, 0)}，且剩余不少于{floor}；"
        f"抓大户：合计占剩余{share(rules.large_share, 0)}的最少几个"
    )


def _goal_note(subject: Subject, result: Targeting) -> str:
    apportioned = [each for each in result.holdings if not each.holder.goal_is_own]
    told = "任务按存量分摊" if apportioned else "任务为各区自身任务"
    if subject.by == "project":
        told = "项目的完成率为占自身总量；进入下一阶段也算进展，不按序时判断快慢"
    if subject.by == "cause":
        told += "；同时有几类成因的项目按组合计，不重复"
    return f"进度截至{subject.as_of}；{told}"


def _cells(subject: Subject, result: Targeting, each: Holding) -> dict[str, Content]:
    kind = kind_of(each)
    weeks = [
        f"{label}{on}"
        for label, on in (("抓零", each.zero_weeks_on), ("大户", each.large_weeks_on))
        if on
    ]
    listed = kind != ""
    told: Content = NO_VALUE
    if listed:
        asked = "" if subject.by == "project" else questions(each)
        told = [
            why(each, subject.rules, subject.target),
            *([html.Small(asked, className="target-question")] if asked else []),
        ]
    return {
        "name": link_cell(each.holder.name, _holder_href(subject, each.holder.code)),
        "kind": html.Span(
            [
                html.Span(MARKS[kind], className=f"target-mark target-{kind}",
                          **{"aria-hidden": "true"}),
                f" {KIND_WORDS[kind]}",
            ]
        ) if listed else NO_VALUE,
        "weeks": " · ".join(weeks) or NO_VALUE,
        "remaining": count(each.remaining),
        "share": share(each.share),
        "completion": share(each.completion),
        "gap": gap_number(each),
        "recent": recent_words(each, subject.target).removesuffix(subject.target.unit),
        "quiet": _quiet(each),
        "why": told,
    }  # fmt: skip


def _quiet(each: Holding) -> str:
    """Return the weeks without progress; who never moved has no number of weeks."""
    if each.remaining <= 0 or "unreported" in each.zero_reasons:
        return NO_VALUE
    return "一直" if each.quiet_weeks is None else count(each.quiet_weeks)


# --- Leverage -----------------------------------------------------------------------------------


@callback(Output("targeting-leverage", "children"), Input("question", "data"))
@answers
def show_leverage(question: Question) -> html.Section | html.Div:
    """Return what attention would bring by the due day, most first."""
    subject = subject_of(question)
    if subject is None or _of_a_district():
        return html.Div()
    result = targeting_of(subject)
    target, rules = subject.target, subject.rules
    order = leverage(result, rules)
    worth = [each for each in order if max(each.to_median, each.faster) > 0][:10]
    title = "抓了能多办多少"
    choices = choice_group("大户提速", [
        (share(part / 100, 0), _href(question, faster=str(part)),
         math.isclose(part / 100, rules.faster_share))
        for part in sorted({*_FASTER, round(100 * rules.faster_share)})
    ])  # fmt: skip
    if not worth:
        return panel(
            title, html.Div([choices, empty_state("按现有速度都能办完，或还没有速度可比")])
        )
    columns = [
        Column("name", BY_LABELS[subject.by]),
        Column("list", "名单"),
        Column("to_median", "追到中位周速", "end", f"到期多办，{target.unit}"),
        Column("faster", f"提速{share(rules.faster_share, 0)}", "end", f"到期多办，{target.unit}"),
    ]
    return panel(
        title,
        html.Div(
            [
                html.Div(choices, className="choices"),
                data_table(
                    columns,
                    [Row(leverage_row(each)) for each in worth],
                    f"{title}，{_scope(subject)}",
                    caption_hidden=True,
                ),
            ]
        ),
        sentence=leverage_words(result, gains(order), target, rules.faster_share),
        note=f"试算：周速为近{rules.zero_weeks}周完成占自身任务的比例，其余照旧，不超过剩余；"
        f"到期{day(target.due_on)}",
    )


# --- Export -------------------------------------------------------------------------------------


@exported("targeting")
def export_lists(question: Question) -> Export:
    """Return every holder with what puts it on a list."""
    subject = subject_of(question)
    if subject is None:
        return Export("抓零抓大户", about(question), (Sheet("名单", (Head("名称"),), []),))
    result = targeting_of(subject)
    target, rules = subject.target, subject.rules
    # The median pace is that of all holders, of whom a district's reader has not all.
    worth = {} if _of_a_district() else {
        each.holding.holder.code: each for each in leverage(result, rules)
    }  # fmt: skip
    columns = (
        Head("代码"), Head(BY_LABELS[subject.by]), Head("名单"),
        Head("抓零连续周数", "count"), Head("抓大户连续周数", "count"),
        Head(f"存量（{target.unit}）", "amount", 0), Head(f"任务（{target.unit}）", "amount", 1),
        Head(f"完成（{target.unit}）", "amount", 0), Head(f"剩余（{target.unit}）", "amount", 0),
        Head("占剩余", "share"), Head("累计占剩余", "share"), Head("完成率", "share"),
        Head("序时", "share", 2), Head(f"近{rules.zero_weeks}周完成（{target.unit}）", "amount", 0),
        Head("无进展周数", "count"), Head(f"追到中位周速多办（{target.unit}）", "amount", 0),
        Head(f"提速多办（{target.unit}）", "amount", 0), Head("为什么", wide=True),
        Head("追问", wide=True),
    )  # fmt: skip
    rows = [
        (
            each.holder.code, each.holder.name, KIND_WORDS[kind_of(each)], each.zero_weeks_on,
            each.large_weeks_on, each.holder.stock, each.goal, each.done, each.remaining,
            each.share, each.cumulative, each.completion, each.scheduled, each.recent,
            each.quiet_weeks, worth[each.holder.code].to_median if each.holder.code in worth
            else None,
            worth[each.holder.code].faster if each.holder.code in worth else None,
            why(each, rules, target) if each.zero or each.large else "", questions(each),
        )
        for each in result.holdings
    ]  # fmt: skip
    told = about(
        question,
        目标=f"{target.name}（{subject.topic.name}）",
        口径说明=_rule_sentence(subject, result) + ("，试算" if subject.trial else ""),
        进度截至=day(subject.as_of),
    )
    return Export(
        f"抓零抓大户_{target.name}_按{BY_LABELS[subject.by]}", told, (Sheet("名单", columns, rows),)
    )
