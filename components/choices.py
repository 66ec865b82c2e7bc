"""A few answers to one question as links: what is chosen stands in the URL."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html


def choice_group(label: str, options: Sequence[tuple[str, str, bool]]) -> html.Div:
    """Return a label and its options.

    Args:
        label: what is chosen.
        options: text, link, whether it is the present one.
    """
    return html.Div(
        [
            html.Span(label, className="choice-label"),
            *(
                html.Strong(text, className="choice is-chosen", **{"aria-current": "true"})
                if chosen
                else dcc.Link(text, href=href, className="choice")
                for text, href, chosen in options
            ),
        ],
        className="choice-group",
        role="group",
        **{"aria-label": label},
    )
