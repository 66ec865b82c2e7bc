"""How the web server runs; every setting that differs from Gunicorn's own has its reason."""

import gc
import ipaddress
import os
import shutil
import sys
import tempfile

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from werkzeug.test import Client

from components.plain import make_elements_quickly
from data_access.office.accounts import has_accounts
from data_access.office.book import OfficeError, open_book
from data_access.settings import Settings

# Workers count into files of this directory, for /metrics; a reload goes on with it.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="board-metrics-")

wsgi_app = "app:create_app()"

# A hosting platform gives PORT and its own --bind (Procfile); by hand nobody else can reach it.
bind = f"127.0.0.1:{os.environ.get('PORT', '8050')}"

# Queries run inside the process and use several cores each, so that more workers than cores only
# cost memory. Threads let quick requests pass a slow one.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4

# Database engines must be made after the fork: DuckDB's threads do not survive it.
preload_app = False

# A worker that cannot even answer the arbiter for this long is stuck. Slow requests do not count:
# they run in threads.
timeout = 60
# Long enough for the slowest export to end when the server is restarted.
graceful_timeout = 30

# The app writes one JSON line per request, with more in it.
accesslog = None

# Its default place is the user's home, shared by every app of that user.
control_socket_disable = True


def on_starting(server: Arbiter) -> None:
    """Refuse to listen beyond this machine while nobody has to sign in."""
    open_to_others = [
        address
        for address in server.cfg.address
        # A socket in the file system is there for a proxy, which brings others.
        if not isinstance(address, tuple) or not _is_loopback(address[0])
    ]
    if not open_to_others:
        return
    settings = Settings()
    book = open_book(settings)
    try:
        closed = settings.signs_in_elsewhere or has_accounts(book)
    except OfficeError as error:
        sys.exit(f"没有启动：{error}")
    finally:
        # Its connections must not be carried over into the workers.
        book.close()
    if not closed:
        sys.exit(
            "没有启动：监听地址不限于本机，而还没有任何账号。"
            "请先运行 flask user add，或设置单点登录、代理登录（见 docs/accounts.md）。"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def post_fork(_server: Arbiter, _worker: Worker) -> None:
    """Leave out what pandas would take along if it is there: 50 MB that no page needs.

    Files are loaded by commands of their own.
    """
    sys.modules["pyarrow"] = None  # type: ignore[assignment]  # "not installed"


def post_worker_init(worker: Worker) -> None:
    """Get ready, and ask for two pages before the first visitor does.

    Dash finishes its set-up in the first request and is not safe under threads while it does; and
    the first query opens the database.
    """
    make_elements_quickly()
    client = Client(worker.wsgi)
    for path in ("/healthz", "/"):
        # As from this machine: without an account nobody else is answered.
        response = client.get(
            path, base_url="http://localhost", environ_base={"REMOTE_ADDR": "127.0.0.1"}
        )
        response.close()
        if response.status_code >= 500:
            worker.log.warning("Warm-up: %s answered %s", path, response.status)
    # What is there now stays: without this, each full collection walks it again for 0.15 s.
    gc.collect()
    gc.freeze()


def when_ready(server: Arbiter) -> None:
    """Say where to look."""
    for listener in server.LISTENERS:
        server.log.info("Open %s", listener)


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Let the counts of a worker that ended stand, without its gauges."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Arbiter) -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
