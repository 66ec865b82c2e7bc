"""Twenty people at once, a filter change every five seconds each, while a version is published."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.conversation import Exchange, Page, Reader, to_port
from benchmarks.load_speed import write_csv
from benchmarks.processes import CommandError, Finished, flask, run, served
from benchmarks.report import Figure, median, p95
from data_access.store import Snapshot

_PEOPLE = 20
_PAUSE_SECONDS = 5.0
_SECONDS = 60.0
# The publishing of 30 million cases takes longer than a minute: people go on until it is done.
_LONGEST_SECONDS = 600.0
_NEW_CASES = 10_000


def measure(
    snapshot: Snapshot, root: Path, pages: list[Page], changes: dict[str, str]
) -> list[Figure]:
    """Return how long people waited for all panels of a page, and how many answers failed."""
    directory = Path(tempfile.mkdtemp(prefix="crowd-", dir=root))
    try:
        as_real_line(snapshot, directory)
        new_cases = directory / "new.csv"
        write_csv(snapshot, new_cases, _NEW_CASES, suffix="N")
        with served(directory) as server:
            return _watch(server.port, directory, new_cases, pages, changes)
    finally:
        shutil.rmtree(directory)


def as_real_line(snapshot: Snapshot, directory: Path) -> None:
    """Offer the same file as a real line: a load merges into that, a demo would be replaced."""
    source = Path(str(snapshot.engine.url.database))
    line = directory / "versions" / "real-1"
    line.mkdir(parents=True)
    os.link(source, line / "000001.duckdb")
    pointer = json.dumps({"line": "real-1", "version": 1})
    (directory / "current.json").write_text(pointer, encoding="utf-8")


def _watch(
    port: int, directory: Path, new_cases: Path, pages: list[Page], changes: dict[str, str]
) -> list[Figure]:
    waits: list[tuple[float, Exchange]] = []
    started, published = time.monotonic(), threading.Event()
    searches = list(changes.values())

    def over() -> bool:
        seconds = time.monotonic() - started
        return seconds > (_SECONDS if published.is_set() else _LONGEST_SECONDS)

    def person(number: int) -> None:
        order = random.Random(number)
        due = started + order.uniform(0, _PAUSE_SECONDS)
        with ThreadPoolExecutor(4) as parallel:
            reader = Reader(to_port(port), parallel)
            while not over():
                time.sleep(max(0.0, due - time.monotonic()))
                search = order.choice(searches)
                exchange = reader.changes(order.choice(pages), search)
                waits.append((time.monotonic() - started, exchange))
                due = max(due + _PAUSE_SECONDS, time.monotonic())

    def publisher() -> Finished | CommandError:
        try:
            time.sleep(_SECONDS / 3)
            command = flask("data", "load", str(new_cases), "--accept")
            return run(command, directory, _LONGEST_SECONDS - _SECONDS)
        except CommandError as error:
            return error
        finally:
            published.set()

    with ThreadPoolExecutor(_PEOPLE + 1) as people:
        load = people.submit(publisher)
        for watched in [people.submit(person, number) for number in range(_PEOPLE)]:
            watched.result()
    loaded = load.result()
    seconds = [exchange.seconds for _, exchange in waits]
    failed = [name for _, exchange in waits for name in exchange.failed]
    outcome = "load failed" if isinstance(loaded, CommandError) else f"load {loaded.seconds:.0f} s"
    if isinstance(loaded, CommandError):
        print(loaded)
    note = f"{len(waits)} changes in {waits[-1][0]:.0f} s, {outcome} of {_NEW_CASES:,} cases"
    return [
        Figure(f"{_PEOPLE} people: filter change, p50", 1000 * median(seconds), "ms"),
        Figure(f"{_PEOPLE} people: filter change, p95", 1000 * p95(seconds), "ms", "crowd", note),
        Figure(f"{_PEOPLE} people: answers that failed", len(failed), "", "errors",
               ", ".join(sorted(set(failed)))),
        Figure(f"{_PEOPLE} people: load failed", float(isinstance(loaded, CommandError)), "",
               "errors"),
    ]  # fmt: skip
