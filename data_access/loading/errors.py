"""What stops a load, said so that a data officer can act on it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


class LoadError(Exception):
    """A load that cannot go on; the message, in Chinese, says where, why and what to do."""

    exit_code = 1


class ConfirmationNeededError(LoadError):
    """Too much was rejected or damaged: a person has to look and say ``--accept``."""

    exit_code = 3


class DiskFullError(LoadError):
    """There is not, or may not be, enough room on the disk."""

    exit_code = 5


_FULL = ("no space left", "disk full", "not enough space", "max_temp_directory_size")


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a full disk, too little memory and other failures of DuckDB into a ``LoadError``."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        said = str(error).lower()
        if getattr(error, "errno", None) == errno.ENOSPC or any(word in said for word in _FULL):
            raise DiskFullError(
                "磁盘已满，导入中止，原有数据不受影响。请腾出空间后重新导入"
            ) from error
        if isinstance(error, duckdb.OutOfMemoryException):
            raise LoadError(
                "内存不足，导入中止，原有数据不受影响。请调大 BOARD_LOADER_MEMORY_LIMIT 后重试"
            ) from error
        if isinstance(error, duckdb.Error):
            first_line = str(error).splitlines()[0]
            raise LoadError(f"数据库处理失败，导入中止，原有数据不受影响：{first_line}") from error
        raise
