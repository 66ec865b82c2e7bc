"""Some thousands of nonsensical requests over every role; more of them by the environment.

``FUZZ_REQUESTS`` (2,000) and ``FUZZ_SEED`` (1) choose how many and which.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from data_access.office.audit import verify
from data_access.store import Snapshot
from domain.accounts import ROLES
from tests.app import fuzz, test_scope

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))

app_server = test_scope.app_server
client_of = test_scope.client_of
others = test_scope.others
named = test_scope.named


@pytest.fixture(autouse=True)
def panels_as_components():
    """Leave the panels as browsers get them: ready HTML is what must not hold what was written."""


def world_of(
    server: Flask,
    client_of: Callable[[str], FlaskClient],
    others: dict[str, test_scope.Others],
    named: dict[str, list[str]],
    snapshot: Snapshot,
) -> fuzz.World:
    reference = snapshot.reference
    clients = {role: client_of(role) for role in ROLES} | {"nobody": server.test_client()}
    listed = clients["supervisor"].get("/_dash-dependencies").get_json()
    values = [
        *(code for codes in named.values() for code in codes),
        *reference.districts["code"].head(5),
        *reference.categories["code"].head(5),
        *reference.units["code"].head(5),
        *reference.topics["code"].head(3),
        "resolution", "composite", "volume", "all", "assessed", "year", "previous",
        "week-2021-W12", "assess-2021-03", "year-2020", "month-2021-02", "days-90",
        "subdistrict", "unit", "district", "repeat", "group", "returned", "overdue", "2",
        "10-50-40",
    ]  # fmt: skip
    return fuzz.World(
        clients,
        [each for each in listed if not each["clientside_function"]
         and not any(name in each["output"] for name in test_scope.DASH_OWN)],
        values,
        {role: other.found_in for role, other in others.items()},
    )  # fmt: skip


def test_nonsense_is_answered_and_nothing_leaks(
    app_server: Flask,
    client_of: Callable[[str], FlaskClient],
    others: dict[str, test_scope.Others],
    named: dict[str, list[str]],
    snapshot: Snapshot,
):
    world = world_of(app_server, client_of, others, named, snapshot)
    fuzz.run(world, SEED, iter(range(REQUESTS)))
    assert not world.faults, "\n".join([f"{len(world.faults)} faults", *world.faults[:20]])
    # Not everything was refused: each role was answered, and something was entered.
    assert world.statuses[200] > REQUESTS / 4
    assert verify(app_server.extensions["board_office"])[2] is None
    assert "&lt;img src=fz" in ledger(world, "supervisor")


def ledger(world: fuzz.World, role: str) -> str:
    """Return the ledger of commitments as a role gets it, what was entered included."""
    callback = next(each for each in world.callbacks if "commitments-table" in each["output"])
    values = {"question.data": "", "commitments-stamp.data": "1.1"}
    body = fuzz.body_of(callback, values.get, random.Random(SEED))
    response = world.clients[role].post(test_scope.CALLBACKS, json=body)
    assert response.status_code == 200, response.text[:300]
    return json.dumps(response.get_json())


@pytest.mark.parametrize(
    ("answer", "kind", "status", "wrong"),
    [
        ("", "text/html", 500, "status 500"),
        ("Traceback (most recent call last)", "text/html", 200, "tells Traceback"),
        (f"<p>{fuzz.MARK}</p>", "text/html", 200, "runs"),
        ("a,'=1", "text/csv", 200, ""),
        ("a,=1", "text/csv", 200, "a formula"),
        (
            '{"a": {"props": {"children": "<img src=fz>"}, "type": "P"}}',
            "application/json",
            200,
            "",
        ),
        ('{"a": {"props": {"html": "<img src=fz>"}}}', "application/json", 200, "ready HTML"),
        ('{"a": {"props": {"href": " javascript:fz()"}}}', "application/json", 200, "href"),
        ('{"a": {"props": {}, "type": "Iframe"}}', "application/json", 200, "a component"),
        ('{"a": "state-error"}', "application/json", 200, "a panel failed"),
        ('{"a": "秘密"}', "application/json", 200, "tells of others"),
        ("", "text/html", 404, ""),
    ],
)
def test_what_is_wrong_is_seen(answer: str, kind: str, status: int, wrong: str):
    server = Flask("wrong")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'self'"}
    server.add_url_rule(
        fuzz.CALLBACKS, "x", lambda: Response(answer, status, headers, mimetype=kind)
    )
    world = fuzz.World({}, [], [], {"unit": lambda text: {"秘密"} if "秘密" in text else set()})
    request = fuzz.Request("unit", "GET", fuzz.CALLBACKS)
    found = list(fuzz.faults_of(world, request, server.test_client().get(fuzz.CALLBACKS)))
    assert len(found) == bool(wrong)
    assert all(wrong in each for each in found)
