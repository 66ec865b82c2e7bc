"""The application: ``create_app()`` builds the Dash app and returns its Flask server."""

from __future__ import annotations

import math
import secrets
import time
from pathlib import Path

import dash
import pandas as pd
import sqlalchemy as sa
import structlog
from dash import Dash
from flask import Flask, Response, g, request
from flask_compress import Compress
from werkzeug.exceptions import HTTPException
from whitenoise import WhiteNoise

from components.error_page import error_page
from data_access.cli import audit_cli, data_cli, office_cli, user_cli
from data_access.office.book import OfficeError, open_book
from data_access.settings import Settings
from data_access.store import open_store
from data_access.versions import StoreError
from pages import _accounts, _brief_cli, _exports, _monitoring, _shell

TITLE = "接诉即办 · 每月一题 督办看板"
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
    # Frames here are small: texts as Python's own cost a twentieth less per page than as Arrow's.
    pd.options.mode.string_storage = "python"
    server = Flask(__name__, static_folder=None)
    # Empty: the first request takes the one that the office book keeps for all workers.
    server.secret_key = settings.secret_key.get_secret_value() or None
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    server.extensions["board_store"] = open_store(settings)
    server.extensions["board_office"] = open_book(settings)
    for commands in (data_cli, user_cli, office_cli, audit_cli):
        server.cli.add_command(commands)
    app = Dash(
        __name__,
        server=server,
        use_pages=True,
        title=TITLE,
        update_title="",
        include_pages_meta=False,
        index_string=_INDEX,
        # Or every page load carries all layouts, to compare callbacks with them in the browser:
        # tests/app/test_callbacks.py does that once.
        suppress_callback_exceptions=True,
        compress=False,
        enable_mcp=False,
        add_log_handler=False,
    )
    app.layout = _shell.layout
    _shell.register(app)
    server.register_blueprint(_exports.blueprint)
    _brief_cli.register(server)
    _add_compression(server)
    _add_request_log(server)
    _accounts.register(server, settings)
    _monitoring.register(server, _accounts.CALLBACK_PATH, settings.metrics_token.get_secret_value())
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
            # Not started where the session could not even be opened.
            milliseconds=round(1000 * (time.perf_counter() - g.get("started", math.nan)), 1),
            bytes=response.content_length,
        )
        return response


# What is raised when a database is away, or busy for too long.
_AWAY = (OfficeError, sa.exc.OperationalError, sa.exc.TimeoutError)


def _add_error_pages(server: Flask) -> None:
    @server.errorhandler(Exception)
    def show_error(error: Exception) -> tuple[str, int]:
        if isinstance(error, HTTPException) and (error.code or 500) < 500:
            return error_page(error.code or 400, g.get("reference", "")), error.code or 400
        if request.path.startswith(_accounts.SUITES_PATH) and not isinstance(error, StoreError):
            # Dash raises for a file it does not have.
            return error_page(404, g.reference), 404
        if isinstance(error, _AWAY):
            # The browser asks again, see assets/35-connection.js.
            name = getattr(getattr(error, "orig", None), "sqlite_errorname", None)
            log.error("database_away", error=name, exc_info=True)
            return error_page(503, g.get("reference", "")), 503
        if request.path == _accounts.CALLBACK_PATH and not isinstance(error, StoreError):
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
