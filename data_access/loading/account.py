"""What became of every row that was read: the account that a load prints and stores."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .fields import FIELDS
from .privacy import is_personal


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding. ``fields``: whose words are shown as examples.

    ``damaging``: the data lost something, so that many of them stop a load.
    """

    key: str
    label: str
    damaging: bool
    fields: tuple[str, ...]


_PLACE = ("district", "subdistrict")
_CATEGORY = ("category", "category1", "category2", "category3")

FINDING_KINDS: tuple[FindingKind, ...] = (
    FindingKind("unknown_district", "区未定位（保留原文）", True, _PLACE),
    FindingKind("unknown_subdistrict", "街道未定位（保留原文）", True, _PLACE),
    FindingKind("ambiguous_subdistrict", "街道重名且没有区，未定位", True, _PLACE),
    FindingKind("contradicting_place", "街道不属于所写的区，街道未定位", True, _PLACE),
    FindingKind("unknown_category", "问题分类未归类（保留原文）", True, _CATEGORY),
    FindingKind("partial_category", "问题分类只认到上级（保留原文）", True, _CATEGORY),
    FindingKind("unknown_unit", "承办单位未归类（保留原文）", True, ("unit",)),
    FindingKind("unknown_topic", "每月一题对不上，已置空", True, ("topic",)),
    *(
        FindingKind(f"unreadable_{f.name}", f"{f.label}读不出，已置空", True, (f.name,))
        for f in FIELDS
        if f.kind != "text" and f.name != "created_at"
    ),
    FindingKind(
        "closed_before_created", "办结早于受理，办结时间已清除", True, ("created_at", "closed_at")
    ),
    FindingKind("closed_in_future", "办结时间在将来，按未办结计", True, ("closed_at",)),
    FindingKind("created_after_cutoff", "受理时间晚于数据截至", True, ("created_at",)),
    FindingKind(
        "incomplete_revisit",
        "有效回访缺少回答，按无有效回答计",
        True,
        ("contacted", "resolved"),
    ),
    FindingKind("damaged_text", "含无法解码的字符（显示为 \ufffd）", True, ()),
    FindingKind("masked_numbers", "疑似电话、证件号已隐去", False, ()),
)
FINDING_BIT = {kind.key: 1 << position for position, kind in enumerate(FINDING_KINDS)}


@dataclass
class FileAccount:
    """The account of one file: ``read`` = ``kept`` + ``merged`` + ``rejected``.

    ``merged``: rows that a later row of the same load, or this row of an earlier version, stands
    for. ``findings``: kind → rows; ``examples``: kind → "第 n 行：words".
    """

    name: str
    sha256: str
    table: str = "cases"
    read: int = 0
    merged: int = 0
    rejected: int = 0
    blank: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    personal: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int:
        return self.read - self.merged - self.rejected

    def say_unused(self, header: Sequence[str], used: Collection[str], drop: Sequence[str]) -> None:
        """Note the columns of a file that are not read; ``drop``: those a mapping leaves out."""
        rest = [column for column in header if column and column not in used]
        self.personal = tuple(c for c in rest if c in drop or is_personal(c))
        self.unmapped = tuple(c for c in rest if c not in self.personal)

    def stored(self, learned: dict[str, list[str]]) -> dict[str, Any]:
        """Return what column ``loads.account`` keeps as JSON, under the words that are shown."""
        found = [kind for kind in FINDING_KINDS if kind.key in self.findings]
        return {
            "拒收": self.reasons,
            "发现": {kind.label: self.findings[kind.key] for kind in found},
            "示例": {kind.label: self.examples.get(kind.key, []) for kind in found},
            "空行": self.blank,
            "未读取的个人信息列": list(self.personal),
            "未导入的列": list(self.unmapped),
            "新加入": learned,
            "说明": self.notes,
        }


@dataclass
class Account:
    """The account of a load: its files, and what was learned (label of a table → words)."""

    files: list[FileAccount]
    learned: dict[str, list[str]] = field(default_factory=dict)

    def too_many(self, share: float) -> list[str]:
        """Return, in words, what exceeds a share of the rows read; an empty list when nothing."""
        exceeding = []
        for table in dict.fromkeys(file.table for file in self.files):
            files = [file for file in self.files if file.table == table]
            read = sum(file.read for file in files)
            counts = [("拒收", sum(file.rejected for file in files))]
            counts += [
                (kind.label, sum(file.findings.get(kind.key, 0) for file in files))
                for kind in FINDING_KINDS
                if kind.damaging
            ]
            exceeding += [
                f"{label} {count:,} 行，占 {count / read:.1%}"
                for label, count in counts
                if read and count / read > share
            ]
        return exceeding

    def printed(self) -> str:
        """Return the account as the text that the command line shows."""
        lines = _table(
            ("文件", "读入", "保留", "合并", "拒收"),
            [
                (file.name, *(f"{n:,}" for n in (file.read, file.kept, file.merged, file.rejected)))
                for file in self._with_total()
            ],
        )
        for file in self.files:
            lines += _details(file, with_name=len(self.files) > 1)
        if self.learned:
            lines.append("新加入的基础数据：")
            lines += [
                f"  {label} {len(words):,} 个：{_some(words)}"
                for label, words in self.learned.items()
            ]
        return "\n".join(lines)

    def _with_total(self) -> list[FileAccount]:
        if len(self.files) < 2:
            return self.files
        total = FileAccount(
            "合计",
            "",
            read=sum(file.read for file in self.files),
            merged=sum(file.merged for file in self.files),
            rejected=sum(file.rejected for file in self.files),
        )
        return [*self.files, total]


def _details(file: FileAccount, with_name: bool) -> list[str]:
    lines = [f"  拒收：{reason}，{rows:,} 行" for reason, rows in file.reasons.items()]
    for kind in FINDING_KINDS:
        if rows := file.findings.get(kind.key):
            lines.append(f"  发现：{kind.label}，{rows:,} 行")
            lines += [f"        {example}" for example in file.examples.get(kind.key, ())]
    if file.blank:
        lines.append(f"  空行 {file.blank:,} 行，未计入读入")
    if file.personal:
        lines.append(f"  个人信息列 {len(file.personal)} 列，未读取：{_some(file.personal)}")
    if file.unmapped:
        lines.append(f"  未对应的列 {len(file.unmapped)} 列，未导入：{_some(file.unmapped)}")
    lines += [f"  {note}" for note in file.notes]
    return [f"{file.name}:", *lines] if with_name and lines else lines


def _some(words: Sequence[str], most: int = 12) -> str:
    shown = "、".join(words[:most])
    return f"{shown} 等" if len(words) > most else shown


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return aligned lines; the first column to the left, numbers to the right."""
    grid = [list(header), *(list(row) for row in rows)]
    widths = [max(_width(row[column]) for row in grid) for column in range(len(header))]
    lines = []
    for row in grid:
        cells = [row[0] + " " * (widths[0] - _width(row[0]))]
        cells += [
            " " * (width - _width(text)) + text
            for text, width in zip(row[1:], widths[1:], strict=True)
        ]
        lines.append("  ".join(cells))
    return [lines[0], "─" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]]
