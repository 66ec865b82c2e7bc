"""The parts of the ledger of cases: forms that write the URL, rows, one case's course."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, quote

from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import NO_VALUE, count, day, moment
from components.tables import Column, Content, Row, data_table, link_cell
from domain.cases import COLUMNS, Case
from domain.filters import LONGEST_QUERY, Filters, Preset, to_search
from domain.outcomes import BASICALLY_SATISFIED, DISSATISFIED, RESOLVED_NO, RESOLVED_YES, SATISFIED
from domain.periods import Window

PATH = "/cases"
_NO_SUMMARY = f"{NO_VALUE}（无摘要）"


def cases_href(
    filters: Filters,
    preset: Preset = "",
    window: Window | None = None,
    **options: str | tuple[str, ...],
) -> str:
    """Return the link to the ledger of cases, with the filters that every page shares.

    Args:
        filters: of the page that links.
        preset: which cases (``domain.filters.PRESET_LABELS``).
        window: days of creation instead of the period of the filters.
        options: further fields of ``Filters``, such as ``case_sort`` or ``age``.
    """
    asked = filters.shared.narrowed(preset=preset, **options)
    if window is not None:
        asked = asked.narrowed(period=f"{window.start}..{window.end}")
    return PATH + to_search(asked)


def case_href(number: str, filters: Filters) -> str:
    """Return the link to the page of a case, with the filters that every page shares."""
    return f"{PATH}/{quote(number, safe='')}{to_search(filters.shared)}"


# --- Forms ----------------------------------------------------------------------------------------


class _Input(Component):
    """An input of a form that is ready HTML (components/plain.py); Dash itself has none."""

    _namespace = "dash_html_components"
    _type = "Input"
    _prop_names = ("type", "name", "value", "checked", "className", "placeholder", "maxLength",
                   "min", "max", "required", "autoComplete")  # fmt: skip
    available_properties: ClassVar[list[str]] = list(_prop_names)
    available_wildcard_properties: ClassVar[list[str]] = ["data-", "aria-"]
    _children_props: ClassVar[list[str]] = []
    _base_nodes: ClassVar[list[str]] = []
    _valid_wildcard_attributes: ClassVar[list[str]] = ["data-", "aria-"]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)


def _form(kept: Filters, content: Sequence[Component], name: str) -> html.Form:
    """Return a form whose fields, with those of ``kept``, become the URL of the ledger.

    ``assets/28-cases.js`` sends it without leaving the app.
    """
    hidden = [
        _Input(type="hidden", name=field, value=value)
        for field, value in parse_qsl(to_search(kept.narrowed(page="")).removeprefix("?"))
    ]
    return html.Form(
        [*hidden, *content],
        action=PATH,
        method="get",
        className=f"case-form case-form-{name}",
        role="search" if name == "search" else None,
        **{"data-stay": "page"},
    )


def search_form(filters: Filters, clear_href: str) -> html.Form:
    """Return the box to search the summaries with; Enter sends it."""
    return _form(
        filters.narrowed(q=""),
        [
            html.Label(
                [
                    html.Span("搜索摘要", className="facet-name"),
                    _Input(
                        type="search", name="q", value=filters.q, maxLength=LONGEST_QUERY,
                        placeholder="词之间用空格，须全部出现；或工单编号", autoComplete="off",
                    ),
                ]
            ),
            html.Button("搜索", type="submit", className="action"),
            *([dcc.Link("清除", href=clear_href, className="action")] if filters.q else []),
        ],
        "search",
    )  # fmt: skip


def columns_form(filters: Filters, shown: Sequence[str], usual_href: str) -> html.Details:
    """Return the columns with boxes to tick; the usual ones where none is ticked."""
    boxes = [
        html.Label(
            [
                _Input(type="checkbox", name="columns", value=name, checked=name in shown),
                html.Span(label),
            ]
        )
        for name, label in COLUMNS.items()
    ]
    form = _form(
        filters.narrowed(columns=()),
        [
            html.Fieldset([html.Legend("显示的列", className="visually-hidden"), *boxes]),
            html.Button("应用", type="submit", className="action"),
            *(
                [dcc.Link("恢复常用列", href=usual_href, className="action")]
                if filters.columns
                else []
            ),
        ],
        "columns",
    )
    return html.Details([html.Summary("显示的列"), form], className="case-columns")


def page_form(filters: Filters, pages: int) -> html.Form:
    """Return the box that leads to a page by its number."""
    return _form(
        filters,
        [
            html.Label(
                [
                    "到第",
                    _Input(type="number", name="page", min=1, max=pages, required=True,
                           **{"aria-label": f"页码，1至{pages}"}),
                    "页",
                ]
            ),
            html.Button("前往", type="submit", className="action"),
        ],
        "page",
    )  # fmt: skip


# --- Rows -----------------------------------------------------------------------------------------


def status_cell(case: Case) -> Content:
    """Return where a case stands; what is late has a shape besides its colour."""
    if case.overdue:
        return html.Strong("◆ 逾期未办", className="case-late")
    if case.closed and case.on_time is False:
        return html.Span("逾期办结", className="case-late")
    if case.shelved:
        return "◇ 挂账"
    return case.status


def due_cell(case: Case, cutoff: dt.datetime) -> Content:
    """Return the time limit, and for an open case how far off it is."""
    if case.due_at is None:
        return f"{NO_VALUE}（未给期限）"
    words = due_words(case, cutoff)
    return [_time(day(case.due_at)), *([html.Small(words)] if words else [])]


def _time(text: str) -> html.Span:
    return html.Span(text, className="case-time")


def due_words(case: Case, cutoff: dt.datetime) -> str:
    """Return how far off the limit of an open case is: "逾期12天"; "" for a closed one."""
    if case.closed or case.due_at is None:
        return ""
    if case.due_at >= cutoff:
        days = (case.due_at - cutoff).days
        return f"还有{count(days)}天" if days else "还有不足1天"
    days = (cutoff - case.due_at).days
    word = "逾期" if case.overdue else "已过"
    return f"{word}{count(days)}天" if days else f"{word}不足1天"


def revisit_words(case: Case) -> str:
    """Return the answers of the revisit: "已联系，解决，满意"."""
    if case.valid_revisit is None:
        return "未回访"
    if not case.valid_revisit:
        return "回访无效"
    resolved = {RESOLVED_YES: "解决", RESOLVED_NO: "未解决", None: "解决与否不详"}
    satisfied = {
        SATISFIED: "满意", BASICALLY_SATISFIED: "基本满意", DISSATISFIED: "不满意",
    }  # fmt: skip
    return "，".join(
        [
            "已联系" if case.contacted else "未联系",
            resolved.get(case.resolved, "部分解决"),
            satisfied.get(case.satisfaction if case.satisfaction is not None else -1, "未评价"),
        ]
    )


def marked(text: str, terms: Sequence[str]) -> list[Any]:
    """Return a text with every occurrence of some words marked."""
    if not terms:
        return [text]
    # The longest first: a word may be part of another.
    either = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
    parts = re.split(f"({either})", text)
    return [html.Mark(part) if place % 2 else part for place, part in enumerate(parts) if part]


def _summary_cell(case: Case, terms: Sequence[str]) -> Content:
    if not case.summary:
        return _NO_SUMMARY
    return html.Div(marked(case.summary, terms), className="case-summary", title=case.summary)


def _cells(
    case: Case, filters: Filters, cutoff: dt.datetime, repeats: Mapping[str, int]
) -> dict[str, Content]:
    days = case.open_days(cutoff)
    again = repeats.get(case.matter, 0)
    return {
        "id": link_cell(case.case_id, case_href(case.case_id, filters)),
        "created": _time(moment(case.created_at)),
        "status": status_cell(case),
        "open": NO_VALUE if days is None else count(days),
        "due": due_cell(case, cutoff),
        "place": case.place or "未定位",
        "community": case.community or NO_VALUE,
        "category": case.category_words or "未归类",
        "topic": case.topic_name or NO_VALUE,
        "unit": case.unit_words or "未写明",
        "kind": case.kind or NO_VALUE,
        "channel": case.channel or NO_VALUE,
        "closed": _time(moment(case.closed_at))
        if case.closed_at
        else ("已办结，时间不详" if case.closed else NO_VALUE),
        "shelved": _time(day(case.shelved_until))
        if case.shelved and case.shelved_until
        else NO_VALUE,
        "repeats": count(again + 1) if again else "1",
        "revisit": revisit_words(case),
        "excluded": "剔除" if case.excluded else NO_VALUE,
        "summary": _summary_cell(case, filters.terms),
    }


_COLUMN_OF: dict[str, Column] = {
    "id": Column("id", "工单"),
    "open": Column("open", COLUMNS["open"], "end", "天", phone=False),
    "repeats": Column("repeats", COLUMNS["repeats"], "end", "件，含首件"),
    "status": Column("status", COLUMNS["status"]),
    "place": Column("place", COLUMNS["place"]),
    "summary": Column("summary", COLUMNS["summary"]),
}


def case_table(
    cases: Sequence[Case],
    columns: Sequence[str],
    filters: Filters,
    cutoff: dt.datetime,
    caption: str,
    repeats: Mapping[str, int],
    marked_case: str = "",
) -> html.Div:
    """Return cases as a table, their numbers as links.

    Args:
        cases: in the order to show.
        columns: keys of ``domain.cases.COLUMNS``.
        filters: of the page; its search words are marked in the summaries.
        cutoff: data cut-off.
        caption: what is listed.
        repeats: number of a matter's first case → how many repeats it has.
        marked_case: the number of the case that the page is about.
    """
    heads = [
        _COLUMN_OF.get(name, Column(name, COLUMNS.get(name, ""), phone=False))
        for name in ("id", *columns)
    ]
    rows = [
        Row(_cells(case, filters, cutoff, repeats), marked=case.case_id == marked_case)
        for case in cases
    ]
    return data_table(heads, rows, caption, caption_hidden=True)


def steps_nav(
    words: str, before: str | None, after: str | None, label: str, extra: Sequence[Component] = ()
) -> html.Nav:
    """Return the links to the pages on either side.

    Args:
        words: what is on this page.
        before: link to the page before; None for none.
        after: link to the page behind.
        label: names the links for screen readers.
        extra: shown behind them.
    """
    links = [
        html.Li(
            dcc.Link(text, href=href)
            if href
            else html.Span(text, className="pager-none", **{"aria-disabled": "true"})
        )
        for text, href in (("上一页", before), ("下一页", after))
    ]
    return html.Nav(
        [*([html.Span(words)] if words else []), html.Ul(links), *extra],
        className="pager",
        **{"aria-label": label},
    )


# --- One case -------------------------------------------------------------------------------------


class Event(NamedTuple):
    """One thing that happened to a case, or is to happen."""

    when: dt.datetime | dt.date | None  # None: it happened, nobody wrote when
    name: str
    words: Any = ""
    tone: str = ""  # "bad", "ahead" (not yet), "now" or ""


def elapsed(start: dt.datetime, end: dt.datetime) -> str:
    """Return the time between two moments: "3天4小时", "25分钟"."""
    minutes = int((end - start).total_seconds() // 60)
    if minutes < 0:
        return ""
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    if days:
        return f"{count(days)}天{hours}小时" if hours else f"{count(days)}天"
    if hours:
        return f"{hours}小时{left}分钟" if left else f"{hours}小时"
    return f"{left}分钟"


def course(events: Sequence[Event]) -> html.Ol:
    """Return the events as a line with its moments; those without one stand last."""
    items = []
    for event in events:
        if event.when is None:
            time: Content = "时间不详"
        elif isinstance(event.when, dt.datetime):
            time = html.Time(moment(event.when), dateTime=event.when.isoformat(timespec="minutes"))
        else:
            time = html.Time(day(event.when), dateTime=event.when.isoformat())
        items.append(
            html.Li(
                [
                    html.Span(time, className="course-when"),
                    html.Strong(event.name, className="course-name"),
                    html.Span(event.words, className="course-words"),
                ],
                className=f"course-{event.tone}" if event.tone else None,
            )
        )
    return html.Ol(items, className="course")
