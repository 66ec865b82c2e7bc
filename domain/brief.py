"""The packet (简报): what it consists of, which of its sums must hold, how two of them differ.

A packet knows nothing of Word or of a screen. Every number in its text is a ``Figure`` that says
which indicator it is, of which cases, and how many it rests on; a packet that was frozen is read
back from its JSON and is the same value.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from domain.periods import PeriodKind

# --- Sections -------------------------------------------------------------------------------------

SectionKey = Literal[
    "promises",
    "overall",
    "exceptions",
    "indicators",
    "ranking",
    "hotspots",
    "topics",
    "supervision",
    "streets",
    "news",
    "questions",
    "decisions",
    "rates_districts",
    "rates_streets",
]
# In the order in which a packet has them unless somebody asks for another.
SECTIONS: dict[SectionKey, str] = {
    "promises": "上{unit}承诺回看",
    "overall": "总体情况",
    "exceptions": "本{unit}例外",
    "indicators": "常设指标",
    "ranking": "考核排名",
    "hotspots": "诉求热点",
    "topics": "每月一题进展",
    "supervision": "重点督办",
    "streets": "后三街镇排名走势",
    "news": "新情况",
    "questions": "建议追问",
    "decisions": "需领导决定的事项",
    "rates_districts": "附表：各区“三率”统计表",
    "rates_streets": "附表：街道乡镇“三率”统计表",
}
Style = Literal["all", "brief", "meeting"]
STYLE_LABELS: dict[Style, str] = {"all": "全部", "brief": "简报", "meeting": "会议材料"}
STYLES: dict[Style, tuple[SectionKey, ...]] = {
    "all": tuple(SECTIONS),
    "brief": (
        "overall", "ranking", "hotspots", "topics", "supervision", "streets", "rates_districts",
        "rates_streets",
    ),
    "meeting": ("promises", "exceptions", "indicators", "news", "questions", "decisions"),
}  # fmt: skip
UNITS: dict[PeriodKind, str] = {
    "assess": "期", "week": "周", "month": "月", "quarter": "季", "year": "年", "days": "期",
    "custom": "期",
}  # fmt: skip


def heading(key: SectionKey, kind: PeriodKind) -> str:
    """Return the heading of a section in a packet of a kind of period."""
    return SECTIONS[key].format(unit=UNITS[kind])


def sections_of(text: str) -> tuple[SectionKey, ...]:
    """Return the sections that a text names (keys by comma, in order), each once.

    The text may come from a browser: what is no section is left out.
    """
    known: Mapping[str, SectionKey] = {key: key for key in SECTIONS}
    return tuple(dict.fromkeys(known[part] for part in text.split(",") if part in known))


# --- What a packet consists of --------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A number as it is printed, and where it comes from.

    ``label`` names it in every packet alike (全市解决率), ``metric`` is a key of
    ``domain.metrics.METRICS``, or of another figure a word of its own (``completion``,
    ``resolution.change``). ``value`` is as the domain has it (rates are fractions); NaN: none.
    ``n`` is what it rests on; None where it is its own n. ``period`` are its days in words,
    ``filters`` the canonical query string that gives it again.
    """

    label: str
    metric: str
    value: float
    text: str
    n: int | None
    period: str
    filters: str


Part: TypeAlias = str | Figure


@dataclass(frozen=True)
class Paragraph:
    """A paragraph: its draft in parts, and the text that somebody wrote instead (None: nobody).

    ``key`` is the same in every packet of the same sections. An empty draft is room for what a
    person wants to add.
    """

    key: str
    parts: tuple[Part, ...] = ()
    edited: str | None = None

    @property
    def draft(self) -> str:
        """The text that the rules wrote."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    @property
    def text(self) -> str:
        """The text that counts."""
        return self.draft if self.edited is None else self.edited

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The numbers of the draft."""
        return tuple(part for part in self.parts if isinstance(part, Figure))


ColumnKind = Literal["text", "count", "amount", "share"]


@dataclass(frozen=True)
class TableColumn:
    """One column. ``kind``: as in an export: shares are fractions. ``note``: its unit."""

    title: str
    kind: ColumnKind = "text"
    note: str = ""
    decimals: int = 1
    weight: float = 1.0  # of its width, against the other columns
    summed: bool = False  # the rows add up to the total


@dataclass(frozen=True)
class Number:
    """A number in a table: its value, and how it is printed."""

    value: float
    text: str


Cell: TypeAlias = str | Number


@dataclass(frozen=True)
class Table:
    """A table with the period and the filters of its numbers. ``total``: the row 汇总."""

    key: str
    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    note: str = ""
    period: str = ""
    filters: str = ""

    def __post_init__(self) -> None:
        for row in [*self.rows, *([self.total] if self.total is not None else [])]:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.key}: {len(row)} cells for {len(self.columns)} columns")


ChartKind = Literal["bars", "columns", "lines", "dots", "ranks"]


@dataclass(frozen=True)
class Series:
    """One line or one set of bars: a value per category, NaN for none."""

    name: str
    values: tuple[float, ...]
    # Intervals of ``dots``, per category.
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A chart as its numbers.

    ``bars`` lie, ``columns`` stand, ``dots`` are values with their intervals, ``ranks`` are lines
    with the first rank on top. ``unit``: of the values; "%" stands for fractions. ``axis``: fixed
    bounds; None: as the numbers need.
    """

    key: str
    title: str
    kind: ChartKind
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str
    axis: tuple[float, float] | None = None
    note: str = ""
    period: str = ""
    filters: str = ""

    def __post_init__(self) -> None:
        for each in self.series:
            if len(each.values) != len(self.categories):
                raise ValueError(f"{self.key}: {len(each.values)} values")


@dataclass(frozen=True)
class Section:
    """A section: paragraphs first, then charts, then tables."""

    key: SectionKey
    heading: str
    paragraphs: tuple[Paragraph, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The numbers of its drafts."""
        return tuple(figure for each in self.paragraphs for figure in each.figures)


@dataclass(frozen=True)
class Packet:
    """A packet. ``about``: term and words of what it rests on; ``filters``: its query string.

    ``kind`` and ``period_key`` name the period, ``issuer`` is the red head ("": none). ``title``
    and ``place`` are for people.
    """

    title: str
    place: str
    kind: PeriodKind
    period_key: str
    period: str
    cutoff: str
    basis: str
    rules: str
    data_version: str
    is_demo: bool
    filters: str
    about: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    issuer: str = ""

    @property
    def paragraphs(self) -> dict[str, Paragraph]:
        """Every paragraph by its key."""
        return {each.key: each for section in self.sections for each in section.paragraphs}

    @property
    def edits(self) -> dict[str, str]:
        """What people wrote, by paragraph."""
        return {
            key: each.edited for key, each in self.paragraphs.items() if each.edited is not None
        }


# --- Edits ----------------------------------------------------------------------------------------

# Longer than any paragraph of a briefing.
LONGEST_EDIT = 2_000


class EditError(ValueError):
    """An edit that cannot be taken; the message is for the user, in Chinese."""


def edited(packet: Packet, edits: Mapping[str, str]) -> Packet:
    """Return the packet with texts that people wrote; a text equal to the draft is no edit.

    Raises:
        EditError: no such paragraph, or a text that is too long.
    """
    known = packet.paragraphs
    texts: dict[str, str | None] = {}
    for key, text in edits.items():
        if key not in known:
            raise EditError("所改的段落不在本简报所选的部分中")
        plain = _plain(text)
        if len(plain) > LONGEST_EDIT:
            raise EditError(f"一段至多{LONGEST_EDIT}字，所改的一段有{len(plain)}字")
        texts[key] = None if plain == known[key].draft else plain
    sections = tuple(
        dataclasses.replace(
            section,
            paragraphs=tuple(
                dataclasses.replace(each, edited=texts.get(each.key, each.edited))
                for each in section.paragraphs
            ),
        )
        for section in packet.sections
    )
    return dataclasses.replace(packet, sections=sections)


def _plain(text: str) -> str:
    """Return a text of one paragraph: no line ends, no control characters, no lone surrogates."""
    words = " ".join(text.split())
    return "".join(letter for letter in words if letter.isprintable() or letter == "\u3000").strip()


# --- Checks ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """A section that cannot go into a packet, and why, in Chinese."""

    section: str
    words: str


class PacketError(Exception):
    """A packet that is not written, with what is wrong in which section."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("；".join(f"“{each.section}”{each.words}" for each in problems))
        self.problems = tuple(problems)


def broken(packet: Packet) -> tuple[Problem, ...]:
    """Return which sections contradict themselves or each other; empty when all is sound.

    The rows of a table add up to its total, and the same indicator of the same cases is one
    number wherever it stands.
    """
    problems = []
    told: dict[tuple[str, str], Figure] = {}
    for section in packet.sections:
        for table in section.tables:
            problems += [Problem(section.heading, words) for words in _sums(table)]
        for figure in section.figures:
            first = told.setdefault((figure.label, figure.filters), figure)
            if not _same(first.value, figure.value) or first.n != figure.n:
                words = f"“{figure.label}”与前文不一致：{first.text}，{figure.text}"
                problems.append(Problem(section.heading, words))
    return tuple(problems)


def _sums(table: Table) -> Iterator[str]:
    if table.total is None:
        return
    for place, column in enumerate(table.columns):
        whole = table.total[place]
        if not column.summed or not isinstance(whole, Number):
            continue
        cells = [row[place] for row in table.rows]
        summed = math.fsum(cell.value for cell in cells if isinstance(cell, Number))
        if not _same(summed, whole.value):
            yield f"“{table.title}”{column.title}：各行之和{summed:,.0f}，汇总{whole.text}"


def unequal(sums: Mapping[str, int]) -> str:
    """Return which ways of counting the same cases disagree, in Chinese; "" when none does.

    Args:
        sums: what was added up (各区与未定位之和) → the number.
    """
    if len(set(sums.values())) <= 1:
        return ""
    return "同一批诉求数出不同的数：" + "，".join(f"{name}{n:,}件" for name, n in sums.items())


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or math.isclose(
        one, other, rel_tol=1e-9, abs_tol=1e-9
    )


# --- Against an earlier packet --------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A number of two packets: ``before`` in the earlier one."""

    label: str
    before: Figure
    now: Figure


def differences(now: Packet, before: Packet) -> tuple[Difference, ...]:
    """Return the numbers that both packets have and that differ, in the order of the newer one.

    Only indicators: what is itself a change has no change worth telling.
    """
    earlier: dict[str, Figure] = {}
    for section in before.sections:
        for figure in section.figures:
            earlier.setdefault(figure.label, figure)
    found: dict[str, Difference] = {}
    for section in now.sections:
        for figure in section.figures:
            then = earlier.get(figure.label)
            if then is None or figure.label in found or "." in figure.metric:
                continue
            if not _same(then.value, figure.value):
                found[figure.label] = Difference(figure.label, then, figure)
    return tuple(found.values())


@dataclass(frozen=True)
class Restated:
    """A number of an earlier packet, and what the data of today give for the same cases."""

    figure: Figure
    value: float
    n: int | None

    @property
    def changed(self) -> bool:
        """Whether later data changed it."""
        return not _same(self.figure.value, self.value) or self.figure.n != self.n


# --- JSON -----------------------------------------------------------------------------------------

_LAYOUT = 1


def to_json(packet: Packet) -> str:
    """Return a packet as JSON; NaN is null."""
    content = {"layout": _LAYOUT, **_encoded(packet)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _encoded(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: _encoded(getattr(value, each.name)) for each in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [_encoded(each) for each in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def from_json(text: str) -> Packet:
    """Return the packet of a JSON text.

    Raises:
        ValueError: no packet, or one of a layout that this code does not know.
    """
    try:
        content = json.loads(text)
        if content.pop("layout") != _LAYOUT:
            raise ValueError("a packet of another layout")
        content["about"] = tuple((term, words) for term, words in content["about"])
        content["sections"] = tuple(_section(each) for each in content["sections"])
        return Packet(**content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no packet: {error!r}") from error


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _section(content: dict[str, Any]) -> Section:
    return Section(
        content["key"],
        content["heading"],
        tuple(
            Paragraph(each["key"], tuple(map(_part, each["parts"])), each["edited"])
            for each in content["paragraphs"]
        ),
        tuple(map(_chart, content["charts"])),
        tuple(map(_table, content["tables"])),
    )


def _part(content: Any) -> Part:
    if isinstance(content, str):
        return content
    return Figure(**{**content, "value": _number(content["value"])})


def _chart(content: dict[str, Any]) -> Chart:
    series = tuple(
        Series(
            each["name"], *(tuple(map(_number, each[name])) for name in ("values", "low", "high"))
        )
        for each in content["series"]
    )
    axis = content["axis"]
    return Chart(
        **{
            **content,
            "categories": tuple(content["categories"]),
            "series": series,
            "axis": None if axis is None else (axis[0], axis[1]),
        }
    )


def _table(content: dict[str, Any]) -> Table:
    total = content["total"]
    return Table(
        **{
            **content,
            "columns": tuple(TableColumn(**each) for each in content["columns"]),
            "rows": tuple(tuple(map(_cell, row)) for row in content["rows"]),
            "total": None if total is None else tuple(map(_cell, total)),
        }
    )


def _cell(content: Any) -> Cell:
    if isinstance(content, str):
        return content
    return Number(_number(content["value"]), content["text"])
