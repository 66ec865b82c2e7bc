"""Twenty readers keep asking over HTTP while another process publishes."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server as make_http_server

from data_access.publishing import Staged, publish
from data_access.settings import Settings
from data_access.store import open_store
from domain.filters import Filters
from tests import oracle
from tests.app.board import Board, MakeServer, of_class, table_rows, words
from tests.data.staging import stage

READERS = 20
SEARCH = "?period=2020-01-01..2021-04-30&basis=all"
PAGE = ("overview-summary", "overview-map", "overview-places", "overview-categories")


def publish_in_another_process(settings: Settings, staged: Staged) -> None:
    """Publish as a loader does: the process that serves has the data open."""
    publish(settings, staged, lambda *_: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(_env_file=None, data_dir=tmp_path / "var", keep_versions=4)
    publish(settings, stage(settings, cases=1_000), lambda *_: None)
    return settings


@pytest.fixture
def port(settings: Settings, make_server: MakeServer) -> Iterator[int]:
    server = make_http_server("127.0.0.1", 0, make_server(settings), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def over_http(port: int) -> Board:
    def ask(method: str, path: str, body: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return Board(ask)


def read_page(board: Board) -> tuple[str, set[str]]:
    """Return the version that a page names and the numbers of cases that its panels show."""
    shell = board.shell(SEARCH)
    assert shell.sound, shell.text
    question = shell.props["question"]["data"]
    trees = {}
    for panel in PAGE:
        answer = board.panel(panel, question)
        assert answer.sound, answer.text
        trees[panel] = answer.props[panel]["children"]
    footer = words(shell.props["footer"]["children"])
    facts = words(of_class(trees["overview-summary"], "strip-facts"))
    version = question.split("version=")[1]
    assert f"数据版本 {version}" in facts
    assert f"数据版本 {version}" in footer
    (card,) = (
        card
        for card in of_class(trees["overview-summary"], "figure-card")
        if words(card).startswith("诉求量")
    )
    volumes = {words(of_class(card, "figure-number"))}
    for panel in PAGE[2:]:
        head, *_, total = table_rows(trees[panel])
        column = next(place for place, title in enumerate(head) if title.startswith("诉求量件"))
        volumes.add(total[column])
    return version, volumes


def test_no_reader_notices_a_publish_but_for_the_new_figures(settings: Settings, port: int):
    done = threading.Event()
    first_pages = threading.Barrier(READERS + 1)
    pages: list[tuple[str, set[str]]] = []
    failures: list[BaseException] = []
    board = over_http(port)

    def read() -> None:
        try:
            pages.append(read_page(board))
            first_pages.wait(60)
            while not done.is_set():
                pages.append(read_page(board))
            pages.append(read_page(board))
        except BaseException as failure:
            failures.append(failure)
            first_pages.abort()

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        first_pages.wait(60)
        for number in (1, 2):
            staged = stage(settings, name=f"more{number}", cases=1_000, shift=1_000 * number)
            loader = multiprocessing.get_context("spawn").Process(
                target=publish_in_another_process, args=(settings, staged)
            )
            loader.start()
            loader.join(60)
            assert loader.exitcode == 0
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []

    store = open_store(settings)
    volumes = {}
    for number in (1, 2, 3):
        snapshot = store.get(f"real-1.{number}")
        assert snapshot is not None
        cases = oracle.chosen(oracle.read_cases(snapshot), Filters(basis="all"))
        volumes[snapshot.key] = f"{len(cases):,}"
    store.close()
    assert len(set(volumes.values())) == 3
    seen = {version for version, _ in pages}
    assert {"real-1.1", "real-1.3"} <= seen
    for version, shown in pages:
        assert shown == {volumes[version]}
    # The last page of everyone is the new one.
    assert sum(version == "real-1.3" for version, _ in pages) >= READERS
