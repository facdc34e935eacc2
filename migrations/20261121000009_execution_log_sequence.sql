-- A cursor for "what is new since": timestamps of one burst are equal, this number is not. Lines of one execution are
-- written by its one owner, in order, so a reader of one execution never skips a line. The table is rewritten once.

SET LOCAL lock_timeout = '10s';

ALTER TABLE execution_logs ADD COLUMN sequence BIGINT GENERATED ALWAYS AS IDENTITY;

CREATE INDEX idx_execution_logs_execution_sequence ON execution_logs (execution_id, sequence);
