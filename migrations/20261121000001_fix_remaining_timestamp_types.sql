-- The three columns that the fix of 2025-11-23 forgot: the backend fails to read them when they are set.

SET LOCAL lock_timeout = '10s';
SET LOCAL TimeZone = 'UTC';

ALTER TABLE tasks
    ALTER COLUMN failed_at TYPE TIMESTAMPTZ,
    ALTER COLUMN cancelled_at TYPE TIMESTAMPTZ;

ALTER TABLE task_dependencies
    ALTER COLUMN created_at TYPE TIMESTAMPTZ;
