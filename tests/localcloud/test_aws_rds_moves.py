"""PostgreSQL comes back on another port: what the cloud keeps still leads to its databases; all else stays."""

import json

import pytest

from localcloud.aws.rds_moves import corrected_text
from localcloud.aws.rds_postgres import Login

LOGINS = [Login("127.0.0.1", 15433, "miyabi_admin", "p%-~w", "miyabi"), Login("127.0.0.1", 15433, "o", "o", "other")]
LOGIN = {"host": "127.0.0.1", "port": 15432, "username": "miyabi_admin", "password": "p%-~w", "dbname": "miyabi"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (LOGIN | {"sslmode": "prefer"}, LOGIN | {"sslmode": "prefer", "port": 15433}),
        (LOGIN | {"port": "15432"}, LOGIN | {"port": "15433"}),
        (
            "postgresql://miyabi_admin:p%25-~w@127.0.0.1:15432/miyabi?sslmode=prefer",
            "postgresql://miyabi_admin:p%25-~w@127.0.0.1:15433/miyabi?sslmode=prefer",
        ),
        ("postgres://o:o@localhost:1/other", "postgres://o:o@localhost:15433/other"),
        ({"URL": "postgres://o:o@localhost:1/other", "n": 1}, {"URL": "postgres://o:o@localhost:15433/other", "n": 1}),
    ],
)
def test_what_leads_to_a_database_gets_its_port(before, after):
    def as_text(value):
        return value if isinstance(value, str) else json.dumps(value)

    assert corrected_text(as_text(before), LOGINS) == as_text(after)
    assert corrected_text(as_text(after), LOGINS) == as_text(after)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(LOGIN | {"password": "another"}),
        json.dumps(LOGIN | {"host": "db.example.com"}),
        json.dumps(LOGIN | {"dbname": "mine"}),
        json.dumps({key: value for key, value in LOGIN.items() if key != "port"}),
        json.dumps(LOGIN | {"password": ["p%-~w"]}),
        '{"a":   1}',
        "[1, 2]",
        "postgres://o:o@db.example.com:5432/other",
        "postgres://o:another@127.0.0.1:5432/other",
        "postgres://o:o@127.0.0.1/other",
        "https://o:o@127.0.0.1:5432/other",
        "postgres://o:o@127.0.0.1:not-a-port/other",
        "http://[bad",
        "a-jwt-secret",
        "",
    ],
)
def test_everything_else_stays_as_it_is(text):
    assert corrected_text(text, LOGINS) == text
