"""Figures beside their budgets, as a Markdown table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# From this many cases on the budgets of the second column hold.
LARGE = 10_000_000


@dataclass(frozen=True)
class Budget:
    """The limit for about 3 million cases and for about 30 million; None: there is none."""

    small: float
    large: float | None
    at_least: bool = False


BUDGETS: dict[str, Budget] = {
    "cold": Budget(150, 250),
    "cached": Budget(20, 20),
    "ratio": Budget(3, 3),
    "click_median": Budget(500, 600),
    "click_p95": Budget(900, 1000),
    "first_bytes": Budget(1000, 1000),
    "first_time": Budget(2.5, 2.5),
    "next_bytes": Budget(60, 60),
    "next_time": Budget(1.2, 1.2),
    "ledger_page": Budget(150, 300),
    "ledger_count": Budget(300, 1000),
    "worker": Budget(500, 700),
    "load": Budget(60_000, 60_000, at_least=True),
    "demo": Budget(120, None),
    "crowd": Budget(600, 900),
    "errors": Budget(0, 0),
}


@dataclass(frozen=True)
class Figure:
    """One measured value; ``budget`` is a key of ``BUDGETS``, empty for a value without one."""

    measure: str
    value: float
    unit: str
    budget: str = ""
    note: str = ""

    def limit(self, cases: int) -> float | None:
        """The budget for this many cases."""
        budget = BUDGETS.get(self.budget)
        if budget is None:
            return None
        return budget.large if cases >= LARGE else budget.small

    def within(self, cases: int) -> bool | None:
        """Whether the value keeps to its budget; None without one."""
        limit = self.limit(cases)
        if limit is None:
            return None
        return self.value >= limit if BUDGETS[self.budget].at_least else self.value <= limit

    def row(self, cases: int) -> str:
        """The row of the Markdown table."""
        limit, within = self.limit(cases), self.within(cases)
        sign = "≥" if limit is not None and BUDGETS[self.budget].at_least else "≤"
        budget = "" if limit is None else f"{sign} {_number(limit)}"
        mark = {None: "", True: "ok", False: "**over**"}[within]
        value = f"{_number(self.value)} {self.unit}".strip()
        return f"| {self.measure} | {value} | {budget} | {mark} | {self.note} |"

    def as_json(self, cases: int) -> dict[str, object]:
        """The same for a program."""
        return {
            "measure": self.measure,
            "value": self.value,
            "unit": self.unit,
            "budget": self.limit(cases),
            "within": self.within(cases),
            "note": self.note,
        }


def _number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure], cases: int) -> str:
    """Return the Markdown table of figures."""
    head = ["| measure | figure | budget | | note |", "|---|---:|---:|---|---|"]
    return "\n".join(head + [figure.row(cases) for figure in figures])


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """Return the smallest value that 95 % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
