"""What a browser says to the server when a page is opened and when a filter changes.

Nothing here names a panel: callbacks and layouts are read from the app, so that a new page is
measured as soon as it is there.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import brotli
import dash
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from plotly.io.json import to_json_plotly

from data_access import schema
from data_access.store import Snapshot
from domain.filters import Filters, to_search
from domain.periods import period_key

CALLBACKS = "/_dash-update-component"
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "br"}
_QUESTION = "question.data"

# Takes the body of a callback, returns status and text of the answer, decompressed.
Send = Callable[[bytes], tuple[int, bytes]]


@dataclass(frozen=True)
class Page:
    """A page: its callbacks as Dash lists them, and the props of its layout."""

    path: str
    name: str
    frame: Mapping[str, Any]
    panels: tuple[Mapping[str, Any], ...]
    props: Mapping[str, Any]


@dataclass(frozen=True)
class Exchange:
    """One filter change: its seconds, those of each callback, and the names of those that failed.

    Callbacks sent in parallel add up to more than ``seconds``.
    """

    seconds: float
    parts: Mapping[str, float]
    failed: tuple[str, ...]


def pages(server: Flask) -> list[Page]:
    """Return the pages of the navigation, in its order, then those about one thing.

    Of the latter the first thing that the data has stands for all: ``/topics/<code>``.
    """
    client = server.test_client()
    client.get("/")
    callbacks = client.get("/_dash-dependencies").get_json()
    asking = [
        each
        for each in callbacks
        if not each["clientside_function"] and _QUESTION in map(_prop, each["inputs"])
    ]
    frame = next(each for each in callbacks if _QUESTION in _outputs(each))
    result = []
    listed = [page for page in dash.page_registry.values() if page.get("order") is not None]
    listed.sort(key=lambda page: page["order"])
    listed += [page for page in dash.page_registry.values() if page.get("path_template")]
    for page in listed:
        path: str = page["path"]
        about: dict[str, str] = {}
        if page.get("path_template"):
            path, about = _example(server, page["path_template"])
        with server.test_request_context(path):
            layout = page["layout"](**about) if callable(page["layout"]) else page["layout"]
        props = dict(_props(json.loads(to_json_plotly(layout))))
        here = {name.rsplit(".", 1)[0] for name in props}
        panels = tuple(
            each for each in asking if {name.rsplit(".", 1)[0] for name in _outputs(each)} <= here
        )
        result.append(Page(path, page["name"], frame, panels, props))
    return result


def _example(server: Flask, template: str) -> tuple[str, dict[str, str]]:
    """Return path and variables of a page about one thing, for the first such thing of the data.

    The path names the table: ``/topics/<code>``, ``/cases/<case_id>``.
    """
    name = template[template.index("<") + 1 : template.index(">")]
    table = schema.metadata.tables.get(template.split("/")[1])
    snapshot = server.extensions["board_store"].current()
    found = None
    if snapshot is not None and table is not None and name in table.c:
        with snapshot.engine.connect() as connection:
            found = connection.scalar(sa.select(sa.func.min(table.c[name])))
    value = "none" if found is None else str(found)
    return template.replace(f"<{name}>", value), {name: value}


def _props(node: Any) -> Iterator[tuple[str, Any]]:
    """Give ``id.prop`` and value of every component with an id in a layout."""
    if isinstance(node, list):
        for child in node:
            yield from _props(child)
    elif isinstance(node, dict):
        own = node.get("props")
        if isinstance(own, dict) and isinstance(own.get("id"), str):
            yield from ((f"{own['id']}.{name}", value) for name, value in own.items())
        for child in node.values():
            yield from _props(child)


def _prop(dependency: Mapping[str, str]) -> str:
    return f"{dependency['id']}.{dependency['property']}"


def _outputs(callback: Mapping[str, Any]) -> list[str]:
    text: str = callback["output"]
    several = text.startswith("..")
    return text.removeprefix("..").removesuffix("..").split("...") if several else [text]


def _body(callback: Mapping[str, Any], values: Mapping[str, Any], changed: str) -> bytes:
    outputs = [
        dict(zip(("id", "property"), name.rsplit(".", 1), strict=True))
        for name in _outputs(callback)
    ]

    def with_values(dependencies: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            {"id": each["id"], "property": each["property"], "value": values.get(_prop(each))}
            for each in dependencies
        ]

    body = {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": with_values(callback["inputs"]),
        "state": with_values(callback["state"]),
        "changedPropIds": [changed],
    }
    return json.dumps(body).encode()


class Reader:
    """Somebody who looks at a page: first its frame answers, then all its panels.

    With an executor the panels are asked for at the same time, as a browser does.
    """

    def __init__(self, send: Send, parallel: Executor | None = None) -> None:
        self._send = send
        self._map: Callable[..., Any] = parallel.map if parallel else map
        self._shown: str | None = None

    def opens(self, page: Page, *, panels: bool = True) -> Exchange:
        """Return what opening the page without filters took, or its frame alone."""
        self._shown = None
        return self.changes(page, "", panels=panels)

    def changes(self, page: Page, search: str, *, panels: bool = True) -> Exchange:
        """Return what it took to follow a link to the page with other filters."""
        started = time.perf_counter()
        values = {
            **page.props,
            "url.search": search,
            "url.pathname": page.path,
            _QUESTION: self._shown,
        }
        seconds, status, text = self._timed(_body(page.frame, values, "url.search"))
        parts, failed = {"frame": seconds}, []
        if _failed(status, text):
            failed.append("frame")
        else:
            self._shown = json.loads(text)["response"]["question"]["data"]
            values[_QUESTION] = self._shown
        asked = page.panels if panels and not failed else ()
        bodies = [_body(panel, values, _QUESTION) for panel in asked]
        for panel, answer in zip(asked, self._map(self._timed, bodies), strict=True):
            name = _outputs(panel)[0].rsplit(".", 1)[0]
            parts[name] = answer[0]
            if _failed(answer[1], answer[2]):
                failed.append(name)
        return Exchange(time.perf_counter() - started, parts, tuple(failed))

    def _timed(self, body: bytes) -> tuple[float, int, bytes]:
        started = time.perf_counter()
        try:
            status, text = self._send(body)
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, str(error).encode()
        return time.perf_counter() - started, status, text


def _failed(status: int, text: bytes) -> bool:
    return status not in (200, 204) or b"state-error" in text


def to_client(client: FlaskClient) -> Send:
    """Return how callbacks reach an app in this process."""

    def send(body: bytes) -> tuple[int, bytes]:
        answer = client.post(CALLBACKS, data=body, headers=_HEADERS)
        return answer.status_code, _decompressed(answer.data, answer.headers)

    return send


def to_port(port: int) -> Send:
    """Return how callbacks reach a server; a connection each, since pauses outlive keep-alive."""

    def send(body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", CALLBACKS, body, _HEADERS)
            answer = connection.getresponse()
            return answer.status, _decompressed(answer.read(), answer.headers)
        finally:
            connection.close()

    return send


def _decompressed(data: bytes, headers: Any) -> bytes:
    return brotli.decompress(data) if headers.get("Content-Encoding") == "br" else data


def filter_changes(snapshot: Snapshot) -> dict[str, str]:
    """Return what is changed → the query string that asks for it: one of each kind.

    Codes are the busiest ones of the data, where most has to be counted.
    """
    cutoff = snapshot.cutoff.date()
    last_year = f"year-{cutoff.year - 1}"
    asked: dict[str, dict[str, Any]] = {
        "running 考核期": {"period": period_key("assess", cutoff, 1)},
        "考核期 three months back": {"period": f"assess-{cutoff.year - 1}-12"},
        "week": {"period": f"week-{cutoff.year}-W10"},
        "month": {"period": f"month-{cutoff.year}-02"},
        "quarter": {"period": f"quarter-{cutoff.year - 1}-Q4"},
        "last 90 days": {"period": "days-90"},
        "own dates, 200 days": {"period": f"{cutoff.year - 1}-07-01..{cutoff.year}-01-16"},
        "year": {"period": last_year},
        "同比": {"compare": "year"},
        "不比较": {"compare": "none"},
        "全口径": {"basis": "all"},
        "another indicator": {"indicator": "composite"},
        "streets instead of districts": {"by": "subdistrict"},
        "streets, quarter": {"by": "subdistrict", "period": f"quarter-{cutoff.year - 1}-Q4"},
    }
    with snapshot.engine.connect() as connection:

        def busiest(table: sa.Table, column: str, codes: Any, *where: Any) -> tuple[str, ...]:
            key, n = table.c[column], table.c.cases if "cases" in table.c else sa.literal(1)
            statement = sa.select(key).where(key.is_not(None), *where).group_by(key)
            identity = connection.scalar(statement.order_by(sa.func.sum(n).desc()).limit(1))
            return tuple(codes.loc[codes["id"] == identity, "code"])

        place, daily, one = schema.daily_place, schema.daily_category, snapshot.reference
        district = busiest(place, "district_id", one.districts)
        street = busiest(place, "subdistrict_id", one.subdistricts)
        topic = busiest(daily, "topic_id", one.topics)
        small = busiest(daily, "category_id", one.categories)
        unit = busiest(schema.cases, "lead_unit_id", one.units)
        channel = busiest(schema.cases, "channel_id", one.channels)
    parents = one.lookup("categories", "id", "code")
    of_small = one.categories.loc[one.categories["code"].isin(small), "level1_id"]
    large = tuple(parents[identity] for identity in of_small)
    asked |= {
        "district": {"district": district},
        "street": {"subdistrict": street},
        "topic": {"topic": topic},
        "category, level 1": {"category": large},
        "category, level 3": {"category": small},
        "channel": {"channel": channel},
        "unit": {"unit": unit},
        "category × street": {"category": large, "subdistrict": street},
        "unit × year": {"unit": unit, "period": last_year},
        "everything × year": {
            "period": last_year,
            "compare": "year",
            "basis": "all",
            "district": district,
            "category": large,
            "channel": channel,
        },
    }
    # Of a dimension that this data leaves empty there is nothing to choose.
    return {
        name: to_search(Filters(**fields))
        for name, fields in asked.items()
        if all(value != () for value in fields.values())
    }
