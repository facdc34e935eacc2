"""Whose connections are counted: the function's user's, without ours and without people's tools."""

import psycopg

from database.server_use import connection_ages, count_connections


def test_a_persons_psql_is_not_the_functions(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as asking:
        before, ages = count_connections(asking), connection_ages(asking)
        with psycopg.connect(database, application_name="psql"), psycopg.connect(database):
            after = count_connections(asking)
            assert (after.here, after.used) == (before.here + 1, before.used + 2)
            assert len(connection_ages(asking)) == len(ages) + 1
            assert 0 <= min(connection_ages(asking)) < 5
