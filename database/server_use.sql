-- connections --
-- Those of this database by this user, the function's, without the one that asks and without known tools of people and
-- of ours; all of the server's; and how many there may be.
SELECT
    count(*) FILTER (
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
            AND application_name !~* '^(miyabi migrate|psql|pg_dump|pg_restore|pgadmin|dbeaver|datagrip)'
    )::int AS here,
    count(*)::int AS used,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS allowed
FROM pg_stat_activity
WHERE backend_type = 'client backend';

-- ages --
-- How many seconds ago each of the former was opened.
SELECT extract(epoch FROM clock_timestamp() - backend_start)::float8
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND usename = current_user
    AND pid <> pg_backend_pid()
    AND application_name !~* '^(miyabi migrate|psql|pg_dump|pg_restore|pgadmin|dbeaver|datagrip)';

-- sessions --
-- Counted by the server when a session begins; a session that has ended is still counted.
SELECT sessions FROM pg_stat_database WHERE datname = current_database();
