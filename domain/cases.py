"""The ledger of cases (督办台账): what it lists, in which order, from where on, what a case is.

Nothing here knows a database: ``data_access.cases`` turns a ``Listing`` into conditions.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, unquote

from domain.filters import AGE_DAYS, PRESET_LABELS, Age, CaseSort, Filters, Preset
from domain.periods import Window
from domain.rules import Rules

# Presets that list open cases only: those for which it matters how long they have been open.
OPEN_PRESETS: frozenset[Preset] = frozenset({"open", "overdue", "long_open", "shelved"})
# Presets that list repeats only.
REPEAT_PRESETS: frozenset[Preset] = frozenset({"repeat", "returned"})


def meaning(preset: Preset, rules: Rules) -> str:
    """Return in words which cases a preset lists, at the data cut-off."""
    return {
        "": "时段内受理的全部诉求",
        "open": "截至日未办结",
        "overdue": "未办结，已过办理期限，不在挂账期内",
        "long_open": f"受理超过{rules.long_open_days}天仍未办结，含挂账",
        "repeat": "同一事项此前已有诉求（有原工单编号）",
        "returned": f"原工单办结后{rules.return_days}天内就同一事项再次反映",
        "shelved": "未办结，挂账期限未到",
        "group": f"同一社区、同一分类在一个自然月内达到{rules.group_cases}件，剔除件也计",
        "unplaced": "所在区无法确定",
    }[preset]


def sorts_of(preset: Preset) -> tuple[CaseSort, ...]:
    """Return the orders in which a preset can be listed, the usual one first."""
    if preset == "overdue":
        return "overdue", "oldest", "newest"
    if preset in OPEN_PRESETS:
        return "oldest", "newest"
    if preset in REPEAT_PRESETS:
        return "newest", "repeats", "oldest"
    return "newest", "oldest"


@dataclass(frozen=True)
class Listing:
    """Which cases are listed, whatever their order.

    ``filters`` has the dimensions and the 口径; ``asked`` are the days of the period, ``window``
    those of them on which the cases were created; ``terms`` must all be in the summary, letter by
    letter, large or small; ``communities`` are as the cases name them, () for all.
    """

    filters: Filters
    asked: Window
    window: Window
    preset: Preset
    terms: tuple[str, ...]
    communities: tuple[str, ...]
    return_days: int
    group_cases: int


def listing(filters: Filters, window: Window, cutoff: dt.date, rules: Rules) -> Listing:
    """Return which cases filters list that were created in a window."""
    narrowed = within_age(window, filters.age, cutoff)
    if filters.preset == "long_open":
        narrowed = long_open_window(narrowed, cutoff, rules)
    asked = filters.shared.narrowed(period="", compare="none", indicator="resolution", version="")
    return Listing(
        filters=asked, asked=window, window=narrowed, preset=filters.preset, terms=filters.terms,
        communities=filters.community, return_days=rules.return_days, group_cases=rules.group_cases,
    )  # fmt: skip


def within_age(window: Window, age: Age, cutoff: dt.date) -> Window:
    """Return the days of a window that are as long ago as an age says; the window for "" """
    if not age:
        return window
    _, least, most = AGE_DAYS[age]
    start = window.start if most is None else max(window.start, cutoff - dt.timedelta(days=most))
    return Window(start, min(window.end, cutoff - dt.timedelta(days=least)))


def long_open_window(window: Window, cutoff: dt.date, rules: Rules) -> Window:
    """Return the days of a window on which an open case of today is 久拖不决."""
    last = cutoff - dt.timedelta(days=rules.long_open_days + 1)
    return Window(window.start, min(window.end, last))


# --- Order and place ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """The place of a case in an order: how often its matter came back, its moment, its number.

    ``moment`` is the due time where the order is by delay, else the time of creation; ``repeats``
    is 0 where the order does not ask for it.
    """

    repeats: int
    moment: dt.datetime
    case_id: str

    @property
    def text(self) -> str:
        """The mark as it stands in a URL."""
        micro = f"{self.moment:%f}" if self.moment.microsecond else ""
        head = f"{self.repeats}~" if self.repeats else ""
        # quote() leaves "~" alone, which parts the fields.
        named = quote(self.case_id, safe="").replace("~", "%7E")
        return f"{head}{self.moment:%Y%m%d%H%M%S}{micro}~{named}"


def parse_mark(text: str, sort: CaseSort) -> Mark | None:
    """Return the mark that a text from a URL names in an order; None when it names none."""
    parts = text.split("~")
    if len(parts) != (3 if sort == "repeats" else 2):
        return None
    digits = parts[-2]
    if not (digits.isascii() and digits.isdecimal() and len(digits) in (14, 20)):
        return None
    case_id = unquote(parts[-1], errors="replace")
    try:
        # strptime would take single digits for a month.
        moment = dt.datetime(
            int(digits[:4]), int(digits[4:6]), int(digits[6:8]), int(digits[8:10]),
            int(digits[10:12]), int(digits[12:14]), int(digits[14:] or 0),
        )  # fmt: skip
        repeats = int(parts[0]) if sort == "repeats" else 0
    except ValueError:
        return None
    if not case_id.isprintable() or not 0 <= repeats < 10**9:
        return None
    return Mark(repeats, moment, case_id)


# A step of a ladder: how often the matter came back (0: not asked), and a day.
Step: TypeAlias = tuple[int, dt.date]


@dataclass(frozen=True)
class Ladder:
    """How many cases stand on each step of an order: what makes any page of it cheap to find.

    ``steps`` are in the order of the listing, each once; ``ends[i]`` is how many cases stand on
    the steps up to and with ``i``.
    """

    steps: tuple[Step, ...]
    ends: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many cases there are."""
        return self.ends[-1] if self.ends else 0

    def reach(self, first: int, last: int) -> tuple[Step, Step] | None:
        """Return the steps of the cases at two places (from 0), None when no case is between.

        Places before the first case and behind the last one are cut off.
        """
        first, last = max(first, 0), min(last, self.total - 1)
        if first > last:
            return None
        low, high = (bisect.bisect_right(self.ends, place) for place in (first, last))
        return self.steps[low], self.steps[high]

    def around(self, step: Step, rising: bool) -> tuple[int, int]:
        """Return how many cases stand before a step, and how many up to and with it.

        ``rising``: whether the steps go up. The step itself need not have any case.
        """
        passed = sum(each < step if rising else each > step for each in self.steps)
        stands = passed < len(self.steps) and self.steps[passed] == step
        before = self.ends[passed - 1] if passed else 0
        return before, self.ends[passed] if stands else before


def ladder_of(counts: Sequence[tuple[Step, int]], sort: CaseSort) -> Ladder:
    """Return the ladder of counts by step, in any order, for an order of the listing."""
    some = [(step, number) for step, number in counts if number]
    if sort in ("oldest", "overdue"):
        some.sort(key=lambda each: each[0])
    else:
        some.sort(key=lambda each: each[0], reverse=True)
    return Ladder(
        tuple(step for step, _ in some),
        tuple(itertools.accumulate(number for _, number in some)),
    )


def step_of(mark: Mark) -> Step:
    """Return the step on which a case stands."""
    return mark.repeats, mark.moment.date()


# --- One case ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One case as things stood at the data cut-off.

    Codes and names are "" where not known; times are naive, Asia/Shanghai. What happened after the
    cut-off is None. ``resolved`` and ``satisfaction`` are as in ``domain.outcomes``. ``repeats``
    is how many repeats its matter has (None: not asked).
    """

    case_id: str
    created_at: dt.datetime
    dispatched_at: dt.datetime | None
    responded_at: dt.datetime | None
    due_at: dt.datetime | None
    closed_at: dt.datetime | None
    closed: bool
    on_time: bool | None
    overdue: bool
    shelved: bool
    shelved_until: dt.date | None
    repeat_of: str
    district: str
    district_name: str
    subdistrict: str
    subdistrict_name: str
    community: str
    place_text: str
    category: str
    category_name: str
    category_text: str
    topic: str
    topic_name: str
    kind: str
    channel: str
    unit: str
    unit_name: str
    unit_text: str
    direct_dispatch: bool | None
    valid_revisit: bool | None
    contacted: bool | None
    resolved: int | None
    satisfaction: int | None
    excluded: bool
    summary: str
    repeats: int | None = None

    @property
    def place(self) -> str:
        """District and street, else the words for a place that nobody knows."""
        return f"{self.district_name}{self.subdistrict_name}" or self.place_text

    @property
    def category_words(self) -> str:
        """The category, else the words that could not be sorted."""
        return self.category_name or self.category_text

    @property
    def unit_words(self) -> str:
        """The unit that acts, else the words that could not be placed."""
        return self.unit_name or self.unit_text

    @property
    def status(self) -> str:
        """Where it stands: 在办, 逾期未办, 挂账, 按时办结, 逾期办结 or 已办结."""
        if not self.closed:
            return "挂账" if self.shelved else "逾期未办" if self.overdue else "在办"
        return {True: "按时办结", False: "逾期办结", None: "已办结"}[self.on_time]

    @property
    def matter(self) -> str:
        """The number of the first case of its matter: its own where it repeats none."""
        return self.repeat_of or self.case_id

    def open_days(self, cutoff: dt.datetime) -> int | None:
        """Return for how many days it has been open; None once closed."""
        return None if self.closed else (cutoff.date() - self.created_at.date()).days

    def late_days(self, cutoff: dt.datetime) -> int | None:
        """Return by how many whole days it is overdue; None where it is not."""
        if not self.overdue or self.due_at is None:
            return None
        return (cutoff - self.due_at).days

    def mark(self, sort: CaseSort) -> Mark:
        """Return its place in an order.

        Raises:
            ValueError: it has no place there.
        """
        moment = self.due_at if sort == "overdue" else self.created_at
        if moment is None or (sort == "repeats" and not self.repeats):
            raise ValueError(f"{self.case_id} has no place in the order {sort!r}")
        return Mark((self.repeats or 0) if sort == "repeats" else 0, moment, self.case_id)


# --- Columns ------------------------------------------------------------------------------------

# What can be shown of a case beside its number: key → heading, in their order.
COLUMNS: dict[str, str] = {
    "created": "受理时间",
    "status": "状态",
    "open": "已受理",
    "due": "办理期限",
    "place": "地点",
    "community": "社区",
    "category": "分类",
    "topic": "每月一题",
    "unit": "承办单位",
    "kind": "性质",
    "channel": "渠道",
    "closed": "办结时间",
    "shelved": "挂账至",
    "repeats": "同一事项",
    "revisit": "回访",
    "excluded": "剔除",
    "summary": "摘要",
}


def usual_columns(preset: Preset) -> tuple[str, ...]:
    """Return the columns of a preset when nobody has chosen any."""
    own = {"shelved": ("shelved",), "repeat": ("repeats",), "returned": ("repeats",)}.get(
        preset, ()
    )
    usual = {"created", "status", "open", "due", "place", "category", "unit", "summary", *own}
    if preset == "group":
        usual |= {"community"}
    if preset in ("", *REPEAT_PRESETS, "group", "unplaced"):
        usual -= {"open"}
    if preset == "shelved":
        usual -= {"status"}
    return tuple(name for name in COLUMNS if name in usual)


def shown_columns(filters: Filters) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns to show, in their order, and what was asked for and does not exist."""
    unknown = tuple(name for name in filters.columns if name not in COLUMNS)
    chosen = tuple(name for name in COLUMNS if name in filters.columns)
    return chosen or usual_columns(filters.preset), unknown


def in_words(filters: Filters, rules: Rules) -> str:
    """Return what the options of the ledger list, in words; "" when they list everything."""
    words = []
    if filters.preset:
        words.append(f"{PRESET_LABELS[filters.preset]}（{meaning(filters.preset, rules)}）")
    if filters.age:
        words.append(f"受理至今{AGE_DAYS[filters.age][0]}")
    if filters.community:
        words.append("社区：" + "、".join(filters.community))
    if filters.terms:
        words.append("摘要含" + "、".join(f"“{term}”" for term in filters.terms))
    return "，".join(words)
