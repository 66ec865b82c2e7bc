"""Commands and servers of the project as processes of their own; every one is ended."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
_LONGEST_START_SECONDS = 60


class CommandError(RuntimeError):
    """A command failed or took too long; the message ends with what it printed."""


@dataclass(frozen=True)
class Finished:
    """What a command took; ``peak_rss`` in bytes, of it and its children together."""

    seconds: float
    peak_rss: int
    output: str


def flask(*arguments: str) -> list[str]:
    """Return the command line of ``flask …`` for the app."""
    return [sys.executable, "-m", "flask", "--app", "app", *arguments]


def environment(data_dir: Path, database_url: str = "") -> dict[str, str]:
    """Return the environment in which commands and servers use this data.

    It is in DuckDB files if there is no ``database_url``.
    """
    return {
        **os.environ,
        "BOARD_DATA_DIR": str(data_dir),
        "BOARD_DATABASE_URL": database_url,
        "BOARD_CITUS": str(bool(database_url) and on_citus()).lower(),
    }


def on_citus() -> bool:
    """Say whether the server of ``TEST_DATABASE_URL`` coordinates a Citus cluster."""
    return os.environ.get("TEST_CITUS") == "1"


def run(command: Sequence[str], data_dir: Path, timeout: float, database_url: str = "") -> Finished:
    """Return what a command took, once it has ended well.

    Raises:
        CommandError: it did not end in time, or not with 0.
    """
    started, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment(data_dir, database_url),
            stdout=output,
            stderr=output,
        )
        try:
            watched = psutil.Process(process.pid)
            while process.poll() is None and time.perf_counter() - started < timeout:
                peak = max(peak, _rss(watched))
                time.sleep(0.05)
            seconds = time.perf_counter() - started
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if process.returncode:
        raise CommandError(
            f"{' '.join(command[1:])}: exit {process.returncode} after {seconds:.0f} s\n{text}"
        )
    return Finished(seconds, peak, text)


def _rss(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        return sum(int(member.memory_info().rss) for member in family)
    return 0


@dataclass(frozen=True)
class Server:
    """A running Gunicorn with the project's configuration on a port of its own."""

    port: int
    process: subprocess.Popen[bytes]
    seconds_to_start: float

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def worker_rss(self) -> list[int]:
        """Return the memory of each worker in bytes."""
        return [
            int(child.memory_info().rss) for child in psutil.Process(self.process.pid).children()
        ]


@contextmanager
def served(data_dir: Path, database_url: str = "") -> Iterator[Server]:
    """Give a server of this data that has answered, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"],
        cwd=CHECKOUT,
        env={**environment(data_dir, database_url), "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not _healthy(port):
            if process.poll() is not None or time.perf_counter() - started > _LONGEST_START_SECONDS:
                raise CommandError(f"gunicorn does not answer on port {port}")
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        time.sleep(2)  # the other workers warm up
        yield Server(port, process, seconds)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own session: it and its workers
            process.wait()


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
