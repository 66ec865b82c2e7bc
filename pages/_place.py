"""What the pages of one district and of one street share: the place, re-based on itself."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import dash
import numpy as np
import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component
from dash.exceptions import MissingCallbackContextException

from components.axes import stable_axis
from components.cards import card_row, headline_card
from components.exceptions import exception_list
from components.figures.template import graph
from components.figures.waterfall import End, hundredths, signed, waterfall_figure, waterfall_height
from components.formatting import count, joint_decimals, points, value_text
from components.page_strip import strip
from components.panel import panel
from components.place import (
    BESIDE,
    SMALL,
    Beside,
    CategoryLine,
    Look,
    Point,
    Rank,
    TopicLine,
    Unit,
    band_text,
    categories_table,
    facts_list,
    integrity_line,
    integrity_table,
    main_cause,
    open_cases_table,
    open_note,
    peers_table,
    place_answer,
    points_table,
    printed_gap,
    shown_parts,
    topics_table,
    unit_of_gap,
    units_table,
    waterfall_steps,
    why_sentence,
    why_table,
)
from components.states import empty_state, insufficient_state, notice
from components.tables import records
from data_access.case_counts import (
    UNPLACED,
    Windows,
    counts_by_week,
    counts_by_window,
    days_with_cases,
)
from data_access.places import (
    COMMUNITY_COUNTS,
    categories_beside,
    communities_by_volume,
    oldest_open_cases,
    targets_of_district,
)
from data_access.programme import topics_of_year, weekly_cases
from data_access.question import Question, names
from domain.comparison import (
    aligned,
    measured,
    of_window,
    per_ten_thousand,
    weeks_by_group,
)
from domain.decomposition import OTHER, decomposed
from domain.filters import (
    BASIS_LABELS,
    COMPARE_LABELS,
    DIMENSION_LABELS,
    Basis,
    Filters,
    in_words,
    to_search,
)
from domain.integrity import INTEGRITY, Case, Reading, readings, share_change
from domain.metrics import (
    METRICS,
    Change,
    Counts,
    Metric,
    broken_identities,
    change,
    columns_of,
    estimated,
    total,
)
from domain.outcomes import COUNT_INDEX
from domain.periods import Window, present, weeks_before
from domain.programme import YEAR_OF_WEEKS, Topic, Volume, volumes
from domain.ranking import (
    LEVEL_WORDS,
    RankChange,
    Ranking,
    rank_changes,
    ranking,
    unranked_words,
    volume_bands,
)
from domain.rules import Rules
from domain.schedule import ATTENTION, GOOD, Standing, own_target, standing
from domain.signals import (
    Checked,
    Signal,
    TopicState,
    data_problems,
    falling_rates,
    overdue_stock,
    shrinking_denominators,
    together,
    topic_exceptions,
)
from pages._answers import reader
from pages._programme import day_of, rules_of, year_of
from pages._ranking import (
    FEWEST_OTHERS,
    LEAGUES,
    SPARK_WEEKS,
    Among,
    Laid,
    among_all,
    street_names,
)

DISTRICTS, STREETS = "/districts", "/subdistricts"
Kind = Literal["district", "subdistrict"]
KIND_PATHS: dict[Kind, str] = {"district": DISTRICTS, "subdistrict": STREETS}
KIND_WORDS: dict[Kind, str] = {"district": "区", "subdistrict": "街道乡镇"}
# What the page does not look at: it is about one place, by the indicator that ranks.
IGNORED = ("district", "subdistrict")
HEADLINE = ("volume", "response", "resolution", "satisfaction", "composite", "on_time")
# Parts of the gap with a bar of their own.
MOST_PARTS = 8
POINTS, OPEN_CASES = 10, 10
_COMPOSITE, _RESOLUTION, _VOLUME = (METRICS[key] for key in ("composite", "resolution", "volume"))
# Kind of exception → the share of the integrity panel that it is about.
SHRINKING = {"shrinking": "revisit_rate", "excluding": "exclusion_rate"}
NAN = float("nan")


def code_of_path(kind: Kind, code: str | None) -> str | None:
    """Return the code in the path; Dash lets a key ``code`` of the query take its place."""
    try:
        path = dash.ctx.inputs.get("_pages_location.pathname")
    except (MissingCallbackContextException, LookupError):
        return code  # Dash looks at the layout at its start, outside of any callback
    prefix = KIND_PATHS[kind].removeprefix("/") + "/"
    return dash.strip_relative_path(path).removeprefix(prefix) if path else code


# --- What the panels are about --------------------------------------------------------------------


class Place(NamedTuple):
    """A district or a street; ``district`` and ``district_name`` of a district are its own."""

    kind: Kind
    code: str
    name: str
    district: str
    district_name: str


class Subject(NamedTuple):
    """The place of the page and the question without any other place.

    ``among``: among whom the place is judged. ``canonical``: that of the question.
    """

    question: Question
    place: Place
    among: Among
    canonical: str

    @property
    def city(self) -> Filters:
        """The filters of the whole city."""
        return self.question.filters.narrowed(district=(), subdistrict=())

    @property
    def own(self) -> Filters:
        """The filters of the place."""
        return self.city.narrowed(**{self.place.kind: (self.place.code,)})

    @property
    def of_district(self) -> Filters:
        """The filters of the district that the place is or lies in."""
        return self.city.narrowed(district=(self.place.district,))

    @property
    def words(self) -> str:
        """What is counted, in words."""
        snapshot = self.question.snapshot
        return in_words(self.own, self.question.period.label, names(snapshot), snapshot.city)

    @property
    def note(self) -> str:
        """Period and 口径, for the small print of a panel."""
        return f"{self.question.period.label} · {BASIS_LABELS[self.question.filters.basis]}"

    @property
    def compare(self) -> str:
        """环比 or 同比; "" without a comparison."""
        return self.question.compare_word if self.question.compared else ""

    @property
    def days(self) -> tuple[int, int]:
        """Days of the period and of what it is compared with."""
        compared = self.question.compared
        return self.question.period.window.days, compared[1].days if compared else 1

    @property
    def whole_name(self) -> str:
        """What all that the place is compared with is called."""
        return self.among.snapshot.city

    def key(self, name: str) -> tuple[Hashable, ...]:
        """Return the cache key of something computed for this page."""
        return (name, reader(), self.among.scope, self.place, self.canonical)

    def href(self, kind: Kind, code: str) -> str:
        """Return the link to the page of a place, other filters kept."""
        return f"{KIND_PATHS[kind]}/{code}{self._search()}"

    def narrowed(self, **changes: tuple[str, ...]) -> str:
        """Return the link to this page with other filters."""
        return f"{KIND_PATHS[self.place.kind]}/{self.place.code}{self._search(**changes)}"

    def _search(self, **changes: tuple[str, ...]) -> str:
        asked = self.question.asked.narrowed(district=(), subdistrict=())
        return to_search(asked.narrowed(**changes))


def subject_of(question: Question, kind: Kind, code: str) -> Subject | None:
    """Return what a page is about; None when the data has no such place."""
    reference = question.snapshot.reference

    def read() -> dict[tuple[Kind, str], Place]:
        places: dict[tuple[Kind, str], Place] = {}
        of_id = {}
        for row in reference.districts.itertuples(index=False):
            own = Place("district", str(row.code), str(row.name), str(row.code), str(row.name))
            places["district", own.code] = of_id[row.id] = own
        for row in reference.subdistricts.itertuples(index=False):
            district = of_id[row.district_id]
            places["subdistrict", str(row.code)] = Place(
                "subdistrict", str(row.code), str(row.name), district.code, district.name
            )
        return places

    place = question.snapshot.cached(("places",), read).get((kind, code))
    if place is None:
        return None
    return Subject(question, place, among_all(question, kind), question.canonical)


class Field(NamedTuple):
    """All units of a kind: their counts, same order, index the codes; and the whole, one row.

    ``whole`` has what belongs to no unit too. ``before``: of the window compared with. ``own``:
    the one row of the place, zeros where it is none of the units. ``rows``: what it was made of.
    """

    units: pd.DataFrame
    now: Counts
    before: Counts | None
    whole: Counts
    own: Counts
    rows: Laid


def _units(subject: Subject, kind: Kind, filters: Filters) -> pd.DataFrame:
    """Return the districts, or the streets of the districts filtered by."""
    reference = subject.among.snapshot.reference
    if kind == "district":
        return reference.districts
    streets, districts = reference.subdistricts, reference.districts
    if not filters.district:
        return streets
    ids = districts.loc[districts["code"].isin(list(filters.district)), "id"]
    return streets[streets["district_id"].isin(ids)].reset_index(drop=True)


def _field(subject: Subject, kind: Kind, filters: Filters) -> Field:
    """Return the units of a kind within some filters."""
    # The cards of the place tell 环比 and 同比, everything else what is chosen.
    question = subject.question
    windows = question.windows if kind == subject.place.kind else _windows(subject)
    among = subject.among
    rows = counts_by_window(among.snapshot, among.scope, filters, windows, kind)
    units = _units(subject, kind, filters)
    codes = units["code"].astype(str).tolist()
    laid = Laid(rows, codes)
    compared = question.compared
    return Field(
        units,
        laid.of("now"),
        laid.of(compared[0]) if compared else None,
        laid.whole("now"),
        laid.one("now", subject.place.code),
        laid,
    )


def _peers(subject: Subject, basis: Basis | None = None) -> Field:
    """Return every unit of the kind of the place, in the whole city; None: the chosen 口径.

    For a reader of one district these are others too: nothing of them may be shown but totals.
    """
    kind, among = subject.place.kind, subject.among
    filters = subject.city.narrowed(basis=basis) if basis else subject.city
    key = ("peers", among.scope, kind, subject.place.code, subject.canonical, filters.basis)
    return among.snapshot.cached(key, lambda: _field(subject, kind, filters))


def _streets(subject: Subject, basis: Basis | None = None) -> Field:
    """Return the streets of the district; None: the chosen 口径."""
    filters = subject.of_district.narrowed(basis=basis or subject.city.basis)
    read = _field_of_streets if subject.place.kind == "subdistrict" else _field
    return subject.question.snapshot.cached(
        (*subject.key("streets"), filters.basis), lambda: read(subject, "subdistrict", filters)
    )


def _field_of_streets(subject: Subject, kind: Kind, filters: Filters) -> Field:
    """Return ``_field`` of the streets of a street's district: all of the city have been read."""
    everyone, among = _peers(subject, filters.basis), subject.among
    units = _units(subject, kind, filters)
    codes = units["code"].astype(str).tolist()
    # With the cases of the district that have no street.
    of_district = counts_by_window(
        among.snapshot, among.scope, filters, _windows(subject)[:1], "district"
    )
    before = everyone.before
    return Field(
        units,
        everyone.now.loc[codes],
        None if before is None else before.loc[codes],
        total(of_district),
        everyone.own,
        everyone.rows,
    )


def _metric(subject: Subject) -> Metric:
    """Return what the place is ranked by: 综合成绩, in a city without revisits 按时办结率."""
    return _COMPOSITE if _sum(_peers(subject).whole, "revisits") else METRICS["on_time"]


def _sum(row: Counts, name: str) -> int:
    """Return one count of a one-row frame."""
    return int(row[name].iloc[0])


def _estimate(row: Counts, metric: Metric, rules: Rules) -> dict[str, float]:
    """Return the estimate of a one-row frame: value, n, low, high."""
    points = estimated(columns_of(row), metric, rules)
    return {name: float(each[0]) for name, each in points.items()}


def _fellows(subject: Subject) -> tuple[str, list[str]]:
    """Return what its like is called and who they are: the league, or the band of volume.

    ("", []) when it is alone.
    """
    return subject.question.snapshot.cached(subject.key("fellows"), lambda: _its_like(subject))


def _its_like(subject: Subject) -> tuple[str, list[str]]:
    field = _peers(subject)
    codes = list(field.now.index)
    if subject.place.kind == "subdistrict":
        bands = volume_bands(field.now, subject.question.rules)
        band = int(bands[subject.place.code])
        word, groups = f"第{band}档", bands.tolist()
    else:
        zones = field.units["zone"].to_numpy()
        groups = [LEAGUES.get(zone, zone) if isinstance(zone, str) else None for zone in zones]
        word = "同类"
    own = groups[codes.index(subject.place.code)]
    like = [str(code) for code, each in zip(codes, groups, strict=True)
            if own is not None and each == own]  # fmt: skip
    if subject.among.of_all and len(_others(subject, like)) < FEWEST_OTHERS:
        return "", []
    if subject.place.kind == "district" and len(like) < 2:
        return "", []
    return word, like


def _others(subject: Subject, codes: Sequence[str]) -> list[str]:
    """Return those with cases that the reader may not be told of."""
    known = names(subject.question.snapshot)[subject.place.kind]
    cases = _peers(subject).now["cases"]
    return [code for code in codes if code not in known and cases[code]]


def _league_name(subject: Subject) -> str:
    """Return who its like are, in words; "" when it is alone."""
    word, codes = _fellows(subject)
    if not codes:
        return ""
    if subject.place.kind == "subdistrict":
        bands = subject.question.rules.volume_bands
        return (
            f"同档：{subject.whole_name}按诉求量分{bands}档，本处在{word}，{len(codes)}个街道乡镇"
        )
    units = _peers(subject).units
    zone = units.loc[units["code"] == subject.place.code, "zone"].iloc[0]
    return f"同类：{LEAGUES.get(zone, zone)}，{len(codes)}个区"


def _rankings(subject: Subject) -> tuple[Ranking, Ranking]:
    """Return the ranking of all units of the city, and that within which the place is told.

    For a district they are the same; a street is told among the streets of its district.
    """

    def compute() -> tuple[Ranking, Ranking]:
        metric, rules = _metric(subject), subject.question.rules
        everyone = ranking(_peers(subject).now, metric, rules)
        if subject.place.kind == "district":
            return everyone, everyone
        return everyone, ranking(_streets(subject).now, metric, rules)

    return subject.question.snapshot.cached(subject.key("place rankings"), compute)


def _rank(subject: Subject) -> Rank:
    """Return the band among the like, and the tier against all others of the city."""
    everyone, near = _rankings(subject)
    rank = _rank_in(subject, near)
    if rank.unranked:
        return rank
    return dataclasses.replace(rank, tier=everyone.ranked.at[subject.place.code, "tier"])


def _rank_in(subject: Subject, ranked: Ranking) -> Rank:
    """Return where the place stands in a ranking."""
    code, of = subject.place.code, len(ranked.ranked)
    among = f"个{KIND_WORDS[subject.place.kind]}"
    if code not in ranked.ranked.index:
        return Rank(0, 0, of, among, None, ranked.unranked.at[code, "reason"])
    row = ranked.ranked.loc[code]
    return Rank(int(row["band_low"]), int(row["band_high"]), of, among, row["tier"])


def _weeks(subject: Subject) -> tuple[Window, ...]:
    """Return the weeks of the sparklines: up to the cut-off, or four weeks past an older period."""
    cutoff = subject.question.snapshot.cutoff.date()
    last = min(cutoff, subject.question.period.window.end + dt.timedelta(weeks=4))
    return tuple(weeks_before(cutoff, last, SPARK_WEEKS))


def _in_weeks(subject: Subject) -> pd.DataFrame:
    """Return the counts of the streets of the place by week; of a street of itself."""
    question = subject.question
    return counts_by_week(question.snapshot, reader(), subject.own, _weeks(subject), "subdistrict")


# --- Summary --------------------------------------------------------------------------------------


def unknown_place(question: Question, kind: Kind, code: str) -> html.Div:
    """Return what stands for a place that the data does not have."""
    named = "".join(letter for letter in code if letter.isprintable())[:30]
    word = KIND_WORDS[kind]
    asked = question.asked.narrowed(district=(), subdistrict=())
    return html.Div(
        [
            strip(
                f"没有这个{word}",
                question.period.label,
                question.snapshot.cutoff,
                question.rules.version,
                question.snapshot.key,
                question.snapshot.is_demo,
                link="/" + question.canonical,
            ),
            empty_state(
                f"本数据版本没有编号为“{named}”的{word}" if named else f"链接里没有{word}的编号",
                title=f"请从总览中选一个{word}",
            ),
            html.P(dcc.Link("返回总览", href="/" + to_search(asked)), className="place-back"),
        ]
    )


def summary(subject: Subject) -> html.Div:
    """Return the answer sentence, the exceptions and the headline figures of the place."""
    question, place = subject.question, subject.place
    head = [
        strip(
            _answer(subject),
            subject.words,
            question.snapshot.cutoff,
            question.rules.version,
            question.snapshot.key,
            question.snapshot.is_demo,
            link=f"{KIND_PATHS[place.kind]}/{place.code}{question.canonical}",
            extra_actions=_actions(subject),
        ),
        notice(_ignored(subject), "本页只看这一处，按综合成绩排名，下列选择未采用"),
    ]
    own = _peers(subject).own
    if not _sum(own, "cases"):
        return html.Div([*head, empty_state()])
    broken = broken_identities({str(name): int(n) for name, n in own[COUNT_INDEX].iloc[0].items()})
    if broken:
        raise ValueError("、".join(broken))
    checked = _exceptions(subject)
    return html.Div(
        [
            *head,
            facts_list([_in_the_city(subject), _league_name(subject), _residents(subject)]),
            exception_list(
                checked.signals,
                [_signal_href(subject, signal) for signal in checked.signals],
                checked.normal,
                place.name,
            ),
            card_row(_cards(subject)),
        ]
    )


def _in_the_city(subject: Subject) -> str:
    """Return the rank of a street among all of the city; of a district the title says it."""
    if subject.place.kind == "district":
        return ""
    rank = _rank_in(subject, _rankings(subject)[0])
    return f"{subject.whole_name}名次：{rank.words(_metric(subject))}"


def _actions(subject: Subject) -> list[Component]:
    place = subject.place
    asked = subject.question.asked.narrowed(district=(), subdistrict=())
    links = [("在总览中看", "/" + to_search(asked.narrowed(**{place.kind: (place.code,)})))]
    if place.kind == "subdistrict":
        links.insert(0, (f"查看{place.district_name}", subject.href("district", place.district)))
    return [dcc.Link(words, href=href, className="action") for words, href in links]


def _ignored(subject: Subject) -> list[str]:
    """Return what was chosen and does not count here: not what an account adds by itself."""
    asked, place = subject.question.asked, subject.place
    within = {"district": place.district, "subdistrict": place.code}
    listed = [
        DIMENSION_LABELS[name]
        for name in IGNORED
        if getattr(asked, name) and getattr(asked, name) != (within[name],)
    ]
    if asked.indicator != Filters().indicator:
        listed.append(f"指标：{METRICS[asked.indicator].name}")
    return listed


def _values(subject: Subject, metric: Metric) -> tuple[float, float]:
    """Return the value of the place and of the city."""
    peers, rules = _peers(subject), subject.question.rules
    return tuple(  # type: ignore[return-value]
        _estimate(counts, metric, rules)["value"] for counts in (peers.own, peers.whole)
    )


def _answer(subject: Subject) -> str:
    place = subject.place
    if not _sum(_peers(subject).own, "cases"):
        return f"{place.name}本期没有符合条件的诉求"
    metric = _metric(subject)
    value, city = _values(subject, metric)
    why = _why(subject)
    cause = "" if why is None else main_cause(why.parts, value - city, why.names)
    name = place.name
    if place.kind == "subdistrict" and place.district_name not in name:
        name = f"{place.district_name}{name}"
    whole, rank = subject.whole_name, _rank(subject)
    return place_answer(name, metric, value, rank, value - city, whole, cause)


def _residents(subject: Subject) -> str:
    """Return 万人诉求比 beside the city's, where the residents of the place are known."""
    if subject.place.kind != "district":
        return ""
    field = _peers(subject)
    ratios = per_ten_thousand(field.units, field.now.reset_index(drop=True))
    own = ratios[(field.units["code"] == subject.place.code).to_numpy()].iloc[0]
    people = pd.to_numeric(field.units["population"], errors="coerce").sum()
    if pd.isna(own) or not people > 0:
        row = field.units[(field.units["code"] == subject.place.code).to_numpy()].iloc[0]
        if isinstance(row["counted_in"], str):
            within = names(subject.question.snapshot)["district"].get(row["counted_in"], "")
            return f"万人诉求比：人口计入{within}，不单列"
        return "万人诉求比：无人口数"
    # The cases of those whose people are known, their own or in another's census figure.
    known = field.units["population"].notna() | field.units["counted_in"].notna()
    city = 10_000 * field.now["cases"].to_numpy()[known.to_numpy()].sum() / people
    return (
        f"万人诉求比：{own:,.1f}件/万人（{subject.whole_name}{city:,.1f}），"
        "按2020年普查常住人口，多少不作高低判断"
    )


def _cards(subject: Subject) -> list[html.Article]:
    question, rules = subject.question, subject.question.rules
    peers = _peers(subject)
    windows = dict(question.windows)
    now = peers.own
    before = {
        COMPARE_LABELS[name]: (peers.rows.one(name, subject.place.code), windows[name].days)
        for name in ("previous", "year")
    }
    weekly = _in_weeks(subject).assign(code="")
    weeks = _weeks(subject)
    cards = []
    for key in HEADLINE:
        metric = METRICS[key]
        own = measured(metric, now, before, rules, windows["now"].days)[0]
        cards.append(
            headline_card(
                own,
                weeks_by_group(weekly, [""], weeks, metric, rules)[0],
                definition_href=f"/definitions{to_search(question.asked)}#{key}",
                extra=_beside(subject, metric),
            )
        )
    return cards


def _beside(subject: Subject, metric: Metric) -> str:
    """Return the same figure of its like, of its district and of the city."""
    rules = subject.question.rules
    wholes = _wholes(subject)
    word = _fellows(subject)[0]
    if metric.kind == "count":
        own_cases = float(_sum(_peers(subject).own, "cases"))
        told = [
            f"占{name}{share_words(own_cases, float(_sum(whole, 'cases')))}"
            for name, whole in wholes.items()
            if name != word
        ]
        return "，".join(told)
    said = []
    for name, whole in wholes.items():
        value = _estimate(whole, metric, rules)["value"]
        # A unit alone on the next line would be read as another figure.
        said.append(f"{name} {value_text(metric, value)}".replace(" ", "\u00a0"))
    return " · ".join(said)


def _wholes(subject: Subject) -> dict[str, Counts]:
    """Return what the place is laid beside, by name: its district, its like, the city."""

    def compute() -> dict[str, Counts]:
        peers = _peers(subject)
        word, codes = _fellows(subject)
        found = {}
        if subject.place.kind == "subdistrict":
            found["本区"] = _streets(subject).whole
        if codes:
            found[word] = total(peers.now.loc[codes])
        return {**found, subject.whole_name: peers.whole}

    return subject.question.snapshot.cached(subject.key("place wholes"), compute)


def share_words(part: float, whole: float) -> str:
    """Return a part of a whole as percent."""
    return value_text(METRICS["revisit_rate"], part / whole if whole else NAN, "无受理")


# --- Exceptions -----------------------------------------------------------------------------------


def _exceptions(subject: Subject) -> Checked:
    """Return the exceptions of the place and its streets; the hour, because stale data is one."""
    key = (*subject.key("place exceptions"), f"{present():%Y-%m-%d %H}")
    return subject.question.snapshot.cached(key, lambda: _checked(subject))


def _checked(subject: Subject) -> Checked:
    question, place, rules = subject.question, subject.place, subject.question.rules
    snapshot, kind = question.snapshot, place.kind
    peers = _peers(subject)
    itself = peers.units[(peers.units["code"] == place.code).to_numpy()].reset_index(drop=True)
    # Overdue cases are told against all others; of the others nothing is said here.
    overdue = overdue_stock(peers.units, peers.now, rules)
    own_overdue = tuple(signal for signal in overdue.signals if signal.code == place.code)
    results = [Checked(own_overdue, 1), *_falls(subject, itself, _peers)]
    if question.compared:
        results.append(Checked(_shrunk(subject), 2))
    missing = 0
    if kind == "district":
        streets = _streets(subject)
        results += [
            overdue_stock(streets.units, streets.now, rules),
            *_falls(subject, streets.units, _streets),
            *_shrinking(subject, streets.units, _streets),
            topic_exceptions(_topic_states(subject)),
        ]
        window = question.period.window
        missing = window.days - days_with_cases(snapshot, reader(), subject.own, window)
    clock = None if snapshot.is_demo else present()
    cases = _sum(peers.own, "cases")
    data = data_problems(snapshot.cutoff, clock, missing, 0, cases, rules)
    # Cases without a place were not looked for.
    results.append(Checked(data.signals, data.checks - 1))
    return together(*results)


def _falls(
    subject: Subject, groups: pd.DataFrame, field: Callable[[Subject, Basis], Field]
) -> list[Checked]:
    """Return rates that fell against the period compared with, of some of the units of a field."""
    if not subject.question.compared or groups.empty:
        return []
    sides = _sides(subject, groups, field, subject.city.basis)
    return [falling_rates(groups, *sides, subject.question.rules, subject.days)]


def _shrinking(
    subject: Subject, groups: pd.DataFrame, field: Callable[[Subject, Basis], Field]
) -> list[Checked]:
    """Return the denominators that shrank, of some of the units of a field."""
    if not subject.question.compared or groups.empty:
        return []
    assessed = _sides(subject, groups, field, "assessed")
    everything = _sides(subject, groups, field, "all")
    return [shrinking_denominators(groups, *assessed, *everything, subject.question.rules)]


def _shrunk(subject: Subject) -> tuple[Signal, ...]:
    """Return how the denominator of the place shrank.

    Tested among all places of its kind, so that its page says what the ranking says.
    """

    def read() -> tuple[Signal, ...]:
        found = _shrinking(subject, _peers(subject).units, _peers)
        return tuple(
            signal for each in found for signal in each.signals if signal.code == subject.place.code
        )

    return subject.question.snapshot.cached(subject.key("shrunk"), read)


def _sides(
    subject: Subject,
    groups: pd.DataFrame,
    field: Callable[[Subject, Basis], Field],
    basis: Basis,
) -> tuple[Counts, Counts]:
    """Return the counts now and before, in the order of the units."""
    found = field(subject, basis)
    now, before = found.now, found.before
    assert before is not None  # there is a comparison
    if len(groups) != len(now):
        codes = list(groups["code"].astype(str))
        now, before = now.loc[codes], before.loc[codes]
    return now, before


def _signal_href(subject: Subject, signal: Signal) -> str | None:
    if signal.kind.startswith("topic_"):
        return _topic_href(subject, signal.code)
    if not signal.code or signal.code == subject.place.code:
        return None
    return subject.href("subdistrict", signal.code)


# --- Why ------------------------------------------------------------------------------------------


class _Why(NamedTuple):
    """The parts of the gap, largest first, and the names of their categories."""

    parts: pd.DataFrame
    names: Mapping[str, str]


def _level(subject: Subject) -> int:
    """Return the level of categories that the page shows: one below those filtered by."""
    categories = subject.question.snapshot.reference.categories
    chosen = categories.loc[categories["code"].isin(list(subject.city.category)), "level"]
    return min(int(chosen.max()) + 1, 3) if len(chosen) else 1


def _ancestors(subject: Subject, level: int) -> dict[str, str]:
    """Return code of a category → code of that above it at a level, its own where it ends."""
    snapshot = subject.question.snapshot

    def read() -> dict[str, str]:
        categories = snapshot.reference.categories
        code_of = snapshot.reference.lookup("categories", "id", "code")
        result = {}
        for row in categories.itertuples(index=False):
            steps = [row.level1_id, row.level2_id, row.level3_id][: min(level, int(row.level))]
            known = [step for step in steps if not pd.isna(step)]
            result[str(row.code)] = str(code_of[known[-1]]) if known else str(row.code)
        return result

    return snapshot.cached(("ancestors", level), read)


def _windows(subject: Subject) -> Windows:
    """Return the period and what it is compared with."""
    compared = subject.question.compared
    now = ("now", subject.question.period.window)
    return (now, compared) if compared else (now,)


def _categories(subject: Subject) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the counts by category of the place, now and before, and of the city, now."""
    among = subject.among
    return categories_beside(
        among.snapshot, among.scope, subject.city, subject.own, _windows(subject)
    )


def _own_categories(subject: Subject) -> pd.DataFrame:
    return _categories(subject)[0]


def _city_categories(subject: Subject) -> pd.DataFrame:
    return _categories(subject)[1]


def _grouped(rows: pd.DataFrame, window: str, group_of: Mapping[str, str]) -> pd.DataFrame:
    """Return the counts of a window by group of categories: ``code`` and counts; "" for none."""
    own = of_window(rows, window)
    return _merged(own, [group_of.get(code, UNPLACED) for code in own["code"]])


def _by_topic(rows: pd.DataFrame, window: str) -> pd.DataFrame:
    """Return the counts of a window by topic: ``code`` and counts; "" for cases of none."""
    own = of_window(rows, window)
    return _merged(own, list(own["topic"]))


def _merged(rows: pd.DataFrame, groups: Sequence[str]) -> pd.DataFrame:
    """Return the sums of counts of the rows of each group: ``code`` and counts."""
    place = {group: position for position, group in enumerate(dict.fromkeys(groups))}
    summed = np.zeros((len(place), len(COUNT_INDEX)), dtype="int64")
    np.add.at(summed, [place[group] for group in groups], rows[COUNT_INDEX].to_numpy())
    merged = pd.DataFrame(summed, columns=COUNT_INDEX)
    merged.insert(0, "code", pd.Series(list(place), dtype="object"))
    return merged


def _why(subject: Subject) -> _Why | None:
    """Return the parts of the gap to the city; None where nothing can be told."""

    def compute() -> _Why | None:
        metric, rules = _metric(subject), subject.question.rules
        if _rank(subject).unranked or len(_peers(subject).units) < 2:
            return None
        above = _ancestors(subject, _level(subject))
        own = _grouped(_own_categories(subject), "now", above)
        city = _grouped(_city_categories(subject), "now", above)
        # One answer more or less must not make a bar: small categories are one category.
        denominators = metric.sums(columns_of(own), rules)[1]
        large = set(own["code"][denominators >= rules.minimum_revisits])
        own, city = (
            _merged(rows, [code if code in large else SMALL for code in rows["code"]])
            for rows in (own, city)
        )
        known = {**names(subject.question.snapshot)["category"]}
        known |= {
            SMALL: f"不足{rules.minimum_revisits}件的各类",
            UNPLACED: "未归类",
            OTHER: "其余各类",
        }
        return _Why(decomposed(own, city, metric, rules), known)

    return subject.question.snapshot.cached(subject.key("place why"), compute)


def _largest(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the largest parts and of each rate one part of all its others, with the same sum."""
    shown, rest = parts.iloc[:MOST_PARTS], parts.iloc[MOST_PARTS:]
    if rest.empty:
        return shown
    others = rest.groupby("component", sort=False)[["mix", "performance", "total"]].sum()
    others = others.reset_index().assign(code=OTHER)
    return pd.concat([shown, others], ignore_index=True)


def why(subject: Subject) -> html.Section | html.Div:
    """Return the gap to the city, split into indicators and categories."""
    place, rules = subject.place, subject.question.rules
    peers = _peers(subject)
    own = peers.own
    if not _sum(own, "cases"):
        return html.Div()
    metric, city = _metric(subject), subject.whole_name
    value, city_value = _values(subject, metric)
    rank, found = _rank(subject), _why(subject)
    word = "靠前" if value > city_value else "靠后"
    title = f"为何{word}：与{city}之差" if rank.tier in ("above", "below") else f"与{city}之差"
    if found is None or found.parts.empty:
        n = _estimate(own, metric, rules)["n"]
        state: Component = insufficient_state(metric, n, rules.minimum_revisits)
        if rank.unranked == "immature":
            state = empty_state("本期诉求尚未成熟，差别还会变，成熟后再分解", title="□ 暂不分解")
        elif rank.unranked == "none":
            state = empty_state(f"本期{unranked_words('none', metric)}，没有差别可以分解",
                                title="□ 数据不足")  # fmt: skip
        elif len(peers.units) < 2:
            state = empty_state(f"{city}只有这一处，没有可比的", title="没有可比的")
        return panel(title, state, note=subject.note, wide=True)
    parts = _largest(found.parts)
    shown = shown_parts(parts, metric, printed_gap(metric, value, city_value))
    steps = waterfall_steps(parts, shown, metric, found.names)
    start = End(city, city_value, value_text(metric, city_value, decimals=2))
    end = End(place.name, value, value_text(metric, value, decimals=2))
    sentence = why_sentence(place.name, city, parts, shown, metric, found.names, rank)
    levels = subject.question.snapshot.reference.categories.set_index("code")["level"].to_dict()
    chosen = subject.question.filters.category
    hrefs = {
        code: subject.narrowed(category=(code,))
        for code in dict.fromkeys(parts["code"])
        if levels.get(code, 3) < 3 and code not in chosen
    }
    return panel(
        title,
        html.Div(
            [
                graph(
                    waterfall_figure(start, steps, end),
                    f"{title}：{sentence}",
                    f"{place.kind}-why-graph",
                    waterfall_height(len(steps)),
                ),
                why_table(
                    city, city_value, place.name, value, parts, shown, metric, found.names, hrefs
                ),
            ],
            className="place-why",
        ),
        sentence=sentence,
        note=f"{subject.note}，单位{unit_of_gap(metric)}，n={count(_n(subject, metric))}件"
        f"{metric.n_words}。实心为拉低，空心为拉高，各条相加即总差；"
        f"本处{metric.n_words}不足{rules.minimum_revisits}件的分类合为一类",
        wide=True,
    )


def _n(subject: Subject, metric: Metric) -> float:
    return _estimate(_peers(subject).own, metric, subject.question.rules)["n"]


# --- Streets --------------------------------------------------------------------------------------


def streets(subject: Subject) -> html.Section | html.Div:
    """Return the streets of a district, ranked; those without a rank apart."""
    field, metric = _streets(subject), _metric(subject)
    title = f"本区街道乡镇排名：{metric.name}"
    if not field.whole["cases"].iloc[0]:
        return html.Div()
    if field.units.empty:
        return panel(
            title, empty_state("名录中没有本区的街道乡镇", title="没有街道乡镇"), wide=True
        )
    ranked = _street_ranking(subject)
    look = _look(subject, metric, ranked.ranked, field.whole)
    shown, apart = _unit_lines(subject, field, ranked, look)
    unplaced = field.rows.one("now", UNPLACED)
    outside = []
    if _sum(unplaced, "cases"):
        outside = [_summed(subject, "未定位到街道乡镇", unplaced, metric)]
    sentence = _streets_sentence(ranked)
    return panel(
        title,
        units_table(
            shown,
            apart,
            look,
            KIND_WORDS["subdistrict"],
            subject.compare,
            SPARK_WEEKS,
            f"{title}，{subject.words}",
            _summed(subject, "汇总", field.whole, metric),
            outside,
        ),
        sentence=sentence,
        note=f"{subject.note}。先列明显高于其余的，再列持平的，最后列明显低于的；"
        "名次区间以外的名次，数据不支持",
        wide=True,
    )


def _streets_sentence(ranked: Ranking) -> str:
    """Return how many streets differ from the rest, and how many are not ranked."""
    tiers, apart = ranked.ranked["tier"].tolist(), len(ranked.unranked)
    if not tiers:
        return f"没有街道乡镇参与排名，{apart}个单列表后。"
    if len(tiers) == 1:
        parts = ["只有1个街道乡镇参与排名，没有可比的"]
    else:
        counts = [
            f"{tiers.count(tier)}个{words}"
            for tier, words in (
                ("above", "明显高于其余"),
                ("below", "明显低于其余"),
                ("level", f"持平（{LEVEL_WORDS}）"),
            )
            if tiers.count(tier)
        ]
        parts = ["，".join([f"{len(tiers)}个街道乡镇参与排名", *counts])]
    if apart:
        parts.append(f"{apart}个不参与排名，单列表后")
    return "；".join(parts) + "。"


def _street_ranking(subject: Subject) -> Ranking:
    if subject.place.kind == "subdistrict":
        return _rankings(subject)[1]
    metric, rules = _metric(subject), subject.question.rules
    return subject.question.snapshot.cached(
        subject.key("street ranking"), lambda: ranking(_streets(subject).now, metric, rules)
    )


def _look(subject: Subject, metric: Metric, rows: pd.DataFrame, whole: Counts) -> Look:
    """Return how a table of ranked rows is printed."""
    value = _estimate(whole, metric, subject.question.rules)["value"]
    axis = stable_axis(metric, [*rows["low"], *rows["high"]])
    return Look(metric, joint_decimals(metric, list(rows["value"])), value, axis)


def _unit_lines(
    subject: Subject, field: Field, ranked: Ranking, look: Look
) -> tuple[list[Unit], dict[str, list[Unit]]]:
    """Return the ranked streets in the order to show, and the others by reason."""
    metric, rules = look.metric, subject.question.rules
    changes: list[Change | None] = [None] * len(field.units)
    moves: list[RankChange | None] = [None] * len(field.units)
    if field.before is not None:
        changes = [*change(metric, field.now, field.before, rules, subject.days)]
        moves = [*rank_changes(field.now, field.before, metric, rules)]
    columns = columns_of(field.now)
    beside = {key: estimated(columns, METRICS[key], rules) for key in BESIDE if key != metric.key}
    codes = [str(code) for code in field.units["code"]]
    unit_names, cases = field.units["name"].tolist(), field.now["cases"].tolist()
    weekly = weeks_by_group(_in_weeks(subject), codes, _weeks(subject), metric, rules)
    place_of = {code: position for position, code in enumerate(codes)}

    def unit(row: Mapping[str, Any], code: str, is_ranked: bool) -> Unit:
        position = place_of[code]
        return Unit(
            code,
            unit_names[position],
            subject.href("subdistrict", code),
            row["value"],
            row["n"],
            row["low"],
            row["high"],
            (int(row["band_low"]), int(row["band_high"]), int(row["rank"])) if is_ranked else None,
            row["tier"] if is_ranked else None,
            float(cases[position]),
            changes[position],
            moves[position],
            {
                key: (float(each["value"][position]), float(each["n"][position]))
                for key, each in beside.items()
            },
            weekly[position],
            code == subject.place.code,
        )

    shown = [
        unit(row, str(code), True)
        for code, row in zip(ranked.ranked.index, records(ranked.ranked), strict=True)
    ]
    apart: dict[str, list[Unit]] = {}
    for code, row in zip(ranked.unranked.index, records(ranked.unranked), strict=True):
        reason = unranked_words(row["reason"], metric)
        if row["reason"] == "small":
            reason = f"{metric.n_words}不足{rules.minimum_revisits}件，{reason}"
        apart.setdefault(f"{reason}，不参与排名", []).append(unit(row, str(code), False))
    return shown, apart


def _summed(subject: Subject, name: str, counts: Counts, metric: Metric) -> Unit:
    """Return cases taken together as a row without rank."""
    rules = subject.question.rules
    own = _estimate(counts, metric, rules)
    values = {}
    for key in BESIDE:
        if key != metric.key:
            each = _estimate(counts, METRICS[key], rules)
            values[key] = (each["value"], each["n"])
    return Unit(
        "", name, "", own["value"], own["n"], own["low"], own["high"], None, None,
        float(_sum(counts, "cases")), values=values,
    )  # fmt: skip


def peers(subject: Subject) -> html.Section | html.Div:
    """Return a street among the streets of its district and of its band of volume."""
    field, metric = _streets(subject), _metric(subject)
    if not _sum(field.own, "cases"):
        return html.Div()
    everyone = _peers(subject)
    word, codes = _fellows(subject)
    title = f"在{subject.place.district_name}与同档中的位置：{metric.name}"
    in_city, district = _rankings(subject)
    groups = [
        (f"{subject.place.district_name}的街道乡镇", "本区", district, field.whole),
    ]
    if codes:
        of_band = ranking(everyone.now.loc[codes], metric, subject.question.rules)
        heading = f"{subject.whole_name}诉求量{word}的街道乡镇"
        groups.append((heading, word, of_band, _wholes(subject)[word]))
    parts, told = [], []
    for heading, whole_word, ranked, whole in groups:
        shown = _peer_lines(subject, ranked)
        # Decimals and the ends of the axis tell of those who are not shown, too.
        told_of = ranked.ranked.loc[[unit.code for unit in shown]]
        look = _look(subject, ranked.metric, told_of, whole)
        own = next((unit for unit in shown if unit.own), None)
        where = "不参与排名"
        if own is not None and own.band:
            low, high, _ = own.band
            where = f"第{low}–{high}名" if low < high else f"第{low}名"
        else:
            reason = ranked.unranked.loc[subject.place.code, "reason"]
            where = f"{unranked_words(reason, metric)}，不参与排名"
        told.append(f"在{heading}中{where}（参与排名{len(ranked.ranked)}个）")
        value = value_text(metric, look.whole)
        parts.append(
            html.Div(
                [
                    html.H3([heading, html.Small(f"{len(ranked.ranked)}个参与排名，合计{value}")]),
                    peers_table(shown, look, KIND_WORDS["subdistrict"], whole_word,
                                f"{heading}，{subject.note}"),
                ]
            )
        )  # fmt: skip
    return panel(
        title,
        html.Div(parts, className="place-peers"),
        sentence="；".join([*told, _told_in_the_city(subject, in_city)]) + "。",
        note=f"{subject.note}。圆点为值，横线为区间，深底为本处；"
        + ("只列本账号范围内的" if subject.among.of_all else "只列首尾与前后各数名"),
        wide=True,
    )


def _told_in_the_city(subject: Subject, ranked: Ranking) -> str:
    rank = _rank_in(subject, ranked)
    where = unranked_words(rank.unranked, ranked.metric) if rank.unranked else ""
    where = f"{where}，不参与排名" if where else band_text(rank.low, rank.high)
    return f"在{subject.whole_name}全部街道乡镇中{where}（参与排名{rank.of}个）"


def _peer_lines(subject: Subject, ranked: Ranking) -> list[Unit]:
    known = street_names(subject.question.snapshot)
    return [
        Unit(
            str(code),
            known[str(code)],
            subject.href("subdistrict", str(code)),
            row["value"],
            row["n"],
            row["low"],
            row["high"],
            (int(row["band_low"]), int(row["band_high"]), int(row["rank"])),
            row["tier"],
            NAN,
            own=str(code) == subject.place.code,
        )
        for code, row in zip(ranked.ranked.index, records(ranked.ranked), strict=True)
        if str(code) in known
    ]


# --- Topics ---------------------------------------------------------------------------------------


def _topic_href(subject: Subject, code: str) -> str:
    asked = subject.question.asked.narrowed(district=(), subdistrict=(), topic=())
    asked = asked.narrowed(**{subject.place.kind: (subject.place.code,)})
    return f"/topics/{code}{to_search(asked)}"


class _Told(NamedTuple):
    """A target at the district; ``unsplit``: the district has no goal of its own."""

    standing: Standing
    unsplit: bool


def _told(subject: Subject) -> dict[str, list[_Told]]:
    """Return topic code → its targets that the district reports on, by urgency."""

    def compute() -> dict[str, list[_Told]]:
        question = subject.question
        year = year_of(question)
        as_of, rules = day_of(question, year), rules_of(question, year)
        own = targets_of_district(question.snapshot, reader(), subject.place.district)
        found: dict[str, list[_Told]] = {}
        for topic in topics_of_year(question.snapshot, year):
            told = []
            for target in topic.targets:
                if target.code in own and own[target.code].figures:
                    goal, figures = own[target.code]
                    mine = own_target(target, goal)
                    now = standing(mine, figures, as_of, rules, bool(topic.leads))
                    told.append(_Told(now, math.isnan(goal)))
            told.sort(key=_urgency)
            if told:
                found[topic.code] = told
        return found

    key = ("district targets told", reader(), subject.place.district, subject.canonical)
    return subject.question.snapshot.cached(key, compute)


def _urgency(told: _Told) -> tuple[bool, int, float]:
    now = told.standing
    return told.unsplit, ATTENTION[now.status], now.gap if now.gap == now.gap else 0.0


def _topic_states(subject: Subject) -> list[TopicState]:
    """Return the topics of the district as far as exceptions look at them.

    Its own progress against its own goal, its own complaints. Whether it makes it is not forecast.
    """
    question = subject.question
    known = {topic.code: topic for topic in topics_of_year(question.snapshot, year_of(question))}
    volume_of = _volumes(subject)
    states = []
    for code, told in _told(subject).items():
        first = told[0]
        if first.unsplit:
            continue
        now, volume = first.standing, volume_of[code]
        states.append(
            TopicState(
                code=code,
                name=f"{subject.place.name}“{known[code].name}”",
                target=now.target.name,
                status=now.status,
                good=now.status in GOOD,
                hard=False,
                gap_points=100 * now.gap,
                late_days=max((now.as_of - now.target.due_on).days, 0),
                quiet_days=(now.as_of - now.on_date).days if now.on_date else 0,
                cases=volume.cases,
                change=volume.change,
                rising=volume.rising,
                is_due=now.as_of >= now.target.due_on,
            )
        )
    return states


def _volumes(subject: Subject) -> dict[str, Volume]:
    """Return topic code → its recent complaints in the district against expectation.

    As ``pages._programme.lines`` has them, without the forecasts of every target.
    """
    question = subject.question
    year = year_of(question)
    as_of, rules = day_of(question, year), rules_of(question, year)
    weeks = [
        week
        for week in weeks_before(as_of, as_of, YEAR_OF_WEEKS + SPARK_WEEKS + 1)
        if week.days == 7
    ]
    codes = [topic.code for topic in topics_of_year(question.snapshot, year)]
    if not codes:
        return {}
    counted = weekly_cases(question.snapshot, reader(), subject.of_district, weeks)
    nothing = np.zeros(len(weeks))
    series = np.array([counted.get(code, nothing) for code in codes])
    recent = volumes(series, counted.get("", nothing), rules)
    return dict(zip(codes, recent, strict=True))


def topics(subject: Subject) -> html.Section | html.Div:
    """Return the topics of the year at the place: own targets, complaints, 解决率."""
    question, place, rules = subject.question, subject.place, subject.question.rules
    year = year_of(question)
    listed = topics_of_year(question.snapshot, year)
    of_all = float(_sum(_peers(subject).own, "cases"))
    if not listed or not of_all:
        return html.Div()
    frame = pd.DataFrame({"code": [topic.code for topic in listed]})
    rows = _own_categories(subject)
    now = aligned(_by_topic(rows, "now"), frame)
    changes: list[Change | None] = [None] * len(frame)
    if question.compared:
        before = aligned(_by_topic(rows, question.compared[0]), frame)
        changes = [*change(_VOLUME, now, before, rules, subject.days)]
    everywhere = aligned(_by_topic(_city_categories(subject), "now"), frame)
    own, city = (estimated(columns_of(each), _RESOLUTION, rules) for each in (now, everywhere))
    cases, city_values = now["cases"].tolist(), city["value"].tolist()
    values, answers = own["value"].tolist(), own["n"].tolist()
    told = _told(subject) if place.kind == "district" else {}
    found: list[tuple[tuple[Any, ...], TopicLine]] = []
    for position, topic in enumerate(listed):
        counted = (
            float(cases[position]),
            changes[position],
            (values[position], answers[position]),
            city_values[position],
        )
        href = _topic_href(subject, topic.code)
        own_targets: Sequence[_Told | None] = told.get(topic.code) or [None]
        for place_of, each in enumerate(own_targets):
            order: tuple[Any, ...] = (-counted[0], position)
            if place.kind == "district":
                order = (*(_urgency(each) if each else (True, 99, 0.0)), -counted[0], position)
            shown = counted if place_of == 0 else (None, None, (NAN, 0.0), NAN)
            found.append(
                (
                    order,
                    TopicLine(
                        topic.name,
                        href,
                        each.standing if each else None,
                        bool(each and each.unsplit),
                        False,
                        *shown,
                    ),
                )
            )
    found.sort(key=lambda each: each[0])
    as_of = day_of(question, year)
    title = f"本{'区' if place.kind == 'district' else '处'}的每月一题"
    basis = f"诉求与解决率：{subject.note}"
    return panel(
        title,
        topics_table(
            [line for _, line in found],
            subject.compare,
            bool(told),
            as_of,
            rules.minimum_revisits,
            subject.whole_name,
            f"{title}，{subject.words}",
        ),
        sentence=_topics_sentence(subject, listed, told, now, of_all),
        note=f"进度为{place.name}，截至{as_of}，按最需要关注排列；{basis}" if told else basis,
        wide=place.kind == "district",
    )


def _topics_sentence(
    subject: Subject,
    listed: Sequence[Topic],
    told: Mapping[str, Sequence[_Told]],
    now: Counts,
    of_all: float,
) -> str:
    parts = []
    own = [each.standing for targets in told.values() for each in targets if not each.unsplit]
    if own:
        late = [each for each in own if each.status in ("behind", "overdue", "missed")]
        parts.append(f"{len(own)}项目标有本区任务，{len(late)}项落后")
        worst = min((each for each in late if each.gap == each.gap), key=lambda e: e.gap,
                    default=None)  # fmt: skip
        if worst is not None:
            parts.append(f"最慢的是{worst.target.name}，慢于序时{points(-100 * worst.gap)}")
    elif subject.place.kind == "district":
        parts.append("没有分到本区的任务")
    cases = now["cases"].to_numpy()
    parts.append(f"本期诉求{count(cases.sum())}件，占受理的{share_words(cases.sum(), of_all)}")
    if cases.sum():
        parts.append(f"最多的是{listed[int(np.argmax(cases))].name}（{count(cases.max())}件）")
    return "；".join(parts) + "。"


# --- Categories -----------------------------------------------------------------------------------


def categories(subject: Subject) -> html.Section | html.Div:
    """Return the categories at the place, one level below those filtered by."""
    level = _level(subject)
    levels = subject.question.snapshot.reference.categories.set_index("code")["level"].to_dict()
    chosen = subject.question.filters.category
    known = names(subject.question.snapshot)["category"]
    above = _ancestors(subject, level)
    return _category_panel(
        subject,
        "诉求分类",
        "分类",
        above,
        known,
        {
            code: subject.narrowed(category=(code,))
            for code in {above.get(each, "") for each in _own_categories(subject)["code"]}
            if levels.get(code, 3) < 3 and code not in chosen
        },
        ("未归类", "分类不在名录，只计入汇总"),
    )


def tags(subject: Subject) -> html.Section | html.Div:
    """Return the cases of the place by 七有五性."""
    frame = subject.question.snapshot.reference.categories
    tag_of = {
        str(code): str(tag)
        for code, tag in zip(frame["code"], frame["tag"], strict=True)
        if isinstance(tag, str) and tag
    }
    if not tag_of:
        return html.Div()  # a city without these tags has no panel for them
    return _category_panel(
        subject, "七有五性", "七有五性", tag_of, {tag: tag for tag in tag_of.values()}, {},
        ("未列入", "分类没有标注七有五性"),
    )  # fmt: skip


def _category_panel(
    subject: Subject,
    title: str,
    word: str,
    group_of: Mapping[str, str],
    known: Mapping[str, str],
    hrefs: Mapping[str, str],
    unknown: tuple[str, str],
) -> html.Section | html.Div:
    question, rules = subject.question, subject.question.rules
    rows, city_rows = _own_categories(subject), _city_categories(subject)
    now = _grouped(rows, "now", group_of).sort_values(
        "cases", ascending=False, kind="stable", ignore_index=True
    )
    if now.empty:
        return html.Div()
    city = aligned(_grouped(city_rows, "now", group_of), now)
    before = None
    if question.compared:
        before = aligned(_grouped(rows, question.compared[0], group_of), now)
    shown = [
        _category_line(subject, known.get(code, unknown[0]), hrefs.get(code, ""), *each)
        for code, each in zip(
            now["code"],
            _category_figures(subject, now, city, before, (total(now), total(city_rows))),
            strict=True,
        )
    ]
    everything = _category_figures(
        subject,
        total(now),
        total(city_rows),
        None if before is None else total(of_window(rows, question.compared[0])),  # type: ignore[index]
        (total(now), total(city_rows)),
    )[0]
    whole = _category_line(subject, "汇总", "", *everything)
    placed = [line for line, code in zip(shown, now["code"], strict=True) if code != UNPLACED]
    outside = [line for line, code in zip(shown, now["code"], strict=True) if code == UNPLACED]
    return panel(
        title,
        categories_table(
            placed,
            whole,
            outside,
            word,
            subject.compare,
            f"{title}，{subject.words}",
            unknown[1],
            rules.minimum_revisits,
            subject.whole_name,
        ),
        sentence=_category_sentence(placed),
        note=f"{subject.note}，按诉求量排列；解决率与其余各处合并相比",
    )


_CategoryFigures = tuple[float, float, float, Change | None, tuple[float, float], float, Change]


def _category_figures(
    subject: Subject,
    now: Counts,
    city: Counts,
    before: Counts | None,
    wholes: tuple[Counts, Counts],
) -> list[_CategoryFigures]:
    """Return cases, shares, change, 解决率 of the place, the city, and against the rest of it."""
    rules = subject.question.rules
    counts = now[COUNT_INDEX]
    rest = city[COUNT_INDEX].reset_index(drop=True) - counts.reset_index(drop=True)
    own, everywhere = (
        estimated(columns_of(each), _RESOLUTION, rules) for each in (counts, city[COUNT_INDEX])
    )
    changes: list[Change | None] = [None] * len(now)
    if before is not None:
        changes = [*change(_VOLUME, counts, before, rules, subject.days)]
    whole, city_whole = (float(each["cases"].iloc[0]) for each in wholes)
    return [
        (
            float(cases),
            cases / whole if whole else NAN,
            city_cases / city_whole if city_whole else NAN,
            changed,
            (value, n),
            city_value,
            against,
        )
        for cases, city_cases, changed, value, n, city_value, against in zip(
            counts["cases"].tolist(),
            city["cases"].tolist(),
            changes,
            own["value"].tolist(),
            own["n"].tolist(),
            everywhere["value"].tolist(),
            change(_RESOLUTION, counts, rest, rules),
            strict=True,
        )
    ]


def _category_line(subject: Subject, name: str, href: str, *figures: Any) -> CategoryLine:
    return CategoryLine(name, href, *figures)


def _category_sentence(lines_shown: Sequence[CategoryLine]) -> str:
    """Return what is most, and where 解决率 differs from the rest of the city beyond noise."""
    if not lines_shown:
        return ""
    first = lines_shown[0]
    parts = [f"{first.name}最多，{count(first.cases)}件"]
    for word, direction in (("低于", "down"), ("高于", "up")):
        own = [
            line.name
            for line in lines_shown
            if line.against is not None and line.against.direction == direction
        ]
        if own:
            listed = "、".join(own[:3]) + (f"等{len(own)}类" if len(own) > 3 else "")
            parts.append(f"{listed}的解决率{word}其余")
    withheld = [
        line.against.reason
        for line in lines_shown
        if line.against is not None and line.against.direction == "withheld"
    ]
    unripe = sum("未成熟" in reason for reason in withheld)
    small = len(withheld) - unripe
    left = [f"{number}类{words}" for number, words in
            ((unripe, "诉求未成熟"), (small, "样本不足")) if number]  # fmt: skip
    if len(parts) == 1 and len(withheld) < len(lines_shown):
        parts.append(f"{'其余' if left else ''}各类解决率与其余各处之差都在波动之内")
    if left:
        parts.append(f"{'、'.join(left)}，解决率不作比较")
    return "；".join(parts) + "。"


# --- Points ---------------------------------------------------------------------------------------


def points_panel(subject: Subject) -> html.Section | html.Div:
    """Return the communities with most cases in the period."""
    question, rules = subject.question, subject.question.rules
    cases = float(_sum(_peers(subject).own, "cases"))
    if not cases:
        return html.Div()
    rows = communities_by_volume(
        question.snapshot, reader(), subject.own, _windows(subject), POINTS
    )
    columns = {name: rows[name].to_numpy(dtype="float64") for name in COMMUNITY_COUNTS}
    own = estimated(columns, _RESOLUTION, rules)
    changes: list[Change | None] = [None] * len(rows)
    if question.compared:
        now, before = (
            rows[[name]].set_axis(["cases"], axis=1).reindex(columns=COUNT_INDEX, fill_value=0)
            for name in ("cases", "before")
        )
        changes = [*change(_VOLUME, now, before, rules, subject.days)]
    shown = [
        Point(
            row.community,
            row.street,
            subject.href("subdistrict", row.subdistrict) if row.subdistrict else "",
            float(row.cases),
            row.cases / cases,
            changes[position],
            (float(own["value"][position]), float(own["n"][position])),
        )
        for position, row in enumerate(rows.itertuples(index=False))
    ]
    title = "高发点位"
    together_ = sum(point.cases for point in shown)
    sentence = (
        f"诉求最多的{len(shown)}个社区合计{count(together_)}件，"
        f"占受理的{share_words(together_, cases)}。"
        if shown
        else ""
    )
    return panel(
        title,
        points_table(
            shown,
            subject.compare,
            subject.place.kind == "district",
            rules.minimum_revisits,
            f"{title}，{subject.words}",
        ),
        sentence=sentence,
        note=f"{subject.note}，按诉求所写社区（村）",
    )


def open_cases(subject: Subject) -> html.Section | html.Div:
    """Return the cases that have been open for longest."""
    snapshot = subject.question.snapshot
    rows = oldest_open_cases(snapshot, reader(), subject.own, OPEN_CASES)
    title = "最久未办结"
    return panel(
        title,
        open_cases_table(rows, snapshot.cutoff, f"{title}的诉求，{subject.place.name}"),
        note=f"{open_note(snapshot.cutoff)} · {BASIS_LABELS[subject.question.filters.basis]} · "
        f"最多{OPEN_CASES}件",
        wide=True,
    )


# --- Integrity ------------------------------------------------------------------------------------


def integrity(subject: Subject) -> html.Section | html.Div:
    """Return the shares that the denominator hangs on, beside those of its like and the city."""
    question, rules, place = subject.question, subject.question.rules, subject.place
    if not _sum(_peers(subject).own, "cases"):
        return html.Div()
    word, codes = _fellows(subject)
    compared = question.compared
    fields = [_peers(subject), _peers(subject, "assessed"), _peers(subject, "all")]
    own, city = (
        Case(*(field.own for field in fields)),
        Case(*(field.whole for field in fields)),
    )
    before, fellows = None, None
    if compared:
        before = Case(
            *(field.before.loc[[place.code]] for field in fields if field.before is not None)
        )
    if codes:
        fellows = Case(*(total(field.now.loc[codes]) for field in fields))
    rest = Case(*(field.whole - field.own.reset_index(drop=True) for field in fields))
    read = readings(own, before, rules)
    of_fellows: Sequence[Reading | None] = (
        readings(fellows, None, rules) if fellows else [None] * len(INTEGRITY)
    )
    jumped = {SHRINKING[signal.kind] for signal in _shrunk(subject)}
    shown = [
        integrity_line(
            mine,
            its,
            whole,
            share_change(mine.metric, own.columns, rest.columns, rules),
            jump=mine.metric.key in jumped,
        )
        for mine, its, whole in zip(read, of_fellows, readings(city, None, rules), strict=True)
    ]
    shown.append(_basis_gap(subject, own, fellows, city))
    jumps = [reading.metric.name for reading in read if reading.metric.key in jumped]
    sentence = (
        f"{'、'.join(jumps)}变动异常，分母收缩会抬高三率，须核查。"
        if jumps
        else "没有异常变动。"
        if compared
        else "没有对比期，不判断变动。"
    )
    title = "数据是否可靠"
    return panel(
        title,
        integrity_table(
            shown, place.name, word or "同类", subject.whole_name, subject.compare,
            f"{title}，{subject.words}",
        ),
        sentence=sentence,
        note=f"{subject.note}；剔除率按全口径",
        wide=place.kind == "subdistrict",
    )  # fmt: skip


def _basis_gap(subject: Subject, own: Case, fellows: Case | None, city: Case) -> Beside:
    """Return 考核口径 − 全口径 of the indicator that ranks."""
    metric, rules = _metric(subject), subject.question.rules

    def gap(case: Case | None) -> str:
        if case is None:
            return "—"
        values = [
            _estimate(each, metric, rules)["value"] for each in (case.assessed, case.everything)
        ]
        if any(math.isnan(value) for value in values):
            return "—"
        scale = 100.0 if metric.kind == "rate" else 1.0
        return f"{signed(hundredths([scale * (values[0] - values[1])])[0])} {unit_of_gap(metric)}"

    return Beside(
        f"{metric.name}口径差", "考核口径 − 全口径", gap(own), None, gap(fellows), gap(city), None
    )
