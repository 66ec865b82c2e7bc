"""What looks wrong with targets, progress, milestones and projects: said, and kept as given."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from .small_tables import Row, SmallTables

# Figures closer than this, of the greater one, are the same: sums of fractions are never exact.
_TOLERANCE = 1e-6
_MOST_EXAMPLES = 3
_EARLIEST_DONE = dt.date(2000, 1, 1)

Lines = Sequence[tuple[int, Row]]  # rows of a file with their lines


def attention(found: Sequence[str], what: str) -> list[str]:
    """Return notes for the account: three of what was found, and how many there are if more."""
    notes = [f"注意：{one}" for one in found[:_MOST_EXAMPLES]]
    if len(found) > _MOST_EXAMPLES:
        notes.append(f"注意：{what}共 {len(found):,} 处")
    return notes


def remarks_on(
    table: str, rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.datetime
) -> list[str]:
    """Return notes on the rows of a file that was put into a table, which had ``before``."""
    check = _CHECKS.get(table)
    return check(rows, before, tables, cutoff.date()) if check else []


def _of_targets(
    rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.date
) -> list[str]:
    used = {row["target_id"] for name in ("progress", "target_plan") for row in tables.rows(name)}
    units = {row["code"]: row["unit"] for row in before if row["id"] in used}
    changed = [
        f"目标 {row['code']} 的单位由“{units[row['code']]}”改为“{row['unit']}”，"
        "已有的计划和进度不换算"
        for _, row in rows
        if units.get(row["code"], row["unit"]) != row["unit"]
    ]
    return attention(changed, "目标单位改变")


def _of_plan(rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.date) -> list[str]:
    targets = {row["id"]: row for row in tables.rows("targets")}
    outside, falls, ends = [], [], []
    plans: dict[int, list[Row]] = defaultdict(list)
    for line, row in rows:
        target = targets[row["target_id"]]
        plans[row["target_id"]].append(row)
        if not target["start_on"] <= row["on_date"] <= target["due_on"]:
            outside.append(
                f"目标 {target['code']} 的计划日期 {row['on_date']}（第 {line} 行）不在"
                f" {target['start_on']} 至 {target['due_on']} 之内"
            )
    for target_id, plan in plans.items():
        target = targets[target_id]
        points = sorted(plan, key=_on_date)
        if _is_rising(target):
            falls += [
                f"目标 {target['code']} 的计划下降：{_change(first, second)}"
                for first, second in _falls(points)
            ]
        in_time = [point for point in points if point["on_date"] <= target["due_on"]]
        if target["value"] is None or not in_time:
            continue
        last = in_time[-1]
        at_due = last["on_date"] == target["due_on"]
        over = _is_rising(target) and _exceeds(last["value"], target["value"])
        if over or (at_due and not _same(last["value"], target["value"])):
            ends.append(
                f"目标 {target['code']} 的计划到 {last['on_date']} 为 {_figure(last['value'])}，"
                f"与目标值 {_figure(target['value'])} 不符"
            )
    return [
        *attention(outside, "计划日期在目标起止之外"),
        *attention(falls, "计划下降"),
        *attention(ends, "计划与目标值不符"),
    ]


def _of_progress(
    rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.date
) -> list[str]:
    targets = {row["id"]: row for row in tables.rows("targets")}
    district_name = {row["id"]: row["name"] for row in tables.rows("districts")}
    notes = []
    late = [line for line, row in rows if row["on_date"] > cutoff]
    if late:
        notes.append(
            f"注意：{len(late):,} 行进度日期晚于数据截至 {cutoff}"
            f"（如第 {late[0]} 行），数据截至之后才计入"
        )
    early = []
    for line, row in rows:
        target = targets[row["target_id"]]
        if row["on_date"] < target["start_on"]:
            early.append(
                f"目标 {target['code']} 从 {target['start_on']} 开始，"
                f"进度日期为 {row['on_date']}（第 {line} 行）"
            )
    notes += attention(early, "进度早于目标开始")

    series: dict[tuple[int, int | None], list[Row]] = defaultdict(list)
    city: dict[tuple[int, dt.date], float] = {}
    parts: dict[tuple[int, dt.date], list[float]] = defaultdict(list)
    for row in sorted(tables.rows("progress"), key=_on_date):
        # Levels and shares may fall, and those of districts make no sum.
        target = targets[row["target_id"]]
        if not target["cumulative"]:
            continue
        if _is_rising(target):
            series[row["target_id"], row["district_id"]].append(row)
        if row["district_id"] is None:
            city[row["target_id"], row["on_date"]] = row["value"]
        else:
            parts[row["target_id"], row["on_date"]].append(row["value"])
    falls = [
        f"目标 {targets[target_id]['code']}（{district_name.get(district, '全市')}）累计值下降："
        + _change(first, second)
        for (target_id, district), figures in series.items()
        for first, second in _falls(figures)
    ]
    sums = [
        f"目标 {targets[target_id]['code']} {on_date} 各区合计 {_figure(math.fsum(values))}，"
        f"大于全市 {_figure(city[target_id, on_date])}"
        for (target_id, on_date), values in parts.items()
        if _exceeds(math.fsum(values), city.get((target_id, on_date), math.inf))
    ]
    return [*notes, *attention(falls, "累计值下降"), *attention(sums, "各区合计大于全市")]


def _of_milestones(
    rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.date
) -> list[str]:
    early, late = [], []
    for line, row in rows:
        done = row["done_on"]
        said = f"“{row['name']}”的完成日期 {done}（第 {line} 行）"
        if done is not None and done < _EARLIEST_DONE:
            early.append(f"{said}早于 {_EARLIEST_DONE.year} 年")
        if done is not None and done > cutoff:
            late.append(f"{said}晚于数据截至 {cutoff}")
    return [
        *attention(early, f"完成日期早于 {_EARLIEST_DONE.year} 年"),
        *attention(late, "完成日期晚于数据截至"),
    ]


def _of_project_log(
    rows: Lines, before: Sequence[Row], tables: SmallTables, cutoff: dt.date
) -> list[str]:
    projects = {row["id"]: row for row in tables.rows("projects")}
    done: dict[int, list[Row]] = defaultdict(list)
    late = []
    for row in sorted(tables.rows("project_log"), key=_on_date):
        if row["on_date"] > cutoff:
            late.append(f"项目 {projects[row['project_id']]['code']} 的进展日期 {row['on_date']}")
        if row["done"] is not None:
            done[row["project_id"]].append({**row, "value": row["done"]})
    falls = [
        f"项目 {projects[project_id]['code']} 的完成数下降：{_change(first, second)}"
        for project_id, figures in done.items()
        for first, second in _falls(figures)
    ]
    differing = [
        f"项目 {projects[project_id]['code']} 台账写完成 {projects[project_id]['done']}，"
        f"最近一次进展（{figures[-1]['on_date']}）写 {figures[-1]['done']}"
        for project_id, figures in done.items()
        if figures[-1]["done"] != projects[project_id]["done"]
    ]
    return [
        *attention(late, f"进展日期晚于数据截至 {cutoff}"),
        *attention(falls, "完成数下降"),
        *attention(differing, "台账与进展不符"),
    ]


_CHECKS: dict[str, Callable[[Lines, Sequence[Row], SmallTables, dt.date], list[str]]] = {
    "targets": _of_targets,
    "target_plan": _of_plan,
    "progress": _of_progress,
    "milestones": _of_milestones,
    "project_log": _of_project_log,
}


def _is_rising(target: Row) -> bool:
    return bool(target["cumulative"]) and target["direction"] == "up"


def _on_date(row: Row) -> dt.date:
    day: dt.date = row["on_date"]
    return day


def _falls(points: Sequence[Row]) -> list[tuple[Row, Row]]:
    return [
        (first, second)
        for first, second in itertools.pairwise(points)
        if second["value"] < first["value"]
    ]


def _change(first: Row, second: Row) -> str:
    return (
        f"{first['on_date']} 为 {_figure(first['value'])}，"
        f"{second['on_date']} 为 {_figure(second['value'])}"
    )


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_TOLERANCE)


def _exceeds(one: float, other: float) -> bool:
    return one > other and not _same(one, other)


def _figure(value: float) -> str:
    return f"{value:.12g}"
