-- New rows have a known status. Old ones are looked at by a later file, in its own transaction.

SET LOCAL lock_timeout = '10s';

ALTER TABLE agent_executions
    ADD CONSTRAINT agent_executions_status_check
    CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')) NOT VALID;
