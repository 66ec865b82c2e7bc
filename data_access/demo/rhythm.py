"""When cases come: how many a day, and of which category."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from data_access.demo.arrays import STREAM_DAYS, Days, Floats, Ints, generator
from data_access.demo.catalogue import Catalogue

FIRST_DAY = dt.date(2020, 1, 1)
LAST_DAY = dt.date(2021, 12, 31)
# ``cases=N`` means N rows up to here; a later cut-off adds rows and moves none.
HISTORY_END = dt.date(2021, 4, 12)
CASES_2020 = 3_040_000
# 咨询 answered on the spot, on top of the cases.
ON_THE_SPOT = 0.04
# Above this many cases the history is extended backwards instead of being made denser.
DENSEST = 6_000_000

_WEEKDAYS = np.array([1.08, 1.06, 1.04, 1.03, 1.02, 0.91, 0.86])  # Monday first
_HOURS = np.array(
    [8, 5, 4, 3, 3, 6, 16, 34, 62, 88, 90, 74, 50, 54, 78, 82, 70, 58, 48, 44, 40, 34, 24, 15],
    dtype=np.float64,
)
HOUR_TABLE = np.cumsum(_HOURS) / _HOURS.sum()

_SPRING_FESTIVAL_DAYS = (
    "2010-02-14 2011-02-03 2012-01-23 2013-02-10 2014-01-31 2015-02-19 2016-02-08 2017-01-28 "
    "2018-02-16 2019-02-05 2020-01-25 2021-02-12"
)
_SPRING_FESTIVALS = _SPRING_FESTIVAL_DAYS.split()
# Short holidays of 2020 and 2021, first day and number of days.
_HOLIDAYS = (
    ("2020-01-01", 1),
    ("2020-04-04", 3),
    ("2020-05-01", 5),
    ("2020-06-25", 3),
    ("2020-10-01", 8),
    ("2021-01-01", 3),
    ("2021-04-03", 3),
    ("2021-05-01", 5),
    ("2021-06-12", 3),
    ("2021-09-19", 3),
    ("2021-10-01", 7),
)
_COLD_SNAPS = ("2020-12-29", "2021-01-06", "2021-01-07", "2021-01-08", "2021-11-07", "2021-12-25")


@dataclass(frozen=True)
class Rhythm:
    """Rows per day, and how the categories share each day."""

    days: Days  # every day, the first to the last that can be asked for
    total: Ints  # rows per day, both kinds, without the planted groups
    on_the_spot: Ints  # of these: 咨询 answered on the spot
    category_weights: Floats  # days × categories

    @property
    def months(self) -> list[tuple[int, slice]]:
        """Return (year × 12 + month − 1, the positions of its days), in order."""
        number = self.days.astype("datetime64[M]").astype(np.int64) + 1970 * 12
        first = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
        ends = np.r_[first[1:], len(number)]
        return [(int(number[a]), slice(int(a), int(b))) for a, b in zip(first, ends, strict=True)]


def make_rhythm(
    catalogue: Catalogue, seed: int, cases: int | None, planted: int, planted_2020: int
) -> Rhythm:
    """Return the rhythm of a history of ``cases`` rows (None: true scale).

    ``planted`` of the rows up to ``HISTORY_END``, and ``planted_2020`` of those of 2020, are not
    made here.

    Raises:
        ValueError: fewer cases than the planted groups leave room for.
    """
    recent_days = _days(FIRST_DAY, LAST_DAY)
    recent = _weights(catalogue, recent_days, seed)
    load = recent.sum(axis=1) * (1 + ON_THE_SPOT)
    year_2020 = recent_days < np.datetime64("2021-01-01")
    counted = recent_days <= np.datetime64(HISTORY_END)
    full = load * (CASES_2020 - planted_2020) / recent[year_2020].sum()
    if cases is None or cases > DENSEST:
        scaled = full
    elif cases < planted + 1_000:
        raise ValueError(f"演示数据至少需要 {planted + 1_000} 件")
    else:
        scaled = full * ((cases - planted) / full[counted].sum())
    total = _rounded(scaled)
    if cases is None or cases <= DENSEST:
        return Rhythm(recent_days, total, _rounded(_spot(scaled)), recent)

    before = cases - planted - int(total[counted].sum())
    years = max(int(before // CASES_2020), 1)
    old_days = _days(dt.date(FIRST_DAY.year - years, 1, 1), FIRST_DAY - dt.timedelta(days=1))
    old = _weights(catalogue, old_days, seed)
    old_scaled = old.sum(axis=1) * (before / old.sum())
    return Rhythm(
        np.concatenate([old_days, recent_days]),
        np.concatenate([_rounded(old_scaled), total]),
        np.concatenate([_rounded(_spot(old_scaled)), _rounded(_spot(scaled))]),
        np.concatenate([old, recent]),
    )


def _spot(total: Floats) -> Floats:
    return total * (ON_THE_SPOT / (1 + ON_THE_SPOT))


def _rounded(per_day: Floats) -> Ints:
    """Return whole numbers whose running sums are the rounded running sums of ``per_day``."""
    return np.diff(np.round(np.cumsum(per_day)), prepend=0.0).astype(np.int64)


def _days(first: dt.date, last: dt.date) -> Days:
    return np.arange(np.datetime64(first), np.datetime64(last) + 1, dtype="datetime64[D]")


def _weights(catalogue: Catalogue, days: Days, seed: int) -> Floats:
    """Return the expected number of cases by day and category, up to one common factor."""
    year = _days(dt.date(2020, 1, 1), dt.date(2020, 12, 31))
    level, level_2020 = _level(days, seed), _level(year, seed)
    result = np.empty((len(days), len(catalogue.categories)))
    for position, category in enumerate(catalogue.categories):
        in_2020 = float((level_2020 * _season(category["season"], year)).sum())
        factor = catalogue.volume[position] / in_2020
        result[:, position] = level * _season(category["season"], days) * factor
    return result


def _level(days: Days, seed: int) -> Floats:
    """Return the day's factor that all categories share."""
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    years = _years_since_2020(days)
    # Growth; the invented years before 2020 are nearly flat.
    level = _WEEKDAYS[weekday] * np.exp(np.where(years > 0, 0.06, 0.01) * years)
    for first in _SPRING_FESTIVALS:
        since = (days - np.datetime64(first)).astype(np.int64)
        level[(since >= -1) & (since <= 5)] *= 0.55
        level[(since >= 6) & (since <= 9)] *= 0.85
    for first, length in _HOLIDAYS:
        since = (days - np.datetime64(first)).astype(np.int64)
        level[(since >= 0) & (since < length)] *= 0.8
    level[_between(days, "2020-02-04", "2020-03-15")] *= 0.82
    level[_between(days, "2020-03-16", "2020-04-15")] *= 0.92
    level[_between(days, "2020-06-13", "2020-07-05")] *= 1.06
    noise = np.empty(len(days))
    months = days.astype("datetime64[M]")
    for month in np.unique(months):
        here = months == month
        number = int(month.astype(np.int64)) + 1970 * 12
        drawn = generator(seed, STREAM_DAYS, number).normal(size=31)
        noise[here] = drawn[: int(here.sum())]
    return np.asarray(level * np.exp(0.035 * noise))


def _season(name: str, days: Days) -> Floats:
    """Return the day's factor of categories with a season; 1 for those without."""
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64) + 1.0
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    flat = np.ones(len(days))
    if name == "heating":
        return _heating(days, month)
    if name == "cold":
        factor = 1.0 + 0.5 * np.cos((of_year - 15) / 365.25 * 2 * np.pi)
        factor[np.isin(days, np.array(_COLD_SNAPS, dtype="datetime64[D]"))] *= 2.0
        return np.asarray(factor)
    if name == "summer":
        return np.asarray(1.0 + 0.45 * np.cos((of_year - 200) / 365.25 * 2 * np.pi))
    if name == "spring":
        return np.asarray(1.0 + 0.45 * np.cos((of_year - 125) / 365.25 * 2 * np.pi))
    if name == "rain":
        return np.asarray(0.8 + 1.2 * np.exp(-(((of_year - 210) / 25.0) ** 2)))
    if name == "admission":
        return np.asarray(0.6 + 1.9 * np.exp(-(((of_year - 165) / 35.0) ** 2)))
    if name == "term":
        return np.where(np.isin(month, (2, 7, 8)), 0.6, 1.1)
    if name == "holiday":
        return np.where(np.isin(month, (4, 5, 10)), 1.5, 0.85)
    if name == "wages":
        since = np.full(len(days), 999)
        for first in _SPRING_FESTIVALS:
            ahead = (np.datetime64(first) - days).astype(np.int64)
            since = np.where((ahead >= 0) & (ahead < since), ahead, since)
        return np.asarray(0.85 + 1.3 * np.exp(-(((since - 25) / 18.0) ** 2)))
    if name == "growing":
        return np.asarray(np.exp(0.18 * np.maximum(_years_since_2020(days), -2.0)))
    if name == "covid":
        factor = np.where(days < np.datetime64("2020-01-20"), 0.15, 0.45)
        factor[_between(days, "2020-01-22", "2020-04-10")] = 1.6
        factor[_between(days, "2020-06-12", "2020-07-10")] = 1.5
        factor[_between(days, "2021-01-05", "2021-02-05")] = 0.9
        return np.asarray(factor)
    if name == "health":
        flat[_between(days, "2020-01-25", "2020-04-20")] = 0.6
        return flat
    if name == "vaccine":
        factor = np.full(len(days), 0.7)
        factor[_between(days, "2021-01-15", "2021-08-31")] = 1.8
        return factor
    if name == "waste":  # sorting became a duty on 2020-05-01
        return np.where(days < np.datetime64("2020-05-01"), 0.7, 1.1)
    if name == "tutoring":
        return np.where(_between(days, "2020-03-01", "2020-10-31"), 1.25, 0.9)
    if name == "charging":  # planted: more complaints while the target is ahead of its plan
        since = (days - np.datetime64("2021-02-08")).astype(np.float64)
        return np.asarray(1.0 + 0.9 * np.clip(since / 50.0, 0.0, 1.0))
    if name:
        raise ValueError(name)
    return flat


def _heating(days: Days, month: Ints) -> Floats:
    """Return the factor of heating: a spike on 7–15 November, the season, cold snaps."""
    day = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    factor = np.full(len(days), 0.12)
    factor[(month == 10) & (day >= 20)] = 0.5
    factor[(month == 11) & (day < 7)] = 1.6
    factor[(month == 11) & (day >= 7) & (day <= 15)] = 7.0
    factor[(month == 11) & (day > 15)] = 3.0
    factor[np.isin(month, (12, 1))] = 1.9
    factor[month == 2] = 1.2
    factor[(month == 3) & (day <= 15)] = 0.8
    snaps = np.array(_COLD_SNAPS, dtype="datetime64[D]")
    factor[np.isin(days, snaps)] *= 2.6
    factor[np.isin(days, snaps + 1) & ~np.isin(days, snaps)] *= 1.7
    return factor


def _years_since_2020(days: Days) -> Floats:
    return (days - np.datetime64("2020-01-01")).astype(np.float64) / 365.25


def _between(days: Days, first: str, last: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((days >= np.datetime64(first)) & (days <= np.datetime64(last)))
