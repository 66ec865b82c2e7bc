"""The strip at the head of every page: the answer as a sentence, and what it rests on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from components.formatting import cutoff_text

DEMO_WORDS = "演示数据"


def demo_mark() -> html.Strong:
    """Return the mark of invented data."""
    return html.Strong(DEMO_WORDS, className="demo-mark")


def strip(
    title: str,
    scope: str,
    cutoff: dt.datetime,
    rule_version: str,
    data_version: str,
    is_demo: bool,
    period: str = "",
    link: str = "",
    extra_actions: Sequence[Component] = (),
) -> html.Header:
    """Return the head of a page: h1, what the figures cover, their sources, and the actions.

    Args:
        title: the answer, a sentence.
        scope: the filters in words (``domain.filters.in_words``).
        cutoff: data cut-off.
        rule_version: 口径版本 in force.
        data_version: snapshot key.
        is_demo: whether the data is invented.
        period: the period in words, where the scope does not begin with it.
        link: path and complete query of this view, which 复制链接 makes absolute.
        extra_actions: further buttons and links, before those of the strip.
    """
    facts: list[Component] = [html.Span(text) for text in (period, scope) if text]
    facts += [
        html.Span(cutoff_text(cutoff)),
        html.Span(f"口径版本 {rule_version}"),
        html.Span(f"数据版本 {data_version}"),
    ]
    if is_demo:
        facts.append(demo_mark())
    return html.Header(
        [
            html.Div(
                [html.H1(title), html.P(facts, className="strip-facts")], className="strip-words"
            ),
            html.Div(
                [*extra_actions, *actions(link)], className="strip-actions", role="group",
                **{"aria-label": "本页操作"},
            ),
        ],
        className="page-strip",
    )  # fmt: skip


def actions(link: str) -> list[Component]:
    """Return the buttons 复制链接 and 打印; assets/30-actions.js answers them."""
    return [
        html.Button(
            "复制链接",
            type="button",
            className="action",
            title="链接含全部筛选条件和数据版本",
            **{"data-copy-link": link, "data-done": "已复制", "data-failed": "请手工复制"},
        ),
        html.Button("打印", type="button", className="action", **{"data-print": "page"}),
    ]
