"""Finds the place, category, unit and topic that words mean, and learns new ones when told to."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from .errors import LoadError
from .privacy import mask
from .small_tables import Row, SmallTables

# More different words than this in one column are texts, not names.
MOST_NAMES = 100_000
MOST_LABELS = 500
_SMALLINT = 32_767

_LEARNED_LABELS = {
    "districts": "区",
    "subdistricts": "街道乡镇",
    "categories": "问题分类",
    "units": "承办单位",
    "channels": "诉求渠道",
    "kinds": "诉求性质",
}
_CODES = {
    "districts": "D{:02d}",
    "subdistricts": "S{:04d}",
    "categories": "C{:04d}",
    "units": "U{:04d}",
    "channels": "Q{:02d}",
    "kinds": "K{:02d}",
}


class Learner:
    """Adds rows to reference tables and remembers which."""

    def __init__(self, tables: SmallTables, learn: bool) -> None:
        self.tables = tables
        self.learn = learn
        self._learned: dict[str, list[str]] = defaultdict(list)

    @property
    def learned(self) -> dict[str, list[str]]:
        """Return the Chinese name of a table → the names that were added."""
        return {_LEARNED_LABELS[table]: names for table, names in self._learned.items()}

    def add(self, table: str, shown: str, **columns: object) -> Row:
        """Return the new row: the next id, a code made of it, and the columns."""
        number = self.tables.next_id(table)
        if number > _SMALLINT and table not in ("categories", "units"):
            raise LoadError(f"{_LEARNED_LABELS[table]}超过 {_SMALLINT:,} 个；请检查映射")
        row: Row = {"id": number, "code": _CODES[table].format(number), **columns}
        self.tables.add(table, row)
        self._learned[table].append(shown)
        return row


@dataclass(frozen=True)
class Placed:
    """What words mean: ids (None: unknown), the words that could not be placed, findings."""

    first_id: int | None = None
    second_id: int | None = None
    text: str | None = None
    findings: tuple[str, ...] = ()


def short_name(name: str) -> str:
    """Return the name of a district without its kind: 朝阳区 → 朝阳."""
    for suffix in ("新区", "区", "县", "市"):
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name


class Places:
    """Districts and streets by code and name."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._district: dict[str, Row] = {}
        self._counted_in: dict[int, str] = {}
        self._by_code: dict[str, Row] = {}
        self._by_name: dict[str, list[Row]] = defaultdict(list)
        self._code_of_district: dict[int, str] = {}
        for row in learner.tables.rows("districts"):
            self._know_district(row)
        for row in learner.tables.rows("subdistricts"):
            self._know_subdistrict(row)

    def _know_district(self, row: Row) -> None:
        short = row["short_name"]
        for name in (row["code"], row["name"], short, short + "区", short_name(row["name"])):
            self._district.setdefault(name, row)
        self._code_of_district[row["id"]] = row["code"]
        if row["counted_in"]:
            self._counted_in[row["id"]] = row["counted_in"]

    def _know_subdistrict(self, row: Row) -> None:
        self._by_code[row["code"]] = row
        self._by_name[row["name"]].append(row)

    def place(self, district: str, subdistrict: str) -> Placed:
        """Return district and street of the words; an empty word was not given."""
        known = self._district.get(district)
        if known is None and district and self._learner.learn:
            name = mask(district)
            known = self._learner.add(
                "districts",
                name,
                name=name,
                short_name=short_name(name),
                population=None,
                zone=None,
                counted_in=None,
                tile_row=None,
                tile_column=None,
            )
            self._know_district(known)
            self._district[district] = known
        if district and known is None:
            words = mask(" ".join(filter(None, (district, subdistrict))))
            return Placed(text=words, findings=("unknown_district",))
        if not subdistrict:
            return Placed(first_id=known["id"] if known else None)
        if known is None:
            return self._street_alone(subdistrict)
        return self._street_in(known, subdistrict)

    def _street_alone(self, subdistrict: str) -> Placed:
        street = self._by_code.get(subdistrict)
        named = [street] if street else self._by_name.get(subdistrict, [])
        if len(named) == 1:
            return Placed(named[0]["district_id"], named[0]["id"])
        finding = "ambiguous_subdistrict" if named else "unknown_subdistrict"
        return Placed(text=mask(subdistrict), findings=(finding,))

    def _street_in(self, district: Row, subdistrict: str) -> Placed:
        coded = self._by_code.get(subdistrict)
        candidates = [coded] if coded else self._by_name.get(subdistrict, [])
        for street in candidates:
            if street["district_id"] == district["id"]:
                return Placed(district["id"], street["id"])
        for street in candidates:
            # Administered by this district, assessed as part of another unit (经开区).
            if self._counted_in.get(street["district_id"]) == district["code"]:
                return Placed(street["district_id"], street["id"])
        if self._learner.learn and not coded:
            name = mask(subdistrict)
            street = self._learner.add(
                "subdistricts", name, name=name, district_id=district["id"], kind=None
            )
            self._know_subdistrict(street)
            if name != subdistrict:
                self._by_name[subdistrict].append(street)
            return Placed(district["id"], street["id"])
        finding = "contradicting_place" if candidates else "unknown_subdistrict"
        return Placed(district["id"], text=mask(subdistrict), findings=(finding,))


class Categories:
    """The tree of categories by code and by names from the top."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._by_code: dict[str, Row] = {}
        self._by_name: dict[str, list[Row]] = defaultdict(list)
        self._child: dict[tuple[int | None, str], Row] = {}
        for row in learner.tables.rows("categories"):
            self._know(row)

    def _know(self, row: Row) -> None:
        self._by_code[row["code"]] = row
        self._by_name[row["name"]].append(row)
        self._child.setdefault((parent_id(row), row["name"]), row)

    def place(self, whole: str, levels: tuple[str, ...]) -> Placed:
        """Return the category of a word for the whole (code, name or path) or of words by level."""
        path = [word for word in levels if word]
        if not path and whole:
            row = self._single(whole)
            if row is not None:
                return Placed(row["id"])
            path = [word for word in re.split(r"\s*(?:/|>|→|\\|--|—)\s*", whole) if word] or [whole]
        if not path:
            return Placed()
        return self._along(path[:3], mask("/".join(path)), whole=len(path) <= 3)

    def _single(self, word: str) -> Row | None:
        row = self._by_code.get(word)
        if row is not None:
            return row
        named = self._by_name.get(word, [])
        if len(named) > 1:
            # The same name on several levels of one branch (住房/住房) means the highest.
            named = [row for row in named if row["level"] == 1]
        return named[0] if len(named) == 1 else None

    def _along(self, path: list[str], text: str, *, whole: bool) -> Placed:
        deepest: Row | None = None
        for depth, word in enumerate(path):
            row = self._by_code.get(word) or self._child.get(
                (deepest["id"] if deepest else None, word)
            )
            if row is None and depth == 0 and len(path) < 3:
                # Only a lower level was given: its name may still say which it is.
                row = self._single(word)
            if row is None and self._learner.learn:
                row = self._add(word, deepest)
            if row is None:
                whole = False
                break
            deepest = row
        if deepest is None:
            return Placed(text=text, findings=("unknown_category",))
        if not whole:
            return Placed(deepest["id"], text=text, findings=("partial_category",))
        return Placed(deepest["id"])

    def _add(self, word: str, parent: Row | None) -> Row | None:
        level = parent["level"] + 1 if parent else 1
        if level > 3:
            return None
        name = mask(word)
        number = self._learner.tables.next_id("categories")
        ids = {f"level{n}_id": parent[f"level{n}_id"] if parent else None for n in (1, 2, 3)}
        ids[f"level{level}_id"] = number
        row = self._learner.add("categories", name, name=name, level=level, tag=None, **ids)
        self._know(row)
        self._child.setdefault((parent_id(row), word), row)
        return row


def parent_id(category: Row) -> int | None:
    """Return the id of the category above; None for the first level."""
    level = category["level"]
    parent: int | None = category[f"level{level - 1}_id"] if level > 1 else None
    return parent


class Names:
    """Rows of a table by code and exact name: units, channels, kinds, topics."""

    def __init__(self, learner: Learner, table: str, *, learn: bool) -> None:
        self._learner = learner
        self._table = table
        self._learn = learn
        self._known: dict[str, Row] = {}
        # Of topics with one name in several years, the newest.
        for row in learner.tables.rows(table):
            self._known[row["code"]] = row
            self._known[row["name"]] = row

    def place(self, word: str, finding: str = "") -> Placed:
        """Return the row of a word, learned if allowed; an empty word was not given."""
        if not word:
            return Placed()
        row = self._known.get(word)
        if row is None and self._learn:
            name = mask(word)
            extra = {"kind": None} if self._table == "units" else {}
            row = self._known.get(name) or self._learner.add(self._table, name, name=name, **extra)
            self._known[word] = row
        if row is None:
            return Placed(text=mask(word), findings=(finding,))
        return Placed(row["id"])


def topics_by_category(tables: SmallTables) -> list[tuple[int, int, int, int]]:
    """Return category id, topic id, first and last year of creation of the cases it takes.

    The topic of a category is that of the nearest category at or above it which has one. Where
    several years' topics take one category, each takes the cases from its year to the next one's,
    and the first also those before, which its effect is compared with.
    """
    years = {row["id"]: row["year"] for row in tables.rows("topics")}
    chosen: dict[int, dict[int, int]] = defaultdict(dict)
    for row in tables.rows("topic_categories"):
        if row["topic_id"] in years:
            year = years[row["topic_id"]]
            other = chosen[row["category_id"]].get(year)
            chosen[row["category_id"]][year] = min(row["topic_id"], other or row["topic_id"])
    rows = []
    for category in tables.rows("categories"):
        above = [category["id"], *(category[f"level{n}_id"] for n in (3, 2, 1))]
        topics = next((chosen[c] for c in above if c in chosen), {})
        first_years = sorted(topics)
        for position, year in enumerate(first_years):
            after = first_years[position + 1] if position + 1 < len(first_years) else 10_000
            rows.append((category["id"], topics[year], year if position else 0, after - 1))
    return rows
