"""Where statements begin, for the line in an error message."""

import pytest

from database.sql_text import statement_starts


@pytest.mark.parametrize(
    ("sql", "starts"),
    [
        ("", []),
        (" ;; -- nothing\n/* a /* b */ ; */ ;", []),
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("-- a;\nSELECT 1;\n/* ; */ SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 'a;''b;'; SELECT 2", ["SELECT 'a", "SELECT 2"]),
        (r"SELECT E'\';'; SELECT 2", ["SELECT E", "SELECT 2"]),
        (r"SELECT '\'; SELECT 2", ["SELECT '", "SELECT 2"]),
        ('SELECT 1 AS "a;""b"; SELECT 2', ["SELECT 1", "SELECT 2"]),
        ("DO $$ a; b; $$; SELECT 2", ["DO", "SELECT 2"]),
        ("DO $x$ $$; $y$; $x$; SELECT 2", ["DO", "SELECT 2"]),
        ("SELECT a$b$ FROM t; SELECT c$b$ FROM t", ["SELECT a", "SELECT c"]),
        ("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", ["CREATE", "SELECT 3"]),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            ["CREATE", "SELECT 3"],
        ),
        ("BEGIN; SELECT 1; END; SELECT 2", ["BEGIN", "SELECT 1", "END", "SELECT 2"]),
        ("SELECT $1; SELECT 'open ; SELECT 3", ["SELECT $1", "SELECT 'open"]),
        ("SELECT 1 /* open ; SELECT 2", ["SELECT 1"]),
        ("DO $$ open ; SELECT 2", ["DO"]),
    ],
)
def test_statements_begin_where_postgres_begins_them(sql: str, starts: list[str]) -> None:
    found = statement_starts(sql)
    assert len(found) == len(starts)
    assert all(sql.startswith(start, offset) for offset, start in zip(found, starts, strict=True))
