"""The state of a case packed in one small integer, and what each state counts towards.

Grouping by one integer instead of summing two dozen flags makes a query over the case table
several times faster, and keeps the combinations of contacted × resolved × satisfaction, from
which the error of any weighted mean of the three rates is exact.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas as pd

# outcome: 0 = not revisited yet, 1 = revisited without a valid answer, 2–19 = a valid revisit.
NOT_REVISITED = 0
REVISIT_FAILED = 1
RESOLVED_NO, RESOLVED_YES, RESOLVED_PARTLY = 0, 1, 2
SATISFACTION_OTHER, SATISFIED, BASICALLY_SATISFIED = 0, 1, 2
# 不满意 and 未评价 count the same in a rate but are different answers in the case table.
DISSATISFIED, NOT_RATED = 0, 3
# timeliness: 0 = open within its limit, or not known.
TIMELINESS_OPEN, ON_TIME, LATE, OVERDUE = 0, 1, 2, 3

OUTCOMES = 20
TIMELINESS = 4

# state = ((((outcome * 4 + timeliness) * 2 + closed) * 2 + mature) * 2 + shelved) * 2 + repeat
STATES = OUTCOMES * TIMELINESS * 16

# Plain counts, in the order of every frame of counts.
COUNTS = (
    "cases",
    "closed",
    "mature",
    "on_time",
    "late",
    "overdue",
    "shelved",
    "repeats",
    "revisited",
    "revisits",
    "contacted",
    "resolved",
    "partly_resolved",
    "satisfied",
    "basically_satisfied",
)
# Counts of cases with two answers at once: what the variance of the composite needs.
PAIRS = (
    "contacted_resolved",
    "contacted_partly_resolved",
    "contacted_satisfied",
    "contacted_basically_satisfied",
    "resolved_satisfied",
    "resolved_basically_satisfied",
    "partly_resolved_satisfied",
    "partly_resolved_basically_satisfied",
)
COUNT_COLUMNS = COUNTS + PAIRS
# The same as an index made once: making it anew costs more than most sums of counts.
# As objects: choosing columns takes half the time that it does by strings of Arrow.
COUNT_INDEX = pd.Index(COUNT_COLUMNS, dtype="object")


def outcome_of(contacted: int, resolved: int, satisfaction: int) -> int:
    """Return the outcome (2–19) of a valid revisit from its three answers."""
    return 2 + contacted * 9 + resolved * 3 + satisfaction


def state_of(
    outcome: int, timeliness: int, closed: int, mature: int, shelved: int, repeat: int
) -> int:
    """Return the packed state of a case."""
    packed = ((outcome * TIMELINESS + timeliness) * 2 + closed) * 2 + mature
    return (packed * 2 + shelved) * 2 + repeat


def states() -> pd.DataFrame:
    """Return one row per state: ``state`` (int) and what a case in it adds to each count (0 or 1).

    Columns: ``state`` and ``COUNT_COLUMNS`` but ``cases`` (which is always 1), all int16.
    """
    rows = []
    for outcome, timeliness, closed, mature, shelved, repeat in itertools.product(
        range(OUTCOMES), range(TIMELINESS), (0, 1), (0, 1), (0, 1), (0, 1)
    ):
        valid = outcome >= 2
        contacted, answers = divmod(outcome - 2, 9) if valid else (0, 0)
        resolved, satisfaction = divmod(answers, 3) if valid else (0, 0)
        row = {
            "state": state_of(outcome, timeliness, closed, mature, shelved, repeat),
            "closed": closed,
            "mature": mature,
            "on_time": timeliness == ON_TIME,
            "late": timeliness == LATE,
            "overdue": timeliness == OVERDUE,
            "shelved": shelved,
            "repeats": repeat,
            "revisited": outcome != NOT_REVISITED,
            "revisits": valid,
            "contacted": valid and contacted,
            "resolved": valid and resolved == RESOLVED_YES,
            "partly_resolved": valid and resolved == RESOLVED_PARTLY,
            "satisfied": valid and satisfaction == SATISFIED,
            "basically_satisfied": valid and satisfaction == BASICALLY_SATISFIED,
        }
        for pair in PAIRS:
            first = next(name for name in COUNTS if pair.startswith(name + "_"))
            row[pair] = bool(row[first] and row[pair.removeprefix(first + "_")])
        rows.append(row)
    return pd.DataFrame(rows).astype("int16").sort_values("state", ignore_index=True)


@functools.cache
def counts_by_state() -> np.ndarray:
    """Return what a case in each state adds to each count: STATES × ``COUNT_COLUMNS``, int64.

    Shared: nobody may change it.
    """
    table = states().assign(cases=1)
    by_state: np.ndarray = table[list(COUNT_COLUMNS)].to_numpy(dtype="int64")
    by_state.setflags(write=False)
    return by_state
