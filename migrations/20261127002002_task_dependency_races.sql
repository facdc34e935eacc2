-- Two transactions could each add one half of a circle, since neither saw the other's. They add one after the other now;
-- a statement that begins after the lock sees what was committed before.

SET LOCAL lock_timeout = '10s';

CREATE OR REPLACE FUNCTION check_task_cycle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(20261127002002);
    IF EXISTS (
        WITH RECURSIVE waits_for (depends_on_task_id) AS (
            SELECT NEW.depends_on_task_id
            UNION
            SELECT d.depends_on_task_id FROM task_dependencies d
            JOIN waits_for w ON d.task_id = w.depends_on_task_id
            WHERE d.id <> NEW.id
        )
        SELECT FROM waits_for WHERE depends_on_task_id = NEW.task_id
    ) THEN
        RAISE EXCEPTION 'Circular dependency detected';
    END IF;
    RETURN NEW;
END;
$$;

-- A user's tasks in the order of their list.
CREATE INDEX idx_tasks_user_order ON tasks (user_id, priority, created_at DESC, id);
