-- A task that waits for itself never starts. The cycle check let it through when the graph was empty.

SET LOCAL lock_timeout = '10s';

LOCK TABLE task_dependencies IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM task_dependencies WHERE task_id = depends_on_task_id;

ALTER TABLE task_dependencies
    ADD CONSTRAINT task_dependencies_not_on_itself CHECK (task_id <> depends_on_task_id);

CREATE OR REPLACE FUNCTION check_task_cycle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
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
