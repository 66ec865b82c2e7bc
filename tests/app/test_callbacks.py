"""What callbacks name is there: the browser is not asked to check it at every page load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import dash
from dash.development.base_component import Component
from flask import Flask
from flask.testing import FlaskClient

from pages import _shell


def layouts() -> list[Any]:
    pages = [page["layout"] for page in dash.page_registry.values()]
    return [_shell.layout(), *(each() if callable(each) else each for each in pages)]


def components() -> Iterator[Component]:
    for layout in layouts():
        yield layout
        yield from layout._traverse()


def known() -> dict[str, Component]:
    """Return the components of all layouts by id; of patterns, by the type in their id."""
    found = {}
    for each in components():
        identity = getattr(each, "id", None)
        if isinstance(identity, str):
            found[identity] = each
        elif isinstance(identity, dict):
            found[identity["type"]] = each
    return found


def named(client: FlaskClient) -> set[tuple[str, str, bool]]:
    """Return the ids and properties that callbacks name, and whether each is a pattern."""
    found = set()
    for callback in client.get("/_dash-dependencies").get_json():
        outputs = callback["output"].strip(".").split("...")
        sides = [output.rsplit(".", 1) for output in outputs]
        sides += [[one["id"], one["property"]] for one in callback["inputs"] + callback["state"]]
        for identity, property_name in sides:
            name = property_name.split("@")[0]
            if identity.startswith("{"):
                found.add((json.loads(identity)["type"], name, True))
            else:
                found.add((identity, name, False))
    return found


def test_every_id_and_property_of_a_callback_is_there(server: Flask):
    client = server.test_client()
    there = known()
    assert len(there) > 100
    asked = named(client)
    assert len(asked) > 100
    # What matches a pattern may be drawn later; a plain id must be in a layout.
    assert sorted(name for name, _, pattern in asked if not pattern and name not in there) == []
    unknown = [
        f"{name}.{given}"
        for name, given, _ in asked
        if name in there and given not in there[name]._prop_names and "-" not in given
    ]
    assert unknown == []


def test_a_page_load_carries_no_layouts(server: Flask):
    page = server.test_client().get("/").get_data(as_text=True)
    assert "validation_layout" not in page
    assert len(page) < 12_000
