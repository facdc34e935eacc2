-- How many executions have ended, and how, by user and repository: a dashboard adds these up and counts only what is open,
-- however many there have been. Who ends an execution appends a change, which nobody else waits for; each thousandth
-- change folds those that there are into the counts.

SET LOCAL lock_timeout = '10s';

CREATE TABLE execution_counts (
    user_id UUID,               -- no foreign keys: what goes with a user or a repository is taken off row by row
    repository_id UUID,
    status TEXT NOT NULL,
    executions BIGINT NOT NULL,
    pull_requests BIGINT NOT NULL,
    UNIQUE NULLS NOT DISTINCT (user_id, repository_id, status)
);

CREATE INDEX idx_execution_counts_repository_id ON execution_counts (repository_id);

CREATE TABLE execution_count_changes (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    user_id UUID,
    repository_id UUID,
    status TEXT NOT NULL,
    executions INTEGER NOT NULL,
    pull_requests INTEGER NOT NULL
);

-- One does so at a time.
CREATE FUNCTION fold_execution_counts() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(20261127002006) THEN
        RETURN;
    END IF;
    WITH changes AS (
        DELETE FROM execution_count_changes RETURNING *
    )
    INSERT INTO execution_counts AS c (user_id, repository_id, status, executions, pull_requests)
    SELECT user_id, repository_id, status, sum(executions), sum(pull_requests)
    FROM changes
    GROUP BY user_id, repository_id, status
    ON CONFLICT (user_id, repository_id, status) DO UPDATE
    SET executions = c.executions + excluded.executions, pull_requests = c.pull_requests + excluded.pull_requests;
    DELETE FROM execution_counts WHERE executions = 0;
END;
$$;

CREATE FUNCTION count_executions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    number BIGINT;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.status NOT IN ('pending', 'running') THEN
        INSERT INTO execution_count_changes (user_id, repository_id, status, executions, pull_requests)
        VALUES (OLD.user_id, OLD.repository_id, OLD.status, -1, -num_nonnulls(OLD.pr_number))
        RETURNING id INTO number;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.status NOT IN ('pending', 'running') THEN
        INSERT INTO execution_count_changes (user_id, repository_id, status, executions, pull_requests)
        VALUES (NEW.user_id, NEW.repository_id, NEW.status, 1, num_nonnulls(NEW.pr_number))
        RETURNING id INTO number;
    END IF;
    IF number % 1000 = 0 THEN
        PERFORM fold_execution_counts();
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER count_inserted_executions AFTER INSERT ON agent_executions
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'running'))
    EXECUTE FUNCTION count_executions();
CREATE TRIGGER count_moved_executions AFTER UPDATE OF status, pr_number, user_id, repository_id ON agent_executions
    FOR EACH ROW WHEN (
        (OLD.status NOT IN ('pending', 'running') OR NEW.status NOT IN ('pending', 'running'))
        AND (OLD.status, OLD.pr_number, OLD.user_id, OLD.repository_id)
            IS DISTINCT FROM (NEW.status, NEW.pr_number, NEW.user_id, NEW.repository_id)
    )
    EXECUTE FUNCTION count_executions();
CREATE TRIGGER count_deleted_executions AFTER DELETE ON agent_executions
    FOR EACH ROW WHEN (OLD.status NOT IN ('pending', 'running'))
    EXECUTE FUNCTION count_executions();

INSERT INTO execution_counts (user_id, repository_id, status, executions, pull_requests)
SELECT user_id, repository_id, status, count(*), count(pr_number)
FROM agent_executions
WHERE status NOT IN ('pending', 'running')
GROUP BY user_id, repository_id, status;
