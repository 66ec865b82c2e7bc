"""A server on the small demo, and screens that watch for what no page may do."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext
from werkzeug.serving import make_server

from app import create_app
from data_access.settings import Settings
from data_access.store import Store
from tests.browser.screen import Screen

LAPTOP = {"width": 1366, "height": 768}


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Return how the system's Chromium is started; it must not call home."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not os.access(program, os.X_OK):
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail("no Chromium")
        pytest.skip("no Chromium")
    return {
        "executable_path": program,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


@pytest.fixture(scope="session")
def origin(demo_settings: Settings) -> Iterator[str]:
    """Give the address of the server."""
    app = create_app(demo_settings)
    # Dash finishes its set-up in the first request and is not safe under threads while it does.
    app.test_client().get("/")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    store: Store = app.extensions["board_store"]
    store.close()


OpenScreen = Callable[..., Screen]


@pytest.fixture
def open_screen(
    new_context: Callable[..., BrowserContext], origin: str, capfd: pytest.CaptureFixture[str]
) -> Iterator[OpenScreen]:
    """Give a function that opens an address in a browser of its own and waits for its figures.

    After the test, whatever was opened must have been silent: no message on the console, no
    error, no failed request, and none to another machine.
    """
    opened: list[Screen] = []

    def open_one(path: str = "/", **context: Any) -> Screen:
        settings = {"viewport": LAPTOP, "locale": "zh-CN", "reduced_motion": "reduce"} | context
        screen = Screen(new_context(**settings), origin)
        opened.append(screen)
        screen.open(path)
        return screen

    yield open_one
    # What the server wrote of it: only there a refused request says why.
    log = capfd.readouterr().out.splitlines()
    said = "\n".join(line for line in log if '"level": "info"' not in line)
    assert [fault for screen in opened for fault in screen.faults] == [], said
