"""A scorecard (指标表): one wide file of metrics becomes the targets of one topic, with progress.

A row is a metric at a time: its name, its target, the figures of a period, and by which logic
they are compared. The mapping says what each logic means; one that it does not know stops the load.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from typing import Any

from .account import FileAccount
from .errors import LoadError
from .mapping import (
    NULLS,
    check_columns,
    common_parts,
    formats_in,
    nearest,
    section_of,
    texts_in,
)
from .privacy import is_personal, mask
from .remarks import attention
from .small_tables import SmallTables
from .sources import ReadOptions, Source
from .table_files import (
    TABLE_FILES,
    CellError,
    Problems,
    TextRows,
    days_of,
    number_in,
    put_rows,
    read_texts,
)

SCORECARD = "scorecard"

_FIGURES = ("numerator", "denominator")
_FIELDS = ("name", "on_date", "target", "logic", *_FIGURES)
_SECTIONS = (SCORECARD, "topic", "target", "logic", "formats")
_DIRECTIONS = ("up", "down")
_TOPIC_COLUMNS = {column.name: column for column in TABLE_FILES["topics"].columns}


@dataclass(frozen=True)
class Logic:
    """How a metric is computed and judged.

    ``figures``: the one that is the value, or the two whose quotient it is. ``direction``: up when
    more is better, else down. ``has_target`` False: there is nothing to reach.
    """

    figures: tuple[str, ...]
    direction: str
    unit: str
    has_target: bool = True


@dataclass(frozen=True)
class Scorecard:
    """How a file becomes the targets of a topic.

    ``columns``: field → their column; ``topic``: column of ``topics`` → text; ``logics``: their
    word → what it means. The rest is as in ``mapping.Mapping``.
    """

    name: str
    columns: AnyMapping[str, str]
    topic: AnyMapping[str, str]
    start_on: dt.date
    due_on: dt.date
    logics: AnyMapping[str, Logic]
    source: str = ""
    city: str | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    nulls: tuple[str, ...] = NULLS
    drop: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Entry:
    """A row of the file: one metric on one day.

    ``number``: how often the metric was there on this day so far. ``divided_by_zero``: why it has
    no value.
    """

    line: int
    metric: str
    number: int
    on_date: dt.date
    logic: Logic
    target: float | None
    value: float | None
    divided_by_zero: bool

    @property
    def name(self) -> str:
        """The name of the target."""
        return self.metric if self.number == 1 else f"{self.metric} ({self.number})"


def scorecard_from(document: AnyMapping[str, Any], name: str) -> Scorecard:
    """Return the scorecard mapping that a parsed TOML document means.

    Raises:
        LoadError: something in it is missing, unknown or not allowed.
    """
    common = common_parts(document, _SECTIONS, name)
    columns: dict[str, str] = {}
    for key, value in _entries(document, SCORECARD, _FIELDS, _FIELDS, name).items():
        (column, *more) = texts_in(value, f"{SCORECARD}.{key}", name)
        if more or column in (*columns.values(), *common["drop"]):
            raise LoadError(f"{name}：{SCORECARD}.{key} 须为一列，不能与别的字段或 drop 相同")
        if is_personal(column):
            raise LoadError(f"{name}：列“{column}”是个人信息，不能导入；请从 [{SCORECARD}] 中删去")
        columns[key] = column
    required = [column.name for column in _TOPIC_COLUMNS.values() if column.required]
    topic = _entries(document, "topic", tuple(_TOPIC_COLUMNS), required, name)
    constants = _entries(
        document, "target", ("unit", "start_on", "due_on"), ("unit", "start_on", "due_on"), name
    )
    for key in ("start_on", "due_on"):
        # A moment is a date to Python.
        if type(constants[key]) is not dt.date:
            raise LoadError(f"{name}：target.{key} 须为日期，不加引号（例：2021-04-12）")
    if constants["due_on"] < constants["start_on"]:
        raise LoadError(f"{name}：target.due_on 早于 start_on")
    logics = {
        word.strip(): _logic(document["logic"], word, constants["unit"], name)
        for word in section_of(document, "logic", name)
    }
    if not logics:
        raise LoadError(f"{name}：[logic] 没有写任何算法")
    formats = _entries(document, "formats", ("on_date",), (), name)
    return Scorecard(
        name=name,
        columns=columns,
        topic={key: _constant(value) for key, value in topic.items()},
        start_on=constants["start_on"],
        due_on=constants["due_on"],
        logics=logics,
        formats=formats_in(formats.get("on_date", []), "on_date", name),
        **common,
    )


def _entries(
    document: AnyMapping[str, Any],
    section: str,
    known: Sequence[str],
    required: Sequence[str],
    name: str,
) -> AnyMapping[str, Any]:
    """Return the entries of a section, none of them unknown and none missing."""
    entries = section_of(document, section, name)
    for key in entries:
        if key not in known:
            hint = nearest(key, known)
            raise LoadError(f"{name}：[{section}] 不认识“{key}”{hint}；可写：{'、'.join(known)}")
    missing = [key for key in required if entries.get(key, "") == ""]
    if missing:
        raise LoadError(f"{name}：[{section}] 缺少：{'、'.join(missing)}")
    return entries


def _constant(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _logic(section: AnyMapping[str, Any], word: str, unit: str, name: str) -> Logic:
    keys = ("value", "direction", "unit", "target")
    entry = _entries(section, word, keys, ("value", "direction"), f"{name}：[logic]")
    figures = tuple(part.strip() for part in str(entry["value"]).split("/"))
    if len(figures) > 2 or not set(figures) <= set(_FIGURES):
        raise LoadError(
            f"{name}：[logic] “{word}”的 value 须为 numerator、denominator 之一或两者之商"
            "（例：numerator / denominator）"
        )
    if entry["direction"] not in _DIRECTIONS:
        raise LoadError(f"{name}：[logic] “{word}”的 direction 须为 up（越高越好）或 down")
    has_target = entry.get("target", True)
    if not isinstance(has_target, bool):
        raise LoadError(f"{name}：[logic] “{word}”的 target 须为 true 或 false")
    return Logic(figures, entry["direction"], str(entry.get("unit", unit)), has_target)


def load_scorecard(
    source: Source,
    mapping: Scorecard,
    tables: SmallTables,
    account: FileAccount,
    cutoff: dt.datetime,
    *,
    advance: Callable[[int], None],
) -> None:
    """Put the topic, the targets and the progress of a file into ``tables``; fill in the account.

    Raises:
        LoadError: a column is missing, or any row is wrong or of an unknown logic.
    """
    check_columns([*mapping.columns.values()], source.header, source.name, SCORECARD)
    entries = _entries_of(source, mapping, advance)
    by_name: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    newest = {name: max(rows, key=lambda entry: entry.on_date) for name, rows in by_name.items()}

    topic = TextRows(f"{mapping.name}：[topic]", [*mapping.topic], [0], [[*mapping.topic.values()]])
    notes = put_rows(topic, TABLE_FILES["topics"], tables, cutoff)
    codes = _codes(list(by_name), mapping.topic["code"], tables)
    notes += _put_targets(source.name, mapping, codes, newest, tables, cutoff)
    notes += _put_progress(source.name, codes, entries, tables, cutoff)

    with_value = sum(entry.value is not None for entry in entries)
    with_target = sum(entry.target is not None for entry in newest.values())
    account.read = len(entries)
    # Screen and history know the tables of a version only.
    account.table = "targets"
    account.blank = source.blank_rows
    account.say_unused(source.header, mapping.columns.values(), mapping.drop)
    account.notes += [
        f"{len(newest):,} 个指标成为“{mapping.topic['name']}”的目标："
        f"有目标值 {with_target:,} 个，无目标 {len(newest) - with_target:,} 个",
        f"{len(entries):,} 行指标：有数值 {with_value:,} 行，"
        f"无数据 {len(entries) - with_value:,} 行（只有目标，没有进度）",
        *_remarks(entries, by_name, newest),
        *notes,
    ]


def _entries_of(source: Source, mapping: Scorecard, advance: Callable[[int], None]) -> list[_Entry]:
    """Return the rows of the file; a name that is there again on a day has its number behind it."""
    positions = [source.header.index(mapping.columns[key]) for key in _FIELDS]
    lines, texts = read_texts(source, positions, mapping.nulls, advance)
    rows = [dict(zip(_FIELDS, values, strict=True)) for values in texts]
    days = days_of({row["on_date"] for row in rows}, mapping.formats)
    problems = Problems(source.name)
    seen: Counter[tuple[str, dt.date]] = Counter()
    entries = []
    for line, row in zip(lines, rows, strict=True):
        numbers: dict[str, float | None] = {}
        for key in ("target", *_FIGURES):
            try:
                numbers[key] = number_in(row[key]) if row[key] else None
            except CellError as error:
                problems.add(line, mapping.columns[key], str(error))
                numbers[key] = None
        logic, day, name = mapping.logics.get(row["logic"]), days[row["on_date"]], mask(row["name"])
        if not name:
            problems.add(line, mapping.columns["name"], "不能为空")
        if day is None:
            problems.add(line, mapping.columns["on_date"], f"“{row['on_date']}”不是日期")
        if logic is None:
            problems.add(
                line,
                mapping.columns["logic"],
                f"算法“{row['logic']}”在 {mapping.name} 的 [logic] 中没有",
            )
        elif numbers["target"] is not None and not logic.has_target:
            problems.add(
                line, mapping.columns["target"], f"算法“{row['logic']}”没有目标值，这里却写了"
            )
        if logic is not None and day is not None:
            seen[name, day] += 1
            figures = [numbers[figure] for figure in logic.figures]
            entries.append(
                _Entry(
                    line,
                    name,
                    seen[name, day],
                    day,
                    logic,
                    numbers["target"],
                    _quotient(figures),
                    None not in figures and figures[1:] == [0],
                )
            )
    problems.stop()
    return entries


def _quotient(figures: Sequence[float | None]) -> float | None:
    """Return the first figure divided by the second, if there is one; None without a value."""
    result = figures[0]
    for divisor in figures[1:]:
        result = result / divisor if result is not None and divisor else None
    return result


def _codes(names: Sequence[str], topic: str, tables: SmallTables) -> dict[str, str]:
    """Return the code of each name: that of the topic's target of this name, else the next one."""
    (topic_id,) = (row["id"] for row in tables.rows("topics") if row["code"] == topic)
    taken = {row["code"] for row in tables.rows("targets")}
    codes = {
        row["name"]: row["code"] for row in tables.rows("targets") if row["topic_id"] == topic_id
    }
    number = len(codes)
    for name in names:
        while name not in codes:
            number += 1
            code = f"{topic}-{number:02d}"
            if code not in taken:
                codes[name] = code
    return {name: codes[name] for name in names}


def _put_targets(
    file_name: str,
    mapping: Scorecard,
    codes: AnyMapping[str, str],
    newest: AnyMapping[str, _Entry],
    tables: SmallTables,
    cutoff: dt.datetime,
) -> list[str]:
    rows = [
        {
            "code": codes[name],
            "topic": mapping.topic["code"],
            "name": name,
            "unit": entry.logic.unit,
            "value": "" if entry.target is None else repr(entry.target),
            "start_on": mapping.start_on.isoformat(),
            "due_on": mapping.due_on.isoformat(),
            "direction": entry.logic.direction,
            "cumulative": "否",
        }
        for name, entry in newest.items()
    ]
    lines = [entry.line for entry in newest.values()]
    given = TextRows(file_name, [*rows[0]], lines, [[*row.values()] for row in rows])
    return put_rows(given, TABLE_FILES["targets"], tables, cutoff)


def _put_progress(
    file_name: str,
    codes: AnyMapping[str, str],
    entries: Sequence[_Entry],
    tables: SmallTables,
    cutoff: dt.datetime,
) -> list[str]:
    """Put the values into the progress; what an earlier file had for a row without one goes."""
    ids = {row["code"]: row["id"] for row in tables.rows("targets")}
    without = {
        (ids[codes[entry.name]], None, entry.on_date) for entry in entries if entry.value is None
    }
    before = tables.rows("progress")
    after = [
        row
        for row in before
        if (row["target_id"], row["district_id"], row["on_date"]) not in without
    ]
    notes = []
    if len(after) < len(before):
        tables.replace("progress", after)
        notes.append(f"注意：原有 {len(before) - len(after):,} 个数值在这个文件里无数据，已删去")
    filled = [entry for entry in entries if entry.value is not None]
    if filled:
        rows = TextRows(
            file_name,
            ["target", "on_date", "value"],
            [entry.line for entry in filled],
            [[codes[e.name], e.on_date.isoformat(), repr(e.value)] for e in filled],
        )
        notes += put_rows(rows, TABLE_FILES["progress"], tables, cutoff)
    return notes


def _remarks(
    entries: Sequence[_Entry],
    by_name: AnyMapping[str, Sequence[_Entry]],
    newest: AnyMapping[str, _Entry],
) -> list[str]:
    """Return what of the rows had to be decided, or looks wrong."""
    zeros = [
        f"“{entry.name}”（第 {entry.line} 行）除数为 0，没有数值"
        for entry in entries
        if entry.divided_by_zero
    ]
    changed = [
        f"“{name}”的目标值或算法前后不同，以最新的 {newest[name].on_date} 为准"
        for name, rows in by_name.items()
        if len({(row.target, row.logic) for row in rows}) > 1
    ]
    times: dict[str, Counter[dt.date]] = defaultdict(Counter)
    for entry in entries:
        times[entry.metric][entry.on_date] += 1
    again, uneven = [], []
    for metric, days in times.items():
        most, least = max(days.values()), min(days.values())
        if most > 1:
            again.append(
                f"“{metric}”在同一日期出现 {most} 次，按先后成为 {most} 个目标，从第二个起加序号"
            )
        if most > least:
            day = min(day for day, count in days.items() if count < most)
            uneven.append(f"“{metric}”在 {day} 只出现 {days[day]} 次，按先后对应，请核对")
    return [
        *attention(again, "同名指标"),
        *attention(uneven, "同名指标次数不一"),
        *attention(changed, "目标值或算法前后不同"),
        *attention(zeros, "除数为 0"),
    ]
