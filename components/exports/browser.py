"""Pictures and PDF of our own pages by a headless Chromium, where a machine has one.

The browser gets a file and nothing else: it listens nowhere, runs no script of the page, reaches
no network (every name and address leads to a closed door), and is ended after a fixed time. It is
told what to do through two pipes.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "没有找到 Chromium"
BUSY = "正在生成另一份文件，请稍后再试"
# One page must be drawn, and one browser be done with all of them, in so many seconds.
_SECONDS_PER_PAGE, _SECONDS = 30.0, 300.0
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars",
    "--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-quic", "--metrics-recording-only", "--mute-audio", "--disable-dev-shm-usage",
    "--password-store=basic", "--use-mock-keychain",
    # Whatever asked for the network all the same would find nothing.
    "--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
_LOCK = "board-browser.lock"
# How often whoever waits looks whether it is their turn, in seconds.
_TURN = 0.2


class BrowserError(Exception):
    """A page that was not drawn; the message says why, in Chinese."""


class BusyError(BrowserError):
    """Another one is being made on this machine."""

    def __init__(self) -> None:
        super().__init__(BUSY)


def found_browser(configured: str = "") -> str | None:
    """Return the program that draws pages: the one configured, else one of this machine's.

    Args:
        configured: a path or a name; when it names nothing that runs, None is returned.
    """
    named = configured or os.environ.get("CHROMIUM", "")
    if named:
        return shutil.which(named)
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def one_at_a_time(patience: float = 0) -> Iterator[None]:
    """Hold what only one process of this account on this machine may do at a time.

    Args:
        patience: for how many seconds to wait until it is one's turn.

    Raises:
        BusyError: another one is at it, and still is after that time.
    """
    ends = time.monotonic() + patience
    path = Path(tempfile.gettempdir()) / f"{os.getuid()}-{_LOCK}"
    # Anybody may put a link into that directory: none is followed.
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= ends:
                    raise BusyError from None
                time.sleep(_TURN)
        yield
    finally:
        os.close(lock)


class Browser:
    """A Chromium that draws pages of ours until it is closed; a context manager."""

    def __init__(self, program: str) -> None:
        """Start it.

        Args:
            program: from ``found_browser``.

        Raises:
            BrowserError: it does not start.
        """
        self._ends = time.monotonic() + _SECONDS
        self._folder = tempfile.TemporaryDirectory(prefix="board-", ignore_cleanup_errors=True)
        self._number, self._rest, self._seen = 0, b"", list[dict[str, Any]]()
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()
        # Chromium reads orders from 3 and answers on 4.
        actions = [
            *((os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)),
            (os.POSIX_SPAWN_DUP2, theirs_in, 3),
            (os.POSIX_SPAWN_DUP2, theirs_out, 4),
        ]
        home = self._folder.name
        command = [program, *_OPTIONS, f"--user-data-dir={home}/profile"]
        if os.geteuid() == 0:
            # As root it refuses to start in its sandbox; as anybody else it keeps it.
            command.append("--no-sandbox")
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        try:
            self._process = os.posix_spawn(
                program, command, kept | {"HOME": home}, file_actions=actions, setsid=True,
                setsigdef=[signal.SIGPIPE],
            )  # fmt: skip
        except OSError as error:
            os.close(self._in)
            os.close(self._out)
            self._folder.cleanup()
            raise BrowserError(f"Chromium 没有启动：{error.strerror}") from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        try:
            target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
            attached = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})
            self._session = attached["sessionId"]
            self._tell("Page.enable")
            self._tell("Emulation.setScriptExecutionDisabled", {"value": True})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it and everything it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._process, 0)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def picture(self, page: str, width: int, height: int, scale: int) -> bytes:
        """Return a page as PNG, ``scale`` pixels for each of its own.

        Raises:
            BrowserError: it was not drawn in time.
        """
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self._tell("Emulation.setDeviceMetricsOverride", size)
        self._open(page)
        drawn = self._tell("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})
        return base64.b64decode(drawn["data"])

    def pdf(self, page: str) -> bytes:
        """Return a page as PDF on the paper its style sheet names, all vectors.

        Raises:
            BrowserError: it was not printed in time.
        """
        self._open(page)
        wanted = {"preferCSSPageSize": True, "printBackground": True, "generateTaggedPDF": True}
        return base64.b64decode(self._tell("Page.printToPDF", wanted)["data"])

    def _open(self, page: str) -> None:
        path = Path(self._folder.name) / "page.html"
        path.write_text(page, encoding="utf-8")
        self._seen.clear()
        self._tell("Page.navigate", {"url": path.as_uri()})
        self._until(lambda told: told.get("method") == "Page.loadEventFired")
        # Scripts are off in the page, not for us: fonts may still be under way.
        waits = {"expression": "document.fonts.ready.then(() => 1)", "awaitPromise": True}
        self._tell("Runtime.evaluate", waits)

    def _tell(self, method: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._ask(method, parameters or {}, self._session)

    def _ask(self, method: str, parameters: dict[str, Any], session: str = "") -> Any:
        self._number += 1
        number = self._number
        order: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            order["sessionId"] = session
        try:
            os.write(self._out, json.dumps(order).encode() + b"\0")
        except OSError as error:
            raise BrowserError("Chromium 没有启动或中途停了") from error
        told = self._until(lambda each: each.get("id") == number)
        if "error" in told:
            raise BrowserError(f"Chromium 没有完成：{told['error'].get('message', '')}")
        return told["result"]

    def _until(self, wanted: Any) -> dict[str, Any]:
        """Return the first message that is wanted, of those already read or still to come."""
        ends = min(self._ends, time.monotonic() + _SECONDS_PER_PAGE)
        while True:
            for place, told in enumerate(self._seen):
                if wanted(told):
                    del self._seen[: place + 1]
                    return told
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise BrowserError("Chromium 没有在限定时间内完成")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise BrowserError("Chromium 没有启动或中途停了")
            *messages, self._rest = (self._rest + piece).split(b"\0")
            self._seen += [json.loads(each) for each in messages]


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe, above the numbers that the browser takes for itself."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in low)
    for each in low:
        os.close(each)
    return high[0], high[1]
