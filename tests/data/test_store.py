"""The store as a serving process uses it."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic
import pytest
import sqlalchemy as sa

from data_access import schema
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import ResultCache, Snapshot, Store, open_store
from data_access.versions import StoreError, VersionKey
from domain.rules import Rules
from tests.data.staging import REFERENCE, stage


def quiet(_label: str, _share: float) -> None:
    """Ignore progress."""


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    yield opened
    opened.close()


def current(store: Store) -> Snapshot:
    snapshot = store.current()
    assert snapshot is not None
    return snapshot


def wait_for_a_look(settings: Settings) -> None:
    """Wait until a store on PostgreSQL asks again for the current version."""
    if settings.database_url:
        time.sleep(1.1)


def test_nothing_published(store: Store) -> None:
    assert store.current() is None
    assert store.get("real-1.1") is None


def test_a_snapshot_says_what_it_is(settings: Settings, store: Store) -> None:
    rules = "INSERT INTO rules VALUES ('甲', DATE '2021-01-01', 'minimum_revisits', '50')"
    staged = stage(
        settings,
        line="demo",
        cutoff=dt.datetime(2021, 4, 12, 23, 59),
        city="某市",
        change=rules,
        tables=frozenset(REFERENCE) | {"rules"},
    )
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=8)
    publish(settings, staged, quiet)
    snapshot = current(store)
    assert (snapshot.key, snapshot.line, snapshot.version) == ("demo.1", "demo", 1)
    assert (snapshot.is_demo, snapshot.city) == (True, "某市")
    assert snapshot.cutoff == dt.datetime(2021, 4, 12, 23, 59)
    assert type(snapshot.first_day) is dt.date
    assert before <= snapshot.published_at <= before + dt.timedelta(minutes=1)
    assert snapshot.rule_sets == (
        Rules(version="甲", effective_on=dt.date(2021, 1, 1), minimum_revisits=50),
    )
    reference = snapshot.reference
    assert reference.subdistricts["id"].tolist() == list(range(1, 344))
    assert list(reference.topics.columns) == [column.name for column in schema.topics.columns]
    assert reference.districts["name"].dtype == "str"
    assert len(reference.topic_categories) == 27
    assert current(store) is snapshot
    assert store.get("demo.1") is snapshot


def test_only_kept_versions_have_a_key(settings: Settings, store: Store) -> None:
    publish(settings, stage(settings, line="demo"), quiet)
    assert store.get("demo.1") is store.current()
    for key in ("", "demo", "demo.01", "demo.2", "../demo.1", "real-0.1", "demo.1\n", "demo.1;--"):
        assert store.get(key) is None


def test_keys() -> None:
    for text in ("demo.1", "real-12.345"):
        key = VersionKey.parse(text)
        assert str(key) == text


def test_a_new_version_is_seen_and_only_three_stay_open(settings: Settings, store: Store) -> None:
    settings_kept = settings.model_copy(update={"keep_versions": 10})
    for number in range(4):
        publish(settings_kept, stage(settings, cases=10, shift=10 * number), quiet)
        wait_for_a_look(settings)
        assert current(store).version == number + 1
    assert list(map(str, store._snapshots)) == ["real-1.2", "real-1.3", "real-1.4"]
    oldest = store.get("real-1.1")
    assert oldest is not None
    assert oldest.version == 1
    assert current(store).version == 4


def test_readers_cannot_write(settings: Settings, store: Store) -> None:
    publish(settings, stage(settings), quiet)
    with current(store).engine.connect() as connection, pytest.raises(sa.exc.SQLAlchemyError):
        connection.execute(sa.delete(schema.cases))


def test_readers_of_files_are_shut_in(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    publish(settings, stage(settings), quiet)
    store = open_store(settings)
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    with current(store).engine.connect() as connection:
        for statement in (
            f"SELECT * FROM read_csv('{outside}')",
            f"COPY cases TO '{outside}'",
            f"ATTACH '{tmp_path / 'other.duckdb'}'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '100GB'",
        ):
            with pytest.raises(sa.exc.SQLAlchemyError):
                connection.execute(sa.text(statement))
            connection.rollback()
        frame_in_scope = pd.DataFrame({"a": [1]})
        assert len(frame_in_scope) == 1
        with pytest.raises(sa.exc.SQLAlchemyError):
            connection.execute(sa.text("SELECT * FROM frame_in_scope"))
    store.close()


def test_a_query_that_takes_too_long_is_stopped(settings: Settings) -> None:
    publish(settings, stage(settings), quiet)
    hasty = settings.model_copy(update={"query_timeout_seconds": 0.3})
    store = open_store(hasty)
    rows = schema.subdistricts.alias(), schema.subdistricts.alias(), schema.subdistricts.alias()
    pairs = (
        sa.select(sa.func.sum(rows[0].c.id * rows[1].c.id % (rows[2].c.id + 1)))
        .select_from(
            rows[0].join(rows[1], sa.true()).join(rows[2], sa.true()).join(schema.topics, sa.true())
        )
        .join(schema.categories, sa.true())
    )
    before = time.monotonic()
    with current(store).engine.connect() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.execute(pairs)
    assert time.monotonic() - before < 5
    with current(store).engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.cases)).scalar()
    store.close()


def test_threads_share_a_store(settings: Settings, store: Store) -> None:
    publish(settings, stage(settings), quiet)
    seen: list[tuple[Snapshot, int]] = []

    def ask() -> None:
        snapshot = current(store)
        with snapshot.engine.connect() as connection:
            counted = sa.select(sa.func.count()).select_from(schema.cases)
            seen.append((snapshot, connection.execute(counted).scalar_one()))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {count for _, count in seen} == {1000}
    assert len({id(snapshot) for snapshot, _ in seen}) == 1
    assert len(seen) == 12


def ask_in_a_child(store: Store, answer: Any) -> None:
    snapshot = current(store)
    with snapshot.engine.connect() as connection:
        answer.put((snapshot.key, connection.execute(sa.select(schema.cases.c.case_id)).rowcount))
    store.close()


def test_a_store_that_was_not_used_yet_survives_a_fork(settings: Settings) -> None:
    publish(settings, stage(settings), quiet)
    store = open_store(settings)
    fork = multiprocessing.get_context("fork")
    answer = fork.Queue()
    child = fork.Process(target=ask_in_a_child, args=(store, answer))
    child.start()
    assert answer.get(timeout=30)[0] == "real-1.1"
    child.join()
    assert child.exitcode == 0
    assert current(store).key == "real-1.1"
    store.close()


def test_a_damaged_new_version_does_not_stop_the_service(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    publish(settings, stage(settings), quiet)
    store = open_store(settings)
    assert current(store).key == "real-1.1"
    publish(settings, stage(settings, shift=7), quiet)
    (damaged,) = tmp_path.glob("versions/real-1/000002.duckdb")
    damaged.chmod(0o644)
    damaged.write_bytes(b"not a database" * 1000)
    assert current(store).key == "real-1.1"
    fresh = open_store(settings)
    with pytest.raises(StoreError, match=r"real-1\.2"):
        fresh.current()
    (tmp_path / "current.json").write_text("{")
    with pytest.raises(StoreError, match="版本指针"):
        fresh.current()
    store.close()
    fresh.close()


def test_results_are_computed_once_and_the_oldest_are_forgotten() -> None:
    cache = ResultCache(2)
    computed: list[str] = []

    def compute(name: str) -> str:
        computed.append(name)
        time.sleep(0.05)
        return name.upper()

    threads = [
        threading.Thread(target=cache.result, args=("a", lambda: compute("a"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert computed == ["a"]
    cache.result("b", lambda: compute("b"))
    assert cache.result("a", lambda: compute("a")) == "A"
    cache.result("c", lambda: compute("c"))
    assert len(cache) == 2
    cache.result("b", lambda: compute("b"))
    assert computed == ["a", "b", "c", "b"]


def test_a_failed_computation_is_not_kept() -> None:
    cache = ResultCache(2)
    with pytest.raises(ZeroDivisionError):
        cache.result("a", lambda: 1 / 0)
    assert cache.result("a", lambda: 1) == 1


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(__file__).resolve().parents[2]
    assert Settings(_env_file=None, data_dir=Path("var")).data_dir == checkout / "var"
    monkeypatch.setenv("BOARD_DATABASE_URL", "postgres://u:p@h/d")
    monkeypatch.setenv("BOARD_KEEP_VERSIONS", "7")
    from_environment = Settings(_env_file=None)
    assert from_environment.database_url == "postgresql+psycopg://u:p@h/d"
    assert from_environment.keep_versions == 7
    for wrong in ({"database_url": "mysql://x"}, {"duckdb_memory_limit": "1; DROP"}):
        with pytest.raises(pydantic.ValidationError):
            Settings.model_validate(wrong)
