"""How fast this machine is just now: two fixed pieces of work, for figures of other days.

A shared machine differs by a factor of two from one hour to the next, and a Python that was not
built with profile-guided optimisation takes up to half as long again as one that was.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import duckdb

_TIMES = 7
_QUERY = "SELECT i % 17, count(*), sum(i) FROM range(3000000) AS rows (i) GROUP BY ALL"


def now() -> str:
    """Return the milliseconds of both, the best of some, in words."""
    with duckdb.connect(config={"threads": 2}) as connection:
        query = _best(lambda: connection.execute(_QUERY).fetchall())
    return f"yardstick: Python {_best(_some_python):.0f} ms, DuckDB {query:.0f} ms"


def _best(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds)


def _some_python() -> str:
    """Do what drawing a page does: many small objects, looked up, ordered and joined as text."""
    rows = [{"name": str(number * 7919 % 10_000), "n": number} for number in range(20_000)]
    rows.sort(key=lambda row: (row["name"], row["n"]))
    names = {row["name"]: row["n"] for row in rows}
    return "".join(f"<td>{name}</td><td>{n:,}</td>" for name, n in names.items())
