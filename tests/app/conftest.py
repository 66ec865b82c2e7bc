"""The app on the small demo, and on stores of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from data_access.settings import Settings
from data_access.store import Snapshot, Store, open_store
from tests.app.board import Board, MakeServer, board_of


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Give a function that makes a server of its own; its store is closed after the test."""
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        server = _started(settings)
        made.append(server)
        return server

    yield make
    for server in made:
        store: Store = server.extensions["board_store"]
        store.close()


@pytest.fixture(scope="session")
def server(demo_settings: Settings) -> Iterator[Flask]:
    """Give the server on the demo."""
    server = _started(demo_settings)
    yield server
    store: Store = server.extensions["board_store"]
    store.close()


@pytest.fixture(scope="session")
def board(server: Flask) -> Board:
    """Give a client of the server on the demo."""
    return board_of(server)


@pytest.fixture(scope="session")
def snapshot(demo_settings: Settings) -> Iterator[Snapshot]:
    """Give the demo's data."""
    store = open_store(demo_settings)
    current = store.current()
    assert current is not None
    yield current
    store.close()


@pytest.fixture
def empty_settings(tmp_path: Path) -> Settings:
    """Give settings of a store without any version."""
    return Settings(_env_file=None, data_dir=tmp_path / "var")


def _started(settings: Settings) -> Flask:
    """Return a server whose first request is behind it.

    Only then does Dash take the callbacks of the pages, from a place that all apps share.
    """
    server = create_app(settings)
    server.test_client().get("/")
    return server


@pytest.fixture(autouse=True)
def panels_as_components(monkeypatch: pytest.MonkeyPatch):
    """Panels arrive as components, which can be read; tests/unit/test_plain.py reads the HTML."""
    monkeypatch.setattr("pages._answers.plain", lambda node: node)
