"""Who may see what. Every query takes a scope; nothing a browser sends can widen it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The part of the data a reader may see; ``districts`` None is the whole city."""

    districts: frozenset[str] | None = None


CITY = Scope()
