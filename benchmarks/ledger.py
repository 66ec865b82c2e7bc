"""The ledger: pages, searches and counts, on a version of which nothing is kept."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from benchmarks.report import Figure, p95
from data_access import cases
from data_access.store import ResultCache, Snapshot
from domain.cases import listing
from domain.filters import CaseSort, Filters, Preset
from domain.periods import Window
from domain.scope import CITY

_PAGE = 50
_FAR = 1_000 * _PAGE - _PAGE
# In the demo: nowhere; in a few of ten thousand cases; one in a hundred; one in two; one in six, of
# more than two letters; two words.
_WORDS = ("量子", "远山苑", "供暖", "小区", "希望尽快", "远山苑 供暖")
_PRESETS: tuple[tuple[Preset, CaseSort], ...] = (
    ("repeat", "repeats"), ("returned", "newest"), ("group", "newest"), ("overdue", "overdue"),
)  # fmt: skip


def measure(snapshot: Snapshot, repeat: int) -> list[Figure]:
    """Return the time of the pages, searches and counts of all cases of the city; p95."""
    assert snapshot.first_day is not None
    cutoff = snapshot.cutoff.date()
    window = Window(snapshot.first_day, cutoff)
    rules = snapshot.rule_sets[-1]
    figures = []

    def add(name: str, budget: str, ask: Callable[[Snapshot], int]) -> None:
        times, found = [], 0
        # As with the pages the database is warm: the first one is not counted.
        for _ in range(1 + max(repeat, 10)):
            fresh = dataclasses.replace(snapshot, cache=ResultCache(64), searches=ResultCache(8))
            begun = time.perf_counter()
            found = ask(fresh)
            times.append(1000 * (time.perf_counter() - begun))
        figures.append(Figure(name, p95(times[1:]), "ms", budget, f"{found:,} found"))

    def both(name: str, filters: Filters, sort: CaseSort, *, far: bool) -> None:
        asked = listing(filters, window, cutoff, rules)

        def page(snapshot: Snapshot, skip: int = 0) -> int:
            return len(cases.page_of_cases(snapshot, CITY, asked, sort, _PAGE, skip=skip).cases)

        def count(snapshot: Snapshot) -> int:
            return cases.ladder(snapshot, CITY, asked, sort).total

        add(f"{name}: first page", "ledger_page", page)
        if far:
            add(f"{name}: page 1,000", "ledger_page", lambda fresh: page(fresh, _FAR))
        add(f"{name}: count", "ledger_count", count)

    both("every case", Filters(), "newest", far=True)
    district = str(snapshot.reference.districts["code"].iloc[0])
    both("a district", Filters(district=(district,)), "newest", far=True)
    for word in _WORDS:
        both(f"“{word}”", Filters(q=word), "newest", far=word == "小区")
    for preset, sort in _PRESETS:
        both(preset, Filters(preset=preset), sort, far=preset == "repeat")
    return figures
