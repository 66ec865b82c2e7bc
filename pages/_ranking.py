"""What pages that rank share: who is ranked by what, their counts, ranks, leagues and history."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_access.case_counts import (
    UNPLACED,
    Group,
    Windows,
    counts_by_week,
    counts_by_window,
    counts_of_all,
)
from data_access.question import Question, names
from data_access.store import Snapshot
from domain.comparison import Weeks, of_window, weeks_by_group
from domain.filters import BASIS_LABELS, BY_LABELS, DIMENSION_LABELS, Filters, to_search
from domain.integrity import Case
from domain.metrics import METRICS, Counts, Metric
from domain.outcomes import COUNT_COLUMNS, COUNT_INDEX
from domain.periods import (
    PeriodKind,
    Window,
    parse_period,
    period_key,
    previous_window,
    weeks_before,
)
from domain.ranking import Ranking, leagues, ranking, volume_bands
from domain.rules import Rules
from domain.scope import CITY, Scope
from domain.signals import Signal, shrinking_denominators
from pages._answers import everyone, reader

# Units that can be ranked, and how they are counted in a sentence.
DISTRICT: Group = "district"
RANKED: tuple[Group, ...] = (DISTRICT, "subdistrict", "unit")
COUNTED: dict[Group, str] = {
    "district": "个区",
    "subdistrict": "个街道乡镇",
    "unit": "个承办单位",
}
# What a unit can be ranked by, 综合成绩 unless another is asked for.
RANKED_BY = ("composite", "response", "resolution", "satisfaction", "on_time")
SPARK_WEEKS = 13
# Periods of the history, the chosen one among them, and the days they may cover together.
PERIODS, MOST_DAYS = 6, 400
PERIOD_WORDS: dict[PeriodKind, str] = {
    "assess": "期",
    "week": "周",
    "month": "个月",
    "quarter": "个季度",
    "year": "年",
    "days": "期",
    "custom": "期",
}
# Zones that are compared with each other (同类); a zone of another name is a league of its own.
LEAGUES = {
    "核心区": "核心区、中心城区",
    "中心城区": "核心区、中心城区",
    "城市副中心": "城市副中心、平原新城",
    "平原新城": "城市副中心、平原新城",
}


# Where fewer others than this have cases, a total would tell of one of them.
FEWEST_OTHERS = 3


class Among(NamedTuple):
    """Among whom units of a kind are judged: which data are asked, with which scope.

    ``of_all``: the reader sees but a part of these units. Of the others nothing may be shown but
    totals: no name, code, value or mark.
    """

    snapshot: Snapshot
    scope: Scope
    of_all: bool


def among_all(question: Question, by: Group) -> Among:
    """Return among whom units of a kind are judged for the reader.

    A district or a unit alone would always be first: it is judged among all of its kind. Not where
    the filters pick what is another's (a unit for a district, a place for a unit: the totals would
    be theirs), and not where fewer than ``FEWEST_OTHERS`` others have cases.
    """
    scope, filters = reader(), question.filters
    own = Among(question.snapshot, scope, False)
    if scope.is_whole:
        return own
    if by == "unit":
        is_own = scope.districts is None and not (filters.district or filters.subdistrict)
    else:
        is_own = scope.units is None and not filters.unit
    if not is_own:
        return own
    whole = everyone(question)
    rows = counts_by_window(whole, CITY, _without_units(filters, by), question.windows, by)
    now = of_window(rows, "now")
    others = {*now.loc[(now["cases"] > 0).to_numpy(), "code"]} - {UNPLACED}
    others -= names(question.snapshot)[by].keys()
    return Among(whole, CITY, True) if len(others) >= FEWEST_OTHERS else own


class Subject(NamedTuple):
    """What is ranked: units of a kind, by an indicator, under rules that may be a trial.

    ``rules`` have the weights that the URL tries out; ``trial`` says that they differ from those
    in force and that the indicator depends on them. ``problems``: which choices could not be met.
    ``judged``: among whom; None: among those that the reader sees.
    """

    question: Question
    by: Group
    metric: Metric
    rules: Rules
    trial: bool
    problems: tuple[str, ...]
    judged: Among | None = None

    @property
    def among(self) -> Among:
        """Among whom the units are ranked."""
        return self.judged or Among(self.question.snapshot, reader(), False)

    @property
    def word(self) -> str:
        """What a unit is: 区, 街道乡镇, 承办单位."""
        return DIMENSION_LABELS[self.by]

    @property
    def counted(self) -> str:
        """The same after a number: 个区."""
        return COUNTED[self.by]

    @property
    def filters(self) -> Filters:
        """The filters without those that pick units of the kind: ranks are among all of them."""
        return _without_units(self.question.filters, self.by)

    @property
    def weights(self) -> str:
        """The weights in use, in percent: "10-50-40"."""
        rules = self.rules
        shares = (rules.weight_response, rules.weight_resolution, rules.weight_satisfaction)
        return "-".join(f"{100 * share:g}" for share in shares)

    @property
    def note(self) -> str:
        """Period and 口径, for the small print of a panel."""
        trial = f" · 试算：权重{self.weights}" if self.trial else ""
        return f"{self.question.period.label} · {BASIS_LABELS[self.question.filters.basis]}{trial}"

    @property
    def names(self) -> Mapping[str, str]:
        """Code → name of the units that the reader may be told of."""
        if self.by == "subdistrict":
            return street_names(self.question.snapshot)
        return names(self.question.snapshot)[self.by]

    @property
    def whole_word(self) -> str:
        """What all units together are called in a table."""
        return f"{self.among.snapshot.city}汇总" if self.among.of_all else "汇总"

    def told(self, codes: Iterable[Hashable]) -> list[str]:
        """Return the codes that the reader may be told of, in their order."""
        known = self.names
        return [str(code) for code in codes if str(code) in known]

    def key(self, name: str) -> tuple[Hashable, ...]:
        """Return the cache key of something computed from the counts by these rules."""
        return (
            name, self.among.scope, self.question.canonical, self.by, self.metric.key, self.rules,
        )  # fmt: skip

    def href(self, code: str) -> str:
        """Return where a unit leads: a place to its page, others to the 总览 of their cases."""
        asked = self.question.asked
        if self.by == "unit":
            return "/" + to_search(asked.shared.narrowed(unit=(code,)))
        folder = "districts" if self.by == "district" else "subdistricts"
        return f"/{folder}/{code}{_without_places(asked)}"


@functools.lru_cache(maxsize=256)
def _without_places(asked: Filters) -> str:
    """Return the query string that a page of a place takes over."""
    return to_search(asked.shared.narrowed(district=(), subdistrict=()))


def street_names(snapshot: Snapshot) -> Mapping[str, str]:
    """Return code → name of the streets; with the district where two have the same name."""

    def read() -> dict[str, str]:
        streets, districts = snapshot.reference.subdistricts, snapshot.reference.districts
        short = dict(zip(districts["id"], districts["short_name"], strict=True))
        full = dict(zip(districts["id"], districts["name"], strict=True))
        called = streets["name"].astype(str).tolist()
        number = Counter(called)
        return {
            str(code): name
            if number[name] == 1
            else f"{name}（{short.get(district) or full.get(district, '')}）"
            for code, name, district in zip(
                streets["code"], called, streets["district_id"], strict=True
            )
        }

    return snapshot.cached(("street names",), read)


def subject_of(question: Question) -> Subject:
    """Return what is ranked; whatever is asked, something can be."""
    asked, problems = question.filters, []
    by: Group = "subdistrict" if DISTRICT not in ranked_units(question) else DISTRICT
    if asked.by in RANKED:
        by = asked.by
    elif asked.by:
        problems.append(f"不能按{BY_LABELS[asked.by]}排名，改为{DIMENSION_LABELS[by]}")
    key = asked_key(asked)
    if key not in RANKED_BY:
        problems.append(f"{METRICS[key].name}多少不作高低，改按综合成绩排名")
        key = "composite"
    among = among_all(question, by)
    if key != "on_time" and _unanswered(question, among, by):
        problems.append(f"本期无有效回访，{METRICS[key].name}不可算，改按按时办结率排名")
        key = "on_time"
    tried = tried_out(question.rules, asked.weights)
    trial = tried != question.rules
    if trial and key != "composite":
        # The lists and files have 综合成绩 too: it must be the one in force where no mark is.
        problems.append(f"权重{asked.weights}只用于综合成绩，未采用")
        trial = False
    rules = tried if trial else question.rules
    return Subject(question, by, METRICS[key], rules, trial, tuple(problems), among)


def asked_key(asked: Filters) -> str:
    """Return the indicator by which a question asks to rank: 综合成绩 unless another is named.

    解决率, the default elsewhere, is named by ``rank_by``.
    """
    if asked.indicator == Filters().indicator:
        return asked.rank_by or "composite"
    return asked.indicator


def _unanswered(question: Question, among: Among, by: Group) -> bool:
    """Return whether there are cases in the period and not one valid revisit."""

    def compute() -> bool:
        filters = _without_units(question.filters, by)
        rows = counts_by_window(among.snapshot, among.scope, filters, question.windows, by)
        now = of_window(rows, "now")
        return bool(now["cases"].sum() and not now["revisits"].sum())

    return among.snapshot.cached(("unanswered", among.scope, question.canonical, by), compute)


def ranked_units(question: Question) -> list[Group]:
    """Return the kinds of units that can be ranked; a single district is no ranking."""
    if len(question.snapshot.reference.districts) > 1:
        return list(RANKED)
    districts = among_all(question, DISTRICT).snapshot.reference.districts
    return [by for by in RANKED if by != DISTRICT or len(districts) > 1]


def _without_units(filters: Filters, by: Group) -> Filters:
    if by == "unit":
        return filters.narrowed(unit=())
    return filters.narrowed(district=(), subdistrict=())


def tried_out(rules: Rules, weights: str) -> Rules:
    """Return the rules with other weights of 综合成绩, in percent: "10-50-40"; "" keeps them."""
    if not weights:
        return rules
    response, resolution, satisfaction = (int(part) / 100 for part in weights.split("-"))
    tried = dataclasses.replace(
        rules,
        weight_response=response,
        weight_resolution=resolution,
        weight_satisfaction=satisfaction,
    )
    return rules if tried == rules else tried


# --- Counts -------------------------------------------------------------------------------------


class Laid:
    """Counts by window (``counts_by_window``) laid out for some units, in their order."""

    def __init__(self, rows: pd.DataFrame, codes: Sequence[str]) -> None:
        self._codes, self._index = codes, pd.Index(codes)
        # A row of zeros at the end, for those without cases.
        counts = rows.iloc[:, -len(COUNT_COLUMNS) :].to_numpy()
        self._counts = np.concatenate([counts, np.zeros((1, len(COUNT_COLUMNS)), dtype="int64")])
        self._place: dict[str, dict[str, int]] = {}
        for row, (window, code) in enumerate(zip(rows["window"], rows["code"], strict=True)):
            self._place.setdefault(window, {})[code] = row

    def of(self, window: str) -> Counts:
        """Return the counts of a window, index the codes; zeros where a unit has no cases."""
        place = self._place.get(window, {})
        order = [place.get(code, -1) for code in self._codes]
        return pd.DataFrame(self._counts[order], columns=COUNT_INDEX, index=self._index)

    def one(self, window: str, code: str) -> Counts:
        """Return the counts of one code, whether it is one of the units or not: one row."""
        row = self._place.get(window, {}).get(code, -1)
        return pd.DataFrame(self._counts[[row]], columns=COUNT_INDEX, index=[code])

    def whole(self, window: str) -> Counts:
        """Return the sum of everything in a window: one row."""
        rows = list(self._place.get(window, {}).values())
        summed = self._counts[rows].sum(axis=0, keepdims=True)
        return pd.DataFrame(summed, columns=COUNT_INDEX)


class Field(NamedTuple):
    """All units of a kind with their counts, rows in the same order, index the codes.

    ``units``: ``code``, ``name`` and ``league`` (str, or None for who has none). ``before``:
    counts by window, ``previous`` and ``year``. ``outside``: one row, cases of no known unit;
    ``whole``: one row, everything.
    """

    units: pd.DataFrame
    now: Counts
    before: Mapping[str, Counts]
    outside: Counts
    whole: Counts


def field_of(subject: Subject) -> Field:
    """Return the units with their counts; units without a case have zeros."""
    among = subject.among
    key = ("ranked field", among.scope, subject.question.canonical, subject.by)
    return among.snapshot.cached(key, lambda: _field(subject))


def _field(subject: Subject) -> Field:
    among = subject.among
    rows = counts_by_window(
        among.snapshot, among.scope, subject.filters, subject.question.windows, subject.by
    )
    units = _reference(subject)
    laid = Laid(rows, units["code"].tolist())
    now = laid.of("now")
    return Field(
        units.assign(league=_leagues(subject, now)),
        now,
        {name: laid.of(name) for name in ("previous", "year")},
        laid.one("now", UNPLACED),
        laid.whole("now"),
    )


def _reference(subject: Subject) -> pd.DataFrame:
    """Return ``code``, ``name`` and of districts ``zone`` of the units, in the data's order."""
    reference = subject.among.snapshot.reference
    if subject.by == "subdistrict":
        frame = reference.subdistricts
        district = frame["district_id"].map(reference.districts.set_index("id")["code"])
        return frame[["code", "name"]].astype(str).assign(district=district.to_numpy())
    frame = reference.districts if subject.by == "district" else reference.units
    units = frame[["code", "name"]].astype(str)
    return units.assign(zone=frame["zone"].to_numpy()) if subject.by == "district" else units


def _leagues(subject: Subject, now: Counts) -> list[str | None]:
    """Return the league of each unit: the zone of a district, else the band of volume."""
    if subject.by == "district":
        zones = _reference(subject)["zone"]
        return [LEAGUES.get(zone, zone) if isinstance(zone, str) else None for zone in zones]
    bands = volume_bands(now, subject.rules)
    words = {band: f"诉求量第{band}档" for band in bands.unique()}
    return [words[band] for band in bands]


def ranking_of(subject: Subject) -> Ranking:
    """Return the ranking of all units of the kind."""
    return subject.among.snapshot.cached(
        subject.key("ranking"),
        lambda: ranking(field_of(subject).now, subject.metric, subject.rules),
    )


def leagues_of(subject: Subject) -> dict[str, Ranking]:
    """Return a ranking within each league, in the order of their first unit; {} without any.

    Units of no league are in none of them; nor are those of a league with fewer than
    ``FEWEST_OTHERS`` others, where the reader may not see them.
    """

    def compute() -> dict[str, Ranking]:
        field = field_of(subject)
        groups = list(field.units["league"])
        if subject.among.of_all:
            known, cases = subject.names, field.now["cases"].to_numpy()
            others = Counter(
                group
                for group, code, n in zip(groups, field.units["code"], cases, strict=True)
                if n and code not in known
            )
            groups = [group if others[group] >= FEWEST_OTHERS else None for group in groups]
        found = leagues(field.now, groups, subject.metric, subject.rules)
        # Districts in the order of the data, bands of volume from the largest.
        order = list(found) if subject.by == "district" else sorted(found)
        return {str(name): found[name] for name in order}

    return subject.question.snapshot.cached(subject.key("leagues"), compute)


def marked_of(subject: Subject) -> frozenset[str]:
    """Return the codes of the units that the filters pick; of a district also its streets."""
    filters = subject.question.filters
    if subject.by == "unit":
        return frozenset(filters.unit)
    if not (filters.district or filters.subdistrict):
        return frozenset()
    units = field_of(subject).units
    if subject.by == "district":
        streets = subject.question.snapshot.reference.subdistricts
        ids = streets.loc[streets["code"].isin(list(filters.subdistrict)), "district_id"]
        reference = subject.question.snapshot.reference.districts
        within = reference.loc[reference["id"].isin(ids), "code"].astype(str)
        return frozenset({*filters.district, *within})
    if filters.subdistrict:
        return frozenset(filters.subdistrict)
    return frozenset(units.loc[units["district"].isin(list(filters.district)), "code"])


# --- Course -------------------------------------------------------------------------------------


def weekly_of(subject: Subject, codes: Sequence[str]) -> dict[str, Weeks]:
    """Return code → the indicator by week, for some units.

    Weeks up to the cut-off, or four weeks past an older period.
    """
    question = subject.question
    cutoff = question.snapshot.cutoff.date()
    last = min(cutoff, question.period.window.end + dt.timedelta(weeks=4))
    weeks = tuple(weeks_before(cutoff, last, SPARK_WEEKS))
    filters = subject.filters
    if subject.by == "subdistrict":
        # Of hundreds of streets only those shown are read.
        filters = filters.narrowed(subdistrict=tuple(codes))
    among = subject.among
    rows = counts_by_week(among.snapshot, among.scope, filters, weeks, subject.by)
    frames = weeks_by_group(rows, list(codes), weeks, subject.metric, subject.rules)
    return dict(zip(codes, frames, strict=True))


def periods_of(question: Question) -> tuple[tuple[str, Window], ...]:
    """Return the last periods of the chosen kind, oldest first, the chosen one last: name, window.

    Earlier ones are whole, also where the chosen one is not over; those that end before the
    first case are left out.
    """
    period, first_day = question.period, question.rules.period_first_day
    number = max(2, min(PERIODS, MOST_DAYS // max(period.whole.days, 1)))
    found = [(period.name, period.window)]
    first = question.snapshot.first_day or period.window.start
    now = period
    while len(found) < number:
        day = now.whole.start - dt.timedelta(days=1)
        if day < first:
            break
        if period.kind in ("days", "custom"):
            window = previous_window(now, first_day)
            now = parse_period(f"{window.start}..{window.end}", day, first_day)
        else:
            now = parse_period(period_key(period.kind, day, first_day), day, first_day)
        found.append((now.name, now.window))
    return tuple(reversed(found))


def history_of(subject: Subject) -> list[Counts]:
    """Return the counts of all units in each of ``periods_of``, the chosen period last."""
    question, among, field = subject.question, subject.among, field_of(subject)
    windows = [window for _, window in periods_of(question)[:-1]]
    # What is compared with has been read already, where it is one of the periods.
    known = {window: field.before[name] for name, window in question.windows if name != "now"}
    asked: Windows = tuple(
        (str(place), window) for place, window in enumerate(windows) if window not in known
    )
    read = counts_of_all(among.snapshot, among.scope, subject.filters, asked, subject.by)
    known |= {window: counts for (_, window), counts in zip(asked, read, strict=True)}
    return [*(known[window] for window in windows), field.now]


# --- Integrity ----------------------------------------------------------------------------------


class Sides(NamedTuple):
    """Counts of all units in both 口径 and the chosen one, now and before, rows as in ``Field``.

    ``before`` is None without a comparison; ``whole``: everything, one row, now.
    """

    now: Case
    before: Case | None
    whole: Case


def sides_of(subject: Subject) -> Sides:
    """Return what the integrity of the units is judged from."""
    return subject.among.snapshot.cached(subject.key("sides"), lambda: _sides(subject))


def _sides(subject: Subject) -> Sides:
    question, among = subject.question, subject.among
    codes = field_of(subject).units["code"].tolist()
    laid = [
        Laid(
            counts_by_window(
                among.snapshot,
                among.scope,
                subject.filters.narrowed(basis=basis),
                question.windows,
                subject.by,
            ),
            codes,
        )
        for basis in (subject.filters.basis, "assessed", "all")
    ]

    def case(name: str) -> Case:
        return Case(*(each.of(name) for each in laid))

    before = case(question.compared[0]) if question.compared else None
    return Sides(case("now"), before, Case(*(each.whole("now") for each in laid)))


def shrunk_of(subject: Subject) -> Shrunk:
    """Return whose denominator shrank, tested among all units of the kind.

    Nobody without a comparison.
    """

    def compute() -> Shrunk:
        sides = sides_of(subject)
        if sides.before is None:
            return Shrunk({}, 0)
        now, before = sides.now, sides.before
        checked = shrinking_denominators(
            field_of(subject).units,
            *(now.assessed, before.assessed, now.everything, before.everything),
            subject.rules,
        )
        found: dict[str, list[Signal]] = {}
        for signal in checked.signals:
            if signal.code in subject.names:
                found.setdefault(signal.code, []).append(signal)
        return Shrunk({code: tuple(each) for code, each in found.items()}, checked.checks)

    return subject.question.snapshot.cached(subject.key("shrunk"), compute)


class Shrunk(NamedTuple):
    """Code → how the denominator shrank, of units that may be told of; the number of checks."""

    found: Mapping[str, tuple[Signal, ...]]
    checks: int
