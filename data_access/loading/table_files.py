"""Loads the small tables (reference, topics, targets, progress, projects, rules) from files.

A file's columns are those of the schema, with codes or names where the schema has ids. Unlike
cases, every row must be right: a mistake stops the load and names the line and the column. Tables
with a key of their own are updated by it, the others replaced.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from domain.rules import RuleError, rules_from_rows

from .account import FileAccount
from .errors import LoadError
from .mapping import NULLS
from .placing import parent_id, short_name
from .privacy import mask, normal_header
from .remarks import remarks_on
from .small_tables import Row, SmallTables
from .sources import Source
from .times import time_sql

_MOST_ROWS = 1_000_000
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Column:
    """One column of a file. ``kind``: text, int, number, date, yes, or the table it refers to."""

    name: str
    headers: str
    kind: str = "text"
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class TableFile:
    """A table that can be loaded. ``key``: the columns that name a row; empty: replaced as a whole.

    ``numbered``: rows have an ``id``, which stays with the key.
    """

    name: str
    label: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    numbered: bool = False


_CODE = Column("code", "代码 编码 编号", required=True)
_NAME = Column("name", "名称", required=True)
_TOPIC = Column("topic", "每月一题 题目 专题 topic_code 题目代码", "topics", required=True)
_TARGET = Column("target", "目标 目标代码 target_code", "targets", required=True)
_ON_DATE = Column("on_date", "日期 截止日期 进度日期", "date", required=True)
_VALUE = Column("value", "数值 累计值 累计 进度", "number", required=True)
# Compared with the target's unit; not stored.
_UNIT = Column("unit", "单位 计量单位")

TABLE_FILES: dict[str, TableFile] = {
    table.name: table
    for table in (
        TableFile(
            "districts",
            "区",
            (
                _CODE,
                _NAME,
                Column("short_name", "简称"),
                Column("population", "人口 常住人口 population_2020", "int"),
                Column("zone", "功能区 分类"),
                Column("counted_in", "人口计入"),
                Column("tile_row", "图块行", "int"),
                Column("tile_column", "图块列", "int"),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "subdistricts",
            "街道乡镇",
            (
                _CODE,
                _NAME,
                Column("district", "区 区代码 所属区 district_code", "districts", required=True),
                Column("kind", "类别 类型"),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "categories",
            "问题分类",
            (
                _CODE,
                _NAME,
                Column("level", "级别 层级", "int"),
                Column("parent", "上级 上级代码 parent_code"),
                Column("level1", "一级代码 level1_code"),
                Column("level2", "二级代码 level2_code"),
                Column("level3", "三级代码 level3_code"),
                Column("tag", "标签 七有五性"),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "units",
            "承办单位",
            (_CODE, _NAME, Column("kind", "类别 类型")),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "topics",
            "每月一题",
            (
                _CODE,
                Column("year", "年 年份 年度", "int", required=True),
                Column("month", "月 月份", "int", required=True),
                Column("theme", "主题", required=True),
                Column("name", "名称 题目 问题", required=True),
                Column("launched_on", "启动日期", "date"),
                Column("closed_on", "销号日期", "date"),
                Column("is_example", "示例 是否示例", "yes", default=False),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "topic_units",
            "每月一题单位",
            (
                _TOPIC,
                Column("unit", "单位 单位代码 unit_code", "units", required=True),
                Column("role", "角色 分工", required=True),
            ),
        ),
        TableFile(
            "topic_categories",
            "每月一题分类",
            (
                _TOPIC,
                Column(
                    "category", "问题分类 分类 分类代码 category_code", "categories", required=True
                ),
            ),
        ),
        TableFile(
            "targets",
            "目标",
            (
                _CODE,
                _TOPIC,
                _NAME,
                Column("unit", "单位 计量单位", required=True),
                Column("value", "目标值", "number"),
                Column("stock", "存量 总量", "number"),
                Column("start_on", "开始日期 起始日期", "date", required=True),
                Column("due_on", "截止日期 完成期限", "date", required=True),
                Column("direction", "方向", default="up"),
                Column("cumulative", "累计 是否累计", "yes", default=True),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile("target_plan", "目标计划", (_TARGET, _ON_DATE, _VALUE, _UNIT)),
        TableFile(
            "district_targets",
            "分区目标",
            (
                _TARGET,
                Column("district", "区 区代码 district_code", "districts", required=True),
                Column("value", "目标值 任务数", "number"),
                Column("stock", "存量 总量", "number"),
                _UNIT,
            ),
            key=("target_id", "district_id"),
        ),
        TableFile(
            "progress",
            "目标进度",
            (
                _TARGET,
                Column("district", "区 区代码 district_code", "districts"),
                _ON_DATE,
                _VALUE,
                _UNIT,
                Column("invented", "虚构 是否虚构", "yes", default=False),
            ),
            key=("target_id", "district_id", "on_date"),
        ),
        TableFile(
            "milestones",
            "三清单",
            (
                _TOPIC,
                Column("list", "清单", required=True),
                Column("name", "名称 事项 任务", required=True),
                Column("unit", "单位 责任单位 unit_code", "units"),
                Column("due_on", "期限 完成期限 截止日期", "date", required=True),
                Column("done_on", "完成日期", "date"),
            ),
        ),
        TableFile(
            "projects",
            "项目",
            (
                _CODE,
                _NAME,
                _TARGET,
                Column("district", "区 区代码 district_code", "districts"),
                Column("subdistrict", "街道 街道代码 街乡镇 subdistrict_code", "subdistricts"),
                Column("community", "小区 社区 点位"),
                Column("units", "套数 数量", "int", required=True),
                Column("done", "完成 已完成 完成数", "int", required=True),
                Column("stage", "阶段", required=True),
                Column("stage_since", "进入阶段日期", "date"),
                Column("developer", "开发商 开发单位"),
                Column("owner", "责任主体"),
                Column("blocker", "堵点 卡点"),
                Column("next_step", "下一步"),
                Column("deadline", "期限 完成期限", "date"),
            ),
            key=("code",),
            numbered=True,
        ),
        TableFile(
            "project_causes",
            "项目成因",
            (
                Column("project", "项目 项目代码 project_code", "projects", required=True),
                Column("cause", "成因 原因", required=True),
            ),
        ),
        TableFile(
            "project_log",
            "项目进展",
            (
                Column("project", "项目 项目代码 project_code", "projects", required=True),
                Column("on_date", "日期 进展日期", "date", required=True),
                Column("stage", "阶段 进入阶段"),
                Column("done", "完成 已完成 累计完成", "int"),
                Column("note", "说明 备注 进展"),
            ),
            key=("project_id", "on_date"),
        ),
        TableFile(
            "project_stages",
            "项目阶段",
            (
                Column("name", "名称 阶段", required=True),
                Column("position", "次序 顺序", "int", required=True),
                Column("weeks", "所需周数 周数", "number"),
            ),
            key=("name",),
        ),
        TableFile(
            "causes",
            "成因",
            (
                Column("name", "名称 成因", required=True),
                Column("weeks", "增加周数 周数", "number"),
            ),
            key=("name",),
        ),
        TableFile(
            "rules",
            "口径规则",
            (
                Column("version", "版本", required=True),
                Column("effective_on", "生效日期", "date", required=True),
                Column("name", "规则 名称", required=True),
                Column("value", "值 取值", required=True),
            ),
            key=("version", "name"),
        ),
    )
}
# The order in which the tables of one load go in: a table comes after those it refers to.
TABLE_ORDER = tuple(TABLE_FILES)

# What a reference from a file becomes in the schema.
_ID_COLUMN = {
    "districts": "district_id",
    "subdistricts": "subdistrict_id",
    "categories": "category_id",
    "units": "unit_id",
    "topics": "topic_id",
    "targets": "target_id",
    "projects": "project_id",
}
_ALLOWED = {
    ("targets", "direction"): ("up", "down"),
    ("topic_units", "role"): ("主责", "配合"),
    ("milestones", "list"): ("任务清单", "政策清单", "责任清单"),
}
_YES = {"是": True, "1": True, "y": True, "yes": True, "true": True}
_YES |= {"否": False, "0": False, "n": False, "no": False, "false": False}


class CellError(ValueError):
    """A cell that cannot be used; the message says why."""


class Problems:
    """Mistakes with their places (line 0: no line); a load stops when a file is read to its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[str] = []

    def add(self, line: int, column: str, problem: str) -> None:
        where = f"第 {line} 行" if line else ""
        self._found.append(f"{where}“{column}”：{problem}")

    def stop(self) -> None:
        if self._found:
            shown = self._found[:_MOST_PROBLEMS]
            more = len(self._found) - len(shown)
            rest = f"\n  ……另有 {more:,} 处" if more else ""
            raise LoadError(
                f"{self._name}：有 {len(self._found):,} 处错误，未导入\n  "
                + "\n  ".join(shown)
                + rest
            )


@dataclass(frozen=True)
class TextRows:
    """Rows of texts under a header, each with its line in the file of this name."""

    name: str
    header: Sequence[str]
    lines: Sequence[int]
    texts: Sequence[Sequence[str]]


def load_table(
    source: Source,
    spec: TableFile,
    tables: SmallTables,
    account: FileAccount,
    cutoff: dt.datetime,
    *,
    advance: Callable[[int], None],
) -> None:
    """Put the rows of a file into ``tables`` and fill in the account.

    Raises:
        LoadError: a column is missing or unknown, or any row is wrong.
    """
    _columns_of(source.name, source.header, spec)  # before a long file is read in vain
    lines, texts = read_texts(source, range(len(source.header)), NULLS, advance)
    rows = TextRows(source.name, source.header, lines, texts)
    account.read = len(lines)
    account.notes += put_rows(rows, spec, tables, cutoff)


def log_projects(before: Sequence[Row], tables: SmallTables, on_date: dt.date) -> None:
    """Note in ``project_log`` what a new ledger changes: its history makes itself.

    Offices keep the ledger as it is today; since when nothing moves is known only if somebody
    remembers what it said last week. ``before``: the rows of ``projects`` before the load.
    """
    known = {row["id"]: (row["stage"], row["done"]) for row in before}
    log = {(row["project_id"], row["on_date"]): row for row in tables.rows("project_log")}

    def note(row: Row, day: dt.date, **change: Any) -> None:
        plain = {"project_id": row["id"], "on_date": day, "stage": None, "done": None, "note": None}
        log[row["id"], day] = {**log.get((row["id"], day), plain), **change}

    changed = False
    for row in tables.rows("projects"):
        stage, done = known.get(row["id"], (None, 0))
        if row["stage"] != stage:
            # The ledger may say since when; not later than it was handed in.
            note(row, min(row["stage_since"] or on_date, on_date), stage=row["stage"])
            changed = True
        if row["done"] != done:
            note(row, on_date, done=row["done"])
            changed = True
    if changed:
        tables.replace("project_log", list(log.values()))


def put_rows(
    given: TextRows, spec: TableFile, tables: SmallTables, cutoff: dt.datetime
) -> list[str]:
    """Put rows into ``tables``; return what looks wrong with them and is kept all the same.

    Raises:
        LoadError: a column is missing or unknown, or any row is wrong.
    """
    columns = _columns_of(given.name, given.header, spec)
    problems = Problems(given.name)
    dates = days_of(
        {
            values[position]
            for column, position in columns.items()
            if column.kind == "date"
            for values in given.texts
        }
    )
    finders = {
        column.kind: _finder(tables, column.kind)
        for column in spec.columns
        if column.kind in _ID_COLUMN
    }
    rows: list[tuple[int, Row]] = []
    for line, values in zip(given.lines, given.texts, strict=True):
        row: Row = {}
        for column in spec.columns:
            text = values[columns[column]] if column in columns else ""
            theirs = given.header[columns[column]] if column in columns else column.name
            try:
                row[_ID_COLUMN.get(column.kind, column.name)] = _value(
                    spec, column, text, dates, finders, row
                )
            except CellError as error:
                problems.add(line, theirs, str(error))
        rows.append((line, row))
    problems.stop()
    _finish(spec, rows, tables, problems)
    problems.stop()
    before = tables.rows(spec.name)
    _put(spec, rows, tables, problems)
    problems.stop()
    if spec.name == "rules":
        try:
            rules_from_rows(tables.rows("rules"))
        except RuleError as error:
            raise LoadError(f"{given.name}：{error}") from None
    return remarks_on(spec.name, rows, before, tables, cutoff)


def _columns_of(name: str, header: Sequence[str], spec: TableFile) -> dict[Column, int]:
    """Return which column of the file is which of the table.

    Raises:
        LoadError: a header that is unknown or twice, or a required column that is missing.
    """
    known = {
        normal_header(known_as): column
        for column in reversed(spec.columns)
        for known_as in (column.name, f"{column.name}_id", *column.headers.split())
    }
    known |= {normal_header(column.name): column for column in spec.columns}
    found: dict[Column, int] = {}
    unknown = []
    for position, theirs in enumerate(header):
        column = known.get(normal_header(theirs))
        if column is None:
            unknown += [theirs] if theirs else []
        elif column in found:
            other = header[found[column]]
            raise LoadError(f"{name}：列“{other}”和“{theirs}”都是 {column.name}，请删去一列")
        else:
            found[column] = position
    # Facts about a row that the table has no place for are said, not stored.
    missing = [c for c in spec.columns if c.required and c not in found]
    if missing:
        labels = "、".join(f"{c.name}（{c.headers.split()[0]}）" for c in missing)
        extra = f"；不认识的列：{'、'.join(unknown)}" if unknown else ""
        raise LoadError(f"{name}：作为“{spec.label}”（{spec.name}）缺少列：{labels}{extra}")
    return found


def read_texts(
    source: Source, columns: Sequence[int], nulls: Sequence[str], advance: Callable[[int], None]
) -> tuple[list[int], list[list[str]]]:
    """Return the lines and the texts of some columns of a file, spellings of nothing as "".

    Raises:
        LoadError: a torn row, no row at all, or too many for a small table.
    """

    def torn(line: int, fields: Sequence[str], reason: str) -> None:
        raise LoadError(f"{source.name}：第 {line} 行{reason}，未导入")

    lines: list[int] = []
    texts: list[list[str]] = []
    for batch in source.batches(columns, torn, lambda fields: False, advance):
        lines += batch.column("line").to_pylist()
        arrays = [batch.column(f"c{n}").to_pylist() for n in range(len(columns))]
        for values in zip(*arrays, strict=True):
            stripped = [(value or "").strip(" \t\r\n\u3000\u00a0\ufeff") for value in values]
            texts.append(["" if v.lower() in nulls else v for v in stripped])
        if len(lines) > _MOST_ROWS:
            raise LoadError(
                f"{source.name}：超过 {_MOST_ROWS:,} 行，不像基础数据；导入诉求用 --table cases"
            )
    if not lines:
        raise LoadError(f"{source.name}：只有表头，没有数据行")
    return lines, texts


def days_of(texts: set[str], formats: Sequence[str] = ()) -> dict[str, dt.date | None]:
    """Return the day that each text means, read like the times of cases; None: unreadable."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT x, CAST({time_sql('x', formats)} AS DATE)"
            " FROM (SELECT unnest(?::VARCHAR[]) AS x)",
            [sorted(texts)],
        ).fetchall()
    return {text: day if day and 1900 <= day.year <= 2200 else None for text, day in rows}


def number_in(text: str) -> float:
    """Return the number that a cell says.

    Raises:
        CellError: it says none, or no finite one.
    """
    plain = text.replace(",", "")
    if not re.fullmatch(r"-?\d{1,15}(\.\d+)?([eE][+-]?\d{1,2})?", plain):
        raise CellError(f"“{text}”不是数字")
    return float(plain)


def _finder(tables: SmallTables, name: str) -> Callable[[str, Row], Row]:
    """Return a function from a code or name (and the row so far) to the row that it means."""
    by_code: dict[str, Row] = {}
    by_name: dict[str, list[Row]] = {}
    for row in tables.rows(name):
        by_code[row["code"]] = row
        names = {row["name"], row.get("short_name") or row["name"]}
        for one in names:
            by_name.setdefault(one, []).append(row)

    def find(text: str, so_far: Row) -> Row:
        if text in by_code:
            return by_code[text]
        named = by_name.get(text, [])
        if name == "subdistricts" and so_far.get("district_id") is not None:
            named = [row for row in named if row["district_id"] == so_far["district_id"]]
        if len(named) == 1:
            return named[0]
        label = TABLE_FILES[name].label
        if named:
            raise CellError(f"“{text}”在{label}中不止一个，请写代码")
        raise CellError(f"“{text}”在{label}中没有，请先导入 {name}")

    return find


def _value(
    spec: TableFile,
    column: Column,
    text: str,
    dates: dict[str, dt.date | None],
    finders: dict[str, Callable[[str, Row], Row]],
    so_far: Row,
) -> Any:
    if not text:
        if column.required:
            raise CellError("不能为空")
        return column.default
    if column.kind in finders:
        return finders[column.kind](text, so_far)["id"]
    if column.kind == "date":
        day = dates[text]
        if day is None:
            raise CellError(f"“{text}”不是日期（例：2021-04-12）")
        return day
    if column.kind == "yes":
        if text.lower() not in _YES:
            raise CellError(f"“{text}”须为 是 或 否")
        return _YES[text.lower()]
    if column.kind in ("int", "number"):
        number = number_in(text)
        if column.kind == "number":
            return number
        if not number.is_integer() or not 0 <= number < 2**31:
            raise CellError(f"“{text}”须为不小于 0 的整数")
        return int(number)
    allowed = _ALLOWED.get((spec.name, column.name))
    if allowed and text not in allowed:
        raise CellError(f"“{text}”须为{'、'.join(allowed)}之一")
    if spec.name == "rules" and column.name == "value":
        try:
            json.loads(text)
        except ValueError:
            raise CellError(f"“{text}”不是数字") from None
        return text
    # Names and notes people write may hold a number to call.
    return text if column.name == "code" else mask(text)


def _finish(
    spec: TableFile, rows: list[tuple[int, Row]], tables: SmallTables, problems: Problems
) -> None:
    """Fill in what follows from other columns, and check what concerns several at once."""
    if spec.name == "districts":
        codes = {row["code"] for row in tables.rows("districts")} | {r["code"] for _, r in rows}
        for line, row in rows:
            row["short_name"] = row["short_name"] or short_name(row["name"])
            if row["counted_in"] and row["counted_in"] not in codes:
                problems.add(line, "counted_in", f"没有代码为“{row['counted_in']}”的区")
    elif spec.name == "topics":
        for line, row in rows:
            if not 1 <= row["month"] <= 12:
                problems.add(line, "month", f"“{row['month']}”不是月份")
            if not 2000 <= row["year"] <= 2200:
                problems.add(line, "year", f"“{row['year']}”不是年份")
    elif spec.name == "targets":
        for line, row in rows:
            if row["due_on"] < row["start_on"]:
                problems.add(line, "due_on", "早于 start_on")
    elif spec.name in ("target_plan", "district_targets", "progress"):
        _check_figures(spec, rows, tables, problems)
    elif spec.name == "project_log":
        units = {row["id"]: row["units"] for row in tables.rows("projects")}
        for line, row in rows:
            if row["done"] is not None and row["done"] > units[row["project_id"]]:
                problems.add(line, "done", f"{row['done']} 大于 units {units[row['project_id']]}")
            if row["stage"] is None and row["done"] is None and row["note"] is None:
                problems.add(line, "stage、done、note", "至少填一项")
    elif spec.name == "projects":
        home = {row["id"]: row["district_id"] for row in tables.rows("subdistricts")}
        for line, row in rows:
            if row["done"] > row["units"]:
                problems.add(line, "done", f"{row['done']} 大于 units {row['units']}")
            if row["subdistrict_id"] is not None:
                district = home[row["subdistrict_id"]]
                if row["district_id"] not in (None, district):
                    problems.add(line, "subdistrict", "不属于所写的区")
                row["district_id"] = district


def _check_figures(
    spec: TableFile, rows: list[tuple[int, Row]], tables: SmallTables, problems: Problems
) -> None:
    """Check planned and reached values, and take out the unit, which the target has."""
    targets = {row["id"]: row for row in tables.rows("targets")}
    planned: dict[tuple[int, dt.date], int] = {}
    for line, row in rows:
        target, unit = targets[row["target_id"]], row.pop("unit")
        if unit is not None and unit != target["unit"]:
            problems.add(
                line,
                "unit",
                f"写的是“{unit}”，目标 {target['code']} 的单位是“{target['unit']}”；"
                "导入不作换算，请先换成目标的单位",
            )
        for name in ("value", "stock"):
            if (row.get(name) or 0) < 0:
                problems.add(line, name, f"{row[name]:.12g} 小于 0")
        if spec.name == "target_plan":
            first = planned.setdefault((row["target_id"], row["on_date"]), line)
            if first != line:
                problems.add(line, "target、on_date", f"与第 {first} 行重复")


def _put(
    spec: TableFile, rows: list[tuple[int, Row]], tables: SmallTables, problems: Problems
) -> None:
    """Merge the rows into the table: by key, or as its new content."""
    if not spec.key:
        tables.replace(spec.name, [row for _, row in rows])
        return
    merged = {tuple(row[name] for name in spec.key): row for row in tables.rows(spec.name)}
    first_line: dict[tuple[Any, ...], int] = {}
    next_id = tables.next_id(spec.name) if spec.numbered else 0
    for line, row in rows:
        key = tuple(row[name] for name in spec.key)
        if key in first_line:
            problems.add(line, "、".join(spec.key), f"与第 {first_line[key]} 行重复")
            continue
        first_line[key] = line
        if spec.numbered:
            if key in merged:
                row["id"] = merged[key]["id"]
            else:
                row["id"] = next_id
                next_id += 1
        merged[key] = row
    content = list(merged.values())
    if spec.name == "categories":
        content = _category_tree(content, dict(_by_code(rows)), problems)
    tables.replace(spec.name, content)


def _by_code(rows: list[tuple[int, Row]]) -> list[tuple[str, int]]:
    return [(row["code"], line) for line, row in rows]


def _category_tree(content: list[Row], lines: dict[str, int], problems: Problems) -> list[Row]:
    """Return the rows of ``categories`` with ids of every level from the codes of the files."""
    by_code = {row["code"]: row for row in content}
    by_id = {row["id"]: row for row in content}
    parents: dict[str, str | None] = {}
    for row in content:
        code = row["code"]
        if code in lines:
            above = (row.pop("parent"), *(row.pop(f"level{n}") for n in (3, 2, 1)))
            parents[code] = next((c for c in above if c and c != code), None)
            if parents[code] and parents[code] not in by_code:
                problems.add(lines[code], "parent", f"没有代码为“{parents[code]}”的分类")
        else:
            above_id = parent_id(row)
            parents[code] = by_id[above_id]["code"] if above_id else None
    problems.stop()
    tree = []
    for row in content:
        line, code = lines.get(row["code"], 0), row["code"]
        branch: list[str] = []
        at: str | None = code
        while at is not None and len(branch) <= 3:
            branch.insert(0, at)
            at = parents[at]
        if len(branch) > 3:
            problems.add(line, "parent", "分类最多三级，也不能循环")
            continue
        if row["level"] not in (None, len(branch)):
            problems.add(line, "level", f"写的是 {row['level']} 级，按上级是 {len(branch)} 级")
        ids = [by_code[c]["id"] for c in branch] + [None, None]
        levels = {f"level{n}_id": ids[n - 1] for n in (1, 2, 3)}
        tree.append({**row, "level": len(branch), **levels})
    return tree
