"""A look at a file before it is loaded: what it is, and the mapping that its header suggests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from .fields import CHOICES, FIELD_BY_NAME
from .mapping import NULLS, propose, to_toml
from .privacy import is_personal, mask
from .sources import ReadOptions, Source, first_rows, open_sources
from .times import time_sql

_SAMPLE_ROWS = 2_000
_SHOWN_ROWS = 3
_SHOWN_TEXT = 40


@dataclass(frozen=True)
class Preview:
    """``mapping`` is the text of a mapping file; ``lines`` is everything else to show."""

    lines: list[str]
    mapping: str


def preview(path: Path, options: ReadOptions | None = None) -> list[Preview]:
    """Return a preview of each source in a file.

    Raises:
        LoadError: the file cannot be read.
    """
    chosen = options or ReadOptions()
    return [_preview(source, chosen) for source in open_sources(path, chosen)]


def _preview(source: Source, options: ReadOptions) -> Preview:
    header = source.header
    sample = first_rows(source, _SAMPLE_ROWS)
    proposal = propose(header, sample, options)
    lines = [
        f"文件：{source.name}",
        f"格式：{source.format}",
        f"表头：{len(header)} 列，前 {len(sample):,} 行已查看",
    ]
    if sum(1 for column in header if column) == 1 and len(sample) > 0:
        lines.append(
            "注意：第一行只有一列，像是标题；如果表头在第 2 行，请在映射里写 header_row = 2"
        )
    lines += ["", "前几行（个人信息列不显示，疑似号码已隐去）："]
    for column, *values in zip(header, *sample[:_SHOWN_ROWS], strict=True):
        if not is_personal(column):
            shown = " | ".join(mask(" ".join(value.split()))[:_SHOWN_TEXT] for value in values)
            lines.append(f"  {column or '（无列名）'}：{shown}")
    unknown_words: dict[str, list[str]] = {}
    problems = []
    for name, columns in proposal.mapping.columns.items():
        positions = [header.index(column) for column in columns]
        texts = {" ".join(row[p].strip() for p in positions).strip() for row in sample}
        texts = {text for text in texts if text.lower() not in NULLS}
        label = FIELD_BY_NAME[name].label
        if name in CHOICES:
            words = proposal.mapping.words[name]
            unknown = sorted(text for text in texts if text.lower() not in words)
            if unknown:
                unknown_words[name] = [mask(text)[:_SHOWN_TEXT] for text in unknown[:20]]
                shown = "、".join(unknown_words[name][:8])
                problems.append(f"  {label}：不认识的值 {shown}（请在 [values.{name}] 写明含义）")
        elif FIELD_BY_NAME[name].kind in ("time", "date"):
            unread = _unreadable(texts)
            if unread:
                shown = "、".join(mask(text)[:_SHOWN_TEXT] for text in unread[:5])
                problems.append(f"  {label}：读不出的时间 {shown}（请在 [formats] 写明格式）")
    problems += [
        f"  {FIELD_BY_NAME[name].label}：还有列{'、'.join(others)}也像，请只留一列"
        for name, others in proposal.rivals.items()
    ]
    problems += [f"  必需的字段没有对应的列：{label}" for label in proposal.missing]
    if proposal.unmapped:
        problems.append(f"  未对应的列（不会导入）：{'、'.join(proposal.unmapped)}")
    if proposal.personal:
        lines += ["", f"个人信息列，不会导入：{'、'.join(proposal.personal)}"]
    if problems:
        lines += ["", "没有把握的地方：", *problems]
    suggestions = {}
    if "created_at" not in proposal.mapping.columns:
        suggestions["created_at"] = [
            column
            for column in proposal.unmapped
            if (texts := {row[header.index(column)].strip() for row in sample} - {""})
            and not _unreadable(texts)
        ]
    return Preview(lines, to_toml(proposal, source.path.stem, unknown_words, suggestions))


def _unreadable(texts: set[str]) -> list[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT x FROM (SELECT unnest(?::VARCHAR[]) AS x) WHERE {time_sql('x')} IS NULL",
            [sorted(texts)],
        ).fetchall()
    return [text for (text,) in rows]
