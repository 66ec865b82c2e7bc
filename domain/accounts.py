"""Roles and what each may do: a plain table, which docs/accounts.md repeats."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from domain.scope import CITY, NOTHING, Scope

Role = Literal["leader", "supervisor", "district", "unit", "data_officer", "auditor"]
Permission = Literal[
    "figures", "ledger", "plan", "export", "packets", "commitments", "loads", "rules", "audit"
]
Limit = Literal["", "district", "unit"]

PERMISSION_LABELS: dict[Permission, str] = {
    "figures": "看数据",
    "ledger": "看工单",
    "plan": "达标方案",
    "export": "导出",
    "packets": "简报",
    "commitments": "承诺台账",
    "loads": "导入记录",
    "rules": "口径",
    "audit": "审计",
}


@dataclass(frozen=True)
class RoleEntry:
    """One role: its name, what it may do, and by which places or units its data is limited."""

    label: str
    permissions: frozenset[Permission]
    limit: Limit = ""


ROLES: dict[Role, RoleEntry] = {
    "leader": RoleEntry("市领导", frozenset({"figures", "ledger", "plan"})),
    "supervisor": RoleEntry(
        "督查", frozenset({"figures", "ledger", "plan", "export", "packets", "commitments"})
    ),
    "district": RoleEntry("区", frozenset({"figures", "ledger", "export"}), "district"),
    "unit": RoleEntry("承办单位", frozenset({"figures", "ledger", "plan", "export"}), "unit"),
    "data_officer": RoleEntry("数据管理", frozenset({"figures", "loads", "rules"})),
    "auditor": RoleEntry("审计", frozenset({"audit"})),
}
EVERYTHING: frozenset[Permission] = frozenset(PERMISSION_LABELS)

# The first part of a page's path, or of its module's name → what it takes to open it.
_PAGES: dict[str, Permission] = {
    "cases": "ledger",
    "case": "ledger",
    # It is made of the projects of every district.
    "plan": "plan",
    "brief": "packets",
    "packet": "packets",
    "audit": "audit",
}


def permission_of_page(name: str) -> Permission:
    """Return what it takes to open a page: "/cases/…" and "pages.cases" name the same."""
    return _PAGES.get(name.removeprefix("pages.").lstrip("/_").split("/")[0], "figures")


@dataclass(frozen=True)
class Reader:
    """Who asks: an account, or whoever sits at a workstation where nobody has to sign in."""

    account: str
    label: str
    permissions: frozenset[Permission]
    scope: Scope
    can_sign_out: bool = field(default=True, compare=False)

    def may(self, permission: Permission) -> bool:
        """Return whether the reader may do something."""
        return permission in self.permissions


WORKSTATION = Reader("本机", "免登录", EVERYTHING, CITY, can_sign_out=False)
NOBODY = Reader("", "", frozenset(), NOTHING, can_sign_out=False)


def reader_of(
    account: str, role: Role, places: frozenset[str], *, can_sign_out: bool = True
) -> Reader:
    """Return the reader of an account.

    Args:
        account: its name.
        role: its role.
        places: codes of districts or units, as the role is limited; others need none.
        can_sign_out: whether signing out here means anything.
    """
    entry = ROLES[role]
    if not entry.permissions & {"figures", "ledger", "export"}:
        scope = NOTHING
    elif entry.limit == "district":
        scope = Scope(districts=places)
    elif entry.limit == "unit":
        scope = Scope(units=places)
    else:
        scope = CITY
    return Reader(account, entry.label, entry.permissions, scope, can_sign_out)


def account_name(text: str) -> str | None:
    """Return a name as accounts are found by it: one width, lower case; None if it is no name."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    sound = 0 < len(name) <= 60 and name.isprintable() and not any(map(str.isspace, name))
    return name if sound else None


# How long a password must be; its kinds of characters do not matter (NIST SP 800-63B).
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200


def password_problem(password: str, account: str) -> str | None:
    """Return in Chinese why a text cannot be a password; None when it can."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return f"密码须为{SHORTEST_PASSWORD}至{LONGEST_PASSWORD}个字符"
    if len(set(password)) < 5 or account in password.casefold():
        return "密码过于简单：不可多为同一字符，也不可含账号名"
    return None


def pause_seconds(failures: int, allowed: int) -> int:
    """Return for how long sign-in pauses after so many failures in a row: 30 s, doubling to 1 h."""
    over = failures - allowed
    return 0 if over < 0 else min(30 * 2 ** min(over, 10), 3600)
