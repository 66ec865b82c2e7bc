"""Parts of a panel as ready HTML: escaped, complete, and never leading out of the product."""

import pytest
from dash import dcc, html
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

from components.plain import Html, make_elements_quickly, plain


def test_text_and_attributes_are_escaped():
    made = plain(html.P(["<b>", html.Span("x", title='"><script>')], className="a&b"))
    assert isinstance(made, Html)
    assert made.html == (
        '<p class="a&amp;b">&lt;b&gt;<span title="&quot;&gt;&lt;script&gt;">x</span></p>'
    )


def test_links_stay_inside():
    assert plain(dcc.Link("区", href="/?district=1")).html == '<a href="/?district=1">区</a>'
    for href in ("javascript:alert(1)", "https://example.org", "data:text/html,x"):
        with pytest.raises(ValueError, match="leaves"):
            plain(html.A("x", href=href))


def test_attributes_keep_their_html_names():
    cell = html.Td("1", colSpan=3, style={"gridRow": "1"}, **{"aria-hidden": "true"})
    made = plain(cell).html
    assert 'colspan="3"' in made
    assert 'style="grid-row:1"' in made
    assert 'aria-hidden="true"' in made
    assert plain(html.Div("x", hidden=True)).html == '<div hidden="">x</div>'
    assert plain(html.Div("x", hidden=False)).html == "<div>x</div>"


def test_what_has_an_id_or_is_alive_stays_a_component():
    graph = dcc.Graph(id="g")
    made = plain(html.Div([html.P("text"), html.Div(graph)]))
    assert isinstance(made, html.Div)
    assert isinstance(made.children[0], Html)
    assert made.children[1].children is graph
    assert isinstance(plain(html.Div("x", id="kept")), html.Div)


def _every_element() -> list[Component]:
    kinds = [kind for kind in vars(html).values() if isinstance(kind, type)]
    link = dcc.Link(["区", html.B("名")], href="/x", id={"type": "a", "index": 1})
    return [
        *(kind() for kind in kinds),
        *(kind("文", id="x", className="c", **{"data-x": "1"}) for kind in kinds),
        html.Div(children=[link, None, "文"], style={"color": "red"}),
        link,
    ]


def test_elements_made_quickly_are_the_same(monkeypatch: pytest.MonkeyPatch):
    for kind in (*vars(html).values(), dcc.Link):
        if isinstance(kind, type):
            monkeypatch.setattr(kind, "__init__", vars(kind)["__init__"])  # put back afterwards
    slowly = _every_element()
    with pytest.raises(TypeError, match="unexpected"):
        html.Div(classname="c")
    make_elements_quickly()
    quickly = _every_element()
    html.Div(classname="c")
    for one, other in zip(slowly, quickly, strict=True):
        assert to_json_plotly(one) == to_json_plotly(other)
        assert repr(one) == repr(other)
    assert to_json_plotly(plain(slowly)) == to_json_plotly(plain(quickly))
