"""The application: ``create_app()`` builds the Dash app and returns its Flask server."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from pathlib import Path

import dash
import structlog
from dash import Dash
from flask import Flask, Response, g, jsonify, request
from flask_compress import Compress
from werkzeug.exceptions import HTTPException
from whitenoise import WhiteNoise

from components.error_page import error_page
from data_access.cli import data_cli
from data_access.settings import Settings
from data_access.store import Store, open_store
from data_access.versions import StoreError
from domain.periods import present
from pages import _exports, _shell

TITLE = "接诉即办 · 每月一题 督办看板"
CALLBACK_PATH = "/_dash-update-component"
SUITES_PATH = "/_dash-component-suites/"
# A callback body is a query string and a handful of control values.
LARGEST_BODY = 256 * 1024
# Names with a fingerprint, and assets that Dash addresses with their modification time.
_ONE_YEAR = 365 * 24 * 3600
_CSP = (
    "default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; "
    "form-action 'self'"
)

_INDEX = """<!doctype html>
<html lang="zh-CN">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
{%favicon%}
{%css%}
</head>
<body>
{%app_entry%}
<noscript>本页需要启用 JavaScript。</noscript>
{%config%}
{%scripts%}
{%renderer%}
</body>
</html>"""

log = structlog.get_logger("board")


def create_app(settings: Settings | None = None) -> Flask:
    """Return the Flask server of a new Dash app; nothing is read from the data yet.

    Args:
        settings: as read from the environment when left out.
    """
    settings = settings or Settings()
    _configure_log(settings)
    server = Flask(__name__, static_folder=None)
    server.secret_key = settings.secret_key.get_secret_value() or secrets.token_hex(32)
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    server.extensions["board_store"] = open_store(settings)
    server.cli.add_command(data_cli)
    app = Dash(
        __name__,
        server=server,
        use_pages=True,
        title=TITLE,
        update_title="",
        include_pages_meta=False,
        index_string=_INDEX,
        compress=False,
        enable_mcp=False,
        add_log_handler=False,
    )
    app.layout = _shell.layout
    _shell.register(app)
    server.register_blueprint(_exports.blueprint)
    _add_compression(server)
    _add_request_log(server)
    _add_health(server)
    _add_error_pages(server)
    _add_security_headers(server, app)
    server.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        server.wsgi_app,
        root=str(Path(__file__).parent / "assets"),
        prefix="assets/",
        max_age=_ONE_YEAR,
        # Dash addresses scripts and styles with their modification time, fonts have a hash in
        # their names: whatever has either may be kept for ever.
        immutable_file_test=lambda path, url: url.endswith((".js", ".css", ".woff2")),
        allow_all_origins=False,
    )
    return server


def _configure_log(settings: Settings) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level.lower()),
    )


def _add_compression(server: Flask) -> None:
    server.config.update(
        COMPRESS_ALGORITHM=["br", "gzip"],
        COMPRESS_BR_LEVEL=5,
        COMPRESS_MIMETYPES=[
            "text/html",
            "text/css",
            "application/json",
            "application/javascript",
            "text/javascript",
        ],
    )
    Compress(server)


def _add_request_log(server: Flask) -> None:
    @server.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()
        g.reference = secrets.token_hex(4)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(reference=g.reference)

    @server.after_request
    def write_line(response: Response) -> Response:
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round(1000 * (time.perf_counter() - g.started), 1),
            bytes=response.content_length,
        )
        return response


def _add_health(server: Flask) -> None:
    store: Store = server.extensions["board_store"]

    @server.get("/healthz")
    def health() -> tuple[Response, int]:
        """Whether the data can be read, which version is served, and how old it is."""
        try:
            snapshot = store.current()
        except StoreError:
            log.error("health", exc_info=True)
            return jsonify(status="unreadable"), 503
        if snapshot is None:
            return jsonify(status="empty"), 200
        age = present() - snapshot.cutoff
        return jsonify(
            status="ok",
            data_version=snapshot.key,
            demo=snapshot.is_demo,
            cutoff=snapshot.cutoff.isoformat(),
            data_age_hours=round(age / dt.timedelta(hours=1), 1),
            published_at=snapshot.published_at.isoformat(),
        ), 200


def _add_error_pages(server: Flask) -> None:
    @server.errorhandler(Exception)
    def show_error(error: Exception) -> tuple[str, int]:
        if isinstance(error, HTTPException) and (error.code or 500) < 500:
            return error_page(error.code or 400, g.get("reference", "")), error.code or 400
        if request.path.startswith(SUITES_PATH) and not isinstance(error, StoreError):
            # Dash raises for a file it does not have.
            return error_page(404, g.reference), 404
        if request.path == CALLBACK_PATH and not isinstance(error, StoreError):
            # Panels handle their own failures, so what arrives here is a body that no page of
            # ours sends.
            log.warning("callback_refused", exc_info=True)
            return error_page(400, g.reference), 400
        log.error("request_failed", exc_info=True)
        return error_page(500, g.get("reference", "")), 500


def _add_security_headers(server: Flask, app: dash.Dash) -> None:
    policy: list[str] = []

    @server.after_request
    def add_headers(response: Response) -> Response:
        if response.mimetype == "text/html":
            # Complete only once pages are registered: at the first response, not before.
            if not policy:
                hashes = " ".join(f"'{each.strip(chr(39))}'" for each in app.csp_hashes())
                policy.append(_CSP.format(hashes=hashes))
            response.headers["Content-Security-Policy"] = policy[0]
            response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response
