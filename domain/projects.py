"""The project ledger (小台账): what is stuck, since when, and who holds it together."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

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

    def weeks_needed(self, project: Project) -> float:
        """Return the usual weeks until a project is finished; NaN when its stage has none.

        Causes are worked on side by side: the longest counts. Where something is done already,
        the causes are out of the way.
        """
        weeks = self.stages.get(project.stage, NAN)
        if project.done:
            return weeks
        return weeks + max((self.causes.get(cause, 0.0) for cause in project.causes), default=0.0)


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
