"""Which of their columns is which of our fields: from a TOML file, or proposed from the header."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from .errors import LoadError
from .fields import (
    CHOICES,
    FIELD_BY_HEADER,
    FIELD_BY_NAME,
    FIELDS,
    OPPOSITE_HEADERS,
    REQUIRED,
    known_words,
)
from .privacy import is_personal, normal_header
from .sources import ReadOptions

# Spellings of "nothing", in lower case; a mapping may add to them.
NULLS: tuple[str, ...] = (
    *("", "-", "--", "—", "——", "/", "\\", "\\n", "n/a", "na", "#n/a"),
    *("null", "none", "nan", "nat", "不详", "无"),
)
EXCEL = "excel"

# What a mapping of any kind may say, and the sections of one for cases.
_COMMON = ("source", "city", "encoding", "delimiter", "sheet", "header_row", "nulls", "drop")
_SECTIONS = ("columns", "constants", "formats", "values")


@dataclass(frozen=True)
class Mapping:
    """How a source becomes cases.

    ``columns``: field → their columns, in order; ``constants``: field → text; ``formats``: field →
    strptime formats tried before the built-in year-first ones; ``words``: choice field → their
    word in lower case → our code, None for no answer.
    """

    columns: AnyMapping[str, tuple[str, ...]]
    source: str = ""
    city: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    nulls: tuple[str, ...] = NULLS
    drop: tuple[str, ...] = ()
    constants: AnyMapping[str, str] = field(default_factory=dict)
    formats: AnyMapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: AnyMapping[str, AnyMapping[str, int | None]] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Return whether the source says anything about a field."""
        return name in self.columns or name in self.constants

    def check_header(self, header: Sequence[str], name: str) -> None:
        """Raise a ``LoadError`` that names every mapped column which a header has not."""
        wanted = [column for columns in self.columns.values() for column in columns]
        check_columns(wanted, header, name, "columns")


def check_columns(wanted: Sequence[str], header: Sequence[str], name: str, section: str) -> None:
    """Raise a ``LoadError`` that names every column of a mapping's section a header has not."""
    hints = []
    for column in wanted:
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1, cutoff=0.5)
            hints.append(f"“{column}”" + (f"（是不是“{near[0]}”？）" if near else ""))
    if hints:
        raise LoadError(
            f"{name}：映射里的列在表头中没有：{'、'.join(hints)}；请改映射文件的 [{section}]"
        )


@dataclass(frozen=True)
class Proposal:
    """What the known headers make of a header."""

    mapping: Mapping
    unmapped: tuple[str, ...]
    personal: tuple[str, ...]
    rivals: AnyMapping[str, tuple[str, ...]]  # field → other columns that look like it
    missing: tuple[str, ...]  # labels of required fields without a column


def read_mapping(path: Path) -> Mapping:
    """Return the mapping of a TOML file.

    Raises:
        LoadError: unreadable, or something in it is unknown, ambiguous or not allowed.
    """
    return mapping_from(read_document(path), path.name)


def read_document(path: Path) -> dict[str, Any]:
    """Return what a mapping file says, of whatever kind it is.

    Raises:
        LoadError: unreadable or no TOML.
    """
    name = path.name
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise LoadError(f"{path}：没有这个映射文件") from None
    except (UnicodeDecodeError, IsADirectoryError, PermissionError):
        raise LoadError(f"{name}：映射文件读不出，须为 UTF-8 编码的 TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise LoadError(f"{name}：映射文件不是正确的 TOML：{_toml_problem(error)}") from None


def _toml_problem(error: tomllib.TOMLDecodeError) -> str:
    place = re.search(r"line (\d+), column (\d+)", str(error))
    where = f"第 {place[1]} 行第 {place[2]} 列附近" if place else "文件末尾"
    hint = "；同一个字段写了两次" if "overwrite" in str(error) else "；值须加引号"
    return where + hint


def common_parts(
    document: AnyMapping[str, Any], sections: Sequence[str], name: str
) -> dict[str, Any]:
    """Return what mappings of every kind have, by field: source, city, options, nulls, drop.

    Raises:
        LoadError: one of these is wrong, or the document has more than these and ``sections``.
    """

    def stop(problem: str) -> LoadError:
        return LoadError(f"{name}：{problem}")

    for key in document:
        if key not in (*_COMMON, *sections):
            raise stop(f"不认识“{key}”{nearest(key, (*_COMMON, *sections))}")
    for key in ("source", "city", "encoding", "delimiter", "sheet"):
        if key in document and not isinstance(document[key], str):
            raise stop(f"{key} 须为文字")
    header_row = document.get("header_row")
    if header_row is not None and (type(header_row) is not int or header_row < 1):
        raise stop("header_row 须为从 1 起的整数")
    delimiter = document.get("delimiter")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise stop("delimiter 须为一个字符")
    extra = texts_in(document.get("nulls", []), "nulls", name)
    return {
        "source": document.get("source", ""),
        "city": document.get("city"),
        "options": ReadOptions(
            document.get("encoding"), delimiter, document.get("sheet"), header_row
        ),
        "nulls": (*NULLS, *(null.strip().lower() for null in extra)),
        "drop": texts_in(document.get("drop", []), "drop", name),
    }


def mapping_from(document: AnyMapping[str, Any], name: str) -> Mapping:
    """Return the mapping that a parsed TOML document means; see ``read_mapping``."""

    def stop(problem: str) -> LoadError:
        return LoadError(f"{name}：{problem}")

    common = common_parts(document, _SECTIONS, name)
    columns: dict[str, tuple[str, ...]] = {}
    used: dict[str, str] = {}
    for field_name, value in section_of(document, "columns", name).items():
        known = _known_field(field_name, name)
        parts = texts_in(value, f"columns.{field_name}", name)
        if len(parts) > 1 and not known.parts:
            raise stop(f"字段“{field_name}”（{known.label}）只能来自一列，现写了 {len(parts)} 列")
        for column in parts:
            if column in used:
                raise stop(f"列“{column}”同时对应了 {used[column]} 和 {field_name}")
            if is_personal(column):
                raise stop(f"列“{column}”是个人信息，不能导入；请从 [columns] 中删去")
            used[column] = field_name
        columns[field_name] = parts
    constants: dict[str, str] = {}
    for field_name, value in section_of(document, "constants", name).items():
        known = _known_field(field_name, name)
        if field_name in columns:
            raise stop(f"字段“{field_name}”既有列又有常量")
        if field_name in REQUIRED:
            raise stop(f"字段“{field_name}”（{known.label}）不能是常量")
        if not isinstance(value, str):
            raise stop(f"constants.{field_name} 须为文字")
        constants[field_name] = value
    missing = [f for f in REQUIRED if f not in columns]
    if missing:
        labels = "、".join(f"{f}（{FIELD_BY_NAME[f].label}）" for f in missing)
        raise stop(f"[columns] 缺少必需的字段：{labels}")
    for column in common["drop"]:
        if column in used:
            raise stop(f"列“{column}”既在 drop 里又对应了 {used[column]}")

    formats: dict[str, tuple[str, ...]] = {}
    for field_name, value in section_of(document, "formats", name).items():
        known = _known_field(field_name, name)
        if known.kind not in ("time", "date"):
            raise stop(f"字段“{field_name}”不是日期，不能写 formats")
        formats[field_name] = formats_in(value, field_name, name)

    words: dict[str, dict[str, int | None]] = {}
    values = section_of(document, "values", name)
    for field_name in values:
        if field_name not in CHOICES:
            raise stop(
                f"values.{field_name} 不是可选值字段{nearest(field_name, CHOICES)}；"
                f"可写：{'、'.join(CHOICES)}"
            )
    for field_name in CHOICES:
        headers = columns.get(field_name, ())
        opposite = any(normal_header(header) in OPPOSITE_HEADERS for header in headers)
        words[field_name] = known_words(field_name, opposite)
        for word, ours in section_of(values, field_name, name).items():
            words[field_name][word.strip().lower()] = _code(field_name, ours, name)
    return Mapping(columns=columns, constants=constants, formats=formats, words=words, **common)


def section_of(document: AnyMapping[str, Any], key: str, name: str) -> AnyMapping[str, Any]:
    """Return a section of a mapping, empty if it is not there.

    Raises:
        LoadError: it is something else.
    """
    section = document.get(key, {})
    if not isinstance(section, dict):
        raise LoadError(f"{name}：[{key}] 须为一节，每行写 名 = 值")
    return section


def texts_in(value: Any, place: str, name: str) -> tuple[str, ...]:
    """Return the texts of an entry that is a text or a list of texts.

    Raises:
        LoadError: it is something else.
    """
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, str) and entry == entry.strip() for entry in values):
        raise LoadError(f"{name}：{place} 须为文字（前后没有空格）或文字的列表")
    if not values and place.startswith("columns"):
        raise LoadError(f"{name}：{place} 没有写列名")
    return tuple(values)


def _known_field(field_name: str, name: str) -> Any:
    if field_name not in FIELD_BY_NAME:
        hint = nearest(field_name, FIELD_BY_NAME)
        raise LoadError(
            f"{name}：没有名为“{field_name}”的字段{hint}；可写：{'、'.join(FIELD_BY_NAME)}"
        )
    return FIELD_BY_NAME[field_name]


def formats_in(value: Any, field_name: str, name: str) -> tuple[str, ...]:
    """Return the date formats of an entry of ``formats``.

    Raises:
        LoadError: one of them is no format of a date.
    """
    formats = texts_in(value, f"formats.{field_name}", name)
    for pattern in formats:
        if pattern != EXCEL:
            _check_format(pattern, field_name, name)
    return formats


def nearest(word: str, known: Any) -> str:
    """Return, in words, which known word may be meant; empty when none looks like it."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"（是不是 {near[0]}？）" if near else ""


def _code(field_name: str, ours: Any, name: str) -> int | None:
    if ours is True or ours is False:
        ours = next(word for word, code in CHOICES[field_name].items() if code == int(ours))
    if ours == "":
        return None
    if ours not in CHOICES[field_name]:
        raise LoadError(
            f"{name}：values.{field_name} 的“{ours}”不认识；"
            f"可写：{'、'.join(CHOICES[field_name])}，或空文字表示没有回答"
        )
    return CHOICES[field_name][ours]


def _check_format(pattern: str, field_name: str, name: str) -> None:
    try:
        if "%" not in pattern:
            raise ValueError
        duckdb.execute("SELECT try_strptime('1', ?)", [pattern])
    except (duckdb.Error, ValueError):
        raise LoadError(
            f"{name}：formats.{field_name} 的“{pattern}”不是日期格式；"
            "例：%d/%m/%Y %H:%M,Excel 序列号写 excel"
        ) from None


_TIME_ONLY = re.compile(r"\d{1,2}[:时点]\d{0,2}.{0,6}")


def propose(
    header: Sequence[str], sample: Sequence[Sequence[str]] = (), options: ReadOptions | None = None
) -> Proposal:
    """Return what the known headers make of a header and the first rows (for split date + time)."""
    columns: dict[str, tuple[str, ...]] = {}
    rivals: dict[str, tuple[str, ...]] = {}
    personal, unmapped = [], []
    for position, column in enumerate(header):
        known = FIELD_BY_HEADER.get(normal_header(column))
        if is_personal(column):
            personal.append(column)
        elif known is None:
            unmapped.append(column)
        elif known.name not in columns:
            columns[known.name] = (column,)
        elif known.name in ("summary", "community") or (
            known.kind == "time" and _is_time_only(sample, position)
        ):
            columns[known.name] += (column,)
        else:
            rivals[known.name] = (*rivals.get(known.name, ()), column)
    words = {
        name: known_words(
            name, any(normal_header(c) in OPPOSITE_HEADERS for c in columns.get(name, ()))
        )
        for name in CHOICES
    }
    return Proposal(
        mapping=Mapping(columns=columns, options=options or ReadOptions(), words=words),
        unmapped=tuple(column for column in unmapped if column),
        personal=tuple(personal),
        rivals=rivals,
        missing=tuple(FIELD_BY_NAME[name].label for name in REQUIRED if name not in columns),
    )


def _is_time_only(sample: Sequence[Sequence[str]], position: int) -> bool:
    values = [row[position] for row in sample if len(row) > position and row[position].strip()]
    return bool(values) and all(_TIME_ONLY.fullmatch(value.strip()) for value in values)


def mapping_without_file(proposal: Proposal, name: str) -> Mapping:
    """Return the proposed mapping if it can be used as it is.

    Raises:
        LoadError: a required field has no column, or two columns look like one field.
    """
    if proposal.missing:
        hint = "第一行是不是表头？" if not proposal.mapping.columns else ""
        raise LoadError(
            f"{name}：表头里认不出{'、'.join(proposal.missing)}。{hint}"
            f"请运行 flask data preview {name} 生成映射文件，改好后用 --mapping 指明"
        )
    for field_name, others in proposal.rivals.items():
        columns = "、".join(f"“{c}”" for c in (*proposal.mapping.columns[field_name], *others))
        raise LoadError(
            f"{name}：列{columns}都像“{FIELD_BY_NAME[field_name].label}”，请用映射文件指明用哪一列"
        )
    return proposal.mapping


def to_toml(
    proposal: Proposal,
    source: str,
    unknown_words: AnyMapping[str, Sequence[str]],
    suggestions: AnyMapping[str, Sequence[str]],
) -> str:
    """Return a proposal as the text of a mapping file, with what to fill in as comments.

    ``suggestions``: required field → columns that might be it.
    """

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

    mapping = proposal.mapping
    lines = [f"source = {quoted(source)}", '# city = "北京市"']
    if mapping.options.header_row:
        lines.append(f"header_row = {mapping.options.header_row}")
    lines += ["", "[columns]"]
    for known in FIELDS:
        columns = mapping.columns.get(known.name)
        if columns:
            value = (
                quoted(columns[0])
                if len(columns) == 1
                else f"[{', '.join(quoted(column) for column in columns)}]"
            )
            lines.append(f"{known.name} = {value}  # {known.label}")
            lines += [
                f"# {known.name} = {quoted(rival)}" for rival in proposal.rivals.get(known.name, ())
            ]
        elif known.name in REQUIRED:
            lines += [
                f"# {known.name} = {quoted(column)}  # {known.label}，必需；请核对"
                for column in suggestions.get(known.name, ()) or ("?",)
            ]
    if proposal.unmapped:
        lines.append("# 未对应的列（不导入）：")
        lines += [f"# ? = {quoted(column)}" for column in proposal.unmapped]
    for field_name, words in unknown_words.items():
        choices = "、".join(CHOICES[field_name])
        lines += ["", f"[values.{field_name}]  # 可写：{choices}"]
        lines += [f"# {quoted(word)} = " + '"?"' for word in words]
    return "\n".join(lines) + "\n"
