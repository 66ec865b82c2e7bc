"""One case of the ledger: what happened to it and when, where it stands, how often it came back."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote, unquote

import dash
from dash import Input, Output, callback, dcc, html

from components.cases import (
    PATH,
    Event,
    case_href,
    case_table,
    cases_href,
    course,
    due_words,
    elapsed,
    revisit_words,
)
from components.formatting import NO_VALUE, count, day, moment
from components.page_strip import strip
from components.panel import panel
from components.projects import UNKNOWN, fact_list, number_card, units_text
from components.states import empty_state, loading, notice
from components.tables import Content, link_cell
from data_access.cases import case_of_number, cases_of_matter, neighbours_in_month
from data_access.question import Question
from domain.cases import Case, meaning
from domain.filters import DIMENSION_LABELS, DIMENSIONS, Filters, to_search
from domain.periods import Window
from pages._answers import answers, reader
from pages._projects import ledgers_of

dash.register_page(
    __name__, path_template="/cases/<number>", title="督办台账 · 接诉即办督办看板", name="一件诉求"
)

# Of a matter that came back more often the oldest are shown.
SHOWN_OF_MATTER = 200
_COLUMNS = ("created", "status", "due", "closed", "unit", "summary")


def layout(number: str | None = None, **_query: str) -> html.Div:
    """Return the empty page of a case; its panels fill themselves."""
    return html.Div(
        [
            dcc.Store(id="case-number", data=number),
            loading(html.Div(id="case-summary"), "16rem"),
            html.Div(
                [
                    loading(html.Div(id="case-course"), "20rem"),
                    loading(html.Div(id="case-facts"), "20rem"),
                ],
                className="panel-grid",
            ),
            loading(html.Div(id="case-matter"), "12rem"),
        ],
        className="page page-case",
    )


def _found(question: Question, number: str) -> Case | None:
    """Return the case that a text from the URL names; None for none that the reader may see."""
    for name in dict.fromkeys((number, unquote(number))):
        case = case_of_number(question.snapshot, reader(), name)
        if case is not None:
            return case
    return None


def _plain(question: Question) -> Filters:
    """Return the filters without those of cases: what leads from one case to others."""
    return question.asked.shared.narrowed(**dict.fromkeys(DIMENSIONS, ()))


def _whole(question: Question) -> Window:
    cutoff = question.snapshot.cutoff.date()
    return Window(question.snapshot.first_day or cutoff, cutoff)


# --- Summary ------------------------------------------------------------------------------------


@callback(
    Output("case-summary", "children"), Input("question", "data"), Input("case-number", "data")
)
@answers
def show_summary(question: Question, number: str) -> html.Div:
    """Return the answer sentence, the words of the case, and how long everything took."""
    case = _found(question, number)
    snapshot = question.snapshot

    def head(title: str, scope: str, path: str) -> html.Header:
        return strip(
            title,
            scope,
            snapshot.cutoff,
            question.rules.version,
            snapshot.key,
            snapshot.is_demo,
            link=path + question.canonical,
            extra_actions=[
                dcc.Link(
                    "督办台账", href=PATH + to_search(question.asked.shared), className="action"
                )
            ],
        )

    if case is None:
        named = "".join(letter for letter in unquote(number) if letter.isprintable())[:30]
        hint = f"本数据版本的台账没有编号为“{named}”的诉求" if named else "链接里没有工单的编号"
        return html.Div(
            [
                head("找不到这件诉求", question.place, PATH),
                empty_state(
                    f"{hint}；当场答复的咨询不列入台账，其他区的诉求不在可见范围内",
                    title="没有这件诉求",
                ),
                html.P(
                    dcc.Link("返回督办台账", href=PATH + to_search(question.asked.shared)),
                    className="topic-back",
                ),
            ]
        )
    ignored = [DIMENSION_LABELS[name] for name in DIMENSIONS if getattr(question.filters, name)]
    place = f"{case.place or '未定位'}{case.community}"
    return html.Div(
        [
            head(
                _answer(case, snapshot.cutoff),
                f"工单 {case.case_id} · {place} · 本页不分时段与口径",
                case_path(case),
            ),
            notice(ignored, "本页只讲一件诉求，下列筛选未采用"),
            html.Blockquote(case.summary or f"{NO_VALUE}（无摘要）", className="case-words"),
            _cards(case, snapshot.cutoff),
        ]
    )


def case_path(case: Case) -> str:
    """Return the path of a case's page."""
    return f"{PATH}/{quote(case.case_id, safe='')}"


def _answer(case: Case, cutoff: dt.datetime) -> str:
    """Return the title: what it is about, where it stands, since when."""
    about = case.category_words or "未归类诉求"
    if case.closed:
        took = elapsed(case.created_at, case.closed_at) if case.closed_at else ""
        return f"{about}：{case.status}" + (f"，用时{took}" if took else "")
    days = case.open_days(cutoff) or 0
    words = f"受理{count(days)}天未办结" if days else "当日受理，尚未办结"
    if case.shelved and case.shelved_until is not None:
        left = (case.shelved_until - cutoff.date()).days
        return f"{about}：{words}，挂账至{day(case.shelved_until)}（还有{count(left)}天）"
    due = due_words(case, cutoff)
    return f"{about}：{words}" + (f"，{due}" if due else "，未给期限")


def _cards(case: Case, cutoff: dt.datetime) -> html.Section:
    ended = f"办结 {moment(case.closed_at)}" if case.closed_at else ""
    answer, *answers_more = revisit_words(case).split("，")
    cards = [
        number_card(
            "状态",
            case.status,
            "",
            [due_words(case, cutoff) or ended],
            "bad" if case.overdue or (case.closed and case.on_time is False) else "",
        ),
        _time_card("派单用时", case.created_at, case.dispatched_at, "尚未派单"),
        _time_card("响应用时", case.created_at, case.responded_at, "没有响应时间"),
        _time_card("办结用时", case.created_at, case.closed_at,
                   "办结时间不详" if case.closed else "未办结"),
        number_card("回访", answer, "", ["，".join(answers_more)]),
    ]  # fmt: skip
    return html.Section(
        [html.H2("概况", className="visually-hidden"), html.Div(cards, className="figure-cards")]
    )


def _time_card(name: str, start: dt.datetime, end: dt.datetime | None, none: str) -> html.Article:
    if end is None:
        return number_card(name, NO_VALUE, "", [none])
    return number_card(name, elapsed(start, end) or NO_VALUE, "", [moment(end)])


# --- Course -------------------------------------------------------------------------------------


@callback(
    Output("case-course", "children"), Input("question", "data"), Input("case-number", "data")
)
@answers
def show_course(question: Question, number: str) -> html.Section | html.Div:
    """Return what happened to the case and to its matter, in order of time."""
    case = _found(question, number)
    if case is None:
        return html.Div()
    cutoff = question.snapshot.cutoff
    events = [*_events(case, cutoff), *_events_of_matter(question, case)]
    known = [event for event in events if event.when is not None]
    known.sort(key=lambda event: _moment(event.when))
    unknown = [event for event in events if event.when is None]
    return panel(
        "经过",
        course([*known, *unknown]),
        note=f"截至{moment(cutoff)}；虚线为截至以后",
    )


def _moment(when: Any) -> dt.datetime:
    # A day without a time is over at its end.
    return when if isinstance(when, dt.datetime) else dt.datetime.combine(when, dt.time.max)


def _events(case: Case, cutoff: dt.datetime) -> list[Event]:
    def since(time: dt.datetime) -> str:
        took = elapsed(case.created_at, time)
        return f"受理后{took}" if took else ""

    events = [Event(case.created_at, "受理", "，".join(filter(None, (case.channel, case.kind))))]
    if case.dispatched_at:
        direct = "直派" if case.direct_dispatch else "派单"
        words = "，".join(filter(None, (case.unit_words, since(case.dispatched_at))))
        events.append(Event(case.dispatched_at, direct, words))
    if case.responded_at:
        events.append(Event(case.responded_at, "响应", since(case.responded_at)))
    if case.due_at:
        passed = case.due_at < cutoff
        late = case.overdue or (case.closed and case.on_time is False)
        tone = "bad" if passed and late else "" if passed else "ahead"
        events.append(Event(case.due_at, "办理期限", due_words(case, cutoff), tone))
    if case.closed:
        tone = "bad" if case.on_time is False else ""
        words = since(case.closed_at) if case.closed_at else ""
        events.append(Event(case.closed_at, case.status, words, tone))
    if case.shelved_until:
        ahead = case.shelved_until >= cutoff.date()
        left = (case.shelved_until - cutoff.date()).days
        words = f"还有{count(left)}天" if ahead and not case.closed else ""
        events.append(Event(case.shelved_until, "挂账到期", words, "ahead" if ahead else ""))
    if case.valid_revisit is not None:
        events.append(Event(None, "回访", revisit_words(case)))
    events.append(Event(cutoff, "数据截至", "" if case.closed else case.status, "now"))
    return events


def _events_of_matter(question: Question, case: Case) -> list[Event]:
    """Return when the same matter came in, before and afterwards."""
    others = [
        each
        for each in cases_of_matter(question.snapshot, reader(), case, SHOWN_OF_MATTER)
        if each.case_id != case.case_id
    ]
    return [
        Event(
            other.created_at,
            "首次反映" if other.case_id == case.matter else "同一事项再次反映",
            [_link(question, other), f"，{other.status}"],
        )
        for other in others
    ]


def _link(question: Question, case: Case) -> dcc.Link:
    return link_cell(case.case_id, case_href(case.case_id, question.asked))


# --- Facts --------------------------------------------------------------------------------------


@callback(Output("case-facts", "children"), Input("question", "data"), Input("case-number", "data"))
@answers
def show_facts(question: Question, number: str) -> html.Section | html.Div:
    """Return what the case is about, who has it, and what it belongs to, as links."""
    case = _found(question, number)
    if case is None:
        return html.Div()
    facts: list[tuple[str, Content]] = [
        ("地点", _place(question, case)),
        ("分类", _narrowing(question, "category", case.category, case.category_words) or "未归类"),
        ("每月一题", _topic(question, case)),
        ("承办单位", _narrowing(question, "unit", case.unit, case.unit_words) or UNKNOWN),
        ("性质与渠道", "，".join(filter(None, (case.kind, case.channel))) or UNKNOWN),
        ("考核", "剔除，不计入考核口径" if case.excluded else "计入考核口径"),
        ("挂账", _shelf(case, question.snapshot.cutoff)),
        ("群诉", _group(question, case)),
    ]
    found = _projects(question, case)
    if found:
        facts.append(("同社区项目", found))
    return panel("情况", fact_list(facts))


def _place(question: Question, case: Case) -> Content:
    if not case.district:
        return f"未定位（原文：{case.place_text}）" if case.place_text else "未定位"
    search = to_search(_plain(question))
    words: list[Any] = [link_cell(case.district_name, f"/districts/{case.district}{search}")]
    if case.subdistrict:
        street = f"/subdistricts/{case.subdistrict}{search}"
        words += [" ", link_cell(case.subdistrict_name, street)]
    return [*words, *([f" {case.community}"] if case.community else [])]


def _narrowing(question: Question, name: str, code: str, words: str) -> Content:
    """Return a name that leads to the open cases of the same; the words alone without a code."""
    if not code:
        return f"{words}（原文）" if words else ""
    narrowed = _plain(question).narrowed(**{name: (code,)})
    return link_cell(words, cases_href(narrowed, "open", _whole(question)))


def _topic(question: Question, case: Case) -> Content:
    if not case.topic:
        return "不在每月一题"
    href = f"/topics/{quote(case.topic, safe='')}{to_search(_plain(question))}"
    return link_cell(case.topic_name, href)


def _shelf(case: Case, cutoff: dt.datetime) -> Content:
    if case.shelved_until is None:
        return "没有挂账"
    if case.shelved:
        left = (case.shelved_until - cutoff.date()).days
        return (
            f"挂账至{day(case.shelved_until)}，还有{count(left)}天；"
            f"受理至今{count(case.open_days(cutoff) or 0)}天"
        )
    ended = "已办结" if case.closed else "挂账期限已过"
    return f"曾挂账至{day(case.shelved_until)}，{ended}"


def _group(question: Question, case: Case) -> Content:
    number = neighbours_in_month(question.snapshot, reader(), case)
    if not number:
        return "不能判断（缺街道、社区或分类）"
    words = f"同社区同分类当月{count(number)}件"
    if number < question.rules.group_cases:
        return f"{words}，不足{count(question.rules.group_cases)}件"
    first = case.created_at.date().replace(day=1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    asked = _plain(question).narrowed(
        subdistrict=(case.subdistrict,), category=(case.category,), basis="all"
    )
    href = cases_href(asked, "group", Window(first, last), community=(case.community,))
    return ["是群诉：", link_cell(words, href)]


def _projects(question: Question, case: Case) -> Content:
    """Return the projects of the case's topic in its community."""
    if not (case.topic and case.community and case.subdistrict):
        return None
    search = to_search(_plain(question))
    words: list[Any] = []
    for ledger in ledgers_of(question):
        for project in ledger.projects:
            here = (project.subdistrict, project.community) == (case.subdistrict, case.community)
            if ledger.topic.code == case.topic and here:
                href = f"/projects/{quote(project.code, safe='')}{search}"
                left = units_text(project.remaining, ledger.target.unit)
                words += [link_cell(project.name, href), f"（剩余{left}）"]
    return words or None


# --- The same matter ----------------------------------------------------------------------------


@callback(
    Output("case-matter", "children"), Input("question", "data"), Input("case-number", "data")
)
@answers
def show_matter(question: Question, number: str) -> html.Section | html.Div:
    """Return every case of the same matter, the oldest first."""
    case = _found(question, number)
    if case is None:
        return html.Div()
    snapshot = question.snapshot
    title = "同一事项的诉求"
    cases = cases_of_matter(snapshot, reader(), case, SHOWN_OF_MATTER)
    others = [each for each in cases if each.case_id != case.case_id]
    if not others:
        hint = "没有别的诉求以它为原工单，它也不是别的诉求的重复"
        if case.repeat_of:
            hint = f"原工单 {case.repeat_of} 不在本数据版本的台账中"
        return panel(title, empty_state(hint, title="没有同一事项的其他诉求"), wide=True)
    still = sum(not each.closed for each in cases)
    sentence = f"共{count(len(cases))}件，未办结{count(still)}件。"
    returned = _returned(cases, question.rules.return_days)
    if returned:
        days = question.rules.return_days
        sentence = f"{sentence[:-1]}；其中{count(returned)}件在原工单办结后{days}天内。"
    if len(cases) == SHOWN_OF_MATTER:
        sentence += f"只列最早的{count(SHOWN_OF_MATTER)}件。"
    return panel(
        title,
        case_table(
            cases, _COLUMNS, question.asked, snapshot.cutoff, title, {}, marked_case=case.case_id
        ),
        sentence=sentence,
        note=f"{meaning('repeat', question.rules)}；截至{day(snapshot.cutoff)}，最早的在前",
        wide=True,
    )


def _returned(cases: tuple[Case, ...], days: int) -> int:
    """Return how many of the cases came within some days of the close of the one they repeat."""
    closed = {case.case_id: case.closed_at for case in cases}
    number = 0
    for case in cases:
        end = closed.get(case.repeat_of)
        if end is not None and end <= case.created_at <= end + dt.timedelta(days=days):
            number += 1
    return number
