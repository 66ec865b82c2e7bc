"""The screen for an address that does not exist."""

from __future__ import annotations

import dash
from dash import dcc, html

dash.register_page(__name__, title="没有这个页面")


def layout(**_query: str) -> html.Section:
    """Return the screen."""
    return html.Section(
        [
            html.H1("没有这个页面"),
            html.P(["地址可能已更改。", dcc.Link("回到总览", href="/")]),
        ],
        className="state",
    )
