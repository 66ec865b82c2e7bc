"""The frame of a figure: heading, the sentence that says what it shows, the figure, its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component


def panel(
    title: str,
    content: Any,
    sentence: str = "",
    note: str = "",
    actions: Sequence[Component] = (),
    twin: Component | None = None,
    wide: bool = False,
) -> html.Section:
    """Return a section with its heading.

    Args:
        title: what the figure shows.
        content: figure or table.
        sentence: what it says, in words.
        note: small print: unit, period, 口径, what hatching means.
        actions: links such as an export.
        twin: the table of the same numbers (``tables.table_twin``).
        wide: takes the whole width of the grid.
    """
    parts: list[Any] = [
        html.Div(
            [
                html.H2(title),
                *([html.Span(note, className="panel-note")] if note else []),
                *([html.Div(list(actions), className="panel-actions")] if actions else []),
                figure_menu(title),
            ],
            className="panel-head",
        )
    ]
    if sentence:
        parts.append(html.P(sentence, className="panel-sentence"))
    parts.append(content)
    if twin is not None:
        parts.append(twin)
    return html.Section(parts, className="panel panel-wide" if wide else "panel")


def figure_menu(title: str) -> html.Button:
    """Return the button for the picture, table, text and link of a figure.

    assets/32-figure-menu.js answers it; it looks for the section around the button.
    """
    return html.Button(
        "⋯",
        type="button",
        className="panel-menu",
        title="复制、下载",
        **{
            "data-figure-menu": "",
            "aria-label": f"{title}：复制、下载",
            "aria-haspopup": "menu",
            "aria-expanded": "false",
        },
    )


def panel_grid(panels: Sequence[Component]) -> html.Div:
    """Return panels in two columns, one on narrow screens."""
    return html.Div(list(panels), className="panel-grid")
