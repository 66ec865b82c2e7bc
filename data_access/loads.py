"""The history of loads and the findings of the data in use."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select

from data_access import schema
from data_access.store import Snapshot


def loads(snapshot: Snapshot) -> pd.DataFrame:
    """Return one row per loaded file, newest first, with the columns of ``schema.loads``."""
    return snapshot.cached(("loads",), lambda: _loads(snapshot))


def _loads(snapshot: Snapshot) -> pd.DataFrame:
    table = schema.loads
    statement = select(table).order_by(table.c.loaded_at.desc(), table.c.source)
    with snapshot.engine.connect() as connection:
        return pd.read_sql(statement, connection)
