-- connections --
-- Those of this database without the one that asks; all of the server's; and how many there may be.
SELECT
    count(*) FILTER (WHERE datname = current_database() AND pid <> pg_backend_pid())::int AS here,
    count(*)::int AS used,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS allowed
FROM pg_stat_activity
WHERE backend_type = 'client backend';
