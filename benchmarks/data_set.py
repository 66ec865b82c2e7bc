"""Demo data of a size, made once by the real generator and used again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import flask, run, served
from benchmarks.report import Figure
from data_access import schema

# Sixteen times the budget, and more for sizes without one.
_LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class DataSet:
    """Published demo data; the seconds are those of the day on which it was made."""

    directory: Path
    cases: int
    generate_seconds: float
    start_seconds: float
    peak_rss: int

    def figures(self) -> list[Figure]:
        """Return how long it took from nothing to the first answer of a server."""
        total = self.generate_seconds + self.start_seconds
        return [
            Figure(
                "demo from nothing to served", total, "s", "demo", f"{self.cases:,} cases generated"
            ),
            Figure("of these: until the server answers", self.start_seconds, "s"),
            Figure("memory of the generator, at most", self.peak_rss / 1e6, "MB"),
        ]


def demo_data(root: Path, cases: int) -> DataSet:
    """Return the demo data of this size below ``root``.

    It is generated if it is not there yet, or was made for other tables than today's.
    """
    directory = root / f"demo-{cases}"
    account = directory / "made.json"
    tables = _tables()
    if account.exists():
        made = json.loads(account.read_text("utf-8"))
        if made.pop("tables") == tables:
            return DataSet(directory, cases, **made)
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    generated = run(flask("data", "demo", "--cases", str(cases)), directory, _LONGEST_SECONDS)
    with served(directory) as server:
        start_seconds = server.seconds_to_start
    made = {
        "generate_seconds": generated.seconds,
        "start_seconds": start_seconds,
        "peak_rss": generated.peak_rss,
    }
    account.write_text(json.dumps({"tables": tables, **made}), encoding="utf-8")
    return DataSet(directory, cases, **made)


def _tables() -> dict[str, list[str]]:
    return {table.name: list(table.columns.keys()) for table in schema.metadata.sorted_tables}
