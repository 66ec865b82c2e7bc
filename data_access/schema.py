"""The tables of a published version, in SQLAlchemy Core, the same on every engine.

A version is complete in itself: cases, reference tables, topics, aggregates and the account of
the loads that made it. On DuckDB it is one file; on PostgreSQL one schema.

Ids are small integers given at load, stable from version to version; codes are what the outside
world uses (URLs, files). A NULL ``district_id`` is 未定位, a NULL ``category_id`` or
``lead_unit_id`` is 未归类: the words that could not be placed are kept beside it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    cast,
    extract,
    func,
    literal_column,
)

from domain.outcomes import COUNT_COLUMNS, OVERDUE, state_of

metadata = MetaData()

# Goes up by one with every change of a table below: code reads versions of its own layout only.
LAYOUT = 6


def _table(name: str, *columns: Column, comment: str) -> Table:
    return Table(name, metadata, *columns, comment=comment)


# One row per 诉求工单, in order of creation: the ledger reads pages of it without a sort.
cases = _table(
    "cases",
    Column("case_id", String, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("created_on", Date, nullable=False),
    Column("dispatched_at", DateTime),
    Column("responded_at", DateTime),
    Column("due_at", DateTime),
    Column("closed_at", DateTime),
    Column("closed", Boolean, nullable=False),
    # Of closed cases: as the source says, else closed_at <= due_at.
    Column("on_time", Boolean),
    Column("district_id", SmallInteger),
    Column("subdistrict_id", SmallInteger),
    Column("place_text", String),  # the words for a place that the reference does not know
    Column("community", String),
    Column("category_id", Integer),
    Column("category_text", String),
    Column("topic_id", SmallInteger),
    Column("kind_id", SmallInteger),
    Column("channel_id", SmallInteger),
    Column("lead_unit_id", Integer),
    Column("unit_text", String),
    Column("direct_dispatch", Boolean),
    Column("valid_revisit", Boolean),  # NULL: not revisited yet; False: no valid answer
    Column("contacted", Boolean),
    Column("resolved", SmallInteger),  # domain.outcomes.RESOLVED_*
    Column("satisfaction", SmallInteger),  # 0 不满意, 1 满意, 2 基本满意, 3 未评价
    Column("excluded", Boolean, nullable=False),  # 剔除
    Column("shelved_until", Date),  # 挂账
    Column("repeat_of", String),
    Column("summary", String),
    Column("assessed", Boolean, nullable=False),  # False: 咨询 answered on the spot, never counted
    # From here on made at publish, of what the source says of this case and of all others.
    Column("state", SmallInteger, nullable=False),  # domain.outcomes.state_of
    Column("position", Integer, nullable=False),  # in the order of creation, from 0
    # Assessed cases of its community, category and month where they are a group (群诉) by any rule
    # set of the version; NULL: they are none.
    Column("group_cases", Integer),
    # Of a repeat: how many assessed cases repeat the same first case, and when that was closed.
    Column("matter_repeats", Integer),
    Column("first_closed_at", DateTime),
    comment="诉求工单",
)
_MADE = ("state", "position", "group_cases", "matter_repeats", "first_closed_at")
# What a source says of a case.
SOURCE_COLUMNS: tuple[Column, ...] = tuple(
    column for column in cases.columns if column.name not in _MADE
)

# What the cases say together, counted once at publish: small beside them.
case_groups = _table(
    "case_groups",
    Column("subdistrict_id", SmallInteger, nullable=False),
    Column("category_id", Integer, nullable=False),
    Column("community", String, nullable=False),
    Column("month", Integer, nullable=False),  # 12 × year + month of creation
    Column("cases", Integer, nullable=False),  # assessed ones
    comment="群诉：同一社区、同一分类、同一月",
)
matters = _table(
    "matters",
    Column("case_id", String, nullable=False),  # what its repeats name as the first case
    Column("repeats", Integer, nullable=False),  # assessed ones, of the whole city
    Column("closed_at", DateTime),  # of the first case; NULL: open, or not in the data
    comment="有重复诉求的事项",
)
matter_repeats = _table(
    "matter_repeats",
    Column("repeat_of", String, nullable=False),
    Column("district_id", SmallInteger),
    Column("lead_unit_id", Integer),
    Column("repeats", Integer, nullable=False),  # assessed ones
    comment="每个事项的重复诉求 × 区 × 承办单位",
)
# Which cases have which neighbouring letters in their summary: see data_access.words.
word_index = _table(
    "word_index",
    Column("letter", Integer, nullable=False),  # the first of four, a code point
    Column("stretch", Integer, nullable=False),  # of cases, by their position
    Column("grams", LargeBinary, nullable=False),
    comment="摘要用字索引",
)

districts = _table(
    "districts",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("short_name", String, nullable=False),
    Column("population", Integer),
    Column("zone", String),
    Column("counted_in", String),  # code of the district whose population includes this one's
    Column("tile_row", SmallInteger),
    Column("tile_column", SmallInteger),
    comment="考核区（行政区和作为一个单位考核的功能区）",
)
subdistricts = _table(
    "subdistricts",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("district_id", SmallInteger, nullable=False),  # the district that is assessed for it
    Column("kind", String),
    comment="街道、镇、乡",
)
categories = _table(
    "categories",
    Column("id", Integer, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("level1_id", Integer, nullable=False),
    Column("level2_id", Integer),
    Column("level3_id", Integer),
    Column("tag", String),  # 七有五性
    comment="诉求分类（三级）",
)
units = _table(
    "units",
    Column("id", Integer, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", String),
    comment="承办单位",
)
channels = _table(
    "channels",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    comment="诉求渠道",
)
kinds = _table(
    "kinds",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    comment="诉求性质",
)

topics = _table(
    "topics",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("month", SmallInteger, nullable=False),
    Column("theme", String, nullable=False),
    Column("name", String, nullable=False),
    Column("launched_on", Date),
    Column("closed_on", Date),  # 销号
    Column("is_example", Boolean, nullable=False),  # 示例: not a published problem
    comment="每月一题",
)
topic_units = _table(
    "topic_units",
    Column("topic_id", SmallInteger, nullable=False),
    Column("unit_id", Integer, nullable=False),
    Column("role", String, nullable=False),  # 主责, 配合
    comment="每月一题的主责、配合单位",
)
topic_categories = _table(
    "topic_categories",
    Column("topic_id", SmallInteger, nullable=False),
    Column("category_id", Integer, nullable=False),
    comment="计入每月一题的诉求分类",
)
targets = _table(
    "targets",
    Column("id", SmallInteger, nullable=False),
    Column("code", String, nullable=False),
    Column("topic_id", SmallInteger, nullable=False),
    Column("name", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("value", Double),
    Column("stock", Double),
    Column("start_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("direction", String, nullable=False),  # up, down
    Column("cumulative", Boolean, nullable=False),
    comment="目标",
)
target_plan = _table(
    "target_plan",
    Column("target_id", SmallInteger, nullable=False),
    Column("on_date", Date, nullable=False),
    Column("value", Double, nullable=False),
    comment="目标的计划进度",
)
district_targets = _table(
    "district_targets",
    Column("target_id", SmallInteger, nullable=False),
    Column("district_id", SmallInteger, nullable=False),
    Column("value", Double),  # the district's own target; NULL: its part by stock
    Column("stock", Double),
    comment="目标的分区任务与存量",
)
progress = _table(
    "progress",
    Column("target_id", SmallInteger, nullable=False),
    Column("district_id", SmallInteger),  # NULL: the whole city
    Column("on_date", Date, nullable=False),
    Column("value", Double, nullable=False),
    Column("invented", Boolean, nullable=False),
    comment="目标的累计进度",
)
milestones = _table(
    "milestones",
    Column("topic_id", SmallInteger, nullable=False),
    Column("list", String, nullable=False),  # 任务清单, 政策清单, 责任清单
    Column("name", String, nullable=False),
    Column("unit_id", Integer),
    Column("due_on", Date, nullable=False),
    Column("done_on", Date),
    comment="一方案三清单",
)
projects = _table(
    "projects",
    Column("id", Integer, nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("target_id", SmallInteger, nullable=False),
    Column("district_id", SmallInteger),
    Column("subdistrict_id", SmallInteger),
    Column("community", String),  # as the cases name it
    Column("units", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("stage", String, nullable=False),
    Column("stage_since", Date),
    Column("developer", String),
    Column("owner", String),
    Column("blocker", String),
    Column("next_step", String),
    Column("deadline", Date),
    comment="历史遗留项目",
)
project_causes = _table(
    "project_causes",
    Column("project_id", Integer, nullable=False),
    Column("cause", String, nullable=False),
    comment="项目成因",
)
# What happened to a project and when: a new stage, more done, a remark.
project_log = _table(
    "project_log",
    Column("project_id", Integer, nullable=False),
    Column("on_date", Date, nullable=False),
    Column("stage", String),  # entered on this day; NULL: the same as before
    Column("done", Integer),  # cumulative; NULL: the same as before
    Column("note", String),
    comment="项目进展",
)
# How long a project usually takes from a stage on, and how much longer because of a cause.
project_stages = _table(
    "project_stages",
    Column("name", String, nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("weeks", Double),
    comment="项目阶段",
)
causes = _table(
    "causes",
    Column("name", String, nullable=False),
    Column("weeks", Double),
    comment="成因",
)

rules = _table(
    "rules",
    Column("version", String, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("name", String, nullable=False),
    Column("value", String, nullable=False),  # JSON
    comment="口径版本",
)
loads = _table(
    "loads",
    Column("version", Integer, nullable=False),  # the version this load published
    Column("table_name", String, nullable=False),
    Column("source", String, nullable=False),  # file name, never a path
    Column("sha256", String, nullable=False),
    Column("loaded_at", DateTime, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_kept", Integer, nullable=False),
    Column("rows_merged", Integer, nullable=False),
    Column("rows_rejected", Integer, nullable=False),
    Column("account", String, nullable=False),  # JSON: rejects by reason, findings, dropped columns
    comment="导入记录",
)
# One row: what this version is.
version_info = _table(
    "version_info",
    Column("line", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("layout", Integer, nullable=False),  # LAYOUT of the code that made it
    Column("is_demo", Boolean, nullable=False),
    Column("city", String, nullable=False),
    Column("cutoff", DateTime, nullable=False),
    Column("first_day", Date),
    Column("published_at", DateTime, nullable=False),
    comment="数据版本",
)

# What a case in each state adds to each count; joined to turn grouped states into counts.
states = _table(
    "states",
    Column("state", SmallInteger, nullable=False),
    *(Column(name, SmallInteger, nullable=False) for name in COUNT_COLUMNS if name != "cases"),
    comment="诉求状态",
)


# Parts of a state.
CLOSED_BITS = state_of(0, 0, closed=1, mature=0, shelved=0, repeat=0)
TIMELINESS_BITS = state_of(0, 3, closed=0, mature=0, shelved=0, repeat=0)
OVERDUE_BITS = state_of(0, OVERDUE, closed=0, mature=0, shelved=0, repeat=0)
SHELVED_BITS = state_of(0, 0, closed=0, mature=0, shelved=1, repeat=0)
REPEAT_BITS = state_of(0, 0, closed=0, mature=0, shelved=0, repeat=1)


def _number(value: int) -> ColumnElement[int]:
    # Not a bound value: PostgreSQL uses an index of some rows only where a question has the very
    # condition of the index.
    return literal_column(str(value), Integer)


def _bits(state: ColumnElement[int], bits: int) -> ColumnElement[int]:
    return state.bitwise_and(_number(bits))


def is_open(state: ColumnElement[int]) -> ColumnElement[bool]:
    """Return that a case is not closed, by its state."""
    return _bits(state, CLOSED_BITS) == _number(0)


def is_overdue(state: ColumnElement[int]) -> ColumnElement[bool]:
    """Return that a case is 逾期未办, by its state."""
    return _bits(state, TIMELINESS_BITS) == _number(OVERDUE_BITS)


def is_shelved(state: ColumnElement[int]) -> ColumnElement[bool]:
    """Return that a case is 挂账, by its state."""
    return _bits(state, SHELVED_BITS) != _number(0)


def is_repeat(state: ColumnElement[int]) -> ColumnElement[bool]:
    """Return that a case is 重复, by its state."""
    return _bits(state, REPEAT_BITS) != _number(0)


def month_number(day: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a number for the month of a day: 12 × year + month."""
    return cast(12 * extract("year", day) + extract("month", day), Integer)


def counts_of_states(cases_in_state: ColumnElement[int]) -> list[ColumnElement[int]]:
    """Return the sums that give ``COUNT_COLUMNS`` of numbers of cases joined with ``states``."""
    sums = [cases_in_state] + [
        cases_in_state * states.c[name] for name in COUNT_COLUMNS if name != "cases"
    ]
    return [
        cast(func.sum(value), BigInteger).label(name)
        for name, value in zip(COUNT_COLUMNS, sums, strict=True)
    ]


def _aggregate(name: str, *keys: str, comment: str) -> Table:
    """Return a table of numbers of assessed cases by day of creation, keys and 剔除."""
    return _table(
        name,
        Column("created_on", Date, nullable=False),
        *(Column(key, cases.c[key].type) for key in keys),
        Column("excluded", Boolean, nullable=False),
        *(Column(count, Integer, nullable=False) for count in COUNT_COLUMNS),
        comment=comment,
    )


# Aggregates, built once at publish.
daily_district = _aggregate("daily_district", "district_id", comment="每日 × 区")
daily_place = _aggregate("daily_place", "district_id", "subdistrict_id", comment="每日 × 街道乡镇")
daily_category = _aggregate(
    "daily_category", "district_id", "category_id", "topic_id", comment="每日 × 区 × 分类"
)
AGGREGATES = (daily_district, daily_place, daily_category)
