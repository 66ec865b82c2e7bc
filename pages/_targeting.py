"""What the pages of 抓零、抓大户 share: the target, the rules tried out, who holds its stock."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import NamedTuple

from data_access.programme import progress_by_district, progress_by_target, topics_of_year
from data_access.projects import parts_by_district, projects_of
from data_access.question import Question
from domain.filters import By
from domain.periods import weeks_before
from domain.programme import Topic
from domain.projects import Grouping, Project, done_at, grouped
from domain.rules import Rules
from domain.schedule import Figures, Target, known_at
from domain.scope import CITY, Scope
from domain.targeting import Holder, Targeting, targeting
from pages._answers import everyone, reader
from pages._programme import day_of, rules_of, year_of

# What holds the stock of a target, and can be listed.
LEVELS: tuple[By, ...] = ("district", "subdistrict", "project", "developer", "cause")
# Developers and causes are of no one district.
_LEVELS_OF_A_DISTRICT: tuple[By, ...] = ("district", "subdistrict", "project")
# Weeks of history that are read where nobody reports for the whole city.
_WEEKS = 60
NAN = float("nan")


class Subject(NamedTuple):
    """The target of the page with its topic, the day at which it is told, and the rules.

    ``rules`` are those in force with what the URL tries out; ``trial`` says that it does.
    """

    question: Question
    topic: Topic
    target: Target
    as_of: dt.date
    rules: Rules
    trial: bool

    @property
    def by(self) -> By:
        """The unit of analysis."""
        return self.question.filters.by if self.question.filters.by in levels() else "district"

    @property
    def floor(self) -> float | None:
        """The least that must be left, in units, as the URL asks; None: as the rules say."""
        asked = self.question.filters.number("floor")
        return None if asked is None else float(asked)


def levels() -> tuple[By, ...]:
    """Return what can be listed for the reader."""
    return LEVELS if reader().districts is None else _LEVELS_OF_A_DISTRICT


def targets_with_stock(question: Question) -> tuple[tuple[Topic, Target], ...]:
    """Return the targets whose stock is known by district or project, the largest stock first."""
    year = year_of(question)
    with_projects = {project.target for project in projects_of(question.snapshot, reader())}
    found = [
        (topic, target)
        for topic in topics_of_year(question.snapshot, year)
        for target in topic.targets
        if target.scheduled
        and (
            target.code in with_projects
            or parts_by_district(question.snapshot, reader(), target.code)
        )
    ]
    # Stocks of different units have no order; that with a ledger comes first, then the plan's.
    return tuple(
        sorted(
            found,
            key=lambda each: (
                each[1].code not in with_projects,
                -each[1].stock if each[1].stock > 0 else 0.0,
                each[1].code,
            ),
        )
    )


def subject_of(question: Question) -> Subject | None:
    """Return what the page is about; None when no target has a stock."""
    found = targets_with_stock(question)
    if not found:
        return None
    wanted, topics = question.filters.target, question.filters.topic
    topic, target = next(
        (each for each in found if each[1].code == wanted),
        next((each for each in found if each[0].code in topics), found[0]),
    )
    as_of = day_of(question, topic.year)
    in_force = rules_of(question, topic.year)
    rules = tried_out(in_force, question)
    trial = rules != in_force or question.filters.number("floor") is not None
    return Subject(question, topic, target, as_of, rules, trial)


def tried_out(rules: Rules, question: Question) -> Rules:
    """Return the rules with what the URL asks to try: shares there are in percent."""
    filters = question.filters
    changes: dict[str, float | int] = {}
    for name, rule, divisor in (
        ("quiet", "zero_weeks", 0),
        ("large", "large_share", 100),
        ("faster", "faster_share", 100),
        ("stretch", "plan_stretch", 100),
    ):
        asked = filters.number(name)
        if asked is not None:
            changes[rule] = asked / divisor if divisor else asked
    return dataclasses.replace(rules, **changes) if changes else rules  # type: ignore[arg-type]


def projects_of_target(
    question: Question, target: Target, scope: Scope | None = None
) -> tuple[Project, ...]:
    """Return the projects of a target that a scope may see; None: the reader's."""
    every = projects_of(question.snapshot, scope or reader())
    return tuple(project for project in every if project.target == target.code)


def reporting_days(question: Question, target: Target, as_of: dt.date) -> list[dt.date]:
    """Return the days at which the stock of projects is told, in order, the last at the cut-off.

    Those of the city's own figures, so that everything on the page is told of the same day.
    """
    year = year_of(question)
    figures = known_at(progress_by_target(question.snapshot, year).get(target.code, ()), as_of)
    if figures:
        return [on for on, _ in figures]
    return [week.end for week in weeks_before(as_of, as_of, _WEEKS)]


def holders(subject: Subject, by: By, scope: Scope | None = None) -> tuple[Holder, ...]:
    """Return who holds the stock of the target, whatever the filters: lists are of the city.

    Those that a scope may see; None: the reader's.
    """
    question, target = subject.question, subject.target
    scope = scope or reader()
    if by == "district":
        return _districts(question, target, scope)
    projects = projects_of_target(question, target, scope)
    days = reporting_days(question, target, subject.as_of)
    found = []
    for (code, name), members in grouped(projects, _grouping(by)).items():
        stock = float(sum(project.units for project in members))
        found.append(
            Holder(
                code or "-",
                name or "未写明",
                stock,
                # Nobody gives a street a target: its part by stock is told as such. A project is
                # to be done as a whole.
                stock if by == "project" else NAN,
                done_at(members, days),
                goal_is_own=False,
                moves=_moves(members[0]) if by == "project" else (),
                by_pace=by != "project",
            )
        )
    return tuple(found)


def _moves(project: Project) -> tuple[dt.date, ...]:
    """Return the days on which a project entered a stage."""
    return tuple(entry.on_date for entry in project.log if entry.stage is not None)


def _grouping(by: By) -> Grouping:
    if by == "subdistrict" or by == "developer" or by == "cause":
        return by
    return "project"


def _districts(question: Question, target: Target, scope: Scope) -> tuple[Holder, ...]:
    parts = parts_by_district(question.snapshot, scope, target.code)
    figures: Mapping[str, Figures] = progress_by_district(question.snapshot, scope, target.code)
    found = []
    for row in question.snapshot.reference.districts.itertuples(index=False):
        code = str(row.code)
        if code not in parts and code not in figures:
            continue
        part = parts.get(code)
        own = part.stock if part else NAN
        goal = part.goal if part else NAN
        found.append(
            Holder(
                code, str(row.short_name), own, goal, tuple(figures.get(code, ())),
                goal_is_own=not math.isnan(goal),
            )
        )  # fmt: skip
    return tuple(found)


def targeting_of(subject: Subject, by: By | None = None) -> Targeting:
    """Return the two lists of a unit of analysis, kept with the data version.

    Who is on a list is judged among all holders. A district's reader gets its own of them; shares
    are of the city's, and no sum over what is left in it means anything.
    """
    by = by or subject.by
    key = ("targeting", reader(), subject.target.code, by, subject.rules, subject.floor)
    return subject.question.snapshot.cached(
        key,
        lambda: _lists(subject, by),
    )


def _lists(subject: Subject, by: By) -> Targeting:
    def of(whose: Subject, scope: Scope) -> Targeting:
        return targeting(
            subject.target, holders(whose, by, scope), subject.as_of, subject.rules, subject.floor
        )

    if reader().districts is None:
        return of(subject, reader())
    whole = dataclasses.replace(subject.question, snapshot=everyone(subject.question))
    found = of(subject._replace(question=whole), CITY)
    own = {holder.code for holder in holders(subject, by)} - {"-"}
    return dataclasses.replace(
        found,
        holdings=tuple(each for each in found.holdings if each.holder.code in own),
        unknown=tuple(each for each in found.unknown if each.code in own),
    )
