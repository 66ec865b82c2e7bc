"""Publishing: the merge, the states against plain Python, and every way it can break off."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_access import schema
from data_access.publishing import (
    Progress,
    PublishedVersion,
    PublishError,
    Staged,
    publish,
    rollback,
    versions,
)
from data_access.settings import Settings
from data_access.store import Snapshot, open_store
from data_access.versions import (
    FileVersions,
    LockedError,
    SchemaVersions,
    StoreError,
    loader_lock,
    staging_dir,
)
from domain import outcomes
from domain.rules import Rules
from tests.data.staging import stage

# What a publish tells before a version is published, in order; it may break off at each.
STEPS = (
    "读取暂存数据",
    "与现有版本比较",
    "写入基础数据",
    "合并诉求",
    "汇总",
    "写入磁盘",
    "切换版本",
)

# Fresh processes, as servers and loaders are: nothing of the test's connections is inherited.
spawn = multiprocessing.get_context("spawn")


def quiet(_label: str, _share: float) -> None:
    """Ignore progress."""


def read(settings: Settings, table: sa.Table, key: str | None = None) -> pd.DataFrame:
    """Return all rows of a table of a version, the current one by default."""
    store = open_store(settings)
    try:
        snapshot = store.current() if key is None else store.get(key)
        assert snapshot is not None
        return pd.read_sql(sa.select(table), snapshot.engine)
    finally:
        store.close()


def kept_keys(settings: Settings) -> list[str]:
    return [version.key for version in versions(settings)]


def leftovers(settings: Settings) -> list[str]:
    """Return what is in the store and belongs to no version."""
    found = [path.name for path in staging_dir(settings).iterdir()]
    found += [path.name for path in settings.data_dir.rglob("*.building*")]
    if settings.database_url:
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        published = {version.key for version in versions(settings)}
        for name in sa.inspect(engine).get_schema_names():
            key = name.removeprefix("board_").replace("real_", "real-").replace("_", ".")
            if name.startswith("board_") and key not in published:
                found.append(name)
    return found


# --- Content -----------------------------------------------------------------------------------


def expected_state(case: Any, cutoff: dt.datetime, rules: Rules) -> int:
    """Return the state of a case (a row of ``cases``), by the definitions, in plain Python."""

    def known(value: Any) -> bool:
        return not pd.isna(value)

    closed = case.closed and not (known(case.closed_at) and case.closed_at > cutoff)
    shelved = (
        not closed
        and known(case.shelved_until)
        and pd.Timestamp(case.shelved_until).date() >= cutoff.date()
    )
    timeliness = outcomes.TIMELINESS_OPEN
    if closed and known(case.on_time):
        timeliness = outcomes.ON_TIME if case.on_time else outcomes.LATE
    elif not closed and known(case.due_at) and case.due_at < cutoff and not shelved:
        timeliness = outcomes.OVERDUE
    if not known(case.valid_revisit):
        outcome = outcomes.NOT_REVISITED
    elif not case.valid_revisit:
        outcome = outcomes.REVISIT_FAILED
    else:
        answer = int(case.satisfaction)
        outcome = outcomes.outcome_of(
            int(case.contacted), int(case.resolved), answer if answer in (1, 2) else 0
        )
    limit = (
        case.due_at
        if known(case.due_at)
        else case.created_at + dt.timedelta(days=rules.default_limit_days)
    )
    mature = (
        outcome != outcomes.NOT_REVISITED
        or limit + dt.timedelta(days=rules.revisit_window_days) <= cutoff
    )
    return outcomes.state_of(
        outcome, timeliness, int(closed), int(mature), int(shelved), int(known(case.repeat_of))
    )


@pytest.mark.parametrize("cutoff", [None, dt.datetime(2020, 11, 3, 12)])
def test_states_and_aggregates_equal_plain_python(
    settings: Settings, cutoff: dt.datetime | None
) -> None:
    published = publish(settings, stage(settings, cases=3000, cutoff=cutoff), quiet)
    assert published.cases == 3000
    cases = read(settings, schema.cases)
    if cutoff is None:
        times = cases[["created_at", "dispatched_at", "responded_at", "closed_at"]]
        assert published.cutoff == times.max().max()
    else:
        assert published.cutoff == cutoff
        assert (cases["closed_at"] > cutoff).any()
    states = [expected_state(case, published.cutoff, Rules()) for case in cases.itertuples()]
    assert cases["state"].tolist() == states
    assert cases["state"].nunique() > 80
    assert cases["case_id"].is_unique
    if not settings.database_url:
        in_order = cases.sort_values(["created_at", "case_id"], ignore_index=True)
        pd.testing.assert_frame_equal(cases, in_order)
    assert published.first_day == cases["created_at"].min().date()

    counted = cases[cases["assessed"]]
    for table in schema.AGGREGATES:
        names = [column.name for column in table.columns]
        keys = [name for name in names if name not in outcomes.COUNT_COLUMNS]
        expected = (
            counted[[*keys, "state"]]
            .assign(cases=1)
            .merge(outcomes.states(), on="state")
            .groupby(keys, dropna=False)[list(outcomes.COUNT_COLUMNS)]
            .sum()
            .reset_index()
            .sort_values(keys, ignore_index=True)
        )
        actual = read(settings, table).sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(actual, expected, check_dtype=False)
    pd.testing.assert_frame_equal(
        read(settings, schema.states).sort_values("state", ignore_index=True),
        outcomes.states()[[column.name for column in schema.states.columns]],
        check_dtype=False,
    )


def test_the_rule_set_in_force_decides_maturity(settings: Settings) -> None:
    rules = Rules(revisit_window_days=60, default_limit_days=100)
    rows = ", ".join(
        f"('long', DATE '2020-01-01', '{name}', '{value}')"
        for name, value in (("revisit_window_days", 60), ("default_limit_days", 100))
    )
    later = "('later', DATE '2099-01-01', 'revisit_window_days', '0')"
    staged = stage(
        settings,
        tables=frozenset({"rules"}),
        change=f"INSERT INTO rules VALUES {rows}, {later}",
    )
    published = publish(settings, staged, quiet)
    cases = read(settings, schema.cases)
    states = [expected_state(case, published.cutoff, rules) for case in cases.itertuples()]
    assert cases["state"].tolist() == states


def test_a_later_export_replaces_cases_by_id(settings: Settings) -> None:
    first = publish(settings, stage(settings, cases=1000), quiet)
    before = read(settings, schema.cases).set_index("case_id")
    change = (
        "UPDATE incoming SET summary = '后来的', closed = true,"
        " created_at = created_at + INTERVAL 1 MINUTE"
    )
    second = publish(
        settings,
        stage(settings, cases=500, shift=800, change=change, tables=frozenset()),
        quiet,
    )
    assert (first.key, second.key) == ("real-1.1", "real-1.2")
    assert (second.cases, second.changed) == (1300, True)
    cases = read(settings, schema.cases).set_index("case_id")
    replaced = cases[cases["summary"] == "后来的"]
    assert len(replaced) == 500
    assert len(before.index.intersection(replaced.index)) == 200
    untouched = cases.index.intersection(before.index).difference(replaced.index)
    assert len(untouched) == 800
    said = [column.name for column in schema.SOURCE_COLUMNS if column.name != "case_id"]
    pd.testing.assert_frame_equal(cases.loc[untouched, said], before.loc[untouched, said])
    # The reference tables were carried over; read = kept + merged + rejected.
    assert len(read(settings, schema.subdistricts)) == 343
    loads = read(settings, schema.loads).sort_values("version", ignore_index=True)
    columns = ["version", "rows_read", "rows_kept", "rows_merged", "rows_rejected"]
    assert loads[columns].to_numpy().tolist() == [[1, 1000, 1000, 0, 0], [2, 500, 300, 200, 0]]


def test_merged_rows_of_several_files_add_up(settings: Settings) -> None:
    publish(settings, stage(settings, cases=1000), quiet)
    change = (
        "UPDATE loads SET rows_read = 100, rows_merged = 5, rows_rejected = 10;"
        "INSERT INTO loads SELECT * REPLACE ('b.csv' AS source, 420 AS rows_read) FROM loads"
    )
    publish(settings, stage(settings, cases=490, shift=800, change=change), quiet)
    loads = read(settings, schema.loads).query("version == 2").sort_values("source")
    counts = loads[["rows_read", "rows_kept", "rows_merged", "rows_rejected"]]
    assert counts.sum().tolist() == [520, 290, 210, 20]
    assert (counts["rows_read"] == counts.iloc[:, 1:].sum(axis=1)).all()
    assert (counts["rows_kept"] >= 0).all()


def test_the_same_content_twice_makes_no_version(settings: Settings) -> None:
    publish(settings, stage(settings), quiet)
    again = publish(settings, stage(settings), quiet)
    assert (again.key, again.changed) == ("real-1.1", False)
    part = publish(settings, stage(settings, cases=10, tables=frozenset()), quiet)
    assert (part.key, part.changed) == ("real-1.1", False)
    assert kept_keys(settings) == ["real-1.1"]
    assert leftovers(settings) == []


@pytest.mark.parametrize(
    "difference",
    [
        {"change": "UPDATE incoming SET closed = NOT closed WHERE rowid = 5"},
        {"change": "UPDATE incoming SET unit_text = '' WHERE rowid = 5"},
        {"change": "UPDATE districts SET population = NULL WHERE id = 3"},
        {"change": "DELETE FROM topic_categories WHERE topic_id = 4"},
        {"cutoff": dt.datetime(2021, 1, 1)},
        {"city": "另一城市"},
        {"shift": 1},
    ],
)
def test_any_difference_makes_a_version(settings: Settings, difference: dict[str, Any]) -> None:
    publish(settings, stage(settings), quiet)
    assert publish(settings, stage(settings, **difference), quiet).key == "real-1.2"


def test_small_tables_alone(settings: Settings) -> None:
    cutoff = dt.datetime(2020, 12, 31, 23, 59)
    publish(settings, stage(settings, cutoff=cutoff, city="某市"), quiet)
    staged = stage(
        settings,
        cases=0,
        tables=frozenset({"progress"}),
        change="INSERT INTO progress VALUES (1, NULL, DATE '2021-03-31', 24000, false)",
    )
    published = publish(settings, staged, quiet)
    assert (published.key, published.cases, published.city) == ("real-1.2", 1000, "某市")
    assert published.cutoff >= cutoff
    assert len(read(settings, schema.progress)) == 1
    assert len(read(settings, schema.topics)) == 27


def test_reference_data_can_come_before_any_case(settings: Settings) -> None:
    published = publish(settings, stage(settings, cases=0), quiet)
    assert (published.cases, published.first_day) == (0, None)
    with_cases = publish(settings, stage(settings, tables=frozenset()), quiet)
    assert with_cases.cutoff < dt.datetime(2021, 12, 31)


def test_the_cutoff_goes_back_only_when_told(settings: Settings) -> None:
    cutoff = dt.datetime(2021, 12, 31)
    publish(settings, stage(settings, cutoff=cutoff), quiet)
    assert publish(settings, stage(settings, shift=1000), quiet).cutoff == cutoff
    earlier = dt.datetime(2021, 1, 1)
    assert publish(settings, stage(settings, shift=2000, cutoff=earlier), quiet).cutoff == earlier


def test_times_in_the_future_do_not_make_the_cutoff(settings: Settings) -> None:
    change = "UPDATE incoming SET closed_at = TIMESTAMP '2999-01-01' WHERE case_id LIKE '%7'"
    published = publish(settings, stage(settings, change=change), quiet)
    assert published.cutoff < dt.datetime(2021, 12, 31)
    staged = stage(settings, shift=5, cutoff=dt.datetime(2999, 1, 1))
    with pytest.raises(PublishError, match="将来"):
        publish(settings, staged, quiet)


def test_demo_and_real_data_never_mix(settings: Settings) -> None:
    demo = publish(settings, stage(settings, line="demo"), quiet)
    real = publish(settings, stage(settings, cases=10, shift=5000), quiet)
    again = publish(settings, stage(settings, line="demo", cases=20, shift=9000), quiet)
    other = publish(settings, stage(settings, cases=30), quiet)
    following = publish(settings, stage(settings, cases=30, shift=30), quiet)
    new = publish(settings, stage(settings, cases=40, new_line=True), quiet)
    made = [demo, real, again, other, following, new]
    assert [(version.key, version.cases) for version in made] == [
        ("demo.1", 1000),
        ("real-1.1", 10),
        ("demo.2", 20),
        ("real-2.1", 30),
        ("real-2.2", 60),
        ("real-3.1", 40),
    ]
    assert read(settings, schema.version_info)["is_demo"].tolist() == [False]
    assert read(settings, schema.version_info, "demo.2")["is_demo"].tolist() == [True]


def test_a_demo_replaces_a_demo(settings: Settings) -> None:
    publish(settings, stage(settings, line="demo"), quiet)
    smaller = publish(settings, stage(settings, line="demo", cases=500), quiet)
    assert (smaller.key, smaller.cases) == ("demo.2", 500)
    same = publish(settings, stage(settings, line="demo", cases=500), quiet)
    assert (same.key, same.changed) == ("demo.2", False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("INSERT INTO incoming SELECT * FROM incoming LIMIT 1", "重复的工单编号"),
        ("ALTER TABLE incoming DROP COLUMN closed", "发布失败"),
    ],
)
def test_bad_staging_is_refused(settings: Settings, change: str, message: str) -> None:
    publish(settings, stage(settings, cases=100), quiet)
    with pytest.raises(PublishError, match=message):
        publish(settings, stage(settings, shift=50, change=change), quiet)
    assert kept_keys(settings) == ["real-1.1"]
    assert leftovers(settings) == []


def test_texts_survive(settings: Settings) -> None:
    texts = ["", '引"号,\n换行\r\n', "\\N", "'; DROP TABLE cases --", "表情😀", "\ttab", "NULL"]
    cases = ", ".join(
        f"('{number:012d}', '{text.replace(chr(39), chr(39) * 2)}')"
        for number, text in enumerate(texts)
    )
    change = (
        f"CREATE TABLE texts AS SELECT * FROM (VALUES {cases}) t(case_id, summary);"
        "UPDATE incoming SET case_id = printf('%012d', rowid), summary = NULL;"
        "UPDATE incoming SET summary = t.summary FROM texts t WHERE t.case_id = incoming.case_id"
    )
    publish(settings, stage(settings, cases=len(texts) + 1, change=change), quiet)
    cases_read = read(settings, schema.cases).sort_values("case_id")
    assert cases_read["summary"].tolist()[:-1] == texts
    assert pd.isna(cases_read["summary"].tolist()[-1])


# --- Versions ----------------------------------------------------------------------------------


def make_versions(settings: Settings, count: int) -> list[PublishedVersion]:
    """Publish versions with 100, 200, … cases."""
    return [
        publish(settings, stage(settings, cases=100, shift=100 * number), quiet)
        for number in range(count)
    ]


def test_the_last_versions_are_kept(settings: Settings) -> None:
    publish(settings, stage(settings, line="demo"), quiet)
    make_versions(settings, 5)
    assert kept_keys(settings) == ["real-1.5", "real-1.4", "real-1.3", "demo.1"]
    listed = versions(settings)
    assert [version.is_current for version in listed] == [True, False, False, False]
    assert [version.cases for version in listed] == [500, 400, 300, 1000]


def test_rollback_and_the_load_after_it(settings: Settings) -> None:
    make_versions(settings, 3)
    assert rollback(settings).key == "real-1.2"
    assert rollback(settings).key == "real-1.1"
    with pytest.raises(StoreError, match=r"real-1\.2、real-1\.3"):
        rollback(settings)
    assert rollback(settings, "3").key == "real-1.3"
    back = rollback(settings, "real-1.2")
    assert (back.is_current, back.cases) == (True, 200)
    assert len(read(settings, schema.cases)) == 200
    # The load builds on the version in use; the number of the one left behind is not used again.
    published = publish(settings, stage(settings, cases=50, shift=9000), quiet)
    assert (published.key, published.cases) == ("real-1.4", 250)
    assert kept_keys(settings) == ["real-1.4", "real-1.2", "real-1.1"]


@pytest.mark.parametrize("target", ["9", "real-2.1", "../../etc/passwd", "demo.1", ""])
def test_rollback_to_nothing_known(settings: Settings, target: str) -> None:
    with pytest.raises(StoreError, match="还没有发布"):
        rollback(settings, target)
    make_versions(settings, 2)
    with pytest.raises(StoreError, match="没有可以回退"):
        rollback(settings, target)
    assert versions(settings)[0].is_current


def test_a_version_of_another_layout(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "LAYOUT", schema.LAYOUT - 1)
        make_versions(settings, 1)
    store = open_store(settings)
    with pytest.raises(StoreError, match=r"real-1\.1 由另一版程序生成"):
        store.current()
    assert store.get("real-1.1") is None
    # It is listed, nothing is merged with it, and nothing goes back to it.
    assert [(one.key, one.cases) for one in versions(settings)] == [("real-1.1", 100)]
    with pytest.raises(PublishError, match="由另一版程序生成"):
        publish(settings, stage(settings, cases=50, shift=9000), quiet)
    anew = publish(settings, stage(settings, cases=50, new_line=True), quiet)
    assert (anew.key, anew.cases) == ("real-2.1", 50)
    with pytest.raises(StoreError, match="由另一版程序生成"):
        rollback(settings, "real-1.1")
    store.close()
    snapshot = store.current()
    assert snapshot is not None
    assert snapshot.key == "real-2.1"
    store.close()


def test_a_demo_of_another_layout_is_made_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "LAYOUT", schema.LAYOUT - 1)
        publish(settings, stage(settings, cases=50, line="demo"), quiet)
    again = publish(settings, stage(settings, cases=50, line="demo"), quiet)
    assert (again.key, again.cases, again.changed) == ("demo.2", 50, True)


def test_nothing_published(settings: Settings) -> None:
    assert versions(settings) == []


def test_published_files_are_read_only(settings: Settings) -> None:
    if settings.database_url:
        store = open_store(settings)
        make_versions(settings, 1)
        snapshot = store.current()
        assert snapshot is not None
        with snapshot.engine.connect() as connection, pytest.raises(sa.exc.InternalError):
            connection.execute(sa.delete(schema.cases))
        store.close()
        return
    make_versions(settings, 1)
    (path,) = settings.data_dir.glob("versions/real-1/*")
    assert path.stat().st_mode & 0o777 == 0o444


# --- One loader --------------------------------------------------------------------------------


def hold_lock(settings: Settings, ready: Any) -> None:
    with loader_lock(settings):
        ready.set()
        time.sleep(60)


def started(target: Callable[..., None], *arguments: object) -> Any:
    process = spawn.Process(target=target, args=arguments)
    process.start()
    return process


def test_a_second_loader_is_refused_at_once_and_a_dead_one_is_no_obstacle(
    settings: Settings,
) -> None:
    staged = stage(settings)
    ready = spawn.Event()
    holder = started(hold_lock, settings, ready)
    assert ready.wait(30)
    before = time.monotonic()
    with pytest.raises(LockedError, match="另一个导入"):
        publish(settings, staged, quiet)
    with pytest.raises(LockedError):
        rollback(settings)
    assert time.monotonic() - before < 5
    holder.kill()
    holder.join()
    retry_while_locked(lambda: publish(settings, stage(settings), quiet))


def retry_while_locked(load: Callable[[], PublishedVersion]) -> PublishedVersion:
    """Return the loaded version; PostgreSQL needs a moment to notice that a client is dead."""
    for _ in range(100):
        try:
            return load()
        except LockedError:
            time.sleep(0.1)
    return load()


def test_loaders_on_two_machines(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    with loader_lock(settings), loader_lock(settings):
        if settings.database_url:
            with pytest.raises(LockedError, match="另一台机器"), loader_lock(elsewhere):
                pass
    with loader_lock(elsewhere):
        pass


def test_the_lock_clears_leftovers(settings: Settings) -> None:
    make_versions(settings, 1)
    staging = staging_dir(settings)
    (staging / "old.duckdb").write_bytes(b"x")
    (staging / "spill").mkdir()
    (staging / "spill" / "part").write_bytes(b"x")
    building = settings.data_dir / "versions" / "real-1" / "000002.building"
    building.parent.mkdir(parents=True, exist_ok=True)
    building.write_bytes(b"x")
    building.with_suffix(".building.wal").write_bytes(b"x")
    (settings.data_dir / "current.json.building").write_bytes(b"x")
    with loader_lock(settings):
        assert leftovers(settings) == []
        (staging / "new.duckdb").write_bytes(b"x")
    assert leftovers(settings) == []


# --- Breaking off ------------------------------------------------------------------------------


class RefusedError(Exception):
    """What a failing step raises."""


def at(step: str, act: Callable[[], None]) -> Progress:
    """Return a progress report that acts when it is told of a step."""

    def report(label: str, _share: float) -> None:
        if label == step:
            act()

    return report


def serving(settings: Settings) -> tuple[str, int]:
    """Return the current version and its number of cases, as a reader sees them."""
    store = open_store(settings)
    try:
        snapshot = store.current()
        assert snapshot is not None
        return snapshot.key, count_cases(snapshot)
    finally:
        store.close()


def count_cases(snapshot: Snapshot) -> int:
    with snapshot.engine.connect() as connection:
        statement = sa.select(sa.func.count()).select_from(schema.cases)
        return int(connection.execute(statement).scalar_one())


def refuse() -> None:
    raise RefusedError


@pytest.mark.parametrize("step", STEPS)
def test_an_exception_at_any_step_leaves_the_old_version(settings: Settings, step: str) -> None:
    make_versions(settings, 1)
    staged = stage(settings, cases=100, shift=500)
    with pytest.raises(RefusedError):
        publish(settings, staged, at(step, refuse))
    assert serving(settings) == ("real-1.1", 100)
    assert leftovers(settings) == []
    published = publish(settings, stage(settings, cases=100, shift=500), quiet)
    assert published.cases == 200
    assert serving(settings) == (published.key, 200)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def publish_and_die(settings: Settings, staged: Staged, step: str) -> None:
    publish(settings, staged, at(step, kill_self))


@pytest.mark.parametrize("step", ["读取暂存数据", "写入磁盘", "切换版本", "完成"])
def test_kill_9_at_a_step(settings: Settings, step: str) -> None:
    make_versions(settings, 1)
    loader = started(publish_and_die, settings, stage(settings, cases=100, shift=500), step)
    loader.join(60)
    assert loader.exitcode == -signal.SIGKILL
    survivor = ("real-1.2", 200) if step == "完成" else ("real-1.1", 100)
    assert serving(settings) == survivor
    published = retry_while_locked(
        lambda: publish(settings, stage(settings, cases=100, shift=900), quiet)
    )
    assert published.cases == survivor[1] + 100
    assert leftovers(settings) == []
    assert serving(settings) == (published.key, published.cases)


def publish_and_tell(settings: Settings, staged: Staged, merging: Any) -> None:
    publish(settings, staged, at("合并诉求", merging.set))


@pytest.mark.parametrize("delay", [0.02, 0.2, 0.5])
def test_kill_9_while_a_statement_runs(settings: Settings, delay: float) -> None:
    make_versions(settings, 1)
    merging = spawn.Event()
    staged = stage(settings, cases=50_000, shift=500)
    loader = started(publish_and_tell, settings, staged, merging)
    assert merging.wait(60)
    time.sleep(delay)
    loader.kill()
    loader.join()
    assert serving(settings) in {("real-1.1", 100), ("real-1.2", 50_100)}
    retry_while_locked(lambda: publish(settings, stage(settings, cases=10, shift=900_000), quiet))
    assert leftovers(settings) == []


def publish_on_a_full_disk(settings: Settings, staged: Staged, outcome: Any) -> None:
    # No file may grow beyond this: what a full disk does, without needing one. The version is
    # several times as large.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    try:
        publish(settings, staged, quiet)
        outcome.put("published")
    except PublishError as error:
        outcome.put(str(error))


def test_a_full_disk_leaves_the_old_version(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "var")
    make_versions(settings, 1)
    staged = stage(settings, cases=100_000, shift=500)
    outcome = spawn.Queue()
    loader = started(publish_on_a_full_disk, settings, staged, outcome)
    assert "现有版本不受影响" in outcome.get(timeout=60)
    loader.join()
    assert loader.exitcode == 0
    assert serving(settings) == ("real-1.1", 100)
    assert leftovers(settings) == []
    published = publish(settings, stage(settings, cases=100_000, shift=500), quiet)
    (path,) = settings.data_dir.glob("versions/real-1/000002.duckdb")
    assert path.stat().st_size > 4_000_000
    assert serving(settings) == (published.key, 100_100)


def test_a_version_that_cannot_be_opened_is_not_published(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_versions(settings, 1)
    staged = stage(settings, shift=500)
    kind = SchemaVersions if settings.database_url else FileVersions
    genuine = kind.reader

    def broken(self: Any, key: Any) -> Any:
        if key.version == 2:
            raise StoreError("打不开")
        return genuine(self, key)

    monkeypatch.setattr(kind, "reader", broken)
    with pytest.raises(StoreError, match="打不开"):
        publish(settings, staged, quiet)
    monkeypatch.undo()
    assert kept_keys(settings) == ["real-1.1"]
    assert serving(settings) == ("real-1.1", 100)


# --- Readers meanwhile -------------------------------------------------------------------------


def keep_reading(settings: Settings, stop: Any, seen: Any) -> None:
    """Tell every version that was current, with what three queries in a row say of it."""
    store = open_store(settings)
    told = None
    while True:
        last = stop.is_set()
        snapshot = store.current()
        assert snapshot is not None
        with snapshot.engine.connect() as connection:
            number = connection.execute(sa.select(schema.version_info.c.version)).scalar_one()
            counted = sa.select(sa.func.sum(schema.daily_place.c.cases))
            answer = (
                snapshot.key,
                number,
                count_cases(snapshot),
                int(connection.execute(counted).scalar_one()),
            )
        if answer != told:
            seen.put(answer)
            told = answer
        if last:
            break
    store.close()
    seen.put(None)


def test_readers_see_the_old_version_or_the_new_one(settings: Settings) -> None:
    store = open_store(settings)
    first = make_versions(settings, 1)[0]
    pinned = store.current()
    assert pinned is not None
    stop, seen = spawn.Event(), spawn.Queue()
    readers = [started(keep_reading, settings, stop, seen) for _ in range(2)]
    answers = [seen.get(timeout=60) for _ in readers]
    for number in (1, 2):
        publish(settings, stage(settings, cases=100, shift=100 * number), quiet)
    time.sleep(1.2)  # PostgreSQL is asked for a new version once a second
    stop.set()
    endings = 0
    while endings < len(readers):
        answer = seen.get(timeout=60)
        endings += answer is None
        if answer is not None:
            answers.append(answer)
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    published = {version.key: version for version in (first, *versions(settings))}
    for key, number, cases, counted in answers:
        assert published[key].version == number
        assert published[key].cases == cases
        assert counted == read(settings, schema.cases, key)["assessed"].sum()
    assert {answer[0] for answer in answers} >= {"real-1.1", "real-1.3"}

    # A page that was opened on the old version goes on with it.
    time.sleep(0.2)
    old = store.get(pinned.key)
    current = store.current()
    assert old is pinned
    assert current is not None
    assert (count_cases(old), count_cases(current)) == (100, 300)
    store.close()
