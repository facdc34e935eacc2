-- schema_version --
-- sqlx's own table: the newest migration that was applied as a whole.
SELECT max(version) AS version FROM _sqlx_migrations WHERE success
