"""No role sees more than its own: every callback, route, export and query, asked by each role.

What there is to ask is read from the app and from the modules. Whatever is new and not in the
tables below fails here until somebody has said how it is asked.
"""

from __future__ import annotations

import csv
import html
import importlib
import inspect
import io
import json
import pkgutil
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import dash
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

import data_access
from app import create_app
from data_access import case_counts, places, programme, projects, question, schema
from data_access import cases as ledger_queries
from data_access.office.accounts import account_of, add_account, begin_session
from data_access.office.audit import AuditFilter, all_lines
from data_access.office.book import Book
from data_access.settings import Settings
from data_access.store import Snapshot, Store
from domain.accounts import ROLES, permission_of_page
from domain.cases import listing
from domain.filters import Filters
from domain.scope import CITY, Scope
from pages._exports import export_names
from tests.app.board import CALLBACKS, of_class, of_type, table_rows, words

OWN, OTHER = "110105", "110108"
OWN_UNIT, OTHER_UNIT = "U023", "U019"
PASSWORD = "correct horse battery"
PLACES: dict[str, list[str]] = {"district": [OWN], "unit": [OWN_UNIT]}


_CASE_NUMBER = re.compile(r"[A-Za-z0-9-]{8,}")


# --- What belongs to others -----------------------------------------------------------------------


@dataclass(frozen=True)
class Others:
    """What must not be in an answer: names, codes (whole runs of digits), numbers of cases.

    ``known``: names of units that the programme names to everyone, and that contain a district's;
    the longest first. Sets and plain searches: one pattern of a thousand words takes minutes.
    """

    names: frozenset[str]
    codes: frozenset[str]
    cases: frozenset[str]
    known: tuple[str, ...]

    def found_in(self, text: str) -> set[str]:
        for name in self.known:
            text = text.replace(name, "")
        return (
            {name for name in self.names if name in text}
            | self.codes.intersection(re.findall(r"\d+", text))
            | self.cases.intersection(_CASE_NUMBER.findall(text))
        )


@pytest.fixture(scope="module")
def others(snapshot: Snapshot) -> dict[str, Others]:
    """Give role → what belongs to others."""
    reference = snapshot.reference
    districts, streets = reference.districts, reference.subdistricts
    own = districts["code"] == OWN
    own_id = int(districts.loc[own, "id"].iloc[0])
    own_streets = streets["district_id"] == own_id
    units = reference.units
    with snapshot.engine.connect() as connection:
        rows = connection.execute(
            sa.select(schema.cases.c.case_id, schema.cases.c.district_id,
                      schema.cases.c.lead_unit_id, schema.cases.c.repeat_of)
        ).all()  # fmt: skip
        in_topics = set(connection.scalars(sa.select(schema.topic_units.c.unit_id)))
        in_tasks = set(connection.scalars(sa.select(schema.milestones.c.unit_id)))
    district_words = {
        # 110101 is a category as well.
        *set(districts.loc[~own, "code"]) - set(reference.categories["code"]),
        *districts.loc[~own, "name"],
        *set(streets.loc[~own_streets, "code"]) - set(reference.categories["code"]),
        # A street's name alone is not one place's: 八里庄街道 is in two districts.
        *set(streets.loc[~own_streets, "name"]) - set(streets.loc[own_streets, "name"]),
    }  # fmt: skip
    # Who answers for a topic or a task of the programme is known to everyone.
    public = units["id"].isin(list(in_topics | in_tasks))
    unit_words = set(units.loc[~public & (units["code"] != OWN_UNIT), "name"])
    own_unit_id = int(units.loc[units["code"] == OWN_UNIT, "id"].iloc[0])
    assert all(_CASE_NUMBER.fullmatch(row.case_id) for row in rows[:50])
    known = tuple(sorted(units.loc[public, "name"], key=len, reverse=True))

    def told(words: set[str], column: str, own: int) -> Others:
        codes = frozenset(word for word in words if word.isdigit())
        return Others(frozenset(words) - codes, codes, _foreign(rows, column, own), known)

    return {
        "district": told(district_words, "district_id", own_id),
        "unit": told(unit_words, "lead_unit_id", own_unit_id),
    }


def _foreign(rows: Any, column: str, own: int) -> frozenset[str]:
    """Return the numbers of others' cases; what an own case repeats is part of its record."""
    told = {row.repeat_of for row in rows if getattr(row, column) == own}
    return frozenset(row.case_id for row in rows if getattr(row, column) != own) - told


# --- Clients --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app_server(
    demo_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """Give a server with an account of each role."""
    folder = tmp_path_factory.mktemp("office")
    server = create_app(
        Settings(
            _env_file=None,
            data_dir=demo_settings.data_dir,
            office_url=f"sqlite:///{folder / 'office.sqlite'}",
        )
    )
    server.test_client().get("/")
    book: Book = server.extensions["board_office"]
    for role, entry in ROLES.items():
        add_account(book, role, role, PLACES.get(entry.limit, []), PASSWORD)
    yield server
    store: Store = server.extensions["board_store"]
    store.close()
    book.close()


@pytest.fixture(scope="module")
def client_of(app_server: Flask) -> Callable[[str], FlaskClient]:
    """Give a function from a role to a client that is signed in."""
    settings: Settings = app_server.extensions["board_settings"]
    book: Book = app_server.extensions["board_office"]

    def made(role: str) -> FlaskClient:
        client = app_server.test_client()
        account = account_of(book, role)
        assert account is not None
        client.get("/sign-in")
        with client.session_transaction() as session:
            session["token"] = begin_session(book, settings, account)
        return client

    return made


# --- Callbacks ------------------------------------------------------------------------------------

SEARCHES = (
    "",
    f"?district={OTHER}",
    f"?subdistrict=110108001&district={OTHER},{OWN}",
    f"?unit={OTHER_UNIT}",
    "?period=year-2020&by=subdistrict&basis=all",
    "?period=year-2020&by=unit&indicator=composite&preset=open&league=own",
    "?by=project&preset=repeat&case_sort=repeats",
)
DASH_OWN = {"_pages_content", "_pages_dummy"}


@pytest.fixture(scope="module")
def named(snapshot: Snapshot) -> dict[str, list[str]]:
    """Give store of a page about one thing → an own one and another's."""

    def street(district: str) -> str:
        reference = snapshot.reference
        identity = reference.districts.set_index("code")["id"][district]
        streets = reference.subdistricts
        return str(streets.loc[streets["district_id"] == identity, "code"].iloc[0])

    def case(district: str) -> str:
        page = ledger_queries.page_of_cases(
            snapshot, Scope(frozenset({district})), _listing(snapshot), "newest", 1
        )
        return page.cases[0].case_id

    every = projects.projects_of(snapshot, CITY)
    return {
        "district-code": [OWN, OTHER],
        "subdistrict-code": [street(OWN), street(OTHER)],
        "case-number": [case(OWN), case(OTHER)],
        "topic-code": [topic.code for topic in programme.topics_of_year(snapshot, 2021)[:3]],
        "project-code": [
            next(each.code for each in every if each.district == OWN),
            next(each.code for each in every if each.district == OTHER),
        ],
        "packet-id": ["none"],
    }


# Inputs that are neither the question nor a thing a page is about → what a browser may send.
CONTROLS: dict[str, Any] = {
    "ranking-weights.value": [10, 60],
    "brief-settled.data": "",
    "commitments-stamp.data": 1,
    "url.search": "",
    "url.pathname": "/",
    "audit-account.value": None,
    "audit-action.value": None,
    "audit-day.value": None,
    "audit-page.value": 1,
}
# Callbacks that write, or draw parts of parts; the tests of their pages say who may.
ELSEWHERE = re.compile(r"brief-|commitments-stamp\.data")


def callbacks(client: FlaskClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/_dash-dependencies").get_json()
    return [
        each
        for each in listed
        if not each["clientside_function"]
        and not any(name in each["output"] for name in DASH_OWN)
        and not ELSEWHERE.search(each["output"])
    ]


def bodies(
    callback: dict[str, Any], search: str, named: dict[str, list[str]]
) -> Iterator[dict[str, Any]]:
    """Yield what a browser may send to a callback."""
    output = callback["output"]
    targets = [
        dict(zip(("id", "property"), name.rsplit(".", 1), strict=True))
        for name in output.strip(".").split("...")
    ]
    about = [each["id"] for each in callback["inputs"] if each["id"] in named]
    for number in range(max((len(named[name]) for name in about), default=1)):
        given = []
        for each in (*callback["inputs"], *callback["state"]):
            key = f"{each['id']}.{each['property']}"
            if key == "question.data" or key == "url.search":
                value: Any = search
            elif each["id"] in named:
                value = named[each["id"]][min(number, len(named[each["id"]]) - 1)]
            elif each["id"].startswith(("filter-", "commitment-", "remark-")):
                value = None
            else:
                assert key in CONTROLS, f"say in CONTROLS what {key} of {output} may be"
                value = CONTROLS[key]
            given.append(each | {"value": value})
        inputs = len(callback["inputs"])
        yield {
            "output": output,
            "outputs": targets if output.startswith("..") else targets[0],
            "inputs": given[:inputs],
            "state": given[inputs:],
            "changedPropIds": ["url.search" if "url" in output else "question.data"],
        }


def answer(client: FlaskClient, body: dict[str, Any]) -> str:
    response = client.post(CALLBACKS, json=body)
    assert response.status_code in (200, 204), (body["output"], response.text[:300])
    if response.status_code == 204:
        return ""
    text = json.dumps(response.get_json(), ensure_ascii=False)
    assert "state-error" not in text, body["output"]
    return text


@pytest.mark.parametrize("role", ["district", "unit"])
@pytest.mark.parametrize("search", SEARCHES)
def test_no_callback_shows_what_belongs_to_others(
    client_of: Callable[[str], FlaskClient],
    others: dict[str, Others],
    named: dict[str, list[str]],
    role: str,
    search: str,
):
    client = client_of(role)
    leaks = {}
    for callback in callbacks(client):
        for body in bodies(callback, search, named):
            # What was asked for may be said again; it was not learned here.
            text = answer(client, body).replace(json.dumps(search)[1:-1], "")
            for each in body["inputs"]:
                if each["id"] in named and isinstance(each["value"], str):
                    text = text.replace(each["value"], "") if each["value"] not in PLACES else text
            if found := others[role].found_in(text):
                leaks[body["output"]] = sorted(found)[:8]
    assert not leaks


@pytest.mark.parametrize("role", ROLES)
def test_a_callback_answers_only_whom_its_page_is_open_to(
    client_of: Callable[[str], FlaskClient], named: dict[str, list[str]], role: Any
):
    client = client_of(role)
    modules = {
        output: callback["callback"].__module__
        for output, callback in _callback_map().items()
        if "callback" in callback
    }
    for callback in callbacks(client):
        module = modules[callback["output"]]
        if module == "pages._shell" or "commitments-forms" in callback["output"]:
            continue  # for everyone, and for those who may enter: tests of their own
        may = permission_of_page(module) in ROLES[role].permissions
        body = next(bodies(callback, "", named))
        text = answer(client, body)
        assert ("state-forbidden" not in text) == may, (callback["output"], module)


def _callback_map() -> dict[str, Any]:
    return dash.get_app().callback_map


# --- Routes ---------------------------------------------------------------------------------------

# Rule → paths to ask; () where it has a test of its own or nothing of the data.
ROUTES: dict[str, tuple[str, ...]] = {
    "/": ("/", f"/?district={OTHER}"),
    "/<path:path>": ("/cases", "/ranking", f"/districts/{OTHER}", f"/nowhere/{OTHER}"),
    "/_dash-layout": ("/_dash-layout",),
    "/_dash-dependencies": ("/_dash-dependencies",),
    "/_reload-hash": ("/_reload-hash",),
    "/_favicon.ico": (),
    "/assets/<path:filename>": (),
    "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>": (),
    "/_dash-update-component": (),  # every callback, above
    "/export/<name>.<suffix>": (),  # every export, below
    "/healthz": ("/healthz",),
    "/readyz": ("/readyz",),
    "/metrics": ("/metrics",),
    "/brief-files/<identity>.<suffix>": (),  # refused by scope: tests/app/test_brief_page.py
    "/sign-in": ("/sign-in",),
    "/sign-in/sso": ("/sign-in/sso",),
    "/sign-in/sso/done": ("/sign-in/sso/done",),
    "/sign-out": (),
    "/audit/export.csv": ("/audit/export.csv",),
}


def test_every_route_is_known(app_server: Flask):
    rules = {rule.rule for rule in app_server.url_map.iter_rules()}
    rules = {rule for rule in rules if not rule.startswith("/brief/")}
    assert rules == set(ROUTES), "say in ROUTES how a new route is asked"


@pytest.mark.parametrize("role", ["district", "unit"])
def test_no_route_tells_of_others(
    client_of: Callable[[str], FlaskClient], others: dict[str, Others], role: str
):
    client = client_of(role)
    for path in (path for paths in ROUTES.values() for path in paths):
        response = client.get(path)
        assert response.status_code < 500
        text = html.unescape(response.text).replace(path, "")
        assert not others[role].found_in(text), path


# --- Exports --------------------------------------------------------------------------------------


def text_of_workbook(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return html.unescape(
            "".join(file.read(name).decode() for name in file.namelist() if "xml" in name)
        )


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", export_names() or ["rates"])
def test_no_export_holds_what_belongs_to_others(
    app_server: Flask,
    client_of: Callable[[str], FlaskClient],
    others: dict[str, Others],
    role: Any,
    name: str,
):
    client = client_of(role)
    module = importlib.import_module("pages._exports")._EXPORTS[name].__module__
    may = {"export", permission_of_page(module)} <= ROLES[role].permissions
    for search in ("", f"?district={OTHER}", "?period=year-2020&by=unit", f"?unit={OTHER_UNIT}"):
        for suffix in ("csv", "xlsx"):
            response = client.get(f"/export/{name}.{suffix}{search}")
            assert response.status_code == (200 if may else 403), (search, suffix)
            if may and role in others:
                is_text = suffix == "csv"
                content = response.data
                text = content.decode("utf-8-sig") if is_text else text_of_workbook(content)
                assert not others[role].found_in(text), (search, suffix)


def test_exports_are_all_known():
    assert export_names()


# --- Queries --------------------------------------------------------------------------------------


def _listing(snapshot: Snapshot, **changes: Any) -> Any:
    asked = question.ask(_StoreOf(snapshot), CITY, "?period=year-2020")  # type: ignore[arg-type]
    return listing(
        Filters(basis="all", **changes), asked.period.window, snapshot.cutoff.date(), asked.rules
    )


@dataclass(frozen=True)
class _StoreOf:
    """A store of one version."""

    snapshot: Snapshot

    def current(self) -> Snapshot:
        return self.snapshot

    def get(self, key: str) -> Snapshot | None:
        return self.snapshot if key == self.snapshot.key else None


def calls(snapshot: Snapshot, scope: Scope) -> dict[str, Callable[[], Any]]:
    """Return name of a query → how it is asked with a scope; an iterator is read to its end."""
    asked = question.ask(_StoreOf(snapshot), CITY, "?period=year-2020")  # type: ignore[arg-type]
    windows, every = asked.windows, Filters(basis="all")
    weeks = tuple(_weeks(snapshot))
    # As ``ask`` makes it of any query string of such a reader.
    units: dict[str, Any] = {"unit": tuple(scope.units)} if scope.units else {}
    lines = _listing(snapshot, **units)
    repeats = _listing(snapshot, preset="repeat", **units)
    whole = projects.projects_of(snapshot, CITY)
    target = whole[0].target
    topic = programme.topics_of_year(snapshot, 2021)[0].code
    case = ledger_queries.page_of_cases(
        snapshot, CITY, _listing(snapshot, preset="repeat"), "newest", 1
    ).cases[0]
    foreign = next(each for each in whole if each.district == OTHER)
    numbers = [
        each.case_id
        for each in ledger_queries.page_of_cases(
            snapshot, CITY, _listing(snapshot), "newest", 200
        ).cases
    ]
    mark = case.mark("newest")
    s, q = scope, ledger_queries
    groups: tuple[Any, ...] = ("district", "subdistrict", "category", "topic", "unit")
    return {
        "closings_by_window": lambda: case_counts.closings_by_window(snapshot, s, every, windows),
        "counts_by_week": lambda: [
            case_counts.counts_by_week(snapshot, s, every, weeks, group) for group in groups
        ],
        "counts_by_window": lambda: [
            case_counts.counts_by_window(snapshot, s, every, windows, group) for group in groups
        ],
        "counts_of_all": lambda: [
            case_counts.counts_of_all(snapshot, s, every, windows, group)
            for group in ("district", "unit")
        ],
        "days_with_cases": lambda: case_counts.days_with_cases(snapshot, s, every, windows[0][1]),
        "batches_of_cases": lambda: list(q.batches_of_cases(snapshot, s, lines, "newest", 10**6)),
        "case_of_number": lambda: [q.case_of_number(snapshot, s, number) for number in numbers],
        "cases_of_matter": lambda: q.cases_of_matter(snapshot, s, case, 100),
        "day_counts": lambda: q.day_counts(snapshot, s, lines),
        "groups": lambda: q.groups(snapshot, s, _listing(snapshot, preset="group", **units)),
        "ladder": lambda: q.ladder(snapshot, s, repeats, "repeats"),
        "neighbours_in_month": lambda: q.neighbours_in_month(snapshot, s, case),
        "number_until": lambda: q.number_until(snapshot, s, lines, "newest", mark, itself=True),
        "page_of_cases": lambda: [
            q.page_of_cases(snapshot, s, lines, "newest", 500),
            q.page_of_cases(snapshot, s, repeats, "repeats", 500),
        ],
        "repeats_of": lambda: sum(q.repeats_of(snapshot, s, numbers).values()),
        "shelved_until": lambda: q.shelved_until(snapshot, s, lines, snapshot.cutoff.date()),
        "communities_by_volume": lambda: places.communities_by_volume(
            snapshot, s, every, windows, 500
        ),
        "counts_by_own_category": lambda: places.counts_by_own_category(
            snapshot, s, every, windows
        ),
        "categories_beside": lambda: places.categories_beside(
            snapshot, s, every, every.narrowed(district=(OTHER,)), windows
        ),
        "oldest_open_cases": lambda: places.oldest_open_cases(snapshot, s, every, 500),
        "targets_of_district": lambda: places.targets_of_district(snapshot, s, OTHER),
        "cases_of_topic": lambda: list(
            programme.cases_of_topic(snapshot, s, every, topic, 100).values()
        ),
        "counts_by_topic_and_district": lambda: programme.counts_by_topic_and_district(
            snapshot, s, every, windows[0][1]
        ),
        "progress_by_district": lambda: programme.progress_by_district(snapshot, s, target),
        "stock_by_district": lambda: programme.stock_by_district(snapshot, s, target),
        "weekly_cases": lambda: programme.weekly_cases(snapshot, s, every, weeks),
        "weekly_cases_by_district": lambda: programme.weekly_cases_by_district(
            snapshot, s, every, weeks, topic
        ),
        "cases_around_by_month": lambda: projects.cases_around_by_month(
            snapshot, s, "all", foreign_topic(snapshot, foreign), foreign
        )["cases"],
        "newest_cases_around": lambda: projects.newest_cases_around(
            snapshot, s, "all", foreign_topic(snapshot, foreign), foreign, 100
        )["case_id"],
        "parts_by_district": lambda: projects.parts_by_district(snapshot, s, target),
        "project_of_code": lambda: projects.project_of_code(snapshot, s, foreign.code),
        "projects_of": lambda: projects.projects_of(snapshot, s),
        "seen_by": lambda: [
            getattr(question.seen_by(snapshot, s).reference, name)
            for name in ("districts", "subdistricts")
        ],
    }


def foreign_topic(snapshot: Snapshot, project: Any) -> str:
    topics = programme.topics_of_year(snapshot, 2021)
    return next(
        topic.code for topic in topics for target in topic.targets if target.code == project.target
    )


def _weeks(snapshot: Snapshot) -> list[Any]:
    from domain.periods import weeks_before

    cutoff = snapshot.cutoff.date()
    return weeks_before(cutoff, cutoff, 12)


# Conditions, not rows; of the office book, with tests of their own; asked by every page.
OTHER_TESTS = {
    "conditions", "days_of_oldest_open", "programme_conditions", "ask", "commitments_of",
    "remark", "keep_packet", "packet_before", "packet_of_id", "packets_kept",
}  # fmt: skip


def queries() -> set[str]:
    """Return the name of every public function of data_access that takes a scope."""
    found = set()
    for module in pkgutil.walk_packages(data_access.__path__, "data_access."):
        if re.search(r"\.(demo|loading|migrations)\b", module.name):
            continue
        loaded = importlib.import_module(module.name)
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            ours = function.__module__ == module.name and not name.startswith("_")
            if ours and "scope" in inspect.signature(function).parameters:
                found.add(name)
    return found


def test_every_query_is_known(snapshot: Snapshot):
    assert queries() == set(calls(snapshot, CITY)) | OTHER_TESTS, "say in calls() how it is asked"


def told(value: Any) -> str:
    """Return everything in a result as text."""
    if isinstance(value, pd.DataFrame | pd.Series):
        return str(value.to_csv())
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    if isinstance(value, dict):
        return " ".join(f"{key} {told(each)}" for key, each in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        return " ".join(told(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(map(told, value))
    return str(value)


SCOPES = {
    "district": Scope(districts=frozenset({OWN})),
    "unit": Scope(units=frozenset({OWN_UNIT})),
}


@pytest.mark.parametrize("role", SCOPES)
@pytest.mark.parametrize("name", sorted(queries() - OTHER_TESTS))
def test_no_query_returns_what_belongs_to_others(
    snapshot: Snapshot, others: dict[str, Others], name: str, role: str
):
    scope = SCOPES[role]
    # On the version as it is, and as the scope sees it: neither leans on the other.
    for version in (snapshot, question.seen_by(snapshot, scope)):
        asked = calls(snapshot, scope)[name] if version is snapshot else partial(
            _asked_of, version, snapshot, scope, name
        )  # fmt: skip
        text = told(asked())
        unit_names_allowed = role == "unit" and name in ("projects_of", "project_of_code")
        assert unit_names_allowed or not others[role].found_in(text)


def _asked_of(version: Snapshot, whole: Snapshot, scope: Scope, name: str) -> Any:
    del whole
    return calls(version, scope)[name]()


@pytest.mark.parametrize("name", sorted(queries() - OTHER_TESTS))
def test_an_empty_scope_gets_nothing(snapshot: Snapshot, name: str):
    nothing = Scope(districts=frozenset())
    text = told(calls(snapshot, nothing)[name]())
    reference = snapshot.reference
    assert not any(code in text for code in reference.districts["code"])
    assert not re.search(r"[A-Z]{1,4}\d{8,}", text)


@pytest.mark.parametrize("role", SCOPES)
def test_scoped_counts_are_those_of_the_filter(snapshot: Snapshot, role: str):
    """A scope shows exactly what a reader of the city sees with the same filter: not less."""
    chosen: dict[str, Any] = {"district": (OWN,)} if role == "district" else {"unit": (OWN_UNIT,)}
    asked = question.ask(_StoreOf(snapshot), CITY, "?period=year-2020")  # type: ignore[arg-type]
    for group in ("district", "subdistrict", "category", "topic", "unit"):
        scoped = case_counts.counts_by_window(
            snapshot, SCOPES[role], Filters(), asked.windows, group
        )
        filtered = case_counts.counts_by_window(
            snapshot, CITY, Filters(**chosen), asked.windows, group
        )
        pd.testing.assert_frame_equal(scoped, filtered)
        assert len(scoped)


def test_cached_results_are_kept_apart(snapshot: Snapshot):
    seen = question.seen_by(snapshot, SCOPES["district"])
    assert seen.cache is not snapshot.cache
    assert question.seen_by(snapshot, SCOPES["district"]) is seen
    assert question.seen_by(snapshot, Scope(frozenset({OTHER}))) is not seen
    assert question.seen_by(snapshot, CITY) is snapshot


# --- What is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("search", [f"?district={OTHER}", f"?unit={OTHER_UNIT}",
                                    "?subdistrict=110108001"])  # fmt: skip
def test_what_one_may_not_see_is_said(snapshot: Snapshot, search: str):
    role = "unit" if "unit" in search else "district"
    asked = question.ask(_StoreOf(snapshot), SCOPES[role], search)  # type: ignore[arg-type]
    if (
        "subdistrict" in search
        and not (snapshot.reference.subdistricts["code"] == "110108001").any()
    ):
        pytest.skip("no such street in the demo")
    assert any("无权查看" in problem for problem in asked.problems)
    wanted = ((OWN,), ()) if role == "district" else ((), (OWN_UNIT,))
    assert (asked.filters.district, asked.filters.unit) == wanted


def test_the_frame_names_own_places_only(
    client_of: Callable[[str], FlaskClient], app_server: Flask
):
    client = client_of("district")
    (shell,) = [each for each in callbacks(client) if "url.search" in each["output"]]
    body = next(bodies(shell, "", {}))
    given = client.post(CALLBACKS, json=body).get_json()["response"]
    options = given["filter-district"]["options"]
    assert [each["value"] for each in options] == [OWN]
    assert given["question"]["data"].count(f"district={OWN}") == 1


def test_every_export_is_in_the_audit(app_server: Flask, client_of: Callable[[str], FlaskClient]):
    book: Book = app_server.extensions["board_office"]
    client = client_of("supervisor")
    for name in export_names():
        client.get(f"/export/{name}.csv")
        last = list(all_lines(book, AuditFilter(account="supervisor", action="export")))[-1]
        assert last.what == f"{name}.csv"


def test_who_is_on_a_list_is_judged_among_all(
    client_of: Callable[[str], FlaskClient], snapshot: Snapshot
):
    """A district alone would always hold all that is left, and be 抓大户."""

    def lists(role: str, search: str) -> dict[str, list[str]]:
        file = client_of(role).get(f"/export/targeting.csv{search}")
        lines = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"), newline="")))
        start = next(place for place, line in enumerate(lines) if line[:1] == ["代码"])
        # Whom a rise would help is told of all only: the last columns but two.
        return {line[0]: line[:15] for line in lines[start + 1 :] if line}

    for by in ("district", "subdistrict", "project"):
        everyone, own = lists("supervisor", f"?by={by}"), lists("district", f"?by={by}")
        assert 0 < len(own) < len(everyone)
        assert own == {code: everyone[code] for code in own}
    reference = snapshot.reference
    assert set(lists("district", "")) == {OWN}
    assert len(lists("supervisor", "")) == len(reference.districts)


# --- Own rank among all ---------------------------------------------------------------------------

RANKS = "?period=year-2020&by="
OWN_RANKS = [
    ("district", "district", [OWN]),
    ("district", "subdistrict", None),  # its own streets
    ("unit", "unit", [OWN_UNIT]),
]


def panel(client: FlaskClient, name: str, search: str, **about: str) -> Any:
    """Return the tree of a panel that must be sound."""
    given = [{"id": "question", "property": "data", "value": search}]
    given += [{"id": key.replace("_", "-"), "property": "data", "value": each}
              for key, each in about.items()]  # fmt: skip
    body = {
        "output": f"{name}.children",
        "outputs": {"id": name, "property": "children"},
        "inputs": given,
        "changedPropIds": ["question.data"],
        "state": [],
    }
    found = client.post(CALLBACKS, json=body).get_json()["response"][name]["children"]
    assert "state-error" not in json.dumps(found)
    return found


def ranked_rows(client: FlaskClient, search: str) -> dict[str, list[str]]:
    """Return link → cells of every row of the ranking, on all its pages: names repeat."""
    rows: dict[str, list[str]] = {}
    for page in range(1, 9):
        tree = panel(client, "ranking-table", f"{search}&page={page}")
        for row in of_type(tree, "Tr"):
            links = [*of_type(row, "A"), *of_type(row, "Link")]
            if links:
                (cells,) = table_rows(row)
                # Who sees the other street of the name is told the district with it.
                cells[0] = re.sub("（[^）]*）", "", cells[0])
                rows[links[0]["props"]["href"].split("?")[0] + cells[0]] = cells
    return rows


@pytest.mark.parametrize(("role", "by", "codes"), OWN_RANKS)
@pytest.mark.parametrize("more", ["", "&basis=all", "&league=own"])
def test_own_rank_is_that_among_all(
    client_of: Callable[[str], FlaskClient],
    snapshot: Snapshot,
    role: str,
    by: str,
    codes: list[str] | None,
    more: str,
):
    search = f"{RANKS}{by}{more}"
    everyone, own = (ranked_rows(client_of(each), search) for each in ("supervisor", role))
    seen = question.names(question.seen_by(snapshot, SCOPES[role]))[by]
    if not (by == "district" and more == "&league=own"):
        assert {row[0].removesuffix("※") for row in own.values()} <= set(seen.values())
        if codes:
            assert len(own) == len(codes)
        else:
            listed = [row for row in everyone.values() if row[0].removesuffix("※") in seen.values()]
            assert len(own) <= len(listed)
        assert 0 < len(own) < len(everyone)
    for name, row in own.items():
        # As many decimals as tell those apart that are shown.
        assert [*row[:4], *row[5:]] == [*everyone[name][:4], *everyone[name][5:]]
        assert row[4] == everyone[name][4] or abs(float(row[4]) - float(everyone[name][4])) < 0.051
    if more != "&league=own":
        ranked = sum(row[1].isdigit() for row in everyone.values())
        head = words(of_type(panel(client_of(role), "ranking-summary", search), "H1"))
        word = {"district": "区", "subdistrict": "街道乡镇", "unit": "承办单位"}[by]
        assert f"{snapshot.city}{ranked}个{word}" in head
        # The sum of all is told, under the name of all.
        whole, of_all = (
            table_rows(panel(client_of(each), "ranking-table", search))[-1]
            for each in (role, "supervisor")
        )
        assert (whole[0], of_all[0]) == (f"{snapshot.city}汇总", "汇总")
        last = len(snapshot.reference.subdistricts) > 50 and by == "subdistrict"
        assert last or [*whole[1:4], *whole[5:]] == [*of_all[1:4], *of_all[5:]]


@pytest.mark.parametrize(("role", "by", "codes"), OWN_RANKS)
def test_the_own_rank_in_a_file_is_that_of_everyone(
    client_of: Callable[[str], FlaskClient], role: str, by: str, codes: list[str] | None
):
    def lines(reader: str) -> list[list[str]]:
        file = client_of(reader).get(f"/export/rates.csv{RANKS}{by}")
        found = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"), newline="")))
        return [line for line in found if len(line) > 5]

    everyone, own = lines("supervisor"), lines(role)
    without_sums = [line for line in own if not any("汇总" in cell for cell in line[:3])]
    assert len(without_sums) < len(everyone)
    assert all(line in everyone for line in without_sums)


def test_a_place_is_judged_among_all(client_of: Callable[[str], FlaskClient], snapshot: Snapshot):
    search = "?period=year-2020"
    seen = question.names(question.seen_by(snapshot, SCOPES["district"]))["subdistrict"]
    rows = ranked_rows(client_of("district"), f"{RANKS}subdistrict")
    ranked = {row[0].removesuffix("※") for row in rows.values() if row[1]}
    street = next(code for code, name in seen.items() if name in ranked)
    for kind, own_code in (("district", OWN), ("subdistrict", street)):
        code = {f"{kind}_code": own_code}
        trees = [
            {name: panel(client_of(role), f"{kind}-{name}", search, **code)
             for name in ("summary", "why", "categories", "integrity")}
            for role in ("supervisor", "district")
        ]  # fmt: skip
        everyone, own = (words(of_type(tree["summary"], "H1")) for tree in trees)
        assert own == everyone
        assert snapshot.city in own or "相同" in own
        for name in ("why", "categories", "integrity"):
            assert words(trees[0][name]) == words(trees[1][name])
    facts = words(of_class(trees[1]["summary"], "place-facts"))
    in_all = ranked_rows(client_of("leader"), f"{RANKS}subdistrict")
    of_all = sum(bool(row[1]) for row in in_all.values())
    assert re.search(rf"{snapshot.city}名次：\D*{of_all}个街道乡镇", facts)


@pytest.mark.parametrize(("role", "by"), [("district", "district"), ("unit", "unit")])
def test_no_number_of_another_is_told(
    client_of: Callable[[str], FlaskClient], named: dict[str, list[str]], role: str, by: str
):
    """Names are looked for everywhere; here the figures of those who must not be named."""
    everyone, own = (ranked_rows(client_of(each), f"{RANKS}{by}") for each in ("supervisor", role))
    # What an account may see of its own has the same numbers now and then: long ones do not.
    mine = {cell for row in own.values() for cell in row}
    numbers = {row[6] for name, row in everyone.items() if name not in own and len(row[6]) > 4}
    assert numbers - mine
    client = client_of(role)
    for callback in callbacks(client):
        if callback["output"].strip(".").startswith(("ranking-", "district-", "subdistrict-")):
            for body in bodies(callback, f"{RANKS}{by}", named):
                told = set(re.findall(r"\d{1,3}(?:,\d{3})+", answer(client, body)))
                assert not told & (numbers - mine), callback["output"]


@pytest.mark.parametrize(("role", "search"), [
    ("district", "?period=year-2020&by=district&unit={unit}"),
    ("unit", f"?period=year-2020&by=unit&district={OTHER}"),
])  # fmt: skip
def test_what_is_another_alone_is_no_comparison(
    client_of: Callable[[str], FlaskClient], snapshot: Snapshot, role: str, search: str
):
    """The sum of a unit's cases in the city is that unit's, that of a district the district's."""
    seen = question.names(question.seen_by(snapshot, SCOPES[role]))
    by = "district" if role == "district" else "unit"
    tree = panel(client_of(role), "ranking-table", search.format(unit=next(iter(seen["unit"]))))
    assert snapshot.city not in words(tree)
    assert {row[0] for row in table_rows(tree)[1:]} <= {*seen[by].values(), "汇总"}


def test_few_others_are_no_comparison(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch):
    from pages import _ranking

    scope = SCOPES["district"]
    monkeypatch.setattr(_ranking, "reader", lambda: scope)
    monkeypatch.setattr(_ranking, "everyone", lambda _: snapshot)
    asked = question.ask(_StoreOf(snapshot), scope, "?period=year-2020")  # type: ignore[arg-type]
    others = len(snapshot.reference.districts) - 1
    for least, all_of_them in ((others, True), (others + 1, False)):
        monkeypatch.setattr(_ranking, "FEWEST_OTHERS", least)
        assert _ranking.among_all(asked, "district").of_all == all_of_them


def test_only_a_choice_is_said_not_to_count(
    client_of: Callable[[str], FlaskClient], named: dict[str, list[str]]
):
    """An account adds its own district to every question: nobody chose it."""
    street = named["subdistrict-code"][0]
    for search, said in (("", False), (f"?district={OWN}", False),
                         (f"?subdistrict={street}", True)):  # fmt: skip
        tree = panel(client_of("district"), "district-summary", search, district_code=OWN)
        assert ("选择未采用" in words(tree)) == said
    tree = panel(client_of("leader"), "district-summary", f"?district={OTHER}", district_code=OWN)
    assert "选择未采用" in words(tree)
