"""The packet of a question: its sections from the same functions as the pages, and its checks."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
import structlog

from components import brief_words as words
from components.brief_words import (
    Course,
    Due,
    Group,
    Hotspot,
    Lists,
    Old,
    Overall,
    Place,
    Promise,
    Ranked,
    RateLine,
    Source,
    Stock,
    Topic,
)
from components.commitments import goal_text, reading_text
from components.formatting import cutoff_text, day, moment
from components.place import band_text
from components.ranking import RATES, rate_columns
from components.states import forbidden_state
from data_access.case_counts import (
    UNPLACED,
    closings_by_window,
    counts_by_week,
    counts_by_window,
)
from data_access.case_counts import Group as Grouping
from data_access.cases import groups, ladder, page_of_cases
from data_access.office.commitments import stamp
from data_access.programme import milestones_of_year
from data_access.question import Question, ask, default_period, names
from data_access.store import Store
from domain.brief import (
    Figure,
    Packet,
    PacketError,
    Problem,
    Restated,
    Section,
    SectionKey,
    broken,
    heading,
    unequal,
)
from domain.cases import Listing, listing, meaning
from domain.commitments import OVERDUE
from domain.comparison import Measured, aligned, measured, of_window, weekly_estimates
from domain.filters import (
    BASIS_LABELS,
    COMPARE_LABELS,
    PRESET_LABELS,
    Preset,
    from_search,
    to_search,
)
from domain.metrics import (
    HEADLINE,
    INDICATORS,
    METRICS,
    Counts,
    broken_identities,
    change,
    estimate,
    mature_share,
    total,
)
from domain.periods import (
    PeriodKind,
    Window,
    parse_period,
    period_key,
    present,
    weeks_before,
)
from domain.programme import tasks
from domain.ranking import Ranking, ranking
from domain.rules import rules_in_force
from domain.schedule import ATTENTION, GOOD
from domain.signals import (
    Signal,
)
from pages._answers import book, reader, who
from pages._commitments import chosen, judged, target_of_code
from pages._exceptions import exceptions_of, group_of
from pages._exports import about
from pages._programme import day_of, lines, year_of
from pages._ranking import Subject, field_of, history_of, periods_of, ranking_of
from pages._targeting import subject_of, targeting_of

log = structlog.get_logger("board")

Made = TypeVar("Made")

WEEKS = 13
LAST = 3
# Of the stock of open cases: what 重点督办 counts, and the oldest that it lists.
STOCKS: tuple[Preset, ...] = ("open", "overdue", "shelved", "long_open")
OLDEST = 5
TOLD = (*HEADLINE, "composite")
ALL_INDICATORS = (*HEADLINE, "composite", "revisit_rate", "overdue_rate")
_THAN: dict[PeriodKind, str] = {
    "week": "较上周", "assess": "较上期", "month": "较上月", "quarter": "较上季度",
    "year": "较上年", "days": "较前一时段", "custom": "较前一时段",
}  # fmt: skip
_CALLED: dict[PeriodKind, str] = {
    "week": "周报", "month": "月报", "quarter": "季报", "year": "年报", "assess": "考核期简报",
    "days": "简报", "custom": "简报",
}  # fmt: skip
NAN = float("nan")


def packets_only(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callback that answers those who may write and read packets, and refuses others.

    Outside of ``answers``: what it keeps is by scope, which two roles may share.
    """

    @functools.wraps(answer)
    def guarded(*asked: object) -> Any:
        return answer(*asked) if who().may("packets") else forbidden_state()

    return guarded


# --- What a packet is about -----------------------------------------------------------------------


def _kept(question: Question, name: str, compute: Callable[[], Made]) -> Made:
    """Return what ``compute`` returns, kept with the data version; the hour as in ``answers``."""
    key = (
        "brief", name, reader(), question.canonical, to_search(question.asked),
        f"{present():%Y-%m-%d %H}",
    )  # fmt: skip
    return question.snapshot.cached(key, compute)


def _place(question: Question) -> Place:
    return Place(question.place, question.snapshot.city)


def _source(question: Question, **changes: str | tuple[str, ...]) -> Source:
    filters = question.filters.narrowed(**changes) if changes else question.filters
    return Source(question.period.label, to_search(filters))


def _of_days(question: Question, window: Window, **changes: str) -> Source:
    """Return the same question of other days as a source."""
    filters = question.filters.narrowed(period=f"{window.start}..{window.end}", **changes)
    return Source(window.label, to_search(filters))


def _at(question: Question, key: str) -> Question:
    """Return the same question of another period."""
    cutoff = question.snapshot.cutoff.date()
    newest = rules_in_force(question.snapshot.rule_sets, cutoff)
    period = parse_period(key, cutoff, newest.period_first_day)
    return dataclasses.replace(
        question,
        filters=question.filters.narrowed(period=key),
        asked=question.asked.narrowed(period=key),
        period=period,
        rules=rules_in_force(question.snapshot.rule_sets, period.window.end),
    )


def _than(question: Question) -> str:
    """Return 较上周, 较上年同期; "" without a comparison."""
    compare = question.filters.compare
    return {
        "previous": _THAN[question.period.kind], "year": "较上年同期", "none": "",
    }[compare]  # fmt: skip


def _counts(question: Question, group: Grouping) -> pd.DataFrame:
    return counts_by_window(question.snapshot, reader(), question.filters, question.windows, group)


def _whole(question: Question) -> Counts:
    return total(of_window(_counts(question, group_of(question)), "now"))


def _measured(question: Question, keys: Sequence[str]) -> dict[str, Measured]:
    """Return indicators of the place with 环比 and 同比."""
    rows, windows = _counts(question, group_of(question)), dict(question.windows)
    before = {
        COMPARE_LABELS[name]: (total(of_window(rows, name)), windows[name].days)
        for name in ("previous", "year")
    }
    now = total(of_window(rows, "now"))
    days = windows["now"].days
    return {key: measured(METRICS[key], now, before, question.rules, days)[0] for key in keys}


# --- Sections -------------------------------------------------------------------------------------


def _promises(question: Question) -> Section:
    window = dict(question.windows)["previous"]
    before = _of_days(question, window)
    year, found = year_of(question), []
    cutoff = day_of(question, year)
    known = {line.topic.code: line.topic.name for line in lines(question, year)}
    wanted = question.filters.topic or tuple(known)
    for row in milestones_of_year(question.snapshot, year).itertuples(index=False):
        if row.topic in wanted and row.topic in known and window.start <= row.due_on <= window.end:
            found.append(Due(known[row.topic], row.name, row.unit, row.due_on, row.done_on))
    found.sort(key=lambda each: (each.due_on, each.topic, each.name))
    promised = _promised(question, window)
    tally = tasks([(each.due_on, each.done_on) for each in found], cutoff)
    return words.promises(_heading(question, "promises"), before, promised, found, tally, cutoff)


def _promised(question: Question, before: Window) -> list[Promise]:
    """Return the commitments due since the period before began, and older ones not settled."""

    def unit_of(code: str) -> tuple[str, str] | None:
        known = target_of_code(question, code)
        return (known[0].name, known[0].unit) if known else None

    end = question.period.window.end
    return [
        Promise(
            commitment.by, commitment.words, goal_text(commitment, unit_of), commitment.due_on,
            outcome.standing, reading_text(commitment, outcome, unit_of),
        )
        for commitment, outcome in chosen(question, judged(question))
        if commitment.due_on <= end
        and not commitment.withdrawn
        and (commitment.due_on >= before.start or outcome.standing in OVERDUE)
    ]  # fmt: skip


def _heading(question: Question, key: SectionKey) -> str:
    return heading(key, question.period.kind)


def _weeks(question: Question) -> tuple[Window, ...]:
    cutoff = question.snapshot.cutoff.date()
    return tuple(weeks_before(cutoff, question.period.window.end, WEEKS))


def _overall(question: Question) -> Section:
    snapshot, rules = question.snapshot, question.rules
    closed = closings_by_window(
        snapshot, reader(), question.filters, (("now", question.period.window),)
    )["now"]
    weeks = _weeks(question)
    rows = counts_by_week(snapshot, reader(), question.filters, weeks, group_of(question))
    weekly = {
        key: weekly_estimates(rows, weeks, METRICS[key], rules) for key in ("volume", *words.TREND)
    }
    told = Overall(
        _measured(question, TOLD),
        _source(question),
        closed,
        int(_whole(question)["overdue"].iloc[0]),
        question.compare_word,
        _than(question),
        BASIS_LABELS[question.filters.basis],
        _so_far(question),
        weekly,
        _of_days(question, Window(weeks[0].start, weeks[-1].end)),
    )
    return words.overall(_heading(question, "overall"), _place(question), told)


def _so_far(question: Question) -> tuple[Mapping[str, Measured], Source, str] | None:
    """Return the 考核期 up to the end of the period, where the period is another."""
    end, first_day = question.period.window.end, question.rules.period_first_day
    if question.period.kind == "assess":
        return None
    assess = parse_period(
        period_key("assess", end, first_day), question.snapshot.cutoff.date(), first_day
    )
    other = _at(question, f"{assess.whole.start}..{end}")
    source = Source(other.period.window.label, other.canonical)
    return _measured(other, TOLD), source, assess.name


def _indicators(question: Question) -> Section:
    found = _measured(question, ALL_INDICATORS)
    return words.indicators(
        _heading(question, "indicators"), _place(question), list(found.values()),
        BASIS_LABELS[question.filters.basis], _source(question),
    )  # fmt: skip


def _signal_filters(question: Question, signal: Signal) -> str:
    """Return the query string that narrows to what an exception is about."""
    if not signal.code:
        return question.canonical
    if signal.kind.startswith("topic_"):
        return to_search(question.filters.narrowed(topic=(signal.code,)))
    if signal.kind.startswith("target_") or group_of(question) == "district":
        return to_search(question.filters.narrowed(district=(signal.code,)))
    return to_search(question.filters.narrowed(subdistrict=(signal.code,)))


def _exceptions(question: Question) -> Section:
    checked = exceptions_of(question)
    filters = [_signal_filters(question, signal) for signal in checked.signals]
    return words.exceptions(
        _heading(question, "exceptions"), _place(question), checked, filters, _source(question)
    )


# --- Ranking --------------------------------------------------------------------------------------


def _ranking_question(question: Question) -> tuple[Question, str]:
    """Return the question whose days can be ranked, and why they are others than those asked for.

    Rates of a week that is not mature move for weeks; the newest mature 考核期 stands for it.
    """
    share = float(mature_share(_whole(question)).iloc[0])
    if math.isnan(share) or share >= question.rules.mature_share:
        return question, ""
    snapshot = question.snapshot
    newest = rules_in_force(snapshot.rule_sets, snapshot.cutoff.date())
    period = default_period(snapshot, newest)
    if period.key == question.period.key or period.window.end > question.period.window.end:
        return question, ""
    return _at(question, period.key), "本期诉求尚未成熟，不排名；列最近成熟的考核期。"


def _ranked_subject(question: Question, by: Grouping) -> Subject:
    return Subject(question, by, METRICS["composite"], question.rules, False, ())


def _units(subject: Subject) -> dict[str, str]:
    units = field_of(subject).units
    return dict(zip(units["code"].astype(str), units["name"].astype(str), strict=True))


def _unit_filters(subject: Subject, codes: Sequence[str]) -> dict[str, str]:
    """Return code → the query string of a unit alone."""
    return {code: to_search(subject.filters.narrowed(**{subject.by: (code,)})) for code in codes}


def _own_streets(subject: Subject) -> list[str] | None:
    """Return the codes of the streets in the chosen places; None: no place is chosen."""
    filters, units = subject.question.filters, field_of(subject).units
    if not (filters.district or filters.subdistrict):
        return None
    if filters.district:
        units = units[units["district"].isin(list(filters.district))]
    if filters.subdistrict:
        units = units[units["code"].isin(list(filters.subdistrict))]
    return [str(code) for code in units["code"]]


def _ranking(question: Question) -> Section:
    asked, why_other = _ranking_question(question)
    filters = question.filters
    found = []
    if len(question.snapshot.reference.districts) > 1:
        subject = _ranked_subject(asked, "district")
        own = None
        if len(filters.district) == 1:
            own = (filters.district[0], names(asked.snapshot)["district"][filters.district[0]])
        found.append(_ranked(subject, ranking_of(subject), "个区", "区", own, why_other))
        why_other = ""
    if filters.district or filters.subdistrict or not found:
        subject = _ranked_subject(asked, "subdistrict")
        codes = _own_streets(subject)
        counts = field_of(subject).now
        ranked = ranking(
            counts if codes is None else counts.loc[codes], subject.metric, subject.rules
        )
        found.append(_ranked(subject, ranked, "个街道乡镇", "街道乡镇", None, why_other))
    return words.ranking(_heading(question, "ranking"), found)


def _ranked(
    subject: Subject, ranked: Ranking, counted: str, word: str, own: tuple[str, str] | None,
    why_other: str,
) -> Ranked:  # fmt: skip
    codes = [str(code) for code in ranked.ranked.index]
    called = _units(subject)
    short = called
    if subject.by == "district":
        districts = subject.question.snapshot.reference.districts
        short = dict(zip(districts["code"], districts["short_name"], strict=True))
    return Ranked(
        ranked, called, short, counted, word,
        Source(subject.question.period.label, to_search(subject.filters)),
        _unit_filters(subject, codes), own, why_other,
    )  # fmt: skip


def _streets(question: Question) -> Section:
    asked, why_other = _ranking_question(question)
    subject = _ranked_subject(asked, "subdistrict")
    codes = _own_streets(subject)

    def ranked(counts: Counts) -> Ranking:
        some = counts if codes is None else counts.loc[codes]
        return ranking(some, subject.metric, subject.rules)

    course = [ranked(counts) for counts in history_of(subject)]
    now = course[-1].ranked
    number = min(LAST, len(now) // 2)
    last = [str(code) for code in now.index[-number:]][::-1] if number else []
    called, filters = _units(subject), _unit_filters(subject, last)
    told = []
    for code in last:
        ranks, bands, values = [], [], []
        for each in course:
            known = code in each.ranked.index
            row = each.ranked.loc[code] if known else None
            ranks.append(None if row is None else int(row["rank"]))
            bands.append(
                "" if row is None else band_text(int(row["band_low"]), int(row["band_high"]))
            )
            values.append(NAN if row is None else float(row["value"]))
        n = int(now.at[code, "n"])
        below = now.at[code, "tier"] == "below"
        told.append(
            Course(called[code], tuple(ranks), tuple(bands), tuple(values), below, n, filters[code])
        )
    periods = [name for name, _ in periods_of(asked)]
    sizes = [len(each.ranked) for each in course]
    source = Source(asked.period.label, to_search(asked.filters))
    return words.streets(
        _heading(question, "streets"), subject.metric, told, periods, sizes, source, why_other
    )


# --- Hotspots, topics, supervision ----------------------------------------------------------------


def _categories(question: Question) -> tuple[list[Hotspot], int]:
    """Return the categories as 总览 shows them, and all cases, those of no category too."""
    rows = _counts(question, "category")
    now = of_window(rows, "now")
    known = now[(now["code"] != UNPLACED).to_numpy()].reset_index(drop=True)
    changes: Sequence[object] = [None] * len(known)
    if question.compared:
        name, window = question.compared
        before = aligned(of_window(rows, name), known[["code", "name"]])
        days = (question.period.window.days, window.days)
        changes = change(METRICS["volume"], known, before, question.rules, days)
    found = [
        Hotspot(str(code), str(name), int(cases), each)  # type: ignore[arg-type]
        for code, name, cases, each in zip(
            known["code"], known["name"], known["cases"], changes, strict=True
        )
    ]
    return found, int(now["cases"].sum())


def _hotspots(question: Question) -> Section:
    found, whole = _categories(question)
    return words.hotspots(
        _heading(question, "hotspots"), _place(question), found, whole, _than(question),
        _source(question),
    )  # fmt: skip


def _topic_lines(question: Question) -> list[Topic]:
    """Return the topics of the year, those chosen if any are, most urgent first."""
    chosen = question.filters.topic
    found = [
        line
        for line in lines(question, year_of(question))
        if not chosen or line.topic.code in chosen
    ]

    def urgency(topic: Topic) -> tuple[int, bool, float]:
        gap = topic.standing.gap if topic.standing is not None else math.inf
        return (
            ATTENTION[topic.status], not topic.volume.rising, gap if gap == gap else math.inf
        )  # fmt: skip

    told = [
        Topic(
            line.topic.code, line.topic.name, line.lead_names, line.status, line.standing,
            line.forecast, line.volume,
        )
        for line in found
    ]  # fmt: skip
    return sorted(told, key=urgency)


def _lists(question: Question) -> Lists | None:
    subject = subject_of(question)
    if subject is None:
        return None
    chosen = question.filters.topic
    if chosen and subject.topic.code not in chosen:
        return None
    result = targeting_of(subject, "district")
    return Lists(result, subject.rules, question.filters.district, _source(question))


def _topics(question: Question) -> Section:
    year = year_of(question)
    return words.topics(
        _heading(question, "topics"), year, _topic_lines(question), day_of(question, year),
        _lists(question), _source(question),
    )  # fmt: skip


def _until(question: Question) -> Window:
    """Return every day up to the end of the period: what is open is not of this week alone."""
    end = question.period.window.end
    return Window(min(question.snapshot.first_day or end, end), end)


def _listing(question: Question, preset: Preset, window: Window) -> Listing:
    filters = question.filters.narrowed(preset=preset)
    return listing(filters, window, question.snapshot.cutoff.date(), question.rules)


def _stocks(question: Question) -> list[Stock]:
    window, snapshot = _until(question), question.snapshot
    return [
        Stock(
            PRESET_LABELS[preset], meaning(preset, question.rules),
            ladder(snapshot, reader(), _listing(question, preset, window), "oldest").total,
            _of_days(question, window, preset=preset),
        )
        for preset in STOCKS
    ]  # fmt: skip


def _groups(question: Question) -> list[Group]:
    """Return the groups (群诉) with cases of the period, the largest first."""
    found = groups(question.snapshot, reader(), _listing(question, "group", question.period.window))
    return [
        Group(
            row.street, row.community, row.category, f"{row.month.year}年{row.month.month}月",
            int(row.cases), int(row.open),
        )
        for row in found.itertuples(index=False)
    ]  # fmt: skip


def _supervision(question: Question) -> Section:
    asked = _listing(question, "long_open", _until(question))
    cutoff = question.snapshot.cutoff
    oldest = page_of_cases(question.snapshot, reader(), asked, "oldest", OLDEST).cases
    old = [
        Old(
            case.case_id, day(case.created_at.date()), case.open_days(cutoff) or 0, case.place,
            case.category_words, case.unit_words, case.status,
        )
        for case in oldest
    ]  # fmt: skip
    stocks = _stocks(question)
    return words.supervision(
        _heading(question, "supervision"), _place(question), stocks, _groups(question),
        _source(question, preset="group"), old, stocks[-1].source, f"截至{moment(cutoff)}",
    )  # fmt: skip


# --- Meeting --------------------------------------------------------------------------------------


def _news(question: Question) -> Section:
    lists = _lists(question)
    newly = []
    if lists is not None:
        newly = [
            (each, lists.result)
            for each in lists.result.zero
            if each.zero_weeks_on == 1 and (not lists.own or each.holder.code in lists.own)
        ]
    rising = [topic for topic in _topic_lines(question) if topic.volume.rising]
    return words.news(
        _heading(question, "news"), _place(question), _categories(question)[0], rising, newly,
        _groups(question), _than(question), _source(question),
        _source(question, preset="group"),
    )  # fmt: skip


def _questions(question: Question) -> Section:
    leads = {topic.code: topic.leads for topic in _topic_lines(question)}
    return words.follow_ups(
        _heading(question, "questions"), _place(question), exceptions_of(question).signals, leads,
        _lists(question),
    )  # fmt: skip


def _decisions(question: Question) -> Section:
    place = question.filters.district or question.filters.subdistrict
    # Who leads a problem of the city is not for a district to decide.
    found = [] if place and not question.filters.topic else _topic_lines(question)
    return words.decisions(
        _heading(question, "decisions"), [each for each in found if each.status not in GOOD],
        _lists(question), _groups(question), _source(question),
    )  # fmt: skip


# --- 三率统计表 -----------------------------------------------------------------------------------


def _rate_line(number: str, name: str, counts: Counts, question: Question) -> RateLine:
    rules = question.rules
    return RateLine(
        number,
        name,
        {key: int(counts[key].iloc[0]) for key, _ in rate_columns(rules)},
        {key: float(estimate(counts, METRICS[key], rules)["value"].iloc[0]) for key in RATES},
    )


def _rates(question: Question, by: Grouping, key: SectionKey) -> Section:
    subject = _ranked_subject(question, by)
    field, word = field_of(subject), subject.word
    counts, whole, outside = field.now, field.whole, field.outside
    own = _own_streets(subject) if by == "subdistrict" else None
    if own is not None:
        counts = counts.loc[own]
        rows = of_window(_counts(question, "subdistrict"), "now")
        whole = total(rows)
        outside = total(rows[(rows["code"] == UNPLACED).to_numpy()])
    ranked = ranking(counts, subject.metric, subject.rules)
    called = _units(subject)
    values = {each: estimate(counts, METRICS[each], question.rules)["value"] for each in RATES}
    columns = [name for name, _ in rate_columns(question.rules)]
    found = []
    for code in [*ranked.ranked.index, *ranked.unranked.index]:
        placed = code in ranked.ranked.index
        number = str(int(ranked.ranked.at[code, "position"])) if placed else words.NO_VALUE
        found.append(
            RateLine(
                number, called[str(code)],
                {name: int(counts.at[code, name]) for name in columns},
                {each: float(values[each].at[code]) for each in RATES},
            )
        )  # fmt: skip
    if outside["cases"].iloc[0]:
        found.append(_rate_line("", f"未定位到{word}", outside, question))
    note = f"序号按综合成绩；“{words.NO_VALUE}”为样本不足或诉求尚未成熟，不参与排名；率为百分数"
    return words.rates(
        key, _heading(question, key), "区" if by == "district" else "街道乡镇", found,
        _rate_line("", "汇总", whole, question), question.rules,
        Source(
            question.period.label, to_search(subject.filters if own is None else question.filters)
        ),
        f"{BASIS_LABELS[question.filters.basis]}；{note}",
    )  # fmt: skip


_MAKERS: dict[SectionKey, Callable[[Question], Section]] = {
    "promises": _promises,
    "overall": _overall,
    "exceptions": _exceptions,
    "indicators": _indicators,
    "ranking": _ranking,
    "hotspots": _hotspots,
    "topics": _topics,
    "supervision": _supervision,
    "streets": _streets,
    "news": _news,
    "questions": _questions,
    "decisions": _decisions,
    "rates_districts": lambda question: _rates(question, "district", "rates_districts"),
    "rates_streets": lambda question: _rates(question, "subdistrict", "rates_streets"),
}


# --- The packet -----------------------------------------------------------------------------------


def title_of(question: Question) -> str:
    """Return what the packet is called: 北京市接诉即办周报, of a topic 专报."""
    topics = [names(question.snapshot)["topic"][code] for code in question.filters.topic]
    if topics:
        return f"{question.place}{'、'.join(topics[:2])}专报"
    return f"{question.place}接诉即办{_CALLED[question.period.kind]}"


def section_of(question: Question, key: SectionKey) -> Section:
    """Return a section of the packet of a question, kept with the data version.

    Raises:
        PacketError: the counts contradict each other.
    """

    def make() -> Section:
        section = _MAKERS[key](question)
        problems = [
            Problem(section.heading, told) for told in _contradictions(question, key) if told
        ]
        problems += broken(_packet(question, [section]))
        if problems:
            raise PacketError(problems)
        return section

    # Commitments are entered while the data version stays.
    entered = stamp(book()) if key in ("promises", "exceptions", "questions") else ""
    return _kept(question, f"section {key} {entered}", make)


def _contradictions(question: Question, key: SectionKey) -> Iterator[str]:
    """Yield what is wrong with the counts a section stands on, in Chinese."""
    if key in ("overall", "indicators", "exceptions"):
        counts = _whole(question).iloc[0]
        yield "、".join(broken_identities({str(name): int(n) for name, n in counts.items()}))
    groupings: dict[SectionKey, tuple[tuple[str, Grouping], ...]] = {
        "overall": (("各区与未定位之和", "district"), ("各街道乡镇与未定位之和", "subdistrict")),
        "hotspots": (("各区与未定位之和", "district"), ("各分类与未归类之和", "category")),
        "rates_districts": (("各区与未定位之和", "district"),),
        "rates_streets": (("各街道乡镇与未定位之和", "subdistrict"),),
    }
    if key in groupings:
        yield unequal(
            {
                name: int(of_window(_counts(question, group), "now")["cases"].sum())
                for name, group in groupings[key]
            }
        )


def _packet(question: Question, sections: Sequence[Section], issuer: str = "") -> Packet:
    snapshot, period = question.snapshot, question.period
    return Packet(
        title=title_of(question),
        place=question.place,
        kind=period.kind,
        period_key=period.key,
        period=period.label,
        cutoff=cutoff_text(snapshot.cutoff),
        basis=BASIS_LABELS[question.filters.basis],
        rules=question.rules.version,
        data_version=snapshot.key,
        is_demo=snapshot.is_demo,
        filters=question.canonical,
        about=tuple(about(question)),
        sections=tuple(sections),
        issuer=issuer,
    )


def packet_of(
    question: Question,
    keys: Sequence[SectionKey],
    issuer: str = "",
    advance: Callable[[str], None] = lambda heading: None,
) -> Packet:
    """Return the packet of a question, its sections in the order asked for.

    Args:
        question: what is asked.
        keys: the sections.
        issuer: the red head; "" for none.
        advance: told the heading of each section that is done.

    Raises:
        PacketError: a section failed or contradicts another; it says which.
    """
    sections, problems = [], []
    if question.problems:
        problems.append(Problem("筛选条件", "；".join(question.problems)))
    for key in keys:
        try:
            sections.append(section_of(question, key))
        except PacketError as error:
            problems += error.problems
        except Exception:
            log.error("brief_section_failed", section=key, exc_info=True)
            problems.append(Problem(_heading(question, key), "没有算出来"))
        advance(_heading(question, key))
    packet = _packet(question, sections, issuer)
    problems += broken(packet)
    if problems:
        raise PacketError(list(dict.fromkeys(problems)))
    return packet


# --- Figures of an earlier packet, by today's data ------------------------------------------------


def restated(store: Store, packet: Packet) -> tuple[Restated, ...]:
    """Return the indicators of an earlier packet as the present data give them, each once."""
    found: dict[str, Restated] = {}
    for section in packet.sections:
        for figure in section.figures:
            if figure.metric in METRICS and figure.label not in found:
                found[figure.label] = _restated(store, figure)
    return tuple(found.values())


def _restated(store: Store, figure: Figure) -> Restated:
    filters = from_search(figure.filters, INDICATORS).filters.narrowed(version="")
    question = ask(store, reader(), to_search(filters))
    metric = METRICS[figure.metric]
    row = estimate(_whole(question), metric, question.rules).iloc[0]
    n = None if metric.kind == "count" else int(row["n"])
    return Restated(figure, float(row["value"]), n)
