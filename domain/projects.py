"""The project ledger (小台账): what is stuck, since when, and who holds it together."""

from __future__ import annotations

import bisect
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from domain.filters import Filters, Sort
from domain.schedule import Figures

NAN = float("nan")
Grouping = Literal["subdistrict", "project", "developer", "cause"]
# What joins several causes of one project.
AND = "＋"


@dataclass(frozen=True)
class LogEntry:
    """What happened to a project on a day: a stage entered, more done, a remark; None: the same."""

    on_date: dt.date
    stage: str | None
    done: int | None
    note: str | None


class StageSpan(NamedTuple):
    """A stage with the day it was entered and the day it was left; None: it goes on."""

    stage: str
    entered_on: dt.date
    left_on: dt.date | None


@dataclass(frozen=True)
class Project:
    """A project of the ledger at the data cut-off; "" and None stand for not known.

    ``district`` and ``subdistrict`` are codes. ``log``: in order of date, up to the cut-off.
    """

    code: str
    name: str
    target: str
    district: str
    district_name: str
    subdistrict: str
    subdistrict_name: str
    community: str
    units: int
    done: int
    stage: str
    stage_since: dt.date | None
    developer: str
    owner: str
    blocker: str
    next_step: str
    deadline: dt.date | None
    causes: tuple[str, ...]
    log: tuple[LogEntry, ...] = ()

    @property
    def remaining(self) -> int:
        """Units not done yet."""
        return max(self.units - self.done, 0)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.remaining == 0

    @property
    def figures(self) -> Figures:
        """Cumulative done by date, as far as the log knows it."""
        return tuple(
            (entry.on_date, float(entry.done)) for entry in self.log if entry.done is not None
        )

    @property
    def moved_on(self) -> dt.date | None:
        """The last day on which stage or done changed; the day of its stage without a log."""
        moved = [
            entry.on_date for entry in self.log if entry.stage is not None or entry.done is not None
        ]
        return moved[-1] if moved else self.stage_since

    def quiet_weeks(self, as_of: dt.date) -> int | None:
        """Return the whole weeks without movement; None when the last movement is not known."""
        return None if self.moved_on is None else max((as_of - self.moved_on).days // 7, 0)

    def weeks_in_stage(self, as_of: dt.date) -> int | None:
        """Return the whole weeks in the present stage; None when its start is not known."""
        return None if self.stage_since is None else max((as_of - self.stage_since).days // 7, 0)

    @property
    def stages(self) -> tuple[StageSpan, ...]:
        """The stages so far as the log knows them, the present one last, since the day it is said.

        The log may only have begun when a project stood in its stage for long.
        """
        entered = [(entry.stage, entry.on_date) for entry in self.log if entry.stage is not None]
        since = self.stage_since
        if since is not None:
            entered = [each for each in entered if each[1] < since]
            while entered and entered[-1][0] == self.stage:
                entered.pop()
            entered.append((self.stage, since))
        left = [*(on for _, on in entered[1:]), None][: len(entered)]
        return tuple(
            StageSpan(name, on, end) for (name, on), end in zip(entered, left, strict=True)
        )

    def overdue_days(self, as_of: dt.date) -> int:
        """Return the days by which an unfinished project is past its deadline; 0 when it is not."""
        if self.finished or self.deadline is None:
            return 0
        return max((as_of - self.deadline).days, 0)


@dataclass(frozen=True)
class Durations:
    """How long projects usually take: weeks from a stage to the end, and weeks a cause adds.

    ``stages`` is in the order of the stages; a stage or cause of unknown length is absent.
    """

    stages: Mapping[str, float]
    causes: Mapping[str, float]
    order: tuple[str, ...] = ()

    def weeks_of_stage(self, stage: str) -> float:
        """Return the usual weeks of a stage alone: to its end, less those of the next stage.

        NaN for the last stage and where a length is not known.
        """
        if stage not in self.order or stage == self.order[-1]:
            return NAN
        following = self.order[self.order.index(stage) + 1]
        return self.stages.get(stage, NAN) - self.stages.get(following, NAN)

    def weeks_needed(self, project: Project) -> float:
        """Return the usual weeks until a project is finished; NaN when its stage has none.

        Causes are worked on side by side: the longest counts. Where something is done already,
        the causes are out of the way.
        """
        weeks = self.stages.get(project.stage, NAN)
        if project.done:
            return weeks
        return weeks + max((self.causes.get(cause, 0.0) for cause in project.causes), default=0.0)


def chosen(projects: Sequence[Project], filters: Filters, as_of: dt.date) -> tuple[Project, ...]:
    """Return the projects that district, subdistrict, stage, cause and ``stuck`` ask for.

    Several values of one are alternatives; the five narrow each other. Stuck is what is not
    finished and has had no movement for so many weeks; not so what nobody knows of.
    """
    weeks = filters.number("stuck")

    def stuck(project: Project) -> bool:
        quiet = project.quiet_weeks(as_of)
        return not weeks or (not project.finished and quiet is not None and quiet >= weeks)

    return tuple(
        project
        for project in projects
        if (not filters.district or project.district in filters.district)
        and (not filters.subdistrict or project.subdistrict in filters.subdistrict)
        and (not filters.stage or project.stage in filters.stage)
        and (not filters.cause or not set(filters.cause).isdisjoint(project.causes))
        and stuck(project)
    )


def ordered(projects: Sequence[Project], sort: Sort, as_of: dt.date) -> tuple[Project, ...]:
    """Return the projects in an order; what is finished or not known comes last, ties by size.

    ``remaining``: most left first. ``quiet``: longest without movement first. ``deadline``: the
    next to come first, then those that are past. ``overdue``: longest past first, then the next.
    """

    def key(project: Project) -> tuple[float, ...]:
        since, due = project.moved_on, project.deadline
        if sort == "remaining" or project.finished:
            return (float(project.finished),)
        if sort == "quiet":
            return (0.0, since.toordinal()) if since is not None else (0.0, math.inf)
        if due is None:
            return (0.0, 2.0)
        first = (due >= as_of) == (sort == "deadline")
        days = due.toordinal() if sort == "overdue" or due >= as_of else -due.toordinal()
        return (0.0, 0.0 if first else 1.0, days)

    return tuple(sorted(projects, key=lambda each: (*key(each), -each.remaining, each.code)))


def by_cause(projects: Sequence[Project]) -> dict[str, list[Project]]:
    """Return cause → projects that have it: one with several causes stands in each.

    The key "" has those whose cause is not known; it is left out when there are none.
    """
    found: dict[str, list[Project]] = {}
    for project in projects:
        for cause in project.causes or ("",):
            found.setdefault(cause, []).append(project)
    return found


def place_by_remaining(project: Project, projects: Sequence[Project]) -> int:
    """Return the place of a project by what is left, the largest first; equals share a place."""
    return 1 + sum(each.remaining > project.remaining for each in projects)


def group_key(project: Project, by: Grouping) -> tuple[str, str]:
    """Return code and name of the group a project belongs to; ("", "") for not known.

    Causes are grouped as they come together, so that no unit is counted twice.
    """
    if by == "project":
        return project.code, project.name
    if by == "developer":
        return project.developer, project.developer
    if by == "cause":
        together = AND.join(project.causes)
        return together, together
    return project.subdistrict, project.subdistrict_name


def grouped(projects: Sequence[Project], by: Grouping) -> dict[tuple[str, str], list[Project]]:
    """Return (code, name) → projects, in the order in which groups first appear."""
    groups: dict[tuple[str, str], list[Project]] = {}
    for project in projects:
        groups.setdefault(group_key(project, by), []).append(project)
    return groups


def done_at(projects: Sequence[Project], days: Sequence[dt.date]) -> Figures:
    """Return what projects had done together at the end of each day.

    The log only has changes: silence is a report of nothing done, hence the days are given. What
    a project without a log has done is counted on the last day only: nobody knows since when.

    Args:
        projects: of one group.
        days: in order.
    """
    total = np.zeros(len(days))
    for project in projects:
        figures = project.figures
        if not figures:
            if len(total):
                total[-1] += project.done
            continue
        dates = [on for on, _ in figures]
        values = np.array([0.0, *(value for _, value in figures)])
        total += values[[bisect.bisect_right(dates, day) for day in days]]
    return tuple(zip(days, total.tolist(), strict=True))
