"""Nonsense by the thousand: requests that no page of ours sends, from every role.

A request is drawn from a seed and its number, so that a fault can be asked again:

    FUZZ_REQUESTS=100000 FUZZ_SEED=7 python -m pytest tests/app/test_fuzz.py
"""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

import dash
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from domain.accounts import ROLES
from domain.filters import Filters
from pages._exports import export_names
from tests.app.board import CALLBACKS

# What must never come out as anything but text.
MARK = "<img src=fz onerror=fz()>"
FORMULA = '=HYPERLINK("http://fz","fz")'
NASTY: tuple[str, ...] = (
    "", " ", "'", '"', "'; DROP TABLE cases; --", "\\", "%", "_", "%00", "\x00", "\r\nX: y",
    "\u202e", "😀", "１１０１０５", "NaN", "Infinity", "-1", "0", "1e309", "9" * 40, "null", "[]",
    "{}",
    "../../etc/passwd", "//evil.example", "javascript:fz()", MARK, FORMULA, "{{7*7}}", "${7*7}",
    "week-2021-W99", "assess-0000-00", "year-99999", "days-0", "days-999999999",
    "2021-02-30..2021-02-31", "2021-03-31..2020-01-01", "0001-01-01..9999-12-31", "A" * 5_000,
    "一" * 700, "110105,110108,,,110105", "own", "all", "none",
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 10**30, [], {}, [None], [[]], {"a": {"b": []}}, "x",
    [1, 2, 3, 4, 5], {"props": {"children": MARK}}, *NASTY,
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
_TRACES = re.compile(r"Traceback \(most|sqlalchemy\.|duckdb\.|psycopg|File \"/|SELECT .* FROM ")
_RUNS = re.compile(r"<img src=fz|<script[^>]*>[^<]*fz\(")
_LINKS = re.compile(r"^\s*(?:javascript|data|vbscript):", re.IGNORECASE)
_SAFE_NODES = ("Script", "Iframe", "Object", "Embed", "DangerouslySetInnerHTML")


@dataclass(frozen=True)
class Request:
    """One request; ``sound``: its form is one that a page sends, only the values are odd."""

    role: str
    method: str
    path: str
    body: Any = None
    form: Mapping[str, str] | None = None
    raw: bytes | None = None
    sound: bool = False

    @property
    def said(self) -> str:
        """Everything that the request itself says: it may be said back."""
        parts = [unquote_plus(self.path), json.dumps(self.body, ensure_ascii=False, default=str)]
        return " ".join([*parts, *(self.form or {}).values()])


@dataclass
class World:
    """The app as its roles see it, and what may be asked.

    ``clients``: role → signed-in client, "nobody" signed in nowhere. ``callbacks`` as Dash lists
    them. ``values``: codes and numbers that the data know. ``foreign``: role → what finds in a
    text that which belongs to others.
    """

    clients: Mapping[str, FlaskClient]
    callbacks: Sequence[Mapping[str, Any]]
    values: Sequence[str]
    foreign: Mapping[str, Callable[[str], set[str]]]
    faults: list[str] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


def run(world: World, seed: int, numbers: Iterator[int]) -> None:
    """Ask every numbered request and write down in ``world.faults`` what was wrong."""
    for number in numbers:
        request = drawn(world, random.Random(f"{seed}.{number}"))
        wrong = list(faults_of(world, request, _asked(world, request)))
        if wrong:
            told = f"{request.role} {request.method} {request.path[:200]} {str(request.body)[:400]}"
            world.faults.append(f"seed {seed}, number {number}: {'; '.join(wrong)}: {told}")


def _asked(world: World, request: Request) -> TestResponse:
    client = world.clients[request.role]
    content: dict[str, Any] = {}
    if request.raw is not None:
        content = {"data": request.raw, "content_type": "application/json"}
    elif request.form is not None:
        content = {"data": dict(request.form)}
    elif request.body is not None:
        content = {"json": request.body}
    return client.open(request.path, method=request.method, **content)


# --- What is asked --------------------------------------------------------------------------------


def drawn(world: World, chance: random.Random) -> Request:
    """Return a request, drawn by chance."""
    role = chance.choice((*ROLES, "nobody"))
    make = chance.choices(
        (_page, _export, _callback, _broken_callback, _writing, _packet_file, _sign_in, _anything),
        (12, 8, 40, 18, 8, 4, 6, 4),
    )[0]
    return make(world, role, chance)


def _text(world: World, chance: random.Random) -> str:
    return chance.choice(NASTY) if chance.random() < 0.4 else chance.choice(world.values)


def _search(world: World, chance: random.Random) -> str:
    names = [*Filters.__dataclass_fields__, "cols", "page", "q", "weights", "x", MARK]
    pairs = []
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 8))):
        pairs.append(f"{quote(chance.choice(names))}={quote(_text(world, chance))}")
    if chance.random() < 0.03:
        pairs.append("%ED%A0%80=%FF&&==&")
    return f"?{'&'.join(pairs)}" if pairs else ""


def _path_of_page(world: World, chance: random.Random) -> str:
    page = chance.choice(list(dash.page_registry.values()))
    template = page["path_template"] or page["path"]
    return re.sub(r"<[^>]+>", lambda _: quote(_text(world, chance), safe=""), template)


def _page(world: World, role: str, chance: random.Random) -> Request:
    return Request(role, "GET", _path_of_page(world, chance) + _search(world, chance))


def _export(world: World, role: str, chance: random.Random) -> Request:
    name = chance.choice((*export_names(), "audit", "none", "..", "cases%00"))
    suffix = chance.choice(("csv", "csv", "csv", "xlsx", "exe"))
    return Request(role, "GET", f"/export/{name}.{suffix}{_search(world, chance)}")


def _packet_file(world: World, role: str, chance: random.Random) -> Request:
    identity = quote(_text(world, chance), safe="")
    if chance.random() < 0.5:
        suffix = chance.choice(("docx", "pptx", "xlsx", "pdf", "exe"))
        return Request(role, "GET", f"/brief-files/{identity}.{suffix}")
    identity = chance.choice(("draft", identity))
    form, key = (
        chance.choice(("slide", "a4", "phone", "x")),
        chance.choice(("cover", "overall", "exceptions", "ranking", "none")),
    )
    search = _search(world, chance)
    return Request(role, "GET", f"/brief/{identity}/canvas/{form}/{key}{search}")


def _sign_in(world: World, role: str, chance: random.Random) -> Request:
    fields = ("name", "password", "csrf_token", "next")
    form = {name: _text(world, chance) for name in fields if chance.random() < 0.8}
    path = chance.choice(("/sign-in", "/sign-in", "/sign-out", "/sign-in?next=//evil.example"))
    # Whoever signs out is nobody afterwards.
    role = "nobody" if path == "/sign-out" else role
    return Request(role, chance.choice(("POST", "POST", "GET")), path, form=form)


def _anything(world: World, role: str, chance: random.Random) -> Request:
    path = "/" + quote(_text(world, chance))
    if chance.random() < 0.5:
        path = chance.choice(
            ("/_dash-layout", "/_dash-dependencies", "/_reload-hash", "/_alive_x", "/metrics",
             "/readyz", "/healthz", "/assets/../app.py", "/assets/%2e%2e/app.py", "/_mcp", "/mcp",
             "/_dash-component-suites/dash/none.js", "/_favicon.ico", "/console", "/static/app.py",
             "/_dash-ws-callback", "/export/", "/sso", "/sign-in/back?code=x&state=y")
        )  # fmt: skip
    return Request(role, chance.choice(_METHODS), path)


def _identity(text: str, chance: random.Random) -> Any:
    """Return the id of a component; a pattern is filled in."""
    if not text.startswith("{"):
        return text
    pattern = json.loads(text)
    return {
        name: chance.choice(("overall", "ranking", 0, "x")) if isinstance(value, list) else value
        for name, value in pattern.items()
    }


def body_of(
    callback: Mapping[str, Any], value: Callable[[str], Any], chance: random.Random
) -> dict[str, Any]:
    """Return the body a browser sends to a callback; ``value``: "id.property" → value."""
    output = callback["output"]

    def target(name: str) -> dict[str, Any]:
        identity, prop = name.rsplit(".", 1)
        return {"id": _identity(identity, chance), "property": prop.split("@")[0]}

    def given(listed: Sequence[Mapping[str, Any]]) -> list[Any]:
        result: list[Any] = []
        for each in listed:
            identity = _identity(str(each["id"]), chance)
            name = f"{each['id']}.{each['property']}"
            one = {"id": identity, "property": each["property"], "value": value(name)}
            result.append([one] if "ALL" in str(each["id"]) else one)
        return result

    outputs = [target(name) for name in output.strip(".").split("...")]
    inputs = given(callback["inputs"])
    first = callback["inputs"][0] if callback["inputs"] else {"id": "x", "property": "x"}
    return {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": inputs,
        "state": given(callback["state"]),
        "changedPropIds": [f"{first['id']}.{first['property']}"],
    }


def _callback(world: World, role: str, chance: random.Random) -> Request:
    """Return a body whose form is right; the values are what a URL or a hand may give."""

    def value(name: str) -> Any:
        if name in ("question.data", "url.search"):
            return _search(world, chance)
        if name == "url.pathname":
            return unquote_plus(_path_of_page(world, chance))
        if name.endswith("n_clicks"):
            return chance.choice((None, 0, 1, 7))
        return chance.choice((None, _text(world, chance), [_text(world, chance)]))

    callback = chance.choice(world.callbacks)
    return Request(role, "POST", CALLBACKS, body_of(callback, value, chance), sound=True)


def _broken_callback(world: World, role: str, chance: random.Random) -> Request:
    """Return a body with something in it that no page sends."""
    if chance.random() < 0.1:
        raw = chance.choice((b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"output":' * 500,
                             b"[" * 20_000, b'{"a":1e999}'))  # fmt: skip
        return Request(role, "POST", CALLBACKS, raw=raw)
    callback = chance.choice(world.callbacks)
    body = body_of(callback, lambda _: chance.choice(_ODD), chance)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        _spoil(body, chance)
    return Request(role, "POST", CALLBACKS, body)


def _spoil(body: Any, chance: random.Random) -> None:
    """Change one place somewhere in a body."""
    place: Any = body
    while chance.random() < 0.75:
        inner = [
            each
            for each in (place.values() if isinstance(place, dict) else place)
            if isinstance(each, (dict, list)) and each
        ]
        if not inner:
            break
        place = chance.choice(inner)
    if not place:
        return
    key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    match chance.randrange(4):
        case 0:
            del place[key]
        case 1:
            place[key] = [copy.deepcopy(place[key])] * 3
        case _:
            place[key] = chance.choice(_ODD)


def _writing(world: World, role: str, chance: random.Random) -> Request:
    """Return something for the office book, with texts that must stay texts."""
    listed = [each for each in world.callbacks if "commitments-stamp.data" in each["output"]]
    planted = f"{MARK}{FORMULA}" if chance.random() < 0.5 else f"{FORMULA}{MARK}"
    values = {
        "question.data": "", "commitment-enter.n_clicks": 1, "remark-enter.n_clicks": 1,
        "commitment-by.value": planted, "commitment-words.value": planted,
        "commitment-made.value": "2021-03-01", "commitment-due.value": "2021-04-01",
        "commitment-district.value": chance.choice(("-", "110105", "110108", "x")),
        "commitment-topic.value": "-", "commitment-measure.value": "-",
        "commitment-goal.value": None, "commitment-project.value": "",
        "remark-number.value": str(chance.randrange(1, 40)), "remark-note.value": planted,
        "remark-kind.value": chance.choice(("kept", "broken", "withdrawn", "x")),
    }  # fmt: skip
    for name in chance.sample(list(values), chance.choice((0, 0, 0, 1, 2))):
        values[name] = chance.choice(_ODD)
    body = body_of(listed[0], values.get, chance)
    body["changedPropIds"] = [chance.choice(("commitment-enter.n_clicks", "remark-enter.n_clicks"))]
    return Request(role, "POST", CALLBACKS, body)


# --- What must not be answered --------------------------------------------------------------------


def faults_of(world: World, request: Request, response: TestResponse) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    status = response.status_code
    world.statuses[status] = world.statuses.get(status, 0) + 1
    # 503 is said of a queue that is full, and of a check of readiness.
    if status >= 500 and not (status == 503 and "Retry-After" in response.headers):
        yield f"status {status}"
    if request.sound and status not in (200, 204, 302, 303, 401, 403):
        yield f"status {status} for a body of the right form"
    if response.headers.get("X-Content-Type-Options") != "nosniff" and status < 500:
        yield "no nosniff"
    place = response.headers.get("Location", "/")
    if not place.startswith("/") or place.startswith("//"):
        yield f"leads to {place[:80]}"
    if response.mimetype not in ("text/html", "application/json", "text/csv"):
        return
    text = response.get_data(as_text=True)
    if found := _TRACES.search(text):
        yield f"tells {found[0][:60]}"
    if response.mimetype == "text/html":
        policy = response.headers.get("Content-Security-Policy", "")
        if not policy or "unsafe-eval" in policy:
            yield "no strict policy"
        if found := _RUNS.search(text):
            yield f"runs {found[0][:60]}"
    elif response.mimetype == "text/csv":
        for row in csv.reader(io.StringIO(text.lstrip("\ufeff"))):
            if any(cell[:1] in ("=", "+", "@") for cell in row):
                yield "a formula in a file"
    elif status == 200 and request.path == CALLBACKS:
        answer = json.loads(text)
        text = json.dumps(answer, ensure_ascii=False)
        if "state-error" in text:
            yield "a panel failed"
        yield from _unsafe(answer)
    if status == 200 and request.role in world.foreign:
        told = request.said
        others = sorted(each for each in world.foreign[request.role](text) if each not in told)
        if others:
            yield f"tells of others: {others[:6]}"


def _unsafe(node: Any) -> Iterator[str]:
    """Yield components of an answer that a browser would run."""
    if isinstance(node, list):
        for each in node:
            yield from _unsafe(each)
    elif isinstance(node, dict):
        props = node.get("props")
        if isinstance(props, dict):
            if node.get("type") in _SAFE_NODES or "dangerously_allow_html" in props:
                yield f"a component {node.get('type')}"
            for name in ("href", "src", "data"):
                address = props.get(name)
                # Pictures of ours are drawn into their address.
                if (
                    isinstance(address, str)
                    and _LINKS.match(address)
                    and not address.startswith("data:image/")
                ):
                    yield f"{name} {address[:60]}"
            ready = props.get("html")
            if isinstance(ready, str) and (_RUNS.search(ready) or "javascript:fz" in _hrefs(ready)):
                yield "ready HTML with what was written"
        for each in node.values():
            yield from _unsafe(each)


def _hrefs(markup: str) -> str:
    return " ".join(re.findall(r'href="([^"]*)"', markup))
