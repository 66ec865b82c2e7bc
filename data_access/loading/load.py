"""One load from files to a published version."""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb
import sqlalchemy as sa

from data_access import schema
from data_access.publishing import SHANGHAI, PublishedVersion, Staged, publish
from data_access.settings import Settings
from data_access.store import Snapshot, Store, open_store
from data_access.versions import loader_lock, staging_dir
from domain.rules import Rules, rules_from_rows, rules_in_force

from .account import Account, FileAccount
from .case_staging import CaseFile, stage_cases
from .errors import ConfirmationNeededError, DiskFullError, LoadError, database_errors
from .mapping import Mapping, mapping_from, mapping_without_file, propose, read_document
from .placing import Learner
from .rejects import RejectFile
from .scorecard import SCORECARD, Scorecard, load_scorecard, scorecard_from
from .small_tables import SmallTables, create_table, insert_rows
from .sources import ReadOptions, Source, find_files, first_rows, open_sources
from .table_files import TABLE_FILES, TABLE_ORDER, load_table, log_projects

CASES = schema.cases.name
# What ``--table`` takes.
_TABLES = (CASES, SCORECARD, *TABLE_FILES)

# Room that a load takes on the disk, in bytes per byte of text: staging and the new version.
_DISK_PER_TEXT = 1.5
# How much text a byte of a packed format holds, where it cannot be asked.
_TEXT_PER_BYTE = {b"\x1f\x8b": 6, b"PAR1": 6, b"PK": 1}


class Progress(Protocol):
    """Where a load says how far it is."""

    def start(self, total_bytes: int) -> None:
        """Begin to read files of so many bytes in all."""
        ...

    def advance(self, read_bytes: int) -> None:
        """So many more bytes were read."""
        ...

    def stage(self, what: str, share: float | None = None) -> None:
        """What (Chinese) is being done now, and the share (0–1) of all that is behind."""
        ...


@dataclass(frozen=True)
class LoadRequest:
    """What a load was asked for.

    ``table`` None: told by each file's name, else what the mapping is for, else cases. ``city``
    None: as in the mapping, else as before.
    """

    paths: Sequence[Path]
    mapping: Path | None = None
    table: str | None = None
    learn: bool = False
    dry_run: bool = False
    accept: bool = False
    cutoff: dt.datetime | None = None
    new_line: bool = False
    city: str | None = None


@dataclass
class LoadResult:
    """What a load did: the account, and the version (None: a trial, nothing was published)."""

    account: Account
    published: PublishedVersion | None = None
    rejects: Path | None = None
    hints: list[str] = field(default_factory=list)


class TooMuchDamageError(ConfirmationNeededError):
    """More was rejected or damaged than the rules allow; carries what the account says."""

    def __init__(self, message: str, result: LoadResult) -> None:
        super().__init__(message)
        self.result = result


def load(settings: Settings, request: LoadRequest, progress: Progress) -> LoadResult:
    """Return the account of a load and the version it published, all or nothing.

    Raises:
        LoadError: the files or the mapping cannot be used; nothing has changed.
        ConfirmationNeededError: too much would be rejected or damaged; nothing has changed.
        DiskFullError: there is not, or may not be, enough room; nothing has changed.
        StoreError: another load is running, or publishing failed; nothing has changed.
    """
    if request.table is not None and request.table not in _TABLES:
        raise LoadError(f"没有名为“{request.table}”的表；可写：{'、'.join(_TABLES)}")
    mapping = _read_mapping(request.mapping) if request.mapping else None
    files, ignored = find_files(request.paths)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with loader_lock(settings):
        store = open_store(settings)
        try:
            _check_room(settings, files, store)
            return _Load(settings, request, mapping, files, ignored, store, progress).run()
        finally:
            store.close()


def _read_mapping(path: Path) -> Mapping | Scorecard:
    document = read_document(path)
    read = scorecard_from if SCORECARD in document else mapping_from
    return read(document, path.name)


class _Load:
    def __init__(
        self,
        settings: Settings,
        request: LoadRequest,
        mapping: Mapping | Scorecard | None,
        files: Sequence[Path],
        ignored: Sequence[Path],
        store: Store,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._request = request
        self._mapping = mapping
        self._files = files
        self._ignored = ignored
        self._store = store
        self._progress = progress
        self._now = dt.datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0)
        current = store.current()
        starts_empty = current is None or current.is_demo or request.new_line
        self._base: Snapshot | None = None if starts_empty else current
        self._tables = SmallTables(self._base)
        self._learner = Learner(self._tables, request.learn)
        self._rejects = RejectFile(settings.data_dir / "rejects" / f"{self._now:%Y%m%d-%H%M%S}.csv")

    def run(self) -> LoadResult:
        cases, scorecards, small = self._opened()
        path = staging_dir(self._settings) / "load.duckdb"
        self._progress.start(
            sum(file.source.bytes for file in cases)
            + sum(source.bytes for source, _ in (*scorecards, *small))
        )
        account = Account([])
        try:
            with (
                database_errors(),
                _collector_paused(),
                duckdb.connect(str(path)) as connection,
            ):
                self._configure(connection)
                cutoff = self._cutoff_of_tables()
                ledger = self._tables.rows("projects")
                for source, file_account in scorecards:
                    assert isinstance(self._mapping, Scorecard)
                    load_scorecard(
                        source,
                        self._mapping,
                        self._tables,
                        file_account,
                        cutoff,
                        advance=self._progress.advance,
                    )
                    account.files.append(file_account)
                for source, file_account in small:
                    load_table(
                        source,
                        TABLE_FILES[file_account.table],
                        self._tables,
                        file_account,
                        cutoff,
                        advance=self._progress.advance,
                    )
                    account.files.append(file_account)
                if cases:
                    stage_cases(
                        connection,
                        cases,
                        self._rejects,
                        self._learner,
                        now=self._now,
                        cutoff=self._request.cutoff,
                        advance=self._progress.advance,
                    )
                    account.files += [file.account for file in cases]
                if "projects" in self._tables.changed:
                    log_projects(ledger, self._tables, self._last_day(connection, bool(cases)))
                account.learned = self._learner.learned
                changed = self._tables.write(connection)
                self._write_loads(connection, account)
                if self._request.dry_run and cases and self._base is not None:
                    _merge_with(self._base, connection, account)
        finally:
            self._rejects.close()
        result = LoadResult(
            account,
            rejects=self._rejects.path if self._rejects.written else None,
            hints=self._hints(account, bool(cases), changed),
        )
        self._check_share(result)
        if self._request.dry_run:
            return result
        city = self._request.city or (self._mapping.city if self._mapping else None)
        staged = Staged(
            path=path,
            line="real",
            new_line=self._request.new_line,
            cutoff=self._cutoff(bool(cases)),
            city=city,
            tables=changed,
            has_cases=bool(cases),
        )
        result.published = publish(self._settings, staged, self._progress.stage)
        self._settle_account(result)
        return result

    def _opened(
        self,
    ) -> tuple[list[CaseFile], list[tuple[Source, FileAccount]], list[tuple[Source, FileAccount]]]:
        """Return the cases with their mappings, the scorecards, and the small tables in order."""
        cases: list[CaseFile] = []
        scorecards: list[tuple[Source, FileAccount]] = []
        small: list[tuple[Source, FileAccount]] = []
        mapped = SCORECARD if isinstance(self._mapping, Scorecard) else CASES
        for path in self._files:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            table = self._request.table or _table_named(path.name) or mapped
            is_mapped = self._mapping is not None and table == mapped
            options = self._mapping.options if self._mapping and is_mapped else ReadOptions()
            for source in open_sources(path, options):
                table = self._request.table or _table_named(source.name) or mapped
                account = FileAccount(source.name, sha256, table)
                if table == CASES:
                    cases.append(self._case_file(source, account))
                elif table == SCORECARD:
                    scorecards.append((source, account))
                else:
                    small.append((source, account))
        if scorecards and mapped != SCORECARD:
            raise LoadError("指标表（scorecard）须用 --mapping 指明有 [scorecard] 的映射文件")
        if self._mapping and not (scorecards if mapped == SCORECARD else cases):
            label = "指标表（scorecard）" if mapped == SCORECARD else "诉求（cases）"
            raise LoadError(f"--mapping 的映射文件只用于{label}，这次没有这样的文件")
        if self._ignored:
            names = "、".join(path.name for path in self._ignored[:5])
            first = cases[0].account if cases else (*scorecards, *small)[0][1]
            first.notes.append(f"目录中 {len(self._ignored)} 个不是数据的文件未读：{names}")
        small.sort(key=lambda one: TABLE_ORDER.index(one[1].table))
        return cases, scorecards, small

    def _case_file(self, source: Source, account: FileAccount) -> CaseFile:
        header = source.header
        if isinstance(self._mapping, Mapping):
            mapping = self._mapping
            mapping.check_header(header, source.name)
        else:
            sample = first_rows(source, 200)
            mapping = mapping_without_file(propose(header, sample), source.name)
        used = {column for columns in mapping.columns.values() for column in columns}
        account.say_unused(header, used, mapping.drop)
        return CaseFile(source, mapping, account)

    def _configure(self, connection: duckdb.DuckDBPyConnection) -> None:
        settings = self._settings
        connection.execute(f"SET threads = {settings.loader_threads}")
        connection.execute(f"SET memory_limit = '{settings.loader_memory_limit}'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET autoload_known_extensions = false")

    def _has_older_cases(self) -> bool:
        return self._base is not None and self._base.first_day is not None

    def _cutoff_of_tables(self) -> dt.datetime:
        """Return the cut-off that the dates of small tables are compared with."""
        if self._request.cutoff is not None:
            return self._request.cutoff
        # Where there are no cases, the newest progress decides how far the data goes.
        return self._base.cutoff if self._base and self._has_older_cases() else self._now

    def _cutoff(self, has_cases: bool) -> dt.datetime | None:
        """Return the cut-off to publish with: where there are no cases, the newest progress.

        None leaves it to publishing: the newest time of the cases, or now.
        """
        if self._request.cutoff is not None or has_cases or self._has_older_cases():
            return self._request.cutoff
        days = [row["on_date"] for row in self._tables.rows("progress")]
        newest = max((day for day in days if day <= self._now.date()), default=None)
        if newest is None or newest == self._now.date():
            return None
        return dt.datetime.combine(newest, dt.time(23, 59, 59))

    def _last_day(self, connection: duckdb.DuckDBPyConnection, has_cases: bool) -> dt.date:
        """Return the day of the cut-off that publishing will find."""
        cutoff = self._cutoff(has_cases)
        if cutoff is not None:
            return cutoff.date()
        times = [self._base.cutoff] if self._base and self._has_older_cases() else []
        if has_cases:
            columns = ("created_at", "dispatched_at", "responded_at", "closed_at")
            newest = ", ".join(f"max({name}) FILTER ({name} <= $now)" for name in columns)
            found = connection.execute(f"SELECT {newest} FROM incoming", {"now": self._now})
            times += [time for time in found.fetchone() or () if time is not None]
        return max(times, default=self._now).date()

    def _write_loads(self, connection: duckdb.DuckDBPyConnection, account: Account) -> None:
        create_table(connection, schema.loads)
        insert_rows(
            connection,
            schema.loads,
            [
                {
                    "version": 0,
                    "table_name": file.table,
                    "source": file.name,
                    "sha256": file.sha256,
                    "loaded_at": self._now,
                    "rows_read": file.read,
                    "rows_kept": file.kept,
                    "rows_merged": file.merged,
                    "rows_rejected": file.rejected,
                    "account": json.dumps(file.stored(account.learned), ensure_ascii=False),
                }
                for file in account.files
            ],
        )

    def _rules(self) -> Rules:
        on = (self._request.cutoff or self._now).date()
        return rules_in_force(rules_from_rows(self._tables.rows("rules")), on)

    def _check_share(self, result: LoadResult) -> None:
        rules = self._rules()
        exceeding = result.account.too_many(rules.reject_share)
        cases = [file for file in result.account.files if file.table == CASES]
        if cases and all(file.rejected == file.read for file in cases):
            raise TooMuchDamageError("所有行都被拒收，没有可以发布的诉求；请检查映射和文件", result)
        if not exceeding or self._request.accept or self._request.dry_run:
            return
        limit = f"上限 {rules.reject_share:.0%}（规则 reject_share）"
        raise TooMuchDamageError(
            f"超过{limit}，已停下，没有发布：{'；'.join(exceeding)}。\n"
            "核对上面的账目后，改正文件或映射重新导入；确认无误可加 --accept",
            result,
        )

    def _hints(self, account: Account, has_cases: bool, changed: frozenset[str]) -> list[str]:
        hints = []
        unknown = sum(file.findings.get("unknown_district", 0) for file in account.files)
        if has_cases and unknown and not self._tables.rows("districts"):
            hints.append(
                "还没有区和街道的基础数据，地点都未定位。"
                "北京：与 data_access/reference 目录一起导入；其他城市：加 --learn 从数据中学习"
            )
        if self._base is not None and not has_cases and "topic_categories" in changed:
            hints.append("已有诉求的每月一题归属不变；重新导入诉求后按新的分类归题")
        return hints

    def _settle_account(self, result: LoadResult) -> None:
        """Take over what publishing found: cases that an earlier version has are merged."""
        published = result.published
        assert published is not None
        case_files = [file for file in result.account.files if file.table == CASES]
        if not published.changed:
            for file in case_files:
                file.merged = file.read - file.rejected
            return
        snapshot = self._store.get(published.key)
        assert snapshot is not None
        loads = schema.loads
        with snapshot.engine.connect() as connection:
            rows = connection.execute(
                sa.select(loads.c.source, loads.c.sha256, loads.c.rows_merged).where(
                    loads.c.version == published.version, loads.c.table_name == CASES
                )
            ).all()
        merged = {(row.source, row.sha256): row.rows_merged for row in rows}
        for file in case_files:
            file.merged = merged[file.name, file.sha256]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows are millions of short lists without cycles, which the collector walks in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _table_named(name: str) -> str | None:
    """Return the small table that a file name means: districts.csv, topics.csv.gz, …"""
    stem = Path(name).name.split(".")[0].lower()
    return stem if stem in TABLE_FILES else None


def _merge_with(base: Snapshot, connection: duckdb.DuckDBPyConnection, account: Account) -> None:
    """Count as merged what publishing would merge with the version that is served."""
    connection.execute("CREATE TEMP TABLE known (case_id VARCHAR)")
    with base.engine.connect() as reading:
        result = reading.execution_options(yield_per=100_000).execute(
            sa.select(schema.cases.c.case_id)
        )
        for rows in result.partitions():
            connection.execute(
                "INSERT INTO known SELECT unnest(?::VARCHAR[])", [[row.case_id for row in rows]]
            )
    counted = connection.execute("SELECT count(*) FROM incoming JOIN known USING (case_id)")
    (replaced,) = counted.fetchall()[0]
    for file in account.files:
        if file.table == CASES:
            merged = min(replaced, file.kept)
            file.merged += merged
            replaced -= merged


def _check_room(settings: Settings, files: Sequence[Path], store: Store) -> None:
    """Raise ``DiskFullError`` when the disk has less room than the load may need."""
    text = sum(_text_bytes(path) for path in files)
    versions = settings.data_dir / "versions"
    served = max((path.stat().st_size for path in versions.glob("*/*.duckdb")), default=0)
    needed = int(text * _DISK_PER_TEXT) + served
    free = shutil.disk_usage(settings.data_dir).free
    if needed > free:
        raise DiskFullError(
            f"磁盘空间可能不够：这次导入约需 {_size(needed)}，可用 {_size(free)}。"
            "请腾出空间，或用 BOARD_DATA_DIR 换一个目录，再重新导入"
        )


def _text_bytes(path: Path) -> int:
    """Return about how many bytes of text a file holds unpacked."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    return size * next((n for magic, n in _TEXT_PER_BYTE.items() if start.startswith(magic)), 1)


def _size(count: float) -> str:
    for unit in ("字节", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.1f} {unit}" if unit != "字节" else f"{count:.0f} 字节"
