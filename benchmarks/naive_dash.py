"""The naive way: every case in a frame in memory, filtered and grouped in each callback.

Runs in a process of its own (``python -m benchmarks.naive_dash``), whose memory is the answer.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import sqlalchemy as sa
from flask import Flask

from benchmarks.processes import run
from benchmarks.report import Figure
from data_access.question import ask
from data_access.versions import VersionKey
from domain.scope import CITY

# A frame of all cases takes some kilobytes per case while it is read: above this many, a sample.
MOST_ROWS = 4_000_000
_SAMPLE = 1_000_000
_WEEKS = 26
_LONGEST_SECONDS = 900
_MEANS = ("contacted", "resolved", "satisfaction", "on_time")


def measure(server: Flask, data_dir: Path, cases: int) -> list[Figure]:
    """Return time and memory of the naive way on the same data."""
    question = ask(server.extensions["board_store"], CITY, "")
    key = VersionKey(question.snapshot.line, question.snapshot.version)
    windows = [(f"{w.start}", f"{w.end}") for _, w in question.windows]
    one_in = 1 if cases <= MOST_ROWS else -(-cases // _SAMPLE)
    path = data_dir / "versions" / key.line / f"{key.version:06d}.duckdb"
    command = [sys.executable, "-m", "benchmarks.naive_dash", str(path), str(one_in)]
    found = json.loads(run([*command, json.dumps(windows)], data_dir, _LONGEST_SECONDS).output)
    note = f"≈ extrapolated from one case in {one_in}" if one_in > 1 else ""
    return [
        Figure("naive: pd.read_sql of the cases", one_in * found["read"], "s", "", note),
        Figure("naive: memory of the frame, each worker", one_in * found["frame"] / 1e6, "MB", "",
               note),
        Figure("naive: memory while reading, at most", one_in * found["peak"] / 1e6, "MB", "",
               note),
        Figure("naive: one filter change, filter and groupby only", one_in * found["change"] * 1000,
               "ms", "", "; ".join(filter(None, ["no drawing", note]))),
    ]  # fmt: skip


def _answer(path: str, one_in: int, windows: list[tuple[str, str]]) -> dict[str, float]:
    engine = sa.create_engine(
        sa.URL.create("duckdb", database=path), connect_args={"read_only": True}
    )
    before, started = psutil.Process().memory_info().rss, time.perf_counter()
    cases = pd.read_sql(f"SELECT * FROM cases WHERE hash(case_id) % {one_in} = 0", engine)
    read = time.perf_counter() - started
    frame = psutil.Process().memory_info().rss - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    # Once, as a careful author would: dates that compare, answers that have a mean.
    cases["created_on"] = pd.to_datetime(cases["created_on"])
    cases[list(_MEANS)] = cases[list(_MEANS)].astype("float64")
    started = time.perf_counter()
    _change(cases, windows)
    return {
        "read": read,
        "frame": frame,
        "peak": peak,
        "change": time.perf_counter() - started,
    }


def _change(cases: pd.DataFrame, windows: list[tuple[str, str]]) -> None:
    """Do what callbacks of an overview do: rates by place, by category and by week."""
    rates = {"case_id": "count", **dict.fromkeys(_MEANS, "mean")}
    counted = cases["assessed"] & ~cases["excluded"]
    for start, end in windows:
        chosen = cases[counted & cases["created_on"].between(start, end)]
        chosen.groupby("district_id").agg(rates)
        chosen.groupby("category_id").agg(rates)
    end_day = pd.Timestamp(windows[0][1])
    first_day = end_day - pd.Timedelta(weeks=_WEEKS)
    recent = cases[counted & cases["created_on"].between(first_day, end_day)]
    recent.groupby([recent["created_on"].dt.to_period("W"), "district_id"]).agg(rates)


if __name__ == "__main__":
    print(json.dumps(_answer(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))))
