"""The Plotly template, the configuration of every graph, and the graph itself."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from dash import dcc, html

# The same order as the style sheet: system fonts first, so that most clients load none.
FONT_FAMILY = (
    '"PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC", '
    '"Noto Sans SC Variable", "WenQuanYi Micro Hei", sans-serif'
)
INK = "#1d2733"
SOFT = "#5b6875"
PALE = "#9aa4af"
RULE = "#e1e5ea"
ACCENT = "#17457f"
BAND = "rgba(23, 69, 127, 0.13)"

_AXIS = {
    "showline": True,
    "linecolor": PALE,
    "gridcolor": RULE,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": PALE,
    "tickfont": {"color": SOFT},
    # A finger that scrolls the page must not pan the figure.
    "fixedrange": True,
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT_FAMILY, "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        # Room for the larger type of the wall, which the style sheet sets.
        "margin": {"l": 62, "r": 72, "t": 28, "b": 34, "pad": 0},
        "colorway": [ACCENT, SOFT, "#9a4a12", "#0c6a63", PALE],
        "separators": ".,",
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT_FAMILY, "size": 12}, "align": "left"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "modebar": {"remove": ["zoom", "pan", "select", "lasso", "autoscale", "zoomin", "zoomout"]},
    }
)

_TEMPLATE_JSON = TEMPLATE.to_plotly_json()

CONFIG: dict[str, Any] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "showLink": False,
    "scrollZoom": False,
    "doubleClick": False,
    "responsive": True,
    "locale": "zh-CN",
}


# A figure as Plotly's JSON. Plotly's own objects check every property, which takes ten times as
# long as drawing the panel; the tests check them instead.
Figure = dict[str, Any]


def new_figure() -> Figure:
    """Return an empty figure in the house style, without Plotly's own template (7 kB)."""
    return {"data": [], "layout": {"template": _TEMPLATE_JSON, "annotations": []}}


def graph(
    figure: Figure, description: str, graph_id: str | None = None, height: str = "22rem"
) -> html.Div:
    """Return a figure on the page, described for those who cannot see it.

    Args:
        figure: the figure.
        description: what it shows, in words.
        graph_id: id of the graph; None for none.
        height: css length; in rem it grows with the type of the wall.
    """
    extra = {"id": graph_id} if graph_id else {}
    return html.Div(
        dcc.Graph(figure=figure, config=CONFIG, style={"height": height}, **extra),
        className="graph",
        role="img",
        **{"aria-label": description},
    )
