"""What the pages of 每月一题 share: the year, the day of the figures, one line per topic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_access.programme import (
    progress_by_target,
    topic_years,
    topics_of_year,
    weekly_cases,
)
from data_access.question import Question
from domain.comparison import Weeks
from domain.periods import Window, weeks_before
from domain.programme import YEAR_OF_WEEKS, Topic, Volume, volumes
from domain.rules import Rules, rules_in_force
from domain.schedule import (
    ATTENTION,
    GOOD,
    Forecast,
    Stage,
    Standing,
    Status,
    Target,
    forecast,
    stage,
    standing,
)
from domain.signals import TopicState
from pages._answers import reader

# Weeks of the sparkline of a topic.
SPARK_WEEKS = 13


class Line(NamedTuple):
    """A topic with where it stands. ``standings`` and ``forecasts``: of its targets, same order.

    ``weekly``: cases of the last ``SPARK_WEEKS`` whole weeks, the newest last.
    """

    topic: Topic
    standings: tuple[Standing, ...]
    forecasts: tuple[Forecast, ...]
    volume: Volume
    weekly: tuple[float, ...]
    stage: Stage

    @property
    def first(self) -> int:
        """The place of the target that needs attention most; −1 without targets."""
        places = range(len(self.standings))
        return min(places, key=lambda place: self._urgency(place), default=-1)

    def _urgency(self, place: int) -> tuple[int, float]:
        each = self.standings[place]
        return ATTENTION[each.status], each.gap if each.gap == each.gap else 0.0

    @property
    def standing(self) -> Standing | None:
        """Where the most urgent target stands; None without targets."""
        return self.standings[self.first] if self.standings else None

    @property
    def forecast(self) -> Forecast | None:
        """Where the most urgent target leads."""
        return self.forecasts[self.first] if self.forecasts else None

    @property
    def status(self) -> Status:
        """The status of the topic: of its most urgent target."""
        if self.standing is not None:
            return self.standing.status
        return "no_lead" if not self.topic.leads else "no_target"

    @property
    def hard(self) -> bool:
        """Whether it will hardly be in time; not said of what keeps to a plan that speeds up."""
        if self.forecast is None or self.standing is None or self.forecast.chance != "hard":
            return False
        return not (self.standing.on_plan and self.standing.is_accelerating)

    @property
    def state(self) -> TopicState:
        """What the exceptions are found from."""
        now = self.standing
        return TopicState(
            code=self.topic.code,
            name=self.topic.name,
            target=now.target.name if now else "",
            status=self.status,
            good=self.status in GOOD,
            hard=self.hard,
            gap_points=100 * now.gap if now else float("nan"),
            late_days=max((now.as_of - now.target.due_on).days, 0) if now else 0,
            quiet_days=(now.as_of - now.on_date).days if now and now.on_date else 0,
            cases=self.volume.cases,
            change=self.volume.change,
            rising=self.volume.rising,
            is_due=now is not None and now.as_of >= now.target.due_on,
        )

    @property
    def lead_names(self) -> str:
        """The units that answer for the topic, in words."""
        return "、".join(unit.name for unit in self.topic.leads) or "无主责"


def year_of(question: Question) -> int:
    """Return the year whose programme is shown: that of the period's end, else the nearest."""
    wanted = question.period.window.end.year
    return min(topic_years(question.snapshot), key=lambda year: abs(year - wanted), default=wanted)


def day_of(question: Question, year: int) -> dt.date:
    """Return the day at which progress is told: the data cut-off, not after the year's end."""
    return min(question.snapshot.cutoff.date(), dt.date(year, 12, 31))


def rules_of(question: Question, year: int) -> Rules:
    """Return the rule set in force on that day."""
    return rules_in_force(question.snapshot.rule_sets, day_of(question, year))


def lines(question: Question, year: int) -> tuple[Line, ...]:
    """Return the topics of a year with where they stand, by month and code.

    Complaints are those of the chosen place and 口径, progress is the city's.
    """
    filters = question.filters
    key = ("lines", reader(), year, filters.basis, filters.district, filters.subdistrict)
    return question.snapshot.cached(key, lambda: _lines(question, year))


def recent_weeks(line: Line, weeks: Sequence[Window]) -> Weeks:
    """Return the cases of a line in its last weeks, for a sparkline."""
    return {
        "week_start": np.array([week.start for week in weeks], dtype="object"),
        "week_end": np.array([week.end for week in weeks], dtype="object"),
        "value": np.array(line.weekly[-len(weeks) :]),
        "mature": np.ones(len(weeks), dtype=bool),
    }


def _target_state(
    question: Question, year: int, target: Target, has_lead: bool
) -> tuple[Standing, Forecast]:
    """Return standing and forecast of a target; they depend on nothing that is filtered."""
    as_of, rules = day_of(question, year), rules_of(question, year)
    figures = progress_by_target(question.snapshot, year).get(target.code, ())
    return question.snapshot.cached(
        ("target state", target.code),
        lambda: (
            standing(target, figures, as_of, rules, has_lead),
            forecast(target, figures, as_of, rules),
        ),
    )


def _lines(question: Question, year: int) -> tuple[Line, ...]:
    snapshot, as_of, rules = question.snapshot, day_of(question, year), rules_of(question, year)
    topics = topics_of_year(snapshot, year)
    weeks = [
        week
        for week in weeks_before(as_of, as_of, YEAR_OF_WEEKS + SPARK_WEEKS + 1)
        if week.days == 7
    ]
    counted = weekly_cases(snapshot, reader(), question.filters, weeks)
    nothing = np.zeros(len(weeks))
    series = np.array([counted.get(topic.code, nothing) for topic in topics])
    recent = volumes(series, counted.get("", nothing), rules) if topics else []
    result = []
    for topic, weekly, volume in zip(topics, series, recent, strict=True):
        states = [
            _target_state(question, year, target, bool(topic.leads)) for target in topic.targets
        ]
        result.append(
            Line(
                topic,
                tuple(each[0] for each in states),
                tuple(each[1] for each in states),
                volume,
                tuple(weekly[-SPARK_WEEKS:]),
                stage(
                    topic.launched_on,
                    topic.closed_on,
                    [each[0].status for each in states],
                    volume.rising,
                    as_of,
                    rules,
                ),
            )
        )
    return tuple(result)
