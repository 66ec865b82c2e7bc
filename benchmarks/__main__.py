"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import psutil
import sqlalchemy as sa
import structlog

from app import create_app
from benchmarks import (
    browser,
    conversation,
    crowd,
    endurance,
    ledger,
    load_speed,
    memory,
    naive_dash,
    raw_duckdb,
    server_time,
    yardstick,
)
from benchmarks.data_set import demo_data
from benchmarks.processes import on_citus
from benchmarks.report import Figure, table
from components.plain import make_elements_quickly
from data_access.settings import Settings
from data_access.store import Snapshot, Store

_USUAL = ("demo", "pages", "raw", "ledger", "naive", "browser", "memory", "load", "crowd")
# Takes minutes by its nature: only when it is asked for.
_PARTS = (*_USUAL, "endurance")
# The others compare with DuckDB itself, or take its files for their own.
_ON_A_SERVER = ("demo", "pages", "ledger", "browser", "memory")
_PACKAGES = ("dash", "plotly", "pandas", "duckdb", "gunicorn")


def main() -> int:
    """Measure, print and save; return 1 when a part could not be measured."""
    options = _options()
    options.data.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, object]] = []
    failed = False
    print(_machine(options.server))
    for cases in options.cases:
        print(f"\n## {cases:,} cases\n", flush=True)
        for name, part in _parts(options, cases).items():
            if name not in options.only:
                continue
            speed, started = yardstick.now(), time.perf_counter()
            try:
                figures = part()
            except Exception as error:  # the other parts are measured all the same
                failed = True
                print(f"### {name}: not measured\n\n{type(error).__name__}: {error}\n", flush=True)
                continue
            print(f"### {name} ({time.perf_counter() - started:.0f} s)\n\nBefore, {speed};")
            print(f"after, {yardstick.now()}.\n")
            print(table(figures, cases), "\n", flush=True)
            results += [{"cases": cases, "part": name, **one.as_json(cases)} for one in figures]
            if options.out:
                content = {"machine": _machine(options.server), "results": results}
                options.out.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=[3_000_000], metavar="N")
    parser.add_argument("--only", help=f"some of {','.join(_PARTS)}")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "board-benchmarks",
        help="where demo data is made and found again",
    )
    parser.add_argument("--repeat", type=int, default=5, help="times each thing is measured")
    parser.add_argument(
        "--load-rows", type=int, default=3_000_000, help="rows of the CSV file, at most"
    )
    parser.add_argument("--minutes", type=float, default=10, help="of the part endurance")
    parser.add_argument("--out", type=Path, help="save the figures as JSON")
    options = parser.parse_args()
    options.server = os.environ.get("TEST_DATABASE_URL", "")
    usual = _ON_A_SERVER if options.server else _USUAL
    options.only = options.only.split(",") if options.only else usual
    unknown = set(options.only) - set(_PARTS)
    if unknown:
        parser.error(f"--only: no such part: {', '.join(sorted(unknown))}")
    elsewhere = set(options.only) - set(_ON_A_SERVER)
    if options.server and elsewhere:
        parser.error(
            f"on DuckDB files only, unset TEST_DATABASE_URL: {', '.join(sorted(elsewhere))}"
        )
    options.data = options.data.resolve()
    return options


def _parts(options: argparse.Namespace, cases: int) -> dict[str, Callable[[], list[Figure]]]:
    """Return each part's name → how it is measured for a number of cases."""
    made = demo_data(options.data, cases, options.server)
    settings = Settings(
        data_dir=made.directory,
        database_url=made.database_url,
        citus=bool(made.database_url) and on_citus(),
        log_level="ERROR",
    )
    server = create_app(settings)
    make_elements_quickly()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    store: Store = server.extensions["board_store"]
    pages = conversation.pages(server)

    def snapshot() -> Snapshot:
        current = store.current()
        assert current is not None, "demo data was published"
        return current

    changes = conversation.filter_changes(snapshot())
    repeat = options.repeat
    return {
        "demo": made.figures,
        "pages": lambda: server_time.measure(server, pages, changes, repeat),
        "raw": lambda: raw_duckdb.measure(server, pages, changes, repeat),
        "ledger": lambda: ledger.measure(snapshot(), repeat),
        "naive": lambda: naive_dash.measure(server, made.directory, cases),
        "browser": lambda: browser.measure(made, pages, repeat),
        "memory": lambda: memory.measure(made, pages, changes),
        "load": lambda: load_speed.measure(snapshot(), options.data, min(cases, options.load_rows)),
        "crowd": lambda: crowd.measure(snapshot(), options.data, pages, changes),
        "endurance": lambda: endurance.measure(
            snapshot(), options.data, pages, changes, options.minutes
        ),
    }


def _machine(server: str) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    gigabytes = psutil.virtual_memory().total / 1e9
    return (
        f"{psutil.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
        f"{f', on {_version_of(server)}' if server else ''}"
    )


def _version_of(server: str) -> str:
    with sa.create_engine(server, poolclass=sa.NullPool).connect() as connection:
        shown = connection.execute(sa.text("SHOW server_version")).scalar_one()
        buffers = connection.execute(sa.text("SHOW shared_buffers")).scalar_one()
    return f"PostgreSQL {shown} with {buffers} of buffers"


if __name__ == "__main__":
    raise SystemExit(main())
