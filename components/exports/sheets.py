"""Tables that leave the product: what a sheet is, and the links that fetch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from dash import html
from dash.development.base_component import Component

Kind = Literal["text", "count", "amount", "share", "date"]
Cell: TypeAlias = object  # str, int, float (NaN: empty), date, datetime or None

FORMATS: dict[str, str] = {"xlsx": "Excel", "csv": "CSV"}


@dataclass(frozen=True)
class Head:
    """One column of a sheet: its title, with the unit in it, and what its cells are.

    ``kind``: text; count, a whole number; amount, a number; share, a fraction 0–1 that is shown
    as percent; date.
    """

    title: str
    kind: Kind = "text"
    decimals: int = 1  # of a share or an amount
    wide: bool = False


@dataclass(frozen=True)
class Sheet:
    """One table: rows of cells in the order of the columns, and a row of totals."""

    name: str  # of the tab, at most 31 characters
    columns: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None = None

    def __post_init__(self) -> None:
        for row in [*self.rows, *([self.total] if self.total is not None else [])]:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells for {len(self.columns)} columns: {row!r}")


@dataclass(frozen=True)
class LongSheet:
    """One table that is too long to hold in memory: its rows come when the file is written.

    ``batches`` returns the rows from the first on, some at a time, each row in the order of the
    columns.
    """

    name: str
    columns: Sequence[Head]
    batches: Callable[[], Iterable[Sequence[Sequence[Cell]]]]


@dataclass(frozen=True)
class Export:
    """What is exported, and what its figures rest on.

    ``about``: term and words: filters, period, 口径, cut-off, data version, source; they are on
    the first sheet, and at the head of a CSV file. ``sheets``: a CSV file has the first only.
    """

    title: str
    about: Sequence[tuple[str, str]]
    sheets: Sequence[Sheet | LongSheet] = field(default_factory=tuple)

    @property
    def is_long(self) -> bool:
        """Whether it is written to a file rather than to memory."""
        return any(isinstance(sheet, LongSheet) for sheet in self.sheets)


def rows_of(sheet: Sheet | LongSheet) -> Iterable[Sequence[Sequence[Cell]]]:
    """Return the rows of a sheet, some at a time; the totals are not among them."""
    return sheet.batches() if isinstance(sheet, LongSheet) else [sheet.rows]


def export_links(name: str, search: str, label: str) -> list[Component]:
    """Return the links that fetch an export, one per format.

    Args:
        name: of the export, as it is registered.
        search: the complete query string of the view.
        label: what is fetched, for screen readers.
    """
    return [
        html.A(
            words,
            href=f"/export/{name}.{suffix}{search}",
            className="action",
            title=f"下载{label}（{words}）",
            # The browser stays where it is; the server names the file.
            download="",
        )
        for suffix, words in FORMATS.items()
    ]
