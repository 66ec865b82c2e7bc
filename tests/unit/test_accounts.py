"""Roles, names, passwords, pauses; where the server may listen without an account."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_access.office.accounts import add_account
from data_access.office.book import open_book
from data_access.settings import Settings
from domain.accounts import (
    EVERYTHING,
    NOBODY,
    PERMISSION_LABELS,
    ROLES,
    WORKSTATION,
    account_name,
    pause_seconds,
    permission_of_page,
    reader_of,
)
from domain.scope import CITY, NOTHING, Scope, own_position

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("role", ROLES)
def test_the_document_has_the_table_of_roles(role: Any):
    entry = ROLES[role]
    row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{role}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == entry.label
    assert cells[2] == {"": "whole city", "district": "own districts", "unit": "own cases"}[
        entry.limit
    ] or (role == "auditor" and cells[2] == "no data")
    marks = ["✓" if name in entry.permissions else "" for name in PERMISSION_LABELS]
    assert cells[3:] == marks


def test_readers():
    assert reader_of("a", "leader", frozenset()).scope == CITY
    assert reader_of("a", "district", frozenset({"1"})).scope == Scope(districts=frozenset({"1"}))
    assert reader_of("a", "unit", frozenset({"1"})).scope == Scope(units=frozenset({"1"}))
    assert reader_of("a", "auditor", frozenset()).scope == NOTHING
    # An account whose places were lost sees nothing, never everything.
    assert reader_of("a", "district", frozenset()).scope == Scope(districts=frozenset())
    assert WORKSTATION.permissions == EVERYTHING
    assert not NOBODY.permissions
    assert hash(CITY) != hash(NOTHING)


@pytest.mark.parametrize(
    ("page", "permission"),
    [("/", "figures"), ("/cases", "ledger"), ("/cases/YS1", "ledger"), ("pages.case", "ledger"),
     ("/audit", "audit"), ("pages.audit", "audit"), ("pages._brief", "packets"),
     ("pages.overview", "figures"), ("/casesx", "figures")],
)  # fmt: skip
def test_what_a_page_takes(page: str, permission: str):
    assert permission_of_page(page) == permission


@given(st.text(max_size=80))
def test_a_name_is_the_same_however_it_is_typed(text: str):
    name = account_name(text)
    if name is not None:
        assert account_name(name) == name
        assert account_name(f" {name.upper()} ") in (name, account_name(name.upper()))
        assert 0 < len(name) <= 60
        assert name.isprintable()


def test_pauses():
    assert [pause_seconds(n, 5) for n in (0, 4, 5, 6, 7, 12, 10**6)] == [
        0, 0, 30, 60, 120, 3600, 3600,
    ]  # fmt: skip


def test_own_position():
    values = {"a": 0.9, "b": 0.8, "c": 0.8, "d": 0.1}
    assert own_position(values, ["c", "x"]) == {"c": (2, 4)}
    assert own_position(values, ["d"]) == {"d": (4, 4)}
    assert own_position(values, ["d"], highest_first=False) == {"d": (1, 4)}


# --- Where the server may listen ------------------------------------------------------------------


def _on_starting(monkeypatch: pytest.MonkeyPatch, folder: Path, *address: Any, **env: str) -> None:
    for name, value in {"data_dir": str(folder), "office_url": "", **env}.items():
        monkeypatch.setenv(f"BOARD_{name.upper()}", value)
    spec = importlib.util.spec_from_file_location("gunicorn_conf", ROOT / "gunicorn.conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.on_starting(SimpleNamespace(cfg=SimpleNamespace(address=list(address))))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_workstation_starts_without_an_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str
):
    _on_starting(monkeypatch, tmp_path, (host, 8050))


@pytest.mark.parametrize(
    "addresses",
    [[("0.0.0.0", 8050)], [("::", 8050)], [("10.0.0.1", 80)], ["/run/board.sock"],
     [("127.0.0.1", 8050), ("10.0.0.1", 8050)]],
)  # fmt: skip
def test_anything_else_needs_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, addresses: list[Any]
):
    with pytest.raises(SystemExit, match="没有启动") as stopped:
        _on_starting(monkeypatch, tmp_path, *addresses)
    assert "\n" not in str(stopped.value)
    proxy = {"proxy_addresses": "10.0.0.1", "proxy_account_header": "X-User"}
    _on_starting(monkeypatch, tmp_path, *addresses, **proxy)
    for name in proxy:
        monkeypatch.setenv(f"BOARD_{name.upper()}", "")
    book = open_book(Settings(_env_file=None, data_dir=tmp_path))
    add_account(book, "zhang", "leader", [], "correct horse battery")
    book.close()
    _on_starting(monkeypatch, tmp_path, *addresses)


@pytest.mark.parametrize(
    "wrong",
    [{"proxy_account_header": "X-User"}, {"oidc_issuer": "https://x"}, {"office_url": "mysql://x"},
     {"proxy_addresses": "here"}, {"oidc_issuer": "ftp://x", "oidc_client_id": "a"}],
)  # fmt: skip
def test_settings_that_would_let_anybody_in_are_refused(wrong: dict[str, str]):
    with pytest.raises(ValueError, match="validation error"):
        Settings(_env_file=None, **wrong)  # type: ignore[arg-type]


def test_addresses_of_proxies():
    settings = Settings(_env_file=None, proxy_addresses="10.0.0.0/8, 192.168.1.1, fd00::/8")
    trusted = ["10.9.9.9", "192.168.1.1", "fd00::1"]
    assert [settings.trusts(each) for each in trusted] == [True] * 3
    others = ["192.168.1.2", "", "10.0.0.1, 1.1.1.1", "localhost", "::1"]
    assert [settings.trusts(each) for each in others] == [False] * 5
