"""One district, re-based on itself: how it stands, why, and where to look."""

from __future__ import annotations

from collections.abc import Callable

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from components.panel import panel_grid
from components.states import loading
from data_access.question import Question
from pages import _place as place
from pages._answers import answers

KIND: place.Kind = "district"
dash.register_page(
    __name__, path_template="/districts/<code>", title="一个区 · 接诉即办督办看板", name="一个区"
)


def layout(code: str | None = None, **_query: str) -> html.Div:
    """Return the empty page of a place; its panels fill themselves."""
    return html.Div(
        [
            dcc.Store(id="district-code", data=place.code_of_path(KIND, code)),
            loading(html.Div(id="district-summary"), "20rem"),
            loading(html.Div(id="district-why"), "24rem"),
            loading(html.Div(id="district-streets"), "30rem"),
            loading(html.Div(id="district-topics"), "24rem"),
            panel_grid(
                [
                    loading(html.Div(id="district-categories"), "24rem"),
                    loading(html.Div(id="district-tags"), "24rem"),
                    loading(html.Div(id="district-points"), "18rem"),
                    loading(html.Div(id="district-integrity"), "18rem"),
                ]
            ),
            loading(html.Div(id="district-open"), "18rem"),
        ],
        className="page page-place",
    )


def _panel(question: Question, code: str, draw: Callable[[place.Subject], Component]) -> Component:
    """Return a panel of the place; nothing for a place that the data does not have."""
    subject = place.subject_of(question, KIND, code)
    return html.Div() if subject is None else draw(subject)


@callback(
    Output("district-summary", "children"),
    Input("question", "data"),
    Input("district-code", "data"),
)
@answers
def show_summary(question: Question, code: str) -> Component:
    """Return the answer sentence, the exceptions and the headline figures."""
    subject = place.subject_of(question, KIND, code)
    if subject is None:
        return place.unknown_place(question, KIND, code)
    return place.summary(subject)


@callback(
    Output("district-why", "children"), Input("question", "data"), Input("district-code", "data")
)
@answers
def show_why(question: Question, code: str) -> Component:
    """Return the gap to the city, split into indicators and categories."""
    return _panel(question, code, place.why)


@callback(
    Output("district-streets", "children"),
    Input("question", "data"),
    Input("district-code", "data"),
)
@answers
def show_streets(question: Question, code: str) -> Component:
    """Return the streets of the district, ranked."""
    return _panel(question, code, place.streets)


@callback(
    Output("district-topics", "children"), Input("question", "data"), Input("district-code", "data")
)
@answers
def show_topics(question: Question, code: str) -> Component:
    """Return the topics of the year here: targets, complaints, 解决率."""
    return _panel(question, code, place.topics)


@callback(
    Output("district-categories", "children"),
    Input("question", "data"),
    Input("district-code", "data"),
)
@answers
def show_categories(question: Question, code: str) -> Component:
    """Return the categories here beside the city's."""
    return _panel(question, code, place.categories)


@callback(
    Output("district-tags", "children"), Input("question", "data"), Input("district-code", "data")
)
@answers
def show_tags(question: Question, code: str) -> Component:
    """Return 七有五性 here beside the city's."""
    return _panel(question, code, place.tags)


@callback(
    Output("district-points", "children"), Input("question", "data"), Input("district-code", "data")
)
@answers
def show_points(question: Question, code: str) -> Component:
    """Return the communities with most cases."""
    return _panel(question, code, place.points_panel)


@callback(
    Output("district-integrity", "children"),
    Input("question", "data"),
    Input("district-code", "data"),
)
@answers
def show_integrity(question: Question, code: str) -> Component:
    """Return the shares that the denominator hangs on."""
    return _panel(question, code, place.integrity)


@callback(
    Output("district-open", "children"), Input("question", "data"), Input("district-code", "data")
)
@answers
def show_open(question: Question, code: str) -> Component:
    """Return the cases that have been open for longest."""
    return _panel(question, code, place.open_cases)
