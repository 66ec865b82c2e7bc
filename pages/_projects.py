"""What the pages of the project ledger share: the target, its projects, the day, the rules."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple
from urllib.parse import quote

from data_access.programme import topic_years, topics_of_year
from data_access.projects import durations, projects_of
from data_access.question import Question
from domain.filters import to_search
from domain.programme import Topic
from domain.projects import Durations, Project
from domain.rules import Rules, rules_in_force
from domain.schedule import Target
from pages._answers import reader
from pages._programme import year_of

PATH = "/projects"
# What the ledger does not know; everything else that is chosen is said to be left out.
IGNORED = ("topic", "category", "channel", "unit")


class Ledger(NamedTuple):
    """The projects of a target that the reader may see, as the data cut-off finds them."""

    question: Question
    topic: Topic
    target: Target
    projects: tuple[Project, ...]
    usual: Durations
    as_of: dt.date
    rules: Rules

    @property
    def days_left(self) -> int:
        """Days until the target is due; negative when they are over."""
        return (self.target.due_on - self.as_of).days

    def is_quiet(self, project: Project, weeks: int) -> bool:
        """Return whether an unfinished project has had no movement in the newest weeks."""
        quiet = project.quiet_weeks(self.as_of)
        return not project.finished and quiet is not None and quiet >= weeks

    def is_zero(self, project: Project) -> bool:
        """Return whether a project is 零: no movement in the weeks that the rules look at."""
        return self.is_quiet(project, self.rules.zero_weeks)

    def too_long(self, project: Project) -> bool:
        """Return whether an unfinished project usually takes longer than the target allows."""
        return not project.finished and 7 * self.usual.weeks_needed(project) > self.days_left

    def href(self, project: Project) -> str:
        """Return the link to a project's page, the other filters kept."""
        search = to_search(self.question.asked.narrowed(page=""))
        return f"{PATH}/{quote(project.code, safe='')}{search}"


def ledgers_of(question: Question) -> list[Ledger]:
    """Return the ledgers of all targets that have one: of the year first, then by stock, by code.

    Targets have units of their own: their projects are never added up.
    """
    snapshot = question.snapshot
    projects, usual = projects_of(snapshot, reader()), durations(snapshot)
    # The ledger is what it is at the cut-off, whatever period the cases are counted in.
    as_of = snapshot.cutoff.date()
    rules = rules_in_force(snapshot.rule_sets, as_of)
    known = {project.target for project in projects}
    found = [
        Ledger(
            question,
            topic,
            target,
            tuple(project for project in projects if project.target == target.code),
            usual,
            as_of,
            rules,
        )
        for year in topic_years(snapshot)
        for topic in topics_of_year(snapshot, year)
        for target in topic.targets
        if target.code in known
    ]
    year = year_of(question)

    def key(ledger: Ledger) -> tuple[bool, float, str]:
        stock = ledger.target.stock
        return ledger.topic.year != year, -stock if stock > 0 else 0.0, ledger.target.code

    return sorted(found, key=key)


def ledger_of(question: Question, code: str = "") -> Ledger | None:
    """Return the ledger of a target; the first when the code names none, None without any."""
    found = ledgers_of(question)
    return next((each for each in found if each.target.code == code), found[0] if found else None)
