"""Sign-ins and their refresh tokens, which are good once; and the states of sign-ins with GitHub, which are too.

Nothing here holds a token: what is kept and asked for is its hash.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from database.queries import load
from database.users import User

SQL = load("sessions.sql")
LEEWAY_S = 10
Connection = psycopg.Connection[Any]


class Reused(Exception):
    """A refresh token came again: it was stolen, or what took its place was. Its session is over."""


@dataclass(frozen=True)
class Account:
    """A user in a session, and for which organization, if for one, and in which role."""

    user: User
    session_id: UUID | None
    organization: tuple[UUID, str] | None


def begin(connection: Connection, user_id: UUID, hash: bytes, *, lifetime_s: int) -> UUID:
    """A session with its first refresh token."""
    values = {"user_id": user_id, "hash": hash, "lifetime_s": lifetime_s}
    connection.execute(SQL["tidy"], values)
    row = connection.execute(SQL["begin"], values).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def rotate(connection: Connection, hash: bytes, next: bytes, *, lifetime_s: int) -> Account | None:
    """Let `next` take the token's place. None if there is no such token, or its time or session is over.

    Asked again within `LEEWAY_S`, before `next` was used, it is the same answer. Raises `Reused`.
    """
    values = {"hash": hash, "next": next, "lifetime_s": lifetime_s, "leeway_s": LEEWAY_S}
    row = connection.execute(SQL["rotate"], values).fetchone()
    row = row or connection.execute(SQL["repeated"], values).fetchone()
    if row is None:
        if connection.execute(SQL["revoke_reused"], values).fetchone():
            raise Reused
        return None
    connection.execute(SQL["forget_expired"], {"session_id": row[0]})
    return account(connection, row[0])


def account(connection: Connection, session_id: UUID) -> Account | None:
    return read_account(connection.execute(SQL["account"], {"session_id": session_id}).fetchone())


def acting(connection: Connection, user_id: UUID, organization_id: UUID | None) -> Account | None:
    """The user acting for the organization, if an active member of it; None if the account is gone."""
    values = {"user_id": user_id, "organization_id": organization_id}
    return read_account(connection.execute(SQL["acting"], values).fetchone())


def read_account(row: tuple[Any, ...] | None) -> Account | None:
    if row is None:
        return None
    session_id, organization_id, role, *user = row
    return Account(User(*user), session_id, (organization_id, role) if organization_id else None)


def revoke(connection: Connection, *, hash: bytes | None = None, session_id: UUID | None = None) -> None:
    connection.execute(SQL["revoke"], {"hash": hash, "session_id": session_id})


def switch(
    connection: Connection, session_id: UUID | None, user_id: UUID, organization_id: UUID | None
) -> Account | None:
    """Let the session's next access tokens act for this organization, or for none. None if the session is over."""
    values = {"session_id": session_id, "user_id": user_id, "organization_id": organization_id}
    row = connection.execute(SQL["switch"], values).fetchone()
    return account(connection, row[0]) if row else None


def use_state(connection: Connection, hash: bytes, *, lifetime_s: int) -> bool:
    """Use up a state; False if it has been."""
    return connection.execute(SQL["use_state"], {"hash": hash, "lifetime_s": lifetime_s}).fetchone() is not None
