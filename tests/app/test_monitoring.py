"""What machines ask: alive, ready, how much, how old; and who may ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr

from data_access.settings import Settings
from pages import _monitoring
from tests.app.board import CALLBACKS, MakeServer


def sample(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in\n{text}"
    return float(found[1])


@pytest.fixture(autouse=True)
def _set_too_late(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what only counts before the library is loaded, as loading gunicorn.conf.py does."""
    if not _monitoring._SHARED:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))


def test_ready_only_when_there_is_something_to_serve(
    server: Flask, make_server: MakeServer, tmp_path: Path
) -> None:
    assert server.test_client().get("/readyz").status_code == 200
    empty = make_server(Settings(_env_file=None, data_dir=tmp_path / "var")).test_client()
    assert empty.get("/healthz").status_code == 200
    answer = empty.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "empty"})


def test_requests_are_counted_by_kind(server: Flask) -> None:
    client = server.test_client()
    name = 'board_requests_total{kind="callback",status="4xx"}'
    client.post(CALLBACKS, json={"nonsense": 1})
    before = sample(client.get("/metrics").text, name)
    client.post(CALLBACKS, json={"nonsense": 1})
    text = client.get("/metrics").text
    assert sample(text, name) == before + 1
    assert sample(text, 'board_request_seconds_count{kind="callback"}') >= 2
    assert sample(text, "board_data_readable") == 1
    assert sample(text, 'board_data_version{demo="true",version="demo.1"}') == 1
    assert sample(text, "board_data_age_seconds") > 86_400


def test_a_panel_that_fails_is_counted(server: Flask) -> None:
    client = server.test_client()
    before = sample(client.get("/metrics").text, "board_panel_failures_total")
    _monitoring.panel_failed()
    assert sample(client.get("/metrics").text, "board_panel_failures_total") == before + 1


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-Ip"])
def test_metrics_are_for_the_machine_itself(server: Flask, header: str) -> None:
    client = server.test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={header: "10.1.2.3"}).status_code == 403
    elsewhere = {"REMOTE_ADDR": "10.1.2.3"}
    assert client.get("/metrics", environ_base=elsewhere).status_code == 403


def test_a_token_opens_them_from_elsewhere(
    demo_settings: Settings, make_server: MakeServer
) -> None:
    settings = demo_settings.model_copy(update={"metrics_token": SecretStr("geheim")})
    client = make_server(settings).test_client()
    elsewhere = {"REMOTE_ADDR": "10.1.2.3"}
    for token, status in (("geheim", 200), ("falsch", 403), ("", 403)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = client.get("/metrics", environ_base=elsewhere, headers=headers)
        assert answer.status_code == status, token
