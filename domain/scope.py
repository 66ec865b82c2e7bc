"""Who may see what. Every query takes a scope; nothing a browser sends can widen it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Scope:
    """The part of the data a reader may see, whatever the role: hashable, part of every cache key.

    ``districts`` None is every district, ``units`` None every unit; an empty set is none. With
    both, a case must be in one of the districts and with one of the units.
    """

    districts: frozenset[str] | None = None
    units: frozenset[str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole city."""
        return self.districts is None and self.units is None

    def names(self, kind: str) -> frozenset[str] | None:
        """Return the own codes of "district" or "unit"; None where there is no limit."""
        return {"district": self.districts, "unit": self.units}.get(kind)

    def has_district(self, code: str) -> bool:
        """Return whether rows of a district may be seen as such."""
        return self.districts is None or code in self.districts


CITY = Scope()
NOTHING = Scope(districts=frozenset(), units=frozenset())


def own_position(
    values: Mapping[str, Value], own: Iterable[str], *, highest_first: bool = True
) -> dict[str, tuple[int, int]]:
    """Return own code → (position among all, number of all); ties share a position: 1, 2, 2, 4.

    What may be told of a ranking to a reader who must not see the others. A code without a value
    is left out.
    """
    ordered = sorted(values.values(), reverse=highest_first)  # type: ignore[type-var]
    return {code: (ordered.index(values[code]) + 1, len(ordered)) for code in own if code in values}
