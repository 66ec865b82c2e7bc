"""每月一题 of the demo: topics, targets, progress, milestones and the project ledger."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data_access.demo import planted
from data_access.demo.arrays import STREAM_PROGRAMME, Bools, Floats, Ints, generator, whole
from data_access.demo.catalogue import Catalogue, day
from data_access.demo.places import CERTIFICATE_STOCK, Places

Row = dict[str, Any]

YEAR = 2021
MILESTONES = 603
PROJECTS = 911
CERTIFICATES = "2021-01-1"
_LISTS = (("任务清单", 0.6), ("政策清单", 0.2), ("责任清单", 0.2))
_STEPS = {
    "任务清单": ("开展摸底排查", "建立问题台账", "制定分类处置方案", "推进首批问题销号",
             "组织现场督导", "完成季度任务", "开展回头看", "完成年度任务总结"),
    "政策清单": ("修订实施细则", "出台工作指引", "完善配套办法", "印发工作方案", "统一办理标准"),
    "责任清单": ("明确各区责任人", "建立联席会议机制", "落实考核办法", "公开办理渠道"),
}  # fmt: skip
# Weeks that a cause adds, and what holds a project up (invented).
_CAUSES = {
    "土地征收": (6, "集体土地征收补偿未完成"),
    "建设手续": (8, "规划许可与施工许可手续缺失"),
    "工程核验": (5, "竣工验收资料不全，待安全鉴定"),
    "资金链断裂": (26, "开发企业资金链断裂，土地价款与税费未缴"),
}
# (name, usual weeks from here to the last certificate, share of projects without one in it at the
# reference day, next step)
_STAGES = (
    ("摸底核查", 38, 0.22, "完成项目问题清单"),
    ("方案制定", 30, 0.27, "报送一楼一策处置方案"),
    ("土地手续补办", 22, 0.24, "补缴土地出让价款"),
    ("规划与工程核验", 15, 0.19, "完成规划核实和竣工备案"),
    ("首次登记", 8, 0.08, "办理不动产首次登记"),
    ("转移登记", 4, 0.0, "组织业主集中办理转移登记"),
    ("已办结", 0, 0.0, ""),
)
_REGISTERED, _TRANSFER, _FINISHED = 4, 5, 6
# The stages are drawn as they stand on this day; what comes before and after follows.
_REFERENCE_DAY = dt.date(2021, 4, 12)
_ESTATE_WORDS = (
    "永安 和景 安澜 福泽 瑞丰 明悦 清源 宏景 长青 新辰 同泽 玉澜 惠安 康城 松泉 柳岸 望舒 "
    "晨曦 翠湖 金澜 广裕 嘉泽 景明 兴和 红叶 锦绣 朗润 观澜 御景 半山 枫林 海棠 银杏 "
    "月桂 芳园 春晓 听涛 澄湖"
)
_ESTATES = _ESTATE_WORDS.split()
_ESTATE_ENDS = ("家园", "花园", "苑", "小区", "雅居", "新城", "里", "庭院")


@dataclass
class Programme:
    """Rows of the programme's tables, by table."""

    topics: list[Row] = field(default_factory=list)
    topic_units: list[Row] = field(default_factory=list)
    topic_categories: list[Row] = field(default_factory=list)
    targets: list[Row] = field(default_factory=list)
    target_plan: list[Row] = field(default_factory=list)
    district_targets: list[Row] = field(default_factory=list)
    progress: list[Row] = field(default_factory=list)
    milestones: list[Row] = field(default_factory=list)
    projects: list[Row] = field(default_factory=list)
    project_causes: list[Row] = field(default_factory=list)
    project_log: list[Row] = field(default_factory=list)
    project_stages: list[Row] = field(default_factory=list)
    causes: list[Row] = field(default_factory=list)


def make_programme(catalogue: Catalogue, places: Places, seed: int, cutoff: dt.date) -> Programme:
    """Return the programme as known at the cut-off; what was known before never changes."""
    result = Programme()
    _add_topics(result, catalogue)
    dates, certificates = _add_targets(result, catalogue, places, seed, cutoff)
    _add_milestones(result, catalogue, seed, cutoff)
    _add_projects(result, catalogue, places, seed, cutoff, dates, certificates)
    result.project_stages = [
        {"name": name, "position": position, "weeks": float(weeks)}
        for position, (name, weeks, _, _) in enumerate(_STAGES, 1)
    ]
    result.causes = [{"name": name, "weeks": float(weeks)} for name, (weeks, _) in _CAUSES.items()]
    return result


def _add_topics(result: Programme, catalogue: Catalogue) -> None:
    category_id = dict(
        zip((row["level3"] for row in catalogue.categories), catalogue.category_id, strict=True)
    )
    for number, topic in enumerate(catalogue.topics, 1):
        month = int(topic["month"])
        result.topics.append(
            {
                "id": number,
                "code": topic["code"],
                "year": YEAR,
                "month": month,
                "theme": topic["theme"],
                "name": topic["name"],
                "launched_on": dt.date(YEAR, month, 1),
                "closed_on": None,
                "is_example": topic["is_example"] == "1",
            }
        )
        lead = catalogue.unit_id(topic["lead_unit"])
        helping = [catalogue.unit_id(name) for name in topic["support_units"].split("|")]
        helping += range(1, len(catalogue.districts) + 1)
        for unit, role in [(lead, "主责"), *((unit, "配合") for unit in helping)]:
            result.topic_units.append({"topic_id": number, "unit_id": unit, "role": role})
        for name in topic["categories"].split("|"):
            result.topic_categories.append(
                {"topic_id": number, "category_id": int(category_id[name])}
            )


def _add_targets(
    result: Programme, catalogue: Catalogue, places: Places, seed: int, cutoff: dt.date
) -> tuple[list[dt.date], Ints]:
    """Add targets, plans and progress.

    Return the days of the certificates' figures and what was done by then (days × districts),
    those after the cut-off too: what is known then follows from what comes.
    """
    volume = np.bincount(places.district, places.monthly).astype(np.float64)
    stock = np.array([CERTIFICATE_STOCK.get(place.code, 0) for place in catalogue.districts])
    certificates: tuple[list[dt.date], Ints] = ([], np.zeros((0, len(stock)), dtype=np.int64))
    topic_ids = {topic["code"]: number for number, topic in enumerate(catalogue.topics, 1)}
    for number, target in enumerate(catalogue.targets, 1):
        start = day(target["start_on"])
        result.targets.append(
            {
                "id": number,
                "code": target["code"],
                "topic_id": topic_ids[target["topic"]],
                "name": target["name"],
                "unit": target["unit"],
                "value": float(target["value"]),
                "stock": float(target["stock"]) if target["stock"] else None,
                "start_on": start,
                "due_on": day(target["due_on"]),
                "direction": target["direction"],
                "cumulative": target["cumulative"] == "1",
            }
        )
        result.target_plan += [
            {"target_id": number, "on_date": date, "value": value}
            for date, value, _ in _points(target["plan"])
        ]
        if target["stock"]:
            _add_district_targets(result, number, target, stock, volume, seed)
        random = generator(seed, STREAM_PROGRAMME, number)
        dates, values, published = _weekly(_points(target["actual"]), start, random)
        known = [date <= cutoff for date in dates]
        if target["updated_until"]:
            known = [date <= min(cutoff, day(target["updated_until"])) for date in dates]
        is_certificates = target["code"] == CERTIFICATES
        by_district = None
        if target["cumulative"] == "1":
            weights = (stock if is_certificates else volume).astype(np.float64)
            moving = np.ones((len(dates), len(weights)), dtype=np.bool_)
            if is_certificates:
                first, last = planted.ZERO_DAYS
                standing = [first <= date <= last for date in dates]
                zero = catalogue.district(planted.ZERO_DISTRICT)
                moving[standing, zero] = False
                weights[zero] *= planted.ZERO_PACE
            by_district = _by_district(values, weights, moving, random)
        for position in np.flatnonzero(known):
            row = {"target_id": number, "on_date": dates[position]}
            result.progress.append(
                row
                | {
                    "district_id": None,
                    "value": float(values[position]),
                    "invented": not published[position],
                }
            )
            if by_district is None:
                continue
            result.progress += [
                row | {"district_id": district, "value": float(value), "invented": True}
                for district, value in enumerate(by_district[position], 1)
            ]
        if is_certificates and by_district is not None:
            certificates = dates, by_district
    return certificates


def _add_district_targets(
    result: Programme, number: int, target: dict[str, str], stock: Ints, volume: Floats, seed: int
) -> None:
    """Add what each district has and is to do (invented splits; the sums are the target's)."""
    random = generator(seed, STREAM_PROGRAMME, 2_000 + number)
    existing = stock
    if target["code"] != CERTIFICATES:
        existing = whole(volume, int(target["stock"]))
    # What was agreed differs a little from a mere share of the stock.
    agreed = whole(existing * random.uniform(0.85, 1.15, len(existing)), int(target["value"]))
    result.district_targets += [
        {
            "target_id": number,
            "district_id": district,
            "value": float(min(value, has)),
            "stock": float(has),
        }
        for district, (value, has) in enumerate(zip(agreed, existing, strict=True), 1)
    ]


def _points(text: str) -> list[tuple[dt.date, float, bool]]:
    """Return (day, value, published) for ``2021-03-31=24000*;…``."""
    points = []
    for part in filter(None, text.split(";")):
        date, value = part.split("=")
        points.append((day(date), float(value.rstrip("*")), value.endswith("*")))
    return points


def _weekly(
    points: list[tuple[dt.date, float, bool]], start: dt.date, random: np.random.Generator
) -> tuple[list[dt.date], Ints, list[bool]]:
    """Return the Sundays from the start and the given days, whole values, whether published.

    Between given points the weeks differ, and each is a little faster than the one before.
    """
    first, last = points[0][0], points[-1][0]
    given = {date: value for date, value, _ in points}
    of_publication = {date: published for date, _, published in points}
    days = (last - first).days
    calendar = [first + dt.timedelta(days=since) for since in range(days + 1)]
    # A day's pace: one draw per week, so that weekly figures come in steps.
    pace = np.repeat(random.gamma(6.0, 1 / 6.0, days // 7 + 2), 7)[: days + 1]
    values = np.zeros(days + 1)
    for (left, low, _), (right, high, _) in itertools.pairwise(points):
        a, b = (left - first).days, (right - first).days
        share = np.cumsum(pace[a + 1 : b + 1] * np.linspace(0.8, 1.2, b - a))
        values[a : b + 1] = low
        values[a + 1 : b + 1] += share / share[-1] * (high - low)
    rounded = np.round(values).astype(np.int64)
    shown = [
        position
        for position, date in enumerate(calendar)
        if date >= start and (date.weekday() == 6 or date in given)
    ]
    dates = [calendar[position] for position in shown]
    return dates, rounded[shown], [of_publication.get(date, False) for date in dates]


def _by_district(city: Ints, weights: Floats, moving: Bools, random: np.random.Generator) -> Ints:
    """Return dates × districts: cumulative whole numbers that sum to the city's at each date."""
    quality = weights * np.exp(0.35 * random.normal(size=len(weights)))
    result = np.zeros((len(city), len(weights)), dtype=np.int64)
    done = np.zeros(len(weights), dtype=np.int64)
    before = 0
    for position, value in enumerate(city):
        # Whole estates at a time: in many weeks a district moves little or not at all.
        lumps = quality * random.gamma(0.7, 1.0, len(weights)) * moving[position]
        done = done + whole(lumps, int(value) - before)
        before = int(value)
        result[position] = done
    return result


def _add_milestones(result: Programme, catalogue: Catalogue, seed: int, cutoff: dt.date) -> None:
    random = generator(seed, STREAM_PROGRAMME, 1_001)
    topics = len(result.topics)
    names = [name for name, _ in _LISTS]
    shares = [share for _, share in _LISTS]
    units: dict[int, list[int]] = {}
    for row in result.topic_units:
        if row["unit_id"] > len(catalogue.districts):
            units.setdefault(row["topic_id"], []).append(row["unit_id"])
    for number in range(MILESTONES):
        topic = number % topics + 1
        kind = names[int(random.choice(len(names), p=shares))]
        steps = _STEPS[kind]
        due = dt.date(YEAR, 1, 15) + dt.timedelta(days=int(random.integers(0, 350)))
        # Most are done a little early, some late, a few very late.
        late = int(np.round(random.normal(-6, 9)))
        if random.random() < 0.05:
            late = int(random.integers(10, 90))
        done = max(due + dt.timedelta(days=late), dt.date(YEAR, 1, 4))
        step = steps[min(int((due.month - 1) / 12 * len(steps)), len(steps) - 1)]
        among = units[topic]
        unit = among[0] if random.random() < 0.55 else among[int(random.integers(0, len(among)))]
        result.milestones.append(
            {
                "topic_id": topic,
                "list": kind,
                "name": f"{step}（{due.month}月）",
                "unit_id": unit,
                "due_on": due,
                "done_on": done if done <= cutoff else None,
            }
        )
    result.milestones.sort(key=lambda row: (row["topic_id"], row["due_on"], row["name"]))


def _add_projects(
    result: Programme,
    catalogue: Catalogue,
    places: Places,
    seed: int,
    cutoff: dt.date,
    dates: list[dt.date],
    certificates: Ints,
) -> None:
    """Add 911 projects; their units sum to a district's stock, their done ones to its progress."""
    random = generator(seed, STREAM_PROGRAMME, 1_002)
    stock = np.array([CERTIFICATE_STOCK.get(place.code, 0) for place in catalogue.districts])
    numbers = np.maximum(whole(stock.astype(np.float64), PROJECTS), 1)
    names = _project_names(random, int(numbers.sum()))
    number = 0
    estate = catalogue.subdistrict(planted.ESTATE_STREET)
    for district, place in enumerate(catalogue.districts):
        count = int(numbers[district])
        weight = np.exp(0.9 * random.normal(size=count))
        streets = np.flatnonzero(places.district == district)
        street = random.choice(
            streets, size=count, p=places.monthly[streets] / places.monthly[streets].sum()
        )
        fixed = 0
        if place.code == catalogue.subdistricts[estate].district:
            # The estate whose owners complain: nothing done, no money.
            fixed = planted.ESTATE_UNITS
            street[0] = estate
        rest = whole(weight[1:] if fixed else weight, int(stock[district]) - fixed)
        units = np.concatenate([[fixed], rest]).astype(np.int64) if fixed else rest
        units = np.maximum(units, 1)
        units[int(np.argmax(units[1:])) + 1 if count > 1 else 0] += int(stock[district]) - int(
            units.sum()
        )
        done = _cleared(units, certificates[:, district], random, first=1 if fixed else 0)
        for position in range(count):
            number += 1
            is_estate = bool(fixed) and position == 0
            chosen = [
                list(_CAUSES)[i]
                for i in sorted(random.permutation(3)[: 1 + int(random.random() < 0.45)])
            ]
            if is_estate or random.random() < 0.06:
                chosen.append("资金链断裂")
            result.project_causes += [{"project_id": number, "cause": cause} for cause in chosen]
            entered = _stages_entered(random, dates, done[:, position], int(units[position]))
            if is_estate:
                entered = entered[:1]
            log = _project_log(number, dates, done[:, position], entered, cutoff)
            result.project_log += log
            known = [row["done"] for row in log if row["done"] is not None]
            stage, since = max(
                ((s, on) for s, on in enumerate(entered) if on <= cutoff), default=(0, entered[0])
            )
            community = planted.ESTATE_NAME
            if not is_estate:
                first = places.community_first[street[position]]
                own = int(random.integers(0, places.community_count[street[position]]))
                community = places.communities[first + own]
            deadline = dt.date(YEAR, 6, 30) + dt.timedelta(days=int(random.integers(0, 7)) * 31)
            maker = int(random.integers(1, 181))
            result.projects.append(
                {
                    "id": number,
                    "code": f"P{number:04d}",
                    "name": planted.ESTATE_NAME if is_estate else names[number - 1],
                    "target_id": 1,
                    "district_id": district + 1,
                    "subdistrict_id": int(street[position]) + 1,
                    "community": community,
                    "units": int(units[position]),
                    "done": known[-1] if known else 0,
                    "stage": _STAGES[stage][0],
                    "stage_since": since,
                    "developer": f"示例开发企业{maker:03d}",
                    "owner": f"{catalogue.districts[district].name}不动产登记历史遗留问题专班",
                    "blocker": _CAUSES[chosen[-1]][1] if stage <= _REGISTERED else None,
                    "next_step": _STAGES[stage][3] or None,
                    "deadline": (
                        None if stage == _FINISHED else min(deadline, dt.date(YEAR, 12, 31))
                    ),
                }
            )


def _cleared(units: Ints, totals: Ints, random: np.random.Generator, *, first: int) -> Ints:
    """Return what is done of each project by each day (days × projects).

    Whole estates go one after another, the last in part.
    """
    order = first + random.permutation(len(units) - first)
    before = np.cumsum(units[order]) - units[order]
    done = np.zeros((len(totals), len(units)), dtype=np.int64)
    done[:, order] = np.clip(totals[:, None] - before[None, :], 0, units[order][None, :])
    return done


def _stages_entered(
    random: np.random.Generator, dates: list[dt.date], done: Ints, units: int
) -> list[dt.date]:
    """Return the day on which a project entered each stage, in order, as far as it comes."""
    shares = np.array([share for _, _, share, _ in _STAGES[: _REGISTERED + 1]])
    reached = int(random.choice(_REGISTERED + 1, p=shares / shares.sum()))
    since = _REFERENCE_DAY - dt.timedelta(days=int(random.integers(5, 320)))
    steps = random.integers(45, 260, _REGISTERED + 1)
    entered = [since] * (_REGISTERED + 1)
    for stage in range(reached - 1, -1, -1):
        entered[stage] = entered[stage + 1] - dt.timedelta(days=int(steps[stage]))
    entered[reached + 1 :] = [
        max(since, _REFERENCE_DAY) + dt.timedelta(days=int(days))
        for days in np.cumsum(steps[reached:_REGISTERED])
    ]
    moved = np.flatnonzero(done > 0)
    if not len(moved):
        return entered
    # Nobody gets a certificate before the estate is registered.
    latest = dates[int(moved[0])]
    for stage in range(_REGISTERED, -1, -1):
        latest -= dt.timedelta(days=14 + int(steps[stage]) // 4)
        entered[stage] = latest = min(entered[stage], latest)
    entered.append(dates[int(moved[0])])
    if done[-1] == units:
        entered.append(dates[int(np.flatnonzero(done == units)[0])])
    return entered


def _project_log(
    number: int, dates: list[dt.date], done: Ints, entered: list[dt.date], cutoff: dt.date
) -> list[Row]:
    """Return what happened to a project up to the cut-off, one row a day, in order."""
    log: dict[dt.date, Row] = {}
    for stage, on in enumerate(entered):
        row = {"project_id": number, "on_date": on, "done": None, "note": None}
        log[on] = row | {"stage": _STAGES[stage][0]}
    before = 0
    for on, value in zip(dates, done.tolist(), strict=True):
        if value > before:
            row = {"project_id": number, "on_date": on, "stage": None, "note": None}
            log[on] = log.get(on, row) | {"done": value}
            before = value
    return [log[on] for on in sorted(log) if on <= cutoff]


def _project_names(random: np.random.Generator, count: int) -> list[str]:
    """Return invented names, each once."""
    bases = [first + end for first in _ESTATES for end in _ESTATE_ENDS]
    phases = ("", "二期", "三期", "东区", "西区")
    names = [base + phase for base in bases for phase in phases]
    return [names[int(position)] for position in random.permutation(len(names))[:count]]
