"""How the web server runs; every setting that differs from Gunicorn's own has its reason."""

import gc
import os

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from werkzeug.test import Client

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


def post_worker_init(worker: Worker) -> None:
    """Ask for two pages before the first visitor does.

    Dash finishes its set-up in the first request and is not safe under threads while it does; and
    the first query opens the database.
    """
    client = Client(worker.wsgi)
    for path in ("/healthz", "/"):
        response = client.get(path, base_url="http://localhost")
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
