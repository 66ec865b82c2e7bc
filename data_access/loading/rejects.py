"""The reject file: every row that could not become a case, with its line and the reason."""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from .privacy import mask

_KEEP_FILES = 30
# What a field of a torn row may show: its place says nothing about what it is, so only what looks
# like a number, a date or a code can be no name and no address.
_HARMLESS = re.compile(r"[A-Za-z]{0,8}[0-9][0-9\-:/. T]*")
_WITHHELD = "（略）"
# What a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class RejectFile:
    """A CSV (UTF-8 with BOM) that is made when the first row is rejected."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._lock = threading.Lock()

    def add(self, source: str, line: int, reason: str, content: str) -> None:
        """Write one row; threads may do so at the same time."""
        with self._lock:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8-sig", newline="")
                csv.writer(self._file).writerow(("文件", "行号", "原因", "原始内容"))
            csv.writer(self._file).writerow((_guarded(source), line, reason, _guarded(content)))

    def close(self) -> None:
        """End the file and remove the oldest ones."""
        if self._file is not None:
            self._file.close()
            self._file = None
            for old in sorted(self.path.parent.glob("*.csv"))[:-_KEEP_FILES]:
                old.unlink()

    @property
    def written(self) -> bool:
        """Whether any row was rejected."""
        return self.path.exists()


def _guarded(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def torn_content(fields: Sequence[str], *, personal: bool) -> str:
    """Return what the reject file shows of a row whose fields may be in the wrong columns.

    ``personal``: the source has columns that must not be stored, and any field may be from one.
    """
    shown = (
        mask(field) if not personal or _HARMLESS.fullmatch(field.strip()) else _WITHHELD
        for field in fields[:200]
    )
    return "；".join(f"第{n}项={text}" for n, text in enumerate(shown, start=1) if text.strip())


def row_content(fields: Mapping[str, str | None]) -> str:
    """Return what the reject file shows of a whole row: column → text, mapped columns only."""
    return "；".join(f"{column}={mask(text)}" for column, text in fields.items() if text)
