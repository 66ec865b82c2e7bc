"""The gate: who gets in, by which way, and what an expired or forged request is answered."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import dash
import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug import Request, Response
from werkzeug.serving import make_server

from data_access.office import accounts as accounts_module
from data_access.office.accounts import add_account, set_disabled, set_password
from data_access.office.audit import AuditFilter, all_lines, verify
from data_access.office.book import Book
from data_access.settings import Settings
from domain.accounts import ROLES, permission_of_page
from domain.periods import present
from pages._accounts import safe_path
from pages._monitoring import PATHS as MONITORING_PATHS
from tests.app.board import CALLBACKS, Board, MakeServer, board_of, words

PASSWORD = "correct horse battery"
Make = Callable[..., Flask]


@pytest.fixture
def make(demo_settings: Settings, tmp_path: Path, make_server: MakeServer) -> Make:
    """Give a function that makes a server on the demo with an office book of its own."""

    def made(**changes: Any) -> Flask:
        settings = Settings(
            _env_file=None,
            data_dir=demo_settings.data_dir,
            office_url=f"sqlite:///{tmp_path / 'office.sqlite'}",
            **changes,
        )
        return make_server(settings)

    return made


def book_of(server: Flask) -> Book:
    book: Book = server.extensions["board_office"]
    return book


def with_account(server: Flask, name: str = "zhang", role: Any = "supervisor", *places: str):
    return add_account(book_of(server), name, role, places, PASSWORD)


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def sign_in(client: FlaskClient, name: str = "zhang", password: str = PASSWORD, onward: str = "/"):
    token = token_of(client.get("/sign-in").text)
    return client.post(
        "/sign-in",
        query_string={"next": onward},
        data={"csrf_token": token, "name": name, "password": password},
    )


def actions(server: Flask) -> list[tuple[str, str]]:
    return [(line.account, line.action) for line in all_lines(book_of(server), AuditFilter())]


# --- Workstation --------------------------------------------------------------------------------


def test_a_workstation_without_accounts_is_open_and_says_so(make: Make):
    shell = board_of(make()).shell("")
    assert shell.sound
    assert words(shell.props["account"]["children"]) == "本机使用 · 免登录"


@pytest.mark.parametrize(
    "asked",
    [
        {"environ_base": {"REMOTE_ADDR": "10.1.2.3"}},
        {"headers": {"X-Forwarded-For": "10.1.2.3"}},
        {"headers": {"Forwarded": "for=10.1.2.3"}},
        {"headers": {"Via": "1.1 proxy"}},
        {"base_url": "http://board.example"},
        {"base_url": "http://127.0.0.1.example"},
    ],
)
def test_a_workstation_answers_nobody_else(make: Make, asked: dict[str, Any]):
    client = make().test_client()
    for path in ("/", "/_dash-layout", "/_dash-dependencies", "/export/rates.csv", "/sign-in"):
        assert client.get(path, **asked).status_code == 403
    assert client.post(CALLBACKS, json={}, **asked).status_code == 403


def test_a_workstation_closes_with_its_first_account(make: Make):
    server = make()
    client = server.test_client()
    assert client.get("/").status_code == 200
    with_account(server)
    assert client.get("/").status_code == 302
    set_disabled(book_of(server), "zhang", True)
    assert client.get("/").status_code == 302


# --- Local accounts -----------------------------------------------------------------------------


def test_everything_but_the_way_in_needs_an_account(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    for rule in server.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "x", rule.rule)
        for method in rule.methods or ():
            status = client.open(path, method=method).status_code
            public = (
                path in MONITORING_PATHS
                or rule.endpoint == "accounts.show_sign_in"
                or rule.endpoint == "accounts.begin_sso"
                or rule.endpoint == "accounts.end_sso"
                or path.startswith(("/_dash-component-suites/", "/_favicon"))
                or method == "OPTIONS"
            )
            ended = path == CALLBACKS and method == "POST"
            assert public or ended or status in (302, 401), (method, path, status)
            assert status != 500


def test_sign_in_leads_to_the_page_asked_for_and_sign_out_ends_it(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    asked = client.get("/topics?district=110105")
    assert asked.headers["Location"] == "/sign-in?next=/topics?district%3D110105"
    page = client.get(asked.headers["Location"])
    assert page.status_code == 200
    answer = client.post(
        asked.headers["Location"],
        data={"csrf_token": token_of(page.text), "name": " ZHANG ", "password": PASSWORD},
    )
    assert answer.headers["Location"] == "/topics?district=110105"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/topics").status_code == 200
    shell = board_of_client(client).shell("")
    assert "zhang" in shell.text
    stolen = client.get_cookie("board_session")
    assert stolen is not None
    token = re.search(r'"name": ?"csrf_token".*?"value": ?"([^"]+)"|"value": ?"([^"]+)"[^}]*csrf',
                      shell.text)  # fmt: skip
    assert token
    assert client.post("/sign-out").status_code == 400
    out = client.post("/sign-out", data={"csrf_token": token[1] or token[2]})
    assert out.headers["Location"] == "/sign-in"
    client.set_cookie("board_session", stolen.value)
    assert client.get("/topics").status_code == 302
    assert actions(server) == [("zhang", "sign_in"), ("zhang", "sign_out")]


def board_of_client(client: FlaskClient):
    def ask(method: str, path: str, body: Any) -> tuple[int, bytes]:
        response = client.open(path, method=method, json=body)
        return response.status_code, response.data

    return Board(ask)


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil", "javascript:1",
     "/\t/evil", "evil", "", "/sign-out", "/_dash-layout", "/" + "a" * 5_000],
)  # fmt: skip
def test_nobody_is_led_elsewhere(path: str):
    assert safe_path(path) == "/"


def test_a_form_of_another_site_is_refused(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    form = {"name": "zhang", "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 400
    token = token_of(client.get("/sign-in").text)
    sound = {**form, "csrf_token": token}
    other = {"Origin": "http://evil.example"}
    assert client.post("/sign-in", data=sound, headers=other).status_code == 403
    assert (
        client.post("/sign-in", data=sound, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        == 403
    )
    assert client.post("/sign-in", data=sound).status_code == 302
    for headers in (other, {"Sec-Fetch-Site": "same-site"}):
        assert client.post(CALLBACKS, json={}, headers=headers).status_code == 403


def test_cookies_are_secure_beyond_this_machine(make: Make):
    server = make()
    with_account(server)
    for base, secure in (
        ("http://localhost", False), ("http://127.0.0.1:8050", False),
        ("https://board.example", True), ("http://board.example", True),
    ):  # fmt: skip
        page = server.test_client().get("/sign-in", base_url=base)
        assert ("Secure" in page.headers["Set-Cookie"]) == secure, base
        assert ("https" in page.text) == (base == "http://board.example")


def test_failures_pause_the_account_and_say_nothing_of_it(make: Make):
    server = make(failures_per_account=3)
    with_account(server)
    client = server.test_client()
    for name in ("zhang", "nobody"):
        answers = [sign_in(client, name, "wrong password") for _ in range(4)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429]
        assert "账号或密码不对" in answers[0].text
    # The right password does not help during the pause.
    assert sign_in(client).status_code == 429
    recorded = actions(server)
    assert set(recorded) == {("zhang", "sign_in_failed"), ("（未知账号）", "sign_in_failed")}


def test_pauses_grow_and_end(make: Make, monkeypatch: pytest.MonkeyPatch):
    server = make(failures_per_account=1)
    with_account(server)
    client = server.test_client()
    start = present()
    shift = dt.timedelta()
    monkeypatch.setattr(accounts_module, "present", lambda: start + shift)
    assert sign_in(client, password="wrong password").status_code == 401
    shift = dt.timedelta(seconds=31)
    assert sign_in(client, password="wrong password").status_code == 401
    shift = dt.timedelta(seconds=62)
    assert sign_in(client).status_code == 429  # twice as long by now
    shift = dt.timedelta(seconds=95)
    assert sign_in(client).status_code == 302


def test_an_address_pauses_whatever_the_account(make: Make):
    server = make(failures_per_address=3)
    with_account(server)
    client = server.test_client()
    statuses = [sign_in(client, f"guess{n}", "wrong password").status_code for n in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert sign_in(client).status_code == 429
    token = token_of(client.get("/sign-in").text)
    elsewhere = client.post(
        "/sign-in",
        data={"csrf_token": token, "name": "zhang", "password": PASSWORD},
        environ_base={"REMOTE_ADDR": "127.0.0.2"},
    )
    assert elsewhere.status_code == 302


# --- Sessions -----------------------------------------------------------------------------------


def session_ended(client: FlaskClient) -> bool:
    page = client.get("/topics")
    assert page.status_code in (200, 302)
    return page.status_code == 302


def test_a_session_ends_with_its_account_or_password(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    assert sign_in(client).status_code == 302
    assert not session_ended(client)
    set_password(book_of(server), "zhang", "another horse battery")
    assert session_ended(client)
    assert sign_in(client, password="another horse battery").status_code == 302
    set_disabled(book_of(server), "zhang", True)
    assert session_ended(client)
    assert sign_in(client, password="another horse battery").status_code == 401


@pytest.mark.parametrize(
    ("pauses", "ended"),
    [([59], False), ([61], True), ([59] * 12, False), ([59] * 13, True)],
)
def test_a_session_ends_when_idle_and_after_all(
    make: Make, monkeypatch: pytest.MonkeyPatch, pauses: list[int], ended: bool
):
    server = make(session_idle_minutes=60, session_hours=12)
    with_account(server)
    client = server.test_client()
    now = present()
    monkeypatch.setattr(accounts_module, "present", lambda: now)
    assert sign_in(client).status_code == 302
    for minutes in pauses[:-1]:
        now += dt.timedelta(minutes=minutes)
        assert not session_ended(client)
    now += dt.timedelta(minutes=pauses[-1])
    assert session_ended(client) == ended


def test_a_callback_of_an_ended_session_shows_the_way_back(make: Make):
    server = make()
    with_account(server)
    response = server.test_client().post(
        CALLBACKS, json={}, headers={"Referer": "http://localhost/topics?basis=all"}
    )
    assert response.status_code == 200
    answer = response.get_json()
    assert answer["response"] == {}
    shown = answer["sideUpdate"]["notices"]["children"]
    text = str(shown)
    assert "登录已过期" in text
    assert "/sign-in?next=/topics?basis%3Dall" in text


def test_a_forged_or_foreign_cookie_opens_nothing(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    for value in ("x", "eyJ0b2tlbiI6IngifQ.aaaa.bbbb", "." * 3_000):
        client.set_cookie("board_session", value)
        assert client.get("/").status_code == 302


# --- Proxy --------------------------------------------------------------------------------------


def test_a_trusted_proxy_names_the_account_and_nobody_else_does(make: Make):
    server = make(proxy_addresses="10.0.0.0/8", proxy_account_header="X-Remote-User")
    with_account(server)
    client = server.test_client()
    header = {"X-Remote-User": "Zhang"}
    inside, outside = {"REMOTE_ADDR": "10.1.1.1"}, {"REMOTE_ADDR": "192.168.1.1"}
    for _ in range(2):
        assert client.get("/", headers=header, environ_base=inside).status_code == 200
    for headers, peer in (
        (header, outside), (header, {"REMOTE_ADDR": "127.0.0.1"}), ({}, inside),
        ({"X-Remote-User": "li"}, inside), ({"X-Remote-User": ""}, inside),
    ):  # fmt: skip
        assert client.get("/", headers=headers, environ_base=peer).status_code == 302
    set_disabled(book_of(server), "zhang", True)
    assert client.get("/", headers=header, environ_base=inside).status_code == 302
    assert actions(server) == [("zhang", "sign_in")]


def test_forwarded_addresses_are_believed_of_our_proxies_only(make: Make):
    server = make(proxy_addresses="10.0.0.1", failures_per_address=2)
    with_account(server)

    def status(peer: str, forwarded: str) -> int:
        client = server.test_client()
        token = token_of(client.get("/sign-in").text)
        return client.post(
            "/sign-in",
            data={"csrf_token": token, "name": "nobody" + forwarded, "password": "x" * 12},
            headers={"X-Forwarded-For": forwarded},
            environ_base={"REMOTE_ADDR": peer},
        ).status_code

    assert [status("10.0.0.1", f"1.1.1.{n}") for n in range(4)] == [401] * 4
    assert [status("10.0.0.2", f"1.1.1.{n}") for n in range(4)] == [401, 401, 429, 429]


# --- Roles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_pages_and_no_other(make: Make, board: Board, role: Any):
    server = make()
    places = {"district": ["110105"], "unit": ["U018"]}.get(ROLES[role].limit, [])
    with_account(server, "zhang", role, *places)
    client = server.test_client()
    home = sign_in(client).headers["Location"]
    assert home == ("/audit" if role == "auditor" else "/")
    assert client.get(home).status_code == 200
    body = board.shell_body("")
    nav = client.post(CALLBACKS, json=body).get_json()["response"]["nav"]["children"]
    for page in dash.page_registry.values():
        if page["path"] == "/" or page["name"].startswith("Not found"):
            continue
        may = permission_of_page(page["path"]) in ROLES[role].permissions
        status = client.get(page["path"]).status_code
        assert status == (200 if may else 403), page["path"]
        if page.get("order") is not None:
            assert (page["name"] in words(nav)) == may, page["name"]


def test_the_audit_is_for_auditors(make: Make):
    server = make()
    with_account(server, "wang", "auditor")
    with_account(server, "zhang", "supervisor")
    client = server.test_client()
    sign_in(client)
    body = {
        "output": "..audit-lines.children...audit-account.options..",
        "outputs": [{"id": "audit-lines", "property": "children"},
                    {"id": "audit-account", "property": "options"}],
        "inputs": [{"id": f"audit-{name}", "property": "value", "value": value}
                   for name, value in (("account", None), ("action", None), ("day", None),
                                       ("page", 1))],
        "changedPropIds": [],
        "state": [],
    }  # fmt: skip
    refused = client.post(CALLBACKS, json=body)
    assert "无权查看" in str(refused.get_json())
    assert "zhang" not in refused.text
    assert client.get("/audit/export.csv").status_code == 403
    client = server.test_client()
    sign_in(client, "wang")
    told = str(client.post(CALLBACKS, json=body).get_json())
    assert "zhang" in told
    assert "登录" in told
    pages: tuple[Any, ...] = (0, -1, 10**9, "2", None, True, [])
    for page in pages:
        body["inputs"][3]["value"] = page  # type: ignore[index]
        assert client.post(CALLBACKS, json=body).status_code == 200
    file = client.get("/audit/export.csv?account=zhang&day=x")
    text = file.data.decode("utf-8-sig")
    assert "zhang" in text
    assert "账号：zhang" in text
    assert "导出账号" in text
    assert actions(server)[-1] == ("wang", "audit_export")


def test_an_export_says_who_took_it_and_is_recorded(make: Make):
    server = make()
    with_account(server)
    client = server.test_client()
    sign_in(client)
    file = client.get("/export/rates.csv?district=110105")
    assert file.status_code == 200
    head = file.data.decode("utf-8-sig")
    assert "导出账号,zhang" in head
    assert f"导出时间,{present():%Y-%m-%d}" in head
    line = list(all_lines(book_of(server), AuditFilter(action="export")))[-1]
    assert (line.account, line.what) == ("zhang", "rates.csv")
    assert "district=110105" in line.filters
    assert verify(book_of(server))[2] is None


@pytest.mark.parametrize(
    "role", [role for role in ROLES if "export" not in ROLES[role].permissions]
)
def test_roles_without_export_take_nothing_along(make: Make, role: Any):
    server = make()
    with_account(server, "zhang", role)
    client = server.test_client()
    sign_in(client)
    assert client.get("/export/rates.csv").status_code == 403
    assert all(action != "export" for _, action in actions(server))


# --- Single sign-on -----------------------------------------------------------------------------


class Issuer:
    """An OpenID provider that signs in whoever is set, and checks what it is sent."""

    def __init__(self) -> None:
        self.name: Any = "Zhang"
        self.asked: dict[str, str] = {}
        self.changes: dict[str, Any] = {}
        self._key = RSAKey.generate_key(2048, {"kid": "1"})
        self._server = make_server("127.0.0.1", 0, Request.application(self._answer))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: Request) -> Response:
        if request.path == "/.well-known/openid-configuration":
            return self._json(
                issuer=self.address,
                authorization_endpoint=f"{self.address}/authorize",
                token_endpoint=f"{self.address}/token",
                jwks_uri=f"{self.address}/keys",
                id_token_signing_alg_values_supported=["RS256"],
            )
        if request.path == "/keys":
            return self._json(keys=[self._key.as_dict(private=False)])
        assert request.path == "/token"
        proof = hashlib.sha256(request.form["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(proof).rstrip(b"=").decode() == self.asked["code_challenge"]
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": "board", "sub": "1", "iat": now, "exp": now + 60,
            "nonce": self.asked["nonce"], "preferred_username": self.name, **self.changes,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key)
        return self._json(access_token="x", token_type="Bearer", id_token=signed)

    @staticmethod
    def _json(**values: Any) -> Response:
        return Response(json.dumps(values), mimetype="application/json")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    started = Issuer()
    yield started
    started.close()


def through(issuer: Issuer, client: FlaskClient, onward: str = "/topics", state: str = ""):
    """Go to the issuer and come back."""
    away = client.get("/sign-in/sso", query_string={"next": onward})
    assert away.status_code == 302
    assert away.headers["Location"].startswith(f"{issuer.address}/authorize?")
    issuer.asked = dict(parse_qsl(urlsplit(away.headers["Location"]).query))
    assert issuer.asked["redirect_uri"] == "http://localhost/sign-in/sso/done"
    asked = {"code": "c", "state": state or issuer.asked["state"]}
    return client.get("/sign-in/sso/done", query_string=asked)


def test_single_sign_on(make: Make, issuer: Issuer):
    server = make(oidc_issuer=issuer.address, oidc_client_id="board")
    client = server.test_client()
    # Nobody gets in before there is an account, on a workstation either.
    assert client.get("/").status_code == 302
    page = client.get("/sign-in").text
    assert "单点登录" in page
    assert "password" not in page
    assert through(issuer, client).status_code == 403
    add_account(book_of(server), "zhang", "leader", [], None)
    back = through(issuer, client)
    assert back.headers["Location"] == "/topics"
    assert client.get("/topics").status_code == 200
    for wrong in (None, 5, ["zhang"], "li", ""):
        issuer.name = wrong
        assert through(issuer, server.test_client()).status_code == 403
    assert actions(server)[-6:].count(("zhang", "sign_in")) == 1


@pytest.mark.parametrize(
    "changes",
    [{"aud": "other"}, {"iss": "http://evil.example"}, {"nonce": "x"}, {"exp": 1}],
)
def test_a_token_that_is_not_for_us_is_refused(make: Make, issuer: Issuer, changes: dict[str, Any]):
    server = make(oidc_issuer=issuer.address, oidc_client_id="board")
    add_account(book_of(server), "zhang", "leader", [], None)
    issuer.changes = changes
    assert through(issuer, server.test_client()).status_code == 401


def test_an_answer_nobody_asked_for_is_refused(make: Make, issuer: Issuer):
    server = make(oidc_issuer=issuer.address, oidc_client_id="board")
    client = server.test_client()
    assert through(issuer, client, state="forged").status_code == 401
    assert client.get("/sign-in/sso/done?error=access_denied&state=x").status_code == 401
    assert server.test_client().get("/sign-in/sso/done?code=c&state=x").status_code == 401


def test_an_issuer_that_is_away_is_said(make: Make):
    server = make(oidc_issuer="http://127.0.0.1:9", oidc_client_id="board")
    answer = server.test_client().get("/sign-in/sso")
    assert answer.status_code == 502
    assert "单点登录暂时不可用" in answer.text
    assert make_nothing_to_sso(server) == 404


def make_nothing_to_sso(server: Flask) -> int:
    """Return what is answered where there is no single sign-on."""
    server.extensions.pop("board_sso")
    return server.test_client().get("/sign-in/sso").status_code
