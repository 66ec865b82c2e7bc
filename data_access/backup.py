"""One file that holds what an installation cannot make again, and the way back from it.

It has the published version that is current, as the file that it is, and the office book (accounts,
audit, packets …) where that is an SQLite file. What is on a PostgreSQL server is that server's to
back up: ``pg_dump`` reads one consistent state while everybody works.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_access.schema import LAYOUT
from data_access.settings import Settings
from data_access.versions import FileVersions, StoreError, VersionKey, loader_lock

FORMAT = 1
_MANIFEST, _CASES, _OFFICE = "manifest.json", "version.duckdb", "office.sqlite"


class BackupError(StoreError):
    """The backup cannot be made or restored; nothing has changed. The message is in Chinese."""


@dataclass(frozen=True)
class Backup:
    """What a backup file holds; ``version`` and ``office`` are None where it has no such part."""

    made_at: dt.datetime
    layout: int
    version: VersionKey | None
    office: bool
    bytes: int


def back_up(settings: Settings, target: Path, office: Path | None) -> Backup:
    """Write a backup file while the board serves; loads wait outside.

    Args:
        settings: of the installation.
        target: a file that does not exist yet.
        office: the SQLite file of the office book; None where it is elsewhere.

    Raises:
        BackupError: nothing to back up, or the target is there already.
        LockedError: a load is running.
    """
    if target.exists():
        raise BackupError(f"{target} 已存在，没有覆盖")
    versions = FileVersions(settings)
    parts: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:
        key = None
        if not settings.database_url:
            # A load could drop the version while it is being read.
            stack.enter_context(loader_lock(settings))
            key = versions.current()
            if key is not None:
                parts[_CASES] = versions.path(key)
        if office is not None and office.is_file():
            parts[_OFFICE] = stack.enter_context(_consistent_copy(office, target.parent))
        if not parts:
            raise BackupError(
                "没有可备份的文件：还没有发布数据，或数据在 PostgreSQL 上（用 pg_dump）"
            )
        manifest = {
            "format": FORMAT,
            "layout": LAYOUT,
            "made_at": dt.datetime.now().isoformat(timespec="seconds"),
            "version": None if key is None else str(key),
            "sha256": {name: _sha256(path) for name, path in parts.items()},
        }
        unfinished = target.with_name(target.name + ".unfinished")
        try:
            # It holds password hashes.
            unfinished.touch(mode=0o600)
            with tarfile.open(unfinished, "w") as archive:
                _add_text(archive, _MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
                for name, path in parts.items():
                    archive.add(path, name)
            _sync(unfinished)
            # In one step: a file of this name is whole.
            unfinished.rename(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return _described(manifest, target)


def look(source: Path) -> Backup:
    """Return what a backup file holds, every part checked against its sum.

    Raises:
        BackupError: no backup, cut off, or changed.
    """
    with _opened(source) as archive:
        manifest = _manifest(archive)
        for name, wanted in manifest["sha256"].items():
            digest = hashlib.sha256()
            stream = archive.extractfile(_member(archive, name))
            assert stream is not None  # a regular file
            while block := stream.read(1 << 20):
                digest.update(block)
            if digest.hexdigest() != wanted:
                raise BackupError(f"备份损坏：{name} 与校验值不符")
    return _described(manifest, source)


def restore(settings: Settings, source: Path, office: Path | None, *, force: bool) -> Backup:
    """Put back what a backup file holds. Serving processes follow at their next request.

    The version gets its own number again where that is free or holds the same, else a new one on
    its line: a number is never used twice. The office book is put back only where there is none,
    or with ``force``; the server must not run then.

    Raises:
        BackupError: not a backup, damaged, of another layout, or it would replace an office book.
        LockedError: a load is running.
    """
    held = look(source)
    if held.layout != LAYOUT:
        raise BackupError(f"备份由另一版程序生成（表结构 {held.layout}，本程序 {LAYOUT}）")
    if held.version is not None and settings.database_url:
        raise BackupError("备份含 DuckDB 数据，而当前设置使用 PostgreSQL，没有恢复")
    if held.office and office is not None and office.exists() and not force:
        raise BackupError(f"{office.name} 已存在；确要用备份替换，请先停止服务，再加 --force")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _opened(source) as archive, loader_lock(settings):
        if held.version is not None:
            _put_back_version(settings, archive, held.version)
        if held.office and office is not None:
            office.parent.mkdir(parents=True, exist_ok=True)
            building = office.with_name(office.name + ".building")
            _extract(archive, _OFFICE, building)
            for suffix in ("-journal", "-wal", "-shm"):
                # What was under way in the replaced file must not be applied to the new one.
                office.with_name(office.name + suffix).unlink(missing_ok=True)
            building.replace(office)
            _sync(office.parent)
    return held


def _put_back_version(settings: Settings, archive: tarfile.TarFile, key: VersionKey) -> None:
    versions = FileVersions(settings)
    wanted = _manifest(archive)["sha256"][_CASES]
    used = [each.version for each in versions.kept() if each.line == key.line]
    if not (versions.path(key).is_file() and _sha256(versions.path(key)) == wanted):
        if key.version in used:
            key = VersionKey(key.line, max(used) + 1)
        building = versions.building_path(key)
        building.parent.mkdir(parents=True, exist_ok=True)
        _extract(archive, _CASES, building)
        versions.publish(key)
    versions.switch(key)


@contextlib.contextmanager
def _consistent_copy(office: Path, folder: Path) -> Iterator[Path]:
    """Yield a copy of an SQLite file in one consistent state, whoever writes meanwhile."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        copy = Path(temporary) / _OFFICE
        with (
            contextlib.closing(sqlite3.connect(office)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        yield copy


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:") as archive:
            yield archive
    except FileNotFoundError:
        raise BackupError(f"{source} 不存在") from None
    except (tarfile.TarError, EOFError, KeyError, ValueError, TypeError) as error:
        raise BackupError(f"{source.name} 不是完整的备份文件：{error}") from None


def _manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    stream = archive.extractfile(_member(archive, _MANIFEST))
    assert stream is not None  # a regular file
    manifest: dict[str, Any] = json.loads(stream.read(1 << 20))
    if manifest["format"] != FORMAT:
        raise BackupError(f"备份格式 {manifest['format']} 不认识")
    return manifest


def _member(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """Return a part by its name, never a path or a link that somebody put into the file."""
    member = archive.getmember(name)
    if not member.isreg() or name not in (_MANIFEST, _CASES, _OFFICE):
        raise BackupError(f"备份中的 {name} 不是文件")
    return member


def _extract(archive: tarfile.TarFile, name: str, path: Path) -> None:
    stream = archive.extractfile(_member(archive, name))
    assert stream is not None  # a regular file
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        archive.add(file.name, name)


def _described(manifest: dict[str, Any], path: Path) -> Backup:
    version = manifest["version"]
    return Backup(
        dt.datetime.fromisoformat(str(manifest["made_at"])),
        int(manifest["layout"]),
        None if version is None else VersionKey.parse(str(version)),
        _OFFICE in manifest["sha256"],
        path.stat().st_size,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
