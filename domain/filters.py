"""What a user asks for: one frozen, hashable value, one codec to and from the query string."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

Compare = Literal["previous", "year", "none"]
Basis = Literal["assessed", "all"]
Order = Literal["attention", "gap", "month", "lead"]

COMPARE_LABELS: dict[Compare, str] = {"previous": "环比", "year": "同比", "none": "不比较"}
BASIS_LABELS: dict[Basis, str] = {"assessed": "考核口径", "all": "全口径"}
# How the targets of 每月一题 are listed.
ORDER_LABELS: dict[Order, str] = {
    "attention": "最需要关注",
    "gap": "与序时的差距",
    "month": "月份",
    "lead": "主责单位",
}
DIMENSION_LABELS: dict[str, str] = {
    "district": "区",
    "subdistrict": "街道乡镇",
    "topic": "每月一题",
    "category": "诉求分类",
    "channel": "渠道",
    "unit": "承办单位",
}
DIMENSIONS = tuple(DIMENSION_LABELS)
# What a page lists: its unit of analysis.
By = Literal["", "district", "subdistrict", "unit", "project", "developer", "cause"]
BY_LABELS: dict[By, str] = {
    "district": "区",
    "subdistrict": "街道乡镇",
    "unit": "承办单位",
    "project": "项目",
    "developer": "开发单位",
    "cause": "成因",
}
# How projects of the ledger are listed.
Sort = Literal["remaining", "quiet", "deadline", "overdue"]
SORT_LABELS: dict[Sort, str] = {
    "remaining": "剩余最多",
    "quiet": "最久无进展",
    "deadline": "期限最近",
    "overdue": "逾期最久",
}
# Who is ranked against whom: everyone together, or each among its like.
League = Literal["", "own"]
LEAGUE_LABELS: dict[League, str] = {"": "全部同列", "own": "同类分组"}
# Which cases the ledger (督办台账) lists; domain.cases says what each means.
Preset = Literal[
    "", "open", "overdue", "long_open", "repeat", "returned", "shelved", "group", "unplaced"
]
PRESET_LABELS: dict[Preset, str] = {
    "": "全部",
    "open": "在办",
    "overdue": "逾期",
    "long_open": "久拖不决",
    "repeat": "重复",
    "returned": "办结后又诉",
    "shelved": "挂账",
    "group": "群诉",
    "unplaced": "未定位",
}
# In which order; "" is the usual order of what is listed.
CaseSort = Literal["", "newest", "oldest", "overdue", "repeats"]
CASE_SORT_LABELS: dict[CaseSort, str] = {
    "newest": "最新受理",
    "oldest": "最早受理",
    "overdue": "逾期最久",
    "repeats": "重复最多",
}
# How long ago the cases were created: days at the data cut-off, least and most (None: no bound).
Age = Literal["", "30", "90", "180", "365", "more"]
AGE_DAYS: dict[Age, tuple[str, int, int | None]] = {
    "30": ("30天及以内", 0, 30),
    "90": ("31–90天", 31, 90),
    "180": ("91–180天", 91, 180),
    "365": ("181–365天", 181, 365),
    "more": ("365天以上", 366, None),
}
# Words to search for: no longer than a sentence, no more than anyone reads.
LONGEST_QUERY, MOST_TERMS = 40, 5
# What rests on another indicator than the filter bar must be asked for the bar's own by name.
RANK_BY = ("resolution",)
# Whole numbers that try out another rule: label, least, most. Shares are in percent.
NUMBER_OPTIONS: dict[str, tuple[str, int, int]] = {
    "quiet": ("抓零观察周数", 1, 26),
    "floor": ("抓零剩余下限", 0, 10_000_000),
    "large": ("抓大户占比", 10, 100),
    "faster": ("试算提速", 1, 500),
    "stretch": ("能力上限", 10, 1_000),
    "stuck": ("无进展周数", 0, 520),
    "page": ("页码", 1, 1_000_000),
}
# Lists of texts that the data may or may not know; the page that reads them says so.
LIST_OPTIONS: dict[str, str] = {
    "stage": "阶段",
    "cause": "成因",
    "fix": "必选",
    "bar": "排除",
    "columns": "显示的列",
    "community": "社区",
}
# Where in a list a page begins or ends: the place of a case in its order (domain.cases.Mark).
POSITIONS = ("after", "before")
# More values than anyone picks by hand; a bound on what a pasted URL can ask for.
MOST_VALUES = 60
LONGEST_SEARCH = 4_000
_CODE = re.compile(r"[^\x00-\x1f\x7f,;&=#<>\"'\\]{1,60}")
_VERSION = re.compile(r"[a-z0-9-]{1,40}\.\d{1,9}")
_PERIOD = re.compile(r"[A-Za-z0-9.-]{4,40}")
_NUMBER = re.compile(r"[0-9]{1,8}")
_WEIGHTS = re.compile(r"[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}")
# A number of repeats, a moment, the number of a case in percent-encoding.
_MARK = re.compile(r"([0-9]{1,9}~)?[0-9]{14}([0-9]{6})?~[A-Za-z0-9_.%-]{1,400}")
_SEPARATOR = ","


@dataclass(frozen=True)
class Filters:
    """One question to the data. Empty tuples and empty texts mean "all" and "the default".

    ``period`` is a key of ``domain.periods.parse_period``; ``indicator`` a key of
    ``domain.metrics.METRICS``; ``version`` pins a data version (``demo.3``). The fields from
    ``order`` to ``bar`` are options of single pages: ``order`` sorts lists of targets, ``by`` is
    the unit of analysis, ``sort`` sorts projects, ``target`` the code of a target, ``weights`` a
    trial of the weights of 综合成绩 in percent (``10-50-40``), ``league`` and ``rank_by`` say who
    is ranked against whom and by what, the others as in ``NUMBER_OPTIONS`` and ``LIST_OPTIONS``.
    Of the ledger: ``preset``, ``age``, ``q`` (words to search for) and ``community`` (as the cases
    name it) say what is listed, ``case_sort`` in which order; ``after`` and ``before`` are places
    in that order, and like ``page`` they end with any other change of the question.
    """

    period: str = ""
    compare: Compare = "previous"
    basis: Basis = "assessed"
    district: tuple[str, ...] = ()
    subdistrict: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    indicator: str = "resolution"
    order: Order = "attention"
    by: By = ""
    sort: Sort = "remaining"
    target: str = ""
    weights: str = ""
    league: League = ""
    rank_by: str = ""
    preset: Preset = ""
    age: Age = ""
    q: str = ""
    case_sort: CaseSort = ""
    quiet: str = ""
    floor: str = ""
    large: str = ""
    faster: str = ""
    stretch: str = ""
    stuck: str = ""
    page: str = ""
    stage: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    bar: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    community: tuple[str, ...] = ()
    after: str = ""
    before: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        # Two ways of asking the same thing are one value, one cache entry, one link.
        for name in _SETS:
            if value := getattr(self, name):
                object.__setattr__(self, name, tuple(sorted(set(value))))

    def narrowed(self, **changes: str | tuple[str, ...]) -> Filters:
        """Return the same question with some fields replaced.

        ``page`` and ``POSITIONS`` say the same thing, where in a list: naming one ends the others.
        """
        if changes.keys() & {"page", *POSITIONS}:
            changes = {"page": "", **dict.fromkeys(POSITIONS, ""), **changes}
        if unknown := changes.keys() - _DEFAULTS.keys():
            raise TypeError(f"no such filters: {', '.join(sorted(unknown))}")
        # By hand: pages do it hundreds of times, and ``dataclasses.replace`` sets every field.
        result = object.__new__(Filters)
        result.__dict__.update(self.__dict__)
        result.__dict__.update(changes)
        for name in _SETS & changes.keys():
            result.__dict__[name] = tuple(sorted(set(changes[name])))
        return result

    def number(self, name: str) -> int | None:
        """Return an option of ``NUMBER_OPTIONS``; None when it is not set."""
        value: str = getattr(self, name)
        return int(value) if value else None

    @property
    def terms(self) -> tuple[str, ...]:
        """The words to search for, each once, in the order in which they were typed."""
        return tuple(dict.fromkeys(self.q.split()))

    @property
    def shared(self) -> Filters:
        """The same question without the options of single pages: what other pages take over."""
        return self.narrowed(**_OF_PAGES)


_DEFAULTS: dict[str, Any] = {item.name: item.default for item in dataclasses.fields(Filters)}
# Fields whose values have no order.
_SETS = frozenset((*DIMENSIONS, *LIST_OPTIONS))
PAGE_OPTIONS = (
    "order", "by", "sort", "target", "weights", "league", "rank_by", "preset", "age", "q",
    "case_sort", *NUMBER_OPTIONS, *LIST_OPTIONS,
)  # fmt: skip
_OF_PAGES = {name: _DEFAULTS[name] for name in (*PAGE_OPTIONS, *POSITIONS)}


@dataclass(frozen=True)
class Parsed:
    """A query string as read: the filters, and in Chinese what could not be used."""

    filters: Filters
    problems: tuple[str, ...] = field(default=())


@functools.lru_cache(maxsize=512)
def to_search(filters: Filters) -> str:
    """Return the canonical query string of filters, with ``?``, without defaults; "" for none."""
    parts = []
    for item in dataclasses.fields(Filters):
        value = getattr(filters, item.name)
        if value == item.default:
            continue
        text = _SEPARATOR.join(value) if isinstance(value, tuple) else value
        parts.append(f"{item.name}={quote(text, safe=_SEPARATOR)}")
    return "?" + "&".join(parts) if parts else ""


def from_search(search: str | None, indicators: tuple[str, ...]) -> Parsed:
    """Return the filters a query string asks for; never raises.

    Whatever cannot be used keeps its default and is named in ``problems``. Unknown keys too:
    a misspelt filter that is dropped in silence shows the wrong figures.

    Args:
        search: the query string with or without ``?``; None counts as empty.
        indicators: the allowed values of ``indicator``.
    """
    text = (search or "").removeprefix("?")
    if len(text) > LONGEST_SEARCH:
        return Parsed(Filters(), ("链接过长，筛选条件未采用",))
    values: dict[str, Any] = {}  # str, or tuple[str, ...] for several
    problems: list[str] = []
    known = {item.name for item in dataclasses.fields(Filters)}
    checks: dict[str, Callable[[str], bool]] = {
        "period": lambda value: bool(_PERIOD.fullmatch(value)),
        "compare": COMPARE_LABELS.__contains__,
        "basis": BASIS_LABELS.__contains__,
        "indicator": indicators.__contains__,
        "order": ORDER_LABELS.__contains__,
        "by": BY_LABELS.__contains__,
        "sort": SORT_LABELS.__contains__,
        "target": lambda value: bool(_CODE.fullmatch(value)),
        "weights": _are_weights,
        "league": LEAGUE_LABELS.__contains__,
        "rank_by": RANK_BY.__contains__,
        "preset": PRESET_LABELS.__contains__,
        "age": AGE_DAYS.__contains__,
        "case_sort": CASE_SORT_LABELS.__contains__,
        "after": lambda value: bool(_MARK.fullmatch(value)),
        "before": lambda value: bool(_MARK.fullmatch(value)),
        "version": lambda value: bool(_VERSION.fullmatch(value)),
    }
    for key, value in parse_qsl(text, keep_blank_values=False, max_num_fields=None):
        shown = f"{_printable(key)}={_printable(value)}"
        if key not in known:
            problems.append(f"不认识的筛选条件“{shown}”")
        elif key in values:
            problems.append(f"重复的筛选条件“{shown}”")
        elif key in NUMBER_OPTIONS:
            label, low, high = NUMBER_OPTIONS[key]
            if _NUMBER.fullmatch(value) and low <= int(value) <= high:
                values[key] = str(int(value))
            else:
                problems.append(f"“{label}”须为{low}至{high:,}的整数，“{shown}”未采用")
        elif key == "q":
            query = " ".join(value.split())
            if _is_query(query):
                values[key] = query
            else:
                problems.append(
                    f"搜索词“{_printable(value)}”未采用：至多{LONGEST_QUERY}字、{MOST_TERMS}个词"
                )
        elif key in DIMENSIONS or key in LIST_OPTIONS:
            codes = tuple(code for code in value.split(_SEPARATOR) if code)
            if len(codes) > MOST_VALUES or not all(_CODE.fullmatch(code) for code in codes):
                problems.append(f"筛选条件“{shown}”无法识别")
            else:
                values[key] = codes
        elif checks[key](value):
            values[key] = value
        else:
            problems.append(f"筛选条件“{shown}”无法识别")
    if values.get("indicator") in RANK_BY:
        # Named, though it is the default: a page that has another one is asked for it too.
        values.setdefault("rank_by", values["indicator"])
    return Parsed(Filters(**values), tuple(problems))


def _is_query(value: str) -> bool:
    """Return whether a text, its blanks single, can be searched for."""
    return (
        0 < len(value) <= LONGEST_QUERY and value.isprintable() and len(value.split()) <= MOST_TERMS
    )


def _are_weights(value: str) -> bool:
    """Return whether a text is three percentages that sum to 100: ``10-50-40``."""
    return bool(_WEIGHTS.fullmatch(value)) and sum(map(int, value.split("-"))) == 100


def _printable(text: str) -> str:
    kept = "".join(letter for letter in text if letter.isprintable())
    return kept if len(kept) <= 30 else kept[:30] + "…"


def known_codes(
    filters: Filters, codes: Mapping[str, frozenset[str]]
) -> tuple[Filters, tuple[str, ...]]:
    """Return the filters without codes that the data does not have, and what was left out.

    Args:
        filters: as parsed.
        codes: dimension → the codes of the data version.
    """
    changes: dict[str, Any] = {}
    problems = []
    for name in DIMENSIONS:
        unknown = [code for code in getattr(filters, name) if code not in codes[name]]
        if unknown:
            changes[name] = tuple(code for code in getattr(filters, name) if code in codes[name])
            listed = "、".join(_printable(code) for code in unknown[:3])
            problems.append(f"本数据版本没有{DIMENSION_LABELS[name]}“{listed}”")
    return (dataclasses.replace(filters, **changes) if changes else filters), tuple(problems)


def in_words(
    filters: Filters, period_label: str, names: Mapping[str, Mapping[str, str]], city: str
) -> str:
    """Return the question as a person would say it: period · place · other filters · 口径.

    Args:
        filters: what is asked.
        period_label: the period in words.
        names: dimension → code → name.
        city: what the whole is called when no place is chosen.
    """
    places = [
        names[name].get(code, code)
        for name in ("district", "subdistrict")
        for code in getattr(filters, name)
    ]
    words = [period_label, _listed(places) or city]
    for name in ("topic", "category", "channel", "unit"):
        chosen = [names[name].get(code, code) for code in getattr(filters, name)]
        if chosen:
            words.append(f"{DIMENSION_LABELS[name]}：{_listed(chosen)}")
    words.append(BASIS_LABELS[filters.basis])
    return " · ".join(words)


def _listed(names: list[str]) -> str:
    return "、".join(names) if len(names) <= 3 else f"{'、'.join(names[:3])}等{len(names)}项"
