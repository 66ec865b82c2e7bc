"""Asks the app what a browser asks: pages, the shell's callback and the panels' callbacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from flask import Flask

from data_access.settings import Settings

CALLBACKS = "/_dash-update-component"
QUESTION = "question.data"
# Method, path, JSON body → status, body.
Ask = Callable[[str, str, Any], tuple[int, bytes]]
MakeServer = Callable[[Settings], Flask]


@dataclass(frozen=True)
class Answer:
    """What a callback answered; ``props`` is component id → property → value."""

    status: int
    text: str
    props: dict[str, dict[str, Any]]

    @property
    def sound(self) -> bool:
        """Whether it is an answer, without a failure in it."""
        return (
            self.status == 200 and "state-error" not in self.text and "Traceback" not in self.text
        )


class Board:
    """A client of one server."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        # The first page makes Dash finish its set-up.
        assert ask("GET", "/", None)[0] == 200
        listed = json.loads(ask("GET", "/_dash-dependencies", None)[1])
        self._callbacks = {each["output"]: each for each in listed}
        self._shell = next(each for each in listed if "url.search" in each["output"])

    @property
    def panels(self) -> list[str]:
        """The ids of everything that listens to the question alone."""
        return [
            output.rsplit(".", 1)[0]
            for output, callback in self._callbacks.items()
            if [_name(each) for each in callback["inputs"]] == [QUESTION]
        ]

    def panel(self, panel: str, question: object) -> Answer:
        """Return the answer of a panel to a question, which need not be sound."""
        output = f"{panel}.children"
        return self.post(
            {
                "output": output,
                "outputs": _target(output),
                "inputs": [{"id": "question", "property": "data", "value": question}],
                "changedPropIds": [QUESTION],
                "state": [],
            }
        )

    def shell_body(
        self,
        search: object = "",
        pathname: object = "/",
        changed: str = "url.search",
        values: dict[str, object] | None = None,
        shown: object = None,
    ) -> dict[str, Any]:
        """Return the body of the shell's callback; ``values``: id of a control → its value."""
        given = {"url.search": search, "url.pathname": pathname} | {
            f"{control}.value": value for control, value in (values or {}).items()
        }
        output = self._shell["output"]
        return {
            "output": output,
            "outputs": [_target(each) for each in output.strip(".").split("...")],
            "inputs": [each | {"value": given.get(_name(each))} for each in self._shell["inputs"]],
            "changedPropIds": [changed],
            "state": [{"id": "question", "property": "data", "value": shown}],
        }

    def shell(self, *args: Any, **kwargs: Any) -> Answer:
        """Return the answer of the shell; arguments as of ``shell_body``."""
        return self.post(self.shell_body(*args, **kwargs))

    def post(self, body: Any) -> Answer:
        """Return the answer to a callback body, which need not be sound."""
        status, raw = self.ask("POST", CALLBACKS, body)
        text = raw.decode()
        props = json.loads(text)["response"] if status == 200 else {}
        return Answer(status, text, props)


def board_of(server: Flask) -> Board:
    """Return a client in the same process."""
    client = server.test_client()

    def ask(method: str, path: str, body: Any) -> tuple[int, bytes]:
        response = client.open(path, method=method, json=body)
        return response.status_code, response.data

    return Board(ask)


def _name(target: dict[str, str]) -> str:
    return f"{target['id']}.{target['property']}"


def _target(name: str) -> dict[str, str]:
    component, prop = name.rsplit(".", 1)
    return {"id": component, "property": prop}


# --- What a component says ----------------------------------------------------------------------


class _Markup(HTMLParser):
    """Reads ready HTML back into components."""

    VOID = frozenset({"br", "col", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root: dict[str, Any] = {"type": "Html", "props": {"children": []}}
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert self._open == [self.root], "a tag is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        props: dict[str, Any] = {"className" if name == "class" else name: v for name, v in attrs}
        node = {"type": tag.capitalize(), "props": props | {"children": []}}
        self._open[-1]["props"]["children"].append(node)
        if tag not in self.VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()["type"] == tag.capitalize()

    def handle_data(self, data: str) -> None:
        self._open[-1]["props"]["children"].append(data)


def _opened(node: dict[str, Any]) -> dict[str, Any]:
    """Return a component, ready HTML as the components it was made of."""
    html = node["props"].get("html")
    return node if html is None else _Markup(html).root


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every component of a tree, parents first."""
    if isinstance(tree, list):
        for each in tree:
            yield from nodes(each)
    elif isinstance(tree, dict) and "props" in tree:
        opened = _opened(tree)
        yield opened
        yield from nodes(opened["props"].get("children"))


def words(tree: Any) -> str:
    """Return the text of a tree."""
    if isinstance(tree, list):
        return "".join(words(each) for each in tree)
    if isinstance(tree, dict):
        return words(_opened(tree)["props"].get("children")) if "props" in tree else ""
    return "" if tree is None else str(tree)


def of_type(tree: Any, kind: str) -> list[dict[str, Any]]:
    """Return the components of a type."""
    return [node for node in nodes(tree) if node["type"] == kind]


def of_class(tree: Any, name: str) -> list[dict[str, Any]]:
    """Return the components of a class."""
    return [node for node in nodes(tree) if name in (node["props"].get("className") or "").split()]


def table_rows(tree: Any) -> list[list[str]]:
    """Return the texts of the cells of every row, heads of groups left out."""
    rows = [
        [words(cell) for cell in nodes(row) if cell["type"] in ("Td", "Th")]
        for row in of_type(tree, "Tr")
    ]
    return [row for row in rows if len(row) > 1]
