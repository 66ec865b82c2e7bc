"""The figure card: one headline indicator with everything needed to judge it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from components.formatting import (
    change_text,
    interval_text,
    missing_reason,
    sample_text,
    value_parts,
)
from components.panel import figure_menu
from components.sparkline import sparkline
from domain.comparison import Measured, Weeks
from domain.metrics import Change, Metric

_ARROWS = {"up": "↑", "down": "↓", "flat": "", "withheld": ""}


def change_tone(metric: Metric, change: Change) -> str:
    """Return how a change is coloured: "good", "bad", or "" inside the noise and for neutral."""
    if change.direction not in ("up", "down") or metric.better == "neutral":
        return ""
    wanted = "up" if metric.better == "higher" else "down"
    return "good" if change.direction == wanted else "bad"


def change_line(name: str, metric: Metric, change: Change) -> html.Div:
    """Return one comparison as a line: its name, an arrow, the words."""
    tone = change_tone(metric, change)
    return html.Div(
        [
            html.Dt(name),
            html.Dd(
                [
                    html.Span(_ARROWS[change.direction], **{"aria-hidden": "true"}),
                    change_text(metric, change),
                ],
                className=f"change-{change.direction}" + (f" is-{tone}" if tone else ""),
            ),
        ]
    )


def headline_card(
    measured: Measured,
    weekly: pd.DataFrame | Weeks,
    href: str | None = None,
    definition_href: str | None = None,
    extra: str = "",
    reason: str = "",
) -> html.Article:
    """Return the card of one indicator: name, value, unit, n, interval, 13 weeks, comparisons.

    Args:
        measured: the indicator of the chosen place and period with its changes by name.
        weekly: one row per week, as ``sparkline`` takes it.
        href: where the name leads; None for no link.
        definition_href: where the definition stands; None for no ⓘ.
        extra: one more line, such as a target.
        reason: why there is no value; empty means that the denominator is empty.
    """
    metric = measured.metric
    number, unit = value_parts(metric, measured.value)
    missing = math.isnan(measured.value)
    title: list[Component | str] = [
        dcc.Link(metric.name, href=href) if href else html.Span(metric.name)
    ]
    if definition_href:
        title.append(
            dcc.Link(
                [html.Span("i", **{"aria-hidden": "true"}), hidden(f"{metric.name}的口径")],
                href=definition_href,
                title=f"{metric.numerator} ÷ {metric.denominator}"
                if metric.kind == "rate"
                else metric.note,
                className="info-mark",
            )
        )
    details: list[str] = [sample_text(metric, measured.n)]
    if not missing and metric.kind != "count":
        details.append(interval_text(metric, measured.low, measured.high))
    value: list[Component | str] = [
        html.Span(number, className="figure-number"),
        html.Span(f" {unit}", className="figure-unit"),
    ]
    if missing:
        value = [
            html.Span(number, className="figure-number"),
            html.Span(f"（{reason or missing_reason(metric)}）", className="figure-reason"),
        ]
    return html.Article(
        [
            html.H3(title, className="figure-name"),
            html.P(value, className="figure-value"),
            html.P(
                _joined([html.Span(text) for text in details if text]) or html.Span("按创建时间计"),
                className="figure-sample",
            ),
            sparkline(weekly, metric, width=216, height=30),
            html.Dl(
                [change_line(name, metric, each) for name, each in measured.changes.items()],
                className="figure-changes",
            ),
            *([html.P(extra, className="figure-extra")] if extra else []),
        ],
        className="figure-card",
    )


def _joined(parts: Sequence[Component]) -> list[Component | str]:
    joined: list[Component | str] = []
    for part in parts:
        joined += [" · ", part] if joined else [part]
    return joined


def hidden(text: str) -> html.Span:
    """Return text for screen readers only."""
    return html.Span(text, className="visually-hidden")


def card_row(cards: Sequence[Component]) -> html.Section:
    """Return the headline cards side by side; on a phone they scroll as two columns."""
    title = "主要指标"
    return html.Section(
        [html.H2(title, className="visually-hidden"), *cards, figure_menu(title)],
        className="figure-cards",
    )
