-- What the API shows of a finished execution. The backend selects these columns and failed without them.

SET LOCAL lock_timeout = '10s';

ALTER TABLE agent_executions
    ADD COLUMN result_summary TEXT,
    ADD COLUMN quality_score INTEGER,
    ADD COLUMN pr_number INTEGER,
    ADD CONSTRAINT agent_executions_quality_score_check CHECK (quality_score BETWEEN 0 AND 100) NOT VALID;
