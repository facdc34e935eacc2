-- Looks at the old rows, without blocking writers. A row that breaks the rule is left for a person: the rule then
-- holds for new rows alone, and the warning says so.

SET LOCAL lock_timeout = '10s';

DO $$
DECLARE
    rule TEXT;
BEGIN
    FOR rule IN
        SELECT conname FROM pg_constraint
        WHERE conrelid = 'agent_executions'::regclass AND contype = 'c' AND NOT convalidated
        ORDER BY conname
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE agent_executions VALIDATE CONSTRAINT %I', rule);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'rows of agent_executions break %: mend them, then VALIDATE CONSTRAINT', rule;
        END;
    END LOOP;
END;
$$;
