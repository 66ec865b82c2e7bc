"""The parts of the project ledger: cards, facets, boards, rows, pages, the facts of a project."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import NO_VALUE, amount, count, day, share
from components.plain import Html
from components.sparkline import svg_image
from components.tables import Content, link_cell
from components.topic import nothing_mark
from domain.projects import Project

_ACCENT, _RULE = "#17457f", "#e1e5ea"
UNKNOWN = "未写明"
# Pages of a list that are named on either side of the present one.
_NEAR = 2


def units_text(units: float, unit: str) -> str:
    """Return a number of units in words: "2,412套", "54.2万套"."""
    return amount(units, unit, units)


def weeks_text(weeks: float) -> str:
    """Return a number of weeks: "33周", "8.5周"; "—" for NaN."""
    return NO_VALUE if math.isnan(weeks) else f"{weeks:.1f}".removesuffix(".0") + "周"


def quiet_text(project: Project, as_of: dt.date) -> str:
    """Return for how long a project has not moved: "已33周没有进展", "近1周内有进展"."""
    weeks = project.quiet_weeks(as_of)
    if weeks is None:
        return "最近一次进展不详"
    return f"已{weeks}周没有进展" if weeks else "近1周内有进展"


def deadline_text(due: dt.date, as_of: dt.date) -> str:
    """Return how far off a day is: "还有141天", "今日到期", "已过12天"."""
    days = (due - as_of).days
    return f"还有{days}天" if days > 0 else "今日到期" if not days else f"已过{-days}天"


# --- Cards --------------------------------------------------------------------------------------


def number_card(
    name: str, number: str, unit: str, lines: Sequence[Any], tone: str = ""
) -> html.Article:
    """Return a card: name, a number with its unit, and small lines that say of what.

    Args:
        name: what it is.
        number: as text.
        unit: of the number; "" for none.
        lines: small print, one below the other.
        tone: "bad" for what is late; "" for none.
    """
    shown = "figure-number" + (f" project-{tone}" if tone else "")
    return html.Article(
        [
            html.H3(name, className="figure-name"),
            html.P(
                [
                    html.Span(number, className=shown),
                    *([html.Span(f" {unit}", className="figure-unit")] if unit else []),
                ],
                className="figure-value",
            ),
            *(html.P(line, className="figure-sample") for line in lines if line),
        ],
        className="figure-card",
    )


# --- Facets -------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """One value that can be chosen: its words, how many it has, and where choosing it leads."""

    label: str
    number: int
    href: str
    chosen: bool


def facet(name: str, choices: Sequence[Choice], several: bool) -> html.Div:
    """Return the values of one option as links; following a chosen one takes it away again.

    Args:
        name: what is chosen.
        choices: in order.
        several: whether more than one can be chosen.
    """
    links: list[Component] = []
    for choice in choices:
        words: list[Any] = [
            *([html.Span("✓ ", **{"aria-hidden": "true"})] if choice.chosen else []),
            choice.label,
            html.Small(count(choice.number)),
        ]
        # Dash's link knows no aria-current.
        marks: dict[str, Any] = {"aria-current": "true"} if choice.chosen else {}
        told = f"去掉“{choice.label}”" if choice.chosen and several else None
        links.append(
            html.Li(
                dcc.Link(words, href=choice.href, title=told, className="facet-link")
                if several or not choice.chosen
                else html.Span(words, className="facet-link"),
                **marks,
            )
        )
    return html.Div(
        [html.Span(name, className="facet-name"), html.Ul(links)],
        className="facet",
        role="group",
        **{"aria-label": name},
    )


# --- Boards and rows ----------------------------------------------------------------------------


def part_bar(part: float, words: str, width: int = 96, height: int = 12) -> Html:
    """Return a share as a bar on a pale ground that is the whole."""
    long = 0.0 if math.isnan(part) else min(max(part, 0.0), 1.0) * width
    shapes = [
        f'<rect width="{width}" height="{height}" fill="{_RULE}"/>',
        f'<rect width="{long:.1f}" height="{height}" fill="{_ACCENT}"/>',
    ]
    return svg_image(shapes, width, height, words, "spark part-bar")


def part_cell(part: float, words: str) -> Content:
    """Return a share with its bar."""
    return [part_bar(part, words), html.Span(share(part), className="part-number")]


def quiet_cell(project: Project, as_of: dt.date, zero_weeks: int) -> Content:
    """Return the weeks without movement, marked 零 when they are as many as the rules look at."""
    if project.finished:
        return "已办结"
    weeks = project.quiet_weeks(as_of)
    if weeks is None:
        return f"{NO_VALUE}（不详）"
    if weeks < zero_weeks:
        return count(weeks)
    return [nothing_mark(f"近{zero_weeks}周"), f" {count(weeks)}"]


def deadline_cell(project: Project, as_of: dt.date) -> Content:
    """Return the deadline, with the days by which it is past."""
    if project.deadline is None:
        return NO_VALUE
    late = project.overdue_days(as_of)
    if late:
        return [day(project.deadline), html.Strong(f"逾期{count(late)}天", className="late-days")]
    return day(project.deadline)


def place_cell(project: Project) -> Content:
    """Return district and street."""
    street = project.subdistrict_name
    return [project.district_name or "未定位", *([html.Small(street)] if street else [])]


def stage_cell(project: Project) -> Content:
    """Return the stage and since when."""
    since = project.stage_since
    return [project.stage, html.Small(f"自{day(since)}" if since else "起始不详")]


def project_cells(
    project: Project, href: str, as_of: dt.date, zero_weeks: int
) -> dict[str, Content]:
    """Return the cells of a project by column key, for the ledger and for shorter lists."""
    return {
        "name": [link_cell(project.name, href), html.Small(project.code)],
        "place": place_cell(project),
        "units": count(project.units),
        "done": count(project.done),
        "remaining": count(project.remaining),
        "stage": stage_cell(project),
        "causes": "、".join(project.causes) or UNKNOWN,
        "quiet": quiet_cell(project, as_of, zero_weeks),
        "blocker": project.blocker or NO_VALUE,
        "next": [project.next_step or NO_VALUE, html.Small(project.owner or "无责任单位")],
        "deadline": deadline_cell(project, as_of),
    }


def pager(page: int, pages: int, hrefs: Sequence[str], words: str) -> html.Nav:
    """Return the links to the pages of a list, the first, the last and those around this one.

    Args:
        page: the present one, from 1.
        pages: how many there are.
        hrefs: where each leads.
        words: what is on this page: "第1–100个，共911个".
    """
    shown = sorted({1, pages, *range(max(page - _NEAR, 1), min(page + _NEAR, pages) + 1)})
    items: list[Component] = []
    if page > 1:
        items.append(html.Li(dcc.Link("上一页", href=hrefs[page - 2])))
    for place, number in enumerate(shown):
        if place and number - shown[place - 1] > 1:
            items.append(html.Li("…", **{"aria-hidden": "true"}))
        items.append(
            html.Li(
                html.Span(f"第{number}页", className="order-now", **{"aria-current": "page"})
                if number == page
                else dcc.Link(str(number), href=hrefs[number - 1], title=f"第{number}页")
            )
        )
    if page < pages:
        items.append(html.Li(dcc.Link("下一页", href=hrefs[page])))
    return html.Nav(
        [html.Span(words), *([html.Ul(items)] if pages > 1 else [])],
        className="pager",
        **{"aria-label": f"{words}，分{pages}页"},
    )


# --- One project --------------------------------------------------------------------------------


def fact_list(facts: Sequence[tuple[str, Content]]) -> html.Dl:
    """Return terms with what is known of them."""
    return html.Dl(
        [html.Div([html.Dt(term), html.Dd(words)]) for term, words in facts],
        className="project-facts",
    )
