"""The cases of one month after another, each with its whole life, cut at the data cut-off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_access.demo import planted
from data_access.demo.arrays import (
    DAY,
    STREAM_CASES,
    Bools,
    Days,
    Floats,
    Ints,
    cumulative,
    draw,
    epoch_seconds,
    generator,
    logit,
    sigmoid,
)
from data_access.demo.catalogue import CHANNELS, CONSULTATION, KINDS, Catalogue
from data_access.demo.places import Places
from data_access.demo.planted import PlantedCases
from data_access.demo.rhythm import HOUR_TABLE, Rhythm
from data_access.demo.wording import UNKNOWN_CATEGORIES, UNKNOWN_PLACES, Wording, with_texts
from domain import outcomes

# The city's rates in the middle of a month. Published: 2020-01, 2020-12, the ranges of 2021-04,
# late 2021; the years before are invented below the first published value.
_RESOLVED = (
    ("2010-01", 0.50),
    ("2018-12", 0.54),
    ("2019-12", 0.612),
    ("2020-01", 0.619),
    ("2020-02", 0.655),
    ("2020-03", 0.690),
    ("2020-05", 0.745),
    ("2020-08", 0.802),
    ("2020-11", 0.848),
    ("2020-12", 0.859),
    ("2021-04", 0.872),
    ("2021-12", 0.892),
)
_SATISFIED = (
    ("2010-01", 0.62),
    ("2018-12", 0.66),
    ("2019-12", 0.776),
    ("2020-01", 0.782),
    ("2020-03", 0.815),
    ("2020-06", 0.855),
    ("2020-09", 0.880),
    ("2020-12", 0.897),
    ("2021-04", 0.910),
    ("2021-12", 0.921),
)
_BASIC_CREDIT = 0.9
_UNPLACED, _UNSORTED = 0.003, 0.002
_REPEATS, _REPEAT_DAYS = 0.065, 9.0
_SHELVED = 0.010
_FAILED_REVISITS = 0.21
# Satisfied among the unresolved, as a part of satisfied among the resolved.
_CONSOLATION = 0.6
_CLOSING_SPREAD = 0.5


@dataclass(frozen=True)
class _Earlier:
    """What a repeat needs to know of the cases before it."""

    number: Ints  # of the day
    day: Ints  # days since 1970
    street: Ints
    category: Ints
    community: Ints
    kind: Ints
    usable: Bools

    def then(self, later: _Earlier) -> _Earlier:
        """Return these cases and later ones."""
        return _Earlier(
            *(
                np.concatenate([mine, theirs])
                for mine, theirs in zip(vars(self).values(), vars(later).values(), strict=True)
            )
        )


class CaseMaker:
    """Makes months of cases in order; the rows of a month do not depend on the cut-off."""

    def __init__(
        self,
        catalogue: Catalogue,
        places: Places,
        rhythm: Rhythm,
        groups: PlantedCases,
        wording: Wording,
        *,
        seed: int,
        cutoff: dt.date,
    ) -> None:
        self._catalogue = catalogue
        self._places = places
        self._rhythm = rhythm
        self._groups = groups
        self._wording = wording
        self._seed = seed
        self._cutoff = epoch_seconds(dt.datetime.combine(cutoff, dt.time(23, 59, 59)))
        last = cutoff.year * 12 + cutoff.month - 1
        self._months = [(number, days) for number, days in rhythm.months if number <= last]
        self._resolved = self._intercepts(_RESOLVED, satisfaction=False)
        self._satisfied = self._intercepts(_SATISFIED, satisfaction=True)
        self._kinds = cumulative(catalogue.kind_weights)
        self._channels = np.cumsum([share for _, _, share in CHANNELS])
        self._serials = pa.array(
            [f"-{number:05d}" for number in range(1, int(rhythm.total.max()) + 1_000)]
        )

    def __len__(self) -> int:
        """Return the number of months."""
        return len(self._months)

    def __iter__(self) -> Iterator[pa.Table]:
        """Yield a table per month: the columns of ``cases`` but ``state``, in order of creation."""
        earlier: _Earlier | None = None
        for number, days in self._months:
            table, earlier = self._month(number, days, earlier)
            yield table

    def _intercepts(
        self, curve: tuple[tuple[str, float], ...], *, satisfaction: bool
    ) -> tuple[Floats, Floats]:
        """Return days since 1970 and the log-odds there that give the city its rate of the curve.

        Places and categories differ, and their mix changes with the season: what is left for the
        city is solved for each month.
        """
        middle = [_middle(month) for month, _ in curve]
        # All months, whatever the cut-off: a later one must not move the rows before.
        months = self._rhythm.months
        numbers = [number for number, _ in months]
        at = np.array([_middle(f"{n // 12}-{n % 12 + 1:02d}") for n in numbers], dtype=np.float64)
        wanted = np.interp(at, middle, [rate for _, rate in curve])
        solved = logit(wanted)
        for position, number in enumerate(numbers):
            mix = self._rhythm.category_weights[months[position][1]].sum(axis=0)
            weights = self._places.joint * (mix / mix.sum())
            effect = self._effect(number, satisfaction=satisfaction)
            offsets = effect[:, None] + self._category_effect(satisfaction=satisfaction)[None, :]
            for _ in range(4):
                p = sigmoid(solved[position] + offsets)
                slope = float((weights * p * (1 - p)).sum())
                solved[position] += (wanted[position] - float((weights * p).sum())) / slope
        return at, solved

    def _effect(self, month: int, *, satisfaction: bool) -> Floats:
        """Return each street's log-odds in a month."""
        resolution = self._places.resolution_effect(month)
        if not satisfaction:
            return resolution
        return np.asarray(0.55 * resolution + self._places.satisfaction_effect)

    def _category_effect(self, *, satisfaction: bool) -> Floats:
        return self._catalogue.ease * (0.45 if satisfaction else 1.0)

    def _month(
        self, month: int, span: slice, earlier: _Earlier | None
    ) -> tuple[pa.Table, _Earlier]:
        catalogue, places, groups = self._catalogue, self._places, self._groups
        random = generator(self._seed, STREAM_CASES, month)
        first = int(self._rhythm.days[span.start].astype(np.int64))
        per_day, spot_per_day = self._rhythm.total[span], self._rhythm.on_the_spot[span]

        # When. Planted cases are written into the day they belong to.
        day = np.repeat(np.arange(len(per_day)), per_day)
        in_day = np.arange(len(day)) - np.repeat(np.cumsum(per_day) - per_day, per_day)
        on_the_spot = in_day < spot_per_day[day]
        hour = np.searchsorted(HOUR_TABLE, random.random(len(day)), side="right")
        seconds = np.minimum(hour, 23) * 3_600 + random.integers(0, 3_600, len(day))
        created = (first + day) * DAY + seconds
        begins, ends = first * DAY, (first + len(per_day)) * DAY
        here = np.flatnonzero((groups.created >= begins) & (groups.created < ends))
        created = np.concatenate([created, groups.created[here]])
        on_the_spot = np.concatenate([on_the_spot, np.zeros(len(here), dtype=np.bool_)])
        group = np.concatenate([np.full(len(day), -1), here])
        order = np.argsort(created, kind="stable")
        created, on_the_spot, group = created[order], on_the_spot[order], group[order]
        is_group = group >= 0
        rows = len(created)
        since_1970 = created // DAY
        day = since_1970 - first
        number = np.arange(rows) - np.searchsorted(since_1970, since_1970)

        # What and where.
        category_table = cumulative(self._rhythm.category_weights[span])
        category = draw(category_table, len(catalogue.categories), day, random.random(rows))
        district = draw(
            places.district_by_category, places.districts, category, random.random(rows)
        )
        street = draw(
            places.street_by_district, len(places.district), district, random.random(rows)
        )
        community = places.community_first[street] + np.floor(
            places.community_count[street] * random.random(rows) ** 1.8
        ).astype(np.int64)
        kind = draw(self._kinds, len(KINDS), catalogue.field[category], random.random(rows))
        kind[on_the_spot] = CONSULTATION
        unplaced = (random.random(rows) < _UNPLACED) & ~is_group
        unsorted = (random.random(rows) < _UNSORTED) & ~is_group
        chosen = group[is_group]
        category[is_group] = groups.category[chosen]
        street[is_group] = groups.street[chosen]
        community[is_group] = groups.community[chosen]
        kind[is_group] = groups.kind[chosen]

        plain = ~(unplaced | unsorted | is_group | on_the_spot)
        wants_repeat = plain & (random.random(rows) < _REPEATS)
        mine = _Earlier(
            number, since_1970, street, category, community, kind, plain & ~wants_repeat
        )
        known = mine if earlier is None else earlier.then(mine)
        root = _roots(known, rows, wants_repeat, rows / len(per_day), random)
        repeats = root >= 0
        of = root[repeats]
        street[repeats] = known.street[of]
        category[repeats] = known.category[of]
        community[repeats] = known.community[of]
        kind[repeats] = known.kind[of]
        district = places.district[street]

        # Who.
        unit = random.random(rows)
        department, company = catalogue.department_id[category], catalogue.company_id[category]
        to_district = (unit < 0.70) & ~unplaced
        lead = np.where(to_district, district + 1, department)
        lead = np.where((unit >= 0.83) & (company > 0), company, lead)
        direct = to_district & (random.random(rows) < 0.85)
        channel = np.searchsorted(self._channels, random.random(rows), side="right")

        # How long.
        limit = catalogue.limit_seconds[category]
        dispatched = created + _lognormal(random, rows, 15 * 60, 0.8, most=5 * 3_600)
        due = dispatched + limit
        ease = catalogue.ease[category]
        late = np.clip(places.late[district] * np.exp(-0.25 * ease), 0.005, 0.3)
        z = _quantiles(1 - late)
        ratio = np.exp(_CLOSING_SPREAD * (random.normal(size=rows) - z))
        stuck = random.random(rows) < 0.0025 * np.exp(-0.5 * ease)
        ratio[stuck] = 3.0 + 9.0 * random.random(int(stuck.sum()))
        closed = dispatched + np.maximum(ratio * limit, 600).astype(np.int64)
        # Long cases are closed in working hours.
        office = closed // DAY * DAY + random.integers(8 * 3_600 + 1_800, 18 * 3_600, rows)
        closed = np.where(limit >= 7 * DAY, np.maximum(office, dispatched + 3_600), closed)
        shelving = random.random(rows) < np.minimum(_SHELVED * 0.72 * np.exp(-1.1 * ease), 0.06)
        shelving &= ~is_group & ~on_the_spot
        shelved_at = dispatched + (0.8 * limit).astype(np.int64)
        shelved_until = shelved_at // DAY + random.integers(45, 240, rows)
        ends_early = random.integers(0, 25, rows)
        closed = np.where(shelving, (shelved_until - ends_early) * DAY + 10 * 3_600, closed)
        given = np.zeros(rows, dtype=np.int64)
        given[is_group] = groups.closed[chosen]
        closed = np.where(given > 0, given, closed)
        on_time = np.where(shelving, closed // DAY <= shelved_until, closed <= due)
        answer_time = _lognormal(random, rows, 96 * 60, 0.8, most=24 * 3_600)
        responded = dispatched + np.minimum(
            answer_time, (0.9 * (closed - dispatched)).astype(np.int64)
        )
        revisit_lag = _lognormal(random, rows, int(2.2 * DAY), 0.5, most=12 * DAY)
        latest = np.maximum(closed + DAY // 2, due + int(6.8 * DAY))
        revisited_at = np.minimum(closed + np.maximum(revisit_lag, 6 * 3_600), latest)
        at_once = created + random.integers(120, 720, rows)
        closed = np.where(on_the_spot, at_once, closed)

        # How well. Answers are drawn for everyone; a revisit only finds some of them out.
        days = since_1970.astype("datetime64[D]")
        answers = self._answers(random, month, since_1970, days, category, street, district)
        bad = answers["resolved"] != outcomes.RESOLVED_YES
        shrinking = planted.shrinking(catalogue, district, days)
        excluded_share = places.excluded[district] * np.where(bad, 1.4, 0.93)
        excluded_share = np.where(shrinking, np.where(bad, 0.27, 0.115), excluded_share)
        excluded = (random.random(rows) < excluded_share) & ~on_the_spot & ~is_group
        valid_share = np.where(shrinking, np.where(bad, 0.33, 0.42), places.valid[district])
        found = random.random(rows)
        valid = found < valid_share
        tried = found < valid_share + _FAILED_REVISITS

        # What is known at the cut-off.
        now = self._cutoff
        is_closed = closed <= now
        tried &= (revisited_at <= now) & is_closed & ~on_the_spot
        valid &= tried
        is_shelved = shelving & (shelved_at <= now)

        ids = self._ids(since_1970, number)
        parents = pa.nulls(rows, pa.string())
        if len(of):
            of_ids = self._ids(known.day[of], known.number[of])
            parents = pc.replace_with_mask(parents, pa.array(repeats), of_ids)
        place = np.where(
            unplaced,
            self._wording.communities + random.integers(0, len(UNKNOWN_PLACES), rows),
            community,
        )
        sort = np.where(
            unsorted,
            self._wording.categories + random.integers(0, len(UNKNOWN_CATEGORIES), rows),
            category,
        )
        sentences = self._wording.sentences(
            random, kind=kind, on_site=catalogue.on_site[category], place=place, category=sort
        )
        if len(here):
            texts = groups.text[chosen]
            sentences = with_texts(sentences, groups.texts, texts, is_group)

        topic = catalogue.topic_id[category]
        columns: dict[str, Any] = {
            "case_id": ids,
            "created_at": _times(created),
            "created_on": pa.array(days),
            "dispatched_at": _times(dispatched, on_the_spot | (dispatched > now)),
            "responded_at": _times(responded, on_the_spot | (responded > now)),
            "due_at": _times(due, on_the_spot | (dispatched > now)),
            "closed_at": _times(closed, ~is_closed),
            "closed": pa.array(is_closed),
            "on_time": pa.array(on_time, mask=~is_closed | on_the_spot),
            "district_id": _small(district + 1, unplaced),
            "subdistrict_id": _small(street + 1, unplaced),
            "place_text": _words(UNKNOWN_PLACES, place - self._wording.communities, ~unplaced),
            "community": _words(places.communities, community, unplaced),
            "category_id": _integer(catalogue.category_id[category], unsorted),
            "category_text": _words(UNKNOWN_CATEGORIES, sort - self._wording.categories, ~unsorted),
            "topic_id": _small(topic, unsorted | (topic == 0)),
            "kind_id": _small(kind + 1),
            "channel_id": _small(np.minimum(channel, len(CHANNELS) - 1) + 1),
            "lead_unit_id": _integer(lead, on_the_spot),
            "unit_text": pa.nulls(rows, pa.string()),
            "direct_dispatch": pa.array(direct & ~on_the_spot),
            "valid_revisit": pa.array(valid, mask=~tried),
            "contacted": pa.array(answers["contacted"] == 1, mask=~valid),
            "resolved": _small(answers["resolved"], ~valid),
            "satisfaction": _small(answers["satisfaction"], ~valid),
            "excluded": pa.array(excluded),
            "shelved_until": pa.array(shelved_until.astype("datetime64[D]"), mask=~is_shelved),
            "repeat_of": parents,
            "summary": sentences,
            "assessed": pa.array(~on_the_spot),
        }
        table = pa.table(columns)
        return table.slice(0, int(np.searchsorted(created, now, side="right"))), mine

    def _answers(
        self,
        random: np.random.Generator,
        month: int,
        since_1970: Ints,
        days: Days,
        category: Ints,
        street: Ints,
        district: Ints,
    ) -> dict[str, Ints]:
        """Return what each caller would say: contacted (0, 1), resolved and satisfaction codes."""
        places, rows = self._places, len(category)
        shift = planted.resolution_shift(self._catalogue, district, days)
        log_odds = np.interp(since_1970, *self._resolved) + shift
        log_odds += self._effect(month, satisfaction=False)[street]
        log_odds += self._category_effect(satisfaction=False)[category]
        response = np.clip(places.response[district], 0.0, 0.9995)
        resolution = np.minimum(sigmoid(log_odds) / response, 0.999)
        contacted = random.random(rows) < response
        chance = random.random(rows)
        resolved = np.where(
            chance < resolution,
            outcomes.RESOLVED_YES,
            np.where(random.random(rows) < 0.2, outcomes.RESOLVED_PARTLY, outcomes.RESOLVED_NO),
        )
        resolved[~contacted] = outcomes.RESOLVED_NO

        log_odds = np.interp(since_1970, *self._satisfied) + 0.55 * shift
        log_odds += self._effect(month, satisfaction=True)[street]
        log_odds += self._category_effect(satisfaction=True)[category]
        basic = places.basic[district]
        # Those who were not contacted are not satisfied: the others make up for it.
        wanted = (sigmoid(log_odds) / response) - _BASIC_CREDIT * basic
        if_resolved = np.clip(
            wanted / (resolution + (1 - resolution) * _CONSOLATION), 0.02, 0.995 - basic
        )
        satisfied = np.where(resolved == outcomes.RESOLVED_YES, 1.0, _CONSOLATION) * if_resolved
        chance = random.random(rows)
        unrated = random.random(rows) < np.where(contacted, 0.15, 0.8)
        satisfaction = np.where(
            chance < satisfied,
            outcomes.SATISFIED,
            np.where(chance < satisfied + basic, outcomes.BASICALLY_SATISFIED, -1),
        )
        satisfaction[~contacted] = -1
        low = np.where(unrated, outcomes.NOT_RATED, outcomes.DISSATISFIED)
        satisfaction = np.where(satisfaction < 0, low, satisfaction)
        return {
            "contacted": contacted.astype(np.int64),
            "resolved": resolved,
            "satisfaction": satisfaction,
        }

    def _ids(self, since_1970: Ints, number: Ints) -> pa.Array:
        """Return case ids, as in ``YS210412-00031``: the day and the number in it."""
        first = int(since_1970.min())
        last = int(since_1970.max())
        days = [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in range(first, last + 1)]
        names = pa.array([f"YS{day:%y%m%d}" for day in days])
        return pc.binary_join_element_wise(
            names.take(pa.array(since_1970 - first)), self._serials.take(pa.array(number)), ""
        )


def _roots(
    known: _Earlier, rows: int, wants: Bools, per_day: float, random: np.random.Generator
) -> Ints:
    """Return for each of the last ``rows`` cases the position of the case it repeats, or −1.

    A case that is itself a repeat is never repeated: all repeats point at the first of them.
    """
    position = np.arange(len(known.usable) - rows, len(known.usable))
    back = 1 + np.floor(random.exponential(_REPEAT_DAYS * per_day, rows)).astype(np.int64)
    usable = np.maximum.accumulate(np.where(known.usable, np.arange(len(known.usable)), -1))
    target = position - back
    root = np.where(target >= 0, usable[np.maximum(target, 0)], -1)
    return np.asarray(np.where(wants, root, -1))


def _middle(month: str) -> int:
    """Return the 15th of a month as days since 1970."""
    return int(np.datetime64(f"{month}-15").astype("datetime64[D]").astype(np.int64))


def _lognormal(
    random: np.random.Generator, rows: int, median: int, spread: float, *, most: int
) -> Ints:
    """Return seconds."""
    seconds = median * np.exp(spread * random.normal(size=rows))
    return np.asarray(np.minimum(seconds, most).astype(np.int64))


_GRID = np.linspace(0.5, 0.999, 500)
_GRID_Z = np.array([NormalDist().inv_cdf(float(p)) for p in _GRID])


def _quantiles(p: Floats) -> Floats:
    """Return the normal quantile of probabilities between 0.5 and 0.999."""
    return np.asarray(np.interp(p, _GRID, _GRID_Z))


def _times(seconds: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array((seconds * 1_000_000).astype("datetime64[us]"), mask=missing)


def _small(values: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(values.astype(np.int16), mask=missing)


def _integer(values: Ints, missing: Bools | None = None) -> pa.Array:
    return pa.array(values.astype(np.int32), mask=missing)


def _words(words: tuple[str, ...] | list[str], position: Ints, missing: Bools) -> pa.Array:
    """Return words by position, as a dictionary: few words, many rows."""
    indices = pa.array(np.where(missing, 0, position).astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words)))
