"""Parts of a panel that nothing addresses, as one component with ready HTML.

Dash's renderer asks every mounted component at every change of its store: a page of two thousand
small components takes seconds for each filter change, one of fifty takes a tenth of one.
"""

from __future__ import annotations

import html as markup
from typing import Any, ClassVar

from dash import dcc, html
from dash.development.base_component import Component

_ATTRIBUTES = {"className": "class", "htmlFor": "for"}
_VOID = frozenset({"Br", "Col", "Hr", "Img", "Input"})


class Html(Component):
    """Ready HTML; ``assets/25-plain.js`` has its other half."""

    _namespace = "board_html"
    _type = "Html"
    _prop_names = ("html",)
    available_properties: ClassVar[list[str]] = ["html"]
    available_wildcard_properties: ClassVar[list[str]] = []
    _children_props: ClassVar[list[str]] = []
    _base_nodes: ClassVar[list[str]] = []
    _valid_wildcard_attributes: ClassVar[list[str]] = []

    def __init__(self, html: str) -> None:
        # Dash's own would look for a package of the namespace, on the disk, each time.
        self.html = html


def plain(node: Any) -> Any:
    """Return the same content with every largest part without an id as one ``Html``."""
    sort = _sort(node)
    if sort == "list":
        return [plain(child) for child in node]
    if sort == "text":
        return node
    if _is_plain(node):
        return Html(_markup(node))
    children = getattr(node, "children", None)
    if children is not None:
        node.children = plain(children)
    return node


# Type → what things of that type are: to ask the thing itself takes ten times as long.
_SORTS: dict[type, str] = {}


def _sort(node: Any) -> str:
    kind = type(node)
    found = _SORTS.get(kind)
    if found is None:
        found = _SORTS[kind] = _sort_of(kind)
    return found


def _sort_of(kind: type) -> str:
    if issubclass(kind, (list, tuple)):
        return "list"
    if not issubclass(kind, Component):
        return "text"
    if issubclass(kind, Html):
        return "ready"
    is_element = kind is dcc.Link or getattr(kind, "_namespace", "") == "dash_html_components"
    return "element" if is_element else "alive"


def _is_plain(node: Any) -> bool:
    sort = _sort(node)
    if sort == "element":
        return getattr(node, "id", None) is None and _is_plain(getattr(node, "children", None))
    if sort == "list":
        return all(map(_is_plain, node))
    return sort != "alive"


def _markup(node: Any) -> str:
    sort = _sort(node)
    if sort == "text":
        return "" if node is None else markup.escape(str(node))
    if sort == "list":
        return "".join(map(_markup, node))
    if sort == "ready":
        return str(node.html)
    tag = "a" if type(node) is dcc.Link else node._type.lower()
    attributes = "".join([_attribute(name, value) for name, value in _given(node)])
    if node._type in _VOID:
        return f"<{tag}{attributes}>"
    return f"<{tag}{attributes}>{_markup(getattr(node, 'children', None))}</{tag}>"


# Type of component → its properties without children → their place in the order of attributes.
_PLACES: dict[type, dict[str, int]] = {}


def _given(node: Component) -> list[tuple[str, Any]]:
    """Return the properties that a component was given but its children, in a fixed order.

    What ``to_plotly_json`` says, without asking a component of every property there is.
    """
    kind = type(node)
    places = _PLACES.get(kind)
    if places is None:
        names = [name for name in node._prop_names if name != "children"]
        places = _PLACES[kind] = {name: place for place, name in enumerate(names)}
    given, free = [], []
    for name, value in node.__dict__.items():
        if name in places:
            given.append((name, value))
        elif "-" in name:  # data- and aria-
            free.append((name, value))
    if len(given) > 1:
        given.sort(key=lambda each: places[each[0]])
    return given + free


def make_elements_quickly() -> None:
    """Have HTML elements and links made without Dash's checks of names and types from now on.

    They take ten times as long as the rest, and a page makes thousands of elements. Servers call
    this; tests do not, so that a wrong name is found there.
    """
    for kind in (*vars(html).values(), dcc.Link):
        if isinstance(kind, type) and issubclass(kind, Component):
            # What Dash would write into every single one is the same for all of a kind.
            for name, value in vars(kind(**_NEEDED.get(kind, {}))).items():
                if name not in ("children", *_NEEDED.get(kind, {})):
                    setattr(kind, name, value)
            kind.__init__ = _quick_init  # type: ignore[misc]


# What a kind cannot be made without.
_NEEDED: dict[type, dict[str, Any]] = {dcc.Link: {"href": "/"}}


def _quick_init(self: Component, children: Any = None, **given: Any) -> None:
    self.__dict__.update(given, children=children)


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if name == "href" and not str(value).startswith(("/", "#")):
        raise ValueError(f"a link that leaves the product: {value!r}")
    if name == "style":
        value = ";".join(f"{_dashed(key)}:{each}" for key, each in value.items())
    known = _ATTRIBUTES.get(name, name if "-" in name else name.lower())
    text = "" if value is True and "-" not in name else str(value)
    return f' {known}="{markup.escape(text)}"'


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
