"""The office book: migrations, several writers at once, accounts, and the audit's chain."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pkgutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from structlog.testing import capture_logs

import data_access.office
from data_access.cli import audit_cli, office_cli, user_cli
from data_access.office.accounts import (
    account_of,
    account_of_session,
    add_account,
    begin_session,
    has_accounts,
    list_accounts,
    set_disabled,
    set_password,
    sign_in,
)
from data_access.office.audit import (
    AuditFilter,
    all_lines,
    audit,
    page_of_lines,
    record,
    verify,
)
from data_access.office.book import Book, OfficeError, metadata, open_book
from data_access.settings import Settings

PASSWORD = "correct horse battery"


@pytest.fixture
def office(settings: Settings) -> Settings:
    """Give settings of an empty office book, once on SQLite and once on PostgreSQL."""
    url = settings.database_url
    return settings.model_copy(update={"office_url": url, "database_url": ""})


@pytest.fixture
def book(office: Settings) -> Iterator[Book]:
    """Give the book, its tables made."""
    opened = open_book(office)
    opened.upgrade()
    yield opened
    opened.close()


def modules() -> None:
    """Import every module of the book, so that its tables are all known."""
    for module in pkgutil.iter_modules(data_access.office.__path__, "data_access.office."):
        importlib.import_module(module.name)


def test_the_migrations_lead_to_the_tables(book: Book):
    modules()
    with book.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_book_on_a_server_waits_for_its_upgrade(office: Settings):
    book = open_book(office)
    if not office.office_url:
        assert not has_accounts(book)  # a file is made when it is needed
        assert book.file is not None
        assert book.file.stat().st_mode & 0o077 == 0
    else:
        with pytest.raises(OfficeError, match="flask office upgrade"):
            has_accounts(book)
        book.upgrade()
        assert not has_accounts(book)
    book.close()


def test_whether_there_are_accounts_is_asked_again_after_any_write(
    office: Settings, monkeypatch: pytest.MonkeyPatch
):
    book, elsewhere = open_book(office), open_book(office)
    book.upgrade()
    reads = []
    reading = Book.reading
    monkeypatch.setattr(Book, "reading", lambda self: reads.append(self) or reading(self))
    assert not has_accounts(book)
    if book.file is None:
        assert not has_accounts(book)
        assert len(reads) == 2  # a server is asked each time
        book.close()
        return
    assert not has_accounts(book)
    assert len(reads) == 2  # just written: nobody can tell whether it is being written again
    monkeypatch.setattr("data_access.office.book._SETTLED_SECONDS", 0)
    for _ in range(3):
        assert not has_accounts(book)
    assert len(reads) == 3
    # Another process adds the first account: the very next question knows.
    time.sleep(0.05)  # longer than a tick of the file system's clock
    add_account(elsewhere, "zhang", "supervisor", (), PASSWORD)
    assert has_accounts(book)
    elsewhere.close()
    book.close()


def _open_and_record(settings: Settings, lines: int) -> None:
    book = open_book(settings)
    book.upgrade()
    for number in range(lines):
        record(book, "zhang", "export", f"{number}")
    book.close()


def test_workers_that_start_at_once_share_one_book_and_one_chain(office: Settings):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_open_and_record, args=(office, 10)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    book = open_book(office)
    assert verify(book)[::2] == (40, None)
    book.close()


def test_threads_keep_one_chain(book: Book):
    threads = [
        threading.Thread(target=lambda: [record(book, "li", "export", "x") for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(book)[::2] == (40, None)


def test_what_fails_is_undone_as_a_whole(book: Book):
    line = audit.insert().values(
        number=1, at=sa.func.now(), account="x", action="x", what="", filters="", hash=""
    )

    def twice() -> None:
        with book.writing() as connection:
            connection.execute(line)
            connection.execute(line)

    with pytest.raises(sa.exc.IntegrityError):
        twice()
    assert verify(book)[0] == 0


def test_who_merely_reads_the_file_in_this_process_does_no_harm(tmp_path: Path):
    settings = Settings(_env_file=None, data_dir=tmp_path)
    book = open_book(settings)
    record(book, "zhang", "export", "1")
    assert book.file is not None
    # Whatever locks this process had on the file are gone with that.
    book.file.read_bytes()
    spawn = multiprocessing.get_context("spawn")
    other = spawn.Process(target=_open_and_record, args=(settings, 1))
    other.start()
    other.join(60)
    with book.reading() as first, book.reading() as second:
        assert not first.closed
        assert not second.closed
    for _ in range(10):
        record(book, "zhang", "export", "2")
        assert not has_accounts(book)
    assert verify(book)[::2] == (12, None)
    book.close()
    # Nothing but the file holds it.
    assert {path.name for path in tmp_path.iterdir()} == {"office.sqlite", "office.sqlite.lock"}
    assert verify(book)[::2] == (12, None)
    book.close()


def test_a_file_that_cannot_be_read_any_more_is_opened_anew(tmp_path: Path):
    settings = Settings(_env_file=None, data_dir=tmp_path)
    book = open_book(settings)
    record(book, "zhang", "export", "1")
    # What its connection reads from is taken from it, as by somebody who closes a descriptor twice.
    ours = [
        int(each.name) for each in Path("/proc/self/fd").iterdir() if _leads_to(each, book.file)
    ]
    assert ours
    folder = os.open(tmp_path, os.O_RDONLY)
    for each in ours:
        os.dup2(folder, each)
    os.close(folder)
    with capture_logs() as said:
        assert verify(book)[::2] == (1, None)
        record(book, "zhang", "export", "2")
    assert [line["error"] for line in said if line["event"] == "office_opened_anew"] == [
        "SQLITE_IOERR_READ"
    ]
    assert verify(book)[::2] == (2, None)
    book.close()


def _leads_to(descriptor: Path, file: Path | None) -> bool:
    try:
        return descriptor.readlink() == file
    except OSError:  # it has been closed meanwhile
        return False


def test_a_book_of_an_older_version_is_taken_over(tmp_path: Path):
    settings = Settings(_env_file=None, data_dir=tmp_path)
    book = open_book(settings)
    record(book, "zhang", "export", "1")
    book.close()
    assert book.file is not None
    with contextlib.closing(sqlite3.connect(book.file)) as older:
        assert older.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        # While the older one runs both go on as it does; afterwards this one does as it likes.
        record(book, "zhang", "export", "2")
        book.close()
        assert older.execute("SELECT count(*) FROM audit").fetchone() == (2,)
    assert verify(book)[::2] == (2, None)
    book.close()
    with contextlib.closing(sqlite3.connect(book.file)) as looked:
        assert looked.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_secret_is_shared_and_kept(office: Settings, book: Book):
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(book.secret("x"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = open_book(office)
    assert {*found, again.secret("x")} == {found[0]}
    assert len(found[0]) == 64
    assert again.secret("y") != found[0]
    again.close()


# --- Audit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET account = 'li' WHERE number = 2", "DELETE FROM audit WHERE number = 3"],
)
def test_lines_cannot_be_changed_or_taken_out(book: Book, statement: str):
    for number in range(3):
        record(book, "zhang", "export", f"{number}")
    with pytest.raises(sa.exc.DBAPIError), book.writing() as connection:
        connection.execute(sa.text(statement))
    assert verify(book)[::2] == (3, None)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("UPDATE audit SET what = 'other' WHERE number = 2", 2),
        ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number = 1", 2),
        ("DELETE FROM audit WHERE number = 3", 4),
        ("UPDATE audit SET hash = 'x' WHERE number = 4", 4),
    ],
)
def test_who_switches_the_guard_off_is_found_out(book: Book, change: str, wrong: int):
    for number in range(4):
        record(book, "zhang", "export", f"{number}", "?district=110105")
    with book.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER USER"))
            connection.execute(sa.text("GRANT ALL ON audit TO CURRENT_USER"))
        else:
            connection.execute(sa.text("DROP TRIGGER audit_no_update"))
            connection.execute(sa.text("DROP TRIGGER audit_no_delete"))
        connection.execute(sa.text(change))
    assert verify(book)[2] == wrong


def test_lines_keep_what_they_are_told_as_far_as_it_can_be_kept(book: Book):
    record(book, "张三" * 60, "export", "a\x00b\ud83dc\n" + "长" * 9_000, "’; DROP TABLE audit; --")
    (line,) = all_lines(book, AuditFilter())
    assert line.what.startswith("abc长")
    assert len(line.what) == 4_000
    assert len(line.account) == 60
    assert verify(book)[2] is None


def test_lines_are_found_by_account_action_and_day(book: Book):
    for account, action in (("a", "export"), ("b", "export"), ("a", "load")) * 40:
        record(book, account, action, "x")  # type: ignore[arg-type]
    today = page_of_lines(book, AuditFilter(), 1, 1)[0][0].at.date()
    lines, total = page_of_lines(book, AuditFilter("a", "export", today), 2, 30)
    assert total == 40
    assert [line.number for line in lines] == sorted((line.number for line in lines), reverse=True)
    assert len(lines) == 10
    assert {(line.account, line.action) for line in lines} == {("a", "export")}
    assert page_of_lines(book, AuditFilter(day=today.replace(year=2001)), 1, 30) == ([], 0)


# --- Accounts -----------------------------------------------------------------------------------


def test_accounts(office: Settings, book: Book):
    added = add_account(book, "Ｚhang", "district", ["110105"], PASSWORD)
    assert (added.name, added.places) == ("zhang", frozenset({"110105"}))
    signed = sign_in(book, office, "ZHANG", PASSWORD, "1.1.1.1")
    assert signed is not None
    token = begin_session(book, office, signed)
    held = account_of_session(book, office, token)
    assert held is not None
    assert held.name == "zhang"
    assert account_of_session(book, office, token[:-1]) is None
    with book.reading() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM accounts").all()
        sessions = connection.exec_driver_sql("SELECT * FROM sessions").all()
    assert "$argon2id$" in str(kept)
    assert PASSWORD not in str(kept)
    assert token not in str(sessions)
    assert list_accounts(book)[0].signed_in_at is not None
    set_disabled(book, "zhang", True)
    assert account_of(book, "zhang") is None
    assert account_of_session(book, office, token) is None
    set_disabled(book, "zhang", False)
    assert account_of_session(book, office, token) is None


def test_an_account_without_a_password_opens_to_none(office: Settings, book: Book):
    add_account(book, "zhang", "leader", [], None)
    for password in ("", "None", PASSWORD):
        assert sign_in(book, office, "zhang", password, "1.1.1.1") is None


@pytest.mark.parametrize(
    ("name", "role", "places", "password"),
    [
        ("", "leader", [], PASSWORD), ("a b", "leader", [], PASSWORD),
        ("x" * 61, "leader", [], PASSWORD), ("x", "leader", [], "short"),
        ("x", "leader", [], "aaaaaaaaaaaa"), ("zhang", "leader", [], "zhang-12345678"),
        ("x", "leader", [], "x" * 201), ("x", "district", [], PASSWORD),
        ("x", "leader", ["110105"], PASSWORD),
    ],
)  # fmt: skip
def test_unsound_accounts_are_refused(
    book: Book, name: str, role: str, places: list[str], password: str
):
    with pytest.raises(OfficeError):
        add_account(book, name, role, places, password)  # type: ignore[arg-type]
    assert not has_accounts(book)


def test_a_name_is_taken_once(book: Book):
    add_account(book, "zhang", "leader", [], PASSWORD)
    with pytest.raises(OfficeError, match="已存在"):
        add_account(book, "ZHANG", "auditor", [], PASSWORD)
    with pytest.raises(OfficeError, match="没有账号"):
        set_password(book, "li", PASSWORD)


# --- Command line -------------------------------------------------------------------------------


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Give a command line with a data directory of its own."""
    monkeypatch.setenv("BOARD_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("BOARD_DATABASE_URL", "")
    monkeypatch.setenv("BOARD_OFFICE_URL", "")
    return CliRunner()


def test_accounts_from_the_command_line(command_line: CliRunner):
    def run(group: object, *arguments: str, typed: str = "") -> tuple[int, str]:
        result = command_line.invoke(group, list(arguments), input=typed)  # type: ignore[arg-type]
        return result.exit_code, result.output

    assert "还没有账号" in run(user_cli, "list")[1]
    twice = f"{PASSWORD}\n{PASSWORD}\n"
    assert run(user_cli, "add", "zhang", "--role", "leader", typed=twice)[0] == 0
    stdin = ["--password-stdin"]
    district = ["add", "li", "--role", "district", "--place", "110105", *stdin]
    assert run(user_cli, *district, typed=PASSWORD + "\n")[0] == 0
    assert run(user_cli, *district, typed=PASSWORD + "\n") == (1, "错误：账号“li”已存在\n")
    assert run(user_cli, "add", "wang", "--role", "king")[0] == 2
    assert run(user_cli, "passwd", "li", *stdin, typed="short\n")[0] == 1
    assert run(user_cli, "passwd", "li", *stdin, typed="another horse\n")[0] == 0
    assert run(user_cli, "disable", "zhang")[0] == 0
    listed = run(user_cli, "list")[1]
    assert "zhang · leader（市领导） · 停用" in listed
    assert "li · district（区） · 110105" in listed
    assert run(user_cli, "enable", "zhang")[0] == 0
    assert run(office_cli, "upgrade")[0] == 0
    code, told = run(audit_cli, "verify")
    assert code == 0
    assert "共 5 条，校验链完整" in told
    assert PASSWORD not in told
    book = open_book(Settings(_env_file=None))
    with book.writing() as connection:
        connection.execute(sa.text("DROP TRIGGER audit_no_update"))
        connection.execute(sa.text("UPDATE audit SET what = 'x' WHERE number = 3"))
    book.close()
    code, told = run(audit_cli, "verify")
    assert code == 1
    assert "第 3 条" in told
