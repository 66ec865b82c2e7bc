"""督办台账: which cases are late, open for too long, back again, shelved, many at once?"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.cases import (
    PATH,
    case_href,
    case_table,
    cases_href,
    columns_form,
    due_words,
    page_form,
    revisit_words,
    search_form,
    steps_nav,
)
from components.exports.sheets import Export, Head, LongSheet, export_links
from components.formatting import count, day, share
from components.page_strip import strip
from components.panel import panel
from components.projects import Choice, facet
from components.states import empty_state, loading, notice
from components.tables import Column, Row, data_table, link_cell
from data_access.cases import (
    batches_of_cases,
    case_of_number,
    groups,
    ladder,
    number_until,
    page_of_cases,
    repeats_of,
    shelved_until,
)
from data_access.question import Question
from domain.cases import (
    COLUMNS,
    OPEN_PRESETS,
    Case,
    Listing,
    Mark,
    in_words,
    listing,
    meaning,
    parse_mark,
    shown_columns,
    sorts_of,
)
from domain.filters import (
    AGE_DAYS,
    CASE_SORT_LABELS,
    PRESET_LABELS,
    Age,
    CaseSort,
    Filters,
    Preset,
    to_search,
)
from domain.periods import Window
from domain.scope import Scope
from pages._answers import answers, reader
from pages._exports import about, exported

dash.register_page(
    __name__, path=PATH, title="督办台账 · 接诉即办督办看板", name="督办台账", order=4
)

ROWS_PER_PAGE = 50
SHOWN_GROUPS = 12
SHELF_ENDS_WITHIN = 30
# What is found by matching cases with each other, and takes longer to count.
MATCHED: tuple[Preset, ...] = ("returned", "group")
# Of more cases than this they are counted only when they are listed: it takes seconds.
MOST_MATCHED = 5_000_000
# What may be the number of a case rather than a word.
_NUMBER = re.compile(r"(?=.*[0-9])[A-Za-z0-9_.\-]{4,40}")


def layout(**_query: str) -> html.Div:
    """Return the empty page; its panels fill themselves."""
    return html.Div(
        [
            loading(html.Div(id="cases-summary"), "5rem"),
            html.Div(
                [
                    loading(html.Div(id="cases-choices"), "7rem"),
                    loading(html.Div(id="cases-matched"), "2rem"),
                    html.Div(id="cases-search"),
                ],
                className="facets",
            ),
            loading(html.Div(id="cases-groups"), "12rem"),
            html.Div(id="cases-pager"),
            loading(html.Div(id="cases-table"), "40rem"),
        ],
        className="page page-cases",
    )


# --- What is listed -----------------------------------------------------------------------------


class _View(NamedTuple):
    """What the page lists, as far as the question makes sense, and what of it did not."""

    question: Question
    listing: Listing
    sort: CaseSort
    columns: tuple[str, ...]
    after: Mark | None
    before: Mark | None
    problems: tuple[str, ...]

    @property
    def filters(self) -> Filters:
        return self.question.filters

    @property
    def cutoff(self) -> dt.date:
        return self.question.snapshot.cutoff.date()

    @property
    def whole(self) -> Window:
        """Every day that the data has."""
        return Window(self.question.snapshot.first_day or self.cutoff, self.cutoff)

    @property
    def is_whole(self) -> bool:
        """Whether the period leaves no case out."""
        window = self.question.period.window
        return window.start <= self.whole.start and window.end >= self.whole.end

    def href(self, **changes: str | tuple[str, ...]) -> str:
        """Return the link to this page with other options, from its first page on."""
        return PATH + to_search(self.question.asked.narrowed(**{"page": "", **changes}))

    def other(self, window: Window | None = None, **changes: str) -> Listing:
        """Return the same listing with other options, or of other days."""
        return listing(
            self.filters.narrowed(**changes),
            window or self.question.period.window,
            self.cutoff,
            self.question.rules,
        )

    def number(self, preset: Preset, age: Age, window: Window | None = None) -> int:
        """Return how many cases a preset that is counted by day lists, of a window's days."""
        asked = self.other(window, preset=preset, age=age)
        return ladder(self.question.snapshot, reader(), asked, "newest").total

    @property
    def counts_matched(self) -> bool:
        """Whether ``MATCHED`` are counted beside what is listed.

        A search would read every summary once more for each, while the rows are waited for.
        """
        return not self.listing.terms and self.number("", "") <= MOST_MATCHED

    @property
    def total(self) -> int:
        """How many cases are listed."""
        return ladder(self.question.snapshot, reader(), self.listing, self.sort).total


def _view(question: Question) -> _View:
    filters = question.filters
    problems = []
    sort = filters.case_sort
    if sort not in (usual := sorts_of(filters.preset)):
        if sort:
            problems.append(
                f"“{PRESET_LABELS[filters.preset]}”不能按“{CASE_SORT_LABELS[sort]}”排列，"
                f"现按“{CASE_SORT_LABELS[usual[0]]}”"
            )
        sort = usual[0]
    columns, unknown = shown_columns(filters)
    problems += [f"没有名为“{name}”的列" for name in unknown]
    marks = [parse_mark(text, sort) if text else None for text in (filters.after, filters.before)]
    if (filters.after and marks[0] is None) or (filters.before and marks[1] is None):
        problems.append("链接所指的位置不在这一排列中，现从第一页显示")
    if sum(map(bool, (filters.after, filters.before, filters.page))) > 1:
        problems.append("链接同时指了几个位置，只采用一个")
    asked = listing(
        filters, question.period.window, question.snapshot.cutoff.date(), question.rules
    )
    return _View(question, asked, sort, columns, marks[0], marks[1], tuple(problems))


# --- Summary ------------------------------------------------------------------------------------


@callback(Output("cases-summary", "children"), Input("question", "data"))
@answers
def show_summary(question: Question) -> html.Div:
    """Return the answer sentence, and what of the link could not be used."""
    view = _view(question)
    return html.Div(
        [
            strip(
                _answer(view),
                " · ".join(filter(None, [question.words, in_words(view.filters, question.rules)])),
                question.snapshot.cutoff,
                question.rules.version,
                question.snapshot.key,
                question.snapshot.is_demo,
                link=PATH + question.canonical,
                extra_actions=export_links("cases", question.canonical, "督办台账"),
            ),
            notice(view.problems),
        ]
    )


def _answer(view: _View) -> str:
    """Return the title: how many there are, and what is most urgent among them."""
    question, preset = view.question, view.filters.preset
    place = question.place
    if view.listing.terms:
        place += "摘要含" + "、".join(f"“{term}”" for term in view.listing.terms) + "的"
    total = view.total
    age = view.filters.age
    among = f"（受理至今{AGE_DAYS[age][0]}）" if age else ""
    if not total:
        return f"{place}没有{_noun(preset)}{among}"
    head = f"{place}{count(total)}件{_noun(preset)}{among}"
    more = _most_urgent(view, total)
    return f"{head}{'：' if not preset else '，'}{more}" if more else head


def _noun(preset: Preset) -> str:
    return {
        "": "诉求", "open": "未办结的诉求", "overdue": "逾期未办的诉求",
        "long_open": "久拖不决的诉求", "repeat": "重复诉求", "returned": "办结后又诉的诉求",
        "shelved": "挂账中的诉求", "group": "群诉", "unplaced": "未定位的诉求",
    }[preset]  # fmt: skip


def _most_urgent(view: _View, total: int) -> str:
    question, preset, rules = view.question, view.filters.preset, view.question.rules
    age, snapshot = view.filters.age, question.snapshot

    def number(other: Preset) -> int:
        return view.number(other, age)

    if preset in ("", "open"):
        late, shelved = number("overdue"), number("shelved")
        words = [f"逾期{count(late)}件", f"挂账{count(shelved)}件"]
        return "，".join([*([f"未办结{count(number('open'))}件"] if not preset else []), *words])
    if preset == "overdue":
        worst = page_of_cases(snapshot, reader(), view.listing, "overdue", 1).cases[0]
        return f"最久的已{due_words(worst, snapshot.cutoff)}"
    if preset == "long_open":
        first = ladder(snapshot, reader(), view.listing, "oldest").steps[0][1]
        return f"最早的{day(first)}受理，已{count((view.cutoff - first).days)}天"
    if preset == "shelved":
        last = view.cutoff + dt.timedelta(days=SHELF_ENDS_WITHIN)
        soon = shelved_until(snapshot, reader(), view.listing, last)
        return f"{count(soon)}件{SHELF_ENDS_WITHIN}天内到期"
    if preset == "repeat":
        part = f"占诉求的{share(total / number(''))}"
        if not view.counts_matched:
            return part
        back = ladder(snapshot, reader(), view.other(preset="returned"), "newest").total
        return f"{part}，其中{count(back)}件在办结后{rules.return_days}天内"
    if preset == "returned":
        repeats = number("repeat")
        return f"占重复诉求的{share(total / repeats)}" if repeats else ""
    if preset == "group":
        found = groups(snapshot, reader(), view.listing)
        return f"共{count(len(found))}起，最多的一起{count(int(found['cases'].iloc[0]))}件"
    everything = number("")
    return f"占诉求的{share(total / everything)}" if everything else ""


# --- Choices ------------------------------------------------------------------------------------


@callback(Output("cases-choices", "children"), Input("question", "data"))
@answers
def show_choices(question: Question) -> html.Div:
    """Return presets, ages, periods and orders as links, each with its number of cases."""
    view = _view(question)
    filters = view.filters
    presets = [
        _preset_choice(view, preset, view.number(preset, filters.age))
        for preset in PRESET_LABELS
        if preset not in MATCHED
    ]
    rows = [facet("类别", presets, several=False)]
    if (filters.preset in OPEN_PRESETS or filters.age) and filters.preset not in MATCHED:
        ages = [
            Choice(
                label,
                view.number(filters.preset, age),
                view.href(age=age),
                filters.age == age,
            )
            for age, label in {"": "不限", **{k: v[0] for k, v in AGE_DAYS.items()}}.items()
        ]
        rows.append(facet("受理至今", ages, several=False))
    rows.append(_periods(view))
    if filters.community:
        named = "、".join(filters.community)
        clear = dcc.Link(f"去掉“{named}”", href=view.href(community=()))
        rows.append(html.Div([html.Span("社区", className="facet-name"), named, clear],
                             className="facet"))  # fmt: skip
    return html.Div(rows)


def _preset_choice(view: _View, preset: Preset, number: int) -> Choice:
    return Choice(
        PRESET_LABELS[preset],
        number,
        # The order and the columns are those that are usual for what is listed.
        view.href(preset=preset, case_sort="", age=view.filters.age),
        view.filters.preset == preset,
    )


def _periods(view: _View) -> html.Div:
    """Return the way to the cases of every period: open ones may be older than any."""
    question = view.question
    whole = f"{view.whole.start}..{view.whole.end}"
    links: list[Component] = [html.Span("受理时段", className="facet-name")]
    if view.is_whole:
        links += [
            html.Strong("不限时段"),
            dcc.Link("默认考核期", href=view.href(period="")),
        ]
    else:
        words = ""
        if view.filters.preset not in MATCHED and not view.listing.terms:
            number = view.number(view.filters.preset, view.filters.age, view.whole)
            words = f"（{PRESET_LABELS[view.filters.preset]}{count(number)}件）"
        links += [
            html.Strong(question.period.label),
            dcc.Link(f"不限时段{words}", href=view.href(period=whole)),
        ]
    return html.Div([*links, _orders(view)], className="facet case-periods")


def _orders(view: _View) -> html.Span:
    links: list[Component | str] = ["排列："]
    usual = sorts_of(view.filters.preset)
    for sort in usual:
        label = CASE_SORT_LABELS[sort]
        links.append(
            html.Span(label, className="order-now", **{"aria-current": "true"})
            if view.sort == sort
            else dcc.Link(label, href=view.href(case_sort="" if sort == usual[0] else sort))
        )
    return html.Span(links, className="orders")


@callback(Output("cases-matched", "children"), Input("question", "data"))
@answers
def show_matched(question: Question) -> html.Div:
    """Return the presets that match cases with each other, each with its number of cases."""
    view = _view(question)
    meant = [
        html.Small(f"{PRESET_LABELS[each]}：{meaning(each, question.rules)}") for each in MATCHED
    ]
    if view.filters.preset not in MATCHED and not view.counts_matched:
        links = [
            dcc.Link(
                PRESET_LABELS[each],
                href=view.href(preset=each, case_sort=""),
                className="facet-link",
            )
            for each in MATCHED
        ]
        named = html.Span("关联", className="facet-name")
        listed = html.Ul([html.Li(link) for link in links])
        return html.Div(
            [html.Div([named, listed], className="facet"), *meant, html.Small("选中才计数")],
            className="case-matched",
        )
    choices = [
        _preset_choice(
            view,
            preset,
            ladder(question.snapshot, reader(), view.other(preset=preset), "newest").total,
        )
        for preset in MATCHED
    ]
    return html.Div([facet("关联", choices, several=False), *meant], className="case-matched")


@callback(Output("cases-search", "children"), Input("question", "data"))
@answers
def show_search(question: Question) -> html.Div:
    """Return the box to search with, and the columns to choose from."""
    view = _view(question)
    asked = question.asked
    return html.Div(
        [
            search_form(asked, view.href(q="")),
            columns_form(asked, view.columns, view.href(columns=())),
        ],
        className="case-forms",
    )


# --- Groups -------------------------------------------------------------------------------------


@callback(Output("cases-groups", "children"), Input("question", "data"))
@answers
def show_groups(question: Question) -> html.Section | html.Div:
    """Return the groups (群诉) that the listed cases belong to, the largest first."""
    view = _view(question)
    if view.filters.preset != "group":
        return html.Div()
    found = groups(question.snapshot, reader(), view.listing)
    if not len(found):
        return html.Div()
    rows = []
    for group in found.head(SHOWN_GROUPS).to_dict("records"):
        first = group["month"]
        last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
        asked = question.asked.narrowed(
            subdistrict=(group["street_code"],), category=(group["category_code"],)
        )
        more: dict[str, Any] = {"q": view.filters.q, "community": (group["community"],)}
        window = Window(first, min(last, view.cutoff))
        rows.append(
            Row(
                {
                    "place": link_cell(
                        f"{group['street']}{group['community']}",
                        cases_href(asked, "group", window, **more),
                    ),
                    "category": group["category"],
                    "month": f"{first:%Y-%m}",
                    "cases": count(group["cases"]),
                    "open": count(group["open"]),
                    "days": f"{group['first']:%m-%d} 至 {group['last']:%m-%d}",
                }
            )
        )
    columns = [
        Column("place", "社区"),
        Column("category", "分类"),
        Column("month", "月份", phone=False),
        Column("cases", "诉求", "end", "件"),
        Column("open", "未办结", "end", "件"),
        Column("days", "受理", phone=False),
    ]
    shown = min(len(found), SHOWN_GROUPS)
    return panel(
        "群诉",
        data_table(columns, rows, "群诉，件数多的在前", caption_hidden=True),
        sentence=f"{count(len(found))}起，列出件数最多的{count(shown)}起。",
        note=meaning("group", question.rules) + "；件数为符合筛选条件的",
        wide=True,
    )


# --- Cases --------------------------------------------------------------------------------------


@callback(Output("cases-pager", "children"), Input("question", "data"))
@answers
def show_pager(question: Question) -> html.Nav | html.Div:
    """Return where in the list the page stands, and the ways to other pages."""
    view = _view(question)
    total = view.total
    if not total:
        return html.Div()
    pages = math.ceil(total / ROWS_PER_PAGE)
    first = _first_place(view, pages)
    last = min(first + ROWS_PER_PAGE, total)
    if view.before is not None and view.after is None:
        last = number_until(question.snapshot, reader(), view.listing, view.sort, view.before,
                            itself=False)  # fmt: skip
        first = max(last - ROWS_PER_PAGE, 0)
    words = f"第{count(first + 1)}–{count(last)}件，共{count(total)}件"
    if first >= last:
        words = f"共{count(total)}件"
    if pages == 1:
        return html.Nav([html.Span(words)], className="pager", **{"aria-label": words})
    links: list[Component] = [
        html.Li(dcc.Link("首页", href=view.href()) if first else html.Span("首页")),
        html.Li(
            dcc.Link("末页", href=view.href(page=str(pages))) if last < total else html.Span("末页")
        ),
    ]
    return html.Nav(
        [
            html.Span(f"{words}，每页{ROWS_PER_PAGE}件，{count(pages)}页"),
            html.Ul(links),
            page_form(question.asked, pages),
        ],
        className="pager case-pager",
        **{"aria-label": f"{words}，分{count(pages)}页"},
    )


def _first_place(view: _View, pages: int) -> int:
    """Return how many cases stand before the page."""
    if view.after is not None:
        return number_until(
            view.question.snapshot, reader(), view.listing, view.sort, view.after, itself=True
        )
    return (min(view.filters.number("page") or 1, pages) - 1) * ROWS_PER_PAGE


@callback(Output("cases-table", "children"), Input("question", "data"))
@answers
def show_table(question: Question) -> html.Section:
    """Return one page of the cases."""
    view = _view(question)
    snapshot, filters = question.snapshot, view.filters
    problems = []
    skip = 0
    wanted = filters.number("page") or 1
    if wanted > 1 and view.after is None and view.before is None:
        pages = max(math.ceil(view.total / ROWS_PER_PAGE), 1)
        if wanted > pages:
            problems.append(
                f"共{count(pages)}页，没有第{count(wanted)}页，现显示第{count(pages)}页"
            )
        skip = (min(wanted, pages) - 1) * ROWS_PER_PAGE
    page = page_of_cases(
        snapshot, reader(), view.listing, view.sort, ROWS_PER_PAGE,
        after=view.after, before=view.before, skip=skip,
    )  # fmt: skip
    title = "诉求" if not filters.preset else PRESET_LABELS[filters.preset]
    found = _found_by_number(view)
    if not page.cases:
        return panel(title, html.Div([found, _nothing(view)]), wide=True)
    before = view.href(before=page.cases[0].mark(view.sort).text) if page.has_before else None
    after = view.href(after=page.cases[-1].mark(view.sort).text) if page.has_after else None
    nav = steps_nav("", before, after, "前后页")
    caption = f"{title}，按{CASE_SORT_LABELS[view.sort]}排列"
    table = case_table(
        page.cases,
        view.columns,
        question.asked,
        snapshot.cutoff,
        caption,
        _repeats(view, page.cases, reader()),
    )
    return panel(
        title,
        html.Div([notice(problems, "页码超出"), found, table, nav]),
        note=f"{meaning(filters.preset, question.rules)}；截至{day(snapshot.cutoff)}；"
        f"按{CASE_SORT_LABELS[view.sort]}排列",
        actions=[nav],
        wide=True,
    )


def _found_by_number(view: _View) -> html.P | None:
    """Return the way to the case whose number was typed into the search box; None for none."""
    typed = view.filters.q
    if not _NUMBER.fullmatch(typed):
        return None
    case = case_of_number(view.question.snapshot, reader(), typed)
    if case is None:
        return None
    link = link_cell(f"工单 {case.case_id}", case_href(case.case_id, view.question.asked))
    return html.P(["编号相符：", link, f"，{case.status}"], className="case-found")


def _nothing(view: _View) -> html.Div:
    """Return what stands for no cases, with the ways out."""
    if not view.is_whole:
        whole = f"{view.whole.start}..{view.whole.end}"
        return html.Div(
            [
                empty_state("本页只列所选时段内受理的诉求，可改为不限时段，或放宽其他条件", PATH),
                html.P(
                    dcc.Link("不限受理时段", href=view.href(period=whole)), className="state-way"
                ),
            ]
        )
    return empty_state("请放宽筛选条件或搜索词", PATH)


def _repeats(view: _View, cases: Sequence[Case], scope: Scope) -> dict[str, int]:
    """Return how often the matters of some cases came back, where the page shows it."""
    if "repeats" not in view.columns:
        return {}
    if view.sort == "repeats":
        return {case.matter: case.repeats or 0 for case in cases}
    return repeats_of(view.question.snapshot, scope, {case.matter for case in cases})


# --- Export -------------------------------------------------------------------------------------

_KINDS: dict[str, Any] = {
    "created": "date", "due": "date", "closed": "date", "shelved": "date", "open": "count",
    "repeats": "count",
}  # fmt: skip
_UNITS = {"open": "（天）", "repeats": "（件，含首件）"}


def _cell(name: str, case: Case, cutoff: dt.datetime, repeats: dict[str, int]) -> object:
    """Return the cell of a column in an export; what is not known is an empty one."""
    return {
        "created": case.created_at,
        "status": case.status,
        "open": case.open_days(cutoff),
        "due": case.due_at,
        "place": case.place or "未定位",
        "community": case.community,
        "category": case.category_words or "未归类",
        "topic": case.topic_name,
        "unit": case.unit_words,
        "kind": case.kind,
        "channel": case.channel,
        "closed": case.closed_at,
        "shelved": case.shelved_until if case.shelved else None,
        "repeats": repeats.get(case.matter, 0) + 1,
        "revisit": revisit_words(case),
        "excluded": "剔除" if case.excluded else "",
        "summary": case.summary,
    }[name]


@exported("cases")
def export_cases(question: Question) -> Export:
    """Return the listed cases, whatever page of them is shown, at most as many as the rules say.

    The columns are those that were chosen, else all of them.
    """
    view = _view(question)
    snapshot, most = question.snapshot, question.rules.export_rows
    columns = tuple(
        name
        for name in COLUMNS
        # How often a matter came back is looked up for each: only where the page shows it.
        if name in view.columns or (not question.filters.columns and name != "repeats")
    )
    scope, total = reader(), view.total

    def batches() -> Iterator[list[tuple[object, ...]]]:
        for cases in batches_of_cases(snapshot, scope, view.listing, view.sort, most):
            # Not reader(): the request is over when the file is written.
            repeats = _repeats(view, cases, scope)
            yield [
                (case.case_id, *(_cell(name, case, snapshot.cutoff, repeats) for name in columns))
                for case in cases
            ]

    heads = (
        Head("工单编号"),
        *(
            Head(
                COLUMNS[name] + _UNITS.get(name, ""),
                _KINDS.get(name, "text"),
                wide=name == "summary",
            )
            for name in columns
        ),
    )
    told = {
        "内容": in_words(question.filters, question.rules) or meaning("", question.rules),
        "件数": f"共{count(total)}件"
        + (f"，本文件只有按次序的前{count(most)}件" if total > most else "，全部列出"),
        "排列": CASE_SORT_LABELS[view.sort],
        "隐私": "摘要中疑似电话、证件号码的数字以***代替",
    }
    if view.problems:
        told["未采用"] = "；".join(view.problems)
    return Export("督办台账", about(question, **told), (LongSheet("诉求", heads, batches),))
