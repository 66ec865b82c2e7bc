"""Periods: what stretch of days a figure covers, and what it is compared with.

"Now" is the data cut-off (数据截至), never the clock. All dates are inclusive, Asia/Shanghai.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

PeriodKind = Literal["assess", "week", "month", "quarter", "year", "days", "custom"]
KIND_LABELS: dict[PeriodKind, str] = {
    "assess": "考核期",
    "week": "周",
    "month": "自然月",
    "quarter": "季度",
    "year": "年",
    "days": "最近N天",
    "custom": "自定义",
}
LONGEST_CUSTOM_DAYS = 20 * 366
_PATTERNS: dict[PeriodKind, re.Pattern[str]] = {
    "assess": re.compile(r"assess-(\d{4})-(\d{2})"),
    "week": re.compile(r"week-(\d{4})-W(\d{2})"),
    "month": re.compile(r"month-(\d{4})-(\d{2})"),
    "quarter": re.compile(r"quarter-(\d{4})-Q([1-4])"),
    "year": re.compile(r"year-(\d{4})"),
    "days": re.compile(r"days-(\d{1,4})"),
    "custom": re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})"),
}


class PeriodError(ValueError):
    """A period that does not exist; the message is for the user, in Chinese."""


@dataclass(frozen=True)
class Window:
    """A stretch of days, both ends included."""

    start: dt.date
    end: dt.date

    @property
    def days(self) -> int:
        """Number of days; 0 when the window is empty."""
        return max(0, (self.end - self.start).days + 1)

    @property
    def label(self) -> str:
        """The dates as briefings write them: 2021.2.19–3.18, the second year only if it differs."""
        start = f"{self.start.year}.{self.start.month}.{self.start.day}"
        end = f"{self.end.month}.{self.end.day}"
        if self.start == self.end:
            return start
        return f"{start}–{end if self.start.year == self.end.year else f'{self.end.year}.{end}'}"


@dataclass(frozen=True)
class Period:
    """A named period as far as the data reaches.

    ``window`` ends at the cut-off when the period is not over; ``whole`` is the full period.
    """

    kind: PeriodKind
    key: str
    name: str
    window: Window
    whole: Window

    @property
    def finished(self) -> bool:
        """Whether the data covers the whole period."""
        return self.window == self.whole

    @property
    def label(self) -> str:
        """Name, dates and, of an unfinished period, how far it has come."""
        label = (
            self.window.label
            if self.name == self.window.label
            else f"{self.name}（{self.window.label}）"
        )
        if self.finished:
            return label
        return f"{label}，未结束，已过{self.window.days}/{self.whole.days}天"


def _month_shift(year: int, month: int, by: int) -> tuple[int, int]:
    months = year * 12 + month - 1 + by
    return months // 12, months % 12 + 1


def _same_day(day: dt.date, years: int) -> dt.date:
    """Return the day some years away; 29 February becomes the 28th."""
    year = day.year + years
    return day.replace(year=year, day=min(day.day, calendar.monthrange(year, day.month)[1]))


def _assess_window(year: int, month: int, first_day: int) -> Window:
    if first_day == 1:
        return Window(dt.date(year, month, 1), _month_end(year, month))
    start_year, start_month = _month_shift(year, month, -1)
    return Window(dt.date(start_year, start_month, first_day), dt.date(year, month, first_day - 1))


def _month_end(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])


def _named(kind: PeriodKind, key: str, name: str, whole: Window, cutoff: dt.date) -> Period:
    return Period(kind, key, name, Window(whole.start, min(whole.end, cutoff)), whole)


def parse_period(key: str, cutoff: dt.date, first_day: int) -> Period:
    """Return the period that a key names.

    Keys: ``assess-2021-04`` (考核期), ``week-2021-W15``, ``month-2021-04``, ``quarter-2021-Q2``,
    ``year-2021``, ``days-30`` (the 30 days up to the cut-off), ``2021-01-01..2021-03-31``.

    Raises:
        PeriodError: the key has no such form, no such day, or starts after the cut-off.
    """
    for kind, pattern in _PATTERNS.items():
        match = pattern.fullmatch(key)
        if match is None:
            continue
        try:
            period = _parse(kind, key, match.groups(), cutoff, first_day)
        except (ValueError, OverflowError):
            break
        if period.window.start > cutoff:
            raise PeriodError(f"时段“{key}”晚于数据截至日 {cutoff}")
        return period
    raise PeriodError(f"时段“{key[:40]}”无法识别")


def _parse(
    kind: PeriodKind, key: str, groups: tuple[str, ...], cutoff: dt.date, first_day: int
) -> Period:
    if kind == "custom":
        start, end = dt.date.fromisoformat(groups[0]), dt.date.fromisoformat(groups[1])
        if end < start or (end - start).days >= LONGEST_CUSTOM_DAYS or start.year < 1950:
            raise ValueError(key)
        whole = Window(start, end)
        return _named(kind, key, whole.label, whole, cutoff)
    numbers = [int(group) for group in groups]
    if kind == "days":
        if not 1 <= numbers[0] <= 3660:
            raise ValueError(key)
        whole = Window(cutoff - dt.timedelta(days=numbers[0] - 1), cutoff)
        return _named(kind, key, f"最近{numbers[0]}天", whole, cutoff)
    year = numbers[0]
    if not 1950 <= year <= 2200:
        raise ValueError(key)
    if kind == "assess":
        whole = _assess_window(year, numbers[1], first_day)
        return _named(kind, key, f"{year}年{numbers[1]}月考核期", whole, cutoff)
    if kind == "week":
        monday = dt.date.fromisocalendar(year, numbers[1], 1)
        whole = Window(monday, monday + dt.timedelta(days=6))
        return _named(kind, key, f"{year}年第{numbers[1]}周", whole, cutoff)
    if kind == "month":
        whole = Window(dt.date(year, numbers[1], 1), _month_end(year, numbers[1]))
        return _named(kind, key, f"{year}年{numbers[1]}月", whole, cutoff)
    if kind == "quarter":
        last = numbers[1] * 3
        whole = Window(dt.date(year, last - 2, 1), _month_end(year, last))
        return _named(kind, key, f"{year}年第{numbers[1]}季度", whole, cutoff)
    whole = Window(dt.date(year, 1, 1), dt.date(year, 12, 31))
    return _named(kind, key, f"{year}年", whole, cutoff)


def period_key(kind: PeriodKind, day: dt.date, first_day: int) -> str:
    """Return the key of the period of a calendar kind that a day belongs to."""
    if kind == "assess":
        late = first_day > 1 and day.day >= first_day
        year, month = _month_shift(day.year, day.month, 1 if late else 0)
        return f"assess-{year}-{month:02d}"
    if kind == "week":
        iso = day.isocalendar()
        return f"week-{iso.year}-W{iso.week:02d}"
    if kind == "month":
        return f"month-{day.year}-{day.month:02d}"
    if kind == "quarter":
        return f"quarter-{day.year}-Q{(day.month + 2) // 3}"
    if kind == "year":
        return f"year-{day.year}"
    raise ValueError(f"{kind} has no calendar")


def previous_window(period: Period, first_day: int) -> Window:
    """Return what 环比 compares with: the period before, or as many of its days as have elapsed.

    A finished period is compared with the whole period before it (whose figures were published);
    an unfinished one with the same number of days from the start of the period before.
    """
    day_before = period.whole.start - dt.timedelta(days=1)
    if period.kind in ("days", "custom"):
        days = period.window.days
        return Window(period.window.start - dt.timedelta(days=days), day_before)
    before = parse_period(period_key(period.kind, day_before, first_day), day_before, first_day)
    if period.finished:
        return before.whole
    end = before.whole.start + dt.timedelta(days=period.window.days - 1)
    return Window(before.whole.start, min(end, before.whole.end))


def last_year_window(period: Period) -> Window:
    """Return what 同比 compares with: the same days last year, of a week the same ISO weekdays."""
    if period.kind == "week":
        shift = dt.timedelta(days=364)
        return Window(period.window.start - shift, period.window.end - shift)
    return Window(_same_day(period.window.start, -1), _same_day(period.window.end, -1))


def recent_periods(
    kind: PeriodKind, cutoff: dt.date, first: dt.date, first_day: int
) -> list[Period]:
    """Return the periods of a calendar kind from the cut-off back to the first day, newest first.

    At most 120 (ten years of months).
    """
    periods: list[Period] = []
    day = cutoff
    while day >= first and len(periods) < 120:
        period = parse_period(period_key(kind, day, first_day), cutoff, first_day)
        periods.append(period)
        day = period.whole.start - dt.timedelta(days=1)
    return periods


def weeks_before(cutoff: dt.date, last: dt.date, count: int) -> list[Window]:
    """Return ``count`` weeks (Mon–Sun) up to the one that holds ``last``, oldest first.

    The newest week is cut at the cut-off.
    """
    monday = last - dt.timedelta(days=last.weekday())
    weeks = []
    for back in range(count - 1, -1, -1):
        start = monday - dt.timedelta(weeks=back)
        weeks.append(Window(start, min(start + dt.timedelta(days=6), cutoff)))
    return weeks


def present() -> dt.datetime:
    """Return the wall-clock time in Asia/Shanghai, naive.

    Only for the age of the data: every figure counts from the data cut-off.
    """
    return dt.datetime.now(ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
