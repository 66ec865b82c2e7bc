"""A backup holds everything, says when it is damaged, and comes back while the board serves."""

from __future__ import annotations

import sqlite3
import stat
import tarfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from data_access import schema
from data_access.backup import BackupError, back_up, look, restore
from data_access.cli import data_cli
from data_access.office.audit import AuditFilter, all_lines
from data_access.office.book import open_book
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import open_store
from data_access.versions import FileVersions, LockedError, VersionKey, loader_lock
from tests.data.conftest import store_settings
from tests.data.staging import stage


def published(settings: Settings, cases: int) -> None:
    """Publish a load after which the store holds this many cases: by these a version is known."""
    publish(settings, stage(settings, cases=cases), lambda *_: None)


def cases_of(settings: Settings) -> int:
    store = open_store(settings)
    try:
        snapshot = store.current()
        assert snapshot is not None
        with snapshot.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.cases)) or 0
    finally:
        store.close()


@pytest.fixture
def board(tmp_path: Path) -> Settings:
    settings = store_settings(tmp_path / "board")
    published(settings, 50)
    return settings


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.sqlite"
    with sqlite3.connect(path) as book:
        book.execute("PRAGMA journal_mode = WAL")
        book.execute("CREATE TABLE notes (words TEXT)")
        book.execute("INSERT INTO notes VALUES ('承诺')")
    return path


def notes(path: Path) -> list[str]:
    with sqlite3.connect(path) as book:
        return [words for (words,) in book.execute("SELECT words FROM notes")]


def test_a_new_machine_gets_what_the_old_one_had(
    board: Settings, office: Path, tmp_path: Path
) -> None:
    # Not yet in the file itself: SQLite keeps the newest in its log.
    writer = sqlite3.connect(office)
    writer.execute("INSERT INTO notes VALUES ('后写')")
    writer.commit()
    held = back_up(board, tmp_path / "backup.tar", office)
    assert (held.version, held.office) == (VersionKey("real-1", 1), True)
    assert look(tmp_path / "backup.tar") == held
    mode = stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode)
    assert mode == 0o600
    other, book = store_settings(tmp_path / "other"), tmp_path / "new" / "office.sqlite"
    assert restore(other, tmp_path / "backup.tar", book, force=False) == held
    assert cases_of(other) == 50
    assert notes(book) == ["承诺", "后写"]
    # Loads go on from there.
    published(other, 80)
    assert cases_of(other) == 80


def test_a_number_is_never_used_twice(board: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    back_up(board, backup, None)
    published(board, 80)
    restore(board, backup, None, force=False)
    # The same file was still there.
    assert FileVersions(board).current() == VersionKey("real-1", 1)
    assert cases_of(board) == 50
    # Another machine has another real-1.1.
    other = store_settings(tmp_path / "other")
    published(other, 70)
    restore(other, backup, None, force=False)
    assert FileVersions(other).current() == VersionKey("real-1", 2)
    assert cases_of(other) == 50


def test_a_reader_follows_at_its_next_request(board: Settings, tmp_path: Path) -> None:
    back_up(board, tmp_path / "backup.tar", None)
    published(board, 80)
    store = open_store(board)
    try:
        before = store.current()
        restore(board, tmp_path / "backup.tar", None, force=False)
        after = store.current()
        assert before is not None
        assert after is not None
        assert (before.key, after.key) == ("real-1.2", "real-1.1")
    finally:
        store.close()


def test_an_office_book_is_replaced_only_by_force(
    board: Settings, office: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.tar"
    back_up(board, backup, office)
    with sqlite3.connect(office) as book:
        book.execute("INSERT INTO notes VALUES ('备份以后')")
    with pytest.raises(BackupError, match="--force"):
        restore(board, backup, office, force=False)
    assert notes(office) == ["承诺", "备份以后"]
    restore(board, backup, office, force=True)
    assert notes(office) == ["承诺"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_changes_nothing(
    board: Settings, tmp_path: Path, share: float
) -> None:
    whole = tmp_path / "whole.tar"
    back_up(board, whole, None)
    published(board, 80)
    cut = tmp_path / "cut.tar"
    content = whole.read_bytes()
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackupError):
        restore(board, cut, None, force=False)
    assert cases_of(board) == 80


def test_a_changed_byte_is_found(board: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    back_up(board, backup, None)
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    backup.write_bytes(content)
    with pytest.raises(BackupError, match="损坏"):
        look(backup)


def test_links_and_foreign_files_are_refused(board: Settings, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    back_up(board, backup, None)
    forged = tmp_path / "forged.tar"
    with tarfile.open(backup) as source, tarfile.open(forged, "w") as target:
        target.addfile(source.getmember("manifest.json"), source.extractfile("manifest.json"))
        link = tarfile.TarInfo("version.duckdb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        target.addfile(link)
    with pytest.raises(BackupError, match="不是文件"):
        look(forged)
    (tmp_path / "text.tar").write_text("不是备份")
    with pytest.raises(BackupError, match="不是完整的备份文件"):
        look(tmp_path / "text.tar")
    with pytest.raises(BackupError, match="不存在"):
        look(tmp_path / "nowhere.tar")


def test_nothing_is_overwritten_and_loads_wait(board: Settings, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar"
    target.write_text("别的文件")
    with pytest.raises(BackupError, match="已存在"):
        back_up(board, target, None)
    assert target.read_text() == "别的文件"
    with pytest.raises(BackupError, match="没有可备份"):
        back_up(store_settings(tmp_path / "empty"), tmp_path / "empty.tar", None)
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_version_of_other_tables_is_refused(
    board: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup.tar"
    back_up(board, backup, None)
    monkeypatch.setattr("data_access.backup.LAYOUT", 10_000)
    with pytest.raises(BackupError, match="另一版程序"):
        restore(board, backup, None, force=False)


def test_a_load_that_runs_is_waited_for(board: Settings, tmp_path: Path) -> None:
    import multiprocessing

    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    loader = spawn.Process(target=_hold, args=(board, ready, done))
    loader.start()
    try:
        assert ready.wait(60)
        with pytest.raises(LockedError):
            back_up(board, tmp_path / "backup.tar", None)
    finally:
        done.set()
        loader.join()


def test_the_commands_back_up_check_and_restore(
    board: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner()
    file = str(tmp_path / "backup.tar")
    monkeypatch.setenv("BOARD_DATABASE_URL", "")
    monkeypatch.setenv("BOARD_DATA_DIR", str(board.data_dir))
    assert "版本 real-1.1" in run.invoke(data_cli, ["backup", file]).output
    assert "备份完整" in run.invoke(data_cli, ["restore", file, "--check"]).output
    twice = run.invoke(data_cli, ["backup", file])
    assert (twice.exit_code, "已存在" in twice.output) == (1, True)
    other = store_settings(tmp_path / "other")
    monkeypatch.setenv("BOARD_DATA_DIR", str(other.data_dir))
    result = run.invoke(data_cli, ["restore", file])
    assert (result.exit_code, "已恢复" in result.output) == (0, True)
    assert cases_of(other) == 50
    book = open_book(other)
    (line,) = all_lines(book, AuditFilter())
    book.close()
    assert line.action == "restore"


def _hold(settings: Settings, ready: object, done: object) -> None:
    with loader_lock(settings):
        ready.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]
