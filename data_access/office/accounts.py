"""Accounts, their sessions, and the pauses after failed sign-ins."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data_access.office.book import Book, OfficeError, metadata
from data_access.settings import Settings
from domain.accounts import ROLES, Role, account_name, password_problem, pause_seconds
from domain.periods import present

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(60), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("places", sa.Text, nullable=False),  # JSON: codes of districts or units
    sa.Column("password", sa.String(200)),  # Argon2id; NULL: signs in elsewhere only
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("signed_in_at", sa.DateTime),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token", sa.String(64), primary_key=True),  # SHA-256 of what the browser holds
    sa.Column(
        "account_id",
        sa.Integer,
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("began_at", sa.DateTime, nullable=False),
    sa.Column("seen_at", sa.DateTime, nullable=False),
)
failed_sign_ins = sa.Table(
    "failed_sign_ins",
    metadata,
    sa.Column("who", sa.String(120), primary_key=True),  # account:… or a hash of the address
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", sa.DateTime, nullable=False),
    sa.Column("locked_until", sa.DateTime),
)

# RFC 9106, second recommendation: 64 MiB, three passes.
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@functools.cache
def _no_one() -> str:
    """Return a hash of random text, checked where there is no account: the time tells nothing."""
    return _hasher.hash(secrets.token_hex(16))


# A session is written to at most once in so long: reading pages must not queue for the write lock.
_SEEN_EVERY = dt.timedelta(minutes=1)
# After so long without a failure counting begins anew.
_FORGET = dt.timedelta(hours=24)


@dataclass(frozen=True)
class Account:
    """One account; ``places`` are codes of districts or units, as its role is limited."""

    id: int
    name: str
    role: Role
    places: frozenset[str]
    disabled: bool
    has_password: bool
    created_at: dt.datetime
    signed_in_at: dt.datetime | None


class PausedError(Exception):
    """Sign-in pauses after failures; ``until`` when."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__(f"{until:%H:%M:%S}")
        self.until = until


def has_accounts(book: Book) -> bool:
    """Return whether there is any account, disabled ones too."""

    def ask() -> bool:
        with book.reading() as connection:
            return connection.scalar(sa.select(accounts.c.id).limit(1)) is not None

    return book.remembered("has accounts", ask)


def list_accounts(book: Book) -> list[Account]:
    """Return all accounts in order of name."""
    with book.reading() as connection:
        rows = connection.execute(sa.select(accounts).order_by(accounts.c.name)).all()
    return [_account(row) for row in rows]


def account_of(book: Book, name: str) -> Account | None:
    """Return the account that may be used under a name; None without one, or when disabled."""
    known = account_name(name)
    with book.reading() as connection:
        row = connection.execute(sa.select(accounts).where(accounts.c.name == known)).first()
    return None if row is None or row.disabled else _account(row)


def add_account(
    book: Book, name: str, role: Role, places: Iterable[str], password: str | None
) -> Account:
    """Add an account.

    Raises:
        OfficeError: the name is taken or no name, the password is too weak, or the places do not
            fit the role.
    """
    known = account_name(name)
    if known is None:
        raise OfficeError("账号名须为1至60个字符，不含空格")
    own = frozenset(places)
    if bool(own) != bool(ROLES[role].limit):
        raise OfficeError(
            f"“{ROLES[role].label}”角色须用 --place 指明代码"
            if ROLES[role].limit
            else f"“{ROLES[role].label}”角色不限范围，不用 --place"
        )
    if password is not None and (problem := password_problem(password, known)):
        raise OfficeError(problem)
    values = {
        "name": known,
        "role": role,
        "places": json.dumps(sorted(own)),
        "password": None if password is None else _hasher.hash(password),
        "disabled": False,
        "created_at": present(),
    }
    try:
        with book.writing() as connection:
            connection.execute(accounts.insert().values(**values))
    except sa.exc.IntegrityError:
        raise OfficeError(f"账号“{known}”已存在") from None
    added = account_of(book, known)
    assert added is not None  # nobody deletes accounts
    return added


def set_disabled(book: Book, name: str, disabled: bool) -> None:
    """Disable an account, which ends its sessions with their next request, or enable it again.

    Raises:
        OfficeError: there is no such account.
    """
    _change(book, name, {"disabled": disabled})


def set_password(book: Book, name: str, password: str) -> None:
    """Give an account another password; its sessions end, a pause of the account too.

    Raises:
        OfficeError: there is no such account, or the password is too weak.
    """
    if problem := password_problem(password, account_name(name) or ""):
        raise OfficeError(problem)
    _change(book, name, {"password": _hasher.hash(password)})


def _change(book: Book, name: str, values: dict[str, object]) -> None:
    known = account_name(name)
    with book.writing() as connection:
        where = accounts.c.name == known
        if not connection.execute(accounts.update().where(where).values(**values)).rowcount:
            raise OfficeError(f"没有账号“{name}”")
        own = sa.select(accounts.c.id).where(where).scalar_subquery()
        connection.execute(sessions.delete().where(sessions.c.account_id == own))
        connection.execute(
            failed_sign_ins.delete().where(failed_sign_ins.c.who == _who_account(known or ""))
        )


def _account(row: sa.Row) -> Account:
    return Account(
        row.id,
        row.name,
        cast(Role, row.role),
        frozenset(json.loads(row.places)),
        row.disabled,
        row.password is not None,
        row.created_at,
        row.signed_in_at,
    )


# --- Signing in ---------------------------------------------------------------------------------


def sign_in(
    book: Book, settings: Settings, name: str, password: str, address: str
) -> Account | None:
    """Return the account that a name and a password open; None when they open none.

    A failure counts against the name, whether it exists or not, and against the address.

    Raises:
        PausedError: too many failures; the password was not even looked at.
    """
    known = account_name(name) or ""
    # The address itself is nobody's business after the pause: kept as a hash.
    hidden = hashlib.sha256(f"{book.secret('addresses')} {address}".encode()).hexdigest()
    limits = {
        _who_account(known): settings.failures_per_account,
        f"address:{hidden}": settings.failures_per_address,
    }
    # Counted as failed before it is tried: guesses sent at once must not all see a fresh count.
    _count_attempt(book, limits)
    with book.reading() as connection:
        row = connection.execute(sa.select(accounts).where(accounts.c.name == known)).first()
    kept = row.password if row is not None and row.password and not row.disabled else None
    if not _matches(kept or _no_one(), password[:1000]) or kept is None or row is None:
        return None
    with book.writing() as connection:
        connection.execute(failed_sign_ins.delete().where(failed_sign_ins.c.who.in_(list(limits))))
        if _hasher.check_needs_rehash(kept):
            connection.execute(
                accounts.update()
                .where(accounts.c.id == row.id, accounts.c.password == kept)
                .values(password=_hasher.hash(password))
            )
    return _account(row)


def _who_account(name: str) -> str:
    return f"account:{name}"


def _matches(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def _count_attempt(book: Book, limits: dict[str, int]) -> None:
    now = present()
    with book.writing() as connection:
        connection.execute(
            failed_sign_ins.delete().where(failed_sign_ins.c.last_at < now - _FORGET)
        )
        for who, allowed in limits.items():
            # One row per name and address, made before it is read, so that its lock is ours.
            _make_row(connection, who, now)
            counted = connection.execute(
                sa.select(failed_sign_ins).where(failed_sign_ins.c.who == who).with_for_update()
            ).one()
            if counted.locked_until is not None and counted.locked_until > now:
                raise PausedError(counted.locked_until)
            failures = counted.failures + 1
            pause = pause_seconds(failures, allowed)
            connection.execute(
                failed_sign_ins.update()
                .where(failed_sign_ins.c.who == who)
                .values(
                    failures=failures,
                    last_at=now,
                    locked_until=now + dt.timedelta(seconds=pause) if pause else None,
                )
            )


def _make_row(connection: sa.Connection, who: str, now: dt.datetime) -> None:
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(failed_sign_ins)
        .values(who=who, failures=0, last_at=now)
        .on_conflict_do_nothing()
    )


# --- Sessions -----------------------------------------------------------------------------------


def begin_session(book: Book, settings: Settings, account: Account) -> str:
    """Return the token of a new session; the book keeps only its hash."""
    token = secrets.token_urlsafe(32)
    now = present()
    with book.writing() as connection:
        connection.execute(
            sessions.delete().where(
                sa.or_(
                    sessions.c.began_at < now - dt.timedelta(hours=settings.session_hours),
                    sessions.c.seen_at < now - dt.timedelta(minutes=settings.session_idle_minutes),
                )
            )
        )
        connection.execute(
            sessions.insert().values(
                token=_hashed(token), account_id=account.id, began_at=now, seen_at=now
            )
        )
        connection.execute(
            accounts.update().where(accounts.c.id == account.id).values(signed_in_at=now)
        )
    return token


def account_of_session(book: Book, settings: Settings, token: str) -> Account | None:
    """Return whose session a token opens; None when it has ended or the account is disabled."""
    now = present()
    hashed = _hashed(token)
    statement = (
        sa.select(accounts, sessions.c.began_at, sessions.c.seen_at)
        .join(sessions, sessions.c.account_id == accounts.c.id)
        .where(sessions.c.token == hashed)
    )
    with book.reading() as connection:
        row = connection.execute(statement).first()
    if row is None or row.disabled:
        return None
    idle = dt.timedelta(minutes=settings.session_idle_minutes)
    if (
        row.seen_at + idle <= now
        or row.began_at + dt.timedelta(hours=settings.session_hours) <= now
    ):
        return None
    if now - row.seen_at >= min(_SEEN_EVERY, idle / 2):
        with book.writing() as connection:
            connection.execute(
                sessions.update().where(sessions.c.token == hashed).values(seen_at=now)
            )
    return _account(row)


def end_session(book: Book, token: str) -> None:
    """End a session; nothing happens when it has ended already."""
    with book.writing() as connection:
        connection.execute(sessions.delete().where(sessions.c.token == _hashed(token)))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
