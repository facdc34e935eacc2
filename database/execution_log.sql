-- copy --
COPY execution_logs (id, execution_id, log_level, message, timestamp, metadata) FROM STDIN;

-- existing --
SELECT id FROM agent_executions WHERE id = ANY (%(executions)s::uuid[]);
