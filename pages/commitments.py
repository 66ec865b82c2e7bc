"""承诺台账: who promised what by when, and whether it came true."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

import dash
from dash import Input, Output, State, callback, ctx, dcc, html, no_update
from flask import g

from components.commitments import (
    NO_CHOICE,
    commitment_form,
    commitments_answer,
    commitments_table,
    goal_text,
    options,
    reading_text,
    remark_form,
)
from components.exports.sheets import Export, Head, Sheet, export_links
from components.formatting import day
from components.page_strip import strip
from components.panel import panel
from components.states import empty_state, loading
from data_access.office.audit import record
from data_access.office.book import OfficeError
from data_access.office.commitments import add_commitment, remark, stamp
from data_access.programme import topic_years, topics_of_year
from data_access.projects import project_of_code
from data_access.question import NothingPublishedError, Question, ask, names
from domain.commitments import (
    PROJECT,
    RATES,
    STANDING_WORDS,
    Commitment,
    CommitmentError,
    of_week,
)
from domain.filters import to_search
from domain.metrics import METRICS
from domain.periods import Window, present
from pages._answers import answers, book, log, reader, store, who
from pages._commitments import Judged, chosen, judged, target_of_code
from pages._exports import about, exported

PATH = "/commitments"
dash.register_page(
    __name__, path=PATH, title="承诺台账 · 接诉即办督办看板", name="承诺台账", order=5
)


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            # What the book holds, as of the last look: panels follow it.
            dcc.Store(id="commitments-stamp"),
            loading(html.Div(id="commitments-summary"), "6rem"),
            loading(html.Div(id="commitments-week"), "10rem"),
            loading(html.Div(id="commitments-table"), "20rem"),
            html.Div(
                [
                    _form(
                        "登记承诺",
                        commitment_form(),
                        "登记后不能修改，误录的可以撤回；选了指标的到期自动判定，其余由督查人员认定",
                    ),
                    _form("认定与撤回", remark_form(), "按指标判定的只能撤回"),
                ],
                id="commitments-forms",
                hidden=True,
            ),
        ],
        className="page page-commitments",
    )


def _form(title: str, form: html.Form, note: str) -> html.Section:
    return html.Section(
        [
            html.Div(
                [html.H2(title), html.Span(note, className="panel-note")], className="panel-head"
            ),
            form,
        ],
        className="panel",
    )


# --- What is shown --------------------------------------------------------------------------------


def _unit_of(question: Question) -> Any:
    def unit(code: str) -> tuple[str, str] | None:
        found = target_of_code(question, code)
        return None if found is None else (found[0].name, found[0].unit)

    return unit


def _abouts(question: Question, listed: tuple[Judged, ...]) -> dict[int, Any]:
    """Return number of a commitment → links to what it is about."""
    named = names(question.snapshot)
    search = to_search(question.asked.shared.narrowed(district=(), topic=()))
    result: dict[int, Any] = {}
    for commitment, _ in listed:
        links: list[Any] = []
        for code, kind, path in (
            (commitment.district, "district", "districts"),
            (commitment.topic, "topic", "topics"),
        ):
            if code in named[kind]:
                links.append(dcc.Link(named[kind][code], href=f"/{path}/{code}{search}"))
        if commitment.project:
            links.append(
                dcc.Link(commitment.project, href=f"/projects/{commitment.project}{search}")
            )
        result[commitment.number] = html.Span(
            [part for link in links for part in (" · ", link)][1:] or "全市"
        )
    return result


def _note(question: Question) -> str:
    return f"判定截至{day(question.snapshot.cutoff.date())}；率按承诺日至兑现日的诉求，考核口径"


@callback(
    Output("commitments-summary", "children"),
    Input("commitments-stamp", "data"),
    State("question", "data"),
)
def show_summary(_stamp: object, search: object) -> Any:
    """Return the answer sentence."""
    return _summary(search, _now())


@callback(
    Output("commitments-week", "children"),
    Input("commitments-stamp", "data"),
    State("question", "data"),
)
def show_week(_stamp: object, search: object) -> Any:
    """Return what a meeting looks back on: due in the last seven days, or overdue."""
    return _week(search, _now())


@callback(
    Output("commitments-table", "children"),
    Input("commitments-stamp", "data"),
    State("question", "data"),
)
def show_table(_stamp: object, search: object) -> Any:
    """Return all commitments of the filters, what needs attention first."""
    return _table(search, _now())


@callback(
    Output("commitments-forms", "hidden"),
    Output("commitment-district", "options"),
    Output("commitment-topic", "options"),
    Output("commitment-measure", "options"),
    Output("commitment-made", "value"),
    Output("remark-number", "options"),
    Input("commitments-stamp", "data"),
    State("question", "data"),
    State("commitment-made", "value"),
)
def show_forms(_stamp: object, search: object, made: object) -> Any:
    """Fill the choices of the forms, for those who may enter."""
    nothing: tuple[Any, ...] = (True, [], [], [], no_update, [])
    if search is None or not who().may("commitments"):
        return nothing
    try:
        question = ask(store(), reader(), search)
        held = [each for each, _ in judged(question) if not each.withdrawn]
    except (NothingPublishedError, OfficeError):
        return nothing
    snapshot = question.snapshot
    topics = [
        topic for year in topic_years(snapshot)[-2:] for topic in topics_of_year(snapshot, year)
    ]
    measures = [
        *((key, METRICS[key].name) for key in RATES),
        (PROJECT, "项目办结"),
        *(
            (target.code, f"{topic.name}：{target.name}（{target.unit}）")
            for topic in topics
            for target in topic.targets
        ),
    ]
    today = min(present().date(), snapshot.cutoff.date())
    return (
        False,
        options(list(names(snapshot)["district"].items()), "全市"),
        options([(topic.code, topic.name) for topic in topics], "不限"),
        options(measures, "人工认定"),
        made or today.isoformat(),
        options([(str(each.number), f"{each.number} · {each.by} · {each.words[:30]}")
                 for each in held]),
    )  # fmt: skip


def _now() -> str:
    """Return what the book holds; never what a browser says that it holds."""
    try:
        return stamp(book())
    except OfficeError:
        return ""


@answers
def _summary(question: Question, _held: str) -> html.Div:
    everything = chosen(question, judged(question))
    return html.Div(
        strip(
            commitments_answer(everything),
            question.words,
            question.snapshot.cutoff,
            question.rules.version,
            question.snapshot.key,
            question.snapshot.is_demo,
            link=PATH + question.canonical,
            extra_actions=export_links("commitments", question.canonical, "承诺台账"),
        )
    )


@answers
def _week(question: Question, _held: str) -> html.Section | html.Div:
    everything = chosen(question, judged(question))
    if not everything:
        return html.Div()
    end = question.snapshot.cutoff.date()
    week = Window(end - dt.timedelta(days=6), end)
    due = tuple(of_week(everything, week))
    title = "上周承诺回看"
    return panel(
        title,
        commitments_table(due, _abouts(question, due), _unit_of(question), title)
        if due
        else empty_state("近7天没有到期的承诺，此前到期的均已兑现", title="● 无须回看"),
        sentence=commitments_answer(due) + "。" if due else "",
        note=f"{week.label}到期的，和此前到期仍未兑现的；{_note(question)}",
        wide=True,
    )


@answers
def _table(question: Question, _held: str) -> html.Section | html.Div:
    everything = chosen(question, judged(question))
    if not everything:
        return html.Div(
            empty_state("督查人员登记后，到期时按同一套指标自动判定", title="没有登记的承诺")
        )
    title = "全部承诺"
    return panel(
        title,
        commitments_table(everything, _abouts(question, everything), _unit_of(question), title),
        note=_note(question),
        wide=True,
    )


# --- What is entered ------------------------------------------------------------------------------


@callback(
    Output("commitments-stamp", "data"),
    Output("commitment-said", "children"),
    Output("remark-said", "children"),
    Output("commitment-words", "value"),
    Output("remark-note", "value"),
    Input("question", "data"),
    Input("commitment-enter", "n_clicks"),
    Input("remark-enter", "n_clicks"),
    State("commitment-by", "value"),
    State("commitment-words", "value"),
    State("commitment-made", "value"),
    State("commitment-due", "value"),
    State("commitment-district", "value"),
    State("commitment-topic", "value"),
    State("commitment-measure", "value"),
    State("commitment-goal", "value"),
    State("commitment-project", "value"),
    State("remark-number", "value"),
    State("remark-kind", "value"),
    State("remark-note", "value"),
)
def write(search: object, _enter: object, _judge: object, *entered: object) -> Any:
    """Enter or judge when a button was pressed; return what the book then holds.

    What is wrong is said beside the button; only what was entered is cleared.
    """
    if search is None:
        return (no_update,) * 5
    pressed = ctx.triggered_id
    if pressed not in ("commitment-enter", "remark-enter"):
        return _now(), *(no_update,) * 4
    done = False
    try:
        if not who().may("commitments"):
            raise CommitmentError("无权登记或认定承诺")
        if pressed == "commitment-enter":
            said = _enter_commitment(ask(store(), reader(), search), *entered[:9])
        else:
            said = _enter_remark(*entered[9:])
        done = True
    except (CommitmentError, OfficeError, NothingPublishedError) as error:
        said = f"没有写入：{error}"
    except Exception:
        log.error("commitment_failed", exc_info=True)
        said = f"没有写入，请稍后重试（编号 {g.reference}）"
    cleared = "" if done else no_update
    if pressed == "commitment-enter":
        return _now(), said, "", cleared, no_update
    return _now(), "", said, no_update, cleared


def _enter_commitment(question: Question, *entered: object) -> str:
    commitment = _entered(question, *entered)
    number = add_commitment(book(), commitment, who().account, present())
    record(book(), who().account, "commitment", f"登记承诺{number}：{commitment.words}")
    return f"已登记，编号{number}"


def _enter_remark(number: object, kind: object, note: object) -> str:
    if kind not in ("kept", "broken", "withdrawn"):
        raise CommitmentError("认定结果不认识")
    one = int(number) if isinstance(number, str) and re.fullmatch("[0-9]{1,9}", number) else 0
    remark(book(), reader(), one, kind, _text(note), who().account, present())
    words = "撤回" if kind == "withdrawn" else f"认定为{STANDING_WORDS[kind]}"
    record(book(), who().account, "commitment", f"承诺{one}{words}：{_text(note)}")
    return f"承诺{one}已{words}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _choice(value: object) -> str:
    return "" if value == NO_CHOICE else _text(value)


def _day(value: object, words: str) -> dt.date:
    try:
        return dt.date.fromisoformat(_text(value))
    except ValueError:
        raise CommitmentError(f"{words}须填写") from None


def _entered(
    question: Question, by: object, words: object, made: object, due: object, district: object,
    topic: object, measure: object, goal: object, project: object,
) -> Commitment:  # fmt: skip
    """Return what the form holds, everything in it looked up.

    Raises:
        CommitmentError: something is missing or unknown.
    """
    named = names(question.snapshot)
    about = {"district": _choice(district), "topic": _choice(topic)}
    for kind, code in about.items():
        if code and code not in named[kind]:
            raise CommitmentError("所选的区或题目不在名录中")
    code = _text(project).strip()
    if code and project_of_code(question.snapshot, reader(), code) is None:
        raise CommitmentError(f"没有编号为{code}的项目")
    measured = _choice(measure)
    known = measured in ("", PROJECT, *RATES) or target_of_code(question, measured) is not None
    if not known:
        raise CommitmentError("判定依据不认识")
    number = math.nan
    if isinstance(goal, int | float) and not isinstance(goal, bool):
        number = float(goal)
        if measured in RATES and METRICS[measured].kind == "rate":
            number /= 100
    return Commitment(
        number=0,
        made_on=_day(made, "承诺日"),
        due_on=_day(due, "兑现日"),
        by=_text(by),
        words=_text(words),
        district=about["district"],
        topic=about["topic"],
        project=code,
        measure=measured,
        goal=number,
    )


@exported("commitments")
def export_commitments(question: Question) -> Export:
    """Return the ledger of the filters."""
    unit_of = _unit_of(question)
    named = names(question.snapshot)
    rows = [
        [
            each.number, STANDING_WORDS[outcome.standing], each.by, each.words,
            named["district"].get(each.district, ""), named["topic"].get(each.topic, ""),
            each.project, goal_text(each, unit_of) or "人工认定", each.made_on, each.due_on,
            reading_text(each, outcome, unit_of), each.verdict_note, each.verdict_by,
            each.withdrawn,
        ]
        for each, outcome in chosen(question, judged(question))
    ]  # fmt: skip
    heads = [
        Head("编号", "count"), Head("状态"), Head("承诺单位"), Head("承诺事项", wide=True),
        Head("区"), Head("每月一题"), Head("项目"), Head("判定依据", wide=True),
        Head("承诺日", "date"), Head("兑现日", "date"), Head("现值", wide=True),
        Head("认定理由", wide=True), Head("认定人"), Head("撤回理由"),
    ]  # fmt: skip
    return Export("承诺台账", about(question, 判定=_note(question)), [Sheet("承诺", heads, rows)])
