"""The exceptions of a question: what 总览 begins with and a packet (简报) repeats."""

from __future__ import annotations

import pandas as pd

from data_access.case_counts import UNPLACED, Group, counts_by_window, days_with_cases
from data_access.office.commitments import stamp
from data_access.question import Question
from domain.commitments import promise_exceptions
from domain.comparison import aligned, of_window
from domain.periods import present
from domain.signals import (
    Checked,
    data_problems,
    falling_rates,
    overdue_stock,
    shrinking_denominators,
    targeting_exceptions,
    together,
    topic_exceptions,
)
from pages._answers import book, reader
from pages._commitments import chosen, judged
from pages._programme import lines, year_of
from pages._targeting import subject_of, targeting_of


def group_of(question: Question) -> Group:
    """Return by what places are compared: streets within a district, else districts."""
    filters = question.filters
    one = len(question.snapshot.reference.districts) == 1
    return "subdistrict" if filters.district or filters.subdistrict or one else "district"


def places_of(question: Question) -> pd.DataFrame:
    """Return the places compared (``code``, ``name``, tile places, population), in order."""
    reference, filters = question.snapshot.reference, question.filters
    if group_of(question) == "district":
        return reference.districts
    streets, districts = reference.subdistricts, reference.districts
    if filters.subdistrict:
        return streets[streets["code"].isin(list(filters.subdistrict))]
    if filters.district:
        chosen_ids = districts.loc[districts["code"].isin(list(filters.district)), "id"]
        return streets[streets["district_id"].isin(chosen_ids)]
    return streets


def exceptions_of(question: Question) -> Checked:
    """Return the exceptions among the places compared, the topics, the lists and the commitments.

    Kept by the hour, because stale data is one, and until the next entry of a commitment.

    Raises:
        OfficeError: the office book cannot be opened.
    """
    key = (
        "exceptions", reader(), question.canonical, f"{present():%Y-%m-%d %H}", stamp(book()),
    )  # fmt: skip
    return question.snapshot.cached(key, lambda: _checked(question))


def _checked(question: Question) -> Checked:
    snapshot, rules, filters = question.snapshot, question.rules, question.filters
    places, group, window = places_of(question), group_of(question), question.period.window
    rows = counts_by_window(snapshot, reader(), filters, question.windows, group)
    cases = of_window(rows, "now")
    now = aligned(cases, places)
    unplaced = int(cases.loc[cases["code"] == UNPLACED, "cases"].sum())
    missing = window.days - days_with_cases(snapshot, reader(), filters, window)
    clock = None if snapshot.is_demo else present()
    results = [
        overdue_stock(places, now, rules),
        data_problems(snapshot.cutoff, clock, missing, unplaced, int(cases["cases"].sum()), rules),
    ]
    if question.compared:
        name, compared = question.compared
        before = aligned(of_window(rows, name), places)
        assessed, everything = (
            counts_by_window(
                snapshot, reader(), filters.narrowed(basis=basis), question.windows, group
            )
            for basis in ("assessed", "all")
        )
        results += [
            falling_rates(places, now, before, rules, (window.days, compared.days)),
            shrinking_denominators(
                places,
                aligned(of_window(assessed, "now"), places),
                aligned(of_window(assessed, name), places),
                aligned(of_window(everything, "now"), places),
                aligned(of_window(everything, name), places),
                rules,
            ),
        ]
    if not (filters.district or filters.subdistrict):
        # Progress is the city's: a district's page hears of its own. Who asks about a topic hears
        # of no other.
        found = [
            line
            for line in lines(question, year_of(question))
            if not filters.topic or line.topic.code in filters.topic
        ]
        results.append(topic_exceptions([line.state for line in found]))
    subject = None if filters.subdistrict else subject_of(question)
    if subject is not None and (not filters.topic or subject.topic.code in filters.topic):
        listed = targeting_exceptions(targeting_of(subject, "district"))
        own = [each for each in listed.signals if each.code in filters.district]
        results.append(Checked(tuple(own), len(filters.district)) if filters.district else listed)
    if not filters.subdistrict:
        # Nobody promises anything of one street.
        results.append(promise_exceptions(chosen(question, judged(question))))
    return together(*results)
