"""Who comes in, and by which way: the gate before every request, and the pages around it.

Three ways: a local account, OpenID Connect, a header of a trusted proxy. Whichever it is, the name
must be that of an account in the office book, which has the role and the places.

A workstation needs none: as long as there is no account and no other way, the board serves whoever
sits at this machine and nobody else. ``gunicorn.conf.py`` refuses to listen elsewhere then, and the
gate refuses what came from elsewhere all the same.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import dash
import structlog
from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    abort,
    current_app,
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect, generate_csrf
from plotly.io.json import to_json_plotly
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from components.accounts import message_page, session_ended, sign_in_page
from components.exports.csv_file import csv_parts
from components.exports.sheets import Cell, Export, Head, LongSheet
from data_access.office.accounts import (
    Account,
    PausedError,
    account_of,
    account_of_session,
    begin_session,
    end_session,
    has_accounts,
    sign_in,
)
from data_access.office.audit import (
    ACTION_LABELS,
    AuditFilter,
    action_label,
    all_lines,
    record,
)
from data_access.office.book import Book
from data_access.settings import Settings
from domain.accounts import (
    NOBODY,
    WORKSTATION,
    Reader,
    account_name,
    permission_of_page,
    reader_of,
)
from pages._answers import book, watermark, who
from pages._monitoring import PATHS as MONITORING_PATHS

log = structlog.get_logger("board")

NOTICES = "notices"
CALLBACK_PATH = "/_dash-update-component"
SUITES_PATH = "/_dash-component-suites/"
# The way in is open to anybody, as are scripts without any data and whether the server lives.
_PUBLIC = frozenset({"accounts.show_sign_in", "accounts.begin_sso", "accounts.end_sso"})
# Headers that only a proxy sets.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
              "Via")  # fmt: skip
_STYLE = Path(__file__).parent.parent / "assets" / "29-accounts.css"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")

blueprint = Blueprint("accounts", __name__)
csrf = CSRFProtect()


def register(server: Flask, settings: Settings) -> None:
    """Put the gate before every request of a server, and the ways in behind it."""
    server.config.update(
        SESSION_COOKIE_NAME="board_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # Checked where a form is answered. The callbacks of Dash are JSON: another site's form
        # cannot send that, its script would need our leave, its cookie is not ours (SameSite), and
        # ``_refuse_other_sites`` looks at where a request came from on top.
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
    )
    server.extensions["board_settings"] = settings
    server.session_interface = _Sessions()
    csrf.init_app(server)
    if settings.oidc_issuer:
        # Its libraries take 20 MB of a process, and most have no single sign-on.
        from authlib.integrations.flask_client import OAuth

        oauth = OAuth(server)
        oauth.register(
            "sso",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value() or None,
            server_metadata_url=settings.oidc_issuer.rstrip("/")
            + "/.well-known/openid-configuration",
            client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
        )
        server.extensions["board_sso"] = oauth
    server.before_request(admit)
    server.register_blueprint(blueprint)
    server.wsgi_app = _Proxies(server.wsgi_app, settings)  # type: ignore[method-assign]


class _Proxies:
    """Believes forwarded headers, and the header that names the account, of our proxies only."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._behind_proxy = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_port=1)
        self._key = "HTTP_" + settings.proxy_account_header.upper().replace("-", "_")

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        trusted = self._settings.trusts(environ.get("REMOTE_ADDR", ""))
        environ["board.account"] = environ.get(self._key, "") if trusted else ""
        environ["board.peer"] = environ.get("REMOTE_ADDR", "")
        environ["board.forwarded"] = any(
            "HTTP_" + name.upper().replace("-", "_") in environ for name in _FORWARDED
        )
        return (self._behind_proxy if trusted else self._app)(environ, start_response)


class _Sessions(SecureCookieSessionInterface):
    """Sessions signed with a key that all workers share, in cookies that leave no open network."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if not app.secret_key:
            app.secret_key = app.extensions["board_office"].secret("cookies")
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        return not _is_loopback(_host())


# --- The gate -----------------------------------------------------------------------------------


def admit() -> AnyResponse | None:
    """Find out who asks, before anything else; answer instead of the page where nobody may."""
    g.reader = NOBODY
    if request.path.startswith((SUITES_PATH, "/_favicon")) or request.path in MONITORING_PATHS:
        return None
    _refuse_other_sites()
    settings = _settings()
    if not settings.signs_in_elsewhere and not has_accounts(book()):
        if not _is_here():
            abort(403)
        g.reader = WORKSTATION
    else:
        account, by_proxy = _account()
        if account is not None:
            g.reader = reader_of(
                account.name, account.role, account.places, can_sign_out=not by_proxy
            )
        elif request.endpoint not in _PUBLIC:
            return _way_in()
    return _page_refused(g.reader)


def _refuse_other_sites() -> None:
    """Refuse what another site makes a browser send."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if site not in ("same-origin", "none"):
        abort(403)
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)


def _account() -> tuple[Account | None, bool]:
    """Return the account of the request, and whether a proxy vouches for it."""
    settings = _settings()
    named = request.environ.get("board.account", "")
    if settings.proxy_account_header and named:
        account = account_of(book(), named)
        if account is not None and session.get("proxy") != account.name:
            session.clear()
            session["proxy"] = account.name
            record(book(), account.name, "sign_in", "由代理登录")
        return account, True
    token = session.get("token")
    if not isinstance(token, str):
        return None, False
    return account_of_session(book(), settings, token), False


def _way_in() -> AnyResponse:
    """Return what leads to the sign-in page, in a way the asker understands."""
    if request.path == CALLBACK_PATH:
        came_from = urlsplit(request.referrer or "")
        back = came_from.path + (f"?{came_from.query}" if came_from.query else "")
        ended = session_ended(url_for("accounts.show_sign_in", next=safe_path(back)))
        # An answer to any callback that changes none of its outputs and shows the banner: an
        # error would only reach the browser's console.
        answer = {"multi": True, "response": {}, "sideUpdate": {NOTICES: {"children": ended}}}
        return Response(to_json_plotly(answer), mimetype="application/json")
    if request.method not in ("GET", "HEAD") or request.path.startswith("/_"):
        abort(401)
    asked = request.full_path if request.query_string else request.path
    return redirect(url_for("accounts.show_sign_in", next=safe_path(asked)))


def _page_refused(reader: Reader) -> AnyResponse | None:
    """Return the way to where a reader may be, or a refusal; None where the page may be opened."""
    first = _first_part(request.path)
    pages = {_first_part(page["path"]) for page in dash.page_registry.values()}
    if first not in pages or request.endpoint in _PUBLIC or reader.may(permission_of_page(first)):
        return None
    if request.path != "/":
        abort(403)
    return redirect(home_of(reader))


def _first_part(path: str) -> str:
    return "/" + path.strip("/").split("/")[0]


def home_of(reader: Reader) -> str:
    """Return the first page that a reader may open."""
    return "/" if reader.may("figures") else "/audit"


def _is_here() -> bool:
    """Return whether a request comes from this machine itself, not through anything.

    The name of the host too: a page elsewhere may have its own name point to 127.0.0.1.
    """
    peer = request.environ.get("board.peer", "")
    return not request.environ["board.forwarded"] and _is_loopback(peer) and _is_loopback(_host())


def _host() -> str:
    return urlsplit(f"//{request.host}").hostname or ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _settings() -> Settings:
    result: Settings = current_app.extensions["board_settings"]
    return result


def safe_path(text: str | None) -> str:
    """Return a path of this server with its query; "/" for anything that would lead elsewhere."""
    path = text or "/"
    parts = urlsplit("/") if _CONTROL.search(path) or len(path) > 4_000 else urlsplit(path)
    if parts.scheme or parts.netloc or not path.startswith("/") or path.startswith("//"):
        return "/"
    if parts.path.startswith(("/sign-", "/_")):
        return "/"
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


# --- Signing in and out ---------------------------------------------------------------------------


@blueprint.route("/sign-in", methods=["GET", "POST"])
def show_sign_in() -> AnyResponse | tuple[str, int]:
    """Show the form, or answer it."""
    onward = safe_path(request.values.get("next"))
    if request.method == "GET":
        if who() is not NOBODY:
            return redirect(onward)
        problems = [] if request.is_secure or _is_loopback(_host()) else [
            "本页须用 https 打开，否则无法登录（管理员：见 docs/accounts.md）"
        ]  # fmt: skip
        return _sign_in_page(onward, "", problems), 200
    csrf.protect()
    name, password = request.form.get("name", ""), request.form.get("password", "")
    known = account_name(name)
    # A password typed into the wrong field must not get into the audit: known names only.
    shown = known if known and account_of(book(), known) else "（未知账号）"
    try:
        account = sign_in(book(), _settings(), name, password, request.remote_addr or "")
    except PausedError as paused:
        record(book(), shown, "sign_in_failed", "暂停登录期间")
        words = f"失败次数过多，请于 {paused.until:%H:%M:%S} 后再试"
        return _sign_in_page(onward, name, [words]), 429
    if account is None:
        record(book(), shown, "sign_in_failed", "账号或密码不对")
        return _sign_in_page(onward, name, ["账号或密码不对"]), 401
    _begin(account, "本地账号")
    return redirect(_onward(onward, account))


def _onward(onward: str, account: Account) -> str:
    reader = reader_of(account.name, account.role, account.places)
    return home_of(reader) if onward == "/" else onward


def _begin(account: Account, way: str) -> None:
    """Begin a session, none of which was known before: a planted cookie is worth nothing."""
    session.clear()
    session["token"] = begin_session(book(), _settings(), account)
    record(book(), account.name, "sign_in", way)


def _sign_in_page(onward: str, name: str, problems: list[str]) -> str:
    sso = "board_sso" in current_app.extensions
    return sign_in_page(
        url_for("accounts.show_sign_in", next=onward),
        generate_csrf(),
        _style_href(),
        name=name,
        problems=problems,
        sso_href=url_for("accounts.begin_sso", next=onward) if sso else None,
        with_password=not sso or has_accounts(book()),
    )


def _style_href() -> str:
    # Kept for ever by its modification time, as the other assets.
    return f"/assets/{_STYLE.name}?m={_STYLE.stat().st_mtime}"


@blueprint.post("/sign-out")
def sign_out() -> AnyResponse:
    """End the session."""
    csrf.protect()
    token = session.get("token")
    if isinstance(token, str):
        end_session(book(), token)
        record(book(), who().account, "sign_out", "")
    session.clear()
    return redirect(url_for("accounts.show_sign_in"))


@blueprint.get("/sign-in/sso")
def begin_sso() -> AnyResponse:
    """Send the browser to the issuer."""
    sso = _sso()
    session["next"] = safe_path(request.args.get("next"))
    try:
        answer: AnyResponse = sso.authorize_redirect(url_for("accounts.end_sso", _external=True))
    except _sso_errors():
        log.error("sso_failed", exc_info=True)
        return _told("单点登录暂时不可用", "请稍后重试，或用本地账号登录。", 502)
    return answer


@blueprint.get("/sign-in/sso/done")
def end_sso() -> AnyResponse:
    """Take the issuer's answer; the name in it must be that of an account."""
    sso = _sso()
    try:
        token = sso.authorize_access_token()
    except _sso_errors():
        log.warning("sso_refused", exc_info=True)
        return _told("单点登录没有成功", "请重新登录。", 401)
    claim = token.get("userinfo", {}).get(_settings().oidc_account_claim)
    account = account_of(book(), claim) if isinstance(claim, str) else None
    if account is None:
        record(book(), "（未知账号）", "sign_in_failed", "单点登录：没有这个账号或已停用")
        return _told("没有可用的账号", "单点登录已通过，但本系统没有这个账号，或账号已停用。", 403)
    onward = safe_path(session.get("next"))
    _begin(account, "单点登录")
    return redirect(_onward(onward, account))


def _sso_errors() -> tuple[type[Exception], ...]:
    """Return what an issuer that cannot be believed or reached raises."""
    import requests
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    return AuthlibBaseError, JoseError, requests.RequestException, ValueError


def _sso() -> Any:
    oauth = current_app.extensions.get("board_sso")
    if oauth is None:
        abort(404)
    return oauth.sso


def _told(title: str, words: str, status: int) -> AnyResponse:
    page = message_page(title, words, _style_href(), url_for("accounts.show_sign_in"), "回到登录页")
    return Response(page, status)


# --- The audit as a file --------------------------------------------------------------------------


def audit_filter(account: object, action: object, day: object) -> AuditFilter:
    """Return which lines a browser asks for; what is no name, action or day asks for all."""
    try:
        chosen = dt.date.fromisoformat(day) if isinstance(day, str) and day else None
    except ValueError:
        chosen = None
    return AuditFilter(
        account.strip() if isinstance(account, str) else "",
        action if isinstance(action, str) and action in ACTION_LABELS else "",
        chosen,
    )


def audit_words(chosen: AuditFilter) -> str:
    """Return a filter of the audit in words."""
    words = [
        f"账号：{chosen.account}" if chosen.account else "",
        f"动作：{action_label(chosen.action)}" if chosen.action else "",
        f"日期：{chosen.day}" if chosen.day else "",
    ]
    return "；".join(filter(None, words)) or "全部"


@blueprint.get("/audit/export.csv")
def export_audit() -> Response:
    """Return the lines of the audit as a file, for those who may read it."""
    if not who().may("audit"):
        abort(403)
    chosen = audit_filter(*(request.args.get(name) for name in ("account", "action", "day")))
    record(book(), who().account, "audit_export", "审计", audit_words(chosen))
    told = [("范围", audit_words(chosen)), *watermark()]
    lines = LongSheet("审计", _AUDIT_COLUMNS, functools.partial(_batches, book(), chosen))
    response = Response(csv_parts(Export("审计", told, [lines])), mimetype="text/csv")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=audit.csv; filename*=UTF-8''{quote('审计.csv')}"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


_AUDIT_COLUMNS = [
    Head(title) for title in ("序号", "时间", "账号", "动作", "对象", "筛选", "校验值")
]


def _batches(office: Book, chosen: AuditFilter) -> Iterator[list[list[Cell]]]:
    for line in all_lines(office, chosen):
        yield [[
            str(line.number), f"{line.at:%Y-%m-%d %H:%M:%S}", line.account,
            action_label(line.action), line.what, line.filters, line.hash,
        ]]  # fmt: skip
