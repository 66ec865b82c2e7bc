"""What pages that tell commitments share: all of them, each judged by the published data."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping

from data_access.case_counts import counts_by_window
from data_access.office.commitments import commitments_of, stamp
from data_access.programme import (
    progress_by_district,
    progress_by_target,
    topic_years,
    topics_of_year,
)
from data_access.projects import project_of_code
from data_access.question import Question
from domain.commitments import (
    PROJECT,
    RATES,
    Commitment,
    Outcome,
    RateReading,
    by_attention,
    by_progress,
    by_project,
    by_rate,
    in_words_only,
)
from domain.comparison import of_window
from domain.filters import Filters
from domain.metrics import METRICS, estimate, mature_share, total
from domain.periods import Window
from domain.schedule import Figures, Target
from pages._answers import book, reader

Judged = tuple[Commitment, Outcome]


def judged(question: Question) -> tuple[Judged, ...]:
    """Return every commitment that the reader may see with its outcome, by attention.

    Told at the data cut-off, whatever the period of the question.

    Raises:
        OfficeError: the office book cannot be opened.
    """
    snapshot = question.snapshot
    key = ("commitments", reader(), stamp(book()))
    return snapshot.cached(
        key,
        lambda: tuple(
            by_attention([(each, _outcome(question, each)) for each in commitments_of(
                book(), reader())])
        ),
    )  # fmt: skip


def chosen(question: Question, everything: tuple[Judged, ...]) -> tuple[Judged, ...]:
    """Return those about the districts and topics of the filters."""
    asked = question.filters
    return tuple(
        each
        for each in everything
        if (not asked.district or each[0].district in asked.district)
        and (not asked.topic or each[0].topic in asked.topic)
    )


def target_of_code(question: Question, code: str) -> tuple[Target, int] | None:
    """Return a target and the year of its topic; None when the data has none of this code."""
    return _targets(question).get(code)


def _targets(question: Question) -> Mapping[str, tuple[Target, int]]:
    snapshot = question.snapshot
    return snapshot.cached(
        ("targets by code",),
        lambda: {
            target.code: (target, year)
            for year in topic_years(snapshot)
            for topic in topics_of_year(snapshot, year)
            for target in topic.targets
        },
    )


def _outcome(question: Question, commitment: Commitment) -> Outcome:
    as_of = question.snapshot.cutoff.date()
    if not commitment.measure:
        return in_words_only(commitment, as_of)
    if commitment.measure == PROJECT:
        project = project_of_code(question.snapshot, reader(), commitment.project)
        figures = None if project is None else project.figures
        return by_project(commitment, figures, project.units if project else math.nan, as_of)
    if commitment.measure in RATES:
        return by_rate(commitment, _reading(question, commitment, as_of), as_of, question.rules)
    target, figures = _progress(question, commitment)
    return by_progress(commitment, target, figures, as_of)


def _progress(question: Question, commitment: Commitment) -> tuple[Target | None, Figures]:
    found = target_of_code(question, commitment.measure)
    if found is None:
        return None, ()
    target, year = found
    if commitment.district:
        rows = progress_by_district(question.snapshot, reader(), target.code)
        return target, rows.get(commitment.district, [])
    return target, progress_by_target(question.snapshot, year).get(target.code, ())


def _reading(question: Question, commitment: Commitment, as_of: dt.date) -> RateReading | None:
    """Return the promised rate in 考核口径 over the days of the promise that are known."""
    window = Window(commitment.made_on, min(commitment.due_on, as_of))
    if window.days <= 0:
        return None
    one = Filters(
        district=(commitment.district,) if commitment.district else (),
        topic=(commitment.topic,) if commitment.topic else (),
    )
    rows = counts_by_window(question.snapshot, reader(), one, (("now", window),), "district")
    counts = total(of_window(rows, "now"))
    metric = METRICS[commitment.measure]
    row = estimate(counts, metric, question.rules).iloc[0]
    ripe = not metric.needs_maturity or mature_share(counts).iloc[0] >= question.rules.mature_share
    return RateReading(
        float(row["value"]),
        0 if math.isnan(row["n"]) else int(row["n"]),
        float(row["low"]),
        float(row["high"]),
        "" if ripe else "诉求尚未成熟，回访未完",
    )
