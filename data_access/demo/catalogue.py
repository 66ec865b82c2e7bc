"""The lists the demo is made of: places, categories, units, topics and targets."""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_access.demo.arrays import Floats, Ints

_HERE = Path(__file__).parent
_REFERENCE = _HERE.parent / "reference"

# 万件 of 2020 by field. The first nine are published; the others are invented.
FIELD_VOLUME = {
    "市场管理": 98.0,
    "公共服务": 64.8,
    "住房": 61.2,
    "医疗卫生": 59.8,
    "城乡建设": 54.8,
    "交通管理": 47.2,
    "社会秩序": 46.5,
    "劳动和社会保障": 35.7,
    "教育": 35.1,
    "生态环境": 26.0,
    "市容环卫": 26.0,
    "政务服务": 22.0,
    "农村农业": 14.0,
    "民政服务": 14.0,
    "文旅体育": 12.0,
    "其他": 6.0,
}
PUBLISHED_FIELDS = tuple(FIELD_VOLUME)[:9]

CHANNELS = (
    ("phone", "电话", 0.907),
    ("web", "互联网", 0.022),
    ("wechat", "微信", 0.034),
    ("app", "APP", 0.028),
    ("weibo", "微博", 0.009),
)
KINDS = (
    ("complaint", "投诉"),
    ("help", "求助"),
    ("report", "举报"),
    ("suggestion", "建议"),
    ("consultation", "咨询"),
)
CONSULTATION = 4
# Shares of the kinds of assessed cases, in the order of KINDS.
KIND_SHARES = (0.50, 0.34, 0.06, 0.05, 0.05)
KIND_SHARES_BY_FIELD = {
    "市场管理": (0.68, 0.12, 0.15, 0.02, 0.03),
    "公共服务": (0.40, 0.47, 0.01, 0.06, 0.06),
    "城乡建设": (0.42, 0.34, 0.14, 0.06, 0.04),
    "社会秩序": (0.48, 0.26, 0.18, 0.05, 0.03),
    "政务服务": (0.34, 0.38, 0.02, 0.08, 0.18),
    "教育": (0.45, 0.34, 0.05, 0.05, 0.11),
}


@dataclass(frozen=True)
class Place:
    """A district or a street of the reference files."""

    code: str
    name: str
    district: str  # code; of a district: its own
    row: dict[str, str]


@dataclass(frozen=True)
class Catalogue:
    """Every list, and for each level-3 category (in file order) what its cases are like."""

    districts: list[Place]
    subdistricts: list[Place]
    categories: list[dict[str, str]]
    units: list[dict[str, str]]
    topics: list[dict[str, str]]
    targets: list[dict[str, str]]
    volume: Floats  # share of the cases of 2020
    limit_seconds: Ints
    ease: Floats  # log-odds of being resolved, against the average category
    on_site: Ints  # 1: the thing is at a place, 0: the person has the problem
    field: Ints  # number of the level-1 category, 0 …
    topic_id: Ints  # 0: none
    department_id: Ints
    company_id: Ints  # 0: none
    category_id: Ints
    kind_weights: Floats  # one row per field

    def category(self, name: str) -> int:
        """Return the position of a level-3 category."""
        return next(i for i, row in enumerate(self.categories) if row["level3"] == name)

    def district(self, code: str) -> int:
        """Return the position of a district."""
        return next(i for i, place in enumerate(self.districts) if place.code == code)

    def subdistrict(self, code: str) -> int:
        """Return the position of a street."""
        return next(i for i, place in enumerate(self.subdistricts) if place.code == code)

    def unit_id(self, name: str) -> int:
        """Return the id of a unit."""
        return next(i for i, row in enumerate(self.units, 1) if row["name"] == name)


def read_catalogue() -> Catalogue:
    """Return the lists as the files beside this module and in ``reference/`` have them."""
    districts = [
        Place(row["code"], row["name"], row["code"], row)
        for row in _rows(_REFERENCE / "districts.csv")
    ]
    subdistricts = [
        Place(row["code"], row["name"], row["district"], row)
        for row in _rows(_REFERENCE / "subdistricts.csv")
    ]
    categories = _rows(_HERE / "categories.csv")
    topics = _rows(_HERE / "topics.csv")
    # District governments first: the unit of district i has the id i + 1.
    units = [{"name": _government(place), "kind": "区政府"} for place in districts]
    units += _rows(_HERE / "units.csv")
    unit_ids = {row["name"]: number for number, row in enumerate(units, 1)}
    topic_of = {
        name: number
        for number, topic in enumerate(topics, 1)
        for name in topic["categories"].split("|")
    }
    fields = list(FIELD_VOLUME)
    field = np.array([fields.index(row["level1"]) for row in categories])
    weight = np.array([float(row["weight"]) for row in categories])
    of_field = np.bincount(field, weight)
    volume = weight / of_field[field] * np.array(list(FIELD_VOLUME.values()))[field]
    return Catalogue(
        districts=districts,
        subdistricts=subdistricts,
        categories=categories,
        units=units,
        topics=topics,
        targets=_rows(_HERE / "targets.csv"),
        volume=volume / volume.sum(),
        limit_seconds=np.array([int(row["limit_hours"]) * 3_600 for row in categories]),
        ease=np.array([float(row["ease"]) for row in categories]),
        on_site=np.array([int(row["on_site"]) for row in categories]),
        field=field,
        topic_id=np.array([topic_of.get(row["level3"], 0) for row in categories]),
        department_id=np.array([unit_ids[row["department"]] for row in categories]),
        company_id=np.array([unit_ids.get(row["company"], 0) for row in categories]),
        category_id=np.array([row["id"] for row in category_rows(categories) if row["level"] == 3]),
        kind_weights=np.array([KIND_SHARES_BY_FIELD.get(name, KIND_SHARES) for name in fields]),
    )


def category_rows(categories: list[dict[str, str]]) -> list[dict[str, int | str | None]]:
    """Return the rows of table ``categories``: a level above comes before what is below it.

    The code of a category begins with the code of the one above; its id is the code as a number.
    The tag is given to level 3 only: what is above covers several.
    """
    rows: dict[tuple[str, ...], dict[str, int | str | None]] = {}
    children: dict[tuple[str, ...], int] = {(): 0}
    for category in categories:
        path = (category["level1"], category["level2"], category["level3"])
        ids: list[int] = []
        for level in (1, 2, 3):
            key = path[:level]
            if key not in rows:
                children[key[:-1]] += 1
                children[key] = 0
                above = str(rows[key[:-1]]["code"]) if level > 1 else ""
                code = f"{above}{children[key[:-1]]:02d}"
                ids.append(int(code))
                rows[key] = {
                    "id": ids[-1],
                    "code": code,
                    "name": key[-1],
                    "level": level,
                    "level1_id": ids[0],
                    "level2_id": ids[1] if level > 1 else None,
                    "level3_id": ids[2] if level > 2 else None,
                    "tag": category["tag"] if level == 3 else None,
                }
            else:
                ids.append(int(str(rows[key]["id"])))
    return list(rows.values())


def day(text: str) -> dt.date:
    """Return the day of an ISO text."""
    return dt.date.fromisoformat(text)


def _government(place: Place) -> str:
    return (
        f"{place.name}人民政府"
        if place.name.endswith("区") and place.code.isdecimal()
        else (f"{place.name}管理委员会")
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))
