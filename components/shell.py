"""The frame of every page: header, main landmark, footer, watermark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import cutoff_text
from components.page_strip import DEMO_WORDS, demo_mark

PRODUCT = "接诉即办·每月一题"
PRODUCT_SUFFIX = "督办看板"
MAIN = "main"
NAV = "nav"
FOOTER = "footer"
ACCOUNT = "account"
WATERMARK = "watermark"


@dataclass(frozen=True)
class NavLink:
    """One page in the navigation."""

    label: str
    href: str
    current: bool = False


def header(links: Sequence[NavLink], home_href: str = "/") -> html.Header:
    """Return the header: product name, navigation, who is signed in, switch of the wall theme.

    Navigation has the id NAV, who is signed in ACCOUNT.
    """
    return html.Header(
        [
            dcc.Link(
                [html.Strong(PRODUCT), html.Span(PRODUCT_SUFFIX)],
                href=home_href,
                className="product",
            ),
            html.Nav(nav_links(links), id=NAV, **{"aria-label": "页面"}),
            html.Div(id=ACCOUNT, className="account"),
            html.Button(
                "大屏",
                type="button",
                className="theme-switch",
                title="切换深色大字的大屏样式",
                **{"data-theme-switch": "wall", "aria-pressed": "false"},
            ),
        ],
        className="app-header",
    )


def nav_links(links: Sequence[NavLink]) -> html.Ul:
    """Return the list of pages; the current one is marked for eyes and ears."""
    items = []
    for link in links:
        # A link of Dash takes no aria attribute; on its list item it is read all the same.
        extra: dict[str, Any] = {"aria-current": "page"} if link.current else {}
        items.append(html.Li(dcc.Link(link.label, href=link.href), **extra))
    return html.Ul(items)


def shell(
    header_part: Component,
    filter_part: Component | None,
    content: Any,
    footer_part: Component,
    is_demo: bool,
) -> html.Div:
    """Return the whole frame around ``content`` (the page container).

    Args:
        header_part: from ``header``.
        filter_part: the filter bar; None for none.
        content: what stands in the main landmark (id MAIN).
        footer_part: from ``footer``.
        is_demo: draws the watermark.
    """
    return html.Div(
        [
            html.A("跳到正文", href=f"#{MAIN}", className="skip-link"),
            header_part,
            *([filter_part] if filter_part is not None else []),
            html.Main(content, id=MAIN, tabIndex=-1),
            html.Footer(footer_part, id=FOOTER, className="app-footer"),
            html.Div(watermark(is_demo), id=WATERMARK),
        ],
        className="app",
    )


def footer(
    cutoff: dt.datetime | None,
    data_version: str,
    rule_version: str,
    basis: str,
    is_demo: bool,
) -> html.P:
    """Return the content of the footer (id FOOTER): cut-off, version, 口径, mark of demo data."""
    facts: list[Component] = [html.Span(f"{PRODUCT} {PRODUCT_SUFFIX}")]
    if cutoff is not None:
        facts += [
            html.Span(cutoff_text(cutoff)),
            html.Span(f"数据版本 {data_version}"),
            html.Span(f"口径版本 {rule_version}"),
            html.Span(basis),
        ]
    if is_demo:
        facts.append(demo_mark())
    return html.P(facts)


def watermark(is_demo: bool) -> Component | None:
    """Return 演示数据 across the page, on screen and on paper; None for real data."""
    if not is_demo:
        return None
    return html.Div(
        [html.Span(DEMO_WORDS) for _ in range(6)],
        className="watermark",
        **{"aria-hidden": "true"},
    )
